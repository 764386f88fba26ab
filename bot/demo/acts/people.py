"""Slack as the place where people decide: questions, reminders, undoing, standing in, the inbox (scenarios W11, W12, R3, R7)."""

from __future__ import annotations

from datetime import timedelta

from bot.demo.acts.vacations import ASKED
from bot.demo.play import Act, Play, expect

HOTFIX = {"version": "1.4.1", "problem": "Invoices cannot be opened since 1.4.0.", "lead": "eve@example.com"}


async def hotfix(play: Play) -> None:
    run = await play.start("ann", "hotfix", **HOTFIX)
    card = await play.card("bob", "Ship 1.4.1 to production now?")
    expect("High risk" in card.shown_text(), "the risk on the card", card.shown_text())
    await play.replies("bob", card, "Has anybody tried it on staging?")
    await play.answers_aside("bob", "Is that a question", "Ask Ann Archer")
    # Until Ann has answered, nothing runs out, and nobody is reminded.
    await play.time_passes("30m")
    expect(play.human("cat").message("still waits") is None, "a clock that stands still", "a reminder")
    await play.replies("ann", card, "Yes, for ten minutes.")
    await play.answers_aside("ann", "Is that your answer", "This is my answer")
    await play.reads("bob", "has answered about")
    await play.time_passes("1m")
    await play.reads("cat", "This still waits for you.")
    await play.time_passes("2m")
    said = play.human("bob").now(card).shown_text()
    expect(f"Escalated to <@{play.human('eve').id}>" in said, "Eve asked too", said)
    await play.clicks("eve", card, "Approve")
    await play.clicks("bob", card, "Approve")
    await play.answers_aside("bob", "It takes effect at", "Undo")
    await play.time_passes("1m")
    await play.waits(run, "gate", "1 of 2")
    await play.replies("cat", card, "approved")
    await play.answers_aside("cat", "Shall your reply count", "Yes, approve")
    await play.is_told("cat", "It takes effect at")
    await play.time_passes("10s")
    await play.ends(run, "succeeded")
    post = await play.reads("ann", "goes to production now, approved by")
    ids = [play.human(who).id for who in ("eve", "cat", "bob")]
    named = [one for one in ids if one in post.text]
    expect(named == ids[:2], "Eve and Cat, and not Bob", post.text)


async def stand_in(play: Play) -> None:
    today = play.clock.now().date()
    await play.human("bob").command("/approvals", "delegate")
    until = str(today + timedelta(days=14))
    who = {"-person": play.human("cat"), "-starts": str(today), "-ends": until, "-flows": ["vacation"]}
    await play.fills_in("bob", "Hand your approvals over", **who)
    await play.reads("cat", "has handed their approvals over to you")
    run = await play.start("ann", "vacation", **ASKED, start="2031-10-06", end="2031-10-10")
    card = await play.card("cat", "2031-10-06")
    await play.clicks("cat", card, "Approve")
    await play.fills_in("cat", reason="Bob is away, and would say yes.")
    view = await play.ends(run, "succeeded")
    told = await play.reads("ann", "Your vacation from 2031-10-06")
    cats, bobs = (f"<@{play.human(one).id}>" for one in ("cat", "bob"))
    expect(f"{cats} (for {bobs})" in told.text, "both of them named", told.text)
    (decision,) = view.suspensions[0].decisions
    bob = await play.stage.person("bob")
    expect(decision.person == bob.id != decision.human, "Bob's answer, given by Cat", str(decision))
    await play.human("bob").command("/approvals", "delegate")
    modal = await play.human("bob").gets_modal("answers for you")
    await play.human("bob").click(modal, "End it")
    await play.human("bob").gets_modal("It is over.")
    await play.human("bob").close()
    play.tell("Bob ends it")


async def asked_anew(play: Play) -> None:
    run = await play.start("ann", "vacation", **ASKED, start="2031-11-24", end="2031-12-31")
    card = await play.card("bob", "2031-11-24")
    message = await play.standing("ann", "2031-11-24")
    await play.clicks("ann", message, "Nudge")
    await play.reads("bob", "asks once more for your answer")
    await play.clicks("bob", card, "Reject")
    await play.fills_in("bob", Reason="Not over the end of the year.")
    await play.ends(run, "rejected")
    await play.clicks("ann", message, "Edit and resubmit")
    await play.fills_in("ann", "A new version of", end="2031-12-12")
    # Whom it will go to is said before anything is sent.
    await play.fills_in("ann", "Will be asked:")
    await play.is_told("ann", "a new version of")
    await play.stage.app.runner.idle()
    (newer,) = await play.stage.app.engine.requested((await play.stage.person("ann")).id, limit=1)
    expect(newer.run.resubmits == run, "a run that says which one it is in place of", str(newer.run.resubmits))
    await play.clicks("bob", await play.card("bob", "2031-11-24 to 2031-12-12"), "Approve")
    await play.fills_in("bob", reason="That is better.")
    await play.ends(newer.run.id, "succeeded")
    await play.reads("ann", "Your vacation from 2031-11-24 to 2031-12-12 is approved")


async def inbox(play: Play) -> None:
    versions = ("3.0.1", "3.0.2", "3.0.3")
    runs = [await play.start("ann", "release", version=one, changes="Smaller pictures.") for one in versions]
    home = await play.home("cat", "Release 3.0.3 to production?")
    cat, ids = play.human("cat"), play.stage.app.engine.ids
    for run in runs[:2]:
        name = ids.suspension(run, 1)
        await cat.select(home, "home_pick", [name], block_id=f"home_pick:{name}")
    await cat.click(home, "Decide selected")
    await cat.gets_modal("Your answer to all of them")
    await play.fills_in("cat", **{"-verdict": "approve", "reason": "Tried all of them."})
    await cat.gets_modal("All 2 counted.")
    await cat.close()
    for run, progress in zip(runs, ("1 of 2", "1 of 2", "0 of 2"), strict=True):
        await play.waits(run, "gate", progress)
    home = await play.home("ann", "What you asked for")
    expect("1 of 2 approvals" in home.shown_text(), "where it stands, on Ann's own", home.shown_text())
    for run in runs:
        card = await play.card("bob", f"Release 3.0.{runs.index(run) + 1} to production?")
        await play.clicks("bob", card, "Reject")
        await play.fills_in("bob", Reason="All in one release, please.")
        await play.ends(run, "rejected")


ACTS = (
    Act("hotfix", "Asked about, reminded, escalated, undone, and approved by a word in the thread.", hotfix),
    Act("vacation", "Bob is away: Cat answers for him, and both of them are named.", stand_in),
    Act("vacation", "Ann nudges; Bob rejects; she edits her request and asks again.", asked_anew),
    Act("release", "Cat decides two of three at once, on her home tab; Ann sees on hers how they stand.", inbox),
)
