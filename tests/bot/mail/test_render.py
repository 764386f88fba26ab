"""What mails say, made of what waits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.mail import render
from bot.mail.render import Envelope
from flows.definition import Approval, Flow, Hold, Step
from flows.people import Person
from flows.plan import Plan
from flows.rules import Terms, Tree
from flows.run import Approvers, Kind, Run, Suspension
from flows.views import SuspensionView

AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
ANN, BOB = Person(1, "Ann", "ann@example.com", tz="Europe/Berlin"), Person(2, "Bob", "bob@example.com")
URL = "https://signoff.example.com/a/token"
LINK = Envelope(URL)


def view(wait: Approval | Hold, *, needed: int = 1, terms: Terms | None = None) -> SuspensionView:
    kind = Kind.HOLD if isinstance(wait, Hold) else Kind.APPROVAL
    given = {"hold" if isinstance(wait, Hold) else "approval": wait}
    plan = Plan.of(Flow(flow="buy", title="Buying", steps=[Step(id="gate", title="Buy it?", **given)]))
    suspension = Suspension(
        1, "gate", kind, AT, AT.replace(day=7), ask="Buy <b>chairs</b>?", approvers=Approvers((1, 2)), needed=needed, terms=terms
    )  # fmt: skip
    return SuspensionView(plan, Run(1, "buy", 2, {}, AT), suspension, (), {1: ANN, 2: BOB})


def approval(**more: object) -> Approval:
    return Approval(approvers=["ann@example.com", "bob@example.com"], **more)


@pytest.mark.parametrize(
    ("shown", "sentences"),
    [
        (view(approval()), ["It takes 1 approval.", "to approve or reject."]),
        (view(approval(quorum=2), needed=2), ["It takes 2 approvals."]),
        (
            view(approval(quorum=2, options=["large", {"name": "small", "label": "Small & red"}]), needed=2),
            ["It takes 2 approvals for the same choice.", "The choices: Large, Small & red.", "to choose or reject."],
        ),
        (view(approval(), needed=2, terms=Terms(Tree(2, (1, 2)))), ["It takes at least 2 approvals."]),
        (view(approval(reason="reject")), ["It takes 1 approval.", "Whoever rejects has to say why."]),
        (view(approval(reason="both")), ["Whoever decides has to say why."]),
        (view(Hold(ask="Go on?")), ["Open this page to resume."]),
    ],
)
def test_a_mail_says_what_it_takes(shown: SuspensionView, sentences: list[str]) -> None:
    letter = render.ask(shown, ANN, LINK)

    for sentence in sentences:
        assert sentence in letter.text
    assert "\n\n\n" not in letter.text
    assert URL in letter.text
    assert "Open until Wednesday, 7 January 2026, 10:00 CET (Europe/Berlin)." in letter.text


def test_a_mail_says_in_html_what_it_says_in_text() -> None:
    shown = view(approval(quorum=2, options=["large", {"name": "small", "label": "Small & red"}]), needed=2)

    letter = render.ask(shown, ANN, LINK)

    assert letter.html.startswith("<!doctype html>")
    for sentence in ("It takes 2 approvals for the same choice.", "The choices: Large, Small &amp; red."):
        assert sentence in letter.html
    assert "Open to choose or reject" in letter.html
    assert "<b>" not in letter.html
    assert letter.subject == "Please decide: Buy <b>chairs</b>?"


def test_a_mail_for_a_hold_says_nothing_of_approvals() -> None:
    letter = render.ask(view(Hold(ask="Go on?")), ANN, LINK)

    assert letter.subject.startswith("Waiting for you: ")
    assert "approv" not in letter.text + letter.html
    assert "Open to resume" in letter.html


def test_W8_a_mail_shows_the_inputs_of_the_child_flow_that_asks_and_no_secret() -> None:
    child = Flow(
        flow="inner",
        inputs=[{"name": "part", "type": "string", "label": "Part"}, {"name": "pin", "type": "secret"}],
        steps=[Step(id="ask", approval=approval())],
    )
    outer = Flow(
        flow="outer",
        inputs=[{"name": "part", "type": "integer", "label": "Of the whole"}],
        steps=[Step(id="sub", flow="inner", **{"with": {"part": "a wheel", "pin": "x"}})],
    )
    plan = Plan.of(outer, {"inner": child})
    suspension = Suspension(1, "sub.ask", Kind.APPROVAL, AT, None, ask="Take it?", approvers=Approvers((1,)), needed=1)
    inputs = {"part": "a wheel", "pin": {"$secret": "pin"}}
    shown = SuspensionView(plan, Run(1, "outer", 2, {"part": 7}, AT), suspension, (), {1: ANN, 2: BOB}, inputs=inputs)

    letter = render.ask(shown, ANN, LINK)

    assert "Part: a wheel\nPin: ••••\n" in letter.text
    assert "Of the whole" not in letter.text
