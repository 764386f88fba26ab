"""The migration guide: its code blocks are the ready-made flows, each of which does over the real parts what the guide says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer

from bot import library
from bot.cli import app as commands
from bot.demo.acts import ACTS
from bot.demo.company import Company, Job
from bot.demo.play import Act, Play
from bot.demo.show import play
from bot.demo.stage import stage
from bot.performers import builtin_actions
from flows.loader import load_file, load_folder
from integrations.sandbox import Sandbox

LIBRARY = Path(library.__file__).parent
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "migrating.md"
PAGES = sorted((DOCS / "migrating").glob("*.md"))
BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = sorted(path for path in LIBRARY.iterdir() if path.suffix in (".yml", ".py") and path.stem != "__init__")

Begin = Callable[[], Awaitable[Any]]


@pytest.fixture(autouse=True)
def modules(monkeypatch) -> None:
    """The functions beside the flows are imported anew: one name can stand for one file only, and tests write many."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for path in LIBRARY.glob("*.py"):
        monkeypatch.delitem(sys.modules, path.stem, raising=False)


def blocks(*infos: str) -> list[tuple[str, str]]:
    """The code blocks of the guide: what stands behind the backticks, and the text."""
    found = [(one["info"], one["text"]) for page in PAGES for one in BLOCK.finditer(page.read_text())]
    return [(info, text) for info, text in found if not infos or info in infos]


# -- the pages --------------------------------------------------------------------------------------------------------


def test_every_ready_made_flow_loads_without_a_problem_or_a_warning():
    found = load_folder(LIBRARY, actions=builtin_actions(), connections={"http": ("hr", "shop", "builds", "sms")})

    assert (found.problems, found.warnings) == ((), ())
    assert set(found.flows) == set(library.FLOWS)
    assert {path.stem for path in LIBRARY.glob("*.yml")} == set(library.FLOWS)


def file_of(info: str, text: str) -> Path | None:
    """The file that a block is to be: of a flow the one with its name."""
    if info == "yaml":
        (name,) = re.findall(r"^flow: (\w+)$", text, re.MULTILINE)
        return LIBRARY / f"{name}.yml"
    return LIBRARY / info.removeprefix("python ") if info.endswith(".py") else None


def test_the_guides_code_blocks_are_the_files_and_every_file_is_there():
    shown = [(file_of(info, text), text) for info, text in blocks()]
    files = {path: text for path, text in shown if path is not None}

    assert len(files) == len([path for path, _ in shown if path is not None])
    assert [path.name for path, text in files.items() if path.read_text() != text] == []
    assert sorted(files) == [path for path in FILES if path.stem not in library.OWN]


@pytest.mark.parametrize("text", [text for _, text in blocks("yaml steps")])
def test_the_fragments_load(text, tmp_path):
    inputs = "flow: example\ninputs: [{name: version, type: string}]\nsteps:\n"
    file = tmp_path / "example.yml"
    file.write_text(inputs + "".join(f"  {line}" for line in text.splitlines(keepends=True)))

    loaded = load_file(file, actions=builtin_actions())

    assert (loaded.problems, loaded.warnings) == ((), ())


def test_every_block_is_of_a_kind_that_is_tried_or_shows_what_is_written_elsewhere():
    ours = {info for info, _ in blocks() if not info.endswith(".py")}

    assert ours == {"yaml", "yaml steps", "python", "sh", "js", "ts", "text"}
    for _, text in blocks("python"):
        compile(text, "guide", "exec")


@pytest.mark.parametrize("line", [line for _, text in blocks("sh") for line in text.splitlines()])
def test_its_commands_can_be_typed_like_that(line):
    _, name, *words = shlex.split(line)
    known: Any = typer.main.get_command(commands)

    known.commands[name].make_context("signoff", words)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [INDEX, *PAGES], ids=lambda page: page.stem)
def test_its_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", page.read_text())):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_words_are_ours(page):
    others = re.compile(r"\b(workflows?|pipelines?|votes?|voted|voters?|magic links?)\b", re.IGNORECASE)

    assert others.findall(page.read_text()) == []


