"""Writes the parts of the documentation that are made from the code: ``python -m docs.make``.

A made part stands between ``<!-- made: name -->`` and ``<!-- /made -->``. ``tests/docs`` makes all of them again and
compares, so a table that has gone stale fails the tests.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from bot import app as application
from bot import links, performers, scopes
from bot.cli import app as commands
from bot.settings import MIN_SECRET, Settings
from bot.slack.views import help as slack_help
from bot.web import api, models, server
from bot.web.endpoint import Endpoint
from bot.web.errors import _HTTP, ANSWERS, EXPIRED, FAULT, Answer
from docs import examples
from flows import (
    definition,
    engine,
    expressions,
    forms,
    functions,
    loader,
    opening,
    people,
    rules,
    runner,
    signatures,
    strict_json,
    tree,
    triggers,
)
from flows.checks import ids
from flows.durations import format_duration
from flows.fields import MAX_LENGTH, MAX_OPTIONS, MAX_TEXT, MAX_VALUES, BaseField, Field
from flows.schema import flow_schema
from flows.store import reads, sqlite
from flows.store import triggers as claims
from integrations.http import request as http_request
from integrations.slack import actions as slack_actions
from integrations.slack import directory

HERE = Path(__file__).parent
PAGES = ("flow-file.md", "settings.md", "api.md", "operating.md")
_PART = re.compile(r"<!-- made: (?P<name>[^\n]+?) -->\n.*?<!-- /made -->", re.DOTALL)

Schema = Mapping[str, Any]


def made(text: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """A page with its made parts made again. ``KeyError`` where nobody makes a part of that name."""

    def again(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- made: {name} -->\n\n{parts[name]().strip()}\n\n<!-- /made -->"

    return _PART.sub(again, text)


async def parts() -> dict[str, Callable[[], str]]:
    """Everything that can be made, by name. The API's examples are played to a running bot for it."""
    played = await examples.play()
    return {
        "settings": settings,
        "fields": fields,
        "actions": actions,
        "endpoints": endpoints,
        "bodies": bodies,
        "errors": errors,
        "commands": command_reference,
        "slack commands": slack_commands,
        "scopes": slack_scopes,
        "limits": limits,
        **{f"keys {name}": partial(keys, name) for name in _keyed()},
        **{f"example {name}": partial(str, text) for name, text in played.items()},
    }


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown. Cells are Markdown; what would end a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |" for row in lines
    )


# -- settings -------------------------------------------------------------------------------------------------


def settings() -> str:
    def row(field: FieldInfo) -> tuple[str, str, str]:
        default = field.default if field.default_factory is None else None
        shown = "" if default in (None, (), Path(), PydanticUndefined) else f"`{default}`"
        # A description ends with its default where no value can say it.
        text, _, said = (field.description or "").partition(" Default: ")
        return f"`{field.validation_alias}`", shown or said.removesuffix("."), text

    return table(("setting", "default", "what it is"), map(row, Settings.model_fields.values()))


# -- the flow file --------------------------------------------------------------------------------------------

_VIA = '`slack`, `gmail`, `{slack: "#channel"}`, a list of these, or `none`'
_TAKES = {
    "Approval via": _VIA,
    "Hold via": _VIA,
    "Approval quorum": "whole number, `any`, `all`, or a [rule](#quorum)",
    "Step output": "anything",
    "Step cases": "mapping of lists of [steps](#steps)",
    "Step parallel": "mapping of lists of [steps](#steps)",
    "Step for_each": "text, list, or `{from, to}`",
    "gmail.send to": "text or list of text",
    "gmail.send cc": "text or list of text",
    "mail.send to": "text or list of text",
    "mail.send cc": "text or list of text",
    "http.request headers": "mapping of text",
    "http.request query": "mapping",
    "http.request form": "mapping",
    "http.request expect": "list of statuses",
}
"""What takes more words than a schema has."""


def _bare(takes: str) -> str:
    # Whoever writes a file leaves a key out; that null would do as well is no news to them.
    return takes.removesuffix(" or null").replace("whole number or number", "number")


def _keyed() -> list[str]:
    """The mappings of the flow file whose keys a page tells."""
    return sorted(
        {name for page in PAGES for name in re.findall(r"<!-- made: keys (\w+) -->", (HERE / page).read_text())}
    )


