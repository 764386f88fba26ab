"""``signoff connect gmail``: a link for an admin's browser, and what became of it.

The link is made here, by whoever can read the secret key. The rest happens between the browser, Google and the bot that
serves; this waits for it in the database, and ends with what became of the mail that was sent for trying.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from bot.public_address import only_here
from bot.settings import Settings
from bot.terminal import err, out
from flows.clock import Clock, SystemClock
from flows.errors import ConfigError
from flows.handles import InvalidHandle, identity, normalise
from flows.instants import to_ms

LIFETIME = timedelta(minutes=15)
"""How long the link is good for (``bot.web.admin_links``), and is waited for."""

CALLBACK = "/connect/gmail/callback"
"""Where Google sends browsers back to (``bot.web.connect``)."""

_LOOK = timedelta(seconds=1)  # between one look at the database and the next
_HEALTH_TIMEOUT = 5.0  # seconds


class NotConnected(Exception):
    """Nobody has connected anything; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Connected:
    """An account that was connected just now. ``tested`` says what became of the mail that was sent for trying."""

    email: str
    name: str
    tested: str


def gmail(
    admin: Annotated[
        str | None,
        typer.Option("--admin", metavar="EMAIL", help="The admin who opens it. Default: the first of SIGNOFF_ADMINS."),
    ] = None,
) -> None:
    """Connect a Gmail account: open the link, consent at Google's page; it ends with a mail to the admin."""
    settings = Settings.from_environment(serving=True)
    clock = SystemClock()
    address = check(settings, admin)
    url = link(settings, clock, address)
    if only_here(settings.public_url):
        err(f"{settings.public_url} opens on this machine only, so open the link here.", style="yellow")
    out(url)
    err(f"Open it within 15 minutes, as {address}. Waiting for the consent; Ctrl-C ends the waiting and nothing else.")
    try:
        done = asyncio.run(wait(settings, clock))
    except NotConnected as error:
        err(error, style="red")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(1) from None
    out(f"{done.email} is connected; steps name it with connection: {done.name}.")
    out(done.tested)


def check(settings: Settings, admin: str | None) -> str:
    """The admin's mail address. Raises ``ConfigError`` with everything that keeps an account from being connected."""
    problems = []
    if settings.google_client_id is None or settings.google_client_secret is None:
        problems.append(
            "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are missing: make an OAuth client of type web in a Google Cloud "
            f"project, with {settings.public_url}{CALLBACK} among its redirect addresses."
        )
    return admin_of(settings, admin, problems)


def admin_of(settings: Settings, admin: str | None, problems: list[str]) -> str:
    """The admin who is meant, by their mail address. Raises ``ConfigError`` with ``problems`` and what else there is."""
    address = admin or next(iter(settings.admins), None)
    if address is None:
        problems.append("SIGNOFF_ADMINS is missing: only an admin can connect an account.")
    else:
        try:
            known = identity(normalise(address)) in {identity(one) for one in settings.admins}
        except InvalidHandle:
            known = False
        if not known:
            problems.append(f"{address} is not one of SIGNOFF_ADMINS.")
    if problems or address is None:
        raise ConfigError(problems)
    return address


def link(settings: Settings, clock: Clock, admin: str) -> str:
    """The address to open."""
    # Late, here and below: these bring half of the server, which most commands can do without.
    from bot.web.admin_links import AdminDoor, AdminLinks
    from flows.links import Keyring

    return AdminLinks(Keyring(settings.secret_keys), clock, settings.public_url).url(AdminDoor.GMAIL, admin)


async def wait(settings: Settings, clock: Clock, *, alive: Callable[[], bool] = lambda: True) -> Connected:
    """The account that is connected next. Raises ``NotConnected`` where the bot does not answer, or nobody has come
    within the link's time. ``alive`` ends the waiting before that."""
    await check_serving(settings.public_url)
    began = clock.now()
    while alive() and clock.now() < began + LIFETIME:
        found = await asyncio.to_thread(_newest, settings.database_path, to_ms(began))
        if found is not None:
            return found
        await clock.sleep(_LOOK)
    raise NotConnected("Nobody has connected an account with this link. Run the command again for a new one.")


async def check_serving(public_url: str) -> None:
    """Raise ``NotConnected`` unless the bot answers at its address."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=_HEALTH_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(f"{public_url}/healthz") as answer,
        ):
            if answer.status == 200:
                return
    except (aiohttp.ClientError, OSError):
        pass
    raise NotConnected(f"Nothing answers at {public_url}: start the bot (`signoff serve`), then run this again.")


def _newest(database: Path, since: int) -> Connected | None:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(
                "SELECT email, name, tested FROM google_accounts "
                "WHERE connected_at >= ? AND tested IS NOT NULL ORDER BY connected_at DESC LIMIT 1",
                (since,),
            ).fetchone()
    except sqlite3.Error as error:
        raise ConfigError([f"{database} cannot be read: {error}"]) from error
    return None if row is None else Connected(*row)
