"""The laws of trees: what has to hold of a run's rows, effects and ledger after everything that happens to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from flows.definition import Approval, Callback, Flow, Hold, Step, word_of
from flows.effects import FireTimer, Lane, Leased, PerformAction, ResolvePeople, SendMail, Tell, key
from flows.errors import (
    ChangedSinceShown,
    Closed,
    DecidedByYou,
    InvalidForm,
    NotAnApprover,
    NotWaiting,
    Refused,
    SelfApproval,
)
from flows.events import CallbackReceived, DecisionMade
from flows.instants import to_ms
from flows.people import Memberships, PersonId, Roster
from flows.plan import Plan
from flows.request import digest
from flows.run import Close, Door, Early, Kind, Outcome, Place, Status, StepRun, StepState, Suspension, Verdict
from flows.store.rows import EARLY, early_of
from flows.store.slices import load_callback, load_decisions
from flows.testing import FakeClock
from tests.flows.inline_store import OF_RUNS, Inline, Rows
from tests.flows.random_flows import ADMIN, TEAM
from tests.flows.second_opinion import ANYTHING, HANDLERS, Opinion, Vote, Where, Wrong, below, paths_around, settled
from tests.flows.told import Told

_OPEN_NOW = (StepState.ACTING, StepState.RESOLVING)
COUNTED = (*_OPEN_NOW, StepState.HELD)
"""States of step runs that have something to do."""

_AT_THE_END = tuple(table for table in OF_RUNS if table != "early")
"""What stays as it is: decisions that were never used are nobody's any more, and may change hands."""