def test_the_index_lists_every_ready_made_flow_and_where_it_is_shown():
    rows = re.findall(r"^\| \[(\w+)\]\(migrating/(\w+)\.md#", INDEX.read_text(), re.MULTILINE)

    assert {name for name, _ in rows} == set(library.FLOWS) - set(library.OWN)
    for name, page in rows:
        assert f"\nflow: {name}\n" in (DOCS / "migrating" / f"{page}.md").read_text(), name


# -- the demo ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_demo_plays_every_ready_made_flow_and_tells_each_in_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "bot", "demo", "--auto"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    *lines, empty, last = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert (done.returncode, len(lines), empty, done.stderr) == (0, len(ACTS), "", "")
    assert {line.split()[1] for line in lines} == set(library.FLOWS)
    assert last.startswith(f"{len(ACTS)} of {len(ACTS)} came out as expected")


async def test_the_demos_page_offers_every_flow_the_simplest_first_and_each_starts_as_it_is_filled_in(clock):
    async with stage(clock=clock) as set_up, aiohttp.ClientSession(f"{set_up.sandbox.origin}/_sandbox/api/") as page:
        async with page.get("flows") as response:
            offered = (await response.json())["flows"]
        answers = {}
        for flow in offered:
            given = {field["name"]: field.get("default") for field in flow["fields"]}
            body = {"person": "ann", "flow": flow["name"], "values": given}
            async with page.post("start", json=body) as response:
                answers[flow["name"]] = await response.json()
        await set_up.app.runner.idle()
        link_in_advance = await set_up.human("bob").gets_mail("If you cannot wait")

    assert [flow["name"] for flow in offered] == list(library.FLOWS)
    assert offered[0]["name"] == "vacation"
    assert {name for name, answer in answers.items() if answer.keys() != {"run", "url"}} == set()
    assert ["/p/" in link for link in link_in_advance.links] == [True]


async def test_an_act_that_comes_out_otherwise_is_told_with_how_far_it_came_and_the_others_are_played(capsys):
    async def wrong(play: Play) -> None:
        run = await play.start("ann", "pause")
        await play.ends(run, "succeeded")

    acts = [Act("pause", "It goes on by itself.", wrong), *[act for act in ACTS if act.flow == "pause"]]

    assert await play(acts) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if "flow_logged" not in line]
    first, *told, last_act, _, last = lines
    assert (first.split()[0], last_act.split()[0]) == ("wrong", "ok")
    assert "Ann Archer starts pause" in told[0]
    assert "expected succeeded; got waiting" in told[-1]
    assert last.startswith("1 of 2 came out as expected")


# -- on the real parts ------------------------------------------------------------------------------------------------


@pytest.fixture
async def sandbox(clock) -> AsyncIterator[Sandbox]:
    made = Sandbox.with_people(clock=clock)
    made.company = Company(made)  # type: ignore[attr-defined]
    async with made:
        yield made
        await made.company.close()  # type: ignore[attr-defined]


@pytest.fixture
def company(sandbox) -> Company:
    found: Company = sandbox.company
    return found


@pytest.fixture
def begin(serve, company) -> Begin:
    """Starts a bot that serves the ready-made flows, with the connections that they name."""

    async def start() -> Any:
        return await serve({"flows": LIBRARY, "connections": company.connections})

    return start


async def output(bot: Any, run: int, step: str) -> Any:
    return (await bot.run(run)).steps[step].output


async def said(bot: Any, run: int, step: str) -> str:
    """What a step wrote into the log."""
    return str((await output(bot, run, step))["message"])


def newest(company: Company) -> Job:
    return company.builds.jobs[max(company.builds.jobs)]


async def post(link: str, body: Any = None, *, method: str = "POST") -> int:
    """A machine calls a link."""
    async with aiohttp.ClientSession() as session, session.request(method, link, json=body) as response:
        return response.status


APPROVERS = {"first": "bob@example.com", "second": "cat@example.com"}


