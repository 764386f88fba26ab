"""The directory: one human, many handles (Slack ids of several workspaces, mail addresses, user groups).

Slack is asked where it is connected; without it, people are their mail addresses. What was learned is kept as
handles of one person, so that whoever clicks in Slack, follows a mail's link and calls the API fills one seat.
"Not found" is an answer; "could not ask" is ``TryAgain`` and never makes a second person of somebody.

A Slack id is one human's for ever. An address is whose Slack says it is now: it may be given to somebody new. Accounts
in two workspaces that have one address now are one human's; two of one workspace are two humans.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from bot.workspaces import Workspaces
from flows.clock import Clock
from flows.errors import ActionError, NotAllowed, Refused, TryAgain
from flows.handles import group_of, identity, is_email, is_group, is_slack, normalise
from flows.people import Memberships, Person, PersonId, Roster
from flows.store import people as rows
from flows.store.sqlite import SqliteStore

T = TypeVar("T")

TRUSTED = timedelta(hours=24)
"""How long Slack's last word that somebody is there is enough, while Slack cannot be asked: an outage is shorter."""

_LEFT = "has left Slack"
_OUTSIDER = "is a guest, a bot, of another company, or has left Slack"


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
    @property
    def full_member(self) -> bool: ...
    @property
    def confirmed(self) -> bool: ...


