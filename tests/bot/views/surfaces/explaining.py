"""Why a card is there, and all of what it asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.slack.views import kit
from bot.slack.views.card import Shown
from bot.slack.views.explain import explain, explain_modal
from bot.slack.views.whole import pages, whole_modal
from flows.definition import Hold
from flows.rules import Terms, Tree
from flows.run import Clocks, Close, Verdict
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    ANN,
    BOB,
    CAT,
    DAN,
    EVE,
    GROUPS,
    IDS,
    LATER,
    PAGE,
    a_delegation,
    a_question,
    a_request,
    approval,
    closed,
    escalates,
    largest_request,
    said,
)

LONG = "A paragraph of a long story.\n" * 400
PATIENT = {"remind": {"first": "4h", "every": "1d", "up_to": 3}, "working_hours": {"zone": "Europe/Berlin"}}


@state(explain)
def explain_to_somebody_who_is_asked() -> Shown:
    wait = approval(**PATIENT, escalate=[{"after": "1h", "to": "dan@example.com"}, {"after": "1d", "to": "@hr-leads", "mode": "replace"}])  # fmt: skip
    view = a_request(wait, decisions=(said(CAT, Verdict.APPROVE),), clocks=escalates(DAN))
    return explain(view, BOB, LATER, belongs=frozenset({"@hr-leads"}), groups=GROUPS)


@state(explain)
def explain_to_the_requester_who_may_not_decide() -> Shown:
    return explain(a_request(approval(self_approval=False)), ANN, LATER, groups=GROUPS)


@state(explain)
def explain_to_a_delegate() -> Shown:
    return explain(replace(a_request(), delegations=(a_delegation(BOB, DAN),)), DAN, LATER)


@state(explain)
def explain_while_a_question_stops_the_clock() -> Shown:
    view = a_request(approval(questions="stop_clock", on_timeout="continue"), clocks=Clocks(stopped_at=LATER))
    return explain(replace(view, questions=(a_question(BOB, "Has security seen it?"),)), CAT, LATER)


@state(explain)
def explain_with_a_veto_and_somebody_who_snoozes() -> Shown:
    wait = approval(veto=["eve@example.com"], on_timeout="approve")
    clocks = Clocks(snoozed={BOB.id: LATER + timedelta(hours=2)})
    return explain(a_request(wait, terms=Terms(Tree(2, (BOB.id, CAT.id)), (EVE.id,)), clocks=clocks), BOB, LATER)


@state(explain)
def explain_a_hold_without_a_deadline() -> Shown:
    return explain(a_request(Hold(ask="Go on?"), due=None), ANN, LATER)


@state(explain)
def explain_what_is_over() -> Shown:
    return explain(a_request(closing=closed(Close.APPROVED, BOB, CAT)), BOB, LATER)


@state(explain_modal)
def explain_modal_for_an_approver() -> kit.Block:
    return explain_modal(explain(a_request(), BOB, LATER, groups=GROUPS))


@state(whole_modal)
def whole_modal_R12b() -> kit.Block:
    return whole_modal(a_request(ask="A long story. " * 400), IDS, link=PAGE)


@state(whole_modal)
def whole_modal_second_page_R12b() -> kit.Block:
    view = a_request(ask=LONG, show={f"Part {n}": LONG for n in range(20)})
    return whole_modal(view, IDS, page=1)


@largest(explain)
def explain_largest(letter: str) -> Shown:
    view = largest_request(letter)
    return explain(view, view.people[30], LATER, belongs=frozenset({letter * 80}), groups={letter * 80: letter * 80})


@largest(explain_modal)
def explain_modal_largest(letter: str) -> kit.Block:
    return explain_modal(explain_largest(letter))


@largest(whole_modal)
def whole_modal_largest(letter: str) -> kit.Block:
    view = largest_request(letter)
    return whole_modal(view, IDS, page=len(pages(view)) // 2, link=f"{PAGE}{'x' * 1_000}")


@largest(whole_modal)
def whole_modal_largest_first_page(letter: str) -> kit.Block:
    return whole_modal(largest_request(letter, value=10), IDS)
