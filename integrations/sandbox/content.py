"""What messages and views may hold: checked, and made ready to be shown."""

from __future__ import annotations

from flows.ports import Json
from integrations.sandbox.arguments import Arguments, SlackRefusal, invalid_arguments
from integrations.sandbox.blocks import (
    BLOCKS_TEXT,
    MARKDOWN_TEXT,
    VIEW_BYTES,
    Block,
    check_attachments,
    check_message_blocks,
    check_view,
    text_length,
    view_bytes,
    with_ids,
)
from integrations.sandbox.message import Attachment
from integrations.sandbox.view import View
from integrations.sandbox.workspace import Workspace

MODALS = 3  # views.push: "currently the limit is 3"
ATTACHMENTS = 100  # "a maximum of 100 attachments are allowed on a message"


def checked_blocks(blocks: Json) -> list[Block]:
    """A message's blocks, if Slack would take them; raises ``SlackRefusal``."""
    if blocks is None:
        return []
    if not isinstance(blocks, list):
        raise SlackRefusal("invalid_blocks_format")
    if errors := check_message_blocks(blocks):
        metadata = {"messages": [f"[ERROR] {error}" for error in errors]}
        raise SlackRefusal("invalid_blocks", errors=errors, response_metadata=metadata)
    plain, markdown = text_length(blocks)
    if plain > BLOCKS_TEXT or markdown > MARKDOWN_TEXT:
        raise SlackRefusal("msg_blocks_too_long")
    return blocks


def checked_attachments(workspace: Workspace, attachments: Json) -> list[Attachment]:
    """A message's attachments with ids everywhere, if Slack would take them; raises ``SlackRefusal``."""
    if attachments is None:
        return []
    if not isinstance(attachments, list) or not all(isinstance(each, dict) for each in attachments):
        raise SlackRefusal("invalid_attachments")
    if len(attachments) > ATTACHMENTS:
        raise SlackRefusal("too_many_attachments")
    if errors := check_attachments(attachments):
        metadata = {"messages": [f"[ERROR] {error}" for error in errors]}
        raise SlackRefusal("invalid_attachments", response_metadata=metadata)
    plain = sum(text_length(each.get("blocks") or [])[0] for each in attachments)
    if plain > BLOCKS_TEXT:
        raise SlackRefusal("msg_blocks_too_long")
    return [
        {
            **each,
            "id": number,
            **({"blocks": with_ids(each["blocks"], workspace.new_short_id)} if "blocks" in each else {}),
        }
        for number, each in enumerate(attachments, start=1)
    ]


def checked_view(workspace: Workspace, view: Json) -> dict[str, Json]:
    """A view with ids everywhere, if Slack would take it; raises ``SlackRefusal``."""
    if errors := check_view(view):
        raise invalid_arguments(*errors)
    if view_bytes(view) > VIEW_BYTES:
        raise SlackRefusal("view_too_large")
    return {**view, "blocks": with_ids(view["blocks"], workspace.new_short_id)}


def open_modal(workspace: Workspace, user: str, content: dict[str, Json]) -> View:
    """Show a modal to a person; those that were open are gone."""
    view = workspace.new_view(user, content)
    workspace.modals[user] = [view]
    workspace.changes.notify()
    return view


def push_modal(workspace: Workspace, user: str, content: dict[str, Json]) -> View:
    """Put a modal on top of those that a person has open."""
    stack = workspace.modals.setdefault(user, [])
    view = workspace.new_view(user, content, previous=stack[-1] if stack else None)
    stack.append(view)
    workspace.changes.notify()
    return view


def checked_metadata(arguments: Arguments) -> Json:
    """A message's metadata, if Slack would take them; None if there are none. Raises ``SlackRefusal``."""
    metadata = arguments.structure("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        raise SlackRefusal("invalid_metadata_format")
    if not metadata:
        return {}  # for chat.update: take the old ones away
    if not isinstance(metadata.get("event_type"), str) or not isinstance(metadata.get("event_payload"), dict):
        raise SlackRefusal("invalid_metadata_schema")
    return {"event_type": metadata["event_type"], "event_payload": metadata["event_payload"]}
