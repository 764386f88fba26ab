"""The expressions of a definition: where each of them stands, and what it names. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from flows.checks.written import WAITS, Block, Part, Written, items, texts
from flows.expressions import Expression, ExpressionError, Template
from flows.findings import Loc
from flows.ports import Json

Name = tuple[str, ...]

When = Literal["before", "after", "inside", "end"]
"""``before`` a step does anything; ``after`` its action, when its wait opens; when something ``inside`` it has ended;
at the ``end`` of the flow."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where an expression stands. ``part`` is None for the flow's own. ``given``: among what an action is given."""

    part: Part | None
    when: When
    given: bool = False

    @cached_property
    def around(self) -> tuple[Block, ...]:
        """The blocks that it stands in, the innermost first."""
        return tuple(part.block for part in self.part.around()) if self.part is not None else ()

    @cached_property
    def loops(self) -> tuple[Part, ...]:
        """The loops of which it sees one item or round, the innermost first."""
        inside = (self.part,) if self.part is not None and self.when == "inside" and self.part.loops else ()
        return (*inside, *(block.holder for block in self.around if block.holder is not None and block.repeats))

    def within(self, *keys: str) -> bool:
        """Whether it stands in steps under one of these keys, at any depth."""
        return any(block.key in keys for block in self.around)


@dataclass(frozen=True, eq=False)
class Reading:
    """A text that is rendered, or an expression: what it names, or why it cannot be compiled."""

    loc: Loc
    text: str
    place: Place
    names: frozenset[Name] = frozenset()
    error: ExpressionError | None = None


def readings(part: Part) -> Iterator[Reading]:
    """Everything that a step reads; what the steps inside it read is theirs."""
    raw, loc = part.raw, part.loc
    before, after, inside = Place(part, "before"), Place(part, "after"), Place(part, "inside")
    for key in ("if", "switch"):
        yield from _bare(raw.get(key), (*loc, key), before)
    yield from _for_each(raw.get("for_each"), (*loc, "for_each"), before)
    yield from _all(raw.get("with"), (*loc, "with"), Place(part, "before", given=True))
    yield from _all(raw.get("delay"), (*loc, "delay"), after)
    for kind in WAITS:
        wait = raw.get(kind)
        if isinstance(wait, Mapping):
            yield from _wait(wait, (*loc, kind), after)
    repeat = raw.get("repeat")
    if isinstance(repeat, Mapping):
        yield from _bare(repeat.get("until"), (*loc, "repeat", "until"), inside)
        yield from _all(repeat.get("delay"), (*loc, "repeat", "delay"), inside)
    yield from _all(raw.get("output"), (*loc, "output"), inside)


def output_readings(written: Written) -> Iterator[Reading]:
    """What the outputs of the flow read."""
    return _all(written.document.get("outputs"), ("outputs",), Place(None, "end"))


def template(text: str, loc: Loc, place: Place) -> Reading:
    try:
        return Reading(loc, text, place, Template.compile(text).names)
    except ExpressionError as error:
        return Reading(loc, text, place, error=error)


def _wait(wait: Mapping[str, Any], loc: Loc, place: Place) -> Iterator[Reading]:
    for key in ("ask", "show", "approvers", "by", "quorum", "veto", "via"):
        yield from _all(wait.get(key), (*loc, key), place)
    for index, field in enumerate(items(wait.get("form"))):
        at = (*loc, "form", index)
        if not isinstance(field, Mapping):
            continue
        for key in ("label", "description", "default"):
            yield from _all(field.get(key), (*at, key), place)
        for number, option in enumerate(items(field.get("options"))):
            label = option.get("label") if isinstance(option, Mapping) else None
            yield from _all(label, (*at, "options", number, "label"), place)


def _for_each(value: Json, loc: Loc, place: Place) -> Iterator[Reading]:
    if isinstance(value, str):
        yield from _bare(value, loc, place)
    elif isinstance(value, Mapping):
        for key in ("from", "to"):
            yield from _bare(value.get(key), (*loc, key), place)
    else:
        yield from _all(value, loc, place)


def _bare(value: Json, loc: Loc, place: Place) -> Iterator[Reading]:
    """One expression without braces."""
    if not isinstance(value, str) or not value:
        return
    try:
        yield Reading(loc, value, place, Expression.compile(value).names)
    except ExpressionError as error:
        yield Reading(loc, value, place, error=error)


def _all(value: Json, loc: Loc, place: Place) -> Iterator[Reading]:
    return (template(text, at, place) for at, text in texts(value, loc))
