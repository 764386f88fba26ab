"""``signoff.client`` against the real API: what its models read is what the server says."""

from __future__ import annotations

import asyncio
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.definition import Approval, Flow, Step
from signoff.client import AsyncClient, Client, InvalidForm, NotAllowed, NotFound, Refused

GATED = Flow(
    flow="gated",
    owner="root@example.com",
    outputs={"chosen": "{{ steps.gate.option }}"},
    steps=[
        Step(
            id="gate",
            approval=Approval(
                ask="Which?",
                approvers=("ann@example.com", "bob@example.com"),
                options=("half", "whole"),
                pre_approval="allow",
                form=[{"name": "note", "type": "string", "required": False}],
            ),
        )
    ],
)


async def asleep(_seconds: float) -> None:
    await asyncio.sleep(0)


class Caller:
    """Calls with a client of one kind, as whoever it is told to."""

    def __init__(self, world: Any, kind: str) -> None:
        self._world = world
        self._kind = kind

    async def __call__(self, who: str, act: Callable[[Any], Any], *scopes: str) -> Any:
        token = await self._world.token(who, *scopes)
        if self._kind == "asyncio":
            async with AsyncClient(self._world.public_url, token, sleep=asleep) as client:
                return await act(client)
        with Client(self._world.public_url, token, sleep=lambda _: None) as client:
            return await asyncio.to_thread(act, client)


@pytest.fixture(params=[pytest.param("blocking", marks=pytest.mark.slow), "asyncio"])
async def call(request: pytest.FixtureRequest, world: Any) -> Caller:
    await world.engine.use([*world.engine.flows.values(), GATED])
    return Caller(world, request.param)


async def test_a_run_is_started_decided_and_waited_for(call: Caller):
    run = await call("req", lambda c: c.start("gated", {}))
    waiting = await call("req", lambda c: c.wait(run.id, until="waiting"))
    (asked,) = await call("ann", lambda c: c.approvals())
    shown = await call("ann", lambda c: c.approval(asked.id))
    decided = await call(
        "ann", lambda c: c.decide(shown, "approve", option="half", form={"note": "fine"}, comment="so")
    )
    again = await call("ann", lambda c: c.decide(shown, "approve", option="half", form={"note": "fine"}, comment="so"))
    ended = await call("req", lambda c: c.wait(run.id))

    assert (waiting.status, waiting.moving, waiting.over) == ("waiting", False, False)
    assert (asked.run, asked.step, [option.name for option in shown.options]) == (run.id, "gate", ["half", "whole"])
    assert (decided.counted, again.counted, decided.run_status) == (True, False, "succeeded")
    assert (ended.status, ended.over, ended.outputs) == ("succeeded", True, {"chosen": "half"})
    (answered,) = ended.answered
    (decision,) = answered.decisions
    assert (decision.person.email, decision.option, decision.comment, decision.form) == (
        "ann@example.com",
        "half",
        "so",
        {"note": "fine"},
    )


async def test_a_start_with_a_key_of_ones_own_starts_once(call: Caller, world: Any):
    token = await world.token("req")
    async with AsyncClient(world.public_url, token) as client:
        first, second = [await client.start("alone", key="build-4711") for _ in range(2)]
        other = await client.start("alone")

    assert first.id == second.id != other.id


async def test_K4_several_are_decided_with_one_entry_each(call: Caller):
    runs = [await call("req", lambda c: c.start("alone")) for _ in range(2)]
    ids = [(await call("req", lambda c, run=run: c.get(run.id))).suspensions[0].id for run in runs]

    items = await call("ann", lambda c: c.decide_many([ids[0], "sus_x", ids[1]], "approve"))

    assert [(item.id, item.ok, item.run_status) for item in items] == [
        (ids[0], True, "succeeded"),
        ("sus_x", False, None),
        (ids[1], True, "succeeded"),
    ]
    assert items[1].problem.kind == "not-found"


async def test_K3_a_run_is_paused_resumed_cancelled_and_a_wait_dropped(call: Caller):
    run = await call("req", lambda c: c.start("gated"))
    (gate,) = (await call("req", lambda c: c.get(run.id))).suspensions

    paused = await call("req", lambda c: c.pause(run.id))
    seen = await call("req", lambda c: c.get(run.id))
    resumed = await call("req", lambda c: c.resume(run.id))
    dropped = await call("root", lambda c: c.drop(gate.id, "nobody is left"))
    other = await call("req", lambda c: c.start("gated"))
    cancelled = await call("req", lambda c: c.cancel(other.id, reason="not needed"))

    assert (paused.status, seen.paused.by.email, resumed.status) == ("paused", "req@example.com", "waiting")
    assert (dropped.status, dropped.over) == ("succeeded", True)
    assert (cancelled.status, cancelled.reason) == ("cancelled", "not needed")