def keys(model: str) -> str:
    """The keys of one mapping of the flow file, from the schema that editors get."""
    schema = flow_schema()
    part = schema if model == "Flow" else schema["$defs"][model]

    def row(key: str, value: Schema) -> tuple[str, ...]:
        meaning, is_duration, _ = value.get("description", "").partition(" A duration:")
        takes = "duration" if is_duration else _TAKES.get(f"{model} {key}") or _bare(kind(value))
        return f"`{key}`", takes, _default(key, part, value), meaning.replace("<", "&lt;")

    return table(("key", "takes", "default", "meaning"), (row(*each) for each in part["properties"].items()))


def fields() -> str:
    """The types of inputs and form fields, each with the keys that only it has."""
    common = BaseField.model_fields.keys() | {"type"}

    def row(model: type[BaseModel]) -> tuple[str, ...]:
        schema = model.model_json_schema(by_alias=True)
        if "$ref" in schema:  # a type that holds fields, which may be of its own type
            schema = schema["$defs"][model.__name__]
        about, _, more = inspect.cleandoc(model.__doc__ or "").partition("\n\n")
        own = [
            f"`{key}`: {_bare(kind(value))}{_limits(value)}{_or_default(key, schema, value)}"
            for key, value in schema["properties"].items()
            if key not in common
        ]
        text = f"{about} {more}".replace("``", "`")
        return f"`{schema['properties']['type']['const']}`", text, "; ".join(own)

    return table(("type", "takes", "its own keys"), map(row, field_models()))


def field_models() -> tuple[type[BaseModel], ...]:
    """The models of all types of fields."""
    union = cast("Any", Field).__origin__
    return cast("tuple[type[BaseModel], ...]", union.__args__)


_PARAMS: Mapping[str, Mapping[str, str]] = {
    "http.request": {
        "method": "The HTTP method, in capitals or not.",
        "url": "An http or https address, or a path (`/orders`) where the step's `connection` has a base. A user name and password in it are sent as basic authorization.",
        "headers": "Headers to send. Those that frame the message (`Host`, `Content-Length`, ...) are refused.",
        "query": "Added to the address. A list repeats the name, null leaves it out.",
        "json": "The body, as JSON. At most one of `json`, `form` and `body`.",
        "form": "The body, as an HTML form sends it.",
        "body": "The body, as plain text.",
        "timeout": "Seconds for everything together, redirects included.",
        "expect": "Exactly these statuses succeed. Without it, everything below 400 does.",
        "follow_redirects": "Whether to follow redirects. One that `expect` names is not followed.",
    },
    "log": {
        "message": "What to write.",
        "level": "How loud.",
        "fields": "Written beside the message.",
    },
    "gmail.send": {
        "to": "An address, several separated by commas, or a list.",
        "cc": "The same, for copies.",
        "subject": "The subject, on one line.",
        "text": "The mail as plain text.",
        "html": "The mail as HTML, beside the text. It is sent as it stands: put no values into it that people typed.",
        "reply_to": "The address that answers go to.",
    },
    "slack.post_message": {
        "channel": 'A channel: `"#vacation"` (quoted) or its id.',
        "text": "What to say, in Slack's own markup. With `blocks` it is what notifications show.",
        "blocks": "Block Kit.",
        "thread_ts": "The `ts` of the message to answer in its thread.",
    },
    "slack.send_direct_message": {
        "to": f"A mail address or a Slack user id, or a list of at most {slack_actions._RECIPIENTS}.",  # noqa: SLF001 - the number's own home
        "text": "What to say, in Slack's own markup. With `blocks` it is what notifications show.",
        "blocks": "Block Kit.",
    },
    "slack.update_message": {
        "channel": "Where the message stands: `channel` of the output of the step that posted it.",
        "ts": "Which message it is: `ts` of that output. It has to be one of the bot's own.",
        "text": "What it says from now on, in Slack's own markup.",
        "blocks": "Block Kit. Without it the message has no blocks any more.",
    },
    "slack.request_approval": {
        "to": "Who gets a message with their own link; without it everybody whom the step's wait asks.",
        "text": "What stands above the button that leads to the page; without it, what the wait asks.",
        "blocks": "Block Kit, in place of the text.",
        "channel": "A channel that is told too, without a link.",
    },
    "gmail.request_approval": {
        "to": "Who gets a mail with their own link; without it everybody whom the step's wait asks.",
        "subject": "The subject; without it, what the wait asks.",
        "text": "What stands above the link; without it, what the wait asks.",
    },
    "signoff.start": {
        "flow": "The flow to start. Whoever requested this run requests that one.",
        "inputs": "What it is started with.",
    },
    "signoff.resume": {
        "run": "The id of a run that is paused or waits. Either this or `suspension`.",
        "step": "The path of the step of that run which waits, where there are several.",
        "suspension": "The id of a hold or a callback.",
        "form": "The values of a hold's form.",
        "comment": "What is said with it.",
        "body": "The body that a callback is answered with.",
    },
}
"""What the parameters mean. One that is missing here fails the tests."""
for _new, _old in (("mail.send", "gmail.send"), ("mail.request_approval", "gmail.request_approval")):
    _PARAMS[_new] = _PARAMS[_old]  # the same, by whatever mail goes out


