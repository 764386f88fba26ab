"""Who may decide: the rows, each of which is played through every way in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.e2e.doors import meanwhile
from tests.e2e.doors.meanwhile import (
    Happens,
    all_of,
    everywhere,
    hands_over,
    is_reassigned,
    time_passes,
    token_of,
    unnoticed,
    wants_to_know,
    zoe_is,
)
from tests.e2e.doors.told import Cannot, Cell, Row, Told, at
from tests.e2e.doors.ways import APPROVE, Door, Say

BOTH = ("bob@example.com", "cat@example.com")
GROUP = ("@hr-leads",)
STRICT = [
    {"name": "code", "type": "string", "pattern": "[A-Z]{3}"},
    {"name": "word", "type": "string", "pattern": "[a-z]{2}"},
]
OPTIONAL = [{"name": "note", "type": "string", "required": False}]
DONE = {"id": "done", "uses": "log", "with": {"message": "-"}}


@dataclass(frozen=True)
class Case(Row):
    """Who does what to which approval.

    ``before`` happens when people have been asked, ``then`` between this person's looking and their answering.
    ``leaves`` is the run's status after what was counted; where a row ends otherwise than waiting, that says whom it
    was enough for. ``in_the_end`` is what it is when all have answered and the time to undo it is over.

    ``approvers`` are named as in a flow file, or by a short name: then by their Slack id.

    ``whom`` is for whom they answer, where that is somebody else. ``closes``: what they are told is noticed only then,
    and that is the run's status afterwards.
    """

    say: Say = APPROVE
    approvers: tuple[str, ...] | None = BOTH
    quorum: Any = 2
    more: Mapping[str, Any] = field(default_factory=dict)
    flow_says: Mapping[str, Any] = field(default_factory=dict)
    hold: bool = False
    form: bool = False
    made_by: Literal["flow", "child", "function"] = "flow"
    before: Happens | None = None
    then: Happens | None = None
    leaves: str = "waiting"
    in_the_end: str | None = None
    whom: str | None = None
    closes: str | None = None

    def files(self, door: Door, module: str, bot: Any) -> dict[str, str]:
        """The flow files (YAML takes JSON) in which this is asked at that door; ``module`` has the function that asks."""
        ask: dict[str, Any] = {"ask": door.question(), "via": {"slack": "#general"}}
        ask |= {"timeout": "47h" if door.soon else "2d", **door.asks, **self.more}
        if self.hold:
            ask.pop("thread_replies", None)  # nobody resumes by a word
        if self.form or door.form:
            ask["form"] = STRICT if self.form else OPTIONAL
        if not self.hold:
            ask |= {"quorum": self.quorum}
            ask |= {"approvers": [_handle(bot, one) for one in self.approvers]} if self.approvers else {}
            ask |= {"pre_approval": "allow"} if door.name == "early" and "verify" not in ask else {}
        kind = "hold" if self.hold else "approval"
        gate: dict[str, Any] = {"id": "gate", kind: ask}
        top = {"flow": door.name, **self.flow_says}
        match self.made_by:
            case "child":
                sub = {"id": "sub", "flow": f"{door.name}_child"}
                return {
                    door.name: json.dumps(top | {"steps": [sub, DONE]}),
                    f"{door.name}_child": json.dumps({"flow": f"{door.name}_child", "steps": [gate]}),
                }
            case "function":
                gate = {"id": "gate", "run": f"{module}:asks", "with": {"wait": {kind: ask}}}
        return {door.name: json.dumps(top | {"steps": [gate, DONE]})}


def _handle(bot: Any, name: str) -> str:
    if "@" in name:
        return name
    user = bot.human(name).user
    return f"{user.team_id}/{user.id}"


# -- where a door differs from its row ------------------------------------------------------------------------


SLACK = "button modal whole home selected list command thread"
PAGES, PROGRAMS = "page coded early", "api bulk cli several"
LISTS = "home selected list"
NOT_LISTED = at(LISTS, Cannot("The list has no button for somebody who cannot decide it."))
OPENS_MODAL = at("button home list", Cannot("The button decides nothing here: it opens the modal."))
NO_WORDS = at("thread", Cannot("A reply says yes or no. Where more is asked, it is answered with the buttons."))
SELECTED_ASKS_WHICH = at("selected", Cell(Told.WHICH_OPTION))
ONE_ANSWER = at("selected", Cannot("Several get one answer and one reason: there is nothing else to fill in."))
NOT_SENT = at("modal whole command", Cannot("Slack's client sends no form with an empty field that is required."))
FILLED_IN_THERE = OPENS_MODAL | NO_WORDS | ONE_ANSWER
NO_BUTTON = "Only what can be chosen is offered."
NO_MATTER = at(f"{SLACK} {PAGES}", Cell(Told.COUNTED, "Tokens play no part here."))
WHOEVER = "Whoever was not asked cannot tell it from what does not exist."
HIDDEN_NOW = at(PROGRAMS, Cell(Told.HIDDEN, WHOEVER))
HIDDEN = HIDDEN_NOW | at("command", Cell(Told.NO_RUN, WHOEVER))
LEFT = at(f"{PAGES} {PROGRAMS}", Cell(Told.LEFT, "A link or a token is worth nothing once its person has left Slack."))
LETS_NOBODY_IN = "Slack lets nobody in who was deactivated, and Signoff counts nobody either."
LEFT_SLACK = at("button modal whole thread command", Cell(Told.LEFT, LETS_NOBODY_IN))
OWN_EARLY = at("early", Cell(Told.OWN_EARLY))
NOT_GOING = at("early", Cell(Told.NOT_GOING_TO_BE_ASKED, "The link leads to no approval that is theirs."))
NOT_BEFOREHAND = at(
    "early", Cell(Told.NOT_BEFOREHAND, "Only an approval whose form needs no answer can take one in advance.")
)
NOT_UNVERIFIED = at(
    "early", Cell(Told.NOT_BEFOREHAND, "Where people have to show who they are, nothing is taken in advance.")
)
KEPT_FOR_A_FUNCTION = at(
    "early",
    Cell(
        Told.KEPT,
        "Whom a function asks next, nobody can know: it is kept, and counts only where this person may decide.",
    ),
)
JUST_THAT = "The command shows what is asked now, and decides about just that."
NOT_SHOWN = "Several are decided as they stand, and the ledger says that none was shown."
NOT_SELECTED = at("selected", Cannot("What is decided already cannot be ticked."))
SAYS_OK = at("thread", Cell(Told.COUNTED, "What was written is a reason, which had not been given."))
NO_WAY_BACK = at("thread", Cannot("A reply takes nothing back."))
OUTSIDE = NOT_LISTED | HIDDEN | NOT_GOING
RESUME = Say("resume")
FILLED_IN = {"code": "ABC", "word": "ok"}
WITHDRAW = Say("withdraw")
ESCALATES = {"escalate": {"after": "1h", "to": "dan@example.com"}}
REPLACES = {"escalate": {"after": "1h", "to": "dan@example.com", "mode": "replace"}}
SETTLES = {"settle": "10s"}
WITH_OPTIONS = {"options": ["now", "later"]}
NOW = Say(option="now")
VETO = {"veto": ["dan@example.com"]}
TWO_GROUPS = {"all": ["@hr-leads", "@team-leads"]}

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
        leaves="rejected",
        cells=OPENS_MODAL,
    ),
    Case(
        "other-answer",
        "law 2",
        "somebody who said yes before, and now says no while it is open",
        Told.COUNTED,
        say=Say("reject", reason="Too early"),
        then=everywhere("bob", "approve"),
        leaves="rejected",
        cells=OPENS_MODAL,
    ),
    Case(
        "withdraws",
        "law 2",
        "somebody who takes back what they said, while it is open",
        Told.TAKEN_BACK,
        say=WITHDRAW,
        before=everywhere("bob", "approve"),
        cells=NOT_SELECTED | NO_WAY_BACK,
    ),
    Case(
        "form",
        "K8",
        "somebody who fills in the form as it has to be",
        Told.COUNTED,
        say=Say(values=FILLED_IN),
        form=True,
        cells=FILLED_IN_THERE | NOT_BEFOREHAND,
    ),
    Case(
        "form-to-reject",
        "K8",
        "somebody who rejects, and fills in the form that `form_on: both` asks of them",
        Told.COUNTED,
        say=Say("reject", values=FILLED_IN, reason="No"),
        form=True,
        more={"form_on": "both"},
        leaves="rejected",
        cells=FILLED_IN_THERE | NOT_BEFOREHAND,
    ),
    Case(
        "option",
        "W4",
        "somebody who chooses one of the `options`",
        Told.COUNTED,
        say=NOW,
        more=WITH_OPTIONS,
        cells=NO_WORDS | ONE_ANSWER,
    ),
    Case(
        "other-option",
        "W2",
        "a second person who chooses another of the `options`: each is counted by itself",
        Told.COUNTED,
        say=Say(option="later"),
        more=WITH_OPTIONS,
        cells=NO_WORDS | ONE_ANSWER,
        then=everywhere("cat", "approve", option="now"),
    ),
    Case(
        "same-option",
        "W2",
        "a second person who chooses the same of the `options`",
        Told.COUNTED,
        say=NOW,
        more=WITH_OPTIONS,
        cells=NO_WORDS | ONE_ANSWER,
        then=everywhere("cat", "approve", option="now"),
        leaves="succeeded",
    ),
    Case(
        "reason",
        "K6",
        "somebody who says why they approve, where `reason: both` asks it",
        Told.COUNTED,
        say=Say(reason="It is time"),
        more={"reason": "both"},
        cells=OPENS_MODAL | NO_WORDS,
    ),
    Case(
        "reject-after-one",
        "W6",
        "the first who rejects, where `reject_after: 2`",
        Told.COUNTED,
        say=Say("reject", reason="No"),
        more={"reject_after": 2},
        cells=OPENS_MODAL,
    ),
    Case(
        "reject-after-two",
        "W6",
        "the second who rejects, where `reject_after: 2`",
        Told.COUNTED,
        say=Say("reject", reason="No"),
        more={"reject_after": 2},
        then=everywhere("cat", "reject"),
        leaves="rejected",
        cells=OPENS_MODAL,
    ),
    Case(
        "veto",
        "W6",
        "somebody who may veto, whatever `reject_after` says",
        Told.COUNTED,
        who="dan",
        say=Say("reject", reason="No"),
        more=VETO | {"reject_after": 2},
        leaves="rejected",
        cells=OPENS_MODAL,
    ),
    Case(
        "one-in-two-groups",
        "W3",
        "somebody in both groups of `all`, who fills one seat and not two",
        Told.COUNTED,
        approvers=None,
        quorum=TWO_GROUPS,
        first=meanwhile.bob_and_ann_are_leads_too,
    ),
    Case(
        "overlapping-groups",
        "W3",
        "the second of two in overlapping groups, whichever seat the first might have taken",
        Told.COUNTED,
        who="cat",
        approvers=None,
        quorum=TWO_GROUPS,
        first=meanwhile.bob_and_ann_are_leads_too,
        then=everywhere("bob", "approve"),
        leaves="succeeded",
    ),
    Case("child", "W5b", "somebody who was asked by a child flow", Told.COUNTED, made_by="child"),
    Case("function", "P1", "somebody who was asked by a function", Told.COUNTED, made_by="function"),
    Case(
        "single-channel-guest-named",
        "S3",
        "a guest of one channel whom the flow names",
        Told.COUNTED,
        who="zoe",
        approvers=("bob@example.com", "zoe@example.com"),
        first=zoe_is("single-channel guest"),
    ),
    Case(
        "stranger-named",
        "S3",
        "a person of another workspace whom the flow names by their Slack id",
        Told.COUNTED,
        who="zoe",
        approvers=("bob@example.com", "zoe"),
        first=zoe_is("stranger"),
        cells=at(PROGRAMS, Cell(Told.HIDDEN, "Whose a stranger's address is, only their own workspace says.")),
    ),
    Case(
        "bot-named",
        "S3",
        "a bot that the flow names by its Slack id",
        Told.COUNTED,
        who="zoe",
        approvers=("bob@example.com", "zoe"),
        first=zoe_is("bot"),
    ),
    Case(
        "stands-in",
        "stand-in",
        "somebody to whom one who was asked has handed their approvals over",
        Told.COUNTED,
        who="dan",
        whom="bob",
        first=hands_over("bob", "dan"),
    ),
    Case(
        "stands-in-meanwhile",
        "stand-in",
        "the same, handed over after it was asked",
        Told.COUNTED,
        who="dan",
        whom="bob",
        before=hands_over("bob", "dan"),
    ),
    Case(
        "stands-in-for-member",
        "stand-in",
        "somebody who stands in for a member of the group that was asked",
        Told.COUNTED,
        who="dan",
        whom="cat",
        approvers=GROUP,
        first=hands_over("cat", "dan"),
    ),
    Case(
        "stands-in-handed-on",
        "stand-in",
        "somebody to whom a stand-in has handed it on",
        Told.COUNTED,
        who="dan",
        whom="bob",
        first=all_of(hands_over("bob", "eve"), hands_over("eve", "dan")),
    ),
    Case(
        "comes-back",
        "stand-in",
        "somebody who answers themselves after all: it replaces what was said for them",
        Told.COUNTED,
        say=Say("reject", reason="No"),
        first=hands_over("bob", "dan"),
        then=everywhere("dan", "approve"),
        leaves="rejected",
        cells=OPENS_MODAL,
    ),
    Case(
        "stand-in-withdraws",
        "stand-in",
        "a stand-in who takes back what they said",
        Told.TAKEN_BACK,
        who="dan",
        whom="bob",
        say=WITHDRAW,
        first=hands_over("bob", "dan"),
        before=everywhere("dan", "approve"),
        cells=NOT_SELECTED | NO_WAY_BACK,
    ),
    Case(
        "reassigned-to",
        "reassign",
        "somebody who is asked now in the place of another",
        Told.COUNTED,
        who="dan",
        before=is_reassigned("bob", "dan"),
    ),
    Case(
        "escalated-to",
        "escalate",
        "somebody whom it escalates to, when the time has come",
        Told.COUNTED,
        who="dan",
        more=ESCALATES,
        before=time_passes("1h"),
    ),
    Case(
        "escalated-beside",
        "escalate",
        "somebody who was asked before it escalated, `mode: add`",
        Told.COUNTED,
        more=ESCALATES,
        then=time_passes("1h"),
    ),
    Case(
        "replaces",
        "escalate",
        "somebody whom it escalates to, `mode: replace`",
        Told.COUNTED,
        who="dan",
        quorum=1,
        more=REPLACES,
        before=time_passes("1h"),
        leaves="succeeded",
    ),
    Case(
        "settles",
        "settle",
        "the one who completes it, where it takes effect later",
        Told.COUNTED,
        quorum=1,
        more=SETTLES,
        in_the_end="succeeded",
    ),
    Case(
        "undone",
        "settle",
        "the one who has completed it, and takes it back in time",
        Told.TAKEN_BACK,
        say=WITHDRAW,
        quorum=1,
        more=SETTLES,
        before=everywhere("bob", "approve"),
        in_the_end="waiting",
        cells=NOT_SELECTED | NO_WAY_BACK,
    ),
    Case(
        "changed-in-time",
        "settle",
        "another one, who rejects before it takes effect",
        Told.COUNTED,
        who="cat",
        say=Say("reject", reason="No"),
        quorum=1,
        more=SETTLES,
        then=everywhere("bob", "approve"),
        in_the_end="rejected",
        cells=OPENS_MODAL,
    ),
    Case(
        "clock-stands-still",
        "question",
        "somebody who decides after the deadline, which a question keeps (`questions: stop_clock`)",
        Told.COUNTED,
        who="cat",
        more={"questions": "stop_clock"},
        before=all_of(time_passes("1d"), wants_to_know("bob")),
        then=time_passes("25h"),
    ),
    Case(
        "verified-by-code",
        "S4",
        "somebody who has the mail, where the flow says `verify: code`",
        Told.COUNTED,
        more={"verify": "code"},
        cells=at("page", Cell(Told.NO_CODE, "Whoever only has the link has not read the mail.")) | NOT_UNVERIFIED,
    ),
    Case(
        "verified-by-slack",
        "S4",
        "somebody whom the token or Slack knows, where the flow says `verify: slack`",
        Told.COUNTED,
        more={"verify": "slack"},
        cells=at(
            "page coded", Cell(Told.SIGN_IN_FIRST, "The page wants a sign-in with Slack, and shows no form before.")
        )
        | NOT_UNVERIFIED,
    ),
    Case(
        "paused",
        "K3",
        "somebody who decides while the run is paused",
        Told.COUNTED,
        then=meanwhile.ann_pauses,
        leaves="paused",
    ),
    Case(
        "hold",
        "K1",
        "the requester resumes a hold that names nobody",
        Told.COUNTED,
        who="ann",
        say=RESUME,
        hold=True,
        leaves="succeeded",
        cells=NOT_BEFOREHAND | NO_WORDS,
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
        leaves="succeeded",
        cells=at(LISTS, Cannot("The list has buttons only for what one was asked.")) | NO_WORDS | NOT_BEFOREHAND,
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
        cells=NOT_LISTED | OWN_EARLY,
    ),
    Case(
        "requester-in-group",
        "W11",
        "the requester, as a member of the group that was asked",
        Told.OWN,
        who="ann",
        approvers=GROUP,
        first=meanwhile.joins_the_group("ann"),
        cells=NOT_LISTED | OWN_EARLY,
    ),
    Case(
        "requester-in-two-groups",
        "W11",
        "the requester, as the only one of a group in a nested quorum that others fill too",
        Told.OWN,
        who="ann",
        approvers=None,
        quorum=TWO_GROUPS,
        first=meanwhile.bob_and_ann_are_leads_too,
        cells=NOT_LISTED | OWN_EARLY,
    ),
    Case(
        "requester-vetoes",
        "W11",
        "the requester, though they may veto",
        Told.OWN,
        who="ann",
        say=Say("reject", reason="No"),
        more={"veto": ["ann@example.com", "dan@example.com"]},
        cells=NOT_LISTED | OWN_EARLY,
    ),
    Case(
        "requester-of-child",
        "W11",
        "the requester, asked by a child flow",
        Told.OWN,
        who="ann",
        approvers=(*BOTH, "ann@example.com"),
        made_by="child",
        cells=NOT_LISTED | OWN_EARLY,
    ),
    Case(
        "requester-of-function",
        "W11",
        "the requester, asked by a function",
        Told.OWN,
        who="ann",
        approvers=(*BOTH, "ann@example.com"),
        made_by="function",
        cells=NOT_LISTED | KEPT_FOR_A_FUNCTION,
    ),
    Case("stranger", "S3", "a colleague who was not asked", Told.NOT_ASKED, who="dan", cells=OUTSIDE),
    Case(
        "stranger-to-child",
        "S3",
        "a colleague whom a child flow did not ask",
        Told.NOT_ASKED,
        who="dan",
        made_by="child",
        cells=OUTSIDE,
    ),
    Case(
        "stranger-to-function",
        "S3",
        "a colleague whom a function did not ask",
        Told.NOT_ASKED,
        who="dan",
        made_by="function",
        cells=OUTSIDE | KEPT_FOR_A_FUNCTION,
    ),
    Case(
        "admin",
        "S3",
        "an admin who was not asked",
        Told.NOT_ASKED,
        who="eve",
        first=token_of("eve", "read", "decide", "admin"),
        cells=NOT_LISTED | NOT_GOING,
    ),
    Case(
        "owner",
        "S3",
        "the flow's owner, who was not asked",
        Told.NOT_ASKED,
        who="dan",
        flow_says={"owner": "dan@example.com"},
        cells=NOT_LISTED | NOT_GOING,
    ),
    Case(
        "viewer",
        "S3",
        "somebody who may only look at it",
        Told.NOT_ASKED,
        who="dan",
        flow_says={"viewers": "dan@example.com"},
        cells=NOT_LISTED | NOT_GOING,
    ),
    Case(
        "deactivated-named",
        "S3",
        "a deactivated user whom the flow names",
        Told.NOT_ASKED,
        who="zoe",
        approvers=(*BOTH, "zoe@example.com"),
        first=zoe_is("deactivated"),
        cells=NOT_LISTED | LEFT | LEFT_SLACK,
    ),
    Case(
        "stand-in-of-who-answered",
        "stand-in",
        "somebody who stands in for one who has answered themselves",
        Told.NOT_ASKED,
        who="dan",
        first=hands_over("bob", "dan"),
        then=everywhere("bob", "approve"),
    ),
    Case(
        "stand-in-who-answered",
        "stand-in",
        "a stand-in who was asked too, and has answered: one human counts once",
        Told.REPEATED,
        who="cat",
        quorum=2,
        approvers=(*BOTH, "dan@example.com"),
        first=hands_over("bob", "cat"),
        then=everywhere("cat", "approve"),
        cells=SAYS_OK,
    ),
    Case(
        "stand-in-for-two",
        "stand-in",
        "somebody who stands in for two, and has answered for one of them",
        Told.REPEATED,
        who="dan",
        whom="bob",
        first=all_of(hands_over("bob", "dan"), hands_over("cat", "dan")),
        then=everywhere("dan", "approve"),
        cells=SAYS_OK,
    ),
    Case(
        "stand-in-named-since",
        "stand-in",
        "somebody who has answered for another, and is asked themselves since",
        Told.ANSWERED_FOR,
        who="dan",
        more=ESCALATES,
        first=hands_over("bob", "dan"),
        then=all_of(everywhere("dan", "approve"), time_passes("1h")),
    ),
    Case(
        "requester-stands-in",
        "W11",
        "the requester, who stands in for one who was asked",
        Told.OWN,
        who="ann",
        first=hands_over("bob", "ann"),
        cells=NOT_LISTED | OWN_EARLY,
    ),
    Case(
        "stand-in-of-requester",
        "W11",
        "somebody who stands in for the requester, who is named",
        Told.NOT_ASKED,
        who="dan",
        approvers=(*BOTH, "ann@example.com"),
        first=hands_over("ann", "dan"),
        cells=OUTSIDE,
    ),
    Case(
        "stand-in-refused",
        "stand-in",
        "a stand-in, where the flow says `delegation: refuse`",
        Told.NOT_ASKED,
        who="dan",
        more={"delegation": "refuse"},
        first=hands_over("bob", "dan"),
        cells=OUTSIDE,
    ),
    Case(
        "stand-in-elsewhere",
        "stand-in",
        "somebody who stands in for another flow only",
        Told.NOT_ASKED,
        who="dan",
        first=hands_over("bob", "dan", flows=("ask",)),
        cells=OUTSIDE,
    ),
    Case(
        "stand-in-from-tomorrow",
        "stand-in",
        "somebody who stands in from tomorrow on",
        Told.NOT_ASKED,
        who="dan",
        first=hands_over("bob", "dan", days=(1, 7)),
        cells=OUTSIDE,
    ),
    Case(
        "stand-in-no-more",
        "stand-in",
        "somebody who has stood in, and does not any more",
        Told.NOT_ASKED,
        who="dan",
        first=hands_over("bob", "dan"),
        then=meanwhile.ends_it("bob"),
        cells=HIDDEN_NOW,
    ),
    Case(
        "reassigned-away",
        "reassign",
        "somebody in whose place another is asked now",
        Told.RELIEVED,
        then=is_reassigned("bob", "dan"),
        cells=HIDDEN_NOW,
    ),
    Case(
        "replaced",
        "escalate",
        "somebody who had not answered when it escalated, `mode: replace`",
        Told.NOT_ASKED,
        quorum=1,
        more=REPLACES,
        then=time_passes("1h"),
        cells=HIDDEN_NOW,
    ),
    Case(
        "not-escalated-yet",
        "escalate",
        "somebody whom it is going to escalate to",
        Told.NOT_ASKED,
        who="dan",
        more=ESCALATES,
        cells=NOT_LISTED | HIDDEN,
    ),
    Case(
        "undone-too-late",
        "settle",
        "the one who has completed it, and takes it back too late",
        Told.APPROVED,
        say=WITHDRAW,
        quorum=1,
        more=SETTLES,
        before=everywhere("bob", "approve"),
        then=time_passes("10s"),
        cells=NOT_SELECTED | NO_WAY_BACK,
    ),
    Case(
        "settled-unnoticed",
        "settle",
        "another one, after it has taken effect and before its timer has fired",
        Told.APPROVED,
        who="cat",
        quorum=1,
        more=SETTLES,
        then=all_of(everywhere("bob", "approve"), unnoticed("10s")),
        closes="succeeded",
    ),
    Case(
        "clock-runs",
        "question",
        "somebody who decides after the deadline, which a question does not keep (`questions: keep_clock`)",
        Told.EXPIRED,
        who="cat",
        before=all_of(time_passes("1d"), wants_to_know("bob")),
        then=time_passes("25h"),
    ),
    Case(
        "wrong-code",
        "S4",
        "somebody who types a wrong code, where the flow says `verify: code`",
        Told.COUNTED,
        say=Say(code="222222"),
        more={"verify": "code"},
        cells=at("page coded", Cell(Told.WRONG_CODE, "Only a page asks for it.")) | NOT_UNVERIFIED,
    ),
    Case(
        "merged",
        "S12",
        "somebody who turns out to be the one who has said the same under another address",
        Told.REPEATED,
        approvers=("bob@example.com", "rob@example.com", "cat@example.com"),
        quorum=3,
        then=all_of(everywhere("rob@example.com", "approve"), meanwhile.are_one("bob", "rob@example.com")),
        cells=SAYS_OK,
    ),
    Case(
        "veto-holder-approves",
        "W6",
        "somebody who may veto, and approves",
        Told.VETO_ONLY,
        who="dan",
        more=VETO,
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
            cells=NOT_LISTED | HIDDEN | (LEFT | LEFT_SLACK if sort == "deactivated" else {}),
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
        then=meanwhile.leaves_the_group("bob"),
        cells=HIDDEN_NOW,
    ),
    Case(
        "joined",
        "W12",
        "somebody who joined the group after `quorum: all` was opened",
        Told.NOT_ASKED,
        who="dan",
        approvers=GROUP,
        quorum="all",
        then=meanwhile.joins_the_group("dan"),
        cells=NOT_LISTED | HIDDEN,
    ),
    Case(
        "repeated",
        "R3",
        "somebody who has said the same before",
        Told.REPEATED,
        then=everywhere("bob", "approve"),
        cells=SAYS_OK,
    ),
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
    Case(
        "cancelled", "R7", "somebody who comes after the run was cancelled", Told.CANCELLED, then=meanwhile.ann_cancels
    ),
    Case(
        "cancelled-child",
        "R7b",
        "somebody whom a child flow asked, after the run was cancelled",
        Told.CANCELLED,
        made_by="child",
        then=meanwhile.ann_cancels,
    ),
    Case(
        "dropped", "law 4", "somebody who comes after an admin has dropped it", Told.DROPPED, then=meanwhile.eve_drops
    ),
    Case(
        "superseded",
        "law 5",
        "somebody who comes after a newer run has taken its place",
        Told.SUPERSEDED,
        flow_says={"supersede": "the same"},
        then=meanwhile.a_newer_run_starts,
    ),
    Case("expired", "R6", "somebody who comes after the deadline", Told.EXPIRED, then=meanwhile.the_deadline_passes),
    Case(
        "overdue",
        "R6",
        "somebody who comes after the deadline, before its timer has fired",
        Told.EXPIRED,
        then=unnoticed("2d"),
        closes="expired",
    ),
    Case(
        "withdraws-nothing",
        "law 2",
        "somebody who takes back what they never said",
        Told.NOTHING_SAID,
        say=WITHDRAW,
        cells=at(f"{SLACK} {PAGES}", Cannot("There is nothing to take back until one has said something.")),
    ),
    Case(
        "withdraws-too-late",
        "law 2",
        "somebody who takes back what they said, after the quorum",
        Told.APPROVED_BY_TWO,
        say=WITHDRAW,
        before=everywhere("bob", "approve"),
        then=everywhere("cat", "approve"),
        cells=NOT_SELECTED | NO_WAY_BACK,
    ),
    Case(
        "stale",
        "S11",
        "somebody who was shown something else",
        Told.CHANGED,
        then=meanwhile.something_else_is_asked,
        cells=at("cli", Cell(Told.COUNTED, JUST_THAT)) | at("bulk several", Cell(Told.COUNTED, NOT_SHOWN)),
    ),
    Case(
        "missing",
        "K8",
        "somebody who leaves required fields empty",
        Told.MISSING,
        form=True,
        cells=OPENS_MODAL | NOT_BEFOREHAND | NOT_SENT | NO_WORDS,
    ),
    Case(
        "wrong",
        "K8",
        "somebody who fills in values that do not fit",
        Told.WRONG,
        say=Say(values={"code": "abc", "word": "NO!"}),
        form=True,
        cells=FILLED_IN_THERE | NOT_BEFOREHAND,
    ),
    Case(
        "wrong-to-reject",
        "K8",
        "somebody who rejects with values that do not fit, where `form_on: both`",
        Told.WRONG,
        say=Say("reject", values={"code": "abc", "word": "NO!"}, reason="No"),
        form=True,
        more={"form_on": "both"},
        cells=FILLED_IN_THERE | NOT_BEFOREHAND,
    ),
    Case(
        "no-option",
        "W4",
        "somebody who approves and chooses none of the `options`",
        Told.WHICH_OPTION,
        more=WITH_OPTIONS,
        cells=at(f"{SLACK} {PAGES}", Cannot(NO_BUTTON)) | SELECTED_ASKS_WHICH,
    ),
    Case(
        "unknown-option",
        "W4",
        "somebody who chooses what is none of the `options`",
        Told.WHICH_OPTION,
        say=Say(option="never"),
        more=WITH_OPTIONS,
        cells=at(f"{SLACK} {PAGES}", Cannot(NO_BUTTON)),
    ),
    Case(
        "needless-option",
        "W4",
        "somebody who chooses where there is no choice",
        Told.NO_OPTION,
        say=NOW,
        cells=at(f"{SLACK} {PAGES}", Cannot(NO_BUTTON)),
    ),
    Case(
        "no-reason",
        "K6",
        "somebody who does not say why they reject, where `reason: reject` asks it",
        Told.NO_REASON,
        say=Say("reject"),
        more={"reason": "reject"},
        cells=OPENS_MODAL | NOT_SENT | NO_WORDS,
    ),
    Case(
        "no-reason-to-approve",
        "K6",
        "somebody who does not say why they approve, where `reason: both` asks it",
        Told.NO_REASON,
        more={"reason": "both"},
        cells=OPENS_MODAL | NOT_SENT | NO_WORDS,
    ),
    Case(
        "silence",
        "law 3",
        "somebody who sends the page as it stands, with nothing chosen",
        Told.NOTHING_CHOSEN,
        say=Say(""),
        cells=at(f"{SLACK} cli several", Cannot("There is no button and no command that says nothing."))
        | at("api bulk", Cell(Told.NO_VERDICT, "What says nothing cannot be read.")),
    ),
    Case(
        "verdict",
        "law 1",
        "somebody who resumes what is to be approved",
        Told.NOT_THAT,
        say=RESUME,
        cells=at(f"{SLACK} {PAGES}", Cannot(NO_BUTTON)) | at("command", Cell(Told.NOT_RESUMED)),
    ),
    Case(
        "hold-stranger",
        "K1",
        "a colleague who resumes a hold that names nobody",
        Told.NOT_THEIRS,
        who="dan",
        say=RESUME,
        hold=True,
        cells=NOT_LISTED | HIDDEN | NOT_BEFOREHAND,
    ),
    Case(
        "hold-owner",
        "K1",
        "the flow's owner who resumes a hold that names nobody",
        Told.NOT_THEIRS,
        who="dan",
        say=RESUME,
        hold=True,
        flow_says={"owner": "dan@example.com"},
        cells=NOT_LISTED | NOT_BEFOREHAND,
    ),
    Case(
        "hold-child-stranger",
        "K1",
        "a colleague who resumes a child flow's hold",
        Told.NOT_THEIRS,
        who="dan",
        say=RESUME,
        hold=True,
        made_by="child",
        cells=NOT_LISTED | HIDDEN | NOT_BEFOREHAND,
    ),
    Case(
        "hold-admin-unscoped",
        "S10",
        "an admin whose token is not for an admin's rights, who resumes a hold that names nobody",
        Told.HIDDEN,
        who="eve",
        say=RESUME,
        hold=True,
        cells=at("button modal whole command page coded", Cell(Told.COUNTED, "Tokens play no part here."))
        | at(LISTS, Cannot("The list has buttons only for what one was asked."))
        | NO_WORDS
        | NOT_BEFOREHAND,
        leaves="succeeded",
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
        cells=NOT_LISTED | NOT_BEFOREHAND | NO_WORDS,
    ),
    Case(
        "down",
        "S12",
        "a member of the group, while Slack does not answer",
        Told.TRY_AGAIN,
        approvers=GROUP,
        then=meanwhile.slack_goes_down,
    ),
    Case(
        "scope",
        "S10",
        "somebody whose token is for reading",
        Told.OUT_OF_SCOPE,
        first=token_of("bob", "read"),
        cells=NO_MATTER,
    ),
)

CASES = ALLOWED + FORBIDDEN
