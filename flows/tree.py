"""How a run goes through its tree of steps: into them, past them, out of them, and up to what holds them. Pure.

A step ends in one of two ways. It *leaves*, and what follows begins; or it *halts* with a ``Stop``, and what holds it
decides what that means: a handler runs, the others go on, or the stop goes up, in the end to the run itself, whose
``on_error`` and ``finally`` run before it has ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from flows import waits
from flows.context import Context
from flows.definition import Flow, Step, word_of
from flows.durations import format_duration
from flows.effects import FireTimer, TellRequester, Withdraw
from flows.errors import InvalidForm
from flows.events import RunEnded, RunStopping, StepEnded, StepStarted
from flows.expressions import CompiledValue, Expression, ExpressionError
from flows.fields import SecretField
from flows.forms import validate
from flows.people import PersonId
from flows.plan import HANDLERS, Block, Plan, Shape, StepPlan, above, ancestors, inside, made
from flows.ports import Json
from flows.run import (
    SECRET,
    Close,
    Ending,
    Inside,
    Outcome,
    Path,
    StepRun,
    StepState,
    Stop,
)
from flows.transition import Draft, Enter, Halt, Leave
from flows.values import is_list, plain

MAX_ITEMS = 100_000
"""Items of one loop."""

MAX_ENTERED = 1_000
"""Steps that one transition enters; the rest follows in the next, so that other runs get their turn."""

GAVE_WAY = -1
"""In place of a suspension's number, in the timer of a step that gave way so."""

_STATES = {
    Outcome.FAILED: StepState.FAILED,
    Outcome.REJECTED: StepState.REJECTED,
    Outcome.EXPIRED: StepState.EXPIRED,
    Outcome.CANCELLED: StepState.CANCELLED,
    Outcome.SUCCEEDED: StepState.SUCCEEDED,
}
_PART = re.compile(r"\[\d+\]|\.[^.\[]+")
"""The item or the branch at the beginning of what follows a path."""
_HANDLERS = {Outcome.FAILED: "on_error", Outcome.REJECTED: "on_reject", Outcome.EXPIRED: "on_timeout"}


def go(draft: Draft) -> None:
    """Do what is on the agenda, and what that puts on it, until nothing is left to do now."""
    while draft.agenda or draft.opened:
        if not draft.agenda:
            # By path: where several open at once, what came early goes to the first of them.
            draft.opened.sort(key=lambda opened: draft.suspensions[opened[0]].path)
            waits.answer_early(draft, *draft.opened.pop(0))
            continue
        match draft.agenda.popleft():
            case Enter(plan, path):
                _enter(draft, plan, path)
            case Leave(step, state):
                _leave(draft, step, state)
            case Halt(step, stop):
                _halt(draft, step, stop)


# -- into a step -----------------------------------------------------------------------------------------------


def _enter(draft: Draft, plan: StepPlan, path: Path) -> None:
    """Go to a step: past it where its condition is false, into its action, its wait, or the steps inside."""
    held = draft.steps.get(path)
    if held is not None:
        draft.effects.append(Withdraw(path))  # it may have given way, and a pause have ended since
    if draft.halted():
        draft.put(held or StepRun(path, StepState.HELD))
        return
    if draft.entered >= MAX_ENTERED:
        draft.put(held or StepRun(path, StepState.HELD))
        draft.effects.append(FireTimer(path, 1, GAVE_WAY, draft.now))
        return
    draft.entered += 1
    if held is not None and held.round > 1:
        waits.act(draft, held)
        return
    step = StepRun(path, StepState.SKIPPED)
    try:
        wanted = plan.condition is None or plan.condition.test(draft.context(plan, path, plan.condition_reads))
    except ExpressionError as error:
        draft.agenda.append(Halt(step, waits.failure(step, f"if: {error}")))
        return
    if not wanted and not (plan.shape is Shape.BRANCH and plan.step.else_):
        _leave(draft, step, StepState.SKIPPED)
    elif plan.shape is Shape.LEAF:
        _begin_leaf(draft, plan, step)
    else:
        draft.facts.append(StepStarted(path, 1, 1))
        step = step.but(state=StepState.RUNNING)
        draft.put(step)
        try:
            _begin(draft, plan, step, wanted=wanted)
        except (ExpressionError, InvalidForm) as error:
            draft.agenda.append(Halt(step, waits.failure(step, str(error))))


