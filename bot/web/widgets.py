"""Form fields as an HTML form shows them, and what comes back as values for ``flows.forms.validate``. Pure.

The browser's own checks are used only where they cannot stand in the way of a rejection, which takes no form:
nothing is ``required`` in HTML. What a value must be is said by ``validate`` alone, for every door the same.

There is no script, so a field that is asked only where others have certain values is there from the beginning, and
says when it is asked. A file travels as the JSON that ``FileField`` takes; one that came with a form that has to be
corrected is kept in a tick box, since no browser fills a file into a page again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from bot.web.moments import zone_named
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
from flows.fields.file import in_bytes
from flows.forms import Field, by_field, check_defaults, condition_of, readable
from flows.ports import Json

PREFIX = "form."
"""Before a field's name in the HTML form, so that no field can be taken for the verdict or the digest."""

ZONE = "zone"
"""The hidden field with the zone in which local times were shown and are meant."""

Typed = Mapping[str, Sequence[str]]
"""What an HTML form sent: names, each with its values."""

Tag = Literal["input", "textarea", "select", "checkboxes", "file"]

_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")


@dataclass(frozen=True, slots=True)
class Widget:
    """One field as a template draws it. ``chosen`` are the options that are preselected.

    Of a ``file`` the options are those that the form has already: the JSON and what it is called. ``only_where`` is the
    sentence that says when the field is asked, where that depends on others.
    """

    name: str
    title: str
    description: str | None
    required: bool
    tag: Tag
    type: str = "text"
    value: str = ""
    attributes: Mapping[str, str] | None = None
    options: Sequence[tuple[str, str]] = ()
    chosen: frozenset[str] = frozenset()
    hint: str | None = None
    error: str | None = None
    """What is wrong, as it reads after the title; or with the places inside the value that it is about (``placed``)."""
    placed: bool = False
    only_where: str | None = None


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
    wrong = by_field(fields, problems or {})
    made = []
    for field in fields:
        if typed is None:
            shown = _shown(field, rendered.get(field.name) if field.templated else field.default, zone)
        else:
            shown = [] if field.masked else list(typed.get(PREFIX + field.name, []))
        widget = _widget(field, shown, zone, wrong.get(field.name))
        condition = condition_of(field, fields)
        if condition is not None:
            there = ", and required there" if field.required else ""
            widget = replace(widget, required=False, only_where=f"Only where {condition}{there}.")
        made.append(widget)
    return made


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
        elif isinstance(field, FileField):
            # The one that was kept stands before the one that was chosen in its stead.
            values[field.name] = next((one for one in reversed(given) if one), "")
        else:
            values[field.name] = given[0] if given else ""
    return values


def _widget(field: Field, shown: list[str], zone: str, error: str | None) -> Widget:
    name = PREFIX + field.name
    value = shown[0] if shown else ""

    def made(
        tag: Tag,
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
            placed=error is not None and error.startswith((f"{field.name}.", f"{field.name}[")),
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
        case UriField():
            # Not the browser's input for addresses: it would stand in the way of a rejection.
            return made("input", maxlength=2000, inputmode="url", autocapitalize="off", spellcheck="false")
        case JsonField():
            return made("textarea", hint="As JSON.", spellcheck="false")
        case ObjectField() | ListField():
            example = json.dumps(field.example, ensure_ascii=False)
            return made("textarea", hint=f"As JSON, such as {example}", spellcheck="false")
        case FileField():
            return made("file", "file", options=_kept(field, shown), hint=f"At most {in_bytes(field.max_bytes)}.")


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
        case JsonField() | ObjectField() | ListField():
            return [json.dumps(value, ensure_ascii=False, indent=2)]
        case FileField():
            return [json.dumps(value, ensure_ascii=False)]
    return [str(value)]


def _kept(field: FileField, shown: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The file that the form has by now, if it is one that its field takes."""
    for text in reversed(shown):
        try:
            return ((text, readable(field, field.parse(text))),)
        except Unacceptable:
            continue
    return ()


def _with_zone(text: str, zone: str) -> str:
    """A browser's local time with the offset that it has in the zone; any other text as it is."""
    text = text.strip()
    if not _LOCAL.fullmatch(text):
        return text
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone_named(zone)).isoformat()
    except ValueError:
        return text  # a day that does not exist; what is wrong with it is said by the field
