"""The conformance table: every case of who may and who may not decide, through every door that there is.

Each row is played in a bot of its own. The person has the question in front of them at all the doors, in a run for
each; then happens what the row says; then they answer at each door. A cell holds if the decision fared as the table
says and the person was told so in words that they can read there.

``docs/doors.md`` is written from the same rows: ``python -m tests.e2e.test_doors`` writes it anew.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import bot as product
from flows.run import Door as Recorded
from integrations.sandbox import NotPossible

HERE = Path(product.__file__).parent
PAPER = HERE.parent / "docs" / "doors.md"


# -- what people are told -------------------------------------------------------------------------------------


class Told(Enum):
    """What a person is told: how the paper calls it, the API's status, and what they read, at whichever door they stand."""

    COUNTED = "**counted**", 201, ("Counted: you ", "Your decision is counted", "d this on ")
    REPEATED = "said already", 200, ("You have said so already: ",)
    OWN = "own request", 403, ("This is your own request, and its flow does not let people approve their own",)
    NOT_ASKED = "was not asked", 403, ("You are not one of the people who were asked to decide this",)
    NOT_THEIRS = "not theirs to resume", 403, ("Only the person who started this run, or an admin, can resume it",)
    LEFT = "has left Slack", 403, ("has left Slack. Nothing can be done in their name any more",)
    OUT_OF_SCOPE = "the token is not for this", 403, ("This takes a token with the scope decide",)
    HIDDEN = "there is nothing here", 404, ("There is nothing here, or nothing that you may read",)
    APPROVED = "decided already, by whom, when", 409, ("This has been decided already: approved by Bob Baker, 2026-",)
    REJECTED = "rejected already, by whom, when", 409, ("This has been decided already: rejected by Bob Baker, 2026-",)
    RESUMED = "resumed already, by whom, when", 409, ("This has been decided already: resumed by Ann Archer, 2026-",)
    CANCELLED = "cancelled, by whom, when", 409, ("This is no longer open: cancelled by Ann Archer, 2026-",)
    CHANGED = "changed since it was shown", 409, ("What is asked has changed since you were shown it",)
    EXPIRED = "closed by its deadline, when", 410, ("This is no longer open: closed by its deadline, 2026-",)
    MISSING = "each missing value", 422, ("Code is required.", "Word is required.")
    WRONG = "each wrong value", 422, ("must match the pattern [A-Z]{3}", "must match the pattern [a-z]{2}")
    NOT_THAT = "which verdicts fit", 422, ("must be approve or reject, not resume",)
    TRY_AGAIN = "try again", 503, ("Slack does not answer right now. Nothing was recorded; please try again",)

    def __init__(self, words: str, status: int, texts: tuple[str, ...]) -> None:
        self.words = words
        self.status = status
        self.texts = texts

    def is_in(self, text: str) -> bool:
        # Counted is said in each door's own words; a refusal is one sentence everywhere, or one for each field.
        return (any if self is Told.COUNTED else all)(_plain(each) in _plain(text) for each in self.texts)


def _plain(text: str) -> str:
    return text.lower().replace(":", "")


@dataclass(frozen=True)
class Cell:
    """What one door says. ``note`` is for the paper, where a door differs from its row."""

    told: Told
    note: str = ""


@dataclass(frozen=True)
class Cannot:
    """The door has no way to say this; ``why`` is for the paper. It is tried all the same, and has to come to nothing."""

    why: str


# -- what people do -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Say:
    """One answer: a verdict, what is filled in, and a reason."""

    verdict: str = "approve"
    values: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


class AsksForMore(NotPossible):
    """The button does not decide here: it opens a modal."""


class Door:
    """One way in. ``look`` gives what somebody has in front of them, ``act`` answers it and gives what they read then.

    Both raise ``NotPossible`` where the door has no way to. ``form`` is whether it takes a form to come through it.
    """

    name: str
    title: str
    recorded: Recorded
    form = False

    async def look(self, bot, run: int, who: str, say: Say) -> Any:
        raise NotImplementedError

    async def act(self, bot, run: int, who: str, seen: Any, say: Say) -> str:
        raise NotImplementedError


BUTTONS = {"approve": "Approve", "reject": "Reject", "resume": "Resume"}


class SlackButton(Door):
    name, title, recorded = "button", "Slack: button", Recorded.SLACK

    async def look(self, bot, run, who, say):
        return await bot.human(who).sees(question(self))

    async def act(self, bot, run, who, seen, say):
        return await _pressed(bot, who, seen, say)


