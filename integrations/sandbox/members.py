"""Who and where in a workspace: users, channels and user groups, in the shapes that Slack answers with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flows.ports import Json


@dataclass(slots=True)
class User:
    """A member, guest, bot or stranger, with Slack's own words for which it is."""

    id: str
    name: str
    real_name: str
    team_id: str
    email: str | None = None
    tz: str = "Europe/Berlin"
    deleted: bool = False
    is_admin: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_bot: bool = False
    is_stranger: bool = False
    is_email_confirmed: bool = True

    def as_json(self, *, with_email: bool, now: datetime) -> dict[str, Json]:
        """As ``users.info`` answers; the mail address only where the token may read it."""
        offset = now.astimezone(ZoneInfo(self.tz)).utcoffset() or timedelta()
        profile: dict[str, Json] = {"real_name": self.real_name, "display_name": self.name, "team": self.team_id}
        if with_email and self.email is not None:
            profile["email"] = self.email
        user: dict[str, Json] = {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": self.deleted,
            "real_name": self.real_name,
            "tz": self.tz,
            "tz_label": self.tz,
            "tz_offset": int(offset.total_seconds()),
            "profile": profile,
            "is_admin": self.is_admin,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": self.is_restricted,
            "is_ultra_restricted": self.is_ultra_restricted,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": int(now.timestamp()),
        }
        if self.is_stranger:
            user["is_stranger"] = True
        if not self.is_bot:
            user["is_email_confirmed"] = self.is_email_confirmed
        if self.deleted:  # Slack leaves these out of a deactivated user
            for name in ("real_name", "tz", "tz_label", "tz_offset"):
                del user[name]
        return user


@dataclass(slots=True)
class Channel:
    """A channel, a direct message (``is_im``, with ``user``) or a group direct message (``is_mpim``)."""

    id: str
    name: str
    members: list[str]
    created: int
    is_private: bool = False
    is_archived: bool = False
    is_im: bool = False
    is_mpim: bool = False
    user: str | None = None

    @property
    def kind(self) -> str:
        """The word that Slack's scopes use: ``channels``, ``groups``, ``im`` or ``mpim``."""
        if self.is_im:
            return "im"
        if self.is_mpim:
            return "mpim"
        return "groups" if self.is_private else "channels"

    @property
    def said_name(self) -> str:
        """What payloads call it: not by its name, unless everybody may know that."""
        return "directmessage" if self.is_im else "privategroup" if self.is_private else self.name

    @property
    def event_type(self) -> str:
        """The word that events use: ``channel``, ``group``, ``im`` or ``mpim``."""
        return {"channels": "channel", "groups": "group"}.get(self.kind, self.kind)

    def as_json(self, *, member: str, is_shared: bool = False) -> dict[str, Json]:
        """As ``conversations.info`` answers, seen by ``member``."""
        if self.is_im:
            return {
                "id": self.id,
                "created": self.created,
                "is_im": True,
                "is_archived": self.is_archived,
                "is_org_shared": False,
                "user": self.user,
                "is_user_deleted": False,
                "is_open": True,
            }
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "created": self.created,
            "is_channel": not self.is_private and not self.is_mpim,
            "is_group": self.is_private and not self.is_mpim,
            "is_im": False,
            "is_mpim": self.is_mpim,
            "is_private": self.is_private or self.is_mpim,
            "is_archived": self.is_archived,
            "is_general": self.name == "general",
            "is_shared": is_shared,
            "is_ext_shared": is_shared,
            "is_org_shared": False,
            "is_member": member in self.members,
            "num_members": len(self.members),
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(slots=True)
class UserGroup:
    """A user group: ``@handle`` and its members' ids."""

    id: str
    handle: str
    name: str
    users: list[str]
    disabled: bool = False
