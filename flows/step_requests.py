"""What a function may ask of its step through ``ctx``: a wait, or another round. Checked when it is asked. Pure.

A wait has the flow file's own words and limits: the models of ``flows.definition`` check it. But it is made of values
and not of templates, because what a function puts into it may have been typed by anybody: nothing of it is
rendered. And it holds no steps: those stand in the flow file, which a run is pinned to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from pydantic_core import PydanticCustomError

from flows.definition import Approval, Callback, Duration, Hold, Model, steps_of
from flows.durations import format_duration, parse_duration
from flows.errors import ActionError
from flows.fields.json_schema import check_schema
from flows.forms import check_fields, default_templates, text_templates
from flows.handles import InvalidHandle, normalise
from flows.mistakes import mistakes
from flows.ports import Json
from flows.run import Kind
from flows.strict_json import not_json

MAX_BYTES = 1 << 20
"""JSON of one wait, or of what one round hands to the next: as much as a step's output may have."""

MAX_RETRIES = 100_000

_SUSPEND, _RERUN = "ctx.suspend", "ctx.rerun"


class ContextError(ActionError, ValueError):
    """``ctx`` was asked for what cannot be; nothing was recorded. ``problems`` names each field that is wrong.

    Asked again it would be the same, so the step's ``retry`` does not apply where the function lets this through.
    """

    def __init__(self, asked: str, *problems: str) -> None:
        self.problems = problems
        super().__init__(f"{asked}: {'; '.join(problems)}")


class RetriesExhausted(ActionError):
    """``ctx.rerun`` was called in the last round that it allows.

    The function may catch it and return an output instead; let through, it fails the step for good.
    """


@dataclass(frozen=True, slots=True)
class AskedWait:
    """A wait that a function asks for: ``spec`` as in a flow file, under its kind's key, with all defaults written out."""

    kind: Kind
    spec: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """Another round of the step, ``delay`` after this one has ended; ``context`` is JSON that it gets."""

    delay: timedelta
    context: Json = None
    max_retries: int = 10
    on_exhausted: Literal["fail", "continue"] = "fail"


def callback_by_default() -> AskedWait:
    """What ``ctx.suspend()`` waits for in a step whose flow says nothing: any callback, 24 hours, then the run ends."""
    return _wait("callback", {}, nested=False)


def asked_wait(waits: Mapping[str, object], fields: Mapping[str, object]) -> AskedWait | None:
    """The wait that a call of ``ctx.suspend`` means; None where it says nothing.

    ``waits`` are its arguments ``approval``, ``hold``, ``callback`` and ``delay``, None where not given; ``fields`` are
    those of a callback. Raises ``ContextError`` with everything that is wrong.
    """
    given = {name: value for name, value in waits.items() if value is not None}
    if len(given) > 1:
        raise ContextError(_SUSPEND, f"has {' and '.join(given)}; a step waits for one thing, so ask for one of them")
    if not given:
        return _wait("callback", fields, nested=False) if fields else None
    [(name, value)] = given.items()
    if fields:
        where = "a delay takes nothing else" if name == "delay" else f"write it inside {name!r}"
        raise ContextError(_SUSPEND, *(f"{field}: stands beside {name!r}; {where}" for field in fields))
    return _delay(value) if name == "delay" else _wait(name, value, nested=True)


def asked_rerun(delay: object, context: object, max_retries: object, on_exhausted: object) -> RerunRequest:
    """What a call of ``ctx.rerun`` means. Raises ``ContextError`` with everything that is wrong.

    The context is copied: what the function does to it afterwards changes nothing.
    """
    problems: list[str] = []
    document = {"delay": delay, "max_retries": max_retries, "on_exhausted": on_exhausted}
    try:
        checked = _Rerun.model_validate(document)
    except ValidationError as error:
        problems.extend(_told(error, document, _Rerun))
    try:
        copied = _copied(context, "context")
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise ContextError(_RERUN, *problems)
    return RerunRequest(checked.delay, copied, checked.max_retries, checked.on_exhausted)


class _Rerun(Model):
    delay: Duration
    max_retries: Annotated[int, Field(ge=0, le=MAX_RETRIES, strict=True)]
    on_exhausted: Literal["fail", "continue"]


_Wait = Approval | Hold | Callback
_MODELS: Mapping[str, tuple[type[_Wait], Kind]] = {
    "approval": (Approval, Kind.APPROVAL),
    "hold": (Hold, Kind.HOLD),
    "callback": (Callback, Kind.CALLBACK),
}


