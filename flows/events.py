"""What happened, in the past tense: the events that move a run, and the facts that they made true.

Events of the engine's own (an action finished, a timer fired) come at least once; a late one changes
nothing. A person's events deserve an answer: where they are not possible, the machine refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flows.effects import Note
from flows.people import Memberships, PersonId, Roster
from flows.ports import Json
from flows.run import Close, Door, Outcome, Path, Rerun, RunId, StepState, Timer, Verdict, Verified

# -- events ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ActionFinished:
    path: Path
    round: int
    attempt: int
    output: Json
    rerun: Rerun | None = None


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
    """``n``: the suspension whose groups were looked up, to ask their members again with ``note``."""

    path: Path
    round: int
    roster: Roster
    n: int = 0
    note: Note | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class TimerFired:
    """``n`` is 0 for the time that a whole run, or the child flow at ``path``, may take, which was to be over at ``due``;
    below 0 for a step that gave way to other runs."""

    path: Path
    n: int
    due: datetime | None = None
    timer: Timer = Timer.DUE
    person: PersonId | None = None
    """Who wanted to be asked later."""


@dataclass(frozen=True, slots=True)
class SuspendRequested:
    """A function asks for its step's wait while it runs: ``spec`` is the wait as in a flow file, under its kind's key;
    None for the one that the step has. ``roster`` answers for the people in it."""

    path: Path
    round: int
    attempt: int
    spec: Mapping[str, Json] | None = None
    roster: Roster | None = None


@dataclass(frozen=True, slots=True)
class CallbackReceived:
    """A machine's request to a resume link, or to a cancel link."""

    n: int
    request: Mapping[str, Json]
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class PauseRequested:
    person: PersonId
    door: Door
    admin: bool = False
    via_token: str | None = None
    owner: bool = False


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """A paused run is to go on."""

    person: PersonId
    door: Door
    admin: bool = False
    via_token: str | None = None
    owner: bool = False


@dataclass(frozen=True, slots=True)
class DropRequested:
    """A wait is to end without a decision, and the run to go on. ``owner``: the person owns the flow."""

    n: int
    person: PersonId
    door: Door
    reason: str
    admin: bool = False
    owner: bool = False
    via_token: str | None = None


@dataclass(frozen=True, slots=True)
class DecidedEarly:
    """A decision for an approval that may not be there yet: that of ``step``, or the next one that takes it."""

    person: PersonId
    verdict: Verdict
    door: Door
    step: str | None = None
    comment: str | None = None
    memberships: Memberships | None = None
    via_token: str | None = None


@dataclass(frozen=True, slots=True)
class LinkMade:
    """``by`` has made the personal link of ``person``: its holder answers as them, so who made it is on record."""

    by: PersonId
    person: PersonId
    step: str | None = None
    via_token: str | None = None


@dataclass(frozen=True, slots=True)
class Superseded:
    """A newer run with the same key has started."""

    by: int


@dataclass(frozen=True, slots=True)
class PlaceGiven:
    """The flow's limit leaves room for this run now."""


@dataclass(frozen=True, slots=True)
class RosterReread:
    """Who stands behind an open suspension's handles was asked again, because somebody may have left."""

    n: int
    roster: Roster


@dataclass(frozen=True, slots=True)
class DecisionMade:
    """``admin``: the person is one of the installation's admins. ``memberships``: None where not asked for yet.
    ``option``: what they chose, where the approval has options."""

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
    option: str | None = None
    verified: Verified | None = None
    """How they have shown who they are, where they came by a personal link."""
    principals: Mapping[PersonId, Memberships] = field(default_factory=dict)
    """The groups of those for whom the person may answer, where it depends on these."""


@dataclass(frozen=True, slots=True)
class NudgeRequested:
    """The requester asks those who have not answered once more."""

    n: int
    person: PersonId
    door: Door
    via_token: str | None = None


@dataclass(frozen=True, slots=True)
class ReassignRequested:
    """``person`` is asked by name, or as a member of a group; ``to`` is to be asked instead. ``by`` is the person, or an
    admin."""

    n: int
    person: PersonId
    to: PersonId
    by: PersonId
    door: Door
    reason: str | None = None
    admin: bool = False
    memberships: Memberships | None = None
    via_token: str | None = None


