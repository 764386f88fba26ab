"""Sentences for people, of the engine's own. Doors may say it better, for their readers; the facts are the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from flows.people import Person, PersonId
from flows.run import Close, Suspension, Verdict

SAID = {Verdict.APPROVE: "approved", Verdict.REJECT: "rejected", Verdict.RESUME: "resumed"}
_CLOSED = {
    Close.APPROVED: "approved",
    Close.REJECTED: "rejected",
    Close.RESUMED: "resumed",
    Close.EXPIRED: "closed by its deadline",
    Close.CANCELLED: "cancelled",
    Close.ELAPSED: "over",
}

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


def name(person: PersonId, people: Mapping[PersonId, Person]) -> str:
    """What a person is called."""
    return people[person].name if person in people else "somebody"


def because(comment: str | None) -> str:
    """A comment as the end of a sentence."""
    return f": {comment}" if comment else ""
