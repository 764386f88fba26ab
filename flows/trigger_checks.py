"""What is wrong with a flow's triggers. Pure; a part of ``flows.checks``.

It looks at the definition as it was written, so that a file with other mistakes is checked too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flows.expressions import Expression, ExpressionError, Template
from flows.fields import Field, Unacceptable
from flows.findings import Finding, Loc, did_you_mean
from flows.handles import InvalidHandle, is_group, normalise
from flows.ports import Json
from flows.schedule import ScheduleError, parse_cron, parse_zone
from flows.trigger_values import EVENT, PERSON, REQUEST, RUN, SCHEDULE

_ROOTS = {"schedule": ("schedule", SCHEDULE), "webhook": ("request", REQUEST), "on": ("event", EVENT)}
"""The root that the templates of a trigger read, and what it has, by the key that tells its kind."""

_NEEDS_OWNER = ("schedule", "webhook")


def check_triggers(document: Json, inputs: Sequence[Field]) -> Iterator[Finding]:
    """Everything that is wrong with the triggers of a definition, as JSON, that can be said without other flows.

    ``inputs`` are those of its fields that fit their models.
    """
    triggers = _list(document.get("triggers")) if isinstance(document, Mapping) else []
    hooks: set[str] = set()
    for index, trigger in enumerate(triggers):
        if not isinstance(trigger, Mapping):
            continue
        loc: Loc = ("triggers", index)
        kind = next((key for key in _ROOTS if key in trigger), None)
        if kind is None:
            continue  # its model says so
        yield from _when(trigger, loc)
        hook = trigger.get("webhook")
        if isinstance(hook, str):
            if hook in hooks:
                yield Finding((*loc, "webhook"), f"two webhooks are named {hook!r}", "rename one of them")
            hooks.add(hook)
        if kind in _NEEDS_OWNER:
            yield from _owned(document.get("owner"), kind, loc)
        yield from _inputs(document, trigger, inputs, loc)
        yield from _expressions(trigger, loc, *_ROOTS[kind])


def check_heard(document: Json, flows: Iterable[str]) -> Iterator[Finding]:
    """Triggers that listen to a flow which is not there. ``flows`` are the names of all flows, broken ones too."""
    names = list(flows)
    own = document.get("flow") if isinstance(document, Mapping) else None
    for index, trigger in enumerate(_list(document.get("triggers")) if isinstance(document, Mapping) else []):
        heard = trigger.get("flow") if isinstance(trigger, Mapping) and "on" in trigger else None
        if isinstance(heard, str) and heard not in names:
            others = [name for name in names if name != own]
            yield Finding(("triggers", index, "flow"), f"there is no flow {heard!r}", did_you_mean(heard, others))
        elif isinstance(heard, str) and heard == own and not trigger.get("if"):
            yield Finding(
                ("triggers", index, "flow"),
                "the flow starts itself, each time again, until eight runs have started one another",
                "say in an 'if' when it is to",
                "warning",
            )


def _when(trigger: Mapping[str, Any], loc: Loc) -> Iterator[Finding]:
    for key, parse in (("schedule", parse_cron), ("timezone", parse_zone)):
        text = trigger.get(key)
        if isinstance(text, str) and text:
            try:
                parse(text)
            except ScheduleError as error:
                yield Finding((*loc, key), str(error), error.hint)


def _owned(owner: Json, kind: str, loc: Loc) -> Iterator[Finding]:
    starter = "a clock" if kind == "schedule" else "a webhook"
    if not isinstance(owner, str):
        yield Finding(
            (*loc, kind), f"{starter} starts runs in nobody's name", "name a person as the flow's 'owner': they are its"
        )
        return
    try:
        handle = normalise(owner)
    except InvalidHandle:
        return  # said of the owner itself
    if is_group(handle):
        yield Finding(
            (*loc, kind),
            f"{starter} starts runs in the owner's name, and {owner!r} is a group",
            "name one person as the flow's 'owner'",
        )


def _inputs(document: Json, trigger: Mapping[str, Any], inputs: Sequence[Field], loc: Loc) -> Iterator[Finding]:
    given = trigger.get("inputs") or {}
    if not isinstance(given, Mapping):
        return
    declared = [one.get("name") for one in _list(document.get("inputs")) if isinstance(one, Mapping)]
    names = [name for name in declared if isinstance(name, str)]
    for name in given:
        if name not in names:
            hint = did_you_mean(str(name), names, within="it has") if names else "the flow has no inputs"
            yield Finding((*loc, "inputs", name), f"the flow has no input {name!r}", hint, about="key")
    for field in inputs:
        if field.name not in given:
            if field.required and field.default is None and field.when is None:
                yield Finding(
                    loc, f"gives the input {field.name!r} no value, and it has no default", "give it one in 'inputs'"
                )
            continue
        value = given[field.name]
        if "{{" not in str(value) and not field.is_blank(value):
            try:
                field.parse(value)
            except Unacceptable as unacceptable:
                yield Finding((*loc, "inputs", field.name), str(unacceptable).removesuffix("."))


def _expressions(trigger: Mapping[str, Any], loc: Loc, root: str, keys: Sequence[str]) -> Iterator[Finding]:
    for at, text in _texts(trigger, loc):
        try:
            names = (Expression if at[2] == "if" else Template).compile(text).names
        except ExpressionError as error:
            yield Finding(at, error.message, error.hint)
            continue
        for name in sorted(names):
            wrong = _name(name, root, keys)
            if wrong is not None:
                yield Finding(at, *wrong)


def _name(name: tuple[str, ...], root: str, keys: Sequence[str]) -> tuple[str, str | None] | None:
    if name[0] != root:
        hint = f"it reads '{root}.{name[0]}'" if name[0] in keys else f"it reads {root!r}: {', '.join(keys)}"
        return f"nothing is called {name[0]!r} in this trigger", hint
    known: dict[tuple[str, ...], Sequence[str]] = {(): keys}
    if root == "event":
        known |= {("run",): RUN, ("run", "requester"): PERSON}
    for depth in range(1, len(name)):
        owner = name[1:depth]
        if owner in known and name[depth] not in known[owner]:
            called = ".".join((root, *owner))
            return f"{called!r} has no {name[depth]!r}", did_you_mean(name[depth], known[owner], within="it has")
    return None


def _texts(trigger: Mapping[str, Any], loc: Loc) -> Iterator[tuple[Loc, str]]:
    condition = trigger.get("if")
    if isinstance(condition, str) and condition:
        yield (*loc, "if"), condition
    waiting: list[tuple[Loc, Json]] = [((*loc, "inputs"), trigger.get("inputs"))]
    while waiting:
        at, value = waiting.pop(0)
        if isinstance(value, str):
            yield at, value
        elif isinstance(value, Mapping):
            waiting.extend(((*at, key), each) for key, each in value.items())
        else:
            waiting.extend(((*at, index), each) for index, each in enumerate(_list(value)))


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else ()
