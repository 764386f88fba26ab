"""Random people do random things to one approval, and what comes of it is what the rules say.

The number of a world is all the chance that it is made of: ``World(4711).live()`` shows one that breaks a law again.
``test_planted_bugs`` sees that these laws notice.
"""

from __future__ import annotations

from random import SystemRandom

import pytest

from tests.flows.people_world import World


@pytest.mark.parametrize("part", range(4))
def test_what_people_and_the_clock_make_of_an_approval_is_what_the_rules_say(part):
    for number in range(part * 12, part * 12 + 12):
        World(number).live()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_is_so_in_many_more_worlds_others_each_time():
    first = SystemRandom().randrange(10**12)
    for number in range(first, first + 2_000):
        World(number).live()
