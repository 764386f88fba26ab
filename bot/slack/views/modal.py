"""What the modals have in common, and the one that says something and takes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from bot.slack.reference import Reference
from bot.slack.views import kit
from bot.slack.views.request import asked
from flows.ids import Ids
from flows.views import SuspensionView
from integrations.slack.text import clip, escape


@dataclass(frozen=True, slots=True)
class Origin:
    """What a modal was opened for, and from where: ids only, since the person's client can read it.

    ``channel`` and ``ts`` are of the message that was clicked; a click on the home tab has neither.
    """

    reference: Reference
    channel: str | None = None
    ts: str | None = None

    def text(self, ids: Ids) -> str:
        """For ``private_metadata``."""
        return json.dumps([self.reference.text(ids), self.channel, self.ts], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str, ids: Ids) -> Self | None:
        """What ``text`` wrote, or None where this is none of ours."""
        try:
            reference, channel, ts = json.loads(text)
        except (ValueError, TypeError):
            return None
        found = Reference.parse(reference, ids) if isinstance(reference, str) else None
        return cls(found, channel, ts) if found is not None else None


def form(
    view: SuspensionView,
    origin: Origin,
    ids: Ids,
    *,
    callback_id: str,
    title: str,
    submit: str,
    inputs: Sequence[kit.Block],
    note: str | None = None,
) -> kit.Block:
    """A modal that says what is asked and takes ``inputs``; ``note`` stands above it all, in plain words."""
    request = asked(view)
    blocks = [kit.section(f":warning: {escape(note)}")] if note else []
    blocks += request.blocks
    if request.cut:
        blocks.append(kit.context(kit.CUT.replace("see the whole", "the card leads to the whole")))
    return {
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": origin.text(ids),
        "title": kit.plain(clip(title, kit.MODAL_TITLE)),
        "submit": kit.plain(clip(submit, kit.MODAL_TITLE)),
        "close": kit.plain("Back"),
        "blocks": [*blocks, *inputs],
    }


def notice(title: str, sentence: str) -> kit.Block:
    """A modal that says one thing. ``sentence`` is in plain words."""
    return {
        "type": "modal",
        "callback_id": "notice",
        "title": kit.plain(clip(title, kit.MODAL_TITLE)),
        "close": kit.plain("Close"),
        "blocks": [kit.section(clip(escape(sentence), kit.SECTION))],
    }
