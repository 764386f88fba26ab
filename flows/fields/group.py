"""Fields side by side, held against what was given for them: a form, the inputs of a flow, the inside of an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from difflib import get_close_matches
from typing import TypeVar

from flows.expressions import ExpressionError
from flows.fields.base import BaseField
from flows.fields.conditions import in_order, in_words
from flows.fields.sentences import MAX_QUOTED, Unacceptable, quoted
from flows.ports import Json

_MAX_UNKNOWN = 20  # unknown names that one refusal lists
_F = TypeVar("_F", bound=BaseField)


def fill_in(
    fields: Sequence[BaseField],
    given: Mapping[str, object],
    *,
    defaults: Mapping[str, object] | None = None,
    called: str = "a field of this form",
) -> tuple[dict[str, Json], dict[str, str]]:
    """The normalised value of each field, in their order, and what is wrong where, by the place within ``given``.

    The values count only where nothing is wrong. ``defaults`` are rendered ones, by name; ``called`` says what a name
    that is none of the fields is not. Raises ``LookupError`` for a default that was to be rendered and was not.
    """
    values: dict[str, Json] = {}
    problems: dict[str, str] = {}
    unsure: set[str] = set()  # fields of which nobody knows the value, because something is wrong
    known = 0
    ordered = in_order(fields)
    for field in ordered:
        name = field.name
        known += name in given
        try:
            if field.when is None:
                values[name] = value_of(field, given.get(name), defaults)
            elif not unsure.isdisjoint(field.reads):
                # What is wrong with others is what would say whether this is asked: nobody knows.
                unsure.add(name)
                values[name] = value_of(field, given.get(name), defaults, missed=False)
            elif _asked(field, fields, values):
                values[name] = value_of(field, given.get(name), defaults)
            else:
                _refuse_unasked(field, fields, given.get(name), defaults)
                values[name] = None
        except Unacceptable as unacceptable:
            problems.update({f"{name}{place}": sentence for place, sentence in unacceptable.places.items()})
            unsure.add(name)
    if known < len(given):
        problems |= _unknown_names([field.name for field in fields], given, called)
    if not problems and ordered is not fields:
        values = {field.name: values[field.name] for field in fields}
    return values, problems


def value_of(
    field: BaseField, given: object, defaults: Mapping[str, object] | None = None, *, missed: bool = True
) -> Json:
    """The value of one field: what was ``given``, its default, or null. Raises ``Unacceptable``.

    ``missed`` is whether a required one without a value is refused.
    """
    if not field.is_blank(given):
        return field.parse(given)
    if given is not None and field.default is not None:
        # It was filled in, and somebody emptied it: they would not expect its default to come back.
        if field.required:
            raise Unacceptable(field.missing)
        return deepcopy(field.cleared)
    try:
        value = rendered_default(field, defaults) if field.templated else field.default
    except Unacceptable as unacceptable:
        raise Unacceptable(f"is not given, and its {unacceptable}") from None
    if value is None and field.required and missed:
        raise Unacceptable(field.missing)
    # A copy, so that nobody who changes a run's values changes the definition.
    return deepcopy(value) if isinstance(value, list | dict) else value


def shown(
    fields: Sequence[_F], given: Mapping[str, object], *, defaults: Mapping[str, object] | None = None
) -> tuple[_F, ...]:
    """The fields that are asked as far as can be told while a form is being filled in, in their order.

    What is not given yet has its default; what does not fit yet counts as empty.
    """
    if all(field.when is None for field in fields):
        return tuple(fields)
    values: dict[str, Json] = {}
    asked: set[str] = set()
    for field in in_order(fields):
        try:
            if field.condition is None or field.condition.test(values):
                asked.add(field.name)
        except ExpressionError:
            asked.add(field.name)  # rather one too many: whoever sees it can leave it empty
        try:
            values[field.name] = value_of(field, given.get(field.name), defaults) if field.name in asked else None
        except Unacceptable:
            values[field.name] = None
    return tuple(field for field in fields if field.name in asked)


def rendered_default(field: BaseField, defaults: Mapping[str, object] | None) -> Json:
    """The normalised value of a default that was rendered; null where it came out blank. Raises ``Unacceptable``."""
    if defaults is None or field.name not in defaults:
        raise LookupError(f"the default of {field.name} is a template that was not rendered")
    rendered = defaults[field.name]
    if field.is_blank(rendered):
        return None
    try:
        return field.parse(rendered)
    except Unacceptable as unacceptable:
        raise Unacceptable(f"default {unacceptable}") from None


def schema_of_values(fields: Sequence[BaseField]) -> dict[str, Json]:
    """JSON Schema of the normalised values of ``fields``, as an object."""
    properties: dict[str, Json] = {}
    required: list[str] = []
    for field in fields:
        schema = field.schema_of_value()
        if field.required and field.default is None and field.when is None:
            required.append(field.name)
        else:
            schema = {"anyOf": [schema, {"type": "null"}]}
        notes: dict[str, Json] = {"title": field.title}
        if field.description is not None:
            notes["description"] = field.description
        if field.default is not None and not field.templated:
            notes["default"] = field.default
        properties[field.name] = notes | schema
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _asked(field: BaseField, beside: Sequence[BaseField], values: Mapping[str, Json]) -> bool:
    if field.condition is None:
        return True
    try:
        return field.condition.test(values)
    except ExpressionError as error:
        words = in_words(field, beside)
        raise Unacceptable(
            f"cannot be taken: whether it is asked hangs on {words}, which cannot be told ({error.message})."
        ) from None


def _refuse_unasked(
    field: BaseField, beside: Sequence[BaseField], given: object, defaults: Mapping[str, object] | None
) -> None:
    """Raise ``Unacceptable`` where somebody has filled in what is not asked: what people say is not dropped unseen."""
    if field.is_blank(given):
        return
    # A page without a script sends every field that it shows, filled in with its default.
    if field.default is not None:
        try:
            default = rendered_default(field, defaults) if field.templated else field.default
            if field.same(field.parse(given), default):
                return
        except Unacceptable:
            pass
    raise Unacceptable(f"is asked only where {in_words(field, beside)}; leave it empty.")


def _unknown_names(known: Sequence[str], given: Mapping[str, object], called: str) -> dict[str, str]:
    names = frozenset(known)
    unknown = [name for name in given if name not in names]
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
        problems[key] = f"is not {called}; {hint}"
    if len(unknown) > _MAX_UNKNOWN:
        problems["..."] = f"{len(unknown) - _MAX_UNKNOWN} more names are not fields of this form."
    return problems