class SlackModal(Door):
    name, title, recorded, form = "modal", "Slack: modal", Recorded.SLACK, True

    async def look(self, bot, run, who, say):
        human = bot.human(who)
        before = len(human.ephemerals())
        await human.click(await human.sees(question(self)), BUTTONS[say.verdict])
        await bot.app._door.drain()
        if human.modal is not None:
            return human.modal
        # Whoever may not decide is told so at once, and gets no modal to fill in.
        return "\n".join(message.shown_text() for message in human.ephemerals()[before:])

    async def act(self, bot, run, who, seen, say):
        if isinstance(seen, str):
            return seen
        human = bot.human(who)
        before = len(human.ephemerals())
        await human.submit(dict(say.values) | ({"reason": say.reason} if say.reason else {}), view=seen)
        await bot.app._door.drain()
        told = [message.shown_text() for message in human.ephemerals()[before:]]
        if human.modal is not None:
            told += [human.modal.shown_text(), *map(": ".join, human.modal.errors.items())]
        return "\n".join(told)


class SlackList(Door):
    name, title, recorded = "list", "Slack: `/approvals`", Recorded.SLACK

    async def look(self, bot, run, who, say):
        human = bot.human(who)
        before = len(human.ephemerals())
        await human.command("/approvals", "all", channel="#general")
        await bot.app._door.drain()
        (shown,) = human.ephemerals()[before:]
        return shown

    async def act(self, bot, run, who, seen, say):
        return await _pressed(bot, who, seen, say, block_id=f"all:{bot.approval_id(run)}")


class WebPage(Door):
    name, title, recorded = "page", "page of a mail link", Recorded.PAGE

    async def look(self, bot, run, who, say):
        return await bot.opens(who, await bot.link(run, who))

    async def act(self, bot, run, who, seen, say):
        if seen.status >= 400:
            return seen.text  # a page that says no has no form
        return (await bot.sends(who, seen, say.verdict, say.reason, **say.values)).text


class JsonApi(Door):
    name, title, recorded = "api", "API", Recorded.API

    async def look(self, bot, run, who, say):
        return (await bot.api(who, "GET", f"approvals/{bot.approval_id(run)}")).body.get("digest")

    async def act(self, bot, run, who, seen, say):
        body = {"verdict": say.verdict, "form": dict(say.values)}
        body |= {"digest": seen} if seen else {}
        body |= {"comment": say.reason} if say.reason else {}
        reply = await bot.api(who, "POST", f"approvals/{bot.approval_id(run)}/decisions", body)
        fields = " ".join(reply.body.get("fields") or ())
        text = f"{reply.said} {fields}"
        told = next((each for each in refusals_in(text)), Told.COUNTED)
        assert reply.status == told.status, reply
        return text


class CommandLine(Door):
    name, title, recorded = "cli", "command line", Recorded.API

    async def look(self, bot, run, who, say):
        return None

    async def act(self, bot, run, who, seen, say):
        more = [part for name, value in say.values.items() for part in ("-f", f"{name}={value}")]
        more += ["--reason", say.reason] if say.reason else []
        result = await bot.cli(who, say.verdict, bot.approval_id(run), *more)
        refused = bool(refusals_in(result.output)) and not Told.REPEATED.is_in(result.output)
        assert result.exit_code == (1 if refused else 0), result.output
        return result.output


async def _pressed(bot, who, seen, say, *, block_id=None) -> str:
    human = bot.human(who)
    before, opened = len(human.ephemerals()), human.modal
    await human.click_stale(seen, BUTTONS[say.verdict], block_id=block_id)
    await bot.app._door.drain()
    if human.modal is not opened:
        await human.close()
        raise AsksForMore
    told = human.ephemerals()[before:]
    if seen.ephemeral_to is not None:
        told.append(human.now(seen))  # a list is answered in its own place
    return "\n".join(message.shown_text() for message in told)


DOORS: tuple[Door, ...] = (SlackButton(), SlackModal(), SlackList(), WebPage(), JsonApi(), CommandLine())


def question(door: Door) -> str:
    return f"Ship it, {door.name}?"


def refusals_in(text: str) -> list[Told]:
    found = [told for told in Told if told is not Told.COUNTED and told.is_in(text)]
    # Whoever says the same again is also told what became of it; that is no second refusal.
    return [Told.REPEATED] if Told.REPEATED in found else found


# -- what happens meanwhile -----------------------------------------------------------------------------------

