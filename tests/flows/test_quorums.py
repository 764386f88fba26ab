"""Who may decide and when it adds up; quorums that cannot be met, and handles that turn out to be one human."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flows import quorum, seating
from flows.definition import Approval, Flow, Hold, Step
from flows.errors import DecidedByYou, NotAllowed, NotAnApprover, QuorumUnreachable, SelfApproval, TryAgain
from flows.people import Memberships, Person, Roster
from flows.quorum import MembershipsNeeded, Settled
from flows.rules import Terms, Tree
from flows.run import Approvers, Kind, Said, Suspension, Verdict
from flows.testing import FlowTest

ANN, BOB, CAY, DAN, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "eve"))
PEOPLE = [ANN, BOB, CAY, DAN]


def gate(*before: Step, **approval) -> Flow:
    approval.setdefault("approvers", (BOB, CAY))
    return Flow(
        flow="gate",
        inputs=({"name": "manager", "type": "email", "required": False},),
        steps=(*before, Step(id="ask", approval=Approval(**approval))),
    )


async def test_the_requester_as_the_only_approver_is_refused_at_the_start_with_the_fix():
    async with FlowTest(gate(approvers=("{{ inputs.manager }}",)), people=PEOPLE) as t:
        with pytest.raises(QuorumUnreachable) as refusal:
            await t.start(by=ANN, inputs={"manager": ANN})

        assert str(refusal.value).startswith("step ask: ")
        assert "Ann started it and does not count; set `self_approval: true`" in str(refusal.value)
        assert await t.store.read(lambda c, _: c.execute("SELECT count(*) FROM runs").fetchone()) == (0,)


async def test_R16_a_quorum_that_cannot_be_met_is_refused_at_the_start_by_name():
    async with FlowTest(gate(approvers=(BOB, CAY), quorum=2), people=PEOPLE) as t:
        t.crowd.leave(CAY)
        with pytest.raises(QuorumUnreachable) as refusal:
            await t.start(by=ANN)

        assert str(refusal.value) == (
            "step ask: this takes 2 distinct approvals, and 1 person can give one: Bob; add approvers or lower `quorum`; "
            "not counted: cay@example.com (has left Slack)"
        )


async def test_R16_the_rest_are_asked_and_the_gap_is_shown():
    async with FlowTest(gate(approvers=(BOB, CAY, DAN), quorum=2), people=PEOPLE) as t:
        t.crowd.leave(CAY, "has left Slack")
        run = await t.start(by=ANN)
        gaps = run.suspension().suspension.approvers.gaps
        asked = [mailed.person.email for mailed in t.mails]
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=CAY)
        await t.approve(run, by=BOB)
        await t.approve(run, by=DAN)

        assert gaps == ((CAY, "has left Slack"),)
        assert asked == [BOB, DAN]
        assert run.outcome == "succeeded"


async def test_R16_all_means_all_who_are_there():
    async with FlowTest(gate(approvers=(BOB, CAY), quorum="all"), people=PEOPLE) as t:
        t.crowd.leave(CAY)
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)

        assert run.outcome == "succeeded"


async def test_R16_all_of_nobody_is_not_met_by_nobody():
    async with FlowTest(gate(approvers=("@hr",), quorum="all"), people=PEOPLE, groups={"@hr": [ANN]}) as t:
        with pytest.raises(QuorumUnreachable, match="nobody can give one"):
            await t.start(by=ANN)


async def test_approvers_that_are_known_only_later_are_found_out_to_be_too_few_when_it_would_open():
    before = Step(id="who", uses="http.request")
    flow = gate(before, approvers=("{{ steps.who.output }}",), quorum=2)
    async with FlowTest(flow, people=PEOPLE, actions={"http.request": [BOB]}) as t:
        run = await t.start(by=ANN)

        assert run.outcome == "failed"
        assert run.reason.startswith("ask: this takes 2 distinct approvals, and 1 person can give one: Bob")
        assert t.mails == []


async def test_approvers_may_come_from_an_earlier_output():
    flow = gate(Step(id="who", uses="http.request"), approvers=("{{ steps.who.output }}",), quorum=2)
    async with FlowTest(flow, people=PEOPLE, actions={"http.request": [BOB, "CAY@Example.com"]}) as t:
        run = await t.start(by=ANN)

        assert [mailed.person.email for mailed in t.mails] == [BOB, CAY]
        assert run.status == "waiting"


async def test_somebody_named_twice_and_through_a_group_fills_one_seat():
    approvers = (BOB, "BOB@example.com", "@hr")
    async with FlowTest(gate(approvers=approvers, quorum=2), people=PEOPLE, groups={"@hr": [BOB]}) as t:
        with pytest.raises(QuorumUnreachable, match="1 person can give one: Bob"):
            await t.start(by=ANN)


async def test_a_step_that_may_be_skipped_does_not_refuse_the_start():
    flow = Flow(
        flow="maybe",
        inputs=({"name": "ask", "type": "boolean"},),
        steps=(
            Step(id="ask", if_="inputs.ask", approval=Approval(approvers=(ANN,))),
            Step(id="go", uses="log"),
        ),
    )
    async with FlowTest(flow, people=PEOPLE) as t:
        run = await t.start(by=ANN, inputs={"ask": False})
        with pytest.raises(QuorumUnreachable):
            await t.start(by=ANN, inputs={"ask": True})

        assert run.outcome == "succeeded"


async def test_a_hold_for_a_group_without_members_is_refused_when_it_would_open():
    flow = Flow(flow="hold", steps=(Step(id="wait", hold=Hold(by=("@hr",))),))
    async with FlowTest(flow, people=PEOPLE, groups={"@hr": []}) as t:
        run = await t.start(by=ANN)

        assert (run.outcome, run.reason) == ("failed", "wait: nobody can resume this: the groups named have no members")


async def test_a_directory_that_does_not_answer_refuses_the_start_and_writes_nothing():
    async with FlowTest(gate(), people=PEOPLE) as t:
        t.crowd.down()
        with pytest.raises(TryAgain):
            await t.start(by=ANN)

        assert await t.store.read(lambda c, _: c.execute("SELECT count(*) FROM runs").fetchone()) == (0,)


async def test_a_directory_that_does_not_answer_later_delays_the_opening_and_nothing_else():
    flow = gate(Step(id="who", uses="http.request"), approvers=("{{ steps.who.output }}",))
    async with FlowTest(flow, people=PEOPLE, actions={"http.request": BOB}) as t:
        t.crowd.down()
        run = await t.start(by=ANN)
        before = (run.status, run.steps["ask"].state)
        t.crowd.up()
        await t.advance("1m")

        assert before == ("running", "resolving")
        assert run.waiting == ["ask"]


async def test_people_are_looked_up_anew_where_the_last_look_is_old():
    flow = gate(Step(id="pause", delay="1h"), approvers=("@hr",))
    async with FlowTest(flow, people=PEOPLE, groups={"@hr": [BOB]}) as t:
        run = await t.start(by=ANN)
        t.crowd.group("@hr", [CAY])
        await t.advance("1h")

        assert run.waiting == ["ask"]
        assert [mailed.person.email for mailed in t.mails] == [CAY]


# -- one human, many handles ----------------------------------------------------------------------------------


async def test_S12_two_addresses_that_are_one_human_are_recounted_to_one():
    async with FlowTest(gate(approvers=(BOB, CAY, DAN), quorum=2), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.merge(BOB, CAY)
        after_merge = (run.status, run.suspension().approvals, len(run.suspension().suspension.approvers.people))
        with pytest.raises(DecidedByYou):
            await t.approve(run, by=CAY)
        await t.approve(run, by=DAN)

        assert after_merge == ("waiting", 1, 2)
        assert run.outcome == "succeeded"


async def test_S12_of_two_answers_of_one_human_the_later_one_stands():
    async with FlowTest(gate(approvers=(BOB, CAY, DAN), quorum=3), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB, comment="early")
        await t.approve(run, by=CAY, comment="late")
        await t.merge(BOB, CAY)

        assert [decision.comment for decision in run.suspension().decisions] == ["late"]
        assert run.suspension().approvals == 1


async def test_S12_the_requester_under_another_address_never_counts():
    other = "ann.lee@home.example"
    async with FlowTest(gate(approvers=(other, BOB, CAY), quorum=2), people=[*PEOPLE, other]) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=other)
        counted = run.suspension().approvals
        await t.merge(ANN, other)
        recounted = run.suspension().approvals
        with pytest.raises(SelfApproval):
            await t.approve(run, by=other)
        await t.approve(run, by=BOB)
        await t.approve(run, by=CAY)

        assert (counted, recounted) == (1, 0)
        assert [str(who) for who in run.steps["ask"].approvers] == ["Bob", "Cay"]


@pytest.mark.parametrize("order", [(ANN, "ann.lee@home.example"), ("ann.lee@home.example", ANN)])
async def test_S12_it_does_not_matter_which_of_the_two_was_known_first(order):
    other = "ann.lee@home.example"
    async with FlowTest(gate(approvers=(other, BOB)), people=[*PEOPLE, other]) as t:
        run = await t.start(by=ANN)
        await t.merge(*order)
        for handle in order:
            with pytest.raises(SelfApproval):
                await t.approve(run, by=handle)

        assert run.status == "waiting"


async def test_S12_a_merge_never_completes_a_quorum_and_leaves_what_is_closed_alone():
    flow = gate(approvers=(BOB, CAY), quorum=2)
    async with FlowTest(flow, people=PEOPLE) as t:
        done = await t.start(by=ANN)
        await t.approve(done, by=BOB)
        await t.approve(done, by=CAY)
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        before = done.view.run
        await t.merge(BOB, CAY)

        assert (run.status, run.suspension().missing) == ("waiting", 1)
        assert (done.outcome, done.view.run) == ("succeeded", before)
        with pytest.raises(DecidedByYou, match="approved by"):
            await t.approve(done, by=CAY)


async def test_S12_one_human_with_a_slack_id_two_addresses_and_a_group_is_asked_once_and_fills_one_seat():
    bob = Person(0, "Bob", BOB, "T1/U0BOB", "Europe/Berlin")
    flow = gate(approvers=(BOB, "U0BOB", "@hr", CAY), quorum=2)
    async with FlowTest(flow, people=[ANN, bob, CAY], groups={"@hr": [BOB]}) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by="U0BOB")
        with pytest.raises(DecidedByYou):
            await t.approve(run, by=BOB)
        await t.approve(run, by=CAY)

        assert [card.view.run.id for card in t.messenger.cards] == [run.number]
        assert [mailed.person.email for mailed in t.mails] == [CAY]
        assert run.outcome == "succeeded"


async def test_S12_a_merge_counts_also_where_the_approvers_were_looked_up_before_it():
    twice = Flow(
        flow="later",
        steps=(
            Step(id="pause", delay="1m"),
            Step(id="ask", approval=Approval(approvers=(BOB, CAY, DAN), quorum=2)),
        ),
    )
    async with FlowTest(twice, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        t.crowd.down()  # what was looked up at the start is fresh enough, and nobody can be asked again
        await t.merge(BOB, CAY)
        await t.advance("1m")
        await t.approve(run, by=CAY)
        with pytest.raises(DecidedByYou):
            await t.approve(run, by=BOB)

        assert [mailed.person.email for mailed in t.mails] == [BOB, DAN]
        assert run.suspension().missing == 1


# -- who may decide, and when it adds up ----------------------------------------------------------------------

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ID = {handle: number for number, handle in enumerate((ANN, BOB, CAY, DAN, EVE), start=1)}
KNOWN = {number: Person(number, handle[:3].capitalize(), handle) for handle, number in ID.items()}


class Asked:
    """An approval that Ann's run has opened, without an engine around it; decisions are checked as the engine does.

    ``lists`` says what templates came to.
    """

    def __init__(
        self,
        *,
        groups: Mapping[str, Iterable[str]] | None = None,
        gaps: Mapping[str, str] | None = None,
        lists: Mapping[str, tuple[str, ...]] | None = None,
        **approval: Any,
    ) -> None:
        self.wait = Approval(**approval)
        self.groups = {group: [ID[one] for one in members] for group, members in (groups or {}).items()}
        rendered = {handle: (lists or {}).get(handle, (handle,)) for handle in self.wait.handles}
        self.seats = quorum.seats(self.wait, rendered, self.roster(gaps), requester=ID[ANN], people=KNOWN)
        self.suspension = Suspension(
            1,
            "ask",
            Kind.APPROVAL,
            NOW,
            NOW + timedelta(days=1),
            approvers=self.seats.approvers,
            needed=self.seats.needed,
            terms=self.seats.terms,
        )
        self.standing: dict[int, Said] = {}

    def roster(self, gaps: Mapping[str, str] | None = None) -> Roster:
        there = {handle: number for handle, number in ID.items() if handle not in (gaps or {})}
        gone = ID.keys() - there.keys()
        members = {
            group: tuple(one for one in ids if KNOWN[one].email not in gone) for group, ids in self.groups.items()
        }
        return Roster(NOW, there, members, dict(gaps or {}))

    def check(self, handle: str, verdict: Verdict | None = None) -> Memberships | None:
        """Ask as the engine does: without memberships first. Returns those that a decision would keep."""
        asked = None
        try:
            self._check(handle, verdict, None)
        except MembershipsNeeded as needed:
            belongs = {group for group in needed.groups if ID[handle] in self.groups[group]}
            asked = Memberships(frozenset(belongs), NOW)
            self._check(handle, verdict, asked)
        return asked

    def _check(self, handle: str, verdict: Verdict | None, memberships: Memberships | None) -> None:
        quorum.check_may_decide(
            self.wait,
            self.suspension,
            ID[handle],
            requester=ID[ANN],
            memberships=memberships,
            admin=True,
            verdict=verdict,
        )

    def approve(self, *handles: str, option: str | None = None) -> Settled | None:
        return self._decide(handles, Verdict.APPROVE, option)

    def reject(self, *handles: str) -> Settled | None:
        return self._decide(handles, Verdict.REJECT, None)

    def _decide(self, handles: Iterable[str], verdict: Verdict, option: str | None) -> Settled | None:
        for handle in handles:
            kept = self.check(handle, verdict)
            self.standing[ID[handle]] = Said(verdict, option, kept.groups if kept else frozenset())
        return quorum.tally(self.wait, self.suspension, self.standing)

    @property
    def missing(self) -> int:
        return quorum.missing(self.wait, self.suspension, self.standing)

    @property
    def waiting_for(self) -> list[str]:
        found = quorum.waiting_for(self.wait, self.suspension, self.standing)
        return [seat if isinstance(seat, str) else KNOWN[seat].name for seat in found]

    def leave(self, *handles: str) -> None:
        """Raises ``QuorumUnreachable`` where that leaves too few."""
        quorum.still_reachable(
            self.wait,
            self.suspension,
            self.standing,
            self.roster(dict.fromkeys(handles, "has left Slack")),
            requester=ID[ANN],
            people=KNOWN,
        )

    def merge(self, gone: str, kept: str) -> None:
        def one(person: int) -> int:
            return ID[kept] if person == ID[gone] else person

        self.suspension = quorum.merged(self.suspension, self.wait, one, requester=one(ID[ANN]))
        self.standing = {one(person): said for person, said in self.standing.items() if one(person) != one(ID[ANN])}


def approved(*handles: str, option: str | None = None) -> Settled:
    return Settled(Verdict.APPROVE, option, tuple(ID[handle] for handle in handles))


def rejected(*handles: str) -> Settled:
    return Settled(Verdict.REJECT, by=tuple(ID[handle] for handle in handles))


def too_few(**approval: Any) -> str:
    with pytest.raises(QuorumUnreachable) as refusal:
        Asked(**approval)
    return str(refusal.value)


@pytest.mark.parametrize("number", [1, 2, 3, "any", "all"])
def test_W2_a_plain_quorum_counts_people_and_never_touches_the_matching(number, monkeypatch):
    for name in ("met", "fewest", "missing", "open_seats", "shortage"):
        monkeypatch.setattr(seating, name, None)
    ask = Asked(approvers=(BOB, CAY, "@it"), groups={"@it": [CAY, DAN]}, quorum=number)
    needed = {"any": 1, "all": 3}.get(number, number)
    came = []
    for handle in (DAN, BOB, CAY)[:needed]:
        assert ask.missing == needed - len(came)
        came.append(handle)
        settled = ask.approve(handle)
        assert settled == (approved(*came) if len(came) == needed else None)

    assert ask.suspension.terms is None
    assert ask.missing == 0


def test_W3_all_of_several_groups_takes_one_of_each():
    groups = {"@hr": [BOB, CAY], "@it": [CAY, DAN], "@law": [EVE]}
    ask = Asked(quorum={"all": ["@hr", "@it", "@law"]}, groups=groups)

    assert (ask.seats.needed, ask.missing, ask.waiting_for) == (3, 3, ["@hr", "@it", "@law"])
    assert ask.approve(CAY) is None
    assert ask.approve(EVE) is None
    assert (ask.missing, ask.waiting_for) == (1, ["@hr", "@it"])
    assert ask.approve(DAN) == approved(CAY, EVE, DAN)
    assert ask.missing == 0


def test_W3_any_takes_whichever_is_met_first():
    groups = {"@hr": [BOB, CAY], "@it": [CAY, DAN]}
    ask = Asked(quorum={"any": [EVE, {"all": ["@hr", "@it"]}]}, groups=groups)

    assert (ask.seats.needed, ask.waiting_for) == (1, ["Eve"])
    assert ask.approve(BOB) is None
    assert (ask.missing, ask.waiting_for) == (1, ["Eve", "@it"])
    assert ask.approve(CAY) == approved(BOB, CAY)


@pytest.mark.parametrize("order", [(BOB, CAY), (CAY, BOB)])
def test_overlapping_groups_do_not_block_each_other_whoever_decides_first(order):
    """GitLab #425759: whoever could fill both seats was given the wrong one, and the approval hung for ever."""
    ask = Asked(quorum={"all": ["@hr", "@it"]}, groups={"@hr": [BOB, CAY], "@it": [BOB]})

    assert ask.approve(order[0]) is None
    assert ask.approve(order[1]) == approved(*order)


