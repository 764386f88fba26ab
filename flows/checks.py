"""What is wrong with a flow as a whole: what no model can see by looking at itself alone. Pure.

Expressions compile and name what there is, where it can be known by then; quorums can be met; secrets are
read only where they stay secret; nobody is asked under a name that names nobody. A file that has other
mistakes too is still checked as far as it can be understood, so that an author gets every sentence at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ValidationError

from flows.definition import Approval, Flow, Hold, SlackPlace, Step
from flows.durations import format_duration, parse_duration
from flows.expressions import Expression, ExpressionError, Template
from flows.findings import Finding, Loc, did_you_mean, nearest
from flows.forms import MAX_FIELDS
from flows.handles import InvalidHandle, is_group, normalise
from flows.mistakes import mistakes, value_at
from flows.ports import Json

__all__ = ["Actions", "Finding", "check", "check_parts"]

Actions = Mapping[str, type[BaseModel]]
"""The parameters' model of each action that a step may use, by the action's name."""

_ROOTS = ("inputs", "run", "steps", "approvers", "resume", "resumes")
_RUN = ("id", "url", "requester", "flow")
_REQUESTER = ("name", "email", "slack_id")
_ANSWER = ("approved", "approvers", "decisions", "form", "comment", "timed_out", "resumed")
_VALUES = frozenset({"form", "decisions"})
"""The parts of an answer that hold what people have filled in."""
_SHORTHANDS = frozenset({"approvers", "resume", "resumes"})
_CHANNEL_IDS = "CDGUW"

_Name = tuple[str, ...]


def check(flow: Flow, *, actions: Actions | None = None) -> list[Finding]:
    """Everything that is wrong with a flow whose models are valid; in the order of the definition.

    ``actions`` are the actions that there are; None leaves ``uses`` and its ``with`` unchecked.
    """
    return check_parts(flow.model_dump(mode="json"), flow.steps, actions=actions)


def check_parts(document: Json, steps: Sequence[Step | None], *, actions: Actions | None = None) -> list[Finding]:
    """The same for a definition of which some steps (None) do not fit their model: what can be said all the same.

    ``document`` is the definition as JSON, as it was written; ``steps`` has one entry for each of its steps.
    """
    parts = _Parts(document, tuple(steps))
    findings = [*_unique_fields(parts.inputs, ("inputs",)), *_input_templates(parts), *_unique_steps(parts)]
    for index, step in enumerate(steps):
        findings.extend(_expressions(parts, index))
        if step is not None:
            findings.extend(_step(step, ("steps", index), actions))
    findings.extend(_unread(parts))
    return sorted(dict.fromkeys(findings), key=lambda finding: _order(document, finding.loc))


# --- The parts of a definition, however broken ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """A step as it was written, and as its model has it, if it fits."""

    raw: Mapping[str, Any]
    model: Step | None

    @property
    def id(self) -> str | None:
        name = self.raw.get("id")
        return name if isinstance(name, str) else None

    @property
    def acts(self) -> bool:
        return self.raw.get("uses") is not None or self.raw.get("run") is not None

    @property
    def answered(self) -> bool:
        """Whether people answer its wait."""
        return self.raw.get("approval") is not None or self.raw.get("hold") is not None

    @cached_property
    def form(self) -> Mapping[str, bool]:
        """The names that its people may fill in; true for secrets."""
        wait = self.raw.get("approval") or self.raw.get("hold")
        return _fields(wait.get("form") if isinstance(wait, Mapping) else None)

    @property
    def secret(self) -> bool:
        return any(self.form.values())


@dataclass(frozen=True)
class _Parts:
    document: Json
    models: tuple[Step | None, ...]

    @cached_property
    def inputs(self) -> Json:
        return self.document.get("inputs") if isinstance(self.document, Mapping) else None

    @cached_property
    def fields(self) -> Mapping[str, bool]:
        return _fields(self.inputs)

    @cached_property
    def steps(self) -> tuple[_Part, ...]:
        listed = _items(self.document.get("steps") if isinstance(self.document, Mapping) else None)
        models = (*self.models, *[None] * (len(listed) - len(self.models)))
        return tuple(
            _Part(raw if isinstance(raw, Mapping) else {}, model) for raw, model in zip(listed, models, strict=False)
        )

    @cached_property
    def indexes(self) -> Mapping[str, int]:
        """Where each step stands; of two with one id, the first."""
        return {step.id: index for index, step in reversed(list(enumerate(self.steps))) if step.id is not None}

    @cached_property
    def readings(self) -> tuple[tuple[_Reading, ...], ...]:
        """For each step, what its expressions read."""
        return tuple(tuple(_readings(step.raw, index)) for index, step in enumerate(self.steps))

    def nearest_answer(self, index: int) -> _Part | None:
        """The step that the shorthands stand for in the step at ``index``."""
        return next((step for step in reversed(self.steps[:index]) if step.answered), None)


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _fields(fields: Json) -> Mapping[str, bool]:
    named = [field for field in _items(fields) if isinstance(field, Mapping) and isinstance(field.get("name"), str)]
    return {field["name"]: field.get("type") == "secret" for field in named}


def _order(document: Json, loc: Loc) -> tuple[int, ...]:
    """The place of ``loc`` in the definition's own order."""
    places = []
    for part in loc:
        if isinstance(part, int):
            places.append(part)
        else:
            keys = list(document) if isinstance(document, Mapping) else []
            places.append(keys.index(part) if part in keys else len(keys))
        document = value_at(document, (part,))
    return tuple(places)


