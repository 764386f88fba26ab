"""The conformance table: every case of who may and who may not decide, through every door that there is.

Each row is played in a bot of its own. The person has the question in front of them at all six doors, in a run for
each; then what the row says happens; then they answer at each door. A cell holds if the same became of the decision as
at the other doors, and the person was told what the cell says, in words that they can read there.

``docs/doors.md`` is written from the same rows: ``python tests/e2e/test_doors.py`` writes it anew.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import bot as product
from flows.run import Door as Recorded
from integrations.sandbox import NotPossible

PAPER = Path(product.__file__).parent.parent / "docs" / "doors.md"


# -- what people are told -------------------------------------------------------------------------------------


class Told(Enum):
    """What a person is told: how the paper calls it, and what they read, at whichever door they stand."""

    COUNTED = "counted", "Counted: you |this on Monday|Your decision is counted", ()
    REPEATED = "said already", "You have said so already", ()
    OWN = "refused: own request", "This is your own request", ()
    NOT_ASKED = "refused: not asked", "You are not one of the people who were asked", ()
    NOT_THEIRS = "refused: not theirs to resume", "Only the person who started this run, or an admin, can resume it", ()
    HIDDEN = "refused: as if it were not there", "There is nothing here, or nothing that you may read", ()
    APPROVED = "refused: decided, by whom and when", "This has been decided already: approved by Bob Baker, ", ()
    REJECTED = "refused: rejected, by whom and when", "This has been decided already: rejected by Bob Baker, ", ()
    EXPIRED = "refused: deadline passed", "This is no longer open: closed by its deadline, ", ()
    CANCELLED = "refused: cancelled, by whom and when", "This is no longer open: cancelled by Ann Archer, ", ()
    CHANGED = "refused: changed since shown", "has changed since", ()
    MISSING = "refused: each missing value", "", ("code", "word", "is needed")
    WRONG = "refused: each wrong value", "", ("must match the pattern [A-Z]{3}", "must match the pattern [a-z]{2}")
    NOT_THAT = "refused: not a verdict for this", "", ("verdict", "must be ", ", not ")
    TRY_AGAIN = "refused: try again", "Slack does not answer right now. Nothing was recorded; please try again", ()
    OUT_OF_SCOPE = "refused: the token is not for this", "This takes a token with the scope decide", ()

    def __init__(self, words: str, one_of: str, all_of: tuple[str, ...]) -> None:
        self.words = words
        self.one_of = tuple(one_of.split("|")) if one_of else ()
        self.all_of = all_of

    def is_in(self, text: str) -> bool:
        return (not self.one_of or any(each in text for each in self.one_of)) and all(e in text for e in self.all_of)


@dataclass(frozen=True)
class Cell:
    """What one door says. ``note`` is for the paper, where a door differs from the row."""

    told: Told
    note: str = ""


@dataclass(frozen=True)
class Cannot:
    """The door has no way to say this; ``why`` is for the paper. The attempt is made all the same, and has to fail."""

    why: str


# -- what people do -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Say:
    """One answer: a verdict, and what is filled in."""

    verdict: str = "approve"
    values: Mapping[str, str] = field(default_factory=dict)


class ModalOpened(NotPossible):
    """The button does not decide here: it asks for more first."""


class Door:
    """One way in. ``look`` is what somebody has in front of them, or ``NotPossible``; ``act`` answers, and returns what they read."""

    name: str
    title: str
    recorded: Recorded
    form = False
    """Whether this door is for approvals with a form, where the row does not say."""

    async def look(self, bot, run: int, who: str) -> Any:
        raise NotImplementedError

    async def act(self, bot, run: int, who: str, seen: Any, say: Say) -> str:
        raise NotImplementedError


BUTTONS = {"approve": "Approve", "reject": "Reject", "resume": "Resume"}


class SlackButton(Door):
    name, title, recorded = "button", "Slack: button on the card", Recorded.SLACK

    async def look(self, bot, run, who):
        return await bot.human(who).sees(question(self))

    async def act(self, bot, run, who, seen, say):
        return await _pressed(bot, who, seen, say)


class SlackModal(Door):
    name, title, recorded = "modal", "Slack: modal", Recorded.SLACK
    form = True

    async def look(self, bot, run, who):
        human = bot.human(who)
        card = await human.sees(question(self))
        return card if human.modal is None else human.modal

    async def act(self, bot, run, who, seen, say):
        human = bot.human(who)
        before = len(human.ephemerals())
        await human.submit(dict(say.values), view=seen)
        await bot.app._door.drain()
        told = [message.shown_text() for message in human.ephemerals()[before:]]
        if human.modal is not None:
            told += [human.modal.shown_text(), *map(": ".join, human.modal.errors.items())]
        return "\n".join(told)


class SlackList(Door):
    name, title, recorded = "list", "Slack: `/approvals`", Recorded.SLACK

    async def look(self, bot, run, who):
        human = bot.human(who)
        before = len(human.ephemerals())
        await human.command("/approvals", "all", channel="#general")
        await bot.app._door.drain()
        (shown,) = human.ephemerals()[before:]
        return shown

    async def act(self, bot, run, who, seen, say):
        return await _pressed(bot, who, seen, say, block_id=f"all:{bot.approval_id(run)}")


class WebPage(Door):
    name, title, recorded = "page", "Page behind a mail link", Recorded.PAGE

    async def look(self, bot, run, who):
        return await bot.opens(who, await bot.link(run, who))

    async def act(self, bot, run, who, seen, say):
        return (await bot.sends(who, seen, say.verdict, **say.values)).text


class JsonApi(Door):
    name, title, recorded = "api", "JSON API", Recorded.API

    async def look(self, bot, run, who):
        found = await bot.api(who, "GET", f"approvals/{bot.approval_id(run)}")
        return found.body.get("digest")

    async def act(self, bot, run, who, seen, say):
        body = {"verdict": say.verdict, "form": dict(say.values), **({"digest": seen} if seen else {})}
        scopes = bot.scopes.get(who, ())
        reply = await bot.api(who, "POST", f"approvals/{bot.approval_id(run)}/decisions", body, scopes=scopes)
        assert reply.status == STATUS[told_by(reply)], reply
        return reply.said + " ".join(reply.body.get("fields") or ())


class CommandLine(Door):
    name, title, recorded = "cli", "Command line", Recorded.API

    async def look(self, bot, run, who):
        return None

    async def act(self, bot, run, who, seen, say):
        more = [part for name, value in say.values.items() for part in ("-f", f"{name}={value}")]
        if say.verdict == "reject":
            more += ["--reason", "no"]
        result = await bot.cli(who, say.verdict, bot.approval_id(run), *more, scopes=bot.scopes.get(who, ()))
        refused = not (Told.COUNTED.is_in(result.output) or Told.REPEATED.is_in(result.output))
        assert result.exit_code == (1 if refused else 0), result.output
        return result.output


async def _pressed(bot, who, seen, say, *, block_id=None):
    human = bot.human(who)
    before = len(human.ephemerals())
    opened = human.modal
    await human.click_stale(seen, BUTTONS[say.verdict], block_id=block_id)
    await bot.app._door.drain()
    if human.modal is not opened:
        await human.close()
        raise ModalOpened
    if seen.ephemeral_to is not None:
        return human.now(seen).shown_text()  # a list is answered in its own place
    return "\n".join(message.shown_text() for message in human.ephemerals()[before:])


DOORS: tuple[Door, ...] = (SlackButton(), SlackModal(), SlackList(), WebPage(), JsonApi(), CommandLine())
NAMES = tuple(door.name for door in DOORS)

STATUS = {
    Told.COUNTED: 201,
    Told.REPEATED: 200,
    Told.OWN: 403,
    Told.NOT_ASKED: 403,
    Told.NOT_THEIRS: 403,
    Told.OUT_OF_SCOPE: 403,
    Told.HIDDEN: 404,
    Told.APPROVED: 409,
    Told.REJECTED: 409,
    Told.CANCELLED: 409,
    Told.CHANGED: 409,
    Told.EXPIRED: 410,
    Told.MISSING: 422,
    Told.WRONG: 422,
    Told.NOT_THAT: 422,
    Told.TRY_AGAIN: 503,
}


def told_by(reply) -> Told:
    text = reply.said + " ".join(reply.body.get("fields") or ())
    return next(told for told in reversed(Told) if told.is_in(text))


# -- the rows -------------------------------------------------------------------------------------------------

Happens = Callable[[Any, Mapping[str, int]], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """One row. ``first`` is done before the person looks, ``then`` between their looking and their answer."""

    id: str
    scenario: str
    words: str
    told: Told
    who: str = "bob"
    say: Say = Say()
    approvers: tuple[str, ...] = ("bob@example.com", "cat@example.com")
    quorum: int | str = 2
    more: Mapping[str, Any] = field(default_factory=dict)
    hold: bool = False
    asks: bool | None = None
    """Whether there is a form at every door (True), at none but the modal (None)."""
    before: Happens | None = None
    first: Happens | None = None
    then: Happens | None = None
    moves: bool = False
    """Whether the attempt itself lets the deadline take effect."""
    cells: Mapping[str, Cell | Cannot] = field(default_factory=dict)

    def cell(self, door: Door) -> Cell | Cannot:
        return self.cells.get(door.name, Cell(self.told))


GROUP = ("@hr-leads",)
CODES = Say(values={"code": "ABC", "word": "ok"})

NO_ITEM = Cannot("The list shows no button for what somebody cannot decide.")
OPENS_FORM = Cannot("The button opens the modal; nothing is decided by it.")
HIDDEN = Cell(Told.HIDDEN, "Whoever was not asked is not told that it exists.")
OWN_VERDICTS = Cannot("It offers only the verdicts that fit.")
NO_TOKEN = Cannot("There is no token here.")
FRESH = Cell(Told.COUNTED, "The command shows what is asked now and decides about that, in one go.")
STRANGERS = {"list": NO_ITEM, "api": HIDDEN, "cli": HIDDEN}


async def _all_decide(bot, runs, who, verdict):
    for door in DOORS:
        form = {"code": "ABC", "word": "ok"} if door.form else {}
        reply = await bot.by_api(who, runs[door.name], verdict, form=form)
        assert reply.status == 201, reply


async def bob_approved(bot, runs):
    await _all_decide(bot, runs, "bob", "approve")


async def bob_rejected(bot, runs):
    await _all_decide(bot, runs, "bob", "reject")


async def cat_rejected(bot, runs):
    await _all_decide(bot, runs, "cat", "reject")


async def cancelled(bot, runs):
    for run in runs.values():
        assert (await bot.api("ann", "POST", f"runs/{bot.run_id(run)}/cancel", {})).status == 200


async def deadline_fired(bot, runs):
    await bot.time_passes("2d")
    for run in runs.values():
        assert await bot.status(run) == "expired"


async def deadline_passed_unnoticed(bot, runs):
    bot.clock.set(bot.clock.now() + timedelta(days=2))  # no timer wakes by that
    for run in runs.values():
        assert await bot.status(run) == "waiting"


async def asked_something_else(bot, runs):
    for name, run in runs.items():
        row = f"Something else, {name}?", b"\x07" * 32, run
        await bot.app.store.write(lambda c, r=row: c.execute("UPDATE suspensions SET ask = ?, digest = ? WHERE run = ?", r))


async def slack_went_down(bot, runs):
    bot.clock.advance(timedelta(minutes=2))  # beyond what the directory remembers
    bot.sandbox.faults.status("users*", 503)


async def bob_left_the_group(bot, runs):
    group = bot.sandbox.workspace.groups_by_handle["hr-leads"] if hasattr(bot.sandbox.workspace, "groups_by_handle") else None
    for one in bot.sandbox.workspace.groups.values() if group is None else [group]:
        if one.handle == "hr-leads":
            one.users.remove(bot.human("bob").id)
    bot.clock.advance(timedelta(minutes=2))


async def dan_joined_the_group(bot, runs):
    for one in bot.sandbox.workspace.groups.values():
        if one.handle == "hr-leads":
            one.users.append(bot.human("dan").id)
    bot.clock.advance(timedelta(minutes=2))


def somebody(sort: str, *, in_group: bool = False) -> Happens:
    """Somebody of that sort, in the channel and perhaps in the group that is asked."""

    async def arrives(bot, _runs):
        zoe = bot.sandbox.add_person("zoe", "Zoe Zimmer", sort=sort, channels=["general"])
        if in_group:
            for one in bot.sandbox.workspace.groups.values():
                if one.handle == "hr-leads":
                    one.users.append(zoe.id)

    return arrives


async def dan_may_only_read(bot, _runs):
    bot.scopes["bob"] = ("read",)


CASES: tuple[Case, ...] = (
    # what is allowed
    Case("asked", "W2", "somebody who was asked by name", Told.COUNTED),
    Case("member", "W12", "a member of the group that was asked", Told.COUNTED, approvers=GROUP),
    Case(
        "changed-mind",
        "law 2",
        "somebody who has said no before, while it goes on after a no",
        Told.REJECTED,
        who="cat",
        first=None,
        then=bob_rejected,
        more={"on_reject": "continue"},
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
    Case("hold", "K1", "the requester resumes a hold that names nobody", Told.COUNTED, who="ann", say=Say("resume"), hold=True),
    Case("hold-admin", "K1", "an admin resumes a hold that names nobody", Told.COUNTED, who="eve", say=Say("resume"), hold=True,
         cells={"list": NO_ITEM}),
    Case("form", "K8", "somebody who was asked, with a form filled in", Told.COUNTED, say=CODES, asks=True,
         cells={"button": OPENS_FORM, "list": OPENS_FORM}),
)
