"""A process to be killed: plays a flow on a database file, and dies where it is told to.

``driver.py sweep`` kills one life after the other at every point of a kind, lets a second life go on, and
prints what came of it, a line of JSON for each point. ``driver.py serve`` stops as a service does, on SIGTERM.
A life is a forked process that dies by SIGKILL: nothing of it gets to clean up. Only this program knows of the
points; the code it plays is as shipped.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import os
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from flows import ledger
from flows.context import Brief, context
from flows.definition import Approval, Flow, Retry, Step
from flows.engine import Engine, Once
from flows.errors import ActionError, Refused
from flows.ports import ActionCall, Json
from flows.run import Door, Verdict
from flows.runner import Posted, Runner
from flows.store import reads
from flows.store.sqlite import SqliteStore
from flows.testing import MONDAY, Crowd, FakeClock
from flows.vault import Vault

ANN, BOB, CAY, DAN = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan"))

TWO_WAITS = Flow(
    flow="two_waits",
    steps=(
        Step(id="build", uses="log"),
        Step(
            id="ask",
            approval=Approval(
                ask="Ship {{ steps.build.output.did }}?",
                approvers=(BOB, CAY),
                quorum=2,
                via=["gmail", {"slack": "#ship"}],
                timeout="12h",
                on_timeout="continue",
            ),
        ),
        Step(id="ship", uses="log", with_={"who": "{{ approvers | join(', ') }}"}, retry=Retry(max=1, delay="1s")),
        Step(id="confirm", approval=Approval(approvers=(DAN,))),
        Step(id="tell", uses="log", with_={"who": "{{ steps.ask.approvers | map(attribute='email') | list }}"}),
    ),
)
"""An action, a wait for two people, an action that fails once, a wait for one, an action."""

CHILD = Flow.model_validate(
    {
        "flow": "child",
        "inputs": [{"name": "who", "type": "string"}],
        "steps": [
            {"id": "inner", "uses": "log", "with": {"who": "{{ inputs.who }}"}},
            {"id": "wait", "approval": {"approvers": ["{{ inputs.who }}"], "via": ["gmail"]}},
        ],
        "outputs": {"said": "{{ steps.wait.approved }}"},
        "finally": [{"id": "sweep", "uses": "log"}],
    }
)
TREE = Flow.model_validate(
    {
        "flow": "tree",
        "steps": [
            {"id": "build", "uses": "log"},
            {
                "id": "each",
                "for_each": [BOB, CAY],
                "concurrency": 2,
                "steps": [
                    {"id": "ask", "approval": {"approvers": ["{{ item }}"], "via": ["gmail"], "timeout": "12h"}},
                    {"id": "tell", "uses": "log", "with": {"index": "{{ index }}", "who": "{{ approvers | join }}"}},
                ],
            },
            {
                "id": "both",
                "parallel": {
                    "left": [{"id": "send", "uses": "log", "with": {"to": "{{ links.resume }}"}, "callback": {}}],
                    "right": [{"id": "sub", "flow": "child", "with": {"who": DAN}}],
                },
            },
            {
                "id": "ship",
                "uses": "log",
                "retry": {"max": 1, "delay": "1s"},
                "with": {
                    "told": "{{ steps.each.output | map(attribute='who') | list }}",
                    "called": "{{ steps.send.callback.body.ok }}",
                    "said": "{{ steps.sub.output.said }}",
                },
            },
        ],
        "finally": [{"id": "clean", "uses": "log", "with": {"how": "{{ run.outcome }}"}}],
    }
)
"""A loop over two waits at the same time, a machine that calls back beside a child flow, and what always runs."""

FLOWS = {"two_waits": (TWO_WAITS,), "tree": (TREE, CHILD)}
PLAYS: dict[str, list[tuple[str, str | None]]] = {
    "two_waits": [("ask", BOB), ("ask", CAY), ("confirm", DAN)],
    "tree": [("each[0].ask", BOB), ("each[1].ask", CAY), ("both.left.send", None), ("both.right.sub.wait", DAN)],
}
"""Who answers what, in which order; nobody is a machine."""


# -- where to die ---------------------------------------------------------------------------------------------


class Points:
    """Counts the points of a kind that a life passes, and ends it at the n-th.

    ``commit``: before and after each COMMIT. ``statement``: before each statement of the writing connection.
    ``decision``: right after the COMMIT that made a decision durable.
    """

    def __init__(self, kind: str, stop_at: int, note: Path) -> None:
        self._kind, self._left, self._note = kind, stop_at, note

    def before(self, sql: str) -> None:
        if self._kind == "statement" or (self._kind == "commit" and sql == "COMMIT"):
            self._pass(f"before {sql}")

    def after(self, sql: str, *, decided: bool) -> None:
        if sql == "COMMIT" and (self._kind == "commit" or (self._kind == "decision" and decided)):
            self._pass("after COMMIT")

    def _pass(self, where: str) -> None:
        self._left -= 1
        if self._left == 0:
            self._note.write_text(where)
            os.kill(os.getpid(), signal.SIGKILL)


class Connection(sqlite3.Connection):
    """SQLite's own connection, which tells ``points`` of each statement. Those that only read are left alone."""

    points: Points | None = None
    _reads = False
    _decided = False

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        return self._told(sql, lambda: super(Connection, self).execute(sql, *rest))

    def executemany(self, sql: str, rest: Iterable[Any], /) -> sqlite3.Cursor:
        return self._told(sql, lambda: super(Connection, self).executemany(sql, rest))

    def _told(self, sql: str, execute: Callable[[], sqlite3.Cursor]) -> sqlite3.Cursor:
        self._reads = self._reads or "query_only" in sql
        if self.points is None or self._reads:
            return execute()
        self._decided = (self._decided or "INTO decisions" in sql) and not sql.startswith("BEGIN")
        self.points.before(sql)
        cursor = execute()
        self.points.after(sql, decided=self._decided)
        return cursor


