"""Waits: that they can open where they stand, and know when they are over. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from pydantic_core import PydanticCustomError

from flows import calendars
from flows.checks.scope import Scope, sends_links
from flows.checks.written import Part
from flows.definition import WorkingHours
from flows.durations import parse_duration
from flows.fields import Unacceptable, UrlField
from flows.fields.json_schema import check_schema
from flows.findings import Finding, Loc
from flows.ports import Json

_ADDRESS = UrlField(name="redirect")


def check_waits(scope: Scope) -> Iterator[Finding]:
    for part in scope.written.parts:
        raw, loc = part.raw, part.loc
        if part.waits is not None:
            yield from _where(part)
        elif sends_links(part):
            yield Finding(
                (*loc, "uses"), "sends the links of its own wait, and has none", "add 'approval', 'hold' or 'callback'"
            )
        step = part.model
        if step is not None and step.wait is not None and step.wait.working_hours is not None:
            yield from _hours(step.wait.working_hours, (*loc, str(part.waits), "working_hours"))
        if part.waits == "callback":
            yield from _callback(part.wait, (*loc, "callback"))
        if isinstance(raw.get("delay"), str):
            yield from time(raw["delay"], (*loc, "delay"))
        repeat = raw.get("repeat")
        if isinstance(repeat, Mapping) and isinstance(repeat.get("delay"), str):
            yield from time(repeat["delay"], (*loc, "repeat", "delay"), instants=False)


def _hours(hours: WorkingHours, loc: Loc) -> Iterator[Finding]:
    try:
        calendars.check(hours)
    except calendars.NoWorkingTime as error:
        yield Finding(loc, str(error))


def unwaited(part: Part) -> str | None:
    """The key of the steps around it, if any, in which nobody can be waited for."""
    for step in part.around():
        block = step.block
        if block.key == "on_open" or (block.key == "finally" and block.holder is None):
            return block.key
    return None


def _where(part: Part) -> Iterator[Finding]:
    key = unwaited(part)
    if key == "on_open":
        yield Finding(
            (*part.loc, str(part.waits)),
            "steps of 'on_open' run beside a wait and cannot open another one",
            "put it before or after the step that waits",
        )
    elif key is not None:
        yield Finding(
            (*part.loc, str(part.waits)),
            "steps of 'finally' cannot wait for people or machines: the run is about to end",
            "put it into 'steps', or start another flow with 'signoff.start'",
        )


def _callback(callback: Mapping[str, Json], loc: Loc) -> Iterator[Finding]:
    schema, redirect = callback.get("schema"), callback.get("redirect")
    if isinstance(schema, dict):
        try:
            check_schema(schema)
        except PydanticCustomError as error:
            yield Finding((*loc, "schema"), error.message())
    if isinstance(redirect, str) and "{{" in redirect:
        yield Finding(
            (*loc, "redirect"), "is the same for every run: expressions are not rendered here", "write it out"
        )
    elif isinstance(redirect, str) and redirect:
        try:
            _ADDRESS.parse(redirect)
        except Unacceptable as unacceptable:
            yield Finding((*loc, "redirect"), str(unacceptable).removesuffix("."))


def time(text: str, loc: Loc, *, instants: bool = True) -> Iterator[Finding]:
    """A duration, an instant (if ``instants``), or a template that gives one."""
    if "{{" in text:
        return
    try:
        parse_duration(text)
        return
    except ValueError as error:
        problem = str(error)
    if not instants:
        yield Finding(loc, f"{problem}; it is {text[:40]!r}")
        return
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        yield Finding(loc, f"{problem}, or an instant like 2026-12-24T08:00:00Z; it is {text[:40]!r}")
    else:
        if instant.tzinfo is None:
            yield Finding(
                loc, f"{text[:40]!r} does not say in which time zone", "write an offset: 2026-12-24T08:00:00+01:00"
            )
