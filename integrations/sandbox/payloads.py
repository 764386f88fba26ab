"""What Slack tells the bot about something that a person did, in Slack's own shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flows.ports import Json
from integrations.sandbox.blocks import Block
from integrations.sandbox.copies import copied
from integrations.sandbox.members import Channel, User, UserGroup
from integrations.sandbox.message import Message
from integrations.sandbox.view import StateValues, View
from integrations.sandbox.workspace import Workspace

VERIFICATION_TOKEN = "unused"  # noqa: S105 - Slack's deprecated field, which is in every payload; signatures count
_LISTED = 500  # "the users field is truncated at 500"


def interaction(sort: str, workspace: Workspace, user: User) -> dict[str, Json]:
    """What every interaction says."""
    return {
        "type": sort,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": workspace.app_id,
        "token": VERIFICATION_TOKEN,
        "team": {"id": workspace.id, "domain": workspace.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def action(block: Block, element: Mapping[str, Json], state: Mapping[str, Json], *, ts: str) -> dict[str, Json]:
    """One entry of ``actions``: the element that was used, and its state afterwards."""
    used: dict[str, Json] = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": block["block_id"],
        "action_ts": ts,
    }
    for name in ("text", "value", "style", "placeholder", "confirm"):
        if name in element:
            used[name] = copied(element[name])
    return used | {name: copied(value) for name, value in state.items() if name != "type"}


def on_message(
    workspace: Workspace,
    user: User,
    message: Message,
    channel: Channel,
    *,
    actions: list[dict[str, Json]],
    state: StateValues,
    trigger_id: str,
    response_url: str,
    attachment: int | None = None,
) -> dict[str, Json]:
    """``block_actions`` on a message, or in its attachment of that number.

    A message that only its reader sees is not repeated in the payload.
    """
    ephemeral = message.ephemeral_to is not None
    payload = interaction("block_actions", workspace, user)
    container: dict[str, Json] = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel,
        "is_ephemeral": ephemeral,
    }
    if attachment is not None:
        container |= {"type": "message_attachment", "attachment_id": attachment, "is_app_unfurl": False}
    payload |= {
        "container": container,
        "trigger_id": trigger_id,
        "channel": {"id": channel.id, "name": channel.said_name},
        "state": {"values": state},
        "response_url": response_url,
        "actions": actions,
    }
    if message.thread_ts is not None:
        payload["container"]["thread_ts"] = message.thread_ts
    if not ephemeral:
        payload["message"] = message.as_json(with_metadata=True)
    return payload


def on_view(
    workspace: Workspace,
    user: User,
    view: View,
    *,
    actions: list[dict[str, Json]],
    state: StateValues,
    trigger_id: str,
) -> dict[str, Json]:
    """``block_actions`` in a modal or home tab."""
    return interaction("block_actions", workspace, user) | {
        "container": {"type": "view", "view_id": view.id},
        "trigger_id": trigger_id,
        "view": view.as_json(state),
        "actions": actions,
    }


def submission(workspace: Workspace, user: User, view: View, *, state: StateValues, trigger_id: str) -> dict[str, Json]:
    """``view_submission``."""
    return interaction("view_submission", workspace, user) | {
        "trigger_id": trigger_id,
        "view": view.as_json(state),
        "response_urls": [],
    }


def closing(workspace: Workspace, user: User, view: View, *, state: StateValues, is_cleared: bool) -> dict[str, Json]:
    """``view_closed``."""
    return interaction("view_closed", workspace, user) | {"view": view.as_json(state), "is_cleared": is_cleared}


def command(
    workspace: Workspace,
    user: User,
    channel: Channel,
    *,
    name: str,
    text: str,
    trigger_id: str,
    response_url: str,
) -> dict[str, Json]:
    """The form of a slash command."""
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": workspace.id,
        "team_domain": workspace.domain,
        "channel_id": channel.id,
        "channel_name": channel.said_name,
        "user_id": user.id,
        "user_name": user.name,
        "command": name,
        "text": text,
        "api_app_id": workspace.app_id,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def message_action(
    workspace: Workspace, user: User, message: Message, channel: Channel, *, response_url: str
) -> dict[str, Json]:
    """``message_action``, without what every shortcut says."""
    return interaction("message_action", workspace, user) | {
        "channel": {"id": channel.id, "name": channel.said_name},
        "message_ts": message.ts,
        "message": message.as_json(with_metadata=True),
        "response_url": response_url,
    }


def said(workspace: Workspace, channel: Channel, message: Message) -> dict[str, Json]:
    """The inner event when somebody has written something; a broadcast reply brings its parent along."""
    inner = message.as_json(with_metadata=True) | {
        "channel": channel.id,
        "channel_type": channel.event_type,
        "event_ts": message.ts,
    }
    parent = workspace.message(channel.id, message.thread_ts) if message.broadcast and message.thread_ts else None
    if parent is not None:
        inner["root"] = parent.as_json(with_metadata=True)
    return inner


def message_changed(workspace: Workspace, channel: Channel, message: Message, before: Message) -> dict[str, Json]:
    """The inner event when a message says something else than ``before``."""
    return _hidden(workspace, channel, "message_changed") | {
        "message": message.as_json(with_metadata=True),
        "previous_message": before.as_json(with_metadata=True),
    }


def message_deleted(workspace: Workspace, channel: Channel, before: Message) -> dict[str, Json]:
    """The inner event when a message is gone."""
    return _hidden(workspace, channel, "message_deleted") | {
        "deleted_ts": before.ts,
        "previous_message": before.as_json(with_metadata=True),
    }


def _hidden(workspace: Workspace, channel: Channel, subtype: str) -> dict[str, Json]:
    ts = workspace.new_ts()
    return {
        "type": "message",
        "subtype": subtype,
        "hidden": True,
        "channel": channel.id,
        "channel_type": channel.event_type,
        "ts": ts,
        "event_ts": ts,
    }


def home_opened(workspace: Workspace, user: User, *, tab: str) -> dict[str, Json]:
    """The inner event when somebody opens the bot's ``home`` or ``messages`` tab."""
    inner: dict[str, Json] = {
        "type": "app_home_opened",
        "user": user.id,
        "channel": workspace.direct_message(user.id).id,
        "tab": tab,
        "event_ts": workspace.new_ts(),
    }
    home = workspace.homes.get(user.id)
    return inner | {"view": home.as_json()} if home is not None and tab == "home" else inner


