"""The modals: approve, resume, reject, start a run, cancel one, and those that only say something."""

from __future__ import annotations

from datetime import timedelta

from bot.slack.views import cancel_modal as cancelling
from bot.slack.views import kit
from bot.slack.views import run_modal as running
from bot.slack.views.approve_modal import approve_modal
from bot.slack.views.asked import Asked, who_is_asked
from bot.slack.views.decision_modal import decision_modal
from bot.slack.views.install_modal import install_modal
from bot.slack.views.modal import notice, told
from bot.slack.views.reject_modal import reject_modal
from bot.slack.views.whole import LAST
from flows.definition import Flow, Hold, Step
from flows.run import Verdict
from tests.bot.views.registry import largest, state
from tests.bot.views.states import (
    BOB,
    CAT,
    FORM,
    GIVEN,
    GROUPS,
    IDS,
    INPUTS,
    a_request,
    a_run,
    approval,
    largest_form,
    largest_request,
    largest_run,
    origin,
    said,
)

VACATION = Flow(
    flow="vacation",
    title="Vacation request",
    description="Asks your manager, and books it.",
    inputs=[
        {"name": "start", "type": "date", "label": "First day"},
        {"name": "days", "type": "integer", "label": "Days", "min": 1, "max": 30, "default": 5},
        {"name": "paid", "type": "boolean", "label": "Paid", "default": True},
        {"name": "why", "type": "string", "label": "Why", "required": False, "when": "not paid"},
    ],
    steps=[Step(id="manager", approval=approval())],
)
ASKED = Asked(people=(BOB, CAT), groups=(("@hr-leads", 2),), gaps=(("zoe@example.com", "is not in Slack"),), later=True)

EVERY_FIELD = [
    {"name": "text", "type": "string", "label": "Text", "min_length": 2, "default": "as usual"},
    {"name": "lines", "type": "string", "label": "Lines", "multiline": True, "required": False},
    {"name": "count", "type": "integer", "label": "Count", "min": 1, "max": 30, "default": 5},
    {"name": "rate", "type": "number", "label": "Rate", "required": False, "default": 1e-7},
    {"name": "urgent", "type": "boolean", "label": "Urgent", "default": False},
    {"name": "day", "type": "date", "label": "Day", "required": False, "default": "2026-02-01"},
    {"name": "time", "type": "time", "label": "Time", "required": False, "default": "14:30"},
    {"name": "instant", "type": "datetime", "label": "Instant", "required": False, "default": "2026-02-01T08:30:00+01:00"},
    {"name": "span", "type": "duration", "label": "How long", "required": False, "default": "2d"},
    {"name": "colour", "type": "select", "label": "Colour", "options": ["red", "blue"], "default": "blue"},
    {"name": "extras", "type": "multiselect", "label": "Extras", "options": ["a", "b"], "required": False, "default": ["b"]},
    {"name": "many", "type": "multiselect", "label": "Many", "options": [f"o{n}" for n in range(12)], "required": False},
    {"name": "mail", "type": "email", "label": "Mail", "required": False},
    {"name": "site", "type": "url", "label": "Site", "required": False},
    {"name": "data", "type": "json", "label": "Data", "required": False, "default": {"a": 1}},
    {"name": "hosts", "type": "list", "label": "Hosts", "of": "string", "required": False},
]  # fmt: skip


@state(approve_modal)
def approve_modal_with_a_form_K5() -> kit.Block:
    view = a_request(approval(form=FORM))
    return approve_modal(view, origin(view), IDS)


@state(approve_modal)
def approve_modal_with_every_field_K10() -> kit.Block:
    view = a_request(approval(form=EVERY_FIELD))
    return approve_modal(view, origin(view), IDS)


@state(approve_modal)
def approve_modal_with_a_reason_and_an_answer_given_before() -> kit.Block:
    view = a_request(approval(reason="both"), decisions=(said(BOB, Verdict.REJECT, "Too early."),))
    return approve_modal(view, origin(view), IDS, note="This has changed since it was shown.", mine=view.decisions[0])


@state(approve_modal)
def approve_modal_with_a_choice() -> kit.Block:
    view = a_request(approval(options=[f"region_{n}" for n in range(30)]))
    return approve_modal(view, origin(view), IDS)


@state(approve_modal)
def approve_modal_of_one_choice() -> kit.Block:
    view = a_request(approval(options=["canary", {"name": "all", "label": "Everywhere"}], form=FORM))
    return approve_modal(view, origin(view, option="all"), IDS)


@state(approve_modal)
def resume_modal_K1() -> kit.Block:
    view = a_request(Hold(ask="The upload is done. Go on?", form=FORM))
    return approve_modal(view, origin(view), IDS)


@state(reject_modal)
def reject_modal_K6() -> kit.Block:
    view = a_request()
    return reject_modal(view, origin(view), IDS)


@state(reject_modal)
def reject_modal_that_requires_a_reason() -> kit.Block:
    view = a_request(approval(reason="reject", form=FORM, form_on="both"))
    return reject_modal(view, origin(view), IDS, given={"window": "tomorrow"})


