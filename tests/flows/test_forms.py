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

from flows.definition import Approval, Hold
from flows.errors import InvalidForm
from flows.fields import MASK, MAX_LENGTH, MAX_VALUES, Field
from flows.findings import Finding
from flows.forms import (
    MAX_FIELDS,
    by_field,
    check_defaults,
    check_fields,
    condition_of,
    default_templates,
    fills_in,
    json_schema_of,
    mask,
    needs_no_answer,
    readable,
    rendered_texts,
    shown,
    text_templates,
    validate,
    validate_answer,
    with_texts,
)
from flows.run import Verdict

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
        Finding((1, "name"), "two fields are named 'a'", "rename one of them"),
        Finding((2, "name"), "two fields are named 'a'", "rename one of them"),
    ]
    assert check_fields([make("string", f"f{number}") for number in range(MAX_FIELDS + 1)]) == [
        Finding((), "101 fields are more than the 100 that one form may have")
    ]


# -- fields that are asked only where others have certain values


KIND = make("select", "kind", options=["sick", "other"])
WHICH = make("string", "which", when="kind == 'other'", label="Which one")


def test_K10_a_field_whose_when_is_false_is_null_and_not_required() -> None:
    fields = [
        KIND,
        WHICH,
        make("integer", "days", when="kind == 'sick'", default=3),
        make("integer", "more", when="days and days > 2", required=False),
    ]

    assert validate(fields, {"kind": "other", "which": "a move"}) == {
        "kind": "other",
        "which": "a move",
        "days": None,
        "more": None,
    }
    assert validate(fields, {"kind": "sick", "more": 4}) == {"kind": "sick", "which": None, "days": 3, "more": 4}
    assert refusal(fields, {"kind": "other"}) == {"which": "is required."}


def test_K10_what_is_filled_into_a_field_that_is_not_asked_is_refused_and_never_dropped() -> None:
    fields = [KIND, WHICH, make("secret", "pin", when="kind == 'other'", required=False)]

    assert refusal(fields, {"kind": "sick", "which": "a move", "pin": "hunter2"}) == {
        "which": "is asked only where “Kind” is 'other'; leave it empty.",
        "pin": "is asked only where “Kind” is 'other'; leave it empty.",
    }
    assert validate(fields, {"kind": "sick", "which": " ", "pin": None})["which"] is None


@pytest.mark.parametrize(
    ("type_", "attributes", "sent"),
    [
        ("integer", {"default": 5}, "5"),
        ("multiselect", {"default": ["a", "c"]}, ["c", "a"]),
        ("string", {"default": "{{ steps.build.output }}"}, "built"),
        # A page shows an instant in its reader's zone, without parts of a second.
        ("datetime", {"default": "2026-02-01T08:30:00.250+01:00"}, "2026-02-01T07:30:00+00:00"),
    ],
)
def test_K10_the_default_of_a_field_that_is_not_asked_is_no_answer(
    type_: str, attributes: dict[str, Any], sent: object
) -> None:
    fields = [KIND, make(type_, "x", when="kind == 'other'", **attributes)]
    defaults = {"x": "built"} if type_ == "string" else {}

    values = validate(fields, {"kind": "sick", "x": sent}, defaults=defaults)

    assert values == {"kind": "sick", "x": None}
    assert "x" in refusal(fields, {"kind": "sick", "x": "zz"}, defaults=defaults)


def test_K8_where_nobody_knows_whether_a_field_is_asked_it_is_not_missed_but_has_to_fit() -> None:
    fields = [KIND, WHICH, make("date", "day", when="which == 'a move'"), make("integer", "days")]

    assert refusal(fields, {"kind": "z", "day": "soon", "days": "many"}) == {
        "kind": "must be one of: sick, other; it is 'z'.",
        "day": "must be a date like 2026-11-20, not 'soon'.",
        "days": "must be a whole number, not 'many'.",
    }
    assert refusal(fields, {"days": 1}) == {"kind": "is required: one of: sick, other."}


def test_a_field_may_stand_before_those_that_its_when_reads() -> None:
    fields = [make("string", "c", when="b == 'x'"), make("string", "b", when="a"), make("boolean", "a")]

    assert list(validate(fields, {"a": True, "b": "x", "c": "y"}).items()) == [("c", "y"), ("b", "x"), ("a", True)]
    assert validate(fields, {"a": False}) == {"c": None, "b": None, "a": False}


