"""R9, R9b, R18: whatever has become of the cards in Slack, there is one of each in the end, and it shows the truth."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from bot.reconciler import passes
from flows.run import Door, Verdict
from integrations.sandbox.tokens import BOT_SCOPES

GATE = """
flow: gate
title: Release
owner: dan@example.com
steps:
  - id: ask
    title: Gate
    approval:
      ask: "Ship it?"
      approvers: [bob@example.com, cat@example.com, dan@example.com]
      quorum: 2
      via: {slack: "#general"}
"""
DIRECT = GATE.replace("flow: gate", "flow: direct").replace('via: {slack: "#general"}', "via: slack")


def cards(bot, name="eve", channel="#general") -> list:
    return [message for message in bot.human(name).messages(channel) if "Ship it?" in message.shown_text()]


def remove(sandbox, card) -> None:
    """Somebody deletes it in Slack."""
    sandbox.workspace.remove(sandbox.workspace.message(card.channel, card.ts))


async def look(bot):
    """One pass, and what comes of it."""
    looked = await bot.app.reconciler.look()
    await bot.settled()
    return looked


# -- missing, wrong, behind -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["gate", "direct"])
async def test_R9_a_card_that_somebody_deleted_is_posted_again(serve, sandbox, flow):
    bot = await serve(gate=GATE, direct=DIRECT)
    run = await bot.start(flow)
    where = ("eve", "#general") if flow == "gate" else ("bob", "@signoff")
    (card,) = cards(bot, *where)
    remove(sandbox, card)
    assert cards(bot, *where) == []

    looked = await look(bot)

    (again,) = cards(bot, *where)
    assert (looked.asked, looked.whole) == (1, True)
    await bot.human("bob").click(again, "Approve")
    await bot.settled()
    assert await bot.standing(run) == {"bob": "approve"}
    assert "1 of 2" in cards(bot, *where)[0].shown_text()
    assert (await look(bot)).asked == 0


async def test_R9_slack_tells_of_a_deleted_card_and_it_is_posted_again_at_once(serve, sandbox):
    bot = await serve(gate=GATE)
    await bot.start("gate")
    (card,) = cards(bot)

    answer = await sandbox.delete_message(card)
    await bot.settled()

    assert answer.status == 200
    (again,) = cards(bot)
    assert again.ts != card.ts


@pytest.mark.parametrize("how", ["archived", "removed"])
async def test_R9_slack_tells_that_a_channel_is_closed_and_open_again_and_everybody_is_reached(serve, sandbox, how):
    token = sandbox.new_token(BOT_SCOPES - {"chat:write.public"}) if how == "removed" else sandbox.bot_token
    bot = await serve({"slack_bot_token": token}, gate=GATE)
    run = await bot.start("gate")
    (card,) = cards(bot)

    await (sandbox.archive("general") if how == "archived" else sandbox.kick_bot("general"))
    await bot.settled()
    direct = {name: len(cards(bot, name, "@signoff")) for name in ("bob", "cat", "dan")}
    await bot.human("bob").click(cards(bot, "bob", "@signoff")[0], "Approve")
    await bot.settled()
    stale = cards(bot)[0].shown_text()
    await (sandbox.unarchive("general") if how == "archived" else sandbox.invite_bot("general"))
    await bot.settled()

    assert direct == {"bob": 1, "cat": 1, "dan": 1}
    assert "0 of 2" in stale
    (shown,) = cards(bot)
    assert shown.ts == card.ts
    assert "1 of 2" in shown.shown_text()
    assert not (await bot.run(run)).troubled


@pytest.mark.parametrize("what", ["text", "button", "all"])
async def test_R9_a_card_that_shows_something_else_is_drawn_again(serve, sandbox, what):
    bot = await serve(gate=GATE)
    await bot.start("gate")
    (card,) = cards(bot)
    drawn = card.snapshot()
    message = sandbox.workspace.message(card.channel, card.ts)
    match what:
        case "text":
            message.blocks[0]["text"]["text"] = "Something else"
        case "button":
            button = next(element for _, element in message.elements() if element.get("value"))
            button["value"] = "sus_other:00"
        case "all":
            message.blocks, message.text = [], "gone"

    first, second = await look(bot), await look(bot)

    (card,) = cards(bot)
    assert (first.asked, second.asked) == (1, 0)
    assert card.shown_text() == drawn.shown_text()
    assert card.buttons() == drawn.buttons()


async def test_R9_a_card_that_slack_shows_in_its_own_way_is_not_drawn_for_ever(serve, sandbox, monkeypatch):
    monkeypatch.setattr(passes, "shows", lambda *_: False)
    bot = await serve(gate=GATE)
    await bot.start("gate")

    asked = [(await look(bot)).asked for _ in range(4)]

    assert asked == [1, 0, 0, 0]


async def test_R9_a_pass_comes_by_itself_after_ten_minutes_more_or_less(serve, sandbox):
    bot = await serve(gate=GATE)
    await bot.start("gate")
    (card,) = cards(bot)
    remove(sandbox, card)

    await bot.time_passes("7m")
    early = len(cards(bot))
    await bot.time_passes("6m")
    await sandbox.changes.until(lambda: len(cards(bot)) == 1)

    assert early == 0


async def test_R9_where_the_bot_may_not_read_cards_are_drawn_again_without_looking(serve, sandbox):
    scopes = ["chat:write", "im:write", "users:read", "users:read.email", "usergroups:read", "channels:read"]
    bot = await serve({"slack_bot_token": sandbox.new_token(scopes)}, gate=GATE)
    await bot.start("gate")
    (card,) = cards(bot)
    remove(sandbox, card)

    looked = await look(bot)

    assert looked.asked == 2  # the card, and what Ann sees of her request
    assert len(cards(bot)) == 1


async def test_R9_a_card_of_a_wait_that_is_over_is_not_posted_again_but_mended_for_a_day(serve, sandbox):
    bot = await serve(gate=GATE)
    gone, wrong = await bot.start("gate"), await bot.start("gate")
    for run in (gone, wrong):
        for name in ("bob", "cat"):
            await bot.by_api(name, run)
    first, second = cards(bot)
    remove(sandbox, first)
    sandbox.workspace.message(second.channel, second.ts).blocks.pop()

    looked = await look(bot)
    (card,) = cards(bot)
    sandbox.workspace.message(second.channel, second.ts).blocks.pop()
    await bot.time_passes("25h")
    later = await look(bot)

    assert looked.asked == 1
    assert "*Approved* by" in card.shown_text()
    assert later.compared == 0


# -- one card only ----------------------------------------------------------------------------------------------------


async def _stray(bot, sandbox):
    """A card, and a second copy of it that the bot knows nothing of."""
    run = await bot.start("gate")
    (card,) = cards(bot)
    client = bot.app.workspaces.client()
    metadata = sandbox.workspace.message(card.channel, card.ts).metadata
    await client.post(card.channel, text=card.text, blocks=card.blocks, metadata=metadata)
    _, stray = cards(bot)
    return run, card, stray


async def test_R9b_a_second_copy_is_found_by_its_metadata_and_goes_away(serve, sandbox):
    bot = await serve(gate=GATE)
    run, card, _ = await _stray(bot, sandbox)

    looked = await look(bot)

    assert looked.retired == 1
    assert [one.ts for one in cards(bot)] == [card.ts]
    assert await bot.status(run) == "waiting"


async def test_R9b_a_second_copy_with_a_thread_says_where_the_card_is(serve, sandbox):
    bot = await serve(gate=GATE)
    _, card, stray = await _stray(bot, sandbox)
    await bot.app.workspaces.client().post(stray.channel, text="Why?", thread_ts=stray.ts)

    await look(bot)
    again = await look(bot)

    assert [one.ts for one in cards(bot)] == [card.ts]
    left = sandbox.workspace.message(stray.channel, stray.ts)
    assert "This card is now" in left.shown_text()
    assert (left.buttons(), again.retired) == ([], 0)


async def test_R9b_a_click_on_a_second_copy_counts_and_retires_it(serve, sandbox):
    bot = await serve(gate=GATE)
    run, card, stray = await _stray(bot, sandbox)

    await bot.human("bob").click(stray, "Approve")
    await bot.settled()

    told = await bot.human("bob").is_told("Counted")
    assert told
    assert await bot.standing(run) == {"bob": "approve"}
    (one,) = cards(bot)
    assert one.ts == card.ts
    assert "1 of 2" in one.shown_text()
    left = sandbox.workspace.message(stray.channel, stray.ts)
    assert "This card is now" in left.shown_text()
    assert f"p{card.ts.replace('.', '')}" in left.shown_text()
    assert left.buttons() == []


async def test_R9b_after_a_click_on_the_copy_that_is_left_there_is_one_card(serve, sandbox):
    bot = await serve(gate=GATE)
    run, card, stray = await _stray(bot, sandbox)
    remove(sandbox, card)

    await bot.human("bob").click(stray, "Approve")
    await bot.settled()
    await look(bot)  # the outbox may have been faster, and have posted it anew

    (one,) = cards(bot)
    assert await bot.app.engine.cards(run, 1) == [(one.channel, one.ts)]
    assert "1 of 2" in one.shown_text()
    await bot.human("cat").click(one, "Approve")
    await bot.settled()
    assert cards(bot)[0].buttons() == []
    assert await bot.status(run) == "succeeded"


async def test_R9b_a_pass_makes_the_copy_that_is_left_the_card(serve, sandbox):
    bot = await serve(gate=GATE)
    run, card, stray = await _stray(bot, sandbox)
    remove(sandbox, card)

    looked = await look(bot)

    assert looked.adopted == 1
    assert await bot.app.engine.cards(run, 1) == [(stray.channel, stray.ts)]
    assert [one.ts for one in cards(bot)] == [stray.ts]


async def test_R9b_many_clicks_on_a_second_copy_are_all_counted_and_retire_it_once(serve, sandbox):
    crowd = [sandbox.add_person(f"p{n}", channels=["general"]) for n in range(20)]
    sandbox.workspace.add_group("crowd", [human.user for human in crowd], "Crowd")
    many = GATE.replace("[bob@example.com, cat@example.com, dan@example.com]", '"@crowd"').replace("2", "20")
    bot = await serve(gate=many)
    run, card, stray = await _stray(bot, sandbox)
    sandbox.calls.clear()

    await asyncio.gather(*(human.click_stale(stray, "Approve") for human in crowd))
    await bot.settled()

    assert await bot.status(run) == "succeeded"
    retiring = [call for call in sandbox.calls.of("chat.update") if call.body["ts"] == stray.ts]
    assert len(retiring) == 1
    assert [one.ts for one in cards(bot)] == [card.ts]


# -- bounded, resumed ---------------------------------------------------------------------------------------------------


async def test_R9_a_pass_makes_so_many_calls_and_the_next_goes_on_also_after_a_restart(serve, sandbox, monkeypatch):
    monkeypatch.setattr(passes, "CARDS", 3)
    bot = await serve(gate=GATE)
    for _ in range(8):
        await bot.start("gate")
    for card in cards(bot):
        remove(sandbox, card)
    sandbox.calls.clear()

    looked = [await look(bot)]
    calls = sandbox.calls.count("conversations.*")
    await bot.restart()
    while not looked[-1].whole:
        looked.append(await look(bot))

    assert [one.compared for one in looked] == [3] * 5 + [1]  # those in the channel, and Ann's own messages
    assert sum(one.asked for one in looked) == 8
    assert calls == 3  # whether the channel is archived, a page of it, and one of Ann's messages
    assert len(cards(bot)) == 8


async def test_R9_a_busy_channel_is_read_page_by_page_within_the_budget(serve, sandbox, monkeypatch):
    bot = await serve(gate=GATE)
    await bot.start("gate")
    for n in range(350):
        _talk(sandbox, n)
    await bot.start("gate")
    first, _ = cards(bot)
    remove(sandbox, first)
    sandbox.calls.clear()

    looked = await look(bot)

    assert looked.asked == 1
    assert sandbox.calls.count("conversations.history") <= 5
    assert len(cards(bot)) == 2


def _talk(sandbox, n):
    channel = sandbox.workspace.channel_named("general")
    sandbox.workspace.post(channel, sandbox.person("eve").id, f"talk {n}")


async def test_R9_after_slack_was_down_everything_is_compared_at_once(serve, sandbox):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    (card,) = cards(bot)
    for pattern in ("auth.*", "chat.*", "conversations.*", "users.*", "usergroups.*", "views.*", "response_url"):
        sandbox.faults.status(pattern, 503)
    await bot.app.engine.decide(
        run, 1, (await bot.app.people.known("cat@example.com")).id, Verdict.APPROVE, door=Door.API
    )
    await bot.time_passes("3m", steps=6)
    remove(sandbox, card)
    sandbox.faults.clear()

    await bot.time_passes("1m", steps=2)
    await sandbox.changes.until(lambda: len(cards(bot)) == 1)

    assert "1 of 2" in cards(bot)[0].shown_text()


# -- not too much ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_R18_under_429s_a_hundred_decisions_cost_a_handful_of_updates(serve, sandbox):
    await _crowd_decides(serve, sandbox, 100)


@pytest.mark.slow
async def test_R18_under_429s_a_thousand_decisions_cost_a_handful_of_updates(serve, sandbox):
    await _crowd_decides(serve, sandbox, 1_000)


async def _crowd_decides(serve, sandbox, many):
    sandbox.line.answer_within = 60.0  # bench/crowd.py measures how long so many clicks take
    crowd = [sandbox.add_person(f"p{n}", channels=["general"]) for n in range(many)]
    sandbox.workspace.add_group("crowd", [human.user for human in crowd], "Crowd")
    asked = GATE.replace("[bob@example.com, cat@example.com, dan@example.com]", '"@crowd"')
    bot = await serve(gate=asked.replace("quorum: 2", f"quorum: {many}"))
    run = await bot.start("gate")
    (card,) = cards(bot)
    sandbox.calls.clear()
    sandbox.faults.rate_limited("chat.update", retry_after=30, times=3)

    await asyncio.gather(*(human.click_stale(card, "Approve") for human in crowd))
    await bot.settled()
    await bot.time_passes("3m", steps=18)

    outcomes = Counter(call.outcome for call in sandbox.calls.of("chat.update"))
    assert outcomes["http 429"] == 3
    assert outcomes["ok"] <= 5
    assert await bot.status(run) == "succeeded"
    assert cards(bot)[0].buttons() == []
    assert len((await bot.view(run)).decisions) == many


async def test_R9_many_cards_in_one_channel_are_posted_as_slack_allows(serve, sandbox):
    sandbox.limits.enforced = True
    bot = await serve(gate=GATE)
    runs = [await bot.start("gate") for _ in range(25)]
    at_once = len(cards(bot))
    await bot.time_passes("30s", steps=30)

    assert at_once == 1
    assert len(cards(bot)) == 25
    # Slack may count more strictly than it says: then once is enough to know.
    assert 1 <= sandbox.limits.refused["chat.postMessage"] <= 2
    assert not any([(await bot.run(run)).troubled for run in runs])
