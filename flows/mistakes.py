"""What pydantic found wrong, in the words of the person who wrote the file.

Pydantic knows the models and says ``Extra inputs are not permitted``; an author knows their file and needs
``unknown key 'aprovers'`` and which one was meant. The names for that come from the models' JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from flows.findings import Finding, Loc, did_you_mean, nearest
from flows.ports import Json

_QUOTED = re.compile(r"'([^']*)'")
_TIMEDELTA = re.compile(r"datetime\.timedelta\((?:days=)?([1-9][0-9]*)?0?\)")
_TIMES = ("delay", "timeout", "max_delay")
_SHOWN = 60

_TYPES = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "dict": "a mapping",
    "model": "a mapping",
    "dataclass": "a mapping",
    "mapping": "a mapping",
    "time_delta": "a duration like 10s, 2d or 1h30m",
}
_TYPE_ERROR = re.compile(rf"({'|'.join(_TYPES)})_(?:type|parsing|parsing_size|from_float|attributes_type|sub_type)")
_NOT_THE_REASON = ("callable_type", "is_instance_of", "none_required")


@dataclass(frozen=True, slots=True)
class _Error:
    """One of pydantic's errors. ``loc`` holds keys of the file only, ``branch`` which member of a union it is from."""

    type: str
    message: str
    context: Mapping[str, Any]
    loc: Loc
    union: Loc | None
    branch: str | int | None


def mistakes(error: ValidationError, document: Json, schema: Mapping[str, Json]) -> list[Finding]:
    """One finding for each thing that is wrong in ``document``, which ``error`` says does not fit ``schema``."""
    errors = [_located(each, document) for each in error.errors(include_url=False, include_input=False)]
    # A list whose items are all wrong is called too short by pydantic; its author sees them there.
    errors = [each for each in errors if each.type != "too_short" or not value_at(document, each.loc)]
    groups = _alternatives(errors)
    return list(dict.fromkeys(_sentence(group, value_at(document, group[0].loc), document, schema) for group in groups))


def value_at(document: Json, loc: Loc) -> Json:
    """The value that stands there; None where there is none."""
    for part in loc:
        if not _holds(document, part):
            return None
        document = document[part]
    return document


def _holds(value: Json, part: str | int) -> bool:
    if isinstance(value, Mapping):
        return part in value
    return isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)


def _located(error: Any, document: Json) -> _Error:
    """Leave out of pydantic's location what is not in the file: the names of union members and validators."""
    loc: Loc = ()
    union: Loc | None = None
    branch: str | int | None = None
    value = document
    parts = error["loc"]
    for index, part in enumerate(parts):
        if _holds(value, part):
            value, loc = value[part], (*loc, part)
        elif error["type"] == "missing" and index == len(parts) - 1:
            value, loc = None, (*loc, part)
        else:
            union, branch = loc, part
    return _Error(error["type"], error["msg"], error.get("ctx", {}), loc, union, branch)


def _alternatives(errors: list[_Error]) -> Iterator[list[_Error]]:
    """The errors one by one; those of a value that fits no member of its union, as one group."""
    unions: dict[Loc, list[_Error]] = {}
    for error in errors:
        if error.union is not None:
            unions.setdefault(error.union, []).append(error)
    told = set()
    for error in errors:
        members = unions.get(error.union, []) if error.union is not None else []
        if len({member.branch for member in members}) < 2:
            yield [error]
        elif error.union not in told:
            told.add(error.union)
            # A member that got past the type is the one that was meant; else each says what it would have taken.
            meant = [member for member in members if member.loc != error.union or not _is_about_type(member)]
            if meant:
                yield from ([member] for member in meant)
            else:
                yield [member for member in members if member.type not in _NOT_THE_REASON] or members


def _is_about_type(error: _Error) -> bool:
    return bool(_TYPE_ERROR.fullmatch(error.type)) or error.type in ("literal_error", "enum", *_NOT_THE_REASON)


def _sentence(group: list[_Error], value: Json, document: Json, schema: Mapping[str, Json]) -> Finding:
    error = group[0]
    loc, context = error.loc, error.context
    match error.type:
        case "extra_forbidden":
            return _unknown_key(loc, document, schema)
        case "missing":
            return Finding(loc, f"{loc[-1]!r} is missing", about="key")
        case "union_tag_not_found":
            return Finding(
                loc, f"{_unquoted(context['discriminator'])!r} is missing", _one_of(_member_tags(loc, document, schema))
            )
        case "union_tag_invalid":
            key = _unquoted(context["discriminator"])
            tags = _QUOTED.findall(context["expected_tags"])
            return Finding(
                (*loc, key),
                f"{_shown(context['tag'])} is no {key}",
                did_you_mean(str(context["tag"]), tags) or _one_of(tags),
            )
        case "string_pattern_mismatch":
            return _no_name(loc, value, context["pattern"])
        case "string_too_short" | "too_short" if context["min_length"] == 1:
            return Finding(loc, "is empty", "it needs at least one" if error.type == "too_short" else None)
        case "string_too_short":
            return Finding(loc, f"must have at least {context['min_length']} characters")
        case "string_too_long":
            return Finding(loc, f"is longer than {context['max_length']:,} characters")
        case "too_short":
            return Finding(loc, f"must have at least {context['min_length']} items")
        case "too_long":
            return Finding(loc, f"has more than {context['max_length']:,} items")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return Finding(loc, _bound(error.type, context))
        case "value_error" | "assertion_error":
            # ExpressionError and the like bring a hint of their own.
            raised = context["error"]
            return Finding(loc, str(raised), getattr(raised, "hint", None))
        case _ if all(_is_about_type(each) for each in group):
            return _wrong_type(group, value)
        case _:
            return Finding(loc, _own_words(error.message))


