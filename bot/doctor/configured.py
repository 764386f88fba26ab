"""The settings: whether they are all there and go together. They can be read, or there would be nothing to look at."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from bot.doctor.finding import Finding, fail, ok, warn
from bot.doctor.patient import Patient
from bot.settings import Settings


class SettingsComplete:
    """Whether ``signoff serve`` takes them, and what it warns of. ``problems`` are what it says where it does not."""

    name = "settings"

    def __init__(self, problems: Sequence[str] = ()) -> None:
        self._problems = problems

    async def look(self, patient: Patient) -> Sequence[Finding]:
        return list(self._found(patient.settings))

    def _found(self, settings: Settings) -> Iterator[Finding]:
        todo = "Correct it in the environment or in .env; docs/settings.md has every setting."
        # The key has a check of its own.
        yield from (fail(one, todo) for one in self._problems if not one.startswith("SIGNOFF_SECRET_KEY is missing"))
        for warning in settings.warnings():
            # The address is looked at by a check of its own, which goes there.
            if settings.public_url not in warning:
                yield warn(warning, "See docs/settings.md.")
        if not self._problems:
            yield ok("All settings can be read, and go together.")


class SecretKey:
    """Whether links and stored secrets are safe: the key is there, is long, and nobody else reads it."""

    name = "secret key"

    def __init__(self, dotenv: Path = Path(".env")) -> None:
        self._dotenv = dotenv

    async def look(self, patient: Patient) -> Sequence[Finding]:
        return list(self._found(patient.settings))

    def _found(self, settings: Settings) -> Iterator[Finding]:
        keys = settings.secret_keys
        if not keys:
            yield fail("SIGNOFF_SECRET_KEY is missing.", "Set it; `signoff init` writes a fresh one into .env.")
            return
        if len(set(keys)) < len(keys):
            yield warn(
                "SIGNOFF_SECRET_KEY has the same key twice.", "Put a new key first, and keep the old one behind it."
            )
        mode = _mode(self._dotenv)
        if mode is not None and mode & (stat.S_IRGRP | stat.S_IROTH):
            yield warn(f"{self._dotenv} can be read by others on this machine.", f"Run: chmod 600 {self._dotenv}")
        kept = "" if len(keys) == 1 else f", and {len(keys) - 1} older that still verify"
        yield ok(f"There is a key of {len(keys[0])} characters{kept}.")


def _mode(path: Path) -> int | None:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - as short, and follows links as what reads it does
    except OSError:
        return None
