"""What a flow is: ``Flow``, ``Step``, the waits that a step may have, and the steps that hold other steps.

The models are the flow file, one to one, and are public: a flow may be written in YAML or built here in
Python. They are validated when they are made, frozen, and hashed by content (``content_hash``), so that a
run can be pinned to exactly the definition that it started with.

A model checks what can be said of it alone. What takes the whole flow (names in expressions, quorums,
secrets in the wrong place) is said by ``flows.checks``, so that a file with five mistakes gets five sentences.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from flows.durations import format_duration, parse_duration
from flows.fields import Field as AnyField
from flows.rules import Rule

SCHEMA = 2
"""The number of the definition format that ``canonical`` writes; raised when a stored body needs a translation."""

DEFAULT_TIMEOUT = timedelta(days=7)
"""How long people are waited for where a flow says nothing; see docs/decisions/0004-default-deadline.md."""

CALLBACK_TIMEOUT = timedelta(hours=24)
"""How long a machine is waited for where a flow says nothing (scenario P4; Pipedream's own default)."""

MAX_DEPTH = 12
"""How deep steps may stand inside steps."""

FlowName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
StepId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=150)]


def _duration(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError("must be a duration like 10s, 2d or 1h30m: a bare number does not say of what")  # noqa: TRY004 - pydantic turns ValueErrors into problems
    return parse_duration(value) if isinstance(value, str) else value


def _text(value: timedelta) -> str:
    return format_duration(value)


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=str),
    PlainSerializer(_text, return_type=str),
    Field(gt=timedelta(0), le=timedelta(days=3660)),
]


class Model(BaseModel):
    """Frozen, closed to unknown keys, built with the flow file's own key names."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )


class Retry(Model):
    """How often, and how far apart, an action that failed for a passing reason is tried again.

    ``max`` counts the tries after the first. The n-th pause lasts ``delay * backoff ** (n - 1)``, never
    more than ``max_delay``, never less than what the remote side asked for (Retry-After).
    """

    max: int = Field(default=3, ge=0, le=1000)
    delay: Duration = timedelta(seconds=10)
    backoff: float = Field(default=2.0, ge=1.0, le=10.0)
    max_delay: Duration = timedelta(hours=1)

    def pause(self, failures: int) -> timedelta:
        """How long to wait after that many failures (from 1)."""
        # The exponent is capped because 2.0 ** 1100 overflows a float long after max_delay has won.
        return min(self.delay * self.backoff ** min(failures - 1, 100), self.max_delay)


class SlackPlace(Model):
    """A card in a channel: ``{slack: "#vacation"}``, by name or channel id."""

    slack: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    team: Annotated[str, StringConstraints(pattern=r"^T[A-Z0-9]+$")] | None = None
    """The workspace, where several are connected; without it the requester's, or the first that was connected."""


