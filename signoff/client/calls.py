"""What the client says and understands, without a socket: the one core under both clients.

A call is a generator. It yields what has to be done outside (send a request, let time pass) and is sent what came of
it; where no answer came, ``Unreachable`` is thrown into it. ``Client`` and ``AsyncClient`` only drive it.

A request that changes something is sent once. The exception is a start: it carries an Idempotency-Key, and so is sent
again until the server has answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter, ValidationError

from signoff.client.answers import (
    Answer,
    Approval,
    Asked,
    Decided,
    Delegation,
    Effect,
    Item,
    Json,
    KnownPerson,
    Links,
    Problem,
    Run,
    RunStatus,
)
from signoff.client.errors import NoId, NotUnderstood, StillGoing, Unavailable, Unreachable, refused

Verdict = Literal["approve", "reject", "resume", "withdraw"]
Until = Literal["ended", "waiting"]

T = TypeVar("T")
A = TypeVar("A", bound=BaseModel)

_ROOT = "api/v1"
_PAGE = 200  # items of a listing at a time: the most that the API gives
_STARTS = 3  # how often a start is sent before it is given up
_PAUSE = timedelta(milliseconds=300)  # before the second time; three times as long before each further one
_FIRST_LOOK, _SLOWEST_LOOK = timedelta(milliseconds=200), timedelta(seconds=5)
_PATIENCE = 20  # looks in a row that may go unanswered: a good minute, in which a server is restarted


@dataclass(frozen=True, slots=True)
class Send:
    """A request to be sent. ``path`` is below the server's address, and quoted already."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Time to be let pass."""

    duration: timedelta


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``server`` is the address that was asked, for sentences."""

    server: str
    status: int
    reason: str
    content: bytes
    location: str | None = None


Call = Generator[Send | Sleep, Reply | None, T]
"""A call under way; its return value is what the caller gets."""


# -- runs -----------------------------------------------------------------------------------------------------


def start(flow: str, inputs: Mapping[str, Json], key: str, resubmits: str | None) -> Call[RunStatus]:
    pause = _PAUSE
    body = _given(inputs=dict(inputs), resubmits=resubmits)
    for again in range(_STARTS - 1, -1, -1):
        try:
            return (yield from _post(RunStatus, "flows", flow, "runs", body=body, headers={"Idempotency-Key": key}))
        except (Unreachable, Unavailable):
            if not again:
                raise
        yield Sleep(pause)
        pause *= 3
    raise AssertionError("the last try returns or raises")


def get(run: str) -> Call[Run]:
    return (yield from _get(Run, "runs", run))


def wait(run: str, until: Until, timeout: timedelta | None, now: Callable[[], float]) -> Call[Run]:
    """Looks again and again, at first after 0.2 s and then ever more rarely, down to each 5 s."""
    ends = None if timeout is None else now() + timeout.total_seconds()
    pause, missed = _FIRST_LOOK, 0
    seen: Run | None = None
    while True:
        try:
            seen = yield from get(run)
        except (Unreachable, Unavailable):
            missed += 1
            if missed == _PATIENCE:
                raise
        else:
            missed = 0
            if seen.over or (until == "waiting" and not seen.moving):
                return seen
        left = None if ends is None else timedelta(seconds=ends - now())
        if left is not None and left <= timedelta(0):
            how = "has not been seen" if seen is None else f"is {seen.status}"
            raise StillGoing(f"{run} {how}; the time to wait for it is over.", seen)
        yield Sleep(pause if left is None else min(pause, left))
        pause = min(pause * 2, _SLOWEST_LOOK)


def pause(run: str) -> Call[RunStatus]:
    return (yield from _post(RunStatus, "runs", run, "pause"))


def resume(run: str) -> Call[RunStatus]:
    return (yield from _post(RunStatus, "runs", run, "resume"))


def cancel(run: str, reason: str | None) -> Call[RunStatus]:
    return (yield from _post(RunStatus, "runs", run, "cancel", body=_given(reason=reason)))


def links(run: str, person: str, step: str | None, whole_run: bool) -> Call[Links]:
    if whole_run == (step is not None):
        raise ValueError("links takes either step= or whole_run=True")
    about: dict[str, Json] = {"whole_run": True} if whole_run else {"step": step}
    return (yield from _post(Links, "runs", run, "links", body={"person": person, **about}))


# -- approvals ------------------------------------------------------------------------------------------------


def approvals(approver: str | None) -> Call[list[Approval]]:
    query = _given(status="pending", approver=approver)
    items: list[Approval] = []
    offset: int | None = 0
    while offset is not None:
        page = yield from _get(_Page, "approvals", query={**query, "limit": str(_PAGE), "offset": str(offset)})
        items.extend(_checked(Approval, item) for item in page.items)
        # A server that counts backwards would keep us here for ever.
        offset = page.next_offset if page.next_offset is not None and page.next_offset > offset else None
    return items


def approval(approval: str) -> Call[Approval]:
    return (yield from _get(Approval, "approvals", approval))


def decide(
    approval: str | Approval,
    verdict: Verdict,
    *,
    comment: str | None,
    form: Mapping[str, Json] | None,
    option: str | None,
) -> Call[Decided]:
    body = _given(verdict=verdict, comment=comment, form=form, option=option)
    if isinstance(approval, Approval):
        body["digest"] = approval.digest
        approval = approval.id
    return (yield from _post(Decided, "approvals", approval, "decisions", body=body))


def decide_many(
    ids: Sequence[str],
    verdict: Verdict,
    *,
    comment: str | None,
    form: Mapping[str, Json] | None,
    option: str | None,
) -> Call[list[Item]]:
    body = _given(ids=list(ids), verdict=verdict, comment=comment, form=form, option=option)
    answered = yield from _post(_Items, "approvals", "decisions", body=body)
    if [item.id for item in answered.items] != list(ids):
        raise NotUnderstood("The server did not answer for each id; look what became of them before you repeat it.")
    return list(answered.items)


def drop(approval: str, reason: str) -> Call[RunStatus]:
    return (yield from _post(RunStatus, "approvals", approval, "drop", body={"reason": reason}))


# -- people ---------------------------------------------------------------------------------------------------


def person(handle: str) -> Call[KnownPerson]:
    return (yield from _get(KnownPerson, "people", query={"handle": handle}))


def merge_people(keep: str, gone: str) -> Call[KnownPerson]:
    return (yield from _post(KnownPerson, "people", "merge", body={"keep": keep, "gone": gone}))


def nudge(approval: str) -> Call[Asked]:
    return (yield from _post(Asked, "approvals", approval, "nudge"))


def reassign(approval: str, to: str, person: str | None, reason: str | None) -> Call[Asked]:
    body = _given(to=to, person=person, reason=reason)
    return (yield from _post(Asked, "approvals", approval, "reassign", body=body))


def snooze(approval: str, until: datetime | None) -> Call[Asked]:
    body = {"until": None if until is None else until.isoformat()}
    return (yield from _post(Asked, "approvals", approval, "snooze", body=body))


def ask(approval: str, text: str) -> Call[Asked]:
    return (yield from _post(Asked, "approvals", approval, "questions", body={"text": text}))


def answer(approval: str, text: str) -> Call[Asked]:
    return (yield from _post(Asked, "approvals", approval, "answer", body={"text": text}))


# -- standing in ----------------------------------------------------------------------------------------------


def delegations(person: str) -> Call[list[Delegation]]:
    page = yield from _get(_Page, "delegations", query={"person": person})
    return [_checked(Delegation, item) for item in page.items]


def delegate(delegate: str, starts: date, until: date, flows: Sequence[str], person: str | None) -> Call[Delegation]:
    days: dict[str, Json] = {"starts": starts.isoformat(), "until": until.isoformat(), "flows": list(flows)}
    body = _given(delegate=delegate, person=person) | days
    return (yield from _post(Delegation, "delegations", body=body))


def end_delegation(delegation: str) -> Call[Delegation]:
    return _checked(Delegation, (yield from _send("DELETE", ("delegations", delegation))))


# -- effects --------------------------------------------------------------------------------------------------


def effects() -> Call[list[Effect]]:
    page = yield from _get(_Page, "effects")
    return [_checked(Effect, item) for item in page.items]


def free(effect: str, how: Literal["retry", "skip"]) -> Call[None]:
    yield from _send("POST", ("effects", effect, how), body={})


# -- one request ----------------------------------------------------------------------------------------------


class _Page(Answer):
    items: Sequence[Json]
    next_offset: int | None = None


class _Items(Answer):
    items: Sequence[Item]


def _given(**values: Json) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value is not None}


def _get(model: type[A], *path: str, query: Mapping[str, str] | None = None) -> Call[A]:
    return _checked(model, (yield from _send("GET", path, query=query)))


def _post(
    model: type[A], *path: str, body: Mapping[str, Json] | None = None, headers: Mapping[str, str] | None = None
) -> Call[A]:
    return _checked(model, (yield from _send("POST", path, body=body or {}, headers=headers)))


def _send(
    method: Literal["GET", "POST", "DELETE"],
    path: Sequence[str],
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Json] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Call[Json]:
    content = None if body is None else json.dumps(body, allow_nan=False).encode()
    reply = yield Send(
        method,
        "/".join([_ROOT, *map(_segment, path)]),
        query or {},
        content,
        {**(headers or {}), **({} if content is None else {"Content-Type": "application/json"})},
    )
    assert reply is not None
    return understood(reply)


def understood(reply: Reply) -> Json:
    """What the server says. Raises ``Refused`` where it says no, ``NotUnderstood`` where it is not Signoff."""
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        raise NotUnderstood(f"{reply.server} leads to {reply.location}; use that address itself.")
    try:
        answer = _JSON.validate_json(reply.content or b"null")
    except ValidationError:
        answer = None
        if reply.status < HTTPStatus.BAD_REQUEST:
            raise NotUnderstood(f"What answers at {reply.server} is not Signoff's API.") from None
    if reply.status >= HTTPStatus.BAD_REQUEST:
        raise refused(_problem(reply, answer))
    return answer


def _problem(reply: Reply, answer: Json) -> Problem:
    """What an answer in problem+json says; of a proxy's page, only its status."""
    if reply.status == HTTPStatus.UNAUTHORIZED:
        good = "The token is not good: mistyped, expired or revoked. `signoff token create` makes a new one."
        return Problem(
            status=reply.status, type="urn:signoff:problem:unauthorized", title="Not authorized", detail=good
        )
    given = {name: value for name, value in answer.items() if value is not None} if isinstance(answer, dict) else {}
    try:
        problem = Problem.model_validate({**given, "status": reply.status})
    except ValidationError:
        problem = Problem(status=reply.status)
    if problem.detail or problem.title:
        return problem
    said = f"The server answered {reply.status} {reply.reason}".rstrip() + "."
    return problem.model_copy(update={"detail": said})


_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def _segment(part: str) -> str:
    """One segment of a path, whatever somebody has pasted as an id."""
    if not part.strip("."):
        raise NoId(f"{part!r} is no id.")
    return quote(part, safe="")


def _checked(model: type[A], value: Json) -> A:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the answer"
        raise NotUnderstood(
            f"The server's answer cannot be understood ({where}); are it and this client of one version?"
        ) from None
