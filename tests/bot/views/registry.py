"""Every surface in each of its states, under the name of the function that draws it; see ``README.md``."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

from bot.slack.views.answer import Answer, told
from bot.slack.views.card import Shown
from integrations.mail.layout import Letter
from tests.slack_schema.check import check_blocks, check_message, check_view

HERE = Path(__file__).parent
SNAPSHOTS = HERE / "snapshots"
LETTERS = ("x", "&", "😀", "\n")
"""What the largest input is made of: plain letters, what becomes five when it is escaped, what has two code units in
Slack's clients, and what is nothing once lines are put together."""

_TEXT = 3_000
"""Characters of a sentence that goes into one section."""
_SUBJECT = 150
_WIDTH = 140  # characters of a line of a snapshot

Drawn = Shown | Letter | Answer | str | list[Any] | dict[str, Any]
"""A message, a mail, an answer, a sentence in Slack's markup, blocks of a message, or a view."""


@dataclass(frozen=True)
class State:
    """One state of some surfaces: ``draws`` are the functions that it is there for."""

    name: str
    draws: tuple[FunctionType, ...]
    draw: Callable[[], Drawn]


@dataclass(frozen=True)
class Largest:
    """The largest legal input of some surfaces, made of one letter."""

    name: str
    draws: tuple[FunctionType, ...]
    draw: Callable[[str], Drawn]


STATES: dict[str, State] = {}
LARGEST: dict[str, Largest] = {}


def state(*draws: Callable[..., Any]) -> Callable[[Callable[[], Drawn]], Callable[[], Drawn]]:
    """Registers a state of what ``draws`` draw. The function's name is the snapshot's."""

    def register(draw: Callable[[], Drawn]) -> Callable[[], Drawn]:
        name = draw.__name__
        assert name not in STATES, f"two states are called {name}"
        STATES[name] = State(name, _functions(draws), draw)
        return draw

    return register


def largest(*draws: Callable[..., Any]) -> Callable[[Callable[[str], Drawn]], Callable[[str], Drawn]]:
    """Registers the largest legal input of what ``draws`` draw; the function takes the letter that it is made of."""

    def register(draw: Callable[[str], Drawn]) -> Callable[[str], Drawn]:
        name = draw.__name__
        assert name not in LARGEST, f"two are called {name}"
        LARGEST[name] = Largest(name, _functions(draws), draw)
        return draw

    return register


@cache
def load() -> None:
    """Import every file of ``surfaces/``, which registers what is in it."""
    for file in sorted((HERE / "surfaces").glob("*.py")):
        importlib.import_module(f"tests.bot.views.surfaces.{file.stem}")


def written(drawn: Drawn) -> Mapping[str, str]:
    """What a snapshot holds, by the end of its file's name."""
    match drawn:
        case Letter(subject, text, html):
            return {".txt": f"Subject: {subject}\n\n{text.rstrip()}\n", ".html": f"{html.rstrip()}\n"}
        case str():
            return {".txt": f"{drawn}\n"}
        case Answer():
            return {".json": _json(told(drawn))}
        case Shown():
            return {".json": _json({"text": drawn.text, "blocks": drawn.blocks, **_beside(drawn)})}
        case _:
            return {".json": _json(drawn)}


def wrong(drawn: Drawn) -> list[str]:
    """What Slack, or whoever reads a mail, would refuse of it."""
    match drawn:
        case Letter(subject, text, html):
            return list(_wrong_letter(subject, text, html))
        case Answer():
            return check_blocks(told(drawn))
        case str():
            return check_blocks([{"type": "section", "text": {"type": "mrkdwn", "text": drawn}}])
        case Shown():
            return check_message(drawn.text, drawn.blocks, attachments=_beside(drawn).get("attachments", []))
        case dict():
            return check_view(drawn)
        case _:
            return check_blocks(drawn)


def _beside(shown: Shown) -> dict[str, Any]:
    """What a message has beside its blocks: attachments, for a bar of colour."""
    attachments = getattr(shown, "attachments", None)
    return {"attachments": list(attachments)} if attachments else {}


def _wrong_letter(subject: str, text: str, html: str) -> Iterator[str]:
    if not 1 <= len(subject) <= _SUBJECT or "\n" in subject or "\r" in subject:
        yield f"the subject is no line of at most {_SUBJECT} characters: {subject!r}"
    for what, body in (("text", text), ("html", html)):
        if len(body.encode()) > 102 * 1024:
            yield f"the {what} has {len(body.encode())} bytes; Gmail cuts what has more than 102 KB"
    # RFC 5322 (2.1.1) allows 998 characters; longer lines are encoded on the way, which mail clients undo.
    if "<script" in html.lower():
        yield "the html has a script"


def _functions(draws: tuple[Callable[..., Any], ...]) -> tuple[FunctionType, ...]:
    assert draws, "say which view functions it is there for"
    assert all(isinstance(each, FunctionType) for each in draws)
    return tuple(each for each in draws if isinstance(each, FunctionType))


def _json(value: Any) -> str:
    return f"{_laid_out(_sorted(value), 0)}\n"


def _laid_out(value: Any, depth: int) -> str:
    """JSON in as few lines as can be read: what fits into one stands in one."""
    whole = json.dumps(value, ensure_ascii=False)
    if len(whole) + depth <= _WIDTH or not isinstance(value, dict | list) or not value:
        return whole
    inside = " " * (depth + 1)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_laid_out(each, depth + 1)}" for key, each in value.items()]
    else:
        parts = [_laid_out(each, depth + 1) for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inside}" + f",\n{inside}".join(parts) + f"\n{' ' * depth}{closing}"


def _sorted(value: Any) -> Any:
    """By name, the type first: the order in which a view was put together is nobody's concern."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value, key=lambda key: (key != "type", key))}
    return [_sorted(each) for each in value] if isinstance(value, list | tuple) else value
