"""What a hostile reader tried on trees, callbacks, early decisions and children: each of these was a hole once."""

from __future__ import annotations

import json

import pytest

from bot.web.sent import headers_of
from flows.definition import Approval, Flow, Step
from flows.errors import InvalidForm, NotAllowed, SelfApproval
from flows.run import Door, Verdict
from flows.testing import FlowTest

ANN, BOB, CAT, ROOT = (f"{name}@example.com" for name in ("ann", "bob", "cat", "root"))
PEOPLE = [ANN, BOB, CAT, ROOT]


def flow(steps, **more):
    return Flow.model_validate({"flow": "work", "steps": steps, **more})


CHILD = Flow.model_validate(
    {
        "flow": "child",
        "inputs": [{"name": "token", "type": "secret", "min_length": 8}],
        "steps": [{"id": "send", "uses": "http.request", "with": {"token": "{{ inputs.token }}"}}],
    }
)


# -- secrets of child flows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("forged", [{"$secret": "pin"}, {"$secret": ["x"]}, {"$secret": "1.2.pin"}])
async def test_what_looks_like_a_reference_to_a_secret_is_none_where_somebody_typed_it(forged):
    parent = flow(
        [
            {"id": "ask", "hold": {"form": [{"name": "pin", "type": "secret"}]}},
            {"id": "sub", "flow": "child", "with": {"token": "{{ inputs.data.token }}"}},
        ],
        inputs=[{"name": "data", "type": "json"}],
    )
    async with FlowTest(parent, CHILD, people=PEOPLE, actions={"http.request": None}) as t:
        run = await t.start("work", by=ANN, inputs={"data": {"token": forged}})
        await t.resume(run, by=ANN, form={"pin": "ANNS-OWN-PIN"})

        assert run.outcome == "failed"
        assert "token" in run.reason
        assert run.calls() == []


async def test_a_secret_is_passed_on_whole_and_never_as_a_part_of_a_text():
    parent = flow(
        [{"id": "sub", "flow": "child", "with": {"token": "Bearer {{ inputs.key }}"}}],
        inputs=[{"name": "key", "type": "secret"}],
    )
    async with FlowTest(parent, CHILD, people=PEOPLE, actions={"http.request": None}) as t:
        run = await t.start("work", by=ANN, inputs={"key": "hunter2-hunter2"})

        assert run.reason == "sub: with.token: a secret can only be passed on as it is, into an input that is secret"


@pytest.mark.parametrize(
    ("value", "outcome"), [("long-enough", "succeeded"), ("short", "failed"), ("x" * 900_000, "failed")]
)
async def test_a_childs_secret_is_held_against_its_own_rules(value, outcome):
    parent = flow(
        [
            {"id": "get", "uses": "log"},
            {"id": "sub", "flow": "child", "with": {"token": "{{ steps.get.output }}"}},
        ]
    )
    async with FlowTest(parent, CHILD, people=PEOPLE, actions={"http.request": None, "log": value}) as t:
        run = await t.start("work", by=ANN)

        assert run.outcome == outcome


# -- bodies and schemas that would take for ever --------------------------------------------------------------

_NODE = {"$ref": "#/$defs/n"}
_BOMB = {
    "$defs": {
        "n": {
            "anyOf": [
                {"type": "object", "properties": {"a": _NODE}, "required": ["x"]},
                {"type": "object", "properties": {"a": _NODE}, "required": ["y"]},
            ]
        }
    },
    "$ref": "#/$defs/n",
}


def _nested(levels):
    body = {}
    for _ in range(levels):
        body = {"a": body}
    return body


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        pytest.param(_BOMB, _nested(40), id="branches in branches"),
        pytest.param(
            {"type": "array", "items": {"type": "object", "required": ["id"]}}, [1] * 400_000, id="a long list"
        ),
        pytest.param({"multipleOf": 0.01}, 10**400, id="a number beyond all others"),
    ],
)
async def test_a_body_that_cannot_be_held_against_its_schema_in_time_is_refused_and_the_wait_goes_on(schema, body):
    async with FlowTest(flow([{"id": "job", "callback": {"schema": schema}}]), people=PEOPLE) as t:
        run = await t.start(by=ANN)
        with pytest.raises(InvalidForm):
            await t.call(t.links_of(run).resume, body)

        assert run.status == "waiting"


async def test_an_instant_beyond_all_others_fails_its_own_step_and_nobodys_decision():
    work = flow(
        [
            {"id": "ask", "approval": {"approvers": [BOB]}},
            {"id": "pause", "delay": "{{ inputs.at }}"},
        ],
        inputs=[{"name": "at", "type": "string"}],
    )
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN, inputs={"at": "9999-12-31T23:59:59-12:00"})
        await t.approve(run, by=BOB)

        assert (run.outcome, len(run.suspension("ask").decisions)) == ("failed", 1)
        assert run.reason.startswith("pause: delay:")


# -- secrets on their way -------------------------------------------------------------------------------------


async def test_S10_a_secret_in_the_context_of_another_round_is_in_no_row_and_in_no_ledger(tmp_path):
    (tmp_path / "code_of_rounds.py").write_text(
        "def poll(ctx, token):\n"
        "    if ctx.runs == 1:\n"
        "        ctx.rerun('10s', context={'auth': 'Bearer ' + token})\n"
        "    return ctx.context\n"
    )
    (tmp_path / "work.yml").write_text(
        "flow: work\ninputs: [{name: token, type: secret}]\n"
        "steps: [{id: poll, run: 'code_of_rounds:poll', with: {token: '{{ inputs.token }}'}}]\n"
    )
    async with FlowTest(tmp_path / "work.yml", people=PEOPLE) as t:
        run = await t.start(by=ANN, inputs={"token": "hunter2-hunter2"})
        await t.advance("10s")

        assert run.outcome == "succeeded"
        assert "hunter2" not in json.dumps([entry.payload for entry in await t.ledger(run)])
        assert "hunter2" not in str(run.view.steps)


