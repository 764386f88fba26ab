"""What is said to a click: counted, counted already, not allowed and why, closed by whom, or that it is our fault."""

from __future__ import annotations

from collections.abc import Mapping

from bot.slack.views import words
from flows.errors import FlowError, Refused
from flows.ids import Ids
from flows.run import Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

UNKNOWN = "This approval is not known here any more. Nothing was recorded."
FAULT = "Something went wrong on our side; nothing was recorded. Please try again in a while."
TOO_LATE = "Slack did not let us open the form in time. Nothing was recorded; please click again."
NO_RUN = "There is no such run, or it is not yours to see. A run's id looks like `run_1a2b3c4d5e6f7`."
NOT_YOURS = "You are not one of the people who may see this."

_REFUSAL = 1_000  # characters; one that names everybody who has decided may have more

_COUNTED: Mapping[Verdict, str] = {
    Verdict.APPROVE: "Counted: you approved",
    Verdict.REJECT: "Counted: you rejected",
    Verdict.RESUME: "Counted: you resumed it",
    Verdict.WITHDRAW: "Taken back: your answer does not count any more",
}


def counted(verdict: Verdict, standing: str | None, *, chosen: str = "") -> str:
    """``Counted: you approved (Staging). 1 of 2 approvals.`` ``standing`` is how it stands now, in Slack's markup; None
    where that cannot be read, or says nothing. ``chosen`` is `` (Staging)``."""
    text = f"{_COUNTED[verdict]}{chosen}."
    return f"{text} {standing}." if standing else text


def refused(refusal: FlowError) -> str:
    """The refusal's own sentence, made inert; it may name people."""
    return clip(escape(str(refusal)), _REFUSAL) if isinstance(refusal, Refused) else UNKNOWN


def closed(view: SuspensionView, ids: Ids) -> str:
    """For a click on what was over before a form could be opened."""
    return f"This is no longer open. {words.ended(view, ids)}."
