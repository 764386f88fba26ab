"""Approvals and holds: what waits, and the answers to it."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Protocol

from aiohttp import web

from bot.web import models
from bot.web.api.room import RUN_OR_STATUS, Room
from bot.web.bearer import Caller
from bot.web.bodies import approval_body, listed_approval_body, run_status
from bot.web.endpoint import Endpoints
from bot.web.replies import page, problem, problem_body, reply
from bot.web.requests import queried, read
from flows.engine import Item
from flows.errors import (
    ChangedSinceShown,
    Closed,
    DecidedByYou,
    FlowError,
    InvalidForm,
    NotAllowed,
    NotAnApprover,
    NotWaiting,
    RunFinished,
    SelfApproval,
    UnknownSuspension,
)
from flows.handles import InvalidHandle
from flows.people import PersonId
from flows.run import Door, Run, Verdict
from flows.views import SuspensionView

MAX_PAGE = 2 * 1024 * 1024
"""Bytes after which a page of a list ends, unless it would be empty."""

_AT_A_TIME = 20  # approvals that are read together: each may come with a MiB that a list does not show
_COUNTED, _TAKEN_BACK = "Your decision is counted.", "Your answer is taken back."

ENDPOINTS = Endpoints()
"""The endpoints, as the methods of ``Approvals`` declare them."""


class Approvals(Room):
    """What waits for people."""

    endpoints = ENDPOINTS

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
        if listed is None:
            return page([], None)
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

    async def _listed(self, query: models.ListApprovals, caller: Caller) -> _Listing | None:
        """What reads the list that is asked for; None: that of somebody who is not known, for whom nothing waits."""
        me = caller.person.id
        if query.approver is not None:
            approver = await self._approver(query.approver, caller)
            return None if approver is None else partial(self._engine.waiting_for, approver)
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
        gives={200: RUN_OR_STATUS},
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


class _Listing(Protocol):
    def __call__(self, *, limit: int, offset: int) -> Awaitable[list[SuspensionView]]: ...


def _refused(id_: str, error: FlowError, view: SuspensionView | None = None) -> models.Item:
    closing = view.suspension.closing if view is not None else None
    body = problem_body(error, closed=closing.how if closing else None)
    return models.Item(id=id_, ok=False, counted=False, detail=body.detail, run_status=None, problem=body)
