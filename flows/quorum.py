"""Who may decide, and when it adds up. Pure, and the only place where either is said.

A plain quorum (a number, ``any``, ``all``) counts people. A nested one, and who may veto, is kept by the suspension
as its ``terms``; who fills which seat of it is worked out in ``flows.seating``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flows import seating
from flows.definition import Approval, Hold
from flows.errors import DecidedByYou, NotAllowed, NotAnApprover, QuorumUnreachable, SelfApproval
from flows.people import Memberships, Person, PersonId, Roster
from flows.rules import Seat, Terms, Tree, tree
from flows.run import Approvers, Said, Suspension, Verdict

NO_MEMBERSHIPS: Mapping[PersonId, Memberships] = MappingProxyType({})

_NO_TERMS = Terms()
# Under names of their own, because to look a member up in its enum takes as long as all else that is done with one of
# a thousand decisions.
_APPROVE, _REJECT = Verdict.APPROVE, Verdict.REJECT


class MembershipsNeeded(Exception):
    """Whether the person may decide, or what their decision counts for, depends on groups that nobody has asked
    about yet.

    Never leaves the engine: it asks the directory, outside the transaction, and delivers the event again.
    """

    def __init__(self, groups: tuple[str, ...], person: PersonId | None = None) -> None:
        self.groups = groups
        self.person = person
        """Whose, where it is not the one who decides: they may be standing in for somebody."""
        super().__init__(", ".join(groups))


@dataclass(frozen=True, slots=True)
class Seats:
    """Who is asked when a suspension opens, and how many of them it takes.

    ``approvers`` and ``terms`` are what is kept; ``asked`` are all the people to tell, members of groups and those
    who may only veto included. Of a nested quorum, ``needed`` is the smallest number of people that can meet it.
    """

    approvers: Approvers
    asked: tuple[PersonId, ...]
    needed: int
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What it came to: the verdict, the option that was chosen where there are any, and those whose decision it was,
    in the order of the decisions that were counted."""

    verdict: Verdict
    option: str | None = None
    by: tuple[PersonId, ...] = ()


# -- when a wait opens ----------------------------------------------------------------------------------------


def seats(
    wait: Approval | Hold,
    rendered: Mapping[str, tuple[str, ...]],
    roster: Roster,
    *,
    requester: PersonId,
    people: Mapping[PersonId, Person],
) -> Seats:
    """Fill the seats of a wait that opens, from what the directory said.

    ``rendered`` gives for each handle of ``wait``, as the flow wrote it, the handles that it came to.
    Raises ``QuorumUnreachable`` where the people who may decide are too few: the sentence names them, and
    what would mend it.
    """
    asked = _Asked(roster, people)
    rendered = {written: tuple(map(roster.called, handles)) for written, handles in rendered.items()}
    if isinstance(wait, Hold):
        return _hold_seats(asked.handles(rendered, wait.by), asked, requester)
    rule = None if isinstance(wait.quorum, int | str) else wait.quorum
    handles = asked.handles(rendered, (*wait.approvers, *(rule.handles if rule else ())))
    may_veto = asked.handles(rendered, wait.veto)
    gaps = asked.gaps(dict.fromkeys([*handles, *may_veto]))
    everybody = asked.everybody(handles)
    eligible, vetoing = everybody, asked.everybody(may_veto)
    if not wait.self_approval:
        eligible, vetoing = (tuple(one for one in some if one != requester) for some in (eligible, vetoing))
    able = frozenset(eligible)
    named = tuple(person for person in asked.named(handles) if person in able)
    approvers = Approvers(named, asked.groups(handles), gaps)
    kept = None
    if rule is not None:
        whole = tree(rule, lambda item: asked.seats(rendered[item]) or (item,))
        present = asked.present(eligible, approvers.groups)
        fewest = seating.fewest(whole, present)
        if fewest is None:
            raise QuorumUnreachable(_nested_unreachable(whole, present, everybody, gaps, requester, people))
        needed, kept = fewest, whole.only({*named, *approvers.groups})
    elif wait.quorum == "all":
        # Frozen: whoever joins a group later is not asked, and whoever leaves was asked all the same.
        approvers, needed = Approvers(eligible, (), gaps), max(1, len(eligible))
    else:
        needed = wait.quorum if isinstance(wait.quorum, int) else 1
    if len(eligible) < needed:
        raise QuorumUnreachable(_unreachable(needed, eligible, everybody, gaps, requester, people))
    if len(eligible) < wait.reject_after and not vetoing:
        raise QuorumUnreachable(
            f"this takes {wait.reject_after} distinct rejections, and {_can(eligible, people)}; add approvers, lower"
            " `reject_after`, or name somebody who may `veto`" + _not_counted(gaps)
        )
    veto = tuple(seat for seat in asked.seats(may_veto) if seat in vetoing or seat in roster.groups)
    terms = Terms(kept, veto) if kept is not None or veto else None
    return Seats(approvers, tuple(dict.fromkeys([*eligible, *vetoing])), needed, terms)


