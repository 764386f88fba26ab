"""The shipped store without its threads, on a database in memory: what properties are held against.

Work is done where it is handed in, in the worker's own transaction. ``Inline.reopened`` is what a process finds that
starts again on what another has left.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Coroutine, Mapping
from contextlib import closing
from functools import cache
from itertools import count
from typing import Any, Self

from flows.clock import Clock
from flows.effects import Lane, Leased
from flows.ids import Ids
from flows.plan import Plan
from flows.run import Run, StepRun, Suspension
from flows.store import outbox, slices
from flows.store.connection import Worker, _Piece
from flows.store.migrations import migrate
from flows.store.rows import STEP, SUSPENSION, step_of, suspension_of
from flows.store.sqlite import SqliteStore

SEED, EPOCH = bytes(16), 1

OF_RUNS = ("runs", "step_runs", "suspensions", "decisions", "seats", "ledger", "callbacks", "early", "items")
"""The tables whose rows belong to a run and stay when it has ended."""

Rows = Mapping[str, list[tuple[Any, ...]]]


class _InlineWorker(Worker):
    """The store's worker without a thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(None, writes=True)  # type: ignore[arg-type]  # nothing here goes through aiosqlite
        self._sqlite = connection

    async def run(self, work: Any, after: Any = None) -> Any:
        ((ok, value),) = self._transaction(self._sqlite, [_Piece(work, None, after)])  # type: ignore[arg-type]  # nobody waits
        if not ok:
            raise value
        return value


class Inline(SqliteStore):
    """The store, and all that stands in it."""

    def __init__(self, sql: sqlite3.Connection, clock: Clock) -> None:
        worker = _InlineWorker(sql)
        super().__init__(worker, worker, None, clock, Ids(SEED), EPOCH)  # type: ignore[arg-type]  # no file, no lock
        worker.guard = self._begin
        self.sql = sql
        (self._next_run,) = sql.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()
        (effects,) = sql.execute("SELECT coalesce(max(id), 0) FROM effects").fetchone()
        self._effects = count(effects + 1)
        self.seal = lambda value, name: f"{name}: {value}".encode()

    @classmethod
    def new(cls, clock: Clock) -> Self:
        sql = sqlite3.connect(":memory:", isolation_level=None)
        sql.deserialize(_empty_database())
        return cls(sql, clock)

    def reopened(self) -> Self:
        """The same database, of which nothing is remembered."""
        return type(self)(self.sql, self._clock)

    # -- what stands in it --------------------------------------------------------------------------------------

    def run(self, run: int) -> Run:
        return slices.load_run(self.sql, self._kept, run)[1]

    def plan(self, run: int) -> Plan:
        return slices.load_run(self.sql, self._kept, run)[0]

    def steps(self, run: int) -> dict[str, StepRun]:
        rows = self.sql.execute(f"SELECT {STEP} FROM step_runs WHERE run = ? ORDER BY path", (run,))
        return {step.path: step for step in map(step_of, rows)}

    def suspensions(self, run: int) -> list[Suspension]:
        rows = self.sql.execute(f"SELECT {SUSPENSION} FROM suspensions WHERE run = ? ORDER BY n", (run,))
        return list(map(suspension_of, rows))

    def effects_of(self, run: int) -> list[Leased]:
        ids = self.sql.execute("SELECT id FROM effects WHERE run = ? ORDER BY id", (run,)).fetchall()
        return [leased for (id_,) in ids if (leased := outbox.get(self.sql, id_)) is not None]

    def all_due(self) -> list[Leased]:
        """What a runner would perform now."""
        now = self._clock.now()
        return [one for lane in Lane for one in outbox.due(self.sql, lane, now, 1000)]

    def entries(self, run: int, after: int = 0) -> list[dict[str, Any]]:
        """The payloads of the ledger, from the entry behind ``after``: each an event and its facts."""
        rows = self.sql.execute("SELECT payload FROM ledger WHERE run = ? AND seq > ? ORDER BY seq", (run, after))
        return [json.loads(payload) for (payload,) in rows]

    def rows(self, run: int | None = None, *, tables: tuple[str, ...] = OF_RUNS) -> Rows:
        """Every row of one run, or of all."""
        found = {}
        for table in tables:
            where = "" if run is None else f" WHERE {'id' if table == 'runs' else 'run'} = {run}"
            found[table] = self.sql.execute(f"SELECT * FROM {table}{where} ORDER BY 1, 2, 3").fetchall()
        return found


def done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that never really waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("the store waited for something")


@cache
def _empty_database() -> bytes:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        connection.execute("INSERT INTO meta (key, value) VALUES ('epoch', ?)", (EPOCH,))
        return connection.serialize()
