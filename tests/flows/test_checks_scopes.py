"""What an expression may read from where it stands: steps that came before, items of loops around it, nearest answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.checking import Step, ask, found, log, told

# Every kind of step that holds others, with a step of each name that its id begins.
BEFORE = log(name="before")
BRANCH = {"id": "big", "if": "true", "then": [log(name="big_a"), log(name="big_b")], "else": [log(name="big_c")]}
SWITCH = {
    "id": "route",
    "switch": "inputs.who",
    "cases": {"x": [log(name="route_x")]},
    "default": [log(name="route_d")],
}
BOTH = {"id": "both", "parallel": {"left": [log(name="left_a")], "right": [log(name="right_a")]}}
EACH = {"id": "each", "for_each": [1, 2], "steps": [log(name="each_a"), log(name="each_b")]}
POLL = {"id": "poll", "repeat": {"until": "true"}, "steps": [log(name="poll_a")]}
HANDLED = {
    "id": "gate",
    "approval": {
        "approvers": ["@leads"],
        "on_open": [log(name="gate_open")],
        "on_reject": [log(name="gate_no")],
        "on_timeout": [log(name="gate_late")],
    },
    "on_error": [log(name="gate_error")],
}
AFTER = log(name="after")
ALL = [BEFORE, BRANCH, SWITCH, BOTH, EACH, POLL, HANDLED, AFTER]
FLOW = {"on_error": [log(name="alarm")], "finally": [log(name="tidy_a"), log(name="tidy_b")]}


def reads(reader: str, target: str) -> str | None:
    """Why the step ``reader`` of the flow above cannot read the step ``target``; None where it can."""

    def with_reader(value: Any) -> Any:
        if isinstance(value, list):
            return [with_reader(each) for each in value]
        if not isinstance(value, dict):
            return value
        if value.get("id") == reader and "with" in value:
            return {**value, "with": {"text": f"{{{{ steps.{target}.output }}}}"}}
        return {key: with_reader(each) for key, each in value.items()}

    findings = found(*with_reader(ALL), **with_reader(FLOW))
    assert len(findings) <= 1
    return findings[0].message if findings else None


@pytest.mark.parametrize(
    ("reader", "target"),
    [
        ("after", "before"),
        ("after", "big"),
        ("after", "big_a"),
        ("after", "big_c"),
        ("after", "route_x"),
        ("after", "route_d"),
        ("after", "left_a"),
        ("after", "each"),
        ("after", "poll"),
        ("after", "gate_no"),
        ("after", "gate_open"),
        ("after", "gate_error"),
        ("big_b", "big_a"),
        ("big_b", "before"),
        ("right_a", "big_a"),
        ("each_b", "each_a"),
        ("each_a", "left_a"),
        ("gate_open", "before"),
        ("gate_no", "gate"),
        ("gate_no", "gate_open"),
        ("gate_late", "gate_open"),
        ("gate_error", "gate"),
        ("gate_error", "gate_no"),
        ("alarm", "after"),
        ("alarm", "big_a"),
        ("tidy_a", "alarm"),
        ("tidy_a", "gate_no"),
        ("tidy_b", "tidy_a"),
    ],
)
def test_what_came_before_can_be_read(reader, target):
    assert reads(reader, target) is None


@pytest.mark.parametrize(
    ("reader", "target", "because"),
    [
        ("before", "after", "step 'after' comes later"),
        ("before", "big_a", "step 'big_a' comes later"),
        ("big_a", "big_b", "step 'big_b' comes later"),
        ("big_a", "after", "step 'after' comes later"),
        ("big_a", "big", "step 'big' holds this one, so there is nothing of it to read yet"),
        ("each_a", "each", "step 'each' holds this one, so there is nothing of it to read yet"),
        ("big_a", "big_c", "step 'big_c' is in another branch of 'big', which does not run where this one does"),
        ("route_d", "route_x", "step 'route_x' is in another branch of 'route', which does not run where this one does"),
        ("left_a", "right_a", "step 'right_a' runs beside this one, in the branch 'right' of 'both'"),
        ("after", "each_a", "step 'each_a' is inside the loop 'each', so there is one of it for each item"),
        ("after", "poll_a", "step 'poll_a' is inside the loop 'poll', so there is one of it for each round"),
        ("poll_a", "each_a", "step 'each_a' is inside the loop 'each', so there is one of it for each item"),
        ("gate_open", "gate_no", "step 'gate_no' runs in 'on_reject' of 'gate', which has not run here"),
        ("gate_no", "gate_late", "step 'gate_late' runs in 'on_timeout' of 'gate', which has not run here"),
        ("after", "alarm", "step 'alarm' runs in 'on_error', when the run is about to end"),
        ("alarm", "tidy_a", "step 'tidy_a' runs in 'finally', when the run is about to end"),
        ("tidy_a", "each_a", "step 'each_a' is inside the loop 'each', so there is one of it for each item"),
        ("tidy_a", "tidy_b", "step 'tidy_b' comes later"),
    ],
)  # fmt: skip
def test_what_has_not_run_or_runs_beside_cannot_be_read_and_it_is_said_why(reader, target, because):
    assert reads(reader, target) == because


def test_an_unknown_step_is_told_with_the_nearest_one_that_can_be_read_there():
    steps = [log(name="build"), {"id": "big", "if": "true", "then": [log("{{ steps.bulid.output }}")]}]

    assert told(*steps, log(name="builds")) == [
        "steps.1.then.0.with.text: there is no step 'bulid' (did you mean 'build'?)"
    ]


def test_a_loop_tells_what_to_read_instead_of_the_steps_inside_it():
    around = {"id": "around", "repeat": {"until": "true"}, "steps": [EACH, log("{{ steps.each_a.output }}")]}

    hints = [finding.hint for finding in found(around, log("{{ steps.each_a.output }}", name="end"))]

    assert hints == [
        "read 'steps.each.output', which has what each came to",
        "read 'steps.around.output', which has what each came to",
    ]


# --- What steps inside came to ----------------------------------------------------------------------------------------


def test_until_and_output_read_the_steps_inside():
    poll = {
        "id": "poll",
        "repeat": {"until": "steps.poll_a.output.done or index > 3", "delay": "{{ steps.poll_a.output.wait }}"},
        "steps": [log(name="poll_a")],
        "output": "{{ steps.poll_a.output }}",
    }
    branch = {**BRANCH, "output": {"a": "{{ steps.big_a.output }}", "c": "{{ steps.big_c.output }}"}}
    both = {**BOTH, "output": "{{ steps.left_a.output }} {{ steps.right_a.output }}"}
    each = {**EACH, "output": "{{ steps.each_b.output }} {{ item }} {{ index }} {{ loops.each.item }}"}

    assert found(poll, branch, both, each) == []


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("{{ steps.deep_a.output }}", "step 'deep_a' is inside the loop 'deep', so there is one of it for each item"),
        ("{{ steps.each.output }}", "step 'each' reads itself"),
        ("{{ steps.later.output }}", "step 'later' comes later"),
    ],
)
def test_an_output_reads_nothing_else(text, because):
    deep = {"id": "deep", "for_each": [1], "steps": [log(name="deep_a")]}
    each = {"id": "each", "for_each": [1], "steps": [deep], "output": text}

    assert [finding.message for finding in found(each, log(name="later"))] == [because]


def test_what_a_loop_runs_over_is_read_before_it_runs():
    assert [finding.message for finding in found({**EACH, "for_each": "steps.each_a.output"})] == [
        "step 'each_a' comes later"
    ]


def test_outputs_of_the_flow_read_like_a_step_after_the_last():
    outputs = {"a": "{{ steps.big_a.output }}", "b": ["{{ approvers }}"]}

    assert found(ask(), BRANCH, outputs=outputs) == []
    assert told(EACH, outputs={"a": "{{ steps.each_a.output }}"}) == [
        (
            "outputs.a: step 'each_a' is inside the loop 'each', so there is one of it for each item"
            " (read 'steps.each.output', which has what each came to)"
        )
    ]


# --- What a step has --------------------------------------------------------------------------------------------------

CALL = {"id": "call", "callback": {}}
PYTHON = {"id": "py", "run": "module:function"}
CHILD = {"id": "sub", "flow": "child"}
CHOICE = ask("choice", "why", options=["cheap", "best"])


@pytest.mark.parametrize(
    "name",
    [
        "call.output", "call.callback.body.x", "call.callback.headers", "call.callback.query", "call.callback.method",
        "call.timed_out", "call.dropped",
        "py.approved", "py.callback.body", "py.form.anything", "py.option", "py.resumed.by",
        "sub.output.x", "sub.outcome",
        "choice.option", "choice.dropped", "choice.form.option", "choice.form.why",
        "each.output", "big.output",
    ],
)  # fmt: skip
def test_each_kind_of_step_has_what_is_its_own(name):
    assert found(CALL, PYTHON, CHILD, CHOICE, EACH, BRANCH, log(f"{{{{ steps.{name} }}}}")) == []


@pytest.mark.parametrize(
    ("name", "because"),
    [
        ("call.approved", "step 'call' waits for a machine, so it has no 'approved'"),
        ("call.callback.bdy", "'steps.call.callback' has no 'bdy'"),
        ("ask.callback", "step 'ask' waits for no machine, so it has no 'callback'"),
        ("ask.option", "step 'ask' has no options, so nobody chooses one"),
        ("ask.outcome", "step 'ask' runs no child flow, so it has no 'outcome'"),
        ("sub.approved", "step 'sub' runs a child flow, so it has no 'approved'"),
        ("each.approvers", "step 'each' holds other steps, so it has no 'approvers'"),
        ("each.outptu", "'steps.each' has no 'outptu'"),
    ],
)
def test_what_a_step_of_its_kind_has_not_is_told(name, because):
    findings = found(CALL, CHILD, ask(), EACH, log(f"{{{{ steps.{name} }}}}"))

    assert [finding.message for finding in findings] == [because]


# --- Items, rounds, errors, links -------------------------------------------------------------------------------------


def loop(*steps: Step, name: str = "each") -> Step:
    return {"id": name, "for_each": [1], "steps": list(steps)}


def rounds(*steps: Step, name: str = "poll") -> Step:
    return {"id": name, "repeat": {"until": "true"}, "steps": list(steps)}


@pytest.mark.parametrize("text", ["{{ item }}", "{{ index }}", "{{ loops.each.item }}", "{{ loops.each.index }}"])
def test_items_are_read_inside_their_loop_at_any_depth(text):
    assert found(loop({"id": "big", "if": "true", "then": [log(text)]})) == []
    assert found(loop(rounds(log(text)))) == []
    assert found(loop({**HANDLED, "on_error": [log(text)]})) == []


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([log("{{ item }}")], "'item' is there only inside 'for_each'"),
        ([log("{{ index }}")], "'index' is there only inside 'for_each' or 'repeat'"),
        ([loop(log(name="a")), log("{{ item }}")], "'item' is there only inside 'for_each'"),
        ([rounds(log("{{ item }}"))], "'item' is there only inside 'for_each', and this is a 'repeat' ('index' counts its rounds, from 0)"),
        ([rounds(log("{{ loops.poll.item }}"))], "'loops.poll' has no 'item' (it has index)"),
        ([loop(log("{{ loops.eahc.item }}"))], "there is no loop 'eahc' (did you mean 'each'?)"),
        ([loop(log(name="a")), loop(log("{{ loops.each.item }}"), name="other")], "this is not inside a loop 'each' (around this are other)"),
        ([loop(log("{{ loops.each }}"))], "'loops.each' alone says nothing (it has item, index)"),
        ([loop(log("{{ loops[inputs.who].item }}"))], "which loop is meant has to be known beforehand (write its id, like 'loops.each.item')"),
        ([loop(log("{{ itm }}"))], "nothing is called 'itm' here (did you mean 'item'?)"),
        ([{**loop(log(name="a")), "on_error": [log("{{ item }}")]}], "'item' is there only inside 'for_each'"),
    ],
)  # fmt: skip
def test_items_are_read_nowhere_else(steps, problem):
    assert [each.partition(": ")[2] for each in told(*steps)] == [problem]


def test_an_input_of_the_same_name_is_thought_of():
    inputs = [{"name": "item", "type": "string"}, {"name": "error", "type": "string"}]

    assert [finding.hint for finding in found(log("{{ item }}{{ error }}"), inputs=inputs)] == [
        "did you mean 'inputs.error'?",
        "did you mean 'inputs.item'?",
    ]


def test_what_went_wrong_is_read_where_it_is_handled():
    text = "{{ error.step }} {{ error.message }} {{ run.outcome }} {{ run.reason }}"

    assert found({**log(name="a"), "on_error": [log(text)]}, on_error=[log(text, name="alarm")]) == []
    assert told({**log(name="a"), "on_error": [log("{{ error.mesage }}")]}) == [
        "steps.0.on_error.steps.0.with.text: 'error' has no 'mesage' (did you mean 'message'?)"
    ]
    assert told(log("{{ error.message }}")) == ["steps.0.with.text: 'error' is there only in steps of 'on_error'"]


def test_how_the_run_ends_is_read_where_it_ends():
    text = "{{ run.outcome }} {{ run.reason }}"

    assert found(ask("gate", on_reject=[log(text)]), **{"finally": [log(text, name="tidy")]}) == []
    for steps in ([log(text)], [ask("gate", on_open=[log(text)])]):
        assert [each.partition(": ")[2] for each in told(*steps)] == [
            f"'run.{key}' is not known before the run is about to end (only 'finally' and handlers can read it)"
            for key in ("outcome", "reason")
        ]


def links(text: str, **wait: Any) -> Step:
    return {"id": "send", "uses": "log", "with": {"text": text}, **(wait or {"callback": {}})}


def test_links_are_read_in_with_of_a_step_that_waits():
    assert found(links("{{ links.resume }} {{ links.cancel }}")) == []
    assert found(links("{{ links.for(inputs.who) }}", approval={"approvers": ["@x"]})) == []


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (log("{{ links.resume }}"), "'links' is there only in the 'with' of a step that waits for people or a machine"),
        ({"id": "c", "callback": {"ask": "{{ links.resume }}"}}, "'links' is there only in the 'with' of a step that waits for people or a machine"),
        (links("{{ links.resmue }}"), "'links' has no 'resmue' (did you mean 'resume'?)"),
        (links("{{ links.for(inputs.who) }}"), "'links.for' is the link of a person, and this step waits for a machine (write 'links.resume')"),
        (links("{{ links.resume }}", hold={}), "'links.resume' is for machines, and this step waits for people (write 'links.for(person)')"),
    ],
)  # fmt: skip
def test_links_are_read_nowhere_else(step, problem):
    assert [each.partition(": ")[2] for each in told(step)] == [problem]


@pytest.mark.parametrize(
    "action",
    [{"uses": "log", "with": {"text": "{{ links.for(inputs.who) }}"}}, {"uses": "slack.request_approval"}],
)
def test_a_wait_that_opens_before_its_action_cannot_show_its_output(action):
    wait = {"approval": {"approvers": ["@x"], "ask": "{{ steps.send.output }}"}}

    assert told({"id": "send", **action, **wait}) == [
        (
            "steps.0.approval.ask: step 'send' has no output yet: its wait opens first, because its action sends the links"
            " (put what has to be shown into a step before it)"
        )
    ]


def test_what_only_triggers_have_is_told():
    assert [finding.hint for finding in found(log("{{ event.run.id }}"))] == [
        "only a trigger with 'on' has it; hand it on as an input"
    ]


# --- The nearest answer -----------------------------------------------------------------------------------------------


def test_the_shorthands_stand_for_the_wait_of_the_branch_that_ran():
    branch = {"id": "big", "if": "true", "then": [ask("yes", "budget")], "else": [ask("no", "reason")]}

    assert found(ask("first", "why"), branch, log("{{ resume.budget }} {{ resume.reason }} {{ approvers }}")) == []
    assert told(ask("first", "why"), branch, log("{{ resume.why }}")) == [
        "steps.2.with.text: 'resume' has no 'why' (it has budget, reason)"
    ]


def test_inside_a_branch_and_a_loop_they_stand_for_the_wait_around():
    inside = log("{{ resume.why }}")

    assert found(ask("first", "why"), {"id": "big", "if": "true", "then": [inside]}) == []
    assert found(ask("first", "why"), loop(inside)) == []
    assert found(ask("first", "why"), loop(ask("nearer", "n"), log("{{ resume.n }}"))) == []


@pytest.mark.parametrize(
    "several",
    [
        {"id": "several", "parallel": {"a": [ask("a")], "b": [log(name="b")]}},
        {"id": "several", "for_each": [1], "steps": [ask("a")]},
        {"id": "several", "repeat": {"until": "true"}, "steps": [{"id": "big", "if": "true", "then": [CALL]}]},
    ],
)
def test_W5b_after_several_waits_at_once_it_has_to_be_said_which_is_meant(several):
    problem = "'approvers' stands for the nearest wait, and 'several' holds several (say which one is meant: 'steps.<id>.approvers')"

    assert told(ask("first"), several, log("{{ approvers }}")) == [f"steps.2.with.text: {problem}"]
    assert found(several, ask("next"), log("{{ approvers }}")) == []


def test_child_flows_and_steps_without_a_wait_are_passed_over():
    both = {"id": "both", "parallel": {"a": [log(name="a")], "b": [{"id": "nap", "delay": "1m"}]}}

    assert found(ask("first", "why"), CHILD, both, log("{{ resume.why }}")) == []


def test_of_a_callback_resume_is_the_request():
    assert found(CALL, log("{{ resume.body.x }} {{ resume.headers }} {{ resumes }}")) == []
    assert told(ask(), CALL, log("{{ resume.why }} {{ approvers }}")) == [
        "steps.2.with.text: 'approvers' stands for the nearest wait, and 'call' waits for a machine (say which one is meant: 'steps.<id>.approvers')",
        "steps.2.with.text: 'resume' has no 'why' (it has method, headers, query, body)",
    ]


def test_what_a_function_may_have_waited_for_is_not_judged():
    assert found(ask("first", "why"), PYTHON, log("{{ resume.body }} {{ resume.why }} {{ approvers }}")) == []
    assert found(PYTHON, log("{{ approvers }}")) == []


def test_in_a_handler_they_stand_for_the_wait_that_is_handled():
    wait = {"approvers": ["@x"], "form": [{"name": "why", "type": "string"}]}
    handled = [log("{{ resume.why }}")]

    assert found(ask("first", "n"), {"id": "gate", "approval": {**wait, "on_reject": handled}}) == []
    assert found(ask("first", "n"), {"id": "gate", "approval": {**wait, "on_timeout": handled}}) == []
    assert len(told(ask("first", "n"), {"id": "gate", "approval": {**wait, "on_open": handled}})) == 1


@pytest.mark.parametrize("key", ["on_reject", "on_timeout", "on_error"])
def test_what_happened_inside_a_step_that_holds_others_may_have_been_any_wait(key):
    holder = {"id": "big", "if": "true", "then": [ask("inner")], key: [log("{{ approvers }}")]}

    (problem,) = told(ask("first"), holder)

    assert "'approvers' stands for the nearest wait, and 'big' holds several" in problem


def test_an_output_reads_the_answer_of_the_last_wait_inside():
    each = {"id": "each", "for_each": [1], "steps": [ask("one", "why"), log()], "output": "{{ resume.why }}"}
    branch = {"id": "big", "if": "true", "then": [ask("two", "n")], "output": "{{ resume.n }}"}
    both = {"id": "both", "parallel": {"left": [ask("three")]}, "output": "{{ resume.why }}"}

    assert found(ask("first", "other"), each) == []
    assert found(ask("first", "other"), branch) == []
    assert len(told(ask("first", "why"), both)) == 1


@pytest.mark.parametrize("phase", ["finally", "on_error"])
def test_when_the_run_ends_nobody_knows_which_wait_was_the_last(phase):
    assert told(ask(), **{phase: [log("{{ approvers }}")]}) == [
        (
            f"{phase}.0.with.text: 'approvers' stands for the nearest wait, and in {phase!r} it is not known which one that was"
            " (say which one is meant: 'steps.<id>.approvers')"
        )
    ]
    assert found(ask(), **{phase: [log("{{ steps.ask.approvers }}")]}) == []


# --- Secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        {"id": "a", "switch": "inputs.token", "cases": {"x": [log()]}},
        {"id": "a", "for_each": "inputs.token", "steps": [log()]},
        {"id": "a", "for_each": ["{{ inputs.token }}"], "steps": [log()]},
        {"id": "a", "for_each": {"to": "inputs.token | length"}, "steps": [log()]},
        {"id": "a", "repeat": {"until": "inputs.token"}, "steps": [log()]},
        {"id": "a", "parallel": {"x": [log()]}, "output": "{{ inputs.token }}"},
        {"id": "a", "callback": {"ask": "{{ inputs.token }}"}},
        {"id": "a", "callback": {"show": {"x": "{{ inputs.token }}"}}},
        {"id": "a", "approval": {"approvers": ["@x"], "veto": ["{{ inputs.token }}"]}},
        {"id": "a", "approval": {"quorum": {"all": ["{{ inputs.token }}"]}}},
        {"id": "a", "approval": {"approvers": ["@x"], "on_open": [{"id": "b", "delay": "{{ inputs.token }}"}]}},
    ],
)
def test_a_secret_is_read_in_no_other_new_place_than_with(step):
    assert ["is a secret, and would be shown or stored here" in problem for problem in told(step)] == [True]


def test_a_secret_is_no_output_of_a_flow():
    assert len(told(log(), outputs={"x": "{{ inputs.token }}"})) == 1
    assert len(told(log(), supersede="{{ inputs.token }}")) == 1


def test_a_secret_of_any_branch_is_a_secret():
    pin = {"id": "no", "hold": {"form": [{"name": "pin", "type": "secret"}]}}
    branch = {"id": "big", "if": "true", "then": [ask("yes", "budget")], "else": [pin]}

    assert len(told(branch, {"id": "nap", "delay": "{{ resume.pin }}"})) == 1
    assert len(told(branch, {"id": "nap", "delay": "{{ resume }}"})) == 1
    assert found(branch, log("{{ resume.pin }}")) == []
