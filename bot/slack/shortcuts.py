"""Slack's shortcuts: "Start a flow" from anywhere, "Ask approval for this message" from a message's menu."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Identity
from bot.slack.errands import Errands
from bot.slack.starting import Starting
from bot.slack.views import ask_modal, kit, modal, run_modal, start_modal
from bot.slack.views.ask_modal import ASK_MESSAGE, GROUPS, USERS, Filled, Message
from bot.slack.views.requester import run_link
from bot.slack.views.start_modal import FLOW, START_FLOW
from bot.workspaces import Workspaces
from flows.engine import Engine, Once
from flows.errors import ActionError, FlowError, Refused
from flows.handles import InvalidHandle, normalise
from flows.people import Person
from flows.ports import Json
from integrations.slack.failures import SlackError

log = logging.getLogger(__name__)

ASK = "ask"
"""The flow behind "Ask approval for this message"."""

_NO_TOKEN = 0  # what is started here comes with no token; the modal is what makes it one start
_NOT_STARTED = "Not started"
_FAULT = "Something went wrong on our side; nothing was started. Please try again in a while."
_GONE = "This flow is not there any more. Nothing was started."
_NO_ASK = "There is no flow `ask` here, which this starts. Nothing was started."
_NOBODY = "Choose somebody, or name a user group below."


class Shortcuts:
    """They translate; who may start what is the engine's to say."""

    def __init__(
        self, engine: Engine, people: People, workspaces: Workspaces, starting: Starting, errands: Errands
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._starting = starting
        self._errands = errands

    def listen(self, app: AsyncApp) -> None:
        """Take what the shortcuts and their modals say."""
        app.shortcut({"callback_id": START_FLOW, "type": "shortcut"})(self.start)
        app.shortcut({"callback_id": ASK_MESSAGE, "type": "message_action"})(self.ask)
        app.view(START_FLOW)(self.chosen)
        app.view(ASK_MESSAGE)(self.asked)

    # -- start a flow -------------------------------------------------------------------------------------------

    async def start(self, ack: Ack, body: Mapping[str, Json]) -> None:
        """The global shortcut: the modal that asks which flow."""
        self._errands.run(self._offer(Identity.of(body), str(body["trigger_id"])), at_once=True)
        await ack()

    async def _offer(self, who: Identity, trigger_id: str) -> None:
        client = self._workspaces.client(who.at)
        opened = await client.open_view(trigger_id, start_modal.loading())
        try:
            person = await self._people.by_slack(who.team, who.user)
            drawn = start_modal.start_modal(await self._starting.startable(person))
        except FlowError as refusal:
            drawn = modal.notice(_NOT_STARTED, str(refusal))
        except Exception:
            log.exception("the flows cannot be listed")
            drawn = modal.notice(_NOT_STARTED, _FAULT)
        await client.update_view(opened.id, drawn)

    async def chosen(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """A flow was chosen: its own modal takes the place of this one."""
        name = start_modal.flow(view["state"]["values"])
        flow = self._engine.flows.get(name) if name is not None else None
        if flow is None:
            await ack(response_action="errors", errors={FLOW: _GONE})
            return
        await ack(response_action="update", view=run_modal.loading(flow))
        self._errands.run(self._fill(str(view["id"]), flow.flow, Identity.of(body)), at_once=True)

    async def _fill(self, view_id: str, name: str, who: Identity) -> None:
        # There is no place that this came from, so the answer goes where the bot and the person talk.
        channel = await self._workspaces.client(who.at).open_direct(who.user)
        await self._starting.fill(view_id, self._engine.flows[name], who, channel)

    # -- ask approval for a message -----------------------------------------------------------------------------

    async def ask(self, ack: Ack, body: Mapping[str, Json]) -> None:
        """The message shortcut: the modal that asks whom, filled in with the message."""
        self._errands.run(self._ask(body), at_once=True)
        await ack()

    async def _ask(self, body: Mapping[str, Json]) -> None:
        who = Identity.of(body)
        client = self._workspaces.client(who.at)
        opened = await client.open_view(str(body["trigger_id"]), ask_modal.loading())
        if ASK not in self._engine.flows:
            await client.update_view(opened.id, modal.told(_NOT_STARTED, _NO_ASK))
            return
        said = body.get("message") or {}
        message = Message(str(body["channel"]["id"]), await self._permalink(body, who))
        filled = Filled(request=ask_modal.plainly(str(said.get("text") or "")).strip())
        await client.update_view(opened.id, ask_modal.ask_modal(message, filled))

    async def _permalink(self, body: Mapping[str, Json], who: Identity) -> str:
        channel, ts = str(body["channel"]["id"]), str(body["message_ts"])
        try:
            return await self._workspaces.client(who.at).permalink(channel, ts)
        except ActionError:
            # The bot cannot see the channel; whoever uses the shortcut can, and addresses are made like this.
            domain = str((body.get("team") or {}).get("domain") or "app")
            return f"https://{domain}.slack.com/archives/{channel}/p{ts.replace('.', '')}"

    async def asked(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """The modal was sent. Who stands behind the names is looked up behind the back of the three seconds."""
        message = Message.parse(str(view.get("private_metadata") or ""))
        filled = Filled.of(view["state"]["values"])
        if message is None:
            await ack(response_action="update", view=modal.notice(_NOT_STARTED, _FAULT))
        elif not filled.users and not filled.groups:
            await ack(response_action="errors", errors={USERS: _NOBODY})
        elif (wrong := _misspelt(filled)) is not None:
            await ack(response_action="errors", errors={GROUPS: wrong})
        else:
            await ack(response_action="update", view=ask_modal.asking())
            self._errands.run(self._start(str(view["id"]), message, filled, Identity.of(body)), at_once=True)

    async def _start(self, view_id: str, message: Message, filled: Filled, who: Identity) -> None:
        drawn = await self._started(view_id, message, filled, who)
        try:
            await self._workspaces.client(who.at).update_view(view_id, drawn)
        except SlackError as error:
            # They have closed it, and hear of the run by the message that shows where it stands.
            log.info("a modal was not there any more", extra={"error": str(error)})

    async def _started(self, view_id: str, message: Message, filled: Filled, who: Identity) -> kit.Block:
        try:
            person = await self._people.by_slack(who.team, who.user)
            inputs = {
                "request": filled.request,
                "link": message.link,
                "approvers": ", ".join([*await self._named(filled, who), *filled.groups]),
                "quorum": filled.quorum,
                "deadline": filled.deadline,
            }
            # A modal starts one run, however often it is sent and delivered.
            once = Once(_NO_TOKEN, f"slack:{view_id}")
            run, _ = await self._engine.start(ASK, person.id, inputs, once=once)
        except FlowError as refusal:
            return ask_modal.ask_modal(message, filled, note=str(refusal) if isinstance(refusal, Refused) else _GONE)
        except Exception:
            log.exception("a message could not be asked about for a reason that nobody foresaw")
            return ask_modal.ask_modal(message, filled, note=_FAULT)
        link = run_link(run.id, self._engine.ids)
        return modal.told(
            "Asked", f":rocket: They are asked: {link}. A message from Signoff shows you where it stands."
        )

    async def _named(self, filled: Filled, who: Identity) -> list[str]:
        """Those who were chosen, by what reads best on a card. Who has left is named as they are, and said to be missing."""
        handles = [f"{who.at or who.team}/{user}" for user in filled.users]
        roster = await self._people.resolve(handles)
        named = []
        for handle in handles:
            person: Person | None = None
            if handle in roster.people:
                person = await self._people.by_id(roster.people[handle])
            named.append(person.email if person is not None and person.email is not None else handle)
        return named


def _misspelt(filled: Filled) -> str | None:
    """What is wrong with the groups that were typed, where that can be seen."""
    for group in filled.groups:
        try:
            normalise(group)
        except InvalidHandle as error:
            return str(error)[:500]
    return None
