"""Sending a mail by SMTP, once, as far as SMTP lets anybody know.

A server takes responsibility for a mail with its answer to the text's end, and not before (RFC 5321, 4.1.1.4). A
connection that breaks after that end was written, and before the answer, leaves it open whether the mail was sent: that
is said, and never repeated. One connection per mail: a kept one that was closed in the meantime would look like that.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from flows.errors import ActionError, ConfigError
from flows.ports import Json
from integrations.mail.mailer import Remember, Sent
from integrations.mail.messages import Mail, mailbox, recipients, written
from integrations.smtp.failures import failure, lost
from integrations.smtp.server import PORTS, Server

_QUIT = 2.0  # seconds; the mail has been taken by then


class SmtpMailer:
    """Sends mail through one server. ``sender`` is an address, with a name if one is wanted.

    Raises ``ConfigError`` where ``sender`` is no address.
    """

    def __init__(self, server: Server, *, sender: str) -> None:
        self._server = server
        try:
            self._sender = mailbox(sender)
        except ValueError as error:
            raise ConfigError([f"SMTP_SENDER {error}."]) from None

    @property
    def address(self) -> str:
        """The bare address that it sends from."""
        return self._sender.addr_spec

    async def check(self) -> list[str]:
        """What keeps this server from taking mail, one sentence each; empty where it greets us and takes the login."""
        client = self._client()
        try:
            await client.connect()
        except (SMTPException, OSError, ValueError) as error:
            return [str(failure(error))]
        await _quit(client)
        return []

    async def send(self, mail: Mail, *, memo: Mapping[str, Json], remember: Remember) -> Sent:
        """As ``integrations.mail.mailer.Mailer``: all recipients are taken, or nothing is sent."""
        if memo.get("sending"):
            await remember({})
            raise ActionError("SMTP: an earlier try of this mail ended without an answer.", uncertain=True)
        try:
            raw, envelope = written(mail, sender=self._sender), recipients(mail)
        except ValueError as error:
            raise ActionError(f"The mail cannot be built: {error}") from error
        client = self._client()
        try:
            await client.connect()
            await client.mail(self.address)
            for recipient in envelope:
                await client.rcpt(recipient)
        except (SMTPException, OSError, ValueError) as error:
            client.close()
            raise failure(error) from None  # its text may repeat what the server says of the login
        # Stored first, so that a process that dies in between does not send it again when it comes back.
        await remember({"sending": True})
        try:
            await self._hand_over(client, raw)
        except ActionError:
            await remember({})
            raise
        finally:
            client.close()
        return Sent(message_id=mail.message_id)

    async def close(self) -> None:
        """Nothing is open between two mails."""

    async def _hand_over(self, client: SMTP, raw: bytes) -> None:
        try:
            await client.data(raw)
        except SMTPResponseException as error:
            raise failure(error) from None
        except (SMTPException, OSError) as error:
            raise lost(error) from None
        await _quit(client)

    def _client(self) -> SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port or PORTS[server.tls],
            username=server.user,
            password=server.password,
            use_tls=server.tls == "tls",
            start_tls=server.tls == "starttls",
            # Servers log it and some compare it with the address; this machine's own name is nobody's business.
            local_hostname=self._sender.domain,
            timeout=server.timeout,
            tls_context=server.trust,
        )


async def _quit(client: SMTP) -> None:
    # What it answers changes nothing: the mail has been taken.
    with suppress(SMTPException, OSError):
        await client.quit(timeout=_QUIT)
