"""Cron lines in a time zone: what they mean, also where the clocks change, and what is said of one that means nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.schedule import Cron, ScheduleError, latest, next_after, parse_cron, parse_zone

BERLIN = parse_zone("Europe/Berlin")  # 2026: forward on 29 March at 01:00 UTC, back on 25 October at 01:00 UTC
NEW_YORK = parse_zone("America/New_York")  # 2026: forward on 8 March at 07:00 UTC, back on 1 November at 06:00 UTC


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(line: str, zone: str, begin: str, end: str) -> list[str]:
    """The planned times between two instants, begin excluded, as ``month-day hour:minute`` in UTC."""
    found = []
    now = at(begin)
    while (now := next_after(parse_cron(line), parse_zone(zone), now)) <= at(end):
        found.append(f"{now:%m-%d %H:%M}")
    return found


# -- ordinary days --------------------------------------------------------------------------------------------


def test_weekdays_at_nine_in_berlin_are_eight_in_utc_in_winter_and_seven_in_summer():
    assert times("0 9 * * MON-FRI", "Europe/Berlin", "2026-01-02", "2026-01-06") == ["01-02 08:00", "01-05 08:00"]
    assert times("0 9 * * mon-fri", "Europe/Berlin", "2026-07-03", "2026-07-06T12:00") == ["07-03 07:00", "07-06 07:00"]


def test_the_next_time_is_later_than_the_one_that_is_there():
    assert next_after(parse_cron("0 9 * * *"), BERLIN, at("2026-01-05T08:00")) == at("2026-01-06T08:00")
    assert next_after(parse_cron("0 9 * * *"), BERLIN, at("2026-01-05T07:59:59.999")) == at("2026-01-05T08:00")


def test_an_instant_is_given_in_utc_whatever_the_zone():
    assert next_after(parse_cron("0 9 * * *"), NEW_YORK, at("2026-01-05")).tzinfo is UTC


@pytest.mark.parametrize(
    ("line", "begin", "expected"),
    [
        ("0 0 31 * *", "2026-01-31T12:00", ["03-31", "05-31", "07-31"]),
        ("0 0 L * *", "2026-01-31T12:00", ["02-28", "03-31", "04-30"]),
        ("0 0 L * *", "2028-01-31T12:00", ["02-29", "03-31", "04-30"]),
        ("0 0 * * 5L", "2026-01-01", ["01-30", "02-27", "03-27"]),
        ("0 0 * * 1#2", "2026-01-01", ["01-12", "02-09", "03-09"]),
        ("0 0 13 * FRI", "2026-02-01", ["02-06", "02-13", "02-20"]),  # either of them, as cron has it
    ],
)
def test_ends_of_months_and_days_of_the_week(line, begin, expected):
    found = []
    now = at(begin)
    for _ in expected:
        now = next_after(parse_cron(line), parse_zone("UTC"), now)
        found.append(f"{now:%m-%d}")

    assert found == expected


def test_a_leap_day_comes_every_fourth_year_and_not_in_2100():
    leap = parse_cron("30 6 29 2 *")

    assert next_after(leap, parse_zone("UTC"), at("2026-01-01")) == at("2028-02-29T06:30")
    assert next_after(leap, parse_zone("UTC"), at("2096-03-01")) == at("2104-02-29T06:30")
    assert next_after(parse_cron("0 0 * 2 MON#5"), parse_zone("UTC"), at("2026-01-01")) == at("2044-02-29")


# -- R14: where the clocks change -----------------------------------------------------------------------------


def test_r14_a_time_in_the_skipped_hour_runs_once_right_after_it():
    night = times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", "2026-03-30T12:00")

    assert night == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]  # 03:00 in Berlin on the day of the change


def test_r14_several_times_in_the_skipped_hour_run_once_together_with_the_one_that_is_due_then():
    night = times("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T23:30", "2026-03-29T12:00")

    assert night == ["03-29 01:00", "03-29 01:30"]


def test_r14_a_time_in_the_doubled_hour_runs_once_in_the_first_of_the_two():
    night = times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-26T12:00")

    assert night == ["10-25 00:30", "10-26 01:30"]


def test_r14_asked_between_the_two_rounds_of_a_doubled_hour_it_names_no_time_that_is_over():
    in_second_round = at("2026-10-25T01:10")

    assert next_after(parse_cron("30 2 * * *"), BERLIN, in_second_round) == at("2026-10-26T01:30")


def test_r14_hourly_means_each_hour_that_passes():
    forward = times("0 * * * *", "America/New_York", "2026-03-08T05:30", "2026-03-08T08:30")
    back = times("0 * * * *", "America/New_York", "2026-11-01T04:30", "2026-11-01T07:30")

    assert forward == ["03-08 06:00", "03-08 07:00", "03-08 08:00"]
    assert back == ["11-01 05:00", "11-01 06:00", "11-01 07:00"]


def test_r14_a_zone_without_changes_has_none():
    assert times("30 2 * * *", "UTC", "2026-03-28T03:00", "2026-03-30T03:00") == ["03-29 02:30", "03-30 02:30"]


OFTEN = "*/20 * * * *"
LINES = ("30 2 * * *", "0,30 1-3 * * *", "15 */2 * * *", OFTEN, "0 * * * *", "0 2 * * SUN", "59 1,2 L * *")
NIGHTS = ("2026-03-08T03:00", "2026-03-28T23:00", "2026-10-24T22:00", "2026-11-01T03:00", "2026-10-03T13:00")


@pytest.mark.parametrize(
    "line", [pytest.param(line, marks=pytest.mark.slow) if line == OFTEN else line for line in LINES]
)
@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    night=st.sampled_from(NIGHTS),
    seconds=st.integers(0, 8 * 3600),
)
def test_r14_whenever_it_is_asked_the_times_are_the_same(line, zone, night, seconds):
    cron, where = parse_cron(line), parse_zone(zone)
    asked = at(night) + timedelta(seconds=seconds)
    walked = at(night) - timedelta(days=2)
    while walked <= asked:
        walked = next_after(cron, where, walked)

    assert next_after(cron, where, asked) == walked


# -- after a pause --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "due", "now", "expected"),
    [
        ("0 9 * * *", "2026-01-05T08:00", "2026-01-05T08:00", "2026-01-05T08:00"),
        ("0 9 * * *", "2026-01-05T08:00", "2026-01-06T07:59", "2026-01-05T08:00"),
        ("0 9 * * *", "2026-01-05T08:00", "2026-01-09T12:00", "2026-01-09T08:00"),
        ("* * * * *", "2020-01-05T08:00", "2026-01-09T12:00:30", "2026-01-09T12:00"),
        ("0 0 29 2 *", "2020-02-28T23:00", "2026-01-09T12:00", "2024-02-28T23:00"),
        ("30 2 * * *", "2026-10-23T00:30", "2026-10-25T01:45", "2026-10-25T00:30"),
    ],
)
def test_what_is_left_after_a_pause_is_the_last_time_that_was_planned(line, due, now, expected):
    assert latest(parse_cron(line), BERLIN, at(due), at(now)) == at(expected)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(line=st.sampled_from(LINES), start=st.integers(0, 200 * 24), pause=st.integers(0, 60 * 24 * 20))
def test_the_last_time_is_the_one_that_waking_for_each_would_have_found(line, start, pause):
    cron = parse_cron(line)
    due = next_after(cron, BERLIN, at("2026-03-01") + timedelta(hours=start))
    now = due + timedelta(minutes=pause)
    walked = due
    while (following := next_after(cron, BERLIN, walked)) <= now:
        walked = following

    assert latest(cron, BERLIN, due, now) == walked


# -- what cannot be understood --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "problem", "hint"),
    [
        ("61 * * * *", "the minute '61' is not right", "0 to 59"),
        ("*/0 * * * *", "the minute '*/0' is not right", "*/10"),
        ("0 24 * * *", "the hour '24' is not right", "0 to 23"),
        ("0 9 32 * *", "the day of the month '32' is not right", "1 to 31"),
        ("0 9 * thirteen *", "the month 'thirteen' is not right", "JAN to DEC"),
        ("0 9 * * MON-FRY", "the day of the week 'MON-FRY' is not right", "SUN to SAT"),
        ("0 9 * * FRI-MON", "the day of the week 'FRI-MON' ends before it begins", "FRI-SAT,SUN"),
        ("0 9 31 2 *", "no month that is asked for has a day 31", "L is the last day"),
        ("* * */20 * 1L", "never comes", None),
        ("0 9 * *", "five fields", "0 9 * * MON-FRI"),
        ("0 0 9 * * *", "has 6", "0 9 * * MON-FRI"),
        ("", "has 0", "0 9 * * MON-FRI"),
        ("@daily", "'@daily' is not known here", '"0 0 * * *"'),
        (f"{','.join(str(n % 60) for n in range(300))} * * * *", "at most 200 characters", None),
        (f"{'9' * 5000} * * * *", "at most 200 characters", None),
    ],
)
def test_a_wrong_line_is_refused_by_the_field_that_is_wrong(line, problem, hint):
    with pytest.raises(ScheduleError) as caught:
        parse_cron(line)

    assert problem in str(caught.value)
    assert hint is None or hint in (caught.value.hint or "")


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(st.text("0123456789*,-/L#WSUNMOa²٣ ", min_size=1, max_size=8), min_size=5, max_size=5).map(" ".join),
    )
)
def test_whatever_is_written_is_a_schedule_or_refused(line):
    try:
        cron = parse_cron(line)
    except ScheduleError:
        return

    assert parse_cron(cron.text) == cron
    assert next_after(cron, BERLIN, at("2026-01-05")) > at("2026-01-05")


def test_two_spellings_of_a_line_are_one():
    assert parse_cron("  0   9 * * mon-fri ") == parse_cron("0 9 * * MON-FRI") == Cron("0 9 * * MON-FRI")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("europe/berlin", "'Europe/Berlin'"),
        ("Europe/Berln", "'Europe/Berlin'"),
        ("berlin", "'Europe/Berlin'"),
        ("New York", "'America/New_York'"),
        ("CEST", "it looks like Europe/Berlin"),
        ("localtime", "it looks like Europe/Berlin"),
        ("../etc/passwd", "it looks like Europe/Berlin"),
        ("Europe", "it looks like Europe/Berlin"),
        ("", "it looks like Europe/Berlin"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest(name, hint):
    with pytest.raises(ScheduleError) as caught:
        parse_zone(name)

    assert hint in (caught.value.hint or "")
