"""The one validator that every door uses, and what else is done with the values of a form.

Slack, web pages and the command line deliver text, the API delivers JSON; ``validate`` takes both and makes
the same JSON of them, so that a value is worth the same through whatever door it came. What a single field
takes is said in ``flows.fields``.

What counts as *not given*: a missing key, null, and blank text, for every type (and an empty list for
``multiselect``). A field that is not given takes its default, else null. One exception, so that a person
can empty what a default has filled in: an optional ``string`` or ``multiselect`` that has a default stays
empty when ``""`` or ``[]`` is given. (A door that shows a form and gets nothing for a shown field passes ``""``.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches

from flows.errors import InvalidForm
from flows.fields import MASK, MAX_VALUES, NOTHING, Field, Unacceptable
from flows.fields.limits import weight
from flows.fields.sentences import MAX_QUOTED, quoted
from flows.ports import Json

__all__ = [
    "MAX_FIELDS",
    "Field",
    "check_defaults",
    "check_fields",
    "default_templates",
    "json_schema_of",
    "mask",
    "readable",
    "validate",
]

MAX_FIELDS = 100
"""Fields of one form, or inputs of one flow."""

_MAX_UNKNOWN = 20  # unknown names that one refusal lists


def validate(
    fields: Sequence[Field], values: Mapping[str, object], *, defaults: Mapping[str, object] | None = None
) -> dict[str, Json]:
    """The normalised values of all ``fields``, in their order; what is not given has its default, else null.

    ``defaults`` holds the rendered values of the defaults that are templates (``default_templates``); they
    are validated like anything else, and never rendered again. Raises ``InvalidForm`` with every bad field
    at once, unknown names included. Validating the result again gives the same result.
    """
    checked: dict[str, Json] = {}
    problems: dict[str, str] = {}
    known = size = 0
    for field in fields:
        name = field.name
        given = None
        if name in values:
            known += 1
            given = values[name]
        try:
            if not field.is_blank(given):
                value = field.parse(given)
            elif given is None or field.required or field.cleared is None or field.default is None:
                value = _not_given(field, defaults)
            else:
                value = deepcopy(field.cleared)
        except Unacceptable as unacceptable:
            problems[name] = str(unacceptable)
            continue
        checked[name] = value
        size += weight(value)
    if known < len(values):
        problems |= _unknown_names([field.name for field in fields], values)
    if size > MAX_VALUES and not problems:
        longest = max(checked, key=lambda name: weight(checked[name]))
        problems[longest] = f"must be shorter: all values together may have {MAX_VALUES} characters, these have {size}."
    if problems:
        raise InvalidForm(problems)
    return checked


def default_templates(fields: Iterable[Field]) -> dict[str, str]:
    """The defaults that have to be rendered before the form opens, by field name."""
    return {field.name: field.default for field in fields if field.templated}


def check_defaults(fields: Iterable[Field], rendered: Mapping[str, object]) -> dict[str, Json]:
    """The normalised values of the ``rendered`` defaults, for when a form opens; null for one that came out blank.

    Raises ``InvalidForm`` with every default that its field does not take.
    """
    checked: dict[str, Json] = {}
    problems: dict[str, str] = {}
    for field in fields:
        if field.templated:
            try:
                checked[field.name] = _rendered_default(field, rendered)
            except Unacceptable as unacceptable:
                problems[field.name] = str(unacceptable)
    if problems:
        raise InvalidForm(problems)
    return checked


def check_fields(fields: Sequence[Field]) -> list[str]:
    """What is wrong with fields that are each right: names that are there twice, and more than anybody can fill in."""
    names = [field.name for field in fields]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    problems = [f"two fields are named {name}; rename one of them" for name in twice]
    if len(names) > MAX_FIELDS:
        problems.append(f"{len(names)} fields are more than the {MAX_FIELDS} that one form may have")
    return problems


def mask(fields: Iterable[Field], values: Mapping[str, Json]) -> dict[str, Json]:
    """``values`` for showing: secrets become ``••••``; a value of no known field, which may be a secret, is left out."""
    return {
        field.name: MASK if field.masked and values[field.name] is not None else values[field.name]
        for field in fields
        if field.name in values
    }


def readable(field: Field, value: Json) -> str:
    """One line for people of a normalised value. It is not escaped and not clipped: each door does that for itself."""
    return NOTHING if value is None else field.readable(value)


def json_schema_of(fields: Iterable[Field]) -> dict[str, Json]:
    """JSON Schema 2020-12 of the values as JSON (the text that ``validate`` takes besides is not described)."""
    properties: dict[str, Json] = {}
    required: list[str] = []
    for field in fields:
        schema = field.schema_of_value()
        if field.required and field.default is None:
            required.append(field.name)
        else:
            schema = {"anyOf": [schema, {"type": "null"}]}
        notes: dict[str, Json] = {"title": field.title}
        if field.description is not None:
            notes["description"] = field.description
        if field.default is not None and not field.templated:
            notes["default"] = field.default
        properties[field.name] = notes | schema
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _not_given(field: Field, defaults: Mapping[str, object] | None) -> Json:
    try:
        value = _rendered_default(field, defaults) if field.templated else field.default
    except Unacceptable as unacceptable:
        raise Unacceptable(f"is not given, and its {unacceptable}") from None
    if value is None and field.required:
        raise Unacceptable(field.missing)
    # A copy, so that nobody who changes a run's values changes the definition.
    return deepcopy(value) if isinstance(value, list | dict) else value


def _rendered_default(field: Field, defaults: Mapping[str, object] | None) -> Json:
    if defaults is None or field.name not in defaults:
        raise LookupError(f"the default of {field.name} is a template that was not rendered")
    rendered = defaults[field.name]
    if field.is_blank(rendered):
        return None
    try:
        return field.parse(rendered)
    except Unacceptable as unacceptable:
        raise Unacceptable(f"default {unacceptable}") from None


def _unknown_names(known: Sequence[str], values: Mapping[str, object]) -> dict[str, str]:
    names = frozenset(known)
    unknown = [name for name in values if name not in names]
    problems = {}
    for name in unknown[:_MAX_UNKNOWN]:
        text = str(name)[:64]
        nearest = get_close_matches(text.lower(), known, n=1)
        if nearest:
            hint = f"did you mean {nearest[0]}?"
        else:
            hint = (
                f"the fields are: {', '.join(known[:10])}{' ...' if len(known) > 10 else ''}."
                if known
                else "there are none."
            )
        # Only a name that is harmless to print is its own key; any other is quoted.
        key = text if text.isprintable() and len(text) <= MAX_QUOTED else quoted(name)
        problems[key] = f"is not a field of this form; {hint}"
    if len(unknown) > _MAX_UNKNOWN:
        problems["..."] = f"{len(unknown) - _MAX_UNKNOWN} more names are not fields of this form."
    return problems
