"""One SQLite connection on a thread of its own, which takes work in batches.

Work is a plain function over ``sqlite3.Connection``. While one batch is being written, the next one gathers,
so under load many pieces of work share one commit (and one fsync), and an idle one waits for nobody.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import aiosqlite

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

MAX_BATCH = 128
"""Pieces of work in one commit. More saves hardly any fsyncs, and makes the first of them wait longer."""


class StoreError(Exception):
    """The database could not do what it was asked to (disk full, read-only, locked). Nothing was written."""


class _Piece(Generic[T]):
    __slots__ = ("after", "done", "work")

    def __init__(self, work: Work[T], done: asyncio.Future[T], after: Callable[[T], None] | None) -> None:
        self.work = work
        self.done = done
        self.after = after


class Worker:
    """A connection that runs work in transactions, in the order in which it was handed in.

    A writer's batch is one transaction, in which a piece that raises undoes itself only. Work may be called
    twice, where another piece of its batch had to be undone: what it does outside of the database must bear that. If an error has ended the transaction (disk full does), or the commit fails, the whole batch
    fails with ``StoreError``, and nobody is told anything else. A reader's batch sees one snapshot.
    """

    def __init__(self, connection: aiosqlite.Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes
        self.guard: Work[None] = _pass
        """Called at the start of each batch; what it raises fails the batch."""
        self._queue: deque[_Piece[Any]] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._closing = False

    @classmethod
    async def open(cls, path: Path, *, writes: bool, on_open: Work[None] | None = None) -> Worker:
        """Connect. ``on_open`` prepares the connection (pragmas), outside any transaction."""
        # Asked on this thread first: where aiosqlite (0.22) cannot connect, it leaves a thread behind that
        # answers to an event loop which may be closed by then.
        sqlite3.connect(path).close()
        # autocommit: transactions are begun and ended here, in plain sight, and nowhere else.
        connection = await aiosqlite.connect(path, isolation_level=None, cached_statements=256)
        worker = cls(connection, writes=writes)
        try:
            if on_open is not None:
                await worker._on_thread(on_open)
        except BaseException:
            await connection.close()
            raise
        return worker

    async def run(self, work: Work[T], after: Callable[[T], None] | None = None) -> T:
        """Do ``work`` in a transaction and return what it returned, once that is durable.

        ``after`` is called with the result as soon as it is committed, even if the caller has been
        cancelled meanwhile: what a commit has promised must not hang on who still listens.
        """
        if self._closing:
            raise StoreError("the database is closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(_Piece(work, done, after))
        if self._pump is None:
            self._pump = asyncio.create_task(self._run_batches())
        return await done

    async def raw(self, work: Work[T]) -> T:
        """Do ``work`` on the thread with no transaction around it (migrations, pragmas, checkpoints)."""
        return await self._on_thread(work)

    async def close(self) -> None:
        """Finish what was handed in, then close."""
        self._closing = True
        while self._pump is not None:
            await asyncio.wait([self._pump])
        await self._connection.close()

    async def _on_thread(self, work: Work[T]) -> T:
        # aiosqlite has no public call for "run this function on your thread"; this is the one that all of its
        # own methods use (0.22), and this line is the only place that knows it.
        result: T = await self._connection._execute(lambda: work(self._connection._conn))  # type: ignore[no-untyped-call]  # noqa: SLF001
        return result

    async def _run_batches(self) -> None:
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
                try:
                    results = await self._on_thread(lambda c, b=batch: self._transaction(c, b))  # type: ignore[misc]
                except Exception as error:  # noqa: BLE001 - handed to everybody who waits for this batch
                    self._fail(batch, error)
                    continue
                self._deliver(batch, results)
        finally:
            self._pump = None

    def _deliver(self, batch: list[_Piece[Any]], results: list[tuple[bool, Any]]) -> None:
        for piece, (ok, value) in zip(batch, results, strict=True):
            if ok and piece.after is not None:
                piece.after(value)
            if piece.done.done():
                continue
            if ok:
                piece.done.set_result(value)
            else:
                piece.done.set_exception(value)

    def _fail(self, batch: list[_Piece[Any]], error: Exception) -> None:
        for piece in batch:
            if not piece.done.done():
                failure = error if isinstance(error, StoreError) else StoreError(f"the database refused: {error}")
                failure.__cause__ = error.__cause__ if failure is error else error
                piece.done.set_exception(failure)

    def _transaction(self, connection: sqlite3.Connection, batch: list[_Piece[Any]]) -> list[tuple[bool, Any]]:
        connection.execute("BEGIN IMMEDIATE" if self._writes else "BEGIN")
        try:
            self.guard(connection)
            try:
                results = [self._piece(connection, piece) for piece in batch]
            except _Entangled:
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
                self.guard(connection)
                results = [self._piece_apart(connection, piece) for piece in batch]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results

    def _piece(self, connection: sqlite3.Connection, piece: _Piece[Any]) -> tuple[bool, Any]:
        """Whether the work succeeded, and its result or its error; raises what has ended the whole transaction.

        Nearly all that fails has refused before it wrote anything, so there is nothing to undo. Where there is,
        ``_Entangled`` asks for the batch to be done again with each piece apart.
        """
        before = connection.total_changes
        try:
            return True, piece.work(connection)
        except Exception as error:
            if not connection.in_transaction or _is_fatal(error):
                raise
            if connection.total_changes != before:
                raise _Entangled from error
            return False, error

    def _piece_apart(self, connection: sqlite3.Connection, piece: _Piece[Any]) -> tuple[bool, Any]:
        """The same, in a savepoint of its own."""
        connection.execute("SAVEPOINT piece")
        try:
            result = piece.work(connection)
        except Exception as error:
            if not connection.in_transaction or _is_fatal(error):
                raise
            connection.execute("ROLLBACK TO piece")
            connection.execute("RELEASE piece")
            return False, error
        connection.execute("RELEASE piece")
        return True, result


class _Entangled(Exception):
    """A piece has failed after it had written."""


def _pass(_connection: sqlite3.Connection) -> None:
    """No guard."""


def _is_fatal(error: Exception) -> bool:
    """Whether an error makes the rest of the batch untrustworthy: the database failed, not the work.

    After SQLITE_FULL, IOERR, NOMEM or INTERRUPT SQLite may have rolled back on its own accord
    (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
    """
    return isinstance(error, StoreError) or (
        isinstance(error, sqlite3.DatabaseError)
        and not isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError)
    )
