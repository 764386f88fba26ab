"""The connections of the settings: further accounts, which steps name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.connections import Connection, GmailConnection, SlackConnection, SmtpConnection
from bot.doctor.finding import Finding, fail, ok
from bot.doctor.patient import Patient
from flows.errors import ActionError, ConfigError
from integrations.gmail import credentials as gmail_credentials
from integrations.gmail.send import GmailMailer
from integrations.gmail.transport import GmailTransport
from integrations.smtp.send import SmtpMailer
from integrations.smtp.server import Server


class ConnectionsAnswer:
    """Whether each takes its credentials. One for ``http.request`` is not called: nobody knows what that would do."""

    name = "connections"

    async def look(self, patient: Patient) -> Sequence[Finding]:
        given = patient.settings.connections
        said = await asyncio.gather(*(self._problem(patient, one) for one in given.values()))
        return [
            fail(f"{name}: {problem}", "Correct it in SIGNOFF_CONNECTIONS.")
            if problem
            else ok(f"{name} ({one.type}) takes its credentials.")
            for (name, one), problem in zip(given.items(), said, strict=True)
            if problem is not _NOT_CALLED
        ]

    async def _problem(self, patient: Patient, one: Connection) -> str | None:
        try:
            match one:
                case SlackConnection():
                    url = f"{one.api_url}/" if one.api_url else None
                    await patient.slack_client(one.bot_token.get_secret_value(), url=url).auth()
                case GmailConnection():
                    return await _gmail(one)
                case SmtpConnection():
                    password = one.password.get_secret_value() if one.password else None
                    server = Server(one.host, one.port, one.tls, one.user, password)
                    return " ".join(await SmtpMailer(server, sender=one.sender).check()) or None
                case _:
                    return _NOT_CALLED
        except ActionError as error:
            return str(error)
        except ConfigError as error:
            return " ".join(error.problems)
        return None


_NOT_CALLED = "not called"


async def _gmail(one: GmailConnection) -> str | None:
    token = one.token.get_secret_value() if one.token else None
    credentials = gmail_credentials.load(file=one.credentials, token=token, sender=one.sender)
    mailer = GmailMailer(GmailTransport(credentials, api_url=one.api_url), sender=one.sender)
    try:
        return " ".join(await mailer.check()) or None
    finally:
        await mailer.close()
