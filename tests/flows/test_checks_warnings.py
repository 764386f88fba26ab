"""What is possible and probably not meant: answers that nobody reads, approvals that nobody gives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.checking import ask, flow, found, log, warned

# --- Answers that nobody reads ----------------------------------------------------------------------------------------


def branch(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"id": "branch", "if": "true", "then": list(steps)}


@pytest.mark.parametrize("setting", ["on_reject", "on_timeout"])
def test_a_no_that_nobody_reads_is_told_at_every_depth(setting):
    step = ask(**{setting: "continue"})

    for holder in (branch(step), {"id": "each", "for_each": [1], "steps": [step]}, ask("gate", on_reject=[step])):
        (warning,) = warned(holder, log())
        assert "the run goes on, and no later step reads that" in warning


@pytest.mark.parametrize(
    "reader",
    [
        log("{{ steps.ask.approved }}"),
        log("{{ approvers }}"),
        {"id": "b", "if": "steps.ask.timed_out", "then": [log()]},
        {"id": "b", "switch": "steps.ask.comment", "cases": {"x": [log()]}},
        {"id": "b", "run": "module:function"},
    ],
)
def test_it_is_read_from_wherever_it_is_read(reader):
    step = ask(on_reject="continue", on_timeout="continue")

    assert warned(branch(step), reader) == []


def test_it_is_read_by_the_flows_outputs_and_its_last_steps():
    step = ask(on_reject="continue")

    assert warned(step, outputs={"ok": "{{ steps.ask.approved }}"}) == []
    assert warned(step, **{"finally": [log("{{ steps.ask.approved }}")]}) == []


@pytest.mark.parametrize("setting", ["on_reject", "on_timeout"])
def test_steps_of_its_own_are_an_answer_to_a_no(setting):
    assert warned(ask(**{setting: {"steps": [log()], "then": "continue"}})) == []


def test_its_own_handler_is_no_later_step():
    step = ask(on_timeout="continue", on_reject=[log("{{ steps.ask.comment }}")])

    assert len(warned(step)) == 1


def test_a_machine_that_never_called_is_read_too():
    step = {"id": "call", "callback": {"on_timeout": "continue"}}

    assert len(warned(step)) == 1
    assert warned(step, log("{{ resume.body if not steps.call.timed_out else '' }}")) == []


def test_silence_that_approves_is_told_inside_and_with_steps_of_its_own():
    handler = {"steps": [log()], "then": "approve"}

    (warning,) = warned(branch(ask(on_timeout=handler, timeout="2d")))

    assert warning.startswith("steps.0.then.0.approval.on_timeout: silence approves: after 2d without a decision")


# --- Approvals that nobody gives --------------------------------------------------------------------------------------


def gap(*steps: dict[str, Any], **rest: Any) -> str | None:
    """Why nobody may have decided in a flow that is named an approval."""
    said = "this calls itself an approval, and can succeed without anybody having decided: "
    reasons = [
        finding.message.removeprefix(said)
        for finding in found(*steps, **{"name": "purchase_approval", **rest})
        if finding.message.startswith(said)
    ]
    assert len(reasons) <= 1
    return reasons[0] if reasons else None


SURE = ask("sure")
TRUE = {"id": "if_ask", "if": "inputs.who", **{key: value for key, value in ask().items() if key != "id"}}


@pytest.mark.parametrize(
    "steps",
    [
        [SURE],
        [log(), branch(log(name="b")), SURE],
        [TRUE, SURE],
        [{"id": "hold", "hold": {}}],
        [{"id": "b", "if": "true", "then": [SURE], "else": [ask("other")]}],
        [{"id": "b", "switch": "inputs.who", "cases": {"x": [SURE]}, "default": [ask("other")]}],
        [{"id": "b", "parallel": {"x": [SURE], "y": [log()]}}],
        [{"id": "b", "parallel": {"x": [TRUE], "y": [SURE]}}],
        [{"id": "b", "for_each": [1, 2], "steps": [SURE]}],
        [{"id": "b", "for_each": {"from": 1, "to": 3}, "steps": [SURE]}],
        [{"id": "b", "repeat": {"until": "true"}, "steps": [SURE]}],
        [ask(on_timeout={"steps": [ask("boss")], "then": "continue"})],
        [ask(on_reject="continue"), log("{{ approvers }}")],
        [{"id": "py", "run": "module:function"}],
        [{"id": "sub", "flow": "child"}],
    ],
)
def test_an_approval_that_somebody_decides_on_every_way_is_left_alone(steps):
    assert gap(*steps) is None


@pytest.mark.parametrize(
    ("steps", "because"),
    [
        ([log()], "nobody is asked in it"),
        ([TRUE], "'if_ask' is skipped where its 'if' is false"),
        ([branch(SURE)], "not every branch of 'branch' asks somebody"),
        ([{"id": "b", "if": "true", "then": [SURE], "else": [log()]}], "not every branch of 'b' asks somebody"),
        ([{"id": "b", "switch": "inputs.who", "cases": {"x": [SURE]}}], "not every branch of 'b' asks somebody"),
        ([{"id": "b", "parallel": {"x": [TRUE], "y": [log()]}}], "'if_ask' is skipped where its 'if' is false"),
        ([{"id": "b", "for_each": "inputs.who", "steps": [SURE]}], "the loop 'b' may have nothing to run over"),
        ([ask(on_timeout="approve")], "the run goes on where nobody has decided 'ask' in time"),
        ([ask(on_timeout="continue")], "the run goes on where nobody has decided 'ask' in time"),
        ([ask(on_timeout={"steps": [log()], "then": "continue"})], "the run goes on where nobody has decided 'ask' in time"),
        ([{**SURE, "on_error": "continue"}], "the run goes on where 'sure' fails"),
        ([{"id": "b", "parallel": {"x": [SURE]}, "on_error": "continue"}], "the run goes on where 'b' fails"),
        ([{"id": "b", "parallel": {"x": [SURE]}, "on_timeout": "continue"}], "the run goes on where a deadline in 'b' has passed"),
        ([{"id": "b", "if": "true", "parallel": {"x": [SURE]}}], "'b' is skipped where its 'if' is false"),
    ],
)  # fmt: skip
def test_an_approval_that_can_end_without_anybody_says_on_which_way(steps, because):
    assert gap(*steps) == because


def test_a_child_flow_may_ask_for_it():
    child = {"name": "child", "inputs": []}

    assert gap({"id": "sub", "flow": "child"}, others=[flow(SURE, **child)]) is None
    assert gap({"id": "sub", "flow": "child"}, others=[flow(TRUE, **child)]) == (
        "in the child flow 'child', 'if_ask' is skipped where its 'if' is false"
    )
    assert gap({"id": "sub", "flow": "child"}, others=[flow(log(), **child)]) == "nobody is asked in it"


@pytest.mark.parametrize(
    "words",
    [{"name": "approve_it"}, {"name": "a", "title": "Approval of leave"}, {"name": "a", "description": "Approves."}],
)
def test_a_flow_calls_itself_an_approval_by_any_of_its_texts(words):
    assert gap(TRUE, **words) is not None
    assert gap(TRUE, name="a", title="Discount") is None