def test_one_person_in_all_the_groups_fills_one_seat():
    groups = {"@hr": [BOB, CAY], "@it": [BOB, CAY]}
    ask = Asked(quorum={"all": ["@hr", "@it"]}, groups=groups)

    assert ask.approve(BOB) is None
    assert ask.approve(BOB) is None
    assert ask.missing == 1
    assert too_few(quorum={"all": ["@hr", "@it", BOB]}, groups=groups).startswith("`quorum` takes 3 distinct approvals")


def test_somebody_who_is_named_may_fill_the_seat_of_a_group_all_the_same():
    ask = Asked(quorum={"all": [{"any": [BOB, CAY]}, "@hr"]}, groups={"@hr": [BOB, DAN]})

    assert ask.approve(CAY, BOB) == approved(CAY, BOB)
    assert ask.standing[ID[BOB]].groups == {"@hr"}


def test_who_is_named_in_a_plain_quorum_is_asked_for_no_groups():
    ask = Asked(approvers=(BOB, "@hr"), groups={"@hr": [BOB, CAY]}, quorum=2)

    assert ask.check(BOB, Verdict.APPROVE) is None
    assert ask.check(CAY, Verdict.APPROVE) == Memberships(frozenset({"@hr"}), NOW)


def test_a_decision_counts_for_the_groups_of_its_moment():
    ask = Asked(quorum={"all": ["@hr", "@it"]}, groups={"@hr": [BOB], "@it": [CAY, DAN]})
    ask.approve(BOB)
    ask.groups = {"@hr": [ID[EVE]], "@it": [ID[BOB], ID[CAY]]}

    assert (ask.missing, ask.waiting_for) == (1, ["@it"])
    with pytest.raises(NotAnApprover):
        ask.approve(DAN)
    # Eve has joined @hr since, where nobody is missing.
    assert ask.approve(EVE) is None
    assert ask.approve(CAY) == approved(BOB, EVE, CAY)


