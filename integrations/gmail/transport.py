"""Gmail's REST API, over a transport that never sends a request again of which it might have been taken.

google-api-python-client builds the requests and aiohttp sends them. Neither the client's own transport nor
google-auth's asynchronous session is fit for it: httplib2 sends a POST again when the connection drops before the
answer; ``AsyncAuthorizedSession`` sends it again after a 401, whatever ``total_attempts`` says, and has one timeout
for renewing the token, connecting and sending, so that nobody could tell whether anything had been written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from google.auth.credentials import AnonymousCredentials

from flows.errors import ActionError
from flows.ports import Json
from integrations.gmail.credentials import GmailCredentials
from integrations.gmail.failures import ASKABLE, HARMLESS, OPEN, Doubt, failure, lost

_NoCredentials: Any = AnonymousCredentials  # untyped

_TIMEOUT = 30.0
_CONNECT_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    payload: Json


class GmailTransport:
    """The three calls that sending needs. Each raises ``ActionError``, and repeats itself only where the token was
    refused, and so nothing was done: once, with a new one.

    ``api_url`` replaces Google's address. ``timeout`` is in seconds, for one request. Call ``close()`` in the end, which
    closes the credentials too.
    """

    def __init__(self, credentials: GmailCredentials, *, api_url: str | None = None, timeout: float = _TIMEOUT) -> None:
        self._credentials = credentials
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(_CONNECT_TIMEOUT, timeout / 2))
        # The service only builds requests, so it gets nobody's credentials. Untyped: its methods are made at run time.
        # Imported here: it takes a third of the bot's start, and only those who send mail need it.
        from googleapiclient.discovery import build

        self._service: Any = build(
            "gmail",
            "v1",
            credentials=_NoCredentials(),
            static_discovery=True,
            cache_discovery=False,
            client_options={"api_endpoint": api_url} if api_url else None,
        )
        self._session: aiohttp.ClientSession | None = None

    @property
    def can_draft(self) -> bool | None:
        """Whether the credentials reach drafts; None where only a try tells. Settled by ``authorize()``."""
        return self._credentials.can_draft

    async def authorize(self) -> None:
        """Have a valid token. Raises ``ActionError`` with a hint for the operator where there is none to be had."""
        await self._credentials.token()

    async def send_message(self, raw: str, thread: str | None = None) -> dict[str, Json]:
        """Gmail's message (``id``, ``threadId``); empty where it was sent and the answer broke off.

        ``thread`` is the ``threadId`` that it goes into. Raises ``NotFound`` where there is none, and nothing was sent.
        """
        request = self._service.users().messages().send(userId="me", body=_message(raw, thread))
        return await self._post(request, OPEN)

    async def create_draft(self, raw: str, thread: str | None = None) -> str:
        """The id of a new draft; ``thread`` as in ``send_message``."""
        request = self._service.users().drafts().create(userId="me", body={"message": _message(raw, thread)})
        draft = (await self._post(request, HARMLESS)).get("id")
        if not isinstance(draft, str):
            raise lost("the answer to a new draft broke off", HARMLESS)
        return draft

    async def send_draft(self, draft: str) -> dict[str, Json]:
        """As ``send_message``. Raises ``NotFound`` where there is no such draft, as after it was sent."""
        request = self._service.users().drafts().send(userId="me", body={"id": draft})
        return await self._post(request, ASKABLE)

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._service.close()
        await self._credentials.close()

    async def _post(self, request: Any, doubt: Doubt) -> dict[str, Json]:
        token = await self._credentials.token()
        answer = await self._once(request, token, doubt)
        if answer.status == 401 and self._credentials.refused(token):
            # It was taken before, and has been revoked before its time.
            token = await self._credentials.token()
            answer = await self._once(request, token, doubt)
        if answer.status == 401:
            self._credentials.refused(token)
            raise ActionError("Gmail answered 401: it does not take the access token of these credentials.")
        self._credentials.accepted(token)
        if 200 <= answer.status < 300:
            return answer.payload if isinstance(answer.payload, dict) else {}
        raise failure(answer.status, answer.headers, answer.payload, doubt)

    async def _once(self, request: Any, token: str, doubt: Doubt) -> _Answer:
        headers = dict(request.headers) | {"authorization": f"Bearer {token}", "user-agent": "Signoff (gzip)"}
        try:
            async with self._opened().post(
                request.uri, data=request.body.encode(), headers=headers, allow_redirects=False
            ) as response:
                return _Answer(response.status, response.headers, await _body(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise ActionError("Gmail cannot be reached.", retryable=True) from None  # the cause repeats the address
        except (aiohttp.ClientError, OSError) as error:
            late = isinstance(error, TimeoutError)
            raise lost("no answer in time" if late else "the connection broke before the answer", doubt) from error

    def _opened(self) -> aiohttp.ClientSession:
        # Opened late, because it belongs to the running loop and the object is built before there is one.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # No connection is kept: a kept one that Gmail has closed in the meantime looks like a request
                # that was accepted and not answered.
                connector=aiohttp.TCPConnector(force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                trust_env=False,
            )
        return self._session


def _message(raw: str, thread: str | None) -> dict[str, Json]:
    return {"raw": raw} if thread is None else {"raw": raw, "threadId": thread}


async def _body(response: aiohttp.ClientResponse) -> Json:
    """The JSON of an answer, None where it broke off: the status alone says what Gmail has done."""
    try:
        return json.loads(await response.read())
    except (aiohttp.ClientError, OSError, ValueError, RecursionError):
        return None
