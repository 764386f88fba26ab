"""What the JSON API takes and gives, as models: the contract with its callers.

Requests are closed to unknown keys, so that a misspelt one is said and not ignored. Instants are RFC 3339 in UTC,
ids carry their kind (``run_``, ``sus_``, ``per_``, ``eff_``), digests are 64 hexadecimal digits.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from flows.run import Close, Door, Kind, Outcome, StepState, Verdict

MAX_IDS = 100
"""Approvals that one request decides."""

_DIGEST = r"^[0-9a-fA-F]{64}$"


def _digest(text: str) -> str:
    if not re.fullmatch(_DIGEST, text):
        raise ValueError("must be 64 hexadecimal digits, as the approval has them")
    return text


Digest = Annotated[str, AfterValidator(_digest), WithJsonSchema({"type": "string", "pattern": _DIGEST})]
Id = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Who = Annotated[str, StringConstraints(min_length=1, max_length=320)]
RunStatus = Literal["running", "waiting", "paused", "queued", "succeeded", "rejected", "expired", "cancelled", "failed"]
SuspensionStatus = Literal[
    "pending",
    "approved",
    "rejected",
    "resumed",
    "expired",
    "cancelled",
    "elapsed",
    "superseded",
    "dropped",
    "answered",
    "refused",
]
Given = Literal["approve", "reject", "resume"]
"""The verdicts that stand; the fourth, ``withdraw``, takes one back."""


class Request(BaseModel):
    """What callers send."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Response(BaseModel):
    """What callers get."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# -- requests -------------------------------------------------------------------------------------------------


class StartRun(Request):
    """``POST /api/v1/flows/{flow}/runs``. ``resubmits`` is a run of the caller's that did not succeed, of which this is a
    new version."""

    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    resubmits: Id | None = None


class Decide(Request):
    """``POST /api/v1/approvals/{id}/decisions``. ``digest`` is that of the approval as it was shown to the person.

    ``option`` is one of the approval's ``options``, where it has any. The verdict ``withdraw`` takes back the person's own
    answer, while it is open.
    """

    verdict: Verdict
    comment: str | None = None
    form: dict[str, JsonValue] = Field(default_factory=dict)
    option: Word | None = None
    digest: Digest | None = None


class DecideMany(Request):
    """``POST /api/v1/approvals/decisions``: the same answer to several. The form is checked against each one's own."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_IDS)]
    verdict: Verdict
    comment: str | None = None
    form: dict[str, JsonValue] = Field(default_factory=dict)
    option: Word | None = None


class CancelRun(Request):
    """``POST /api/v1/runs/{id}/cancel``"""

    reason: str | None = None


class Nothing(Request):
    """A body without keys; it may be left out."""


class Drop(Request):
    """``POST /api/v1/approvals/{id}/drop``. ``reason`` is recorded, and shown to whoever was asked."""

    reason: Annotated[str, StringConstraints(min_length=1)]


class MakeLink(Request):
    """``POST /api/v1/runs/{id}/links``. ``person`` is a mail address, a Slack user or a ``per_`` id.

    Either ``step``, the id or the path of a step, or ``whole_run``: whatever comes first that the person may decide.
    """

    person: Who
    step: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    whole_run: StrictBool = False

    @model_validator(mode="after")
    def _is_for_one_thing(self) -> Self:
        if self.whole_run == (self.step is not None):
            raise ValueError("takes either 'step' or 'whole_run': true")
        return self


class ListApprovals(Request):
    """The query of ``GET /api/v1/approvals``.

    ``approver`` is ``me``, a mail address or a ``per_`` id; without it, the list has whatever the caller may read.
    """

    status: Literal["pending"] = "pending"
    approver: Who | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class Reassign(Request):
    """``POST /api/v1/approvals/{id}/reassign``. ``to`` is asked instead of ``person``, the caller where it is left out.

    Each is a mail address, a Slack user or a ``per_`` id.
    """

    to: Who
    person: Who | None = None
    reason: str | None = None


class Snooze(Request):
    """``POST /api/v1/approvals/{id}/snooze``. ``until`` is an instant with its zone; null: remind me of everything again."""

    until: AwareDatetime | None


class Ask(Request):
    """``POST /api/v1/approvals/{id}/questions``: what the caller wants to know of the requester first."""

    text: Annotated[str, StringConstraints(min_length=1)]


class AnswerQuestions(Request):
    """``POST /api/v1/approvals/{id}/answer``: to all questions that are open."""

    text: Annotated[str, StringConstraints(min_length=1)]


class ListDelegations(Request):
    """The query of ``GET /api/v1/delegations``. ``person`` is ``me``, a mail address, a Slack user or a ``per_`` id; of
    somebody else, for admins."""

    person: Who = "me"


