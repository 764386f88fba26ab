"""Several decisions in one request: one entry for each, in order, and each as if it came alone."""

from __future__ import annotations

import json

from flows.definition import Approval, Flow, Step
from flows.run import Verdict

URGENT = Flow(
    flow="urgent",
    steps=[
        Step(
            id="gate",
            approval=Approval(
                ask="Now?",
                approvers=("ann@example.com",),
                form=[{"name": "why", "type": "string", "required": False}],
                options=("now", "later"),
                reason="reject",
            ),
        )
    ],
)


async def decide(world, token, ids, verdict="approve", **more):
    return await world.api("POST", "approvals/decisions", token, {"ids": ids, "verdict": verdict, **more})


async def test_K4_one_is_finished_one_misses_a_value_and_three_are_fine(world):
    finished, wanting = await world.start("alone"), await world.start("asks")
    fine = [await world.start("alone") for _ in range(3)]
    await world.engine.cancel(finished, (await world.person("req")).id, door="api")
    ids = [world.engine.ids.suspension(run, 1) for run in (fine[0], finished, fine[1], wanting, fine[2])]

    status, body, _ = await decide(world, await world.token("ann"), ids)

    items = body["items"]
    assert status == 200
    assert [item["id"] for item in items] == ids
    assert [item["ok"] for item in items] == [True, False, True, False, True]
    assert [item["run_status"] for item in items] == ["succeeded", None, "succeeded", None, "succeeded"]
    assert items[0] == {
        "id": ids[0],
        "ok": True,
        "counted": True,
        "detail": "Your decision is counted.",
        "run_status": "succeeded",
        "problem": None,
    }
    assert (items[1]["problem"]["type"], items[1]["problem"]["status"]) == ("urn:signoff:problem:closed", 409)
    assert "ancelled" in items[1]["detail"]
    assert items[3]["problem"]["type"] == "urn:signoff:problem:invalid-form"
    assert set(items[3]["problem"]["fields"]) == {"reason"}
    assert (await world.view(wanting)).open
    assert (await world.view(wanting)).decisions == ()


async def test_K4_the_form_is_applied_to_each_and_bypassed_by_none(world):
    asking, bare = await world.start("asks"), await world.start("alone")
    ids = [world.engine.ids.suspension(run, 1) for run in (asking, bare)]

    _, body, _ = await decide(world, await world.token("ann"), ids, form={"reason": "because", "days": 3})

    assert [item["ok"] for item in body["items"]] == [True, False]
    assert set(body["items"][1]["problem"]["fields"]) == {"reason", "days"}
    (decision,) = (await world.view(asking)).decisions
    assert (decision.values["reason"], decision.values["days"]) == ("because", 3)
    assert (await world.view(bare)).decisions == ()


async def test_W11_the_requester_is_refused_in_bulk_too(world):
    own, others = await world.start("release", by="req"), await world.start("release", by="bob")
    ids = [world.engine.ids.suspension(run, 1) for run in (own, others)]

    _, body, _ = await decide(world, await world.token("req"), ids)

    assert [item["ok"] for item in body["items"]] == [False, True]
    assert body["items"][0]["problem"]["type"] == "urn:signoff:problem:self-approval"
    assert (await world.view(own)).decisions == ()


async def test_what_is_unknown_or_not_the_callers_to_read_is_an_entry_and_alike(world):
    hidden, own = await world.start("alone", by="req"), await world.start("release", by="bob")
    ids = [
        world.engine.ids.suspension(hidden, 1),
        world.engine.ids.suspension(9_999, 1),
        world.engine.ids.suspension(own, 7),
        "sus_x",
        world.engine.ids.run(own),
    ]

    status, body, _ = await decide(world, await world.token("bob"), ids)

    told = {json.dumps({**item, "id": ""}) for item in body["items"]}
    assert (status, len(body["items"]), len(told)) == (200, 5, 1)
    assert body["items"][0]["problem"]["type"] == "urn:signoff:problem:not-found"
    assert (await world.view(hidden)).decisions == ()


