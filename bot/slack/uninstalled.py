"""What Slack tells of by itself: the app was taken out of a workspace, or a token of its was taken back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.internals import extract_team_id

from bot.installations.keeper import Installations
from flows.clock import Clock
from flows.ports import Json

APP_UNINSTALLED = "app_uninstalled"
TOKENS_REVOKED = "tokens_revoked"


class Uninstalled:
    """The listeners of these events. Each may come again and late, also after the app was installed once more."""

    def __init__(self, installations: Installations, clock: Clock) -> None:
        self._installations = installations
        self._clock = clock

    def listen(self, app: AsyncApp) -> None:
        """Let these be told to them."""
        app.event(APP_UNINSTALLED)(self.app_uninstalled)
        app.event(TOKENS_REVOKED)(self.tokens_revoked)

    async def app_uninstalled(self, body: Mapping[str, Json]) -> None:
        """The app is not in the workspace any more."""
        team = extract_team_id(dict(body))
        if team is not None:
            await self._installations.removed(team, self._at(body))

    async def tokens_revoked(self, event: Mapping[str, Json], body: Mapping[str, Json]) -> None:
        """Tokens of people, which are not ours to know, or of bots."""
        tokens = event.get("tokens")
        team = extract_team_id(dict(body))
        if team is not None and isinstance(tokens, dict) and tokens.get("bot"):
            await self._installations.revoked(team, self._at(body))

    def _at(self, body: Mapping[str, Json]) -> datetime:
        at = body.get("event_time")
        return datetime.fromtimestamp(at, UTC) if isinstance(at, int) else self._clock.now()
