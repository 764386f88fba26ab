"""Handing one's approvals over: who may answer for whom, and when. Pure.

Somebody who is away hands their approvals over to somebody else, for some time and for all flows or some. What the
other then says counts as the first one's seat, and both are recorded. It can be handed on, never in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flows.definition import Approval, Wait
from flows.people import PersonId


class Circle(ValueError):
    """Handing over like this would lead back to who began it. ``chain`` is the way there, the first one last again."""

    def __init__(self, chain: tuple[PersonId, ...]) -> None:
        self.chain = chain
        super().__init__("circle")


@dataclass(frozen=True, slots=True)
class Delegation:
    """``person`` lets ``delegate`` answer for them from ``starts`` until just before ``ends``.

    ``flows`` are names; empty: all flows. ``made_by`` is the person, or an admin. ``ended_at``: it was ended early.
    """

    id: int
    person: PersonId
    delegate: PersonId
    starts: datetime
    ends: datetime
    flows: tuple[str, ...] = ()
    made_by: PersonId = 0
    made_at: datetime | None = None
    ended_at: datetime | None = None

    def holds(self, flow: str, now: datetime) -> bool:
        """Whether it is in force now, for this flow."""
        return self.ended_at is None and self.starts <= now < self.ends and (not self.flows or flow in self.flows)


def principals(delegations: Iterable[Delegation], delegate: PersonId) -> tuple[PersonId, ...]:
    """For whom this person may answer, the nearest first: also for those who handed over to somebody who handed over.

    ``delegations`` are those in force now, for the flow at hand.
    """
    return _reached(delegate, {(one.delegate, one.person) for one in delegations})


def delegates(delegations: Iterable[Delegation], person: PersonId) -> tuple[PersonId, ...]:
    """Who may answer for this person, the nearest first."""
    return _reached(person, {(one.person, one.delegate) for one in delegations})


def for_wait(delegations: Iterable[Delegation], wait: Wait, *, requester: PersonId) -> tuple[Delegation, ...]:
    """Those by which somebody may answer this wait for somebody else: none where its flow refuses that.

    Who may not approve their own request does not choose who does either, by handing on what was handed to them, or as
    an admin what is somebody else's: so none in which the requester has a hand.
    """
    if wait.delegation == "refuse":
        return ()
    if isinstance(wait, Approval) and not wait.self_approval:
        return tuple(one for one in delegations if requester not in (one.person, one.delegate, one.made_by))
    return tuple(delegations)


def check_no_circle(new: Delegation, others: Iterable[Delegation]) -> None:
    """Raise ``Circle`` where ``new`` would let somebody answer for themselves through others, at any time and in any
    flow that all of the circle have in common."""
    overlapping = [one for one in others if one.ended_at is None and _overlap(one, new)]
    trail: list[tuple[PersonId, ...]] = [(new.person, new.delegate)]
    if new.person == new.delegate:
        raise Circle((new.person, new.person))
    while trail:
        chain = trail.pop()
        for one in overlapping:
            if one.person != chain[-1]:
                continue
            if one.delegate == new.person:
                raise Circle((*chain, new.person))
            if one.delegate not in chain:
                trail.append((*chain, one.delegate))


def _overlap(one: Delegation, other: Delegation) -> bool:
    together = one.starts < other.ends and other.starts < one.ends
    return together and (not one.flows or not other.flows or not set(one.flows).isdisjoint(other.flows))


def _reached(start: PersonId, pairs: set[tuple[PersonId, PersonId]]) -> tuple[PersonId, ...]:
    found: dict[PersonId, None] = {}
    ring = [start]
    while ring:
        ring = sorted({far for near, far in pairs if near in ring and far != start and far not in found})
        found.update(dict.fromkeys(ring))
    return tuple(found)
