"""The commands, in process, against the real API on a real socket and a real database."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner, Result

import bot
from bot.cli import app
from bot.links import PageLinks
from bot.people import People
from bot.tokens import digest
from bot.web.bearer import Tokens
from bot.web.server import web_app
from bot.web.verification import Verification
from flows.definition import Approval, Flow, Hold, Step
from flows.errors import ActionError
from flows.fields import IntegerField, MultiselectField, Option, StringField
from flows.links import Keyring
from flows.run import Door, Verdict
from flows.testing import FlowTest, Turns

ANN, BOB, CAY = "ann@example.com", "bob@example.com", "cay@example.com"
LOG = Step(id="after", uses="log", with_={"message": "done"})

EXPENSE = Flow(
    flow="expense",
    title="Expense",
    inputs=(StringField(name="what", multiline=True),),
    steps=(
        Step(
            id="ask",
            approval=Approval(
                ask="Pay for {{ inputs.what }}?",
                approvers=(BOB,),
                form=(
                    IntegerField(name="amount", required=False, max=100),
                    MultiselectField(name="from", required=False, options=(Option(value="a"), Option(value="b"))),
                ),
            ),
        ),
        LOG,
    ),
)
HELD = Flow(flow="held", steps=(Step(id="wait", hold=Hold(form=(StringField(name="why"),))), LOG))
SHAKY = Flow(flow="shaky", steps=(Step(id="call", uses="http.request", with_={"url": "https://example.com"}), LOG))
RELEASE = Flow(
    flow="release",
    owner=CAY,
    inputs=(StringField(name="version", default="1.0"),),
    steps=(
        Step(
            id="gate",
            approval=Approval(
                ask="Ship {{ inputs.version }}?",
                approvers=(BOB, CAY),
                quorum=2,
                options=("canary", "everywhere"),
                pre_approval="allow",
            ),
        ),
        LOG,
    ),
    outputs={"how": "{{ steps.gate.option }}"},
)
LOST = ActionError("connection lost", uncertain=True)

runner = CliRunner()


async def signoff(*arguments: str) -> Result:
    """A command as if it were typed; on a thread, so that the server can answer it."""
    return await asyncio.to_thread(runner.invoke, app, list(arguments))


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


@dataclass
class Office:
    """A bot that serves in a folder, and somebody at its terminal."""

    flows: FlowTest
    monkeypatch: pytest.MonkeyPatch
    looked_at: asyncio.Event
    """Set once somebody has looked at a run."""

    async def sits_down(self, person: str, scopes: str = "start,read,decide") -> None:
        """From here on the commands act as this person."""
        made = await signoff("token", "create", "--person", person, "--scopes", scopes)
        assert made.exit_code == 0, made.output
        self.monkeypatch.setenv("SIGNOFF_TOKEN", made.stdout.strip())

    async def started(self, flow: str, *inputs: str) -> str:
        result = await signoff("run", flow, "--json", *(part for each in inputs for part in ("-i", each)))
        assert result.exit_code == 0, result.output
        await self.flows.settle()
        return str(json.loads(result.stdout)["id"])

    async def asked(self) -> str:
        """The id of the one approval that waits for who sits here."""
        (waiting,) = json.loads((await signoff("pending", "--json")).stdout)
        return str(waiting["id"])


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.chdir(tmp_path)
    database = tmp_path / "office.db"
    flows = FlowTest(
        EXPENSE,
        HELD,
        SHAKY,
        RELEASE,
        people=[ANN, BOB, CAY],
        admins=[CAY],
        actions={"http.request": Turns(LOST, LOST, {"status": 200})},
        database=database,
    )
    async with flows as t:
        people = People(t.store, t.clock, slack=None, admins=[CAY])
        keyring = Keyring(["a key for tests, which guards nothing"])
        url = "http://127.0.0.1"
        links = PageLinks(keyring, t.clock, url)
        served = web_app(
            engine=t.engine,
            people=people,
            links=links,
            verification=Verification(t.store, links, keyring, t.clock, url),
            keyring=keyring,
            tokens=Tokens(t.store, people, t.clock),
            clock=t.clock,
            public_url=url,
        )
        looked_at = asyncio.Event()

        async def look(request: web.Request, _response: web.StreamResponse) -> None:
            if request.method == "GET" and "/runs/" in request.path:
                looked_at.set()

        served.on_response_prepare.append(look)
        async with TestServer(served) as server:
            monkeypatch.setenv("SIGNOFF_DATABASE", f"sqlite:///{database}")
            monkeypatch.setenv("SIGNOFF_PUBLIC_URL", str(server.make_url("")))
            yield Office(t, monkeypatch, looked_at)


# -- usage and configuration ----------------------------------------------------------------------------------


def test_every_command_of_the_contract_is_there() -> None:
    named = [
        "init",
        "check",
        "demo",
        "serve",
        "webhook",
        "manifest",
        "doctor",
        "run",
        "pending",
        "show",
        "approve",
        "reject",
        "withdraw",
        "resume",
        "pause",
        "cancel",
        "drop",
        "links",
        "effects",
        "retry",
        "skip",
        "nudge",
        "reassign",
        "delegate",
        "token",
        "connect",
        "people",
    ]

    result = runner.invoke(app, ["--help"])

    assert [line.split()[0] for line in result.output.partition("Commands:")[2].splitlines() if line.strip()] == named


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["reject", "sus_1"], "Missing option '--reason'"),
        (["approve"], "Missing argument"),
        (["drop", "sus_1"], "Missing option '--reason'"),
        (["drop", "run_1", "--reason", "x"], "`signoff show run_1` has the ids"),
        (["resume", "run_1", "sus_1"], "resume the one, then the other"),
        (["resume", "run_1", "-f", "a=b"], "a paused run takes no values"),
        (["links", "run_1", ANN], "say --whole-run, or the step with --step"),
        (["links", "run_1", ANN, "--whole-run", "--step", "ask"], "say --whole-run, or the step with --step"),
        (["run", "expense", "-i", "what"], "'what' is not name=value"),
        (["approve", "sus_1", "-f", "=1"], "'=1' is not name=value"),
        (["token", "create", "--person", "nobody"], "'nobody' is no mail address"),
        (["token", "create", "--person", ANN, "--scopes", "start,rule"], "there is no scope 'rule'"),
        (["token", "create", "--person", ANN, "--expires", "soon"], "'soon' must be a duration"),
        (["token", "create", "--person", ANN, "--expires", "4000d"], "'4000d' is not within ten years"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence_on_standard_error(arguments: list[str], said: str) -> None:
    result = runner.invoke(app, arguments)

    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["serve"], ["pending"], ["token", "list"]])
def test_wrong_settings_end_with_2_and_every_problem(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("SIGNOFF_PORT=none\nSIGNOFF_PUBLC_URL=x\n")

    result = runner.invoke(app, command)

    assert result.exit_code == 2
    assert "SIGNOFF_PORT must be a number" in result.stderr
    assert "did you mean 'SIGNOFF_PUBLIC_URL'?" in result.stderr


def test_serve_without_a_key_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = runner.invoke(app, ["serve"])

    assert result.exit_code == 2
    assert result.stderr == "SIGNOFF_SECRET_KEY is missing; `signoff init` writes a fresh one.\n"


@pytest.mark.slow
def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(bot.__file__).parent.parent),
        "SIGNOFF_SECRET_KEY": "3q2-7w_Zk0yXc5Vb8NmL1pOiUuYtRrEeWwQqAaSsDdF",
    }
    with socket.create_server(("127.0.0.1", 0)) as taken:
        env["SIGNOFF_PORT"] = str(taken.getsockname()[1])
        # In a process of its own: it configures the logs, and takes the signals.
        served = subprocess.run(
            [sys.executable, "-m", "bot", "serve"],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert served.returncode == 2
    assert f"port {env['SIGNOFF_PORT']}: Address already in use." in served.stderr
    assert "Traceback" not in served.stderr


def test_without_a_token_nobody_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = runner.invoke(app, ["pending"])

    assert result.exit_code == 2
    assert "SIGNOFF_TOKEN is not set" in result.stderr


def test_where_nobody_listens_the_sentences_say_what_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNOFF_TOKEN", "sgn_0123456789")
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("SIGNOFF_PUBLIC_URL", url)

    result = runner.invoke(app, ["pending"])

    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"Signoff cannot be reached at {url}.",
        "Is `signoff serve` running, and SIGNOFF_PUBLIC_URL right?",
    ]


# -- check ----------------------------------------------------------------------------------------------------

GOOD = "flow: good\nsteps:\n  - {id: say, uses: log, with: {message: hello}}\n"
BAD = """\
flow: bad
steps:
  - {id: say, uses: logg}
  - {id: call, uses: http.request, with: {address: "https://example.com"}}
  - {id: compute, run: "sums_to_check:ad"}
