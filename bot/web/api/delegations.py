"""Who answers for whom."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from bot.days import stretch
from bot.people import People
from bot.web import models
from bot.web.api.room import Room
from bot.web.bearer import Caller
from bot.web.bodies import delegation_body
from bot.web.endpoint import Endpoints
from bot.web.moments import zone_named
from bot.web.replies import reply
from bot.web.requests import queried, read
from flows.delegation import Delegation
from flows.engine import Engine
from flows.errors import NotAllowed, UnknownFlow
from flows.people import Person

ENDPOINTS = Endpoints()
"""The endpoints, as the methods of ``Delegations`` declare them."""


class Delegations(Room):
    """Approvals that people have handed over."""

    endpoints = ENDPOINTS

    def __init__(
        self,
        engine: Engine,
        people: People,
        on_delegated: Callable[[Delegation, Person | None], None] | None = None,
    ) -> None:
        super().__init__(engine, people)
        self._on_delegated = on_delegated or _unheard

    @ENDPOINTS("GET", "/delegations", scope="read", query=models.ListDelegations, gives={200: models.Delegations})
    async def list_delegations(self, request: web.Request, caller: Caller) -> web.Response:
        """Who answers for whom: what somebody has handed over, and what was handed over to them."""
        query = queried(request, models.ListDelegations)
        person = caller.person
        if query.person != "me":
            person = await self._meant("person", query.person)
            if person.id != caller.person.id and not (caller.as_admin and self._people.is_admin(caller.person.id)):
                raise NotAllowed("Only an admin may list what somebody else has handed over.")
        found = await self._engine.delegations(person.id)
        return reply(models.Delegations(items=[await self._delegation(one) for one in found]))

    @ENDPOINTS(
        "POST",
        "/delegations",
        scope="decide",
        takes=models.Delegate,
        gives={201: models.Delegation},
        refuses=(UnknownFlow, NotAllowed),
    )
    async def delegate(self, request: web.Request, caller: Caller) -> web.Response:
        """Let somebody answer for somebody else, for some days.

        For oneself, or for somebody else by an admin. Never in a circle, and never so that somebody decides their own
        request.
        """
        sent = await read(request, models.Delegate)
        delegate = await self._meant("delegate", sent.delegate)
        person = caller.person if sent.person is None else await self._meant("person", sent.person)
        starts, ends = stretch(sent.starts, sent.until, zone_named(person.tz))
        made = await self._engine.delegate(
            person.id, delegate.id, starts, ends, tuple(sent.flows), by=caller.person.id, as_admin=caller.as_admin
        )
        self._on_delegated(made, None)
        return reply(await self._delegation(made), status=201)

    @ENDPOINTS(
        "DELETE", "/delegations/{delegation}", scope="decide", gives={200: models.Delegation}, refuses=(NotAllowed,)
    )
    async def end_delegation(self, request: web.Request, caller: Caller) -> web.Response:
        """End one early.

        For who gave it, who got it, and admins. What was decided by it stands.
        """
        number = self._engine.ids.parse_delegation(request.match_info["delegation"])
        if number is None:
            raise NotAllowed("There is no such delegation of yours.")
        ended = await self._engine.end_delegation(number, caller.person.id, as_admin=caller.as_admin)
        self._on_delegated(ended, caller.person)
        return reply(await self._delegation(ended))

    async def _delegation(self, delegation: Delegation) -> models.Delegation:
        ids = dict.fromkeys((delegation.person, delegation.delegate, delegation.made_by))
        persons = {one: await self._people.by_id(one) or Person(one, "somebody") for one in ids}
        return delegation_body(delegation, persons, self._engine.ids)


def _unheard(_delegation: Delegation, _ended_by: Person | None) -> None:
    """Nobody is told where Slack is not connected."""
