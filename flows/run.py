"""A run and what it consists of: the rows of the engine, as values.

A run is a tree of step runs, not a cursor. Each step run has a path and a state of its own, so that
branches, loops and child flows wait side by side. A ``Slice`` is the part of a run that one event needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Literal, Self

from flows.delegation import Delegation
from flows.people import Memberships, Person, PersonId, Roster
from flows.ports import Json
from flows.rules import Terms

RunId = int
"""The number behind ``run_...``."""

Path = str
"""Where a step run stands in the tree: ``build``, ``each[3].ask`` (the fourth item), ``both.left.ask``."""

SECRET = "$secret"  # noqa: S105 - the key of a reference, not a secret
"""A value that is secret is stored as ``{"$secret": name}``; the value itself is encrypted, in a table of its own."""

NOTHING: Mapping[str, Json] = MappingProxyType({})


def _nothing() -> Mapping[str, Json]:
    return NOTHING


class Row:
    """A row of the engine: a frozen value."""

    __slots__: tuple[str, ...] = ()

    def but(self, **changes: Any) -> Self:
        """The same row with some fields changed: ``dataclasses.replace``, in a tenth of its time.

        A transition makes a dozen of these, and transitions are what the engine does.
        """
        get, setters, by_name = _ACCESSORS.get(type(self)) or _accessors(type(self))
        new = object.__new__(type(self))
        for setter, value in zip(setters, get(self), strict=True):
            setter(new, value)
        for name, value in changes.items():
            by_name[name](new, value)
        return new


Setter = Callable[[Any, Any], None]
Accessors = tuple[Callable[[Any], tuple[Any, ...]], tuple[Setter, ...], Mapping[str, Setter]]
_ACCESSORS: dict[type[Row], Accessors] = {}


def _accessors(row: type[Row]) -> Accessors:
    """How the fields of a sort of row are read, all at once, and set: past the guard that keeps rows as they are."""
    by_name: dict[str, Setter] = {name: getattr(row, name).__set__ for name in row.__slots__}
    names = row.__slots__
    # Of one name alone, attrgetter gives the bare value.
    get = attrgetter(*names) if len(names) > 1 else lambda one: (getattr(one, names[0]),)
    _ACCESSORS[row] = get, tuple(by_name.values()), by_name
    return _ACCESSORS[row]


class Status(StrEnum):
    """Where a run stands while it has not ended."""

    RUNNING = "running"
    WAITING = "waiting"
    FINISHED = "finished"
    PAUSED = "paused"
    QUEUED = "queued"
    """Waits for a place: its flow has a limit of runs at the same time."""


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
class Stop:
    """What a run or a step run is going to end with, while something that has to run first is under way."""

    outcome: Outcome
    reason: str | None = None
    by: tuple[PersonId, ...] = ()
    step: Path | None = None
    """Where it stopped."""


@dataclass(frozen=True, slots=True)
class Paused:
    """A person has halted the run: what is under way goes on, nothing new starts."""

    by: PersonId
    at: datetime


class Place(StrEnum):
    """Where a run stands whose flow limits how many are under way at the same time."""

    HELD = "held"
    WANTED = "wanted"
    FREE = "free"
    """It waits for people or time and has given its place away."""


@dataclass(frozen=True, slots=True)
class Run(Row):
    """One execution of a flow.

    ``acting`` counts the step runs that have something to do, ``waiting`` the open suspensions: what the
    status is made of, kept here so that nobody has to look at all the step runs. ``suspensions`` is the
    number of the newest suspension, ``version`` grows by one with each change (a bug check, not a lock).
    ``stop`` is what the run is going to end with while ``on_error`` or ``finally`` steps run. ``place`` is None where
    the flow has no limit. ``supersede`` is the rendered key. ``outputs`` are the flow's, once it has succeeded.
    ``resubmits`` is the rejected run that this one is a new version of.
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
    stop: Stop | None = None
    paused: Paused | None = None
    place: Place | None = None
    supersede: str | None = None
    outputs: Mapping[str, Json] = field(default_factory=_nothing)
    resubmits: RunId | None = None

    @property
    def status(self) -> Status:
        if self.ending is not None:
            return Status.FINISHED
        if self.paused is not None:
            return Status.PAUSED
        if self.place is Place.WANTED:
            return Status.QUEUED
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
    RUNNING = "running"
    """Steps inside it are under way: it holds steps, or one of its handlers runs."""
    HELD = "held"
    """It is next, and its run is paused or waits for a place."""
    DROPPED = "dropped"
    """Somebody ended its wait without a decision, and the run went on."""

    @property
    def ended(self) -> bool:
        return self not in _OPEN


_OPEN = frozenset({StepState.ACTING, StepState.RESOLVING, StepState.SUSPENDED, StepState.RUNNING, StepState.HELD})


