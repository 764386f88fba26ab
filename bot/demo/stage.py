"""The demo's stage: a real bot, and the sandbox that stands in for Slack and Gmail, spoken to over real sockets."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

from aiohttp import web
from pydantic import SecretStr
from rich.console import Console

from bot import library, logs
from bot.app import App
from bot.settings import Settings
from flows.errors import InvalidForm, Refused
from flows.people import Person
from flows.ports import Json
from integrations.sandbox import SENDER, Human, Sandbox
from integrations.sandbox.page import Guide, SandboxPage, Step

LIBRARY = Path(library.__file__).parent


@dataclass
class Bookings:
    """The booking system of the vacation flow: it keeps what was posted, once per idempotency key."""

    made: dict[str, Json] = field(default_factory=dict)

    async def book(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("Idempotency-Key", token_urlsafe(8))
        self.made.setdefault(key, await request.json())
        return web.json_response({"booking": list(self.made).index(key) + 1}, status=201)


@dataclass
class Stage:
    """Bot and sandbox, up and connected."""

    sandbox: Sandbox
    app: App
    page: SandboxPage
    bookings: Bookings

    def human(self, name: str) -> Human:
        return self.sandbox.person(name)

    @property
    def booking_url(self) -> str:
        return f"{self.sandbox.origin}/bookings"

    async def person(self, name: str) -> Person:
        """The bot's idea of somebody in the sandbox."""
        return await self.app.people.by_slack(self.sandbox.workspace.id, self.human(name).id)


@asynccontextmanager
async def stage(*, port: int = 0) -> AsyncIterator[Stage]:
    """Set the stage in a temporary folder; ``port`` is the page's, and the bot's is a free one."""
    bookings = Bookings()
    with tempfile.TemporaryDirectory(prefix="signoff-demo-") as folder:
        sandbox = Sandbox.with_people()
        sandbox.routes.append(web.post("/bookings", bookings.book))
        theatre: list[Stage] = []
        page = SandboxPage(
            sandbox,
            flows=lambda: _flows(theatre[0]) if theatre else [],
            start=lambda person, flow, values: _start(theatre[0], person, flow, values),
            guide=_GUIDE,
        )
        await sandbox.start(port=port)
        try:
            app = await App.open(_settings(Path(folder), sandbox, port=free_port()))
            try:
                theatre.append(Stage(sandbox, app, page, bookings))
                sandbox.events_url = f"{await app.start()}/slack/events"
                yield theatre[0]
            finally:
                await app.stop()
        finally:
            await sandbox.stop()


async def run(*, auto: bool, port: int) -> int:
    """Play by itself and return 0 if all went as it should, or serve the page until interrupted."""
    # What goes wrong on purpose (a rejection, a refusal) is part of the play, and told by it.
    logs.configure(level=logging.ERROR if auto else logging.WARNING, machine=False)
    if auto:
        from bot.demo.play import play

        async with stage() as set_up:
            return await play(set_up)
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    try:
        async with stage(port=port) as set_up:
            Console().print(
                f"\n  Signoff's demo is at  {set_up.page.url(**{'as': 'ann'})}\n\n  Ctrl-C ends it; nothing is kept.\n",
                markup=False,
                soft_wrap=True,
            )
            await stop.wait()
    except OSError as error:
        Console(stderr=True).print(f"Port {port} cannot be used: {error.strerror}. Try `signoff demo --port 0`.")
        return 1
    return 0


_GUIDE = Guide(
    title="A company in a box",
    lead="Signoff runs on your machine. Slack and Gmail are stand-ins; the bot, its flows and its links are real.",
    steps=[
        Step("You are Ann. Start the vacation request.", "?as=ann&flow=vacation"),
        Step("Become Bob, her manager: a card is in his direct messages. Approve it.", "?as=bob&open=dm"),
        Step("Back to Ann: her vacation is booked, and she was told.", "?as=ann&open=dm"),
        Step("Then ask for a release: it takes two of Bob, Cat and Dan, in #releases.", "?as=ann&flow=release"),
        Step("Or by mail: the link opens a page, and only the page decides.", "?as=ann&flow=gmail_approval"),
    ],
    notes="Approve your own request, approve twice, click an old card: each click gets an answer that says why.",
    commands={"/approvals": "what waits for you; also: all, show RUN, help"},
)


def _settings(folder: Path, sandbox: Sandbox, *, port: int) -> Settings:
    return Settings(
        database=f"sqlite:///{folder / 'demo.db'}",
        flows=LIBRARY,
        host="127.0.0.1",
        port=port,
        public_url=f"http://127.0.0.1:{port}",
        secret_key=(SecretStr(token_urlsafe(32)),),
        admins=("eve@example.com",),
        http_allow=("127.0.0.1",),
        slack_bot_token=SecretStr(sandbox.bot_token),
        slack_signing_secret=SecretStr(sandbox.signing_secret),
        slack_api_url=sandbox.slack_url,
        gmail_api_url=sandbox.gmail_url,
        gmail_sender=SENDER,
        gmail_token=SecretStr(sandbox.gmail_token),
    )


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _flows(set_up: Stage) -> list[dict[str, Json]]:
    """The flows with their inputs as the page wants them, filled in so that a stranger needs only one click."""
    filled = _filled(set_up)
    return [
        {
            "name": flow.flow,
            "title": flow.name,
            "description": flow.description or "",
            "fields": [
                field.model_dump(mode="json", exclude_none=True) | filled.get(field.name, {}) for field in flow.inputs
            ],
        }
        for flow in set_up.app.engine.flows.values()
    ]


def _filled(set_up: Stage) -> dict[str, dict[str, Json]]:
    today = set_up.sandbox.clock.now().date()
    values = {
        "employee": "ann@example.com",
        "manager": "bob@example.com",
        "start": str(today + timedelta(days=30)),
        "end": str(today + timedelta(days=44)),
        "booking_url": set_up.booking_url,
        "subject": "the new price list",
        "first": "bob@example.com",
        "second": "cat@example.com",
        "third": "dan@example.com",
        "version": "1.4.0",
        "changes": "Faster search. Fixes the time zone of invoices.",
    }
    return {name: {"default": value} for name, value in values.items()}


async def _start(set_up: Stage, person: str, flow: str, values: Mapping[str, Json]) -> dict[str, Json]:
    """What the page's "Start a flow" does: the same call as the API's, as the person whom one has become."""
    try:
        who = await set_up.person(person)
        run_, _ = await set_up.app.engine.start(flow, who.id, values)
    except InvalidForm as error:
        return {"errors": error.fields}
    except Refused as error:
        return {"error": str(error)}
    return {"run": set_up.app.engine.ids.run(run_.id), "url": set_up.app.engine.ids.run_url(run_.id)}
