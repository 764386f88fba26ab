"""Working time, held against a slow opinion that counts minutes one by one."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import calendars
from flows.definition import WEEKDAYS, WorkingHours

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NINE_TO_FIVE = WorkingHours()


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("start", "amount", "end"),
    [
        ("2026-11-20 12:00", 2 * DAY, "2026-11-24 12:00"),  # Friday noon
        ("2026-11-20 15:00", 4 * HOUR, "2026-11-23 11:00"),
        ("2026-11-20 09:00", 8 * HOUR, "2026-11-20 17:00"),
        ("2026-11-20 17:00", HOUR, "2026-11-23 10:00"),
        ("2026-11-21 03:00", 30 * HOUR, "2026-11-24 15:00"),  # a day and six hours from Monday's beginning
        ("2026-11-20 12:00", timedelta(0), "2026-11-20 12:00"),
        ("2026-11-20 08:00", timedelta(minutes=1), "2026-11-20 09:01"),
    ],
)
def test_days_are_working_days_and_the_rest_is_working_hours(start, amount, end):
    assert calendars.after(at(start), amount, NINE_TO_FIVE, None) == at(end)


def test_R14_the_time_on_the_wall_stays_where_the_clocks_change():
    berlin = NINE_TO_FIVE.model_copy(update={"zone": "Europe/Berlin"})
    friday = at("2026-03-27 12:00", "Europe/Berlin")  # on Sunday, summer time begins

    assert calendars.after(friday, DAY, berlin, "America/New_York") == at("2026-03-30 12:00", "Europe/Berlin")


def test_public_holidays_are_no_working_days():
    berlin = WorkingHours(zone="Europe/Berlin", holidays="DE-BE")

    # The Friday is a holiday in all of Germany, the 8th of March one in Berlin alone.
    assert calendars.after(at("2026-12-24 12:00"), DAY, berlin, None) == at("2026-12-28 12:00")
    assert calendars.opening(at("2027-03-08 12:00"), berlin, None) == at("2027-03-09 08:00")
    assert calendars.opening(at("2027-03-08 12:00"), WorkingHours(holidays="DE"), None) == at("2027-03-08 12:00")


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ({"zone": "Europe/Berln"}, "no time zone"),
        ({"holidays": "XX"}, "holidays of 'XX' are not known"),
        ({"holidays": "DE-ZZZ"}, "holidays of 'DE-ZZZ' are not known"),
    ],
)
def test_what_names_no_zone_or_country_is_said(hours, words):
    with pytest.raises(calendars.NoWorkingTime, match=words):
        calendars.check(WorkingHours(**hours))


def test_a_zone_in_somebodys_profile_that_nobody_knows_counts_as_utc():
    assert calendars.opening(at("2026-11-20 08:00"), NINE_TO_FIVE, "Mars/Base") == at("2026-11-20 09:00")


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
SOME_HOURS = st.builds(
    lambda days, begin, length, zone: WorkingHours(
        days=sorted(days, key=WEEKDAYS.index),
        **{"from": f"{begin:02}:30"},
        to="24:00" if begin + length >= 24 else f"{begin + length:02}:00",
        zone=zone,
    ),
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    st.integers(0, 22),
    st.integers(1, 24),
    st.sampled_from(ZONES),
)
# Around both changes of the clocks, in both halves of the world.
INSTANTS = st.integers(0, 23 * 24 * 60).map(
    lambda minute: datetime(2026, 3, 20, tzinfo=UTC) + timedelta(minutes=minute)
)


def works(instant: datetime, hours: WorkingHours) -> bool:
    """Whether the minute that begins then is one of work, as a clock on the wall shows it."""
    local = instant.astimezone(ZoneInfo(hours.zone))
    end = time.max if hours.to == "24:00" else time.fromisoformat(hours.to)
    within = time.fromisoformat(hours.from_) <= local.time() < end
    return WEEKDAYS[local.weekday()] in hours.days and within


@settings(max_examples=60, deadline=None)
@given(INSTANTS, SOME_HOURS, st.integers(0, 300))
def test_minutes_of_work_are_what_a_clock_on_the_wall_counts(start, hours, minutes):
    end = calendars.after(start, timedelta(minutes=minutes), hours, None)

    counted, minute = 0, start
    while counted < minutes or not works(minute, hours):
        if counted == minutes and minute == end:
            break  # the last minute has ended just when work did
        counted += works(minute, hours)
        minute += timedelta(minutes=1)
        assert minute - start < timedelta(days=80)  # ten half hours, one a week, are the longest
    assert end == minute


@settings(max_examples=60, deadline=None)
@given(INSTANTS, SOME_HOURS, st.integers(0, 60 * 24 * 5), st.integers(0, 600))
def test_later_beginnings_never_end_earlier(start, hours, minutes, more):
    amount = timedelta(minutes=minutes)

    assert calendars.after(start, amount, hours, None) <= calendars.after(
        start + timedelta(minutes=more), amount, hours, None
    )
