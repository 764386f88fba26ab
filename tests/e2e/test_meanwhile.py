"""R1 to R7, R11, R13, R14, R18: several things at once, restarts in between, and time that does as it likes."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from bot.slack.cards import EVENT as CARD
from integrations.sandbox import Sandbox
from integrations.sandbox.faults import Slow

GATE = """
flow: gate
steps:
  - id: ask
    approval:
      ask: "Ship it?"
      approvers: [bob@example.com, cat@example.com]
      via: {slack: "#general"}
      timeout: 1d
  - id: tell
    uses: slack.post_message
    with: {channel: "#general", text: "Shipped by {{ approvers | map(attribute='email') | join(', ') }}"}
"""


class Booking:
    """A slow system: a call waits until the test lets it, or for half a minute of the clock."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.keys: list[str] = []
        self.answers: list[str] = []
        self.asked = asyncio.Event()
        self.held: asyncio.Event | None = None

    async def take(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["Idempotency-Key"])
        self.asked.set()
        if self.held is not None:
            await self.held.wait()
        else:
            await self.clock.sleep(timedelta(seconds=30))
        self.answers.append(self.keys[-1])
        return web.json_response({"ok": True})


@pytest.fixture
def booking(clock) -> Booking:
    return Booking(clock)


@pytest.fixture
async def sandbox(clock, booking):
    made = Sandbox.with_people(clock=clock)
    made.routes.append(web.post("/bookings", booking.take))
    async with made:
        yield made


def booked(sandbox, timeout: str = "1d") -> str:
    steps = (
        f'  - {{id: book, uses: http.request, with: {{method: POST, url: "{sandbox.origin}/bookings"}}}}\n  - id: tell'
    )
    return GATE.replace("timeout: 1d", f"timeout: {timeout}").replace("  - id: tell", steps)


def shipped(bot) -> list[str]:
    return [message.text for message in bot.human("eve").messages("#general") if "Shipped by" in message.text]


def card(bot, name: str = "bob"):
    return bot.card(name, "Ship it?")


# -- at once --------------------------------------------------------------------------------------------------


async def test_R1_decided_in_time_the_late_timer_changes_nothing_while_the_next_step_still_works(
    serve, sandbox, booking
):
    bot = await serve(gate=booked(sandbox, timeout="10s"))
    run = await bot.start("gate")
    bot.clock.advance("3s")
    await bot.human("bob").click(card(bot), "Approve")
    await sandbox.until(lambda: card(bot).buttons() == [])
    await booking.asked.wait()

    bot.clock.advance("7s")
    bot.clock.advance("1s")
    await bot.app.store.read(lambda c, _: None)
    late = await bot.status(run)
    bot.clock.advance("22s")
    await bot.settled()

    assert late == "running"
    assert await bot.status(run) == "succeeded"
    assert [(fact["n"], fact["how"]) for fact in await bot.facts(run, "SuspensionClosed")] == [(1, "approved")]
    assert len(booking.answers) == 1
    assert shipped(bot) == ["Shipped by bob@example.com"]


