"""The store: one SQLite file, one process, one writer that commits in groups.

``transact`` is the heart: load the slice that an event needs, run the machine, save what changed, settle the
effect that brought the event, append to the ledger; all in one transaction, in one call on the database's
thread. Nobody is answered before it is durable (``synchronous=FULL``).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from flows import ledger, machine
from flows.clock import Clock
from flows.context import Brief, Known, Wanted, lacks
from flows.delegation import Delegation, check_no_circle
from flows.effects import Effect, Lane, Leased, PerformAction, SyncCards, SyncRequest
from flows.errors import ConfigError, Refused
from flows.events import (
    CancelRequested,
    DecidedEarly,
    DecisionMade,
    DropRequested,
    Event,
    NudgeRequested,
    PauseRequested,
    PeopleMerged,
    PlaceGiven,
    QuestionAnswered,
    QuestionAsked,
    ReassignRequested,
    ResumeRequested,
    SnoozeRequested,
    Superseded,
)
from flows.handles import identity
from flows.ids import Ids
from flows.instants import from_ms, to_ms, whole
from flows.people import Person, PersonId, Roster
from flows.plan import Plan
from flows.ports import Json
from flows.run import Place, Run, Status
from flows.store import delegations, outbox, people, reads
from flows.store.connection import StoreError, Worker
from flows.store.kept import Kept, pin
from flows.store.migrations import MigrationError, migrate
from flows.store.slices import (
    extend,
    insert_run,
    load_people,
    load_run,
    load_slice,
    newer_with_key,
    next_in_line,
    older_with_key,
    places_held,
    save,
)
from flows.store.triggers import Claim
from flows.transition import Transition
from flows.triggers import Listener, heard

T = TypeVar("T")
Ready = Callable[[Sequence[Leased]], None]

Seal = Callable[[str, str], bytes]
Listeners = Mapping[str, Sequence[Listener]]

_OF_PEOPLE = (
    DecisionMade,
    CancelRequested,
    PauseRequested,
    ResumeRequested,
    DropRequested,
    DecidedEarly,
    NudgeRequested,
    ReassignRequested,
    SnoozeRequested,
    QuestionAsked,
    QuestionAnswered,
)

_MODE = 0o600

_NUMBERED_SINCE = datetime(2026, 1, 1, tzinfo=UTC)

KEEP_STARTS = timedelta(hours=24)
"""How long a start's Idempotency-Key is remembered; part of the public contract."""


@dataclass(frozen=True, slots=True)
class Key:
    """An Idempotency-Key: whose token brought it, and keyed hashes of the request (the first is stored, any matches)."""

    token: int
    key: str
    request: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Start:
    """Everything that opening a run takes."""

    plan: Plan
    definition: int
    requester: PersonId
    inputs: Mapping[str, Json]
    roster: Roster | None = None
    secrets: Mapping[str, bytes] | None = None
    once: Key | None = None
    via_token: str | None = None
    supersede: str | None = None
    claim: Claim | None = None
    """What the start uses up, where no person starts the run."""
    resubmits: int | None = None


class KeyReused(Refused):
    """The same Idempotency-Key came with another request."""


