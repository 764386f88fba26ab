"""Sentences for people, of the engine's own. Doors may say it better, for their readers; the facts are the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from flows.people import Person, PersonId
from flows.run import Callback, Close, Suspension, Verdict

SAID = {
    Verdict.APPROVE: "approved",
    Verdict.REJECT: "rejected",
    Verdict.RESUME: "resumed",
    Verdict.WITHDRAW: "taken back",
}
_CLOSED = {
    Close.APPROVED: "approved",
    Close.REJECTED: "rejected",
    Close.RESUMED: "resumed",
    Close.EXPIRED: "closed by its deadline",
    Close.CANCELLED: "cancelled",
    Close.ELAPSED: "over",
    Close.SUPERSEDED: "a newer run has taken its place",
    Close.DROPPED: "dropped",
    Close.ANSWERED: "a machine has called back",
    Close.REFUSED: "a machine has called its cancel link",
}

_AGENT = 100
"""Characters of what a program calls itself."""

_NAMED = 10
"""People who are named in a sentence; of more, the rest is counted."""


def closed(suspension: Suspension, people: Mapping[PersonId, Person]) -> str:
    """What became of a suspension that is not open any more: how, by whom, when."""
    closing = suspension.closing
    assert closing is not None  # only closed ones come here
    by = ", ".join(name(person, people) for person in closing.by[:_NAMED])
    if len(closing.by) > _NAMED:
        by += f" and {len(closing.by) - _NAMED} more"
    return (
        f"This has been decided already: {_CLOSED[closing.how]}"
        if closing.how in (Close.APPROVED, Close.REJECTED, Close.RESUMED)
        else f"This is no longer open: {_CLOSED[closing.how]}"
    ) + f"{f' by {by}' if by else ''}, {closing.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."


def used(callback: Callback) -> str:
    """Who used a link that works once, and when."""
    headers = callback.request.get("headers")
    agent = headers.get("user-agent") if isinstance(headers, Mapping) else None
    by = f" by {agent[:_AGENT]}" if isinstance(agent, str) and agent else ""
    return f"This link has been used already{by}, {callback.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC. It works once."


def name(person: PersonId, people: Mapping[PersonId, Person]) -> str:
    """What a person is called."""
    return people[person].name if person in people else "somebody"


def because(comment: str | None) -> str:
    """A comment as the end of a sentence."""
    return f": {comment}" if comment else ""
