"""A definition as it was written, however broken: its steps at any depth, and what holds them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flows.checks.mending import mended
from flows.definition import Flow, Step
from flows.findings import Loc
from flows.ports import Json

HANDLERS = ("on_open", "on_timeout", "on_reject", "on_error")
"""Keys of a step, or of its wait, under which steps stand that are no part of what it holds."""

WAITS = ("approval", "hold", "callback")
"""The waits that somebody answers, by their keys."""

_HOLDING = ("then", "switch", "for_each", "parallel", "repeat", "flow")
_LOOPS = ("for_each", "repeat")
_LISTS = ("steps", "then", "else", "default")


@dataclass(eq=False)
class Block:
    """Steps that run one after the other.

    ``key`` is the key of the file that they stand under, ``name`` what they have in a path (``case_hardware``, the name
    of a branch). ``holder`` is the step that they stand in, None for the flow's own.
    """

    key: str
    name: str
    loc: Loc
    holder: Part | None
    parts: list[Part] = field(default_factory=list)

    @property
    def handles(self) -> bool:
        """Whether it is no part of what its step holds: it runs beside the step's wait, or because of how it ended."""
        return self.holder is not None and self.key in HANDLERS

    @property
    def repeats(self) -> bool:
        """Whether it is the body of a loop."""
        return self.holder is not None and self.holder.loops and self.key == "steps"


@dataclass(eq=False)
class Part:
    """A step as it was written, and where it stands."""

    raw: Mapping[str, Any]
    loc: Loc
    block: Block
    place: int
    """Which one of its block it is, from 0."""
    blocks: list[Block] = field(default_factory=list)
    given: Step | None = None

    @cached_property
    def model(self) -> Step | None:
        """As its model has it: without what is wrong with it; None where nothing is left then."""
        return self.given if self.given is not None else mended(self.raw)

    @property
    def id(self) -> str | None:
        name = self.raw.get("id")
        return name if isinstance(name, str) else None

    @property
    def called(self) -> str:
        """For sentences."""
        return repr(self.id) if self.id is not None else f"number {self.place + 1}"

    @property
    def acts(self) -> bool:
        return self.raw.get("uses") is not None or self.python

    @property
    def python(self) -> bool:
        """Whether it runs a function, which may ask people or wait for a machine without saying so here."""
        return self.raw.get("run") is not None

    @property
    def waits(self) -> str | None:
        """``approval``, ``hold`` or ``callback``, if somebody answers its wait."""
        return next((key for key in WAITS if self.raw.get(key) is not None), None)

    @property
    def asks(self) -> bool:
        """Whether people answer its wait."""
        return self.waits in ("approval", "hold")

    @property
    def wait(self) -> Mapping[str, Any]:
        """Its wait as it was written; empty where it has none."""
        wait = self.raw.get(self.waits) if self.waits else None
        return wait if isinstance(wait, Mapping) else {}

    @property
    def holding(self) -> str | None:
        """By which of its keys it holds other steps, or runs a child flow."""
        return next((key for key in _HOLDING if self.raw.get(key) not in (None, (), [], {})), None)

    @property
    def loops(self) -> bool:
        return self.holding in _LOOPS

    @property
    def child(self) -> str | None:
        """The name of the child flow that it runs."""
        name = self.raw.get("flow")
        return name if isinstance(name, str) and self.holding == "flow" else None

    @cached_property
    def form(self) -> Mapping[str, bool]:
        """The names that its people may answer with; true for secrets."""
        return fields_of(self.wait.get("form")) | ({"option": False} if items(self.wait.get("options")) else {})

    @cached_property
    def awaits(self) -> bool:
        """Whether somebody is waited for in what it holds; in a child flow does not count."""
        return any(
            part.waits is not None or part.awaits for block in self.blocks if not block.handles for part in block.parts
        )

    def around(self) -> Iterator[Part]:
        """Itself, and the steps that hold it, the innermost first."""
        part: Part | None = self
        while part is not None:
            yield part
            part = part.block.holder


