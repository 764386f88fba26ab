"""The listeners of the buttons that decide: on cards, in lists, on the home tab, and under what a person was told."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from bot.slack.click import Click
from bot.slack.copies import Copies
from bot.slack.decisions import Decisions, Outcome, Wanted
from bot.slack.errands import Errands
from bot.slack.reference import Reference
from bot.slack.replies import Replies
from bot.slack.views import answers, form_inputs, option_input
from bot.slack.views.answer import Answer
from bot.slack.views.decision_modal import decision_modal
from bot.workspaces import Workspaces
from flows.engine import Engine
from flows.errors import ActionError, FlowError
from flows.forms import fills_in
from flows.people import Person
from flows.ports import Json
from flows.run import Verdict
from flows.views import SuspensionView

log = logging.getLogger(__name__)

Ack = Callable[..., Awaitable[object]]

_CHANGED = "What is asked has changed since the card was drawn that you clicked. This is what is asked now."


class Buttons:
    """They translate; whether it counts is not theirs to say."""

    def __init__(
        self,
        engine: Engine,
        decisions: Decisions,
        workspaces: Workspaces,
        replies: Replies,
        copies: Copies,
        errands: Errands,
    ) -> None:
        self._engine = engine
        self._decisions = decisions
        self._workspaces = workspaces
        self._replies = replies
        self._copies = copies
        self._errands = errands

    async def approve(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Approve where nothing goes with it."""
        await self._decide(ack, Click.of(body, action), Wanted(Verdict.APPROVE))

    async def option(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """One of the options where nothing else goes with it."""
        await self._decide(ack, Click.of(body, action), Wanted(Verdict.APPROVE, _option(action)))

    async def resume(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Resume where nothing goes with it."""
        await self._decide(ack, Click.of(body, action), Wanted(Verdict.RESUME))

    async def take_back(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """What the person has said does not count any more."""
        await self._decide(ack, Click.of(body, action), Wanted(Verdict.WITHDRAW))

    async def approve_with(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Approve: the modal that asks for what goes with it."""
        await self._ask(ack, Click.of(body, action), Wanted(Verdict.APPROVE))

    async def option_with(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """One of the options: the modal that asks for what goes with it."""
        await self._ask(ack, Click.of(body, action), Wanted(Verdict.APPROVE, _option(action)))

    async def resume_with(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Resume: the form's modal."""
        await self._ask(ack, Click.of(body, action), Wanted(Verdict.RESUME))

    async def reject(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Reject: the modal that asks for the reason."""
        await self._ask(ack, Click.of(body, action), Wanted(Verdict.REJECT))

    # -- those that decide --------------------------------------------------------------------------------------

    async def _decide(self, ack: Ack, click: Click, wanted: Wanted) -> None:
        reference = Reference.parse(click.value, self._engine.ids)
        if reference is None:
            await ack()
            self._errands.run(self._replies.say(click, Answer(answers.UNKNOWN)))
            return
        outcome = await self._decisions.decide(click.who, reference, wanted)
        await ack()
        self._errands.run(self._after(click, reference, wanted, outcome))

    async def _after(self, click: Click, reference: Reference, wanted: Wanted, outcome: Outcome) -> None:
        await self._replies.say(click, await self._decisions.answer(reference, wanted, outcome), outcome.person)
        if not click.answer:
            await self._copies.refresh(
                reference, click.channel, click.ts, outcome.person, outdated=outcome.outdated, team=click.who.at
            )

    # -- those that open a modal --------------------------------------------------------------------------------

    async def _ask(self, ack: Ack, click: Click, wanted: Wanted) -> None:
        # Nothing is recorded by this, so Slack is answered while the modal is on its way.
        self._errands.run(self._open(click, wanted), at_once=True)
        await ack()

    async def open(self, click: Click, wanted: Wanted) -> None:
        """The modal of an answer, where no button was clicked for it: ``click.value`` is what one would carry."""
        await self._open(click, wanted)

    async def _open(self, click: Click, wanted: Wanted) -> None:
        reference = Reference.parse(click.value, self._engine.ids)
        try:
            view = await self._decisions.peek(reference)
        except Exception:
            log.exception("a click failed for a reason that nobody foresaw")
            await self._replies.say(click, Answer(answers.FAULT))
            return
        if reference is None or view is None:
            await self._replies.say(click, Answer(answers.UNKNOWN))
        else:
            await self._open_modal(click, reference, view, wanted)

    async def _open_modal(self, click: Click, reference: Reference, view: SuspensionView, wanted: Wanted) -> None:
        if not view.open:
            known = await self._decisions.known(click.who)
            await self._replies.say(click, Answer(answers.closed(view, self._engine.ids)), known)
            await self._copies.refresh(reference, click.channel, click.ts, known, team=click.who.at)
            return
        if not _fits_modal(view, wanted):
            await self._replies.lead_to_page(click, reference, "This form is filled in on a page of its own.")
            return
        # A form's defaults may show what only its approvers are to see.
        person = await self._decisions.may_decide(click.who, view)
        if isinstance(person, FlowError):
            await self._replies.say(click, Answer(answers.refused(person)))
            return
        await self._show_modal(click, reference, view, wanted, person)

    async def _show_modal(
        self, click: Click, reference: Reference, view: SuspensionView, wanted: Wanted, person: Person
    ) -> None:
        # The modal says what is asked now, so that is what its answer will be about; a card that was drawn before a
        # change has to be told apart all the same.
        note = None if reference.digest == view.suspension.digest else _CHANGED
        origin = click.origin(Reference.to(view), wanted.option)
        mine = self._decisions.said_by(view, person)
        drawn = decision_modal(view, origin, self._engine.ids, wanted.verdict, note=note, mine=mine)
        try:
            await self._workspaces.client(click.who.at).open_view(click.trigger_id, drawn)
        except ActionError as error:
            log.warning("a modal was not opened", extra={"error": str(error)})
            await self._replies.say(click, Answer(answers.TOO_LATE))


def _option(action: Mapping[str, Json]) -> str:
    return str(action["action_id"]).partition(":")[2]


def _fits_modal(view: SuspensionView, wanted: Wanted) -> bool:
    """Whether Slack can show all that goes with this verdict."""
    wait = view.wait
    takes = wait is not None and fills_in(wait, wanted.verdict)
    if takes and not form_inputs.fits_modal(view.request.form, view.suspension.defaults):
        return False
    return wanted.verdict is not Verdict.APPROVE or wanted.option is not None or option_input.fits(view.options)
