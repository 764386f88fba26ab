"""Mail: whether what sends it takes it, and whether the sender is one that readers' servers believe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.doctor.finding import Finding, fail, ok, warn
from bot.doctor.patient import Patient
from bot.google import rows
from bot.settings import Settings
from flows.errors import ConfigError
from integrations.gmail import credentials as gmail_credentials
from integrations.gmail.send import GmailMailer
from integrations.gmail.transport import GmailTransport
from integrations.mail.messages import mailbox
from integrations.smtp.send import SmtpMailer
from integrations.smtp.server import Server

_SAMPLE = ("example.com", "example.net", "example.org", "localhost", "localhost.localdomain")
_PERSONAL = ("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com", "gmx.de", "gmx.net", "web.de")  # fmt: skip
_DIALS = 15.0  # seconds for each command


class GmailSends:
    """Whether Google gives a token for the mailbox of the settings. No mail is sent."""

    name = "gmail"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        settings = patient.settings
        if not settings.gmail or settings.gmail_sender is None:
            return []
        token = settings.gmail_token.get_secret_value() if settings.gmail_token else None
        try:
            credentials = gmail_credentials.load(
                file=settings.gmail_credentials, token=token, sender=settings.gmail_sender
            )
            mailer = GmailMailer(
                GmailTransport(credentials, api_url=settings.gmail_api_url), sender=settings.gmail_sender
            )
        except ConfigError as error:
            return [fail(problem, "Correct GMAIL_CREDENTIALS.") for problem in error.problems]
        try:
            problems = await mailer.check()
        finally:
            await mailer.close()
        if problems:
            return [
                fail(problem, "Correct GMAIL_CREDENTIALS, or connect the account: `signoff connect gmail`.")
                for problem in problems
            ]
        if token is not None:
            return [warn(f"Mail is sent as {settings.gmail_sender} with a fixed token, which Google ends after an hour.", "GMAIL_TOKEN is for stand-ins; set GMAIL_CREDENTIALS.")]  # fmt: skip
        return [ok(f"Google lets the bot send as {settings.gmail_sender}.")]


class GoogleAccounts:
    """Whether the accounts that admins have connected are good."""

    name = "google accounts"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        found = await patient.read(rows.accounts)
        return [self._said(row.email, row.broken) for row in found or []]

    @staticmethod
    def _said(email: str, broken: str | None) -> Finding:
        if broken is None:
            return ok(f"{email} is connected.")
        return fail(
            f"{email} is not connected any more: {broken.rstrip('.')}.", "`signoff connect gmail` connects it again."
        )


class SmtpTakes:
    """Whether the mail server answers, and takes the login. No mail is sent."""

    name = "smtp"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        settings = patient.settings
        if not settings.smtp or settings.smtp_host is None or settings.smtp_sender is None:
            return []
        password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
        server = Server(
            settings.smtp_host, settings.smtp_port, settings.smtp_tls, settings.smtp_user, password, timeout=_DIALS
        )
        problems = await SmtpMailer(server, sender=settings.smtp_sender).check()
        if problems:
            return [
                fail(problem, "Correct the settings that begin with SMTP_; docs/operating.md tells of each.")
                for problem in problems
            ]
        login = f", and takes the login of {settings.smtp_user}" if settings.smtp_user else ""
        return [ok(f"{settings.smtp_host} answers{login}.")]


class SenderPlausible:
    """Whether readers' servers have a reason to believe the address that mails come from."""

    name = "mail sender"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        return list(self.found(patient.settings))

    @staticmethod
    def found(settings: Settings) -> Iterator[Finding]:
        """What is to be said of the senders. Stand-ins may send as anybody."""
        senders = {"GMAIL_SENDER": settings.gmail_sender if settings.gmail_api_url is None else None}
        senders["SMTP_SENDER"] = settings.smtp_sender
        for name, sender in senders.items():
            if sender is None:
                continue
            domain = mailbox(sender).domain.lower()
            if domain in _SAMPLE or domain.endswith((".example", ".test", ".invalid", ".local")):
                yield fail(
                    f"{name} is {sender}, and nobody has mail at {domain}.", f"Set {name} to an address of yours."
                )
            elif name == "SMTP_SENDER" and domain in _PERSONAL and not (settings.smtp_user or "").lower().endswith(f"@{domain}"):  # fmt: skip
                said = f"SMTP_SENDER is {sender}, and {settings.smtp_host} may not send for {domain}: such mail is taken for forged."
                yield fail(
                    said, f"Send through the server of {domain}, with its login, or as an address of your own domain."
                )
            elif name == "SMTP_SENDER" and (other := _other_domain(settings, domain)):
                said = f"SMTP_SENDER is at {domain}, and the login is at {other}."
                yield warn(said, f"Look whether {domain} allows {settings.smtp_host} to send for it (SPF, DKIM).")


def _other_domain(settings: Settings, domain: str) -> str | None:
    _, at, login = (settings.smtp_user or "").lower().rpartition("@")
    related = login == domain or login.endswith(f".{domain}") or domain.endswith(f".{login}")
    return login if at and not related else None
