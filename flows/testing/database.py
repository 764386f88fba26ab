"""New databases for tests: their tables are made once in a process, and copied, which is five times as fast."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

from flows.store.migrations import migrate


def new_database(path: Path) -> Path:
    """Make the file that ``SqliteStore.open`` finds empty and up to date. One that is there is left as it is."""
    with suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(_tables())
    return path


@cache
def _tables() -> bytes:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return connection.serialize()
