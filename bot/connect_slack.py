"""``signoff connect slack``: a link for an admin's browser, and what became of it.

As ``bot.connect_gmail``: the link is made here, the rest happens between the browser, Slack and the bot that serves.
"""

from __future__ import annotations

import asyncio
import sqlite3
import webbrowser
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from bot.connect_gmail import LIFETIME, NotConnected, admin_of, check_serving
from bot.manifest import INSTALLED_PATH
from bot.public_address import unfit_for_slack
from bot.settings import Settings
from bot.terminal import err, out
from flows.clock import Clock, SystemClock
from flows.errors import ConfigError
from flows.instants import to_ms

_LOOK = timedelta(seconds=1)  # between one look at the database and the next


@dataclass(frozen=True, slots=True)
class Connected:
    """A workspace that the app was installed in just now. ``greeting`` is the address of the message that says so in
    Slack, or why there is none."""

    team: str
    name: str
    greeting: str

    @property
    def told(self) -> str:
        """What became of the message, as a sentence."""
        return f"A message in Slack says so: {self.greeting}" if self.greeting.startswith("http") else self.greeting


def slack(
    admin: Annotated[
        str | None,
        typer.Option("--admin", metavar="EMAIL", help="The admin who opens it. Default: the first of SIGNOFF_ADMINS."),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser on this machine.")] = False,
) -> None:
    """Install the app in a Slack workspace: open the link, consent at Slack's page; it ends with a message there."""
    settings = Settings.from_environment(serving=True)
    clock = SystemClock()
    address = check(settings, admin)
    url = link(settings, clock, address)
    if settings.slack_api_url is None and (problem := unfit_for_slack(settings.public_url, called=False)):
        err(f"Slack will not send anybody back: {problem}", style="yellow")
    out(url)
    if open_it:
        webbrowser.open(url)
    err(f"Open it within 15 minutes, as {address}. Waiting for the consent; Ctrl-C ends the waiting and nothing else.")
    try:
        done = asyncio.run(wait(settings, clock))
    except NotConnected as error:
        err(error, style="red")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(1) from None
    out(f"Signoff is in {done.name} ({done.team}).")
    out(done.told)


def check(settings: Settings, admin: str | None) -> str:
    """The admin's mail address. Raises ``ConfigError`` with everything that keeps the app from being installed."""
    problems = []
    if not settings.slack_installs:
        problems.append(
            "SLACK_CLIENT_ID and SLACK_CLIENT_SECRET are missing: both are under Basic Information in the settings of the "
            f"Slack app, which needs {settings.public_url}{INSTALLED_PATH} among its redirect URLs. `signoff manifest` "
            "prints all of the app."
        )
    return admin_of(settings, admin, problems)


def link(settings: Settings, clock: Clock, admin: str) -> str:
    """The address to open."""
    # Late: these bring half of the server, which most commands can do without.
    from bot.web.admin_links import AdminDoor, AdminLinks
    from flows.links import Keyring

    return AdminLinks(Keyring(settings.secret_keys), clock, settings.public_url).url(AdminDoor.SLACK, admin)


async def wait(settings: Settings, clock: Clock, *, alive: Callable[[], bool] = lambda: True) -> Connected:
    """The workspace that the app is installed in next. Raises ``NotConnected`` where the bot does not answer, or nobody
    has come within the link's time. ``alive`` ends the waiting before that."""
    await check_serving(settings.public_url)
    began = clock.now()
    while alive() and clock.now() < began + LIFETIME:
        found = await asyncio.to_thread(_newest, settings.database_path, to_ms(began))
        if found is not None:
            return found
        await clock.sleep(_LOOK)
    raise NotConnected("Nobody has installed the app with this link. Run the command again for a new one.")


def _newest(database: Path, since: int) -> Connected | None:
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(
                "SELECT team, name, greeting FROM installations "
                "WHERE installed_at >= ? AND greeting IS NOT NULL ORDER BY installed_at DESC LIMIT 1",
                (since,),
            ).fetchone()
    except sqlite3.Error as error:
        raise ConfigError([f"{database} cannot be read: {error}"]) from error
    return None if row is None else Connected(*row)
