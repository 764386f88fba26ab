"""Who may start a run: the rows, and the ways to start one."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from flows.store import reads
from flows.views import RunView
from tests.e2e.doors import meanwhile
from tests.e2e.doors.meanwhile import joins_the_group, token_of, zoe_is
from tests.e2e.doors.told import Cannot, Cell, Row, Told, at, is_refused, refusals_in

STEPS = [{"id": "done", "uses": "log", "with": {"message": "-"}}]
ANYBODYS = {"flow": "anybodys", "steps": STEPS}
NARROW = {
    "flow": "narrow",
    "starters": ["bob@example.com", "@hr-leads"],
    "owner": "dan@example.com",
    "triggers": [{"on": "ended", "flow": "heard"}],
    "steps": STEPS,
}
RELAY = {
    "flow": "relay",
    "inputs": [{"name": "flow", "type": "string"}],
    "steps": [{"id": "go", "uses": "signoff.start", "with": {"flow": "{{ inputs.flow }}"}}],
}
FILES = {flow["flow"]: json.dumps(flow) for flow in (NARROW, RELAY, {**ANYBODYS, "flow": "heard"})} | {
    "anybodys": json.dumps(ANYBODYS | {"triggers": [{"on": "ended", "flow": "heard"}]})
}


class Way:
    """One way to start a run. ``act`` gives what the person reads then."""

    name: str
    title: str

    async def act(self, bot, who: str, flow: str) -> str:
        raise NotImplementedError


class Api(Way):
    name, title = "api", "API"

    async def act(self, bot, who, flow):
        reply = await bot.api(who, "POST", f"flows/{flow}/runs", {})
        told = next(iter(refusals_in(reply.said)), Told.STARTED)
        assert reply.status == told.status, reply
        return f"{reply.said} {reply.body.get('id', '')}"


class Cli(Way):
    name, title = "cli", "command line"

    async def act(self, bot, who, flow):
        result = await bot.cli(who, "run", flow)
        assert result.exit_code == (1 if is_refused(result.output) else 0), result.output
        return result.output


class Slack(Way):
    name, title = "slack", "Slack: `/approvals run`"

    async def act(self, bot, who, flow):
        human = bot.human(who)
        before, talk = len(human.ephemerals()), f"@{human.workspace.bot.name}"
        written = len(human.messages(talk))
        await self._open(bot, who, flow)
        await bot.app._door.drain()
        if human.modal is not None and human.modal.content.get("submit"):
            await human.submit()
            await bot.app._door.drain()
        told = [message.shown_text() for message in [*human.ephemerals()[before:], *human.messages(talk)[written:]]]
        if human.modal is not None:
            told.append(human.modal.shown_text())
            await human.close()
        if human.home is not None:
            told.append(human.home.shown_text().partition("Waiting for you")[0])
        return "\n".join(told)

    async def _open(self, bot, who, flow):
        await bot.human(who).command("/approvals", f"run {flow}", channel="#general")


class SlackHome(Slack):
    """The menu of the home tab offers what its owner may start."""

    name, title = "home", "Slack: home tab"

    async def _open(self, bot, who, flow):
        human = bot.human(who)
        await human.open_home()
        await bot.app._door.drain()
        await human.select(human.home, "Start a flow", flow)


class SlackShortcut(Slack):
    """So does the modal of the shortcut "Start a flow"."""

    name, title = "shortcut", "Slack: shortcut"

    async def _open(self, bot, who, flow):
        human = bot.human(who)
        await human.global_shortcut("start_flow")
        await bot.app._door.drain()
        if human.modal.content.get("submit") is not None:
            await human.submit({"Which one": flow})


class Action(Way):
    """A flow that anybody may start, and that starts the other."""

    name, title = "action", "a flow: `signoff.start`"

    async def act(self, bot, who, flow):
        run, _ = await bot.app.engine.start("relay", await _id(bot, who), {"flow": flow})
        await bot.settled()
        view = await seen_by_nobody(bot, run.id)
        if view.run.ending is None:
            return "\n".join(effect.error for effect in view.troubled)
        return view.run.ending.reason or view.steps["go"].output["run"]


class Trigger(Way):
    """Another flow's run that has ended starts it, in the name of who started that one."""

    name, title = "trigger", "a flow: `triggers`"

    async def act(self, bot, who, flow):
        logged: list[str] = []
        before = await runs_of(bot, flow)
        handler = logging.Handler()
        handler.emit = lambda record: logged.append(f"{getattr(record, 'flow', '')} {getattr(record, 'error', '')}")  # type: ignore[method-assign]
        logger = logging.getLogger("bot.triggers")
        logger.addHandler(handler)
        try:
            heard, _ = await bot.app.engine.start("heard", await _id(bot, who), {})
            await bot.settled()
        finally:
            logger.removeHandler(handler)
        logged += [f"{flow} {effect.error}" for effect in (await seen_by_nobody(bot, heard.id)).troubled]
        started = [run for run in await runs_of(bot, flow) if run not in before]
        return "\n".join([line for line in logged if line.startswith(flow)] + list(map(bot.run_id, started)))