def others(
    wait: Approval,
    handles: tuple[str, ...],
    roster: Roster,
    *,
    requester: PersonId,
    people: Mapping[PersonId, Person],
) -> tuple[Approvers, tuple[PersonId, ...]]:
    """Whom a wait escalates to: those who may decide then, and all the people to tell.

    Raises ``QuorumUnreachable`` where that would be nobody.
    """
    asked = _Asked(roster, people)
    handles = tuple(map(roster.called, handles))
    gaps = asked.gaps(handles)
    able = [one for one in asked.everybody(handles) if wait.self_approval or one != requester]
    if not able:
        raise QuorumUnreachable(
            "`escalate` names nobody who may decide; name somebody else" + _not_counted(gaps)
            if gaps
            else "`escalate` names nobody but who started the run; name somebody else"
        )
    named = tuple(person for person in asked.named(handles) if person in able)
    return Approvers(named, asked.groups(handles), gaps), tuple(able)


def _hold_seats(handles: tuple[str, ...], asked: _Asked, requester: PersonId) -> Seats:
    if not handles:
        return Seats(Approvers(people=(requester,)), asked=(requester,), needed=1)
    everybody, gaps = asked.everybody(handles), asked.gaps(handles)
    if not everybody:
        raise QuorumUnreachable(f"nobody can resume this: {_gaps(gaps) or 'the groups named have no members'}")
    return Seats(Approvers(asked.named(handles), asked.groups(handles), gaps), asked=everybody, needed=1)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the directory said, as people who are one human only once."""

    roster: Roster
    people: Mapping[PersonId, Person]

    def one(self, person: PersonId) -> PersonId:
        # The roster may be older than the news that two of its people are one human.
        return self.people[person].id if person in self.people else person

    def handles(self, rendered: Mapping[str, tuple[str, ...]], written: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(handle for item in written for handle in rendered[item]))

    def named(self, handles: Iterable[str]) -> tuple[PersonId, ...]:
        found = self.roster.people
        return tuple(dict.fromkeys(self.one(found[handle]) for handle in handles if handle in found))

    def groups(self, handles: Iterable[str]) -> tuple[str, ...]:
        return tuple(handle for handle in handles if handle in self.roster.groups)

    def gaps(self, handles: Iterable[str]) -> tuple[tuple[str, str], ...]:
        return tuple((handle, self.roster.gaps[handle]) for handle in handles if handle in self.roster.gaps)

    def members(self, group: str) -> Iterable[PersonId]:
        return map(self.one, self.roster.groups[group])

    def everybody(self, handles: tuple[str, ...]) -> tuple[PersonId, ...]:
        members = (member for group in self.groups(handles) for member in self.members(group))
        return tuple(dict.fromkeys([*self.named(handles), *members]))

    def seats(self, handles: Iterable[str]) -> tuple[Seat, ...]:
        """People's ids and groups; a handle behind which nobody stands stays as it is, and nobody fills it."""
        found = self.roster.people
        return tuple(dict.fromkeys(self.one(found[handle]) if handle in found else handle for handle in handles))

    def present(self, eligible: Iterable[PersonId], groups: Iterable[str]) -> dict[PersonId, set[str]]:
        """Those who may decide, each with their groups."""
        found: dict[PersonId, set[str]] = {person: set() for person in eligible}
        for group in groups:
            for member in self.members(group):
                if member in found:
                    found[member].add(group)
        return found


