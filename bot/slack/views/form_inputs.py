"""A form's fields as a modal's inputs, and what was filled in as values for ``flows.forms.validate``.

Slack checks some of it while people type; what counts is the one validator behind all doors. An input's block id is
its field's name, so that a refused field finds its input.
"""

from __future__ import annotations

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
    IntegerField,
    JsonField,
    MultiselectField,
    NumberField,
    SecretField,
    SelectField,
    StringField,
    TimeField,
    UrlField,
)
from flows.forms import Field, readable
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
_FIELDS = 90  # blocks; the modal's other ten say what is asked
_EARLIEST, _LATEST = 1_000_000_000, 9_999_999_999  # what Slack takes for an initial date and time


def fits_modal(fields: Sequence[Field], defaults: Mapping[str, Json]) -> bool:
    """Whether Slack can show this form: no secrets, no more and no longer options than it takes, no longer texts."""
    return len(fields) <= _FIELDS and all(_fits(field, _default(field, defaults)) for field in fields)


def inputs(fields: Iterable[Field], defaults: Mapping[str, Json]) -> list[kit.Block]:
    """One input for each field, filled in with its default; ``defaults`` are the rendered ones of a suspension."""
    return [_input(field, _default(field, defaults)) for field in fields]


def values(fields: Iterable[Field], state: Mapping[str, Mapping[str, Json]], *, tz: str | None) -> dict[str, Json]:
    """What was filled in, by field name. ``state`` is ``view.state.values``; ``tz`` is where the person lives (IANA).

    A shown field that was left empty is ``""``: whoever empties a default means it.
    """
    return {field.name: _value(field, state.get(field.name, {}).get(ACTION, {}), tz) for field in fields}


def _fits(field: Field, default: Json) -> bool:
    if isinstance(field, SecretField):
        return False
    if isinstance(field, SelectField | MultiselectField):
        return len(field.options) <= _OPTIONS and all(len(option.value) <= _OPTION_VALUE for option in field.options)
    if isinstance(field, StringField | JsonField):
        # What may be longer than Slack's input can still be typed there; what is longer already cannot be shown.
        return len(_initial_text(field, default) or "") <= _TEXT
    return True


def _default(field: Field, defaults: Mapping[str, Json]) -> Json:
    return defaults.get(field.name) if field.templated else field.default


def _input(field: Field, default: Json) -> kit.Block:
    hint = " ".join((field.description or "").split())
    if not hint and not isinstance(field, StringField | BooleanField | SelectField | MultiselectField):
        hint = field.expected.capitalize()
    block = InputBlock(
        block_id=field.name,
        label=kit.plain(" ".join(field.title.split()) or field.name),
        element=_element(field, default),
        hint=kit.plain(clip(hint, _HINT)) if hint else None,
        optional=not field.required,
    )
    return dict(block.to_dict())


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
        case JsonField():
            return PlainTextInputElement(
                action_id=ACTION, multiline=True, initial_value=_initial_text(field, default), max_length=_TEXT
            )
        case DurationField():
            return PlainTextInputElement(action_id=ACTION, initial_value=initial, max_length=100)
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
        case SecretField():
            raise ValueError("secrets are filled in on the page, never in a modal")


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


def _initial_text(field: Field, default: Json) -> str | None:
    if default in (None, ""):
        return None
    return default if isinstance(default, str) else readable(field, default)


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
