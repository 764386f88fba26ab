"""Triggers: what ``flows.trigger_checks`` says, and flows that start one another without end. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from flows.checks.fields import fitting
from flows.checks.neighbours import Neighbours, way_back
from flows.checks.written import Written, items
from flows.findings import Finding
from flows.trigger_checks import check_heard, check_triggers


def check_started(written: Written, neighbours: Neighbours | None) -> Iterator[Finding]:
    """What starts the flow."""
    yield from check_triggers(written.document, fitting(written.document.get("inputs")))
    if neighbours is None:
        return
    for finding in check_heard(written.document, neighbours.names | {str(written.name)}):
        if neighbours.complete or finding.severity == "warning":
            yield finding
        else:
            hint = finding.hint or "check the folder with all flows"
            yield replace(finding, message=f"{finding.message} beside this file", hint=hint, severity="warning")
    for index, name in _heard(written):
        way = way_back(str(written.name), name, lambda each: _names(neighbours.flows.get(each)))
        if way is not None and len(way) > 2:
            yield Finding(
                ("triggers", index, "flow"),
                f"runs of these flows start one another without end: {' -> '.join(reversed(way))}",
                "say in an 'if' when one of them is to start",
                "warning",
            )


def _names(written: Written | None) -> list[str]:
    return [name for _, name in _heard(written)] if written is not None else []


def _heard(written: Written) -> Iterator[tuple[int, str]]:
    """The flows whose runs always start one of this flow, with the place of the trigger."""
    for index, trigger in enumerate(items(written.document.get("triggers"))):
        name = trigger.get("flow") if isinstance(trigger, Mapping) and "on" in trigger else None
        if isinstance(name, str) and not trigger.get("if"):
            yield index, name