# -- who may decide -------------------------------------------------------------------------------------------


def groups_asked(suspension: Suspension) -> tuple[str, ...]:
    """The groups whose members may decide or veto: what the memberships of a decision have to answer for."""
    return tuple(dict.fromkeys([*suspension.approvers.groups, *_veto_groups(suspension)]))


def is_relieved(suspension: Suspension, person: PersonId) -> bool:
    """Whether somebody else is asked in this person's place, whatever group they belong to."""
    return person in suspension.clocks.relieved and person not in suspension.approvers.people


def check_may_decide(
    wait: Approval | Hold,
    suspension: Suspension,
    person: PersonId,
    *,
    requester: PersonId,
    memberships: Memberships | None,
    admin: bool,
    verdict: Verdict | None = None,
) -> None:
    """Return if the person may answer this suspension now; else raise the refusal that says why not.

    Without a ``verdict``, or to withdraw one, it is enough that they may give any. Those who may veto and are no
    approvers may reject, and not approve. An admin may resume a hold that names nobody. Being an admin never makes
    anybody an approver.
    """
    if isinstance(wait, Approval) and person == requester and not wait.self_approval:
        raise SelfApproval("This is your own request, and its flow does not let people approve their own.")
    approvers, terms = suspension.approvers, suspension.terms or _NO_TERMS
    vetoes = person in terms.veto
    relieved = is_relieved(suspension, person)
    named = person in approvers.people or (isinstance(wait, Hold) and not wait.by and admin)
    named = named or (vetoes and verdict is not Verdict.APPROVE)
    veto_groups = _veto_groups(suspension)
    asked = () if relieved else approvers.groups
    groups = asked if verdict is Verdict.APPROVE else (*asked, *veto_groups)
    # People who are named decide without their groups, unless it depends on these which seat they fill, or whether
    # they veto.
    counted = (verdict is Verdict.APPROVE and terms.quorum is not None) or (
        verdict is Verdict.REJECT and bool(veto_groups) and not vetoes
    )
    if groups and memberships is None and (counted or not named):
        raise MembershipsNeeded(groups_asked(suspension))
    if named or (memberships is not None and not memberships.groups.isdisjoint(groups)):
        return
    if isinstance(wait, Hold) and not wait.by:
        raise NotAnApprover("Only the person who started this run, or an admin, can resume it.")
    if vetoes or (memberships is not None and not memberships.groups.isdisjoint(veto_groups)):
        raise NotAnApprover("You may reject this, but your approval is not asked for.")
    if relieved:
        raise NotAnApprover("Somebody else is asked in your place here, so your answer is not asked for any more.")
    raise NotAnApprover("You are not one of the people who were asked to decide this.")


def check_is_asked(
    wait: Approval | Hold,
    suspension: Suspension,
    person: PersonId,
    *,
    requester: PersonId,
    memberships: Memberships | None,
    principals: Collection[PersonId] = (),
    belonging: Mapping[PersonId, Memberships] = NO_MEMBERSHIPS,
) -> None:
    """Return if the person is asked to answer this, themselves or for one of ``principals``, whose groups ``belonging``
    has as far as they were asked for; else raise the refusal."""
    try:
        check_may_decide(wait, suspension, person, requester=requester, memberships=memberships, admin=False)
    except NotAnApprover:
        for principal in principals:
            theirs = belonging.get(principal)
            try:
                check_may_decide(wait, suspension, principal, requester=requester, memberships=theirs, admin=False)
            except (NotAnApprover, SelfApproval):
                continue
            except MembershipsNeeded as needed:
                raise MembershipsNeeded(needed.groups, principal) from None
            return
        raise


