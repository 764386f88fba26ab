"""Numbered migrations in files, each applied whole or not at all."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationError(Exception):
    """The database cannot be brought to this version of Signoff; it is as it was before the failing step."""


def available() -> list[tuple[int, str, str]]:
    """Number, name and text of every migration, in order."""
    files = resources.files("flows.store").joinpath("migrations").iterdir()
    found = sorted(
        (int(match[1]), file.name, file.read_text()) for file in files if (match := _NAME.fullmatch(file.name))
    )
    if [number for number, _, _ in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"migrations are not numbered from 1 without a gap: {[name for _, name, _ in found]}")
    return found


def version(connection: sqlite3.Connection) -> int:
    """The number of the newest migration that was applied."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, migrations: Sequence[tuple[int, str, str]] | None = None) -> None:
    """Apply what is missing of ``migrations`` (``available()``). Each migration and its number are one transaction."""
    migrations = available() if migrations is None else migrations
    at = version(connection)
    if at > len(migrations):
        raise MigrationError(
            f"this database was written by a newer Signoff (schema {at}, this one knows {len(migrations)}); upgrade Signoff"
        )
    for number, name, text in migrations[at:]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # executescript would commit first; statement by statement stays inside our transaction.
            for statement in statements(text):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise MigrationError(f"{name}: {error}") from error


def statements(text: str) -> Iterator[str]:
    """The complete statements of a script."""
    buffer = ""
    for line in text.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""
    if buffer.strip():
        raise MigrationError(f"the script ends inside a statement: {buffer.strip()[:60]!r}")
