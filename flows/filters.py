"""The filters (``x | name``) and tests (``x is name``) of expressions: these and no others.

Each is called with the budget, the value, and the author's arguments. They are Jinja's by name and by
arguments, with these differences: they walk lists and the keys of mappings, never the characters of a text;
``int`` and ``float`` refuse what is no number unless a default is given (a silent 0 would pass for "below the
limit"); ``tojson`` is plain JSON; ``select`` and the like take only the tests listed here.

``date`` prints an ISO date or instant, in the instant's own offset and in English: ``%d %e %m %Y %y %B %b %A
%a %j %H %I %M %S %p %F %T %z %%``.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import quote

from flows import operators
from flows.operators import is_number, number
from flows.values import (
    ITEM_WORK,
    MAX_PATH,
    Budget,
    ExpressionError,
    Missing,
    is_list,
    is_mapping,
    json_text,
    kind,
    member,
    nearest,
    plain,
    seen,
    text,
)

MAX_QUOTED: Final = 64 * 1024
"""Characters that ``urlencode`` takes at once: no server reads a longer address."""

Test = Callable[..., bool]
Filter = Callable[..., object]

_DIGITS = 400  # longer texts are no number that may be computed with (MAX_BITS is 308 digits)
_INDENT = 8
_PRECISION = 15  # decimal digits that a float tells apart


class Unfit(Exception):
    """The value or an argument does not suit a filter. The text goes on after the filter's name."""


def checked(what: str, name: str, function: Callable[..., object], arguments: int, keywords: Sequence[str]) -> None:
    """Refuse a call that could never work, when the expression is compiled."""
    try:
        inspect.signature(function).bind(None, None, *[None] * arguments, **dict.fromkeys(keywords))
    except TypeError as error:
        raise ExpressionError(f"the {what} '{name}' is not used like this: {error}") from None


