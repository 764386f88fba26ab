"""What the laws of trees have found in the engine, each as small as it came to be."""

from __future__ import annotations

import json

import pytest

from flows.definition import Flow
from flows.errors import ActionError, Closed
from flows.run import Verdict
from flows.testing import FlowTest, Turns

ANN, BOB, CAY, DAN, ZOE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "zoe"))
PEOPLE = [ANN, BOB, CAY, DAN]
WRONG = "inputs.who > 1"
BUSY = ActionError("busy", retryable=True)
WHO = [{"name": "who", "type": "string", "required": False, "default": "x"}]


def flow(steps, **more):
    return Flow.model_validate({"flow": "work", "inputs": WHO, "steps": steps, **more})


def child(steps, **more):
    return Flow.model_validate({"flow": "child", "steps": steps, **more})


def log(name, **with_):
    return {"id": name, "uses": "log", "with": with_}


def ask(name="ask", **more):
    return {"id": name, "approval": {"approvers": [BOB], **more}}


def states(run):
    return {path: step.state for path, step in run.steps.items()}


def paths(calls):
    return [call.step for call in calls]


async def facts(t, run):
    return [fact for entry in await t.ledger(run) for fact in json.loads(entry.payload)["facts"]]


# -- what stops, stops whole ----------------------------------------------------------------------------------


