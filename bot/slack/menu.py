"""The menu at the end of a card's row, and buttons of their own that do the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from slack_bolt.app.async_app import AsyncApp

from bot.slack.buttons import Ack
from bot.slack.click import Click
from bot.slack.errands import Errands
from bot.slack.reference import Reference
from bot.slack.views.buttons import MORE, chosen
from flows.ids import Ids
from flows.ports import Json

Opens = Callable[[Click, Reference | None], Coroutine[Any, Any, None]]
"""What something in the menu does, for a click and what it is about (None: not known any more)."""


class Menu:
    """Which of these are there is said by ``bot.slack.views.buttons``. ``buttons``: those that are also buttons."""

    def __init__(
        self, ids: Ids, errands: Errands, opens: Mapping[str, Opens], *, buttons: tuple[str, ...] = ()
    ) -> None:
        self._ids = ids
        self._errands = errands
        self._opens = opens
        self._buttons = buttons

    def listen(self, app: AsyncApp) -> None:
        """Take what is chosen and clicked."""
        app.action(MORE)(self.chosen)
        for name in self._buttons:
            app.action(name)(self._button(name))

    async def chosen(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """One of the menu's."""
        what, reference = chosen(str((action.get("selected_option") or {}).get("value") or ""))
        if what in self._opens:
            self._open(what, Click.of(body, {**action, "value": reference}))
        await ack()

    def _button(self, name: str) -> Callable[..., Awaitable[None]]:
        async def clicked(ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
            self._open(name, Click.of(body, action))
            await ack()

        return clicked

    def _open(self, what: str, click: Click) -> None:
        # At once: each opens a modal, for which Slack leaves three seconds.
        self._errands.run(self._opens[what](click, Reference.parse(click.value, self._ids)), at_once=True)
