"""The flow file as JSON Schema, for editors: completion, a description under each key, red lines while typing.

It says what one value may be. What takes the whole flow (names in expressions, quorums) only the loader says.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

from flows.definition import Flow
from flows.durations import format_duration, parse_duration
from flows.ports import Json

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DURATION = "A duration: 10s, 5m, 1h30m, 2d, 1w."
_DESCRIPTIONS: dict[str, dict[str, str]] = {
    "Flow": {
        "flow": "The flow's name, as it is started by. Unique among all flows.",
        "title": "What people see instead of the name.",
        "description": "What the flow is for.",
        "inputs": "What a run is started with; read as inputs.<name>.",
        "steps": "What happens, one after the other.",
    },
    "Step": {
        "id": "The step's name; later steps read steps.<id>.",
        "title": "What people see instead of the id.",
        "if": "One expression, without braces. Where it is false, the step is skipped and its output is null.",
        "uses": "The action to perform, like http.request.",
        "run": "A Python function to call: module:function, from the folder of this file.",
        "with": "The action's parameters. Texts may hold {{ expressions }}; only here may they read secrets.",
        "retry": "How often the action is tried again after a passing failure.",
        "timeout": f"How long one attempt of the action may take. {_DURATION}",
        "approval": "Ask people to approve or reject, and wait for them.",
        "hold": "Wait until a person resumes the run, with values.",
        "delay": "Let time pass: a duration (10m), an instant (2026-12-24T08:00:00Z), or a template.",
    },
    "Wait": {
        "ask": "What people are asked. May hold {{ expressions }}.",
        "show": "Label: value, shown with the ask.",
        "form": "What people fill in; later steps read it as steps.<id>.form or resume.",
        "via": 'Where people are asked: slack (direct message), gmail, {slack: "#channel"}, or a list of these.',
        "timeout": f"How long people are waited for. {_DURATION}",
        "approvers": "Who may decide: mail addresses, Slack user ids, @groups, or templates that give these.",
        "quorum": "How many different people have to approve: a number, any, or all.",
        "self_approval": "Whether the requester may decide too.",
        "on_timeout": "What becomes of the run when nobody has decided in time; end means that it ends as expired.",
        "on_reject": "What becomes of the run after a rejection; end means that it ends as rejected.",
        "by": "Who may resume; without it the requester and admins.",
    },
    "Retry": {
        "max": "How many tries may follow the first.",
        "delay": f"The pause before the second try. {_DURATION}",
        "backoff": "How many times longer each further pause is.",
        "max_delay": f"The longest pause. {_DURATION}",
    },
    "SlackPlace": {"slack": 'A channel: "#vacation" (quoted) or its id.'},
    "Field": {
        "name": "What the value is read by.",
        "label": "What people see instead of the name.",
        "description": "A hint below the field.",
        "required": "Whether it has to be filled in.",
        "default": "What it has where nothing is filled in.",
        "type": "What kind of value it takes.",
        "options": "What can be chosen: texts, or {value, label}.",
    },
}
# Where a schema holds others, and how.
_ONE = ("items", "additionalProperties", "not")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "$defs")


@cache
def known_shape() -> dict[str, Json]:
    """The schema as pydantic makes it, to look names up in. Shared: not to be changed."""
    return Flow.model_json_schema(by_alias=True)


def flow_schema() -> dict[str, Json]:
    """JSON Schema (draft 2020-12) of a flow file. A new dictionary each time."""
    schema = deepcopy(known_shape())
    for name, part in [("Flow", schema), *schema["$defs"].items()]:
        _describe(name, part)
    for part in _schemas(schema):
        _tidy(part)
    return {"$schema": DIALECT, "title": "Signoff flow", **schema}


def _describe(name: str, part: dict[str, Any]) -> None:
    properties: dict[str, Any] = part.get("properties", {})
    if "const" in properties.get("type", {}):
        name = "Field"
        # Fields are told apart by it, so it has to stand there, though each model has one already.
        part["required"] = list(dict.fromkeys(["name", "type", *part.get("required", ())]))
        del properties["type"]["default"]
    words = _DESCRIPTIONS.get("Wait" if name in ("Approval", "Hold") else name, {})
    for key, each in properties.items():
        if key in words:
            each["description"] = words[key]


def _schemas(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and all the schemas in it; names of properties are no schemas."""
    yield part
    below = [part.get(key) for key in _ONE]
    for key in _LISTS:
        below.extend(part.get(key, ()))
    for key in _NAMED:
        below.extend(part.get(key, {}).values())
    for each in below:
        if isinstance(each, dict):
            yield from _schemas(each)


def _tidy(part: dict[str, Any]) -> None:
    # pydantic titles each key with its own name, which an editor would show above our description.
    part.pop("title", None)
    if part.get("default", ...) is None:
        del part["default"]
    if part.pop("gt", None) is not None:
        # A timedelta: its bounds have no keyword here, and its default comes as ISO 8601.
        part.pop("le", None)
        if "default" in part:
            part["default"] = format_duration(parse_duration(part["default"]))
    # OpenAPI's keyword, which editors do not know; the constants of each member say the same.
    part.pop("discriminator", None)
