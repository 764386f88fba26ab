"""Handing approvals over: the modal, what ends it, and who hears of it.

Whoever is to answer for somebody is told so in a direct message, through whichever door it was arranged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Click, Identity
from bot.slack.errands import Errands
from bot.slack.replies import Replies
from bot.slack.views import answers, delegation_modal, kit, modal, person_input
from bot.slack.views.answer import Answer, told
from bot.slack.views.delegation_modal import DELEGATE, DELEGATIONS, END, ENDS
from bot.web.moments import zone_named
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.delegation import Delegation
from flows.engine import Engine
from flows.errors import FlowError, InvalidForm, Refused
from flows.people import Person, PersonId
from flows.ports import Json
from integrations.slack.failures import SlackError
from integrations.slack.text import clip

log = logging.getLogger(__name__)

_CLOSED = "not_found"  # the person has closed the modal meanwhile
_NOT_DONE = "Not handed over"
_FAULT = "Something went wrong on our side; nothing was changed. Please try again in a while."
_ERROR = 500  # characters of a sentence under an input
_COUNTED = 200  # of what waits; who has more of it is told so many
_INPUTS = {"to": person_input.PERSON, "until": ENDS}
"""The inputs by what the engine calls what is in them."""


class Delegating:
    """It translates; who may hand over what to whom is the engine's to say."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        workspaces: Workspaces,
        clock: Clock,
        replies: Replies,
        errands: Errands,
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._clock = clock
        self._replies = replies
        self._errands = errands

    def listen(self, app: AsyncApp) -> None:
        """Take what the modal and what opens it say."""
        app.action(DELEGATIONS)(self.clicked)
        app.action(END)(self.end)
        app.view(DELEGATE)(self.sent)

    # -- the modal ----------------------------------------------------------------------------------------------

    async def clicked(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """The button that opens the modal."""
        self._errands.run(self._open_for(Click.of(body, action)), at_once=True)
        await ack()

    async def _open_for(self, click: Click) -> None:
        if not await self.open(click.trigger_id, click.who, click.channel):
            await self._replies.say(click, Answer(answers.TOO_LATE))

    async def open(self, trigger_id: str, who: Identity, channel: str | None) -> bool:
        """Show the modal; False where Slack did not let it be shown. ``channel`` is where the answer goes."""
        client = self._workspaces.client(who.at)
        try:
            view = await client.open_view(trigger_id, delegation_modal.loading())
            await client.update_view(view.id, await self._drawn(who, channel))
        except SlackError as error:
            if error.code == _CLOSED:
                return True
            log.warning("a modal was not shown", extra={"error": str(error)})
            return False
        return True

    async def _drawn(self, who: Identity, channel: str | None, said: str | None = None) -> kit.Block:
        try:
            person = await self._people.by_slack(who.team, who.user)
            delegations = await self._engine.delegations(person.id)
        except FlowError as refusal:
            return modal.told(_NOT_DONE, answers.refused(refusal))
        except Exception:
            log.exception("what was handed over cannot be read")
            return modal.notice(_NOT_DONE, _FAULT)
        zone = zone_named(person.tz)
        people = await self._persons(id_ for one in delegations for id_ in (one.person, one.delegate))
        return delegation_modal.delegation_modal(
            person,
            delegations,
            people,
            sorted(self._engine.flows.values(), key=lambda flow: flow.flow),
            self._engine.ids,
            zone=zone,
            today=self._clock.now().astimezone(zone).date(),
            channel=channel,
            said=said,
        )

    async def sent(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """The modal was sent: somebody is to answer for the person."""
        who = Identity.of(body)
        channel = str(view.get("private_metadata") or "") or None
        try:
            person = await self._people.by_slack(who.team, who.user)
            made = await self._hand_over(person, who, view["state"]["values"])
        except Exception as error:  # noqa: BLE001 - sorted out right there; every submission is answered
            await ack(**_corrected(error))
            return
        await ack()
        self._errands.run(self._after(who, channel, person, made))

    async def _hand_over(self, person: Person, who: Identity, state: Mapping[str, Mapping[str, Json]]) -> Delegation:
        filled = delegation_modal.filled(state)
        user, span = person_input.person(state), filled.span(zone_named(person.tz))
        if user is None:
            raise InvalidForm({"to": "is required."})
        if span is None:
            raise InvalidForm({"until": "is required."})
        to = await self.chosen(who, user)
        return await self._engine.delegate(person.id, to, *span, filled.flows, by=person.id)

    async def chosen(self, who: Identity, user: str) -> PersonId:
        """Whom somebody has chosen in a menu of users. Raises ``InvalidForm`` where nobody can be asked by that,
        ``TryAgain``."""
        handle = f"{who.at or who.team}/{user}"
        roster = await self._people.resolve([handle])
        if handle not in roster.people:
            raise InvalidForm({"to": f"cannot be asked: {roster.gaps.get(handle, 'Slack knows nobody by that')}."})
        return roster.people[handle]

    async def _after(self, who: Identity, channel: str | None, person: Person, made: Delegation) -> None:
        delegate = (await self._persons([made.delegate]))[made.delegate]
        await self._replies.tell(who, channel, delegation_modal.done(made, delegate, zone_named(person.tz)), person)
        await self._announce(made)

    # -- its end ------------------------------------------------------------------------------------------------

    async def end(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """One of those that are in force, or will be, is over now."""
        click = Click.of(body, action)
        ended: Delegation | None = None
        person: Person | None = None
        try:
            person = await self._people.by_slack(click.who.team, click.who.user)
            number = self._engine.ids.parse_delegation(click.value)
            if number is not None:
                ended = await self._engine.end_delegation(number, person.id)
            said = ":white_check_mark: It is over." if ended else ":warning: There is nothing like that in force."
        except FlowError as refusal:
            said = f":warning: {answers.refused(refusal)}"
        except Exception:
            log.exception("a delegation could not be ended for a reason that nobody foresaw")
            said = f":warning: {_FAULT}"
        await ack()
        self._errands.run(self._shown_again(click, body, said), at_once=True)
        if ended is not None and person is not None:
            self._errands.run(self._announce_end(ended, person))

    async def _shown_again(self, click: Click, body: Mapping[str, Json], said: str) -> None:
        view = body.get("view") or {}
        if view.get("callback_id") == DELEGATE:
            channel = str(view.get("private_metadata") or "") or None
            await self._workspaces.client(click.who.at).update_view(
                str(view["id"]), await self._drawn(click.who, channel, said)
            )
        else:
            await self._replies.say(click, Answer(said))

    # -- who hears of it ----------------------------------------------------------------------------------------

    def arranged(self, delegation: Delegation, ended_by: Person | None) -> None:
        """Tell whom it concerns, where it was made, or ended by somebody, through another door."""
        telling = self._announce(delegation) if ended_by is None else self._announce_end(delegation, ended_by)
        self._errands.run(telling)

    async def _announce(self, delegation: Delegation) -> None:
        ids = (delegation.person, delegation.delegate, delegation.made_by)
        people = await self._persons(ids)
        person, delegate, maker = (people[one] for one in ids)
        self._replies.touch_homes(person.id, delegate.id)
        waiting = await self._waiting(delegation) if delegation.starts <= self._clock.now() < delegation.ends else 0
        zone = zone_named(delegate.tz)
        await self._tell(delegate, delegation_modal.to_delegate(delegation, person, zone, waiting=waiting))
        if maker.id not in (person.id, delegate.id):
            await self._tell(person, delegation_modal.to_person(delegation, delegate, maker, zone_named(person.tz)))

    async def _announce_end(self, delegation: Delegation, by: Person) -> None:
        people = await self._persons((delegation.person, delegation.delegate))
        person, delegate = people[delegation.person], people[delegation.delegate]
        self._replies.touch_homes(person.id, delegate.id)
        for one in {person.id: person, delegate.id: delegate}.values():
            if one.id != by.id:
                await self._tell(one, delegation_modal.ended(delegation, person, delegate, by))

    async def _waiting(self, delegation: Delegation) -> int:
        """How many of the person's approvals the other one may answer now."""
        found = await self._engine.waiting_for(delegation.person, limit=_COUNTED)
        return sum(
            view.decision_of(delegation.person) is None
            for view in found
            if not delegation.flows or view.run.flow in delegation.flows
        )

    async def _tell(self, person: Person, answer: Answer) -> None:
        if person.slack is None:
            return  # whoever is asked by mail is told for whom with each approval
        team, _, user = person.slack.rpartition("/")
        client = self._workspaces.client(self._workspaces.first_of(team or None))
        await client.post(await client.open_direct(user), text=answer.text, blocks=told(answer))

    async def _persons(self, ids: Iterable[PersonId]) -> dict[PersonId, Person]:
        return {one: await self._people.by_id(one) or Person(one, "somebody") for one in dict.fromkeys(ids)}


def _corrected(error: Exception) -> dict[str, Json]:
    """What the modal is answered where nothing was handed over: what was filled in stays."""
    if isinstance(error, InvalidForm):
        wrong = {_INPUTS[name]: clip(text, _ERROR) for name, text in error.fields.items() if name in _INPUTS}
        if wrong:
            return {"response_action": "errors", "errors": wrong}
    if not isinstance(error, FlowError):
        log.error("approvals could not be handed over for a reason that nobody foresaw", exc_info=error)
    sentence = str(error) if isinstance(error, Refused) else _FAULT
    # Most refusals are about who was chosen, and name them.
    return {"response_action": "errors", "errors": {person_input.PERSON: clip(sentence, _ERROR)}}
