"""Definitions as they were pinned, compiled, and kept while they are in use."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict

from flows.definition import Flow
from flows.plan import Plan

KEPT = 256
"""Compiled plans in memory. A plan takes some 20 KiB; one that was dropped is compiled again when needed."""


class Plans:
    """Plans by the number of their definition row. Used on one database thread only."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[int, Plan] = OrderedDict()

    def of(self, connection: sqlite3.Connection, definition: int) -> Plan:
        """The plan of a stored definition."""
        plan = self._by_id.get(definition)
        if plan is None:
            (body,) = connection.execute("SELECT body FROM definitions WHERE id = ?", (definition,)).fetchone()
            plan = self._keep(definition, Plan.of(Flow.from_canonical(body)))
        else:
            self._by_id.move_to_end(definition)
        return plan

    @staticmethod
    def pin(connection: sqlite3.Connection, plan: Plan) -> int:
        """The number of the definition's row, which is made where there is none yet.

        Not kept here: the transaction may yet be undone, and its number given to another definition.
        """
        row = connection.execute("SELECT id FROM definitions WHERE hash = ?", (plan.digest,)).fetchone()
        if row is None:
            row = connection.execute(
                "INSERT INTO definitions (hash, flow, body) VALUES (?, ?, ?) RETURNING id",
                (plan.digest, plan.flow.flow, plan.flow.canonical()),
            ).fetchone()
        return int(row[0])

    def _keep(self, definition: int, plan: Plan) -> Plan:
        self._by_id[definition] = plan
        if len(self._by_id) > KEPT:
            self._by_id.popitem(last=False)
        return plan
