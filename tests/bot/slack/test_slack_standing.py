"""How a card says where it stands: nested quorums, vetoes, several rejections, and each way of being over or halted."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Approval, Flow, Hold, Step
from flows.run import Door, Verdict
from integrations.sandbox import Human

RELEASES = ({"slack": "#releases"},)


def ask(*approvers: str, flow: str = "ask", then: list[Step] | None = None, **more: Any) -> Flow:
    given = [each if each[0] in "@{" else f"{each}@example.com" for each in approvers]
    keys = {key: more.pop(key) for key in ("supersede", "owner", "inputs") if key in more}
    approval = Approval(ask="Ship it?", approvers=given, via=RELEASES, **more)
    return Flow(flow=flow, steps=[Step(id="gate", approval=approval), *(then or [Step(id="done", uses="log")])], **keys)


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


def mention(sandbox, handle: str) -> str:
    return next(f"<!subteam^{group.id}>" for group in sandbox.workspace.groups.values() if group.handle == handle)


NESTED = {"all": ["dan@example.com", {"any": ["@hr-leads", "eve@example.com"]}]}


async def test_a_nested_quorum_says_whose_seats_are_empty(sandbox, start_bot, cast):
    ann, bob, _, dan, eve = cast
    bot = await start_bot(ask(quorum=NESTED))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    leads = mention(sandbox, "hr-leads")

    first = card.shown_text()
    await dan.click(card, "Approve")
    told = await dan.is_told("Counted: you approved.")
    await bot.settled()
    second = bob.now(card).shown_text()
    await bob.click(card, "Approve")
    await bot.settled()

    assert f"*0 of 2 approvals*, waiting for <@{dan.id}>, {leads} or <@{eve.id}>  ·  " in first
    assert f"Can decide: <@{dan.id}>, <@{eve.id}>, {leads}" in first
    assert f"Counted: you approved. 1 of 2 approvals, waiting for {leads} or <@{eve.id}>.\n" in told.shown_text()
    assert f"*1 of 2 approvals*, waiting for {leads} or <@{eve.id}>  ·  " in second
    last = bob.now(card).shown_text()
    assert "*2 of 2 approvals*" in last
    assert "waiting for" not in last
    assert await bot.status(run) == "succeeded"


async def test_a_yes_that_brings_a_nested_quorum_no_nearer_is_not_counted_as_if_it_did(sandbox, start_bot, cast):
    ann, bob, cat, dan, _ = cast
    bot = await start_bot(ask(quorum={"all": ["@hr-leads", "dan@example.com"]}))
    await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await bob.click(card, "Approve")
    await bob.is_told("1 of 2 approvals")

    await cat.click(card, "Approve")

    await cat.is_told(f"Counted: you approved. 1 of 2 approvals, waiting for <@{dan.id}>.")
    await bot.settled()
    assert f"*1 of 2 approvals*, waiting for <@{dan.id}>" in bob.now(card).shown_text()


async def test_groups_are_shown_by_their_handle_where_slack_does_not_say_which_they_are(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("@hr-leads", "bob", quorum=2))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    assert f"Can decide: <@{bob.id}>, {mention(sandbox, 'hr-leads')}" in card.shown_text()
    sandbox.faults.status("usergroups.list", 503)
    bot.clock.advance("5m")

    await bob.click(card, "Approve")
    await bot.settled()

    assert "*1 of 2 approvals*" in bob.now(card).shown_text()
    assert f"Can decide: <@{bob.id}>, @hr-leads" in bob.now(card).shown_text()
    assert await bot.status(run) == "waiting"


async def test_who_may_veto_is_said_and_several_rejections_are_counted(sandbox, start_bot, cast):
    ann, _, _, dan, eve = cast
    bot = await start_bot(ask("bob", "cat", "dan", quorum=3, reject_after=2, veto=["eve@example.com", "@hr-leads"]))
    run = await bot.begin("ask", ann)
    card = await dan.sees("Ship it?")
    assert f"Can veto: <@{eve.id}>, {mention(sandbox, 'hr-leads')}" in card.shown_text()

    await dan.click(card, "Reject")
    await dan.gets_modal()
    await dan.submit()
    told = await dan.is_told("Counted: you rejected. 1 of 2 rejections.")
    await bot.settled()
    shown = dan.now(card).shown_text()
    await eve.click(card, "Approve")
    await eve.is_told("You may reject this, but your approval is not asked for.")
    await eve.click(card, "Reject")
    await eve.gets_modal()
    await eve.submit()
    await bot.settled()

    assert told.buttons() == ["Take back"]
    assert "*0 of 3 approvals*, waiting for" in shown
    assert "  ·  1 of 2 rejections" in shown
    assert await bot.status(run) == "rejected"
    assert f"*Rejected* by <@{eve.id}>" in dan.now(card).shown_text()


async def test_a_newer_run_that_took_the_place_is_named_and_linked_to(start_bot, cast):
    ann, bob, *_ = cast
    inputs = [{"name": "pr", "type": "integer"}]
    bot = await start_bot(ask("bob", supersede="{{ inputs.pr }}", inputs=inputs))
    older = await bot.begin("ask", ann, {"pr": 7})
    card = await bob.sees("Ship it?")

    newer = await bot.begin("ask", ann, {"pr": 7})
    await bot.settled()

    shown = bob.now(card)
    link = f"<{bot.ids.run_url(newer.id)}|{bot.ids.run(newer.id)}>"
    assert ":arrows_counterclockwise: *A newer run took its place*, " in shown.shown_text()
    assert shown.shown_text().count(link) == 1
    assert shown.text.startswith("A newer run took its place: Ship it?")
    assert shown.buttons() == []
    assert await bot.status(older) == "cancelled"
    await bob.click_stale(card, "Approve")
    await bob.is_told("This is no longer open: a newer run has taken its place")
    await bob.click_stale(card, "Reject")
    told = await bob.is_told("This is no longer open. :arrows_counterclockwise:")
    assert link in told.shown_text()


async def test_a_wait_that_was_dropped_says_by_whom_and_why_and_is_no_approval(start_bot, cast):
    ann, bob, *_, eve = cast
    bot = await start_bot(ask("bob"), admins=[eve.email])
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    admin = await bot.people.by_email(eve.email)

    await bot.engine.drop(run.id, 1, admin.id, "The <system> is gone", door=Door.API)
    await bot.settled()

    shown = bob.now(card)
    assert f":wastebasket: *Dropped* by <@{eve.id}>, " in shown.shown_text()
    assert ": nobody has approved this, and the run goes on\n>The &lt;system&gt; is gone" in shown.shown_text()
    assert "*0 of 1 approval*" in shown.shown_text()
    assert "Approved" not in shown.shown_text()
    assert shown.text == "Dropped by Eve Ellis: Ship it? (Ask · Gate)"
    assert shown.buttons() == []
    assert await bot.status(run) == "succeeded"


async def test_W9_a_decision_that_was_given_in_advance_says_so(start_bot, cast):
    ann, bob, cat, *_ = cast
    first = Step(id="wait", hold=Hold(ask="Begin?", via=RELEASES))
    gate = Approval(
        ask="Ship it?", approvers=["bob@example.com", "cat@example.com"], quorum=2, pre_approval="allow", via=RELEASES
    )
    bot = await start_bot(Flow(flow="ask", steps=[first, Step(id="gate", approval=gate)]))
    run = await bot.begin("ask", ann)
    person = await bot.people.by_email(bob.email)
    await bot.engine.decide_early(run.id, person.id, Verdict.APPROVE, door=Door.PAGE)

    await ann.click(await ann.sees("Can resume this"), "Resume")
    await bot.settled()
    card = await bob.sees("Ship it?")
    await cat.click(card, "Approve")
    await bot.settled()

    advance = f":white_check_mark: <@{bob.id}> approved in advance, without having seen this, "
    assert advance in card.shown_text()
    assert "*1 of 2 approvals*" in card.shown_text()
    assert advance in bob.now(card).shown_text()
    assert f"<@{cat.id}> approved, " in bob.now(card).shown_text()


async def test_W9_what_was_approved_in_advance_alone_says_so_when_it_is_over(start_bot, cast):
    ann, bob, *_ = cast
    first = Step(id="wait", hold=Hold(ask="Begin?", via=RELEASES))
    gate = Approval(ask="Ship it?", approvers=["bob@example.com"], pre_approval="allow", via=RELEASES)
    bot = await start_bot(Flow(flow="ask", steps=[first, Step(id="gate", approval=gate)]))
    run = await bot.begin("ask", ann)
    person = await bot.people.by_email(bob.email)
    await bot.engine.decide_early(run.id, person.id, Verdict.APPROVE, door=Door.PAGE)

    await ann.click(await ann.sees("Can resume this"), "Resume")
    await bot.settled()

    assert await bot.status(run) == "succeeded"
    shown = bob.message("Ship it?")
    if shown is not None:
        assert "approved in advance, without having seen this" in shown.shown_text()


async def test_a_wait_that_a_function_made_is_a_card_like_any_other(start_bot, cast, tmp_path, monkeypatch):
    ann, bob, *_ = cast
    (tmp_path / "making.py").write_text(
        "from flows.step_context import StepContext\n\n\n"
        "async def work(ctx: StepContext) -> str:\n"
        "    if ctx.runs == 1:\n"
        "        await ctx.suspend(approval={'ask': 'Made?', 'approvers': ['bob@example.com'],\n"
        "                              'options': ['red', 'blue'], 'via': {'slack': '#releases'}})\n"
        "    return 'done'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    bot = await start_bot(Flow(flow="made", steps=[Step(id="gate", run="making:work"), Step(id="end", uses="log")]))
    run = await bot.begin("made", ann)
    card = await bob.sees("Made?")
    assert card.buttons() == ["Red", "Blue", "Reject"]
    await ann.command("/approvals", f"show {bot.ids.run(run.id)}")
    shown = await ann.is_told("*Waits:* Made? (0 of 1 approval")

    await bob.click(card, "Reject")
    await bob.gets_modal("Made?")
    await bob.submit({"reason": "neither"})
    await bot.settled()

    assert shown is not None
    assert await bot.status(run) == "rejected"
    told = await ann.sees("was rejected by")
    assert "|Open the card>" in told.shown_text()


async def test_R4_deciding_one_of_two_that_wait_side_by_side_leaves_the_others_card_as_it_was(start_bot, cast):
    ann, bob, cat, *_ = cast

    def gate(name: str, who: str, form: list[dict[str, Any]]) -> list[Step]:
        approval = Approval(ask=f"{name}?", approvers=[f"{who}@example.com"], via=RELEASES, form=form)
        return [Step(id=name, approval=approval)]

    both = {
        "left": gate("alpha", "bob", [{"name": "why", "type": "string"}]),
        "right": gate("beta", "cat", [{"name": "days", "type": "integer"}]),
    }
    bot = await start_bot(Flow(flow="pair", steps=[Step(id="both", parallel=both), Step(id="end", uses="log")]))
    run = await bot.begin("pair", ann)
    alpha, beta = await bob.sees("alpha?"), await cat.sees("beta?")
    await cat.click(beta, "Approve")
    modal = await cat.gets_modal("beta?")

    await bob.click(alpha, "Approve")
    await bob.gets_modal("alpha?")
    await bob.submit({"why": "because"})
    await bot.settled()

    assert bob.now(alpha).buttons() == []
    assert cat.now(beta) == beta  # not even drawn again
    assert [block["block_id"] for block in modal.blocks if block["type"] == "input"] == ["days"]
    await cat.submit({"days": 3})
    await bot.settled()
    assert await bot.status(run) == "succeeded"
    answers = {
        one.suspension.ask: one.decisions[0].values for one in (await bot.engine.run(run.id, run.requester)).suspensions
    }
    assert answers == {"alpha?": {"why": "because"}, "beta?": {"days": 3}}


async def test_what_a_rejection_beside_it_has_closed_says_why(start_bot, cast):
    ann, bob, cat, *_ = cast
    both = {
        name: [Step(id=name, approval=Approval(ask=f"{name}?", approvers=[f"{who}@example.com"], via=RELEASES))]
        for name, who in (("alpha", "bob"), ("beta", "cat"))
    }
    bot = await start_bot(Flow(flow="pair", steps=[Step(id="both", parallel=both)]))
    run = await bot.begin("pair", ann)

    await bob.click(await bob.sees("alpha?"), "Reject")
    await bob.gets_modal()
    await bob.submit({"reason": "No money"})
    await bot.settled()

    assert await bot.status(run) == "rejected"
    assert ":no_entry_sign: *Cancelled*, " in cat.message("beta?").shown_text()
    assert "\n>No money" in cat.message("beta?").shown_text()


async def test_W5b_a_card_of_a_child_flow_shows_the_childs_inputs(start_bot, cast):
    ann, bob, *_ = cast
    child = Flow(
        flow="child",
        inputs=[{"name": "amount", "type": "integer"}],
        steps=[Step(id="gate", approval=Approval(ask="Pay?", approvers=["bob@example.com"], via=RELEASES))],
    )
    parent = Flow(
        flow="parent",
        inputs=[{"name": "secret_plan", "type": "string"}],
        steps=[Step(id="sub", flow="child", **{"with": {"amount": 12}})],
    )
    bot = await start_bot(parent, child)
    await bot.begin("parent", ann, {"secret_plan": "world domination"})

    shown = (await bob.sees("Pay?")).shown_text()

    assert "*Amount:* 12" in shown
    assert "world domination" not in shown
