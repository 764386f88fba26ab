"""The shortcuts: start a flow from anywhere, ask approval for a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot import library
from bot.slack.views.ask_modal import plainly
from flows.definition import Approval, Flow, Step
from flows.loader import load_file
from integrations.sandbox import Human, payloads
from integrations.sandbox.inputs import state_of

ASK = load_file(Path(library.__file__).parent / "ask.yml").flows[0]


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


def gate(name: str, **more: Any) -> Flow:
    approval = Approval(ask="Ship it?", approvers=["bob@example.com"], via=({"slack": "#releases"},))
    inputs = [{"name": "version", "type": "string"}]
    return Flow(flow=name, inputs=inputs, steps=[Step(id="gate", approval=approval)], **more)


async def test_a_flow_is_chosen_and_started_from_anywhere(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(gate("release", description="Ship a version"), gate("secret", starters=["eve@example.com"]))

    await ann.shortcut("start_flow")
    modal = await ann.gets_modal("Which one")
    (menu,) = [block["element"] for block in modal.blocks if block["type"] == "input"]
    await ann.submit({"-flow": "release"})
    await ann.gets_modal("*Will be asked:*")
    await ann.submit({"version": "1.4.0"})
    await ann.is_told("Started *Release*")
    await bot.settled()

    assert [option["value"] for option in menu["options"]] == ["release"]
    assert menu["options"][0]["description"]["text"] == "Ship a version"
    assert "1.4.0" in (await bob.sees("Ship it?")).shown_text()


async def test_who_may_start_nothing_is_told_so(sandbox, start_bot, cast):
    ann, *_ = cast
    await start_bot(gate("secret", starters=["eve@example.com"]))

    await ann.shortcut("start_flow")

    assert (await ann.gets_modal("There is no flow that you may start.")).content.get("submit") is None


async def test_approval_is_asked_for_a_message_and_the_card_links_to_it(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ASK)
    said = await bob.say(
        "Shall we order *chairs* &amp; tables from <https://shop.example|the shop>?", channel="releases"
    )

    await ann.shortcut("ask_message", said)
    modal = await ann.gets_modal("The card links to")
    (request,) = [block["element"]["initial_value"] for block in modal.blocks if block.get("block_id") == "-request"]
    await ann.submit({"-users": [bob, cat], "-groups": "hr-leads", "-quorum": "2", "-deadline": "1d"})
    told = await ann.gets_modal("They are asked: <")
    await bot.settled()
    card = await cat.sees("asks for your approval")
    await bob.click(await bob.sees("asks for your approval"), "Approve")
    await bot.settled()
    (message,) = [one for one in ann.messages("@signoff") if "You asked for this" in one.shown_text()]
    link = await bot.client.permalink(said.channel, said.ts)

    assert request == "Shall we order *chairs* & tables from the shop?"
    assert told.title == "Asked"
    assert f"<{link}" in card.shown_text()
    assert "chairs* &amp; tables" in card.shown_text()
    assert f"<@{bob.id}>" in card.shown_text()
    assert f"<@{cat.id}>" in card.shown_text()
    assert "*1 of 2 approvals*" in ann.now(message).shown_text()


async def test_R3_the_modal_sent_twice_asks_once(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ASK)
    said = await bob.say("Chairs?", channel="releases")
    await ann.shortcut("ask_message", said)
    modal = await ann.gets_modal("The card links to")

    state = state_of(modal.blocks, {"-users": {"value": {"type": "multi_users_select", "selected_users": [bob.id]}}})
    sent = payloads.submission(sandbox.workspace, ann.user, modal, state=state, trigger_id="1.2.3")

    answers = [await ann._interact("view_submission", sent) for _ in range(2)]
    await bot.settled()
    person = await bot.people.by_email(ann.email)

    assert [answer.ok for answer in answers] == [True, True]
    assert len(await bot.engine.requested(person.id)) == 1
    assert "They are asked: <" in ann.modal.shown_text()


async def test_what_is_wrong_with_it_is_said_before_anybody_is_asked(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ASK)
    said = await bob.say("Chairs?", channel="releases")
    await ann.shortcut("ask_message", said)
    await ann.gets_modal("The card links to")

    await ann.submit({})
    nobody = dict(ann.modal.errors)
    await ann.submit({"-groups": "@two words@"})
    misspelt = dict(ann.modal.errors)
    person = await bot.people.by_email(ann.email)

    assert nobody == {"-users": "Choose somebody, or name a user group below."}
    assert misspelt.keys() == {"-groups"}
    assert await bot.engine.requested(person.id) == []


async def test_W11_who_asks_themselves_alone_hears_that_it_could_never_be_approved(sandbox, start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(ASK)
    said = await ann.say("Chairs?", channel="releases")
    await ann.shortcut("ask_message", said)
    await ann.gets_modal("The card links to")

    await ann.submit({"-users": [ann]})
    await bot.settled()
    told = await ann.sees("has failed")

    assert "Ann Archer" in told.shown_text()


async def test_without_its_flow_the_shortcut_says_so(sandbox, start_bot, cast):
    ann, *_ = cast
    await start_bot(gate("release"))
    said = await ann.say("Chairs?", channel="releases")

    await ann.shortcut("ask_message", said)

    await ann.gets_modal("There is no flow `ask` here")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("&lt;b&gt; &amp;amp;", "<b> &amp;"),
        ("<@U123|ann> <@U123> <!here> <#C1|general> <!subteam^S1|@hr>", "ann @U123 @here general @hr"),
        ("<https://a.example> and <https://b.example|there>", "https://a.example and there"),
    ],
)
def test_a_messages_text_is_read_without_slacks_marks(text, read):
    assert plainly(text) == read