class Written:
    """A definition. Never changed once it was made."""

    def __init__(self, document: Json, flow: Flow | None = None) -> None:
        """``document`` is the definition as JSON, as it was written; ``flow`` is the same, if its models are valid."""
        self.document: Mapping[str, Any] = document if isinstance(document, Mapping) else {}
        self.flow = flow
        self.blocks: list[Block] = []
        self.parts: list[Part] = []
        """Every step at any depth, each before those inside it."""
        for key, name in (("steps", ""), ("on_error", "on_error"), ("finally", "finally")):
            models = flow.blocks.get(name, ()) if flow is not None else ()
            self._add(self.blocks, Block(key, name, (key,), None), self.document.get(key), models)

    @property
    def name(self) -> str | None:
        name = self.document.get("flow")
        return name if isinstance(name, str) else None

    @cached_property
    def inputs(self) -> Mapping[str, bool]:
        """The names of the flow's inputs; true for secrets."""
        return fields_of(self.document.get("inputs"))

    @cached_property
    def ids(self) -> Mapping[str, Part]:
        """The steps by their ids; of two with one id, the first."""
        found: dict[str, Part] = {}
        for part in self.parts:
            if part.id is not None:
                found.setdefault(part.id, part)
        return found

    @cached_property
    def children(self) -> list[Part]:
        """The steps that run child flows."""
        return [part for part in self.parts if part.child is not None]

    @cached_property
    def _places(self) -> Mapping[Loc, Part]:
        return {part.loc: part for part in self.parts}

    def at(self, loc: Loc) -> Part | None:
        """The innermost step in which ``loc`` lies."""
        while loc and loc not in self._places:
            loc = loc[:-1]
        return self._places.get(loc)

    @property
    def steps(self) -> Block | None:
        """The flow's own steps."""
        return next((block for block in self.blocks if block.key == "steps"), None)

    def _add(self, blocks: list[Block], block: Block, listed: Json, models: Sequence[Step]) -> None:
        if not items(listed):
            return
        blocks.append(block)
        for place, raw in enumerate(items(listed)):
            model = models[place] if place < len(models) else None
            part = Part(raw if isinstance(raw, Mapping) else {}, (*block.loc, place), block, place, given=model)
            block.parts.append(part)
            self.parts.append(part)
            self._inside(part)

    def _inside(self, part: Part) -> None:
        raw, model = part.raw, part.given
        known = model.blocks if model is not None else {}
        branches = model.parallel if model is not None else {}
        for key in _LISTS:
            name = "" if key == "steps" else key
            self._add(part.blocks, Block(key, name, (*part.loc, key), part), raw.get(key), known.get(name, ()))
        for key in ("cases", "parallel"):
            named = raw.get(key)
            for each, listed in named.items() if isinstance(named, Mapping) else ():
                name = f"case_{each}" if key == "cases" else str(each)
                inner = known.get(name, ()) if key == "cases" else branches.get(name, ())
                self._add(part.blocks, Block(key, name, (*part.loc, key, each), part), listed, inner)
        for key in HANDLERS:
            owner, loc = (raw, part.loc)
            if key == "on_open" or (key != "on_error" and part.waits is not None):
                owner, loc = (part.wait, (*part.loc, str(part.waits)))
            handler, loc = owner.get(key), (*loc, key)
            if isinstance(handler, Mapping):
                handler, loc = handler.get("steps"), (*loc, "steps")
            self._add(part.blocks, Block(key, key, loc, part), handler, known.get(key, ()))


def items(value: Json) -> Sequence[Json]:
    """The items of a list; of anything else, none."""
    return value if isinstance(value, list | tuple) else ()


def fields_of(fields: Json) -> dict[str, bool]:
    """The names of fields as they were written; true for secrets."""
    named = [each for each in items(fields) if isinstance(each, Mapping) and isinstance(each.get("name"), str)]
    return {each["name"]: each.get("type") == "secret" for each in named}


def texts(value: Json, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """The texts in a JSON value, at any depth."""
    if isinstance(value, str):
        yield loc, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts(each, (*loc, key))
    else:
        for index, each in enumerate(items(value)):
            yield from texts(each, (*loc, index))
