"""Forms in Slack's modals: fields that come and go, what is wrong inside a value, and the form of a rejection."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Approval, Flow, Step
from integrations.sandbox import Human

RELEASES = {"slack": "#releases"}
FORM: list[dict[str, Any]] = [
    {"name": "kind", "type": "select", "options": ["sick", "other"]},
    {"name": "which", "type": "string", "when": "kind == 'other'"},
    {"name": "paid", "type": "boolean", "default": True, "when": "kind == 'other'"},
]


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob")]


def asking(form: list[dict[str, Any]], **more: Any) -> Flow:
    approval = Approval(approvers=("bob@example.com",), ask="Ship it?", via=RELEASES, form=form, **more)
    return Flow(flow="ask", steps=[Step(id="gate", approval=approval), Step(id="done", uses="log")])


def inputs(modal: Any) -> list[str]:
    return [block["block_id"] for block in modal.blocks if block["type"] == "input"]


async def test_K10_fields_come_and_go_while_a_modal_is_filled_in(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(asking(FORM))
    run = await bot.begin("ask", ann)
    await bob.click(await bob.sees("Ship it?"), "Approve")
    modal = await bob.gets_modal("Ship it?")
    assert inputs(modal) == ["kind"]

    await bob.select(modal, "value", "other", block_id="kind")
    await bot.settled()
    assert inputs(modal) == ["kind", "which", "paid"]
    await bob.select(modal, "value", "sick", block_id="kind")
    await bot.settled()
    assert inputs(modal) == ["kind"]
    await bob.select(modal, "value", "other", block_id="kind")
    await bot.settled()
    await bob.submit({"which": "a move", "paid": "no"})

    assert bob.modal is None
    (decision,) = (await bot.view(run)).decisions
    assert decision.values == {"kind": "other", "which": "a move", "paid": False}


async def test_K10_a_modal_that_is_sent_before_it_was_drawn_again_asks_for_the_rest_and_counts_nothing(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(asking([*FORM[:1], FORM[2]]))
    run = await bot.begin("ask", ann)
    await bob.click(await bob.sees("Ship it?"), "Approve")
    modal = await bob.gets_modal("Ship it?")

    # Nobody has seen that Paid is asked: its default is no answer of theirs.
    await bob.submit({"kind": "other"})

    assert inputs(modal) == ["kind", "paid"]
    assert "more is asked" in modal.shown_text()
    assert await bot.standing(run) == {}

    await bob.submit()

    assert bob.modal is None
    assert (await bot.view(run)).decisions[0].values == {"kind": "other", "paid": True}


async def test_K8_what_is_wrong_inside_a_value_is_told_under_its_input_and_can_be_mended(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(asking([{"name": "ports", "type": "list", "of": {"type": "integer", "max": 99}}]))
    run = await bot.begin("ask", ann)
    await bob.click(await bob.sees("Ship it?"), "Approve")
    modal = await bob.gets_modal("Ship it?")

    await bob.submit({"ports": '[1, "x", 100]'})

    assert modal.errors == {
        "ports": "ports[1]: must be a whole number, not 'x'. ports[2]: must be at most 99, not 100."
    }
    assert await bot.standing(run) == {}

    await bob.submit({"ports": "[1, 2]"})

    assert (await bot.view(run)).decisions[0].values == {"ports": [1, 2]}


async def test_a_rejection_fills_in_the_form_where_the_flow_says_so(start_bot, cast):
    ann, bob, *_ = cast
    form = [{"name": "reason", "type": "select", "options": ["late", "costly"]}]
    bot = await start_bot(asking(form, form_on="both"))
    run = await bot.begin("ask", ann)
    await bob.click(await bob.sees("Ship it?"), "Reject")
    modal = await bob.gets_modal("Ship it?")
    assert inputs(modal) == ["reason", "-reason"]

    await bob.submit({"reason": "costly", "-reason": "Too much"})

    await bot.settled()
    (decision,) = (await bot.view(run)).decisions
    assert (decision.values, decision.comment) == ({"reason": "costly"}, "Too much")
    assert await bot.status(run) == "rejected"
