"""``/approvals pause``, ``resume`` and ``cancel``: what a person does to a whole run."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bot.people import People
from bot.slack.buttons import Ack
from bot.slack.click import Identity
from bot.slack.errands import Errands
from bot.slack.replies import Replies
from bot.slack.views import answers, kit, modal, reason_input
from bot.slack.views.answer import Answer
from bot.slack.views.cancel_modal import Cancelling, cancel_modal, loading
from bot.slack.views.requester import run_link
from bot.workspaces import Workspaces
from flows.engine import Engine
from flows.errors import FlowError, InvalidForm, Refused, TryAgain, UnknownRun
from flows.people import Person
from flows.ports import Json
from flows.run import Door, Run
from integrations.slack.failures import SlackError
from integrations.slack.text import clip

log = logging.getLogger(__name__)

NOT_CANCELLED = "Not cancelled"

_FAULT = "Something went wrong on our side; nothing was changed. Please try again in a while."
_CLOSED = "not_found"  # the person has closed the modal meanwhile
_ERROR = 500  # characters of a sentence under an input


class RunControl:
    """It translates; who may do what is the engine's to say. Nobody learns of a run that they may not see."""

    def __init__(
        self, engine: Engine, people: People, workspaces: Workspaces, replies: Replies, errands: Errands
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._replies = replies
        self._errands = errands

    async def pause(self, run: int, person: Person) -> str:
        """Halt a run; what is said of it, in Slack's markup. Raises ``Refused``, ``UnknownRun``."""
        await self._engine.run(run, person.id)
        after = await self._engine.pause(run, person.id, door=Door.SLACK)
        return (
            f":double_vertical_bar: Paused {self._link(after)}. What is under way goes on, and nothing new starts. "
            f"Answers are counted and deadlines pass. `/approvals resume {self._engine.ids.run(run)}` lets it go on."
        )

    async def resume(self, run: int, person: Person) -> str:
        """Let a paused run go on; likewise."""
        await self._engine.run(run, person.id)
        after = await self._engine.resume(run, person.id, door=Door.SLACK)
        return f":arrow_forward: Resumed {self._link(after)}. It is {after.status.value}."

    async def ask_to_cancel(self, trigger_id: str, asked: Cancelling, who: Identity) -> bool:
        """Ask whether the run is really to be cancelled; False where Slack did not let that be asked."""
        try:
            client = self._workspaces.client(who.at)
            view = await client.open_view(trigger_id, loading(asked))
            await client.update_view(view.id, await self._question(asked, who))
        except SlackError as error:
            if error.code == _CLOSED:
                return True
            log.warning("a modal was not shown", extra={"error": str(error)})
            return False
        return True

    async def _question(self, asked: Cancelling, who: Identity) -> kit.Block:
        try:
            person = await self._people.by_slack(who.team, who.user)
            view = await self._engine.run(asked.run, person.id)
        except UnknownRun:
            return modal.told(NOT_CANCELLED, answers.NO_RUN)
        except FlowError as refusal:
            return modal.told(NOT_CANCELLED, answers.refused(refusal))
        except Exception:
            log.exception("a run could not be read")
            return modal.notice(NOT_CANCELLED, _FAULT)
        if view.run.ending is not None:
            return modal.notice(NOT_CANCELLED, f"This run has ended already: {view.status}.")
        return cancel_modal(view, asked, self._engine.ids)

    async def cancel(self, ack: Ack, body: Mapping[str, Json], view: Mapping[str, Json]) -> None:
        """The question was answered with yes."""
        asked = Cancelling.parse(str(view.get("private_metadata") or ""), self._engine.ids)
        if asked is None:
            await ack(response_action="update", view=modal.told(NOT_CANCELLED, answers.NO_RUN))
            return
        who = Identity.of(body)
        try:
            person = await self._people.by_slack(who.team, who.user)
            reason = reason_input.reason(view["state"]["values"])
            after = await self._engine.cancel(asked.run, person.id, door=Door.SLACK, reason=reason)
        except Exception as error:  # noqa: BLE001 - sorted out right there; every submission is answered
            await ack(**_corrected(error))
            return
        await ack()
        done = "Withdrawn:" if asked.withdraws else "Cancelled"
        self._errands.run(self._replies.tell(who, asked.channel, Answer(f"{done} {self._link(after)}."), person))

    def _link(self, run: Run) -> str:
        return run_link(run.id, self._engine.ids)


def _corrected(error: Exception) -> dict[str, Json]:
    """What the modal is answered where the run was not cancelled: what was typed stays where it can be sent again."""
    if isinstance(error, InvalidForm) and "reason" in error.fields:
        return _under_reason(error.fields["reason"])
    if isinstance(error, TryAgain):
        return _under_reason(str(error))
    if isinstance(error, Refused):
        return {"response_action": "update", "view": modal.notice(NOT_CANCELLED, str(error))}
    if isinstance(error, FlowError):
        return {"response_action": "update", "view": modal.told(NOT_CANCELLED, answers.NO_RUN)}
    log.error("a run could not be cancelled for a reason that nobody foresaw", exc_info=error)
    return _under_reason(_FAULT)


def _under_reason(sentence: str) -> dict[str, Json]:
    return {"response_action": "errors", "errors": {reason_input.REASON: clip(sentence, _ERROR)}}
