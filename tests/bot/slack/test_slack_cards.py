"""Cards on good days and bad ones: one card, and in the end it shows the truth."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from flows.definition import Approval, Flow, Step
from flows.run import Door
from integrations.sandbox import Human
from integrations.sandbox.blocks import text_length
from integrations.sandbox.inputs import NotPossible
from integrations.sandbox.message import Message
from integrations.sandbox.tokens import BOT_SCOPES

RELEASES = ({"slack": "#releases"},)


def ask(*approvers: str, ask: str = "Ship it?", **more: Any) -> Flow:
    approval = Approval(
        ask=ask, approvers=[each if each[0] == "@" else f"{each}@example.com" for each in approvers], **more
    )
    return Flow(flow="ask", steps=[Step(id="gate", approval=approval), Step(id="done", uses="log")])


@pytest.fixture
def ann(sandbox) -> Human:
    return sandbox.person("ann")


@pytest.fixture
def bob(sandbox) -> Human:
    return sandbox.person("bob")


@pytest.fixture
def cat(sandbox) -> Human:
    return sandbox.person("cat")


def cards(person: Human, containing: str = "Gate") -> list[Message]:
    """All cards that the person sees."""
    return [message for message in person.messages() if containing in message.shown_text()]


def into_releases(arguments) -> bool:
    """Whether a card is meant, and not the requester's own message."""
    return arguments["channel"] == "#releases"


async def retried(bot, times: int = 8) -> None:
    """Let the outbox try again, that many times."""
    for _ in range(times):
        bot.clock.advance(timedelta(minutes=2))
        for _ in range(10):
            await asyncio.sleep(0)
        await bot.runner.idle()


async def test_a_card_carries_its_effects_key_as_metadata(bob, ann, start_bot):
    bot = await start_bot(ask("bob", via=RELEASES))
    run = await bot.begin("ask", ann)

    metadata = bob.message("Ship it?").metadata

    assert metadata["event_type"] == "signoff_card"
    assert metadata["event_payload"]["key"].startswith(f"{bot.ids.run(run.id)}/gate/1/card-1-")


@pytest.mark.parametrize("fault", ["429", "500", "drop before", "drop after", "internal_error"])
async def test_R9_there_is_one_card_after_a_post_that_failed_and_it_can_be_clicked(sandbox, ann, bob, start_bot, fault):
    bot = await start_bot(ask("bob", via=RELEASES))
    match fault:
        case "429":
            sandbox.faults.rate_limited("chat.postMessage", retry_after=30, times=3, when=into_releases)
        case "500":
            sandbox.faults.status("chat.postMessage", 500, times=3, when=into_releases)
        case "drop before":
            sandbox.faults.drop_before("chat.postMessage", times=3, when=into_releases)
        case "drop after":
            sandbox.faults.drop_after("chat.postMessage", times=1, when=into_releases)
        case _:
            sandbox.faults.error("chat.postMessage", "internal_error", times=2, when=into_releases)
    run = await bot.begin("ask", ann)

    await retried(bot)

    (card,) = cards(bob)
    assert await bot.engine.cards(run.id, 1) == [(card.channel, card.ts)]
    await bob.click(card, "Approve")
    await bot.settled()
    assert bob.now(card).buttons() == []
    assert await bot.status(run) == "succeeded"


async def test_R9_retry_after_is_honoured(sandbox, ann, bob, start_bot):
    bot = await start_bot(ask("bob", via=RELEASES))
    sandbox.faults.rate_limited("chat.postMessage", retry_after=30, times=1, when=into_releases)
    await bot.begin("ask", ann)

    bot.clock.advance("29s")
    await bot.runner.idle()
    before = len([call for call in sandbox.calls.of("chat.postMessage") if call.body["channel"] == "#releases"])
    bot.clock.advance("1s")
    await sandbox.until(lambda: cards(bob))

    assert before == 1


async def test_R9_slack_is_down_for_an_hour_and_the_card_shows_the_truth_in_the_end(sandbox, ann, bob, cat, start_bot):
    bot = await start_bot(ask("bob", "cat", quorum=2, via=RELEASES))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")
    sandbox.faults.status("chat.*", 503)
    await bot.decide(run, bob)
    await bot.decide(run, cat)
    await retried(bot, 30)
    assert bob.now(card).version == 1
    assert await bot.status(run) == "succeeded"

    sandbox.faults.clear()
    await retried(bot, 2)

    shown = bob.now(card)
    assert shown.buttons() == []
    assert "*Approved* by" in shown.shown_text()
    assert cards(bob) == [shown]


async def test_R9_a_card_that_was_never_posted_is_not_posted_once_it_is_over(sandbox, ann, bob, start_bot):
    bot = await start_bot(ask("bob", via=RELEASES))
    sandbox.faults.status("chat.postMessage", 503, times=1, when=into_releases)
    sandbox.faults.rate_limited("chat.postMessage", retry_after=60, times=20)
    run = await bot.begin("ask", ann)
    await bot.decide(run, bob)
    sandbox.faults.clear()

    await retried(bot)

    assert cards(bob) == []
    assert (await bot.engine.run(run.id, run.requester)).troubled == ()


