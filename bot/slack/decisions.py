"""Clicks and modals that decide. They translate; whether it counts is ``Engine.decide``'s to say.

A decision is committed before Slack is answered, because Slack does not send an acknowledged click again. What
the person is told comes after that, and every click is told something.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bot.people import People
from bot.slack.click import Click, Identity
from bot.slack.copies import Copies
from bot.slack.errands import Errands
from bot.slack.reference import Reference
from bot.slack.replies import Replies
from bot.slack.views import answers, form_inputs, kit, modal
from bot.slack.views.approve_modal import approve_modal
from bot.slack.views.reject_modal import REASON, reject_modal
from flows.engine import Engine
from flows.errors import ActionError, ChangedSinceShown, Closed, FlowError, InvalidForm, Refused, TryAgain
from flows.people import Person
from flows.ports import Json
from flows.run import Door, Verdict
from flows.views import SuspensionView
from integrations.slack.client import SlackClient
from integrations.slack.text import clip, escape

log = logging.getLogger(__name__)

Ack = Callable[..., Awaitable[object]]

_CHANGED = "What is asked has changed since the card was drawn that you clicked. This is what is asked now."
_ERROR = 500  # characters of a sentence under an input


@dataclass(frozen=True, slots=True)
class _Said:
    """What became of a click: the text for the person (None: it was counted), and who that was (None: not known).

    ``outdated``: what they clicked shows what is no longer asked.
    """

    text: str | None
    person: Person | None = None
    outdated: bool = False


class Decisions:
    """The listeners of Approve, Reject and Resume, on cards, in lists and on the home tab, and of their modals."""

    def __init__(
        self, engine: Engine, people: People, client: SlackClient, replies: Replies, copies: Copies, errands: Errands
    ) -> None:
        self._engine = engine
        self._people = people
        self._client = client
        self._replies = replies
        self._copies = copies
        self._errands = errands

    # -- buttons ------------------------------------------------------------------------------------------------

    async def approve(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Approve where there is no form."""
        await self._decided(ack, Click.of(body, action), Verdict.APPROVE)

    async def resume(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Resume where there is no form."""
        await self._decided(ack, Click.of(body, action), Verdict.RESUME)

    async def approve_with(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Approve: the form's modal."""
        await self._asked(ack, Click.of(body, action), Verdict.APPROVE)

    async def resume_with(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Resume: the form's modal."""
        await self._asked(ack, Click.of(body, action), Verdict.RESUME)

    async def reject(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Reject: the modal that asks for the reason."""
        await self._asked(ack, Click.of(body, action), Verdict.REJECT)

    async def _decided(self, ack: Ack, click: Click, verdict: Verdict) -> None:
        reference = Reference.parse(click.value, self._engine.ids)
        if reference is None:
            await ack()
            self._errands.run(self._replies.say(click, answers.UNKNOWN))
            return
        said = await self._decide(click.who, reference, verdict)
        await ack()
        self._errands.run(self._after_click(click, reference, verdict, said))

    async def _asked(self, ack: Ack, click: Click, verdict: Verdict) -> None:
        # Nothing is recorded by this, so Slack is answered while the modal is on its way.
        self._errands.run(self._open(click, verdict), at_once=True)
        await ack()

    async def _open(self, click: Click, verdict: Verdict) -> None:
        reference = Reference.parse(click.value, self._engine.ids)
        try:
            view = await self._peek(reference)
        except Exception:
            log.exception("a click failed for a reason that nobody foresaw")
            await self._replies.say(click, answers.FAULT)
            return
        if reference is None or view is None:
            await self._replies.say(click, answers.UNKNOWN)
        else:
            await self._open_modal(click, reference, view, verdict)

    async def _open_modal(self, click: Click, reference: Reference, view: SuspensionView, verdict: Verdict) -> None:
        if not view.open:
            person = await self._known(click.who)
            await self._replies.say(click, answers.closed(view), person)
            await self._copies.refresh(reference, click.channel, click.ts, person)
            return
        if verdict is not Verdict.REJECT and not form_inputs.fits_modal(view.request.form, view.suspension.defaults):
            await self._replies.lead_to_page(click, reference, "This form is filled in on a page of its own.")
            return
        # A form's defaults may show what only its approvers are to see.
        refusal = await self._refusal(click.who, view)
        if refusal is not None:
            await self._replies.say(click, answers.refused(refusal))
            return
        # The modal says what is asked now, so that is what its answer will be about; a card that was drawn before a
        # change has to be told apart all the same.
        note = None if reference.digest == view.suspension.digest else _CHANGED
        origin = modal.Origin(Reference.to(view), click.channel, click.ts)
        try:
            await self._client.open_view(click.trigger_id, self._modal(view, origin, verdict, note))
        except ActionError as error:
            log.warning("a modal was not opened", extra={"error": str(error)})
            await self._replies.say(click, answers.TOO_LATE)

    async def _after_click(self, click: Click, reference: Reference, verdict: Verdict, said: _Said) -> None:
        await self._replies.say(click, await self._text(reference, verdict, said), said.person)
        await self._copies.refresh(reference, click.channel, click.ts, said.person, outdated=said.outdated)

    # -- modals -------------------------------------------------------------------------------------------------

    async def approve_form(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """The form of an approval was sent."""
        await self._submitted(ack, body, view, Verdict.APPROVE)

    async def reject_reason(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """The reason of a rejection was sent."""
        await self._submitted(ack, body, view, Verdict.REJECT)

    async def resume_form(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """The form of a hold was sent."""
        await self._submitted(ack, body, view, Verdict.RESUME)

    async def _submitted(self, ack: Ack, body: Mapping[str, Json], sent: Mapping[str, Json], verdict: Verdict) -> None:
        origin = modal.Origin.parse(str(sent.get("private_metadata") or ""), self._engine.ids)
        who = Identity.of(body)
        state = sent["state"]["values"]
        person: Person | None = None
        view: SuspensionView | None = None
        try:
            view = await self._peek(origin.reference if origin else None)
            if origin is None or view is None:
                await ack(response_action="update", view=modal.notice("Not counted", answers.UNKNOWN))
                return
            person = await self._people.by_slack(who.team, who.user)
            comment, values = _answers(view, verdict, state, person.tz)
            await self._record(origin.reference, person, verdict, comment, values)
        except Exception as error:  # noqa: BLE001 - sorted out right there; every submission is answered
            await ack(**self._corrected(error, view, origin, verdict, sent["blocks"]))
            if origin is not None and isinstance(error, Closed | ChangedSinceShown):
                outdated = isinstance(error, ChangedSinceShown)
                self._errands.run(
                    self._copies.refresh(origin.reference, origin.channel, origin.ts, person, outdated=outdated)
                )
            return
        await ack()
        self._errands.run(self._after_submission(origin, who, verdict, person))

    def _corrected(
        self,
        error: Exception,
        view: SuspensionView | None,
        origin: modal.Origin | None,
        verdict: Verdict,
        blocks: list[Mapping[str, Json]],
    ) -> dict[str, Json]:
        """What the modal is answered where the submission did not count: what was typed stays where it can be sent again."""
        shown = list(form_inputs.block_ids(blocks))
        if isinstance(error, InvalidForm):
            fields = {REASON if name == "comment" else name: problem for name, problem in error.fields.items()}
            wrong = {name: clip(problem, _ERROR) for name, problem in fields.items() if name in shown}
            if wrong:
                return {"response_action": "errors", "errors": wrong}
        if isinstance(error, ChangedSinceShown) and view is not None and origin is not None:
            current = modal.Origin(Reference.to(view), origin.channel, origin.ts)
            return {"response_action": "update", "view": self._modal(view, current, verdict, str(error))}
        if isinstance(error, TryAgain):
            return {"response_action": "errors", "errors": {shown[0]: str(error)}}
        if isinstance(error, FlowError):
            sentence = str(error) if isinstance(error, Refused) else answers.UNKNOWN
            return {"response_action": "update", "view": modal.notice("Not counted", sentence)}
        log.error("a modal failed for a reason that nobody foresaw", exc_info=error)
        return {"response_action": "errors", "errors": {shown[0]: answers.FAULT}}

    async def _after_submission(self, origin: modal.Origin, who: Identity, verdict: Verdict, person: Person) -> None:
        text = await self._text(origin.reference, verdict, _Said(None))
        await self._replies.tell(who, origin.channel, text, person)
        await self._copies.refresh(origin.reference, origin.channel, origin.ts, person)

    def _modal(self, view: SuspensionView, origin: modal.Origin, verdict: Verdict, note: str | None) -> kit.Block:
        draw = reject_modal if verdict is Verdict.REJECT else approve_modal
        return draw(view, origin, self._engine.ids, note=note)

    # -- both ---------------------------------------------------------------------------------------------------

    async def _decide(self, who: Identity, reference: Reference, verdict: Verdict) -> _Said:
        person: Person | None = None
        try:
            person = await self._people.by_slack(who.team, who.user)
            await self._record(reference, person, verdict, None, {})
        except ChangedSinceShown as refusal:
            view = await self._peek(reference)
            now = f"\n>{escape(view.request.ask).replace(chr(10), chr(10) + '>')}" if view else ""
            return _Said(clip(answers.refused(refusal) + now, kit.SECTION), person, outdated=True)
        except FlowError as refusal:
            return _Said(answers.refused(refusal), person)
        except Exception:
            log.exception("a click failed for a reason that nobody foresaw")
            return _Said(answers.FAULT, person)
        return _Said(None, person)

    async def _record(
        self, reference: Reference, person: Person, verdict: Verdict, comment: str | None, values: Mapping[str, Json]
    ) -> None:
        await self._engine.decide(
            reference.run,
            reference.n,
            person.id,
            verdict,
            door=Door.SLACK,
            comment=comment,
            values=values,
            digest=reference.digest,
        )

    async def _text(self, reference: Reference, verdict: Verdict, said: _Said) -> str:
        if said.text is not None:
            return said.text
        try:
            return answers.counted(verdict, await self._engine.progress(reference.run, reference.n))
        except Exception:
            # It is counted, and that has to be said, whatever cannot be read now.
            log.exception("how a suspension stands cannot be read")
            return answers.counted(verdict, None)

    async def _peek(self, reference: Reference | None) -> SuspensionView | None:
        if reference is None:
            return None
        try:
            return await self._engine.peek(reference.run, reference.n)
        except FlowError:
            return None

    async def _refusal(self, who: Identity, view: SuspensionView) -> FlowError | None:
        """Why this person may not answer, as the engine says; None where they may."""
        try:
            person = await self._people.by_slack(who.team, who.user)
        except TryAgain as refusal:
            # Who has been here before is known by that id. Whether it counts is asked again when the form comes.
            known = await self._people.known(f"{who.team}/{who.user}")
            if known is None:
                return refusal
            person = known
        try:
            await self._engine.check_may_decide(view, person.id)
        except FlowError as refusal:
            return refusal
        return None

    async def _known(self, who: Identity) -> Person | None:
        try:
            return await self._people.by_slack(who.team, who.user)
        except TryAgain:
            return None


def _answers(
    view: SuspensionView, verdict: Verdict, state: Mapping[str, Mapping[str, Json]], tz: str | None
) -> tuple[str | None, dict[str, Json]]:
    """What was said and filled in: a rejection has a reason, everything else the form."""
    if verdict is Verdict.REJECT:
        return state.get(REASON, {}).get(form_inputs.ACTION, {}).get("value"), {}
    return None, form_inputs.values(view.request.form, state, tz=tz)