@dataclass(frozen=True, slots=True)
class Inside(Row):
    """The counters of a step run inside which others run: what it takes to go on, whatever there are of them.

    ``total`` items (or branches, or rounds at most), of which ``next`` is the first that has not begun and ``active``
    are under way. ``branch`` is the one that was chosen. ``handling`` names the block that runs as a handler
    (``on_reject``) or beside the wait (``on_open``). ``stop`` is what the step will end with when all of that is over.
    """

    total: int = 0
    next: int = 0
    active: int = 0
    branch: str = ""
    handling: str | None = None
    stop: Stop | None = None


@dataclass(frozen=True, slots=True)
class Rerun:
    """What ``ctx.rerun`` asked for: another round at ``due``, and what that round gets."""

    due: datetime
    context: Json = None


@dataclass(frozen=True, slots=True)
class StepRun(Row):
    """One execution of a step. ``round`` and ``attempt`` count from 1; ``suspension`` is its newest one's number.

    A step that runs a function, or sends links, has that number before its wait opens: so its links are the same on
    each attempt. ``context`` is what the last ``ctx.rerun`` passed on to this round; of a child flow, its inputs.
    ``woken`` is the number of the suspension that ended before this round.
    """

    path: Path
    state: StepState
    round: int = 1
    attempt: int = 0
    suspension: int | None = None
    output: Json = None
    error: str | None = None
    inside: Inside | None = None
    context: Json = None
    woken: int | None = None


class Kind(StrEnum):
    """The kinds of suspension."""

    APPROVAL = "approval"
    HOLD = "hold"
    DELAY = "delay"
    CALLBACK = "callback"
    RERUN = "rerun"
    """The pause before another round of a step: over when it is due, or a machine calls back."""


class Verdict(StrEnum):
    """One person's answer."""

    APPROVE = "approve"
    REJECT = "reject"
    RESUME = "resume"
    WITHDRAW = "withdraw"
    """Takes back what the person said before; never stored."""


@dataclass(frozen=True, slots=True)
class Said:
    """What counts of one person's standing decision: their verdict, the option they chose, and through which groups
    they might decide when they did."""

    verdict: Verdict
    option: str | None = None
    groups: frozenset[str] = frozenset()
    by: PersonId | None = None
    """Who said it for them, where they have handed their approvals over."""


Verified = Literal["code", "slack"]
"""How somebody who came by a personal link has shown that they are who it was made for: they know the code that the
mail shows, or have signed in with Slack."""


class Timer(StrEnum):
    """What falls due for a suspension."""

    DUE = "due"
    """Its deadline; of a delay, its end."""
    REMIND = "remind"
    ESCALATE = "escalate"
    SETTLE = "settle"
    """The answer that completes it can no longer be undone."""
    WAKE = "wake"
    """Somebody who wanted to be asked later is."""
    RESTART = "restart"
    """A question has stopped the clock long enough."""


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
    SUPERSEDED = "superseded"
    """A newer run took its place."""
    DROPPED = "dropped"
    """Somebody who may ended the wait without a decision."""
    ANSWERED = "answered"
    """A machine called back."""
    REFUSED = "refused"
    """A machine called the cancel link."""


@dataclass(frozen=True, slots=True)
class Closing:
    """When and why a suspension was closed; ``by`` names those whose decision it was, ``reason`` is what they said.

    ``option`` is what they chose, where the approval has options.
    """

    how: Close
    at: datetime
    by: tuple[PersonId, ...] = ()
    reason: str | None = None
    option: str | None = None


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
class Later:
    """Who is asked when a suspension escalates: looked up when it opened, so that a name nobody bears is found then."""

    at: datetime
    approvers: Approvers
    asked: tuple[PersonId, ...] = ()
    """All the people to tell, members of groups included."""


@dataclass(frozen=True, slots=True)
class Clocks(Row):
    """What the clocks of an open suspension have done and will do; None of it where the flow asks for none.

    ``stopped_at``: a question has stopped them. ``settles_at``: what was said completes it, and takes effect then.
    ``reminded`` and ``escalated`` count. ``nudged_at`` is when the requester last nudged. ``snoozed`` says until when
    each person wants to hear nothing of it. ``later`` is whom it escalates to. ``relieved`` are those in whose place
    somebody else is asked: no group that they belong to makes them an approver any more.
    """

    stopped_at: datetime | None = None
    settles_at: datetime | None = None
    reminded: int = 0
    escalated: int = 0
    nudged_at: datetime | None = None
    snoozed: Mapping[PersonId, datetime] = field(default_factory=dict)
    later: tuple[Later, ...] = ()
    relieved: tuple[PersonId, ...] = ()


NO_CLOCKS = Clocks()


