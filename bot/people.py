"""The directory: one human, many handles (Slack ids, mail addresses, user groups).

Slack is asked where it is connected; without it, people are their mail addresses. What was learned is kept as
handles of one person, so that whoever clicks in Slack, follows a mail's link and calls the API fills one seat.
"Not found" is an answer; "could not ask" is ``TryAgain`` and never makes a second person of somebody.

A Slack id is one human's for ever. An address is whose Slack says it is now: it may be given to somebody new.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from flows.clock import Clock
from flows.errors import ActionError, NotAllowed, TryAgain
from flows.handles import identity, is_email, is_group, is_slack, normalise
from flows.people import Memberships, Person, PersonId, Roster
from flows.store.sqlite import SqliteStore

T = TypeVar("T")

TRUSTED = timedelta(hours=24)
"""How long Slack's last word that somebody is there is enough, while Slack cannot be asked: an outage is shorter."""

_LEFT = "has left Slack"


class Member(Protocol):
    """A user as Slack describes one (``integrations.slack.SlackUser``)."""

    @property
    def id(self) -> str: ...
    @property
    def team_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str | None: ...
    @property
    def tz(self) -> str | None: ...
    @property
    def deleted(self) -> bool: ...
    @property
    def stranger(self) -> bool: ...


class Slack(Protocol):
    """What is asked of Slack (``integrations.slack.SlackDirectory``); each raises ``ActionError``."""

    @property
    def team_id(self) -> str: ...

    async def user(self, user_id: str, *, fresh: bool = False) -> tuple[Member | None, datetime]: ...
    async def by_email(self, email: str, *, fresh: bool = False) -> tuple[Member | None, datetime]: ...
    async def members(self, handle: str, *, fresh: bool = False) -> tuple[tuple[Member, ...] | None, datetime]: ...
    async def is_member(self, handle: str, user_id: str) -> tuple[bool, datetime]: ...


