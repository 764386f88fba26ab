"""What a person is told about what they did, where they did it. Only they see it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from bot.links import PageLinks
from bot.people import People
from bot.slack.click import Click, Identity
from bot.slack.home import Home
from bot.slack.lists import Lists
from bot.slack.reference import Reference
from bot.slack.views import answers, modal
from bot.slack.views.answer import Answer, told
from bot.slack.views.card import Shown
from bot.slack.views.pending import Listing
from bot.workspaces import Workspaces
from flows.engine import Engine
from flows.errors import ActionError, FlowError, TryAgain
from flows.people import Person, PersonId
from flows.ports import Json

log = logging.getLogger(__name__)


class Replies:
    """Answers to clicks, submissions and commands. Raises ``ActionError`` only where every way has failed."""

    def __init__(
        self, engine: Engine, people: People, workspaces: Workspaces, links: PageLinks, lists: Lists, home: Home
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._links = links
        self._lists = lists
        self._home = home

    async def say(self, click: Click, answer: Answer, person: Person | None = None) -> None:
        """Answer a click: beside the card; in a list or on the home tab above the list, which is read anew; in place of
        an earlier answer, and of the modal that it was in."""
        if click.modal is not None:
            await self._workspaces.client(click.who.at).update_view(click.modal, modal.told("Your answer", answer.text))
        elif click.channel is None:
            await self.publish_home(click.who, said=answer, person=person)
        elif click.listing is not None and person is not None:
            await self.respond(click, await self._list(person, click.listing, answer), in_place=True)
        else:
            await self.respond(click, _shown(answer), in_place=click.answer)

    async def tell(
        self,
        who: Identity,
        channel: str | None,
        answer: Answer,
        person: Person | None,
        *,
        thread: str | None = None,
    ) -> None:
        """Answer the submission of a modal, which has no address of its own: where the modal was opened from."""
        if channel is None:
            await self.publish_home(who, said=answer, person=person)
            return
        shown = _shown(answer)
        client = self._workspaces.client(who.at)
        try:
            await client.ephemeral(channel, who.user, text=shown.text, blocks=shown.blocks, thread_ts=thread)
        except ActionError as error:
            # A list can be asked for in a channel that the bot is not in.
            log.info("answered in a direct message", extra={"error": str(error)})
            direct = await client.open_direct(who.user)
            await client.post(direct, text=shown.text, blocks=shown.blocks)

    async def lead_to_page(self, click: Click, reference: Reference, why: str) -> None:
        """Answer with the person's own link to the page, if they may read it. ``why`` is in Slack's markup."""
        try:
            person = await self._people.by_slack(click.who.team, click.who.user)
            view = await self._engine.suspension(reference.run, reference.n, person.id)
        except TryAgain as refusal:
            await self.say(click, Answer(answers.refused(refusal)))
        except FlowError:
            await self.say(click, Answer(answers.NOT_YOURS))
        else:
            await self.say(click, Answer(why, page=self._links.url(view, person.id)), person)

    async def publish_home(self, who: Identity, *, said: Answer | None = None, person: Person | None = None) -> None:
        """Redraw a person's home tab; ``said`` stands above it."""
        await self._home.publish(who, said=said, person=person)

    def touch_homes(self, *people: PersonId) -> None:
        """What waits for these people may be different now; for what changes no run."""
        self._home.touch(*people)

    async def respond(self, click: Click, shown: Shown, *, in_place: bool = False) -> None:
        """Show something to the person who clicked, beside the message or in its place."""
        if click.response_url is not None:
            try:
                await self._workspaces.client(click.who.at).respond(
                    click.response_url, response(shown, in_place=in_place, thread=click.thread)
                )
            except ActionError as error:
                log.info("a response address failed", extra={"error": str(error)})
            else:
                return
        if click.channel is not None:
            client = self._workspaces.client(click.who.at)
            await client.ephemeral(
                click.channel, click.who.user, text=shown.text, blocks=shown.blocks, thread_ts=click.thread
            )

    async def _list(self, person: Person, listing: Listing, said: Answer) -> Shown:
        try:
            return await self._lists.shown(person, listing, said=said)
        except TryAgain:
            return _shown(said)  # that it was counted matters more than what else there is


def response(shown: Shown, *, in_place: bool = False, thread: str | None = None) -> dict[str, Json]:
    """The body of an answer at a ``response_url``, in a ``thread`` where that is its message's ts."""
    blocks: Sequence[Mapping[str, Json]] = shown.blocks
    body = {"response_type": "ephemeral", "replace_original": in_place, "text": shown.text, "blocks": list(blocks)}
    return body if thread is None or in_place else {**body, "thread_ts": thread}


def _shown(answer: Answer) -> Shown:
    return Shown(answer.text, told(answer))
