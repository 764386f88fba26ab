"""The vacation, approved, rejected, and with one form for both answers (scenarios K5, K6, K11)."""

from __future__ import annotations

from bot.demo.play import Act, Play, expect

ASKED = {"employee": "ann@example.com", "manager": "bob@example.com"}


async def approved(play: Play) -> None:
    run = await play.start("ann", "vacation", **ASKED, start="2031-07-01", end="2031-07-14")
    card = await play.card("bob", "ann@example.com asks for vacation from 2031-07-01")
    await play.clicks("bob", card, "Approve")
    await play.fills_in("bob", reason="Enjoy the sea!")
    view = await play.ends(run, "succeeded")
    booked = [booking for booking in play.stage.company.hr.bookings if booking["reason"] == "Enjoy the sea!"]
    expect([one["employee"] for one in booked] == ["ann@example.com"], "one booking", str(booked))
    expect("Enjoy the sea!" in str(view.steps["note"].output), "a note with the reason", str(view.steps["note"].output))
    await play.reads("ann", "is approved by")


async def rejected(play: Play) -> None:
    before = len(play.stage.company.hr.bookings)
    run = await play.start("ann", "vacation", **ASKED, start="2031-12-20", end="2031-12-31")
    card = await play.card("bob", "2031-12-20")
    await play.clicks("bob", card, "Reject")
    await play.fills_in("bob", Reason="Everybody is away that week.")
    await play.ends(run, "rejected")
    await play.reads("ann", "Everybody is away that week.")
    expect(len(play.stage.company.hr.bookings) == before, "no booking", "a booking")


async def shortened(play: Play) -> None:
    run = await play.start("ann", "vacation_one_form", **ASKED, start="2031-08-01", end="2031-08-20")
    card = await play.card("bob", "2031-08-01")
    await play.clicks("bob", card, "Unpaid leave")
    await play.fills_in("bob", last_day="2031-08-12", reason="Twelve days are left.")
    await play.ends(run, "succeeded")
    booked = play.stage.company.hr.bookings[-1]
    expect((booked["end"], booked["kind"]) == ("2031-08-12", "unpaid"), "unpaid leave until 2031-08-12", str(booked))


async def refused_with_the_form(play: Play) -> None:
    before = len(play.stage.company.hr.bookings)
    run = await play.start("ann", "vacation_one_form", **ASKED, start="2031-09-01", end="2031-09-30")
    card = await play.card("bob", "2031-09-01")
    await play.clicks("bob", card, "Reject")
    await play.fills_in("bob", last_day="2031-09-30", reason="The fair is in September.")
    await play.ends(run, "rejected")
    await play.reads("ann", "No vacation until 2031-09-30: The fair is in September.")
    expect(len(play.stage.company.hr.bookings) == before, "no booking", "a booking")


ACTS = (
    Act("vacation", "Bob approves with a reason: it is booked once, noted, and Ann is told.", approved),
    Act("vacation", "Bob rejects with a reason: nothing is booked, and Ann hears why.", rejected),
    Act("vacation_one_form", "Bob shortens it and chooses unpaid leave: that is what is booked.", shortened),
    Act(
        "vacation_one_form",
        "Bob rejects, in the same form: Ann is told by the flow, nothing is booked.",
        refused_with_the_form,
    ),
)