async def test_R3_an_id_twice_is_counted_once_and_the_second_says_so(world):
    run = await world.start("release")
    id_ = world.engine.ids.suspension(run, 1)

    _, body, _ = await decide(world, await world.token("ann"), [id_, id_])

    assert [(item["ok"], item["counted"], item["run_status"]) for item in body["items"]] == [
        (True, True, "waiting"),
        (True, False, "waiting"),
    ]
    assert (await world.view(run)).approvals == 1


async def test_one_after_its_deadline_is_expired_and_stops_no_other(world):
    late = await world.start("alone")
    world.clock.advance("8d")
    fresh = await world.start("alone")
    ids = [world.engine.ids.suspension(run, 1) for run in (late, fresh)]

    _, body, _ = await decide(world, await world.token("ann"), ids)

    assert [item["ok"] for item in body["items"]] == [False, True]
    assert (body["items"][0]["problem"]["status"], body["items"][0]["problem"]["type"]) == (
        410,
        "urn:signoff:problem:expired",
    )


async def test_holds_are_resumed_and_answers_taken_back_in_bulk(world):
    held, gate = await world.start("held"), await world.start("release", by="bob")
    req, ann = await world.token("req"), await world.token("ann")
    ids = [world.engine.ids.suspension(run, 1) for run in (held, gate)]
    await decide(world, ann, ids[1:])

    _, resumed, _ = await decide(world, req, ids, "resume")
    _, withdrawn, _ = await decide(world, ann, ids[1:] * 2, "withdraw")

    assert [item["ok"] for item in resumed["items"]] == [True, False]
    assert set(resumed["items"][1]["problem"]["fields"]) == {"verdict"}
    assert [(item["ok"], item["detail"]) for item in withdrawn["items"]] == [
        (True, "Your answer is taken back."),
        (False, "You have not decided this, so there is nothing to take back."),
    ]
    assert (await world.view(gate)).decisions == ()


async def test_an_option_and_a_reason_are_asked_of_each_that_takes_them(world):
    await world.engine.use([*world.engine.flows.values(), URGENT])
    choosing, bare = await world.start("urgent"), await world.start("alone")
    ids = [world.engine.ids.suspension(run, 1) for run in (choosing, bare)]
    ann = await world.token("ann")

    _, without, _ = await decide(world, ann, ids[:1])
    _, unexplained, _ = await decide(world, ann, ids[:1], "reject")
    _, chosen, _ = await decide(world, ann, ids, option="now")

    assert set(without["items"][0]["problem"]["fields"]) == {"option"}
    assert set(unexplained["items"][0]["problem"]["fields"]) == {"comment"}
    assert [item["ok"] for item in chosen["items"]] == [True, False]
    (decision,) = (await world.view(choosing)).decisions
    assert (decision.option, decision.verdict) == ("now", Verdict.APPROVE)


async def test_S10_a_token_that_may_only_decide_is_told_what_became_of_it_and_no_more(world):
    run = await world.start("release")
    id_ = world.engine.ids.suspension(run, 1)

    _, body, _ = await decide(world, await world.token("ann", "decide"), [id_])

    assert body["items"] == [
        {
            "id": id_,
            "ok": True,
            "counted": True,
            "detail": "Your decision is counted.",
            "run_status": "waiting",
            "problem": None,
        }
    ]
    event = json.loads((await world.store.ledger(run))[-1].payload)["event"]
    assert event["door"] == "api"
    assert event["via_token"].endswith("issued by an operator")


async def test_a_hundred_are_the_most(world):
    run = await world.start("release")
    id_ = world.engine.ids.suspension(run, 1)
    ann = await world.token("ann")

    many, body, _ = await decide(world, ann, [id_] * 101)
    full, answered, _ = await decide(world, ann, [id_] * 100)

    assert (many, body["fields"]) == (422, {"ids": "has more than 100 items."})
    assert (full, len(answered["items"])) == (200, 100)