def find(what: str, name: str, table: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """The filter or test of that name; refuses unknown ones with the nearest known."""
    try:
        return table[name]
    except KeyError:
        raise ExpressionError(f"there is no {what} '{name[:60]}'{nearest(name, table)}") from None


def apply(
    name: str, function: Filter, budget: Budget, arguments: Sequence[object], keywords: Mapping[str, object]
) -> object:
    """Call a filter or test; whatever goes wrong is one sentence that begins with its name."""
    try:
        return function(budget, *arguments, **keywords)
    except Unfit as unfit:
        raise ExpressionError(f"{name} {unfit}") from None
    except ExpressionError:
        raise
    except (TypeError, ValueError, ArithmeticError):
        raise ExpressionError(f"{name} cannot do this with {kind(arguments[0])}") from None


# -- values ---------------------------------------------------------------------------------------------


def default(_budget: Budget, value: object, default_value: object = "", boolean: object = False) -> object:
    return default_value if type(value) is Missing or (boolean and not value) else value


def length(_budget: Budget, value: object) -> int:
    if type(value) is str or is_list(value) or is_mapping(value):
        return len(value)
    raise Unfit(f"needs a list, a mapping or a text, not {kind(value)}")


def to_int(_budget: Budget, value: object, default: object = None) -> object:
    try:
        if type(value) is str and len(value) <= _DIGITS:
            return number(int(value.strip()))
        if type(value) is bool or is_number(value):
            return number(int(value))
    except (ValueError, OverflowError):
        if default is not None:
            return default
    if default is not None:
        return default
    raise Unfit("needs a whole number or its text; `int(0)` would stand in 0")


def to_float(_budget: Budget, value: object, default: object = None) -> object:
    try:
        if (type(value) is str and len(value) <= _DIGITS) or type(value) is bool or is_number(value):
            return number(float(value))
    except (ValueError, OverflowError):
        if default is not None:
            return default
    if default is not None:
        return default
    raise Unfit("needs a number or its text; `float(0)` would stand in 0")


def absolute(_budget: Budget, value: object) -> object:
    return abs(_number(value))


def rounded(_budget: Budget, value: object, precision: object = 0, method: object = "common") -> object:
    value = _number(value)
    digits = _whole(precision, -_PRECISION, _PRECISION)
    if method == "common":
        return number(round(value, digits))
    if method not in ("ceil", "floor"):
        raise Unfit("rounds 'common', 'ceil' or 'floor'")
    scale = float(10**digits)
    return number((math.ceil if method == "ceil" else math.floor)(value * scale) / scale)


def to_json(budget: Budget, value: object, indent: object = None) -> str:
    return json_text(value, budget, indent=None if indent is None else _whole(indent, 0, _INDENT))


# -- text -----------------------------------------------------------------------------------------------


def string(budget: Budget, value: object) -> str:
    return text(value, budget)


def upper(budget: Budget, value: object) -> str:
    return _built(budget, _text(budget, value).upper())


def lower(budget: Budget, value: object) -> str:
    return _built(budget, _text(budget, value).lower())


def capitalize(budget: Budget, value: object) -> str:
    return _built(budget, _text(budget, value).capitalize())


def title(budget: Budget, value: object) -> str:
    words = re.split(r"([-\s({\[<]+)", _text(budget, value))
    return _built(budget, "".join(word[:1].upper() + word[1:].lower() for word in words))


def trim(budget: Budget, value: object, chars: object = None) -> str:
    return _text(budget, value).strip(None if chars is None else _argument(chars))


def replace(budget: Budget, value: object, old: object, new: object, count: object = None) -> str:
    whole, old, new = _text(budget, value), _argument(old), _argument(new)
    most = whole.count(old)
    times = most if count is None else min(most, _whole(count, 0, most))
    budget.text(len(whole) + times * (len(new) - len(old)))
    return whole.replace(old, new, times)


def truncate(
    budget: Budget,
    value: object,
    length: object = 255,
    killwords: object = False,
    end: object = "...",
    leeway: object = 5,
) -> str:
    whole, end = _text(budget, value), _argument(end)
    most = _whole(length, len(end), None)
    if len(whole) <= most + _whole(leeway, 0, None):
        return whole
    kept = whole[: most - len(end)]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + end


def urlencode(budget: Budget, value: object) -> str:
    if is_mapping(value):
        budget.items(len(value))
        pairs = [(text(key, budget), text(each, budget)) for key, each in value.items()]
        parts = [f"{_quoted(budget, key, '')}={_quoted(budget, each, '')}" for key, each in pairs]
        return "&".join(parts)
    return _quoted(budget, text(value, budget), "/")


_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Not strftime: its names follow the locale of the process, and its directives the platform.
_DIRECTIVES: Final[Mapping[str, Callable[[datetime], str]]] = {
    "d": lambda at: f"{at.day:02}",
    "e": lambda at: str(at.day),
    "m": lambda at: f"{at.month:02}",
    "Y": lambda at: f"{at.year:04}",
    "y": lambda at: f"{at.year % 100:02}",
    "B": lambda at: _MONTHS[at.month - 1],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "A": lambda at: _DAYS[at.weekday()],
    "a": lambda at: _DAYS[at.weekday()][:3],
    "j": lambda at: f"{at.timetuple().tm_yday:03}",
    "H": lambda at: f"{at.hour:02}",
    "I": lambda at: f"{(at.hour + 11) % 12 + 1:02}",
    "M": lambda at: f"{at.minute:02}",
    "S": lambda at: f"{at.second:02}",
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "F": lambda at: at.date().isoformat(),
    "T": lambda at: at.time().isoformat("seconds"),
    "z": lambda at: "" if at.tzinfo is None else at.isoformat()[-6:].replace(":", ""),
    "%": lambda _at: "%",
}


def date(budget: Budget, value: object, format: object = "%d %B %Y") -> str:  # noqa: A002 - the author's word for it
    given, pattern = _text(budget, value), _argument(format)
    try:
        # A day alone is midnight, as `%H` on it shows.
        at = datetime.fromisoformat(given)
    except ValueError:
        raise Unfit("needs an ISO date such as 2026-03-31 or instant such as 2026-03-31T12:00:00Z") from None
    # The longest directive is a month's or a day's name.
    budget.text(len(pattern) * len("September"))

    def written(found: re.Match[str]) -> str:
        directive = _DIRECTIVES.get(found[1])
        if directive is None:
            raise Unfit(f"does not know '{found[0]}'; it knows %{' %'.join(_DIRECTIVES)}")
        return directive(at)

    return re.sub(r"%(.?)", written, pattern, flags=re.DOTALL)


# -- lists ----------------------------------------------------------------------------------------------


def join(budget: Budget, value: object, d: object = "", attribute: object = None) -> str:
    between = _argument(d)
    parts = [text(each, budget) for each in _read(budget, _items(budget, value), attribute)]
    budget.text(sum(map(len, parts)) + len(between) * max(0, len(parts) - 1))
    return between.join(parts)


def as_list(budget: Budget, value: object) -> list[object]:
    return list(_items(budget, value))


def first(_budget: Budget, value: object) -> object:
    return _end(value, 0, "first")


def last(_budget: Budget, value: object) -> object:
    return _end(value, -1, "last")


def mapped(budget: Budget, value: object, *, attribute: object, default: object = None) -> list[object]:
    return list(_read(budget, _items(budget, value), attribute, default))


def select(budget: Budget, value: object, test: Test | None = None, *arguments: object) -> list[object]:
    return [each for each in _items(budget, value) if _passes(budget, each, test, arguments)]


def reject(budget: Budget, value: object, test: Test | None = None, *arguments: object) -> list[object]:
    return [each for each in _items(budget, value) if not _passes(budget, each, test, arguments)]


def select_by(
    budget: Budget, value: object, attribute: object, test: Test | None = None, *arguments: object
) -> list[object]:
    return _select_by(budget, value, attribute, test, arguments, wanted=True)


def reject_by(
    budget: Budget, value: object, attribute: object, test: Test | None = None, *arguments: object
) -> list[object]:
    return _select_by(budget, value, attribute, test, arguments, wanted=False)


def ordered(
    budget: Budget,
    value: object,
    reverse: object = False,
    case_sensitive: object = False,
    attribute: object = None,
) -> list[object]:
    items = _items(budget, value)
    keys = _keys(budget, items, attribute, case_sensitive)
    order = sorted(range(len(items)), key=keys.__getitem__, reverse=bool(reverse))
    return [items[index] for index in order]


def unique(budget: Budget, value: object, case_sensitive: object = False, attribute: object = None) -> list[object]:
    items = _items(budget, value)
    kept: dict[object, object] = {}
    for item, key in zip(items, _read(budget, items, attribute), strict=True):
        kept.setdefault(_identity(budget, key, case_sensitive), item)
    return list(kept.values())


def smallest(budget: Budget, value: object, case_sensitive: object = False, attribute: object = None) -> object:
    return _extreme(budget, value, case_sensitive, attribute, min)


def largest(budget: Budget, value: object, case_sensitive: object = False, attribute: object = None) -> object:
    return _extreme(budget, value, case_sensitive, attribute, max)


def total(budget: Budget, value: object, attribute: object = None, start: object = 0) -> object:
    result: object = _number(start)
    for each in _read(budget, _items(budget, value), attribute):
        result = operators.add(budget, result, _number(each))
    return result


def items(budget: Budget, value: object) -> list[object]:
    if not is_mapping(value):
        raise Unfit(f"needs a mapping, not {kind(value)}")
    budget.items(len(value))
    return [[key, seen(each)] for key, each in value.items()]


def dictsort(
    budget: Budget, value: object, case_sensitive: object = False, by: object = "key", reverse: object = False
) -> list[object]:
    if by not in ("key", "value"):
        raise Unfit("sorts by 'key' or by 'value'")
    return ordered(budget, items(budget, value), reverse, case_sensitive, 0 if by == "key" else 1)


FILTERS: Final[Mapping[str, Filter]] = {
    "abs": absolute,
    "capitalize": capitalize,
    "count": length,
    "d": default,
    "date": date,
    "default": default,
    "dictsort": dictsort,
    "first": first,
    "float": to_float,
    "int": to_int,
    "items": items,
    "join": join,
    "last": last,
    "length": length,
    "list": as_list,
    "lower": lower,
    "map": mapped,
    "max": largest,
    "min": smallest,
    "reject": reject,
    "rejectattr": reject_by,
    "replace": replace,
    "round": rounded,
    "select": select,
    "selectattr": select_by,
    "sort": ordered,
    "string": string,
    "sum": total,
    "title": title,
    "tojson": to_json,
    "trim": trim,
    "truncate": truncate,
    "unique": unique,
    "upper": upper,
    "urlencode": urlencode,
}

TAKES_MISSING: Final = frozenset({"default", "d"})
"""Filters whose value may be absent."""

MAY_MISS: Final = frozenset({"first", "last", "min", "max"})
"""Filters that find nothing in an empty list, which ``default`` may answer."""

TEST_ARGUMENT: Final[Mapping[str, int]] = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}
"""Filters that take the name of a test, and as which argument."""


