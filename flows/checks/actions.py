"""Actions: that they are there, and are given what they take. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from pydantic import BaseModel, ValidationError

from flows.checks.expressions import rendered
from flows.checks.written import Part, Written
from flows.definition import Step
from flows.findings import Finding, Loc, did_you_mean
from flows.mistakes import mistakes, value_at

Actions = Mapping[str, type[BaseModel]]
"""The parameters' model of each action that a step may use, by the action's name."""

Connections = Mapping[str, Collection[str]]
"""The names of the accounts of each integration (``slack``, ``gmail``) that has several."""


def check_actions(written: Written, actions: Actions | None, connections: Connections | None) -> Iterator[Finding]:
    for part in written.parts:
        step = part.model
        if step is None:
            continue
        if step.retry.max and not step.action and step.flow is None:
            yield Finding((*part.loc, "retry"), "has no action that could be tried again", "leave 'retry' out")
        if step.uses is not None and actions is not None:
            yield from _uses(step, step.uses, part.loc, actions)
        if step.connection is not None:
            yield from _connection(part, step, step.connection, connections)


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
            if finding.about == "key" or (finding.loc and not rendered(value_at(given, finding.loc))):
                yield replace(finding, loc=(*loc, "with", *finding.loc))


def _connection(part: Part, step: Step, name: str, connections: Connections | None) -> Iterator[Finding]:
    loc = (*part.loc, "connection")
    if step.uses is None:
        yield Finding(loc, "has no action of an integration that could use it", "leave 'connection' out")
        return
    if connections is None:
        return
    integration = step.uses.partition(".")[0]
    known = sorted(connections.get(integration, ()))
    if name not in known:
        hint = did_you_mean(name, known) if known else f"there are no named accounts of {integration!r}"
        yield Finding(loc, f"there is no account {name!r} of {integration!r}", hint)
