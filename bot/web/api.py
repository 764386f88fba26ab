"""The JSON API, ``/api/v1``: translates requests into calls of the engine, and nothing more.

Who may read and who may decide is the engine's to say. What a token adds is a limit: it acts as its person, within
its scopes, and an admin's rights take the scope ``admin`` and a person who is one.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from typing import Protocol

from aiohttp import web

from bot.days import stretch
from bot.links import PageLinks
from bot.people import People
from bot.web import models
from bot.web.bearer import Caller, Tokens
from bot.web.bodies import (
    approval_body,
    delegation_body,
    effect_body,
    flow_body,
    listed_approval_body,
    person_body,
    run_body,
    run_status,
)
from bot.web.endpoint import Endpoints
from bot.web.errors import BadRequest
from bot.web.moments import zone_named
from bot.web.openapi import MAX_KEY, document
from bot.web.personal_links import PersonalLinks
from bot.web.replies import page, problem, problem_body, problem_of, reply
from bot.web.requests import queried, read
from flows.definition import Approval, Hold
from flows.delegation import Delegation
from flows.engine import Engine, Item, Once
from flows.errors import (
    ChangedSinceShown,
    Closed,
    DecidedByYou,
    FlowError,
    InvalidForm,
    NotAllowed,
    NotAnApprover,
    NotWaiting,
    QuorumUnreachable,
    RunFinished,
    SelfApproval,
    TooSoon,
    UnknownEffect,
    UnknownFlow,
    UnknownRun,
    UnknownSuspension,
)
from flows.handles import InvalidHandle, normalise
from flows.people import Person, PersonId
from flows.run import Door, Run, Verdict
from flows.store.sqlite import KeyReused
from flows.views import SuspensionView
from signoff import __version__

__all__ = ["ENDPOINTS", "MAX_PAGE", "ROOT", "Api", "problem_of"]

log = logging.getLogger(__name__)

Handler = Callable[[web.Request, Caller], Awaitable[web.Response]]

ROOT = "/api/v1"

MAX_PAGE = 2 * 1024 * 1024
"""Bytes after which a page of a list ends, unless it would be empty."""

_AT_A_TIME = 20  # approvals that are read together: each may come with a MiB that a list does not show
_COUNTED, _TAKEN_BACK = "Your decision is counted.", "Your answer is taken back."

ENDPOINTS = Endpoints()
"""The endpoints, as the methods of ``Api`` declare them."""

_METHODS = {"GET": web.get, "POST": web.post, "DELETE": web.delete}

_RUN_OR_STATUS = models.Run | models.RunStatusOnly


class Api:
    """The handlers. Whatever they raise is translated by the server's middleware."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        tokens: Tokens,
        links: PageLinks,
        on_delegated: Callable[[Delegation, Person | None], None] | None = None,
    ) -> None:
        self._engine = engine
        self._on_delegated = on_delegated or _unheard
        self._people = people
        self._tokens = tokens
        self._links = PersonalLinks(engine, people, links)

    def routes(self) -> list[web.RouteDef]:
        return [
            _METHODS[endpoint.method](f"{ROOT}{endpoint.path}", self._for(endpoint.scope, handler))
            for endpoint, handler in ENDPOINTS.of(self)
        ]

    def _for(
        self, scope: str | None, handler: Callable[..., Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        if scope is None:
            return handler

        async def handle(request: web.Request) -> web.Response:
            caller = await self._tokens.caller(request.headers.get("Authorization"))
            caller.needs(scope)
            return await handler(request, caller)

        return handle

    # -- the API itself -----------------------------------------------------------------------------------------

    @ENDPOINTS("GET", "/openapi.json", scope=None, gives={200: models.OpenApi})
    async def openapi(self, _request: web.Request) -> web.Response:
        """This document: OpenAPI 3.1."""
        return web.Response(text=self._document, content_type="application/json")

    @cached_property
    def _document(self) -> str:
        server = f"{self._engine.ids.public_url}{ROOT}"
        return json.dumps(document(ENDPOINTS, version=__version__, server=server))

    # -- flows and runs -----------------------------------------------------------------------------------------

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
        gives={201: _RUN_OR_STATUS},
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
        gives={200: _RUN_OR_STATUS},
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
        gives={200: _RUN_OR_STATUS},
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
        gives={200: _RUN_OR_STATUS},
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

    async def _told(self, run: int, caller: Caller) -> models.Run | models.RunStatusOnly:
        """The run that the caller did something to; what else there is to know of it takes the scope ``read``."""
        body = await self._run_body(run, caller)
        return body if caller.may_read else models.RunStatusOnly(id=body.id, status=body.status)

    async def _run_body(self, run: int, caller: Caller) -> models.Run:
        view = await self._engine.run(run, caller.person.id, as_admin=caller.as_admin)
        # On a thread: a loop over 10,000 items takes most of a second, in which others are to be answered.
        return await asyncio.to_thread(run_body, view, self._engine.ids)

    async def _readable(self, request: web.Request, caller: Caller) -> int:
        """The run that is meant. Asked first: to somebody who may not read it, it must look as if it did not exist."""
        run = self._run_id(request)
        await self._engine.run(run, caller.person.id, as_admin=caller.as_admin)
        return run

    def _run_id(self, request: web.Request) -> int:
        run = self._engine.ids.parse_run(request.match_info["run"])
        if run is None:
            raise UnknownRun
        return run

    # -- approvals ----------------------------------------------------------------------------------------------

    @ENDPOINTS(
        "GET",
        "/approvals",
        scope="read",
        query=models.ListApprovals,
        gives={200: models.Approvals},
        refuses=(NotAllowed,),
    )
    async def list_approvals(self, request: web.Request, caller: Caller) -> web.Response:
        """What waits, the nearest deadline first.

        A page of large approvals has fewer than `limit`.
        """
        query = queried(request, models.ListApprovals)
        listed = await self._listed(query, caller)
        items: list[str] = []
        size = 0
        while True:
            # One more than is shown tells whether there is more.
            wanted = min(_AT_A_TIME, query.limit - len(items))
            views = await listed(limit=wanted + 1, offset=query.offset + len(items))
            for view in views[:wanted]:
                item = listed_approval_body(view, self._engine.ids).model_dump_json()
                size += len(item.encode())
                if items and size > MAX_PAGE:
                    return page(items, query.offset)
                items.append(item)
            if len(views) <= wanted:
                return page(items, None)
            if len(items) == query.limit:
                return page(items, query.offset)

    async def _listed(self, query: models.ListApprovals, caller: Caller) -> _Listing:
        """What reads the list that is asked for."""
        me = caller.person.id
        if query.approver is not None:
            approver = await self._approver(query.approver, caller)
            return _nothing if approver is None else partial(self._engine.waiting_for, approver)
        if caller.as_admin and self._people.is_admin(me):
            return self._engine.waiting
        return partial(self._engine.waiting_around, me)

    async def _approver(self, who: str, caller: Caller) -> PersonId | None:
        """Whose approvals are asked for. None: somebody who is not known, for whom nothing waits."""
        if who == "me":
            return caller.person.id
        number = self._engine.ids.parse_person(who)
        try:
            person = await (self._people.by_id(number) if number is not None else self._people.known(who))
        except InvalidHandle:
            raise InvalidForm({"approver": "must be me, a mail address or the id of a person."}) from None
        if person is not None and person.id == caller.person.id:
            return person.id
        if not (caller.as_admin and self._people.is_admin(caller.person.id)):
            raise NotAllowed("Only an admin may list what waits for somebody else.")
        return person.id if person else None

    @ENDPOINTS("GET", "/approvals/{approval}", scope="read", gives={200: models.Approval}, refuses=(UnknownSuspension,))
    async def get_approval(self, request: web.Request, caller: Caller) -> web.Response:
        """One approval or hold as it stands."""
        return reply(approval_body(await self._view(request.match_info["approval"], caller), self._engine.ids))

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/decisions",
        scope="decide",
        takes=models.Decide,
        gives={201: models.Decided, 200: models.Decided},
        refuses=(UnknownSuspension, NotAnApprover, SelfApproval, Closed, ChangedSinceShown, NotWaiting),
    )
    async def decide(self, request: web.Request, caller: Caller) -> web.Response:
        """Approve, reject or resume; or take back one's own answer.

        201 where the decision is counted; 200 where it is taken back, or the same had been said already.
        """
        sent = await read(request, models.Decide)
        approval = request.match_info["approval"]
        view = await self._view(approval, caller)
        try:
            run = await self._engine.decide(
                view.run.id,
                view.suspension.n,
                caller.person.id,
                sent.verdict,
                door=Door.API,
                comment=sent.comment,
                values=sent.form,
                option=sent.option,
                digest=bytes.fromhex(sent.digest) if sent.digest is not None else None,
                via_token=self._via(caller),
                as_admin=caller.as_admin,
            )
        except DecidedByYou as already:
            now = await self._view(approval, caller)
            return reply(self._decided(now, now.run, caller, counted=False, detail=str(already)))
        except (Closed, ChangedSinceShown) as refusal:
            # The caller gets what there is now with it, so that they need not ask again.
            now = await self._view(approval, caller)
            closing = now.suspension.closing
            return problem(refusal, closed=closing.how if closing else None, approval=self._shown(now, caller))
        now = await self._view(approval, caller)
        if sent.verdict is Verdict.WITHDRAW:
            return reply(self._decided(now, run, caller, counted=True, detail=_TAKEN_BACK))
        return reply(self._decided(now, run, caller, counted=True, detail=_COUNTED), status=201)

    @ENDPOINTS(
        "POST",
        "/approvals/decisions",
        scope="decide",
        takes=models.DecideMany,
        gives={200: models.Items},
    )
    async def decide_many(self, request: web.Request, caller: Caller) -> web.Response:
        """Give the same answer to several.

        There is one entry for each id, in their order. One that is refused, unknown or closed is an entry too, and stops no
        other; each form is checked as if it came alone.
        """
        sent = await read(request, models.DecideMany)
        found: dict[str, SuspensionView] = {}
        refused: dict[str, FlowError] = {}
        for id_ in dict.fromkeys(sent.ids):
            try:
                found[id_] = await self._view(id_, caller)
            except FlowError as error:
                refused[id_] = error
        answered = iter(
            await self._engine.decide_many(
                [(found[id_].run.id, found[id_].suspension.n) for id_ in sent.ids if id_ in found],
                caller.person.id,
                sent.verdict,
                door=Door.API,
                comment=sent.comment,
                values=sent.form,
                option=sent.option,
                via_token=self._via(caller),
                as_admin=caller.as_admin,
            )
        )
        said = _TAKEN_BACK if sent.verdict is Verdict.WITHDRAW else _COUNTED
        items = [
            _refused(id_, refused[id_]) if id_ in refused else await self._item(found[id_], next(answered), said, id_)
            for id_ in sent.ids
        ]
        return reply(models.Items(items=items))

    async def _item(self, before: SuspensionView, item: Item, said: str, id_: str) -> models.Item:
        if item.refused is None or isinstance(item.refused, DecidedByYou):
            return models.Item(
                id=id_,
                ok=True,
                counted=item.refused is None,
                detail=said if item.refused is None else str(item.refused),
                run_status=run_status(item.after or before.run),
                problem=None,
            )
        now = await self._engine.peek(item.run, item.n) if isinstance(item.refused, Closed) else None
        return _refused(id_, item.refused, now)

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/drop",
        scope="decide",
        takes=models.Drop,
        gives={200: _RUN_OR_STATUS},
        refuses=(UnknownSuspension, NotAllowed, Closed, RunFinished),
    )
    async def drop(self, request: web.Request, caller: Caller) -> web.Response:
        """End a wait without a decision, and let the run go on.

        For the flow's owner and admins. It is recorded with its reason, and never counted as an approval.
        """
        sent = await read(request, models.Drop)
        view = await self._any_view(request.match_info["approval"], caller)
        await self._engine.drop(
            view.run.id,
            view.suspension.n,
            caller.person.id,
            sent.reason,
            door=Door.API,
            via_token=self._via(caller),
            as_admin=caller.as_admin,
        )
        return reply(await self._told(view.run.id, caller))

    def _decided(self, view: SuspensionView, run: Run, caller: Caller, *, counted: bool, detail: str) -> models.Decided:
        return models.Decided(
            counted=counted, detail=detail, approval=self._shown(view, caller), run_status=run_status(run)
        )

    def _shown(self, view: SuspensionView, caller: Caller) -> models.Approval | None:
        """The approval, for who may read with this token."""
        return approval_body(view, self._engine.ids) if caller.may_read else None

    async def _view(self, approval: str, caller: Caller) -> SuspensionView:
        view = await self._any_view(approval, caller)
        if not isinstance(view.wait, Approval | Hold):
            raise UnknownSuspension  # of nobody is anything asked
        return view

    async def _any_view(self, approval: str, caller: Caller) -> SuspensionView:
        found = self._engine.ids.parse_suspension(approval)
        if found is None:
            raise UnknownSuspension
        return await self._engine.suspension(*found, caller.person.id, as_admin=caller.as_admin)

    # -- asking again, others, and back -------------------------------------------------------------------------

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/nudge",
        scope="start",
        takes=models.Nothing,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAllowed, Closed, NotWaiting, RunFinished, TooSoon),
    )
    async def nudge(self, request: web.Request, caller: Caller) -> web.Response:
        """Ask those who have not answered once more.

        For who started the run; at most once an hour for each approval.
        """
        await read(request, models.Nothing)
        view = await self._view(request.match_info["approval"], caller)
        await self._engine.nudge(
            view.run.id, view.suspension.n, caller.person.id, door=Door.API, via_token=self._via(caller)
        )
        return await self._asked(view, caller, "Those who have not answered hear of it once more.")

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/reassign",
        scope="decide",
        takes=models.Reassign,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAnApprover, SelfApproval, NotAllowed, Closed, NotWaiting, RunFinished),
    )
    async def reassign(self, request: web.Request, caller: Caller) -> web.Response:
        """Let somebody else be asked.

        For who is asked, and for admins. What was said before stands.
        """
        sent = await read(request, models.Reassign)
        view = await self._view(request.match_info["approval"], caller)
        to = await self._meant("to", sent.to)
        person = caller.person if sent.person is None else await self._meant("person", sent.person)
        await self._engine.reassign(
            view.run.id,
            view.suspension.n,
            person.id,
            to.id,
            caller.person.id,
            door=Door.API,
            reason=sent.reason,
            via_token=self._via(caller),
            as_admin=caller.as_admin,
        )
        # Whoever has handed their seat on may not be one of those who read it any more.
        after = await self._engine.peek(view.run.id, view.suspension.n) or view
        return await self._asked(after, caller, f"{to.name} is asked now instead of {person.name}.", again=False)

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/snooze",
        scope="decide",
        takes=models.Snooze,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAnApprover, SelfApproval, Closed, NotWaiting, RunFinished),
    )
    async def snooze(self, request: web.Request, caller: Caller) -> web.Response:
        """Remind the caller of nothing until then.

        For who is asked. Deadlines go on.
        """
        sent = await read(request, models.Snooze)
        view = await self._view(request.match_info["approval"], caller)
        await self._engine.snooze(
            view.run.id, view.suspension.n, caller.person.id, sent.until, door=Door.API, via_token=self._via(caller)
        )
        said = "You are reminded again." if sent.until is None else "You hear nothing of it until then."
        return await self._asked(view, caller, said)

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/questions",
        scope="decide",
        takes=models.Ask,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAnApprover, NotAllowed, Closed, NotWaiting, RunFinished),
    )
    async def ask_question(self, request: web.Request, caller: Caller) -> web.Response:
        """Ask the requester something first.

        For who is asked. The flow says whether the clock stands still until it is answered.
        """
        sent = await read(request, models.Ask)
        view = await self._view(request.match_info["approval"], caller)
        await self._engine.ask(
            view.run.id, view.suspension.n, caller.person.id, sent.text, door=Door.API, via_token=self._via(caller)
        )
        return await self._asked(view, caller, "The requester is told.")

    @ENDPOINTS(
        "POST",
        "/approvals/{approval}/answer",
        scope="start",
        takes=models.AnswerQuestions,
        gives={200: models.Asked},
        refuses=(UnknownSuspension, NotAllowed, Closed, NotWaiting, RunFinished),
    )
    async def answer_questions(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer the questions that are open.

        For who started the run, the flow's owner and admins.
        """
        sent = await read(request, models.AnswerQuestions)
        view = await self._view(request.match_info["approval"], caller)
        await self._engine.answer(
            view.run.id,
            view.suspension.n,
            caller.person.id,
            sent.text,
            door=Door.API,
            via_token=self._via(caller),
            as_admin=caller.as_admin,
        )
        return await self._asked(view, caller, "Who has asked is told.")

    async def _asked(self, view: SuspensionView, caller: Caller, detail: str, *, again: bool = True) -> web.Response:
        """``again``: read it again, as it is now."""
        now = await self._engine.peek(view.run.id, view.suspension.n) if again else view
        view = now or view
        body = models.Asked(detail=detail, approval=self._shown(view, caller), run_status=run_status(view.run))
        return reply(body)

    # -- standing in --------------------------------------------------------------------------------------------

    @ENDPOINTS("GET", "/delegations", scope="read", query=models.ListDelegations, gives={200: models.Delegations})
    async def list_delegations(self, request: web.Request, caller: Caller) -> web.Response:
        """Who answers for whom: what somebody has handed over, and what was handed over to them."""
        query = queried(request, models.ListDelegations)
        person = caller.person
        if query.person != "me":
            person = await self._meant("person", query.person)
            if person.id != caller.person.id and not (caller.as_admin and self._people.is_admin(caller.person.id)):
                raise NotAllowed("Only an admin may list what somebody else has handed over.")
        found = await self._engine.delegations(person.id)
        return reply(models.Delegations(items=[await self._delegation(one) for one in found]))

    @ENDPOINTS(
        "POST",
        "/delegations",
        scope="decide",
        takes=models.Delegate,
        gives={201: models.Delegation},
        refuses=(UnknownFlow, NotAllowed),
    )
    async def delegate(self, request: web.Request, caller: Caller) -> web.Response:
        """Let somebody answer for somebody else, for some days.

        For oneself, or for somebody else by an admin. Never in a circle, and never so that somebody decides their own
        request.
        """
        sent = await read(request, models.Delegate)
        delegate = await self._meant("delegate", sent.delegate)
        person = caller.person if sent.person is None else await self._meant("person", sent.person)
        starts, ends = stretch(sent.starts, sent.until, zone_named(person.tz))
        made = await self._engine.delegate(
            person.id, delegate.id, starts, ends, tuple(sent.flows), by=caller.person.id, as_admin=caller.as_admin
        )
        self._on_delegated(made, None)
        return reply(await self._delegation(made), status=201)

    @ENDPOINTS(
        "DELETE", "/delegations/{delegation}", scope="decide", gives={200: models.Delegation}, refuses=(NotAllowed,)
    )
    async def end_delegation(self, request: web.Request, caller: Caller) -> web.Response:
        """End one early.

        For who gave it, who got it, and admins. What was decided by it stands.
        """
        number = self._engine.ids.parse_delegation(request.match_info["delegation"])
        if number is None:
            raise NotAllowed("There is no such delegation of yours.")
        ended = await self._engine.end_delegation(number, caller.person.id, as_admin=caller.as_admin)
        self._on_delegated(ended, caller.person)
        return reply(await self._delegation(ended))

    async def _delegation(self, delegation: Delegation) -> models.Delegation:
        ids = dict.fromkeys((delegation.person, delegation.delegate, delegation.made_by))
        persons = {one: await self._people.by_id(one) or Person(one, "somebody") for one in ids}
        return delegation_body(delegation, persons, self._engine.ids)

    async def _meant(self, field: str, who: str) -> Person:
        """Whom a body names. Raises ``InvalidForm`` where nobody can be asked by that, ``TryAgain``."""
        number = self._engine.ids.parse_person(who)
        if number is None:
            try:
                handle = normalise(who)
            except InvalidHandle as error:
                raise InvalidForm({field: str(error)}) from None
            roster = await self._people.resolve([handle])
            if handle not in roster.people:
                raise InvalidForm({field: f"cannot be asked: {roster.gaps.get(handle, 'it is a group')}."})
            number = roster.people[handle]
        person = await self._people.by_id(number)
        if person is None:
            raise InvalidForm({field: "is nobody's id."})
        return person

    # -- effects ------------------------------------------------------------------------------------------------

    @ENDPOINTS("GET", "/people", scope="admin", query=models.FindPerson, gives={200: models.KnownPerson})
    async def find_person(self, request: web.Request, caller: Caller) -> web.Response:
        """Somebody who is known by a handle, and everything else that they are known by. For admins."""
        self._check_admin(caller)
        query = queried(request, models.FindPerson)
        return reply(await self._known_person("handle", query.handle))

    @ENDPOINTS("POST", "/people/merge", scope="admin", takes=models.MergePeople, gives={200: models.KnownPerson})
    async def merge_people(self, request: web.Request, caller: Caller) -> web.Response:
        """Let two people be one human from now on. For admins.

        What is open is recounted: where both have decided, one of their decisions counts. It cannot be undone.
        """
        self._check_admin(caller)
        sent = await read(request, models.MergePeople)
        kept, gone = await self._person("keep", sent.keep), await self._person("gone", sent.gone)
        if kept.id == gone.id:
            raise InvalidForm({"gone": f"is {kept.name} already"})
        person = await self._people.merge(kept, gone)
        ids = self._engine.ids
        said = {"kept": ids.person(kept.id), "gone": ids.person(gone.id), "by": ids.person(caller.person.id)}
        log.info("two people were merged", extra=said)
        return reply(await self._known_person("keep", ids.person(person.id)))

    async def _person(self, field: str, handle: str) -> Person:
        try:
            person = await self._people.found(handle)
        except InvalidHandle as error:
            raise InvalidForm({field: str(error)}) from None
        if person is None:
            raise InvalidForm({field: f"nobody is known by {handle}"})
        return person

    async def _known_person(self, field: str, handle: str) -> models.KnownPerson:
        person = await self._person(field, handle)
        return models.KnownPerson(
            id=self._engine.ids.person(person.id),
            name=person.name,
            email=person.email,
            slack=person.slack,
            tz=person.tz,
            handles=list(await self._people.handles(person)),
            admin=self._people.is_admin(person.id),
        )

    def _check_admin(self, caller: Caller) -> None:
        if not self._people.is_admin(caller.person.id):
            raise NotAllowed("Only an admin may do this.")

    @ENDPOINTS("GET", "/effects", scope="admin", gives={200: models.Effects})
    async def list_effects(self, _request: web.Request, caller: Caller) -> web.Response:
        """The parked effects: what only a person can help."""
        parked = await self._engine.parked(caller.person.id)
        return reply(models.Effects(items=[effect_body(effect, self._engine.ids) for effect in parked]))

    @ENDPOINTS("POST", "/effects/{effect}/retry", scope="admin", gives={200: models.Freed}, refuses=(UnknownEffect,))
    async def retry_effect(self, request: web.Request, caller: Caller) -> web.Response:
        """Perform a parked effect again."""
        effect = self._effect_id(request)
        await self._engine.retry(effect, caller.person.id)
        return reply(models.Freed(id=self._engine.ids.effect(effect), status="retried"))

    @ENDPOINTS("POST", "/effects/{effect}/skip", scope="admin", gives={200: models.Freed}, refuses=(UnknownEffect,))
    async def skip_effect(self, request: web.Request, caller: Caller) -> web.Response:
        """Give up on a parked effect."""
        effect = self._effect_id(request)
        await self._engine.skip(effect, caller.person.id, via_token=self._via(caller))
        return reply(models.Freed(id=self._engine.ids.effect(effect), status="skipped"))

    def _via(self, caller: Caller) -> str:
        """Which token acted, and who issued it: for the ledger."""
        return f"{self._engine.ids.token(caller.token.id)} issued by {caller.token.issued_by}"

    def _effect_id(self, request: web.Request) -> int:
        effect = self._engine.ids.parse_effect(request.match_info["effect"])
        if effect is None:
            raise UnknownEffect
        return effect


class _Listing(Protocol):
    def __call__(self, *, limit: int, offset: int) -> Awaitable[list[SuspensionView]]: ...


def _unheard(_delegation: Delegation, _ended_by: Person | None) -> None:
    """Nobody is told where Slack is not connected."""


async def _nothing(*, limit: int, offset: int) -> list[SuspensionView]:  # noqa: ARG001 -- a _Listing of whom nobody knows
    return []


def _refused(id_: str, error: FlowError, view: SuspensionView | None = None) -> models.Item:
    closing = view.suspension.closing if view is not None else None
    body = problem_body(error, closed=closing.how if closing else None)
    return models.Item(id=id_, ok=False, counted=False, detail=body.detail, run_status=None, problem=body)