# -- a life ---------------------------------------------------------------------------------------------------


class Journal:
    """What the world saw: a line for each effect that reached it, kept whatever happens to the process."""

    def __init__(self, path: Path, life: int) -> None:
        self._path, self._life = path, life

    def write(self, what: str, key: str) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps({"life": self._life, "what": what, "key": key}) + "\n")
            file.flush()
            os.fsync(file.fileno())


class World:
    """Performer and messenger: what they do is in the journal before it is answered. Shipping fails at first."""

    def __init__(self, journal: Journal, store: SqliteStore) -> None:
        self._journal, self._store = journal, store

    async def perform(self, brief: Brief, call: ActionCall) -> Json:
        path = brief.path
        self._journal.write("action", call.key)
        if path == "ship" and call.attempt == 1:
            raise ActionError("the harbour is closed", retryable=True)
        values = dict(context(brief.plan, brief.step, brief.path, brief.known, self._store.ids))
        # Which number a wait has may differ, where several open side by side.
        values["links"] = {"resume": "a link" if brief.row.suspension else None}
        params = brief.step.params.render(values)
        return {"did": path, **params}

    async def sync_card(self, card: reads.CardView, call: ActionCall) -> Posted:
        self._journal.write("card", call.key)
        return Posted(card.posted or "C1", card.ts or f"{card.view.suspension.n}.0")

    async def send_mail(self, view: Any, person: int, call: ActionCall) -> None:
        self._journal.write("mail", call.key)

    async def sync_request(self, card: reads.RequestCard, call: ActionCall) -> Posted:
        self._journal.write("request", call.key)
        return Posted(card.posted or "D1", card.ts or "0.1")

    async def tell(self, view: Any, note: Any, person: int | None, times: int, call: ActionCall) -> None:
        self._journal.write("note", call.key)

    async def tell_requester(self, view: Any, call: ActionCall) -> None:
        self._journal.write("telling", call.key)


