"""What waits, as a list: the answer of ``/approvals``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from slack_sdk.models.blocks.block_elements import ButtonElement

from bot.slack.reference import Reference
from bot.slack.views import buttons, card, kit, words
from bot.slack.views.answer import Answer, told
from bot.slack.views.request import summary, title
from flows.ids import Ids
from flows.people import Person
from flows.run import Kind
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

ITEMS = 10
"""What a list shows of what waits; at two blocks and at most 800 characters each this stays within one message."""

_SAID = 1_000  # characters
_ASK = 300
_TITLE = 150
_LABELS = 80  # characters of the options that stand there as buttons; of more, Approve opens the choice


class Listing(StrEnum):
    """Which list it is: what waits for its reader, or all that they may see."""

    MINE = "mine"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that waits. ``link`` leads to its card where the reader can see one; ``actionable``: with buttons.

    ``answered``: its reader has decided it, and may take that back. ``principal``: for whom they would answer it, None:
    for themselves.
    """

    view: SuspensionView
    link: str | None
    actionable: bool = True
    answered: bool = False
    principal: Person | None = None


def pending(
    items: Sequence[Item],
    ids: Ids,
    listing: Listing,
    *,
    more: bool = False,
    said: Answer | None = None,
    answered: int = 0,
    later: int = 0,
) -> card.Shown:
    """The list. ``more``: there is more than these. ``said`` is the answer to a click on it. ``answered`` is how many
    its reader has decided that are open all the same, ``later`` how many they have put off, and none of these is in it."""
    heading = "Waiting for you" if listing is Listing.MINE else "Everything that waits"
    blocks = told(replace(said, text=clip(said.text, _SAID))) if said else []
    blocks.append(kit.header(heading))
    for item in items:
        blocks += _item(item, ids, listing)
    nothing = "Nothing waits for you." if listing is Listing.MINE else "Nothing waits for anybody that you may see."
    if not items:
        blocks.append(kit.section(nothing))
    if more:
        blocks.append(kit.context(f"These are the {len(items)} with the nearest deadlines; there are more."))
    if answered:
        what = "1 that is" if answered == 1 else f"{answered} that are"
        blocks.append(kit.context(f"You have decided {what} still open. `/approvals all` shows them, to change that."))
    if later:
        blocks.append(
            kit.context(f"{later} more that you have put off: your home tab has {'it' if later == 1 else 'them'}.")
        )
    return card.Shown(f"{heading}: {len(items)}{' and more' if more else ''}" if items else nothing, blocks)


def listing_of(block_id: str) -> Listing | None:
    """The list that a row of buttons belongs to; None where it is a card's."""
    name, _, rest = block_id.partition(":")
    return next((listing for listing in Listing if rest and listing.value == name), None)


def _item(item: Item, ids: Ids, listing: Listing) -> list[kit.Block]:
    view = item.view
    reference = Reference.to(view)
    ask = clip(escape(summary(view, _ASK)), _ASK) or "_Nothing was written here._"
    facts = [clip(words.line(title(view)), _TITLE), f"asked by {words.who(view.requester)}", words.progress(view)]
    if item.principal is not None:
        facts.insert(0, f"*for {words.who(item.principal)}*")
    if view.run.paused is not None:
        facts.append("the run is paused")
    if view.suspension.due is not None:
        facts.append(f"until {words.moment(view.suspension.due)}")
    if item.link is not None:
        facts.append(f"<{item.link}|Open the card>")
    blocks = [kit.section(f"{ask}\n{'  ·  '.join(facts)}")]
    block_id = f"{listing}:{ids.suspension(reference.run, reference.n)}"
    if item.actionable and view.suspension.kind in (Kind.APPROVAL, Kind.HOLD):
        blocks.append(kit.actions(block_id, _buttons(view, reference.text(ids))))
    elif item.answered:
        blocks.append(kit.actions(block_id, [buttons.take_back(reference.text(ids))]))
    return blocks


def _buttons(view: SuspensionView, reference: str) -> list[ButtonElement]:
    short = sum(len(option.title) for option in view.options) <= _LABELS
    return buttons.decision_buttons(view, reference, options=buttons.OPTIONS if short else 0)