def test_a_when_that_cannot_be_evaluated_is_said_and_not_taken_for_false() -> None:
    fields = [make("integer", "days", required=False), make("string", "why", when="days > 3")]

    assert refusal(fields, {"why": "x"}) == {
        "why": (
            "cannot be taken: whether it is asked hangs on “Days” > 3, which cannot be told"
            " (`>` cannot compare null with a number)."
        )
    }
    assert validate(fields, {"days": 5, "why": "x"}) == {"days": 5, "why": "x"}


def test_the_json_schema_lets_a_field_be_left_out_that_is_not_always_asked() -> None:
    schema = json_schema_of([KIND, WHICH, make("object", "one", fields=[{"name": "a", "type": "date", "when": "1"}])])

    assert schema["required"] == ["kind", "one"]
    assert schema["properties"]["one"]["required"] == []
    assert Draft202012Validator(schema).is_valid({"kind": "sick", "which": None, "one": {"a": None}})


def test_inside_an_object_a_when_reads_the_fields_beside_it() -> None:
    inner = [{"name": "tls", "type": "boolean"}, {"name": "port", "type": "integer", "when": "not tls"}]
    field = make("list", "servers", fields=inner)

    assert value_of(field, [{"tls": True}, {"tls": False, "port": 80}]) == [
        {"tls": True, "port": None},
        {"tls": False, "port": 80},
    ]
    assert refusal([field], {"servers": [{"tls": False}, {"tls": True, "port": 1}]}) == {
        "servers[0].port": "is required: a whole number.",
        "servers[1].port": "is asked only where not “Tls”; leave it empty.",
    }


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("kind == 'other'", "“Kind” is 'other'"),
        ("{{ kind != 'sick' }}", "“Kind” is not 'sick'"),
        ("which and kind in ['kind', 'x == y']", "“Which one” and “Kind” in ['kind', 'x == y']"),
        ("which | length > 3", "“Which one” | length > 3"),
        ("which.kind\n == 1", "“Which one”.kind is 1"),
    ],
)
def test_a_condition_is_told_in_the_words_of_the_form(when: str, words: str) -> None:
    field = make("date", "day", when=when)

    assert condition_of(field, [KIND, WHICH, field]) == words
    assert condition_of(KIND, [KIND, WHICH, field]) is None


def wrong(*fields: Field) -> list[tuple[Any, str, str | None]]:
    return [(finding.loc, finding.message, finding.hint) for finding in check_fields(fields)]


def test_a_when_is_checked_when_a_flow_is_loaded() -> None:
    days = make("integer", "days", required=False)
    pin = make("secret", "pin")

    assert wrong(KIND, WHICH) == []
    assert wrong(KIND, make("string", "a", when="knd == 'other'")) == [
        ((1, "when"), "'when' reads 'knd', which is no field beside it", "did you mean 'kind'?")
    ]
    assert wrong(KIND, make("string", "a", when="inputs.kind == 'other'")) == [
        ((1, "when"), "'when' reads 'inputs', which is no field beside it", "only the fields beside it can be read")
    ]
    assert wrong(pin, make("string", "a", when="pin == '1'")) == [
        ((1, "when"), "'when' reads the secret 'pin'", "what is asked would tell what it is")
    ]
    assert wrong(KIND, make("string", "a", when="kind == 'othr'")) == [
        ((1, "when"), "'when' is true for no answer, so this is never asked", "compare with the values of the options")
    ]
    assert wrong(days, make("string", "a", when="days > 3")) == [
        (
            (1, "when"),
            "'when' cannot be evaluated where days is empty: `>` cannot compare null with a number",
            "say what holds then, like 'days and ...'",
        )
    ]
    assert wrong(days, make("string", "a", when="days and days > 3")) == []
    assert wrong(make("integer", "days"), make("string", "a", when="days > 3")) == []


def test_cycles_between_fields_are_refused_when_a_flow_is_loaded() -> None:
    assert wrong(make("string", "a", when="a == 'x'")) == [
        ((0, "when"), "whether 'a' is asked depends on its own value", None)
    ]
    assert wrong(
        make("boolean", "z"),
        make("boolean", "a", when="b or z"),
        make("boolean", "b", when="c"),
        make("boolean", "c", when="a"),
    ) == [
        ((1, "when"), "whether these are asked depends on each other: a → b → c → a", "leave one 'when' out")
    ]  # fmt: skip