def seat_of(
    wait: Approval | Hold,
    suspension: Suspension,
    person: PersonId,
    *,
    requester: PersonId,
    memberships: Memberships | None,
    admin: bool,
    verdict: Verdict,
    standing: Mapping[PersonId, Said],
    principals: Collection[PersonId] = (),
    belonging: Mapping[PersonId, Memberships] = NO_MEMBERSHIPS,
    people: Mapping[PersonId, Person],
) -> PersonId:
    """Whose seat this person's answer fills: their own, or that of somebody who has handed their approvals over.

    ``principals`` are those for whom they may answer, the nearest first; ``belonging`` are their groups, as far as these
    were asked for. Nobody answers for somebody who has answered, nor twice in different names. Raises the refusal.
    """
    acted = next((who for who, said in standing.items() if said.by == person), None)

    def check(who: PersonId, theirs: Memberships | None, *, admin: bool) -> None:
        check_may_decide(wait, suspension, who, requester=requester, memberships=theirs, admin=admin, verdict=verdict)

    try:
        check(person, memberships, admin=admin)
    except NotAnApprover:
        if person in standing:
            raise
        for principal in principals:
            if acted not in (None, principal):
                continue
            if principal in standing and standing[principal].by != person:
                continue
            try:
                check(principal, belonging.get(principal), admin=False)
            except (NotAnApprover, SelfApproval):
                continue
            except MembershipsNeeded as needed:
                raise MembershipsNeeded(needed.groups, principal) from None
            return principal
        raise
    if acted is not None:
        name = _names([acted], people)
        raise DecidedByYou(f"You have answered this already, for {name}. One person counts once; take that back first.")
    return person


def check_may_cancel(person: PersonId, *, requester: PersonId, admin: bool, owner: bool = False) -> None:
    """Return if the person may cancel the run: the requester, the owner of its flow, and admins may."""
    _check_may(person, "cancel it", requester=requester, admin=admin, owner=owner)


def check_may_pause(person: PersonId, *, requester: PersonId, admin: bool, owner: bool = False) -> None:
    """Return if the person may pause the run, and let it go on: the same who may cancel it."""
    _check_may(person, "pause it or let it go on", requester=requester, admin=admin, owner=owner)


def check_may_drop(*, admin: bool, owner: bool) -> None:
    """Return if who asks may end a wait without a decision: the owner of the flow, and admins may."""
    if not (admin or owner):
        raise NotAllowed("Only the owner of this flow, or an admin, can drop a wait.")


def _check_may(person: PersonId, what: str, *, requester: PersonId, admin: bool, owner: bool) -> None:
    if person != requester and not admin and not owner:
        raise NotAllowed(f"Only the person who started this run, the owner of its flow, or an admin, can {what}.")


def _veto_groups(suspension: Suspension) -> tuple[str, ...]:
    return tuple(seat for seat in suspension.terms.veto if isinstance(seat, str)) if suspension.terms else ()


# -- when it adds up ------------------------------------------------------------------------------------------


def tally(wait: Approval | Hold, suspension: Suspension, standing: Mapping[PersonId, Said]) -> Settled | None:
    """What these standing decisions settle, or None while it is open.

    ``standing`` is in the order of the decisions, without those that were withdrawn. Each counts as of its moment: for
    the groups that its person was in then. Of a plain quorum, this costs one look at each decision.
    """
    if isinstance(wait, Hold):
        return Settled(Verdict.RESUME, by=tuple(standing)) if standing else None
    terms = suspension.terms or _NO_TERMS
    rejecting = [person for person, said in standing.items() if said.verdict is _REJECT]
    if rejecting:
        if terms.veto and (vetoing := tuple(one for one in rejecting if _vetoes(terms, one, standing[one]))):
            return Settled(Verdict.REJECT, by=vetoing)
        if len(rejecting) >= wait.reject_after:
            return Settled(Verdict.REJECT, by=tuple(rejecting))
    if terms.quorum is None and len(standing) - len(rejecting) < suspension.needed:
        return None
    for option in _options(wait):
        yes = _approving(standing, option)
        if len(yes) >= suspension.needed if terms.quorum is None else seating.met(terms.quorum, yes):
            return Settled(Verdict.APPROVE, option, tuple(yes))
    return None


