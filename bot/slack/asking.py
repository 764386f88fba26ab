"""Who will be asked by a run, as far as that can be said before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from bot.people import People
from bot.slack.views.asked import Asked
from flows.definition import Approval, Flow, Hold
from flows.engine import Engine
from flows.expressions import Template
from flows.handles import InvalidHandle, normalise
from flows.people import Person, PersonId, Roster
from flows.ports import Json


class Asking:
    """Works it out: from the flow alone, or with the inputs. Raises ``TryAgain`` where Slack cannot be asked."""

    def __init__(self, engine: Engine, people: People) -> None:
        self._engine = engine
        self._people = people

    def depends_on_inputs(self, flow: Flow) -> bool:
        """Whether who is asked depends on what the flow is started with."""
        return any(_roots(handle) == {"inputs"} for handle in _handles(flow))

    async def by_flow(self, flow: Flow, starter: Person) -> Asked:
        """Those whom the flow itself names, whatever its inputs."""
        named: dict[str, None] = {}
        for handle in _handles(flow):
            if not _roots(handle):
                value = handle.render({})
                with suppress(InvalidHandle):  # said by the step, when it is reached
                    named.update(dict.fromkeys(map(normalise, value if isinstance(value, list) else [value])))
        return await self._asked(
            flow, await self._people.resolve(named, requester=starter.id) if named else None, starter
        )

    async def with_inputs(self, flow: Flow, inputs: Mapping[str, Json], starter: Person) -> Asked:
        """Those who are asked with these inputs. Raises also ``InvalidForm``."""
        return await self._asked(flow, await self._engine.asked_by(flow.flow, inputs, requester=starter.id), starter)

    async def _asked(self, flow: Flow, roster: Roster | None, starter: Person) -> Asked:
        waits = list(_waits(flow))
        resumed = any(isinstance(wait, Hold) and not wait.by for wait in waits)
        later = any(_roots(handle) - {"inputs"} for handle in _handles(flow)) or self._may_ask_otherwise(flow)
        if roster is None:
            return Asked(starter=resumed, later=later)
        # Nobody is asked about a request of their own, unless something in the flow says so.
        never = frozenset[PersonId]()
        if not any(isinstance(wait, Hold) or wait.self_approval for wait in waits):
            never = frozenset({starter.id})
        ids = dict.fromkeys(one for one in roster.people.values() if one not in never)
        found = [person for one in ids if (person := await self._people.by_id(one)) is not None]
        groups = tuple((handle, len(set(members) - never)) for handle, members in roster.groups.items())
        own = not never.isdisjoint(roster.ids())
        return Asked(tuple(found), groups, tuple(roster.gaps.items()), resumed, own, later)

    def _may_ask_otherwise(self, flow: Flow) -> bool:
        """Whether a function, or a child flow, may ask people whom this flow does not name."""
        return any(
            step.run is not None or (step.flow is not None and self._asks(step.flow)) for step in flow.every_step()
        )

    def _asks(self, name: str, around: frozenset[str] = frozenset()) -> bool:
        flow = self._engine.flows.get(name)
        if flow is None or name in around:
            return False
        inside = (step.flow for step in flow.every_step() if step.flow is not None)
        return (
            any(_waits(flow))
            or any(step.run is not None for step in flow.every_step())
            or any(self._asks(child, around | {name}) for child in inside)
        )


def _waits(flow: Flow) -> Iterator[Approval | Hold]:
    for step in flow.every_step():
        wait = step.approval or step.hold
        if wait is not None:
            yield wait


def _handles(flow: Flow) -> list[Template]:
    """Everybody whom its own steps name, as written, each once."""
    written = (wait.handles if isinstance(wait, Approval) else wait.by for wait in _waits(flow))
    return [Template.compile(handle) for handle in dict.fromkeys(handle for several in written for handle in several)]


def _roots(handle: Template) -> frozenset[str]:
    """What a handle reads: ``inputs``, ``run``, ``steps``...; nothing where it names somebody."""
    return frozenset(name[0] for name in handle.names)
