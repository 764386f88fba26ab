"""``/approvals`` mine, approve, reject, resume, history, digest: what they answer, and that each refusal is a sentence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.digests import Digests
from flows.definition import Approval, Flow, Hold, Step
from flows.run import Verdict
from integrations.sandbox import Human
from integrations.sandbox.message import Message

RELEASES = ({"slack": "#releases"},)


@pytest.fixture
def cast(sandbox) -> list[Human]:
    return [sandbox.person(name) for name in ("ann", "bob", "cat", "dan", "eve")]


def ask(**more: Any) -> Flow:
    given: dict[str, Any] = {"ask": "Ship it?", "approvers": ["bob@example.com", "cat@example.com"], "via": RELEASES}
    steps = [Step(id="gate", approval=Approval(**{**given, **more})), Step(id="done", uses="log")]
    return Flow(flow="ask", inputs=[{"name": "version", "type": "string", "required": False}], steps=steps)


async def typed(sandbox, person: Human, text: str) -> Message:
    """The answer to ``/approvals``."""
    before = len(person.ephemerals())
    assert (await person.command("/approvals", text)).ok
    await sandbox.until(lambda: len(person.ephemerals()) > before, what=f"{person} is answered")
    return person.ephemerals()[-1]


async def test_what_one_asked_for_is_listed_with_where_it_stands(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    bot = await start_bot(ask(quorum=2))
    nothing = await typed(sandbox, ann, "mine")
    first, second = await bot.begin("ask", ann), await bot.begin("ask", ann)
    await bot.decide(first, bob, Verdict.REJECT, comment="Not <now>")
    await bot.decide(second, bob)
    await bot.settled()

    mine = (await typed(sandbox, ann, "mine")).shown_text()

    assert nothing.shown_text().startswith("You have not asked for anything yet.")
    assert mine.index(bot.ids.run(second.id)) < mine.index(bot.ids.run(first.id))
    assert "1 of 2 approvals" in mine
    assert ("rejected" in mine, "“Not &lt;now&gt;”" in mine) == (True, True)


async def test_W8_approving_by_command_shows_what_is_asked_before_anything_counts(sandbox, start_bot, cast):
    ann, bob, cat, *_ = cast
    bot = await start_bot(ask(quorum=2))
    run = await bot.begin("ask", ann, {"version": "1.4.0"})

    await bob.command("/approvals", f"approve {bot.ids.run(run.id)}", channel="releases")
    modal = await bob.gets_modal("Ship it?")
    before = await bot.standing(run)
    await bob.submit()
    told = await bob.is_told("Counted: you approved")
    await cat.command("/approvals", f"reject `{bot.ids.suspension(run.id, 1)}`")
    await cat.gets_modal("Ship it?")
    await cat.submit({"reason": "No"})
    await bot.settled()

    assert "*Version:* 1.4.0" in modal.shown_text()
    assert before == {}
    assert "1 of 2 approvals" in told.shown_text()
    assert await bot.status(run) == "rejected"
    decided = (await bot.view(run)).decisions
    assert all(one.digest is not None for one in decided)


async def test_W11_R3_each_reason_why_a_command_decides_nothing_is_a_sentence(sandbox, start_bot, cast):
    ann, bob, cat, dan, _ = cast
    bot = await start_bot(ask())
    run = await bot.begin("ask", ann)
    name, approval = bot.ids.run(run.id), bot.ids.suspension(run.id, 1)

    own = await typed(sandbox, ann, f"approve {name}")
    stranger = await typed(sandbox, dan, f"approve {name}")
    unknown = await typed(sandbox, dan, f"reject {approval}")
    more = await typed(sandbox, bob, f"reject {name} because")
    none = await typed(sandbox, bob, "approve")
    wrong = await typed(sandbox, bob, "approve run_1")
    held = await typed(sandbox, bob, f"resume {approval}")
    await bot.decide(run, bob)
    await bot.settled()
    over = await typed(sandbox, cat, f"approve {approval}")
    ended = await typed(sandbox, cat, f"approve {name}")

    assert "your own request" in own.shown_text()
    for told in (stranger, unknown, wrong):
        assert told.shown_text().startswith("There is no such run, or it is not yours to see.")
    assert "takes an id alone" in more.shown_text()
    assert none.shown_text() == "Say which run, like /approvals approve run_1a2b3c4d5e6f7."
    assert held.shown_text() == "This is an approval: it is approved or rejected, and not resumed."
    assert over.shown_text().startswith("This is no longer open. :white_check_mark: *Approved* by")
    assert ended.shown_text() == "This run waits for nobody's approval right now."
    assert [person.modal for person in (ann, bob, cat, dan)] == [None] * 4


async def test_K1_what_is_held_is_resumed_by_command_and_of_several_waits_one_has_to_be_named(sandbox, start_bot, cast):
    ann, bob, *_ = cast
    held = Flow(flow="held", steps=[Step(id="wait", hold=Hold(ask="Go on?")), Step(id="done", uses="log")])
    gates = {
        side: [Step(id=side, approval=Approval(ask=f"{side}?", approvers=["bob@example.com"], via=RELEASES))]
        for side in ("left", "right")
    }
    both = Flow(flow="both", steps=[Step(id="all", parallel=gates)])
    bot = await start_bot(held, both)
    run, several = await bot.begin("held", ann), await bot.begin("both", ann)

    await ann.command("/approvals", f"resume {bot.ids.run(run.id)}")
    await ann.gets_modal("Go on?")
    await ann.submit()
    which = await typed(sandbox, bob, f"approve {bot.ids.run(several.id)}")

    assert await bot.status(run) == "succeeded"
    assert which.shown_text().startswith("This run waits for several approvals. Say which:")
    for n in (1, 2):
        assert f"`/approvals approve {bot.ids.suspension(several.id, n)}`" in which.shown_text()


async def test_the_history_of_a_run_says_who_decided_what_when_and_through_which_door(sandbox, start_bot, cast):
    ann, bob, cat, dan, eve = cast
    bot = await start_bot(ask(quorum=2), admins=[eve.email])
    run = await bot.begin("ask", ann)
    name = bot.ids.run(run.id)
    await typed(sandbox, ann, f"pause {name}")
    await typed(sandbox, ann, f"resume {name}")
    await bob.click(await bob.sees("Ship it?"), "Approve")
    await bot.settled()
    await bot.decide(run, cat, comment="Fine <!here>")
    await bot.settled()

    told = (await typed(sandbox, bob, f"history {name}")).shown_text()
    stranger = (await typed(sandbox, dan, f"history {name}")).shown_text()
    flow = (await typed(sandbox, eve, "history ask")).shown_text()
    nobodys = (await typed(sandbox, dan, "history ask")).shown_text()
    near = (await typed(sandbox, dan, "history aks")).shown_text()

    lines = [line.split("UTC>", 1)[1].strip() for line in told.splitlines() if "UTC>" in line]
    assert lines == [
        f":rocket: <@{ann.id}> asked for this",
        *[line for line in lines if line.startswith(":envelope: Asked: Ask · Gate, until")],
        f":double_vertical_bar: <@{ann.id}> paused the run in Slack",
        f":arrow_forward: <@{ann.id}> let the run go on in Slack",
        f":white_check_mark: <@{bob.id}> *approved* in Slack (Ask · Gate)",
        f":white_check_mark: <@{cat.id}> *approved* on their page (Ask · Gate): “Fine &lt;!here&gt;”",
        ":lock: Ask · Gate is approved",
        ":checkered_flag: *Succeeded*",
    ]
    assert stranger.startswith("There is no such run")
    assert f"*Succeeded*  ·  <{bot.ids.run_url(run.id)}|{name}>  ·  asked by <@{ann.id}>" in flow
    assert f"<@{cat.id}> approved on their page" in flow
    assert nobodys == "There is no run of *Ask* that you may see."
    assert "Did you mean `/approvals history ask`?" in near


async def test_a_mistyped_word_names_the_nearest_one_and_no_mail_means_no_digest(sandbox, start_bot, cast):
    ann, *_ = cast
    await start_bot(ask())

    near = (await typed(sandbox, ann, "aprove run_1")).shown_text()
    digest = (await typed(sandbox, ann, "digest 1d")).shown_text()
    usage = (await typed(sandbox, ann, "help")).shown_text()

    assert near.startswith("There is no `/approvals aprove`. Did you mean `/approvals approve`?")
    assert digest.startswith("There is no `/approvals digest`.")
    assert "digest" not in usage


async def test_who_wants_one_mail_in_place_of_many_says_how_often(sandbox, start_bot, cast):
    ann, *_ = cast
    bot = await start_bot(ask())
    await bot.stop()
    no_post: Any = None  # nothing is sent here
    bot.digests = lambda store: Digests(store, no_post, bot.clock)
    await bot.start()
    wishes = Digests(bot.store, no_post, bot.clock)
    person = await bot.people.by_email(ann.email)

    now = (await typed(sandbox, ann, "digest")).shown_text()
    daily = (await typed(sandbox, ann, "digest 1d")).shown_text()
    kept = await wishes.preference(person.id)
    often = (await typed(sandbox, ann, "digest 1m")).shown_text()
    wrong = (await typed(sandbox, ann, "digest often")).shown_text()
    off = (await typed(sandbox, ann, "digest off")).shown_text()

    assert "a mail for each" in now
    assert ("one mail each 1d" in daily, kept) == (True, timedelta(days=1))
    assert "takes how often, like 1d or 2h; or off." in wrong
    assert "must be between 15 minutes and a day" in often
    assert ("single mails again" in off, await wishes.preference(person.id)) == (True, None)
