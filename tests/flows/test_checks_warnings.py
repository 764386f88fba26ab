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


# --- What the deadline overtakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "place"),
    [
        ({"remind": "2d"}, "remind: nobody is ever reminded: after 2d the deadline has passed, which is 1d"),
        ({"remind": {"first": "1d", "every": "1h"}}, "remind: nobody is ever reminded: after 1d"),
        ({"escalate": {"after": "1d", "to": "@it"}}, "escalate.0.after: this never escalates: after 1d"),
        ({"escalate": [{"after": "2h", "to": "@it"}, {"after": "3d", "to": "@it"}]}, "escalate.1.after: this never"),
    ],
)
def test_what_would_come_after_the_deadline_is_told(setting, place):
    (warning,) = warned(branch(ask(timeout="1d", **setting)))

    assert warning.startswith(f"steps.0.then.0.approval.{place}")
    assert warning.endswith("(let it come sooner, or give more 'timeout')")


def test_what_comes_before_it_or_may_is_not():
    hours = {"days": ["mon"], "from": "09:00", "to": "10:00"}

    assert (
        warned(ask(timeout="1d", remind={"first": "23h", "every": "2h"}, escalate={"after": "23h", "to": "@it"})) == []
    )
    # In Honolulu the day is not over where the deadline of somebody in Tokyo, who is asked too, has passed.
    assert warned(ask(timeout="1h", remind="1h", working_hours=hours)) == []
    assert len(warned(ask(timeout="1h", remind="1h", working_hours={**hours, "zone": "Europe/Berlin"}))) == 1


# --- A code that nobody sees ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("via", "told"),
    [("slack", 1), ([{"slack": "#general"}], 1), (["slack", "mail"], 0), ("gmail", 0), ("none", 0), (None, 0)],
)
def test_a_code_that_nobody_is_mailed_is_told(via, told):
    warnings = warned(ask(verify="code", **({"via": via} if via is not None else {})))

    assert [one.split(": ")[0] for one in warnings] == ["steps.0.approval.verify"] * told


def test_a_step_that_mails_its_links_itself_mails_the_code_too():
    step = {**ask(verify="code", via="slack"), "uses": "mail.request_approval"}

    assert warned(step) == []
    assert len(warned({**step, "uses": "slack.request_approval"})) == 1
    assert warned(ask(verify="slack", via="slack")) == []