@state(decision_modal)
def decision_modal_rejects_where_that_is_the_verdict() -> kit.Block:
    view = a_request()
    return decision_modal(view, origin(view), IDS, Verdict.REJECT)


@state(running.run_modal, who_is_asked)
def run_modal_that_says_who_will_be_asked() -> kit.Block:
    return running.run_modal(
        VACATION, running.Start("vacation", "C1", "0f" * 32), asked=who_is_asked(ASKED, GROUPS), ready=True
    )


@state(running.run_modal)
def run_modal_first_step() -> kit.Block:
    start = running.Start("vacation", "C1")
    return running.run_modal(
        VACATION, start, asked=running.FIRST_STEP, ready=False, given={"paid": False}, note="Pick a day."
    )


@state(running.loading)
def run_modal_while_people_are_looked_up() -> kit.Block:
    return running.loading(VACATION)


@state(running.elsewhere)
def run_modal_cannot_show_secrets() -> str:
    inputs = [*INPUTS, {"name": "pin", "type": "secret", "label": "PIN"}]
    said = running.elsewhere(
        VACATION.model_copy(update={"inputs": Flow(flow="x", inputs=inputs, steps=VACATION.steps).inputs})
    )
    assert said is not None
    return said


@state(cancelling.cancel_modal)
def cancel_modal_R7() -> kit.Block:
    return cancelling.cancel_modal(a_run(), cancelling.Cancelling(7, "C00000001"), IDS)


@state(install_modal)
def modal_with_the_link_to_install_it() -> kit.Block:
    return install_modal(
        "https://signoff.example.com/slack/install?for=eve%40example.com&link=abc", timedelta(minutes=15)
    )


@state(install_modal)
def modal_without_a_link_to_install_it() -> kit.Block:
    return install_modal(None, timedelta(minutes=15))


@state(cancelling.loading)
def cancel_modal_while_the_run_is_looked_up() -> kit.Block:
    return cancelling.loading(cancelling.Cancelling(7))


@state(cancelling.cancel_modal)
def withdraw_modal_R7() -> kit.Block:
    return cancelling.cancel_modal(a_run(), cancelling.Cancelling(7, withdraws=True), IDS)


@state(notice)
def notice_in_plain_words_S6() -> kit.Block:
    return notice("That is no longer open", "<!channel> & *bold* stay as they are.")


@state(told)
def notice_in_markup() -> kit.Block:
    return told("This was decided", f"It was approved by <@{(BOB.slack or '').partition('/')[2]}>.")


@largest(approve_modal)
def approve_modal_largest(letter: str) -> kit.Block:
    view = largest_form(letter)
    return approve_modal(view, origin(view), IDS, note=letter * 5_000, mine=view.decisions[0], page=LAST)


@largest(approve_modal)
def approve_modal_largest_first_page(letter: str) -> kit.Block:
    view = largest_form(letter)
    return approve_modal(view, origin(view), IDS, note=letter * 5_000, mine=view.decisions[0])


@largest(reject_modal, decision_modal)
def reject_modal_largest(letter: str) -> kit.Block:
    view = largest_form(letter)
    return decision_modal(view, origin(view), IDS, Verdict.REJECT, note=letter * 5_000, mine=view.decisions[0])


@largest(running.run_modal, who_is_asked)
def run_modal_largest(letter: str) -> kit.Block:
    view = largest_form(letter)
    asked = Asked(
        tuple(view.people.values()), ((letter * 80, 1_000),) * 50, ((letter * 80, letter * 300),) * 50, later=True
    )
    start = running.Start("f" * 64, "C" * 11, "0" * 64)
    groups = {letter * 80: "S" * 11}
    return running.run_modal(
        view.plan.flow, start, asked=who_is_asked(asked, groups), ready=True, given=GIVEN, note=letter * 5_000
    )


@largest(install_modal)
def modal_with_the_link_to_install_it_largest(letter: str) -> kit.Block:
    return install_modal(f"https://signoff.example.com/slack/install?for={'x' * 900}", timedelta(minutes=15))


@largest(running.loading)
def run_modal_loading_largest(letter: str) -> kit.Block:
    return running.loading(largest_request(letter).plan.flow)


@largest(running.elsewhere)
def run_modal_elsewhere_largest(letter: str) -> str:
    fields = [{"name": f"field_{n}", "type": "secret", "label": letter * 150} for n in range(90)]
    flow = Flow(flow="f" * 64, title=letter * 150, inputs=fields, steps=VACATION.steps)
    said = running.elsewhere(flow)
    assert said is not None
    return said


@largest(cancelling.cancel_modal)
def cancel_modal_largest(letter: str) -> kit.Block:
    return cancelling.cancel_modal(largest_run(letter), cancelling.Cancelling(7, "C" * 11), IDS)


@largest(notice)
def notice_largest(letter: str) -> kit.Block:
    return notice(letter * 300, letter * 20_000)


@largest(told)
def notice_in_markup_largest(letter: str) -> kit.Block:
    return told(letter * 300, letter * 20_000)
