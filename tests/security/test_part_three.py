"""What a hostile reader of part 3 looked for: somebody let in who must not be, something lost or done twice."""

from __future__ import annotations

import json
from datetime import timedelta

import aiohttp
import pytest

from bot.slack.views.plain_card import plain_card
from flows.definition import Approval, Flow, Step
from flows.effects import FireTimer, Note
from flows.errors import NotAllowed, NotAnApprover, NotVerified, SelfApproval
from flows.events import TimerFired
from flows.ids import Ids
from flows.people import Person
from flows.plan import Plan
from flows.run import Approvers, Close, Closing, Door, Kind, Run, Suspension, Timer, Verdict
from flows.store import outbox
from flows.testing import MONDAY, FlowTest
from flows.views import SuspensionView

ANN, BOB, CAY, DAN, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "eve"))
PEOPLE = [ANN, BOB, CAY, DAN, EVE, "fay@example.com"]


def flow(name: str = "ask", **wait) -> Flow:
    wait.setdefault("approvers", (BOB, CAY))
    return Flow(flow=name, steps=(Step(id="gate", approval=Approval(**wait)),))


def kit(*flows: Flow, **more) -> FlowTest:
    return FlowTest(*(flows or (flow(),)), people=PEOPLE, groups={"@leads": [CAY, DAN]}, **more)


async def who(t: FlowTest, handle: str) -> int:
    return (await t.crowd.meet(t.store, handle)).id


# -- standing in ----------------------------------------------------------------------------------------------


async def test_W11_the_requester_does_not_choose_who_answers_for_an_approver_by_handing_on():
    async with kit(flow(approvers=(BOB,))) as t:
        await t.delegate(BOB, ANN, until="7d")
        await t.delegate(ANN, DAN, until="7d")
        run = await t.start(by=ANN)
        view = run.suspension("gate")
        waiting = await t.engine.waiting_for(await who(t, DAN))
        inbox = await t.engine.inbox(await who(t, DAN))
        with pytest.raises(NotAnApprover):
            await t.engine.check_may_decide(view, await who(t, DAN))
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)

        assert (waiting, list(inbox.items)) == ([], [])
        assert [mail.person.email for mail in t.mails] == [BOB]


async def test_W11_an_admin_who_asks_hands_nobodys_approvals_to_somebody_of_their_choice():
    async with kit(flow(approvers=(BOB,)), admins=[ANN]) as t:
        ann, bob, dan = [await who(t, one) for one in (ANN, BOB, DAN)]
        now = t.clock.now()
        await t.engine.delegate(bob, dan, now, now + timedelta(days=7), by=ann)
        run = await t.start(by=ANN)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=DAN)
        theirs = await t.start(by=EVE)
        await t.approve(theirs, by=DAN)

        assert theirs.outcome == "succeeded"


async def test_W11_an_admin_who_asks_reassigns_nobodys_seat():
    async with kit(flow(approvers=(BOB,)), admins=[ANN]) as t:
        ann, bob, dan = [await who(t, one) for one in (ANN, BOB, DAN)]
        run = await t.start(by=ANN)
        with pytest.raises(SelfApproval):
            await t.engine.reassign(run.number, 1, bob, dan, ann, door=Door.API)


