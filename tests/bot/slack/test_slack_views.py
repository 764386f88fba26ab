"""What is drawn: whole structures for typical states, and nothing that Slack refuses for the largest legal ones."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.slack.reference import Reference
from bot.slack.views import answers, form_inputs, kit
from bot.slack.views.answer import Answer
from bot.slack.views.approve_modal import approve_modal
from bot.slack.views.asked import Asked, who_is_asked
from bot.slack.views.cancel_modal import Cancelling, cancel_modal
from bot.slack.views.card import card
from bot.slack.views.ending import ending
from bot.slack.views.help import help_
from bot.slack.views.modal import Origin, notice
from bot.slack.views.pending import ITEMS, Item, Listing, pending
from bot.slack.views.reject_modal import reject_modal
from bot.slack.views.run_modal import Start, run_modal
from bot.slack.views.show import show
from bot.slack.views.startable import startable
from flows.definition import Approval, Flow, Hold, Step
from flows.fields import MAX_TEXT
from flows.forms import validate
from flows.ids import Ids
from flows.people import Person
from flows.plan import Plan
from flows.rules import Terms, Tree
from flows.run import (
    Approvers,
    Close,
    Closing,
    Decision,
    Door,
    Ending,
    Kind,
    Outcome,
    Paused,
    Run,
    StepRun,
    StepState,
    Suspension,
    Verdict,
)
from flows.views import ParkedEffect, RunView, SuspensionView
from integrations import sandbox
from integrations.sandbox.blocks import check_message_blocks, check_view, text_length
from integrations.sandbox.inputs import entered, state_of

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
IDS = Ids(b"0123456789abcdef", "https://signoff.example.com")
RUN = f"<{IDS.run_url(7)}|{IDS.run(7)}>"
ANN = Person(1, "Ann Archer", "ann@example.com", "T00000001/UANN00001", "Europe/Berlin")
BOB = Person(2, "Bob Baker", "bob@example.com", "T00000001/UBOB00002")
CAT = Person(3, "Cat <!here> Carter", "cat@example.com")
PEOPLE = {person.id: person for person in (ANN, BOB, CAT)}
DIGEST = bytes(range(32))
PAGE = "https://signoff.example.com/a/abc"


def a_view(
    wait: Approval | Hold | None = None,
    *,
    inputs: dict[str, Any] | None = None,
    fields: list[dict[str, Any]] | None = None,
    decisions: tuple[Decision, ...] = (),
    ending: Ending | None = None,
    **changes: Any,
) -> SuspensionView:
    wait = wait or Approval(approvers=("bob@example.com",), ask="Ship it?")
    step = Step(id="gate", title="Gate", **{"approval" if isinstance(wait, Approval) else "hold": wait})
    flow = Flow(flow="release", title="Release", inputs=fields or [], steps=[step])
    run = Run(7, "release", ANN.id, inputs or {}, started_at=NOON, ending=ending)
    suspension = Suspension(
        n=1,
        path="gate",
        kind=Kind.APPROVAL if isinstance(wait, Approval) else Kind.HOLD,
        opened_at=NOON,
        due=NOON + timedelta(days=2),
        ask=wait.ask,
        approvers=Approvers(people=(BOB.id, CAT.id), groups=("@hr-leads",)),
        needed=2,
        digest=DIGEST,
    )
    return SuspensionView(Plan.of(flow), run, replace(suspension, **changes), decisions, PEOPLE)


def said(person: Person, verdict: Verdict, comment: str | None = None, **values: Any) -> Decision:
    return Decision(1, person.id, verdict, NOON + timedelta(hours=1), Door.SLACK, person.id, comment, values)


def md(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": md(text)}


def context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [md(text)]}


DUE = "<!date^1767787200^{date_short_pretty} {time}|2026-01-07 12:00 UTC>"
ONE = "<!date^1767618000^{date_short_pretty} {time}|2026-01-05 13:00 UTC>"
VALUE = f"{IDS.suspension(7, 1)}:{DIGEST.hex()}"
MENU = {
    "type": "overflow",
    "action_id": "more",
    "options": [
        {"text": {"type": "plain_text", "text": title, "emoji": False}, "value": f"{what}:{VALUE}"}
        for what, title in (
            ("explain", "Explain"),
            ("ask", "Ask a question"),
            ("snooze", "Remind me later"),
            ("reassign", "Ask somebody else"),
            ("break_glass", "Let it go on undecided"),
        )
    ],
}


def fits(blocks: list[dict[str, Any]]) -> None:
    """Slack takes these as a message, with room to spare."""
    assert check_message_blocks(blocks) == []
    assert text_length(blocks)[0] <= kit.MESSAGE_TEXT


def test_an_open_card_says_what_is_asked_by_whom_until_when_and_who_may_decide():
    fields = [{"name": "version", "type": "string"}, {"name": "key", "type": "secret"}]
    view = a_view(fields=fields, inputs={"version": "1.0 & up", "key": {"$secret": "key"}}, show={"Tests": "512 green"})

    shown = card(view, IDS)

    assert shown.text == "Ship it? (Release · Gate, asked by Ann Archer)"
    assert shown.blocks == [
        {"type": "header", "text": plain("Release · Gate")},
        section("Ship it?"),
        section("*Version:* 1.0 &amp; up\n*Key:* ••••"),
        section("*Tests:* 512 green"),
        context(f"Asked by <@UANN00001>  ·  *0 of 2 approvals*  ·  until {DUE}  ·  {RUN}"),
        context("Can decide: <@UBOB00002>, Cat &lt;!here&gt; Carter, @hr-leads"),
        {
            "type": "actions",
            "block_id": "decide",
            "elements": [
                {
                    "type": "button",
                    "action_id": "approve",
                    "text": plain("Approve"),
                    "value": VALUE,
                    "style": "primary",
                },
                {"type": "button", "action_id": "reject", "text": plain("Reject"), "value": VALUE, "style": "danger"},
                MENU,
            ],
        },
    ]
    fits(shown.blocks)


def test_a_card_with_decisions_says_who_has_decided_what_and_who_was_not_asked():
    wait = Approval(approvers=("bob@example.com",), ask="Ship it?", form=[{"name": "why", "type": "string"}])
    decisions = (
        said(BOB, Verdict.APPROVE, why="looks *good*\nto me"),
        said(CAT, Verdict.APPROVE, "fine <@U1>", why="x"),
    )
    gaps = (("x@example.com", "has left Slack"),)

    blocks = card(a_view(wait, decisions=decisions[:1], approvers=Approvers((BOB.id,), (), gaps)), IDS).blocks

    assert blocks[2] == context(f"Asked by <@UANN00001>  ·  *1 of 2 approvals*  ·  until {DUE}  ·  {RUN}")
    assert blocks[4] == section(f":white_check_mark: <@UBOB00002> approved, {ONE}\n>Why: looks *good* to me")
    assert blocks[5] == context("Not asked: x@example.com (has left Slack)")
    both = card(a_view(wait, decisions=decisions), IDS).blocks
    assert f"Cat &lt;!here&gt; Carter approved, {ONE}: “fine &lt;@U1&gt;”\n>Why: x" in both[4]["text"]["text"]


def test_a_closed_card_has_no_buttons_and_says_what_became_of_it_who_when_and_why():
    view = a_view(
        decisions=(said(BOB, Verdict.REJECT, "too early"),),
        closing=Closing(Close.REJECTED, NOON + timedelta(hours=1), (BOB.id,)),
    )

    shown = card(view, IDS)

    assert shown.text == "Rejected by Bob Baker: Ship it? (Release · Gate)"
    assert shown.blocks == [
        {"type": "header", "text": plain("Release · Gate")},
        section("Ship it?"),
        context(f"Asked by <@UANN00001>  ·  *0 of 2 approvals*  ·  {RUN}"),
        section(f":x: *Rejected* by <@UBOB00002>, {ONE}\n>too early"),
    ]


@pytest.mark.parametrize(
    ("how", "by", "ending", "text"),
    [
        (Close.EXPIRED, (), None, f":hourglass: *Expired*, {ONE}: nobody decided in time"),
        (Close.APPROVED, (), None, f":white_check_mark: *Approved*, {ONE}: nobody decided in time, which this flow takes for a yes"),
        (
            Close.CANCELLED,
            (ANN.id,),
            Ending(Outcome.CANCELLED, NOON, "changed my <mind>", (ANN.id,)),
            f":no_entry_sign: *Cancelled* by <@UANN00001>, {ONE}\n>changed my &lt;mind&gt;",
        ),
    ],
)  # fmt: skip
def test_each_way_of_ending_is_told_apart(how, by, ending, text):
    view = a_view(closing=Closing(how, NOON + timedelta(hours=1), by), ending=ending)

    blocks = card(view, IDS).blocks

    assert section(text) in blocks
    assert all(block["type"] != "actions" for block in blocks)


def test_a_hold_shows_resume_and_no_count():
    shown = card(a_view(Hold(ask="Go on?"), needed=1), IDS)

    assert [element["action_id"] for element in shown.blocks[-1]["elements"]] == ["resume", "more"]
    assert "*waiting to be resumed*" in shown.blocks[2]["elements"][0]["text"]
    fits(shown.blocks)


EVIL = "<!channel> <@U123> <https://evil.example|safe> & *bold* {{ 7*7 }}"
INERT = "&lt;!channel&gt; &lt;@U123&gt; &lt;https://evil.example|safe&gt; &amp; *bold* {{ 7*7 }}"


def test_S6_what_people_wrote_is_inert_on_every_surface():
    evil = replace(CAT, name=EVIL)
    fields = [{"name": "what", "type": "string", "label": EVIL}]
    form = [{"name": "why", "type": "string", "label": EVIL, "description": EVIL}]
    options = [{"name": "evil", "label": EVIL[:75]}, {"name": "good"}]
    wait = Approval(
        approvers=("bob@example.com",),
        ask=EVIL,
        form=form,
        form_on="both",
        reason="both",
        options=options,
        reject_after=2,
    )
    view = a_view(
        wait,
        terms=Terms(Tree(1, (EVIL, evil.id)), (EVIL, evil.id)),
        fields=fields,
        inputs={"what": EVIL},
        show={EVIL: EVIL, "data": {"deep": EVIL}},
        decisions=(replace(said(evil, Verdict.APPROVE, EVIL, why=EVIL), option=EVIL),),
        approvers=Approvers((evil.id,), (EVIL,), ((EVIL, EVIL),)),
    )
    paused = replace(view.run, requester=evil.id, paused=Paused(evil.id, NOON))
    view = replace(view, people={**PEOPLE, evil.id: evil}, run=paused)
    ended = replace(view.run, ending=Ending(Outcome.REJECTED, NOON, EVIL, (evil.id,)))
    closed = replace(
        view, run=ended, suspension=replace(view.suspension, closing=Closing(Close.REJECTED, NOON, (evil.id,)))
    )
    steps = {"gate": StepRun("gate", StepState.FAILED, error=EVIL)}
    parked = ParkedEffect(1, 7, EVIL, "gate", EVIL, 1, NOON, NOON)
    run = RunView(closed.plan, ended, steps, (view,), view.people, (parked,))
    origin = Origin(Reference.to(view), option="evil")
    dropped = replace(
        view, suspension=replace(view.suspension, closing=Closing(Close.DROPPED, NOON, (evil.id,), EVIL, EVIL))
    )
    started = Flow(flow="evil", title=EVIL[:150], description=EVIL, inputs=fields, steps=view.plan.flow.steps)
    asked = who_is_asked(Asked((evil,), ((EVIL, 2),), ((EVIL, EVIL),)), {EVIL: EVIL})

    surfaces = [
        card(view, IDS, groups={EVIL: EVIL}),
        card(closed, IDS),
        card(dropped, IDS),
        pending([Item(view, None)], IDS, Listing.MINE),
        show(run, IDS),
        ending(run, run.person(run.run.requester), None),
        startable([started], "/approvals"),
        help_("/approvals", EVIL),
    ]
    modals = [
        reject_modal(view, origin, IDS, note=EVIL, mine=view.decisions[0]),
        approve_modal(view, origin, IDS, note=EVIL, mine=view.decisions[0]),
        run_modal(started, Start("evil"), asked=asked, ready=True, note=EVIL),
        cancel_modal(run, Cancelling(7), IDS),
        notice(EVIL, EVIL),
    ]

    for shown in surfaces:
        fits(shown.blocks)
        assert "<!channel>" not in shown.text
    for modal in modals:
        assert check_view(modal) == []
    texts = [text for shown in surfaces for text in _markup(shown.blocks)] + [
        text for modal in modals for text in _markup(modal["blocks"])
    ]
    assert texts
    for text in texts:
        for forbidden in ("<!channel>", "<@U123>", "<https://evil"):
            assert forbidden not in text
    assert any(INERT in text for text in texts)
    assert not any("49" in text for text in texts)


def _markup(value: Any) -> list[str]:
    """Every text that Slack reads markup in; each has to forbid it to make links by itself."""
    found = []
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            assert value["verbatim"] is True
            found.append(value["text"])
        for each in value.values():
            found += _markup(each)
    elif isinstance(value, list):
        for each in value:
            found += _markup(each)
    return found


def largest(*, letter: str = "&", closed: bool = False, value: int = 700) -> SuspensionView:
    """More of everything than any flow can have. ``value`` is the length of an input: short ones fill every corner."""
    people = {n: Person(n, letter * 300, None, None) for n in range(1, 61)}
    fields = [
        {"name": f"field_{n}", "type": "string", "max_length": 20_000, "label": letter * 150, "description": letter * 2_000}
        for n in range(90)
    ]  # fmt: skip
    if value < 100:
        fields = [{"name": f"field_{n}", "type": "string", "label": letter * value} for n in range(90)]
    options = [{"name": f"o{n}", "label": (letter * 75)[:75]} for n in range(23)]
    wait = Approval(
        approvers=("bob@example.com",),
        ask=letter * 10_000,
        form=fields,
        form_on="both",
        reason="both",
        reject_after=40,
        options=options,
    )
    values = {f"field_{n}": letter * value for n in range(90)}  # at most 64 KiB, as much as one form may hold
    view = a_view(
        wait,
        fields=fields,
        inputs=values,
        ask=letter * 60_000,
        show={
            f"{letter * value}{n}": letter * (60_000 if value > 100 else value)
            for n in range(40 if value > 100 else 200)
        },
        decisions=tuple(
            replace(
                said(people[n], Verdict.REJECT if n % 2 else Verdict.APPROVE, letter * (value * 4), **values),
                option="o1",
                unseen=True,
            )
            for n in range(1, 61)
        ),
        terms=Terms(Tree(60, tuple(people)), (*people, *(letter * 80 for _ in range(50)))),
        approvers=Approvers(tuple(people), tuple(letter * 80 for _ in range(50)), ((letter * 300, letter * 300),) * 50),
        closing=Closing(Close.REJECTED, NOON, tuple(people)) if closed else None,
    )
    flow = view.plan.flow.model_copy(update={"title": letter * 150})
    run = replace(view.run, paused=Paused(1, NOON))
    return replace(view, plan=Plan.of(flow), people=people, run=run)


@pytest.mark.parametrize(
    "letter", ["&", *(pytest.param(each, marks=pytest.mark.slow) for each in ("x", "é", "😀", "\n", " "))]
)
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("value", [700, 10])
def test_R12_the_largest_request_fits_into_a_card_that_says_that_it_is_cut(letter, closed, value):
    view = largest(letter=letter, closed=closed, value=value)

    shown = card(view, IDS)

    fits(shown.blocks)
    assert len(shown.text) <= 4_000
    if letter.strip():
        assert context("_… cut; see the whole_") in shown.blocks
        whole = {"type": "button", "action_id": "open_whole", "text": plain("Show all"), "value": VALUE}
        assert whole in [
            element for block in shown.blocks if block["type"] == "actions" for element in block["elements"]
        ]


@pytest.mark.parametrize(
    "letter", [pytest.param("x", marks=pytest.mark.slow), "&", pytest.param("😀", marks=pytest.mark.slow)]
)
def test_R12_the_largest_request_fits_into_every_modal_list_and_view_of_a_run(letter):
    view = largest(letter=letter)
    origin = Origin(Reference.to(view), "C" * 11, "1767618000.000001")
    run = RunView(
        view.plan,
        replace(view.run, ending=Ending(Outcome.FAILED, NOON, letter * 20_000, tuple(range(1, 61)))),
        {"gate": StepRun("gate", StepState.FAILED, error=letter * 20_000)},
        (view,) * 20,
        view.people,
        (ParkedEffect(1, 7, letter * 300, "gate", letter * 3_000, 1, NOON, NOON),) * 50,
    )
    items = [Item(view, "https://example.slack.com/archives/C1/p1")] * ITEMS
    numbered = [
        Item(replace(one.view, suspension=replace(one.view.suspension, n=n)), one.link)
        for n, one in enumerate(items, 1)
    ]
    listed = pending(numbered, IDS, Listing.ALL, more=True, said=Answer(letter * 3_000, VALUE, PAGE), answered=200)

    flows = [
        view.plan.flow.model_copy(update={"flow": f"f{n}".ljust(64, "x"), "description": letter * 10_000})
        for n in range(60)
    ]
    asked = who_is_asked(
        Asked(
            tuple(view.people.values()), ((letter * 80, 1_000),) * 50, ((letter * 80, letter * 300),) * 50, later=True
        )
    )
    start = Start(flows[0].flow, "C" * 11, "0" * 64)

    for view_json in (
        reject_modal(view, origin, IDS, note=letter * 100, mine=view.decisions[0]),
        approve_modal(view, origin, IDS, note=letter * 100, mine=view.decisions[0]),
        run_modal(flows[0], start, asked=asked, ready=True, note=letter * 1_000),
        cancel_modal(run, Cancelling(7, "C" * 11), IDS),
    ):
        assert check_view(view_json) == []
    for shown in (
        listed,
        show(run, IDS),
        ending(run, run.person(run.run.requester), "https://example.slack.com"),
        help_("/approvals", letter * 3_000),
        startable(flows, "/approvals"),
    ):
        fits(shown.blocks)
        assert len(shown.text) <= 4_000


def test_a_cut_card_in_a_direct_message_links_to_its_readers_own_page():
    shown = card(a_view(ask="x" * 5_000), IDS, page=PAGE)

    assert shown.blocks[-1]["elements"][-2] == {
        "type": "button",
        "action_id": "open_page",
        "text": plain("Open the page"),
        "url": PAGE,
    }


FORM: list[dict[str, Any]] = [
    {"name": "why", "type": "string", "label": "Why", "description": "Be brief", "min_length": 2, "max_length": 9_000},
    {"name": "notes", "type": "string", "multiline": True, "required": False, "default": "none so far"},
    {"name": "days", "type": "integer", "min": 1, "max": 30, "default": 5},
    {"name": "rate", "type": "number", "required": False, "default": 1e-7},
    {"name": "urgent", "type": "boolean", "default": False},
    {"name": "on_day", "type": "date", "required": False, "default": "2026-02-01"},
    {"name": "at_time", "type": "time", "required": False, "default": "14:30:15"},
    {"name": "instant", "type": "datetime", "required": False, "default": "2026-02-01T08:30:00+01:00"},
    {"name": "span", "type": "duration", "required": False, "default": "2d"},
    {"name": "colour", "type": "select", "options": ["red", {"value": "blue", "label": "Deep blue"}], "default": "blue"},
    {"name": "extras", "type": "multiselect", "options": ["a", "b", "c"], "required": False, "default": ["b"]},
    {"name": "many", "type": "multiselect", "options": [f"o{n}" for n in range(20)], "required": False, "max_items": 3},
    {"name": "email", "type": "email", "required": False},
    {"name": "site", "type": "url", "required": False},
    {"name": "data", "type": "json", "required": False, "default": {"a": 1}},
]  # fmt: skip


def test_K10_every_field_becomes_an_input_with_its_default_filled_in():
    wait = Approval(approvers=("bob@example.com",), form=FORM)
    view = a_view(wait)

    modal = approve_modal(view, Origin(Reference.to(view)), IDS)

    assert check_view(modal) == []
    elements = {block["block_id"]: block["element"] for block in modal["blocks"] if block["type"] == "input"}
    assert elements == {
        "why": {"type": "plain_text_input", "action_id": "value", "min_length": 2, "max_length": 3000, "multiline": False},
        "notes": {"type": "plain_text_input", "action_id": "value", "multiline": True, "initial_value": "none so far", "max_length": 3000},
        "days": {"type": "number_input", "action_id": "value", "is_decimal_allowed": False, "initial_value": "5", "min_value": "1", "max_value": "30"},
        "rate": {"type": "number_input", "action_id": "value", "is_decimal_allowed": True, "initial_value": "0.0000001"},
        "urgent": {
            "type": "radio_buttons",
            "action_id": "value",
            "options": [{"text": plain("Yes"), "value": "yes"}, {"text": plain("No"), "value": "no"}],
            "initial_option": {"text": plain("No"), "value": "no"},
        },
        "on_day": {"type": "datepicker", "action_id": "value", "initial_date": "2026-02-01"},
        "at_time": {"type": "timepicker", "action_id": "value", "initial_time": "14:30"},
        "instant": {"type": "datetimepicker", "action_id": "value", "initial_date_time": 1769931000},
        "span": {"type": "plain_text_input", "action_id": "value", "initial_value": "2d", "max_length": 100},
        "colour": {
            "type": "static_select",
            "action_id": "value",
            "options": [{"text": plain("red"), "value": "red"}, {"text": plain("Deep blue"), "value": "blue"}],
            "initial_option": {"text": plain("Deep blue"), "value": "blue"},
        },
        "extras": {
            "type": "checkboxes",
            "action_id": "value",
            "options": [{"text": plain(name), "value": name} for name in "abc"],
            "initial_options": [{"text": plain("b"), "value": "b"}],
        },
        "many": {
            "type": "multi_static_select",
            "action_id": "value",
            "options": [{"text": plain(f"o{n}"), "value": f"o{n}"} for n in range(20)],
            "max_selected_items": 3,
        },
        "email": {"type": "email_text_input", "action_id": "value"},
        "site": {"type": "url_text_input", "action_id": "value"},
        "data": {"type": "plain_text_input", "action_id": "value", "multiline": True, "initial_value": '{"a": 1}', "max_length": 3000},
    }  # fmt: skip
    why = next(block for block in modal["blocks"] if block.get("block_id") == "why")
    assert (why["label"], why["hint"], why["optional"]) == (plain("Why"), plain("Be brief"), False)
    assert next(block for block in modal["blocks"] if block.get("block_id") == "notes")["optional"] is True
    assert modal["private_metadata"] == f'["{VALUE}",null,null]'


def test_K10_what_is_filled_in_becomes_values_that_the_one_validator_takes():
    fields = Approval(approvers=("bob@example.com",), form=FORM).form
    filled = {
        "why": {"value": "because"},
        "notes": {"value": None},
        "days": {"value": "7"},
        "rate": {"value": "1.5"},
        "urgent": {"selected_option": {"value": "yes"}},
        "on_day": {"selected_date": "2026-03-04"},
        "at_time": {"selected_time": "09:15"},
        "instant": {"selected_date_time": 1769931000},
        "span": {"value": "90m"},
        "colour": {"selected_option": {"value": "red"}},
        "extras": {"selected_options": []},
        "many": {"selected_options": [{"value": "o3"}, {"value": "o1"}]},
        "email": {"value": "x@example.com"},
        "site": {"value": "https://example.com/"},
        "data": {"value": '{"b": 2}'},
    }
    state = {name: {"value": given} for name, given in filled.items()}

    checked = validate(fields, form_inputs.values(fields, state, tz="Europe/Berlin"))

    assert checked == {
        "why": "because",
        "notes": "",
        "days": 7,
        "rate": 1.5,
        "urgent": True,
        "on_day": "2026-03-04",
        "at_time": "09:15",
        "instant": "2026-02-01T08:30:00+01:00",
        "span": "1h30m",
        "colour": "red",
        "extras": [],
        "many": ["o1", "o3"],
        "email": "x@example.com",
        "site": "https://example.com/",
        "data": {"b": 2},
    }
    assert form_inputs.values(fields, {}, tz="Not/AZone")["instant"] == ""


def test_a_default_from_an_earlier_output_is_filled_in():
    wait = Approval(
        approvers=("bob@example.com",), form=[{"name": "days", "type": "integer", "default": "{{ inputs.n }}"}]
    )

    blocks = form_inputs.inputs(wait.form, {"days": 9})

    assert blocks[0]["element"]["initial_value"] == "9"


@pytest.mark.parametrize(
    "field",
    [
        {"name": "pin", "type": "secret"},
        {"name": "one", "type": "select", "options": [f"o{n}" for n in range(101)]},
        {"name": "one", "type": "select", "options": ["x" * 151]},
        {"name": "long", "type": "string", "max_length": 20_000, "default": "x" * (MAX_TEXT + 1)},
        {"name": "report", "type": "file"},
        {"name": "reports", "type": "list", "of": "file"},
        {"name": "many", "type": "list", "of": "string", "default": ["x" * 1_000] * 3},
        # What Slack's pickers would leave out of a default, or leave out altogether.
        {"name": "at", "type": "time", "default": "14:30:15"},
        {"name": "once", "type": "datetime", "default": "2399-01-01T00:00:00+00:00"},
    ],
)
def test_S6_a_form_with_a_secret_or_more_than_slack_takes_is_for_the_page(field):
    wait = Approval(approvers=("bob@example.com",), form=[field])

    assert not form_inputs.fits_modal(wait.form, {})


CONDITIONAL: list[dict[str, Any]] = [
    {"name": "kind", "type": "select", "options": ["sick", "other"]},
    {"name": "which", "type": "string", "label": "Which one", "when": "kind == 'other'"},
    {"name": "paid", "type": "boolean", "default": True},
    {"name": "share", "type": "integer", "when": "paid", "default": "{{ inputs.n }}", "description": "In percent"},
]


def test_K10_a_modal_shows_the_fields_that_are_asked_and_is_told_of_what_changes_that():
    form = Approval(approvers=("bob@example.com",), form=CONDITIONAL).form
    rendered = {"share": 50}

    opened = form_inputs.inputs(form, rendered, given={})
    state = state_of(opened, {"kind": {"value": entered(opened[0]["element"], "other")}})
    given = form_inputs.values(form, state, tz=None)
    redrawn = form_inputs.inputs(form, rendered, given={**given, "paid": "no", "kind": "other"})

    assert [(block["block_id"], block.get("dispatch_action")) for block in opened] == [
        ("kind", True),
        ("paid", True),
        ("share", None),
    ]
    assert opened[2]["element"]["initial_value"] == "50"
    # The change of Kind has reached us, and the modal has not been drawn again: nobody has been asked which one.
    assert given == {"kind": "other", "paid": "yes", "share": "50"}
    assert form_inputs.unshown(form, rendered, given, opened)
    assert [block["block_id"] for block in redrawn] == ["kind", "which", "paid"]
    assert redrawn[0]["element"]["initial_option"]["value"] == "other"
    assert redrawn[2]["element"]["initial_option"]["value"] == "no"
    assert not form_inputs.unshown(form, rendered, {**given, "which": "a move", "paid": "no"}, redrawn)


def test_K10_a_modal_that_is_drawn_once_says_when_each_field_is_asked():
    form = Approval(approvers=("bob@example.com",), form=CONDITIONAL).form

    blocks = form_inputs.inputs(form, {"share": 50})

    assert [(block["block_id"], block["optional"], block.get("dispatch_action")) for block in blocks] == [
        ("kind", False, None),
        ("which", True, None),
        ("paid", False, None),
        ("share", True, None),
    ]
    assert blocks[1]["hint"] == plain("Only where “Kind” is 'other'.")
    assert blocks[3]["hint"] == plain("Only where “Paid”. In percent")


def test_K10_what_is_typed_before_a_modal_is_drawn_again_stays_where_it_fits():
    form = Approval(approvers=("bob@example.com",), form=FORM).form
    given = {"why": "because", "days": "many", "on_day": "2026-03-04", "extras": ["a"], "notes": "", "data": '{"b": 2}'}

    elements = {block["block_id"]: block["element"] for block in form_inputs.inputs(form, {}, given=given)}

    assert elements["why"]["initial_value"] == "because"
    assert "initial_value" not in elements["days"]
    assert elements["on_day"]["initial_date"] == "2026-03-04"
    assert [option["value"] for option in elements["extras"]["initial_options"]] == ["a"]
    assert "initial_value" not in elements["notes"]
    assert elements["data"]["initial_value"] == '{"b": 2}'
    assert elements["span"]["initial_value"] == "2d"


def test_K10_what_is_wrong_inside_a_value_is_said_under_its_input():
    form = Approval(
        approvers=("bob@example.com",),
        form=[{"name": "ports", "type": "list", "of": "integer"}, {"name": "day", "type": "date"}],
    ).form
    blocks = form_inputs.inputs(form, {})
    problems = {"ports[0]": "must be a whole number.", "ports[3]": "is required.", "stray": "is not a field."}

    told = form_inputs.errors(form, problems, blocks, limit=60)

    assert told == {"ports": "ports[0]: must be a whole number. ports[3]: is required."}
    assert len(form_inputs.errors(form, {"day": "x" * 99}, blocks, limit=60)["day"]) == 60
    assert blocks[0]["hint"] == plain("As JSON, such as [1]")


def test_K11_labels_descriptions_and_options_are_shown_as_they_came_out():
    wait = Approval(
        approvers=("bob@example.com",),
        form=[
            {
                "name": "env",
                "type": "select",
                "label": "Where {{ inputs.x }}",
                "description": "{{ inputs.x }}",
                "options": [{"value": "a", "label": "{{ inputs.x }}"}],
            }
        ],
    )
    view = a_view(wait, texts={"env.label": "Where <!here>", "env.description": "*bold*", "env.options.0": "Ann & Bob"})

    modal = approve_modal(view, Origin(Reference.to(view)), IDS)

    assert check_view(modal) == []
    (block,) = [block for block in modal["blocks"] if block["type"] == "input"]
    assert (block["label"], block["hint"]) == (plain("Where <!here>"), plain("*bold*"))
    assert block["element"]["options"] == [{"text": plain("Ann & Bob"), "value": "a"}]


def test_a_list_has_for_each_item_its_ask_its_card_and_buttons_that_say_whose_list_it_is():
    view = a_view()

    shown = pending([Item(view, "https://acme.slack.com/archives/C1/p1"), Item(view, None, actionable=False)], IDS, Listing.MINE)  # fmt: skip

    facts = f"Release · Gate  ·  asked by <@UANN00001>  ·  0 of 2 approvals  ·  until {DUE}"
    assert shown.text == "Waiting for you: 2"
    assert shown.blocks[1] == section(f"Ship it?\n{facts}  ·  <https://acme.slack.com/archives/C1/p1|Open the card>")
    assert shown.blocks[2]["block_id"] == f"mine:{IDS.suspension(7, 1)}"
    assert [element["value"] for element in shown.blocks[2]["elements"]] == [VALUE, VALUE]
    assert shown.blocks[3:] == [section(f"Ship it?\n{facts}")]


def test_help_names_the_nearest_word():
    assert "Did you mean `/approvals show`?" in help_("/approvals", "shwo").blocks[0]["text"]["text"]
    assert "Did you mean" not in help_("/approvals", "xyzzy").blocks[0]["text"]["text"]


def test_a_reference_is_read_back_and_anything_else_is_not():
    reference = Reference(7, 1, DIGEST)

    assert Reference.parse(reference.text(IDS), IDS) == reference
    for wrong in ("", "sus_1", "approve", f"{VALUE}00", VALUE[:-2], VALUE.replace("sus_", "run_"), f"x{VALUE}", "a:zz"):
        assert Reference.parse(wrong, IDS) is None
    origin = Origin(reference, "C1", "1.2")
    assert Origin.parse(origin.text(IDS), IDS) == origin
    for wrong in ("", "[]", "{}", "null", "1", '["x",null,null]', "[1,2,3]", '"abc"'):
        assert Origin.parse(wrong, IDS) is None


def test_a_counted_click_is_told_how_far_it_is():
    assert answers.counted(Verdict.APPROVE, "1 of 2 approvals") == "Counted: you approved. 1 of 2 approvals."
    assert answers.counted(Verdict.APPROVE, None, chosen=" (Staging)") == "Counted: you approved (Staging)."
    assert answers.counted(Verdict.REJECT, None) == "Counted: you rejected."
    assert answers.counted(Verdict.RESUME, None) == "Counted: you resumed it."
    assert answers.counted(Verdict.WITHDRAW, "0 of 2 approvals").startswith("Taken back: your answer does not count")


def test_every_emoji_that_is_used_is_one_that_the_sandbox_shows_too():
    views = Path(kit.__file__).parent
    sources = [*views.glob("*.py"), *views.parent.glob("*.py")]
    used = {name for file in sources for name in re.findall(r":([a-z_]+):", file.read_text("utf-8"))}
    drawn = (Path(sandbox.__file__).parent / "static" / "text.js").read_text("utf-8")

    assert len(used) > 10
    assert {name for name in used if not re.search(rf"\b{name}: \"", drawn)} == set()
