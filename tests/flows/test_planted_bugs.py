"""Properties need teeth: bugs that somebody might write are planted in a private copy, and the laws have to catch each.

A property whose generator never comes to the point passes whatever the code does. So each line of the table
breaks one rule of the engine, and the laws are run over the broken copy: those of ``test_tree_properties``, and for
bugs that only a crowd finds, those of ``test_properties``; for what happens around one approval, those of
``test_people_properties``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

WORLDS = 2_000
"""Most bugs are found in the first hundred."""

EXAMPLES = 1_200
"""Most bugs are found by the first fifty; the rarest take a merge between a look-up and the wait, or a stranger at a group."""

TREES = """
import sys
sys.path.insert(0, ".")
from tests.flows.tree_world import World
for number in range(MANY):
    World(number).live()
"""

PEOPLE = """
import sys
sys.path.insert(0, ".")
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.flows.test_properties import Laws
run_state_machine_as_test(Laws, settings=settings(
    max_examples=MANY, stateful_step_count=30, deadline=None, derandomize=True, database=None,
    phases=[Phase.generate], report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
))
"""

ASKING = """
import sys
sys.path.insert(0, ".")
from tests.flows.people_world import World
for number in range(MANY):
    World(number).live()
"""


class Bug(NamedTuple):
    """``right`` stands exactly once in ``file``, and ``wrong`` is what somebody might have written."""

    name: str
    file: str
    right: str
    wrong: str
    laws: str = TREES


MACHINE, TREE, WAITS, CONTEXT, TRANSITION, QUORUM, SLICES, STORE = (
    "flows/machine.py",
    "flows/tree.py",
    "flows/waits.py",
    "flows/context.py",
    "flows/transition.py",
    "flows/quorum.py",
    "flows/store/slices.py",
    "flows/store/sqlite.py",
)

BUGS = [
    # -- people
    Bug("self-approval is not checked", QUORUM, "and person == requester and not wait.self_approval:", "and False:"),
    Bug(
        "the quorum is one short",
        QUORUM,
        "if len(yes) >= suspension.needed if",
        "if len(yes) >= suspension.needed - 1 if",
    ),
    Bug(
        "the quorum takes one too many",
        QUORUM,
        "if len(yes) >= suspension.needed if",
        "if len(yes) > suspension.needed if",
    ),
    Bug("a rejection is ignored", QUORUM, "if len(rejecting) >= wait.reject_after:", "if False:"),
    Bug("one rejection is always enough", QUORUM, "if len(rejecting) >= wait.reject_after:", "if rejecting:"),
    Bug("a veto is ignored", QUORUM, "if terms.veto and (vetoing", "if False and (vetoing"),
    Bug(
        "options are counted together",
        QUORUM,
        "and (option is None or said.option == option)",
        "and (option is None or said.option is not None)",
    ),
    Bug(
        "a nested quorum counts heads",
        QUORUM,
        "if terms.quorum is None else seating.met(terms.quorum, yes):",
        "if True else False:",
    ),
    Bug(
        "a stranger is let in where groups were not asked",
        QUORUM,
        "raise MembershipsNeeded(groups_asked(suspension))",
        "return",
        PEOPLE,
    ),
    Bug(
        "all is not frozen when it opens",
        QUORUM,
        "Approvers(eligible, (), gaps), max(1, len(eligible))",
        "Approvers(eligible, approvers.groups, gaps), max(1, len(eligible))",
    ),
    Bug("an admin is an approver", QUORUM, "and not wait.by and admin)", "and not wait.by and admin) or admin"),
    Bug("anybody may cancel or pause", QUORUM, "if person != requester and not admin and not owner:", "if False:"),
    Bug("anybody may drop a wait", QUORUM, "if not (admin or owner):", "if False:"),
    Bug(
        "a merge lets the requester count",
        "flows/recounting.py",
        "for person, said in kept.items() if requester not in (person, said.human)}",
        "for person, said in kept.items()}",
    ),
    Bug(
        "a merge leaves two votes of one human",
        "flows/recounting.py",
        "kept = {one(decision.person):",
        "kept = {decision.person:",
    ),
    Bug("a merge is not told to the runs", STORE, "for run_id in concerned:", "for run_id in concerned[:0]:"),
    Bug("what a merge makes of a wait is not stored", TRANSITION, " or n in self.recounted)", ")"),
    Bug(
        "somebody who was merged decides as two",
        STORE,
        "(person := self._present(connection, event.person)) != event.person:",
        "(person := event.person) != event.person:",
    ),
    Bug(
        "who was merged is mailed twice",
        "flows/store/people.py",
        "AND id NOT IN ",
        "AND NOT id IN (0) AND 0 IN ",
        PEOPLE,
    ),
    Bug(
        "who took over is not told",
        SLICES,
        "    return found | {person.id: person for person in found.values()}\n",
        "    return found\n",
        PEOPLE,
    ),
    Bug(
        "a changed decision counts twice",
        WAITS,
        "settled = quorum.tally(wait, suspension, standing)",
        "settled = quorum.tally(wait, suspension, {**standing, **{-len(draft.decisions): draft.decisions[-1].said}})",
    ),
    Bug("the same answer counts again", "flows/deciding.py", "        and not draft.secrets\n", "        and False\n"),
    Bug("what was taken back still counts", TRANSITION, "        self.removed.append((n, person))\n", ""),
    Bug(
        "the digest is not checked",
        "flows/deciding.py",
        "event.digest is not None and event.digest != suspension.digest",
        "False",
    ),
    Bug(
        "a reason is never asked for",
        "flows/deciding.py",
        'if event.comment is None and (reason == "both"',
        'if False and (reason == "both"',
    ),
    Bug("a closed approval takes decisions", "flows/deciding.py", "        raise Closed(became)\n", ""),
    Bug(
        "nobody hears that people have left",
        "flows/recounting.py",
        "        tree.fail_open(draft, step, waits.failure(step, str(error)))\n",
        "        pass\n",
    ),
    Bug(
        "the seats of a closed approval stay",
        SLICES,
        '"DELETE FROM seats WHERE who = ? AND run = ? AND n = ?"',
        '"DELETE FROM seats WHERE who = ? AND run = ? AND n = -?"',
    ),
    Bug(
        "a slice lacks who has decided",
        SLICES,
        "            standing=standing,\n            mine=mine,",
        "            mine=mine,",
    ),
    Bug(
        "a refused decision is kept",
        STORE,
        "                transition = machine.advance(plan,",
        "                connection.execute(\"UPDATE runs SET reason = 'x' WHERE id = ?\", (run_id,))\n"
        "                transition = machine.advance(plan,",
    ),
    # -- time
    Bug(
        "a decision at the deadline counts",
        "flows/run.py",
        "self.due is not None and now >= self.due and clocks.stopped_at",
        "self.due is not None and now > self.due and clocks.stopped_at",
    ),
    Bug(
        "a deadline waits for its timer",
        "flows/timers.py",
        "    elif suspension.overdue(draft.now):\n        draft.event",
        "    elif False:\n        draft.event",
    ),
    Bug(
        "a timer at the deadline is too early",
        "flows/timers.py",
        "planned, over = suspension.due, suspension.overdue(draft.now) or suspension.settled(draft.now)",
        "planned, over = suspension.due, suspension.due is not None and draft.now > suspension.due",
    ),
    Bug(
        "an early timer expires",
        "flows/timers.py",
        "planned, over = suspension.due, suspension.overdue(draft.now) or suspension.settled(draft.now)",
        "planned, over = suspension.due, True",
    ),
    Bug(
        "a late timer is not ignored",
        "flows/timers.py",
        "    if suspension is None or suspension.closing is not None:\n        return\n    match event.timer",
        "    if suspension is None:\n        return\n    match event.timer",
    ),
    Bug(
        "a timer that was too early twice is armed twice",
        "flows/timers.py",
        "        draft.effects.append(Withdraw(suspension.path, timer=event.timer))\n",
        "",
    ),
    Bug(
        "silence approves where the flow says continue",
        WAITS,
        'Close.APPROVED if word_of(wait.on_timeout) == "approve"',
        'Close.APPROVED if word_of(wait.on_timeout) in ("approve", "continue")',
    ),
    Bug(
        "closing leaves the timer",
        WAITS,
        "    draft.effects.append(Withdraw(suspension.path))\n    if suspension.kind",
        "    if suspension.kind",
    ),
    Bug(
        "a run's time limit is not armed",
        MACHINE,
        'draft.effects.append(FireTimer("", 1, 0, now + plan.flow.timeout))',
        "pass",
    ),
    Bug(
        "a child's time limit outlives it",
        TREE,
        "    draft.effects.append(Withdraw(holder.path))\n    stop =",
        "    stop =",
    ),
    Bug("a time limit is over before its time", TREE, "if due is not None and draft.now < due:", "if False:"),
    # -- actions
    Bug(
        "an older attempt's result is taken",
        MACHINE,
        "            if (step := _acting(draft, event)) and event.attempt == step.attempt:\n                _action_done",
        "            if step := _acting(draft, event):\n                _action_done",
    ),
    Bug("an action that has ended ends again", MACHINE, "step.state is StepState.ACTING and step.round", "step.round"),
    Bug("a look-up opens a wait again", MACHINE, "step.state is not StepState.RESOLVING or step.round", "step.round"),
    Bug("another attempt has the number of the last", MACHINE, "attempt=step.attempt + 1", "attempt=step.attempt"),
    Bug("an action is tried once too often", MACHINE, "step.attempt <= retry.max:", "step.attempt <= retry.max + 1:"),
    Bug(
        "a performed effect stays", STORE, "outbox.settle(connection, settles) if settles is not None else None", "None"
    ),
    # -- the run
    Bug("an ended run can be cancelled", MACHINE, "if slice_.run.ending is not None and not", "if False and not"),
    Bug(
        "a cancel leaves the effects",
        TREE,
        "    if not path:\n        draft.effects.append(",
        "    if False:\n        draft.effects.append(",
    ),
    Bug("a suspension takes a number that was used", TRANSITION, "self.newest += 1", "self.newest = 1"),
    Bug(
        "looking people up counts as waiting",
        TRANSITION,
        "_ACTING = (StepState.ACTING, StepState.RESOLVING, StepState.HELD)",
        "_ACTING = (StepState.ACTING, StepState.HELD)",
    ),
    Bug(
        "the ledger skips a link",
        STORE,
        "ledger.GENESIS if run.version == 1 else",
        "ledger.GENESIS if run.version <= 2 else",
    ),
    Bug(
        "outputs are lost while the last steps run",
        "flows/store/rows.py",
        "    if run.outputs:\n",
        "    if run.outputs and run.ending is not None:\n",
    ),
    Bug(
        "a pause holds nothing back",
        TRANSITION,
        "        if self.run.paused is not None:\n            return True\n",
        "",
    ),
    Bug(
        "what was held is forgotten",
        "flows/steering.py",
        "    _redraw(draft)\n    tree.enter_held(draft)\n",
        "    _redraw(draft)\n",
    ),
    Bug("a round that was held begins anew", TREE, "if held is not None and held.round > 1:", "if False:"),
    Bug(
        "a step that gave way is never told",
        TREE,
        "        draft.effects.append(FireTimer(path, 1, GAVE_WAY, draft.now))\n",
        "",
    ),
    Bug(
        "a run that waits keeps its place",
        "flows/steering.py",
        "(draft.run.ending is not None or waits_only or ends)",
        "(draft.run.ending is not None or ends)",
    ),
    Bug(
        "a run that has ended keeps its place",
        "flows/steering.py",
        "(draft.run.ending is not None or waits_only or ends)",
        "(waits_only or ends)",
    ),
    Bug("a place goes to the newest", SLICES, 'f"SELECT min(runs.id) {_OF_FLOW}', 'f"SELECT max(runs.id) {_OF_FLOW}'),
    Bug(
        "a place goes to one and no further",
        STORE,
        "            if transition.run.place is not Place.FREE:\n                break\n",
        "            break\n",
    ),
    Bug(
        "a newer run leaves the older one",
        STORE,
        "in older_with_key(connection, start.plan.flow.flow, start.supersede, run_id):",
        "in ():",
    ),
    # -- waits
    Bug(
        "a step ends before those beside its wait",
        WAITS,
        'if step.inside is not None and step.inside.handling == "on_open":',
        "if False:",
    ),
    Bug(
        "a step ends before its action",
        WAITS,
        "if step is None or closing is None or step.state is StepState.ACTING:",
        "if step is None or closing is None:",
    ),
    Bug(
        "a wait that was dropped is approved",
        WAITS,
        "draft.agenda.append(Leave(step, StepState.DROPPED))",
        "draft.agenda.append(Leave(step, StepState.SUCCEEDED))",
    ),
    Bug(
        "a rejection lets it go on",
        WAITS,
        "Halt(step, Stop(Outcome.REJECTED, closing.reason, closing.by, step.path))",
        "Leave(step, StepState.SUCCEEDED)",
    ),
    Bug("an early decision is used twice", WAITS, "    draft.used.append((early.person, early.step))\n", ""),
    Bug("an early decision is lost", SLICES, "for early in transition.kept:", "for early in transition.kept[:0]:"),
    Bug(
        "an early decision counts anywhere",
        WAITS,
        'if wait.pre_approval != "allow" or wait.verify is not None:',
        "if wait.verify is not None:",
    ),
    Bug(
        "an early decision counts for any step",
        WAITS,
        "early.step in (None, draft.plan.at(suspension.path).step.id)",
        "True",
    ),
    Bug(
        "an early decision of a stranger counts",
        WAITS,
        "    except Refused:\n        return suspension\n    if wait.options",
        "    except Refused:\n        pass\n    if wait.options",
    ),
    Bug("an early answer cannot be read", WAITS, "    draft.answers[step.path] = Answer(suspension)\n", ""),
    Bug(
        "a closed wait takes a callback",
        MACHINE,
        "    if suspension.closing is not None:\n        used =",
        "    if False:\n        used =",
    ),
    Bug(
        "an early callback is forgotten",
        WAITS,
        "if called is not None and suspension.kind in",
        "if False and suspension.kind in",
    ),
    Bug(
        "two early callbacks are kept", MACHINE, "        if event.n in draft.slice.callbacks:\n", "        if False:\n"
    ),
    Bug(
        "a callback's deadline waits for its timer",
        "flows/machine.py",
        "    if suspension.kind is Kind.CALLBACK and (passed := timers.first",
        "    if False and (passed := timers.first",
    ),
    Bug(
        "a callback's body is not checked", WAITS, "if not called.cancels and isinstance(wait, Callback):", "if False:"
    ),
    Bug("a cancel link resumes", WAITS, "Close.REFUSED if called.cancels else Close.ANSWERED", "Close.ANSWERED"),
    Bug("a round is not counted", WAITS, "round=step.round + 1,", "round=step.round,"),
    Bug(
        "a round forgets what it was given",
        WAITS,
        "step = step.but(context=rerun.context, state=StepState.SUSPENDED)",
        "step = step.but(state=StepState.SUSPENDED)",
    ),
    Bug("a round does not know what woke it", WAITS, "        woken=suspension.n,\n", ""),
    Bug("a round's links are those of the last", WAITS, "suspension=draft.number() if plan.reserves else None,", ""),
    # -- trees
    Bug(
        "the other branch is taken",
        TREE,
        '"then" if wanted else "else"',
        '"else" if wanted and plan.step.else_ else "then"',
    ),
    Bug("a switch takes the default", TREE, 'name if name in plan.blocks else "default"', '"default"'),
    Bug(
        "a loop begins one too many",
        TREE,
        "    if now.next < now.total:\n        _enter_block",
        "    if now.next <= now.total:\n        _enter_block",
    ),
    Bug(
        "a loop loses its last item",
        TREE,
        "    if now.next < now.total:\n        _enter_block",
        "    if now.next < now.total - 1:\n        _enter_block",
    ),
    Bug("a loop begins them all", TREE, "at_once = min(plan.step.concurrency, len(items))", "at_once = len(items)"),
    Bug("a range lacks its end", TREE, "range(first, last + 1)", "range(first, last)"),
    Bug("an item is another one", SLICES, "chunk * CHUNK)\n    return found", "chunk * CHUNK + 1)\n    return found"),
    Bug("outputs come in another order", CONTEXT, "for index in ran]", "for index in reversed(ran)]"),
    Bug("it goes round once too often", TREE, "    elif now.next < now.total:\n", "    elif now.next <= now.total:\n"),
    Bug("there is no pause between rounds", TREE, "        if plan.delay is None:\n", "        if True:\n"),
    Bug("the others go on where one fails fast", TREE, "    active = withdraw(draft, row.path)\n", "    active = 0\n"),
    Bug(
        "one that stops ends the others though they may go on",
        TREE,
        "(not owner.step.fail_fast and stop.outcome in _HANDLERS)",
        "False",
    ),
    Bug(
        "the others always go on",
        TREE,
        "(not owner.step.fail_fast and stop.outcome in _HANDLERS)",
        "stop.outcome in _HANDLERS",
    ),
    Bug("what comes to nothing is forgotten at the end", TREE, "stop=now.stop or stop)", "stop=now.stop)"),
    Bug(
        "what is next begins after the end",
        TREE,
        "    draft.agenda = type(draft.agenda)(one for one in draft.agenda if not _below(_place(one), path))\n",
        "",
    ),
    Bug(
        "waits outlive what held them",
        TREE,
        "if suspension.closing is None and _below(suspension.path, path) and suspension.path not in kept:",
        "if False:",
    ),
    Bug("actions outlive what held them", TREE, "            if path or kept:\n", "            if False:\n"),
    Bug("what is open is not looked for", TREE, "        draft.need_open(path)\n", "        pass\n"),
    Bug("a handler is skipped", TREE, "if name is not None and name in plan.blocks:", "if False:"),
    Bug(
        "a handler mends everything",
        TREE,
        "    _decided(draft, plan, step, now.stop)\n",
        "    _leave(draft, step, StepState.SUCCEEDED)\n",
    ),
    Bug(
        "a handler that stops lets it go on",
        TREE,
        "        _stopped(draft, owner, row.but(state=_STATES[stop.outcome], error=_error(row, stop), inside=None), stop)\n",
        "        _leave(draft, row, StepState.SUCCEEDED)\n",
    ),
    Bug(
        "a flow's own handler is skipped", TREE, "if stop.outcome is Outcome.FAILED and handler in blocks:", "if False:"
    ),
    Bug(
        "what always runs does not when it is cancelled",
        TREE,
        "    if last:\n        finish(draft)\n",
        "    if True:\n        finish(draft)\n",
    ),
    Bug(
        "what always runs begins again when it is cancelled",
        TREE,
        "    if last:\n        finish(draft)\n",
        "    if False:\n        finish(draft)\n",
    ),
    Bug(
        "what always runs does not after a handler that stops",
        TREE,
        "            _finally(draft, holder)\n        return\n",
        "            _scope_ended(draft, holder)\n        return\n",
    ),
    Bug(
        "the last reason is told",
        TREE,
        "        if before is None or before.outcome is Outcome.SUCCEEDED:\n            holder",
        "        if True:\n            holder",
    ),
    Bug("a child's outputs are lost", TREE, "return holder.but(output=outputs)", "return holder"),
    Bug(
        "a child's failure is forgotten",
        TREE,
        "    if stop is None or stop.outcome is Outcome.SUCCEEDED:\n        _leave",
        "    if True:\n        _leave",
    ),
    Bug(
        "a child reads the inputs of its parent",
        CONTEXT,
        "    if scope is None:\n        return run.inputs\n",
        "    if True:\n        return run.inputs\n",
    ),
    Bug(
        "a child that is cancelled is cut short",
        TREE,
        "children = [] if hard else _children(draft, path, below)",
        "children = list[StepRun]()",
    ),
    Bug(
        "what holds a child does not wait for it",
        TREE,
        "    if active:\n        draft.put(_winding_up",
        "    if False:\n        draft.put(_winding_up",
    ),
    Bug("a run does not wait for its children", TREE, "    elif winding_up:\n        enter_held(draft)\n", ""),
    Bug(
        "rows that were not looked for have not run",
        CONTEXT,
        "    if known.looked is None or known.asked is None:\n",
        "    if True:\n",
    ),
    Bug(
        "the ledger forgets what was cancelled",
        TREE,
        "            draft.facts.append(StepEnded(step.path, StepState.CANCELLED, step.error))\n",
        "",
    ),
    # -- what happens around one approval
    Bug(
        "the requester nudges as often as they like",
        "flows/asking.py",
        "if last is not None and draft.now < last + NUDGES:",
        "if False:",
        ASKING,
    ),
    Bug(
        "one human counts for themselves and for somebody else",
        "flows/quorum.py",
        "    if acted is not None:\n        name",
        "    if False:\n        name",
        ASKING,
    ),
    Bug(
        "a stand-in overrules who has answered",
        "flows/quorum.py",
        "if principal in standing and standing[principal].by != person:",
        "if False:",
        ASKING,
    ),
    Bug(
        "a stand-in counts for each of several",
        "flows/quorum.py",
        "            if acted not in (None, principal):\n                continue\n            if principal in standing and standing[principal].by != person:",
        "            if principal in standing:",
        ASKING,
    ),
    Bug(
        "who was replaced keeps no seat for what they said",
        "flows/quorum.py",
        "(*(one for one in people if one in standing), *standing), ()",
        "(), ()",
        ASKING,
    ),
    Bug(
        "who has answered for a group that was replaced cannot change their mind",
        "flows/quorum.py",
        "(*(one for one in people if one in standing), *standing), ()",
        "tuple(one for one in people if one in standing), ()",
        ASKING,
    ),
    Bug(
        "an escalation replaces nobody",
        "flows/quorum.py",
        "if one in standing), *standing), ()\n",
        "if one in standing), *standing), groups\n",
        ASKING,
    ),
    Bug(
        "what was undone takes effect all the same",
        "flows/asking.py",
        "        if clocks.settles_at is not None:\n            suspension = _set",
        "        if False:\n            suspension = _set",
        ASKING,
    ),
    Bug(
        "what can be undone outlasts the deadline",
        "flows/asking.py",
        "            until = min(until, suspension.due)\n",
        "            pass\n",
        ASKING,
    ),
    Bug(
        "a question leaves the deadline where it was",
        "flows/asking.py",
        "due_ = None if suspension.due is None else suspension.due + pause",
        "due_ = suspension.due",
        ASKING,
    ),
    Bug(
        "a question leaves the escalation where it was",
        "flows/asking.py",
        "Later(one.at + pause,",
        "Later(one.at,",
        ASKING,
    ),
    Bug(
        "a deadline passes while the clock stands still",
        "flows/run.py",
        "and now >= self.due and clocks.stopped_at is None",
        "and now >= self.due",
        ASKING,
    ),
    Bug(
        "a question stops the clock for ever",
        "flows/asking.py",
        "        _timer(draft, suspension, Timer.RESTART, draft.now + wait.timeout)\n",
        "",
        ASKING,
    ),
    Bug("a question stops the clock in any flow", "flows/asking.py", 'wait.questions == "stop_clock"', "True", ASKING),
    Bug(
        "one answer of several who ask starts the clock",
        "flows/asking.py",
        "    if len(theirs) == len(draft.slice.questions):",
        "    if True:",
        ASKING,
    ),
    Bug(
        "who decides is still waited for as an asker",
        "flows/asking.py",
        "theirs = [one for one in draft.slice.questions if one.person == person]",
        "theirs = []",
        ASKING,
    ),
    Bug(
        "anybody answers for the requester",
        "flows/asking.py",
        "if event.person != draft.run.requester and not event.owner and not event.admin:",
        "if False:",
        ASKING,
    ),
    Bug(
        "who has answered hands their seat on",
        "flows/asking.py",
        "    if event.person in standing:\n        raise NotAllowed",
        "    if False:\n        raise NotAllowed",
        ASKING,
    ),
    Bug(
        "a seat goes to somebody who has one",
        "flows/asking.py",
        "if to in suspension.approvers.people or to in standing",
        "if to in standing",
        ASKING,
    ),
    Bug(
        "a seat goes to the requester",
        "flows/asking.py",
        "and to == draft.run.requester and not wait.self_approval:\n        raise",
        "and False:\n        raise",
        ASKING,
    ),
    Bug(
        "anybody hands on anybody's seat",
        "flows/asking.py",
        "if event.by != event.person and not event.admin:",
        "if False:",
        ASKING,
    ),
    Bug(
        "a delegation holds before it begins",
        "flows/delegation.py",
        "self.starts <= now < self.ends",
        "now < self.ends",
        ASKING,
    ),
    Bug(
        "a delegation holds when it was ended",
        "flows/delegation.py",
        "return self.ended_at is None and self",
        "return self",
        ASKING,
    ),
    Bug(
        "a delegation goes round",
        "flows/delegation.py",
        "            if one.delegate == new.person:",
        "            if False:",
        ASKING,
    ),
    Bug(
        "a delegation is handed on no further",
        "flows/delegation.py",
        "        found.update(dict.fromkeys(ring))\n",
        "        found.update(dict.fromkeys(ring))\n        ring = []\n",
        ASKING,
    ),
    Bug(
        "the writer remembers delegations that were ended",
        "flows/store/kept.py",
        "        self._delegations = None\n\n",
        "        pass\n\n",
        ASKING,
    ),
    Bug(
        "reminders have no end",
        "flows/asking.py",
        "if plan is None or clocks.reminded >= plan.count or",
        "if plan is None or",
        ASKING,
    ),
    Bug(
        "reminders come while the clock stands still",
        "flows/asking.py",
        "clocks.reminded >= plan.count or clocks.stopped_at is not None or",
        "clocks.reminded >= plan.count or",
        ASKING,
    ),
    Bug(
        "who snoozes is not woken",
        "flows/asking.py",
        "        _timer(draft, suspension, Timer.WAKE, event.until, event.person)\n",
        "        pass\n",
        ASKING,
    ),
    Bug(
        "who snoozes again is woken too early",
        "flows/asking.py",
        "    if draft.now < until:\n        return  # they",
        "    if False:\n        return  # they",
        ASKING,
    ),
    Bug(
        "a snooze outlasts the deadline",
        "flows/asking.py",
        "if suspension.due is not None and event.until >= suspension.due:",
        "if False:",
        ASKING,
    ),
    Bug(
        "what completes it waits for its timer",
        "flows/run.py",
        "return self.clocks.settles_at is not None and now >= self.clocks.settles_at",
        "return self.clocks.settles_at is not None and now > self.clocks.settles_at",
        ASKING,
    ),
    Bug(
        "a stranger asks questions",
        "flows/deciding.py",
        "if isinstance(event, ReassignRequested | SnoozeRequested | QuestionAsked):",
        "if isinstance(event, ReassignRequested | SnoozeRequested):",
        ASKING,
    ),
    Bug(
        "escalations after an undone answer are lost",
        "flows/asking.py",
        "            if clocks.stopped_at is None:\n                timers(draft",
        "            if False:\n                timers(draft",
        ASKING,
    ),
]


def hunt(folder: Path, laws: str, many: int) -> subprocess.CompletedProcess[str]:
    """Run the laws over the copy in ``folder``, always with the same examples."""
    return subprocess.run(  # noqa: S603 -- our own interpreter on our own copy
        [sys.executable, "-c", laws.replace("MANY", str(many))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def copy(folder: Path) -> None:
    """The engine, its laws, and what these are made of."""
    shutil.copytree(ROOT / "flows", folder / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests" / "flows").mkdir(parents=True)
    for name in (
        "inline_store",
        "people_world",
        "random_flows",
        "second_opinion",
        "test_properties",
        "test_quorum_oracle",
        "told",
        "tree_laws",
        "tree_world",
    ):
        shutil.copy(Path(__file__).with_name(f"{name}.py"), folder / "tests" / "flows")


def plant(folder: Path, bug: Bug) -> None:
    text = (folder / bug.file).read_text()
    assert text.count(bug.right) == 1, f"{bug.file} was rewritten; plant {bug.name!r} anew"
    (folder / bug.file).write_text(text.replace(bug.right, bug.wrong))


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Nothing is said by a bug that is caught where everything fails."""
    folder = tmp_path_factory.mktemp("sound")
    copy(folder)
    for laws in (TREES, PEOPLE, ASKING):
        found = hunt(folder, laws, 20)
        assert found.returncode == 0, found.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("bug", BUGS, ids=[bug.name.replace(" ", "-") for bug in BUGS])
@pytest.mark.usefixtures("sound")
def test_planted_bugs_are_caught(tmp_path, bug):
    copy(tmp_path)
    plant(tmp_path, bug)

    caught = hunt(tmp_path, bug.laws, EXAMPLES if bug.laws == PEOPLE else WORLDS)

    assert caught.returncode == 1, f"nobody noticed that {bug.name}"
    # By the laws, not because the copy cannot be imported.
    assert "in live" in caught.stderr or "state = Laws()" in caught.stderr, caught.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("laws", "many"),
    [(TREES, WORLDS), (PEOPLE, EXAMPLES), (ASKING, WORLDS)],
    ids=["trees", "people", "asking"],
)
def test_without_a_planted_bug_the_same_hunt_finds_nothing(tmp_path, laws, many):
    copy(tmp_path)

    found = hunt(tmp_path, laws, many)

    assert found.returncode == 0, found.stderr


def test_every_planted_bug_still_finds_its_place():
    missing = [bug.name for bug in BUGS if (ROOT / bug.file).read_text().count(bug.right) != 1]

    assert missing == []
