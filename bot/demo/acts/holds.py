"""Runs that wait to be resumed (scenarios K1, K2)."""

from __future__ import annotations

from bot.demo.play import Act, Play, expect


async def pause(play: Play) -> None:
    run = await play.start("ann", "pause")
    card = await play.card("ann", "Waiting to be resumed")
    await play.waits(run, "wait")
    await play.clicks("ann", card, "Resume")
    view = await play.ends(run, "succeeded")
    said = str(view.steps["after"].output)
    expect("Resumed by Ann Archer at" in said, "who resumed it, and when", said)


async def checked(play: Play) -> None:
    run = await play.start("ann", "output_validation", month="2031-03")
    card = await play.card("cat", "Publish the payroll of 2031-03?")
    expect("181,250 EUR" in card.shown_text(), "the numbers on the card", card.shown_text())
    expect(play.human("eve").message("Payroll of 2031-03") is None, "nothing published yet", "a post")
    await play.clicks("cat", card, "Resume")
    await play.ends(run, "succeeded")
    post = await play.reads("eve", "Payroll of 2031-03")
    expect(f"checked by <@{play.human('cat').id}>" in post.text, "who has checked it", post.text)


ACTS = (
    Act("pause", "It waits; Ann, who started it, lets it go on, and the log says when.", pause),
    Act("output_validation", "Cat sees the numbers on her card; only then are they published.", checked),
)
