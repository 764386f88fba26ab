"""Mail by SMTP, to a real server on loopback that can fail in every way that matters."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flows.errors import ActionError, ConfigError
from flows.ports import ActionCall
from integrations.mail.action import MailSend, MailSendParams
from integrations.mail.mailer import Sent
from integrations.mail.messages import Mail, Thread
from integrations.smtp.send import SmtpMailer
from integrations.smtp.server import Server

SENDER = "Signoff <bot@example.com>"
MAIL = Mail(to=("ann@example.com",), subject="Please decide", text=".Hello", message_id="<one@example.com>")


class Post:
    """A mail server. ``answers`` are what it says next to a command; "drop" breaks the connection instead, "stall" says
    nothing any more. What it has taken is in ``taken``."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.answers: dict[str, list[str]] = {}
        self.greeted = 0
        self.port = 0

    def _next(self, command: str) -> str | None:
        return self.answers[command].pop(0) if self.answers.get(command) else None

    async def handle_EHLO(
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.greeted += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self._said(server, "MAIL") or "250 OK"

    async def handle_RCPT(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = self._said(server, "RCPT")
        if said is None:
            envelope.rcpt_tos.append(address)
        return said or "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        said = self._next("DATA")
        if said is None or said in ("drop", "stall"):
            self.taken.append(envelope)
        if said == "drop":
            server.transport.abort()
        if said == "stall":
            await asyncio.Event().wait()
        return said or "250 2.0.0 taken"

    def _said(self, server: SMTP, command: str) -> str | None:
        said = self._next(command)
        if said == "drop":
            server.transport.abort()
        return said


Serve = Callable[..., Awaitable[Post]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[asyncio.AbstractServer] = []
    lines: list[SMTP] = []
    loop = asyncio.get_running_loop()

    async def start(*, tls: ssl.SSLContext | None = None, **options: Any) -> Post:
        post = Post()

        def made() -> SMTP:
            lines.append(SMTP(post, loop=loop, hostname="mail.example.com", **options))
            return lines[-1]

        servers.append(await loop.create_server(made, "127.0.0.1", 0, ssl=tls))
        post.port = servers[-1].sockets[0].getsockname()[1]
        return post

    yield start
    for server in servers:
        server.close()
    for line in lines:
        if line.transport is not None:
            line.transport.abort()
    await asyncio.sleep(0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server shows, and what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(file)
    return shown, ssl.create_default_context(cafile=str(file))


class Memo:
    """What an outbox keeps for one effect."""

    def __init__(self) -> None:
        self.memo: dict[str, Any] = {}
        self.history: list[dict[str, Any]] = []

    async def remember(self, memo: Mapping[str, Any]) -> None:
        self.memo = dict(memo)
        self.history.append(self.memo)


def mailer(post: Post, **changes: Any) -> SmtpMailer:
    server = Server(**{"host": "127.0.0.1", "port": post.port, "tls": "none", "timeout": 5.0} | changes)
    return SmtpMailer(server, sender=SENDER)


async def send(post: Post, mail: Mail = MAIL, memo: Memo | None = None, **changes: Any) -> Sent:
    memo = memo or Memo()
    return await mailer(post, **changes).send(mail, memo=memo.memo, remember=memo.remember)


def read(envelope: Envelope) -> EmailMessage:
    message = message_from_bytes(envelope.content or b"", policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


async def test_a_mail_arrives_whole(serve: Serve) -> None:
    post, memo = await serve(), Memo()
    mail = Mail(
        to=("ann@example.com", "Bob <bob@example.com>"),
        cc=("cat@example.com", "ann@example.com"),
        subject="Größe",
        text=".Grüße\n.\nEnd",
        html="<p>Grüße</p>",
        message_id="<two@example.com>",
        thread=Thread("<one@example.com>", "<one@example.com>"),
    )

    sent = await send(post, mail, memo)

    (taken,) = post.taken
    message = read(taken)
    assert sent == Sent(message_id="<two@example.com>")
    assert taken.mail_from == "bot@example.com"
    assert taken.rcpt_tos == ["ann@example.com", "bob@example.com", "cat@example.com"]
    assert (message["Message-ID"], message["In-Reply-To"]) == ("<two@example.com>", "<one@example.com>")
    assert message["References"] == "<one@example.com>"
    text = message.get_body(("plain",))
    assert text is not None
    assert str(text.get_content()).replace("\r\n", "\n") == ".Grüße\n.\nEnd\n"
    assert memo.history == [{"sending": True}]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_it_is_encrypted_and_logs_in(
    serve: Serve, certificate: tuple[ssl.SSLContext, ssl.SSLContext], tls: str
) -> None:
    shown, trust = certificate
    logins: list[object] = []

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
        logins.append(data)
        return AuthResult(success=True)

    options: dict[str, Any] = {"authenticator": check, "auth_required": True}
    if tls == "starttls":
        options |= {"tls_context": shown, "require_starttls": True}
    else:
        # The server's own idea of TLS is STARTTLS only.
        options |= {"tls": shown, "auth_require_tls": False, "auth_required": False}
    post = await serve(**options)

    await send(post, tls=tls, trust=trust, user="bot", password="pass word")

    assert len(post.taken) == 1
    assert logins == [LoginPassword(b"bot", b"pass word")]
    with pytest.raises(ActionError, match="certificate") as refused:
        await send(post, tls=tls, user="bot", password="pass word")
    assert not refused.value.retryable
    assert len(post.taken) == 1


async def test_it_never_goes_on_unencrypted_where_the_server_has_no_tls(serve: Serve) -> None:
    post = await serve()

    with pytest.raises(ActionError, match="SMTP_TLS") as refused:
        await send(post, tls="starttls", user="bot", password="pass word")

    assert not refused.value.retryable
    assert "pass" not in str(refused.value)
    assert post.taken == []


@pytest.mark.parametrize(
    ("command", "answer", "retryable", "said"),
    [
        ("MAIL", "451 later", True, "answered 451"),
        ("MAIL", "553 not you", False, "send as SMTP_SENDER"),
        ("RCPT", "450 busy", True, "ann@example.com"),
        ("RCPT", "550 unknown", False, "recipient ann@example.com"),
        ("DATA", "452 full", True, "answered 452"),
        ("DATA", "554 spam", False, "answered 554"),
        ("MAIL", "drop", True, "before the mail was handed over"),
        ("RCPT", "drop", True, "before the mail was handed over"),
    ],
)
async def test_the_code_says_whether_another_try_helps(
    serve: Serve, command: str, answer: str, retryable: bool, said: str
) -> None:
    post, memo = await serve(), Memo()
    post.answers[command] = [answer]

    with pytest.raises(ActionError, match=said) as failed:
        await send(post, memo=memo)

    assert (failed.value.retryable, failed.value.uncertain) == (retryable, False)
    assert (post.taken, memo.memo) == ([], {})
    await send(post, memo=memo)
    assert len(post.taken) == 1


@pytest.mark.parametrize("fault", ["drop", "stall"])
async def test_R10_silence_after_the_text_is_said_and_never_repeated(serve: Serve, fault: str) -> None:
    post, memo = await serve(), Memo()
    post.answers["DATA"] = [fault]

    with pytest.raises(ActionError, match="after the mail was handed over") as failed:
        await send(post, memo=memo, timeout=0.2)

    assert (failed.value.retryable, failed.value.uncertain) == (False, True)
    assert (len(post.taken), post.greeted) == (1, 1)
    assert memo.memo == {}


async def test_R10_a_process_that_died_in_between_does_not_send_again(serve: Serve) -> None:
    post, memo = await serve(), Memo()
    memo.memo = {"sending": True}

    with pytest.raises(ActionError, match="earlier try") as failed:
        await send(post, memo=memo)

    assert (failed.value.retryable, failed.value.uncertain) == (False, True)
    assert (post.greeted, memo.memo) == (0, {})


async def test_nobody_gets_a_mail_that_one_of_its_recipients_cannot_get(serve: Serve) -> None:
    post = await serve()
    post.answers["RCPT"] = ["550 unknown"]

    with pytest.raises(ActionError):
        await send(post, Mail(to=("gone@example.com", "ann@example.com"), subject="Hello", text="Hello"))

    assert post.taken == []


async def test_a_server_that_is_not_there_is_tried_again(serve: Serve) -> None:
    post = await serve()
    nowhere = Post()
    nowhere.port = 1

    with pytest.raises(ActionError, match="cannot be reached") as failed:
        await send(nowhere)

    assert failed.value.retryable
    assert await mailer(nowhere).check() == ["SMTP: the mail server cannot be reached."]
    assert await mailer(post).check() == []


async def test_the_action_sends_with_the_same_message_id_on_each_repeat(serve: Serve) -> None:
    post = await serve()
    action = MailSend(mailer(post))
    params = MailSendParams.model_validate({"to": "ann@example.com", "subject": "Hello", "text": "Hi"})

    output = await action.perform(ActionCall("run_1/tell/1/action"), params)
    await action.perform(ActionCall("run_1/tell/1/action"), params)
    await action.perform(ActionCall("run_2/tell/1/action"), params)

    names = [read(taken)["Message-ID"] for taken in post.taken]
    assert output == {"id": None, "thread_id": None}
    assert (names[0] == names[1], names[0] == names[2]) == (True, False)
    assert names[0].endswith("@example.com>")


def test_a_sender_that_is_no_address_is_said() -> None:
    with pytest.raises(ConfigError, match="SMTP_SENDER"):
        SmtpMailer(Server("127.0.0.1"), sender="nobody")
