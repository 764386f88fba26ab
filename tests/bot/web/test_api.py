from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest

from bot import tokens as issuing
from flows.definition import Approval, Flow, Step
from flows.effects import PerformAction
from flows.events import ActionFailed
from flows.run import Door, Verdict
from flows.store import outbox


async def parked(world) -> str:
    """The id of an effect that only a person can help, of a run that ``req`` has started."""
    run = await world.start("acts")
    leased = (
        await world.store.read(
            lambda c, _: [outbox.get(c, one) for (one,) in c.execute("SELECT id FROM effects WHERE run = ?", (run,))]
        )
    )[0]
    assert isinstance(leased.effect, PerformAction)
    await world.store.park(leased, "the integration is gone")
    return world.engine.ids.effect(leased.id)


async def test_a_run_is_started_and_read(world):
    token = await world.token("req")

    status, body, headers = await world.api(
        "POST", "flows/release/runs", token, {"inputs": {"version": "2.0", "key": "hunter2"}}
    )
    _, again, _ = await world.api("GET", f"runs/{body['id']}", token)

    assert status == 201
    assert headers["Location"] == f"/api/v1/runs/{body['id']}"
    assert (body["status"], body["flow"], body["requester"]["name"]) == ("waiting", "release", "Req")
    assert body["inputs"] == {"version": "2.0", "key": "••••"}
    assert [(one["step"], one["status"], one["needed"]) for one in body["suspensions"]] == [("gate", "pending", 2)]
    assert body["steps"] == [
        {"path": "gate", "state": "suspended", "round": 1, "attempt": 0, "output": None, "error": None, "inside": None}
    ]
    assert again == body


async def test_a_start_with_the_same_idempotency_key_starts_once(world):
    token, other = await world.token("req"), await world.token("req")
    body = {"inputs": {"what": "once"}}

    first = await world.api("POST", "flows/alone/runs", token, body, Idempotency_Key="k-1")
    second = await world.api("POST", "flows/alone/runs", token, body, Idempotency_Key="k-1")
    elsewhere = await world.api("POST", "flows/alone/runs", other, body, Idempotency_Key="k-1")
    reused = await world.api("POST", "flows/alone/runs", token, {"inputs": {"what": "else"}}, Idempotency_Key="k-1")
    world.clock.advance("25h")
    later = await world.api("POST", "flows/alone/runs", token, body, Idempotency_Key="k-1")

    assert (first[0], second[0], second[1]) == (201, 201, first[1])
    assert "Idempotent-Replayed" not in first[2]
    assert second[2]["Idempotent-Replayed"] == "true"
    assert elsewhere[1]["id"] != first[1]["id"]
    assert (reused[0], reused[1]["type"]) == (422, "urn:signoff:problem:key-reused")
    assert later[0] == 201
    assert later[1]["id"] != first[1]["id"]


async def test_K8_all_bad_inputs_are_said_at_once(world):
    token = await world.token("req")

    status, body, headers = await world.api("POST", "flows/release/runs", token, {"inputs": {"version": 7, "kye": "x"}})

    assert (status, headers["Content-Type"].split(";")[0]) == (422, "application/problem+json")
    assert body["type"] == "urn:signoff:problem:invalid-form"
    assert set(body["fields"]) == {"version", "kye"}


async def test_W11_the_requester_is_refused_through_the_api_too(world):
    run = await world.start("release")
    token = await world.token("req")
    approval = world.engine.ids.suspension(run, 1)
    before = await world.state(run)

    status, body, _ = await world.api("POST", f"approvals/{approval}/decisions", token, {"verdict": "approve"})

    assert (status, body["type"]) == (403, "urn:signoff:problem:self-approval")
    assert body["detail"] == "This is your own request, and its flow does not let people approve their own."
    assert await world.state(run) == before


