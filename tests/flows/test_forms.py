"""The one validator: many fields held against many values, with defaults, limits and what is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markupsafe import Markup
from pydantic import TypeAdapter

from flows.errors import InvalidForm
from flows.fields import MASK, MAX_LENGTH, MAX_VALUES, Field
from flows.forms import (
    MAX_FIELDS,
    check_defaults,
    check_fields,
    default_templates,
    json_schema_of,
    mask,
    readable,
    validate,
)

ONE_FIELD: TypeAdapter[Field] = TypeAdapter(Field)


def make(type_: str, name: str = "x", **attributes: Any) -> Field:
    if type_ in ("select", "multiselect"):
        attributes.setdefault("options", ["a", "b", {"value": "c", "label": "The third"}])
    return ONE_FIELD.validate_python({"name": name, "type": type_, **attributes})


def value_of(field: Field, given: object) -> Any:
    return validate([field], {field.name: given})[field.name]


def refusal(fields: list[Field], values: Mapping[str, object], **options: Any) -> dict[str, str]:
    with pytest.raises(InvalidForm) as caught:
        validate(fields, values, **options)
    return caught.value.fields


BERLIN = timezone(timedelta(hours=1))


def test_K8_all_bad_fields_are_reported_together() -> None:
    fields = [
        make("date", "start"),
        make("date", "end"),
        make("select", "kind", required=False),
        make("string", "reason"),
        make("integer", "days"),
    ]

    refused = refusal(
        fields, {"start": "soon", "kind": "z", "reason": " \n", "days": 3, "ends": "2026-11-20", "1\n2": 0}
    )

    assert refused == {
        "start": "must be a date like 2026-11-20, not 'soon'.",
        "end": "is required: a date like 2026-11-20.",
        "kind": "must be one of: a, b, c; it is 'z'.",
        "reason": "is required.",
        "ends": "is not a field of this form; did you mean end?",
        r"'1\n2'": "is not a field of this form; the fields are: start, end, kind, reason, days.",
    }


def test_K8_a_flood_of_unknown_names_makes_a_short_refusal() -> None:
    refused = refusal([], {f"{'n' * 1000}{number}": 1 for number in range(5000)})

    assert len(refused) <= 21
    assert all(len(name) <= 40 and len(sentence) <= 100 for name, sentence in refused.items())


def test_values_come_in_field_order_with_defaults_and_nulls_for_what_is_not_given() -> None:
    fields = [
        make("string", "b", required=False),
        make("integer", "a", default="5"),
        make("date", "c", required=False),
        make("multiselect", "d", required=False),
    ]

    values = validate(fields, {"c": "", "a": None})

    assert list(values.items()) == [("b", None), ("a", 5), ("c", None), ("d", None)]


@pytest.mark.parametrize("type_", ["string", "integer", "boolean", "date", "select", "multiselect", "json", "secret"])
@pytest.mark.parametrize("nothing", [None, "", " \t\n"])
def test_blank_and_null_are_not_given_through_any_door(type_: str, nothing: object) -> None:
    assert value_of(make(type_, required=False), nothing) is None
    assert refusal([make(type_)], {"x": nothing})["x"].startswith("is required")


def test_zero_and_no_are_answers_and_an_empty_list_of_choices_is_none() -> None:
    assert value_of(make("integer"), 0) == 0
    assert value_of(make("boolean"), False) is False
    assert value_of(make("json"), {}) == {}
    assert refusal([make("multiselect")], {"x": []}) == {"x": "is required: a list of: a, b, c."}


def test_K11_a_person_can_empty_what_a_default_filled_in() -> None:
    text = make("string", required=False, default="urgent", min_length=3)
    choices = make("multiselect", required=False, default=["a"])

    assert (value_of(text, ""), value_of(text, None)) == ("", "urgent")
    assert (value_of(choices, []), value_of(choices, None)) == ([], ["a"])


def test_K11_a_template_default_is_validated_when_it_is_rendered_and_never_rendered_again() -> None:
    fields = [make("date", "day", default="{{ inputs.day }}"), make("string", "why", default="{{ x }}", required=False)]

    values = validate(fields, {}, defaults={"day": " 2026-11-20", "why": Markup("{{ y }}")})
    refused = refusal(fields, {}, defaults={"day": "monday", "why": ""})

    assert default_templates(fields) == {"day": "{{ inputs.day }}", "why": "{{ x }}"}
    assert values == {"day": "2026-11-20", "why": "{{ y }}"}
    assert type(values["why"]) is str
    assert refused == {"day": "is not given, and its default must be a date like 2026-11-20, not 'monday'."}
    assert validate(fields, {"day": "2026-12-01", "why": "z"})["day"] == "2026-12-01"
    with pytest.raises(LookupError, match="not rendered"):
        validate(fields, {})


def test_K11_rendered_defaults_are_checked_together_when_a_form_opens() -> None:
    fields = [make("date", "a", default="{{ a }}"), make("integer", "b", default="{{ b }}"), make("string", "c")]

    checked = check_defaults(fields, {"a": " 2026-11-20", "b": ""})
    with pytest.raises(InvalidForm) as caught:
        check_defaults(fields, {"a": "monday", "b": "many"})

    assert checked == {"a": "2026-11-20", "b": None}
    assert caught.value.fields == {
        "a": "default must be a date like 2026-11-20, not 'monday'.",
        "b": "default must be a whole number, not 'many'.",
    }


def test_changing_values_leaves_the_definition_alone() -> None:
    field = make("json", default={"a": [1]})

    validate([field], {})["x"]["a"].append(2)

    assert field.default == {"a": [1]}


def test_all_values_together_are_bounded() -> None:
    fields = [make("string", f"t{number}", max_length=MAX_LENGTH) for number in range(4)]
    values = {field.name: "x" * (MAX_VALUES // 4) for field in fields}

    assert validate(fields, values) == values
    assert refusal(fields, values | {"t2": "x" * (MAX_VALUES // 4 + 1)}) == {
        "t2": "must be shorter: all values together may have 65536 characters, these have 65537."
    }


def test_two_fields_of_one_name_and_too_many_fields_are_problems() -> None:
    assert check_fields([make("string", "a"), make("date", "b")]) == []
    assert check_fields([make("string", "a"), make("date", "a"), make("date", "a")]) == [
        "two fields are named a; rename one of them"
    ]
    assert check_fields([make("string", f"f{number}") for number in range(MAX_FIELDS + 1)]) == [
        "101 fields are more than the 100 that one form may have"
    ]


def test_secrets_are_masked_and_what_is_no_field_is_left_out() -> None:
    fields = [make("secret", "key"), make("secret", "other"), make("string", "who")]

    masked = mask(fields, {"key": "hunter2", "other": None, "who": "ann", "stray": "hunter2"})

    assert masked == {"key": MASK, "other": None, "who": "ann"}
    assert mask(fields, {"who": "ann"}) == {"who": "ann"}


@pytest.mark.parametrize(
    ("type_", "value", "line"),
    [
        ("string", "a\n b", "a b"),
        ("boolean", True, "yes"),
        ("boolean", False, "no"),
        ("integer", 5, "5"),
        ("date", "2026-11-20", "2026-11-20"),
        ("select", "c", "The third"),
        ("multiselect", ["a", "c"], "a, The third"),
        ("multiselect", [], "–"),
        ("json", {"a": "ö"}, '{"a": "ö"}'),
        ("secret", "hunter2", MASK),
        ("boolean", None, "–"),
        ("secret", None, "–"),
    ],
)
def test_a_value_is_one_readable_line(type_: str, value: object, line: str) -> None:
    assert readable(make(type_), value) == line


def test_the_json_schema_carries_help_and_defaults_and_keeps_references_apart() -> None:
    tree = {"$defs": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/n"}}
    fields = [make("integer", "days", default=5, description="How long?"), make("json", "tree", schema=tree)]

    schema = json_schema_of(fields)

    assert schema["properties"]["days"] == {
        "title": "Days",
        "description": "How long?",
        "default": 5,
        "anyOf": [{"type": "integer"}, {"type": "null"}],
    }
    assert schema["required"] == ["tree"]
    assert Draft202012Validator(schema).is_valid({"tree": [1]})
    assert not Draft202012Validator(schema).is_valid({"tree": ["x"]})


TEXT_AND_JSON = [
    ("integer", st.integers(-(2**63) + 1, 2**63 - 1), str),
    ("number", st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**18), 10**18), str),
    ("boolean", st.booleans(), lambda value: "yes" if value else "no"),
    ("multiselect", st.sets(st.sampled_from("abc"), min_size=1).map(sorted), ", ".join),
    ("json", st.dictionaries(st.text("ab", max_size=3), st.floats(-5, 5) | st.booleans()), json.dumps),
    ("date", st.dates(), date.isoformat),
    ("datetime", st.datetimes(timezones=st.just(BERLIN)), datetime.isoformat),
    (
        "duration",
        st.timedeltas(timedelta(0), timedelta(days=9999)),
        lambda value: f"{value / timedelta(seconds=1):.6f}s",
    ),
]


@pytest.mark.parametrize(("type_", "values", "as_text"), TEXT_AND_JSON, ids=[row[0] for row in TEXT_AND_JSON])
@settings(max_examples=60)
@given(data=st.data())
def test_a_text_door_and_the_api_make_the_same_value(
    type_: str, values: Any, as_text: Any, data: st.DataObject
) -> None:
    value = data.draw(values)

    from_json = value_of(make(type_), value)
    from_text = value_of(make(type_), as_text(value))

    assert from_text == from_json
    assert type(from_text) is type(from_json)
