"""``ctx``: what a function learns from it, how it suspends its step, and how it asks for another round."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import signoff
from flows.definition import Approval, Callback, Hold, Step
from flows.errors import ActionError, NotAnApprover, NotWaiting, QuorumUnreachable, Refused, TryAgain
from flows.fields import StringField
from flows.functions import Functions, action
from flows.ports import Json
from flows.run import Kind
from flows.step_context import (
    BlockingStepContext,
    ContextError,
    MachineLinks,
    Performed,
    RerunRequest,
    RetriesExhausted,
    StepContext,
)

if TYPE_CHECKING:
    from somewhere import Unknown

ANN, BOB = "ann@example.com", "bob@example.com"
VALUES = {"key": "7/poll/1/action", "run": {"id": "run_7", "url": "https://x/runs/run_7"}, "inputs": {"job": "j1"}}
CALLBACK = {
    "ask": "Waiting for a callback",
    "show": {},
    "timeout": "1d",
    "on_timeout": "end",
    "on_open": [],
    "schema": None,
    "redirect": None,
}


@dataclass
class FakeSession:
    """An attempt without an engine: keeps what a round commits (``kept`` outlives the attempt), and refuses what an
    engine does: to be called off its loop, a wait that no step could have, a second one, links where nobody is asked."""

    round: int = 1
    attempt: int = 1
    context: Json = None
    callback: Json | None = None
    waits: Kind | None = None
    kept: list[Mapping[str, Json] | None] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    @property
    def links(self) -> MachineLinks:
        return MachineLinks(f"https://x/r/{self.round}", f"https://x/c/{self.round}")

    async def suspend(self, spec: Mapping[str, Json] | None) -> None:
        assert asyncio.get_running_loop() is self._loop
        self.calls += 1
        if spec is None:
            assert self.waits in (Kind.APPROVAL, Kind.HOLD, Kind.CALLBACK)
        else:
            assert self.waits is None
            spec = json.loads(json.dumps(spec, allow_nan=False))
            step = Step.model_validate({"id": "poll", "run": "jobs:poll", **spec})
            assert step.model_dump(mode="json").items() >= spec.items()  # nothing is left to the defaults of later
        await asyncio.sleep(0.01)  # others get their turn, as they do while a transaction commits
        if self.refusals:
            raise self.refusals.pop(0)
        if self.kept and self.kept != [spec]:
            raise NotWaiting("This round has another wait.")
        self.kept[:] = [spec]

    async def person_link(self, handle: str) -> str:
        assert asyncio.get_running_loop() is self._loop
        await asyncio.sleep(0)
        if not self.kept:
            raise NotWaiting("Nothing waits here.")
        [spec] = self.kept
        named = [ANN] if spec is None else (spec.get("approval") or spec["hold"]).get("approvers", [ANN])
        if handle not in named:
            raise NotAnApprover(f"{handle} is none of those who may decide this.")
        return f"https://x/a/{self.round}/{handle}"


@pytest.fixture(autouse=True)
def _modules_stay_here() -> Iterator[None]:
    yield
    sys.modules.pop("jobs_here", None)


async def perform(
    function: Callable[..., Any],
    session: FakeSession | None,
    params: Mapping[str, Json] | None = None,
    *,
    limit: timedelta | None = None,
) -> Performed:
    module = ModuleType("jobs_here")
    module.act = function  # type: ignore[attr-defined] # made here
    sys.modules["jobs_here"] = module
    return await Functions().call(
        "jobs_here:act", Path("/nowhere"), params or {}, VALUES, timeout=limit, session=session
    )


Ask = Callable[[StepContext], Any]
"""Asks something of a context, which is awaited on the loop and not on a thread: ``lambda ctx: ctx.suspend()``."""


def on_loop(*asks: Ask) -> Callable[..., Any]:
    async def act(ctx: StepContext) -> None:
        for ask in asks:
            asked = ask(ctx)
            if asyncio.iscoroutine(asked):
                await asked

    return act


def on_thread(*asks: Ask) -> Callable[..., Any]:
    def act(ctx: BlockingStepContext) -> None:
        for ask in asks:
            ask(ctx)  # type: ignore[arg-type] # it has the same methods

    return act


both = pytest.mark.parametrize("act", [on_loop, on_thread])


# -- who gets it ----------------------------------------------------------------------------------------------


Given = StepContext


async def by_name(ctx):
    return type(ctx)


async def annotated(mine: StepContext):
    return type(mine)


async def annotated_as_optional(mine: StepContext | None = None):
    return type(mine)


async def annotated_under_another_name(mine: Given):
    return type(mine)


async def annotated_beside_what_is_for_type_checkers_only(mine: StepContext, other: Unknown | None = None):
    return type(mine)


async def annotated_from_the_public_package(mine: signoff.StepContext, /):
    return type(mine)


def by_name_on_a_thread(ctx):
    return type(ctx)


def annotated_on_a_thread(*, mine: BlockingStepContext):
    return type(mine)


def annotated_loosely_on_a_thread(mine: StepContext):
    return type(mine)


@pytest.mark.parametrize(
    "function",
    [
        by_name,
        annotated,
        annotated_as_optional,
        annotated_under_another_name,
        annotated_beside_what_is_for_type_checkers_only,
        annotated_from_the_public_package,
        by_name_on_a_thread,
        annotated_on_a_thread,
        annotated_loosely_on_a_thread,
    ],
)
async def test_ctx_is_given_by_name_or_by_annotation_in_the_kind_that_fits_the_function(function):
    @functools.wraps(function)
    def named(*args, **kwargs):
        return function(*args, **kwargs).__name__

    @functools.wraps(function)
    async def named_on_loop(*args, **kwargs):
        return (await function(*args, **kwargs)).__name__

    is_async = inspect.iscoroutinefunction(function)
    performed = await perform(named_on_loop if is_async else named, FakeSession())

    assert performed.output == ("StepContext" if is_async else "BlockingStepContext")


async def test_ctx_says_which_round_and_attempt_of_which_run_it_is():
    def act(ctx, job):
        return [ctx.runs, ctx.attempt, ctx.key, ctx.run["id"], ctx.inputs, ctx.context, ctx.callback, job]

    request = {"method": "POST", "headers": {}, "query": {}, "body": {"ok": True}}
    session = FakeSession(round=3, attempt=2, context={"n": 1}, callback=request)

    performed = await perform(act, session, {"job": "j1"})

    assert performed.output == [3, 2, "7/poll/1/action", "run_7", {"job": "j1"}, {"n": 1}, request, "j1"]


async def test_what_an_attempt_does_to_its_context_is_not_there_in_the_next():
    def act(ctx):
        ctx.context["n"].append(2)
        ctx.callback["body"].clear()

    session = FakeSession(context={"n": [1]}, callback={"body": {"ok": True}})
    await perform(act, session)

    assert (session.context, session.callback) == ({"n": [1]}, {"body": {"ok": True}})


async def test_with_wins_over_a_plain_name_and_never_over_an_annotation():
    async def plain(ctx):
        return ctx

    async def act(mine: StepContext, **rest):
        return rest

    assert (await perform(plain, FakeSession(), {"ctx": "my own"})).output == "my own"
    with pytest.raises(ActionError, match="jobs_here:act has 'mine' in 'with', which is its ctx"):
        await perform(act, FakeSession(), {"mine": 1, "other": 2})


async def test_ctx_is_not_offered_as_what_with_may_give():
    async def act(ctx, mine: StepContext, job=None): ...

    with pytest.raises(ActionError, match=r"takes no 'x' \(it takes job\)$"):
        await perform(act, FakeSession(), {"x": 1})


# -- suspend --------------------------------------------------------------------------------------------------


async def test_p1_suspend_returns_two_links_and_what_follows_still_runs():
    session = FakeSession()

    async def act(ctx: StepContext):
        links = await ctx.suspend()
        committed = list(session.kept)  # before it has returned, so that the links may leave
        await asyncio.sleep(0)
        return [links.resume, links.cancel, committed]

    performed = await perform(act, session)

    assert performed == Performed(["https://x/r/1", "https://x/c/1", [{"callback": CALLBACK}]])


async def test_p1_suspend_on_a_thread_returns_two_links_once_it_is_committed():
    session = FakeSession()

    def act(ctx: BlockingStepContext):
        links = ctx.suspend(timeout="1h", on_timeout="continue")
        return [links.resume, links.cancel, list(session.kept), threading.get_ident()]

    output = (await perform(act, session, limit=timedelta(minutes=1))).output

    assert output[:2] == ["https://x/r/1", "https://x/c/1"]
    assert output[2] == [{"callback": CALLBACK | {"timeout": "1h", "on_timeout": "continue"}}]
    assert output[3] != threading.get_ident()


@both
async def test_p1_links_are_there_without_a_commit_and_the_same_on_each_attempt(act):
    seen = []

    def look(ctx):
        seen.append((ctx.links.resume, ctx.links.cancel))

    first, second = FakeSession(), FakeSession(attempt=2)
    await perform(act(look), first)
    await perform(act(look), second)

    assert seen == [("https://x/r/1", "https://x/c/1")] * 2
    assert (first.kept, second.kept) == ([], [])


FORM = [{"name": "why", "type": "string"}]


@pytest.mark.parametrize(
    ("given", "kind", "fields"),
    [
        ({}, "callback", CALLBACK),
        ({"callback": {}}, "callback", CALLBACK),
        ({"callback": Callback(timeout=timedelta(minutes=5))}, "callback", CALLBACK | {"timeout": "5m"}),
        ({"timeout": timedelta(hours=1)}, "callback", CALLBACK | {"timeout": "1h"}),
        ({"schema": {"type": "object"}}, "callback", CALLBACK | {"schema": {"type": "object"}}),
        ({"ask": "The bank", "show": {"Sum": 3}}, "callback", CALLBACK | {"ask": "The bank", "show": {"Sum": 3}}),
        ({"redirect": "https://x/done"}, "callback", CALLBACK | {"redirect": "https://x/done"}),
        (
            {"approval": {"approvers": ANN, "quorum": "all", "form": FORM, "on_reject": "continue", "timeout": "2d"}},
            "approval",
            {"approvers": [ANN], "quorum": "all", "on_reject": "continue", "timeout": "2d", "self_approval": False}
            | {"form": [StringField(name="why").model_dump(mode="json")]},
        ),
        (
            {"approval": Approval(approvers=(ANN,), options=("a", "b"), veto=("@boss",), via=("gmail",))},
            "approval",
            {"approvers": [ANN], "veto": ["@boss"], "via": ["gmail"], "timeout": "7d"},
        ),
        (
            {"approval": {"quorum": {"all": ["@a", {"at_least": 2, "of": [ANN, BOB]}]}}},
            "approval",
            {"quorum": {"all": ["@a", {"at_least": 2, "of": [ANN, BOB]}]}, "approvers": []},
        ),
        ({"hold": {"by": ANN, "ask": "Ready?"}}, "hold", {"by": [ANN], "ask": "Ready?", "on_timeout": "end"}),
        (
            {"hold": Hold(form=(StringField(name="why"),))},
            "hold",
            {"by": [], "form": [StringField(name="why").model_dump(mode="json")]},
        ),
        ({"delay": "10m"}, "delay", "10m"),
        ({"delay": timedelta(minutes=10)}, "delay", "10m"),
        ({"delay": datetime(2026, 12, 24, 8, tzinfo=UTC)}, "delay", "2026-12-24T08:00:00+00:00"),
    ],
)
@both
async def test_suspend_takes_every_wait_as_a_flow_file_does(act, given, kind, fields):
    session = FakeSession()
    await perform(act(lambda ctx: ctx.suspend(**given)), session)
    [spec] = session.kept

    assert list(spec) == [kind]
    assert spec[kind] == fields if isinstance(fields, str) else spec[kind].items() >= fields.items()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tiemout": "1h"}, "tiemout: unknown key 'tiemout' (did you mean 'timeout'?)"),
        ({"timeout": 5}, "timeout: must be a duration like 10s, 2d or 1h30m: a bare number does not say of what"),
        (
            {"on_timeout": "approve"},
            "on_timeout: must be 'end', 'fail' or 'continue': a callback is answered, not approved",
        ),
        ({"approvers": [ANN]}, "approvers: belongs inside 'approval'"),
        ({"form": FORM, "timeout": "1x"}, "form: belongs inside 'approval' or 'hold'; timeout: must be a duration"),
        ({"schema": {"type": "thing"}}, "schema: the schema is wrong at $.type"),
        ({"schema": {"const": {1, 2}}}, "schema.const is a set"),
        ({"show": {"Due": [date(2026, 1, 1)]}}, "show.Due[0] is a date"),
        ({"ask": "half \ud800"}, "ask: must be a valid string"),
        ({"on_timeout": [{"id": "tell", "uses": "log"}]}, "on_timeout: holds steps, which stand in the flow file"),
        ({"on_open": [{"id": "tell", "uses": "log"}]}, "on_open: holds steps, which stand in the flow file"),
        ({"show": {"half \ud800": 1}}, "a key of show holds half a character"),
        ({"show": {"all": "x" * (1 << 20)}}, "callback is larger than 1024 KiB of JSON"),
        ({"approval": {}}, "approval names nobody: list 'approvers', or name them in a nested 'quorum'"),
        ({"approval": {"approvers": "ann"}}, "approval.approvers: 'ann' names nobody"),
        ({"approval": {"approvers": ANN, "veto": "#boss"}}, "approval.veto: '#boss' names nobody"),
        ({"approval": {"quorum": {"any": [ANN, {"all": ["bob"]}]}}}, "approval.quorum: 'bob' names nobody"),
        ({"approval": {"approvers": "{{ inputs.boss }}"}}, "approval.approvers: '{{ inputs.boss }}' names nobody"),
        ({"approval": {"approvers": [ANN], "quorum": 0}}, "approval.quorum: must be at least 1"),
        (
            {"approval": {"approvers": [ANN], "form": [*FORM, *FORM]}},
            "approval.form.1.name: two fields are named 'why' (rename",
        ),
        (
            {"approval": {"approvers": [ANN], "form": [{"name": "n", "type": "string", "default": "{{ inputs.x }}"}]}},
            "approval.form.n.default: is a template, and a function gives values; give the value itself",
        ),
        (
            {"hold": {"form": [{"name": "n", "type": "string", "label": "{{ inputs.x }}"}]}},
            "hold.form.n.label: is a template, and a function gives values; give the value itself",
        ),
        (
            {"approval": {"approvers": ANN, "on_reject": [{"id": "a", "uses": "log"}]}},
            "approval.on_reject: holds steps",
        ),
        ({"approval": ANN}, "approval: must be a mapping or Approval(...), not str"),
        ({"hold": {"by": "me"}}, "hold.by: 'me' names nobody"),
        ({"hold": {}, "callback": {}}, "has hold and callback; a step waits for one thing, so ask for one of them"),
        ({"hold": {}, "timeout": "1h"}, "timeout: stands beside 'hold'; write it inside 'hold'"),
        ({"delay": "1h", "ask": "?"}, "ask: stands beside 'delay'; a delay takes nothing else"),
        ({"delay": "tomorrow"}, "delay: must be a duration like 10m, or an instant with its zone"),
        ({"delay": "2026-12-24T08:00:00"}, "delay: must be a duration like 10m, or an instant with its zone"),
        ({"delay": datetime(2026, 12, 24)}, "delay: must be a duration like 10m, or an instant with its zone"),  # noqa: DTZ001
        ({"delay": 10}, "not 10"),
        ({"delay": timedelta(seconds=-1)}, "delay: must be a duration"),
    ],
)
@both
async def test_a_wait_that_cannot_be_is_refused_at_the_call_naming_the_field(act, given, said):
    session = FakeSession()
    caught = []

    async def careful(ctx: StepContext):
        try:
            await ctx.suspend(**given)
        except ValueError as error:
            caught.append(error)

    await perform(careful, session)
    with pytest.raises(ContextError) as failure:
        await perform(act(lambda ctx: ctx.suspend(**given)), session)

    assert said in str(failure.value)
    assert str(failure.value).startswith("ctx.suspend: ")
    assert [str(each) for each in caught] == [str(failure.value)]
    assert (failure.value.retryable, session.calls) == (False, 0)


@both
async def test_everything_that_is_wrong_with_a_wait_is_told_at_once(act):
    bad = {"approvers": [ANN], "quorum": 0, "timeuot": "1h", "via": []}
    with pytest.raises(ContextError) as failure:
        await perform(act(lambda ctx: ctx.suspend(approval=bad)), FakeSession())

    assert [problem.partition(":")[0] for problem in failure.value.problems] == [
        "approval.via",
        "approval.quorum",
        "approval.timeuot",
    ]


@both
async def test_a_wait_may_be_asked_for_twice_and_another_one_is_refused(act):
    session = FakeSession()
    with pytest.raises(ContextError, match="was called before in this round, for another wait"):
        await perform(
            act(
                lambda ctx: ctx.suspend(timeout="60m"),
                lambda ctx: ctx.suspend(callback={"timeout": "1h"}),
                lambda ctx: ctx.suspend(timeout="2h"),
            ),
            session,
        )

    assert (session.kept, session.calls) == ([{"callback": CALLBACK | {"timeout": "1h"}}], 1)


async def test_whoever_asks_for_the_same_wait_meanwhile_gets_its_links_after_the_commit():
    session = FakeSession()

    async def act(ctx: StepContext):
        async def ask():
            await ctx.suspend()
            return len(session.kept)

        return await asyncio.gather(ask(), ask(), ask())

    assert (await perform(act, session)).output == [1, 1, 1]
    assert session.calls == 1


async def test_p13_a_repeated_attempt_asks_for_the_same_wait_and_gets_the_same_links():
    sent = []

    async def act(ctx: StepContext):
        sent.append((await ctx.suspend(timeout="1h")).resume)
        if ctx.attempt == 1:
            raise OSError("the job did not start")

    first = FakeSession()
    with pytest.raises(ActionError, match="the job did not start"):
        await perform(act, first)
    await perform(act, FakeSession(attempt=2, kept=first.kept))

    assert sent == ["https://x/r/1"] * 2
    assert first.kept == [{"callback": CALLBACK | {"timeout": "1h"}}]


@pytest.mark.parametrize(
    ("refusal", "retryable"),
    [(QuorumUnreachable("2 are needed, and 1 may decide."), False), (TryAgain("Slack does not answer."), True)],
)
@both
async def test_a_wait_that_cannot_open_fails_the_attempt_in_its_own_words(act, refusal, retryable):
    with pytest.raises(ActionError) as failure:
        await perform(act(lambda ctx: ctx.suspend(hold={})), FakeSession(refusals=[refusal]))

    assert (str(failure.value), failure.value.retryable) == (str(refusal), retryable)


@both
async def test_after_a_wait_that_did_not_open_a_function_may_ask_for_another(act):
    def careful(ctx):
        try:
            ctx.suspend(approval={"approvers": ["@leads"]})
        except Refused:
            ctx.suspend(hold={})

    async def careful_on_loop(ctx):
        try:
            await ctx.suspend(approval={"approvers": ["@leads"]})
        except Refused:
            await ctx.suspend(hold={})

    session = FakeSession(refusals=[QuorumUnreachable("Nobody is in @leads.")])
    await perform(act(careful if act is on_thread else careful_on_loop), session)

    assert list(session.kept[0]) == ["hold"]


@both
async def test_the_wait_that_the_step_has_in_its_flow_is_opened_by_a_call_without_arguments(act):
    session = FakeSession(waits=Kind.APPROVAL)
    await perform(act(lambda ctx: ctx.suspend(), lambda ctx: ctx.suspend()), session)
    opened = list(session.kept)
    with pytest.raises(ContextError, match=r"the step has a wait in its flow \(approval\); call it without arguments"):
        await perform(act(lambda ctx: ctx.suspend(timeout="1h")), session)

    assert (opened, session.calls) == ([None], 1)


@both
async def test_the_delay_that_the_step_has_in_its_flow_begins_by_itself(act):
    session = FakeSession(waits=Kind.DELAY)
    with pytest.raises(ContextError, match="the step has a delay in its flow, which begins when the step's work ends"):
        await perform(act(lambda ctx: ctx.suspend()), session)

    assert session.calls == 0


# -- links of people ------------------------------------------------------------------------------------------


@dataclass
class Someone:
    email: str | None = None
    slack_id: str | None = None


@both
async def test_each_approver_has_a_link_of_their_own(act):
    session = FakeSession()
    wait = {"approvers": [ANN, "U024BE7LH"]}

    async def on_the_loop(ctx: StepContext):
        links = await ctx.suspend(approval=wait)
        return [await links.for_person(each) for each in (" Ann@example.com", Someone(ANN, "U024BE7LH"), Someone(ANN))]

    def on_a_thread(ctx: BlockingStepContext):
        links = ctx.suspend(approval=wait)
        return [links.for_person(each) for each in (" Ann@example.com", Someone(ANN, "U024BE7LH"), Someone(ANN))]

    performed = await perform(on_the_loop if act is on_loop else on_a_thread, session)

    assert performed.output == [f"https://x/a/1/{who}" for who in (ANN, "U024BE7LH", ANN)]


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ([lambda ctx: ctx.links.for_person(ANN)], "nobody is asked here; call ctx.suspend(approval=...)"),
        ([lambda ctx: ctx.suspend(), lambda ctx: ctx.links.for_person(ANN)], "nobody is asked here"),
        ([lambda ctx: ctx.rerun("1s"), lambda ctx: ctx.links.for_person(ANN)], "nobody is asked here"),
        (["open", lambda ctx: ctx.links.for_person("@leads")], "@leads is a group, and a link is one person's"),
        (["open", lambda ctx: ctx.links.for_person("ann")], "'ann' names nobody"),
        (["open", lambda ctx: ctx.links.for_person(Someone())], "None names nobody"),
        (["open", lambda ctx: ctx.links.for_person(BOB)], f"{BOB} is none of those who may decide this."),
        (["open", lambda ctx: ctx.links.resume], "links: people answer this approval, not machines"),
        (["open", lambda ctx: ctx.links.cancel], "links: people answer this approval, not machines"),
        ([lambda ctx: ctx.suspend(hold={}), lambda ctx: ctx.links.resume], "links: people answer this hold"),
    ],
)
@both
async def test_links_are_refused_to_whom_they_are_not_for(act, asks, said):
    asks = [(lambda ctx: ctx.suspend(approval={"approvers": ANN})) if ask == "open" else ask for ask in asks]
    with pytest.raises(ActionError) as failure:
        await perform(act(*asks), FakeSession())

    assert said in str(failure.value)
    assert failure.value.retryable is False


async def test_links_do_not_print_their_addresses():
    async def act(ctx: StepContext):
        return f"{ctx.links} {ctx!r} {[await ctx.suspend()]}"

    assert "https" not in (await perform(act, FakeSession())).output


# -- rerun ----------------------------------------------------------------------------------------------------


async def rounds(function: Callable[..., Any], *, at_most: int = 20) -> list[Json]:
    """The outputs of all rounds, as long as another is asked for; what is asked for too often is not run for ever."""
    outputs: list[Json] = []
    context: Json = None
    while len(outputs) < at_most:
        performed = await perform(function, FakeSession(round=len(outputs) + 1, context=context))
        outputs.append(performed.output)
        if performed.rerun is None:
            return outputs
        context = performed.rerun.context
    raise AssertionError(f"more than {at_most} rounds")


@pytest.mark.parametrize("delay", ["10s", timedelta(seconds=10), "PT10S"])
async def test_p5_rerun_is_recorded_and_given_with_the_output(delay):
    async def act(ctx: StepContext):
        links = ctx.rerun(delay, {"n": (1, 2)}, max_retries=3, on_exhausted="continue")
        return [links.resume, links.cancel]

    performed = await perform(act, FakeSession(round=3))

    assert performed.rerun == RerunRequest(timedelta(seconds=10), {"n": [1, 2]}, 3, "continue")
    assert performed.output == ["https://x/r/3", "https://x/c/3"]


async def test_p5_a_rerun_says_ten_retries_and_fail_by_default():
    def act(ctx: BlockingStepContext):
        ctx.rerun("1m")

    assert (await perform(act, FakeSession())).rerun == RerunRequest(timedelta(minutes=1), None, 10, "fail")


@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_p5_max_retries_n_gives_one_round_and_then_n_more(retries):
    seen = []

    def act(ctx: BlockingStepContext):
        seen.append((ctx.runs, ctx.context))
        ctx.rerun("10s", {"seen": ctx.runs}, max_retries=retries, on_exhausted="continue")
        return ctx.runs

    outputs = await rounds(act)

    assert outputs == list(range(1, retries + 2))
    assert seen == [(1, None), *((n + 1, {"seen": n}) for n in range(1, retries + 1))]


async def test_p5_a_context_is_gone_where_it_is_not_passed_again():
    def act(ctx: BlockingStepContext):
        if ctx.runs < 3:
            ctx.rerun("10s", "from the first" if ctx.runs == 1 else None)
        return ctx.context

    assert await rounds(act) == [None, "from the first", None]


@both
async def test_p6_exhausted_retries_fail_the_step_for_good(act):
    with pytest.raises(RetriesExhausted) as failure:
        await perform(act(lambda ctx: ctx.rerun("10s", max_retries=3)), FakeSession(round=4))

    assert isinstance(failure.value, ActionError)
    assert (str(failure.value), failure.value.retryable) == ("not done after 4 rounds, and max_retries is 3", False)


async def test_p6_a_function_may_catch_exhausted_retries_and_return_something_else():
    async def act(ctx: StepContext):
        try:
            ctx.rerun("10s", max_retries=2)
        except RetriesExhausted:
            return "gave up"
        return "again"

    assert await rounds(act) == ["again", "again", "gave up"]


async def test_p6_exhausted_retries_that_continue_are_no_rerun_and_keep_the_output():
    async def act(ctx: StepContext):
        ctx.rerun("10s", max_retries=1, on_exhausted="continue")
        return {"done": False}

    assert await perform(act, FakeSession(round=2)) == Performed({"done": False}, None)


async def test_p6_after_the_last_retry_a_function_may_ask_people():
    async def act(ctx: StepContext):
        ctx.rerun("10s", max_retries=1, on_exhausted="continue")
        await ctx.suspend(hold={"ask": "It does not get done"})

    session = FakeSession(round=2)

    assert (await perform(act, session)).rerun is None
    assert list(session.kept[0]) == ["hold"]


@pytest.mark.parametrize("kind", [on_loop, on_thread])
async def test_p6_a_function_that_raises_after_rerun_fails_with_its_own_error(kind):
    def give_up(_ctx):
        raise LookupError("no such job")

    with pytest.raises(ActionError) as failure:
        await perform(kind(lambda ctx: ctx.rerun("10s"), give_up), FakeSession())

    assert (str(failure.value), failure.value.retryable) == ("LookupError: no such job", True)


class Unserialisable: ...


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"job": {"at": [date(2026, 1, 1)]}}, "context.job.at[0] is a date"),
        ({"n": float("nan")}, "context.n is nan, which JSON does not know"),
        ({1: 2}, "context has the key 1, and keys are text"),
        (Unserialisable(), "context is a Unserialisable"),
        ("\ud800", "context holds half a character"),
        ("x" * (1 << 20), "context is larger than 1024 KiB of JSON"),
    ],
)
@both
async def test_p9_a_context_that_is_not_json_is_refused_at_the_call_naming_the_path(act, context, said):
    after = []
    with pytest.raises(ContextError) as failure:
        await perform(act(lambda ctx: ctx.rerun("10s", context), after.append), FakeSession())

    assert str(failure.value).startswith(f"ctx.rerun: {said}")
    assert (failure.value.retryable, after) == (False, [])


async def test_p9_a_context_that_is_not_json_is_refused_in_the_last_round_too():
    with pytest.raises(ContextError, match="context is a set"):
        await perform(on_loop(lambda ctx: ctx.rerun("10s", {1}, max_retries=1)), FakeSession(round=2))


async def test_p9_the_context_is_what_it_was_at_the_call():
    async def act(ctx: StepContext):
        context = {"done": [1]}
        ctx.rerun("10s", context)
        context["done"].append(object())

    assert (await perform(act, FakeSession())).rerun == RerunRequest(timedelta(seconds=10), {"done": [1]})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"delay": 10}, "delay: must be a duration like 10s, 2d or 1h30m: a bare number does not say of what"),
        ({"delay": "soon"}, "delay: must be a duration like 10s, 2d or 1h30m"),
        ({"delay": timedelta(0)}, "delay: must be more than 0s"),
        ({"delay": "1s", "max_retries": -1}, "max_retries: must be at least 0"),
        ({"delay": "1s", "max_retries": True}, "max_retries: must be a whole number, not true"),
        ({"delay": "1s", "on_exhausted": "go on"}, "on_exhausted: "),
        (
            {"delay": "x", "context": {1}, "max_retries": -1},
            "delay: must be a duration like 10s, 2d or 1h30m; max_retries",
        ),
    ],
)
async def test_a_rerun_that_cannot_be_is_refused_at_the_call_naming_the_field(given, said):
    with pytest.raises(ContextError) as failure:
        await perform(on_loop(lambda ctx: ctx.rerun(**given)), FakeSession())

    assert said in str(failure.value)
    assert "context" not in given or "context is a set" in str(failure.value)


@both
async def test_a_round_suspends_or_reruns_and_not_both(act):
    session = FakeSession()
    with pytest.raises(ContextError, match=r"ctx\.rerun: comes after ctx\.suspend"):
        await perform(act(lambda ctx: ctx.suspend(), lambda ctx: ctx.rerun("1s")), session)
    fresh = FakeSession()
    with pytest.raises(ContextError, match=r"ctx\.suspend: comes after ctx\.rerun"):
        await perform(act(lambda ctx: ctx.rerun("1s"), lambda ctx: ctx.suspend()), fresh)

    assert (session.calls, fresh.calls) == (1, 0)


async def test_the_same_rerun_twice_is_one_and_another_is_refused():
    same = await perform(on_loop(lambda ctx: ctx.rerun("60s", [1]), lambda ctx: ctx.rerun("1m", (1,))), FakeSession())
    with pytest.raises(ContextError, match="was called before in this round, with other arguments"):
        await perform(on_loop(lambda ctx: ctx.rerun("60s"), lambda ctx: ctx.rerun("61s")), FakeSession())

    assert same.rerun == RerunRequest(timedelta(minutes=1), [1])


# -- when it is over ------------------------------------------------------------------------------------------


async def test_what_keeps_its_ctx_beyond_the_end_can_do_nothing_with_it():
    kept = []
    await perform(on_loop(lambda ctx: kept.append(ctx)), session := FakeSession())
    [ctx] = kept

    for ask in (ctx.suspend, lambda: ctx.links.for_person(ANN)):
        with pytest.raises(ContextError, match="this attempt is over"):
            await ask()
    with pytest.raises(ContextError, match="this attempt is over"):
        ctx.rerun("1s")
    assert session.calls == 0


async def test_a_thread_that_outlasts_its_timeout_can_neither_suspend_nor_rerun():
    session = FakeSession()
    release, done = threading.Event(), threading.Event()
    said = []

    def act(ctx: BlockingStepContext):
        release.wait(30)
        for ask in (ctx.suspend, lambda: ctx.rerun("1s")):
            try:
                ask()
            except ContextError as error:
                said.append(str(error))
        done.set()

    with pytest.raises(ActionError, match="took longer"):
        await perform(act, session, limit=timedelta(milliseconds=20))
    release.set()
    await asyncio.to_thread(done.wait, 30)  # the loop has to go on, for the thread waits for it

    assert [each.partition(": ")[0] for each in said] == ["ctx.suspend", "ctx.rerun"]
    assert all("this attempt is over" in each for each in said)
    assert session.calls == 0


async def test_a_thread_whose_time_is_up_while_its_wait_is_committed_does_not_get_the_links():
    ended = asyncio.Event()
    done = threading.Event()
    said = []

    class Slow(FakeSession):
        async def suspend(self, spec):
            await ended.wait()
            await super().suspend(spec)

    def act(ctx: BlockingStepContext):
        try:
            said.append(ctx.suspend().resume)
        except ContextError as error:
            said.append(str(error))
        done.set()

    session = Slow()
    with pytest.raises(ActionError, match="took longer"):
        await perform(act, session, limit=timedelta(milliseconds=20))
    ended.set()
    await asyncio.to_thread(done.wait, 30)  # the loop has to go on, for the thread waits for it

    # It is committed all the same: the attempt that follows finds it, and sends the links.
    assert session.kept == [{"callback": CALLBACK}]
    assert said == ["ctx.suspend: this attempt is over: the function has returned, or took too long"]


async def test_the_ctx_of_a_thread_does_not_wait_for_itself_on_the_loop():
    started, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    kept = []

    def act(ctx: BlockingStepContext):
        kept.append(ctx)
        loop.call_soon_threadsafe(started.set)
        release.wait(30)

    performing = asyncio.create_task(perform(act, session := FakeSession()))
    await started.wait()
    with pytest.raises(ContextError, match="on the event loop it would wait for itself"):
        kept[0].suspend()
    release.set()
    await performing

    assert session.calls == 0


async def test_threads_of_one_function_may_ask_at_the_same_time():
    session = FakeSession()

    def act(ctx: BlockingStepContext):
        answers: list[Any] = []

        def ask(timeout: str) -> None:
            try:
                answers.append(ctx.suspend(timeout=timeout).resume)
            except ContextError:
                answers.append("refused")

        threads = [threading.Thread(target=ask, args=(f"{1 + index % 2}h",)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(answers)

    performed = await perform(act, session)

    assert performed.output == ["https://x/r/1"] * 4 + ["refused"] * 4
    assert session.calls == 1


# -- action ---------------------------------------------------------------------------------------------------


async def test_a_marked_function_is_what_it_was_and_is_called_by_its_name():
    @action
    async def add(ctx: StepContext, a: int) -> int:
        return a + ctx.runs

    @action(name="the bank")
    def pay(ctx: BlockingStepContext, a: int) -> int:
        return a

    class Ctx:
        runs = 2

    assert await add(Ctx(), 1) == 3  # type: ignore[arg-type] # whatever stands for it in an author's own test
    assert pay(None, 4) == 4  # type: ignore[arg-type]
    assert (await perform(add, FakeSession(round=5), {"a": 1})).output == 6
    with pytest.raises(ActionError, match=r"^the bank needs 'a', which 'with' does not give$"):
        await perform(pay, FakeSession())


def test_a_marked_function_that_takes_the_wrong_kind_of_ctx_is_refused_at_import():
    def on_a_thread(ctx: StepContext): ...
    async def on_the_loop(ctx: BlockingStepContext | None = None): ...

    with pytest.raises(
        TypeError, match="on_a_thread is not `async def`, so it runs on a thread, and takes a StepContext"
    ):
        action(on_a_thread)
    with pytest.raises(
        TypeError, match="on_the_loop is `async def`, and takes a BlockingStepContext; annotate StepContext"
    ):
        action(on_the_loop)


def test_the_public_package_gives_what_it_names():
    assert [name for name in signoff.__all__ if not hasattr(signoff, name)] == []
    assert (signoff.action, signoff.StepContext, signoff.RetriesExhausted) == (action, StepContext, RetriesExhausted)
