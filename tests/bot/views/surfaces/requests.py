"""What somebody has asked for, as a list and as a message of its own, and what has happened in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.slack.views import history as telling
from bot.slack.views.card import Shown
from bot.slack.views.plain_request import plain_request
from bot.slack.views.requested import ITEMS, requested
from bot.slack.views.requester import requester, run_link
from flows.instants import to_ms
from flows.run import Close, Outcome, Paused, Verdict
from flows.views import RunView
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    ANN,
    BOB,
    CAT,
    DAN,
    DIGEST,
    EVE,
    GROUPS,
    IDS,
    LATER,
    NOON,
    PEOPLE,
    a_question,
    a_request,
    a_run,
    closed,
    ended,
    largest_request,
    largest_run,
    said,
)

REFERENCE = f"{IDS.suspension(7, 1)}:{DIGEST.hex()}"


def runs() -> list[RunView]:
    return [
        a_run(),
        a_run(a_request(run=8, closing=closed(Close.REJECTED, CAT)), ending=ended(Outcome.REJECTED, CAT, reason="Not <now>.")),
        a_run(a_request(run=9, paused=Paused(EVE.id, LATER))),
        a_run(a_request(run=10, closing=closed(Close.APPROVED, BOB, DAN)), ending=ended(Outcome.SUCCEEDED)),
    ]  # fmt: skip


# -- what somebody has asked for --------------------------------------------------------------------------------


@state(requested, run_link)
def requested_some() -> Shown:
    return requested(runs(), IDS, groups=GROUPS)


@state(requested)
def requested_nothing() -> Shown:
    return requested([], IDS)


@state(requester)
def requester_one_of_two() -> Shown:
    asked = replace(
        a_request(decisions=(said(BOB, Verdict.APPROVE, "Checked."),)), questions=(a_question(CAT, "Why now?"),)
    )
    return requester(a_run(asked), IDS, groups=GROUPS)


@state(requester)
def requester_rejected_K6() -> Shown:
    no = said(CAT, Verdict.REJECT, "Not on a Friday.")
    view = a_request(decisions=(no,), closing=closed(Close.REJECTED, CAT))
    return requester(a_run(view, ending=ended(Outcome.REJECTED, CAT, reason="Not on a Friday.")), IDS)


@state(requester)
def requester_of_a_resubmitted_run() -> Shown:
    view = a_request(closing=closed(Close.REJECTED, CAT))
    return requester(replace(a_run(view, ending=ended(Outcome.REJECTED, CAT)), resubmitted=8), IDS)


@state(requester)
def requester_after_break_glass() -> Shown:
    view = a_request(closing=closed(Close.DROPPED, EVE, reason="The system is gone."))
    return requester(a_run(view, ending=ended(Outcome.SUCCEEDED)), IDS)


@largest(requested, run_link)
def requested_largest(letter: str) -> Shown:
    run = largest_run(letter)
    return requested([replace(run, run=replace(run.run, id=n)) for n in range(1, ITEMS + 2)], IDS)


@largest(requester)
def requester_largest(letter: str) -> Shown:
    return requester(largest_run(letter), IDS)


@largest(requester)
def requester_largest_under_way(letter: str) -> Shown:
    run = largest_run(letter)
    return requester(replace(run, run=replace(run.run, ending=None)), IDS, groups={letter * 80: letter * 80})


# -- what has happened ------------------------------------------------------------------------------------------


def written(minutes: int, event: dict[str, Any], *facts: dict[str, Any]) -> telling.Written:
    return telling.Written(NOON + timedelta(minutes=minutes), event, facts)


ENTRIES = [
    written(0, {}, {"is": "RunStarted", "requester": ANN.id}, {"is": "SuspensionOpened", "n": 1, "due": to_ms(LATER)}),
    written(1, {"door": "slack", "text": "Why <now>?"}, {"is": "QuestionOpened", "n": 1, "person": BOB.id}),
    written(2, {"door": "page", "comment": "Fine."}, {"is": "DecisionCounted", "n": 1, "person": CAT.id, "by": DAN.id, "verdict": "approve"}),
    telling.Written(NOON + timedelta(minutes=3), {}, (), erased=True),
    written(4, {}, {"is": "SuspensionClosed", "n": 1, "how": "approved"}, {"is": "RunEnded", "outcome": "succeeded"}),
]  # fmt: skip


@state(telling.history)
def history_of_a_run() -> Shown:
    return telling.history(a_run(ending=ended(Outcome.SUCCEEDED)), ENTRIES, PEOPLE, IDS)


@state(telling.flow_history)
def history_of_a_flow() -> Shown:
    view = a_run(a_request(decisions=(said(BOB, Verdict.APPROVE, "Checked."),)))
    return telling.flow_history(view.plan.flow, [view, *runs()[1:]], IDS)


@state(telling.flow_history)
def history_of_a_flow_without_runs() -> Shown:
    return telling.flow_history(a_run().plan.flow, [], IDS)


@largest(telling.history)
def history_largest(letter: str) -> Shown:
    long = {"door": "slack", "text": letter * 3_000, "comment": letter * 3_000}
    entries = [
        written(n, long, {"is": "DecisionCounted", "n": 1, "person": 1, "by": 2, "verdict": "approve", "option": letter * 75})
        for n in range(500)
    ]  # fmt: skip
    view = largest_run(letter)
    return telling.history(view, entries, view.people, IDS)


@largest(telling.flow_history)
def history_of_a_flow_largest(letter: str) -> Shown:
    view = replace(largest_run(letter), suspensions=(largest_request(letter),))
    return telling.flow_history(view.plan.flow, [view] * (telling.RUNS + 1), IDS)


@state(plain_request)
def requester_plainly_R12() -> Shown:
    return plain_request(a_run(replace(a_request(), questions=(a_question(BOB, "Which one?"),))), IDS)


@state(plain_request)
def requester_plainly_when_it_has_ended_R12() -> Shown:
    return plain_request(a_run(ending=ended(Outcome.REJECTED)), IDS)


@largest(plain_request)
def requester_plainly_largest(letter: str) -> Shown:
    return plain_request(replace(largest_run(letter), suspensions=(largest_request(letter),)), IDS)
