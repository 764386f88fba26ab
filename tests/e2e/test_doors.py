"""The conformance table: every case of who may and who may not decide, through every door that there is.

Each row is played in a bot of its own. The person has the question in front of them at all the doors, in a run for
each; then happens what the row says; then they answer at each door. A cell holds if the decision fared as the table
says and the person was told so in words that they can read there.

The rows stand in ``tests/e2e/doors``. ``docs/doors.md`` is written from the same: ``python -m tests.e2e.test_doors``
writes it anew. The fast tests play one row of each kind, the slow ones the others.
"""

from __future__ import annotations

import ast
import asyncio
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bot as product
from bot import remote
from bot.slack.cards import EVENT as CARD
from flows.run import Door as Recorded
from integrations.sandbox import NotPossible, Page
from signoff import client
from tests.e2e.doors import advance, linking, reading, relaying, starting, steering
from tests.e2e.doors.deciding import CASES, Case
from tests.e2e.doors.paper import PAPER, TABLES, paper
from tests.e2e.doors.told import Cannot, Cell, Row, Told, refusals_in
from tests.e2e.doors.ways import DOORS, Door, SlackModal, sent
from tests.e2e.job import code

__all__ = ["code"]  # a fixture

HERE = Path(product.__file__).parent
ASKS = """
@action
async def asks(ctx, wait):
    await ctx.suspend(**wait)
"""


FAST = {
    "deciding": "member withdraws hold requester stranger expired missing",
    "advance": "kept opened-meanwhile requester stranger",
    "starting": "named others",
    "reading": "member stranger",
    "steering": "pause-owner cancel-requester drop-approver",
    "linking": "admin scope",
    "relaying": "requester stranger",
}
"""The rows that the fast tests play, at every door; the slow ones play all the others."""


def is_card(arguments) -> bool:
    return CARD in str(arguments.get("metadata"))


def rows_of(table: str, rows: Sequence[Row]) -> pytest.MarkDecorator:
    """One test for each row, most of them slow."""
    fast = FAST[table].split()
    assert set(fast) <= {row.id for row in rows}, table
    marked = [pytest.param(row, marks=() if row.id in fast else pytest.mark.slow, id=_id(row)) for row in rows]
    return pytest.mark.parametrize("row", marked)


def _id(row: Row) -> str:
    return f"{row.scenario}-{row.id}".replace(" ", "")


@rows_of("deciding", CASES)
async def test_every_door_gives_the_same_answer(row, serve, subtests, code):
    case: Case = row
    module = code(ASKS) if case.made_by == "function" else ""
    bot = await serve()
    if case.first is not None:
        await case.first(bot, {})
    for door in DOORS:
        for name, text in case.files(door, module, bot).items():
            bot.write(name, text)
    await bot.app.load_flows()
    # What lists show a page of comes last: it is the nearest, and the newest.
    runs = {door.name: await bot.start(door.name) for door in sorted(DOORS, key=lambda door: door.soon)}
    if case.before is not None:
        await case.before(bot, runs)
    seen: dict[str, Any] = {}
    for door in DOORS:
        try:
            seen[door.name] = await door.look(bot, runs[door.name], case.who, case.say)
        except NotPossible as reason:
            seen[door.name] = reason
    if case.then is not None:
        await case.then(bot, runs)

    for door in DOORS:
        with subtests.test(door=door.name):
            await _holds(bot, case, door, runs[door.name], seen[door.name])
    if case.in_the_end is not None:
        await bot.time_passes("1m")
        for door in DOORS:
            if not isinstance(case.cell(door), Cannot):
                assert await bot.status(runs[door.name]) == case.in_the_end, door.name


async def _holds(bot, case: Case, door: Door, run: int, seen: Any) -> None:
    cell, before = case.cell(door), await bot.all_rows(run)
    if isinstance(cell, Cannot):
        with pytest.raises(NotPossible):
            await _answer(bot, case, door, run, seen)
        assert await bot.all_rows(run) == before
        return

    standing = await bot.standing(run)
    text = await _answer(bot, case, door, run, seen)

    if cell.told is Told.KEPT:
        assert Told.KEPT.is_in(text), text
        assert await bot.standing(run) == standing
        assert await bot.status(run) == "waiting"
        return
    if cell.told.done:
        assert cell.told.is_in(text), text
        assert refusals_in(text) == []
        await bot.settled()
        await _is_recorded(bot, case, door, run)
        return
    assert refusals_in(text) == [cell.told], text
    if case.closes is not None:
        await bot.settled()
        assert await bot.standing(run) == standing
        assert await bot.status(run) == case.closes
    else:
        assert await bot.all_rows(run) == before


