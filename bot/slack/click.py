"""What Slack says about something that a person did, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from slack_bolt.request.internals import extract_team_id

from bot.slack.reference import Reference
from bot.slack.views.answer import ANSWER
from bot.slack.views.modal import Origin
from bot.slack.views.pending import Listing, listing_of
from flows.ports import Json


@dataclass(frozen=True, slots=True)
class Identity:
    """Who it was: the workspace that they belong to, and their id there. ``team`` may be an organisation's id.

    ``at`` is the workspace in which they did it, whose client answers; None where Slack does not say.
    """

    team: str
    user: str
    at: str | None = None

    @classmethod
    def of(cls, body: Mapping[str, Json]) -> Self:
        """From the payload of an interaction.

        The person's own workspace, not the one that they clicked in: in a channel shared with another company the
        two differ. In an organisation-wide installation ``team`` is null.
        """
        user = body["user"]
        team = user.get("team_id") or _id(body.get("team")) or _id(body.get("enterprise"))
        return cls(str(team), str(user["id"]), extract_team_id(dict(body)))


@dataclass(frozen=True, slots=True)
class Click:
    """A button that was pressed, and where.

    ``channel`` and ``ts`` are of the message that it stood on (``ts`` only of one that is everybody's), ``listing``
    is set where it stood in a list, ``answer`` where it stood under what the person was told before, ``modal`` is the
    id of the modal that it stood in, ``thread`` the ts of the message in whose thread it stood. A click on the home tab
    has none of these but a listing or an answer.
    """

    who: Identity
    value: str
    trigger_id: str
    response_url: str | None = None
    channel: str | None = None
    ts: str | None = None
    listing: Listing | None = None
    answer: bool = False
    modal: str | None = None
    thread: str | None = None

    @classmethod
    def of(cls, body: Mapping[str, Json], action: Mapping[str, Json]) -> Self:
        """From the payload of ``block_actions``."""
        container = body.get("container") or {}
        # An ephemeral message cannot be changed by its ts, only through its response_url.
        own = container.get("is_ephemeral") is not True
        view = body.get("view") or {}
        thread = container.get("thread_ts")
        block_id = str(action.get("block_id") or "")
        return cls(
            who=Identity.of(body),
            value=str(action.get("value") or ""),
            trigger_id=str(body.get("trigger_id") or ""),
            response_url=body.get("response_url"),
            channel=container.get("channel_id"),
            ts=container.get("message_ts") if own else None,
            listing=listing_of(block_id),
            answer=block_id == ANSWER,
            modal=str(view["id"]) if view.get("type") == "modal" else None,
            thread=thread if thread != container.get("message_ts") else None,
        )

    def origin(self, reference: Reference, option: str | None = None) -> Origin:
        """Where a modal is opened from, that this click opens."""
        return Origin(reference, self.channel, self.ts, option, self.thread)


def _id(value: Json) -> str:
    return str(value["id"]) if isinstance(value, dict) and value.get("id") else ""
