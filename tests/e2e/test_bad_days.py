"""R9, R10, R12, R16, R17: Slack and Gmail fail, texts are as long as they may be, people leave, files and disks break."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from pathlib import Path

import pytest

from bot.app import App
from flows.errors import ConfigError
from integrations.sandbox.faults import DropAfter, DropBefore, HttpStatus
from integrations.sandbox.google_accounts import COMPOSE, SEND

GATE = """
flow: gate
title: Release
steps:
  - id: ask
    title: Gate
    approval:
      ask: "Ship it?"
      approvers: [bob@example.com, cat@example.com, dan@example.com]
      quorum: 2
      via: {slack: "#general"}
  - id: tell
    uses: slack.post_message
    with: {channel: "#general", text: "Shipped by {{ approvers | map(attribute='email') | join(', ') }}"}
    retry: {max: 100, delay: 1m, backoff: 1}
"""
BY_MAIL = GATE.replace('{slack: "#general"}', "gmail")
SLACK = ("auth.*", "chat.*", "conversations.*", "users.*", "usergroups.*", "views.*", "response_url")


def cards(bot, name="eve") -> list:
    return [message for message in bot.human(name).messages("#general") if "Ship it?" in message.shown_text()]


def into_general(arguments) -> bool:
    return arguments["channel"] == "#general"


@pytest.mark.parametrize(
    ("fault", "history_fails"),
    [
        (HttpStatus(429, retry_after=30), False),
        (HttpStatus(500), False),
        (DropBefore(), False),
        (DropAfter(), False),
        (DropAfter(), True),
    ],
    ids=["rate_limited", "status", "drop_before", "drop_after", "status-after"],
)
async def test_R9_after_a_post_that_failed_there_is_one_card_and_it_shows_the_truth(
    serve, sandbox, fault, history_fails
):
    sandbox.faults.add("chat.postMessage", fault, times=1, when=into_general)
    if history_fails:
        sandbox.faults.status("conversations.history", 500, times=1)
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    before = len(cards(bot))
    await bot.by_page("cat", run)

    await bot.time_passes("29s", steps=29)
    early = len([call for call in sandbox.calls.of("chat.postMessage") if call.body["channel"] == "#general"])
    await bot.time_passes("1m", steps=12)

    (card,) = cards(bot)
    assert before == (1 if isinstance(fault, DropAfter) else 0)
    assert early == (1 if fault == HttpStatus(429, retry_after=30) else early)
    assert "1 of 2 approvals" in card.shown_text()
    assert f"<@{bot.human('cat').id}> approved" in card.shown_text()
    await bot.human("bob").click(card, "Approve")
    await bot.time_passes("5s", steps=5)  # one message a second in a channel: the card's thread may have come first
    assert cards(bot)[0].buttons() == []
    assert await bot.status(run) == "succeeded"
    assert bot.human("eve").message("Shipped by").text == "Shipped by cat@example.com, bob@example.com"


@pytest.mark.slow
async def test_R9_slack_is_down_for_an_hour_and_every_card_shows_the_truth_in_the_end(serve, sandbox):
    bot = await serve(gate=GATE)
    over, open_, late = [await bot.start("gate") for _ in range(3)]
    links = {(run, name): await bot.link(run, name) for run in (over, open_) for name in ("bob", "cat")}
    for pattern in SLACK:
        sandbox.faults.status(pattern, 503)

    for name in ("bob", "cat"):
        await bot.sends(name, await bot.opens(name, links[over, name]), "approve")
    await bot.sends("cat", await bot.opens("cat", links[open_, "cat"]), "approve")
    await bot.api("ann", "POST", f"runs/{bot.run_id(late)}/cancel", {"reason": "too late"})
    await bot.time_passes("30m", steps=60)
    await bot.kill()
    await bot.serve()  # Slack is down, not the bot
    await bot.time_passes("30m", steps=60)
    shown = (await bot.api("ann", "GET", f"runs/{bot.run_id(over)}")).body
    sandbox.faults.clear()
    await bot.time_passes("2m", steps=12)

    assert shown["status"] == "running"
    assert shown["effects"]
    assert all("503" in effect["error"] or "Slack" in effect["error"] for effect in shown["effects"])
    assert [await bot.status(run) for run in (over, open_, late)] == ["succeeded", "waiting", "cancelled"]
    texts = [card.shown_text() for card in cards(bot)]
    assert len(texts) == 3
    assert "*Approved* by" in texts[0]
    assert "1 of 2 approvals" in texts[1]
    assert "*Cancelled* by" in texts[2]
    assert [bool(card.buttons()) for card in cards(bot)] == [False, True, False]
    assert sum("Shipped by" in message.text for message in bot.human("eve").messages("#general")) == 1
    assert (await bot.run(over)).troubled == ()


async def test_R10_with_send_alone_a_lost_answer_is_shown_as_unknown_and_the_same_link_is_mailed_after_an_hour(
    serve, sandbox
):
    bot = await serve(gate=BY_MAIL)
    sandbox.faults.drop_after("gmail.messages.send", times=1)
    run = await bot.start("gate")
    arrived = {name: len(bot.human(name).inbox()) for name in ("bob", "cat", "dan")}

    shown = (await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")).body["effects"]
    await bot.time_passes("59m", steps=59)
    before = sandbox.calls.count("gmail.messages.send")
    await bot.time_passes("2m", steps=2)

    assert arrived == {"bob": 1, "cat": 1, "dan": 1}
    (unknown,) = shown
    assert unknown["what"] == "send the mail"
    assert "unknown whether it was sent" in unknown["error"]
    assert before == 3
    assert sandbox.calls.count("gmail.messages.send") == 4
    twice = [bot.human(name).inbox() for name in ("bob", "cat", "dan") if len(bot.human(name).inbox()) == 2]
    ((first, second),) = twice
    assert [link for link in first.links if "/a/" in link] == [link for link in second.links if "/a/" in link]
    assert (await bot.run(run)).troubled == ()


async def test_R10_who_has_decided_meanwhile_is_not_mailed_again(serve, sandbox):
    sandbox.faults.drop_after("gmail.messages.send", times=3)
    bot = await serve(gate=BY_MAIL)
    run = await bot.start("gate")

    await bot.by_page("bob", run)
    await bot.time_passes("61m", steps=61)

    assert [len(bot.human(name).inbox()) for name in ("bob", "cat", "dan")] == [1, 2, 2]


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
async def test_R10_with_drafts_a_lost_answer_ends_in_exactly_one_mail_each(serve, sandbox, fault):
    token = sandbox.google.new_token("signoff@example.com", (SEND, COMPOSE)).value
    getattr(sandbox.faults, fault)("gmail.*.send", times=2)
    bot = await serve({"gmail_token": token}, gate=BY_MAIL)

    await bot.start("gate")
    await bot.time_passes("2h", steps=120)

    assert [len(bot.human(name).inbox()) for name in ("bob", "cat", "dan")] == [1, 1, 1]
    assert sandbox.office.drafts_of("signoff@example.com") == {}


@pytest.mark.parametrize(("command", "mails"), [("retry", 2), ("skip", 1)])
async def test_R10_a_mail_of_a_step_is_never_sent_again_by_itself_an_admin_resends_or_skips_it(
    serve, sandbox, command, mails
):
    sandbox.faults.drop_after("gmail.messages.send", times=1)
    bot = await serve(
        mail="""