# --- Names that have to be different ----------------------------------------------------------------------------------


def _unique_fields(fields: Json, loc: Loc) -> Iterator[Finding]:
    listed = _items(fields)
    names = [field.get("name") if isinstance(field, Mapping) else None for field in listed]
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            yield Finding((*loc, index, "name"), f"two fields are named {name!r}", "rename one of them")
    if len(listed) > MAX_FIELDS:
        yield Finding(loc, f"{len(listed)} fields are more than the {MAX_FIELDS} that one form may have")


def _unique_steps(parts: _Parts) -> Iterator[Finding]:
    for index, step in enumerate(parts.steps):
        if step.id is not None and parts.indexes[step.id] != index:
            yield Finding(("steps", index, "id"), f"two steps have the id {step.id!r}", "rename one of them")
        wait = step.raw.get("approval") or step.raw.get("hold")
        if isinstance(wait, Mapping):
            kind = "approval" if step.raw.get("approval") else "hold"
            yield from _unique_fields(wait.get("form"), ("steps", index, kind, "form"))


def _input_templates(parts: _Parts) -> Iterator[Finding]:
    for loc, text in _texts(parts.inputs, ("inputs",)):
        if "{{" in text and loc[-1] in ("default", "label", "description"):
            yield Finding(loc, "is asked before there is a run, so there is nothing to read", "write it out")


# --- Expressions and what they name -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Place:
    """Where an expression stands: in which step, before or after its action, and whether secrets may be read."""

    index: int
    after_action: bool = False
    secrets: bool = False


@dataclass(frozen=True)
class _Reading:
    """An expression of a step: what it names, or why it cannot be compiled."""

    loc: Loc
    place: _Place
    names: frozenset[_Name] = frozenset()
    error: ExpressionError | None = None


def _readings(step: Mapping[str, Any], index: int) -> Iterator[_Reading]:
    for loc, text, place in _templates(step, index):
        try:
            compiled = Expression.compile(text) if loc[2:] == ("if",) else Template.compile(text)
        except ExpressionError as error:
            yield _Reading(loc, place, error=error)
        else:
            yield _Reading(loc, place, compiled.names)


def _expressions(parts: _Parts, index: int) -> Iterator[Finding]:
    for reading in parts.readings[index]:
        if reading.error is not None:
            yield Finding(reading.loc, reading.error.message, reading.error.hint)
        for name in sorted(reading.names):
            found = _name(parts, name, reading.place)
            if found is not None:
                yield Finding(reading.loc, *found)


def _templates(step: Mapping[str, Any], index: int) -> Iterator[tuple[Loc, str, _Place]]:
    """Every text of a step that is rendered."""
    loc: Loc = ("steps", index)
    before, after = _Place(index), _Place(index, after_action=True)
    if isinstance(step.get("if"), str) and step["if"]:
        yield (*loc, "if"), step["if"], before
    for at, text in _texts(step.get("with"), (*loc, "with")):
        yield at, text, _Place(index, secrets=True)
    if isinstance(step.get("delay"), str):
        yield (*loc, "delay"), step["delay"], after
    for kind in ("approval", "hold"):
        wait = step.get(kind)
        for key in ("ask", "show", "approvers", "by", "via", "form"):
            for at, text in _texts(wait.get(key) if isinstance(wait, Mapping) else None, (*loc, kind, key)):
                yield at, text, after