async def test_a_decision_is_counted_and_said_again_is_not(world):
    run = await world.start("release")
    token = await world.token("ann")
    approval = world.engine.ids.suspension(run, 1)
    _, shown, _ = await world.api("GET", f"approvals/{approval}", token)
    body = {"verdict": "approve", "comment": "Fine", "digest": shown["digest"]}

    first = await world.api("POST", f"approvals/{approval}/decisions", token, body)
    again = await world.api("POST", f"approvals/{approval}/decisions", token, body)

    assert (first[0], first[1]["counted"], first[1]["run_status"]) == (201, True, "waiting")
    assert (again[0], again[1]["counted"]) == (200, False)
    assert again[1]["detail"] == "You have said so already: approved. It is counted once."
    assert again[1]["approval"] == first[1]["approval"]
    assert (again[1]["approval"]["approvals"], again[1]["approval"]["missing"]) == (1, 1)


async def test_S10_the_ledger_says_that_the_door_was_the_api_and_who_issued_the_token(world):
    run = await world.start()
    issued = await issuing.create(
        world.path,
        world.clock,
        person="ann@example.com",
        scopes=["read", "decide"],
        lifetime=None,
        issued_by="ops on build-7",
    )
    approval = world.engine.ids.suspension(run, 1)

    await world.api("POST", f"approvals/{approval}/decisions", issued.secret, {"verdict": "approve"})

    event = json.loads((await world.store.ledger(run))[-1].payload)["event"]
    assert (event["is"], event["door"], event["via_token"]) == (
        "DecisionMade",
        "api",
        f"{issued.id} issued by ops on build-7",
    )
    assert event["digest"] == "not shown"
    assert issued.secret not in json.dumps(event)


async def test_S10_a_token_acts_only_within_its_scopes(world):
    run = world.engine.ids.run(await world.start())
    approval = world.engine.ids.suspension(world.engine.ids.parse_run(run), 1)
    calls = {
        "start": [("POST", "flows/alone/runs"), ("POST", f"runs/{run}/cancel")],
        "read": [("GET", f"runs/{run}"), ("GET", "approvals"), ("GET", f"approvals/{approval}"), ("GET", "flows")],
        "decide": [("POST", f"approvals/{approval}/decisions")],
        "admin": [("GET", "effects"), ("POST", "effects/eff_x/retry"), ("POST", "effects/eff_x/skip")],
    }
    before = await world.state(world.engine.ids.parse_run(run))

    for scope, lacking in calls.items():
        token = await world.token("root", *({"start", "read", "decide", "admin"} - {scope}))
        for method, path in lacking:
            status, body, _ = await world.api(method, path, token)
            assert (status, body["type"]) == (403, "urn:signoff:problem:out-of-scope"), (scope, path)
            assert scope in body["detail"]

    assert await world.state(world.engine.ids.parse_run(run)) == before


async def test_S10_a_token_acts_only_as_its_person(world):
    run = await world.start()
    path = f"runs/{world.engine.ids.run(run)}"
    approval = f"approvals/{world.engine.ids.suspension(run, 1)}"
    stranger = await world.token("bob", "start", "read", "decide", "admin")
    nowhere = world.engine.ids.run(9_999), world.engine.ids.suspension(9_999, 1)

    answers = {
        (method, kind): (
            await world.api(method, there, stranger, {"verdict": "approve"} if kind == "decide" else None)
        )[:2]
        for method, kind, there in (
            ("GET", "run", path),
            ("GET", "no run", f"runs/{nowhere[0]}"),
            ("GET", "no id", "runs/run_x"),
            ("GET", "approval", approval),
            ("GET", "no approval", f"approvals/{nowhere[1]}"),
            ("POST", "decide", f"{approval}/decisions"),
        )
    }

    assert len({json.dumps(answer) for answer in answers.values()}) == 1
    assert answers["GET", "run"][0] == 404
    assert (await world.api("POST", f"{path}/cancel", stranger))[0] == 404
    assert (await world.view(run)).decisions == ()