class SqliteStore:
    """The engine's memory. Open it with ``SqliteStore.open``; one process at a time may have it open."""

    def __init__(self, writer: Worker, reader: Worker, lock: FileLock, clock: Clock, ids: Ids, epoch: int) -> None:
        self._writer = writer
        self._reader = reader
        self._lock = lock
        self._clock = clock
        self._epoch = epoch
        self._kept = Kept(with_people=True)
        self._read_kept = Kept()
        self._next_run = 0
        self._effects = count(1)
        self._ready: Ready = _nobody
        self._listeners: Listeners = {}
        self._watchers: list[Callable[[int], None]] = []
        self.ids = ids
        self.seal: Seal | None = None
        """Encrypts secret values that a transition brings: ``seal(value, name)``. Set by whoever has the key."""

    @classmethod
    async def open(cls, path: Path, *, clock: Clock, public_url: str = "") -> SqliteStore:
        """Take the lock, migrate, start an epoch. Raises ``ConfigError`` where that is not possible."""
        lock = FileLock(f"{path}.lock", mode=_MODE)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError([f"{path} is in use by another Signoff process; one process serves a database"]) from None
        except OSError as error:
            raise ConfigError([f"{path} cannot be locked: {error.strerror}"]) from error
        writer: Worker | None = None
        try:
            _create(path)
            writer = await Worker.open(path, writes=True, on_open=_prepare)
            await writer.raw(migrate)
            seed, epoch, newest, effects = await writer.run(lambda c: _begin_epoch(c, clock.now()))
            reader = await Worker.open(path, writes=False, on_open=_prepare_reader)
        except (OSError, sqlite3.Error, MigrationError, StoreError) as error:
            if writer is not None:
                await writer.close()
            lock.release()
            raise ConfigError([f"{path} cannot be used: {error}"]) from error
        except BaseException:
            if writer is not None:
                await writer.close()
            lock.release()
            raise
        store = cls(writer, reader, lock, clock, Ids(seed, public_url), epoch)
        store._next_run = newest
        store._effects = count(effects + 1)
        writer.guard = store._begin
        return store

    async def close(self) -> None:
        """Finish what was handed in, fold the journal into the file, let go of the lock."""
        await self._reader.close()
        await self._writer.close()
        self._lock.release()

    def on_ready(self, ready: Ready) -> None:
        """Whom to tell of new effects, due now or later, as soon as they are committed."""
        self._ready = ready

    def on_change(self, changed: Callable[[int], None]) -> None:
        """Whom to tell, with its number, of each run that may have changed, as soon as that is committed."""
        self._watchers.append(changed)

    def listen(self, listeners: Listeners) -> None:
        """The flows that hear of the runs of others, by the name of the flow that they listen to."""
        self._listeners = listeners

    # -- runs ---------------------------------------------------------------------------------------------------

    async def pin(self, plan: Plan) -> int:
        """The number under which this very definition is stored, for as long as a run may need it."""
        return await self._writer.run(lambda c: pin(c, plan))

    async def start(self, start: Start) -> tuple[Run, bool]:
        """Open a run. Returns it, and whether it is new: False where its Idempotency-Key was used before."""

        def work(connection: sqlite3.Connection) -> tuple[Run, bool, list[Leased]]:
            now = whole(self._clock.now())
            if start.once is not None:
                connection.execute("DELETE FROM starts WHERE at < ?", (to_ms(now - KEEP_STARTS),))
                known = _started_before(connection, start.once, now)
                if known is not None:
                    return load_run(connection, self._kept, known)[1], False, []
            # A number is never given twice, not even where the transaction that took it was undone.
            self._next_run += 1
            roster, requester = start.roster, self._present(connection, start.requester)
            standing_in = tuple(
                one for one in delegations.in_force(connection, self._kept) if one.holds(start.plan.flow.flow, now)
            )
            known_people = {requester, *(roster.ids() if roster else ()), *(one.delegate for one in standing_in)}
            transition = machine.start(
                start.plan,
                run_id=self._next_run,
                requester=requester,
                inputs=start.inputs,
                roster=roster,
                people=load_people(connection, self._kept, known_people),
                now=now,
                ids=self.ids,
                via_token=start.via_token,
                supersede=start.supersede,
                place_free=_place_free(connection, start.plan),
                resubmits=start.resubmits,
                delegations=standing_in,
            )
            run_id = transition.run.id
            if start.claim is not None:
                start.claim(connection, run_id, now)
            insert_run(connection, transition, start.definition)
            for name, sealed in (start.secrets or {}).items():
                connection.execute("INSERT INTO secrets (run, name, sealed) VALUES (?, ?, ?)", (run_id, name, sealed))
            if start.once is not None:
                connection.execute(
                    "INSERT INTO starts (token, key, body, run, at) VALUES (?, ?, ?, ?, ?)",
                    (start.once.token, start.once.key, start.once.request[0], run_id, to_ms(now)),
                )
            self._save_secrets(connection, run_id, transition)
            leased = self._record(connection, start.plan, transition, None, now)
            if start.resubmits is not None:
                # The messages of the older run say that there is a newer one.
                shown = [SyncCards(n) for n in outbox.suspensions_shown(connection, start.resubmits)]
                leased += outbox.add(connection, start.resubmits, [SyncRequest(), *shown], now, self._effects)
            if start.supersede is not None:
                for older in older_with_key(connection, start.plan.flow.flow, start.supersede, run_id):
                    leased += self._apply(connection, older, Superseded(run_id))[1]
            return transition.run, True, leased

        run, new, _ = await self._write(work, ready=lambda result: result[2], moved=lambda result: result[0].id)
        return run, new

    async def started(self, once: Key) -> Run | None:
        """The run that this key started within the last 24 hours. Raises ``KeyReused`` where the request differs."""
        now = whole(self._clock.now())

        def work(connection: sqlite3.Connection, kept: Kept) -> Run | None:
            known = _started_before(connection, once, now)
            return None if known is None else load_run(connection, kept, known)[1]

        return await self.read(work)

    async def transact(self, run_id: int, event: Event, *, settles: int | None = None) -> Run:
        """Apply ``event`` to the run, durably, together with settling the effect that brought it.

        Raises ``UnknownRun``; ``Refused`` where the machine refused, in which case nothing was recorded but what the
        clock alone had made true (a passed deadline).
        """

        def work(connection: sqlite3.Connection) -> tuple[Run, Refused | None, list[Leased]]:
            memo = outbox.settle(connection, settles) if settles is not None else None
            transition, leased = self._apply(connection, run_id, event, memo)
            return transition.run, transition.refusal, leased

        run, refusal, _ = await self._write(work, ready=lambda result: result[2], moved=lambda result: result[0].id)
        if refusal is not None:
            raise refusal
        return run

    def _apply(
        self,
        connection: sqlite3.Connection,
        run_id: int,
        event: Event,
        memo: str | None = None,
    ) -> tuple[Transition, list[Leased]]:
        if isinstance(event, _OF_PEOPLE) and (person := self._present(connection, event.person)) != event.person:
            event = replace(event, person=person)
        if isinstance(event, ReassignRequested):
            event = replace(event, to=self._present(connection, event.to), by=self._present(connection, event.by))
        now = whole(self._clock.now())
        plan, slice_ = load_slice(connection, self._kept, run_id, event, now=now)
        asked: set[object] = set()
        while True:
            try:
                transition = machine.advance(plan, slice_, event, now=now, ids=self.ids)
                break
            except Wanted as wanted:
                if wanted.args in asked:
                    raise AssertionError(f"{wanted} was read, and is not enough") from None
                asked.add(wanted.args)
                slice_ = extend(connection, self._kept, plan, slice_, wanted)
        if transition.changed:
            save(connection, transition)
            self._save_secrets(connection, run_id, transition)
            leased = self._record(connection, plan, transition, transition.event or event, now, memo)
            leased += self._pass_places_on(connection, slice_.run, transition.run)
            return transition, leased + self._retire(connection, transition.run)
        return transition, outbox.add(connection, run_id, transition.effects, now, self._effects)

    def _record(
        self,
        connection: sqlite3.Connection,
        plan: Plan,
        transition: Transition,
        event: Event | None,
        now: datetime,
        memo: str | None = None,
    ) -> list[Leased]:
        """Append to the ledger, and save the effects. The run's version is the number of its newest entry."""
        run = transition.run
        text = ledger.payload(event, transition.facts)
        salt = os.urandom(ledger.SALT_BYTES)
        before = ledger.GENESIS if run.version == 1 else _head(connection, self._kept, run.id, run.version - 1)
        digest = ledger.chain(before, run.version, now, ledger.commitment(salt, text))
        connection.execute(
            "INSERT INTO ledger (run, seq, at, payload, salt, hash) VALUES (?, ?, ?, ?, ?, ?)",
            (run.id, run.version, to_ms(now), text, salt, digest),
        )
        self._kept.keep_head(run.id, run.version, digest)
        effects: Iterable[Effect] = transition.effects
        if listeners := self._listeners.get(run.flow):
            kinds = {one.n: one.kind for one in transition.suspensions}
            effects = [*effects, *heard(transition.facts, kinds, listeners)]
        leased = outbox.add(connection, run.id, effects, now, self._effects, memo=memo)
        return [_briefed(one, plan, transition.known) for one in leased]

    def _retire(self, connection: sqlite3.Connection, run: Run) -> list[Leased]:
        """A run that had work under way when a newer one took its place is retired as soon as it waits."""
        if run.supersede is None or run.status is not Status.WAITING:
            return []
        newer = newer_with_key(connection, run.flow, run.supersede, run.id)
        return [] if newer is None else self._apply(connection, run.id, Superseded(newer))[1]

    def _save_secrets(self, connection: sqlite3.Connection, run_id: int, transition: Transition) -> None:
        for name, value in transition.secrets.items():
            assert self.seal is not None  # whoever uses flows with secrets has set it
            connection.execute(
                "INSERT OR REPLACE INTO secrets (run, name, sealed) VALUES (?, ?, ?)",
                (run_id, name, self.seal(value, name)),
            )

    def _pass_places_on(self, connection: sqlite3.Connection, before: Run, after: Run) -> list[Leased]:
        """A run of a flow with a limit has given its place away: the next in line gets it. If that one only waits, it
        gives it away at once, to the next."""
        leased: list[Leased] = []
        if before.place is not Place.HELD or after.place is Place.HELD:
            return leased
        while (waiting := next_in_line(connection, after.flow)) is not None:
            transition, more = self._apply(connection, waiting, PlaceGiven())
            leased += more
            if transition.run.place is not Place.FREE:
                break
        return leased

    def _present(self, connection: sqlite3.Connection, person: PersonId) -> PersonId:
        """The id under which somebody counts now: a door may have looked them up just before they were merged."""
        who = load_people(connection, self._kept, [person]).get(person)
        return who.id if who is not None else person

    # -- effects ------------------------------------------------------------------------------------------------

    async def due(self, lane: Lane, limit: int) -> list[Leased]:
        """Effects of a lane that are due now, the longest due first."""
        now = self._clock.now()
        return await self._reader.run(lambda c: outbox.due(c, lane, now, limit))

    async def next_due(self) -> datetime | None:
        """When the next effect falls due that is not due yet."""
        now = self._clock.now()
        return await self._reader.run(lambda c: outbox.next_due(c, now))

    async def settle(self, leased: Leased) -> None:
        """The effect was performed, and nobody has to hear of it."""
        await self._writer.run(lambda c: outbox.settle(c, leased.id))

    async def settle_card(
        self,
        leased: Leased,
        *,
        shown: int,
        posted: str,
        ts: str,
        team: str | None = None,
        told: int | None = None,
    ) -> None:
        """A card shows version ``shown``, and its thread tells of all decisions up to the place ``told``; if it is behind
        already, its effect goes on."""
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> list[Leased]:
            again = outbox.settle_card(connection, leased, shown, posted, ts, now, team=team, told=told)
            return [again] if again else []

        await self._write(work, ready=lambda result: result)

    async def postpone(self, leased: Leased, until: datetime, error: str, *, counts: bool = True) -> None:
        """The effect could not be performed now; it is due again at ``until``. ``counts``: it was tried."""
        await self._writer.run(lambda c: outbox.postpone(c, leased.id, until, error, counts=counts))

    async def park(self, leased: Leased, error: str, waits_for: str | None = None) -> None:
        """Only a person can help this effect, or ``waits_for``; it is shown on the run."""
        now = self._clock.now()
        await self._writer.run(lambda c: outbox.park(c, leased.id, now, error, waits_for))

    async def remember(self, leased: Leased, memo: Mapping[str, Json]) -> None:
        """Keep a note for the effect's next delivery, durably."""
        await self._writer.run(lambda c: outbox.remember(c, leased.id, dict(memo)))

    async def free(self, effect: int) -> Leased | None:
        """A person has freed a parked effect. None where no such effect is parked."""
        now = self._clock.now()
        return await self._write(lambda c: outbox.free(c, effect, now), ready=lambda leased: [leased] if leased else [])

    # -- people -------------------------------------------------------------------------------------------------

    async def find_person(self, handle: str) -> Person | None:
        """Who stands behind a handle that was seen before."""
        return await self._reader.run(lambda c: people.find(c, handle))

    async def person(self, person: PersonId) -> Person | None:
        """A person by id; one that was merged away leads to who took over."""
        return await self._reader.run(lambda c: people.get(c, person))

    async def know(
        self,
        who: Person,
        handles: Sequence[str],
        *,
        same: Collection[PersonId] = (),
        teams: Collection[str] = (),
    ) -> Person:
        """Let these handles stand for one human, described by ``who`` (its ``id`` is not used), and return them.

        Handles that stood for several humans merge them, and everything open is recounted, in the same
        transaction: in between, one human could fill two seats.

        Two users of a workspace are never one human, and users of two are only where the directory says so: ``same`` are
        people who have an address of these now, by an account in another workspace. Otherwise an address that stood for
        another user is handed over to ``who``, and nothing else of that user's: it was given to somebody new. Only a
        bare address is: ``ann+2@`` for a second account leaves ``ann@`` where it is. Whoever is known by an account in
        one of ``teams`` stays known by it.
        """

        def work(connection: sqlite3.Connection) -> tuple[Person, list[Leased]]:
            self._kept.people_change()
            holders = {handle: one for handle in handles if (one := people.find(connection, handle)) is not None}
            slack = who.slack or next((one.slack for one in holders.values() if one.slack is not None), None)
            others_own = {
                handle: one for handle, one in holders.items() if people.are_two(connection, one, slack, same)
            }
            known = dict.fromkeys(one.id for handle, one in holders.items() if handle not in others_own)
            if not known:
                person = people.add(connection, who, handles)
                self._hand_over(connection, others_own, person.id)
                return person, []
            kept, *others = known
            leased: list[Leased] = []
            for gone in others:
                leased += self._merge(connection, kept, gone)
            before = people.get(connection, kept)
            person = replace(people.described(before, who, teams), id=kept)
            person = replace(person, slack=person.slack or slack)
            if person != before:
                people.update(connection, person)
            people.attach(connection, kept, handles)
            self._hand_over(connection, others_own, kept)
            return person, leased

        person, _ = await self._write(work, ready=lambda result: result[1])
        return person

    async def delegate(self, new: Delegation) -> Delegation:
        """Save a delegation; its id is given here. Raises ``Circle``."""

        def work(connection: sqlite3.Connection) -> Delegation:
            delegations.close_those_over(connection, self._kept, self._clock.now())
            mine = replace(
                new,
                person=self._present(connection, new.person),
                delegate=self._present(connection, new.delegate),
                made_by=self._present(connection, new.made_by),
            )
            check_no_circle(mine, delegations.in_force(connection, self._kept))
            return delegations.add(connection, self._kept, mine)

        return await self._writer.run(work)

    async def end_delegation(self, delegation: int) -> None:
        """End one now; one that is over stays as it is."""
        now = self._clock.now()
        await self._writer.run(lambda c: delegations.end(c, self._kept, delegation, now))

    async def merge(self, kept: PersonId, gone: PersonId) -> Person:
        """Let two people be one human from now on, because somebody says so. Everything open is recounted in the same
        transaction. What ``kept`` lacks is taken from ``gone``."""

        def work(connection: sqlite3.Connection) -> tuple[Person, list[Leased]]:
            self._kept.people_change()
            stays, goes = people.get(connection, kept), people.get(connection, gone)
            if stays is None or goes is None or stays.id == goes.id:
                raise ValueError("two people are needed")
            leased = self._merge(connection, stays.id, goes.id)
            person = replace(
                stays, email=stays.email or goes.email, slack=stays.slack or goes.slack, tz=stays.tz or goes.tz
            )
            people.update(connection, person)
            return person, leased

        person, _ = await self._write(work, ready=lambda result: result[1])
        return person

    def _hand_over(self, connection: sqlite3.Connection, holders: Mapping[str, Person], to: PersonId) -> None:
        for handle, holder in holders.items():
            if identity(handle) == handle:
                people.hand_over(connection, handle, holder, to)

    def _merge(self, connection: sqlite3.Connection, kept: PersonId, gone: PersonId) -> list[Leased]:
        concerned = people.concerned(connection, gone)
        people.merge(connection, kept, gone)
        delegations.merge(connection, self._kept, kept, gone)
        leased: list[Leased] = []
        for run_id in concerned:
            leased += self._apply(connection, run_id, PeopleMerged(kept, gone))[1]
        return leased

    # -- reading ------------------------------------------------------------------------------------------------

    async def read(self, work: Callable[[sqlite3.Connection, Kept], T]) -> T:
        """Read with one of the functions in ``flows.store.reads``, from one snapshot."""
        return await self._reader.run(lambda c: work(c, self._read_kept))

    async def brief(self, leased: Leased) -> tuple[Leased, Brief] | None:
        """An action's effect as it is now, and what performing it takes; None where it is no longer wanted."""
        return await self.read(lambda c, kept: reads.brief(c, kept, leased))

    async def ledger(self, run_id: int) -> list[ledger.Entry]:
        """The run's entries in order."""
        return await self._reader.run(
            lambda c: [
                ledger.Entry(seq, from_ms(at), payload, salt, digest)
                for seq, at, payload, salt, digest in c.execute(
                    "SELECT seq, at, payload, salt, hash FROM ledger WHERE run = ? ORDER BY seq", (run_id,)
                )
            ]
        )

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Write something that is no run's business (tokens), in a transaction of its own."""
        return await self._writer.run(work)

    async def ask(self, work: Callable[[sqlite3.Connection, Iterator[int]], Sequence[Leased]]) -> Sequence[Leased]:
        """Ask for effects beside any run's transition: messages, mostly. ``work`` gets the numbers for them."""
        return await self._write(lambda c: work(c, self._effects), ready=lambda leased: leased)

    # -- inside -------------------------------------------------------------------------------------------------

    async def _write(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        ready: Callable[[T], Sequence[Leased]],
        moved: Callable[[T], int] | None = None,
    ) -> T:
        def after(result: T) -> None:
            leased = ready(result)
            if leased:
                self._ready(leased)
            if self._watchers:
                # Others move along with a run: those that waited for its place, or whose people were merged.
                runs = {one.run for one in leased} | ({moved(result)} if moved is not None else set())
                for watcher in self._watchers:
                    for run in runs:
                        watcher(run)

        return await self._writer.run(work, after)

    def _begin(self, connection: sqlite3.Connection) -> None:
        self._kept.begin()
        (epoch,) = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        if epoch != self._epoch:
            raise StoreError("another process has taken this database over; this one must stop")