def test_cycles_and_unknown_names_inside_objects_are_found_with_their_place() -> None:
    circle = [{"name": "a", "type": "boolean", "when": "b"}, {"name": "b", "type": "boolean", "when": "a"}]
    twice = [{"name": "a", "type": "date"}, {"name": "a", "type": "date"}]

    found = wrong(
        make("object", "one", fields=circle),
        make("list", "two", fields=[{"name": "a", "type": "date", "when": "zz"}]),
        make("list", "three", of={"type": "list", "of": {"type": "object", "fields": twice}}),
    )

    assert [(loc, message) for loc, message, _ in found] == [
        ((0, "fields", 0, "when"), "whether these are asked depends on each other: a → b → a"),
        ((1, "fields", 0, "when"), "'when' reads 'zz', which is no field beside it"),
        ((2, "of", "of", "fields", 1, "name"), "two fields are named 'a'"),
    ]


def test_an_unchecked_cycle_ends_in_a_refusal() -> None:
    fields = [make("boolean", "a", when="b"), make("boolean", "b", when="a")]

    assert refusal(fields, {"a": True}).keys() == {"a"}


def test_while_a_form_is_filled_in_the_fields_come_and_go() -> None:
    fields = [
        make("select", "kind", options=["sick", "other"], default="{{ inputs.kind }}"),
        WHICH,
        make("date", "day", when="which == 'a move'"),
    ]

    def names(given: Mapping[str, object]) -> list[str]:
        return [field.name for field in shown(fields, given, defaults={"kind": "other"})]

    assert names({}) == ["kind", "which"]
    assert names({"kind": "sick"}) == ["kind"]
    assert names({"kind": ""}) == ["kind"]
    assert names({"kind": "z"}) == ["kind"]
    assert names({"which": "a move"}) == ["kind", "which", "day"]
    assert names({"kind": "sick", "which": "a move"}) == ["kind"]


# -- what is rendered when a form opens


def test_K11_labels_descriptions_and_options_are_rendered_when_the_form_opens() -> None:
    fields = [
        make("string", "why", label="Why {{ inputs.name }}?", description="{{ steps.build.output }}", when="c"),
        make("select", "env", options=["a", {"value": "b", "label": "{{ inputs.b }}"}, {"value": "c", "label": "C"}]),
        make("json", "c", schema={"type": "object"}, label="{{ inputs.n }}"),
        make("date", "day", label="Day"),
    ]

    templates = text_templates(fields)
    texts = rendered_texts(
        {
            "why.label": "Why\n Ann?",
            "why.description": " two\nlines ",
            "env.options.1": {"b": 1},
            "c.label": None,
        }
    )
    why, env, data, day = with_texts(fields, texts)

    assert templates == {
        "why.label": "Why {{ inputs.name }}?",
        "why.description": "{{ steps.build.output }}",
        "env.options.1": "{{ inputs.b }}",
        "c.label": "{{ inputs.n }}",
    }
    assert (why.title, why.description, why.when) == ("Why Ann?", "two\nlines", "c")
    assert [option.title for option in env.options] == ["a", '{"b": 1}', "C"]
    assert (data.title, data.parse({}), day) == ("C", {}, fields[3])
    assert with_texts(fields, {}) == tuple(fields)


def test_K11_rendered_texts_are_cut_to_what_can_be_shown() -> None:
    texts = rendered_texts({"a.label": "x" * 999, "a.description": "x" * 9_999, "a.options.0": "x" * 999})

    assert {place: (len(text), text[-1]) for place, text in texts.items()} == {
        "a.label": (150, "…"),
        "a.description": (2_000, "…"),
        "a.options.0": (200, "…"),
    }


def test_K11_what_an_option_is_called_when_the_form_opens_is_not_what_it_was_called_before() -> None:
    field = make("select", options=[{"value": "a", "label": "{{ inputs.a }}"}])
    assert readable(field, "a") == "{{ inputs.a }}"

    (shown_field,) = with_texts([field], {"x.options.0": "Ann"})

    assert readable(shown_field, "a") == "Ann"