async def test_S10_admin_rights_take_the_scope_and_the_person(world):
    effect = await parked(world)
    run = world.engine.ids.run(await world.start())
    admin, plain = await world.token("root", "read", "admin", "start"), await world.token("root", "read", "start")
    upstart = await world.token("bob", "read", "admin")

    assert (await world.api("GET", "effects", upstart))[0] == 403
    assert (await world.api("POST", f"effects/{effect}/retry", upstart))[0] == 403
    assert (await world.api("GET", f"runs/{run}", plain))[0] == 404
    assert (await world.api("GET", f"runs/{run}", admin))[0] == 200
    assert (await world.api("POST", f"runs/{run}/cancel", plain))[0] == 404
    assert (await world.api("GET", "approvals", plain))[1]["items"] == []
    assert len((await world.api("GET", "approvals", admin))[1]["items"]) == 1
    assert (await world.api("GET", "approvals?approver=ann@example.com", plain))[0] == 403


async def test_parked_effects_are_listed_retried_and_skipped_by_admins(world):
    first, second = await parked(world), await parked(world)
    admin = await world.token("root", "read", "admin")

    _, listed, _ = await world.api("GET", "effects", admin)
    retried = await world.api("POST", f"effects/{first}/retry", admin)
    skipped = await world.api("POST", f"effects/{second}/skip", admin)
    gone = await world.api("POST", f"effects/{second}/skip", admin)

    assert [(one["id"], one["error"]) for one in listed["items"]] == [
        (first, "the integration is gone"),
        (second, "the integration is gone"),
    ]
    assert retried[:2] == (200, {"id": first, "status": "retried"})
    assert skipped[:2] == (200, {"id": second, "status": "skipped"})
    assert gone[0] == 404


async def test_S10_unknown_expired_revoked_and_malformed_tokens_are_refused_alike(world):
    short = await world.token("ann", lifetime=timedelta(hours=1))
    revoked = await world.token("ann")
    assert (await world.api("GET", "flows", short))[0] == 200
    assert (await world.api("GET", "flows", revoked))[0] == 200
    newest = (await issuing.listed(world.path, world.clock))[0]
    await issuing.revoke(world.path, world.clock, newest.id)
    world.clock.advance("1h")

    answers = [
        await world.api("GET", "flows", token)
        for token in (None, short, revoked, "sgn_" + "A" * 43, "sgn_", "", "x", f"{short}x", "sgn_é")
    ]

    assert len({json.dumps(answer[:2]) for answer in answers}) == 1
    assert answers[0][0] == 401
    assert all(answer[2]["WWW-Authenticate"] == 'Bearer realm="signoff"' for answer in answers)


async def test_S10_only_a_tokens_hash_is_stored(world):
    token = await world.token("ann")

    raw = b"".join(one.read_bytes() for one in world.path.parent.iterdir() if one.name.startswith("signoff.db"))

    assert token.encode() not in raw
    assert issuing.digest(token) in raw


async def test_S11_a_decision_on_an_older_view_is_refused_with_the_current_one(world):
    run = await world.start()
    token = await world.token("ann")
    approval = world.engine.ids.suspension(run, 1)
    before = await world.state(run)

    status, body, _ = await world.api(
        "POST", f"approvals/{approval}/decisions", token, {"verdict": "approve", "digest": "00" * 32}
    )

    assert (status, body["type"]) == (409, "urn:signoff:problem:changed-since-shown")
    assert body["approval"]["digest"] == before[1].digest.hex()
    assert await world.state(run) == before


async def test_decided_and_expired_approvals_say_so_with_what_became_of_them(world):
    decided, expired = await world.start(), await world.start()
    token = await world.token("ann")
    paths = [f"approvals/{world.engine.ids.suspension(run, 1)}/decisions" for run in (decided, expired)]
    await world.api("POST", paths[0], token, {"verdict": "reject", "comment": "No"})
    world.clock.advance("7d")

    late = await world.api("POST", paths[0], token, {"verdict": "approve"})
    too_late = await world.api("POST", paths[1], token, {"verdict": "approve"})

    assert (late[0], late[1]["type"], late[1]["approval"]["status"]) == (409, "urn:signoff:problem:closed", "rejected")
    assert late[1]["approval"]["decisions"][0]["comment"] == "No"
    assert (too_late[0], too_late[1]["type"]) == (410, "urn:signoff:problem:expired")
    assert too_late[1]["approval"]["closed"]["how"] == "expired"