Via = Literal["slack", "mail", "gmail"] | SlackPlace
"""``slack``: a direct message to each person. ``mail``: a mail with a personal link to each, by Gmail or SMTP,
whichever is set up; ``gmail`` is the same word from before there was SMTP."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


def _via(value: object) -> object:
    return value if value == "none" else _as_list(value)


def _as_handler(value: object) -> object:
    return {"steps": value} if isinstance(value, list | tuple) else value


Handles = Annotated[tuple[Text, ...], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]
Steps = tuple["Step", ...]
SomeSteps = Annotated[tuple["Step", ...], Field(min_length=1)]


class TimeoutHandler(Model):
    """Steps that run when a deadline has passed, and how it goes on after them."""

    steps: SomeSteps
    then: Literal["end", "fail", "continue", "approve"] = "end"


class RejectHandler(Model):
    """Steps that run after a rejection, and how it goes on after them."""

    steps: SomeSteps
    then: Literal["end", "fail", "continue"] = "end"


class ErrorHandler(Model):
    """Steps that run after a failure, and how it goes on after them. They may read ``error``."""

    steps: SomeSteps
    then: Literal["fail", "continue"] = "fail"


OnTimeout = Annotated[
    Literal["end", "fail", "continue", "approve"] | TimeoutHandler,
    BeforeValidator(_as_handler, json_schema_input_type=str | dict[str, Any] | list[Any]),
]
OnReject = Annotated[
    Literal["end", "fail", "continue"] | RejectHandler,
    BeforeValidator(_as_handler, json_schema_input_type=str | dict[str, Any] | list[Any]),
]
OnError = Annotated[
    Literal["fail", "continue"] | ErrorHandler,
    BeforeValidator(_as_handler, json_schema_input_type=str | dict[str, Any] | list[Any]),
]
Handler = TimeoutHandler | RejectHandler | ErrorHandler


def word_of(handler: str | Handler) -> str:
    """How it goes on: ``end``, ``fail``, ``continue`` or ``approve``."""
    return handler if isinstance(handler, str) else handler.then


def steps_of(handler: str | Handler) -> tuple[Step, ...]:
    """The steps that run before it goes on."""
    return () if isinstance(handler, str) else handler.steps


class Suspending(Model):
    """What all waits but a delay have in common."""

    ask: Text
    show: dict[str, Any] = Field(default_factory=dict)
    """Label -> template: earlier outputs that are shown with the ask."""
    timeout: Duration = DEFAULT_TIMEOUT
    on_timeout: OnTimeout = "end"
    on_open: Steps = ()
    """Steps that run once when the wait opens, beside it. The step ends when both have."""


class Reminders(Model):
    """When whoever has not answered is asked again. ``remind: 4h`` is short for ``{first: 4h}``."""

    first: Duration
    """Counted from when the wait opened."""
    every: Duration | None = None
    """Between one reminder and the next; without it there is one."""
    up_to: Annotated[int, Field(ge=1, le=50, strict=True)] = 3
    """How many at most, the first included."""

    @model_validator(mode="after")
    def _is_no_flood(self) -> Self:
        if self.every is not None and self.every < timedelta(minutes=1):
            raise ValueError("has 'every' under a minute; nobody answers sooner for being asked more often")
        return self

    @property
    def count(self) -> int:
        return 1 if self.every is None else self.up_to


def _as_reminders(value: object) -> object:
    return {"first": value} if isinstance(value, str) else value


class Escalation(Model):
    """Others are asked where nobody has answered in time."""

    after: Duration
    """Counted from when the wait opened."""
    to: Annotated[
        tuple[Text, ...], Field(min_length=1), BeforeValidator(_as_list, json_schema_input_type=str | list[str])
    ]
    mode: Literal["add", "replace"] = "add"
    """Whether those who were asked before may still answer. What was said before stands either way."""


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class WorkingHours(Model):
    """The hours in which the clocks of a wait run: reminders, escalation and the deadline. ``working_hours: true`` is
    short for these defaults.

    Without ``zone``, each person's own time zone counts, as Slack has it (UTC where it is unknown); a deadline is then
    the latest of those who are asked, so that nobody has less than ``timeout`` of their own working time.
    """

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEKDAYS[:5]
    from_: Annotated[str, Field(alias="from"), StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "09:00"
    to: Annotated[str, StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")] = "17:00"
    zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """An IANA name."""
    holidays: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] | None = None
    """A country (``DE``) or a part of one (``DE-BE``), whose public holidays are no working days."""

    @model_validator(mode="after")
    def _is_a_day(self) -> Self:
        if self.from_ >= self.to:
            raise ValueError(f"ends at {self.to}, before it begins at {self.from_}")
        return self


def _as_hours(value: object) -> object:
    return {} if value is True else None if value is False else value


Settle = Annotated[Duration, Field(le=timedelta(minutes=10))]


class Wait(Suspending):
    """What all waits for people have in common."""

    remind: Annotated[Reminders | None, BeforeValidator(_as_reminders, json_schema_input_type=str | dict[str, Any])] = (
        None
    )
    working_hours: Annotated[
        WorkingHours | None, BeforeValidator(_as_hours, json_schema_input_type=bool | dict[str, Any])
    ] = None
    """In whose working time the clocks run; without it they always do."""
    risk: Literal["low", "medium", "high"] | None = None
    """Shown as the card's colour and said in words."""
    verify: Literal["code", "slack"] | None = None
    """What a personal link asks for beyond itself, before an answer counts: the code that the mail shows, or that the
    person signs in with Slack."""
    delegation: Literal["allow", "refuse"] = "allow"
    """Whether somebody may answer for a person who has handed their approvals over."""
    form: tuple[AnyField, ...] = ()
    via: Annotated[
        tuple[Via, ...] | Literal["none"] | None,
        BeforeValidator(_via, json_schema_input_type=list[Via] | Via | Literal["none"]),
    ] = None
    """Where people are asked. None: each where they can be reached, a direct message or else mail. The word ``none``:
    the flow sends the links itself."""

    @field_validator("via")
    @classmethod
    def _via_names_a_place(cls, via: tuple[Via, ...] | str | None) -> tuple[Via, ...] | str | None:
        if via == ():
            raise ValueError(
                "names no place; leave it out to reach each person where they can be reached, or write none"
            )
        return via


