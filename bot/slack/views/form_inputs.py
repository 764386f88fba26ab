"""A form's fields as a modal's inputs, and what was filled in as values for ``flows.forms.validate``.

Slack checks some of it while people type; what counts is the one validator behind all doors. An input's block id is
its field's name, so that a refused field finds its input.

Fields that are asked only where others have certain values (``when``) come and go while the form is filled in: Slack
tells of each change to an input that some ``when`` reads, and the modal is drawn again with what has been ``given`` by
then. Without ``given`` all of them are drawn, and say when they are asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.basic_components import Option
from slack_sdk.models.blocks.block_elements import (
    CheckboxesElement,
    DatePickerElement,
    DateTimePickerElement,
    EmailInputElement,
    InputInteractiveElement,
    NumberInputElement,
    PlainTextInputElement,
    RadioButtonsElement,
    StaticMultiSelectElement,
    StaticSelectElement,
    TimePickerElement,
    UrlInputElement,
)

from bot.slack.views import kit
from flows.fields import (
    BooleanField,
    DateField,
    DatetimeField,
    DurationField,
    EmailField,
    FileField,
    IntegerField,
    JsonField,
    ListField,
    MultiselectField,
    NumberField,
    ObjectField,
    SecretField,
    SelectField,
    StringField,
    TimeField,
    Unacceptable,
    UriField,
    UrlField,
)
from flows.fields.base import BaseField
from flows.forms import Field, by_field, check_defaults, condition_of, shown
from flows.ports import Json
from integrations.slack.text import clip

ACTION = "value"
"""The action id of every input."""

_TEXT = 3_000  # what a plain text input holds
_HINT = 2_000
_OPTIONS = 100
_OPTION_TEXT = 75
_OPTION_VALUE = 150
_CHECKBOXES = 10
_FIELDS = 88  # blocks; the modal's other twelve say what is asked
_BYTES = 120_000  # of all inputs; Slack takes 250,000 of a view, which says what is asked besides
_EARLIEST, _LATEST = 1_000_000_000, 9_999_999_999  # what Slack takes for an initial date and time


def fits_modal(fields: Sequence[Field], defaults: Mapping[str, Json]) -> bool:
    """Whether Slack can show this form: no secrets and no files, no more and no longer options than it takes, no
    default that its inputs would cut or leave out, and not so much about its fields that the view becomes too large."""
    rendered = check_defaults(fields, defaults)
    if len(fields) > _FIELDS or not all(_fits(field, _default(field, rendered)) for field in fields):
        return False
    return len(json.dumps(inputs(fields, defaults))) <= _BYTES


def holds(value: Json) -> bool:
    """Whether an input has room for this value."""
    return len(_initial_text(value) or "") <= _TEXT


def inputs(
    fields: Sequence[Field], defaults: Mapping[str, Json], *, given: Mapping[str, Json] | None = None
) -> list[kit.Block]:
    """One input for each field, filled in with its default; ``defaults`` are the rendered ones of a suspension.

    With ``given``, what was filled in so far (nothing: ``{}``): the fields that are asked by that, filled in with it,
    and Slack tells of changes to those on which it depends.
    """
    rendered = check_defaults(fields, defaults)
    if given is None:
        return [_input(field, _default(field, rendered), only_where=condition_of(field, fields)) for field in fields]
    telling = frozenset[str]().union(*(field.reads for field in fields))
    return [
        _input(field, _filled_in(field, given, _default(field, rendered)), tells=field.name in telling)
        for field in shown(fields, given, defaults=defaults)
    ]


def values(fields: Iterable[Field], state: Mapping[str, Mapping[str, Json]], *, tz: str | None) -> dict[str, Json]:
    """What was filled in, by field name. ``state`` is ``view.state.values``; ``tz`` is where the person lives (IANA).

    A shown field that was left empty is ``""``: whoever empties a default means it. One that was not shown, because
    its ``when`` was false, is left out.
    """
    return {
        field.name: _value(field, state.get(field.name, {}).get(ACTION, {}), tz)
        for field in fields
        if field.when is None or field.name in state
    }


def unshown(
    fields: Sequence[Field],
    defaults: Mapping[str, Json],
    given: Mapping[str, Json],
    blocks: Iterable[Mapping[str, Json]],
) -> bool:
    """Whether by what was ``given`` something is asked that ``blocks`` do not show: a modal may be sent before it was
    drawn again. Nobody has answered that, not even with its default."""
    there = set(block_ids(blocks))
    return any(field.name not in there for field in shown(fields, given, defaults=defaults))


def errors(
    fields: Iterable[Field], problems: Mapping[str, str], blocks: Iterable[Mapping[str, Json]], *, limit: int
) -> dict[str, str]:
    """What is wrong, under the inputs among ``blocks`` that can show it; each sentence has at most ``limit`` characters."""
    there = set(block_ids(blocks))
    return {name: clip(text, limit) for name, text in by_field(fields, problems).items() if name in there}


def _fits(field: Field, default: Json) -> bool:
    if isinstance(field, SecretField) or _holds_file(field):
        return False
    if isinstance(field, SelectField | MultiselectField):
        return len(field.options) <= _OPTIONS and all(len(option.value) <= _OPTION_VALUE for option in field.options)
    if isinstance(field, TimeField):
        return default is None or len(default) == len("14:30")
    if isinstance(field, DatetimeField):
        return default is None or _unix(default) is not None
    # What may be longer than Slack's input can still be typed there; what is longer already cannot be shown.
    return len(_initial_text(default) or "") <= _TEXT


def _holds_file(field: BaseField) -> bool:
    return isinstance(field, FileField) or any(map(_holds_file, field.inside))


def _default(field: Field, rendered: Mapping[str, Json]) -> Json:
    return rendered.get(field.name) if field.templated else field.default


def _filled_in(field: Field, given: Mapping[str, Json], default: Json) -> Json:
    """What the input holds when it is drawn again. Slack keeps what was typed; this is for what it has not seen yet."""
    if field.name not in given:
        return default
    try:
        return None if field.is_blank(given[field.name]) else field.parse(given[field.name])
    except Unacceptable:
        return None


def _input(field: Field, default: Json, *, only_where: str | None = None, tells: bool = False) -> kit.Block:
    hint = _hint(field)
    if only_where is not None:
        hint = f"Only where {only_where}. {hint}".strip()
    block = InputBlock(
        block_id=field.name,
        label=kit.plain(" ".join(field.title.split()) or field.name),
        element=_element(field, default),
        hint=kit.plain(clip(hint, _HINT)) if hint else None,
        optional=not field.required or only_where is not None,
        dispatch_action=True if tells else None,
    )
    return dict(block.to_dict())


def _hint(field: Field) -> str:
    if field.description is not None and field.description.strip():
        return " ".join(field.description.split())
    match field:
        case StringField() | BooleanField() | SelectField() | MultiselectField():
            return ""
        case ObjectField() | ListField():
            return f"As JSON, such as {json.dumps(field.example, ensure_ascii=False)}"
        case _:
            return field.expected.capitalize()


def _element(field: Field, default: Json) -> InputInteractiveElement:
    initial = None if default is None else str(default)
    match field:
        case StringField():
            return PlainTextInputElement(
                action_id=ACTION,
                multiline=field.multiline,
                initial_value=initial or None,
                min_length=min(field.min_length, _TEXT) or None,
                max_length=min(field.max_length, _TEXT),
            )
        case JsonField() | ObjectField() | ListField():
            return PlainTextInputElement(
                action_id=ACTION, multiline=True, initial_value=_initial_text(default), max_length=_TEXT
            )
        case DurationField():
            return PlainTextInputElement(action_id=ACTION, initial_value=initial, max_length=100)
        case UriField():
            # Not Slack's input for addresses, which is for those of the web.
            return PlainTextInputElement(action_id=ACTION, initial_value=initial, max_length=2000)
        case IntegerField() | NumberField():
            return NumberInputElement(
                action_id=ACTION,
                is_decimal_allowed=isinstance(field, NumberField),
                initial_value=_number(default),
                min_value=_number(field.min),
                max_value=_number(field.max),
            )
        case BooleanField():
            options = [_option("yes", "Yes"), _option("no", "No")]
            chosen = None if default is None else options[0 if default else 1]
            return RadioButtonsElement(action_id=ACTION, options=options, initial_option=chosen)
        case DateField():
            return DatePickerElement(action_id=ACTION, initial_date=initial)
        case TimeField():
            return TimePickerElement(action_id=ACTION, initial_time=initial[:5] if initial else None)
        case DatetimeField():
            return DateTimePickerElement(action_id=ACTION, initial_date_time=_unix(initial))
        case SelectField():
            options = [_option(option.value, option.title) for option in field.options]
            chosen = next((option for option in options if option.value == default), None)
            return StaticSelectElement(action_id=ACTION, options=options, initial_option=chosen)
        case MultiselectField():
            options = [_option(option.value, option.title) for option in field.options]
            preset = [option for option in options if option.value in (default or [])] or None
            if len(options) <= _CHECKBOXES:
                return CheckboxesElement(action_id=ACTION, options=options, initial_options=preset)
            return StaticMultiSelectElement(
                action_id=ACTION,
                options=options,
                initial_options=preset,
                max_selected_items=min(field.max_items or len(options), _OPTIONS),
            )
        case EmailField():
            return EmailInputElement(action_id=ACTION, initial_value=initial)
        case UrlField():
            return UrlInputElement(action_id=ACTION, initial_value=initial)
        case SecretField() | FileField():
            raise ValueError("secrets and files are filled in on the page, never in a modal")


def _value(field: Field, given: Mapping[str, Json], tz: str | None) -> Json:
    match field:
        case MultiselectField():
            return [option["value"] for option in given.get("selected_options") or []]
        case SelectField() | BooleanField():
            return (given.get("selected_option") or {}).get("value", "")
        case DateField():
            return given.get("selected_date") or ""
        case TimeField():
            return given.get("selected_time") or ""
        case DatetimeField():
            chosen = given.get("selected_date_time")
            return "" if chosen is None else datetime.fromtimestamp(int(chosen), _zone(tz)).isoformat()
        case _:
            return given.get("value") or ""


def _option(value: str, text: str) -> Option:
    return Option(value=value, text=kit.plain(clip(text, _OPTION_TEXT)))


def _initial_text(default: Json) -> str | None:
    if default in (None, ""):
        return None
    return default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)


def _number(number: float | None) -> str | None:
    """Digits without an exponent, which Slack does not read."""
    return None if number is None else f"{Decimal(str(number)):f}"


def _unix(instant: str | None) -> int | None:
    seconds = None if instant is None else int(datetime.fromisoformat(instant).timestamp())
    return seconds if seconds is not None and _EARLIEST <= seconds <= _LATEST else None


def _zone(tz: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(tz or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def block_ids(blocks: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    """The ids of the inputs among these blocks, which are where Slack shows what is wrong."""
    for block in blocks:
        if block.get("type") == "input":
            yield str(block["block_id"])
