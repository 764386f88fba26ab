"""Who sends mail: the one thing that Gmail and SMTP have to be able to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from flows.ports import Json
from integrations.mail.messages import Mail

Remember = Callable[[Mapping[str, Json]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that was sent. ``id`` and ``thread_id`` are Gmail's; None where it was not Gmail, or it is known to be sent
    and the answer that named them was lost. ``message_id`` is the Message-ID that it bears; None where nobody knows."""

    id: str | None = None
    thread_id: str | None = None
    message_id: str | None = None


class Mailer(Protocol):
    """Sends mail from one mailbox."""

    @property
    def address(self) -> str:
        """The bare address that it sends from."""
        ...

    async def send(self, mail: Mail, *, memo: Mapping[str, Json], remember: Remember) -> Sent:
        """Send ``mail``; ``memo`` is what an earlier try of the same mail handed to ``remember``, which stores durably.

        Raises ``ActionError``. Retryable: call again with the memo. Uncertain and not retryable: nobody knows whether it
        was sent; another call is a deliberate second sending. Nothing is ever repeated by itself.
        """
        ...
