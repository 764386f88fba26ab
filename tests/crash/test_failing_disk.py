"""R17 under a run that goes on: the database refuses for a while, nothing is half done, and it goes on by itself."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.definition import Approval, Flow, Step
from flows.run import Door, Verdict
from flows.store.connection import StoreError
from flows.testing import FlowTest

ANN, BOB, CAY = "ann@example.com", "bob@example.com", "cay@example.com"
GATE = Flow(
    flow="gate",
    steps=(Step(id="ask", approval=Approval(approvers=(BOB, CAY), quorum=2)), Step(id="go", uses="log")),
)


class Locked:
    """Another program writes to the file for longer than anybody waits."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


@contextmanager
def another_program(path: Path) -> Iterator[Locked]:
    other = Locked(path)
    try:
        yield other
    finally:
        other.close()


async def patience_of(t: FlowTest, milliseconds: int) -> None:
    """How long the store waits for others: five seconds as shipped, which no test should take."""
    await t.store._writer.raw(lambda c: c.execute(f"PRAGMA busy_timeout = {milliseconds}").fetchall())


async def writing(t: FlowTest, allowed: bool) -> None:
    """Let the file be read-only for the store, as it is when a disk was mounted anew after an error."""
    await t.store._writer.raw(lambda c: c.execute(f"PRAGMA query_only = {not allowed}"))


class Heard(logging.Handler):
    """Lets a test wait for a line of the log."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self._line, self.event = line, asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == self._line:
            self.event.set()


@contextmanager
def heard(line: str) -> Iterator[asyncio.Event]:
    handler, log = Heard(line), logging.getLogger("flows.runner")
    log.addHandler(handler)
    try:
        yield handler.event
    finally:
        log.removeHandler(handler)


async def test_R17_a_database_that_became_read_only_tells_everybody_and_still_shows_what_there_is():
    async with FlowTest(GATE, people=[ANN, BOB, CAY]) as t:
        run = await t.start(by=ANN)
        n = run.suspension().suspension.n
        people = [await t.crowd.meet(t.store, who) for who in (BOB, CAY)]

        async def click(person):
            return await t.engine.decide(run.number, n, person.id, Verdict.APPROVE, door=Door.PAGE)

        await writing(t, allowed=False)
        told = await asyncio.gather(*map(click, people), return_exceptions=True)
        await t.settle()
        shown = run.suspension().decisions
        await writing(t, allowed=True)
        await asyncio.gather(*map(click, people))
        await t.settle()

        assert [type(one) for one in told] == [StoreError, StoreError]
        assert shown == ()
        assert run.outcome == "succeeded"


async def test_R17_a_result_that_cannot_be_saved_is_repeated_with_its_key_once_the_database_is_back(tmp_path):
    path = tmp_path / "gate.db"
    flow = Flow(flow="job", steps=(Step(id="work", uses="log"), Step(id="after", uses="log")))
    with another_program(path) as other, heard("the store failed") as failed:

        def answer(_params):
            if len(t.calls()) == 1:
                other.begin()
            return len(t.calls())

        async with FlowTest(flow, people=[ANN], actions={"log": answer}, database=path) as t:
            await patience_of(t, 1)
            starting = asyncio.create_task(t.start(by=ANN))
            await failed.wait()
            other.end()
            t.clock.advance("1s")
            run = await starting

            assert run.outcome == "succeeded"
            assert [call.step for call in t.calls()] == ["work", "work", "after"]
            assert t.calls()[0].key == t.calls()[1].key
            assert {step: result.output for step, result in run.steps.items()} == {"work": 2, "after": 3}