flow: mail
steps:
  - id: send
    uses: gmail.send
    with: {to: dan@example.com, subject: News, text: There are some.}
    retry: {max: 5, delay: 1s}
  - {id: done, uses: log, with: {message: done}}
"""
    )
    bot.scopes["eve"] = ("read", "admin")
    run = await bot.start("mail")
    await bot.time_passes("1d", steps=48)
    shown = (await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")).body
    sent = len(bot.human("dan").inbox())

    (effect,) = shown["effects"]
    done = await bot.cli("eve", command, effect["id"])
    await bot.settled()

    assert shown["status"] == "running"
    assert "unknown whether it was done" in effect["error"]
    assert sent == 1
    assert done.exit_code == 0, done.output
    assert len(bot.human("dan").inbox()) == mails
    assert await bot.status(run) == "succeeded"


LONG = "&<*_" * 2_500


async def test_R12_the_largest_texts_are_posted_cut_and_lead_to_the_whole(serve, sandbox):
    inputs = "\n".join(
        f"  - {{name: field{n}, type: string, label: '{'L&' * 60}{n}', multiline: true}}" for n in range(8)
    )
    bot = await serve(
        large=f"""
flow: large
title: '{"T&" * 75}'
inputs:
{inputs}
steps:
  - id: ask
    title: '{"S<" * 75}'
    approval:
      ask: '{LONG}'
      approvers: [bob@example.com, cat@example.com]
      via: [slack, gmail, {{slack: "#general"}}]
      form:
        - {{name: why, type: string, label: '{"W&" * 75}', description: '{"D<" * 500}', max_length: 10000, multiline: true, default: '{"x" * 2900}'}}
