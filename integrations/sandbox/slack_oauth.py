"""Installing the app in a workspace: Slack's page of consent, and ``oauth.v2.access``. It refuses what Slack refuses.

A code is good for ten minutes and once, at the address that it was sent to. With ``rotates``, tokens last twelve hours and
come with a refresh token, which is good once too; the token before the newest goes on until it expires, older ones do not.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from urllib.parse import urlencode

from aiohttp import web

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox import consent
from integrations.sandbox.arguments import Arguments, SlackRefusal
from integrations.sandbox.members import User
from integrations.sandbox.tokens import Token
from integrations.sandbox.web_method import Caller
from integrations.sandbox.workspace import Workspace

CODE_LIFETIME = timedelta(minutes=10)
TOKEN_LIFETIME = timedelta(hours=12)
_ACTIVE = 2  # tokens of one installation at a time, where they are rotated


@dataclass(slots=True)
class _Consent:
    """What somebody has agreed to at the page, and the code for it."""

    workspace: Workspace
    user: User
    scopes: frozenset[str]
    redirect: str
    at: datetime
    used: bool = False


@dataclass(slots=True)
class _Refresh:
    """A refresh token (its value is its key)."""

    workspace: Workspace
    scopes: frozenset[str]
    worthless: bool = False


@dataclass
class SlackOAuth:
    """The app's side at Slack. ``redirects`` are the addresses that were entered for it; without any, none is taken.

    ``new_token`` makes a bot's token, ``uninstall`` takes the app out of a workspace.
    """

    workspaces: Mapping[str, Workspace]
    tokens: Mapping[str, Token]
    clock: Clock
    new_token: Callable[[Workspace, frozenset[str], datetime | None], str]
    client_id: str = "1000000000.2000000000"
    client_secret: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    redirects: set[str] = field(default_factory=set)
    rotates: bool = False
    granted: list[str] = field(default_factory=list, repr=False)
    """Every token that was given, in order."""
    _codes: dict[str, _Consent] = field(default_factory=dict, repr=False)
    _refreshes: dict[str, _Refresh] = field(default_factory=dict, repr=False)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/oauth/v2/authorize", self._ask), web.post("/oauth/v2/authorize", self._answer)]

    # -- the page -----------------------------------------------------------------------------------------------

    async def _ask(self, request: web.Request) -> web.Response:
        asked = request.query
        if (problem := self._problem(asked)) is not None:
            return consent.page("Something went wrong", f"<p>{problem}</p>", of="Slack's page")
        hidden = "".join(
            f'<input type="hidden" name="{name}" value="{escape(asked.get(name, ""))}">'
            for name in ("client_id", "scope", "redirect_uri", "state")
        )
        body = (
            f"<p>In the workspace that you choose, it asks for: {escape(asked.get('scope', '').replace(',', ', '))}.</p>"
            f'<form method="post" action="/oauth/v2/authorize">{hidden}{consent.people(self.workspaces.values())}'
            f"{consent.ANSWERS}</form>"
        )
        return consent.page("Signoff is requesting permission", body, of="Slack's page")

    async def _answer(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if (problem := self._problem(form)) is not None:
            return consent.page("Something went wrong", f"<p>{problem}</p>", of="Slack's page")
        back = {"state": form.get("state", "")}
        if form.get("verdict") != "allow":
            back["error"] = "access_denied"
        else:
            team, _, user = form.get("as", "").partition("/")
            workspace = self.workspaces[team]
            back["code"] = self.consent(
                workspace, workspace.users[user], form["scope"].split(","), redirect=form["redirect_uri"]
            )
        raise web.HTTPFound(f"{form['redirect_uri']}?{urlencode(back)}")

    def consent(self, workspace: Workspace, user: User, scopes: Iterable[str], *, redirect: str) -> str:
        """Somebody agrees; returns the code that Slack sends back."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Consent(workspace, user, frozenset(scopes), redirect, self.clock.now())
        return code

    def _problem(self, asked: Mapping[str, str]) -> str | None:
        if asked.get("client_id") != self.client_id:
            return "Invalid client_id parameter"
        if asked.get("redirect_uri") not in self.redirects:
            return "redirect_uri did not match any configured URIs."
        if not asked.get("scope"):
            return "No scopes requested"
        return None

    # -- the method ---------------------------------------------------------------------------------------------

    async def access(self, arguments: Arguments) -> dict[str, Json]:
        """``oauth.v2.access``."""
        self._check_client(arguments)
        grant = arguments.text("grant_type") or "authorization_code"
        if grant == "refresh_token":
            if not self.rotates:
                raise SlackRefusal("token_rotation_not_enabled")
            return self._renew(arguments.text("refresh_token") or "")
        if grant != "authorization_code":
            raise SlackRefusal("invalid_grant_type")
        consent = self._codes.get(arguments.text("code") or "")
        if consent is None or self.clock.now() - consent.at > CODE_LIFETIME:
            raise SlackRefusal("invalid_code")
        if consent.used:
            raise SlackRefusal("code_already_used")
        if (arguments.text("redirect_uri") or consent.redirect) != consent.redirect:
            raise SlackRefusal("bad_redirect_uri")
        consent.used = True
        return self._grant(consent.workspace, consent.scopes) | {"authed_user": {"id": consent.user.id}}

    async def uninstall(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        """``apps.uninstall``, as far as it looks at the client; taking the app out is for whoever holds the workspaces."""
        self._check_client(arguments)
        self.forget(caller.workspace)
        return {}

    def forget(self, workspace: Workspace) -> None:
        """The app was taken out of a workspace: nothing that was given for it is worth anything."""
        for refresh in self._refreshes.values():
            if refresh.workspace is workspace:
                refresh.worthless = True

    def _check_client(self, arguments: Arguments) -> None:
        if arguments.text("client_id") != self.client_id:
            raise SlackRefusal("invalid_client_id")
        if arguments.text("client_secret") != self.client_secret:
            raise SlackRefusal("bad_client_secret")

    def _renew(self, value: str) -> dict[str, Json]:
        refresh = self._refreshes.get(value)
        if refresh is None or refresh.worthless or not refresh.workspace.installed:
            raise SlackRefusal("invalid_refresh_token")
        refresh.worthless = True
        return self._grant(refresh.workspace, refresh.scopes)

    def _grant(self, workspace: Workspace, scopes: frozenset[str]) -> dict[str, Json]:
        expires_at = self.clock.now() + TOKEN_LIFETIME if self.rotates else None
        value = self.new_token(workspace, scopes, expires_at)
        self.granted.append(value)
        answer: dict[str, Json] = {
            "access_token": value,
            "token_type": "bot",
            "scope": ",".join(sorted(scopes)),
            "bot_user_id": workspace.bot.id,
            "app_id": workspace.app_id,
            "team": {"id": workspace.id, "name": workspace.name},
            "enterprise": None,
            "is_enterprise_install": False,
        }
        if expires_at is not None:
            refresh = f"xoxe-1-{secrets.token_hex(24)}"
            self._refreshes[refresh] = _Refresh(workspace, scopes)
            answer |= {"refresh_token": refresh, "expires_in": int(TOKEN_LIFETIME.total_seconds())}
            own = [self.tokens[one] for one in self.granted if self.tokens[one].team_id == workspace.id]
            for older in own[:-_ACTIVE]:
                older.revoked = True
        return answer
