"""Machines that call back, and functions that wait and go round, on the real engine with a fake clock and a script.

The functions of these flows stand here, and are called as those beside a flow file are. They hand their links to
``heard``, and ``script`` says what the job does with them before it answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from flows.definition import Approval, Flow
from flows.engine import Called
from flows.errors import ActionError, Closed, InvalidForm, NotAllowed, NotWaiting
from flows.ledger import broken_at
from flows.run import Door, Verdict
from flows.step_context import StepContext
from flows.testing import FlowTest, Turns

ANN, BOB, ZOE = (f"{name}@example.com" for name in ("ann", "bob", "zoe"))
PEOPLE = [ANN, BOB, ZOE]
HERE = "tests.flows.test_callbacks"

heard: list[dict[str, Any]] = []
script: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {}


@pytest.fixture(autouse=True)
def new_script():
    heard.clear()
    script.clear()


async def hand(ctx: StepContext, **more: Any) -> Any:
    """What every function does: it sends its links to the job, which may call them at once."""
    given = {
        "resume": ctx.links.resume,
        "cancel": ctx.links.cancel,
        "runs": ctx.runs,
        "attempt": ctx.attempt,
        "context": ctx.context,
        "callback": ctx.callback and ctx.callback["body"],
        **more,
    }
    heard.append(given)
    return await script["job"](given) if "job" in script else None


# -- the functions ----------------------------------------------------------------------------------------------


async def suspends(ctx: StepContext) -> str:
    await ctx.suspend(timeout="1h")
    await hand(ctx)
    return "begun"


async def suspends_late(ctx: StepContext) -> str:
    await hand(ctx)
    await ctx.suspend()
    return "begun"


async def fails_once_before_it_suspends(ctx: StepContext) -> str:
    await hand(ctx)
    if ctx.attempt == 1:
        raise OSError("no answer")
    await ctx.suspend()
    return "begun"


async def changes_its_mind(ctx: StepContext) -> None:
    await ctx.suspend(ask=f"attempt {ctx.attempt}")
    await hand(ctx)
    raise OSError("no answer")


async def only_hands_links(ctx: StepContext, then: str = "") -> str:
    await hand(ctx)
    if then == "fail":
        raise OSError("no answer")
    if then == "rerun" and ctx.runs == 1:
        ctx.rerun("1h")
    if then == "approval":
        await ctx.suspend(approval=Approval(approvers=(BOB,), pre_approval="allow"))
    return "begun"


async def goes_round_once(ctx: StepContext) -> int:
    if ctx.runs == 1:
        ctx.rerun("10s")
    return ctx.runs


async def polls(ctx: StepContext, name: str = "", rounds: int = 3) -> int:
    await hand(ctx, name=name)
    if ctx.runs < rounds:
        ctx.rerun("10s", {"name": name, "seen": [*(ctx.context or {}).get("seen", []), ctx.runs]})
    return ctx.runs


# -- helpers ----------------------------------------------------------------------------------------------------


def runs(function: str, name: str = "work", **more: Any) -> dict[str, Any]:
    return {"id": name, "run": f"{HERE}:{function}", **more}


def log(name: str = "tell", **with_: Any) -> dict[str, Any]:
    return {"id": name, "uses": "log", "with": with_}


def flow(steps: list[dict[str, Any]], **more: Any) -> Flow:
    return Flow.model_validate({"flow": "work", "steps": steps, **more})


def test(*flows: Flow) -> FlowTest:
    return FlowTest(*flows, people=PEOPLE, admins=[ZOE])


test.__test__ = False  # type: ignore[attr-defined]  # it is no test, it makes one


async def early(t: FlowTest, link: str, body: Any = None) -> Called:
    """A machine's call while something is under way, which ``FlowTest.call`` would wait for."""
    door, where = link.rsplit("/", 2)[1:]
    found = t.store.ids.parse_suspension(where)
    assert found is not None
    request = {"method": "POST", "headers": {"user-agent": "job"}, "query": {}, "body": body}
    return await t.engine.callback(*found, request, cancels=door == "c")


