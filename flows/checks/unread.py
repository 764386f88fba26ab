"""Answers that change nothing: a rejection or a deadline after which the run goes on, and which nobody reads. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flows.checks.names import SHORTHANDS
from flows.checks.readings import Name, Place
from flows.checks.scope import Scope
from flows.checks.written import Part
from flows.definition import Approval, word_of
from flows.durations import format_duration
from flows.findings import Finding, Loc


def check_unread(scope: Scope) -> Iterator[Finding]:
    read = _Read(scope)
    for part in scope.written.parts:
        wait = part.model.suspending if part.model is not None else None
        if wait is None:
            continue
        loc: Loc = (*part.loc, str(part.waits))
        if word_of(wait.on_timeout) == "approve":
            yield Finding(
                (*loc, "on_timeout"),
                f"silence approves: after {format_duration(wait.timeout)} without a decision the run goes on as approved",
                f"if that is not meant, leave it out; if it is, later steps see it in 'steps.{part.id}.timed_out'",
                "warning",
            )
        if part in read:
            continue
        # Where steps of its own follow, it does not go by unnoticed.
        if wait.on_timeout == "continue":
            yield _nobody_reads((*loc, "on_timeout"), "a timeout", f"steps.{part.id}.timed_out")
        if isinstance(wait, Approval) and wait.on_reject == "continue":
            yield _nobody_reads((*loc, "on_reject"), "a rejection", f"steps.{part.id}.approved")


def _nobody_reads(loc: Loc, what: str, name: str) -> Finding:
    return Finding(
        loc, f"after {what} the run goes on, and no later step reads that", f"read {name!r} in an 'if'", "warning"
    )


class _Read:
    """The steps whose answers are read somewhere."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._parts: set[Part] = set()
        for reading in scope.everything:
            for name in reading.names:
                self._parts.update(self._meant(name, reading.place))
        # A function asks for answers by the names of its parameters, which are not in the definition.
        functions = [index for index, part in enumerate(scope.written.parts) if part.python]
        self._parts.update(scope.written.parts[: functions[-1]] if functions else ())

    def __contains__(self, part: Part) -> bool:
        return part in self._parts

    def _meant(self, name: Name, place: Place) -> Iterator[Part]:
        ids: Mapping[str, Part] = self._scope.written.ids
        if name[0] == "steps" and name[2:3] != ("output",) and len(name) > 1 and name[1] in ids:
            part = ids[name[1]]
            if place.part is None or part not in place.part.around():
                yield part
        elif name[0] in SHORTHANDS:
            yield from self._scope.answers(place).parts
