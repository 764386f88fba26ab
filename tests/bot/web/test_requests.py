"""What is wrong with a body or a query is said in sentences of ours, with the name that was meant."""

from __future__ import annotations

import json

import pytest

from bot.web import models
from bot.web.requests import MAX_PROBLEMS, checked
from flows.errors import InvalidForm

ALL = "verdict, comment, form, option, digest"


@pytest.mark.parametrize(
    ("model", "document", "fields"),
    [
        (
            models.Decide,
            {"verdit": "approve"},
            {"verdict": "is missing.", "verdit": "is not known here; did you mean 'verdict'?"},
        ),
        (models.Decide, {"verdict": "reject", "zzz": 1}, {"zzz": f"is not known here; what is known: {ALL}."}),
        (models.Decide, {"verdict": "aprove"}, {"verdict": "'aprove' is not known here (did you mean 'approve'?)."}),
        (
            models.Decide,
            {"verdict": "yes!"},
            {"verdict": "'yes!' is not known here (one of approve, reject, resume, withdraw)."},
        ),
        (
            models.Decide,
            {"verdict": None},
            {"verdict": "is empty; it must be 'approve' or 'reject' or 'resume' or 'withdraw'."},
        ),
        (
            models.Decide,
            {"verdict": "reject", "comment": ["x"], "form": [], "digest": "ab"},
            {
                "comment": "must be text, not a list.",
                "form": "must be a mapping, not a list.",
                "digest": "must be 64 hexadecimal digits, as the approval has them.",
            },
        ),
        (models.Decide, [], {"body": "must be a mapping, not a list."}),
        (models.Decide, None, {"body": "is empty; it must be a mapping."}),
        (models.Nothing, {"force": True}, {"force": "is not known here; leave it out."}),
        (models.DecideMany, {"ids": [], "verdict": "approve"}, {"ids": "is empty."}),
        (models.DecideMany, {"ids": "sus_1", "verdict": "approve"}, {"ids": "must be a list, not 'sus_1'."}),
        (models.DecideMany, {"ids": ["sus_1"] * 101, "verdict": "approve"}, {"ids": "has more than 100 items."}),
        (
            models.DecideMany,
            {"ids": ["sus_1", 5], "verdict": "approve"},
            {"ids.1": "must be text, and 5 without quotes is not."},
        ),
        (models.MakeLink, {"person": "ann"}, {"body": "takes either 'step' or 'whole_run': true."}),
        (
            models.MakeLink,
            {"person": "ann", "step": "ask", "whole_run": True},
            {"body": "takes either 'step' or 'whole_run': true."},
        ),
        (models.MakeLink, {"person": "ann", "whole_run": "yes"}, {"whole_run": "must be true or false, not 'yes'."}),
        (
            models.ListApprovals,
            {"limit": "0", "offset": "x", "status": "all"},
            {
                "limit": "must be at least 1.",
                "offset": "must be a whole number, not 'x'.",
                "status": "'all' is not known here (one of pending).",
            },
        ),
    ],
)
def test_what_is_wrong_is_said_at_once_and_by_name(
    model: type[models.Request], document: object, fields: dict[str, str]
) -> None:
    with pytest.raises(InvalidForm) as caught:
        checked(model, document)

    assert caught.value.fields == fields


def test_a_body_of_nothing_but_unknown_keys_is_answered_in_a_few_lines() -> None:
    document = {"verdict": "approve", **{f"k{number}" * 1000: number for number in range(70_000 // 100)}}

    with pytest.raises(InvalidForm) as caught:
        checked(models.Decide, document)

    assert len(caught.value.fields) == MAX_PROBLEMS
    assert len(json.dumps(caught.value.fields)) < 6_000
    assert all(said.startswith("is not known here") for said in caught.value.fields.values())


def test_what_is_right_is_taken_as_it_is() -> None:
    sent = checked(models.Decide, {"verdict": "approve", "form": {"verdit": 1}, "digest": "AB" * 32})

    assert (sent.verdict.value, dict(sent.form), sent.digest) == ("approve", {"verdit": 1}, "AB" * 32)
