"""The addresses that are worth a signature: personal pages, early decisions, and what machines call.

=============== =====================================================================================
``/a/TOKEN``      one person's page of one suspension
``/p/TOKEN``      one person's decision for a run that may come before the suspension; ``/p/TOKEN/STEP`` for one step
``/r/TOKEN``      a machine calls back; ``/c/TOKEN`` it ends the wait the other way
=============== =====================================================================================
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from flows.clock import Clock
from flows.definition import Approval, Hold
from flows.errors import LinkExpired, LinkInvalid
from flows.links import INVALID, NOBODY, Keyring, Link, Purpose
from flows.people import PersonId
from flows.run import Path, Run
from flows.step_context import MachineLinks
from flows.views import SuspensionView

AFTERGLOW = timedelta(days=30)
"""A link outlives its suspension's deadline by this much, so that who comes late is told what became of it."""

LONGEST = timedelta(days=3660)
"""The longest time that a flow may wait (``flows.definition.Duration``)."""

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Letters of codes: none that looks like another one when it is read from one screen and typed at the next."""

CODE_LETTERS = 6
"""887 million codes; at five tries a quarter of an hour nobody finds one."""


class PageLinks:
    """Derives and verifies the addresses; stores nothing. Each is the same text whenever it is derived."""

    def __init__(self, keyring: Keyring, clock: Clock, public_url: str) -> None:
        self._keyring = keyring
        self._clock = clock
        self._public_url = public_url.rstrip("/")

    # -- a person's page ----------------------------------------------------------------------------------------

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

    def code(self, view: SuspensionView, person: PersonId) -> str | None:
        """What this person's page asks for and their mail shows, where the flow says ``verify: code``; else None.

        Derived like the link, and not to be had from it.
        """
        wait = view.wait
        if not isinstance(wait, Approval | Hold) or wait.verify != "code":
            return None
        return self._codes(view, person)[0]

    def is_code(self, text: str, view: SuspensionView, person: PersonId) -> bool:
        """Whether that is the code, in whatever case and with whatever spaces it was typed. Takes the same time for each
        wrong one."""
        typed = "".join(letter for letter in text.upper() if letter not in " -").encode(errors="replace")
        # All keys are compared, so that the time does not tell which one it was.
        return sum(hmac.compare_digest(one.encode(), typed) for one in self._codes(view, person)) > 0

    def _codes(self, view: SuspensionView, person: PersonId) -> tuple[str, ...]:
        about = view.run.id, view.suspension.n, person, view.suspension.generation
        parts = [str(part).encode() for part in about]
        return tuple(_letters(mark) for mark in self._keyring.marks(Purpose.CODE, *parts))

    # -- a decision that may come early -------------------------------------------------------------------------

    def early(self, run: Run, person: PersonId, step: Path | None = None) -> str:
        """Where this person decides before they are asked: for the step at that path, or for whatever is next."""
        link = Link(Purpose.PRE, run.id, 0, person, 1, _end(run), step or "")
        return f"{self._public_url}/p/{self._keyring.sign(link)}" + (f"/{step}" if step else "")

    def open_early(self, token: str, step: Path | None = None) -> Link:
        """What the link says; ``step`` is what stands behind the token in the address. Raises as ``open``."""
        return self._keyring.verify(token, Purpose.PRE, now=self._clock.now(), about=step or "")

    # -- what machines call -------------------------------------------------------------------------------------

    def resume(self, run: Run, n: int, generation: int = 1) -> str:
        """Where a machine calls back. May be handed out before the suspension is stored: its number is enough."""
        return self._machine("r", Purpose.RESUME, run, n, generation)

    def cancel(self, run: Run, n: int, generation: int = 1) -> str:
        """Where a machine ends the wait the other way; as ``resume``."""
        return self._machine("c", Purpose.CANCEL, run, n, generation)

    def machine(self, run: Run, n: int) -> MachineLinks:
        """Both of them."""
        return MachineLinks(self.resume(run, n), self.cancel(run, n))

    def open_machine(self, token: str, purpose: Purpose) -> Link:
        """What the link says; ``purpose`` is ``RESUME`` or ``CANCEL``. Raises as ``open``."""
        return self._keyring.verify(token, purpose, now=self._clock.now())

    def check_machine(self, link: Link, view: SuspensionView | None) -> None:
        """Return if the link is good for its suspension as it stands; None: it has not been opened yet.

        Raises ``LinkInvalid`` where the link was revoked, ``LinkExpired`` where the wait has long been over.
        """
        if (view.suspension.generation if view is not None else 1) != link.generation:
            raise LinkInvalid(INVALID)
        closing = view.suspension.closing if view is not None else None
        if closing is not None and self._clock.now() >= closing.at + AFTERGLOW:
            raise LinkExpired(INVALID)

    def _machine(self, door: str, purpose: Purpose, run: Run, n: int, generation: int) -> str:
        # Handed out before anybody knows when the wait opens, and again when the action is repeated: so the end is
        # one that no wait outlasts, and the wait's own end is looked at when the link is used.
        link = Link(purpose, run.id, n, NOBODY, generation, _end(run))
        return f"{self._public_url}/{door}/{self._keyring.sign(link)}"


def _letters(mark: bytes) -> str:
    number = int.from_bytes(mark, "big")  # 200 bits: what is left over by the division favours no letter that matters
    letters = []
    for _ in range(CODE_LETTERS):
        number, one = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[one])
    return "".join(letters)


def _end(run: Run) -> datetime:
    return run.started_at + LONGEST + AFTERGLOW
