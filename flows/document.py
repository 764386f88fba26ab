"""YAML 1.2 as flow files use it: JSON's values, the line of each one, and every problem in plain words.

Read from the parser's events rather than through a loader, because a flow file needs what loaders drop:
where each value stands, whether a key came twice, whether ``null`` was written or is what ``#vacation``
left behind. Values are exactly JSON's. By the core schema of YAML 1.2 ``on``, ``yes`` and ``2026-12-24`` are
words; keys are always the words that stand there. Anchors, aliases and ``<<`` work; tags do not.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from flows.findings import Loc
from flows.ports import Json

MAX_DEPTH = 50
"""Deeper nesting is no flow; pydantic, JSON and the interpreter's own stack stand far more."""
MAX_VALUES = 20_000
"""Values of one file after its aliases are spelled out: 500 steps with 40 values each."""
MAX_REPAIRS = 20
"""How many syntax errors of one file are told at once; each costs one more parse."""

_MAX_DIGITS = 19  # of an integer that a column of SQLite or PostgreSQL holds

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_TAGS = {
    ScalarEvent: ("!", "tag:yaml.org,2002:str"),
    SequenceStartEvent: ("tag:yaml.org,2002:seq",),
    MappingStartEvent: ("tag:yaml.org,2002:map",),
}

# A comment that starts right where the value should: "slack: #vacation", "- #vacation". A real comment has a space.
_COMMENT_AS_VALUE = re.compile(r"[^\S\n]*(#[^\s#][^\s,\]}]*)")
_CHANNEL_IN_BRACKETS = re.compile(r"[\[{,:]\s*(#[\w.-]+)\s*[\]},]")
_TEMPLATE_AS_VALUE = re.compile(r"(?:^|(?<=[:\-\[,])\s)\s*(\{\{.*\S)\s*$")
_WORD = re.compile(r"[^\s,\[\]{}]+")


@dataclass(frozen=True, slots=True)
class Slip:
    """A problem of the text itself. ``line`` counts from 1."""

    line: int
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What a text means, as far as it could be understood.

    ``value`` is JSON, with a slip's evident meaning put in its place, so that the reading can go on; None
    where there is nothing to go on with. ``lines`` has, for every value, the line of its key or its dash.
    """

    value: Json
    lines: dict[Loc, int]
    slips: tuple[Slip, ...]

    def line(self, loc: Loc) -> int:
        """The line of what stands at ``loc``, or of the innermost thing around it that exists."""
        while loc not in self.lines and loc:
            loc = loc[:-1]
        return self.lines.get(loc, 1)


def read(text: str) -> Document:
    """Understand one YAML document; never raises for what the text says."""
    slips: list[Slip] = []
    for _ in range(MAX_REPAIRS):
        try:
            root = _compose(text)
        except _Unreadable as unreadable:
            return Document(None, {}, (*slips, unreadable.slip))
        except YAMLError as error:
            slip, repaired = _explain(error, text)
            slips.append(slip)
            if repaired is None:
                return Document(None, {}, tuple(slips))
            text = repaired
        else:
            break
    else:
        return Document(None, {}, tuple(slips))
    reading = _Reading(text)
    try:
        value = reading.value(root, (), 0) if root else None
    except _Unreadable as unreadable:
        return Document(None, {}, (*slips, *reading.slips, unreadable.slip))
    slips.extend(reading.slips)
    return Document(value, reading.lines, tuple(sorted(dict.fromkeys(slips), key=lambda slip: slip.line)))


class _Unreadable(Exception):
    """Reading on makes no sense."""

    def __init__(self, slip: Slip) -> None:
        self.slip = slip
        super().__init__(slip.message)


@dataclass(slots=True)
class _Node:
    """A value as it was written. ``start`` and ``end`` are offsets into the text."""

    line: int
    start: int
    end: int
    tag: str | None = None
    kind: type[Event] = ScalarEvent
    text: str = ""
    plain: bool = False
    items: list[_Node] = field(default_factory=list)
    """Of a sequence its items; of a mapping key, value, key, value."""


def _compose(text: str) -> _Node | None:
    """The tree that the parser's events describe, aliases being the very node that they name."""
    anchors: dict[str, _Node] = {}
    open_nodes: list[tuple[_Node, str | None]] = []
    root: _Node | None = None
    documents = 0
    # Pure, and without plug-ins that may lie about: the same parser on every machine.
    for event in YAML(typ="safe", pure=True, plug_ins=[]).parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Unreadable(Slip(line, "a second document starts here ('---')", "one flow per file"))
            continue
        if isinstance(event, SequenceEndEvent | MappingEndEvent):
            node, anchor = open_nodes.pop()
            node.end = event.end_mark.index
            if anchor:
                anchors[anchor] = node
            continue
        if not isinstance(event, NodeEvent):
            continue
        if isinstance(event, AliasEvent):
            if event.anchor not in anchors:
                raise _Unreadable(
                    Slip(
                        line,
                        f"'*{event.anchor}' repeats something that is not there above it",
                        "a text that starts with * needs quotes",
                    )
                )
            node = anchors[event.anchor]
        else:
            node = _node(event, line)
        if open_nodes:
            open_nodes[-1][0].items.append(node)
        else:
            root = node
        if isinstance(event, SequenceStartEvent | MappingStartEvent):
            open_nodes.append((node, event.anchor))
            if len(open_nodes) > MAX_DEPTH:
                raise _Unreadable(Slip(line, f"nested deeper than {MAX_DEPTH} levels"))
        elif isinstance(event, ScalarEvent) and event.anchor:
            anchors[event.anchor] = node
    return root