@dataclass(frozen=True, slots=True)
class Question(Row):
    """What somebody who is asked wants to know of the requester first. ``place`` orders those of a suspension."""

    n: int
    place: int
    person: PersonId
    at: datetime
    text: str
    answer: str | None = None
    answered_by: PersonId | None = None
    answered_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.answered_at is None


@dataclass(frozen=True, slots=True)
class Suspension(Row):
    """One wait of one step run.

    Its number ``n`` counts the run's suspensions from 1 and is given when the wait is first reached, so a
    repeated attempt finds the same one. ``due`` is the deadline (for a delay: the end). ``digest`` is the
    SHA-256 of what was shown (``flows.request``). ``generation`` is in every link; raising it revokes them.
    ``show`` is as rendered; ``defaults`` are the rendered defaults of the form's fields that are templates, and
    ``texts`` their labels and descriptions that are. ``terms`` is a nested quorum or a veto, with the people who stood
    behind its handles. ``spec`` is the wait's definition where a function made it (``ctx.suspend``), as JSON.
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
    texts: Mapping[str, Json] = field(default_factory=_nothing)
    terms: Terms | None = None
    spec: Mapping[str, Json] | None = None
    clocks: Clocks = NO_CLOCKS

    def overdue(self, now: datetime) -> bool:
        """Whether its deadline has passed: not while a question has stopped the clock, nor once what was said
        completes it and is about to take effect."""
        clocks = self.clocks
        return self.due is not None and now >= self.due and clocks.stopped_at is None and clocks.settles_at is None

    def settled(self, now: datetime) -> bool:
        """Whether what was said takes effect: its time to be undone is over."""
        return self.clocks.settles_at is not None and now >= self.clocks.settles_at


@dataclass(frozen=True, slots=True)
class Callback(Row):
    """A request that a machine sent to a resume or a cancel link; kept when early, used once."""

    n: int
    at: datetime
    request: Mapping[str, Json]
    """``method``, ``headers``, ``query``, ``body``."""
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Early(Row):
    """A decision that was given before its approval opened: for a step, or for whichever comes first. Used once."""

    person: PersonId
    step: str | None
    verdict: Verdict
    at: datetime
    door: Door
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Decision(Row):
    """One person's answer to one suspension.

    ``place`` orders the decisions of a suspension. ``digest`` is that of the view which the person had, None
    where a script decided without saying. ``memberships`` is what made them eligible, where groups did. ``unseen``:
    it was given before the suspension opened. ``by`` is who gave it for ``person``, who had handed their approvals over
    to them; None where they gave it themselves.
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
    option: str | None = None
    unseen: bool = False
    by: PersonId | None = None

    @property
    def said(self) -> Said:
        return Said(self.verdict, self.option, self.memberships.groups if self.memberships else frozenset(), self.by)

    @property
    def human(self) -> PersonId:
        """Who gave it."""
        return self.person if self.by is None else self.by


@dataclass(frozen=True, slots=True)
class Answer(Row):
    """What a suspension came to, for the steps that read it."""

    suspension: Suspension
    decisions: tuple[Decision, ...] = ()
    callback: Callback | None = None


@dataclass(frozen=True, slots=True)
class Slice(Row):
    """The part of a run that one event needs, read in the transaction that will write.

    ``steps`` holds the event's step run, its ancestors and the step runs that may be named by an expression
    which this event can bring to be rendered. ``standing`` is what everybody has said who has decided on
    the suspension at hand (``deciding``), ``mine`` the whole decision of the person who decides now. ``items`` are those of the loops
    around the event's step, by the loop's path and the index. ``callbacks`` and ``early`` came before something was
    there to take them. ``opened`` are the paths below which everything that is open was read, ``gathered`` the loops of
    which all outputs were, ``looked`` the paths of which the row was looked for, ``asked`` those of which the answer
    was (None: of all).
    """

    run: Run
    steps: Mapping[Path, StepRun]
    suspensions: Mapping[int, Suspension] = field(default_factory=dict)
    standing: Mapping[PersonId, Said] = field(default_factory=dict)
    mine: Decision | None = None
    deciding: int | None = None
    answers: Mapping[Path, Answer] = field(default_factory=dict)
    people: Mapping[PersonId, Person] = field(default_factory=dict)
    items: Mapping[Path, Mapping[int, Json]] = field(default_factory=dict)
    callbacks: Mapping[int, Callback] = field(default_factory=dict)
    early: tuple[Early, ...] = ()
    opened: frozenset[Path] = frozenset()
    gathered: frozenset[Path] = frozenset()
    looked: frozenset[Path] | None = frozenset()
    asked: frozenset[Path] | None = frozenset()
    place_free: bool = True
    """Whether the flow's limit leaves room for this run."""
    delegations: tuple[Delegation, ...] = ()
    """Who has handed their approvals over to whom, as far as it is in force now and for this flow."""
    questions: tuple[Question, ...] = ()
    """Those of the suspension at hand that nobody has answered."""