async def test_K8_all_bad_form_values_are_said_at_once_and_it_still_waits(world):
    run = await world.start("asks")
    token = await world.token("ann")
    approval = world.engine.ids.suspension(run, 1)

    status, body, _ = await world.api(
        "POST",
        f"approvals/{approval}/decisions",
        token,
        {"verdict": "approve", "form": {"days": 99, "colour": "green", "pin": 5, "nope": 1}},
    )

    assert status == 422
    assert set(body["fields"]) == {"reason", "days", "colour", "pin", "nope"}
    assert (await world.view(run)).open


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"verdict"}),
        ({"verdict": "yes", "digest": "abc", "more": 1}, {"verdict", "digest", "more"}),
        ({"verdict": "approve", "comment": 5, "form": []}, {"comment", "form"}),
        ({"verdict": "resume"}, {"verdict"}),
        ({"verdict": "approve", "comment": "x" * 3001}, {"comment"}),
        ([], {"body"}),
    ],
)
async def test_a_decision_that_is_none_is_422_with_every_field(world, body, fields):
    run = await world.start()
    token = await world.token("ann")

    status, answer, _ = await world.api(
        "POST", f"approvals/{world.engine.ids.suspension(run, 1)}/decisions", token, body
    )

    assert (status, set(answer["fields"])) == (422, fields)
    assert (await world.view(run)).decisions == ()


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b'{"inputs": {"what": NaN}}', b'{"inputs": {"what": "\\ud800"}}', b"[" * 10_000]
)
async def test_what_is_not_json_is_400(world, body):
    token = await world.token("req")

    async with world.client.post(
        "/api/v1/flows/alone/runs", data=body, headers={"Authorization": f"Bearer {token}"}
    ) as response:
        assert (response.status, response.content_type) == (400, "application/problem+json")
        assert (await response.json(content_type=None))["detail"].startswith("The body is not JSON")


async def test_a_body_of_more_than_a_mebibyte_is_413(world):
    token = await world.token("req")
    body = io.BytesIO(json.dumps({"inputs": {"what": "x" * (1 << 20)}}).encode())

    async with world.client.post(
        "/api/v1/flows/alone/runs", data=body, headers={"Authorization": f"Bearer {token}"}
    ) as response:
        assert (response.status, response.content_type) == (413, "application/problem+json")


async def test_unknown_addresses_and_methods_are_problems_too(world):
    token = await world.token("req")

    unknown = await world.api("GET", "nowhere", token)
    method = await world.api("DELETE", "flows", token)
    flow = await world.api("POST", "flows/nope/runs", token, {})

    assert (unknown[0], unknown[1]["type"]) == (404, "urn:signoff:problem:not-found")
    assert (method[0], method[2]["Allow"]) == (405, "GET,HEAD")
    assert (flow[0], flow[1]["detail"]) == (404, "There is no such flow.")
    for answer in (unknown, method, flow):
        assert answer[2]["Content-Type"].startswith("application/problem+json")


async def test_what_waits_is_listed_for_its_approver_its_requester_and_admins(world):
    first, second = await world.start(by="req"), await world.start("release", by="bob")
    ids = [world.engine.ids.suspension(run, 1) for run in (second, first)]  # the nearest deadline first

    async def listed(who: str, query: str = "", *scopes: str) -> list[str]:
        status, body, _ = await world.api("GET", f"approvals{query}", await world.token(who, "read", *scopes))
        assert status == 200
        return [item["id"] for item in body["items"]]

    assert await listed("ann") == await listed("ann", "?approver=me") == ids
    assert await listed("ann", "?approver=Ann@Example.com&status=pending") == ids
    assert await listed("bob", "?approver=me") == []
    assert await listed("bob") == [ids[0]]
    assert await listed("req", "?approver=me") == [ids[0]]
    assert await listed("req") == ids
    assert await listed("root") == []
    assert await listed("root", "", "admin") == ids
    assert await listed("root", "?approver=req@example.com", "admin") == [ids[0]]
    assert await listed("root", "?approver=nobody@example.com", "admin") == []
    assert (await world.people.known("nobody@example.com")) is None


