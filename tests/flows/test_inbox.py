"""What one person's inbox reads: what waits for them, what they asked for, what they decided; and along which index."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flows.definition import Flow
from flows.run import Door
from flows.store import inbox
from flows.testing import FlowTest

ANN, BOB, CAT, DAN, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cat", "dan", "eve"))
PEOPLE = [ANN, BOB, CAT, DAN, EVE]


def ask(flow: str = "ask", *approvers: str, then: list[dict[str, Any]] | None = None, **more: Any) -> Flow:
    approval = {"ask": f"{flow}?", "approvers": list(approvers) or [BOB], **more}
    return Flow.model_validate({"flow": flow, "steps": [{"id": "gate", "approval": approval}, *(then or [])]})


def lasting(*flows: Flow, **more: Any) -> FlowTest:
    return FlowTest(*flows, people=PEOPLE, **more)


async def number(t: FlowTest, who: str) -> int:
    return (await t.crowd.meet(t.store, who)).id


async def waits(t: FlowTest, who: str, **more: Any) -> list[str]:
    """What waits for somebody, by the flow, with for whom where that is somebody else."""
    found = await t.engine.inbox(await number(t, who), **more)
    return [
        f"{one.view.run.flow}{f' for {one.view.person(one.principal).email}' if one.principal else ''}"
        for one in found.items
    ]


async def test_what_waits_is_what_one_may_answer_and_has_not_the_nearest_deadline_first():
    flows = [
        ask("late", BOB, CAT, quorum=2, timeout="3d"),
        ask("soon", "@leads", timeout="1d"),
        ask("never", BOB, timeout="300d"),
        ask("other", CAT),
    ]
    async with lasting(*flows, groups={"@leads": [BOB, DAN]}) as t:
        late = await t.start("late", by=ANN)
        for name in ("soon", "never", "other"):
            await t.start(name, by=ANN)
        own = await t.start("soon", by=BOB)
        before = await waits(t, BOB)
        await t.approve(late, by=BOB)

        assert before == ["soon", "late", "never"]
        assert await waits(t, BOB) == ["soon", "never"]
        assert await waits(t, DAN) == ["soon", "soon"]
        assert await waits(t, ANN) == []
        assert own.status == "waiting"


async def test_it_is_filtered_by_flow_and_by_deadline_and_counted_before_it_is_cut_into_pages():
    flows = [ask("one", BOB, timeout="1h"), ask("two", BOB, timeout="2d")]
    async with lasting(*flows) as t:
        for name in ("one", "two", "two", "two"):
            await t.start(name, by=ANN)
        bob, now = await number(t, BOB), t.clock.now()

        page = await t.engine.inbox(bob, limit=2, offset=2)
        only = await t.engine.inbox(bob, flow="two", limit=1)
        today = await t.engine.inbox(bob, before=now + timedelta(hours=8))

        assert ([one.view.run.flow for one in page.items], page.total) == (["two", "two"], 4)
        assert (len(only.items), only.total, only.flows) == (1, 3, ("one", "two"))
        assert [one.view.run.flow for one in today.items] == ["one"]


async def test_whoever_stands_in_for_somebody_has_their_approvals_too_but_not_their_own_requests_nor_other_flows():
    flows = [
        ask("mine", BOB),
        ask("hers", CAT),
        ask("group", "@leads"),
        ask("left", CAT),
        ask("closely", CAT, delegation="refuse"),
        ask("both", BOB, CAT, quorum=2),
    ]
    async with lasting(*flows, groups={"@leads": [CAT]}) as t:
        runs = {flow.flow: await t.start(flow.flow, by=ANN) for flow in flows}
        await t.start("hers", by=BOB)
        bob, cat, now = await number(t, BOB), await number(t, CAT), t.clock.now()
        names = ("mine", "hers", "group", "closely", "both")
        await t.engine.delegate(cat, bob, now, now + timedelta(days=7), names, by=cat)

        found = await waits(t, BOB)
        await t.approve(runs["hers"], by=BOB)
        await t.approve(runs["both"], by=CAT)
        decided = await t.engine.decided(bob)

        assert sorted(found) == ["both", f"group for {CAT}", f"hers for {CAT}", "mine"]
        assert sorted(await waits(t, BOB)) == ["both", f"group for {CAT}", "mine"]
        assert [view.run.flow for view in decided] == ["hers"]
        assert [view.run.flow for view in await t.engine.decided(cat)] == ["both"]


async def test_what_was_put_off_is_folded_away_until_then():
    async with lasting(ask("now", BOB), ask("later", BOB)) as t:
        await t.start("now", by=ANN)
        later = await t.start("later", by=ANN)
        bob, until = await number(t, BOB), t.clock.now() + timedelta(hours=2)
        await t.engine.snooze(later.number, 1, bob, until, door=Door.SLACK)

        folded = await t.engine.inbox(bob)
        unfolded = await t.engine.inbox(bob, later=5)
        await t.advance("2h")

        assert ([one.view.run.flow for one in folded.items], folded.later, folded.later_total) == (["now"], (), 1)
        assert [(one.view.run.flow, one.snoozed_until) for one in unfolded.later] == [("later", until)]
        assert sorted(await waits(t, BOB)) == ["later", "now"]


async def test_what_one_asked_for_has_the_open_ones_first_and_then_the_newest():
    wait = [{"id": "rest", "delay": "1d"}]
    flows = [ask("ask", BOB), ask("more", BOB, then=wait)]
    async with lasting(*flows) as t:
        runs = [await t.start(name, by=ANN) for name in ("ask", "more", "ask", "ask")]
        await t.start("ask", by=CAT)
        await t.approve(runs[1], by=BOB)
        await t.approve(runs[3], by=BOB)
        ann = await number(t, ANN)

        found = await t.engine.requested(ann)
        page = await t.engine.requested(ann, limit=2, offset=1)
        only = await t.engine.requested(ann, flow="more")
        due = await t.engine.requested(ann, before=t.clock.now() + timedelta(days=30))

        order = [runs[2].number, runs[1].number, runs[0].number, runs[3].number]
        assert [view.run.id for view in found] == order
        assert [view.run.id for view in page] == order[1:3]
        assert [view.run.flow for view in only] == ["more"]
        assert [view.run.id for view in due] == [runs[2].number, runs[0].number]  # those of which people are asked
        assert [one.open for one in found[0].suspensions] == [True]


async def test_what_one_decided_says_what_became_of_it_the_newest_first():
    async with lasting(ask("ask", BOB, CAT, quorum=2), ask("no", BOB)) as t:
        first, second = await t.start("ask", by=ANN), await t.start("no", by=ANN)
        await t.approve(first, by=BOB)
        await t.advance("1m")
        await t.reject(second, by=BOB, comment="too dear")
        bob = await number(t, BOB)

        found = await t.engine.decided(bob)

        assert [(view.run.flow, view.run.status.value) for view in found] == [("no", "finished"), ("ask", "waiting")]
        assert [view.run.flow for view in await t.engine.decided(bob, limit=1, offset=1)] == ["ask"]
        assert [view.run.flow for view in await t.engine.decided(bob, flow="no")] == ["no"]
        assert await t.engine.decided(await number(t, CAT)) == []


async def test_S12_whoever_was_two_before_has_what_both_have_asked_for_and_decided():
    async with lasting(ask("ask", BOB)) as t:
        await t.approve(await t.start(by=ANN), by=BOB)
        await t.start(by="ann@elsewhere.example")
        await t.crowd.merge(t.store, "ann@elsewhere.example", ANN)
        await t.crowd.merge(t.store, "bob@elsewhere.example", BOB)

        assert len(await t.engine.requested(await number(t, ANN))) == 2
        assert len(await t.engine.decided(await number(t, BOB))) == 1


async def test_a_change_concerns_whoever_asked_is_asked_has_decided_or_stands_in_for_one_of_those():
    flows = [ask("ask", BOB, "@leads", quorum=2)]
    async with lasting(*flows, groups={"@leads": [DAN]}) as t:
        run = await t.start(by=ANN)
        ann, bob, cat, dan, eve = [await number(t, who) for who in PEOPLE]
        now = t.clock.now()
        await t.engine.delegate(bob, eve, now, now + timedelta(days=1), by=bob)
        open_ = await t.store.read(lambda c, kept: inbox.concerned(c, kept, [run.number], since=now))
        await t.approve(run, by=DAN)
        await t.approve(run, by=BOB)
        closed = await t.store.read(lambda c, kept: inbox.concerned(c, kept, [run.number], since=now))
        t.clock.advance("1h")
        long_ago = await t.store.read(lambda c, kept: inbox.concerned(c, kept, [run.number], since=t.clock.now()))

        assert (open_.people, open_.groups) == ({ann, bob, eve}, {"@leads"})
        assert (closed.people, closed.groups) == ({ann, bob, dan, eve}, {"@leads"})
        assert (long_ago.people, long_ago.groups) == ({ann, bob, dan, eve}, frozenset())
        assert cat not in closed.people


async def test_every_change_of_a_run_is_told_once_it_is_committed():
    async with lasting(ask("ask", BOB)) as t:
        told: list[int] = []
        t.store.on_change(told.append)

        run = await t.start(by=ANN)
        started = list(told)
        told.clear()
        await t.approve(run, by=BOB)

        assert set(started) == {run.number}
        assert set(told) == {run.number}


@pytest.mark.parametrize("flow", [None, "ask"])
async def test_nothing_reads_all_runs_to_find_those_of_one_person(flow: str | None):
    async with lasting(ask("ask", BOB)) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        ann, bob = await number(t, ANN), await number(t, BOB)
        seen: list[str] = []

        def explained(connection: Any, kept: Any) -> list[str]:
            def plan(sql: str) -> None:
                if sql.lstrip().startswith(("SELECT", "WITH")):
                    seen.append(sql)

            connection.set_trace_callback(plan)
            inbox.requested(connection, kept, ann, limit=5, flow=flow)
            inbox.decided(connection, kept, bob, limit=5, flow=flow)
            inbox.waiting(connection, kept, bob, {bob: ()}, (), now=t.clock.now(), limit=5)
            connection.set_trace_callback(None)
            return [
                row[3]
                for sql in seen
                if "runs" in sql or "decisions" in sql or "seats" in sql
                for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")
            ]

        steps = await t.store.read(explained)

        scans = [step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
        # What is left to scan is a page that was found along an index, or the definitions, which are few.
        assert all(step.split()[1].startswith(("(", "definitions")) or "CONSTANT" in step for step in scans), scans
        for index in ("runs_by_requester", "decisions_by_person", "decisions_by_stand_in"):
            assert any(index in step for step in steps), (index, steps)
