"""The home tab and what decides several from there, as pure drawings: what they say, and that Slack takes the largest."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.models.views import View

from bot.slack.views.answer import Answer
from bot.slack.views.home import (
    DECIDED_ITEMS,
    LATER_ITEMS,
    PICKED,
    REQUESTED_ITEMS,
    WAITING_ITEMS,
    Inbox,
    Looking,
    home,
    parked_effects,
    picked_in,
)
from bot.slack.views.selection import LeftOut, Result, references, results, selection_modal
from flows.definition import Hold
from flows.run import Clocks, Close, Outcome, Paused, Question, Verdict
from flows.store.inbox import Waits
from flows.views import SuspensionView
from integrations.sandbox.blocks import texts_of, view_bytes
from tests.bot.views.states import (
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
    NOON,
    PAGE,
    a_request,
    a_run,
    approval,
    closed,
    ended,
    largest_request,
    largest_run,
    said,
)
from tests.slack_schema.check import check_view

LETTERS = ("x", "&", "😀", "\n")
REFERENCE = f"{IDS.suspension(7, 1)}:{DIGEST.hex()}"
FLOWS = {"release": "Release", "vacation": "Vacation"}

YES = said(BOB, Verdict.APPROVE, "Checked against the old list.")
FOR_CAT = replace(said(CAT, Verdict.REJECT, "Not on a Friday."), by=BOB.id)


def wrong(view: dict[str, Any]) -> list[str]:
    """What Slack's schemas, its limits and its own models say against a view."""
    View(**view).to_dict()  # raises
    return [*check_view(view), *(["too large"] if view_bytes(view) > 250_000 else [])]


def shown(view: dict[str, Any]) -> str:
    return "\n".join(texts_of(view["blocks"]))


def waiting() -> list[Waits]:
    question = Question(1, 1, BOB.id, LATER, "Which branch?")
    return [
        Waits(a_request(approval(risk="high"), decisions=(said(CAT, Verdict.APPROVE),))),
        Waits(replace(a_request(run=8), questions=(question,)), CAT.id),
        Waits(a_request(Hold(ask="The upload is done. Go on?"), run=9)),
        Waits(a_request(approval(options=["canary", "everywhere"]), run=10, paused=Paused(EVE.id, LATER))),
    ]


def an_inbox(**more: object) -> Inbox:
    asked = [
        a_run(a_request(decisions=(YES,)), a_request(Hold(ask="Go on?"), n=2)),
        a_run(a_request(run=11, closing=closed(Close.APPROVED, BOB)), ending=None),
        a_run(
            a_request(run=12, decisions=(FOR_CAT,), closing=closed(Close.REJECTED, CAT)),
            ending=ended(Outcome.REJECTED, CAT, reason="Not on a <Friday>."),
        ),
        a_run(a_request(run=13, closing=closed(Close.APPROVED, BOB)), ending=ended(Outcome.SUCCEEDED)),
    ]
    decided = [
        a_request(decisions=(YES,)),
        a_request(
            run=12,
            decisions=(FOR_CAT,),
            closing=closed(Close.REJECTED, CAT),
            ending=ended(Outcome.REJECTED, CAT, reason="Not on a Friday."),
        ),
        a_request(run=11, decisions=(YES,), closing=closed(Close.APPROVED, BOB)),
    ]
    given = {
        "waiting": waiting(),
        "total": 4,
        "requested": asked,
        "decided": decided,
        "links": {(7, 1): CARD},
        "groups": GROUPS,
        "flows": FLOWS,
        "startable": FLOWS,
    }
    return Inbox(reader=BOB, **{**given, **more})  # type: ignore[arg-type]


def put_off() -> Waits:
    view = a_request(clocks=Clocks(snoozed={BOB.id: LATER}), run=14)
    return Waits(view, None, LATER)


def numbered(view: SuspensionView, n: int) -> SuspensionView:
    return replace(view, suspension=replace(view.suspension, n=n))


def test_home_says_what_waits_what_was_asked_for_and_what_was_decided():
    drawn = home(an_inbox(), Looking(), IDS)

    text = shown(drawn)
    assert wrong(drawn) == []
    assert "Waiting for you (4)" in text
    assert "*High risk*  ·  1 of 2 approvals" in text
    assert "*for Cat Carter*" in text
    assert "a question is open" in text
    assert "the run is paused" in text
    assert f"<{CARD}|Open the card>" in text
    assert "1 of 2 approvals, waiting for Cat Carter or <!subteam^SHRLEADS1>" in text  # what was asked for
    assert "and 1 more wait" in text
    assert ":x: rejected by Cat Carter" in text
    assert ">“Not on a &lt;Friday&gt;.”" in text
    assert ":white_check_mark: You approved" in text
    assert ":x: You rejected for Cat Carter" in text
    assert "still open: 1 of 2 approvals" in text
    assert ":x: the run was rejected" in text