# -- tests ----------------------------------------------------------------------------------------------


def defined(_budget: Budget, value: object) -> bool:
    return type(value) is not Missing


def undefined(_budget: Budget, value: object) -> bool:
    return type(value) is Missing


def odd(_budget: Budget, value: object) -> bool:
    return _whole(value, None, None) % 2 == 1


def even(_budget: Budget, value: object) -> bool:
    return _whole(value, None, None) % 2 == 0


TESTS: Final[Mapping[str, Test]] = {
    "defined": defined,
    "undefined": undefined,
    "none": lambda _budget, value: value is None,
    "boolean": lambda _budget, value: type(value) is bool,
    "true": lambda _budget, value: value is True,
    "false": lambda _budget, value: value is False,
    "number": lambda _budget, value: is_number(value),
    "integer": lambda _budget, value: type(value) is int,
    "float": lambda _budget, value: type(value) is float,
    "string": lambda _budget, value: type(value) is str,
    "mapping": lambda _budget, value: is_mapping(value),
    "sequence": lambda _budget, value: type(value) is str or is_list(value) or is_mapping(value),
    "odd": odd,
    "even": even,
    "in": operators.contained,
    **dict.fromkeys(("eq", "equalto", "=="), operators.equal),
    **dict.fromkeys(("ne", "!="), operators.unequal),
    **dict.fromkeys(("lt", "lessthan", "<"), operators.less),
    **dict.fromkeys(("le", "<="), operators.less_or_equal),
    **dict.fromkeys(("gt", "greaterthan", ">"), operators.greater),
    **dict.fromkeys(("ge", ">="), operators.greater_or_equal),
}


