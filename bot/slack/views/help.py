"""What ``/approvals`` takes."""

from __future__ import annotations

from difflib import get_close_matches

from bot.slack.views import kit
from bot.slack.views.card import Shown
from integrations.slack.text import clip, escape

COMMANDS = {
    "": "what waits for you, with Approve and Reject in place",
    "list": "the same",
    "mine": "what you asked for, and where it stands",
    "all": "everything that waits and that you may see",
    "approve ID": "approve what a run waits for; you see it first. ID is a run's or an approval's",
    "reject ID": "reject it; you are asked for the reason",
    "run": "the flows that you may start",
    "run FLOW": "start a run of a flow: fill in what it takes, and see who will be asked before you send it",
    "show RUN": "how a run stands, for example `show run_1a2b3c4d5e6f7`",
    "history RUN": "who decided what in a run, when and through which door; `history FLOW` for a flow's newest runs",
    "pause RUN": "halt a run: what is under way goes on, nothing new starts",
    "resume ID": "let a paused run go on, or resume what is held until somebody says so",
    "cancel RUN": "end a run; you are asked once more before it happens",
    "delegate": "let somebody else answer for you while you are away, and end that",
    "digest": "mail that waits for you in one mail: `digest 1d`, `digest 1h`; `digest off` for single mails",
    "help": "this",
}

WORDS = frozenset(name.partition(" ")[0] for name in COMMANDS)
"""The first words that are known; none is one of them."""


def help_(command: str, unknown: str | None = None, *, without: frozenset[str] = frozenset()) -> Shown:
    """The help; ``unknown`` is the word that nobody understood, ``without`` those that are not set up here."""
    known = {name: meaning for name, meaning in COMMANDS.items() if name.partition(" ")[0] not in without}
    lines = [f"`{command}{f' {name}' if name else ''}`  {meaning}" for name, meaning in known.items()]
    blocks = [kit.section("\n".join(lines))]
    if unknown is not None:
        nearest = get_close_matches(unknown.lower(), sorted(WORDS - without - {""}), n=1, cutoff=0.5)
        hint = f" Did you mean `{command} {nearest[0]}`?" if nearest else ""
        blocks.insert(0, kit.section(f"There is no `{command} {clip(escape(unknown), 60)}`.{hint}"))
    return Shown(f"How to use {command}", blocks)
