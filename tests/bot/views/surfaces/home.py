"""The home tab, and what decides several things from there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.slack.views import home as tab
from bot.slack.views import kit, selection
from bot.slack.views.answer import Answer
from flows.definition import Hold
from flows.run import Clocks, Close, Paused, Verdict
from flows.store.inbox import Waits
from flows.views import SuspensionView
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    ANN,
    BOB,
    CARD,
    CAT,
    DIGEST,
    EVE,
    FORM,
    GROUPS,
    IDS,
    LATER,
    LONGEST_CARD,
    PAGE,
    a_question,
    a_request,
    a_run,
    approval,
    closed,
    largest_request,
    largest_run,
    said,
)
from tests.bot.views.surfaces.requests import runs

REFERENCE = f"{IDS.suspension(7, 1)}:{DIGEST.hex()}"
FLOWS = {"release": "Release", "vacation": "Vacation request"}


def waiting() -> list[Waits]:
    return [
        Waits(a_request(approval(risk="high"), decisions=(said(CAT, Verdict.APPROVE),))),
        Waits(replace(a_request(run=8), questions=(a_question(BOB, "Which branch?"),)), CAT.id),
        Waits(a_request(Hold(ask="The upload is done. Go on?"), run=9)),
        Waits(a_request(approval(options=["canary", "everywhere"]), run=10, paused=Paused(EVE.id, LATER))),
    ]


def an_inbox(**more: Any) -> tab.Inbox:
    for_cat = replace(said(CAT, Verdict.REJECT, "Not on a Friday."), by=BOB.id)
    decided = [
        a_request(run=11, decisions=(said(BOB, Verdict.APPROVE, "Checked against the old list."),)),
        a_request(run=12, decisions=(for_cat,), closing=closed(Close.REJECTED, CAT)),
    ]
    given: dict[str, Any] = {
        "waiting": waiting(),
        "total": 4,
        "requested": runs(),
        "decided": decided,
        "links": {(7, 1): CARD},
        "groups": GROUPS,
        "flows": FLOWS,
        "startable": FLOWS,
    }
    return tab.Inbox(BOB, **{**given, **more})


def numbered(view: SuspensionView, n: int) -> SuspensionView:
    return replace(view, suspension=replace(view.suspension, n=n))


@state(tab.home)
def home_with_everything() -> kit.Block:
    return tab.home(an_inbox(), tab.Looking(), IDS)


@state(tab.home, tab.parked_effects)
def home_of_an_admin_after_a_click() -> kit.Block:
    troubles = tab.parked_effects(5, [7, 8, 9, 10], IDS)
    inbox = an_inbox(trouble=(troubles,), installs=True, requested=(), decided=())
    return tab.home(inbox, tab.Looking(), IDS, said=Answer("Counted: you approved. 1 of 2 approvals.", REFERENCE))


@state(tab.home)
def home_on_its_second_page_filtered_with_what_was_put_off() -> kit.Block:
    late = Waits(a_request(clocks=Clocks(snoozed={BOB.id: LATER}), run=14), None, LATER)
    inbox = an_inbox(
        waiting=waiting()[:1], total=24, later=(late,), later_total=2, more_requested=True, more_decided=True
    )
    looking = tab.Looking("release", waiting=1, requested=1, decided=1, later=True, picked=(IDS.suspension(99, 1),))
    return tab.home(inbox, looking, IDS)


@state(tab.home)
def home_due_today_where_nothing_is() -> kit.Block:
    return tab.home(tab.Inbox(ANN, later_total=1, flows=FLOWS), tab.Looking(today=True), IDS)


@state(tab.notice, tab.view)
def home_while_slack_cannot_be_asked() -> kit.Block:
    return tab.notice("Slack does not answer right now. Please try again.", tab.Looking(flow="release"))


@state(selection.selection_modal)
def selection_of_three_K4() -> kit.Block:
    views = [
        a_request(),
        a_request(Hold(ask="The upload is done. Go on?"), run=9),
        a_request(approval(form=FORM), run=8),
    ]
    return selection.selection_modal(views, IDS, [selection.LeftOut(a_request(run=10), "It is no longer open.")])


@state(selection.selection_modal)
def selection_of_one_beside_one_that_is_too_long_R12() -> kit.Block:
    return selection.selection_modal([a_request(), a_request(ask="A long story. " * 400, run=8)], IDS)


@state(selection.notice, selection.selection_modal)
def selection_of_nothing() -> kit.Block:
    return selection.selection_modal([], IDS)


@state(selection.loading)
def selection_while_it_is_looked_up() -> kit.Block:
    return selection.loading("Looking up what you have selected…")


@state(selection.results)
def results_of_several_K4() -> kit.Block:
    return selection.results(
        [
            selection.Result(a_request(), True, "Counted: you approved. 1 of 2 approvals."),
            selection.Result(a_request(run=8), False, "Not counted: its form asks for more (When is required.)."),
            selection.Result(None, False, "This approval is not known here any more. Nothing was recorded."),
        ]
    )


# -- the largest ------------------------------------------------------------------------------------------------


@largest(tab.home, tab.view, tab.parked_effects)
def home_largest(letter: str) -> kit.Block:
    view = largest_request(letter)
    mine = replace(view, decisions=(replace(view.decisions[0], person=1, by=2), *view.decisions[1:]))
    run = largest_run(letter)
    asked = [
        replace(run, run=replace(run.run, id=n, ending=None if n % 2 else run.run.ending))
        for n in range(20, 20 + tab.REQUESTED_ITEMS)
    ]
    names = {f"{'f' * 60}{n}": letter * 150 for n in range(200)}
    inbox = tab.Inbox(
        replace(BOB, id=2),
        waiting=[Waits(numbered(view, n), 5) for n in range(1, tab.WAITING_ITEMS + 1)],
        total=2_000,
        later=[Waits(numbered(view, n), 5, LATER) for n in range(20, 20 + tab.LATER_ITEMS)],
        later_total=2_000,
        requested=asked,
        more_requested=True,
        decided=[numbered(mine, n) for n in range(40, 40 + tab.DECIDED_ITEMS)],
        more_decided=True,
        links={(7, n): LONGEST_CARD for n in range(1_000)},
        groups={letter * 80: letter * 80},
        flows=names,
        startable=names,
        trouble=[tab.parked_effects(1_000, range(1, 400), IDS)],
        installs=True,
    )
    picked = tuple(IDS.suspension(2**38, n) for n in range(tab.PICKED))
    looking = tab.Looking("f" * 64, False, 10**6, 10**6, 10**6, True, 10**6, picked)
    return tab.home(inbox, looking, IDS, said=Answer(f"x{letter * 30_000}", REFERENCE, f"{PAGE}{'x' * 1_000}"))


@largest(tab.notice)
def home_notice_largest(letter: str) -> kit.Block:
    return tab.notice(f"x{letter * 30_000}", tab.Looking("f" * 64))


@largest(selection.selection_modal)
def selection_largest(letter: str) -> kit.Block:
    view = replace(a_request(ask=f"x{letter * 2_300}"), run=replace(a_run().run, id=2**38))
    views = [numbered(view, n) for n in range(1, tab.PICKED + 1)]
    left = [selection.LeftOut(numbered(largest_request(letter), n), letter * 3_000) for n in range(20)]
    return selection.selection_modal(views, IDS, left)


@largest(selection.selection_modal)
def selection_largest_of_what_is_too_long(letter: str) -> kit.Block:
    return selection.selection_modal([numbered(largest_request(letter), n) for n in range(1, 4)], IDS)


@largest(selection.notice)
def selection_notice_largest(letter: str) -> kit.Block:
    return selection.notice(
        "Nothing to decide", [selection.LeftOut(largest_request(letter), letter * 3_000)] * tab.PICKED
    )


@largest(selection.loading)
def selection_loading_largest(letter: str) -> kit.Block:
    return selection.loading(letter * 500)


@largest(selection.results)
def results_largest(letter: str) -> kit.Block:
    return selection.results([selection.Result(largest_request(letter), False, f"x{letter * 30_000}")] * tab.PICKED)
