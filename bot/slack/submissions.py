"""The listeners of the modals that decide: sent, or changed so that other fields are asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Identity
from bot.slack.copies import Copies
from bot.slack.decisions import Decisions, Outcome, Wanted
from bot.slack.errands import Errands
from bot.slack.reference import Reference
from bot.slack.replies import Replies
from bot.slack.views import answers, form_inputs, kit, modal, option_input, reason_input
from bot.slack.views.decision_modal import VERDICTS, decision_modal, values
from bot.slack.views.whole import LAST
from bot.workspaces import Workspaces
from flows.engine import Engine
from flows.errors import ChangedSinceShown, Closed, FlowError, InvalidForm, Refused, TryAgain
from flows.people import Person
from flows.ports import Json
from flows.run import Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip

log = logging.getLogger(__name__)

MORE_IS_ASKED = "With what you have filled in, more is asked. Nothing was recorded yet."

_ERROR = 500  # characters of a sentence under an input
_OWN = {"comment": reason_input.REASON, "option": option_input.OPTION}
"""The inputs beside the form's, by what the engine calls them."""


class Submissions:
    """They translate; whether it counts is not theirs to say."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        decisions: Decisions,
        workspaces: Workspaces,
        replies: Replies,
        copies: Copies,
        errands: Errands,
    ) -> None:
        self._engine = engine
        self._people = people
        self._decisions = decisions
        self._workspaces = workspaces
        self._replies = replies
        self._copies = copies
        self._errands = errands

    async def sent(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """A modal that decides was sent."""
        modal_sent = _Modal(view, modal.Origin.parse(str(view.get("private_metadata") or ""), self._engine.ids))
        who = Identity.of(body)
        person: Person | None = None
        asked: SuspensionView | None = None
        try:
            asked = await self._decisions.peek(modal_sent.origin.reference if modal_sent.origin else None)
            if modal_sent.origin is None or asked is None:
                await ack(response_action="update", view=modal.notice("Not counted", answers.UNKNOWN))
                return
            person = await self._people.by_slack(who.team, who.user)
            given = values(asked, modal_sent.verdict, modal_sent.state, person.tz)
            if given and form_inputs.unshown(asked.request.form, asked.suspension.defaults, given, modal_sent.blocks):
                again = self._drawn(asked, modal_sent, modal_sent.origin, given, MORE_IS_ASKED)
                await ack(response_action="update", view=again)
                return
            wanted = modal_sent.wanted
            reason = reason_input.reason(modal_sent.state)
            await self._decisions.record(modal_sent.origin.reference, person, wanted, reason, given)
        except Exception as error:  # noqa: BLE001 - sorted out right there; every submission is answered
            await ack(**self._corrected(error, asked, modal_sent, person))
            if modal_sent.origin is not None and isinstance(error, Closed | ChangedSinceShown):
                self._errands.run(self._refresh(modal_sent.origin, who, person, isinstance(error, ChangedSinceShown)))
            return
        await ack()
        self._errands.run(self._after(modal_sent.origin, who, wanted, person))

    async def changed(self, ack: Ack, body: Mapping[str, Json]) -> None:
        """Something was filled in on which it depends what else is asked: the modal is drawn again."""
        await ack()
        self._errands.run(self._redraw(body), at_once=True)

    async def _redraw(self, body: Mapping[str, Json]) -> None:
        view = body["view"]
        changed = _Modal(view, modal.Origin.parse(str(view.get("private_metadata") or ""), self._engine.ids))
        asked = await self._decisions.peek(changed.origin.reference if changed.origin else None)
        if changed.origin is None or asked is None or not asked.open:
            return  # said when it is sent
        who = Identity.of(body)
        person = await self._decisions.known(who)
        given = values(asked, changed.verdict, changed.state, person.tz if person else None)
        mine = self._decisions.said_by(asked, person) if person else None
        drawn = decision_modal(
            asked, changed.origin, self._engine.ids, changed.verdict, given=given, mine=mine, page=LAST
        )
        await self._workspaces.client(who.at).update_view(str(view["id"]), drawn)

    def _corrected(
        self, error: Exception, asked: SuspensionView | None, sent: _Modal, person: Person | None
    ) -> dict[str, Json]:
        """What the modal is answered where the submission did not count: what was typed stays where it can be sent again."""
        if isinstance(error, InvalidForm):
            form = asked.request.form if asked is not None else ()
            fields = {field.name for field in form}
            named = {name if name in fields else _OWN.get(name, name): said for name, said in error.fields.items()}
            wrong = form_inputs.errors(form, named, sent.blocks, limit=_ERROR)
            if wrong:
                return {"response_action": "errors", "errors": wrong}
        if isinstance(error, ChangedSinceShown) and asked is not None and sent.origin is not None:
            origin = replace(sent.origin, reference=Reference.to(asked))
            given = values(asked, sent.verdict, sent.state, person.tz if person else None)
            return {"response_action": "update", "view": self._drawn(asked, sent, origin, given, str(error))}
        if isinstance(error, FlowError) and not isinstance(error, TryAgain):
            sentence = str(error) if isinstance(error, Refused) else answers.UNKNOWN
            return {"response_action": "update", "view": modal.notice("Not counted", sentence)}
        if not isinstance(error, TryAgain):
            log.error("a modal failed for a reason that nobody foresaw", exc_info=error)
        sentence = str(error) if isinstance(error, TryAgain) else answers.FAULT
        first = next(form_inputs.block_ids(sent.blocks), None)
        if first is None:
            return {"response_action": "update", "view": modal.notice("Not counted", sentence)}
        return {"response_action": "errors", "errors": {first: clip(sentence, _ERROR)}}

    def _drawn(
        self, asked: SuspensionView, sent: _Modal, origin: modal.Origin, given: Mapping[str, Json], note: str
    ) -> kit.Block:
        # The inputs are on the last page, and so is what was filled in. What has changed is read from the first one.
        page = LAST if origin is sent.origin else 0
        return decision_modal(asked, origin, self._engine.ids, sent.verdict, given=given, note=note, page=page)

    async def _after(self, origin: modal.Origin, who: Identity, wanted: Wanted, person: Person) -> None:
        answer = await self._decisions.answer(origin.reference, wanted, Outcome(None, person))
        await self._replies.tell(who, origin.channel, answer, person, thread=origin.thread)
        await self._refresh(origin, who, person)

    async def _refresh(
        self, origin: modal.Origin, who: Identity, person: Person | None, outdated: bool = False
    ) -> None:
        place = origin.channel, origin.ts
        await self._copies.refresh(origin.reference, *place, person, outdated=outdated, team=who.at)


class _Modal:
    """A modal as it came back: which it is, and what was filled in."""

    def __init__(self, view: Mapping[str, Json], origin: modal.Origin | None) -> None:
        self.origin = origin
        self.verdict: Verdict = VERDICTS[str(view["callback_id"])]
        self.state: Mapping[str, Mapping[str, Json]] = view["state"]["values"]
        self.blocks: list[Mapping[str, Json]] = view["blocks"]

    @property
    def wanted(self) -> Wanted:
        chosen = self.origin.option if self.origin is not None else None
        return Wanted(self.verdict, chosen or option_input.option(self.state))
