"""The plainest card: what is asked and the buttons, for where Slack does not take the card itself."""

from __future__ import annotations

from bot.slack.reference import Reference
from bot.slack.views import kit, words
from bot.slack.views.buttons import decision_buttons
from bot.slack.views.card import DECIDE, Shown
from bot.slack.views.request import summary, title
from flows.ids import Ids
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

_ASK = 1_000


def plain_card(view: SuspensionView, ids: Ids) -> Shown:
    """The card of a suspension without all that could be wrong with it; the run's page has the rest."""
    ask = f"*{escape(title(view))}*\n{escape(summary(view, _ASK))}"
    standing = words.progress(view) if view.open else escape(words.ended_plainly(view))
    link = f"<{ids.run_url(view.run.id)}|{ids.run(view.run.id)}>"
    blocks = [kit.section(clip(ask, kit.SECTION)), kit.section(f"{standing}  ·  {link}")]
    if view.open:
        blocks.append(kit.actions(DECIDE, decision_buttons(view, Reference.to(view).text(ids), options=0)))
    return Shown(
        clip(escape(summary(view, kit.NOTIFICATION // 2) or title(view).strip() or "A request"), kit.NOTIFICATION),
        blocks,
    )
