"""W: approvals, from the start of a run to its last step."""

from __future__ import annotations

import time

GATE = """
flow: gate
title: Gate
steps:
  - id: ask
    approval: {ask: "Ship it?", approvers: [bob@example.com, cat@example.com], via: gmail}
  - id: hello
    uses: log
    with: {message: "Hello, {{ approvers | join(', ') }}"}
"""


async def test_W1(serve):
    t = time.time()
    bot = await serve(gate=GATE)
    print("serve", time.time() - t)
    t = time.time()
    run = await bot.start("gate")
    print("start", time.time() - t)
    link = await bot.mailed_link("bob")
    page = await bot.opens("bob", link)
    t = time.time()
    sent = await bot.sends("bob", page, "approve")
    print("send", time.time() - t)
    await bot.settled()
    assert await bot.status(run) == "succeeded"
    print(await bot.ledger(run))
    t = time.time()
    print((await bot.cli("ann", "show", bot.run_id(run))).output)
    print("cli", time.time() - t)
