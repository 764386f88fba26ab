"""Approve, Reject and Resume in Slack, from the click to the card."""

from __future__ import annotations

from flows.definition import Approval, Flow, Step

BOB_OR_CAT = Approval(
    ask="Ship it?", approvers=("bob@example.com", "cat@example.com"), quorum=2, via=({"slack": "#releases"},)
)


def one_of(*approvers: str, **more: object) -> Flow:
    approval = Approval(ask="Ship it?", approvers=approvers, **more)
    return Flow(flow="ask", title="Ask", steps=[Step(id="gate", approval=approval), Step(id="done", uses="log")])


async def test_W1_each_approver_is_asked_in_a_direct_message_and_one_yes_lets_the_run_go_on(sandbox, start_bot):
    bot = await start_bot(one_of("bob@example.com", "cat@example.com"))
    ann, bob, cat = (sandbox.person(name) for name in ("ann", "bob", "cat"))
    run = await bot.begin("ask", ann)
    card = await bob.sees("Ship it?")
    assert "0 of 1 approval" in card.shown_text()
    assert (await cat.sees("Ship it?")).channel != card.channel

    answer = await bob.click(card, "Approve")

    assert answer.ok
    await bob.is_told("Counted: you approved. 1 of 1 approval.")
    await bot.settled()
    assert await bot.status(run) == "succeeded"
    for person in (bob, cat):
        shown = person.message("Ship it?")
        assert shown.buttons() == []
        assert f"*Approved* by <@{bob.id}>" in shown.shown_text()