def test_K11_a_default_may_hold_templates_at_any_depth() -> None:
    servers = make(
        "list", "servers", fields=[{"name": "host", "type": "string"}], default=[{"host": "{{ inputs.host }}"}]
    )
    data = make("json", "data", default={"a": ["{{ inputs.host }}"]})

    assert default_templates([servers, data]) == {
        "servers": [{"host": "{{ inputs.host }}"}],
        "data": {"a": ["{{ inputs.host }}"]},
    }
    assert validate([servers], {}, defaults={"servers": [{"host": "a"}]}) == {"servers": [{"host": "a"}]}
    with pytest.raises(InvalidForm) as caught:
        check_defaults([servers], {"servers": [{"host": 1}]})
    assert caught.value.fields == {"servers": "default [0].host: must be text, not 1."}


@pytest.mark.parametrize(
    ("type_", "default", "edited", "kept"),
    [
        ("string", "soon", "later", "later"),
        ("integer", 5, "7", 7),
        ("boolean", True, "no", False),
        ("select", "a", "b", "b"),
        ("multiselect", ["a"], ["b"], ["b"]),
        ("date", "2026-11-20", "2026-12-24", "2026-12-24"),
        ("json", {"a": 1}, '{"b": 2}', {"b": 2}),
        ("list", [1], "[]", []),
    ],
)
@pytest.mark.parametrize("rendered", [False, True])
def test_K11_the_approvers_edited_value_wins_over_a_default_and_so_does_an_emptied_one(
    type_: str, default: Any, edited: object, kept: object, rendered: bool
) -> None:
    attributes: dict[str, Any] = {"of": "integer"} if type_ == "list" else {}
    field = make(type_, default="{{ steps.build.output }}" if rendered else default, required=False, **attributes)
    required = make(type_, default="{{ steps.build.output }}" if rendered else default, **attributes)
    defaults = {"x": default}

    assert validate([field], {"x": edited}, defaults=defaults) == {"x": kept}
    assert validate([field], {}, defaults=defaults) == {"x": default}
    assert validate([field], {"x": ""}, defaults=defaults)["x"] in (None, "", [])
    assert refusal([required], {"x": ""}, defaults=defaults)["x"].startswith("is required")


# -- which answer takes the form


BOTH = Approval(approvers=("ann@example.com",), form_on="both", form=(make("integer", "days"),))
YES = Approval(approvers=("ann@example.com",), form=(make("integer", "days"),))
HOLD = Hold(form=(make("integer", "days"),))


def test_a_rejection_takes_the_form_only_where_the_flow_says_so() -> None:
    assert validate_answer(YES, Verdict.REJECT, {"days": "many", "stray": 1}, defaults={}) == {}
    assert validate_answer(BOTH, Verdict.REJECT, {"days": "5"}, defaults={}) == {"days": 5}
    assert validate_answer(BOTH, Verdict.APPROVE, {"days": "5"}, defaults={}) == {"days": 5}
    assert validate_answer(HOLD, Verdict.RESUME, {"days": "5"}, defaults={}) == {"days": 5}
    assert validate_answer(BOTH, Verdict.WITHDRAW, {}, defaults={}) == {}
    for wait, verdict in ((BOTH, Verdict.REJECT), (YES, Verdict.APPROVE), (HOLD, Verdict.RESUME)):
        with pytest.raises(InvalidForm):
            validate_answer(wait, verdict, {}, defaults={})
    assert [fills_in(wait, Verdict.REJECT) for wait in (BOTH, YES, HOLD)] == [True, False, False]


def test_a_form_needs_no_answer_where_everything_may_be_left_out_or_has_a_default() -> None:
    optional, given = make("string", "a", required=False), make("date", "b", default="{{ inputs.day }}")

    assert needs_no_answer([])
    assert needs_no_answer([optional, given, make("boolean", "c", default=False), make("date", "d", when="c")])
    assert not needs_no_answer([optional, make("boolean", "c", default=True), make("date", "d", when="c")])
    assert not needs_no_answer([optional, make("date", "b")])


def test_what_is_wrong_inside_a_value_is_put_together_for_doors_that_show_one_sentence_for_each_field() -> None:
    fields = [make("list", "servers", of="integer"), make("date", "day")]

    told = by_field(fields, {"servers[0]": "is wrong.", "day": "is late.", "servers[2]": "is too.", "days.x": "?"})

    assert told == {
        "servers": "servers[0]: is wrong. servers[2]: is too.",
        "day": "is late.",
        "days.x": "?",
    }


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