def _begin_leaf(draft: Draft, plan: StepPlan, step: StepRun) -> None:
    if plan.reserves:
        step = step.but(suspension=draft.number())
    if plan.step.action is None or plan.announces:
        waits.open_wait(draft, plan, step)
    else:
        waits.act(draft, step)


def _begin(draft: Draft, plan: StepPlan, step: StepRun, *, wanted: bool) -> None:
    """Go into a step that holds others. Raises ``ExpressionError`` and ``InvalidForm``."""
    match plan.shape:
        case Shape.BRANCH:
            _begin_block(draft, plan, step, "then" if wanted else "else")
        case Shape.SWITCH:
            assert plan.switch is not None  # what makes it a switch
            value = plan.switch.evaluate(draft.context(plan, step.path, plan.holding_reads))
            name = f"case_{_case(value)}"
            _begin_block(draft, plan, step, name if name in plan.blocks else "default")
        case Shape.PARALLEL:
            count = len(plan.step.parallel)
            draft.put(step.but(inside=Inside(count, count, count)))
            for name in plan.step.parallel:
                _enter_block(draft, step.path, plan.blocks[name])
        case Shape.LOOP:
            _begin_loop(draft, plan, step)
        case Shape.REPEAT:
            assert plan.step.repeat is not None  # what makes it one
            draft.put(step.but(inside=Inside(plan.step.repeat.max, 1, 1)))
            _enter_block(draft, step.path, plan.blocks[""], 0)
        case Shape.CHILD:
            _begin_child(draft, plan, step)


def _begin_block(draft: Draft, plan: StepPlan, step: StepRun, name: str) -> None:
    if name not in plan.blocks:
        _leave(draft, step, StepState.SKIPPED)  # no case fits, and there is no default
        return
    draft.put(step.but(inside=Inside(1, 1, 1, branch=name)))
    _enter_block(draft, step.path, plan.blocks[name])


def _enter_block(draft: Draft, path: Path, block: Block, index: int | None = None) -> None:
    draft.agenda.append(Enter(block.first, inside(path, block, index) + block.first.step.id))


