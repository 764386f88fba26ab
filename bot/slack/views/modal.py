"""What the modals have in common, and those that say something and take nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bot.slack.reference import Reference
from bot.slack.views import kit, words
from bot.slack.views.buttons import take_back
from bot.slack.views.request import asked
from flows.ids import Ids
from flows.run import Decision
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

MINE = "mine"
"""The block id of the row under what the person has said before."""

_ALWAYS = 3  # of what an origin says is written also where it is nothing


@dataclass(frozen=True, slots=True)
class Origin:
    """What a modal was opened for, and from where: ids only, since the person's client can read it.

    ``channel`` and ``ts`` are of the message that was clicked; a click on the home tab has neither. ``option`` is the
    one whose button it was, ``thread`` the ts of the message whose thread it stood in.
    """

    reference: Reference
    channel: str | None = None
    ts: str | None = None
    option: str | None = None
    thread: str | None = None

    def text(self, ids: Ids) -> str:
        """For ``private_metadata``."""
        parts = [self.reference.text(ids), self.channel, self.ts, self.option, self.thread]
        while parts[-1] is None and len(parts) > _ALWAYS:
            parts.pop()
        return json.dumps(parts, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str, ids: Ids) -> Self | None:
        """What ``text`` wrote, or None where this is none of ours."""
        try:
            reference, channel, ts, *more = json.loads(text)
        except (ValueError, TypeError):
            return None
        found = Reference.parse(reference, ids) if isinstance(reference, str) else None
        return cls(found, channel, ts, *more[:2]) if found is not None else None


def form(
    view: SuspensionView,
    origin: Origin,
    ids: Ids,
    *,
    callback_id: str,
    title: str,
    submit: str | None,
    inputs: Sequence[kit.Block],
    note: str | None = None,
    mine: Decision | None = None,
    request: Sequence[kit.Block] | None = None,
) -> kit.Block:
    """A modal that says what is asked and takes ``inputs``; ``note`` stands above it all, in plain words.

    ``mine`` is what its reader has said before, which they may take back instead. ``request`` is what is said of what is
    asked; without it, what the card says. Without ``submit`` it cannot be sent.
    """
    blocks = [kit.section(clip(f":warning: {escape(note)}", kit.SECTION))] if note else []
    blocks += asked_in_short(view) if request is None else request
    if mine is not None:
        whose = "" if mine.by is None else f" ({words.gave(view, mine)})"
        text = f"You have {words.said(view, mine)} this{whose}, {words.moment(mine.at)}. What you send now replaces it."
        blocks.append(kit.section(text, block_id=MINE, button=take_back(origin.reference.text(ids))))
    return {
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": origin.text(ids),
        "title": kit.plain(clip(title, kit.MODAL_TITLE)),
        **({"submit": kit.plain(clip(submit, kit.MODAL_TITLE))} if submit is not None else {}),
        "close": kit.plain("Back"),
        "blocks": [*blocks, *inputs],
    }


def asked_in_short(view: SuspensionView) -> list[kit.Block]:
    """What the card says of what is asked."""
    risk = words.risk(view)
    request = asked(view)
    blocks = [kit.context(risk)] if risk else []
    blocks += request.blocks
    if request.cut:
        blocks.append(kit.context(kit.CUT.replace("see the whole", "Show all on the card has the whole")))
    return blocks


def notice(title: str, sentence: str) -> kit.Block:
    """A modal that says one thing. ``sentence`` is in plain words."""
    return told(title, escape(sentence))


def told(title: str, text: str) -> kit.Block:
    """The same in Slack's markup; what people wrote in it has to be escaped by then."""
    return {
        "type": "modal",
        "callback_id": "notice",
        "title": kit.plain(clip(title, kit.MODAL_TITLE)),
        "close": kit.plain("Close"),
        "blocks": [kit.section(clip(text, kit.SECTION))],
    }
