"""Text for Slack: inert, and short enough. Pure."""

from __future__ import annotations

import re

POSTED_TEXT = 40_000
"""Characters of a new message's ``text``; Slack cuts what is longer ("truncating really long messages", 2018)."""

UPDATED_TEXT = 4_000
"""Characters of an updated message's ``text``; Slack refuses what is longer, as ``msg_too_long``."""

_ELLIPSIS = "…"
_WHOLE = re.compile(r"&(?:amp|lt|gt);|<(?:[@#!]|https?:|mailto:|tel:)[^<>\n]*>")
# They turn the direction of what follows until they are closed, beyond the text that holds them: `100 U+202E 000,1`
# reads as another sum. The marks U+200E and U+200F, which right-to-left scripts need, turn nothing.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_FENCE = re.compile("`{3,}")
_USER = re.compile(r"(?:[TE][A-Z0-9]+/)?([UW][A-Z0-9]+)")


def escape(text: str) -> str:
    """Make a person's text inert: no mentions, links or channel pings, nothing that reaches beyond the text.

    Slack asks for exactly these three replacements; ``&`` has to go first. Three backticks, which would make code of
    all that follows, get gaps that nobody sees.
    """
    text = _FENCE.sub(lambda fence: "\u200b".join(fence[0]), unturned(text))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unturned(text: str) -> str:
    """A person's text whose letters stand in the order in which they are read; ``�`` shows where one would have turned them."""
    return _TURNING.sub("\ufffd", text)


def clip(text: str, limit: int) -> str:
    """At most ``limit`` characters of ``text``, the last one an ellipsis where something is missing.

    Never ends inside ``&amp;``, a mention or a link. Counts what is sent, so ``&amp;`` is five, in code
    points as Slack does: an emoji beyond the basic plane is one.
    """
    if len(text) <= limit:
        return text
    if limit < 1:
        return ""
    end = limit - len(_ELLIPSIS)
    for whole in _WHOLE.finditer(text):
        if whole.end() > end:
            end = min(end, whole.start())
            break
    return text[:end].rstrip() + _ELLIPSIS


def mention(user_id: str) -> str:
    """What shows a user's name and tells them. Takes ``U...`` and ``T.../U...``; else raises ``ValueError``."""
    match = _USER.fullmatch(user_id)
    if match is None:
        raise ValueError(f"{user_id[:40]!r} is no Slack user id")
    return f"<@{match[1]}>"
