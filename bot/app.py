"""The composition root: the one place where everything meets.

``App.open`` builds a bot from settings; ``start`` lets it serve; ``stop`` drains and closes it. ``serve`` does all of it and
stops at SIGTERM or SIGINT.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Self

from aiohttp import web

from bot import library as ready_made
from bot import slack_actions
from bot.accounts import Account, open_accounts
from bot.actions.resume import ResumeRun
from bot.actions.start import StartFlow
from bot.installations.at_home import Installed as AtHome
from bot.installations.keeper import HOME, Installations
from bot.installations.keeper import PURPOSE as INSTALLATIONS
from bot.installations.notes import telling
from bot.installations.renewal import Renewal
from bot.links import PageLinks
from bot.mail.mailboxes import ACCOUNT as MAIL_ACCOUNT
from bot.mail.room import MailRoom
from bot.messenger import Messages
from bot.people import People
from bot.performers import Performers, builtin_actions
from bot.reconciler.bad_days import BadDays
from bot.reconciler.passes import Reconciler
from bot.reconciler.rows import free_account
from bot.scopes import missing_scopes
from bot.settings import Settings
from bot.slack.app import SlackDoor
from bot.slack.cards import Cards
from bot.slack.homes import Homes
from bot.slack.notes import Notes
from bot.slack.requests import Requests
from bot.triggers import Starter
from bot.trouble_notes import TroubleNotes
from bot.wait_links import WaitLinksOf
from bot.web.admin_links import AdminLinks
from bot.web.bearer import Tokens
from bot.web.health import store_is_writable
from bot.web.hooks import Hooks
from bot.web.install import InstallPages
from bot.web.server import web_app
from bot.web.sign_in import SignIn
from bot.web.verification import Verification
from bot.workspaces import Workspace, Workspaces
from flows.clock import Clock, SystemClock
from flows.engine import Engine
from flows.errors import ActionError, ConfigError
from flows.functions import Functions
from flows.links import Keyring
from flows.loader import load_folder
from flows.ports import Action
from flows.runner import Messenger, Runner
from flows.signatures import HookKeys
from flows.store import reads
from flows.store.sqlite import SqliteStore
from flows.vault import Vault
from integrations.http.log import Log
from integrations.http.request import HttpRequest
from integrations.mail.mailer import Mailer
from integrations.slack.answers import Auth
from integrations.slack.client import SLACK_API, SlackClient
from integrations.slack.directory import SlackDirectory
from integrations.slack.oauth import SlackOAuth
from integrations.slack.openid import SlackOpenId
from integrations.slack.pacing import Pacer

log = logging.getLogger(__name__)

DRAIN = timedelta(seconds=20)
"""How long a stop waits for what is under way; what it cuts off is repeated at the next start."""

BACKLOG = 1024
"""Connections that may wait to be taken: more would be turned away, and try again only after Slack's three seconds."""


