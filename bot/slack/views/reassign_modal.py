"""The modal in which somebody who is asked, or an admin, lets somebody else be asked instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.basic_components import Option
from slack_sdk.models.blocks.block_elements import StaticSelectElement

from bot.slack.views import kit, modal, words
from bot.slack.views.answer import Answer
from bot.slack.views.buttons import REASSIGN
from bot.slack.views.person_input import person_input
from bot.slack.views.reason_input import reason_input
from bot.slack.views.request import summary
from flows.ids import Ids
from flows.people import Person
from flows.ports import Json
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

INSTEAD_OF = "-instead"
"""The input's block id, where there is a choice of whom to relieve."""

TITLE = "Ask somebody else"

_VALUE = "value"
_MOST = 100  # options of a menu
_OPTION = 75  # characters
_ASK = 500


def reassign_modal(
    view: SuspensionView, origin: modal.Origin, ids: Ids, reader: Person, others: Sequence[Person] = ()
) -> kit.Block:
    """The modal. ``others`` are those whom the reader may relieve besides themselves, or instead: for an admin."""
    ask = clip(escape(summary(view, _ASK)), _ASK) or "_Nothing was written here._"
    blocks = [kit.section(f"{ask}\nAsked by {words.who(view.requester)}")]
    if others:
        blocks.append(_instead_of(others, reader, ids))
    else:
        blocks.append(kit.context("You are not asked any more, and the person you choose is. Both names are kept."))
    blocks += [
        person_input("Who is to be asked"),
        reason_input(required=False, hint="The requester and the person you choose will read it."),
    ]
    return {
        "type": "modal",
        "callback_id": REASSIGN,
        "private_metadata": origin.text(ids),
        "title": kit.plain(TITLE),
        "submit": kit.plain("Ask them instead"),
        "close": kit.plain("Back"),
        "blocks": blocks,
    }


def instead_of(state: Mapping[str, Mapping[str, Json]]) -> str | None:
    """The id of the person who was chosen to be relieved; None where there was no choice."""
    chosen = state.get(INSTEAD_OF, {}).get(_VALUE, {}).get("selected_option") or {}
    return chosen.get("value")


def done(person: Person, to: Person, reader: Person) -> Answer:
    """What is said when it is done."""
    whom = "you" if person.id == reader.id else words.who(person)
    return Answer(f":arrow_right: {words.who(to)} is asked now instead of {whom}.")


def _instead_of(others: Sequence[Person], reader: Person, ids: Ids) -> kit.Block:
    options = [Option(value=ids.person(one.id), text=kit.plain(clip(one.name, _OPTION))) for one in others[:_MOST]]
    # Whoever is asked themselves means themselves most of the time.
    own = next((one for one in options if one.value == ids.person(reader.id)), options[0])
    element = StaticSelectElement(action_id=_VALUE, options=options, initial_option=own)
    block = InputBlock(block_id=INSTEAD_OF, label=kit.plain("Instead of"), element=element, optional=False)
    return dict(block.to_dict())
