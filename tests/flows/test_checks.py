"""What is wrong with a flow as a whole, said before anybody waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from flows.checks import check
from flows.definition import Flow
from tests.flows.checking import found, log, told, warned

ASK = {"id": "ask", "approval": {"approvers": ["ann@example.org"], "form": [{"name": "why", "type": "string"}]}}
LOG = {"id": "log", "uses": "log", "with": {"text": "x"}}


# --- Names ------------------------------------------------------------------------------------------------------------


def test_a_flow_that_reads_what_there_is_is_left_alone():
    build = {"id": "build", "uses": "log", "with": {"text": "{{ inputs.token }}"}}
    gate = {
        "id": "gate",
        "if": "steps.build.output.ok and run.requester.email != inputs.who",
        "uses": "log",
        "with": {"text": "x"},
        "approval": {
            "approvers": ["{{ inputs.who }}", "@leads"],
            "ask": "{{ steps.gate.output.url }} for {{ run.requester }}",
            "show": {"Build": "{{ steps.build.output }}"},
            "via": [{"slack": "{{ steps.gate.output.channel }}"}],
            "form": [{"name": "why", "type": "string", "default": "{{ steps.build.output.why }}"}],
        },
    }
    tell = log("{{ approvers | join(', ') }} {{ resume.why }} {{ steps.gate.decisions[0].comment }} {{ resumes }}")

    assert found(build, gate, {**tell, "id": "tell"}) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ input.who }}", "nothing is called 'input' here (did you mean 'inputs'?)"),
        ("{{ who }}", "nothing is called 'who' here (did you mean 'inputs.who'?)"),
        ("{{ ask }}", "nothing is called 'ask' here (did you mean 'steps.ask.output'?)"),
        ("{{ inputs.wo }}", "'inputs' has no 'wo' (did you mean 'who'?)"),
        ("{{ run.ulr }}", "'run' has no 'ulr' (did you mean 'url'?)"),
        ("{{ run.requester.mail }}", "'run.requester' has no 'mail' (did you mean 'email'?)"),
        ("{{ steps.aks.output }}", "there is no step 'aks' (did you mean 'ask'?)"),
        ("{{ steps.ask.aproved }}", "'steps.ask' has no 'aproved' (did you mean 'approved'?)"),
        ("{{ steps.ask.form.wy }}", "'steps.ask.form' has no 'wy' (did you mean 'why'?)"),
        ("{{ resume.wy }}", "'resume' has no 'wy' (did you mean 'why'?)"),
        ("{{ steps.ask.resumed }}", "step 'ask' is an approval, which nobody resumes (did you mean 'steps.ask.approved'?)"),
        ("{{ steps.nap.approvers }}", "step 'nap' asks nobody, so it has no 'approvers' (only steps with 'approval' or 'hold' have)"),
        ("{{ steps.log.output }}", "step 'log' reads its own output before there is one (only its wait, which follows its action, can)"),
        ("{{ steps.end.output }}", "step 'end' comes later (only an earlier step can be read; move one of them)"),
        ("{{ steps[inputs.who].output }}", "which step is read has to be known beforehand (write its id, like 'steps.build.output')"),
        ("{{ steps.ask[inputs.who] }}", "'steps.ask' alone says nothing (write 'steps.ask.output', or one of approved, approvers, decisions, form, comment, timed_out, dropped)"),
    ],
)  # fmt: skip
def test_a_name_that_is_not_there_is_told_with_the_nearest_one(text, problem):
    problems = told(ASK, {"id": "nap", "delay": "1m"}, log(text), {"id": "end", "delay": "1m"})

    assert problems == [f"steps.2.with.text: {problem}"]


@pytest.mark.parametrize("name", ["approvers", "resume", "resumes"])
def test_a_shorthand_needs_somebody_asked_before(name):
    nap = {"id": "nap", "delay": "1m"}

    assert [problem.partition(" stands")[0] for problem in told(nap, log(f"{{{{ {name} }}}}"), ASK)] == [
        f"steps.1.with.text: '{name}'"
    ]
    assert told(ASK, nap, log(f"{{{{ {name} }}}}")) == []


def test_a_wait_reads_the_output_of_its_own_action_and_nothing_else_of_itself():
    ask = {**ASK["approval"], "ask": "{{ steps.ask.output.url }} {{ steps.ask.approved }}"}

    assert told({**LOG, "id": "ask", "approval": ask}) == [
        "steps.0.approval.ask: step 'ask' reads itself (only an earlier step can be read)"
    ]
    ask["ask"] = "{{ steps.ask.output.url }}"
    assert len(told({"id": "ask", "approval": ask})) == 1  # without an action there is no output either


@pytest.mark.parametrize(
    "step",
    [
        {"id": "a", "if": "inputs.nope", "delay": "1m"},
        {"id": "a", "delay": "{{ inputs.nope }}"},
        {"id": "a", "uses": "log", "with": {"text": [{"deep": "{{ inputs.nope }}"}]}},
        {"id": "a", "hold": {"by": ["{{ inputs.nope }}"]}},
        {"id": "a", "hold": {"ask": "{{ inputs.nope }}"}},
        {"id": "a", "hold": {"show": {"x": ["{{ inputs.nope }}"]}}},
        {"id": "a", "hold": {"via": [{"slack": "{{ inputs.nope }}"}]}},
        {"id": "a", "hold": {"form": [{"name": "x", "type": "string", "default": "{{ inputs.nope }}"}]}},
        {"id": "a", "hold": {"form": [{"name": "x", "type": "string", "label": "{{ inputs.nope }}"}]}},
        {"id": "a", "approval": {"approvers": ["{{ inputs.nope }}"]}},
    ],
)
def test_every_place_that_is_rendered_is_checked(step):
    assert any("'inputs' has no 'nope'" in problem for problem in told(step))


def test_an_expression_that_cannot_be_read_is_told_where_it_stands():
    problems = told({"id": "a", "if": "inputs.who ==", "delay": "1m"}, log("{{ inputs.who"))

    assert [problem.partition(" ")[0] for problem in problems] == ["steps.0.if:", "steps.1.with.text:"]


def test_names_are_given_once():
    fields = [{"name": "x", "type": "string"}, {"name": "x", "type": "date"}]

    assert told({"id": "a", "hold": {"form": fields}}, {"id": "a", "delay": "1m"}, inputs=fields) == [
        "inputs.1.name: two fields are named 'x' (rename one of them)",
        "steps.0.hold.form.1.name: two fields are named 'x' (rename one of them)",
        "steps.1.id: two steps have the id 'a' (rename one of them)",
    ]


def test_inputs_are_asked_before_there_is_anything_to_read():
    inputs = [{"name": "x", "type": "string", "default": "{{ run.id }}"}]

    assert told(LOG, inputs=inputs) == [
        "inputs.0.default: is asked before there is a run, so there is nothing to read (write it out)"
    ]


# --- Secrets ----------------------------------------------------------------------------------------------------------

SECRET_FORM = {"id": "ask", "hold": {"form": [{"name": "pin", "type": "secret"}, {"name": "why", "type": "string"}]}}


@pytest.mark.parametrize("read", ["inputs.token", "inputs", "steps.ask.form.pin", "steps.ask.form", "steps.ask.decisions", "resume.pin", "resume", "resumes"])  # fmt: skip
def test_a_secret_is_read_in_with_and_nowhere_else(read):
    assert told(SECRET_FORM, log(f"{{{{ {read} }}}}")) == []
    for step in (
        {"id": "b", "if": read, "delay": "1m"},
        {"id": "b", "delay": f"{{{{ {read} }}}}"},
        {"id": "b", "hold": {"ask": f"x {{{{ {read} }}}}"}},
        {"id": "b", "hold": {"show": {"x": f"{{{{ {read} }}}}"}}},
    ):
        (problem,) = told(SECRET_FORM, step)
        assert "would be shown or stored here" in problem


def test_what_is_no_secret_is_read_beside_one():
    assert told(SECRET_FORM, {"id": "b", "hold": {"ask": "{{ resume.why }} {{ inputs.who }} {{ approvers }}"}}) == []


# --- People -----------------------------------------------------------------------------------------------------------


def approval(**rest: Any) -> dict[str, Any]:
    return {"id": "a", "approval": {"on_reject": "end", **rest}}


def test_a_quorum_that_nobody_can_meet_names_the_people_and_the_fix():
    assert told(approval(approvers=["ann@example.org", "bob@example.org"], quorum=3)) == [
        (
            "steps.0.approval.quorum: needs 3 people, and only 2 people may decide: ann@example.org, bob@example.org"
            " (add approvers or lower 'quorum')"
        )
    ]


@pytest.mark.parametrize("more", ["@leads", "{{ inputs.who }}"])
def test_a_quorum_over_people_who_are_not_known_yet_is_left_to_the_run(more):
    assert told(approval(approvers=["ann@example.org", more], quorum=3)) == []


def test_somebody_who_is_there_twice_counts_once():
    problems = told(approval(approvers=["ann@example.org", "Ann@Example.org"], quorum=2))

    assert [problem.partition(" (")[0] for problem in problems] == [
        "steps.0.approval.approvers.1: 'Ann@Example.org' is there twice, and people are counted once",
        "steps.0.approval.quorum: needs 2 people, and only 1 person may decide: ann@example.org",
    ]


def test_the_requester_as_the_only_approver_is_refused_unless_that_is_allowed():
    requester = ["{{ run.requester.email }}"]

    assert told(approval(approvers=requester)) == [
        (
            "steps.0.approval.approvers: the requester may not decide their own request, which leaves nobody for a quorum"
            " of 1 (add another approver, or set 'self_approval: true')"
        )
    ]
    assert told(approval(approvers=requester, self_approval=True)) == []
    assert told(approval(approvers=[*requester, "ann@example.org"])) == []
    assert len(told(approval(approvers=[*requester, "ann@example.org"], quorum=2))) == 1


@pytest.mark.parametrize(
    ("handle", "hint"),
    [
        ("hr-leads", 'did you mean "@hr-leads"?'),
        ("u024be7lh", 'did you mean "U024BE7LH"?'),
        ("#hr", "a channel cannot decide; name a user group, and ask in the channel with 'via'"),
        ("a@example.org, b@example.org", "write a list: one name in each entry"),
        ("inputs.who", 'did you mean "{{ inputs.who }}"?'),
    ],
)
def test_a_handle_that_names_nobody_is_told_with_what_was_meant(handle, hint):
    for step in (approval(approvers=[handle]), {"id": "a", "hold": {"by": [handle]}}):
        (finding,) = found(step)
        assert finding.message.startswith(repr(handle))
        assert finding.hint == hint


@pytest.mark.parametrize("handle", ["ann@example.org", "@hr-leads", "U024BE7LH", "W024BE7LH", "T024BE7LH/U024BE7LH"])
def test_the_ways_to_name_people_are_taken(handle):
    assert found(approval(approvers=[handle])) == []


@pytest.mark.parametrize(
    ("channel", "hint"), [("vacation", '"#vacation"'), ("#Our plans", '"#our-plans"'), ("@leads", '"#leads"')]
)
def test_a_place_that_is_no_channel_is_told(channel, hint):
    (finding,) = found(approval(approvers=["@leads"], via=[{"slack": channel}]))

    assert finding.hint == f"did you mean {hint}?"


@pytest.mark.parametrize("channel", ["#vacation", "C024BE91L", "#größe", "{{ inputs.who }}"])
def test_channels_by_name_id_or_template_are_taken(channel):
    assert found(approval(approvers=["@leads"], via=[{"slack": channel}])) == []


# --- Actions and times ------------------------------------------------------------------------------------------------


def test_an_unknown_action_is_told_with_the_nearest_one():
    assert told({"id": "a", "uses": "lgo"}) == ["steps.0.uses: there is no action 'lgo' (did you mean 'log'?)"]
    flow = Flow.model_validate({"flow": "a", "steps": [{"id": "a", "uses": "lgo"}]})
    assert check(flow) == []


def test_the_parameters_of_an_action_are_checked_as_far_as_they_are_known():
    assert told({"id": "a", "uses": "log", "with": {"txt": "x", "level": "inof", "times": 9}}) == [
        "steps.0.with.txt: unknown key 'txt' (did you mean 'text'?)",
        "steps.0.with.level: 'inof' is not known here (did you mean 'info'?)",
        "steps.0.with.times: must be at most 3",
        "steps.0.with.text: 'text' is missing",
    ]
    assert (
        told({"id": "a", "uses": "log", "with": {"text": "x", "level": "{{ inputs.who }}", "times": "{{ run.id }}"}})
        == []
    )


@pytest.mark.parametrize("delay", ["10m", "2 days", "PT5M", "2026-12-24T08:00:00Z", "{{ inputs.who }}"])
def test_a_delay_is_a_duration_an_instant_or_a_template(delay):
    assert found({"id": "a", "delay": delay}) == []


@pytest.mark.parametrize(
    ("delay", "words"),
    [("10 parsecs", "must be a duration"), ("2026-12-24T08:00:00", "does not say in which time zone")],
)
def test_a_delay_that_is_neither_is_told(delay, words):
    (problem,) = told({"id": "a", "delay": delay})

    assert words in problem


def test_what_only_an_action_can_use_needs_one():
    (problem,) = told({"id": "a", "delay": "1m", "retry": {"max": 3}})

    assert problem.startswith("steps.0.retry: has no action")


# --- Warnings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", [{"on_reject": "continue"}, {"on_timeout": "continue"}])
def test_going_on_after_a_no_is_worth_a_warning_where_nobody_reads_it(setting):
    ask = approval(approvers=["@leads"], **setting)

    (warning,) = warned(ask, LOG)
    assert f"steps.0.approval.{next(iter(setting))}: after a" in warning

    for read in ("steps.a.approved", "steps.a.timed_out", "approvers | length"):
        assert warned(ask, {**LOG, "if": read}) == []


def test_reading_another_steps_answer_is_not_reading_this_one():
    first = approval(approvers=["@leads"], on_reject="continue")
    second = {"id": "b", "approval": {"approvers": ["@leads"]}}

    assert len(warned(first, second, {**LOG, "if": "approvers | length"})) == 1
    assert len(warned({**first, "uses": "log", "with": {"text": "x"}}, {**LOG, "if": "steps.a.output"})) == 1


def test_silence_that_approves_is_always_worth_a_warning():
    (warning,) = warned(
        approval(approvers=["@leads"], on_timeout="approve", timeout="2d"), {**LOG, "if": "steps.a.timed_out"}
    )

    assert "silence approves: after 2d without a decision" in warning


def test_a_title_with_braces_is_worth_a_warning():
    assert len(warned({**LOG, "title": "For {{ inputs.who }}"})) == 1