Happens = Callable[[Any, Mapping[str, int]], Awaitable[None]]


def everywhere(who: str, verdict: str) -> Happens:
    """Somebody answers all of them first."""

    async def decides(bot, runs):
        for run in runs.values():
            assert (await bot.by_api(who, run, verdict)).status == 201

    return decides


async def ann_cancels(bot, runs):
    for run in runs.values():
        assert (await bot.api("ann", "POST", f"runs/{bot.run_id(run)}/cancel", {})).status == 200


async def the_deadline_passes(bot, runs):
    await bot.time_passes("2d")
    for run in runs.values():
        assert await bot.status(run) == "expired"


async def the_deadline_passes_unnoticed(bot, runs):
    bot.clock.set(bot.clock.now() + timedelta(days=2))  # nobody wakes by that, so no timer has fired
    for run in runs.values():
        assert await bot.status(run) == "waiting"


async def something_else_is_asked(bot, runs):
    for name, run in runs.items():
        row = f"Something else, {name}?", b"\x07" * 32, run
        await bot.app.store.write(
            lambda c, r=row: c.execute("UPDATE suspensions SET ask = ?, digest = ? WHERE run = ?", r)
        )


async def slack_goes_down(bot, _runs):
    bot.clock.advance("2m")  # beyond what the directory remembers
    for pattern in ("users.*", "usergroups.*"):
        bot.sandbox.faults.status(pattern, 503)


async def bob_leaves_the_group(bot, _runs):
    _hr_leads(bot).remove(bot.human("bob").id)
    bot.clock.advance("2m")


async def dan_joins_the_group(bot, _runs):
    _hr_leads(bot).append(bot.human("dan").id)
    bot.clock.advance("2m")


async def ann_is_in_the_group(bot, _runs):
    _hr_leads(bot).append(bot.human("ann").id)


def zoe_is(sort: str) -> Happens:
    """Somebody of that sort is in the channel, and in the group."""

    async def arrives(bot, _runs):
        zoe = bot.sandbox.add_person("zoe", "Zoe Zimmer", sort=sort, channels=["general"])
        _hr_leads(bot).append(zoe.id)

    return arrives


def token_of(who: str, *scopes: str) -> Happens:
    async def is_made(bot, _runs):
        bot.scopes[who] = scopes

    return is_made


def _hr_leads(bot) -> list[str]:
    return next(group for group in bot.sandbox.workspace.groups.values() if group.handle == "hr-leads").users


# -- the rows -------------------------------------------------------------------------------------------------

BOTH = ("bob@example.com", "cat@example.com")
GROUP = ("@hr-leads",)
STRICT = [
    {"name": "code", "type": "string", "pattern": "[A-Z]{3}"},
    {"name": "word", "type": "string", "pattern": "[a-z]{2}"},
]
OPTIONAL = [{"name": "note", "type": "string", "required": False}]


@dataclass(frozen=True)
class Case:
    """One row: who does what to which approval. ``then`` happens between their looking and their answering."""

    id: str
    scenario: str
    words: str
    told: Told
    who: str = "bob"
    say: Say = Say()
    approvers: tuple[str, ...] = BOTH
    quorum: int | str = 2
    more: Mapping[str, Any] = field(default_factory=dict)
    hold: bool = False
    form: bool = False
    first: Happens | None = None
    then: Happens | None = None
    cells: Mapping[str, Cell | Cannot] = field(default_factory=dict)

    def cell(self, door: Door) -> Cell | Cannot:
        return self.cells.get(door.name, Cell(self.told))

    def flow(self, door: Door) -> str:
        """The flow file (YAML takes JSON) in which this is asked at that door."""
        ask: dict[str, Any] = {"ask": question(door), "via": {"slack": "#general"}, "timeout": "2d", **self.more}
        if self.form or door.form:
            ask["form"] = STRICT if self.form else OPTIONAL
        if not self.hold:
            ask |= {"approvers": self.approvers, "quorum": self.quorum}
        steps = [
            {"id": "gate", "hold" if self.hold else "approval": ask},
            {"id": "done", "uses": "log", "with": {"message": "-"}},
        ]
        return json.dumps({"flow": door.name, "steps": steps})


