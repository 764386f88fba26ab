"""No surface is without a snapshot, a limits test and a schema check: whoever adds a view has to register it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

from bot import mail
from bot.slack import views
from tests.bot.views import exempt, registry

registry.load()

_DRAWN = re.compile(r"\b(Shown|Block|Letter|Answer)\b|^str( \| None)?$")


def _public(package: Path, name: str) -> Iterator[FunctionType]:
    for file in sorted(package.glob("*.py")):
        module = importlib.import_module(name if file.stem == "__init__" else f"{name}.{file.stem}")
        for each in vars(module).values():
            if (
                isinstance(each, FunctionType)
                and each.__module__ == module.__name__
                and not each.__name__.startswith("_")
            ):
                yield each


def _surfaces() -> dict[str, FunctionType]:
    """What draws: the public functions of the Slack views and the mails that give a message, blocks, a view, a mail or a
    sentence."""
    found = [
        function
        for package in (views, mail)
        for function in _public(Path(package.__file__).parent, package.__name__)
        if _DRAWN.search(str(function.__annotations__.get("return")))
    ]
    return {f"{one.__module__}.{one.__qualname__}": one for one in found}


def _exempt(name: str, reasons: dict[str, str]) -> bool:
    return name in reasons or name.rpartition(".")[0] in reasons


def test_every_surface_has_a_snapshot_or_a_reason_not_to():
    drawn = {function for one in registry.STATES.values() for function in one.draws}

    lacking = [name for name, one in _surfaces().items() if one not in drawn and not _exempt(name, exempt.DRAWN_WITHIN)]

    assert lacking == [], (
        "register a state in tests/bot/views/surfaces, or say in tests/bot/views/exempt.py where it is drawn"
    )


def test_every_surface_has_a_largest_input_or_takes_none():
    drawn = {function for one in registry.LARGEST.values() for function in one.draws}
    reasons = {**exempt.DRAWN_WITHIN, **exempt.ALWAYS_THE_SAME}

    lacking = [name for name, one in _surfaces().items() if one not in drawn and not _exempt(name, reasons)]

    assert lacking == [], (
        "register its largest input in tests/bot/views/surfaces, or say in tests/bot/views/exempt.py why it has none"
    )


def test_nothing_is_exempt_that_is_registered_or_gone():
    surfaces = _surfaces()
    modules = {name.rpartition(".")[0] for name in surfaces}
    states = {f"{one.__module__}.{one.__qualname__}" for each in registry.STATES.values() for one in each.draws}
    largest = {f"{one.__module__}.{one.__qualname__}" for each in registry.LARGEST.values() for one in each.draws}

    assert [name for name in exempt.DRAWN_WITHIN if name not in surfaces and name not in modules] == []
    assert [name for name in exempt.DRAWN_WITHIN if name in states] == []
    assert [name for name in exempt.ALWAYS_THE_SAME if name not in states or name in largest] == []
    assert all(reason.strip() for reason in [*exempt.DRAWN_WITHIN.values(), *exempt.ALWAYS_THE_SAME.values()])
