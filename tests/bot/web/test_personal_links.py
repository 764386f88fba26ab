"""Links that an admin makes for somebody: what they are good for, who may make them, and that it is written down."""

from __future__ import annotations

import json
import logging

import pytest

from flows.definition import Approval, Flow, Hold, Step
from flows.links import Purpose
from flows.run import Door, Verdict

FLOW = Flow(
    flow="linked",
    steps=[
        Step(id="first", hold=Hold(ask="Ready?")),
        Step(
            id="gate",
            approval=Approval(ask="Go?", approvers=("ann@example.com", "bob@example.com"), pre_approval="allow"),
        ),
        Step(id="strict", approval=Approval(ask="Sure?", approvers=("ann@example.com",))),
        Step(
            id="filled",
            approval=Approval(
                ask="What?",
                approvers=("ann@example.com",),
                pre_approval="allow",
                form=[{"name": "why", "type": "string"}],
            ),
        ),
        Step(id="log", uses="log", **{"with": {"message": "done"}}),
    ],
)
LOOP = Flow(
    flow="loop",
    steps=[Step(id="each", for_each=["a", "b"], concurrency=2, steps=[Step(id="ask", hold=Hold(ask="{{ item }}?"))])],
)


@pytest.fixture
async def world(world):
    await world.engine.use([*world.engine.flows.values(), FLOW, LOOP])
    return world


async def make(world, run: int, token: str, **body):
    status, answer, _ = await world.api("POST", f"runs/{world.engine.ids.run(run)}/links", token, body)
    return status, answer


async def admin(world, *scopes: str) -> str:
    return await world.token("root", *(scopes or ("links",)))


async def test_a_link_for_a_step_that_waits_is_the_persons_page(world):
    run = await world.start("alone")

    status, made = await make(world, run, await admin(world), person="ann@example.com", step="gate")
    shown, page = await world.get(made["page"].removeprefix(world.public_url))

    assert status == 200
    assert made["page"].startswith(f"{world.public_url}/a/")
    assert made == {
        "page": made["page"],
        "person": made["person"],
        "run": world.engine.ids.run(run),
        "step": "gate",
        "approval": world.engine.ids.suspension(run, 1),
        "due": "2026-01-12T09:00:00Z",
    }
    assert made["person"]["email"] == "ann@example.com"
    assert shown == 200
    assert "Ann" in page.text
    assert (await world.view(run)).decisions == ()


async def test_W9_a_link_for_a_step_that_comes_takes_the_decision_before_it_is_asked_for(world):
    run = await world.start("linked")
    ann = await world.person("ann")

    status, made = await make(world, run, await admin(world), person="ann@example.com", step="gate")

    prefix, _, step = made["page"].rpartition("/")
    link = world.links.open_early(prefix.rpartition("/")[2], step)
    assert status == 200
    assert (made["approval"], made["due"], made["step"]) == (None, None, "gate")
    assert made["page"].startswith(f"{world.public_url}/p/")
    assert (link.purpose, link.run, link.person, link.about) == (Purpose.PRE, run, ann.id, "gate")


async def test_W9_a_link_for_the_whole_run_is_for_whatever_comes_first(world):
    run = await world.start("linked")
    ann = await world.person("ann")

    status, made = await make(world, run, await admin(world), person=world.engine.ids.person(ann.id), whole_run=True)

    link = world.links.open_early(made["page"].rpartition("/")[2])
    assert status == 200
    assert (made["step"], made["approval"]) == (None, None)
    assert (link.run, link.person, link.about) == (run, ann.id, "")


async def test_W11_a_link_makes_nobody_an_approver(world):
    run = await world.start("release", by="req")
    token = await admin(world)

    own = await make(world, run, token, person="req@example.com", step="gate")
    stranger = await make(world, run, token, person="nobody@example.com", step="gate")

    assert (own[0], own[1]["type"], own[1]["detail"]) == (
        403,
        "urn:signoff:problem:not-allowed",
        "Req is not one of those who may decide this.",
    )
    assert stranger[0] == 403