class Choice(Model):
    """One of the ``options`` of an approval: what approvers choose beyond a bare yes."""

    name: StepId
    label: Annotated[str, StringConstraints(min_length=1, max_length=75)] | None = None
    """What its button says; without it the name made readable. Slack's buttons hold 75 characters."""

    @property
    def title(self) -> str:
        return self.label or self.name.replace("_", " ").capitalize()


def _as_choices(value: object) -> object:
    return (
        [{"name": one} if isinstance(one, str) else one for one in value] if isinstance(value, list | tuple) else value
    )


class Approval(Wait):
    """People approve or reject."""

    ask: Text = "Please decide"
    approvers: Handles = ()
    """Mail addresses, Slack user ids, ``@groups``, or templates that give one of these or a list of them. May be left
    out where a nested ``quorum`` names everybody."""
    quorum: Annotated[int, Field(ge=1, le=1000, strict=True)] | Literal["any", "all"] | Rule = 1
    reject_after: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    """How many distinct people have to reject before it is rejected."""
    veto: Handles = ()
    """People and groups whose single rejection is enough, whatever ``reject_after`` says."""
    options: Annotated[tuple[Choice, ...], BeforeValidator(_as_choices, json_schema_input_type=list[str | Choice])] = ()
    """What people approve: one of these. The quorum counts those who chose the same; it lands in ``resume.option``."""
    reason: Literal["never", "reject", "both"] = "never"
    """When a comment is required."""
    form_on: Literal["approve", "both"] = "approve"
    """Whether a rejection fills in the form too."""
    pre_approval: Literal["refuse", "allow"] = "refuse"
    """Whether a decision that was given before this opened may count here, unseen."""
    self_approval: StrictBool = False
    escalate: Annotated[
        tuple[Escalation, ...], BeforeValidator(_as_list, json_schema_input_type=list[Escalation] | Escalation)
    ] = ()
    questions: Literal["keep_clock", "stop_clock"] = "keep_clock"
    """What an approver's question does to the deadline until the requester has answered it."""
    thread_replies: Literal["ignore", "count"] = "ignore"
    """Whether "approved" in the card's thread counts, once its author has confirmed it."""
    settle: Settle | None = None
    """How long the answer that completes it can still be undone, before it takes effect. Ten minutes at most."""
    on_reject: OnReject = "end"

    @model_validator(mode="after")
    def _escalates_what_can_be(self) -> Self:
        if self.escalate and (self.quorum == "all" or not isinstance(self.quorum, int | str)):
            raise ValueError(
                "has 'escalate', which takes a plain quorum: of 'all' it would be one more who has to approve, and in a"
                " nested one nobody says whose seat it is"
            )
        if self.verify is not None and self.pre_approval == "allow":
            raise ValueError(
                "has 'verify' and 'pre_approval: allow'; whoever answers in advance cannot be asked to verify"
            )
        if [one.after for one in self.escalate] != sorted(one.after for one in self.escalate):
            raise ValueError("has an 'escalate' whose steps are not in the order of their 'after'")
        return self

    @model_validator(mode="after")
    def _asks_somebody(self) -> Self:
        if not self.approvers and isinstance(self.quorum, int | str):
            raise ValueError("names nobody: list 'approvers', or name them in a nested 'quorum'")
        names = [option.name for option in self.options]
        if len(set(names)) < len(names):
            raise ValueError("has two options of the same name")
        if self.options and any(field.name == "option" for field in self.form):
            raise ValueError("has 'options' and a form field 'option'; rename the field")
        return self

    @property
    def handles(self) -> tuple[str, ...]:
        """Everybody whom it names, as written, each once; veto holders included."""
        named = () if isinstance(self.quorum, int | str) else self.quorum.handles
        later = (handle for one in self.escalate for handle in one.to)
        return tuple(dict.fromkeys([*self.approvers, *named, *self.veto, *later]))