# -- what they share ------------------------------------------------------------------------------------


def _text(budget: Budget, value: object) -> str:
    if type(value) is not str:
        raise Unfit(f"needs text, not {kind(value)}; `| string` writes other values as text")
    budget.text(len(value))
    return value


def _built(budget: Budget, result: str) -> str:
    # Upper case can be three times as long ("ß" is "SS"), so the result is weighed too.
    budget.text(len(result))
    return result


def _argument(value: object) -> str:
    if type(value) is not str:
        raise Unfit(f"takes a text as its argument, not {kind(value)}")
    return value


def _number(value: object) -> int | float:
    if not is_number(value):
        raise Unfit(f"needs numbers, not {kind(value)}")
    return value


def _whole(value: object, least: int | None, most: int | None) -> int:
    if type(value) is not int:
        raise Unfit(f"needs a whole number, not {kind(value)}")
    if least is not None and value < least:
        raise Unfit(f"takes no number below {least}")
    return value if most is None else min(value, most)


def _items(budget: Budget, value: object) -> Sequence[object]:
    if is_list(value) or is_mapping(value):
        budget.items(len(value))
        return value if is_list(value) else list(value)
    raise Unfit(f"needs a list, not {kind(value)}")


def _end(value: object, index: int, word: str) -> object:
    if type(value) is not str and not is_list(value):
        raise Unfit(f"needs a list or a text, not {kind(value)}")
    return seen(value[index]) if value else Missing(lambda: ExpressionError(f"{word} finds nothing: the list is empty"))


