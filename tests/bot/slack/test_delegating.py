"""Handing approvals over, letting somebody else be asked, and letting a run go on undecided: modals, refusals, who hears."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Approval, Flow, Step
from flows.run import Door, Verdict
from integrations.sandbox import Human
from integrations.sandbox.message import Message

RELEASES = ({"slack": "#releases"},)


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


def ask(name: str = "ask", **more: Any) -> Flow:
    given: dict[str, Any] = {"ask": "Ship it?", "approvers": ["bob@example.com", "cat@example.com"], "quorum": 2}
    gate = Approval(**{**given, "via": RELEASES, **more})
    return Flow(flow=name, steps=[Step(id="gate", approval=gate), Step(id="done", uses="log")])


async def away(person: Human, to: Human, *, starts: str = "2026-01-05", ends: str = "2026-01-09", **more: Any) -> None:
    """Fill in the modal in which one hands over."""
    await person.command("/approvals", "delegate")
    await person.gets_modal("Hand your approvals over")
    await person.submit({"-person": to, "-starts": starts, "-ends": ends, **more})


async def choose(person: Human, card: Message, what: str, bot: Any, run: Any) -> None:
    """Something of a card's menu."""
    await person.select(
        card, "more", f"{what}:{bot.ids.suspension(run.id, 1)}:{(await bot.view(run)).suspension.digest.hex()}"
    )


# -- handing over -----------------------------------------------------------------------------------------------


async def test_W11_who_is_away_hands_over_and_both_are_named_wherever_it_is_told(sandbox, start_bot, cast):
    ann, bob, _, dan, _ = cast
    bot = await start_bot(ask(), ask("other"))
    run = await bot.begin("ask", ann)
    card = await dan.sees("Ship it?")

    await away(bob, dan)
    done = await bob.is_told("answers for you")
    told = await dan.sees("has handed their approvals over to you")
    await dan.click(card, "Approve")
    await bot.settled()

    assert f"<@{dan.id}> answers for you from 2026-01-05 to 2026-01-09, for all flows." in done.shown_text()
    assert f"<@{bob.id}> has handed their approvals over to you, from 2026-01-05 to 2026-01-09" in told.shown_text()
    assert "1 waits now" in told.shown_text()
    assert await bot.standing(run) == {"Bob Baker": "approve"}
    assert f"<@{dan.id}> for <@{bob.id}> approved" in dan.now(card).shown_text()
    assert (await bot.view(run)).decisions[0].human == (await bot.people.by_email(dan.email)).id


async def test_the_days_are_the_persons_own_and_the_last_one_is_included(sandbox, start_bot, cast):
    _, bob, _, dan, _ = cast
    bob.user.tz = "America/New_York"
    bot = await start_bot(ask())

    await away(bob, dan, starts="2026-03-07", ends="2026-03-08")
    await bob.is_told("from 2026-03-07 to 2026-03-08")
    (made,) = await bot.engine.delegations((await bot.people.by_email(bob.email)).id)

    # The second of these days has 23 hours there.
    assert (made.starts.timestamp(), made.ends.timestamp()) == (1772859600.0, 1772859600.0 + 47 * 3600)


async def test_each_refusal_to_hand_over_is_a_sentence_with_names_and_what_was_filled_in_stays(
    sandbox, start_bot, cast
):
    _, bob, cat, dan, _ = cast
    bot = await start_bot(ask())
    await away(bob, cat)
    await bob.is_told("answers for you")
    await away(cat, dan)
    await cat.is_told("answers for you")

    await away(dan, bob)
    circle = dan.modal.errors["-person"]
    await dan.submit({"-person": dan})
    oneself = dan.modal.errors["-person"]
    await dan.submit({"-person": cat, "-starts": "2026-01-05", "-ends": "2026-01-04"})
    over = dan.modal.errors["-ends"]
    sandbox.workspace.users[cat.id].deleted = True
    bot.directory.forget_user(cat.id, cat.email)
    await dan.submit({"-person": cat, "-ends": "2026-01-09"})
    gone = dan.modal.errors["-person"]

    assert (
        circle
        == "That would go round in a circle: Dan Dyer to Bob Baker to Cat Carter to Dan Dyer. Choose somebody else."
    )
    assert oneself == "Nobody can stand in for themselves; choose somebody else."
    assert "is over already" in over
    assert "has left Slack" in gone
    assert await bot.engine.delegations((await bot.people.by_email(dan.email)).id) != []


async def test_what_was_given_and_got_is_listed_and_ended_and_the_other_one_hears_of_it(sandbox, start_bot, cast):
    _, bob, _, dan, _ = cast
    await start_bot(ask(), ask("other"))
    await away(bob, dan, **{"-flows": ["other"]})
    await bob.is_told("for the flow `other`")

    await dan.command("/approvals", "delegate")
    modal = await dan.gets_modal(f"You answer for <@{bob.id}> from 2026-01-05 to 2026-01-09, for the flow `other`")
    await dan.click(modal, "End it")
    await dan.gets_modal("It is over.")
    told = await bob.sees("has ended it")

    assert "End it" not in dan.modal.buttons()
    assert f"<@{dan.id}> does not answer for <@{bob.id}> any more" in told.shown_text()


# -- somebody else ----------------------------------------------------------------------------------------------