"""
    )
    run = await bot.start("large", **{f"field{n}": "<&" * 1_500 for n in range(8)})

    in_channel = next(message for message in bot.human("eve").messages("#general") if message.blocks)
    direct = bot.human("bob").messages("@signoff")[-1]
    mail = bot.human("bob").inbox()[-1]
    assert not (await bot.run(run)).troubled
    for card in (in_channel, direct):
        assert "Show all" in card.buttons()
        assert len(card.shown_text()) < 13_000
    whole = next(element["url"] for _, element in direct.elements() if element.get("action_id") == "open_page")
    page = await bot.opens("bob", whole)
    assert LONG in page.text
    assert whole in mail.links

    await bot.human("cat").click(in_channel, "Show all")
    leads = await bot.human("cat").gets_modal("All that is asked")
    await bot.human("cat").gets_modal("Open the page")
    theirs = next(element["url"] for _, element in leads.elements() if "url" in element)
    assert theirs == await bot.link(run, "cat") != whole

    await bot.human("cat").close()
    await bot.human("cat").click(in_channel, "Reject")
    await bot.human("cat").gets_modal("Reject")
    await bot.human("cat").submit({"reason": "<&" * 1_500})
    await bot.settled()
    assert await bot.status(run) == "rejected"
    closed = next(message for message in bot.human("eve").messages("#general") if message.blocks)
    assert "*Rejected* by" in closed.shown_text()
    assert not (await bot.run(run)).troubled
    assert (await bot.opens("bob", whole)).shows("<&" * 1_500)


async def test_R12_a_reason_past_the_limit_is_refused_at_each_door_and_nothing_is_recorded(serve):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    before = await bot.all_rows(run)

    reply = await bot.by_api("bob", run, "reject", comment="x" * 10_001)
    page = await bot.by_page("cat", run, "reject", "x" * 10_001)
    typed = await bot.cli("dan", "reject", bot.approval_id(run), "--reason", "x" * 10_001)

    assert (reply.status, reply.body["fields"].keys(), typed.exit_code) == (422, {"comment"}, 1)
    assert page.shows("Nothing was counted yet")
    assert await bot.all_rows(run) == before


async def test_R16_who_has_left_slack_is_shown_as_a_gap_and_the_rest_are_asked(serve, sandbox):
    bot = await serve(gate=GATE, all=GATE.replace("flow: gate", "flow: all").replace("quorum: 2", "quorum: 3"))
    await bot.person("cat")  # known from before
    bot.human("cat").user.deleted = True
    bot.clock.advance("2m")

    run = await bot.start("gate")
    refused = await bot.api("ann", "POST", "flows/all/runs", {"inputs": {}})

    (card,) = cards(bot)
    assert "Not asked: cat@example.com (has left Slack)" in card.shown_text()
    gaps = (await bot.api("bob", "GET", f"approvals/{bot.approval_id(run)}")).body["gaps"]
    assert gaps == [{"handle": "cat@example.com", "reason": "has left Slack"}]
    assert (await bot.opens("bob", await bot.link(run, "bob"))).shows("Not asked cat@example.com: has left Slack")
    assert refused.status == 422
    for text in (
        "takes 3 distinct approvals",
        "2 people can give one: Bob Baker, Dan Dyer",
        "cat@example.com (has left Slack)",
    ):
        assert text in refused.said
    await bot.by_page("bob", run)
    await bot.by_page("dan", run)
    assert await bot.status(run) == "succeeded"


async def test_R17_broken_flow_files_are_told_with_file_and_line_and_the_others_can_be_started(serve, tmp_path, caplog):
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "binary.yml").write_bytes(b"flow: x\n\x00\xff\xfe")
    (tmp_path / "flows" / "torn.yml").write_text("flow: torn\nsteps:\n  - id: a\n    approval: {ask: [")
    wrong = "flow: wrong\nsteps:\n  - id: a\n    aproval: {approvers: bob@example.com}\n  - {id: b, uses: lg}\n"
    (tmp_path / "flows" / "wrong.yml").write_text(wrong)

    with caplog.at_level(logging.ERROR):
        bot = await serve(good=GATE)
    run = await bot.start("gate")

    problems = [record.getMessage() for record in caplog.records if "flow left out" in record.getMessage()]
    assert {
        name for name in ("binary.yml", "torn.yml:4", "wrong.yml:4", "wrong.yml:5") if any(name in p for p in problems)
    } == {
        "binary.yml",
        "torn.yml:4",
        "wrong.yml:4",
        "wrong.yml:5",
    }
    assert any("approval" in problem for problem in problems if "wrong.yml:4" in problem)
    assert await bot.status(run) == "waiting"
    assert (await bot.api("ann", "POST", "flows/wrong/runs", {"inputs": {}})).status == 404


async def test_R17_with_a_database_that_cannot_be_written_nobody_is_told_counted_and_it_counts_afterwards(serve):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    page = await bot.opens("cat", await bot.link(run, "cat"))
    await bot.token("dan")
    (card,) = cards(bot)
    before = await bot.all_rows(run)
    await bot.app.store._writer.raw(lambda c: c.execute("PRAGMA query_only = ON"))

    clicked = await bot.human("bob").click(card, "Approve")
    told = await bot.human("bob").is_told("nothing was recorded")
    sent = await bot.sends("cat", page, "approve")
    reply = await bot.by_api("dan", run)
    typed = await bot.cli("dan", "approve", bot.approval_id(run))
    started = await bot.api("dan", "POST", "flows/gate/runs", {"inputs": {}})
    ready = await bot.api("dan", "GET", "../../readyz")
    rows = await bot.all_rows(run)
    await bot.app.store._writer.raw(lambda c: c.execute("PRAGMA query_only = OFF"))

    assert clicked.ok
    assert "Counted" not in told.shown_text()
    assert (sent.status, reply.status, typed.exit_code, started.status) == (503, 503, 1, 503)
    assert "Nothing was recorded" in reply.said
    assert sent.shows("Nothing was recorded")
    assert ready.status == 503
    assert rows == before
    await bot.human("bob").click(card, "Approve")
    await bot.sends("cat", sent, "approve")
    await bot.settled()
    assert await bot.status(run) == "succeeded"


async def test_R17_a_second_bot_on_the_same_database_is_refused_by_name_and_the_first_goes_on(serve):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")

    with pytest.raises(ConfigError, match=r"signoff\.db is in use by another Signoff process"):
        await App.open(bot.settings, clock=bot.clock)
    await bot.by_page("bob", run)

    assert await bot.standing(run) == {"bob": "approve"}


async def test_R17_on_a_full_disk_no_start_is_half_written_and_what_waits_can_still_be_read(serve):
    bot = await serve(gate=GATE, bulky=GATE.replace("flow: gate", "flow: bulky\ninputs: [{name: text, type: string}]"))
    run = await bot.start("gate")
    await bot.token("ann")
    count = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM step_runs), (SELECT count(*) FROM ledger)"
    await bot.app.store._writer.raw(_fill_up)
    before = await bot.app.store.read(lambda c, _: c.execute(count).fetchone())

    replies = await asyncio.gather(
        *(bot.api("ann", "POST", "flows/bulky/runs", {"inputs": {"text": "x" * 3_000}}) for _ in range(20))
    )
    after = await bot.app.store.read(lambda c, _: c.execute(count).fetchone())
    shown = await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")
    await bot.app.store._writer.raw(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchall())
    again = await bot.api("ann", "POST", "flows/bulky/runs", {"inputs": {"text": "x" * 3_000}})
    await bot.time_passes("2s", steps=2)  # what could not be settled is tried again

    told = Counter(reply.status for reply in replies)  # one or two may fit into what was free in the last pages
    assert told.keys() <= {201, 503}
    assert told[503] > 10
    assert after == tuple(rows + told[201] for rows in before)
    assert (shown.status, again.status) == (200, 201)


def _fill_up(connection) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()


@pytest.mark.slow
async def test_R12_who_comes_after_a_hundred_people_is_told_in_words_that_fit(serve, sandbox):
    crowd = [
        sandbox.add_person(f"p{n}", f"Bartholomew {n} of Kirkcudbrightshire", channels=["general"]) for n in range(100)
    ]
    sandbox.workspace.add_group("crowd", [human.user for human in crowd], "Crowd")
    bot = await serve(
        gate=GATE.replace("[bob@example.com, cat@example.com, dan@example.com]", '"@crowd"').replace("2", "99")
    )
    run = await bot.start("gate")
    (card,) = cards(bot)
    await asyncio.gather(
        *(
            bot.api(f"p{n}", "POST", f"approvals/{bot.approval_id(run)}/decisions", {"verdict": "approve"})
            for n in range(99)
        )
    )
    await bot.settled()

    await bot.human("p99").click_stale(card, "Approve")
    told = await bot.human("p99").is_told("This has been decided already: approved by")
    (closed,) = cards(bot)

    assert " and 89 more, 2026-01-05 09:00 UTC." in told.shown_text()
    assert closed.buttons() == []
    assert await bot.status(run) == "succeeded"


# -- the rows of docs/bad-days.md: each has a test here or in test_self_healing.py -----------------------------------------

OWNED = GATE.replace("flow: gate", "flow: gate\nowner: eve@example.com")
WITH_ADMINS = {"admin_channel": "#random"}


def notes(bot, name="dan", channel="#random") -> list[str]:
    return [message.text for message in bot.human(name).messages(channel) if ":warning:" in message.text]


def mine(bot, name) -> list:
    """The cards in somebody's direct messages."""
    return cards_in(bot, name, "@signoff")