class Delegate(Request):
    """``POST /api/v1/delegations``. ``delegate`` answers for ``person``, the caller where it is left out, from the day
    ``starts`` to the day ``until``, both included, as the person's calendar has them.

    Each is a mail address, a Slack user or a ``per_`` id. ``flows`` are names; none: all of them.
    """

    delegate: Who
    starts: date
    until: date
    flows: Annotated[list[Word], Field(max_length=100)] = []
    person: Who | None = None


class FindPerson(Request):
    """The query of ``GET /api/v1/people``. ``handle`` is a mail address, a Slack user or a ``per_`` id."""

    handle: Who


class MergePeople(Request):
    """``POST /api/v1/people/merge``: two who are one human. Each is a mail address, a Slack user or a ``per_`` id."""

    keep: Who
    gone: Who


# -- responses ------------------------------------------------------------------------------------------------


class Person(Response):
    """Somebody. One human is one person, whichever handles they are known by."""

    id: str
    name: str
    email: str | None
    slack: str | None


class Closed(Response):
    """Why, when and by whose decision a suspension was closed. ``reason`` is what they said with it, ``option`` what was
    chosen, where there were options."""

    how: Close
    at: datetime
    by: list[Person]
    reason: str | None
    option: str | None


class Decision(Response):
    """One person's answer. ``form`` has secrets masked; ``digest`` is null where a script had not shown one. ``unseen``: it
    was given before there was something to be shown. ``by`` gave it for ``person``, who has handed their approvals over;
    null: they gave it themselves."""

    person: Person
    by: Person | None
    verdict: Given
    at: datetime
    door: Door
    comment: str | None
    form: dict[str, JsonValue]
    option: str | None
    digest: str | None
    unseen: bool


class Question(Response):
    """What somebody who is asked wants to know first, and what was answered."""

    person: Person
    at: datetime
    text: str
    answer: str | None
    answered_by: Person | None
    answered_at: datetime | None


class Delegation(Response):
    """``delegate`` answers for ``person`` from ``starts`` until just before ``ends``. ``flows`` are names; none: all of
    them."""

    id: str
    person: Person
    delegate: Person
    starts: datetime
    ends: datetime
    flows: list[str]
    made_by: Person


class Delegations(Response):
    """Those that somebody has given and got, and that are not over."""

    items: list[Delegation]


class Gap(Response):
    """A handle that was to be asked, and why nobody stands behind it."""

    handle: str
    reason: str


class Option(Response):
    """One of the choices of an approval: decisions name it, people read its label."""

    name: str
    label: str


class WaitingFor(Response):
    """Whose answer would bring it nearer: people, and groups any of whose members."""

    people: list[Person]
    groups: list[str]


class Approval(Response):
    """One approval or hold as it stands.

    In a list, ``ask``, comments, and the values of ``inputs``, ``show`` and ``form`` are shortened where they are long: a
    text is cut after 500 characters and ends in ``…``, a list or a mapping of more than that is null. ``shortened`` says
    whether any is; ``GET /api/v1/approvals/{id}`` gives the whole. ``inputs`` has secrets masked.

    ``form`` describes the fields as the flow does, ``form_schema`` is JSON Schema of the values; ``form_on`` says whether a
    rejection fills it in too, ``reason`` when a comment is required. ``options`` are what people choose from, beyond a bare
    yes. ``needed`` people have to say yes, ``approvals`` have, ``missing`` have not; ``waiting_for`` is null once it is
    closed. ``reject_after`` people have to say no, or one of those who may veto.
    """

    id: str
    run: str
    flow: str
    flow_title: str
    step: str
    step_title: str
    kind: Kind
    status: SuspensionStatus
    ask: str
    digest: str
    requester: Person
    inputs: dict[str, JsonValue]
    show: dict[str, JsonValue]
    form: list[dict[str, JsonValue]]
    form_schema: dict[str, JsonValue]
    form_on: Literal["approve", "both"]
    options: list[Option]
    reason: Literal["never", "reject", "both"]
    pre_approval: Literal["refuse", "allow"]
    opened_at: datetime
    due: datetime | None
    approvers: list[Person]
    groups: list[str]
    gaps: list[Gap]
    needed: int
    approvals: int
    missing: int
    waiting_for: WaitingFor | None
    reject_after: int
    decisions: list[Decision]
    questions: list[Question]
    closed: Closed | None
    shortened: bool


class Approvals(Response):
    """``next_offset`` is where the list goes on, null at its end. A page of large approvals has fewer than ``limit``."""

    items: list[Approval]
    next_offset: int | None


class Suspension(Response):
    """One wait of a run, in short."""

    id: str
    step: str
    kind: Kind
    status: SuspensionStatus
    ask: str
    opened_at: datetime
    due: datetime | None
    needed: int
    approvals: int
    decisions: list[Decision]
    closed: Closed | None