def _path(attribute: object) -> list[str | int]:
    if type(attribute) is int:
        return [attribute]
    if type(attribute) is not str:
        raise Unfit(f"takes a path such as 'output.url' as its attribute, not {kind(attribute)}")
    parts = attribute.split(".", MAX_PATH)
    if len(parts) > MAX_PATH:
        raise Unfit(f"takes a path of at most {MAX_PATH} parts")
    return [int(part) if part.isascii() and part.isdigit() and len(part) <= len("10000") else part for part in parts]


def _member(item: object, path: Sequence[str | int]) -> object:
    for key in path:
        item = member(item, key, "an item of the list")
    return item


def _read(budget: Budget, items: Sequence[object], attribute: object, default: object = None) -> Sequence[Any]:
    """The attribute of each item, or the items where no attribute is asked for."""
    if attribute is None:
        return items
    path = _path(attribute)
    budget.spend(ITEM_WORK * len(items) * len(path))
    values = [_member(item, path) for item in items]
    for index, value in enumerate(values):
        if type(value) is Missing:
            if default is None:
                raise value.error()
            values[index] = default
    return values


def _passes(budget: Budget, value: object, test: Test | None, arguments: Sequence[object]) -> bool:
    return bool(value) if test is None else test(budget, value, *arguments)


def _select_by(
    budget: Budget,
    value: object,
    attribute: object,
    test: Test | None,
    arguments: Sequence[object],
    *,
    wanted: bool,
) -> list[object]:
    items, path = _items(budget, value), _path(attribute)
    budget.spend(ITEM_WORK * len(items) * len(path))
    kept = []
    for item in items:
        found = _member(item, path)
        if type(found) is Missing and test not in (defined, undefined):
            raise found.error()
        if _passes(budget, found, test, arguments) is wanted:
            kept.append(item)
    return kept


def _keys(budget: Budget, items: Sequence[object], attribute: object, case_sensitive: object) -> list[Any]:
    """What to order the items by: all numbers, or all texts."""
    keys = [seen(each) for each in _read(budget, items, attribute)]
    if all(is_number(key) for key in keys):
        return keys
    if not all(type(key) is str for key in keys):
        raise Unfit("orders numbers or texts, not a mixture or anything else; name the `attribute` to order by")
    texts = cast("list[str]", keys)
    budget.spend(sum(map(len, texts)))
    return texts if case_sensitive else [key.lower() for key in texts]


def _extreme(
    budget: Budget, value: object, case_sensitive: object, attribute: object, choose: Callable[..., int]
) -> object:
    items = _items(budget, value)
    if not items:
        return Missing(lambda: ExpressionError("the list is empty, so it has no smallest or largest item"))
    keys = _keys(budget, items, attribute, case_sensitive)
    return seen(items[choose(range(len(items)), key=keys.__getitem__)])


def _identity(budget: Budget, value: object, case_sensitive: object) -> object:
    """Something hashable, the same for values that read the same."""
    value = seen(value)
    if type(value) is str:
        budget.spend(len(value))
        return value if case_sensitive else value.lower()
    if value is None or type(value) is bool or is_number(value):
        return (type(value) is bool, value)
    return ("json", json_text(plain(value), budget))


def _quoted(budget: Budget, value: str, safe: str) -> str:
    if len(value) > MAX_QUOTED:
        raise Unfit(f"takes at most {MAX_QUOTED:,} characters")
    # A character may become twelve: four bytes, each written with three.
    return _built(budget, quote(value, safe=safe))
