"""What a flow is: ``Flow``, ``Step`` and the waits that a step may have.

The models are the flow file, one to one, and are public: a flow may be written in YAML or built here in
Python. They are validated when they are made, frozen, and hashed by content (``content_hash``), so that a
run can be pinned to exactly the definition that it started with.

A model checks what can be said of it alone. What takes the whole flow (names in expressions, quorums,
secrets in the wrong place) is said by ``flows.checks``, so that a file with five mistakes gets five sentences.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
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

SCHEMA = 1
"""The number of the definition format that ``canonical`` writes; raised when a stored body needs a translation."""

DEFAULT_TIMEOUT = timedelta(days=7)
"""How long people are waited for where a flow says nothing; see docs/decisions/0004-default-deadline.md."""

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


Via = Literal["slack", "gmail"] | SlackPlace
"""``slack``: a direct message to each person. ``gmail``: a mail with a personal link to each."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | dict) else value


OnTimeout = Literal["end", "fail", "continue", "approve"]
OnReject = Literal["end", "fail", "continue"]
Handles = Annotated[tuple[Text, ...], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]


class Wait(Model):
    """What all waits for people have in common."""

    ask: Text
    show: dict[str, Any] = Field(default_factory=dict)
    """Label -> template: earlier outputs that are shown with the ask."""
    form: tuple[AnyField, ...] = ()
    via: Annotated[tuple[Via, ...] | None, BeforeValidator(_as_list, json_schema_input_type=list[Via] | Via)] = None
    """Where people are asked. None: each where they can be reached, a direct message or else mail."""
    timeout: Duration = DEFAULT_TIMEOUT

    @field_validator("via")
    @classmethod
    def _via_names_a_place(cls, via: tuple[Via, ...] | None) -> tuple[Via, ...] | None:
        if via is not None and not via:
            raise ValueError("names no place; leave it out to reach each person where they can be reached")
        return via


class Approval(Wait):
    """People approve or reject."""

    ask: Text = "Please decide"
    approvers: Annotated[Handles, Field(min_length=1)]
    """Mail addresses, Slack user ids, ``@groups``, or templates that give one of these or a list of them."""
    quorum: Annotated[int, Field(ge=1, le=1000, strict=True)] | Literal["any", "all"] = 1
    self_approval: StrictBool = False
    on_timeout: OnTimeout = "end"
    on_reject: OnReject = "end"


class Hold(Wait):
    """One person resumes, with values. Without ``by``: the requester or an admin."""

    ask: Text = "Waiting to be resumed"
    by: Handles = ()
    on_timeout: Literal["end", "fail", "continue"] = "end"


class Step(Model):
    """One element of a flow: an action or none, then a wait or none, and at least one of the two."""

    id: StepId
    title: Title | None = None
    if_: Annotated[Text | None, Field(alias="if")] = None
    uses: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")] | None = None
    run: str | SkipJsonSchema[Callable[..., Any]] | None = None
    """``module:function``, found from the flow file's folder; in Python definitions the function itself."""
    with_: Annotated[dict[str, Any], Field(alias="with")] = Field(default_factory=dict)
    retry: Retry = Retry(max=0)
    timeout: Duration | None = None
    """How long one attempt of the action may take. A wait has its own, inside it."""
    approval: Approval | None = None
    hold: Hold | None = None
    delay: Text | None = None
    """A duration ("10m"), an instant ("2026-12-24T08:00:00Z"), or a template that gives one."""

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
        waits = [name for name in ("approval", "hold", "delay") if getattr(self, name) is not None]
        if len(waits) > 1:
            raise ValueError(f"has {' and '.join(waits)}; a step waits for one thing, so make them two steps")
        if not waits and not self.action:
            raise ValueError("does nothing: it needs 'uses', 'run', 'approval', 'hold' or 'delay'")
        if not self.action:
            unused = [key for key, is_set in (("with", self.with_), ("timeout", self.timeout)) if is_set]
            if unused:
                raise ValueError(
                    f"has {' and '.join(map(repr, unused))} but no action"
                    + ("; a wait's timeout stands inside it" if "timeout" in unused else "")
                )
        return self

    @property
    def action(self) -> str | None:
        """The name of the action: ``http.request``, ``module:function``, or None."""
        return self.uses or (self.run if isinstance(self.run, str) else None)

    @property
    def wait(self) -> Wait | None:
        """The wait for people, if it has one."""
        return self.approval or self.hold

    @property
    def suspends(self) -> bool:
        return self.wait is not None or self.delay is not None

    @property
    def name(self) -> str:
        """For people: the title, or the id made readable."""
        return self.title or self.id.replace("_", " ").capitalize()


class Flow(Model):
    """A named list of steps, and the inputs that a run of it is started with."""

    flow: FlowName
    title: Title | None = None
    description: Text | None = None
    inputs: tuple[AnyField, ...] = ()
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=500)]

    @property
    def name(self) -> str:
        """For people: the title, or the flow's name made readable."""
        return self.title or self.flow.replace("_", " ").replace("-", " ").capitalize()

    def canonical(self) -> str:
        """The definition as canonical JSON, with its schema number: what is stored and hashed."""
        # Defaults are written out: a later Signoff may have other ones, and a waiting run must not notice.
        body = self.model_dump(mode="json")
        return json.dumps({"schema": SCHEMA, "flow": body}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def content_hash(self) -> bytes:
        """SHA-256 of ``canonical()``, 32 bytes: equal definitions have equal hashes."""
        return hashlib.sha256(self.canonical().encode()).digest()

    @classmethod
    def from_canonical(cls, body: str) -> Flow:
        """The flow that ``canonical`` wrote, also by an older version of Signoff."""
        document = json.loads(body)
        if document["schema"] != SCHEMA:
            raise ValueError(f"definition schema {document['schema']} is newer than this Signoff, which knows {SCHEMA}")
        return cls.model_validate(document["flow"])
