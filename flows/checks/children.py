"""Flows that steps run or start: that they are there, are given what they take, and do not run themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from flows.checks.expressions import rendered
from flows.checks.fields import fitting
from flows.checks.names import secret_in
from flows.checks.neighbours import Neighbours, way_back
from flows.checks.scope import Scope
from flows.checks.waits import unwaited
from flows.checks.written import Part, Written
from flows.fields import Field, Unacceptable
from flows.findings import Finding, Loc, did_you_mean
from flows.mistakes import value_at
from flows.ports import Json

_STARTS = "signoff.start"


def check_children(scope: Scope, neighbours: Neighbours | None) -> Iterator[Finding]:
    written = scope.written
    for part in written.children:
        name, loc = str(part.child), (*part.loc, "flow")
        if name == written.name:
            yield Finding(loc, "the flow would run itself without end", "a 'repeat' runs steps again")
            continue
        if neighbours is None:
            continue
        if name not in neighbours.names:
            yield unknown(name, loc, neighbours, written)
            continue
        child = neighbours.flows.get(name)
        if child is None:
            continue  # broken, which is said of itself
        way = way_back(str(written.name), name, lambda each: _run_by(neighbours.flows.get(each)))
        if way is not None:
            yield Finding(loc, f"these flows would run each other without end: {' -> '.join(way)}", "take one step out")
        yield from _given(scope, part, (*part.loc, "with"), child)
        yield from _output(scope, part, child)
        key = unwaited(part)
        if key is not None and any(each.waits is not None for each in child.parts):
            yield Finding(loc, f"the flow {name!r} waits for people or machines, which steps of {key!r} cannot do")


def check_starts(scope: Scope, neighbours: Neighbours | None) -> Iterator[Finding]:
    """Flows that an action starts, where they are named as they are."""
    if neighbours is None:
        return
    for part in scope.written.parts:
        given = part.raw.get("with")
        name = given.get("flow") if isinstance(given, Mapping) and part.raw.get("uses") == _STARTS else None
        if not isinstance(name, str) or rendered(name):
            continue
        if name not in neighbours.names:
            yield unknown(name, (*part.loc, "with", "flow"), neighbours, scope.written)
        elif name in neighbours.flows:
            yield from _given(scope, part, (*part.loc, "with", "inputs"), neighbours.flows[name])


def names_others(written: Written) -> bool:
    """Whether anything that it names may be another flow."""
    starts = any(part.raw.get("uses") == _STARTS for part in written.parts)
    return bool(written.children or starts or written.document.get("triggers"))


def unknown(name: str, loc: Loc, neighbours: Neighbours, written: Written) -> Finding:
    """There is no such flow; or none is known, where not all are."""
    hint = did_you_mean(name, sorted(neighbours.names - {str(written.name)}))
    if neighbours.complete:
        return Finding(loc, f"there is no flow {name!r}", hint)
    return Finding(
        loc, f"there is no flow {name!r} beside this file", hint or "check the folder with all flows", "warning"
    )


def given_inputs(given: Mapping[str, Json], declared: Json, loc: Loc) -> Iterator[Finding]:
    """What is wrong with values for the inputs of a flow, as far as they are known."""
    known = [each.get("name") for each in declared if isinstance(each, Mapping)] if isinstance(declared, list) else []
    names = [name for name in known if isinstance(name, str)]
    for name in given:
        if name not in names:
            hint = did_you_mean(str(name), names, within="it has") if names else "it has no inputs"
            yield Finding((*loc, name), f"unknown input {name!r}", hint, about="key")
    for each in fitting(declared):
        yield from _value(each, given, loc)


def _value(field: Field, given: Mapping[str, Json], loc: Loc) -> Iterator[Finding]:
    value = given.get(field.name)
    if rendered(value):
        return
    if field.is_blank(value):
        if field.required and field.default is None and field.when is None:
            hint = None if field.masked else f"it takes {field.expected}"
            yield Finding((*loc, field.name), f"the input {field.name!r} is missing", hint, about="key")
        return
    try:
        field.parse(value)
    except Unacceptable as unacceptable:
        yield Finding((*loc, field.name), str(unacceptable).removesuffix("."))


def _given(scope: Scope, part: Part, loc: Loc, taker: Written) -> Iterator[Finding]:
    """What is wrong with the inputs at ``loc`` of a step, for the flow that takes them."""
    given = value_at(scope.written.document, loc) or {}
    if not isinstance(given, Mapping):
        return
    yield from given_inputs(given, taker.document.get("inputs"), loc)
    for reading in scope.readings[part]:
        field = str(reading.loc[len(loc)]) if reading.loc[: len(loc)] == loc and len(reading.loc) > len(loc) else None
        if field is None or taker.inputs.get(field, True):
            continue
        for name in sorted(reading.names):
            secret = secret_in(scope, name, reading.place)
            if secret is not None:
                yield Finding(
                    reading.loc,
                    f"{secret!r} is a secret, and the input {field!r} of {taker.name!r} is none",
                    "give that input the type 'secret'",
                )


def _output(scope: Scope, part: Part, child: Written) -> Iterator[Finding]:
    """What is read of what the child flow gives, and is not there."""
    outputs = child.document.get("outputs")
    outputs = outputs if isinstance(outputs, Mapping) else {}
    for reading in scope.everything:
        for name in sorted(reading.names):
            if name[:3] == ("steps", part.id, "output") and len(name) > 3 and name[3] not in outputs:
                hint = did_you_mean(name[3], outputs, within="it has") if outputs else "give it 'outputs'"
                yield Finding(reading.loc, f"the flow {part.child!r} has no output {name[3]!r}", hint)


def _run_by(written: Written | None) -> Iterable[str]:
    return [str(part.child) for part in written.children] if written is not None else ()
