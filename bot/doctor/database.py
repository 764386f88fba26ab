"""The database: there, writable, of this version, with room on its disk; and what in it waits for a person."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from bot.doctor.finding import Finding, fail, ok, warn
from bot.doctor.patient import Patient
from flows.store import reads
from flows.store.migrations import available, version

_BUSY = 5.0  # seconds to wait for a server that is committing; it takes milliseconds

TIGHT = 1 << 30
"""Bytes free on the disk below which somebody should look; a busy bot writes some 100 MB a day."""
FULL = 100 << 20
"""Bytes free below which the next write may fail."""
LONG_JOURNAL = 256 << 20
"""Bytes of the write-ahead journal. It is folded into the file at a few MB, unless something keeps reading."""


class DatabaseWritable:
    """Whether it can be written, and is of this version."""

    name = "database"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        return await asyncio.to_thread(lambda: list(self._found(patient.settings.database_path)))

    def _found(self, path: Path) -> Iterator[Finding]:
        if not path.exists():
            yield self._absent(path)
            return
        try:
            with closing(sqlite3.connect(path, timeout=_BUSY, isolation_level=None)) as connection:
                at = version(connection)
                mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
                # Taken back: only whether it may be written is wanted.
                connection.execute("BEGIN IMMEDIATE")
                if at:
                    connection.execute("UPDATE meta SET value = value WHERE key = 'epoch'")
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            yield fail(f"{path} cannot be written to: {error}.", _TODO.get(error.sqlite_errorcode or 0, _LOOK))
            return
        yield from self._of_this_version(path, at)
        if mode != "wal":
            yield warn(
                f"{path} is in journal mode {mode}, not WAL: readers and the writer wait for each other.",
                "Keep it on a local disk; WAL does not work on a network file system.",
            )

    def _absent(self, path: Path) -> Finding:
        folder = path.absolute().parent
        if not folder.is_dir():
            return fail(f"There is no folder {folder} for the database.", "Make the folder, or set SIGNOFF_DATABASE.")
        if not os.access(folder, os.W_OK):
            return fail(f"{folder} cannot be written to.", "Let the account that runs Signoff write there.")
        return ok(f"{path} is not there yet; `signoff serve` makes it.")

    def _of_this_version(self, path: Path, at: int) -> Iterator[Finding]:
        newest = len(available())
        if at > newest:
            yield fail(
                f"{path} was written by a newer Signoff (schema {at}, this one knows {newest}).",
                "Upgrade this Signoff.",
            )
        elif at < newest:
            yield warn(
                f"{path} is of an older Signoff (schema {at} of {newest}).",
                "Copy it, then start `signoff serve`, which brings it up to date.",
            )
        else:
            yield ok(f"{path} can be written to, and is up to date (schema {at}).")


class DiskSpace:
    """Whether there is room to write, and the journal is folded in as it should."""

    name = "disk"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        path = patient.settings.database_path.absolute()
        if not path.parent.is_dir():
            return []
        free = await asyncio.to_thread(self.free, path.parent)
        journal = path.with_name(f"{path.name}-wal")
        size = journal.stat().st_size if journal.is_file() else 0
        return list(self.found(path.parent, free, size))

    @staticmethod
    def free(folder: Path) -> int:
        return shutil.disk_usage(folder).free

    @staticmethod
    def found(folder: Path, free: int, journal: int) -> Iterator[Finding]:
        """What is to be said of so many bytes."""
        if free < FULL:
            yield fail(f"The disk of {folder} has {_megabytes(free)} left.", "Make room now: the next write may fail.")
        elif free < TIGHT:
            yield warn(f"The disk of {folder} has {_megabytes(free)} left.", "Make room, or move the database.")
        else:
            yield ok(f"The disk of {folder} has {_megabytes(free)} left.")
        if journal > LONG_JOURNAL:
            yield warn(
                f"The database's journal has grown to {_megabytes(journal)}.",
                "Close whatever else has the database open (a backup, a browser), and restart `signoff serve`.",
            )


class ParkedEffects:
    """What failed so often that only a person can help."""

    name = "parked effects"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        parked = await patient.read(lambda connection: reads.troubled(connection, parked_only=True))
        if parked is None:
            return []
        if not parked:
            return [ok("Nothing is parked.")]
        worst = "; ".join(dict.fromkeys(f"{one.what}: {one.error.rstrip('.')}" for one in parked[-3:]))
        what = "1 effect is" if len(parked) == 1 else f"{len(parked)} effects are"
        todo = "`signoff show RUN` tells of each; then `signoff retry` or `signoff skip`."
        return [warn(f"{what} parked, the last: {worst}.", todo)]


_LOOK = "Look at the disk, and at who may write to the file and its folder."
_TODO = {
    sqlite3.SQLITE_BUSY: "Something else holds it: stop that, or wait until it is done.",
    sqlite3.SQLITE_LOCKED: "Something else holds it: stop that, or wait until it is done.",
    sqlite3.SQLITE_READONLY: "Let the account that runs Signoff write to the file and its folder.",
    sqlite3.SQLITE_FULL: "The disk is full: make room.",
    sqlite3.SQLITE_NOTADB: "It is no SQLite database: set SIGNOFF_DATABASE, or put a backup back.",
    sqlite3.SQLITE_CORRUPT: "It is damaged: put a backup back, and look at the disk.",
}


def _megabytes(size: int) -> str:
    return f"{size / (1 << 30):,.1f} GB" if size >= 1 << 30 else f"{size / (1 << 20):,.0f} MB"
