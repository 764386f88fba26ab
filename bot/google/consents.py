"""Consents under way: begun by an admin in one browser, finished once, by the same admin in the same browser.

What brings the answer back is kept as a row, sealed, so that a restart in the middle loses nobody's consent.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta

from bot.google import rows
from bot.google.rows import Consent
from flows.clock import Clock
from flows.errors import LinkInvalid
from flows.people import PersonId
from flows.store.sqlite import SqliteStore
from flows.vault import Vault
from integrations.gmail import consent
from integrations.gmail.consent import Granted, OAuthClient

PATIENCE = timedelta(minutes=15)
"""How long Google's page may be left open."""

_OVER = "This consent is over: it was finished before, took longer than 15 minutes, or was begun in another browser. Begin anew."


@dataclass(frozen=True, slots=True)
class Finished:
    """Who has begun it, and what the account is to be called."""

    admin: PersonId
    name: str
    verifier: str


class Consents:
    """Begins consents and recognises them when they come back."""

    def __init__(self, store: SqliteStore, vault: Vault, clock: Clock, client: OAuthClient) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._client = client

    async def begin(self, admin: PersonId, name: str, browser: str) -> str:
        """The address of Google's page. ``browser`` is something that only this browser has, and will bring back."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        hashed, now = _hash(state), self._clock.now()
        kept = json.dumps({"verifier": verifier, "browser": _hash(browser).hex()})
        row = Consent(self._vault.seal(kept, _about(hashed)), name, admin, now)
        await self._store.write(lambda c: rows.begin(c, hashed, row, now - PATIENCE))
        return consent.consent_url(self._client, state=state, verifier=verifier)

    async def finish(self, state: str, browser: str) -> Finished:
        """What was begun under this state. It can be finished once. Raises ``LinkInvalid``."""
        hashed, now = _hash(state), self._clock.now()
        found = await self._store.write(lambda c: rows.take(c, hashed))
        if found is None or now >= found.began_at + PATIENCE:
            raise LinkInvalid(_OVER)
        try:
            kept = json.loads(self._vault.unseal(found.sealed, _about(hashed)))
        except ValueError:
            raise LinkInvalid(_OVER) from None
        if not hmac.compare_digest(kept["browser"], _hash(browser).hex()):
            raise LinkInvalid(_OVER)
        return Finished(found.admin, found.name, kept["verifier"])

    async def exchange(self, finished: Finished, code: str) -> Granted:
        """The account that the consent is for. Raises ``ActionError``."""
        return await consent.exchange(self._client, code=code, verifier=finished.verifier)


def _hash(text: str) -> bytes:
    # Plain SHA-256 is enough: these are random, and nobody guesses them.
    return hashlib.sha256(text.encode(errors="replace")).digest()


def _about(hashed: bytes) -> str:
    return f"Google consent {hashed.hex()}"
