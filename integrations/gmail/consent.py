"""Google's consent: the page at which somebody lets Signoff send in their name, and what it comes to.

google-auth-oauthlib builds the addresses and exchanges the code, in a thread; it refuses token endpoints that are not
encrypted. PKCE keeps a code from being worth anything to who has not begun the consent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
from google.auth import jwt

from flows.errors import ActionError
from integrations.gmail.credentials import GOOGLE_TOKEN_URI, SEND, Tokens

SCOPES = ("openid", "https://www.googleapis.com/auth/userinfo.email", SEND)
"""To send, and to know whose account it is. Written as Google gives them back, or oauthlib takes them for others."""

_TIMEOUT = 15.0  # seconds
_ISSUERS = ("accounts.google.com", "https://accounts.google.com")
_HINTS = {
    "invalid_client": "GOOGLE_CLIENT_ID or GOOGLE_CLIENT_SECRET is wrong",
    "unauthorized_client": "the OAuth client is not of type web",
    "redirect_uri_mismatch": "the OAuth client does not have this address of Signoff among its redirect addresses",
    "invalid_grant": "the consent was used before, or is too old; begin anew",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where Google is."""

    consent: str = "https://accounts.google.com/o/oauth2/v2/auth"
    token: str = GOOGLE_TOKEN_URI
    revoke: str = "https://oauth2.googleapis.com/revoke"

    @classmethod
    def at(cls, url: str | None) -> Endpoints:
        """Those of a stand-in at ``url``; Google's own without one."""
        return cls() if url is None else cls(f"{url}/o/oauth2/v2/auth", f"{url}/token", f"{url}/revoke")


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The client of a Google Cloud project, and where Google sends people back to."""

    id: str
    secret: str = field(repr=False)
    redirect: str
    endpoints: Endpoints = Endpoints()


@dataclass(frozen=True, slots=True)
class Granted:
    """An account that may be sent from."""

    email: str
    tokens: Tokens


def consent_url(client: OAuthClient, *, state: str, verifier: str) -> str:
    """The address of Google's page. ``verifier`` is PKCE's, 43 to 128 letters, kept until ``exchange``.

    A refresh token is asked for, which Google gives only with a fresh consent.
    """
    url, _ = _flow(client, verifier).authorization_url(state=state, access_type="offline", prompt="consent")
    return str(url)


async def exchange(client: OAuthClient, *, code: str, verifier: str) -> Granted:
    """What the consent gives, for the ``code`` that came back with it.

    Raises ``ActionError`` with a sentence for the admin: where Google refuses, where sending was not allowed, and,
    retryable, where Google does not answer (a code works once, so trying again means consenting again).
    """
    token = await asyncio.to_thread(_fetch, client, code, verifier)
    scopes = token.get("scope", ())
    given = scopes.split() if isinstance(scopes, str) else scopes
    if SEND not in given:
        raise ActionError("Google was not allowed to let Signoff send mail: please tick that box on Google's page.")
    refresh, access = token.get("refresh_token"), token.get("access_token")
    if not isinstance(refresh, str) or not isinstance(access, str):
        raise ActionError(
            "Google gave nothing that lasts; take Signoff out of the account's connections, and begin anew."
        )
    expires = datetime.fromtimestamp(token["expires_at"], UTC) if "expires_at" in token else None
    return Granted(_email(client, token.get("id_token")), Tokens(refresh, access, expires))


async def revoke(client: OAuthClient, tokens: Tokens) -> None:
    """Let Google forget the consent; fine where it has already. Raises ``ActionError``, retryable."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(client.endpoints.revoke, data={"token": tokens.refresh}, allow_redirects=False) as answer,
        ):
            status, body = answer.status, await answer.text()
    except (aiohttp.ClientError, OSError):
        raise ActionError(
            "Google cannot be reached, so the consent was not revoked; try again.", retryable=True
        ) from None
    if status != 200 and not (status == 400 and "invalid_token" in body):
        raise ActionError(f"Google answered {status}, so the consent was not revoked; try again.", retryable=True)


def _flow(client: OAuthClient, verifier: str) -> Any:
    # Late: it brings requests and oauthlib, which only this needs.
    from google_auth_oauthlib.flow import Flow

    config = {
        "web": {
            "client_id": client.id,
            "client_secret": client.secret,
            "auth_uri": client.endpoints.consent,
            "token_uri": client.endpoints.token,
        }
    }
    make: Any = Flow.from_client_config  # untyped
    flow = make(config, scopes=list(SCOPES), redirect_uri=client.redirect, code_verifier=verifier)
    # Only the settings read the environment; requests would take proxies and passwords from it.
    flow.oauth2session.trust_env = False
    return flow


def _fetch(client: OAuthClient, code: str, verifier: str) -> Mapping[str, Any]:
    from oauthlib.oauth2.rfc6749.errors import InsecureTransportError, OAuth2Error
    from requests.exceptions import RequestException

    flow = _flow(client, verifier)
    try:
        token: Mapping[str, Any] = flow.fetch_token(code=code, timeout=_TIMEOUT)
        return token
    except InsecureTransportError:
        raise ActionError("GOOGLE_OAUTH_URL is not encrypted; only a stand-in on this machine may be so.") from None
    except OAuth2Error as error:
        hint = _HINTS.get(str(error.error))
        raise ActionError(f"Google refused the consent ({error.error})" + (f": {hint}." if hint else ".")) from None
    except Warning as changed:
        # oauthlib's way of saying that not all that was asked for was allowed; what was, is looked at by the caller.
        got: Mapping[str, Any] = getattr(changed, "token", {})
        return got
    except (RequestException, OSError, ValueError):
        raise ActionError("Google does not answer properly right now; please begin anew.", retryable=True) from None
    finally:
        flow.oauth2session.close()


def _email(client: OAuthClient, id_token: object) -> str:
    """Whose account it is. The token came straight from Google over TLS, which is as good as its signature (OpenID
    Connect Core, 3.1.3.7)."""
    try:
        claims: Mapping[str, Any] = jwt.decode(id_token, verify=False)  # type: ignore[no-untyped-call]  # google-auth is untyped
    except (ValueError, TypeError, AttributeError):
        claims = {}
    email = claims.get("email")
    if claims.get("iss") not in _ISSUERS or claims.get("aud") != client.id or not isinstance(email, str):
        raise ActionError("Google did not say properly whose account this is; please begin anew.", retryable=True)
    return email.lower()
