"""Signed links: derive them when a message is performed, verify them at the door, store nothing.

A link is an HMAC over its purpose, the suspension, the person, a generation, its expiry and the id of the key
that signed it. So a link is for one purpose, one suspension and one person; raising the suspension's
generation revokes all of its links; a new key may sign while old ones still verify.

A machine's link names no person (``NOBODY``). A link for a decision that comes before its suspension names none
(``n`` is 0): it is for the run, or for the step that it is ``about``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from flows.errors import LinkExpired, LinkInvalid
from flows.instants import from_ms, to_ms
from flows.people import PersonId

_VERSION = 1
_BODY = struct.Struct(">BB4sQIQIQ")  # version, purpose, key id, run, n, person, generation, expiry: 38 bytes
_MAC_BYTES = 25  # 200 bits; with the body 63 bytes, which base64 writes in 84 letters without padding
_LETTERS = 84


class Purpose(Enum):
    """What a link is for. A link for one purpose is worth nothing for another."""

    PAGE = 1
    """Shows the approval page of one person, and lets it be sent."""
    FORM = 2
    """Binds a page's form to the page that showed it."""
    RESUME = 3
    """A machine's: calls back, and names no person."""
    CANCEL = 4
    """A machine's: ends the wait the other way."""
    PRE = 5
    """Takes one person's decision for a run, or for one step of it, that may come before its suspension."""
    ADMIN = 6
    """Lets an admin connect an account of the installation."""
    CODE = 7
    """Derives the code that a mail shows and its page asks for."""
    SIGN_IN = 8
    """Binds a sign-in with another service to the browser that began it, and what it came to."""


NOBODY: PersonId = 0
"""The person in a machine's link. Nobody has that id."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a genuine link says.

    ``about`` is signed and not written: it stands beside the link in the address, and another one does not fit.
    """

    purpose: Purpose
    run: int
    n: int
    person: PersonId
    generation: int
    expires_at: datetime
    about: str = ""


class Keyring:
    """The keys of ``SIGNOFF_SECRET_KEY``: the first signs, all verify."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets:
            raise ValueError("a keyring needs a key")
        keys = [derive(secret, "links") for secret in secrets]
        self._keys = {_key_id(key): key for key in keys}
        self._signing = keys[0]

    def sign(self, link: Link) -> str:
        """The link as text for an address: letters, digits, ``-`` and ``_``."""
        body = _BODY.pack(
            _VERSION,
            link.purpose.value,
            _key_id(self._signing),
            link.run,
            link.n,
            link.person,
            link.generation,
            to_ms(link.expires_at),
        )
        return base64.urlsafe_b64encode(body + _mac(self._signing, body, link.about)).decode()

    def verify(self, text: str, purpose: Purpose, *, now: datetime, about: str = "") -> Link:
        """What the link says, if it is ours, for this purpose, about this, and not expired.

        Raises ``LinkInvalid`` and ``LinkExpired``, which a door shows alike. Takes the same time for each
        wrong signature; whether the suspension exists is not looked at here.
        """
        try:
            # The length is looked at because base64 lets any number of `=` stand behind a text that needs none.
            raw = base64.b64decode(
                text.encode("ascii") if len(text) == _LETTERS else b"", altchars=b"-_", validate=True
            )
            body, mac = raw[: _BODY.size], raw[_BODY.size :]
            version, kind, key_id, run, n, person, generation, expires = _BODY.unpack(body)
        except (UnicodeEncodeError, binascii.Error, struct.error):
            raise LinkInvalid(INVALID) from None
        # An unknown key is compared against too, so that it takes as long as a wrong signature.
        key = self._keys.get(key_id, self._signing)
        genuine = hmac.compare_digest(mac, _mac(key, body, about)) and key_id in self._keys
        if not genuine or version != _VERSION or kind != purpose.value:
            raise LinkInvalid(INVALID)
        link = Link(purpose, run, n, person, generation, from_ms(expires), about)
        if now >= link.expires_at:
            raise LinkExpired(INVALID)
        return link

    def bind(self, purpose: Purpose, *parts: bytes) -> str:
        """A MAC that ties ``parts`` together for a purpose; letters, digits, ``-`` and ``_``."""
        return base64.urlsafe_b64encode(_mac(self._signing, _bound(purpose, parts))).rstrip(b"=").decode()

    def is_bound(self, text: str, purpose: Purpose, *parts: bytes) -> bool:
        """Whether ``bind`` made ``text`` of these very parts, with any of the keys."""
        body = _bound(purpose, parts)
        made = [base64.urlsafe_b64encode(_mac(key, body)).rstrip(b"=") for key in self._keys.values()]
        # All of them are compared, so that the time does not tell which key it was.
        return sum(hmac.compare_digest(one, text.encode(errors="replace")) for one in made) > 0

    def marks(self, purpose: Purpose, *parts: bytes) -> tuple[bytes, ...]:
        """The MACs of ``parts`` by each key, the signing key's first: for what is shown in another form than ``bind``'s."""
        body = _bound(purpose, parts)
        return tuple(_mac(key, body) for key in self._keys.values())


INVALID = "This link is not valid. It may be incomplete, or no longer in use."


def derive(secret: str, purpose: str) -> bytes:
    """One key per purpose from one secret: HKDF-SHA256 (RFC 5869) with no salt, 32 bytes."""
    extracted = hmac.digest(b"\x00" * 32, secret.encode(), "sha256")
    return hmac.digest(extracted, b"signoff/" + purpose.encode() + b"\x01", "sha256")


def _bound(purpose: Purpose, parts: Sequence[bytes]) -> bytes:
    # It begins with a zero, where a link's body has its version: neither can be taken for the other. Lengths
    # keep ("ab", "c") apart from ("a", "bc").
    return bytes([0, purpose.value]) + b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"id" + key).digest()[:4]


def _mac(key: bytes, body: bytes, about: str = "") -> bytes:
    # A link's body has always the same length, so that what it is about cannot be taken for a part of it.
    return hmac.digest(key, body + about.encode(errors="replace"), "sha256")[:_MAC_BYTES]
