"""One flow, or several, on the real engine, with a clock and people that the test moves."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flows import ledger
from flows.definition import Flow
from flows.delegation import Delegation
from flows.engine import Engine
from flows.errors import DefinitionError
from flows.findings import did_you_mean
from flows.functions import Functions
from flows.loader import load_file, load_folder
from flows.people import Person, PersonId
from flows.ports import Json
from flows.run import Door, Verdict
from flows.runner import Runner
from flows.sessions import Sessions
from flows.step_context import MachineLinks
from flows.store import reads
from flows.store.sqlite import SqliteStore
from flows.testing.clock import MONDAY, FakeClock, span
from flows.testing.crowd import Crowd
from flows.testing.database import new_database
from flows.testing.recording import (
    Call,
    Mailed,
    Noted,
    RecordingMessenger,
    RecordingPerformer,
    TestAddresses,
    Told,
)
from flows.testing.run import FlowRun
from flows.vault import Vault

_SECRET_KEY = "a key for tests, which guards nothing"  # noqa: S105 -- the database goes with the test


MOST = 1_000_000
"""Steps of a run that a test looks at: all of them."""


class FlowTest:
    """Runs flows in a test: really, but with nobody waiting and nothing leaving the process.

    ::

        async with FlowTest("flows/vacation.yml", people=["ann@example.com", "bob@example.com"]) as t:
            run = await t.start("vacation", by="ann@example.com", inputs={"manager": "bob@example.com"})
            await t.approve(run, by="bob@example.com")
            assert run.outcome == "succeeded"

    ``flows`` are files, folders, or ``Flow`` objects (whose Python functions are found from ``folder``). Store,
    engine, runner and Python functions are the real ones. Actions answer as ``actions`` says
    (``RecordingPerformer``), and cards and mails are recorded in ``messenger``. After each call everything that
    is due has been performed, and every run shows its state as it is then. Refusals are raised.
    """

    def __init__(
        self,
        *flows: Flow | str | Path,
        people: Iterable[str | Person] = (),
        groups: Mapping[str, Iterable[str]] | None = None,
        admins: Iterable[str] = (),
        actions: Mapping[str, Any] | None = None,
        now: datetime = MONDAY,
        folder: str | Path = ".",
        database: str | Path | None = None,
        public_url: str = "https://signoff.example.com",
        secret_key: str = _SECRET_KEY,
    ) -> None:
        self.flows, self._folders = _loaded(flows, Path(folder))
        self.clock = FakeClock(now)
        self.crowd = Crowd(people, groups=groups, admins=admins, clock=self.clock)
        self.messenger = RecordingMessenger()
        self.vault = Vault([secret_key])
        self._actions = dict(actions or {})
        self._database = None if database is None else Path(database)
        self._public_url = public_url
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._runs: list[FlowRun] = []
        self._calls: list[Call] = []
        _check_names(self._actions, self.flows)

    store: SqliteStore
    engine: Engine
    runner: Runner
    performer: RecordingPerformer

    async def __aenter__(self) -> Self:
        if self._database is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="flow-test-")
            self._database = Path(self._scratch.name) / "test.db"
        try:
            await self._open(self._database)
        except BaseException:
            self._clean_up()
            raise
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        try:
            await self._close()
        finally:
            self._clean_up()

    # -- what people do -----------------------------------------------------------------------------------------

    async def start(self, flow: str | None = None, *, by: str, inputs: Mapping[str, Any] | None = None) -> FlowRun:
        """Start a run, and let it go as far as it goes. ``flow`` may be left out where there is only one."""
        if flow is None:
            (flow,) = self.engine.flows
        requester = await self.crowd.meet(self.store, by)
        started, _ = await self.engine.start(flow, requester.id, inputs or {})
        view = await self.store.read(lambda c, plans: reads.run_view(c, plans, started.id, most=MOST))
        run = FlowRun(view, self.store.ids, self._calls)
        self._runs.append(run)
        await self.settle()
        return run

    async def approve(
        self,
        run: FlowRun,
        *,
        by: str,
        step: str | None = None,
        form: Mapping[str, Json] | None = None,
        comment: str | None = None,
        option: str | None = None,
    ) -> None:
        """Somebody says yes, having been shown what is asked. ``step`` may be left out where only one waits."""
        await self.decide(run, Verdict.APPROVE, by=by, step=step, form=form, comment=comment, option=option)

    async def reject(
        self,
        run: FlowRun,
        *,
        by: str,
        comment: str | None = None,
        step: str | None = None,
        form: Mapping[str, Json] | None = None,
    ) -> None:
        """Somebody says no."""
        await self.decide(run, Verdict.REJECT, by=by, step=step, comment=comment, form=form)

    async def resume(
        self,
        run: FlowRun,
        *,
        by: str,
        step: str | None = None,
        form: Mapping[str, Json] | None = None,
        comment: str | None = None,
    ) -> None:
        """Somebody lets a hold go on."""
        await self.decide(run, Verdict.RESUME, by=by, step=step, form=form, comment=comment)

    async def decide(
        self,
        run: FlowRun,
        verdict: Verdict,
        *,
        by: str,
        step: str | None = None,
        form: Mapping[str, Json] | None = None,
        comment: str | None = None,
        option: str | None = None,
        digest: bytes | None = None,
        door: Door = Door.PAGE,
    ) -> None:
        """What the three above do. ``digest``: of the view that the person had, where it is not the present one."""
        person = await self.crowd.meet(self.store, by)
        suspension = run.suspension(step).suspension
        try:
            await self.engine.decide(
                run.number,
                suspension.n,
                person.id,
                verdict,
                door=door,
                comment=comment,
                values=form,
                option=option,
                digest=suspension.digest if digest is None else digest,
            )
        finally:
            await self.settle()

    async def cancel(self, run: FlowRun, *, by: str, reason: str | None = None) -> None:
        """Somebody cancels the run."""
        person = await self.crowd.meet(self.store, by)
        try:
            await self.engine.cancel(run.number, person.id, door=Door.PAGE, reason=reason)
        finally:
            await self.settle()

    async def withdraw(self, run: FlowRun, *, by: str, step: str | None = None) -> None:
        """Somebody takes back what they said."""
        await self.decide(run, Verdict.WITHDRAW, by=by, step=step)

    async def decide_early(
        self,
        run: FlowRun,
        verdict: Verdict,
        *,
        by: str,
        step: str | None = None,
        comment: str | None = None,
    ) -> bool:
        """Somebody decides before they are asked. Returns whether it was counted at once."""
        person = await self.crowd.meet(self.store, by)
        try:
            return await self.engine.decide_early(
                run.number, person.id, verdict, step=step, door=Door.PAGE, comment=comment
            )
        finally:
            await self.settle()

    async def call(
        self,
        link: str,
        body: Json = None,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        """A machine calls a resume link or a cancel link, as ``ctx.links``, ``links.resume`` or ``links_of`` give it."""
        door, where = link.rsplit("/", 2)[1:]
        found = self.store.ids.parse_suspension(where)
        if found is None or door not in ("r", "c"):
            raise LookupError(f"{link!r} is no link for machines")
        request = {"method": method, "headers": dict(headers or {}), "query": dict(query or {}), "body": body}
        try:
            await self.engine.callback(*found, request, cancels=door == "c")
        finally:
            await self.settle()

    def links_of(self, run: FlowRun, step: str | None = None) -> MachineLinks:
        """The links of a callback that is open."""
        return self.performer.addresses.machine(run.view.run, run.suspension(step).suspension.n)

    async def pause(self, run: FlowRun, *, by: str) -> None:
        """Somebody halts the run."""
        person = await self.crowd.meet(self.store, by)
        try:
            await self.engine.pause(run.number, person.id, door=Door.PAGE)
        finally:
            await self.settle()

    async def unpause(self, run: FlowRun, *, by: str) -> None:
        """Somebody lets a paused run go on."""
        person = await self.crowd.meet(self.store, by)
        try:
            await self.engine.resume(run.number, person.id, door=Door.PAGE)
        finally:
            await self.settle()

    async def drop(self, run: FlowRun, *, by: str, reason: str, step: str | None = None) -> None:
        """An admin, or the flow's owner, ends a wait without a decision."""
        person = await self.crowd.meet(self.store, by)
        try:
            n = run.suspension(step).suspension.n
            await self.engine.drop(run.number, n, person.id, reason, door=Door.PAGE)
        finally:
            await self.settle()

    async def nudge(self, run: FlowRun, *, by: str, step: str | None = None) -> None:
        """The requester asks those who have not answered once more."""
        await self._around(run, step, by, lambda n, who: self.engine.nudge(run.number, n, who, door=Door.PAGE))

    async def reassign(
        self, run: FlowRun, *, by: str, to: str, instead_of: str | None = None, step: str | None = None
    ) -> None:
        """Somebody who is asked lets ``to`` be asked in their place; an admin, ``instead_of`` somebody else."""
        other = (await self.crowd.meet(self.store, to)).id
        asked = (await self.crowd.meet(self.store, instead_of or by)).id
        await self._around(
            run, step, by, lambda n, who: self.engine.reassign(run.number, n, asked, other, who, door=Door.PAGE)
        )

    async def snooze(self, run: FlowRun, *, by: str, until: timedelta | str | None, step: str | None = None) -> None:
        """Somebody wants to hear nothing of it for so long; None: of everything again."""
        at = None if until is None else self.clock.now() + span(until)
        await self._around(run, step, by, lambda n, who: self.engine.snooze(run.number, n, who, at, door=Door.PAGE))

    async def ask(self, run: FlowRun, question: str, *, by: str, step: str | None = None) -> None:
        """Somebody who is asked wants to know something first."""
        await self._around(run, step, by, lambda n, who: self.engine.ask(run.number, n, who, question, door=Door.PAGE))

    async def answer(self, run: FlowRun, text: str, *, by: str, step: str | None = None) -> None:
        """The requester answers what was asked."""
        await self._around(run, step, by, lambda n, who: self.engine.answer(run.number, n, who, text, door=Door.PAGE))

    async def delegate(
        self,
        person: str,
        to: str,
        *,
        until: timedelta | str,
        after: timedelta | str = timedelta(0),
        flows: Sequence[str] = (),
        by: str | None = None,
    ) -> Delegation:
        """Somebody hands their approvals over, from ``after`` now for as long as ``until``; an admin (``by``) for them."""
        one, other, who = [(await self.crowd.meet(self.store, each)).id for each in (person, to, by or person)]
        starts = self.clock.now() + span(after)
        return await self.engine.delegate(one, other, starts, starts + span(until), flows, by=who)

    async def _around(
        self, run: FlowRun, step: str | None, by: str, what: Callable[[int, PersonId], Awaitable[object]]
    ) -> None:
        person = await self.crowd.meet(self.store, by)
        try:
            await what(run.suspension(step).suspension.n, person.id)
        finally:
            await self.settle()

    async def retry(self, run: FlowRun, *, by: str) -> None:
        """An admin has the run's parked effects performed again."""
        person = await self.crowd.meet(self.store, by)
        for effect in run.parked:
            await self.engine.retry(effect.id, person.id)
        await self.settle()

    async def skip(self, run: FlowRun, *, by: str) -> None:
        """An admin gives up on the run's parked effects."""
        person = await self.crowd.meet(self.store, by)
        for effect in run.parked:
            await self.engine.skip(effect.id, person.id)
        await self.settle()

    async def merge(self, *handles: str) -> Person:
        """These handles turn out to be one human."""
        person = await self.crowd.merge(self.store, *handles)
        await self.settle()
        return person

    # -- what the world does ------------------------------------------------------------------------------------

    async def advance(self, duration: timedelta | str) -> None:
        """Let time pass (``"2d"``). Whatever falls due meanwhile is done when it is due, one after the other."""
        until = self.clock.now() + span(duration)
        await self.settle()
        while (due := await self.store.next_due()) is not None and due <= until:
            self.clock.advance(due - self.clock.now())
            await self.settle()
        self.clock.advance(max(until - self.clock.now(), timedelta(0)))
        await self.settle()

    async def restart(self, *flows: Flow | str | Path, down: timedelta | str = timedelta(0)) -> None:
        """Stop, let ``down`` pass, and start again from the database, with other ``flows`` where some are given."""
        await self._close()
        self.clock.advance(down)
        if flows:
            self.flows, self._folders = _loaded(flows, Path())
        assert self._database is not None  # it is set as long as the test runs
        await self._open(self._database)
        await self.settle()

    async def settle(self) -> None:
        """Perform everything that is due, and let every run show its state. All other methods end with it."""
        await self.runner.idle()
        for run in self._runs:
            number = run.number
            run.show(await self.store.read(lambda c, plans, n=number: reads.run_view(c, plans, n, most=MOST)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    # -- what there is to see -----------------------------------------------------------------------------------

    def calls(self, action: str | None = None) -> list[Call]:
        """The actions that were performed, of all runs; of one name where it is given."""
        return [call for call in self._calls if action in (None, call.action)]

    @property
    def mails(self) -> list[Mailed]:
        return self.messenger.mails

    @property
    def notes(self) -> list[Noted]:
        return self.messenger.notes

    @property
    def tellings(self) -> list[Told]:
        return self.messenger.tellings

    async def ledger(self, run: FlowRun) -> list[ledger.Entry]:
        """The run's entries in the ledger."""
        return await self.store.ledger(run.number)

    # -- inside -------------------------------------------------------------------------------------------------

    async def _open(self, database: Path) -> None:
        self.store = await SqliteStore.open(new_database(database), clock=self.clock, public_url=self._public_url)
        try:
            await self.crowd.register(self.store)
            self.engine = Engine(self.store, self.crowd, self.vault, self.clock)
            await self.engine.use(self.flows)
        except BaseException:
            await self.store.close()
            raise
        self.performer = RecordingPerformer(self._actions, Functions(), self.vault, self.store.ids)
        self.performer.folders = self._folders
        self.performer.calls = self._calls
        self.performer.addresses = TestAddresses(self.store.ids)
        self.performer.sessions = Sessions(self.engine, self.crowd, self.performer.addresses)
        self.runner = Runner(
            self.store, directory=self.crowd, performer=self.performer, messenger=self.messenger, clock=self.clock
        )
        self.runner.start()

    async def _close(self) -> None:
        await self.runner.drain()
        await self.store.close()

    def _clean_up(self) -> None:
        if self._scratch is not None:
            self._scratch.cleanup()


def _loaded(sources: Sequence[Flow | str | Path], folder: Path) -> tuple[list[Flow], dict[str, Path]]:
    """The flows, and the folder in which the functions of each are found. Raises ``DefinitionError``."""
    flows: list[Flow] = []
    folders: dict[str, Path] = {}
    for source in sources:
        if isinstance(source, Flow):
            flows.append(source)
            folders[source.flow] = folder
            continue
        path = Path(source)
        if path.is_dir():
            library = load_folder(path)
            problems, found, where = library.problems, tuple(library.flows.values()), dict(library.folders)
        else:
            loaded = load_file(path)
            problems, found = loaded.problems, loaded.flows
            where = dict.fromkeys((flow.flow for flow in found), loaded.folder)
        if problems:
            raise DefinitionError(problems)
        flows += found
        folders |= where
    return flows, folders


def _check_names(actions: Mapping[str, Any], flows: Iterable[Flow]) -> None:
    used = list(dict.fromkeys(step.action for flow in flows for step in flow.every_step() if step.action is not None))
    for name in actions:
        if name not in used:
            hint = did_you_mean(name, used, within="they run")
            raise ValueError(f"no step runs {name!r}" + (f"; {hint}" if hint else ""))