async def _is_recorded(bot, case: Case, door: Door, run: int) -> None:
    said = (await bot.standing(run)).get(case.whom or case.who)
    assert said == (None if case.say.verdict == "withdraw" else case.say.verdict)
    assert await bot.status(run) == case.leaves
    entries = [entry for entry in await bot.ledger(run) if (entry.get("event") or {}).get("is") == "DecisionMade"]
    event, who = entries[-1]["event"], (await bot.person(case.who)).id
    assert event["person"] == who
    assert (event["verdict"], event.get("option")) == (case.say.verdict, case.say.option)
    assert event.get("comment") == door.comment(case.say)
    assert event["door"] == door.recorded
    if case.say.verdict != "withdraw":
        (fact,) = [fact for fact in entries[-1]["facts"] if fact["is"] == "DecisionCounted"]
        whom = (await bot.person(case.whom)).id if case.whom else None
        assert (fact["person"], fact.get("by")) == ((whom, who) if whom else (who, None))
    assert event.get("via_token", "issued by the operator").endswith("issued by the operator")
    assert ("via_token" in event) == (door.recorded is Recorded.API)
    shown = (await bot.view(run)).suspension.digest.hex()
    assert event["digest"] == (shown if door.shows else "not shown")


# -- the same once more ---------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_R3_what_is_delivered_twice_counts_once_at_every_door(serve, sandbox, subtests):
    case = next(case for case in CASES if case.id == "named")
    bot = await serve()
    for door in DOORS:
        for name, text in case.files(door, "", bot).items():
            bot.write(name, text)
    await bot.app.load_flows()
    runs = {door.name: await bot.start(door.name) for door in sorted(DOORS, key=lambda door: door.soon)}

    for door in DOORS:
        with subtests.test(door=door.name):
            run, by_slack = runs[door.name], door.recorded is Recorded.SLACK
            seen = await door.look(bot, run, case.who, case.say)
            if by_slack:
                # Slack's servers deliver it again, byte for byte. What is answered to a modal then, nobody sees.
                sandbox.faults.twice("*", times=1)
            told = await door.act(bot, run, case.who, seen, case.say)
            if not by_slack:
                told = await door.act(bot, run, case.who, seen, case.say)
            await bot.settled()

            assert await bot.standing(run) == {"bob": "approve"}
            assert len(await bot.facts(run, "DecisionCounted")) == 1
            # Where one answer takes the place of another, whichever came last is seen.
            in_place = isinstance(door, SlackModal) or door.name in ("home", "list", "thread")
            assert Told.REPEATED.is_in(told) or (in_place and Told.COUNTED.is_in(told)), told
            sandbox.faults.clear()


@pytest.mark.slow
async def test_R11_what_comes_before_slack_has_answered_for_the_card_counts_at_every_door(serve, sandbox, subtests):
    case = next(case for case in CASES if case.id == "named")
    answered = asyncio.Event()
    bot, runs = await serve(), dict[str, int]()
    doors = [door for door in DOORS if door.name != "thread"]  # whose thread it is, is known once Slack has answered
    for door in doors:
        for name, text in case.files(door, "", bot).items():
            bot.write(name, text)
    await bot.app.load_flows()
    sandbox.faults.slow("chat.postMessage", until=answered, after=True, when=is_card)
    for door in sorted(doors, key=lambda door: door.soon):
        reply = await bot.api("ann", "POST", f"flows/{door.name}/runs", {"inputs": {}})
        runs[door.name] = bot.app.engine.ids.parse_run(reply.body["id"])
        bot.clock.advance("5s")  # a channel takes a message a second
        await bot.human(case.who).sees(f"Ship it, {door.name}?")

    for door in doors:
        with subtests.test(door=door.name):
            run = runs[door.name]
            assert await bot.app.engine.cards(run, 1) == []
            told = await door.act(bot, run, case.who, await door.look(bot, run, case.who, case.say), case.say)
            assert Told.COUNTED.is_in(told), told
            assert await bot.standing(run) == {"bob": "approve"}
    answered.set()
    await bot.time_passes("1m", steps=30)

    for door in doors:
        with subtests.test(door=door.name, when="the card was posted"):
            (shown,) = [one for one in bot.human("cat").messages("#general") if f"Ship it, {door.name}?" in one.text]
            assert f"<@{bot.human('bob').id}> approved" in shown.shown_text()


