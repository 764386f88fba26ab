"""Restarts and changes under a waiting run: nothing is lost, nothing is done twice."""

from __future__ import annotations

import textwrap

import pytest

from flows.definition import Approval, Flow, Step
from flows.engine import Once
from flows.errors import DecidedByYou, UnknownFlow
from flows.run import Door, Verdict
from flows.store.sqlite import KeyReused
from flows.testing import FlowTest

ANN, BOB, CAY = "ann@example.com", "bob@example.com", "cay@example.com"
PEOPLE = [ANN, BOB, CAY]


def gate(message: str = "first edition", **approval) -> Flow:
    approval.setdefault("approvers", (BOB, CAY))
    return Flow(
        flow="gate",
        steps=(
            Step(id="ask", approval=Approval(**approval)),
            Step(id="go", uses="log", with_={"message": message, "who": "{{ approvers | join(', ') }}"}),
        ),
    )


async def test_R5_killed_between_the_commit_of_a_decision_and_the_next_step_the_step_runs_once_after_the_restart():
    async with FlowTest(gate(), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        bob = await t.crowd.meet(t.store, BOB)
        await t.runner.drain()
        await t.engine.decide(run.number, 1, bob.id, Verdict.APPROVE, door=Door.SLACK)
        before = len(t.calls())
        await t.restart()
        await t.restart()

        assert before == 0
        assert run.outcome == "succeeded"
        assert [call.params["who"] for call in run.calls()] == ["Bob"]


async def test_R3_the_same_click_after_a_restart_is_told_so_and_counts_once():
    async with FlowTest(gate(quorum=2), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.restart()
        with pytest.raises(DecidedByYou):
            await t.approve(run, by=BOB)
        await t.approve(run, by=CAY)
        await t.restart()
        with pytest.raises(DecidedByYou):
            await t.approve(run, by=CAY)

        assert len(run.calls()) == 1


async def test_R13_a_waiting_run_goes_on_by_the_definition_that_it_started_with(tmp_path):
    file = tmp_path / "gate.yml"
    text = textwrap.dedent(
        """\
        flow: gate
        steps:
          - id: ask
            approval: {approvers: bob@example.com, quorum: 1}
          - id: go
            uses: log
            with: {edition: first}
        """
    )
    file.write_text(text)
    async with FlowTest(file, people=PEOPLE) as t:
        old = await t.start(by=ANN)
        file.write_text(text.replace("bob@", "cay@").replace("first", "second").replace("id: go", "id: went"))
        await t.restart(file)
        new = await t.start(by=ANN)
        await t.approve(old, by=BOB)
        await t.approve(new, by=CAY)

        assert [call.params for call in old.calls()] == [{"edition": "first"}]
        assert [call.params for call in new.calls()] == [{"edition": "second"}]
        assert list(old.steps) == ["ask", "go"]


async def test_R13_a_waiting_run_goes_on_although_its_flow_is_gone():
    other = Flow(flow="other", steps=(Step(id="x", uses="log"),))
    async with FlowTest(gate(), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.restart(other)
        with pytest.raises(UnknownFlow):
            await t.start("gate", by=ANN)
        await t.approve(run, by=BOB)

        assert run.outcome == "succeeded"


async def test_what_was_shown_has_the_same_digest_after_a_restart():
    asked = {"ask": "Go? {{ run.id }}", "show": {"What": "{{ run.flow }}"}}
    async with FlowTest(gate(**asked), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        before = run.suspension()
        await t.restart()
        after = run.suspension()
        await t.approve(run, by=BOB)

        assert after.suspension == before.suspension
        assert after.request == before.request
        assert run.outcome == "succeeded"


async def test_a_start_with_an_idempotency_key_happens_once_also_across_a_restart():
    async with FlowTest(gate(), people=PEOPLE) as t:
        ann = await t.crowd.meet(t.store, ANN)
        first, new = await t.engine.start("gate", ann.id, {}, once=Once(1, "k"))
        again, new_again = await t.engine.start("gate", ann.id, {}, once=Once(1, "k"))
        await t.restart()
        later, new_later = await t.engine.start("gate", ann.id, {}, once=Once(1, "k"))
        other_token, new_other = await t.engine.start("gate", ann.id, {}, once=Once(2, "k"))
        await t.settle()

        assert (new, new_again, new_later, new_other) == (True, False, False, True)
        assert first.id == again.id == later.id != other_token.id


async def test_an_idempotency_key_is_forgotten_after_a_day_and_refused_for_another_request():
    flow = Flow(flow="work", inputs=({"name": "n", "type": "integer"},), steps=(Step(id="x", uses="log"),))
    async with FlowTest(flow, people=PEOPLE) as t:
        ann = await t.crowd.meet(t.store, ANN)
        first, _ = await t.engine.start("work", ann.id, {"n": 1}, once=Once(1, "k"))
        with pytest.raises(KeyReused):
            await t.engine.start("work", ann.id, {"n": 2}, once=Once(1, "k"))
        await t.advance("24h")
        same, new = await t.engine.start("work", ann.id, {"n": 1}, once=Once(1, "k"))
        await t.advance("1s")
        another, new_again = await t.engine.start("work", ann.id, {"n": 1}, once=Once(1, "k"))
        await t.settle()

        assert (same.id, new) == (first.id, False)
        assert (another.id, new_again) == (first.id + 1, True)
