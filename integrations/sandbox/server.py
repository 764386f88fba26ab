"""The sandbox: Slack and Gmail on one loopback address, with people in them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Literal, Self, TypeVar

from aiohttp import web

from flows.clock import Clock, SystemClock
from flows.ports import Json
from integrations.sandbox.administration import Administration
from integrations.sandbox.arguments import Arguments
from integrations.sandbox.bot_line import BotLine
from integrations.sandbox.changes import Changes
from integrations.sandbox.events import Events
from integrations.sandbox.faults import Calls, Faults
from integrations.sandbox.gate import Gate
from integrations.sandbox.gmail_api import GmailApi
from integrations.sandbox.google_accounts import GoogleAccounts
from integrations.sandbox.google_oauth import GoogleOAuth
from integrations.sandbox.mailbox import PostOffice
from integrations.sandbox.manifest import Manifest
from integrations.sandbox.members import Channel, User
from integrations.sandbox.message import Message
from integrations.sandbox.people import Human
from integrations.sandbox.rate_limits import RateLimits
from integrations.sandbox.response_url import ResponseUrls
from integrations.sandbox.slack_api import SlackApi
from integrations.sandbox.slack_oauth import SlackOAuth
from integrations.sandbox.slack_openid import SlackOpenId
from integrations.sandbox.socket_mode import SocketMode
from integrations.sandbox.tokens import BOT_SCOPES, Kind, Token
from integrations.sandbox.web_method import Caller, Method
from integrations.sandbox.workspace import Workspace

T = TypeVar("T")
SENDER = "signoff@example.com"
# Requests that a fault holds back are cut off at the end; the ones under way get this long (seconds).
_GRACE = 0.1


class Sandbox(Administration):
    """Stand-ins for Slack and Gmail, spoken to by the ordinary clients over HTTP.

    ``async with Sandbox.with_people() as sandbox`` starts and stops it. Set ``events_url`` to where the bot listens, or
    let the bot connect by Socket Mode. State is open to tests: ``workspace``, ``office``, ``google``, ``calls``;
    ``faults`` arranges bad days, ``limits.enforced = True`` turns Slack's rate limits on, and what administrators do
    (``archive``, ``kick_bot``, ``deactivate``, ``uninstall`` ...) is done to it and told to the bot.

    ``manifest`` is what Slack knows of the app; without ``manifest.read`` it hears every event. ``slack.methods`` and
    ``slack.open_methods`` take further methods of the Web API. ``routes`` may be extended before the start, by pages that are shown on top of it.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.changes = Changes()
        self.faults = Faults()
        self.calls = Calls(self.changes)
        self.office = PostOffice(self.changes)
        self.workspaces: dict[str, Workspace] = {}
        self.tokens: dict[str, Token] = {}
        self.people: dict[str, Human] = {}
        self.manifest = Manifest()
        self.limits = RateLimits(self.clock)
        self._sockets = SocketMode(self.changes)
        self.line = BotLine(
            signing_secret=secrets.token_hex(16),
            clock=self.clock,
            sockets=self._sockets,
            faults=self.faults,
            calls=self.calls,
            changes=self.changes,
        )
        self.events = Events(line=self.line, tokens=self.tokens, manifest=self.manifest, clock=self.clock)
        self.gate = gate = Gate(faults=self.faults, calls=self.calls, clock=self.clock, changes=self.changes)
        self.google = GoogleAccounts(clock=self.clock, gate=gate)
        self.google_oauth = GoogleOAuth(accounts=self.google, gate=gate, clock=self.clock)
        self.slack = slack = SlackApi(
            workspaces=self.workspaces,
            tokens=self.tokens,
            gate=gate,
            clock=self.clock,
            sockets=self._sockets,
            limits=self.limits,
            manifest=self.manifest,
            origin=lambda: self.origin,
            changed=self._posted,
            revoke=self._revoked,
        )
        self.oauth = SlackOAuth(
            workspaces=self.workspaces,
            tokens=self.tokens,
            clock=self.clock,
            new_token=lambda home, scopes, until: self.new_token(scopes, workspace=home, expires_at=until),
        )
        slack.open_methods["oauth.v2.access"] = self.oauth.access
        self.openid = SlackOpenId(self.oauth, self.workspaces, self.tokens, self.clock)
        self.openid.join(slack)
        slack.methods["apps.uninstall"] = Method(self._uninstalled)
        responses = ResponseUrls(workspaces=self.workspaces, gate=gate, clock=self.clock)
        gmail = GmailApi(office=self.office, accounts=self.google, gate=gate, clock=self.clock)
        self.routes: list[web.AbstractRouteDef] = [
            web.post("/api/{method}", slack.handle),
            web.get("/api/{method}", slack.handle),
            web.post("/response/{token}", responses.handle),
            web.get("/socket", self._sockets.handle),
            web.post("/token", self.google.handle),
            *self.google_oauth.routes(),
            *self.oauth.routes(),
            *self.openid.routes(),
            *gmail.routes(),
        ]
        self._runner: web.AppRunner | None = None
        self._origin = ""
        self.workspace = self.add_workspace("Acme", "acme")
        self.bot_token = self.new_token()
        self.app_token = self.new_token(kind="app", scopes=["connections:write"])
        self.gmail_token = self.google.new_token(SENDER).value

    @classmethod
    def with_people(cls, *, clock: Clock | None = None) -> Self:
        """A sandbox with the default cast.

        Ann, Bob, Cat, Dan and Eve (``ann@example.com`` ...) are in #general, #vacation and #releases, and so is the bot.
        @hr-leads are Bob and Cat; @release-managers are Bob, Cat and Dan. Ann is nobody's approver.
        """
        sandbox = cls(clock=clock)
        surnames = {"ann": "Archer", "bob": "Baker", "cat": "Carter", "dan": "Dyer", "eve": "Ellis"}
        for name, surname in surnames.items():
            sandbox.add_person(name, f"{name.capitalize()} {surname}")
        users = [person.user for person in sandbox.people.values()]
        for channel in ("general", "vacation", "releases"):
            sandbox.workspace.add_channel(channel, users)
        sandbox.workspace.add_group("hr-leads", users[1:3], "HR leads")
        sandbox.workspace.add_group("release-managers", users[1:4], "Release managers")
        return sandbox

    @classmethod
    def with_neighbours(cls, *, clock: Clock | None = None) -> Self:
        """The default cast, and those whom a bot has to tell from them; and a second workspace.

        In Acme: Gil, a guest in #vacation; Gus, who has left; and Sam of Globex, in #releases by Slack Connect. Globex has
        Sam, Zoe and Max, #orders and @buyers (Zoe and Max); the bot is not installed there until it has a token.
        """
        sandbox = cls.with_people(clock=clock)
        globex = sandbox.add_workspace("Globex", "globex", installed=False)
        for name, surname in {"sam": "Sharp", "zoe": "Zimmer", "max": "Moore"}.items():
            sandbox.add_person(
                name,
                f"{name.capitalize()} {surname}",
                email=f"{name}@globex.example",
                tz="America/New_York",
                workspace=globex,
            )
        sam, zoe, max_ = [sandbox.people[f"{name}@globex"] for name in ("sam", "zoe", "max")]
        globex.add_channel("orders", [each.user for each in (sam, zoe, max_)], with_bot=False)
        globex.add_group("buyers", [zoe.user, max_.user], "Buyers")
        sandbox.add_person("gil", "Gil Guest", email="gil@partner.example", sort="guest", channels=["vacation"])
        sandbox.add_person("gus", "Gus Gone", sort="deactivated")
        sandbox.connect(sam, ["releases"])
        return sandbox

    # -- running

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes any that is free."""
        app = web.Application(client_max_size=40 * 1024 * 1024)  # Gmail takes mails of up to 35 MB
        app.add_routes(self.routes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0][1]
        self._origin = f"http://{host}:{bound}"
        self.google.token_uri = f"{self._origin}/token"
        await self.line.open()

    async def stop(self) -> None:
        """Close every connection and stop listening. Everything that was said stays readable."""
        await self.events.close()
        await self.line.close()
        await self._sockets.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # -- addresses and secrets for the bot

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``, once started."""
        return self._origin

    @property
    def slack_url(self) -> str:
        """For ``SLACK_API_URL`` and ``AsyncWebClient(base_url=...)``."""
        return f"{self._origin}/api/"

    @property
    def gmail_url(self) -> str:
        """For ``GMAIL_API_URL`` and ``ClientOptions(api_endpoint=...)``."""
        return f"{self._origin}/"

    @property
    def events_url(self) -> str | None:
        """Where the bot takes Slack's requests; set it once the bot listens."""
        return self.line.events_url

    @events_url.setter
    def events_url(self, url: str | None) -> None:
        self.line.events_url = url

    @property
    def signing_secret(self) -> str:
        """What requests to the bot are signed with."""
        return self.line.signing_secret

    @property
    def sockets(self) -> int:
        """How many Socket Mode connections the bot has open."""
        return self._sockets.connected

    # -- who is there

    def add_workspace(self, name: str, domain: str, *, installed: bool = True) -> Workspace:
        """Another workspace; give its people and a token with ``workspace=``.

        The bot is in it, unless ``installed`` is false; it comes with the first token for it then.
        """
        number = len(self.workspaces) + 1
        workspace = Workspace(clock=self.clock, changes=self.changes, name=name, domain=domain, number=number)
        workspace.installed = installed
        self.workspaces[workspace.id] = workspace
        return workspace

    def add_person(
        self,
        name: str,
        real_name: str | None = None,
        *,
        email: str | None = None,
        without_email: bool = False,
        tz: str = "Europe/Berlin",
        sort: Literal["member", "admin", "guest", "single-channel guest", "stranger", "deactivated", "bot"] = "member",
        channels: Iterable[str] = (),
        workspace: Workspace | None = None,
    ) -> Human:
        """Somebody new, in these channels; the address is ``name@example.com`` unless said otherwise.

        A ``stranger`` belongs to another workspace (Slack Connect); a ``guest`` is restricted; whoever is
        ``deactivated`` or a ``bot`` can still be made to click, which is what a bot has to be safe against.
        """
        home = workspace or self.workspace
        user = home.add_user(
            name,
            real_name,
            email=None if without_email else email or f"{name}@example.com",
            tz=tz,
            team_id="T99999999" if sort == "stranger" else None,
            is_admin=sort == "admin",
            is_restricted=sort in ("guest", "single-channel guest"),
            is_ultra_restricted=sort == "single-channel guest",
            is_stranger=sort == "stranger",
            deleted=sort == "deactivated",
            is_bot=sort == "bot",
        )
        for channel_name in channels:
            channel = home.channel_named(channel_name)
            if channel is None:
                raise LookupError(f"there is no channel {channel_name}")
            channel.members.append(user.id)
        return self._enter(user, home)

    def connect(self, person: Human, channels: Iterable[str], *, to: Workspace | None = None) -> Human:
        """Somebody of another workspace comes to channels of this one by Slack Connect: the same user id, ``team_id`` of
        the workspace that they belong to, and no mail address for the bot. Returns them as they act there."""
        home = to or self.workspace
        user = replace(person.user, email=None, is_admin=False)
        home.users[user.id] = user
        for name in channels:
            channel = home.channel_named(name)
            if channel is None:
                raise LookupError(f"there is no channel {name}")
            channel.members.append(user.id)
        return self._enter(user, home)

    def _enter(self, user: User, home: Workspace) -> Human:
        person = Human(
            user,
            workspace=home,
            office=self.office,
            line=self.line,
            events=self.events,
            changes=self.changes,
            origin=lambda: self.origin,
        )
        self.people[user.name if home is self.workspace else f"{user.name}@{home.domain}"] = person
        return person

    def person(self, name: str) -> Human:
        """By short name; people of further workspaces as ``name@domain``."""
        return self.people[name]

    def new_token(
        self,
        scopes: Iterable[str] = BOT_SCOPES,
        *,
        kind: Kind = "bot",
        workspace: Workspace | None = None,
        expires_at: datetime | None = None,
        user_id: str | None = None,
    ) -> str:
        """Another Slack token with exactly these scopes; with ``expires_at`` one that is rotated."""
        home = workspace or self.workspace
        prefix = {"bot": "xoxb", "app": "xapp", "user": "xoxp"}[kind]
        if expires_at is not None:
            prefix = f"xoxe.{prefix}"
        value = f"{prefix}-{secrets.token_hex(16)}"
        self.tokens[value] = Token(value, kind, home.id, frozenset(scopes), expires_at=expires_at, user_id=user_id)
        if kind == "bot":
            home.installed = True
        return value

    async def until(self, condition: Callable[[], T | None], *, within: float = 30.0, what: str = "") -> T:
        """The first truthy value of ``condition``, asked now and whenever something here changes."""
        return await self.changes.until(condition, within=within, what=what)

    def _posted(self, caller: Caller, channel: Channel, message: Message, before: Message | None) -> None:
        self.events.changed(caller.workspace, channel, message, before)

    async def _uninstalled(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        answer = await self.oauth.uninstall(caller, arguments)
        await self.uninstall(caller.workspace)
        return answer

    async def _revoked(self, token: str) -> None:
        """The bot has given a token of its own back (``auth.revoke``)."""
        given = self.tokens[token]
        given.revoked = True
        if given.kind == "bot":
            await self.uninstall(self.workspaces[given.team_id])
