"""Mails as bytes, without any network."""

import base64
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from integrations.gmail.messages import compose
from integrations.mail.messages import Mail, mailbox, mailboxes

SENDER = mailbox("Signoff <bot@example.com>")


def mail(**changes: Any) -> Mail:
    return Mail(**({"to": ("ann@example.com",), "subject": "Please decide", "text": "Hello"} | changes))


def read(raw: str) -> EmailMessage:
    message = message_from_bytes(base64.urlsafe_b64decode(raw), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert isinstance(found, EmailMessage)
    return str(found.get_content())


def test_a_mail_has_a_text_and_an_html_part() -> None:
    message = read(
        compose(
            mail(
                to=("ann@example.com", "Bob Bär <bob@bücher.example>"),
                cc=("cat@example.com",),
                reply_to="dan@example.com",
                subject="Größe: " + "ä" * 200,
                text="Grüße\n" + "x" * 2000,
                html="<p>Grüße</p>",
            ),
            sender=SENDER,
        )
    )

    assert message["From"] == "Signoff <bot@example.com>"
    assert message["To"] == "ann@example.com, bob@xn--bcher-kva.example"
    assert (message["Cc"], message["Reply-To"]) == ("cat@example.com", "dan@example.com")
    assert message["Subject"] == "Größe: " + "ä" * 200
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    assert part(message, "plain").replace("\r\n", "\n") == "Grüße\n" + "x" * 2000 + "\n"
    assert part(message, "html").strip() == "<p>Grüße</p>"


@pytest.mark.parametrize(
    "subject",
    [
        "hi\r\nBcc: eve@evil.example",
        "hi\nBcc: eve@evil.example",
        "hi\rBcc: eve@evil.example",
        "hi\x0bBcc: eve@evil.example",
        "hi\x85Bcc: eve@evil.example",
        "hi\u2028Bcc: eve@evil.example",
        "=?utf-8?q?hi=0ABcc:_eve=40evil.example?=",
        "=?utf-8?b?aGkNCkJjYzogZXZlQGV2aWwuZXhhbXBsZQ==?=",
        "hi\x00\x1b[31m",
        "\ud800 lone",
        "x" * 998,
    ],
)
def test_no_subject_adds_a_header_or_a_recipient(subject: str) -> None:
    raw = compose(mail(subject=subject), sender=SENDER)
    message = read(raw)

    assert [name.lower() for name in message] == [
        "from",
        "to",
        "subject",
        "auto-submitted",
        "content-type",
        "content-transfer-encoding",
        "mime-version",
    ]
    assert message["To"] == "ann@example.com"
    assert "\n" not in message["Subject"]
    assert "\x00" not in message["Subject"]
    assert all(len(line) < 998 for line in base64.urlsafe_b64decode(raw).splitlines())


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("ann@example.com", ["ann@example.com"]),
        ("J. R. Doe <doe@example.com>", ["doe@example.com"]),
        ('"Doe, Jane" <jane@example.com>, bob@example.com', ["jane@example.com", "bob@example.com"]),
        ("ann+tag@mail.example.com", ["ann+tag@mail.example.com"]),
        ("ann@bücher.example", ["ann@xn--bcher-kva.example"]),
    ],
)
def test_addresses_are_read_with_and_without_names(text: str, addresses: list[str]) -> None:
    assert [address.addr_spec for address in mailboxes(text)] == addresses


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@example.com\nBcc: eve@evil.example",
        "ann@example.com\r\n",
        "ann@exam ple.com",
        "ann@@example.com",
        "ann@example.com bob@example.com",
        "anné@example.com",
        "ann@" + "x" * 20_000,
        "ann@a..example",
        "\ud800@example.com",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no mail address|before the @"):
        mailboxes(text)


def test_one_address_means_one() -> None:
    with pytest.raises(ValueError, match="one mail address"):
        mailbox("ann@example.com, bob@example.com")


def test_a_name_with_an_encoded_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match="is no mail address"):
        mailbox("=?utf-8?q?Bot=0D=0ABcc:_eve=40evil.example?= <bot@example.com>")


def test_a_mail_without_a_recipient_is_refused() -> None:
    with pytest.raises(ValueError, match="recipient"):
        compose(mail(to=()), sender=SENDER)
