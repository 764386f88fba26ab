"""The API of asking again, others and back: nudge, reassign, snooze, questions, standing in; and asking anew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flows.definition import Approval, Flow, Step

PAIR = Flow(
    flow="pair",
    steps=[
        Step(id="gate", approval=Approval(ask="Ship it?", approvers=["ann@example.com", "bob@example.com"], quorum=2))
    ],
)


@pytest.fixture
async def pair(world) -> int:
    """A run of Req's that waits for Ann and Bob."""
    await world.engine.use([*world.engine.flows.values(), PAIR])
    return await world.start("pair")


def approval(world: Any, run: int) -> str:
    return f"approvals/{world.engine.ids.suspension(run, 1)}"


def days(starts: str = "2026-01-05", until: str = "2026-01-09") -> dict[str, str]:
    return {"starts": starts, "until": until}


async def test_W11_who_stands_in_is_told_apart_and_the_requester_never_counts(world, pair):
    ann, root, req = [await world.token(who) for who in ("ann", "root", "req")]

    _, made, _ = await world.api("POST", "delegations", ann, {"delegate": "root@example.com", **days()})
    status, decided, _ = await world.api("POST", f"{approval(world, pair)}/decisions", root, {"verdict": "approve"})
    _, ours, _ = await world.api("POST", "delegations", ann, {"delegate": "req@example.com", **days()})
    own = await world.api("POST", f"{approval(world, pair)}/decisions", req, {"verdict": "approve"})

    assert (made["person"]["name"], made["delegate"]["name"], made["flows"]) == ("Ann", "Root", [])
    (one,) = decided["approval"]["decisions"]
    assert (status, one["person"]["name"], one["by"]["name"]) == (201, "Ann", "Root")
    assert ours["id"].startswith("del_")
    assert (own[0], own[1]["type"]) == (403, "urn:signoff:problem:self-approval")


async def test_days_are_those_of_the_person_who_is_away(world):
    ann = await world.token("ann")

    _, made, _ = await world.api(
        "POST", "delegations", ann, {"delegate": "bob@example.com", **days("2026-03-28", "2026-03-29")}
    )

    # The second of these has 23 hours in Berlin.
    starts, ends = datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert (datetime.fromisoformat(made["starts"]), datetime.fromisoformat(made["ends"])) == (starts, ends)


async def test_an_admin_hands_over_for_somebody_else_and_nobody_else_does(world):
    ann, bob = await world.token("ann"), await world.token("bob")
    root = await world.token("root", "read", "decide", "admin")
    plain = await world.token("root")
    body = {"delegate": "bob@example.com", "person": "ann@example.com", **days()}

    refused = [await world.api("POST", "delegations", token, body) for token in (bob, plain)]
    _, made, _ = await world.api("POST", "delegations", root, body)
    listed = [
        await world.api("GET", path, token)
        for path, token in (("delegations", ann), ("delegations", bob), ("delegations?person=ann@example.com", root))
    ]
    spied, _, _ = await world.api("GET", "delegations?person=ann@example.com", bob)
    ended, _, _ = await world.api("DELETE", f"delegations/{made['id']}", bob)
    _, after, _ = await world.api("GET", "delegations", ann)

    assert {(status, body["detail"]) for status, body, _ in refused} == {
        (403, "Only an admin can hand over somebody else's approvals.")
    }
    assert made["made_by"]["name"] == "Root"
    assert [body["items"] for _, body, _ in listed] == [[made]] * 3
    assert (spied, ended, after["items"]) == (403, 200, [])


async def test_each_refusal_to_hand_over_is_a_sentence_with_names(world):
    ann, bob = await world.token("ann"), await world.token("bob")
    await world.api("POST", "delegations", bob, {"delegate": "ann@example.com", **days()})

    bodies: list[dict[str, Any]] = [
        {"delegate": "bob@example.com", **days()},
        {"delegate": "ann@example.com", **days()},
        {"delegate": "@hr", **days()},
        {"delegate": "req@example.com", **days("2025-01-01", "2025-01-02")},
        {"delegate": "req@example.com", **days(), "flows": ["nope"]},
        {"delegate": "per_0000000000000", **days()},
    ]
    told = [await world.api("POST", "delegations", ann, body) for body in bodies]

    assert [status for status, _, _ in told] == [403, 403, 422, 422, 404, 422]
    assert told[0][1]["detail"] == "That would go round in a circle: Ann to Bob to Ann. Choose somebody else."
    assert told[1][1]["detail"] == "Nobody can stand in for themselves; choose somebody else."
    assert [list(body["fields"]) for status, body, _ in told if status == 422] == [
        ["delegate"],
        ["until"],
        ["delegate"],
    ]


