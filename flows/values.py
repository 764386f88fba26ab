"""What an expression may see and how much of it: the readable values, the caps, and the error.

An expression sees JSON (null, true and false, numbers, text, lists, mappings), dates as their ISO text, and
objects of classes that opt in with a class attribute::

    expression_fields: ClassVar[frozenset[str]] = frozenset({"name", "email"})

Of such an object it can read those fields and the text that ``str()`` gives; of everything else, nothing:
Python's attributes and methods are never looked up, on any value. An object that is none of these is refused.
A class may also open ``expression_calls``, names that its ``expression_call(name, value)`` answers to; what can be
called at all is the compiler's to say.

Caps hold for whatever an expression *builds*, at every step of it. A value of the context may be larger and
is handed through as it is.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import islice
from types import NoneType
from typing import ClassVar, Protocol, TypeGuard, cast

MAX_TEXT = 256 * 1024
"""Characters of any text that is built. A Slack message holds 40,000, a mail body of ours far less; with four
bytes for the widest characters this is 1 MiB."""

MAX_ITEMS = 10_000
"""Items of any list that is built or walked: the largest loop that the engine is measured with."""

MAX_BITS = 1024
"""Bits of any whole number that is computed: 308 digits, what a float can hold. Multiplying such numbers costs
nothing that one could measure; ``9 ** 9 ** 9`` would not end."""

MAX_WORK = 4 * 1024 * 1024
"""What one rendering may do in all: one unit per character read or built, ``ITEM_WORK`` per item. Measured
worst cases stay below 0.1 s and 32 MiB."""

ITEM_WORK = 16
"""Units per list item or mapping entry, which cost some hundred nanoseconds where a character costs one."""

MAX_PATH = 32
"""Parts of a dotted path such as ``steps.build.output.url``."""

_SCALARS = frozenset({str, int, float, bool, NoneType})
_PLAIN = _SCALARS | {dict, list, tuple}
_SHOWN_NAME = 60
_NEAREST_OF = 200


class ExpressionError(ValueError):
    """An expression that cannot be compiled or evaluated, in one sentence for the flow's author.

    ``hint`` says what to write instead, where that is known. ``line`` (from 1) and ``offset`` (from 0, in
    characters) say where the expression begins within its string; ``where`` is the path of that string within
    a nested value. The text names what the author wrote, never a value that was read: that may be a secret.
    """

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        line: int = 1,
        offset: int = 0,
        where: tuple[str | int, ...] = (),
    ) -> None:
        self.message = message
        self.hint = hint
        self.line = line
        self.offset = offset
        self.where = where
        super().__init__(message)

    def at(self, *, line: int, offset: int) -> ExpressionError:
        """The same, placed in its string."""
        return ExpressionError(self.message, self.hint, line=line, offset=offset, where=self.where)

    def within(self, key: str | int) -> ExpressionError:
        """The same, one level further out of a nested value."""
        where = (key, *self.where)
        return ExpressionError(self.message, self.hint, line=self.line, offset=self.offset, where=where)


class Budget:
    """The work that one rendering has left."""

    __slots__ = ("left",)

    def __init__(self, work: int = MAX_WORK) -> None:
        self.left = work

    def spend(self, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise ExpressionError("this does too much work for one expression", "Compute it in a step's action.")

    def text(self, length: int) -> None:
        """Account for a text of ``length`` characters. Call it before building the text."""
        if length > MAX_TEXT:
            raise ExpressionError(f"this builds a text of more than {MAX_TEXT:,} characters")
        self.spend(length)

    def items(self, count: int) -> None:
        """Account for a list of ``count`` items. Call it before building or walking the list."""
        if count > MAX_ITEMS:
            raise ExpressionError(f"this needs a list of more than {MAX_ITEMS:,} items")
        self.spend(count * ITEM_WORK)


class Missing:
    """A name, key or item that is not there. It reaches ``default``, ``defined`` and ``undefined``, nothing else."""

    __slots__ = ("error",)

    def __init__(self, error: Callable[[], ExpressionError]) -> None:
        # The sentence needs a search for the nearest name, which `x | default(1)` must not pay for.
        self.error = error


def fields_of(value: object) -> frozenset[str] | None:
    """The fields that the value's class opens to expressions, None where it does not opt in."""
    fields = getattr(type(value), "expression_fields", None)
    return fields if isinstance(fields, frozenset) else None


