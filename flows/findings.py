"""What is found wrong in a definition, before it has a file and a line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Loc = tuple[str | int, ...]
"""Where something stands in a definition: keys and positions from the top."""

_LISTED = 12


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (``error``) or looks like a slip (``warning``), in one sentence without a full stop.

    ``hint`` says what to write instead, where that is known.
    """

    loc: Loc
    message: str
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"
    about: Literal["value", "key"] = "value"
    """Whether the sentence is about what stands at ``loc``, or names its key (unknown, missing) and is about the rest."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, whatever its capitals and hyphens."""
    names = {each.casefold().replace("-", "_"): each for each in known}
    close = get_close_matches(name.casefold().replace("-", "_"), names, n=1)
    return names[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str], *, within: str = "there are") -> str | None:
    """A hint: the nearest known name, else the names there are, where they are few enough to be read."""
    names = list(known)
    close = nearest(name, names)
    if close is not None:
        return f"did you mean {close!r}?"
    return f"{within} {', '.join(names)}" if 0 < len(names) <= _LISTED else None