def _node(event: Any, line: int) -> _Node:
    tag = str(event.ctag) if event.ctag is not None else None
    node = _Node(line, event.start_mark.index, event.end_mark.index, tag, type(event))
    if isinstance(event, ScalarEvent):
        node.text = event.value
        node.plain = event.implicit[0]
    return node


def _pairs(node: _Node) -> list[tuple[_Node, _Node]]:
    return list(zip(node.items[::2], node.items[1::2], strict=True))


def _merges(key: _Node) -> bool:
    return key.kind is ScalarEvent and key.plain and key.text == "<<"


def _sources(value: _Node) -> list[_Node]:
    return value.items if value.kind is SequenceStartEvent else [value]


class _Reading:
    """Turns nodes into values, noting lines and slips on the way."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines: dict[Loc, int] = {}
        self.slips: list[Slip] = []
        self._merged: dict[int, dict[str, tuple[_Node, _Node]]] = {}

    def value(self, node: _Node, loc: Loc, depth: int) -> Json:
        self.lines.setdefault(loc, node.line)
        # Counted as they are spelled out: ten nested aliases of ten each are 10^10 values in 200 characters.
        if len(self.lines) > MAX_VALUES:
            raise _Unreadable(Slip(node.line, f"holds more than {MAX_VALUES:,} values, aliases counted each time"))
        if depth > MAX_DEPTH:
            raise _Unreadable(Slip(node.line, f"nested deeper than {MAX_DEPTH} levels"))
        if node.tag is not None and node.tag not in _TAGS[node.kind]:
            self.slips.append(Slip(node.line, f"the tag {node.tag!r} means nothing here", "leave it out"))
        if node.kind is SequenceStartEvent:
            return self._sequence(node, loc, depth)
        if node.kind is MappingStartEvent:
            return self._mapping(node, loc, depth)
        return self._scalar(node)

    def _sequence(self, node: _Node, loc: Loc, depth: int) -> list[Json]:
        values = []
        for index, item in enumerate(node.items):
            meant = self._swallowed(item, item.start)
            values.append(self.value(item, (*loc, index), depth + 1) if meant is None else meant)
            self.lines.setdefault((*loc, index), item.line)
        return values

    def _mapping(self, node: _Node, loc: Loc, depth: int) -> Json:
        if any(key.kind is not ScalarEvent for key, _ in _pairs(node)):
            return self._not_a_mapping(node)
        lines: dict[str, int] = {}
        for key, value in _pairs(node):
            name = self._text(key)
            if name in lines:
                hint = f"the first is on line {lines[name]}"
                self.slips.append(Slip(key.line, f"the key {name!r} stands here twice", hint))
            lines.setdefault(name, key.line)
            if _merges(key) and any(each.kind is not MappingStartEvent for each in _sources(value)):
                self.slips.append(Slip(key.line, "'<<' takes in a mapping, and this is none", "write '<<: *name'"))
        mapping: dict[str, Json] = {}
        for name, (key, value) in self._entries(node).items():
            self.lines[*loc, name] = key.line
            meant = self._swallowed(value, self.text.find(":", key.end) + 1)
            mapping[name] = self.value(value, (*loc, name), depth + 1) if meant is None else meant
        return mapping

    def _entries(self, node: _Node) -> dict[str, tuple[_Node, _Node]]:
        """The mapping's own entries by name, then those that it merges and does not have itself."""
        # Kept, because merges of merges of merges would otherwise be walked again from each place.
        known = self._merged.get(id(node))
        if known is None:
            known = self._merged[id(node)] = {}
            for key, value in _pairs(node):
                if key.kind is ScalarEvent and not _merges(key):
                    known.setdefault(_encodable(key.text), (key, value))
            for source in (each for key, value in _pairs(node) if _merges(key) for each in _sources(value)):
                for name, entry in self._entries(source).items() if source.kind is MappingStartEvent else ():
                    known.setdefault(name, entry)
        return known

    def _not_a_mapping(self, node: _Node) -> str | None:
        """``ask: {{ inputs.x }}``: to YAML a mapping whose key is a mapping, to its author a template."""
        source = self.text[node.start : node.end]
        if source.startswith("{{"):
            self.slips.append(Slip(node.line, f"unquoted, {_short(source)} is no text to YAML", _quote_it(source)))
            return source
        self.slips.append(Slip(node.line, "a key must be a word", None))
        return None

    def _swallowed(self, node: _Node, at: int) -> str | None:
        """The ``#vacation`` that YAML took for a comment where, from the offset ``at`` on, a value should stand."""
        if node.kind is not ScalarEvent or not node.plain or node.text or node.tag or node.start != node.end:
            return None
        match = _COMMENT_AS_VALUE.match(self.text, at)
        if not match:
            return None
        line = self.text.count("\n", 0, at) + 1
        self.slips.append(Slip(line, f"unquoted, {match[1]} is a comment to YAML", _quote_it(match[1])))
        return match[1]

    def _scalar(self, node: _Node) -> Json:
        text = self._text(node)
        if not node.plain:
            return text
        if _NULL.fullmatch(text):
            return None
        if match := _BOOL.fullmatch(text):
            return bool(match[1])
        if _INT.fullmatch(text):
            if len(text) <= _MAX_DIGITS:
                return int(text, 0) if text[1:2] in ("o", "x") else int(text)
            self.slips.append(Slip(node.line, f"{_short(text)} has too many digits for a number", _quote_it(text)))
        elif _FLOAT.fullmatch(text):
            number = _number(text)
            if number is not None and math.isfinite(number):
                return number
            self.slips.append(Slip(node.line, f"{_short(text)} is no number that can be stored", _quote_it(text)))
        return text

    def _text(self, node: _Node) -> str:
        text = _encodable(node.text)
        if text != node.text:
            self.slips.append(Slip(node.line, "holds half of a surrogate pair, which is no character"))
        return text


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _explain(error: YAMLError, text: str) -> tuple[Slip, str | None]:
    """What a syntax error means to the author, and the text as it was meant, where that is evident."""
    if isinstance(error, ReaderError):
        at = text.count("\n", 0, error.position) + 1
        code = ord(text[error.position])
        return Slip(at, f"the character U+{code:04X} cannot stand in YAML; is this a text file?"), None
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return Slip(1, f"is not YAML: {error}"), None
    mark, problem = error.problem_mark, str(error.problem)
    # At the end of the file only the start of what was left open helps.
    first = (error.context_mark or mark).line
    here = mark.line + 1
    if "cannot start any token" in problem:
        word = _WORD.match(text, mark.index)
        if text[mark.index] == "\t":
            return Slip(here, "a tab indents this line; YAML takes spaces only", "replace the tab by spaces"), None
        if word:
            return (
                Slip(
                    here,
                    f"unquoted, {word[0]!r} is not allowed: {word[0][0]!r} has a meaning of its own in YAML",
                    _quote_it(word[0]),
                ),
                _quoted(text, word.start(), word.end()),
            )
    context = str(error.context)
    offset = 0
    for number, line in enumerate(text.split("\n")[:here]):
        # A bracket that a comment has swallowed is missed only later, by what may be opened in another place.
        match = _CHANNEL_IN_BRACKETS.search(line) if "flow" in context else None
        if match is None and number >= first:
            match = _TEMPLATE_AS_VALUE.search(line)
        if match and _unquoted(line, match.start(1)):
            what = "is a comment to YAML" if match[1].startswith("#") else "is no text to YAML"
            slip = Slip(number + 1, f"unquoted, {_short(match[1])} {what}", _quote_it(match[1]))
            return slip, _quoted(text, offset + match.start(1), offset + match.end(1))
        offset += len(line) + 1
    if "unexpected end of stream" in problem and "quoted" in context:
        return Slip(first + 1, "a quote is opened here and never closed", "close it on the same line"), None
    if "mapping values are not allowed" in problem:
        return Slip(
            here,
            "a ':' stands where none can; is the value unquoted, or the indentation off?",
            "a text with ': ' in it needs quotes",
        ), None
    if "flow mapping" in context or "flow sequence" in context or "flow node" in context:
        bracket = "'{'" if "mapping" in context else "'['"
        return Slip(
            first + 1,
            f"a {bracket} is opened here and not closed as it should be",
            "check the brackets, commas and quotes from here on",
        ), None
    if "block" in context or "document start" in problem:
        return Slip(
            here, "this line does not belong to what stands above it", "check its indentation, '- ' and ':'"
        ), None
    return Slip(here, f"is not YAML: {problem}"), None


def _unquoted(line: str, at: int) -> bool:
    """Whether neither a quote nor a comment is open at that place of the line."""
    before = line[:at]
    return before.count('"') % 2 == 0 and before.count("'") % 2 == 0 and not re.search(r"(?:^|\s)#", before)


def _quoted(text: str, start: int, end: int) -> str:
    meant = text[start:end].replace("'", "''")
    return f"{text[:start]}'{meant}'{text[end:]}"


def _quote_it(text: str) -> str:
    mark = "'" if '"' in text else '"'
    return f"quote it: {mark}{_short(text)}{mark}"


def _short(text: str) -> str:
    first = text.split("\n", 1)[0]
    return first if len(first) <= 60 else first[:59] + "…"
