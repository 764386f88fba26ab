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
from flows.run import Path


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
    """Ask the directory who stands behind the handles."""

    path: Path
    round: int
    handles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FireTimer:
    """Tell the machine that ``due`` has come for suspension ``n``; 0 for what all of ``path`` may take, less for a step
    that gave way to other runs."""

    path: Path
    round: int
    n: int
    due: datetime


@dataclass(frozen=True, slots=True)
class SyncCard:
    """Make one new card show the state: in ``channel``, or in the direct messages of ``person``."""

    path: Path
    round: int
    n: int
    channel: str | None = None
    person: PersonId | None = None


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


@dataclass(frozen=True, slots=True)
class TellRequester:
    """Tell the requester how the run ended, and why."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Forget the timers of ``path`` that have not fired; with ``everything`` also its attempts and look-ups. Of the
    whole run where ``path`` is None."""

    path: Path | None = None
    everything: bool = False


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
    effect: PerformAction | ResolvePeople | FireTimer | SyncCard | SendMail | TellRequester | StartTriggered
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
        case ResolvePeople(path, round_):
            return f"{run}/{path}/{round_}/people"
        case FireTimer(path, round_, n):
            return f"{run}/{path}/{round_}/timer-{n}"
        case SyncCard(path, round_, n):
            return f"{run}/{path}/{round_}/card-{n}-{leased.card}"
        case SendMail(path, round_, n, person):
            return f"{run}/{path}/{round_}/mail-{n}-{person}"
        case TellRequester():
            return f"{run}//1/tell"
        case StartTriggered(flow, trigger, _, n):
            return f"{run}//1/start-{flow}-{trigger}-{n}"
