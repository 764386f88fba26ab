"""The API's client where the other side misbehaves: nothing is sent twice that must not be, and every end is a sentence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.client import ApiClient, ApiError, ApprovalAnswer, Rejected, Unreachable
from flows.testing import FakeClock

TOKEN = "sgn_0123456789"
RUN: dict[str, Any] = {
    "id": "run_1",
    "status": "running",
    "flow": "expense",
    "requester": {"name": "Ann"},
    "started_at": "2026-01-05T09:00:00Z",
    "since": "said by a newer server",
}
APPROVAL = ApprovalAnswer.model_validate(
    {
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
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class SteppingClock(FakeClock):
    """A clock on which whoever sleeps wakes at once; ``slept`` is how long they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[timedelta] = []

    async def sleep(self, duration: timedelta) -> None:
        self.slept.append(duration)


class Stand:
    """Somebody who answers at the API's address: in turn what it is told to, and the last of it ever after."""

    def __init__(self, *answers: Handler) -> None:
        self._answers = list(answers)
        self.clock = SteppingClock()
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.raw_path))
        self.headers.append(dict(request.headers))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return await answer(request)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ApiClient]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with TestServer(app) as server, ApiClient(str(server.make_url("")), TOKEN, self.clock) as client:
            yield client


def answer(status: int, body: object = None, **headers: str) -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return handler


async def drop(request: web.Request) -> web.StreamResponse:
    """Takes the request and hangs up."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def html(_request: web.Request) -> web.Response:
    return web.Response(text="<h1>It works!</h1>", content_type="text/html")


@pytest.mark.parametrize("failure", [drop, answer(502), answer(503), answer(504)])
async def test_a_start_is_sent_again_under_the_same_key_until_it_is_answered(failure: Handler) -> None:
    stand = Stand(failure, failure, answer(201, RUN))

    async with stand.client() as client:
        run = await client.start("expense", {"what": "x"}, key="k1")

    assert (run.id, run.status) == ("run_1", "running")
    assert stand.requests == [("POST", "/api/v1/flows/expense/runs")] * 3
    assert [headers["Idempotency-Key"] for headers in stand.headers] == ["k1"] * 3
    assert stand.clock.slept == [timedelta(milliseconds=300), timedelta(milliseconds=900)]


@pytest.mark.parametrize(("failure", "error"), [(drop, Unreachable), (answer(503), Rejected)])
async def test_a_start_that_is_never_answered_is_given_up(failure: Handler, error: type[ApiError]) -> None:
    stand = Stand(failure)

    async with stand.client() as client:
        with pytest.raises(error):
            await client.start("expense", {}, key="k1")

    assert len(stand.requests) == 3


async def test_a_start_that_was_refused_is_not_sent_again() -> None:
    stand = Stand(
        answer(
            422,
            {"title": "Some values cannot be taken", "detail": "what: is missing.", "fields": {"what": "is missing."}},
        )
    )

    async with stand.client() as client:
        with pytest.raises(Rejected) as caught:
            await client.start("expense", {}, key="k1")

    assert len(stand.requests) == 1
    assert (str(caught.value), caught.value.fields) == ("Some values cannot be taken:", {"what": "is missing."})


@pytest.mark.parametrize("failure", [drop, answer(503, {"detail": "Please try again."})])
@pytest.mark.parametrize(
    "act",
    [
        lambda client: client.decide(APPROVAL, "approve"),
        lambda client: client.cancel("run_1"),
        lambda client: client.retry("eff_1"),
        lambda client: client.skip("eff_1"),
    ],
    ids=["decide", "cancel", "retry", "skip"],
)
async def test_what_changes_something_is_sent_once(
    failure: Handler, act: Callable[[ApiClient], Awaitable[object]]
) -> None:
    stand = Stand(failure)

    async with stand.client() as client:
        with pytest.raises(ApiError):
            await act(client)

    assert len(stand.requests) == 1


async def test_where_no_answer_came_it_is_said_that_it_may_have_been_done() -> None:
    stand = Stand(drop)

    async with stand.client() as client:
        with pytest.raises(Unreachable, match="not known whether that was done"):
            await client.decide(APPROVAL, "approve")
        with pytest.raises(Unreachable) as caught:
            await client.run("run_1")

    assert "not known" not in str(caught.value)


async def test_where_nobody_listens_the_sentence_says_what_to_look_at() -> None:
    stand = Stand(answer(200, RUN))
    async with stand.client() as client:
        pass  # and now the port is closed

    async with client:
        with pytest.raises(
            Unreachable, match=r"cannot be reached at http://127.0.0.1:\d+/?; is `signoff serve` running"
        ):
            await client.run("run_1")


async def test_a_redirect_is_not_followed_with_the_token() -> None:
    stand = Stand(answer(302, None, Location="https://elsewhere.example.com/"))

    async with stand.client() as client:
        with pytest.raises(Rejected, match=r"leads to https://elsewhere\.example\.com/; set SIGNOFF_PUBLIC_URL"):
            await client.run("run_1")

    assert len(stand.requests) == 1


async def test_a_token_that_is_not_good_is_said_so() -> None:
    stand = Stand(answer(401, {"title": "Not authorized"}))

    async with stand.client() as client:
        with pytest.raises(Rejected, match="SIGNOFF_TOKEN is not good") as caught:
            await client.run("run_1")

    assert TOKEN not in str(caught.value)
    assert stand.headers[0]["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("other", [html, answer(200, {"hello": "world"}), answer(200, None), answer(200, [])])
async def test_what_is_not_signoff_is_recognised(other: Handler) -> None:
    stand = Stand(other)

    async with stand.client() as client:
        with pytest.raises(ApiError, match=r"is not Signoff's API|cannot be understood"):
            await client.run("run_1")


async def test_an_error_without_a_word_is_a_sentence_all_the_same() -> None:
    stand = Stand(answer(500, None))

    async with stand.client() as client:
        with pytest.raises(Rejected, match=r"^The server answered 500 Internal Server Error\.$"):
            await client.run("run_1")


async def test_an_id_cannot_leave_its_place_in_the_address() -> None:
    stand = Stand(answer(200, RUN))

    async with stand.client() as client:
        await client.run("a/../b?c#d%2e")
        with pytest.raises(ApiError, match=r"'\.\.' is no id"):
            await client.run("..")

    assert stand.requests == [("GET", "/api/v1/runs/a%2F..%2Fb%3Fc%23d%252e")]


async def test_what_a_newer_server_says_besides_is_passed_on() -> None:
    stand = Stand(answer(200, RUN))

    async with stand.client() as client:
        run = await client.run("run_1")

    assert run.raw() == RUN


async def test_a_listing_that_never_ends_is_left() -> None:
    stand = Stand(answer(200, {"items": [], "next_offset": 0}))

    async with stand.client() as client:
        assert await client.pending(everyone=True) == []

    assert len(stand.requests) == 1


async def test_the_decision_carries_the_digest_of_what_was_shown() -> None:
    bodies: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response({"counted": True, "detail": "Counted.", "run_status": "running"}, status=201)

    stand = Stand(take)

    async with stand.client() as client:
        await client.decide(APPROVAL, "reject", comment="no")

    assert bodies == [{"verdict": "reject", "comment": "no", "form": {}, "digest": "ab" * 32}]
