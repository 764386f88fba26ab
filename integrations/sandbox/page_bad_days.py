"""The page's "Bad days": what administrators do, and what Slack does, at the press of a button."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict

from integrations.sandbox.inputs import NotPossible
from integrations.sandbox.people import Human
from integrations.sandbox.server import Sandbox

Arrange = Callable[[Sandbox], None]
FAULTS: Mapping[str, tuple[str, Arrange]] = {
    "down": ("Slack is down", lambda sandbox: sandbox.faults.down()),
    "limited": (
        "Posting is refused as too often (429), for the next three calls",
        lambda sandbox: sandbox.faults.rate_limited("chat.*", retry_after=2, times=3),
    ),
    "lost": (
        "The next message is posted, and the bot never hears of it",
        lambda sandbox: sandbox.faults.drop_after("chat.postMessage", times=1),
    ),
    "blocks": (
        "Messages of more than three blocks are refused (invalid_blocks)",
        lambda sandbox: sandbox.faults.invalid_blocks("chat.*", more_than=3),
    ),
    "scope": (
        "The token may not look up people (missing_scope)",
        lambda sandbox: sandbox.faults.missing_scope("users.*", "users:read"),
    ),
    "twice": (
        "Every click reaches the bot two times",
        lambda sandbox: sandbox.faults.twice("block_actions"),
    ),
}
"""What can be arranged to go wrong: a sentence, and how."""


class _Act(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    person: str


class ChannelAct(_Act):
    """Something done to a channel."""

    channel: str
    act: Literal["archive", "unarchive", "kick", "invite"]


class PersonAct(_Act):
    """Something done to somebody (``whom``, by the page's name for them)."""

    whom: str
    zone: str | None = None
    deactivated: bool | None = None
    sort: Literal["member", "guest", "single-channel guest"] | None = None


class GroupAct(_Act):
    """A user group gets other members (user ids), or is disabled."""

    handle: str
    users: Sequence[str]
    disabled: bool = False


class SlackAct(_Act):
    """Something that Slack does: one of ``FAULTS``, rate limits on or off, everything well again, or the app is taken out."""

    act: Literal["down", "limited", "lost", "blocks", "scope", "twice", "limits", "well", "uninstall"]


class BadDays:
    """Everything here happens in the workspace of the person on whose screen it was done."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def channel(self, person: Human, body: ChannelAct) -> None:
        """Archive it, or throw the bot out."""
        sandbox, home = self._sandbox, person.workspace
        acts: Mapping[str, Callable[[], Awaitable[object]]] = {
            "archive": lambda: sandbox.archive(body.channel, workspace=home),
            "unarchive": lambda: sandbox.unarchive(body.channel, workspace=home),
            "kick": lambda: sandbox.kick_bot(body.channel, workspace=home),
            "invite": lambda: sandbox.invite_bot(body.channel, workspace=home),
        }
        await acts[body.act]()

    async def somebody(self, _person: Human, body: PersonAct) -> None:
        """Deactivate them, move them to another time zone, or make them a guest."""
        whom = self._sandbox.people.get(body.whom)
        if whom is None:
            raise NotPossible(f"there is nobody called {body.whom}")
        if body.zone is not None:
            await self._sandbox.set_timezone(whom, _zone(body.zone))
        if body.deactivated is not None:
            await (self._sandbox.deactivate if body.deactivated else self._sandbox.reactivate)(whom)
        if body.sort is not None:
            await self._sandbox.make(whom, body.sort)

    async def group(self, person: Human, body: GroupAct) -> None:
        """Change who is in it."""
        users = person.workspace.users
        members = [users[user] for user in body.users if user in users]
        await self._sandbox.change_group(body.handle, members, disabled=body.disabled, workspace=person.workspace)

    async def slack(self, person: Human, body: SlackAct) -> None:
        """Let something go wrong, or everything go well again."""
        sandbox = self._sandbox
        if body.act == "uninstall":
            await sandbox.uninstall(person.workspace)
        elif body.act == "well":
            sandbox.faults.clear()
            sandbox.limits.enforced = False
        elif body.act == "limits":
            sandbox.limits.enforced = not sandbox.limits.enforced
        else:
            FAULTS[body.act][1](sandbox)
        sandbox.changes.notify()


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise NotPossible(f"there is no time zone {name}") from None
    return name
