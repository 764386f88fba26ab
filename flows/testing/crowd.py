"""The people of a test: a directory in memory, in which people come, go and change groups."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from flows.clock import Clock
from flows.errors import TryAgain
from flows.findings import did_you_mean
from flows.handles import is_group, normalise
from flows.people import Memberships, Person, PersonId, Roster
from flows.store.sqlite import SqliteStore


class Crowd:
    """``flows.ports.Directory`` for tests.

    ``people`` are mail addresses, or ``Person`` where a Slack id or a time zone matters. ``groups`` maps
    ``@name`` to the mail addresses of its members, ``admins`` are mail addresses.
    """

    def __init__(
        self,
        people: Iterable[str | Person],
        *,
        groups: Mapping[str, Iterable[str]] | None = None,
        admins: Iterable[str] = (),
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._described = [who if isinstance(who, Person) else _described(who) for who in people]
        self._groups: dict[str, tuple[str, ...]] = {}
        self._admins = {normalise(admin) for admin in admins}
        self._gone: dict[str, str] = {}
        self._ids: dict[str, PersonId] = {}
        self._down = False
        known = {handle for who in self._described for handle in _handles(who)}
        self._described += [_described(admin) for admin in sorted(self._admins - known)]
        for name, members in (groups or {}).items():
            self.group(name, members)

    async def register(self, store: SqliteStore) -> None:
        """Let the store know everybody. Called once the store is open, and again whenever it was reopened."""
        await asyncio.gather(*[self._know(store, who) for who in self._described])

    async def meet(self, store: SqliteStore, handle: str) -> Person:
        """The person behind a handle; somebody whom no test has named before is a stranger from now on."""
        known = await store.find_person(normalise(handle))
        return known or await store.know(_described(handle), [normalise(handle)])

    # -- what a test changes ------------------------------------------------------------------------------------

    def group(self, name: str, members: Iterable[str]) -> None:
        """The group has these members from now on."""
        if not is_group(name):
            raise ValueError(f"{name!r} is not a group; groups are written like @hr")
        self._groups[normalise(name)] = tuple(normalise(member) for member in members)

    def leave(self, handle: str, reason: str = "has left Slack") -> None:
        """Somebody is gone: their handles are gaps, and they belong to no group."""
        for one in self._same(handle):
            self._gone[one] = reason

    def come_back(self, handle: str) -> None:
        for one in self._same(handle):
            self._gone.pop(one, None)

    def down(self) -> None:
        """The directory does not answer, until ``up``."""
        self._down = True

    def up(self) -> None:
        self._down = False

    async def merge(self, store: SqliteStore, *handles: str) -> Person:
        """These handles turn out to be one human."""
        known = [normalise(handle) for handle in handles]
        first = await self.meet(store, known[0])
        person = await store.know(first, known)
        gone = {self._ids[handle] for handle in known if handle in self._ids}
        self._ids = {handle: person.id if one in gone else one for handle, one in self._ids.items()}
        return person

    # -- flows.ports.Directory ----------------------------------------------------------------------------------

    async def resolve(self, handles: Iterable[str], *, requester: PersonId | None = None) -> Roster:  # noqa: ARG002 - one workspace
        self._answer()
        people: dict[str, PersonId] = {}
        groups: dict[str, tuple[PersonId, ...]] = {}
        gaps: dict[str, str] = {}
        for handle in handles:
            if handle in self._gone:
                gaps[handle] = self._gone[handle]
            elif handle in self._groups:
                groups[handle] = tuple(dict.fromkeys(self._id(member) for member in self._members(handle)))
            elif handle in self._ids:
                people[handle] = self._ids[handle]
            else:
                hint = did_you_mean(handle, [*self._ids, *self._groups], within="it has")
                gaps[handle] = "is not in this test's crowd" + (f"; {hint}" if hint else "")
        return Roster(self._clock.now(), people, groups, gaps)

    async def memberships(self, person: PersonId, groups: Iterable[str], *, fresh: bool = False) -> Memberships:  # noqa: ARG002 - always
        self._answer()
        own = {handle for handle, who in self._ids.items() if who == person}
        belongs = {group for group in groups if not own.isdisjoint(self._members(group))}
        return Memberships(frozenset(belongs), self._clock.now())

    async def outsider(self, person: PersonId) -> str | None:  # noqa: ARG002 - all of them are colleagues
        self._answer()
        return None

    def is_admin(self, person: PersonId) -> bool:
        return any(self._ids.get(admin) == person for admin in self._admins)

    # -- inside -------------------------------------------------------------------------------------------------

    def _answer(self) -> None:
        if self._down:
            raise TryAgain("The directory does not answer right now. Nothing was recorded; please try again.")

    def _members(self, group: str) -> list[str]:
        return [member for member in self._groups.get(group, ()) if member not in self._gone]

    def _id(self, handle: str) -> PersonId:
        if handle not in self._ids:
            hint = did_you_mean(handle, self._ids, within="it has")
            raise LookupError(f"{handle} belongs to a group and is not in the crowd" + (f"; {hint}" if hint else ""))
        return self._ids[handle]

    def _same(self, handle: str) -> list[str]:
        """All handles of the person behind one of them."""
        normal = normalise(handle)
        person = self._id(normal)
        return [one for one, who in self._ids.items() if who == person]

    async def _know(self, store: SqliteStore, who: Person) -> None:
        handles = _handles(who)
        person = await store.find_person(handles[0]) or await store.know(who, handles)
        self._ids |= dict.fromkeys(handles, person.id)


def _described(handle: str) -> Person:
    """A person of whom only a handle is known: ``ann.lee@example.com`` is called Ann Lee."""
    normal = normalise(handle)
    local, at, _ = normal.partition("@")
    return Person(0, local.replace(".", " ").replace("_", " ").title() if at else normal, normal if at else None)


def _handles(who: Person) -> list[str]:
    handles = [normalise(who.email)] if who.email else []
    if who.slack:
        # In flows a user of one's own workspace is written without the workspace.
        handles += [who.slack, who.slack.rpartition("/")[2]]
    if not handles:
        raise ValueError(f"{who.name} has neither a mail address nor a Slack id, so nobody could ask them")
    return list(dict.fromkeys(handles))
