"""A message as it stands in a channel or in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from flows.ports import Json
from integrations.sandbox.blocks import Block, elements_of, texts_of
from integrations.sandbox.copies import copied

Attachment = dict[str, Json]
"""A secondary attachment: a bar in a ``color`` beside blocks of its own, or the old fields (``title``, ``text``)."""

_OLD_TEXTS = ("pretext", "author_name", "title", "text", "footer")


@dataclass(slots=True)
class Message:
    """A message in a channel, or one that only ``ephemeral_to`` sees. ``version`` counts its edits.

    ``thread_ts`` is the parent's ``ts``: of another message in a reply, of itself in a parent that has replies.
    ``replies`` are a parent's: each ``(ts, user)``, oldest first. A ``broadcast`` reply stands in the channel as well. A
    ``tombstone`` is what is left of a parent that was deleted while it had replies.
    """

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Block] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    metadata: Json = None
    team: str = ""
    thread_ts: str | None = None
    parent_user: str | None = None
    broadcast: bool = False
    tombstone: bool = False
    replies: list[tuple[str, str]] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    bot_id: str | None = None
    app_id: str | None = None
    edited_ts: str | None = None
    ephemeral_to: str | None = None
    version: int = 1

    @property
    def is_reply(self) -> bool:
        """Whether it stands in another message's thread."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def in_channel(self) -> bool:
        """Whether it stands in the channel itself: everything but the replies that were not broadcast."""
        return not self.is_reply or self.broadcast

    def all_blocks(self) -> list[Block]:
        """Its blocks, and those of its attachments."""
        return [*self.blocks, *(block for each in self.attachments for block in each.get("blocks") or [])]

    def attachment_of(self, block: Block) -> int | None:
        """The number (from 1) of the attachment that a block stands in; None for a block of the message itself."""
        for attachment in self.attachments:
            if any(each is block for each in attachment.get("blocks") or []):
                return int(attachment["id"])
        return None

    def elements(self) -> Iterator[tuple[Block, dict[str, Json]]]:
        """Each interactive element with its block."""
        for block in self.all_blocks():
            for element in elements_of(block):
                yield block, element

    def buttons(self) -> list[str]:
        """The texts of the buttons that it shows."""
        return [element["text"]["text"] for _, element in self.elements() if element.get("type") == "button"]

    def shown_text(self) -> str:
        """Everything that can be read on it: the texts of its blocks, or the plain text where it has none, then those of
        its attachments."""
        texts = list(texts_of(self.blocks)) if self.blocks else [self.text]
        for attachment in self.attachments:
            texts += texts_of(attachment.get("blocks") or [])
            texts += [str(attachment[name]) for name in _OLD_TEXTS if name in attachment]
            texts += [str(each[name]) for each in attachment.get("fields") or [] for name in ("title", "value")]
        return "\n".join(text for text in texts if text)

    def snapshot(self) -> Message:
        """A copy that later edits leave alone: what somebody saw."""
        return replace(
            self,
            blocks=copied(self.blocks),
            attachments=copied(self.attachments),
            metadata=copied(self.metadata),
            replies=list(self.replies),
            reactions={name: list(users) for name, users in self.reactions.items()},
        )

    def as_json(self, *, with_metadata: bool) -> dict[str, Json]:
        """As ``conversations.history`` answers."""
        message: dict[str, Json] = {"type": "message", "ts": self.ts, "user": self.user, "text": self.text}
        if self.team:
            message["team"] = self.team
        if self.tombstone:
            message |= {"subtype": "tombstone", "hidden": True}
        elif self.broadcast:
            message["subtype"] = "thread_broadcast"
        if self.bot_id is not None:
            message |= {"bot_id": self.bot_id, "app_id": self.app_id}
        if self.blocks:
            message["blocks"] = copied(self.blocks)
        if self.attachments:
            message["attachments"] = copied(self.attachments)
        if self.is_reply:
            message |= {"thread_ts": self.thread_ts, "parent_user_id": self.parent_user}
        elif self.replies:
            users = list(dict.fromkeys(user for _, user in self.replies))
            message |= {
                "thread_ts": self.ts,
                "reply_count": len(self.replies),
                "reply_users_count": len(users),
                "latest_reply": self.replies[-1][0],
                "reply_users": users,
                "is_locked": False,
                "subscribed": False,
            }
        if self.edited_ts is not None:
            message["edited"] = {"user": self.user, "ts": self.edited_ts}
        if self.reactions:
            message["reactions"] = [
                {"name": name, "users": list(users), "count": len(users)} for name, users in self.reactions.items()
            ]
        if with_metadata and self.metadata:
            message["metadata"] = copied(self.metadata)
        return message
