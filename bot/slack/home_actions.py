"""What people do on their home tab: filter and turn pages, pick several and decide them at once, start a flow.

What decides one thing alone, and what asks for more (explain, nudge, withdraw...), is the same as on a card, and listened
to where that is.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.internals import extract_team_id

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.cards import Cards
from bot.slack.click import Click, Identity
from bot.slack.errands import Errands
from bot.slack.home import Home
from bot.slack.reference import Reference
from bot.slack.starting import Starting
from bot.slack.views import answers, kit, modal, reason_input, selection, words
from bot.slack.views.answer import Answer
from bot.slack.views.home import DECIDE, DUE, EVERYTHING, FLOW, LATER, PAGE, PICK, PICKED, START, Looking, picked_in
from bot.slack.views.selection import SELECTION, LeftOut, Result
from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.engine import Engine, Item
from flows.errors import ActionError, FlowError, InvalidForm, Refused, UnknownSuspension
from flows.people import Person
from flows.ports import Json
from flows.run import Door, Kind, Verdict
from flows.views import SuspensionView
from integrations.slack.failures import SlackError
from integrations.slack.text import clip, escape

log = logging.getLogger(__name__)

HOME_OPENED = "app_home_opened"

ANSWERED_WITHIN = timedelta(seconds=2)
"""How long a modal is kept waiting for what became of everything in it; Slack gives it three seconds."""

_CLOSED = "not_found"  # the person has closed the modal meanwhile
_ERROR = 500  # characters of a sentence under an input
_RECORDING = "Your answers are being recorded. This says what became of each in a moment; your home tab does, too."
_GONE = "This flow is not there any more. Nothing was started."
_FAULT = "Something went wrong on our side. Please try again in a while."
_CHOOSE = "Say what your answer is."


class HomeActions:
    """They translate; whether an answer counts is the engine's to say, for each by itself."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        workspaces: Workspaces,
        cards: Cards,
        clock: Clock,
        home: Home,
        starting: Starting,
        errands: Errands,
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._cards = cards
        self._clock = clock
        self._home = home
        self._starting = starting
        self._errands = errands

    def listen(self, app: AsyncApp) -> None:
        """Take what the tab and its modal say."""
        app.event(HOME_OPENED)(self.opened)
        app.action(FLOW)(self.filtered)
        app.action(DUE)(self.filtered)
        app.action(LATER)(self.folded)
        app.action(re.compile(f"^{re.escape(PAGE)}"))(self.turned)
        app.action(PICK)(self.picked)
        app.action(DECIDE)(self.decide_selected)
        app.action(re.compile(f"^{re.escape(START)}"))(self.start)
        app.view(SELECTION)(self.sent)

    # -- looking ------------------------------------------------------------------------------------------------

    async def opened(self, event: Mapping[str, Json], body: Mapping[str, Json]) -> None:
        """Somebody opened the app: draw its home tab."""
        if event.get("tab") == "home":
            who = Identity(str(body.get("team_id") or ""), str(event["user"]), extract_team_id(dict(body)))
            self._errands.run(self._home.publish(who))

    async def filtered(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Another flow, or only what is due today."""
        await ack()
        looking = _looking(body)
        if action["action_id"] == FLOW:
            chosen = str((action.get("selected_option") or {}).get("value") or EVERYTHING)
            looking = replace(looking, flow=None if chosen == EVERYTHING else chosen)
        else:
            looking = replace(looking, today=action.get("value") == "today")
        self._redraw(body, looking.first_pages())

    async def turned(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """Another page of one of the lists. What is ticked on this one goes along."""
        await ack()
        name = str(action["action_id"]).removeprefix(PAGE).partition(":")[0]
        page = str(action.get("value") or "")
        looking = replace(_looking(body), picked=picked_in(body.get("view") or {})[:PICKED])
        self._redraw(body, looking.at(name, int(page) if page.isdecimal() and len(page) < 9 else 0))

    async def folded(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """What was put off is shown, or hidden again."""
        await ack()
        self._redraw(body, replace(_looking(body), later=action.get("value") == "show"))

    async def picked(self, ack: Ack) -> None:
        """Something was ticked. Slack keeps that, and sends it along with whatever comes next."""
        await ack()

    def _redraw(self, body: Mapping[str, Json], looking: Looking) -> None:
        self._errands.run(self._home.publish(Identity.of(body), looking=looking))

    # -- deciding several ---------------------------------------------------------------------------------------

    async def decide_selected(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """The modal that takes one answer to all that is ticked."""
        click = Click.of(body, action)
        names = picked_in(body.get("view") or {})
        self._errands.run(self._ask(click, names), at_once=True)
        await ack()

    async def _ask(self, click: Click, names: Sequence[str]) -> None:
        client = self._workspaces.client(click.who.at)
        try:
            # At once: it may have to be asked who may see what, and Slack leaves three seconds.
            view = await client.open_view(click.trigger_id, selection.loading("Looking up what you have selected…"))
            await client.update_view(view.id, await self._asked(click.who, names))
        except SlackError as error:
            if error.code == _CLOSED:
                return
            log.warning("a modal was not shown", extra={"error": str(error)})
            await self._home.publish(click.who, said=Answer(answers.TOO_LATE))

    async def _asked(self, who: Identity, names: Sequence[str]) -> kit.Block:
        ids = self._engine.ids
        views: list[SuspensionView] = []
        left_out: list[LeftOut] = []
        try:
            person = await self._people.by_slack(who.team, who.user)
            for name in names[:PICKED]:
                view = await self._may_see(ids.parse_suspension(name), person)
                if view is None:
                    left_out.append(LeftOut(None, "It is not there any more, or not yours to see."))
                elif view.open:
                    views.append(view)
                else:
                    left_out.append(LeftOut(view, "It is no longer open."))
        except FlowError as refusal:
            return modal.told("Not decided", answers.refused(refusal))
        except Exception:
            log.exception("what was selected cannot be read")
            return modal.notice("Not decided", _FAULT)
        if len(names) > PICKED:
            more = f"{len(names) - PICKED} more are selected; {PICKED} can be decided at once."
            left_out.append(LeftOut(None, more))
        return selection.selection_modal(views, ids, left_out)

    async def _may_see(self, found: tuple[int, int] | None, person: Person) -> SuspensionView | None:
        try:
            return await self._engine.suspension(*found, person.id) if found is not None else None
        except UnknownSuspension:
            return None

    async def sent(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """One answer to all of them was sent. It is recorded before Slack is told that it came, as far as Slack waits."""
        who = Identity.of(body)
        verdict = selection.verdict(view)
        if verdict is None:
            await ack(response_action="errors", errors={selection.VERDICT: _CHOOSE})
            return
        references = selection.references(view, self._engine.ids)
        reason = reason_input.reason(view["state"]["values"])
        deciding = asyncio.create_task(self._decide(who, references, verdict, reason))
        waiting = asyncio.create_task(self._clock.sleep(ANSWERED_WITHIN))
        await asyncio.wait((deciding, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not deciding.done():
            await ack(response_action="update", view=selection.loading(_RECORDING))
            self._errands.run(self._late(who, str(view["id"]), deciding), at_once=True)
            return
        try:
            person, found = deciding.result()
        except Exception as error:  # noqa: BLE001 - sorted out right there; every submission is answered
            await ack(response_action="errors", errors={selection.VERDICT: clip(_sentence(error), _ERROR)})
            return
        await ack(response_action="update", view=selection.results(found))
        self._errands.run(self._home.publish(who, person=person, said=_summary(found), unpick=True))

    async def _late(self, who: Identity, view_id: str, deciding: asyncio.Task[tuple[Person, list[Result]]]) -> None:
        try:
            person, found = await deciding
        except Exception as error:  # noqa: BLE001 - likewise
            await self._workspaces.client(who.at).update_view(view_id, modal.notice("Not decided", _sentence(error)))
            return
        try:
            await self._workspaces.client(who.at).update_view(view_id, selection.results(found))
        except ActionError as error:
            log.info("the results were not shown", extra={"error": str(error)})
        await self._home.publish(who, person=person, said=_summary(found), unpick=True)

    async def _decide(
        self, who: Identity, references: Sequence[Reference], verdict: Verdict, reason: str | None
    ) -> tuple[Person, list[Result]]:
        """What became of each. Raises ``FlowError`` where nothing could be recorded because nobody knows who that is."""
        person = await self._people.by_slack(who.team, who.user)
        views = {(one.run, one.n): await self._peek(one) for one in references}
        # A hold is resumed, by whatever word several are answered; it cannot be rejected, and the engine says so.
        said = {
            key: Verdict.RESUME
            if verdict is Verdict.APPROVE and view is not None and view.suspension.kind is Kind.HOLD
            else verdict
            for key, view in views.items()
        }
        items: dict[tuple[int, int], Item] = {}
        for each in dict.fromkeys(said.values()):
            keys = [key for key in said if said[key] is each]
            digests = {(one.run, one.n): one.digest for one in references}
            done = await self._engine.decide_many(
                keys, person.id, each, door=Door.SLACK, comment=reason, digests=digests
            )
            items |= {(item.run, item.n): item for item in done}
        return person, [await self._result(views[key], items[key], said[key], who) for key in said]

    async def _result(self, before: SuspensionView | None, item: Item, verdict: Verdict, who: Identity) -> Result:
        if item.refused is not None:
            return Result(before, False, _why(before, item.refused))
        view = await self._peek(Reference(item.run, item.n, b""))
        if view is None:
            return Result(before, True, answers.counted(verdict, None))
        standing = words.rejections(view)
        if verdict is Verdict.APPROVE:
            standing = words.standing(view, await self._cards.groups(view, who.at))
        return Result(view, True, answers.counted(verdict, standing))

    async def _peek(self, reference: Reference) -> SuspensionView | None:
        try:
            return await self._engine.peek(reference.run, reference.n)
        except FlowError:
            return None

    # -- starting -----------------------------------------------------------------------------------------------

    async def start(self, ack: Ack, body: Mapping[str, Json], action: Mapping[str, Json]) -> None:
        """A flow was chosen to be started: the same modal as everywhere."""
        await ack()
        flow = self._engine.flows.get(str((action.get("selected_option") or {}).get("value") or ""))
        click = Click.of(body, action)
        looking = _looking(body)
        if flow is None:
            self._errands.run(self._home.publish(click.who, said=Answer(_GONE), looking=looking))
            return

        async def open_it() -> None:
            opened = await self._starting.open(click.trigger_id, flow, click.who, None)
            said = None if opened else Answer(answers.TOO_LATE)
            await self._home.publish(click.who, said=said, looking=replace(looking, turn=looking.turn + 1))

        self._errands.run(open_it(), at_once=True)


def _looking(body: Mapping[str, Json]) -> Looking:
    return Looking.parse(str((body.get("view") or {}).get("private_metadata") or ""))


def _why(view: SuspensionView | None, refusal: FlowError) -> str:
    if isinstance(refusal, InvalidForm) and view is not None and view.request.form:
        titles = {field.name: field.title for field in view.request.form}
        wrong = "; ".join(f"{titles.get(name, name)} {problem}" for name, problem in refusal.fields.items())
        return f"Not counted: its form asks for more ({words.line(wrong)}). Answer it by itself."
    return answers.refused(refusal)


def _sentence(error: Exception) -> str:
    if isinstance(error, Refused):
        return str(error)
    log.error("several could not be decided for a reason that nobody foresaw", exc_info=error)
    return answers.FAULT


def _summary(found: Sequence[Result]) -> Answer:
    """What stands above the lists then."""
    counted = sum(one.counted for one in found)
    text = f"{counted} of {len(found)} answers counted."
    lines = [
        f":warning: {escape(' '.join(one.view.request.flow.split())) if one.view else 'One'}: {one.said}"
        for one in found
        if not one.counted
    ]
    return Answer(kit.fit([text, *lines], 1_500)[0])
