"""Personal links to the approval page, for mails and Slack."""

from __future__ import annotations

from datetime import timedelta

from flows.clock import Clock
from flows.errors import LinkInvalid
from flows.links import INVALID, Keyring, Link, Purpose
from flows.people import PersonId
from flows.views import SuspensionView

AFTERGLOW = timedelta(days=30)
"""A link outlives its suspension's deadline by this much, so that who comes late is told what became of it."""


class PageLinks:
    """Derives and verifies ``/a/{token}``; stores nothing."""

    def __init__(self, keyring: Keyring, clock: Clock, public_url: str) -> None:
        self._keyring = keyring
        self._clock = clock
        self._public_url = public_url.rstrip("/")

    def url(self, view: SuspensionView, person: PersonId) -> str:
        """The page of this suspension for this person; the same text each time, so a repeated mail repeats it."""
        suspension = view.suspension
        expires_at = (suspension.due or suspension.opened_at) + AFTERGLOW
        link = Link(Purpose.PAGE, view.run.id, suspension.n, person, suspension.generation, expires_at)
        return f"{self._public_url}/a/{self._keyring.sign(link)}"

    def open(self, token: str) -> Link:
        """What the link says. Raises ``LinkInvalid`` or ``LinkExpired``, which doors show alike."""
        return self._keyring.verify(token, Purpose.PAGE, now=self._clock.now())

    def check_current(self, link: Link, view: SuspensionView | None) -> SuspensionView:
        """The view that the link is for. Raises ``LinkInvalid`` where there is none, or the link was revoked."""
        if view is None or view.suspension.generation != link.generation:
            raise LinkInvalid(INVALID)
        return view