@pytest.mark.slow
async def test_R18_a_crowd_at_every_door_at_once_is_counted_exactly(serve, sandbox, subtests):
    names = [f"p{n}" for n in range(40)]
    users = [sandbox.add_person(name, f"Person {name}", channels=["general"]).user for name in names]
    sandbox.workspace.add_group("crowd", users, "Crowd")
    case = replace(next(case for case in CASES if case.id == "named"), approvers=("@crowd",), quorum=len(names))
    bot = await serve()
    # A group is sent no mail and no links; where one thing waits, there is nothing to select; the command line comes
    # through the API, a process each.
    doors = [door for door in DOORS if door.name not in ("coded", "early", "selected", "cli", "several")]
    for door in doors:
        for name, text in case.files(door, "", bot).items():
            bot.write(name, text)
    await bot.app.load_flows()

    for door in doors:
        with subtests.test(door=door.name):
            run = await bot.start(door.name)
            await bot.time_passes("10s", steps=5)
            seen = {name: await door.look(bot, run, name, case.say) for name in names}
            sandbox.calls.clear()
            told = await asyncio.gather(*(door.act(bot, run, name, seen[name], case.say) for name in names))
            await bot.settled()

            assert all(map(Told.COUNTED.is_in, told)), told
            assert len(await bot.facts(run, "DecisionCounted")) == len((await bot.view(run)).decisions) == len(names)
            assert await bot.status(run) == "succeeded"
            assert sandbox.calls.count("chat.update") <= 10


# -- in advance -----------------------------------------------------------------------------------------------


@rows_of("advance", advance.ROWS)
async def test_what_comes_before_it_is_asked_counts_once_it_may(row, serve, subtests):
    bot = await serve(**{link.name: row.file(link) for link in advance.LINKS})
    if row.first is not None:
        await row.first(bot, {})
    runs = {link.name: await bot.start(link.name) for link in advance.LINKS}
    seen = {link.name: await link.look(bot, runs[link.name], row.who) for link in advance.LINKS}
    if row.meanwhile is not None:
        await row.meanwhile(bot, runs)
    for link in advance.LINKS:
        with subtests.test(link=link.name, when="before"):
            await _is_taken(bot, row, link, runs[link.name], seen[link.name])
    if row.becomes is advance.Becomes.GONE:
        return
    if row.later is not None:
        await row.later(bot, runs)
    if row.told is not Told.UNSEEN:
        await advance.ann_resumes(bot, runs)

    for link in advance.LINKS:
        with subtests.test(link=link.name, when="after"):
            run, counted = runs[link.name], row.becomes is advance.Becomes.COUNTED
            assert await bot.status(run) == (row.leaves if counted else "waiting")
            assert await bot.standing(run, 2) == ({row.who: row.say.verdict} if counted else {})
            for decision in (await bot.view(run, 2)).decisions:
                assert (decision.door, decision.unseen, decision.digest) == (Recorded.PAGE, True, None)
            (fact,) = [f for f in await bot.facts(run, "DecisionCounted") if f["n"] == 2] if counted else [None]
            assert fact is None or fact["unseen"] is True


async def _is_taken(bot, row: advance.Early, link: advance.Link, run: int, page: Page) -> None:
    cell, before = row.cell(link), await bot.all_rows(run)
    if isinstance(cell, Cannot):
        with pytest.raises(NotPossible):
            await sent(bot, row.who, page, row.say)
        assert await bot.all_rows(run) == before
        return

    text = (await sent(bot, row.who, page, row.say)).text if page.forms else page.text

    await bot.settled()
    if cell.told.done:
        assert cell.told.is_in(text), text
        assert refusals_in(text) == []
    else:
        assert refusals_in(text) == [cell.told], text
        assert await bot.all_rows(run) == before


# -- starting, looking, steering ------------------------------------------------------------------------------


