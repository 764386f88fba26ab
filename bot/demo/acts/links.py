"""Links that a flow sends itself, by mail and by text message (scenarios P1, P3)."""

from __future__ import annotations

from bot.demo.play import Act, Play, expect


async def mailed(play: Play) -> None:
    run = await play.start("ann", "mail_a_link", subject="the summer party", approver="bob@example.com")
    await play.on_page("bob", await play.link("bob", "would like to go on with the summer party"), "approve")
    view = await play.ends(run, "succeeded")
    said = str(view.steps["after"].output)
    expect("Bob Baker says" in said, "Bob's yes", said)


async def texted(play: Play) -> None:
    run = await play.start(
        "ann", "text_a_link", subject="the late shift", approver="cat@example.com", phone="+491555000003"
    )
    await play.on_page("cat", await play.link("cat", "the late shift: yes or no?"), "reject", "Not this week.")
    view = await play.ends(run, "rejected")
    reason = view.run.ending.reason if view.run.ending else None
    expect(reason == "Not this week.", "Cat's reason", str(reason))


ACTS = (
    Act("mail_a_link", "The flow writes the mail itself; Bob says yes on the page behind his link.", mailed),
    Act("text_a_link", "Cat gets her link as a text message, and says no with a reason.", texted),
)
