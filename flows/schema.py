"""The flow file as JSON Schema, for editors: completion, a description under each key, red lines while typing.

It says what one value may be. What takes the whole flow (names in expressions, quorums) only the loader says.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from flows.definition import ErrorHandler, Flow, RejectHandler, TimeoutHandler
from flows.durations import format_duration, parse_duration
from flows.ports import Json

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DURATION = "A duration: 10s, 5m, 1h30m, 2d, 1w."
_WAIT = {
    "ask": "What people are asked. May hold {{ expressions }}.",
    "show": "Label: value, shown with the ask.",
    "form": "What people fill in; later steps read it as steps.<id>.form or resume.",
    "via": 'Where people are asked: slack (direct message), mail, {slack: "#channel"}, a list of these, or none.',
    "timeout": f"How long people are waited for. {_DURATION}",
    "on_open": "Steps that run once when the wait opens, beside it. They cannot wait for people or machines.",
    "on_timeout": "What follows when nobody has answered in time: a word (end: the run ends as expired), or steps.",
    "remind": "When whoever has not answered is asked again: a duration, or {first: 4h, every: 1d, up_to: 3}.",
    "working_hours": "Let the clocks run in working hours only: true, or {days, from, to, zone, holidays}.",
    "risk": "How much is at stake: a colour and a word on the card and the page, a word in the mail.",
    "verify": "What a personal link asks for besides: the code that the mail shows, or that the person signs in with Slack.",
    "delegation": "Whether somebody may answer for a person who has handed their approvals over to them.",
}
_HANDLER = {"steps": "What is done then.", "then": "How it goes on after these steps."}
_TRIGGER = {
    "if": "One expression, without braces. Where it is false, no run starts.",
    "inputs": "Input: value of the run that starts. Texts may hold {{ expressions }}.",
}
_DESCRIPTIONS: dict[str, dict[str, str]] = {
    "Flow": {
        "flow": "The flow's name, as it is started by. Unique among all flows.",
        "title": "What people see instead of the name.",
        "description": "What the flow is for.",
        "inputs": "What a run is started with; read as inputs.<name>.",
        "steps": "What happens, one after the other.",
        "outputs": "Name: value, when all steps have succeeded. Texts may hold {{ expressions }}.",
        "on_error": "Steps that run when the run is about to end as failed. They may read error.",
        "finally": "Steps that run once when the run ends, however it does. They cannot wait for people or machines.",
        "timeout": f"How long a run may take in all; then it ends as expired. {_DURATION}",
        "concurrency": "How many runs may be under way at the same time; the others wait for a place.",
        "supersede": "A text over the inputs: a new run with the same one retires an older run that waits.",
        "owner": "Whose flow it is: a mail address, a Slack user id or an @group. Runs of a schedule or webhook are theirs.",
        "starters": "Who may start it: mail addresses, Slack user ids, @groups. Without it, everybody who is known.",
        "viewers": "Who may read its runs, besides those who take part: mail addresses, Slack user ids, @groups.",
        "triggers": "What starts it besides people: a schedule, a webhook, the runs of another flow.",
    },
    "Step": {
        "id": "The step's name; later steps read steps.<id>. Unique in the whole flow.",
        "title": "What people see instead of the id.",
        "if": "One expression, without braces. Where it is false, the step is skipped and its output is null.",
        "uses": "The action to perform, like http.request.",
        "run": "A Python function to call: module:function, from the folder of this file.",
        "with": "The action's parameters, or the inputs of the child flow. Texts may hold {{ expressions }}; only here may they read secrets.",
        "connection": "Which of several accounts of the integration performs the action.",
        "retry": "How often the action is tried again after a passing failure.",
        "timeout": f"How long one attempt of the action may take, or a child flow in all. {_DURATION}",
        "approval": "Ask people to approve or reject, and wait for them.",
        "hold": "Wait until a person resumes the run, with values.",
        "callback": "Wait until a machine posts to a link.",
        "delay": "Let time pass: a duration (10m), an instant (2026-12-24T08:00:00Z), or a template.",
        "then": "Steps that run where 'if' is true.",
        "else": "Steps that run where 'if' is false.",
        "switch": "One expression, without braces. Its value as text names the case.",
        "cases": "Value: the steps that run for it.",
        "default": "Steps that run where no case has the value.",
        "for_each": "A list, an expression that gives one, or {from: 1, to: 10}: 'steps' run once for each item.",
        "concurrency": "How many items are under way at the same time.",
        "parallel": "Branch: steps. All branches run side by side.",
        "fail_fast": "Whether the first branch or item that stops ends the others at once, or they go on.",
        "repeat": "Run 'steps' again until an expression is true.",
        "flow": "The child flow to run; 'with' gives its inputs, its outputs are the output of this step.",
        "steps": "What is done for each item, or in each round.",
        "output": "What an item, a round or the branches came to; without it, the output of the last step inside.",
        "on_error": "What follows a failure: a word (fail, continue), or steps, which may read error.",
        "on_reject": "Of a step that holds others: what follows a rejection inside that would end the run.",
        "on_timeout": "Of a step that holds others: what follows a deadline inside that would end the run.",
    },
    "Approval": {
        **_WAIT,
        "approvers": "Who may decide: mail addresses, Slack user ids, @groups, or templates that give these.",
        "quorum": "How many different people have to approve: a number, any, all, or {all: [...]}, {any: [...]}, {at_least: 2, of: [...]}.",
        "reject_after": "How many different people have to reject before it is rejected.",
        "veto": "People and groups whose single rejection is enough.",
        "options": "What people choose from when they approve; later steps read resume.option.",
        "reason": "When a comment is required.",
        "form_on": "Whether a rejection fills in the form too.",
        "pre_approval": "Whether a decision that was given before it opened may count here, unseen.",
        "self_approval": "Whether the requester may decide too.",
        "on_reject": "What follows a rejection: a word (end: the run ends as rejected), or steps.",
        "escalate": "Who is asked where nobody has answered in time: {after: 1d, to: [...]}, or a list of these.",
        "questions": "Whether an approver's question stops the clock until the requester has answered it.",
        "thread_replies": "Whether a word like approved in the card's thread counts, once its author has confirmed it.",
        "settle": f"How long the answer that completes it can be undone before it takes effect, ten minutes at most. {_DURATION}",
    },
    "Reminders": {
        "first": f"How long after the wait has opened. {_DURATION}",
        "every": f"How far apart the further ones are; without it there is one. {_DURATION}",
        "up_to": "How many there are at most, the first included.",
    },
    "Escalation": {
        "after": f"How long after the wait has opened. {_DURATION}",
        "to": "Who is asked then: mail addresses, Slack user ids, @groups, or templates that give these.",
        "mode": "Whether they are asked too (add), or in the place of those who have not answered (replace).",
    },
    "WorkingHours": {
        "days": "The days on which people work.",
        "from": "When work begins, like 09:00.",
        "to": "When it ends, like 17:00.",
        "zone": "A time zone, like Europe/Berlin; without it each person's own.",
        "holidays": "A country, or a part of one, whose public holidays are no working days: DE, DE-BE.",
    },
    "Hold": {**_WAIT, "by": "Who may resume; without it the requester and admins."},
    "Callback": {
        **_WAIT,
        "ask": "What is waited for, as people see it. May hold {{ expressions }}.",
        "timeout": f"How long the machine is waited for. {_DURATION}",
        "on_timeout": "What follows when nothing has come in time: a word (end: the run ends as expired), or steps.",
        "schema": "JSON Schema (2020-12) that the body has to meet; another body is refused.",
        "redirect": "The page that the sender's browser is sent to afterwards.",
    },
    "TimeoutHandler": _HANDLER,
    "RejectHandler": _HANDLER,
    "ErrorHandler": _HANDLER,
    "Choice": {"name": "What resume.option is then.", "label": "What its button says."},
    "All": {"all": "Every one of these: people, groups, or rules."},
    "AnyOf": {"any": "One of these: people, groups, or rules."},
    "AtLeast": {
        "at_least": "How many seats have to be filled.",
        "of": "By whom: people, groups, or rules, which count as one each.",
    },
    "Range": {"from": "The first number, or an expression.", "to": "The last number, or an expression."},
    "Repeat": {
        "until": "One expression, without braces, read after each round; it may read the steps inside.",
        "delay": f"How long to wait between two rounds. {_DURATION}",
        "max": "How many rounds there are at most, the first included.",
        "on_exhausted": "What follows when the last round was not enough.",
    },
    "Concurrency": {
        "limit": "How many runs may be under way at the same time.",
        "while_waiting": "Whether a run that waits for people or time gives its place to another (free) or not (keep).",
    },
    "ScheduleTrigger": {
        **_TRIGGER,
        "schedule": "When: minute, hour, day of month, month, day of week, like 0 9 * * MON-FRI. Templates read schedule.at.",
        "timezone": "In which time zone, like Europe/Berlin.",
    },
    "WebhookTrigger": {
        **_TRIGGER,
        "webhook": "The last part of the address, /hooks/<flow>/<webhook>. Templates read request.body, headers, query.",
    },
    "FlowTrigger": {
        **_TRIGGER,
        "on": "What is heard of: that a run of the other flow waits, was decided, or has ended. Templates read event.",
        "flow": "The other flow.",
    },
    "Retry": {
        "max": "How many tries may follow the first.",
        "delay": f"The pause before the second try. {_DURATION}",
        "backoff": "How many times longer each further pause is.",
        "max_delay": f"The longest pause. {_DURATION}",
    },
    "SlackPlace": {
        "slack": 'A channel: "#vacation" (quoted) or its id.',
        "team": "The workspace, where several are connected, like T024BE7LD.",
    },
    "Field": {
        "name": "What the value is read by.",
        "label": "What people see instead of the name.",
        "description": "A hint below the field.",
        "required": "Whether it has to be filled in.",
        "default": "What it has where nothing is filled in.",
        "when": "One expression over the fields beside it, without braces. Where it is false, the field is not asked.",
        "type": "What kind of value it takes.",
        "options": "What can be chosen: texts, or {value, label}.",
    },
}
# What a handler is as one word, by the model and the key; pydantic's schema of it says "anything".
_WORDS: dict[tuple[str, str], tuple[list[str], str]] = {
    ("Approval", "on_timeout"): (["end", "fail", "continue", "approve"], "TimeoutHandler"),
    ("Approval", "on_reject"): (["end", "fail", "continue"], "RejectHandler"),
    ("Hold", "on_timeout"): (["end", "fail", "continue"], "TimeoutHandler"),
    ("Callback", "on_timeout"): (["end", "fail", "continue"], "TimeoutHandler"),
    ("Step", "on_timeout"): (["end", "fail", "continue"], "TimeoutHandler"),
    ("Step", "on_reject"): (["end", "fail", "continue"], "RejectHandler"),
    ("Step", "on_error"): (["fail", "continue"], "ErrorHandler"),
}
# Where a schema holds others, and how.
_ONE = ("items", "additionalProperties", "not")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs")


@cache
def known_shape() -> dict[str, Json]:
    """The schema as pydantic makes it, with the handlers. To look names up in. Shared: not to be changed."""
    models = (Flow, TimeoutHandler, RejectHandler, ErrorHandler)
    _, schema = models_json_schema([(model, "validation") for model in models], by_alias=True)
    definitions: dict[str, Any] = schema["$defs"]
    for (model, key), (words, handler) in _WORDS.items():
        several = {"type": "array", "items": {"$ref": "#/$defs/Step"}, "minItems": 1}
        each = definitions[model]["properties"][key]
        each["anyOf"] = [{"enum": words, "type": "string"}, {"$ref": f"#/$defs/{handler}"}, several]
    return {**definitions.pop("Flow"), "$defs": definitions}


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
    if name == "Approval":
        rule = {"type": "object", "minProperties": 1}
        part["anyOf"] = [{"required": ["approvers"]}, {"required": ["quorum"], "properties": {"quorum": rule}}]
    words = _DESCRIPTIONS.get(name, {})
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