async def test_W1_each_approver_gets_a_link_by_mail_and_the_first_who_approves_lets_it_go_on(begin):
    bot = await begin()
    run = await bot.start("gmail_approval", subject="the price list", **APPROVERS)
    links = {name: await bot.mailed_link(name) for name in ("bob", "cat")}
    waiting = await bot.status(run), (await bot.view(run)).approvals

    await bot.sends("cat", await bot.opens("cat", links["cat"]), "approve")
    await bot.settled()
    late = await bot.opens("bob", links["bob"])

    assert links["bob"] != links["cat"]
    assert waiting == ("waiting", 0)
    assert await bot.status(run) == "succeeded"
    assert await said(bot, run, "hello") == "Hello! Cat Carter approved the price list."
    assert (late.forms, late.shows("Approved by Cat Carter")) == ((), True)


@pytest.mark.slow
async def test_W4_the_notice_names_exactly_those_who_approved_in_their_order(begin):
    bot = await begin()
    run = await bot.start("notify_approvers", subject="the move", **APPROVERS, third="dan@example.com")

    await bot.by_page("dan", run)
    between = await bot.status(run)
    await bot.by_page("bob", run)
    await bot.settled()

    dan, bob = bot.human("dan").id, bot.human("bob").id
    assert (between, await bot.status(run)) == ("waiting", "succeeded")
    assert bot.human("eve").message("was approved by").text == f"*the move* was approved by <@{dan}>, <@{bob}>."


@pytest.mark.parametrize(
    ("button", "steps", "to_customer"),
    [
        ("Refund it", {"act.case_refund.pay", "act.case_refund.good_news"}, True),
        pytest.param("Refuse it", {"act.case_refuse.bad_news"}, True, marks=pytest.mark.slow),
        pytest.param("Look into it", {"act.case_look_into.ask_around"}, False, marks=pytest.mark.slow),
    ],
)
async def test_each_option_of_a_refund_leads_to_steps_of_its_own(begin, company, button, steps, to_customer):
    bot = await begin()
    run = await bot.start("refund", customer="zoe@example.net", order="4711", lead="bob@example.com")

    card = await bot.human("bob").sees("asks for a refund of order 4711")

    without = await bot.by_api("bob", run, form={"message": "Hm."})
    await bot.human("bob").click(card, button)
    await bot.human("bob").gets_modal("Message to the customer")
    await bot.human("bob").submit({"message": "We have looked."})
    await bot.settled()

    assert without.status == 422
    view = await bot.run(run)
    assert view.status == "succeeded"
    assert {path for path in view.steps if path.startswith("act.")} == steps
    assert [mail.plain.strip() for mail in bot.sandbox.office.inbox("zoe@example.net")] == (
        ["We have looked."] if to_customer else []
    )
    refunds = [{"order": "4711", "approved_by": "bob@example.com"}] if button == "Refund it" else []
    assert company.shop.refunds == refunds


async def test_a_refund_that_is_rejected_does_nothing(begin, company):
    bot = await begin()
    run = await bot.start("refund", customer="zoe@example.net", order="4711", lead="bob@example.com")

    await bot.by_api("bob", run, "reject", comment="Not ours.")

    assert (await bot.status(run), company.shop.refunds) == ("rejected", [])
    assert bot.sandbox.office.inbox("zoe@example.net") == []


async def link_in_advance(bot: Any, run: int, name: str) -> str:
    bot.scopes["eve"] = ("read", "links")
    body = {"person": f"{name}@example.com", "whole_run": True}
    reply = await bot.api("eve", "POST", f"runs/{bot.run_id(run)}/links", body)
    assert reply.status == 200, reply
    return str(reply.body["page"])


async def test_W9_a_yes_in_advance_counts_for_the_first_approval_and_the_second_waits_anew(begin):
    bot = await begin()
    run = await bot.start("pre_approval", version="2.0.0")
    link = await link_in_advance(bot, run, "bob")

    await bot.sends("bob", await bot.opens("bob", link), "approve")
    await bot.settled()
    before = await bot.status(run), [one.suspension.path for one in (await bot.run(run)).suspensions]
    await bot.time_passes("1m")

    assert before == ("waiting", ["build"])
    view = await bot.run(run)
    waits = {one.suspension.path: one for one in view.suspensions}
    assert [(one.unseen, one.digest) for one in waits["gate"].decisions] == [(True, None)]
    assert (waits["gate"].open, waits["retire"].open, waits["retire"].decisions) == (False, True, ())
    assert bot.human("ann").message("Release 2.0.0 goes out").text.endswith("in advance.")


