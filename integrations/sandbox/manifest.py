"""What the app has told Slack about itself: its commands, its shortcuts, and the events that it wants to hear of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from flows.ports import Json

EVENTS = frozenset(
    {
        "app_home_opened",
        "app_mention",
        "app_uninstalled",
        "channel_archive",
        "channel_left",
        "channel_unarchive",
        "group_archive",
        "group_left",
        "group_unarchive",
        "member_joined_channel",
        "member_left_channel",
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
        "subteam_members_changed",
        "subteam_updated",
        "tokens_revoked",
        "user_change",
    }
)
"""Every event that the sandbox sends, by the name that one subscribes to it with."""


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """``command`` with its slash; ``usage_hint`` is what the client shows behind it."""

    command: str
    description: str = ""
    usage_hint: str = ""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """An entry of the shortcut menu (``global``), or of the menu on every message (``message``)."""

    name: str
    type: Literal["global", "message"]
    callback_id: str
    description: str = ""


@dataclass(slots=True)
class Manifest:
    """The app as Slack knows it; ``read`` takes it from a manifest. Made without one, it hears every event, and knows no
    commands and shortcuts by name (people may use any)."""

    name: str = "Signoff"
    commands: tuple[SlashCommand, ...] = ()
    shortcuts: tuple[Shortcut, ...] = ()
    events: frozenset[str] = field(default=EVENTS)
    home_tab: bool = True
    messages_read_only: bool = False
    """Whether people can write nothing to the bot in its direct messages."""

    def read(self, manifest: Mapping[str, Json]) -> None:
        """Take over what ``manifest.yml`` says, parsed."""
        features, settings = manifest.get("features") or {}, manifest.get("settings") or {}
        home = features.get("app_home") or {}
        self.name = str(manifest["display_information"]["name"])
        self.commands = tuple(
            SlashCommand(each["command"], each.get("description", ""), each.get("usage_hint", ""))
            for each in _records(features.get("slash_commands"))
        )
        self.shortcuts = tuple(
            Shortcut(
                each["name"],
                cast("Literal['global', 'message']", each["type"]),
                each["callback_id"],
                each.get("description", ""),
            )
            for each in _records(features.get("shortcuts"))
        )
        self.events = frozenset((settings.get("event_subscriptions") or {}).get("bot_events") or ())
        self.home_tab = bool(home.get("home_tab_enabled"))
        self.messages_read_only = bool(home.get("messages_tab_read_only_enabled"))


def _records(value: Json) -> Iterable[Mapping[str, Json]]:
    return value if isinstance(value, list) else ()
