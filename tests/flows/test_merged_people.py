"""Two handles that turn out to be one human: asked once, counted once, and still who they were."""

from __future__ import annotations

import pytest

from flows.definition import Approval, Flow, Step
from flows.errors import DecidedByYou, SelfApproval
from flows.run import Door, Verdict
from flows.testing import FlowTest

ANN, BOB, CAY, DAN, ANN_TOO = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "ann.too"))
PEOPLE = [ANN, BOB, CAY, DAN, ANN_TOO]


def gate(**approval) -> Flow:
    approval.setdefault("approvers", (BOB, CAY, DAN))
    return Flow(flow="gate", steps=(Step(id="ask", approval=Approval(**approval)), Step(id="go", uses="log")))


async def test_who_took_over_is_asked_by_a_roster_that_was_read_before_the_merge():
    flow = Flow(flow="later", steps=(Step(id="wait", delay="1m"), Step(id="ask", approval=Approval(approvers=(BOB,)))))
    async with FlowTest(flow, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        kept = await t.merge(CAY, BOB)
        await t.advance("1m")

        assert run.waiting == ["ask"]
        assert [mail.person.id for mail in t.mails] == [kept.id]


async def test_two_mails_that_have_not_left_become_one():
    async with FlowTest(gate(), people=PEOPLE) as t:
        t.messenger.fail("mail", times=3)
        run = await t.start(by=ANN)
        kept = await t.merge(CAY, BOB)
        await t.advance("1m")

        keys = [mail.key for mail in t.mails]
        assert len(set(keys)) == len(keys) == 2
        assert [mail.person.id for mail in t.mails].count(kept.id) == 1
        assert run.status == "waiting"


async def test_a_click_of_somebody_who_was_looked_up_just_before_the_merge_counts_for_who_they_are():
    async with FlowTest(gate(quorum=2), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        bob = await t.crowd.meet(t.store, BOB)
        await t.approve(run, by=CAY)
        await t.merge(CAY, BOB)
        with pytest.raises(DecidedByYou):
            await t.engine.decide(run.number, 1, bob.id, Verdict.APPROVE, door=Door.SLACK)
        await t.settle()

        assert run.status == "waiting"
        assert len(run.suspension().decisions) == 1


async def test_the_requester_does_not_count_under_an_older_name():
    team = {"@team": [BOB, ANN_TOO]}
    async with FlowTest(gate(approvers=("@team",)), people=PEOPLE, groups=team) as t:
        run = await t.start(by=ANN)
        too = await t.crowd.meet(t.store, ANN_TOO)
        await t.merge(ANN, ANN_TOO)
        with pytest.raises(SelfApproval):
            await t.engine.decide(run.number, 1, too.id, Verdict.APPROVE, door=Door.SLACK)

        assert run.status == "waiting"


async def test_whoever_started_or_decided_a_run_that_has_ended_may_still_read_it():
    async with FlowTest(gate(), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        requester, approver = await t.merge(ANN_TOO, ANN), await t.merge(DAN, BOB)

        for reader in (requester, approver):
            view = await t.engine.run(run.number, reader.id)
            assert view.status == "succeeded"