class Hold(Wait):
    """One person resumes, with values. Without ``by``: the requester or an admin."""

    ask: Text = "Waiting to be resumed"
    by: Handles = ()

    @field_validator("on_timeout")
    @classmethod
    def _silence_approves_nothing(cls, handler: str | TimeoutHandler) -> str | TimeoutHandler:
        if word_of(handler) == "approve":
            raise ValueError("must be 'end', 'fail' or 'continue': a hold is resumed, not approved")
        return handler


class Callback(Suspending):
    """A machine calls back: a POST, PUT or PATCH to the resume link, or to the cancel link."""

    ask: Text = "Waiting for a callback"
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    """JSON Schema 2020-12 that the body has to meet; another body is refused and the wait goes on."""
    redirect: Text | None = None
    """The page that the sender's browser is sent to afterwards; without it, a page of ours says what happened."""
    timeout: Duration = CALLBACK_TIMEOUT

    @field_validator("on_timeout")
    @classmethod
    def _silence_approves_nothing(cls, handler: str | TimeoutHandler) -> str | TimeoutHandler:
        if word_of(handler) == "approve":
            raise ValueError("must be 'end', 'fail' or 'continue': a callback is answered, not approved")
        return handler


class Range(Model):
    """Whole numbers, both ends included: ``{from: 1, to: 10}``. An end may be a bare expression."""

    from_: Annotated[int | Text, Field(alias="from")] = 1
    to: int | Text


class Repeat(Model):
    """Steps that run again until an expression is true."""

    until: Text
    """One bare expression, read after each round."""
    delay: Text | None = None
    """How long to wait between two rounds."""
    max: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 100
    """Rounds at most, the first included."""
    on_exhausted: Literal["fail", "continue"] = "fail"