NOT_LISTED = Cannot("The list has no button for somebody who cannot decide it.")
OPENS_MODAL = Cannot("The button decides nothing here: it opens the modal.")
FITTING_ONLY = Cannot("Only the verdicts that fit are offered.")
NO_MATTER = Cell(Told.COUNTED, "Tokens play no part here.")
HIDDEN = Cell(Told.HIDDEN, "Whoever was not asked cannot tell it from what does not exist.")
LEFT = Cell(Told.LEFT, "A link or a token is worth nothing once its person has left Slack.")
NOT_ASKED = {"list": NOT_LISTED, "api": HIDDEN, "cli": HIDDEN}
BUTTONS_OPEN_MODAL = {"button": OPENS_MODAL, "list": OPENS_MODAL}
RESUME = Say("resume")
FILLED_IN = {"code": "ABC", "word": "ok"}

ALLOWED = (
    Case("named", "W2", "somebody who was asked by name", Told.COUNTED),
    Case("member", "W12", "a member of the group that was asked", Told.COUNTED, approvers=GROUP),
    Case(
        "guest-named",
        "S3",
        "a guest whom the flow names",
        Told.COUNTED,
        who="zoe",
        approvers=("bob@example.com", "zoe@example.com"),
        first=zoe_is("guest"),
    ),
    Case(
        "own-allowed",
        "W11",
        "the requester, where the flow says `self_approval: true`",
        Told.COUNTED,
        who="ann",
        approvers=("ann@example.com", "bob@example.com"),
        more={"self_approval": True},
    ),
    Case(
        "rejects",
        "K6",
        "somebody who rejects with a reason",
        Told.COUNTED,
        say=Say("reject", reason="Too early"),
        cells=BUTTONS_OPEN_MODAL,
    ),
    Case(
        "other-answer",
        "law 2",
        "somebody who said yes before, and now says no while it is open",
        Told.COUNTED,
        say=Say("reject", reason="Too early"),
        then=everywhere("bob", "approve"),
        cells=BUTTONS_OPEN_MODAL,
    ),
    Case(
        "form",
        "K8",
        "somebody who fills in the form as it has to be",
        Told.COUNTED,
        say=Say(values=FILLED_IN),
        form=True,
        cells=BUTTONS_OPEN_MODAL,
    ),
    Case(
        "hold", "K1", "the requester resumes a hold that names nobody", Told.COUNTED, who="ann", say=RESUME, hold=True
    ),
    Case(
        "hold-admin",
        "K1",
        "an admin resumes a hold that names nobody",
        Told.COUNTED,
        who="eve",
        say=RESUME,
        hold=True,
        first=token_of("eve", "read", "decide", "admin"),
        cells={"list": Cannot("The list has buttons only for what one was asked.")},
    ),
)

