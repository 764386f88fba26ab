"""A mail as Gmail takes it: pure."""

from __future__ import annotations

import base64
from email.headerregistry import Address

from integrations.mail.messages import Mail, written


def compose(mail: Mail, *, sender: Address) -> str:
    """``mail`` as Gmail's ``raw``: RFC 5322 in URL-safe base64. Raises ``ValueError`` where it cannot be built."""
    return base64.urlsafe_b64encode(written(mail, sender=sender)).decode("ascii")
