"""Who calls the API: ``Authorization: Bearer sgn_...`` to a person and scopes."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace

from bot.people import People
from bot.tokens import PREFIX, digest
from bot.web.errors import OutOfScope, Unauthorized
from flows.clock import Clock
from flows.errors import TryAgain
from flows.instants import to_ms
from flows.people import Person, PersonId
from flows.store.sqlite import SqliteStore


@dataclass(frozen=True, slots=True)
class Token:
    """What a token is good for. It acts as one person, within its scopes."""

    id: int
    person: PersonId
    scopes: frozenset[str]
    issued_by: str


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, by a token of theirs. ``unsure``: why nobody can say now whether they are still there."""

    person: Person
    token: Token
    unsure: TryAgain | None = None

    def needs(self, scope: str) -> None:
        """Raise ``OutOfScope`` where the token is not for this, ``TryAgain`` where more than reading takes being sure."""
        if scope not in self.token.scopes:
            raise OutOfScope(f"This takes a token with the scope {scope}.")
        if self.unsure is not None and scope != "read":
            raise self.unsure

    @property
    def may_read(self) -> bool:
        """Whether answers may say more than what became of the request."""
        return "read" in self.token.scopes

    @property
    def as_admin(self) -> bool:
        """Whether an admin's rights may be used; to have them, the person must be an admin besides."""
        return "admin" in self.token.scopes


class Tokens:
    """Tells callers by the tokens that the database holds now: one that was revoked is worth nothing at once."""

    def __init__(self, store: SqliteStore, people: People, clock: Clock) -> None:
        self._store = store
        self._people = people
        self._clock = clock

    async def caller(self, authorization: str | None) -> Caller:
        """Whom the header names. Raises ``Unauthorized``, alike for every reason; ``NotAllowed`` for who has left Slack."""
        scheme, _, secret = (authorization or "").strip().partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret.startswith(PREFIX) or not secret.isascii():
            raise Unauthorized
        now = to_ms(self._clock.now())
        # Looked up by its hash: how long that takes says nothing about any token's letters.
        token = await self._store.read(lambda c, _: _good(c, digest(secret), now))
        person = await self._people.by_id(token.person) if token else None
        if token is None or person is None:
            raise Unauthorized
        caller = Caller(person, token)
        try:
            return replace(caller, person=await self._people.present(person))
        except TryAgain as refusal:
            return replace(caller, unsure=refusal)


def _good(connection: sqlite3.Connection, hashed: bytes, now: int) -> Token | None:
    row = connection.execute(
        "SELECT id, person, scopes, issued_by FROM tokens "
        "WHERE hash = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)",
        (hashed, now),
    ).fetchone()
    return None if row is None else Token(row[0], row[1], frozenset(row[2].split(",")), row[3])