@rows_of("starting", starting.ROWS)
async def test_who_may_start_a_run(row, serve, subtests):
    bot = await serve(**starting.FILES)
    if row.first is not None:
        await row.first(bot, {})
    for way in starting.WAYS:
        with subtests.test(way=way.name):
            cell, before = row.cell(way), await starting.runs_of(bot, row.flow)
            if isinstance(cell, Cannot):
                with pytest.raises(NotPossible):
                    await way.act(bot, row.who, row.flow)
                assert await starting.runs_of(bot, row.flow) == before
                continue

            text = await way.act(bot, row.who, row.flow)

            started = [run for run in await starting.runs_of(bot, row.flow) if run not in before]
            assert refusals_in(text) == ([] if cell.told is Told.STARTED else [cell.told]), text
            assert len(started) == (cell.told is Told.STARTED)
            if started:
                view = await starting.seen_by_nobody(bot, started[0])
                assert bot.run_id(started[0]) in text
                assert view.person(view.run.requester).email == f"{row.who}@example.com"


@rows_of("reading", reading.ROWS)
async def test_who_may_look_at_a_run(row, serve, subtests):
    bot = await serve(**reading.FILES)
    await reading.more_people(bot)
    if row.first is not None:
        await row.first(bot, {})
    run = await bot.start("trip")
    before = await bot.all_rows(run)

    for way in reading.WAYS:
        with subtests.test(way=way.name):
            cell = row.cell(way)

            text = await way.act(bot, row.who, run)

            assert refusals_in(text) == ([cell.told] if cell.told.refused else []), text
            assert Told.SHOWN.is_in(text) is (cell.told is Told.SHOWN), text
            assert Told.ABSENT.is_in(text) is (cell.told is Told.ABSENT), text
    assert await bot.all_rows(run) == before


@rows_of("steering", steering.ROWS)
async def test_who_may_steer_a_run(row, serve, subtests):
    bot = await serve(**steering.FILES)
    await reading.more_people(bot)
    if row.first is not None:
        await row.first(bot, {})
    for way in steering.WAYS:
        with subtests.test(way=way.name):
            run = await bot.start("trip")
            if row.before is not None:
                await row.before(bot, {"trip": run})
            before, cell = await bot.all_rows(run), row.cell(way)
            if isinstance(cell, Cannot):
                with pytest.raises(NotPossible):
                    await way.act(bot, row.who, run, row.verb)
                assert await bot.all_rows(run) == before
                continue

            text = await way.act(bot, row.who, run, row.verb)

            if not cell.told.done:
                assert refusals_in(text) == [cell.told], text
                assert await bot.all_rows(run) == before
                continue
            assert cell.told.is_in(text), text
            assert refusals_in(text) == []
            await bot.settled()
            assert await bot.status(run) == steering.LEAVES[row.verb]
            (event,) = [
                e["event"]
                for e in await bot.ledger(run)
                if (e.get("event") or {}).get("is") == steering.EVENTS[row.verb]
            ]
            assert event["door"] == way.recorded
            assert ("via_token" in event) == (way.recorded is Recorded.API)


@rows_of("linking", linking.ROWS)
async def test_who_may_make_somebodys_link(row, serve, subtests):
    bot = await serve(**linking.FILES)
    await row.first(bot, {})
    scopes = dict(bot.scopes)
    bot.scopes.pop(row.by, None)
    run = await bot.start("trip", by=row.by)
    bot.scopes = scopes
    if row.before is not None:
        await row.before(bot, {"trip": run})
    for way in linking.WAYS:
        with subtests.test(way=way.name):
            before, cell = await bot.all_rows(run), row.cell(way)

            text = await way.act(bot, row.who, run, row.whom)

            if not cell.told.done:
                assert refusals_in(text) == [cell.told], text
                assert await bot.all_rows(run) == before
                continue
            assert refusals_in(text) == []
            link = next(word for word in text.split() if "/a/" in word)
            assert link == await bot.link(run, row.whom)
            event = (await bot.ledger(run))[-1]["event"]
            assert (event["is"], event["by"]) == ("LinkMade", (await bot.person(row.who)).id)
            assert link.rpartition("/")[2] not in json.dumps(await bot.ledger(run))


