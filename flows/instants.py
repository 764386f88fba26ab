"""Instants as the database has them: whole milliseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(instant: datetime) -> int:
    """Milliseconds since 1970, rounded down."""
    return (instant - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """The instant, aware, in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def whole(instant: datetime) -> datetime:
    """The instant without what the database would lose, so that a value read back equals the one written."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