async def test_R2_fifty_people_approve_and_reject_at_the_same_instant_through_all_doors(serve, sandbox):
    people = [f"p{n}" for n in range(50)]
    users = [sandbox.add_person(name, f"Person {name}", channels=["general"]).user for name in people]
    sandbox.workspace.add_group("crowd", users, "Crowd")
    bot = await serve(gate=GATE.replace("[bob@example.com, cat@example.com]", '"@crowd"\n      quorum: 3'))
    run = await bot.start("gate")
    seen = card(bot)
    doors = ("button", "modal", "page", "api", "api-reject")
    ready = {}
    for n, name in enumerate(people):
        match doors[n % 5]:
            case "modal":
                await bot.human(name).click(seen, "Reject")
                ready[name] = await bot.human(name).gets_modal("Ship it?")
            case "page":
                ready[name] = await bot.opens(name, await bot.link(run, name))
            case "api" | "api-reject":
                ready[name] = await bot.token(name)

    async def answer(n: int, name: str) -> str:
        human = bot.human(name)
        match doors[n % 5]:
            case "button":
                await human.click(seen, "Approve")
                await bot.app._door.drain()
                return human.ephemerals()[-1].shown_text()
            case "modal":
                await human.submit({"reason": "no"}, view=ready[name])
                await bot.app._door.drain()
                return human.modal.shown_text() if human.modal else human.ephemerals()[-1].shown_text()
            case "page":
                return (await bot.sends(name, ready[name], "approve")).text
            case _:
                verdict = "reject" if doors[n % 5] == "api-reject" else "approve"
                path = f"approvals/{bot.approval_id(run)}/decisions"
                return (await bot.api(name, "POST", path, {"verdict": verdict})).said

    said = dict(zip(people, await asyncio.gather(*(answer(n, name) for n, name in enumerate(people))), strict=True))
    await bot.settled()

    view = await bot.view(run)
    counted = {view.person(one.person).name.removeprefix("Person "): one.verdict.value for one in view.decisions}
    told = {
        name for name, text in said.items() if any(word in text for word in ("Counted: ", "You approved", "is counted"))
    }
    closed = {name for name, text in said.items() if "This has been decided already: " in text}
    assert told == set(counted)
    assert closed == set(people) - told
    assert len(view.decisions) == len({one.person for one in view.decisions})
    verdicts = Counter(counted.values())
    assert (verdicts["approve"], verdicts["reject"]) == (3, 0) or (verdicts["approve"] < 3 and verdicts["reject"] == 1)
    assert await bot.status(run) == ("succeeded" if verdicts["approve"] == 3 else "rejected")
    assert len(await bot.facts(run, "SuspensionClosed")) == len(await bot.facts(run, "RunEnded")) == 1
    assert len(await bot.facts(run, "DecisionCounted")) == len(counted)
    assert len(shipped(bot)) == (1 if verdicts["approve"] == 3 else 0)
    assert card(bot).buttons() == []


async def test_R3_the_same_click_delivered_twice_at_once_is_one_decision_with_one_effect(serve, sandbox):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    sandbox.faults.twice("block_actions", times=1)

    answer = await bot.human("bob").click(card(bot), "Approve")
    await bot.settled()

    assert answer.ok
    assert answer.again.ok
    assert len(await bot.facts(run, "DecisionCounted")) == 1
    assert shipped(bot) == ["Shipped by bob@example.com"]
    said = sorted(message.shown_text() for message in bot.human("bob").ephemerals())
    assert said[0].startswith("Counted: you approved.")
    assert said[1].startswith(
        "You have said so already: approved. This has been decided already: approved by Bob Baker, "
    )


async def test_R3_the_same_post_twice_at_once_through_page_and_api_is_one_decision(serve):
    bot = await serve(gate=GATE.replace("via:", "quorum: 2\n      via:"))
    run = await bot.start("gate")
    page = await bot.opens("bob", await bot.link(run, "bob"))
    path = f"approvals/{bot.approval_id(run)}/decisions"
    await bot.token("cat")

    pages = await asyncio.gather(*(bot.sends("bob", page, "approve") for _ in range(2)))
    replies = await asyncio.gather(*(bot.api("cat", "POST", path, {"verdict": "approve"}) for _ in range(2)))
    await bot.settled()

    assert sorted("You have said so already" in page.text for page in pages) == [False, True]
    assert sorted(reply.status for reply in replies) == [200, 201]
    assert len(await bot.facts(run, "DecisionCounted")) == 2
    assert shipped(bot) == ["Shipped by bob@example.com, cat@example.com"]


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_R3_a_click_that_is_delivered_again_after_a_restart_is_told_so(serve, sandbox, end):
    bot = await serve(gate=GATE.replace("via:", "quorum: 2\n      via:"))
    run = await bot.start("gate")
    await bot.human("bob").click(card(bot), "Approve")
    await getattr(bot, end)()
    await bot.serve()

    answer = await sandbox.line.redeliver()
    await bot.human("bob").is_told("You have said so already: approved. It is counted once.")
    await bot.human("cat").click(card(bot), "Approve")
    await bot.settled()

    assert answer.ok
    assert len(await bot.facts(run, "DecisionCounted")) == 2
    assert shipped(bot) == ["Shipped by bob@example.com, cat@example.com"]