def cards_in(bot, name, channel) -> list:
    return [
        message
        for message in bot.human(name).messages(channel)
        if "Ship it?" in message.shown_text() and message.buttons()
    ]


async def looked(bot):
    found = await bot.app.reconciler.look()
    await bot.settled()
    return found


@pytest.fixture
def admins(sandbox):
    """A channel for notes that Dan is in."""
    return sandbox.workspace.channel_named("random") or sandbox.workspace.add_channel(
        "random", [human.user for human in map(sandbox.person, ("ann", "bob", "cat", "dan", "eve"))]
    )


async def _asked_one_by_one(bot, run):
    """Each of those who are asked got one card of their own, and it works."""
    assert {name: len(mine(bot, name)) for name in ("bob", "cat", "dan")} == {"bob": 1, "cat": 1, "dan": 1}
    assert await bot.status(run) == "waiting"
    await bot.human("bob").click(mine(bot, "bob")[0], "Approve")
    await bot.settled()
    assert await bot.standing(run) == {"bob": "approve"}


async def test_R9_archived_channel_each_is_asked_directly_and_the_card_follows_once_it_is_back(serve, sandbox, admins):
    general = sandbox.workspace.channel_named("general")
    general.is_archived = True
    bot = await serve(WITH_ADMINS, gate=OWNED)
    run = await bot.start("gate")

    await _asked_one_by_one(bot, run)
    (parked,) = (await bot.run(run)).troubled
    (note,) = notes(bot)
    (told,) = [message.text for message in bot.human("eve").messages("@signoff") if ":warning:" in message.text]
    second = await bot.start("gate")
    general.is_archived = False
    await bot.app.reconciler.channel_changed(sandbox.workspace.id, general.id, open_=True)
    await bot.settled()

    assert "is_archived" in parked.error
    assert parked.parked_at is not None
    assert note == told
    assert "#general is archived." in note
    assert "Those who are asked there got a message of their own instead." in note
    assert "Unarchive #general, or name another channel in the flow." in note
    assert "Release" in note
    assert len(notes(bot)) == 1  # one for the cause, whatever it befalls
    assert len(cards_in(bot, "eve", "#general")) == 2
    assert not any([(await bot.run(one)).troubled for one in (run, second)])


