"""Whether something is of the shape that Slack's own types give it: unknown blocks, keys and styles, and missing ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError, best_match

_HERE = Path(__file__).parent
_FREE = frozenset({"text", "value", "url", "block_id", "action_id", "initial_value"})
"""Keys whose texts may be anything, as far as the types go."""


def wrong_blocks(blocks: Any, at: str = "blocks") -> Iterator[str]:
    """What is wrong with an array of blocks. Each is held against its own type, so that the sentence names the fault."""
    if not isinstance(blocks, list):
        yield f"{at}: is no list"
        return
    for index, block in enumerate(blocks):
        where = f"{at}[{index}]"
        kind = block.get("type") if isinstance(block, dict) else None
        if kind in _blocks():
            yield from (f"{where}{said}" for said in _wrong_skeleton(_blocks()[kind], json.dumps(_skeleton(block))))
        else:
            yield f"{where}: Slack has no block {kind!r}"


def wrong_view(view: Any) -> Iterator[str]:
    """What is wrong with a modal or a home tab."""
    kind = view.get("type") if isinstance(view, dict) else None
    if kind not in ("modal", "home"):
        yield f"view: is of type {kind!r}"
        return
    yield from _wrong("ModalView" if kind == "modal" else "HomeView", {**view, "blocks": []}, "view")
    yield from wrong_blocks(view.get("blocks"), "view.blocks")


def wrong_attachments(attachments: Any) -> Iterator[str]:
    """What is wrong with a message's attachments, which are there for the bar of colour beside their blocks."""
    for index, attachment in enumerate(attachments):
        where = f"attachments[{index}]"
        yield from _wrong("MessageAttachment", {**attachment, "blocks": []}, where)
        yield from wrong_blocks(attachment.get("blocks", []), f"{where}.blocks")


def wrong_metadata(metadata: Any) -> Iterator[str]:
    """What is wrong with a message's metadata."""
    yield from _wrong("MessageMetadata", metadata, "metadata")


def wrong_manifest(manifest: Any) -> Iterator[str]:
    """What is wrong with an app's manifest: unknown keys, scopes and events. The types know nothing of ``bot_optional``
    that is not a scope, nor of lengths."""
    yield from _wrong("Manifest", manifest, "manifest")


@cache
def _wrong_skeleton(definition: str, skeleton: str) -> tuple[str, ...]:
    """Most blocks differ in their texts alone, which the types leave free, and validating takes its time."""
    return tuple(_wrong(definition, json.loads(skeleton), ""))


def _skeleton(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _skeleton(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_skeleton(each, key) for each in value]
    return "" if isinstance(value, str) and key in _FREE else value


def _wrong(definition: str, value: Any, at: str) -> Iterator[str]:
    for error in _validator(definition).iter_errors(value):
        worst = _nearest(error)
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in worst.absolute_path)
        yield f"{at}{path}: {worst.message[:300]}"


def _nearest(error: ValidationError) -> ValidationError:
    """What was probably meant, where any of several would have been right: what has the same ``type``."""
    if not error.context:
        return error
    of_its_kind = [found for found in _branches(error) if not any(map(_is_another_kind, found))]
    return _nearest(best_match(of_its_kind[0] if of_its_kind else error.context) or error)


def _branches(error: ValidationError) -> list[list[ValidationError]]:
    """What is wrong by each of those that would have been right."""
    found: dict[Any, list[ValidationError]] = {}
    for each in error.context:
        found.setdefault(each.schema_path[0], []).append(each)
    return list(found.values())


def _is_another_kind(error: ValidationError) -> bool:
    if error.context and not error.path:
        return all(any(map(_is_another_kind, found)) for found in _branches(error))
    return list(error.path) == ["type"] and error.validator == "const"


@cache
def _schema() -> Mapping[str, Any]:
    definitions: dict[str, Any] = {}
    for file in ("surfaces.json", "manifest.json"):
        definitions |= json.loads((_HERE / file).read_text("utf-8"))["definitions"]
    return definitions


@cache
def _blocks() -> Mapping[str, str]:
    """The names of the definitions by the types of blocks."""
    names = [each["$ref"].rpartition("/")[2] for each in _schema()["KnownBlock"]["anyOf"]]
    return {_type(_schema()[name]): name for name in names}


def _type(definition: Mapping[str, Any]) -> str:
    # A block with two shapes, as an image that Slack or somebody else keeps, has the same type in both.
    shape = definition if "properties" in definition else definition["anyOf"][0]
    return str(shape["properties"]["type"]["const"])


@cache
def _validator(definition: str) -> Draft7Validator:
    return Draft7Validator({"$ref": f"#/definitions/{definition}", "definitions": _schema()})
