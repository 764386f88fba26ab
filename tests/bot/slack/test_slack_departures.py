"""Slack tells that somebody has left: waits that asked them are looked at anew."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flows.definition import Approval, Flow, Step
from integrations.sandbox import Human
from integrations.sandbox.bot_line import Answer

RELEASES = ({"slack": "#releases"},)


def ask(*approvers: str, **more: Any) -> Flow:
    given = [each if each[0] == "@" else f"{each}@example.com" for each in approvers]
    approval = Approval(ask="Ship it?", approvers=given, via=RELEASES, **more)
    return Flow(flow="ask", steps=[Step(id="gate", approval=approval), Step(id="done", uses="log")])


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


def group_id(sandbox, handle: str) -> str:
    return next(group.id for group in sandbox.workspace.groups.values() if group.handle == handle)


async def reason(bot, run) -> str:
    return (await bot.engine.run(run.id, run.requester)).run.ending.reason


async def test_R16_a_quorum_that_cannot_be_met_any_more_is_refused_by_name_at_once(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    card = await cat.sees("Ship it?")

    told = await sandbox.deactivate(bob)

    assert told.ok
    assert await bot.status(run) == "failed"
    said = "this takes 2 distinct approvals, and 1 person can give one: Cat Carter"
    assert said in await reason(bot, run)
    shown = cat.now(card)
    assert shown.buttons() == []
    assert ":no_entry_sign: *Cancelled*, " in shown.shown_text()
    assert said in shown.shown_text()
    assert said in (await ann.sees("has failed")).shown_text()


async def test_R16_those_who_are_left_go_on_where_they_are_enough(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("bob", "cat"))
    run = await bot.begin("ask", ann)

    card = await cat.sees("Ship it?")

    assert (await sandbox.deactivate(bob)).ok

    assert await bot.status(run) == "waiting"
    shown = cat.now(card).shown_text()
    assert f"Can decide: <@{cat.id}>\n" in shown
    assert "Not asked: Bob Baker (has left Slack)" in shown
    await cat.click(card, "Approve")
    assert await bot.status(run) == "succeeded"


async def test_R16_whoever_is_waited_for_in_a_nested_quorum_is_there(sandbox, start_bot, cast):
    ann, bob, cat, dan, _ = cast
    gate = Approval(
        ask="Ship it?",
        quorum={"all": ["cat@example.com", {"any": ["bob@example.com", "dan@example.com"]}]},
        via=RELEASES,
    )
    bot = await start_bot(Flow(flow="ask", steps=[Step(id="gate", approval=gate)]))
    await bot.begin("ask", ann)
    card = await cat.sees("Ship it?")

    await sandbox.deactivate(bob)
    await bot.settled()

    assert f"*0 of 2 approvals*, waiting for <@{cat.id}> or <@{dan.id}>  ·  " in cat.now(card).shown_text()


async def test_R16_somebody_who_has_decided_and_left_is_counted_all_the_same(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    await bob.click(await bob.sees("Ship it?"), "Approve")

    assert (await sandbox.deactivate(bob)).ok

    assert await bot.status(run) == "waiting"
    await cat.click(await cat.sees("Ship it?"), "Approve")
    assert await bot.status(run) == "succeeded"


async def test_W12_a_group_that_has_become_too_small_is_found_out_at_once(sandbox, start_bot, cast):
    ann, _, cat, *_ = cast
    bot = await start_bot(ask("@hr-leads", quorum=2))
    run = await bot.begin("ask", ann)

    answers = await sandbox.change_group("hr-leads", [cat])

    assert [answer.ok for answer in answers] == [True, True]
    assert await bot.status(run) == "failed"
    assert "1 person can give one: Cat Carter" in await reason(bot, run)


@pytest.mark.parametrize("disabled", [False, True])
async def test_W12_a_group_that_is_empty_or_disabled_leaves_nobody(sandbox, start_bot, cast, disabled):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("@hr-leads"))
    run = await bot.begin("ask", ann)

    await sandbox.change_group("hr-leads", [bob, cat] if disabled else [], disabled=disabled)

    assert await bot.status(run) == "failed"
    assert "nobody can give one" in await reason(bot, run)


async def test_W12_a_new_member_may_decide_at_once_and_one_who_has_gone_may_not(sandbox, start_bot, cast):
    ann, bob, cat, _, eve = cast
    bot = await start_bot(ask("@hr-leads", quorum=2))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    # Read and kept: without being told, the bot would go by this for a minute.
    await bob.click(card, "Approve")

    await sandbox.change_group("hr-leads", [bob, eve])
    await cat.click(card, "Approve")
    await cat.is_told("You are not one of the people who were asked to decide this.")
    await eve.click(card, "Approve")

    assert await bot.status(run) == "succeeded"


async def test_a_change_of_another_group_looks_at_nothing_of_this_one(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("@hr-leads", quorum=2))
    run = await bot.begin("ask", ann)
    bot.clock.advance("5m")  # what was read is no longer kept, so that whoever looks has to ask
    before = sandbox.calls.count("usergroups.users.list")

    await sandbox.change_group("release-managers", [bob])

    assert sandbox.calls.count("usergroups.users.list") == before
    assert await bot.status(run) == "waiting"


async def test_somebody_who_has_left_is_nobody_from_that_moment(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", "cat"))
    await bot.begin("ask", ann)
    person = await bot.people.by_slack(sandbox.workspace.id, bob.id)
    await bot.people.present(person)

    await sandbox.deactivate(bob)

    roster = await bot.people.resolve([f"{sandbox.workspace.id}/{bob.id}", "bob@example.com"])
    assert set(roster.gaps.values()) == {"has left Slack"}


async def test_what_was_asked_before_somebody_left_is_not_kept_as_if_it_were_newer(sandbox, start_bot, cast):
    _, bob, *_ = cast
    bot = await start_bot()
    release = asyncio.Event()
    sandbox.faults.slow("usergroups.users.list", until=release, times=1)
    under_way = asyncio.create_task(bot.directory.members("@hr-leads"))
    await sandbox.until(lambda: any(call.outcome is None for call in sandbox.calls.of("usergroups.users.list")))

    bot.clock.advance("1s")
    bot.directory.forget_group(group_id(sandbox, "hr-leads"))
    after = await bot.directory.members("@hr-leads")
    release.set()
    before = await under_way
    calls = sandbox.calls.count("usergroups.users.list")
    again = await bot.directory.members("@hr-leads")

    assert after.value == again.value
    assert bob.id in [user.id for user in again.value]
    assert sandbox.calls.count("usergroups.users.list") == calls
    assert before.read_at < after.read_at == again.read_at


async def test_S12_while_slack_cannot_be_asked_the_event_is_not_acknowledged_and_comes_again(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", "cat", quorum=2))
    run = await bot.begin("ask", ann)
    bot.clock.advance("5m")
    sandbox.faults.status("users.info", 503)

    answer = await sandbox.deactivate(bob)
    assert answer.status == 503
    assert await bot.status(run) == "waiting"
    sandbox.faults.clear()
    again = await sandbox.line.redeliver()

    assert again.ok
    assert await bot.status(run) == "failed"
    assert "Cat Carter" in await reason(bot, run)


async def test_R3_an_event_that_comes_again_is_looked_at_once(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("bob", "cat"))
    await bot.begin("ask", ann)
    await sandbox.deactivate(bob)
    before = sandbox.calls.count("users.info")
    bot.clock.advance("5m")

    answer = await sandbox.line.redeliver()

    assert answer.ok
    assert sandbox.calls.count("users.info") == before


async def test_somebody_whom_nobody_asked_may_change_and_leave(sandbox, start_bot, cast):
    ann, *_, eve = cast
    bot = await start_bot(ask("bob"))
    run = await bot.begin("ask", ann)
    stranger = sandbox.add_person("zoe")

    for person in (eve, stranger):
        assert (await sandbox.deactivate(person)).ok

    assert await bot.status(run) == "waiting"


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "user_change", "user": "U1"},
        {"type": "user_change", "user": {"id": "U1", "profile": {"email": 7}}},
        {"type": "subteam_updated"},
        {"type": "subteam_updated", "subteam": {"id": "S1"}},
        {"type": "subteam_members_changed", "subteam_id": "S1"},
    ],
)
async def test_events_that_say_little_are_acknowledged(sandbox, start_bot, inner):
    await start_bot()

    answer: Answer = await sandbox.line.deliver(
        "events_api", inner["type"], {"type": "event_callback", "team_id": sandbox.workspace.id, "event": inner}
    )

    assert answer.ok