def approvals(standing: Mapping[PersonId, Said]) -> int:
    """How many distinct people have said yes so far."""
    return sum(said.verdict is not _REJECT for said in standing.values())


def missing(wait: Approval | Hold, suspension: Suspension, standing: Mapping[PersonId, Said]) -> int:
    """How many more distinct people it takes at least; where there are options, for the one that lacks the fewest."""
    if isinstance(wait, Hold):
        return 0 if standing else 1
    rule = suspension.terms.quorum if suspension.terms else None
    counted = (_approving(standing, option) for option in _options(wait))
    if rule is None:
        return max(0, suspension.needed - max(len(yes) for yes in counted))
    return min(seating.missing(rule, yes) for yes in counted)


def waiting_for(wait: Approval | Hold, suspension: Suspension, standing: Mapping[PersonId, Said]) -> tuple[Seat, ...]:
    """People and groups whose approval would bring it nearer, where it lacks the fewest; nobody who has answered."""
    rule = suspension.terms.quorum if suspension.terms else None
    found: Iterable[Seat] = (*suspension.approvers.people, *suspension.approvers.groups)
    if isinstance(wait, Approval) and rule is not None:
        counted = [_approving(standing, option) for option in _options(wait)]
        lacking = [seating.missing(rule, yes) for yes in counted]
        found = [
            seat
            for yes, lacks in zip(counted, lacking, strict=True)
            if lacks == min(lacking)
            for seat in seating.open_seats(rule, yes)
        ]
    return tuple(dict.fromkeys(seat for seat in found if isinstance(seat, str) or seat not in standing))


def _options(wait: Approval) -> tuple[str | None, ...]:
    return tuple(option.name for option in wait.options) or (None,)


def _approving(standing: Mapping[PersonId, Said], option: str | None) -> dict[PersonId, frozenset[str]]:
    """Those who have approved, and chosen ``option`` where one is asked for; each with their groups at that moment."""
    return {
        person: said.groups
        for person, said in standing.items()
        if said.verdict is _APPROVE and (option is None or said.option == option)
    }


def _vetoes(terms: Terms, person: PersonId, said: Said) -> bool:
    return person in terms.veto or not said.groups.isdisjoint(terms.veto)


# -- when people leave, or are one human ----------------------------------------------------------------------


def look_up(suspension: Suspension, people: Mapping[PersonId, Person]) -> tuple[str, ...]:
    """The handles to ask the directory about, for ``still_reachable`` to know who is there: each person's own, and the
    groups'."""
    own = [handle for person in suspension.approvers.people for handle in _own(people.get(person))[:1]]
    return tuple(dict.fromkeys([*own, *suspension.approvers.groups]))


