"""A world of some runs of one random flow, and everything that can happen to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from flows import ledger, tree
from flows.context import Brief, context
from flows.definition import Approval, Hold, Step
from flows.effects import FireTimer, Leased, PerformAction, ResolvePeople, SendMail, SyncCard, Tell, TellRequester
from flows.errors import (
    Closed,
    InvalidForm,
    NotAllowed,
    NotWaiting,
    QuorumUnreachable,
    Refused,
    RunFinished,
)
from flows.events import (
    ActionFailed,
    ActionFinished,
    ActionSkipped,
    CallbackReceived,
    CancelRequested,
    DecidedEarly,
    DecisionMade,
    DropRequested,
    Event,
    PauseRequested,
    PeopleResolved,
    ResumeRequested,
    RosterReread,
    SuspendRequested,
    TimerFired,
)
from flows.instants import from_ms
from flows.people import Memberships, Person, PersonId
from flows.plan import NOTHING_READ, Plan
from flows.quorum import MembershipsNeeded
from flows.run import (
    Close,
    Door,
    Kind,
    Outcome,
    Place,
    Rerun,
    Run,
    StepRun,
    StepState,
    Suspension,
    Timer,
    Verdict,
)
from flows.store.slices import load_callback
from flows.store.sqlite import Start
from flows.testing import FakeClock
from tests.flows.inline_store import Inline, done
from tests.flows.random_flows import ADMIN, ANN, BOB, CAY, DAN, EVE, NOBODY, PEOPLE, TEAM, Author
from tests.flows.second_opinion import ANYTHING, Opinion, Vote, outline
from tests.flows.tree_laws import Laws, Watched

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)

ACTS = 60
"""What happens in one world before everything is brought to its end."""


class Broken(AssertionError):
    """A law that does not hold, with the number of the world."""


ACT: dict[str, int] = {}
"""What may happen, and how often."""


def act(weight: int) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    def register(function: Callable[[World], None]) -> Callable[[World], None]:
        ACT[function.__name__] = weight
        return function

    return register


def length(chance: Random) -> int:
    """How long a flow is to be."""
    return chance.randint(3, 16)


class World(Laws):
    """Some runs of one flow, the people around them, and everything that can happen to them."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.chance = Random(number)  # noqa: S311 -- nobody has to guess it
        self.flow, self.children = Author(self.chance, length(self.chance)).write()
        self.plan = Plan.of(self.flow, self.children)
        self.places = outline(self.flow, self.children)
        self.clock = FakeClock()
        self.store = Inline.new(self.clock)
        self.people = {who: done(self.store.know(Person(0, who.partition("@")[0], who), [who])).id for who in PEOPLE}
        self.former: dict[PersonId, PersonId] = {}
        self.team = {BOB, DAN, ANN}
        self.runs: dict[int, Watched] = {}
        self.in_flight: list[tuple[Leased, Event]] = []
        self.past: list[tuple[int, Event]] = []
        self.moved: set[int] = set()
        self.prefetched: list[Leased] = []
        self.store.on_ready(self.ready)
        self.failures = self.of(0, 0, 1, 3)
        """Of ten actions, how many fail."""
        self.said: list[str] = []
        """What has happened, for whoever looks at a world that breaks a law."""

    # -- a life -------------------------------------------------------------------------------------------------

    def live(self, acts: int = ACTS) -> None:
        with pytest.MonkeyPatch.context() as patch:
            # Whether a transition enters few steps, or the slice has little beforehand, makes no difference.
            if self.one_in(3):
                patch.setattr(tree, "MAX_ENTERED", self.of(1, 3))
            if self.one_in(3):
                patch.setattr(Plan, "event_reads", lambda _plan, _path: NOTHING_READ)
            try:
                self._live(acts)
            except AssertionError as error:
                raise Broken(f"world {self.number}: {error}") from error

    def _live(self, acts: int) -> None:
        self.start_one()
        self.start_one()
        self.check_all()
        names, weights = list(ACT), list(ACT.values())
        for name in self.chance.choices(names, weights, k=acts):
            self.say(name)
            getattr(self, name)()
            self.check_all()
        self.come_to_an_end()
        for run, watched in self.runs.items():
            assert watched.ended is not None
            self.check_run(run)
            self.check_ending(run)
            assert ledger.broken_at(done(self.store.ledger(run))) is None

    def come_to_an_end(self) -> None:
        """Everything ends: what is due is done, machines call or do not, people answer or time passes."""
        for _ in range(600):
            going = [run for run, watched in self.runs.items() if watched.ended is None]
            if not going and not self.in_flight:
                return
            self.say("on and on")
            for run in going:
                if self.store.run(run).paused is not None:
                    assert self.deliver(run, ResumeRequested(self.runs[run].requester, Door.API)) is None
            while self.in_flight:
                self.finish_one()
            due = [one for one in self.due() if not isinstance(one.effect, SyncCard | SendMail | Tell | TellRequester)]
            for leased in due:
                self.perform(leased, failures=0)
            self.check_all()
            if not due and not self.in_flight:
                if self.one_in(2):
                    self.approve()
                else:
                    self.later("to due")
            self.check_all()
        going = [run for run, watched in self.runs.items() if watched.ended is None]
        raise AssertionError(f"it never ends: {[(run, self.store.run(run).status) for run in going]}")

    # -- starting -----------------------------------------------------------------------------------------------

    @act(1)
    def start_another(self) -> None:
        if len(self.runs) < 4:
            self.start_one()

    def start_one(self) -> None:
        requester = self.people[self.of(ANN, ANN, BOB, EVE)]
        inputs = {"who": self.of(CAY, CAY, DAN), "flag": self.one_in(2), "list": self.of([1], [2, 3, 4, 5], [])}
        roster = self.resolve({*PEOPLE, TEAM, NOBODY}) if self.one_in(2) else None
        versions = self.versions()
        start = Start(
            self.plan,
            done(self.store.pin(self.plan)),
            requester,
            inputs,
            roster=roster,
            supersede=inputs["who"] if self.flow.supersede else None,
        )
        rows = self.store.rows()
        try:
            run, new = done(self.store.start(start))
        except QuorumUnreachable:
            assert self.store.rows() == rows
            return
        assert new
        self.say(f"run {run.id} started")
        self.runs[run.id] = Watched(self.one(requester))
        self.moved.add(run.id)
        self.others_moved(run.id, versions)

    # -- what machines do ---------------------------------------------------------------------------------------

    @act(12)
    def let_it_run(self) -> None:
        """Do everything that is due, as a healthy process would."""
        run = self.some_run()
        for _ in range(self.chance.randint(1, 5)):
            due = [one for one in self.due() if one.run == run and not isinstance(one.effect, FireTimer)]
            for leased in due:
                self.perform(leased)

    @act(3)
    def perform_one(self) -> None:
        if due := self.due():
            self.perform(self.of(*due))

    @act(3)
    def begin_one(self) -> None:
        """An effect is being performed; its result comes later, when the world may look different."""
        due = [one for one in self.due() if not isinstance(one.effect, SyncCard | SendMail | Tell | TellRequester)]
        if due and (event := self.result(leased := self.of(*due))) is not None:
            self.in_flight.append((leased, event))

    @act(3)
    def finish_one(self) -> None:
        if self.in_flight:
            leased, event = self.in_flight.pop(self.chance.randrange(len(self.in_flight)))
            if isinstance(event, TimerFired) and self.one_in(3):
                self.check_all()
                self.later("back")
            self.deliver(leased.run, event, settles=leased.id)

    @act(2)
    def say_it_again(self) -> None:
        """What comes at least once comes twice, or long after the end."""
        if self.past:
            run, event = self.of(*self.past)
            # A look-up that comes too late is asked for once more, which no process does that has its answer.
            if not isinstance(event, PeopleResolved) or not self.wanted(run, event):
                if isinstance(event, TimerFired) and self.one_in(2):
                    self.check_all()
                    self.later("back")
                self.deliver(run, event)

    @act(3)
    def stray_event(self) -> None:
        """Something of another round or attempt, of a step or a wait that has ended, or a timer before its time."""
        run = self.some_run()
        opinion = self.opinion(run) if run is not None else None
        rows = [row for row in opinion.steps.values() if not row.path.endswith("]")] if opinion is not None else []
        if run is None or opinion is None or not rows:
            return
        row = self.of(*rows)
        round_, attempt = row.round + self.of(0, 0, 1, -1), row.attempt + self.of(0, 1, -1, -1)
        events: list[Event] = [
            ActionFinished(row.path, round_, attempt, "stray"),
            ActionFailed(row.path, round_, attempt, "stray", retryable=self.one_in(2)),
            ActionSkipped(row.path, round_, self.people[ADMIN]),
            PeopleResolved(row.path, round_, self.resolve({BOB})),
            *[TimerFired(one.path, one.n) for one in opinion.suspensions.values()],
        ]
        event = self.of(*events)
        if not self.wanted(run, event):
            self.deliver(run, event)

    @act(1)
    def skip_one(self) -> None:
        due = [one for one in self.due() if isinstance(one.effect, PerformAction)]
        if due and self.one_in(2):
            leased = self.of(*due)
            event = ActionSkipped(leased.effect.path, leased.effect.round, self.people[ADMIN])
            self.deliver(leased.run, event, settles=leased.id)

    @act(1)
    def restart(self) -> None:
        """The process is killed and starts again: what was under way is under way no more."""
        self.store = self.store.reopened()
        self.store.on_ready(self.ready)
        self.in_flight.clear()
        for watched in self.runs.values():
            watched.effects.clear()  # a process never gives a number twice; the next one may

    def perform(self, leased: Leased, *, failures: int | None = None) -> None:
        match leased.effect:
            case SyncCard():
                done(self.store.settle_card(leased, shown=10_000, posted="C1", ts=f"{leased.card}.0"))
            case SendMail() | Tell() | TellRequester():
                done(self.store.settle(leased))
            case _:
                # What was done before in this batch may have taken it away.
                if leased.id in {one.id for one in self.store.effects_of(leased.run)}:
                    event = self.result(leased, failures=failures)
                    if event is not None:
                        self.deliver(leased.run, event, settles=leased.id)

    def result(self, leased: Leased, *, failures: int | None = None) -> Event | None:
        match leased.effect:
            case PerformAction():
                return self.act_on(leased, leased.effect, self.failures if failures is None else failures)
            case FireTimer(path, _, n, due, timer, person):
                return TimerFired(path, n, due if n <= 0 or timer is not Timer.DUE else None, timer, person)
            case ResolvePeople(path, round_, handles, n, note, times):
                return PeopleResolved(path, round_, self.resolve(set(handles)), n, note, times)
        return None

    def act_on(self, leased: Leased, effect: PerformAction, failures: int) -> Event | None:
        """Perform a step's action, after a look at what it is given."""
        path, round_, attempt = effect.path, effect.round, effect.attempt
        found = done(self.store.brief(leased))
        assert found is not None, "an action that is wanted cannot be performed"
        opinion, brief = self.opinion(leased.run), found[1]
        given, step = self.given(opinion, brief), opinion.place(path).step
        for one in opinion.suspensions.values():
            if (one.path, one.round, one.kind) == (path, round_ - 1, Kind.RERUN):
                woken = load_callback(self.store.sql, leased.run, one.n)
                assert brief.known.woken == woken, "what woke this round is not what the function is told"
        if self.chance.randrange(10) < failures:
            return ActionFailed(path, round_, attempt, "not now", retryable=self.one_in(2))
        row = opinion.steps[path]
        if step.run is not None and (row.suspension is None or row.suspension not in opinion.suspensions):
            match self.chance.randrange(7):
                case 0 | 1 if round_ < 3:
                    assert row.context == (None if round_ == 1 else {"round": round_ - 1})
                    rerun = Rerun(self.clock.now() + self.of(10 * SECOND, HOUR), {"round": round_})
                    return ActionFinished(path, round_, attempt, None, rerun)
                case 2 | 3:
                    self.suspend(leased, effect, step)
                    return None
        wanted = given.get("want", "name")
        output = {"name": DAN, "nothing": None, "list": [7, 8, 9][: self.chance.randint(0, 3)]}[wanted]
        return ActionFinished(path, round_, attempt, output)

    def given(self, opinion: Opinion, brief: Brief) -> Mapping[str, Any]:
        """What an action is given, which is what its step's templates mean."""
        reads = brief.step.performing_reads
        values = dict(context(brief.plan, brief.step, brief.path, brief.known, self.store.ids, reads=reads))
        values["links"] = {"resume": "here"}
        given: Mapping[str, Any] = brief.step.params.render(values)
        for label, template in opinion.place(brief.path).step.with_.items():
            if label != "link" and (expected := opinion.rendered(template, brief.path)) is not ANYTHING:
                assert given[label] == expected, f"{brief.path} got {given[label]!r} as {label}, not {expected!r}"
        return given

    def ready(self, ready: Sequence[Leased]) -> None:
        """What is to be done was committed. What is known of an action already is what would be read."""
        self.prefetched += [one for one in ready if one.brief is not None]

    def check_prefetched(self) -> None:
        for one in self.prefetched:
            opinion = self.opinion(one.run)
            row = opinion.steps.get(one.brief.path) if one.brief is not None else None
            if one.brief is not None and row is not None and row.state is StepState.ACTING:
                self.given(opinion, one.brief)
        self.prefetched.clear()

    def suspend(self, leased: Leased, effect: PerformAction, step: Step) -> None:
        """A function asks for its wait, and goes on."""
        spec: Mapping[str, Any] | None = self.of(
            {
                "approval": {
                    "approvers": [BOB, TEAM],
                    "quorum": self.of(1, 2),
                    "timeout": "1h",
                    "on_timeout": "continue",
                }
            },
            {"approval": {"approvers": [CAY, BOB], "pre_approval": "allow", "timeout": "10s", "on_reject": "continue"}},
            {"hold": {"timeout": "1h"}},
            {"callback": {"timeout": "1h"}},
            {"delay": "10s"},
        )
        if step.approval is not None and self.one_in(2):
            spec = None
        event = SuspendRequested(effect.path, effect.round, effect.attempt, spec, self.resolve({*PEOPLE, TEAM, NOBODY}))
        before = self.store.suspensions(leased.run)
        refusal = self.deliver(leased.run, event)
        if refusal is None:
            assert len(self.store.suspensions(leased.run)) > len(before)
        else:
            assert isinstance(refusal, QuorumUnreachable | InvalidForm), refusal
        self.in_flight.append((leased, ActionFinished(effect.path, effect.round, effect.attempt, DAN)))

    @act(6)
    def call(self) -> None:
        """A machine sends a request to a link: to one that is open, or not yet, or not any more."""
        run = self.some_run()
        if run is None:
            return
        opinion = self.opinion(run)
        numbers = [one.n for one in opinion.suspensions.values() if one.kind in (Kind.CALLBACK, Kind.RERUN)]
        numbers += [step.suspension for step in opinion.steps.values() if step.suspension is not None]
        open_ = [one for one in numbers if self.is_open(opinion, one)]
        if not open_ and not self.one_in(4):
            return
        n = self.of(*open_) if open_ and not self.one_in(4) else self.of(*numbers, 1, 99)
        cancels, body = self.one_in(8), self.of({"ok": True}, {"ok": True}, {"no": True})
        event = CallbackReceived(n, {"method": "POST", "headers": {}, "query": {}, "body": body}, cancels)
        expected = self.why_not_call(run, opinion, event)
        refusal = self.deliver(run, event)
        if expected is None:
            assert refusal is None, f"a machine's request was refused: {refusal}"
            self.runs[run].called[n] = cancels
            kept = load_callback(self.store.sql, run, n)
            assert kept is not None
            assert (kept.request, kept.cancels) == (event.request, cancels)
        else:
            assert isinstance(refusal, expected), f"{refusal!r} instead of {expected}"

    # -- what people do -----------------------------------------------------------------------------------------

    @act(12)
    def decide(self) -> None:
        run = self.some_run()
        found = [] if run is None else [one for one in self.store.suspensions(run) if one.kind in ("approval", "hold")]
        current = [one for one in found if one.closing is None]
        if run is None or not found:
            return
        if not current and not self.one_in(6):
            return
        one = self.of(*current) if current and not self.one_in(12) else self.of(*found)
        wait = self.opinion(run).wait(one)
        assert isinstance(wait, Approval | Hold)
        verdict = self.of(*[Verdict.APPROVE] * 4, *[Verdict.REJECT] * 3, Verdict.WITHDRAW)
        if isinstance(wait, Hold) and not self.one_in(6):
            verdict = Verdict.RESUME
        option = self.of(*[choice.name for choice in wait.options] or [None]) if isinstance(wait, Approval) else None
        if verdict is not Verdict.APPROVE or self.one_in(10):
            option = self.of(None, None, None, "red") if self.one_in(8) else None
        form = bool(wait.form) and (verdict is not Verdict.REJECT or getattr(wait, "form_on", "") == "both")
        event = DecisionMade(
            n=one.n,
            person=self.somebody(run, one),
            verdict=verdict,
            door=Door.API,
            comment=self.of(None, None, "fine", "no"),
            values={"note": self.of("a", "b")} if form is not self.one_in(12) else {},
            digest=self.of(one.digest, one.digest, None, *[bytes(32)] * self.one_in(5)),
            option=option,
        )
        self.answer(run, one, event)

    @act(10)
    def approve(self) -> None:
        """Some of those who were asked say yes, one after the other: this is what completes quorums."""
        run = self.some_run()
        for _ in range(self.chance.randint(1, 3) if run is not None else 0):
            current = [
                one for one in self.store.suspensions(run) if one.kind in ("approval", "hold") and not one.closing
            ]
            if not current:
                return
            one = self.of(*current)
            wait = self.opinion(run).wait(one)
            option = wait.options[0].name if isinstance(wait, Approval) and wait.options else None
            event = DecisionMade(
                n=one.n,
                person=self.somebody(run, one, stranger=False),
                verdict=Verdict.RESUME if isinstance(wait, Hold) else Verdict.APPROVE,
                door=Door.API,
                comment="fine",
                values={"note": "a"} if wait.form else {},
                digest=one.digest,
                option=option,
            )
            self.answer(run, one, event)

    @act(2)
    def answer_again(self) -> None:
        """Somebody who has decided says the same again, or takes it back."""
        run = self.some_run()
        votes = self.runs[run].votes if run is not None else {}
        said = [(n, who, vote) for n, all_ in votes.items() for who, vote in all_.items()]
        if said:
            n, who, vote = self.of(*said)
            (one,) = [one for one in self.store.suspensions(run) if one.n == n]
            event = DecisionMade(n, who, vote.verdict, Door.API, vote.comment, vote.values, None, option=vote.option)
            if self.one_in(2):
                event = replace(event, verdict=Verdict.WITHDRAW, option=None, values={})
            self.answer(run, one, event)

    def somebody(self, run: int, one: Suspension, *, stranger: bool = True) -> PersonId:
        concerned = {*one.approvers.people, *(self.members() if one.approvers.groups else ())}
        concerned |= {seat for seat in (one.terms.veto if one.terms else ()) if isinstance(seat, int)}
        if not concerned or (stranger and self.one_in(5)):
            return self.of(*self.people.values(), *self.former)
        return self.of(*sorted(concerned))

    def answer(self, run: int, one: Suspension, event: DecisionMade) -> None:
        """Deliver a decision as the engine does, and expect what is due."""
        event = replace(event, admin=self.one(event.person) == self.people[ADMIN])
        member = frozenset({TEAM} if self.one(event.person) in self.members() else ())
        asked = replace(event, memberships=Memberships(member, self.clock.now()))
        reasons, watched = self.why_not_decide(run, one, asked), self.runs[run]
        changes = self.store.sql.total_changes
        try:
            refusal = self.deliver(run, event)
        except MembershipsNeeded as more:
            groups, unchanged = more.groups, self.store.sql.total_changes == changes
            event = asked
            refusal = self.deliver(run, event)
            assert (groups, unchanged) == ((TEAM,), True)
        if reasons:
            assert refusal is not None, f"counted in spite of {reasons}"
            assert type(refusal) in reasons, f"{refusal!r} instead of {reasons}"
            return
        assert refusal is None, f"refused for no reason: {refusal!r}"
        person = self.one(event.person)
        if event.verdict is Verdict.WITHDRAW:
            del watched.votes[one.n][person]
        else:
            watched.votes[one.n].pop(person, None)
            groups = event.memberships.groups if event.memberships else frozenset()
            vote = Vote(event.verdict, event.option, event.comment, self.values_of(run, one, event), groups)
            watched.votes[one.n][person] = vote
        self.check_tally(run, one.n)

    @act(4)
    def decide_early(self) -> None:
        run = self.some_run()
        if run is None:
            return
        watched, opinion = self.runs[run], self.opinion(run)
        approvals = [place.step.id for place in self.places.values() if place.step.approval is not None]
        step = self.of(None, None, *approvals, *["nothing"] * self.one_in(8))
        verdict = self.of(*[Verdict.APPROVE] * 3, Verdict.REJECT, *[Verdict.RESUME] * self.one_in(8))
        asked = {who for place in self.places.values() if place.step.approval for who in place.step.approval.handles}
        person = self.people[self.of(*sorted(asked & self.people.keys()), self.of(*PEOPLE))]
        event = DecidedEarly(person, verdict, Door.API, step, self.of(None, "early"))
        member = frozenset({TEAM} if self.one(person) in self.members() else ())
        told = replace(event, memberships=Memberships(member, self.clock.now()))
        open_ = sorted((one for one in opinion.suspensions.values() if one.closing is None), key=lambda one: one.path)
        taker = next((one for one in open_ if self.takes(run, opinion, one, self.early_of(told))), None)
        counted = sum(len(votes) for votes in watched.votes.values())
        try:
            refusal = self.deliver(run, event)
        except MembershipsNeeded:
            refusal = self.deliver(run, told)
        if opinion.run.ending is not None:
            assert isinstance(refusal, RunFinished)
        elif verdict is Verdict.RESUME or (step is not None and step not in approvals):
            assert isinstance(refusal, InvalidForm)
        else:
            assert refusal is None
            now = sum(len(votes) for votes in watched.votes.values())
            if taker is None:
                assert now == counted, "an early decision was counted where none is taken"
                watched.early[self.one(person), step] = (verdict, event.comment, self.clock.now())
            else:
                assert self.one(person) in watched.votes[taker.n], "an early decision was not counted at once"
                watched.early.pop((self.one(person), step), None)

    def early_of(self, event: DecidedEarly) -> tuple[PersonId, str | None, Verdict, str | None, bool]:
        member = event.memberships is not None and TEAM in event.memberships.groups
        return self.one(event.person), event.step, event.verdict, event.comment, member

    @act(1)
    def cancel(self) -> None:
        if not self.one_in(3):
            return
        self.ask_of_the_run(
            lambda who, admin: CancelRequested(who, Door.API, "enough", admin),
            then=lambda run: self.is_over(run),
        )

    def is_over(self, run: int) -> None:
        """A cancelled run has ended, or does what always runs first."""
        at = self.store.run(run)
        assert at.ending is not None or at.stop is not None
        assert at.paused is None

    @act(1)
    def pause(self) -> None:
        self.ask_of_the_run(lambda who, admin: PauseRequested(who, Door.API, admin), paused=False)

    @act(2)
    def resume(self) -> None:
        self.ask_of_the_run(lambda who, admin: ResumeRequested(who, Door.API, admin), paused=True)

    def ask_of_the_run(
        self,
        event: Callable[[PersonId, bool], Event],
        *,
        paused: bool | None = None,
        then: Callable[[int], None] | None = None,
    ) -> None:
        run = self.some_run()
        if run is None:
            return
        watched, at = self.runs[run], self.store.run(run)
        who = self.of(watched.requester, watched.requester, self.people[ADMIN], *self.people.values())
        admin = who == self.people[ADMIN]
        asked = event(who, admin)
        may = self.one(who) == watched.requester or admin
        if isinstance(asked, CancelRequested) and may and at.ending is None and at.stop is None:
            watched.cause = watched.cause or Outcome.CANCELLED
        refusal = self.deliver(run, asked)
        if at.ending is not None:
            assert isinstance(refusal, RunFinished)
        elif self.one(who) != watched.requester and not admin:
            assert isinstance(refusal, NotAllowed)
        elif paused is not None and (at.paused is not None) is not paused:
            assert isinstance(refusal, NotWaiting)
        else:
            assert refusal is None
            if then is not None:
                then(run)

    @act(1)
    def drop(self) -> None:
        run = self.some_run()
        found = [] if run is None else self.store.suspensions(run)
        if run is None or not found:
            return
        one, who = self.of(*found, *[each for each in found if not each.closing] * 3), self.of(ADMIN, ADMIN, BOB)
        admin = self.people[who] == self.people[ADMIN]
        refusal = self.deliver(run, DropRequested(one.n, self.people[who], Door.API, "nobody cares", admin))
        if self.runs[run].ended is not None and one.closing is None:
            raise AssertionError("a wait is open after the end")
        if self.store.run(run).ending is not None and isinstance(refusal, RunFinished):
            return
        if not admin:
            assert isinstance(refusal, NotAllowed)
        elif one.closing is not None or self.overdue(one):
            assert isinstance(refusal, Closed)
        else:
            assert refusal is None
            (now,) = [each for each in self.store.suspensions(run) if each.n == one.n]
            assert now.closing is not None
            assert (now.closing.how, now.closing.by) == (Close.DROPPED, (self.people[who],))

    @act(1)
    def people_leave(self) -> None:
        """Somebody may have left: who stands behind an open wait is asked again."""
        run = self.some_run()
        found = (
            []
            if run is None
            else [one for one in self.store.suspensions(run) if one.kind == "approval" and not one.closing]
        )
        if run is None or not found:
            return
        one, watched = self.of(*found), self.runs[run]
        own = dict(self.store.sql.execute("SELECT email, id FROM people").fetchall())
        asked = {who for who in own if own[who] in one.approvers.people}
        gone = {who for who in sorted(asked) if self.one_in(2)}
        roster = self.resolve({*asked, *one.approvers.groups}, gone=gone)
        opinion = self.opinion(run)
        wait = opinion.wait(one)
        assert isinstance(wait, Approval)
        left = {own[who] for who in gone}
        able = {who for who in one.approvers.people if who not in left}
        able |= set(roster.groups[TEAM]) if TEAM in one.approvers.groups else set()
        if not wait.self_approval:
            able.discard(self.runs[run].requester)
        yes = {who: vote for who, vote in watched.votes[one.n].items() if vote.verdict is Verdict.APPROVE}
        refusal = self.deliver(run, RosterReread(one.n, roster))
        assert refusal is None
        (now,) = [each for each in self.store.suspensions(run) if each.n == one.n]
        if isinstance(wait.quorum, int | str):
            options = [choice.name for choice in wait.options] or [None]
            can = any(
                len(able | {who for who, vote in yes.items() if vote.option == option}) >= one.needed
                for option in options
            )
            assert (now.closing is None) is can, f"{able} and {yes} of {one.needed}"
        if now.closing is not None:
            assert now.closing.how is Close.CANCELLED
        else:
            # What somebody has said stands; the others who are gone are asked no more.
            watched.gone.setdefault(one.n, set()).update(left - watched.votes[one.n].keys())
            assert set(now.approvers.people) == set(one.approvers.people) - watched.gone[one.n]

    @act(1)
    def merge(self) -> None:
        """Two handles turn out to be one human."""
        one, other = self.of(ANN, BOB, CAY, DAN, EVE), self.of(BOB, CAY, DAN, EVE)
        kept, gone = self.people[one], self.people[other]
        if kept == gone:
            return
        versions = self.versions()
        open_ = {
            (run, each.n): each for run in self.runs for each in self.store.suspensions(run) if each.closing is None
        }
        assert done(self.store.know(Person(0, "merged", one), [one, other])).id == kept
        self.people = {who: kept if at == gone else at for who, at in self.people.items()}
        self.former = {old: kept if new == gone else new for old, new in self.former.items()} | {gone: kept}
        for run, watched in self.runs.items():
            # What is for one person has them in its key, and they are another one from now on.
            watched.effects = {
                id_: (text.removesuffix(f"-{gone}") + f"-{kept}", kept) if who == gone else (text, who)
                for id_, (text, who) in watched.effects.items()
            }
            if watched.ended is not None:
                continue
            watched.requester = self.one(watched.requester)
            for (who, step), said in sorted(watched.early.items(), key=lambda each: each[0][0] == gone):
                if who == gone and (mine := watched.early.get((kept, step))) is not None and mine[2] > said[2]:
                    del watched.early[who, step]
                elif who == gone:
                    watched.early[kept, step] = watched.early.pop((who, step))
            for (of, n), suspension in open_.items():
                if of == run:
                    self._merge_votes(run, suspension, n)
        for run, watched in self.runs.items():
            for each in self.store.suspensions(run):
                gone_now = {self.one(who) for who in watched.gone.get(each.n, ())}
                watched.gone[each.n] = gone_now - set(each.approvers.people)
        self.moved |= {run for run, version in self.versions().items() if versions[run] != version}
        for (run, n), each in open_.items():
            if each.kind in ("approval", "hold"):
                self.check_tally(run, n)

    def _merge_votes(self, run: int, suspension: Suspension, n: int) -> None:
        watched, votes = self.runs[run], dict[PersonId, Vote]()
        for who, said in watched.votes.get(n, {}).items():
            votes.pop(self.one(who), None)
            votes[self.one(who)] = said
        wait = self.opinion(run).wait(suspension)
        if isinstance(wait, Approval) and not wait.self_approval:
            votes.pop(watched.requester, None)
        watched.votes[n] = votes

    @act(1)
    def join_or_leave_the_team(self) -> None:
        self.team ^= {self.of(BOB, CAY, DAN, EVE, ANN)}

    # -- time ---------------------------------------------------------------------------------------------------

    @act(5)
    def time_passes(self) -> None:
        self.later(self.of("to due", "to due", "before due", "after due", *["second"] * 6, "minutes", "back"))

    @act(1)
    def days_pass(self) -> None:
        self.later("days")

    def later(self, jump: str) -> None:
        now = self.clock.now()
        if jump in ("to due", "before due", "after due"):
            ahead = sorted(
                from_ms(ms) for (ms,) in self.store.sql.execute("SELECT due FROM effects") if from_ms(ms) > now
            )
            if ahead:
                self.clock.set(
                    ahead[0] + {"before due": -SECOND / 1000, "after due": SECOND / 1000}.get(jump, SECOND * 0)
                )
        else:
            steps = {"second": SECOND, "minutes": 11 * HOUR / 60, "days": 72 * HOUR, "back": -HOUR}
            self.clock.set(now + steps[jump])

    # -- delivering ---------------------------------------------------------------------------------------------

    def deliver(self, run: int, event: Event, *, settles: int | None = None) -> Refused | None:
        """Hand an event to the store, and hold what came of it against the laws that need before and after."""
        wanted = self.wanted(run, event)
        late = self.acts_on_a_deadline(run, event)
        before = None if wanted else self.store.rows(run)
        versions, changes = self.versions(), self.store.sql.total_changes
        self.say(f"{run}: {event}")
        refusal: Refused | None = None
        if settles is not None and not isinstance(event, ActionSkipped):
            self.past = [*self.past[-20:], (run, event)]
        try:
            done(self.store.transact(run, event, settles=settles))
        except Refused as error:
            refusal = error
            self.say(f"   {error!r}")
        if refusal is not None and not late:
            assert self.store.sql.total_changes == changes, "a refusal changed something"
        if isinstance(event, RosterReread):
            pass  # it may find that nobody has left
        elif before is not None:
            assert self.store.rows(run) == before, f"a late {type(event).__name__} moved the run"
        elif refusal is None or late:
            came = [entry["event"]["is"] for entry in self.store.entries(run, versions[run])]
            assert came, f"{type(event).__name__} was ignored"
            assert came[0] in (type(event).__name__, "TimerFired")
            assert set(came[1:]) <= {"Superseded"}
        self.moved.add(run)
        self.others_moved(run, versions)
        if wanted and isinstance(event, TimerFired) and not event.n:
            self.runs[run].fired.add(event.path)
            if not event.path:
                self.runs[run].cause = self.runs[run].cause or Outcome.EXPIRED
        if isinstance(event, ActionFailed) and wanted:
            self.check_failed(run, event)
        if isinstance(event, ActionFinished) and wanted and event.rerun is None:
            self.runs[run].outputs[event.path] = event.output
        self.learn(run)
        return refusal

    def check_failed(self, run: int, event: ActionFailed) -> None:
        """An action is tried again as often as the flow says, and not once more."""
        opinion = self.opinion(run)
        row, retry = opinion.steps[event.path], opinion.place(event.path).step.retry
        if event.retryable and event.attempt <= retry.max:
            assert (row.state, row.attempt) == (StepState.ACTING, event.attempt + 1)
        else:
            assert row.state is not StepState.ACTING
            assert row.attempt == event.attempt

    def others_moved(self, run: int, versions: Mapping[int, int]) -> None:
        """Another run moves only where it gets a place, the oldest first, or where a newer one takes over."""
        for other, version in self.versions().items():
            if other == run or version == versions[other]:
                continue
            self.moved.add(other)
            came = {entry["event"]["is"] for entry in self.store.entries(other, versions[other])}
            assert came <= {"PlaceGiven", "Superseded"}, f"another run moved: {came}"
            if "PlaceGiven" in came:
                older = [one for one in self.runs if one < other and self.queues(one)]
                assert not older, f"run {other} got the place of {older}"
            self.learn(other)

    def acts_on_a_deadline(self, run: int, event: Event) -> bool:
        if not isinstance(event, DecisionMade | CallbackReceived | DropRequested):
            return False
        if isinstance(event, DropRequested) and not event.admin:
            return False
        found = [one for one in self.store.suspensions(run) if one.n == event.n and one.closing is None]
        machine = isinstance(event, CallbackReceived)
        kinds = (
            (Kind.CALLBACK,) if machine else tuple(Kind) if isinstance(event, DropRequested) else ("approval", "hold")
        )
        return bool(found) and found[0].kind in kinds and self.overdue(found[0])

    def wanted(self, run: int, event: Event) -> bool:
        """Whether an event of the engine's own is what the run waits for; a person's always is."""
        path = getattr(event, "path", None)
        opinion = self.opinion(run)
        at = opinion.steps.get(path) if path else None
        match event:
            case ActionFinished() | ActionFailed() | SuspendRequested():
                if at is None or (at.state, at.round, at.attempt) != (StepState.ACTING, event.round, event.attempt):
                    return False
                return not isinstance(event, SuspendRequested) or at.suspension not in opinion.suspensions
            case ActionSkipped():
                return at is not None and (at.state, at.round) == (StepState.ACTING, event.round)
            case PeopleResolved():
                return at is not None and (at.state, at.round) == (StepState.RESOLVING, event.round)
            case TimerFired(path, n) if n > 0:
                one = opinion.suspensions.get(n)
                return one is not None and one.closing is None and self.overdue(one)
            case TimerFired():
                return self.time_is_over(run, opinion, event, at)
            case _:
                return True

    def time_is_over(self, run: int, opinion: Opinion, event: TimerFired, at: StepRun | None) -> bool:
        if opinion.run.ending is not None:
            return False
        if at is not None and at.state is StepState.HELD:
            return event.n < 0 and opinion.run.paused is None and not self.lacks_a_place(opinion.run)
        if event.n < 0:
            return False
        if not event.path:
            limit = self.flow.timeout
            assert limit is not None
            return opinion.run.stop is None and self.clock.now() >= opinion.run.started_at + limit
        over = at is not None and at.state is StepState.RUNNING and (at.inside is None or at.inside.stop is None)
        return over and self.clock.now() >= self.limit_of(run, opinion, event.path)

    def limit_of(self, run: int, opinion: Opinion, path: str) -> datetime:
        step = opinion.place(path).step
        limits = [limit for limit in (step.timeout, opinion.flow_of(path).timeout) if limit is not None]
        return self.runs[run].entered[path] + min(limits)

    def lacks_a_place(self, run: Run) -> bool:
        limit = self.flow.concurrency
        if limit is None or run.place is Place.HELD or run.stop is not None:
            return False
        return sum(self.store.run(other).place is Place.HELD for other in self.runs) >= limit.limit

    # -- chance -----------------------------------------------------------------------------------------------------

    def of(self, *things: Any) -> Any:
        return self.chance.choice(things)

    def one_in(self, many: int) -> bool:
        return self.chance.randrange(many) == 0
