"""Slack's Web API: ``POST /api/{method}``, with its scopes, refusals and shapes.

A refusal is HTTP 200 with ``{"ok": false, "error": code}``, as Slack does it. Bodies may be forms or JSON, the token
a bearer header or a ``token`` argument. The methods are in ``chat_methods``, ``conversation_methods``, ``people_methods``
and ``view_methods``; here are ``api.test``, ``auth.test``, ``auth.revoke`` and ``apps.connections.open``. Others are
added to ``methods`` (called with a token) or ``open_methods`` (without). Sources: docs.slack.dev, method by method, and
refusals seen in the wild.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from json import JSONDecodeError

from aiohttp import web

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.arguments import Arguments, SlackRefusal, arguments_of, token_of
from integrations.sandbox.chat_methods import Changed, ChatMethods
from integrations.sandbox.conversation_methods import ConversationMethods
from integrations.sandbox.gate import Gate, Performed
from integrations.sandbox.manifest import Manifest
from integrations.sandbox.people_methods import PeopleMethods
from integrations.sandbox.rate_limits import RateLimits
from integrations.sandbox.socket_mode import SocketMode
from integrations.sandbox.tokens import Kind, Token
from integrations.sandbox.view_methods import ViewMethods
from integrations.sandbox.web_method import Caller, Method, OpenHandler
from integrations.sandbox.workspace import Workspace

LIMITED: dict[str, Json] = {"ok": False, "error": "ratelimited"}


class SlackApi:
    """The Web API over some workspaces. ``origin`` is where permalinks and Socket Mode addresses point."""

    def __init__(
        self,
        *,
        workspaces: Mapping[str, Workspace],
        tokens: Mapping[str, Token],
        gate: Gate,
        clock: Clock,
        sockets: SocketMode,
        limits: RateLimits,
        manifest: Manifest,
        origin: Callable[[], str],
        changed: Changed,
        revoke: Callable[[str], Awaitable[None]],
    ) -> None:
        self._workspaces = workspaces
        self._tokens = tokens
        self._gate = gate
        self._clock = clock
        self._sockets = sockets
        self._limits = limits
        self._origin = origin
        self._revoke = revoke
        self.open_methods: dict[str, OpenHandler] = {"api.test": _api_test}
        self.methods: dict[str, Method] = {
            "auth.test": Method(self._auth_test, kinds=("bot", "user")),
            "auth.revoke": Method(self._auth_revoke, kinds=("bot", "user")),
            "apps.connections.open": Method(self._connections_open, ("connections:write",), kinds=("app",)),
            **ChatMethods(origin=origin, changed=changed).methods(),
            **ConversationMethods().methods(),
            **PeopleMethods().methods(),
            **ViewMethods(manifest).methods(),
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call of the API."""
        method = request.match_info["method"]
        try:
            given = await arguments_of(request)
        except (JSONDecodeError, UnicodeDecodeError):
            return web.json_response({"ok": False, "error": "invalid_json"})
        value = token_of(request, given)
        body = {name: argument for name, argument in given.items() if name != "token"}
        token = self._tokens.get(value or "")

        async def perform() -> Performed:
            if method in self.open_methods:
                return await self._perform(method, value, Arguments(body | _basic(request)))
            return await self._perform(method, value, Arguments(body))

        team = token.team_id if token is not None else None
        shown = {
            name: argument for name, argument in body.items() if name not in ("client_secret", "code", "refresh_token")
        }
        return await self._gate.run(request, method, shown, perform, limited=LIMITED, team=team)

    async def _perform(self, method: str, value: str | None, arguments: Arguments) -> Performed:
        headers: dict[str, str] = {}
        try:
            answer = await self._answer(method, value, arguments, headers)
        except _TooMany as many:
            headers["Retry-After"] = str(many.seconds)
            return web.json_response(LIMITED, status=429, headers=headers), "http 429"
        except SlackRefusal as refusal:
            body = {"ok": False, "error": refusal.code, **refusal.extra}
            return web.json_response(body, headers=headers), refusal.code
        return web.json_response({"ok": True, **answer}, headers=headers), "ok"

    async def _answer(
        self, method: str, value: str | None, arguments: Arguments, headers: dict[str, str]
    ) -> dict[str, Json]:
        if method in self.open_methods:
            return await self.open_methods[method](arguments)
        known = self.methods.get(method)
        if known is None:
            raise SlackRefusal("unknown_method", req_method=method)
        caller = self._caller(value, known.kinds)
        headers["X-OAuth-Scopes"] = ",".join(sorted(caller.token.scopes))
        headers["X-Accepted-OAuth-Scopes"] = ",".join(known.scopes)
        seconds = self._limits.wait(caller.workspace.id, method, _channel(caller.workspace, arguments))
        if seconds is not None:
            raise _TooMany(seconds)
        if known.scopes:
            caller.needs(*known.scopes)
        return await known.handler(caller, arguments)

    def _caller(self, value: str | None, kinds: tuple[Kind, ...]) -> Caller:
        if not value:
            raise SlackRefusal("not_authed")
        token = self._tokens.get(value)
        if token is None:
            raise SlackRefusal("invalid_auth")
        if refusal := token.refusal(self._clock.now()):
            raise SlackRefusal(refusal)
        if token.kind not in kinds:
            raise SlackRefusal("not_allowed_token_type")
        return Caller(token, self._workspaces[token.team_id])

    async def _auth_test(self, caller: Caller, _arguments: Arguments) -> dict[str, Json]:
        workspace, token = caller.workspace, caller.token
        user = workspace.users[token.user_id or workspace.bot.id]
        answer: dict[str, Json] = {
            "url": f"https://{workspace.domain}.slack.com/",
            "team": workspace.name,
            "user": user.name,
            "team_id": workspace.id,
            "user_id": user.id,
            "is_enterprise_install": False,
        }
        if token.kind == "bot":
            answer["bot_id"] = workspace.bot_id
        if token.expires_at is not None:
            answer["expires_in"] = int((token.expires_at - self._clock.now()).total_seconds())
        return answer

    async def _auth_revoke(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        if arguments.flag("test"):
            return {"revoked": False}
        await self._revoke(caller.token.value)
        return {"revoked": True}

    async def _connections_open(self, caller: Caller, _arguments: Arguments) -> dict[str, Json]:
        ticket = self._sockets.new_ticket(caller.workspace.app_id)
        return {"url": f"{self._origin().replace('http', 'ws', 1)}/socket?ticket={ticket}"}


class _TooMany(Exception):
    """A call that came ``seconds`` too early."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"{seconds} s too early")


async def _api_test(arguments: Arguments) -> dict[str, Json]:
    """Says back the error that it is asked for."""
    if error := arguments.text("error"):
        raise SlackRefusal(error)
    return {}


def _channel(workspace: Workspace, arguments: Arguments) -> str | None:
    """The id of the channel that a call names, whichever way it does."""
    name = str(arguments.given.get("channel") or "")
    if name in workspace.users:
        return workspace.direct_message(name).id
    found = workspace.channels.get(name) or workspace.channel_named(name)
    return found.id if found is not None else None


def _basic(request: web.Request) -> dict[str, Json]:
    """A client's id and secret, where they come in a header."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        name, _, secret = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return {"client_id": name, "client_secret": secret}