def is_mapping(value: object) -> TypeGuard[Mapping[object, object]]:
    return type(value) is dict or (type(value) not in _PLAIN and isinstance(value, Mapping))


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    if type(value) in _PLAIN:
        return type(value) is list or type(value) is tuple
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview)


def kind(value: object) -> str:
    """What sort of value it is, in the author's words."""
    if value is None:
        return "null"
    if type(value) is bool:
        return "true or false"
    if type(value) is int or type(value) is float:
        return "a number"
    if type(value) is str:
        return "text"
    if is_mapping(value):
        return "a mapping"
    return "a list" if is_list(value) else "an object"


def seen(value: object) -> object:
    """The value as expressions see it; refuses what they cannot."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        # A subclass may bring operators of its own (Markup does); this is its bare text.
        return str.__str__(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if is_mapping(value) or is_list(value) or fields_of(value) is not None:
        return value
    raise ExpressionError("this holds something that expressions cannot read")


def root(context: Mapping[str, object], name: str) -> object:
    """What the context holds under a name, or ``Missing``."""
    try:
        return seen(context[name])
    except KeyError:
        return Missing(partial(_no_root, context, name))


def member(owner: object, key: object, label: str, *, written: bool = True) -> object:
    """The item, entry or opted-in field of ``owner``, or ``Missing``.

    ``label`` is what the author wrote for the owner. ``written`` says that the key stands in the source as it
    is; a computed key is never shown.
    """
    if type(owner) is Missing:
        return owner
    if is_mapping(owner):
        if type(key) is not str and type(key) is not int:
            raise ExpressionError(f"{label} is a mapping; its keys are texts, not {kind(key)}")
        try:
            return seen(owner[key])
        except KeyError:
            pass
    elif is_list(owner) or type(owner) is str:
        if type(key) is int:
            try:
                return seen(owner[key])
            except IndexError:
                pass
    elif type(key) is str and key in (fields_of(owner) or ()) and not key.startswith("_"):
        return seen(getattr(owner, key))
    return Missing(partial(_no_member, owner, key, label, written))


class Answering(Protocol):
    """An object that answers to the names in ``expression_calls``."""

    expression_calls: ClassVar[frozenset[str]]

    def expression_call(self, name: str, value: object) -> object: ...


def called(owner: object, name: str, value: object, label: str, budget: Budget) -> object:
    """What ``owner`` answers to ``name`` with one value. ``label`` is what the author wrote for both."""
    calls = getattr(type(owner), "expression_calls", None)
    if not isinstance(calls, frozenset) or name not in calls:
        raise ExpressionError(f"'{label}' cannot be called here")
    budget.spend(ITEM_WORK)
    return seen(cast("Answering", owner).expression_call(name, value))


def text(value: object, budget: Budget) -> str:
    """The value within a longer text.

    Null is empty, true and false read as YAML writes them, lists and mappings are compact JSON (in which an
    object is its ``str()``), dates are ISO.
    """
    if type(value) is str:
        return value
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    value = seen(value)
    if type(value) is int and value.bit_length() > 4 * MAX_BITS:
        raise ExpressionError("this number is too long to be written as text")
    if type(value) is str or type(value) is int or type(value) is float:
        return str(value)
    if is_mapping(value) or is_list(value):
        return json_text(value, budget, objects=str)
    budget.spend(ITEM_WORK)
    return str.__str__(str(value))


def fields_json(value: object) -> object:
    """An object that opts in, as a mapping of its fields."""
    return {name: getattr(value, name) for name in sorted(fields_of(value) or ())}


def plain(value: object, *, objects: Callable[[object], object] = fields_json) -> object:
    """A copy that is JSON through and through; ``objects`` says what becomes of objects that opt in."""
    value = seen(value)
    if type(value) in _SCALARS:
        return value
    if is_mapping(value):
        return {_key(key): plain(each, objects=objects) for key, each in value.items()}
    if is_list(value):
        return [plain(each, objects=objects) for each in value]
    return plain(objects(value), objects=objects)


def json_text(
    value: object, budget: Budget, *, indent: int | None = None, objects: Callable[[object], object] = fields_json
) -> str:
    """The value as JSON, compact without ``indent``."""
    budget.text(weight(value, MAX_TEXT))
    separators = (",", ":") if indent is None else None
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    try:
        if indent is None:
            result = encoder.encode(plain(value, objects=objects))
        else:
            # Indenting multiplies by the depth, so the length shows only while it is written.
            result = "".join(_bounded(encoder.iterencode(plain(value, objects=objects))))
    except ValueError as error:
        if isinstance(error, ExpressionError):
            raise
        raise ExpressionError("this holds a number that JSON cannot write") from None
    budget.text(len(result))
    return result


def weight(value: object, limit: int) -> int:
    """About the characters of the value as JSON, shared parts counted each time; stops soon after ``limit``."""
    total = 0
    waiting: list[object] = [value]
    while waiting and total <= limit:
        each = waiting.pop()
        if type(each) is str:
            total += len(each)
        elif type(each) is int:
            total += ITEM_WORK + each.bit_length() // 3
        elif type(each) in _SCALARS:
            total += ITEM_WORK
        elif is_mapping(each):
            total += len(each) * ITEM_WORK
            if total <= limit:
                waiting.extend(each)
                waiting.extend(each.values())
        elif is_list(each):
            total += len(each) * ITEM_WORK
            if total <= limit:
                waiting.extend(each)
        else:
            fields = fields_of(each) or ()
            total += ITEM_WORK * (1 + len(fields))
            waiting.extend(getattr(each, name) for name in fields)
    return total


def nearest(name: str, known: Iterable[object]) -> str:
    """``; did you mean 'build'?`` where a known name comes near, else nothing."""
    names = [str(each)[:_SHOWN_NAME] for each in islice(known, _NEAREST_OF) if isinstance(each, str)]
    found = difflib.get_close_matches(name[:_SHOWN_NAME], names, n=1)
    return f"; did you mean '{found[0]}'?" if found else ""


def _key(key: object) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise ExpressionError(f"the keys of a mapping are texts, not {kind(key)}")


def _bounded(chunks: Iterable[str]) -> Iterable[str]:
    length = 0
    for chunk in chunks:
        length += len(chunk)
        if length > MAX_TEXT:
            raise ExpressionError(f"this builds a text of more than {MAX_TEXT:,} characters")
        yield chunk


def _no_root(context: Mapping[str, object], name: str) -> ExpressionError:
    known = sorted(str(each) for each in islice(context, _NEAREST_OF))
    return ExpressionError(
        f"nothing is called '{name[:_SHOWN_NAME]}' here{nearest(name, known)}",
        f"There are: {', '.join(known)}." if known else "There is nothing to read here.",
    )


def _no_member(owner: object, key: object, label: str, written: bool) -> ExpressionError:
    name = str(key)[:_SHOWN_NAME] if written else ""
    what = f"'{name}'" if written and type(key) is str else f"item {name}" if written else "such item"
    if owner is None:
        return ExpressionError(f"{label} is null and has no {what}", "Add `| default(...)` where it may be absent.")
    if is_mapping(owner):
        return ExpressionError(f"{label} has no {what}{nearest(name, owner) if written else ''}")
    if is_list(owner) or type(owner) is str:
        if type(key) is int:
            return ExpressionError(f"{label} has no {what}; it holds {len(owner)}")
        hint = f"Read one item with `{label}[0]`, or all with `{label} | map(attribute=...)`."
        return ExpressionError(f"{label} is {kind(owner)} and has no {what}", hint if is_list(owner) else None)
    fields = fields_of(owner)
    if fields is not None:
        return ExpressionError(f"{label} has no {what}{nearest(name, sorted(fields)) if written else ''}")
    return ExpressionError(f"{label} is {kind(owner)} and has no {what}")
