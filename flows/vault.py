"""Secret values, encrypted before they reach the store: AES-256-GCM with a key per purpose, which serves nothing else."""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from flows.links import derive

_NONCE = 12  # bytes; the size that AES-GCM is made for (NIST SP 800-38D)


class Vault:
    """Seals with the first key of ``SIGNOFF_SECRET_KEY`` and opens with any of them. ``purpose`` is what its keys serve."""

    def __init__(self, secrets: Sequence[str], purpose: str = "secrets") -> None:
        self._keys = [AESGCM(derive(secret, purpose)) for secret in secrets]
        self._marking = [derive(secret, "fingerprints") for secret in secrets]

    def fingerprints(self, text: str) -> tuple[bytes, ...]:
        """A keyed hash of ``text`` by each key, the first key's first: it may contain secrets that could be guessed."""
        return tuple(hmac.digest(key, text.encode(), "sha256") for key in self._marking)

    def seal(self, value: str, about: str) -> bytes:
        """The value, encrypted and bound to ``about`` (where it belongs), so that it opens nowhere else."""
        nonce = os.urandom(_NONCE)
        return nonce + self._keys[0].encrypt(nonce, value.encode(), about.encode())

    def unseal(self, sealed: bytes, about: str) -> str:
        """The value. Raises ``ValueError`` where no key opens it: it was changed, or its key was thrown away."""
        for key in self._keys:
            try:
                return key.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode()).decode()
            except InvalidTag:
                continue
        raise ValueError(f"no key in SIGNOFF_SECRET_KEY opens {about}; was an old key taken out of the list?")
