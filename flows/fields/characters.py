"""Which characters a text may hold, and what of a given text is read."""

from __future__ import annotations

import re

# Lone surrogates come out of JSON escapes and cannot be encoded, so the store would fail on them.
NOT_IN_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""One character that a text of one line does not have."""

NOT_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""One that a text of several lines does not have; the lines end in line feeds."""

NOT_IN_DATA = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""One that a text has nowhere, not even where it is taken as it is; carriage returns may be meant there."""

_MAX_SCALAR = 100  # characters of the text form of a number, a date, a duration


def plain(text: str) -> str:
    """``text`` without the powers of a subclass: a template's Markup must not stay what it is in a value."""
    return str.__str__(text)


def scalar(given: object) -> str:
    """The text form of a short value, trimmed; nothing where it is no text, or longer than any of them."""
    return plain(given).strip() if isinstance(given, str) and len(given) <= _MAX_SCALAR else ""
