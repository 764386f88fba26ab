"""What lists: what waits, what can be started, how a run stands, and the help."""

from __future__ import annotations

from dataclasses import replace

from bot.slack.views.answer import Answer
from bot.slack.views.card import Shown
from bot.slack.views.help import help_
from bot.slack.views.pending import ITEMS, Item, Listing, pending
from bot.slack.views.show import show
from bot.slack.views.startable import FLOWS, startable
from flows.definition import Hold
from flows.run import Outcome, Paused, StepRun, StepState, Verdict
from flows.views import ParkedEffect
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    BOB,
    CARD,
    CAT,
    DIGEST,
    EVE,
    GROUPS,
    IDS,
    LATER,
    LONGEST_CARD,
    NOON,
    PAGE,
    a_request,
    a_run,
    approval,
    ended,
    largest_request,
    largest_run,
    said,
)
from tests.bot.views.surfaces.modals import VACATION

REFERENCE = f"{IDS.suspension(7, 1)}:{DIGEST.hex()}"


def waiting() -> list[Item]:
    return [
        Item(a_request(), CARD),
        Item(a_request(Hold(ask="The upload is done. Go on?"), run=8), None),
        Item(a_request(run=9, decisions=(said(BOB, Verdict.APPROVE),)), CARD, actionable=False, answered=True),
        Item(a_request(approval(options=["canary", "everywhere"]), run=10, paused=Paused(EVE.id, LATER)), None),
    ]


def as_many_as_fit(letter: str) -> Shown:
    view = largest_request(letter)
    items = [Item(replace(view, suspension=replace(view.suspension, n=n)), LONGEST_CARD) for n in range(1, ITEMS + 1)]
    return pending(items, IDS, Listing.ALL, more=True, said=Answer(letter * 3_000, REFERENCE, PAGE), answered=200)


@state(pending)
def pending_mine() -> Shown:
    return pending(waiting(), IDS, Listing.MINE, more=True, answered=1)


@state(pending)
def pending_all_after_a_click() -> Shown:
    told = Answer("Counted: you approved. 1 of 2 approvals.", REFERENCE, PAGE)
    return pending(waiting()[:1], IDS, Listing.ALL, said=told)


@state(pending)
def pending_nothing() -> Shown:
    return pending([], IDS, Listing.MINE)


@state(startable)
def startable_flows() -> Shown:
    return startable([VACATION, a_request().plan.flow], "/approvals")


@state(startable)
def startable_none() -> Shown:
    return startable([], "/approvals")


@state(show)
def show_a_run_that_waits() -> Shown:
    return show(a_run(a_request(decisions=(said(BOB, Verdict.APPROVE),))), IDS, groups=GROUPS)


@state(show)
def show_a_run_that_was_rejected() -> Shown:
    return show(a_run(ending=ended(Outcome.REJECTED, CAT, reason="Not on a Friday.")), IDS)


@state(show)
def show_a_run_with_a_parked_effect() -> Shown:
    parked = ParkedEffect(1, 7, "mail to bob@example.com", "gate", "Gmail: the token was revoked", 3, NOON, NOON)
    return show(a_run(troubled=(parked,), steps={"gate": StepRun("gate", StepState.FAILED, error="It <broke>.")}), IDS)


@state(help_)
def help_for_everybody() -> Shown:
    return help_("/approvals")


@state(help_)
def help_for_a_word_that_nobody_knows() -> Shown:
    return help_("/approvals", "shwo")


@largest(pending)
def pending_largest(letter: str) -> Shown:
    return as_many_as_fit(letter)


@largest(startable)
def startable_largest(letter: str) -> Shown:
    flow = largest_request(letter).plan.flow
    return startable(
        [flow.model_copy(update={"flow": f"f{n}".ljust(64, "x")}) for n in range(FLOWS + 20)], "/approvals"
    )


@largest(show)
def show_largest(letter: str) -> Shown:
    return show(largest_run(letter), IDS)


@largest(help_)
def help_largest(letter: str) -> Shown:
    return help_("/approvals", letter * 3_000)
