"""What is said to a click: counted, counted already, not allowed and why, closed by whom, or that it is our fault."""

from __future__ import annotations

from collections.abc import Mapping

from bot.slack.views import words
from flows.errors import FlowError, Refused
from flows.run import Kind, Verdict
from flows.views import SuspensionView
from integrations.slack.text import escape

UNKNOWN = "This approval is not known here any more. Nothing was recorded."
FAULT = "Something went wrong on our side; nothing was recorded. Please try again in a while."
TOO_LATE = "Slack did not let us open the form in time. Nothing was recorded; please click again."
TRY_AGAIN = "Slack does not answer right now. Nothing was recorded; please try again."
NOT_YOURS = "You are not one of the people who may see this."

_VERBS: Mapping[Verdict, str] = {
    Verdict.APPROVE: "you approved",
    Verdict.REJECT: "you rejected",
    Verdict.RESUME: "you resumed it",
}


def counted(verdict: Verdict, view: SuspensionView | None) -> str:
    """``Counted: you approved. 1 of 2 approvals.`` ``view`` is how it stands now, None where that cannot be read."""
    text = f"Counted: {_VERBS[verdict]}."
    if view is None or view.suspension.kind is Kind.HOLD or verdict is Verdict.REJECT:
        return text
    return f"{text} {words.progress(view).capitalize()}."


def refused(refusal: FlowError) -> str:
    """The refusal's own sentence, made inert; it may name people."""
    return escape(str(refusal)) if isinstance(refusal, Refused) else UNKNOWN


def closed(view: SuspensionView) -> str:
    """For a click on what was over before a form could be opened."""
    return f"This is no longer open. {words.ended(view)}."
