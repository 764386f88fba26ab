"""What a flow may do in somebody's name with ``signoff.resume``: the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.doors import meanwhile
from tests.e2e.doors.meanwhile import Happens, everywhere
from tests.e2e.doors.told import Row, Told

HOLD = {"hold": {"ask": "Go on?", "via": {"slack": "#general"}}}
GATE = {"approval": {"ask": "Ship it?", "approvers": ["bob@example.com"], "via": {"slack": "#general"}}}
RELAY = {
    "flow": "relay",
    "inputs": [
        {"name": "suspension", "type": "string", "required": False},
        {"name": "run", "type": "string", "required": False},
    ],
    "steps": [
        {
            "id": "go",
            "uses": "signoff.resume",
            "with": {"suspension": "{{ inputs.suspension }}", "run": "{{ inputs.run }}"},
        }
    ],
}


@dataclass(frozen=True)
class Relay(Row):
    """Who starts the flow that resumes a run which waits. ``run``: it is the run that is named, not what it waits for.

    ``leaves`` is the status of the run that waits, where it goes on.
    """

    wait: Mapping[str, Any] = field(default_factory=lambda: HOLD)
    run: bool = False
    before: Happens | None = None
    leaves: str = "succeeded"

    @property
    def files(self) -> dict[str, str]:
        waits = {"flow": "waits", "owner": "dan@example.com", "steps": [{"id": "gate", **self.wait}]}
        return {"waits": json.dumps(waits), "relay": json.dumps(RELAY)}


class Way:
    """The one way."""

    name, title = "action", "a flow: `signoff.resume`"

    async def act(self, bot, who: str, run: int, *, whole: bool) -> str:
        given = {"run": bot.run_id(run)} if whole else {"suspension": bot.approval_id(run)}
        relay = await bot.start("relay", by=who, **given)
        await bot.settled()
        view = await bot.run(relay)
        return view.run.ending.reason or f"Resumed {view.steps['go'].output['resumed']}"


WAYS = (Way(),)
NAMED = {"hold": {**HOLD["hold"], "by": "bob@example.com"}}
ROWS = (
    Relay("requester", "K1", "the requester of a hold that names nobody", Told.GOES_ON, "ann"),
    Relay("named", "K1", "somebody whom a hold names", Told.GOES_ON, wait=NAMED),
    Relay(
        "paused",
        "K3",
        "the requester of a run that is paused",
        Told.GOES_ON,
        "ann",
        run=True,
        before=meanwhile.ann_pauses,
        leaves="waiting",
    ),
    Relay(
        "paused-owner",
        "K3",
        "the owner of a flow whose run is paused",
        Told.GOES_ON,
        "dan",
        run=True,
        before=meanwhile.ann_pauses,
        leaves="waiting",
    ),
    Relay(
        "requester-not-named",
        "K1",
        "the requester of a hold that names somebody else",
        Told.NOT_ASKED,
        "ann",
        wait=NAMED,
    ),
    Relay(
        "resumed",
        "K1",
        "somebody whom a hold names, after another has resumed it",
        Told.RESUMED,
        wait={"hold": {**HOLD["hold"], "by": ["ann@example.com", "bob@example.com"]}},
        before=everywhere("ann", "resume"),
    ),
    Relay("stranger", "K1", "a colleague who has nothing to do with it", Told.NO_WAIT, "cat"),
    Relay("owner", "K1", "the owner of the flow that holds", Told.NOT_THEIRS, "dan"),
    Relay("admin", "S10", "an admin: a flow does not have an admin's rights", Told.NO_WAIT, "eve"),
    Relay(
        "paused-admin",
        "S10",
        "an admin, of a run that is paused",
        Told.NO_WAIT,
        "eve",
        run=True,
        before=meanwhile.ann_pauses,
    ),
    Relay("approver", "W11", "somebody who was asked to approve", Told.ONLY_PEOPLE, wait=GATE),
    Relay("own", "W11", "the requester of what is to be approved", Told.ONLY_PEOPLE, "ann", wait=GATE),
    Relay(
        "paused-approver",
        "K3",
        "somebody who was asked, of a run that is paused",
        Told.NOT_TO_PAUSE,
        wait=GATE,
        run=True,
        before=meanwhile.ann_pauses,
    ),
)
