"""``/approvals`` and the home tab."""

from __future__ import annotations

from typing import Any

import pytest

from flows.definition import Approval, Flow, Hold, Step
from integrations.sandbox import Human
from integrations.sandbox.message import Message

RELEASES = ({"slack": "#releases"},)


def ask(name: str, *approvers: str, text: str | None = None, **more: Any) -> Flow:
    given = [each if each[0] == "@" else f"{each}@example.com" for each in approvers]
    approval = Approval(ask=text or f"{name}?", approvers=given, **more)
    return Flow(flow=name, steps=[Step(id="gate", approval=approval), Step(id="done", uses="log")])


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


async def typed(sandbox, person: Human, text: str = "", *, channel: str | None = None) -> Message:
    """The answer to ``/approvals``."""
    before = len(person.ephemerals())
    answer = await person.command("/approvals", text, channel=channel)
    assert answer.ok
    await sandbox.until(lambda: len(person.ephemerals()) > before, what=f"{person} is answered")
    return person.ephemerals()[-1]


async def test_approvals_lists_what_waits_for_me_each_with_its_card_and_buttons_in_place(sandbox, start_bot, cast):
    ann, bob, _, _, eve = cast
    bot = await start_bot(
        ask("alpha", "bob", via=RELEASES), ask("beta", "@hr-leads"), ask("gamma", "cat"), ask("delta", "@hr-leads")
    )
    for name in ("alpha", "beta", "gamma"):
        await bot.begin(name, ann)
    await bot.begin("delta", bob)
    cards = {message.channel: message for message in bob.messages() if "Approve" in message.buttons()}

    listed = await typed(sandbox, bob)
    nothing = await typed(sandbox, eve)

    shown = listed.shown_text()
    assert "alpha?" in shown
    assert "beta?" in shown  # as a member of the group
    assert "gamma?" not in shown  # somebody else's
    assert "delta?" not in shown  # his own request, which his group decides
    assert listed.buttons() == ["Approve", "Reject", "Approve", "Reject"]
    for card in cards.values():
        assert f"/archives/{card.channel}/p{card.ts.replace('.', '')}|Open the card>" in shown
    assert nothing.shown_text() == "Waiting for you\nNothing waits for you."


