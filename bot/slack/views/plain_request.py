"""The plainest form of the requester's message: where the run stands and the buttons, for where Slack does not take more."""

from __future__ import annotations

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from bot.slack.views.requester import WAITS, notification, open_waits, run_buttons, run_link, wait_buttons
from flows.ids import Ids
from flows.views import RunView
from integrations.slack.text import clip


def plain_request(view: RunView, ids: Ids) -> Shown:
    """The message of a run without all that could be wrong with it; the run's page has the rest."""
    text = f"*{clip(words.line(view.plan.flow.name), kit.HEADER)}*\n{view.status.capitalize()}  ·  {run_link(view.run.id, ids)}"
    rows = [kit.section(text), *(wait_buttons(one, ids) for one in open_waits(view)[:WAITS])]
    return Shown(notification(view), [*rows, *run_buttons(view, ids)])