class Left(NotAllowed):
    """Somebody whose account was deactivated: nothing counts that is done with it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} {_LEFT}. Nothing can be done in their name any more.")


class People:
    """Who is who, for the engine and for the doors. ``admins`` are mail addresses."""

    def __init__(
        self, store: SqliteStore, clock: Clock, *, slack: Workspaces | None = None, admins: Iterable[str] = ()
    ) -> None:
        self._store = store
        self._clock = clock
        self._slack = slack if slack is not None else Workspaces()
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
        """The person who acts as this Slack user.

        Raises ``TryAgain`` where Slack cannot be asked, ``NotAllowed`` where the account is deactivated.
        """
        handle = f"{team}/{user}"
        if team not in self._slack:
            # Somebody of another company (Slack Connect): known by that id alone. Their workspace's word about a mail
            # address is not taken: it could claim anybody's.
            known = await self._store.find_person(handle)
            return self._judge(known) if known else await self._know(Person(0, handle, slack=handle), [handle])
        try:
            member = (await self._ask(self._slack.directory(team).user(user)))[0]
        except TryAgain as refusal:
            # Slack is there and says "too often" (users.info: 100 a minute, which a busy card exceeds). Its signature says
            # who clicked, and whoever has been here before is known by that id for certain.
            known = await self._store.find_person(handle) if _too_often(refusal) else None
            if known is None:
                raise
            return self._judge(known)
        if member is None:
            raise TryAgain("Slack does not know you. Please try again; if it stays like this, ask an admin.")
        if member.deleted:
            # Their address is not looked at: it may be somebody else's by now.
            known = await self._store.find_person(handle)
            self._present.pop(known.id if known else 0, None)
            raise Left(member.name)
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
        if who is not None and who.slack is None and who.email is not None and self._slack.teams:
            # Whoever first came with a token is an address only, until Slack is asked who that is.
            with suppress(TryAgain):
                return await self.by_email(who.email)
        return who

    async def present(self, who: Person) -> Person:
        """``who`` as Slack has them now, before they act by a link or a token, which outlive their account.

        Raises ``NotAllowed`` where they have left, ``TryAgain`` where Slack cannot be asked and has not said for 24
        hours that they are there. Whoever has no account in a connected workspace is taken as they are.
        """
        if who.slack is None:
            return who
        try:
            there = await self._still_there(who)
        except TryAgain:
            seen = self._present.get(who.id)
            if seen is None or self._clock.now() - seen > TRUSTED:
                raise
            return who
        if isinstance(there, str):
            raise Left(who.name)
        return there

    async def known(self, handle: str) -> Person | None:
        """Who was seen under this handle before; nobody is asked, and nobody is made. Raises ``InvalidHandle``."""
        return await self._store.find_person(normalise(handle))

    async def found(self, text: str) -> Person | None:
        """Who is known by an address, a Slack id (with its workspace or without) or a person's id; nobody is asked."""
        number = self._store.ids.parse_person(text.strip())
        if number is not None:
            return await self._store.person(number)
        handle = normalise(text)
        teams = self._slack.teams if is_slack(handle) and "/" not in handle else ()
        for one in (handle, *(f"{team}/{handle}" for team in teams)):
            known = await self._store.find_person(one)
            if known is not None:
                return known
        return None

    async def handles(self, who: Person) -> tuple[str, ...]:
        """Everything that somebody is known by: Slack ids, then addresses (without tags)."""
        return await self._store.read(lambda c, _: (*rows.slack_ids(c, who.id), *rows.addresses(c, who.id)))

    async def merge(self, kept: Person, gone: Person) -> Person:
        """Let two be one human, because an admin says so; what is open is recounted. They are not told apart again."""
        return self._judge(await self._store.merge(kept.id, gone.id))

    async def home(self, person: PersonId) -> str | None:
        """The connected workspace in which somebody is known first; None where there is none. Nobody is asked."""
        who = await self._store.person(person)
        return next((team for team, _ in await self._accounts(who)), None) if who is not None else None

    # -- for the engine -----------------------------------------------------------------------------------------

    def is_admin(self, person: PersonId) -> bool:
        return person in self._admins

    async def resolve(self, handles: Iterable[str], *, requester: PersonId | None = None) -> Roster:
        """Who stands behind these handles now. ``@group`` is one of the requester's workspace, if it has such a group,
        else one of the default workspace; what it is called where there are several is in ``Roster.named``."""
        people: dict[str, PersonId] = {}
        groups: dict[str, tuple[PersonId, ...]] = {}
        gaps: dict[str, str] = {}
        named: dict[str, str] = {}
        for handle in handles:
            if is_group(handle):
                found = await self._group(handle, requester)
                if isinstance(found, str):
                    gaps[handle] = found
                    continue
                called, members = found
                groups[handle] = members
                if called != handle:
                    named[handle] = called
                    groups[called] = members
                continue
            person = await self._one(handle)
            if isinstance(person, Person):
                people[handle] = person.id
            else:
                gaps[handle] = person
        return Roster(self._clock.now(), people, groups, gaps, named)

    async def memberships(self, person: PersonId, groups: Iterable[str], *, fresh: bool = False) -> Memberships:
        """To which of these groups the person belongs. ``fresh``: read anew as far as Slack's limits allow it, for a
        decision; otherwise, and beyond them, a reading of the last minute is taken."""
        belongs: set[str] = set()
        read_at = self._clock.now()
        who = await self._store.person(person)
        for handle in groups:
            team, group = group_of(handle)
            team = team or self._slack.home
            if who is None or team is None or team not in self._slack:
                continue  # nobody is a member of a workspace's group but that workspace's users
            # Of this one person only: in a group of a thousand, a thousand clicks would look at a million.
            for user in await self._users_in(who, team):
                belongs_to, at = await self._ask(self._slack.directory(team).is_member(group, user, fresh=fresh))
                read_at = min(read_at, at)
                if belongs_to:
                    belongs.add(handle)
        return Memberships(frozenset(belongs), read_at)

    async def outsider(self, person: PersonId) -> str | None:
        """Guests, bots and people of other companies count where a flow names them, and nowhere else. Whoever has no
        account in Slack is taken as they are."""
        who = await self._store.person(person)
        if who is None or who.slack is None or not self._slack.teams:
            return None
        ids = await self._store.read(lambda c, _: rows.slack_ids(c, who.id))
        for of, user in _pairs([who.slack, *ids]):
            for team in [of] if of in self._slack else self._slack.teams:
                member = (await self._ask(self._slack.directory(team).user(user)))[0]
                if member is not None and member.full_member:
                    return None
        return _OUTSIDER

    # -- inside -------------------------------------------------------------------------------------------------

    async def _one(self, handle: str) -> Person | str:
        """The person behind a handle, or why there is nobody."""
        if is_email(handle):
            return await self._at(handle)
        assert is_slack(handle)  # handles are normalised: an address, a group or a Slack id
        team, _, user = handle.rpartition("/")
        if not self._slack.teams:
            return "Slack is not connected"
        try:
            if team and team not in self._slack:
                return await self.by_slack(team, user)
            for one in [team] if team else self._slack.teams:
                member = (await self._ask(self._slack.directory(one).user(user)))[0]
                if member is not None:
                    return _LEFT if member.deleted else await self._of_member(member)
        except Left:
            return _LEFT
        return "Slack knows no such user"

    async def _at(self, address: str) -> Person | str:
        """Who has a mail address now, or why nobody does."""
        known = await self._store.find_person(address)
        if known is None or known.slack is None or not self._slack.teams:
            return await self.by_email(address)
        # Whoever had it last is asked about first: Slack bears that twice as often as the search by address.
        there = await self._still_there(known)
        if isinstance(there, Person) and there.email == address:
            return there
        # Slack finds nobody for somebody who has left; their id still tells that they were there.
        return await self._in_slack(address) or there

    async def _in_slack(self, address: str) -> Person | None:
        """Whom Slack finds by a mail address now, with its tag or without."""
        for spelling in dict.fromkeys((address, identity(address))):
            for team in self._slack.teams:
                member = (await self._ask(self._slack.directory(team).by_email(spelling)))[0]
                if member is not None and member.confirmed:
                    return await self._of_member(member)
        return None

    async def _still_there(self, known: Person) -> Person | str:
        """Them, by the first of their accounts that is not deactivated; otherwise why there is nobody."""
        accounts = await self._accounts(known)
        for team, user in accounts:
            member = (await self._ask(self._slack.directory(team).user(user)))[0]
            if member is not None and not member.deleted:
                return await self._of_member(member, moved=(team, user) != accounts[0])
        if not accounts:
            return known
        self._present.pop(known.id, None)
        return _LEFT

    async def _accounts(self, who: Person) -> list[tuple[str, str]]:
        """Their ids in the connected workspaces, as pairs of workspace and user, the one that they are known by first."""
        if who.slack is None:
            return []
        ids = await self._store.read(lambda c, _: rows.slack_ids(c, who.id))
        return [account for account in _pairs([who.slack, *ids]) if account[0] in self._slack]

    async def _users_in(self, who: Person, team: str) -> list[str]:
        """Their ids in one workspace: one, unless an admin has said that two users are one human."""
        found = [user for of, user in await self._accounts(who) if of == team]
        if found or team not in self._slack or who.email is None:
            return found
        # They may have an account there that nobody has met yet: an address says so, and makes it theirs.
        member = (await self._ask(self._slack.directory(team).by_email(who.email)))[0]
        known = await self._of_member(member) if member is not None else None
        return [member.id] if member is not None and known is not None and known.id == who.id else []

    async def _group(self, handle: str, requester: PersonId | None) -> tuple[str, tuple[PersonId, ...]] | str:
        """What a group is called where there are several workspaces, and its members; or why there is no such group."""
        team, group = group_of(handle)
        if not self._slack.teams:
            return "Slack is not connected"
        if team is not None and team not in self._slack:
            return f"Signoff is not installed in the Slack workspace {team}"
        for one in [team] if team else await self._looked_in(requester):
            members, _ = await self._ask(self._slack.directory(one).members(group))
            if members is not None:
                # Bots, guests and whoever else is no full member has been left out.
                persons = [await self._of_member(member) for member in members if not member.deleted]
                return self._slack.handle(group, one), tuple(dict.fromkeys(person.id for person in persons))
        return "Slack knows no such user group"

    async def _looked_in(self, requester: PersonId | None) -> list[str]:
        """The workspaces in which a group is looked for that names none: the requester's, then the default one. Where
        nobody asks for it, it is what it is called everywhere: one of the home workspace's."""
        if requester is None:
            home = self._slack.home
            return [home] if home is not None and home in self._slack else []
        own = await self.home(requester) if len(self._slack.teams) > 1 else None
        return [team for team in dict.fromkeys((own, self._slack.default)) if team is not None]

    async def _of_member(self, member: Member, *, moved: bool = False) -> Person:
        """The person behind an account. ``moved``: it is the one that they are known by from now on."""
        slack = f"{member.team_id}/{member.id}"
        if member.stranger and member.team_id in self._slack:
            # Met in a shared channel, and at home in another workspace that Signoff is in: that one knows more.
            own = (await self._ask(self._slack.directory(member.team_id).user(member.id)))[0]
            if own is not None and not own.stranger:
                member = own
        # A stranger's mail address is their own workspace's word; see by_slack. One that nobody has confirmed is nobody's.
        email = normalise(member.email) if member.email and member.confirmed and not member.stranger else None
        who = Person(0, member.name, email, slack, member.tz)
        person = await self._know(who, [slack, *([email] if email else [])], moved=moved)
        if not member.deleted:
            self._present[person.id] = self._clock.now()
        return person

    async def _know(self, who: Person, handles: list[str], *, moved: bool = False) -> Person:
        known = await self._store.find_person(handles[0])
        if known is not None and await self._is_known(known, who, handles, moved=moved):
            person = known
        else:
            teams = () if moved else self._slack.teams
            person = await self._store.know(who, handles, same=await self._same(handles), teams=teams)
        return self._judge(person)

    async def _is_known(self, known: Person, who: Person, handles: Sequence[str], *, moved: bool) -> bool:
        """Whether there is nothing new in ``who``."""
        if not moved and who.slack is not None and self._is_another(known, who.slack):
            # Described by the account that they are known by: names and zones would change with each click elsewhere.
            holders = [await self._store.find_person(handle) for handle in handles[1:]]
            return all(holder is not None and holder.id == known.id for holder in holders)
        same = (known.name, known.tz) == (who.name, who.tz or known.tz)
        return same and who.email in (None, known.email) and who.slack in (None, known.slack)

    def _is_another(self, known: Person, slack: str) -> bool:
        """Whether somebody is known by another account, in a workspace that is connected."""
        team, _, user = (known.slack or "").rpartition("/")
        return known.slack not in (None, slack) and team in self._slack and user != slack.rpartition("/")[2]

    async def _same(self, handles: Sequence[str]) -> frozenset[PersonId]:
        """Whoever has an address of these by an account in another workspace, now: the same human."""
        same: set[PersonId] = set()
        if len(self._slack.teams) < 2:
            return frozenset()
        here = handles[0].rpartition("/")[0]
        for address in handles[1:]:
            holder = await self._store.find_person(address)
            for team, user in await self._accounts(holder) if holder is not None else ():
                if holder is None or team == here:
                    continue  # nobody is two users of one workspace
                member = (await self._ask(self._slack.directory(team).user(user)))[0]
                if member is not None and _has(member, address):
                    same.add(holder.id)
        return frozenset(same)

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


def _pairs(ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    for one in dict.fromkeys(ids):
        team, _, user = one.rpartition("/")
        yield team, user


def _has(member: Member, address: str) -> bool:
    """Whether an account that somebody uses has this address, of its own or with a tag."""
    there = not member.deleted and member.confirmed and not member.stranger
    return there and member.email is not None and identity(normalise(member.email)) == identity(address)


def _too_often(refusal: Refused) -> bool:
    return isinstance(refusal.__cause__, ActionError) and refusal.__cause__.retry_after is not None