def told(run: Any) -> Any:
    return run.calls("log")[-1].params


async def whole(t: FlowTest, run: Any) -> bool:
    return broken_at(await t.ledger(run)) is None


READ = {"resume": "{{ resume.body if resume else 'none' }}", "out": "{{ steps.work.output }}"}


# -- P12 --------------------------------------------------------------------------------------------------------


async def test_P12_in_a_test_suspend_really_suspends_and_a_script_answers():
    async with test(flow([runs("suspends"), log(**READ)])) as t:
        run = await t.start(by=ANN)
        assert (run.status, run.waiting) == ("waiting", ["work"])
        with pytest.raises(LookupError, match="no link for machines"):
            await t.call("https://signoff.example.com/a/x")

        await t.call(heard[0]["resume"], {"ok": 1})

        assert (run.outcome, told(run)) == ("succeeded", {"resume": {"ok": 1}, "out": "begun"})
        assert heard[0]["resume"] == t.performer.addresses.machine(run.view.run, 1).resume


async def test_P12_in_a_test_rerun_really_waits_and_its_time_passes_on_the_fake_clock():
    async with test(flow([runs("polls"), log(**READ)])) as t:
        run = await t.start(by=ANN)
        await t.advance("9s")
        assert len(heard) == 1
        await t.advance("1s")
        assert len(heard) == 2
        await t.restart(down="1m")

        assert [(one["runs"], one["context"]) for one in heard] == [
            (1, None),
            (2, {"name": "", "seen": [1]}),
            (3, {"name": "", "seen": [1, 2]}),
        ]
        assert (run.outcome, told(run)["out"]) == ("succeeded", 3)
        assert await whole(t, run)


async def test_P12_a_test_that_waits_for_the_deadline_sees_it_pass():
    async with test(flow([runs("suspends")])) as t:
        run = await t.start(by=ANN)
        await t.advance("1h")

        assert run.outcome == "expired"
        with pytest.raises(Closed, match="closed by its deadline"):
            await t.call(heard[0]["resume"])


# -- what comes early -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("door", "outcome"), [("resume", "succeeded"), ("cancel", "cancelled")])
async def test_P8_what_is_kept_outlives_a_restart_and_an_attempt_that_fails(door, outcome):
    async def job(given: dict[str, Any]) -> None:
        if given["attempt"] == 1:
            assert await early(t, given[door], "kept") == Called(kept=True)

    script["job"] = job
    work = flow([runs("fails_once_before_it_suspends", retry={"max": 1, "delay": "1h"}), log(**READ)])
    async with test(work) as t:
        run = await t.start(by=ANN)
        assert (run.status, len(heard)) == ("running", 1)
        await t.restart(down="1h")

        assert (run.outcome, len(heard)) == (outcome, 2)
        assert run.steps["work"].callback["body"] == "kept"
        assert heard[0]["resume"] == heard[1]["resume"]
        with pytest.raises(Closed, match="used already by job"):
            await t.call(heard[0]["resume"])
        assert await whole(t, run)


async def test_P8_what_is_kept_wakes_the_round_that_the_function_then_asks_for():
    async def job(given: dict[str, Any]) -> None:
        if given["runs"] == 1:
            await early(t, given["resume"], "wake up")

    script["job"] = job
    async with test(flow([runs("only_hands_links", **{"with": {"then": "rerun"}})])) as t:
        run = await t.start(by=ANN)

        assert [(one["runs"], one["callback"]) for one in heard] == [(1, None), (2, "wake up")]
        assert run.outcome == "succeeded"


