"""Sign in with Slack: the page on which somebody says who they are, codes, and what Slack says of whom. It refuses what
Slack refuses: another client or address, a code that was used or is old.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox import consent
from integrations.sandbox.arguments import Arguments, SlackRefusal
from integrations.sandbox.members import User
from integrations.sandbox.slack_oauth import CODE_LIFETIME, SlackOAuth
from integrations.sandbox.tokens import Token
from integrations.sandbox.web_method import Caller, Method
from integrations.sandbox.workspace import Workspace

if TYPE_CHECKING:
    from integrations.sandbox.slack_api import SlackApi

_TEAM, _USER = "https://slack.com/team_id", "https://slack.com/user_id"
_ASKED = ("client_id", "scope", "redirect_uri", "state", "nonce", "response_type")


@dataclass(slots=True)
class _Code:
    workspace: Workspace
    user: User
    redirect: str
    nonce: str
    at: datetime
    used: bool = False


@dataclass
class SlackOpenId:
    """The app's side at Slack: the same client, and the same addresses, as for installing it."""

    oauth: SlackOAuth
    workspaces: Mapping[str, Workspace]
    tokens: MutableMapping[str, Token]
    clock: Clock
    nonce: str | None = None
    """What Slack says in place of the nonce that it was given: for a bad day."""
    _codes: dict[str, _Code] = field(default_factory=dict, repr=False)

    def join(self, api: SlackApi) -> None:
        """Answer the methods of it."""
        api.open_methods["openid.connect.token"] = self.token
        api.methods["openid.connect.userInfo"] = Method(self._info, ("openid",), kinds=("user",))

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/openid/connect/authorize", self._ask), web.post("/openid/connect/authorize", self._answer)]

    async def _ask(self, request: web.Request) -> web.Response:
        if (problem := self._problem(request.query)) is not None:
            return consent.page("Something went wrong", f"<p>{problem}</p>", of="Slack's page")
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(request.query.get(name, ""))}">' for name in _ASKED
        )
        people = consent.people(self.workspaces.values(), team=request.query.get("team"))
        body = f'<form method="post" action="/openid/connect/authorize">{hidden}{people}{consent.ANSWERS}</form>'
        return consent.page("Sign in to Signoff with Slack", body, of="Slack's page")

    async def _answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if (problem := self._problem(form)) is not None:
            return consent.page("Something went wrong", f"<p>{problem}</p>", of="Slack's page")
        back = {"state": form.get("state", "")}
        if form.get("verdict") != "allow":
            back["error"] = "access_denied"
        else:
            team, _, user = form.get("as", "").partition("/")
            home = self.workspaces[team]
            back["code"] = secrets.token_urlsafe(24)
            self._codes[back["code"]] = _Code(
                home, home.users[user], form["redirect_uri"], form.get("nonce", ""), self.clock.now()
            )
        raise web.HTTPFound(f"{form['redirect_uri']}?{urlencode(back)}")

    def _problem(self, asked: Mapping[str, str]) -> str | None:
        if asked.get("client_id") != self.oauth.client_id:
            return "Invalid client_id parameter"
        if asked.get("redirect_uri") not in self.oauth.redirects:
            return "redirect_uri did not match any configured URIs."
        if "openid" not in asked.get("scope", "").replace(",", " ").split():
            return "Invalid scopes: openid is required"
        if asked.get("response_type") != "code":
            return "Invalid response_type parameter"
        return None

    async def token(self, arguments: Arguments) -> dict[str, Json]:
        """``openid.connect.token``."""
        if arguments.text("client_id") != self.oauth.client_id:
            raise SlackRefusal("invalid_client_id")
        if arguments.text("client_secret") != self.oauth.client_secret:
            raise SlackRefusal("bad_client_secret")
        code = self._codes.get(arguments.text("code") or "")
        if code is None or self.clock.now() - code.at > CODE_LIFETIME:
            raise SlackRefusal("invalid_code")
        if code.used:
            raise SlackRefusal("code_already_used")
        if arguments.text("redirect_uri") != code.redirect:
            raise SlackRefusal("bad_redirect_uri")
        code.used = True
        value = f"xoxp-{secrets.token_hex(16)}"
        self.tokens[value] = Token(value, "user", code.workspace.id, frozenset({"openid"}), user_id=code.user.id)
        return {"access_token": value, "token_type": "Bearer", "id_token": self._id_token(code)}

    async def _info(self, caller: Caller, _arguments: Arguments) -> dict[str, Json]:
        user = caller.token.user_id
        return {"sub": user, _USER: user, _TEAM: caller.workspace.id}

    def _id_token(self, code: _Code) -> str:
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": "https://slack.com",
            "sub": code.user.id,
            "aud": self.oauth.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce or code.nonce,
            _TEAM: code.workspace.id,
            _USER: code.user.id,
        }
        # Its signature is not looked at by who gets it straight from here, so this one is letters.
        parts = [json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps(claims), secrets.token_hex(32)]
        return ".".join(urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)
