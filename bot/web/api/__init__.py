"""The JSON API, ``/api/v1``: translates requests into calls of the engine, and nothing more.

Who may read and who may decide is the engine's to say. What a token adds is a limit: it acts as its person, within
its scopes, and an admin's rights take the scope ``admin`` and a person who is one.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import cached_property

from aiohttp import web

from bot.links import PageLinks
from bot.people import People
from bot.web import models
from bot.web.api import approvals, asking, delegations, effects, known_people, runs
from bot.web.api.approvals import MAX_PAGE
from bot.web.api.room import ROOT, Room
from bot.web.bearer import Tokens
from bot.web.endpoint import Endpoint, Endpoints
from bot.web.openapi import document
from flows.delegation import Delegation
from flows.engine import Engine
from flows.people import Person
from signoff import __version__

__all__ = ["ENDPOINTS", "MAX_PAGE", "ROOT", "Api"]

_ITSELF = Endpoints()

_METHODS = {"GET": web.get, "POST": web.post, "DELETE": web.delete}


class Api:
    """The routes of all rooms, behind tokens."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        tokens: Tokens,
        links: PageLinks,
        on_delegated: Callable[[Delegation, Person | None], None] | None = None,
    ) -> None:
        self._engine = engine
        self._tokens = tokens
        self._rooms: tuple[Room, ...] = (
            runs.Runs(engine, people, links),
            approvals.Approvals(engine, people),
            asking.Asking(engine, people),
            delegations.Delegations(engine, people, on_delegated),
            known_people.KnownPeople(engine, people),
            effects.Effects(engine, people),
        )

    def routes(self) -> list[web.RouteDef]:
        served = [*_ITSELF.of(self), *(each for room in self._rooms for each in room.endpoints.of(room))]
        return [
            _METHODS[endpoint.method](f"{ROOT}{endpoint.path}", self._for(endpoint.scope, handler))
            for endpoint, handler in served
        ]

    def _for(
        self, scope: str | None, handler: Callable[..., Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        if scope is None:
            return handler

        async def handle(request: web.Request) -> web.Response:
            caller = await self._tokens.caller(request.headers.get("Authorization"))
            caller.needs(scope)
            return await handler(request, caller)

        return handle

    @_ITSELF("GET", "/openapi.json", scope=None, gives={200: models.OpenApi})
    async def openapi(self, _request: web.Request) -> web.Response:
        """This document: OpenAPI 3.1."""
        return web.Response(text=self._document, content_type="application/json")

    @cached_property
    def _document(self) -> str:
        return json.dumps(document(ENDPOINTS, version=__version__, server=f"{self._engine.ids.public_url}{ROOT}"))


ENDPOINTS: tuple[Endpoint, ...] = (
    *_ITSELF,
    *runs.ENDPOINTS,
    *approvals.ENDPOINTS,
    *asking.ENDPOINTS,
    *delegations.ENDPOINTS,
    *known_people.ENDPOINTS,
    *effects.ENDPOINTS,
)
"""All of them, in the order in which ``docs/api.md`` tells of them."""
