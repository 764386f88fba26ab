"""What a hostile reader of part 3 looked for: somebody let in who must not be, something lost or done twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.definition import Approval, Flow, Step
from flows.errors import NotAllowed, NotAnApprover, NotVerified, SelfApproval
from flows.run import Door, Verdict
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
