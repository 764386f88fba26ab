"""Decisions that come before they are asked for: the rows, and what becomes of each when its approval opens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.e2e.doors import meanwhile
from tests.e2e.doors.deciding import BOTH, DONE, GROUP, OPTIONAL, STRICT
from tests.e2e.doors.meanwhile import Happens, joins_the_group, zoe_is
from tests.e2e.doors.told import Cannot, Row, Told, at
from tests.e2e.doors.ways import APPROVE, Say, early_link


class Link:
    """A link in advance. ``step`` is the one that it is for; None: for the whole run."""

    def __init__(self, name: str, title: str, step: str | None) -> None:
        self.name = name
        self.title = title
        self.step = step

    async def look(self, bot, run: int, who: str):
        return await bot.opens(who, await early_link(bot, run, who, self.step))


LINKS = (Link("run", "link for the run", None), Link("step", "link for the step", "gate"))


class Becomes(Enum):
    """What becomes of it when the approval opens, as the paper says it."""

    COUNTED = "counted, unseen"
    NOTHING = "not counted"
    GONE = "–"


@dataclass(frozen=True)
class Early(Row):
    """Who says what, before an approval that is to come.

    ``meanwhile`` happens between their looking and their answering, ``later`` between that and the opening. ``opens`` is
    whether it opens at all; ``leaves`` is the run's status when it has.
    """

    say: Say = APPROVE
    approvers: tuple[str, ...] = BOTH
    quorum: int = 2
    more: Mapping[str, Any] = field(default_factory=dict)
    allows: bool = True
    meanwhile: Happens | None = None
    later: Happens | None = None
    becomes: Becomes = Becomes.COUNTED
    leaves: str = "waiting"

    def file(self, link: Link) -> str:
        """The flow file in which it is asked: after a hold, so that there is a time before."""
        gate: dict[str, Any] = {"ask": "Ship it?", "approvers": self.approvers, "quorum": self.quorum, "timeout": "2d"}
        gate |= {"via": {"slack": "#general"}, **({"pre_approval": "allow"} if self.allows else {}), **self.more}
        hold = {"id": "ready", "hold": {"ask": "Ready?", "via": {"slack": "#general"}}}
        return json.dumps({"flow": link.name, "steps": [hold, {"id": "gate", "approval": gate}, DONE]})


async def ann_resumes(bot, runs):
    """What the runs hold for is over, so the approval opens."""
    for run in runs.values():
        assert (await bot.by_api("ann", run, "resume")).status == 201


def some_time_before(happens: Happens) -> Happens:
    """It happens, and then more time passes than the members of a group are remembered for when an approval opens."""

    async def happen(bot, runs):
        await happens(bot, runs)
        bot.clock.advance("10m")

    return happen


def also(say: Say, who: str = "bob") -> Happens:
    """Somebody says something else in advance first."""

    async def says(bot, runs):
        for link in LINKS:
            page = await link.look(bot, runs[link.name], who)
            assert (await bot.sends(who, page, say.verdict, say.reason)).status == 200

    return says


ROWS = (
    Early("kept", "W9", "somebody whom it is going to ask", Told.KEPT),
    Early("enough", "W9", "somebody who is enough", Told.KEPT, quorum=1, leaves="succeeded"),
    Early("rejects", "W9", "somebody who rejects", Told.KEPT, say=Say("reject", reason="No"), leaves="rejected"),
    Early("member", "W9", "a member of the group that it is going to ask", Told.KEPT, approvers=GROUP),
    Early(
        "joined",
        "W12",
        "somebody who joins the group before it opens",
        Told.KEPT,
        who="dan",
        approvers=GROUP,
        later=some_time_before(joins_the_group("dan")),
    ),
    Early(
        "own-allowed",
        "W11",
        "the requester, where the flow says `self_approval: true`",
        Told.KEPT,
        who="ann",
        approvers=("ann@example.com", "bob@example.com"),
        more={"self_approval": True},
    ),
    Early(
        "optional-form",
        "K8",
        "somebody, where nothing of the form has to be filled in",
        Told.KEPT,
        more={"form": OPTIONAL},
    ),
    Early(
        "reason",
        "K6",
        "somebody who says why, where `reason: both` asks it",
        Told.KEPT,
        say=Say(reason="As agreed"),
        more={"reason": "both"},
    ),
    Early(
        "veto",
        "W6",
        "somebody who may veto, and does",
        Told.KEPT,
        who="dan",
        say=Say("reject", reason="No"),
        more={"veto": ["dan@example.com"], "reject_after": 2},
        leaves="rejected",
    ),
    Early("again", "R3", "somebody who has said the same in advance", Told.KEPT, meanwhile=also(Say())),
    Early(
        "otherwise",
        "law 2",
        "somebody who has said the opposite in advance: the later one stands",
        Told.KEPT,
        meanwhile=also(Say("reject", reason="No")),
    ),
    Early(
        "paused",
        "K3",
        "somebody, while the run is paused",
        Told.KEPT,
        meanwhile=meanwhile.ann_pauses,
        becomes=Becomes.GONE,
    ),
    Early(
        "opened-meanwhile",
        "W10",
        "somebody who looked before it opened, and sends it after",
        Told.UNSEEN,
        meanwhile=ann_resumes,
    ),
    Early(
        "options-reject",
        "W4",
        "somebody who rejects, where there are `options`",
        Told.KEPT,
        say=Say("reject", reason="No"),
        more={"options": ["now", "later"]},
        leaves="rejected",
    ),
    Early(
        "guest",
        "S3",
        "a guest in the group that it is going to ask",
        Told.KEPT,
        who="zoe",
        approvers=GROUP,
        first=zoe_is("guest"),
        becomes=Becomes.NOTHING,
    ),
    Early(
        "left",
        "W12",
        "somebody who leaves the group before it opens",
        Told.KEPT,
        approvers=GROUP,
        quorum=1,
        later=some_time_before(meanwhile.leaves_the_group("bob")),
        becomes=Becomes.NOTHING,
    ),
    Early(
        "requester",
        "W11",
        "the requester, though they are named",
        Told.OWN_EARLY,
        who="ann",
        approvers=(*BOTH, "ann@example.com"),
        becomes=Becomes.NOTHING,
    ),
    Early(
        "requester-in-group",
        "W11",
        "the requester, as a member of the group",
        Told.OWN_EARLY,
        who="ann",
        approvers=GROUP,
        first=joins_the_group("ann"),
        becomes=Becomes.NOTHING,
    ),
    Early(
        "stranger",
        "S3",
        "a colleague whom it does not ask",
        Told.NOT_GOING_TO_BE_ASKED,
        who="dan",
        becomes=Becomes.NOTHING,
    ),
    Early(
        "gone",
        "S3",
        "a deactivated user in the group",
        Told.LEFT,
        who="zoe",
        approvers=GROUP,
        first=zoe_is("deactivated"),
        becomes=Becomes.NOTHING,
    ),
    Early(
        "not-allowed",
        "law 4",
        "somebody, where the flow does not say so",
        Told.NOT_BEFOREHAND,
        allows=False,
        becomes=Becomes.NOTHING,
    ),
    Early(
        "form",
        "law 4",
        "somebody, where the form has to be filled in",
        Told.NOT_BEFOREHAND,
        more={"form": STRICT},
        becomes=Becomes.NOTHING,
    ),
    Early(
        "options",
        "W4",
        "somebody who approves, where there are `options`",
        Told.KEPT,
        more={"options": ["now", "later"]},
        becomes=Becomes.NOTHING,
        cells=at("run step", Cannot("Of choices that nobody has seen, none is offered.")),
    ),
    Early(
        "no-reason",
        "K6",
        "somebody who does not say why, where `reason: both` asks it",
        Told.NO_REASON,
        more={"reason": "both"},
        becomes=Becomes.NOTHING,
    ),
    Early(
        "silence",
        "law 3",
        "somebody who sends the page as it stands, with nothing chosen",
        Told.NOTHING_CHOSEN,
        say=Say(""),
        becomes=Becomes.NOTHING,
    ),
    Early(
        "cancelled",
        "R7",
        "somebody, after the run was cancelled",
        Told.ENDED,
        meanwhile=meanwhile.ann_cancels,
        becomes=Becomes.GONE,
    ),
    Early(
        "down",
        "S12",
        "a member of the group, while Slack does not answer: who they are is asked when it opens",
        Told.KEPT,
        approvers=GROUP,
        meanwhile=meanwhile.slack_goes_down,
        becomes=Becomes.GONE,
    ),
)
