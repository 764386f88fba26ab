"""Why what somebody sent did not count, for the page that is shown again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.web.errors import Answer, sentence
from bot.web.widgets import Typed
from flows.errors import ChangedSinceShown, DecidedByYou, InvalidForm

VERDICT = "verdict"
"""The field of the form in which the answer is chosen."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The sentence, what is wrong with which value, and the answer that had been chosen, where it is to be kept."""

    title: str
    sentence: str
    fields: Mapping[str, str] = field(default_factory=dict)
    choice: str | None = None


def trouble_of(answer: Answer, error: Exception, typed: Typed | None) -> Trouble:
    """How ``error`` is told, which is answered by ``answer``; ``typed`` is what the person had filled in."""
    if isinstance(error, InvalidForm):
        text = "Nothing was counted yet. Please mend what is marked below, and send it again."
        return Trouble(answer.title, text, error.fields, choice=_chosen(typed))
    # After a change the choice has to be made anew, for what is asked now; else what was said stays said.
    keeps = not isinstance(error, ChangedSinceShown | DecidedByYou)
    return Trouble(answer.title, sentence(answer, error), choice=_chosen(typed) if keeps else None)


def _chosen(typed: Typed | None) -> str | None:
    chosen = (typed or {}).get(VERDICT) or []
    return chosen[0] if len(chosen) == 1 else None