async def test_P8_what_is_kept_for_a_step_that_never_waits_is_used_by_nobody():
    async def job(given: dict[str, Any]) -> None:
        assert (await early(t, given["resume"], "kept")).kept

    script["job"] = job
    work = flow(
        [runs("only_hands_links"), log(callback="{{ steps.work.callback is none }}", resume="{{ resume is none }}")]
    )
    async with test(work) as t:
        run = await t.start(by=ANN)

        assert (run.outcome, told(run)) == ("succeeded", {"callback": True, "resume": True})
        with pytest.raises(Closed, match="has ended"):
            await t.call(heard[0]["cancel"])


async def test_P8_what_is_kept_is_no_answer_for_people():
    async def job(given: dict[str, Any]) -> None:
        assert (await early(t, given["resume"], "kept")).kept

    script["job"] = job
    work = flow([runs("only_hands_links", **{"with": {"then": "approval"}}), log(who="{{ approvers | join }}")])
    async with test(work) as t:
        run = await t.start(by=ANN)
        assert (run.status, run.suspension().decisions) == ("waiting", ())
        with pytest.raises(NotWaiting, match="people"):
            await t.call(heard[0]["cancel"])
        await t.approve(run, by=BOB)

        assert (run.outcome, told(run)) == ("succeeded", {"who": "Bob"})


async def test_W9_a_function_may_make_an_approval_that_takes_decisions_given_before():
    async def job(given: dict[str, Any]) -> None:
        run = t.store.ids.parse_suspension(given["resume"].rpartition("/")[2])[0]
        bob = await t.crowd.meet(t.store, BOB)
        assert await t.engine.decide_early(run, bob.id, Verdict.APPROVE, door=Door.PAGE) is False

    script["job"] = job
    async with test(flow([runs("only_hands_links", **{"with": {"then": "approval"}})])) as t:
        run = await t.start(by=ANN)

        assert run.outcome == "succeeded"
        assert run.steps["work"].decisions[0]["unseen"] is True


async def test_P13_an_attempt_that_asks_for_something_else_than_the_last_is_refused_and_the_wait_stays_what_it_was():
    async with test(flow([runs("changes_its_mind", retry={"max": 1, "delay": "1s"})])) as t:
        run = await t.start(by=ANN)
        assert run.suspension().suspension.ask == "attempt 1"
        await t.advance("1s")

        assert (run.outcome, len(heard)) == ("failed", 1)
        assert "waits already, for something else" in run.steps["work"].error
        assert not run.suspension().open


# -- the step's own wait ----------------------------------------------------------------------------------------

SCHEMA = {"type": "object", "required": ["n"]}


async def test_P8_a_functions_links_are_those_of_the_callback_that_its_step_has():
    refused: list[str] = []

    async def job(given: dict[str, Any]) -> None:
        with pytest.raises(InvalidForm) as wrong:
            await early(t, given["resume"], {"m": 1})
        refused.extend(wrong.value.fields)
        assert (await early(t, given["resume"], {"n": 1})).kept

    script["job"] = job
    async with test(flow([runs("only_hands_links", callback={"schema": SCHEMA}), log(**READ)])) as t:
        run = await t.start(by=ANN)

        assert refused == ["body"]
        assert (run.outcome, told(run)) == ("succeeded", {"resume": {"n": 1}, "out": "begun"})


async def test_a_step_may_go_round_and_then_ask_people():
    asks = {"approvers": [BOB], "ask": "{{ steps.work.output }}?"}
    async with test(flow([runs("goes_round_once", approval=asks)])) as t:
        run = await t.start(by=ANN)
        await t.advance("10s")
        assert (run.waiting, run.suspension().suspension.ask) == (["work"], "2?")
        await t.approve(run, by=BOB)

        assert run.outcome == "succeeded"


# -- ended from outside -----------------------------------------------------------------------------------------