@dataclass
class Watched:
    """What is known of a run besides its rows."""

    requester: PersonId
    told: Told = field(default_factory=Told)
    votes: dict[int, dict[PersonId, Vote]] = field(default_factory=dict)
    """Everything that was said to a wait and stands, in the order in which it was."""
    early: dict[tuple[PersonId, str | None], tuple[Verdict, str | None, datetime]] = field(default_factory=dict)
    """Decisions that were kept and not used."""
    gone: dict[int, set[PersonId]] = field(default_factory=dict)
    """Who was asked by a wait, and has left since."""
    called: dict[int, bool] = field(default_factory=dict)
    """Requests of machines that were taken, and whether they cancel."""
    looked: set[int] = field(default_factory=set)
    """Waits that were seen open."""
    entered: dict[str, datetime] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    items: dict[str, list[Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    """What actions came to, by path."""
    fired: set[str] = field(default_factory=set)
    """Where the time that all of it may take was over. The empty path is the run."""
    cause: Outcome | None = None
    """What ended the run from outside."""
    ended: Rows | None = None
    effects: dict[int, tuple[str, PersonId | None]] = field(default_factory=dict)
    paused: bool = False
    """Whether it was, when it was looked at last; and which steps there were, and which of them were held."""
    there: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)


class Laws:
    """Judges the runs of a world. What can be known of them besides their rows is in ``runs``."""

    flow: Flow
    children: Mapping[str, Flow]
    places: Mapping[str, Where]
    plan: Plan
    store: Inline
    clock: FakeClock
    people: dict[str, PersonId]
    former: dict[PersonId, PersonId]
    team: set[str]
    runs: dict[int, Watched]

    # -- learning what has become of it ---------------------------------------------------------------------------

    def learn(self, run: int) -> None:
        """Read what is new in the ledger; hold the waits that have opened and closed against the flow."""
        watched = self.runs[run]
        entries = self.store.entries(run, watched.told.entries)
        watched.told.read(entries)
        opinion = self.opinion(run)
        for entry in entries:
            event, facts = entry.get("event") or {}, entry["facts"]
            if event.get("is") == "Superseded":
                watched.cause = watched.cause or Outcome.CANCELLED
            for fact in facts:
                if fact["is"] == "SuspensionOpened":
                    watched.votes.setdefault(fact["n"], {})
            for fact in facts:
                if fact["is"] == "DecisionCounted" and fact.get("unseen"):
                    self.counted_unseen(run, opinion, fact, event)

    def counted_unseen(self, run: int, opinion: Opinion, fact: dict[str, Any], event: dict[str, Any]) -> None:
        """A decision that was given beforehand: it was kept, or has just been given; and it is used up."""
        watched, n, person = self.runs[run], fact["n"], fact["person"]
        step = opinion.place(opinion.suspensions[n].path).step.id
        row = next(one for one in load_decisions(self.store.sql, run, n) if one.person == person)
        assert row.unseen
        assert row.digest is None
        assert person not in watched.votes[n]
        groups = row.memberships.groups if row.memberships else frozenset()
        watched.votes[n][person] = Vote(Verdict(fact["verdict"]), None, row.comment, row.values, groups)
        keys_ = [(person, step), (person, None)]
        used = [one for one in keys_ if watched.early.get(one, ())[:2] == (row.verdict, row.comment)]
        stored = {(one.person, one.step) for one in self.early_rows(run)}
        spent = [one for one in used if one not in stored]
        if event.get("is") == "DecidedEarly" and self.one(event["person"]) == person:
            return
        assert spent, f"nobody had said beforehand what was counted: {fact}"
        del watched.early[spent[0]]

    def early_rows(self, run: int) -> list[Early]:
        rows = self.store.sql.execute(f"SELECT {EARLY} FROM early WHERE run = ?", (run,))
        return list(map(early_of, rows))

    # -- the laws -------------------------------------------------------------------------------------------------

    def check_all(self) -> None:
        for run in self.moved:
            self.learn(run)
            self.check_run(run)
        self.moved.clear()
        self.check_prefetched()
        self.check_places()
        self.check_newer()
        behind = (
            "SELECT count(*) FROM cards c WHERE wanted > shown AND NOT EXISTS (SELECT 1 FROM effects WHERE card = c.id)"
        )
        assert self.store.sql.execute(behind).fetchone() == (0,), "a card that is behind will not be drawn"

    def check_run(self, run: int) -> None:
        watched, opinion = self.runs[run], self.opinion(run)
        if watched.ended is not None:
            assert self.store.rows(run, tables=_AT_THE_END) == watched.ended, "a finished run moved"
            return
        self.check_counters(opinion)
        self.check_tree(opinion)
        self.check_new_steps(run, opinion)
        self.check_waits(run, opinion)
        self.check_effects(run, opinion)
        self.check_ledger(run, opinion)
        self.check_pause(watched, opinion)
        if opinion.run.ending is not None:
            watched.ended = self.store.rows(run, tables=_AT_THE_END)

    def check_counters(self, opinion: Opinion) -> None:
        run, states = opinion.run, Counter(step.state for step in opinion.steps.values())
        assert run.acting == sum(states[state] for state in COUNTED)
        assert run.waiting == states[StepState.SUSPENDED]
        if run.ending is not None:
            assert run.status is Status.FINISHED
            assert (run.stop, run.paused) == (None, None)
            open_ = {path: step.state for path, step in opinion.steps.items() if not step.state.ended}
            assert not open_, f"open after the end: {open_}"
        else:
            assert run.acting + run.waiting > 0, "a run that has not ended is somewhere"
            expected = Status.WAITING if run.waiting and not run.acting else Status.RUNNING
            expected = Status.QUEUED if run.place is Place.WANTED else expected
            assert run.status is (Status.PAUSED if run.paused else expected)

    def check_tree(self, opinion: Opinion) -> None:
        """Where step runs may stand, given those around them and before them."""
        blocks: dict[tuple[str | None, str, int | None], list[str]] = {}
        open_ = [path for path, step in opinion.steps.items() if not step.state.ended]
        around = {one for path in open_ for one in paths_around(path)}
        for path, row in opinion.steps.items():
            if path.endswith("]"):
                continue
            holder, index = opinion.holder(path)
            place = opinion.place(path)
            blocks.setdefault((holder, place.block, index), []).append(path)
            if holder is not None:
                assert holder in opinion.steps, f"{path} is in a step that never began"
            if not row.state.ended and holder is not None:
                assert not opinion.steps[holder].state.ended, f"{path} is {row.state} in something that has ended"
            if row.state is StepState.RUNNING:
                assert path in around, f"{path} is under way, and nothing in it is"
            if place.step.action and row.state is StepState.SUCCEEDED:
                assert row.output == self.runs[opinion.run.id].outputs.get(path), f"{path} came to {row.output!r}"
            if row.state is StepState.ACTING and (
                place.step.uses == "slack.request_approval" or "link" in place.step.with_
            ):
                assert row.suspension in opinion.suspensions, f"{path} sends links to a wait that is not open"
            self.check_holding(opinion, path, row)
            if row.state.ended:
                self.check_handled(opinion, path, row)
        for (holder, name, index), paths in blocks.items():
            block = opinion.block(holder, name, index)
            assert sorted(paths) == sorted(block[: len(paths)]), f"{paths} is no beginning of {block}"
            for path in block[: len(paths) - 1]:
                assert opinion.left(path), f"{path} is {opinion.steps[path].state}, and what follows has begun"
            self.check_what_comes_last(opinion, holder, name)

    def check_handled(self, opinion: Opinion, path: str, row: StepRun) -> None:
        """What was to run after a failure, a rejection or a deadline has, and its word was kept."""
        began = {name for name in HANDLERS[1:] if any(one in opinion.steps for one in opinion.block(path, name)[:1])}
        names = {StepState.FAILED: "on_error", StepState.REJECTED: "on_reject", StepState.EXPIRED: "on_timeout"}
        name = names.get(row.state)
        if name is not None and opinion.block(path, name):
            assert began, f"{path} is {row.state}, and its {name} has not run"
        if row.state in (StepState.SUCCEEDED, StepState.DROPPED, StepState.SKIPPED):
            waits = opinion.waited(path).suspending
            approves = waits is not None and word_of(waits.on_timeout) == "approve"
            assert began <= ({"on_timeout"} if approves else set()), f"{path} is {row.state} after {began}"

    def check_what_comes_last(self, opinion: Opinion, holder: str | None, name: str) -> None:
        """Steps that run because of an end, or after everything, run when that has come."""
        if name not in ("finally", "flow_on_error", "on_error", "on_reject", "on_timeout"):
            return
        mine = f"{holder}." if holder is not None else ""
        flow = holder is None or name in ("finally", "flow_on_error")
        later = [f"{mine}{one}." for one in ("finally", *HANDLERS) if flow or one in HANDLERS]
        if flow:
            handler = "on_error" if holder is None else "flow_on_error"
            later = [f"{mine}finally.", *([] if name == "finally" else [f"{mine}{handler}."])]
            later += [f"{mine}{one}." for one in HANDLERS] if holder is not None else []
        for path, row in opinion.steps.items():
            if (holder is None or below(path, holder)) and not path.startswith(tuple(later)):
                assert row.state.ended, f"{path} is {row.state}, and {mine}{name} has begun"

    def check_holding(self, opinion: Opinion, path: str, row: StepRun) -> None:
        step = opinion.place(path).step
        if not step.holds_steps:
            return
        if self.winds_up(opinion, path, row):
            self.check_winding_up(opinion, path)
        elif (
            step.for_each is not None
            and row.inside is not None
            and row.state is StepState.RUNNING
            and not row.inside.handling
        ):
            open_ = [one for one in opinion.steps if not opinion.steps[one].state.ended]
            active = {self.item_of(path, one) for one in open_ if one.startswith(f"{path}[")}
            begun = {self.item_of(path, one) for one in opinion.steps if one.startswith(f"{path}[")}
            assert len(active) == row.inside.active, f"{path} counts {row.inside}, and has {active}"
            assert begun == set(range(row.inside.next))
            assert len(active) == min(step.concurrency, row.inside.total - (row.inside.next - len(active)))
        if row.state is StepState.SUCCEEDED:
            self.check_done(opinion, path, row)
        if step.for_each is not None or step.parallel:
            self.check_others(opinion, path, row)

    def winds_up(self, opinion: Opinion, path: str, row: StepRun) -> bool:
        """Whether a loop or a parallel is over, and child flows in it do first what they always do at their end."""
        step = opinion.place(path).step
        if row.state is not StepState.RUNNING or row.inside is None or row.inside.handling is not None:
            return False
        stop = row.inside.stop
        several = step.for_each is not None or bool(step.parallel)
        return several and stop is not None and (step.fail_fast or stop.outcome is Outcome.CANCELLED)

    def check_winding_up(self, opinion: Opinion, path: str) -> None:
        open_ = [one for one in opinion.steps if below(one, path) and not opinion.steps[one].state.ended]
        for one in open_:
            if not any(below(other, one) for other in open_):
                assert ".finally." in one, f"{one} goes on, and {path} is over"

    def check_others(self, opinion: Opinion, path: str, row: StepRun) -> None:
        """Where one of several has stopped: the others end at once, or all of them come to their end."""
        step = opinion.place(path).step
        names = [(name, None) for name in step.parallel]
        if step.for_each is not None:
            try:
                names = [("", index) for index in range(len(opinion.items(path)))]
            except Wrong:
                return
        blocks = [opinion.block(path, name, index) for name, index in names]
        stopped = [
            one
            for block in blocks
            for one in block
            if one in opinion.steps and opinion.steps[one].state.ended and not opinion.left(one)
        ]
        handles = row.inside is not None and row.inside.handling is not None
        if row.state is StepState.RUNNING and step.fail_fast and not handles and not self.winds_up(opinion, path, row):
            assert not stopped, f"{path} goes on after {stopped}"
        if row.state in (StepState.FAILED, StepState.REJECTED, StepState.EXPIRED) and not step.fail_fast:
            states = {opinion.steps[one].state for one in stopped}
            if stopped and StepState.CANCELLED not in states:
                out = [block[0] for block in blocks if block[0] not in opinion.steps]
                assert not out, f"{path} never went on to {out}"

    def item_of(self, loop: str, path: str) -> int:
        return int(path[len(loop) + 1 :].partition("]")[0])

    def check_done(self, opinion: Opinion, path: str, row: StepRun) -> None:
        """What holds others has succeeded: all of it was done."""
        step = opinion.place(path).step
        if step.then or step.switch is not None:
            chosen = opinion.chosen(path)
            assert chosen is not None
            assert opinion.complete(opinion.block(path, chosen)), f"{path} has succeeded without {chosen}"
        for name in step.parallel:
            assert opinion.complete(opinion.block(path, name)), f"{path} has succeeded without {name}"
        if step.for_each is not None:
            items = opinion.items(path)
            for index in range(len(items)):
                assert opinion.complete(opinion.block(path, "", index)), f"{path}[{index}] was left out"
            assert opinion.block(path, "", len(items))[0] not in opinion.steps, f"{path} has an item too many"
        if step.repeat is not None:
            self.check_rounds(opinion, path, step)
        if step.flow is not None:
            assert opinion.complete(opinion.block(path, "")), f"{path} has succeeded without its steps"
            assert opinion.complete(opinion.block(path, "finally"))
            outputs = opinion.flow_of(path).outputs
            last = opinion.block(path, "")[-1]
            expected = {name: opinion.rendered(text, f"{last}") for name, text in outputs.items()} or None
            assert row.output == expected
        if step.output is not None and (step.then or step.switch is not None or step.parallel):
            expected = opinion.rendered(step.output, path)
            assert expected is ANYTHING or row.output == expected
        if step.output is not None and (step.for_each is not None or step.repeat is not None):
            for index in range(row.inside.next if row.inside else 0):
                expected = opinion.rendered(step.output, f"{path}[{index}]")
                found = opinion.steps[f"{path}[{index}]"].output
                assert expected is ANYTHING or found == expected, f"{path}[{index}] came to {found!r}, not {expected!r}"

    def check_rounds(self, opinion: Opinion, path: str, step: Step) -> None:
        assert step.repeat is not None
        rounds = 0
        while opinion.block(path, "", rounds)[0] in opinion.steps:
            assert opinion.complete(opinion.block(path, "", rounds)), f"round {rounds} of {path} was not finished"
            over = opinion.holds(step.repeat.until, f"{path}[{rounds}]")
            rounds += 1
            more = opinion.block(path, "", rounds)[0] in opinion.steps
            assert more is (not over and rounds < step.repeat.max), f"{path} had {rounds} rounds"
        assert rounds, f"{path} never began"
        pauses = [one for one in opinion.suspensions.values() if one.path == path]
        assert len(pauses) == (rounds - 1 if step.repeat.delay else 0), f"{path} did not pause between its rounds"
        assert over or step.repeat.on_exhausted == "continue"

    def reads_what_is_over(self, opinion: Opinion, path: str, condition: str | None) -> bool:
        """Whether the condition, of a step in a handler, is about a block that has failed in the very transition in which
        the condition was decided: it read what the items or branches had come to by then, of which nothing is left."""
        handled, _, _ = path.rpartition(".on_error.")
        row = opinion.steps.get(handled)
        if condition is None or row is None or row.state is not StepState.FAILED:
            return False
        block = opinion.place(handled).step
        return block.holds_steps and f"steps.{block.id}.output" in condition

    def check_new_steps(self, run: int, opinion: Opinion) -> None:
        """A condition was decided by what the rows say, all of them: the slice had what it reads."""
        watched = self.runs[run]
        for path, row in opinion.steps.items():
            if path.endswith("]") or row.state is StepState.HELD or path in watched.seen:
                continue
            watched.seen.add(path)
            watched.entered[path] = self.clock.now()
            step = opinion.place(path).step
            if self.reads_what_is_over(opinion, path, step.if_):
                continue
            try:
                wanted = step.if_ is None or opinion.holds(step.if_, path)
            except Wrong:
                if row.state is not StepState.CANCELLED:
                    assert row.state in (StepState.FAILED, StepState.RUNNING), f"{path} is {row.state}"
                    assert row.error is not None
                continue
            if row.state is StepState.CANCELLED:
                continue  # it was never entered: it was held, and what was around it ended
            if not wanted and not step.else_:
                assert row.state is StepState.SKIPPED, f"{path} began, and its condition is false"
            elif step.switch is None:
                assert row.state is not StepState.SKIPPED, f"{path} was skipped, and its condition is true"
            if row.state is not StepState.SKIPPED and step.holds_steps:
                self.check_begun(watched, opinion, path, row, wanted=wanted)

    def check_begun(self, watched: Watched, opinion: Opinion, path: str, row: StepRun, *, wanted: bool) -> None:
        step = opinion.place(path).step
        if row.state is StepState.CANCELLED:
            return
        try:
            if step.then and (chosen := opinion.chosen(path)) is not None:
                assert chosen == ("then" if wanted else "else")
            if step.switch is not None and (chosen := opinion.chosen(path)) is not None:
                value = opinion.value(step.switch, path)
                case = f"case_{str(value).lower() if isinstance(value, bool) else value}"
                if value is not ANYTHING:
                    assert chosen == (case if case in step.blocks else "default"), f"{path}: {chosen} for {value!r}"
            if step.for_each is not None:
                watched.items[path] = opinion.items(path)
                if row.inside is not None:
                    assert row.inside.total == len(watched.items[path])
            if step.flow is not None and row.context is not None:
                expected = {name: opinion.rendered(text, path) for name, text in step.with_.items()}
                assert row.context == expected, f"{path} was given {row.context}, not {expected}"
        except Wrong:
            assert row.state in (StepState.FAILED, StepState.RUNNING), f"{path} is {row.state}"

    def check_waits(self, run: int, opinion: Opinion) -> None:
        watched = self.runs[run]
        numbers = [step.suspension for step in opinion.steps.values() if step.suspension is not None]
        assert len(numbers) == len(set(numbers)), "two steps have one suspension"
        assert all(n <= opinion.run.suspensions for n in (*numbers, *opinion.suspensions))
        for path, row in opinion.steps.items():
            if row.state is StepState.SUSPENDED:
                one = opinion.suspensions.get(row.suspension or 0)
                assert one is not None, f"{path} waits for nothing"
                assert (one.path, one.closing) == (path, None)
        for one in opinion.suspensions.values():
            row = opinion.steps[one.path]
            if one.closing is None:
                assert row.state in (StepState.SUSPENDED, StepState.ACTING)
                assert (row.suspension, row.round) == (one.n, one.round)
            votes = watched.votes.setdefault(one.n, {})
            stored = {each.person: (each.verdict, each.option) for each in load_decisions(self.store.sql, run, one.n)}
            assert stored == {who: (vote.verdict, vote.option) for who, vote in votes.items()}, "somebody counts twice"
            assert list(stored) == list(votes)
            wait = opinion.wait(one)
            if one.closing is None and isinstance(wait, Approval):
                assert all(self.one(who) == who for who in votes)
                assert wait.self_approval or watched.requester not in votes
            if one.closing is None:
                self.check_early(run, opinion, one)
            else:
                self.check_closing(opinion, one)
            if one.closing is not None and row.suspension == one.n and row.state.ended and one.kind is not Kind.RERUN:
                self.check_came_to(opinion, one, row)
        seats = {
            (who, one.n)
            for one in opinion.suspensions.values()
            if one.closing is None
            for who in (*one.approvers.people, *one.approvers.groups, *(one.terms.veto if one.terms else ()))
        }
        assert set(self.store.sql.execute("SELECT who, n FROM seats WHERE run = ?", (run,))) == seats
        early = {(one.person, one.step): (one.verdict, one.comment, one.at) for one in self.early_rows(run)}
        assert early == watched.early, "a decision that was given beforehand is lost, or was used twice"

    def check_early(self, run: int, opinion: Opinion, one: Suspension) -> None:
        """What came before an open wait and would answer it was used."""
        watched = self.runs[run]
        if one.kind in (Kind.CALLBACK, Kind.RERUN):
            kept = load_callback(self.store.sql, run, one.n)
            assert kept is None, "a machine's request came early, and the wait is open"
            watched.called.pop(one.n, None)
        on_open = opinion.block(one.path, "on_open")
        if on_open and one.kind is not Kind.RERUN:
            assert on_open[0] in opinion.steps, f"{one.path} is open, and nobody was told"
        if one.n not in watched.looked:
            watched.looked.add(one.n)
            for (person, step), (verdict, comment, _) in watched.early.items():
                early = (person, step, verdict, comment, False)
                assert not self.takes(run, opinion, one, early), f"{one.path} is open, and {early} was given before"

    def check_came_to(self, opinion: Opinion, one: Suspension, row: StepRun) -> None:
        """A step ends as its wait did, unless something else of it failed or everything was cancelled."""
        closing = one.closing
        assert closing is not None
        if opinion.place(one.path).step.repeat is not None:
            return  # it was a pause between two rounds
        if any(
            opinion.block(one.path, name) and opinion.block(one.path, name)[0] in opinion.steps for name in HANDLERS[1:]
        ):
            assert closing.how not in (Close.RESUMED, Close.ANSWERED, Close.ELAPSED, Close.DROPPED) or row.error
            return  # what came of it is up to the steps that handle it
        stopped = {StepState.FAILED, StepState.CANCELLED}
        match closing.how:
            case Close.APPROVED | Close.RESUMED | Close.ANSWERED | Close.ELAPSED:
                may = stopped | {StepState.SUCCEEDED}
            case Close.DROPPED:
                may = stopped | {StepState.DROPPED}
            case Close.REJECTED:
                may = stopped | {StepState.REJECTED}
            case Close.EXPIRED:
                may = stopped | {StepState.EXPIRED}
            case _:
                may = stopped
        assert row.state in may, f"{one.path} is {row.state}, and was {closing.how}"

    def check_closing(self, opinion: Opinion, one: Suspension) -> None:
        closing, wait = one.closing, opinion.wait(one)
        assert closing is not None
        assert len(closing.by) == len(set(closing.by))
        match closing.how:
            case Close.APPROVED if not closing.by:
                assert isinstance(wait, Approval)
                word = wait.on_timeout if isinstance(wait.on_timeout, str) else wait.on_timeout.then
                assert word == "approve"
                assert one.due is not None
                assert closing.at >= one.due
            case Close.EXPIRED | Close.ELAPSED:
                assert one.due is not None
                assert closing.at >= one.due
                assert (wait is None) is (closing.how is Close.ELAPSED) or one.kind is Kind.RERUN
            case Close.ANSWERED | Close.REFUSED:
                assert one.kind in (Kind.CALLBACK, Kind.RERUN)
                used = load_callback(self.store.sql, opinion.run.id, one.n)
                assert used is not None
                assert used.cancels is (closing.how is Close.REFUSED)
            case Close.APPROVED | Close.REJECTED:
                assert isinstance(wait, Approval)
            case Close.RESUMED:
                assert isinstance(wait, Hold)

    def check_effects(self, run: int, opinion: Opinion) -> None:
        """Whatever waits will be woken, whatever acts is performed, once; and nothing else."""
        watched, wanted, found = self.runs[run], Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
        may: set[tuple[Any, ...]] = set()
        for one in opinion.suspensions.values():
            if one.closing is None and one.due is not None:
                wanted["timer", one.path, one.n, one.due] += 1
        for path, row in opinion.steps.items():
            match row.state:
                case StepState.ACTING:
                    wanted["action", path, row.round, row.attempt] += 1
                case StepState.RESOLVING:
                    wanted["people", path, row.round] += 1
                case StepState.RUNNING if opinion.place(path).step.flow is not None:
                    limits = (opinion.place(path).step.timeout, opinion.flow_of(path).timeout)
                    if any(limits) and path not in watched.fired:
                        limit = ("limit", path, self.limit_of(run, opinion, path))
                        if row.inside is not None and row.inside.stop is None:
                            wanted[limit] += 1
                        may.add(limit)
        if self.flow.timeout is not None and opinion.run.ending is None and "" not in watched.fired:
            limit = ("limit", "", opinion.run.started_at + self.flow.timeout)
            if opinion.run.stop is None:
                wanted[limit] += 1
            may.add(limit)
        effects = self.store.effects_of(run)
        held = Counter[str]()
        for leased in effects:
            match leased.effect:
                case FireTimer(path, _, n, due) if n > 0:
                    found["timer", path, n, due] += 1
                case FireTimer(path, _, n, due) if n < 0:
                    assert opinion.steps[path].state is StepState.HELD
                    held[path] += 1
                case FireTimer(path, _, _, due):
                    found["limit", path, due] += 1
                case PerformAction(path, round_, attempt):
                    found["action", path, round_, attempt] += 1
                case ResolvePeople(path, round_):
                    found["people", path, round_] += 1
        assert max(held.values(), default=0) <= 1
        for path, row in opinion.steps.items():
            if row.state is StepState.HELD and opinion.run.paused is None and opinion.run.place is not Place.WANTED:
                assert path in held, f"{path} is next, and nobody will say so"
        missing, more = wanted - found, found - wanted
        assert not missing, f"nobody will do {[*missing]}"
        assert more.keys() <= may, f"nobody has asked for {[*more]}"
        assert max(found.values(), default=0) <= 1, "something is to be done twice"
        texts = [key(one, self.store.ids.run(run)) for one in effects]
        assert len(set(texts)) == len(texts), "two effects have one key"
        for leased, text in zip(effects, texts, strict=True):
            who = leased.effect.person if isinstance(leased.effect, SendMail | Tell) else None
            assert watched.effects.setdefault(leased.id, (text, who)) == (text, who), "its key is another one"
        if opinion.run.ending is not None:
            assert {one.lane for one in effects} <= {Lane.MESSAGES}, "something is to be done after the end"

    def check_ledger(self, run: int, opinion: Opinion) -> None:
        """The facts, replayed, come to the rows."""
        watched, told = self.runs[run], self.runs[run].told
        assert told.entries == opinion.run.version
        assert told.requester is not None
        assert self.one(told.requester) == opinion.run.requester or opinion.run.ending is not None
        assert told.paused == (opinion.run.paused is not None) or opinion.run.ending is not None
        steps = {path: row for path, row in opinion.steps.items() if not path.endswith("]")}
        ended = {path: (row.state.value, row.error) for path, row in steps.items() if row.state.ended}
        assert told.ended == ended
        for path, round_, attempt in told.started:
            assert (round_, attempt) <= (steps[path].round, max(steps[path].attempt, 1))
        for path, row in steps.items():
            if row.attempt and row.state not in (StepState.HELD, StepState.CANCELLED):
                assert (path, row.round, row.attempt) in told.started
        rows = opinion.suspensions
        assert told.opened == {
            n: (one.path, one.digest.hex(), None if one.due is None else to_ms(one.due)) for n, one in rows.items()
        }
        assert told.closed.keys() == {n for n, one in rows.items() if one.closing is not None}
        for n, fact in told.closed.items():
            closing = rows[n].closing
            assert closing is not None
            assert (fact["how"], fact.get("reason"), fact.get("option"), [*fact.get("by", ())]) == (
                closing.how.value,
                closing.reason,
                closing.option,
                [*closing.by],
            )
        for n, votes in watched.votes.items():
            for gone in told.votes[n].keys() - votes.keys():
                assert gone == self.one(watched.requester), f"{told.votes[n]} are not {votes}"
                told.dismiss(n, gone)
            assert told.votes[n] == {who: (vote.verdict.value, vote.option) for who, vote in votes.items()}
        ending = opinion.run.ending
        assert (told.ending is None) is (ending is None)
        if ending is not None:
            assert (told.ending["outcome"], told.ending.get("reason")) == (ending.outcome.value, ending.reason)
        plan = self.plan
        for one in rows.values():
            if one.kind not in (Kind.DELAY, Kind.RERUN):
                step = plan.at(one.path)
                shown = digest(
                    step.scope.flow, step.step, opinion.wait(one), opinion.run, one, inputs=opinion.inputs(one.path)
                )
                assert shown == one.digest, "what was shown is not what the digest says"

    def check_pause(self, watched: Watched, opinion: Opinion) -> None:
        """Between pause and resume, no step begins."""
        paths = {path for path in opinion.steps if not path.endswith("]")}
        paused = opinion.run.paused is not None
        if watched.paused and paused:
            for path in paths - watched.there:
                row = opinion.steps[path]
                # A wait that was answered before it opened is over at once, and takes what it would have begun along.
                stopped = row.state is StepState.CANCELLED and not row.attempt
                assert row.state is StepState.HELD or stopped, f"{path} began in a paused run"
            for path in watched.held:
                assert opinion.steps[path].state in (StepState.HELD, StepState.CANCELLED), (
                    f"{path} began in a paused run"
                )
        watched.paused = paused
        watched.held = {path for path in paths if opinion.steps[path].state is StepState.HELD}
        watched.there = paths

    def check_places(self) -> None:
        """Never more runs are under way than the flow says, and none waits for a place while one is free."""
        limit = self.flow.concurrency
        if limit is None:
            return
        held = 0
        for run in self.runs:
            at = self.store.run(run)
            held += at.place is Place.HELD
            if at.stop is None and any(step.state in _OPEN_NOW for step in self.store.steps(run).values()):
                assert at.place is Place.HELD, "a run is under way without a place"
            if at.ending is not None:
                assert at.place is Place.FREE or at.place is None
            if limit.while_waiting == "free" and at.place is Place.HELD:
                assert at.acting, "a run that waits keeps its place"
        assert held <= limit.limit, f"{held} runs are under way"
        if held < limit.limit:
            assert not [run for run in self.runs if self.queues(run)], "a place is free"

    def queues(self, run: int) -> bool:
        """Whether a run waits for a place; one that is paused does not."""
        at = self.store.run(run)
        return at.place is Place.WANTED and at.paused is None

    def check_newer(self) -> None:
        """No run waits where a newer one has its key."""
        for run in self.runs:
            at = self.store.run(run)
            if at.supersede is not None and at.status is Status.WAITING and at.stop is None:
                newer = [one for one in self.runs if one > run and self.store.run(one).supersede == at.supersede]
                assert not newer, f"run {run} waits, and {newer} have its key"

    def check_ending(self, run: int) -> None:
        """How a run ended is how its steps did, or what was asked of it; and what always runs has run."""
        watched, opinion = self.runs[run], self.opinion(run)
        ending = opinion.run.ending
        assert ending is not None
        main, last = opinion.block(None, ""), opinion.block(None, "finally")
        if last:
            assert last[0] in opinion.steps, "what always runs at the end has not run"
        mends = opinion.block(None, "on_error")
        if mends and watched.cause is None and ending.outcome is Outcome.FAILED and not opinion.complete(main):
            assert mends[0] in opinion.steps, "the run has failed, and its on_error has not run"
        for path, row in opinion.steps.items():
            if not path.endswith("]"):
                self.check_child_ending(opinion, path, row)
        if ending.outcome is Outcome.SUCCEEDED:
            assert opinion.complete(main)
            assert opinion.complete(last)
            row = opinion.block(None, "")[-1]
            expected = {name: opinion.rendered(text, row) for name, text in self.flow.outputs.items()}
            assert dict(opinion.run.outputs) == expected
        elif watched.cause is not None:
            assert ending.outcome is watched.cause
        elif not opinion.complete(main):
            reached = [path for path in main if path in opinion.steps]
            assert ending.outcome.value == opinion.steps[reached[-1]].state.value
        elif opinion.complete(last):
            assert ending.outcome is Outcome.FAILED
            assert (ending.reason or "").startswith("outputs: ")
        else:
            reached = [path for path in last if path in opinion.steps]
            state = opinion.steps[reached[-1]].state
            assert ending.outcome.value == state.value or state is StepState.CANCELLED

    def check_child_ending(self, opinion: Opinion, path: str, row: StepRun) -> None:
        """A child flow that has begun does what it always does at its end, once."""
        if not opinion.place(path).step.flow:
            return
        mends, last = opinion.block(path, "flow_on_error"), opinion.block(path, "finally")
        if mends and row.state is StepState.FAILED and not opinion.complete(opinion.block(path, "")):
            stopped = [one for one in opinion.block(path, "") if one in opinion.steps and not opinion.left(one)]
            if stopped and opinion.steps[stopped[0]].state is StepState.FAILED:
                assert mends[0] in opinion.steps, f"{path} has failed, and its on_error has not run"
        cut = ".on_open." in path or path.startswith("finally.")
        if last and row.context is not None and not (cut and row.state is StepState.CANCELLED):
            assert last[0] in opinion.steps, f"{path} is {row.state}, and its finally has not run"

    # -- what may be said to a wait --------------------------------------------------------------------------------------

    def why_not_call(self, run: int, opinion: Opinion, event: CallbackReceived) -> type[Refused] | None:
        one = opinion.suspensions.get(event.n)
        if one is None:
            row = next((step for step in opinion.steps.values() if step.suspension == event.n), None)
            if row is None or row.state is not StepState.ACTING or opinion.run.ending is not None:
                return Closed
            if event.n in self.runs[run].called:
                return Closed
            wait = opinion.place(row.path).step.callback
        elif one.kind not in (Kind.CALLBACK, Kind.RERUN):
            return NotWaiting
        elif one.closing is not None or (one.kind is Kind.CALLBACK and self.overdue(one)):
            return Closed
        else:
            found = opinion.wait(one)
            wait = found if isinstance(found, Callback) else None
        unfit = wait is not None and wait.schema_ is not None and "ok" not in event.request["body"]
        return InvalidForm if unfit and not event.cancels else None

    def why_not_decide(self, run: int, one: Suspension, event: DecisionMade) -> set[type[Refused]]:
        """Every reason there is to refuse this decision, worked out from the flow and the people alone."""
        watched, person = self.runs[run], self.one(event.person)
        opinion = self.opinion(run)
        before = watched.votes[one.n].get(person)
        if one.closing is not None:
            same = before is not None and (before.verdict, before.option) == (event.verdict, event.option)
            return {DecidedByYou if same else Closed}
        if self.overdue(one):
            return {Closed}
        if event.verdict is Verdict.WITHDRAW:
            return set() if before is not None else {NotWaiting}
        wait = opinion.wait(one)
        assert isinstance(wait, Approval | Hold)
        reasons: set[type[Refused]] = set()
        if isinstance(wait, Approval) and not wait.self_approval and person == watched.requester:
            reasons.add(SelfApproval)
        if not self.may(run, opinion, one, person, event):
            reasons.add(NotAnApprover)
        if (event.verdict is Verdict.RESUME) is not isinstance(wait, Hold):
            return reasons | {InvalidForm}
        names = [choice.name for choice in wait.options] if isinstance(wait, Approval) else []
        chooses = event.verdict is Verdict.APPROVE and bool(names)
        if (event.option not in names) if chooses else (event.option is not None):
            reasons.add(InvalidForm)
        reason = wait.reason if isinstance(wait, Approval) else "never"
        if event.comment is None and (reason == "both" or (reason, event.verdict) == ("reject", Verdict.REJECT)):
            reasons.add(InvalidForm)
        if event.digest not in (None, one.digest):
            reasons.add(ChangedSinceShown)
        filled = "note" in {**one.defaults, **event.values}
        if self.asks_form(wait, event.verdict) and filled is not bool(wait.form):
            reasons.add(InvalidForm)
        said = Vote(event.verdict, event.option, event.comment, self.values_of(run, one, event))
        if before is not None and replace(before, groups=frozenset()) == said:
            reasons.add(DecidedByYou)
        return reasons

    def asks_form(self, wait: Approval | Hold, verdict: Verdict) -> bool:
        return verdict is not Verdict.REJECT or (isinstance(wait, Approval) and wait.form_on == "both")

    def values_of(self, run: int, one: Suspension, event: DecisionMade) -> Mapping[str, Any]:
        """What a decision's values come to: a field that was left out has its default."""
        wait = self.opinion(run).wait(one)
        assert isinstance(wait, Approval | Hold)
        return {**one.defaults, **event.values} if self.asks_form(wait, event.verdict) else {}

    def may(self, run: int, opinion: Opinion, one: Suspension, person: PersonId, event: DecisionMade) -> bool:
        wait = opinion.wait(one)
        assert isinstance(wait, Approval | Hold)
        member = event.memberships is not None and TEAM in event.memberships.groups
        if isinstance(wait, Hold):
            if not wait.by:
                return person in (self.runs[run].requester, self.people[ADMIN])
            named = self.behind(opinion, one.path, wait.by)
            return any(person in people for people in named.values()) or (member and TEAM in wait.by)
        rule = () if isinstance(wait.quorum, int | str) else wait.quorum.handles
        handles = (*wait.approvers, *rule)
        vetoes = () if event.verdict is Verdict.APPROVE else wait.veto
        if any(person in people for people in self.behind(opinion, one.path, vetoes).values()):
            return True
        if member and TEAM in vetoes:
            return True
        if wait.quorum == "all":
            return person in one.approvers.people  # frozen when it opened; held against the flow there
        named = self.behind(opinion, one.path, handles)
        there = person not in self.runs[run].gone.get(one.n, ())
        return (there and any(person in people for people in named.values())) or (member and TEAM in handles)

    def behind(self, opinion: Opinion, path: str, handles: tuple[str, ...]) -> dict[str, frozenset[PersonId]]:
        """Who stands behind each handle of a person, as the flow wrote it."""
        found = {}
        for handle in handles:
            rendered = opinion.rendered(handle, path)
            found[handle] = frozenset({self.people[rendered]} if rendered in self.people else ())
        return found

    def check_tally(self, run: int, n: int) -> None:
        """A wait is closed by what was said if, and only if, that settles it."""
        opinion, watched = self.opinion(run), self.runs[run]
        one = opinion.suspensions[n]
        wait = opinion.wait(one)
        assert isinstance(wait, Approval | Hold)
        handles = wait.handles if isinstance(wait, Approval) else ()
        votes, gone = watched.votes[n], frozenset(watched.gone.get(n, ()))
        came_to = settled(wait, votes, self.behind(opinion, one.path, handles), one.needed, gone)
        if came_to is None:
            assert one.closing is None, f"closed as {one.closing} by {votes}"
        else:
            assert one.closing is not None, f"still open after {votes}"
            assert (one.closing.how, {*one.closing.by}, one.closing.option) == (came_to.how, came_to.by, came_to.option)

    def takes(
        self, run: int, opinion: Opinion, one: Suspension, early: tuple[PersonId, str | None, Verdict, str | None, bool]
    ) -> bool:
        """Whether an open wait takes a decision that has seen nothing."""
        person, step, verdict, comment, member = early
        wait = opinion.wait(one)
        if not isinstance(wait, Approval) or wait.pre_approval != "allow" or self.overdue(one):
            return False
        if step not in (None, opinion.place(one.path).step.id):
            return False
        if (wait.form and not one.defaults) or (wait.options and verdict is Verdict.APPROVE):
            return False
        said = DecisionMade(
            one.n,
            person,
            verdict,
            Door.API,
            comment,
            memberships=Memberships(frozenset({TEAM} if member else ()), self.clock.now()),
        )
        return person not in self.runs[run].votes[one.n] and not self.why_not_decide(run, one, said)

    # -- looking --------------------------------------------------------------------------------------------------

    def opinion(self, run: int) -> Opinion:
        suspensions = {one.n: one for one in self.store.suspensions(run)}
        watched = self.runs[run]
        return Opinion(
            self.flow,
            self.children,
            self.places,
            self.store.run(run),
            self.store.steps(run),
            suspensions,
            watched.votes,
        )

    def versions(self) -> dict[int, int]:
        return dict(self.store.sql.execute("SELECT id, version FROM runs"))

    def due(self) -> list[Leased]:
        """What the runner would perform now: an effect that is being performed already is not begun again."""
        begun = {leased.id for leased, _ in self.in_flight}
        return [one for one in self.store.all_due() if one.id not in begun]

    def is_open(self, opinion: Opinion, n: int) -> bool:
        one = opinion.suspensions.get(n)
        return one is not None and one.closing is None

    def overdue(self, one: Suspension) -> bool:
        return one.due is not None and self.clock.now() >= one.due

    def some_run(self) -> int | None:
        """Mostly one that has not ended."""
        going = [run for run, watched in self.runs.items() if watched.ended is None]
        return self.of(*going) if going and not self.one_in(20) else self.of(*self.runs) if self.runs else None

    def one(self, person: PersonId) -> PersonId:
        return self.former.get(person, person)

    def members(self) -> set[PersonId]:
        return {self.people[who] for who in self.team}

    def resolve(self, handles: set[str], gone: set[str] = frozenset()) -> Roster:  # type: ignore[assignment]  # nobody is gone
        members = tuple(dict.fromkeys(self.people[one] for one in sorted(self.team - gone)))
        return Roster(
            self.clock.now(),
            {who: self.people[who] for who in sorted(handles) if who in self.people and who not in gone},
            {TEAM: members} if TEAM in handles else {},
            {who: "has left" for who in sorted(handles) if who != TEAM and (who not in self.people or who in gone)},
        )

    def say(self, what: str) -> None:
        self.said.append(what)
