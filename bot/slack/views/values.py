"""How values read on a card: lists of records as tables, data as code, addresses as links, texts with their lines.

A value is made into a ``Read`` first, which is still whole. Where it goes decides what becomes of it: a card shows so
many characters of it, a modal all of it, in pieces that Slack takes.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from flows.fields import JsonField, ListField, ObjectField, StringField, UrlField
from flows.fields.nested import without_contents
from flows.forms import Field, readable
from flows.ports import Json
from integrations.slack.text import clip, escape

_WIDE = 76
"""Columns of a table; Slack breaks the lines of a wider one, and then nothing stands below anything."""

_LINE = 80  # characters of a list that stands on one line
_ADDRESS = re.compile(r"https?://[!-;=?-{}~]+", re.IGNORECASE)  # printable ASCII but < > and |
_FENCED = re.compile(r"```[A-Za-z0-9+-]*\n(.*)\n```", re.DOTALL)
_SET_OUT = re.compile(r"^(?: {2,}|\t)|\S(?: {2,}|\t)\S|^[|+].*[|+]$", re.MULTILINE)
_FENCE = 8  # characters: three backticks and the end of a line, twice
_COSTS = {"&": 4, "<": 3, ">": 3, "`": 1}
"""How much longer ``escape`` makes each of these at most."""


class How(StrEnum):
    """As what a text is shown."""

    LINE = "line"
    LINES = "lines"
    CODE = "code"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Read:
    """A value as people read it, whole and not escaped."""

    how: How
    text: str


def read(value: Json) -> Read:
    """Any JSON, as an earlier output may be."""
    match value:
        case None | [] | "":
            return Read(How.LINE, "–")
        case bool():
            return Read(How.LINE, "yes" if value else "no")
        case str():
            return Read(How.LINK, value.strip()) if _is_address(value.strip()) else _text(value)
        case list() if all(isinstance(each, dict) and each for each in value):
            return _records(value)
        case list() if all(map(_is_plain, value)):
            return _plain_list([_cell(each) for each in value])
        case dict() if not value:
            return Read(How.LINE, "–")
        case dict() if all(map(_is_plain, value.values())):
            return Read(How.LINES, "\n".join(f"• {_cell(name)}: {_cell(each)}" for name, each in value.items()))
        case int() | float():
            return Read(How.LINE, json.dumps(value))
        case _:
            return Read(How.CODE, _data(value, indent=2))


def filled_in(field: Field, value: Json) -> Read:
    """The normalised value of a field. What people typed is no link, unless it was asked for as one."""
    match field:
        case _ if value is None or field.masked:
            return Read(How.LINE, readable(field, value))
        case UrlField() if _is_address(str(value)):
            return Read(How.LINK, str(value))
        case StringField():
            return _text(str(value))
        case JsonField():
            return _as_text(read(value))
        case ListField() | ObjectField():
            return _as_text(read(without_contents(field, value)))
        case _:
            return Read(How.LINE, readable(field, value))


# -- how much of it ---------------------------------------------------------------------------------------------


def shown(value: Read, limit: int) -> tuple[str, bool]:
    """At most ``limit`` characters of it in Slack's markup, and whether that is less than there is."""
    match value.how:
        case How.LINE:
            text = escape(" ".join(value.text.split()))
            return clip(text, limit), len(text) > limit
        case How.LINK:
            # Half an address would be another one.
            link = f"<{escape(value.text)}>"
            return (link, False) if len(link) <= limit else (clip(escape(value.text), limit), True)
        case How.LINES:
            return _fitting(escape(value.text), limit)
        case How.CODE:
            text, cut = _fitting(escape(value.text), limit - _FENCE)
            return _fenced(text), cut


def pieces(value: Read, limit: int) -> Iterator[str]:
    """All of it in Slack's markup, in pieces of at most ``limit`` characters."""
    if value.how is How.LINK and (link := shown(value, limit))[1] is False:
        yield link[0]
        return
    code = value.how is How.CODE
    for piece in split(value.text, limit - _FENCE if code else limit):
        yield _fenced(escape(piece)) if code else escape(piece)


