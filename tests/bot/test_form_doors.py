"""Every type of field through every door: drawn by Slack's modal and by the page, sent back in the shape that each of
them sends, as JSON to the API and as text from the command line. The one validator makes the same of it all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import TypeAdapter

from bot import web
from bot.remote import _pairs
from bot.slack.views import form_inputs
from bot.web.widgets import PREFIX, ZONE, values_of, widgets
from flows.errors import InvalidForm
from flows.fields import BaseField, Field
from flows.fields.group import fill_in
from flows.forms import validate
from integrations.sandbox.blocks import check_view
from integrations.sandbox.inputs import complaint, entered, state_of

FIELD: TypeAdapter[Field] = TypeAdapter(Field)
ZONE_NAME = "Europe/Berlin"
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(web.__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
)
SAME = object()
"""What the page sends, which is what the other text doors send too."""


@dataclass
class Given:
    """One answer as each door sends it. ``slack`` is what a person enters there (None: the form opens on the page),
    ``state`` the element's state itself, where Slack's own client would not let anybody enter it."""

    text: str
    json: Any
    slack: Any = None
    state: dict[str, Any] | None = None
    page: Any = SAME
    cli: list[str] | None = None


@dataclass
class Row:
    type: str
    good: Given
    value: Any
    bad: Given
    sentence: str
    attributes: dict[str, Any] = field(default_factory=dict)
    sentences: dict[str, str] = field(default_factory=dict)
    """What is said where it differs because a door cannot say the same thing."""


FILE = {"name": "a.txt", "media_type": "text/plain", "size": 2, "content": "aGk="}
LARGE = {"name": "a.txt", "media_type": "text/plain", "size": 5, "content": "aGVsbG8="}
SERVERS = {"fields": [{"name": "host", "type": "string"}, {"name": "port", "type": "integer"}]}
OPTIONS = {"options": ["eu", {"value": "us", "label": "America"}]}
MANY = {"options": [f"o{number}" for number in range(12)]}

ROWS = [
    Row(
        "string",
        Given("AB-1", "AB-1", "AB-1"),
        "AB-1",
        Given("x", "x", "x"),
        "must match the pattern [A-Z]+-[0-9]+, not 'x'.",
        {"pattern": "[A-Z]+-[0-9]+"},
    ),
    Row("integer", Given("7", 7, 7), 7, Given("31", 31, state={"value": "31"}), "must be between 1 and 30, not 31.", {"min": 1, "max": 30}),
    Row("number", Given("1.5", 1.5, 1.5), 1.5, Given("9.5", 9.5, state={"value": "9.5"}), "must be at most 9, not 9.5.", {"max": 9}),
    Row(
        "boolean",
        Given("yes", True, "yes"),
        True,
        Given("maybe", "maybe", state={"selected_option": {"value": "maybe"}}),
        "must be yes or no, not 'maybe'.",
    ),
    Row(
        "date",
        Given("2026-12-24", "2026-12-24", "2026-12-24"),
        "2026-12-24",
        Given("2026-02-30", "2026-02-30", state={"selected_date": "2026-02-30"}),
        "must be a date that exists, like 2026-11-20, not '2026-02-30'.",
    ),
    Row(
        "time",
        Given("14:30", "14:30", "14:30"),
        "14:30",
        Given("25:00", "25:00", state={"selected_time": "25:00"}),
        "must be a time like 14:30, not '25:00'.",
    ),
    Row(
        "datetime",
        Given(
            "2026-07-01T12:00:00+02:00",
            "2026-07-01T12:00+02:00",
            datetime.fromisoformat("2026-07-01T10:00:00+00:00"),
            page="2026-07-01T12:00",
        ),
        "2026-07-01T12:00:00+02:00",
        Given("soon", "soon", state={"selected_date_time": None}),
        "must be a date and time with its zone, like 2026-11-20T14:30:00+01:00, not 'soon'.",
        sentences={"slack": "is required: a date and time with its zone, like 2026-11-20T14:30:00+01:00."},
    ),
    Row("duration", Given("90m", "90m", "90m"), "1h30m", Given("soon", "soon", "soon"), "must be a duration like 10s, 2d or 1h30m, not 'soon'."),
    Row(
        "select",
        Given("us", "us", "America"),
        "us",
        Given("fr", "fr", state={"selected_option": {"value": "fr"}}),
        "must be one of: eu, us; it is 'fr'.",
        OPTIONS,
    ),
    Row(
        "multiselect",
        Given("us,eu", ["us", "eu"], ["America", "eu"], page=["us", "eu"], cli=["us", "eu"]),
        ["eu", "us"],
        Given("eu,fr", ["eu", "fr"], state={"selected_options": [{"value": "eu"}, {"value": "fr"}]}, page=["eu", "fr"]),
        "must be a list of: eu, us; 'fr' is none of them.",
        OPTIONS,
    ),
    Row(
        "multiselect",
        Given("o3,o1", ["o3", "o1"], ["o3", "o1"], page=["o3", "o1"]),
        ["o1", "o3"],
        Given("o1", ["o1"], state={"selected_options": [{"value": "o1"}]}, page=["o1"]),
        "must name at least 2 options of: o0, o1, o2, o3, o4, o5, o6, o7, o8, o9 and 2 more.",
        {**MANY, "min_items": 2},
    ),
    Row(
        "email",
        Given("ann@Example.com", "ann@Example.com", "ann@Example.com"),
        "ann@example.com",
        Given("ann@example", "ann@example", state={"value": "ann@example"}),
        "must be a mail address like ann@example.com, not 'ann@example'.",
    ),
    Row(
        "url",
        Given("https://example.com/a", "https://example.com/a", "https://example.com/a"),
        "https://example.com/a",
        Given("ftp://example.com", "ftp://example.com", state={"value": "ftp://example.com"}),
        "must be a web address like https://example.com/page, not 'ftp://example.com'.",
    ),
    Row(
        "uri",
        Given("s3://bucket/key", "s3://bucket/key", "s3://bucket/key"),
        "s3://bucket/key",
        Given("bucket/key", "bucket/key", "bucket/key"),
        "must be an address with its scheme, like urn:isbn:0451450523 or s3://bucket/key, not 'bucket/key'.",
    ),
    Row(
        "json",
        Given('{"n": 1}', {"n": 1}, '{"n": 1}'),
        {"n": 1},
        Given('{"n": "x"}', {"n": "x"}, '{"n": "x"}'),
        "does not fit its schema at 'n': 'x' is not of type 'integer'.",
        {"schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    ),
    Row(
        "object",
        Given('{"host": "a", "port": "80"}', {"host": "a", "port": 80}, '{"host": "a", "port": 80}'),
        {"host": "a", "port": 80},
        Given('{"port": "x"}', {"port": "x"}, '{"port": "x"}'),
        "x.host: is required. x.port: must be a whole number, not 'x'.",
        SERVERS,
    ),
    Row(
        "list",
        Given('[{"host": "a", "port": 80}]', [{"host": "a", "port": 80}], '[{"host": "a", "port": 80}]'),
        [{"host": "a", "port": 80}],
        Given('[{"host": "a", "port": 80}, 5]', [{"host": "a", "port": 80}, 5], '[{"host": "a", "port": 80}, 5]'),
        "x[1]: must be an object with: host, port, not 5.",
        SERVERS,
    ),
    Row("list", Given("[1, 2]", [1, 2], "[1, 2]", cli=["1", "2"]), [1, 2], Given("[-1]", [-1], "[-1]"), "x[0]: must be at least 0, not -1.", {"of": {"type": "integer", "min": 0}}),
    Row(
        "file",
        Given(json.dumps(FILE), FILE),
        FILE,
        Given(json.dumps(LARGE), LARGE),
        "must be a file of at most 4 bytes; this one has 5 bytes. Put a larger one where files are kept, and give its link.",
        {"max_bytes": 4},
    ),
    Row("secret", Given("hunter22", "hunter22"), "hunter22", Given("short", "short"), "must be between 8 and 64 characters long.", {"min_length": 8, "max_length": 64}),
]  # fmt: skip


def by_slack(fields: list[Field], given: Given) -> dict[str, Any]:
    """Through the modal: drawn, checked as Slack does, filled in as its client does, and read from ``view.state``."""
    blocks = form_inputs.inputs(fields, {}, given={})
    modal = {
        "type": "modal",
        "title": {"type": "plain_text", "text": "Approve"},
        "submit": {"type": "plain_text", "text": "Approve"},
        "blocks": blocks,
    }
    assert check_view(modal) == []
    element = blocks[0]["element"]
    one = given.state if given.state is not None else entered(element, given.slack)
    state = state_of(blocks, {"x": {element["action_id"]: {"type": element["type"], **one}}})
    if given.state is None:
        assert complaint(blocks[0], state) is None
    return form_inputs.values(fields, state, tz=ZONE_NAME)


def by_page(fields: list[Field], given: Given) -> dict[str, Any]:
    """Through the page: what its HTML form posts."""
    sent = given.text if given.page is SAME else given.page
    typed = {ZONE: [ZONE_NAME], f"{PREFIX}x": sent if isinstance(sent, list) else [sent]}
    return values_of(fields, typed)


def by_cli(fields: list[Field], given: Given) -> dict[str, Any]:
    """From the command line, which sends texts to the API."""
    return json.loads(json.dumps(_pairs([f"x={text}" for text in given.cli or [given.text]], "--form")))


def by_api(fields: list[Field], given: Given) -> dict[str, Any]:
    return json.loads(json.dumps({"x": given.json}))


DOORS = {"slack": by_slack, "page": by_page, "cli": by_cli, "api": by_api}
NAMES = [f"{row.type}-{number}" for number, row in enumerate(ROWS)]


def html_of(fields: list[Field], **options: Any) -> str:
    template = TEMPLATES.from_string(
        '{% from "fields.html" import widget %}{% for one in all %}{{ widget(one) }}{% endfor %}'
    )
    return template.render(all=widgets(fields, {}, zone=ZONE_NAME, **options))


def test_K10_every_type_is_in_this_table() -> None:
    types = {model.model_fields["type"].default for model in _models(BaseField) if "type" in model.model_fields}

    assert {row.type for row in ROWS} == types


def _models(model: type[BaseField]) -> list[type[BaseField]]:
    return [each for below in model.__subclasses__() for each in (below, *_models(below))]


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_K10_every_type_is_validated_the_same_through_every_door(row: Row, door: str, required: bool) -> None:
    fields = [FIELD.validate_python({"name": "x", "type": row.type, "required": required, **row.attributes})]
    if door == "slack" and row.good.slack is None:
        assert not form_inputs.fits_modal(fields, {})
        return
    assert door != "slack" or form_inputs.fits_modal(fields, {})

    good = DOORS[door](fields, row.good)
    bad = DOORS[door](fields, row.bad)

    assert validate(fields, good) == {"x": row.value}
    if door in row.sentences and not required:
        assert validate(fields, bad) == {"x": None}
        return
    with pytest.raises(InvalidForm) as caught:
        validate(fields, bad)
    assert widgets(fields, {}, zone=ZONE_NAME, problems=caught.value.fields)[0].error == row.sentences.get(
        door, row.sentence
    )


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_K10_every_type_is_drawn_on_the_page_and_again_with_what_was_typed_and_what_is_wrong(row: Row) -> None:
    fields = [FIELD.validate_python({"name": "x", "type": row.type, **row.attributes})]
    sent = row.bad.text if row.bad.page is SAME else row.bad.page
    typed = {f"{PREFIX}x": sent if isinstance(sent, list) else [sent]}

    fresh = html_of(fields)
    again = html_of(fields, typed=typed, problems={"x": row.sentence})

    assert f'name="{PREFIX}x"' in fresh
    assert "error" not in fresh
    assert 'class="error"' in again
    if row.type == "secret":
        assert row.bad.text not in again


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_K10_a_field_that_is_left_empty_is_null_or_missed_through_every_door(row: Row, door: str) -> None:
    fields = [FIELD.validate_python({"name": "x", "type": row.type, "required": False, **row.attributes})]
    empty = Given("", None, page=[] if row.type in ("multiselect", "file") else "")
    if door == "slack":
        if row.good.slack is None:
            return
        blocks = form_inputs.inputs(fields, {}, given={})
        given = form_inputs.values(fields, state_of(blocks, {}), tz=None)
    else:
        given = DOORS[door](fields, empty)

    assert fill_in(fields, given) == ({"x": None}, {})
    with pytest.raises(InvalidForm, match="is required"):
        validate([fields[0].model_copy(update={"required": True})], given)
