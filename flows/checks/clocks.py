"""What the clock of a wait never comes to, because its deadline comes first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from flows.checks.written import Part, Written
from flows.definition import Approval, Wait
from flows.durations import format_duration
from flows.findings import Finding, Loc


def check_clocks(written: Written) -> Iterator[Finding]:
    for part in written.parts:
        wait = part.model.wait if part.model is not None else None
        if wait is not None:
            yield from _overtaken(part, wait)


def _overtaken(part: Part, wait: Wait) -> Iterator[Finding]:
    loc: Loc = (*part.loc, str(part.waits))
    # Where people have working hours of their own, the deadline is the latest of theirs, and a reminder the first.
    own_hours = wait.working_hours is not None and wait.working_hours.zone is None
    if wait.remind is not None and wait.remind.first >= wait.timeout and not own_hours:
        yield _never((*loc, "remind"), "nobody is ever reminded", wait.remind.first, wait.timeout)
    for index, later in enumerate(wait.escalate if isinstance(wait, Approval) else ()):
        if later.after >= wait.timeout:
            at = (*loc, "escalate", index, "after")
            yield _never(at, "this never escalates", later.after, wait.timeout)


def _never(loc: Loc, what: str, after: timedelta, timeout: timedelta) -> Finding:
    return Finding(
        loc,
        f"{what}: after {format_duration(after)} the deadline has passed, which is {format_duration(timeout)}",
        "let it come sooner, or give more 'timeout'",
        "warning",
    )
