"""What people are told, and the rows that say so: how the paper calls it, the API's status, and what they read, at whichever door they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from tests.e2e.doors.meanwhile import Happens


class Told(Enum):
    """One thing to be told. In ``texts`` one is enough where it is said in each door's own words, else all are there."""

    # -- it was done
    COUNTED = "**counted**", 201, ("Counted: you ", "Your decision is counted", "d this on ")
    UNSEEN = "**counted**, unseen", 200, ("You approved this in advance, without having seen it",)
    TAKEN_BACK = (
        "**taken back**",
        200,
        ("Taken back: your answer", "Your answer is taken back", "Your answer was taken back"),
    )
    KEPT = "**kept**", 200, ("It is kept until an approval takes it",)
    STARTED = "**started**", 201, ("run_",)
    SHOWN = "**shown**", 200, ("Ready for the sea",)
    LINKED = "**made**", 200, ("/a/",)
    PAUSED = "**paused**", 200, ("is paused", "Paused")
    GOES_ON = "**goes on**", 200, ("is waiting", "It goes on", "Resumed")
    CANCELLED_IT = "**cancelled**", 200, ("is cancelled", "Cancelled")
    DROPPED_IT = "**dropped**", 200, ("is dropped", "goes on without a decision")
    ABSENT = "not in it", 200, ("Nothing waits for anybody",)

    # -- it was not
    REPEATED = "said already", 200, ("You have said so already: ",)
    ANSWERED_FOR = (
        "has answered for somebody",
        200,
        ("You have answered this already, for Bob Baker. One person counts",),
    )
    OWN = "own request", 403, ("This is your own request, and its flow does not let people approve their own",)
    OWN_EARLY = (
        "own request",
        403,
        ("You started this run, and its flow does not let people approve their own requests",),
    )
    RELIEVED = "somebody else is asked instead", 403, ("Somebody else is asked in your place here",)
    NOT_ASKED = "was not asked", 403, ("You are not one of the people who were asked to decide this",)
    NOT_GOING_TO_BE_ASKED = "is not asked", 403, ("You are not one of the people whom this run is going to ask",)
    NOT_THEIRS = "not theirs to resume", 403, ("Only the person who started this run, or an admin, can resume it",)
    VETO_ONLY = "may only reject", 403, ("You may reject this, but your approval is not asked for",)
    NOT_TO_CANCEL = "not theirs to cancel", 403, ("the owner of its flow, or an admin, can cancel it",)
    NOT_TO_PAUSE = "not theirs to pause", 403, ("the owner of its flow, or an admin, can pause it or let it go on",)
    NOT_TO_DROP = "not theirs to drop", 403, ("Only the owner of this flow, or an admin, can drop a wait",)
    ADMINS_ONLY = "only an admin may", 403, ("Only an admin may make somebody's link",)
    NOT_FOR_THEM = "not for them", 403, ("is not one of those who may decide this",)
    OWN_LINK = "own request", 403, ("This is your own request: somebody else has to make links",)
    NOT_TO_START = "not theirs to start", 403, ("You are not one of those who may start this flow",)
    LEFT = "has left Slack", 403, ("has left Slack. Nothing can be done in their name any more",)
    OUT_OF_SCOPE = "the token is not for this", 403, ("This takes a token with the scope ",)
    HIDDEN = "there is nothing here", 404, ("There is nothing here, or nothing that you may read",)
    NO_RUN = "there is nothing here", 404, ("There is no such run, or it is not yours to see",)
    NO_WAIT = "there is no such wait", 404, ("There is no such run or wait, or none that who started this run may see",)
    APPROVED = "decided already, by whom, when", 409, ("This has been decided already: approved by Bob Baker, 2026-",)
    APPROVED_BY_TWO = (
        "decided already, by whom, when",
        409,
        ("This has been decided already: approved by Bob Baker, Cat Carter, 2026-",),
    )
    REJECTED = "rejected already, by whom, when", 409, ("This has been decided already: rejected by Bob Baker, 2026-",)
    RESUMED = "resumed already, by whom, when", 409, ("This has been decided already: resumed by Ann Archer, 2026-",)
    CANCELLED = "cancelled, by whom, when", 409, ("This is no longer open: cancelled by Ann Archer, 2026-",)
    DROPPED = "dropped, by whom, when", 409, ("This is no longer open: dropped by Eve Ellis, 2026-",)
    SUPERSEDED = "superseded, when", 409, ("This is no longer open: a newer run has taken its place, 2026-",)
    CHANGED = "changed since it was shown", 409, ("What is asked has changed since you were shown it",)
    NOTHING_SAID = "nothing to take back", 409, ("You have not decided this, so there is nothing to take back",)
    NOT_BEFOREHAND = "takes nothing in advance", 409, ("Nothing that may still come in this run takes a decision",)
    ENDED = "the run has ended", 409, ("This run has ended",)
    ONLY_PEOPLE = "only people approve", 409, ("an approval, which only people give",)
    PAUSED_ALREADY = "paused already", 409, ("This run is paused already",)
    NOT_RESUMED = "which verdicts fit", 409, ("This is an approval: it is approved or rejected, and not resumed",)
    NOT_PAUSED = "not paused", 409, ("This run is not paused",)
    EXPIRED = "closed by its deadline, when", 410, ("This is no longer open: closed by its deadline, 2026-",)
    MISSING = "each missing value", 422, ("Code is required.", "Word is required.")
    WRONG = "each wrong value", 422, ("must match the pattern [A-Z]{3}", "must match the pattern [a-z]{2}")
    NOT_THAT = "which verdicts fit", 422, ("must be approve or reject, not resume",)
    WHICH_OPTION = "which choices there are", 422, ("must be one of now, later",)
    NO_OPTION = "no choice is asked for", 422, ("is not asked for here",)
    NO_REASON = "say why", 422, ("is required: say why",)
    NOTHING_CHOSEN = "choose one", 422, ("Your verdict is needed: please choose one",)
    NO_VERDICT = "a verdict is missing", 422, ("is missing",)
    NO_CODE = "type the code", 422, ("The code is needed the 6 letters and digits in the mail",)
    WRONG_CODE = "a wrong code", 422, ("The code is not the one in the mail",)
    SIGN_IN_FIRST = "sign in first", 403, ("This request wants to know that it is you, by a sign-in with Slack",)
    TRY_AGAIN = "try again", 503, ("Slack does not answer right now. Nothing was recorded; please try again",)

    def __init__(self, words: str, status: int, texts: tuple[str, ...]) -> None:
        self.words = words
        self.status = status
        self.texts = texts

    @property
    def done(self) -> bool:
        """Whether something came of it."""
        return self.words.startswith("**")

    @property
    def refused(self) -> bool:
        """Whether the person is told that something is not theirs, or not like that, or not any more."""
        return not self.done and self is not Told.ABSENT

    def is_in(self, text: str) -> bool:
        return (any if self.done else all)(_plain(each) in _plain(text) for each in self.texts)


