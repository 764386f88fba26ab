"""The store: migrations, one process, commits that many share, and databases that fail."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from flows.definition import Approval, Flow, Step
from flows.errors import ConfigError
from flows.run import Door, Verdict
from flows.store.connection import StoreError
from flows.store.migrations import MigrationError, available, migrate, statements, version
from flows.store.sqlite import SqliteStore
from flows.testing import FakeClock, FlowTest

ANN, BOB = "ann@example.com", "bob@example.com"
GATE = Flow(
    flow="gate",
    inputs=({"name": "text", "type": "string", "required": False, "multiline": True},),
    steps=(Step(id="ask", approval=Approval(approvers=(BOB,))), Step(id="go", uses="log")),
)


async def opened(path: Path) -> SqliteStore:
    return await SqliteStore.open(path, clock=FakeClock())


# -- migrations -----------------------------------------------------------------------------------------------


def test_a_migration_that_fails_is_undone_whole_and_those_before_it_stay():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        good = (1, "0001_good.sql", "CREATE TABLE a (x);\nCREATE TABLE b (x);\n")
        bad = (2, "0002_bad.sql", "CREATE TABLE c (x);\nINSERT INTO a VALUES (1);\nCREATE TABLE b (x);\n")
        with pytest.raises(MigrationError, match=r"0002_bad\.sql: table b already exists"):
            migrate(connection, [good, bad])

        assert version(connection) == 1
        assert _tables(connection) == {"a", "b"}
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (0,)
        assert not connection.in_transaction


def test_only_what_is_missing_is_applied():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        first, second = (1, "0001_a.sql", "CREATE TABLE a (x);"), (2, "0002_b.sql", "CREATE TABLE b (x);")
        migrate(connection, [first])
        migrate(connection, [first, second])
        migrate(connection, [first, second])

        assert (version(connection), _tables(connection)) == (2, {"a", "b"})


def test_a_script_that_ends_inside_a_statement_is_refused():
    with pytest.raises(MigrationError, match="ends inside a statement"):
        list(statements("CREATE TABLE a (x);\nCREATE TABLE b (x)"))


def test_a_semicolon_in_a_text_or_a_trigger_ends_no_statement():
    script = "INSERT INTO a VALUES (';\n');\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n SELECT 1;\n SELECT 2;\nEND;\n"

    assert len(list(statements(script))) == 2


def test_the_migrations_are_numbered_without_a_gap():
    assert [number for number, _, _ in available()] == list(range(1, len(available()) + 1))


async def test_a_database_of_a_newer_signoff_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "signoff.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match=r"written by a newer Signoff \(schema 99"):
        await opened(path)
    with closing(sqlite3.connect(path)) as connection:
        assert (version(connection), _tables(connection)) == (99, set())


# -- one process ----------------------------------------------------------------------------------------------


async def test_a_second_process_is_refused_until_the_first_has_closed(tmp_path):
    path = tmp_path / "signoff.db"
    first = await opened(path)
    with pytest.raises(ConfigError, match="in use by another Signoff process"):
        await opened(path)
    await first.close()
    second = await opened(path)
    await second.close()


async def test_a_database_that_somebody_else_has_taken_over_is_written_no_more(tmp_path):
    async with FlowTest(GATE, people=[ANN, BOB], database=tmp_path / "test.db") as t:
        run = await t.start(by=ANN)
        with closing(sqlite3.connect(tmp_path / "test.db")) as other, other:
            other.execute("UPDATE meta SET value = value + 1 WHERE key = 'epoch'")
        bob = await t.crowd.meet(t.store, BOB)
        with pytest.raises(StoreError, match="another process has taken this database over"):
            await t.engine.decide(run.number, 1, bob.id, Verdict.APPROVE, door=Door.API)
        with pytest.raises(StoreError):
            await t.engine.start("gate", bob.id, {})

        assert (await t.engine.run(run.number, bob.id)).status == "waiting"


async def test_ids_stay_the_same_when_the_database_is_opened_again(tmp_path):
    first = await opened(tmp_path / "signoff.db")
    before = first.ids.run(1)
    await first.close()
    second = await opened(tmp_path / "signoff.db")
    after = second.ids.run(1)
    await second.close()
    other = await opened(tmp_path / "other.db")
    elsewhere = other.ids.run(1)
    await other.close()

    assert before == after != elsewhere


# -- commits --------------------------------------------------------------------------------------------------


async def test_many_who_write_at_the_same_time_share_one_commit():
    async with FlowTest(GATE, people=[ANN, BOB]) as t:
        await t.runner.drain()
        ann = await t.crowd.meet(t.store, ANN)
        said: list[str] = []
        await t.store._writer.raw(lambda c: c.set_trace_callback(said.append))
        await asyncio.gather(*[t.engine.start("gate", ann.id, {}) for _ in range(50)])
        await t.store._writer.raw(lambda c: c.set_trace_callback(None))

        assert said.count("COMMIT") == 1
        assert await _count(t.store, "runs") == 50


async def test_nothing_less_than_full_synchronisation_and_foreign_keys():
    async with FlowTest(GATE, people=[ANN, BOB]) as t:
        pragmas = await t.store._writer.raw(
            lambda c: [
                c.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode", "foreign_keys")
            ]
        )

        assert pragmas == [2, "wal", 1]


async def test_a_piece_of_work_that_raises_undoes_itself_and_nobody_else():
    async with FlowTest(GATE, people=[ANN, BOB]) as t:

        def writes(key: str):
            return lambda c: c.execute("INSERT INTO meta (key, value) VALUES (?, 1)", (key,))

        def fails(connection):
            writes("half")(connection)
            raise LookupError("mine")

        said: list[str] = []
        await t.store._writer.raw(lambda c: c.set_trace_callback(said.append))
        results = await asyncio.gather(
            t.store.write(writes("one")),
            t.store.write(fails),
            t.store.write(writes("one")),  # the key is taken: this piece breaks a rule of the database
            t.store.write(writes("two")),
            return_exceptions=True,
        )
        await t.store._writer.raw(lambda c: c.set_trace_callback(None))
        keys = await t.store.read(lambda c, _: {row[0] for row in c.execute("SELECT key FROM meta")})

        assert [type(result) for result in results] == [
            sqlite3.Cursor,
            LookupError,
            sqlite3.IntegrityError,
            sqlite3.Cursor,
        ]
        assert said.count("COMMIT") == 1
        assert keys == {"seed", "epoch", "one", "two"}


async def test_a_piece_of_work_that_raises_alone_is_undone_too():
    async with FlowTest(GATE, people=[ANN, BOB]) as t:

        def fails(connection):
            connection.execute("INSERT INTO meta (key, value) VALUES ('half', 1)")
            raise LookupError("mine")

        with pytest.raises(LookupError):
            await t.store.write(fails)

        assert await _count(t.store, "meta") == 2


async def test_work_that_was_handed_in_is_finished_by_close_and_refused_after_it(tmp_path):
    store = await opened(tmp_path / "signoff.db")
    handed_in = asyncio.create_task(store.write(lambda c: c.execute("INSERT INTO meta VALUES ('kept', 1)")))
    await asyncio.sleep(0)
    await store.close()
    await handed_in
    with pytest.raises(StoreError, match="the database is closed"):
        await store.write(lambda c: c.execute("SELECT 1"))
    with closing(sqlite3.connect(tmp_path / "signoff.db")) as connection:
        assert connection.execute("SELECT count(*) FROM meta WHERE key = 'kept'").fetchone() == (1,)


async def test_the_number_of_an_effect_is_never_given_twice():
    flow = Flow(flow="chain", steps=tuple(Step(id=f"s{n}", uses="log") for n in range(3)))
    async with FlowTest(flow, people=[ANN]) as t:
        seen: list[int] = []
        t.store.on_ready(lambda leased: (seen.extend(one.id for one in leased), t.runner.offer(leased)))
        await t.start(by=ANN)
        await t.start(by=ANN)

        assert len(seen) == 6
        assert len(set(seen)) == 6


# -- databases that fail --------------------------------------------------------------------------------------


async def test_R17_disk_full_in_the_middle_of_a_batch_fails_all_of_it_and_leaves_nothing_half_written():
    async with FlowTest(GATE, people=[ANN, BOB]) as t:
        ann = await t.crowd.meet(t.store, ANN)
        before = await t.start(by=ANN)
        rows = await _all_counts(t.store)
        await t.store._writer.raw(_fill_up)
        large = {"text": "x" * 3_000}
        results = await asyncio.gather(
            *[t.engine.start("gate", ann.id, large) for _ in range(50)], return_exceptions=True
        )
        rows_when_full = await _all_counts(t.store)
        checked = await t.store.read(lambda c, _: c.execute("PRAGMA integrity_check").fetchone())
        await t.store._writer.raw(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchall())
        await t.approve(before, by=BOB)
        after = await t.start(by=ANN, inputs=large)

        assert {type(result) for result in results} == {StoreError}
        assert {str(result) for result in results} == {"the database refused: database or disk is full"}
        assert rows_when_full == rows
        assert checked == ("ok",)
        assert before.outcome == "succeeded"
        assert after.status == "waiting"
        assert after.number > before.number + 1  # a number that was given and undone is not given again


async def test_R17_a_decision_that_cannot_be_written_is_not_told_as_counted_and_counts_when_it_is_repeated():
    async with FlowTest(GATE, people=[ANN, BOB]) as t:
        run = await t.start(by=ANN)
        bob = await t.crowd.meet(t.store, BOB)
        await t.store._writer.raw(lambda c: c.execute("PRAGMA busy_timeout = 0").fetchall())
        path = t._database
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked"):
                await t.engine.decide(run.number, 1, bob.id, Verdict.APPROVE, door=Door.API)
            still = (await t.engine.run(run.number, bob.id)).status
            other.execute("ROLLBACK")
        await t.approve(run, by=BOB)

        assert still == "waiting"
        assert run.outcome == "succeeded"


@pytest.mark.parametrize(
    "content", [b"this is no database, whatever its name says" * 100, b"SQLite format 3\x00" + b"\xff" * 4096]
)
async def test_R17_a_file_that_is_no_database_is_refused_by_name(tmp_path, content):
    path = tmp_path / "signoff.db"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"signoff\.db cannot be used: "):
        await opened(path)

    assert path.read_bytes() == content


async def test_R17_a_database_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "signoff.db").mkdir()

    with pytest.raises(ConfigError, match=r"signoff\.db cannot be used: unable to open"):
        await opened(tmp_path / "signoff.db")


async def test_R17_a_database_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be"):
        await opened(tmp_path / "file" / "signoff.db")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
@pytest.mark.parametrize("what", ["file", "folder"])
async def test_R17_a_read_only_database_is_refused(tmp_path, what):
    path = tmp_path / "signoff.db"
    await (await opened(path)).close()
    locked = path if what == "file" else tmp_path
    locked.chmod(0o444 if what == "file" else 0o555)
    try:
        with pytest.raises(ConfigError, match=r"signoff\.db cannot be"):
            await opened(path)
    finally:
        locked.chmod(0o755)


async def test_a_store_that_could_not_be_opened_leaves_no_lock_behind(tmp_path):
    path = tmp_path / "signoff.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigError):
        await opened(path)
    path.unlink()

    await (await opened(path)).close()


def _fill_up(connection: sqlite3.Connection) -> None:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 20}").fetchall()


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


async def _count(store: SqliteStore, table: str) -> int:
    return await store.read(lambda c, _: c.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


async def _all_counts(store: SqliteStore) -> dict[str, int]:
    tables = await store.read(lambda c, _: sorted(_tables(c)))
    return {table: await _count(store, table) for table in tables}
