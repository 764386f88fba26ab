"""What a hostile reader of part 3 looked for: somebody let in who must not be, something lost or done twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.definition import Approval, Flow, Step
from flows.effects import Note
from flows.errors import NotAllowed, NotAnApprover, NotVerified, QuorumUnreachable, SelfApproval
from flows.events import TimerFired
from flows.run import Door, Timer, Verdict
from flows.testing import FlowTest

ANN, BOB, CAY, DAN, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "eve"))
PEOPLE = [ANN, BOB, CAY, DAN, EVE]


def flow(name: str = "ask", **wait) -> Flow:
    wait.setdefault("approvers", (BOB, CAY))
    return Flow(flow=name, steps=(Step(id="gate", approval=Approval(**wait)),))


def kit(*flows: Flow, **more) -> FlowTest:
    return FlowTest(*(flows or (flow(),)), people=PEOPLE, groups={"@leads": [CAY, DAN]}, **more)


async def who(t: FlowTest, handle: str) -> int:
    return (await t.crowd.meet(t.store, handle)).id


# -- standing in ----------------------------------------------------------------------------------------------


async def test_W11_the_requester_does_not_choose_who_answers_for_an_approver_by_handing_on():
    async with kit(flow(approvers=(BOB,))) as t:
        await t.delegate(BOB, ANN, until="7d")
        await t.delegate(ANN, DAN, until="7d")
        run = await t.start(by=ANN)
        view = run.suspension("gate")
        waiting = await t.engine.waiting_for(await who(t, DAN))
        inbox = await t.engine.inbox(await who(t, DAN))
        with pytest.raises(NotAnApprover):
            await t.engine.check_may_decide(view, await who(t, DAN))
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)

        assert (waiting, list(inbox.items)) == ([], [])
        assert [mail.person.email for mail in t.mails] == [BOB]


async def test_W11_an_admin_who_asks_hands_nobodys_approvals_to_somebody_of_their_choice():
    async with kit(flow(approvers=(BOB,)), admins=[ANN]) as t:
        ann, bob, dan = [await who(t, one) for one in (ANN, BOB, DAN)]
        now = t.clock.now()
        await t.engine.delegate(bob, dan, now, now + timedelta(days=7), by=ann)
        run = await t.start(by=ANN)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)
        theirs = await t.start(by=EVE)
        await t.approve(theirs, by=DAN)

        assert theirs.outcome == "succeeded"


async def test_W11_an_admin_who_asks_reassigns_nobodys_seat():
    async with kit(flow(approvers=(BOB,)), admins=[ANN]) as t:
        ann, bob, dan = [await who(t, one) for one in (ANN, BOB, DAN)]
        run = await t.start(by=ANN)
        with pytest.raises(SelfApproval):
            await t.engine.reassign(run.number, 1, bob, dan, ann, door=Door.API)


async def test_W11_who_turns_out_to_be_the_requester_has_answered_for_nobody():
    async with kit(flow(quorum=2)) as t:
        await t.delegate(BOB, DAN, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        await t.merge(ANN, DAN)
        counted = run.suspension("gate").approvals
        await t.approve(run, by=CAY)

        assert (counted, run.status) == (0, "waiting")


async def test_S12_who_turns_out_to_have_stood_in_for_two_counts_once():
    fay = "fay@example.com"
    async with FlowTest(flow(quorum=3, approvers=(BOB, CAY, fay)), people=[*PEOPLE, fay]) as t:
        await t.delegate(BOB, DAN, until="7d")
        await t.delegate(CAY, EVE, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        await t.approve(run, by=EVE)
        await t.merge(DAN, EVE)
        one = run.suspension("gate").approvals
        await t.approve(run, by=fay)

        assert (one, run.status) == (1, "waiting")


async def test_who_stood_in_changes_nothing_once_that_is_over():
    async with kit(flow(quorum=2)) as t:
        first = await t.delegate(BOB, DAN, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        await t.engine.end_delegation(first.id, await who(t, BOB))
        with pytest.raises(NotAnApprover):
            await t.reject(run, by=DAN, comment="no")

        assert (run.status, run.suspension("gate").approvals) == ("waiting", 1)


async def test_a_member_of_a_group_makes_no_more_seats_by_letting_others_be_asked():
    async with kit(flow(approvers=("@leads",), quorum=2)) as t:
        run = await t.start(by=ANN)
        cay, eve = await who(t, CAY), await who(t, EVE)
        with pytest.raises(NotAllowed, match="as a member of a group"):
            await t.engine.reassign(run.number, 1, cay, eve, cay, door=Door.SLACK)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=EVE)


# -- links ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verify", ["code", "slack"])
async def test_S4_a_link_alone_takes_no_answer_back_where_the_flow_asks_for_more(verify):
    async with kit(flow(quorum=2, verify=verify)) as t:
        run = await t.start(by=ANN)
        bob = await who(t, BOB)
        await t.engine.decide(run.number, 1, bob, Verdict.APPROVE, door=Door.SLACK)
        with pytest.raises(NotVerified):
            await t.engine.decide(run.number, 1, bob, Verdict.WITHDRAW, door=Door.PAGE)
        await t.settle()

        assert run.suspension("gate").approvals == 1


# -- lost, or said to the wrong one -----------------------------------------------------------------------------


def noted(t: FlowTest, note: Note) -> list[str]:
    return [one.person.email for one in t.notes if one.note is note and one.person is not None]


async def test_an_escalation_that_leaves_too_few_is_refused_at_once():
    replaces = {"after": "1h", "to": [DAN], "mode": "replace"}
    async with kit(flow(quorum=2, escalate=[replaces])) as t:
        with pytest.raises(QuorumUnreachable):
            await t.start(by=ANN)


async def test_who_was_relieved_hears_no_more_of_what_they_had_put_off():
    async with kit(flow(approvers=(BOB, CAY), quorum=2, timeout="7d"), admins=[EVE]) as t:
        run = await t.start(by=ANN)
        await t.snooze(run, by=BOB, until="2h")
        bob, dan, eve = [await who(t, one) for one in (BOB, DAN, EVE)]
        await t.engine.reassign(run.number, 1, bob, dan, eve, door=Door.API)
        await t.settle()
        await t.advance("3h")

        assert noted(t, Note.WOKEN) == []


async def test_a_seat_that_goes_to_and_fro_is_told_each_time():
    async with kit(flow(approvers=(BOB,))) as t:
        run = await t.start(by=ANN)
        bob, dan = await who(t, BOB), await who(t, DAN)
        for person, to in ((bob, dan), (dan, bob), (bob, dan)):
            await t.engine.reassign(run.number, 1, person, to, person, door=Door.SLACK)
            await t.settle()

        assert [mail.person.email for mail in t.messenger.mails] == [BOB, DAN, BOB, DAN]


async def test_R14_a_clock_that_steps_back_loses_no_answer_that_settles_while_a_question_is_open():
    async with kit(flow(quorum=1, settle="1m", questions="stop_clock", timeout="2d")) as t:
        run = await t.start(by=ANN)
        await t.ask(run, "Why?", by=BOB)
        await t.approve(run, by=CAY)
        await t.store.transact(run.number, TimerFired("gate", 1, timer=Timer.SETTLE))
        await t.settle()
        await t.advance("2m")

        assert run.outcome == "succeeded"


@pytest.mark.parametrize("restarts", [False, True])
async def test_R5_what_settles_in_a_paused_run_takes_effect_and_goes_on_when_it_may(restarts):
    async with kit(Flow(flow="ask", steps=(*flow(settle="1m", approvers=(BOB,)).steps, Step(id="log", uses="log")))) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.pause(run, by=ANN)
        if restarts:
            await t.restart(down="5m")
        await t.advance("2m")
        before = len(run.calls("log")), run.status
        await t.unpause(run, by=ANN)

        assert (before, len(run.calls("log")), run.outcome) == ((0, "paused"), 1, "succeeded")


@pytest.mark.parametrize("restarts", [False, True])
async def test_R7_cancelled_or_superseded_while_it_settles_is_over(restarts):
    by_key = flow(settle="1m", approvers=(BOB,)).model_copy(update={"supersede": "same"})
    async with kit(by_key) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        newer = await t.start(by=ANN)
        if restarts:
            await t.restart(down="5m")
        await t.advance("2m")
        await t.approve(newer, by=BOB)
        await t.cancel(newer, by=ANN)
        await t.advance("2m")

        assert (run.outcome, newer.outcome) == ("cancelled", "cancelled")
