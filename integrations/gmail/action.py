"""The action ``gmail.send``: ``mail.send``, by Gmail and nothing else."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from integrations.mail.action import MailSend, MailSendParams


class GmailSendParams(MailSendParams):
    """``with`` of ``gmail.send``: ``to`` and ``cc`` are an address, several separated by commas, or a list."""


class GmailSend(MailSend):
    """Performs ``gmail.send``. The mailer stays its owner's to close."""

    name: ClassVar[str] = "gmail.send"
    params: ClassVar[type[BaseModel]] = GmailSendParams
