"""A modal or a home tab as it stands on a person's screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flows.ports import Json
from integrations.sandbox.blocks import Block, elements_of, texts_of
from integrations.sandbox.copies import copied

StateValues = dict[str, dict[str, Json]]
"""What is filled in: block id, then action id, then the element's state as Slack writes it."""


@dataclass(slots=True)
class View:
    """A modal or a home tab as it stands. ``errors`` are those shown under the inputs, by block id."""

    id: str
    user: str
    team_id: str
    app_id: str
    bot_id: str
    content: dict[str, Json]
    hash: str
    root_view_id: str
    previous_view_id: str | None = None
    values: StateValues = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """``modal`` or ``home``."""
        return str(self.content["type"])

    @property
    def callback_id(self) -> str:
        """The bot's name for this sort of view; empty if it gave none."""
        return str(self.content.get("callback_id", ""))

    @property
    def title(self) -> str:
        """The modal's title; empty for a home tab."""
        return str(self.content.get("title", {}).get("text", ""))

    @property
    def blocks(self) -> list[Block]:
        """Its blocks, every one with an id."""
        blocks: list[Block] = self.content["blocks"]
        return blocks

    def elements(self) -> Iterator[tuple[Block, dict[str, Json]]]:
        """Each interactive element with its block."""
        for block in self.blocks:
            for element in elements_of(block):
                yield block, element

    def buttons(self) -> list[str]:
        """The texts of the buttons inside it (submit and close are not among them)."""
        return [element["text"]["text"] for _, element in self.elements() if element.get("type") == "button"]

    def shown_text(self) -> str:
        """Everything that can be read on it, title first."""
        return "\n".join([self.title, *texts_of(self.blocks)])

    def as_json(self, state: StateValues | None = None) -> dict[str, Json]:
        """As Slack hands it to the bot, with the state that the person has filled in."""
        content = copied(self.content)
        return {
            "id": self.id,
            "team_id": self.team_id,
            "type": self.type,
            "blocks": content["blocks"],
            "private_metadata": content.get("private_metadata", ""),
            "callback_id": self.callback_id,
            "state": {"values": copied(state if state is not None else self.values)},
            "hash": self.hash,
            "title": content.get("title"),
            "clear_on_close": content.get("clear_on_close", False),
            "notify_on_close": content.get("notify_on_close", False),
            "close": content.get("close"),
            "submit": content.get("submit"),
            "previous_view_id": self.previous_view_id,
            "root_view_id": self.root_view_id,
            "app_id": self.app_id,
            "external_id": content.get("external_id", ""),
            "app_installed_team_id": self.team_id,
            "bot_id": self.bot_id,
        }
