"""Sends Signoff's own mails, each into the thread of its request and person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.links import PageLinks
from bot.mail import render, threads
from bot.mail.mailboxes import Mailboxes
from bot.mail.render import Envelope
from bot.mail.threads import TO_REQUESTER, Kept, Place
from flows.clock import Clock
from flows.effects import Note
from flows.errors import UnknownAction
from flows.people import Person
from flows.ports import ActionCall, Json
from flows.store.sqlite import SqliteStore
from flows.views import RunView, SuspensionView
from integrations.mail.layout import Letter
from integrations.mail.mailer import Remember
from integrations.mail.messages import Mail, Thread, mailbox, message_id

REQUESTER = "requester"
"""The value of ``MAIL_REPLY_TO`` that lets replies go to whoever has asked."""


class Post:
    """What people are mailed. Each raises ``ActionError``, and ``UnknownAction`` where the person has no mail address.

    ``reply_to`` is the setting: an address, ``requester``, or None for the mailbox that the mail comes from.
    """

    def __init__(
        self,
        store: SqliteStore,
        mailboxes: Mailboxes,
        links: PageLinks,
        clock: Clock,
        public_url: str,
        *,
        reply_to: str | None = None,
    ) -> None:
        self._store = store
        self._mailboxes = mailboxes
        self._links = links
        self._clock = clock
        self._public_url = public_url.rstrip("/")
        self._reply_to = reply_to

    @property
    def ready(self) -> bool:
        """Whether anything is set up that could send."""
        return self._mailboxes.any_of() is not None

    # -- to who is asked ----------------------------------------------------------------------------------------

    async def ask(self, view: SuspensionView, who: Person, call: ActionCall) -> None:
        """The first mail of a wait: what is asked, and the person's link."""
        await self._to_asked(view, who, render.ask(view, who, self.envelope(view, who)), call)

    async def tell(self, view: SuspensionView, note: Note, who: Person, times: int, call: ActionCall) -> None:
        """What has happened, to whoever is asked or has asked; ``times`` as in ``Tell``."""
        now = self._clock.now()
        match note:
            case Note.REMINDER | Note.NUDGE | Note.WOKEN:
                letter = render.again(view, note, who, times, self.envelope(view, who))
            case Note.ANSWER:
                question = view.question(times)
                assert question is not None  # its place is what it is told of by
                letter = render.answered(view, question, who, self.envelope(view, who))
            case Note.DROPPED if who.id != view.run.requester:
                letter = render.closed(view, who, self.envelope(view, who), now=now)
            case Note.QUESTION:
                question = view.question(times)
                assert question is not None  # as above
                letter = render.asked_first(view, question, Envelope(self._links.url(view, who.id)))
                await self._to_requester(view, who, letter, call)
                return
            case _:
                letter = render.told(view, note, self._run(view), now=now)
                await self._to_requester(view, who, letter, call)
                return
        await self._to_asked(view, who, letter, call)

    async def closed(self, view: SuspensionView, who: Person, call: ActionCall) -> None:
        """That it is over, to somebody who was mailed and has not answered."""
        letter = render.closed(view, who, self.envelope(view, who), now=self._clock.now())
        await self._to_asked(view, who, letter, call)

    # -- to the requester, and to anybody -----------------------------------------------------------------------

    async def ending(self, view: RunView, who: Person, call: ActionCall) -> None:
        """How the run ended."""
        letter = render.ending(view, Envelope(self._run_url(view.run.id)))
        await self._threaded(Place(view.run.id, TO_REQUESTER, who.id), who, letter, call, reply_to=None)

    async def alone(
        self, who: Person, letter: Letter, *, key: str, memo: Mapping[str, Json], remember: Remember
    ) -> None:
        """A letter that is in no thread; ``key`` is the same on each repeat."""
        mailer = self._mailboxes.mail
        mail = Mail(
            to=(_address(who),),
            subject=letter.subject,
            text=letter.text,
            html=letter.html,
            message_id=message_id(key, mailer.address),
        )
        await mailer.send(mail, memo=memo, remember=remember)

    # -- inside -------------------------------------------------------------------------------------------------

    def envelope(self, view: SuspensionView, who: Person) -> Envelope:
        """The person's page, what it asks for, and where replies go."""
        replies = self._replies(view) or (self._mailboxes.mail.address if self.ready else None)
        return Envelope(self._links.url(view, who.id), self._links.code(view, who.id), replies)

    def _replies(self, view: SuspensionView) -> str | None:
        if self._reply_to == REQUESTER:
            return view.requester.email
        return mailbox(self._reply_to).addr_spec if self._reply_to is not None else None

    def _run(self, view: SuspensionView) -> Envelope:
        return Envelope(self._run_url(view.run.id))

    def _run_url(self, run: int) -> str:
        return f"{self._public_url}/runs/{self._store.ids.run(run)}"

    async def _to_asked(self, view: SuspensionView, who: Person, letter: Letter, call: ActionCall) -> None:
        place = Place(view.run.id, view.suspension.n, who.id)
        await self._threaded(place, who, letter, call, reply_to=self._replies(view))

    async def _to_requester(self, view: SuspensionView, who: Person, letter: Letter, call: ActionCall) -> None:
        await self._threaded(Place(view.run.id, TO_REQUESTER, who.id), who, letter, call, reply_to=None)

    async def _threaded(
        self, place: Place, who: Person, letter: Letter, call: ActionCall, *, reply_to: str | None
    ) -> None:
        mailer, address = self._mailboxes.mail, _address(who)
        before = await self._store.read(lambda c, _: threads.find(c, place))
        if before is None:
            # Made of what it is about, not of the effect: after a mail of which nobody knows, the next is the same one.
            first = message_id(f"{self._store.ids.run(place.run)}/{place.n}/{place.person}", mailer.address)
            kept, own = Kept(letter.subject, Thread(first)), first
        else:
            kept, own = before, message_id(call.key, mailer.address)
        mail = Mail(
            to=(address,),
            # The same for all of them: readers' programs look at it before they put mails together.
            subject=kept.subject,
            text=letter.text,
            html=letter.html,
            reply_to=reply_to,
            message_id=own,
            thread=kept.thread,
        )
        sent = await mailer.send(mail, memo=call.memo, remember=call.remember)
        thread = replace(
            kept.thread, newest=sent.message_id, id=sent.thread_id or kept.thread.id, account=mailer.address
        )
        await self._store.write(lambda c: threads.keep(c, place, Kept(kept.subject, thread)))


def _address(who: Person) -> str:
    if who.email is None:
        raise UnknownAction(f"{who.name} has no mail address")
    return who.email