async def test_W10_the_same_link_used_while_it_asks_is_an_ordinary_decision(begin):
    bot = await begin()
    run = await bot.start("pre_approval", version="2.0.0")
    link = await link_in_advance(bot, run, "bob")
    await bot.time_passes("1m")

    await bot.sends("bob", await bot.opens("bob", link), "approve")
    await bot.settled()

    waits = {one.suspension.path: one for one in (await bot.run(run)).suspensions}
    assert [one.unseen for one in waits["gate"].decisions] == [False]
    assert waits["retire"].open
    assert "in advance" not in bot.human("ann").message("Release 2.0.0 goes out").text


async def test_W9_a_no_in_advance_ends_the_run_when_it_would_ask(begin):
    bot = await begin()
    run = await bot.start("pre_approval", version="2.0.0")

    await bot.sends("dan", await bot.opens("dan", await link_in_advance(bot, run, "dan")), "reject", "Not this week.")
    await bot.time_passes("1m")

    view = await bot.run(run)
    assert (view.status, view.run.ending.reason) == ("rejected", "Not this week.")


async def test_K1_the_pause_is_ended_by_its_requester_and_by_no_stranger(begin):
    bot = await begin()
    run = await bot.start("pause")

    stranger = await bot.by_api("bob", run, "resume")
    still = await bot.status(run)
    await bot.human("ann").click(bot.card("ann", "Waiting to be resumed"), "Resume")
    await bot.settled()

    assert (stranger.status, still) == (404, "waiting")
    assert await bot.status(run) == "succeeded"
    assert await said(bot, run, "after") == f"Resumed by Ann Archer at {bot.clock.now().isoformat()}."


@pytest.mark.slow
async def test_K2_the_numbers_are_on_the_card_and_published_only_when_somebody_has_checked_them(begin):
    bot = await begin()
    run = await bot.start("output_validation", month="2026-01")
    card = bot.card("bob", "Publish the payroll of 2026-01?")
    before = bot.human("ann").message("Payroll of")

    await bot.human("bob").click(card, "Resume")
    await bot.settled()

    assert "181,250 EUR" in card.shown_text()
    assert before is None
    assert await bot.status(run) == "succeeded"
    text = bot.human("ann").message("Payroll of").text
    assert text == f"Payroll of 2026-01: 181,250 EUR for 42 people, checked by <@{bot.human('bob').id}>."


VACATION = {
    "employee": "ann@example.com",
    "manager": "bob@example.com",
    "start": "2026-07-01",
    "end": "2026-07-14",
}


async def test_K5_a_vacation_is_approved_with_a_reason_and_booked_with_what_was_asked(begin, company):
    bot = await begin()
    run = await bot.start("vacation", **VACATION)
    card = await bot.human("bob").sees("asks for vacation")

    await bot.human("bob").click(card, "Approve")
    await bot.human("bob").gets_modal("2026-07-01")
    await bot.human("bob").submit({"Reason": "Enjoy the sea!"})
    await bot.settled()

    text = card.shown_text()
    assert "ann@example.com asks for vacation from 2026-07-01 to 2026-07-14" in text
    assert f"{bot.url}/runs/{bot.run_id(run)}" in text
    assert company.hr.bookings == [
        {
            "employee": "ann@example.com",
            "start": "2026-07-01",
            "end": "2026-07-14",
            "approved_by": ["bob@example.com"],
            "reason": "Enjoy the sea!",
        }
    ]
    assert await bot.status(run) == "succeeded"
    assert "Enjoy the sea!" in await said(bot, run, "note")
    assert f"is approved by <@{bot.human('bob').id}>" in (await bot.human("ann").sees("Your vacation")).text


async def test_K6_a_rejected_vacation_is_not_booked_and_the_requester_hears_why(begin, company):
    bot = await begin()
    run = await bot.start("vacation", **VACATION)
    card = await bot.human("bob").sees("asks for vacation")

    await bot.human("bob").click(card, "Reject")
    await bot.human("bob").gets_modal("Reason")
    await bot.human("bob").submit({"Reason": "Everybody is away that week."})
    await bot.settled()

    assert company.hr.bookings == []
    assert await bot.status(run) == "rejected"
    heard = await bot.human("ann").sees("was rejected by")
    assert "Everybody is away that week." in heard.shown_text()
    shown = bot.human("bob").now(card)
    assert "Everybody is away that week." in shown.shown_text()
    assert shown.buttons() == []


