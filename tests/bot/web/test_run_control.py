"""Pausing, resuming and dropping through the API: who may, what is told, and what is recorded."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from flows.definition import Approval, Callback, Flow, Hold, Step

OWNED = Flow(
    flow="owned",
    owner="bob@example.com",
    viewers="ann2@example.com",
    outputs={"approved": "{{ steps.gate.approved }}", "dropped": "{{ steps.gate.dropped }}"},
    steps=[Step(id="gate", approval=Approval(ask="Go?", approvers=("ann@example.com",)))],
)
WAITS = Flow(
    flow="waits",
    owner="bob@example.com",
    steps=[
        Step(
            id="both",
            parallel={
                "machine": [Step(id="call", callback=Callback())],
                "people": [Step(id="hold", hold=Hold(ask="Go on?"))],
                "time": [Step(id="pause", delay="2h")],
            },
        )
    ],
)
NARROW = Flow(
    flow="narrow",
    starters="bob@example.com",
    steps=[Step(id="gate", approval=Approval(ask="Go?", approvers=("ann@example.com",)))],
)


@pytest.fixture
async def world(world):
    await world.engine.use([*world.engine.flows.values(), OWNED, WAITS, NARROW])
    return world


async def entries(world, run: int) -> list[dict]:
    return [event for entry in await world.store.ledger(run) if (event := json.loads(entry.payload).get("event"))]


async def test_K3_a_run_is_paused_and_resumed_and_who_did_both_is_recorded(world):
    run = await world.start("alone")
    path = f"runs/{world.engine.ids.run(run)}"
    token = await world.token("req")

    paused = await world.api("POST", f"{path}/pause", token)
    twice = await world.api("POST", f"{path}/pause", token, {})
    resumed = await world.api("POST", f"{path}/resume", token, {})
    again = await world.api("POST", f"{path}/resume", token)

    assert (paused[0], paused[1]["status"], paused[1]["queued"]) == (200, "paused", False)
    assert paused[1]["paused"]["by"]["email"] == "req@example.com"
    assert paused[1]["paused"]["at"] == "2026-01-05T09:00:00Z"
    assert (twice[0], twice[1]["type"]) == (409, "urn:signoff:problem:not-waiting")
    assert (resumed[0], resumed[1]["status"], resumed[1]["paused"]) == (200, "waiting", None)
    assert (again[0], again[1]["type"]) == (409, "urn:signoff:problem:not-waiting")
    recorded = [entry for entry in await entries(world, run) if entry["is"] in ("PauseRequested", "ResumeRequested")]
    assert [(entry["is"], entry["door"]) for entry in recorded] == [
        ("PauseRequested", "api"),
        ("ResumeRequested", "api"),
    ]
    assert all(entry["via_token"].endswith("issued by an operator") for entry in recorded)


async def test_a_decision_while_a_run_is_paused_is_counted_and_acted_on_after(world):
    run = await world.start("alone")
    path = f"runs/{world.engine.ids.run(run)}"
    req, ann = await world.token("req"), await world.token("ann")
    await world.api("POST", f"{path}/pause", req)

    decided = await world.api(
        "POST", f"approvals/{world.engine.ids.suspension(run, 1)}/decisions", ann, {"verdict": "approve"}
    )

    assert (decided[0], decided[1]["counted"]) == (201, True)


@pytest.mark.parametrize("how", ["pause", "resume"])
async def test_a_run_is_paused_by_its_requester_its_owner_and_admins_only(world, how):
    run = await world.start("owned")
    path = f"runs/{world.engine.ids.run(run)}/{how}"
    first = f"runs/{world.engine.ids.run(run)}/pause"
    statuses = {}
    if how == "resume":
        await world.api("POST", first, await world.token("req"))
    before = (await world.view(run)).run

    for who, scopes in {
        "approver": ("ann", "start", "read"),
        "viewer": ("ann2", "start", "read"),
        "stranger": ("nobody", "start", "read", "admin"),
        "admin without the scope": ("root", "start", "read"),
    }.items():
        status, body, _ = await world.api("POST", path, await world.token(*scopes))
        statuses[who] = (status, body["type"].rpartition(":")[2])

    assert statuses == {
        "approver": (403, "not-allowed"),
        "viewer": (403, "not-allowed"),
        "stranger": (404, "not-found"),
        "admin without the scope": (404, "not-found"),
    }
    assert (await world.view(run)).run == before
    owner = await world.token("bob", "start")
    status, body, _ = await world.api("POST", path, owner)
    assert (status, set(body)) == (200, {"id", "status"})
    other = await world.start("owned")
    admin = await world.token("root", "start", "admin")
    assert (await world.api("POST", f"runs/{world.engine.ids.run(other)}/pause", admin))[0] == 200


async def test_a_finished_run_cannot_be_paused(world):
    run = await world.start("alone")
    token = await world.token("req")
    await world.api("POST", f"runs/{world.engine.ids.run(run)}/cancel", token)

    for how in ("pause", "resume"):
        status, body, _ = await world.api("POST", f"runs/{world.engine.ids.run(run)}/{how}", token)
        assert (status, body["type"]) == (409, "urn:signoff:problem:run-finished")


async def test_a_wait_is_dropped_with_a_reason_and_never_counts_as_approved(world):
    run = await world.start("owned")
    path = f"approvals/{world.engine.ids.suspension(run, 1)}/drop"

    requester = await world.api("POST", path, await world.token("req"), {"reason": "in the way"})
    approver = await world.api("POST", path, await world.token("ann"), {"reason": "in the way"})
    stranger = await world.api("POST", path, await world.token("nobody"), {"reason": "in the way"})
    speechless = await world.api("POST", path, await world.token("bob"), {})
    blank = await world.api("POST", path, await world.token("bob"), {"reason": "  "})
    dropped = await world.api("POST", path, await world.token("bob"), {"reason": "Ann has left"})

    assert [(one[0], one[1]["type"].rpartition(":")[2]) for one in (requester, approver, stranger)] == [
        (403, "not-allowed"),
        (403, "not-allowed"),
        (404, "not-found"),
    ]
    assert (speechless[0], speechless[1]["fields"]) == (422, {"reason": "is missing."})
    assert (blank[0], set(blank[1]["fields"])) == (422, {"reason"})
    assert dropped[0] == 200
    assert (dropped[1]["status"], dropped[1]["outputs"]) == ("succeeded", {"approved": False, "dropped": True})
    (answered,) = dropped[1]["answered"]
    assert (answered["status"], answered["approvals"], answered["decisions"]) == ("dropped", 0, [])
    assert (answered["closed"]["reason"], answered["closed"]["by"][0]["email"]) == ("Ann has left", "bob@example.com")
    entry = next(entry for entry in await entries(world, run) if entry["is"] == "DropRequested")
    assert (entry["reason"], entry["door"]) == ("Ann has left", "api")


async def test_every_kind_of_wait_is_shown_and_can_be_dropped(world):
    run = await world.start("waits")
    bob = await world.token("bob")
    path = f"runs/{world.engine.ids.run(run)}"
    _, body, _ = await world.api("GET", path, bob)

    waits = {one["kind"]: one["id"] for one in body["suspensions"]}
    assert set(waits) == {"hold", "callback", "delay"}
    assert [step["path"] for step in body["steps"]] == [
        "both",
        "both.machine.call",
        "both.people.hold",
        "both.time.pause",
    ]
    for kind, id_ in waits.items():
        status, _, _ = await world.api("GET", f"approvals/{id_}", bob)
        assert status == (200 if kind == "hold" else 404)
        decision, _, _ = await world.api("POST", f"approvals/{id_}/decisions", bob, {"verdict": "approve"})
        assert decision == (403 if kind == "hold" else 404)
    for id_ in waits.values():
        status, body, _ = await world.api("POST", f"approvals/{id_}/drop", bob, {"reason": "enough"})
        assert status == 200

    assert body["status"] == "succeeded"
    assert [one["status"] for one in body["answered"]] == ["dropped"] * 3


async def test_who_may_start_a_flow_is_checked_and_only_those_see_it(world):
    req, bob = await world.token("req"), await world.token("bob")

    _, reqs, _ = await world.api("GET", "flows", req)
    _, bobs, _ = await world.api("GET", "flows", bob)
    refused = await world.api("POST", "flows/narrow/runs", req, {})
    started = await world.api("POST", "flows/narrow/runs", bob, {})

    assert "narrow" not in [flow["flow"] for flow in reqs["items"]]
    assert "narrow" in [flow["flow"] for flow in bobs["items"]]
    assert (refused[0], refused[1]["type"]) == (403, "urn:signoff:problem:not-allowed")
    assert started[0] == 201


async def test_step_runs_are_told_in_the_order_of_the_flow_whatever_the_order_of_their_ids(world):
    loop = Flow(
        flow="loop",
        steps=[
            Step(
                id="zeta",
                for_each=[*range(12)],
                concurrency=12,
                steps=[Step(id="wait", hold=Hold(ask="{{ item }}?", timeout=timedelta(hours=1)))],
            ),
            Step(id="alpha", uses="log", **{"with": {"message": "done"}}),
        ],
        finally_=[Step(id="beta", uses="log", **{"with": {"message": "done"}})],
    )
    await world.engine.use([loop])
    run = await world.start("loop")

    _, body, _ = await world.api("GET", f"runs/{world.engine.ids.run(run)}", await world.token("req"))

    assert [step["path"] for step in body["steps"]] == ["zeta", *[f"zeta[{index}].wait" for index in range(12)]]
    assert body["steps"][0]["inside"] == {"total": 12, "begun": 12, "active": 12}
    assert [one["step"] for one in body["suspensions"]] == [f"zeta[{index}].wait" for index in range(12)]
