"""K and P3: runs that are held, forms that are filled in, the vacation flow that ships, and links that only show."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

import bot.library
from integrations.sandbox import Sandbox

VACATION = (Path(bot.library.__file__).parent / "vacation.yml").read_text()

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


class Bookings:
    """The booking system: what was posted to it, and how often."""

    def __init__(self) -> None:
        self.made: list[object] = []

    async def book(self, request: web.Request) -> web.Response:
        self.made.append(await request.json())
        return web.json_response({"booking": len(self.made)}, status=201)


@pytest.fixture
def bookings() -> Bookings:
    return Bookings()


@pytest.fixture
async def sandbox(clock, bookings):
    made = Sandbox.with_people(clock=clock)
    made.routes.append(web.post("/bookings", bookings.book))
    async with made:
        yield made


async def vacation(bot, sandbox) -> int:
    return await bot.start(
        "vacation",
        employee="ann@example.com",
        manager="bob@example.com",
        start="2026-07-01",
        end="2026-07-14",
        booking_url=f"{sandbox.origin}/bookings",
    )


async def test_K5_a_vacation_is_approved_with_a_reason_and_booked_with_what_was_asked(serve, sandbox, bookings):
    bot = await serve(vacation=VACATION)
    run = await vacation(bot, sandbox)
    card = await bot.human("bob").sees("asks for vacation")

    await bot.human("bob").click(card, "Approve")
    await bot.human("bob").gets_modal("2026-07-01")
    await bot.human("bob").submit({"Reason": "Enjoy the sea!"})
    await bot.settled()

    text = card.shown_text()
    assert "ann@example.com asks for vacation from 2026-07-01 to 2026-07-14" in text
    assert f"{bot.url}/runs/{bot.run_id(run)}" in text
    assert bookings.made == [
        {
            "employee": "ann@example.com",
            "start": "2026-07-01",
            "end": "2026-07-14",
            "approved_by": ["bob@example.com"],
            "reason": "Enjoy the sea!",
        }
    ]
    shown = await bot.run(run)
    assert shown.status == "succeeded"
    assert "Enjoy the sea!" in shown.steps["note"].output["message"]
    assert f"is approved by <@{bot.human('bob').id}>" in (await bot.human("ann").sees("Your vacation")).text


async def test_K6_a_rejected_vacation_is_not_booked_and_the_requester_hears_why(serve, sandbox, bookings):
    bot = await serve(vacation=VACATION)
    run = await vacation(bot, sandbox)
    card = await bot.human("bob").sees("asks for vacation")

    await bot.human("bob").click(card, "Reject")
    await bot.human("bob").gets_modal("Reason")
    await bot.human("bob").submit({"Reason": "Everybody is away that week."})
    await bot.settled()

    assert bookings.made == []
    assert await bot.status(run) == "rejected"
    heard = await bot.human("ann").sees("was rejected by")
    assert "Everybody is away that week." in heard.shown_text()
    shown = bot.human("bob").now(card)
    assert "Everybody is away that week." in shown.shown_text()
    assert shown.buttons() == []


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
    addresses = (link, f"{link}?verdict=resume", f"{bot.url}/runs/{bot.run_id(run)}", approval, f"{approval}/decisions")
    bearer = {"Authorization": f"Bearer {await bot.token('ann')}"}

    async with aiohttp.ClientSession() as session:
        statuses = {}
        for address in addresses:
            for method in ("GET", "HEAD"):
                async with session.request(method, address, headers=bearer) as response:
                    statuses[address, method] = response.status
    await bot.settled()

    assert statuses[link, "GET"] == statuses[link, "HEAD"] == 200
    assert statuses[addresses[-1], "GET"] == 405
    assert await bot.all_rows(run) == before
    assert await bot.status(run) == "waiting"
