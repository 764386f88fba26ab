"""Who may make somebody's personal link, which is as good as their signature: the rows, and the ways to do so."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.e2e.doors import meanwhile
from tests.e2e.doors.meanwhile import Happens, token_of
from tests.e2e.doors.told import Row, Told, is_refused, refusals_in

FLOW = {
    "flow": "trip",
    "owner": "dan@example.com",
    "steps": [{"id": "gate", "approval": {"approvers": ["bob@example.com"], "via": {"slack": "#general"}}}],
}
FILES = {"trip": json.dumps(FLOW)}


class Way:
    """One way to make a link for somebody. ``act`` gives what is answered."""

    name: str
    title: str

    async def act(self, bot, who: str, run: int, whom: str) -> str:
        raise NotImplementedError


class Api(Way):
    name, title = "api", "API"

    async def act(self, bot, who, run, whom):
        body = {"person": f"{whom}@example.com", "step": "gate"}
        reply = await bot.api(who, "POST", f"runs/{bot.run_id(run)}/links", body)
        told = next(iter(refusals_in(reply.said)), Told.LINKED)
        assert reply.status == told.status, reply
        return str(reply.body.get("page") or reply.said)


class Cli(Way):
    name, title = "cli", "command line"

    async def act(self, bot, who, run, whom):
        result = await bot.cli(who, "links", bot.run_id(run), f"{whom}@example.com", "--step", "gate")
        assert result.exit_code == (1 if is_refused(result.output) else 0), result.output
        return result.output


WAYS: tuple[Way, ...] = (Api(), Cli())
ADMIN = token_of("eve", "read", "links", "admin")


@dataclass(frozen=True)
class Link(Row):
    """Who makes a link for ``whom``; ``by`` has started the run."""

    who: str = "eve"
    first: Happens | None = ADMIN
    whom: str = "bob"
    by: str = "ann"
    before: Happens | None = None


ROWS = (
    Link("admin", "S10", "an admin, for somebody who was asked", Told.LINKED),
    Link("stranger", "W11", "an admin, for somebody who was not asked", Told.NOT_FOR_THEM, whom="cat"),
    Link("requester", "W11", "an admin, for the requester", Told.NOT_FOR_THEM, whom="ann"),
    Link("own", "W11", "an admin who has started the run, for somebody who was asked", Told.OWN_LINK, by="eve"),
    Link(
        "scope",
        "S10",
        "an admin whose token is not for links",
        Told.OUT_OF_SCOPE,
        first=token_of("eve", "read", "admin"),
    ),
    Link(
        "asked",
        "S10",
        "somebody who was asked, for themselves",
        Told.ADMINS_ONLY,
        who="bob",
        first=token_of("bob", "read", "links"),
    ),
    Link("owner", "S10", "the flow's owner", Told.ADMINS_ONLY, who="dan", first=token_of("dan", "read", "links")),
    Link("ended", "R7", "an admin, after the run has ended", Told.ENDED, before=meanwhile.ann_cancels),
)