"""
CONTINUES = """\
flow: continues
steps:
  - id: ask
    approval: {approvers: [ann@example.com], on_reject: continue}
"""


def test_check_tells_every_problem_with_its_line_and_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "bad.yml").write_text(BAD)
    (tmp_path / "sums_to_check.py").write_text("def add(a, b):\n    return a + b\n")

    result = runner.invoke(app, ["check", str(tmp_path)])

    told = result.stdout.replace(f"{tmp_path}/", "").splitlines()
    assert result.exit_code == 1
    assert [line.partition(": ")[0] for line in told] == ["bad.yml:3", "bad.yml:4", "bad.yml:4", "bad.yml:5"]
    assert "did you mean 'log'?" in told[0]
    assert "did you mean 'add'?" in told[3]
    assert result.stderr == "4 problems. Flows without one: good.\n"


def test_check_passes_with_warnings(tmp_path: Path) -> None:
    (tmp_path / "continues.yml").write_text(CONTINUES)

    result = runner.invoke(app, ["check", str(tmp_path)])

    assert result.exit_code == 0
    assert result.stdout.startswith(f"{tmp_path}/continues.yml:4: warning: ")
    assert result.stderr == "No problems. Flows: continues.\n"


def test_check_finds_fault_with_a_folder_that_has_no_flow(tmp_path: Path) -> None:
    result = runner.invoke(app, ["check", str(tmp_path)])

    assert (result.exit_code, result.stderr) == (1, f"There is no flow at {tmp_path}.\n")


# -- webhook --------------------------------------------------------------------------------------------------

HOOKED = f"{GOOD}owner: {ANN}\ntriggers:\n  - {{webhook: push}}\n"


def test_a_webhooks_secret_is_printed_alone_and_is_the_same_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yml").write_text(HOOKED)
    Path(".env").write_text("SIGNOFF_FLOWS=.\nSIGNOFF_SECRET_KEY=3q2-7w_Zk0yXc5Vb8NmL1pOiUuYtRrEeWwQqAaSsDdF\n")

    first, again = (runner.invoke(app, ["webhook", "good", "push"]) for _ in range(2))
    github = runner.invoke(app, ["webhook", "good", "push", "--github"])
    wrong = runner.invoke(app, ["webhook", "good", "psuh"])

    assert first.exit_code == 0, first.output
    assert len(first.stdout.split()) == 1
    assert first.stdout == again.stdout != github.stdout
    assert "POST http://127.0.0.1:3000/hooks/good/push\n" in first.stderr.replace("localhost", "127.0.0.1")
    assert wrong.exit_code == 2
    assert "did you mean 'push'?" in wrong.stderr


# -- runs -----------------------------------------------------------------------------------------------------


async def test_a_run_is_started_and_shown(office: Office) -> None:
    await office.sits_down(ANN)

    started = await signoff("run", "expense", "-i", "what=a chair")
    run = started.stdout.splitlines()[0].removeprefix("run:").strip()
    await office.flows.settle()
    shown = await signoff("show", run)

    assert started.exit_code == 0
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines() if line]
    assert ["flow:", "expense"] in lines
    assert ["status:", "waiting"] in lines
    assert ["requester:", "Ann"] in lines
    assert ["asked:", "Pay for a chair?"] in lines
    assert "ask\tsuspended\t" in shown.stdout.splitlines()


async def test_inputs_that_are_wrong_are_all_told(office: Office) -> None:
    await office.sits_down(ANN)

    result = await signoff("run", "expense", "-i", "wat=x")

    assert result.exit_code == 1
    assert {line.split(":")[0].strip() for line in result.stderr.splitlines()[1:]} == {"what", "wat"}


async def test_the_same_key_starts_a_run_once(office: Office) -> None:
    await office.sits_down(ANN)

    runs = [(await signoff("run", "expense", "-i", "what=x", "--key", "k1", "--json")).stdout for _ in range(2)]

    assert len({json.loads(run)["id"] for run in runs}) == 1


async def test_without_a_key_of_ones_own_every_start_is_another_run(office: Office) -> None:
    await office.sits_down(ANN)

    runs = [await office.started("expense", "what=x") for _ in range(2)]

    assert len(set(runs)) == 2


@pytest.mark.parametrize(("verdict", "code", "outcome"), [("approve", 0, "succeeded"), ("reject", 1, "rejected")])
async def test_wait_ends_with_the_outcome(office: Office, verdict: str, code: int, outcome: str) -> None:
    await office.sits_down(ANN)
    waiting = asyncio.create_task(signoff("run", "expense", "-i", "what=x", "--wait"))
    await office.looked_at.wait()
    bob = await office.flows.crowd.meet(office.flows.store, BOB)
    (asked,) = await office.flows.engine.waiting()

    await office.flows.engine.decide(asked.run.id, 1, bob.id, Verdict(verdict), door=Door.PAGE, comment="so")

    result = await waiting

    assert result.exit_code == code, result.output
    assert f"status: {outcome}\n" in result.stdout


async def test_a_run_is_cancelled_by_its_requester_and_by_nobody_else(office: Office) -> None:
    await office.sits_down(ANN)
    run = await office.started("expense", "what=x")
    await office.sits_down(BOB)

    others = await signoff("cancel", run)
    await office.sits_down(ANN)
    own = await signoff("cancel", run, "--reason", "bought already")
    again = await signoff("cancel", run)

    assert (others.exit_code, own.exit_code, again.exit_code) == (1, 0, 1)
    assert own.stdout == f"{run} is cancelled.\n"
    assert json.loads((await signoff("show", run, "--json")).stdout)["ended"]["reason"] == "bought already"


async def test_a_run_that_is_not_there_is_a_sentence(office: Office) -> None:
    await office.sits_down(ANN)

    results = [await signoff("show", run) for run in ("run_0000000000000", "..", "a/b?c#d")]

    assert [(one.exit_code, len(one.stderr.splitlines()), one.stdout) for one in results] == [(1, 1, "")] * 3


# -- decisions ------------------------------------------------------------------------------------------------


async def test_what_was_shown_is_what_was_decided(office: Office) -> None:
    await office.sits_down(ANN)
    run = await office.started("expense", "what=a chair")
    await office.sits_down(BOB)
    asked = await office.asked()

    result = await signoff("approve", asked, "--comment", "fine", "-f", "amount=40", "-f", "from=a", "-f", "from=b")
    await office.flows.settle()

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("asked:     Pay for a chair?\n")
    (view,) = [await office.flows.engine.peek(office.flows.store.ids.parse_run(run), 1)]
    (decision,) = view.decisions
    assert (decision.comment, dict(decision.values)) == ("fine", {"amount": 40, "from": ["a", "b"]})
    assert decision.digest == view.suspension.digest
    assert json.loads((await signoff("show", run, "--json")).stdout)["status"] == "succeeded"


async def test_a_rejection_takes_its_reason_to_the_requester(office: Office) -> None:
    await office.sits_down(ANN)
    run = await office.started("expense", "what=a chair")
    await office.sits_down(BOB)

    result = await signoff("reject", await office.asked(), "--reason", "we have chairs")
    await office.flows.settle()
    shown = await signoff("show", run)

    assert result.exit_code == 0
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines() if line]
    assert ["status:", "rejected"] in lines
    assert ["reason:", "we have chairs"] in lines
    assert ["decided:", 'reject by Bob "we have chairs"'] in lines


async def test_a_hold_is_resumed_with_values_and_missing_ones_are_told(office: Office) -> None:
    await office.sits_down(ANN)
    run = await office.started("held")
    (held,) = json.loads((await signoff("show", run, "--json")).stdout)["suspensions"]

    without = await signoff("resume", held["id"])
    resumed = await signoff("resume", held["id"], "-f", "why=enough=enough")
    await office.flows.settle()

    assert without.exit_code == 1
    assert without.stderr.splitlines()[1].startswith("  why: ")
    assert resumed.exit_code == 0
    assert json.loads((await signoff("show", run, "--json")).stdout)["status"] == "succeeded"


async def test_W11_the_requester_is_refused_through_the_command_line(office: Office) -> None:
    await office.sits_down(ANN)
    run = await office.started("expense", "what=a chair")
    (asked,) = json.loads((await signoff("show", run, "--json")).stdout)["suspensions"]

    result = await signoff("approve", asked["id"])

    assert result.exit_code == 1
    assert result.stdout.startswith("asked:     Pay for a chair?\n")
    assert len(result.stderr.splitlines()) == 1
    assert json.loads((await signoff("show", run, "--json")).stdout)["status"] == "waiting"


async def test_what_was_decided_already_is_said(office: Office) -> None:
    await office.sits_down(ANN)
    await office.started("expense", "what=a chair")
    await office.sits_down(BOB)
    asked = await office.asked()

    await signoff("approve", asked)
    closed = await signoff("reject", asked, "--reason", "no")

    assert closed.exit_code == 1
    assert "approved" in closed.stderr.lower()


async def test_pending_lists_what_waits_for_me_and_all_what_i_may_see(office: Office) -> None:
    await office.sits_down(ANN)
    await office.started("expense", "what=two\nlines\tand tabs")

    mine = await signoff("pending")
    everybody = await signoff("pending", "--all")
    await office.sits_down(BOB)
    bobs = await signoff("pending")

    assert (mine.stdout, mine.stderr) == ("", "Nothing waits for you.\n")
    assert everybody.stdout == bobs.stdout
    assert bobs.stdout.split("\t")[1:5] == ["expense", "ask", "Pay for two lines and tabs?", "Ann"]


async def test_pending_lists_more_than_one_page(office: Office) -> None:
    await office.sits_down(ANN)
    ann = await office.flows.crowd.meet(office.flows.store, ANN)
    for number in range(203):
        await office.flows.engine.start("expense", ann.id, {"what": f"chair {number}"})
    await office.flows.settle()
    await office.sits_down(BOB)

    result = await signoff("pending", "--json")

    assert len({one["id"] for one in json.loads(result.stdout)}) == 203


async def test_K4_several_are_decided_and_told_one_by_one(office: Office) -> None:
    await office.sits_down(ANN)
    for what in ("one", "two", "three"):
        await office.started("expense", f"what={what}")
    await office.started("release")
    await office.sits_down(BOB)
    waiting = {one["ask"]: one["id"] for one in json.loads((await signoff("pending", "--json")).stdout)}
    await signoff("reject", waiting["Pay for three?"], "--reason", "two are enough")

    ids = [waiting["Pay for two?"], waiting["Ship 1.0?"], waiting["Pay for three?"], "sus_1", waiting["Pay for one?"]]
    result = await signoff("approve", *ids, "-f", "amount=40", "--comment", "fine")
    again = await signoff("approve", waiting["Pay for one?"], waiting["Pay for one?"])
    await office.flows.settle()

    told = [line.split("\t") for line in result.stdout.splitlines()]
    assert result.exit_code == 1, result.output
    assert [(id_, done) for id_, done, _ in told] == list(
        zip(ids, ["done", "refused", "refused", "refused", "done"], strict=True)
    )
    assert told[1][2].startswith("option: must be one of canary, everywhere")
    assert "rejected" in told[2][2].lower()
    assert told[3][2] == "There is nothing here, or nothing that you may read."
    assert result.stderr == "3 of 5 were refused.\n"
    assert (again.exit_code, [line.split("\t")[1] for line in again.stdout.splitlines()]) == (0, ["no change"] * 2)
    left = json.loads((await signoff("pending", "--json")).stdout)
    assert [one["ask"] for one in left] == ["Ship 1.0?"]


async def test_K8_a_form_is_never_bypassed_by_deciding_several(office: Office) -> None:
    await office.sits_down(ANN)
    runs = [await office.started("held") for _ in range(2)]
    holds = [json.loads((await signoff("show", run, "--json")).stdout)["suspensions"][0]["id"] for run in runs]

    without = await signoff("resume", *holds)
    filled = await signoff("resume", *holds, "-f", "why=enough")

    assert without.exit_code == 1
    assert [line.split("\t")[2].split(":")[0] for line in without.stdout.splitlines()] == ["why", "why"]
    assert filled.exit_code == 0
    assert [line.split("\t")[1] for line in filled.stdout.splitlines()] == ["done", "done"]


async def test_an_option_is_chosen_and_a_decision_is_taken_back(office: Office) -> None:
    await office.sits_down(ANN)
    run = await office.started("release")
    await office.sits_down(BOB)
    asked = await office.asked()

    without = await signoff("approve", asked)
    chosen = await signoff("approve", asked, "--option", "canary")
    back = await signoff("withdraw", asked)
    nothing = await signoff("withdraw", asked)
    for who in (BOB, CAY):
        await office.sits_down(who, "read,decide")
        last = await signoff("approve", asked, "--option", "everywhere")
    await office.flows.settle()
    await office.sits_down(ANN)
    shown = await signoff("show", run)

    assert without.exit_code == 1
    assert without.stderr.splitlines()[1].strip().startswith("option: ")
    assert "options:" in chosen.stdout
    assert (chosen.exit_code, back.exit_code, nothing.exit_code, last.exit_code) == (0, 0, 1, 0)
    assert back.stdout.endswith("Your answer is taken back.\n")
    lines = [line.split(maxsplit=1) for line in shown.stdout.splitlines() if line]
    assert ["outputs.how:", "everywhere"] in lines
    assert ["decided:", "approve (everywhere) by Bob"] in lines


async def test_a_wait_is_dropped_by_the_owner_of_the_flow_and_never_counts_as_approved(office: Office) -> None:
    await office.sits_down(ANN)
    run = await office.started("release")
    await office.sits_down(BOB)
    asked = await office.asked()

    others = await signoff("drop", asked, "--reason", "in the way")
    await office.sits_down(CAY, "read,decide")
    dropped = await signoff("drop", asked, "--reason", "Bob is away")
    await office.flows.settle()
    again = await signoff("drop", asked, "--reason", "once more")

    assert (others.exit_code, dropped.exit_code, again.exit_code) == (1, 0, 1)
    assert dropped.stdout.startswith(f"{asked} is dropped; {run} is ")
    (closed,) = json.loads((await signoff("show", run, "--json")).stdout)["answered"]
    assert (closed["status"], closed["closed"]["reason"], closed["approvals"]) == ("dropped", "Bob is away", 0)


async def test_K3_a_run_is_paused_and_goes_on_by_hand(office: Office) -> None:
    await office.sits_down(ANN)
    run = await office.started("expense", "what=a chair")

    paused = await signoff("pause", run)
    twice = await signoff("pause", run)
    shown = await signoff("show", run)
    resumed = await signoff("resume", run)
    again = await signoff("resume", run)

    assert (paused.exit_code, twice.exit_code, resumed.exit_code, again.exit_code) == (0, 1, 0, 1)
    assert paused.stdout == f"{run} is paused. `signoff resume {run}` lets it go on.\n"
    assert any(line.startswith("paused:") and "by Ann" in line for line in shown.stdout.splitlines())
    assert resumed.stdout == f"{run}\tdone\tIt is waiting.\n"
    assert again.stdout.startswith(f"{run}\trefused\t")


async def test_W9_a_personal_link_is_made_by_an_admin_with_a_scope_of_its_own(office: Office) -> None:
    await office.sits_down(ANN)
    run = await office.started("release")
    await office.sits_down(CAY, "read,admin,start,decide")
    without = await signoff("links", run, BOB, "--step", "gate")
    await office.sits_down(CAY, "links")

    made = await signoff("links", run, BOB, "--step", "gate")
    whole = await signoff("links", run, BOB, "--whole-run")
    nobody = await signoff("links", run, "@leads", "--whole-run")

    assert without.exit_code == 1
    assert without.stderr == "This takes a token with the scope links.\n"
    assert made.exit_code == whole.exit_code == 0, made.output + whole.output
    assert "/a/" in made.stdout
    assert "/p/" in whole.stdout
    assert made.stderr.startswith("Whoever opens it acts as Bob, until ")
    assert nobody.exit_code == 1
    assert nobody.stderr.splitlines()[1].startswith("  person: ")


# -- effects --------------------------------------------------------------------------------------------------


async def test_parked_effects_are_listed_retried_and_skipped_by_admins(office: Office) -> None:
    await office.sits_down(ANN)
    runs = [await office.started("shaky") for _ in range(2)]
    forbidden = await signoff("effects")
    await office.sits_down(CAY, "read,admin")

    listed = await signoff("effects")
    first, second = json.loads((await signoff("effects", "--json")).stdout)
    retried = await signoff("retry", first["id"])
    skipped = await signoff("skip", second["id"])
    await office.flows.settle()
    left = await signoff("effects")
    unknown = await signoff("retry", first["id"])

    assert forbidden.exit_code == 1
    assert forbidden.stderr == "This takes a token with the scope admin.\n"
    assert [line.split("\t")[1:4] for line in listed.stdout.splitlines()] == [
        [run, "call", "perform the action"] for run in runs
    ]
    assert (retried.stdout, skipped.stdout) == (f"{first['id']} is tried again.\n", f"{second['id']} is skipped.\n")
    assert (left.stdout, left.stderr) == ("", "No effect is parked.\n")
    assert unknown.exit_code == 1
    statuses = [json.loads((await signoff("show", run, "--json")).stdout)["status"] for run in runs]
    assert statuses == ["succeeded", "succeeded"]


# -- tokens ---------------------------------------------------------------------------------------------------


async def test_S10_a_token_is_stored_as_a_hash_acts_within_its_scopes_and_is_worth_nothing_once_revoked(
    office: Office, tmp_path: Path
) -> None:
    made = await signoff("token", "create", "--person", ANN, "--expires", "12h")
    secret = made.stdout.strip()
    office.monkeypatch.setenv("SIGNOFF_TOKEN", secret)
    run = await office.started("expense", "what=x")
    listed = await signoff("token", "list")
    id_, person, scopes, state, *_ = listed.stdout.split("\t")

    beyond = await signoff("approve", json.loads((await signoff("pending", "--all", "--json")).stdout)[0]["id"])
    revoked = await signoff("token", "revoke", id_)
    after = await signoff("show", run)
    again = await signoff("token", "revoke", id_)

    assert (person, scopes, state) == (ANN, "start,read", "active")
    assert beyond.exit_code == 1
    assert beyond.stderr == "This takes a token with the scope decide.\n"
    assert (revoked.stdout, again.stdout) == (f"{id_} is revoked.\n", f"{id_} was revoked before.\n")
    assert (after.exit_code, after.stdout) == (1, "")
    assert after.stderr.splitlines() == [
        "The token is not good: mistyped, expired or revoked. `signoff token create` makes a new one.",
        "SIGNOFF_TOKEN holds the token.",
    ]
    with sqlite3.connect(tmp_path / "office.db") as connection:
        rows = connection.execute("SELECT hash, expires_at - created_at FROM tokens").fetchall()
    connection.close()
    assert rows == [(digest(secret), 12 * 3600 * 1000)]
    assert secret.encode() not in everything_in(tmp_path)


async def test_a_token_may_be_made_before_there_is_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    made = await signoff("token", "create", "--person", "New@Example.com", "--scopes", "read", "--expires", "never")
    listed = await signoff("token", "list")

    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("sgn_")
    assert len(made.stdout.splitlines()) == 1
    assert listed.stdout.split("\t")[1:5] == ["new@example.com", "read", "active", "never"]
    assert stat.S_ISREG((tmp_path / "signoff.db").stat().st_mode)


async def test_a_token_that_is_not_there_cannot_be_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = await signoff("token", "revoke", "tok_0000000000000")

    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_a_database_of_something_else_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("signoff.db").write_text("this is no database, whatever its name says")

    result = runner.invoke(app, ["token", "list"])

    assert result.exit_code == 2
    assert "cannot be used" in result.stderr
