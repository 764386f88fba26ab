"""Google's consent: the page at which somebody lets an app act for their account, codes, and revoking.

It refuses what Google refuses: an unknown client, an address to return to that the client has not registered, a code that
was used, is old, or comes with another verifier, client or address. A refresh token is given where ``prompt=consent``
and ``access_type=offline`` were asked for, and else only the first time.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from html import escape
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox import consent
from integrations.sandbox.gate import Gate, Performed
from integrations.sandbox.google_accounts import ACCESS_LIFETIME, GoogleAccounts, RefreshToken, TokenRefusal

_CODE_LIFETIME = timedelta(minutes=10)
_IDENTITY = frozenset({"openid", "email", "https://www.googleapis.com/auth/userinfo.email"})
_SIGNER: Any = crypt.RSASigner  # google-auth is untyped
_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client of a Cloud project."""

    id: str
    secret: str = field(repr=False)
    redirects: tuple[str, ...] = ()


@dataclass(slots=True)
class _Code:
    client: Client
    redirect: str
    email: str
    scopes: frozenset[str]
    challenge: str
    lasting: bool
    made_at: datetime
    used: str | None = None
    """The refresh token that it has been exchanged for; used again, that is revoked."""


class GoogleOAuth:
    """The page and the codes over ``accounts``. Whoever types an address at the page is taken for its owner."""

    def __init__(self, *, accounts: GoogleAccounts, gate: Gate, clock: Clock) -> None:
        self._accounts = accounts
        self._gate = gate
        self._clock = clock
        self._codes: dict[str, _Code] = {}
        self._consented: set[tuple[str, str]] = set()
        self.clients: dict[str, Client] = {}
        accounts.code_grant = self._redeem

    def register(self, *redirects: str) -> Client:
        """A client of type web that may return to these addresses."""
        name = f"{secrets.randbelow(10**12)}-signoff.apps.googleusercontent.com"
        client = Client(name, f"GOCSPX-{secrets.token_urlsafe(20)}", redirects)
        self.clients[client.id] = client
        return client

    def revoke_consent(self, email: str) -> None:
        """Somebody takes the app out of their account's connections, or changes their password."""
        for refresh in self._accounts.refresh.values():
            if refresh.email == email.lower():
                refresh.revoked = True
        for access in self._accounts.access.values():
            if access.email == email.lower():
                access.revoked = True

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/o/oauth2/v2/auth", self._ask),
            web.post("/o/oauth2/v2/auth", self._answer),
            web.post("/revoke", self._revoke),
        ]

    # -- the page -----------------------------------------------------------------------------------------------

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        problem = self._problem(request.query)
        if problem is not None:
            return consent.page("Access blocked", f"<p>Error 400: {problem}</p>", of="Google's page", status=400)
        asked = request.query["scope"].split()
        boxes = "".join(
            f'<label><input type="checkbox" name="scope" value="{escape(one)}" checked>{escape(one)}</label>'
            for one in asked
        )
        form = (
            f'<form method="post" action="{escape(str(request.rel_url))}">'
            f'<label>Which account <input name="account" value="" placeholder="somebody@example.com"></label>{boxes}'
            '<label><input type="radio" name="answer" value="allow">Continue</label>'
            '<label><input type="radio" name="answer" value="deny">Cancel</label><button>Send</button></form>'
        )
        return consent.page("Signoff wants access to your Google Account", form, of="Google's page")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        problem = self._problem(query)
        if problem is not None:
            return consent.page("Access blocked", f"<p>Error 400: {problem}</p>", of="Google's page", status=400)
        form = await request.post()
        back = {"state": query["state"]} if "state" in query else {}
        account = str(form.get("account", "")).lower()
        if form.get("answer") != "allow" or "@" not in account:
            raise web.HTTPFound(f"{query['redirect_uri']}?{urlencode({'error': 'access_denied', **back})}")
        asked = frozenset(query["scope"].split())
        ticked = frozenset(str(one) for one in form.getall("scope", []))
        # Whose account it is cannot be unticked.
        scopes = (asked & ticked) | (asked & _IDENTITY)
        client = self.clients[query["client_id"]]
        first = (client.id, account) not in self._consented
        self._consented.add((client.id, account))
        code = f"4/{secrets.token_urlsafe(32)}"
        self._codes[code] = _Code(
            client,
            query["redirect_uri"],
            account,
            scopes,
            query["code_challenge"],
            lasting=query.get("access_type") == "offline" and (first or query.get("prompt") == "consent"),
            made_at=self._clock.now(),
        )
        given = {**back, "code": code, "scope": " ".join(sorted(scopes)), "prompt": "consent"}
        raise web.HTTPFound(f"{query['redirect_uri']}?{urlencode(given)}")

    def _problem(self, query: Mapping[str, str]) -> str | None:
        client = self.clients.get(query.get("client_id", ""))
        if client is None:
            return "invalid_client"
        if query.get("redirect_uri") not in client.redirects:
            return "redirect_uri_mismatch"
        if query.get("response_type") != "code" or not query.get("scope"):
            return "invalid_request"
        # Google lets clients of type web do without; an app that says it has PKCE may not forget it here.
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            return "invalid_request"
        return None

    # -- codes --------------------------------------------------------------------------------------------------

    def _redeem(self, form: Mapping[str, str]) -> dict[str, Json]:
        client = self.clients.get(form.get("client_id", ""))
        if client is None or form.get("client_secret") != client.secret:
            raise TokenRefusal(401, "invalid_client", "The OAuth client was not found.")
        code = self._codes.get(form.get("code", ""))
        if code is None or code.client is not client:
            raise TokenRefusal(400, "invalid_grant", "Malformed auth code.")
        if code.used is not None:
            if code.used in self._accounts.refresh:
                self._accounts.refresh[code.used].revoked = True
            raise TokenRefusal(400, "invalid_grant", "Bad Request")
        if form.get("redirect_uri") != code.redirect:
            raise TokenRefusal(400, "redirect_uri_mismatch", "Bad Request")
        if self._clock.now() >= code.made_at + _CODE_LIFETIME:
            raise TokenRefusal(400, "invalid_grant", "Bad Request")
        challenge = urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if challenge.decode() != code.challenge:
            raise TokenRefusal(400, "invalid_grant", "Invalid code verifier.")
        access = self._accounts.new_token(code.email, code.scopes, expires_at=self._clock.now() + ACCESS_LIFETIME)
        answer: dict[str, Json] = {
            "access_token": access.value,
            "expires_in": int(ACCESS_LIFETIME.total_seconds()),
            "scope": " ".join(sorted(code.scopes)),
            "token_type": "Bearer",
            "id_token": self._id_token(code),
        }
        code.used = ""
        if code.lasting:
            refresh = RefreshToken(f"1//{secrets.token_urlsafe(24)}", client.id, client.secret, code.email, code.scopes)
            self._accounts.refresh[refresh.value] = refresh
            answer["refresh_token"] = code.used = refresh.value
        return answer

    def _id_token(self, code: _Code) -> str:
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": code.client.id,
            "azp": code.client.id,
            "sub": str(int.from_bytes(hashlib.sha256(code.email.encode()).digest()[:8], "big")),
            "email": code.email,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
        }
        token: bytes = jwt.encode(_signer(), claims)  # type: ignore[no-untyped-call]  # google-auth is untyped
        return token.decode()

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}

        async def perform() -> Performed:
            token = form.get("token") or request.query.get("token", "")
            known = self._accounts.refresh.get(token) or self._accounts.access.get(token)
            if known is None or known.revoked:
                body = {"error": "invalid_token", "error_description": "Token expired or revoked"}
                return web.json_response(body, status=400), "invalid_token"
            self.revoke_consent(known.email)
            return web.json_response({}), "ok"

        limited = {"error": "rate_limit_exceeded", "error_description": "Rate limit exceeded."}
        return await self._gate.run(request, "oauth.revoke", {}, perform, limited=limited)


@cache
def _signer() -> Any:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return _SIGNER.from_string(pem, key_id="sandbox")