class App:
    """A running bot. ``engine``, ``people`` and ``runner`` are open to the demo and to tests."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._closing = AsyncExitStack()
        self._performers: Performers
        self.triggers: Starter
        self.store: SqliteStore
        self.engine: Engine
        self.people: People
        self.workspaces: Workspaces
        self.mail: MailRoom
        self.runner: Runner
        self.links: PageLinks
        self._web: web.Application
        self._door: SlackDoor | None = None
        self.reconciler: Reconciler | None = None
        self.installations: Installations
        self._renewal: Renewal | None = None
        self._serving = False

    @classmethod
    async def open(cls, settings: Settings, *, clock: Clock | None = None) -> Self:
        """Build a bot. Raises ``ConfigError`` with everything that keeps it from serving."""
        app = cls(settings, clock or SystemClock())
        try:
            await app._build()
        except BaseException:
            await app._closing.aclose()
            raise
        return app

    async def start(self) -> str:
        """Serve; returns the address at which this machine reaches it."""
        settings = self._settings
        self.runner.start()
        self.triggers.start()
        # Closed from the last to the first: no new clicks, no pages, then what was acknowledged, then the effects.
        self._closing.push_async_callback(self.runner.drain, DRAIN)
        self._closing.push_async_callback(self.triggers.stop)
        if self.reconciler is not None:
            self.reconciler.start()
            self._closing.push_async_callback(self.reconciler.stop)
        if self._door is not None:
            self._door.start()
            self._closing.push_async_callback(self._door.stop)
        serving = web.AppRunner(self._web, access_log=None)  # addresses hold links, which are worth a signature
        await serving.setup()
        self._closing.push_async_callback(serving.cleanup)
        site = web.TCPSite(serving, settings.host, settings.port, backlog=BACKLOG)
        await site.start()
        if self._door is not None and settings.slack_app_token is not None:
            base_url = _slack_url(settings)
            socket = self._door.socket_mode(settings.slack_app_token.get_secret_value(), base_url=base_url)
            await socket.start()
            self._closing.push_async_callback(socket.stop)
        if self._renewal is not None:
            self._renewal.start()
            self._closing.push_async_callback(self._renewal.stop)
        self.mail.start()
        self._closing.push_async_callback(self.mail.stop)
        self._serving = True
        host, port = serving.addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def stop(self) -> None:
        """Take nothing new, finish what is under way, close the store."""
        self._serving = False
        await self._closing.aclose()

    async def load_flows(self) -> None:
        """Read the flows' folder. What is wrong is logged, each with its file and line; the other flows can be started."""
        library = await asyncio.to_thread(
            load_folder,
            self._settings.flows,
            actions=builtin_actions(),
            connections=self.mail.connection_names(self._settings.connection_names),
        )
        for problem in library.problems:
            log.error("flow left out: %s", problem)
        for warning in library.warnings:
            log.warning("%s", warning)
        # What the message shortcut starts, unless the folder has one of its own.
        flows = {**ready_made.built_in(), **library.flows}
        await self.engine.use(flows.values())
        await self.triggers.use(flows.values())
        self._performers.folders = dict.fromkeys(flows, ready_made.FOLDER) | {
            name: Path(folder) for name, folder in library.folders.items()
        }
        say = log.info if library.flows else log.warning
        say("%d flows can be started", len(library.flows), extra={"flows": sorted(library.flows)})

    # -- building -----------------------------------------------------------------------------------------------

    async def _build(self) -> None:
        settings, clock = self._settings, self._clock
        self.store = await SqliteStore.open(settings.database_path, clock=clock, public_url=settings.public_url)
        self._closing.push_async_callback(self.store.close)
        keyring, vault = Keyring(settings.secret_keys), Vault(settings.secret_keys)
        self.links = PageLinks(keyring, clock, settings.public_url)
        problems: list[str] = []
        home = await self._meta(HOME)
        self.workspaces = Workspaces(await self._slack(problems), home=home)
        accounts = await self._accounts(problems)
        await self._mail(accounts, problems)
        if problems:
            raise ConfigError(problems)
        sealing = Vault(settings.secret_keys, INSTALLATIONS)
        self.installations = Installations(self.store, sealing, clock, self.workspaces, connect=self._client)
        self._closing.push_async_callback(self.installations.close)
        if settings.slack:
            await self.installations.open()
        self.people = People(self.store, clock, slack=self.workspaces, admins=settings.admins)
        await self.people.load_admins()
        self.engine = Engine(self.store, self.people, vault, clock)
        cards, requests = None, None
        if settings.slack:
            cards = Cards(
                self.workspaces,
                self.links,
                self.store.ids,
                clock,
                self.engine.cards,
                teams=self._teams_of_cards,
                may_drop=self.engine.check_may_drop,
            )
            requests = Requests(self.workspaces, cards, self.links, self.store.ids, clock, self.engine.cards)
        self.triggers = Starter(self.store, self.engine, self.people, clock)
        self._performers = Performers(
            list(self._actions()),
            Functions(),
            vault,
            self.store.ids,
            accounts=accounts,
            links=WaitLinksOf(self.links, self.engine, self.people),
        )
        self.runner = Runner(
            self.store,
            directory=self.people,
            performer=self._performers,
            messenger=self._messenger(
                Messages(
                    cards=cards,
                    requests=requests,
                    post=self.mail.post if self.mail.set_up else None,
                    digests=self.mail.digests,
                    may_decide=self.engine.check_may_decide,
                    notes=self._notes(cards),
                    admin_channel=settings.admin_channel,
                ),
                cards,
                self.mail.mailer if self.mail.set_up else None,
            ),
            clock=clock,
            starter=self.triggers,
        )
        if cards is not None:
            at_home = self._at_home(keyring)
            self._door = SlackDoor(
                engine=self.engine,
                people=self.people,
                workspaces=self.workspaces,
                cards=cards,
                links=self.links,
                clock=clock,
                signing_secret=settings.slack_signing_secret.get_secret_value()
                if settings.slack_signing_secret
                else None,
                homes=Homes(self.store),
                trouble=at_home,
                invite=at_home.link if at_home is not None else None,
                digests=self.mail.digests if self.mail.set_up else None,
                reconciler=self.reconciler,
                installations=self.installations,
            )
            self.store.on_change(self._door.changed)
        verification, sign_in = self._verifying(keyring)
        self._web = web_app(
            engine=self.engine,
            people=self.people,
            links=self.links,
            keyring=keyring,
            tokens=Tokens(self.store, self.people, clock),
            clock=clock,
            public_url=settings.public_url,
            verification=verification,
            on_delegated=self._door.delegating.arranged if self._door is not None else None,
            checks={"database": store_is_writable(self.store), "bot": self._is_serving},
            routes=[
                *Hooks(self.triggers, HookKeys(settings.secret_keys), clock).routes(),
                *([web.post("/slack/events", self._door.events)] if self._door else []),
                *self._installing(keyring),
                *self.mail.routes(self.people, keyring),
                *(sign_in.routes() if sign_in is not None else []),
            ],
        )
        self.mail.on_connected(self._mail_connected)
        await self.load_flows()

    def _verifying(self, keyring: Keyring) -> tuple[Verification, SignIn | None]:
        """What personal pages ask for beyond their links, and the door to Slack's sign-in, where that is set up."""
        settings, clock, url = self._settings, self._clock, self._settings.public_url
        client, secret = settings.slack_client_id, settings.slack_client_secret
        can_sign_in = client is not None and secret is not None
        verification = Verification(self.store, self.links, keyring, clock, url, can_sign_in=can_sign_in)
        if client is None or secret is None:
            return verification, None
        openid = SlackOpenId(client, secret.get_secret_value(), base_url=_slack_url(settings))
        return verification, SignIn(openid, verification, self.people, self.links, keyring, clock, url)

    async def _mail_connected(self) -> None:
        # Flows that name the account can be started now, and what was parked for the want of it goes on.
        await self.load_flows()
        now = self._clock.now()
        await self.store.ask(lambda c, _: free_account(c, MAIL_ACCOUNT, now))

    def _installing(self, keyring: Keyring) -> Iterable[web.AbstractRouteDef]:
        settings = self._settings
        if settings.slack_client_id is None or settings.slack_client_secret is None:
            return []
        secret = settings.slack_client_secret.get_secret_value()
        oauth = SlackOAuth(settings.slack_client_id, secret, base_url=_slack_url(settings))
        self._renewal = Renewal(self.installations, oauth, self._clock)
        return InstallPages(
            oauth,
            self.installations,
            self.workspaces,
            AdminLinks(keyring, self._clock, settings.public_url),
            self.people,
            self.store,
            self._clock,
            settings.public_url,
        ).routes()

    def _at_home(self, keyring: Keyring) -> AtHome | None:
        """What admins read on their home tab, where workspaces can be installed."""
        if not self._settings.slack_installs:
            return None
        return AtHome(self.store, AdminLinks(keyring, self._clock, self._settings.public_url))

    def _client(self, token: str) -> SlackClient:
        return SlackClient(token, base_url=_slack_url(self._settings), pacer=Pacer(self._clock))

    def _notes(self, cards: Cards | None) -> Notes | None:
        if cards is None:
            return None
        return Notes(self.workspaces, cards, self.links, self.store.ids, self._clock, self.engine.cards)

    def _messenger(self, messages: Messages, cards: Cards | None, mailer: Mailer | None) -> Messenger:
        """The messages, and around them what happens on bad days."""
        if cards is None:
            return messages
        settings, clock = self._settings, self._clock
        notes = TroubleNotes(
            self.store,
            self.people,
            self.workspaces,
            clock,
            admin_channel=settings.admin_channel,
            admins=settings.admins,
            mailer=mailer,
        )
        self.installations.on_broken = telling(notes)
        bad_days = BadDays(
            messages, self.store, self.engine, self.people, self.workspaces, notes, clock, mails=mailer is not None
        )
        self.reconciler = Reconciler(
            self.store,
            self.engine,
            self.workspaces,
            cards,
            bad_days,
            notes,
            clock,
            every=settings.reconcile,
        )
        self.workspaces.watch(connected=self.reconciler.reconnected, back=self.reconciler.soon)
        return bad_days

    async def _slack(self, problems: list[str]) -> list[Workspace]:
        token = self._settings.slack_bot_token
        if token is None:
            return []
        client = SlackClient(token.get_secret_value(), base_url=_slack_url(self._settings), pacer=Pacer(self._clock))
        self._closing.push_async_callback(client.close)
        name = ""
        try:
            auth = await client.auth()
        except ActionError as error:
            team = await self._known_team() if error.retryable else None
            if team is None:
                problems.append(f"SLACK_BOT_TOKEN: {error}")
                return []
            # Slack is down, not the bot: runs go on, the cards catch up.
            log.warning("Slack does not answer; going on with what was known", extra={"error": str(error)})
        else:
            team, name = auth.team_id, auth.team
            log.info("Slack: %s", auth.team, extra={"team": team, "bot": auth.user_id})
            await self._remember_team(auth)
            lacking = missing_scopes(auth.scopes)
            if lacking:
                log.warning("the Slack app lacks scopes that manifest.yml asks for: %s", ", ".join(lacking))
        await self._check_app_token(problems)
        directory = SlackDirectory(client, team_id=team, now=self._clock.now, monotonic=self._clock.monotonic)
        return [Workspace(team, client, directory, name)]

    async def _check_app_token(self, problems: list[str]) -> None:
        token = self._settings.slack_app_token
        if token is None:
            return
        client = SlackClient(token.get_secret_value(), base_url=_slack_url(self._settings))
        try:
            await client.check_socket_mode()
        except ActionError as error:
            if not error.retryable:
                problems.append(f"SLACK_APP_TOKEN: {error}")
        finally:
            await client.close()

    async def _mail(self, accounts: dict[str, Account], problems: list[str]) -> None:
        try:
            self.mail = await MailRoom.open(
                self._settings, self.store, self.links, self._clock, accounts=accounts, closing=self._closing
            )
        except ConfigError as error:
            problems.extend(error.problems)

    async def _accounts(self, problems: list[str]) -> dict[str, Account]:
        settings = self._settings
        try:
            return await open_accounts(
                settings.connections, http_allow=settings.http_allow, clock=self._clock, closing=self._closing
            )
        except ConfigError as error:
            problems.extend(error.problems)
            return {}

    def _actions(self) -> Iterable[Action]:
        request = HttpRequest(allowed_hosts=frozenset(self._settings.http_allow))
        self._closing.push_async_callback(request.close)
        yield request
        yield Log()
        yield StartFlow(self.engine)
        yield ResumeRun(self.engine)
        if self._settings.slack:
            yield from slack_actions.actions(self.workspaces, self.people.home, self._clock)
        yield from self.mail.actions()

    async def _teams_of_cards(self, run: int, n: int) -> Mapping[str, str]:
        return await self.store.read(lambda c, _: reads.card_teams(c, run, n))

    async def _known_team(self) -> str | None:
        return await self._meta("slack_team")

    async def _meta(self, key: str) -> str | None:
        return await self.store.read(lambda c, _: _value(c.execute("SELECT value FROM meta WHERE key = ?", (key,))))

    async def _remember_team(self, auth: Auth) -> None:
        await self.store.write(
            lambda c: c.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('slack_team', ?)", (auth.team_id,))
        )

    async def _is_serving(self) -> str | None:
        return None if self._serving else "the bot is starting or stopping"


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    app = await App.open(settings)
    try:
        address = await app.start()
        log.info("serving at %s (%s)", address, settings.public_url)
        await stop.wait()
        log.info("stopping")
    finally:
        await app.stop()


def _slack_url(settings: Settings) -> str:
    # The client appends method names, so the address ends in a slash.
    return f"{settings.slack_api_url}/" if settings.slack_api_url else SLACK_API


def _value(rows: Iterable[tuple[str]]) -> str | None:
    return next((row[0] for row in rows), None)
