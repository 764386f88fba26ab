"""Slack's tokens: whom they act for, and what they may be used for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

BOT_SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "chat:write.public",
        "commands",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "mpim:history",
        "usergroups:read",
        "users:read",
        "users:read.email",
    }
)
"""What the default bot token may do; make a poorer one with ``Sandbox.new_token``."""


@dataclass(slots=True)
class Token:
    """A bot's token (``xoxb-``) or an app's (``xapp-``). ``value`` does not print."""

    value: str = field(repr=False)
    kind: Literal["bot", "app"]
    team_id: str
    scopes: frozenset[str]
    revoked: bool = False