def _case(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _begin_loop(draft: Draft, plan: StepPlan, step: StepRun) -> None:
    items = _items(draft, plan, step)
    if len(items) > MAX_ITEMS:
        raise ExpressionError(f"for_each: {len(items):,} items are more than {MAX_ITEMS:,}")
    at_once = min(plan.step.concurrency, len(items))
    step = step.but(inside=Inside(len(items), at_once, at_once))
    draft.put(step)
    if not items:
        _leave(draft, step, StepState.SUCCEEDED)
        return
    draft.goes_over(step.path, items)
    for index in range(at_once):
        _enter_block(draft, step.path, plan.blocks[""], index)


def _items(draft: Draft, plan: StepPlan, step: StepRun) -> list[Json]:
    values = draft.context(plan, step.path, plan.holding_reads)
    match plan.items:
        case (low, high):
            first, last = _end(low, values), _end(high, values)
            if last - first >= MAX_ITEMS:
                raise ExpressionError(f"for_each: this range has more than {MAX_ITEMS:,} numbers")
            return list(range(first, last + 1))
        case Expression():
            value = plan.items.evaluate(values)
            if not is_list(value):
                raise ExpressionError(f"for_each: must give a list, not {type(value).__name__}")
            items = plain(value)
            assert isinstance(items, list)  # a copy of a list
            return items
        case CompiledValue():
            return list(plan.items.render(values))
        case _:
            raise AssertionError("a loop goes over something")


def _end(end: int | Expression, values: Context) -> int:
    value = end if isinstance(end, int) else end.evaluate(values)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ExpressionError("for_each: both ends of a range must be whole numbers")
    return value


def _begin_child(draft: Draft, plan: StepPlan, step: StepRun) -> None:
    child = draft.plan.scopes[plan.path].flow
    given = plan.params.render(draft.context(plan, step.path, plan.holding_reads))
    step = step.but(context=_child_inputs(draft, plan, child, step, given), inside=Inside(1, 1, 1))
    draft.put(step)
    limits = [limit for limit in (child.timeout, plan.step.timeout) if limit is not None]
    if limits:
        draft.effects.append(FireTimer(step.path, 1, 0, draft.now + min(limits)))
    _enter_block(draft, step.path, plan.blocks[""])


def _child_inputs(
    draft: Draft, plan: StepPlan, child: Flow, step: StepRun, given: Mapping[str, Json]
) -> Mapping[str, Json]:
    """The child's inputs, validated. A secret that is passed on stays the reference that the run has of it: only the
    definition says which value is one, for anybody may type what looks like a reference."""
    for name in plan.mixed:
        raise ExpressionError(f"with.{name}: a secret can only be passed on as it is, into an input that is secret")
    names = {field.name for field in child.inputs if isinstance(field, SecretField)}
    passed = {name: given[name] for name in names & plan.passed if given.get(name) is not None}
    others = [field for field in child.inputs if field.name not in passed]
    checked = validate(others, {name: value for name, value in given.items() if name not in passed})
    for name in names & checked.keys():
        if checked[name] is not None:
            sealed = f"{step.path}.{name}"
            draft.secrets[sealed] = str(checked[name])
            checked[name] = {SECRET: sealed}
    return checked | passed


def enter_held(draft: Draft) -> None:
    """Go on with what was next when the run was paused, or lacked a place."""
    for step in sorted(draft.steps.values(), key=lambda step: step.path):
        if step.state is StepState.HELD:
            draft.agenda.append(Enter(draft.plan.at(step.path), step.path))


# -- out of a step ---------------------------------------------------------------------------------------------


def _leave(draft: Draft, step: StepRun, state: StepState) -> None:
    """The step has ended in a way that lets the run go on."""
    plan = draft.plan.at(step.path)
    kept = step.inside.but(active=0, handling=None, stop=None) if step.inside and plan.shape is not Shape.LEAF else None
    draft.put(step.but(state=state, inside=kept))
    draft.facts.append(StepEnded(step.path, state, step.error))
    after = draft.plan.next(plan)
    if after is not None:
        draft.agenda.append(Enter(after, step.path[: len(step.path) - len(plan.step.id)] + after.step.id))
    else:
        _block_over(draft, plan, step.path)


def _block_over(draft: Draft, last: StepPlan, path: Path) -> None:
    """All steps of a block have run."""
    holder, index = above(last, path)
    if last.owner is None:
        _scope_over(draft, None, last.block)
        return
    plan, step = draft.plan.at(holder), draft.steps[holder]
    if last.block == "on_open":
        _opened_over(draft, step)
    elif last.block in HANDLERS:
        _handled(draft, plan, step)
    elif plan.shape is Shape.CHILD:
        _scope_over(draft, step, last.block)
    else:
        try:
            _turn(draft, plan, step, path, index)
        except ExpressionError as error:
            _turn_failed(draft, plan, step, waits.failure(step, str(error)))


def _turn(draft: Draft, plan: StepPlan, step: StepRun, path: Path, index: int | None) -> None:
    """A branch, an item or a round is over. Raises ``ExpressionError``."""
    if plan.output is not None and plan.shape is not Shape.PARALLEL:
        values = draft.context(plan, path, plan.turning_reads, answered=plan.turning_answered)
        output = plan.output.render(values)
        if index is None:
            step = step.but(output=output)
        else:
            draft.put(StepRun(f"{step.path}[{index}]", StepState.SUCCEEDED, output=output))
    match plan.shape:
        case Shape.LOOP | Shape.PARALLEL:
            _one_over(draft, plan, step, None)
        case Shape.REPEAT:
            _round_over(draft, plan, step, path)
        case _:
            _leave(draft, step, StepState.SUCCEEDED)


def _turn_failed(draft: Draft, plan: StepPlan, step: StepRun, stop: Stop) -> None:
    """What a branch, an item or a round came to cannot be said; of a loop, others may be under way."""
    if plan.shape is Shape.LOOP and not plan.step.fail_fast:
        _one_over(draft, plan, step, stop)
    else:
        _stop_the_others(draft, step, stop)


def _one_over(draft: Draft, plan: StepPlan, step: StepRun, stop: Stop | None) -> None:
    """One item or branch is over: another begins, or it was the last."""
    now = step.inside
    assert now is not None  # it holds others
    now = now.but(active=now.active - 1, stop=now.stop or stop)
    if now.next < now.total:
        _enter_block(draft, step.path, plan.blocks[""], now.next)
        now = now.but(next=now.next + 1, active=now.active + 1)
    step = step.but(inside=now)
    if now.active:
        draft.put(step)
    elif now.stop is not None:
        draft.agenda.append(Halt(step, now.stop))
    else:
        if plan.output is not None and plan.shape is Shape.PARALLEL:
            values = draft.context(plan, step.path, plan.turning_reads, answered=plan.turning_answered)
            step = step.but(output=plan.output.render(values))
        _leave(draft, step, StepState.SUCCEEDED)


def _round_over(draft: Draft, plan: StepPlan, step: StepRun, path: Path) -> None:
    now, repeat = step.inside, plan.step.repeat
    assert now is not None  # it holds others
    assert repeat is not None  # only these have rounds
    assert plan.until is not None  # likewise
    if plan.until.test(draft.context(plan, path, plan.turning_reads, answered=plan.turning_answered)):
        _leave(draft, step, StepState.SUCCEEDED)
    elif now.next < now.total:
        if plan.delay is None:
            next_round(draft, plan, step)
        else:
            waits.open_pause(draft, plan, step)
    elif repeat.on_exhausted == "continue":
        _leave(draft, step, StepState.SUCCEEDED)
    else:
        rounds = "1 round" if now.total == 1 else f"{now.total:,} rounds"
        draft.agenda.append(Halt(step, waits.failure(step, f"not done after {rounds}")))


def next_round(draft: Draft, plan: StepPlan, step: StepRun) -> None:
    """Another round of ``repeat`` begins."""
    now = step.inside
    assert now is not None  # it holds others
    draft.put(step.but(state=StepState.RUNNING, inside=now.but(next=now.next + 1)))
    _enter_block(draft, step.path, plan.blocks[""], now.next)


def _opened_over(draft: Draft, step: StepRun) -> None:
    """The steps beside a wait are over. If the wait is too, the step ends."""
    draft.put(step.but(inside=None, state=StepState.SUSPENDED if step.state is StepState.RUNNING else step.state))
    if step.suspension is not None:
        waits.over(draft, step.suspension)


# -- halting ---------------------------------------------------------------------------------------------------


def _halt(draft: Draft, step: StepRun, stop: Stop) -> None:
    """The step would end the run: its handler decides, if there is one for this."""
    plan = draft.plan.at(step.path)
    name = _HANDLERS.get(stop.outcome)
    if name is not None and name in plan.blocks:
        waiting = (step.inside or Inside()).but(handling=name, stop=stop)
        draft.put(step.but(state=StepState.RUNNING, inside=waiting, error=_error(step, stop)))
        _enter_block(draft, step.path, plan.blocks[name])
    else:
        _decided(draft, plan, step, stop)


def _handled(draft: Draft, plan: StepPlan, step: StepRun) -> None:
    """The steps of a handler have run: it goes on as the handler says."""
    now = step.inside
    assert now is not None  # a handler ran
    assert now.stop is not None  # because of this
    _decided(draft, plan, step, now.stop)


def _decided(draft: Draft, plan: StepPlan, step: StepRun, stop: Stop) -> None:
    """Go on as the flow says for such a stop: its word, without steps or after them."""
    word = _word(_waited(draft, plan, step), stop.outcome, word_of(plan.step.on_error))
    if word == "continue":
        _leave(draft, step.but(error=_error(step, stop)), _STATES[stop.outcome])
    elif word == "approve":
        _leave(draft, step, StepState.SUCCEEDED)
    elif word == "fail" and stop.outcome is not Outcome.FAILED:
        message = _message(draft, step, stop)
        failed = Stop(Outcome.FAILED, f"{step.path}: {message}", step=step.path)
        draft.agenda.append(Halt(step.but(error=message, inside=_unhandled(plan, step)), failed))
    else:
        stopped = step.but(state=_STATES[stop.outcome], error=_error(step, stop), inside=None)
        _stopped(draft, plan, stopped, stop)


def _unhandled(plan: StepPlan, step: StepRun) -> Inside | None:
    return step.inside.but(handling=None, stop=None) if step.inside and plan.shape is not Shape.LEAF else None


def _waited(draft: Draft, plan: StepPlan, step: StepRun) -> Step:
    """The step as it is defined, with the wait that its function made, if it made one."""
    opened = draft.suspensions.get(step.suspension) if step.suspension is not None else None
    return plan.step if opened is None or opened.spec is None else made(opened.spec)


def _word(step: Step, outcome: Outcome, on_error: str) -> str:
    waiting = step.suspending
    match outcome:
        case Outcome.FAILED:
            return on_error
        case Outcome.REJECTED:
            return word_of(step.approval.on_reject if step.approval else step.on_reject)
        case Outcome.EXPIRED:
            return word_of(waiting.on_timeout if waiting else step.on_timeout)
        case _:
            return "end"


def _message(draft: Draft, step: StepRun, stop: Stop) -> str:
    if stop.outcome is Outcome.REJECTED:
        return waits.rejected(stop, draft.slice.people)
    reason = stop.reason or stop.outcome.value
    return reason.removeprefix(f"{step.path}: ")


def _error(step: StepRun, stop: Stop) -> str | None:
    if stop.outcome is not Outcome.FAILED:
        return step.error
    return (stop.reason or "").removeprefix(f"{step.path}: ") or step.error


def _stopped(draft: Draft, plan: StepPlan, step: StepRun, stop: Stop) -> None:
    """The step has stopped for good; what holds it decides what that means."""
    draft.put(step)
    draft.facts.append(StepEnded(step.path, step.state, step.error))
    holder, _ = above(plan, step.path)
    if plan.owner is None:
        _scope_stops(draft, None, plan.block, stop)
        return
    owner, row = draft.plan.at(holder), draft.steps[holder]
    if plan.block == "on_open":
        _opening_failed(draft, row, stop)
    elif plan.block in HANDLERS:
        # What was to mend it has failed itself: there is nothing further to try here.
        _stopped(draft, owner, row.but(state=_STATES[stop.outcome], error=_error(row, stop), inside=None), stop)
    elif owner.shape is Shape.CHILD:
        _scope_stops(draft, row, plan.block, stop)
    elif owner.shape in (Shape.LOOP, Shape.PARALLEL) and (
        (not owner.step.fail_fast and stop.outcome in _HANDLERS) or _winds_up(owner, row)
    ):
        _one_over(draft, owner, row, stop)
    else:
        _stop_the_others(draft, row, stop)


def _stop_the_others(draft: Draft, row: StepRun, stop: Stop) -> None:
    """Something inside has stopped, and with it what holds it. Child flows beside it do first what they always do."""
    active = withdraw(draft, row.path)
    if active:
        draft.put(_winding_up(row, active, stop))
    else:
        draft.agenda.append(Halt(row, stop))


def _winding_up(row: StepRun, active: int, stop: Stop) -> StepRun:
    now = row.inside or Inside()
    return row.but(inside=now.but(active=active, next=now.total, stop=stop))


def _winds_up(plan: StepPlan, row: StepRun) -> bool:
    """Whether a loop or a parallel only waits for the child flows in it. One that fails fast keeps no other stop, and
    one that does not keeps none that ends everything."""
    stop = row.inside.stop if row.inside is not None and row.inside.handling is None else None
    return stop is not None and (plan.step.fail_fast or stop.outcome is Outcome.CANCELLED)


def _opening_failed(draft: Draft, row: StepRun, stop: Stop) -> None:
    """A step beside a wait has stopped. Where the wait is open, nobody may have heard of it: the step fails."""
    if row.state is StepState.RUNNING:
        _opened_over(draft, row)
        return
    fail_open(draft, row, Stop(Outcome.FAILED, f"{row.path}: on_open: {stop.reason}", step=row.path))


def fail_open(draft: Draft, step: StepRun, stop: Stop) -> None:
    """A step whose wait may be open stops: its wait, the steps beside it, and its action if that is still at work."""
    suspension = draft.suspensions.get(step.suspension) if step.suspension is not None else None
    if suspension is not None and suspension.closing is None:
        waits.close(draft, suspension, Close.CANCELLED)
    if step.inside is not None and step.inside.handling == "on_open":
        withdraw(draft, step.path)
        step = step.but(inside=None)
    draft.effects.append(Withdraw(step.path, everything=True))
    draft.agenda.append(Halt(step, stop))


# -- a flow, or a child flow -----------------------------------------------------------------------------------


def _scope_over(draft: Draft, holder: StepRun | None, block: str) -> None:
    """A block of a flow has run: its steps, ``on_error``, or ``finally``."""
    if block == "finally":
        _scope_ended(draft, holder)
    elif block:
        _finally(draft, holder)
    else:
        stop = Stop(Outcome.SUCCEEDED)
        try:
            holder = _with_outputs(draft, holder)
        except ExpressionError as error:
            stop = Stop(Outcome.FAILED, f"outputs: {error}", step="outputs")
        if stop.outcome is Outcome.SUCCEEDED:
            _stopping(draft, holder, stop)
        else:
            _scope_stops(draft, holder, block, stop)


def _with_outputs(draft: Draft, holder: StepRun | None) -> StepRun | None:
    scope = draft.plan.scopes[None if holder is None else draft.plan.at(holder.path).path]
    if scope.outputs is None:
        return holder
    block = draft.plan.root if holder is None else draft.plan.at(holder.path).blocks[""]
    place = inside(holder.path if holder is not None else "", block) + block.last.step.id
    outputs = scope.outputs.render(draft.context(block.last, place, scope.output_reads, answered=scope.answered))
    if holder is not None:
        return holder.but(output=outputs)
    draft.run = draft.run.but(outputs=outputs)
    return None


def _scope_stops(draft: Draft, holder: StepRun | None, block: str, stop: Stop) -> None:
    """Something in a flow has stopped, and nothing in it goes on. If the flow was stopped before, that is why."""
    before = draft.run.stop if holder is None else (holder.inside.stop if holder.inside else None)
    if block:
        # The steps that run because of a stop have stopped themselves: the first reason is the one to tell, unless
        # there was none.
        if before is None or before.outcome is Outcome.SUCCEEDED:
            holder = _put_stop(draft, holder, stop)
        if block == "finally":
            _scope_ended(draft, holder)
        else:
            _finally(draft, holder)
        return
    stop = before or stop
    if withdraw(draft, "" if holder is None else holder.path):
        _put_stop(draft, holder, stop)  # child flows do first what they always do
    else:
        _stopping(draft, holder, stop)


def _stopping(draft: Draft, holder: StepRun | None, stop: Stop) -> None:
    """What the flow ends with is known. Steps for a failure and those that always run come first."""
    blocks = _blocks(draft.plan, holder)
    handler = "on_error" if holder is None else "flow_on_error"
    holder = _put_stop(draft, holder, stop)
    if stop.outcome is Outcome.FAILED and handler in blocks:
        if holder is None:
            draft.facts.append(RunStopping(stop.outcome, stop.reason))
        _enter_block(draft, holder.path if holder is not None else "", blocks[handler])
    else:
        _finally(draft, holder)


def _finally(draft: Draft, holder: StepRun | None) -> None:
    blocks = _blocks(draft.plan, holder)
    if "finally" in blocks:
        if holder is None and draft.run.stop is not None:
            draft.facts.append(RunStopping(draft.run.stop.outcome, draft.run.stop.reason))
        _enter_block(draft, holder.path if holder is not None else "", blocks["finally"])
    else:
        _scope_ended(draft, holder)


def _scope_ended(draft: Draft, holder: StepRun | None) -> None:
    """Everything of the flow has run."""
    if holder is None:
        finish(draft)
        return
    draft.effects.append(Withdraw(holder.path))
    stop = holder.inside.stop if holder.inside else None
    if stop is None or stop.outcome is Outcome.SUCCEEDED:
        _leave(draft, holder, StepState.SUCCEEDED)
    else:
        draft.agenda.append(Halt(holder.but(inside=None), stop))


def _blocks(plan: Plan, holder: StepRun | None) -> Mapping[str, Block]:
    return plan.blocks if holder is None else plan.at(holder.path).blocks


def _put_stop(draft: Draft, holder: StepRun | None, stop: Stop) -> StepRun | None:
    if holder is None:
        draft.run = draft.run.but(stop=stop)
        return None
    holder = holder.but(inside=(holder.inside or Inside()).but(stop=stop))
    draft.put(holder)
    return holder


def finish(draft: Draft) -> None:
    """The run has ended."""
    stop = draft.run.stop or Stop(Outcome.SUCCEEDED)
    draft.run = draft.run.but(ending=Ending(stop.outcome, draft.now, stop.reason, stop.by), stop=None, paused=None)
    draft.facts.append(RunEnded(stop.outcome, stop.reason))
    if draft.plan.flow.timeout is not None:
        draft.effects.append(Withdraw())
    if draft.run.requester not in stop.by and (stop.outcome is not Outcome.SUCCEEDED or _was_asked_about(draft)):
        draft.effects.append(TellRequester())


def _was_asked_about(draft: Draft) -> bool:
    """Whether the requester may be waiting to hear that it went well: others may have been asked, and they can be told."""
    who = draft.slice.people.get(draft.run.requester)
    return draft.newest > 0 and who is not None and who.reachable


def stop_run(draft: Draft, stop: Stop, how: Close = Close.CANCELLED, why: str | None = None) -> None:
    """End the whole run from outside: what always runs still does, unless it is running already. ``how`` and ``why``
    are told of the waits that this closes."""
    last = [step for step in draft.steps.values() if not step.state.ended and step.path.startswith("finally.")]
    draft.run = draft.run.but(paused=None)
    if any(step.state is StepState.HELD for step in last):
        enter_held(draft)  # it was to run, and the run was paused: now it does
        return
    before = draft.run.stop
    draft.run = draft.run.but(stop=stop if before is None or before.outcome is Outcome.SUCCEEDED else before)
    winding_up = withdraw(draft, "", by=stop.by, how=how, reason=why, hard=bool(last))
    if last:
        finish(draft)
    elif winding_up:
        enter_held(draft)
    else:
        _finally(draft, None)


def time_over(draft: Draft, step: StepRun | None, due: datetime | None) -> None:
    """A whole run, or a child flow, has taken longer than it may: until ``due``."""
    before = draft.run.stop if step is None else (step.inside.stop if step.inside is not None else None)
    if before is not None:
        return  # it is ending already
    if due is not None and draft.now < due:
        # The wall clock was stepped back: not yet.
        path = "" if step is None else step.path
        draft.effects.append(Withdraw(path))
        draft.effects.append(FireTimer(path, 1, 0, due))
        return
    if step is None:
        limit = draft.plan.flow.timeout
        reason = f"the run took longer than {format_duration(limit)}" if limit else "the run took too long"
        stop_run(draft, Stop(Outcome.EXPIRED, reason))
        return
    _scope_stops(draft, step, "", Stop(Outcome.EXPIRED, f"{step.path}: took longer than it may", step=step.path))


def withdraw(
    draft: Draft,
    path: Path,
    *,
    by: tuple[PersonId, ...] = (),
    how: Close = Close.CANCELLED,
    reason: str | None = None,
    hard: bool = False,
) -> int:
    """End everything that is under way below ``path`` (in the whole run, where it is empty), without going on.

    Child flows do first what they always do at their end, unless this is ``hard``. Returns in how many items or
    branches of the step run at ``path`` that is so; it ends when they have.
    """
    draft.agenda = type(draft.agenda)(one for one in draft.agenda if not _below(_place(one), path))
    if draft.acting or draft.waiting:
        draft.need_open(path)
    # What is inside ends before what holds it.
    below = [step for step in draft.steps.values() if not step.state.ended and _below(step.path, path)]
    below.sort(key=lambda step: step.path, reverse=True)
    children = [] if hard else _children(draft, path, below)
    kept = _kept(draft, path, below, children)
    for suspension in list(draft.suspensions.values()):
        if suspension.closing is None and _below(suspension.path, path) and suspension.path not in kept:
            waits.close(draft, suspension, how, by=by, reason=reason)
    for step in below:
        if step.path not in kept:
            draft.put(step.but(state=StepState.CANCELLED, inside=None))
            draft.facts.append(StepEnded(step.path, StepState.CANCELLED, step.error))
            if path or kept:
                draft.effects.append(Withdraw(step.path, everything=True))
    if not path:
        draft.effects.append(Withdraw("" if kept else None))
    _wind_up(draft, below, children, kept, Stop(Outcome.CANCELLED, by=by))
    return _parts(path, kept)


def _children(draft: Draft, path: Path, below: list[StepRun]) -> list[StepRun]:
    """The child flows under way that have steps for their end, the innermost first; none that has no inputs, and so never
    began, none of those beside a wait, which end with it, and none that run as such a step themselves."""
    found = [
        step
        for step in below
        if step.state is StepState.RUNNING
        and "finally" in draft.plan.at(step.path).blocks
        and step.context is not None
        and (step.inside is None or step.inside.handling is None)
        and "on_open" not in step.path[len(path) :].split(".")
    ]
    return [step for step in found if not any(_below(step.path, f"{other.path}.finally") for other in found)]


def _kept(draft: Draft, path: Path, below: list[StepRun], children: list[StepRun]) -> set[Path]:
    """What stays open because child flows have something to do: they, what holds them, and their steps for it that
    are under way."""
    kept = {child.path for child in children}
    for child in children:
        kept.update(one for one in ancestors(draft.plan, child.path) if _below(one, path))
        kept.update(step.path for step in below if _below(step.path, f"{child.path}.finally"))
    return kept


def _wind_up(draft: Draft, below: list[StepRun], children: list[StepRun], kept: set[Path], stop: Stop) -> None:
    """Let child flows do what they always do at their end, each once those inside it have."""
    for step in below:
        shape = draft.plan.at(step.path).shape
        ends = any(_below(step.path, f"{child.path}.finally") for child in children)
        handles = step.inside is not None and step.inside.handling is not None
        if step.path in kept and shape in (Shape.LOOP, Shape.PARALLEL) and not ends and not handles:
            draft.put(_winding_up(step, _parts(step.path, kept), stop))
    for child in children:
        draft.put(child.but(inside=(child.inside or Inside()).but(stop=stop)))
        if not any(_below(one, child.path) for one in kept):
            _enter_block(draft, child.path, draft.plan.at(child.path).blocks["finally"])


def _parts(path: Path, paths: set[Path]) -> int:
    """In how many items or branches of the step run at ``path`` some of ``paths`` are; for the run, how many they are."""
    found = [one[len(path) :] for one in paths if _below(one, path)]
    return len({match[0] for one in found if (match := _PART.match(one))}) if path else len(found)


def _place(entry: Enter | Leave | Halt) -> Path:
    return entry.path if isinstance(entry, Enter) else entry.step.path


def _below(path: Path, holder: Path) -> bool:
    return not holder or path.startswith((f"{holder}.", f"{holder}["))
