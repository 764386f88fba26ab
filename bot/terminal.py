"""What the commands print: tables and colours for people at a terminal, plain lines for everything else.

Texts come from flows and from people, so none of them may reach the terminal as more than letters: escape
sequences, control characters and marks that turn the direction of writing are taken out, and nothing is read as
rich's markup. What goes to a pipe is one line per row, its cells separated by tabs.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.ports import Json

# Marks that make later letters run the other way, so that a text reads as what it is not (CVE-2021-42574).
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TAKEN_OUT = frozenset({"Cc", "Cs", "Zl", "Zp"})

_IDS = frozenset({"id", "run"})
_STYLES = {
    "approved": "green",
    "cancelled": "yellow",
    "expired": "red",
    "fail": "red",
    "failed": "red",
    "ok": "green",
    "parked": "red",
    "rejected": "red",
    "succeeded": "green",
    "suspended": "cyan",
    "waiting": "cyan",
    "warn": "yellow",
}


def inert(text: object) -> str:
    """The text on one line, without anything that a terminal acts on."""
    return " ".join(inert_lines(text).split())


def inert_lines(text: object) -> str:
    """The text with its line breaks, without anything else that a terminal acts on."""
    return "".join(
        char
        for char in str(text).replace("\t", " ")
        if char == "\n" or (char not in _TURNING and unicodedata.category(char) not in _TAKEN_OUT)
    )


def out(text: object = "", *, style: str = "") -> None:
    """One text for people on standard output."""
    _print(sys.stdout, inert_lines(text), style)


def err(text: object, *, style: str = "") -> None:
    """One text for people on standard error, where it does not disturb what a script reads."""
    _print(sys.stderr, inert_lines(text), style)


def out_json(value: Json) -> None:
    """A value for programs. In ASCII, so that no character in it can act on a terminal."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def out_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Labels and values, one per line; those without a value are left out."""
    shown = [(inert(label), text) for label, value in pairs if (text := "" if value is None else inert_lines(value))]
    width = max((len(label) for label, _ in shown), default=0)
    for label, text in shown:
        first, *rest = text.split("\n")
        line = Text.assemble((f"{label}:".ljust(width + 2), "dim"), (first, _STYLES.get(first, "")))
        for each in rest:
            line.append("\n" + " " * (width + 2) + each)
        _print(sys.stdout, line)


def out_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Rows under headings; in a pipe without the headings. ``empty`` is said on standard error where there are none."""
    cells = [["" if cell is None else inert(cell) for cell in row] for row in rows]
    if not cells:
        err(empty)
        return
    if not sys.stdout.isatty():
        sys.stdout.writelines("\t".join(row) + "\n" for row in cells)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        # An id is there to be copied: it is never cut or wrapped.
        table.add_column(Text(column), no_wrap=column in _IDS, overflow="fold")
    for row in cells:
        table.add_row(*[Text(cell, style=_STYLES.get(cell, "")) for cell in row])
    _console(sys.stdout).print(table)


def brief(value: Json) -> str:
    """A value of a flow as people read it: texts as they are, the rest as JSON."""
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Sequence) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)


def _print(stream: TextIO, text: str | Text, style: str = "") -> None:
    if isinstance(text, str):
        text = Text(text, style=style)
    if stream.isatty():
        _console(stream).print(text)
    else:
        # Not through rich: it would break lines at the 80 columns that it takes a pipe to have.
        stream.write(text.plain + "\n")


def _console(stream: TextIO) -> Console:
    # Made for each print: the stream is asked for when it is written to, as `print` does.
    return Console(file=stream, markup=False, emoji=False, highlight=False)