FORBIDDEN = (
    Case(
        "requester",
        "W11",
        "the requester, though they are named",
        Told.OWN,
        who="ann",
        approvers=(*BOTH, "ann@example.com"),
        cells={"list": NOT_LISTED},
    ),
    Case(
        "requester-in-group",
        "W11",
        "the requester, as a member of the group that was asked",
        Told.OWN,
        who="ann",
        approvers=GROUP,
        first=ann_is_in_the_group,
        cells={"list": NOT_LISTED},
    ),
    Case("stranger", "S3", "a colleague who was not asked", Told.NOT_ASKED, who="dan", cells=NOT_ASKED),
    Case(
        "admin",
        "S3",
        "an admin who was not asked",
        Told.NOT_ASKED,
        who="eve",
        first=token_of("eve", "read", "decide", "admin"),
        cells={"list": NOT_LISTED},
    ),
    *(
        Case(
            sort.replace(" ", "-") + "-in-group",
            "S3",
            f"{words} in the group that was asked",
            Told.NOT_ASKED,
            who="zoe",
            approvers=GROUP,
            first=zoe_is(sort),
            cells=NOT_ASKED | (dict.fromkeys(("page", "api", "cli"), LEFT) if sort == "deactivated" else {}),
        )
        for sort, words in (
            ("guest", "a guest"),
            ("single-channel guest", "a guest of one channel"),
            ("deactivated", "a deactivated user"),
            ("bot", "a bot"),
            ("stranger", "a person of another workspace"),
        )
    ),
    Case(
        "left",
        "W12",
        "somebody who has left the group since",
        Told.NOT_ASKED,
        approvers=GROUP,
        quorum=1,
        then=bob_leaves_the_group,
        cells={"api": HIDDEN, "cli": HIDDEN},
    ),
    Case(
        "joined",
        "W12",
        "somebody who joined the group after `quorum: all` was opened",
        Told.NOT_ASKED,
        who="dan",
        approvers=GROUP,
        quorum="all",
        first=None,
        then=dan_joins_the_group,
        cells=NOT_ASKED,
    ),
    Case("repeated", "R3", "somebody who has said the same before", Told.REPEATED, then=everywhere("bob", "approve")),
    Case(
        "repeated-closed",
        "R3",
        "somebody who has said the same before, and it is over",
        Told.REPEATED,
        quorum=1,
        then=everywhere("bob", "approve"),
    ),
    Case(
        "approved",
        "W2",
        "somebody who comes after the quorum",
        Told.APPROVED,
        who="cat",
        quorum=1,
        then=everywhere("bob", "approve"),
    ),
    Case(
        "rejected",
        "W6",
        "somebody who comes after a rejection",
        Told.REJECTED,
        who="cat",
        then=everywhere("bob", "reject"),
    ),
    Case("cancelled", "R7", "somebody who comes after the run was cancelled", Told.CANCELLED, then=ann_cancels),
    Case("expired", "R6", "somebody who comes after the deadline", Told.EXPIRED, then=the_deadline_passes),
    Case(
        "overdue",
        "R6",
        "somebody who comes after the deadline, before its timer has fired",
        Told.EXPIRED,
        then=the_deadline_passes_unnoticed,
    ),
    Case(
        "stale",
        "S11",
        "somebody who was shown something else",
        Told.CHANGED,
        then=something_else_is_asked,
        cells={"cli": Cell(Told.COUNTED, "The command shows what is asked now, and decides about just that.")},
    ),
    Case(
        "missing",
        "K8",
        "somebody who leaves required fields empty",
        Told.MISSING,
        form=True,
        cells={
            **BUTTONS_OPEN_MODAL,
            "modal": Cannot("Slack's client sends no form with an empty field that is required."),
        },
    ),
    Case(
        "wrong",
        "K8",
        "somebody who fills in values that do not fit",
        Told.WRONG,
        say=Say(values={"code": "abc", "word": "NO!"}),
        form=True,
        cells=BUTTONS_OPEN_MODAL,
    ),
    Case(
        "verdict",
        "law 1",
        "somebody who resumes what is to be approved",
        Told.NOT_THAT,
        say=RESUME,
        cells=dict.fromkeys(("button", "modal", "list", "page"), FITTING_ONLY),
    ),
    Case(
        "hold-stranger",
        "K1",
        "a colleague who resumes a hold that names nobody",
        Told.NOT_THEIRS,
        who="dan",
        say=RESUME,
        hold=True,
        cells=NOT_ASKED,
    ),
    Case(
        "hold-resumed",
        "K1",
        "an admin who resumes what the requester has resumed",
        Told.RESUMED,
        who="eve",
        say=RESUME,
        hold=True,
        first=token_of("eve", "read", "decide", "admin"),
        then=everywhere("ann", "resume"),
        cells={"list": NOT_LISTED},
    ),
    Case(
        "down",
        "S12",
        "a member of the group, while Slack does not answer",
        Told.TRY_AGAIN,
        approvers=GROUP,
        then=slack_goes_down,
    ),
    Case(
        "scope",
        "S10",
        "somebody whose token is for reading",
        Told.OUT_OF_SCOPE,
        first=token_of("bob", "read"),
        cells=dict.fromkeys(("button", "modal", "list", "page"), NO_MATTER),
    ),
)

CASES = ALLOWED + FORBIDDEN


# -- the tests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scenario}-{case.id}".replace(" ", ""))
async def test_every_door_gives_the_same_answer(case, serve, subtests):
    bot = await serve(**{door.name: case.flow(door) for door in DOORS})
    if case.first is not None:
        await case.first(bot, {})
    runs = {door.name: await bot.start(door.name) for door in DOORS}
    seen: dict[str, Any] = {}
    for door in DOORS:
        try:
            seen[door.name] = await door.look(bot, runs[door.name], case.who, case.say)
        except NotPossible as reason:
            seen[door.name] = reason
    if case.then is not None:
        await case.then(bot, runs)

    for door in sorted(DOORS, key=lambda door: not door.form):  # a modal that is opened takes an open one's place
        with subtests.test(door=door.name):
            await _holds(bot, case, door, runs[door.name], seen[door.name])


