"""A server on a real socket, over a real store, with a handful of people and flows; time stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer, unused_port

from bot import tokens as issuing
from bot.links import PageLinks
from bot.people import People
from bot.web.bearer import Tokens
from bot.web.health import store_is_writable
from bot.web.server import web_app
from bot.web.verification import Verification
from flows.definition import Approval, Flow, Hold, Step
from flows.engine import Engine
from flows.links import Keyring
from flows.people import Person
from flows.store.sqlite import SqliteStore
from flows.testing.clock import FakeClock
from flows.testing.database import new_database
from flows.vault import Vault
from flows.views import SuspensionView

KEYS = ["a key that is long enough for a test"]
FORM: list[dict[str, Any]] = [
    {"name": "reason", "type": "string", "label": "Why", "description": "Shown to the requester"},
    {"name": "days", "type": "integer", "min": 1, "max": 30, "default": 5},
    {"name": "urgent", "type": "boolean", "required": False},
    {
        "name": "colour",
        "type": "select",
        "options": ["red", {"value": "blue", "label": "Deep blue"}],
        "default": "blue",
    },
    {"name": "extras", "type": "multiselect", "options": ["a", "b", "c"], "required": False, "default": ["b"]},
    {"name": "from_day", "type": "date", "required": False},
    {"name": "at", "type": "datetime", "required": False, "default": "2026-02-01T08:30:00+00:00"},
    {"name": "pin", "type": "secret", "required": False},
    {"name": "note", "type": "string", "multiline": True, "required": False},
]

FLOWS = (
    Flow(
        flow="release",
        title="Release",
        inputs=[
            {"name": "version", "type": "string", "default": "1.0"},
            {"name": "key", "type": "secret", "required": False},
        ],
        steps=[
            Step(
                id="gate",
                title="Ship it?",
                approval=Approval(
                    ask="Ship {{ inputs.version }} by {{ run.requester }}?",
                    approvers=("ann@example.com", "bob@example.com", "req@example.com"),
                    quorum=2,
                    timeout=timedelta(days=2),
                ),
            )
        ],
    ),
    Flow(
        flow="asks",
        steps=[Step(id="gate", approval=Approval(ask="Fill this in", approvers=("ann@example.com",), form=FORM))],
    ),
    Flow(
        flow="alone",
        inputs=[{"name": "what", "type": "string", "default": "this", "multiline": True}],
        steps=[Step(id="gate", approval=Approval(ask="{{ inputs.what }}", approvers=("ann@example.com",), quorum=1))],
    ),
    Flow(flow="held", steps=[Step(id="wait", hold=Hold(ask="Go on?", show={"So far": "nothing"}))]),
    Flow(flow="acts", steps=[Step(id="post", uses="log", **{"with": {"message": "hello"}})]),
)


class Page(HTMLParser):
    """An HTML page as a program without eyes sees it: its one form as it stands, its buttons, its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.action: str | None = None
        self.values: dict[str, list[str]] = {}
        self.buttons: list[dict[str, str]] = []
        self.controls: dict[str, list[dict[str, str | None]]] = {}
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._texts: list[str] = []
        self._into: str | None = None
        self._select: str | None = None
        self.feed(html)
        self.close()
        self.text = " ".join("".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        name = given.get("name") or ""
        if tag in ("input", "select", "textarea"):
            self.controls.setdefault(name, []).append(given)
        if tag == "form":
            self.action = given.get("action")
        elif tag == "input" and given.get("type") in ("radio", "checkbox"):
            if "checked" in given:
                self.values.setdefault(name, []).append(given.get("value") or "on")
        elif tag == "input":
            self.values.setdefault(name, []).append(given.get("value") or "")
        elif tag == "select":
            self._select = name
            self.values[name] = [""]
        elif tag == "option" and self._select is not None and "selected" in given:
            self.values[self._select] = [given.get("value") or ""]
        elif tag == "textarea":
            self._into = name
            self.values[name] = [""]
        elif tag == "button":
            self.buttons.append({key: value or "" for key, value in given.items()})
        elif tag == "a":
            self.links.append(given.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("bdi", "time", "strong", "span"):
            self._texts.append(" ")
        if tag == "textarea" and self._into is not None:
            # The first line's end after the tag belongs to the tag, as HTML has it.
            self.values[self._into] = [self.values[self._into][0].removeprefix("\n")]
            self._into = None
        if tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self.values[self._into] = [self.values[self._into][0] + data]
        self._texts.append(data)


class World:
    """Everything that a test of the web needs, and short ways to do what it does often."""

    def __init__(self, store: SqliteStore, path: Path, clock: FakeClock, public_url: str) -> None:
        self.store = store
        self.path = path
        self.clock = clock
        self.public_url = public_url
        self.people = People(store, clock, slack=None, admins=["root@example.com"])
        self.engine = Engine(store, self.people, Vault(KEYS), clock)
        self.keyring = Keyring(KEYS)
        self.links = PageLinks(self.keyring, clock, public_url)
        self.client: TestClient[Any, Any]
        self.ready: str | None = None

    async def checked(self) -> str | None:
        return self.ready

    def app(
        self, public_url: str | None = None, routes: Sequence[aiohttp.web.AbstractRouteDef] = ()
    ) -> aiohttp.web.Application:
        return web_app(
            engine=self.engine,
            people=self.people,
            links=self.links,
            keyring=self.keyring,
            tokens=Tokens(self.store, self.people, self.clock),
            clock=self.clock,
            public_url=public_url or self.public_url,
            verification=Verification(self.store, self.links, self.keyring, self.clock, public_url or self.public_url),
            checks={"store": store_is_writable(self.store), "runner": self.checked},
            routes=routes,
        )

    # -- people, runs, tokens -----------------------------------------------------------------------------------

    async def person(self, name: str) -> Person:
        return await self.people.by_email(f"{name}@example.com")

    async def start(self, flow: str = "alone", inputs: Mapping[str, object] | None = None, by: str = "req") -> int:
        run, _ = await self.engine.start(flow, (await self.person(by)).id, inputs or {})
        return run.id

    async def view(self, run: int, n: int = 1) -> SuspensionView:
        view = await self.engine.peek(run, n)
        assert view is not None
        return view

    async def token(self, name: str, *scopes: str, lifetime: timedelta | None = None) -> str:
        issued = await issuing.create(
            self.path,
            self.clock,
            person=f"{name}@example.com",
            scopes=scopes or ("start", "read", "decide"),
            lifetime=lifetime,
            issued_by="an operator",
        )
        return issued.secret

    async def state(self, run: int) -> tuple[object, ...]:
        """All that a decision could change of a run."""
        view = await self.view(run)
        return view.run, view.suspension, view.decisions, await self.store.ledger(run)

    # -- the page -----------------------------------------------------------------------------------------------

    async def link(self, run: int, name: str = "ann", n: int = 1) -> str:
        """The path of a person's page."""
        url = self.links.url(await self.view(run, n), (await self.person(name)).id)
        return url.removeprefix(self.public_url)

    async def get(self, path: str) -> tuple[int, Page]:
        async with self.client.get(path) as response:
            return response.status, Page(await response.text())

    async def post(
        self, path: str, values: Mapping[str, str | Sequence[str]], headers: Mapping[str, str] | None = None
    ) -> tuple[int, Page]:
        """Send a form as a browser does, without following where it leads."""
        pairs = [
            (key, one)
            for key, given in values.items()
            for one in ([given] if isinstance(given, str) else given)
        ]  # fmt: skip
        async with self.client.post(
            path, data=aiohttp.FormData(pairs), headers=headers or {}, allow_redirects=False
        ) as response:
            return response.status, Page(await response.text())

    async def send(self, path: str, **changes: str | Sequence[str]) -> tuple[int, Page]:
        """Open the page, fill it in, and send it. ``form__x`` stands for the field ``form.x``."""
        _, page = await self.get(path)
        values = {**page.values, **{key.replace("__", "."): value for key, value in changes.items()}}
        assert page.action is not None
        return await self.post(page.action, values)

    # -- the API ------------------------------------------------------------------------------------------------

    async def api(
        self, method: str, path: str, token: str | None, body: object = None, **headers: str
    ) -> tuple[int, Any, Mapping[str, str]]:
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        async with self.client.request(method, f"/api/v1/{path}", json=body, headers=given) as response:
            return response.status, await response.json(content_type=None), response.headers


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FakeClock()
    port = unused_port()
    public_url = f"http://127.0.0.1:{port}"
    path = new_database(tmp_path / "signoff.db")
    store = await SqliteStore.open(path, clock=clock, public_url=public_url)
    try:
        world = World(store, path, clock, public_url)
        for name, tz in (("ann", "Europe/Berlin"), ("bob", None), ("req", "America/New_York"), ("root", None)):
            email = f"{name}@example.com"
            await store.know(Person(0, name.capitalize(), email=email, tz=tz), [email])
        await world.people.load_admins()
        await world.engine.use(FLOWS)
        async with TestClient(TestServer(world.app(), port=port)) as client:
            world.client = client
            yield world
    finally:
        await store.close()