async def test_R9b_an_uncertain_post_of_a_wait_that_is_over_is_found_and_closed(sandbox, ann, bob, start_bot):
    bot = await start_bot(ask("bob", via=RELEASES))
    sandbox.faults.drop_after("chat.postMessage", times=1, when=into_releases)
    run = await bot.begin("ask", ann)
    (uncertain,) = cards(bob)
    assert await bot.engine.cards(run.id, 1) == []
    await bot.decide(run, bob)

    await retried(bot)

    assert [card.ts for card in cards(bob)] == [uncertain.ts]
    assert bob.now(uncertain).buttons() == []


async def test_R9b_where_history_may_not_be_read_it_is_posted_again_and_a_click_on_either_counts(sandbox, ann, bob, cat, start_bot):  # fmt: skip
    blind = sandbox.new_token(BOT_SCOPES - {"channels:history", "groups:history", "im:history"})
    bot = await start_bot(ask("bob", "cat", "dan", quorum=2, via=RELEASES), token=blind)
    sandbox.faults.drop_after("chat.postMessage", times=1, when=into_releases)
    run = await bot.begin("ask", ann)
    await retried(bot, 2)
    stray, known = cards(bob)
    assert await bot.engine.cards(run.id, 1) == [(known.channel, known.ts)]

    await bob.click(stray, "Approve")
    await bob.is_told("Counted: you approved. 1 of 2 approvals.")
    await bot.settled()
    retired = bob.now(stray)
    await cat.click(known, "Approve")
    await bot.settled()
    await sandbox.person("dan").click_stale(stray, "Approve")

    await bot.settled()
    assert "This card is now" in retired.shown_text()
    assert retired.buttons() == []
    assert bob.now(stray).shown_text() == retired.shown_text()
    assert bob.now(known).buttons() == []
    assert "*Approved* by" in bob.now(known).shown_text()


async def test_R9b_many_clicks_on_a_stray_copy_count_and_retire_it_once(sandbox, ann, bob, start_bot):
    crowd = [sandbox.add_person(f"p{n}", channels=["releases"]) for n in range(30)]
    blind = sandbox.new_token(BOT_SCOPES - {"channels:history"})
    bot = await start_bot(ask(*(person.name for person in crowd), quorum=30, via=RELEASES), token=blind)
    sandbox.faults.drop_after("chat.postMessage", times=1, when=into_releases)
    await bot.begin("ask", ann)
    await retried(bot, 2)
    stray, known = cards(bob)
    sandbox.calls.clear()
    slack_wakes_up = asyncio.Event()
    sandbox.faults.slow("chat.update", until=slack_wakes_up)

    await asyncio.gather(*(person.click_stale(stray, "Approve") for person in crowd))
    for person in crowd:
        await person.is_told("Counted: you approved.")
    slack_wakes_up.set()

    await bot.settled()
    updates = [call.body["ts"] for call in sandbox.calls.of("chat.update")]
    assert updates.count(stray.ts) == 1
    assert "This card is now" in bob.now(stray).shown_text()
    assert bob.now(known).buttons() == []
    assert "*30 of 30 approvals*" in bob.now(known).shown_text()


async def test_R11_a_click_before_the_post_has_returned_is_counted_and_the_card_shows_it(sandbox, ann, bob, start_bot):
    bot = await start_bot(ask("bob", "cat", quorum=2, via=RELEASES))
    returns = asyncio.Event()
    sandbox.faults.slow("chat.postMessage", until=returns, after=True, times=1, when=into_releases)
    person = await bot.people.by_email(ann.email)
    run, _ = await bot.engine.start("ask", person.id, {})
    card = await bob.sees("Ship it?")
    assert await bot.engine.cards(run.id, 1) == []

    await bob.click(card, "Approve")

    await bob.is_told("Counted: you approved. 1 of 2 approvals.")
    await sandbox.until(lambda: "*1 of 2 approvals*" in bob.now(card).shown_text())
    returns.set()
    await bot.settled()
    assert await bot.engine.cards(run.id, 1) == [(card.channel, card.ts)]
    assert cards(bob) == [bob.now(card)]
    assert "*1 of 2 approvals*" in bob.now(card).shown_text()


async def test_a_card_that_somebody_deleted_is_posted_anew_while_it_waits(sandbox, ann, bob, cat, start_bot):
    bot = await start_bot(ask("bob", "cat", quorum=2, via=RELEASES))
    run = await bot.begin("ask", ann)
    first = bob.message("Ship it?")
    await bot.client.delete(first.channel, first.ts)

    await bot.decide(run, bob)

    (second,) = cards(bob)
    assert second.ts != first.ts
    assert "*1 of 2 approvals*" in second.shown_text()
    await bot.client.delete(second.channel, second.ts)
    await bot.decide(run, cat)
    assert cards(bob) == []


