from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.web.moments import from_now, in_words, zone_named

NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(days=2), "in 2 days"),
        (timedelta(days=1, hours=23, minutes=59), "in 1 day 23 hours"),
        (timedelta(days=1, minutes=5), "in 1 day"),
        (timedelta(hours=5, minutes=1), "in 5 hours 1 minute"),
        (timedelta(seconds=60), "in 1 minute"),
        (timedelta(seconds=59), "in less than a minute"),
        (timedelta(0), "just now"),
        (timedelta(minutes=-5, seconds=-59), "5 minutes ago"),
    ],
)
def test_a_distance_is_said_in_at_most_two_units_rounded_down(distance, words):
    assert from_now(NOW + distance, NOW) == words


def test_R14_an_instant_is_said_in_the_readers_zone_across_a_change_of_the_clocks():
    berlin = zone_named("Europe/Berlin")

    assert in_words(NOW, berlin) == "Saturday, 28 March 2026, 13:00 CET (Europe/Berlin)"
    assert in_words(NOW + timedelta(days=1), berlin) == "Sunday, 29 March 2026, 14:00 CEST (Europe/Berlin)"


@pytest.mark.parametrize("name", [None, "", "Nowhere/Atall", "../../etc/passwd", "Europe", "x" * 5000, "\x00"])
def test_a_zone_that_nobody_knows_is_utc(name):
    assert in_words(NOW, zone_named(name)) == "Saturday, 28 March 2026, 12:00 UTC"
