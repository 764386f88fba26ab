"""A message as it stands in a channel."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field

from flows.ports import Json
from integrations.sandbox.blocks import Block, elements_of, texts_of


@dataclass(slots=True)
class Message:
    """A message in a channel, or one that only ``ephemeral_to`` sees. ``version`` counts its edits."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Block] = field(default_factory=list)
    metadata: Json = None
    thread_ts: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    edited_ts: str | None = None
    ephemeral_to: str | None = None
    version: int = 1

    def elements(self) -> Iterator[tuple[Block, dict[str, Json]]]:
        """Each interactive element with its block."""
        for block in self.blocks:
            for element in elements_of(block):
                yield block, element

    def buttons(self) -> list[str]:
        """The texts of the buttons that it shows."""
        return [element["text"]["text"] for _, element in self.elements() if element.get("type") == "button"]

    def shown_text(self) -> str:
        """Everything that can be read on it: all texts of its blocks, or the plain text where it has none."""
        return "\n".join(texts_of(self.blocks)) if self.blocks else self.text

    def snapshot(self) -> Message:
        """A copy that later edits leave alone: what somebody saw."""
        return copy.deepcopy(self)

    def as_json(self, *, with_metadata: bool) -> dict[str, Json]:
        """As ``conversations.history`` answers."""
        message: dict[str, Json] = {"type": "message", "ts": self.ts, "user": self.user, "text": self.text}
        if self.bot_id is not None:
            message |= {"bot_id": self.bot_id, "app_id": self.app_id}
        if self.blocks:
            message["blocks"] = copy.deepcopy(self.blocks)
        if self.thread_ts is not None:
            message["thread_ts"] = self.thread_ts
        if self.edited_ts is not None:
            message["edited"] = {"user": self.user, "ts": self.edited_ts}
        if with_metadata and self.metadata is not None:
            message["metadata"] = copy.deepcopy(self.metadata)
        return message
