"""The client where the other side misbehaves: nothing is sent twice that must not be, and every end is a sentence.

Each test runs with both clients, over a real socket.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from signoff.client import (
    Approval,
    AsyncClient,
    Client,
    InvalidForm,
    NoId,
    NotAllowed,
    NotFound,
    NotUnderstood,
    Refused,
    SignoffError,
    StillGoing,
    Unauthorized,
    Unavailable,
    Unreachable,
)

TOKEN = "sgn_0123456789"
RUN: dict[str, Any] = {
    "id": "run_1",
    "status": "running",
    "flow": "expense",
    "requester": {"name": "Ann"},
    "started_at": "2026-01-05T09:00:00Z",
    "since": "said by a newer server",
}
SHOWN: dict[str, Any] = {
    "id": "sus_1",
    "run": "run_1",
    "flow": "expense",
    "flow_title": "Expense",
    "step": "ask",
    "step_title": "Ask",
    "kind": "approval",
    "status": "pending",
    "ask": "Pay?",
    "digest": "ab" * 32,
    "requester": {"name": "Ann"},
}
APPROVAL = Approval.model_validate(SHOWN)
DECIDED = {"counted": True, "detail": "Counted.", "run_status": "running"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Act = Callable[[Any], Any]


class Stand:
    """Somebody who answers at the API's address: in turn what they are told to, and the last of it ever after.

    ``call`` lets a client of the kind at hand call them. Its clock stands still but for its own sleeping.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._answers: list[Handler] = []
        self.now = 0.0
        self.slept: list[float] = []
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Any] = []

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.raw_path))
        self.headers.append(dict(request.headers))
        content = await request.read()
        self.bodies.append(json.loads(content) if content else None)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return await answer(request)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def _asleep(self, seconds: float) -> None:
        self._sleep(seconds)

    async def answers(self, act: Act, *answers: Handler) -> Any:
        """What the call comes to when these are the answers."""
        self._answers = list(answers)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with TestServer(app) as server:
            return await self.call(str(server.make_url("")), act)

    async def call(self, url: str, act: Act) -> Any:
        if self._kind == "asyncio":
            async with AsyncClient(url, TOKEN, sleep=self._asleep, now=lambda: self.now) as client:
                return await act(client)

        def wait() -> Any:
            with Client(url, TOKEN, sleep=self._sleep, now=lambda: self.now) as client:
                return act(client)

        return await asyncio.to_thread(wait)


@pytest.fixture(params=["blocking", "asyncio"])
def stand(request: pytest.FixtureRequest) -> Stand:
    return Stand(request.param)


def answer(status: int, body: object = None, **headers: str) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return handler


def problem(status: int, kind: str, **more: object) -> Handler:
    body = {"type": f"urn:signoff:problem:{kind}", "title": "No", "status": status, "detail": "It will not.", **more}
    return answer(status, body)


