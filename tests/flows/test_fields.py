"""What each type of field takes, what it refuses, and how it says so."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from flows.errors import InvalidForm
from flows.fields import MAX_LENGTH, Field, IntegerField, JsonField, ListField, SecretField, StringField
from flows.forms import json_schema_of, readable, validate

ONE_FIELD: TypeAdapter[Field] = TypeAdapter(Field)


def make(type_: str, name: str = "x", **attributes: Any) -> Field:
    if type_ in ("select", "multiselect"):
        attributes.setdefault("options", ["a", "b", {"value": "c", "label": "The third"}])
    if type_ == "object":
        attributes.setdefault(
            "fields", [{"name": "host", "type": "string"}, {"name": "port", "type": "integer", "default": 22}]
        )
    if type_ == "list" and "fields" not in attributes:
        attributes.setdefault("of", {"type": "integer", "min": 0})
    return ONE_FIELD.validate_python({"name": name, "type": type_, **attributes})


def value_of(field: Field, given: object) -> Any:
    return validate([field], {field.name: given})[field.name]


def refusal(fields: list[Field], values: Mapping[str, object], **options: Any) -> dict[str, str]:
    with pytest.raises(InvalidForm) as caught:
        validate(fields, values, **options)
    return caught.value.fields


def problem_of_definition(type_: str, **attributes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        make(type_, **attributes)
    return "\n".join(error["msg"] for error in caught.value.errors())


def labels(rows: list[Any]) -> list[str]:
    """Short names: some of the values are longer, or stranger, than pytest can print."""
    return [f"{row[0]}-{number}" for number, row in enumerate(rows)]


BERLIN = timezone(timedelta(hours=1))
SHAPE = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
HI = {"name": "a.txt", "media_type": "text/plain", "size": 2, "content": "aGk="}

GOOD: list[tuple[str, dict[str, Any], object, object]] = [
    ("string", {}, " as it is ", " as it is "),
    ("string", {}, "{{ not a template }}", "{{ not a template }}"),
    ("string", {}, "x" * 3000, "x" * 3000),
    ("string", {"max_length": 5000}, "x" * 5000, "x" * 5000),
    ("string", {"multiline": True}, "a\r\nb\rc\td", "a\nb\nc\td"),
    ("string", {"pattern": "[A-Z]{2}-[0-9]+"}, "AB-12", "AB-12"),
    ("string", {"pattern": "a|bc"}, "bc", "bc"),
    ("string", {}, "שלום \u200f👋", "שלום \u200f👋"),
    ("integer", {}, 5, 5),
    ("integer", {}, "5", 5),
    ("integer", {}, " -7 ", -7),
    ("integer", {}, 0, 0),
    ("integer", {"min": 1, "max": 3}, "3", 3),
    ("number", {}, 1.5, 1.5),
    ("number", {}, "1.5", 1.5),
    ("number", {}, "5", 5),
    ("number", {}, ".5", 0.5),
    ("number", {}, "1e3", 1000.0),
    ("number", {"min": 0.5}, 0.5, 0.5),
    ("boolean", {}, True, True),
    ("boolean", {}, False, False),
    ("boolean", {}, "TRUE", True),
    ("boolean", {}, "yes", True),
    ("boolean", {}, "on", True),
    ("boolean", {}, "No", False),
    ("boolean", {}, "off", False),
    ("boolean", {}, " false ", False),
    ("date", {}, "2026-11-20", "2026-11-20"),
    ("date", {}, " 2028-02-29 ", "2028-02-29"),
    ("date", {}, date(2026, 11, 20), "2026-11-20"),
    ("time", {}, "14:30", "14:30"),
    ("time", {}, "14:30:00", "14:30"),
    ("time", {}, "14:30:15", "14:30:15"),
    ("time", {}, time(9, 5), "09:05"),
    ("datetime", {}, "2026-11-20T14:30:00+01:00", "2026-11-20T14:30:00+01:00"),
    ("datetime", {}, "2026-11-20T14:30Z", "2026-11-20T14:30:00+00:00"),
    ("datetime", {}, "2026-11-20 14:30 +0100", "2026-11-20T14:30:00+01:00"),
    ("datetime", {}, "2026-11-20T14:30:00.250z", "2026-11-20T14:30:00.250000+00:00"),
    ("datetime", {}, datetime(2026, 11, 20, 14, 30, tzinfo=BERLIN), "2026-11-20T14:30:00+01:00"),
    ("duration", {}, "90m", "1h30m"),
    ("duration", {}, "PT5M", "5m"),
    ("duration", {}, timedelta(days=2), "2d"),
    ("select", {}, "a", "a"),
    ("select", {}, " c ", "c"),
    ("multiselect", {}, ["c", "a"], ["a", "c"]),
    ("multiselect", {}, "c, a", ["a", "c"]),
    ("multiselect", {"min_items": 1, "max_items": 1}, "b", ["b"]),
    ("email", {}, " Ann.B+x@Example.COM ", "Ann.B+x@example.com"),
    ("email", {}, "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
    ("url", {}, " https://example.com:8443/a?b=c#d ", "https://example.com:8443/a?b=c#d"),
    ("url", {}, "HTTP://example.com/@ann", "HTTP://example.com/@ann"),
    ("json", {}, '{"a": [1, 2.5, null, "x"]}', {"a": [1, 2.5, None, "x"]}),
    ("json", {}, {"a": [True]}, {"a": [True]}),
    ("json", {}, "[]", []),
    ("json", {}, "false", False),
    ("json", {"schema": SHAPE}, '{"n": 1}', {"n": 1}),
    *(
        ("uri", {}, f" {uri} ", uri)
        for uri in (
            "urn:isbn:0451450523",
            "s3://bucket/a%20key",
            "mailto:ann@example.com",
            "ssh://git@example.com:22/repo.git",
            "http://[2001:db8::7]/c=GB?one?two#three",
            "file:///etc/hosts",
            "tel:+1-816-555-1212",
        )
    ),
    ("object", {}, {"host": "a"}, {"host": "a", "port": 22}),
    ("object", {}, '{"port": "80", "host": "a"}', {"host": "a", "port": 80}),
    ("list", {}, [1, "2"], [1, 2]),
    ("list", {}, "[]", []),
    ("list", {"of": "string"}, '["a", " b "]', ["a", " b "]),
    ("list", {"of": {"type": "integer", "required": False}}, [1, None], [1, None]),
    ("list", {"fields": [{"name": "on", "type": "boolean"}]}, '[{"on": "yes"}]', [{"on": True}]),
    ("list", {"of": {"type": "list", "of": "date"}}, [["2026-11-20"], []], [["2026-11-20"], []]),
    ("file", {}, {"name": "a.txt", "media_type": "Text/Plain; charset=utf-8", "content": "aGk="}, HI),
    ("file", {}, json.dumps(HI), HI),
    ("file", {"max_bytes": 2}, {"name": "a.txt", "media_type": "text/plain", "size": 2, "content": "aGk="}, HI),
    (
        "file",
        {},
        {"name": "empty", "content": ""},
        {"name": "empty", "media_type": "application/octet-stream", "size": 0, "content": ""},
    ),
    ("secret", {}, " p4ss\r\nword ", " p4ss\r\nword "),
]


@pytest.mark.parametrize(("type_", "attributes", "given_", "expected"), GOOD, ids=labels(GOOD))
def test_K10_a_good_value_is_normalised(
    type_: str, attributes: dict[str, Any], given_: object, expected: object
) -> None:
    value = value_of(make(type_, **attributes), given_)

    assert value == expected
    assert type(value) is type(expected)
    assert json.loads(json.dumps(value)) == value


BAD: list[tuple[str, dict[str, Any], object, str]] = [
    ("string", {}, 5, "must be text, not 5."),
    ("string", {}, "a\nb", "must be one line."),
    ("string", {}, "a\x00b", r"must be text without control characters; character 2 is '\x00'."),
    ("string", {"multiline": True}, "a\n\x1b[31m", r"must be text without control characters; character 3 is '\x1b'."),
    ("string", {}, "\ud800", r"must be text without control characters; character 1 is '\ud800'."),
    ("string", {}, "x" * 3001, "must be at most 3000 characters long; it has 3001."),
    ("string", {"min_length": 3}, "ab", "must be at least 3 characters long; it has 2."),
    ("string", {"pattern": "[a-z]+"}, "abc1", "must match the pattern [a-z]+, not 'abc1'."),
    ("string", {"pattern": "a|bc"}, "ac", "must match the pattern a|bc, not 'ac'."),
    ("integer", {}, 5.5, "must be a whole number, not 5.5."),
    ("integer", {}, "5.0", "must be a whole number, not '5.0'."),
    ("integer", {}, 5.0, "must be a whole number, not 5.0."),
    ("integer", {}, True, "must be a whole number, not true."),
    ("integer", {}, "1_000", "must be a whole number, not '1_000'."),
    ("integer", {}, "٣", "must be a whole number, not '٣'."),
    ("integer", {}, "9" * 101, f"must be a whole number, not '{'9' * 37}…'."),
    ("integer", {}, 2**63, f"must be between -{2**63 - 1} and {2**63 - 1}."),
    ("integer", {"min": 1, "max": 3}, 4, "must be between 1 and 3, not 4."),
    ("integer", {"min": 1}, "0", "must be at least 1, not 0."),
    ("integer", {"max": 3}, 4, "must be at most 3, not 4."),
    ("number", {}, "1,5", "must be a number like 5 or 1.5, not '1,5'."),
    ("number", {}, math.nan, "must be a number like 5 or 1.5, not nan."),
    ("number", {}, "inf", "must be a number like 5 or 1.5, not 'inf'."),
    ("number", {}, "1e999", "must be a number like 5 or 1.5, not '1e999'."),
    ("number", {}, True, "must be a number like 5 or 1.5, not true."),
    ("number", {}, 10**5000, "must be a number of at most 100 digits."),
    ("number", {"max": 0.5}, 0.75, "must be at most 0.5, not 0.75."),
    ("boolean", {}, "maybe", "must be yes or no, not 'maybe'."),
    ("boolean", {}, 1, "must be yes or no, not 1."),
    ("boolean", {}, "0", "must be yes or no, not '0'."),
    ("date", {}, "20.11.2026", "must be a date like 2026-11-20, not '20.11.2026'."),
    ("date", {}, "20261120", "must be a date like 2026-11-20, not '20261120'."),
    ("date", {}, "2026-02-29", "must be a date that exists, like 2026-11-20, not '2026-02-29'."),
    ("date", {}, datetime(2026, 11, 20, tzinfo=UTC), "must be a date like 2026-11-20, not a Python datetime."),
    ("time", {}, "24:00", "must be a time like 14:30, not '24:00'."),
    ("time", {}, "2pm", "must be a time like 14:30, not '2pm'."),
    (
        "datetime",
        {},
        "2026-11-20T14:30",
        "must carry a time zone, like 2026-11-20T14:30:00+01:00, not '2026-11-20T14:30'.",
    ),
    (
        "datetime",
        {},
        "2026-11-31T14:30Z",
        "must be a date and time that exists, like 2026-11-20T14:30:00+01:00, not '2026-11-31T14:30Z'.",
    ),
    (
        "datetime",
        {},
        1795000000,
        "must be a date and time with its zone, like 2026-11-20T14:30:00+01:00, not 1795000000.",
    ),
    ("duration", {}, 10, "must be a duration like 10s, 2d or 1h30m, not 10."),
    ("duration", {}, "soon", "must be a duration like 10s, 2d or 1h30m, not 'soon'."),
    ("duration", {}, timedelta(-1), "must be a duration like 10s, 2d or 1h30m, not a Python timedelta."),
    ("select", {}, "d", "must be one of: a, b, c; it is 'd'."),
    ("select", {}, "The third", "must be one of: a, b, c; it is 'The third'."),
    ("select", {}, ["a"], "must be one of: a, b, c; it is a list."),
    ("multiselect", {}, ["a", "d"], "must be a list of: a, b, c; 'd' is none of them."),
    ("multiselect", {}, "a,,b", "must be a list of: a, b, c; '' is none of them."),
    ("multiselect", {}, ["a", "a"], "must name each option once; 'a' is there twice."),
    ("multiselect", {}, [["a"]], "must be a list of: a, b, c; a list is none of them."),
    ("multiselect", {}, {"a": 1}, "must be a list of: a, b, c, not an object."),
    ("multiselect", {"min_items": 2}, ["a"], "must name at least 2 options of: a, b, c."),
    ("multiselect", {"max_items": 1}, "a,b", "must name at most 1 option of: a, b, c."),
    *(
        ("email", {}, bad, f"must be a mail address like ann@example.com, not {bad!r}.")
        for bad in (
            "ann",
            "ann@localhost",
            "a b@x.org",
            "a@b@x.org",
            ".a@x.org",
            "a..b@x.org",
            "a@-x.org",
            "Ann <a@x.org>",
        )
    ),
    *(
        ("url", {}, bad, f"must be a web address like https://example.com/page, not {bad!r}.")
        for bad in (
            "example.com",
            "ftp://x.org",
            "javascript:alert(1)",
            "https://",
            "https://x.org:99999",
            "https://x y",
        )
    ),
    (
        "url",
        {},
        "https://ann:hunter2@x.org",
        "must be a web address like https://example.com/page, without a user name or password in it.",
    ),
    (
        "url",
        {},
        "https://good.example\\@evil.example",
        "must be a web address like https://example.com/page, without a user name or password in it.",
    ),
    ("json", {}, "{a: 1}", None),  # type: ignore[list-item]  # the parser's own words differ between Pythons
    ("json", {}, '"text"', "must be JSON, such as {\"count\": 1} or [1, 2], not 'text'."),
    ("json", {}, '{"a": 1, "a": 2}', "must be JSON that has each key of an object once."),
    ("json", {}, "[NaN]", "must be JSON, which has no NaN."),
    ("json", {}, "[1e999]", "must be JSON with finite numbers."),
    ("json", {}, "[" * 2000 + "]" * 2000, "must be JSON that is nested at most 32 deep."),
    ("json", {}, json.loads("[" * 33 + "]" * 33), "must be JSON that is nested at most 32 deep."),
    ("json", {}, "1" * 5000, "must be JSON with numbers of at most 100 digits."),
    ("json", {}, {"a": "\ud800"}, "must be JSON whose texts have no control characters."),
    ("json", {}, {"a": {1}}, "must be JSON, which has no set."),
    ("json", {}, ["x" * MAX_LENGTH], f"must be JSON of at most {MAX_LENGTH} characters."),
    ("json", {"schema": SHAPE}, {"n": "x"}, "does not fit its schema at 'n': 'x' is not of type 'integer'."),
    ("json", {"schema": SHAPE}, {}, "does not fit its schema: 'n' is a required property."),
    *(
        (
            "uri",
            {},
            bad,
            f"must be an address with its scheme, like urn:isbn:0451450523 or s3://bucket/key, not {bad!r}.",
        )
        for bad in (
            "example.com",
            "//example.com/a",
            "a b:c",
            "1a:b",
            "a:%zz",
            "http://[zz]/",
            "http://x.org:999999",
            "http://ü.de",
        )
    ),
    (
        "uri",
        {},
        "ssh://git:hunter2@x.org",
        "must be an address with its scheme, like urn:isbn:0451450523 or s3://bucket/key, without a password in it.",
    ),
    ("uri", {}, f"a:{'b' * 2000}", "must be at most 2000 characters long; it has 2002."),
    ("object", {}, [1], "must be an object with: host, port (optional), not a list."),
    ("object", {}, '"text"', "must be an object with: host, port (optional), not 'text'."),
    ("list", {}, {"a": 1}, "must be a list, each item a whole number, not an object."),
    ("list", {"min_items": 2}, [1], "must have at least 2 items; it has 1."),
    ("list", {"max_items": 1}, "[1, 2]", "must have at most 1 item; it has 2."),
    ("list", {}, [0] * 1001, "must have at most 1000 items; it has 1001."),
    ("file", {}, "hello", None),
    ("file", {}, [1], "must be a file of at most 32 KiB, as an object with name and content (base64)."),
    ("file", {}, {"content": "aGk="}, "must be a file with its name."),
    ("file", {}, {**HI, "name": "../a"}, "must be a file with a plain name, without folders, not '../a'."),
    ("file", {}, {**HI, "media_type": "text"}, "must be a file with a media type like text/plain, not 'text'."),
    ("file", {}, {**HI, "content": "aGk"}, "must be a file whose content is base64 (RFC 4648, with + and /)."),
    ("file", {}, {**HI, "content": "aG k="}, "must be a file whose content is base64 (RFC 4648, with + and /)."),
    (
        "file",
        {"max_bytes": 1},
        {"name": "a.txt", "content": "aGk="},
        "must be a file of at most 1 byte; this one has 2 bytes. Put a larger one where files are kept, and give its link.",
    ),
    ("file", {}, {**HI, "content": "_-k="}, "must be a file whose content is base64 (RFC 4648, with + and /)."),
    ("file", {}, {"name": "a.txt"}, "must be a file with its content, in base64."),
    ("file", {}, {**HI, "size": 3}, "must be a whole file: it has 2 bytes, and says that it has another size."),
    (
        "file",
        {},
        {**HI, "path": "/etc"},
        "must be a file of at most 32 KiB; a file has no 'path', only name, media_type, size, content.",
    ),
    (
        "file",
        {"max_bytes": 1},
        HI,
        "must be a file of at most 1 byte; this one has 2 bytes. Put a larger one where files are kept, and give its link.",
    ),
    (
        "file",
        {},
        {"name": "big", "size": 5 << 20, "content": ""},
        "must be a file of at most 32 KiB; this one has 5 MiB. Put a larger one where files are kept, and give its link.",
    ),
    (
        "file",
        {},
        {"name": "big", "content": "A" * 60_000},
        "must be a file of at most 32 KiB; this one has 43.9 KiB. Put a larger one where files are kept, and give its link.",
    ),
    ("secret", {}, 12345, "must be text."),
    ("secret", {"min_length": 8}, "hunter2", "must be between 8 and 3000 characters long."),
    ("secret", {}, "hunter2\x00", "must be text without control characters."),
]


BAD_SECRETS = [row for row in BAD if row[0] == "secret"]


@pytest.mark.parametrize(("type_", "attributes", "given_", "sentence"), BAD, ids=labels(BAD))
def test_K10_a_bad_value_is_refused_with_one_sentence(
    type_: str, attributes: dict[str, Any], given_: object, sentence: str | None
) -> None:
    # An optional field is checked as strictly as a required one.
    for required in (True, False):
        refused = refusal([make(type_, required=required, **attributes)], {"x": given_})

        assert refused.keys() == {"x"}
        assert sentence is None or refused["x"] == sentence


def test_K10_yes_is_not_silently_false() -> None:
    field = make("boolean", required=False, default=False)

    assert value_of(field, "yes") is True
    assert refusal([field], {"x": "yep"}) == {"x": "must be yes or no, not 'yep'."}


@pytest.mark.parametrize(
    ("type_", "attributes", "sentence"),
    [
        ("date", {"default": "soon"}, "the default of x must be a date like 2026-11-20, not 'soon'."),
        ("integer", {"default": 9, "max": 5}, "the default of x must be at most 5, not 9."),
        ("select", {"default": "z"}, "the default of x must be one of: a, b, c; it is 'z'."),
        ("date", {"default": ""}, "the default of x is blank; leave it out"),
        ("secret", {"default": "hunter2"}, "a secret has no default: definitions are stored, and shown to people"),
        ("secret", {"default": "{{ x }}"}, "a secret has no default: definitions are stored, and shown to people"),
        ("integer", {"min": 3, "max": 2}, "the smallest value (3) is larger than the largest (2)"),
        ("string", {"min_length": 3, "max_length": 2}, "the smallest length (3) is larger than the largest (2)"),
        ("string", {"pattern": "(?=a)b"}, "the pattern '(?=a)b' cannot be used: look-around"),
        ("string", {"pattern": r"(a)\1"}, r"the pattern '(a)\\1' cannot be used: backreferences are not supported"),
        ("string", {"pattern": "a)|(b"}, "the pattern 'a)|(b' cannot be used: unopened group"),
        ("string", {"pattern": "a" * 501}, "at most 500 characters"),
        ("string", {"required": "no"}, "valid boolean"),
        ("string", {"hint": "?"}, "Extra inputs are not permitted"),
        ("string", {"name": "Start date"}, "a field's name is at most 64 lower-case letters, digits and _"),
        ("string", {"name": "a\n"}, "a field's name is at most 64 lower-case letters, digits and _"),
        ("select", {"options": []}, "at least 1 item"),
        ("select", {"options": ["a", "a"]}, "the option 'a' is there twice"),
        ("select", {"options": [1]}, "the option 1 is not text; quote it"),
        ("multiselect", {"options": ["a,b"]}, "the option 'a,b' holds a comma; put that into its label"),
        ("multiselect", {"min_items": 4}, "min_items is 4, with only 3 options"),
        ("json", {"schema": {"type": "objekt"}}, "the schema is wrong at $.type"),
        ("json", {"schema": {"$ref": "https://example.com/s"}}, "only references to itself (#...) are followed"),
        ("json", {"schema": {"items": {"$ref": "#/$defs/n"}}}, "refers to '#/$defs/n', which it does not have"),
        ("json", {"schema": {"anyOf": [{"type": "null"}, {"$ref": "#"}]}}, "the schema refers to itself without end"),
        ("json", {"schema": {"patternProperties": {"(a+)+$": {}}}}, "uses patternProperties"),
        ("json", {"schema": {"pattern": "(?=a)"}}, "the pattern '(?=a)' cannot be used"),
        ("picture", {}, "does not match any of the expected tags"),
        ("file", {"max_bytes": 46_081}, "less than or equal to 46080"),
        ("list", {"of": None}, "the list x needs 'of' or 'fields', and not both"),
        ("list", {"of": "integer", "fields": [{"name": "a", "type": "date"}]}, "needs 'of' or 'fields', and not both"),
        ("list", {"of": {"name": "port", "type": "integer"}}, "what a list is made of has no name; leave it out"),
        ("list", {"of": {"type": "integer", "when": "1"}}, "have a 'when', and nothing stands beside them"),
        ("list", {"min_items": 3, "max_items": 2}, "the smallest number of items (3) is larger than the largest (2)"),
        ("list", {"default": [1, "x"]}, "the default of x [1]: must be a whole number, not 'x'."),
        ("object", {"fields": []}, "at least 1 item"),
        (
            "object",
            {"fields": [{"name": "key", "type": "secret"}]},
            "the secret key stands inside x, which is stored and shown as a whole",
        ),
        ("list", {"of": "secret"}, "the secret item stands inside x, which is stored and shown as a whole"),
        (
            "object",
            {"fields": [{"name": "a", "type": "date", "default": "{{ x }}"}]},
            "a stands inside x, where nothing is rendered",
        ),
        (
            "object",
            {"fields": [{"name": "a", "type": "date", "label": "{{ x }}"}]},
            "a stands inside x, where nothing is rendered",
        ),
        ("string", {"label": "x" * 151}, "the label is longer than 150 characters"),
        ("string", {"description": "x" * 2001}, "at most 2000 characters"),
        ("string", {"when": "kind =="}, "this cannot be read"),
        ("string", {"when": ""}, "at least 1 character"),
    ],
)
def test_a_wrong_definition_says_what_is_wrong(type_: str, attributes: dict[str, Any], sentence: str) -> None:
    assert sentence in problem_of_definition(type_, **attributes)


def test_names_inside_a_schema_are_not_taken_for_keywords() -> None:
    schema = {
        "properties": {"pattern": {"type": "string"}, "$ref": {"const": {"$ref": "x"}}, "self": {"$ref": "#"}},
        "additionalProperties": False,
    }

    field = make("json", schema=schema)

    assert value_of(field, {"pattern": "(", "self": {"pattern": "["}}) == {"pattern": "(", "self": {"pattern": "["}}
    assert "x" in refusal([field], {"x": {"self": {"self": {"y": 1}}}})


def test_a_default_is_kept_in_one_spelling_so_that_one_meaning_is_one_definition() -> None:
    assert make("date", default=date(2026, 11, 20)) == make("date", default=" 2026-11-20")
    assert make("duration", default="90m").model_dump() == make("duration", default="PT1H30M").model_dump()
    assert make("string", default="", required=False).default == ""


@pytest.mark.parametrize(("type_", "attributes", "given_", "expected"), GOOD, ids=labels(GOOD))
def test_a_field_survives_being_stored(
    type_: str, attributes: dict[str, Any], given_: object, expected: object
) -> None:
    field = make(type_, **attributes)
    value_of(field, given_)  # what it has compiled for itself must not be stored with it

    again = ONE_FIELD.validate_json(ONE_FIELD.dump_json(field))

    assert again == field
    assert hash(again) == hash(field)
    assert value_of(again, given_) == expected


@pytest.mark.parametrize(("type_", "attributes", "given_", "sentence"), BAD_SECRETS, ids=labels(BAD_SECRETS))
def test_the_value_of_a_secret_is_in_no_error(
    type_: str, attributes: dict[str, Any], given_: object, sentence: str
) -> None:
    with pytest.raises(InvalidForm) as caught:
        validate([make(type_, **attributes)], {"x": given_})

    assert "hunter2" not in str(caught.value)
    assert "12345" not in str(caught.value)


def test_a_secret_in_a_definition_is_not_repeated_by_the_error() -> None:
    class Flow(BaseModel):
        model_config = ConfigDict(hide_input_in_errors=True)
        inputs: list[Field]

    with pytest.raises(ValidationError) as from_file:
        Flow.model_validate({"inputs": [{"name": "x", "type": "secret", "default": "hunter2"}]})
    with pytest.raises(ValidationError) as from_python:
        SecretField(name="x", default="hunter2")

    assert "hunter2" not in str(from_file.value)
    assert "hunter2" not in str(from_python.value)


def test_S6_a_quoted_value_is_short_and_printable() -> None:
    sentence = refusal([make("date")], {"x": "\x1b[31m\u202e" + "<!channel>" * 900})["x"]

    assert sentence.isprintable()
    assert len(sentence) <= len("must be a date like 2026-11-20, not .") + 40


def test_S7_no_pattern_can_run_for_ever() -> None:
    fields = [
        make("string", "text", pattern="(a+)+b"),
        make("json", "data", schema={"items": {"pattern": "^(a+)+b$"}}),
    ]

    refused = refusal(fields, {"text": "a" * 3000, "data": ["a" * 3000]})

    assert refused.keys() == {"text", "data"}


def test_a_list_that_holds_the_same_list_over_and_over_is_refused_at_once() -> None:
    bomb: list[Any] = [0] * 10
    for _ in range(12):
        bomb = [bomb] * 10

    assert refusal([make("json")], {"x": bomb}) == {"x": f"must be JSON of at most {MAX_LENGTH} characters."}


def test_uniqueness_in_a_schema_tells_one_from_true_and_not_from_one_point_zero() -> None:
    field = make("json", schema={"uniqueItems": True})

    assert value_of(field, [1, True, {"a": 1}, {"a": True}, [1]]) == [1, True, {"a": 1}, {"a": True}, [1]]
    assert "non-unique" in refusal([field], {"x": [{"a": 1}, {"a": 1.0}]})["x"]


def test_K10_every_wrong_place_inside_a_value_is_named_at_once() -> None:
    fields = [
        make("list", "servers", fields=[{"name": "host", "type": "string"}, {"name": "port", "type": "integer", "max": 65535}]),
        make("object", "owner", fields=[{"name": "mail", "type": "email"}, {"name": "tags", "type": "list", "of": "string"}]),
        make("date", "day"),
    ]  # fmt: skip

    refused = refusal(
        fields,
        {
            "servers": [{"host": "a", "port": 80}, {"prt": 1, "port": "x"}, 5, None, {"host": " ", "port": 70000}],
            "owner": '{"mail": "ann", "tags": ["a", 1]}',
            "day": "soon",
        },
    )

    assert refused == {
        "servers[1].host": "is required.",
        "servers[1].port": "must be a whole number, not 'x'.",
        "servers[1].prt": "is not one of its fields; did you mean port?",
        "servers[2]": "must be an object with: host, port, not 5.",
        "servers[3]": "is required: an object with: host, port.",
        "servers[4].host": "is required.",
        "servers[4].port": "must be at most 65535, not 70000.",
        "owner.mail": "must be a mail address like ann@example.com, not 'ann'.",
        "owner.tags[1]": "must be text, not 1.",
        "day": "must be a date like 2026-11-20, not 'soon'.",
    }


def test_K8_a_flood_of_wrong_items_makes_a_short_refusal() -> None:
    refused = refusal([make("list")], {"x": ["y"] * 1000})

    assert len(refused) == 21
    assert refused["x"] == "has 980 more values that cannot be taken."


def test_K10_a_file_that_a_field_takes_fits_beside_the_longest_other_value() -> None:
    for max_bytes, other in ((32 * 1024, MAX_LENGTH), (45 * 1024, 3000)):
        fields = [make("file", "report", max_bytes=max_bytes), make("string", "note", max_length=MAX_LENGTH)]
        given = {"name": "n" * 255, "content": b64encode(bytes(max_bytes)).decode()}

        values = validate(fields, {"report": given, "note": "x" * other})

        assert values["report"]["size"] == max_bytes


def test_what_is_shown_of_a_file_says_what_it_is_and_not_what_is_in_it() -> None:
    files = make("list", of="file")
    given = {"name": "a b.txt", "media_type": "text/plain", "size": 1536, "content": "A" * 2048}

    assert readable(make("file"), given) == "a b.txt (text/plain, 1.5 KiB)"
    assert readable(files, [given]) == '["a b.txt (text/plain, 1.5 KiB)"]'


def test_an_item_is_described_like_any_field_but_for_its_name() -> None:
    editor = Draft202012Validator(ONE_FIELD.json_schema())

    assert editor.is_valid({"name": "x", "type": "list", "of": "integer"})
    assert editor.is_valid({"name": "x", "type": "list", "of": {"type": "integer", "min": 1}})
    assert not editor.is_valid({"name": "x", "type": "list", "of": "integr"})
    assert not editor.is_valid({"name": "x", "type": "list", "of": {"min": 1}})
    assert make("list", of="integer") == ListField(name="x", of=IntegerField(name="any"))


def test_each_type_has_an_example_that_it_takes() -> None:
    for type_ in TYPES:
        field = make(type_)
        if type_ != "secret":
            assert field.parse(field.example) is not None


def test_a_name_is_made_readable_where_there_is_no_label() -> None:
    assert make("date", "start_date").title == "Start date"
    assert make("date", "start_date", label="From").title == "From"


@pytest.mark.parametrize(("type_", "attributes", "given_", "expected"), GOOD, ids=labels(GOOD))
def test_the_json_schema_describes_what_validation_returns(
    type_: str, attributes: dict[str, Any], given_: object, expected: object
) -> None:
    schema = json_schema_of([make(type_, **attributes), make("string", "note", required=False)])
    checker = Draft202012Validator(schema)

    Draft202012Validator.check_schema(schema)
    assert checker.is_valid({"x": expected, "note": None})
    assert not checker.is_valid({"note": "x"})
    assert not checker.is_valid({"x": expected, "stray": 1})


def test_an_editor_is_told_that_an_option_may_be_plain_text() -> None:
    editor = Draft202012Validator(ONE_FIELD.json_schema())

    assert editor.is_valid({"name": "x", "type": "select", "options": ["a", {"value": "b", "label": "B"}]})
    assert not editor.is_valid({"name": "x", "type": "select", "options": [1]})
    assert not editor.is_valid({"name": "X y", "type": "string"})


def test_fields_are_made_in_python_too() -> None:
    assert StringField(name="why") == make("string", "why")
    assert JsonField(name="data", json_schema=SHAPE) == make("json", "data", schema=SHAPE)


# --- Laws -----------------------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "yes",
            "2026-11-20",
            "14:30:00",
            "2026-11-20T14:30Z",
            "90m",
            "a",
            "c,a",
            "Ann@X.org",
            "https://x.org",
            "5",
            "1.50",
            '{"a": 1}',
            "[]",
            '"x"',
            "null",
            " ",
            "",
        ]
    ),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
TYPES = sorted({row[0] for row in GOOD})


@pytest.mark.parametrize("type_", TYPES)
@settings(max_examples=60)
@given(given_=ANYTHING, required=st.booleans(), multiline=st.booleans())
def test_whatever_is_given_is_refused_as_a_form_or_is_json_that_stays_as_it_is(
    type_: str, given_: object, required: bool, multiline: bool
) -> None:
    attributes: dict[str, Any] = {"multiline": multiline} if type_ == "string" else {}
    field = make(type_, required=required, **attributes)

    try:
        once = validate([field], {"x": given_})
    except InvalidForm as caught:
        refused = caught.fields
    else:
        refused = {}

    assert all(place.partition(".")[0].partition("[")[0] == "x" for place in refused)
    assert "".join(refused.values()).isprintable()
    if refused:
        return
    assert json.loads(json.dumps(once, allow_nan=False)) == once
    assert validate([field], once) == once
    assert "\n" not in readable(field, once["x"])
