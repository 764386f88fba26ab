"""The door for machines that start flows: ``POST /hooks/{flow}/{webhook}``, signed.

Nothing is said, and no body is parsed, before the signature is right: whether there is such a webhook, the sender learns
only with its secret. Sent again, a delivery starts nothing and gets the same answer.
"""

from __future__ import annotations

import logging
import re

from aiohttp import web

from bot.triggers import Starter
from bot.web.errors import Answer, BadRequest, answer_to_status
from bot.web.replies import problem, problem_of
from bot.web.sent import Unreadable, headers_of, parsed, query_of
from flows.clock import Clock
from flows.errors import FlowError, InvalidForm, TryAgain
from flows.signatures import GITHUBS, OURS, Claimed, HookKeys, NotGenuine, claimed
from flows.store.connection import StoreError
from flows.trigger_values import request_values

log = logging.getLogger(__name__)

_NAMES = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_NOT_HERE = Answer(
    404, "not-found", "Not found", "There is no such webhook, or the request is not signed with its secret just now."
)
_NO_BODY = Answer(
    415,
    "unsupported-body",
    "The body cannot be read",
    "A webhook takes application/json, application/x-www-form-urlencoded and text, uncompressed.",
)
_CANNOT_START = Answer(
    409,
    "cannot-start",
    "The flow cannot be started",
    "The request is fine, and its flow cannot be started with it; the bot's log says why.",
)
_SIGNATURES = frozenset({OURS.lower(), GITHUBS.lower(), "x-hub-signature"})
"""Headers that no template reads: who may send is settled before, and has no place in a run."""


class Hooks:
    """The handler of all webhooks."""

    def __init__(self, starter: Starter, keys: HookKeys, clock: Clock) -> None:
        self._starter = starter
        self._keys = keys
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/hooks/{flow}/{webhook}", self._receive)]

    async def _receive(self, request: web.Request) -> web.Response:
        flow, webhook = request.match_info["flow"], request.match_info["webhook"]
        if request.headers.get("Content-Encoding", "identity") != "identity":
            return problem_of(_NO_BODY, _NO_BODY.detail or "")
        try:
            signed = self._signed(flow, webhook, request)
            body = await request.read()
            key = self._keys.verify(flow, webhook, signed, body)
        except NotGenuine as error:
            if self._starter.has_webhook(flow, webhook):
                log.info("a webhook was refused", extra={"flow": flow, "webhook": webhook, "error": str(error)})
            return problem_of(_NOT_HERE, _NOT_HERE.detail or "")
        except web.HTTPRequestEntityTooLarge as error:
            answer = answer_to_status(error.status)
            return problem_of(answer, answer.detail or answer.title)
        if not self._starter.has_webhook(flow, webhook):
            return problem_of(_NOT_HERE, _NOT_HERE.detail or "")
        return await self._start(flow, webhook, key, request, body)

    def _signed(self, flow: str, webhook: str, request: web.Request) -> Claimed:
        if not _NAMES.fullmatch(flow) or not _NAMES.fullmatch(webhook):
            raise NotGenuine("there can be no such webhook")
        return claimed(request.headers, self._clock.now())

    async def _start(self, flow: str, webhook: str, key: str, request: web.Request, body: bytes) -> web.Response:
        said = {"flow": flow, "webhook": webhook, "delivery": key}
        try:
            headers = {name: value for name, value in headers_of(request.headers).items() if name not in _SIGNATURES}
            values = request_values(parsed(request, body), headers, query_of(request))
            started = await self._starter.deliver(flow, webhook, key, values)
        except Unreadable:
            return problem_of(_NO_BODY, _NO_BODY.detail or "")
        except (BadRequest, InvalidForm, TryAgain) as error:
            return problem(error)
        except StoreError as error:
            log.error("the store failed", extra={**said, "error": str(error)})
            return problem(error)
        except FlowError as error:
            # What is wrong with the flow is its owner's to know, not the sender's.
            log.error("a webhook could not start its flow", extra={**said, "error": str(error)})
            return problem_of(_CANNOT_START, _CANNOT_START.detail or "")
        if started is None:
            return web.json_response({"run": None})
        run = self._starter.run_id(started)
        log.info("a webhook has started a run", extra={**said, "run": run, "new": started.new})
        response = web.json_response({"run": run}, status=202)
        if not started.new:
            response.headers["Idempotent-Replayed"] = "true"
        return response
