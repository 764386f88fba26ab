"""What a person is told about what they did: a sentence, and what they may do next."""

from __future__ import annotations

from dataclasses import dataclass

from bot.slack.views import kit
from bot.slack.views.buttons import OPEN_PAGE, take_back, undo
from integrations.slack.text import clip

ANSWER = "answer"
"""The block id of the row under the sentence."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The sentence, in Slack's markup. ``take_back`` is what the button carries that withdraws what they have said,
    ``page`` the person's own link to the page of it all. ``undo``: it has not taken effect yet."""

    text: str
    take_back: str | None = None
    page: str | None = None
    undo: bool = False


def told(answer: Answer) -> list[kit.Block]:
    """The answer as blocks."""
    blocks = [kit.section(clip(answer.text, kit.SECTION))]
    if answer.take_back is not None:
        blocks.append(kit.actions(ANSWER, [(undo if answer.undo else take_back)(answer.take_back)]))
    if answer.page is not None:
        blocks.append(kit.actions(f"{ANSWER}:page", [kit.link_button(OPEN_PAGE, "Open the page", answer.page)]))
        blocks.append(kit.context("The link is yours alone: whoever has it acts as you."))
    return blocks
