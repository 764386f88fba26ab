"""The requester's one message of a run: where it stands, nudge, withdraw, how it ended, and asking anew."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Approval, Flow, Step
from flows.fields import SecretField
from flows.run import Door, Verdict
from integrations.sandbox import Human
from integrations.sandbox.message import Message

RELEASES = ({"slack": "#releases"},)
STANDING = "You asked for this"


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


def ask(**more: Any) -> Flow:
    given: dict[str, Any] = {"ask": "Ship it?", "approvers": ["bob@example.com", "cat@example.com"], "quorum": 2}
    gate = Approval(**{**given, "via": RELEASES, **more})
    inputs = [
        {"name": "version", "type": "string", "label": "Version"},
        {"name": "note", "type": "string", "required": False, "max_length": 5_000},
    ]
    return Flow(flow="ask", inputs=inputs, steps=[Step(id="gate", approval=gate), Step(id="done", uses="log")])


def own(person: Human) -> list[Message]:
    """The requester's messages, not the replies to them."""
    return [one for one in person.messages("@signoff") if STANDING in one.shown_text()]


async def test_W2_one_message_shows_the_requester_where_it_stands_from_the_first_question_to_the_outcome(
    sandbox, start_bot, cast
):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann, {"version": "1.4.0 <!channel>"})
    (asked,) = own(ann)

    await bot.decide(run, bob, comment="Fine by me")
    await bot.settled()
    (half,) = own(ann)
    await bot.decide(run, cat)
    await bot.settled()
    (over,) = own(ann)

    assert asked.ts == half.ts == over.ts
    for shown in (
        "*0 of 2 approvals*",
        f"waiting for <@{bob.id}> or <@{cat.id}>",
        "until <!date^",
        "*Version:* 1.4.0 &lt;!channel&gt;",
    ):
        assert shown in asked.shown_text()
    assert asked.buttons() == ["Nudge", "Withdraw"]
    assert "*1 of 2 approvals*" in half.shown_text()
    assert f"waiting for <@{cat.id}>" in half.shown_text()
    assert "Fine by me" in half.shown_text()
    assert ":white_check_mark: *Succeeded*" in over.shown_text()
    assert over.buttons() == []


async def test_nobody_is_waited_for_while_a_rejection_can_still_be_undone(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask(settle="10s"))
    run = await bot.begin("ask", ann, {"version": "1.4.0"})

    await bot.decide(run, bob, Verdict.REJECT, comment="Not on a Friday")
    await bot.settled()
    (settling,) = own(ann)
    await bot.decide(run, bob, Verdict.WITHDRAW)
    await bot.settled()
    (undone,) = own(ann)

    assert "takes effect at" in settling.shown_text()
    assert "Not on a Friday" in settling.shown_text()
    assert "waiting for" not in settling.shown_text()
    assert f"waiting for <@{bob.id}> or <@{cat.id}>" in undone.shown_text()


async def test_K6_the_outcome_comes_as_a_reply_that_notifies_with_who_and_why(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann, {"version": "1.4.0"})

    await bot.decide(run, bob, Verdict.REJECT, comment="Not on a Friday")
    await bot.settled()
    (message,) = own(ann)
    told = await ann.sees("Your *Ask* was rejected")

    assert told.thread_ts == message.ts
    assert f"<@{ann.id}>: Your *Ask* was rejected by <@{bob.id}>" in told.shown_text()
    assert "Not on a Friday" in told.shown_text()
    assert f":x: *Rejected* by <@{bob.id}>" in message.shown_text()
    assert message.buttons() == ["Edit and resubmit"]


async def test_the_outcome_is_told_also_where_the_message_was_deleted(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann, {"version": "1.4.0"})
    (message,) = own(ann)
    await bot.client.delete(message.channel, message.ts)

    await bot.decide(run, bob, Verdict.REJECT)
    await bot.settled()

    assert "was rejected" in (await ann.sees("Your *Ask*")).shown_text()
    assert own(ann) == []