async def test_K11_one_form_has_its_defaults_from_before_and_the_managers_values_win(begin, company):
    bot = await begin()
    run = await bot.start("vacation_one_form", **VACATION)
    asked = (await bot.api("bob", "GET", f"approvals/{bot.approval_id(run)}")).body

    reply = await bot.by_api("bob", run, option="unpaid", form={"last_day": "2026-07-10", "reason": "The fair."})
    await bot.settled()

    fields = {field["name"]: field for field in asked["form"]}
    assert fields["last_day"]["default"] == "2026-07-14"
    assert fields["last_day"]["description"] == "12 days are left this year."
    assert asked["show"] == {"Days left": 12}
    assert (reply.status, await bot.status(run)) == (201, "succeeded")
    assert company.hr.bookings == [
        {
            "employee": "ann@example.com",
            "start": "2026-07-01",
            "end": "2026-07-10",
            "kind": "unpaid",
            "reason": "The fair.",
        }
    ]


@pytest.mark.slow
async def test_K11_a_rejection_fills_in_the_same_form_and_the_employee_hears_it(begin, company):
    bot = await begin()
    run = await bot.start("vacation_one_form", **VACATION)

    without = await bot.by_api("bob", run, "reject")
    await bot.by_api("bob", run, "reject", form={"last_day": "2026-07-14", "reason": "The fair."})
    await bot.settled()

    assert (without.status, set(without.body["fields"])) == (422, {"reason"})
    assert (await bot.status(run), company.hr.bookings) == ("rejected", [])
    assert bot.human("ann").message("No vacation").text == "No vacation until 2026-07-14: The fair."


async def test_P1_a_mail_of_ones_own_holds_one_personal_link_and_nobody_else_is_asked(begin):
    bot = await begin()
    run = await bot.start("mail_a_link", subject="the party", approver="bob@example.com")
    link = await bot.mailed_link("bob", "would like to go on with the party")

    await bot.opens("bob", link)  # a scanner, too, opens it
    opened = await bot.status(run)
    await bot.sends("bob", await bot.opens("bob", link), "approve")
    await bot.settled()

    assert opened == "waiting"
    assert len(bot.human("bob").inbox()) == 1
    assert bot.human("bob").messages() == []
    assert await said(bot, run, "after") == "Bob Baker says: go on with the party."


@pytest.mark.slow
async def test_P1_a_text_message_carries_a_link_for_exactly_that_person(begin):
    bot = await begin()
    inputs = {"subject": "the shift", "approver": "cat@example.com", "phone": "+491555000003"}
    run = await bot.start("text_a_link", **inputs)
    link = await bot.mailed_link("cat", "the shift: yes or no?")

    await bot.sends("cat", await bot.opens("cat", link), "reject", "Not this week.")
    await bot.settled()

    view = await bot.run(run)
    assert (view.status, view.run.ending.reason) == ("rejected", "Not this week.")
    assert link not in str(view.steps["ask"].output)
    assert await bot.standing(run) == {"cat": "reject"}


async def test_P2_a_build_calls_back_with_what_it_has_to_say(begin, company):
    bot = await begin()
    run = await bot.start("callback", branch="main")
    job = newest(company)

    looked = await post(job.links["on_done"], method="GET")
    wrong = await post(job.links["on_done"], {"status": "perhaps"})
    still = await bot.status(run)
    await bot.time_passes("25s")
    answered = await company.builds.called(job)
    await bot.settled()
    again = await post(job.links["on_done"], {"status": "failed"})

    assert (looked, wrong, still) == (200, 422, "waiting")
    assert (answered, again) == (200, 409)
    assert await bot.status(run) == "succeeded"
    assert await said(bot, run, "tell") == "The build of main has passed, says builds/1.0."


async def test_P2_the_other_link_ends_the_run_as_cancelled(begin, company):
    bot = await begin()
    run = await bot.start("callback", branch="main")

    assert await post(newest(company).links["on_abort"]) == 200
    await bot.settled()
    assert await bot.status(run) == "cancelled"