def _wait(name: str, value: object, *, nested: bool) -> AskedWait:
    model, kind = _MODELS[name]
    if not isinstance(value, Mapping | model):
        raise ContextError(_SUSPEND, f"{name}: must be a mapping or {model.__name__}(...), not {type(value).__name__}")
    at = (name,) if nested else ()
    document = dict(value) if isinstance(value, Mapping) else {}
    problems = [] if nested else list(_fields_of_others(document))
    try:
        wait = model.model_validate(document if isinstance(value, Mapping) else value)
    except ValidationError as error:
        problems.extend(_told(error, document, model, at))
    else:
        problems.extend(".".join((*at, problem)) for problem in _unfit(wait))
    if problems:
        raise ContextError(_SUSPEND, *dict.fromkeys(problems))
    try:
        return AskedWait(kind, {name: _copied(wait.model_dump(mode="json"), name)})
    except ValueError as error:
        raise ContextError(_SUSPEND, str(error)) from None


def _fields_of_others(fields: dict[str, Any]) -> Iterator[str]:
    """Takes out of a callback's fields those that only another kind of wait has, and says where they belong."""
    for field in [field for field in fields if field not in _keys(Callback)]:
        owners = [name for name, (model, _) in _MODELS.items() if field in _keys(model)]
        if owners:
            del fields[field]
            yield f"{field}: belongs inside {' or '.join(map(repr, owners))}"


def _keys(model: type[Model]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def _told(
    error: ValidationError, document: Mapping[str, object], model: type[Model], at: tuple[str, ...] = ()
) -> Iterator[str]:
    for finding in mistakes(error, document, model.model_json_schema()):
        where = ".".join(map(str, (*at, *finding.loc)))
        # What is said of the whole is the rest of a sentence about it: "approval names nobody".
        colon = ":" if finding.loc else ""
        hint = f" ({finding.hint})" if finding.hint else ""
        yield f"{where}{colon} {finding.message}{hint}"


def _unfit(wait: _Wait) -> Iterator[str]:
    """What no model can say: what the checks of a flow file say there, and what only a file can have."""
    handlers = {"on_timeout": wait.on_timeout} | ({"on_reject": wait.on_reject} if isinstance(wait, Approval) else {})
    held = [name for name, handler in handlers.items() if steps_of(handler)]
    for name in [*held, *(["on_open"] if wait.on_open else [])]:
        yield f"{name}: holds steps, which stand in the flow file; put them into steps after this one"
    if problem := not_json(wait.show, "show"):
        yield problem
    if isinstance(wait, Callback):
        yield from _schema(wait.schema_)
        return
    for key, handles in _handles(wait).items():
        for handle in handles:
            try:
                normalise(handle)
            except InvalidHandle as error:
                yield f"{key}: {error}"
    for finding in check_fields(wait.form):
        if finding.severity == "error":
            hint = f" ({finding.hint})" if finding.hint else ""
            yield f"{'.'.join(('form', *map(str, finding.loc)))}: {finding.message}{hint}"
    for place in [*(f"{name}.default" for name in default_templates(wait.form)), *text_templates(wait.form)]:
        yield f"form.{place}: is a template, and a function gives values; give the value itself"


def _handles(wait: Approval | Hold) -> Mapping[str, tuple[str, ...]]:
    if isinstance(wait, Hold):
        return {"by": wait.by}
    seats = () if isinstance(wait.quorum, int | str) else wait.quorum.handles
    return {"approvers": wait.approvers, "quorum": seats, "veto": wait.veto}


def _schema(schema: dict[str, Any] | None) -> Iterator[str]:
    if schema is None:
        return
    if problem := not_json(schema, "schema"):
        yield problem
        return
    try:
        check_schema(schema)
    except PydanticCustomError as error:
        yield f"schema: {error.message()}"


def _delay(value: object) -> AskedWait:
    match value:
        case str():
            text = value
        case datetime():
            text = value.isoformat()
        case timedelta() if value >= timedelta(0):
            text = format_duration(value)
        case _:
            text = ""
    if not _is_moment(text):
        expected = "must be a duration like 10m, or an instant with its zone like 2026-12-24T08:00:00+01:00"
        raise ContextError(_SUSPEND, f"delay: {expected}, not {value!r:.60}")
    return AskedWait(Kind.DELAY, {"delay": text})


def _is_moment(text: str) -> bool:
    """Whether ``flows.opening.until`` can read it, whatever the time is."""
    with suppress(ValueError):
        parse_duration(text)
        return True
    with suppress(ValueError):
        return datetime.fromisoformat(text).tzinfo is not None
    return False


def _copied(value: object, path: str) -> Json:
    """A copy of JSON. Raises ``ValueError`` where it is none, or too large to be kept."""
    if problem := not_json(value, path):
        raise ValueError(problem)
    text = json.dumps(value, allow_nan=False)
    if len(text) > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES // 1024} KiB of JSON")
    return json.loads(text)
