"""The one validator that every door uses, and what else is done with the values of a form.

Slack, web pages and the command line deliver text, the API delivers JSON; ``validate`` takes both and makes
the same JSON of them, so that a value is worth the same through whatever door it came. What a single field
takes is said in ``flows.fields``.

What counts as *not given*: a missing key and null, for every type. A field that is not given takes its default,
else null. Blank text (and an empty list for ``multiselect``) is not given either, with one exception: in a field that
has a default it says that somebody has emptied it. Then the default does not come back: an optional field is null
(``""`` for a ``string``, ``[]`` for a ``multiselect``), a required one is refused. (A door that shows a form and gets
nothing for a shown field passes ``""``.)

A field whose ``when`` is false is not asked: its value is null, whatever its default, and it is not required. What
somebody fills into it all the same is refused, since to drop it would be to decide something else than they said; its
default alone is no answer, because a page without a script sends that too. Whether a field is asked cannot be told
while something is wrong with those that its ``when`` reads; then it is not missed.

Values inside values are placed: ``servers[1].host``. Files stand in values with their content, in base64.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, cast

from flows.definition import Approval, Callback, Wait
from flows.errors import InvalidForm
from flows.fields import MASK, MAX_FIELDS, MAX_VALUES, NOTHING, Field, Unacceptable
from flows.fields.base import BaseField
from flows.fields.choices import MultiselectField, Option, SelectField
from flows.fields.conditions import in_words, wrong_conditions
from flows.fields.group import fill_in, rendered_default, schema_of_values, shown
from flows.fields.limits import MAX_DESCRIPTION, MAX_LABEL, MAX_OPTION, weight
from flows.fields.nested import ListField
from flows.findings import Finding
from flows.ports import Json
from flows.run import Verdict

__all__ = [
    "MAX_FIELDS",
    "Field",
    "by_field",
    "check_defaults",
    "check_fields",
    "condition_of",
    "default_templates",
    "fills_in",
    "json_schema_of",
    "mask",
    "needs_no_answer",
    "readable",
    "rendered_texts",
    "shown",
    "text_templates",
    "validate",
    "validate_answer",
    "with_texts",
]

_F = TypeVar("_F", bound=BaseField)


# -- values ---------------------------------------------------------------------------------------------------


def validate(
    fields: Sequence[Field], values: Mapping[str, object], *, defaults: Mapping[str, object] | None = None
) -> dict[str, Json]:
    """The normalised values of all ``fields``, in their order; what is not given has its default, else null.

    ``defaults`` holds the rendered values of the defaults that are templates (``default_templates``); they
    are validated like anything else, and never rendered again. Raises ``InvalidForm`` with every bad field
    at once, unknown names included. Validating the result again gives the same result, but that the null of a field
    that was emptied is taken for its default.
    """
    checked, problems = fill_in(fields, values, defaults=defaults)
    if not problems:
        size = sum(map(weight, checked.values()))
        if size > MAX_VALUES:
            longest = max(checked, key=lambda name: weight(checked[name]))
            problems[longest] = (
                f"must be shorter: all values together may have {MAX_VALUES} characters, these have {size}."
            )
    if problems:
        raise InvalidForm(problems)
    return checked


def validate_answer(
    wait: Wait, verdict: Verdict, values: Mapping[str, object], *, defaults: Mapping[str, object]
) -> dict[str, Json]:
    """What is kept of the values that came with a decision; nothing where that verdict takes no form.

    Raises ``InvalidForm`` as ``validate`` does.
    """
    return validate(wait.form, values, defaults=defaults) if fills_in(wait, verdict) else {}


def fills_in(wait: Wait | Callback, verdict: Verdict) -> bool:
    """Whether the form belongs to that verdict: to a yes, and to a rejection where the approval says ``form_on: both``."""
    if verdict is Verdict.REJECT:
        return isinstance(wait, Approval) and wait.form_on == "both"
    return verdict is not Verdict.WITHDRAW


def needs_no_answer(fields: Sequence[Field]) -> bool:
    """Whether a form may come back empty, as far as can be told before it opens: defaults that are templates are taken
    to come to something."""
    rendered = dict.fromkeys(default_templates(fields))
    _, problems = fill_in(fields, {}, defaults=rendered)
    return problems.keys() <= rendered.keys()


def by_field(fields: Iterable[Field], problems: Mapping[str, str]) -> dict[str, str]:
    """``InvalidForm.fields`` with what is wrong inside a value put together under its field, for doors that show one
    sentence beside each; names that are none of the fields stay as they are."""
    found: dict[str, list[str]] = {}
    inside = {field.name for field in fields if field.inside}
    for place, sentence in problems.items():
        name = place.partition(".")[0].partition("[")[0]
        if name in inside and place != name:
            found.setdefault(name, []).append(f"{place}: {sentence}")
        else:
            found.setdefault(place, []).append(sentence)
    return {name: " ".join(sentences) for name, sentences in found.items()}


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
    """JSON Schema 2020-12 of the values as JSON (the text that ``validate`` takes besides is not described).

    Which fields are asked depends on values, which no schema here says: a field with ``when`` may be null in it.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema_of_values(tuple(fields))}


