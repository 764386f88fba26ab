"""The installations of this bot: stored sealed, and connected as long as they are worth anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.installations import rows
from bot.installations.rows import Row
from bot.workspaces import Workspace, Workspaces
from flows.clock import Clock
from flows.people import PersonId
from flows.store.sqlite import SqliteStore
from flows.vault import Vault
from integrations.slack.client import SlackClient
from integrations.slack.directory import SlackDirectory
from integrations.slack.failures import DISCONNECTED, SlackError
from integrations.slack.oauth import Granted

log = logging.getLogger(__name__)

PURPOSE = "slack-installations"
"""What the vault's keys are for that seal these tokens."""

HOME = "slack_home"
"""In ``meta``: the first workspace that ever was connected."""

REVOKED = "an administrator of the workspace has taken its token back"
REMOVED = "the app was taken out of it"


@dataclass(frozen=True, slots=True)
class Broken:
    """An installation that needs an admin. ``until``: it works so long without one; None: it does not work now."""

    team: str
    name: str
    why: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Renewable:
    """A token that expires. ``generation`` tells it from those before and after it."""

    team: str
    name: str
    generation: int
    expires_at: datetime
    refresh: str = field(repr=False)


OnBroken = Callable[[Broken], Awaitable[None]]


async def _nobody_is_told(_broken: Broken) -> None:
    """The log says it."""