async def test_P4_nobody_calls_back_and_the_run_expires(begin):
    bot = await begin()
    run = await bot.start("callback", branch="stuck")

    await bot.time_passes("59m")
    before = await bot.status(run)
    await bot.time_passes("1m")

    assert (before, await bot.status(run)) == ("waiting", "expired")


async def test_P1_a_function_hands_its_links_over_and_the_build_calls_back(begin, company):
    bot = await begin()
    run = await bot.start("callback_in_code", branch="broken")
    job = newest(company)

    await bot.time_passes("25s")
    await company.builds.called(job)
    await bot.settled()

    assert job.links["on_done"] != job.links["on_abort"]
    assert await bot.status(run) == "succeeded"
    assert await said(bot, run, "tell") == "The build of broken has failed; it was asked by Ann Archer."


async def test_P8_a_job_that_calls_before_the_function_has_ended_is_heard(begin, company, monkeypatch):
    bot = await begin()
    answers: list[int] = []
    take_links = company.builds.take_links

    async def at_once(job: Job, links: Any) -> None:
        await take_links(job, links)
        answers.append(await post(links["on_done"], {"status": "passed"}))

    monkeypatch.setattr(company.builds, "take_links", at_once)
    run = await bot.start("callback_in_code", branch="main")
    await bot.settled()

    assert answers == [200]
    assert await bot.status(run) == "succeeded"
    assert "has passed" in await said(bot, run, "tell")


@pytest.mark.parametrize("flow", ["poll_job", pytest.param("poll_in_code", marks=pytest.mark.slow)])
async def test_P5_a_job_is_looked_after_every_ten_seconds_until_it_is_done(begin, company, flow):
    bot = await begin()
    run = await bot.start(flow, branch="main")
    job = newest(company)
    looks = [job.looks]
    for _ in range(3):
        await bot.time_passes("10s")
        looks.append(job.looks)
    await bot.time_passes("1h")

    assert (looks, job.looks) == ([1, 2, 3, 4], 4)
    assert await bot.status(run) == "succeeded"
    assert await said(bot, run, "tell") == "The build of main has passed."


@pytest.mark.slow
async def test_P5_polling_by_steps_fails_after_its_thirty_rounds(begin, company):
    bot = await begin()
    run = await bot.start("poll_job", branch="stuck")
    await bot.time_passes("290s", steps=29)
    last = await bot.run(run)

    assert newest(company).looks == 30
    assert (last.status, last.run.ending.reason) == ("failed", "poll: not done after 30 rounds")


async def test_P5_what_one_round_has_is_handed_to_the_next(begin):
    bot = await begin()
    run = await bot.start("context_between_rounds", year=2026)
    rounds = [(await bot.run(run)).steps["collect"].round]
    for _ in range(2):
        await bot.time_passes("10s")
        rounds.append((await bot.run(run)).steps["collect"].round)

    assert rounds == [1, 2, 3]
    assert await bot.status(run) == "succeeded"
    rows = (await output(bot, run, "collect"))["rows"]
    assert rows == ["January", "February", "March", "April", "May", "June", "July"]


async def test_P6_after_three_retries_the_step_fails_and_somebody_is_told(begin, company):
    bot = await begin()
    run = await bot.start("retries_exhausted", branch="stuck")
    await bot.time_passes("30s", steps=3)
    at_the_end = newest(company).looks
    await bot.time_passes("1h", steps=6)

    view = await bot.run(run)
    assert (at_the_end, newest(company).looks) == (4, 4)
    assert view.status == "failed"
    assert view.run.ending.reason == "poll: not done after 4 rounds, and max_retries is 3"
    assert "not done after 4 rounds" in bot.human("ann").message("I gave up on the build of stuck").text


@pytest.mark.slow
async def test_P6_a_job_that_is_done_in_time_is_not_given_up(begin, company):
    bot = await begin()
    run = await bot.start("retries_exhausted", branch="main")
    await bot.time_passes("30s", steps=3)

    assert await bot.status(run) == "succeeded"
    assert bot.human("ann").message("I gave up") is None
