"""What a database thread keeps in memory between transactions: compiled definitions, and people.

Only what cannot go stale: a definition's row never changes, and people are changed by this process's writer
alone, which forgets them when it does.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

from flows.delegation import Delegation
from flows.people import Person, PersonId
from flows.plan import Plan

PLANS = 256
"""Compiled plans in memory. A plan takes some 20 KiB; one that was dropped is compiled again when needed."""

PEOPLE = 10_000
"""People in memory, some 300 bytes each."""


HEADS = 4096
"""Newest hashes of ledgers in memory, some 150 bytes each: of the runs that are moving, not of those that wait."""


class Kept:
    """One for each connection; used on its thread only. ``with_people`` is for the writer."""

    def __init__(self, *, with_people: bool = False) -> None:
        self._plans: OrderedDict[int, Plan] = OrderedDict()
        self._people: dict[PersonId, Person] = {}
        self._keeps_people = with_people
        self._people_change = False
        self._heads: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._delegations: tuple[Delegation, ...] | None = None
        self._delegations_change = False

    @property
    def delegations(self) -> tuple[Delegation, ...] | None:
        """All delegations that were not ended, where they are kept."""
        return self._delegations

    def keep_delegations(self, found: tuple[Delegation, ...]) -> None:
        """Keep those that were just read, unless this very transaction may have changed them."""
        if self._keeps_people and not self._delegations_change:
            self._delegations = found

    def delegations_change(self) -> None:
        """They are being changed: keep none until the transaction has ended, whichever way."""
        self._delegations_change = True
        self._delegations = None

    def head(self, run: int, seq: int) -> bytes | None:
        """The hash of the run's ledger entry ``seq``, where that is kept."""
        kept = self._heads.get(run)
        return kept[1] if kept is not None and kept[0] == seq else None

    def keep_head(self, run: int, seq: int, digest: bytes) -> None:
        """Keep the hash of a run's newest entry. Told with its number: one that was undone is never asked for."""
        self._heads[run] = (seq, digest)
        if len(self._heads) > HEADS:
            self._heads.popitem(last=False)

    def plan(self, connection: sqlite3.Connection, definition: int) -> Plan:
        """The plan of a stored definition."""
        plan = self._plans.get(definition)
        if plan is None:
            (body,) = connection.execute("SELECT body FROM definitions WHERE id = ?", (definition,)).fetchone()
            self._plans[definition] = plan = Plan.from_canonical(body)
            if len(self._plans) > PLANS:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(definition)
        return plan

    def person(self, person: PersonId) -> Person | None:
        """The person, where they are kept."""
        return self._people.get(person)

    def keep(self, people: dict[PersonId, Person]) -> None:
        """Keep people that were just read, unless this very transaction may have changed them."""
        if self._keeps_people and not self._people_change:
            if len(self._people) > PEOPLE:
                self._people.clear()
            self._people.update(people)

    def people_change(self) -> None:
        """People are being changed: keep none until the transaction has ended, whichever way."""
        self._people_change = True
        self._people.clear()

    def begin(self) -> None:
        """A transaction begins: what is in the database is what was committed."""
        self._people_change = False
        self._delegations_change = False


def pin(connection: sqlite3.Connection, plan: Plan) -> int:
    """The number of the definition's row, which is made where there is none yet."""
    row = connection.execute("SELECT id FROM definitions WHERE hash = ?", (plan.digest,)).fetchone()
    if row is None:
        row = connection.execute(
            "INSERT INTO definitions (hash, flow, body) VALUES (?, ?, ?) RETURNING id",
            (plan.digest, plan.flow.flow, plan.canonical()),
        ).fetchone()
    return int(row[0])
