"""What happened, in the past tense: the events that move a run, and the facts that they made true.

Events of the engine's own (an action finished, a timer fired) come at least once; a late one changes
nothing. A person's events deserve an answer: where they are not possible, the machine refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flows.people import Memberships, PersonId, Roster
from flows.ports import Json
from flows.run import Close, Door, Outcome, Path, StepState, Verdict

# -- events ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ActionFinished:
    path: Path
    round: int
    attempt: int
    output: Json


@dataclass(frozen=True, slots=True)
class ActionFailed:
    path: Path
    round: int
    attempt: int
    message: str
    retryable: bool = False
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ActionSkipped:
    """A person lets the run go on without an action that could not be performed; its output is null."""

    path: Path
    round: int
    person: PersonId
    via_token: str | None = None


@dataclass(frozen=True, slots=True)
class PeopleResolved:
    path: Path
    round: int
    roster: Roster


@dataclass(frozen=True, slots=True)
class TimerFired:
    path: Path
    n: int


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """``admin``: the person is one of the installation's admins. ``memberships``: None where not asked for yet."""

    n: int
    person: PersonId
    verdict: Verdict
    door: Door
    comment: str | None = None
    values: Mapping[str, Json] = field(default_factory=dict)
    digest: bytes | None = None
    memberships: Memberships | None = None
    admin: bool = False
    via_token: str | None = None
    """Who issued the API token, where one was used (S10)."""


@dataclass(frozen=True, slots=True)
class CancelRequested:
    person: PersonId
    door: Door
    reason: str | None = None
    admin: bool = False
    via_token: str | None = None


@dataclass(frozen=True, slots=True)
class PeopleMerged:
    """Two handles turned out to be one human: ``gone`` is ``kept`` from now on."""

    kept: PersonId
    gone: PersonId


Event = (
    ActionFinished
    | ActionFailed
    | ActionSkipped
    | PeopleResolved
    | TimerFired
    | DecisionMade
    | CancelRequested
    | PeopleMerged
)


# -- facts ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunStarted:
    flow: str
    definition: bytes
    requester: PersonId
    via_token: str | None = None


@dataclass(frozen=True, slots=True)
class StepStarted:
    path: Path
    round: int
    attempt: int


@dataclass(frozen=True, slots=True)
class StepEnded:
    path: Path
    state: StepState
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SuspensionOpened:
    n: int
    path: Path
    digest: bytes
    due: datetime | None


@dataclass(frozen=True, slots=True)
class DecisionCounted:
    n: int
    person: PersonId
    verdict: Verdict
    approvals: int
    needed: int
    replaced: Verdict | None = None


@dataclass(frozen=True, slots=True)
class QuorumRecounted:
    n: int
    approvals: int
    needed: int


@dataclass(frozen=True, slots=True)
class SuspensionClosed:
    n: int
    how: Close
    by: tuple[PersonId, ...] = ()


@dataclass(frozen=True, slots=True)
class RunEnded:
    outcome: Outcome
    reason: str | None = None


Fact = (
    RunStarted
    | StepStarted
    | StepEnded
    | SuspensionOpened
    | DecisionCounted
    | QuorumRecounted
    | SuspensionClosed
    | RunEnded
)