# -- what is rendered when a form opens -------------------------------------------------------------------------


def default_templates(fields: Iterable[Field]) -> dict[str, Json]:
    """The defaults that have to be rendered before the form opens, by field name: templates, or values that hold some."""
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
                checked[field.name] = rendered_default(field, rendered)
            except Unacceptable as unacceptable:
                problems[field.name] = str(unacceptable)
    if problems:
        raise InvalidForm(problems)
    return checked


def text_templates(fields: Iterable[Field]) -> dict[str, str]:
    """The labels and descriptions that have to be rendered before the form opens.

    By place: ``reason.label``, ``reason.description``, ``colour.options.0`` (the label of the first option).
    """
    return {place: text for field in fields for place, text in _texts(field) if "{{" in text}


def rendered_texts(rendered: Mapping[str, object]) -> dict[str, str]:
    """What ``text_templates`` came to, as it is stored and shown: text, cut to what a label, a description or an option
    may have; blank where nothing came out."""
    return {place: _shown(value, place) for place, value in rendered.items()}


def with_texts(fields: Sequence[_F], texts: Mapping[str, object]) -> tuple[_F, ...]:
    """The fields as they are shown: with the ``rendered_texts`` in place of the templates that ``text_templates`` named.
    One that came out blank is as if it had been left out."""
    if not texts:
        return tuple(fields)
    return tuple(_with_texts(field, texts) for field in fields)


def condition_of(field: Field, fields: Iterable[Field]) -> str | None:
    """When a field is asked, for people: ``“Kind” is 'other'``; None where it always is. Not escaped."""
    return in_words(field, fields) or None


# -- what is wrong with fields ----------------------------------------------------------------------------------


def check_fields(fields: Sequence[Field]) -> list[Finding]:
    """What is wrong with fields that are each right; ``loc`` is from the list of them, at any depth.

    Names that are there twice, more than anybody can fill in, and every fault of a ``when``: names that no field
    beside it has, secrets, cycles, and conditions that no answer makes true.
    """
    findings = list(_wrong(fields, ()))
    if len(fields) > MAX_FIELDS:
        findings.append(Finding((), f"{len(fields)} fields are more than the {MAX_FIELDS} that one form may have"))
    return findings


def _wrong(fields: Sequence[BaseField], loc: tuple[str | int, ...]) -> Iterator[Finding]:
    names = [field.name for field in fields]
    for index, field in enumerate(fields):
        if field.name in names[:index]:
            yield Finding((*loc, index, "name"), f"two fields are named {field.name!r}", "rename one of them")
    if len(set(names)) == len(names):
        for finding in wrong_conditions(fields):
            yield Finding((*loc, *finding.loc), finding.message, finding.hint, finding.severity)
    for index, field in enumerate(fields):
        place = (*loc, index)
        while isinstance(field, ListField) and field.of is not None:
            field, place = field.of, (*place, "of")
        yield from _wrong(field.inside, (*place, "fields"))


def _texts(field: BaseField) -> Iterator[tuple[str, str]]:
    if field.label is not None:
        yield f"{field.name}.label", field.label
    if field.description is not None:
        yield f"{field.name}.description", field.description
    for index, option in enumerate(_options(field)):
        if option.label is not None:
            yield f"{field.name}.options.{index}", option.label


def _options(field: BaseField) -> Sequence[Option]:
    return field.options if isinstance(field, SelectField | MultiselectField) else ()


def _with_texts(field: _F, texts: Mapping[str, object]) -> _F:
    given = {place: _shown(texts[place], place) or None for place, _ in _texts(field) if place in texts}
    if not given:
        return field
    update: dict[str, object] = {
        key: given[f"{field.name}.{key}"] for key in ("label", "description") if f"{field.name}.{key}" in given
    }
    options = _options(field)
    if options:
        places = [f"{field.name}.options.{index}" for index in range(len(options))]
        update["options"] = tuple(
            option.model_copy(update={"label": given[place]}) if place in given else option
            for option, place in zip(options, places, strict=True)
        )
    # Made anew, not copied: a copy would keep what the field has worked out of its old texts.
    return cast("_F", field.model_construct(**{**dict(field), **update}))


def _shown(rendered: object, place: str) -> str:
    if rendered is None:
        return ""
    text = rendered if isinstance(rendered, str) else json.dumps(rendered, ensure_ascii=False, default=dict)
    if place.endswith(".description"):
        text, limit = text.strip(), MAX_DESCRIPTION
    else:
        text, limit = " ".join(text.split()), MAX_LABEL if place.endswith(".label") else MAX_OPTION
    return text if len(text) <= limit else text[: limit - 1] + "…"
