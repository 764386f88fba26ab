"""The JSON API, ``/api/v1``: translates requests into calls of the engine, and nothing more.

Who may read and who may decide is the engine's to say. What a token adds is a limit: it acts as its person, within
its scopes, and an admin's rights take the scope ``admin`` and a person who is one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from bot.people import People
from bot.web import models
from bot.web.bearer import Caller, Tokens
from bot.web.bodies import approval_body, effect_body, flow_body, listed_approval_body, run_body
from bot.web.errors import FAULT, Answer, BadRequest, answer_to, sentence
from flows.engine import Engine, Once
from flows.errors import (
    ChangedSinceShown,
    Closed,
    DecidedByYou,
    InvalidForm,
    NotAllowed,
    Refused,
    UnknownEffect,
    UnknownFlow,
    UnknownRun,
    UnknownSuspension,
)
from flows.handles import InvalidHandle
from flows.people import PersonId
from flows.run import Close, Door, Run, Verdict
from flows.views import SuspensionView

Handler = Callable[[web.Request, Caller], Awaitable[web.Response]]
Sent = TypeVar("Sent", bound=models.Request)

ROOT = "/api/v1"
_MAX_KEY = 255

MAX_PROBLEMS = 20
"""Keys of a body of which one answer says what is wrong; nobody mends more at a time, and a body may have 70,000."""

MAX_PAGE = 2 * 1024 * 1024
"""Bytes after which a page of a list ends, unless it would be empty."""

_AT_A_TIME = 20  # approvals that are read together: each may come with a MiB that a list does not show
_SHOWN_NAME = 100  # characters of a field's name, which is the caller's to choose


class Api:
    """The handlers. Whatever they raise is translated by the server's middleware."""

    def __init__(self, engine: Engine, people: People, tokens: Tokens) -> None:
        self._engine = engine
        self._people = people
        self._tokens = tokens

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(f"{ROOT}/flows", self._for("read", self._flows)),
            web.post(f"{ROOT}/flows/{{flow}}/runs", self._for("start", self._start)),
            web.get(f"{ROOT}/runs/{{run}}", self._for("read", self._run)),
            web.post(f"{ROOT}/runs/{{run}}/cancel", self._for("start", self._cancel)),
            web.get(f"{ROOT}/approvals", self._for("read", self._approvals)),
            web.get(f"{ROOT}/approvals/{{approval}}", self._for("read", self._approval)),
            web.post(f"{ROOT}/approvals/{{approval}}/decisions", self._for("decide", self._decide)),
            web.get(f"{ROOT}/effects", self._for("admin", self._effects)),
            web.post(f"{ROOT}/effects/{{effect}}/retry", self._for("admin", self._retry)),
            web.post(f"{ROOT}/effects/{{effect}}/skip", self._for("admin", self._skip)),
        ]

    def _for(self, scope: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            caller = await self._tokens.caller(request.headers.get("Authorization"))
            caller.needs(scope)
            return await handler(request, caller)

        return handle

    # -- flows and runs -----------------------------------------------------------------------------------------

    async def _flows(self, _request: web.Request, _caller: Caller) -> web.Response:
        flows = sorted(self._engine.flows.values(), key=lambda flow: flow.flow)
        return reply(models.Flows(items=[flow_body(flow) for flow in flows]))

    async def _start(self, request: web.Request, caller: Caller) -> web.Response:
        flow = request.match_info["flow"]
        if flow not in self._engine.flows:
            raise UnknownFlow("There is no such flow.")
        sent = await _read(request, models.StartRun)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not (0 < len(key) <= _MAX_KEY and key.isascii() and key.isprintable()):
            raise BadRequest(f"An Idempotency-Key has 1 to {_MAX_KEY} printable ASCII characters.")
        once = Once(caller.token.id, key) if key is not None else None
        run, new = await self._engine.start(flow, caller.person.id, sent.inputs, once=once, via_token=self._via(caller))
        response = reply(await self._told(run.id, caller), status=201)
        response.headers["Location"] = f"{ROOT}/runs/{self._engine.ids.run(run.id)}"
        if not new:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    async def _run(self, request: web.Request, caller: Caller) -> web.Response:
        return reply(await self._run_body(self._run_id(request), caller))

    async def _cancel(self, request: web.Request, caller: Caller) -> web.Response:
        sent = await _read(request, models.CancelRun)
        run = self._run_id(request)
        # Asked first: to somebody who may not read it, it must look as if it did not exist.
        await self._engine.run(run, caller.person.id, as_admin=caller.as_admin)
        await self._engine.cancel(
            run,
            caller.person.id,
            door=Door.API,
            reason=sent.reason,
            via_token=self._via(caller),
            as_admin=caller.as_admin,
        )
        return reply(await self._told(run, caller))

    async def _told(self, run: int, caller: Caller) -> models.Run | models.RunStatusOnly:
        """The run that the caller did something to; what else there is to know of it takes the scope ``read``."""
        body = await self._run_body(run, caller)
        return body if caller.may_read else models.RunStatusOnly(id=body.id, status=body.status)

    async def _run_body(self, run: int, caller: Caller) -> models.Run:
        view = await self._engine.run(run, caller.person.id, as_admin=caller.as_admin)
        return run_body(view, self._engine.ids)

    def _run_id(self, request: web.Request) -> int:
        run = self._engine.ids.parse_run(request.match_info["run"])
        if run is None:
            raise UnknownRun
        return run

    # -- approvals ----------------------------------------------------------------------------------------------

    async def _approvals(self, request: web.Request, caller: Caller) -> web.Response:
        query = _checked(models.ListApprovals, {key: value for key, value in request.query.items() if key in _QUERY})
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
                    return _page(items, query.offset)
                items.append(item)
            if len(views) <= wanted:
                return _page(items, None)
            if len(items) == query.limit:
                return _page(items, query.offset)

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

    async def _approval(self, request: web.Request, caller: Caller) -> web.Response:
        return reply(approval_body(await self._view(request, caller), self._engine.ids))

    async def _decide(self, request: web.Request, caller: Caller) -> web.Response:
        sent = await _read(request, models.Decide)
        view = await self._view(request, caller)
        try:
            run = await self._engine.decide(
                view.run.id,
                view.suspension.n,
                caller.person.id,
                Verdict(sent.verdict),
                door=Door.API,
                comment=sent.comment,
                values=sent.form,
                digest=bytes.fromhex(sent.digest) if sent.digest is not None else None,
                via_token=self._via(caller),
                as_admin=caller.as_admin,
            )
        except DecidedByYou as already:
            now = await self._view(request, caller)
            return reply(self._decided(now, now.run, caller, counted=False, detail=str(already)))
        except (Closed, ChangedSinceShown) as refusal:
            # The caller gets what there is now with it, so that they need not ask again.
            return self._with_view(refusal, await self._view(request, caller), caller)
        now = await self._view(request, caller)
        return reply(self._decided(now, run, caller, counted=True, detail="Your decision is counted."), status=201)

    def _decided(self, view: SuspensionView, run: Run, caller: Caller, *, counted: bool, detail: str) -> models.Decided:
        status = run.ending.outcome.value if run.ending else run.status.value
        return models.Decided.model_validate(
            {
                "counted": counted,
                "detail": detail,
                "approval": self._shown(view, caller),
                "run_status": status,
            }
        )

    def _with_view(self, refusal: Refused, view: SuspensionView, caller: Caller) -> web.Response:
        closing = view.suspension.closing
        return problem(refusal, closed=closing.how if closing else None, approval=self._shown(view, caller))

    def _shown(self, view: SuspensionView, caller: Caller) -> models.Approval | None:
        """The approval, for who may read with this token."""
        return approval_body(view, self._engine.ids) if caller.may_read else None

    async def _view(self, request: web.Request, caller: Caller) -> SuspensionView:
        found = self._engine.ids.parse_suspension(request.match_info["approval"])
        if found is None:
            raise UnknownSuspension
        view = await self._engine.suspension(*found, caller.person.id, as_admin=caller.as_admin)
        if view.step.wait is None:
            raise UnknownSuspension  # a delay: of nobody is anything asked
        return view

    # -- effects ------------------------------------------------------------------------------------------------

    async def _effects(self, _request: web.Request, caller: Caller) -> web.Response:
        parked = await self._engine.parked(caller.person.id)
        return reply(models.Effects(items=[effect_body(effect, self._engine.ids) for effect in parked]))

    async def _retry(self, request: web.Request, caller: Caller) -> web.Response:
        effect = self._effect_id(request)
        await self._engine.retry(effect, caller.person.id)
        return reply(models.Freed(id=self._engine.ids.effect(effect), status="retried"))

    async def _skip(self, request: web.Request, caller: Caller) -> web.Response:
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


async def _nothing(*, limit: int, offset: int) -> list[SuspensionView]:  # noqa: ARG001 -- a _Listing of whom nobody knows
    return []


_QUERY = models.ListApprovals.model_fields.keys()


def reply(body: BaseModel, *, status: int = 200) -> web.Response:
    """A body as JSON."""
    return web.Response(text=body.model_dump_json(), status=status, content_type="application/json")


def _page(items: list[str], offset: int | None) -> web.Response:
    """``models.Approvals``, of items that are written out already: their size has been looked at. ``offset`` is that of
    the page, None for the last one."""
    following = "null" if offset is None else str(offset + len(items))
    return web.Response(
        text=f'{{"items":[{",".join(items)}],"next_offset":{following}}}', content_type="application/json"
    )


def problem(error: Exception, *, closed: Close | None = None, approval: models.Approval | None = None) -> web.Response:
    """An error as problem+json; one that the table does not know is a fault of ours."""
    answer = answer_to(error, closed=closed)
    fields = error.fields if isinstance(error, InvalidForm) else None
    if answer is None:
        return problem_of(FAULT, FAULT.detail or FAULT.title)
    return problem_of(answer, sentence(answer, error), fields=fields, approval=approval)


def problem_of(
    answer: Answer, detail: str, *, fields: dict[str, str] | None = None, approval: models.Approval | None = None
) -> web.Response:
    body = models.Problem(
        type=answer.type, title=answer.title, status=answer.status, detail=detail, fields=fields, approval=approval
    )
    unset = {name for name, value in (("fields", fields), ("approval", approval)) if value is None}
    response = web.Response(
        text=body.model_dump_json(exclude=unset), status=answer.status, content_type="application/problem+json"
    )
    if answer.retry_after is not None:
        response.headers["Retry-After"] = str(int(answer.retry_after.total_seconds()))
    if answer.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="signoff"'
    return response


async def _read(request: web.Request, model: type[Sent]) -> Sent:
    """The body as what it has to be; nothing stands for an empty object. Raises ``BadRequest``, ``InvalidForm``."""
    body = await request.read()
    try:
        document = from_json(body, allow_inf_nan=False) if body.strip() else {}
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    return _checked(model, document)


def _checked(model: type[Sent], document: object) -> Sent:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_PROBLEMS]
        raise InvalidForm({_where(one["loc"])[:_SHOWN_NAME]: f"{one['msg']}." for one in first}) from None


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "body"
