"""Mails, as text and as HTML."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.mail import render
from bot.mail.render import Envelope
from flows.definition import Hold
from flows.effects import Note
from flows.run import Clocks, Close, Outcome
from integrations.mail.layout import Letter
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    BOB,
    CAT,
    DAN,
    LATER,
    PAGE,
    a_question,
    a_request,
    a_run,
    approval,
    closed,
    ended,
    escalates,
    largest_request,
    largest_run,
)

PLAIN = Envelope(PAGE)
WITH_CODE = Envelope(PAGE, code="493 117", replies="ann@example.com")
LONGEST = Envelope(f"{PAGE}{'x' * 1_000}", code="493 117", replies=f"{'a' * 64}@{'b' * 63}.example.com")
ANSWERED = a_question(BOB, "Has <security> seen it?", answer="Yes, on Monday & Tuesday.")


@state(render.ask)
def mail_that_asks_W1() -> Letter:
    return render.ask(a_request(), BOB, PLAIN)


@state(render.ask)
def mail_that_asks_for_a_choice_a_reason_and_a_code_S5() -> Letter:
    options = ["canary", {"name": "everywhere", "label": "Everywhere & at once"}]
    return render.ask(a_request(approval(options=options, reason="both", verify="code")), CAT, WITH_CODE)


@state(render.ask)
def mail_that_asks_to_resume() -> Letter:
    return render.ask(a_request(Hold(ask="The upload is done. Go on?")), BOB, PLAIN)


@state(render.again)
def mail_that_reminds() -> Letter:
    return render.again(a_request(), Note.REMINDER, BOB, 2, PLAIN)


@state(render.again)
def mail_that_nudges() -> Letter:
    return render.again(a_request(), Note.NUDGE, BOB, 1, PLAIN)


@state(render.closed)
def mail_that_says_that_it_is_over() -> Letter:
    view = a_request(closing=closed(Close.REJECTED, CAT, reason="Not on a Friday."))
    return render.closed(view, BOB, PLAIN, now=LATER)


@state(render.answered)
def mail_with_the_answer_to_a_question() -> Letter:
    return render.answered(a_request(), ANSWERED, BOB, WITH_CODE)


@state(render.asked_first)
def mail_with_a_question() -> Letter:
    view = a_request(approval(questions="stop_clock"), clocks=Clocks(stopped_at=LATER))
    return render.asked_first(view, a_question(BOB, "Has <security> seen it?"), PLAIN)


@state(render.told)
def mail_that_others_are_asked() -> Letter:
    return render.told(a_request(clocks=escalates(DAN)), Note.ESCALATED, PLAIN, now=LATER)


@state(render.ending)
def mail_that_tells_the_outcome_K6() -> Letter:
    return render.ending(a_run(ending=ended(Outcome.REJECTED, CAT, reason="Not on a Friday, & not <today>.")), PLAIN)


@state(render.digest)
def mail_with_all_that_waits() -> Letter:
    waiting = [(a_request(), WITH_CODE), (a_request(Hold(ask="Go on?"), run=8), PLAIN)]
    return render.digest(waiting, BOB, timedelta(days=1))


@state(render.proof)
def mail_that_proves_a_connection() -> Letter:
    return render.proof("Eve Ellis", "signoff@example.com")


@largest(render.ask)
def mail_that_asks_largest(letter: str) -> Letter:
    return render.ask(largest_request(letter), replace(BOB, name=letter * 300), LONGEST)


@largest(render.again)
def mail_that_reminds_largest(letter: str) -> Letter:
    return render.again(largest_request(letter, value=10), Note.NUDGE, BOB, 50, LONGEST)


@largest(render.closed)
def mail_that_says_that_it_is_over_largest(letter: str) -> Letter:
    return render.closed(largest_request(letter, closed=True), BOB, LONGEST, now=LATER)


@largest(render.answered)
def mail_with_the_answer_largest(letter: str) -> Letter:
    view = largest_request(letter)
    return render.answered(view, view.questions[0], BOB, LONGEST)


@largest(render.asked_first)
def mail_with_a_question_largest(letter: str) -> Letter:
    view = largest_request(letter)
    return render.asked_first(view, view.questions[1], LONGEST)


@largest(render.told)
def mail_that_others_are_asked_largest(letter: str) -> Letter:
    return render.told(largest_request(letter), Note.ESCALATED, LONGEST, now=LATER)


@largest(render.ending)
def mail_that_tells_the_outcome_largest(letter: str) -> Letter:
    return render.ending(largest_run(letter), LONGEST)


@largest(render.digest)
def mail_with_all_that_waits_largest(letter: str) -> Letter:
    return render.digest([(largest_request(letter), LONGEST)] * 100, BOB, timedelta(days=1))


@largest(render.proof)
def mail_that_proves_a_connection_largest(letter: str) -> Letter:
    return render.proof(letter * 300, f"{'a' * 64}@example.com")