async def _holds(bot, case: Case, door: Door, run: int, seen: Any) -> None:
    cell, before = case.cell(door), await bot.all_rows(run)
    if isinstance(cell, Cannot):
        with pytest.raises(NotPossible):
            await _answer(bot, case, door, run, seen)
        assert await bot.all_rows(run) == before
        return

    text = await _answer(bot, case, door, run, seen)

    if cell.told is Told.COUNTED:
        assert Told.COUNTED.is_in(text), text
        assert refusals_in(text) == []
        assert (await bot.standing(run))[case.who] == case.say.verdict
        event = [
            entry["event"] for entry in await bot.ledger(run) if (entry["event"] or {}).get("is") == "DecisionMade"
        ][-1]
        assert event["door"] == door.recorded
        assert event.get("via_token", "issued by the operator").endswith("issued by the operator")
        assert ("via_token" in event) == (door.recorded is Recorded.API)
        assert event["digest"] == (await bot.view(run)).suspension.digest.hex()
        return
    assert refusals_in(text) == [cell.told], text
    if case.then is the_deadline_passes_unnoticed:
        assert await bot.standing(run) == {}
        assert await bot.status(run) == "expired"
    else:
        assert await bot.all_rows(run) == before


async def _answer(bot, case: Case, door: Door, run: int, seen: Any) -> str:
    if isinstance(seen, NotPossible):
        raise seen
    return await door.act(bot, run, case.who, seen, case.say)


def test_no_door_is_missing():
    # Whoever calls Engine.decide is a door; the command line comes through the API.
    callers = {path.relative_to(HERE).as_posix() for path in HERE.rglob("*.py") if _decides(path)}

    assert callers == {"slack/decisions.py", "web/pages.py", "web/api.py"}
    assert {door.recorded for door in DOORS} == set(Recorded)


def test_no_cell_is_missing_and_each_that_differs_says_why():
    names = {door.name for door in DOORS}

    assert len({case.id for case in CASES}) == len(CASES)
    for case in CASES:
        assert case.cells.keys() <= names, case.id
        for cell in case.cells.values():
            assert cell.why if isinstance(cell, Cannot) else cell.note, case.id


def test_every_refusal_is_in_the_table():
    said = {case.cell(door).told for case in CASES for door in DOORS if isinstance(case.cell(door), Cell)}

    assert said == set(Told)


def test_the_paper_is_up_to_date():
    assert PAPER.read_text() == paper(), f"{PAPER.name} is out of date; python -m tests.e2e.test_doors writes it anew"


def _decides(path: Path) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(isinstance(f, ast.Attribute) and f.attr == "decide" and "engine" in ast.unparse(f.value) for f in calls)


# -- the paper ------------------------------------------------------------------------------------------------

HEAD = """\
# Who may decide, at every door

Every row is played by a test through every door, over real sockets (`tests/e2e/test_doors.py`), and this page is
written from the same rows. A cell is what the person is told. Only **counted** changes anything: after every other
answer the run, its decisions and its ledger are, byte for byte, what they were, except that a deadline which has
passed is acted on. What is counted stands in the ledger with its person, its door and the digest of what was shown;
what came through the API or the command line, with the token and who issued it.

There is no other door: these are all the callers of `Engine.decide`, which is where every rule is checked, and a test
says so. The API answers with the status in brackets, the command line with exit code 1 and the same sentence.
"""


def paper() -> str:
    notes: dict[str, int] = {}
    lines = [HEAD]
    for title, cases in (("Allowed", ALLOWED), ("Forbidden", FORBIDDEN)):
        lines += [f"## {title}", "", *_table(cases, notes), ""]
    lines += [f"{number}. {note}" for note, number in notes.items()]
    return "\n".join(lines) + "\n"


def _table(cases: tuple[Case, ...], notes: dict[str, int]) -> Iterator[str]:
    yield "| " + " | ".join(["", "who", *(door.title for door in DOORS)]) + " |"
    yield "|" + "---|" * (len(DOORS) + 2)
    for case in cases:
        yield (
            "| "
            + " | ".join([case.scenario, case.words, *(_words(case.cell(door), door, notes) for door in DOORS)])
            + " |"
        )


def _words(cell: Cell | Cannot, door: Door, notes: dict[str, int]) -> str:
    note = cell.why if isinstance(cell, Cannot) else cell.note
    mark = f" ({notes.setdefault(note, len(notes) + 1)})" if note else ""
    if isinstance(cell, Cannot):
        return f"–{mark}"
    status = f" [{cell.told.status}]" if door.name == "api" else ""
    return f"{cell.told.words}{status}{mark}"


if __name__ == "__main__":
    PAPER.write_text(paper())
