"""What pydantic finds wrong, in one sentence for each mistake, however many kinds of value would have done."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from flows.definition import Flow
from flows.mistakes import mistakes, wrong_places
from flows.schema import known_shape

INNER = {"id": "inner", "delay": "1m"}


def told(step: dict[str, Any], **rest: Any) -> list[str]:
    document = {"flow": "a", "steps": [{"id": "a", **step}], **rest}
    with pytest.raises(ValidationError) as caught:
        Flow.model_validate(document, by_alias=True, by_name=False)
    return [
        f"{'.'.join(map(str, finding.loc))}: {finding.message}" + (f" ({finding.hint})" if finding.hint else "")
        for finding in mistakes(caught.value, document, known_shape())
    ]


def ask(**approval: Any) -> dict[str, Any]:
    return {"approval": {"approvers": ["@x"], **approval}}


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        ("contnue", ": 'contnue' is not known here (did you mean 'continue'?)"),
        (5, ": must be a mapping or 'fail' or 'continue', not 5"),
        ([], ": is empty (it needs at least one)"),
        ([{"id": "x", "delay": 5}], ".0.delay: 5 does not say of what (did you mean '5s'?)"),
        ([{"id": "x", "dealy": "5s"}], ".0.dealy: unknown key 'dealy' (did you mean 'delay'?)"),
        ({"steps": [INNER], "then": "cntinue"}, ".then: 'cntinue' is not known here (did you mean 'continue'?)"),
        ({"steps": [INNER], "the": "fail"}, ".the: unknown key 'the' (did you mean 'then'?)"),
        ({"then": "fail"}, ".steps: 'steps' is missing"),
        ([{"id": "x", "delay": "1m", "on_error": "x"}], ".0.on_error: 'x' is not known here (one of fail, continue, a mapping)"),
        ([{"id": "x", "approval": {"approvers": ["@x"], "quorum": "two"}}], ".0.approval.quorum: 'two' is not known here (one of any, all, a whole number, a mapping)"),
    ],
)  # fmt: skip
def test_a_handler_is_told_as_what_it_was_meant_to_be(handler, problem):
    assert told({"delay": "1m", "on_error": handler}) == [f"steps.0.on_error{problem}"]


@pytest.mark.parametrize(
    ("quorum", "problem"),
    [
        ({"al": ["@x"]}, ": is no rule: it needs one of 'all', 'any', or 'at_least' with 'of'"),
        ({"at_least": 2}, ".of: 'of' is missing"),
        ({"all": ["@x"], "any": ["@x"]}, ": has 'all' and 'any'; put one of them inside the other"),
        ({"all": []}, ".all: is empty (it needs at least one)"),
        ({"all": [{"any": [5]}]}, '.all.0.any.0: must be text, and 5 without quotes is not (quote it: "5")'),
        ({"all": ["@x"], "off": 1}, ".off: unknown key 'off'"),
    ],
)
def test_a_rule_is_told_as_the_one_that_was_meant(quorum, problem):
    (sentence,) = told(ask(quorum=quorum))

    assert sentence.startswith(f"steps.0.approval.quorum{problem}")


@pytest.mark.parametrize(
    ("trigger", "problem"),
    [
        ({}, ": needs 'schedule' or 'webhook' or 'on' and 'flow'"),
        ({"inputs": {}}, ": needs 'schedule' or 'webhook' or 'on' and 'flow'"),
        ({"schedul": "x"}, ".schedul: unknown key 'schedul' (did you mean 'schedule'?)"),
        ({"schedule": 5}, '.schedule: must be text, and 5 without quotes is not (quote it: "5")'),
        ({"schedule": "x", "webhook": "y"}, ": has 'schedule' and 'webhook', and only one of them can be meant"),
        ({"on": "endd", "flow": "b"}, ".on: 'endd' is not known here (did you mean 'ended'?)"),
        ({"on": "ended"}, ".flow: 'flow' is missing"),
        ("daily", ": must be a mapping, not 'daily'"),
    ],
)
def test_a_trigger_is_told_as_the_one_that_was_meant(trigger, problem):
    assert told(INNER, triggers=[trigger]) == [f"triggers.0{problem}"]


def test_a_name_from_elsewhere_is_told_with_ours():
    assert "triggers.0.cron: unknown key 'cron' (did you mean 'schedule'?)" in told(INNER, triggers=[{"cron": "x"}])


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ({"for_each": {"form": 1, "to": 3}, "steps": [INNER]}, "for_each.form: unknown key 'form' (did you mean 'from'?)"),
        ({"for_each": True, "steps": [INNER]}, 'for_each: must be text or a list or a mapping, and true without quotes is not (quote it: "true")'),
        ({"parallel": {"Left side": [INNER]}}, "parallel.Left side: 'Left side' is no name: small letters, digits and '_', a letter first, at most 64 (for example 'left_side')"),
        ({"parallel": {"left": [{"id": "b", "dealy": "1m"}]}}, "parallel.left.0.dealy: unknown key 'dealy' (did you mean 'delay'?)"),
        ({"switch": "x", "cases": {"a": [{"id": "b", "dealy": "1m"}]}}, "cases.a.0.dealy: unknown key 'dealy' (did you mean 'delay'?)"),
        ({"if": "x", "then": INNER}, "then: must be a list, not a mapping (each on a line of its own, after '- ')"),
        (ask(options=["yes", "no way"]), "approval.options.1: 'no way' is no name: small letters, digits and '_', a letter first, at most 64 (for example 'no_way')"),
        (ask(via="male"), "approval.via: 'male' is not known here (did you mean 'mail'?)"),
    ],
)  # fmt: skip
def test_other_values_of_several_kinds_are_told_as_what_they_are(step, problem):
    assert told(step) == [f"steps.0.{problem}"]


def test_the_places_of_all_mistakes_are_those_of_the_file():
    document = {
        "flow": "a",
        "steps": [{"id": "a", "delay": "1m", "on_error": [{"id": "x", "approval": {"quorum": "x"}}]}],
    }
    with pytest.raises(ValidationError) as caught:
        Flow.model_validate(document)

    assert ("steps", 0, "on_error", 0, "approval", "quorum") in wrong_places(caught.value, document)
