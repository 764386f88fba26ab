"""Sign in with Slack, for pages that want to know who sits there (``verify: slack``).

``/a/TOKEN/sign-in`` leads to Slack; from there the browser comes back to ``/verify/slack/callback``, and on to its page. What
is begun is bound to the browser by a cookie and signed, so that nothing is stored and a restart loses nobody. Whoever
signs in has to be the person whom the link was made for. Nothing is decided here.
"""

from __future__ import annotations

import logging
import secrets
from datetime import timedelta
from urllib.parse import unquote, urlsplit

from aiohttp import web

from bot.links import PageLinks
from bot.people import People
from bot.web.drawing import Drawing
from bot.web.verification import Verification
from flows.clock import Clock
from flows.errors import ActionError, LinkInvalid, TryAgain
from flows.instants import from_ms, to_ms
from flows.links import INVALID, Keyring, Purpose
from flows.people import Person
from integrations.slack.openid import SignedIn, SlackOpenId

log = logging.getLogger(__name__)

CALLBACK = "/verify/slack/callback"
"""What has to stand among the Slack app's redirect addresses, behind the public address."""

PATIENCE = timedelta(minutes=10)
_COOKIE = "signoff_sign_in"
_AGAIN = "Nothing was begun in this browser that this could belong to. Open your page again, and sign in from there."


class SignIn:
    """The two doors."""

    def __init__(
        self,
        openid: SlackOpenId,
        verification: Verification,
        people: People,
        links: PageLinks,
        keyring: Keyring,
        clock: Clock,
        public_url: str,
    ) -> None:
        public = urlsplit(public_url)
        self._openid = openid
        self._verification = verification
        self._people = people
        self._links = links
        self._keyring = keyring
        self._clock = clock
        self._drawing = Drawing(public_url)
        self._redirect = f"{public_url.rstrip('/')}{CALLBACK}"
        self._path = f"{public.path.rstrip('/')}{CALLBACK}"
        self._secure = public.scheme == "https"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/a/{token}/sign-in", self._begin, allow_head=False),
            web.get(CALLBACK, self._back, allow_head=False),
        ]

    async def _begin(self, request: web.Request) -> web.Response:
        token = unquote(request.match_info["token"])
        reader = await self._reader(token)
        browser, nonce = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        until = str(to_ms(self._clock.now() + PATIENCE))
        state = f"{until}.{nonce}.{self._mac(until, nonce, browser, token)}"
        team = reader.slack.partition("/")[0] if reader.slack is not None else None
        response = web.Response(status=303)
        response.headers["Location"] = self._openid.authorize_url(
            state=state, nonce=nonce, redirect=self._redirect, team=team or None
        )
        # Lax: it is Slack's page that sends the browser back.
        response.set_cookie(
            _COOKIE,
            f"{browser}.{token}",
            path=self._path,
            max_age=int(PATIENCE.total_seconds()),
            httponly=True,
            secure=self._secure,
            samesite="Lax",
        )
        return response

    async def _back(self, request: web.Request) -> web.Response:
        browser, _, token = request.cookies.get(_COOKIE, "").partition(".")
        until, _, rest = request.query.get("state", "").partition(".")
        nonce, _, mac = rest.partition(".")
        genuine = self._is_ours(mac, until, nonce, browser, token)
        if not genuine or not until.isdecimal() or self._clock.now() >= from_ms(int(until)):
            return self._drawing.message("Not signed in", [_AGAIN], status=400)
        reader = await self._reader(token)
        if request.query.get("error") or not request.query.get("code"):
            why = "You have not agreed at Slack, so Signoff does not know that it is you."
            return self._drawing.message("Not signed in", [why, "Open your page again to try once more."], status=400)
        try:
            found = await self._openid.who(
                request.query["code"], redirect=self._redirect, nonce=nonce, now=self._clock.now()
            )
        except ActionError as error:
            log.warning("a sign-in with Slack failed", extra={"error": str(error)})
            return self._drawing.message(
                "Not signed in", [str(error), "Open your page again to try once more."], status=502
            )
        if not await self._is(found, reader):
            return self._drawing.message(
                "This is somebody else's link",
                [
                    f"You have signed in to Slack as somebody else than {reader.name}, whom this link was made for.",
                    "Nothing was counted. If you were asked too, open the link that was sent to you.",
                ],
                status=403,
            )
        response = web.Response(status=303, headers={"Location": f"{self._drawing.root}/a/{token}"})
        self._verification.remember_sign_in(response, reader)
        response.del_cookie(_COOKIE, path=self._path, secure=self._secure, httponly=True)
        return response

    async def _is(self, found: SignedIn, reader: Person) -> bool:
        """Whether it is the person whom the link was made for, by any of their Slack ids."""
        handle = f"{found.team}/{found.user}"
        if handle == reader.slack:
            return True
        known = await self._people.known(handle)
        if known is None:
            # Somebody who was reached by mail alone so far: Slack knows whose address that is.
            known = await self._people.by_slack(found.team, found.user)
        return known.id == reader.id

    async def _reader(self, token: str) -> Person:
        """Whom the link was made for, while they may still use it."""
        link = self._links.open(token)
        person = await self._people.by_id(link.person)
        if person is None:
            raise LinkInvalid(INVALID)
        try:
            return await self._people.present(person)
        except TryAgain:
            return person  # whether they are there is asked again before anything counts

    def _mac(self, *parts: str) -> str:
        return self._keyring.bind(Purpose.SIGN_IN, b"begun", *(part.encode(errors="replace") for part in parts))

    def _is_ours(self, mac: str, *parts: str) -> bool:
        encoded = (part.encode(errors="replace") for part in parts)
        return self._keyring.is_bound(mac, Purpose.SIGN_IN, b"begun", *encoded)
