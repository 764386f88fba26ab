"""``docs/doors.md``, written from the rows that the tests play."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import bot as product
from tests.e2e.doors import advance, deciding, linking, reading, relaying, starting, steering, ways
from tests.e2e.doors.told import Cannot, Cell, Column, Row

PAPER = Path(product.__file__).parent.parent / "docs" / "doors.md"

TABLES: tuple[tuple[str, Sequence[Row], Sequence[Column]], ...] = (
    ("Allowed", deciding.ALLOWED, ways.DOORS),
    ("Forbidden", deciding.FORBIDDEN, ways.DOORS),
    ("In advance", advance.ROWS, advance.LINKS),
    ("Starting a run", starting.ROWS, starting.WAYS),
    ("Looking at a run", reading.ROWS, reading.WAYS),
    ("Pausing, resuming, cancelling, dropping", steering.ROWS, steering.WAYS),
    ("Making somebody's link", linking.ROWS, linking.WAYS),
    ("A flow in somebody's name", relaying.ROWS, relaying.WAYS),
)

HEAD = """\
# Who may do what, at every door

Every row is played by a test through every door, over real sockets (`tests/e2e/test_doors.py`), and this page is
written from the same rows. A cell is what the person is told; what is bold was done. After every other answer the run,
its decisions and its ledger are, byte for byte, what they were, except that a deadline which has passed is acted on.
What is counted stands in the ledger with its person, its door and the digest of what was shown; what came through the
API or the command line, with the token and who issued it.

There is no other door: these are all the callers of the engine, where every rule is checked, and a test says so. The
API answers with the status in brackets, the command line with exit code 1 and the same sentence. The Python client
(`signoff.client`) is no door of its own: it comes through the API, and the command line is made of it.
"""

ABOUT = {
    "Allowed": "Who may decide, and is counted. *In advance* is a link for the whole run that was made before anything was"
    " asked, and is opened when it is: it leads to the page. A reply in a thread is one where the flow says"
    " `thread_replies: count`, and its author presses the button that asks whether it is to count.",
    "Forbidden": "Who may not decide, or not any more, or not like this.",
    "In advance": "Decisions that come before they are asked for, and what becomes of each when its approval opens."
    " Everybody who is not counted then is asked as usual.",
    "Starting a run": "The flow names its `starters`, one of them a group, and its `owner`.",
    "Looking at a run": "The flow names its `viewers`, one of them a group, its `owner`, and who may `veto`. The page of a"
    " run (`/runs/…`) says nothing of it to anybody: it does not know who reads it.",
    "Pausing, resuming, cancelling, dropping": "The flow names its `owner` and its `viewers`.",
    "Making somebody's link": "Whoever opens it acts as that person. Each is in the ledger, with who made it.",
    "A flow in somebody's name": "A flow may resume what another run waits for. It acts for whoever started it.",
}


def paper() -> str:
    """The whole page."""
    notes: dict[str, int] = {}
    lines = [HEAD]
    for title, rows, columns in TABLES:
        lines += [f"## {title}", "", ABOUT[title], "", *_Table(rows, columns, notes).lines(), ""]
    lines += [f"{number}. {note}" for note, number in notes.items()]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Table:
    rows: Sequence[Row]
    columns: Sequence[Column]
    notes: dict[str, int]

    def lines(self) -> Iterator[str]:
        early = any(isinstance(row, advance.Early) for row in self.rows)
        last = ["when it opens"] if early else []
        yield _line(["", "who", *(column.title for column in self.columns), *last])
        yield "|" + "---|" * (len(self.columns) + 2 + len(last))
        for row in self.rows:
            cells = [self._words(row.cell(column), column) for column in self.columns]
            becomes = [row.becomes.value] if isinstance(row, advance.Early) else []
            yield _line([row.scenario, row.words, *cells, *becomes])

    def _words(self, cell: Cell | Cannot, column: Column) -> str:
        note = cell.why if isinstance(cell, Cannot) else cell.note
        mark = f" ({self.notes.setdefault(note, len(self.notes) + 1)})" if note else ""
        if isinstance(cell, Cannot):
            return f"–{mark}"
        status = f" [{cell.told.status}]" if column.title.startswith("API") else ""
        return f"{cell.told.words}{status}{mark}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
