"""The accounts that may be sent from: kept sealed, renewed while they are used, and shown where they are broken.

The first one that was connected is the default; a step names another one with ``connection:``. Whatever changes here
counts at once, without a restart.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from datetime import datetime

from bot.accounts import Account, gmail_actions
from bot.google import rows
from bot.google.rows import Row
from flows.clock import Clock
from flows.errors import InvalidForm
from flows.instants import from_ms, to_ms
from flows.people import PersonId
from flows.store.sqlite import SqliteStore
from flows.vault import Vault
from integrations.gmail import consent
from integrations.gmail.consent import Granted, OAuthClient
from integrations.gmail.credentials import Tokens, connected
from integrations.gmail.send import GmailMailer
from integrations.gmail.transport import GmailTransport

log = logging.getLogger(__name__)

VAULT = "google"
"""What the key serves that seals tokens."""

Changed = Callable[[], Awaitable[None]]


async def _nobody() -> None:
    """For accounts that nobody waits for."""


@dataclass
class _Connected:
    row: Row
    tokens: Tokens
    mailer: GmailMailer


class _Keeper:
    """``integrations.gmail.credentials.Keeper`` of one account."""

    def __init__(self, accounts: GoogleAccounts, email: str) -> None:
        self._accounts = accounts
        self._email = email

    async def renewed(self, tokens: Tokens) -> None:
        await self._accounts.renewed(self._email, tokens)

    async def refused(self, why: str) -> None:
        await self._accounts.refused(self._email, why)


class GoogleAccounts:
    """``accounts`` is where steps find those that they name: those of the settings are there already, and win."""

    def __init__(
        self,
        store: SqliteStore,
        vault: Vault,
        clock: Clock,
        client: OAuthClient | None,
        *,
        accounts: MutableMapping[str, Account],
        api_url: str | None = None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._client = client
        self._api_url = api_url
        self._accounts = accounts
        self._taken = frozenset(accounts)
        self._connected: dict[str, _Connected] = {}
        self.on_change: Changed = _nobody
        """Called when an account has come, gone, or works again."""

    async def load(self) -> None:
        """Take up what was connected before."""
        for row in await self._store.read(lambda c, _: rows.accounts(c)):
            try:
                tokens = _tokens(self._vault.unseal(row.sealed, _about(row.email)))
            except ValueError as error:
                await self._mark_broken(row.email, f"its tokens cannot be read: {error}")
                continue
            self._use(row, tokens)
        for row in await self.listed():
            if row.broken is not None:
                log.warning("Gmail: %s is connected no more: %s", row.email, row.broken)

    async def close(self) -> None:
        """Close what is open."""
        for one in self._connected.values():
            await one.mailer.close()
        self._connected.clear()

    # -- who sends ----------------------------------------------------------------------------------------------

    def default(self) -> GmailMailer | None:
        """The mailer of the first account that was connected, None where there is none or Google takes it no more."""
        first = min(self._connected.values(), key=lambda one: one.row.id, default=None)
        return first.mailer if first is not None and first.row.broken is None else None

    def problem(self) -> str | None:
        """Why there is no default, where an account is connected and broken."""
        first = min(self._connected.values(), key=lambda one: one.row.id, default=None)
        if first is None or first.row.broken is None:
            return None
        return f"no mail can be sent from {first.row.email}: {first.row.broken.removesuffix('.')}"

    def mailer(self, email: str) -> GmailMailer | None:
        """That account's mailer."""
        found = self._connected.get(email)
        return found.mailer if found is not None else None

    def names(self) -> tuple[str, ...]:
        """What steps may call them by."""
        return tuple(sorted(name for name in self._accounts if name not in self._taken))

    async def listed(self) -> list[Row]:
        """All that are connected, the default first."""
        return await self._store.read(lambda c, _: rows.accounts(c))

    # -- connecting ---------------------------------------------------------------------------------------------

    def free_name(self, wanted: str) -> str:
        """A name for a new account: ``wanted`` if that is one, else ``gmail``, ``gmail_2`` and so on."""
        if wanted:
            return wanted
        taken = {*self._accounts, *(one.row.name for one in self._connected.values())}
        count = 1
        while (name := f"gmail_{count}" if count > 1 else "gmail") in taken:
            count += 1
        return name

    def check_name(self, name: str, email: str | None = None) -> None:
        """Raise ``InvalidForm`` where the name is another account's."""
        others = {one.row.name for one in self._connected.values() if one.row.email != email}
        if name and (name in self._taken or name in others):
            raise InvalidForm({"name": f"{name} is another account's name already; choose a new one."})

    async def add(self, granted: Granted, name: str, admin: PersonId) -> Row:
        """Keep an account and send from it from now on; one that was connected before is connected anew."""
        before = self._connected.get(granted.email)
        name = name or (before.row.name if before is not None else self.free_name(""))
        self.check_name(name, granted.email)
        sealed = self._seal(granted.email, granted.tokens)
        now = self._clock.now()
        await self._store.write(lambda c: rows.save(c, name, granted.email, sealed, admin, now))
        row = next(one for one in await self.listed() if one.email == granted.email)
        if before is not None:
            self._accounts.pop(before.row.name, None)
            await before.mailer.close()
        self._use(row, granted.tokens)
        log.info("Gmail: %s is connected", row.email, extra={"connection": row.name})
        await self.on_change()
        return row

    async def tested(self, email: str, what: str) -> None:
        """What became of the mail that was sent for trying."""
        await self._store.write(lambda c: rows.test(c, email, what))

    async def revoke(self, email: str) -> None:
        """Let Google forget the consent, and forget the account. Raises ``ActionError`` where Google does not answer:
        then nothing has changed."""
        found = self._connected.get(email)
        if found is not None and self._client is not None:
            await consent.revoke(self._client, found.tokens)
        await self._store.write(lambda c: rows.remove(c, email))
        if found is not None:
            del self._connected[email]
            if found.row.name not in self._taken:
                self._accounts.pop(found.row.name, None)
            await found.mailer.close()
        log.info("Gmail: %s was disconnected", email)
        await self.on_change()

    # -- what Google says of their tokens -----------------------------------------------------------------------

    async def renewed(self, email: str, tokens: Tokens) -> None:
        """Google has given new ones."""
        found = self._connected.get(email)
        if found is None:
            return
        found.tokens = tokens
        sealed, now = self._seal(email, tokens), self._clock.now()
        await self._store.write(lambda c: rows.renew(c, email, sealed, now))
        await self._reread(email)

    async def refused(self, email: str, why: str) -> None:
        """Google takes them no more: the account is broken until somebody connects it again."""
        log.error("Gmail: %s is connected no more: %s", email, why)
        await self._mark_broken(email, why)
        await self._reread(email)

    # -- inside -------------------------------------------------------------------------------------------------

    def _use(self, row: Row, tokens: Tokens) -> None:
        if self._client is None:
            return  # without the client's secret nothing can be renewed; the page says so
        credentials = connected(
            self._client.id,
            self._client.secret,
            tokens,
            token_uri=self._client.endpoints.token,
            keeper=_Keeper(self, row.email),
        )
        mailer = GmailMailer(GmailTransport(credentials, api_url=self._api_url), sender=row.email)
        self._connected[row.email] = _Connected(row, tokens, mailer)
        if row.name in self._taken:
            log.warning(
                "a connected account has the name of a connection in the settings", extra={"connection": row.name}
            )
        else:
            self._accounts[row.name] = Account("gmail", gmail_actions(mailer), _secrets(tokens))

    async def _reread(self, email: str) -> None:
        found = self._connected.get(email)
        row = next((one for one in await self.listed() if one.email == email), None)
        if found is not None and row is not None:
            found.row = row

    async def _mark_broken(self, email: str, why: str) -> None:
        now = self._clock.now()
        await self._store.write(lambda c: rows.break_(c, email, why, now))

    def _seal(self, email: str, tokens: Tokens) -> bytes:
        expires = to_ms(tokens.expires_at) if tokens.expires_at is not None else None
        kept = {"refresh": tokens.refresh, "access": tokens.access, "expires_at": expires}
        return self._vault.seal(json.dumps(kept), _about(email))


def _about(email: str) -> str:
    return f"Gmail account {email}"


def _tokens(text: str) -> Tokens:
    kept = json.loads(text)
    expires: datetime | None = from_ms(kept["expires_at"]) if kept["expires_at"] is not None else None
    return Tokens(kept["refresh"], kept["access"], expires)


def _secrets(tokens: Tokens) -> tuple[str, ...]:
    found: Iterable[str | None] = (tokens.refresh, tokens.access)
    return tuple(one for one in found if one)
