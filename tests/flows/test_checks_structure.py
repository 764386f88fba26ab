"""How steps may stand: their names, how many and how deep, where nobody can be waited for, what loops run over."""

from __future__ import annotations

import time
from typing import Any

import pytest

from flows.checks import check
from flows.definition import MAX_DEPTH
from tests.flows.checking import ask, flow, found, line, log, told, warned

# --- Names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "holder",
    [
        {"id": "h", "if": "true", "then": [log()]},
        {"id": "h", "if": "true", "then": [log(name="x")], "else": [log()]},
        {"id": "h", "switch": "inputs.who", "cases": {"a": [log()]}},
        {"id": "h", "switch": "inputs.who", "cases": {"a": [log(name="x")]}, "default": [log()]},
        {"id": "h", "for_each": [1], "steps": [log()]},
        {"id": "h", "repeat": {"until": "true"}, "steps": [log()]},
        {"id": "h", "parallel": {"a": [log()]}},
        {"id": "h", "delay": "1m", "on_error": [log()]},
        ask("h", on_open=[log()]),
        ask("h", on_reject=[log()]),
        ask("h", on_timeout={"steps": [log()], "then": "continue"}),
    ],
)
def test_ids_are_unique_at_every_depth(holder):
    (problem,) = told(log(), holder)

    assert problem.endswith("two steps have the id 'log', and ids are unique in the whole flow (rename one of them)")


@pytest.mark.parametrize("phase", ["finally", "on_error"])
def test_ids_are_unique_among_the_steps_for_the_end_too(phase):
    assert told(log(), **{phase: [log()]}) == [
        f"{phase}.0.id: two steps have the id 'log', and ids are unique in the whole flow (rename one of them)"
    ]


def test_the_names_of_the_flows_own_steps_are_taken():
    assert told(log(name="finally"), log(name="on_error")) == [
        "steps.0.id: 'finally' is the name of the flow's own 'finally' steps (rename it)",
        "steps.1.id: 'on_error' is the name of the flow's own 'on_error' steps (rename it)",
    ]
    assert told({"id": "h", "if": "true", "then": [log(name="finally")]}) == []
    assert told({"id": "h", "for_each": [1], "steps": [log(name="on_error")]}) == []


@pytest.mark.parametrize(
    "name", ["on_open", "on_timeout", "on_reject", "on_error", "then", "else", "default", "case_x"]
)
def test_a_branch_cannot_be_named_like_what_is_no_branch(name):
    assert told({"id": "both", "parallel": {name: [log()]}}) == [
        f"steps.0.parallel.{name}: a branch cannot be named {name!r}: that has a meaning of its own (rename it)"
    ]


@pytest.mark.parametrize("name", ["1.5", "a[1]"])
def test_a_case_cannot_have_what_has_a_meaning_in_paths(name):
    (problem,) = told({"id": "route", "switch": "inputs.who", "cases": {name: [log()]}})

    assert f"the case {name!r} names steps in the run's paths" in problem
    assert told({"id": "route", "switch": "inputs.who", "cases": {"New York-1": [log()]}}) == []


# --- How many, how deep -----------------------------------------------------------------------------------------------


def nested(depth: int) -> dict[str, Any]:
    step = log(name=f"s{depth}")
    for level in range(depth - 1, 0, -1):
        step = {"id": f"s{level}", "if": "true", "then": [step]}
    return step


def test_steps_that_stand_too_deep_are_told_once():
    assert told(nested(MAX_DEPTH)) == []
    assert [problem.rpartition(": ")[2] for problem in told(nested(MAX_DEPTH + 3))] == [
        "stands in 12 other steps, which is deeper than anybody can follow (move some of it into a child flow)"
    ]


def test_steps_are_counted_at_every_depth():
    branch = {"id": "h", "if": "true", "then": [log(name=f"a{i}") for i in range(400)]}

    assert told(branch, *(log(name=f"b{i}") for i in range(99))) == []
    assert told(branch, *(log(name=f"b{i}") for i in range(100))) == [
        (
            "steps: the flow has 501 steps at all depths, and at most 500 are possible"
            " (move some of them into a child flow)"
        )
    ]


def test_five_hundred_steps_are_checked_within_a_second():
    def block(i: int) -> dict[str, Any]:
        text = "{{ inputs.who }} {{ run.id }} {{ approvers | join(', ') }} {{ steps.start.approved }}"
        loop = {"id": f"l{i}", "for_each": [1], "steps": [log(text + " {{ item }}", name=f"x{i}")]}
        return {"id": f"b{i}", "if": "inputs.who", "then": [log(text, name=f"y{i}"), loop], "else": [ask(f"z{i}")]}

    whole = flow(ask("start"), *(block(i) for i in range(99)))
    assert len(list(whole.every_step())) > 490
    started = time.perf_counter()

    check(whole)

    assert time.perf_counter() - started < 1


