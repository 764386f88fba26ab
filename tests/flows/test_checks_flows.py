"""Flows beside each other: what they run, what they are given, what they hear of."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Flow
from tests.flows.checking import ask, flow, found, log, told, warned

FIELDS = [
    {"name": "who", "type": "email"},
    {"name": "pin", "type": "secret"},
    {"name": "note", "type": "string", "required": False},
    {"name": "size", "type": "integer", "default": 1},
    {"name": "why", "type": "string", "when": "size > 3"},
]
CHILD = flow(ask(), name="child", inputs=FIELDS, outputs={"result": "{{ approvers }}"})


def runs(name: str, step: str = "sub", **given: Any) -> dict[str, Any]:
    return {"id": step, "flow": name, "with": given}


GIVEN = {"who": "{{ inputs.who }}", "pin": "{{ inputs.token }}"}

# --- Child flows ------------------------------------------------------------------------------------------------------


def test_a_child_flow_that_is_given_what_it_takes_is_left_alone():
    step = {"id": "big", "if": "true", "then": [runs("child", **GIVEN, size=3)]}

    assert found(step, log("{{ steps.sub.output.result }}"), others=[CHILD]) == []


def test_an_unknown_child_flow_is_told_with_the_nearest_one():
    step = {"id": "each", "for_each": [1], "steps": [runs("chlid")]}

    assert told(step, others=[CHILD]) == ["steps.0.steps.0.flow: there is no flow 'chlid' (did you mean 'child'?)"]
    assert told(step) == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"wo": "x"}, "wo: unknown input 'wo' (did you mean 'who'?)"),
        ({"who": "ann"}, "who: must be a mail address like ann@example.com, not 'ann'"),
        ({"size": "many"}, "size: must be a whole number, not 'many'"),
        ({"who": None}, "who: the input 'who' is missing (it takes a mail address like ann@example.com)"),
        ({"pin": ""}, "pin: the input 'pin' is missing"),
        ({"note": "{{ inputs.token }}"}, "note: 'inputs.token' is a secret, and the input 'note' of 'child' is none (give that input the type 'secret')"),
        ({"note": "{{ inputs }}"}, "note: 'inputs.token' is a secret, and the input 'note' of 'child' is none (give that input the type 'secret')"),
    ],
)  # fmt: skip
def test_what_a_child_flow_is_given_has_to_fit_its_inputs(given, problem):
    assert told(runs("child", **{**GIVEN, **given}), others=[CHILD]) == [f"steps.0.with.{problem}"]


def test_outputs_that_a_child_flow_does_not_give_are_told():
    assert told(runs("child", **GIVEN), log("{{ steps.sub.output.reslt }}"), others=[CHILD]) == [
        "steps.1.with.text: the flow 'child' has no output 'reslt' (did you mean 'result'?)"
    ]


def test_a_flow_that_runs_itself_is_told_also_where_it_stands_alone():
    assert told(runs("a")) == ["steps.0.flow: the flow would run itself without end (a 'repeat' runs steps again)"]


def test_flows_that_run_each_other_are_told_with_the_way():
    b = flow({"id": "big", "if": "true", "then": [runs("c")]}, name="b", inputs=[])
    c = flow(runs("a", who="ann@example.org", token="x"), name="c", inputs=[])
    apart = flow(runs("b"), name="d", inputs=[])

    assert told(runs("b"), others=[b, c]) == [
        "steps.0.flow: these flows would run each other without end: a -> b -> c -> a (take one step out)"
    ]
    assert told(runs("b"), name="d", others=[b, c, apart]) == []


@pytest.mark.parametrize("place", ["finally", "on_open"])
def test_a_child_flow_that_waits_is_not_run_where_nobody_can_wait(place):
    nobody = flow(log(), name="nobody", inputs=[])
    steps = [runs("child", **GIVEN), runs("nobody", "other")]
    where: Any = {"finally": steps} if place == "finally" else {}
    first = log() if place == "finally" else ask("first", on_open=steps)

    (problem,) = told(first, others=[CHILD, nobody], **where)

    assert problem.endswith(f"the flow 'child' waits for people or machines, which steps of {place!r} cannot do")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"flow": "chlid"}, "flow: there is no flow 'chlid' (did you mean 'child'?)"),
        ({"flow": "child", "inputs": {**GIVEN, "who": "ann"}}, "inputs.who: must be a mail address like ann@example.com, not 'ann'"),
        ({"flow": "child", "inputs": {**GIVEN, "note": "{{ inputs.token }}"}}, "inputs.note: 'inputs.token' is a secret, and the input 'note' of 'child' is none (give that input the type 'secret')"),
    ],
)  # fmt: skip
def test_a_flow_that_an_action_starts_is_held_against_what_it_takes(given, problem):
    step = {"id": "a", "uses": "signoff.start", "with": given}

    assert told(step, others=[CHILD]) == [f"steps.0.with.{problem}"]
    assert told(step) == []
    assert told({**step, "with": {"flow": "child", "inputs": GIVEN}}, others=[CHILD]) == []
    assert told({**step, "with": {**given, "flow": "{{ inputs.who }}"}}, others=[CHILD]) == []


# --- Triggers ---------------------------------------------------------------------------------------------------------

HEARS = {"inputs": {"who": "ann@example.org", "token": "x"}}


@pytest.mark.parametrize(
    ("trigger", "place", "words"),
    [
        ({"schedule": "61 9 * * *"}, "schedule", "the minute '61' is not right"),
        ({"schedule": "0 9 * * *", "timezone": "Europe/Berln"}, "timezone", "there is no time zone 'Europe/Berln' (did you mean 'Europe/Berlin'?)"),
        ({"schedule": "0 9 * * *", "if": "request.body"}, "if", "nothing is called 'request' in this trigger"),
        ({"webhook": "pushed", "if": "request.boby.x"}, "if", "'request' has no 'boby' (did you mean 'body'?)"),
        ({"on": "ended", "flow": "b", "if": "event.outcom == 'x'"}, "if", "'event' has no 'outcom' (did you mean 'outcome'?)"),
        ({"on": "ended", "flow": "b", "if": "steps.x.output"}, "if", "nothing is called 'steps' in this trigger"),
        ({"on": "ended", "flow": "bb"}, "flow", "there is no flow 'bb' (did you mean 'b'?)"),
        ({"webhook": "pushed", "inputs": {"who": "ann", "token": "x"}}, "inputs.who", "must be a mail address"),
        ({"webhook": "pushed", "inputs": {"woh": "x", "who": "{{ request.body.who }}", "token": "x"}}, "inputs.woh", "the flow has no input 'woh' (did you mean 'who'?)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_trigger_is_told(trigger, place, words):
    others = [flow(log(), name="b")]

    (problem,) = told(log(), owner="ann@example.org", triggers=[{**HEARS, **trigger}], others=others)

    assert problem.startswith(f"triggers.0.{place}: {words}")


@pytest.mark.parametrize("trigger", [{"schedule": "0 9 * * *"}, {"webhook": "pushed"}])
def test_what_a_clock_or_a_webhook_starts_needs_an_owner(trigger):
    (problem,) = told(log(), triggers=[{**HEARS, **trigger}])

    assert "name a person as the flow's 'owner'" in problem
    assert told(log(), triggers=[{**HEARS, "on": "ended", "flow": "b"}]) == []


def test_flows_that_start_one_another_are_worth_a_warning():
    def hears(name: str, other: str, **rest: Any) -> Flow:
        return flow(log(), name=name, triggers=[{**HEARS, "on": "ended", "flow": other, **rest}])

    a = [{**HEARS, "on": "ended", "flow": "b"}]

    assert warned(log(), triggers=a, others=[hears("b", "c"), hears("c", "a")]) == [
        (
            "triggers.0.flow: runs of these flows start one another without end: a -> c -> b -> a"
            " (say in an 'if' when one of them is to start)"
        )
    ]
    assert warned(log(), triggers=a, others=[hears("b", "a", **{"if": "event.outcome == 'failed'"})]) == []
    assert warned(log(), triggers=a, others=[hears("b", "c"), hears("c", "b")]) == []
    assert len(warned(log(), triggers=[{**HEARS, "on": "waiting", "flow": "a"}], others=[])) == 1
