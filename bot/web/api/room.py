"""What the rooms of the API share: who calls, which run or approval is meant, and what they may be told of it."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from aiohttp import web

from bot.people import People
from bot.web import models
from bot.web.bearer import Caller
from bot.web.bodies import approval_body, run_body
from bot.web.endpoint import Endpoints
from flows.definition import Approval, Hold
from flows.engine import Engine
from flows.errors import InvalidForm, NotAllowed, UnknownRun, UnknownSuspension
from flows.handles import InvalidHandle, normalise
from flows.people import Person
from flows.views import SuspensionView

ROOT = "/api/v1"

RUN_OR_STATUS = models.Run | models.RunStatusOnly


class Room:
    """The handlers of one noun. Whatever they raise is translated by the server's middleware."""

    endpoints: ClassVar[Endpoints]

    def __init__(self, engine: Engine, people: People) -> None:
        self._engine = engine
        self._people = people

    def _via(self, caller: Caller) -> str:
        """Which token acted, and who issued it: for the ledger."""
        return f"{self._engine.ids.token(caller.token.id)} issued by {caller.token.issued_by}"

    def _check_admin(self, caller: Caller) -> None:
        if not self._people.is_admin(caller.person.id):
            raise NotAllowed("Only an admin may do this.")

    async def _meant(self, field: str, who: str) -> Person:
        """Whom a body names. Raises ``InvalidForm`` where nobody can be asked by that, ``TryAgain``."""
        number = self._engine.ids.parse_person(who)
        if number is None:
            try:
                handle = normalise(who)
            except InvalidHandle as error:
                raise InvalidForm({field: str(error)}) from None
            roster = await self._people.resolve([handle])
            if handle not in roster.people:
                raise InvalidForm({field: f"cannot be asked: {roster.gaps.get(handle, 'it is a group')}."})
            number = roster.people[handle]
        person = await self._people.by_id(number)
        if person is None:
            raise InvalidForm({field: "is nobody's id."})
        return person

    # -- runs ---------------------------------------------------------------------------------------------------

    async def _told(self, run: int, caller: Caller) -> models.Run | models.RunStatusOnly:
        """The run that the caller did something to; what else there is to know of it takes the scope ``read``."""
        body = await self._run_body(run, caller)
        return body if caller.may_read else models.RunStatusOnly(id=body.id, status=body.status)

    async def _run_body(self, run: int, caller: Caller) -> models.Run:
        view = await self._engine.run(run, caller.person.id, as_admin=caller.as_admin)
        # On a thread: a loop over 10,000 items takes most of a second, in which others are to be answered.
        return await asyncio.to_thread(run_body, view, self._engine.ids)

    async def _readable(self, request: web.Request, caller: Caller) -> int:
        """The run that is meant. Asked first: to somebody who may not read it, it must look as if it did not exist."""
        run = self._run_id(request)
        await self._engine.run(run, caller.person.id, as_admin=caller.as_admin)
        return run

    def _run_id(self, request: web.Request) -> int:
        run = self._engine.ids.parse_run(request.match_info["run"])
        if run is None:
            raise UnknownRun
        return run

    # -- approvals ----------------------------------------------------------------------------------------------

    def _shown(self, view: SuspensionView, caller: Caller) -> models.Approval | None:
        """The approval, for who may read with this token."""
        return approval_body(view, self._engine.ids) if caller.may_read else None

    async def _view(self, approval: str, caller: Caller) -> SuspensionView:
        view = await self._any_view(approval, caller)
        if not isinstance(view.wait, Approval | Hold):
            raise UnknownSuspension  # of nobody is anything asked
        return view

    async def _any_view(self, approval: str, caller: Caller) -> SuspensionView:
        found = self._engine.ids.parse_suspension(approval)
        if found is None:
            raise UnknownSuspension
        return await self._engine.suspension(*found, caller.person.id, as_admin=caller.as_admin)
