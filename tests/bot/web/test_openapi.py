"""The document is right: as OpenAPI, about which routes there are, and about what they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from bot.web import api
from bot.web.openapi import document
from flows.definition import Approval, Callback, Choice, Flow, Hold, Step
from flows.store import outbox

ASKED = Flow(
    flow="asked",
    owner="root@example.com",
    outputs={"chosen": "{{ steps.gate.option }}"},
    steps=[
        Step(
            id="gate",
            approval=Approval(
                ask="Which?",
                approvers=("ann@example.com", "bob@example.com"),
                options=(Choice(name="half", label="Half of it"), Choice(name="whole")),
                reason="reject",
                pre_approval="allow",
                form=[{"name": "note", "type": "string", "required": False}],
            ),
        )
    ],
)
TREE = Flow(
    flow="tree",
    steps=[
        Step(
            id="each",
            for_each=["a", "b"],
            concurrency=2,
            steps=[Step(id="wait", hold=Hold(ask="{{ item }}?"))],
        ),
        Step(id="called", callback=Callback()),
    ],
)

DOCUMENT = document(api.ENDPOINTS, version="1.2.3", server="https://signoff.example.com/api/v1")
OPERATIONS = {
    (method.upper(), path): operation for path, item in DOCUMENT["paths"].items() for method, operation in item.items()
}


async def parked(world: Any) -> str:
    """The id of an effect that only a person can help."""
    run = await world.start("acts")
    ids = await world.store.read(lambda c, _: c.execute("SELECT id FROM effects WHERE run = ?", (run,)).fetchall())
    leased = await world.store.read(lambda c, _: outbox.get(c, ids[0][0]))
    await world.store.park(leased, "the integration is gone")
    return str(world.engine.ids.effect(leased.id))


class Walk:
    """Calls the API, and holds each answer against the document."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.seen: set[tuple[str, str, int]] = set()

    async def __call__(self, method: str, path: str, token: str | None, body: object = None, **headers: str) -> Any:
        status, answer, given = await self.world.api(method, path, token, body, **headers)
        template, operation = described(method, f"/{path.partition('?')[0]}")
        self.check(operation, status, answer, given)
        self.seen.add((method, template, status))
        return answer

    def check(self, operation: Mapping[str, Any], status: int, answer: object, given: Mapping[str, str]) -> None:
        assert str(status) in operation["responses"], f"{operation['operationId']} answered {status}: {answer}"
        response = operation["responses"][str(status)]
        ((media, content),) = response["content"].items()
        assert given["Content-Type"].partition(";")[0] == media
        assert misfits(content["schema"], answer) == []
        for name in ("Location", "Retry-After", "WWW-Authenticate", "Idempotent-Replayed"):
            assert name not in given or name in response["headers"], f"{operation['operationId']}: {name}"


def described(method: str, path: str) -> tuple[str, Mapping[str, Any]]:
    """The operation that serves a path; one without a parameter goes before one with."""
    found = [
        template
        for of, template in OPERATIONS
        if of == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    template = min(found, key=lambda one: one.count("{"))
    return template, OPERATIONS[method, template]


def misfits(schema: Mapping[str, Any], value: object) -> list[str]:
    # With the components beside it, the schema's own references find them.
    whole = {**schema, "components": DOCUMENT["components"]}
    errors = Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(value)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


def test_the_document_is_openapi_3_1():
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_a_wrong_document_is_noticed():
    wrong = {**DOCUMENT, "paths": {"/x/{y}": {"get": {"responses": {"200": {"description": "y is no parameter"}}}}}}

    assert list(OpenAPIV31SpecValidator(wrong).iter_errors()) != []


def test_each_operation_has_a_name_of_its_own_a_summary_and_a_schema_for_each_body():
    names = [operation["operationId"] for operation in OPERATIONS.values()]

    assert len(set(names)) == len(names) == len(list(api.ENDPOINTS))
    assert all(operation["summary"] and operation["description"] for operation in OPERATIONS.values())
    assert all(
        "description" in schema for name, schema in DOCUMENT["components"]["schemas"].items() if name != "JsonValue"
    )


async def test_every_route_of_the_app_is_in_it_and_no_other(world):
    routes = {
        (route.method, route.resource.canonical.removeprefix("/api/v1"))
        for route in world.app().router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/") and route.method != "HEAD"
    }

    assert routes == set(OPERATIONS)


async def test_the_document_is_served_to_whoever_asks_and_names_the_server(world):
    status, body, headers = await world.api("GET", "openapi.json", None)

    assert (status, headers["Content-Type"].partition(";")[0]) == (200, "application/json")
    assert body["servers"] == [{"url": f"{world.public_url}/api/v1"}]
    assert body["paths"] == DOCUMENT["paths"]


async def test_S10_every_operation_takes_the_scope_that_the_document_says(world):
    scopes = {"start", "read", "decide", "links", "admin"}
    ids = {"flow": "alone", "run": "run_0000000000000", "approval": "sus_0000000000000", "effect": "eff_0000000000000"}
    ids["delegation"] = "del_0000000000000"
    asked = 0

    for (method, path), operation in OPERATIONS.items():
        for needs in operation["security"]:
            (scope,) = needs["token"]
            token = await world.token("root", *(scopes - {scope}))
            status, body, _ = await world.api(method, path[1:].format(**ids), token)
            assert (status, body["type"]) == (403, "urn:signoff:problem:out-of-scope"), path
            assert f"scope {scope}" in body["detail"]
            asked += 1

    assert asked == len(OPERATIONS) - 1


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (("POST", "/approvals/{approval}/decisions"), {"verdict": "yes"}),
        (("POST", "/approvals/{approval}/decisions"), {"verdict": "approve", "digest": "x"}),
        (("POST", "/approvals/decisions"), {"ids": [], "verdict": "approve"}),
        (("POST", "/approvals/decisions"), {"ids": ["a"] * 101, "verdict": "approve"}),
        (("POST", "/approvals/{approval}/drop"), {}),
        (("POST", "/runs/{run}/pause"), {"now": True}),
        (("POST", "/runs/{run}/links"), {"whole_run": True}),
    ],
)
def test_what_the_api_refuses_to_read_the_document_refuses_too(operation: tuple[str, str], body: object):
    schema = OPERATIONS[operation]["requestBody"]["content"]["application/json"]["schema"]

    assert misfits(schema, body) != []


