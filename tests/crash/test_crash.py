"""Killed anywhere, it ends the same: real processes and SIGKILL, at every commit and between any two statements."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("driver.py")

BUILD, SHIP, TELL = "build/1/action", "ship/1/action", "tell/1/action"
ENDING = {
    "status": "succeeded",
    "steps": {
        "ask": ["succeeded", 0, None],
        "build": ["succeeded", 1, {"did": "build"}],
        "confirm": ["succeeded", 0, None],
        "ship": ["succeeded", 2, {"did": "ship", "who": "Bob, Cay"}],
        "tell": ["succeeded", 1, {"did": "tell", "who": ["bob@example.com", "cay@example.com"]}],
    },
    "decisions": [["ask", [["Bob", "approve"], ["Cay", "approve"]]], ["confirm", [["Dan", "approve"]]]],
    "closed": ["approved", "approved"],
    "ledger broken at": None,
    "facts": [
        *["RunStarted", "StepStarted", "StepEnded", "SuspensionOpened", "DecisionCounted", "DecisionCounted"],
        *["SuspensionClosed", "StepEnded", "StepStarted", "StepStarted", "StepEnded", "SuspensionOpened"],
        *["DecisionCounted", "SuspensionClosed", "StepEnded", "StepStarted", "StepEnded", "RunEnded"],
    ],
    "runs": 1,
    "people": 4,
    "effects": 0,
    "cards behind": 0,
    "cards": 1,
    "integrity": "ok",
}
"""What every run of the driver's first flow comes to, whatever happens to it."""


def did(path: str, **what: Any) -> list[Any]:
    return ["succeeded", 1, {"did": path, **what}]


WAITED = ["succeeded", 0, None]
TREE_STEPS = {
    "build": did("build"),
    "each": WAITED,
    "each[0].ask": WAITED,
    "each[0].tell": did("each[0].tell", index=0, who="Bob"),
    "each[1].ask": WAITED,
    "each[1].tell": did("each[1].tell", index=1, who="Cay"),
    "both": WAITED,
    "both.left.send": did("both.left.send", to="a link"),
    "both.right.sub": ["succeeded", 0, {"said": True}],
    "both.right.sub.inner": did("both.right.sub.inner", who="dan@example.com"),
    "both.right.sub.wait": WAITED,
    "both.right.sub.finally.sweep": did("both.right.sub.finally.sweep"),
    "ship": ["succeeded", 2, {"did": "ship", "told": ["Bob", "Cay"], "called": True, "said": True}],
    "finally.clean": did("finally.clean", how="succeeded"),
}
"""What every run of the driver's tree comes to."""

TREE_ACTIONS = Counter(
    {f"{path}/1/action": attempts for path, (_, attempts, output) in TREE_STEPS.items() if output and attempts}
)
TREE_MAILS = {"each[0].ask/1/mail", "each[1].ask/1/mail", "both.right.sub.wait/1/mail"}

TOLD = "/1/tell"
"""The requester hears how it ended."""
MAILS = {"ask/1/mail-1-2", "ask/1/mail-1-3", "confirm/1/mail-2-4"}
CARDS = {"ask/1/card-1-1"}


@contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses nothing that it wrote, so no disk is needed."""
    shared = Path("/dev/shm")  # noqa: S108 -- the folder inside it is made by tempfile
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as folder:
        yield Path(folder)


def drive(*arguments: str | Path) -> list[dict[str, Any]]:
    """Run the driver, and return its records."""
    command = [sys.executable, DRIVER, *map(str, arguments)]
    done = subprocess.run(  # noqa: S603 -- our own interpreter on our own program
        command, cwd=ROOT, env=_environment(), capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PATH": os.defpath}


def keys(record: dict[str, Any], *kinds: str) -> Counter[str]:
    """How often each effect reached the world, by its key; every key of a run begins with the same run."""
    found = [line["key"].partition("/") for line in record["journal"] if not kinds or line["what"] in kinds]
    assert len({run for run, _, _ in found}) <= 1
    return Counter(key for _, _, key in found)


def check_that_it_ended_the_same(record: dict[str, Any], *, kills: int = 1) -> None:
    where = f"killed {record['where']} (point {record['point']})"
    assert record["ending"] == ENDING, where
    # A kill repeats at most what was under way, and always under the key that it had.
    actions, messages = keys(record, "action"), keys(record, "mail")
    assert set(actions) == {BUILD, SHIP, TELL}, where
    assert actions - Counter({BUILD: 1, SHIP: 2, TELL: 1}) <= Counter({BUILD: kills, SHIP: kills, TELL: kills}), where
    assert sum(actions.values()) <= 4 + kills, where
    assert set(messages) == MAILS, where
    assert max(messages.values()) <= 1 + kills, where
    assert set(keys(record, "card")) == CARDS, where
    told = keys(record, "telling")
    assert set(told) == {TOLD}, where
    assert told[TOLD] <= 1 + kills, where
    # Who clicked again after the crash was told what became of the first click, and nobody anything else.
    assert {line.split(": ")[1] for line in record["told"]} <= {"DecidedByYou", "Closed"}, where


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_killed_before_or_after_any_commit_it_always_ends_the_same(tmp_path, part):
    records = drive("sweep", tmp_path, "--kind", "commit", "--first", str(1 + part), "--step", "2")

    *killed, unharmed = records
    assert unharmed["where"] is None
    assert keys(unharmed) == keys(unharmed, "card") + Counter({BUILD: 1, SHIP: 2, TELL: 1, TOLD: 1}) + Counter(
        dict.fromkeys(MAILS, 1)
    )
    assert len(killed) >= 15  # some thirty commits make one run, each with a point before and one after it
    assert {record["where"] for record in killed} <= {"before COMMIT", "after COMMIT"}
    for record in records:
        check_that_it_ended_the_same(record)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_killed_between_any_two_statements_it_always_ends_the_same(part):
    with memory() as folder:
        records = drive("sweep", folder, "--kind", "statement", "--first", str(1 + part), "--step", "6")

    *killed, unharmed = records
    assert unharmed["where"] is None
    assert len(killed) >= 30  # some two hundred statements make one run
    for record in records:
        check_that_it_ended_the_same(record)


def check_that_the_tree_ended_the_same(record: dict[str, Any], facts: Counter[str]) -> None:
    where = f"killed {record['where']} (point {record['point']})"
    ending = record["ending"]
    assert (ending["status"], ending["steps"]) == ("succeeded", TREE_STEPS), where
    # Steps stand side by side, so what becomes true comes in one order or another.
    assert Counter(ending["facts"]) == facts, where
    assert (ending["effects"], ending["ledger broken at"], ending["integrity"]) == (0, None, "ok"), where
    actions, messages = keys(record, "action"), {key.rpartition("mail-")[0] + "mail" for key in keys(record, "mail")}
    assert set(actions) == set(TREE_ACTIONS), where
    # What was under way when it was killed is done once more: a branch beside it may be.
    assert actions - TREE_ACTIONS <= Counter(dict.fromkeys(TREE_ACTIONS, 1)), where
    assert sum(actions.values()) <= sum(TREE_ACTIONS.values()) + 2, where
    assert messages == TREE_MAILS, where
    assert {line.split(": ")[1] for line in record["told"]} <= {"DecidedByYou", "Closed"}, where


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["commit", "statement"])
@pytest.mark.parametrize("part", range(2))
def test_a_tree_that_is_killed_anywhere_always_ends_the_same(kind, part):
    # Some forty commits make one run, with a point before and one after each, and some four hundred statements.
    step = {"commit": 2, "statement": 14}[kind]
    with memory() as folder:
        options = ["--kind", kind, "--first", str(1 + part * step // 2), "--step", str(step), "--flow", "tree"]
        *killed, unharmed = drive("sweep", folder, *options)

    facts = Counter(unharmed["ending"]["facts"])
    assert unharmed["where"] is None
    assert keys(unharmed, "action") == TREE_ACTIONS
    assert (facts["RunEnded"], facts["StepEnded"]) == (1, len(TREE_STEPS))
    assert len(killed) >= 20
    for record in [*killed, unharmed]:
        check_that_the_tree_ended_the_same(record, facts)


@pytest.mark.slow
@pytest.mark.parametrize("again", [9, 25, 40])
def test_killed_again_while_it_recovers_it_still_ends_the_same(again):
    with memory() as folder:
        options = ["--kind", "statement", "--first", "60", "--step", "19", "--again", str(again)]
        *killed, _unharmed = drive("sweep", folder, *options)

    assert len(killed) >= 7
    for record in killed:
        check_that_it_ended_the_same(record, kills=2)


def test_R5_killed_between_the_commit_of_a_decision_and_the_next_step_it_runs_once_after_the_restart():
    with memory() as folder:
        (record,) = drive("sweep", folder, "--kind", "decision", "--first", "2")

    before_the_kill = [line["key"] for line in record["journal"] if line["life"] == 1 and line["what"] == "action"]
    assert record["where"] == "after COMMIT"
    assert [key.partition("/")[2] for key in before_the_kill] == [BUILD]
    assert keys(record, "action") == Counter({BUILD: 1, SHIP: 2, TELL: 1})
    assert record["ending"] == ENDING


@pytest.mark.slow
def test_R3_a_click_whose_answer_was_lost_in_a_crash_is_told_so_when_it_comes_again():
    with memory() as folder:
        (record,) = drive("sweep", folder, "--kind", "decision", "--first", "1")

    assert record["where"] == "after COMMIT"
    assert record["told"] == ["bob@example.com: DecidedByYou: You have said so already: approved. It is counted once."]
    assert record["ending"] == ENDING


@pytest.mark.slow
def test_R6_down_while_a_deadline_passes_it_is_acted_on_once_after_the_restart():
    with memory() as folder:
        waiting, late, later = drive("down", folder)

    assert waiting["ending"]["status"] == "waiting"
    assert keys(waiting, "action") == Counter({BUILD: 1})
    assert late["ending"]["steps"]["ask"][0] == "expired"
    assert late["ending"]["facts"].count("SuspensionClosed") == 1
    assert keys(late, "action") == Counter({BUILD: 1, SHIP: 2})
    assert later["ending"] == late["ending"]
    assert keys(later, "action") == keys(late, "action")


def test_SIGTERM_lets_what_is_under_way_finish_and_begins_nothing_new(tmp_path):
    command = [sys.executable, DRIVER, "serve", str(tmp_path)]
    process = subprocess.Popen(  # noqa: S603 -- our own interpreter on our own program
        command, cwd=ROOT, env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "under way\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "draining\n"
        process.stdin.write("\n")
        process.stdin.close()
        rest = process.stdout.read()

    with closing(sqlite3.connect(tmp_path / "signoff.db")) as connection:
        states = connection.execute("SELECT path, state, output FROM step_runs ORDER BY path").fetchall()
        mails = connection.execute("SELECT path FROM effects WHERE person IS NOT NULL").fetchall()
    assert (process.returncode, rest) == (0, "")
    assert states == [("ask", 2, None), ("build", 3, '{"did":"build"}')]
    assert mails == [("ask",), ("ask",)]  # which nobody has begun