def actions() -> str:
    return "\n\n".join(
        f"#### `{name}`\n\n{_action(name, model)}" for name, model in performers.builtin_actions().items()
    )


def _action(name: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True)
    given = schema["properties"]
    if unknown := _PARAMS[name].keys() - given.keys():
        raise KeyError(f"{name} has no {unknown}")
    rows = (
        (
            f"`{key}`",
            _TAKES.get(f"{name} {key}") or _bare(kind(value)) + _limits(value),
            _default(key, schema, value),
            _PARAMS[name][key],
        )
        for key, value in given.items()
    )
    return table(("parameter", "takes", "default", "meaning"), rows)


# -- the API and the commands ---------------------------------------------------------------------------------


def endpoints() -> str:
    """The endpoints as they are declared."""

    def gives(endpoint: Endpoint) -> str:
        statuses: dict[str, list[int]] = {}
        for status, model in endpoint.gives.items():
            statuses.setdefault(" or ".join(each.__name__ for each in get_args(model) or (model,)), []).append(status)
        return ", ".join(
            name if given == [200] else f"{' or '.join(map(str, given))} {name}" for name, given in statuses.items()
        )

    def takes(endpoint: Endpoint) -> str:
        if endpoint.query is not None:
            return f"{endpoint.query.__name__} (query)"
        return endpoint.takes.__name__ if endpoint.takes not in (None, models.Nothing) else ""

    return table(
        ("endpoint", "scope", "takes", "gives", "does"),
        (
            (
                f"`{each.method} {api.ROOT}{each.path}`",
                f"`{each.scope}`" if each.scope else "none",
                takes(each),
                gives(each),
                each.summary,
            )
            for each in api.ENDPOINTS
        ),
    )


_NO_BODIES = (models.Request, models.Response, models.Nothing, models.OpenApi)


def bodies() -> str:
    """Every model of the API: its keys and what stands behind each."""
    found = [
        each
        for _, each in inspect.getmembers(models, inspect.isclass)
        if issubclass(each, models.Request | models.Response) and each not in _NO_BODIES
    ]
    ordered = sorted(found, key=lambda each: inspect.getsourcelines(each)[1])
    return "\n\n".join(f"{_about(each)}\n\n{_body(each)}" for each in ordered)


def _about(model: type[BaseModel]) -> str:
    text = " ".join(inspect.cleandoc(model.__dict__.get("__doc__") or "").replace("``", "`").split())
    return f"**{model.__name__}**" + (f": {text}" if text else "")


