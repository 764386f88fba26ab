"""What stands in threads and direct messages beside the cards: entries, reminders, questions, answers to replies; and the
cards that stand in for a card."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.slack.views import notes, reply
from bot.slack.views.card import Shown
from bot.slack.views.entry import LISTED, entry
from bot.slack.views.no_longer_asked import no_longer_asked
from bot.slack.views.plain_card import plain_card
from bot.slack.views.retired import retired
from flows.definition import Hold
from flows.effects import Note
from flows.people import Person
from flows.run import Clocks, Close, Verdict
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    ANN,
    BOB,
    CARD,
    CAT,
    DAN,
    DIGEST,
    EVE,
    GROUPS,
    IDS,
    LATER,
    LONGEST_CARD,
    a_question,
    a_request,
    approval,
    closed,
    escalates,
    largest_request,
    said,
)

REFERENCE = f"{IDS.suspension(7, 1)}:{DIGEST.hex()}"
OPEN = a_question(BOB, "Has <security> seen it?")
ANSWERED = a_question(BOB, "Has <security> seen it?", answer="Yes, on *Monday*.")
FOR_CAT = replace(said(CAT, Verdict.APPROVE, "While she is away."), by=DAN.id)


# -- in a card's thread -----------------------------------------------------------------------------------------


@state(entry)
def entry_of_one_decision() -> Shown:
    view = a_request(decisions=(said(BOB, Verdict.APPROVE, "Checked."),))
    return entry(view, view.decisions, GROUPS)


@state(entry)
def entry_of_several_with_a_delegate() -> Shown:
    both = (said(BOB, Verdict.APPROVE), FOR_CAT)
    view = a_request(decisions=both, closing=closed(Close.APPROVED, BOB, CAT))
    return entry(view, view.decisions)


@state(entry)
def entry_while_it_can_be_undone() -> Shown:
    clocks = Clocks(settles_at=LATER + timedelta(seconds=10))
    view = a_request(approval(settle="10s"), decisions=(said(BOB, Verdict.APPROVE),), clocks=clocks)
    return entry(view, view.decisions)


@state(reply.told)
def reply_is_told() -> Shown:
    return reply.told("Counted: you approved. 1 of 2 approvals.")


@state(reply.like_a_verdict)
def reply_that_reads_like_a_verdict() -> Shown:
    return reply.like_a_verdict(a_request(), Verdict.APPROVE, "ok", REFERENCE)


@state(reply.like_a_verdict)
def reply_that_counts_once_confirmed() -> Shown:
    return reply.like_a_verdict(a_request(approval(thread_replies="count")), Verdict.REJECT, "nope", REFERENCE)


@state(reply.like_a_question)
def reply_that_may_be_a_question() -> Shown:
    return reply.like_a_question(a_request(approval(questions="stop_clock")), "Has security seen it?", REFERENCE)


@state(reply.like_a_question)
def reply_that_is_too_long_to_be_passed_on() -> Shown:
    return reply.like_a_question(a_request(), "x" * (reply.PASSED + 1), REFERENCE)


@state(reply.like_an_answer)
def reply_that_may_be_an_answer() -> Shown:
    return reply.like_an_answer(replace(a_request(), questions=(OPEN,)), "Yes, on Monday.", REFERENCE)


# -- in direct messages -----------------------------------------------------------------------------------------


@state(notes.reminder)
def note_that_reminds_below_the_card() -> Shown:
    return notes.reminder(a_request(), Note.REMINDER, BOB, link=CARD, reference=REFERENCE, threaded=True)


@state(notes.reminder)
def note_that_nudges() -> Shown:
    return notes.reminder(a_request(), Note.NUDGE, BOB, link=CARD, reference=REFERENCE, threaded=False)


@state(notes.reminder)
def note_that_wakes() -> Shown:
    return notes.reminder(
        a_request(Hold(ask="Go on?")), Note.WOKEN, BOB, link=None, reference=REFERENCE, threaded=False
    )


@state(notes.question)
def note_with_a_question_that_stops_the_clock() -> Shown:
    view = a_request(approval(questions="stop_clock"), clocks=Clocks(stopped_at=LATER))
    return notes.question(view, OPEN, link=CARD, reference=REFERENCE)


@state(notes.answer)
def note_with_the_answer() -> Shown:
    return notes.answer(a_request(), ANSWERED, BOB, link=CARD, threaded=False)


@state(notes.escalated)
def note_that_others_are_asked() -> Shown:
    return notes.escalated(a_request(clocks=escalates(DAN)), 1, link=CARD, groups=GROUPS)


@state(notes.reassigned)
def note_that_it_was_handed_on() -> Shown:
    return notes.reassigned(a_request(), link=CARD, groups=GROUPS)


@state(notes.dropped)
def note_that_it_goes_on_undecided() -> Shown:
    view = a_request(closing=closed(Close.DROPPED, EVE, reason="The <system> is gone."))
    return notes.dropped(view, IDS, link=CARD)


# -- in place of a card -----------------------------------------------------------------------------------------


@state(plain_card)
def plain_card_open() -> Shown:
    return plain_card(a_request(), IDS)


@state(plain_card)
def plain_card_closed() -> Shown:
    return plain_card(a_request(closing=closed(Close.REJECTED, CAT)), IDS)


@state(no_longer_asked)
def card_of_somebody_who_is_not_asked_any_more() -> Shown:
    return no_longer_asked(a_request(), groups=GROUPS)


@state(no_longer_asked)
def card_of_somebody_who_was_not_asked_any_more_when_it_ended() -> Shown:
    return no_longer_asked(a_request(closing=closed(Close.REJECTED, CAT)))


@state(retired)
def retired_card_R9b() -> Shown:
    return retired(CARD)


# -- the largest ------------------------------------------------------------------------------------------------


def _somebody(letter: str) -> Person:
    return replace(ANN, name=letter * 300)


@largest(entry)
def entry_largest(letter: str) -> Shown:
    view = largest_request(letter)
    return entry(view, (*view.decisions, *view.decisions)[: 2 * LISTED], {letter * 80: letter * 80})


@largest(reply.told)
def reply_told_largest(letter: str) -> Shown:
    return reply.told(f"x{letter * 3_000}")


@largest(reply.like_a_verdict)
def reply_that_reads_like_a_verdict_largest(letter: str) -> Shown:
    return reply.like_a_verdict(largest_request(letter), Verdict.APPROVE, letter * reply.PASSED, REFERENCE)


@largest(reply.like_a_verdict)
def reply_that_counts_largest(letter: str) -> Shown:
    view = a_request(approval(thread_replies="count"), ask=letter * 60_000)
    return reply.like_a_verdict(view, Verdict.APPROVE, letter * reply.PASSED, REFERENCE)


@largest(reply.like_a_question)
def reply_that_may_be_a_question_largest(letter: str) -> Shown:
    return reply.like_a_question(largest_request(letter), letter * reply.PASSED, REFERENCE)


@largest(reply.like_an_answer)
def reply_that_may_be_an_answer_largest(letter: str) -> Shown:
    return reply.like_an_answer(largest_request(letter), letter * reply.PASSED, REFERENCE)


@largest(notes.reminder)
def note_that_reminds_largest(letter: str) -> Shown:
    view = largest_request(letter)
    return notes.reminder(view, Note.NUDGE, _somebody(letter), link=LONGEST_CARD, reference=REFERENCE, threaded=False)


@largest(notes.question)
def note_with_a_question_largest(letter: str) -> Shown:
    view = largest_request(letter)
    return notes.question(view, view.questions[0], link=LONGEST_CARD, reference=REFERENCE)


@largest(notes.answer)
def note_with_the_answer_largest(letter: str) -> Shown:
    view = largest_request(letter)
    return notes.answer(view, view.questions[0], _somebody(letter), link=LONGEST_CARD, threaded=False)


@largest(notes.escalated)
def note_that_others_are_asked_largest(letter: str) -> Shown:
    return notes.escalated(largest_request(letter), 1, link=LONGEST_CARD)


@largest(notes.reassigned)
def note_that_it_was_handed_on_largest(letter: str) -> Shown:
    return notes.reassigned(largest_request(letter), link=LONGEST_CARD)


@largest(notes.dropped)
def note_that_it_goes_on_undecided_largest(letter: str) -> Shown:
    return notes.dropped(largest_request(letter, closed=True), IDS, link=LONGEST_CARD)


@largest(plain_card)
def plain_card_largest(letter: str) -> Shown:
    return plain_card(largest_request(letter), IDS)


@largest(no_longer_asked)
def card_of_somebody_who_is_not_asked_any_more_largest(letter: str) -> Shown:
    return no_longer_asked(largest_request(letter))


@largest(retired)
def retired_card_largest(letter: str) -> Shown:
    return retired(LONGEST_CARD)
