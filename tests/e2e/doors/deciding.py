"""Who may decide: the rows, each of which is played through every way in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.e2e.doors import meanwhile
from tests.e2e.doors.meanwhile import Happens, everywhere, token_of, zoe_is
from tests.e2e.doors.told import Cannot, Cell, Row, Told, at
from tests.e2e.doors.ways import APPROVE, Door, Say, question

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
    was enough for.
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

    def files(self, door: Door, module: str) -> dict[str, str]:
        """The flow files (YAML takes JSON) in which this is asked at that door; ``module`` has the function that asks."""
        ask: dict[str, Any] = {"ask": question(door), "via": {"slack": "#general"}, "timeout": "2d", **self.more}
        if self.form or door.form:
            ask["form"] = STRICT if self.form else OPTIONAL
        if not self.hold:
            ask |= {"quorum": self.quorum} | ({"approvers": self.approvers} if self.approvers else {})
            ask |= {"pre_approval": "allow"} if door.name == "early" else {}
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


# -- where a door differs from its row ------------------------------------------------------------------------


SLACK, PAGES, PROGRAMS = "button modal list home", "page early", "api bulk cli several"
NOT_LISTED = at("list home", Cannot("The list has no button for somebody who cannot decide it."))
OPENS_MODAL = at("button list home", Cannot("The button decides nothing here: it opens the modal."))
NO_BUTTON = "Only what can be chosen is offered."
NO_MATTER = at(f"{SLACK} {PAGES}", Cell(Told.COUNTED, "Tokens play no part here."))
HIDDEN = at(PROGRAMS, Cell(Told.HIDDEN, "Whoever was not asked cannot tell it from what does not exist."))
LEFT = at(f"{PAGES} {PROGRAMS}", Cell(Told.LEFT, "A link or a token is worth nothing once its person has left Slack."))
LEFT_SLACK = at(
    "button modal", Cell(Told.LEFT, "Slack lets nobody in who was deactivated, and Signoff counts nobody either.")
)
OWN_EARLY = at("early", Cell(Told.OWN_EARLY))
NOT_GOING = at("early", Cell(Told.NOT_GOING_TO_BE_ASKED, "The link leads to no approval that is theirs."))
NOT_BEFOREHAND = at(
    "early", Cell(Told.NOT_BEFOREHAND, "Only an approval whose form needs no answer can take one in advance.")
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
OUTSIDE = NOT_LISTED | HIDDEN | NOT_GOING
RESUME = Say("resume")
FILLED_IN = {"code": "ABC", "word": "ok"}
WITHDRAW = Say("withdraw")
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
    ),
    Case(
        "form",
        "K8",
        "somebody who fills in the form as it has to be",
        Told.COUNTED,
        say=Say(values=FILLED_IN),
        form=True,
        cells=OPENS_MODAL | NOT_BEFOREHAND,
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
        cells=OPENS_MODAL | NOT_BEFOREHAND,
    ),
    Case("option", "W4", "somebody who chooses one of the `options`", Told.COUNTED, say=NOW, more=WITH_OPTIONS),
    Case(
        "other-option",
        "W2",
        "a second person who chooses another of the `options`: each is counted by itself",
        Told.COUNTED,
        say=Say(option="later"),
        more=WITH_OPTIONS,
        then=everywhere("cat", "approve", option="now"),
    ),
    Case(
        "same-option",
        "W2",
        "a second person who chooses the same of the `options`",
        Told.COUNTED,
        say=NOW,
        more=WITH_OPTIONS,
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
        cells=OPENS_MODAL,
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
        cells=NOT_BEFOREHAND,
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
        cells={**at("list home", Cannot("The list has buttons only for what one was asked."))} | NOT_BEFOREHAND,
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
        cells=HIDDEN,
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
        then=meanwhile.the_deadline_passes_unnoticed,
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
        cells=OPENS_MODAL
        | NOT_BEFOREHAND
        | at("modal", Cannot("Slack's client sends no form with an empty field that is required.")),
    ),
    Case(
        "wrong",
        "K8",
        "somebody who fills in values that do not fit",
        Told.WRONG,
        say=Say(values={"code": "abc", "word": "NO!"}),
        form=True,
        cells=OPENS_MODAL | NOT_BEFOREHAND,
    ),
    Case(
        "wrong-to-reject",
        "K8",
        "somebody who rejects with values that do not fit, where `form_on: both`",
        Told.WRONG,
        say=Say("reject", values={"code": "abc", "word": "NO!"}, reason="No"),
        form=True,
        more={"form_on": "both"},
        cells=OPENS_MODAL | NOT_BEFOREHAND,
    ),
    Case(
        "no-option",
        "W4",
        "somebody who approves and chooses none of the `options`",
        Told.WHICH_OPTION,
        more=WITH_OPTIONS,
        cells=at(f"{SLACK} {PAGES}", Cannot(NO_BUTTON)),
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
        cells=OPENS_MODAL | at("modal", Cannot("Slack's client sends no form with an empty field that is required.")),
    ),
    Case(
        "no-reason-to-approve",
        "K6",
        "somebody who does not say why they approve, where `reason: both` asks it",
        Told.NO_REASON,
        more={"reason": "both"},
        cells=OPENS_MODAL | at("modal", Cannot("Slack's client sends no form with an empty field that is required.")),
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
        cells=at(f"{SLACK} {PAGES}", Cannot(NO_BUTTON)),
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
        cells=at("button modal page", Cell(Told.COUNTED, "Tokens play no part here."))
        | at("list home", Cannot("The list has buttons only for what one was asked."))
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
        cells=NOT_LISTED | NOT_BEFOREHAND,
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