def test_each_thing_has_the_buttons_of_a_card_and_each_request_those_of_its_message():
    drawn = home(an_inbox(), Looking(), IDS)

    rows = {block["block_id"]: [e["action_id"] for e in block["elements"]] for block in drawn["blocks"] if block["type"] == "actions"}  # fmt: skip
    picks = [block["accessory"]["action_id"] for block in drawn["blocks"] if block.get("accessory", {}).get("type") == "checkboxes"]  # fmt: skip
    assert rows[f"mine:{IDS.suspension(7, 1)}"] == ["approve", "reject", "more"]
    assert rows[f"mine:{IDS.suspension(9, 1)}"] == ["resume", "more"]
    assert rows[f"mine:{IDS.suspension(10, 1)}"] == ["option:canary", "option:everywhere", "reject", "more"]
    assert rows[f"asked:{IDS.run(7)}"] == ["nudge", "withdraw_run"]
    assert rows[f"asked:{IDS.run(12)}"] == ["resubmit"]
    assert f"asked:{IDS.run(13)}" not in rows
    assert picks == ["home_pick"] * 4
    assert rows["decide_selected"] == ["home_decide"]
    assert rows["tools"] == ["home_flow", "home_due", "home_start:0", "delegations"]


def test_what_was_put_off_is_folded_away_until_it_is_unfolded():
    folded = home(an_inbox(later_total=2), Looking(), IDS)
    unfolded = home(an_inbox(later=[put_off()], later_total=2), Looking(later=True), IDS)

    assert "*Later:* 2 that you have put off" in shown(folded)
    assert "put off until" not in shown(folded)
    assert "put off until" in shown(unfolded)
    assert "These are 1 of 2." in shown(unfolded)
    assert wrong(unfolded) == []


def test_what_somebody_looks_at_comes_back_with_what_they_click_and_rubbish_is_the_beginning():
    looking = Looking("release", True, 3, 2, 1, True, 9, (IDS.suspension(99, 1),))

    assert Looking.parse(home(an_inbox(), looking, IDS)["private_metadata"]) == looking
    for rubbish in ("", "[]", "{", "null", '["a",1,[1,2],0,0,[]]', '["a",1,["x",2,3],0,0,[]]', "[" * 10_000, "1e999"):
        assert Looking.parse(rubbish) == Looking()


def test_what_is_ticked_on_other_pages_goes_along_and_what_is_unticked_here_does_not():
    here, elsewhere = IDS.suspension(7, 1), IDS.suspension(99, 1)
    drawn = home(an_inbox(), Looking(picked=(here, elsewhere)), IDS)
    ticked = {"selected_options": [{"value": IDS.suspension(9, 1)}]}
    state = {"values": {f"home_pick:{here}": {"home_pick": {"selected_options": []}}, f"home_pick:{IDS.suspension(9, 1)}": {"home_pick": ticked}}}  # fmt: skip

    assert picked_in({**drawn, "state": state}) == (elsewhere, IDS.suspension(9, 1))


def test_a_page_says_where_it_stands_and_leads_to_the_next_and_back():
    inbox = an_inbox(waiting=waiting()[:2], total=24, more_requested=True, more_decided=True)
    drawn = home(inbox, Looking(waiting=1, requested=1, decided=1, picked=("sus_x",)), IDS)

    values = {e["action_id"]: e["value"] for block in drawn["blocks"] if block["type"] == "actions" for e in block["elements"] if e["action_id"].startswith("home_page")}  # fmt: skip
    assert values == {f"home_page:{name}:{way}": at for name in ("waiting", "requested", "decided") for way, at in (("back", "0"), ("next", "2"))}  # fmt: skip
    assert "11 to 12 of 24, the nearest deadlines first. 1 more selected on other pages." in shown(drawn)


def test_S6_what_people_wrote_is_inert_and_an_admin_sees_what_is_in_trouble():
    wicked = a_request(ask="<!channel> *Ship* <https://evil.example|it>?", run=15)
    inbox = an_inbox(waiting=[Waits(wicked)], trouble=[parked_effects(5, [7, 8, 9, 10], IDS)])

    text = shown(home(inbox, Looking(), IDS))

    assert "<!channel>" not in text
    assert "<https://evil" not in text
    assert "5 things could not be done and wait for an admin" in text
    assert "and 1 more" in text