async def test_a_list_goes_on_where_it_was_cut(world):
    runs = [await world.start() for _ in range(5)]
    token = await world.token("ann")

    found, offset = [], 0
    while offset is not None:
        _, body, _ = await world.api("GET", f"approvals?limit=2&offset={offset}", token)
        assert len(body["items"]) <= 2
        found += [item["run"] for item in body["items"]]
        offset = body["next_offset"]

    assert found == [world.engine.ids.run(run) for run in runs]


@pytest.mark.parametrize("query", ["status=all", "limit=0", "limit=x", "offset=-1", "approver=nobody"])
async def test_a_query_that_is_not_possible_is_422(world, query):
    status, body, _ = await world.api("GET", f"approvals?{query}", await world.token("root", "read", "admin"))

    assert (status, set(body["fields"])) == (422, {query.partition("=")[0]})


async def test_an_approval_tells_all_that_a_client_needs_to_ask_a_person(world):
    run = await world.start("asks")

    _, body, _ = await world.api("GET", f"approvals/{world.engine.ids.suspension(run, 1)}", await world.token("ann"))

    assert (body["run"], body["flow"], body["step"], body["ask"]) == (
        world.engine.ids.run(run),
        "asks",
        "gate",
        "Fill this in",
    )
    assert body["digest"] == (await world.view(run)).suspension.digest.hex()
    assert body["due"] == "2026-01-12T09:00:00Z"
    assert [person["email"] for person in body["approvers"]] == ["ann@example.com"]
    assert [field["name"] for field in body["form"]] == list(body["form_schema"]["properties"])


async def test_K11_a_form_is_told_with_its_conditions_and_what_its_templates_came_to(world):
    form = [
        {"name": "urgent", "type": "boolean", "default": False},
        {
            "name": "why",
            "type": "string",
            "when": "urgent",
            "description": "For {{ inputs.what }}",
            "default": "{{ inputs.what }}",
        },
    ]
    flow = Flow(
        flow="conditional",
        inputs=[{"name": "what", "type": "string", "default": "a chair"}],
        steps=[Step(id="gate", approval=Approval(ask="Go?", approvers=("ann@example.com",), form=form))],
    )
    await world.engine.use([flow])
    run = await world.start("conditional")
    token = await world.token("ann")
    path = f"approvals/{world.engine.ids.suspension(run, 1)}"

    _, body, _ = await world.api("GET", path, token)
    unasked = await world.api("POST", f"{path}/decisions", token, {"verdict": "approve", "form": {"why": "so"}})
    filled = await world.api("POST", f"{path}/decisions", token, {"verdict": "approve", "form": {"urgent": True}})

    assert (body["form"][1]["when"], body["form"][1]["description"], body["form"][1]["default"]) == (
        "urgent",
        "For a chair",
        "a chair",
    )
    assert (unasked[0], set(unasked[1]["fields"])) == (422, {"why"})
    assert filled[1]["approval"]["decisions"][0]["form"] == {"urgent": True, "why": "a chair"}


async def test_a_secret_that_was_answered_is_masked(world):
    run = await world.start("asks")
    token = await world.token("ann")
    path = f"approvals/{world.engine.ids.suspension(run, 1)}"

    await world.api(
        "POST", f"{path}/decisions", token, {"verdict": "approve", "form": {"reason": "r", "pin": "hunter2"}}
    )
    _, body, _ = await world.api("GET", path, token)

    assert body["decisions"][0]["form"]["pin"] == "••••"
    assert "hunter2" not in json.dumps(body)


