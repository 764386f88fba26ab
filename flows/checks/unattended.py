"""Flows that call themselves an approval, and can succeed without anybody having decided. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from flows.checks.neighbours import Neighbours
from flows.checks.written import Block, Part, Written, items
from flows.findings import Finding
from flows.ports import Json

_APPROVAL = re.compile(r"approv", re.IGNORECASE)
_NOBODY = "nobody is asked in it"


def check_unattended(written: Written, neighbours: Neighbours | None) -> Iterator[Finding]:
    calls = [key for key in ("flow", "title", "description") if _APPROVAL.search(str(written.document.get(key) or ""))]
    if not calls or written.steps is None:
        return
    if not any(part.asks for part in written.parts) and any(part.python for part in written.parts):
        return  # its functions may ask
    gap = _Ways(neighbours.flows if neighbours is not None else {}, written).gap(written.steps.parts)
    if gap is not None:
        yield Finding(
            (calls[0],),
            f"this calls itself an approval, and can succeed without anybody having decided: {gap or _NOBODY}",
            "ask on every way through it, or call it something else",
            "warning",
        )


class _Ways:
    """The ways through a flow. A gap says why nobody may have decided on one of them; it is empty where nobody is
    asked at all, and None where somebody has decided on every way."""

    def __init__(self, flows: Mapping[str, Written], written: Written) -> None:
        self._flows = flows
        self._around = [written.name]

    def gap(self, parts: Sequence[Part]) -> str | None:
        found = ""
        for part in parts:
            gap = self._gap(part)
            if gap is None:
                return None
            found = found or gap
        return found

    def _gap(self, part: Part) -> str | None:
        gap = self._asked(part) if part.asks else self._inside(part)
        if gap is not None:
            return gap
        if part.raw.get("if") and part.holding != "then":
            return f"{part.called} is skipped where its 'if' is false"
        if self._passes(part, "on_error", part.raw):
            return f"the run goes on where {part.called} fails"
        if part.holding is not None and self._passes(part, "on_timeout", part.raw):
            return f"the run goes on where a deadline in {part.called} has passed"
        return None

    def _asked(self, part: Part) -> str | None:
        if self._passes(part, "on_timeout", part.wait):
            return f"the run goes on where nobody has decided {part.called} in time"
        return None

    def _inside(self, part: Part) -> str | None:
        held = [block for block in part.blocks if not block.handles]
        if part.child is not None:
            return self._child(part.child)
        gaps = [self.gap(block.parts) for block in held]
        asks = any(gap != "" for gap in gaps)
        told = next((gap for gap in gaps if gap), None)
        if not asks:
            return ""
        match part.holding:
            case "parallel":
                return None if None in gaps else told
            case "for_each" if told is None and not _runs(part.raw.get("for_each")):
                return f"the loop {part.called} may have nothing to run over"
            case "then" | "switch" if told is None and ("" in gaps or not _is_complete(part, held)):
                return f"not every branch of {part.called} asks somebody"
            case _:
                return told

    def _child(self, name: str) -> str | None:
        child = self._flows.get(name)
        if child is None or child.steps is None or name in self._around:
            return None  # nobody knows what it does
        self._around.append(name)
        gap = self.gap(child.steps.parts)
        self._around.pop()
        return f"in the child flow {name!r}, {gap}" if gap else gap

    def _passes(self, part: Part, key: str, owner: Mapping[str, Json]) -> bool:
        """Whether the run goes on after that, and the steps of the handler ask nobody either."""
        handler = owner.get(key)
        word = handler.get("then") if isinstance(handler, Mapping) else handler
        if word not in ("continue", "approve"):
            return False
        steps = next((block.parts for block in part.blocks if block.handles and block.key == key), [])
        return self.gap(steps) is not None


def _runs(each: Json) -> bool:
    """Whether a loop certainly runs at least once."""
    if isinstance(each, Mapping):
        first, last = each.get("from", 1), each.get("to")
        return isinstance(first, int) and isinstance(last, int) and first <= last
    return bool(items(each))


def _is_complete(part: Part, held: Sequence[Block]) -> bool:
    """Whether one of the branches always runs."""
    return any(block.key == ("else" if part.holding == "then" else "default") for block in held)
