"""What administrators do to a workspace, and the bot hears of or finds out: the bad days."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal
from zoneinfo import ZoneInfo

from flows.ports import Json
from integrations.sandbox import payloads
from integrations.sandbox.bot_line import Answer
from integrations.sandbox.changes import Changes
from integrations.sandbox.events import Events
from integrations.sandbox.inputs import NotPossible
from integrations.sandbox.members import Channel, User
from integrations.sandbox.message import Message
from integrations.sandbox.people import Human
from integrations.sandbox.tokens import Token
from integrations.sandbox.workspace import Workspace


class Administration:
    """The part of a sandbox that changes who and what is there. Channels go by name or id, or come as they are.

    Each returns what the bot answered when it was told; content, where it is not told at all.
    """

    changes: Changes
    events: Events
    workspace: Workspace
    workspaces: dict[str, Workspace]
    tokens: dict[str, Token]

    # -- channels

    async def archive(self, channel: str | Channel, *, workspace: Workspace | None = None) -> Answer:
        """A channel is archived: nobody can write there, and nothing in it can be changed any more."""
        return await self._set_archived(channel, True, workspace)

    async def unarchive(self, channel: str | Channel, *, workspace: Workspace | None = None) -> Answer:
        """An archived channel is there again."""
        return await self._set_archived(channel, False, workspace)

    async def kick_bot(self, channel: str | Channel, *, workspace: Workspace | None = None) -> list[Answer]:
        """The bot is removed from a channel (``member_left_channel`` and ``channel_left``, or ``group_left``)."""
        home, place = self._place(channel, workspace)
        if home.bot.id not in place.members:
            raise NotPossible(f"the bot is not in #{place.name}")
        place.members.remove(home.bot.id)
        self.changes.notify()
        by = _administrator(home)
        told = [payloads.membership(home, place, home.bot, by=by), payloads.thrown_out(home, place, by=by)]
        return [await self.events.tell(home, each) for each in told]

    async def invite_bot(self, channel: str | Channel, *, workspace: Workspace | None = None) -> Answer:
        """The bot is added to a channel."""
        home, place = self._place(channel, workspace)
        if place.is_archived:
            raise NotPossible(f"#{place.name} is archived")
        if home.bot.id not in place.members:
            place.members.append(home.bot.id)
            self.changes.notify()
        return await self.events.tell(home, payloads.membership(home, place, home.bot, by=_administrator(home)))

    async def delete_message(self, message: Message, *, workspace: Workspace | None = None) -> Answer:
        """An administrator deletes a message, the bot's for example."""
        home = workspace or self._home_of(message)
        found = home.message(message.channel, message.ts)
        if found is None:
            raise NotPossible("this message is gone")
        before, channel = found.snapshot(), home.channels[found.channel]
        home.remove(found)
        return await self.events.tell_message(home, channel, payloads.message_deleted(home, channel, before))

    # -- people

    async def deactivate(self, person: Human) -> Answer:
        """Somebody leaves the workspace: an administrator deactivates their account, and the bot is told."""
        return await self._set_user(person, deleted=True)

    async def reactivate(self, person: Human) -> Answer:
        """A deactivated account is there again."""
        return await self._set_user(person, deleted=False)

    async def set_timezone(self, person: Human, tz: str) -> Answer:
        """Somebody moves: their profile has another time zone (``Asia/Tokyo``). Raises ``ZoneInfoNotFoundError``."""
        ZoneInfo(tz)
        return await self._set_user(person, tz=tz)

    async def set_email(self, person: Human, email: str) -> Answer:
        """Somebody's mail address changes."""
        return await self._set_user(person, email=email)

    async def make(self, person: Human, sort: Literal["member", "guest", "single-channel guest"]) -> Answer:
        """Somebody becomes a guest, or a member."""
        restricted, ultra = sort != "member", sort == "single-channel guest"
        return await self._set_user(person, is_restricted=restricted, is_ultra_restricted=ultra)

    async def change_group(
        self,
        handle: str,
        members: Iterable[Human | User],
        *,
        disabled: bool = False,
        workspace: Workspace | None = None,
    ) -> list[Answer]:
        """A user group gets these members, or is disabled; the bot is told as Slack tells it, which is twice."""
        home = workspace or self.workspace
        group = next(group for group in home.groups.values() if group.handle == handle)
        before = group.users
        group.users = [member.id for member in members]
        group.disabled = disabled
        self.changes.notify()
        told = [payloads.group_updated(home, group)]
        if group.users != before:
            told.append(payloads.members_changed(home, group, before))
        return [await self.events.tell(home, each) for each in told]

    # -- the app

    def revoke(self, token: str) -> None:
        """Slack refuses this token from now on; the bot is not told (``revoke_tokens`` tells it)."""
        self.tokens[token].revoked = True

    async def revoke_tokens(self, workspace: Workspace | None = None) -> Answer:
        """All of the bot's tokens for a workspace are revoked (``tokens_revoked``)."""
        home = workspace or self.workspace
        for token in self.tokens.values():
            if token.team_id == home.id and token.kind == "bot":
                token.revoked = True
        return await self.events.tell(home, payloads.tokens_revoked(home))

    async def uninstall(self, workspace: Workspace | None = None) -> list[Answer]:
        """The app is taken out of a workspace: its tokens are revoked, and it hears of both, in no order that Slack
        promises. Whoever clicks on what it left there gets no answer."""
        home = workspace or self.workspace
        revoked = await self.revoke_tokens(home)
        answers = [revoked, await self.events.tell(home, payloads.uninstalled(home))]
        home.installed = False
        self.changes.notify()
        return answers

    # -- how

    async def _set_archived(self, channel: str | Channel, archived: bool, workspace: Workspace | None) -> Answer:
        home, place = self._place(channel, workspace)
        if place.is_im or place.is_mpim:
            raise NotPossible("direct messages cannot be archived")
        place.is_archived = archived
        self.changes.notify()
        return await self.events.tell(home, payloads.archived(home, place, _administrator(home)))

    async def _set_user(self, person: Human, **changes: Json) -> Answer:
        for name, value in changes.items():
            setattr(person.user, name, value)
        self.changes.notify()
        return await self.events.tell(person.workspace, payloads.user_changed(person.workspace, person.user))

    def _place(self, channel: str | Channel, workspace: Workspace | None) -> tuple[Workspace, Channel]:
        home = workspace or self.workspace
        name = channel if isinstance(channel, str) else channel.id
        found = home.channels.get(name) or home.channel_named(name)
        if found is None:
            raise NotPossible(f"there is no channel {name}")
        return home, found

    def _home_of(self, message: Message) -> Workspace:
        homes = self.workspaces.values()
        return next((home for home in homes if message.channel in home.channels), self.workspace)


def _administrator(workspace: Workspace) -> User:
    """Who does it: an administrator, or else the first person there is."""
    people = [user for user in workspace.users.values() if not user.is_bot]
    return next((user for user in people if user.is_admin), people[0] if people else workspace.bot)