async def test_R9_channel_archived_while_its_card_waits_is_noticed_by_a_pass_and_each_is_asked_directly(
    serve, sandbox, admins
):
    bot = await serve(WITH_ADMINS, gate=OWNED)
    run = await bot.start("gate")
    before = {name: len(mine(bot, name)) for name in ("bob", "cat", "dan")}
    sandbox.workspace.channel_named("general").is_archived = True

    await looked(bot)
    await looked(bot)

    assert before == {"bob": 0, "cat": 0, "dan": 0}
    assert len(notes(bot)) == 1
    await _asked_one_by_one(bot, run)


@pytest.mark.parametrize("code", ["not_in_channel", "channel_not_found", "restricted_action", "no_permission"])
async def test_R9_bot_not_in_the_channel_each_is_asked_directly_and_passes_try_again(serve, sandbox, admins, code):
    bot = await serve(WITH_ADMINS, gate=OWNED)
    sandbox.faults.error("chat.postMessage", code, times=1, when=into_general)
    run = await bot.start("gate")

    (note,) = notes(bot)
    before = len(cards_in(bot, "eve", "#general"))
    await bot.time_passes("6m")
    await looked(bot)

    assert before == 0
    await _asked_one_by_one(bot, run)
    assert "#general" in note
    assert "invite" in note.lower() or "Allow" in note
    assert len(cards_in(bot, "eve", "#general")) == 1
    assert not (await bot.run(run)).troubled


