"""The Web API's channels: ``conversations.*``.

``conversations.open``, ``.info``, ``.list``, ``.members``, ``.join``, ``.history`` and ``.replies`` (both with
``include_all_metadata``). Scopes go by the sort of channel: ``channels:read``, ``groups:history``, ``im:write`` ...
"""

from __future__ import annotations

from flows.ports import Json
from integrations.sandbox.arguments import Arguments, SlackRefusal, invalid_arguments
from integrations.sandbox.members import Channel
from integrations.sandbox.message import Message
from integrations.sandbox.places import reachable, visible
from integrations.sandbox.web_method import Caller, Method, page_of

_KINDS = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}


class ConversationMethods:
    """Channels, direct messages, and what was said there."""

    def methods(self) -> dict[str, Method]:
        """Each method by its name."""
        return {
            "conversations.open": Method(self._open),
            "conversations.info": Method(self._info),
            "conversations.list": Method(self._list),
            "conversations.members": Method(self._members),
            "conversations.join": Method(self._join, ("channels:join",)),
            "conversations.history": Method(self._history),
            "conversations.replies": Method(self._replies),
        }

    async def _open(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        workspace = caller.workspace
        if arguments.has("channel"):
            channel = visible(caller, arguments.required("channel"))
        else:
            ids = [each.strip() for each in (arguments.text("users") or "").split(",") if each.strip()]
            if not ids:
                raise SlackRefusal("users_list_not_supplied")
            if len(ids) > 8:
                raise SlackRefusal("too_many_users")
            caller.needs("im:write" if len(ids) == 1 else "mpim:write")
            for user_id in ids:
                if user_id not in workspace.users:
                    raise SlackRefusal("user_not_found")
                reachable(workspace.users[user_id], gone="user_disabled")
            channel = workspace.direct_message(ids[0]) if len(ids) == 1 else workspace.group_message(ids)
        return {"channel": _shown(caller, channel) if arguments.flag("return_im") else {"id": channel.id}}

    async def _info(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = visible(caller, arguments.required("channel"))
        caller.needs(f"{channel.kind}:read")
        shown = _shown(caller, channel)
        if not arguments.flag("include_num_members"):
            shown.pop("num_members", None)
        return {"channel": shown}

    async def _list(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        types = (arguments.text("types") or "public_channel").replace(" ", "").split(",")
        if unknown := [each for each in types if each not in _KINDS]:
            raise SlackRefusal("invalid_types", types=unknown)
        kinds = {_KINDS[each] for each in types}
        for kind in sorted(kinds):
            caller.needs(f"{kind}:read")
        bot = caller.workspace.bot.id
        found = [
            _shown(caller, channel)
            for channel in caller.workspace.channels.values()
            if channel.kind in kinds
            and (channel.kind == "channels" or bot in channel.members)
            and not (channel.is_archived and arguments.flag("exclude_archived"))
        ]
        page, metadata = page_of(found, arguments, default=100)
        return {"channels": page, "response_metadata": metadata}

    async def _members(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = visible(caller, arguments.required("channel"))
        caller.needs(f"{channel.kind}:read")
        page, metadata = page_of(channel.members, arguments, default=100)
        return {"members": page, "response_metadata": metadata}

    async def _join(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = visible(caller, arguments.required("channel"))
        if channel.kind != "channels":
            raise SlackRefusal("method_not_supported_for_channel_type")
        if channel.is_archived:
            raise SlackRefusal("is_archived")
        warning: dict[str, Json] = {}
        if caller.workspace.bot.id in channel.members:
            warning = {"warning": "already_in_channel", "response_metadata": {"warnings": ["already_in_channel"]}}
        else:
            channel.members.append(caller.workspace.bot.id)
            caller.workspace.changes.notify()
        return {"channel": _shown(caller, channel)} | warning

    async def _history(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = _readable(caller, arguments)
        within = _within(caller.workspace.messages_in(channel.id), arguments)
        with_metadata = arguments.flag("include_all_metadata")
        top = [message for message in reversed(within) if message.in_channel]
        page, metadata = page_of([message.as_json(with_metadata=with_metadata) for message in top], arguments, 100)
        return {
            "messages": page,
            "has_more": bool(metadata["next_cursor"]),
            "pin_count": 0,
            "response_metadata": metadata,
        }

    async def _replies(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = _readable(caller, arguments)
        thread = caller.workspace.thread(channel.id, arguments.required("ts"))
        if not thread:
            raise SlackRefusal("thread_not_found")
        with_metadata = arguments.flag("include_all_metadata")
        # The parent comes along whatever the times asked for.
        within = thread[:1] + _within(thread[1:], arguments)
        shown = [message.as_json(with_metadata=with_metadata) for message in within]
        page, metadata = page_of(shown, arguments, default=1000)
        return {"messages": page, "has_more": bool(metadata["next_cursor"]), "response_metadata": metadata}


def _shown(caller: Caller, channel: Channel) -> dict[str, Json]:
    workspace = caller.workspace
    return channel.as_json(member=workspace.bot.id, is_shared=workspace.is_shared(channel))


def _readable(caller: Caller, arguments: Arguments) -> Channel:
    channel = visible(caller, arguments.required("channel"))
    caller.needs(f"{channel.kind}:history")
    if caller.workspace.bot.id not in channel.members:
        raise SlackRefusal("not_in_channel")
    return channel


def _within(messages: list[Message], arguments: Arguments) -> list[Message]:
    """Those between ``oldest`` and ``latest``; with ``inclusive``, those at the very instants too."""
    try:
        oldest = float(arguments.text("oldest") or 0)
        latest = float(arguments.text("latest") or "inf")
    except ValueError:
        raise invalid_arguments("must be a timestamp [json-pointer:/oldest]") from None
    inclusive = arguments.flag("inclusive")
    return [
        message
        for message in messages
        if oldest < float(message.ts) < latest or (inclusive and float(message.ts) in (oldest, latest))
    ]
