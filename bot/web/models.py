"""What the JSON API takes and gives, as models: the contract with its callers.

Requests are closed to unknown keys, so that a misspelt one is said and not ignored. Instants are RFC 3339 in UTC,
ids carry their kind (``run_``, ``sus_``, ``per_``, ``eff_``), digests are 64 hexadecimal digits.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from flows.run import Close, Door, Kind, Outcome, StepState, Verdict

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")]
RunStatus = Literal["running", "waiting", "paused", "succeeded", "rejected", "expired", "cancelled", "failed"]
SuspensionStatus = Literal["pending", "approved", "rejected", "resumed", "expired", "cancelled", "elapsed"]


class Request(BaseModel):
    """What callers send."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Response(BaseModel):
    """What callers get."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# -- requests -------------------------------------------------------------------------------------------------


class StartRun(Request):
    """``POST /api/v1/flows/{flow}/runs``"""

    inputs: dict[str, JsonValue] = Field(default_factory=dict)


class Decide(Request):
    """``POST /api/v1/approvals/{id}/decisions``. ``digest`` is that of the approval as it was shown to the person."""

    verdict: Verdict
    comment: str | None = None
    form: dict[str, JsonValue] = Field(default_factory=dict)
    digest: Digest | None = None


class CancelRun(Request):
    """``POST /api/v1/runs/{id}/cancel``"""

    reason: str | None = None


class ListApprovals(Request):
    """The query of ``GET /api/v1/approvals``.

    ``approver`` is ``me``, a mail address or a ``per_`` id; without it, the list has whatever the caller may read.
    """

    status: Literal["pending"] = "pending"
    approver: Annotated[str, StringConstraints(min_length=1, max_length=320)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


# -- responses ------------------------------------------------------------------------------------------------


class Person(Response):
    id: str
    name: str
    email: str | None
    slack: str | None


class Closed(Response):
    """Why, when and by whose decision a suspension was closed."""

    how: Close
    at: datetime
    by: list[Person]


class Decision(Response):
    """One person's answer. ``form`` has secrets masked; ``digest`` is null where a script had not shown one."""

    person: Person
    verdict: Verdict
    at: datetime
    door: Door
    comment: str | None
    form: dict[str, JsonValue]
    digest: str | None


class Gap(Response):
    """A handle that was to be asked, and why nobody stands behind it."""

    handle: str
    reason: str


class Approval(Response):
    """One approval or hold as it stands.

    In a list, ``ask``, comments, and the values of ``inputs``, ``show`` and ``form`` are shortened where they are long: a
    text is cut after 500 characters and ends in ``…``, a list or a mapping of more than that is null. ``shortened`` says
    whether any is; ``GET /api/v1/approvals/{id}`` gives the whole. ``inputs`` has secrets masked. ``form`` describes the fields as the flow does, ``form_schema`` is JSON Schema of
    the values. ``needed`` people have to say yes, ``approvals`` have, ``missing`` have not.
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
    opened_at: datetime
    due: datetime | None
    approvers: list[Person]
    groups: list[str]
    gaps: list[Gap]
    needed: int
    approvals: int
    missing: int
    decisions: list[Decision]
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


class StepRun(Response):
    path: str
    state: StepState
    round: int
    attempt: int
    output: JsonValue
    error: str | None


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


class Run(Response):
    """One run as it stands. ``suspensions`` are those that are open, ``effects`` those that failed at least once."""

    id: str
    flow: str
    flow_title: str
    status: RunStatus
    requester: Person
    inputs: dict[str, JsonValue]
    started_at: datetime
    steps: list[StepRun]
    suspensions: list[Suspension]
    answered: list[Suspension]
    outcome: Outcome | None
    ended: Ended | None
    effects: list[Effect]


class RunStatusOnly(Response):
    """What ``start`` and ``cancel`` answer to a token without the scope ``read``, instead of a Run."""

    id: str
    status: RunStatus


class Decided(Response):
    """What became of a decision. ``counted`` is false where the same had been said already; ``detail`` says so.

    ``approval`` is null for a token without the scope ``read``.
    """

    counted: bool
    detail: str
    approval: Approval | None
    run_status: RunStatus


class Flow(Response):
    flow: str
    title: str
    description: str | None
    inputs: list[dict[str, JsonValue]]
    inputs_schema: dict[str, JsonValue]


class Flows(Response):
    items: list[Flow]


class Effects(Response):
    items: list[Effect]


class Freed(Response):
    """What became of a parked effect."""

    id: str
    status: Literal["retried", "skipped"]


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
