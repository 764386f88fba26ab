"""What pydantic found wrong, in the words of the person who wrote the file.

Pydantic knows the models and says ``Extra inputs are not permitted``; an author knows their file and needs
``unknown key 'aprovers'`` and which one was meant. The names for that come from the models' JSON Schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from flows.findings import Finding, Loc, did_you_mean, nearest
from flows.ports import Json

_QUOTED = re.compile(r"'([^']*)'")
_TIMEDELTA = re.compile(r"datetime\.timedelta\((?:days=)?([1-9][0-9]*)?0?\)")
_TIMES = ("delay", "timeout", "max_delay")
_SHOWN = 60

_ALSO_CALLED = {"cron": "schedule", "tz": "timezone", "foreach": "for_each", "when": "if"}
"""What keys are called elsewhere, where the nearest name would be another one."""

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
_KEY = "[key]"  # what pydantic says where a key is wrong, and not its value
_NOT_THE_REASON = ("callable_type", "is_instance_of", "none_required")


@dataclass(frozen=True, slots=True)
class _Error:
    """One of pydantic's errors. ``loc`` holds keys of the file only.

    ``turns`` are the places where pydantic's own way left the file, the outermost first, and what it went on with: the
    name of a union's member, or of a validator.
    """

    type: str
    message: str
    context: Mapping[str, Any]
    loc: Loc
    turns: tuple[tuple[Loc, str | int], ...]


def mistakes(error: ValidationError, document: Json, schema: Mapping[str, Json]) -> list[Finding]:
    """One finding for each thing that is wrong in ``document``, which ``error`` says does not fit ``schema``."""
    errors = [_located(each, document) for each in error.errors(include_url=False, include_input=False)]
    # A list whose items are all wrong is called too short by pydantic; its author sees them there.
    errors = [each for each in errors if each.type != "too_short" or not value_at(document, each.loc)]
    findings = _told(errors, 0, document, schema)
    return list(dict.fromkeys(findings))


def wrong_places(error: ValidationError, document: Json) -> list[Loc]:
    """Where ``document`` is wrong, one place for each of pydantic's errors."""
    return [_located(each, document).loc for each in error.errors(include_url=False, include_input=False)]


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
    turns: list[tuple[Loc, str | int]] = []
    value = document
    parts = error["loc"]
    for index, part in enumerate(parts):
        if _holds(value, part):
            value, loc = value[part], (*loc, part)
        elif error["type"] == "missing" and index == len(parts) - 1:
            value, loc = None, (*loc, part)
        else:
            turns.append((loc, part))
    return _Error(error["type"], error["msg"], error.get("ctx", {}), loc, tuple(turns))


def _told(errors: list[_Error], turn: int, document: Json, schema: Mapping[str, Json]) -> Iterator[Finding]:
    """The errors one by one; those of a value that fits no member of its union, in one sentence about what was meant.

    ``turn`` is how many unions around them have been told apart already.
    """
    unions: dict[Loc, dict[str | int, list[_Error]]] = {}
    for error in errors:
        if len(error.turns) > turn:
            place, branch = error.turns[turn]
            unions.setdefault(place, {}).setdefault(branch, []).append(error)
    told = set()
    for error in errors:
        if len(error.turns) <= turn:
            yield _sentence([error], document, schema)
            continue
        place = error.turns[turn][0]
        if place not in told:
            told.add(place)
            yield from _union(place, unions[place], turn, document, schema)


def _union(
    place: Loc, branches: Mapping[str | int, list[_Error]], turn: int, document: Json, schema: Mapping[str, Json]
) -> Iterator[Finding]:
    # A member that got past the type is the one that was meant; else each says what it would have taken.
    meant = [
        members
        for members in branches.values()
        if any(member.loc != place or not _is_about_type(member) for member in members)
    ]
    if len(branches) == 1:
        meant = list(branches.values())
    if not meant:
        group = [member for members in branches.values() for member in members]
        yield _sentence([member for member in group if member.type not in _NOT_THE_REASON] or group, document, schema)
        return
    fewest = min(map(_misfit, meant))
    nearest_ones = [members for members in meant if _misfit(members) == fewest]
    if len(nearest_ones) == 1 or not isinstance(value_at(document, place), Mapping):
        for members in nearest_ones:
            yield from _told(members, turn + 1, document, schema)
    else:
        yield from _undecided(place, document, schema)


def _misfit(members: list[_Error]) -> tuple[int, int]:
    """How far a value is from a member of its union: what it lacks, then what is wrong with it besides."""
    return sum(member.type == "missing" for member in members), len(members)


def _undecided(place: Loc, document: Json, schema: Mapping[str, Json]) -> Iterator[Finding]:
    """A mapping that is as near to one member of its union as to another."""
    members = [part for part in _schemas_at(place, document, schema) if part.get("required")]
    known = {key for part in members for key in part["properties"]}
    given = value_at(document, place)
    unknown = [key for key in given if key not in known]
    for key in unknown:
        yield _unknown_key((*place, key), document, schema)
    needed = [key for part in members for key in part["required"]]
    present = [key for key in dict.fromkeys(needed) if key in given]
    choices = " or ".join(dict.fromkeys(" and ".join(map(repr, part["required"])) for part in members))
    if len(present) > 1:
        yield Finding(place, f"has {' and '.join(map(repr, present))}, and only one of them can be meant")
    elif not present and not any(nearest(str(key), needed) for key in unknown):
        yield Finding(place, f"needs {choices}")


def _is_about_type(error: _Error) -> bool:
    return bool(_TYPE_ERROR.fullmatch(error.type)) or error.type in ("literal_error", "enum", *_NOT_THE_REASON)


def _sentence(group: list[_Error], document: Json, schema: Mapping[str, Json]) -> Finding:
    """One finding for errors at one place, which are all about the kind of value where they are several."""
    error = group[0]
    loc, context = error.loc, error.context
    value = value_at(document, loc)
    if error.turns and error.turns[-1] == (loc, _KEY):
        return replace(_no_name(loc, loc[-1], context["pattern"]), about="key")
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
    close = _ALSO_CALLED[key] if _ALSO_CALLED.get(key) in known else nearest(key, known)
    inside = [name for name, below in known.items() if _takes(below, key, schema)]
    siblings = value_at(document, loc[:-1])
    inside = [name for name in inside if isinstance(siblings, Mapping) and name in siblings] or inside
    if close is None and inside:
        hint: str | None = f"it belongs inside {' or '.join(map(repr, inside))}"
    else:
        hint = f"did you mean {close!r}?" if close else did_you_mean(key, known, within="known here:")
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
            below = each.get("items") if isinstance(part, int) else _property(each, part)
            if isinstance(below, Mapping):
                following.extend(_members(below, value, schema))
        current = following
    return current


def _property(schema: Mapping[str, Any], key: str) -> Any:
    if key in schema.get("properties", {}):
        return schema["properties"][key]
    patterns = schema.get("patternProperties", {})
    return next((patterns[each] for each in patterns if re.search(each, key)), schema.get("additionalProperties"))


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