async def test_W11_who_turns_out_to_be_the_requester_has_answered_for_nobody():
    async with kit(flow(quorum=2)) as t:
        await t.delegate(BOB, DAN, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        await t.merge(ANN, DAN)
        counted = run.suspension("gate").approvals
        await t.approve(run, by=CAY)

        assert (counted, run.status) == (0, "waiting")


async def test_S12_who_turns_out_to_have_stood_in_for_two_counts_once():
    fay = "fay@example.com"
    async with FlowTest(flow(quorum=3, approvers=(BOB, CAY, fay)), people=PEOPLE) as t:
        await t.delegate(BOB, DAN, until="7d")
        await t.delegate(CAY, EVE, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        await t.approve(run, by=EVE)
        await t.merge(DAN, EVE)
        one = run.suspension("gate").approvals
        await t.approve(run, by=fay)

        assert (one, run.status) == (1, "waiting")


async def test_who_stood_in_changes_nothing_once_that_is_over():
    async with kit(flow(quorum=2)) as t:
        first = await t.delegate(BOB, DAN, until="7d")
        run = await t.start(by=ANN)
        await t.approve(run, by=DAN)
        await t.engine.end_delegation(first.id, await who(t, BOB))
        with pytest.raises(NotAnApprover):
            await t.reject(run, by=DAN, comment="no")

        assert (run.status, run.suspension("gate").approvals) == ("waiting", 1)


async def test_a_member_of_a_group_makes_no_more_seats_by_letting_others_be_asked():
    async with kit(flow(approvers=("@leads",), quorum=2)) as t:
        run = await t.start(by=ANN)
        cay, eve, bob = await who(t, CAY), await who(t, EVE), await who(t, BOB)
        await t.delegate(CAY, "fay@example.com", until="7d")
        await t.engine.reassign(run.number, 1, cay, eve, cay, door=Door.SLACK)
        await t.settle()
        for relieved in (CAY, "fay@example.com"):
            with pytest.raises(NotAnApprover):
                await t.approve(run, by=relieved)
        with pytest.raises(NotAnApprover):
            await t.engine.reassign(run.number, 1, cay, bob, cay, door=Door.SLACK)
        await t.approve(run, by=EVE)
        await t.nudge(run, by=ANN)

        assert (run.status, run.suspension("gate").approvals) == ("waiting", 1)
        assert noted(t, Note.NUDGE) == [DAN]
        assert await t.engine.waiting_for(cay) == []
        assert (await t.engine.inbox(cay)).items == ()


# -- links ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verify", ["code", "slack"])
async def test_S4_a_link_alone_takes_no_answer_back_where_the_flow_asks_for_more(verify):
    async with kit(flow(quorum=2, verify=verify)) as t:
        run = await t.start(by=ANN)
        bob = await who(t, BOB)
        await t.engine.decide(run.number, 1, bob, Verdict.APPROVE, door=Door.SLACK)
        with pytest.raises(NotVerified):
            await t.engine.decide(run.number, 1, bob, Verdict.WITHDRAW, door=Door.PAGE)
        await t.settle()

        assert run.suspension("gate").approvals == 1


# -- lost, or said to the wrong one -----------------------------------------------------------------------------


def noted(t: FlowTest, note: Note) -> list[str]:
    return [one.person.email for one in t.notes if one.note is note and one.person is not None]


async def test_an_escalation_relieves_nobody_where_too_few_would_be_left():
    replaces = {"after": "1h", "to": [DAN], "mode": "replace"}
    async with kit(flow(quorum=2, escalate=[replaces])) as t:
        run, other = await t.start(by=ANN), await t.start(by=ANN)
        await t.approve(other, by=BOB)
        await t.advance("2h")
        await t.approve(run, by=DAN)
        await t.approve(run, by=BOB)
        with pytest.raises(NotAnApprover):
            await t.approve(other, by=CAY)
        await t.approve(other, by=DAN)

        assert (run.outcome, other.outcome) == ("succeeded", "succeeded")


async def test_who_stands_in_is_reminded_asked_later_and_finds_what_was_handed_on_to_them():
    later = {"after": "3h", "to": [CAY]}
    async with kit(flow(approvers=(BOB,), remind="1h", escalate=[later])) as t:
        await t.delegate(BOB, DAN, until="7d")
        await t.delegate(CAY, EVE, until="7d")
        run = await t.start(by=ANN)
        await t.advance("2h")
        reminded = noted(t, Note.REMINDER)
        await t.nudge(run, by=ANN)
        await t.advance("2h")
        asked = [mail.person.email for mail in t.mails]
        await t.delegate(DAN, "fay@example.com", until="7d")
        waits = await t.engine.waiting_for(await who(t, "fay@example.com"))

        assert (reminded, noted(t, Note.NUDGE)) == ([BOB, DAN], [BOB, DAN])
        assert asked == [BOB, DAN, CAY, EVE]
        assert [view.run.id for view in waits] == [run.number]


@pytest.mark.parametrize("approver", [BOB, "@leads"])
async def test_who_stands_in_may_ask_first_and_put_it_off(approver):
    async with kit(flow(approvers=(approver,), questions="stop_clock")) as t:
        await t.delegate(BOB if approver == BOB else CAY, EVE, until="7d")
        run = await t.start(by=ANN)
        await t.ask(run, "Why?", by=EVE)
        await t.snooze(run, by=EVE, until="2h")
        await t.answer(run, "Because.", by=ANN)
        await t.advance("3h")
        with pytest.raises(NotAnApprover):
            await t.ask(run, "Why?", by="fay@example.com")
        with pytest.raises(SelfApproval):
            await t.ask(run, "Why?", by=ANN)

        assert (noted(t, Note.ANSWER), noted(t, Note.WOKEN)) == ([EVE], [EVE])


async def test_questions_that_nobody_answers_stop_the_clock_for_one_timeout_however_many_there_are():
    async with kit(flow(questions="stop_clock", timeout="1d")) as t:
        run = await t.start(by=ANN)
        for _ in range(4):
            await t.ask(run, "Why?", by=BOB)
            await t.advance("23h")
            if run.status == "waiting":
                await t.advance("2h")
            if run.status != "waiting":
                break

        assert run.outcome == "expired"


async def test_who_was_relieved_hears_no_more_of_what_they_had_put_off():
    async with kit(flow(approvers=(BOB, CAY), quorum=2, timeout="7d"), admins=[EVE]) as t:
        run = await t.start(by=ANN)
        await t.snooze(run, by=BOB, until="2h")
        bob, dan, eve = [await who(t, one) for one in (BOB, DAN, EVE)]
        await t.engine.reassign(run.number, 1, bob, dan, eve, door=Door.API)
        await t.settle()
        await t.advance("3h")

        assert noted(t, Note.WOKEN) == []


async def test_R16_a_member_of_a_group_does_not_hand_their_seat_to_another_of_its_members():
    async with kit(flow(approvers=("@leads",), quorum=2)) as t:
        run = await t.start(by=ANN)
        cay, dan, eve = await who(t, CAY), await who(t, DAN), await who(t, EVE)
        with pytest.raises(NotAllowed, match="Dan is asked already"):
            await t.engine.reassign(run.number, 1, cay, dan, cay, door=Door.SLACK)
        await t.engine.reassign(run.number, 1, cay, eve, cay, door=Door.SLACK)
        await t.engine.reassign(run.number, 1, eve, cay, eve, door=Door.SLACK)
        await t.approve(run, by=CAY)
        await t.approve(run, by=DAN)

        assert run.outcome == "succeeded"


async def test_a_seat_that_goes_to_and_fro_is_told_each_time():
    async with kit(flow(approvers=(BOB,))) as t:
        run = await t.start(by=ANN)
        bob, dan = await who(t, BOB), await who(t, DAN)
        for person, to in ((bob, dan), (dan, bob), (bob, dan)):
            await t.engine.reassign(run.number, 1, person, to, person, door=Door.SLACK)
            await t.settle()

        assert [mail.person.email for mail in t.messenger.mails] == [BOB, DAN, BOB, DAN]


async def test_R14_a_clock_that_steps_back_loses_no_answer_that_settles_while_a_question_is_open():
    async with kit(flow(quorum=1, settle="1m", questions="stop_clock", timeout="2d")) as t:
        run = await t.start(by=ANN)
        await t.ask(run, "Why?", by=BOB)
        await t.approve(run, by=CAY)
        # Told too early, and done with.
        (timer,) = [
            one
            for one in await t.store.read(
                lambda c, _: [outbox.get(c, row[0]) for row in c.execute("SELECT id FROM effects")]
            )
            if one is not None and isinstance(one.effect, FireTimer) and one.effect.timer is Timer.SETTLE
        ]
        await t.store.transact(run.number, TimerFired("gate", 1, timer=Timer.SETTLE), settles=timer.id)
        await t.advance("2m")

        assert run.outcome == "succeeded"


@pytest.mark.parametrize("restarts", [False, True])
async def test_R5_what_settles_in_a_paused_run_takes_effect_and_goes_on_when_it_may(restarts):
    async with kit(
        Flow(flow="ask", steps=(*flow(settle="1m", approvers=(BOB,)).steps, Step(id="log", uses="log")))
    ) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        await t.pause(run, by=ANN)
        if restarts:
            await t.restart(down="5m")
        await t.advance("2m")
        before = len(run.calls("log")), run.status
        await t.unpause(run, by=ANN)

        assert (before, len(run.calls("log")), run.outcome) == ((0, "paused"), 1, "succeeded")


@pytest.mark.parametrize("restarts", [False, True])
async def test_R7_cancelled_or_superseded_while_it_settles_is_over(restarts):
    by_key = flow(settle="1m", approvers=(BOB,)).model_copy(update={"supersede": "same"})
    async with kit(by_key) as t:
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        newer = await t.start(by=ANN)
        if restarts:
            await t.restart(down="5m")
        await t.advance("2m")
        await t.approve(newer, by=BOB)
        await t.cancel(newer, by=ANN)
        await t.advance("2m")

        assert (run.outcome, newer.outcome) == ("cancelled", "cancelled")


async def test_R6_a_deadline_that_passes_while_an_answer_settles_is_not_forgotten_when_that_is_taken_back():
    async with kit(flow(settle="10m", questions="stop_clock", timeout="1h")) as t:
        run = await t.start(by=ANN)
        await t.advance("59m")
        await t.ask(run, "Why?", by=BOB)
        await t.advance("30m")
        await t.approve(run, by=CAY)
        await t.advance("1m")
        await t.answer(run, "Because.", by=ANN)
        await t.advance("2m")
        await t.withdraw(run, by=CAY)
        await t.advance("20m")

        assert run.outcome == "expired"


# -- through the doors ----------------------------------------------------------------------------------------

GATE = """
flow: gate
steps:
  - id: ask
    approval: {ask: "Ship it?", approvers: [bob@example.com], via: {slack: "#general"}}
"""


@pytest.mark.parametrize("sort", ["guest", "bot", "stranger"])
async def test_S3_nobody_hands_their_seat_to_whom_a_flow_would_have_to_name(serve, sandbox, sort):
    other = sandbox.add_person("gus", "Gus Guest", sort=sort, channels=["general"])
    bot = await serve(gate=GATE)
    run = await bot.start("gate")

    days = {"starts": "2026-01-05", "until": "2026-01-09"}
    handed = await bot.api("bob", "POST", "delegations", {"delegate": other.id, **days})
    passed_on = await bot.api("bob", "POST", f"approvals/{bot.approval_id(run)}/reassign", {"to": other.id})
    await other.click(other.message("Ship it?"), "Approve")
    await bot.settled()

    assert (handed.status, passed_on.status) == (403, 403), (handed, passed_on)
    assert "Gus Guest" in handed.said
    assert "Gus Guest" in passed_on.said
    assert await bot.standing(run) == {}


async def test_S4_a_cookie_that_nobody_made_is_none(serve):
    bot = await serve(gate=GATE.replace("via:", "verify: slack, via:"))
    run = await bot.start("gate")
    link = await bot.link(run, "bob")
    found = []
    for forged in ("999999999999999.x", "9" * 15, "\u0663.x", "-1.x", "", "0."):
        cookies = {"signoff_slack": forged, "signoff_code": forged}
        async with aiohttp.ClientSession(cookies=cookies) as session, session.get(link) as response:
            found.append(response.status)

    assert found == [200] * len(found)


def test_S6_a_name_does_not_ping_a_channel_where_the_plain_card_says_who_closed_it():
    bob = Person(2, "<!channel> Bob", "bob@example.com")
    wait = Approval(approvers=("bob@example.com",))
    plan = Plan.of(Flow(flow="ask", steps=(Step(id="gate", approval=wait),)))
    closing = Closing(Close.APPROVED, MONDAY, (2,))
    suspension = Suspension(1, "gate", Kind.APPROVAL, MONDAY, None, approvers=Approvers((2,)), closing=closing)
    run = Run(1, "ask", 1, {}, started_at=MONDAY)
    view = SuspensionView(plan, run, suspension, (), {1: Person(1, "Ann"), 2: bob})

    shown = plain_card(view, Ids(b"0" * 32, "https://signoff.example.com"))

    assert "<!channel>" not in json.dumps(shown.blocks)


async def test_S12_who_was_merged_sends_their_own_request_in_anew():
    async with kit(flow(approvers=(BOB,))) as t:
        run = await t.start(by=ANN)
        await t.reject(run, by=BOB, comment="no")
        one = await t.merge(EVE, ANN)
        again, _ = await t.engine.start("ask", one.id, {}, resubmits=run.number)

        assert again.resubmits == run.number