@rows_of("relaying", relaying.ROWS)
async def test_what_a_flow_may_do_in_somebodys_name(row, serve):
    bot = await serve(**row.files)
    run = await bot.start("waits")
    if row.before is not None:
        await row.before(bot, {"waits": run})
    before = await bot.all_rows(run)

    text = await relaying.WAYS[0].act(bot, row.who, run, whole=row.run)

    if row.told.done:
        assert row.told.is_in(text), text
        assert refusals_in(text) == []
        assert await bot.status(run) == row.leaves
        return
    assert refusals_in(text) == [row.told], text
    assert await bot.all_rows(run) == before


async def _answer(bot, case: Case, door: Door, run: int, seen: Any) -> str:
    if isinstance(seen, NotPossible):
        raise seen
    return await door.act(bot, run, case.who, seen, case.say)


# -- that it is all -------------------------------------------------------------------------------------------

CALLERS = {
    "decide": {"slack/decisions.py", "web/pages.py", "web/api/approvals.py", "actions/resume.py"},
    "decide_many": {"slack/home_actions.py", "web/api/approvals.py"},
    "decide_early": {"web/early.py"},
    "start": {"slack/starting.py", "slack/shortcuts.py", "web/api/runs.py", "actions/start.py", "triggers.py"},
    "pause": {"slack/run_control.py", "web/api/runs.py"},
    "resume": {"slack/run_control.py", "web/api/runs.py", "actions/resume.py"},
    "cancel": {"slack/run_control.py", "web/api/runs.py"},
    "drop": {"slack/breaking_glass.py", "web/api/approvals.py"},
    "nudge": {"slack/requesting.py", "web/api/asking.py"},
    "reassign": {"slack/reassigning.py", "web/api/asking.py"},
    "snooze": {"slack/snoozing.py", "web/api/asking.py"},
    "ask": {"slack/questions.py", "web/api/asking.py"},
    "answer": {"slack/questions.py", "web/api/asking.py", "web/pages.py"},
    "delegate": {"slack/delegating.py", "web/api/delegations.py"},
    "end_delegation": {"slack/delegating.py", "web/api/delegations.py"},
    "link_made": {"web/api/runs.py"},
}
"""What the engine is asked to do, and by whom: each is a door that the tables have, or ``tests/bot/slack`` and
``tests/bot/web`` where it decides nothing. The command line and the Python client come through the API."""


def test_no_door_is_missing():
    assert _callers(CALLERS) == CALLERS


def test_every_kind_of_door_decides_somewhere():
    assert {door.recorded for door in DOORS} == set(Recorded)


def test_the_command_line_comes_through_the_python_client_and_that_through_the_api():
    imports = {module for path in Path(client.__file__).parent.rglob("*.py") for module in _imports(path)}

    assert "signoff.client" in _imports(Path(remote.__file__))
    assert not [module for module in imports if module.partition(".")[0] in ("bot", "flows", "integrations")]


def test_no_cell_is_missing_and_each_that_differs_says_why():
    for title, rows, columns in TABLES:
        names = {column.name for column in columns}
        assert len({row.id for row in rows}) == len(rows), title
        for row in rows:
            assert row.cells.keys() <= names, row.id
            for cell in row.cells.values():
                same = isinstance(cell, Cell) and cell.told.words == row.told.words
                assert same or (cell.why if isinstance(cell, Cannot) else cell.note), row.id


def test_whatever_can_be_told_is_in_a_table():
    cells = [row.cell(column) for _, rows, columns in TABLES for row in rows for column in columns]

    assert {cell.told for cell in cells if isinstance(cell, Cell)} == set(Told)


def test_the_paper_is_up_to_date():
    assert PAPER.read_text() == paper(), f"{PAPER.name} is out of date; python -m tests.e2e.test_doors writes it anew"


def _callers(methods: Collection[str]) -> dict[str, set[str]]:
    """The files of the product that ask the engine for each of these."""
    found: dict[str, set[str]] = {method: set() for method in methods}
    for path in HERE.rglob("*.py"):
        text, place = path.read_text(), path.relative_to(HERE)
        if "engine" not in text or place.parts[0] == "demo":  # it plays people
            continue
        for node in ast.walk(ast.parse(text)):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in found and "engine" in ast.unparse(called.value):
                found[called.attr].add(place.as_posix())
    return found


def _imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


if __name__ == "__main__":
    PAPER.write_text(paper())
