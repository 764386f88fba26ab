"""What ``/approvals`` takes."""

from __future__ import annotations

from difflib import get_close_matches

from bot.slack.views import kit
from bot.slack.views.card import Shown
from integrations.slack.text import clip, escape

COMMANDS = {
    "": "what waits for you, with Approve and Reject in place",
    "all": "everything that waits and that you may see",
    "show RUN": "how a run stands, for example `show run_1a2b3c`",
    "help": "this",
}


def help_(command: str, unknown: str | None = None) -> Shown:
    """The help; ``unknown`` is the word that nobody understood."""
    lines = [f"`{command}{f' {name}' if name else ''}`  {meaning}" for name, meaning in COMMANDS.items()]
    blocks = [kit.section("\n".join(lines))]
    if unknown is not None:
        words = [name.split()[0] for name in COMMANDS if name]
        nearest = get_close_matches(unknown.lower(), words, n=1, cutoff=0.5)
        hint = f" Did you mean `{command} {nearest[0]}`?" if nearest else ""
        blocks.insert(0, kit.section(f"There is no `{command} {clip(escape(unknown), 60)}`.{hint}"))
    return Shown(f"How to use {command}", blocks)
