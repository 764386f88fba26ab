"""R13: what Part 1 left behind goes on: its database is brought up to date, and every run of it ends as it was to end.

``part_one.sql`` is a database that the code of Part 1 wrote; ``make_part_one.py`` says how.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.links import PageLinks
from flows import ledger
from flows.definition import SCHEMA, Approval, Flow, Step
from flows.engine import Once
from flows.errors import Closed, DecidedByYou, NotWaiting, SelfApproval
from flows.links import Keyring
from flows.run import Door, Verdict
from flows.store import reads
from flows.store.migrations import available, migrate, version
from flows.testing import FlowTest
from flows.testing.flow_test import MOST
from flows.testing.run import FlowRun

SQL = (Path(__file__).parent / "part_one.sql").read_text()
KNOWN: dict[str, Any] = json.loads(SQL.splitlines()[1].removeprefix("-- "))
ANN, BOB, CAY, DAN, EVE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "eve"))

# The flow of most of these runs as somebody has edited it meanwhile; the others are gone.
RELEASE = Flow(
    flow="release",
    inputs=[{"name": "version", "type": "string"}],
    steps=[Step(id="edited", approval=Approval(approvers=(EVE,))), Step(id="other", uses="log")],
)


def database_of_part_one(folder: Path) -> Path:
    path = folder / "signoff.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SQL)
    return path


@pytest.fixture
async def upgraded(tmp_path):
    """Today's engine on the database of Part 1."""
    async with FlowTest(
        RELEASE,
        people=[ANN, BOB, CAY, DAN, EVE],
        groups={"@release-managers": [CAY, DAN]},
        admins=[EVE],
        now=datetime.fromisoformat(KNOWN["now"]) + timedelta(minutes=5),
        database=database_of_part_one(tmp_path),
        secret_key=KNOWN["key"],
    ) as t:
        await t.settle()
        yield t


async def run_of(t: FlowTest, name: str) -> FlowRun:
    """A run that Part 1 has started."""
    number = KNOWN["runs"][name]
    view = await t.store.read(lambda c, plans: reads.run_view(c, plans, number, most=MOST))
    run = FlowRun(view, t.store.ids, t._calls)
    t._runs.append(run)
    return run


async def verifies(t: FlowTest, run: FlowRun) -> bool:
    return ledger.broken_at(await t.ledger(run)) is None


def test_the_file_is_a_database_of_schema_one_with_definitions_of_schema_one(tmp_path):
    with closing(sqlite3.connect(database_of_part_one(tmp_path))) as connection:
        bodies = [json.loads(body) for (body,) in connection.execute("SELECT body FROM definitions")]

        assert version(connection) == 1
        assert {body["schema"] for body in bodies} == {1}
        assert SCHEMA > 1
        migrate(connection)
        assert version(connection) == len(available()) > 1


async def test_r13_an_approval_that_part_one_opened_is_decided_and_its_run_goes_on(upgraded):
    run = await run_of(upgraded, "release")
    asked = run.suspension("gate").suspension
    await upgraded.approve(run, by=CAY, form={"window": "now"})

    assert asked.digest.hex() == KNOWN["digest"]
    assert run.outcome == "succeeded"
    assert list(run.steps) == ["build", "gate", "ship", "tell"]
    ship, tell = run.calls()[-2:]
    assert ship.params == {
        "method": "POST",
        "url": "https://ci.example.com/ship",
        "headers": {"Authorization": "Bearer s3cr3t-token-of-a-release"},
        "json": {"build": "https://ci.example.com/7", "window": "now", "note": "from the build"},
    }
    assert tell.params["text"] == "1.4.0: Bob, Cay"
    assert await verifies(upgraded, run)


async def test_r13_what_was_said_before_the_upgrade_counts_once_and_may_be_taken_back_after_it(upgraded):
    run = await run_of(upgraded, "release")
    said = {"window": "tonight", "note": "mine"}
    with pytest.raises(DecidedByYou):
        await upgraded.approve(run, by=BOB, comment="Tests are green.", form=said)
    with pytest.raises(SelfApproval):
        await upgraded.approve(run, by=ANN)
    await upgraded.withdraw(run, by=BOB)
    await upgraded.approve(run, by=CAY)

    assert run.status == "waiting"
    assert [answer["comment"] for answer in run.steps["gate"].decisions] == [None]
    assert await verifies(upgraded, run)


async def test_r13_a_rejection_after_the_upgrade_goes_on_as_the_old_definition_says(upgraded):
    run = await run_of(upgraded, "release")
    await upgraded.reject(run, by=DAN, comment="Not on a Friday.")

    assert (run.outcome, run.steps["ship"].state) == ("succeeded", "skipped")
    assert run.calls()[-1].params["text"] == "1.4.0: Bob"
    assert await verifies(upgraded, run)