def _texts(value: Json, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """The texts in a JSON value, at any depth."""
    if isinstance(value, str):
        yield loc, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(each, (*loc, key))
    else:
        for index, each in enumerate(_items(value)):
            yield from _texts(each, (*loc, index))


_Found = tuple[str, str | None] | None


def _name(parts: _Parts, name: _Name, place: _Place) -> _Found:
    """What is wrong with reading ``name`` at that place."""
    match name:
        case ("inputs",):
            return _whole(parts.fields, "inputs", place)
        case ("inputs", field, *_):
            return _field(parts.fields, field, "inputs", place)
        case ("run", key, *_) if key not in _RUN:
            return f"'run' has no {key!r}", did_you_mean(key, _RUN, within="it has")
        case ("run", "requester", key, *_) if key not in _REQUESTER:
            return f"'run.requester' has no {key!r}", did_you_mean(key, _REQUESTER, within="it has")
        case ("steps",):
            return "which step is read has to be known beforehand", "write its id, like 'steps.build.output'"
        case ("steps", step):
            return f"'steps.{step}' alone says nothing", f"write 'steps.{step}.output', or one of {', '.join(_ANSWER)}"
        case ("steps", step, key, *rest):
            return _step_name(parts, step, key, rest, place)
        case (root, *rest) if root in _SHORTHANDS:
            return _shorthand(parts, root, rest, place)
        case (root, *_) if root not in _ROOTS:
            return f"nothing is called {root!r} here", _root_hint(parts, root)
        case _:
            return None


def _root_hint(parts: _Parts, root: str) -> str | None:
    if root in parts.fields:
        return f"did you mean 'inputs.{root}'?"
    if root in parts.indexes:
        return f"did you mean 'steps.{root}.output'?"
    close = nearest(root, [*_ROOTS, *parts.fields, *parts.indexes])
    if close in parts.fields and close not in _ROOTS:
        return f"did you mean 'inputs.{close}'?"
    if close in parts.indexes and close not in _ROOTS:
        return f"did you mean 'steps.{close}.output'?"
    return did_you_mean(root, _ROOTS)


def _step_name(parts: _Parts, name: str, key: str, rest: Sequence[str], place: _Place) -> _Found:
    index = parts.indexes.get(name)
    if index is None:
        earlier = [step for step, at in parts.indexes.items() if at < place.index]
        return f"there is no step {name!r}", did_you_mean(name, earlier, within="earlier steps are")
    step = parts.steps[index]
    if index == place.index and not (place.after_action and key == "output" and step.acts):
        if key == "output" and step.acts:
            return (
                f"step {name!r} reads its own output before there is one",
                "only its wait, which follows its action, can",
            )
        return f"step {name!r} reads itself", "only an earlier step can be read"
    if index > place.index:
        return f"step {name!r} comes later", "only an earlier step can be read; move one of them"
    if key == "output":
        return None
    if key not in _ANSWER:
        return f"'steps.{name}' has no {key!r}", did_you_mean(key, ("output", *_ANSWER), within="it has")
    if not step.answered:
        return f"step {name!r} asks nobody, so it has no {key!r}", "only steps with 'approval' or 'hold' have"
    if key == "resumed" and step.raw.get("hold") is None:
        return f"step {name!r} is an approval, which nobody resumes", f"did you mean 'steps.{name}.approved'?"
    if key == "form" and rest:
        return _field(step.form, rest[0], f"steps.{name}.form", place)
    return _whole(step.form, f"steps.{name}.{key}", place) if key in _VALUES else None


def _shorthand(parts: _Parts, root: str, rest: Sequence[str], place: _Place) -> _Found:
    step = parts.nearest_answer(place.index)
    if step is None:
        return f"{root!r} stands for the answer of an earlier step, and none before this one asks anybody", (
            "put a step with 'approval' or 'hold' before it"
        )
    if root == "approvers":
        return None
    if root == "resume" and rest:
        return _field(step.form, rest[0], "resume", place)
    return _whole(step.form, root, place)


def _field(fields: Mapping[str, bool], name: str, owner: str, place: _Place) -> _Found:
    if name not in fields:
        where = "the flow has no inputs" if owner == "inputs" else "its form has no fields"
        return f"{owner!r} has no {name!r}", did_you_mean(name, fields, within="it has") if fields else where
    if fields[name] and not place.secrets:
        return (
            f"{f'{owner}.{name}'!r} is a secret, and would be shown or stored here",
            "secrets can be read only in 'with'",
        )
    return None


def _whole(fields: Mapping[str, bool], owner: str, place: _Place) -> _Found:
    secrets = [name for name, secret in fields.items() if secret]
    if not secrets or place.secrets:
        return None
    return (
        f"{owner!r} holds the secret {secrets[0]!r}, which would be shown or stored here",
        "read the fields that are needed one by one",
    )


# --- One step ---------------------------------------------------------------------------------------------------------


def _step(step: Step, loc: Loc, actions: Actions | None) -> Iterator[Finding]:
    if step.title is not None and "{{" in step.title:
        yield Finding(
            (*loc, "title"), "a title is shown as it stands, braces and all", "put what varies into 'ask'", "warning"
        )
    if step.retry.max and not step.action:
        yield Finding((*loc, "retry"), "has no action that could be tried again", "leave 'retry' out")
    if step.uses is not None and actions is not None:
        yield from _uses(step, step.uses, loc, actions)
    if step.delay is not None:
        yield from _delay(step.delay, (*loc, "delay"))
    if step.approval is not None:
        yield from _handles(step.approval.approvers, (*loc, "approval", "approvers"))
        yield from _quorum(step.approval, (*loc, "approval"))
    if step.hold is not None:
        yield from _handles(step.hold.by, (*loc, "hold", "by"))
    if step.wait is not None:
        kind = "approval" if step.approval else "hold"
        yield from _via(step.wait, (*loc, kind, "via"))


def _uses(step: Step, name: str, loc: Loc, actions: Actions) -> Iterator[Finding]:
    params = actions.get(name)
    if params is None:
        yield Finding((*loc, "uses"), f"there is no action {name!r}", did_you_mean(name, sorted(actions)))
        return
    given = step.with_
    try:
        params.model_validate(given)
    except ValidationError as error:
        for finding in mistakes(error, given, params.model_json_schema()):
            # A template is a text here and something else when it is performed, so only what stands is judged.
            if finding.about == "key" or (finding.loc and _stands(value_at(given, finding.loc))):
                yield replace(finding, loc=(*loc, "with", *finding.loc))


def _stands(value: Json) -> bool:
    return not any("{{" in text for _, text in _texts(value, ()))


def _delay(delay: str, loc: Loc) -> Iterator[Finding]:
    if "{{" in delay:
        return
    try:
        parse_duration(delay)
        return
    except ValueError as error:
        problem = str(error)
    try:
        instant = datetime.fromisoformat(delay.strip())
    except ValueError:
        yield Finding(loc, f"{problem}, or an instant like 2026-12-24T08:00:00Z; it is {delay[:40]!r}")
    else:
        if instant.tzinfo is None:
            yield Finding(
                loc, f"{delay[:40]!r} does not say in which time zone", "write an offset: 2026-12-24T08:00:00+01:00"
            )


def _via(wait: Approval | Hold | Any, loc: Loc) -> Iterator[Finding]:
    for index, place in enumerate(wait.via or ()):
        if not isinstance(place, SlackPlace) or "{{" in place.slack:
            continue
        channel = place.slack
        is_name = channel.startswith("#") and len(channel) > 1 and not any(letter.isspace() for letter in channel)
        is_id = channel[:1] in _CHANNEL_IDS and channel.isalnum() and channel.isupper() and len(channel) > 2
        if not is_name and not is_id:
            name = channel.strip().lstrip("#@").replace(" ", "-").lower()
            yield Finding(
                (*loc, index, "slack"),
                f"{channel[:60]!r} is no channel: a name like '#vacation' or an id like 'C024BE91L'",
                f'did you mean "#{name}"?' if name else None,
            )


def _handles(handles: Sequence[str], loc: Loc) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, handle in enumerate(handles):
        if "{{" in handle:
            continue
        try:
            one = normalise(handle)
        except InvalidHandle as error:
            yield Finding((*loc, index), str(error), _handle_hint(handle))
            continue
        if one in seen:
            yield Finding((*loc, index), f"{handle!r} is there twice, and people are counted once", "leave one out")
        seen[one] = index


def _handle_hint(handle: str) -> str | None:
    text = handle.strip()
    if text.startswith("#"):
        return "a channel cannot decide; name a user group, and ask in the channel with 'via'"
    if text.startswith(("inputs.", "steps.", "run.")):
        return f'did you mean "{{{{ {text} }}}}"?'
    if any(mark in text for mark in ",; "):
        return "write a list: one name in each entry"
    for meant in (f"@{text}", text.upper()):
        try:
            normalise(meant)
        except InvalidHandle:
            continue
        # A word is more likely a group's name; a Slack id has digits in it.
        if meant.startswith("@") == (not any(letter.isdigit() for letter in text)):
            return f'did you mean "{meant}"?'
    return None


def _quorum(approval: Approval, loc: Loc) -> Iterator[Finding]:
    """A quorum that cannot be met whoever starts the run: everybody is named, and they are too few."""
    people: dict[str, None] = {}
    requester = False
    for handle in approval.approvers:
        if _is_requester(handle):
            requester = True
            continue
        try:
            one = normalise(handle)
        except InvalidHandle:
            return  # a template, or a handle that is reported already: who that would be is not known
        if is_group(one):
            return
        people[one] = None
    needed = approval.quorum if isinstance(approval.quorum, int) else 1
    able = len(people) + (1 if requester and approval.self_approval else 0)
    if able >= needed:
        return
    named = ", ".join(people) or "nobody"
    if requester and not approval.self_approval:
        yield Finding(
            (*loc, "approvers"),
            f"the requester may not decide their own request, which leaves {named} for a quorum of {needed}",
            "add another approver, or set 'self_approval: true'",
        )
    else:
        who = "1 person" if able == 1 else f"{able} people"
        yield Finding(
            (*loc, "quorum"),
            f"needs {needed} people, and only {who} may decide: {named}",
            "add approvers or lower 'quorum'",
        )


def _is_requester(handle: str) -> bool:
    if "{{" not in handle:
        return False
    try:
        names = Template.compile(handle).names
    except ExpressionError:
        return False
    return bool(names) and all(name[:2] == ("run", "requester") for name in names)


# --- Answers that nobody reads ----------------------------------------------------------------------------------------


def _unread(parts: _Parts) -> Iterator[Finding]:
    for index, part in enumerate(parts.steps):
        if part.model is None or part.model.wait is None:
            continue
        wait = part.model.wait
        loc: Loc = ("steps", index, "approval" if part.model.approval else "hold")
        on_timeout = getattr(wait, "on_timeout", "end")
        if on_timeout == "approve":
            yield Finding(
                (*loc, "on_timeout"),
                f"silence approves: after {format_duration(wait.timeout)} without a decision the run goes on as approved",
                f"if that is not meant, leave it out; if it is, later steps see it in 'steps.{part.id}.timed_out'",
                "warning",
            )
        if _is_read(parts, index):
            continue
        if on_timeout == "continue":
            yield _nobody_reads((*loc, "on_timeout"), "a timeout", f"steps.{part.id}.timed_out")
        if isinstance(wait, Approval) and wait.on_reject == "continue":
            yield _nobody_reads((*loc, "on_reject"), "a rejection", f"steps.{part.id}.approved")


def _nobody_reads(loc: Loc, what: str, name: str) -> Finding:
    return Finding(
        loc, f"after {what} the run goes on, and no later step reads that", f"read {name!r} in an 'if'", "warning"
    )


def _is_read(parts: _Parts, index: int) -> bool:
    """Whether a later step reads the answer of the step at ``index``."""
    part = parts.steps[index]
    for later in range(index + 1, len(parts.steps)):
        for name in (name for reading in parts.readings[later] for name in reading.names):
            if name[0] == "steps" and name[1:2] == (part.id,) and name[2:3] != ("output",):
                return True
            if name[0] in _SHORTHANDS and parts.nearest_answer(later) is part:
                return True
    return False
