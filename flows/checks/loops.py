"""Loops: that what they run over is something. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flows.checks.written import Written
from flows.findings import Finding


def check_loops(written: Written) -> Iterator[Finding]:
    for part in written.parts:
        each = part.raw.get("for_each")
        if isinstance(each, Mapping):
            first, last = each.get("from", 1), each.get("to")
            if isinstance(first, int) and isinstance(last, int) and first > last:
                yield Finding(
                    (*part.loc, "for_each"),
                    f"runs for nothing: it begins with {first} and ends with {last}",
                    "swap them",
                )
