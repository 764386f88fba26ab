"""Who may look at a run: the rows, and the ways to look at one."""

from __future__ import annotations

import json

from tests.e2e.doors.meanwhile import joins_the_group, token_of, zoe_is
from tests.e2e.doors.told import Cell, Row, Told, at, is_refused, refusals_in

FLOW = {
    "flow": "trip",
    "owner": "dan@example.com",
    "viewers": ["fay@example.com", "@lookers"],
    "steps": [
        {
            "id": "gate",
            "approval": {
                "ask": "Ready for the sea?",
                "approvers": ["bob@example.com", "@hr-leads"],
                "veto": ["gus@example.com"],
                "quorum": 2,
                "via": {"slack": "#general"},
            },
        }
    ],
}
FILES = {"trip": json.dumps(FLOW)}


async def more_people(bot) -> None:
    """Fay may look, Gus may veto, Hal is in a group that may look, Ida has nothing to do with it."""
    added = {
        name: bot.sandbox.add_person(name, f"{name.capitalize()} Doe", channels=["general"])
        for name in ("fay", "gus", "hal", "ida")
    }
    bot.sandbox.workspace.add_group("lookers", [added["hal"].user], "Lookers")


class Way:
    """One way to look. ``act`` gives what the person reads."""

    name: str
    title: str

    async def act(self, bot, who: str, run: int) -> str:
        raise NotImplementedError


class ApiRun(Way):
    name, title = "run", "API: run"

    def path(self, bot, run: int) -> str:
        return f"runs/{bot.run_id(run)}"

    async def act(self, bot, who, run):
        reply = await bot.api(who, "GET", self.path(bot, run))
        told = next(iter(refusals_in(reply.said)), Told.SHOWN)
        assert reply.status == told.status, reply
        return json.dumps(reply.body)


class ApiApproval(ApiRun):
    name, title = "approval", "API: approval"

    def path(self, bot, run):
        return f"approvals/{bot.approval_id(run)}"


class ApiList(ApiRun):
    name, title = "waiting", "API: what waits"

    async def act(self, bot, who, run):
        reply = await bot.api(who, "GET", "approvals")
        if reply.status == 200 and not reply.body["items"]:
            return "Nothing waits for anybody"
        told = next(iter(refusals_in(reply.said)), Told.SHOWN)
        assert reply.status == told.status, reply
        return json.dumps(reply.body)


class Cli(Way):
    name, title = "cli", "command line: `show`"

    async def act(self, bot, who, run):
        result = await bot.cli(who, "show", bot.run_id(run))
        assert result.exit_code == (1 if is_refused(result.output) else 0), result.output
        return result.output


class CliList(Way):
    name, title = "pending", "command line: `pending --all`"

    async def act(self, bot, who, run):
        result = await bot.cli(who, "pending", "--all")
        assert result.exit_code == (1 if is_refused(result.output) else 0), result.output
        return result.output


class Slack(Way):
    name, title, word = "slack", "Slack: `/approvals show`", "show"

    def text(self, bot, run: int) -> str:
        return f"show {bot.run_id(run)}"

    async def act(self, bot, who, run):
        human = bot.human(who)
        before = len(human.ephemerals())
        await human.command("/approvals", self.text(bot, run), channel="#general")
        await bot.app._door.drain()
        (shown,) = human.ephemerals()[before:]
        return shown.shown_text()


class SlackList(Slack):
    name, title = "list", "Slack: `/approvals all`"

    def text(self, bot, run):
        return "all"


WAYS: tuple[Way, ...] = (ApiRun(), ApiApproval(), ApiList(), Cli(), CliList(), Slack(), SlackList())

LISTS, TOKENS = "waiting pending list", "run approval waiting cli pending"
LISTED_NOT = at(LISTS, Cell(Told.ABSENT, "What one may not read is left out of lists."))
NOT_TOLD = at("slack", Cell(Told.NO_RUN)) | LISTED_NOT
NOT_IN_LISTS = at(LISTS, Cell(Told.ABSENT, "The lists have what waits for somebody, and what they have asked for."))

ROWS = (
    Row("requester", "S3", "the requester", Told.SHOWN, who="ann"),
    Row("asked", "S3", "somebody who was asked by name", Told.SHOWN),
    Row("member", "S3", "a member of the group that was asked", Told.SHOWN, who="cat"),
    Row("veto", "S3", "somebody who may veto", Told.SHOWN, who="gus"),
    Row("viewer", "viewers", "somebody whom `viewers` names", Told.SHOWN, who="fay", cells=NOT_IN_LISTS),
    Row("looker", "viewers", "a member of a group that `viewers` names", Told.SHOWN, who="hal", cells=NOT_IN_LISTS),
    Row("owner", "owner", "the flow's owner", Told.SHOWN, who="dan", cells=NOT_IN_LISTS),
    Row("admin", "S10", "an admin", Told.SHOWN, who="eve", first=token_of("eve", "read", "admin")),
    Row("stranger", "S3", "a colleague who has nothing to do with it", Told.HIDDEN, who="ida", cells=NOT_TOLD),
    Row(
        "guest",
        "S3",
        "a guest in the group that was asked",
        Told.HIDDEN,
        who="zoe",
        first=zoe_is("guest"),
        cells=NOT_TOLD,
    ),
    Row(
        "joined", "W12", "somebody who has joined the group since", Told.SHOWN, who="ida", first=joins_the_group("ida")
    ),
    Row(
        "admin-unscoped",
        "S10",
        "an admin whose token is not for an admin's rights",
        Told.HIDDEN,
        who="eve",
        cells=LISTED_NOT | at("slack list", Cell(Told.SHOWN, "Tokens play no part here.")),
    ),
    Row(
        "scope",
        "S10",
        "somebody whose token is not for reading",
        Told.OUT_OF_SCOPE,
        first=token_of("bob", "start", "decide"),
        cells=at("slack list", Cell(Told.SHOWN, "Tokens play no part here.")),
    ),
)