def split(text: str, limit: int) -> Iterator[str]:
    """A text in pieces of at most ``limit`` characters each once they are escaped, at the ends of lines where it can be."""
    start = 0
    while start < len(text):
        piece = text[start : start + limit]
        while (over := _escaped_length(piece) - limit) > 0:
            piece = piece[: len(piece) - max(1, over // (max(_COSTS.values()) + 1))]
        end = start + len(piece)
        if end < len(text):
            line = piece.rfind("\n", len(piece) // 2)
            end = start + line + 1 if line >= 0 else end
        if found := text[start:end].strip("\n"):
            yield found
        start = end


def _escaped_length(text: str) -> int:
    return len(text) + sum(text.count(letter) * cost for letter, cost in _COSTS.items())


def _fitting(text: str, limit: int) -> tuple[str, bool]:
    """Whole lines where there is room for one of them."""
    if len(text) <= limit:
        return text, False
    line = text.rfind("\n", 0, limit - 1)
    return (f"{text[:line]}\n…", True) if line > 0 else (clip(text, limit), True)


def _fenced(text: str) -> str:
    return f"```\n{text}\n```"


# -- what it is -------------------------------------------------------------------------------------------------


def _text(text: str) -> Read:
    text = "\n".join(line.rstrip() for line in text.strip("\n").rstrip().splitlines())
    if (fenced := _FENCED.fullmatch(text)) is not None:
        return Read(How.CODE, fenced[1])
    if "\n" not in text:
        return Read(How.LINE, text.strip())
    return Read(How.CODE if _SET_OUT.search(text) else How.LINES, text)


def _as_text(value: Read) -> Read:
    return Read(How.LINE, value.text) if value.how is How.LINK else value


def _is_address(text: str) -> bool:
    """Whether all of it is an address that leads where it says: nobody's name stands in front of the host."""
    if _ADDRESS.fullmatch(text) is None:
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return False


def _is_plain(value: Json) -> bool:
    return value is None or isinstance(value, str | bool | int | float)


def _plain_list(cells: Sequence[str]) -> Read:
    line = ", ".join(cells)
    if len(line) <= _LINE:
        return Read(How.LINE, line)
    return Read(How.LINES, "\n".join(f"• {cell}" for cell in cells))


def _cell(value: Json) -> str:
    """One line."""
    match value:
        case None | "":
            return "–"
        case bool():
            return "yes" if value else "no"
        case str():
            return " ".join(value.split()) or "–"
        case _:
            return _data(value)


def _data(value: Json, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, indent=indent)


# -- tables -----------------------------------------------------------------------------------------------------


def _records(rows: Sequence[Mapping[str, Json]]) -> Read:
    """A table where it is no wider than Slack shows it, else one line for each record."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(name) for name in columns], *([_cell(row.get(name)) for name in columns] for row in rows)]
    widths = [max(_width(line[number]) for line in cells) for number in range(len(columns))]
    if sum(widths) + 2 * (len(columns) - 1) > _WIDE:
        lines = ("  ·  ".join(f"{_cell(name)}: {_cell(each)}" for name, each in row.items()) for row in rows)
        return Read(How.LINES, "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1)))
    right = [all(_is_number(row.get(name)) for row in rows) for name in columns]
    drawn = ["  ".join(map(_padded, line, widths, right)).rstrip() for line in cells]
    drawn.insert(1, "  ".join("─" * width for width in widths))
    return Read(How.CODE, "\n".join(drawn))


def _is_number(value: Json) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _padded(cell: str, width: int, right: bool) -> str:
    space = " " * (width - _width(cell))
    return space + cell if right else cell + space


def _width(text: str) -> int:
    """Columns of a text in letters of one width: those of East Asia take two, accents of their own none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
