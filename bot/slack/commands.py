"""``/approvals`` and the home tab: what they read and show, and where the other words lead."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.cards import Cards
from bot.slack.click import Click, Identity
from bot.slack.errands import Errands
from bot.slack.lists import Lists
from bot.slack.reference import Reference
from bot.slack.replies import Replies, response
from bot.slack.run_control import NO_RUN, RunControl
from bot.slack.starting import Starting
from bot.slack.views import answers, kit
from bot.slack.views.answer import Answer
from bot.slack.views.card import Shown
from bot.slack.views.help import WORDS, help_
from bot.slack.views.pending import Listing
from bot.slack.views.show import show
from flows.engine import Engine
from flows.errors import NotWaiting, Refused, UnknownRun
from flows.people import Person
from flows.ports import Json
from integrations.slack.client import SlackClient

log = logging.getLogger(__name__)

COMMAND = "/approvals"

_FAULT = "Something went wrong on our side. Please try again in a while."
_TOO_LATE = "Slack did not let us open the form in time. Nothing was changed; please type it again."


@dataclass(frozen=True, slots=True)
class _Typed:
    """The command as it came. ``rest`` is what follows the first word, without the marks of code."""

    name: str
    word: str
    rest: str
    who: Identity
    channel: str | None
    trigger_id: str

    @classmethod
    def of(cls, command: Mapping[str, Json]) -> _Typed:
        word, _, rest = str(command.get("text") or "").strip().partition(" ")
        team = command.get("team_id") or command.get("enterprise_id") or ""
        return cls(
            name=str(command.get("command") or COMMAND),
            word=word.lower(),
            rest=rest.strip().strip("`").strip(),
            who=Identity(str(team), str(command["user_id"])),
            channel=command.get("channel_id"),
            trigger_id=str(command.get("trigger_id") or ""),
        )


class Commands:
    """The listeners of the command and of the home tab."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        client: SlackClient,
        cards: Cards,
        lists: Lists,
        replies: Replies,
        starting: Starting,
        run_control: RunControl,
        errands: Errands,
    ) -> None:
        self._engine = engine
        self._people = people
        self._client = client
        self._cards = cards
        self._lists = lists
        self._replies = replies
        self._starting = starting
        self._run_control = run_control
        self._errands = errands

    async def approvals(self, ack: Ack, command: Mapping[str, Json]) -> None:
        """The slash command. Acknowledged first: its answer may take calls of Slack's API, and may be asked for again."""
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
            self._errands.run(self._replies.say(click, Answer(answers.UNKNOWN)))
        else:
            self._errands.run(self._replies.lead_to_page(click, reference, "This page has the whole of it."))

    async def open_page(self, ack: Ack) -> None:
        """A link in a button was followed; Slack tells of it, and shows a warning unless it is acknowledged."""
        await ack()

    # -- the command --------------------------------------------------------------------------------------------

    async def _answer(self, command: Mapping[str, Json]) -> None:
        try:
            shown = await self._shown(_Typed.of(command))
        except UnknownRun:
            shown = _sentence(NO_RUN)
        except Refused as refusal:
            shown = _sentence(answers.refused(refusal))
        except Exception:
            log.exception("a command failed for a reason that nobody foresaw")
            shown = _sentence(_FAULT)
        if shown is not None:
            await self._client.respond(str(command["response_url"]), response(shown))

    async def _shown(self, typed: _Typed) -> Shown | None:
        """What is answered; None where a modal is the answer. Raises ``UnknownRun`` and ``Refused``."""
        if typed.word not in WORDS or typed.word == "help":
            return help_(typed.name, None if typed.word == "help" else typed.word)
        flow = self._engine.flows.get(typed.rest.lower()) if typed.word == "run" else None
        # A modal is opened before anybody is asked who it was: Slack leaves three seconds for it.
        if flow is not None:
            opened = await self._starting.open(typed.trigger_id, flow, typed.who, typed.channel)
            return None if opened else _sentence(_TOO_LATE)
        if typed.word == "cancel":
            opened = await self._run_control.ask_to_cancel(typed.trigger_id, self._run(typed), typed.who, typed.channel)
            return None if opened else _sentence(_TOO_LATE)
        return await self._looked_up(typed, await self._people.by_slack(typed.who.team, typed.who.user))

    async def _looked_up(self, typed: _Typed, person: Person) -> Shown:
        match typed.word:
            case "run" if not typed.rest:
                return await self._starting.listed(person, typed.name)
            case "run":
                return _sentence(await self._starting.unknown(person, typed.rest, typed.name))
            case "pause":
                return _sentence(await self._run_control.pause(self._run(typed), person))
            case "resume":
                return _sentence(await self._run_control.resume(self._run(typed), person))
            case "show":
                view = await self._engine.run(self._run(typed), person.id)
                groups = [handle for one in view.suspensions for handle in one.suspension.approvers.groups]
                return show(view, self._engine.ids, groups=await self._cards.group_ids(groups))
            case _:
                return await self._lists.shown(person, Listing.ALL if typed.word else Listing.MINE)

    def _run(self, typed: _Typed) -> int:
        if not typed.rest:
            raise NotWaiting(f"Say which run, like {typed.name} {typed.word} run_1a2b3c4d5e6f7.")
        run = self._engine.ids.parse_run(typed.rest)
        if run is None:
            raise UnknownRun("There is no such run.")
        return run


def _sentence(text: str) -> Shown:
    return Shown(text, [kit.section(text)])
