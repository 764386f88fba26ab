"""What one person's inbox reads: what waits for them, what they asked for, what they decided. Functions over
``sqlite3.Connection``, inside one snapshot.

Each finds the keys of its page first, in small rows along an index, and only then reads what it shows of them: a page
costs the same whether its person has ten runs or ten thousand.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic_core import from_json

from flows import quorum
from flows.definition import Approval, Wait
from flows.delegation import Delegation, delegates, for_wait, principals
from flows.instants import from_ms, to_ms
from flows.people import PersonId
from flows.plan import wait_of
from flows.rules import Seat
from flows.store.kept import Kept
from flows.store.reads import run_view, suspension_view
from flows.store.rows import ASKING, DELEGATION, SUSPENSION, delegation_of, suspension_of
from flows.store.slices import load_people, load_run
from flows.views import RunView, SuspensionView

Connection = sqlite3.Connection
Key = tuple[int, int]
"""A suspension: its run, and its number there."""

LOOKED_THROUGH = 2_000
"""Suspensions that are looked through for one person, the nearest deadlines first; of more, the rest is not counted."""

SHOWN = 12
"""Steps, and suspensions, of a run that a list reads of it."""

_TOUCHED = 2_000  # suspensions of one run that are looked at to see whom a change of it concerns

_SEATED = (
    "SELECT seats.run, seats.n, seats.who, s.due, r.requester, d.flow, json_extract(s.more, '$.clocks.snoozed'), "
    "json_extract(s.more, '$.clocks.relieved'), "
    "(SELECT json_group_array(json_array(x.person, x.acted)) FROM decisions x "
    "WHERE x.run = s.run AND x.n = s.n AND (x.person IN (SELECT value FROM json_each(:people)) OR x.acted = :me)) "
    "FROM json_each(:seats) seat JOIN seats ON seats.who = seat.value JOIN suspensions s USING (run, n) "
    "JOIN runs r ON r.id = seats.run JOIN definitions d ON d.id = r.definition "
    "ORDER BY s.due IS NULL, s.due, seats.run, seats.n LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Waits:
    """One thing that waits for somebody. ``principal`` is for whom they would answer it, None: for themselves.
    ``snoozed_until`` is set where they want to hear nothing of it before."""

    view: SuspensionView
    principal: PersonId | None = None
    snoozed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A page of what waits for somebody now, and of what they have put off, the nearest deadline first.

    ``total`` and ``later_total`` count all that passes the filter. The filter left out: ``flows`` are those that any of
    it is of, ``whose`` is all of it by run and number, with whose seat it would fill, and ``answered`` counts what is
    open and they have answered.
    """

    items: tuple[Waits, ...]
    total: int
    later: tuple[Waits, ...] = ()
    later_total: int = 0
    flows: tuple[str, ...] = ()
    whose: Mapping[Key, PersonId] = field(default_factory=dict)
    answered: int = 0


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom a change of some runs concerns: people, and the members of groups."""

    people: frozenset[PersonId] = frozenset()
    groups: frozenset[str] = frozenset()


# -- what waits for them --------------------------------------------------------------------------------------


def standing_in(connection: Connection, person: PersonId, now: datetime) -> tuple[Delegation, ...]:
    """The delegations in force now by which ``person`` may come to answer for somebody, whatever the flow."""
    rows = connection.execute(
        f"SELECT {DELEGATION} FROM delegations WHERE ended_at IS NULL AND ends > ? AND starts <= ?",
        (to_ms(now), to_ms(now)),
    )
    held = tuple(map(delegation_of, rows))
    for_whom = {person, *principals(held, person)}
    return tuple(one for one in held if one.delegate in for_whom)


def waiting(
    connection: Connection,
    kept: Kept,
    person: PersonId,
    seats: Mapping[PersonId, Iterable[str]],
    delegations: Sequence[Delegation],
    *,
    now: datetime,
    flow: str | None = None,
    before: datetime | None = None,
    limit: int,
    offset: int = 0,
    later: int = 0,
) -> Waiting:
    """What ``person`` could answer now and has not: a page of it, and the first ``later`` of what they have put off.

    ``seats`` are the groups of the person and of each of those for whom they may stand in by ``delegations``.
    ``flow`` and ``before`` (the deadline) filter. Nothing is in it that they may not decide: not what they have started
    and may not approve, and not what was decided in the same name.
    """
    found: dict[Key, _Seated] = {}
    asked = [*seats, *dict.fromkeys(group for groups in seats.values() for group in groups)]
    given = {"seats": json.dumps(asked), "people": json.dumps(list(seats)), "me": person, "limit": LOOKED_THROUGH}
    for run, n, who, due, requester, name, snoozed, relieved, decided in connection.execute(_SEATED, given):
        one = found.get((run, n))
        if one is None:
            said = frozenset(human for pair in from_json(decided) for human in pair if human is not None)
            found[run, n] = one = _Seated(name, due, requester, said, _until(snoozed, person), _relieved(relieved), [])
        one.seats.append(who)
    belongs = {one: frozenset(groups) for one, groups in seats.items()}
    open_: list[tuple[Key, PersonId | None, datetime | None]] = []
    put_off: list[tuple[Key, PersonId | None, datetime | None]] = []
    flows: dict[str, None] = {}
    all_: dict[Key, PersonId] = {}
    for key, one in found.items():
        whose = _whose(connection, kept, key, one, person, belongs, delegations, now)
        if whose is None:
            continue
        flows[one.flow], all_[key] = None, whose
        if (flow is not None and one.flow != flow) or (before is not None and not _is_due(one.due, before)):
            continue
        snoozed_until = one.snoozed_until if one.snoozed_until and one.snoozed_until > now else None
        item = key, None if whose == person else whose, snoozed_until
        (put_off if snoozed_until else open_).append(item)
    return Waiting(
        tuple(_read(connection, kept, open_[offset : offset + limit], person)),
        len(open_),
        tuple(_read(connection, kept, put_off[:later], person)),
        len(put_off),
        tuple(sorted(flows)),
        all_,
        sum(person in one.decided for one in found.values()),
    )


@dataclass(slots=True)
class _Seated:
    flow: str
    due: int | None
    requester: PersonId
    decided: frozenset[PersonId]
    snoozed_until: datetime | None
    relieved: frozenset[PersonId]
    seats: list[Seat]


def _whose(
    connection: Connection,
    kept: Kept,
    key: Key,
    one: _Seated,
    person: PersonId,
    belongs: Mapping[PersonId, frozenset[str]],
    delegations: Sequence[Delegation],
    now: datetime,
) -> PersonId | None:
    """In whose name the person could answer it: their own first. None: they cannot, or have."""
    if person in one.decided:
        return None

    def asked(who: PersonId) -> bool:
        groups = frozenset() if who in one.relieved else belongs.get(who, frozenset())
        return any(seat == who or seat in groups for seat in one.seats)

    def may(who: PersonId) -> bool:
        # What the wait allows stands in its definition, which is looked at only where it can make a difference.
        return one.requester != who or _allows_own(_wait(connection, kept, key))

    if asked(person):
        return person if may(person) else None
    in_force = [each for each in delegations if each.holds(one.flow, now)]
    wait = _wait(connection, kept, key) if principals(in_force, person) else None
    if not isinstance(wait, Wait):
        return None
    for who in principals(for_wait(in_force, wait, requester=one.requester), person):
        if asked(who) and who not in one.decided and may(who) and may(person):
            return who
    return None


def _allows_own(wait: object) -> bool:
    """Whether people may answer their own requests."""
    return not isinstance(wait, Approval) or wait.self_approval


def _wait(connection: Connection, kept: Kept, key: Key) -> object:
    run, n = key
    plan, _ = load_run(connection, kept, run)
    row = connection.execute(f"SELECT {SUSPENSION} FROM suspensions WHERE run = ? AND n = ?", (run, n)).fetchone()
    suspension = suspension_of(row)
    return wait_of(plan.at(suspension.path), suspension)


def _is_due(due: int | None, before: datetime) -> bool:
    return due is not None and due < to_ms(before)


def _relieved(people: str | None) -> frozenset[PersonId]:
    return frozenset() if people is None else frozenset(from_json(people))


def _until(snoozed: str | None, person: PersonId) -> datetime | None:
    until = None if snoozed is None else from_json(snoozed).get(str(person))
    return None if until is None else from_ms(until)


def _read(
    connection: Connection,
    kept: Kept,
    keys: Iterable[tuple[Key, PersonId | None, datetime | None]],
    reader: PersonId,
) -> Iterable[Waits]:
    for (run, n), principal, until in keys:
        view = suspension_view(connection, kept, run, n, reader=principal or reader)
        if view is not None:
            yield Waits(view, principal, until)


# -- what they asked for, and what they decided ---------------------------------------------------------------


def requested(
    connection: Connection,
    kept: Kept,
    person: PersonId,
    *,
    limit: int,
    offset: int = 0,
    flow: str | None = None,
    before: datetime | None = None,
) -> list[RunView]:
    """Runs that ``person`` has started: open ones first, then the newest. Of each only what a list shows.

    ``before``: only those of which somebody is asked whose deadline comes sooner than that.
    """
    ids = _ids(connection, person)
    where = "requester = ?"
    more: list[object] = []
    if flow is not None:
        where += " AND definition IN (SELECT id FROM definitions WHERE flow = ?)"
        more.append(flow)
    if before is not None:
        where += (
            " AND outcome IS NULL AND EXISTS (SELECT 1 FROM suspensions s WHERE s.run = runs.id AND s.how IS NULL "
            f"AND s.kind IN ({', '.join(map(str, ASKING))}) AND s.due < ?)"
        )
        more.append(to_ms(before))
    # By each id apart, so that each is read along the index and no further than the page goes.
    each = (
        f"SELECT * FROM (SELECT outcome IS NULL AS open, id FROM runs WHERE {where} "
        "ORDER BY outcome IS NULL DESC, id DESC LIMIT ?)"
    )
    rows = connection.execute(
        f"{' UNION ALL '.join([each] * len(ids))} ORDER BY open DESC, id DESC LIMIT ? OFFSET ?",
        [value for one in ids for value in (one, *more, limit + offset)] + [limit, offset],
    ).fetchall()
    return [run_view(connection, kept, run, most=SHOWN) for _, run in rows]


def decided(
    connection: Connection,
    kept: Kept,
    person: PersonId,
    *,
    limit: int,
    offset: int = 0,
    flow: str | None = None,
) -> list[SuspensionView]:
    """Suspensions that ``person`` has answered, for themselves or for somebody else: their newest answer first."""
    ids = _ids(connection, person)
    where = ""
    more: list[object] = []
    if flow is not None:
        where = " AND EXISTS (SELECT 1 FROM runs r JOIN definitions d ON d.id = r.definition WHERE r.id = x.run AND d.flow = ?)"
        more.append(flow)
    each = [
        f"SELECT * FROM (SELECT x.at, x.run, x.n FROM decisions x WHERE {mine}{where} ORDER BY x.at DESC LIMIT ?)"
        for mine in ("x.person = ? AND x.acted IS NULL", "x.acted = ?")
    ]
    rows = connection.execute(
        f"{' UNION ALL '.join(each * len(ids))} ORDER BY at DESC, run DESC, n DESC LIMIT ? OFFSET ?",
        [value for one in ids for _ in each for value in (one, *more, limit + offset)] + [limit, offset],
    ).fetchall()
    views = (suspension_view(connection, kept, run, n, reader=person) for _, run, n in rows)
    return [view for view in views if view is not None]


def _ids(connection: Connection, person: PersonId) -> list[PersonId]:
    """The person's number, and those that were merged into it: what has ended keeps the ids that it had."""
    merged = connection.execute("SELECT id FROM people WHERE merged_into = ?", (person,)).fetchall()
    return [person, *(row[0] for row in merged)]


