"""What people do about an approval besides answering it: ask again, ask others, ask back."""

from __future__ import annotations

from aiohttp import web

from bot.web import models
from bot.web.api.room import Room
from bot.web.bearer import Caller
from bot.web.bodies import run_status
from bot.web.endpoint import Endpoints
from bot.web.replies import reply
from bot.web.requests import read
from flows.errors import (
    Closed,
    NotAllowed,
    NotAnApprover,
    NotWaiting,
    RunFinished,
    SelfApproval,
    TooSoon,
    UnknownSuspension,
)
from flows.run import Door
from flows.views import SuspensionView

ENDPOINTS = Endpoints()
"""The endpoints, as the methods of ``Asking`` declare them."""


class Asking(Room):
    """What people do about an approval besides answering it."""

    endpoints = ENDPOINTS

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/nudge",
        scope="start",
        takes=models.Nothing,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAllowed, Closed, NotWaiting, RunFinished, TooSoon),
    )
    async def nudge(self, request: web.Request, caller: Caller) -> web.Response:
        """Ask those who have not answered once more.

        For who started the run; at most once an hour for each approval.
        """
        await read(request, models.Nothing)
        view = await self._view(request.match_info["approval"], caller)
        await self._engine.nudge(
            view.run.id, view.suspension.n, caller.person.id, door=Door.API, via_token=self._via(caller)
        )
        return await self._asked(view, caller, "Those who have not answered hear of it once more.")

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/reassign",
        scope="decide",
        takes=models.Reassign,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAnApprover, SelfApproval, NotAllowed, Closed, NotWaiting, RunFinished),
    )
    async def reassign(self, request: web.Request, caller: Caller) -> web.Response:
        """Let somebody else be asked.

        For who is asked, and for admins. What was said before stands.
        """
        sent = await read(request, models.Reassign)
        view = await self._view(request.match_info["approval"], caller)
        to = await self._meant("to", sent.to)
        person = caller.person if sent.person is None else await self._meant("person", sent.person)
        await self._engine.reassign(
            view.run.id,
            view.suspension.n,
            person.id,
            to.id,
            caller.person.id,
            door=Door.API,
            reason=sent.reason,
            via_token=self._via(caller),
            as_admin=caller.as_admin,
        )
        # Whoever has handed their seat on may not be one of those who read it any more.
        after = await self._engine.peek(view.run.id, view.suspension.n) or view
        return await self._asked(after, caller, f"{to.name} is asked now instead of {person.name}.", again=False)

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/snooze",
        scope="decide",
        takes=models.Snooze,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAnApprover, SelfApproval, Closed, NotWaiting, RunFinished),
    )
    async def snooze(self, request: web.Request, caller: Caller) -> web.Response:
        """Remind the caller of nothing until then.

        For who is asked. Deadlines go on.
        """
        sent = await read(request, models.Snooze)
        view = await self._view(request.match_info["approval"], caller)
        await self._engine.snooze(
            view.run.id, view.suspension.n, caller.person.id, sent.until, door=Door.API, via_token=self._via(caller)
        )
        said = "You are reminded again." if sent.until is None else "You hear nothing of it until then."
        return await self._asked(view, caller, said)

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/questions",
        scope="decide",
        takes=models.Ask,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAnApprover, NotAllowed, Closed, NotWaiting, RunFinished),
    )
    async def ask_question(self, request: web.Request, caller: Caller) -> web.Response:
        """Ask the requester something first.

        For who is asked. The flow says whether the clock stands still until it is answered.
        """
        sent = await read(request, models.Ask)
        view = await self._view(request.match_info["approval"], caller)
        await self._engine.ask(
            view.run.id, view.suspension.n, caller.person.id, sent.text, door=Door.API, via_token=self._via(caller)
        )
        return await self._asked(view, caller, "The requester is told.")

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/answer",
        scope="start",
        takes=models.AnswerQuestions,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAllowed, Closed, NotWaiting, RunFinished),
    )
    async def answer_questions(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer the questions that are open.

        For who started the run, the flow's owner and admins.
        """
        sent = await read(request, models.AnswerQuestions)
        view = await self._view(request.match_info["approval"], caller)
        await self._engine.answer(
            view.run.id,
            view.suspension.n,
            caller.person.id,
            sent.text,
            door=Door.API,
            via_token=self._via(caller),
            as_admin=caller.as_admin,
        )
        return await self._asked(view, caller, "Who has asked is told.")

    async def _asked(self, view: SuspensionView, caller: Caller, detail: str, *, again: bool = True) -> web.Response:
        """``again``: read it again, as it is now."""
        now = await self._engine.peek(view.run.id, view.suspension.n) if again else view
        view = now or view
        body = models.Asked(detail=detail, approval=self._shown(view, caller), run_status=run_status(view.run))
        return reply(body)