def test_W12_all_is_frozen_when_it_opens():
    ask = Asked(approvers=(BOB, "@it"), groups={"@it": [CAY]}, quorum="all")
    ask.groups["@it"] = [ID[DAN]]

    assert ask.suspension.approvers == Approvers(people=(ID[BOB], ID[CAY]))
    with pytest.raises(NotAnApprover):
        ask.approve(DAN)
    assert ask.approve(BOB, CAY) == approved(BOB, CAY)


def test_it_takes_as_few_people_as_can_meet_it_now():
    rule = {"any": [{"all": ["@gone"]}, {"all": [BOB, CAY, DAN]}, {"at_least": 2, "of": ["@it"]}]}

    assert Asked(quorum=rule, groups={"@gone": [], "@it": [DAN, EVE]}).seats.needed == 2
    assert Asked(quorum=rule, groups={"@gone": [], "@it": [DAN]}).seats.needed == 3
    later = Asked(quorum=rule, groups={"@gone": [], "@it": [DAN]})
    later.groups["@gone"] = [ID[EVE]]
    assert later.approve(EVE) == approved(EVE)


def test_approvers_beside_a_nested_quorum_may_decide_and_fill_no_seat():
    ask = Asked(approvers=(EVE,), quorum={"all": [BOB, CAY]})

    assert ask.seats.asked == (ID[EVE], ID[BOB], ID[CAY])
    assert ask.approve(EVE, BOB) is None
    assert ask.waiting_for == ["Cay"]
    assert ask.approve(CAY) == approved(EVE, BOB, CAY)
    assert Asked(approvers=(EVE,), quorum={"all": [BOB, CAY]}).reject(EVE) == rejected(EVE)