@pytest.mark.parametrize("letter", LETTERS[1:3], ids=["amp", "emoji"])
def test_R12_slack_takes_the_largest_home_tab(letter):
    view = largest_request(letter, value=10)
    mine = replace(view, decisions=(replace(view.decisions[0], person=1, by=2), *view.decisions[1:]))
    run = largest_run(letter)
    open_ = replace(run, run=replace(run.run, ending=None))
    names = {f"{'f' * 90}{n}": letter * 150 for n in range(200)}
    inbox = Inbox(
        reader=replace(BOB, id=2),
        waiting=[Waits(numbered(view, n), 5) for n in range(1, WAITING_ITEMS + 1)],
        total=2_000,
        later=[Waits(numbered(view, n), 5, NOON) for n in range(20, 20 + LATER_ITEMS)],
        later_total=2_000,
        requested=[
            replace(one, run=replace(one.run, id=10**9 + n))
            for n, one in enumerate([*[open_] * (REQUESTED_ITEMS - 1), run])
        ],
        more_requested=True,
        decided=[numbered(mine, n) for n in range(40, 40 + DECIDED_ITEMS)],
        more_decided=True,
        links={(7, n): LONGEST_CARD for n in range(100)},
        groups={letter * 80: letter * 80},
        flows=names,
        startable=names,
        trouble=[parked_effects(1_000, list(range(10**9, 10**9 + 50)), IDS)],
    )
    picked = tuple(IDS.suspension(2**38, n) for n in range(PICKED))
    looking = Looking("f" * 200, False, 10**9, 10**9, 10**9, True, 10**9, picked)

    drawn = home(inbox, looking, IDS, said=Answer(f"x{letter * 30_000}", REFERENCE, f"{PAGE}{'x' * 1_000}"))

    assert wrong(drawn) == []
    assert len(drawn["private_metadata"]) <= 3_000
    assert sum(block["type"] == "header" for block in drawn["blocks"]) == 3


@pytest.mark.parametrize("letter", LETTERS, ids=["x", "amp", "emoji", "newline"])
def test_R12_slack_takes_the_largest_selection_and_its_results(letter):
    view = replace(a_request(ask=f"x{letter * 400}"), run=replace(a_request().run, id=2**38))
    views = [numbered(view, n) for n in range(1, PICKED + 1)]
    largest = largest_request(letter)
    left_out = [LeftOut(largest, letter * 3_000)] * PICKED
    many = selection_modal(views, IDS)

    modal = selection_modal(views, IDS, left_out)
    of_too_long = selection_modal([largest, numbered(largest, 2)], IDS)
    told = results([Result(largest, False, f"x{letter * 30_000}")] * PICKED)

    for drawn in (modal, many, of_too_long, told):
        assert wrong(drawn) == []
    assert len(references(many, IDS)) >= 12
    assert len(many["private_metadata"]) <= 3_000
    assert ("submit" in of_too_long) == (letter == "\n")  # of which nothing is left to be shown


def test_S5_nothing_is_chosen_beforehand_and_everything_is_shown_whole_or_left_out():
    views = [a_request(), a_request(Hold(ask="Go on?"), run=9), a_request(approval(form=FORM), run=8)]
    too_long = a_request(ask="A long story. " * 400, run=10)

    drawn = selection_modal([*views, too_long], IDS, [LeftOut(a_request(run=11), "It is no longer open.")])

    (verdict,) = [block["element"] for block in drawn["blocks"] if block.get("block_id") == "-verdict"]
    text = shown(drawn)
    assert wrong(drawn) == []
    assert "initial_option" not in verdict
    assert [option["text"]["text"] for option in verdict["options"]] == [
        "Approve, and resume what is on hold",
        "Reject",
    ]
    assert [(one.run, one.n) for one in references(drawn, IDS)] == [(7, 1), (9, 1), (8, 1)]
    assert "it has a form" in text
    assert "too long to be shown whole" in text
    assert "It is no longer open." in text
    assert json.loads(drawn["private_metadata"])[0] == REFERENCE


def test_a_selection_of_holds_alone_cannot_be_rejected():
    drawn = selection_modal([a_request(Hold(ask="Go on?"), run=9)], IDS)

    (verdict,) = [block["element"] for block in drawn["blocks"] if block.get("block_id") == "-verdict"]
    assert [option["text"]["text"] for option in verdict["options"]] == ["Resume"]
