"""The JSON Schema of the flow file agrees with what the loader takes."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from flows.definition import Flow
from flows.fields import Field
from flows.schema import flow_schema

VACATION: dict[str, Any] = {
    "flow": "vacation",
    "title": "Vacation request",
    "inputs": [
        {"name": "employee", "type": "email"},
        {"name": "kind", "type": "select", "options": ["paid", {"value": "unpaid", "label": "Without pay"}]},
        {"name": "start", "type": "date"},
    ],
    "steps": [
        {
            "id": "manager",
            "if": "inputs.kind == 'paid'",
            "approval": {
                "ask": "{{ inputs.employee }} asks for {{ inputs.start }}",
                "approvers": ["@hr-leads", "U024BE7LH"],
                "quorum": 2,
                "self_approval": False,
                "via": ["gmail", {"slack": "#vacation"}],
                "form": [{"name": "reason", "type": "string", "label": "Why", "required": False}],
                "timeout": "2d",
                "on_timeout": "end",
                "on_reject": "end",
            },
        },
        {"id": "rest", "delay": "10m"},
        {"id": "sure", "hold": {"by": "ann@example.org", "via": "slack"}},
        {
            "id": "book",
            "uses": "http.request",
            "with": {"method": "POST", "url": "https://example.com/bookings", "json": "{{ inputs }}"},
            "retry": {"max": 3, "delay": "10s", "backoff": 2},
            "timeout": "30s",
        },
        {"id": "tell", "run": "actions:tell"},
        {
            "id": "branch",
            "if": "true",
            "then": [{"id": "a", "delay": "1m", "on_error": "continue"}],
            "else": [{"id": "b", "delay": "1m", "on_error": [{"id": "c", "delay": "1m"}]}],
            "output": {"x": "{{ steps.a.output }}"},
            "on_timeout": {"steps": [{"id": "d", "delay": "1m"}], "then": "continue"},
        },
        {"id": "route", "switch": "inputs.kind", "cases": {"paid": [{"id": "e", "delay": "1m"}]}, "default": []},
        {
            "id": "each",
            "for_each": {"from": 1, "to": "inputs.days"},
            "concurrency": 3,
            "steps": [{"id": "f", "delay": "1m"}],
        },
        {"id": "both", "parallel": {"left": [{"id": "g", "callback": {"schema": {}}}]}, "fail_fast": False},
        {"id": "poll", "repeat": {"until": "true", "delay": "10s", "max": 3}, "steps": [{"id": "h", "delay": "1m"}]},
        {"id": "child", "flow": "other", "with": {"x": 1}, "timeout": "1d"},
        {
            "id": "nested",
            "approval": {
                "quorum": {"all": ["@x", {"at_least": 2, "of": ["@y", {"any": ["ann@example.org"]}]}]},
                "veto": "@legal",
                "options": ["cheap", {"name": "best", "label": "The best"}],
                "on_open": [{"id": "i", "delay": "1m"}],
                "on_reject": [{"id": "j", "delay": "1m"}],
            },
        },
    ],
    "outputs": {"x": "{{ inputs.kind }}"},
    "finally": [{"id": "tidy", "delay": "1m"}],
    "concurrency": {"limit": 2, "while_waiting": "keep"},
    "owner": "ann@example.org",
    "starters": ["@staff"],
    "triggers": [
        {"schedule": "0 9 * * *", "timezone": "Europe/Berlin"},
        {"webhook": "pushed", "inputs": {"kind": "{{ request.body.kind }}"}},
        {"on": "ended", "flow": "other", "if": "event.outcome == 'failed'"},
    ],
}


def errors(document: Any) -> list[str]:
    return [error.message for error in Draft202012Validator(flow_schema()).iter_errors(document)]


def test_the_schema_is_a_sound_one():
    Draft202012Validator.check_schema(flow_schema())


def test_what_the_loader_takes_the_schema_takes():
    Flow.model_validate(VACATION, by_alias=True, by_name=False)

    assert errors(VACATION) == []


@pytest.mark.parametrize(
    "change",
    [
        {"flow": "My Flow"},
        {"titel": "x"},
        {"steps": []},
        {"steps": [{"id": "a", "approval": {}}]},
        {"steps": [{"id": "a", "approval": {"approvers": ["@x"], "on_timeout": "aprove"}}]},
        {"steps": [{"id": "a", "approval": {"approvers": ["@x"], "quorum": 0}}]},
        {"steps": [{"id": "a", "with_": {}, "uses": "log"}]},
        {"inputs": [{"name": "x"}]},
        {"steps": [{"id": "a", "delay": "1m", "on_error": "end"}]},
        {"steps": [{"id": "a", "delay": "1m", "on_error": []}]},
        {"steps": [{"id": "a", "delay": "1m", "on_error": {"then": "continue"}}]},
        {"steps": [{"id": "a", "delay": "1m", "on_error": [{"id": "b", "dealy": "1m"}]}]},
        {"steps": [{"id": "a", "hold": {"on_timeout": "approve"}}]},
        {"steps": [{"id": "a", "approval": {"quorum": 2}}]},
        {"steps": [{"id": "a", "approval": {"quorum": {"all": []}}}]},
        {"steps": [{"id": "a", "parallel": {"x": []}}]},
        {"triggers": [{"cron": "0 9 * * *"}]},
        {"inputs": [{"name": "x", "type": "strin"}]},
        {"inputs": [{"name": "x", "type": "date", "options": ["a"]}]},
    ],
)
def test_what_the_loader_refuses_of_one_value_the_schema_refuses(change):
    with pytest.raises(ValueError):  # noqa: PT011 -- whichever it is, the schema has to see it too
        Flow.model_validate({**VACATION, **change}, by_alias=True, by_name=False)

    assert errors({**VACATION, **change})


def test_every_key_of_the_file_is_described():
    schema = flow_schema()

    parts = {"Flow": schema, **schema["$defs"]}
    named = {name: part for name, part in parts.items() if not name.endswith("Field") and name != "Option"}
    missing = [
        f"{name}.{key}"
        for name, part in named.items()
        for key, each in part["properties"].items()
        if not each.get("description")
    ]
    assert missing == []


def test_durations_are_spelled_as_authors_spell_them():
    definitions = flow_schema()["$defs"]

    assert definitions["Approval"]["properties"]["timeout"]["default"] == "7d"
    assert definitions["Retry"]["properties"]["delay"]["default"] == "10s"


def test_a_field_is_told_apart_by_its_type_so_an_editor_asks_for_it():
    fields = [part for part in flow_schema()["$defs"].values() if "const" in part["properties"].get("type", {})]

    assert len(fields) == len(get_args(get_args(Field)[0]))
    assert all({"name", "type"} <= set(part["required"]) for part in fields)


def test_the_schema_is_the_callers_own():
    flow_schema()["properties"].clear()

    assert errors(VACATION) == []
