"""The Slack scopes that the bot uses, and what it cannot do without each. ``manifest.yml`` asks for exactly these.

``OPTIONAL`` are those that whoever installs the app may leave out: Slack asks for them one by one.
"""

from __future__ import annotations

from collections.abc import Iterable

SCOPES = {
    "chat:write": "post and redraw cards",
    "chat:write.public": "post to public channels that it was not invited to",
    "commands": "answer /approvals",
    "im:write": "send direct messages",
    "users:read": "tell guests, bots and people who have left from approvers",
    "users:read.email": "know who a mail address is",
    "usergroups:read": "know who belongs to a user group",
    "channels:read": "find a public channel by its name",
    "groups:read": "find a private channel by its name",
    "channels:history": "find a card again whose posting was not confirmed, and hear replies in its thread, in public channels",
    "groups:history": "find a card again whose posting was not confirmed, and hear replies in its thread, in private channels",
    "im:history": "find a card again whose posting was not confirmed, in direct messages",
}

OPTIONAL = frozenset(
    {
        "chat:write.public",
        "usergroups:read",
        "channels:read",
        "groups:read",
        "channels:history",
        "groups:history",
        "im:history",
    }
)
"""What the bot does without, in part: cards reach people, and what is lacking says so."""


def missing_scopes(granted: Iterable[str]) -> list[str]:
    """One sentence for each scope that was not granted: the scope, and what does not work without it."""
    have = set(granted)
    return [f"{scope} (to {purpose})" for scope, purpose in SCOPES.items() if scope not in have]