def _wrong_type(group: list[_Error], value: Json) -> Finding:
    loc = group[0].loc
    kinds: list[str] = []
    words: list[str] = []
    for error in group:
        if (match := _TYPE_ERROR.fullmatch(error.type)) is not None:
            kinds.append(_TYPES[match[1]])
        elif "expected" in error.context:
            words.extend(_QUOTED.findall(str(error.context["expected"])))
    kinds = list(dict.fromkeys(kinds))
    if isinstance(value, str) and words:
        close = nearest(value, words)
        meant = f"did you mean {close!r}?" if close else f"one of {', '.join([*words, *kinds])}"
        return Finding(loc, f"{_shown(value)} is not known here", meant)
    wanted = " or ".join([*kinds, *map(repr, words)]) or "something else"
    if value is None:
        return Finding(loc, f"is empty; it must be {wanted}")
    if "text" in kinds and isinstance(value, bool | int | float):
        written = str(value).lower() if isinstance(value, bool) else str(value)
        if loc[-1:] and loc[-1] in _TIMES:
            return Finding(loc, f"{written} does not say of what", f"did you mean '{written}s'?")
        return Finding(loc, f"must be {wanted}, and {written} without quotes is not", f'quote it: "{written}"')
    given = _shown(value) if isinstance(value, str | int | float) else _kind(value)
    hint = "each on a line of its own, after '- '" if kinds == ["a list"] else None
    return Finding(loc, f"must be {wanted}, not {given}", hint)


def _unknown_key(loc: Loc, document: Json, schema: Mapping[str, Json]) -> Finding:
    key = str(loc[-1])
    parts = [part for part in _schemas_at(loc[:-1], document, schema) if "properties" in part]
    known = {name: below for part in parts for name, below in part["properties"].items()}
    close = nearest(key, known)
    inside = [name for name, below in known.items() if _takes(below, key, schema)]
    siblings = value_at(document, loc[:-1])
    inside = [name for name in inside if isinstance(siblings, Mapping) and name in siblings] or inside
    if close is None and inside:
        hint: str | None = f"it belongs inside {' or '.join(map(repr, inside))}"
    else:
        hint = did_you_mean(key, known, within="known here:")
    return Finding(loc, f"unknown key {key!r}", hint, about="key")


def _no_name(loc: Loc, value: Json, pattern: str) -> Finding:
    if loc[-1:] == ("uses",):
        return Finding(loc, f"{_shown(value)} is no name of an action", "it looks like 'http.request'")
    name = re.sub(r"[^a-z0-9_]+", "_", str(value).lower()).strip("_")
    hint = f"for example {name!r}" if re.fullmatch(pattern, name) else None
    return Finding(loc, f"{_shown(value)} is no name: small letters, digits and '_', a letter first, at most 64", hint)


def _bound(kind: str, context: Mapping[str, Any]) -> str:
    words = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}
    return (
        next(f"must be {words[name]} {_limit(limit)}" for name, limit in context.items() if name in words)
        if context
        else kind
    )


def _limit(limit: Any) -> str:
    # pydantic gives the limit of a duration as its Python source.
    match = _TIMEDELTA.fullmatch(str(limit))
    if match is None:
        return str(limit)
    return f"{match[1]} days" if match[1] else "0s"


def _own_words(message: str) -> str:
    """A message that pydantic, or a validator of ours, worded."""
    message = message.removeprefix("Value error, ").replace("Input should be", "must be").removesuffix(".")
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


def _schemas_at(loc: Loc, document: Json, schema: Mapping[str, Json]) -> list[Mapping[str, Any]]:
    """The schemas that a value of the document may follow; more than one where a union leaves it open."""
    current = _members(schema, document, schema)
    value = document
    for part in loc:
        value = value_at(value, (part,))
        following = []
        for each in current:
            below = (
                each.get("items")
                if isinstance(part, int)
                else each.get("properties", {}).get(part, each.get("additionalProperties"))
            )
            if isinstance(below, Mapping):
                following.extend(_members(below, value, schema))
        current = following
    return current


def _members(part: Mapping[str, Any], value: Json, root: Mapping[str, Json]) -> list[Mapping[str, Any]]:
    """The plain schemas behind references and unions; a discriminator picks its one where the value has it."""
    if "$ref" in part:
        return _members(_definition(part["$ref"], root), value, root)
    discriminator = part.get("discriminator")
    if discriminator and isinstance(value, Mapping):
        chosen = discriminator.get("mapping", {}).get(value.get(discriminator["propertyName"]))
        if chosen is not None:
            return _members({"$ref": chosen}, value, root)
    members = [*part.get("anyOf", ()), *part.get("oneOf", ()), *part.get("allOf", ())]
    return [each for member in members for each in _members(member, value, root)] if members else [part]


def _takes(part: Mapping[str, Any], key: str, root: Mapping[str, Json]) -> bool:
    return any(key in each.get("properties", {}) for each in _members(part, None, root))


def _member_tags(loc: Loc, document: Json, schema: Mapping[str, Json]) -> list[str]:
    tags = [each.get("properties", {}).get("type", {}).get("const") for each in _schemas_at(loc, document, schema)]
    return [tag for tag in tags if isinstance(tag, str)]


def _definition(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    definition: Mapping[str, Any] = root["$defs"][reference.rpartition("/")[2]]
    return definition


def _one_of(names: Sequence[str]) -> str | None:
    return f"one of {', '.join(names)}" if names else None


def _unquoted(text: str) -> str:
    return text.strip("'")


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    if value is None:
        return "empty"
    return "a mapping" if isinstance(value, Mapping) else "a list"


def _shown(value: object) -> str:
    """The author's own word, quoted and short enough for a sentence."""
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 2]}…'"
