"""What a function's ``ctx`` stands on: one attempt of its step, in front of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from flows.context import Brief
from flows.engine import Engine
from flows.errors import NotWaiting
from flows.handles import normalise
from flows.people import PersonId
from flows.ports import ActionCall, Directory, Json
from flows.run import Kind, Run
from flows.secrets import masked
from flows.step_context import MachineLinks, Session
from flows.views import SuspensionView


class Addresses(Protocol):
    """Makes the links that leave the house."""

    def machine(self, run: Run, n: int) -> MachineLinks:
        """Where a machine calls back for suspension ``n`` of a run, and where it cancels."""
        ...

    def url(self, view: SuspensionView, person: PersonId) -> str:
        """The page of a suspension for one person."""
        ...


class Sessions:
    """Makes the session of each attempt."""

    def __init__(self, engine: Engine, directory: Directory, addresses: Addresses) -> None:
        self._engine = engine
        self._directory = directory
        self._addresses = addresses

    def of(self, brief: Brief, call: ActionCall, *, hidden: Iterable[str] = ()) -> Session:
        """The session of this attempt. ``hidden`` are secrets that may not get into what people are shown."""
        return _Session(brief, call.attempt, self._engine, self._directory, self._addresses, tuple(hidden))


@dataclass(frozen=True, slots=True)
class _Session:
    _brief: Brief
    attempt: int
    _engine: Engine
    _directory: Directory
    _addresses: Addresses
    _hidden: tuple[str, ...]

    @property
    def round(self) -> int:
        return self._brief.row.round

    @property
    def context(self) -> Json:
        return self._brief.row.context

    @property
    def callback(self) -> Json | None:
        woken = self._brief.known.woken
        return None if woken is None else dict(woken.request)

    @property
    def links(self) -> MachineLinks:
        return self._addresses.machine(self._brief.known.run, self._number)

    @property
    def waits(self) -> Kind | None:
        step = self._brief.step.step
        if step.delay is not None:
            return Kind.DELAY
        kinds = {Kind.APPROVAL: step.approval, Kind.HOLD: step.hold, Kind.CALLBACK: step.callback}
        return next((kind for kind, wait in kinds.items() if wait is not None), None)

    async def suspend(self, spec: Mapping[str, Json] | None) -> None:
        row = self._brief.row
        clean = None if spec is None else masked(dict(spec), self._hidden)
        await self._engine.suspend(self._brief.known.run.id, row.path, row.round, self.attempt, clean)

    async def person_link(self, handle: str) -> str:
        view = await self._engine.peek(self._brief.known.run.id, self._number)
        if view is None or not view.open or view.suspension.kind not in (Kind.APPROVAL, Kind.HOLD):
            raise NotWaiting("This round of the step has nothing open that people could answer.")
        name = normalise(handle)
        roster = await self._directory.resolve([name])
        if name not in roster.people:
            raise NotWaiting(f"{handle} is nobody whom a link could be made for: {roster.gaps.get(name, 'a group')}")
        await self._engine.check_may_decide(view, roster.people[name])
        return self._addresses.url(view, roster.people[name])

    @property
    def _number(self) -> int:
        n = self._brief.row.suspension
        assert n is not None  # a step that runs a function has its number from the start
        return n
