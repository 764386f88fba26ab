"""What an approver can say in Slack beyond a bare yes: an option, a reason, and that they take it back."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Approval, Flow, Hold, Step
from flows.run import Verdict
from integrations.sandbox import Human, NotPossible
from integrations.sandbox.message import Message

RELEASES = ({"slack": "#releases"},)
STAGES = ({"name": "staging"}, {"name": "production", "label": "Production & all"})


def ask(*approvers: str, flow: str = "ask", text: str = "Ship it?", **more: Any) -> Flow:
    given = [each if each[0] in "@{" else f"{each}@example.com" for each in approvers]
    approval = Approval(ask=text, approvers=given, via=RELEASES, **more)
    return Flow(flow=flow, steps=[Step(id="gate", approval=approval), Step(id="done", uses="log")])


def card_of(person: Human, containing: str) -> Message:
    """The newest card that shows this, and not the requester's message that says the same."""
    return next(each for each in reversed(person.messages("#releases")) if containing in each.shown_text())


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


# -- options ----------------------------------------------------------------------------------------------------


async def test_each_option_has_a_button_and_the_one_that_was_chosen_lands_in_the_flow(start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2, options=STAGES))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    assert card.buttons() == ["Staging", "Production & all", "Reject"]

    await bob.click(card, "Staging")
    await bob.is_told("Counted: you approved (Staging). 1 of 2 approvals.")
    await bot.settled()
    await cat.click(cat.now(card), "Production & all")
    told = await cat.is_told("Counted: you approved (Production &amp; all). 1 of 2 approvals.")
    await bot.settled()
    open_card = bob.now(card).shown_text()
    await cat.click(told, "Take back")
    await cat.click(card, "Staging")
    await bot.settled()

    assert f"<@{bob.id}> approved (Staging), " in open_card
    assert f"<@{cat.id}> approved (Production &amp; all), " in open_card
    assert "*1 of 2 approvals*" in open_card
    assert (await bot.view(run)).suspension.closing.option == "staging"
    assert f"*Approved* (Staging) by <@{bob.id}> and <@{cat.id}>" in bob.now(card).shown_text()
    assert await bot.status(run) == "succeeded"


