"""What only one person sees: the answer to a click or a command, and the message that says how their run has ended."""

from __future__ import annotations

from bot.slack.views import answers, kit
from bot.slack.views.answer import Answer, told
from bot.slack.views.card import Shown
from bot.slack.views.ending import ending
from flows.errors import NotAnApprover
from flows.run import Close, Outcome, Verdict
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    ANN,
    BOB,
    CARD,
    CAT,
    DIGEST,
    IDS,
    LONGEST_CARD,
    PAGE,
    a_request,
    a_run,
    closed,
    ended,
    largest_request,
    largest_run,
)

REFERENCE = f"{IDS.suspension(7, 1)}:{DIGEST.hex()}"


@state(told, answers.counted)
def answer_counted() -> list[kit.Block]:
    return told(Answer(answers.counted(Verdict.APPROVE, "1 of 2 approvals", chosen=" (Canary)"), REFERENCE))


@state(told)
def answer_with_a_page() -> list[kit.Block]:
    return told(Answer("This form has a secret, which Slack would keep. Fill it in on your page.", page=PAGE))


@state(answers.counted)
def answer_taken_back() -> str:
    return answers.counted(Verdict.WITHDRAW, "0 of 2 approvals")


@state(answers.refused)
def answer_refused_S6() -> str:
    return answers.refused(NotAnApprover("You are not one of <!channel> who may decide this; Bob & Cat are."))


@state(answers.closed)
def answer_closed() -> str:
    return answers.closed(a_request(closing=closed(Close.APPROVED, BOB, CAT)), IDS)


@state(ending)
def ending_succeeded() -> Shown:
    return ending(a_run(ending=ended(Outcome.SUCCEEDED)), ANN, None)


@state(ending)
def ending_rejected_K6() -> Shown:
    return ending(a_run(ending=ended(Outcome.REJECTED, CAT, reason="Not on a Friday, & not <today>.")), ANN, CARD)


@state(ending)
def ending_cancelled() -> Shown:
    return ending(a_run(ending=ended(Outcome.CANCELLED, ANN)), ANN, CARD)


@largest(told)
def answer_largest(letter: str) -> list[kit.Block]:
    return told(Answer(letter * 20_000 if letter.strip() else f"{letter}x", REFERENCE, f"{PAGE}{'x' * 2_000}"))


@largest(answers.counted)
def answer_counted_largest(letter: str) -> list[kit.Block]:
    return told(Answer(answers.counted(Verdict.APPROVE, letter * 3_000, chosen=letter * 80), REFERENCE))


@largest(answers.refused)
def answer_refused_largest(letter: str) -> str:
    return answers.refused(NotAnApprover(f"x{letter * 20_000}"))


@largest(answers.closed)
def answer_closed_largest(letter: str) -> str:
    return answers.closed(largest_request(letter, closed=True), IDS)


@largest(ending)
def ending_largest(letter: str) -> Shown:
    view = largest_run(letter)
    return ending(view, ANN, LONGEST_CARD)
