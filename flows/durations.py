"""Lengths of time as people write them: ``10s``, ``2d``, ``1h30m``, ``2 days``, ISO 8601 ``PT5M``.

A day is always 24 hours and a week seven days. Months and years have no fixed length, so neither spelling
knows them; ``m`` is a minute.
"""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

MAX_DURATION = timedelta(days=36_525)
"""A hundred years: added to any date of this century, it stays within what ``datetime`` can hold."""

# Largest first; each unit at most once and in this order, so that "30m1h" and "1h1h" are seen as the slips they are.
_MICROSECONDS = {
    "w": 7 * 86_400_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)"
_TEXT = re.compile(
    rf"(?:{_NUMBER} ?(?:w|weeks?))? ?"
    rf"(?:{_NUMBER} ?(?:d|days?))? ?"
    rf"(?:{_NUMBER} ?(?:h|hours?))? ?"
    rf"(?:{_NUMBER} ?(?:m|min|minutes?))? ?"
    rf"(?:{_NUMBER} ?(?:s|sec|seconds?))? ?"
    rf"(?:{_NUMBER} ?(?:ms|milliseconds?))?"
)
_ISO = re.compile(
    rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?=[0-9])(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.IGNORECASE,
)


def parse_duration(text: str) -> timedelta:
    """The duration that ``text`` means, to the microsecond; never negative, at most ``MAX_DURATION``.

    Raises ``ValueError``, with a sentence about what a duration looks like, for anything else; a bare
    number is refused, because it does not say of what.
    """
    given = text.strip()
    match = (_ISO if given[:1] in ("P", "p") else _TEXT).fullmatch(given) if len(given) <= 100 else None
    amounts = match.groups() if match else ()
    if not any(amounts):
        raise ValueError("must be a duration like 10s, 2d or 1h30m")
    total = sum(
        Fraction(amount) * size for amount, size in zip(amounts, _MICROSECONDS.values(), strict=False) if amount
    )
    if total > MAX_DURATION // timedelta(microseconds=1):
        raise ValueError(f"must be a duration of at most {MAX_DURATION.days} days")
    return timedelta(microseconds=round(total))


def format_duration(duration: timedelta) -> str:
    """The one spelling of ``duration`` that is stored and shown: ``1d2h3m4.5s``; nothing is ``0s``.

    ``parse_duration`` reads it back exactly. Raises ``ValueError`` where it is negative.
    """
    if duration < timedelta(0):
        raise ValueError("a duration is not negative")
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    spelled = "".join(
        f"{amount}{unit}" for amount, unit in ((duration.days, "d"), (hours, "h"), (minutes, "m")) if amount
    )
    if duration.microseconds:
        spelled += f"{seconds}.{duration.microseconds:06d}".rstrip("0") + "s"
    elif seconds or not spelled:
        spelled += f"{seconds}s"
    return spelled
