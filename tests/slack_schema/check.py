"""What Slack would refuse of what is drawn, one sentence each; nothing where nothing is wrong.

First the shape by Slack's own types; only what has it is held against the limits, and against what the sandbox refuses.
"""

from __future__ import annotations

from typing import Any

from integrations.sandbox import blocks as sandbox
from tests.slack_schema import limits, shapes


def check_blocks(blocks: Any) -> list[str]:
    """Blocks as a message takes them."""
    return [*shapes.wrong_blocks(blocks)] or [
        *limits.over_blocks(blocks, surface="message", most=limits.MESSAGE_BLOCKS),
        *sandbox.check_message_blocks(blocks),
    ]


def check_view(view: Any) -> list[str]:
    """A modal or a home tab."""
    return [*shapes.wrong_view(view)] or [*limits.over_view(view), *sandbox.check_view(view)]


def check_message(text: str, blocks: Any = None, metadata: Any = None, attachments: Any = ()) -> list[str]:
    """A message with all that belongs to it."""
    wrong = [] if blocks is None else [*shapes.wrong_blocks(blocks)]
    wrong += shapes.wrong_attachments(attachments)
    if metadata is not None:
        wrong += [*shapes.wrong_metadata(metadata)] or limits.over_metadata(metadata)
    if not wrong:
        wrong += limits.over_message(text, blocks, attachments)
        wrong += sandbox.check_message_blocks(blocks) if blocks else []
        wrong += sandbox.check_attachments(attachments)
    return wrong


def check_manifest(manifest: Any) -> list[str]:
    """An app's manifest by its types: keys, scopes, events."""
    return [*shapes.wrong_manifest(manifest)]
