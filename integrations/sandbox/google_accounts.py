"""Google's side of authorization: who has which access token, and ``POST /token``, which hands out new ones."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp import BasicAuth, web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions as google_exceptions
from google.auth import jwt

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.gate import Gate, Performed

SEND = "https://www.googleapis.com/auth/gmail.send"
COMPOSE = "https://www.googleapis.com/auth/gmail.compose"
READONLY = "https://www.googleapis.com/auth/gmail.readonly"
MODIFY = "https://www.googleapis.com/auth/gmail.modify"
METADATA = "https://www.googleapis.com/auth/gmail.metadata"
FULL = "https://mail.google.com/"
AUDIENCE = "https://oauth2.googleapis.com/token"  # google-auth asserts this one, whatever the key file says
ACCESS_LIFETIME = timedelta(seconds=3599)
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_RSA_BITS = 2048


@dataclass(slots=True)
class AccessToken:
    """What an API call carries. ``expires_at`` None: never. The value does not print."""

    value: str = field(repr=False)
    email: str
    scopes: frozenset[str]
    expires_at: datetime | None = None
    revoked: bool = False


@dataclass(slots=True)
class RefreshToken:
    """What an installed app keeps to get access tokens with."""

    value: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    email: str
    scopes: frozenset[str]
    revoked: bool = False


@dataclass(slots=True)
class ServiceAccount:
    """A service account with domain-wide delegation over ``domain`` for ``scopes``."""

    email: str
    public_key: bytes = field(repr=False)
    domain: str
    scopes: frozenset[str]


class TokenRefusal(Exception):
    """The token endpoint says no, with OAuth's word for it."""

    def __init__(self, status: int, error: str, description: str) -> None:
        self.status = status
        self.error = error
        self.description = description
        super().__init__(error)