async def test_R7_a_run_that_is_cancelled_while_its_function_works_is_over_whatever_the_function_does():
    async def job(given: dict[str, Any]) -> None:
        run = t.store.ids.parse_suspension(given["resume"].rpartition("/")[2])[0]
        ann = await t.crowd.meet(t.store, ANN)
        await t.engine.cancel(run, ann.id, door=Door.API)

    script["job"] = job
    async with test(flow([runs("suspends_late")])) as t:
        run = await t.start(by=ANN)

        assert (run.outcome, run.steps["work"].state) == ("cancelled", "cancelled")
        assert [one for one in run.view.suspensions if one.open] == []
        with pytest.raises(Closed, match="has ended"):
            await t.call(heard[0]["resume"])


async def test_a_callback_that_is_dropped_lets_the_run_go_on_and_kills_its_links():
    work = flow([runs("suspends"), log(dropped="{{ steps.work.dropped }}", resume="{{ resume is none }}")])
    async with test(work) as t:
        run = await t.start(by=ANN)
        with pytest.raises(NotAllowed):
            await t.drop(run, by=ANN, reason="no patience")
        await t.drop(run, by=ZOE, reason="the job is gone")

        assert (run.outcome, told(run)) == ("succeeded", {"dropped": True, "resume": True})
        with pytest.raises(Closed, match="dropped by Zoe"):
            await t.call(heard[0]["resume"])


async def test_K3_a_paused_run_takes_the_callback_and_goes_on_when_it_is_resumed():
    async with test(flow([runs("suspends"), log(**READ)])) as t:
        run = await t.start(by=ANN)
        await t.pause(run, by=ANN)
        await t.call(heard[0]["resume"], "meanwhile")
        assert (run.status, run.calls("log")) == ("paused", [])
        await t.unpause(run, by=ANN)

        assert (run.outcome, told(run)) == ("succeeded", {"resume": "meanwhile", "out": "begun"})


async def test_a_run_whose_callback_comes_while_there_is_no_place_goes_on_when_there_is_and_has_lost_nothing():
    busy = {"id": "busy", "uses": "http.request", "if": "inputs.busy", "retry": {"max": 1, "delay": "1h"}}
    inputs = [{"name": "busy", "type": "boolean", "default": False}]
    work = flow([busy, runs("suspends"), log(**READ)], inputs=inputs, concurrency=1)
    down = Turns(ActionError("down", retryable=True), 1)
    async with FlowTest(work, people=PEOPLE, actions={"http.request": down}) as t:
        run = await t.start(by=ANN)
        other = await t.start(by=ANN, inputs={"busy": True})
        await t.call(heard[0]["resume"], "no place")
        assert (run.status, other.status, run.calls("log")) == ("queued", "running", [])
        await t.advance("1h")

        assert other.status == "waiting"
        assert (run.outcome, told(run)) == ("succeeded", {"resume": "no place", "out": "begun"})


@pytest.mark.parametrize("fails", ["step", "round"])
async def test_a_branch_that_fails_ends_the_waits_and_rounds_of_the_other_and_their_links(fails):
    function = {"step": "suspends", "round": "polls"}[fails]
    branches = {"one": [runs(function)], "two": [{"id": "ask", "approval": {"approvers": [BOB], "on_reject": "fail"}}]}
    async with test(flow([{"id": "both", "parallel": branches}])) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB, step="both.two.ask")
        await t.advance("2h")

        assert (run.outcome, len(heard)) == ("failed", 1)
        assert run.steps["both.one.work"].state == "cancelled"
        with pytest.raises(Closed, match="cancelled"):
            await t.call(heard[0]["resume"])


# -- where no step may wait -------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["finally", "on_open"])
async def test_a_function_cannot_wait_for_a_machine_where_a_flow_file_may_not(where):
    if where == "finally":
        work = flow([log()], **{"finally": [runs("suspends", "clean")]})
    else:
        work = flow([{"id": "ask", "approval": {"approvers": [BOB], "on_open": [runs("suspends", "clean")]}}])
    async with test(work) as t:
        run = await t.start(by=ANN)

        path = "finally.clean" if where == "finally" else "ask.on_open.clean"
        assert run.steps[path].state == "failed"
        assert "cannot wait" in run.steps[path].error
        assert run.outcome == "failed"


