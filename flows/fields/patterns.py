"""Regular expressions that no text can make run for ever: Rust's engine, which pydantic ships, is linear in the text."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema

from flows.fields.sentences import problem, quoted


@lru_cache(maxsize=1_024)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether the pattern is found in a text, in time linear in the text. Raises a problem for pydantic to report."""
    try:
        compiled = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).rpartition("error: ")[2].strip().rpartition("SchemaError: ")[2]
        raise problem("pattern", f"the pattern {quoted(pattern)} cannot be used: {reason}") from None
    return compiled.isinstance_python


def whole_matcher(pattern: str) -> Callable[[str], bool]:
    """Like ``matcher``, for patterns that have to match all of a text."""
    matcher(pattern)  # by itself first: "a)|(b" would be sound inside the group
    return matcher(rf"\A(?:{pattern})\z")