class Inside(Response):
    """How far a step has come that holds others: of ``total`` items, branches or rounds, ``begun`` have begun and ``active``
    are under way."""

    total: int
    begun: int
    active: int


class StepRun(Response):
    """One step run of the tree. ``path`` says where it stands: ``build``, ``each[3].ask`` (the fourth item),
    ``both.left.ask`` (in a branch), ``sub.ask`` (of the child flow that the step ``sub`` runs), ``ask.on_reject.tell`` (in a
    handler). ``inside`` is null for a step that holds no others."""

    path: str
    state: StepState
    round: int
    attempt: int
    output: JsonValue
    error: str | None
    inside: Inside | None


class Effect(Response):
    """Something that could not be done. ``parked_at`` is null while it is still tried, at ``due``."""

    id: str
    run: str
    what: str
    step: str | None
    error: str
    deliveries: int
    parked_at: datetime | None
    due: datetime


class Ended(Response):
    """How, when and why a run ended, and whose decision that was, if it was one."""

    outcome: Outcome
    at: datetime
    reason: str | None
    by: list[Person]


class Paused(Response):
    """Who has halted the run, and when. What was under way went on; nothing new starts."""

    by: Person
    at: datetime


class Run(Response):
    """One run as it stands. ``suspensions`` are those that are open, ``effects`` those that failed at least once.

    ``outputs`` are the flow's, once it has succeeded. ``queued``: it waits for a place, because its flow limits how many runs
    are under way at the same time. ``resubmits`` is the run of which this is a new version, ``resubmitted`` the newest
    version of this one. ``cut``: the run has more step runs, or more suspensions, than are told here.
    """

    id: str
    flow: str
    flow_title: str
    status: RunStatus
    requester: Person
    inputs: dict[str, JsonValue]
    outputs: dict[str, JsonValue]
    started_at: datetime
    resubmits: str | None
    resubmitted: str | None
    paused: Paused | None
    queued: bool
    steps: list[StepRun]
    suspensions: list[Suspension]
    answered: list[Suspension]
    cut: bool
    outcome: Outcome | None
    ended: Ended | None
    effects: list[Effect]


class RunStatusOnly(Response):
    """What a token without the scope ``read`` is told of a run that it did something to, instead of a Run."""

    id: str
    status: RunStatus


class Decided(Response):
    """What became of a decision. ``counted`` is false where nothing changed, because the same had been said already;
    ``detail`` says so.

    ``approval`` is null for a token without the scope ``read``.
    """

    counted: bool
    detail: str
    approval: Approval | None
    run_status: RunStatus


class Asked(Response):
    """What became of a nudge, a question and the like. ``approval`` is null for a token without the scope ``read``."""

    detail: str
    approval: Approval | None
    run_status: RunStatus


class Problem(Response):
    """RFC 9457. ``fields`` says what is wrong with which value, and names 20 unknown ones at most. ``approval`` is the
    approval as it stands now; a token without the scope ``read`` does not get it.
    """

    type: str
    title: str
    status: int
    detail: str
    fields: dict[str, str] | None = None
    approval: Approval | None = None


class Item(Response):
    """What became of one of several decisions. ``ok`` is false where it was refused; ``problem`` says why, with ``fields``
    where values of the form are to blame."""

    id: str
    ok: bool
    counted: bool
    detail: str
    run_status: RunStatus | None
    problem: Problem | None


class Items(Response):
    """One entry for each id, in their order."""

    items: list[Item]


class Link(Response):
    """A personal link. Whoever opens ``page`` acts as ``person``.

    ``approval`` is the wait whose page it is, ``due`` its deadline; both are null where the link takes a decision that comes
    before its approval.
    """

    page: str
    person: Person
    run: str
    step: str | None
    approval: str | None
    due: datetime | None


class OpenApi(Response):
    """An OpenAPI document."""

    model_config = ConfigDict(extra="allow")

    openapi: Literal["3.1.0"]


class Flow(Response):
    """A flow that can be started, and what it takes."""

    flow: str
    title: str
    description: str | None
    inputs: list[dict[str, JsonValue]]
    inputs_schema: dict[str, JsonValue]


class Flows(Response):
    """The flows that can be started, by name."""

    items: list[Flow]


class Effects(Response):
    """The parked effects."""

    items: list[Effect]


class KnownPerson(Person):
    """Somebody, with everything that they are known by: Slack ids with their workspaces, and mail addresses."""

    tz: str | None
    handles: list[str]
    admin: bool


class Freed(Response):
    """What became of a parked effect."""

    id: str
    status: Literal["retried", "skipped"]
