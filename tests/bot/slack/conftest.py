"""The bot's Slack side on real sockets: Bolt behind aiohttp, a real store, engine and runner, and the sandbox's Slack.

Time stands still unless a test moves it; signatures, deadlines and retries all go by the same clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.installations.keeper import Installations
from bot.links import PageLinks
from bot.messenger import Messages
from bot.people import People
from bot.reconciler.bad_days import BadDays
from bot.reconciler.passes import Reconciler
from bot.slack.app import SlackDoor
from bot.slack.cards import Cards
from bot.slack.commands import Digests
from bot.slack.homes import Homes
from bot.slack.notes import Notes
from bot.slack.requests import Requests
from bot.trouble_notes import TroubleNotes
from bot.workspaces import Workspaces
from flows.definition import Flow
from flows.engine import Engine
from flows.functions import Functions
from flows.ids import Ids
from flows.links import Keyring
from flows.run import Door, Run, Verdict
from flows.runner import Runner
from flows.sessions import Sessions
from flows.store.sqlite import SqliteStore
from flows.testing.clock import FakeClock
from flows.testing.database import new_database
from flows.testing.recording import RecordingPerformer, TestAddresses
from flows.vault import Vault
from flows.views import SuspensionView
from integrations.sandbox import Human, Sandbox
from integrations.slack.client import SlackClient
from integrations.slack.directory import SlackDirectory
from integrations.slack.pacing import Pacer

KEYS = ["a key that is long enough for a test"]
PUBLIC_URL = "https://signoff.example.com"


class Bot:
    """One process of the bot. ``start`` and ``stop`` may be repeated: the database stays."""

    def __init__(self, sandbox: Sandbox, clock: FakeClock, database: Path, flows: Iterable[Flow]) -> None:
        self.sandbox = sandbox
        self.clock = clock
        self.admins: list[str] = []
        self.socket_mode = False
        self.digests: Callable[[SqliteStore], Digests] | None = None
        self.admin_channel: str | None = None
        self.token = sandbox.bot_token
        self.actions: dict[str, Any] = {}
        self._database = database
        self._flows = list(flows)

    store: SqliteStore
    engine: Engine
    people: People
    runner: Runner
    door: SlackDoor
    client: SlackClient
    workspaces: Workspaces
    directory: SlackDirectory
    cards: Cards
    requests: Requests
    notes: Notes
    reconciler: Reconciler
    links: PageLinks
    performer: RecordingPerformer

    async def start(self) -> None:
        sandbox, clock = self.sandbox, self.clock
        self.store = await SqliteStore.open(new_database(self._database), clock=clock, public_url=PUBLIC_URL)
        self.client = SlackClient(self.token, base_url=sandbox.slack_url, timeout=5, pacer=Pacer(clock))
        self.directory = directory = SlackDirectory(
            self.client, team_id=sandbox.workspace.id, now=clock.now, monotonic=clock.monotonic
        )
        self.workspaces = Workspaces.of(self.client, directory)
        self.people = People(self.store, clock, slack=self.workspaces, admins=self.admins)
        await self.people.load_admins()
        vault = Vault(KEYS)
        self.engine = Engine(self.store, self.people, vault, clock)
        await self.engine.use(self._flows)
        self.links = PageLinks(Keyring(KEYS), clock, PUBLIC_URL)
        self.cards = Cards(
            self.workspaces, self.links, self.store.ids, clock, self.engine.cards, may_drop=self.engine.check_may_drop
        )
        self.requests = Requests(self.workspaces, self.cards, self.links, self.store.ids, clock, self.engine.cards)
        self.notes = Notes(
            self.workspaces,
            self.cards,
            self.links,
            self.store.ids,
            clock,
            self.engine.cards,
        )
        messages = Messages(
            cards=self.cards,
            requests=self.requests,
            post=None,
            digests=None,
            may_decide=self.engine.check_may_decide,
            notes=self.notes,
            admin_channel=self.admin_channel,
        )
        trouble = TroubleNotes(self.store, self.people, self.workspaces, clock, admin_channel=self.admin_channel)
        bad_days = BadDays(messages, self.store, self.engine, self.people, self.workspaces, trouble, clock, mails=False)
        self.reconciler = Reconciler(self.store, self.engine, self.workspaces, self.cards, bad_days, trouble, clock)
        self.door = SlackDoor(
            reconciler=self.reconciler,
            engine=self.engine,
            people=self.people,
            workspaces=self.workspaces,
            cards=self.cards,
            links=self.links,
            clock=clock,
            signing_secret=None if self.socket_mode else sandbox.signing_secret,
            homes=Homes(self.store),
            digests=self.digests(self.store) if self.digests is not None else None,
            installations=Installations(self.store, vault, clock, self.workspaces, connect=SlackClient),
        )
        self.store.on_change(self.door.changed)
        self.performer = RecordingPerformer(self.actions, Functions(), vault, self.store.ids)
        self.performer.addresses = TestAddresses(self.store.ids)
        self.performer.sessions = Sessions(self.engine, self.people, self.performer.addresses)
        self.runner = Runner(
            self.store,
            directory=self.people,
            performer=self.performer,
            messenger=bad_days,
            clock=clock,
        )
        self.runner.start()
        app = web.Application()
        app.router.add_post("/slack/events", self.door.events)
        self._server = TestServer(app)
        await self._server.start_server()
        sandbox.events_url = str(self._server.make_url("/slack/events"))

    async def stop(self) -> None:
        self.sandbox.events_url = None
        await self._server.close()
        await self.door.stop(timedelta(seconds=2))
        await self.runner.drain(timedelta(seconds=2))
        await self.client.close()
        await self.store.close()

    @property
    def ids(self) -> Ids:
        return self.store.ids

    async def begin(self, name: str, by: Human, inputs: Mapping[str, Any] | None = None) -> Run:
        """Start a run, and wait until everybody has been asked."""
        person = await self.people.by_email(by.email)
        run, _ = await self.engine.start(name, person.id, inputs or {})
        await self.runner.idle()
        return run

    async def view(self, run: Run, n: int = 1) -> SuspensionView:
        """How a suspension stands."""
        view = await self.engine.peek(run.id, n)
        assert view is not None
        return view

    async def standing(self, run: Run, n: int = 1) -> dict[str, str]:
        """Who has said what, by name."""
        view = await self.view(run, n)
        return {view.person(one.person).name: one.verdict.value for one in view.decisions}

    async def status(self, run: Run) -> str:
        """What the run has come to, once everything that is due is done."""
        await self.settled()
        return (await self.engine.run(run.id, run.requester)).status

    async def decide(self, run: Run, by: Human, verdict: Verdict = Verdict.APPROVE, **more: Any) -> None:
        """A decision through another door."""
        person = await self.people.by_email(by.email)
        await self.engine.decide(run.id, 1, person.id, verdict, door=Door.PAGE, **more)
        await self.runner.idle()

    async def settled(self) -> None:
        """Return when every errand and every effect that is due is done."""
        await self.door.drain()
        await self.runner.idle()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def sandbox(clock: FakeClock) -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people(clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
async def start_bot(sandbox: Sandbox, clock: FakeClock, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Bot]]]:
    """Starts a bot that knows these flows; it is stopped in the end."""
    bots: list[Bot] = []

    async def start(
        *flows: Flow,
        admins: Iterable[str] = (),
        token: str | None = None,
        admin_channel: str | None = None,
        **actions: Any,
    ) -> Bot:
        bot = Bot(sandbox, clock, tmp_path / "signoff.db", flows)
        bot.admins = list(admins)
        bot.admin_channel = admin_channel
        bot.token = token or sandbox.bot_token
        bot.actions = actions
        await bot.start()
        bots.append(bot)
        return bot

    yield start
    for bot in bots:
        await bot.stop()
