"""Ids: one for each number, one number for each, and nothing to be read from them."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.ids import Ids

IDS = Ids(b"0123456789abcdef", "https://signoff.example.com")
UNHURRIED = settings(deadline=None)  # on a busy machine nothing is quick
NUMBERS = st.integers(0, 2**63 - 1)


@UNHURRIED
@given(NUMBERS)
def test_every_number_comes_back_from_its_id(number):
    for kind in ("run", "person", "effect", "token"):
        assert getattr(IDS, f"parse_{kind}")(getattr(IDS, kind)(number)) == number


@UNHURRIED
@given(st.integers(0, 2**39 - 1), st.integers(0, 2**24 - 1))
def test_a_suspension_is_its_run_and_its_number(run, n):
    assert IDS.parse_suspension(IDS.suspension(run, n)) == (run, n)


@UNHURRIED
@given(st.lists(NUMBERS, unique=True, min_size=2, max_size=50))
def test_no_two_numbers_have_one_id(numbers):
    assert len({IDS.run(number) for number in numbers}) == len(numbers)


@UNHURRIED
@given(st.text(string.ascii_lowercase + string.digits, min_size=13, max_size=13))
def test_every_id_that_is_understood_is_the_one_that_is_written(body):
    number = IDS.parse_run(f"run_{body}")

    assert number is None or IDS.run(number) == f"run_{body}"


@UNHURRIED
@given(NUMBERS)
def test_an_id_of_one_kind_or_of_one_database_is_another_number_in_the_other(number):
    other = Ids(b"another database")

    assert IDS.run(number)[4:] != IDS.person(number)[4:]
    assert other.run(number) != IDS.run(number)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "run",
        "run_",
        "run_0",
        "sus_0000000000000",
        "run_000000000000i",
        "run_zzzzzzzzzzzzz",
        "RUN_0000000000000",
        "run_00000000000000",
        "run_0000000000000 ",
        "run_000000000000０",
    ],
)
def test_what_is_no_id_is_none(text):
    assert IDS.parse_run(text) is None


def test_neighbours_do_not_look_alike():
    first, second = IDS.run(1), IDS.run(2)

    assert sum(a != b for a, b in zip(first, second, strict=True)) > 6


@pytest.mark.parametrize(("run", "n"), [(0, -1), (0, 2**24), (2**39, 0), (-1, 0)])
def test_a_suspension_out_of_range_is_refused(run, n):
    with pytest.raises(ValueError, match="out of range"):
        IDS.suspension(run, n)


def test_the_seed_is_not_in_the_repr():
    assert "0123456789abcdef" not in repr(IDS)
