"""Who may decide, and when it adds up. Pure, and the only place where either is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flows.definition import Approval, Hold
from flows.errors import NotAllowed, NotAnApprover, QuorumUnreachable, SelfApproval
from flows.people import Memberships, Person, PersonId, Roster
from flows.run import Approvers, Suspension, Verdict


class MembershipsNeeded(Exception):
    """Whether the person may decide depends on groups that nobody has asked about yet.

    Never leaves the engine: it asks the directory, outside the transaction, and delivers the event again.
    """

    def __init__(self, groups: tuple[str, ...]) -> None:
        self.groups = groups
        super().__init__(", ".join(groups))


@dataclass(frozen=True, slots=True)
class Seats:
    """Who is asked when a suspension opens, and how many of them it takes.

    ``approvers`` is what is kept; ``asked`` are all the people to tell, members of groups included.
    """

    approvers: Approvers
    asked: tuple[PersonId, ...]
    needed: int


def seats(
    wait: Approval | Hold,
    handles: Iterable[str],
    roster: Roster,
    *,
    requester: PersonId,
    people: Mapping[PersonId, Person],
) -> Seats:
    """Fill the seats of a wait that opens, from what the directory said.

    Raises ``QuorumUnreachable`` where the people who may decide are too few: the sentence names them, and
    what would mend it.
    """

    def one(person: PersonId) -> PersonId:
        # The roster may be older than the news that two of its people are one human.
        return people[person].id if person in people else person

    handles = tuple(dict.fromkeys(handles))
    named = tuple(dict.fromkeys(one(roster.people[handle]) for handle in handles if handle in roster.people))
    groups = tuple(handle for handle in handles if handle in roster.groups)
    gaps = tuple((handle, roster.gaps[handle]) for handle in handles if handle in roster.gaps)
    everybody = tuple(dict.fromkeys([*named, *(one(member) for group in groups for member in roster.groups[group])]))
    if isinstance(wait, Hold):
        if not handles:
            return Seats(Approvers(people=(requester,)), asked=(requester,), needed=1)
        if not everybody:
            raise QuorumUnreachable(f"nobody can resume this: {_gaps(gaps) or 'the groups named have no members'}")
        return Seats(Approvers(named, groups, gaps), asked=everybody, needed=1)
    eligible = everybody if wait.self_approval else tuple(person for person in everybody if person != requester)
    if wait.quorum == "all":
        # Frozen: whoever joins a group later is not asked, and whoever leaves was asked all the same.
        approvers, needed = Approvers(eligible, (), gaps), max(1, len(eligible))
    else:
        named = tuple(person for person in named if person in eligible)
        approvers, needed = Approvers(named, groups, gaps), 1 if wait.quorum == "any" else wait.quorum
    if len(eligible) < needed:
        raise QuorumUnreachable(_unreachable(needed, eligible, everybody, gaps, requester, people))
    return Seats(approvers, asked=eligible, needed=needed)


def check_may_decide(
    wait: Approval | Hold,
    suspension: Suspension,
    person: PersonId,
    *,
    requester: PersonId,
    memberships: Memberships | None,
    admin: bool,
) -> None:
    """Return if the person may answer this suspension now; else raise the refusal that says why not.

    An admin may resume a hold that names nobody. Being an admin never makes anybody an approver.
    """
    approvers = suspension.approvers
    if isinstance(wait, Approval) and person == requester and not wait.self_approval:
        raise SelfApproval("This is your own request, and its flow does not let people approve their own.")
    if person in approvers.people or (isinstance(wait, Hold) and not wait.by and admin):
        return
    if approvers.groups:
        if memberships is None:
            raise MembershipsNeeded(approvers.groups)
        if not memberships.groups.isdisjoint(approvers.groups):
            return
    if isinstance(wait, Hold) and not wait.by:
        raise NotAnApprover("Only the person who started this run, or an admin, can resume it.")
    raise NotAnApprover("You are not one of the people who were asked to decide this.")


def tally(wait: Approval | Hold, suspension: Suspension, standing: Mapping[PersonId, Verdict]) -> Verdict | None:
    """The verdict that these standing decisions settle, or None while it is open. One rejection settles it."""
    if isinstance(wait, Hold):
        return Verdict.RESUME if standing else None
    verdicts = list(standing.values())
    if Verdict.REJECT in verdicts:
        return Verdict.REJECT
    return Verdict.APPROVE if verdicts.count(Verdict.APPROVE) >= suspension.needed else None


def approvals(standing: Mapping[PersonId, Verdict]) -> int:
    """How many distinct people have said yes so far."""
    return sum(verdict is not Verdict.REJECT for verdict in standing.values())


def check_may_cancel(person: PersonId, *, requester: PersonId, admin: bool) -> None:
    """Return if the person may cancel the run: the requester and admins may."""
    if person != requester and not admin:
        raise NotAllowed("Only the person who started this run, or an admin, can cancel it.")


def _gaps(gaps: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{handle} ({reason})" for handle, reason in gaps)


def _unreachable(
    needed: int,
    eligible: tuple[PersonId, ...],
    everybody: tuple[PersonId, ...],
    gaps: tuple[tuple[str, str], ...],
    requester: PersonId,
    people: Mapping[PersonId, Person],
) -> str:
    def names(ids: Iterable[PersonId]) -> str:
        return ", ".join(people[person].name if person in people else "somebody" for person in ids) or "nobody"

    can = "person can" if len(eligible) == 1 else "people can"
    parts = [f"this takes {needed} distinct approvals, and {len(eligible)} {can} give one: {names(eligible)}"]
    if requester in everybody and requester not in eligible:
        parts.append(
            f"{names([requester])} started it and does not count; set `self_approval: true` or add another approver"
        )
    else:
        parts.append("add approvers or lower `quorum`")
    if gaps:
        parts.append(f"not counted: {_gaps(gaps)}")
    return "; ".join(parts)