async def test_R5_killed_while_the_next_step_works_it_is_repeated_with_the_same_key_and_the_run_ends_once(
    serve, sandbox, booking
):
    booking.held = asyncio.Event()
    bot = await serve(gate=booked(sandbox))
    run = await bot.start("gate")
    await bot.human("bob").click(card(bot), "Approve")
    await booking.asked.wait()

    await bot.kill()
    booking.held.set()
    await bot.serve()
    await bot.settled()

    assert await bot.status(run) == "succeeded"
    assert len(booking.keys) == 2
    assert len(set(booking.keys)) == 1
    assert shipped(bot) == ["Shipped by bob@example.com"]
    assert card(bot).buttons() == []


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_R6_a_deadline_that_passes_while_the_bot_is_down_is_acted_on_once(serve, sandbox, end):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    link = await bot.link(run, "bob")
    await getattr(bot, end)()
    bot.clock.advance("2d")

    await bot.serve()
    await sandbox.until(lambda: "*Expired*" in card(bot).shown_text())  # by itself: nobody looks, nobody clicks
    await bot.restart()
    await bot.settled()

    assert await bot.status(run) == "expired"
    assert len(await bot.facts(run, "RunEnded")) == 1
    heard = [m for m in bot.human("ann").messages("@signoff") if "expired" in m.shown_text()]
    assert len(heard) == 1
    assert "*Expired*" in card(bot).shown_text()
    assert card(bot).buttons() == []
    assert (await bot.opens("bob", link)).shows("The deadline passed on Tuesday, 6 January 2026")
    assert shipped(bot) == []


async def test_R7_a_run_that_is_cancelled_while_it_waits_ends_at_once_cards_say_so_and_links_are_dead(serve):
    bot = await serve(gate=GATE.replace('{slack: "#general"}', '[gmail, slack, {slack: "#general"}]'))
    run = await bot.start("gate")
    seen = card(bot)
    links = {name: await bot.mailed_link(name) for name in ("bob", "cat")}
    open_page = await bot.opens("bob", links["bob"])
    stranger = await bot.api("dan", "POST", f"runs/{bot.run_id(run)}/cancel", {})

    typed = await bot.cli("ann", "cancel", bot.run_id(run), "--reason", "Not needed")
    await bot.settled()

    assert stranger.status == 404
    assert typed.exit_code == 0
    assert await bot.status(run) == "cancelled"
    everywhere = [
        m for name in ("bob", "cat", "eve") for m in bot.human(name).messages() if "Ship it?" in m.shown_text()
    ]
    assert len(everywhere) == 5  # two direct messages, and the one in the channel as three people see it
    for message in everywhere:
        assert "*Cancelled* by" in message.shown_text()
        assert "Not needed" in message.shown_text()
        assert not {"Approve", "Reject"} & set(message.buttons())
    assert (await bot.sends("bob", open_page, "approve")).shows("This is no longer open: cancelled by")
    cats = await bot.opens("cat", links["cat"])
    assert cats.shows("There is nothing to decide any more")
    assert cats.forms == ()
    await bot.human("cat").click_stale(seen, "Approve")
    await bot.human("cat").is_told("This is no longer open: cancelled by")
    assert (await bot.view(run)).decisions == ()
    await bot.time_passes("2d")
    assert len(await bot.facts(run, "RunEnded")) == 1


