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

MAX_FIELDS = 100
"""Fields of one form, inputs of one flow, fields of one object."""

MAX_ITEMS = 1_000
"""Items of one list."""

FILE = 32 * 1024
"""Bytes of a file, unless its field says otherwise. Base64 writes three bytes in four characters: 43,692 of the 65,536
that all values together may have, so that the longest other value still fits beside it."""

MAX_FILE = 45 * 1024
"""The most bytes that a field may ask for: 61,440 characters, which leave 4,096 for its name and for a text of the
usual length beside it. Larger files belong where files are kept; a ``url`` leads there."""

MAX_LABEL = 150
"""Characters of a label as it is shown."""

MAX_OPTION = 200
"""Characters of the value, and of the label, of an option."""

MAX_DESCRIPTION = 2_000
"""Characters of a description as it is shown: what Slack's hint takes."""

MAX_TEMPLATE = 2_000
"""Characters of a label or a description with ``{{ }}`` in it: what it comes to may be shorter."""

MAX_WHEN = 1_000
"""Characters of a field's condition."""

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
