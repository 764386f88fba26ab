"""What people write in the threads of cards.

Nothing that is written there decides anything. A reply that reads like a verdict is answered privately, with the
buttons; where its flow says ``thread_replies: count``, with the question whether it is to count. Other replies of those
who are asked may be questions to the requester, and the requester's may be answers: a button passes them on.

Slack tells of messages in channels that the bot is a member of, with the scopes ``channels:history`` and
``groups:history``. Elsewhere nobody is heard, and the cards work all the same.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from slack_bolt.app.async_app import AsyncApp

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Click, Identity
from bot.slack.decisions import Decisions, Wanted
from bot.slack.errands import Errands
from bot.slack.reference import Reference
from bot.slack.replies import Replies
from bot.slack.verdict_words import verdict_of
from bot.slack.views import answers, reply, words
from bot.slack.views.answer import Answer
from bot.slack.views.card import Shown
from bot.workspaces import Workspaces
from flows.engine import Engine
from flows.errors import ActionError, FlowError, Refused
from flows.people import Person
from flows.ports import Json
from flows.run import Kind, Verdict
from flows.views import SuspensionView

log = logging.getLogger(__name__)

MESSAGE = "message"
"""The type of the event."""

HEARD = ("message.channels", "message.groups")
"""As what Slack is asked for it: in public and in private channels. In direct messages people cannot write to the bot."""

_SPOKEN = (None, "thread_broadcast", "file_share")  # subtypes of what a person has written just now
_KEPT = 10_000  # replies that were heard, and people who were asked whether they mean a question
_QUESTION = re.compile(r"[?？؟]")


@dataclass(frozen=True, slots=True)
class _Reply:
    """One, as it came."""

    who: Identity
    channel: str
    thread: str
    text: str


class Threads:
    """The listeners. Whether a reply counts is the engine's to say, once its author has confirmed it."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        workspaces: Workspaces,
        decisions: Decisions,
        replies: Replies,
        errands: Errands,
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._decisions = decisions
        self._replies = replies
        self._errands = errands
        self._heard: OrderedDict[object, None] = OrderedDict()

    def listen(self, app: AsyncApp) -> None:
        """Take what is written, and the buttons below it."""
        app.event(MESSAGE)(self.heard)
        app.action(re.compile(f"^{re.escape(reply.CONFIRM)}"))(self.confirmed)
        app.action(reply.DISMISS)(self.dismissed)

    async def heard(self, event: Mapping[str, Json], body: Mapping[str, Json]) -> None:
        """Somebody has written something somewhere. Acknowledged before it is looked at: nothing is recorded by it."""
        found = _read(event, body)
        # Slack tells of it again where it has not heard in time that it was heard.
        if found is not None and self._first((found.channel, event["ts"])):
            self._errands.run(self._answer(found))

    async def confirmed(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Their reply is to count."""
        click = Click.of(body, action)
        carried, text = reply.read(click.value)
        reference = Reference.parse(carried, self._engine.ids)
        if reference is None:
            await ack()
            self._errands.run(self._replies.say(click, Answer(answers.UNKNOWN)))
            return
        wanted = Wanted(Verdict(str(action["action_id"]).removeprefix(reply.CONFIRM)))
        outcome = await self._decisions.decide(click.who, reference, wanted, text)
        await ack()

        async def tell() -> None:
            await self._replies.say(click, await self._decisions.answer(reference, wanted, outcome), outcome.person)

        self._errands.run(tell())

    async def dismissed(self, ack: Ack, body: Mapping[str, Json]) -> None:
        """It was only a remark: what was asked goes."""
        await ack()
        url = body.get("response_url")
        if url:
            client = self._workspaces.client(Identity.of(body).at)
            self._errands.run(client.respond(str(url), {"delete_original": True}))

    # -- inside -------------------------------------------------------------------------------------------------

    def _first(self, what: object) -> bool:
        """Whether this is the first time; the oldest are forgotten."""
        if what in self._heard:
            return False
        self._heard[what] = None
        if len(self._heard) > _KEPT:
            self._heard.popitem(last=False)
        return True

    async def _answer(self, found: _Reply) -> None:
        place = await self._engine.card_at(found.channel, found.thread)
        if place is None or place[1] == 0:
            return
        view = await self._engine.peek(*place)
        if view is None:
            return
        try:
            person = await self._people.by_slack(found.who.team, found.who.user)
            said = await self._said(view, person, found)
        except Refused as refusal:
            # Who merely talks need not know that Slack does not say who they are, or that their account is deactivated.
            said = reply.told(answers.refused(refusal)) if verdict_of(found.text) is not None else None
        if said is not None:
            await self._tell(found, said)

    async def _said(self, view: SuspensionView, person: Person, found: _Reply) -> Shown | None:
        """What is said to a reply; None: nothing."""
        reference = Reference.to(view).text(self._engine.ids)
        verdict = verdict_of(found.text)
        if view.suspension.kind is Kind.HOLD:
            verdict = Verdict.RESUME if verdict is Verdict.APPROVE else None
        if not view.open:
            return reply.told(answers.closed(view, self._engine.ids)) if verdict is not None else None
        if verdict is None and self._answers(view, person):
            return reply.like_an_answer(view, found.text, reference)
        try:
            await self._engine.check_may_decide(view, person.id)
        except FlowError as refusal:
            return reply.told(f"Nothing was recorded. {answers.refused(refusal)}") if verdict is not None else None
        mine = self._decisions.said_by(view, person)
        if verdict is not None:
            if mine is not None and mine.verdict is verdict:
                return reply.told(f"You have {words.said(view, mine)} this already; it is counted.")
            return reply.like_a_verdict(view, verdict, found.text, reference)
        if person.id == view.run.requester or mine is not None:
            return None
        # Whoever talks something over there is not asked each time.
        first = self._first((view.run.id, view.suspension.n, person.id))
        return reply.like_a_question(view, found.text, reference) if first or _QUESTION.search(found.text) else None

    def _answers(self, view: SuspensionView, person: Person) -> bool:
        """Whether what they say may be the answer to a question."""
        return person.id == view.run.requester and any(question.open for question in view.questions)

    async def _tell(self, found: _Reply, said: Shown) -> None:
        client = self._workspaces.client(found.who.at)
        try:
            await client.ephemeral(
                found.channel, found.who.user, text=said.text, blocks=said.blocks, thread_ts=found.thread
            )
        except ActionError as error:
            log.info("a reply in a thread was not answered", extra={"error": str(error)})


def _read(event: Mapping[str, Json], body: Mapping[str, Json]) -> _Reply | None:
    """A person's reply in a thread; None for everything else that is told as a message."""
    thread, text, user = event.get("thread_ts"), event.get("text"), event.get("user")
    if event.get("subtype") not in _SPOKEN or event.get("bot_id") or not (thread and user and event.get("channel")):
        return None
    if thread == event.get("ts") or not isinstance(text, str) or not text.strip():
        return None
    at = str(body.get("team_id") or "") or None
    team = event.get("user_team") or event.get("team") or at or ""
    return _Reply(Identity(str(team), str(user), at), str(event["channel"]), str(thread), _plain(text))


def _plain(text: str) -> str:
    """What they typed: Slack escapes three letters of it."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()