async def test_R11_a_click_before_the_post_has_returned_is_counted_and_the_card_shows_it(serve, sandbox):
    returns = asyncio.Event()
    slow = Slow(until=returns, after=True)
    sandbox.faults.add("chat.postMessage", slow, times=1, when=lambda message: CARD in str(message.get("metadata")))
    bot = await serve(gate=GATE.replace("via:", "quorum: 2\n      via:"))
    reply = await bot.api("ann", "POST", "flows/gate/runs", {"inputs": {}})
    run = bot.app.engine.ids.parse_run(reply.body["id"])

    await bot.human("bob").click(await bot.human("bob").sees("Ship it?"), "Approve")
    await bot.human("bob").is_told("Counted: you approved. 1 of 2 approvals.")
    counted = await bot.standing(run)
    returns.set()
    await bot.settled()

    assert counted == {"bob": "approve"}
    assert sum(CARD in str(call.body.get("metadata")) for call in sandbox.calls.of("chat.postMessage")) == 1
    shown = card(bot)
    assert "1 of 2 approvals" in shown.shown_text()
    assert f"<@{bot.human('bob').id}> approved" in shown.shown_text()
    await bot.human("cat").click(shown, "Approve")
    await bot.settled()
    assert card(bot).buttons() == []


# -- what is edited while it waits ----------------------------------------------------------------------------


async def test_R13_a_waiting_run_goes_on_by_the_flow_it_started_with_though_the_file_was_edited(serve):
    bot = await serve(gate=GATE)
    old = await bot.start("gate")
    seen = card(bot)
    text = GATE.replace("Ship it?", "Really?").replace("[bob@example.com, cat@example.com]", "dan@example.com")
    bot.write("gate", text.replace("Shipped by", "Anew shipped by"))

    await bot.restart()
    new = await bot.start("gate")
    await bot.human("bob").click(seen, "Approve")
    await bot.human("dan").click(bot.card("dan", "Really?"), "Approve")
    await bot.settled()

    assert [await bot.status(run) for run in (old, new)] == ["succeeded", "succeeded"]
    posts = [m.text for m in bot.human("eve").messages("#general") if "hipped by" in m.text]
    assert sorted(posts) == ["Anew shipped by dan@example.com", "Shipped by bob@example.com"]


async def test_R13_a_waiting_run_goes_on_though_its_flow_file_is_gone_or_broken(serve, tmp_path):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    bot.write("gate", "flow: [broken")
    await bot.restart()

    await bot.by_page("bob", run)
    await bot.settled()

    assert await bot.status(run) == "succeeded"
    assert (await bot.api("ann", "POST", "flows/gate/runs", {"inputs": {}})).status == 404


# -- time -----------------------------------------------------------------------------------------------------

SPRING = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)  # Berlin puts its clocks forward in the night that follows
LEAP = datetime(2028, 2, 28, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("clock", "lasts", "due", "words"),
    [
        (SPRING, "1d", SPRING + timedelta(days=1), "Sunday, 29 March 2026, 11:00 CEST (Europe/Berlin)"),
        (LEAP, "2d", datetime(2028, 3, 1, 9, 0, tzinfo=UTC), "Wednesday, 1 March 2028, 10:00 CET (Europe/Berlin)"),
    ],
    indirect=["clock"],
)
async def test_R14_a_deadline_across_a_change_of_the_clocks_or_a_leap_day_is_told_and_kept(
    serve, sandbox, lasts, due, words
):
    bot = await serve(gate=GATE.replace("timeout: 1d", f"timeout: {lasts}"))
    run = await bot.start("gate")
    page = await bot.opens("bob", await bot.link(run, "bob"))
    asked, told = card(bot).shown_text(), f"until <!date^{int(due.timestamp())}^"

    await bot.time_passes(due - bot.clock.now() - timedelta(seconds=1))
    just_before = await bot.status(run)
    bot.clock.advance("1s")
    await sandbox.until(lambda: "*Expired*" in card(bot).shown_text())  # by itself: nobody looks, nobody clicks

    assert page.shows(words)
    assert told in asked
    assert just_before == "waiting"
    assert await bot.status(run) == "expired"
    assert (await bot.run(run)).run.ending.at == due


