"""Letting somebody else be asked: the modal, and what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Click, Identity
from bot.slack.delegating import Delegating
from bot.slack.errands import Errands
from bot.slack.reference import Reference
from bot.slack.replies import Replies
from bot.slack.views import answers, modal, person_input, reason_input, reassign_modal
from bot.slack.views.answer import Answer
from bot.slack.views.buttons import REASSIGN
from bot.slack.views.reassign_modal import INSTEAD_OF
from bot.workspaces import Workspaces
from flows.engine import Engine
from flows.errors import FlowError, InvalidForm, Refused
from flows.people import Person, PersonId
from flows.ports import Json
from flows.run import Door
from flows.views import SuspensionView
from integrations.slack.failures import SlackError
from integrations.slack.text import clip

log = logging.getLogger(__name__)

_NOT_DONE = "Nothing has changed"
_ERROR = 500  # characters of a sentence under an input
_MOST = 100  # people to choose from
_INPUTS = {"to": person_input.PERSON, "person": INSTEAD_OF, "reason": reason_input.REASON}


class Reassigning:
    """It translates; who may let whom be asked is the engine's to say."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        workspaces: Workspaces,
        replies: Replies,
        delegating: Delegating,
        errands: Errands,
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._replies = replies
        self._delegating = delegating
        self._errands = errands

    def listen(self, app: AsyncApp) -> None:
        """Take what the modal says."""
        app.view(REASSIGN)(self.sent)

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
            person = await self._people.by_slack(click.who.team, click.who.user)
            others = await self._others(view, person)
        except FlowError as refusal:
            await self._replies.say(click, Answer(answers.refused(refusal)))
            return
        origin = click.origin(reference)
        drawn = reassign_modal.reassign_modal(view, origin, self._engine.ids, person, others)
        try:
            await self._workspaces.client(click.who.at).open_view(click.trigger_id, drawn)
        except SlackError as error:
            log.warning("a modal was not opened", extra={"error": str(error)})
            await self._replies.say(click, Answer(answers.TOO_LATE))

    async def _others(self, view: SuspensionView, person: Person) -> list[Person]:
        """Whom somebody may relieve besides themselves: everybody who is asked and has not answered, for an admin.

        Raises what ``decide`` would where the person is no admin and is not asked themselves.
        """
        if not self._people.is_admin(person.id):
            await self._engine.check_may_decide(view, person.id)
            return []
        ids = dict.fromkeys(view.suspension.approvers.people)
        if view.suspension.approvers.groups:
            roster = await self._people.resolve(view.suspension.approvers.groups)
            ids.update(dict.fromkeys(one for members in roster.groups.values() for one in members))
        left = [one for one in ids if view.decision_of(one) is None]
        return [await self._people.by_id(one) or view.person(one) for one in left[:_MOST]]

    async def sent(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """The modal was sent."""
        origin = modal.Origin.parse(str(view.get("private_metadata") or ""), self._engine.ids)
        who = Identity.of(body)
        if origin is None:
            await ack(response_action="update", view=modal.notice(_NOT_DONE, answers.UNKNOWN))
            return
        try:
            reader = await self._people.by_slack(who.team, who.user)
            person, to = await self._reassigned(origin.reference, who, reader, view["state"]["values"])
        except Exception as error:  # noqa: BLE001 - sorted out right there; every submission is answered
            await ack(**_corrected(error))
            return
        await ack()
        self._errands.run(self._after(who, origin, reader, person, to))

    async def _reassigned(
        self, reference: Reference, who: Identity, reader: Person, state: Mapping[str, Mapping[str, Json]]
    ) -> tuple[PersonId, PersonId]:
        named, user = reassign_modal.instead_of(state), person_input.person(state)
        person = self._engine.ids.parse_person(named) if named is not None else reader.id
        if person is None:
            raise InvalidForm({"person": "is not asked here."})
        if user is None:
            raise InvalidForm({"to": "is required."})
        to = await self._delegating.chosen(who, user)
        reason = reason_input.reason(state)
        await self._engine.reassign(reference.run, reference.n, person, to, reader.id, door=Door.SLACK, reason=reason)
        return person, to

    async def _after(self, who: Identity, origin: modal.Origin, reader: Person, person: PersonId, to: PersonId) -> None:
        old, new = [await self._people.by_id(one) or Person(one, "somebody") for one in (person, to)]
        done = reassign_modal.done(old, new, reader)
        await self._replies.tell(who, origin.channel, done, reader, thread=origin.thread)


def _corrected(error: Exception) -> dict[str, Json]:
    """What the modal is answered where nobody else is asked: what was filled in stays where it can be sent again."""
    if isinstance(error, InvalidForm):
        wrong = {_INPUTS[name]: clip(text, _ERROR) for name, text in error.fields.items() if name in _INPUTS}
        if wrong:
            return {"response_action": "errors", "errors": wrong}
    if isinstance(error, Refused):
        # Most of them are about who was chosen, and another choice may do.
        return {"response_action": "errors", "errors": {person_input.PERSON: clip(str(error), _ERROR)}}
    if isinstance(error, FlowError):
        return {"response_action": "update", "view": modal.notice(_NOT_DONE, answers.UNKNOWN)}
    log.error("somebody else could not be asked for a reason that nobody foresaw", exc_info=error)
    return {"response_action": "errors", "errors": {person_input.PERSON: answers.FAULT}}
