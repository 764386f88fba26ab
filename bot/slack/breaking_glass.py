"""Letting a run go on without a decision, in an emergency: for admins and the flow's owner, who say why."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Click, Identity
from bot.slack.errands import Errands
from bot.slack.reference import Reference
from bot.slack.replies import Replies
from bot.slack.views import answers, break_glass_modal, modal, reason_input
from bot.slack.views.answer import Answer
from bot.slack.views.break_glass_modal import RUN
from bot.slack.views.buttons import BREAK_GLASS
from bot.slack.views.requester import run_link
from bot.workspaces import Workspaces
from flows.engine import Engine
from flows.errors import FlowError, InvalidForm, Refused, TryAgain
from flows.people import Person
from flows.ports import Json
from flows.run import Door, Run
from integrations.slack.failures import SlackError
from integrations.slack.text import clip

log = logging.getLogger(__name__)

_NOT_DONE = "Nothing has changed"
_ERROR = 500  # characters of a sentence under an input


class BreakingGlass:
    """It translates; who may do that is the engine's to say."""

    def __init__(
        self, engine: Engine, people: People, workspaces: Workspaces, replies: Replies, errands: Errands
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._replies = replies
        self._errands = errands

    def listen(self, app: AsyncApp) -> None:
        """Take what the modal says."""
        app.view(BREAK_GLASS)(self.sent)

    async def open(self, click: Click, reference: Reference | None) -> None:
        """Open the modal for a suspension, or say why not. For ``Menu``."""
        try:
            view = await self._engine.peek(reference.run, reference.n) if reference is not None else None
            if view is None or reference is None:
                await self._replies.say(click, Answer(answers.UNKNOWN))
                return
            if not view.open:
                await self._replies.say(click, Answer(answers.closed(view, self._engine.ids)))
                return
            # The engine's own rule, before anybody writes reasons: the menu is on a card that everybody sees.
            person = await self._people.by_slack(click.who.team, click.who.user)
            await self._engine.check_may_drop(view, person.id)
        except FlowError as refusal:
            await self._replies.say(click, Answer(answers.refused(refusal)))
            return
        origin = click.origin(reference)
        drawn = break_glass_modal.break_glass_modal(view, origin, self._engine.ids)
        try:
            await self._workspaces.client(click.who.at).open_view(click.trigger_id, drawn)
        except SlackError as error:
            log.warning("a modal was not opened", extra={"error": str(error)})
            await self._replies.say(click, Answer(answers.TOO_LATE))

    async def sent(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """The modal was sent."""
        origin = modal.Origin.parse(str(view.get("private_metadata") or ""), self._engine.ids)
        who = Identity.of(body)
        if origin is None:
            await ack(response_action="update", view=modal.notice(_NOT_DONE, answers.UNKNOWN))
            return
        try:
            person = await self._people.by_slack(who.team, who.user)
            after = await self._dropped(origin.reference, person, view["state"]["values"])
        except Exception as error:  # noqa: BLE001 - sorted out right there; every submission is answered
            await ack(**_corrected(error))
            return
        await ack()
        link = run_link(after.id, self._engine.ids)
        said = Answer(
            f":rotating_light: {link} goes on without a decision. Everybody concerned is told, with your reason."
        )
        self._errands.run(self._replies.tell(who, origin.channel, said, person, thread=origin.thread))

    async def _dropped(self, reference: Reference, person: Person, state: Mapping[str, Mapping[str, Json]]) -> Run:
        run = self._engine.ids.run(reference.run)
        if break_glass_modal.typed_run(state) != run:
            raise InvalidForm({"run": f"is not the id of this run, which is {run}."})
        reason = reason_input.reason(state) or ""
        return await self._engine.drop(reference.run, reference.n, person.id, reason, door=Door.SLACK)


def _corrected(error: Exception) -> dict[str, Json]:
    """What the modal is answered where nothing was done: what was typed stays where it can be sent again."""
    if isinstance(error, InvalidForm):
        blocks = {"run": RUN, "reason": reason_input.REASON}
        wrong = {blocks[name]: clip(text, _ERROR) for name, text in error.fields.items() if name in blocks}
        if wrong:
            return {"response_action": "errors", "errors": wrong}
    if isinstance(error, TryAgain):
        return {"response_action": "errors", "errors": {RUN: clip(str(error), _ERROR)}}
    if isinstance(error, FlowError):
        sentence = str(error) if isinstance(error, Refused) else answers.UNKNOWN
        return {"response_action": "update", "view": modal.notice(_NOT_DONE, sentence)}
    log.error("a run could not be let go on for a reason that nobody foresaw", exc_info=error)
    return {"response_action": "errors", "errors": {RUN: answers.FAULT}}
