"""Around the messages: what cannot be shown as planned is shown in another way, and whoever can mend it is told.

The runner parks what was refused for good, with the reason on its run. Here is decided what people get meanwhile:

=============================  =================================================================================
a channel does not take cards  each of those who are asked gets a card of their own, else a mail
a person cannot be written to  they get a mail; where the rest cannot decide any more, the wait says so at once
no token, or a scope missing   those who are asked get a mail, where mails can be sent
a card is refused as it is     a plain one with the same buttons; so is a requester's message
=============================  =================================================================================

Each person is told otherwise once for each wait. A wait that is over needs none of this.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace

from bot.people import People
from bot.reconciler import rows
from bot.trouble_notes import Trouble, TroubleNotes, trouble
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.definition import Approval, Wait
from flows.effects import Leased, Note
from flows.engine import Engine
from flows.errors import FlowError
from flows.people import Person, PersonId
from flows.ports import ActionCall
from flows.runner import Messenger, Posted
from flows.store.reads import CardView, RequestCard
from flows.store.sqlite import SqliteStore
from flows.views import RunView, SuspensionView
from integrations.slack.failures import BAD_BLOCKS, DISCONNECTED, PERSON_GONE, PLACE_LOST, SlackError

log = logging.getLogger(__name__)

_CARDS_INSTEAD = "Those who are asked there got a message of their own instead."
_MAILS_INSTEAD = "Those who are asked get it by mail, where mails can be sent."
_PLAINLY = "A plain one with the same buttons stands there."
_PARKED = "Its messages wait, and are sent then."


class BadDays:
    """``flows.runner.Messenger`` around another one."""

    def __init__(
        self,
        messages: Messenger,
        store: SqliteStore,
        engine: Engine,
        people: People,
        workspaces: Workspaces,
        notes: TroubleNotes,
        clock: Clock,
        *,
        mails: bool,
    ) -> None:
        self._messages = messages
        self._store = store
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._notes = notes
        self._clock = clock
        self._mails = mails

    # -- messages -----------------------------------------------------------------------------------------------

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None:
        try:
            return await self._messages.sync_card(card, call)
        except SlackError as error:
            if error.code in BAD_BLOCKS and not card.plain:
                return await self._plainly(card, call, error)
            if error.retryable:
                raise
            if not card.view.open and error.code in PLACE_LOST | PERSON_GONE:
                # Where nobody can look, nothing has to be said. Should the channel come back, it is compared again.
                return None
            await self._otherwise(card, error)
            raise

    async def send_mail(self, view: SuspensionView, person: PersonId, call: ActionCall) -> None:
        await self._messages.send_mail(view, person, call)

    async def sync_request(self, card: RequestCard, call: ActionCall) -> Posted | None:
        try:
            return await self._messages.sync_request(card, call)
        except SlackError as error:
            if error.code in BAD_BLOCKS and not card.plain:
                log.warning("a requester's message was refused as it is", extra={"error": str(error)})
                posted = await self._messages.sync_request(replace(card, plain=True), call)
                await self._note(trouble(error), card.view, _PLAINLY)
                return posted
            await self._noted(error, card.view, card.person)
            raise

    async def tell(
        self, view: SuspensionView, note: Note, person: PersonId | None, times: int, call: ActionCall
    ) -> None:
        try:
            await self._messages.tell(view, note, person, times, call)
        except SlackError as error:
            await self._noted(error, view, person)
            raise

    async def tell_requester(self, view: RunView, call: ActionCall) -> None:
        try:
            await self._messages.tell_requester(view, call)
        except SlackError as error:
            await self._noted(error, view, view.run.requester)
            raise

    # -- another way --------------------------------------------------------------------------------------------

    async def place_lost(self, view: SuspensionView, place: str, team: str | None, error: SlackError) -> None:
        """A channel that has a card of this wait takes no messages any more: those who are asked are told otherwise."""
        people = await self._asked(view)
        if await self._tell_otherwise(view, ((one.id, one.slack is not None) for one in people)):
            await self._note(trouble(error, place=place, team=team), view, _CARDS_INSTEAD)

    async def _plainly(self, card: CardView, call: ActionCall, error: SlackError) -> Posted | None:
        log.warning("a card was refused as it is", extra={"error": str(error)})
        posted = await self._messages.sync_card(replace(card, plain=True), call)
        await self._note(trouble(error, team=card.team), card.view, _PLAINLY)
        return posted

    async def _otherwise(self, card: CardView, error: SlackError) -> None:
        view = card.view
        if card.person is None and error.code in PLACE_LOST:
            await self.place_lost(view, card.channel or card.posted or "a channel", card.team, error)
            return
        asked = await self._asked(view) if card.person is None else [view.person(card.person)]
        new = await self._tell_otherwise(view, ((one.id, False) for one in asked if self._by_mail(view, one)))
        if not new:
            return
        place = "" if card.person is None else view.person(card.person).name
        outage = _is_outage(error)
        instead = _MAILS_INSTEAD if self._mails else _PARKED if outage else ""
        if card.person is not None and not outage:
            error = _of_person(error)
            await self._look_again(view, view.person(card.person))
            instead = _MAILS_INSTEAD if self._mails and view.person(card.person).email else ""
        await self._note(trouble(error, place=place, team=card.team), view, instead)

    def _by_mail(self, view: SuspensionView, person: Person) -> bool:
        wait = view.wait
        mailed = isinstance(wait, Wait) and any(place in ("mail", "gmail") for place in wait.via or ())
        return self._mails and person.email is not None and not mailed

    async def _tell_otherwise(self, view: SuspensionView, people: Iterable[tuple[PersonId, bool]]) -> bool:
        """Whether any of it was new."""
        now, run, n = self._clock.now(), view.run.id, view.suspension.n
        told = list(people)
        new = False

        def work(connection: sqlite3.Connection, numbers: Iterator[int]) -> list[Leased]:
            nonlocal new
            new, leased = rows.tell_otherwise(connection, run, n, told, now, numbers)
            return leased

        await self._store.ask(work)
        return new

    async def _asked(self, view: SuspensionView) -> list[Person]:
        """Everybody who may answer and has not, groups' members included. Raises ``TryAgain``."""
        approvers = view.suspension.approvers
        ids = dict.fromkeys(approvers.people)
        if approvers.groups:
            roster = await self._people.resolve(approvers.groups)
            ids |= dict.fromkeys(one for members in roster.groups.values() for one in members)
        wait = view.wait
        never = {one.person for one in view.decisions}
        if isinstance(wait, Approval) and not wait.self_approval:
            never.add(view.run.requester)
        found = [await self._store.person(one) for one in ids if one not in never]
        return list({person.id: person for person in found if person is not None}.values())

    async def _look_again(self, view: SuspensionView, person: Person) -> None:
        """Somebody who is asked seems to have left: where the rest cannot decide it, the wait says so now."""
        team, _, user = (person.slack or "").rpartition("/")
        try:
            if user and team in self._workspaces:
                self._workspaces.directory(team).forget_user(user, person.email)
            await self._engine.people_left(view.run.id, view.suspension.n)
        except FlowError as error:
            log.info("who has left was not looked at", extra={"error": str(error)})

    # -- notes --------------------------------------------------------------------------------------------------

    async def _noted(self, error: SlackError, view: SuspensionView | RunView, person: PersonId | None) -> None:
        if not error.retryable:
            place = "the admins' channel" if person is None else view.person(person).name
            said = error if person is None else _of_person(error)
            await self._note(trouble(said, place=place), view, _PARKED if _is_outage(error) else "")

    async def _note(self, found: Trouble, view: SuspensionView | RunView, instead: str) -> None:
        await self._notes.note(found, instead=instead, flow=view.plan.flow, run=view.run.id)


def _is_outage(error: SlackError) -> bool:
    """Whether nothing can be sent until somebody has mended it."""
    return error.code in DISCONNECTED or error.code == "missing_scope"


def _of_person(error: SlackError) -> SlackError:
    """What a channel's error means for somebody's direct messages: that they cannot be written to."""
    return SlackError(str(error), code="user_not_found") if error.code in PLACE_LOST else error
