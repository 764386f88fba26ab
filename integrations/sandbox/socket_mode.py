"""Slack's side of Socket Mode: envelopes out over one of the bot's websockets, acknowledgements in by envelope id."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress

from aiohttp import WSMsgType, web

from flows.ports import Json
from integrations.sandbox.changes import Changes

CONNECTIONS = 10  # Slack's own limit for each app


class SocketMode:
    """The open websockets of the bot."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._tickets: dict[str, str] = {}
        self._connections: list[web.WebSocketResponse] = []
        self._waiting: dict[str, asyncio.Future[Json]] = {}

    @property
    def connected(self) -> int:
        """How many websockets are open."""
        return len(self._connections)

    def new_ticket(self, app_id: str) -> str:
        """A ticket for one connection, as ``apps.connections.open`` hands it out."""
        ticket = secrets.token_urlsafe(18)
        self._tickets[ticket] = app_id
        return ticket

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket until it closes."""
        app_id = self._tickets.pop(request.query.get("ticket", ""), None)
        if app_id is None or self.connected >= CONNECTIONS:
            raise web.HTTPForbidden(text="the ticket is not valid")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._connections.append(socket)
        try:
            await socket.send_json(
                {
                    "type": "hello",
                    "num_connections": self.connected,
                    "connection_info": {"app_id": app_id},
                    "debug_info": {"host": "sandbox", "build_number": 1, "approximate_connection_time": 18060},
                }
            )
            self._changes.notify()
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._acknowledged(message.data)
        finally:
            self._connections.remove(socket)
            self._changes.notify()
        return socket

    async def deliver(self, sort: str, payload: Json, *, retry: int = 0) -> Json:
        """Send one envelope and return the payload of its acknowledgement (None where it has none).

        Raises ``ConnectionError`` if no websocket is open. Waits for ever: whoever calls sets the limit.
        """
        if not self._connections:
            raise ConnectionError("no websocket is open")
        envelope_id = secrets.token_hex(16)
        envelope: dict[str, Json] = {
            "type": sort,
            "envelope_id": envelope_id,
            "payload": payload,
            "accepts_response_payload": sort != "events_api",
        }
        if sort == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": "timeout" if retry else ""}
        answer = self._waiting[envelope_id] = asyncio.get_running_loop().create_future()
        try:
            # Slack takes any of the sockets; the turn goes round here so that every one of them is used.
            socket = self._connections[0]
            self._connections.append(self._connections.pop(0))
            await socket.send_json(envelope)
            return await answer
        finally:
            del self._waiting[envelope_id]

    async def close(self) -> None:
        """Say goodbye to every websocket."""
        for socket in list(self._connections):
            with suppress(ConnectionError):
                await socket.send_json({"type": "disconnect", "reason": "link_disabled"})
            await socket.close()

    def _acknowledged(self, text: str) -> None:
        # Clients may send anything; what is not an acknowledgement of ours is not answered by Slack either.
        with suppress(json.JSONDecodeError):
            message = json.loads(text)
            waiting = self._waiting.get(message.get("envelope_id", "")) if isinstance(message, dict) else None
            if waiting is not None and not waiting.done():
                waiting.set_result(message.get("payload"))