def archived(workspace: Workspace, channel: Channel, user: User) -> dict[str, Json]:
    """The inner event when a channel is archived, or is there again."""
    kind = "group" if channel.is_private else "channel"
    inner: dict[str, Json] = {
        "type": f"{kind}_{'archive' if channel.is_archived else 'unarchive'}",
        "channel": channel.id,
        "user": user.id,
        "event_ts": workspace.new_ts(),
    }
    return inner | {"is_moved": 0} if channel.is_archived else inner


def membership(workspace: Workspace, channel: Channel, user: User, *, by: User) -> dict[str, Json]:
    """The inner event when ``user`` has come to a channel or is not there any more."""
    joined = user.id in channel.members
    inner: dict[str, Json] = {
        "type": "member_joined_channel" if joined else "member_left_channel",
        "user": user.id,
        "channel": channel.id,
        "channel_type": "G" if channel.is_private else "C",
        "team": user.team_id,
        "event_ts": workspace.new_ts(),
    }
    return inner | {"inviter": by.id} if joined else inner


def thrown_out(workspace: Workspace, channel: Channel, *, by: User) -> dict[str, Json]:
    """The inner event when the bot itself was removed from a channel."""
    kind = "group_left" if channel.is_private else "channel_left"
    return {"type": kind, "channel": channel.id, "actor_id": by.id, "event_ts": workspace.new_ts()}


def tokens_revoked(workspace: Workspace) -> dict[str, Json]:
    """The inner event when the bot's tokens are good for nothing any more; it names the bot user, no tokens."""
    return {
        "type": "tokens_revoked",
        "tokens": {"oauth": [], "bot": [workspace.bot.id]},
        "event_ts": workspace.new_ts(),
    }


def uninstalled(workspace: Workspace) -> dict[str, Json]:
    """The inner event when the app was taken out of a workspace."""
    return {"type": "app_uninstalled", "event_ts": workspace.new_ts()}


def user_changed(workspace: Workspace, user: User) -> dict[str, Json]:
    """The inner event when a user's record has changed: all of it, as it is now."""
    now = workspace.clock.now()
    return {
        "type": "user_change",
        "user": user.as_json(with_email=True, now=now),
        "cache_ts": int(now.timestamp()),
        "event_ts": workspace.new_ts(),
    }


def group_updated(workspace: Workspace, group: UserGroup) -> dict[str, Json]:
    """The inner event when a user group has changed in any way; a disabled one has a ``date_delete``."""
    now = int(workspace.clock.now().timestamp())
    subteam: dict[str, Json] = {
        "id": group.id,
        "team_id": workspace.id,
        "is_usergroup": True,
        "is_subteam": True,
        "name": group.name,
        "description": "",
        "handle": group.handle,
        "is_external": False,
        "date_update": now,
        "date_delete": now if group.disabled else 0,
        "users": group.users[:_LISTED],
        "user_count": len(group.users),
    }
    return {"type": "subteam_updated", "subteam": subteam, "event_ts": workspace.new_ts()}


def members_changed(workspace: Workspace, group: UserGroup, before: Sequence[str]) -> dict[str, Json]:
    """The inner event when a user group has other members than ``before``: who came, and who went."""
    added = [user for user in group.users if user not in before]
    removed = [user for user in before if user not in group.users]
    now = int(workspace.clock.now().timestamp())
    return {
        "type": "subteam_members_changed",
        "subteam_id": group.id,
        "team_id": workspace.id,
        "date_previous_update": now,
        "date_update": now,
        "added_users": added,
        "added_users_count": len(added),
        "removed_users": removed,
        "removed_users_count": len(removed),
        "event_ts": workspace.new_ts(),
    }


def event(workspace: Workspace, inner: dict[str, Json], *, event_time: int, shared: bool = False) -> dict[str, Json]:
    """An ``event_callback`` of the Events API, without the id that its delivery gives to it."""
    authorization = {"enterprise_id": None, "team_id": workspace.id, "user_id": workspace.bot.id, "is_bot": True}
    return {
        "token": VERIFICATION_TOKEN,
        "team_id": workspace.id,
        "api_app_id": workspace.app_id,
        "type": "event_callback",
        "event": inner,
        "event_time": event_time,
        "authorizations": [{**authorization, "is_enterprise_install": False}],
        "is_ext_shared_channel": shared,
    }
