"""Forms that count only as the page that showed them: in that browser, at that address, for what was shown."""

from __future__ import annotations

import re
import secrets
from urllib.parse import urlsplit

from aiohttp import web

from bot.web.errors import NotThisPage
from flows.links import Keyring, Purpose

COOKIE = "signoff_page"
_NONCE = re.compile(r"[A-Za-z0-9_-]{22}")


class BoundForms:
    """Binds forms, and tells those that were. Each page has a cookie of its own, which its form needs."""

    def __init__(self, keyring: Keyring, public_url: str) -> None:
        public = urlsplit(public_url)
        self._keyring = keyring
        self._secure = public.scheme == "https"
        self._origin = f"{public.scheme}://{public.netloc}".lower()

    def nonce(self, request: web.Request) -> str:
        """What this browser's form is bound to: what its cookie says, or something new."""
        return _nonce(request) or secrets.token_urlsafe(16)

    def proof(self, nonce: str, *shown: str) -> str:
        """For a hidden field: that this browser was shown all of this."""
        return self._keyring.bind(Purpose.FORM, *_parts(nonce, shown))

    def remember(self, response: web.Response, nonce: str, path: str) -> None:
        """Have the browser keep the nonce, for this very page: who has three of them open sends each with its own."""
        response.set_cookie(COOKIE, nonce, path=path, httponly=True, samesite="Strict", secure=self._secure)

    def check(self, request: web.Request, proof: str, *shown: str) -> None:
        """Raise ``NotThisPage`` unless this browser was shown all of this."""
        self._check_same_origin(request)
        nonce = _nonce(request)
        bound = self._keyring.is_bound(proof, Purpose.FORM, *_parts(nonce or "", shown))
        if nonce is None or not bound:
            raise NotThisPage(
                "What was sent does not belong to this page as it was last opened in this browser, so it was not "
                "counted. If this happens again, allow cookies for this page."
            )

    def _check_same_origin(self, request: web.Request) -> None:
        site = request.headers.get("Sec-Fetch-Site", "same-origin").lower()
        origin = request.headers.get("Origin", "null").lower()
        # A page with Referrer-Policy: no-referrer sends "null" for its own forms too (Fetch, "append a request
        # Origin header"), so "null" says nothing; the cookie and the proof decide then.
        own = {"null", self._origin, f"{request.scheme}://{request.host}".lower()}
        if site != "same-origin" or origin not in own:
            raise NotThisPage("This came from another website, so it was not counted. Please use the page itself.")


def _nonce(request: web.Request) -> str | None:
    nonce = request.cookies.get(COOKIE, "")
    return nonce if _NONCE.fullmatch(nonce) else None


def _parts(nonce: str, shown: tuple[str, ...]) -> tuple[bytes, ...]:
    return (*(one.encode(errors="replace") for one in shown), nonce.encode())
