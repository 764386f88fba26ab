"""Ids as people and machines outside see them: ``run_3k7...``, ``sus_...``, ``per_...``.

Inside, a key is a small integer, which keeps a waiting run under 1 KiB. Outside it would tell how many runs
there are, and an id of one installation would name something else in another. So the integer is passed
through a keyed permutation of 64 bits (a four-round Feistel network); the key is made with the database and
never changes. An id is a name, not a secret: nothing is allowed to somebody because they know one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_DIGITS = {letter: value for value, letter in enumerate(_ALPHABET)}
_LENGTH = 13  # 13 * 5 bits hold 64
_HALF = (1 << 32) - 1
_ORDINAL_BITS = 24  # suspensions of one run: 16 million, for the loops that come
_MAX_RUN = 1 << (63 - _ORDINAL_BITS)  # what SQLite's signed integers hold


@dataclass(frozen=True)
class Ids:
    """The permutation of one database, and the address under which the world reaches this installation.

    ``seed`` is 16 random bytes, made once. Each ``parse`` returns None for whatever is not an id of its kind;
    whether it exists is another question.
    """

    seed: bytes = field(repr=False)
    public_url: str = ""

    def run(self, run: int) -> str:
        return _run_text(self, run)

    def suspension(self, run: int, n: int) -> str:
        if not 0 <= n < (1 << _ORDINAL_BITS) or not 0 <= run < _MAX_RUN:
            raise ValueError(f"suspension {n} of run {run} is out of range")
        return self.text("sus", run << _ORDINAL_BITS | n)

    def person(self, person: int) -> str:
        return self.text("per", person)

    def effect(self, effect: int) -> str:
        return self.text("eff", effect)

    def token(self, token: int) -> str:
        return self.text("tok", token)

    def delegation(self, delegation: int) -> str:
        return self.text("del", delegation)

    def parse_run(self, text: str) -> int | None:
        return self._number("run", text)

    def parse_suspension(self, text: str) -> tuple[int, int] | None:
        number = self._number("sus", text)
        return None if number is None else (number >> _ORDINAL_BITS, number & ((1 << _ORDINAL_BITS) - 1))

    def parse_person(self, text: str) -> int | None:
        return self._number("per", text)

    def parse_effect(self, text: str) -> int | None:
        return self._number("eff", text)

    def parse_token(self, text: str) -> int | None:
        return self._number("tok", text)

    def parse_delegation(self, text: str) -> int | None:
        return self._number("del", text)

    def run_url(self, run: int) -> str:
        """The page of a run."""
        return f"{self.public_url}/runs/{self.run(run)}"

    def text(self, kind: str, number: int) -> str:
        """The id of a kind (``run``, ``sus``, ...) with that number."""
        mixed = self._permute(kind, number, range(4))
        return f"{kind}_" + "".join(_ALPHABET[mixed >> shift & 31] for shift in range(60, -1, -5))

    def _number(self, kind: str, text: str) -> int | None:
        prefix, _, body = text.partition("_")
        if prefix != kind or len(body) != _LENGTH or any(letter not in _DIGITS for letter in body):
            return None
        mixed = 0
        for letter in body:
            mixed = mixed << 5 | _DIGITS[letter]
        if mixed >> 64:
            return None
        number = self._permute(kind, mixed, range(3, -1, -1))
        # SQLite's integers are signed: what does not fit was never one of ours.
        return number if number < 1 << 63 else None

    def _permute(self, kind: str, number: int, rounds: range) -> int:
        left, right = number >> 32, number & _HALF
        if rounds.step < 0:
            left, right = right, left
        for index in rounds:
            mac = hashlib.blake2b(
                right.to_bytes(4, "big"), key=self.seed, digest_size=4, person=f"{kind}{index}".encode()
            )
            left, right = right, left ^ int.from_bytes(mac.digest(), "big")
        if rounds.step < 0:
            left, right = right, left
        return left << 32 | right


@lru_cache(maxsize=4096)
def _run_text(ids: Ids, run: int) -> str:
    # A run's id is asked for several times while its effects are performed: in keys, links and contexts.
    return ids.text("run", run)
