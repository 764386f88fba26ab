"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.durations import MAX_DURATION, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("10s", "10s"),
        ("2d", "2d"),
        ("1h30m", "1h30m"),
        ("90m", "1h30m"),
        ("48h", "2d"),
        ("2w", "14d"),
        ("1.5h", "1h30m"),
        ("500ms", "0.5s"),
        ("0s", "0s"),
        (" 2 days ", "2d"),
        ("1 h 30 min", "1h30m"),
        ("PT5M", "5m"),
        ("P1DT2H", "1d2h"),
        ("P2W", "14d"),
        ("pt0.5s", "0.5s"),
        ("36525d", "36525d"),
    ],
)
def test_a_duration_is_read_and_has_one_spelling(text: str, canonical: str) -> None:
    assert format_duration(parse_duration(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "-5s",
        "1m1h",
        "1h1h",
        "s",
        "P",
        "PT",
        "P1DT",
        "P1M",
        "P1Y",
        "1y",
        "1,5h",
        "1e3s",
        "١s",
        "2D",
        "1h " * 40,
    ],
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration like 10s, 2d or 1h30m"):
        parse_duration(text)


def test_a_duration_has_bounds_on_both_sides() -> None:
    with pytest.raises(ValueError, match="at most 36525 days"):
        parse_duration("36525d1s")
    with pytest.raises(ValueError, match="not negative"):
        format_duration(timedelta(seconds=-1))


@given(st.timedeltas(min_value=timedelta(0), max_value=MAX_DURATION))
def test_every_duration_is_read_back_as_it_was_written(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration
