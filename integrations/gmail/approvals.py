"""The action ``gmail.request_approval``: ``mail.request_approval``, by Gmail and nothing else."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel

from integrations.mail.approvals import MailRequestApproval, MailRequestApprovalParams


class GmailRequestApprovalParams(MailRequestApprovalParams):
    """``with`` of ``gmail.request_approval``, all of it optional; as that of ``mail.request_approval``."""


class GmailRequestApproval(MailRequestApproval):
    """Performs ``gmail.request_approval``. The mailer stays its owner's to close."""

    name: ClassVar[str] = "gmail.request_approval"
    params: ClassVar[type[BaseModel]] = GmailRequestApprovalParams
