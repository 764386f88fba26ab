"""Flows and runs: start, read and steer them, and make somebody's link."""

from __future__ import annotations

import logging

from aiohttp import web

from bot.links import PageLinks
from bot.people import People
from bot.web import models
from bot.web.api.room import ROOT, RUN_OR_STATUS, Room
from bot.web.bearer import Caller
from bot.web.bodies import flow_body, person_body
from bot.web.endpoint import Endpoints
from bot.web.errors import BadRequest
from bot.web.openapi import MAX_KEY
from bot.web.personal_links import PersonalLinks
from bot.web.replies import reply
from bot.web.requests import read
from flows.engine import Engine, Once
from flows.errors import NotAllowed, NotWaiting, QuorumUnreachable, RunFinished, UnknownFlow, UnknownRun
from flows.run import Door
from flows.store.sqlite import KeyReused

log = logging.getLogger(__name__)

ENDPOINTS = Endpoints()
"""The endpoints, as the methods of ``Runs`` declare them."""


class Runs(Room):
    """Flows that can be started, and runs."""

    endpoints = ENDPOINTS

    def __init__(self, engine: Engine, people: People, links: PageLinks) -> None:
        super().__init__(engine, people)
        self._links = PersonalLinks(engine, people, links)

    @ENDPOINTS("GET", "/flows", scope="read", gives={200: models.Flows})
    async def list_flows(self, _request: web.Request, caller: Caller) -> web.Response:
        """The flows that can be started."""
        flows = sorted(self._engine.flows.values(), key=lambda flow: flow.flow)
        mine = [
            flow
            for flow in flows
            if await self._engine.may_start(flow.flow, caller.person.id, as_admin=caller.as_admin)
        ]
        return reply(models.Flows(items=[flow_body(flow) for flow in mine]))

    @ENDPOINTS(
        "POST",
        "/flows/{flow}/runs",
        scope="start",
        takes=models.StartRun,
        gives={201: RUN_OR_STATUS},
        refuses=(UnknownFlow, UnknownRun, NotAllowed, QuorumUnreachable, KeyReused),
        keyed=True,
    )
    async def start_run(self, request: web.Request, caller: Caller) -> web.Response:
        """Start a run."""
        flow = request.match_info["flow"]
        if flow not in self._engine.flows:
            raise UnknownFlow("There is no such flow.")
        sent = await read(request, models.StartRun)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
            raise BadRequest(f"An Idempotency-Key has 1 to {MAX_KEY} printable ASCII characters.")
        once = Once(caller.token.id, key) if key is not None else None
        resubmits = self._engine.ids.parse_run(sent.resubmits) if sent.resubmits is not None else None
        if resubmits is None and sent.resubmits is not None:
            raise UnknownRun
        run, new = await self._engine.start(
            flow,
            caller.person.id,
            sent.inputs,
            once=once,
            via_token=self._via(caller),
            as_admin=caller.as_admin,
            resubmits=resubmits,
        )
        response = reply(await self._told(run.id, caller), status=201)
        response.headers["Location"] = f"{ROOT}/runs/{self._engine.ids.run(run.id)}"
        if not new:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    @ENDPOINTS("GET", "/runs/{run}", scope="read", gives={200: models.Run}, refuses=(UnknownRun,))
    async def get_run(self, request: web.Request, caller: Caller) -> web.Response:
        """A run as it stands."""
        return reply(await self._run_body(self._run_id(request), caller))

    @ENDPOINTS(
        "POST",
        "/runs/{run}/cancel",
        scope="start",
        takes=models.CancelRun,
        gives={200: RUN_OR_STATUS},
        refuses=(UnknownRun, NotAllowed, RunFinished),
    )
    async def cancel_run(self, request: web.Request, caller: Caller) -> web.Response:
        """Cancel a run.

        For its requester, the flow's owner and admins.
        """
        sent = await read(request, models.CancelRun)
        run = await self._readable(request, caller)
        await self._engine.cancel(
            run,
            caller.person.id,
            door=Door.API,
            reason=sent.reason,
            via_token=self._via(caller),
            as_admin=caller.as_admin,
        )
        return reply(await self._told(run, caller))

    @ENDPOINTS(
        "POST",
        "/runs/{run}/pause",
        scope="start",
        takes=models.Nothing,
        gives={200: RUN_OR_STATUS},
        refuses=(UnknownRun, NotAllowed, RunFinished, NotWaiting),
    )
    async def pause_run(self, request: web.Request, caller: Caller) -> web.Response:
        """Halt a run: what is under way goes on, nothing new starts.

        For its requester, the flow's owner and admins. Its waits stay open: decisions are counted, and deadlines pass.
        """
        await read(request, models.Nothing)
        run = await self._readable(request, caller)
        await self._engine.pause(
            run, caller.person.id, door=Door.API, via_token=self._via(caller), as_admin=caller.as_admin
        )
        return reply(await self._told(run, caller))

    @ENDPOINTS(
        "POST",
        "/runs/{run}/resume",
        scope="start",
        takes=models.Nothing,
        gives={200: RUN_OR_STATUS},
        refuses=(UnknownRun, NotAllowed, RunFinished, NotWaiting),
    )
    async def resume_run(self, request: web.Request, caller: Caller) -> web.Response:
        """Let a paused run go on.

        For its requester, the flow's owner and admins. (A hold is resumed by a decision.)
        """
        await read(request, models.Nothing)
        run = await self._readable(request, caller)
        await self._engine.resume(
            run, caller.person.id, door=Door.API, via_token=self._via(caller), as_admin=caller.as_admin
        )
        return reply(await self._told(run, caller))

    @ENDPOINTS(
        "POST",
        "/runs/{run}/links",
        scope="links",
        takes=models.MakeLink,
        gives={200: models.Link},
        refuses=(UnknownRun, NotAllowed, RunFinished, NotWaiting),
    )
    async def make_link(self, request: web.Request, caller: Caller) -> web.Response:
        """Make somebody's personal link.

        Whoever opens it acts as that person, so it takes an admin and a scope of its own, and is logged. For a step that
        waits, it is the person's page; else it takes the person's decision before it is asked for, where the approval
        lets that count (`pre_approval: allow`).
        """
        sent = await read(request, models.MakeLink)
        if not self._people.is_admin(caller.person.id):
            raise NotAllowed("Only an admin may make somebody's link.")
        view = await self._engine.run(self._run_id(request), caller.person.id)
        made = await self._links.make(view, sent.person, sent.step)
        ids = self._engine.ids
        await self._engine.link_made(
            view.run.id, made.person.id, caller.person.id, step=sent.step, via_token=self._via(caller)
        )
        waiting = made.waiting
        # Never the link itself: it is as good as its person's signature.
        log.info(
            "a personal link was made",
            extra={
                "run": ids.run(view.run.id),
                "step": sent.step,
                "for": ids.person(made.person.id),
                "by": ids.person(caller.person.id),
                "via_token": self._via(caller),
            },
        )
        body = models.Link(
            page=made.page,
            person=person_body(made.person, ids),
            run=ids.run(view.run.id),
            step=sent.step,
            approval=None if waiting is None else ids.suspension(view.run.id, waiting.suspension.n),
            due=made.due,
        )
        return reply(body)
