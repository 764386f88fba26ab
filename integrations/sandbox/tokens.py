"""Slack's tokens: whom they act for, and what they may be used for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal["bot", "app", "user"]

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
"""What the default bot token may do; make a poorer or richer one with ``Sandbox.new_token``."""


@dataclass(slots=True)
class Token:
    """A bot's token (``xoxb-``), an app's (``xapp-``) or a user's (``xoxp-``). ``value`` does not print.

    ``inactive``: its workspace or bot user was deactivated (``account_inactive``). ``expires_at`` is that of a token that is
    rotated (``token_expired``). ``user_id``: whom a user's token acts for.
    """

    value: str = field(repr=False)
    kind: Kind
    team_id: str
    scopes: frozenset[str]
    revoked: bool = False
    inactive: bool = False
    expires_at: datetime | None = None
    user_id: str | None = None

    def refusal(self, now: datetime) -> str | None:
        """Slack's word for why it is no good any more; None if it is."""
        if self.revoked:
            return "token_revoked"
        if self.inactive:
            return "account_inactive"
        return "token_expired" if self.expires_at is not None and self.expires_at <= now else None