async def test_S10_it_takes_an_admin_and_a_scope_of_its_own(world):
    run = await world.start("alone")
    asked = {"person": "ann@example.com", "step": "gate"}

    others = await make(world, run, await admin(world, "start", "read", "decide", "admin"), **asked)
    approver = await make(world, run, await world.token("ann", "links"), **asked)
    requester = await make(world, run, await world.token("req", "links", "admin"), **asked)
    enough = await make(world, run, await admin(world, "links"), **asked)

    assert (others[0], others[1]["detail"]) == (403, "This takes a token with the scope links.")
    assert (approver[0], approver[1]["detail"]) == (403, "Only an admin may make somebody's link.")
    assert requester[0] == 403
    assert enough[0] == 200


async def test_it_is_logged_who_made_it_for_whom_and_never_the_link(world, caplog):
    run = await world.start("alone")
    caplog.set_level(logging.INFO)

    _, made = await make(world, run, await admin(world), person="ann@example.com", step="gate")

    (record,) = [one for one in caplog.records if one.name == "bot.web.api.runs"]
    told = {key: getattr(record, key) for key in ("run", "step", "for", "by", "via_token")}
    ids = world.engine.ids
    assert told == {
        "run": ids.run(run),
        "step": "gate",
        "for": ids.person((await world.person("ann")).id),
        "by": ids.person((await world.person("root")).id),
        "via_token": told["via_token"],
    }
    assert told["via_token"].endswith(" issued by an operator")
    token = made["page"].rpartition("/")[2]
    assert token not in json.dumps([vars(one) for one in caplog.records], default=str)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("gaet", "is no step of this flow; did you mean 'gate'?"),
        ("zzz", "is no step of this flow; people are asked at first, gate, strict, filled."),
    ],
)
async def test_a_step_that_is_none_is_said_with_the_nearest_name(world, step, said):
    run = await world.start("linked")

    status, body = await make(world, run, await admin(world), person="ann@example.com", step=step)

    assert (status, body["fields"]) == (422, {"step": said})


@pytest.mark.parametrize("step", ["strict", "filled", "log"])
async def test_what_cannot_be_decided_beforehand_has_no_link_before_it_waits(world, step):
    run = await world.start("linked")

    status, body = await make(world, run, await admin(world), person="ann@example.com", step=step)

    assert (status, body["type"]) == (409, "urn:signoff:problem:not-waiting")
    assert body["detail"] == (
        f"{step} does not wait now, and cannot be decided beforehand: an approval takes one only where its flow says "
        "`pre_approval: allow` and its form needs no answer."
    )


async def test_a_run_that_takes_nothing_beforehand_has_no_link_for_the_whole_of_it(world):
    run = await world.start("alone")

    status, body = await make(world, run, await admin(world), person="ann@example.com", whole_run=True)

    assert (status, body["type"]) == (409, "urn:signoff:problem:not-waiting")


async def test_a_step_that_waits_several_times_is_named_by_its_path(world):
    run = await world.start("loop")
    token = await admin(world)

    which = await make(world, run, token, person="req@example.com", step="ask")
    one = await make(world, run, token, person="req@example.com", step="each[1].ask")

    assert (which[0], which[1]["fields"]) == (
        422,
        {"step": "waits several times; say which: each[0].ask, each[1].ask."},
    )
    assert one[0] == 200
    shown, page = await world.get(one[1]["page"].removeprefix(world.public_url))
    assert shown == 200
    assert "b?" in page.text


@pytest.mark.parametrize("person", ["@leads", "ann", "per_0000000000000", "", "x" * 400])
async def test_somebody_who_is_nobody_is_said_so(world, person):
    run = await world.start("alone")

    status, body = await make(world, run, await admin(world), person=person, step="gate")

    assert (status, set(body["fields"])) == (422, {"person"})


async def test_a_run_that_has_ended_has_no_links(world):
    run = await world.start("alone")
    ann = await world.person("ann")
    await world.engine.decide(run, 1, ann.id, Verdict.APPROVE, door=Door.PAGE)

    status, body = await make(world, run, await admin(world), person="ann@example.com", step="gate")

    assert (status, body["type"]) == (409, "urn:signoff:problem:run-finished")
