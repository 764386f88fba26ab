"""Who may call a webhook: secrets that are derived and never stored, and the signatures made with them. Pure.

Two ways to sign. Ours covers the time and the delivery's id::

    X-Signoff-Signature: t=1767603600,v1=<hex of HMAC-SHA256 over "1767603600." and the body>

and where the sender names the delivery (``X-Signoff-Delivery: 7f3a``, so that it may sign it again later) over
``"1767603600,7f3a."`` and the body. GitHub's (``X-Hub-Signature-256: sha256=<hex>``) covers the body alone. So each
has a secret of its own: what was signed in one way is worth nothing in the other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from flows.links import derive

TOLERANCE = timedelta(minutes=5)
"""How far the time in a signature may be from ours, either way: what Slack and Stripe allow too."""

OURS = "X-Signoff-Signature"
OUR_DELIVERY = "X-Signoff-Delivery"
GITHUBS = "X-Hub-Signature-256"
GITHUBS_DELIVERY = "X-GitHub-Delivery"

_MAX_SIGNATURES = 5  # a sender that changes its secret signs with both
_TIME = re.compile(r"[0-9]{1,12}")
_HEX = re.compile(r"[0-9a-fA-F]{64}")
# Without `.` and `,`, so that no delivery can be taken for a part of the time or of the body.
_DELIVERY = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Scheme(Enum):
    """How a sender signs; its secret is for that alone."""

    SIGNOFF = "signoff"
    GITHUB = "github"


class NotGenuine(Exception):
    """A request that nobody who has the secret has sent now. The text is for the log, never for the sender."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a request's headers say of its signature, before anybody has looked at the body.

    ``delivery`` is its id in words of its own; None where the signed content itself stands for it.
    """

    scheme: Scheme
    signatures: tuple[str, ...]
    prefix: bytes
    delivery: str | None


class HookKeys:
    """The secrets of all webhooks, from ``SIGNOFF_SECRET_KEY``: the first key's are given out, all verify."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets:
            raise ValueError("webhooks need a key")
        self._secrets = tuple(secrets)

    def secret(self, flow: str, hook: str, scheme: Scheme = Scheme.SIGNOFF) -> str:
        """What the sender signs with: this very text, 47 letters, digits, ``-`` and ``_``."""
        return _secret(self._secrets[0], flow, hook, scheme)

    def verify(self, flow: str, hook: str, claimed: Claimed, body: bytes) -> str:
        """The key under which this delivery is remembered, if the sender has the secret. Raises ``NotGenuine``.

        Takes the same time for each wrong signature; whether there is such a webhook is not looked at here.
        """
        content = claimed.prefix + body
        found = 0
        for secret in self._secrets:
            made = hmac.digest(_secret(secret, flow, hook, claimed.scheme).encode(), content, "sha256").hex()
            # All are compared, so that the time does not tell which one it was.
            found += sum(hmac.compare_digest(made, signature) for signature in claimed.signatures)
        if not found:
            raise NotGenuine("the signature is not that of this webhook's secret")
        if claimed.delivery is not None:
            return f"{claimed.scheme.value}:{claimed.delivery}"
        # Not the signature: the same content may have been signed with two secrets.
        return hashlib.sha256(content).hexdigest()


def claimed(headers: Mapping[str, str], now: datetime) -> Claimed:
    """Read the headers of a request. ``headers`` finds a name in any case. Raises ``NotGenuine``."""
    ours, githubs = headers.get(OURS), headers.get(GITHUBS)
    if ours is not None:
        return _ours(ours, headers.get(OUR_DELIVERY), now)
    if githubs is not None:
        return _githubs(githubs, headers.get(GITHUBS_DELIVERY))
    raise NotGenuine(f"neither {OURS} nor {GITHUBS} is there")


def signature(secret: str, body: bytes, at: datetime, delivery: str | None = None) -> str:
    """The value of ``X-Signoff-Signature`` for a body that is sent at that time: for senders in Python, and tests."""
    seconds = str(int(at.timestamp()))
    made = hmac.digest(secret.encode(), _prefix(seconds, delivery) + body, "sha256")
    return f"t={seconds},v1={made.hex()}"


def _ours(text: str, delivery: str | None, now: datetime) -> Claimed:
    pairs = [part.strip().partition("=") for part in text.split(",")]
    seconds = [value for name, _, value in pairs if name == "t"]
    signatures = [value.lower() for name, _, value in pairs if name == "v1"]
    if len(seconds) != 1 or not _TIME.fullmatch(seconds[0]):
        raise NotGenuine(f"{OURS} has no time, like t=1767603600")
    if not 1 <= len(signatures) <= _MAX_SIGNATURES or not all(map(_HEX.fullmatch, signatures)):
        raise NotGenuine(f"{OURS} has no signature, like v1= and 64 hexadecimal digits")
    if delivery is not None and not _DELIVERY.fullmatch(delivery):
        raise NotGenuine(f"{OUR_DELIVERY} is not 1 to 100 letters, digits, - and _")
    if abs(int(now.timestamp()) - int(seconds[0])) > TOLERANCE.total_seconds():
        raise NotGenuine("the time of the signature is more than five minutes away; is the sender's clock right?")
    return Claimed(Scheme.SIGNOFF, tuple(signatures), _prefix(seconds[0], delivery), delivery)


def _githubs(text: str, delivery: str | None) -> Claimed:
    algorithm, _, made = text.strip().partition("=")
    if algorithm != "sha256" or not _HEX.fullmatch(made):
        raise NotGenuine(f"{GITHUBS} is not sha256= and 64 hexadecimal digits")
    if delivery is None or not _DELIVERY.fullmatch(delivery):
        # Without it, one request that somebody has recorded could be sent for ever.
        raise NotGenuine(f"{GITHUBS_DELIVERY} is not there")
    return Claimed(Scheme.GITHUB, (made.lower(),), b"", delivery)


def _prefix(seconds: str, delivery: str | None) -> bytes:
    return f"{seconds}.".encode() if delivery is None else f"{seconds},{delivery}.".encode()


def _secret(secret: str, flow: str, hook: str, scheme: Scheme) -> str:
    # Neither name can hold a slash, so no two webhooks share a purpose.
    key = derive(secret, f"hooks/{flow}/{hook}/{scheme.value}")
    return f"whs_{base64.urlsafe_b64encode(key).rstrip(b'=').decode()}"
