"""The buttons that decide, the same on every surface."""

from __future__ import annotations

from collections.abc import Iterator

from slack_sdk.models.blocks.block_elements import ButtonElement, OverflowMenuElement

from bot.slack.views import kit
from bot.slack.views.request import is_cut
from flows.definition import Approval
from flows.run import Kind
from flows.views import SuspensionView

APPROVE = "approve"
APPROVE_WITH = "approve_with"
"""Approve where more goes with it: a form, a reason, the whole of what is cut, or a choice that the buttons have no room
for. Told apart here, where the wait is at hand, so that a click need not look for it."""
OPTION = "option:"
"""Approve one of the options; its name follows."""
OPTION_WITH = "option_with:"
REJECT = "reject"
RESUME = "resume"
RESUME_WITH = "resume_with"
TAKE_BACK = "take_back"
OPEN_WHOLE = "open_whole"
OPEN_PAGE = "open_page"
EXPLAIN = "explain"
ASK = "ask"
SNOOZE = "snooze"
REASSIGN = "reassign"
BREAK_GLASS = "break_glass"
MORE = "more"
"""The menu at the end of a card's row: what one may do besides deciding."""

ROW = 25
"""Elements of one row, in Slack."""

OPTIONS = ROW - 2
"""Options that have a button of their own: Reject, and what undoes an answer, stand beside them."""

_MORE = (
    (EXPLAIN, "Explain"),
    (ASK, "Ask a question"),
    (SNOOZE, "Remind me later"),
    (REASSIGN, "Ask somebody else"),
    (BREAK_GLASS, "Let it go on undecided"),
)


def decision_buttons(view: SuspensionView, reference: str, *, options: int = OPTIONS) -> list[ButtonElement]:
    """Approve and Reject, or Resume. Up to ``options`` options have a button each; of more, Approve opens the choice."""
    return list(_buttons(view, reference, options))


def take_back(reference: str) -> ButtonElement:
    """What withdraws one's own answer."""
    return kit.button(TAKE_BACK, "Take back", value=reference)


def undo(reference: str) -> ButtonElement:
    """The same, while an answer that completes it has not taken effect."""
    return kit.button(TAKE_BACK, "Undo", value=reference)


def show_all(reference: str) -> ButtonElement:
    """What opens the whole of a request that is cut."""
    return kit.button(OPEN_WHOLE, "Show all", value=reference)


def explain_button(reference: str) -> ButtonElement:
    """What says why it waits, for whom, and what comes next."""
    return kit.button(EXPLAIN, "Explain", value=reference)


def more_menu(reference: str, *, droppable: bool = True) -> OverflowMenuElement:
    """The same, and what else one may do with an open card. ``droppable``: also what admins and owners may do alone."""
    return kit.menu(MORE, [(title, f"{what}:{reference}") for what, title in _MORE if droppable or what != BREAK_GLASS])


def chosen(value: str) -> tuple[str, str]:
    """What was chosen from that menu (``explain``, ``ask``, ...), and the reference that it carries."""
    what, _, reference = value.partition(":")
    return what, reference


def _buttons(view: SuspensionView, reference: str, options: int) -> Iterator[ButtonElement]:
    more = asks_more(view)
    if view.suspension.kind is Kind.HOLD:
        yield kit.button(RESUME_WITH if more else RESUME, "Resume", value=reference, style="primary")
        return
    choices = view.options
    if choices and len(choices) <= options:
        for choice in choices:
            action = f"{OPTION_WITH if more else OPTION}{choice.name}"
            yield kit.button(action, choice.title.strip() or choice.name, value=reference)
    else:
        action = APPROVE_WITH if more or choices else APPROVE
        yield kit.button(action, "Approve", value=reference, style="primary")
    yield kit.button(REJECT, "Reject", value=reference, style="danger")


def asks_more(view: SuspensionView) -> bool:
    """Whether a yes opens a modal: for a form, for a reason, or to show the whole of what a card shows a part of."""
    wait = view.wait
    return bool(view.request.form) or (isinstance(wait, Approval) and wait.reason == "both") or is_cut(view)
