"""What comes from a workspace that the bot is not in (any more): a clear sentence, and nothing else.

A workspace where the app was just uninstalled still has its cards and open modals, and Slack still tells what people do
with them. No listener could answer there, because there is no token for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from slack_bolt.context.respond.async_respond import AsyncRespond
from slack_bolt.request.internals import extract_team_id
from slack_bolt.response import BoltResponse

from bot.slack.errands import Errands
from bot.slack.views import modal
from bot.workspaces import Workspaces
from flows.ports import Json

SENTENCE = (
    "Signoff is not installed in this workspace (any more), so nothing was recorded. "
    "An admin of Signoff can install it with `signoff connect slack`."
)

_EVENT = "event_callback"


class Installed:
    """Bolt middleware. Events pass: those that tell of an uninstalling are among them."""

    def __init__(self, workspaces: Workspaces, errands: Errands) -> None:
        self._workspaces = workspaces
        self._errands = errands

    async def check(
        self,
        body: Mapping[str, Json],
        respond: AsyncRespond,
        next: Callable[[], Awaitable[BoltResponse]],  # noqa: A002 - Bolt's word
    ) -> BoltResponse:
        """Let the listeners have it, or answer that the bot is not there."""
        team = extract_team_id(dict(body))
        if team is None or team in self._workspaces or body.get("type") == _EVENT:
            return await next()
        if body.get("type") == "view_submission":
            view = modal.told("Not installed", SENTENCE)
            return BoltResponse(status=200, body={"response_action": "update", "view": view})
        if body.get("response_url") and "command" not in body:
            self._errands.run(self._say(respond))
            return BoltResponse(status=200)
        # The answer to a command is shown as it is; that to anything else is not, and there is no better place.
        return BoltResponse(status=200, body=f":warning: {SENTENCE}")

    async def _say(self, respond: AsyncRespond) -> None:
        await respond(text=f":warning: {SENTENCE}", response_type="ephemeral", replace_original=False)