class Step(Model):
    """One element of a flow.

    Either an action or none, then a wait or none, and at least one of the two; or a step that holds other steps:
    ``if`` with ``then``, ``switch``, ``for_each``, ``parallel``, ``repeat``, or ``flow`` (a child flow).
    """

    id: StepId
    title: Title | None = None
    if_: Annotated[Text | None, Field(alias="if")] = None
    uses: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")] | None = None
    run: str | SkipJsonSchema[Callable[..., Any]] | None = None
    """``module:function``, found from the flow file's folder; in Python definitions the function itself."""
    with_: Annotated[dict[str, Any], Field(alias="with")] = Field(default_factory=dict)
    connection: StepId | None = None
    """Which of several accounts of the integration performs the action; see docs/settings.md."""
    retry: Retry = Retry(max=0)
    timeout: Duration | None = None
    """How long one attempt of the action may take. A wait has its own, inside it."""
    approval: Approval | None = None
    hold: Hold | None = None
    callback: Callback | None = None
    delay: Text | None = None
    """A duration ("10m"), an instant ("2026-12-24T08:00:00Z"), or a template that gives one."""
    then: Steps = ()
    else_: Annotated[Steps, Field(alias="else")] = ()
    switch: Text | None = None
    """One bare expression; its value as text names the case."""
    cases: dict[str, SomeSteps] = Field(default_factory=dict)
    default: Steps = ()
    for_each: Text | list[Any] | Range | None = None
    """One bare expression that gives a list, a list of values and templates, or a range."""
    concurrency: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    """How many items of ``for_each`` are under way at the same time."""
    parallel: dict[StepId, SomeSteps] = Field(default_factory=dict)
    fail_fast: StrictBool = True
    """Whether the first branch or item that stops ends the others at once, or they go on and it counts at the end."""
    repeat: Repeat | None = None
    flow: FlowName | None = None
    """A child flow; ``with`` gives its inputs, its outputs are this step's output."""
    steps: Steps = ()
    """What ``for_each`` and ``repeat`` do each time."""
    output: Any = None
    """A template, rendered where the steps inside have ended: the output of an item, a branch, a round. Without it,
    that of the last step inside."""
    on_error: OnError = "fail"
    on_reject: OnReject = "end"
    """For steps that hold others: what a rejection inside, which would end the run, does instead."""
    on_timeout: OnTimeout = "end"
    """Likewise for a deadline inside."""

    @field_validator("run")
    @classmethod
    def _run_is_named(cls, run: str | Callable[..., Any] | None) -> str | None:
        if run is None:
            return None
        name = run if isinstance(run, str) else f"{run.__module__}:{run.__qualname__}"
        module, _, function = name.partition(":")
        if not all(part.isidentifier() for part in [*module.split("."), function]):
            raise ValueError(f"{name!r} is not module:function (a function at the top of a module)")
        return name

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.uses and self.run:
            raise ValueError("has both 'uses' and 'run'; a step runs one action")
        held = [key for key in _HOLDING if getattr(self, key)]
        if len(held) > 1:
            raise ValueError(f"has {' and '.join(held)}; a step does one of them, so make them two steps")
        waits = [name for name in _WAITS if getattr(self, name) is not None]
        if len(waits) > 1:
            raise ValueError(f"has {' and '.join(waits)}; a step waits for one thing, so make them two steps")
        if held:
            self._check_holding(held[0], waits)
        else:
            self._check_leaf(waits)
        return self

    def _check_holding(self, held: str, waits: list[str]) -> None:
        others = [*waits, *(key for key in ("uses", "run") if getattr(self, key))]
        if others:
            raise ValueError(f"has {held} and {' and '.join(others)}; put what it does into a step inside or beside it")
        if held == "then" and self.if_ is None:
            raise ValueError("has 'then' without 'if'")
        unfit = [
            key
            for key, is_set, fits in (
                ("steps", self.steps, held in ("for_each", "repeat")),
                ("else", self.else_, held == "then"),
                ("cases", self.cases, held == "switch"),
                ("default", self.default, held == "switch"),
                ("with", self.with_, held == "flow"),
                ("timeout", self.timeout, held == "flow"),
                ("concurrency", self.concurrency != 1, held == "for_each"),
                ("fail_fast", not self.fail_fast, held in ("for_each", "parallel")),
                ("output", self.output is not None, held != "flow"),
                ("retry", self.retry.max, False),
                ("connection", self.connection, False),
            )
            if is_set and not fits
        ]
        if unfit:
            raise ValueError(f"has {' and '.join(map(repr, unfit))}, which {held!r} does not take")
        missing = {"for_each": not self.steps, "repeat": not self.steps, "switch": not self.cases}.get(held, False)
        if missing:
            raise ValueError(f"has {held!r} without {'cases' if held == 'switch' else 'steps'!r}")
        if word_of(self.on_timeout) == "approve":
            raise ValueError("has 'on_timeout: approve', which only an approval can have")

    def _check_leaf(self, waits: list[str]) -> None:
        if not waits and not self.action:
            raise ValueError(f"does nothing: it needs 'uses', 'run', {', '.join(map(repr, _WAITS))}, or steps inside")
        stray = [
            key
            for key, is_set in (
                ("else", self.else_),
                ("cases", self.cases),
                ("default", self.default),
                ("steps", self.steps),
                ("output", self.output is not None),
                ("concurrency", self.concurrency != 1),
                ("fail_fast", not self.fail_fast),
            )
            if is_set
        ]
        if stray:
            raise ValueError(f"has {' and '.join(map(repr, stray))}, which only steps that hold others take")
        if self.on_reject != "end" or self.on_timeout != "end":
            raise ValueError("has 'on_reject' or 'on_timeout' beside its wait; write it inside the wait")
        if not self.action:
            unused = [key for key, is_set in (("with", self.with_), ("timeout", self.timeout)) if is_set]
            if unused:
                raise ValueError(
                    f"has {' and '.join(map(repr, unused))} but no action"
                    + ("; a wait's timeout stands inside it" if "timeout" in unused else "")
                )

    @property
    def action(self) -> str | None:
        """The name of the action: ``http.request``, ``module:function``, or None."""
        return self.uses or (self.run if isinstance(self.run, str) else None)

    @property
    def wait(self) -> Wait | None:
        """The wait for people, if it has one."""
        return self.approval or self.hold

    @property
    def suspending(self) -> Approval | Hold | Callback | None:
        """The wait for people or for a machine, if it has one."""
        return self.approval or self.hold or self.callback

    @property
    def suspends(self) -> bool:
        return self.suspending is not None or self.delay is not None

    @property
    def holds_steps(self) -> bool:
        """Whether it holds other steps instead of doing something itself."""
        return any(getattr(self, key) for key in _HOLDING)

    @property
    def blocks(self) -> Mapping[str, tuple[Step, ...]]:
        """The lists of steps inside it, by the name under which they stand in a path; handlers and ``on_open`` too.

        The body of ``for_each`` and ``repeat`` has the empty name: its index is in the path instead.
        """
        blocks: dict[str, tuple[Step, ...]] = {"": self.steps, "then": self.then, "else": self.else_}
        blocks |= {f"case_{name}": steps for name, steps in self.cases.items()}
        blocks |= {"default": self.default, **self.parallel}
        suspending = self.suspending
        if suspending is not None:
            blocks["on_open"] = suspending.on_open
            blocks["on_timeout"] = steps_of(suspending.on_timeout)
        else:
            blocks["on_timeout"] = steps_of(self.on_timeout)
        blocks["on_reject"] = steps_of(self.approval.on_reject if self.approval else self.on_reject)
        blocks["on_error"] = steps_of(self.on_error)
        return {name: steps for name, steps in blocks.items() if steps}

    @property
    def name(self) -> str:
        """For people: the title, or the id made readable."""
        return self.title or self.id.replace("_", " ").capitalize()


