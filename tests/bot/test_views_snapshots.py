"""Every surface in every state looks as it did: ``UPDATE_SNAPSHOTS=1`` writes the snapshots anew; look at the difference."""

from __future__ import annotations

import os

import pytest

from tests.bot.views import registry

registry.load()

UPDATE = bool(os.environ.get("UPDATE_SNAPSHOTS"))


@pytest.mark.parametrize("name", registry.STATES)
def test_a_surface_looks_as_its_snapshot_says(name):
    written = registry.written(registry.STATES[name].draw())
    files = {registry.SNAPSHOTS / f"{name}{ending}": text for ending, text in written.items()}

    if UPDATE:
        registry.SNAPSHOTS.mkdir(exist_ok=True)
        for file, text in files.items():
            file.write_text(text, "utf-8")

    for file, text in files.items():
        assert file.is_file(), f"{file.name} is missing; UPDATE_SNAPSHOTS=1 writes it"
        assert text == file.read_text("utf-8"), (
            f"{file.name} differs; if it is meant, UPDATE_SNAPSHOTS=1 writes it anew"
        )


def test_no_snapshot_is_left_over():
    unused = [file for file in registry.SNAPSHOTS.iterdir() if file.stem not in registry.STATES]

    if UPDATE:
        for file in unused:
            file.unlink()

    assert UPDATE or [file.name for file in unused] == []
