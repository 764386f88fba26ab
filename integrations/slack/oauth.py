"""Installing the Slack app by OAuth, and renewing tokens that expire: the two uses of ``oauth.v2.access``.

A code and a refresh token are worth something once. Whoever is not answered does not know whether they are used up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth import AuthorizeUrlGenerator
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from flows.ports import Json
from integrations.slack.client import SLACK_API
from integrations.slack.failures import ONCE, SlackError, connection, failure, lost

_WHAT = "Slack oauth.v2.access"
_CREDENTIALS = "check SLACK_CLIENT_ID and SLACK_CLIENT_SECRET; both are under Basic Information in the app's settings"
_REDIRECT = "enter this bot's address under OAuth & Permissions in the app's settings; `signoff manifest` prints it"
_ONCE = "it is good once and for ten minutes; begin again"
_HINTS = {
    "bad_client_secret": _CREDENTIALS,
    "bad_redirect_uri": _REDIRECT,
    "code_already_used": _ONCE,
    "invalid_client_id": _CREDENTIALS,
    "invalid_code": _ONCE,
    "invalid_refresh_token": "it was used before, or taken back; install the app again",
}
_TIMEOUT = aiohttp.ClientTimeout(total=30.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class Granted:
    """What Slack gives: a bot's token for one workspace. ``lifetime`` and ``refresh`` are None for one that does not
    expire; ``installer`` is the Slack user who has consented, None where it was renewed."""

    team: str
    name: str
    app: str
    bot_user: str
    scopes: frozenset[str]
    token: str = field(repr=False)
    refresh: str | None = field(repr=False)
    lifetime: timedelta | None
    installer: str | None


class WholeOrganisation(SlackError):
    """The app was installed for a whole organisation and not for a workspace."""


class SlackOAuth:
    """One Slack app. ``base_url`` is that of Slack's Web API; its pages for people are beside it."""

    def __init__(self, client_id: str, client_secret: str, *, base_url: str = SLACK_API) -> None:
        self._client_id = client_id
        self._basic = aiohttp.encode_basic_auth(client_id, client_secret)
        self._base_url = base_url
        self.origin = str(URL(base_url).origin())
        """Where the page is that ``authorize_url`` leads to."""

    def authorize_url(self, *, state: str, redirect: str, scopes: Iterable[str]) -> str:
        """Slack's page on which an administrator of a workspace consents. ``state`` comes back to ``redirect``."""
        generator = AuthorizeUrlGenerator(
            client_id=quote(self._client_id, safe=""),
            redirect_uri=quote(redirect, safe=""),
            scopes=[quote(scope, safe=":.") for scope in scopes],
            authorization_url=f"{self.origin}/oauth/v2/authorize",
        )
        return generator.generate(quote(state, safe=""))

    async def exchange(self, code: str, *, redirect: str) -> Granted:
        """The token for a code that Slack has sent back. Raises ``SlackError``, and ``WholeOrganisation``."""
        return await self._access(code=code, redirect_uri=redirect)

    async def renew(self, refresh: str) -> Granted:
        """A new token, and a new refresh token, for a refresh token, which is used up by it. Raises ``SlackError``:
        ``invalid_refresh_token`` where it was used up before, uncertain where nobody knows."""
        return await self._access(grant_type="refresh_token", refresh_token=refresh)

    async def _access(self, **given: str) -> Granted:
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), timeout=_TIMEOUT, trust_env=False
        ) as session:
            quiet = logging.Logger("slack_sdk", logging.CRITICAL)  # its debug log would repeat tokens
            web = AsyncWebClient(base_url=self._base_url, retry_handlers=[], logger=quiet, session=session)
            web.proxy = None  # told None in its constructor, it looks for one in the environment
            with connection(_WHAT, ONCE):
                try:
                    # Not its own method for it, which builds the header in a way that aiohttp is about to drop.
                    response = await web.api_call("oauth.v2.access", data=given, headers={"Authorization": self._basic})
                except SlackApiError as error:
                    raise _failure(error.response) from None
                except (AttributeError, UnicodeDecodeError):
                    raise lost(_WHAT, "its answer makes no sense", ONCE) from None
        return _granted(response.data)


def _granted(answer: Any) -> Granted:
    body: Mapping[str, Json] = answer if isinstance(answer, dict) else {}
    team = body.get("team")
    if body.get("is_enterprise_install") and not isinstance(team, dict):
        raise WholeOrganisation(
            "Slack has installed the app for a whole organisation. Install it in a workspace of it instead.",
            code="whole_organisation",
        )
    try:
        workspace: Mapping[str, Json] = team if isinstance(team, dict) else {}
        lifetime = body.get("expires_in")
        return Granted(
            team=str(workspace["id"]),
            name=str(workspace.get("name") or workspace["id"]),
            app=str(body.get("app_id") or ""),
            bot_user=str(body.get("bot_user_id") or ""),
            scopes=frozenset(filter(None, str(body.get("scope") or "").split(","))),
            token=str(body["access_token"]),
            refresh=body.get("refresh_token"),
            lifetime=timedelta(seconds=int(lifetime)) if lifetime is not None else None,
            installer=(body.get("authed_user") or {}).get("id"),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise lost(_WHAT, "its answer makes no sense", ONCE) from None


def _failure(response: Any) -> SlackError:
    if isinstance(response, aiohttp.ClientResponse):
        return failure(_WHAT, response.status, response.headers, None, ONCE)
    error = failure(_WHAT, response.status_code, response.headers, response.data, ONCE)
    hint = _HINTS.get(error.code or "")
    return SlackError(f"{_WHAT}: {error.code}: {hint}.", code=error.code) if hint else error
