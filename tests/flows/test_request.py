"""What people are shown, and the digest that says that it was this."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.definition import Approval, Callback, Flow, Hold, Step
from flows.fields import MASK
from flows.request import digest, request
from flows.run import Kind, Run, Suspension

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
FORM: list[dict[str, Any]] = [
    {"name": "day", "type": "date", "label": "Day for {{ inputs.who }}", "default": "{{ inputs.day }}"},
    {"name": "why", "type": "string", "description": "{{ steps.build.output }}", "required": False},
]
WAIT = Approval(approvers=("ann@example.com",), form=FORM, options=("blue", "green"))
STEP = Step(id="gate", approval=WAIT)
FLOW = Flow(
    flow="release",
    inputs=[{"name": "who", "type": "string"}, {"name": "key", "type": "secret"}],
    steps=[STEP],
)
RUN = Run(7, "release", 1, {"who": "Bob", "key": {"$secret": "key"}}, started_at=NOON)
SUSPENSION = Suspension(
    n=1,
    path="gate",
    kind=Kind.APPROVAL,
    opened_at=NOON,
    due=None,
    ask="Ship it?",
    show={"Size": 5},
    defaults={"day": "2026-02-01"},
    texts={"day.label": "Day for Bob", "why.description": "built"},
)


def test_K11_the_form_is_shown_with_its_labels_and_descriptions_as_they_came_out() -> None:
    asked = request(FLOW, STEP, WAIT, RUN, SUSPENSION)

    assert [(field.title, field.description) for field in asked.form] == [("Day for Bob", None), ("Why", "built")]
    assert asked.defaults == {"day": "2026-02-01"}
    assert [option.title for option in asked.options] == ["Blue", "Green"]
    assert asked.inputs == {"who": "Bob", "key": MASK}


def test_a_wait_without_a_form_shows_none() -> None:
    for wait in (Callback(), Hold(), None):
        asked = request(FLOW, STEP, wait, RUN, SUSPENSION)

        assert (asked.form, asked.options) == ((), ())
        assert len(digest(FLOW, STEP, wait, RUN, SUSPENSION)) == 32


def test_what_a_function_asks_for_is_shown_and_not_what_its_step_would_ask() -> None:
    made = Hold(form=[{"name": "amount", "type": "integer"}])

    assert [field.name for field in request(FLOW, STEP, made, RUN, SUSPENSION).form] == ["amount"]
    assert digest(FLOW, STEP, made, RUN, SUSPENSION) != digest(FLOW, STEP, WAIT, RUN, SUSPENSION)


@pytest.mark.parametrize(
    "change",
    [
        {"n": 2},
        {"ask": "Ship it now?"},
        {"show": {"Size": 6}},
        {"defaults": {"day": "2026-02-02"}},
        {"texts": {"day.label": "Day for Ann", "why.description": "built"}},
        {"texts": {"day.label": "Day for Bob", "why.description": "broken"}},
        {"texts": {}},
    ],
)
def test_S11_whatever_was_shown_otherwise_has_another_digest(change: dict[str, Any]) -> None:
    before = digest(FLOW, STEP, WAIT, RUN, SUSPENSION)

    assert digest(FLOW, STEP, WAIT, RUN, replace(SUSPENSION, **change)) != before
    assert digest(FLOW, STEP, WAIT, RUN, replace(SUSPENSION, generation=2)) == before


@pytest.mark.parametrize(
    "change",
    [
        {"options": ("blue", "red")},
        {"options": ()},
        {"form": FORM[:1]},
        {"form": [FORM[0], {**FORM[1], "when": "day"}]},
    ],
)
def test_S11_another_form_and_other_options_have_another_digest(change: dict[str, Any]) -> None:
    other = Approval(**{"approvers": ("ann@example.com",), "form": FORM, "options": ("blue", "green"), **change})

    assert digest(FLOW, STEP, other, RUN, SUSPENSION) != digest(FLOW, STEP, WAIT, RUN, SUSPENSION)
