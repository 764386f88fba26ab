"""Who is who in Slack, read within its rate limits: users.info 100 times a minute, groups and users.list 20 times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from integrations.slack.answers import SlackUser
from integrations.slack.client import SlackClient
from integrations.slack.failures import SlackError
from integrations.slack.readings import Allowance, Reading, Readings

TTL = timedelta(seconds=60)
"""How long a reading is used again. Long enough for a burst of clicks, short against somebody's leaving."""

ONE_BY_ONE = 20
"""Members of a group that are asked for one by one; for more, everybody is listed, which takes fewer calls."""

_AT_ONCE = 5  # calls of users.info

_READ_ANEW = 15
"""Calls of usergroups.users.list within a minute after which what is kept has to do: of Slack's 20, some stay for groups
that nobody has read yet."""


class SlackDirectory:
    """Users and user groups, kept for ``ttl``. What cannot be read raises ``SlackError`` and is not kept.

    Everything returned is a ``Reading``: a pair of the value and the instant at which it was asked for. ``fresh=True``
    asks anew; it joins a call under way. ``team_id`` is the client's workspace, as ``auth()`` names it. ``now`` gives
    aware UTC, ``monotonic`` seconds that never step back.
    """

    def __init__(
        self,
        client: SlackClient,
        *,
        team_id: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        ttl: timedelta = TTL,
    ) -> None:
        self.team_id = team_id
        self._client = client
        self._now = now
        self._users: Readings[str, SlackUser | None] = Readings(client.user, ttl=ttl, now=now, monotonic=monotonic)
        self._emails: Readings[str, SlackUser | None] = Readings(
            client.user_by_email, ttl=ttl, now=now, monotonic=monotonic
        )
        self._handles: Readings[None, dict[str, str]] = Readings(
            self._read_handles, ttl=ttl, now=now, monotonic=monotonic
        )
        self._memberships: Readings[str, list[str] | None] = Readings(
            client.group_members,
            ttl=ttl,
            now=now,
            monotonic=monotonic,
            allowance=Allowance(_READ_ANEW, timedelta(minutes=1), monotonic=monotonic),
        )
        self._listing = asyncio.Lock()

    async def user(self, user_id: str, *, fresh: bool = False) -> Reading[SlackUser | None]:
        """The user with that id, whoever they are; None where there is nobody."""
        return await self._users.get(user_id, fresh=fresh)

    async def by_email(self, email: str, *, fresh: bool = False) -> Reading[SlackUser | None]:
        """The user with that mail address; None where there is nobody, somebody deactivated, or a stranger.

        A stranger's address is their own workspace's word, which may claim anybody's.
        """
        found = await self._emails.get(email.lower(), fresh=fresh)
        return Reading(None, found.read_at) if found.value is not None and found.value.stranger else found

    async def members(self, handle: str, *, fresh: bool = False) -> Reading[tuple[SlackUser, ...] | None]:
        """The full members of a user group (``@group``); None where there is no such group.

        Guests, bots, strangers and deactivated users are left out. ``read_at`` is that of the oldest part. With
        ``fresh``, who belongs to the group is read anew, and users as ever: what they are changes rarely.
        """
        ids = await self._ids(handle, fresh=fresh)
        if ids.value is None:
            return Reading(None, ids.read_at)
        users = await self._known(ids.value)
        members = tuple(user.value for user in users if user.value is not None and user.value.full_member)
        return Reading(members, min([ids.read_at, *(user.read_at for user in users)]))

    async def is_member(self, handle: str, user_id: str, *, fresh: bool = False) -> Reading[bool]:
        """Whether the user is one of ``members(handle)``; nobody else is looked up for that, if Slack lets it be.

        With ``fresh``, who belongs to the group is read anew as long as Slack's limit allows it; beyond that, and where
        Slack does not answer, a reading that is at most ``ttl`` old is taken.
        """
        ids = await self._ids(handle, newest=fresh)
        if ids.value is None or user_id not in ids.value:
            return Reading(False, ids.read_at)
        user = await self._one_of(user_id, ids.value)
        return Reading(user.value is not None and user.value.full_member, min(ids.read_at, user.read_at))

    async def group_ids(self) -> Mapping[str, str]:
        """The ids of the user groups that there are, by handle (``@group``): what Slack's own mention of one takes."""
        handles = await self._handles.get(None)
        return {f"@{handle}": group_id for handle, group_id in handles.value.items()}

    # -- what Slack tells of by itself

    def forget_user(self, user_id: str, email: str | None = None) -> None:
        """Something about the user has changed; ``email`` is their address now, where it is told."""
        self._users.forget(user_id)
        addresses = self._emails.kept_where(lambda user: user is not None and user.id == user_id)
        self._emails.forget(*addresses, *([email.lower()] if email else []))

    def forget_group(self, group_id: str) -> str | None:
        """Something about the user group has changed: its members, its handle, or whether it is there. Returns the
        handle (``@group``) under which it was known, if it was."""
        handles = self._handles.last(None) or {}
        self._handles.forget(None)
        self._memberships.forget(group_id)
        return next((f"@{handle}" for handle, known in handles.items() if known == group_id), None)

    async def _one_of(self, user_id: str, user_ids: Iterable[str]) -> Reading[SlackUser | None]:
        try:
            return await self._users.get(user_id)
        except SlackError as error:
            if error.retry_after is None:
                raise
            # Too many were asked for one by one, as when a whole group clicks at once. A listing has a limit of its
            # own, and serves the others too.
            async with self._listing:
                if self._users.kept(user_id) is None:
                    await self._list(self._missing(tuple(user_ids)))
            kept = self._users.kept(user_id)
            if kept is None:
                raise
            return kept

    async def _ids(self, handle: str, *, fresh: bool = False, newest: bool = False) -> Reading[list[str] | None]:
        """The ids in a user group, whoever they are; None where there is no such group. ``newest``: as fresh as it can
        be had."""
        handles = await self._handles.get(None, fresh=fresh)
        group_id = handles.value.get(handle.removeprefix("@").lower())
        if group_id is None:
            return Reading(None, handles.read_at)
        read = self._memberships
        ids = await (read.newest(group_id) if newest else read.get(group_id, fresh=fresh))
        return Reading(ids.value, min(handles.read_at, ids.read_at) if ids.value is not None else ids.read_at)

    async def _read_handles(self, _key: None) -> dict[str, str]:
        return {group.handle: group.id for group in await self._client.groups()}

    async def _known(self, user_ids: Iterable[str]) -> list[Reading[SlackUser | None]]:
        """A reading for each of them, in order."""
        user_ids = tuple(user_ids)
        if len(self._missing(user_ids)) > ONE_BY_ONE:
            # One listing serves all who want one; the next in line finds what the one before has kept.
            async with self._listing:
                missing = self._missing(user_ids)
                if len(missing) > ONE_BY_ONE:
                    await self._list(missing)
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(user_id: str) -> Reading[SlackUser | None]:
            async with places:
                return await self._users.get(user_id)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(user_id)) for user_id in user_ids]
        except ExceptionGroup as errors:
            # The first one says it for all: the others were asked at the same time or not at all.
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    def _missing(self, user_ids: tuple[str, ...]) -> set[str]:
        return {user_id for user_id in user_ids if self._users.kept(user_id) is None}

    async def _list(self, wanted: set[str]) -> None:
        read_at = self._now()
        async for user in self._client.users():
            self._users.keep(user.id, Reading(user, read_at))
            wanted.discard(user.id)
            if not wanted:
                return
