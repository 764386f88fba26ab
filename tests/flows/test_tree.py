"""Steps that hold steps, on the real engine: branches, loops, parallel branches, rounds, child flows, handlers."""

from __future__ import annotations

import pytest

from flows.definition import Flow
from flows.errors import ActionError, Closed, InvalidForm, NotAllowed, NotWaiting
from flows.run import Verdict
from flows.store import slices
from flows.testing import FlowTest, Turns

ANN, BOB, CAY, ZOE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "zoe"))
PEOPLE = [ANN, BOB, CAY, ZOE]


def flow(steps, **more):
    return Flow.model_validate({"flow": "work", "steps": steps, **more})


def log(name, **with_):
    return {"id": name, "uses": "log", "with": with_}


def ask(name="ask", **more):
    return {"id": name, "approval": {"approvers": [BOB], **more}}


def states(run):
    return {path: step.state for path, step in run.steps.items()}


# -- branches -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "ran", "output"), [(5, "small.else.low", "low"), (50, "small.then.high", "high")])
async def test_if_takes_one_branch_and_its_output_is_that_of_the_last_step(amount, ran, output):
    work = flow(
        [
            {"id": "small", "if": "inputs.n > 10", "then": [log("high", m="high")], "else": [log("low", m="low")]},
            log("after", got="{{ steps.small.output }}", other="{{ steps.low.output }}"),
        ],
        inputs=[{"name": "n", "type": "integer"}],
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": lambda w: w.get("m")}) as t:
        run = await t.start(by=ANN, inputs={"n": amount})

        assert run.outcome == "succeeded"
        assert states(run) == {"small": "succeeded", ran: "succeeded", "after": "succeeded"}
        assert run.calls()[-1].params == {"got": output, "other": "low" if amount == 5 else None}
        assert run.steps["small"].output == output


async def test_if_without_else_is_skipped_and_reads_as_null():
    work = flow([{"id": "big", "if": "false", "then": [log("in")]}, log("after", got="{{ steps.big.output }}")])
    async with FlowTest(work, people=PEOPLE, actions={"log": "x"}) as t:
        run = await t.start(by=ANN)

        assert states(run) == {"big": "skipped", "after": "succeeded"}
        assert run.calls()[-1].params == {"got": None}


@pytest.mark.parametrize(
    ("kind", "ran"), [("a", "case_a.x"), ("b", "case_b.y"), ("c", "default.z"), (None, "default.z")]
)
async def test_switch_takes_the_case_that_fits_or_the_default(kind, ran):
    work = flow(
        [
            {
                "id": "route",
                "switch": "inputs.kind",
                "cases": {"a": [log("x")], "b": [log("y")]},
                "default": [log("z")],
            }
        ],
        inputs=[{"name": "kind", "type": "string", "required": False}],
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN, inputs={"kind": kind})

        assert set(states(run)) == {"route", f"route.{ran}"}
        assert run.outcome == "succeeded"


async def test_W7b_a_wait_as_the_last_step_of_a_branch_and_of_a_loops_body_really_waits():
    work = flow(
        [
            {"id": "b", "if": "true", "then": [log("x"), ask("one")]},
            {"id": "each", "for_each": [1, 2], "steps": [log("y"), ask("two")]},
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        assert run.waiting == ["b.then.one"]
        await t.approve(run, by=BOB)
        assert run.waiting == ["each[0].two"]
        await t.approve(run, by=BOB)
        assert run.waiting == ["each[1].two"]
        await t.approve(run, by=BOB)

        assert run.outcome == "succeeded"


async def test_W5b_answers_are_readable_in_loops_branches_and_in_child_flows_through_inputs():
    child = Flow.model_validate(
        {
            "flow": "child",
            "inputs": [{"name": "who", "type": "string"}, {"name": "n", "type": "integer"}],
            "steps": [log("inner", text="{{ inputs.who }} {{ inputs.n }}")],
            "outputs": {"said": "{{ steps.inner.output }}"},
        }
    )
    work = flow(
        [
            ask("gate", form=[{"name": "n", "type": "integer"}]),
            {"id": "b", "if": "steps.gate.approved", "then": [log("in_branch", who="{{ approvers | join(', ') }}")]},
            {
                "id": "each",
                "for_each": "[1, 2]",
                "steps": [
                    ask("item", ask="item {{ item }} of {{ steps.gate.form.n }}"),
                    log(
                        "told", n="{{ steps.gate.form.n + item }}", by="{{ approvers | join(', ') }}", at="{{ index }}"
                    ),
                ],
            },
            {
                "id": "sub",
                "flow": "child",
                "with": {"who": "{{ steps.gate.approvers[0].name }}", "n": "{{ steps.gate.form.n }}"},
            },
            log("end", outputs="{{ steps.each.output }}", said="{{ steps.sub.output.said }}"),
        ]
    )
    async with FlowTest(work, child, people=PEOPLE, actions={"log": lambda w: w.get("text") or w.get("n")}) as t:
        run = await t.start("work", by=ANN)
        await t.approve(run, by=BOB, form={"n": 7})
        assert run.suspension().request.ask == "item 1 of 7"
        await t.approve(run, by=BOB)
        await t.approve(run, by=BOB)

        assert run.outcome == "succeeded", run.reason
        told = [call.params for call in run.calls() if "told" in call.step]
        assert told == [{"n": 8, "by": "Bob", "at": 0}, {"n": 9, "by": "Bob", "at": 1}]
        assert run.calls()[-1].params == {"outputs": [8, 9], "said": "Bob 7"}


# -- loops ----------------------------------------------------------------------------------------------------


async def test_for_each_keeps_the_outputs_in_order_and_no_more_than_so_many_at_once():
    work = flow(
        [
            {
                "id": "each",
                "for_each": {"from": 1, "to": "inputs.n"},
                "concurrency": 3,
                "steps": [log("x", n="{{ item }}", i="{{ loops.each.index }}")],
            },
            log("after", got="{{ steps.each.output }}", n="0"),
        ],
        inputs=[{"name": "n", "type": "integer"}],
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": lambda w: w["n"] * 10 if w["n"] != "0" else None}) as t:
        run = await t.start(by=ANN, inputs={"n": 250})

        assert run.outcome == "succeeded", run.reason
        assert run.calls()[-1].params["got"] == [n * 10 for n in range(1, 251)]
        assert run.calls()[-1].key.endswith("/after/1/action")
        assert run.calls()[4].key.endswith("each[4].x/1/action")


async def test_for_each_over_nothing_is_an_empty_list():
    work = flow([{"id": "each", "for_each": "[]", "steps": [log("x")]}, log("after", got="{{ steps.each.output }}")])
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)

        assert run.calls()[-1].params == {"got": []}


async def test_an_items_output_may_be_put_together():
    work = flow(
        [
            {
                "id": "each",
                "for_each": ["a", "{{ inputs.x }}"],
                "output": {"name": "{{ item }}", "by": "{{ approvers | join }}"},
                "steps": [ask()],
            },
            log("after", got="{{ steps.each.output }}"),
        ],
        inputs=[{"name": "x", "type": "string"}],
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN, inputs={"x": "b"})
        await t.approve(run, by=BOB)
        await t.approve(run, by=BOB)

        assert run.calls()[-1].params == {"got": [{"name": "a", "by": "Bob"}, {"name": "b", "by": "Bob"}]}


@pytest.mark.parametrize("fail_fast", [True, False])
async def test_R8_the_middle_wait_of_a_loop_expires(fail_fast):
    work = flow(
        [
            {
                "id": "each",
                "for_each": ["1d", "1h", "1d"],
                "concurrency": 3,
                "fail_fast": fail_fast,
                "steps": [
                    {"id": "pause", "if": "index == 1", "delay": "1m"},
                    ask(timeout="1h"),
                    log("x"),
                ],
            }
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB, step="each[0].ask")
        await t.advance("1m")
        await t.approve(run, by=BOB, step="each[2].ask")
        await t.advance("2h")

        assert run.outcome == "expired"
        done = {path for path, state in states(run).items() if state == "succeeded"}
        assert {"each[0].x", "each[2].x"} <= done


async def test_R8_where_it_continues_the_others_go_on():
    work = flow(
        [
            {
                "id": "each",
                "for_each": [1, 2, 3],
                "concurrency": 3,
                "steps": [
                    ask(timeout="1h", on_timeout="continue"),
                    log("x", late="{{ steps.ask.timed_out }}"),
                ],
            }
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": lambda w: w["late"]}) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB, step="each[0].ask")
        await t.approve(run, by=BOB, step="each[2].ask")
        await t.advance("1h")

        assert run.outcome == "succeeded"
        assert run.steps["each"].output == [False, True, False]


# -- parallel -------------------------------------------------------------------------------------------------


async def test_parallel_branches_wait_side_by_side_and_give_their_outputs_by_name():
    work = flow(
        [
            {"id": "both", "parallel": {"left": [ask("a"), log("x", m="l")], "right": [ask("b"), log("y", m="r")]}},
            log("after", got="{{ steps.both.output }}", who="{{ steps.b.approvers | join }}"),
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": lambda w: w.get("m")}) as t:
        run = await t.start(by=ANN)
        assert run.waiting == ["both.left.a", "both.right.b"]
        await t.approve(run, by=BOB, step="both.right.b")
        await t.approve(run, by=BOB, step="both.left.a")

        assert run.calls()[-1].params == {"got": {"left": "l", "right": "r"}, "who": "Bob"}


async def test_the_first_branch_that_stops_ends_the_others_at_once():
    work = flow([{"id": "both", "parallel": {"left": [ask("a"), log("x")], "right": [ask("b"), log("y")]}}])
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB, step="both.left.a", comment="no")

        assert (run.outcome, run.reason, run.ended_by) == ("rejected", "no", ["Bob"])
        assert states(run) == {"both": "rejected", "both.left.a": "rejected", "both.right.b": "cancelled"}
        assert run.view.run.waiting == 0


async def test_without_fail_fast_the_others_go_on_and_the_stop_counts_at_the_end():
    work = flow(
        [
            {
                "id": "both",
                "fail_fast": False,
                "parallel": {"left": [ask("a"), log("x")], "right": [ask("b"), log("y")]},
            }
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB, step="both.left.a")
        assert run.waiting == ["both.right.b"]
        await t.approve(run, by=BOB, step="both.right.b")

        assert run.outcome == "rejected"
        assert states(run)["both.right.y"] == "succeeded"


# -- rounds ---------------------------------------------------------------------------------------------------


async def test_repeat_goes_round_until_it_is_true_with_a_pause_between_rounds():
    work = flow(
        [
            {
                "id": "poll",
                "repeat": {"until": "steps.check.output.done", "delay": "10s", "max": 5},
                "steps": [log("check", round="{{ index }}")],
            },
            log("after", got="{{ steps.poll.output }}"),
        ]
    )
    answers = Turns({"done": False}, {"done": False}, {"done": True, "n": 3}, 0)
    async with FlowTest(work, people=PEOPLE, actions={"log": answers}) as t:
        run = await t.start(by=ANN)
        assert len(run.calls()) == 1
        await t.advance("10s")
        assert len(run.calls()) == 2
        await t.advance("10s")

        assert run.outcome == "succeeded"
        assert run.calls()[-1].params == {"got": {"done": True, "n": 3}}
        assert [call.params for call in run.calls()[:3]] == [{"round": 0}, {"round": 1}, {"round": 2}]


@pytest.mark.parametrize(("word", "outcome"), [("fail", "failed"), ("continue", "succeeded")])
async def test_repeat_that_is_never_true_is_exhausted(word, outcome):
    work = flow([{"id": "poll", "repeat": {"until": "false", "max": 3, "on_exhausted": word}, "steps": [log("check")]}])
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)

        assert run.outcome == outcome
        assert len(run.calls()) == 3
        if word == "fail":
            assert run.reason == "poll: not done after 3 rounds"


# -- handlers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("then", "outcome", "after"), [("fail", "failed", 0), ("continue", "succeeded", 1)])
async def test_on_error_runs_its_steps_and_goes_on_as_it_says(then, outcome, after):
    work = flow(
        [
            {
                "id": "call",
                "uses": "http.request",
                "on_error": {
                    "steps": [log("told", what="{{ error.message }}", where="{{ error.step }}")],
                    "then": then,
                },
            },
            log("after", got="{{ steps.call.output }}"),
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"http.request": ActionError("503"), "log": 1}) as t:
        run = await t.start(by=ANN)

        assert run.outcome == outcome
        assert run.calls("log")[0].params == {"what": "call: 503", "where": "call"}
        assert len(run.calls("log")) == 1 + after
        assert states(run)["call"] == "failed"


@pytest.mark.parametrize("kind", ["reject", "timeout"])
@pytest.mark.parametrize("then", ["end", "fail", "continue"])
async def test_K7_on_reject_and_on_timeout_run_their_steps_and_go_on_as_they_say(kind, then):
    handler = {"steps": [log("told", who="{{ steps.ask.decisions | length }}")], "then": then}
    work = flow([ask(**{f"on_{kind}": handler, "timeout": "1h"}), log("after", ok="{{ steps.ask.approved }}")])
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        if kind == "reject":
            await t.reject(run, by=BOB, comment="no")
        else:
            await t.advance("1h")

        ends = {"reject": "rejected", "timeout": "expired"}[kind]
        assert run.outcome == {"end": ends, "fail": "failed", "continue": "succeeded"}[then]
        assert run.calls()[0].step == f"ask.on_{kind}.told"
        assert states(run)["ask"] == ("failed" if then == "fail" else ends)
        if then == "continue":
            assert run.calls()[-1].params == {"ok": False}


async def test_a_handler_that_fails_itself_fails_the_step():
    work = flow([ask(on_reject=[{"id": "x", "uses": "http.request"}])])
    async with FlowTest(work, people=PEOPLE, actions={"http.request": ActionError("500")}) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB)

        assert (run.outcome, run.reason) == ("failed", "ask.on_reject.x: 500")


async def test_a_holding_step_catches_what_happens_inside():
    work = flow(
        [
            {"id": "b", "if": "true", "then": [ask()], "on_reject": {"steps": [log("told")], "then": "continue"}},
            log("after"),
        ]
    )
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB)

        assert run.outcome == "succeeded"
        assert [call.step for call in run.calls()] == ["b.on_reject.told", "after"]
        assert states(run)["b"] == "rejected"


@pytest.mark.parametrize("ending", ["succeeded", "rejected", "expired", "cancelled", "failed"])
async def test_finally_runs_exactly_once_on_every_path_and_knows_how_it_ends(ending):
    work = flow(
        [ask(timeout="1h"), {"id": "call", "uses": "http.request"}],
        **{"finally": [log("last", how="{{ run.outcome }}", why="{{ run.reason }}")]},
    )
    answer = ActionError("503") if ending == "failed" else 1
    async with FlowTest(work, people=PEOPLE, actions={"http.request": answer, "log": 1}) as t:
        run = await t.start(by=ANN)
        if ending == "rejected":
            await t.reject(run, by=BOB, comment="no")
        elif ending == "expired":
            await t.advance("1h")
        elif ending == "cancelled":
            await t.cancel(run, by=ANN, reason="never mind")
        else:
            await t.approve(run, by=BOB)

        why = {
            "succeeded": None,
            "rejected": "no",
            "expired": "ask: nobody decided in time",
            "cancelled": "never mind",
            "failed": "call: 503",
        }[ending]
        assert (run.outcome, run.reason) == (ending, why)
        assert [call.params for call in run.calls("log")] == [{"how": ending, "why": why}]
        assert states(run)["finally.last"] == "succeeded"


async def test_flow_level_on_error_runs_before_finally_and_the_first_reason_is_told():
    work = flow(
        [{"id": "call", "uses": "http.request"}],
        on_error=[log("alarm", what="{{ error.message }}")],
        **{"finally": [{"id": "clean", "uses": "http.request"}]},
    )
    async with FlowTest(work, people=PEOPLE, actions={"http.request": ActionError("503"), "log": 1}) as t:
        run = await t.start(by=ANN)

        assert (run.outcome, run.reason) == ("failed", "call: 503")
        assert [call.step for call in run.calls()] == ["call", "on_error.alarm", "finally.clean"]


async def test_K9_steps_that_run_when_a_wait_opens_run_once_even_if_nobody_answers():
    work = flow([ask(timeout="1h", on_open=[log("ping"), log("pong")])])
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start(by=ANN)
        assert [call.step for call in run.calls()] == ["ask.on_open.ping", "ask.on_open.pong"]
        assert run.waiting == ["ask"]
        await t.advance("1h")

        assert run.outcome == "expired"
        assert len(run.calls()) == 2


async def test_a_step_beside_a_wait_that_fails_fails_the_wait_because_nobody_may_have_heard():
    work = flow([ask(on_open=[{"id": "sms", "uses": "http.request"}])])
    async with FlowTest(work, people=PEOPLE, actions={"http.request": ActionError("401")}) as t:
        run = await t.start(by=ANN)

        assert (run.outcome, run.reason) == ("failed", "ask: on_open: ask.on_open.sms: 401")
        assert run.suspension("ask").suspension.closing.how == "cancelled"


# -- child flows ----------------------------------------------------------------------------------------------


def child_of(steps, **more):
    return Flow.model_validate({"flow": "child", "steps": steps, **more})


async def test_a_childs_rejection_ends_the_parent_unless_it_says_otherwise():
    child = child_of([ask()], **{"finally": [log("clean")]})
    parent = flow(
        [{"id": "sub", "flow": "child", "on_reject": "continue"}, log("after", how="{{ steps.sub.outcome }}")]
    )
    async with FlowTest(parent, child, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start("work", by=ANN)
        assert run.waiting == ["sub.ask"]
        await t.reject(run, by=BOB)

        assert run.outcome == "succeeded"
        assert [(call.step, call.params) for call in run.calls()] == [
            ("sub.finally.clean", {}),
            ("after", {"how": "rejected"}),
        ]


async def test_a_childs_own_time_limit_ends_it():
    child = child_of([ask(timeout="3d")], timeout="1h")
    parent = flow([{"id": "sub", "flow": "child", "on_timeout": "continue"}, log("after")])
    async with FlowTest(parent, child, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start("work", by=ANN)
        await t.advance("1h")

        assert run.outcome == "succeeded"
        assert states(run) == {"sub": "expired", "sub.ask": "cancelled", "after": "succeeded"}


async def test_a_runs_own_time_limit_ends_it():
    async with FlowTest(flow([ask(timeout="3d")], timeout="1h"), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.advance("59m")
        assert run.waiting == ["ask"]
        await t.advance("1m")

        assert (run.outcome, run.reason) == ("expired", "the run took longer than 1h")


async def test_a_secret_may_be_passed_to_a_child_and_reaches_its_action_in_clear():
    child = child_of([log("use", token="{{ inputs.token }}")], inputs=[{"name": "token", "type": "secret"}])
    parent = flow(
        [{"id": "sub", "flow": "child", "with": {"token": "{{ inputs.key }}"}}],
        inputs=[{"name": "key", "type": "secret"}],
    )
    async with FlowTest(parent, child, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start("work", by=ANN, inputs={"key": "hunter2-hunter2"})

        assert run.outcome == "succeeded", run.reason
        assert run.calls()[0].params == {"token": "hunter2-hunter2"}
        assert "hunter2" not in str(run.view.steps)


async def test_R7b_cancelling_ends_everything_inside_branches_loops_and_children():
    child = child_of([{"id": "both", "parallel": {"l": [ask("a")], "r": [{"id": "d", "delay": "1d"}]}}])
    parent = flow([{"id": "each", "for_each": [1, 2], "concurrency": 2, "steps": [{"id": "sub", "flow": "child"}]}])
    async with FlowTest(parent, child, people=PEOPLE) as t:
        run = await t.start("work", by=ANN)
        assert len(run.waiting) == 4
        await t.cancel(run, by=ANN)

        assert run.outcome == "cancelled"
        assert run.waiting == []
        assert set(states(run).values()) == {"cancelled"}
        assert await t.store.next_due() is None


async def test_outputs_of_a_flow_are_rendered_when_it_has_succeeded():
    work = flow(
        [ask(form=[{"name": "n", "type": "integer"}])], outputs={"n": "{{ resume.n }}", "by": "{{ approvers | join }}"}
    )
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB, form={"n": 4})

        assert run.view.run.outputs == {"n": 4, "by": "Bob"}


# -- pause ----------------------------------------------------------------------------------------------------


async def test_K3_a_paused_run_starts_nothing_new_and_goes_on_where_it_was_with_its_children():
    child = child_of([ask(), log("inner")])
    parent = flow([{"id": "sub", "flow": "child"}, log("after")])
    async with FlowTest(parent, child, people=PEOPLE, actions={"log": 1}) as t:
        run = await t.start("work", by=ANN)
        await t.pause(run, by=ANN)
        assert run.status == "paused"
        await t.approve(run, by=BOB)
        await t.advance("30d")
        assert (run.status, run.calls()) == ("paused", [])
        assert states(run)["sub.inner"] == "held"
        await t.unpause(run, by=ANN)

        assert run.outcome == "succeeded"
        assert [call.step for call in run.calls()] == ["sub.inner", "after"]
        facts = " ".join(str(entry.payload) for entry in await t.ledger(run))
        assert "RunPaused" in facts
        assert "RunResumed" in facts


# -- early decisions ------------------------------------------------------------------------------------------


async def test_W9_a_pre_approval_is_kept_for_the_next_approval_that_takes_it_and_used_once():
    work = flow(
        [
            {"id": "hold", "hold": {}},
            ask("no"),
            ask("one", pre_approval="allow"),
            ask("two", pre_approval="allow"),
        ]
    )
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        assert await t.decide_early(run, Verdict.APPROVE, by=BOB) is False
        await t.resume(run, by=ANN)
        assert run.waiting == ["no"]
        await t.approve(run, by=BOB)
        assert run.waiting == ["two"]
        (decision,) = run.suspension("one").decisions
        assert (decision.unseen, decision.digest) == (True, None)


async def test_W10_a_pre_approval_used_while_a_suspension_is_open_counts_there_at_once():
    async with FlowTest(flow([ask(pre_approval="allow")]), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        assert await t.decide_early(run, Verdict.APPROVE, by=BOB) is True

        assert run.outcome == "succeeded"


async def test_W11_nobody_is_counted_early_where_they_may_not_decide():
    work = flow(
        [{"id": "hold", "hold": {}}, {"id": "ask", "approval": {"approvers": [ANN, BOB], "pre_approval": "allow"}}]
    )
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.decide_early(run, Verdict.APPROVE, by=ANN)
        await t.decide_early(run, Verdict.APPROVE, by=CAY)
        await t.resume(run, by=ANN)

        assert run.waiting == ["ask"]
        assert run.suspension("ask").decisions == ()


async def test_W9_a_pre_rejection_likewise_and_by_path_where_several_open_at_once():
    both = {"b": [ask("x", pre_approval="allow")], "a": [ask("y", pre_approval="allow")]}
    work = flow([{"id": "hold", "hold": {}}, {"id": "both", "parallel": both}])
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.decide_early(run, Verdict.REJECT, by=BOB, comment="not this week")
        await t.resume(run, by=ANN)

        assert (run.outcome, run.reason, run.ended_by) == ("rejected", "not this week", ["Bob"])
        assert states(run)["both.a.y"] == "rejected"


# -- what a person may do besides -----------------------------------------------------------------------------


async def test_a_decision_may_be_taken_back_while_it_is_open():
    async with FlowTest(flow([ask(approvers=[BOB, CAY], quorum=2)]), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.withdraw(run, by=BOB)
        await t.approve(run, by=CAY)
        assert run.status == "waiting"
        with pytest.raises(NotWaiting):
            await t.withdraw(run, by=ZOE)
        await t.approve(run, by=BOB)

        assert run.outcome == "succeeded"


async def test_options_are_counted_apart_and_land_in_resume():
    work = flow(
        [ask(approvers=[BOB, CAY, ZOE], quorum=2, options=["eu", {"name": "us", "label": "America"}])],
        outputs={"where": "{{ resume.option }}", "all": "{{ resumes | map(attribute='option') | list }}"},
    )
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        with pytest.raises(InvalidForm, match="must be one of eu, us"):
            await t.approve(run, by=BOB)
        await t.approve(run, by=BOB, option="eu")
        await t.approve(run, by=CAY, option="us")
        assert run.status == "waiting"
        await t.approve(run, by=ZOE, option="us")

        assert run.outcome == "succeeded"
        assert run.view.run.outputs == {"where": "us", "all": ["eu", "us", "us"]}
        assert run.steps["ask"].option == "us"


@pytest.mark.parametrize(
    ("rule", "verdict", "refused"),
    [("reject", "reject", True), ("both", "approve", True), ("reject", "approve", False), ("never", "reject", False)],
)
async def test_a_reason_is_required_where_the_flow_says_so(rule, verdict, refused):
    async with FlowTest(flow([ask(reason=rule)]), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        if refused:
            with pytest.raises(InvalidForm, match="comment"):
                await t.decide(run, Verdict(verdict), by=BOB)
        await t.decide(run, Verdict(verdict), by=BOB, comment="because")

        assert run.outcome == {"approve": "succeeded", "reject": "rejected"}[verdict]


async def test_a_wait_may_be_dropped_by_an_admin_or_the_owner_and_that_is_no_approval():
    work = flow([ask(), log("after", ok="{{ steps.ask.approved }}", dropped="{{ steps.ask.dropped }}")], owner=CAY)
    for who in (ZOE, CAY):
        async with FlowTest(work, people=PEOPLE, admins=[ZOE], actions={"log": 1}) as t:
            run = await t.start(by=ANN)
            with pytest.raises(NotAllowed):
                await t.drop(run, by=ANN, reason="I want to")
            with pytest.raises(InvalidForm):
                await t.drop(run, by=who, reason=" ")
            await t.drop(run, by=who, reason="Bob is on leave")

            assert run.outcome == "succeeded"
            assert run.calls()[0].params == {"ok": False, "dropped": True}
            closing = run.suspension("ask").suspension.closing
            assert (closing.how, closing.reason) == ("dropped", "Bob is on leave")
            assert states(run)["ask"] == "dropped"
            assert run.steps["ask"].approvers == []


# -- several runs ---------------------------------------------------------------------------------------------


async def test_superseding_retires_the_older_waiting_run_with_the_same_key_only():
    work = flow([ask()], inputs=[{"name": "pr", "type": "integer"}], supersede="{{ inputs.pr }}")
    async with FlowTest(work, people=PEOPLE) as t:
        old = await t.start(by=ANN, inputs={"pr": 1})
        other = await t.start(by=ANN, inputs={"pr": 2})
        new = await t.start(by=ANN, inputs={"pr": 1})

        assert (old.outcome, old.reason) == ("cancelled", f"superseded by {new.id}")
        assert old.suspension("ask").suspension.closing.how == "superseded"
        assert (other.status, new.status) == ("waiting", "waiting")


@pytest.mark.parametrize("keep", [False, True])
async def test_concurrency_queues_the_next_run_and_a_waiting_one_keeps_its_place_only_if_told_to(keep):
    limit = {"limit": 1, "while_waiting": "keep" if keep else "free"}
    work = flow([log("a"), ask(), log("b")], concurrency=limit)
    async with FlowTest(work, people=PEOPLE, actions={"log": 1}) as t:
        one = await t.start(by=ANN)
        two = await t.start(by=ANN)
        assert one.waiting == ["ask"]
        assert two.status == ("queued" if keep else "waiting")
        await t.approve(one, by=BOB)

        assert one.outcome == "succeeded"
        assert two.waiting == ["ask"]
        await t.approve(two, by=BOB)
        assert two.outcome == "succeeded"
        assert await t.store.read(lambda c, _: slices.places_held(c, "work")) == 0


async def test_only_starters_may_start():
    async with FlowTest(flow([log("a")], starters=[BOB]), people=PEOPLE, actions={"log": 1}) as t:
        with pytest.raises(NotAllowed):
            await t.start(by=ANN)
        assert (await t.start(by=BOB)).outcome == "succeeded"


# -- callbacks ------------------------------------------------------------------------------------------------


async def test_P2_a_machines_request_is_what_resume_means():
    work = flow(
        [{"id": "job", "callback": {"schema": {"type": "object", "required": ["n"]}}}],
        outputs={"got": "{{ resume }}", "n": "{{ steps.job.callback.body.n }}"},
    )
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        link = t.links_of(run).resume
        with pytest.raises(InvalidForm):
            await t.call(link, {"m": 1})
        assert run.status == "waiting"
        await t.call(link, {"n": 1}, method="PUT", headers={"user-agent": "jenkins"}, query={"q": "x"})

        assert run.outcome == "succeeded"
        request = {"method": "PUT", "headers": {"user-agent": "jenkins"}, "query": {"q": "x"}, "body": {"n": 1}}
        assert run.view.run.outputs == {"got": request, "n": 1}
        with pytest.raises(Closed, match="used already by jenkins"):
            await t.call(link, {"n": 1})


async def test_P2_the_cancel_link_ends_the_run_as_cancelled():
    async with FlowTest(flow([{"id": "job", "callback": {}}]), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        await t.call(t.links_of(run).cancel)

        assert run.outcome == "cancelled"


async def test_P8_a_callback_before_the_step_has_ended_is_kept_and_used_once():
    work = flow(
        [{"id": "job", "uses": "http.request", "with": {"json": {"back": "{{ links.resume }}"}}, "callback": {}}]
    )

    async def job(with_):
        await t.engine.callback(
            *t.store.ids.parse_suspension(with_["json"]["back"].rsplit("/", 1)[1]),
            {"method": "POST", "headers": {}, "query": {}, "body": 7},
            cancels=False,
        )

    async with FlowTest(work, people=PEOPLE, actions={"http.request": job}) as t:
        run = await t.start(by=ANN)

        assert run.outcome == "succeeded"
        assert run.steps["job"].callback["body"] == 7
