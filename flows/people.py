"""People as the engine knows them: opaque ids, what a handle stands for, and when that was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

PersonId = int
"""The number behind ``per_...``. One human, one id, however many handles."""

FRESH = timedelta(minutes=10)
"""How long a roster may be used to open a suspension without asking the directory again.

Long enough for the approvals that follow a start directly, short enough that somebody who left this
morning is not asked this afternoon. Who may *decide* is read anew with each decision.
"""


@dataclass(frozen=True, slots=True)
class Person:
    """One human. ``slack`` is ``T.../U...``, ``tz`` an IANA name; each is None where unknown."""

    id: PersonId
    name: str
    email: str | None = None
    slack: str | None = None
    tz: str | None = None

    @property
    def reachable(self) -> bool:
        return self.slack is not None or self.email is not None


@dataclass(frozen=True, slots=True)
class Roster:
    """What the directory said about some handles, and when.

    ``people`` maps a handle to one person, ``groups`` a handle to its members, ``gaps`` a handle to why
    nobody stands behind it ("has left Slack"). Every handle that was asked for is in exactly one of them. ``named``
    says what a group is called by everybody, where it was asked for as somebody's ``@group`` among several; it is in
    ``groups`` by both.
    """

    read_at: datetime
    people: Mapping[str, PersonId] = field(default_factory=dict)
    groups: Mapping[str, tuple[PersonId, ...]] = field(default_factory=dict)
    gaps: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)

    def called(self, handle: str) -> str:
        """What the group behind a handle is called by everybody; any other handle is as it is."""
        return self.named.get(handle, handle)

    def covers(self, handles: Iterable[str], *, now: datetime) -> bool:
        """Whether it answers for all of these handles and is fresh enough to open a suspension with."""
        known = self.people.keys() | self.groups.keys() | self.gaps.keys()
        return now - self.read_at <= FRESH and known.issuperset(handles)

    def ids(self) -> frozenset[PersonId]:
        """Everybody in it."""
        return frozenset(self.people.values()).union(*self.groups.values())


@dataclass(frozen=True, slots=True)
class Memberships:
    """Of which groups a person was a member, read from the directory at ``read_at``, just before a decision."""

    groups: frozenset[str]
    read_at: datetime
