"""Opening a modal for a click: at once with a word that it is coming, and then with what had to be looked up for it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from bot.slack.click import Click
from bot.slack.replies import Replies
from bot.slack.views import answers, kit, modal
from bot.slack.views.answer import Answer
from bot.workspaces import Workspaces
from flows.errors import ActionError, FlowError

log = logging.getLogger(__name__)

_CLOSED = "not_found"  # Slack's word for a modal that was closed meanwhile


class Modals:
    """Opens modals. Slack lets one be opened within three seconds of a click, and changed for as long as it is open."""

    def __init__(self, workspaces: Workspaces, replies: Replies) -> None:
        self._workspaces = workspaces
        self._replies = replies

    async def show(self, click: Click, title: str, draw: Callable[[], Awaitable[kit.Block]]) -> None:
        """Open it for the click. What ``draw`` refuses (``FlowError``) stands in it; raises ``ActionError`` only where
        the person cannot be told that it was too late."""
        client = self._workspaces.client(click.who.at)
        try:
            opened = await client.open_view(click.trigger_id, loading(title))
        except ActionError as error:
            log.warning("a modal was not opened", extra={"error": str(error)})
            await self._replies.say(click, Answer(answers.TOO_LATE))
            return
        await self.change(click, opened.id, title, draw)

    async def change(self, click: Click, view_id: str, title: str, draw: Callable[[], Awaitable[kit.Block]]) -> None:
        """Change what an open one shows."""
        try:
            drawn = await draw()
        except FlowError as refusal:
            drawn = modal.told(title, answers.refused(refusal))
        except Exception:
            log.exception("a modal could not be drawn, for a reason that nobody foresaw")
            drawn = modal.told(title, answers.FAULT)
        try:
            await self._workspaces.client(click.who.at).update_view(view_id, drawn)
        except ActionError as error:
            if getattr(error, "code", None) != _CLOSED:
                raise


def loading(title: str) -> kit.Block:
    """What stands there until it is known."""
    return modal.told(title, ":hourglass_flowing_sand: One moment…")
