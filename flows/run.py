"""A run and what it consists of: the rows of the engine, as values.

A run is a tree of step runs, not a cursor. Each step run has a path and a state of its own, so that later
branches, loops and child flows wait side by side. A ``Slice`` is the part of a run that one event needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from flows.people import Memberships, Person, PersonId, Roster
from flows.ports import Json

RunId = int
"""The number behind ``run_...``."""

Path = str
"""Where a step run stands in the tree: ``build``, later ``each[3].ask``."""

SECRET = "$secret"  # noqa: S105 - the key of a reference, not a secret
"""A value that is secret is stored as ``{"$secret": name}``; the value itself is encrypted, in a table of its own."""

NOTHING: Mapping[str, Json] = MappingProxyType({})


def _nothing() -> Mapping[str, Json]:
    return NOTHING


class Row:
    """A row of the engine: a frozen value."""

    __slots__: tuple[str, ...] = ()

    def but(self, **changes: Any) -> Self:
        """The same row with some fields changed: ``dataclasses.replace``, in a third of its time.

        A transition makes a dozen of these, and transitions are what the engine does.
        """
        new = object.__new__(type(self))
        for name in self.__slots__:
            object.__setattr__(new, name, changes[name] if name in changes else getattr(self, name))
        return new


class Status(StrEnum):
    """Where a run stands while it has not ended."""

    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ending:
    """How, when and why a run ended; ``by`` names the people whose decision it was, if it was one."""

    outcome: Outcome
    at: datetime
    reason: str | None = None
    by: tuple[PersonId, ...] = ()


@dataclass(frozen=True, slots=True)
class Run(Row):
    """One execution of a flow.

    ``acting`` counts the step runs that have something to do, ``waiting`` the open suspensions: what the
    status is made of, kept here so that nobody has to look at all the step runs. ``suspensions`` is the
    number of the newest suspension, ``version`` grows by one with each change (a bug check, not a lock).
    """

    id: RunId
    flow: str
    requester: PersonId
    inputs: Mapping[str, Json]
    started_at: datetime
    roster: Roster | None = None
    acting: int = 0
    waiting: int = 0
    suspensions: int = 0
    version: int = 0
    ending: Ending | None = None

    @property
    def status(self) -> Status:
        if self.ending is not None:
            return Status.FINISHED
        return Status.WAITING if self.waiting and not self.acting else Status.RUNNING


class StepState(StrEnum):
    """Where a step run stands."""

    ACTING = "acting"
    """Its action is to be performed, is being performed, or waits for its next attempt."""
    RESOLVING = "resolving"
    """Its approvers are being looked up."""
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    """Its ``if`` was false."""
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self not in _OPEN


_OPEN = frozenset({StepState.ACTING, StepState.RESOLVING, StepState.SUSPENDED})


@dataclass(frozen=True, slots=True)
class StepRun(Row):
    """One execution of a step. ``round`` and ``attempt`` count from 1; ``suspension`` is its newest one's number."""

    path: Path
    state: StepState
    round: int = 1
    attempt: int = 0
    suspension: int | None = None
    output: Json = None
    error: str | None = None


class Kind(StrEnum):
    """The kinds of suspension."""

    APPROVAL = "approval"
    HOLD = "hold"
    DELAY = "delay"


class Verdict(StrEnum):
    """One person's answer."""

    APPROVE = "approve"
    REJECT = "reject"
    RESUME = "resume"


class Door(StrEnum):
    """A way in for a decision."""

    SLACK = "slack"
    PAGE = "page"
    API = "api"


class Close(StrEnum):
    """Why a suspension is no longer open."""

    APPROVED = "approved"
    REJECTED = "rejected"
    RESUMED = "resumed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ELAPSED = "elapsed"
    """A delay that was over."""


@dataclass(frozen=True, slots=True)
class Closing:
    """When and why a suspension was closed; ``by`` names those whose decision it was."""

    how: Close
    at: datetime
    by: tuple[PersonId, ...] = ()


@dataclass(frozen=True, slots=True)
class Approvers:
    """Who may answer, as it was when the suspension opened.

    ``people`` are named one by one (or frozen, where everybody has to answer); of ``groups`` it is read with
    each decision who belongs to them. ``gaps`` are handles behind which nobody stands, each with the reason.
    """

    people: tuple[PersonId, ...] = ()
    groups: tuple[str, ...] = ()
    gaps: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Suspension(Row):
    """One wait of one step run.

    Its number ``n`` counts the run's suspensions from 1 and is given when the wait is first reached, so a
    repeated attempt finds the same one. ``due`` is the deadline (for a delay: the end). ``digest`` is the
    SHA-256 of what was shown (``flows.request``). ``generation`` is in every link; raising it revokes them.
    ``show`` is as rendered; ``defaults`` are the rendered defaults of the form's fields that are templates.
    """

    n: int
    path: Path
    kind: Kind
    opened_at: datetime
    due: datetime | None
    round: int = 1
    ordinal: int = 1
    ask: str = ""
    show: Mapping[str, Json] = field(default_factory=_nothing)
    defaults: Mapping[str, Json] = field(default_factory=_nothing)
    approvers: Approvers = field(default_factory=Approvers)
    needed: int = 0
    digest: bytes = b""
    generation: int = 1
    closing: Closing | None = None


@dataclass(frozen=True, slots=True)
class Decision(Row):
    """One person's answer to one suspension.

    ``place`` orders the decisions of a suspension. ``digest`` is that of the view which the person had, None
    where a script decided without saying. ``memberships`` is what made them eligible, where groups did.
    """

    n: int
    person: PersonId
    verdict: Verdict
    at: datetime
    door: Door
    place: int
    comment: str | None = None
    values: Mapping[str, Json] = field(default_factory=_nothing)
    digest: bytes | None = None
    memberships: Memberships | None = None


@dataclass(frozen=True, slots=True)
class Answer(Row):
    """What a suspension came to, for the steps that read it."""

    suspension: Suspension
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a run that one event needs, read in the transaction that will write.

    ``steps`` holds the event's step run, its ancestors and the step runs that may be named by an expression
    which this event can bring to be rendered. ``standing`` has the verdict of everybody who has decided on
    the suspension at hand, ``mine`` the whole decision of the person who decides now.
    """

    run: Run
    steps: Mapping[Path, StepRun]
    suspensions: Mapping[int, Suspension] = field(default_factory=dict)
    standing: Mapping[PersonId, Verdict] = field(default_factory=dict)
    mine: Decision | None = None
    answers: Mapping[Path, Answer] = field(default_factory=dict)
    people: Mapping[PersonId, Person] = field(default_factory=dict)