class Life:
    """One process over the database: opened, played, closed; or cut off anywhere between."""

    def __init__(self, folder: Path, number: int, after: timedelta, flow: str) -> None:
        self.folder = folder
        self.flow = flow
        self.clock = FakeClock(MONDAY + after)
        self.crowd = Crowd([ANN, BOB, CAY, DAN], clock=self.clock)
        self.journal = Journal(folder / "journal", number)
        self.told: list[str] = []

    async def open(self) -> None:
        self.store = await SqliteStore.open(self.folder / "signoff.db", clock=self.clock)
        await self.crowd.register(self.store)
        self.engine = Engine(self.store, self.crowd, Vault(["a key for tests, which guards nothing"]), self.clock)
        await self.engine.use(FLOWS[self.flow])
        world = World(self.journal, self.store)
        self.runner = Runner(self.store, directory=self.crowd, performer=world, messenger=world, clock=self.clock)
        self.runner.start()
        requester = await self.crowd.meet(self.store, ANN)
        run, _ = await self.engine.start(self.flow, requester.id, {}, once=Once(1, "the only one"))
        self.run = run.id

    async def close(self) -> None:
        await self.runner.drain()
        await self.store.close()

    async def answer(self, path: str, who: str | None) -> None:
        """A click, or a machine's request, that comes until it is answered: after a crash it comes again."""
        view = await self.store.read(lambda c, kept: reads.run_view(c, kept, self.run))
        (n,) = [one.suspension.n for one in view.suspensions if one.suspension.path == path]
        try:
            if who is None:
                request = {"method": "POST", "headers": {}, "query": {}, "body": {"ok": True}}
                await self.engine.callback(self.run, n, request, cancels=False)
            else:
                person = await self.crowd.meet(self.store, who)
                await self.engine.decide(self.run, n, person.id, Verdict.APPROVE, door=Door.PAGE)
        except Refused as refusal:
            self.told.append(f"{who}: {type(refusal).__name__}: {refusal}")

    async def play(self, until: str) -> None:
        """``waiting``: up to the first wait. ``end``: with everybody's answers. ``rest``: what happens by itself."""
        await self.settle()
        if until == "end":
            for path, who in PLAYS[self.flow]:
                await self.answer(path, who)
                await self.settle()

    async def settle(self) -> None:
        """Everything that is due is done, further attempts too; deadlines are days away."""
        await self.runner.idle()
        while (due := await self.store.next_due()) is not None and due <= self.clock.now() + timedelta(minutes=1):
            self.clock.advance(due - self.clock.now())
            await self.runner.idle()

    async def look(self) -> dict[str, Any]:
        """How it ended, without what differs between databases (ids, salts)."""
        view = await self.store.read(lambda c, kept: reads.run_view(c, kept, self.run))
        entries = await self.store.ledger(self.run)
        facts = [fact["is"] for entry in entries for fact in json.loads(entry.payload or "{}")["facts"]]

        def rows(connection: sqlite3.Connection, _kept: Any) -> dict[str, Any]:
            one = connection.execute
            return {
                "runs": one("SELECT count(*) FROM runs").fetchone()[0],
                "people": one("SELECT count(*) FROM people").fetchone()[0],
                "effects": one("SELECT count(*) FROM effects").fetchone()[0],
                "cards behind": one("SELECT count(*) FROM cards WHERE wanted > shown").fetchone()[0],
                "cards": one("SELECT count(*) FROM cards").fetchone()[0],
                "integrity": one("PRAGMA integrity_check").fetchone()[0],
            }

        return {
            "status": view.status,
            "steps": {path: [step.state.value, step.attempt, step.output] for path, step in view.steps.items()},
            "decisions": [
                [one.suspension.path, [[one.person(d.person).name, d.verdict.value] for d in one.decisions]]
                for one in sorted(view.suspensions, key=lambda one: one.suspension.opened_at)
                if one.decisions
            ],
            "closed": [one.suspension.closing.how.value for one in view.suspensions if one.suspension.closing],
            "ledger broken at": ledger.broken_at(entries),
            "facts": facts,
            **await self.store.read(rows),
        }


