"""``POST /response/{token}``: messages that answer what a person did, five within thirty minutes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json import JSONDecodeError

from aiohttp import web

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.arguments import SlackRefusal
from integrations.sandbox.blocks import with_ids
from integrations.sandbox.content import checked_attachments, checked_blocks
from integrations.sandbox.gate import Gate, Performed
from integrations.sandbox.message import Message
from integrations.sandbox.workspace import RESPONSE_LIFETIME, RESPONSE_USES, ResponseAddress, Workspace


class ResponseUrls:
    """The response addresses of all workspaces."""

    def __init__(self, *, workspaces: Mapping[str, Workspace], gate: Gate, clock: Clock) -> None:
        self._workspaces = workspaces
        self._gate = gate
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one message to a response address."""
        try:
            body = json.loads(await request.text())
        except JSONDecodeError:
            return web.Response(status=400, text="invalid_payload")
        if not isinstance(body, dict):
            return web.Response(status=400, text="invalid_payload")

        async def perform() -> Performed:
            return self._perform(request.match_info["token"], body)

        limited = {"ok": False, "error": "rate_limited"}
        return await self._gate.run(request, "response_url", body, perform, limited=limited)

    def _perform(self, token: str, body: Mapping[str, Json]) -> Performed:
        for workspace in self._workspaces.values():
            address = workspace.responses.get(token)
            if address is None:
                continue
            if address.uses >= RESPONSE_USES:
                return web.json_response({"ok": False, "error": "used_url"}, status=404), "used_url"
            if self._clock.now() - address.issued_at > RESPONSE_LIFETIME:
                return web.json_response({"ok": False, "error": "expired_url"}, status=404), "expired_url"
            try:
                show_response(workspace, address, body)
            except SlackRefusal as refusal:
                return web.Response(status=400, text=refusal.code), refusal.code
            address.uses += 1
            return web.Response(text="ok"), "ok"
        return web.Response(status=404, text="no_team"), "no_team"


def show_response(workspace: Workspace, address: ResponseAddress, body: Mapping[str, Json]) -> None:
    """Show what the bot answered where the person acted; raises ``SlackRefusal`` if Slack would not."""
    original = _original(workspace, address)
    if body.get("delete_original") is True:
        if original is not None:
            workspace.remove(original)
        return
    text = body.get("text") or ""
    blocks = checked_blocks(body.get("blocks"))
    attachments = checked_attachments(workspace, body.get("attachments"))
    if not isinstance(text, str) or not (text or blocks or attachments):
        raise SlackRefusal("no_text")
    blocks = with_ids(blocks, workspace.new_short_id)
    if body.get("replace_original") is True and original is not None:
        workspace.edit(original, text, blocks, attachments=attachments)
        return
    channel = workspace.channels[address.channel]
    only_for = None if body.get("response_type") == "in_channel" else address.user
    thread_ts = body.get("thread_ts")
    workspace.post(
        channel,
        workspace.bot.id,
        text,
        blocks=blocks,
        attachments=attachments,
        thread_ts=thread_ts,
        ephemeral_to=only_for,
    )


def _original(workspace: Workspace, address: ResponseAddress) -> Message | None:
    if address.message_ts is None:
        return None
    where = address.channel, address.message_ts
    return workspace.message(*where) or workspace.ephemeral(*where)