def still_reachable(
    wait: Approval | Hold,
    suspension: Suspension,
    standing: Mapping[PersonId, Said],
    roster: Roster,
    *,
    requester: PersonId,
    people: Mapping[PersonId, Person],
) -> None:
    """Return if those who are there now can still meet it, with the approvals that stand; else raise
    ``QuorumUnreachable``.

    ``roster`` is the directory's new answer. Somebody is gone whose own handle is a gap in it; of whom it says nothing
    is taken to be there. Approvals of people who are gone stand, and whoever has rejected, or chosen another option,
    may change their mind.
    """
    if isinstance(wait, Hold) and not wait.by:
        return  # an admin can
    approvers, asked = suspension.approvers, _Asked(roster, people)
    if any(group not in roster.groups and group not in roster.gaps for group in approvers.groups):
        return
    there = {asked.one(person) for person in roster.ids()}
    named = [one for one in approvers.people if one in there or roster.gaps.keys().isdisjoint(_own(people.get(one)))]
    groups = asked.groups(approvers.groups)
    members = (member for group in groups for member in asked.members(group) if not is_relieved(suspension, member))
    everybody = dict.fromkeys([*named, *members])
    counts = isinstance(wait, Hold) or wait.self_approval
    able = asked.present((person for person in everybody if counts or person != requester), groups)
    called = {handle: people[one].name for one in approvers.people for handle in _own(people.get(one))}
    gaps = tuple((called.get(handle, handle), reason) for handle, reason in roster.gaps.items())
    if isinstance(wait, Hold):
        if not able:
            raise QuorumUnreachable(f"nobody can resume this: {_gaps(gaps) or 'the groups named have no members'}")
        return
    rule = suspension.terms.quorum if suspension.terms else None
    for option in _options(wait):
        able_or_did = dict(able)
        for person, then in _approving(standing, option).items():
            able_or_did[person] = able.get(person, set()) | then
        if len(able_or_did) >= suspension.needed if rule is None else seating.met(rule, able_or_did):
            return
    # Said of the last option; which one hardly matters to whoever reads it.
    if rule is None:
        raise QuorumUnreachable(
            _unreachable(suspension.needed, tuple(able_or_did), tuple(everybody), gaps, requester, people)
        )
    raise QuorumUnreachable(_nested_unreachable(rule, able_or_did, tuple(everybody), gaps, requester, people))


def without_gone(
    suspension: Suspension, standing: Mapping[PersonId, Said], roster: Roster, people: Mapping[PersonId, Person]
) -> Suspension:
    """The suspension as it is asked of those who are there still: who is a gap in ``roster`` now is one in it too.

    Whoever has answered keeps their seat: what they said stands.
    """
    approvers, terms = suspension.approvers, suspension.terms
    gone: dict[PersonId, tuple[str, str]] = {}
    for person in approvers.people:
        handle = next((one for one in _own(people.get(person)) if one in roster.gaps), None)
        if handle is not None and person not in standing:
            gone[person] = (people[person].name, roster.gaps[handle])
    if not gone:
        return suspension
    for person in gone:
        terms = terms.without(person) if terms is not None else None
    left = tuple(person for person in approvers.people if person not in gone)
    return suspension.but(approvers=Approvers(left, approvers.groups, (*approvers.gaps, *gone.values())), terms=terms)


def escalated(
    suspension: Suspension, later: Approvers, standing: Mapping[PersonId, Said], *, replaces: bool
) -> Suspension:
    """The suspension as others are asked too; ``replaces``: and those who were asked before and have not answered are
    not any more. Whoever has answered keeps their seat, whichever group it was of: they may still change their mind."""
    before = suspension.approvers
    people, groups = before.people, before.groups
    if replaces:
        people, groups = (*(one for one in people if one in standing), *standing), ()
    approvers = Approvers(
        tuple(dict.fromkeys([*people, *later.people])),
        tuple(dict.fromkeys([*groups, *later.groups])),
        tuple(dict.fromkeys([*before.gaps, *later.gaps])),
    )
    return suspension.but(approvers=approvers)


def reassigned(suspension: Suspension, person: PersonId, to: PersonId) -> Suspension:
    """The suspension as ``to`` is asked in the place of ``person``, who is not asked any more, by no group either."""

    def one(who: PersonId) -> PersonId:
        return to if who == person else who

    approvers, clocks = suspension.approvers, suspension.clocks
    # Kept though no group may be asked now: a group that they belong to may be asked later.
    relieved = dict.fromkeys([*(who for who in clocks.relieved if who != to), person])
    suspension = suspension.but(clocks=clocks.but(relieved=tuple(relieved)))
    if person not in approvers.people:
        return suspension.but(approvers=Approvers((*approvers.people, to), approvers.groups, approvers.gaps))
    people = tuple(map(one, approvers.people))
    terms = suspension.terms.merged(one) if suspension.terms is not None else None
    return suspension.but(approvers=Approvers(people, approvers.groups, approvers.gaps), terms=terms)