async def test_a_seat_is_handed_on_by_who_has_it_or_an_admin(world, pair):
    ann, bob, req = [await world.token(who) for who in ("ann", "bob", "req")]
    root = await world.token("root", "decide", "read", "admin")
    path = f"{approval(world, pair)}/reassign"

    requester, _, _ = await world.api("POST", path, ann, {"to": "req@example.com"})
    theirs = await world.api("POST", path, req, {"to": "root@example.com", "person": "ann@example.com"})
    _, done, _ = await world.api("POST", path, ann, {"to": "root@example.com", "reason": "On leave"})
    _, back, _ = await world.api("POST", path, root, {"to": "ann@example.com", "person": "root@example.com"})
    late, _, _ = await world.api("POST", path, await world.token("zoe"), {"to": "ann@example.com"})
    nobody, wrong, _ = await world.api("POST", path, bob, {"to": "@hr"})

    assert requester == 403
    assert (theirs[0], theirs[1]["detail"]) == (
        403,
        "Only the person who is asked, or an admin, can let somebody else be asked.",
    )
    assert done["detail"] == "Root is asked now instead of Ann."
    assert back["detail"] == "Ann is asked now instead of Root."
    assert (late, nobody, list(wrong["fields"])) == (404, 422, ["to"])


async def test_the_requester_nudges_once_an_hour_and_nobody_else_does(world, pair):
    req, ann = await world.token("req"), await world.token("ann")
    path = f"{approval(world, pair)}/nudge"

    first, again = await world.api("POST", path, req), await world.api("POST", path, req)
    other, _, _ = await world.api("POST", path, ann)
    world.clock.advance("1h")
    later, _, _ = await world.api("POST", path, req)

    assert (first[0], first[1]["run_status"], other, later) == (200, "waiting", 403, 200)
    assert (again[0], again[1]["type"]) == (429, "urn:signoff:problem:too-soon")


async def test_questions_are_asked_answered_and_told_and_who_is_asked_may_put_it_off(world, pair):
    req, ann, bob = [await world.token(who) for who in ("req", "ann", "bob")]
    base = approval(world, pair)

    own, _, _ = await world.api("POST", f"{base}/questions", req, {"text": "Why?"})
    _, asked, _ = await world.api("POST", f"{base}/questions", ann, {"text": "Which <b>version</b>?"})
    notyours, _, _ = await world.api("POST", f"{base}/answer", bob, {"text": "1.4"})
    _, answered, _ = await world.api("POST", f"{base}/answer", req, {"text": "1.4.0"})
    none, said, _ = await world.api("POST", f"{base}/answer", req, {"text": "1.4.0"})
    naive, _, _ = await world.api("POST", f"{base}/snooze", bob, {"until": "2026-01-06T09:00:00"})
    zoned, _, _ = await world.api("POST", f"{base}/snooze", bob, {"until": "2026-01-06T09:00:00+01:00"})
    off, _, _ = await world.api("POST", f"{base}/snooze", bob, {"until": None})

    (open_,), (closed,) = asked["approval"]["questions"], answered["approval"]["questions"]
    assert (open_["text"], open_["answer"], open_["person"]["name"]) == ("Which <b>version</b>?", None, "Ann")
    assert (closed["answer"], closed["answered_by"]["name"]) == ("1.4.0", "Req")
    assert (own, notyours, none, said["detail"]) == (
        403,
        403,
        409,
        "Nobody has asked anything here, or it is answered already.",
    )
    assert (naive, zoned, off) == (422, 200, 200)


async def test_what_was_cancelled_is_asked_for_anew_by_its_requester_alone(world, pair):
    req, ann = await world.token("req"), await world.token("ann")
    name = world.engine.ids.run(pair)

    early, _, _ = await world.api("POST", "flows/pair/runs", req, {"resubmits": name})
    await world.api("POST", f"runs/{name}/cancel", req, {})
    others, _, _ = await world.api("POST", "flows/pair/runs", ann, {"resubmits": name})
    status, anew, _ = await world.api("POST", "flows/pair/runs", req, {"resubmits": name})
    _, old, _ = await world.api("GET", f"runs/{name}", req)

    assert (early, others, status) == (403, 404, 201)
    assert (anew["resubmits"], old["resubmitted"]) == (name, anew["id"])
