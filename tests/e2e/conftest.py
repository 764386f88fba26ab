"""The whole bot: ``App`` as ``signoff serve`` builds it, on real sockets and a real file, between stand-ins for Slack and
Gmail. Scripted people come through every door that there is. Time stands still unless a test moves it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from bot import tokens as issuing
from bot.app import App
from bot.cli import app as commands
from bot.settings import Settings
from bot.slack.cards import EVENT as CARD
from flows.ledger import broken_at
from flows.people import Person
from flows.testing import FakeClock
from flows.testing.clock import span
from flows.testing.database import new_database
from flows.views import RunView, SuspensionView
from integrations.sandbox import SENDER, Human, Page, Sandbox, Visitor
from integrations.sandbox.message import Message

KEY = "e2e-Nb7Q2mVx0ZcK9rTfLw4hJ6sDy3pGu8Ea"

Start = Callable[..., Awaitable["Bot"]]


@dataclass(frozen=True)
class Reply:
    """What the API answered."""

    status: int
    body: Any

    @property
    def said(self) -> str:
        """What a program would show to the person."""
        return " ".join([str(self.body.get("detail", "")), *map(str, (self.body.get("fields") or {}).values())])


class Bot:
    """One installation of the bot. ``stop`` or ``kill`` it and ``serve`` again: database, port and links stay."""

    app: App

    def __init__(self, folder: Path, sandbox: Sandbox, clock: FakeClock, **settings: Any) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.clock = clock
        self.scopes: dict[str, tuple[str, ...]] = {}
        """What somebody's token is good for, where it is not start, read and decide."""
        self._cli = CliRunner()
        self._tokens: dict[tuple[str, tuple[str, ...]], str] = {}
        self._browsers: dict[str, Visitor] = {}
        self._open = AsyncExitStack()
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        (folder / "flows").mkdir(exist_ok=True)
        new_database(folder / "signoff.db")
        self.settings = Settings(
            **{
                "database": f"sqlite:///{folder / 'signoff.db'}",
                "flows": folder / "flows",
                "host": "127.0.0.1",
                "port": port,
                "public_url": self.url,
                "secret_key": (SecretStr(KEY),),
                "admins": ("eve@example.com",),
                "http_allow": ("127.0.0.1",),
                "slack_bot_token": SecretStr(sandbox.bot_token),
                "slack_signing_secret": SecretStr(sandbox.signing_secret),
                "slack_api_url": sandbox.slack_url,
                "gmail_api_url": sandbox.gmail_url,
                "gmail_sender": SENDER,
                "gmail_token": SecretStr(sandbox.gmail_token),
                **settings,
            }
        )

    # -- its process --------------------------------------------------------------------------------------------

    def write(self, name: str, text: str) -> None:
        """A flow file, new or edited."""
        (self.folder / "flows" / f"{name}.yml").write_text(text)

    async def serve(self) -> None:
        self.app = await App.open(self.settings, clock=self.clock)
        self.sandbox.events_url = f"{await self.app.start()}/slack/events"

    async def stop(self) -> None:
        self.sandbox.events_url = None
        await self.app.stop()

    async def kill(self) -> None:
        """End it with whatever is under way cut off in the middle."""
        await self.app.runner.drain(timedelta(0))
        await self.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.serve()

    async def close(self) -> None:
        await self._open.aclose()

    async def settled(self) -> None:
        """Return when every answer is given and every effect that is due is done."""
        await self.app._door.drain()
        await self.app.runner.idle()

    async def time_passes(self, duration: str | timedelta, *, steps: int = 1) -> None:
        """Let time pass, in so many steps, after each of which what is due is done."""
        for _ in range(steps):
            self.clock.advance(span(duration) / steps)
            await self.settled()

    # -- people -------------------------------------------------------------------------------------------------

    def human(self, name: str) -> Human:
        return self.sandbox.person(name)

    async def person(self, name: str) -> Person:
        """The bot's idea of somebody."""
        user = self.human(name).user
        if user.deleted:
            # As they were known before: nobody gets to know whoever has left.
            handle = f"{user.team_id}/{user.id}"
            known = await self.app.store.find_person(handle)
            who = Person(0, user.real_name, user.email, handle)
            return known or await self.app.store.know(who, [handle, *([user.email] if user.email else [])])
        return await self.app.people.by_slack(user.team_id, user.id)

    async def browser(self, name: str) -> Visitor:
        """Somebody's browser, which keeps its cookies."""
        if name not in self._browsers:
            self._browsers[name] = await self._open.enter_async_context(Visitor())
        return self._browsers[name]

    async def token(self, name: str) -> str:
        """Somebody's API token; one is made for each set of scopes."""
        key = name, self.scopes.get(name, ("start", "read", "decide"))
        if key not in self._tokens:
            address = name if "@" in name else self.human(name).email
            issued = await issuing.create(
                self.settings.database_path,
                self.clock,
                person=address,
                scopes=key[1],
                lifetime=None,
                issued_by="the operator",
            )
            self._tokens[key] = issued.secret
        return self._tokens[key]

    async def api(self, name: str, method: str, path: str, body: object = None, **headers: str) -> Reply:
        """A program calls the API as somebody."""
        session = await self._session()
        given = {"Authorization": f"Bearer {await self.token(name)}"}
        given |= {key.replace("_", "-"): value for key, value in headers.items()}
        async with session.request(method, f"{self.url}/api/v1/{path}", json=body, headers=given) as response:
            return Reply(response.status, await response.json(content_type=None))

    async def cli(self, name: str, *arguments: str) -> Result:
        """Somebody types a command; on a thread, so that the server can answer it."""
        env = {"SIGNOFF_TOKEN": await self.token(name), "SIGNOFF_PUBLIC_URL": self.url}
        return await asyncio.to_thread(self._cli.invoke, commands, list(arguments), env=env)

    # -- runs ---------------------------------------------------------------------------------------------------

    async def start(self, flow: str, *, by: str = "ann", **inputs: Any) -> int:
        """Somebody starts a flow through the API; returns the run's number once everybody has been asked."""
        reply = await self.api(by, "POST", f"flows/{flow}/runs", {"inputs": inputs})
        assert reply.status == 201, reply
        await self.app.runner.idle()
        number = self.app.engine.ids.parse_run(reply.body["id"])
        assert number is not None
        return number

    def run_id(self, run: int) -> str:
        return self.app.engine.ids.run(run)

    def approval_id(self, run: int, n: int = 1) -> str:
        return self.app.engine.ids.suspension(run, n)

    async def run(self, run: int) -> RunView:
        """A run as Eve, who is an admin, sees it."""
        return await self.app.engine.run(run, (await self.app.people.by_email("eve@example.com")).id)

    async def status(self, run: int) -> str:
        return (await self.run(run)).status

    async def view(self, run: int, n: int = 1) -> SuspensionView:
        view = await self.app.engine.peek(run, n)
        assert view is not None
        return view

    async def standing(self, run: int, n: int = 1) -> dict[str, str]:
        """Who has said what, by short name."""
        view = await self.view(run, n)
        return {view.person(one.person).name.split()[0].lower(): one.verdict.value for one in view.decisions}

    async def ledger(self, run: int) -> list[dict[str, Any]]:
        """The ledger's events and facts of a run; its chain has to hold."""
        entries = await self.app.store.ledger(run)
        assert broken_at(entries) is None
        return [json.loads(entry.payload or "{}") for entry in entries]

    async def facts(self, run: int, kind: str) -> list[dict[str, Any]]:
        return [fact for entry in await self.ledger(run) for fact in entry["facts"] if fact["is"] == kind]

    async def all_rows(self, run: int) -> list[object]:
        """Everything that a decision could change of a run."""

        def rows(connection: sqlite3.Connection, _: object) -> list[object]:
            tables = ("step_runs", "suspensions", "decisions", "ledger", "secrets")
            found = [connection.execute(f"SELECT * FROM {table} WHERE run = ?", (run,)).fetchall() for table in tables]
            return [connection.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchall(), *found]

        return await self.app.store.read(rows)

    # -- doors --------------------------------------------------------------------------------------------------

    async def link(self, run: int, name: str, n: int = 1) -> str:
        """The address that somebody's mail, card or answer in Slack leads to."""
        return self.app.links.url(await self.view(run, n), (await self.person(name)).id)

    async def mailed_link(self, name: str, about: str = "") -> str:
        """The one personal link in somebody's mail."""
        mail = await self.human(name).gets_mail(about)
        links = {link for link in mail.links if "/a/" in link}
        assert len(links) == 1, mail.plain
        return links.pop()

    async def opens(self, name: str, link: str) -> Page:
        return await (await self.browser(name)).open(link)

    async def sends(self, name: str, page: Page, verdict: str, comment: str = "", **form: str) -> Page:
        """Somebody fills in the page and sends it."""
        values = {"verdict": verdict, **{f"form.{key}": value for key, value in form.items()}}
        return await (await self.browser(name)).send(page, values | ({"comment": comment} if comment else {}))

    async def by_page(self, name: str, run: int, verdict: str = "approve", comment: str = "", **form: str) -> Page:
        page = await self.opens(name, await self.link(run, name))
        sent = await self.sends(name, page, verdict, comment, **form)
        await self.app.runner.idle()
        return sent

    async def by_api(self, name: str, run: int, verdict: str = "approve", n: int = 1, **body: Any) -> Reply:
        path = f"approvals/{self.approval_id(run, n)}/decisions"
        reply = await self.api(name, "POST", path, {"verdict": verdict, **body})
        await self.app.runner.idle()
        return reply

    def card(self, name: str, containing: str) -> Message:
        """The newest card that somebody sees, as it stands; what its requester is told in a message of theirs is none."""
        human, workspace = self.human(name), self.human(name).workspace
        places = [channel.id for channel in workspace.channels.values() if human.id in channel.members]
        cards = [
            message
            for place in places
            for message in workspace.messages_in(place)
            if (message.metadata or {}).get("event_type") == CARD
            and (containing in message.text or containing in message.shown_text())
        ]
        assert cards, f"{name} sees no card with {containing!r}"
        return max(cards, key=lambda message: float(message.ts)).snapshot()

    async def _session(self) -> aiohttp.ClientSession:
        if not hasattr(self, "_http"):
            self._http = await self._open.enter_async_context(aiohttp.ClientSession())
        return self._http


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> FakeClock:
    """Nine in the morning of a Monday in winter; ``@pytest.mark.parametrize("clock", [instant], indirect=True)`` begins elsewhere."""
    begin: datetime | None = getattr(request, "param", None)
    return FakeClock(begin) if begin is not None else FakeClock()


@pytest.fixture
async def sandbox(clock: FakeClock) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox.with_people(clock=clock)
    async with sandbox:
        yield sandbox


@pytest.fixture
async def serve(sandbox: Sandbox, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a bot that serves these flows (name=YAML); it is stopped in the end."""
    bots: list[Bot] = []

    async def start(settings: Mapping[str, Any] | None = None, /, **flows: str) -> Bot:
        bot = Bot(tmp_path, sandbox, clock, **(settings or {}))
        for name, text in flows.items():
            bot.write(name, text)
        bots.append(bot)
        await bot.serve()
        return bot

    yield start
    for bot in bots:
        await bot.close()
        if hasattr(bot, "app"):
            await bot.stop()
