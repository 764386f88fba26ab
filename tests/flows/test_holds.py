"""Holds, delays and cancelling on the real engine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.definition import Approval, Flow, Hold, Step
from flows.errors import ActionError, Closed, DecidedByYou, InvalidForm, NotAllowed, NotAnApprover, RunFinished
from flows.testing import MONDAY, FlowTest

ANN, BOB, CAY = "ann@example.com", "bob@example.com", "cay@example.com"
PEOPLE = [ANN, BOB, CAY]
LOG = Step(id="after", uses="log", with_={"message": "{{ steps.wait.resumed.by.name }}"})


def hold(**wait) -> Flow:
    return Flow(flow="hold", steps=(Step(id="wait", hold=Hold(**wait)), LOG))


async def test_K1_a_bare_hold_waits_refuses_a_stranger_and_goes_on_once_the_requester_resumes():
    async with FlowTest(hold(), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        with pytest.raises(NotAnApprover, match="started this run, or an admin"):
            await t.resume(run, by=BOB)
        waits = run.status
        await t.advance("1h")
        await t.resume(run, by=ANN)

        assert waits == "waiting"
        assert run.outcome == "succeeded"
        assert [call.params for call in run.calls("log")] == [{"message": "Ann"}]
        resumed = run.steps["wait"].resumed
        assert (resumed["by"].email, resumed["at"]) == (ANN, (MONDAY + timedelta(hours=1)).isoformat())
        with pytest.raises(DecidedByYou, match="resumed by Ann"):
            await t.resume(run, by=ANN)
        assert len(run.calls("log")) == 1


async def test_K1_an_admin_may_resume_a_bare_hold_and_not_one_that_names_somebody():
    flow = Flow(flow="two", steps=(Step(id="open", hold=Hold()), Step(id="named", hold=Hold(by=(BOB,)))))
    async with FlowTest(flow, people=PEOPLE, admins=[CAY]) as t:
        run = await t.start(by=ANN)
        await t.resume(run, by=CAY)
        after_first = run.waiting
        with pytest.raises(NotAnApprover):
            await t.resume(run, by=CAY)
        with pytest.raises(NotAnApprover):
            await t.resume(run, by=ANN)
        await t.resume(run, by=BOB)

        assert after_first == ["named"]
        assert run.outcome == "succeeded"


async def test_a_hold_is_resumed_with_values_that_the_next_step_reads():
    form = ({"name": "count", "type": "integer"},)
    after = Step(id="use", uses="log", with_={"n": "{{ resume.count + 1 }}"})
    flow = Flow(flow="values", steps=(Step(id="wait", hold=Hold(form=form)), after))
    async with FlowTest(flow, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        with pytest.raises(InvalidForm) as refusal:
            await t.resume(run, by=ANN, form={"count": "many"})
        await t.resume(run, by=ANN, form={"count": "41"})

        assert set(refusal.value.fields) == {"count"}
        assert [call.params for call in run.calls("log")] == [{"n": 42}]


async def test_K2_outputs_from_before_the_wait_are_shown_with_it_and_unchanged_after():
    flow = Flow(
        flow="shown",
        steps=(
            Step(id="build", uses="http.request"),
            Step(id="ask", approval=Approval(approvers=(BOB,), show={"Tests": "{{ steps.build.output }}"})),
            Step(id="tell", uses="log", with_={"tests": "{{ steps.build.output.passed }}"}),
        ),
    )
    answer = {"passed": 12, "of": [12]}
    async with FlowTest(flow, people=PEOPLE, actions={"http.request": answer}) as t:
        run = await t.start(by=ANN)
        shown, readable = dict(run.suspension().request.show), run.steps["build"].output
        answer["passed"] = 0
        await t.approve(run, by=BOB)

        assert shown == {"Tests": {"passed": 12, "of": [12]}}
        assert readable == {"passed": 12, "of": [12]}
        assert [call.params for call in run.calls("log")] == [{"tests": 12}]


async def test_an_action_with_a_wait_runs_first_and_its_output_is_in_what_is_asked():
    flow = Flow(
        flow="both",
        steps=(
            Step(
                id="plan",
                uses="http.request",
                approval=Approval(approvers=(BOB,), ask="Apply {{ steps.plan.output.changes }} changes?"),
            ),
        ),
    )
    async with FlowTest(flow, people=PEOPLE, actions={"http.request": {"changes": 3}}) as t:
        run = await t.start(by=ANN)

        assert run.suspension().request.ask == "Apply 3 changes?"
        assert (run.steps["plan"].state, run.steps["plan"].output) == ("suspended", {"changes": 3})


@pytest.mark.parametrize(
    ("delay", "length"),
    [
        ("10m", timedelta(minutes=10)),
        ("{{ inputs.minutes }}m", timedelta(minutes=7)),
        ("2026-01-05T12:00:00+01:00", timedelta(hours=2)),
        ("2026-01-01T00:00:00Z", timedelta(0)),
    ],
)
async def test_a_delay_lasts_for_its_time_and_not_longer(delay, length):
    flow = Flow(
        flow="later",
        inputs=({"name": "minutes", "type": "integer", "default": 7},),
        steps=(Step(id="wait", delay=delay), Step(id="after", uses="log")),
    )
    async with FlowTest(flow, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        if length:
            await t.advance(length - timedelta(milliseconds=1))
            assert (run.status, run.waiting) == ("waiting", ["wait"])
            await t.advance(timedelta(milliseconds=1))

        assert run.outcome == "succeeded"
        assert len(run.calls("log")) == 1


@pytest.mark.parametrize("delay", ["{{ inputs.text }}", "{{ inputs.missing_later }}"])
async def test_a_delay_that_is_neither_a_duration_nor_an_instant_fails_the_run_and_says_so(delay):
    flow = Flow(
        flow="later",
        inputs=(
            {"name": "text", "type": "string", "default": "soon"},
            {"name": "missing_later", "type": "string", "default": "2026-01-05T12:00:00"},
        ),
        steps=(Step(id="wait", delay=delay),),
    )
    async with FlowTest(flow, people=PEOPLE) as t:
        run = await t.start(by=ANN)

        assert run.outcome == "failed"
        assert run.reason.startswith("wait: delay: ")


async def test_R7_cancelled_while_waiting_it_ends_at_once_and_nothing_can_be_decided_any_more():
    flow = Flow(flow="gate", steps=(Step(id="ask", approval=Approval(approvers=(BOB,))), Step(id="go", uses="log")))
    async with FlowTest(flow, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        with pytest.raises(NotAllowed):
            await t.cancel(run, by=BOB)
        await t.cancel(run, by=ANN, reason="changed my mind")
        with pytest.raises(Closed, match="no longer open: cancelled by Ann"):
            await t.approve(run, by=BOB)
        with pytest.raises(RunFinished):
            await t.cancel(run, by=ANN)
        await t.advance("30d")

        assert (run.outcome, run.reason, run.ended_by) == ("cancelled", "changed my mind", ["Ann"])
        assert run.steps["ask"].state == "cancelled"
        assert run.calls() == []
        assert t.tellings == []
        assert await t.store.next_due() is None


async def test_R7_the_cards_of_a_cancelled_run_say_so():
    flow = Flow(flow="gate", steps=(Step(id="ask", approval=Approval(approvers=(BOB,), via=({"slack": "#ops"},))),))
    async with FlowTest(flow, people=PEOPLE, admins=[CAY]) as t:
        run = await t.start(by=ANN)
        drawn = t.messenger.draws
        await t.cancel(run, by=CAY)
        (card,) = t.messenger.cards

        assert (drawn, t.messenger.draws) == (1, 2)
        assert (card.channel, card.view.open) == ("#ops", False)
        assert card.view.suspension.closing.how == "cancelled"
        assert len(t.tellings) == 1


async def test_cancelled_while_a_step_waits_for_its_next_attempt_the_attempt_is_never_made():
    flow = Flow(flow="tries", steps=(Step(id="call", uses="http.request", retry={"max": 3, "delay": "10s"}),))
    async with FlowTest(flow, people=PEOPLE, actions={"http.request": ActionError("down", retryable=True)}) as t:
        run = await t.start(by=ANN)
        await t.cancel(run, by=ANN)
        await t.advance("1h")

        assert run.outcome == "cancelled"
        assert len(run.calls()) == 1
