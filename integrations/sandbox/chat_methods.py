"""The Web API's messages: ``chat.*`` and ``reactions.add``.

``chat.postMessage`` (thread_ts, reply_broadcast, blocks, attachments, metadata, markdown_text), ``chat.postEphemeral``,
``chat.update``, ``chat.delete``, ``chat.getPermalink``, ``reactions.add``.
"""

from __future__ import annotations

from collections.abc import Callable

from flows.ports import Json
from integrations.sandbox.arguments import Arguments, SlackRefusal
from integrations.sandbox.blocks import MARKDOWN_TEXT, Block, with_ids
from integrations.sandbox.content import checked_attachments, checked_blocks, checked_metadata
from integrations.sandbox.members import Channel
from integrations.sandbox.message import Attachment, Message
from integrations.sandbox.places import addressed, named_message, visible, writable
from integrations.sandbox.web_method import Caller, Method

POSTED_TEXT = 40_000  # chat.postMessage cuts here and warns
UPDATED_TEXT = 4_000  # chat.update: "msg_too_long: the text field cannot exceed 4,000 characters"

Changed = Callable[[Caller, Channel, Message, Message | None], None]
"""Hears of a message that an app has posted, changed (with what it was before) or, where it is gone, deleted."""


class ChatMethods:
    """``origin`` is where permalinks point."""

    def __init__(self, *, origin: Callable[[], str], changed: Changed) -> None:
        self._origin = origin
        self._changed = changed

    def methods(self) -> dict[str, Method]:
        """Each method by its name."""
        return {
            "chat.postMessage": Method(self._post, ("chat:write",)),
            "chat.postEphemeral": Method(self._post_ephemeral, ("chat:write",)),
            "chat.update": Method(self._update, ("chat:write",)),
            "chat.delete": Method(self._delete, ("chat:write",)),
            "chat.getPermalink": Method(self._permalink),
            "reactions.add": Method(self._react, ("reactions:write",)),
        }

    async def _post(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = addressed(caller, arguments.required("channel"))
        text, warning = _text(arguments)
        blocks, attachments = _shown(caller, arguments)
        if not (text or blocks or attachments):
            raise SlackRefusal("no_text")
        metadata = checked_metadata(arguments)
        message = caller.workspace.post(
            channel,
            caller.workspace.bot.id,
            text,
            blocks=blocks,
            attachments=attachments,
            metadata=metadata,
            thread_ts=_thread(caller, channel, arguments),
            broadcast=arguments.flag("reply_broadcast"),
        )
        self._changed(caller, channel, message, None)
        answer: dict[str, Json] = {"channel": channel.id, "ts": message.ts}
        answer["message"] = message.as_json(with_metadata=True)
        return answer | warning

    async def _post_ephemeral(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = addressed(caller, arguments.required("channel"))
        user = arguments.required("user")
        text, warning = _text(arguments)
        blocks, attachments = _shown(caller, arguments)
        if not (text or blocks or attachments):
            raise SlackRefusal("no_text")
        if user not in channel.members:
            raise SlackRefusal("user_not_in_channel")
        workspace = caller.workspace
        thread_ts = _thread(caller, channel, arguments)
        parent = workspace.message(channel.id, thread_ts) if thread_ts is not None else None
        if parent is not None and not parent.replies:
            # "Ephemeral messages in threads are only shown if there is already an active thread": taken, and never seen.
            return {"message_ts": workspace.new_ts()} | warning
        message = workspace.post(
            channel,
            workspace.bot.id,
            text,
            blocks=blocks,
            attachments=attachments,
            thread_ts=thread_ts,
            ephemeral_to=user,
        )
        return {"message_ts": message.ts} | warning

    async def _update(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        message = named_message(caller, arguments)
        channel = caller.workspace.channels[message.channel]
        writable(caller, channel)
        if message.user != caller.workspace.bot.id or message.tombstone:
            raise SlackRefusal("cant_update_message")
        if channel.is_archived:
            raise SlackRefusal("is_inactive")
        if len(arguments.text("text") or "") > UPDATED_TEXT:
            raise SlackRefusal("msg_too_long")
        text, _ = _text(arguments)
        blocks, attachments = _shown(caller, arguments)
        if not (text or blocks or attachments):
            raise SlackRefusal("no_text")
        before = message.snapshot()
        if not text and not arguments.has("blocks"):
            blocks = message.blocks  # they stay where neither a text nor blocks are given
        caller.workspace.edit(
            message,
            text,
            blocks,
            attachments=attachments if arguments.has("attachments") else None,
            metadata=checked_metadata(arguments),
        )
        if message.is_reply and arguments.flag("reply_broadcast"):
            message.broadcast = True
        self._changed(caller, channel, message, before)
        body = message.as_json(with_metadata=True)
        return {"channel": message.channel, "ts": message.ts, "text": text, "message": body}

    async def _delete(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        message = named_message(caller, arguments)
        channel = caller.workspace.channels[message.channel]
        writable(caller, channel)
        if message.user != caller.workspace.bot.id or message.tombstone:
            raise SlackRefusal("cant_delete_message")
        before = message.snapshot()
        caller.workspace.remove(message)
        self._changed(caller, channel, message, before)
        return {"channel": message.channel, "ts": message.ts}

    async def _permalink(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        channel = visible(caller, arguments.required("channel"))
        message = named_message(caller, arguments, "message_ts")
        address = f"{self._origin()}/archives/{channel.id}/p{message.ts.replace('.', '')}"
        if message.is_reply:
            address += f"?thread_ts={message.thread_ts}&cid={channel.id}"
        return {"channel": channel.id, "permalink": address}

    async def _react(self, caller: Caller, arguments: Arguments) -> dict[str, Json]:
        name = arguments.required("name")
        message = named_message(caller, arguments, "timestamp")
        channel = caller.workspace.channels[message.channel]
        if caller.workspace.bot.id not in channel.members:
            raise SlackRefusal("not_in_channel")
        if channel.is_archived:
            raise SlackRefusal("is_archived")
        users = message.reactions.setdefault(name, [])
        if caller.workspace.bot.id in users:
            raise SlackRefusal("already_reacted")
        users.append(caller.workspace.bot.id)
        caller.workspace.changes.notify()
        return {}


def _text(arguments: Arguments) -> tuple[str, dict[str, Json]]:
    """The text, and the warning that goes with one that was cut."""
    text = arguments.text("text") or ""
    if arguments.has("markdown_text"):
        if text or arguments.has("blocks"):
            raise SlackRefusal("markdown_text_conflict")
        text = arguments.required("markdown_text")
        if len(text) > MARKDOWN_TEXT:
            raise SlackRefusal("msg_too_long")
    if len(text) > POSTED_TEXT:
        warning: dict[str, Json] = {"warnings": ["message_truncated"]}
        return text[:POSTED_TEXT], {"warning": "message_truncated", "response_metadata": warning}
    return text, {}


def _shown(caller: Caller, arguments: Arguments) -> tuple[list[Block], list[Attachment]]:
    """Checked blocks and attachments, with ids."""
    blocks = checked_blocks(arguments.structure("blocks", "invalid_blocks_format"))
    attachments = checked_attachments(caller.workspace, arguments.structure("attachments", "invalid_attachments"))
    return with_ids(blocks, caller.workspace.new_short_id), attachments


def _thread(caller: Caller, channel: Channel, arguments: Arguments) -> str | None:
    """The parent that a message goes to; None for the channel itself.

    Where the parent is gone, Slack says nothing and posts to the channel (slack-go/slack#1571): only the answer's message
    has no ``thread_ts`` then. A reply's own ``ts`` works "in some situations" and is not recommended; here it never does.
    """
    ts = arguments.text("thread_ts")
    if not ts:
        return None
    parent = caller.workspace.message(channel.id, ts)
    if parent is not None and parent.is_reply:
        raise SlackRefusal("cannot_reply_to_message")
    return ts if parent is not None else None
