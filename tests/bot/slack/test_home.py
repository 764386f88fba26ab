"""App Home through signed requests: what it shows, what is done in it, and how it is kept up to date."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from flows.definition import Flow, Hold, Step
from flows.errors import UnknownAction
from flows.run import Door, Run
from integrations.sandbox import Human
from tests.bot.slack.conftest import Bot

FORM = [{"name": "why", "type": "string"}]


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


def ask(flow: str, *approvers: str, **more: Any) -> Flow:
    given = [each if each[0] == "@" else f"{each}@example.com" for each in approvers]
    approval = {"ask": f"{flow}?", "approvers": given, "via": "none", **more}
    return Flow.model_validate({"flow": flow, "title": flow.title(), "steps": [{"id": "gate", "approval": approval}]})


def name(bot: Bot, run: Run, n: int = 1) -> str:
    return bot.ids.suspension(run.id, n)


def waits(human: Human) -> list[str]:
    """What the tab says waits, in its order: the asks."""
    assert human.home is not None
    rows = [block for block in human.home.blocks if block["block_id"].startswith("home_pick:")]
    return [block["text"]["text"].split("\n")[0] for block in rows]


def published(sandbox, human: Human) -> int:
    calls = sandbox.calls.of("views.publish")
    return sum(call.body["user_id"] == human.id for call in calls)


async def rests(bot: Bot) -> None:
    """Return when no tab can be drawn again before more time has passed."""
    await bot.settled()
    for _ in range(5):
        await asyncio.sleep(0)
    await bot.door.home.idle()


async def opens(bot: Bot, human: Human) -> None:
    assert (await human.open_home()).ok
    await bot.settled()


async def tick(bot: Bot, human: Human, *runs: Run) -> None:
    assert human.home is not None
    for run in runs:
        await human.select(human.home, "home_pick", [name(bot, run)], block_id=f"home_pick:{name(bot, run)}")


# -- looking ----------------------------------------------------------------------------------------------------


async def test_home_is_the_inbox_what_waits_what_i_asked_for_and_what_i_decided(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    flows = [ask("alpha", "bob", timeout="3d"), ask("beta", "bob", timeout="1h"), ask("gamma", "ann")]
    bot = await start_bot(*flows)
    runs = [await bot.begin(flow, by) for flow, by in (("alpha", ann), ("beta", ann), ("gamma", bob), ("alpha", ann))]
    await bot.decide(runs[3], bob)

    await opens(bot, bob)

    text = bob.home.shown_text()
    assert waits(bob) == ["beta?", "alpha?"]
    assert f"*Gamma*  ·  :hourglass_flowing_sand: 0 of 1 approval, waiting for <@{ann.id}>" in text
    assert "You approved" in text
    assert "the run has succeeded" in text


async def test_what_is_looked_at_travels_with_the_view_and_outlives_a_restart(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    flows = [ask("alpha", "bob", timeout="1d"), ask("beta", "bob", timeout="2d")]
    bot = await start_bot(*flows)
    for _ in range(12):
        await bot.begin("alpha", ann)
    await bot.begin("beta", ann)
    await opens(bot, bob)
    first = waits(bob)

    await bob.click(bob.home, "home_page:waiting:next")
    await bob.gets_home("11 to 13 of 13")
    second = waits(bob)
    await bob.select(bob.home, "home_flow", "beta")
    await bob.gets_home("Waiting for you (1)")
    only = waits(bob)
    await bot.stop()
    await bot.start()
    await bob.click(bob.home, "Reject")
    await bob.gets_modal("beta?")
    await bob.submit({"reason": "no"})
    await bob.gets_home("Counted: you rejected.")
    filtered = bob.home.shown_text()
    await bob.select(bob.home, "home_flow", "*")
    await bob.gets_home("Waiting for you (12)")

    assert (first, second) == (["alpha?"] * 10, ["alpha?", "alpha?", "beta?"])
    assert only == ["beta?"]
    assert "Nothing of this flow waits for you." in filtered
    assert json.loads(bob.home.content["private_metadata"])[:3] == [None, 0, [0, 0, 0]]


async def test_only_what_is_due_today_where_its_reader_lives(sandbox, start_bot, clock, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("soon", "bob", timeout="1h"), ask("late", "bob", timeout="2d"))
    for flow in ("soon", "late"):
        await bot.begin(flow, ann)
    await opens(bot, bob)

    await bob.click(bob.home, "Due today")
    await bob.gets_home("Due today ✓")
    today = waits(bob)
    await opens(bot, ann)
    await ann.click(ann.home, "home_due")
    await ann.gets_home("Due today ✓")

    assert today == ["soon?"]
    assert "*Soon*" in ann.home.shown_text()
    assert "*Late*" not in ann.home.shown_text()


async def test_what_waits_for_whom_i_stand_in_for_is_there_and_says_so(sandbox, start_bot, clock, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("alpha", "cat"))
    run = await bot.begin("alpha", ann)
    people = {who.name: (await bot.people.by_email(who.email)).id for who in (bob, cat)}
    ends = clock.now() + timedelta(days=7)
    await bot.engine.delegate(people["cat"], people["bob"], clock.now(), ends, by=people["cat"])

    await opens(bot, bob)
    shown = bob.home.shown_text()
    await bob.click(bob.home, "Approve")
    await bob.gets_home(f"Counted: you approved for <@{cat.id}>.")

    assert f"*for <@{cat.id}>*" in shown
    assert f"You approved for <@{cat.id}>" in bob.home.shown_text()
    assert await bot.status(run) == "succeeded"


async def test_what_i_have_put_off_is_folded_away_under_later_until_then(sandbox, start_bot, clock, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"), ask("beta", "bob"))
    await bot.begin("alpha", ann)
    run = await bot.begin("beta", ann)
    person = await bot.people.by_email(bob.email)
    await bot.engine.snooze(run.id, 1, person.id, clock.now() + timedelta(hours=2), door=Door.SLACK)

    await opens(bot, bob)
    folded, before = waits(bob), bob.home.shown_text()
    await bob.click(bob.home, "Show")
    await bob.gets_home("put off until")
    await bob.click(bob.home, "Approve", block_id=f"later:{name(bot, run)}")
    await bob.gets_home("Counted: you approved.")

    assert folded == ["alpha?"]
    assert "*Later:* 1 that you have put off" in before
    assert "Later" not in bob.home.shown_text()
    assert await bot.status(run) == "succeeded"


async def test_an_admin_sees_what_is_in_trouble_and_nobody_else(sandbox, start_bot, cast):
    ann, bob, *_ = cast

    async def missing(_params: object) -> None:
        raise UnknownAction("it is not set up")

    bot = await start_bot(Flow(flow="broken", steps=[Step(id="call", uses="log")]), admins=[ann.email], log=missing)
    await bot.begin("broken", bob)

    await opens(bot, ann)
    await opens(bot, bob)

    assert "1 thing could not be done and waits for an admin" in ann.home.shown_text()
    assert "could not be done" not in bob.home.shown_text()


# -- doing ------------------------------------------------------------------------------------------------------


async def test_K4_several_picked_on_two_pages_are_decided_at_once_with_one_result_each(sandbox, start_bot, clock, cast):
    ann, bob, *_ = cast
    flows = [
        ask("plain", "bob", timeout="1d"),
        ask("form", "bob", form=FORM, timeout="2d"),
        Flow(flow="hold", steps=[Step(id="wait", hold=Hold(ask="hold?", by=["bob@example.com"], via="none"))]),
    ]
    bot = await start_bot(*flows)
    plain = [await bot.begin("plain", ann) for _ in range(10)]
    form, hold = await bot.begin("form", ann), await bot.begin("hold", ann)
    await opens(bot, bob)

    await tick(bot, bob, *plain[:3])
    await bob.click(bob.home, "home_page:waiting:next")
    await bob.gets_home("3 more selected on other pages")
    await tick(bot, bob, form, hold)
    await bob.click(bob.home, "Decide selected")
    modal = await bob.gets_modal("Your answer to all of them")
    await bot.decide(plain[1], bob)  # meanwhile, through another door
    await bob.submit({"-verdict": "approve", "reason": "fine"})
    told = modal.shown_text()
    await bob.gets_home("3 of 5 answers counted.")

    assert "*3 of 5 counted.*" in told
    assert told.count(":white_check_mark: *Plain · Gate*\nCounted: you approved.") == 2
    assert ":white_check_mark: *Hold · Wait*\nCounted: you resumed it." in told
    assert "This has been decided already" in told
    assert "its form asks for more (Why is required.)" in told
    assert [await bot.status(run) for run in (*plain[:3], form, hold)] == ["succeeded"] * 3 + ["waiting", "succeeded"]
    (decision,) = (await bot.view(plain[0])).decisions
    assert (decision.comment, decision.digest) == ("fine", (await bot.view(plain[0])).suspension.digest)
    assert json.loads(bob.home.content["private_metadata"])[-1] == []


async def test_S11_what_has_changed_since_it_was_shown_is_not_decided_with_the_others(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"), ask("beta", "bob"))
    runs = [await bot.begin(flow, ann) for flow in ("alpha", "beta")]
    await opens(bot, bob)
    await tick(bot, bob, *runs)
    await bob.click(bob.home, "Decide selected")
    modal = await bob.gets_modal("Your answer to all of them")
    await bot.store.write(
        lambda c: c.execute(
            "UPDATE suspensions SET ask = 'Other?', digest = ? WHERE run = ?", (b"\x07" * 32, runs[0].id)
        )
    )

    await bob.submit({"-verdict": "reject"})

    assert "*1 of 2 counted.*" in modal.shown_text()
    assert "changed since" in modal.shown_text()
    assert [await bot.status(run) for run in runs] == ["waiting", "rejected"]


async def test_R3_a_selection_that_is_delivered_twice_counts_once(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob", "cat", quorum=2))
    runs = [await bot.begin("alpha", ann) for _ in range(2)]
    await opens(bot, bob)
    await tick(bot, bob, *runs)
    await bob.click(bob.home, "Decide selected")
    await bob.gets_modal("Your answer to all of them")
    sandbox.faults.twice("view_submission")

    await bob.submit({"-verdict": "approve"})
    await bot.settled()

    assert [await bot.standing(run) for run in runs] == [{"Bob Baker": "approve"}] * 2
    assert "What you decided" in bob.home.shown_text()


async def test_R9_while_slack_is_slow_the_modal_says_that_it_is_recorded_and_then_what_became_of_it(
    sandbox, start_bot, cast
):
    ann, _, cat, *_ = cast
    bot = await start_bot(ask("alpha", "@hr-leads"), ask("beta", "@hr-leads"))
    runs = [await bot.begin(flow, ann) for flow in ("alpha", "beta")]
    await opens(bot, cat)
    await tick(bot, cat, *runs)
    await cat.click(cat.home, "Decide selected")
    modal = await cat.gets_modal("Your answer to all of them")
    bot.clock.advance("11m")  # who belongs to the group has to be asked again
    answered = asyncio.Event()
    sandbox.faults.slow("usergroups.users.list", until=answered)
    before = sandbox.calls.count("usergroups.users.list")

    sent = asyncio.create_task(cat.submit({"-verdict": "approve"}))
    await sandbox.until(lambda: sandbox.calls.count("usergroups.users.list") > before)
    bot.clock.advance("2s")
    assert (await sent).ok
    meanwhile = modal.shown_text()
    answered.set()
    await cat.gets_modal("*All 2 counted.*")
    await cat.gets_home("2 of 2 answers counted.")

    assert "Your answers are being recorded." in meanwhile
    assert [await bot.status(run) for run in runs] == ["succeeded", "succeeded"]


async def test_W11_nothing_is_shown_or_decided_of_what_was_picked_and_is_not_mine(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"), ask("beta", "cat"))
    mine, other = await bot.begin("alpha", ann), await bot.begin("beta", ann)
    await bot.begin("alpha", ann)
    await opens(bot, bob)
    view = bob.home
    content = {**view.content, "private_metadata": json.dumps([None, 0, [0, 0, 0], 0, 0, [name(bot, other), "sus_x"]])}
    bot.sandbox.workspace.change_view(view, content)
    await tick(bot, bob, mine)

    await bob.click(bob.home, "Decide selected")
    await bob.gets_modal("Your answer to all of them")

    text = bob.modal.shown_text()
    assert "beta?" not in text
    assert text.count("It is not there any more, or not yours to see.") == 2
    assert "alpha?" in text


async def test_nothing_picked_is_said(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"))
    for _ in range(2):
        await bot.begin("alpha", ann)
    await opens(bot, bob)

    await bob.click(bob.home, "Decide selected")

    await bob.gets_modal("Nothing is selected.")


async def test_a_flow_is_started_from_home_and_the_menu_stands_at_its_beginning_again(sandbox, start_bot, cast):
    ann, *_ = cast
    hidden = ask("secret", "bob").model_copy(update={"starters": ("bob@example.com",)})
    bot = await start_bot(ask("alpha", "bob"), hidden)
    await opens(bot, ann)
    offered = [option["value"] for _, e in ann.home.elements() if e["action_id"] == "home_start:0" for option in e["options"]]  # fmt: skip

    await ann.select(ann.home, "home_start:0", "alpha")
    await ann.gets_modal("Will be asked")
    await bot.settled()
    await ann.submit({})
    await ann.gets_home("Started *Alpha*")

    assert offered == ["alpha"]
    assert any(e["action_id"] == "home_start:1" for _, e in ann.home.elements())
    assert "*Alpha*  ·  :hourglass_flowing_sand: 0 of 1 approval" in ann.home.shown_text()


# -- kept up to date --------------------------------------------------------------------------------------------


async def test_a_change_through_another_door_redraws_the_tabs_that_it_concerns_and_no_other(sandbox, start_bot, cast):
    ann, bob, cat, dan, eve = cast
    bot = await start_bot(ask("alpha", "bob", "@hr-leads"), ask("beta", "eve"))
    for human in (ann, bob, cat, dan, eve):
        await opens(bot, human)
    before = {human.name: published(sandbox, human) for human in (dan, eve)}
    bot.clock.advance("5s")

    run = await bot.begin("alpha", ann)
    for human in (ann, bob, cat):  # cat is one of the leads
        await keeps_drawing(bot, human, "alpha?")
    await bot.decide(run, cat)
    bot.clock.advance("5s")
    await keeps_drawing(bot, bob, "Nothing waits for you.")
    await keeps_drawing(bot, ann, ":white_check_mark: succeeded")
    await keeps_drawing(bot, cat, "You approved")
    await rests(bot)

    assert {human.name: published(sandbox, human) for human in (dan, eve)} == before


async def keeps_drawing(bot: Bot, human: Human, text: str) -> None:
    """Let time pass until the tab shows this: those of a workspace are drawn one after the other."""
    for _ in range(20):
        await rests(bot)
        if text in human.home.shown_text():
            return
        bot.clock.advance("800ms")
    raise AssertionError(f"{human.name} does not see {text!r} but {human.home.shown_text()}")


async def test_whoever_is_handed_approvals_sees_them_and_sees_them_go(sandbox, start_bot, clock, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("alpha", "cat"))
    await bot.begin("alpha", ann)
    await opens(bot, bob)
    people = [(await bot.people.by_email(who.email)).id for who in (cat, bob)]
    ends = clock.now() + timedelta(days=7)
    made = await bot.engine.delegate(*people, clock.now(), ends, by=people[0])

    bot.door.delegating.arranged(made, None)
    await keeps_drawing(bot, bob, f"*for <@{cat.id}>*")
    over = await bot.engine.end_delegation(made.id, people[0])
    bot.door.delegating.arranged(over, await bot.people.by_email(cat.email))

    await keeps_drawing(bot, bob, "Nothing waits for you.")


async def test_many_changes_are_one_drawing_and_one_that_changes_nothing_is_none(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"), ask("beta", "cat"))
    await opens(bot, bob)
    await rests(bot)
    first = published(sandbox, bob)

    for _ in range(8):
        run = await bot.begin("alpha", ann)
    await rests(bot)
    at_once = published(sandbox, bob) - first
    bot.clock.advance("5s")
    await bob.gets_home("Waiting for you (8)")
    await rests(bot)
    in_time = published(sandbox, bob) - first
    bot.clock.advance("10s")
    person = await bot.people.by_email(ann.email)
    await bot.engine.nudge(run.id, 1, person.id, door=Door.SLACK)
    await rests(bot)

    assert (at_once, in_time) == (0, 1)  # the tab was opened just now
    assert published(sandbox, bob) - first == 1


async def test_the_answer_to_a_click_stays_above_the_lists_while_these_are_redrawn(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"), ask("beta", "bob"))
    await bot.begin("alpha", ann)
    await opens(bot, bob)
    await bob.click(bob.home, "Approve")
    await bob.gets_home("Counted: you approved.")

    await bot.begin("beta", ann)
    bot.clock.advance("6s")
    await bob.gets_home("beta?")
    soon = bob.home.shown_text()
    bot.clock.advance("3m")
    await bot.begin("beta", ann)
    await keeps_drawing(bot, bob, "Waiting for you (2)")

    assert "Counted: you approved." in soon
    assert "Counted: you approved." not in bob.home.shown_text()


async def test_a_tab_is_kept_up_to_date_for_a_day_also_over_a_restart(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob", timeout="30d"))
    await opens(bot, bob)
    await bot.stop()
    await bot.start()

    await bot.begin("alpha", ann)
    await bob.gets_home("alpha?")
    await rests(bot)
    drawn = published(sandbox, bob)
    bot.clock.advance("25h")
    await bot.begin("alpha", ann)
    await rests(bot)

    assert published(sandbox, bob) == drawn
    await opens(bot, bob)
    assert waits(bob) == ["alpha?", "alpha?"]


async def test_R9_slack_that_wants_a_pause_gets_it_and_the_tab_shows_the_latest_then(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"))
    await opens(bot, bob)
    bot.clock.advance("5s")
    sandbox.faults.rate_limited("views.publish", retry_after=40, times=1)

    await bot.begin("alpha", ann)
    await rests(bot)
    tried = published(sandbox, bob)
    await bot.begin("alpha", ann)
    bot.clock.advance("39s")
    await rests(bot)
    meanwhile = published(sandbox, bob)
    bot.clock.advance("2s")
    await bob.gets_home("Waiting for you (2)")

    assert meanwhile == tried


async def test_a_drawing_that_was_overtaken_on_its_way_is_not_the_last(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"), ask("beta", "bob"))
    await bot.begin("alpha", ann)
    await opens(bot, bob)
    bot.clock.advance("5s")
    late = asyncio.Event()
    sandbox.faults.slow("views.publish", until=late, times=1)

    await bot.begin("beta", ann)
    await sandbox.until(lambda: published(sandbox, bob) == 2)  # on its way, with what was so by then
    await bob.click(bob.home, "Approve", block_id=None, value=None)
    await bob.gets_home("Counted: you approved.")
    late.set()
    await rests(bot)

    assert "Counted: you approved." in bob.home.shown_text()
    assert waits(bob) == ["beta?"]


async def test_whoever_is_gone_is_drawn_for_no_more(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"))
    await opens(bot, bob)
    bot.clock.advance("5s")
    sandbox.faults.error("views.publish", "user_not_found")

    await bot.begin("alpha", ann)
    await rests(bot)
    drawn = published(sandbox, bob)
    bot.clock.advance("5m")
    await bot.begin("alpha", ann)
    await rests(bot)

    assert published(sandbox, bob) == drawn
