"""What is said to a click: counted, counted already, not allowed and why, closed by whom, or that it is our fault."""

from __future__ import annotations

from collections.abc import Mapping

from bot.slack.views import words
from flows.errors import FlowError, Refused
from flows.run import Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

UNKNOWN = "This approval is not known here any more. Nothing was recorded."
FAULT = "Something went wrong on our side; nothing was recorded. Please try again in a while."
TOO_LATE = "Slack did not let us open the form in time. Nothing was recorded; please click again."
TRY_AGAIN = "Slack does not answer right now. Nothing was recorded; please try again."
NOT_YOURS = "You are not one of the people who may see this."

_REFUSAL = 1_000  # characters; one that names everybody who has decided may have more

_VERBS: Mapping[Verdict, str] = {
    Verdict.APPROVE: "you approved",
    Verdict.REJECT: "you rejected",
    Verdict.RESUME: "you resumed it",
}


def counted(verdict: Verdict, progress: tuple[int, int] | None) -> str:
    """``Counted: you approved. 1 of 2 approvals.`` ``progress`` is how many there are and how many it takes, None where
    that cannot be read."""
    text = f"Counted: {_VERBS[verdict]}."
    return f"{text} {words.of(*progress)}." if progress is not None and verdict is Verdict.APPROVE else text


def refused(refusal: FlowError) -> str:
    """The refusal's own sentence, made inert; it may name people."""
    return clip(escape(str(refusal)), _REFUSAL) if isinstance(refusal, Refused) else UNKNOWN


def closed(view: SuspensionView) -> str:
    """For a click on what was over before a form could be opened."""
    return f"This is no longer open. {words.ended(view)}."
