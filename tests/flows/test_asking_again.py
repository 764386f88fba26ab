"""What happens to a wait besides answers: reminders, escalation, nudges, snoozing, reassigning, questions, and undoing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from flows.definition import Approval, Flow, Step
from flows.effects import Note
from flows.errors import (
    Closed,
    InvalidForm,
    NotAllowed,
    NotAnApprover,
    NotVerified,
    NotWaiting,
    RunFinished,
    SelfApproval,
    TooSoon,
    UnknownRun,
)
from flows.people import Person
from flows.run import Door, Verdict
from flows.testing import MONDAY, FlowTest

ANN, BOB, CAY, DAN, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "eve"))
PEOPLE = [ANN, BOB, CAY, DAN, EVE]
GROUPS = {"@leads": [CAY, DAN]}


def flow(**wait) -> Flow:
    wait.setdefault("approvers", (BOB, CAY))
    tell = Step(id="tell", uses="log", with_={"who": "{{ approvers | join(', ') }}"})
    return Flow(flow="ask", steps=(Step(id="gate", approval=Approval(**wait)), tell))


def kit(*flows: Flow, **more) -> FlowTest:
    return FlowTest(*(flows or (flow(),)), people=PEOPLE, groups=GROUPS, **more)


async def who(t: FlowTest, address: str) -> int:
    return (await t.crowd.meet(t.store, address)).id


def noted(t: FlowTest, note: Note) -> list[str | None]:
    return [one.person.email if one.person else None for one in t.messenger.notes if one.note is note]


async def facts(t: FlowTest, run, kind: str) -> list[dict]:
    entries = [json.loads(entry.payload) for entry in await t.ledger(run)]
    return [fact for entry in entries for fact in entry["facts"] if fact["is"] == kind]


# -- reminders ------------------------------------------------------------------------------------------------


async def test_reminders_come_when_the_flow_says_to_those_who_have_not_answered_and_end():
    async with kit(flow(quorum=2, remind={"first": "4h", "every": "1d", "up_to": 2})) as t:
        run = await t.start(by=ANN)
        await t.advance("3h59m")
        early = noted(t, Note.REMINDER)
        await t.advance("1m")
        first = noted(t, Note.REMINDER)
        await t.approve(run, by=BOB)
        await t.advance("1d")
        both = noted(t, Note.REMINDER)
        await t.advance("3d")

        assert (early, first, both) == ([], [BOB, CAY], [BOB, CAY, CAY])
        assert noted(t, Note.REMINDER) == both
        assert [fact["count"] for fact in await facts(t, run, "Reminded")] == [1, 2]
        assert run.status == "waiting"


async def test_members_of_a_group_are_reminded_as_they_are_then():
    async with kit(flow(approvers=("@leads",), remind="1h")) as t:
        await t.start(by=ANN)
        t.crowd.group("@leads", [DAN, EVE])
        await t.advance("1h")

        assert noted(t, Note.REMINDER) == [DAN, EVE]


async def test_nobody_is_reminded_of_what_was_decided():
    async with kit(flow(remind="1h")) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.advance("2h")

        assert t.messenger.notes == []


async def test_in_working_hours_each_is_reminded_when_they_work_and_the_deadline_is_their_working_time():
    berlin = Person(0, "Bob", BOB, tz="Europe/Berlin")
    york = Person(0, "Cay", CAY, tz="America/New_York")
    friday = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)  # 17:00 in Berlin, 11:00 in New York
    asks = flow(quorum=2, timeout="1d", remind="2h", working_hours={"to": "18:00", "holidays": "DE"})
    async with FlowTest(asks, people=[ANN, berlin, york], now=friday) as t:
        run = await t.start(by=ANN)
        await t.advance("1h59m")
        nobody = noted(t, Note.REMINDER)
        await t.advance("1m")  # 13:00 in New York; in Berlin two working hours end on Monday at 10:00
        york_only = noted(t, Note.REMINDER)
        due = run.suspension("gate").suspension.due
        await t.advance(datetime(2026, 11, 23, 8, 0, tzinfo=UTC) - t.clock.now())  # Monday, 9:00 in Berlin

        assert (nobody, york_only) == ([], [CAY])
        assert noted(t, Note.REMINDER) == [CAY, BOB]
        assert due == datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # Monday, 11:00 in New York: the later of the two


# -- escalation -----------------------------------------------------------------------------------------------


async def test_where_nobody_answers_others_are_asked_too():
    async with kit(flow(approvers=(BOB,), escalate={"after": "2h", "to": [DAN]})) as t:
        run = await t.start(by=ANN)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)
        await t.advance("2h")
        told, mails = noted(t, Note.ESCALATED), [mail.person.email for mail in t.messenger.mails]
        await t.approve(run, by=DAN)

        assert (told, mails) == ([ANN], [BOB, DAN])
        assert run.outcome == "succeeded"
        assert [call.params["who"] for call in run.calls("log")] == ["Dan"]


async def test_who_was_replaced_may_not_answer_any_more_and_what_they_said_stands():
    steps = [{"after": "1h", "to": ["@leads"], "mode": "replace"}, {"after": "3h", "to": EVE}]
    async with kit(flow(approvers=(BOB, ANN), quorum=2, self_approval=True, escalate=steps)) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.advance("1h")
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=ANN)
        await t.advance("2h")
        await t.approve(run, by=EVE)

        assert [mail.person.email for mail in t.messenger.mails] == [BOB, ANN, CAY, DAN, EVE]
        assert run.outcome == "succeeded"
        assert [fact["replaced"] for fact in await facts(t, run, "Escalated")] == [True, False]


async def test_who_has_answered_for_a_group_that_was_replaced_may_still_change_their_mind():
    steps = [{"after": "1h", "to": [BOB, EVE], "mode": "replace"}]
    async with kit(flow(approvers=("@leads",), quorum=2, escalate=steps)) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=CAY)
        await t.advance("1h")
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)
        await t.withdraw(run, by=CAY)
        waiting = await t.engine.waiting_for(await who(t, CAY))
        await t.approve(run, by=CAY)
        await t.approve(run, by=EVE)

        assert [view.run.id for view in waiting] == [run.number]
        assert run.outcome == "succeeded"


async def test_R7b_who_has_left_before_others_were_to_be_asked_is_not_waited_for():
    async with kit(flow(approvers=(BOB,), quorum=1, escalate={"after": "2h", "to": [DAN, EVE]})) as t:
        run = await t.start(by=ANN)
        t.crowd.leave(DAN)
        await t.advance("2h")

        left = run.suspension("gate").suspension.approvers
        assert left.people == (await who(t, BOB), await who(t, EVE))
        assert left.gaps == (("Dan", "has left Slack"),)
        assert run.status == "waiting"


async def test_R7b_where_all_who_take_over_have_left_it_is_said_at_once_and_by_name():
    async with kit(flow(approvers=(BOB,), escalate={"after": "2h", "to": [DAN], "mode": "replace"})) as t:
        run = await t.start(by=ANN)
        t.crowd.leave(DAN)
        await t.advance("2h")

        assert run.outcome == "failed"
        assert "not counted: Dan (has left Slack)" in run.reason


async def test_who_was_relieved_is_asked_by_no_group_that_is_asked_later_and_by_name_again():
    steps = [{"after": "1h", "to": "@leads"}, {"after": "2h", "to": CAY}]
    async with kit(flow(approvers=(BOB, CAY), quorum=2, escalate=steps)) as t:
        run = await t.start(by=ANN)
        await t.reassign(run, by=CAY, to=EVE)
        await t.advance("1h")
        with pytest.raises(NotAnApprover, match="in your place"):
            await t.approve(run, by=CAY)
        asked = [mail.person.email for mail in t.messenger.mails]
        await t.advance("1h")
        await t.approve(run, by=CAY)
        await t.approve(run, by=DAN)

        assert asked == [BOB, CAY, EVE, DAN]
        assert run.outcome == "succeeded"


async def test_an_escalation_to_nobody_but_the_requester_is_refused_at_once():
    async with kit(flow(escalate={"after": "1h", "to": ANN})) as t:
        run = await t.start(by=ANN)

        assert run.outcome == "failed"
        assert "`escalate` names nobody but who started the run" in run.reason


# -- nudging, snoozing, reassigning ---------------------------------------------------------------------------


async def test_the_requester_nudges_at_most_once_an_hour():
    async with kit(flow(quorum=2)) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.nudge(run, by=ANN)
        with pytest.raises(TooSoon, match="again in 60 min"):
            await t.nudge(run, by=ANN)
        with pytest.raises(NotAllowed, match="who started this run"):
            await t.nudge(run, by=BOB)
        await t.advance("1h")
        await t.nudge(run, by=ANN)
        await t.settle()

        assert noted(t, Note.NUDGE) == [CAY, CAY]
        keys = [one.key for one in t.messenger.notes]
        assert len(set(keys)) == 2
        await t.approve(run, by=CAY)
        with pytest.raises(RunFinished):
            await t.engine.nudge(run.number, 1, await who(t, ANN), door=Door.SLACK)


async def test_who_snoozes_hears_nothing_of_it_until_then_and_then_hears_of_it():
    async with kit(flow(quorum=2, remind={"first": "1h", "every": "1h"})) as t:
        run = await t.start(by=ANN)
        await t.snooze(run, by=BOB, until="90m")
        with pytest.raises(NotAnApprover):
            await t.snooze(run, by=DAN, until="1h")
        with pytest.raises(InvalidForm, match="after the deadline"):
            await t.snooze(run, by=BOB, until="30d")
        await t.advance("1h")
        first = noted(t, Note.REMINDER)
        await t.advance("30m")
        woken = noted(t, Note.WOKEN)
        await t.advance("30m")

        assert (first, woken) == ([CAY], [BOB])
        assert noted(t, Note.REMINDER) == [CAY, BOB, CAY]


async def test_an_approver_lets_somebody_else_be_asked_in_their_place():
    async with kit(flow(quorum="all")) as t:
        run = await t.start(by=ANN)
        ann, bob, dan, eve = [await who(t, one) for one in (ANN, BOB, DAN, EVE)]
        with pytest.raises(NotAllowed, match="Only the person who is asked, or an admin"):
            await t.engine.reassign(run.number, 1, bob, eve, dan, door=Door.SLACK)
        with pytest.raises(SelfApproval):
            await t.engine.reassign(run.number, 1, bob, ann, bob, door=Door.SLACK)
        with pytest.raises(NotAllowed, match="asked already"):
            await t.engine.reassign(run.number, 1, bob, await who(t, CAY), bob, door=Door.SLACK)
        await t.engine.reassign(run.number, 1, bob, dan, bob, door=Door.SLACK)
        await t.settle()
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=BOB)
        await t.approve(run, by=DAN)
        await t.approve(run, by=CAY)

        assert run.outcome == "succeeded"
        assert [call.params["who"] for call in run.calls("log")] == ["Dan, Cay"]
        assert noted(t, Note.REASSIGNED) == [ANN]
        assert [mail.person.email for mail in t.messenger.mails] == [BOB, CAY, DAN]
        assert [(fact["person"], fact["to"], fact["by"]) for fact in await facts(t, run, "Reassigned")] == [
            (bob, dan, bob)
        ]


async def test_a_seat_in_a_nested_quorum_goes_to_who_is_asked_instead():
    rule = {"all": [BOB, {"any": [CAY, DAN]}]}
    async with kit(flow(approvers=(), quorum=rule)) as t:
        run = await t.start(by=ANN)
        bob, eve = await who(t, BOB), await who(t, EVE)
        await t.engine.reassign(run.number, 1, bob, eve, bob, door=Door.SLACK)
        await t.settle()
        await t.approve(run, by=DAN)
        waiting = run.status
        await t.approve(run, by=EVE)

        assert (waiting, run.outcome) == ("waiting", "succeeded")


# -- questions ------------------------------------------------------------------------------------------------


async def test_a_question_stops_the_clock_where_the_flow_says_so_until_it_is_answered():
    async with kit(flow(timeout="2h", questions="stop_clock", remind="90m")) as t:
        run = await t.start(by=ANN)
        ann, bob, dan = [await who(t, one) for one in (ANN, BOB, DAN)]
        await t.advance("1h")
        with pytest.raises(NotAnApprover):
            await t.engine.ask(run.number, 1, dan, "What is it?", door=Door.SLACK)
        with pytest.raises(NotWaiting):
            await t.engine.answer(run.number, 1, ann, "Nobody has asked.", door=Door.SLACK)
        await t.engine.ask(run.number, 1, bob, "Which version?", door=Door.SLACK)
        await t.settle()
        await t.advance("90m")
        still = run.status
        with pytest.raises(NotAllowed):
            await t.engine.answer(run.number, 1, dan, "1.2", door=Door.SLACK)
        await t.engine.answer(run.number, 1, ann, "1.2", door=Door.SLACK)
        await t.settle()
        due = run.suspension("gate").suspension.due
        await t.advance("59m59s")
        before = run.status
        await t.advance("1s")

        assert (still, before, run.outcome) == ("waiting", "waiting", "expired")
        assert due == MONDAY + timedelta(hours=3, minutes=30)
        assert (noted(t, Note.QUESTION), noted(t, Note.ANSWER)) == ([ANN], [BOB])
        (question,) = run.suspension("gate").questions
        assert (question.text, question.answer, question.open) == ("Which version?", "1.2", False)


async def test_without_that_word_a_question_stops_nothing_and_who_decides_asks_nothing_more():
    async with kit(flow(timeout="2h")) as t:
        run = await t.start(by=ANN)
        await t.engine.ask(run.number, 1, await who(t, BOB), "Which version?", door=Door.SLACK)
        await t.advance("2h")
        assert run.outcome == "expired"


async def test_a_question_that_nobody_answers_stops_the_clock_for_one_timeout_at_most():
    async with kit(flow(timeout="2h", questions="stop_clock")) as t:
        run = await t.start(by=ANN)
        await t.advance("1h")
        await t.engine.ask(run.number, 1, await who(t, BOB), "Hello?", door=Door.SLACK)
        await t.advance("2h59m")
        before = run.status
        await t.advance("1m")

        assert (before, run.outcome) == ("waiting", "expired")


async def test_who_asked_and_then_decides_lets_the_clock_go_on():
    async with kit(flow(timeout="2h", quorum=2, questions="stop_clock")) as t:
        run = await t.start(by=ANN)
        await t.engine.ask(run.number, 1, await who(t, BOB), "Which version?", door=Door.SLACK)
        await t.advance("1h")
        await t.approve(run, by=BOB)
        await t.advance("2h")

        assert run.outcome == "expired"


# -- the time to undo -----------------------------------------------------------------------------------------


async def test_what_completes_it_takes_effect_after_the_time_to_undo_it():
    async with kit(flow(quorum=2, settle="10s")) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.approve(run, by=CAY)
        settling = (run.status, run.suspension("gate").suspension.clocks.settles_at)
        await t.advance("5s")
        await t.withdraw(run, by=CAY)
        await t.advance("1m")
        undone = run.status
        await t.approve(run, by=CAY)
        await t.advance("10s")

        assert settling == ("waiting", MONDAY + timedelta(seconds=10))
        assert (undone, run.outcome) == ("waiting", "succeeded")
        assert [fact.get("until") is None for fact in await facts(t, run, "Settling")] == [False, True, False]


async def test_a_rejection_can_be_undone_too_and_the_reason_is_kept():
    async with kit(flow(settle="10s")) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB, comment="too late")
        waiting = run.status
        await t.advance("10s")

        assert (waiting, run.outcome, run.reason) == ("waiting", "rejected", "too late")


async def test_the_deadline_does_not_undo_what_was_said_before_it():
    async with kit(flow(timeout="1h", settle="10m")) as t:
        run = await t.start(by=ANN)
        await t.advance("55m")
        await t.approve(run, by=BOB)
        await t.advance("5m")

        assert run.outcome == "succeeded"


async def test_an_answer_that_comes_after_that_time_finds_it_closed_even_where_the_timer_is_late():
    async with kit(flow(settle="10s")) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.runner.drain()
        t.clock.advance(timedelta(seconds=11))
        with pytest.raises(Closed, match="approved by Bob"):
            await t.engine.decide(run.number, 1, await who(t, CAY), Verdict.REJECT, door=Door.API)


# -- break-glass, and links that are not enough ---------------------------------------------------------------


async def test_a_wait_that_is_dropped_is_announced_and_never_an_approval():
    async with kit(admins=[EVE]) as t:
        run = await t.start(by=ANN)
        await t.drop(run, by=EVE, reason="production is down")

        assert run.outcome == "succeeded"
        assert noted(t, Note.DROPPED) == [ANN, BOB, CAY, None]
        assert [call.params["who"] for call in run.calls("log")] == [""]


@pytest.mark.parametrize(
    ("verify", "shown", "counts"),
    [
        ("code", None, False),
        ("code", "code", True),
        ("code", "slack", True),
        ("slack", "code", False),
        ("slack", "slack", True),
    ],
)
async def test_S4_a_personal_link_counts_where_its_holder_has_shown_who_they_are(verify, shown, counts):
    async with kit(flow(verify=verify)) as t:
        run = await t.start(by=ANN)
        bob = await who(t, BOB)
        say = t.engine.decide(run.number, 1, bob, Verdict.APPROVE, door=Door.PAGE, verified=shown)
        if counts:
            await say
        else:
            with pytest.raises(NotVerified):
                await say
        await t.settle()

        assert run.outcome == ("succeeded" if counts else None)


async def test_S4_other_doors_know_who_somebody_is():
    async with kit(flow(verify="slack")) as t:
        run = await t.start(by=ANN)
        await t.engine.decide(run.number, 1, await who(t, BOB), Verdict.APPROVE, door=Door.SLACK)
        await t.settle()

        assert run.outcome == "succeeded"


# -- anew -----------------------------------------------------------------------------------------------------


async def test_a_rejected_request_is_sent_in_anew_by_its_requester_alone():
    async with kit() as t:
        run = await t.start(by=ANN)
        ann, bob = await who(t, ANN), await who(t, BOB)
        with pytest.raises(NotAllowed, match="Only what was rejected"):
            await t.engine.start("ask", ann, {}, resubmits=run.number)
        await t.reject(run, by=BOB, comment="no")
        again, _ = await t.engine.start("ask", ann, {}, resubmits=run.number)

        assert again.resubmits == run.number
        with pytest.raises(UnknownRun):
            await t.engine.start("ask", bob, {}, resubmits=run.number)