async def test_W11_the_requester_is_refused_at_every_option_and_modal(start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(
        ask("ann", "bob", options=STAGES),
        ask("ann", "bob", options=STAGES, reason="both", flow="reasoned"),
        ask("ann", "bob", options=[{"name": f"o{n}"} for n in range(30)], flow="many"),
    )
    runs = [await bot.begin(name, ann) for name in ("ask", "reasoned", "many")]

    await ann.click(card_of(ann, "Ask · Gate"), "Staging")
    await ann.click(card_of(ann, "Reasoned · Gate"), "Staging")
    await ann.click(card_of(ann, "Many · Gate"), "Approve")
    await bot.settled()

    assert ["This is your own request" in one.shown_text() for one in ann.ephemerals()] == [True] * 3
    assert ann.modal is None
    assert [await bot.standing(run) for run in runs] == [{}, {}, {}]


async def test_more_options_than_a_row_holds_are_chosen_from_in_the_modal(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", options=[{"name": f"o{n}", "label": f"Option {n}"} for n in range(24)]))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    assert card.buttons() == ["Approve", "Reject"]

    await bob.click(card, "Approve")
    await bob.gets_modal("Your choice")
    with pytest.raises(NotPossible, match="option"):
        await bob.submit()
    await bob.submit({"Your choice": "Option 17"})

    await bob.is_told("Counted: you approved (Option 17). 1 of 1 approval.")
    assert (await bot.view(run)).suspension.closing.option == "o17"


async def test_23_options_with_the_longest_labels_are_buttons_beside_reject_and_the_way_to_the_whole(start_bot, cast):
    """25 elements are all that a row may have in Slack."""
    ann, bob, *_ = cast
    options = [{"name": f"o{n}", "label": f"{n:02d}".ljust(75, "x")} for n in range(23)]
    short = [{"name": f"o{n}"} for n in range(23)]
    bot = await start_bot(ask("bob", options=options), ask("bob", options=short, flow="cut", text="why " * 1_000))
    run, cut = await bot.begin("ask", ann), await bot.begin("cut", ann)
    card, whole = bob.message("Ask · Gate"), bob.message("Cut · Gate")

    assert len(card.buttons()) == 24
    assert len(whole.buttons()) == 25
    await bob.click(card, "option:o22")
    await bob.click(whole, "option_with:o0")
    await bob.gets_modal("why why")
    await bob.submit()
    await bot.settled()
    assert (await bot.view(run)).suspension.closing.option == "o22"
    assert (await bot.view(cut)).suspension.closing.option == "o0"


async def test_more_options_than_slack_takes_at_all_are_for_the_page(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", options=[{"name": f"o{n}"} for n in range(101)]))
    await bot.begin("ask", ann)

    await bob.click(await bob.sees("Ship it?"), "Approve")

    await bob.is_told("This form is filled in on a page of its own.")
    assert bob.modal is None


async def test_an_option_with_a_form_asks_for_both_and_says_which_it_is(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", options=STAGES, form=[{"name": "why", "type": "string"}]))
    run = await bot.begin("ask", ann)

    await bob.click(await bob.sees("Ship it?"), "Production & all")
    await bob.gets_modal("Your choice: *Production &amp; all*")
    await bob.submit({"why": "because"})

    await bob.is_told("Counted: you approved (Production &amp; all).")
    (decision,) = (await bot.view(run)).decisions
    assert (decision.option, decision.values) == ("production", {"why": "because"})


async def test_options_in_the_list_are_buttons_where_they_are_short_and_else_a_choice(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    long = [{"name": f"o{n}", "label": f"Option number {n}"} for n in range(10)]
    bot = await start_bot(ask("bob", options=STAGES), ask("bob", options=long, flow="long"))
    await bot.begin("ask", ann)
    run = await bot.begin("long", ann)

    await bob.command("/approvals")
    listed = await bob.is_told("Waiting for you")
    await bob.click(listed, "Approve")
    await bob.gets_modal("Your choice")
    await bob.submit({"Your choice": "o3"})
    await bob.is_told("Counted: you approved (Option number 3).")
    await bob.click(listed, "Staging")
    await sandbox.until(lambda: "Counted: you approved (Staging)." in bob.now(listed).shown_text())

    assert listed.buttons() == ["Staging", "Production & all", "Reject", "Approve", "Reject"]
    assert (await bot.view(run)).suspension.closing.option == "o3"
    assert "Nothing waits for you." in bob.now(listed).shown_text()


# -- reasons ----------------------------------------------------------------------------------------------------


async def test_K6_a_rejection_needs_its_reason_where_the_flow_says_so(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", reason="reject"))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")

    await bob.click(card, "Reject")
    modal = await bob.gets_modal("Reject")
    with pytest.raises(NotPossible, match="reason"):
        await bob.submit()
    await bob.submit({"reason": "  \n "})
    assert modal.errors == {"-reason": "is required: say why"}
    assert await bot.standing(run) == {}
    await bob.submit({"reason": "Too early"})

    await bot.settled()
    assert await bot.status(run) == "rejected"
    assert "\n>Too early" in bob.now(card).shown_text()


async def test_a_reason_for_both_makes_a_click_on_approve_open_the_modal(start_bot, cast):
    ann, bob, *_ = cast
    form = [{"name": "reason", "type": "string", "required": False}, {"name": "comment", "type": "integer"}]
    bot = await start_bot(ask("bob", reason="both"), ask("bob", reason="both", form=form, flow="form"))
    run, other = await bot.begin("ask", ann), await bot.begin("form", ann)

    await bob.click(bob.message("Ask · Gate"), "Approve")
    await bob.gets_modal("Approve")
    assert await bot.standing(run) == {}
    await bob.submit({"reason": "It is tested"})
    await bob.click(bob.message("Form · Gate"), "Approve")
    await bob.gets_modal("Approve")
    await bob.submit({"-reason": "Looks fine", "reason": "the field", "comment": 3})

    await bot.settled()
    (decision,) = (await bot.view(run)).decisions
    (filled,) = (await bot.view(other)).decisions
    assert (decision.verdict, decision.comment) == (Verdict.APPROVE, "It is tested")
    assert (filled.comment, filled.values) == ("Looks fine", {"reason": "the field", "comment": 3})
    shown = bob.message("Ask · Gate").shown_text()
    assert shown.count(f"<@{bob.id}>") == 1
    assert "\n>It is tested" in shown


async def test_a_single_answer_is_told_once_on_the_closed_card(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", form=[{"name": "why", "type": "string"}]))
    await bot.begin("ask", ann)
    await bob.click(await bob.sees("Ship it?"), "Approve")
    await bob.gets_modal()
    await bob.submit({"why": "because"})
    await bot.settled()

    shown = bob.message("Ship it?").shown_text()

    assert shown.count(f"<@{bob.id}>") == 1
    assert shown.count("because") == 1
    assert f":white_check_mark: *Approved* by <@{bob.id}>, " in shown
    assert "\n>Why: because" in shown


async def test_of_several_answers_each_is_told_once(start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2, reason="reject"))
    await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await bob.click(card, "Approve")
    await cat.click(card, "Reject")
    await cat.gets_modal()
    await cat.submit({"reason": "Not today"})
    await bot.settled()

    shown = bob.now(card).shown_text()

    assert f":x: *Rejected* by <@{cat.id}>, " in shown
    assert f":white_check_mark: <@{bob.id}> approved, " in shown
    assert (shown.count(f"<@{cat.id}>"), shown.count("Not today")) == (1, 1)


# -- taking it back ---------------------------------------------------------------------------------------------


async def test_an_answer_is_taken_back_where_it_was_given(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await bob.click(card, "Approve")
    told = await bob.is_told("Counted: you approved. 1 of 2 approvals.")
    assert told.buttons() == ["Take back"]

    answer = await bob.click(told, "Take back")

    assert answer.ok
    await sandbox.until(lambda: "Taken back" in bob.now(told).shown_text())
    after = bob.now(told)
    assert after.shown_text() == "Taken back: your answer does not count any more. 0 of 2 approvals."
    assert after.buttons() == []
    await bot.settled()
    assert await bot.standing(run) == {}
    assert "*0 of 2 approvals*" in bob.now(card).shown_text()
    assert f"<@{bob.id}> approved" not in bob.now(card).shown_text()


async def test_who_says_the_same_again_may_take_it_back_too(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await bob.click(card, "Approve")
    await bob.is_told("Counted")

    await bob.click(card, "Approve")
    told = await bob.is_told("You have said so already: approved. It is counted once.")
    await bob.click(told, "Take back")
    await bot.settled()

    assert await bot.standing(run) == {}


async def test_who_says_the_same_again_when_it_is_over_has_nothing_to_take_back(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob"))
    await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await bob.click(card, "Approve")
    await bot.settled()

    await bob.click_stale(card, "Approve")

    told = await bob.is_told("You have said so already: approved. This has been decided already")
    assert told.buttons() == []


async def test_an_answer_is_taken_back_in_the_list_and_waits_for_its_person_again(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    await bob.click(await bob.sees("Ship it?"), "Approve")
    await bob.is_told("Counted")
    await bob.command("/approvals", "all")
    listed = await bob.is_told("Everything that waits")
    assert listed.buttons() == ["Take back"]

    await bob.click(listed, "Take back")

    await sandbox.until(lambda: "Taken back" in bob.now(listed).shown_text())
    assert bob.now(listed).buttons() == ["Approve", "Reject"]
    assert await bot.standing(run) == {}


async def test_an_answer_is_taken_back_on_the_home_tab(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    await bob.open_home()
    home = await bob.gets_home("Ship it?")
    await bob.click(home, "Approve")
    await bob.gets_home("Counted: you approved.")

    await bob.click(home, "Take back", block_id="answer")
    await bob.gets_home("Taken back")

    assert await bot.standing(run) == {}
    assert "Take back" not in home.buttons()
    assert [text for text in home.buttons() if text in ("Approve", "Reject")] == ["Approve", "Reject"]


async def test_the_modal_says_what_one_has_said_before_and_takes_it_back(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await bob.click(card, "Approve")
    await bob.is_told("Counted")

    await bob.click(card, "Reject")
    modal = await bob.gets_modal("You have approved this")
    await bob.click(modal, "Take back")

    await bob.gets_modal("Taken back: your answer does not count any more.")
    assert await bot.standing(run) == {}
    assert await bot.status(run) == "waiting"


async def test_what_is_over_cannot_be_taken_back_and_that_is_said(start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await bob.click(card, "Approve")
    told = await bob.is_told("1 of 2 approvals")
    await cat.click(card, "Approve")
    last = await cat.is_told("2 of 2 approvals")

    await bob.click(told, "Take back")

    await bob.is_told("This has been decided already: approved by Bob Baker, Cat Carter")
    assert last.buttons() == []
    assert await bot.standing(run) == {"Bob Baker": "approve", "Cat Carter": "approve"}


async def test_who_has_left_the_group_takes_back_what_they_said(sandbox, start_bot, cast):
    ann, _, _, dan, _ = cast
    bot = await start_bot(ask("@release-managers", quorum=3))
    run = await bot.begin("ask", ann)
    await dan.click(await dan.sees("Ship it?"), "Approve")
    told = await dan.is_told("1 of 3 approvals")
    next(group for group in sandbox.workspace.groups.values() if group.handle == "release-managers").users.remove(
        dan.id
    )
    bot.clock.advance("5m")

    await dan.click(told, "Take back")
    await bot.settled()

    assert await bot.standing(run) == {}


async def test_an_answer_in_a_direct_message_is_replaced_and_never_turned_into_a_card(sandbox, start_bot, cast):
    """Where the bot is not in the channel, the answer to a modal is a message like any other, with the same button."""
    ann, bob, *_ = cast
    secret = sandbox.workspace.add_channel("secret", [bob.user], is_private=True, with_bot=False)
    bot = await start_bot(ask("bob", "cat", quorum=2, reason="both"))
    run = await bot.begin("ask", ann)
    await bob.command("/approvals", channel=secret.id)
    listed = await bob.is_told("Waiting for you")
    await bob.click(listed, "Approve")
    await bob.gets_modal()
    await bob.submit({"reason": "yes"})
    told = await bob.sees("Counted: you approved.")

    await bob.click(told, "Take back")
    await bot.settled()

    assert bob.now(told).shown_text().startswith("Taken back")
    assert await bot.standing(run) == {}


async def test_a_hold_is_over_with_its_answer_so_there_is_nothing_to_take_back(start_bot, cast):
    ann, *_ = cast
    flow = Flow(flow="held", steps=[Step(id="gate", hold=Hold(ask="Go on?", via=RELEASES))])
    bot = await start_bot(flow)
    await bot.begin("held", ann)

    await ann.click(await ann.sees("Can resume this"), "Resume")

    told = await ann.is_told("Counted: you resumed it.")
    assert told.buttons() == []


async def test_a_form_for_the_page_is_linked_to_from_the_home_tab_too(start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", form=[{"name": "pin", "type": "secret"}]))
    await bot.begin("ask", ann)
    await bob.open_home()
    home = await bob.gets_home("Ship it?")

    await bob.click(home, "Approve")

    await bob.gets_home("This form is filled in on a page of its own.")
    assert "Open the page" in home.buttons()
