"""Somebody's job server, and the modules with functions that talk to it: what tests of machines' links have in common."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

BEGINNING = """
import asyncio, json, urllib.request
from datetime import datetime
from signoff import BlockingStepContext, RetriesExhausted, StepContext, action


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def both(links):
    return {"resume": links.resume, "cancel": links.cancel}

"""
_numbers = count()

Answering = Callable[[dict[str, Any]], Awaitable[Any]]


@dataclass
class Answer:
    status: int
    body: Any

    @property
    def said(self) -> str:
        return str(self.body.get("detail", ""))


class Job:
    """Somebody's server. What it is sent is in ``got``; ``answers`` is what it does with it before it answers."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.url = ""
        self.got: list[dict[str, Any]] = []
        self.answers: Answering | None = None

    async def handle(self, request: web.Request) -> web.Response:
        given = await request.json()
        self.got.append(given)
        answer = await self.answers(given) if self.answers is not None else None
        return web.json_response({"answer": answer})

    async def calls(self, link: str, body: object = None, agent: str = "builder/1.0") -> Answer:
        """The job calls a link."""
        headers = {"User-Agent": agent} | ({} if body is None else {"Content-Type": "application/json"})
        data = None if body is None else BytesIO(json.dumps(body).encode())
        async with self.session.post(link, data=data, headers=headers) as response:
            return Answer(response.status, await response.json(content_type=None))

    @property
    def links(self) -> list[tuple[str, str]]:
        """The pairs of links that it was sent, in order."""
        return [(each["resume"], each["cancel"]) for each in self.got if "resume" in each]


@pytest.fixture
async def job() -> AsyncIterator[Job]:
    app = web.Application()
    async with aiohttp.ClientSession() as session:
        found = Job(session)
        app.router.add_post("/", found.handle)
        async with TestServer(app) as server:
            found.url = str(server.make_url("/"))
            yield found


@pytest.fixture
def code(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Writes a module beside the flows, and gives its name: one of its own, since a name stands for one file only."""
    before = list(sys.path)
    names: list[str] = []

    def write(functions: str) -> str:
        names.append(f"code_steps_{next(_numbers)}")
        (tmp_path / "flows").mkdir(exist_ok=True)
        (tmp_path / "flows" / f"{names[-1]}.py").write_text(BEGINNING + functions)
        return names[-1]

    yield write
    sys.path[:] = before
    for name in names:
        sys.modules.pop(name, None)


async def told(bot, run: int) -> Any:
    """What the step after it was given."""
    step = (await bot.run(run)).steps.get("tell")
    return step.output["message"] if step is not None else None


async def reason(bot, run: int) -> str:
    ending = (await bot.run(run)).run.ending
    return (ending.reason or "") if ending is not None else ""
