"""Sign in with Slack (OpenID Connect): who sits at a browser, by Slack's word."""

from __future__ import annotations

import json
import logging
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth import OpenIDConnectAuthorizeUrlGenerator
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from integrations.slack.client import SLACK_API
from integrations.slack.failures import ONCE, SlackError, connection, failure, lost

_TOKEN, _WHO = "Slack openid.connect.token", "Slack openid.connect.userInfo"
_ISSUER = "https://slack.com"
_USER, _TEAM = "https://slack.com/user_id", "https://slack.com/team_id"
_HINTS = {
    "bad_client_secret": "check SLACK_CLIENT_ID and SLACK_CLIENT_SECRET",
    "bad_redirect_uri": "enter this bot's address under OAuth & Permissions in the app's settings",
    "code_already_used": "please sign in again",
    "invalid_client_id": "check SLACK_CLIENT_ID and SLACK_CLIENT_SECRET",
    "invalid_code": "please sign in again",
}
_TIMEOUT = aiohttp.ClientTimeout(total=20.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A Slack user, of the workspace that they have signed in to."""

    team: str
    user: str


class SlackOpenId:
    """One Slack app. ``base_url`` is that of Slack's Web API; its pages for people are beside it."""

    def __init__(self, client_id: str, client_secret: str, *, base_url: str = SLACK_API) -> None:
        self._client_id = client_id
        self._basic = aiohttp.encode_basic_auth(client_id, client_secret)
        self._base_url = base_url
        self._origin = str(URL(base_url).origin())

    def authorize_url(self, *, state: str, nonce: str, redirect: str, team: str | None = None) -> str:
        """Slack's page on which somebody signs in; ``team`` is the workspace that they should sign in to. ``state`` comes
        back to ``redirect``, ``nonce`` in what Slack signs."""
        generator = OpenIDConnectAuthorizeUrlGenerator(
            client_id=quote(self._client_id, safe=""),
            redirect_uri=quote(redirect, safe=""),
            scopes=["openid"],
            authorization_url=f"{self._origin}/openid/connect/authorize",
        )
        return generator.generate(quote(state, safe=""), nonce=quote(nonce, safe=""), team=team)

    async def who(self, code: str, *, redirect: str, nonce: str, now: datetime) -> SignedIn:
        """Who has signed in, for a code that Slack has sent back. Raises ``SlackError``."""
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), timeout=_TIMEOUT, trust_env=False
        ) as session:
            quiet = logging.Logger("slack_sdk", logging.CRITICAL)  # its debug log would repeat tokens
            web = AsyncWebClient(base_url=self._base_url, retry_handlers=[], logger=quiet, session=session)
            web.proxy = None  # told None in its constructor, it looks for one in the environment
            given = {"code": code, "redirect_uri": redirect, "grant_type": "authorization_code"}
            # Not its own method for it, which builds the header in a way that aiohttp is about to drop.
            answer = await self._call(web, _TOKEN, given, self._basic)
            claims = self._claims(answer.get("id_token"), nonce, now)
            said = await self._call(web, _WHO, {}, f"Bearer {answer.get('access_token')}")
        # Slack signs the one and answers the other; somebody who could change one of them is not believed.
        if (said.get(_TEAM), said.get(_USER)) != (claims[_TEAM], claims[_USER]):
            raise lost(_WHO, "its answer is about somebody else", ONCE)
        return SignedIn(claims[_TEAM], claims[_USER])

    async def _call(self, web: AsyncWebClient, what: str, given: dict[str, str], auth: str) -> Mapping[str, Any]:
        with connection(what, ONCE):
            try:
                response = await web.api_call(what.removeprefix("Slack "), data=given, headers={"Authorization": auth})
            except SlackApiError as error:
                raise _failure(what, error.response) from None
            except (AttributeError, UnicodeDecodeError):
                raise lost(what, "its answer makes no sense", ONCE) from None
        return response.data if isinstance(response.data, dict) else {}

    def _claims(self, token: object, nonce: str, now: datetime) -> Mapping[str, str]:
        """What Slack signs. It came straight from Slack over TLS, which is as good as its signature (OpenID Connect
        Core, 3.1.3.7)."""
        try:
            body = str(token).split(".")[1]
            claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
            fits = (
                claims["iss"] == _ISSUER
                and claims["aud"] == self._client_id
                and claims["nonce"] == nonce
                and now.timestamp() < claims["exp"]
            )
            found = {name: claims[name] for name in (_USER, _TEAM)}
        except (IndexError, ValueError, KeyError, TypeError):
            fits, found = False, {}
        if not fits or not all(isinstance(value, str) for value in found.values()):
            raise lost(_TOKEN, "its answer is not for this sign-in", ONCE)
        return found


def _failure(what: str, response: Any) -> SlackError:
    if isinstance(response, aiohttp.ClientResponse):
        return failure(what, response.status, response.headers, None, ONCE)
    error = failure(what, response.status_code, response.headers, response.data, ONCE)
    hint = _HINTS.get(error.code or "")
    return SlackError(f"{what}: {error.code}: {hint}.", code=error.code) if hint else error
