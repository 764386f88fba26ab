"""The home tab of the whole bot: what other doors do shows there, and what is done there shows everywhere else."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

SPENDING = """
flow: spending
title: Spending
inputs:
  - {name: amount, type: integer}
steps:
  - id: gate
    approval:
      ask: "Spend {{ inputs.amount }} euros?"
      approvers: [bob@example.com, cat@example.com]
      quorum: 2
      via: {slack: "#general"}
  - id: note
    uses: log
    with: {message: "spent {{ inputs.amount }}, by {{ approvers | join(', ') }}"}
"""


async def opens(bot, name: str) -> None:
    await bot.human(name).open_home()
    await bot.app._door.drain()


async def sees(bot, name: str, text: str) -> None:
    """Let time pass until somebody's tab shows this: nobody has asked for it to be drawn."""
    human = bot.human(name)
    for _ in range(30):
        for _ in range(5):
            await asyncio.sleep(0)
        await bot.app._door.home.idle()
        if text in human.home.shown_text():
            return
        bot.clock.advance("800ms")
    raise AssertionError(f"{name} does not see {text!r} but {human.home.shown_text()}")


async def test_K4_bob_decides_several_at_once_and_every_other_door_has_it(serve, sandbox):
    bot = await serve(spending=SPENDING)
    for name in ("ann", "bob", "cat"):
        await opens(bot, name)
    runs = [await bot.start("spending", amount=amount) for amount in (10, 20, 30)]
    await sees(bot, "bob", "Waiting for you (3)")
    await bot.by_page("cat", runs[0])  # through her own link
    await sees(bot, "cat", "Waiting for you (2)")
    bob = bot.human("bob")

    for run in runs[:2]:
        name = bot.approval_id(run)
        await bob.select(bob.home, "home_pick", [name], block_id=f"home_pick:{name}")
    await bob.click(bob.home, "Decide selected")
    modal = await bob.gets_modal("Your answer to all of them")
    await bob.submit({"-verdict": "approve", "reason": "within the budget"})
    await bot.settled()

    assert "*All 2 counted.*" in modal.shown_text()
    assert "Counted: you approved. 2 of 2 approvals." in modal.shown_text()
    assert "Counted: you approved. 1 of 2 approvals" in modal.shown_text()
    assert [await bot.status(run) for run in runs] == ["succeeded", "waiting", "waiting"]
    told = await bot.api("ann", "GET", f"runs/{bot.run_id(runs[1])}")
    assert "within the budget" in json.dumps(told.body)
    await sees(bot, "ann", ":white_check_mark: succeeded")
    assert "1 of 2 approvals, waiting for" in bot.human("ann").home.shown_text()
    (fact,) = await bot.facts(runs[1], "DecisionCounted")
    assert (fact["person"], fact["verdict"]) == ((await bot.person("bob")).id, "approve")


async def test_home_goes_on_where_it_was_after_the_bot_was_stopped(serve, sandbox):
    bot = await serve(spending=SPENDING)
    runs = [await bot.start("spending", amount=amount) for amount in (10, 20)]
    await opens(bot, "bob")
    bob = bot.human("bob")
    await bob.select(bob.home, "home_flow", "spending")
    await bot.app._door.drain()
    await bot.restart()

    await bot.by_api("cat", runs[0], "reject")
    await sees(bot, "bob", "Waiting for you (1)")
    await bob.click(bob.home, "Approve")
    await bob.gets_home("Counted: you approved. 1 of 2 approvals")

    assert json.loads(bob.home.content["private_metadata"])[0] == "spending"
    assert [await bot.status(run) for run in runs] == ["rejected", "waiting"]


async def test_S12_a_tab_follows_when_approvals_are_handed_over_by_the_clock_and_come_back(serve, sandbox):
    bot = await serve(spending=SPENDING)
    await bot.start("spending", amount=10)
    bob, dan = (await bot.person("bob")).id, (await bot.person("dan")).id
    begins = bot.clock.now() + timedelta(hours=2)
    await bot.app.engine.delegate(bob, dan, begins, begins + timedelta(hours=2), by=bob)
    await opens(bot, "dan")
    before = bot.human("dan").home.shown_text()

    await bot.time_passes("2h1m")
    await sees(bot, "dan", "Waiting for you (1)")
    await bot.time_passes("2h1m")
    await sees(bot, "dan", "Nothing waits for you")

    assert "Waiting for you (1)" not in before