def test_terms_are_kept_of_nested_quorums_and_vetoes_only():
    nested = Asked(
        quorum={"all": [ANN, {"at_least": 2, "of": [BOB, CAY, ANN, "@it"]}]}, self_approval=True, groups={"@it": []}
    )

    assert nested.suspension.terms == Terms(Tree(2, (Tree(1, (1,)), Tree(2, (2, 3, 1, "@it")))))
    assert Asked(approvers=(BOB,)).suspension.terms is None
    assert Asked(approvers=(BOB,), veto=(CAY,)).suspension.terms == Terms(None, (3,))


# -- what cannot be met ---------------------------------------------------------------------------------------


def test_R16_a_nested_quorum_that_cannot_be_met_names_the_seats_the_people_and_the_fix():
    groups = {"@hr": [BOB], "@it": [BOB, CAY, DAN], "@law": []}

    assert too_few(quorum={"all": [CAY, {"at_least": 2, "of": ["@hr", DAN]}, DAN]}, groups=groups) == (
        "`quorum` takes 3 distinct approvals from @hr or Dan, and 2 people can give one: Dan, Bob;"
        " add approvers or lower `quorum`"
    )
    assert too_few(quorum={"all": ["@it", "@law"]}, groups=groups) == (
        "`quorum` takes an approval from @law, and nobody can give one; add approvers or lower `quorum`"
    )
    assert too_few(quorum={"all": ["@it", EVE]}, groups=groups, gaps={EVE: "has left Slack"}) == (
        "`quorum` takes an approval from eve@example.com, and nobody can give one;"
        " add approvers or lower `quorum`; not counted: eve@example.com (has left Slack)"
    )
    assert too_few(quorum={"all": ["@it", "{{ inputs.more }}"]}, groups=groups, lists={"{{ inputs.more }}": ()}) == (
        "`quorum` takes an approval from {{ inputs.more }}, and nobody can give one; add approvers or lower `quorum`"
    )


