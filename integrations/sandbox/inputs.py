"""Filling in elements as Slack's own client does: what may be entered, and how it is written down in the state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from flows.ports import Json
from integrations.sandbox.blocks import Block, elements_of, options_of
from integrations.sandbox.view import StateValues

REQUIRED = "Please complete this required field."


class NotPossible(Exception):
    """What Slack's client does not let a person do: no such button, an empty required field, a closed modal."""


class Incomplete(NotPossible):
    """A modal that the client does not submit yet. ``fields``: what it says under each input, by block id."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        super().__init__("; ".join(f"{block_id}: {sentence}" for block_id, sentence in self.fields.items()))


@dataclass(frozen=True, slots=True)
class _Kind:
    key: str
    initial: str
    many: bool = False


_KINDS = {
    "plain_text_input": _Kind("value", "initial_value"),
    "number_input": _Kind("value", "initial_value"),
    "email_text_input": _Kind("value", "initial_value"),
    "url_text_input": _Kind("value", "initial_value"),
    "static_select": _Kind("selected_option", "initial_option"),
    "external_select": _Kind("selected_option", "initial_option"),
    "radio_buttons": _Kind("selected_option", "initial_option"),
    "multi_static_select": _Kind("selected_options", "initial_options", many=True),
    "checkboxes": _Kind("selected_options", "initial_options", many=True),
    "users_select": _Kind("selected_user", "initial_user"),
    "multi_users_select": _Kind("selected_users", "initial_users", many=True),
    "conversations_select": _Kind("selected_conversation", "initial_conversation"),
    "multi_conversations_select": _Kind("selected_conversations", "initial_conversations", many=True),
    "channels_select": _Kind("selected_channel", "initial_channel"),
    "multi_channels_select": _Kind("selected_channels", "initial_channels", many=True),
    "datepicker": _Kind("selected_date", "initial_date"),
    "timepicker": _Kind("selected_time", "initial_time"),
    "datetimepicker": _Kind("selected_date_time", "initial_date_time"),
}
_FROM_OPTIONS = ("static_select", "radio_buttons", "multi_static_select", "checkboxes", "overflow")


def state_of(blocks: Iterable[Block], filled: StateValues) -> StateValues:
    """``state.values`` for these blocks: what is ``filled`` in, and the initial value everywhere else."""
    state: StateValues = {}
    for block in blocks:
        for element in elements_of(block):
            kind = _KINDS.get(element["type"])
            if kind is None:
                continue
            block_id, action_id = block["block_id"], element["action_id"]
            initial = {"type": element["type"], kind.key: element.get(kind.initial, [] if kind.many else None)}
            state.setdefault(block_id, {})[action_id] = filled.get(block_id, {}).get(action_id, initial)
    return state


def entered(element: Mapping[str, Json], value: Json) -> dict[str, Json]:
    """The state of an element after a person has entered ``value``.

    Options are named by their value or their text, people by id or as anything with an ``id``; dates and times are
    ``date``, ``time``, ``datetime`` or Slack's own text; None empties it. Raises ``NotPossible``.
    """
    sort = element["type"]
    if sort == "overflow":
        return {"selected_option": _option(element, value)}
    kind = _KINDS.get(sort)
    if kind is None:
        raise NotPossible(f"nothing can be entered into a {sort}")
    if kind.many:
        given = [] if value is None else [_one(element, each) for each in value]
        return {"type": sort, kind.key: given}
    return {"type": sort, kind.key: None if value in (None, "") else _one(element, value)}


def chosen(element: Mapping[str, Json], state: Mapping[str, Json]) -> Json:
    """What an element's state holds, without the wrapping."""
    kind = _KINDS.get(element["type"])
    return None if kind is None else state.get(kind.key)


def complaint(block: Block, state: StateValues) -> str | None:
    """What Slack's client would say under an input block before it submits; None if it is content."""
    if block["type"] != "input":
        return None
    element = block["element"]
    value = chosen(element, state.get(block["block_id"], {}).get(element["action_id"], {}))
    if value in (None, "", []):
        return None if block.get("optional") else REQUIRED
    most = element.get("max_selected_items")
    if most is not None and len(value) > most:
        return f"Select at most {most}."
    check = {
        "plain_text_input": _text_complaint,
        "number_input": _number_complaint,
        "email_text_input": _email_complaint,
        "url_text_input": _url_complaint,
    }.get(element["type"])
    return None if check is None else check(element, str(value))


def _one(element: Mapping[str, Json], value: Json) -> Json:
    sort = element["type"]
    if sort in _FROM_OPTIONS:
        return _option(element, value)
    if sort == "datetimepicker" and isinstance(value, datetime):
        return int(value.timestamp())
    if sort == "timepicker" and isinstance(value, time):
        return f"{value:%H:%M}"
    if sort == "datepicker" and isinstance(value, date):
        return value.isoformat()[:10]
    if sort == "external_select":
        return value if isinstance(value, dict) else {"text": {"type": "plain_text", "text": value}, "value": value}
    return (
        getattr(value, "id", value)
        if not isinstance(value, int | float)
        else str(value)
        if sort == "number_input"
        else value
    )


def _option(element: Mapping[str, Json], value: Json) -> Json:
    options = options_of(element)
    for option in options:
        if value in (option["value"], option["text"]["text"]) or value == option:
            return option
    offered = ", ".join(option["value"] for option in options)
    raise NotPossible(f"{value!r} is not among the options: {offered}")


def _text_complaint(element: Mapping[str, Json], value: str) -> str | None:
    least, most = element.get("min_length", 0), element.get("max_length", 3000)
    if len(value) < least:
        return f"Enter at least {least} characters."
    if len(value) > most:
        return f"Enter at most {most} characters."
    if "\n" in value and not element.get("multiline"):
        return "Enter one line only."
    return None


def _number_complaint(element: Mapping[str, Json], value: str) -> str | None:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return "Enter a number."
    if not number.is_finite():
        return "Enter a number."
    if not element["is_decimal_allowed"] and number != number.to_integral_value():
        return "Enter a whole number."
    least, most = element.get("min_value"), element.get("max_value")
    if least is not None and number < Decimal(least):
        return f"Enter a number that is {least} or more."
    if most is not None and number > Decimal(most):
        return f"Enter a number that is {most} or less."
    return None


def _email_complaint(_element: Mapping[str, Json], value: str) -> str | None:
    return None if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value) else "Enter a valid email address."


def _url_complaint(_element: Mapping[str, Json], value: str) -> str | None:
    parts = urlsplit(value)
    return None if parts.scheme in ("http", "https") and parts.netloc else "Enter a valid URL."
