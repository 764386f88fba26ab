"""The modal with an admin's link to install Signoff in a workspace: made when it is asked for, and good for minutes."""

from __future__ import annotations

from datetime import timedelta

from bot.slack.views import kit, modal
from integrations.slack.text import escape

INSTALL_LINK = "install_link"
"""The action id of its button, which leads to the page."""

_NO_ADDRESS = (
    "Slack does not tell your mail address, which this link is made for. `signoff connect slack` makes one, too."
)


def install_modal(url: str | None, lifetime: timedelta) -> kit.Block:
    """``url`` is None for somebody without a mail address."""
    minutes = lifetime // timedelta(minutes=1)
    text = escape(
        f"This opens the page on which Signoff is installed in a workspace. It is for you alone, for {minutes} min."
    )
    drawn = modal.told("Install Signoff", text if url is not None else _NO_ADDRESS)
    if url is not None:
        drawn["blocks"].append(kit.actions("install", [kit.link_button(INSTALL_LINK, "Open the page", url)]))
    return drawn