async def test_an_answer_is_taken_back(call: Caller):
    run = await call("req", lambda c: c.start("release"))
    (gate,) = (await call("req", lambda c: c.get(run.id))).suspensions
    await call("ann", lambda c: c.decide(gate.id, "approve"))

    back = await call("ann", lambda c: c.withdraw(gate.id))

    assert (back.counted, back.approval.approvals, back.approval.decisions) == (True, 0, [])


async def test_W9_links_are_made_for_a_step_and_for_a_whole_run(call: Caller, world: Any):
    run = await call("req", lambda c: c.start("gated"))

    step = await call("root", lambda c: c.links(run.id, "ann@example.com", step="gate"), "links")
    whole = await call("root", lambda c: c.links(run.id, "ann@example.com", whole_run=True), "links")

    assert step.page.startswith(f"{world.public_url}/a/")
    assert whole.page.startswith(f"{world.public_url}/p/")
    assert (step.person.email, whole.due) == ("ann@example.com", None)
    assert step.due is not None


async def test_what_is_refused_is_an_exception_that_carries_the_problem(call: Caller):
    run = await call("req", lambda c: c.start("gated"))
    (gate,) = (await call("req", lambda c: c.get(run.id))).suspensions

    with pytest.raises(InvalidForm) as bad:
        await call("req", lambda c: c.start("release", {"version": 7, "kye": "x"}))
    with pytest.raises(NotFound):
        await call("nobody", lambda c: c.get(run.id))
    with pytest.raises(NotAllowed) as own:
        await call("req", lambda c: c.decide(gate.id, "approve", option="half"))
    with pytest.raises(InvalidForm) as unfit:
        await call("ann", lambda c: c.decide(gate.id, "resume"))

    assert set(bad.value.fields) == {"version", "kye"}
    assert own.value.problem.kind == "self-approval"
    assert unfit.value.fields == {"verdict": "must be approve or reject, not resume"}


async def test_S11_an_approval_that_was_shown_is_decided_as_it_was_shown(call: Caller):
    run = await call("req", lambda c: c.start("release"))
    (gate,) = (await call("req", lambda c: c.get(run.id))).suspensions
    shown = await call("ann", lambda c: c.approval(gate.id))
    older = shown.model_copy(update={"digest": "00" * 32})

    with pytest.raises(Refused) as changed:
        await call("ann", lambda c: c.decide(older, "approve"))

    assert changed.value.problem.kind == "changed-since-shown"
    assert changed.value.problem.approval.digest == shown.digest


async def test_effects_are_listed_by_admins_only(call: Caller):
    assert await call("root", lambda c: c.effects(), "admin") == []
    with pytest.raises(NotAllowed):
        await call("req", lambda c: c.effects())
    for how in ("retry", "skip"):
        with pytest.raises(NotFound):
            await call("root", lambda c, how=how: getattr(c, how)("eff_x"), "admin")


async def test_the_example_in_the_docs_does_what_it_says(world: Any, tmp_path: Path):
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    (code,) = re.findall(r"^```python client\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "example.py").write_text(code)
    example = runpy.run_path(str(tmp_path / "example.py"))
    release = Flow(
        flow="release",
        inputs=[{"name": "version", "type": "string"}],
        steps=[Step(id="log", if_="false", uses="log", **{"with": {"message": "never"}})],
    )
    await world.engine.use([*world.engine.flows.values(), release])
    runs = [await world.start(flow) for flow in ("alone", "asks", "asks")]
    ids = [world.engine.ids.suspension(run, 1) for run in runs]
    url, req, ann = world.public_url, await world.token("req"), await world.token("ann")

    released = await asyncio.to_thread(example["release"], url, req, "2.0")
    missing = await asyncio.to_thread(example["approve"], url, ann, ids[1])
    fine = await asyncio.to_thread(example["approve"], url, ann, ids[0])
    left = await asyncio.to_thread(example["approve_all"], url, ann)

    assert released == "succeeded"
    assert missing == "Please fill in: reason"
    assert fine == "Your decision is counted."
    assert [one.partition(":")[0] for one in left] == ids[1:]
