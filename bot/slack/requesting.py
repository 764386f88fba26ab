"""The buttons of the requester's message: nudge, withdraw, edit and resubmit."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Click
from bot.slack.errands import Errands
from bot.slack.reference import Reference
from bot.slack.replies import Replies
from bot.slack.run_control import RunControl
from bot.slack.starting import Starting
from bot.slack.views import answers, words
from bot.slack.views.answer import Answer
from bot.slack.views.cancel_modal import Cancelling
from bot.slack.views.requester import NUDGE, RESUBMIT, WITHDRAW_RUN
from flows.engine import Engine
from flows.errors import FlowError
from flows.people import Person
from flows.ports import Json
from flows.run import Door
from integrations.slack.text import clip

log = logging.getLogger(__name__)

_GONE = "The flow that this was started with is not there any more, so it cannot be asked for anew."
_NAMES = 500  # characters


class Requesting:
    """They translate; whether it is done is not theirs to say."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        replies: Replies,
        starting: Starting,
        run_control: RunControl,
        errands: Errands,
    ) -> None:
        self._engine = engine
        self._people = people
        self._replies = replies
        self._starting = starting
        self._run_control = run_control
        self._errands = errands

    def listen(self, app: AsyncApp) -> None:
        """Take what these buttons say."""
        app.action(NUDGE)(self.nudge)
        app.action(WITHDRAW_RUN)(self.withdraw)
        app.action(RESUBMIT)(self.resubmit)

    async def nudge(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Those who have not answered hear of it once more."""
        click = Click.of(body, action)
        person: Person | None = None
        try:
            person = await self._people.by_slack(click.who.team, click.who.user)
            said = await self._nudged(Reference.parse(click.value, self._engine.ids), person)
        except FlowError as refusal:
            said = answers.refused(refusal)
        except Exception:
            log.exception("a nudge failed for a reason that nobody foresaw")
            said = answers.FAULT
        await ack()
        self._errands.run(self._replies.say(click, Answer(said), person))

    async def _nudged(self, reference: Reference | None, person: Person) -> str:
        if reference is None:
            return answers.UNKNOWN
        await self._engine.nudge(reference.run, reference.n, person.id, door=Door.SLACK)
        view = await self._engine.peek(reference.run, reference.n)
        names = words.listed(words.seats(view, view.waiting_for, words.NO_GROUPS), "and") if view is not None else ""
        who = clip(names, _NAMES) or "Those who have not answered"
        return f":bell: Nudged. {who} will hear of it once more. You can do that again in an hour."

    async def withdraw(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Take the whole request back: the modal that asks whether, and why."""
        self._errands.run(self._withdraw(Click.of(body, action)), at_once=True)
        await ack()

    async def _withdraw(self, click: Click) -> None:
        run = self._engine.ids.parse_run(click.value)
        if run is None:
            await self._replies.say(click, Answer(answers.NO_RUN))
        elif not await self._run_control.ask_to_cancel(
            click.trigger_id, Cancelling(run, click.channel, withdraws=True), click.who
        ):
            await self._replies.say(click, Answer(answers.TOO_LATE))

    async def resubmit(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Ask for the same anew: the modal that starts a run, filled in with what was asked for."""
        self._errands.run(self._resubmit(Click.of(body, action)), at_once=True)
        await ack()

    async def _resubmit(self, click: Click) -> None:
        run = self._engine.ids.parse_run(click.value)
        try:
            # Of the local database alone: Slack leaves three seconds for opening a modal.
            flow = self._engine.flows.get((await self._engine.peek_run(run)).run.flow) if run is not None else None
        except FlowError:
            flow = None
        if flow is None or run is None:
            await self._replies.say(click, Answer(_GONE))
        elif not await self._starting.open(click.trigger_id, flow, click.who, click.channel, resubmits=run):
            await self._replies.say(click, Answer(answers.TOO_LATE))
