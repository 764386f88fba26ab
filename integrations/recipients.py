"""Who is asked, in the ``with`` of actions that send the links of a wait themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from flows.errors import ActionError
from flows.people import Person
from flows.ports import ActionCall, Json, PersonalLink, WaitLinks

MOST = 100
"""People whom one step may name; each gets a message of their own."""


def _handles(value: object) -> object:
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return tuple(_handle(one) for one in listed)


def _handle(value: object) -> object:
    # A person as JSON: an approver, the requester, or one out of an earlier step's output.
    if isinstance(value, Mapping):
        value = value.get("slack_id") or value.get("email")
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is nobody; write a mail address, a Slack user id like U024BE7LH, or an @group")
    return value.strip()


Recipients = Annotated[
    tuple[str, ...],
    BeforeValidator(_handles, json_schema_input_type=str | list[str]),
    Field(min_length=1, max_length=MOST),
]
"""A handle or a person, or a list of them."""


def links_of(call: ActionCall, action: str) -> WaitLinks:
    """The links of the wait that the action asks for. Raises ``ActionError`` where its step has none."""
    if call.links is None:
        raise ActionError(f"{action} stands on a step without 'approval' or 'hold', so there is nothing to ask for.")
    return call.links


async def wanted(links: WaitLinks, to: Recipients | None) -> Sequence[PersonalLink]:
    """The links to send: those of ``to``, or of everybody whom the wait asks."""
    return await links.asked() if to is None else await links.for_people(to)


def as_json(person: Person) -> dict[str, Json]:
    """A person in an output, as approvers are: ``{name, email, slack_id}``."""
    slack_id = person.slack.rpartition("/")[2] if person.slack else None
    return {"name": person.name, "email": person.email, "slack_id": slack_id}