WAYS: tuple[Way, ...] = (Api(), Cli(), Slack(), SlackHome(), SlackShortcut(), Action(), Trigger())


async def _id(bot, who: str) -> int:
    known = await bot.app.people.known(f"{who}@example.com")
    return (known or await bot.person(who)).id


async def seen_by_nobody(bot, run: int) -> RunView:
    """A run as it stands, whether or not anybody's address can be looked up now."""
    return await bot.app.store.read(lambda c, plans: reads.run_view(c, plans, run))


async def runs_of(bot, flow: str) -> list[int]:
    """All runs of a flow, the newest last."""
    query = "SELECT r.id FROM runs r JOIN definitions d ON d.id = r.definition WHERE d.flow = ? ORDER BY r.id"
    rows = await bot.app.store.read(lambda c, _: c.execute(query, (flow,)).fetchall())
    return [run for (run,) in rows]


@dataclass(frozen=True)
class Start(Row):
    """Who starts which flow: ``narrow`` names its starters and its owner."""

    flow: str = "narrow"


async def slack_goes_down_for_cat(bot, runs):
    await bot.person("cat")
    await meanwhile.slack_goes_down(bot, runs)


async def zoe_has_left(bot, runs):
    await zoe_is("deactivated")(bot, runs)
    await bot.person("zoe")  # who was known here before


LEFT = at(
    "slack shortcut api cli",
    Cell(Told.LEFT, "An account, a link or a token is worth nothing once its person has left Slack."),
)
NOT_AS_ADMIN = at(
    "action", Cell(Told.NOT_TO_START, "A flow acts for whoever started it, and not with an admin's rights.")
)
IN_THE_LOG = at("trigger", Cell(Told.NOT_TO_START, "It is written to the log: nobody has asked for it."))
BY_ITSELF = at("action trigger", Cell(Told.TRY_AGAIN, "It is tried again by itself."))
OFFERED = at("home shortcut", Cannot("Only what one may start is offered."))
NO_MENU = at("home", Cannot("The tab says why it has no menu now."))
NO_TOKEN = at("slack home shortcut action trigger", Cell(Told.STARTED, "Tokens play no part here."))

ROWS = (
    Start("anybody", "starters", "anybody, where the flow names no starters", Told.STARTED, who="eve", flow="anybodys"),
    Start("named", "starters", "somebody whom `starters` names", Told.STARTED),
    Start("member", "starters", "a member of a group that `starters` names", Told.STARTED, who="cat"),
    Start("owner", "owner", "the flow's owner", Told.STARTED, who="dan"),
    Start(
        "admin",
        "starters",
        "an admin",
        Told.STARTED,
        who="eve",
        first=token_of("eve", "start", "admin"),
        cells=NOT_AS_ADMIN,
    ),
    Start("others", "starters", "anybody else", Told.NOT_TO_START, who="ann", cells=IN_THE_LOG | OFFERED),
    Start(
        "guest",
        "S3",
        "a guest in a group that `starters` names",
        Told.NOT_TO_START,
        who="zoe",
        first=zoe_is("guest"),
        cells=IN_THE_LOG | OFFERED,
    ),
    Start(
        "gone",
        "S3",
        "a deactivated user in a group that `starters` names",
        Told.NOT_TO_START,
        who="zoe",
        first=zoe_has_left,
        cells=LEFT | IN_THE_LOG | NO_MENU,
    ),
    Start(
        "joined",
        "W12",
        "somebody who has joined the group since",
        Told.STARTED,
        who="ann",
        first=joins_the_group("ann"),
    ),
    Start(
        "admin-unscoped",
        "S10",
        "an admin whose token is not for an admin's rights",
        Told.NOT_TO_START,
        who="eve",
        first=token_of("eve", "start"),
        cells=NO_TOKEN | NOT_AS_ADMIN,
    ),
    Start(
        "scope",
        "S10",
        "somebody whose token is for reading",
        Told.OUT_OF_SCOPE,
        first=token_of("bob", "read"),
        cells=NO_TOKEN,
    ),
    Start(
        "down",
        "S12",
        "a member of the group, while Slack does not answer",
        Told.TRY_AGAIN,
        who="cat",
        first=slack_goes_down_for_cat,
        cells=BY_ITSELF | NO_MENU,
    ),
)
