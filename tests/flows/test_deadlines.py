"""Deadlines: declared outcomes, late timers, a process that was down, and clocks that do not run straight."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from flows.definition import Approval, Flow, Hold, Step
from flows.errors import Closed
from flows.events import TimerFired
from flows.run import Door, Verdict
from flows.testing import FlowTest

ANN, BOB, CAY = "ann@example.com", "bob@example.com", "cay@example.com"
PEOPLE = [ANN, BOB, CAY]
LOOK = Step(
    id="look",
    uses="log",
    with_={
        "approved": "{{ steps.ask.approved }}",
        "timed_out": "{{ steps.ask.timed_out }}",
        "who": "{{ approvers | join(', ') }}",
    },
)


def gate(*after: Step, **approval) -> Flow:
    approval.setdefault("approvers", (BOB, CAY))
    approval.setdefault("timeout", "2d")
    return Flow(flow="gate", steps=(Step(id="ask", approval=Approval(**approval)), *after))


@pytest.mark.parametrize(
    ("on_timeout", "outcome", "state", "seen"),
    [
        ("end", "expired", "expired", None),
        ("fail", "failed", "failed", None),
        ("continue", "succeeded", "expired", {"approved": False, "timed_out": True, "who": ""}),
        ("approve", "succeeded", "succeeded", {"approved": True, "timed_out": True, "who": ""}),
    ],
)
async def test_K7_each_way_to_pass_a_deadline_is_told_apart_downstream(on_timeout, outcome, state, seen):
    async with FlowTest(gate(LOOK, on_timeout=on_timeout), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.advance(timedelta(days=2) - timedelta(milliseconds=1))
        just_before = run.status
        await t.advance(timedelta(milliseconds=1))

        assert just_before == "waiting"
        assert (run.outcome, run.steps["ask"].state) == (outcome, state)
        assert [call.params for call in run.calls()] == ([] if seen is None else [seen])
        assert len(t.tellings) == 1


async def test_a_vote_that_was_not_enough_is_not_an_approval_at_the_deadline():
    async with FlowTest(gate(LOOK, quorum=2, on_timeout="continue"), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.advance("2d")

        assert [call.params for call in run.calls()] == [{"approved": False, "timed_out": True, "who": "Bob"}]


@pytest.mark.parametrize(("on_timeout", "outcome"), [("end", "expired"), ("fail", "failed"), ("continue", "succeeded")])
async def test_a_hold_has_its_deadline_too(on_timeout, outcome):
    flow = Flow(flow="hold", steps=(Step(id="wait", hold=Hold(timeout="1h", on_timeout=on_timeout)),))
    async with FlowTest(flow, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.advance("1h")

        assert run.outcome == outcome
        assert run.steps["wait"].timed_out is True


async def test_R1_decided_in_time_the_late_timer_changes_nothing():
    flow = gate(Step(id="pause", delay="30s"), Step(id="end", uses="log"), timeout="10s")
    async with FlowTest(flow, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.advance("3s")
        await t.approve(run, by=BOB)
        await t.advance("10s")
        at_the_old_deadline = (run.status, run.waiting)
        await t.advance("30s")

        assert at_the_old_deadline == ("waiting", ["pause"])
        assert run.outcome == "succeeded"
        assert len(run.calls("log")) == 1


async def test_R1_a_timer_that_fires_although_it_was_withdrawn_changes_nothing():
    async with FlowTest(gate(Step(id="next", hold=Hold(timeout="9d"))), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        before = (run.view.run, await t.ledger(run))
        await t.advance("2d")
        await t.store.transact(run.number, TimerFired("ask", 1))
        await t.settle()

        assert (run.view.run, await t.ledger(run)) == before
        assert run.waiting == ["next"]


async def test_a_decision_at_the_deadline_is_too_late_even_if_the_timer_has_not_fired():
    async with FlowTest(gate(LOOK), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.runner.drain()  # nothing fires from here on
        t.clock.advance("2d")
        with pytest.raises(Closed, match="closed by its deadline"):
            await _decide_without_runner(t, run)
        view = await t.engine.run(run.number, run.view.run.requester)

        assert view.status == "expired"
        assert view.suspensions[0].decisions == ()


async def test_a_millisecond_before_the_deadline_a_decision_counts():
    async with FlowTest(gate(), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.runner.drain()
        t.clock.advance(timedelta(days=2) - timedelta(milliseconds=1))
        await _decide_without_runner(t, run)
        view = await t.engine.run(run.number, run.view.run.requester)

        assert view.status == "succeeded"


async def test_R6_a_deadline_that_passes_while_the_process_is_down_is_acted_on_once_after_the_restart():
    async with FlowTest(gate(LOOK, on_timeout="continue"), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.restart(down="3d")
        await t.restart(down="3d")

        assert run.outcome == "succeeded"
        assert len(run.calls()) == 1
        closings = [e for e in await t.ledger(run) if '"SuspensionClosed"' in (e.payload or "")]
        assert len(closings) == 1


async def test_R14_a_wall_clock_that_is_stepped_back_makes_the_wait_longer_and_never_shorter():
    async with FlowTest(gate(), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        due = run.suspension().suspension.due
        await t.advance("1d")
        t.clock.set(t.clock.now() - timedelta(days=1))
        await t.advance(timedelta(days=2) - timedelta(seconds=1))
        still = run.status
        await t.advance("1s")

        assert still == "waiting"
        assert (run.outcome, run.view.run.ending.at) == ("expired", due)


async def test_R14_a_timer_whose_time_has_not_come_after_all_is_set_again():
    async with FlowTest(gate(), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        # As after a step back between the timer and its transaction; the first timer is lost here.
        await t.store.write(lambda c: c.execute("DELETE FROM effects"))
        await t.store.transact(run.number, TimerFired("ask", 1))
        await t.settle()
        waits = run.status
        await t.advance("2d")

        assert waits == "waiting"
        assert run.outcome == "expired"


async def test_R14_a_wall_clock_that_is_set_forward_is_noticed_within_half_a_minute():
    noticed = asyncio.Event()
    flow = gate(LOOK, on_timeout="continue")
    async with FlowTest(flow, people=PEOPLE, actions={"log": lambda _: noticed.set()}) as t:
        await t.start(by=ANN)
        t.clock.set(t.clock.now() + timedelta(days=3))
        t.clock.advance("30s")  # nobody asks the runner to look: it wakes by itself

        await asyncio.wait_for(noticed.wait(), 10)


@pytest.mark.parametrize(
    ("before", "hours_on_the_wall"),
    [
        (datetime(2026, 3, 28, 12, 0, tzinfo=ZoneInfo("Europe/Berlin")), 25),
        (datetime(2026, 10, 24, 12, 0, tzinfo=ZoneInfo("Europe/Berlin")), 23),
        (datetime(2028, 2, 28, 12, 0, tzinfo=UTC), 24),
    ],
)
async def test_R14_a_day_is_24_hours_across_a_change_of_daylight_saving_and_a_leap_day(before, hours_on_the_wall):
    async with FlowTest(gate(timeout="1d"), people=PEOPLE, now=before.astimezone(UTC)) as t:
        run = await t.start(by=ANN)
        due = run.suspension().suspension.due
        await t.advance(timedelta(days=1) - timedelta(milliseconds=1))
        waits = run.status
        await t.advance(timedelta(milliseconds=1))

        assert waits == "waiting"
        assert run.outcome == "expired"
        on_the_wall = due.astimezone(before.tzinfo).replace(tzinfo=None) - before.replace(tzinfo=None)
        assert on_the_wall == timedelta(hours=hours_on_the_wall)


async def test_the_deadline_of_a_later_approval_counts_from_when_it_opened():
    flow = Flow(
        flow="chain",
        steps=(
            Step(id="first", approval=Approval(approvers=(BOB,), timeout="1d", on_timeout="continue")),
            Step(id="second", approval=Approval(approvers=(BOB,), timeout="1d", on_timeout="continue")),
        ),
    )
    async with FlowTest(flow, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.advance("1d12h")
        between = run.waiting
        await t.advance("12h")

        assert between == ["second"]
        assert run.outcome == "succeeded"


async def test_a_suspension_that_was_closed_leaves_no_timer_behind():
    async with FlowTest(gate(Step(id="next", hold=Hold(timeout="5d"))), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)

        assert run.waiting == ["next"]
        assert await t.store.next_due() == t.clock.now() + timedelta(days=5)


async def _decide_without_runner(t: FlowTest, run) -> None:
    bob = await t.crowd.meet(t.store, BOB)
    await t.engine.decide(run.number, 1, bob.id, Verdict.APPROVE, door=Door.SLACK)
