"""A card and what happens around it, from its first reminder to its last entry, with a restart in the middle."""

from __future__ import annotations

FLOW = """
flow: release
title: Release
inputs: [{name: version, type: string}]
steps:
  - id: gate
    approval:
      ask: "Release {{ inputs.version }}?"
      show:
        Tests: [{suite: unit, passed: 512}, {suite: e2e, passed: 12}]
        Build: https://ci.example.com/7
      approvers: [bob@example.com, cat@example.com]
      quorum: 2
      via: [{slack: "#releases"}]
      risk: high
      timeout: 2d
      remind: 4h
      escalate: {after: 1d, to: dan@example.com}
      questions: stop_clock
      thread_replies: count
      settle: 10s
  - {id: ship, uses: log, with: {message: "Shipped, by {{ approvers }}"}}
"""


async def test_a_release_is_asked_about_escalated_undone_and_decided_across_a_restart(serve):
    bot = await serve({"admin_channel": "#general"}, release=FLOW)
    ann, bob, cat, dan = (bot.human(name) for name in ("ann", "bob", "cat", "dan"))
    run = await bot.start("release", version="1.4.0")
    card = bot.card("bob", "Release 1.4.0?")
    first = card.shown_text()

    await bob.reply_in_thread(card, "Has security seen it?")
    await bob.click(await bob.is_told("Is that a question"), "Ask Ann Archer")
    await bob.is_told("The clock is stopped until then.")
    await bot.time_passes("6h")
    await bot.restart()
    await ann.reply_in_thread(card, "Yes, on Monday.")
    await ann.click(await ann.is_told("Is that your answer"), "This is my answer")
    await bob.sees("has answered about")
    await bot.time_passes("1d")
    escalated = bob.now(card).shown_text()
    await dan.reply_in_thread(card, "approved")
    await dan.click(await dan.is_told("Shall your reply count"), "Yes, approve")
    await dan.is_told("Counted: you approved. 1 of 2 approvals.")
    await bob.click(card, "Approve")
    await bob.is_told("It takes effect at <!date^")
    await bob.click(await bob.is_told("It takes effect"), "Undo")
    await bob.is_told("Taken back")
    await bot.restart()
    await bot.time_passes("1m")
    undone = await bot.status(run)
    await cat.click(card, "Approve")
    await bot.settled()
    await bot.time_passes("10s")

    assert ":large_red_square::large_red_square::large_red_square: *High risk*" in first
    assert "*Tests:*\n```\nsuite  passed\n─────  ──────\nunit      512\ne2e        12\n```" in first
    assert "*Build:* <https://ci.example.com/7>" in first
    assert f":arrow_up: Escalated to <@{dan.id}>" in escalated
    assert f"<@{ann.id}>: “Yes, on Monday.”" in escalated
    assert [person.message("This still waits for you.") is not None for person in (bob, cat)] == [True, True]
    assert undone == "waiting"
    assert await bot.status(run) == "succeeded"
    assert await bot.standing(run) == {"dan": "approve", "cat": "approve"}
    comments = [decision.comment for decision in (await bot.view(run)).decisions]
    assert comments == ["approved", None]
    assert bob.now(card).buttons() == []
    thread = [each.shown_text() for each in bob.thread(card)[1:] if each.bot_id and not each.ephemeral_to]
    assert f"<@{dan.id}> approved: “approved”" in "\n".join(thread)
    assert f"<@{cat.id}> approved" in thread[-1]
