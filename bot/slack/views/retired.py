"""What stands where a second copy of a card was: that there is one card, and where."""

from __future__ import annotations

from bot.slack.views import kit
from bot.slack.views.card import Shown


def retired(link: str) -> Shown:
    """``link`` is the address of the card."""
    return Shown("This card is now in another place.", [kit.context(f"This card is now <{link}|there>.")])
