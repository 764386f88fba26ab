"""Expressions: that they can be compiled, and that what they name is there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.checks.names import wrong_name
from flows.checks.readings import Place, template
from flows.checks.scope import Scope
from flows.checks.written import texts
from flows.findings import Finding, Loc
from flows.ports import Json

_STATEMENTS = (("{%", "%}"), ("{#", "#}"))


def check_expressions(scope: Scope) -> Iterator[Finding]:
    """Those of the steps, and of the flow's outputs."""
    for reading in scope.everything:
        if reading.error is not None:
            yield Finding(reading.loc, reading.error.message, reading.error.hint)
        elif "{{" not in reading.text and _holds_statement(reading.text):
            yield Finding(
                reading.loc,
                "statements are not run: this text is shown as it stands, braces and all",
                "use {{ a if b else c }}, or an 'if' on the step",
                "warning",
            )
        for name in sorted(reading.names):
            reason = wrong_name(scope, name, reading.place)
            if reason is not None:
                yield Finding(reading.loc, *reason)


def check_supersede(scope: Scope) -> Iterator[Finding]:
    """The key of a run, which is worked out before it starts: from its inputs alone."""
    text = scope.written.document.get("supersede")
    if not isinstance(text, str):
        return
    reading = template(text, ("supersede",), Place(None, "end"))
    if reading.error is not None:
        yield Finding(reading.loc, reading.error.message, reading.error.hint)
    for name in sorted(reading.names):
        if name[0] == "inputs":
            reason = wrong_name(scope, name, reading.place)
        else:
            reason = f"{name[0]!r} cannot be read before there is a run", "only 'inputs' can be read here"
        if reason is not None:
            yield Finding(reading.loc, *reason)


def check_plain(scope: Scope) -> Iterator[Finding]:
    """Texts that are never rendered, and look as if they were meant to be."""
    document = scope.written.document
    for loc, text in texts(document.get("inputs"), ("inputs",)):
        if "{{" in text and any(key in ("default", "label", "description") for key in loc):
            yield Finding(loc, "is asked before there is a run, so there is nothing to read", "write it out")
    for key in ("title", "description"):
        yield from _as_it_stands(document.get(key), (key,), "the inputs")
    for part in scope.written.parts:
        yield from _as_it_stands(part.raw.get("title"), (*part.loc, "title"), "'ask'")
        for loc, text in texts(part.wait.get("options"), (*part.loc, str(part.waits), "options")):
            yield from _as_it_stands(text, loc, "'ask'")


def _as_it_stands(text: Json, loc: Loc, instead: str) -> Iterator[Finding]:
    if isinstance(text, str) and "{{" in text:
        what = "a title" if loc[-1] == "title" else "it"
        yield Finding(
            loc, f"{what} is shown as it stands, braces and all", f"put what varies into {instead}", "warning"
        )


def _holds_statement(text: str) -> bool:
    # Not a regular expression: each `{%` without an end would be looked after up to the end of the text.
    return any(0 <= text.find(opens) < text.rfind(closes) for opens, closes in _STATEMENTS)


def rendered(value: Any) -> bool:
    """Whether a value holds expressions, so that nobody knows it yet."""
    return any("{{" in text for _, text in texts(value, ()))
