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
    """What the modal is for: the run, and where the answer goes. ``withdraws``: it is asked of the requester, who takes
    the request back."""

    run: int
    channel: str | None = None
    withdraws: bool = False

    def text(self, ids: Ids) -> str:
        """For ``private_metadata``."""
        return json.dumps([ids.run(self.run), self.channel, self.withdraws], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str, ids: Ids) -> Self | None:
        """What ``text`` wrote, or None where this is none of ours."""
        try:
            name, channel, withdraws = json.loads(text)
        except (ValueError, TypeError):
            return None
        run = ids.parse_run(name) if isinstance(name, str) else None
        return cls(run, channel, bool(withdraws)) if run is not None else None


def cancel_modal(view: RunView, cancelling: Cancelling, ids: Ids) -> kit.Block:
    """The modal: which run it is, and what cancelling means."""
    name = clip(words.line(view.plan.flow.name), kit.HEADER)
    text = (
        f"*{name}*  `{ids.run(view.run.id)}`\n"
        f"{escape(view.status).capitalize()}, asked by {words.who(view.person(view.run.requester))}, "
        f"started {words.moment(view.run.started_at)}"
    )
    what = "What waits is closed, and nothing further starts but the steps that always run at the end."
    hint = "Whoever was asked will read it." if cancelling.withdraws else "The person who asked will read it."
    return {
        "type": "modal",
        "callback_id": CANCEL_RUN,
        "private_metadata": cancelling.text(ids),
        "title": kit.plain(_title(cancelling)),
        "submit": kit.plain("Withdraw" if cancelling.withdraws else "Cancel the run"),
        "close": kit.plain("Keep it"),
        "blocks": [kit.section(text), kit.context(what), reason_input(required=False, hint=hint)],
    }


def loading(cancelling: Cancelling) -> kit.Block:
    """What stands there until the run is found."""
    blocks = [kit.section(":hourglass_flowing_sand: Looking up the run…")]
    return {"type": "modal", "title": kit.plain(_title(cancelling)), "close": kit.plain("Keep it"), "blocks": blocks}


def _title(cancelling: Cancelling) -> str:
    return "Withdraw your request?" if cancelling.withdraws else "Cancel this run?"
