"""How large fields and their values may be. A value is held against its limit before it is parsed."""

from __future__ import annotations

import json

from flows.ports import Json

MAX_TEXT = 3_000
"""Characters of a text, unless its field says otherwise: what Slack's plain text input takes."""

MAX_LENGTH = 20_000
"""The largest ``max_length`` that a field may ask for, and the most that a JSON value may take when written compactly."""

MAX_VALUES = 64 * 1024
"""Characters of all values of one form together."""

MAX_OPTIONS = 1_000
"""Options of one field."""

MAX_PATTERN = 500
"""Characters of a regular expression."""

MAX_DEPTH = 32
"""How deeply lists and objects of a JSON value may be nested."""

MAX_NUMBER = 10**100
"""The largest number, of either sign, that a value may hold."""


def weight(value: Json) -> int:
    """Characters that a normalised value takes."""
    if value.__class__ is str:
        return len(value)
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) if isinstance(value, list | dict) else 8
