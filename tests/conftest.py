from __future__ import annotations

import gc
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.testing

from bot import library

_FOLDERS = (Path(tempfile.gettempdir()).resolve(), Path(library.__file__).resolve().parent)

# Typer's runner builds all commands anew for each that is invoked, which takes longer than most of them.
typer.testing._get_command = cache(typer.testing._get_command)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: nobody has to look through it for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_flows_modules_stay() -> Iterator[None]:
    """A process imports a module once, and many tests write one of the same name: each is forgotten with its test."""
    before, path = frozenset(sys.modules), list(sys.path)
    yield
    for name in frozenset(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if (
            file is not None
            and not name.startswith("bot.")
            and any(Path(file).resolve().is_relative_to(folder) for folder in _FOLDERS)
        ):
            del sys.modules[name]
    sys.path[:] = path