class GoogleAccounts:
    """Every token there is. ``token_uri`` is known once the sandbox listens."""

    def __init__(self, *, clock: Clock, gate: Gate) -> None:
        self._clock = clock
        self._gate = gate
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.service_accounts: dict[str, ServiceAccount] = {}
        self.token_uri = ""
        self.code_grant: Callable[[Mapping[str, str]], dict[str, Json]] | None = None
        """Exchanges the code of a consent (``google_oauth``)."""

    def new_token(
        self,
        email: str,
        scopes: Iterable[str] = (SEND,),
        *,
        value: str | None = None,
        expires_at: datetime | None = None,
    ) -> AccessToken:
        """An access token for an account, as a fixed ``GMAIL_TOKEN`` would be."""
        token = AccessToken(value or f"ya29.{secrets.token_urlsafe(24)}", email.lower(), frozenset(scopes), expires_at)
        self.access[token.value] = token
        return token

    def authorized_user(self, email: str, scopes: Iterable[str] = (SEND,)) -> dict[str, Json]:
        """The content of an authorized-user file for an account that has consented to ``scopes``."""
        token = RefreshToken(
            f"1//{secrets.token_urlsafe(24)}",
            "sandbox.apps.googleusercontent.com",
            secrets.token_urlsafe(16),
            email.lower(),
            frozenset(scopes),
        )
        self.refresh[token.value] = token
        return {
            "type": "authorized_user",
            "client_id": token.client_id,
            "client_secret": token.client_secret,
            "refresh_token": token.value,
            "token_uri": self.token_uri,
        }

    def service_account(self, domain: str = "example.com", scopes: Iterable[str] = (SEND,)) -> dict[str, Json]:
        """The content of a service account's key file; it may act for everybody in ``domain``, with ``scopes``."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        email = f"signoff-{len(self.service_accounts) + 1}@sandbox.iam.gserviceaccount.com"
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.service_accounts[email] = ServiceAccount(email, public, domain, frozenset(scopes))
        return {
            "type": "service_account",
            "project_id": "sandbox",
            "private_key_id": secrets.token_hex(20),
            "private_key": private.decode(),
            "client_email": email,
            "client_id": "100000000000000000001",
            "token_uri": self.token_uri,
        }

    def valid(self, value: str) -> AccessToken | None:
        """The access token of that value, if it may still be used."""
        token = self.access.get(value)
        if token is None or token.revoked or (token.expires_at is not None and token.expires_at <= self._clock.now()):
            return None
        return token

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer ``POST /token``."""
        form = {name: str(value) for name, value in (await request.post()).items()} | _basic(request)
        shown = {name: value for name, value in form.items() if name in ("grant_type", "client_id", "scope")}

        async def perform() -> Performed:
            try:
                answer = self._grant(form)
            except TokenRefusal as refusal:
                body = {"error": refusal.error, "error_description": refusal.description}
                return web.json_response(body, status=refusal.status), refusal.error
            return web.json_response(answer), "ok"

        limited = {"error": "rate_limit_exceeded", "error_description": "Rate limit exceeded."}
        return await self._gate.run(request, "oauth.token", shown, perform, limited=limited)

    def _grant(self, form: Mapping[str, str]) -> dict[str, Json]:
        match form.get("grant_type"):
            case "refresh_token":
                email, scopes = self._refreshed(form)
            case "authorization_code" if self.code_grant is not None:
                return self.code_grant(form)
            case grant if grant == _JWT_GRANT:
                email, scopes = self._asserted(form.get("assertion", ""))
            case _:
                raise TokenRefusal(400, "unsupported_grant_type", "Invalid grant_type.")
        token = self.new_token(email, scopes, expires_at=self._clock.now() + ACCESS_LIFETIME)
        return {
            "access_token": token.value,
            "expires_in": int(ACCESS_LIFETIME.total_seconds()),
            "scope": " ".join(sorted(scopes)),
            "token_type": "Bearer",
        }

    def _refreshed(self, form: Mapping[str, str]) -> tuple[str, frozenset[str]]:
        token = self.refresh.get(form.get("refresh_token", ""))
        if token is None or token.revoked:
            raise TokenRefusal(400, "invalid_grant", "Token has been expired or revoked.")
        if (form.get("client_id"), form.get("client_secret")) != (token.client_id, token.client_secret):
            raise TokenRefusal(401, "invalid_client", "The OAuth client was not found.")
        asked = frozenset(form.get("scope", "").split()) or token.scopes
        if not asked <= token.scopes:
            raise TokenRefusal(400, "invalid_scope", "Some requested scopes were not granted.")
        return token.email, asked

    def _asserted(self, assertion: str) -> tuple[str, frozenset[str]]:
        try:
            issuer = _claims(assertion, verify=False).get("iss", "")
        except (ValueError, google_exceptions.GoogleAuthError):
            raise TokenRefusal(400, "invalid_grant", "Bad Request") from None
        account = self.service_accounts.get(str(issuer))
        if account is None:
            raise TokenRefusal(400, "invalid_grant", "Invalid grant: account not found")
        try:
            # The client dates its assertion by the machine's clock, so the library's own check of it is the right one.
            claims = _claims(assertion, certs=account.public_key, audience=[self.token_uri, AUDIENCE])
        except (ValueError, google_exceptions.GoogleAuthError):
            raise TokenRefusal(400, "invalid_grant", "Invalid JWT Signature.") from None
        subject = str(claims.get("sub") or "")
        scopes = frozenset(str(claims.get("scope", "")).split())
        if subject and not subject.endswith(f"@{account.domain}"):
            raise TokenRefusal(400, "invalid_grant", "Invalid email or User ID")
        if not scopes or not scopes <= account.scopes:
            raise TokenRefusal(
                401,
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, "
                "or client not authorized for any of the scopes requested.",
            )
        return (subject or account.email).lower(), scopes


def _basic(request: web.Request) -> dict[str, str]:
    """A client may say who it is in a header as well (``client_secret_basic`` of Google's discovery document)."""
    try:
        given = BasicAuth.decode(request.headers.get("Authorization", ""))
    except ValueError:
        return {}
    return {"client_id": given.login, "client_secret": given.password}


def _claims(assertion: str, **how: Json) -> Mapping[str, Json]:
    claims: Mapping[str, Json] = jwt.decode(assertion, **how)  # type: ignore[no-untyped-call]  # google-auth is untyped
    return claims