class Installations:
    """Keeps ``workspaces`` as they are stored. ``connect`` makes the client of a token; ``on_broken`` tells the admins.

    ``changed`` is set whenever something about the tokens is.
    """

    def __init__(
        self,
        store: SqliteStore,
        vault: Vault,
        clock: Clock,
        workspaces: Workspaces,
        *,
        connect: Callable[[str], SlackClient],
        on_broken: OnBroken = _nobody_is_told,
    ) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._workspaces = workspaces
        self._connect = connect
        self.on_broken = on_broken
        self.changed = asyncio.Event()
        self._made: dict[str, Workspace] = {}
        """Also those that are not connected any more: somebody may be using their clients."""

    async def open(self) -> None:
        """Connect what is stored. One whose tokens cannot be opened is left out, and said to be broken."""
        now = self._clock.now()
        for row in await self._store.read(lambda c, _: rows.every(c)):
            if row.token is None or _is_over(row, now):
                self._workspaces.remove(row.team)
                continue
            try:
                token = self._vault.unseal(row.token, _about(row.team))
            except ValueError as error:
                log.error("a Slack workspace cannot be connected", extra={"team": row.team, "error": str(error)})
                self._workspaces.remove(row.team)
                await self._break(row.team, row.generation, str(error))
                continue
            self._put(row.team, row.name, token)
            log.info("Slack: %s", row.name, extra={"team": row.team, "bot": row.bot_user})
        await self._keep_home()

    async def close(self) -> None:
        """Close the connections."""
        for workspace in self._made.values():
            await workspace.client.close()

    async def install(self, granted: Granted, by: PersonId | None) -> Workspace:
        """A workspace was installed, or once more. From now on it is connected by the new token."""
        now = self._clock.now()
        row = Row(
            team=granted.team,
            name=granted.name,
            app=granted.app,
            bot_user=granted.bot_user,
            scopes=granted.scopes,
            token=self._vault.seal(granted.token, _about(granted.team)),
            refresh=self._vault.seal(granted.refresh, _about(granted.team)) if granted.refresh else None,
            expires_at=now + granted.lifetime if granted.lifetime is not None else None,
            generation=0,
            installed_at=now,
            installed_by=by,
        )
        await self._store.write(lambda c: rows.put(c, row))
        workspace = self._put(granted.team, granted.name, granted.token)
        await self._keep_home()
        self.changed.set()
        log.info("Slack: installed in %s", granted.name, extra={"team": granted.team, "bot": granted.bot_user})
        return workspace

    async def greeted(self, team: str, greeting: str) -> None:
        """What came of the message to whoever has installed it."""
        row = await self.row(team)
        if row is not None:
            await self._store.write(lambda c: rows.greeted(c, team, row.generation, greeting))

    async def row(self, team: str) -> Row | None:
        return await self._store.read(lambda c, _: rows.get(c, team))

    # -- taken out, taken back ----------------------------------------------------------------------------------

    async def removed(self, team: str, at: datetime) -> None:
        """The app was taken out of a workspace at that time. Runs stay as they are; their cards there are out of reach."""
        now = self._clock.now()
        row = await self.row(team)
        if row is not None and await self._store.write(lambda c: rows.removed(c, team, at, now)):
            self._workspaces.remove(team)
            self.changed.set()
            await self._tell(Broken(team, row.name, REMOVED, None))

    async def revoked(self, team: str, at: datetime) -> None:
        """A token of the bot's was taken back at that time: nothing works there until it is installed again."""
        row = await self.row(team)
        if row is None or row.token is None or team not in self._workspaces:
            return
        try:
            # It may be another one that was taken back: an older one, after this was renewed.
            await self._workspaces.client(team).auth()
        except SlackError as error:
            if error.code not in DISCONNECTED:
                return
        else:
            return
        if await self._store.write(lambda c: rows.revoked(c, team, at, REVOKED)):
            self._workspaces.remove(team)
            self.changed.set()
            await self._tell(Broken(team, row.name, REVOKED, None))

    # -- renewing -----------------------------------------------------------------------------------------------

    async def let_go(self) -> datetime | None:
        """Disconnect what can be renewed no more and has expired: people there are asked by mail until it is installed
        again. Returns when the next one expires."""
        now, ends = self._clock.now(), []
        for row in await self._store.read(lambda c, _: rows.every(c)):
            if row.team not in self._workspaces or row.broken is None or row.expires_at is None:
                continue
            if _is_over(row, now):
                self._workspaces.remove(row.team)
                log.error("Slack: %s is not connected any more", row.name, extra={"team": row.team})
            else:
                ends.append(row.expires_at)
        return min(ends, default=None)

    async def renewable(self) -> list[Renewable]:
        """The tokens that expire and can be renewed, the first to expire first."""
        found = []
        for row in await self._store.read(lambda c, _: rows.every(c)):
            if row.refresh is None or row.expires_at is None or row.token is None:
                continue
            try:
                refresh = self._vault.unseal(row.refresh, _about(row.team))
            except ValueError as error:
                await self._break(row.team, row.generation, str(error))
                continue
            found.append(Renewable(row.team, row.name, row.generation, row.expires_at, refresh))
        return sorted(found, key=lambda one: one.expires_at)

    async def renewed(self, before: Renewable, granted: Granted, asked_at: datetime) -> None:
        """A token was renewed. It is stored before it is used: a refresh token is worth something once."""
        # Whatever Slack leaves out is as it was: a token that does not expire any more is renewed once too often.
        expires_at = asked_at + (granted.lifetime or timedelta(hours=12))
        token = self._vault.seal(granted.token, _about(before.team))
        refresh = self._vault.seal(granted.refresh or before.refresh, _about(before.team))
        stored = await self._store.write(
            lambda c: rows.renewed(c, before.team, before.generation, token, refresh, expires_at)
        )
        if stored and before.team in self._workspaces:
            self._workspaces.client(before.team).use(granted.token)

    async def cannot_renew(self, one: Renewable, why: str) -> None:
        """A token can be renewed no more. It is used until it expires."""
        await self._break(one.team, one.generation, why)

    # -- inside -------------------------------------------------------------------------------------------------

    def _put(self, team: str, name: str, token: str) -> Workspace:
        made = self._made.get(team)
        if made is None:
            client = self._connect(token)
            directory = SlackDirectory(client, team_id=team, now=self._clock.now, monotonic=self._clock.monotonic)
            made = self._made[team] = Workspace(team, client, directory, name)
        else:
            made.client.use(token)
        self._workspaces.put(made)
        return made

    async def _break(self, team: str, generation: int, why: str) -> None:
        if await self._store.write(lambda c: rows.broken(c, team, generation, why)):
            row = await self.row(team)
            assert row is not None  # it was just changed
            until = row.expires_at if team in self._workspaces else None
            await self._tell(Broken(team, row.name, why, until))

    async def _tell(self, broken: Broken) -> None:
        said = {"team": broken.team, "why": broken.why}
        log.error("Slack: %s has to be connected again (`signoff connect slack`)", broken.name, extra=said)
        await self.on_broken(broken)

    async def _keep_home(self) -> None:
        home = self._workspaces.home
        if home is not None:
            await self._store.write(
                lambda c: c.execute("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)", (HOME, home))
            )


def _is_over(row: Row, now: datetime) -> bool:
    return row.broken is not None and row.expires_at is not None and row.expires_at <= now


def token_of(row: Row, vault: Vault) -> str | None:
    """The bot's token there; None where it is worth nothing. Raises ``ValueError`` where no key opens it."""
    return None if row.token is None else vault.unseal(row.token, _about(row.team))


def _about(team: str) -> str:
    return f"slack installation {team}"