@dataclass(frozen=True, slots=True)
class SnoozeRequested:
    """A person wants to hear nothing of this until then; None: now again."""

    n: int
    person: PersonId
    until: datetime | None
    door: Door
    memberships: Memberships | None = None
    via_token: str | None = None
    principals: Mapping[PersonId, Memberships] = field(default_factory=dict)
    """As in ``DecisionMade``."""


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """Somebody who is asked wants to know something of the requester first."""

    n: int
    person: PersonId
    text: str
    door: Door
    memberships: Memberships | None = None
    via_token: str | None = None
    principals: Mapping[PersonId, Memberships] = field(default_factory=dict)
    """As in ``DecisionMade``."""


@dataclass(frozen=True, slots=True)
class QuestionAnswered:
    """The requester has answered all that was asked. ``owner``: the person owns the flow."""

    n: int
    person: PersonId
    text: str
    door: Door
    admin: bool = False
    owner: bool = False
    via_token: str | None = None


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """``owner``: the person owns the flow."""

    person: PersonId
    door: Door
    reason: str | None = None
    admin: bool = False
    via_token: str | None = None
    owner: bool = False


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
    | SuspendRequested
    | CallbackReceived
    | PauseRequested
    | ResumeRequested
    | DropRequested
    | DecidedEarly
    | Superseded
    | PlaceGiven
    | RosterReread
    | LinkMade
    | NudgeRequested
    | ReassignRequested
    | SnoozeRequested
    | QuestionAsked
    | QuestionAnswered
)


# -- facts ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunStarted:
    flow: str
    definition: bytes
    requester: PersonId
    via_token: str | None = None
    resubmits: RunId | None = None


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
    option: str | None = None
    unseen: bool = False
    """It was given before the suspension opened."""
    by: PersonId | None = None
    """Who gave it for the person."""


@dataclass(frozen=True, slots=True)
class DecisionWithdrawn:
    n: int
    person: PersonId
    verdict: Verdict
    """What they had said."""


@dataclass(frozen=True, slots=True)
class DecisionKept:
    """A decision came before its approval: it is kept until one takes it."""

    person: PersonId
    verdict: Verdict
    step: str | None


@dataclass(frozen=True, slots=True)
class LinkGiven:
    """Somebody's personal link was made by somebody else."""

    person: PersonId
    by: PersonId
    step: str | None


@dataclass(frozen=True, slots=True)
class CallbackKept:
    n: int
    cancels: bool


@dataclass(frozen=True, slots=True)
class RunPaused:
    by: PersonId


@dataclass(frozen=True, slots=True)
class RunResumed:
    by: PersonId


@dataclass(frozen=True, slots=True)
class RunQueued:
    """It waits for a place."""


@dataclass(frozen=True, slots=True)
class RunStopping:
    """What it will end with is decided; steps that have to run first do."""

    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class QuorumRecounted:
    n: int
    approvals: int
    needed: int


@dataclass(frozen=True, slots=True)
class Reminded:
    """``count`` is the how-manieth time."""

    n: int
    count: int


@dataclass(frozen=True, slots=True)
class Nudged:
    n: int
    by: PersonId


@dataclass(frozen=True, slots=True)
class Escalated:
    """Others are asked now; ``replaced``: and those who were asked before are not any more."""

    n: int
    people: tuple[PersonId, ...]
    groups: tuple[str, ...]
    replaced: bool


@dataclass(frozen=True, slots=True)
class Reassigned:
    n: int
    person: PersonId
    to: PersonId
    by: PersonId


@dataclass(frozen=True, slots=True)
class Snoozed:
    n: int
    person: PersonId
    until: datetime | None


@dataclass(frozen=True, slots=True)
class QuestionOpened:
    """``stopped``: and the clock stands still."""

    n: int
    person: PersonId
    stopped: bool


@dataclass(frozen=True, slots=True)
class QuestionsClosed:
    """Nothing that was asked is open any more. ``due`` is the deadline as it is then."""

    n: int
    by: PersonId | None
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Settling:
    """What was said completes it, and takes effect at ``until``; None: not any more, somebody has changed their answer."""

    n: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class SuspensionClosed:
    n: int
    how: Close
    by: tuple[PersonId, ...] = ()
    reason: str | None = None
    option: str | None = None


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
    | DecisionWithdrawn
    | DecisionKept
    | CallbackKept
    | LinkGiven
    | RunPaused
    | RunResumed
    | RunQueued
    | RunStopping
    | QuorumRecounted
    | Reminded
    | Nudged
    | Escalated
    | Reassigned
    | Snoozed
    | QuestionOpened
    | QuestionsClosed
    | Settling
    | SuspensionClosed
    | RunEnded
)
