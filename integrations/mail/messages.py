"""A mail as a value, and its bytes: pure.

Texts come from flows and people. None of them can add a header, a recipient or a part.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import HeaderParseError, InvalidHeaderDefect
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

# Longer ones are no list of recipients, and the parser's time grows faster than its input.
_LONGEST = 10_000

# 7bit: every relay on the way may count on lines of ASCII.
_POLICY = policy.SMTP.clone(cte_type="7bit")

_MESSAGE_ID = re.compile(r"<[A-Za-z0-9._+-]{1,120}@[A-Za-z0-9.-]{1,250}>")


@dataclass(frozen=True, slots=True)
class Thread:
    """The conversation that a mail belongs to.

    ``root`` is the Message-ID that all of its mails refer to: of the first one, or of none, where whoever sends gives
    mails names of their own (Gmail does): what refers to the same name is shown together all the same. ``newest`` is
    that of the last mail, where it is known. ``id`` is Gmail's id of the thread in the mailbox ``account``.
    """

    root: str
    newest: str | None = None
    id: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """What is to be sent. Addresses are bare (``ann@example.com``) or with a name, which is dropped.

    ``message_id`` names it, ``<letters@domain>``, the same on each repeat, so that whoever gets it twice can tell; None:
    whoever sends it thinks of one.
    """

    to: tuple[str, ...]
    subject: str
    text: str
    html: str | None = None
    cc: tuple[str, ...] = ()
    reply_to: str | None = None
    message_id: str | None = None
    thread: Thread | None = None


def mailboxes(text: str) -> tuple[Address, ...]:
    """The addresses in ``text``, which may separate several by commas. Raises ``ValueError`` with a sentence for people.

    Domains are returned in ASCII (``xn--...``).
    """
    if len(text) > _LONGEST or not text.isprintable():
        raise ValueError("is no mail address")
    try:
        # Typed as a header of any kind; that of an address field has addresses and defects.
        header: Any = _POLICY.header_factory("to", text)
    except (ValueError, IndexError, AttributeError, HeaderParseError):
        # The standard library's parser stumbles over some input ("ann@") instead of reporting a defect.
        raise ValueError("is no mail address") from None
    found: tuple[Address, ...] = header.addresses
    if not found or any(isinstance(defect, InvalidHeaderDefect) for defect in header.defects):
        raise ValueError("is no mail address")
    return tuple(_checked(address) for address in found)


def _checked(address: Address) -> Address:
    try:
        domain = address.domain.encode("idna").decode("ascii")
        if not (domain and address.username):
            raise ValueError("is no mail address")
        if not address.username.isascii():
            raise ValueError("has letters before the @ that cannot be sent to")
        return Address(display_name=_inert(address.display_name), username=address.username, domain=domain)
    except UnicodeError:
        raise ValueError("is no mail address") from None


def mailbox(text: str) -> Address:
    """The one address in ``text``. Raises ``ValueError`` where there are none or several."""
    found = mailboxes(text)
    if len(found) != 1:
        raise ValueError("has to be one mail address")
    return found[0]


def recipients(mail: Mail) -> tuple[str, ...]:
    """All bare addresses that it goes to, each once. Raises ``ValueError``."""
    found = [address.addr_spec for text in (*mail.to, *mail.cc) for address in mailboxes(text)]
    return tuple(dict.fromkeys(found))


def message_id(key: str, address: str) -> str:
    """The Message-ID of the mail that is sent from ``address`` under an idempotency key: the same on each repeat, so that
    mail systems which drop what they have seen before drop the second one."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{address.rpartition('@')[2]}>"


def written(mail: Mail, *, sender: Address) -> bytes:
    """``mail`` as RFC 5322 has it. Raises ``ValueError`` where it cannot be built."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = _bare(mail.to)
    if mail.cc:
        message["Cc"] = _bare(mail.cc)
    if mail.reply_to is not None:
        message["Reply-To"] = _bare((mail.reply_to,))
    message["Subject"] = _inert(mail.subject)
    if mail.message_id is not None:
        message["Message-ID"] = _name(mail.message_id)
    for name, value in _references(mail):
        message[name] = value
    # Keeps out-of-office answers away (RFC 3834; Exchange looks at the other one).
    message["Auto-Submitted"] = "auto-generated"
    if mail.thread is not None:
        message["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    message.set_content(_encodable(mail.text))
    if mail.html is not None:
        message.add_alternative(_encodable(mail.html), subtype="html")
    raw = message.as_bytes()
    # Python before 3.11.10 folds some headers into several without a word; nothing known gets here, yet a mail
    # with a header more than was set must never leave.
    if message_from_bytes(raw, policy=_POLICY).keys() != message.keys():
        raise ValueError("The mail's headers cannot be written safely.")
    return raw


def _references(mail: Mail) -> list[tuple[str, str]]:
    thread = mail.thread
    if thread is None or mail.message_id == thread.root:
        return []
    named = [_name(one) for one in dict.fromkeys((thread.root, thread.newest or thread.root))]
    return [("In-Reply-To", named[-1]), ("References", " ".join(named))]


def _name(text: str) -> str:
    if not _MESSAGE_ID.fullmatch(text):
        raise ValueError(f"{text!r} is no Message-ID.")
    return text


def _bare(texts: tuple[str, ...]) -> list[Address]:
    # Names are dropped: until 3.11.12 a long list with names that need encoding was folded into other
    # addresses (CVE-2025-1795).
    found = [address for text in texts for address in mailboxes(text)]
    if not found:
        raise ValueError("A mail needs a recipient.")
    return [Address(username=address.username, domain=address.domain) for address in found]


def _inert(text: str) -> str:
    """One line without control characters, and nothing that a reader would decode (``=?utf-8?q?...?=``)."""
    line = " ".join(_encodable(text).split())
    return "".join(character for character in line if character.isprintable()).replace("=?", "= ?")


def _encodable(text: str) -> str:
    """Lone surrogates, which JSON can carry and UTF-8 cannot, become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