# --- Where nobody can be waited for -----------------------------------------------------------------------------------

WAITS = [
    {"id": "w", "approval": {"approvers": ["@x"]}},
    {"id": "w", "hold": {}},
    {"id": "w", "callback": {}},
]


@pytest.mark.parametrize("wait", WAITS)
def test_steps_of_finally_wait_for_nobody(wait):
    inside = {"id": "h", "if": "true", "then": [wait]}

    for steps in ([wait], [inside]):
        (problem,) = told(log(), **{"finally": steps})
        assert "steps of 'finally' cannot wait for people or machines: the run is about to end" in problem
    assert told(log(), **{"finally": [{"id": "w", "delay": "1m"}]}) == []


@pytest.mark.parametrize("wait", WAITS)
def test_K9_steps_of_on_open_wait_for_nobody(wait):
    (problem,) = told(ask(on_open=[{"id": "h", "if": "true", "then": [wait]}]))

    assert "steps of 'on_open' run beside a wait and cannot open another one" in problem
    assert told(ask(on_open=[{"id": "w", "delay": "1m"}])) == []


@pytest.mark.parametrize("wait", WAITS)
def test_other_handlers_may_wait(wait):
    assert told(ask(on_reject=[wait]), on_error=[{**wait, "id": "v"}]) == []


def test_an_action_that_sends_the_links_of_its_wait_needs_one():
    assert told({"id": "a", "uses": "slack.request_approval"}) == [
        "steps.0.uses: sends the links of its own wait, and has none (add 'approval', 'hold' or 'callback')"
    ]
    assert told({"id": "a", "uses": "slack.request_approval", "hold": {}}) == []


# --- Callbacks --------------------------------------------------------------------------------------------------------


def test_the_schema_of_a_callback_has_to_be_one():
    (problem,) = told({"id": "c", "callback": {"schema": {"type": "objct"}}})

    assert problem.startswith("steps.0.callback.schema: the schema is wrong at $.type")
    assert told({"id": "c", "callback": {"schema": {"type": "object", "required": ["job"]}}}) == []


@pytest.mark.parametrize("address", ["ftp://example.org/", "thanks", "javascript:alert(1)"])
def test_the_page_after_a_callback_has_to_be_one(address):
    (problem,) = told({"id": "c", "callback": {"redirect": address}})

    assert problem.startswith("steps.0.callback.redirect: must be a web address")
    assert told({"id": "c", "callback": {"redirect": "https://example.org/thanks"}}) == []
    assert told({"id": "c", "callback": {"redirect": "https://example.org/{{ inputs.who }}"}}) == [
        "steps.0.callback.redirect: is the same for every run: expressions are not rendered here (write it out)"
    ]


# --- Loops and conditions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ({"id": "a", "switch": "inputs.who ==", "cases": {"x": [log()]}}, "switch"),
        ({"id": "a", "for_each": "inputs.who ==", "steps": [log()]}, "for_each"),
        ({"id": "a", "for_each": ["{{ inputs.who == }}"], "steps": [log()]}, "for_each.0"),
        ({"id": "a", "for_each": {"from": "inputs.who ==", "to": 3}, "steps": [log()]}, "for_each.from"),
        ({"id": "a", "for_each": {"to": "inputs.who =="}, "steps": [log()]}, "for_each.to"),
        ({"id": "a", "repeat": {"until": "inputs.who =="}, "steps": [log()]}, "repeat.until"),
        ({"id": "a", "repeat": {"until": "true", "delay": "{{ inputs.who == }}"}, "steps": [log()]}, "repeat.delay"),
        ({"id": "a", "parallel": {"x": [log()]}, "output": ["{{ inputs.who == }}"]}, "output.0"),
        (ask("a", on_open=[{"id": "b", "if": "inputs.who ==", "delay": "1m"}]), "approval.on_open.0.if"),
        ({"id": "a", "callback": {"ask": "{{ inputs.who == }}"}}, "callback.ask"),
    ],
)
def test_every_new_expression_has_to_compile(step, place):
    (problem,) = told(step)

    assert problem.startswith(f"steps.0.{place}: this cannot be read")


