"""The systems around the demo's flows: HR, a shop, a build server, and text messages. Each answers over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import aiohttp
from aiohttp import web

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox import Sandbox

BUILD_TIME = timedelta(seconds=25)
"""How long a build takes; that of the branch ``stuck`` never ends."""

PHONES = {f"+49155500000{n}": name for n, name in enumerate(("ann", "bob", "cat", "dan", "eve"), start=1)}
"""Whose numbers these are."""

_ROWS = ("January", "February", "March", "April", "May", "June", "July")
_PAGE = 3
_CHECKS: list[dict[str, Json]] = [
    {"check": "unit", "passed": 512, "failed": 0},
    {"check": "browser", "passed": 41, "failed": 1},
    {"check": "load", "passed": None, "failed": None},
]


class Company:
    """All of them, beside a sandbox that has not been started yet."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.hr = Hr(lambda: f"{sandbox.origin}/hr")
        self.shop = Shop()
        self.builds = Builds(sandbox, lambda: f"{sandbox.origin}/builds")
        self.phones = Phones(sandbox)
        for system in (self.hr, self.shop, self.builds, self.phones):
            sandbox.routes.extend(system.routes())

    @property
    def connections(self) -> dict[str, Json]:
        """The setting by which the flows reach them."""
        return {
            name: {"type": "http", "base_url": f"{self._sandbox.origin}/{name}"}
            for name in ("hr", "shop", "builds", "sms")
        }

    async def close(self) -> None:
        """Whatever was still being built is dropped."""
        await self.builds.close()


class _Kept:
    """What was posted, once for each idempotency key."""

    def __init__(self) -> None:
        self.by_key: dict[str, Json] = {}

    async def take(self, request: web.Request) -> int:
        """Keep the body; returns its number, from 1."""
        key = request.headers["Idempotency-Key"]
        self.by_key.setdefault(key, await request.json())
        return list(self.by_key).index(key) + 1