async def test_R9_bot_not_in_the_channel_one_note_an_hour_however_many_cards(serve, sandbox, admins):
    bot = await serve(WITH_ADMINS, gate=OWNED)
    sandbox.workspace.channel_named("general").is_archived = True
    for _ in range(3):
        await bot.start("gate")
    at_first = len(notes(bot))
    await bot.time_passes("61m")
    quiet = len(notes(bot))
    await bot.start("gate")

    assert (at_first, quiet, len(notes(bot))) == (1, 1, 2)


async def test_R9_missing_scope_parks_the_card_with_the_scope_and_those_asked_get_mail(serve, sandbox):
    bot = await serve(gate=OWNED)
    sandbox.faults.missing_scope("chat.postMessage", "chat:write")
    run = await bot.start("gate")

    parked = (await bot.run(run)).troubled
    mails = {name: len(bot.human(name).inbox()) for name in ("bob", "cat", "dan")}
    sandbox.faults.clear()
    await bot.time_passes("6m")
    await looked(bot)

    assert all("add the scope chat:write" in effect.error for effect in parked)
    assert all(count >= 1 for count in mails.values()), mails
    assert any("Ship it?" in mail.plain for mail in bot.human("bob").inbox())
    assert len(cards_in(bot, "cat", "#general")) == 1
    assert await bot.status(run) == "waiting"


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive", "invalid_auth"])
async def test_R9_revoked_token_messages_and_steps_wait_and_go_out_once_it_is_connected_again(serve, sandbox, code):
    bot = await serve(gate=OWNED)
    run = await bot.start("gate")
    link = {name: await bot.link(run, name) for name in ("bob", "cat")}
    sandbox.faults.error("chat.*", code)
    sandbox.faults.error("conversations.*", code)

    for name in ("bob", "cat"):
        await bot.sends(name, await bot.opens(name, link[name]), "approve")
    await bot.settled()
    meanwhile = await bot.status(run)
    parked = (await bot.run(run)).troubled
    sandbox.faults.clear()
    bot.app.workspaces.put(bot.app.workspaces.workspace())  # an admin has installed it again
    await bot.app.reconciler.connected()
    await bot.settled()

    assert meanwhile == "running"
    assert all(effect.parked_at is not None for effect in parked)
    assert {effect.what for effect in parked} >= {"show the card", "perform the action"}
    assert all("install it again" in effect.error or "check the bot token" in effect.error for effect in parked)
    assert await bot.status(run) == "succeeded"
    assert bot.human("eve").message("Shipped by").text == "Shipped by bob@example.com, cat@example.com"
    (card,) = cards(bot)
    assert "*Approved* by" in card.shown_text()
    assert not (await bot.run(run)).troubled