async def test_an_approver_lets_somebody_else_be_asked_and_the_card_says_so(sandbox, start_bot, cast):
    ann, bob, _, dan, _ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")

    await choose(bob, card, "reassign", bot, run)
    await bob.gets_modal("You are not asked any more")
    await bob.submit({"-person": dan, "reason": "On leave"})
    done = await bob.is_told("is asked now instead of you")
    await bot.settled()

    assert f"<@{dan.id}> is asked now instead of you." in done.shown_text()
    assert f"<@{dan.id}>" in bob.now(card).shown_text()
    assert f"<@{bob.id}>" not in bob.now(card).shown_text().split("Can decide", 1)[1].split("\n")[0]
    await bot.decide(run, dan)
    assert await bot.standing(run) == {"Dan Dyer": "approve"}


async def test_W11_nobody_is_let_be_asked_who_may_not_decide_and_each_reason_is_said(sandbox, start_bot, cast):
    ann, bob, cat, dan, eve = cast
    bot = await start_bot(ask(), admins=[eve.email])
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")

    await choose(bob, card, "reassign", bot, run)
    await bob.gets_modal("You are not asked any more")
    await bob.submit({"-person": ann})
    requester = bob.modal.errors["-person"]
    await bob.submit({"-person": cat})
    already = bob.modal.errors["-person"]
    await choose(dan, card, "reassign", bot, run)
    stranger = (await dan.is_told("asked")).shown_text()
    await choose(eve, card, "reassign", bot, run)
    modal = await eve.gets_modal("Instead of")
    offered = [
        option["text"]["text"]
        for block in modal.blocks
        if block.get("block_id") == "-instead"
        for option in block["element"]["options"]
    ]
    await eve.submit({"-instead": "Cat Carter", "-person": dan})
    await eve.is_told(f"<@{dan.id}> is asked now instead of <@{cat.id}>")

    assert requester == "Ann Archer has asked for this themselves, so they cannot decide it."
    assert already == "Cat Carter is asked already."
    assert dan.modal is None
    assert stranger
    assert offered == ["Bob Baker", "Cat Carter"]


# -- breaking glass ---------------------------------------------------------------------------------------------


async def test_an_admin_lets_a_run_go_on_undecided_with_a_reason_and_the_runs_id_typed_out(sandbox, start_bot, cast):
    ann, bob, *_, eve = cast
    bot = await start_bot(ask(), admins=[eve.email])
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")

    await choose(bob, card, "break_glass", bot, run)
    refused = await bob.is_told("Only the owner of this flow, or an admin")
    await choose(eve, card, "break_glass", bot, run)
    await eve.gets_modal("The run goes on without a decision.")
    await eve.submit({"-reason": "Outage", "-run": "run_1"})
    wrong = eve.modal.errors["-run"]
    before = await bot.status(run)
    await eve.submit({"-reason": "Outage", "-run": f"`{bot.ids.run(run.id)}`"})
    await eve.is_told("goes on without a decision")

    assert bob.modal is None
    assert refused.shown_text().endswith("can drop a wait.")
    assert wrong == f"is not the id of this run, which is {bot.ids.run(run.id)}."
    assert (before, await bot.status(run)) == ("waiting", "succeeded")
    assert await bot.standing(run) == {}
    assert f":wastebasket: *Dropped* by <@{eve.id}>" in bob.now(card).shown_text()
    assert "Outage" in bob.now(card).shown_text()


async def test_R3_the_second_one_who_breaks_the_glass_is_told_who_did(sandbox, start_bot, cast):
    ann, bob, *_, eve = cast
    again = Step(id="again", approval=Approval(ask="Sure?", approvers=["bob@example.com"], via=RELEASES))
    flow = ask()
    bot = await start_bot(flow.model_copy(update={"steps": (*flow.steps, again)}), admins=[eve.email])
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await choose(eve, card, "break_glass", bot, run)
    await eve.gets_modal("The run goes on without a decision.")
    person = await bot.people.by_email(eve.email)
    await bot.engine.drop(run.id, 1, person.id, "Outage", door=Door.API)

    await eve.submit({"-reason": "Outage", "-run": bot.ids.run(run.id)})
    await choose_stale(eve, card, bot, run)

    stale = await eve.is_told("no longer open")
    assert "Eve Ellis" in eve.modal.shown_text()
    assert f":wastebasket: *Dropped* by <@{eve.id}>" in stale.shown_text()


async def choose_stale(person: Human, card: Message, bot: Any, run: Any) -> None:
    """The same menu on a client that has not heard of the change yet."""
    value = f"break_glass:{bot.ids.suspension(run.id, 1)}:{(await bot.view(run)).suspension.digest.hex()}"
    block, element = next((block, one) for block, one in card.elements() if one.get("action_id") == "more")
    option = next(one for one in element["options"] if one["value"] == value)
    await person._act(card, block, element, {"selected_option": option})


async def test_a_vote_stays_what_it_was_when_somebody_else_is_to_be_asked(sandbox, start_bot, cast):
    ann, bob, _, dan, _ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await bot.decide(run, bob, Verdict.APPROVE)
    await bot.settled()

    await choose(bob, card, "reassign", bot, run)
    await bob.gets_modal("You are not asked any more")
    await bob.submit({"-person": dan})

    assert "Bob Baker has answered this already; that stands." in bob.modal.errors["-person"]
