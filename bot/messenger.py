"""Shows people what waits for them: cards in Slack, mails through Gmail, whichever is set up."""

from __future__ import annotations

from typing import Protocol

from bot.links import PageLinks
from bot.mail import render
from flows.errors import UnknownAction
from flows.people import Person, PersonId
from flows.ports import ActionCall
from flows.runner import Posted
from flows.store.reads import CardView
from flows.views import RunView, SuspensionView
from integrations.gmail.messages import Mail
from integrations.gmail.send import Mailer


class Cards(Protocol):
    """Slack's half (``bot.slack.cards``)."""

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None: ...
    async def tell_requester(self, view: RunView, person: Person, call: ActionCall) -> None: ...


class Messages:
    """``flows.runner.Messenger``. What is not set up parks its effect with a hint; the run is intact."""

    def __init__(self, *, cards: Cards | None, mailer: Mailer | None, links: PageLinks, public_url: str) -> None:
        self._cards = cards
        self._mailer = mailer
        self._links = links
        self._public_url = public_url

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None:
        if self._cards is None:
            raise UnknownAction("Slack is not set up; set SLACK_BOT_TOKEN and retry")
        return await self._cards.sync_card(card, call)

    async def send_mail(self, view: SuspensionView, person: PersonId, call: ActionCall) -> None:
        if self._mailer is None and self._cards is None:
            return  # an installation without Slack and Gmail asks through its API only
        who = view.person(person)
        if who.email is None:
            raise UnknownAction(f"{who.name} has no mail address")
        letter = render.ask(view, who, self._links.url(view, person))
        await self._mail(who.email, letter, call)

    async def tell_requester(self, view: RunView, call: ActionCall) -> None:
        who = view.person(view.run.requester)
        if who.slack is not None and self._cards is not None:
            await self._cards.tell_requester(view, who, call)
        elif who.email is not None and self._mailer is not None:
            await self._mail(who.email, render.ending(view, self._run_url(call)), call)
        # Nobody to tell and no way to: the run shows how it ended, and that is all that can be done.

    def _run_url(self, call: ActionCall) -> str:
        return f"{self._public_url}/runs/{call.key.partition('/')[0]}"

    async def _mail(self, address: str, letter: render.Letter, call: ActionCall) -> None:
        if self._mailer is None:
            raise UnknownAction("Gmail is not set up; set GMAIL_CREDENTIALS and GMAIL_SENDER and retry")
        mail = Mail(to=(address,), subject=letter.subject, text=letter.text, html=letter.html)
        await self._mailer.send(mail, memo=call.memo, remember=call.remember)