def test_headers_that_say_who_may_send_are_not_kept():
    sent = {
        "Authorization": "x",
        "X-Api-Key": "x",
        "X-Gitlab-Token": "x",
        "X-Amz-Security-Token": "x",
        "X-Goog-Iap-Jwt-Assertion": "x",
        "Referer": "https://signoff.example.com/r/a-link",
        "Content-Type": "text/plain",
    }
    assert headers_of(sent) == {"content-type": "text/plain"}


# -- who may do what to their own request ---------------------------------------------------------------------


async def test_W11_an_owner_cannot_drop_the_approval_of_their_own_request():
    work = flow([{"id": "ask", "approval": {"approvers": [BOB]}}], owner=ANN)
    async with FlowTest(work, people=PEOPLE, admins=[ROOT]) as t:
        run = await t.start(by=ANN)
        with pytest.raises(SelfApproval):
            await t.drop(run, by=ANN, reason="I am in a hurry")
        assert run.status == "waiting"
        await t.drop(run, by=ROOT, reason="Bob is on leave")

        assert run.outcome == "succeeded"


async def test_W11_nobody_makes_links_of_those_who_decide_their_own_request_and_who_makes_one_is_in_the_ledger():
    async with FlowTest(flow([{"id": "ask", "approval": {"approvers": [BOB]}}]), people=PEOPLE, admins=[ROOT]) as t:
        run = await t.start(by=ROOT)
        ann, bob, root = [(await t.crowd.meet(t.store, who)).id for who in (ANN, BOB, ROOT)]
        with pytest.raises(SelfApproval):
            await t.engine.link_made(run.number, bob, root, step="ask")
        await t.engine.link_made(run.number, bob, ann, step="ask", via_token="tok_1")

        newest = (await t.ledger(run))[-1]
        assert "LinkGiven" in newest.payload
        assert "tok_1" in newest.payload


async def test_an_admins_rights_stay_at_home_where_the_caller_does_not_act_as_one():
    async with FlowTest(flow([{"id": "a", "uses": "log"}], starters=[BOB]), people=PEOPLE, admins=[ROOT]) as t:
        root = await t.crowd.meet(t.store, ROOT)
        with pytest.raises(NotAllowed):
            await t.engine.start("work", root.id, {}, as_admin=False)
        await t.engine.start("work", root.id, {})


# -- nothing is lost, nothing doubled -------------------------------------------------------------------------


async def test_W9_what_others_gave_early_is_not_lost_when_somebody_elses_early_decision_counts_at_once():
    work = Flow(
        flow="work",
        steps=[
            Step(id="a", approval=Approval(approvers=[BOB], pre_approval="allow")),
            Step(id="b", approval=Approval(approvers=[CAT], pre_approval="allow")),
        ],
    )
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        assert await t.decide_early(run, Verdict.APPROVE, by=CAT) is False
        assert await t.decide_early(run, Verdict.APPROVE, by=BOB) is True

        assert run.outcome == "succeeded"


@pytest.mark.parametrize("hold_up", ["acting", "queued"])
async def test_superseding_also_retires_a_run_that_had_work_under_way_or_waited_for_its_place(hold_up):
    work = flow(
        [
            {"id": "call", "uses": "http.request", "retry": {"max": 1, "delay": "1h"}},
            {"id": "ask", "approval": {"approvers": [BOB]}},
        ],
        inputs=[{"name": "key", "type": "string"}],
        supersede="{{ inputs.key }}",
        concurrency={"limit": 1, "while_waiting": "keep"} if hold_up == "queued" else None,
    )
    from flows.errors import ActionError
    from flows.testing import Turns

    answers = Turns(ActionError("503", retryable=True), 1) if hold_up == "acting" else 1
    async with FlowTest(work, people=PEOPLE, actions={"http.request": answers}) as t:
        if hold_up == "queued":
            await t.start(by=ANN, inputs={"key": "other"})
        old = await t.start(by=ANN, inputs={"key": "a" * 300})
        new = await t.start(by=ANN, inputs={"key": "a" * 300})
        apart = await t.start(by=ANN, inputs={"key": "a" * 299 + "b"})
        await t.advance("1h")

        assert (old.outcome, old.reason) == ("cancelled", f"superseded by {new.id}")
        assert new.outcome is None
        assert apart.outcome is None


async def test_a_paused_run_does_not_keep_others_from_a_place():
    work = flow([{"id": "ask", "approval": {"approvers": [BOB]}}], concurrency={"limit": 1, "while_waiting": "keep"})
    async with FlowTest(work, people=PEOPLE) as t:
        first, paused, third = [await t.start(by=ANN) for _ in range(3)]
        await t.pause(paused, by=ANN)
        await t.approve(first, by=BOB)
        assert (paused.status, third.status) == ("paused", "waiting")
        await t.approve(third, by=BOB)
        await t.unpause(paused, by=ANN)

        assert paused.status == "waiting"


async def test_R3_the_same_early_decision_twice_is_kept_once():
    work = flow([{"id": "hold", "hold": {}}, {"id": "ask", "approval": {"approvers": [BOB], "pre_approval": "allow"}}])
    async with FlowTest(work, people=PEOPLE) as t:
        run = await t.start(by=ANN)
        bob = await t.crowd.meet(t.store, BOB)
        for _ in range(2):
            await t.engine.decide_early(run.number, bob.id, Verdict.APPROVE, door=Door.API)
        await t.resume(run, by=ANN)

        assert run.outcome == "succeeded"
        assert len(run.suspension("ask").decisions) == 1
