"""Explain: why me, why it still waits, who can move it on, what happens when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.slack.views import explain as views
from bot.slack.views.explain import explain
from bot.slack.views.snooze_modal import choices
from flows.definition import Approval, Flow, Hold, Step
from flows.delegation import Delegation
from flows.people import Person
from flows.run import Approvers, Clocks, Later, Question, Verdict
from flows.views import SuspensionView
from tests.bot.views.states import ANN, BOB, CAT, DAN, EVE, GROUPS, LATER, NOON, a_request, approval, said


def told(view: SuspensionView, person: Person, now: datetime = LATER, **more: object) -> dict[str, str]:
    """What is explained, by its headings."""
    shown = explain(view, person, now, groups=GROUPS, **more)
    parts = [block["text"]["text"].partition("\n") for block in shown.blocks[1:]]
    return {heading.strip("*"): text for heading, _, text in parts}


def test_each_reader_is_told_why_they_see_it():
    view = a_request(approval(veto=["eve@example.com"]))
    standing_in = replace(
        view, delegations=(Delegation(1, BOB.id, DAN.id, NOON, NOON + timedelta(days=3), made_by=BOB.id),)
    )

    def why(person: Person, view: SuspensionView = view, **more: object) -> str:
        return told(view, person, **more)["Why you see this"]

    assert why(BOB) == "You are asked by name to decide this."
    assert why(DAN, belongs=frozenset({"@hr-leads"})).startswith("You belong to <!subteam^SHRLEADS1>, whose members")
    assert why(ANN) == "You asked for this yourself, and this flow lets nobody approve their own request."
    assert why(DAN) == "You are not asked to decide this. You see it because it stands where you can read it."
    assert why(DAN, standing_in).startswith(f"You stand in for <@{BOB.slack.split('/')[1]}> until <!date^")
    mine = replace(view, decisions=(replace(said(BOB, Verdict.APPROVE), by=DAN.id),))
    assert "You have approved this (<@UDAN00004> for <@UBOB00002>)" in why(DAN, mine)
    assert why(ANN, a_request(Hold(ask="Go on?"), approvers=Approvers((ANN.id,)))).startswith("You started this")


def test_it_says_who_is_missing_who_stands_in_and_who_is_away():
    view = a_request(
        decisions=(said(BOB, Verdict.APPROVE),),
        approvers=Approvers((BOB.id, CAT.id), ("@hr-leads",), (("zoe@example.com", "has left Slack"),)),
        clocks=Clocks(snoozed={CAT.id: LATER + timedelta(hours=2)}),
    )
    view = replace(view, delegations=(Delegation(1, CAT.id, DAN.id, NOON, NOON + timedelta(days=3), made_by=CAT.id),))

    parts = told(view, BOB)

    assert parts["Why it still waits"] == "It has 1 of 2 approvals.\nYes: <@UBOB00002>."
    help_ = parts["Who can move it on"]
    assert "Cat Carter or <!subteam^SHRLEADS1> can decide." in help_
    assert "<@UDAN00004> stands in for Cat Carter." in help_
    assert "Cat Carter wants to be reminded <!date^" in help_
    assert "zoe@example.com cannot be asked: has left Slack." in help_
    assert "An admin can let somebody else be asked, or let the run go on without an answer" in help_


@pytest.mark.parametrize(
    ("on_timeout", "text"),
    [
        ("end", "the run ends as *expired*"),
        ("fail", "the run *fails*"),
        ("continue", "the run goes on *without* an answer"),
        ("approve", "it counts as *approved*: this flow takes silence for a yes"),
    ],
)
def test_K7_it_says_what_the_deadline_brings_and_when(on_timeout, text):
    parts = told(a_request(approval(on_timeout=on_timeout)), BOB)

    assert parts["What happens at the deadline"].startswith("<!date^")
    assert f", in 1d23h: {text}." in parts["What happens at the deadline"]


def test_a_stopped_clock_says_how_much_is_left():
    view = a_request(approval(questions="stop_clock"), clocks=Clocks(stopped_at=LATER))
    view = replace(view, questions=(Question(1, 1, BOB.id, LATER, "Has security seen it?"),))

    parts = told(view, CAT, LATER + timedelta(days=1))

    assert "with 1d23h left" in parts["What happens at the deadline"]
    assert parts["Who can move it on"].startswith("<@UANN00001> can answer the question.")
    assert parts["What comes next"] == "While the clock is stopped nobody is reminded."


def test_it_says_when_reminders_and_escalations_come_in_the_readers_working_hours():
    wait = approval(
        remind={"first": "4h", "every": "1d", "up_to": 3},
        working_hours=True,
        timeout="7d",
        escalate=[{"after": "1d", "to": "dan@example.com", "mode": "replace"}],
    )
    later = (Later(NOON + timedelta(days=1), Approvers((DAN.id,))),)
    view = a_request(wait, clocks=Clocks(later=later), due=NOON + timedelta(days=9))

    parts = told(view, BOB)  # in New York; noon in UTC is seven in the morning there

    first = int(datetime.fromisoformat("2026-01-05T13:00:00-05:00").timestamp())
    second = int(datetime.fromisoformat("2026-01-06T13:00:00-05:00").timestamp())
    assert f"Who has not answered is reminded <!date^{first}^" in parts["What comes next"]
    assert f"<!date^{second}^" in parts["What comes next"]
    assert "<@UDAN00004> is asked instead, if nobody has decided by then." in parts["What comes next"]
    assert (
        "(Mon, Tue, Wed, Thu, Fri, 09:00 to 17:00, in the time zone of each person)"
        in (parts["What happens at the deadline"])
    )


def test_what_completes_it_can_be_undone():
    view = a_request(decisions=(said(BOB, Verdict.APPROVE),), clocks=Clocks(settles_at=LATER + timedelta(seconds=10)))

    assert told(view, EVE)["Why it still waits"].startswith("All that it takes is there. It takes effect at <!date^")


def test_times_to_put_it_off_to_are_those_of_the_readers_clock_and_before_the_deadline():
    friday = datetime.fromisoformat("2026-01-09T17:30:00+00:00")

    here = choices(friday, "Europe/Berlin", None)
    there = choices(friday, "America/New_York", friday + timedelta(hours=20))

    assert [one.title for one in here] == [
        "In an hour, 19:30",
        "Tomorrow, Sat 10 Jan 09:00",
        "Monday, Mon 12 Jan 09:00",
    ]
    assert [one.title for one in there] == ["In an hour, 13:30", "This afternoon, 14:00"]
    assert choices(friday, "Mars/Olympus", friday + timedelta(minutes=20)) == []
    sunday = datetime.fromisoformat("2026-01-11T08:00:00+00:00")
    assert [one.title.partition(",")[0] for one in choices(sunday, None, None)] == [
        "In an hour",
        "This afternoon",
        "Tomorrow",
    ]


async def test_the_menu_of_a_card_explains_it_to_whoever_reads_it(sandbox, start_bot):
    ann, bob, dan, eve = (sandbox.person(name) for name in ("ann", "bob", "dan", "eve"))
    wait = Approval(ask="Ship it?", approvers=["bob@example.com", "@release-managers"], via=({"slack": "#releases"},))
    bot = await start_bot(Flow(flow="ask", steps=[Step(id="gate", approval=wait)]))
    run = await bot.begin("ask", ann)
    card = bob.message("Ship it?")

    for person, why in (
        (bob, "You are asked by name"),
        (dan, "You belong to <!subteam^"),
        (ann, "You asked for this yourself"),
        (eve, "You are not asked to decide this."),
    ):
        await person.select(card, "more", "Explain")
        modal = await person.gets_modal(why)
        assert modal.title == views.TITLE
    await bob.click(card, "Approve")

    assert await bot.status(run) == "succeeded"
    assert bob.now(card).buttons() == []
