"""All that has to do with mail, put together: where it goes out, what it says, what it does by the clock, and how accounts
are connected. The composition root opens one and asks nothing more of it than stands here."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import AsyncExitStack

from aiohttp import web

from bot.accounts import Account, mail_actions
from bot.digests import Digests
from bot.google.accounts import VAULT, GoogleAccounts
from bot.google.consents import Consents
from bot.links import PageLinks
from bot.mail.mailboxes import Mailboxes
from bot.mail.post import Post
from bot.mail.rounds import MailRounds
from bot.people import People
from bot.settings import Settings
from bot.web.connect import CALLBACK, ConnectGmail
from flows.clock import Clock
from flows.links import Keyring
from flows.ports import Action
from flows.store.sqlite import SqliteStore
from flows.vault import Vault
from integrations.gmail import credentials as gmail_credentials
from integrations.gmail.action import GmailSend
from integrations.gmail.approvals import GmailRequestApproval
from integrations.gmail.consent import Endpoints, OAuthClient
from integrations.gmail.send import GmailMailer
from integrations.gmail.transport import GmailTransport
from integrations.mail.mailer import Mailer
from integrations.smtp.send import SmtpMailer
from integrations.smtp.server import Server

log = logging.getLogger(__name__)


class MailRoom:
    """``open`` it once the settings are read; ``start`` its rounds when the bot serves. ``post``, ``digests`` and
    ``google`` are for those who show and send."""

    post: Post
    digests: Digests
    rounds: MailRounds
    google: GoogleAccounts

    def __init__(self, settings: Settings, store: SqliteStore, clock: Clock) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._mailboxes: Mailboxes
        self._client = _client(settings)
        self._vault = Vault(settings.secret_keys, VAULT)

    @classmethod
    async def open(
        cls,
        settings: Settings,
        store: SqliteStore,
        links: PageLinks,
        clock: Clock,
        *,
        accounts: MutableMapping[str, Account],
        closing: AsyncExitStack,
    ) -> MailRoom:
        """``accounts`` are the connections of the settings; connected accounts are added to them. ``closing`` closes
        what is open. Raises ``ConfigError``; that Google or the mail server does not answer is no reason."""
        room = cls(settings, store, clock)
        gmail = _gmail(settings)
        if gmail is not None:
            closing.push_async_callback(gmail.close)
            log.info("mail is sent as %s", settings.gmail_sender)
            for problem in await gmail.check():
                # Not fatal: Google may be down. Mails are parked or repeated, and say so on their runs.
                log.warning("Gmail: %s", problem)
        smtp = _smtp(settings)
        if smtp is not None and gmail is None:
            for problem in await smtp.check():
                log.warning("%s", problem)
        room.google = GoogleAccounts(
            store, room._vault, clock, room._client, accounts=accounts, api_url=settings.gmail_api_url
        )
        await room.google.load()
        closing.push_async_callback(room.google.close)
        room._mailboxes = Mailboxes(gmail=gmail, smtp=smtp, connected=room.google.default, problem=room.google.problem)
        room.post = Post(store, room._mailboxes, links, clock, settings.public_url, reply_to=settings.mail_reply_to)
        room.digests = Digests(store, room.post, clock)
        room.rounds = MailRounds(store, room.post, room.digests, clock)
        return room

    @property
    def set_up(self) -> bool:
        """Whether this installation sends mail at all, or an admin can let it."""
        return self._client is not None or self._settings.smtp or self._settings.gmail or bool(self.google.names())

    @property
    def mailer(self) -> Mailer:
        """Whatever mail goes out by now."""
        return self._mailboxes.mail

    def connection_names(self, named: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        """The accounts that flows may name: those of the settings, and those that were connected."""
        more = self.google.names()
        both = {of: (*named.get(of, ()), *more) for of in ("gmail", "mail")} if more else {}
        return {**named, **both}

    def actions(self) -> Iterable[Action]:
        """What a flow sends without naming an account."""
        if self.set_up:
            yield from mail_actions(self._mailboxes.mail)
        if self._client is not None or self._settings.gmail or self.google.names():
            yield GmailSend(self._mailboxes.gmail)
            yield GmailRequestApproval(self._mailboxes.gmail)

    def routes(self, people: People, keyring: Keyring) -> list[web.RouteDef]:
        """Where accounts are connected."""
        consents = Consents(self._store, self._vault, self._clock, self._client) if self._client is not None else None
        return ConnectGmail(
            accounts=self.google,
            consents=consents,
            client=self._client,
            people=people,
            keyring=keyring,
            clock=self._clock,
            public_url=self._settings.public_url,
            settings_sender=self._settings.gmail_sender if self._settings.gmail else None,
        ).routes()

    def on_connected(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Call ``changed`` when an account has come, gone, or works again: flows may name it, effects wait for it."""
        self.google.on_change = changed

    def start(self) -> None:
        """Begin what is done by the clock."""
        self.rounds.start()

    async def stop(self) -> None:
        """End it."""
        await self.rounds.stop()


def _gmail(settings: Settings) -> GmailMailer | None:
    if not settings.gmail or settings.gmail_sender is None:
        return None
    credentials = gmail_credentials.load(
        file=settings.gmail_credentials,
        token=settings.gmail_token.get_secret_value() if settings.gmail_token else None,
        sender=settings.gmail_sender,
    )
    return GmailMailer(GmailTransport(credentials, api_url=settings.gmail_api_url), sender=settings.gmail_sender)


def _smtp(settings: Settings) -> SmtpMailer | None:
    if settings.smtp_host is None or settings.smtp_sender is None:
        return None
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
    server = Server(settings.smtp_host, settings.smtp_port, settings.smtp_tls, settings.smtp_user, password)
    return SmtpMailer(server, sender=settings.smtp_sender)


def _client(settings: Settings) -> OAuthClient | None:
    if settings.google_client_id is None or settings.google_client_secret is None:
        return None
    return OAuthClient(
        settings.google_client_id,
        settings.google_client_secret.get_secret_value(),
        f"{settings.public_url}{CALLBACK}",
        Endpoints.at(settings.google_oauth_url),
    )