def test_the_requester_fills_no_seat_unless_the_flow_says_so():
    rule = {"all": [ANN, "@it"]}

    assert too_few(quorum=rule, groups={"@it": [ANN, BOB]}) == (
        "`quorum` takes an approval from Ann, and nobody can give one;"
        " Ann started it and does not count; set `self_approval: true` or add another approver"
    )
    assert Asked(quorum=rule, groups={"@it": [ANN, BOB]}, self_approval=True).approve(ANN, BOB) == approved(ANN, BOB)
    with pytest.raises(SelfApproval):
        Asked(quorum={"any": [ANN, BOB]}).approve(ANN)


def test_the_rest_of_a_pool_is_enough_where_somebody_is_gone():
    ask = Asked(quorum={"at_least": 2, "of": [BOB, CAY, DAN]}, gaps={CAY: "has left Slack"})

    assert ask.suspension.approvers.gaps == ((CAY, "has left Slack"),)
    assert ask.waiting_for == ["Bob", "Dan"]
    assert ask.approve(BOB, DAN) == approved(BOB, DAN)


def test_nobody_who_has_left_can_be_waited_for_in_all():
    ask = Asked(approvers=(BOB, CAY, "@it"), groups={"@it": [BOB, DAN]}, quorum="all")
    ask.approve(BOB)

    ask.leave(BOB)  # his approval stands
    with pytest.raises(QuorumUnreachable) as refusal:
        ask.leave(CAY)
    assert str(refusal.value) == (
        "this takes 3 distinct approvals, and 2 people can give one: Bob, Dan; add approvers or lower `quorum`;"
        " not counted: Cay (has left Slack)"
    )


