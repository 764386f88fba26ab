"""When digests come, and what becomes of them when two people turn out to be one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from bot.digests import Digests, following
from flows.errors import InvalidForm
from flows.people import Person
from flows.store.sqlite import SqliteStore
from flows.testing import FakeClock

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "zone", "now", "then"),
    [
        (DAY, None, "2026-01-05T07:59", "2026-01-05T08:00"),
        (DAY, None, "2026-01-05T08:00", "2026-01-06T08:00"),
        (DAY, "Europe/Berlin", "2026-01-05T06:59", "2026-01-05T07:00"),
        (DAY, "America/New_York", "2026-01-05T14:00", "2026-01-06T13:00"),
        (DAY, "Nowhere/Land", "2026-01-05T09:00", "2026-01-06T08:00"),
        # Clocks are set forward in the night of the 29th of March, and back in that of the 25th of October.
        (DAY, "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T06:00"),
        (DAY, "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T07:00"),
        (HOUR, "Asia/Kolkata", "2026-01-05T09:10", "2026-01-05T09:30"),
        (HOUR, "Europe/Berlin", "2026-01-05T09:00", "2026-01-05T10:00"),
        (HOUR, "Europe/Berlin", "2026-03-29T00:30", "2026-03-29T01:00"),
        (HOUR, "Europe/Berlin", "2026-03-29T01:00", "2026-03-29T02:00"),
        (HOUR, "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T01:00"),
        (timedelta(hours=5), None, "2026-01-05T21:00", "2026-01-06T00:00"),
        (timedelta(minutes=15), None, "2026-01-05T09:14", "2026-01-05T09:15"),
    ],
)
def test_a_digest_comes_by_its_readers_clock(every: timedelta, zone: str | None, now: str, then: str) -> None:
    assert following(every, zone, at(now)) == at(then)


def test_the_next_digest_is_always_ahead_whatever_the_clocks_do() -> None:
    now = at("2026-10-24T22:00")
    for _ in range(400):
        for every in (DAY, HOUR, timedelta(minutes=15), timedelta(hours=7)):
            then = following(every, "Europe/Berlin", now)
            assert now < then <= now + max(every, HOUR) + HOUR
        now += timedelta(minutes=7)


async def test_too_often_and_too_seldom_are_refused_and_what_was_wanted_goes_along_with_a_merge(tmp_path: Path) -> None:
    clock = FakeClock()
    store = await SqliteStore.open(tmp_path / "s.db", clock=clock)
    try:
        digests = Digests(store, cast("Any", None), clock)
        ann = await store.know(Person(0, "Ann", "ann@example.com"), ["ann@example.com"])
        alias = await store.know(Person(0, "Ann", "archer@example.com"), ["archer@example.com"])
        for wrong in (timedelta(minutes=1), timedelta(days=2)):
            with pytest.raises(InvalidForm, match="between 15 minutes and a day"):
                await digests.prefer(ann.id, wrong)

        await digests.prefer(alias.id, HOUR)
        merged = await store.know(
            Person(0, "Ann", "ann@example.com", "T1/UANN"), ["ann@example.com", "archer@example.com"]
        )

        assert await digests.preference(merged.id) == HOUR
        await digests.prefer(merged.id, None)
        assert await digests.preference(merged.id) is None
        assert await digests.next_due() is None
    finally:
        await store.close()
