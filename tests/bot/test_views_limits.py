"""Slack takes every surface: in each state by the shapes of its own types, and at the largest legal input by its limits."""

from __future__ import annotations

import pytest

from bot.slack.views import kit
from bot.slack.views.card import Shown
from tests.bot.views import registry

registry.load()


@pytest.mark.parametrize("name", registry.STATES)
def test_slack_takes_every_state(name):
    assert registry.wrong(registry.STATES[name].draw()) == []


@pytest.mark.parametrize(
    "letter",
    # The letter that grows most is tried each time.
    [pytest.param(each, marks=() if each == "&" else pytest.mark.slow) for each in registry.LETTERS],
    ids=["x", "amp", "emoji", "newline"],
)
@pytest.mark.parametrize("name", registry.LARGEST)
def test_R12_slack_takes_the_largest_legal_input(name, letter):
    drawn = registry.LARGEST[name].draw(letter)

    assert registry.wrong(drawn) == []
    if isinstance(drawn, Shown):
        assert sum(map(len, kit.texts(drawn.blocks))) <= kit.MESSAGE_TEXT
