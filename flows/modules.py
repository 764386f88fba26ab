"""Python that stands beside flow files: how ``run: module:function`` and flows written in Python are imported.

A module is imported by its plain name, from the folder of the flow file, so that it is the very module that
the team's own tests import. That is why one name can stand for one file only: a second file of that name, in
another folder, is refused rather than mistaken for the first.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from flows.findings import did_you_mean


class CannotImport(Exception):
    """There is no such module or function, or its name is taken. ``hint`` says what to do, where that is known."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.hint = hint
        super().__init__(message)


def import_module(name: str, folder: Path) -> ModuleType:
    """The module of that name: the one in ``folder`` if there is one, else one that is installed.

    Raises ``CannotImport``; what the module itself raises while it is imported comes through as it is.
    """
    file = _file(name, folder)
    if file is None:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            beside = sorted(path.stem for path in folder.glob("*.py"))
            raise CannotImport(
                f"there is no module {name!r} in {folder}", did_you_mean(name, beside, within="there are:")
            ) from None
    if name not in sys.modules:
        # First, so that a module in the folder wins over an installed one, as it does for `python file.py`.
        if str(folder.resolve()) not in sys.path:
            sys.path.insert(0, str(folder.resolve()))
        importlib.invalidate_caches()
        importlib.import_module(name)
    module = sys.modules[name]
    loaded = getattr(module, "__file__", None)
    if loaded is None or Path(loaded).resolve() != file.resolve():
        raise CannotImport(
            f"the module name {name!r} is taken by {loaded or 'a module of Python itself'}", f"rename {file.name}"
        )
    return module


def import_function(name: str, folder: Path) -> Callable[..., Any]:
    """The function that ``module:function`` names, seen from ``folder``. Raises like ``import_module``."""
    module_name, _, function_name = name.partition(":")
    module = import_module(module_name, folder)
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        what = "no function" if function is None else f"a {type(function).__name__} and no function"
        raise CannotImport(
            f"the module {module_name!r} has {what} {function_name!r}",
            did_you_mean(function_name, known, within="it has"),
        )
    found: Callable[..., Any] = function
    return found


def _file(name: str, folder: Path) -> Path | None:
    base = folder.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