async def test_steps_that_have_just_begun_end_with_what_holds_them():
    work = flow(
        [
            {
                "id": "both",
                "parallel": {
                    "left": [{"id": "bad", "if": WRONG, "uses": "log"}],
                    "right": [{"id": "b", "if": "true", "then": [log("x")]}],
                },
            }
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)

        assert run.outcome == "failed"
        assert states(run) == {"both": "failed", "both.left.bad": "failed", "both.right.b": "cancelled"}


async def test_a_branch_may_fail_at_the_very_start_beside_one_that_waits():
    work = flow(
        [{"id": "both", "parallel": {"left": [ask()], "right": [log("x"), {"id": "bad", "if": WRONG, "uses": "log"}]}}]
    )
    at_once = flow(
        [{"id": "both", "parallel": {"left": [ask()], "right": [{"id": "bad", "if": WRONG, "uses": "log"}]}}]
    )
    for one in (work, at_once):
        async with FlowTest(one, people=PEOPLE, actions={"log": 1}) as t:
            run = await t.start(by=ANN)

            assert run.outcome == "failed"
            assert states(run)["both.left.ask"] == "cancelled"


@pytest.mark.parametrize("fail_fast", [True, False])
async def test_items_beside_one_whose_output_cannot_be_rendered_do_not_outlive_the_loop(fail_fast):
    each = {
        "id": "each",
        "for_each": ["a", "b"],
        "concurrency": 2,
        "fail_fast": fail_fast,
        "output": "{{ item > 1 }}",
        "steps": [{**ask(), "if": "index == 1"}],
        "on_error": "continue",
    }
    async with FlowTest(flow([each, log("after")]), people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        if not fail_fast:
            assert (run.waiting, run.calls()) == (["each[1].ask"], [])
            await t.approve(run, by=BOB)

        assert (run.outcome, run.waiting) == ("succeeded", [])
        assert states(run)["each"] == "failed"
        assert paths(run.calls()) == ["after"]


async def test_what_runs_beside_a_wait_ends_with_it_where_people_leave():
    beside = [{"id": "later", "delay": "1d"}, log("ping")]
    work = flow([{**ask(on_open=beside), "on_error": "continue"}, log("after")])
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        t.crowd.leave(BOB)
        await t.engine.people_left(run.number, run.suspension("ask").suspension.n)
        await t.settle()

        assert (run.outcome, run.waiting) == ("succeeded", [])
        assert states(run) == {"ask": "failed", "ask.on_open.later": "cancelled", "after": "succeeded"}
        assert await t.store.next_due() is None


async def test_what_somebody_said_who_has_left_since_still_fills_their_seat():
    work = flow([{"id": "ask", "approval": {"approvers": [BOB], "quorum": {"all": [BOB, CAY]}}}])
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        t.crowd.leave(BOB)
        await t.engine.people_left(run.number, run.suspension("ask").suspension.n)
        await t.approve(run, by=CAY)

        assert run.outcome == "succeeded"


async def test_a_wait_whose_deadline_has_passed_is_not_dropped():
    async with FlowTest(flow([ask(timeout="1h")]), people=PEOPLE, admins=[ZOE]) as t:
        run = await t.start(by=ANN)
        await t.runner.drain()  # its timer is late
        t.clock.advance("2h")
        person = await t.crowd.meet(t.store, ZOE)
        n = run.suspension("ask").suspension.n
        with pytest.raises(Closed, match="deadline"):
            await t.engine.drop(run.number, n, person.id, "nobody cares", door="api")

        assert (await t.engine.peek(run.number, n)).suspension.closing.how == "expired"


# -- what always runs at the end ------------------------------------------------------------------------------


async def test_finally_runs_also_where_it_is_cancelled_while_steps_for_a_failure_run():
    work = flow(
        [{"id": "call", "uses": "http.request"}],
        on_error=[{"id": "alarm", "uses": "page", "retry": {"max": 1, "delay": "1h"}}],
        **{"finally": [log("clean", how="{{ run.outcome }}")]},
    )
    actions = {"http.request": ActionError("503"), "page": BUSY, "log": 1}
    async with FlowTest(work, people=PEOPLE, actions=actions) as t:
        run = await t.start(by=ANN)
        assert states(run)["on_error.alarm"] == "acting"
        await t.cancel(run, by=ANN)

        assert [call.params for call in run.calls("log")] == [{"how": "failed"}]
        assert (run.outcome, run.reason) == ("failed", "call: 503")


async def test_finally_that_was_held_by_a_pause_runs_where_the_run_is_cancelled():
    work = flow([ask()], **{"finally": [log("clean")]})
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        await t.pause(run, by=ANN)
        await t.reject(run, by=BOB)
        assert states(run)["finally.clean"] == "held"
        await t.cancel(run, by=ANN)

        assert (run.outcome, paths(run.calls())) == ("rejected", ["finally.clean"])


async def test_outputs_are_there_after_steps_that_always_run():
    work = flow([log("x", m="done")], outputs={"said": "{{ steps.x.output }}"}, **{"finally": [log("clean")]})
    async with FlowTest(work, people=PEOPLE, actions={"log": lambda w: w.get("m")}) as t:
        run = await t.start(by=ANN)

        assert run.view.run.outputs == {"said": "done"}


async def test_a_child_that_never_had_its_inputs_has_nothing_to_do_at_its_end():
    takes = [{"name": "sure", "type": "boolean"}]
    inner = child([ask()], inputs=takes, **{"finally": [log("sweep", sure="{{ inputs.sure }}")]})
    sub = {"id": "sub", "flow": "child", "with": {"sure": "{{ inputs.who }}"}}
    work = flow([{"id": "each", "for_each": [1, 2], "concurrency": 2, "steps": [sub]}], **{"finally": [log("clean")]})
    async with FlowTest(work, inner, people=PEOPLE) as t:
        run = await t.start("work", by=ANN)

        assert run.reason == "each[0].sub: sure: must be yes or no, not 'x'."
        assert paths(run.calls()) == ["finally.clean"]
        assert states(run)["each[1].sub"] == "cancelled"
        assert "each[1].sub.finally.sweep" not in states(run)


@pytest.mark.parametrize("way", ["cancelled", "superseded", "sibling", "run's time", "outer child's time"])
async def test_a_child_does_what_it_always_does_however_it_is_ended(way):
    inner = child([ask(timeout="9d")], **{"finally": [log("sweep", how="{{ run.outcome }}"), log("lock")]})
    middle = Flow.model_validate(
        {
            "flow": "middle",
            "steps": [{"id": "each", "for_each": [1, 2], "concurrency": 2, "steps": [{"id": "sub", "flow": "child"}]}],
            "finally": [log("middle")],
            **({"timeout": "1h"} if way == "outer child's time" else {}),
        }
    )
    work = flow(
        [
            {
                "id": "both",
                "parallel": {"left": [{"id": "mid", "flow": "middle"}], "right": [ask("other", timeout="9d")]},
            }
        ],
        **{"finally": [log("clean")]},
        **({"timeout": "1h"} if way == "run's time" else {}),
        **({"supersede": "{{ inputs.who }}"} if way == "superseded" else {}),
    )
    async with FlowTest(work, middle, inner, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start("work", by=ANN)
        assert len(run.waiting) == 3
        if way == "cancelled":
            await t.cancel(run, by=ANN)
        elif way == "superseded":
            await t.start("work", by=ANN)
        elif way == "sibling":
            await t.reject(run, by=BOB, step="both.right.other")
        else:
            await t.advance("1h")

        sub = "both.left.mid.each[{}].sub.finally.{}"
        first = {sub.format(index, name) for index in (0, 1) for name in ("sweep", "lock")}
        ran = paths(run.calls())
        assert set(ran[:4]) == first
        assert ran[4:] == ["both.left.mid.finally.middle", "finally.clean"]
        ends = {"sibling": "rejected", "cancelled": "cancelled", "superseded": "cancelled"}
        assert run.outcome == ends.get(way, "expired")
        assert states(run)["both.left.mid.each[0].sub"] == "cancelled"
        assert (await t.store.next_due() is None) is (way != "superseded")  # the newer run waits


async def test_a_child_that_is_wound_up_while_its_run_is_paused_begins_nothing_until_it_goes_on():
    inner = child([ask()], **{"finally": [log("sweep")]})
    work = flow([{"id": "both", "parallel": {"l": [{"id": "sub", "flow": "child"}], "r": [ask("other")]}}])
    async with FlowTest(work, inner, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start("work", by=ANN)
        await t.pause(run, by=ANN)
        await t.reject(run, by=BOB, step="both.r.other")
        assert run.calls() == []
        await t.unpause(run, by=ANN)

        assert (run.outcome, paths(run.calls())) == ("rejected", ["both.l.sub.finally.sweep"])


# -- what steps read ------------------------------------------------------------------------------------------


async def test_a_loop_whose_items_were_all_skipped_at_the_start_can_be_read():
    work = flow(
        [
            {"id": "each", "for_each": [1, 2], "steps": [{**log("x"), "if": "false"}]},
            {**log("after", got="{{ steps.each.output }}"), "if": "steps.each.output | length == 2"},
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)

        assert [call.params for call in run.calls()] == [{"got": [None, None]}]


async def test_items_that_follow_skipped_ones_know_what_they_are():
    work = flow([{"id": "each", "for_each": "[7, 1, 1, 8]", "steps": [{**log("x", n="{{ item }}"), "if": "item > 5"}]}])
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)

        assert run.outcome == "succeeded", run.reason
        assert [call.params for call in run.calls()] == [{"n": 7}, {"n": 8}]


async def test_loops_within_loops_can_be_read_as_a_whole():
    inner = {"id": "inner", "for_each": "[item, item * 10]", "steps": [log("x", n="{{ item }}")]}
    outer = {"id": "outer", "for_each": [1, 2], "steps": [{"id": "b", "if": "true", "then": [inner]}]}
    work = flow([outer, log("after", got="{{ steps.outer.output }}", n=0)])
    async with FlowTest(work, people=PEOPLE, actions={"log": lambda w: w["n"]}) as t:
        run = await t.start(by=ANN)

        assert run.calls()[-1].params["got"] == [[1, 10], [2, 20]]


async def test_what_follows_a_wait_that_was_answered_beforehand_reads_that_and_everything_before():
    work = flow(
        [
            log("build", m="b"),
            ask("gate"),
            ask(pre_approval="allow"),
            {**log("after", who="{{ approvers | join }}"), "if": "steps.build.output == 'b' and steps.ask.approved"},
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": lambda w: w.get("m")}) as t:
        run = await t.start(by=ANN)
        assert await t.decide_early(run, Verdict.APPROVE, by=BOB, step="ask") is False
        await t.approve(run, by=BOB, step="gate")

        assert run.outcome == "succeeded"
        assert run.calls()[-1].params == {"who": "Bob"}


async def test_steps_for_a_failure_at_the_threshold_read_what_was_before():
    work = flow(
        [
            log("build", m="b"),
            ask("first"),
            {
                "id": "bad",
                "if": WRONG,
                "uses": "log",
                "on_error": {"steps": [{**log("told"), "if": "steps.build.output is not none"}], "then": "continue"},
            },
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": lambda w: w.get("m")}) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)

        assert paths(run.calls()) == ["build", "bad.on_error.told"]


async def test_a_childs_own_steps_for_a_failure_read_the_error():
    inner = child(
        [{"id": "call", "uses": "http.request"}],
        on_error=[log("alarm", what="{{ error.message }}", where="{{ error.step }}")],
    )
    work = flow([{"id": "sub", "flow": "child"}])
    async with FlowTest(work, inner, people=PEOPLE, actions={"http.request": ActionError("503"), "log": 1}) as t:
        run = await t.start("work", by=ANN)

        assert [call.params for call in run.calls("log")] == [{"what": "sub.call: 503", "where": "sub.call"}]


@pytest.mark.parametrize("turns", [{"for_each": [1, 2]}, {"repeat": {"until": "index == 1", "max": 2}}])
async def test_a_loop_among_steps_for_a_failure_may_have_an_output(turns):
    mend = {"id": "mend", **turns, "steps": [log("x")], "output": "{{ index }} {{ error.message }}"}
    work = flow(
        [{"id": "call", "uses": "http.request", "on_error": {"steps": [mend, log("y")], "then": "continue"}}, log("z")]
    )
    async with FlowTest(work, people=PEOPLE, actions={"http.request": ActionError("503"), "log": 1}) as t:
        run = await t.start(by=ANN)

        last = "1 call: 503"
        assert run.outcome == "succeeded", run.reason
        assert run.steps["call.on_error.mend"].output in (last, ["0 call: 503", last])


# -- what waits its turn --------------------------------------------------------------------------------------


async def test_a_place_that_a_run_needs_for_no_moment_goes_on_to_the_next():
    work = flow(
        [
            {"id": "call", "if": "inputs.who == 'busy'", "uses": "http.request", "retry": {"max": 1, "delay": "1s"}},
            ask(),
        ],
        concurrency=1,
    )
    async with FlowTest(work, people=PEOPLE, actions={"http.request": Turns(BUSY, 1)}) as t:
        busy = await t.start(by=ANN, inputs={"who": "busy"})
        second, third = await t.start(by=ANN), await t.start(by=ANN)
        assert (second.status, third.status) == ("queued", "queued")
        await t.advance("1s")

        assert [run.waiting for run in (busy, second, third)] == [["ask"]] * 3


async def test_a_run_that_is_cancelled_in_the_queue_stands_in_it_no_more():
    work = flow(
        [{"id": "call", "uses": "http.request", "retry": {"max": 1, "delay": "1h"}}],
        concurrency=1,
        **{"finally": [{"id": "rest", "delay": "1d"}]},
    )
    async with FlowTest(work, people=PEOPLE, actions={"http.request": BUSY}) as t:
        await t.start(by=ANN)
        queued = await t.start(by=ANN)
        assert queued.status == "queued"
        await t.cancel(queued, by=ANN)

        assert (queued.status, queued.waiting) == ("waiting", ["finally.rest"])


async def test_a_round_that_waits_for_a_place_is_that_round_after_a_pause_too(tmp_path):
    (tmp_path / "polls.py").write_text(
        "from pathlib import Path\n"
        "async def poll(ctx):\n"
        "    with Path(__file__).with_name('rounds').open('a') as seen:\n"
        "        seen.write(f'{ctx.runs} ')\n"
        "    if ctx.runs == 1:\n"
        "        ctx.rerun(delay='10s')\n"
    )
    work = flow(
        [
            {"id": "poll", "if": "inputs.who == 'x'", "run": "polls:poll"},
            {"id": "call", "if": "inputs.who == 'busy'", "uses": "http.request", "retry": {"max": 1, "delay": "1h"}},
        ],
        concurrency=1,
    )
    async with FlowTest(work, people=PEOPLE, folder=tmp_path, actions={"http.request": Turns(BUSY, 1)}) as t:
        run = await t.start(by=ANN)
        await t.start(by=ANN, inputs={"who": "busy"})
        await t.advance("10s")
        assert (run.status, states(run)) == ("queued", {"poll": "held"})
        await t.pause(run, by=ANN)
        await t.unpause(run, by=ANN)
        await t.advance("1h")

        assert run.outcome == "succeeded"
        assert (tmp_path / "rounds").read_text() == "1 2 "


# -- what is on record ----------------------------------------------------------------------------------------


async def test_answers_given_beforehand_stand_before_those_that_came_later():
    people = {"approvers": [BOB, CAY, DAN], "quorum": 3, "pre_approval": "allow"}
    async with FlowTest(flow([{"id": "hold", "hold": {}}, {"id": "ask", "approval": people}]), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.decide_early(run, Verdict.APPROVE, by=BOB)
        await t.decide_early(run, Verdict.APPROVE, by=DAN)
        await t.resume(run, by=ANN)
        await t.approve(run, by=BOB, comment="now that I see it")
        await t.approve(run, by=CAY)

        assert [str(who) for who in run.steps["ask"].approvers] == ["Dan", "Bob", "Cay"]


async def test_the_ledger_says_why_a_step_that_went_on_had_failed():
    work = flow([{"id": "call", "uses": "http.request", "on_error": "continue"}])
    async with FlowTest(work, people=PEOPLE, actions={"http.request": ActionError("503")}) as t:
        run = await t.start(by=ANN)

        (ended,) = [fact for fact in await facts(t, run) if fact["is"] == "StepEnded"]
        assert ended == {"is": "StepEnded", "path": "call", "state": "failed", "error": "503"}


async def test_what_is_inside_ends_before_what_holds_it():
    work = flow([{"id": "b", "if": "true", "then": [{"id": "each", "for_each": [1], "steps": [ask()]}]}])
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.cancel(run, by=ANN)

        ended = [fact["path"] for fact in await facts(t, run) if fact["is"] == "StepEnded"]
        assert ended == ["b.then.each[0].ask", "b.then.each", "b"]


async def test_a_wait_that_a_merge_settles_is_kept_as_the_merge_made_it():
    work = flow([{"id": "ask", "approval": {"approvers": [BOB, CAY], "quorum": "all"}}])
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.merge(BOB, CAY)

        assert run.outcome == "succeeded"
        assert run.suspension("ask").suspension.needed == 1
