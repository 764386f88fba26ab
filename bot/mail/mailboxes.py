"""Which mailbox mail goes out from: Gmail's where an account is connected, else SMTP.

That may change while the bot runs: an admin connects an account, or Google takes its tokens no more. So it is looked up for
each mail, and whatever one mailbox has begun is never finished by another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flows.errors import ActionError, NotConnected
from flows.ports import Json
from integrations.mail.mailer import Mailer, Remember, Sent
from integrations.mail.messages import Mail

ACCOUNT = "mail"
"""What effects wait for that are parked because no mail can be sent."""

_BY, _MEMO = "by", "memo"


class NoMailbox(NotConnected):
    """Nothing is set up that could send, or it may not any more."""

    account = ACCOUNT


class Mailboxes:
    """Picks a mailbox. ``gmail`` is that of the settings, ``connected`` gives that of the first connected account."""

    def __init__(
        self,
        *,
        gmail: Mailer | None = None,
        smtp: Mailer | None = None,
        connected: Callable[[], Mailer | None] = lambda: None,
        problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._gmail = gmail
        self._smtp = smtp
        self._connected = connected
        self._problem = problem
        self.mail: Mailer = _Picked(self.any_of, self._absent)
        self.gmail: Mailer = _Picked(self.gmail_of, self._absent)

    def any_of(self) -> Mailer | None:
        """What mail goes out by now."""
        return self.gmail_of() or self._smtp

    def gmail_of(self) -> Mailer | None:
        """What Gmail's mail goes out by now."""
        return self._gmail or self._connected()

    def _absent(self) -> NoMailbox:
        return NoMailbox(
            self._problem()
            or "no mail can be sent: connect a Gmail account (`signoff connect gmail`), or set SMTP_HOST and SMTP_SENDER"
        )


class _Picked:
    """A mailer that is another one each time."""

    def __init__(self, pick: Callable[[], Mailer | None], absent: Callable[[], NoMailbox]) -> None:
        self._pick = pick
        self._absent = absent

    @property
    def address(self) -> str:
        return self._picked().address

    async def send(self, mail: Mail, *, memo: Mapping[str, Json], remember: Remember) -> Sent:
        mailer = self._picked()
        name = f"{type(mailer).__name__} {mailer.address}"
        # Without a name it is from before there were several.
        begun: Mapping[str, Json] = memo.get(_MEMO, {}) if _BY in memo else memo
        if begun and memo.get(_BY, name) != name:
            await remember({})
            raise ActionError(
                f"An earlier try of this mail, by {memo[_BY].rpartition(' ')[2]}, ended without an answer.",
                uncertain=True,
            )

        async def noted(memo: Mapping[str, Json]) -> None:
            await remember({_BY: name, _MEMO: dict(memo)} if memo else {})

        return await mailer.send(mail, memo=begun, remember=noted)

    def _picked(self) -> Mailer:
        mailer = self._pick()
        if mailer is None:
            raise self._absent()
        return mailer
