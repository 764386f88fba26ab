"""The composition root: the one place where everything meets.

``App.open`` builds a bot from settings; ``start`` lets it serve; ``stop`` drains and closes it. ``serve`` does all of it and
stops at SIGTERM or SIGINT.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Self

from aiohttp import web

from bot.accounts import Account, gmail_actions, open_accounts, slack_actions
from bot.actions.resume import ResumeRun
from bot.actions.start import StartFlow
from bot.links import PageLinks
from bot.messenger import Messages
from bot.people import People
from bot.performers import Performers, builtin_actions
from bot.scopes import missing_scopes
from bot.settings import Settings
from bot.slack.app import SlackDoor
from bot.slack.cards import Cards
from bot.triggers import Starter
from bot.wait_links import WaitLinksOf
from bot.web.bearer import Tokens
from bot.web.health import store_is_writable
from bot.web.hooks import Hooks
from bot.web.server import web_app
from flows.clock import Clock, SystemClock
from flows.engine import Engine
from flows.errors import ActionError, ConfigError
from flows.functions import Functions
from flows.links import Keyring
from flows.loader import load_folder
from flows.ports import Action
from flows.runner import Runner
from flows.signatures import HookKeys
from flows.store.sqlite import SqliteStore
from flows.vault import Vault
from integrations.gmail import credentials as gmail_credentials
from integrations.gmail.send import Mailer
from integrations.gmail.transport import GmailTransport
from integrations.http.log import Log
from integrations.http.request import HttpRequest
from integrations.slack.answers import Auth
from integrations.slack.client import SLACK_API, SlackClient
from integrations.slack.directory import SlackDirectory

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
        self.runner: Runner
        self.links: PageLinks
        self._web: web.Application
        self._door: SlackDoor | None = None
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
        if self._door is not None:
            self._closing.push_async_callback(self._door.drain)
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
            connections=self._settings.connection_names,
        )
        for problem in library.problems:
            log.error("flow left out: %s", problem)
        for warning in library.warnings:
            log.warning("%s", warning)
        await self.engine.use(library.flows.values())
        await self.triggers.use(library.flows.values())
        self._performers.folders = {name: Path(folder) for name, folder in library.folders.items()}
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
        client = await self._slack(problems)
        mailer = await self._gmail(problems)
        accounts = await self._accounts(problems)
        if problems:
            raise ConfigError(problems)
        slack, directory = client or (None, None)
        self.people = People(self.store, clock, slack=directory, admins=settings.admins)
        await self.people.load_admins()
        self.engine = Engine(self.store, self.people, vault, clock)
        cards = None
        if slack is not None and directory is not None:
            cards = Cards(slack, self.links, self.store.ids, clock, self.engine.cards, directory.group_ids)
        self.triggers = Starter(self.store, self.engine, self.people, clock)
        self._performers = Performers(
            list(self._actions(slack, directory, mailer)),
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
            messenger=Messages(cards=cards, mailer=mailer, links=self.links, public_url=settings.public_url),
            clock=clock,
            starter=self.triggers,
        )
        if slack is not None and cards is not None:
            self._door = SlackDoor(
                engine=self.engine,
                people=self.people,
                client=slack,
                cards=cards,
                links=self.links,
                clock=clock,
                signing_secret=settings.slack_signing_secret.get_secret_value()
                if settings.slack_signing_secret
                else None,
                directory=directory,
            )
        self._web = web_app(
            engine=self.engine,
            people=self.people,
            links=self.links,
            keyring=keyring,
            tokens=Tokens(self.store, self.people, clock),
            clock=clock,
            public_url=settings.public_url,
            checks={"database": store_is_writable(self.store), "bot": self._is_serving},
            routes=[
                *Hooks(self.triggers, HookKeys(settings.secret_keys), clock).routes(),
                *([web.post("/slack/events", self._door.events)] if self._door else []),
            ],
        )
        await self.load_flows()

    async def _slack(self, problems: list[str]) -> tuple[SlackClient, SlackDirectory] | None:
        token = self._settings.slack_bot_token
        if token is None:
            return None
        client = SlackClient(token.get_secret_value(), base_url=_slack_url(self._settings))
        self._closing.push_async_callback(client.close)
        try:
            auth = await client.auth()
        except ActionError as error:
            team = await self._known_team() if error.retryable else None
            if team is None:
                problems.append(f"SLACK_BOT_TOKEN: {error}")
                return None
            # Slack is down, not the bot: runs go on, the cards catch up.
            log.warning("Slack does not answer; going on with what was known", extra={"error": str(error)})
        else:
            team = auth.team_id
            log.info("Slack: %s", auth.team, extra={"team": team, "bot": auth.user_id})
            await self._remember_team(auth)
            lacking = missing_scopes(auth.scopes)
            if lacking:
                log.warning("the Slack app lacks scopes that manifest.yml asks for: %s", ", ".join(lacking))
        await self._check_app_token(problems)
        directory = SlackDirectory(client, team_id=team, now=self._clock.now, monotonic=self._clock.monotonic)
        return client, directory

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

    async def _gmail(self, problems: list[str]) -> Mailer | None:
        settings = self._settings
        if not settings.gmail or settings.gmail_sender is None:
            return None
        try:
            credentials = gmail_credentials.load(
                file=settings.gmail_credentials,
                token=settings.gmail_token.get_secret_value() if settings.gmail_token else None,
                sender=settings.gmail_sender,
            )
            mailer = Mailer(GmailTransport(credentials, api_url=settings.gmail_api_url), sender=settings.gmail_sender)
        except ConfigError as error:
            problems.extend(error.problems)
            return None
        self._closing.push_async_callback(mailer.close)
        log.info("mail is sent as %s", settings.gmail_sender)
        for problem in await mailer.check():
            # Not fatal: Google may be down. Mails are parked or repeated, and say so on their runs.
            log.warning("Gmail: %s", problem)
        return mailer

    async def _accounts(self, problems: list[str]) -> dict[str, Account]:
        settings = self._settings
        try:
            return await open_accounts(
                settings.connections, http_allow=settings.http_allow, clock=self._clock, closing=self._closing
            )
        except ConfigError as error:
            problems.extend(error.problems)
            return {}

    def _actions(
        self, slack: SlackClient | None, directory: SlackDirectory | None, mailer: Mailer | None
    ) -> Iterable[Action]:
        request = HttpRequest(allowed_hosts=frozenset(self._settings.http_allow))
        self._closing.push_async_callback(request.close)
        yield request
        yield Log()
        yield StartFlow(self.engine)
        yield ResumeRun(self.engine)
        if slack is not None and directory is not None:
            yield from slack_actions(slack, directory, self._clock)
        if mailer is not None:
            yield from gmail_actions(mailer)

    async def _known_team(self) -> str | None:
        return await self.store.read(lambda c, _: _value(c.execute("SELECT value FROM meta WHERE key = 'slack_team'")))

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