async def test_R16_person_gone_is_mailed_the_others_are_asked_and_the_gap_is_shown(serve, sandbox, admins):
    direct = OWNED.replace('via: {slack: "#general"}', "via: slack")
    bot = await serve(WITH_ADMINS, gate=direct)
    await asyncio.gather(*(bot.person(name) for name in ("bob", "cat", "dan")))
    await bot.app.workspaces.direct(await bot.person("ann"))  # who asks is not the one who has gone
    sandbox.faults.error("conversations.open", "user_not_found", times=1)
    run = await bot.start("gate")

    counts = {name: len(mine(bot, name)) for name in ("bob", "cat", "dan")}
    (gone,) = [name for name, count in counts.items() if count == 0]
    (parked,) = (await bot.run(run)).troubled
    (note,) = notes(bot)

    assert "user_not_found" in parked.error
    assert "cannot be written to in Slack" in note
    assert sum(counts.values()) == 2
    assert any("Ship it?" in mail.plain for mail in bot.human(gone).inbox())
    assert await bot.status(run) == "waiting"


async def test_R16_person_gone_without_whom_it_cannot_be_decided_is_said_at_once_by_name(serve, sandbox):
    direct = OWNED.replace('via: {slack: "#general"}', "via: slack").replace("quorum: 2", "quorum: 3")
    bot = await serve(gate=direct)
    await asyncio.gather(*(bot.person(name) for name in ("bob", "cat", "dan")))
    run = await bot.start("gate")
    bot.human("cat").user.deleted = True
    sandbox.faults.error("chat.update", "user_not_found")

    await bot.by_page("bob", run)
    await bot.settled()

    view = await bot.run(run)
    assert view.status == "failed"
    assert "takes 3 distinct approvals, and 2 people can give one: Bob Baker, Dan Dyer" in view.run.ending.reason
    assert "not counted: Cat Carter (has left Slack)" in view.run.ending.reason


