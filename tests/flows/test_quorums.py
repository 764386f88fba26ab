"""Quorums that cannot be met, gaps among the approvers, and handles that turn out to be one human."""

from __future__ import annotations

import pytest

from flows.definition import Approval, Flow, Hold, Step
from flows.errors import DecidedByYou, NotAnApprover, QuorumUnreachable, SelfApproval, TryAgain
from flows.people import Person
from flows.testing import FlowTest

ANN, BOB, CAY, DAN = "ann@example.com", "bob@example.com", "cay@example.com", "dan@example.com"
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
        with pytest.raises(QuorumUnreachable, match="0 people can give one: nobody"):
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