@pytest.mark.parametrize(
    "step",
    [
        {"id": "a", "switch": "inputs.nope", "cases": {"x": [log()]}},
        {"id": "a", "for_each": "inputs.nope", "steps": [log()]},
        {"id": "a", "for_each": [{"deep": ["{{ inputs.nope }}"]}], "steps": [log()]},
        {"id": "a", "for_each": {"from": "inputs.nope", "to": 3}, "steps": [log()]},
        {"id": "a", "repeat": {"until": "inputs.nope"}, "steps": [log()]},
        {"id": "a", "repeat": {"until": "true", "delay": "{{ inputs.nope }}"}, "steps": [log()]},
        {"id": "a", "if": "true", "then": [log()], "output": "{{ inputs.nope }}"},
        {"id": "a", "flow": "child", "with": {"x": "{{ inputs.nope }}"}},
        {"id": "a", "approval": {"approvers": ["@x"], "veto": ["{{ inputs.nope }}"]}},
        {"id": "a", "approval": {"quorum": {"all": ["@x", {"any": ["{{ inputs.nope }}", "@y"]}]}}},
        {
            "id": "a",
            "hold": {
                "form": [
                    {"name": "x", "type": "select", "options": [{"value": "v", "label": "{{ inputs.nope }}"}]},
                ]
            },
        },
        {"id": "a", "delay": "1m", "on_error": [log("{{ inputs.nope }}")]},
    ],
)
def test_every_new_place_that_is_rendered_is_checked(step):
    assert ["'inputs' has no 'nope'" in problem for problem in told(step)] == [True]


def test_a_range_that_is_empty_is_told():
    assert told({"id": "a", "for_each": {"from": 5, "to": 1}, "steps": [log()]}) == [
        "steps.0.for_each: runs for nothing: it begins with 5 and ends with 1 (swap them)"
    ]
    assert told({"id": "a", "for_each": {"from": 1, "to": 1}, "steps": [log()]}) == []


@pytest.mark.parametrize("delay", ["soon", "2026-12-24T08:00:00Z"])
def test_between_two_rounds_lies_a_duration(delay):
    step = {"id": "a", "repeat": {"until": "true", "delay": delay}, "steps": [log()]}

    assert told(step) == [f"steps.0.repeat.delay: must be a duration like 10s, 2d or 1h30m; it is {delay!r}"]
    assert told({**step, "repeat": {"until": "true", "delay": "10s"}}) == []


# --- The flow itself --------------------------------------------------------------------------------------------------


def test_the_key_that_supersedes_reads_inputs_only():
    assert told(log(), supersede="{{ inputs.who }}") == []
    assert told(log(), supersede="{{ inputs.woh }} {{ run.id }} {{ steps.log.output }}") == [
        "supersede: 'inputs' has no 'woh' (did you mean 'who'?)",
        "supersede: 'run' cannot be read before there is a run (only 'inputs' can be read here)",
        "supersede: 'steps' cannot be read before there is a run (only 'inputs' can be read here)",
    ]
    assert len(told(log(), supersede="{{ inputs.who")) == 1


def test_what_a_form_asks_may_not_hang_on_itself():
    fields = [{"name": "a", "type": "string", "when": "b == 'x'"}, {"name": "b", "type": "string", "when": "a == 'x'"}]
    cycle = "whether these are asked depends on each other: a → b → a (leave one 'when' out)"

    assert told(log(), inputs=fields) == [f"inputs.0.when: {cycle}"]
    assert told({"id": "h", "if": "true", "then": [{"id": "a", "hold": {"form": fields}}]}) == [
        f"steps.0.then.0.hold.form.0.when: {cycle}"
    ]


@pytest.mark.parametrize("text", ["{% if x %}hello{% endif %}", "hello {# nobody #}"])
def test_statements_are_text_and_worth_a_warning(text):
    assert warned(log(text)) == [
        (
            "steps.0.with.text: statements are not run: this text is shown as it stands, braces and all"
            " (use {{ a if b else c }}, or an 'if' on the step)"
        )
    ]
    assert warned(log("100 {% and"), log("{# and", name="b"), log("%} {%", name="c")) == []


def test_what_is_never_rendered_is_worth_a_warning_where_it_has_braces():
    options = [{"name": "a", "label": "For {{ inputs.who }}"}]

    places = [line(finding).partition(":")[0] for finding in found(ask(options=options), title="{{ inputs.who }}")]

    assert places == ["title", "steps.0.approval.options.0.label"]


# --- Accounts ---------------------------------------------------------------------------------------------------------


def test_a_connection_has_to_be_known_where_they_are():
    step = {"id": "a", "uses": "slack.post", "connection": "amin"}

    assert told(step) == []
    assert told(step, connections={"slack": ["main", "other"]}) == [
        "steps.0.connection: there is no account 'amin' of 'slack' (did you mean 'main'?)"
    ]
    assert told(step, connections={"gmail": ["amin"]}) == [
        "steps.0.connection: there is no account 'amin' of 'slack' (there are no named accounts of 'slack')"
    ]
    assert told({**step, "connection": "main"}, connections={"slack": ["main"]}) == []


def test_a_connection_needs_an_action_of_an_integration():
    assert told({"id": "a", "run": "module:function", "connection": "main"}) == [
        "steps.0.connection: has no action of an integration that could use it (leave 'connection' out)"
    ]
