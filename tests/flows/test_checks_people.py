"""People that flows and nested quorums name: that they are somebody, and enough."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flows.checking import found, log, told

ANN, BOB, CAT = "ann@example.org", "bob@example.org", "cat@example.org"
REQUESTER = "{{ run.requester.email }}"


def approval(**rest: Any) -> dict[str, Any]:
    return {"id": "a", "approval": rest}


def nested(rule: dict[str, Any], **rest: Any) -> list[str]:
    return told({"id": "h", "if": "true", "then": [approval(quorum=rule, **rest)]})


@pytest.mark.parametrize(
    "rule",
    [
        {"all": [ANN, BOB]},
        {"all": [ANN, {"any": [ANN, BOB]}]},
        {"at_least": 2, "of": [ANN, BOB, CAT]},
        {"at_least": 2, "of": [ANN, {"all": [BOB, CAT]}]},
        {"at_least": 5, "of": ["@leads"]},
        {"all": ["@leads", "@leads", ANN]},
        {"at_least": 3, "of": [ANN, "{{ inputs.who }}"]},
        {"all": [ANN, REQUESTER]},
    ],
)
def test_a_nested_quorum_that_can_be_met_is_left_alone(rule):
    assert nested(rule, self_approval=True) == []


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"all": [ANN, ANN]}, f"takes 2 different people, and only 1 person may be counted for it: {ANN}"),
        ({"at_least": 3, "of": [ANN, BOB]}, f"takes 3 different people, and only 2 people may be counted for it: {ANN}, {BOB}"),
        ({"all": [ANN, {"any": ["ann+tag@example.org"]}, "@leads"]}, f"takes 2 different people, and only 1 person may be counted for it: {ANN}"),
        ({"all": [ANN, BOB, {"at_least": 2, "of": [ANN, BOB]}]}, f"takes 4 different people, and only 2 people may be counted for it: {ANN}, {BOB}"),
        ({"at_least": 2, "of": [ANN, REQUESTER]}, f"takes 2 different people, and only 1 person may be counted for it: {ANN} (the requester may not decide their own request)"),
    ],
)  # fmt: skip
def test_a_nested_quorum_that_nobody_can_meet_names_the_people(rule, problem):
    assert nested(rule) == [f"steps.0.then.0.approval.quorum: {problem} (name more people, or ask for fewer)"]


def test_a_seat_for_the_requester_alone_cannot_be_filled():
    assert nested({"all": [ANN, REQUESTER]}) == [
        (
            "steps.0.then.0.approval.quorum: takes the requester, who may not decide their own request"
            " (name somebody else, or set 'self_approval: true')"
        )
    ]


def test_handles_in_a_nested_quorum_and_of_a_veto_have_to_name_somebody():
    step = approval(quorum={"all": [ANN, {"at_least": 1, "of": ["hr"]}]}, veto=["legal"])

    problems = told(step)

    assert [problem.partition(" names nobody")[0] for problem in problems] == [
        "steps.0.approval.quorum.all.1.of.0: 'hr'",
        "steps.0.approval.veto.0: 'legal'",
    ]


def test_more_rejections_than_people_can_never_come():
    step = approval(approvers=[ANN, BOB], reject_after=3)
    problem = f"takes 3 people to reject, and only 2 people may decide: {ANN}, {BOB}"

    assert told(step) == [f"steps.0.approval.reject_after: {problem} (lower it, add approvers, or name a 'veto')"]
    for enough in ({"reject_after": 2}, {"veto": [CAT]}, {"approvers": [ANN, BOB, "@leads"]}):
        assert told(approval(**{**step["approval"], **enough})) == []


def test_one_mailbox_is_one_person():
    assert len(told(approval(approvers=[ANN, "ann+boss@example.org"], quorum=2))) == 1


@pytest.mark.parametrize("key", ["owner", "starters", "viewers"])
def test_people_of_the_flow_are_named_without_expressions(key):
    assert told(log(), **{key: "@staff"}) == []
    place = key if key == "owner" else f"{key}.0"
    assert told(log(), **{key: "{{ inputs.who }}"}) == [
        f"{place}: is asked before there is a run, so there is nothing to read (name a person or a group)"
    ]
    (finding,) = found(log(), **{key: "staff"})
    assert (finding.message.partition(" names nobody")[0], finding.hint) == ("'staff'", 'did you mean "@staff"?')
