"""One approval, the people around it, and all that they and the clock can do to it; with a second opinion about it.

A ``World`` drives the shipped store and machine by chance. Beside it, ``Book`` says from the rules alone what has to come
of each event: it shares no code with the engine. What it says is compared with the rows after each event. The number of a
world is all the chance that it is made of.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from flows import ledger
from flows.definition import Approval, Flow, Step
from flows.delegation import Circle, Delegation
from flows.effects import FireTimer, Leased, ResolvePeople, Tell
from flows.errors import Refused
from flows.events import (
    DecisionMade,
    Event,
    NudgeRequested,
    PeopleResolved,
    QuestionAnswered,
    QuestionAsked,
    ReassignRequested,
    SnoozeRequested,
    TimerFired,
)
from flows.people import Memberships, Person, PersonId, Roster
from flows.plan import Plan
from flows.run import Door, Timer, Verdict
from flows.store.slices import load_decisions, load_questions
from flows.store.sqlite import Start
from flows.testing import FakeClock
from tests.flows.inline_store import Inline, done

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NAMES = ("ann", "bob", "cay", "dan", "eve", "fay")
TEAM = ("dan", "eve")
LATE = [f"{name}@example.com" for name in ("bob", "dan", "eve", "fay")]
"""Who may be asked later."""
ACTS = 50


class Broken(AssertionError):
    """Something that is not as the rules say, with the number of the world."""


@dataclass
class Book:
    """What is true of the approval, from the rules alone."""

    wait: Approval
    requester: PersonId
    named: list[PersonId]
    members: frozenset[PersonId]
    group: bool
    later: list[tuple[datetime, list[PersonId], bool, bool]]
    """When others are asked: who, whether the group too, and whether in the place of the others."""
    opened_at: datetime
    due: datetime
    needed: int
    votes: dict[PersonId, tuple[Verdict, PersonId]] = field(default_factory=dict)
    """By seat, in the order of the answers: what was said, and by which human."""
    relieved: set[PersonId] = field(default_factory=set)
    handed: list[Delegation] = field(default_factory=list)
    asking: list[PersonId] = field(default_factory=list)
    stopped_at: datetime | None = None
    settles_at: datetime | None = None
    reminded: int = 0
    escalated: int = 0
    nudged_at: datetime | None = None
    snoozed: dict[PersonId, datetime] = field(default_factory=dict)
    closed: str | None = None

    # -- who ----------------------------------------------------------------------------------------------------

    def eligible(self, who: PersonId) -> bool:
        member = self.group and who in self.members and who not in self.relieved
        return who != self.requester and (who in self.named or member)

    def asked(self, who: PersonId, now: datetime) -> bool:
        """Whether it is for them, or for somebody whom they stand in for."""
        return who != self.requester and any(map(self.eligible, [who, *self.principals(who, now)]))

    def acted(self, who: PersonId) -> PersonId | None:
        return next((seat for seat, (_, human) in self.votes.items() if human == who and seat != who), None)

    def principals(self, who: PersonId, now: datetime) -> list[PersonId]:
        pairs = {
            (one.delegate, one.person)
            for one in self.handed
            if one.ended_at is None
            and one.starts <= now < one.ends
            and self.requester not in (one.person, one.delegate)
        }
        found: list[PersonId] = []
        ring = [who]
        while ring:
            ring = sorted({far for near, far in pairs if near in ring and far not in (who, *found)})
            found += ring
        return found

    def seat(self, who: PersonId, now: datetime) -> PersonId | None:
        """Whose seat this human may fill now; None where none."""
        if who == self.requester:
            return None
        acted = self.acted(who)
        if self.eligible(who):
            return None if acted is not None else who
        if who in self.votes:
            return None
        for principal in self.principals(who, now):
            if acted is not None and principal != acted:
                continue
            taken = principal in self.votes and self.votes[principal][1] != who
            if not taken and self.eligible(principal):
                return principal
        return None

    # -- what comes of it ---------------------------------------------------------------------------------------

    def outcome(self) -> str | None:
        said = [verdict for verdict, _ in self.votes.values()]
        if Verdict.REJECT in said:
            return "rejected"
        return "approved" if said.count(Verdict.APPROVE) >= self.needed else None

    def time_passes(self, now: datetime) -> bool:
        """What the clock alone makes true, before anybody is heard. Whether that closes it."""
        if self.closed is None and self.settles_at is not None and now >= self.settles_at:
            self.closed = self.outcome()
            assert self.closed is not None
            return True
        if self.closed is None and self.stopped_at is None and self.settles_at is None and now >= self.due:
            self.closed = "expired"
            return True
        return False

    def counted(self, now: datetime) -> None:
        """After an answer, or one that was taken back."""
        if self.outcome() is None:
            self.settles_at = None
        elif self.wait.settle is None:
            self.closed = self.outcome()
        elif self.settles_at is None:
            self.settles_at = now + self.wait.settle
            if self.stopped_at is None:
                self.settles_at = min(self.settles_at, self.due)

    def restart(self, now: datetime) -> None:
        if self.stopped_at is not None:
            pause, self.stopped_at = now - self.stopped_at, None
            self.due += pause
            self.later = [(at + pause, *rest) for at, *rest in self.later]

    def decide(self, who: PersonId, verdict: Verdict, now: datetime) -> bool:
        """Whether it counts."""
        if self.closed is not None or self.time_passes(now):
            return False
        if verdict is Verdict.WITHDRAW:
            seat = who if who in self.votes else self.acted(who)
            if seat is None:
                return False
            del self.votes[seat]
            self.counted(now)
            return True
        seat = self.seat(who, now)
        if seat is None or self.votes.get(seat) == (verdict, who):
            return False
        self.votes.pop(seat, None)
        self.votes[seat] = (verdict, who)
        if self.stopped_at is not None and who in self.asking:
            self.asking = [one for one in self.asking if one != who]
            if not self.asking:
                self.restart(now)
        self.counted(now)
        return True

    def fires(self, event: TimerFired, now: datetime) -> None:
        timer, person = event.timer, event.person
        if self.closed is not None:
            return
        quiet = self.stopped_at is not None or self.settles_at is not None
        match timer:
            case Timer.DUE | Timer.SETTLE:
                self.time_passes(now)
            case Timer.RESTART if self.stopped_at is not None and now >= self.stopped_at + self.wait.timeout:
                self.restart(now)
            case Timer.REMIND if not quiet and self.wait.remind is not None and now >= self.next_reminder():
                # One that was planned for an earlier reminder has done its work.
                wanted = event.due is not None and event.due >= self.next_reminder()
                self.reminded += wanted and self.reminded < self.wait.remind.count
            case Timer.ESCALATE if (
                not quiet and self.escalated < len(self.later) and now >= self.later[self.escalated][0]
            ):
                _, people, group, replaces = self.later[self.escalated]
                members = self.members - self.relieved if group else ()
                left = {*self.votes, *people, *members} - {self.requester}
                replaces = replaces and len(left) >= self.needed
                kept = [*(one for one in self.named if one in self.votes), *self.votes] if replaces else self.named
                self.named = list(dict.fromkeys([*kept, *people]))
                self.group = group or (self.group and not replaces)
                self.escalated += 1
            case Timer.WAKE if person in self.snoozed and now >= self.snoozed[person]:
                del self.snoozed[person]

    def next_reminder(self) -> datetime:
        plan = self.wait.remind
        assert plan is not None
        return self.opened_at + plan.first + (plan.every or timedelta(0)) * self.reminded

    def timers(self) -> set[Timer]:
        """What has to be planned."""
        if self.closed is not None:
            return set()
        wanted = {Timer.RESTART} if self.stopped_at is not None else {Timer.DUE}
        if self.settles_at is not None:
            wanted.add(Timer.SETTLE)
        elif self.stopped_at is None:
            if self.wait.remind is not None and self.reminded < self.wait.remind.count:
                wanted.add(Timer.REMIND)
            if self.escalated < len(self.later):
                wanted.add(Timer.ESCALATE)
        return wanted | ({Timer.WAKE} if self.snoozed else set())


class World:
    """An approval that lives."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.chance = Random(number)  # noqa: S311 -- nobody has to guess it
        self.clock = FakeClock()
        self.store = Inline.new(self.clock)
        self.who = {
            name: done(self.store.know(Person(0, name, f"{name}@example.com"), [f"{name}@example.com"])).id
            for name in NAMES
        }
        self.run, self.book = self._start()
        self.late: list[TimerFired] = []
        self.said: list[str] = []

    def live(self) -> None:
        try:
            acts = [self.somebody_decides] * 6 + [
                self.something_is_due,
                self.something_is_due,
                self.something_is_due,
                self.time_passes,
                self.time_passes,
                self.time_passes,
                self.somebody_hands_over,
                self.somebody_hands_over,
                self.a_delegation_ends,
                self.somebody_asks,
                self.the_requester_answers,
                self.somebody_else_is_asked,
                self.somebody_snoozes,
                self.the_requester_nudges,
                self.it_comes_again,
                self.it_comes_again,
            ]
            self.check()
            for _ in range(self.chance.randint(0, 3)):
                self.somebody_hands_over()
            for _ in range(ACTS):
                self.one_of(acts)()
                self.check()
            for _ in range(60):
                if self.book.closed is not None:
                    break
                self.time_passes(HOUR)
                self.something_is_due(everything=True)
                self.check()
            assert self.book.closed is not None, "it never ends"
            assert ledger.broken_at(done(self.store.ledger(self.run))) is None
        except AssertionError as error:
            raise Broken(f"world {self.number}: {error}; {self.said[-6:]}") from error

    # -- what happens -------------------------------------------------------------------------------------------

    def somebody_decides(self) -> None:
        who, verdict = self.somebody(), self.one_of([Verdict.APPROVE] * 18 + [Verdict.REJECT, *[Verdict.WITHDRAW] * 6])
        now = self.clock.now()
        if self.chance.random() < 0.4:
            who = self.one_of([*self.standing_in(), *self.of_later(), who])
        belonging = {one: self.memberships(one) for one in self.who.values()}
        event = DecisionMade(1, who, verdict, Door.SLACK, memberships=self.memberships(who), principals=belonging)
        counts = self.book.decide(who, verdict, now)
        self.deliver(event, refused=not counts)

    def somebody_asks(self) -> None:
        who, now = self.somebody(), self.clock.now()
        belonging = {one: self.memberships(one) for one in self.who.values()}
        event = QuestionAsked(1, who, "Why?", Door.SLACK, memberships=self.memberships(who), principals=belonging)
        if self.book.closed is not None or self.book.time_passes(now) or not self.book.asked(who, now):
            self.deliver(event, refused=True)
            return
        first = not self.book.asking
        self.book.asking.append(who)
        stops = first and self.book.wait.questions == "stop_clock" and self.book.settles_at is None
        if stops and self.book.stopped_at is None:
            self.book.stopped_at = now
        self.deliver(event)

    def the_requester_answers(self) -> None:
        who, now = self.one_of([self.who["ann"], self.who["ann"], self.who["bob"]]), self.clock.now()
        event = QuestionAnswered(1, who, "Because.", Door.SLACK)
        gone = self.book.closed is not None or self.book.time_passes(now)
        if gone or who != self.book.requester or not self.book.asking:
            self.deliver(event, refused=True)
            return
        self.book.asking = []
        self.book.restart(now)
        self.deliver(event)

    def somebody_else_is_asked(self) -> None:
        person, to, by, admin = self.somebody(), self.somebody(), self.somebody(), self.chance.random() < 0.3
        by = person if self.chance.random() < 0.7 else by
        book = self.book
        event = ReassignRequested(1, person, to, by, Door.SLACK, admin=admin, memberships=self.memberships(person))
        if book.group and to in book.members - book.relieved:
            return  # the engine has asked the directory, and says that they are asked already
        if book.closed is not None or book.time_passes(self.clock.now()):
            self.deliver(event, refused=True)
            return
        taken = to in book.named or to in book.votes or book.acted(to) is not None or to == book.requester
        taken |= by == book.requester
        if (by != person and not admin) or not book.eligible(person) or person in book.votes or taken:
            self.deliver(event, refused=True)
            return
        book.relieved = (book.relieved - {to}) | {person}
        book.named = [to if one == person else one for one in book.named] + ([] if person in book.named else [to])
        self.deliver(event)

    def somebody_snoozes(self) -> None:
        who, now = self.somebody(), self.clock.now()
        until = self.one_of([None, now + 30 * MINUTE, now + 2 * HOUR, now + 9 * HOUR])
        belonging = {one: self.memberships(one) for one in self.who.values()}
        event = SnoozeRequested(1, who, until, Door.SLACK, memberships=self.memberships(who), principals=belonging)
        book = self.book
        gone = book.closed is not None or book.time_passes(now)
        if gone or not book.asked(who, now) or (until is not None and until >= book.due):
            self.deliver(event, refused=True)
            return
        book.snoozed.pop(who, None)
        if until is not None:
            book.snoozed[who] = until
        self.deliver(event)

    def the_requester_nudges(self) -> None:
        who, now, book = self.one_of([self.who["ann"], self.somebody()]), self.clock.now(), self.book
        event = NudgeRequested(1, who, Door.SLACK)
        gone = book.closed is not None or book.time_passes(now)
        if gone or who != book.requester or (book.nudged_at is not None and now < book.nudged_at + HOUR):
            self.deliver(event, refused=True)
            return
        book.nudged_at = now
        self.deliver(event)

    def somebody_hands_over(self) -> None:
        person, delegate, now = self.somebody(), self.somebody(), self.clock.now()
        if self.chance.random() < 0.5:
            # Of somebody who is asked, or on from who stands in already; to who does, or may be asked later.
            standing_in = [one.delegate for one in self.book.handed]
            person = self.one_of((standing_in if self.chance.random() < 0.4 else []) or self.book.named or [person])
            delegate = self.one_of([*standing_in, *(self.who[name] for name in ("dan", "eve", "fay"))])
        starts = now + self.one_of([timedelta(0), timedelta(0), HOUR])
        new = Delegation(
            0,
            person,
            delegate,
            starts,
            starts + self.one_of([HOUR, 20 * HOUR]),
            self.one_of([(), ("ask",)]),
            person,
            now,
        )
        try:
            self.book.handed.append(done(self.store.delegate(new)))
        except Circle:
            known = {(one.person, one.delegate) for one in self.book.handed if one.ended_at is None}
            assert person == delegate or delegate in self.upstream(known, person), "there is no circle"
        else:
            now_known = {(one.person, one.delegate) for one in self.book.handed if one.holds("ask", new.starts)}
            assert person not in self.upstream(now_known, person), "somebody stands in for themselves"

    def upstream(self, pairs: set[tuple[PersonId, PersonId]], person: PersonId) -> set[PersonId]:
        """All who have handed over to this person, by however many others."""
        found: set[PersonId] = set()
        ring = {person}
        while ring:
            ring = {one for one, to in pairs if to in ring} - found
            found |= ring
        return found

    def a_delegation_ends(self) -> None:
        if self.book.handed:
            index = self.chance.randrange(len(self.book.handed))
            one = self.book.handed[index]
            done(self.store.end_delegation(one.id))
            self.book.handed[index] = replace(one, ended_at=one.ended_at or self.clock.now())

    def time_passes(self, much: timedelta | None = None) -> None:
        now = self.clock.now()
        left = self.book.due - now
        short = [left - 3 * MINUTE] if left > 3 * MINUTE and self.chance.random() < 0.2 else []
        # To the very instant for which something is planned, and not always is it done then.
        coming = [one.due - now for one in self.store.effects_of(self.run) if one.due > now]
        self.clock.advance(
            much or self.one_of([MINUTE, 20 * MINUTE, 20 * MINUTE, HOUR, *short, *sorted(coming)[:1] * 3])
        )

    def something_is_due(self, *, everything: bool = False) -> None:
        due = [one for one in self.store.all_due() if isinstance(one.effect, FireTimer | ResolvePeople)]
        for leased in due if everything else due[: self.chance.randint(0, 3)]:
            if leased.id in {one.id for one in self.store.effects_of(self.run)}:
                self.perform(leased)
                self.check()

    def it_comes_again(self) -> None:
        """Timers come twice, and long after they are wanted."""
        if self.late:
            event = self.one_of(self.late)
            self.book.fires(event, self.clock.now())
            self.deliver(event)

    def perform(self, leased: Leased) -> None:
        match leased.effect:
            case FireTimer(path, _, n, due, timer, person):
                event = TimerFired(path, n, due if timer is not Timer.DUE else None, timer, person)
                self.late.append(event)
                if self.chance.random() < 0.15:
                    return  # it is under way, and comes when it may not be wanted any more
                self.book.fires(event, self.clock.now())
                self.deliver(event, settles=leased.id)
            case ResolvePeople(path, round_, handles, n, note, times):
                named = {f"{name}@example.com": id_ for name, id_ in self.who.items()}
                roster = Roster(
                    self.clock.now(),
                    {one: named[one] for one in handles if one in named},
                    {one: tuple(self.book.members) for one in handles if one not in named},
                )
                self.deliver(PeopleResolved(path, round_, roster, n, note, times), settles=leased.id)
            case other:
                raise AssertionError(other)

    def deliver(self, event: Event, *, refused: bool = False, settles: int | None = None) -> None:
        self.said.append(f"{self.clock.now():%d %H:%M} {event}")
        try:
            done(self.store.transact(self.run, event, settles=settles))
            refusal = None
        except Refused as said:
            refusal = said
        assert refused is (refusal is not None), f"{refusal!r} to {event}"

    # -- what is so ---------------------------------------------------------------------------------------------

    def check(self) -> None:
        book, (suspension,) = self.book, self.store.suspensions(self.run)
        how = suspension.closing.how.value if suspension.closing is not None else None
        assert how == book.closed, f"it is {how}, not {book.closed}"
        decisions = load_decisions(self.store.sql, self.run, 1)
        assert {one.person: (one.verdict, one.human) for one in decisions} == book.votes
        humans = [one.human for one in decisions]
        assert len(set(humans)) == len(humans), "somebody counts twice"
        if book.closed is not None:
            assert not self.planned(), "something is planned for what is closed"
            return
        clocks = suspension.clocks
        seen = (
            suspension.due,
            clocks.stopped_at,
            clocks.settles_at,
            clocks.reminded,
            clocks.escalated,
            dict(clocks.snoozed),
        )
        said = (book.due, book.stopped_at, book.settles_at, book.reminded, book.escalated, book.snoozed)
        assert seen == said, f"the clocks are {seen}, not {said}"
        assert list(suspension.approvers.people) == book.named, (
            f"{suspension.approvers.people} are asked, not {book.named}"
        )
        assert bool(suspension.approvers.groups) is book.group
        planned = self.planned()
        assert book.timers() <= set(planned), f"planned is {planned}, not {book.timers()}"
        assert not (Timer.DUE in planned and book.stopped_at is not None), (
            "a deadline is planned while the clock stands still"
        )
        assert planned.count(Timer.DUE) <= 1
        open_ = [one.person for one in load_questions(self.store.sql, self.run, 1, open_only=True)]
        assert open_ == book.asking
        for leased in self.store.effects_of(self.run):
            if (
                isinstance(leased.effect, Tell)
                and leased.effect.person is not None
                and leased.effect.note == "reminder"
            ):
                assert leased.effect.person != book.requester, "the requester is reminded"

    def planned(self) -> list[Timer]:
        return [one.effect.timer for one in self.store.effects_of(self.run) if isinstance(one.effect, FireTimer)]

    # -- what it is made of -------------------------------------------------------------------------------------

    def _start(self) -> tuple[int, Book]:
        chance = self.chance
        named = chance.sample([name for name in NAMES if name != "ann"], chance.choice([1, 2, 3, 3, 4, 4]))
        group = chance.random() < 0.4
        steps = [
            {"after": "40m", "to": self.one_of(["@team", *LATE]), "mode": self.one_of(["add", "add", "replace"])},
            {"after": "2h", "to": self.one_of(["@team", *LATE]), "mode": self.one_of(["add", "replace"])},
        ][: chance.randint(0, 2)]
        needed = chance.choice([1, *[len(named)] * 4])
        wait = Approval(
            approvers=tuple(f"{name}@example.com" for name in named) + (("@team",) if group else ()),
            quorum=needed,
            timeout=self.one_of(["3h", "8h", "1d"]),
            settle=self.one_of([None, "5m"]),
            remind=self.one_of([None, "1h", {"first": "1h", "every": "1h", "up_to": 3}]),
            escalate=tuple(steps),
            questions=self.one_of(["keep_clock", "stop_clock"]),
        )
        flow = Flow(flow="ask", steps=(Step(id="gate", approval=wait),))
        plan = Plan.of(flow)
        now, ids = self.clock.now(), self.who
        handles = {f"{name}@example.com": id_ for name, id_ in ids.items()}
        roster = Roster(now, handles, {"@team": tuple(ids[name] for name in TEAM)})
        definition = done(self.store.pin(plan))
        run, _ = done(self.store.start(Start(plan, definition, ids["ann"], {}, roster=roster)))
        later: list[Any] = []
        for step in wait.escalate:
            people = [] if step.to == ("@team",) else [handles[step.to[0]]]
            later.append((now + step.after, people, step.to == ("@team",), step.mode == "replace"))
        book = Book(
            wait,
            ids["ann"],
            [ids[name] for name in named],
            frozenset(ids[name] for name in TEAM),
            group,
            later,
            now,
            now + wait.timeout,
            needed,
        )
        return run.id, book

    def memberships(self, who: PersonId) -> Memberships:
        return Memberships(frozenset({"@team"} if who in self.book.members else ()), self.clock.now())

    def standing_in(self) -> list[PersonId]:
        """Those who may answer for somebody else, or have done so."""
        have = [human for seat, (_, human) in self.book.votes.items() if human != seat]
        return [*(one.delegate for one in self.book.handed[-2:]), *have, *have]

    def of_later(self) -> list[PersonId]:
        """Those whom an escalation asks, or has asked, by name."""
        return [person for _, people, *_ in self.book.later for person in people]

    def somebody(self) -> PersonId:
        return self.one_of(list(self.who.values()))

    def one_of(self, some: Any) -> Any:
        return some[self.chance.randrange(len(some))]