def _nobody(_leased: Sequence[Leased]) -> None:
    """Until a runner listens, effects wait in the outbox."""


def _head(connection: sqlite3.Connection, kept: Kept, run: int, seq: int) -> bytes:
    digest = kept.head(run, seq)
    if digest is None:
        (digest,) = connection.execute("SELECT hash FROM ledger WHERE run = ? AND seq = ?", (run, seq)).fetchone()
    return digest


def _briefed(leased: Leased, plan: Plan, known: Known | None) -> Leased:
    effect = leased.effect
    if not isinstance(effect, PerformAction) or known is None or plan.has_secrets:
        return leased
    step = plan.at(effect.path)
    prefetched = (
        step.prefetches
        and known.steps[effect.path].woken is None
        and not lacks(plan, effect.path, known, step.performing_reads)
    )
    return replace(leased, brief=Brief(plan, step, known, {}, effect.path)) if prefetched else leased


def _place_free(connection: sqlite3.Connection, plan: Plan) -> bool:
    limit = plan.flow.concurrency
    return limit is None or places_held(connection, plan.flow.flow) < limit.limit


def _started_before(connection: sqlite3.Connection, once: Key, now: datetime) -> int | None:
    row = connection.execute(
        "SELECT run, body FROM starts WHERE token = ? AND key = ? AND at >= ?",
        (once.token, once.key, to_ms(now - KEEP_STARTS)),
    ).fetchone()
    if row is None:
        return None
    if row[1] not in once.request:
        raise KeyReused("This Idempotency-Key was used for another request already; use a new one.")
    return int(row[0])


def _create(path: Path) -> None:
    """Make the file where there is none, for its owner alone; SQLite gives the journal beside it the same mode.

    Said as it is made, so that there is no moment in which others could open it, and no umask to change: a process
    has only one, for all of its threads.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE))


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _prepare_reader(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA query_only = ON")


def _begin_epoch(connection: sqlite3.Connection, now: datetime) -> tuple[bytes, int, int, int]:
    """The id seed, made with the database; the number of this opening; the newest run's number, and effect's.

    Numbers begin at what the clock says, ten a second since 2026: after a restore from a backup, no run is given the
    number, and with it the links and idempotency keys, of one that was lost.
    """
    connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('seed', ?)", (os.urandom(16),))
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('epoch', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1"
    )
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()
    (effects,) = connection.execute("SELECT coalesce(max(id), 0) FROM effects").fetchone()
    return meta["seed"], meta["epoch"], max(newest, (now - _NUMBERED_SINCE) // timedelta(milliseconds=100)), effects
