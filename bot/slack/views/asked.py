"""Who will be asked by a run, as far as that can be said before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from bot.slack.views import words
from bot.slack.views.words import NO_GROUPS, Groups
from flows.people import Person
from integrations.slack.text import clip

_LENGTH = 1_500  # characters


@dataclass(frozen=True, slots=True)
class Asked:
    """People, user groups with how many belong to each, and handles behind which nobody stands, with the reason.

    ``starter``: whoever starts the run is asked to resume it. ``own``: they are named too, and do not count because it
    is their own request. ``later``: who else is asked turns out as it goes on.
    """

    people: tuple[Person, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    gaps: tuple[tuple[str, str], ...] = ()
    starter: bool = False
    own: bool = False
    later: bool = False


def who_is_asked(asked: Asked, groups: Groups = NO_GROUPS) -> str:
    """Who will be asked, in Slack's markup."""
    named = [words.who(person) for person in asked.people]
    named += [f"{words.group(handle, groups)} ({_people(count)})" for handle, count in asked.groups]
    if asked.starter:
        named.append("you, to resume it")
    lines = [f"*Will be asked:* {words.listed(named, 'and')}"] if named else []
    if asked.own:
        lines.append("You are named too, and do not count: it is your own request.")
    if asked.gaps:
        gaps = [f"{words.line(handle)} ({words.line(reason)})" for handle, reason in asked.gaps]
        lines.append(f":warning: Cannot be asked: {', '.join(gaps)}")
    if asked.later:
        lines.append(
            "Who is asked further turns out as it goes on." if named else "Who is asked turns out as it goes on."
        )
    return clip("\n".join(lines) or "Nobody is asked: it goes on by itself.", _LENGTH)


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"
