"""Putting it off: somebody who is asked says when they want to hear of it again."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from slack_bolt.app.async_app import AsyncApp

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Click, Identity
from bot.slack.errands import Errands
from bot.slack.modals import Modals
from bot.slack.reference import Reference, known
from bot.slack.replies import Replies
from bot.slack.views import answers, kit, modal, words
from bot.slack.views.answer import Answer
from bot.slack.views.snooze_modal import SNOOZE_FORM, UNTIL, choices, chosen, snooze_modal
from flows.clock import Clock
from flows.engine import Engine
from flows.errors import FlowError, InvalidForm, NotWaiting, Refused, TryAgain
from flows.ports import Json
from flows.run import Door
from integrations.slack.text import clip

log = logging.getLogger(__name__)

_TITLE = "Remind me later"
_ERROR = 500  # characters of a sentence under an input


class Snoozing:
    """It translates; who may put what off until when is the engine's to say."""

    def __init__(
        self, engine: Engine, people: People, replies: Replies, modals: Modals, errands: Errands, clock: Clock
    ) -> None:
        self._engine = engine
        self._people = people
        self._replies = replies
        self._modals = modals
        self._errands = errands
        self._clock = clock

    def listen(self, app: AsyncApp) -> None:
        """Take the modal."""
        app.view(SNOOZE_FORM)(self.sent)

    async def open(self, click: Click, reference: Reference | None) -> None:
        """The modal in which a time is chosen."""
        await self._modals.show(click, _TITLE, lambda: self._drawn(click, reference))

    async def _drawn(self, click: Click, reference: Reference | None) -> kit.Block:
        reference = known(reference)
        person = await self._people.by_slack(click.who.team, click.who.user)
        view = await self._engine.suspension(reference.run, reference.n, person.id)
        if not view.open:
            raise NotWaiting("This is no longer open: nothing reminds you of it any more.")
        await self._engine.check_may_decide(view, person.id)
        now = self._clock.now()
        until = view.suspension.clocks.snoozed.get(person.id)
        origin = click.origin(Reference.to(view))
        offered = choices(now, person.tz, view.suspension.due)
        current = until if until is not None and until > now else None
        return snooze_modal(view, origin, self._engine.ids, offered, current)

    async def sent(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """A time was chosen."""
        origin = modal.Origin.parse(str(view.get("private_metadata") or ""), self._engine.ids)
        who = Identity.of(body)
        until = chosen(view["state"]["values"])
        try:
            reference = known(origin.reference if origin is not None else None)
            person = await self._people.by_slack(who.team, who.user)
            await self._engine.snooze(reference.run, reference.n, person.id, until, door=Door.SLACK)
        except (InvalidForm, TryAgain) as refusal:
            sentence = " ".join(refusal.fields.values()) if isinstance(refusal, InvalidForm) else str(refusal)
            await ack(response_action="errors", errors={UNTIL: clip(sentence, _ERROR)})
        except FlowError as refusal:
            sentence = str(refusal) if isinstance(refusal, Refused) else answers.UNKNOWN
            await ack(response_action="update", view=modal.notice("Not put off", sentence))
        except Exception:
            log.exception("putting something off failed for a reason that nobody foresaw")
            await ack(response_action="errors", errors={UNTIL: answers.FAULT})
        else:
            await ack()
            said = "You are reminded like everybody else again."
            if until is not None:
                said = f":zzz: You are reminded {words.moment(until)}. You can decide it at any time before."
            assert origin is not None  # or nothing would be known
            self._errands.run(self._replies.tell(who, origin.channel, Answer(said), person, thread=origin.thread))
