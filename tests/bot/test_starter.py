"""What the clock starts, it starts once: whatever fails in between, and however often it is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.people import People
from bot.triggers import AGAIN_AFTER, LONGEST_SLEEP, Starter
from flows.definition import Approval, Flow, Step
from flows.engine import Engine
from flows.people import Person
from flows.store import triggers as rows
from flows.store.connection import StoreError
from flows.store.sqlite import SqliteStore
from flows.store.triggers import Due, Taken
from flows.testing import FakeClock
from flows.vault import Vault

NOTE = Step(id="note", uses="log", with_={"message": "hello"})
PLACE = ("hourly", "0 * * * * UTC")
TEN = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)  # the clock begins at nine


def hourly(*steps: Step, line: str = "0 * * * *", zone: str = "UTC", **trigger: Any) -> Flow:
    return Flow(
        flow="hourly",
        owner="ann@example.com",
        inputs=[{"name": "at", "type": "string", "required": False}],
        steps=steps or (NOTE,),
        triggers=[{"schedule": line, "timezone": zone, "inputs": {"at": "{{ schedule.at }}"}, **trigger}],
    )


class Night:
    """A store, an engine and a starter on a clock that stands still."""

    def __init__(self, store: SqliteStore, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.people = People(store, clock, slack=None)
        self.engine = Engine(store, self.people, Vault(["a key that is long enough for a test"]), clock)
        self.starter = Starter(store, self.engine, self.people, clock)

    async def use(self, *flows: Flow) -> None:
        await self.engine.use(flows)
        await self.starter.use(flows)

    async def passes(self, duration: timedelta | str) -> None:
        self.clock.advance(duration)
        await self.starter.idle()

    async def planned(self) -> list[str]:
        """The planned times of the runs that were started."""

        def read(connection: Any, kept: Any) -> list[str]:
            return [text for (text,) in connection.execute("SELECT inputs ->> 'at' FROM runs ORDER BY id")]

        return await self.store.read(read)

    async def due(self) -> dict[tuple[str, str], datetime]:
        return {one.place: one.due for one in await self.store.read(lambda c, _: rows.schedules(c))}

    async def rows(self) -> dict[str, int]:
        def read(connection: Any, _: object) -> dict[str, int]:
            tables = ("runs", "step_runs", "effects", "ledger", "triggered")
            return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}

        return await self.store.read(read)


@pytest.fixture
async def night(tmp_path: Path) -> AsyncIterator[Night]:
    clock = FakeClock()
    store = await SqliteStore.open(tmp_path / "signoff.db", clock=clock)
    night = Night(store, clock)
    await store.know(Person(0, "Ann", email="ann@example.com"), ["ann@example.com"])
    night.starter.start()
    try:
        yield night
    finally:
        await night.starter.stop()
        await store.close()


async def test_each_planned_time_starts_one_run_and_the_next_is_due(night):
    await night.use(hourly())

    await night.passes("59m")
    before = await night.planned()
    for _ in range(3):
        await night.passes("1h")
        await night.passes("0s")

    assert before == []
    assert await night.planned() == [f"2026-01-05T{hour}:00:00+00:00" for hour in (10, 11, 12)]
    assert await night.due() == {PLACE: TEN + timedelta(hours=3)}


async def test_it_wakes_by_itself_when_a_schedule_is_due_and_looks_every_thirty_seconds(night):
    await night.use(hourly(line="1 9 * * *"))
    await night.starter.idle()
    slept = []
    sleep = night.clock.sleep
    night.clock.sleep = lambda duration: (slept.append(duration), sleep(duration))[1]

    for _ in range(4):
        night.clock.advance("15s")
        for _ in range(50):
            await asyncio.sleep(0.001)

    assert len(await night.planned()) == 1
    assert max(slept) <= LONGEST_SLEEP


async def test_r6_a_clock_that_is_set_forward_makes_up_for_the_last_time_only(night):
    await night.use(hourly())

    night.clock.set(TEN + timedelta(days=3, minutes=10))
    await night.starter.idle()

    assert await night.planned() == ["2026-01-08T10:00:00+00:00"]


async def test_r14_a_clock_that_is_set_back_repeats_nothing_also_after_a_restart(night):
    await night.use(hourly())
    await night.passes("1h")

    night.clock.set(TEN - timedelta(minutes=30))
    await night.starter.idle()
    await night.use(hourly())
    for _ in range(4):
        await night.passes("15m")
    once = await night.planned()
    await night.passes("1h")

    assert once == ["2026-01-05T10:00:00+00:00"]
    assert (await night.planned())[1:] == ["2026-01-05T11:00:00+00:00"]


async def test_a_time_that_is_to_come_is_worked_out_anew_when_flows_are_loaded(night):
    await night.use(hourly())
    wrong = int((TEN + timedelta(minutes=7)).timestamp() * 1000)
    await night.store.write(lambda c: c.execute("UPDATE schedules SET due = ?", (wrong,)))

    await night.use(hourly())

    assert await night.due() == {PLACE: TEN}


async def test_r5_a_start_that_is_cut_off_in_its_transaction_leaves_nothing_and_is_done_anew(night):
    await night.use(hourly())
    before = await night.rows()
    ann = (await night.people.by_email("ann@example.com")).id
    claim = rows.of_schedule(Due(PLACE, TEN), TEN, TEN + timedelta(hours=1))

    def cut_off(connection: Any, run: int, now: datetime) -> None:
        claim(connection, run, now)
        raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError):
        await night.engine.start("hourly", ann, {}, claim=cut_off)
    left = await night.rows(), await night.due()
    await night.passes("1h")

    assert left == (before, {PLACE: TEN})
    assert len(await night.planned()) == 1


async def test_r3_two_that_come_round_at_once_start_one_run(night):
    await night.use(hourly())
    ann = (await night.people.by_email("ann@example.com")).id
    claim = rows.of_schedule(Due(PLACE, TEN), TEN, TEN + timedelta(hours=1))

    results = await asyncio.gather(
        *(night.engine.start("hourly", ann, {}, claim=claim) for _ in range(10)), return_exceptions=True
    )

    assert sum(isinstance(result, Taken) for result in results) == 9
    assert (await night.rows())["runs"] == 1


async def test_a_schedule_that_was_taken_away_meanwhile_starts_nothing(night):
    await night.use(hourly())
    ann = (await night.people.by_email("ann@example.com")).id
    await night.use(hourly(line="30 * * * *"))

    with pytest.raises(Taken):
        await night.engine.start("hourly", ann, {}, claim=rows.of_schedule(Due(PLACE, TEN), TEN, TEN))

    assert (await night.rows())["runs"] == 0


async def test_r17_while_the_disk_is_full_nothing_is_lost_and_it_starts_once_afterwards(night, monkeypatch):
    await night.use(hourly())

    async def full(_start: object) -> Any:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(night.store, "start", full)
    await night.passes("1h")
    during = await night.planned()
    monkeypatch.undo()
    await night.passes(AGAIN_AFTER)
    await night.passes(AGAIN_AFTER)

    assert during == []
    assert await night.planned() == ["2026-01-05T10:00:00+00:00"]


async def test_what_time_does_not_help_is_told_and_the_next_time_is_another_chance(night, caplog):
    nobody = Step(id="gate", approval=Approval(approvers=("ann@example.com",)))
    await night.use(hourly(nobody))
    await night.passes("1h")
    told = [record.message for record in caplog.records]
    await night.use(hourly())
    await night.passes("1h")

    assert told == ["a schedule could not start its run"]
    assert await night.planned() == ["2026-01-05T11:00:00+00:00"]


async def test_a_fault_of_ours_stops_neither_this_schedule_nor_the_others(night, monkeypatch, caplog):
    other = Flow(flow="other", owner="ann@example.com", steps=[NOTE], triggers=[{"schedule": "0 * * * *"}])
    await night.use(hourly(), other)
    start = night.engine.start

    async def fails_for_hourly(flow: str, *args: Any, **more: Any) -> Any:
        if flow == "hourly":
            raise LookupError("not foreseen")
        return await start(flow, *args, **more)

    monkeypatch.setattr(night.engine, "start", fails_for_hourly)
    await night.passes("1h")
    during = await night.rows()
    monkeypatch.undo()
    await night.passes("1h")

    assert during["runs"] == 1
    assert "for a reason that nobody foresaw" in caplog.text
    assert (await night.rows())["runs"] == 3


async def test_a_condition_that_does_not_hold_starts_nothing_and_is_asked_again_next_time(night):
    await night.use(hourly(**{"if": "schedule.at | date('%H') == '11'"}))

    for _ in range(3):
        await night.passes("1h")

    assert await night.planned() == ["2026-01-05T11:00:00+00:00"]


async def test_a_run_knows_where_it_comes_from(night):
    await night.use(hourly())
    await night.passes("1h")

    found = await night.store.read(
        lambda c, _: c.execute(
            "SELECT t.trigger, t.cause, t.depth FROM triggered t JOIN runs r ON r.id = t.run"
        ).fetchall()
    )
    assert found == [("schedule 0 * * * * UTC", None, 0)]


async def test_a_run_is_its_owners(night):
    await night.use(hourly())
    await night.passes("1h")

    ann = (await night.people.by_email("ann@example.com")).id
    (requester,) = await night.store.read(lambda c, _: c.execute("SELECT requester FROM runs").fetchone())
    assert requester == ann
