"""What starts a flow besides people: its triggers, compiled, and which of them hear of what has happened. Pure.

A trigger has a key: what it is for, in words (``0 9 * * MON-FRI Europe/Berlin``, ``pushed``, ``waiting release``). It
stays the same while the flow's author changes what the trigger passes on, or puts others before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from flows.definition import AnyTrigger, Flow, FlowTrigger, ScheduleTrigger, WebhookTrigger
from flows.effects import On, StartTriggered
from flows.errors import InvalidForm
from flows.events import Fact, RunEnded, SuspensionClosed, SuspensionOpened
from flows.expressions import CompiledValue, Expression, ExpressionError, compile_value
from flows.ports import Json
from flows.run import Close, Kind
from flows.schedule import Cron, parse_cron, parse_zone

MAX_DEPTH = 8
"""How many runs may start one another in a row: flows that trigger each other would not end by themselves."""

_DECIDED = frozenset({Close.APPROVED, Close.REJECTED, Close.RESUMED})


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """One trigger of a flow. ``key`` names it among the flow's triggers of its kind."""

    flow: str
    key: str
    model: AnyTrigger
    condition: Expression | None = field(repr=False)
    inputs: CompiledValue = field(repr=False)

    def inputs_for(self, values: Mapping[str, Any]) -> dict[str, Json] | None:
        """What a run is started with; None where ``if`` is false. Not validated yet: the start does that.

        Raises ``InvalidForm`` where something cannot be rendered, with its place (``if``, ``inputs.days``).
        """
        try:
            if self.condition is not None and not self.condition.test(values):
                return None
        except ExpressionError as error:
            raise InvalidForm({"if": f"{error}."}) from None
        try:
            rendered: dict[str, Json] = self.inputs.render(values)
        except ExpressionError as error:
            raise InvalidForm({".".join(["inputs", *map(str, error.where)]): f"{error}."}) from None
        return rendered


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A trigger by the clock."""

    trigger: TriggerPlan
    cron: Cron
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Listener:
    """A flow that wants to hear of another one's runs."""

    flow: str
    trigger: str
    on: On


Listeners = Mapping[str, tuple[Listener, ...]]
"""Who listens, by the flow whose runs they hear of."""

NOBODY: Listeners = {}


@dataclass(frozen=True, slots=True)
class Triggers:
    """All triggers of the flows that can be started now; by flow and key."""

    schedules: Mapping[tuple[str, str], Scheduled] = field(default_factory=dict)
    webhooks: Mapping[tuple[str, str], TriggerPlan] = field(default_factory=dict)
    heard: Mapping[tuple[str, str], TriggerPlan] = field(default_factory=dict)
    listeners: Listeners = field(default_factory=dict)

    @classmethod
    def of(cls, flows: Iterable[Flow]) -> Triggers:
        """The triggers of flows that ``flows.checks`` has found nothing wrong with."""
        schedules: dict[tuple[str, str], Scheduled] = {}
        webhooks: dict[tuple[str, str], TriggerPlan] = {}
        heard: dict[tuple[str, str], TriggerPlan] = {}
        listeners: dict[str, tuple[Listener, ...]] = {}
        for flow in flows:
            for trigger in compiled(flow):
                place = trigger.flow, trigger.key
                match trigger.model:
                    case ScheduleTrigger(schedule=line, timezone=zone):
                        schedules[place] = Scheduled(trigger, parse_cron(line), parse_zone(zone))
                    case WebhookTrigger():
                        webhooks[place] = trigger
                    case FlowTrigger(on=on, flow=source):
                        heard[place] = trigger
                        listeners[source] = (*listeners.get(source, ()), Listener(flow.flow, trigger.key, on))
        return cls(schedules, webhooks, heard, listeners)


def compiled(flow: Flow) -> list[TriggerPlan]:
    """A flow's triggers in their order. Raises ``ExpressionError``, ``ScheduleError`` for what ``flows.checks`` refuses."""
    found: dict[str, TriggerPlan] = {}
    for model in flow.triggers:
        first = key = _key(model)
        count = 1
        while key in found:
            count += 1
            key = f"{first} #{count}"
        condition = Expression.compile(model.if_) if model.if_ else None
        found[key] = TriggerPlan(flow.flow, key, model, condition, compile_value(dict(model.inputs)))
    return list(found.values())


def _key(model: AnyTrigger) -> str:
    match model:
        case ScheduleTrigger(schedule=line, timezone=zone):
            return f"{parse_cron(line).text} {zone}"
        case WebhookTrigger(webhook=name):
            return name
        case FlowTrigger(on=on, flow=source):
            return f"{on} {source}"


def heard(facts: Iterable[Fact], kinds: Mapping[int, Kind], listeners: Iterable[Listener]) -> list[StartTriggered]:
    """What follows for these listeners from facts of one transition, in the facts' order.

    A wait is heard of once when it opens, and once when people have decided it; its end by time, by a machine or by
    whoever ended the run is no decision. ``kinds`` are those of the transition's suspensions: the pause before another
    round of a step (``ctx.rerun``) is no wait to anybody.
    """
    told: list[tuple[On, int]] = []
    for fact in facts:
        match fact:
            case SuspensionOpened(n=n) if kinds.get(n) is not Kind.RERUN:
                told.append(("waiting", n))
            case SuspensionClosed(n=n, how=how, by=by) if by and how in _DECIDED:
                told.append(("decided", n))
            case RunEnded():
                told.append(("ended", 0))
    return [
        StartTriggered(listener.flow, listener.trigger, on, n)
        for on, n in told
        for listener in listeners
        if listener.on == on
    ]