async def test_a_click_in_the_list_is_counted_and_the_list_is_read_anew(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"), ask("beta", "bob"))
    alpha, beta = await bot.begin("alpha", ann), await bot.begin("beta", ann)
    listed = await typed(sandbox, bob)
    first = bot.ids.suspension(alpha.id, 1)

    await bob.click(listed, "Approve", block_id=f"mine:{first}")

    await sandbox.until(lambda: "Counted: you approved." in bob.now(listed).shown_text())
    shown = bob.now(listed)
    assert "alpha?" not in shown.shown_text()
    assert shown.buttons() == ["Approve", "Reject"]
    assert await bot.status(alpha) == "succeeded"
    assert await bot.status(beta) == "waiting"
    await bot.settled()
    assert bob.message("alpha?").buttons() == []


async def test_what_i_have_answered_waits_for_others_and_no_longer_for_me(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask("alpha", "bob", "cat", quorum=2))
    await bot.begin("alpha", ann)
    await bob.click(bob.message("alpha?"), "Approve")
    await bob.is_told("1 of 2 approvals")

    bobs, cats, everything = [
        await typed(sandbox, person, text) for person, text in ((bob, ""), (cat, ""), (bob, "all"))
    ]

    assert "Nothing waits for you." in bobs.shown_text()
    assert "You have decided 1 that is still open. `/approvals all` shows them" in bobs.shown_text()
    assert bobs.buttons() == []
    assert cats.buttons() == ["Approve", "Reject"]
    assert "alpha?" in everything.shown_text()
    assert everything.buttons() == ["Take back"]


async def test_reject_in_the_list_asks_for_the_reason_and_is_answered(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"))
    run = await bot.begin("alpha", ann)
    listed = await typed(sandbox, bob)

    await bob.click(listed, "Reject")
    await bob.gets_modal("Reject")
    await bob.submit({"reason": "no"})

    await bob.is_told("Counted: you rejected.")
    assert await bot.status(run) == "rejected"


async def test_an_answer_in_a_place_where_the_bot_is_not_comes_as_a_direct_message(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    secret = sandbox.workspace.add_channel("secret", [bob.user], is_private=True, with_bot=False)
    bot = await start_bot(ask("alpha", "bob"))
    await bot.begin("alpha", ann)
    listed = await typed(sandbox, bob, channel=secret.id)

    await bob.click(listed, "Reject")
    await bob.gets_modal("Reject")
    await bob.submit({})

    await bob.sees("Counted: you rejected.")


async def test_all_shows_an_admin_everything_and_others_what_they_may_see(sandbox, start_bot, cast):
    ann, bob, cat, dan, eve = cast
    bot = await start_bot(ask("alpha", "bob", via=RELEASES), ask("beta", "cat"), admins=[eve.email])
    await bot.begin("alpha", ann)
    await bot.begin("beta", dan)

    everything = await typed(sandbox, eve, "all")
    anns, bobs, cats = [await typed(sandbox, person, "ALL") for person in (ann, bob, cat)]

    assert "alpha?" in everything.shown_text()
    assert "beta?" in everything.shown_text()
    assert everything.buttons() == []
    assert ("alpha?" in anns.shown_text(), "beta?" in anns.shown_text()) == (True, False)
    assert anns.buttons() == []
    assert ("alpha?" in bobs.shown_text(), "beta?" in bobs.shown_text()) == (True, False)
    assert bobs.buttons() == ["Approve", "Reject"]
    assert ("alpha?" in cats.shown_text(), "beta?" in cats.shown_text()) == (False, True)


async def test_a_long_list_says_that_there_is_more(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob", text="&" * 2_000))
    for _ in range(12):
        await bot.begin("alpha", ann)

    listed = await typed(sandbox, bob)

    assert len(listed.buttons()) == 20
    assert "These are the 10 with the nearest deadlines; there are more." in listed.shown_text()


async def test_show_tells_how_a_run_stands_to_those_who_may_see_it(sandbox, start_bot, cast):
    ann, bob, _, _, eve = cast
    steps = [Step(id="prepare", uses="log"), Step(id="gate", hold=Hold(ask="Go on?")), Step(id="done", uses="log")]
    bot = await start_bot(Flow(flow="held", steps=steps))
    run = await bot.begin("held", ann)
    name = bot.ids.run(run.id)

    anns = await typed(sandbox, ann, f"show {name}")
    eves = await typed(sandbox, eve, f"show {name}")
    none = await typed(sandbox, bob, "show run_0000000000000")
    wrong = await typed(sandbox, bob, "show me")

    assert "*waiting*" in anns.shown_text()
    assert ":white_check_mark: Prepare (succeeded)" in anns.shown_text()
    assert "*Waits:* Go on?" in anns.shown_text()
    for refused in (eves, none, wrong):
        assert refused.shown_text().startswith("There is no such run, or it is not yours to see.")


async def test_help_and_a_word_that_nobody_knows(sandbox, start_bot, cast):
    _, bob, *_ = cast
    await start_bot(ask("alpha", "bob"))

    usage = await typed(sandbox, bob, "help")
    unknown = await typed(sandbox, bob, "al <!channel>")

    assert "`/approvals show RUN`" in usage.shown_text()
    assert "There is no `/approvals al`. Did you mean `/approvals all`?" in unknown.shown_text()


async def test_a_command_is_answered_while_slack_cannot_say_who_it_was(sandbox, start_bot, cast):
    _, bob, *_ = cast
    await start_bot(ask("alpha", "bob"))
    sandbox.faults.status("users.info", 500)

    told = await typed(sandbox, bob)

    assert "Slack does not answer right now." in told.shown_text()


async def test_the_home_tab_shows_what_waits_and_takes_clicks(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    form = [{"name": "why", "type": "string"}]
    bot = await start_bot(ask("alpha", "bob"), ask("beta", "bob", form=form), ask("gamma", "bob"))
    runs = [await bot.begin(name, ann) for name in ("alpha", "beta", "gamma")]

    answer = await bob.open_home()
    home = await bob.gets_home("alpha?")
    await bob.click(home, "Approve", block_id=f"mine:{bot.ids.suspension(runs[0].id, 1)}")
    await bob.gets_home("Counted: you approved.")
    await bob.click(home, "Approve", block_id=f"mine:{bot.ids.suspension(runs[1].id, 1)}")
    await bob.gets_modal("beta?")
    await bob.submit({"why": "because"})
    await sandbox.until(lambda: home.buttons().count("Approve") == 1)
    await bob.click(home, "Reject")
    await bob.gets_modal("gamma?")
    await bob.submit({"reason": "no"})
    await bob.gets_home("Counted: you rejected.")

    assert answer.ok
    assert "Nothing waits for you." in home.shown_text()
    assert [await bot.status(run) for run in runs] == ["succeeded", "succeeded", "rejected"]


async def test_another_tab_than_home_draws_nothing(sandbox, start_bot, cast):
    _, bob, *_ = cast
    bot = await start_bot(ask("alpha", "bob"))
    sandbox.workspace.direct_message(bob.id)
    inner = {"type": "app_home_opened", "user": bob.id, "channel": "D1", "tab": "messages", "event_ts": "1.0"}

    answer = await sandbox.line.deliver(
        "events_api", "app_home_opened", {"type": "event_callback", "team_id": sandbox.workspace.id, "event": inner}
    )

    assert answer.ok
    await bot.settled()
    assert bob.home is None