async def test_R16_who_has_left_slack_is_shown_as_not_asked(sandbox, ann, bob, start_bot):
    gone = sandbox.add_person("gone")
    bot = await start_bot(ask("bob", "gone", via=RELEASES))
    await bot.people.by_email(gone.email)
    gone.user.deleted = True
    bot.clock.advance("10m")

    await bot.begin("ask", ann)

    assert "Not asked: gone@example.com (has left Slack)" in bob.message("Ship it?").shown_text()


async def test_R7_the_card_of_a_cancelled_run_says_so(ann, bob, start_bot):
    bot = await start_bot(ask("bob"))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")
    person = await bot.people.by_email(ann.email)
    await bot.engine.cancel(run.id, person.id, door=Door.API, reason="not needed")
    await bot.runner.idle()

    assert bob.now(card).buttons() == []
    assert f"*Cancelled* by <@{ann.id}>" in bob.now(card).shown_text()
    assert ">not needed" in bob.now(card).shown_text()


async def test_R6_the_card_of_a_deadline_that_has_passed_says_so_and_the_requester_is_told(
    sandbox, ann, bob, start_bot
):
    bot = await start_bot(ask("bob", timeout=timedelta(hours=1)))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    bot.clock.advance("1h")
    await sandbox.until(lambda: not bob.now(card).buttons())

    assert "*Expired*" in bob.now(card).shown_text()
    assert await bot.status(run) == "expired"
    assert "has expired" in (await ann.sees("Your *Ask*")).shown_text()


async def test_R9_the_requester_is_told_once_though_the_answer_to_the_post_was_lost(sandbox, ann, bob, start_bot):
    bot = await start_bot(ask("bob", via=RELEASES, timeout=timedelta(hours=1)))
    await bot.begin("ask", ann)
    sandbox.faults.drop_after("chat.postMessage", times=1, when=into_releases)
    bot.clock.advance("1h")
    await sandbox.until(lambda: sandbox.calls.count("chat.postMessage") == 2)

    await retried(bot)

    assert len(cards(ann, "Your *Ask*")) == 1


LONG = "x & <y> \n" * 1_000


async def test_R12_R12b_a_card_past_slacks_limits_is_posted_cut_and_shows_the_whole_before_it_is_approved(ann, bob, cat, sandbox, start_bot):  # fmt: skip
    fields = [
        {"name": f"field_{n}", "label": "L" * 150, "type": "string", "max_length": 20_000, "multiline": True}
        for n in range(3)
    ]
    approval = Approval(
        ask="{{ inputs.field_0 }}",
        approvers=["bob@example.com"],
        via=("slack", {"slack": "#releases"}),
        show={"All": "{{ inputs.field_1 }}"},
    )
    steps = [Step(id="gate", approval=approval)]
    bot = await start_bot(Flow(flow="ask", title="T" * 150, inputs=fields, steps=steps))
    run = await bot.begin("ask", ann, {field["name"]: LONG * 2 for field in fields})
    own = next(message for message in cards(bob, "x &amp;") if message.channel.startswith("D"))
    shared = next(message for message in cards(bob, "x &amp;") if message.channel.startswith("C"))

    assert (await bob.click(own, "Open the page")).ok
    await bob.click(shared, "Show all")
    await sandbox.person("eve").click(shared, "Show all")

    for card in (own, shared):
        assert "cut; see the whole" in card.shown_text()
        assert text_length(card.blocks)[0] <= 9_500
    whole = await bob.gets_modal("Page 1 of ")
    links = [element["url"] for _, element in (*own.elements(), *whole.elements()) if "url" in element]
    for link in links:
        opened = bot.links.open(link.rpartition("/")[2])
        assert (await bot.people.by_id(opened.person)).email == bob.email
    assert len(links) == 2
    await sandbox.person("eve").gets_modal("You are not one of the people who may see this.")
    assert len(cards(cat, "x &amp;")) == 1

    await bob.close()
    await bob.click(own, "Approve")

    first = await bob.gets_modal("Page 1 of ")
    with pytest.raises(NotPossible, match="no submit button"):
        await bob.submit()
    read, page = first.shown_text(), first
    for number in range(2, 1 + int(first.shown_text().rpartition("Page 1 of ")[2].split()[0])):
        await bob.click(page, "Next")
        page = await bob.gets_modal(f"Page {number} of ")
        read += page.shown_text()
    assert page.buttons() == ["Back"]
    assert read.count("x &amp; &lt;y&gt;") == 5 * 2_000
    await bob.submit()
    await bot.settled()
    for card in (own, shared):
        assert bob.now(card).buttons()[0] == "Show all"
    assert (await bot.view(run)).suspension.closing.how == "approved"


async def test_a_person_without_slack_who_should_be_asked_there_parks_the_card_with_a_hint(sandbox, ann, start_bot):
    bot = await start_bot(ask("bob", "stranger", via="slack"))

    run = await bot.begin("ask", ann)

    (parked,) = (await bot.engine.run(run.id, run.requester)).troubled
    assert "is not in Slack; the flow can ask by mail instead" in parked.error
