"""Properties need teeth: bugs that somebody might write are planted in a private copy, and the laws have to catch each.

A property whose generator never comes to the point passes whatever the code does. So each line of the table
breaks one rule of the engine, and the laws of ``test_properties`` are run over the broken copy.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

EXAMPLES = 1_200
"""Most bugs are found by the first fifty; the rarest take a merge between a look-up and the wait, or a stranger at a group."""

HUNT = """
import sys
sys.path.insert(0, ".")
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from laws import Laws
run_state_machine_as_test(Laws, settings=settings(
    max_examples=EXAMPLES, stateful_step_count=30, deadline=None, derandomize=True, database=None,
    phases=[Phase.generate], report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
))
"""


class Bug(NamedTuple):
    """``right`` stands exactly once in ``file``, and ``wrong`` is what somebody might have written."""

    name: str
    file: str
    right: str
    wrong: str


MACHINE, TRANSITION, QUORUM, STORE = (
    "flows/machine.py",
    "flows/transition.py",
    "flows/quorum.py",
    "flows/store/sqlite.py",
)

BUGS = [
    Bug("self-approval is not checked", QUORUM, "and person == requester and not wait.self_approval:", "and False:"),
    Bug("the quorum is one short", QUORUM, ">= suspension.needed else None", ">= suspension.needed - 1 else None"),
    Bug("the quorum takes one too many", QUORUM, ">= suspension.needed else None", "> suspension.needed else None"),
    Bug("a rejection is ignored", QUORUM, "if Verdict.REJECT in verdicts:", "if False:"),
    Bug(
        "a stranger is let in where groups were not asked",
        QUORUM,
        "raise MembershipsNeeded(approvers.groups)",
        "return",
    ),
    Bug(
        "all is not frozen when it opens", QUORUM, "Approvers(eligible, (), gaps)", "Approvers(eligible, groups, gaps)"
    ),
    Bug("an admin is an approver", QUORUM, "and not wait.by and admin)", "and not wait.by and admin) or admin"),
    Bug("anybody may cancel", QUORUM, "if person != requester and not admin:", "if False:"),
    Bug("a merge lets the requester count", MACHINE, "kept.pop(draft.run.requester, None)", "pass"),
    Bug("a merge leaves two votes of one human", MACHINE, "kept = {one(decision.person):", "kept = {decision.person:"),
    Bug("a merge is not told to the runs", STORE, "for run_id in concerned:", "for run_id in concerned[:0]:"),
    Bug(
        "somebody who was merged decides as two",
        STORE,
        "person=self._present(connection, event.person)",
        "person=event.person",
    ),
    Bug("a decision at the deadline counts", MACHINE, "draft.now >= suspension.due:", "draft.now > suspension.due:"),
    Bug(
        "a deadline waits for its timer",
        MACHINE,
        "suspension.due is not None and draft.now >= suspension.due:",
        "False:",
    ),
    Bug(
        "a timer at the deadline is too early",
        MACHINE,
        "if draft.now < suspension.due:",
        "if draft.now <= suspension.due:",
    ),
    Bug("an early timer expires", MACHINE, "if draft.now < suspension.due:", "if False:"),
    Bug(
        "a late timer is not ignored",
        MACHINE,
        "if suspension is None or suspension.closing is not None or suspension.due is None:",
        "if suspension is None or suspension.due is None:",
    ),
    Bug(
        "silence approves where the flow says continue",
        MACHINE,
        'if on_timeout == "approve":',
        'if on_timeout in ("approve", "continue"):',
    ),
    Bug(
        "closing leaves the timer",
        MACHINE,
        "    draft.effects.append(Withdraw(suspension.path))\n    if suspension.kind",
        "    if suspension.kind",
    ),
    Bug("a cancel leaves the effects", MACHINE, "    draft.effects.append(Withdraw())\n", ""),
    Bug(
        "a changed decision counts twice",
        MACHINE,
        "quorum.tally(wait, suspension, standing)",
        "quorum.tally(wait, suspension, {**standing, **({0: event.verdict} if before else {})})",
    ),
    Bug("the same answer counts again", MACHINE, "        and not draft.secrets\n", "        and False\n"),
    Bug(
        "the digest is not checked", MACHINE, "event.digest is not None and event.digest != suspension.digest", "False"
    ),
    Bug(
        "a closed approval takes decisions",
        MACHINE,
        "        raise Closed(became)\n",
        "",
    ),
    Bug(
        "an older attempt's result is taken",
        MACHINE,
        "            if (step := _acting(draft, event)) and event.attempt == step.attempt:\n                _action_done",
        "            if step := _acting(draft, event):\n                _action_done",
    ),
    Bug("an action that has ended ends again", MACHINE, "step.state is StepState.ACTING and step.round", "step.round"),
    Bug("a look-up opens a wait again", MACHINE, "step.state is not StepState.RESOLVING or step.round", "step.round"),
    Bug("another attempt has the number of the last", MACHINE, "attempt=step.attempt + 1", "attempt=step.attempt"),
    Bug("an ended run can be cancelled", MACHINE, "if slice_.run.ending is not None and not", "if False and not"),
    Bug("a suspension takes a number that was used", TRANSITION, "self.newest += 1", "self.newest = 1"),
    Bug(
        "looking people up counts as waiting",
        TRANSITION,
        "_ACTING = (StepState.ACTING, StepState.RESOLVING)",
        "_ACTING = (StepState.ACTING,)",
    ),
    Bug(
        "a performed effect stays", STORE, "outbox.settle(connection, settles) if settles is not None else None", "None"
    ),
    Bug(
        "the ledger skips a link",
        STORE,
        "ledger.GENESIS if run.version == 1 else",
        "ledger.GENESIS if run.version <= 2 else",
    ),
    Bug(
        "a refused decision is kept",
        STORE,
        "        transition = machine.advance(",
        "        connection.execute(\"UPDATE runs SET version = version + 0, reason = 'x' WHERE id = ?\", (run_id,))\n"
        "        transition = machine.advance(",
    ),
    Bug(
        "a timer that was too early twice is armed twice",
        MACHINE,
        "        draft.effects.append(Withdraw(suspension.path))\n        draft.effects.append(FireTimer(",
        "        draft.effects.append(FireTimer(",
    ),
    Bug("who was merged is mailed twice", "flows/store/people.py", "AND id NOT IN ", "AND NOT id IN (0) AND 0 IN "),
    Bug(
        "who took over is not told",
        "flows/store/slices.py",
        "        found |= {person.id: person for person in read.values()}\n",
        "",
    ),
    Bug(
        "the seats of a closed approval stay",
        "flows/store/slices.py",
        '"DELETE FROM seats WHERE who = ? AND run = ? AND n = ?"',
        '"DELETE FROM seats WHERE who = ? AND run = ? AND n = -?"',
    ),
    Bug("a slice lacks who has decided", "flows/store/slices.py", "        standing=standing,\n", ""),
    Bug(
        "a slice lacks what later steps read",
        "flows/store/slices.py",
        "Reads() if alone else plan.at(path).event_reads",
        "Reads()",
    ),
]


def hunt(folder: Path, examples: int) -> subprocess.CompletedProcess[str]:
    """Run the laws over the copy in ``folder``, always with the same examples."""
    return subprocess.run(  # noqa: S603 -- our own interpreter on our own copy
        [sys.executable, "-c", HUNT.replace("EXAMPLES", str(examples))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def copy(folder: Path) -> None:
    shutil.copytree(ROOT / "flows", folder / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("test_properties.py"), folder / "laws.py")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Nothing is said by a bug that is caught where everything fails."""
    folder = tmp_path_factory.mktemp("sound")
    copy(folder)
    found = hunt(folder, 20)
    assert found.returncode == 0, found.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", BUGS, ids=[bug.name.replace(" ", "-") for bug in BUGS])
@pytest.mark.usefixtures("sound")
def test_planted_bugs_are_caught(tmp_path, bug):
    copy(tmp_path)
    text = (tmp_path / bug.file).read_text()
    assert text.count(bug.right) == 1, f"{bug.file} was rewritten; plant {bug.name!r} anew"
    (tmp_path / bug.file).write_text(text.replace(bug.right, bug.wrong))

    caught = hunt(tmp_path, EXAMPLES)

    assert caught.returncode == 1, f"nobody noticed that {bug.name}"
    assert "state = Laws()" in caught.stderr, caught.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_a_planted_bug_the_same_hunt_finds_nothing(tmp_path):
    copy(tmp_path)

    found = hunt(tmp_path, EXAMPLES)

    assert found.returncode == 0, found.stderr


def test_every_planted_bug_still_finds_its_place():
    missing = [bug.name for bug in BUGS if (ROOT / bug.file).read_text().count(bug.right) != 1]

    assert missing == []