async def test_a_run_is_cancelled_by_its_requester_and_not_by_its_approver(world):
    run = world.engine.ids.run(await world.start())

    forbidden = await world.api("POST", f"runs/{run}/cancel", await world.token("ann"))
    done = await world.api("POST", f"runs/{run}/cancel", await world.token("req"), {"reason": "Not needed"})
    again = await world.api("POST", f"runs/{run}/cancel", await world.token("req"))

    assert (forbidden[0], forbidden[1]["type"]) == (403, "urn:signoff:problem:not-allowed")
    assert (done[0], done[1]["status"], done[1]["ended"]["reason"]) == (200, "cancelled", "Not needed")
    assert [one["status"] for one in done[1]["answered"]] == ["cancelled"]
    assert (again[0], again[1]["type"]) == (409, "urn:signoff:problem:run-finished")


async def test_the_flows_are_listed_with_what_they_take(world):
    _, body, _ = await world.api("GET", "flows", await world.token("req"))

    assert [flow["flow"] for flow in body["items"]] == ["acts", "alone", "asks", "held", "release"]
    assert set(body["items"][-1]["inputs_schema"]["properties"]) == {"version", "key"}


async def test_a_failed_run_says_why(world):
    run = await world.start("acts")
    await world.store.transact(run, ActionFailed("post", 1, 1, "no such channel"))

    _, body, _ = await world.api("GET", f"runs/{world.engine.ids.run(run)}", await world.token("req"))

    assert (body["status"], body["outcome"], body["ended"]["reason"]) == ("failed", "failed", "post: no such channel")


async def test_P3_reading_changes_nothing(world):
    run = await world.start()
    token = await world.token("ann")
    before = await world.state(run)

    for method in ("GET", "HEAD"):
        for path in (
            f"runs/{world.engine.ids.run(run)}",
            "approvals",
            f"approvals/{world.engine.ids.suspension(run, 1)}",
        ):
            async with world.client.request(
                method, f"/api/v1/{path}?verdict=approve", headers={"Authorization": f"Bearer {token}"}
            ) as response:
                assert response.status == 200

    assert await world.state(run) == before


async def test_R17_with_a_read_only_database_the_api_reads_and_says_that_nothing_was_recorded(world):
    run = await world.start()
    token = await world.token("ann")
    path = f"approvals/{world.engine.ids.suspension(run, 1)}"
    await world.store._writer.raw(lambda c: c.execute("PRAGMA query_only = ON").close())

    decision = await world.api("POST", f"{path}/decisions", token, {"verdict": "approve"})
    start = await world.api("POST", "flows/alone/runs", token, {})
    read = await world.api("GET", path, token)
    async with world.client.get("/readyz") as response:
        ready = response.status, await response.json()

    for answer in (decision, start):
        assert (answer[0], answer[1]["type"]) == (503, "urn:signoff:problem:storage")
        assert "Nothing was recorded" in answer[1]["detail"]
        assert "Retry-After" in answer[2]
    assert (read[0], read[1]["status"], read[1]["decisions"]) == (200, "pending", [])
    assert ready == (503, {"status": "not ready", "reasons": {"store": "the database cannot be written to"}})


async def test_health_and_readiness(world):
    async with world.client.get("/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "alive"})
    async with world.client.get("/readyz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ready"})

    world.ready = "the runner has stopped"

    async with world.client.get("/readyz") as response:
        assert (response.status, await response.json()) == (
            503,
            {"status": "not ready", "reasons": {"runner": "the runner has stopped"}},
        )


async def test_S12_a_token_of_somebody_who_was_merged_acts_as_who_took_over(world):
    run = await world.start()
    token = await world.token("ann2")
    await world.store.know(await world.person("ann"), ["ann@example.com", "ann2@example.com"])
    approval = world.engine.ids.suspension(run, 1)

    status, _, _ = await world.api("POST", f"approvals/{approval}/decisions", token, {"verdict": "approve"})

    decision = (await world.view(run)).decisions[0]
    assert status == 201
    assert (decision.person, decision.verdict, decision.door) == (
        (await world.person("ann")).id,
        Verdict.APPROVE,
        Door.API,
    )
