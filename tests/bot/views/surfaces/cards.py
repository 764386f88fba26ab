"""The card of a suspension, open and over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.slack.views.card import Shown, card
from flows.definition import Hold
from flows.rules import Terms, Tree
from flows.run import Approvers, Clocks, Close, Outcome, Paused, Verdict
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    ANN,
    BOB,
    CAT,
    DAN,
    EVE,
    FORM,
    GROUPS,
    IDS,
    LATER,
    PAGE,
    a_delegation,
    a_question,
    a_request,
    approval,
    closed,
    ended,
    escalates,
    largest_request,
    said,
)

YES = said(BOB, Verdict.APPROVE, "Checked against the old list.")
NO = said(CAT, Verdict.REJECT, "Not before the <holidays> & not on a Friday.")


@state(card)
def card_open_W8() -> Shown:
    return card(a_request(), IDS, groups=GROUPS)


@state(card)
def card_one_of_two_W2() -> Shown:
    return card(a_request(decisions=(YES,)), IDS, groups=GROUPS)


@state(card)
def card_with_answers_K5() -> Shown:
    answer = said(BOB, Verdict.APPROVE, window="tomorrow", note="After the backup.")
    return card(a_request(approval(form=FORM), decisions=(answer,)), IDS)


@state(card)
def card_with_a_choice() -> Shown:
    options = ["canary", {"name": "everywhere", "label": "Everywhere at once"}]
    return card(a_request(approval(options=options), decisions=(said(BOB, Verdict.APPROVE, option="canary"),)), IDS)


@state(card)
def card_of_a_nested_quorum_with_a_veto() -> Shown:
    terms = Terms(Tree(2, (BOB.id, "@hr-leads")), (EVE.id,))
    wait = approval(quorum={"all": ["bob@example.com", "@hr-leads"]}, veto=["eve@example.com"], reject_after=2)
    return card(a_request(wait, terms=terms, decisions=(YES, NO)), IDS, groups=GROUPS)


@state(card)
def card_with_somebody_gone_R16() -> Shown:
    gaps = (("dan@example.com", "has left Slack"), ("zoe@example.com", "is not in Slack"))
    return card(a_request(approvers=Approvers((BOB.id, DAN.id), (), gaps)), IDS)


@state(card)
def card_of_a_paused_run_K3() -> Shown:
    return card(a_request(paused=Paused(EVE.id, LATER)), IDS)


@state(card)
def card_cut_R12() -> Shown:
    return card(a_request(ask="A long story. " * 400), IDS)


@state(card)
def card_cut_for_one_reader_R12() -> Shown:
    return card(a_request(ask="A long story. " * 400), IDS, page=PAGE)


@state(card)
def card_of_a_hold_K1() -> Shown:
    return card(a_request(Hold(ask="The upload is done. Go on?")), IDS)


@state(card)
def card_of_high_risk() -> Shown:
    return card(a_request(approval(risk="high", reason="both")), IDS)


@state(card)
def card_with_questions() -> Shown:
    asked = (a_question(BOB, "Has <security> seen it?", answer="Yes, on Monday."), a_question(CAT, "Why now?", place=2))
    view = a_request(approval(questions="stop_clock"), clocks=Clocks(stopped_at=LATER))
    return card(replace(view, questions=asked), IDS)


@state(card)
def card_that_has_escalated() -> Shown:
    return card(a_request(clocks=escalates(DAN, EVE)), IDS, groups=GROUPS)


@state(card)
def card_that_can_be_undone() -> Shown:
    clocks = Clocks(settles_at=LATER + timedelta(seconds=10))
    return card(a_request(approval(settle="10s"), decisions=(YES, said(DAN, Verdict.APPROVE)), clocks=clocks), IDS)


@state(card)
def card_decided_by_a_delegate() -> Shown:
    for_cat = replace(said(CAT, Verdict.APPROVE), by=DAN.id)
    return card(replace(a_request(decisions=(for_cat,)), delegations=(a_delegation(CAT, DAN),)), IDS)


@state(card)
def card_rejected_and_resubmitted() -> Shown:
    return card(replace(a_request(decisions=(NO,), closing=closed(Close.REJECTED, CAT)), resubmitted=8), IDS)


@state(card)
def card_approved_W4() -> Shown:
    both = (YES, said(DAN, Verdict.APPROVE))
    return card(a_request(decisions=both, closing=closed(Close.APPROVED, BOB, DAN)), IDS, groups=GROUPS)


@state(card)
def card_rejected_W6() -> Shown:
    return card(a_request(decisions=(YES, NO), closing=closed(Close.REJECTED, CAT)), IDS)


@state(card)
def card_resumed_K1() -> Shown:
    answer = said(ANN, Verdict.RESUME, "All there.")
    return card(a_request(Hold(ask="Go on?"), decisions=(answer,), closing=closed(Close.RESUMED, ANN)), IDS)


@state(card)
def card_expired_K7() -> Shown:
    return card(a_request(decisions=(YES,), closing=closed(Close.EXPIRED)), IDS)


@state(card)
def card_cancelled_R7() -> Shown:
    end = ended(Outcome.CANCELLED, ANN, reason="Found a bug.")
    return card(a_request(closing=closed(Close.CANCELLED, ANN), ending=end), IDS)


@state(card)
def card_superseded() -> Shown:
    return card(a_request(closing=closed(Close.SUPERSEDED, reason=IDS.run(8))), IDS)


@state(card)
def card_dropped() -> Shown:
    return card(a_request(closing=closed(Close.DROPPED, EVE, reason="The <system> is gone.")), IDS)


@largest(card)
def card_largest(letter: str) -> Shown:
    return card(largest_request(letter), IDS, groups={letter * 80: letter * 80})


@largest(card)
def card_largest_for_one_reader(letter: str) -> Shown:
    return card(largest_request(letter, value=10), IDS, page=f"{PAGE}{'x' * 1_000}")


@largest(card)
def card_largest_closed(letter: str) -> Shown:
    return card(largest_request(letter, closed=True), IDS)