class People:
    """Who is who, for the engine and for the doors. ``admins`` are mail addresses."""

    def __init__(self, store: SqliteStore, clock: Clock, *, slack: Slack | None, admins: Iterable[str] = ()) -> None:
        self._store = store
        self._clock = clock
        self._slack = slack
        self._admin_addresses = frozenset(identity(normalise(admin)) for admin in admins)
        self._admins: set[PersonId] = set()
        self._present: dict[PersonId, datetime] = {}
        """When Slack last said of somebody that they are there."""

    async def load_admins(self) -> None:
        """Find out who the admins are. Called at start; who turns up later is recognised when they do."""
        for address in sorted(self._admin_addresses):
            person = await self._store.find_person(address)
            if person is not None:
                self._judge(person)

    # -- for the doors ------------------------------------------------------------------------------------------

    async def by_slack(self, team: str, user: str) -> Person:
        """The person who acts as this Slack user. Raises ``TryAgain`` where Slack cannot be asked."""
        if self._slack is None or team != self._slack.team_id:
            # Somebody of another workspace (Slack Connect): known by that id alone. Their workspace's word
            # about a mail address is not taken: it could claim anybody's.
            return await self._know(Person(0, f"{team}/{user}", slack=f"{team}/{user}"), [f"{team}/{user}"])
        try:
            member = (await self._ask(self._slack.user(user)))[0]
        except TryAgain as refusal:
            # Slack is there and says "too often" (users.info: 100 a minute, which a busy card exceeds). Its signature says
            # who clicked, and whoever has been here before is known by that id for certain.
            known = await self._store.find_person(f"{team}/{user}") if _too_often(refusal) else None
            if known is None:
                raise
            return self._judge(known)
        if member is None:
            raise TryAgain("Slack does not know you. Please try again; if it stays like this, ask an admin.")
        return await self._of_member(member)

    async def by_email(self, email: str) -> Person:
        """The person who is reached by this mail address. Raises ``TryAgain`` where Slack cannot be asked."""
        handle = normalise(email)
        found = await self._in_slack(handle)
        if found is not None:
            return found
        known = await self._store.find_person(handle)
        return self._judge(known) if known else await self._know(Person(0, handle, email=handle), [handle])

    async def by_id(self, person: PersonId) -> Person | None:
        """The person behind an id that a link or a token carries; one that was merged away leads to who took over."""
        who = await self._store.person(person)
        if who is not None:
            # A token may have been made for an admin who had never come through a door before.
            self._judge(who)
        if who is not None and who.slack is None and who.email is not None and self._slack is not None:
            # Whoever first came with a token is an address only, until Slack is asked who that is.
            with suppress(TryAgain):
                return await self.by_email(who.email)
        return who

    async def present(self, who: Person) -> Person:
        """``who`` as Slack has them now, before they act by a link or a token, which outlive their account.

        Raises ``NotAllowed`` where they have left, ``TryAgain`` where Slack cannot be asked and has not said for 24
        hours that they are there. Whoever has no account in this workspace is taken as they are.
        """
        if self._slack is None or who.slack is None:
            return who
        try:
            there = await self._still_there(who)
        except TryAgain:
            seen = self._present.get(who.id)
            if seen is None or self._clock.now() - seen > TRUSTED:
                raise
            return who
        if isinstance(there, str):
            raise NotAllowed(f"{who.name} {_LEFT}. Nothing can be done in their name any more.")
        return there

    async def known(self, handle: str) -> Person | None:
        """Who was seen under this handle before; nobody is asked, and nobody is made. Raises ``InvalidHandle``."""
        return await self._store.find_person(normalise(handle))

    # -- for the engine -----------------------------------------------------------------------------------------

    def is_admin(self, person: PersonId) -> bool:
        return person in self._admins

    async def resolve(self, handles: Iterable[str]) -> Roster:
        people: dict[str, PersonId] = {}
        groups: dict[str, tuple[PersonId, ...]] = {}
        gaps: dict[str, str] = {}
        for handle in handles:
            if is_group(handle):
                found = await self._group(handle)
                if found is None:
                    gaps[handle] = self._no_group()
                else:
                    groups[handle] = found
                continue
            person = await self._one(handle)
            if isinstance(person, Person):
                people[handle] = person.id
            else:
                gaps[handle] = person
        return Roster(self._clock.now(), people, groups, gaps)

    async def memberships(self, person: PersonId, groups: Iterable[str]) -> Memberships:
        belongs: set[str] = set()
        read_at = self._clock.now()
        who = await self._store.person(person)
        team, _, user = (who.slack or "").rpartition("/") if who is not None else ("", "", "")
        for handle in groups:
            if self._slack is None or team != self._slack.team_id:
                break  # nobody is a member of a workspace's group but that workspace's users
            # Of this one person only: in a group of a thousand, a thousand clicks would look at a million.
            belongs_to, at = await self._ask(self._slack.is_member(handle, user))
            read_at = min(read_at, at)
            if belongs_to:
                belongs.add(handle)
        return Memberships(frozenset(belongs), read_at)

    # -- inside -------------------------------------------------------------------------------------------------

    async def _one(self, handle: str) -> Person | str:
        """The person behind a handle, or why there is nobody."""
        if is_email(handle):
            return await self._at(handle)
        assert is_slack(handle)  # handles are normalised: an address, a group or a Slack id
        team, _, user = handle.rpartition("/")
        if self._slack is None:
            return "Slack is not connected"
        if team and team != self._slack.team_id:
            return await self.by_slack(team, user)
        member = (await self._ask(self._slack.user(user)))[0]
        if member is None:
            return "Slack knows no such user"
        return _LEFT if member.deleted else await self._of_member(member)

    async def _at(self, address: str) -> Person | str:
        """Who has a mail address now, or why nobody does."""
        known = await self._store.find_person(address)
        if known is None or known.slack is None or self._slack is None:
            return await self.by_email(address)
        # Whoever had it last is asked about first: Slack bears that twice as often as the search by address.
        there = await self._still_there(known)
        if isinstance(there, Person) and there.email == address:
            return there
        # Slack finds nobody for somebody who has left; their id still tells that they were there.
        return await self._in_slack(address) or there

    async def _in_slack(self, address: str) -> Person | None:
        """Whom Slack finds by a mail address now, with its tag or without."""
        if self._slack is None:
            return None
        for spelling in dict.fromkeys((address, identity(address))):
            member = (await self._ask(self._slack.by_email(spelling)))[0]
            if member is not None:
                return await self._of_member(member)
        return None

    async def _still_there(self, known: Person) -> Person | str:
        assert self._slack is not None
        assert known.slack is not None
        team, _, user = known.slack.rpartition("/")
        if team != self._slack.team_id:
            return known
        member = (await self._ask(self._slack.user(user)))[0]
        if member is None or member.deleted:
            self._present.pop(known.id, None)
            return _LEFT
        return await self._of_member(member)

    async def _group(self, handle: str) -> tuple[PersonId, ...] | None:
        if self._slack is None:
            return None
        members, _ = await self._ask(self._slack.members(handle))
        if members is None:
            return None
        persons = [await self._of_member(member) for member in members if not member.deleted]
        return tuple(dict.fromkeys(person.id for person in persons))

    def _no_group(self) -> str:
        return "Slack is not connected" if self._slack is None else "Slack knows no such user group"

    async def _of_member(self, member: Member) -> Person:
        slack = f"{member.team_id}/{member.id}"
        # A stranger's mail address is their own workspace's word; see by_slack.
        email = normalise(member.email) if member.email and not member.stranger else None
        who = Person(0, member.name, email, slack, member.tz)
        person = await self._know(who, [slack, *([email] if email else [])])
        if not member.deleted:
            self._present[person.id] = self._clock.now()
        return person

    async def _know(self, who: Person, handles: list[str]) -> Person:
        known = await self._store.find_person(handles[0])
        same = known is not None and (known.name, known.tz) == (who.name, who.tz or known.tz)
        if known is not None and same and (who.email in (None, known.email)) and (who.slack in (None, known.slack)):
            person = known
        else:
            person = await self._store.know(who, handles)
        return self._judge(person)

    def _judge(self, who: Person) -> Person:
        """Settle whether they are an admin, by the address that they have now."""
        if who.email is not None and identity(who.email) in self._admin_addresses:
            self._admins.add(who.id)
        else:
            self._admins.discard(who.id)
        return who

    async def _ask(self, question: Awaitable[tuple[T, datetime]]) -> tuple[T, datetime]:
        try:
            return await question
        except ActionError as error:
            raise TryAgain("Slack does not answer right now. Nothing was recorded; please try again.") from error


def _too_often(refusal: TryAgain) -> bool:
    return isinstance(refusal.__cause__, ActionError) and refusal.__cause__.retry_after is not None
