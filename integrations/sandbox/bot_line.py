"""How Slack calls the bot: a signed HTTP request to its events address, or an envelope over Socket Mode."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from json import JSONDecodeError
from typing import Literal
from urllib.parse import urlencode

import aiohttp

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.changes import Changes
from integrations.sandbox.faults import Calls, Faults, Twice
from integrations.sandbox.socket_mode import SocketMode

Sort = Literal["interactive", "slash_commands", "events_api"]
RETRIES = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5))
"""When Slack delivers an event again that was not acknowledged: at once, after a minute, after five more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot said to a delivery.

    ``status`` is HTTP's, and 200 for an acknowledged envelope; 0: no answer. ``late``: none within Slack's limit.
    ``body``: None if empty, decoded JSON, or text. ``again``: the answer to the same delivery sent a second time.
    ``no_retry``: the bot has asked not to be sent this event again.
    """

    status: int
    body: Json = None
    late: bool = False
    again: Answer | None = None
    no_retry: bool = False

    @property
    def ok(self) -> bool:
        """Whether Slack is content."""
        return self.status == 200


class BotLine:
    """The line from Slack to one bot. Public attributes may be changed at any time.

    ``events_url``: where the bot listens for requests; Socket Mode takes precedence while a websocket is open.
    ``signing_secret``, ``signature_age``, ``signed``: how requests are signed; spoil them to play a forger.
    ``answer_within``: seconds (of the machine's own clock) that the bot has to answer; 3 in Slack.
    """

    def __init__(
        self, *, signing_secret: str, clock: Clock, sockets: SocketMode, faults: Faults, calls: Calls, changes: Changes
    ) -> None:
        self.events_url: str | None = None
        self.signing_secret = signing_secret
        self.signature_age = timedelta(0)
        self.signed = True
        self.answer_within = 3.0
        self._clock = clock
        self._sockets = sockets
        self._faults = faults
        self._calls = calls
        self._changes = changes
        self._session: aiohttp.ClientSession | None = None
        self._last: tuple[Sort, str, dict[str, Json]] | None = None
        self._retries: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Get ready to call."""
        # A connection of its own for every call: none that the bot has closed meanwhile is ever used again.
        connector = aiohttp.TCPConnector(force_close=True)
        self._session = aiohttp.ClientSession(connector=connector)

    async def close(self) -> None:
        """Stop retrying and hang up."""
        for task in self._retries:
            task.cancel()
        await asyncio.gather(*self._retries, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def deliver(self, sort: Sort, name: str, payload: dict[str, Json]) -> Answer:
        """Deliver once, or twice at the same time if a fault says so. ``name`` is what faults and the log call it."""
        if sort == "events_api":
            payload = {**payload, "event_id": f"Ev{secrets.token_hex(8).upper()}"}
        self._last = sort, name, payload
        if isinstance(self._faults.take(name, wanted=lambda fault: isinstance(fault, Twice)), Twice):
            first, second = await asyncio.gather(self._attempt(sort, name, payload), self._attempt(sort, name, payload))
            answer = replace(first, again=second)
        else:
            answer = await self._attempt(sort, name, payload)
        if sort == "events_api" and not answer.ok and not answer.no_retry:
            task = asyncio.create_task(self._repeat(name, payload, answer))
            self._retries.add(task)
            task.add_done_callback(self._retries.discard)
        return answer

    async def redeliver(self) -> Answer:
        """Deliver the last thing once more, byte for byte: after a restart of the bot, say."""
        if self._last is None:
            raise LookupError("nothing has been delivered yet")
        return await self._attempt(*self._last)

    async def _repeat(self, name: str, payload: dict[str, Json], answer: Answer) -> None:
        for number, delay in enumerate(RETRIES, start=1):
            await self._clock.sleep(delay)
            reason = "http_timeout" if answer.late else "http_error" if answer.status else "connection_failed"
            answer = await self._attempt("events_api", name, payload, retry=(number, reason))
            if answer.ok or answer.no_retry:
                return

    async def _attempt(
        self, sort: Sort, name: str, payload: dict[str, Json], *, retry: tuple[int, str] | None = None
    ) -> Answer:
        call = self._calls.add(f"bot:{name}", payload, self._clock.now())
        try:
            async with asyncio.timeout(self.answer_within):
                if self._sockets.connected:
                    body = await self._sockets.deliver(sort, payload, retry=retry[0] if retry else 0)
                    answer = Answer(200, body)
                else:
                    answer = await self._post(sort, payload, retry)
        except TimeoutError:
            answer = Answer(0, late=True)
        except (aiohttp.ClientError, ConnectionError):
            answer = Answer(0)
        call.outcome = "late" if answer.late else f"http {answer.status}" if answer.status else "no answer"
        self._changes.notify()
        return answer

    async def _post(self, sort: Sort, payload: dict[str, Json], retry: tuple[int, str] | None) -> Answer:
        if self._session is None:
            raise ConnectionError("the sandbox is not running")
        if self.events_url is None:
            raise ConnectionError("no events address is set and no websocket is open")
        match sort:
            case "events_api":
                raw, content_type = json.dumps(payload).encode(), "application/json"
            case "slash_commands":
                raw, content_type = urlencode(payload).encode(), "application/x-www-form-urlencoded"
            case "interactive":
                raw = urlencode({"payload": json.dumps(payload)}).encode()
                content_type = "application/x-www-form-urlencoded"
        headers = {"Content-Type": content_type, "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
        if self.signed:
            headers |= self._signature(raw)
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": str(retry[0]), "X-Slack-Retry-Reason": retry[1]}
        async with self._session.post(self.events_url, data=raw, headers=headers) as response:
            body = _decoded(await response.text(), response.content_type)
            return Answer(response.status, body, no_retry=response.headers.get("X-Slack-No-Retry") == "1")

    def _signature(self, raw: bytes) -> dict[str, str]:
        stamp = str(int((self._clock.now() - self.signature_age).timestamp()))
        signature = hmac.new(self.signing_secret.encode(), b"v0:" + stamp.encode() + b":" + raw, hashlib.sha256)
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature.hexdigest()}"}


def _decoded(text: str, content_type: str) -> Json:
    if not text.strip():
        return None
    if content_type == "application/json":
        try:
            return json.loads(text)
        except JSONDecodeError:
            return text
    return text
