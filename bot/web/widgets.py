"""Form fields as an HTML form shows them, and what comes back as values for ``flows.forms.validate``. Pure.

The browser's own checks are used only where they cannot stand in the way of a rejection, which takes no form:
nothing is ``required`` in HTML. What a value must be is said by ``validate`` alone, for every door the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.web.moments import zone_named
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
from flows.forms import Field, check_defaults
from flows.ports import Json

PREFIX = "form."
"""Before a field's name in the HTML form, so that no field can be taken for the verdict or the digest."""

ZONE = "zone"
"""The hidden field with the zone in which local times were shown and are meant."""

Typed = Mapping[str, Sequence[str]]
"""What an HTML form sent: names, each with its values."""

_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")


@dataclass(frozen=True, slots=True)
class Widget:
    """One field as a template draws it. ``chosen`` are the options that are preselected."""

    name: str
    title: str
    description: str | None
    required: bool
    tag: Literal["input", "textarea", "select", "checkboxes"]
    type: str = "text"
    value: str = ""
    attributes: Mapping[str, str] | None = None
    options: Sequence[tuple[str, str]] = ()
    chosen: frozenset[str] = frozenset()
    hint: str | None = None
    error: str | None = None


def widgets(
    fields: Sequence[Field],
    defaults: Mapping[str, Json],
    *,
    zone: str,
    typed: Typed | None = None,
    problems: Mapping[str, str] | None = None,
) -> list[Widget]:
    """The fields with their defaults filled in, or with what was ``typed`` and what is wrong with it.

    ``defaults`` are the rendered ones of the fields whose default is a template. A secret is never filled in.
    """
    rendered = check_defaults(fields, defaults)
    return [
        _widget(
            field,
            _shown(field, rendered.get(field.name) if field.templated else field.default, zone)
            if typed is None
            else [] if field.masked else list(typed.get(PREFIX + field.name, [])),
            zone,
            (problems or {}).get(field.name),
        )
        for field in fields
    ]  # fmt: skip


def values_of(fields: Sequence[Field], typed: Typed) -> dict[str, Json]:
    """What was filled in, by field name. A field that came back empty was emptied: it is given as empty text."""
    zone = (typed.get(ZONE) or [""])[0]
    values: dict[str, Json] = {}
    for field in fields:
        given = list(typed.get(PREFIX + field.name, []))
        if isinstance(field, MultiselectField):
            values[field.name] = given
        elif isinstance(field, DatetimeField):
            values[field.name] = _with_zone(given[0] if given else "", zone)
        else:
            values[field.name] = given[0] if given else ""
    return values


def _widget(field: Field, shown: list[str], zone: str, error: str | None) -> Widget:
    name = PREFIX + field.name
    value = shown[0] if shown else ""

    def made(
        tag: Literal["input", "textarea", "select", "checkboxes"],
        kind: str = "text",
        *,
        options: Sequence[tuple[str, str]] = (),
        hint: str | None = None,
        **attributes: object,
    ) -> Widget:
        return Widget(
            name=name,
            title=field.title,
            description=field.description,
            required=field.required,
            tag=tag,
            type=kind,
            value=value,
            attributes={key: str(given) for key, given in attributes.items() if given is not None},
            options=options,
            chosen=frozenset(shown),
            hint=hint,
            error=error,
        )

    match field:
        case StringField(multiline=True):
            return made("textarea", maxlength=field.max_length)
        case StringField():
            return made("input", maxlength=field.max_length)
        case SecretField():
            return made("input", "password", maxlength=field.max_length, autocomplete="off")
        case IntegerField():
            return made("input", "number", step=1)
        case NumberField():
            return made("input", "number", step="any")
        case BooleanField():
            # A list, not a tick box: one that is not ticked sends nothing, which is not the same as no.
            return made("select", options=(("true", "yes"), ("false", "no")))
        case SelectField():
            return made("select", options=tuple(field.titles.items()))
        case MultiselectField():
            return made("checkboxes", options=tuple(field.titles.items()))
        case DateField():
            return made("input", "date")
        case TimeField():
            return made("input", "time", step=1 if value.count(":") > 1 else None)
        case DatetimeField():
            step = 1 if value.count(":") > 1 else None
            return made("input", "datetime-local", step=step, hint=f"Times are in {zone}.")
        case DurationField():
            return made("input", hint="Such as 30m, 2d or 1h30m.")
        case EmailField():
            return made("input", "email", maxlength=254)
        case UrlField():
            return made("input", "url", maxlength=2000)
        case JsonField():
            return made("textarea", hint="As JSON.", spellcheck="false")


def _shown(field: Field, value: Json, zone: str) -> list[str]:
    """A normalised value as the widget of its field holds it."""
    if value is None or field.masked:
        return []
    match field:
        case MultiselectField():
            return list(value)
        case BooleanField():
            return ["true" if value else "false"]
        case DatetimeField():
            local = datetime.fromisoformat(value).astimezone(zone_named(zone)).replace(tzinfo=None, microsecond=0)
            return [local.isoformat(timespec="minutes" if not local.second else "seconds")]
        case JsonField():
            return [json.dumps(value, ensure_ascii=False, indent=2)]
    return [str(value)]


def _with_zone(text: str, zone: str) -> str:
    """A browser's local time with the offset that it has in the zone; any other text as it is."""
    text = text.strip()
    if not _LOCAL.fullmatch(text):
        return text
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone_named(zone)).isoformat()
    except ValueError:
        return text  # a day that does not exist; what is wrong with it is said by the field
