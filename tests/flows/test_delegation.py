"""Handing one's approvals over: who may answer for whom, and what is recorded of it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from flows.definition import Approval, Flow, Hold, Step
from flows.errors import (
    DecidedByYou,
    InvalidForm,
    NotAllowed,
    NotAnApprover,
    SelfApproval,
    UnknownFlow,
    UnknownRun,
    UnknownSuspension,
)
from flows.testing import FlowTest

ANN, BOB, CAY, DAN, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "eve"))
PEOPLE = [ANN, BOB, CAY, DAN, EVE]


def flow(name: str = "ask", **wait) -> Flow:
    wait.setdefault("approvers", (BOB, CAY))
    tell = Step(
        id="tell",
        uses="log",
        with_={"who": "{{ approvers | join(', ') }}", "for": "{{ approvers | map(attribute='on_behalf_of') | list }}"},
    )
    return Flow(flow=name, steps=(Step(id="gate", approval=Approval(**wait)), tell))


def kit(*flows: Flow, **more) -> FlowTest:
    return FlowTest(*(flows or (flow(),)), people=PEOPLE, groups={"@leads": [CAY]}, **more)


async def test_who_stands_in_is_asked_decides_in_their_own_name_and_both_are_recorded():
    async with kit(flow(approvers=(BOB,))) as t:
        await t.delegate(BOB, DAN, until="7d")
        run = await t.start(by=ANN)
        mails = [mail.person.email for mail in t.mails]
        waiting = await t.engine.waiting_for((await t.crowd.meet(t.store, DAN)).id)
        await t.approve(run, by=DAN)

        assert mails == [BOB, DAN]
        assert [view.run.id for view in waiting] == [run.number]
        assert run.outcome == "succeeded"
        (told,) = [call.params for call in run.calls("log")]
        assert (told["who"], [one["email"] for one in told["for"]]) == ("Dan (for Bob)", [BOB])
        entries = [json.loads(entry.payload) for entry in await t.ledger(run)]
        (counted,) = [fact for entry in entries for fact in entry["facts"] if fact["is"] == "DecisionCounted"]
        bob, dan = [(await t.crowd.meet(t.store, one)).id for one in (BOB, DAN)]
        assert (counted["person"], counted["by"]) == (bob, dan)


async def test_a_member_of_a_group_is_stood_in_for_too():
    async with kit(flow(approvers=("@leads",))) as t:
        await t.delegate(CAY, DAN, until="7d")
        run = await t.start(by=ANN)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=EVE)
        await t.approve(run, by=DAN)

        assert run.outcome == "succeeded"


async def test_one_human_fills_one_seat_whomever_they_stand_in_for():
    async with kit(flow(quorum=2)) as t:
        await t.delegate(BOB, DAN, until="7d")
        await t.delegate(CAY, DAN, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        with pytest.raises(DecidedByYou):
            await t.approve(run, by=DAN)
        waiting = run.status
        await t.approve(run, by=CAY)

        assert (waiting, run.outcome) == ("waiting", "succeeded")


async def test_who_has_answered_themselves_does_not_answer_for_others_nor_the_other_way_round():
    async with kit(flow(quorum=3, approvers=(BOB, CAY, EVE))) as t:
        await t.delegate(BOB, CAY, until="7d")
        await t.delegate(EVE, DAN, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=CAY)
        with pytest.raises(DecidedByYou):
            await t.approve(run, by=CAY)
        await t.approve(run, by=EVE)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)

        assert run.suspension("gate").approvals == 2


async def test_who_comes_back_answers_themselves_and_that_replaces_what_was_said_for_them():
    async with kit(flow(quorum=2)) as t:
        await t.delegate(BOB, DAN, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        await t.reject(run, by=BOB, comment="no")

        assert (run.outcome, run.reason) == ("rejected", "no")


async def test_W11_nobody_stands_in_for_their_own_request():
    async with kit(flow(approvers=(BOB,))) as t:
        await t.delegate(BOB, ANN, until="7d")
        run = await t.start(by=ANN)
        with pytest.raises(SelfApproval):
            await t.approve(run, by=ANN)

        assert [mail.person.email for mail in t.mails] == [BOB]


async def test_W11_nobody_decides_for_the_one_who_asked():
    async with kit(flow(approvers=(ANN, BOB))) as t:
        await t.delegate(ANN, DAN, until="7d")
        run = await t.start(by=ANN)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)


async def test_it_holds_for_its_time_and_its_flows_only():
    async with kit(flow(approvers=(BOB,)), flow("other", approvers=(BOB,))) as t:
        await t.delegate(BOB, DAN, after="1h", until="1h", flows=["ask"])
        ask, other = await t.start("ask", by=ANN), await t.start("other", by=ANN)
        for wait in ("59m59s", "2h"):
            before = t.clock.now()
            await t.advance(wait)
            with pytest.raises(NotAnApprover):
                await t.approve(ask, by=DAN)
            t.clock.set(before + timedelta(hours=1))
            with pytest.raises(NotAnApprover):
                await t.approve(other, by=DAN)
        t.clock.set(t.clock.now() - timedelta(minutes=30))
        await t.approve(ask, by=DAN)

        assert ask.outcome == "succeeded"


async def test_it_can_be_handed_on_and_ended_and_never_goes_round():
    async with kit(flow(approvers=(BOB,)), admins=[EVE]) as t:
        first = await t.delegate(BOB, CAY, until="7d")
        await t.delegate(CAY, DAN, until="7d", by=EVE)
        with pytest.raises(NotAllowed, match="round in a circle: Dan to Bob to Cay to Dan"):
            await t.delegate(DAN, BOB, until="1d")
        with pytest.raises(NotAllowed, match="stand in for themselves"):
            await t.delegate(DAN, DAN, until="1d")
        with pytest.raises(NotAllowed, match="Only an admin"):
            await t.delegate(DAN, EVE, until="1d", by=ANN)
        with pytest.raises(UnknownFlow):
            await t.delegate(DAN, EVE, until="1d", flows=["nope"])
        with pytest.raises(InvalidForm, match="more than a year"):
            await t.delegate(DAN, EVE, until="400d")
        run = await t.start(by=ANN)
        ann, cay = [(await t.crowd.meet(t.store, one)).id for one in (ANN, CAY)]
        with pytest.raises(NotAllowed):
            await t.engine.end_delegation(first.id, ann)
        await t.engine.end_delegation(first.id, cay)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)
        await t.delegate(BOB, CAY, until="7d")
        await t.approve(run, by=DAN)

        assert run.outcome == "succeeded"


async def test_a_flow_may_refuse_it_and_a_hold_may_be_resumed_by_it():
    refuses = flow(approvers=(BOB,), delegation="refuse")
    hold = Flow(flow="hold", steps=(Step(id="wait", hold=Hold(by=(BOB,))),))
    async with kit(refuses, hold) as t:
        await t.delegate(BOB, DAN, until="7d")
        run, held = await t.start("ask", by=ANN), await t.start("hold", by=ANN)
        dan = (await t.crowd.meet(t.store, DAN)).id
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)
        with pytest.raises(UnknownSuspension):
            await t.engine.suspension(run.number, 1, dan)
        with pytest.raises(UnknownRun):
            await t.engine.run(run.number, dan)
        seen = await t.engine.suspension(held.number, 1, dan)
        await t.resume(held, by=DAN)

        assert seen.open

        assert (run.status, held.outcome) == ("waiting", "succeeded")


async def test_S12_who_turns_out_to_be_the_one_they_stood_in_for_counts_once():
    async with kit(flow(quorum=2)) as t:
        await t.delegate(BOB, DAN, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        await t.merge(BOB, DAN)
        one = run.suspension("gate").approvals
        with pytest.raises(DecidedByYou):
            await t.approve(run, by=DAN)
        await t.approve(run, by=CAY)

        assert (one, run.outcome) == (1, "succeeded")


async def test_S12_who_turns_out_to_have_answered_twice_counts_once():
    async with kit(flow(quorum=3, approvers=(BOB, CAY, EVE))) as t:
        await t.delegate(BOB, DAN, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        await t.approve(run, by=CAY)
        await t.merge(CAY, DAN)

        assert run.suspension("gate").approvals == 1
        assert [one.person for one in run.suspension("gate").decisions] == [(await t.crowd.meet(t.store, CAY)).id]