def test_when_people_leave_it_is_said_as_soon_as_the_rest_cannot_meet_it():
    groups = {"@hr": [BOB, CAY], "@it": [CAY, DAN]}
    plain = Asked(approvers=(BOB, "@it"), groups=groups, quorum=2)
    nested = Asked(quorum={"all": ["@hr", "@it"]}, groups=groups)
    nested.approve(CAY)

    plain.leave(CAY)
    nested.leave(BOB)
    nested.leave(BOB, CAY)  # she has approved, for either
    with pytest.raises(QuorumUnreachable, match="this takes 2 distinct approvals, and 1 person can give one: Dan"):
        plain.leave(BOB, CAY)
    with pytest.raises(
        QuorumUnreachable, match="`quorum` takes 2 distinct approvals from @hr or @it, and 1 person can"
    ):
        nested.leave(BOB, DAN)


def test_people_of_whom_the_directory_says_nothing_are_taken_to_be_there():
    ask = Asked(approvers=(BOB, "@it"), groups={"@it": [CAY]}, quorum=2)

    def still(**roster: Any) -> None:
        known = Roster(NOW, **roster)
        quorum.still_reachable(ask.wait, ask.suspension, {}, known, requester=ID[ANN], people=KNOWN)

    assert quorum.look_up(ask.suspension, KNOWN) == (BOB, "@it")
    still()
    still(groups={"@it": (ID[CAY],)})
    with pytest.raises(QuorumUnreachable):
        still(groups={"@it": ()})
    with pytest.raises(QuorumUnreachable):
        still(gaps={"@it": "Slack knows no such user group"})


def test_people_are_looked_up_by_the_id_that_they_keep():
    bob = replace(KNOWN[ID[BOB]], slack="T1/U0BOB")
    ask = Asked(approvers=(BOB,))
    people = {**KNOWN, bob.id: bob}

    assert quorum.look_up(ask.suspension, people) == ("T1/U0BOB",)
    for handle in ("T1/U0BOB", "U0BOB", BOB):
        with pytest.raises(QuorumUnreachable):
            quorum.still_reachable(
                ask.wait, ask.suspension, {}, Roster(NOW, gaps={handle: "gone"}), requester=1, people=people
            )


def test_a_hold_is_given_up_when_nobody_is_left_who_could_resume_it():
    def still(hold: Hold, **roster: Any) -> None:
        who = Approvers(people=(ID[BOB],))
        suspension = Suspension(1, "wait", Kind.HOLD, NOW, None, approvers=who, needed=1)
        quorum.still_reachable(hold, suspension, {}, Roster(NOW, **roster), requester=ID[ANN], people=KNOWN)

    still(Hold(by=(BOB,)))
    still(Hold(), gaps={BOB: "has left Slack"})  # an admin can
    with pytest.raises(QuorumUnreachable, match=r"nobody can resume this: Bob \(has left Slack\)"):
        still(Hold(by=(BOB,)), gaps={BOB: "has left Slack"})


# -- rejections -----------------------------------------------------------------------------------------------


def test_one_rejection_ends_it_where_nothing_else_is_said():
    ask = Asked(approvers=(BOB, CAY, DAN), quorum=2)

    assert ask.approve(BOB) is None
    assert ask.reject(CAY) == rejected(CAY)


def test_reject_after_counts_people_who_reject_now():
    ask = Asked(approvers=(BOB, CAY, DAN, EVE), quorum=3, reject_after=2)

    assert ask.reject(BOB) is None
    assert ask.reject(BOB) is None
    assert ask.waiting_for == ["Cay", "Dan", "Eve"]
    assert ask.approve(BOB) is None
    assert ask.reject(CAY) is None
    assert ask.reject(DAN) == rejected(CAY, DAN)


def test_a_veto_ends_it_at_once():
    def ask() -> Asked:
        return Asked(approvers=(BOB, CAY, DAN), reject_after=3, veto=("@law", CAY), groups={"@law": [DAN, EVE]})

    for vetoing in (CAY, DAN, EVE):
        assert ask().reject(BOB, vetoing) == rejected(vetoing)