async def test_R14_with_the_wall_clock_stepped_back_it_waits_until_the_deadline_stands_on_the_clock(serve):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    due = bot.clock.now() + timedelta(days=1)

    await bot.time_passes("23h", steps=23)
    bot.clock.set(bot.clock.now() - timedelta(hours=5))
    await bot.time_passes("2h", steps=240)
    stepped = await bot.status(run)
    await bot.time_passes(due - bot.clock.now() - timedelta(seconds=1), steps=5)
    before = await bot.status(run)
    await bot.time_passes("1m", steps=2)

    assert (stepped, before) == ("waiting", "waiting")
    assert await bot.status(run) == "expired"
    assert len(await bot.facts(run, "SuspensionClosed")) == 1


# -- many -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("clicks", "quorum"), [(100, 60), pytest.param(1_000, 300, marks=pytest.mark.slow)])
async def test_R18_many_clicks_on_one_card_are_each_answered_and_counted_exactly(serve, sandbox, clicks, quorum):
    if clicks > 100:
        sandbox.line.answer_within = 60.0  # bench/crowd.py measures how long it takes
    people = [f"p{n}" for n in range(clicks)]
    users = [sandbox.add_person(name, f"Person {name}", channels=["general"]).user for name in people]
    sandbox.workspace.add_group("crowd", users, "Crowd")
    bot = await serve(gate=GATE.replace("[bob@example.com, cat@example.com]", f'"@crowd"\n      quorum: {quorum}'))
    run = await bot.start("gate")
    seen = card(bot)
    bot.clock.advance("2m")  # what the directory knows has to be asked anew
    sandbox.calls.clear()

    answers = await asyncio.gather(*(bot.human(name).click(seen, "Approve") for name in people))
    await bot.settled()

    assert Counter((answer.ok, answer.late) for answer in answers) == {(True, False): clicks}
    assert (await bot.view(run)).approvals == quorum
    assert len(await bot.facts(run, "DecisionCounted")) == quorum
    told = [[message.text for message in bot.human(name).ephemerals()] for name in people]
    assert all(len(each) == 1 for each in told)
    assert sum("Counted: you approved." in text for (text,) in told) == quorum
    assert sum("This has been decided already: approved by" in text for (text,) in told) == clicks - quorum
    assert sandbox.calls.count("chat.update") <= 20
    assert (
        sandbox.calls.count("usergroups.*") <= 20
    )  # Slack's limit for a minute, however long the crowd takes to get through
    assert await bot.status(run) == "succeeded"
    assert card(bot).buttons() == []
    assert len(shipped(bot)) == 1


async def test_R18_a_group_that_clicks_at_once_is_counted_though_slack_says_too_often(serve, sandbox):
    people = [f"p{n}" for n in range(30)]
    users = [sandbox.add_person(name, f"Person {name}", channels=["general"]).user for name in people]
    sandbox.workspace.add_group("crowd", users, "Crowd")
    bot = await serve(gate=GATE.replace("[bob@example.com, cat@example.com]", '"@crowd"\n      quorum: 30'))
    run = await bot.start("gate")
    seen = card(bot, "p0")
    bot.clock.advance("2m")
    sandbox.calls.clear()
    sandbox.faults.rate_limited("users.info", retry_after=30)

    await asyncio.gather(*(bot.human(name).click(seen, "Approve") for name in people))
    await bot.settled()

    assert (await bot.view(run)).approvals == 30
    assert await bot.status(run) == "succeeded"
    assert sandbox.calls.count("users.list") == 1
