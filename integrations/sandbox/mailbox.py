"""Mail in memory: what was delivered to whom, and the drafts of each account."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import getaddresses
from html.parser import HTMLParser

from integrations.sandbox.changes import Changes

_ADDRESS = re.compile(r"https?://[^\s<>\"']+")


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it lies in a mailbox. ``message_id`` is Gmail's own, whatever the sender wrote."""

    id: str
    thread_id: str
    message_id: str
    sender: str
    to: tuple[str, ...]
    subject: str
    headers: tuple[tuple[str, str], ...]
    plain: str
    html: str
    received_at: datetime

    @property
    def links(self) -> tuple[str, ...]:
        """Every web address in it, once each: those of the HTML part's anchors first, then the plain part's."""
        anchors = _Anchors()
        anchors.feed(self.html)
        found = [*anchors.addresses, *(match.rstrip(".,;:!?)]") for match in _ADDRESS.findall(self.plain))]
        return tuple(dict.fromkeys(found))

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case; None if there is none."""
        return next((value for each, value in self.headers if each.lower() == name.lower()), None)


@dataclass(slots=True)
class Draft:
    """A mail that has not been sent."""

    id: str
    message_id: str
    thread_id: str
    raw: bytes = field(repr=False)


class PostOffice:
    """All mailboxes, by lower-case address. Every address exists: nothing bounces."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self.inboxes: dict[str, list[Mail]] = {}
        self.sent: dict[str, list[Mail]] = {}
        self.drafts: dict[str, dict[str, Draft]] = {}

    def inbox(self, address: str) -> list[Mail]:
        """What has been delivered to an address, oldest first."""
        return self.inboxes.setdefault(address.lower(), [])

    def deliver(
        self, account: str, message: EmailMessage, recipients: list[str], *, thread_id: str | None, at: datetime
    ) -> Mail:
        """Send a parsed message: a copy for every recipient, and one among the account's sent mail."""
        mail_id = new_mail_id()
        # Bcc is never delivered, and Gmail replaces Message-ID.
        del message["Bcc"], message["Message-ID"]
        message["Message-ID"] = f"<CA{secrets.token_urlsafe(24)}@mail.gmail.com>"
        mail = Mail(
            id=mail_id,
            thread_id=thread_id or mail_id,
            message_id=str(message["Message-ID"]),
            sender=str(message["From"]),
            to=tuple(address for _, address in getaddresses([str(each) for each in message.get_all("To", [])])),
            subject=str(message["Subject"] or ""),
            headers=tuple((name, str(value)) for name, value in message.items()),
            plain=_part(message, "plain"),
            html=_part(message, "html"),
            received_at=at,
        )
        self.sent.setdefault(account.lower(), []).append(mail)
        for address in dict.fromkeys(recipient.lower() for recipient in recipients):
            self.inbox(address).append(mail)
        self._changes.notify()
        return mail

    def drafts_of(self, account: str) -> dict[str, Draft]:
        """An account's drafts by id."""
        return self.drafts.setdefault(account.lower(), {})

    def threads_of(self, account: str) -> set[str]:
        """The threads that an account has mail in."""
        address = account.lower()
        mails = [*self.sent.get(address, []), *self.inbox(address)]
        return {mail.thread_id for mail in mails} | {draft.thread_id for draft in self.drafts_of(account).values()}


def new_mail_id() -> str:
    """Sixteen hexadecimal digits, like Gmail's."""
    return secrets.token_hex(8)


def recipients_of(message: EmailMessage) -> list[str]:
    """All addresses of To, Cc and Bcc; an empty string for each that cannot be read as one."""
    headers = [str(value) for name in ("To", "Cc", "Bcc") for value in message.get_all(name, [])]
    return [address for _, address in getaddresses(headers)] if any(each.strip() for each in headers) else []


def _part(message: EmailMessage, sort: str) -> str:
    part = message.get_body(preferencelist=(sort,))
    if part is None or part.get_content_subtype() != sort:
        return ""
    return str(part.get_content())


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get("href")
        if tag == "a" and address and address.startswith(("http://", "https://")):
            self.addresses.append(address)