def test_who_may_only_veto_is_asked_and_may_not_approve():
    ask = Asked(approvers=(BOB, CAY), quorum=2, veto=("@law", DAN), groups={"@law": [EVE]})

    assert ask.seats.asked == tuple(map(ID.get, (BOB, CAY, DAN, EVE)))
    assert ask.suspension.approvers == Approvers(people=(2, 3))
    assert quorum.groups_asked(ask.suspension) == ("@law",)
    for handle in (DAN, EVE):
        ask.check(handle)
        ask.check(handle, Verdict.WITHDRAW)
        ask.check(handle, Verdict.REJECT)
    with pytest.raises(NotAnApprover, match=r"^You may reject this, but your approval is not asked for\.$"):
        ask.approve(DAN)
    with pytest.raises(NotAnApprover):
        ask.approve(EVE)


def test_an_approver_who_may_be_of_a_vetoing_group_is_asked_for_it_when_they_reject():
    ask = Asked(approvers=(BOB, CAY), veto=("@law",), reject_after=2, groups={"@law": [BOB]})

    assert ask.check(BOB, Verdict.APPROVE) is None
    assert ask.check(BOB, Verdict.REJECT) == Memberships(frozenset({"@law"}), NOW)
    assert ask.reject(CAY) is None
    assert ask.reject(BOB) == rejected(BOB)


def test_a_rejection_that_takes_more_people_than_there_are_is_refused():
    assert too_few(approvers=(ANN, BOB, CAY), reject_after=3, gaps={DAN: "has left Slack"}, veto=(DAN,)) == (
        "this takes 3 distinct rejections, and 2 people can give one: Bob, Cay; add approvers, lower `reject_after`, or"
        " name somebody who may `veto`; not counted: dan@example.com (has left Slack)"
    )
    assert too_few(approvers=(BOB,), reject_after=2, veto=(ANN,)).startswith("this takes 2 distinct rejections")
    assert Asked(approvers=(BOB,), reject_after=2, veto=(CAY,)).reject(CAY) == rejected(CAY)


# -- options --------------------------------------------------------------------------------------------------


def test_options_are_counted_each_by_itself():
    ask = Asked(approvers=(BOB, CAY, DAN, EVE), quorum=2, options=("red", "blue"))

    assert ask.approve(BOB, option="red") is None
    assert ask.approve(CAY, option="blue") is None
    assert (ask.missing, ask.waiting_for) == (1, ["Dan", "Eve"])
    assert quorum.approvals(ask.standing) == 2
    assert ask.approve(DAN, option="blue") == approved(CAY, DAN, option="blue")

    split = Asked(approvers=(BOB, CAY, DAN), quorum=3, options=("red", "blue"))
    assert split.approve(BOB, option="red") is None
    assert split.approve(CAY, DAN, option="blue") is None


def test_an_approval_without_an_option_counts_for_none():
    ask = Asked(approvers=(BOB, CAY), quorum=2, options=("red", "blue"))

    assert ask.approve(BOB, CAY) is None
    assert ask.approve(BOB, CAY, option="red") == approved(BOB, CAY, option="red")


def test_options_of_a_nested_quorum_are_matched_each_by_itself():
    groups = {"@hr": [BOB, CAY], "@it": [CAY, DAN]}
    ask = Asked(quorum={"all": ["@hr", "@it"]}, groups=groups, options=("red", "blue"))

    ask.approve(BOB, option="red")
    assert (ask.missing, ask.waiting_for) == (1, ["@it"])
    assert ask.approve(DAN, option="blue") is None
    assert (ask.missing, ask.waiting_for) == (1, ["@it", "@hr"])
    assert ask.approve(CAY, option="blue") == approved(DAN, CAY, option="blue")


# -- one human, counted without an engine ---------------------------------------------------------------------


def test_S12_all_is_all_the_people_who_are_left_by_a_merge():
    ask = Asked(approvers=(BOB, CAY, DAN), quorum="all")
    ask.approve(BOB, DAN)
    ask.merge(CAY, BOB)

    assert (ask.suspension.needed, ask.missing) == (2, 0)
    assert quorum.tally(ask.wait, ask.suspension, ask.standing) == approved(BOB, DAN)


def test_S12_all_does_not_wait_for_a_requester_under_another_address():
    ask = Asked(approvers=(BOB, CAY), quorum="all")
    ask.approve(BOB)
    ask.merge(CAY, ANN)
    alone = Asked(approvers=(BOB,), quorum="all")
    alone.merge(BOB, ANN)

    assert quorum.tally(ask.wait, ask.suspension, ask.standing) == approved(BOB)
    # Nobody is left, and nobody is not everybody.
    assert (alone.suspension.needed, alone.missing) == (1, 1)
    assert quorum.tally(alone.wait, alone.suspension, alone.standing) is None