class Hr:
    """Vacations and payroll."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._bookings = _Kept()

    @property
    def bookings(self) -> list[dict[str, Json]]:
        """The vacations that were booked, in order."""
        return list(self._bookings.by_key.values())

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/hr/accounts/{employee}", self._account),
            web.post("/hr/bookings", self._book),
            web.get("/hr/payroll", self._payroll),
            web.post("/hr/exports", self._export),
            web.get("/hr/exports/{year}", self._page),
        ]

    async def _account(self, request: web.Request) -> web.Response:
        return web.json_response({"employee": request.match_info["employee"], "days_left": 12})

    async def _book(self, request: web.Request) -> web.Response:
        return web.json_response({"booking": await self._bookings.take(request)}, status=201)

    async def _payroll(self, request: web.Request) -> web.Response:
        return web.json_response({"month": request.query["month"], "people": 42, "total": "181,250 EUR"})

    async def _export(self, request: web.Request) -> web.Response:
        year = (await request.json())["year"]
        return web.json_response({"url": f"{self._url()}/exports/{year}"}, status=201)

    async def _page(self, request: web.Request) -> web.Response:
        page = int(request.query["page"])
        rows = _ROWS[(page - 1) * _PAGE : page * _PAGE]
        return web.json_response({"rows": rows, "more": page * _PAGE < len(_ROWS)})


class Shop:
    """Refunds."""

    def __init__(self) -> None:
        self._refunds = _Kept()

    @property
    def refunds(self) -> list[dict[str, Json]]:
        """What was paid back, in order."""
        return list(self._refunds.by_key.values())

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/shop/refunds", self._refund)]

    async def _refund(self, request: web.Request) -> web.Response:
        return web.json_response({"refund": await self._refunds.take(request)}, status=201)


@dataclass
class Job:
    """A build. ``links`` are where it calls when it is over; ``answer`` is the status that the last call got."""

    id: int
    branch: str
    started_at: datetime
    links: Mapping[str, str] = field(default_factory=dict)
    looks: int = 0
    answer: int | None = None

    def status(self, now: datetime) -> str:
        if self.branch == "stuck" or now < self.started_at + BUILD_TIME:
            return "running"
        return "failed" if self.branch == "broken" else "passed"


class Builds:
    """A build server, which can be polled and which calls back."""

    def __init__(self, sandbox: Sandbox, url: Callable[[], str]) -> None:
        self._sandbox = sandbox
        self._url = url
        self._jobs = _Kept()
        self._calling: list[asyncio.Task[None]] = []
        self.jobs: dict[int, Job] = {}

    @property
    def _clock(self) -> Clock:
        return self._sandbox.clock

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/builds/jobs", self._start),
            web.get("/builds/jobs/{id}", self._look),
            web.put("/builds/jobs/{id}/links", self._links),
            web.get("/builds/checks/{version}", self._checks),
        ]

    async def close(self) -> None:
        for task in self._calling:
            task.cancel()
        await asyncio.gather(*self._calling, return_exceptions=True)

    async def called(self, job: Job) -> int:
        """What the job's call was answered; waits for it."""
        return await self._sandbox.until(lambda: job.answer, what=f"the build of {job.branch} calls back")

    async def _start(self, request: web.Request) -> web.Response:
        number = await self._jobs.take(request)
        if number not in self.jobs:
            given = await request.json()
            links = {name: given[name] for name in ("on_done", "on_abort") if name in given}
            self.jobs[number] = job = Job(number, given["branch"], self._clock.now(), links)
            self._calling.append(asyncio.create_task(self._call_back(job)))
        return web.json_response(self._shown(self.jobs[number]), status=201)

    async def _look(self, request: web.Request) -> web.Response:
        job = self._job(request)
        job.looks += 1
        return web.json_response(self._shown(job))

    async def _checks(self, request: web.Request) -> web.Response:
        """Which tests a version has been through: of a hotfix not all."""
        url = f"{self._url()}/checks/{request.match_info['version']}"
        return web.json_response({"url": url, "checks": _CHECKS})

    async def take_links(self, job: Job, links: Mapping[str, str]) -> None:
        """The job is to call these."""
        job.links = links

    async def _links(self, request: web.Request) -> web.Response:
        job = self._job(request)
        await self.take_links(job, await request.json())
        return web.json_response(self._shown(job))

    async def _call_back(self, job: Job) -> None:
        await self._clock.sleep(BUILD_TIME)
        status = job.status(self._clock.now())
        link = job.links.get("on_abort" if job.branch == "aborted" else "on_done")
        if link is None or status == "running":
            return
        sender, body = {"User-Agent": "builds/1.0"}, {"status": status, "build": job.id}
        # Nobody may listen any more: the demo is over, or the bot is.
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession(headers=sender) as session, session.post(link, json=body) as answer:
                job.answer = answer.status
        self._sandbox.changes.notify()

    def _job(self, request: web.Request) -> Job:
        job = self.jobs.get(int(request.match_info["id"]))
        if job is None:
            raise web.HTTPNotFound
        return job

    def _shown(self, job: Job) -> dict[str, Any]:
        status = job.status(self._clock.now())
        return {"id": job.id, "url": f"{self._url()}/jobs/{job.id}", "status": status, "done": status != "running"}


class Phones:
    """Text messages. There are no phones here, so they come by mail."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._sent = _Kept()

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/sms/messages", self._send)]

    async def _send(self, request: web.Request) -> web.Response:
        given = await request.json()
        owner = PHONES.get(given["to"])
        if owner is None:
            return web.json_response({"error": f"{given['to']} is nobody's number"}, status=422)
        known = len(self._sent.by_key)
        number = await self._sent.take(request)
        if number > known:
            put_in_mailbox(
                self._sandbox,
                sender="Text messages <sms@example.com>",
                to=self._sandbox.person(owner).email,
                subject=f"Text message to {given['to']}",
                text=given["text"],
            )
        return web.json_response({"message": number}, status=202)


def put_in_mailbox(sandbox: Sandbox, *, sender: str, to: str, subject: str, text: str) -> None:
    """A mail that the bot has nothing to do with."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail.set_content(text)
    sandbox.office.deliver(sender, mail, [to], thread_id=None, at=sandbox.clock.now())
