"""What the server says, as values.

These are not the models that the server is made of: a newer server may say more, and what it says besides is kept
(``raw()`` has all of it). Instants are aware, in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

Json = Any

OUTCOMES = frozenset({"succeeded", "rejected", "expired", "cancelled", "failed"})
"""What a run's ``status`` is once nothing about it changes any more."""

MOVING = frozenset({"running", "queued"})
"""What it is while the run goes on by itself: it works, or waits for a place that another run holds."""


class Answer(BaseModel):
    """Something that the server said."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    def raw(self) -> Json:
        """The answer as it came."""
        return self.model_dump(mode="json", exclude_unset=True)


class Person(Answer):
    name: str
    id: str = ""
    email: str | None = None
    slack: str | None = None


class KnownPerson(Person):
    """Somebody, with everything that they are known by: Slack ids with their workspaces, and mail addresses."""

    tz: str | None = None
    handles: Sequence[str] = ()
    admin: bool = False


class Decision(Answer):
    """One person's answer. ``verdict`` is ``approve``, ``reject`` or ``resume``; ``option`` is what they chose. ``by`` gave it
    for them, where they have handed their approvals over."""

    person: Person
    by: Person | None = None
    verdict: str
    at: datetime | None = None
    door: str = ""
    comment: str | None = None
    option: str | None = None
    form: Mapping[str, Json] = {}


class Question(Answer):
    """What somebody who is asked wants to know first, and what was answered."""

    person: Person
    text: str
    at: datetime | None = None
    answer: str | None = None
    answered_by: Person | None = None


class Field(Answer):
    """A field of a form, as the flow describes it."""

    name: str
    type: str = ""
    required: bool = True


class Option(Answer):
    """One of the choices of an approval that has several."""

    name: str
    label: str = ""


class Suspension(Answer):
    """One wait of a run, in short. ``kind`` is ``approval``, ``hold``, ``callback``, ``delay`` or ``rerun``."""

    id: str
    step: str
    kind: str
    status: str
    ask: str = ""
    due: datetime | None = None
    needed: int = 0
    approvals: int = 0
    decisions: Sequence[Decision] = ()


class Approval(Suspension):
    """One approval or hold, with everything that people are shown."""

    run: str
    flow: str
    flow_title: str
    step_title: str
    digest: str
    requester: Person
    inputs: Mapping[str, Json] = {}
    show: Mapping[str, Json] = {}
    form: Sequence[Field] = ()
    options: Sequence[Option] = ()
    questions: Sequence[Question] = ()


class Step(Answer):
    """One step run. ``path`` says where it stands: ``build``, ``each[3].ask``, ``both.left.ask``."""

    path: str
    state: str
    output: Json = None
    error: str | None = None


class Effect(Answer):
    """Something that could not be done; only a person can help it once ``parked_at`` is set."""

    id: str
    run: str
    what: str
    step: str | None = None
    error: str = ""
    parked_at: datetime | None = None
    due: datetime | None = None


class Ended(Answer):
    at: datetime
    reason: str | None = None
    by: Sequence[Person] = ()


class Paused(Answer):
    """Who has halted the run, and when."""

    by: Person
    at: datetime


class RunStatus(Answer):
    """How a run stands: ``status`` is ``running``, ``waiting``, ``paused``, ``queued`` or the outcome.

    All that a token without the scope ``read`` is told of the run that it started or did something to.
    """

    id: str
    status: str
    ended: Ended | None = None

    @property
    def over(self) -> bool:
        """Whether nothing about it changes any more."""
        return self.status in OUTCOMES

    @property
    def moving(self) -> bool:
        """Whether it goes on by itself: nobody has to do anything, and no time has to pass."""
        return self.status in MOVING

    @property
    def reason(self) -> str | None:
        return self.ended.reason if self.ended else None


class Run(RunStatus):
    """One run. ``suspensions`` are the open ones, ``answered`` those that were closed; ``outputs`` are the flow's, once it
    has succeeded. ``resubmits`` is the run of which this is a new version, ``resubmitted`` the newest version of this one."""

    flow: str
    requester: Person
    started_at: datetime
    inputs: Mapping[str, Json] = {}
    outputs: Mapping[str, Json] = {}
    paused: Paused | None = None
    resubmits: str | None = None
    resubmitted: str | None = None
    steps: Sequence[Step] = ()
    suspensions: Sequence[Suspension] = ()
    answered: Sequence[Suspension] = ()
    effects: Sequence[Effect] = ()


class Decided(Answer):
    """``counted`` is false where the same had been said already; ``detail`` says what became of it."""

    counted: bool
    detail: str
    run_status: str
    approval: Approval | None = None


class Asked(Answer):
    """What became of a nudge, a question and the like."""

    detail: str
    run_status: str
    approval: Approval | None = None


class Delegation(Answer):
    """``delegate`` answers for ``person`` from ``starts`` until just before ``ends``, in these ``flows``; none: in all."""

    id: str
    person: Person
    delegate: Person
    starts: datetime
    ends: datetime
    flows: Sequence[str] = ()
    made_by: Person | None = None


class Problem(Answer):
    """Why the server will not, as problem+json (RFC 9457) says it.

    Programs tell problems apart by ``kind``, people read ``detail``. ``fields`` says what is wrong with which value;
    ``approval`` is the approval as it stands now, where that helps.
    """

    status: int
    type: str = ""
    title: str = ""
    detail: str = ""
    fields: Annotated[Mapping[str, str], BeforeValidator(lambda fields: fields or {})] = {}
    approval: Approval | None = None

    @property
    def kind(self) -> str:
        """The end of ``type``: ``invalid-form``, ``closed``, ``not-found``."""
        return self.type.rpartition(":")[2]


class Item(Answer):
    """What became of one of several decisions: ``problem`` says why not, unless ``ok``."""

    id: str
    ok: bool
    counted: bool
    detail: str
    run_status: str | None = None
    problem: Problem | None = None


class Links(Answer):
    """A personal link. Whoever opens ``page`` acts as ``person``: pass it to nobody else.

    ``approval`` is the wait whose page it is, ``due`` its deadline; both are None where it takes a decision that comes
    before its approval.
    """

    page: str
    person: Person
    approval: str | None = None
    due: datetime | None = None
