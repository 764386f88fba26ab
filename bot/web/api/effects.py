"""Parked effects, which only a person can help. For admins."""

from __future__ import annotations

from aiohttp import web

from bot.web import models
from bot.web.api.room import Room
from bot.web.bearer import Caller
from bot.web.bodies import effect_body
from bot.web.endpoint import Endpoints
from bot.web.replies import reply
from flows.errors import UnknownEffect

ENDPOINTS = Endpoints()
"""The endpoints, as the methods of ``Effects`` declare them."""


class Effects(Room):
    """The outbox, as far as it needs somebody."""

    endpoints = ENDPOINTS

    @ENDPOINTS("GET", "/effects", scope="admin", gives={200: models.Effects})
    async def list_effects(self, _request: web.Request, caller: Caller) -> web.Response:
        """The parked effects: what only a person can help."""
        parked = await self._engine.parked(caller.person.id)
        return reply(models.Effects(items=[effect_body(effect, self._engine.ids) for effect in parked]))

    @ENDPOINTS("POST", "/effects/{effect}/retry", scope="admin", gives={200: models.Freed}, refuses=(UnknownEffect,))
    async def retry_effect(self, request: web.Request, caller: Caller) -> web.Response:
        """Perform a parked effect again."""
        effect = self._effect_id(request)
        await self._engine.retry(effect, caller.person.id)
        return reply(models.Freed(id=self._engine.ids.effect(effect), status="retried"))

    @ENDPOINTS("POST", "/effects/{effect}/skip", scope="admin", gives={200: models.Freed}, refuses=(UnknownEffect,))
    async def skip_effect(self, request: web.Request, caller: Caller) -> web.Response:
        """Give up on a parked effect."""
        effect = self._effect_id(request)
        await self._engine.skip(effect, caller.person.id, via_token=self._via(caller))
        return reply(models.Freed(id=self._engine.ids.effect(effect), status="skipped"))

    def _effect_id(self, request: web.Request) -> int:
        effect = self._engine.ids.parse_effect(request.match_info["effect"])
        if effect is None:
            raise UnknownEffect
        return effect
