"""What to do next: the effects that a transition asks for, saved with the change that made them.

An effect is performed at least once; its ``key`` is the same each time. Loop indexes are in the path, reruns
count rounds, attempts are never in it: so a retried POST carries the same key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from flows.context import Brief
from flows.people import PersonId
from flows.run import Path, Timer


class Lane(StrEnum):
    """Which queue an effect is performed in, so that 10,000 HTTP steps do not starve the cards."""

    ENGINE = "engine"
    PEOPLE = "people"
    MESSAGES = "messages"
    ACTIONS = "actions"


@dataclass(frozen=True, slots=True)
class PerformAction:
    """Run the step's action. ``due``: not before, where it is another attempt."""

    path: Path
    round: int
    attempt: int
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class ResolvePeople:
    """Ask the directory who stands behind the handles: to open a wait, or (``n``) to ask those again who have not
    answered, with ``note`` for the ``times``-th time; with ``ESCALATED``, whether those who are asked now are still there."""

    path: Path
    round: int
    handles: tuple[str, ...]
    n: int = 0
    note: Note | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class FireTimer:
    """Tell the machine that ``due`` has come for suspension ``n``; 0 for what all of ``path`` may take, less for a step
    that gave way to other runs."""

    path: Path
    round: int
    n: int
    due: datetime
    timer: Timer = Timer.DUE
    person: PersonId | None = None


@dataclass(frozen=True, slots=True)
class SyncCard:
    """Make one new card show the state: in ``channel``, or in the direct messages of ``person``.

    ``team`` is the channel's workspace, where the flow names one.
    """

    path: Path
    round: int
    n: int
    channel: str | None = None
    person: PersonId | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True)
class SyncCards:
    """Make all cards of suspension ``n`` show the state again; coalesced per card."""

    n: int


@dataclass(frozen=True, slots=True)
class SendMail:
    """Mail ``person`` their personal link to suspension ``n``."""

    path: Path
    round: int
    n: int
    person: PersonId


class Note(StrEnum):
    """What a message about a wait says."""

    REMINDER = "reminder"
    """To somebody who has not answered: this still waits for you."""
    NUDGE = "nudge"
    """The same, because the requester asks for it."""
    WOKEN = "woken"
    """The same, because they wanted to be asked later."""
    QUESTION = "question"
    """To the requester: somebody wants to know something first."""
    ANSWER = "answer"
    """To who asked: the requester has answered."""
    ESCALATED = "escalated"
    """To the requester: others are asked now."""
    REASSIGNED = "reassigned"
    """To the requester: somebody else is asked now."""
    DROPPED = "dropped"
    """To the requester, those who were asked, and the admins' channel: it goes on without a decision."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell one person something about suspension ``n``; nobody in particular (None): the admins' channel.

    ``times`` tells one from the next of the same kind: a reminder's number, a question's place.
    """

    path: Path
    round: int
    n: int
    note: Note
    person: PersonId | None
    times: int = 1
    due: datetime | None = None
    """Not before, where the person is not at work."""


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """Make the requester's message show where the run stands: one for each run, in their direct messages; coalesced.

    It is posted when the run first asks people (``begins``), and only redrawn otherwise.
    """

    begins: bool = False


@dataclass(frozen=True, slots=True)
class TellRequester:
    """Tell the requester how the run ended, and why."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Forget the timers of ``path`` that have not fired, or only those of one sort; with ``everything`` also its attempts
    and look-ups. Of the whole run where ``path`` is None."""

    path: Path | None = None
    everything: bool = False
    timer: Timer | None = None


On = Literal["waiting", "decided", "ended"]
"""What a flow can hear of another flow's runs."""


@dataclass(frozen=True, slots=True)
class StartTriggered:
    """Start ``flow``, whose trigger ``trigger`` has heard that this run waits, was decided or has ended.

    ``n`` is the suspension that it is about; 0 where the run has ended. It is saved with the fact that it follows
    from, and settled in the transaction that starts the run: each fact starts each listener once.
    """

    flow: str
    trigger: str
    on: On
    n: int


Effect = (
    PerformAction
    | ResolvePeople
    | FireTimer
    | SyncCard
    | SyncCards
    | SendMail
    | Tell
    | SyncRequest
    | TellRequester
    | Withdraw
    | StartTriggered
)


@dataclass(frozen=True, slots=True)
class Leased:
    """An effect that is due, as it came from the outbox; ``id`` is its row.

    ``deliveries`` counts earlier tries to perform it (not the attempts of its step, which are the machine's).
    ``card`` is the card that a ``SyncCard`` is about. ``memo`` is what an earlier delivery remembered. ``brief``
    comes along straight from the transaction that asked for an action; it is good only if that is performed at
    once, because nobody has looked since whether the action is still wanted.
    """

    id: int
    run: int
    lane: Lane
    effect: PerformAction | ResolvePeople | FireTimer | SyncCard | SendMail | Tell | TellRequester | StartTriggered
    due: datetime
    deliveries: int = 0
    card: int | None = None
    memo: str | None = None
    brief: Brief | None = field(default=None, compare=False, repr=False)


def key(leased: Leased, run: str) -> str:
    """The idempotency key: ``run/path/round/effect``. ``run`` is the run's id as the world sees it."""
    match leased.effect:
        case PerformAction(path, round_):
            return f"{run}/{path}/{round_}/action"
        case ResolvePeople(path, round_, _, n, note, times):
            return f"{run}/{path}/{round_}/people{f'-{n}-{note}-{times}' if n else ''}"
        case FireTimer(path, round_, n, _, timer):
            return f"{run}/{path}/{round_}/timer-{n}{'' if timer is Timer.DUE else f'-{timer}'}"
        case SyncCard(path, round_, n):
            return f"{run}/{path}/{round_}/card-{n}-{leased.card}"
        case SendMail(path, round_, n, person):
            return f"{run}/{path}/{round_}/mail-{n}-{person}"
        case Tell(path, round_, n, note, person, times):
            return f"{run}/{path}/{round_}/{note}-{n}-{times}-{person or 'admins'}"
        case TellRequester():
            return f"{run}//1/tell"
        case StartTriggered(flow, trigger, _, n):
            return f"{run}//1/start-{flow}-{trigger}-{n}"