def merged(
    suspension: Suspension, wait: Approval | Hold, one: Callable[[PersonId], PersonId], *, requester: PersonId
) -> Suspension:
    """The suspension after some ids turned out to be one human; ``one`` gives the id that was kept, ``requester`` is
    who started the run, under that.

    ``quorum: all`` takes all the people who are left. Any other quorum takes what it took: a merge takes people away,
    and no seat. It may show that somebody who has approved is somebody who was waited for, so tally again.
    """
    approvers, terms, needed = suspension.approvers, suspension.terms, suspension.needed
    people = tuple(dict.fromkeys(map(one, approvers.people)))
    counts = isinstance(wait, Hold) or wait.self_approval
    if terms is not None:
        terms = terms.merged(one) if counts else terms.merged(one).without(requester)
    if isinstance(wait, Approval) and wait.quorum == "all":
        needed = max(1, sum(counts or person != requester for person in people))
    elif terms is not None and terms.quorum is not None:
        needed = max(needed, seating.missing(terms.quorum, {}))
    return suspension.but(approvers=Approvers(people, approvers.groups, approvers.gaps), terms=terms, needed=needed)


def _own(who: Person | None) -> tuple[str, ...]:
    """The handles that are one person's own, the best first."""
    if who is None:
        return ()
    slack = (who.slack, who.slack.rpartition("/")[2]) if who.slack else ()
    return (*slack, *((who.email.lower(),) if who.email else ()))


# -- sentences ------------------------------------------------------------------------------------------------


def _gaps(gaps: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{handle} ({reason})" for handle, reason in gaps)


def _not_counted(gaps: Iterable[tuple[str, str]]) -> str:
    return f"; not counted: {listed}" if (listed := _gaps(gaps)) else ""


def _names(ids: Iterable[PersonId], people: Mapping[PersonId, Person]) -> str:
    return ", ".join(people[person].name if person in people else "somebody" for person in ids) or "nobody"


def _can(ids: Collection[PersonId], people: Mapping[PersonId, Person]) -> str:
    if not ids:
        return "nobody can give one"
    return f"{len(ids)} {'person' if len(ids) == 1 else 'people'} can give one: {_names(ids, people)}"


def _many(seats: int) -> str:
    return "an approval" if seats == 1 else f"{seats} distinct approvals"


def _fix(everybody: Iterable[PersonId], eligible: Iterable[PersonId], requester: PersonId, name: str) -> str:
    if requester in everybody and requester not in eligible:
        return f"{name} started it and does not count; set `self_approval: true` or add another approver"
    return "add approvers or lower `quorum`"


def _unreachable(
    needed: int,
    eligible: tuple[PersonId, ...],
    everybody: tuple[PersonId, ...],
    gaps: tuple[tuple[str, str], ...],
    requester: PersonId,
    people: Mapping[PersonId, Person],
) -> str:
    fix = _fix(everybody, eligible, requester, _names([requester], people))
    return f"this takes {_many(needed)}, and {_can(eligible, people)}; {fix}" + _not_counted(gaps)


def _nested_unreachable(
    rule: Tree,
    present: Mapping[PersonId, set[str]],
    everybody: tuple[PersonId, ...],
    gaps: tuple[tuple[str, str], ...],
    requester: PersonId,
    people: Mapping[PersonId, Person],
) -> str:
    short = seating.shortage(rule, present)
    assert short is not None  # who calls this has found that they are not enough
    behind = [seat if isinstance(seat, str) else _names([seat], people) for seat in short.pool]
    them = f" from {' or '.join(behind)}" if behind else ""
    fix = _fix(everybody, present, requester, _names([requester], people))
    return f"`quorum` takes {_many(short.seats)}{them}, and {_can(short.people, people)}; {fix}" + _not_counted(gaps)