async def test_R9b_an_uncertain_post_of_the_message_is_looked_for_and_not_repeated(sandbox, start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(ask(via=["slack"]))
    sandbox.faults.drop_after("chat.postMessage", times=3)

    await bot.begin("ask", ann, {"version": "1.4.0"})
    for _ in range(4):
        bot.clock.advance("2m")
        await bot.settled()

    assert len(own(ann)) == 1


async def test_nudging_reminds_those_who_have_not_answered_and_says_when_it_can_be_done_again(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask())
    await bot.begin("ask", ann, {"version": "1.4.0"})
    (message,) = own(ann)

    for wait in ("0s", "59m", "2m"):
        bot.clock.advance(wait)
        await ann.click(message, "Nudge")
        await bot.settled()
    told = [one.shown_text() for one in ann.ephemerals()]

    nudged = f":bell: Nudged. <@{bob.id}> and <@{cat.id}> will hear of it once more. You can do that again in an hour."
    assert [text == nudged for text in told] == [True, False, True]
    assert "again" in told[1]


async def test_R7_withdrawing_asks_once_more_and_takes_the_reason_to_the_cards(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann, {"version": "1.4.0"})
    card = await bob.sees("Ship it?")
    (message,) = own(ann)

    await ann.click(message, "Withdraw")
    modal = await ann.gets_modal("Withdraw your request?\n*Ask*")
    still = await bot.status(run)
    await ann.submit({"reason": "Found a bug"})
    await ann.is_told("Withdrawn: <")

    assert modal.content["submit"]["text"] == "Withdraw"
    assert still == "waiting"
    assert await bot.status(run) == "cancelled"
    assert "Found a bug" in bob.now(card).shown_text()
    assert ann.now(message).buttons() == ["Edit and resubmit"]


async def test_resubmitting_begins_with_what_was_asked_for_and_links_both_runs(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann, {"version": "1.4.0", "note": "First try"})
    card = await bob.sees("Ship it?")
    await bot.decide(run, bob, Verdict.REJECT, comment="Wrong version")
    await bot.settled()
    (old,) = own(ann)

    await ann.click(old, "Edit and resubmit")
    modal = await ann.gets_modal("A new version of")
    filled = {
        block["block_id"]: block["element"].get("initial_value") for block in modal.blocks if block["type"] == "input"
    }
    await ann.submit({"version": "1.4.1"})
    await ann.is_told("a new version of")
    await bot.settled()
    first, second = own(ann)
    newer = bot.ids.run(run.id + 1)

    assert modal.title == "Edit and resubmit"
    assert filled == {"version": "1.4.0", "note": "First try"}
    assert f"Asked for anew: <{bot.ids.run_url(run.id + 1)}|{newer}>" in first.shown_text()
    assert first.buttons() == []
    assert f"a new version of <{bot.ids.run_url(run.id)}|{bot.ids.run(run.id)}>" in second.shown_text()
    assert "*Version:* 1.4.1" in second.shown_text()
    assert newer in bob.now(card).shown_text()


async def test_W11_nobody_but_the_requester_may_nudge_or_resubmit_and_all_are_told_so(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann, {"version": "1.4.0"})
    value = f"{bot.ids.suspension(run.id, 1)}:{(await bot.view(run)).suspension.digest.hex()}"
    posted = await bot.client.post(
        await bot.client.open_direct(bob.id),
        text="forged",
        blocks=[
            {
                "type": "actions",
                "block_id": "a",
                "elements": [_button("nudge", value), _button("resubmit", bot.ids.run(run.id))],
            }
        ],
    )
    forged = next(one for one in bob.messages("@signoff") if one.ts == posted.ts)

    await bob.click(forged, "nudge")
    nudged = await bob.is_told("Only")
    await bob.click(forged, "resubmit")
    await bob.gets_modal("A new version of")
    await bob.submit({"version": "2"})
    await bot.settled()

    assert "Only the person who started this run" in nudged.shown_text()
    assert "There is no flow" not in bob.modal.shown_text()
    assert "not" in bob.modal.shown_text()
    assert await bot.status(run) == "waiting"


def _button(action_id: str, value: str) -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "value": value, "text": {"type": "plain_text", "text": action_id}}


async def test_a_flow_that_takes_a_secret_is_asked_for_anew_where_secrets_can_be_typed(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    flow = ask()
    inputs = [*flow.inputs, SecretField(name="key")]
    bot = await start_bot(flow.model_copy(update={"inputs": tuple(inputs)}))
    run = await bot.begin("ask", ann, {"version": "1.4.0", "key": "hunter2"})
    await bot.decide(run, bob, Verdict.REJECT)
    await bot.settled()
    (message,) = own(ann)

    await ann.click(message, "Edit and resubmit")
    modal = await ann.gets_modal("Nothing was started.")

    assert f"--resubmits {bot.ids.run(run.id)}`" in modal.shown_text()
    assert "hunter2" not in message.shown_text() + modal.shown_text()
    assert "*Key:* ••••" in message.shown_text()


async def test_what_does_not_fit_into_slacks_form_is_left_empty_and_never_cut(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann, {"version": "1.4.0", "note": "x" * 3_001})
    await bot.decide(run, bob, Verdict.REJECT)
    await bot.settled()
    (message,) = own(ann)

    await ann.click(message, "Edit and resubmit")
    modal = await ann.gets_modal("A new version of")

    filled = {one["block_id"]: one["element"].get("initial_value") for one in modal.blocks if one["type"] == "input"}
    assert filled == {"version": "1.4.0", "note": None}


async def test_a_question_is_shown_and_answered_where_the_requester_looks(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann, {"version": "1.4.0"})
    person = await bot.people.by_email(bob.email)
    await bot.engine.ask(run.id, 1, person.id, "Since <when>?", door=Door.PAGE)
    await bot.settled()
    (asked,) = own(ann)

    await ann.click(asked, "Answer")
    modal = await ann.gets_modal("Since &lt;when&gt;?")
    (text,) = [block["block_id"] for block in modal.blocks if block["type"] == "input"]
    await ann.submit({text: "Since Friday"})
    await bot.settled()
    (answered,) = own(ann)

    assert f":speech_balloon: <@{bob.id}> asks: “Since &lt;when&gt;?”" in asked.shown_text()
    assert asked.buttons() == ["Answer", "Nudge", "Withdraw"]
    assert answered.buttons() == ["Nudge", "Withdraw"]
    assert (await bot.view(run)).questions[0].answer == "Since Friday"
