"""What people are told besides their cards: reminders, nudges, who else is asked, and what goes on without a decision."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Approval, Flow, Step
from flows.run import Door, Verdict
from integrations.sandbox import Human

DIRECT = ("slack",)
RELEASES = ({"slack": "#releases"},)


def ask(*approvers: str, **more: Any) -> Flow:
    handles = [each if each[0] == "@" else f"{each}@example.com" for each in approvers]
    approval = Approval(**{"ask": "Ship it?", "approvers": handles, "via": DIRECT, **more})
    return Flow(flow="ask", steps=[Step(id="gate", approval=approval), Step(id="done", uses="log")])


@pytest.fixture
def cast(sandbox) -> tuple[Human, ...]:
    return tuple(sandbox.person(name) for name in ("ann", "bob", "cat", "dan"))


async def person_id(bot: Any, human: Human) -> int:
    return int((await bot.people.by_email(human.email)).id)


async def pass_time(bot: Any, duration: str) -> None:
    bot.clock.advance(duration)
    await bot.settled()


def told(person: Human, text: str) -> list[Any]:
    return [message for message in person.messages("@signoff") if text in message.shown_text()]


async def test_reminders_come_below_the_card_of_who_has_not_answered_and_to_nobody_else(cast, start_bot):
    ann, bob, cat, dan = cast
    flow = ask("bob", "@hr-leads", quorum=2, timeout="7d", remind={"first": "4h", "every": "4h", "up_to": 2})
    bot = await start_bot(flow)
    await bot.begin("ask", ann)
    card = next(each for each in cat.messages("@signoff") if "Ship it?" in each.shown_text())

    await bob.click(bob.message("Ask · Gate"), "Approve")
    for _ in range(4):
        await pass_time(bot, "4h")

    reminders = told(cat, "This still waits for you.")
    assert [each.thread_ts for each in reminders] == [card.ts, card.ts]
    assert f"<@{cat.id}>" in reminders[0].shown_text()
    assert "1 of 2 approvals" in reminders[0].shown_text()
    assert told(bob, "This still waits for you.") == told(dan, "This still waits for you.") == []


async def test_who_has_no_card_of_their_own_is_led_to_the_one_that_they_share(cast, start_bot):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", via=RELEASES, timeout="7d", remind="4h"))
    run = await bot.begin("ask", ann)
    ((channel, ts),) = await bot.engine.cards(run.id, 1)

    await pass_time(bot, "4h")

    (reminder,) = told(bob, "This still waits for you.")
    assert reminder.thread_ts is None
    assert f"/archives/{channel}/p{ts.replace('.', '')}|Open the card>" in reminder.shown_text()
    await bob.click(reminder, "Explain")
    await bob.gets_modal("You are asked by name to decide this.")


async def test_a_reminder_that_comes_late_is_not_sent_to_who_has_answered_meanwhile(cast, sandbox, start_bot):
    ann, bob, cat, _ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2, timeout="7d", remind="4h"))
    run = await bot.begin("ask", ann)
    sandbox.faults.status("chat.postMessage", 503)
    await pass_time(bot, "4h")

    await bot.decide(run, bob)
    sandbox.faults.clear()
    for _ in range(3):
        await pass_time(bot, "10m")

    assert told(bob, "This still waits for you.") == []
    assert len(told(cat, "This still waits for you.")) == 1


async def test_the_requester_nudges_and_is_told_whom_it_escalates_to(cast, start_bot):
    ann, bob, _, dan = cast
    bot = await start_bot(ask("bob", timeout="7d", escalate={"after": "1d", "to": "dan@example.com"}))
    run = await bot.begin("ask", ann)

    await bot.engine.nudge(run.id, 1, run.requester, door=Door.SLACK)
    await bot.settled()
    await pass_time(bot, "1d")

    (nudge,) = told(bob, "asks once more for your answer")
    assert f"<@{ann.id}>" in nudge.shown_text()
    (escalated,) = told(ann, "in time.")
    assert f"<@{dan.id}> can decide it now." in escalated.shown_text()
    assert f":arrow_up: Escalated to <@{dan.id}>" in bob.message("Ask · Gate").shown_text()
    await dan.click(dan.message("Ask · Gate"), "Approve")
    assert await bot.status(run) == "succeeded"


async def test_the_requester_is_told_that_somebody_else_is_asked(cast, start_bot):
    ann, bob, _, dan = cast
    bot = await start_bot(ask("bob"))
    run = await bot.begin("ask", ann)
    bobs, dans = await person_id(bot, bob), await person_id(bot, dan)

    await bot.engine.reassign(run.id, 1, bobs, dans, bobs, door=Door.SLACK)
    await bot.settled()

    (note,) = told(ann, "was handed on.")
    assert f"It waits for <@{dan.id}> now." in note.shown_text()


async def test_the_card_of_who_is_not_asked_any_more_says_so_and_has_nothing_to_press(cast, start_bot):
    ann, bob, cat, dan = cast
    later = {"after": "1d", "to": "dan@example.com", "mode": "replace"}
    bot = await start_bot(ask("bob", "cat", quorum=2, timeout="7d", escalate=later))
    run = await bot.begin("ask", ann)
    bobs, eves = await person_id(bot, bob), await bot.people.by_email("eve@example.com")
    cards = {human: human.message("Ask · Gate") for human in (bob, cat)}

    await cat.click(cards[cat], "Approve")
    await bot.engine.reassign(run.id, 1, bobs, eves.id, bobs, door=Door.SLACK)
    await bot.settled()
    handed_on = bob.now(cards[bob])
    await pass_time(bot, "1d")

    assert "You are not asked any more. It waits for <@" in handed_on.shown_text()
    assert handed_on.buttons() == []
    # Others are asked in the place of all that have said nothing.
    assert f"It waits for <@{dan.id}> now." in bob.now(cards[bob]).shown_text()
    assert "Approve" in cat.now(cards[cat]).buttons()
    await dan.click(dan.message("Ask · Gate"), "Approve")
    await bot.settled()
    assert "It has ended: Approved by Cat Carter, Dan Dyer." in bob.now(cards[bob]).shown_text()
    assert "*Approved* by" in cat.now(cards[cat]).shown_text()


async def test_only_who_may_let_it_go_on_undecided_is_offered_that_in_a_card_of_their_own(cast, sandbox, start_bot):
    ann, bob, *_ = cast
    eve = sandbox.person("eve")
    flow = ask("bob", "eve", via=("slack", {"slack": "#releases"}))
    bot = await start_bot(flow, admins=["eve@example.com"])
    await bot.begin("ask", ann)

    def offered(message: Any) -> bool:
        return "Let it go on undecided" in str(message.blocks)

    own = {human: human.messages("@signoff")[-1] for human in (bob, eve)}
    assert [offered(own[bob]), offered(own[eve]), offered(bob.messages("#releases")[-1])] == [False, True, True]


async def test_what_an_admin_lets_go_on_is_announced_to_everybody_concerned_and_in_the_admins_channel(
    cast, sandbox, start_bot
):
    ann, bob, cat, _ = cast
    eve = sandbox.person("eve")
    bot = await start_bot(ask("bob", "cat"), admins=["eve@example.com"], admin_channel="#general")
    run = await bot.begin("ask", ann)

    await bot.engine.drop(run.id, 1, await person_id(bot, eve), "The <system> is gone.", door=Door.SLACK)
    await bot.settled()

    for person in (ann, bob, cat):
        (note,) = told(person, "*Ask · Gate* go on without a decision")
        assert f":rotating_light: <@{eve.id}> let *Ask · Gate* go on" in note.shown_text()
        assert "Nobody has approved it.\n>“The &lt;system&gt; is gone.”" in note.shown_text()
    (announced,) = [each for each in eve.messages("#general") if each.bot_id]
    assert "go on without a decision" in announced.shown_text()
    assert await bot.status(run) == "succeeded"


async def test_S12_what_a_stand_in_decides_names_both_on_the_card_in_its_thread_and_in_the_modal(cast, start_bot):
    ann, bob, cat, dan = cast
    bot = await start_bot(ask("bob", "cat", quorum=2, via=RELEASES))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")
    now = bot.clock.now()
    bobs, dans = await person_id(bot, bob), await person_id(bot, dan)
    await bot.engine.delegate(bobs, dans, now, now.replace(year=now.year + 1), by=bobs)

    await dan.click(card, "Approve")
    counted = await dan.is_told(f"Counted: you approved for <@{bob.id}>. 1 of 2 approvals.")
    await bot.settled()
    shown = bob.now(card).shown_text()
    await dan.click(card, "Reject")
    modal = await dan.gets_modal("Reject")
    await cat.click(card, "Approve")
    await bot.settled()

    both = f"<@{dan.id}> for <@{bob.id}>"
    assert counted.buttons() == ["Take back"]
    assert f":white_check_mark: {both} approved" in shown
    assert f"You have approved this ({both})" in modal.shown_text()
    thread = "\n".join(each.shown_text() for each in bob.thread(card)[1:])
    assert f":white_check_mark: {both} approved" in thread
    assert f"*Approved* by {both} and <@{cat.id}>" in bob.now(card).shown_text()
    assert (await bot.standing(run)) == {"Bob Baker": Verdict.APPROVE, "Cat Carter": Verdict.APPROVE}
