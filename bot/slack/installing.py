"""Admins ask, on their home tab, for the link with which Signoff is installed in a workspace."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Click
from bot.slack.errands import Errands
from bot.slack.home import Home
from bot.slack.views import answers, modal
from bot.slack.views.answer import Answer
from bot.slack.views.home import INSTALL
from bot.slack.views.install_modal import INSTALL_LINK, install_modal
from bot.web.admin_links import LIFETIME
from bot.workspaces import Workspaces
from flows.errors import FlowError
from flows.people import Person
from flows.ports import Json
from integrations.slack.failures import SlackError

log = logging.getLogger(__name__)

_ADMINS = "Only admins of Signoff install it."

Invite = Callable[[Person], str | None]
"""An admin's link, made just now; None for somebody without a mail address."""


class Installing:
    """Makes the link on a click, so that it is as good as new when somebody wants it."""

    def __init__(self, people: People, workspaces: Workspaces, home: Home, invite: Invite, errands: Errands) -> None:
        self._people = people
        self._workspaces = workspaces
        self._home = home
        self._invite = invite
        self._errands = errands

    def listen(self, app: AsyncApp) -> None:
        """Take the button, and the one that leads to the page, which only wants to be acknowledged."""
        app.action(INSTALL)(self.asked)
        app.action(INSTALL_LINK)(self.opened)

    async def asked(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """An admin wants the link."""
        self._errands.run(self._show(Click.of(body, action)), at_once=True)
        await ack()

    async def opened(self, ack: Ack) -> None:
        """Their browser opens the page."""
        await ack()

    async def _show(self, click: Click) -> None:
        try:
            person = await self._people.by_slack(click.who.team, click.who.user)
            if self._people.is_admin(person.id):
                drawn = install_modal(self._invite(person), LIFETIME)
            else:
                drawn = modal.notice("Not possible", _ADMINS)
        except FlowError as refusal:
            drawn = modal.told("Not possible", answers.refused(refusal))
        try:
            await self._workspaces.client(click.who.at).open_view(click.trigger_id, drawn)
        except SlackError as error:
            log.warning("a modal was not opened", extra={"error": str(error)})
            await self._home.publish(click.who, said=Answer(answers.TOO_LATE))
