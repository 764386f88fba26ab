"""A run as a test looks at it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.context import Approver, Known, step_values
from flows.ids import Ids
from flows.plan import bare
from flows.ports import Json
from flows.run import Answer, Kind
from flows.testing.recording import Call
from flows.views import ParkedEffect, RunView, SuspensionView


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step as it stands: its state, and all that ``steps.<id>`` means in a flow.

    ``approvers`` are ``Approver`` objects (``name``, ``email``, ``at``, ...) that print as their names.
    """

    state: str
    attempt: int
    output: Json
    error: str | None
    approved: bool | None
    approvers: Sequence[Approver]
    decisions: Sequence[Mapping[str, Any]]
    form: Mapping[str, Json] | None
    comment: str | None
    timed_out: bool
    resumed: Mapping[str, Any] | None
    dropped: bool
    option: str | None
    callback: Mapping[str, Any] | None
    outcome: str | None
    resume: Json
    resumes: Sequence[Json]
    round: int = 1


def _indexes(path: str) -> list[int]:
    return [int(index) for index in re.findall(r"\[(\d+)\]", path)]


class FlowRun:
    """One run of a test, as it stands after the test's last call."""

    def __init__(self, view: RunView, ids: Ids, calls: Sequence[Call]) -> None:
        self.view = view
        self._ids = ids
        self._calls = calls

    def __repr__(self) -> str:
        waits = f" on {', '.join(self.waiting)}" if self.waiting else ""
        because = f": {self.reason}" if self.reason else ""
        return f"<{self.view.run.flow} {self.id} {self.status}{waits}{because}>"

    def show(self, view: RunView) -> None:
        """Take over a newer view."""
        self.view = view

    @property
    def number(self) -> int:
        """The run's key inside the engine."""
        return self.view.run.id

    @property
    def id(self) -> str:
        """``run_...``"""
        return self._ids.run(self.number)

    @property
    def status(self) -> str:
        """``running``, ``waiting``, or the outcome."""
        return self.view.status

    @property
    def outcome(self) -> str | None:
        """``succeeded``, ``rejected``, ``expired``, ``cancelled``, ``failed``; None while it has not ended."""
        ending = self.view.run.ending
        return ending.outcome.value if ending else None

    @property
    def reason(self) -> str | None:
        """Why it ended, where that was said."""
        ending = self.view.run.ending
        return ending.reason if ending else None

    @property
    def ended_by(self) -> list[str]:
        """The names of those whose decision ended it."""
        ending = self.view.run.ending
        return [self.view.person(person).name for person in ending.by] if ending else []

    @property
    def waiting(self) -> list[str]:
        """The steps that wait now, for people or for time."""
        return [one.suspension.path for one in self.view.suspensions if one.open]

    @property
    def parked(self) -> list[ParkedEffect]:
        """The effects that only an admin can help."""
        return [effect for effect in self.view.troubled if effect.parked_at is not None]

    @property
    def steps(self) -> Mapping[str, StepResult]:
        """The steps that were reached, by their paths, in the order of the flow."""
        view = self.view
        answers = {one.suspension.path: Answer(one.suspension, one.decisions, one.callback) for one in view.suspensions}
        known = Known(view.run, view.steps, answers, view.people, gathered=frozenset(view.steps))
        order = {plan.path: place for place, plan in enumerate(view.plan.steps)}
        rows = [row for row in view.steps.values() if not row.path.endswith("]")]
        return {
            row.path: StepResult(
                state=row.state.value,
                attempt=row.attempt,
                round=row.round,
                error=row.error,
                **step_values(view.plan, row.path, known),
            )
            for row in sorted(rows, key=lambda row: (order[bare(row.path)], _indexes(row.path)))
        }

    def calls(self, action: str | None = None) -> list[Call]:
        """The actions that this run performed, in order; those of one name where it is given."""
        own = f"{self.id}/"
        return [call for call in self._calls if call.key.startswith(own) and action in (None, call.action)]

    def suspension(self, step: str | None = None) -> SuspensionView:
        """What people are asked by ``step``; without it, what the run waits for, or waited for last."""
        asked = [one for one in self.view.suspensions if one.suspension.kind not in (Kind.DELAY, Kind.RERUN)]
        if step is not None:
            asked = [one for one in asked if one.suspension.path == step]
        found = [one for one in asked if one.open] or asked[-1:]
        if not found:
            raise LookupError(f"{self!r} has asked nobody" + (f" in step {step!r}" if step else ""))
        if len(found) > 1:
            names = ", ".join(one.suspension.path for one in found)
            raise LookupError(f"{self!r} waits in several places; say which with step=: {names}")
        return found[0]
