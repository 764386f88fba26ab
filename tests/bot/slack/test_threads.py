"""What is written in the threads of cards: entries for decisions, replies that read like verdicts, questions, answers."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from bot.slack.verdict_words import verdict_of
from flows.definition import Approval, Flow, Hold, Step
from flows.run import Verdict
from integrations.sandbox import Human

RELEASES = ({"slack": "#releases"},)


def ask(*approvers: str, ask: str = "Ship it?", **more: Any) -> Flow:
    handles = [each if each[0] == "@" else f"{each}@example.com" for each in approvers]
    approval = Approval(**{"ask": ask, "approvers": handles, "via": RELEASES, **more})
    return Flow(flow="ask", steps=[Step(id="gate", approval=approval), Step(id="done", uses="log")])


@pytest.fixture
def cast(sandbox) -> tuple[Human, ...]:
    return tuple(sandbox.person(name) for name in ("ann", "bob", "cat", "dan"))


def entries(person: Human, card: Any) -> list[str]:
    """What the bot has written below a card, for everybody."""
    return [each.shown_text() for each in person.thread(card)[1:] if each.bot_id and each.ephemeral_to is None]


def whispers(person: Human) -> list[str]:
    return [each.shown_text() for each in person.ephemerals()]


# -- entries ----------------------------------------------------------------------------------------------------


async def test_each_decision_has_an_entry_below_the_card_and_only_one(cast, start_bot):
    ann, bob, cat, _ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    await bob.click(card, "Approve")
    await bot.settled()
    await cat.click(card, "Approve")
    await bot.settled()

    first, second = entries(bob, card)
    assert f":white_check_mark: <@{bob.id}> approved\n1 of 2 approvals" in first
    assert f":white_check_mark: <@{cat.id}> approved\nApproved by Bob Baker, Cat Carter." in second
    assert await bot.status(run) == "succeeded"


async def test_a_direct_message_has_no_entries(cast, start_bot):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2, via="slack"))
    await bot.begin("ask", ann)
    card = next(each for each in bob.messages("@signoff") if "Ship it?" in each.shown_text())

    await bob.click(card, "Approve")
    await bot.settled()

    assert entries(bob, card) == []
    assert "1 of 2 approvals" in bob.now(card).shown_text()


async def test_decisions_while_slack_is_down_are_one_entry_and_the_card_does_not_wait_for_it(cast, sandbox, start_bot):
    ann, bob, cat, dan = cast
    bot = await start_bot(ask("bob", "cat", "dan", quorum=3))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")
    sandbox.faults.status("chat.postMessage", 503)

    await bob.click(card, "Approve")
    await bot.settled()
    await cat.click(card, "Approve")
    await bot.settled()

    assert "2 of 3 approvals" in bob.now(card).shown_text()
    assert entries(bob, card) == []
    sandbox.faults.clear()
    await bot.decide(run, dan)
    await bot.settled()
    (one,) = entries(bob, card)
    assert one.count(":white_check_mark:") == 3


async def test_R18_many_decisions_at_once_are_a_handful_of_entries_that_tell_of_all_of_them(cast, sandbox, start_bot):
    crowd = [sandbox.add_person(f"p{n}", channels=["releases"]) for n in range(40)]
    bot = await start_bot(ask(*(person.name for person in crowd), quorum=40))
    run = await bot.begin("ask", cast[0])
    card = crowd[0].message("Ship it?")

    await asyncio.gather(*(person.click_stale(card, "Approve") for person in crowd))
    await bot.settled()

    told = entries(crowd[0], card)
    listed = sum(text.count(":white_check_mark:") for text in told)
    more = sum(int(found) for text in told for found in re.findall(r"… and (\d+) more", text))
    assert listed + more == 40
    assert len(told) <= 6
    assert await bot.status(run) == "succeeded"


async def test_an_entry_whose_post_was_not_confirmed_is_not_written_twice(cast, sandbox, start_bot):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob"))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")
    sandbox.faults.drop_after("chat.postMessage", times=1)

    await bob.click(card, "Approve")
    for _ in range(4):
        await bot.settled()
        bot.clock.advance("2m")

    assert len(entries(bob, card)) == 1
    assert await bot.status(run) == "succeeded"


# -- replies that read like a verdict ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("ok", Verdict.APPROVE),
        ("Approved.", Verdict.APPROVE),
        ("LGTM!", Verdict.APPROVE),
        (":+1:", Verdict.APPROVE),
        ("👍🏽", Verdict.APPROVE),
        ("👍👍", Verdict.APPROVE),
        ("<@UANN00002> approved", Verdict.APPROVE),
        ("Genehmigt", Verdict.APPROVE),
        ("d’accord", Verdict.APPROVE),
        ("no", Verdict.REJECT),
        ("Rejected", Verdict.REJECT),
        (":-1:", Verdict.REJECT),
        ("却下", Verdict.REJECT),
        ("ok?", None),
        ("ok, but not on Friday", None),
        ("no idea", None),
        ("is that approved by legal", None),
        ("", None),
        ("ok " * 40, None),
    ],
)
def test_only_what_says_nothing_else_reads_like_a_verdict(text, verdict):
    assert verdict_of(text) is verdict


async def test_a_reply_that_reads_like_a_verdict_decides_nothing_and_gets_the_buttons_privately(cast, start_bot):
    ann, bob, cat, dan = cast
    bot = await start_bot(ask("bob", "cat"))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    for somebody in (bob, dan, ann):
        await somebody.reply_in_thread(card, "approved")
    await bot.settled()

    assert await bot.standing(run) == {}
    told = await bob.is_told("A reply in a thread is no answer, so nothing was recorded.")
    assert told.thread_ts == card.ts
    assert told.buttons() == ["Approve", "Reject", "Not now"]
    await dan.is_told("Nothing was recorded. You are not one of the people who were asked to decide this.")
    await ann.is_told("Nothing was recorded. This is your own request")
    assert whispers(cat) == []
    await bob.click(told, "Approve")
    await bob.is_told("Counted: you approved. 1 of 1 approval.")
    assert await bot.status(run) == "succeeded"
    await bob.reply_in_thread(card, "ok")
    await bob.is_told("This is no longer open.")


async def test_what_was_clicked_in_a_thread_is_answered_there_also_where_it_took_a_modal(cast, start_bot):
    ann, bob, cat, _ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    await bot.begin("ask", ann)
    card = bob.message("Ship it?")
    for somebody in (bob, cat):
        await somebody.reply_in_thread(card, "approved")

    await bob.click(await bob.is_told("A reply in a thread is no answer"), "Approve")
    clicked = await bob.is_told("Counted: you approved.")
    await cat.click(await cat.is_told("A reply in a thread is no answer"), "Reject")
    await cat.gets_modal("Reject")
    await cat.submit({"reason": "No."})
    sent = await cat.is_told("Counted: you rejected")

    assert clicked.thread_ts == sent.thread_ts == card.ts


async def test_a_reply_counts_where_the_flow_says_so_and_its_author_confirms_it(cast, start_bot):
    ann, bob, cat, _ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2, thread_replies="count"))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    await bob.reply_in_thread(card, "lgtm")
    await cat.reply_in_thread(card, "no")
    asked, not_so = await bob.is_told("Shall your reply count"), await cat.is_told("Shall your reply count")
    before = await bot.standing(run)
    await bob.click(asked, "Yes, approve")
    await bob.is_told("Counted: you approved. 1 of 2 approvals.")
    await cat.click(not_so, "No, it was a remark")
    await bot.settled()

    assert before == {}
    (decision,) = (await bot.view(run)).decisions
    assert (decision.comment, decision.digest) == ("lgtm", (await bot.view(run)).suspension.digest)
    assert whispers(cat) == []
    await bob.reply_in_thread(card, ":+1:")
    await bob.is_told("You have approved this already; it is counted.")


async def test_S11_a_confirmation_of_what_is_no_longer_asked_is_refused(cast, start_bot):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", thread_replies="count"))
    run = await bot.begin("ask", ann)
    await bob.reply_in_thread(bob.message("Ship it?"), "ok")
    asked = await bob.is_told("Shall your reply count")
    (_, button), *_ = asked.elements()
    reference, text = button["value"].split("|")
    button["value"] = f"{reference[:-2]}{'00' if reference[-2:] != '00' else '11'}|{text}"

    await bob.click_stale(asked, "Yes, approve")

    await bob.is_told("has changed")
    assert await bot.standing(run) == {}


@pytest.mark.parametrize(
    "more",
    [
        {"reason": "both"},
        {"form": [{"name": "why", "type": "string"}]},
        {"options": ["staging", "production"]},
        {"ask": "why " * 1_000},
    ],
)
async def test_a_reply_that_lacks_what_an_answer_takes_gets_the_buttons_that_ask_for_it(cast, start_bot, more):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", thread_replies="count", **more))
    run = await bot.begin("ask", ann)

    await bob.reply_in_thread(bob.message("Ask · Gate"), "ok")

    told = await bob.is_told("A reply in a thread is no answer")
    assert "Yes, approve" not in told.buttons()
    assert await bot.standing(run) == {}


async def test_a_hold_is_not_resumed_by_a_reply(cast, start_bot):
    _, bob, cat, _ = cast
    hold = Hold(ask="Go on?", by=["cat@example.com"], via=RELEASES)
    bot = await start_bot(Flow(flow="hold", steps=[Step(id="gate", hold=hold)]))
    run = await bot.begin("hold", bob)

    await cat.reply_in_thread(cat.message("Go on?"), "go ahead")

    told = await cat.is_told("To resume, use a button")
    assert told.buttons() == ["Resume", "Not now"]
    assert await bot.status(run) == "waiting"


async def test_what_slack_says_of_messages_that_nobody_wrote_below_a_card_is_nothing(cast, start_bot, sandbox):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob"))
    await bot.begin("ask", ann)
    card = bob.message("Ship it?")
    elsewhere = await bob.say("ok", channel="#general")

    await bob.say("ok", channel="#releases")
    await bob.reply_in_thread(elsewhere, "ok")
    mine = await bob.reply_in_thread(card, "let me see")
    await bot.settled()
    before = len(whispers(bob))
    await bob.change_words(mine, "ok")
    await bob.delete_message(mine)
    await bot.settled()

    assert (before, len(whispers(bob))) == (1, 1)  # whether "let me see" is a question
    assert "Is that a question" in whispers(bob)[0]


async def test_where_slack_tells_of_no_messages_the_cards_work_all_the_same(cast, start_bot, sandbox):
    ann, bob, *_ = cast
    some = sandbox.tokens[sandbox.bot_token].scopes - {"channels:history", "groups:history", "im:history"}
    bot = await start_bot(ask("bob"), token=sandbox.new_token(some))
    run = await bot.begin("ask", ann)

    await bob.click(bob.message("Ship it?"), "Approve")

    assert await bot.status(run) == "succeeded"


# -- questions --------------------------------------------------------------------------------------------------


async def test_a_question_stops_the_clock_and_its_answer_starts_it_again_and_everybody_concerned_is_told(
    cast, start_bot
):
    ann, bob, cat, _ = cast
    bot = await start_bot(ask("bob", "cat", timeout="1h", questions="stop_clock"))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    await bob.select(card, "more", "Ask a question")
    await bob.gets_modal("The clock stops until it is answered.")
    await bob.submit({"Your question": "Has <!channel> security seen it?"})
    await bob.is_told(f"Asked: <@{ann.id}> is told")
    asked = await ann.sees("asks about")
    bot.clock.advance("45m")
    await bot.settled()
    waiting = bob.now(card).shown_text()
    await ann.click(asked, "Answer")
    await ann.gets_modal("Has &lt;!channel&gt; security seen it?")
    await ann.submit({"Your answer": "Yes, on Monday."})
    await ann.is_told(f"Answered. <@{bob.id}> is told.")

    assert "clock stopped by a question" in waiting
    assert f":question: <@{bob.id}> asks: “Has &lt;!channel&gt; security seen it?”" in waiting
    told = await bob.sees("has answered about")
    assert "Yes, on Monday." in told.shown_text()
    await bot.settled()
    assert "until <!date^" in bob.now(card).shown_text()
    assert f"<@{ann.id}>: “Yes, on Monday.”" in cat.now(card).shown_text()
    await ann.click(asked, "Answer")
    await ann.gets_modal("Nobody has an open question here any more")
    bot.clock.advance("45m")
    assert await bot.status(run) == "waiting"
    bot.clock.advance("15m")
    assert await bot.status(run) == "expired"


async def test_a_reply_becomes_a_question_and_the_requesters_reply_its_answer_by_one_click_each(cast, start_bot):
    ann, bob, cat, _ = cast
    bot = await start_bot(ask("bob", "cat"))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    await bob.reply_in_thread(card, "Has security seen it?")
    offered = await bob.is_told("Is that a question")
    unasked = (await bot.view(run)).questions
    await bob.click(offered, "Ask Ann Archer")
    await bob.is_told("Asked:")
    await cat.reply_in_thread(card, "I wonder too")
    await ann.reply_in_thread(card, "Yes, on Monday.")
    answer = await ann.is_told("Is that your answer to this?")
    await ann.click(answer, "This is my answer")
    await ann.is_told("Answered.")

    assert unasked == ()
    (question,) = (await bot.view(run)).questions
    assert (question.text, question.answer) == ("Has security seen it?", "Yes, on Monday.")
    assert await bot.standing(run) == {}


async def test_whoever_talks_it_over_is_asked_once_whether_they_ask_something_and_again_at_a_question_mark(
    cast, start_bot
):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob"))
    await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    for text in ("Hm.", "I read it again", "And then?", "x" * 3_000 + "?"):
        await bob.reply_in_thread(card, text)
        await bot.settled()

    assert [told.count("Is that a question") for told in whispers(bob)] == [1, 1, 1]
    assert "too long to be passed on" in whispers(bob)[-1]


async def test_W11_the_requester_and_strangers_ask_nothing(cast, start_bot):
    ann, bob, _, dan = cast
    bot = await start_bot(ask("bob"))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    await ann.select(card, "more", "Ask a question")
    await ann.gets_modal("This is your own request")
    await dan.select(card, "more", "Ask a question")
    await dan.gets_modal("not known here any more")

    assert (await bot.view(run)).questions == ()


# -- later ------------------------------------------------------------------------------------------------------


async def test_an_approver_puts_it_off_until_tomorrow_and_is_reminded_then(cast, start_bot):
    ann, bob, cat, _ = cast
    bot = await start_bot(ask("bob", "cat", via="slack", timeout="7d", remind="4h"))
    run = await bot.begin("ask", ann)
    card = bob.message("Ask · Gate")

    await bob.select(card, "more", "Remind me later")
    modal = await bob.gets_modal("When")
    offered = [option["text"]["text"] for _, element in modal.elements() for option in element["options"]]
    await bob.submit({"When": next(text for text in offered if text.startswith("Tomorrow"))})
    await bob.is_told("You are reminded <!date^")
    bot.clock.advance("4h")
    await bot.settled()
    at_four = [person.message("still waits for you") for person in (bob, cat)]
    bot.clock.advance("1d")
    await bot.settled()

    # Nine in the morning of a Monday in UTC is ten in Berlin.
    assert [text.partition(",")[0] for text in offered] == ["In an hour", "This afternoon", "Tomorrow", "Monday"]
    assert at_four[0] is None
    assert at_four[1] is not None
    woken = bob.message("You wanted to be reminded")
    assert woken.thread_ts == card.ts
    assert f"<@{bob.id}>" in woken.shown_text()
    assert (await bot.view(run)).suspension.clocks.snoozed == {}


# -- the time to undo -------------------------------------------------------------------------------------------


async def test_the_answer_that_completes_it_takes_effect_later_and_can_be_undone(cast, start_bot):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", settle="10s"))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    await bob.click(card, "Approve")
    told = await bob.is_told("It takes effect at <!date^")
    await bot.settled()
    settling = bob.now(card)
    await bob.click(told, "Undo")
    await bob.is_told("Taken back: your answer does not count any more.")
    await bot.settled()
    undone = bob.now(card)
    bot.clock.advance("1m")
    still = await bot.status(run)
    await bob.click(card, "Approve")
    await bot.settled()
    await bob.click(bob.now(card), "Undo")
    await bot.settled()
    await bob.click(card, "Approve")
    await bot.settled()
    bot.clock.advance(timedelta(seconds=10))

    assert settling.buttons() == ["Undo", "Approve", "Reject"]
    assert "Until then it can be undone." in settling.shown_text()
    assert "Undo" not in undone.buttons()
    assert still == "waiting"
    assert await bot.status(run) == "succeeded"