_WAITS = ("approval", "hold", "callback", "delay")
_HOLDING = ("then", "switch", "for_each", "parallel", "repeat", "flow")


class Concurrency(Model):
    """How many runs of a flow may be under way at the same time; the others wait for a place, the oldest first."""

    limit: Annotated[int, Field(ge=1, le=10_000, strict=True)]
    while_waiting: Literal["free", "keep"] = "free"
    """Whether a run that waits for people or time gives its place to another."""


def _as_concurrency(value: object) -> object:
    return {"limit": value} if isinstance(value, int) else value


class Trigger(Model):
    """What starts a flow besides people. ``inputs`` are templates; a trigger without a match of ``if`` starts nothing."""

    if_: Annotated[Text | None, Field(alias="if")] = None
    inputs: dict[str, Any] = Field(default_factory=dict)


class ScheduleTrigger(Trigger):
    """Starts at the times of a cron line. Templates read ``schedule.at``, the time that was planned."""

    schedule: Text
    """Five fields: minute, hour, day of month, month, day of week."""
    timezone: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "UTC"


class WebhookTrigger(Trigger):
    """Starts on a signed POST to ``/hooks/<flow>/<webhook>``. Templates read ``request.body``, ``headers``, ``query``."""

    webhook: StepId


class FlowTrigger(Trigger):
    """Starts when a run of another flow waits, was decided, or has ended. Templates read ``event``."""

    on: Literal["waiting", "decided", "ended"]
    flow: FlowName