async def test_r13_a_link_that_part_one_mailed_still_opens_its_page(upgraded):
    links = PageLinks(Keyring([KNOWN["key"]]), upgraded.clock, "https://signoff.example.com")
    link = links.open(KNOWN["link"].rpartition("/")[2])
    view = links.check_current(link, await upgraded.engine.peek(link.run, link.n))
    cay = await upgraded.crowd.meet(upgraded.store, CAY)

    assert (view.run.id, link.person) == (KNOWN["runs"]["release"], cay.id)
    assert links.url(view, cay.id) == KNOWN["link"]


async def test_r13_quorum_all_is_still_everybody_who_was_asked(upgraded):
    run = await run_of(upgraded, "unanimous")
    await upgraded.approve(run, by=CAY)
    one = run.status
    await upgraded.approve(run, by=DAN)

    assert (one, run.outcome) == ("waiting", "succeeded")
    assert run.calls()[-1].params["message"] == "Cay, Dan"


async def test_r13_a_hold_is_resumed_with_the_form_that_it_was_opened_with(upgraded):
    run = await run_of(upgraded, "hold")
    await upgraded.resume(run, by=ANN, form={"count": 3, "pin": "4711"})

    assert run.outcome == "succeeded"
    assert run.calls()[-1].params["message"] == "3 Ann 4711"
    assert await verifies(upgraded, run)


async def test_r13_the_timers_of_part_one_fire_once_and_when_they_were_due(upgraded):
    delay, late, hold = [await run_of(upgraded, name) for name in ("delay", "late", "hold")]
    await upgraded.advance(timedelta(hours=11, minutes=54))
    before = delay.status
    await upgraded.advance("1m")
    after = delay.outcome
    await upgraded.advance("12h")

    assert (before, after) == ("waiting", "succeeded")
    assert (late.outcome, late.calls()[-1].params["message"]) == ("succeeded", True)
    assert (hold.outcome, hold.reason) == ("failed", "fill: nobody resumed in time")
    for run in (delay, late, hold):
        assert await verifies(upgraded, run)


async def test_r13_an_action_that_was_to_be_tried_again_is_tried_again_under_the_same_key(upgraded):
    upgraded.performer.actions["http.request"] = {"status": 200, "headers": {}, "body": "at last"}
    run = await run_of(upgraded, "flaky")
    waiting = run.calls()
    await upgraded.advance("1h")

    assert waiting == []
    assert run.outcome == "succeeded"
    (call, _) = run.calls()
    assert (call.key, call.attempt) == (f"{run.id}/call/1/action", 2)


@pytest.mark.parametrize("helps", ["retry", "skip"])
async def test_r13_an_effect_that_part_one_parked_is_freed(upgraded, helps):
    upgraded.performer.actions["gmail.send"] = {"id": "sent"}
    run = await run_of(upgraded, "unsure")
    (parked,) = run.parked
    await getattr(upgraded, helps)(run, by=EVE)

    assert parked.error is not None
    assert "the connection broke" in parked.error
    assert run.outcome == "succeeded"
    assert run.steps["mail"].output == ({"id": "sent"} if helps == "retry" else None)
    assert await verifies(upgraded, run)


async def test_r13_a_start_under_the_key_of_part_one_finds_its_run(upgraded):
    ann = await upgraded.crowd.meet(upgraded.store, ANN)
    given = {"version": "1.5.0", "token": "s3cr3t-token-of-a-release", "first": BOB}
    run, new = await upgraded.engine.start("release", ann.id, given, once=Once(1, "build-4711"))

    assert (run.id, new) == (KNOWN["runs"]["keyed"], False)


async def test_r13_runs_that_part_one_ended_never_move(upgraded):
    approved, rejected = await run_of(upgraded, "approved"), await run_of(upgraded, "rejected")
    with pytest.raises(Closed):
        await upgraded.approve(rejected, by=BOB)

    assert (approved.outcome, rejected.outcome, rejected.reason) == ("succeeded", "rejected", "Not on a Friday.")
    assert rejected.ended_by == ["Bob"]
    assert [entry.seq for entry in await upgraded.ledger(rejected)] == [1, 2]
    assert await verifies(upgraded, rejected)


async def test_r13_what_part_two_brings_is_there_for_runs_of_part_one(upgraded):
    paused, dropped = await run_of(upgraded, "release"), await run_of(upgraded, "unanimous")
    await upgraded.pause(paused, by=ANN)
    await upgraded.approve(paused, by=CAY)
    halted = paused.status
    await upgraded.unpause(paused, by=ANN)
    await upgraded.drop(dropped, by=EVE, reason="Dan has left.")
    bob = await upgraded.crowd.meet(upgraded.store, BOB)
    with pytest.raises(NotWaiting):
        await upgraded.engine.decide(KNOWN["runs"]["delay"], 1, bob.id, Verdict.APPROVE, door=Door.API)

    assert (halted, paused.outcome) == ("paused", "succeeded")
    assert (dropped.outcome, dropped.steps["everybody"].dropped) == ("succeeded", True)


async def test_r13_a_run_of_today_uses_the_definition_of_today(upgraded):
    run = await upgraded.start("release", by=ANN, inputs={"version": "2.0.0"})
    await upgraded.approve(run, by=EVE)

    assert list(run.steps) == ["edited", "other"]
