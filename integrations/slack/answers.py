"""What Slack's answers come down to: small frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flows.ports import Json

_SLACKBOT = "USLACKBOT"  # the one bot whose is_bot is false


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message stands: the channel's id, and the ``ts`` that is its id in there."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One of the bot's messages as Slack shows it; ``event_type`` and ``key`` are what ``tag`` gave it, if anything."""

    ts: str
    text: str
    blocks: tuple[Mapping[str, Json], ...] = ()
    event_type: str | None = None
    key: str | None = None
    replies: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """The bot's messages in one page of a channel, newest first. ``reaches`` is the ts of the oldest message that was
    looked at, whoever wrote it; None where there is nothing older."""

    messages: tuple[Seen, ...]
    reaches: str | None


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Whether a channel takes messages, whether the bot is in it, and what it is called (without ``#``)."""

    archived: bool
    member: bool
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ShownView:
    """A modal or a home tab as Slack shows it; ``hash`` guards a change against another one."""

    id: str
    hash: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """A user group. ``handle`` has no ``@`` and is in lower case."""

    id: str
    handle: str


@dataclass(frozen=True, slots=True)
class Auth:
    """Who the token acts for, and with which scopes. ``enterprise_id`` is None outside of an organisation."""

    team_id: str
    team: str
    user_id: str
    bot_id: str | None
    enterprise_id: str | None
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class SlackUser:
    """A user, with what decides whether they count.

    ``tz`` is an IANA name. ``restricted``: a guest of one channel or several. ``stranger``: somebody of
    another workspace or organisation, as in Slack Connect. ``email`` is None also where the scope
    users:read.email is missing; where it is not ``confirmed``, nobody has shown yet that it is theirs.
    """

    id: str
    team_id: str
    name: str
    email: str | None = None
    tz: str | None = None
    deleted: bool = False
    restricted: bool = False
    bot: bool = False
    stranger: bool = False
    confirmed: bool = True

    @property
    def full_member(self) -> bool:
        """Neither a guest nor a bot nor a stranger, and not deactivated."""
        return not (self.deleted or self.restricted or self.bot or self.stranger)


def read_user(user: Mapping[str, Json], home: Auth) -> SlackUser:
    """A user of ``users.info``, seen from the workspace ``home``."""
    profile = user.get("profile") or {}
    names = (profile.get("real_name"), user.get("real_name"), profile.get("display_name"), user.get("name"))
    return SlackUser(
        id=user["id"],
        team_id=user.get("team_id") or home.team_id,
        name=next((name for name in names if name), user["id"]),
        email=profile.get("email") or None,
        tz=user.get("tz") or None,
        deleted=bool(user.get("deleted")),
        restricted=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        bot=bool(user.get("is_bot")) or user["id"] == _SLACKBOT,
        stranger=_is_stranger(user, home),
        # Slack leaves it out where there is nothing to say, as of bots.
        confirmed=user.get("is_email_confirmed") is not False,
    )


def _is_stranger(user: Mapping[str, Json], home: Auth) -> bool:
    if user.get("is_stranger"):
        return True
    if user.get("team_id") in (None, home.team_id):
        return False
    # The workspaces of one organisation share their people, each of whom belongs to some of them.
    enterprise = (user.get("enterprise_user") or {}).get("enterprise_id")
    return enterprise is None or enterprise != home.enterprise_id
