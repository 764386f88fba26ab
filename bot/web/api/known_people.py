"""The people whom Signoff knows, and by what. For admins."""

from __future__ import annotations

import logging

from aiohttp import web

from bot.web import models
from bot.web.api.room import Room
from bot.web.bearer import Caller
from bot.web.endpoint import Endpoints
from bot.web.replies import reply
from bot.web.requests import queried, read
from flows.errors import InvalidForm
from flows.handles import InvalidHandle
from flows.people import Person

log = logging.getLogger(__name__)

ENDPOINTS = Endpoints()
"""The endpoints, as the methods of ``KnownPeople`` declare them."""


class KnownPeople(Room):
    """The people whom Signoff knows."""

    endpoints = ENDPOINTS

    @ENDPOINTS("GET", "/people", scope="admin", query=models.FindPerson, gives={200: models.KnownPerson})
    async def find_person(self, request: web.Request, caller: Caller) -> web.Response:
        """Somebody who is known by a handle, and everything else that they are known by. For admins."""
        self._check_admin(caller)
        query = queried(request, models.FindPerson)
        return reply(await self._known_person("handle", query.handle))

    @ENDPOINTS("POST", "/people/merge", scope="admin", takes=models.MergePeople, gives={200: models.KnownPerson})
    async def merge_people(self, request: web.Request, caller: Caller) -> web.Response:
        """Let two people be one human from now on. For admins.

        What is open is recounted: where both have decided, one of their decisions counts. It cannot be undone.
        """
        self._check_admin(caller)
        sent = await read(request, models.MergePeople)
        kept, gone = await self._person("keep", sent.keep), await self._person("gone", sent.gone)
        if kept.id == gone.id:
            raise InvalidForm({"gone": f"is {kept.name} already"})
        person = await self._people.merge(kept, gone)
        ids = self._engine.ids
        said = {"kept": ids.person(kept.id), "gone": ids.person(gone.id), "by": ids.person(caller.person.id)}
        log.info("two people were merged", extra=said)
        return reply(await self._known_person("keep", ids.person(person.id)))

    async def _person(self, field: str, handle: str) -> Person:
        try:
            person = await self._people.found(handle)
        except InvalidHandle as error:
            raise InvalidForm({field: str(error)}) from None
        if person is None:
            raise InvalidForm({field: f"nobody is known by {handle}"})
        return person

    async def _known_person(self, field: str, handle: str) -> models.KnownPerson:
        person = await self._person(field, handle)
        return models.KnownPerson(
            id=self._engine.ids.person(person.id),
            name=person.name,
            email=person.email,
            slack=person.slack,
            tz=person.tz,
            handles=list(await self._people.handles(person)),
            admin=self._people.is_admin(person.id),
        )