def test_S12_a_merge_of_others_and_one_under_a_number_change_nothing_of_what_it_takes():
    for number in ("all", 2, {"all": [BOB, CAY]}):
        ask = Asked(approvers=(BOB, CAY), quorum=number)
        before = ask.suspension
        ask.merge(EVE, DAN)
        assert ask.suspension == before
    number = Asked(approvers=(BOB, CAY), quorum=2)
    number.merge(CAY, BOB)
    assert (number.suspension.needed, number.missing) == (2, 2)


def test_S12_a_merge_makes_two_named_seats_of_a_nested_quorum_one_humans_who_fills_one():
    ask = Asked(quorum={"any": [{"all": [BOB, CAY]}, {"all": [BOB, DAN, EVE]}]})
    ask.approve(BOB)
    ask.merge(CAY, BOB)

    assert (ask.suspension.needed, ask.missing, ask.waiting_for) == (3, 2, ["Dan", "Eve"])
    with pytest.raises(QuorumUnreachable, match="`quorum` takes an approval from Eve, and nobody can give one"):
        ask.leave(EVE)


def test_S12_a_merge_may_show_that_who_was_waited_for_has_approved():
    ask = Asked(quorum={"any": [{"all": [CAY, DAN]}, {"all": [BOB, EVE]}]})
    assert ask.approve(BOB, DAN) is None
    ask.merge(CAY, BOB)

    assert quorum.tally(ask.wait, ask.suspension, ask.standing) == approved(BOB, DAN)


def test_S12_the_requester_is_waited_for_under_no_name():
    ask = Asked(quorum={"at_least": 2, "of": [BOB, CAY, DAN]}, veto=(BOB,))
    ask.merge(BOB, ANN)

    assert ask.suspension.terms == Terms(Tree(2, (3, 4)), (1,))
    assert ask.waiting_for == ["Cay", "Dan"]


# -- what else people may do ----------------------------------------------------------------------------------


def test_a_run_is_cancelled_and_paused_by_its_requester_its_flows_owner_and_admins():
    for check in (quorum.check_may_cancel, quorum.check_may_pause):
        check(1, requester=1, admin=False)
        check(2, requester=1, admin=True)
        check(2, requester=1, admin=False, owner=True)
        with pytest.raises(
            NotAllowed, match="Only the person who started this run, the owner of its flow, or an admin"
        ):
            check(2, requester=1, admin=False)


def test_a_wait_is_dropped_by_its_flows_owner_and_admins():
    quorum.check_may_drop(admin=True, owner=False)
    quorum.check_may_drop(admin=False, owner=True)
    with pytest.raises(NotAllowed, match=r"^Only the owner of this flow, or an admin, can drop a wait\.$"):
        quorum.check_may_drop(admin=False, owner=False)


# -- the same, through the engine -----------------------------------------------------------------------------


async def test_W3_a_nested_quorum_waits_for_one_of_each_group_whoever_comes_first():
    rule = {"all": ["@hr", "@it"]}
    async with FlowTest(gate(approvers=(), quorum=rule), people=PEOPLE, groups={"@hr": [BOB, CAY], "@it": [BOB]}) as t:
        for first, second in ((BOB, CAY), (CAY, BOB)):
            run = await t.start(by=ANN)
            await t.approve(run, by=first)
            waited = (run.status, run.suspension().missing)
            with pytest.raises(NotAnApprover):
                await t.approve(run, by=DAN)
            await t.approve(run, by=second)

            assert waited == ("waiting", 1)
            assert run.outcome == "succeeded"


async def test_a_nested_quorum_that_cannot_be_met_is_refused_at_the_start():
    rule = {"all": ["@hr", "@it"]}
    async with FlowTest(gate(approvers=(), quorum=rule), people=PEOPLE, groups={"@hr": [BOB], "@it": [BOB]}) as t:
        with pytest.raises(QuorumUnreachable, match=r"^step ask: `quorum` takes 2 distinct approvals from @hr or @it"):
            await t.start(by=ANN)


async def test_a_veto_and_a_second_rejection_end_a_run_as_rejected():
    flow = gate(approvers=(BOB, CAY, DAN), quorum=3, reject_after=2, veto=("@law",))
    async with FlowTest(flow, people=[*PEOPLE, EVE], groups={"@law": [EVE]}) as t:
        two, one = await t.start(by=ANN), await t.start(by=ANN)
        await t.reject(two, by=BOB)
        waited = two.status
        await t.reject(two, by=CAY)
        with pytest.raises(NotAnApprover):
            await t.approve(one, by=EVE)
        await t.reject(one, by=EVE)

        assert waited == "waiting"
        assert (two.outcome, one.outcome) == ("rejected", "rejected")
        assert [len(run.suspension().suspension.closing.by) for run in (two, one)] == [2, 1]


async def test_S12_a_merge_under_all_leaves_nobody_to_wait_for():
    async with FlowTest(gate(approvers=(BOB, CAY, DAN), quorum="all"), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.merge(BOB, CAY)
        merged = (run.status, run.suspension().missing)
        await t.approve(run, by=DAN)

        assert merged == ("waiting", 1)
        assert run.outcome == "succeeded"
