"""Questions: somebody who is asked wants to know something first, and the requester answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Click, Identity
from bot.slack.errands import Errands
from bot.slack.modals import Modals
from bot.slack.reference import Reference, known
from bot.slack.replies import Replies
from bot.slack.views import answers, kit, modal, reply, words
from bot.slack.views.answer import Answer
from bot.slack.views.notes import ANSWER_QUESTION
from bot.slack.views.question_modal import ANSWER_FORM, ASK_FORM, TEXT, answer_modal, ask_modal, text
from flows.engine import Engine
from flows.errors import FlowError, InvalidForm, NotWaiting, Refused, TryAgain
from flows.people import Person
from flows.ports import Json
from flows.run import Door
from flows.views import SuspensionView
from integrations.slack.text import clip

log = logging.getLogger(__name__)

_ASK = "Ask a question"
_ANSWER = "Answer"
_NO_QUESTION = "Nobody has an open question here any more; it was answered, or decided without."
_ERROR = 500  # characters of a sentence under an input

Says = Callable[[Reference, Person, str], Awaitable[str]]
"""Records what was written, and says so in Slack's markup. Raises ``FlowError``."""


class Questions:
    """They translate; who may ask and answer is the engine's to say."""

    def __init__(self, engine: Engine, people: People, replies: Replies, modals: Modals, errands: Errands) -> None:
        self._engine = engine
        self._people = people
        self._replies = replies
        self._modals = modals
        self._errands = errands

    def listen(self, app: AsyncApp) -> None:
        """Take the modals, and the buttons below what somebody wrote in a thread."""
        app.action(ANSWER_QUESTION)(self.answer_clicked)
        app.action(reply.ASK_THIS)(self.ask_this)
        app.action(reply.THIS_ANSWERS)(self.this_answers)
        app.view(ASK_FORM)(self.asked)
        app.view(ANSWER_FORM)(self.answered)

    # -- modals -------------------------------------------------------------------------------------------------

    async def open(self, click: Click, reference: Reference | None) -> None:
        """The modal in which a question is written."""

        async def draw() -> kit.Block:
            view, person = await self._open_wait(click.who, reference)
            await self._engine.check_may_decide(view, person.id)
            return ask_modal(view, click.origin(Reference.to(view)), self._engine.ids)

        await self._modals.show(click, _ASK, draw)

    async def answer_clicked(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Answer: the modal in which it is written."""
        click = Click.of(body, action)
        reference = Reference.parse(click.value, self._engine.ids)

        async def draw() -> kit.Block:
            view, _ = await self._open_wait(click.who, reference)
            if not any(question.open for question in view.questions):
                raise NotWaiting(_NO_QUESTION)
            return answer_modal(view, click.origin(Reference.to(view)), self._engine.ids)

        self._errands.run(self._modals.show(click, _ANSWER, draw), at_once=True)
        await ack()

    async def asked(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """A question was sent."""
        await self._sent(ack, body, view, self._ask, "Not asked")

    async def answered(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """An answer was sent."""
        await self._sent(ack, body, view, self._answer, "Not answered")

    async def _sent(
        self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json], says: Says, failed: str
    ) -> None:
        origin = modal.Origin.parse(str(view.get("private_metadata") or ""), self._engine.ids)
        who = Identity.of(body)
        try:
            reference = known(origin.reference if origin is not None else None)
            person = await self._people.by_slack(who.team, who.user)
            said = await says(reference, person, text(view["state"]["values"]))
        except (InvalidForm, TryAgain) as refusal:
            # What was typed stays where it can be sent again.
            sentence = " ".join(refusal.fields.values()) if isinstance(refusal, InvalidForm) else str(refusal)
            await ack(response_action="errors", errors={TEXT: clip(sentence, _ERROR)})
        except FlowError as refusal:
            sentence = str(refusal) if isinstance(refusal, Refused) else answers.UNKNOWN
            await ack(response_action="update", view=modal.notice(failed, sentence))
        except Exception:
            log.exception("a question or an answer failed for a reason that nobody foresaw")
            await ack(response_action="errors", errors={TEXT: answers.FAULT})
        else:
            await ack()
            assert origin is not None  # or nothing would be known
            self._errands.run(self._replies.tell(who, origin.channel, Answer(said), person, thread=origin.thread))

    # -- what somebody wrote in a thread ------------------------------------------------------------------------

    async def ask_this(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """What they wrote is a question to the requester."""
        await self._passed_on(ack, Click.of(body, action), self._ask)

    async def this_answers(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """What they wrote is the answer."""
        await self._passed_on(ack, Click.of(body, action), self._answer)

    async def _passed_on(self, ack: Ack, click: Click, says: Says) -> None:
        carried, written = reply.read(click.value)
        try:
            reference = known(Reference.parse(carried, self._engine.ids))
            person = await self._people.by_slack(click.who.team, click.who.user)
            said = await says(reference, person, written)
        except FlowError as refusal:
            said = answers.refused(refusal)
        except Exception:
            log.exception("a question or an answer failed for a reason that nobody foresaw")
            said = answers.FAULT
        await ack()
        self._errands.run(self._replies.say(click, Answer(said)))

    # -- what is recorded ---------------------------------------------------------------------------------------

    async def _ask(self, reference: Reference, person: Person, written: str) -> str:
        await self._engine.ask(reference.run, reference.n, person.id, written, door=Door.SLACK)
        view = await self._engine.peek(reference.run, reference.n)
        if view is None:
            return "Asked."
        stopped = " The clock is stopped until then." if view.suspension.clocks.stopped_at is not None else ""
        return f"Asked: {words.who(view.requester)} is told, and you are told what they answer.{stopped}"

    async def _answer(self, reference: Reference, person: Person, written: str) -> str:
        before = await self._engine.peek(reference.run, reference.n)
        await self._engine.answer(reference.run, reference.n, person.id, written, door=Door.SLACK)
        asked = {question.person for question in before.questions if question.open} if before is not None else set()
        told = words.those(before.person(one) for one in sorted(asked)) if before is not None else ""
        return f"Answered. {told or 'Whoever asked'} {'are' if len(asked) > 1 else 'is'} told."

    async def _open_wait(self, who: Identity, reference: Reference | None) -> tuple[SuspensionView, Person]:
        """What is asked, and the person, who may read it. Raises ``FlowError``."""
        reference = known(reference)
        person = await self._people.by_slack(who.team, who.user)
        view = await self._engine.suspension(reference.run, reference.n, person.id)
        if not view.open:
            raise NotWaiting("This is no longer open; there is nothing to ask or to answer.")
        return view, person
