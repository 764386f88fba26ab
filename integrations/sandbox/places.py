"""Which channel an argument of the Web API names, as far as the caller may see it or write there."""

from __future__ import annotations

from integrations.sandbox.arguments import Arguments, SlackRefusal
from integrations.sandbox.members import Channel, User
from integrations.sandbox.message import Message
from integrations.sandbox.web_method import Caller


def visible(caller: Caller, channel_id: str) -> Channel:
    """A channel by its id, if it is public or the bot is in it."""
    channel = caller.workspace.channels.get(channel_id)
    if channel is None or (channel.kind != "channels" and caller.workspace.bot.id not in channel.members):
        raise SlackRefusal("channel_not_found")
    return channel


def addressed(caller: Caller, name: str) -> Channel:
    """Where a message for ``name`` goes: a channel's id or name, or a person's id for a direct message."""
    workspace = caller.workspace
    if name in workspace.users:
        reachable(workspace.users[name], gone="channel_not_found")
        return workspace.direct_message(name)
    channel = workspace.channels.get(name) or workspace.channel_named(name)
    if channel is None:
        raise SlackRefusal("channel_not_found")
    writable(caller, channel)
    if channel.is_archived:
        raise SlackRefusal("is_archived")
    return channel


def writable(caller: Caller, channel: Channel) -> None:
    """Refuse unless the bot is in the channel, or may write to public ones without."""
    if caller.workspace.bot.id not in channel.members:
        if channel.is_private:
            raise SlackRefusal("channel_not_found")
        if "chat:write.public" not in caller.token.scopes:
            raise SlackRefusal("not_in_channel")


def reachable(user: User, *, gone: str) -> None:
    """Refuse unless a bot can write to this user; ``gone`` is what is said of one who was deactivated."""
    if user.is_bot:
        raise SlackRefusal("cannot_dm_bot")
    if user.deleted:
        raise SlackRefusal(gone)
    if user.is_stranger:
        raise SlackRefusal("user_not_visible" if gone == "user_disabled" else gone)


def named_message(caller: Caller, arguments: Arguments, ts: str = "ts") -> Message:
    """The message that ``channel`` and ``ts`` name; only a channel's own id will do."""
    channel = visible(caller, arguments.required("channel"))
    message = caller.workspace.message(channel.id, arguments.required(ts))
    if message is None:
        raise SlackRefusal("message_not_found")
    return message
