"""The modals around a decision: ask first, answer, put off, hand on, hand over, break the glass; and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta

from bot.slack.views import ask_modal as message
from bot.slack.views import delegation_modal as delegating
from bot.slack.views import kit
from bot.slack.views import question_modal as questions
from bot.slack.views import reassign_modal as reassigning
from bot.slack.views import start_modal as starting
from bot.slack.views.answer import Answer, told
from bot.slack.views.break_glass_modal import break_glass_modal
from bot.slack.views.snooze_modal import choices, snooze_modal
from flows.definition import Flow, Hold
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    ANN,
    BOB,
    CARD,
    CAT,
    DAN,
    EVE,
    IDS,
    LATER,
    LONGEST_CARD,
    NOON,
    PEOPLE,
    a_delegation,
    a_question,
    a_request,
    approval,
    largest_request,
    origin,
)
from tests.bot.views.surfaces.modals import VACATION

TODAY = date(2026, 1, 5)
DUE = NOON + timedelta(days=2)


def long_names(letter: str, count: int) -> list[Flow]:
    return [
        VACATION.model_copy(update={"flow": f"f{n:04d}".ljust(64, "x"), "title": letter * 150, "description": letter * 10_000})
        for n in range(count)
    ]  # fmt: skip


# -- questions and time -----------------------------------------------------------------------------------------


@state(questions.ask_modal)
def question_modal_that_stops_the_clock() -> kit.Block:
    view = a_request(approval(questions="stop_clock"))
    return questions.ask_modal(view, origin(view), IDS)


@state(questions.answer_modal)
def answer_modal_with_two_open_questions() -> kit.Block:
    asked = (a_question(BOB, "Has <security> seen it?"), a_question(CAT, "Why now?", place=2))
    view = replace(a_request(), questions=asked)
    return questions.answer_modal(view, origin(view), IDS)


@state(snooze_modal)
def snooze_modal_on_a_monday() -> kit.Block:
    view = a_request()
    return snooze_modal(view, origin(view), IDS, choices(NOON, BOB.tz, DUE), None)


@state(snooze_modal)
def snooze_modal_that_was_used_before() -> kit.Block:
    view = a_request()
    return snooze_modal(view, origin(view), IDS, choices(NOON, BOB.tz, DUE), LATER)


@state(snooze_modal)
def snooze_modal_just_before_the_deadline() -> kit.Block:
    view = a_request()
    return snooze_modal(view, origin(view), IDS, choices(DUE - timedelta(minutes=10), BOB.tz, DUE), None)


# -- others -----------------------------------------------------------------------------------------------------


@state(reassigning.reassign_modal)
def reassign_modal_for_who_is_asked() -> kit.Block:
    view = a_request()
    return reassigning.reassign_modal(view, origin(view), IDS, BOB)


@state(reassigning.reassign_modal)
def reassign_modal_for_an_admin() -> kit.Block:
    view = a_request()
    return reassigning.reassign_modal(view, origin(view), IDS, EVE, [BOB, CAT])


@state(reassigning.done)
def reassign_done() -> Answer:
    return reassigning.done(BOB, DAN, BOB)


@state(delegating.delegation_modal, delegating.when, delegating.about)
def delegation_modal_with_one_given_and_one_got() -> kit.Block:
    there = [a_delegation(BOB, DAN, ("release",)), a_delegation(CAT, BOB, id_=2)]
    return delegating.delegation_modal(BOB, there, PEOPLE, [VACATION], IDS, zone=UTC, today=TODAY, channel="C1")


@state(delegating.delegation_modal)
def delegation_modal_after_a_refusal() -> kit.Block:
    said = ":warning: That would lead back to you: Dan already answers for you."
    return delegating.delegation_modal(BOB, [], PEOPLE, [], IDS, zone=UTC, today=TODAY, channel=None, said=said)


@state(delegating.loading)
def delegation_modal_while_it_is_looked_up() -> kit.Block:
    return delegating.loading()


@state(delegating.done)
def delegation_done() -> Answer:
    return delegating.done(a_delegation(BOB, DAN), DAN, UTC)


@state(delegating.to_delegate)
def delegation_told_to_who_stands_in() -> Answer:
    return delegating.to_delegate(a_delegation(BOB, DAN, ("release", "vacation")), BOB, UTC, waiting=2)


@state(delegating.to_person)
def delegation_told_to_whose_it_is() -> Answer:
    return delegating.to_person(a_delegation(BOB, DAN), DAN, EVE, UTC)


@state(delegating.ended)
def delegation_ended_early() -> Answer:
    return delegating.ended(a_delegation(BOB, DAN), BOB, DAN, EVE)


@state(break_glass_modal)
def break_glass_modal_of_an_approval() -> kit.Block:
    view = a_request()
    return break_glass_modal(view, origin(view), IDS)


@state(break_glass_modal)
def break_glass_modal_of_a_hold() -> kit.Block:
    view = a_request(Hold(ask="Go on?"))
    return break_glass_modal(view, origin(view), IDS)


# -- shortcuts --------------------------------------------------------------------------------------------------


@state(starting.start_modal)
def start_modal_with_two_flows() -> kit.Block:
    return starting.start_modal([VACATION, a_request().plan.flow])


@state(starting.start_modal)
def start_modal_with_none() -> kit.Block:
    return starting.start_modal([])


@state(starting.loading)
def start_modal_while_it_is_looked_up() -> kit.Block:
    return starting.loading()


@state(message.ask_modal, message.plainly)
def ask_modal_for_a_message() -> kit.Block:
    text = message.plainly("<@U123|ann>: shall we &amp; <https://acme.com|this>?")
    return message.ask_modal(message.Message("C1", CARD), message.Filled(request=text))


@state(message.ask_modal)
def ask_modal_after_a_refusal() -> kit.Block:
    filled = message.Filled("Ship it?", ("UBOB00002",), ("@hr-leads",), "2", "1d")
    return message.ask_modal(message.Message("C1", CARD), filled, note="@hr-leads has nobody in it.")


@state(message.asking)
def ask_modal_while_it_is_asked() -> kit.Block:
    return message.asking()


@state(message.loading)
def ask_modal_while_it_is_looked_up() -> kit.Block:
    return message.loading()


# -- the largest ------------------------------------------------------------------------------------------------


@largest(questions.ask_modal)
def question_modal_largest(letter: str) -> kit.Block:
    view = largest_request(letter)
    return questions.ask_modal(view, origin(view), IDS)


@largest(questions.answer_modal)
def answer_modal_largest(letter: str) -> kit.Block:
    view = largest_request(letter)
    return questions.answer_modal(view, origin(view), IDS)


@largest(snooze_modal)
def snooze_modal_largest(letter: str) -> kit.Block:
    view = largest_request(letter)
    return snooze_modal(view, origin(view), IDS, choices(NOON, "America/Argentina/ComodRivadavia", None), LATER)


@largest(reassigning.reassign_modal)
def reassign_modal_largest(letter: str) -> kit.Block:
    view = largest_request(letter)
    people = [replace(ANN, id=n, name=f"x{letter * 300}") for n in range(1, 131)]
    return reassigning.reassign_modal(view, origin(view), IDS, people[0], people)


@largest(reassigning.done)
def reassign_done_largest(letter: str) -> Answer:
    person = replace(CAT, name=letter * 300)
    return reassigning.done(person, replace(person, id=9), BOB)


@largest(delegating.delegation_modal, delegating.when, delegating.about)
def delegation_modal_largest(letter: str) -> kit.Block:
    people = {person.id: replace(person, slack=None, name=letter * 300) for person in (ANN, BOB, CAT)}
    flows = long_names(letter, 150)
    there = [a_delegation(BOB, CAT, tuple(flow.flow for flow in flows), id_=n) for n in range(1, 101)]
    return delegating.delegation_modal(
        BOB, there, people, flows, IDS, zone=UTC, today=TODAY, channel="C" * 11, said=f"x{letter * 5_000}"
    )


@largest(delegating.done, delegating.to_delegate, delegating.to_person, delegating.ended)
def delegation_told_largest(letter: str) -> list[kit.Block]:
    one = a_delegation(BOB, DAN, tuple(flow.flow for flow in long_names(letter, 150)))
    who = replace(CAT, name=letter * 300)
    answers = [
        delegating.done(one, who, UTC),
        delegating.to_delegate(one, who, UTC, waiting=1_000),
        delegating.to_person(one, who, who, UTC),
        delegating.ended(one, who, who, who),
    ]
    return [block for answer in answers for block in told(answer)]


@largest(break_glass_modal)
def break_glass_modal_largest(letter: str) -> kit.Block:
    view = largest_request(letter)
    return break_glass_modal(view, origin(view), IDS)


@largest(starting.start_modal)
def start_modal_largest(letter: str) -> kit.Block:
    return starting.start_modal(long_names(letter, 100))


@largest(starting.start_modal)
def start_modal_largest_in_groups(letter: str) -> kit.Block:
    return starting.start_modal([flow.model_copy(update={"description": None}) for flow in long_names("x", 600)])


@largest(message.ask_modal)
def ask_modal_largest(letter: str) -> kit.Block:
    groups = tuple(f"@{letter * 80}" for _ in range(20)) if letter.strip() else ()
    filled = message.Filled(letter * 40_000, tuple(f"U{n:010d}" for n in range(20)), groups)
    return message.ask_modal(message.Message("C" * 11, LONGEST_CARD), filled, note=letter * 5_000)