# -- whom a change concerns -----------------------------------------------------------------------------------


def concerned(connection: Connection, kept: Kept, runs: Iterable[int], *, since: datetime) -> Concerned:
    """Whose inbox may look different now that these runs have changed: requesters, whoever has decided in them, and
    whoever is asked by what is open, or was by what was closed ``since``. And who stands in for any of those."""
    people: set[PersonId] = set()
    groups: set[str] = set()
    for run in runs:
        row = connection.execute("SELECT requester FROM runs WHERE id = ?", (run,)).fetchone()
        if row is None:
            continue
        people.add(row[0])
        for person, acted in connection.execute("SELECT DISTINCT person, acted FROM decisions WHERE run = ?", (run,)):
            people.update({person, acted} - {None})
        rows = connection.execute(
            f"SELECT {SUSPENSION} FROM suspensions WHERE run = ? AND kind IN ({', '.join(map(str, ASKING))}) "
            f"AND (how IS NULL OR closed_at >= ?) ORDER BY n DESC LIMIT {_TOUCHED}",
            (run, to_ms(since)),
        )
        for suspension in map(suspension_of, rows):
            people.update(suspension.approvers.people)
            people.update(seat for seat in (suspension.terms.veto if suspension.terms else ()) if isinstance(seat, int))
            groups.update(quorum.groups_asked(suspension))
    people = {person.id for person in load_people(connection, kept, people).values()}
    held = tuple(map(delegation_of, connection.execute(f"SELECT {DELEGATION} FROM delegations WHERE ended_at IS NULL")))
    for person in tuple(people):
        people.update(delegates(held, person))
    return Concerned(frozenset(people), frozenset(groups))
