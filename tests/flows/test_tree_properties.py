"""The laws of trees, held against random flows of every shape and everything that can happen to their runs.

A world is some runs of one flow with the people around them; ``random_flows`` writes the flow, and a number is all that
chance is made of, so a world that breaks a law can be looked at again: ``World(4711).live()``. The engine runs inside
the shipped store. Beside it stands a second opinion: ``second_opinion`` reads the rows anew, ``told`` replays the
ledger, and the world itself remembers who has said what. ``test_planted_bugs`` sees that these laws notice.
"""

from __future__ import annotations

from random import Random, SystemRandom

import pytest

from flows.checks import check
from tests.flows.random_flows import Author
from tests.flows.tree_world import World, length


def test_the_flows_are_some_that_check_takes():
    for number in range(60):
        chance = Random(number)  # noqa: S311 -- nobody has to guess it
        flow, children = Author(chance, length(chance)).write()
        for one in (flow, *children.values()):
            findings = check(one, others=[flow, *children.values()])
            assert [finding for finding in findings if finding.severity == "error"] == []


def test_the_laws_hold_in_trees():
    for number in range(30):
        World(number).live()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(2))
def test_the_laws_hold_in_many_more_trees_others_each_time(part):
    first = SystemRandom().randrange(10**12)
    for number in range(first, first + 1_000):
        World(number).live()
