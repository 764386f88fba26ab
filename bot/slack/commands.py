"""``/approvals`` and the home tab: they read and show, and decide nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bot.people import People
from bot.slack.click import Click, Identity
from bot.slack.decisions import Ack
from bot.slack.errands import Errands
from bot.slack.lists import Lists
from bot.slack.reference import Reference
from bot.slack.replies import Replies, response
from bot.slack.views import answers, kit
from bot.slack.views.card import Shown
from bot.slack.views.help import help_
from bot.slack.views.pending import Listing
from bot.slack.views.show import show
from flows.engine import Engine
from flows.errors import TryAgain, UnknownRun
from flows.ports import Json
from integrations.slack.client import SlackClient

log = logging.getLogger(__name__)

COMMAND = "/approvals"

_FAULT = "Something went wrong on our side. Please try again in a while."
_NO_RUN = "There is no such run, or it is not yours to see. A run's id looks like `run_1a2b3c4d5e6f7`."


class Commands:
    """The listeners that only read."""

    def __init__(
        self, engine: Engine, people: People, client: SlackClient, lists: Lists, replies: Replies, errands: Errands
    ) -> None:
        self._engine = engine
        self._people = people
        self._client = client
        self._lists = lists
        self._replies = replies
        self._errands = errands

    async def approvals(self, ack: Ack, command: Mapping[str, Json]) -> None:
        """The slash command. Acknowledged first: it records nothing, and its answer may take calls of Slack's API."""
        await ack()
        self._errands.run(self._answer(command), at_once=True)

    async def home_opened(self, event: Mapping[str, Json], body: Mapping[str, Json]) -> None:
        """Somebody opened the app: draw its home tab."""
        if event.get("tab") == "home":
            who = Identity(str(body.get("team_id") or ""), str(event["user"]))
            self._errands.run(self._replies.publish_home(who))

    async def open_whole(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """A card that many see was cut: each gets a link of their own to the whole."""
        await ack()
        click = Click.of(body, action)
        reference = Reference.parse(click.value, self._engine.ids)
        if reference is None:
            self._errands.run(self._replies.say(click, answers.UNKNOWN))
        else:
            self._errands.run(self._replies.lead_to_page(click, reference, "This page has the whole of it."))

    async def open_page(self, ack: Ack) -> None:
        """A link in a button was followed; Slack tells of it, and shows a warning unless it is acknowledged."""
        await ack()

    async def _answer(self, command: Mapping[str, Json]) -> None:
        try:
            shown = await self._shown(command)
        except TryAgain as refusal:
            shown = _sentence(answers.refused(refusal))
        except Exception:
            log.exception("a command failed for a reason that nobody foresaw")
            shown = _sentence(_FAULT)
        await self._client.respond(str(command["response_url"]), response(shown))

    async def _shown(self, command: Mapping[str, Json]) -> Shown:
        name = str(command.get("command") or COMMAND)
        word, _, rest = str(command.get("text") or "").strip().partition(" ")
        if word.lower() == "help":
            return help_(name)
        if word.lower() not in ("", "all", "show"):
            return help_(name, word)
        team = command.get("team_id") or command.get("enterprise_id") or ""
        person = await self._people.by_slack(str(team), str(command["user_id"]))
        if word.lower() != "show":
            return await self._lists.shown(person, Listing.ALL if word else Listing.MINE)
        run = self._engine.ids.parse_run(rest.strip().strip("`"))
        if run is None:
            return _sentence(_NO_RUN)
        try:
            return show(await self._engine.run(run, person.id), self._engine.ids)
        except UnknownRun:
            return _sentence(_NO_RUN)


def _sentence(text: str) -> Shown:
    return Shown(text, [kit.section(text)])
