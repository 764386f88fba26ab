"""The accounts that actions are performed with: what each can do, and what of its own nobody may read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bot.connections import Connection, GmailConnection, HttpConnection, SlackConnection, SmtpConnection
from flows.clock import Clock
from flows.errors import ActionError, ConfigError
from flows.ports import Action
from integrations.gmail import credentials as gmail_credentials
from integrations.gmail.action import GmailSend
from integrations.gmail.approvals import GmailRequestApproval
from integrations.gmail.send import GmailMailer
from integrations.gmail.transport import GmailTransport
from integrations.http.request import Base, HttpRequest
from integrations.mail.action import MailSend
from integrations.mail.approvals import MailRequestApproval
from integrations.mail.mailer import Mailer
from integrations.slack.actions import Others, PostMessage, SendDirectMessage, UpdateMessage, alone
from integrations.slack.approvals import SlackRequestApproval
from integrations.slack.client import SLACK_API, SlackClient
from integrations.slack.directory import SlackDirectory
from integrations.slack.pacing import Pacer
from integrations.smtp.send import SmtpMailer
from integrations.smtp.server import Server

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """One account of an integration. ``secrets`` are masked in whatever its actions give."""

    integration: str
    actions: tuple[Action, ...]
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def serves(self, integration: str) -> bool:
        """Whether its actions are this integration's: ``mail`` is both ways of sending it."""
        return integration == self.integration or (integration == "mail" and self.integration in ("gmail", "smtp"))

    def action(self, name: str) -> Action | None:
        return next((action for action in self.actions if action.name == name), None)


def slack_actions(
    slack: SlackClient, directory: SlackDirectory, clock: Clock, *, others: Others = alone
) -> tuple[Action, ...]:
    """What a flow does in one workspace. ``others`` are those in which people are looked for who are not in this one."""
    return (
        PostMessage(slack, now=clock.now),
        SendDirectMessage(slack, directory, now=clock.now, others=others),
        UpdateMessage(slack),
        SlackRequestApproval(slack, directory, now=clock.now),
    )


def gmail_actions(mailer: Mailer) -> tuple[Action, ...]:
    """What a flow sends from one mailbox of Gmail's, by either name of the actions."""
    return GmailSend(mailer), GmailRequestApproval(mailer), *mail_actions(mailer)


def mail_actions(mailer: Mailer) -> tuple[Action, ...]:
    """What a flow sends by whichever way there is."""
    return MailSend(mailer), MailRequestApproval(mailer)


async def open_accounts(
    connections: Mapping[str, Connection], *, http_allow: Iterable[str], clock: Clock, closing: AsyncExitStack
) -> dict[str, Account]:
    """An account for each connection, by its name; ``closing`` closes what they have open.

    Raises ``ConfigError`` with everything that is wrong. What does not answer right now is no reason: its actions fail
    until it does.
    """
    opening = _Opening(tuple(http_allow), clock, closing)
    accounts: dict[str, Account] = {}
    problems: list[str] = []
    for name, connection in connections.items():
        try:
            accounts[name] = await opening.account(name, connection)
        except ConfigError as error:
            problems += [f"The connection {name}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return accounts


@dataclass(frozen=True, slots=True)
class _Opening:
    http_allow: tuple[str, ...]
    clock: Clock
    closing: AsyncExitStack

    async def account(self, name: str, connection: Connection) -> Account:
        match connection:
            case SlackConnection():
                actions = await self._slack(name, connection)
            case GmailConnection():
                actions = await self._gmail(name, connection)
            case SmtpConnection():
                actions = await self._smtp(name, connection)
            case HttpConnection():
                actions = self._http(connection)
        return Account(connection.type, actions, connection.secrets)

    async def _slack(self, name: str, connection: SlackConnection) -> tuple[Action, ...]:
        base_url = f"{connection.api_url}/" if connection.api_url else SLACK_API
        client = SlackClient(connection.bot_token.get_secret_value(), base_url=base_url, pacer=Pacer(self.clock))
        self.closing.push_async_callback(client.close)
        team = ""
        try:
            team = (await client.auth()).team_id
        except ActionError as error:
            if not error.retryable:
                raise ConfigError([str(error)]) from None
            # Without its id everybody is looked up there by their mail address, which is only slower.
            log.warning("a Slack connection does not answer", extra={"connection": name, "error": str(error)})
        directory = SlackDirectory(client, team_id=team, now=self.clock.now, monotonic=self.clock.monotonic)
        return slack_actions(client, directory, self.clock)

    async def _gmail(self, name: str, connection: GmailConnection) -> tuple[Action, ...]:
        credentials = gmail_credentials.load(
            file=connection.credentials,
            token=connection.token.get_secret_value() if connection.token else None,
            sender=connection.sender,
        )
        mailer = GmailMailer(GmailTransport(credentials, api_url=connection.api_url), sender=connection.sender)
        self.closing.push_async_callback(mailer.close)
        for problem in await mailer.check():
            log.warning("Gmail: %s", problem, extra={"connection": name})
        return gmail_actions(mailer)

    async def _smtp(self, name: str, connection: SmtpConnection) -> tuple[Action, ...]:
        password = connection.password.get_secret_value() if connection.password else None
        server = Server(connection.host, connection.port, connection.tls, connection.user, password)
        mailer = SmtpMailer(server, sender=connection.sender)
        for problem in await mailer.check():
            log.warning("%s", problem, extra={"connection": name})
        return mail_actions(mailer)

    def _http(self, connection: HttpConnection) -> tuple[Action, ...]:
        headers = {name: value.get_secret_value() for name, value in connection.headers.items()}
        # Whoever wrote the settings has named the host: it may be a private one.
        host = urlsplit(connection.base_url).hostname or ""
        request = HttpRequest(
            base=Base(connection.base_url, headers), allowed_hosts=frozenset({*self.http_allow, host})
        )
        self.closing.push_async_callback(request.close)
        return (request,)
