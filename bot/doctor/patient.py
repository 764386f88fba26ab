"""What the checks look at: settings, the database, Slack, and addresses, each asked once however many checks want it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

import aiohttp

from bot.installations import rows
from bot.installations.keeper import PURPOSE, token_of
from bot.performers import builtin_actions
from bot.settings import Settings
from flows.clock import Clock
from flows.errors import ActionError
from flows.loader import Library, load_folder
from flows.vault import Vault
from integrations.slack.answers import Auth
from integrations.slack.client import SLACK_API, SlackClient

T = TypeVar("T")

_TIMEOUT = 10.0  # seconds for one request
_BUSY = 2.0  # seconds to wait for a server that is committing
_BODY = 2_000  # bytes of an answer that are read


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address answers. ``location`` is where it sends one on to."""

    status: int
    body: str
    date: str | None
    location: str | None


class Unanswered(Exception):
    """An address that does not answer; the text says how, in a few words."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A Slack workspace whose token is known. ``named`` is what people know it by; ``installed``: by OAuth."""

    named: str
    client: SlackClient
    auth: Auth | ActionError
    installed: bool


class Patient:
    """Made of settings that can be read. ``async with`` closes what was opened."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self._closing = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None
        self._workspaces: asyncio.Task[list[Connected]] | None = None
        self._library: asyncio.Task[Library] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    @property
    def slack_url(self) -> str:
        """Slack's Web API, with the slash at its end."""
        return f"{self.settings.slack_api_url}/" if self.settings.slack_api_url else SLACK_API

    async def get(self, url: str, *, method: str = "GET") -> Answer:
        """Ask an address; redirects are not followed. Raises ``Unanswered``."""
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
            self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
            self._closing.push_async_callback(self._session.close)
        try:
            async with self._session.request(method, url, allow_redirects=False) as response:
                body = (await response.content.read(_BODY)).decode("utf-8", "replace")
                headers = response.headers
                return Answer(response.status, body, headers.get("Date"), headers.get("Location"))
        except aiohttp.ClientConnectorCertificateError:
            raise Unanswered("its certificate is not to be trusted") from None
        except aiohttp.ClientConnectorDNSError:
            raise Unanswered("its name is not known to DNS") from None
        except TimeoutError:
            raise Unanswered(f"nothing came within {_TIMEOUT:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise Unanswered("no connection could be made") from None

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What ``work`` reads in the database; None where there is none, or none that has what it looks for."""
        path = self.settings.database_path

        def on_thread() -> T | None:
            if not path.is_file():
                return None
            try:
                uri = f"{path.absolute().as_uri()}?mode=ro"
                with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY)) as connection:
                    return work(connection)
            except sqlite3.Error:
                return None  # told by the check of the database

        return await asyncio.to_thread(on_thread)

    async def workspaces(self) -> list[Connected]:
        """Every workspace whose token is known, the one of SLACK_BOT_TOKEN first."""
        if self._workspaces is None:
            self._workspaces = asyncio.create_task(self._connected())
        return await self._workspaces

    async def library(self) -> Library:
        """The flows, and what is wrong with them."""
        if self._library is None:
            self._library = asyncio.create_task(asyncio.to_thread(self._load))
        return await self._library

    def slack_client(self, token: str, *, url: str | None = None) -> SlackClient:
        """A client that is closed in the end."""
        client = SlackClient(token, base_url=url or self.slack_url, timeout=_TIMEOUT)
        self._closing.push_async_callback(client.close)
        return client

    async def _connected(self) -> list[Connected]:
        known = []
        if self.settings.slack_bot_token is not None:
            known.append(("SLACK_BOT_TOKEN", self.settings.slack_bot_token.get_secret_value(), False))
        vault = Vault(self.settings.secret_keys, PURPOSE) if self.settings.secret_keys else None
        for row in await self.read(rows.every) or [] if vault is not None else ():
            # What no key opens is told by the check of the workspaces.
            with contextlib.suppress(ValueError):
                token = token_of(row, vault) if row.removed_at is None and vault is not None else None
                if token is not None:
                    known.append((f"The token of {row.name}", token, True))
        clients = [(named, self.slack_client(token), installed) for named, token, installed in known]
        return await asyncio.gather(*(self._ask(*one) for one in clients))

    async def _ask(self, named: str, client: SlackClient, installed: bool) -> Connected:
        try:
            return Connected(named, client, await client.auth(), installed)
        except ActionError as error:
            return Connected(named, client, error, installed)

    def _load(self) -> Library:
        return load_folder(
            self.settings.flows, actions=builtin_actions(), connections=self.settings.connection_names or None
        )
