"""``/approvals run``: a flow's inputs as a modal, who will be asked, and the start.

Who is asked is said before anything is sent. Where it depends on the inputs, the modal has two steps: the first one
is sent for that alone, and the same modal then says who it is.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches

from pydantic_core import to_json

from bot.people import People
from bot.slack.asking import Asking
from bot.slack.buttons import Ack
from bot.slack.cards import Cards
from bot.slack.click import Click, Identity
from bot.slack.errands import Errands
from bot.slack.replies import Replies
from bot.slack.submissions import MORE_IS_ASKED
from bot.slack.views import answers, form_inputs, kit, modal, run_modal
from bot.slack.views.answer import Answer
from bot.slack.views.asked import Asked, who_is_asked
from bot.slack.views.card import Shown
from bot.slack.views.requester import run_link
from bot.slack.views.run_modal import Start
from bot.slack.views.startable import startable
from bot.workspaces import Workspaces
from flows.definition import Flow
from flows.engine import Engine, Once
from flows.errors import FlowError, InvalidForm, Refused, UnknownRun
from flows.forms import validate
from flows.people import Person
from flows.ports import Json
from flows.run import Run, RunId
from flows.store.sqlite import KeyReused
from integrations.slack.failures import SlackError
from integrations.slack.text import clip, escape

log = logging.getLogger(__name__)

NOT_STARTED = "Not started"

_FAULT = "Something went wrong on our side; nothing was started. Please try again in a while."
_GONE = "This flow is not there any more. Nothing was started."
_ANEW = "This form has started a run already, with other values. Close it, and begin anew for another run."
_NO_TOKEN = 0  # what is started here comes with no token; the modal is what makes it one start
_ERROR = 500  # characters of a sentence under an input
_CLOSED = "not_found"  # the person has closed the modal meanwhile


class Starting:
    """The listeners of the modal that starts a run."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        workspaces: Workspaces,
        cards: Cards,
        replies: Replies,
        errands: Errands,
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._cards = cards
        self._replies = replies
        self._errands = errands
        self._asking = Asking(engine, people)

    # -- what there is ------------------------------------------------------------------------------------------

    async def listed(self, person: Person, command: str) -> Shown:
        """The flows that the person may start. Raises ``TryAgain``."""
        return startable(await self.startable(person), command)

    async def unknown(self, person: Person, name: str, command: str) -> str:
        """What is said of a flow that is not there; the nearest of those that the person may start is named."""
        names = [flow.flow for flow in await self.startable(person)]
        nearest = get_close_matches(name.lower(), names, n=1, cutoff=0.5)
        hint = f" Did you mean `{command} run {nearest[0]}`?" if nearest else f" `{command} run` lists what there is."
        return f"There is no flow `{clip(escape(name), 60)}`.{hint}"

    async def startable(self, person: Person) -> list[Flow]:
        """Those that the person may start, by name. Raises ``TryAgain``."""
        flows = sorted(self._engine.flows.values(), key=lambda flow: flow.flow)
        return [flow for flow in flows if await self._engine.may_start(flow.flow, person.id)]

    # -- the modal ----------------------------------------------------------------------------------------------

    async def clicked(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """A flow's button in the list."""
        await ack()
        click = Click.of(body, action)
        flow = self._engine.flows.get(click.value)
        if flow is None:
            self._errands.run(self._replies.say(click, Answer(_GONE)))
        else:
            self._errands.run(self._open_for(click, flow), at_once=True)

    async def _open_for(self, click: Click, flow: Flow) -> None:
        if not await self.open(click.trigger_id, flow, click.who, click.channel):
            await self._replies.say(click, Answer(answers.TOO_LATE))

    async def open(
        self, trigger_id: str, flow: Flow, who: Identity, channel: str | None, *, resubmits: RunId | None = None
    ) -> bool:
        """Show the flow's modal; False where Slack did not let it be shown. ``channel`` is where the answer goes.

        ``resubmits`` is the run that the new one is to be a new version of: what it was started with stands in the modal.
        """
        try:
            # At once, because what it takes to fill it may take longer than Slack leaves for opening it.
            view = await self._workspaces.client(who.at).open_view(trigger_id, run_modal.loading(flow))
        except SlackError as error:
            log.warning("a modal was not shown", extra={"error": str(error)})
            return False
        return await self.fill(view.id, flow, who, channel, resubmits=resubmits)

    async def fill(
        self, view_id: str, flow: Flow, who: Identity, channel: str | None, *, resubmits: RunId | None = None
    ) -> bool:
        """The same in a modal that is open already."""
        try:
            drawn = await self._first(flow, who, channel, resubmits)
            await self._workspaces.client(who.at).update_view(view_id, drawn)
        except SlackError as error:
            if error.code == _CLOSED:
                return True
            log.warning("a modal was not shown", extra={"error": str(error)})
            return False
        return True

    async def _first(self, flow: Flow, who: Identity, channel: str | None, resubmits: RunId | None) -> kit.Block:
        """The modal as it is shown first: the inputs, and who is asked whatever these are."""
        try:
            person = await self._people.by_slack(who.team, who.user)
            if not await self._engine.may_start(flow.flow, person.id):
                return modal.notice(NOT_STARTED, "You are not one of those who may start this flow.")
            if (why_not := run_modal.elsewhere(flow, self._named(resubmits))) is not None:
                return modal.told(NOT_STARTED, why_not)
            asked = await self._asking.by_flow(flow, person)
            said = await self._said(asked)
            depends = self._asking.depends_on_inputs(flow)
            if depends:
                said = f"{said}\n{run_modal.FIRST_STEP}" if asked.people or asked.groups else run_modal.FIRST_STEP
            start = Start(flow.flow, channel, resubmits=self._named(resubmits))
            given = None
            if resubmits is not None:
                before = await self._engine.run(resubmits, person.id)
                given = run_modal.as_before(flow, before.run.inputs)
            return run_modal.run_modal(flow, start, asked=said, ready=not depends, given=given)
        except UnknownRun:
            return modal.told(NOT_STARTED, answers.NO_RUN)
        except FlowError as refusal:
            return modal.notice(NOT_STARTED, str(refusal) if isinstance(refusal, Refused) else _GONE)
        except Exception:
            log.exception("a modal could not be filled for a reason that nobody foresaw")
            return modal.notice(NOT_STARTED, _FAULT)

    async def _said(self, asked: Asked) -> str:
        return who_is_asked(asked, await self._cards.group_ids([handle for handle, _ in asked.groups]))

    # -- sent ---------------------------------------------------------------------------------------------------

    async def sent(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """The modal was sent: its first step says who will be asked, its last one starts the run."""
        sent = self._read(view)
        if sent is None:
            await ack(response_action="update", view=modal.notice(NOT_STARTED, _GONE))
            return
        who = Identity.of(body)
        try:
            person = await self._people.by_slack(who.team, who.user)
            given = sent.given(person.tz)
            if form_inputs.unshown(sent.flow.inputs, {}, given, sent.blocks):
                await ack(response_action="update", view=sent.drawn(given, note=MORE_IS_ASKED))
                return
            fingerprint = _fingerprint(sent.flow, validate(sent.flow.inputs, given))
            if self._asking.depends_on_inputs(sent.flow) and sent.start.shown != fingerprint:
                looking = sent.drawn(given, asked=f":hourglass_flowing_sand: {run_modal.LOOKING}", ready=False)
                await ack(response_action="update", view=looking)
                self._errands.run(self._second(sent, given, fingerprint, who, person), at_once=True)
                return
            # A modal starts one run, however often it is sent and delivered.
            once = Once(_NO_TOKEN, f"slack:{sent.view_id}")
            run, _ = await self._engine.start(
                sent.flow.flow, person.id, given, once=once, resubmits=self._numbered(sent.start.resubmits)
            )
        except Exception as error:  # noqa: BLE001 - sorted out right there; every submission is answered
            await ack(**_corrected(error, sent))
            return
        await ack()
        self._errands.run(self._replies.tell(who, sent.start.channel, Answer(self._started(sent.flow, run)), person))

    async def changed(self, ack: Ack, body: Mapping[str, Json]) -> None:
        """Something was filled in on which it depends what else is asked: the modal is drawn again."""
        await ack()
        changed = self._read(body["view"])
        if changed is not None:  # else it is said when it is sent
            self._errands.run(self._redraw(changed, Identity.of(body)), at_once=True)

    async def _redraw(self, changed: _Modal, who: Identity) -> None:
        person = await self._people.known(f"{who.team}/{who.user}")
        given = changed.given(person.tz if person else None)
        await self._workspaces.client(who.at).update_view(changed.view_id, changed.drawn(given))

    async def _second(
        self, sent: _Modal, given: Mapping[str, Json], fingerprint: str, who: Identity, person: Person
    ) -> None:
        """Say who will be asked with these inputs."""
        try:
            said = await self._said(await self._asking.with_inputs(sent.flow, given, person))
            drawn = sent.drawn(given, asked=said, ready=True, shown=fingerprint)
        except FlowError as refusal:
            note = str(refusal) if isinstance(refusal, Refused) else _GONE
            drawn = sent.drawn(given, asked=run_modal.FIRST_STEP, ready=False, note=note)
        await self._workspaces.client(who.at).update_view(sent.view_id, drawn)

    def _read(self, view: Mapping[str, Json]) -> _Modal | None:
        """A modal as it came back; None where its flow is not there any more."""
        start = Start.parse(str(view.get("private_metadata") or ""))
        flow = self._engine.flows.get(start.flow) if start is not None else None
        return _Modal(flow, start, view) if start is not None and flow is not None else None

    def _started(self, flow: Flow, run: Run) -> str:
        ids = self._engine.ids
        anew = f", a new version of {run_link(run.resubmits, ids)}" if run.resubmits is not None else ""
        return (
            f":rocket: Started *{escape(flow.name)}*: {run_link(run.id, ids)}{anew}. "
            f"`/approvals show {ids.run(run.id)}` tells how it stands."
        )

    def _named(self, run: RunId | None) -> str | None:
        return self._engine.ids.run(run) if run is not None else None

    def _numbered(self, run: str | None) -> RunId | None:
        return self._engine.ids.parse_run(run) if run is not None else None


class _Modal:
    """A modal as it came back: for which flow, what was filled in, and what it said."""

    def __init__(self, flow: Flow, start: Start, view: Mapping[str, Json]) -> None:
        self.flow = flow
        self.start = start
        self.view_id = str(view["id"])
        self.blocks: list[Mapping[str, Json]] = view["blocks"]
        self._state: Mapping[str, Mapping[str, Json]] = view["state"]["values"]
        self._asked, self._ready = run_modal.said_in(view)

    def given(self, tz: str | None) -> dict[str, Json]:
        """What was filled in; ``tz`` is where the person lives."""
        return form_inputs.values(self.flow.inputs, self._state, tz=tz)

    def drawn(
        self,
        given: Mapping[str, Json],
        *,
        asked: str | None = None,
        ready: bool | None = None,
        shown: str | None = None,
        note: str | None = None,
    ) -> kit.Block:
        """The same modal again, with what was filled in; what is not given is as it was."""
        return run_modal.run_modal(
            self.flow,
            replace(self.start, shown=shown or self.start.shown),
            asked=self._asked if asked is None else asked,
            ready=self._ready if ready is None else ready,
            given=given,
            note=note,
        )


def _corrected(error: Exception, sent: _Modal) -> dict[str, Json]:
    """What the modal is answered where nothing was started: what was typed stays where it can be sent again."""
    if isinstance(error, InvalidForm):
        wrong = form_inputs.errors(sent.flow.inputs, error.fields, sent.blocks, limit=_ERROR)
        if wrong:
            return {"response_action": "errors", "errors": wrong}
    if isinstance(error, KeyReused):
        return {"response_action": "update", "view": modal.notice(NOT_STARTED, _ANEW)}
    if not isinstance(error, FlowError):
        log.error("a run could not be started for a reason that nobody foresaw", exc_info=error)
    note = str(error) if isinstance(error, Refused) else _GONE if isinstance(error, FlowError) else _FAULT
    return {"response_action": "update", "view": sent.drawn(sent.given(None), note=note)}


def _fingerprint(flow: Flow, inputs: Mapping[str, Json]) -> str:
    """Of what the flow is to be started with: whether who is asked was said for just that."""
    return hashlib.sha256(flow.content_hash() + to_json(inputs)).hexdigest()
