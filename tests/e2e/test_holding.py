"""K and P3: runs that are held, forms that are filled in, and links that only show."""

from __future__ import annotations

import aiohttp

from tests.e2e.doors.ways import early_link

HELD = """
flow: held
steps:
  - id: count
    uses: log
    with: {message: "41 apples"}
  - id: wait
    hold: {ask: "Go on?", show: {So far: "{{ steps.count.output.message }}"}, via: {slack: "#general"}}
  - id: note
    uses: slack.post_message
    with: {channel: "#general", text: "went on by {{ approvers | join(', ') }} with {{ steps.count.output.message }}"}
"""


async def test_K1_a_bare_hold_refuses_a_stranger_and_goes_on_once_when_the_requester_resumes(serve, sandbox):
    bot = await serve(held=HELD)
    run = await bot.start("held")
    card = bot.card("dan", "Go on?")

    await bot.human("dan").click(card, "Resume")
    await bot.human("dan").is_told("Only the person who started this run, or an admin, can resume it.")
    still = await bot.status(run)
    await bot.human("ann").click(card, "Resume")
    await bot.human("ann").is_told("Counted: you resumed it.")
    await bot.settled()
    await bot.human("ann").click_stale(card, "Resume")
    await bot.human("ann").is_told("This has been decided already: resumed by Ann Archer")
    await bot.settled()

    assert still == "waiting"
    assert await bot.status(run) == "succeeded"
    assert sum("went on by" in message.text for message in bot.human("eve").messages("#general")) == 1
    (decision,) = (await bot.view(run)).decisions
    assert (decision.verdict, decision.door, decision.at) == ("resume", "slack", bot.clock.now())
    assert bot.human("dan").now(card).buttons() == []


async def test_K2_outputs_from_before_the_wait_are_shown_at_every_door_and_unchanged_after(serve):
    bot = await serve(held=HELD)
    run = await bot.start("held")

    on_card = bot.card("ann", "Go on?").shown_text()
    on_page = (await bot.opens("ann", await bot.link(run, "ann"))).text
    in_api = (await bot.api("ann", "GET", f"approvals/{bot.approval_id(run)}")).body
    while_waiting = (await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")).body["steps"]
    typed = await bot.cli("ann", "resume", bot.approval_id(run))
    await bot.settled()

    assert "So far:* 41 apples" in on_card
    assert "So far 41 apples" in on_page
    assert in_api["show"] == {"So far": "41 apples"}
    assert [(step["path"], step["output"]) for step in while_waiting] == [
        ("count", {"message": "41 apples"}),
        ("wait", None),
    ]
    assert "41 apples" in typed.output
    after = (await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")).body
    assert after["status"] == "succeeded"
    assert after["steps"][0]["output"] == {"message": "41 apples"}
    assert bot.human("eve").message("went on by").text.endswith("with 41 apples")


async def test_K8_wrong_values_are_all_told_at_once_nothing_changes_and_good_ones_count_afterwards(serve):
    bot = await serve(
        gate="""
flow: gate
steps:
  - id: ask
    approval:
      ask: "How many?"
      approvers: bob@example.com
      via: [gmail, slack]
      form:
        - {name: number, type: integer, min: 1, max: 5}
        - {name: day, type: date}
        - {name: kind, type: select, options: [a, b], required: false}
        - {name: sure, type: boolean}
"""
    )
    run = await bot.start("gate")
    before = await bot.all_rows(run)

    reply = await bot.by_api("bob", run, form={"number": 9, "day": "soon", "kind": "c", "sure": "perhaps", "more": 1})
    page = await bot.sends(
        "bob", await bot.opens("bob", await bot.mailed_link("bob")), "approve", number="x", day="soon"
    )
    typed = await bot.cli("bob", "approve", bot.approval_id(run), "-f", "number=0", "-f", "sure=perhaps")

    assert reply.status == 422
    assert reply.body["fields"].keys() == {"number", "day", "kind", "sure", "more"}
    assert all(page.shows(text) for text in ("Number must be", "Day must be", "Nothing was counted yet"))
    assert all(f"  {name}: " in typed.output for name in ("number", "day", "sure"))
    assert await bot.all_rows(run) == before
    good = await bot.sends("bob", page, "approve", number="3", day="2026-02-03", sure="true")
    await bot.settled()
    assert good.shows("Approved by Bob Baker")
    assert await bot.status(run) == "succeeded"
    assert (await bot.view(run)).decisions[0].values == {"number": 3, "day": "2026-02-03", "kind": None, "sure": True}


async def test_P3_get_and_head_on_every_address_of_a_run_change_nothing(serve):
    bot = await serve(held=HELD)
    run = await bot.start("held")
    before = await bot.all_rows(run)
    link, approval = await bot.link(run, "ann"), f"{bot.url}/api/v1/approvals/{bot.approval_id(run)}"
    early = [await early_link(bot, run, "ann", step) for step in (None, "wait")]
    run_page = f"{bot.url}/runs/{bot.run_id(run)}"
    addresses = (link, f"{link}?verdict=resume", *early, run_page, approval, f"{approval}/decisions")
    bearer = {"Authorization": f"Bearer {await bot.token('ann')}"}

    async with aiohttp.ClientSession() as session:
        statuses = {}
        for address in addresses:
            for method in ("GET", "HEAD"):
                async with session.request(method, address, headers=bearer) as response:
                    statuses[address, method] = response.status
    await bot.settled()

    assert {statuses[address, method] for address in (link, *early) for method in ("GET", "HEAD")} == {200}
    assert statuses[addresses[-1], "GET"] == 405
    assert await bot.all_rows(run) == before
    assert await bot.status(run) == "waiting"
