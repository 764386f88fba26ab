"""The modal that asks whether a run is really to be cancelled, and why."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from bot.slack.views import kit, words
from bot.slack.views.reason_input import reason_input
from flows.ids import Ids
from flows.views import RunView
from integrations.slack.text import clip, escape

CANCEL_RUN = "cancel_run"


@dataclass(frozen=True, slots=True)
class Cancelling:
    """What the modal is for: the run, and where the answer goes."""

    run: int
    channel: str | None = None

    def text(self, ids: Ids) -> str:
        """For ``private_metadata``."""
        return json.dumps([ids.run(self.run), self.channel], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str, ids: Ids) -> Self | None:
        """What ``text`` wrote, or None where this is none of ours."""
        try:
            name, channel = json.loads(text)
        except (ValueError, TypeError):
            return None
        run = ids.parse_run(name) if isinstance(name, str) else None
        return cls(run, channel) if run is not None else None


def cancel_modal(view: RunView, cancelling: Cancelling, ids: Ids) -> kit.Block:
    """The modal: which run it is, and what cancelling means."""
    name = clip(words.line(view.plan.flow.name), kit.HEADER)
    text = (
        f"*{name}*  `{ids.run(view.run.id)}`\n"
        f"{escape(view.status).capitalize()}, asked by {words.who(view.person(view.run.requester))}, "
        f"started {words.moment(view.run.started_at)}"
    )
    what = "What waits is closed, and nothing further starts but the steps that always run at the end."
    hint = "The person who asked will read it."
    return {
        "type": "modal",
        "callback_id": CANCEL_RUN,
        "private_metadata": cancelling.text(ids),
        "title": kit.plain("Cancel this run?"),
        "submit": kit.plain("Cancel the run"),
        "close": kit.plain("Keep it"),
        "blocks": [kit.section(text), kit.context(what), reason_input(required=False, hint=hint)],
    }


def loading() -> kit.Block:
    """What stands there until the run is found."""
    blocks = [kit.section(":hourglass_flowing_sand: Looking up the run…")]
    return {"type": "modal", "title": kit.plain("Cancel this run?"), "close": kit.plain("Keep it"), "blocks": blocks}
