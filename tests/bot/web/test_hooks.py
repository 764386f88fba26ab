"""Webhooks at their door: what is not signed learns nothing, what is signed is read, and each answer says what came of it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.triggers import Starter
from bot.web.hooks import Hooks
from bot.web.server import MAX_BODY
from flows.definition import Approval, Flow, Step
from flows.errors import TryAgain
from flows.signatures import HookKeys, Scheme, signature
from flows.store.connection import StoreError

KEYS = HookKeys(["a key of the webhooks that is long enough"])
JSON = "application/json"
NOTE = Step(id="note", uses="log", with_={"message": "hello"})
SEEN = Flow(
    flow="seen",
    owner="ann@example.com",
    inputs=[{"name": "what", "type": "json"}],
    steps=[NOTE],
    triggers=[
        {"webhook": "body", "inputs": {"what": {"b": "{{ request.body }}"}}},
        {"webhook": "rest", "inputs": {"what": {"h": "{{ request.headers }}", "q": "{{ request.query }}"}}},
        {"webhook": "some", "if": "request.body.n > 1", "inputs": {"what": "{{ request.body.n }}"}},
    ],
)
STRICT = Flow(
    flow="strict",
    owner="ann@example.com",
    inputs=[{"name": "days", "type": "integer", "max": 30}, {"name": "who", "type": "email"}],
    steps=[NOTE],
    triggers=[{"webhook": "in", "inputs": {"days": "{{ request.body.days }}", "who": "{{ request.body.who }}"}}],
)
NEVER = Flow(
    flow="never",
    owner="ann@example.com",
    steps=[Step(id="gate", approval=Approval(approvers=("ann@example.com",)))],
    triggers=[{"webhook": "in"}],
)


class Sender:
    """A machine that posts to the bot, signed or not."""

    def __init__(self, world: Any, client: TestClient[Any, Any]) -> None:
        self.world = world
        self.client = client

    async def send(
        self, path: str, body: bytes = b"{}", kind: str | None = JSON, **headers: str
    ) -> tuple[int, Any, Any]:
        """Send what has the signature of the webhook at ``path``; ``headers`` are laid over the right ones."""
        flow, _, hook = path.partition("?")[0].partition("/")
        given = {"X-Signoff-Signature": signature(KEYS.secret(flow, hook), body, self.world.clock.now())}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.raw(f"/hooks/{path}", body, {**given, **({"Content-Type": kind} if kind else {})})

    async def raw(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any, Any]:
        # Whatever aiohttp would add by itself is left out.
        skip = {"Content-Type", "User-Agent", "Accept", "Accept-Encoding"} - set(headers)
        async with self.client.post(path, data=io.BytesIO(body), headers=headers, skip_auto_headers=skip) as response:
            return response.status, await response.json(content_type=None), dict(response.headers)

    async def runs(self) -> list[tuple[str, Any]]:
        """The runs that were started, oldest first: flow and inputs."""

        def read(connection: Any, _: object) -> list[tuple[str, Any]]:
            rows = connection.execute(
                "SELECT d.flow, r.inputs FROM runs r JOIN definitions d ON d.id = r.definition ORDER BY r.id"
            )
            return [(flow, json.loads(inputs or "{}")) for flow, inputs in rows]

        return await self.world.store.read(read)


@pytest.fixture
async def sender(world) -> AsyncIterator[Sender]:
    flows = (SEEN, STRICT, NEVER)
    await world.engine.use(flows)
    starter = Starter(world.store, world.engine, world.people, world.clock)
    await starter.use(flows)
    app = world.app(routes=Hooks(starter, KEYS, world.clock).routes())
    async with TestClient(TestServer(app)) as client:
        yield Sender(world, client)


# -- who may send ---------------------------------------------------------------------------------------------


async def test_s1_what_is_not_signed_is_answered_alike_and_starts_nothing(sender):
    now = sender.world.clock.now()
    right = signature(KEYS.secret("seen", "body"), b"{}", now)
    others = HookKeys(["somebody else's key, which is long enough too"])
    github = hmac.new(KEYS.secret("seen", "body").encode(), b"{}", hashlib.sha256).hexdigest()
    attempts = [
        ("seen/body", {}),
        ("seen/body", {"X-Signoff-Signature": "nonsense"}),
        ("seen/body", {"X-Signoff-Signature": signature(others.secret("seen", "body"), b"{}", now)}),
        ("seen/body", {"X-Signoff-Signature": signature(KEYS.secret("seen", "some"), b"{}", now)}),
        ("seen/body", {"X-Signoff-Signature": signature(KEYS.secret("seen", "body"), b"[]", now)}),
        (
            "seen/body",
            {"X-Signoff-Signature": signature(KEYS.secret("seen", "body"), b"{}", now - timedelta(minutes=6))},
        ),
        ("seen/body", {"X-Hub-Signature-256": f"sha256={github}", "X-GitHub-Delivery": "d"}),
        ("seen/other", {"X-Signoff-Signature": right}),
        ("nobody/body", {"X-Signoff-Signature": right}),
        ("seen/gone", {"X-Signoff-Signature": signature(KEYS.secret("seen", "gone"), b"{}", now)}),
        ("gone/body", {"X-Signoff-Signature": signature(KEYS.secret("gone", "body"), b"{}", now)}),
        ("SEEN/body", {"X-Signoff-Signature": signature(KEYS.secret("SEEN", "body"), b"{}", now)}),
        ("seen/a%2Fb", {"X-Signoff-Signature": right}),
    ]

    answers = [
        await sender.raw(f"/hooks/{path}", b"{}", {**headers, "Content-Type": JSON}) for path, headers in attempts
    ]

    assert {(status, json.dumps(body, sort_keys=True)) for status, body, _ in answers} == {
        (404, json.dumps(answers[0][1], sort_keys=True))
    }
    assert {tuple(sorted(set(headers) - {"Date"})) for _, _, headers in answers} == {
        tuple(sorted(set(answers[0][2]) - {"Date"}))
    }
    assert await sender.runs() == []


async def test_s2_the_log_says_why_of_a_webhook_that_is_there(sender, caplog):
    caplog.set_level("INFO", logger="bot.web.hooks")

    await sender.raw("/hooks/seen/body", b"{}", {})
    await sender.raw("/hooks/nobody/body", b"{}", {})

    (told,) = [record for record in caplog.records if record.message == "a webhook was refused"]
    assert (told.flow, told.error) == ("seen", "neither X-Signoff-Signature nor X-Hub-Signature-256 is there")


async def test_s1_an_unsigned_body_is_not_parsed(sender):
    nested = b"[" * 200_000

    unsigned = await sender.raw("/hooks/seen/body", nested, {"Content-Type": JSON})
    signed = await sender.send("seen/body", nested)

    assert unsigned[0] == 404
    assert (signed[0], signed[1]["type"]) == (400, "urn:signoff:problem:bad-request")


async def test_s1_nothing_but_a_post_is_taken(sender):
    for path in ("/hooks/seen/body", "/hooks/nobody/body"):
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            async with sender.client.request(method, path) as response:
                assert response.status == 405
    assert await sender.runs() == []


async def test_p11_a_body_that_is_too_large_is_refused(sender):
    status, body, _ = await sender.send("seen/body", b'"' + b"a" * MAX_BODY + b'"')

    assert (status, body["type"]) == (413, "urn:signoff:problem:too-large")
    assert await sender.runs() == []


async def test_a_body_that_is_packed_is_refused_before_it_is_unpacked(sender):
    status, body, _ = await sender.send("seen/body", b"{}", Content_Encoding="gzip")

    assert (status, body["type"]) == (415, "urn:signoff:problem:unsupported-body")


# -- what comes of it -----------------------------------------------------------------------------------------


async def test_what_is_signed_starts_a_run_in_the_owners_name(sender):
    status, body, _ = await sender.send("seen/body", b'{"a": [1, null]}')

    run = sender.world.engine.ids.parse_run(body["run"])
    ann = (await sender.world.person("ann")).id
    assert (status, set(body)) == (202, {"run"})
    assert (await sender.world.engine.run(run, ann)).run.requester == ann
    assert await sender.runs() == [("seen", {"what": {"b": {"a": [1, None]}}})]


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (JSON, b'"text"', "text"),
        ("application/vnd.api+json; charset=utf-8", b"[1]", [1]),
        ("application/x-www-form-urlencoded", b"a=1&b=x+y&b=%C3%A9&c=", {"a": "1", "b": ["x y", "\u00e9"], "c": ""}),
        ("text/plain", "gr\u00fcn".encode(), "gr\u00fcn"),
        ("text/plain; charset=iso-8859-1", "gr\u00fcn".encode("latin-1"), "gr\u00fcn"),
        (None, b"plain", "plain"),
    ],
)
async def test_p2_a_body_is_read_as_json_as_a_form_or_as_text(sender, kind, body, expected):
    assert (await sender.send("seen/body", body, kind))[0] == 202
    assert await sender.runs() == [("seen", {"what": {"b": expected}})]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (JSON, b"{", 400),
        (JSON, b'{"a": NaN}', 400),
        (JSON, b"\xff", 400),
        (JSON, b"[" * 150 + b"]" * 150, 400),
        (JSON, b"1" * 5000, 400),
        ("text/plain", b"\xff\xfe\xfa", 400),
        ("application/x-www-form-urlencoded", b"a=%ff", 400),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(1001)), 400),
        ("application/octet-stream", b"\x00\x01", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("text/plain; charset=rot13", b"abc", 415),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_and_starts_nothing(sender, kind, body, status):
    answer = await sender.send("seen/body", body, kind)

    assert (answer[0], answer[1]["status"]) == (status, status)
    assert await sender.runs() == []


async def test_headers_and_query_can_be_read_and_what_proves_the_sender_cannot(sender):
    answer = await sender.send(
        "seen/rest?a=1&b=2&b=3", X_Kind="push", Authorization="Bearer sgn_secret", Cookie="session=1", X_Raw="\u00e9"
    )

    ((_, inputs),) = await sender.runs()
    assert answer[0] == 202
    assert inputs["what"]["q"] == {"a": "1", "b": ["2", "3"]}
    assert inputs["what"]["h"]["x-kind"] == "push"
    assert inputs["what"]["h"]["content-type"] == JSON
    assert not {"authorization", "cookie", "x-signoff-signature"} & set(inputs["what"]["h"])


async def test_a_condition_that_does_not_hold_starts_nothing_and_says_so(sender):
    assert (await sender.send("seen/some", b'{"n": 1}'))[:2] == (200, {"run": None})
    assert (await sender.send("seen/some", b'{"n": 2}'))[0] == 202
    assert await sender.runs() == [("seen", {"what": 2})]


async def test_what_does_not_fit_is_said_of_all_inputs_at_once(sender):
    status, body, headers = await sender.send("strict/in", b'{"days": 31, "who": "nobody"}')

    assert (status, headers["Content-Type"].partition(";")[0]) == (422, "application/problem+json")
    assert (body["type"], set(body["fields"])) == ("urn:signoff:problem:invalid-form", {"days", "who"})
    assert await sender.runs() == []


async def test_what_cannot_be_rendered_is_said_by_its_place(sender):
    status, body, _ = await sender.send("strict/in", b"[]")

    assert (status, list(body["fields"])) == (422, ["inputs.days"])


async def test_a_refused_delivery_is_not_remembered_and_may_come_again_better(sender):
    async def send(body: bytes) -> tuple[int, Any, Any]:
        signed = signature(KEYS.secret("strict", "in"), body, sender.world.clock.now(), "d-1")
        return await sender.send("strict/in", body, X_Signoff_Signature=signed, X_Signoff_Delivery="d-1")

    refused = await send(b'{"days": 99, "who": "ann@example.com"}')
    taken = await send(b'{"days": 9, "who": "ann@example.com"}')
    again = await send(b'{"days": 9, "who": "ann@example.com"}')

    assert (refused[0], taken[0], again[1]) == (422, 202, taken[1])
    assert "Idempotent-Replayed" not in taken[2]
    assert again[2]["Idempotent-Replayed"] == "true"
    assert len(await sender.runs()) == 1


async def test_r3_the_same_delivery_twice_at_once_starts_one_run(sender):
    answers = await asyncio.gather(*(sender.send("seen/body", b"1") for _ in range(20)))

    assert {status for status, _, _ in answers} == {202}
    assert len({body["run"] for _, body, _ in answers}) == 1
    assert sum("Idempotent-Replayed" not in headers for _, _, headers in answers) == 1
    assert len(await sender.runs()) == 1


async def test_a_delivery_is_forgotten_after_thirty_days(sender):
    secret = KEYS.secret("seen", "body", Scheme.GITHUB)
    made = hmac.new(secret.encode(), b"1", hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={made}", "X-GitHub-Delivery": "d-1", "Content-Type": JSON}

    first = await sender.raw("/hooks/seen/body", b"1", headers)
    sender.world.clock.advance("29d")
    await sender.send("seen/body", b"2")
    within = await sender.raw("/hooks/seen/body", b"1", headers)
    sender.world.clock.advance("2d")
    await sender.send("seen/body", b"3")
    after = await sender.raw("/hooks/seen/body", b"1", headers)

    assert within[1] == first[1]
    assert after[1] != first[1]


async def test_what_is_wrong_with_the_flow_is_its_owners_to_know(sender, caplog):
    status, body, _ = await sender.send("never/in")

    assert (status, body["type"]) == (409, "urn:signoff:problem:cannot-start")
    assert "ann@" not in json.dumps(body)
    assert [r.message for r in caplog.records if r.name == "bot.web.hooks"] == ["a webhook could not start its flow"]
    assert await sender.runs() == []


async def test_r17_while_the_directory_does_not_answer_the_sender_is_to_come_back(sender, monkeypatch):
    async def resolve(_handles: object, **_: object) -> Any:
        raise TryAgain("Slack does not answer right now. Nothing was recorded; please try again.")

    before = await sender.send("seen/body", b"0")
    monkeypatch.setattr(sender.world.people, "resolve", resolve)
    refused = await sender.send("seen/body", b"1")
    repeated = await sender.send("seen/body", b"0")
    monkeypatch.undo()
    again = await sender.send("seen/body", b"1")

    assert (refused[0], refused[2]["Retry-After"]) == (503, "5")
    assert repeated[:2] == before[:2]
    assert again[0] == 202


async def test_r17_while_the_disk_is_full_the_sender_is_to_come_back_and_then_it_starts_once(sender, monkeypatch):
    async def full(_start: object) -> Any:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(sender.world.store, "start", full)
    refused = await sender.send("seen/body", b"1")
    monkeypatch.undo()
    taken = await sender.send("seen/body", b"1")

    assert (refused[0], refused[1]["type"], refused[2]["Retry-After"]) == (503, "urn:signoff:problem:storage", "30")
    assert (taken[0], "Idempotent-Replayed" in taken[2]) == (202, False)