async def test_R9_expired_trigger_is_told_privately_and_nothing_is_lost(serve, sandbox):
    bot = await serve(gate=OWNED)
    run = await bot.start("gate")
    (card,) = cards(bot)
    before = await bot.all_rows(run)
    sandbox.faults.error("views.open", "expired_trigger_id", times=1)

    await bot.human("bob").click(card, "Reject")
    told = await bot.human("bob").is_told("click again")
    await bot.human("bob").click(card, "Reject")
    await bot.human("bob").gets_modal()
    await bot.human("bob").submit({"reason": "not now"})
    await bot.settled()

    assert told.ephemeral_to == bot.human("bob").id
    assert before != await bot.all_rows(run)
    assert await bot.standing(run) == {"bob": "reject"}


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_blocks_too_long"])
async def test_R12_invalid_blocks_a_plain_card_with_the_buttons_stands_there(serve, sandbox, admins, code):
    bot = await serve(WITH_ADMINS, gate=OWNED)
    sandbox.faults.error("chat.postMessage", code, times=1, when=into_general)
    run = await bot.start("gate")

    (card,) = cards_in(bot, "bob", "#general")
    buttons = card.buttons()
    blocks = len(card.blocks)
    sandbox.faults.error("chat.update", code)
    await bot.human("bob").click(card, "Approve")
    await bot.settled()
    sandbox.faults.clear()
    await bot.human("cat").click(cards(bot)[0], "Approve")
    await bot.settled()

    assert buttons == ["Approve", "Reject"]
    assert blocks == 3
    assert any("refused the layout" in note for note in notes(bot))
    assert await bot.status(run) == "succeeded"
    assert cards(bot)[0].buttons() == []


async def test_R12_a_requesters_message_that_is_refused_stands_there_plainly_with_its_buttons(serve, sandbox, admins):
    bot = await serve(WITH_ADMINS, gate=OWNED.replace('via: {slack: "#general"}', "via: mail"))
    sandbox.faults.error("chat.postMessage", "invalid_blocks", times=1)
    run = await bot.start("gate")
    ann = bot.human("ann")

    message = ann.messages("@signoff")[-1]
    shown, buttons = message.shown_text(), message.buttons()
    await ann.click(message, "Withdraw")
    await bot.settled()
    await ann.submit({})
    await bot.settled()

    assert bot.run_id(run) in shown
    assert len(shown) < 200
    assert buttons == ["Nudge", "Withdraw"]
    assert any("refused the layout" in note for note in notes(bot))
    assert await bot.status(run) == "cancelled"
    assert not (await bot.run(run)).troubled


async def test_R9_rate_limited_steps_wait_and_do_not_fail(serve, sandbox):
    bot = await serve(
        say="""
flow: say
steps:
  - id: tell
    uses: slack.post_message
    with: {channel: "#general", text: Shipped}
"""
    )
    sandbox.faults.rate_limited("chat.postMessage", retry_after=30, times=2)
    run = await bot.start("say")
    first = await bot.status(run)
    await bot.time_passes("61s", steps=2)
    await bot.time_passes("31s")

    assert first == "running"
    assert await bot.status(run) == "succeeded"
    assert sum("Shipped" in message.text for message in bot.human("eve").messages("#general")) == 1


async def test_R9_admin_channel_gone_each_admin_is_told_directly(serve, sandbox):
    bot = await serve({"admin_channel": "#nowhere"}, gate=GATE)
    sandbox.workspace.channel_named("general").is_archived = True

    await bot.start("gate")

    (note,) = [message.text for message in bot.human("eve").messages("@signoff") if ":warning:" in message.text]
    assert "#general is archived" in note


async def test_R9_a_note_that_cannot_be_sent_now_is_sent_later(serve, sandbox, admins):
    bot = await serve(WITH_ADMINS, gate=GATE)
    sandbox.workspace.channel_named("general").is_archived = True
    sandbox.faults.rate_limited("chat.postMessage", retry_after=20, times=8)

    await bot.start("gate")
    before = notes(bot)
    sandbox.faults.clear()
    await bot.time_passes("1m", steps=6)
    await looked(bot)

    assert before == []
    assert len(notes(bot)) == 1


def test_each_row_of_the_page_about_bad_days_has_a_test_that_bears_its_name():
    root = Path(__file__).parents[2]
    rows = re.findall(r"\| `(\w+)` \|$", (root / "docs" / "bad-days.md").read_text("utf-8"), re.MULTILINE)
    tests = [
        name
        for file in ("test_bad_days.py", "test_self_healing.py")
        for name in re.findall(r"def (test_\w+)", Path(__file__).with_name(file).read_text("utf-8"))
    ]

    assert len(rows) >= 20
    assert [row for row in rows if not any(row in test for test in tests)] == []