def _plain(text: str) -> str:
    return text.lower().replace(":", "")


def refusals_in(text: str) -> list[Told]:
    """What the text says that was not done."""
    found = [told for told in Told if told.refused and told.is_in(text)]
    # Whoever says the same again is also told what became of it; that is no second refusal.
    for told in (Told.ANSWERED_FOR, Told.REPEATED):
        if told in found:
            return [told]
    return found


def is_refused(text: str) -> bool:
    """Whether a command says so with its exit code too."""
    return any(told.status >= 400 for told in refusals_in(text))


@dataclass(frozen=True)
class Cell:
    """What one door says. ``note`` is for the paper, where a door differs from its row."""

    told: Told
    note: str = ""


@dataclass(frozen=True)
class Cannot:
    """The door has no way to say this; ``why`` is for the paper. It is tried all the same, and has to come to nothing."""

    why: str


class Column(Protocol):
    """One way in, as the paper calls it."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...


@dataclass(frozen=True)
class Row:
    """One row of a table: who does what, and what they are told. ``first`` happens before anything is started.

    ``cells`` has the doors that differ.
    """

    id: str
    scenario: str
    words: str
    told: Told
    who: str = "bob"
    first: Happens | None = None
    cells: Mapping[str, Cell | Cannot] = field(default_factory=dict)

    def cell(self, column: Column) -> Cell | Cannot:
        return self.cells.get(column.name, Cell(self.told))


def at(doors: str, cell: Cell | Cannot) -> dict[str, Cell | Cannot]:
    """The same at several doors, named in one text."""
    return dict.fromkeys(doors.split(), cell)