async def test_every_answer_of_a_walk_is_as_the_document_says(world):
    await world.engine.use([*world.engine.flows.values(), ASKED, TREE])
    walk = Walk(world)
    req, ann, bob = [await world.token(who) for who in ("req", "ann", "bob")]
    root = await world.token("root", "start", "read", "decide", "links", "admin")
    blind = await world.token("req", "start")

    # What there is.
    await walk("GET", "openapi.json", None)
    await walk("GET", "flows", req)
    await walk("GET", "flows", None)

    # Who answers for whom.
    days = {"starts": "2026-01-05", "until": "2026-01-09"}
    made = await walk("POST", "delegations", bob, {"delegate": "root@example.com", **days})
    await walk("POST", "delegations", bob, {"delegate": "bob@example.com", **days})
    await walk("POST", "delegations", bob, {"delegate": "@nobody", "starts": "soon", "until": "2026-01-09"})
    assert (await walk("GET", "delegations", bob))["items"] == [made]
    await walk("GET", "delegations?person=bob@example.com", ann)
    await walk("DELETE", f"delegations/{made['id']}", ann)
    await walk("DELETE", f"delegations/{made['id']}", bob)

    # A run with options, from its start to its end.
    run = await walk("POST", "flows/asked/runs", req, {"inputs": {}}, Idempotency_Key="k")
    await walk("POST", "flows/asked/runs", req, {"inputs": {}}, Idempotency_Key="k")
    await walk("POST", "flows/asked/runs", req, {"inputs": {"x": 1}}, Idempotency_Key="k")
    await walk("POST", "flows/asked/runs", req, {"inputs": {"x": 1}})
    await walk("POST", "flows/nope/runs", req, {})
    status_only = await walk("POST", "flows/asked/runs", blind, {})
    assert set(status_only) == {"id", "status"}
    (gate,) = run["suspensions"]
    decisions = f"approvals/{gate['id']}/decisions"
    shown = await walk("GET", f"approvals/{gate['id']}", ann)
    assert [option["label"] for option in shown["options"]] == ["Half of it", "Whole"]
    assert [person["email"] for person in shown["waiting_for"]["people"]] == ["ann@example.com", "bob@example.com"]
    await walk("GET", "approvals?approver=me", ann)
    await walk("GET", "approvals?limit=0", ann)
    await walk("GET", "approvals?approver=ann@example.com", req)
    await walk("POST", decisions, ann, {"verdict": "approve"})
    await walk("POST", decisions, ann, {"verdict": "reject"})
    await walk("POST", decisions, req, {"verdict": "approve", "option": "half"})
    await walk("POST", decisions, ann, {"verdict": "withdraw"})
    await walk("POST", decisions, ann, {"verdict": "approve", "option": "half", "digest": "00" * 32})
    await walk("POST", f"runs/{run['id']}/links", root, {"person": "ann@example.com", "step": "gate"})
    await walk("POST", f"runs/{run['id']}/links", root, {"person": "ann@example.com", "whole_run": True})
    await walk("POST", f"runs/{run['id']}/links", root, {"person": "req@example.com", "step": "gate"})
    await walk("POST", f"runs/{run['id']}/links", root, {"person": "ann@example.com", "step": "gaet"})
    for who, verb, body in (
        (ann, "questions", {"text": "Which half?"}),
        (req, "answer", {"text": "The first."}),
        (req, "answer", {"text": "The first."}),
        (req, "nudge", None),
        (req, "nudge", None),
        (ann, "nudge", None),
        (bob, "snooze", {"until": "2026-01-06T09:00:00Z"}),
        (bob, "snooze", {"until": "tomorrow"}),
        (bob, "reassign", {"to": "req@example.com"}),
        (bob, "reassign", {"to": "root@example.com", "reason": "On leave"}),
        (root, "reassign", {"to": "bob@example.com"}),
    ):
        await walk("POST", f"approvals/{gate['id']}/{verb}", who, body)
    asked = await walk("GET", f"approvals/{gate['id']}", ann)
    assert [(one["text"], one["answer"]) for one in asked["questions"]] == [("Which half?", "The first.")]
    await walk("POST", f"runs/{run['id']}/pause", req)
    await walk("POST", f"runs/{run['id']}/pause", req)
    paused = await walk("GET", f"runs/{run['id']}", req)
    assert (paused["status"], paused["paused"]["by"]["name"]) == ("paused", "Req")
    await walk("POST", f"runs/{run['id']}/resume", req)
    await walk("POST", f"runs/{run['id']}/resume", req)
    first = await walk("POST", decisions, ann, {"verdict": "approve", "option": "half", "form": {"note": "yes"}})
    assert first["counted"]
    await walk("POST", decisions, ann, {"verdict": "approve", "option": "half", "form": {"note": "yes"}})
    await walk("POST", decisions, bob, {"verdict": "approve", "option": "half"})
    ended = await walk("GET", f"runs/{run['id']}", req)
    assert (ended["status"], ended["outputs"]) == ("succeeded", {"chosen": "half"})
    assert ended["answered"][0]["closed"]["option"] == "half"
    await walk("POST", f"runs/{run['id']}/pause", req)
    await walk("POST", f"runs/{run['id']}/cancel", req)

    # Steps inside steps, several at once, a callback.
    tree = await walk("POST", "flows/tree/runs", req, {})
    assert [step["path"] for step in tree["steps"]] == ["each", "each[0].wait", "each[1].wait"]
    assert tree["steps"][0]["inside"] == {"total": 2, "begun": 2, "active": 2}
    held = [one["id"] for one in tree["suspensions"]]
    items = await walk(
        "POST", "approvals/decisions", req, {"ids": [*held, held[0], gate["id"], "sus_x"], "verdict": "resume"}
    )
    assert [item["ok"] for item in items["items"]] == [True, True, True, False, False]
    await walk("POST", "approvals/decisions", req, {"ids": [], "verdict": "resume"})
    (called,) = (await walk("GET", f"runs/{tree['id']}", req))["suspensions"]
    assert called["kind"] == "callback"
    await walk("GET", f"approvals/{called['id']}", req)
    await walk("POST", f"approvals/{called['id']}/drop", req, {"reason": "enough"})
    await walk("POST", f"approvals/{called['id']}/drop", req, {})
    dropped = await walk("POST", f"approvals/{called['id']}/drop", root, {"reason": "enough"})
    assert dropped["answered"][-1]["closed"]["reason"] == "enough"
    await walk("POST", f"approvals/{called['id']}/drop", root, {"reason": "enough"})

    # Cancelled, expired, unknown.
    other = await walk("POST", "flows/asked/runs", req, {})
    await walk("POST", f"runs/{other['id']}/cancel", req, {"reason": "not needed"})
    anew = await walk("POST", "flows/asked/runs", req, {"resubmits": other["id"]})
    assert (await walk("GET", f"runs/{other['id']}", req))["resubmitted"] == anew["id"]
    await walk("POST", "flows/asked/runs", req, {"resubmits": anew["id"]})
    await walk("POST", "flows/asked/runs", req, {"resubmits": "run_x"})
    late = await walk("POST", "flows/asked/runs", req, {})
    world.clock.advance("8d")
    await walk(
        "POST", f"approvals/{late['suspensions'][0]['id']}/decisions", ann, {"verdict": "approve", "option": "half"}
    )
    await walk("GET", "runs/run_x", req)
    await walk("GET", "runs/run_x", "sgn_x")
    # Who is who; the last thing that is done to these two.
    await walk("GET", "people?handle=ann@example.com", req)
    await walk("GET", "people?handle=nobody@example.com", root)
    known = await walk("GET", "people?handle=ann@example.com", root)
    assert known["handles"] == ["ann@example.com"]
    await walk("POST", "people/merge", root, {"keep": "ann@example.com", "gone": "ann@example.com"})
    merged = await walk("POST", "people/merge", root, {"keep": "ann@example.com", "gone": "bob@example.com"})
    assert merged["handles"] == ["ann@example.com", "bob@example.com"]
    await walk("GET", "effects", req)

    # What only a person can help.
    for how in ("retry", "skip"):
        await walk("POST", f"effects/{await parked(world)}/{how}", root)
        await walk("GET", "effects", root)
        await walk("POST", f"effects/eff_x/{how}", root)

    # A database that takes nothing.
    await world.store._writer.raw(lambda c: c.execute("PRAGMA query_only = ON").close())
    await walk("POST", "flows/asked/runs", req, {})
    await walk("GET", "flows", req)

    succeeding = {
        (method, path, int(status))
        for (method, path), operation in OPERATIONS.items()
        for status in operation["responses"]
        if int(status) < 300
    }
    assert succeeding - walk.seen == set()
    assert {status for _, _, status in walk.seen} >= {200, 201, 401, 403, 404, 409, 410, 422, 503}
