"""Sending a mail once, as far as Gmail lets anybody know.

Gmail has no idempotency key. Where drafts may be made, a mail is made as a draft first, its id is stored, and then the
draft is sent: a draft can be sent only once, so repeating is safe, and "not found" on a repeat says that it was
sent. Where only ``gmail.send`` was granted, a call that got no answer stays unknown: it is said, never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flows.errors import ActionError, ConfigError
from flows.ports import Json
from integrations.gmail.failures import InsufficientPermissions, NotFound
from integrations.gmail.messages import compose
from integrations.gmail.transport import GmailTransport
from integrations.mail.mailer import Remember, Sent
from integrations.mail.messages import Mail, mailbox


class GmailMailer:
    """Sends mail from one mailbox. ``sender`` is an address, with a name if one is wanted.

    Raises ``ConfigError`` where ``sender`` is no address. Owns ``transport``: call ``close()`` in the end.
    """

    def __init__(self, transport: GmailTransport, *, sender: str) -> None:
        self._transport = transport
        try:
            self._sender = mailbox(sender)
        except ValueError as error:
            raise ConfigError([f"GMAIL_SENDER {error}."]) from None
        self._drafts_refused = False

    @property
    def address(self) -> str:
        """The bare address that it sends from."""
        return self._sender.addr_spec

    @property
    def can_draft(self) -> bool | None:
        """Whether each mail is sent exactly once whatever breaks; None until a first mail or ``check()`` tells."""
        return False if self._drafts_refused else self._transport.can_draft

    async def check(self) -> list[str]:
        """What keeps this mailbox from sending, one sentence each; empty where a token could be had."""
        try:
            await self._transport.authorize()
        except ActionError as error:
            return [str(error)]
        return []

    async def send(self, mail: Mail, *, memo: Mapping[str, Json], remember: Remember) -> Sent:
        """Send ``mail``; ``memo`` is what an earlier try of the same mail handed to ``remember``, which stores durably.

        Raises ``ActionError``. Retryable: call again with the memo. Uncertain and not retryable: nobody knows whether it
        was sent; another call is a deliberate second sending.
        """
        draft = memo.get("draft")
        if isinstance(draft, str):
            return await self._send_draft(draft, remember, resumed=True)
        if memo.get("sending"):
            await remember({})
            raise ActionError("Gmail: an earlier try of this mail ended without an answer.", uncertain=True)
        try:
            # Gmail gives each mail a Message-ID of its own. What is in a thread is kept together by what it refers to.
            raw = compose(replace(mail, message_id=None), sender=self._sender)
        except ValueError as error:
            raise ActionError(f"The mail cannot be built: {error}") from error
        await self._transport.authorize()
        thread = mail.thread.id if mail.thread is not None and mail.thread.account == self.address else None
        if self.can_draft is not False:
            try:
                draft = await self._create_draft(raw, thread)
            except InsufficientPermissions:
                self._drafts_refused = True
            else:
                await remember({"draft": draft})
                return await self._send_draft(draft, remember, resumed=False)
        return await self._send_message(raw, thread, remember)

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()

    async def _create_draft(self, raw: str, thread: str | None) -> str:
        try:
            return await self._transport.create_draft(raw, thread)
        except NotFound:
            if thread is None:
                raise
            return await self._transport.create_draft(raw)  # somebody has deleted the thread

    async def _send_draft(self, draft: str, remember: Remember, *, resumed: bool) -> Sent:
        try:
            return _sent(await self._transport.send_draft(draft))
        except NotFound:
            if resumed:
                return Sent()
            # Made a moment ago and never sent, so it was thrown away and not sent: start over.
            await remember({})
            raise ActionError("Gmail: the draft has vanished before it was sent.", retryable=True) from None

    async def _send_message(self, raw: str, thread: str | None, remember: Remember) -> Sent:
        # Stored first, so that a process that dies in between does not send it again when it comes back.
        await remember({"sending": True})
        try:
            try:
                return _sent(await self._transport.send_message(raw, thread))
            except NotFound:
                if thread is None:
                    raise
                return _sent(await self._transport.send_message(raw))  # somebody has deleted the thread
        except ActionError:
            await remember({})
            raise


def _sent(message: dict[str, Json]) -> Sent:
    ids = [value if isinstance(value, str) else None for value in (message.get("id"), message.get("threadId"))]
    return Sent(id=ids[0], thread_id=ids[1])