# -- inside others ----------------------------------------------------------------------------------------------


async def test_R4_each_item_of_a_loop_goes_its_own_rounds_with_a_context_of_its_own():
    each = {
        "id": "each",
        "for_each": ["a", "b", "c"],
        "concurrency": 2,
        "steps": [runs("polls", **{"with": {"name": "{{ item }}"}})],
    }
    async with test(flow([each, log(out="{{ steps.each.output }}")])) as t:
        run = await t.start(by=ANN)
        await t.call(heard[0]["resume"], "wakes a")
        await t.advance("1m")

        assert (run.outcome, told(run)) == ("succeeded", {"out": [3, 3, 3]})
        for name in ("a", "b", "c"):
            mine = [one for one in heard if one["name"] == name]
            assert [one["context"] and one["context"]["seen"] for one in mine] == [None, [1], [1, 2]]
            assert [one["callback"] for one in mine] == [None, "wakes a" if name == "a" else None, None]
        assert len({one["resume"] for one in heard}) == 9
        assert await whole(t, run)


async def test_R4_duplicates_of_one_branchs_callback_do_not_touch_the_other():
    branches = {name: [runs("suspends", name), log(f"{name}_done", got="{{ resume.body }}")] for name in ("one", "two")}
    async with test(flow([{"id": "both", "parallel": branches}])) as t:
        run = await t.start(by=ANN)
        first, second = (one["resume"] for one in heard)
        before = run.suspension("both.two.two").suspension
        await t.call(first, 1)
        for _ in range(3):
            with pytest.raises(Closed):
                await t.call(first, 2)
        assert (run.waiting, run.suspension("both.two.two").suspension) == (["both.two.two"], before)
        await t.call(second, 3)

        assert run.outcome == "succeeded"
        assert [call.params for call in run.calls("log")] == [{"got": 1}, {"got": 3}]


async def test_each_round_of_repeat_has_links_of_its_own_and_those_of_the_last_are_dead():
    turns = {"id": "poll", "repeat": {"until": "steps.work.callback.body == 'done'"}, "steps": [runs("suspends")]}
    async with test(flow([turns])) as t:
        run = await t.start(by=ANN)
        await t.call(heard[0]["resume"], "not yet")
        with pytest.raises(Closed):
            await t.call(heard[0]["resume"], "done")
        assert (run.status, len(heard)) == ("waiting", 2)
        await t.call(heard[1]["resume"], "done")

        assert (run.outcome, len(heard)) == ("succeeded", 2)


async def test_R7b_a_childs_wait_is_its_parents_too():
    child = Flow.model_validate({"flow": "child", "steps": [runs("suspends")], "outputs": {"got": "{{ resume.body }}"}})
    work = flow([{"id": "sub", "flow": "child"}, log(got="{{ steps.sub.output.got }}")])
    async with test(work, child) as t:
        run, other = await t.start("work", by=ANN), await t.start("work", by=ANN)
        await t.call(heard[0]["resume"], 7)
        await t.cancel(other, by=ANN)

        assert (run.outcome, told(run)) == ("succeeded", {"got": 7})
        with pytest.raises(Closed, match="cancelled by Ann"):
            await t.call(heard[1]["resume"], 7)


async def test_a_wait_in_a_handler_is_a_wait_like_any():
    asks = {
        "id": "ask",
        "approval": {"approvers": [BOB], "on_reject": {"steps": [runs("suspends")], "then": "continue"}},
    }
    async with test(flow([asks, log(got="{{ steps.work.callback.body }}")])) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB)
        assert run.waiting == ["ask.on_reject.work"]
        await t.call(heard[0]["resume"], "go on")

        assert (run.outcome, told(run)) == ("succeeded", {"got": "go on"})