async def drop(request: web.Request) -> web.StreamResponse:
    """Takes the request and hangs up."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def html(_request: web.Request) -> web.Response:
    return web.Response(text="<h1>It works!</h1>", content_type="text/html")


def test_both_clients_have_the_same_calls_and_say_the_same_of_them() -> None:
    def calls(client: type) -> dict[str, tuple[object, ...]]:
        return {
            name: (inspect.signature(call), call.__doc__)
            for name, call in vars(client).items()
            if inspect.isfunction(call) and not name.startswith("_")
        }

    assert calls(Client) == calls(AsyncClient)
    assert len(calls(Client)) > 15


# -- a start --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [drop, answer(502), answer(503), answer(504)])
async def test_a_start_is_sent_again_under_the_same_key_until_it_is_answered(stand: Stand, failure: Handler) -> None:
    run = await stand.answers(lambda c: c.start("expense", {"what": "x"}), failure, failure, answer(201, RUN))

    assert (run.id, run.status, run.over) == ("run_1", "running", False)
    assert stand.requests == [("POST", "/api/v1/flows/expense/runs")] * 3
    assert stand.bodies == [{"inputs": {"what": "x"}}] * 3
    keys = {headers["Idempotency-Key"] for headers in stand.headers}
    assert len(keys) == 1
    assert len(keys.pop()) >= 20
    assert stand.slept == [0.3, 0.9]


async def test_each_start_has_a_key_of_its_own_unless_it_is_given_one(stand: Stand) -> None:
    for key in (None, None, "build-4711"):
        await stand.answers(lambda c, key=key: c.start("expense", key=key), answer(201, RUN))

    keys = [headers["Idempotency-Key"] for headers in stand.headers]
    assert len(set(keys)) == 3
    assert keys[2] == "build-4711"


@pytest.mark.parametrize(("failure", "error"), [(drop, Unreachable), (answer(503), Unavailable)])
async def test_a_start_that_is_never_answered_is_given_up(
    stand: Stand, failure: Handler, error: type[SignoffError]
) -> None:
    with pytest.raises(error):
        await stand.answers(lambda c: c.start("expense"), failure)

    assert len(stand.requests) == 3


async def test_a_start_that_was_refused_is_not_sent_again(stand: Stand) -> None:
    with pytest.raises(InvalidForm) as caught:
        await stand.answers(
            lambda c: c.start("expense"), problem(422, "invalid-form", fields={"what": "is missing."}), answer(201, RUN)
        )

    assert len(stand.requests) == 1
    assert caught.value.fields == {"what": "is missing."}
    assert caught.value.problem.kind == "invalid-form"


# -- other calls ----------------------------------------------------------------------------------------------

CHANGES: dict[str, Act] = {
    "decide": lambda c: c.decide(APPROVAL, "approve"),
    "decide_many": lambda c: c.decide_many(["sus_1"], "approve"),
    "withdraw": lambda c: c.withdraw("sus_1"),
    "drop": lambda c: c.drop("sus_1", "left"),
    "pause": lambda c: c.pause("run_1"),
    "resume": lambda c: c.resume("run_1"),
    "cancel": lambda c: c.cancel("run_1"),
    "links": lambda c: c.links("run_1", "ann@example.com", whole_run=True),
    "retry": lambda c: c.retry("eff_1"),
    "skip": lambda c: c.skip("eff_1"),
}


@pytest.mark.parametrize("failure", [drop, problem(503, "try-again")])
@pytest.mark.parametrize("act", CHANGES.values(), ids=CHANGES)
async def test_what_changes_something_is_sent_once(stand: Stand, failure: Handler, act: Act) -> None:
    with pytest.raises((Unreachable, Unavailable)):
        await stand.answers(act, failure)

    assert len(stand.requests) == 1


@pytest.mark.parametrize(
    ("act", "path", "body", "said"),
    [
        (lambda c: c.pause("run_1"), "runs/run_1/pause", {}, RUN),
        (lambda c: c.resume("run_1"), "runs/run_1/resume", {}, RUN),
        (lambda c: c.cancel("run_1", reason="no"), "runs/run_1/cancel", {"reason": "no"}, RUN),
        (lambda c: c.drop("sus_1", "left"), "approvals/sus_1/drop", {"reason": "left"}, RUN),
        (lambda c: c.withdraw("sus_1"), "approvals/sus_1/decisions", {"verdict": "withdraw"}, DECIDED),
        (
            lambda c: c.decide("sus_1", "approve", option="half", form={"n": 1}, comment="so"),
            "approvals/sus_1/decisions",
            {"verdict": "approve", "option": "half", "form": {"n": 1}, "comment": "so"},
            DECIDED,
        ),
        (
            lambda c: c.decide(APPROVAL, "reject"),
            "approvals/sus_1/decisions",
            {"verdict": "reject", "digest": "ab" * 32},
            DECIDED,
        ),
        (
            lambda c: c.decide("sus_1", "resume"),
            "approvals/sus_1/decisions",
            {"verdict": "resume"},
            DECIDED,
        ),
        (
            lambda c: c.links("run_1", "ann@example.com", whole_run=True),
            "runs/run_1/links",
            {"person": "ann@example.com", "whole_run": True},
            {"page": "https://x/p/1", "person": {"name": "Ann"}},
        ),
        (
            lambda c: c.links("run_1", "ann@example.com", step="ask"),
            "runs/run_1/links",
            {"person": "ann@example.com", "step": "ask"},
            {"page": "https://x/a/1", "person": {"name": "Ann"}},
        ),
    ],
)
async def test_each_call_says_what_it_means_and_nothing_else(
    stand: Stand, act: Act, path: str, body: object, said: object
) -> None:
    told = await stand.answers(act, answer(200, said))

    assert stand.requests == [("POST", f"/api/v1/{path}")]
    assert stand.bodies == [body]
    assert told.raw() == said


async def test_a_link_is_for_a_step_or_for_the_whole_run(stand: Stand) -> None:
    for given in ({}, {"step": "ask", "whole_run": True}):
        with pytest.raises(ValueError, match="either step= or whole_run=True"):
            await stand.answers(lambda c, given=given: c.links("run_1", "ann", **given), answer(200, RUN))

    assert stand.requests == []


async def test_K4_several_are_decided_in_one_request_and_answered_one_by_one(stand: Stand) -> None:
    items = [
        {"id": "sus_1", "ok": True, "counted": True, "detail": "Counted.", "run_status": "running", "problem": None},
        {
            "id": "sus_2",
            "ok": False,
            "counted": False,
            "detail": "why: is missing.",
            "run_status": None,
            "problem": {
                "type": "urn:signoff:problem:invalid-form",
                "title": "No",
                "status": 422,
                "detail": "why",
                "fields": None,
                "approval": None,
            },
        },
    ]

    told = await stand.answers(
        lambda c: c.decide_many(["sus_1", "sus_2"], "reject", form={"a": 1}, comment="no", option="half"),
        answer(200, {"items": items}),
    )

    assert stand.bodies == [
        {"ids": ["sus_1", "sus_2"], "verdict": "reject", "form": {"a": 1}, "comment": "no", "option": "half"}
    ]
    assert [(item.id, item.ok) for item in told] == [("sus_1", True), ("sus_2", False)]
    assert (told[1].problem.kind, told[1].problem.fields) == ("invalid-form", {})


async def test_a_bulk_answer_that_leaves_one_out_is_not_taken_for_an_answer(stand: Stand) -> None:
    item = {"id": "sus_1", "ok": True, "counted": True, "detail": "Counted.", "run_status": "running", "problem": None}

    with pytest.raises(NotUnderstood, match="did not answer for each id"):
        await stand.answers(lambda c: c.decide_many(["sus_1", "sus_2"], "approve"), answer(200, {"items": [item]}))


async def test_a_list_is_read_to_its_end(stand: Stand) -> None:
    def page(ids: list[str], following: int | None) -> Handler:
        return answer(200, {"items": [{**SHOWN, "id": one} for one in ids], "next_offset": following})

    listed = await stand.answers(lambda c: c.approvals(), page(["sus_1", "sus_2"], 2), page(["sus_3"], None))

    assert [one.id for one in listed] == ["sus_1", "sus_2", "sus_3"]
    assert [path for _, path in stand.requests] == [
        "/api/v1/approvals?status=pending&approver=me&limit=200&offset=0",
        "/api/v1/approvals?status=pending&approver=me&limit=200&offset=2",
    ]


async def test_a_listing_that_never_ends_is_left(stand: Stand) -> None:
    assert await stand.answers(lambda c: c.approvals(None), answer(200, {"items": [], "next_offset": 0})) == []

    assert len(stand.requests) == 1


# -- waiting --------------------------------------------------------------------------------------------------


def stands(status: str) -> Handler:
    ended = {"at": "2026-01-05T10:00:00Z", "reason": "so it is"} if status == "rejected" else None
    return answer(200, {**RUN, "status": status, "ended": ended})


async def test_waiting_looks_ever_more_rarely_until_the_run_has_ended(stand: Stand) -> None:
    run = await stand.answers(lambda c: c.wait("run_1"), *[stands("waiting")] * 7, stands("rejected"))

    assert (run.status, run.over, run.reason) == ("rejected", True, "so it is")
    assert stand.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert set(stand.requests) == {("GET", "/api/v1/runs/run_1")}


@pytest.mark.parametrize("status", ["waiting", "paused", "succeeded"])
async def test_waiting_may_end_where_the_run_waits_too(stand: Stand, status: str) -> None:
    run = await stand.answers(
        lambda c: c.wait("run_1", until="waiting"), stands("queued"), stands("running"), stands(status)
    )

    assert run.status == status
    assert stand.slept == [0.2, 0.4]


async def test_waiting_bears_a_server_that_restarts(stand: Stand) -> None:
    run = await stand.answers(
        lambda c: c.wait("run_1"), drop, answer(502), problem(503, "storage"), stands("succeeded")
    )

    assert run.status == "succeeded"
    assert len(stand.requests) == 4


async def test_waiting_for_a_server_that_is_gone_ends_after_a_minute_and_a_half(stand: Stand) -> None:
    with pytest.raises(Unreachable):
        await stand.answers(lambda c: c.wait("run_1"), drop)

    assert len(stand.requests) == 20
    assert 60 < sum(stand.slept) < 120


async def test_waiting_no_longer_than_asked_for_tells_how_the_run_stands(stand: Stand) -> None:
    with pytest.raises(StillGoing, match="run_1 is waiting") as caught:
        await stand.answers(lambda c: c.wait("run_1", timeout=timedelta(seconds=1)), stands("waiting"))

    assert stand.slept == [0.2, 0.4, pytest.approx(0.4)]
    assert caught.value.run is not None
    assert caught.value.run.status == "waiting"


# -- errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (403, "out-of-scope", NotAllowed),
        (403, "not-an-approver", NotAllowed),
        (404, "not-found", NotFound),
        (409, "closed", Refused),
        (410, "expired", Refused),
        (422, "invalid-form", InvalidForm),
        (422, "key-reused", Refused),
        (503, "try-again", Unavailable),
        (500, "fault", Refused),
    ],
)
async def test_what_the_server_refuses_is_an_exception_that_carries_the_problem(
    stand: Stand, status: int, kind: str, error: type[Refused]
) -> None:
    with pytest.raises(Refused) as caught:
        await stand.answers(lambda c: c.decide("sus_1", "approve"), problem(status, kind, approval=SHOWN))

    assert type(caught.value) is error
    assert str(caught.value) == "It will not."
    assert (caught.value.problem.status, caught.value.problem.kind) == (status, kind)
    assert caught.value.problem.approval == APPROVAL


async def test_where_no_answer_came_it_is_said_that_it_may_have_been_done(stand: Stand) -> None:
    with pytest.raises(Unreachable, match="not known whether that was done") as changing:
        await stand.answers(lambda c: c.decide(APPROVAL, "approve"), drop)
    with pytest.raises(Unreachable) as reading:
        await stand.answers(lambda c: c.get("run_1"), drop)

    assert changing.value.sent
    assert "not known" not in str(reading.value)


async def test_where_nobody_listens_the_sentence_says_where(stand: Stand) -> None:
    port = unused_port()

    with pytest.raises(Unreachable, match=f"cannot be reached at http://127.0.0.1:{port}.") as caught:
        await stand.call(f"http://127.0.0.1:{port}/", lambda c: c.cancel("run_1"))

    assert not caught.value.sent


@pytest.mark.parametrize("url", ["ftp://signoff.example.com", "signoff.example.com", ""])
async def test_an_address_that_is_none_is_said_so(stand: Stand, url: str) -> None:
    with pytest.raises(Unreachable, match="is no address of a server"):
        await stand.call(url, lambda c: c.get("run_1"))


async def test_a_redirect_is_not_followed_with_the_token(stand: Stand) -> None:
    with pytest.raises(NotUnderstood, match=r"leads to https://elsewhere\.example\.com/; use that address itself"):
        await stand.answers(lambda c: c.get("run_1"), answer(302, None, Location="https://elsewhere.example.com/"))

    assert len(stand.requests) == 1


async def test_a_token_that_is_not_good_is_said_so(stand: Stand) -> None:
    with pytest.raises(Unauthorized, match="The token is not good") as caught:
        await stand.answers(lambda c: c.get("run_1"), answer(401, {"title": "Not authorized"}))

    assert TOKEN not in str(caught.value)
    assert stand.headers[0]["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("other", [html, answer(200, {"hello": "world"}), answer(200, None), answer(200, [])])
async def test_what_is_not_signoff_is_recognised(stand: Stand, other: Handler) -> None:
    with pytest.raises(NotUnderstood, match=r"is not Signoff's API|cannot be understood"):
        await stand.answers(lambda c: c.get("run_1"), other)


@pytest.mark.parametrize("body", [None, [], {"detail": 5}, {"fields": "x"}])
async def test_an_error_without_a_word_is_a_sentence_all_the_same(stand: Stand, body: object) -> None:
    with pytest.raises(Refused, match=r"^The server answered 500 Internal Server Error\.$"):
        await stand.answers(lambda c: c.get("run_1"), answer(500, body))


async def test_an_id_cannot_leave_its_place_in_the_address(stand: Stand) -> None:
    await stand.answers(lambda c: c.get("a/../b?c#d%2e"), answer(200, RUN))
    for wrong in ("..", ".", ""):
        with pytest.raises(NoId, match="is no id"):
            await stand.answers(lambda c, wrong=wrong: c.get(wrong), answer(200, RUN))

    assert stand.requests == [("GET", "/api/v1/runs/a%2F..%2Fb%3Fc%23d%252e")]


async def test_a_server_below_a_path_is_asked_there(stand: Stand) -> None:
    seen: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(200, json=RUN)

    async with AsyncClient("https://x.example.com/bot/", TOKEN, transport=httpx2.MockTransport(handle)) as client:
        await client.get("run_1")
    with Client("https://x.example.com/bot", TOKEN, transport=httpx2.MockTransport(handle)) as blocking:
        blocking.get("run_1")

    assert seen == ["https://x.example.com/bot/api/v1/runs/run_1"] * 2


async def test_what_a_newer_server_says_besides_is_passed_on(stand: Stand) -> None:
    run = await stand.answers(lambda c: c.get("run_1"), answer(200, RUN))

    assert run.raw() == RUN


async def test_a_certificate_that_is_not_trusted_is_said_so(stand: Stand) -> None:
    def handle(_request: httpx2.Request) -> httpx2.Response:
        try:
            raise ssl.SSLCertVerificationError("self-signed certificate")
        except ssl.SSLError as error:
            raise httpx2.ConnectError(str(error)) from error

    with (
        Client("https://x.example.com", TOKEN, transport=httpx2.MockTransport(handle)) as client,
        pytest.raises(Unreachable, match="no certificate that this machine trusts"),
    ):
        client.get("run_1")
