"""When people leave, or turn out to be one human: open waits are counted anew. Pure."""

from __future__ import annotations

from collections.abc import Callable

from flows import quorum, tree, waits
from flows.definition import Approval, Hold
from flows.effects import SyncCards
from flows.errors import QuorumUnreachable
from flows.events import PeopleMerged, QuorumRecounted, RosterReread
from flows.people import PersonId
from flows.plan import wait_of
from flows.run import Approvers, Decision, Later, Suspension
from flows.transition import Draft


def reread(draft: Draft, event: RosterReread) -> None:
    """Somebody may have left: a quorum that can no longer be met is said so at once, by name."""
    suspension = draft.suspensions.get(event.n)
    wait = wait_of(draft.plan.at(suspension.path), suspension) if suspension else None
    if suspension is None or suspension.closing is not None or not isinstance(wait, Approval):
        return
    try:
        quorum.still_reachable(
            wait,
            suspension,
            draft.standing_of(event.n),
            event.roster,
            requester=draft.run.requester,
            people=draft.slice.people,
        )
    except QuorumUnreachable as error:
        step = draft.steps[suspension.path]
        tree.fail_open(draft, step, waits.failure(step, str(error)))
        return
    left = quorum.without_gone(suspension, draft.standing_of(event.n), event.roster, draft.slice.people)
    if left is not suspension:
        draft.suspensions[suspension.n] = left
        draft.unseat(suspension, left)
        approvals = quorum.approvals(draft.standing_of(event.n))
        draft.facts.append(QuorumRecounted(suspension.n, approvals, suspension.needed))
        draft.effects.append(SyncCards(suspension.n))


def merge(draft: Draft, event: PeopleMerged) -> None:
    """Two handles were one human: recount what is open. It takes people away, and may show that nobody is missing."""

    def one(person: PersonId) -> PersonId:
        return event.kept if person == event.gone else person

    draft.run = draft.run.but(requester=one(draft.run.requester))
    for suspension in list(draft.suspensions.values()):
        wait = wait_of(draft.plan.at(suspension.path), suspension)
        if suspension.closing is not None or not isinstance(wait, Approval | Hold):
            continue
        suspension = _clocks_merged(quorum.merged(suspension, wait, one, requester=draft.run.requester), one)
        draft.suspensions[suspension.n] = suspension
        decisions = sorted(
            (answer for answer in draft.answers[suspension.path].decisions), key=lambda decision: decision.place
        )
        # The later answer of the one human stands; one that the requester gave as somebody else never counted.
        kept = {one(decision.person): _decision_merged(decision, one) for decision in decisions}
        # One human counts once: who has answered themselves does not count for somebody else too, nor for two.
        last = {said.human: said.place for said in sorted(kept.values(), key=lambda said: said.place)}
        kept = {
            person: said
            for person, said in kept.items()
            if said.by is None or (said.by not in kept and said.place == last[said.by])
        }
        if isinstance(wait, Approval) and not wait.self_approval:
            requester = draft.run.requester
            kept = {person: said for person, said in kept.items() if requester not in (person, said.human)}
        draft.recount(suspension, decisions, kept)
        standing = {person: decision.said for person, decision in kept.items()}
        draft.facts.append(QuorumRecounted(suspension.n, quorum.approvals(standing), suspension.needed))
        waits.settle(draft, wait, suspension, standing, reason=None)


def _decision_merged(decision: Decision, one: Callable[[PersonId], PersonId]) -> Decision:
    person, by = one(decision.person), None if decision.by is None else one(decision.by)
    return decision.but(person=person, by=None if by == person else by)


def _clocks_merged(suspension: Suspension, one: Callable[[PersonId], PersonId]) -> Suspension:
    clocks = suspension.clocks
    if not clocks.snoozed and not clocks.later and not clocks.relieved:
        return suspension
    later = tuple(
        Later(
            each.at,
            Approvers(
                tuple(dict.fromkeys(map(one, each.approvers.people))), each.approvers.groups, each.approvers.gaps
            ),
            tuple(dict.fromkeys(map(one, each.asked))),
        )
        for each in clocks.later
    )
    snoozed = {one(person): until for person, until in clocks.snoozed.items()}
    return suspension.but(clocks=clocks.but(later=later, snoozed=snoozed, relieved=tuple(map(one, clocks.relieved))))
