"""Who may pause a run, let it go on, cancel it, and drop what it waits for: the rows, and the ways to do so."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flows.run import Door as Recorded
from tests.e2e.doors import meanwhile
from tests.e2e.doors.meanwhile import Happens, token_of
from tests.e2e.doors.told import Cannot, Cell, Row, Told, at, is_refused, refusals_in

FLOW = {
    "flow": "trip",
    "owner": "dan@example.com",
    "viewers": ["fay@example.com"],
    "steps": [{"id": "gate", "approval": {"approvers": ["bob@example.com"], "via": {"slack": "#general"}}}],
}
FILES = {"trip": json.dumps(FLOW)}

DONE = {
    "pause": Told.PAUSED,
    "resume": Told.GOES_ON,
    "cancel": Told.CANCELLED_IT,
    "drop": Told.DROPPED_IT,
}
EVENTS = {"pause": "PauseRequested", "resume": "ResumeRequested", "cancel": "CancelRequested", "drop": "DropRequested"}
LEAVES = {"pause": "paused", "resume": "waiting", "cancel": "cancelled", "drop": "succeeded"}


class Way:
    """One way to do it. ``act`` gives what the person reads then; it raises ``NotPossible`` where there is none."""

    name: str
    title: str
    recorded: Recorded

    async def act(self, bot, who: str, run: int, verb: str) -> str:
        raise NotImplementedError


class Api(Way):
    name, title, recorded = "api", "API", Recorded.API

    async def act(self, bot, who, run, verb):
        if verb == "drop":
            reply = await bot.api(who, "POST", f"approvals/{bot.approval_id(run)}/drop", {"reason": "Nobody is there"})
        else:
            reply = await bot.api(who, "POST", f"runs/{bot.run_id(run)}/{verb}", {})
        told = next(iter(refusals_in(reply.said)), None)
        assert reply.status == (told.status if told else 200), reply
        return reply.said if told else f"It is {'dropped' if verb == 'drop' else reply.body['status']}"


class Cli(Way):
    name, title, recorded = "cli", "command line", Recorded.API

    async def act(self, bot, who, run, verb):
        more = ("--reason", "Nobody is there") if verb == "drop" else ()
        result = await bot.cli(who, verb, bot.approval_id(run) if verb == "drop" else bot.run_id(run), *more)
        assert result.exit_code == (1 if is_refused(result.output) else 0), result.output
        return result.output


class Slack(Way):
    name, title, recorded = "slack", "Slack: `/approvals pause`, `resume`, `cancel`; the card's menu", Recorded.SLACK

    async def act(self, bot, who, run, verb):
        human = bot.human(who)
        before = len(human.ephemerals())
        if verb == "drop":
            await human.select(bot.card(who, bot.run_id(run)), "more", "Let it go on undecided")
        else:
            await human.command("/approvals", f"{verb} {bot.run_id(run)}", channel="#general")
        await bot.app._door.drain()
        if human.modal is not None and human.modal.content.get("submit"):
            await human.submit({"Reason": "Nobody is there", "-run": bot.run_id(run)} if verb == "drop" else {})
            await bot.app._door.drain()
        told = [message.shown_text() for message in human.ephemerals()[before:]]
        if human.modal is not None:
            told.append(human.modal.shown_text())
            await human.close()
        return "\n".join(told)


WAYS: tuple[Way, ...] = (Api(), Cli(), Slack())


@dataclass(frozen=True)
class Steer(Row):
    """Who does what to a run that waits. ``before`` happens to it first."""

    verb: str = "pause"
    before: Happens | None = None


NO_MENU = at("slack", Cannot("The menu is on the card as long as it waits."))
ON_THE_CARD = at("slack", Cell(Told.NOT_TO_DROP, "Whoever sees the card knows of it."))
NO_TOKEN = "Tokens play no part here."
PAUSED, ENDED = meanwhile.ann_pauses, meanwhile.ann_cancels
NOT_THEIRS = {
    "pause": Told.NOT_TO_PAUSE,
    "resume": Told.NOT_TO_PAUSE,
    "cancel": Told.NOT_TO_CANCEL,
    "drop": Told.NOT_TO_DROP,
}


def _rows():
    for verb, done in DONE.items():
        hidden = ON_THE_CARD if verb == "drop" else at("slack", Cell(Told.NO_RUN))
        by_slack = at("slack", Cell(done, NO_TOKEN))
        common = {"verb": verb, "before": PAUSED if verb == "resume" else None}
        words = {"pause": "pauses it", "resume": "lets it go on", "cancel": "cancels it", "drop": "drops its wait"}[
            verb
        ]
        who = {
            "requester": ("ann", "the requester", NOT_THEIRS["drop"] if verb == "drop" else done, None, {}),
            "owner": ("dan", "the flow's owner", done, None, {}),
            "admin": ("eve", "an admin", done, token_of("eve", "start", "read", "decide", "admin"), {}),
            "approver": ("bob", "somebody who was asked", NOT_THEIRS[verb], None, {}),
            "viewer": ("fay", "somebody who may only look at it", NOT_THEIRS[verb], None, {}),
            "stranger": ("ida", "a colleague who has nothing to do with it", Told.HIDDEN, None, hidden),
            "admin-unscoped": ("eve", "an admin whose token is not for an admin's rights", Told.HIDDEN, None, by_slack),
            "scope": (
                "dan",
                "the owner with a token for reading",
                Told.OUT_OF_SCOPE,
                token_of("dan", "read"),
                by_slack,
            ),
        }
        for id_, (name, whose, told, first, cells) in who.items():
            scenario = (
                "S10" if id_ in ("admin", "admin-unscoped", "scope") else "K3" if verb in ("pause", "resume") else "R7"
            )
            yield Steer(f"{verb}-{id_}", scenario, f"{whose} {words}", told, name, first, cells, **common)
        yield Steer(
            f"{verb}-ended",
            "R7",
            f"the owner {words}, and the run has ended",
            Told.ENDED,
            "dan",
            None,
            NO_MENU if verb == "drop" else {},
            verb,
            ENDED,
        )
    yield Steer("pause-twice", "K3", "the requester pauses what is paused", Told.PAUSED_ALREADY, "ann", before=PAUSED)
    yield Steer(
        "resume-early", "K3", "the requester lets go on what is not paused", Told.NOT_PAUSED, "ann", verb="resume"
    )


ROWS = tuple(_rows())