AnyTrigger = ScheduleTrigger | WebhookTrigger | FlowTrigger


_NO_FLOWS: Mapping[str, Any] = MappingProxyType({})


class Flow(Model):
    """A named list of steps, and the inputs that a run of it is started with."""

    flow: FlowName
    title: Title | None = None
    description: Text | None = None
    inputs: tuple[AnyField, ...] = ()
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=500)]
    outputs: dict[str, Any] = Field(default_factory=dict)
    """Name -> template, rendered when all steps have succeeded."""
    on_error: Steps = ()
    """Steps that run when the run is about to end as failed. They may read ``error``."""
    finally_: Annotated[Steps, Field(alias="finally")] = ()
    """Steps that run exactly once when the run ends, however it does. They may read ``run.outcome``, ``run.reason``."""
    timeout: Duration | None = None
    """How long a run may take in all; then it ends as expired."""
    concurrency: Annotated[
        Concurrency | None, BeforeValidator(_as_concurrency, json_schema_input_type=int | Concurrency | None)
    ] = None
    supersede: Text | None = None
    """A template over the inputs: a new run with the same value retires an older one that waits."""
    owner: Text | None = None
    """Whose flow it is: a handle. They may read all its runs, cancel them, and drop a wait. Runs that a clock or a
    webhook starts are theirs."""
    starters: Handles = ()
    """Who may start it; without it, everybody who is known."""
    viewers: Handles = ()
    """Who may read its runs besides those who take part."""
    triggers: tuple[AnyTrigger, ...] = ()

    @property
    def name(self) -> str:
        """For people: the title, or the flow's name made readable."""
        return self.title or self.flow.replace("_", " ").replace("-", " ").capitalize()

    @property
    def blocks(self) -> Mapping[str, tuple[Step, ...]]:
        """Its lists of steps by the name under which they stand in a path; the steps themselves have the empty name."""
        blocks = {"": self.steps, "on_error": self.on_error, "finally": self.finally_}
        return {name: steps for name, steps in blocks.items() if steps}

    def every_step(self) -> Iterator[Step]:
        """All steps at any depth, each before those inside it; not those of child flows."""
        stack = [step for steps in reversed(list(self.blocks.values())) for step in reversed(steps)]
        while stack:
            step = stack.pop()
            yield step
            stack.extend(inner for steps in reversed(list(step.blocks.values())) for inner in reversed(steps))

    def canonical(self, children: Mapping[str, Flow] = _NO_FLOWS) -> str:
        """The definition as canonical JSON, with its schema number and its child flows: what is stored and hashed."""
        # Defaults are written out: a later Signoff may have other ones, and a waiting run must not notice. Mappings keep
        # the author's order, in which people are shown what stands in them.
        body = {"schema": SCHEMA, "flow": self.model_dump(mode="json")}
        if children:
            body["flows"] = {name: child.model_dump(mode="json") for name, child in children.items()}
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False)

    def content_hash(self, children: Mapping[str, Flow] = _NO_FLOWS) -> bytes:
        """SHA-256 of ``canonical()``, 32 bytes: equal definitions have equal hashes."""
        return hashlib.sha256(self.canonical(children).encode()).digest()

    @classmethod
    def from_canonical(cls, body: str) -> tuple[Flow, dict[str, Flow]]:
        """The flow that ``canonical`` wrote, also by an older version of Signoff, and its child flows."""
        document = json.loads(body)
        if not 1 <= document["schema"] <= SCHEMA:
            raise ValueError(f"definition schema {document['schema']} is newer than this Signoff, which knows {SCHEMA}")
        children = {name: cls.model_validate(child) for name, child in document.get("flows", {}).items()}
        return cls.model_validate(document["flow"]), children
