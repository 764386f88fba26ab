"""Approvals on the real engine: who may decide, when it adds up, and what the steps after it can read."""

from __future__ import annotations

import pytest

from flows.definition import Approval, Flow, Step
from flows.errors import (
    ChangedSinceShown,
    Closed,
    DecidedByYou,
    InvalidForm,
    NotAnApprover,
    NotWaiting,
    SelfApproval,
    TryAgain,
)
from flows.run import Door, Verdict
from flows.testing import FlowTest

ANN, BOB, CAY, DAN = "ann@example.com", "bob@example.com", "cay@example.com", "dan@example.com"
EVERYBODY = [ANN, BOB, CAY, DAN]


def gate(*after: Step, **approval) -> Flow:
    approval.setdefault("approvers", (BOB, CAY, DAN))
    return Flow(flow="gate", steps=(Step(id="ask", approval=Approval(**approval)), *after))


HELLO = Step(id="hello", uses="log", with_={"message": "{{ approvers | join(', ') }}"})


async def test_W2_a_quorum_of_two_waits_for_the_second_person_and_tells_the_third_that_it_is_decided():
    async with FlowTest(gate(HELLO, quorum=2), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        after_one = (run.status, run.suspension().approvals, run.suspension().missing, run.calls())
        await t.approve(run, by=CAY)
        with pytest.raises(Closed) as refusal:
            await t.approve(run, by=DAN)

        assert after_one == ("waiting", 1, 1, [])
        assert run.outcome == "succeeded"
        assert "decided already: approved by Bob, Cay" in str(refusal.value)
        assert [call.params for call in run.calls()] == [{"message": "Bob, Cay"}]


@pytest.mark.parametrize(("quorum", "last_needed"), [("all", DAN), ("any", BOB)])
async def test_W3_all_waits_for_the_last_and_any_for_the_first(quorum, last_needed):
    async with FlowTest(gate(quorum=quorum), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        for person in (BOB, CAY, DAN):
            assert run.status == "waiting"
            await t.approve(run, by=person)
            if person == last_needed:
                break

        assert run.outcome == "succeeded"


async def test_W5_the_answers_are_readable_in_every_later_step_also_after_other_suspensions():
    form = ({"name": "note", "type": "string"},)
    flow = Flow(
        flow="two",
        steps=(
            Step(id="first", approval=Approval(approvers=(BOB, CAY), quorum=2, form=form)),
            Step(id="second", approval=Approval(approvers=(DAN,), form=form)),
            Step(
                id="tell",
                uses="log",
                with_={
                    "near": "{{ approvers | join(', ') }}: {{ resume.note }}",
                    "all": "{{ resumes }}",
                    "first": "{{ steps.first.approvers | join(' and ') }}",
                    "emails": "{{ steps.first.approvers | map(attribute='email') | list }}",
                    "form": "{{ steps.first.form.note }}",
                    "approved": "{{ steps.first.approved }}",
                    "comment": "{{ steps.second.comment }}",
                    "late": "{{ steps.second.timed_out }}",
                },
            ),
            Step(id="again", uses="log", with_={"count": "{{ steps.first.decisions | length }}"}),
        ),
    )
    async with FlowTest(flow, people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=CAY, form={"note": "c"})
        await t.approve(run, by=BOB, form={"note": "b"})
        await t.approve(run, by=DAN, form={"note": "d"}, comment="fine")

        assert [call.params for call in run.calls()] == [
            {
                "near": "Dan: d",
                "all": [{"note": "d"}],
                "first": "Cay and Bob",
                "emails": [CAY, BOB],
                "form": "b",
                "approved": True,
                "comment": "fine",
                "late": False,
            },
            {"count": 2},
        ]


async def test_W6_one_rejection_ends_the_run_and_says_who_and_why():
    async with FlowTest(gate(HELLO, quorum=2), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.reject(run, by=CAY, comment="not this week")

        assert (run.outcome, run.reason, run.ended_by) == ("rejected", "not this week", ["Cay"])
        assert run.calls() == []
        assert [telling.view.run.id for telling in t.tellings] == [run.number]


async def test_W6_on_reject_continue_goes_on_with_approved_false():
    after = Step(id="look", uses="log", with_={"approved": "{{ steps.ask.approved }}", "who": "{{ approvers }}"})
    async with FlowTest(gate(after, on_reject="continue"), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB)

        assert run.outcome == "succeeded"
        assert run.steps["ask"].state == "rejected"
        assert [call.params for call in run.calls()] == [{"approved": False, "who": []}]


async def test_W6_on_reject_fail_fails_the_run_and_names_the_person():
    async with FlowTest(gate(HELLO, on_reject="fail"), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB, comment="no money")

        assert (run.outcome, run.reason) == ("failed", "ask: rejected by Bob: no money")
        assert run.calls() == []


async def test_W7_an_approval_as_the_last_step_really_waits():
    flow = Flow(
        flow="last",
        steps=(Step(id="work", uses="log", approval=Approval(approvers=(BOB,))),),
    )
    async with FlowTest(flow, people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.advance("1d")
        still = run.status
        await t.approve(run, by=BOB)

        assert still == "waiting"
        assert run.outcome == "succeeded"


@pytest.mark.parametrize("door", list(Door))
async def test_W11_the_requester_is_refused_at_every_door(door):
    async with FlowTest(gate(approvers=(ANN, BOB)), people=EVERYBODY, admins=[ANN]) as t:
        run = await t.start(by=ANN)
        with pytest.raises(SelfApproval):
            await t.decide(run, Verdict.APPROVE, by=ANN, door=door)
        with pytest.raises(SelfApproval):
            await t.decide(run, Verdict.REJECT, by=ANN, door=door)

        assert (run.status, run.suspension().decisions) == ("waiting", ())


async def test_W11_self_approval_true_counts_the_requester():
    async with FlowTest(gate(approvers=(ANN,), self_approval=True), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=ANN)

        assert run.outcome == "succeeded"


async def test_W12_members_at_decision_time_may_decide_and_who_has_left_may_not():
    async with FlowTest(gate(approvers=("@hr",)), people=EVERYBODY, groups={"@hr": [BOB]}) as t:
        run = await t.start(by=ANN)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=CAY)
        t.crowd.group("@hr", [CAY])
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=BOB)
        await t.approve(run, by=CAY)

        assert run.outcome == "succeeded"
        (decision,) = run.suspension().decisions
        assert decision.memberships is not None
        assert decision.memberships.groups == {"@hr"}


async def test_W12_who_has_decided_and_leaves_the_group_afterwards_is_still_counted():
    flow = gate(approvers=("@hr",), quorum=2)
    async with FlowTest(flow, people=EVERYBODY, groups={"@hr": [BOB, CAY]}) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        t.crowd.group("@hr", [CAY])
        await t.approve(run, by=CAY)

        assert run.outcome == "succeeded"


async def test_W12_all_is_frozen_when_it_opens():
    flow = gate(approvers=("@hr",), quorum="all")
    async with FlowTest(flow, people=EVERYBODY, groups={"@hr": [BOB, CAY]}) as t:
        run = await t.start(by=ANN)
        t.crowd.group("@hr", [BOB])
        await t.approve(run, by=BOB)
        waits = run.status
        await t.approve(run, by=CAY)

        assert waits == "waiting"
        assert run.outcome == "succeeded"


async def test_S12_a_directory_that_does_not_answer_refuses_with_try_again_and_records_nothing():
    async with FlowTest(gate(approvers=("@hr",)), people=EVERYBODY, groups={"@hr": [BOB]}) as t:
        run = await t.start(by=ANN)
        t.crowd.down()
        with pytest.raises(TryAgain):
            await t.approve(run, by=BOB)
        decisions = run.suspension().decisions
        t.crowd.up()
        await t.approve(run, by=BOB)

        assert decisions == ()
        assert run.outcome == "succeeded"


async def test_S3_nobody_who_is_not_named_may_decide_not_even_an_admin():
    async with FlowTest(gate(approvers=(BOB,)), people=EVERYBODY, admins=[DAN]) as t:
        run = await t.start(by=ANN)
        for person in (CAY, DAN, "stranger@elsewhere.example"):
            with pytest.raises(NotAnApprover):
                await t.approve(run, by=person)

        assert (run.status, run.suspension().decisions) == ("waiting", ())


async def test_the_same_answer_again_is_told_so_and_counts_once():
    async with FlowTest(gate(quorum=2), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        with pytest.raises(DecidedByYou):
            await t.approve(run, by=BOB)

        assert run.suspension().approvals == 1
        assert run.status == "waiting"


async def test_another_answer_replaces_the_first_and_the_ledger_keeps_both():
    form = ({"name": "note", "type": "string", "required": False},)
    async with FlowTest(gate(quorum=2, form=form), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB, comment="first")
        await t.approve(run, by=BOB, comment="second", form={"note": "x"})
        payloads = "".join(entry.payload or "" for entry in await t.ledger(run))

        (decision,) = run.suspension().decisions
        assert (decision.comment, dict(decision.values)) == ("second", {"note": "x"})
        assert run.status == "waiting"
        assert '"first"' in payloads
        assert '"replaced":"approve"' in payloads


async def test_an_approval_that_becomes_a_rejection_rejects():
    async with FlowTest(gate(quorum=2), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.reject(run, by=BOB)

        assert (run.outcome, run.ended_by) == ("rejected", ["Bob"])


async def test_S11_a_decision_with_the_digest_of_another_view_is_refused():
    async with FlowTest(gate(), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        with pytest.raises(ChangedSinceShown):
            await t.decide(run, Verdict.APPROVE, by=BOB, digest=b"\x00" * 32)

        assert (run.status, run.suspension().decisions) == ("waiting", ())


async def test_S11_a_decision_without_a_digest_counts_and_the_ledger_says_that_nothing_was_shown():
    async with FlowTest(gate(), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        bob = await t.crowd.meet(t.store, BOB)
        await t.engine.decide(run.number, 1, bob.id, Verdict.APPROVE, door=Door.API, via_token="dan@example.com")
        await t.settle()
        last = (await t.ledger(run))[-1].payload or ""

        assert run.outcome == "succeeded"
        assert '"digest":"not shown"' in last
        assert '"via_token":"dan@example.com"' in last


async def test_K8_all_bad_fields_are_told_together_and_it_still_waits():
    form = (
        {"name": "days", "type": "integer", "min": 1},
        {"name": "sure", "type": "boolean"},
        {"name": "why", "type": "string"},
    )
    async with FlowTest(gate(form=form), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        with pytest.raises(InvalidForm) as refusal:
            await t.approve(run, by=BOB, form={"days": 0, "sure": "maybe", "unknown": 1})

        assert set(refusal.value.fields) == {"days", "sure", "why", "unknown"}
        assert (run.status, run.suspension().decisions) == ("waiting", ())


async def test_a_rejection_needs_no_form_and_keeps_none():
    form = ({"name": "why", "type": "string"},)
    async with FlowTest(gate(form=form), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB)

        assert run.outcome == "rejected"
        assert dict(run.suspension().decisions[0].values) == {}


async def test_a_verdict_that_does_not_fit_is_refused():
    async with FlowTest(gate(), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        with pytest.raises(InvalidForm, match="approve or reject"):
            await t.resume(run, by=BOB)

        assert run.status == "waiting"


async def test_a_decision_on_a_suspension_that_does_not_exist_is_refused():
    async with FlowTest(gate(), people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        bob = await t.crowd.meet(t.store, BOB)
        with pytest.raises(NotWaiting):
            await t.engine.decide(run.number, 7, bob.id, Verdict.APPROVE, door=Door.API)

        assert run.status == "waiting"


async def test_a_digest_of_one_approval_is_none_for_another_that_asks_the_same():
    same = Approval(approvers=(BOB,), ask="Go?")
    flow = Flow(
        flow="twice", steps=(Step(id="one", title="Go", approval=same), Step(id="two", title="Go", approval=same))
    )
    async with FlowTest(flow, people=EVERYBODY) as t:
        run = await t.start(by=ANN)
        first = run.suspension().suspension.digest
        await t.approve(run, by=BOB)
        with pytest.raises(ChangedSinceShown):
            await t.decide(run, Verdict.APPROVE, by=BOB, digest=first)

        assert run.waiting == ["two"]


@pytest.mark.parametrize("requester", [ANN, BOB])
async def test_who_is_asked_by_name_and_by_group_finds_the_approval_once_in_each_list(requester):
    flow = gate(approvers=(BOB, "@hr"), self_approval=True)
    async with FlowTest(flow, people=EVERYBODY, groups={"@hr": [BOB, CAY]}) as t:
        await t.start(by=requester)
        bob = await t.crowd.meet(t.store, BOB)

        for_him, around_him = await t.engine.waiting_for(bob.id), await t.engine.waiting_around(bob.id)

    assert (len(for_him), len(around_him)) == (1, 1)
