"""Installing the app in a Slack workspace: ``/slack/install``, for admins who were given a link, and where Slack sends them back.

What comes back counts in the browser that it began in, once, within ten minutes, and only for somebody who is an admin
still. Opening the first page changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import sqlite3
from datetime import timedelta
from urllib.parse import urlsplit

from aiohttp import web

from bot.installations.keeper import Installations
from bot.manifest import INSTALLED_PATH
from bot.people import People
from bot.scopes import OPTIONAL, SCOPES, missing_scopes
from bot.web.admin_links import AdminDoor, AdminLinks
from bot.web.drawing import Drawing, policy
from bot.workspaces import Workspace, Workspaces
from flows.clock import Clock
from flows.errors import ActionError, NotAllowed
from flows.instants import to_ms
from flows.people import Person, PersonId
from flows.store.sqlite import SqliteStore
from integrations.slack.failures import SlackError
from integrations.slack.oauth import Granted, SlackOAuth

log = logging.getLogger(__name__)

REDIRECT = INSTALLED_PATH
LIFETIME = timedelta(minutes=10)
"""From Signoff's page to the way back: as long as Slack's own code is good."""

COOKIE = "signoff_install"
_HOW = (
    "This page is for admins of Signoff, each with a link of their own.",
    "`signoff connect slack`, typed where Signoff is set up, makes one and opens it.",
)
_NOT_BEGUN = (
    "Nothing was begun in this browser within the last ten minutes that this could belong to.",
    "Please begin again with `signoff connect slack`. If this happens again, allow cookies for this page.",
)


class InstallPages:
    """The handlers. ``oauth`` is the Slack app that is installed."""

    def __init__(
        self,
        oauth: SlackOAuth,
        installations: Installations,
        workspaces: Workspaces,
        links: AdminLinks,
        people: People,
        store: SqliteStore,
        clock: Clock,
        public_url: str,
    ) -> None:
        self._oauth = oauth
        self._installations = installations
        self._workspaces = workspaces
        self._links = links
        self._people = people
        self._store = store
        self._clock = clock
        self._redirect = f"{public_url.rstrip('/')}{REDIRECT}"
        self._secure = urlsplit(public_url).scheme == "https"
        self._drawing = Drawing(public_url)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(f"/{AdminDoor.SLACK}", self._show),
            web.post(f"/{AdminDoor.SLACK}", self._begin),
            web.get(REDIRECT, self._back, allow_head=False),
        ]

    # -- to Slack -----------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        if "link" not in request.query:
            return self._drawing.message("Install in Slack", _HOW, status=403)
        admin = await self._links.admin(request, AdminDoor.SLACK, self._people)
        names = [self._workspaces.workspace(team).name or team for team in self._workspaces.teams]
        page = self._drawing.page("install.html", action=admin.again, admin=admin.person.name, connected=names)
        # Browsers look at where a form leads in the end, which is Slack's page.
        page.headers["Content-Security-Policy"] = policy(forms_to=self._oauth.origin)
        return page

    async def _begin(self, request: web.Request) -> web.Response:
        admin = await self._links.admin(request, AdminDoor.SLACK, self._people)
        state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM installings WHERE began_at < ?", (to_ms(now - LIFETIME),))
            connection.execute(
                "INSERT INTO installings (state, browser, admin, began_at) VALUES (?, ?, ?, ?)",
                (_hash(state), _hash(browser), admin.person.id, to_ms(now)),
            )

        await self._store.write(work)
        leading = web.Response(status=303)
        leading.headers["Location"] = self._oauth.authorize_url(state=state, redirect=self._redirect, scopes=SCOPES)
        leading.set_cookie(
            COOKIE,
            browser,
            path=urlsplit(self._redirect).path,
            max_age=int(LIFETIME.total_seconds()),
            httponly=True,
            secure=self._secure,
            samesite="Lax",  # it is Slack's page that sends the browser back
        )
        return leading

    # -- and back -----------------------------------------------------------------------------------------------

    async def _back(self, request: web.Request) -> web.Response:
        response = await self._come_back(request)
        response.del_cookie(COOKIE, path=urlsplit(self._redirect).path, secure=self._secure, httponly=True)
        return response

    async def _come_back(self, request: web.Request) -> web.Response:
        admin = await self._who_began(request.query.get("state", ""), request.cookies.get(COOKIE, ""))
        if admin is None:
            return self._drawing.message("Nothing was installed", _NOT_BEGUN, status=400)
        person = await self._still_admin(admin)
        if (error := request.query.get("error")) is not None:
            why = "You have not agreed at Slack." if error == "access_denied" else f"Slack says: {error[:80]}."
            return self._drawing.message("Nothing was installed", [why], status=400)
        try:
            granted = await self._oauth.exchange(request.query.get("code", ""), redirect=self._redirect)
        except SlackError as refusal:
            log.warning("an installing failed", extra={"error": str(refusal)})
            said = [str(refusal), "Please begin again with `signoff connect slack`."]
            return self._drawing.message("Nothing was installed", said, status=502 if refusal.retryable else 400)
        workspace = await self._installations.install(granted, person.id)
        return await self._installed(granted, workspace)

    async def _installed(self, granted: Granted, workspace: Workspace) -> web.Response:
        greeting, works = await self._greet(granted, workspace)
        await self._installations.greeted(granted.team, greeting)
        said = [f"Signoff is in {granted.name} now.", "A message in Slack tells you so." if works else greeting]
        lacking = missing_scopes(granted.scopes)
        if lacking:
            free = all(one.partition(" ")[0] in OPTIONAL for one in lacking)
            said.append(
                f"It was not given {', '.join(lacking)}." + ("" if free else " Please install it again with these.")
            )
        return self._drawing.message("Installed", [*said, "You can close this page."])

    async def _greet(self, granted: Granted, workspace: Workspace) -> tuple[str, bool]:
        """A message to whoever has agreed at Slack: its address, or why there is none; and whether it was sent."""
        if granted.installer is None:
            return "Slack has not said who has agreed, so nobody was sent a message.", False
        try:
            direct = await workspace.client.open_direct(granted.installer)
            text = f":wave: Signoff is in {granted.name} now. `/approvals help` says what it can do."
            posted = await workspace.client.post(direct, text=text)
        except ActionError as error:
            return f"The message that was to tell you so was not sent. {error}", False
        try:
            return await workspace.client.permalink(posted.channel, posted.ts), True
        except ActionError:
            return "A message was sent.", True

    # -- inside -------------------------------------------------------------------------------------------------

    async def _who_began(self, state: str, browser: str) -> PersonId | None:
        """The admin who has begun this in this browser; None for anything else. A state is used up by asking."""
        since = to_ms(self._clock.now() - LIFETIME)
        row = await self._store.write(
            lambda c: c.execute(
                "DELETE FROM installings WHERE state = ? RETURNING browser, admin, began_at", (_hash(state),)
            ).fetchone()
        )
        if row is None or row[2] < since or not hmac.compare_digest(row[0], _hash(browser)):
            return None
        return int(row[1])

    async def _still_admin(self, admin: PersonId) -> Person:
        person = await self._people.by_id(admin)
        if person is None or not self._people.is_admin((await self._people.present(person)).id):
            raise NotAllowed("You are no admin of Signoff any more, so nothing was installed.")
        return person


def _hash(secret: str) -> bytes:
    # It is 256 random bits, so it needs no slow hash.
    return hashlib.sha256(secret.encode(errors="replace")).digest()