async def live(folder: Path, number: int, after: timedelta, until: str, flow: str) -> None:
    life = Life(folder, number, after, flow)
    await life.open()
    await life.play(until)
    (folder / f"told-{number}").write_text(json.dumps(life.told))
    (folder / f"ending-{number}").write_text(json.dumps(await life.look()))
    if until == "waiting":
        os.kill(os.getpid(), signal.SIGKILL)
    await life.close()


def spawn(
    folder: Path,
    number: int,
    *,
    points: Points | None = None,
    until: str = "end",
    after: timedelta = timedelta(0),
    flow: str = "two_waits",
) -> bool:
    """Live one life in a process of its own. Returns whether it was killed; anything else than that or success raises."""
    pid = os.fork()
    if pid == 0:
        try:
            Connection.points = points
            asyncio.run(live(folder, number, after, until, flow))
        except BaseException:  # noqa: BLE001 -- a forked process must not go on as its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    if status != 0:
        raise SystemExit(f"a life ended with {status}")
    return False


# -- what is asked for ----------------------------------------------------------------------------------------


def record(folder: Path, point: int, lives: int) -> dict[str, Any]:
    def read(name: str) -> Any:
        path = folder / name
        return json.loads(path.read_text()) if path.exists() else None

    journal = folder / "journal"
    return {
        "point": point,
        "where": (folder / "where").read_text() if (folder / "where").exists() else None,
        "ending": read(f"ending-{lives}"),
        "told": read(f"told-{lives}"),
        "journal": [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else [],
    }


def sweep(root: Path, kind: str, points: Iterable[int], again: int, flow: str) -> Iterator[dict[str, Any]]:
    """Kill at each of the points, until a life comes through; then its record, unkilled.

    ``again``: the life after that is killed too, at this point of its own; a third one goes on.
    """
    for point in points:
        folder = root / str(point)
        folder.mkdir()
        killed = spawn(folder, 1, points=Points(kind, point, folder / "where"), flow=flow)
        lives = 1
        if killed and again:
            spawn(folder, 2, points=Points(kind, again, folder / "where"), flow=flow)
            lives = 2
        if killed:
            lives += 1
            spawn(folder, lives, flow=flow)
        yield record(folder, point, lives)
        shutil.rmtree(folder)
        if not killed:
            return


def down(root: Path) -> Iterator[dict[str, Any]]:
    """Killed while it waits, and back after the deadline, twice."""
    spawn(root, 1, until="waiting")
    yield record(root, 1, 1)
    for life, hours in ((2, 13), (3, 14)):
        spawn(root, life, until="rest", after=timedelta(hours=hours))
        yield record(root, life, life)


async def serve(folder: Path) -> None:
    """Say when an action is under way, finish it once a line comes in, and drain on SIGTERM."""
    life = Life(folder, 1, timedelta(0), "two_waits")
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    perform = World.perform

    async def slowly(self: World, brief: Brief, call: ActionCall) -> Json:
        output = await perform(self, brief, call)
        print("under way", flush=True)  # noqa: T201 -- what its test waits for
        await loop.run_in_executor(None, sys.stdin.readline)
        return output

    World.perform = slowly  # type: ignore[method-assign]  # this program's own class
    await life.open()
    await stop.wait()
    draining = asyncio.create_task(life.runner.drain())
    print("draining", flush=True)  # noqa: T201 -- what its test waits for
    await draining
    await life.store.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["sweep", "down", "serve"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kind", default="commit")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--step", type=int, default=0, help="0: no other point than the first")
    parser.add_argument("--again", type=int, default=0)
    parser.add_argument("--flow", default="two_waits", choices=list(FLOWS))
    args = parser.parse_args()
    sqlite3.connect = functools.partial(sqlite3.connect, factory=Connection)  # type: ignore[assignment]  # aiosqlite looks it up there
    if args.what == "serve":
        asyncio.run(serve(args.folder))
        return
    points = count(args.first, args.step) if args.step else [args.first]
    lines = down(args.folder) if args.what == "down" else sweep(args.folder, args.kind, points, args.again, args.flow)
    with suppress(BrokenPipeError):
        for line in lines:
            print(json.dumps(line), flush=True)  # noqa: T201 -- its answer


if __name__ == "__main__":
    main()