def _body(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    defs = schema.get("$defs", {})
    given = schema["properties"].items()
    if issubclass(model, models.Response):
        return table(("key", "holds"), ((f"`{key}`", kind(value, defs)) for key, value in given))
    rows = ((f"`{key}`", kind(value, defs) + _limits(value), _default(key, schema, value)) for key, value in given)
    return table(("key", "takes", "default"), rows)


_STATUS_WORDS: Mapping[str, str] = {
    "expired": "The deadline has passed.",
    "fault": "A fault of ours. It is in the log.",
    "too-large": "The body is larger than 1 MiB.",
    "method": "The address knows other methods.",
    "storage": "The database cannot be used. Nothing was recorded.",
    "refused": "Anything else that is refused.",
    "not-found": "There is no such thing, or none that the caller may read. A link that is not valid answers so too.",
}


def errors() -> str:
    """Status, type and meaning of every error, one row for each type."""
    rows: dict[tuple[int, str], tuple[str, ...]] = {}

    def add(answer: Answer, meaning: str) -> None:
        again = f" `Retry-After: {answer.retry_after.total_seconds():g}`" if answer.retry_after else ""
        said = _STATUS_WORDS.get(answer.kind, meaning)
        rows.setdefault((answer.status, answer.kind), (str(answer.status), f"`{answer.type}`", said + again))

    for error, answer in ANSWERS.items():
        add(answer, " ".join((inspect.cleandoc(error.__doc__ or "").split("\n\n")[0]).replace("``", "`").split()))
    for answer in (EXPIRED, FAULT, *_HTTP.values()):
        add(answer, "")
    del rows[200, "decided-by-you"]  # that is no problem, and answered as what it is
    return table(("status", "`type`", "when"), (row for _, row in sorted(rows.items())))


def command_reference() -> str:
    return "\n\n".join(_commands(typer.main.get_command(commands), "signoff"))


def _commands(command: Any, name: str) -> Iterator[str]:
    below: Mapping[str, Any] = getattr(command, "commands", {})
    if below:
        for word, each in below.items():
            yield from _commands(each, f"{name} {word}")
        return
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    usage = " ".join([name, *(_argument(each) for each in arguments)])
    lines = [f"#### `{usage}`", "", command.help]
    rows = [(f"`{_argument(each)}`", each.help or "", "") for each in arguments]
    rows += [(", ".join(f"`{one}`" for one in each.opts), each.help or "", _usual(each)) for each in options]
    if rows:
        lines += ["", table(("argument or option", "meaning", "default"), rows)]
    yield "\n".join(lines)


def _argument(argument: Any) -> str:
    name = (argument.metavar or argument.name).upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _usual(option: Any) -> str:
    if option.required:
        return "required"
    return "" if option.default in (None, False, ()) else f"`{option.default}`"


def slack_commands() -> str:
    """What ``/approvals`` takes, from its own help."""
    rows = ((f"`/approvals {words}`".replace(" `", "`"), meaning) for words, meaning in slack_help.COMMANDS.items())
    return table(("command", "does"), rows)


# -- operating ------------------------------------------------------------------------------------------------


def slack_scopes() -> str:
    return table(("scope", "without it the bot cannot"), ((f"`{name}`", what) for name, what in scopes.SCOPES.items()))


def limits() -> str:
    places = runner.Places()
    rows = [
        ("a request's body", _bytes(server.MAX_BODY)),
        ("a flow file", _bytes(loader.MAX_FILE)),
        ("steps of a flow, at all depths", f"{ids.MAX_STEPS:,}"),
        ("steps within each other", f"{definition.MAX_DEPTH}"),
        ("items of a loop", f"{tree.MAX_ITEMS:,}"),
        ("steps that one transaction enters; the rest follows in the next", f"{tree.MAX_ENTERED:,}"),
        ("step runs of a run that are shown", f"{reads.MOST:,}"),
        (
            "items, levels and ways of a nested quorum",
            f"{rules.MAX_ITEMS:,}, {rules.MAX_LEVELS} and {rules.MAX_WAYS:,}",
        ),
        ("a `supersede` key; what is longer is cut", f"{engine.MAX_KEY} characters"),
        ("runs that triggers start one after the other", f"{triggers.MAX_DEPTH}"),
        ("fields of a form, or inputs of a flow", f"{forms.MAX_FIELDS}"),
        ("options of a field", f"{MAX_OPTIONS:,}"),
        ("a text in a form", f"{MAX_TEXT:,} characters; `max_length` may raise it to {MAX_LENGTH:,}"),
        ("all values of a form together", f"{MAX_VALUES:,} characters"),
        ("an expression", f"{expressions.MAX_EXPRESSION:,} characters"),
        ("a text that an expression builds", f"{expressions.MAX_TEXT:,} characters"),
        ("a list that an expression builds or walks", f"{expressions.MAX_ITEMS:,} items"),
        ("a step's output", f"{_bytes(performers.MAX_OUTPUT)} of JSON"),
        ("lists and mappings within each other, in a step's output", f"{strict_json.MAX_LEVELS} levels"),
        ("an answer that `http.request` reads", _bytes(http_request.MAX_BODY)),
        ("redirects that `http.request` follows", f"{http_request.MAX_REDIRECTS}"),
        ("actions at the same time", f"{places.actions}"),
        ("messages (cards and mails) at the same time", f"{places.messages}"),
        ("plain Python functions on threads at the same time", f"{functions.PLACES}"),
        ("people and groups whom one wait asks", f"{opening.MAX_HANDLES:,}"),
        ("a page of a list", f"{_bytes(api.MAX_PAGE)}, or one item"),
        ("approvals that one request decides", f"{models.MAX_IDS}"),
        ("a wait for people without a `timeout`", _time(definition.DEFAULT_TIMEOUT)),
        ("a callback without a `timeout`", _time(definition.CALLBACK_TIMEOUT)),
        ("how long an Idempotency-Key is remembered", _time(sqlite.KEEP_STARTS)),
        ("how long a webhook's delivery is remembered", _time(claims.KEEP_DELIVERIES)),
        ("how far the time in a webhook's signature may be off", _time(signatures.TOLERANCE)),
        ("how long Slack's answers about people are used again", _time(directory.TTL)),
        ("how long approvers that were looked up may wait to be asked", _time(people.FRESH)),
        ("how long a link outlives its deadline", _time(links.AFTERGLOW)),
        ("until a mail of unknown fate is repeated", _time(runner.MAIL_REPEAT)),
        ("how long a stop waits for what is under way", _time(application.DRAIN)),
        ("a secret key", f"at least {MIN_SECRET} characters"),
    ]
    return table(("what", "limit"), rows)


def _bytes(number: int) -> str:
    return f"{number >> 20} MiB" if number >= 1 << 20 else f"{number >> 10} KiB"


def _time(duration: timedelta) -> str:
    return format_duration(duration)


# -- JSON Schema in words -------------------------------------------------------------------------------------

_REFERENCES = {
    "Retry": "[retry](#retry)",
    "Approval": "[approval](#approval)",
    "Hold": "[hold](#hold)",
    "Step": "[step](#steps)",
    "Callback": "[callback](#callback)",
    "Repeat": "[repeat](#repeat)",
    "Choice": "`{name, label}`",
    "Range": "`{from, to}`",
    "Concurrency": "`{limit, while_waiting}`",
    "Reminders": "[reminders](#asking-again-and-others)",
    "Escalation": "[escalation](#asking-again-and-others)",
    "WorkingHours": "[working hours](#asking-again-and-others)",
    "TimeoutHandler": "[handler](#handlers)",
    "RejectHandler": "[handler](#handlers)",
    "ErrorHandler": "[handler](#handlers)",
    "ScheduleTrigger": "[trigger](triggers.md)",
    "WebhookTrigger": "[trigger](triggers.md)",
    "FlowTrigger": "[trigger](triggers.md)",
    "Option": "`{value, label}`",
    "SlackPlace": '`{slack: "#channel"}`',
}


def kind(schema: Schema, defs: Schema = {}) -> str:  # noqa: B006 - read only
    """What a value is, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if "enum" in defs.get(name, {}):
            return kind(defs[name])
        if defs:
            return "JSON" if name == "JsonValue" else name
        return "[field](#fields)" if name.endswith("Field") else _REFERENCES[name]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(kind(each, defs) for each in schema[key]))
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema.get('items', {}), defs)}"
        case "object":
            inside = schema.get("additionalProperties")
            return "mapping" if not isinstance(inside, dict) or not inside else f"mapping of {kind(inside, defs)}"
        case "string":
            return "instant" if schema.get("format") == "date-time" else "text"
        case "boolean":
            return "true or false"
        case "integer":
            return "whole number"
        case "number":
            return "number"
        case "null":
            return "null"
        case None:
            return "JSON"
        case other:
            return str(other)


def _limits(schema: Schema) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}" if "minimum" in schema else f", above {low:g}, at most {high:g}"
    most = schema.get("maxLength", schema.get("maxItems"))
    return f", at most {most}" if most is not None else ""


def _or_default(key: str, owner: Schema, schema: Schema) -> str:
    said = _default(key, owner, schema)
    return f", {said}" if said == "required" else f", default {said}" if said else ""


def _default(key: str, owner: Schema, schema: Schema) -> str:
    if key in owner.get("required", ()):
        return "required"
    match schema.get("default"):
        case None | [] | {}:
            return ""
        case True | False as value:
            return f"`{str(value).lower()}`"
        case dict() as value:
            return f"`{{{', '.join(f'{name}: {each}' for name, each in value.items())}}}`"
        case value:
            return f"`{value}`"


def main() -> None:
    """Write every page anew."""
    ready = asyncio.run(parts())
    for name in PAGES:
        page = HERE / name
        page.write_text(made(page.read_text(), ready))


if __name__ == "__main__":
    main()
