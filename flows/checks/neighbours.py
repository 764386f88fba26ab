"""The flows that stand beside the one that is checked: what it may run, and what it may hear of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flows.checks.written import Written


@dataclass(frozen=True)
class Neighbours:
    """Known flows by name, the one that is checked among them.

    ``names`` are the names of all flows that are known of, also of those that are broken or there twice. ``complete``:
    there are no others.
    """

    flows: Mapping[str, Written] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    complete: bool = True


def way_back(start: str, first: str, following: Callable[[str], Iterable[str]]) -> list[str] | None:
    """The shortest way that leads from ``start`` over ``first`` back to ``start``; None where there is none."""
    ways = [[start, first]]
    seen = {first}
    for way in ways:
        if way[-1] == start:
            return way
        for name in following(way[-1]):
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return None
