"""``/approvals pause``, ``resume``, ``cancel`` and ``show``: what a person does to a whole run, and how it stands."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flows.definition import Approval, Callback, Concurrency, Flow, Hold, Range, Repeat, Step
from flows.run import Door, Verdict
from integrations.sandbox import Human
from integrations.sandbox.message import Message

RELEASES = ({"slack": "#releases"},)


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


def ask(**more: Any) -> Flow:
    gate = Approval(ask="Ship it?", approvers=["bob@example.com"], via=RELEASES)
    return Flow(flow="ask", steps=[Step(id="gate", approval=gate), Step(id="done", uses="log")], **more)


async def typed(sandbox, person: Human, text: str) -> Message:
    """The answer to ``/approvals``."""
    before = len(person.ephemerals())
    assert (await person.command("/approvals", text)).ok
    await sandbox.until(lambda: len(person.ephemerals()) > before, what=f"{person} is answered")
    return person.ephemerals()[-1]


async def test_K3_a_run_is_paused_while_a_step_runs_and_nothing_new_starts_until_it_is_resumed(
    sandbox, start_bot, cast
):
    ann, *_ = cast
    release, started = asyncio.Event(), asyncio.Event()

    async def first(_params: object) -> str:
        started.set()
        await release.wait()
        return "done"

    steps = [Step(id="one", uses="http.request", **{"with": {"url": "https://a.example"}}), Step(id="two", uses="log")]
    bot = await start_bot(Flow(flow="work", steps=steps), **{"http.request": first})
    person = await bot.people.by_email(ann.email)
    run, _ = await bot.engine.start("work", person.id, {})
    await started.wait()
    name = bot.ids.run(run.id)

    paused = await typed(sandbox, ann, f"pause {name}")
    again = await typed(sandbox, ann, f"pause {name}")
    release.set()
    await bot.settled()
    between = [call.step for call in bot.performer.calls]
    shown = await typed(sandbox, ann, f"show {name}")
    resumed = await typed(sandbox, ann, f"resume `{name}`")
    await bot.settled()
    twice = await typed(sandbox, ann, f"resume {name}")

    assert f"Paused <{bot.ids.run_url(run.id)}|{name}>." in paused.shown_text()
    assert again.shown_text() == "This run is paused already."
    assert between == ["one"]
    assert "*paused*" in shown.shown_text()
    assert f":double_vertical_bar: Paused by <@{ann.id}>, " in shown.shown_text()
    assert ":white_check_mark: One (succeeded)\n:double_vertical_bar: Two (held)" in shown.shown_text()
    assert f"Resumed <{bot.ids.run_url(run.id)}|{name}>." in resumed.shown_text()
    assert [call.step for call in bot.performer.calls] == ["one", "two"]
    assert twice.shown_text() == "This run has ended already: succeeded."


async def test_K3_who_may_not_pause_is_told_so_and_who_may_not_see_it_learns_nothing(sandbox, start_bot, cast):
    ann, bob, cat, _, eve = cast
    bot = await start_bot(ask(), admins=[eve.email])
    run = await bot.begin("ask", ann)
    name = bot.ids.run(run.id)

    approver, stranger = await typed(sandbox, bob, f"pause {name}"), await typed(sandbox, cat, f"pause {name}")
    admin = await typed(sandbox, eve, f"pause {name}")
    unpaused = await typed(sandbox, bob, f"resume {name}")
    wrong, none = await typed(sandbox, ann, "pause me"), await typed(sandbox, ann, "pause")

    assert "Only the person who started this run, the owner of its flow, or an admin" in approver.shown_text()
    assert "Only the person who started this run, the owner of its flow, or an admin" in unpaused.shown_text()
    assert "Paused" in admin.shown_text()
    for told in (stranger, wrong):
        assert told.shown_text().startswith("There is no such run, or it is not yours to see.")
    assert none.shown_text() == "Say which run, like /approvals pause run_1a2b3c4d5e6f7."
    assert await bot.status(run) == "paused"


async def test_K3_the_card_says_that_its_run_is_paused_and_answers_are_counted_all_the_same(sandbox, start_bot, cast):
    ann, bob, *_, eve = cast
    bot = await start_bot(ask(), admins=[eve.email])
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    await typed(sandbox, eve, f"pause {bot.ids.run(run.id)}")
    await bot.settled()
    paused = bob.now(card)

    await bob.command("/approvals")
    listed = await bob.is_told("Waiting for you")
    await bob.click(card, "Approve")
    await bot.settled()
    decided = bob.now(card).shown_text()
    held = [call.step for call in bot.performer.calls]
    await typed(sandbox, eve, f"resume {bot.ids.run(run.id)}")

    note = f":double_vertical_bar: The run is paused by <@{eve.id}> since "
    assert note in paused.shown_text()
    assert paused.buttons() == ["Approve", "Reject"]
    assert "the run is paused" in listed.shown_text()
    assert ("*Approved* by" in decided, note in decided) == (True, True)
    assert held == []
    assert await bot.status(run) == "succeeded"


async def test_K3_resuming_takes_the_note_off_the_card(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    for word in ("pause", "resume"):
        await typed(sandbox, ann, f"{word} {bot.ids.run(run.id)}")
        await bot.settled()

    assert "paused" not in bob.now(card).shown_text()


async def test_the_owner_of_a_flow_may_pause_and_cancel(sandbox, start_bot, cast):
    ann, _, cat, *_ = cast
    bot = await start_bot(ask(owner="cat@example.com"))
    run = await bot.begin("ask", ann)

    await typed(sandbox, cat, f"pause {bot.ids.run(run.id)}")
    paused = await bot.status(run)
    await cat.command("/approvals", f"cancel {bot.ids.run(run.id)}")
    await cat.gets_modal("*Ask*")
    await cat.submit()

    assert paused == "paused"
    assert await bot.status(run) == "cancelled"


async def test_R7_a_run_is_cancelled_after_one_more_question_and_its_card_says_so(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")

    await ann.command("/approvals", f"cancel {bot.ids.run(run.id)}", channel="releases")
    modal = await ann.gets_modal("Cancel this run?\n*Ask*")
    assert f"*Ask*  `{bot.ids.run(run.id)}`" in modal.shown_text()
    assert await bot.status(run) == "waiting"
    await ann.submit({"reason": "Not <!channel> needed"})

    assert ann.modal is None
    told = await ann.is_told("Cancelled <")
    assert bot.ids.run(run.id) in told.shown_text()
    assert await bot.status(run) == "cancelled"
    shown = bob.now(card)
    assert f":no_entry_sign: *Cancelled* by <@{ann.id}>, " in shown.shown_text()
    assert "\n>Not &lt;!channel&gt; needed" in shown.shown_text()
    assert shown.buttons() == []


async def test_R7_keeping_a_run_changes_nothing(start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann)
    await ann.command("/approvals", f"cancel {bot.ids.run(run.id)}")
    await ann.gets_modal("*Ask*")

    await ann.close()

    assert await bot.status(run) == "waiting"


async def test_R7_each_reason_why_a_run_is_not_cancelled_is_said(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann)
    name = bot.ids.run(run.id)

    await bob.command("/approvals", f"cancel {name}")
    await bob.gets_modal("*Ask*")
    await bob.submit()
    await cat.command("/approvals", f"cancel {name}")
    await cat.gets_modal("There is no such run, or it is not yours to see.")
    wrong = await typed(sandbox, ann, "cancel it")
    await ann.command("/approvals", f"cancel {name}")
    await ann.gets_modal("*Ask*")
    await bob.click(bob.message("Ship it?"), "Approve")
    await bot.settled()
    await ann.submit()

    assert "Only the person who started this run, the owner of its flow, or an admin" in bob.modal.shown_text()
    assert wrong.shown_text().startswith("There is no such run")
    assert "This run has ended already: succeeded." in ann.modal.shown_text()
    assert await bot.status(run) == "succeeded"
    await ann.command("/approvals", f"cancel {name}")
    await ann.gets_modal("This run has ended already: succeeded.")
    assert ann.modal.content.get("submit") is None


async def test_S12_a_run_is_not_cancelled_while_slack_cannot_say_who_it_is(sandbox, start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann)
    await ann.command("/approvals", f"cancel {bot.ids.run(run.id)}")
    modal = await ann.gets_modal("*Ask*")
    bot.clock.advance("5m")
    sandbox.faults.status("users.info", 503)

    await ann.submit({"reason": "enough"})

    assert modal.errors == {"-reason": "Slack does not answer right now. Nothing was recorded; please try again."}
    assert await bot.status(run) == "waiting"
    sandbox.faults.clear()
    await ann.submit()
    assert await bot.status(run) == "cancelled"


async def test_a_cancelling_that_cannot_be_stored_is_not_told_to_have_happened(start_bot, cast, caplog):
    ann, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann)
    await ann.command("/approvals", f"cancel {bot.ids.run(run.id)}")
    modal = await ann.gets_modal("*Ask*")
    await bot.store.write(
        lambda c: c.execute("CREATE TRIGGER full BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'full'); END")
    )

    await ann.submit()

    assert modal.errors["-reason"].startswith("Something went wrong on our side; nothing was changed.")
    await bot.store.write(lambda c: c.execute("DROP TRIGGER full"))
    assert await bot.status(run) == "waiting"


async def test_show_draws_the_tree_with_its_paths_and_says_what_each_wait_is_for(sandbox, start_bot, cast):
    ann, *_ = cast
    gate = Approval(ask="Ship it?", approvers=["bob@example.com"], via=RELEASES)
    child = Flow(flow="child", steps=[Step(id="inner", hold=Hold(ask="Child?", by=["bob@example.com"]))])
    flow = Flow(
        flow="tree",
        steps=[
            Step(id="prepare", uses="log"),
            Step(
                id="both",
                parallel={
                    "left": [Step(id="big", if_="true", then=[Step(id="ask", approval=gate)])],
                    "right": [Step(id="call", callback=Callback(ask="The build"))],
                    "third": [Step(id="sub", flow="child")],
                    "fourth": [
                        Step(
                            id="each",
                            for_each=Range(**{"from": 1, "to": 3}),
                            steps=[Step(id="each_ask", hold=Hold(ask="Item {{ item }}?"))],
                        )
                    ],
                    "fifth": [
                        Step(
                            id="poll",
                            repeat=Repeat(until="false", delay="1h", max=10),
                            steps=[Step(id="check", uses="log")],
                        )
                    ],
                },
            ),
        ],
    )
    bot = await start_bot(flow, child)
    run = await bot.begin("tree", ann)
    view = await bot.engine.run(run.id, run.requester)
    first = next(one for one in view.suspensions if one.suspension.path == "both.fourth.each[0].each_ask")
    await bot.engine.decide(run.id, first.suspension.n, run.requester, Verdict.RESUME, door=Door.API)
    await bot.settled()

    shown = (await typed(sandbox, ann, f"show {bot.ids.run(run.id)}")).shown_text()

    deep = " " * 5
    for line in (
        ":white_check_mark: Prepare (succeeded)",
        ":arrow_down: Both (running)",
        f"{deep}:arrow_down: both.left.big (running)",
        f"{deep * 2}:hourglass_flowing_sand: both.left.big.then.ask (suspended)",
        f"{deep}:hourglass_flowing_sand: both.right.call (suspended)",
        f"{deep}:arrow_down: both.third.sub (running)",
        f"{deep * 2}:hourglass_flowing_sand: both.third.sub.inner (suspended)",
        f"{deep}:arrow_down: both.fourth.each (running, 1 of 3 done)",
        f"{deep * 2}:hourglass_flowing_sand: both.fourth.each[1].each_ask (suspended)",
        f"{deep}:hourglass_flowing_sand: both.fifth.poll (suspended, round 1 of at most 10)",
    ):
        assert f"\n{line}\n" in f"\n{shown}\n", line
    assert "each[0]" not in shown  # it has ended well
    assert "*Waits:* Ship it? (0 of 1 approval, until " in shown
    assert "*Waits for a machine:* The build (until " in shown
    assert "*Waits:* Item 2? (waiting to be resumed, until " in shown
    assert "*Waits:* Child? (waiting to be resumed, until " in shown
    assert "*Waits for time:* both.fifth.poll (until " in shown
    order = [shown.index(name) for name in ("Prepare", "Both (", "left.big (", "right.call", "third.sub (", "each (")]
    assert order == sorted(order)


async def test_show_says_that_a_run_waits_for_its_turn(sandbox, start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(ask(concurrency=Concurrency(limit=1, while_waiting="keep")))
    await bot.begin("ask", ann)
    second = await bot.begin("ask", ann)

    shown = (await typed(sandbox, ann, f"show {bot.ids.run(second.id)}")).shown_text()

    assert "*queued*" in shown
    assert "Waits for its turn: its flow has at most 1 run under way at the same time." in shown
    assert ":double_vertical_bar: Gate (held)" in shown


async def test_help_names_every_word(sandbox, start_bot, cast):
    ann, *_ = cast
    await start_bot(ask())

    usage = (await typed(sandbox, ann, "help")).shown_text()
    near = (await typed(sandbox, ann, "canel run_1")).shown_text()

    for name in ("all", "run", "run FLOW", "show RUN", "pause RUN", "resume ID", "cancel RUN", "history RUN", "help"):
        assert f"`/approvals {name}`" in usage
    assert "Did you mean `/approvals cancel`?" in near
