"""Gmail's REST API, the part that sends: messages.send, drafts, getProfile, with Google's refusals.

Scopes per method are those of the discovery document that google-api-python-client ships.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from json import JSONDecodeError

from aiohttp import web

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.gate import Gate, Performed
from integrations.sandbox.google_accounts import (
    COMPOSE,
    FULL,
    METADATA,
    MODIFY,
    READONLY,
    SEND,
    AccessToken,
    GoogleAccounts,
)
from integrations.sandbox.mailbox import Draft, Mail, PostOffice, new_mail_id, recipients_of

_SENDING = frozenset({FULL, COMPOSE, MODIFY, SEND})
_DRAFTING = frozenset({FULL, COMPOSE, MODIFY})
_READING_DRAFTS = frozenset({FULL, COMPOSE, MODIFY, READONLY})
_PROFILE = frozenset({FULL, COMPOSE, METADATA, MODIFY, READONLY})
_MAILBOX = re.compile(r"[^@\s]+@[^@\s]+")
_NEITHER = "'raw' RFC822 payload message string or uploading message via /upload/* URL required"
_CREDENTIALS = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


class GmailRefusal(Exception):
    """Gmail says no, with an HTTP status and Google's error body."""

    def __init__(self, status: int, reason: str, message: str, state: str, **extra: Json) -> None:
        self.status = status
        self.reason = reason
        self.body: dict[str, Json] = {
            "error": {
                "code": status,
                "message": message,
                "errors": [{"message": message, "domain": "global", "reason": reason}],
                "status": state,
                **extra,
            }
        }
        super().__init__(message)


def _invalid(message: str) -> GmailRefusal:
    return GmailRefusal(400, "invalidArgument", message, "INVALID_ARGUMENT")


def _not_found() -> GmailRefusal:
    return GmailRefusal(404, "notFound", "Requested entity was not found.", "NOT_FOUND")


class GmailApi:
    """The API over one post office."""

    def __init__(self, *, office: PostOffice, accounts: GoogleAccounts, gate: Gate, clock: Clock) -> None:
        self._office = office
        self._accounts = accounts
        self._gate = gate
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """The addresses that it answers."""
        user = "/gmail/v1/users/{user}"
        return [
            web.post(f"{user}/messages/send", self._route("gmail.messages.send", _SENDING, self._send)),
            web.post(f"{user}/drafts", self._route("gmail.drafts.create", _DRAFTING, self._create)),
            web.post(f"{user}/drafts/send", self._route("gmail.drafts.send", _DRAFTING, self._send_draft)),
            web.get(f"{user}/drafts", self._route("gmail.drafts.list", _READING_DRAFTS, self._list)),
            web.get(f"{user}/drafts/{{id}}", self._route("gmail.drafts.get", _READING_DRAFTS, self._get)),
            web.get(f"{user}/profile", self._route("gmail.getProfile", _PROFILE, self._profile)),
        ]

    def _route(
        self, method: str, scopes: frozenset[str], answer: Callable[[AccessToken, Mapping[str, Json]], Json]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            text = await request.text()

            async def perform() -> Performed:
                try:
                    token = self._authorized(request, method, scopes)
                    body = answer(token, {**_object(text), **request.query, **request.match_info})
                except GmailRefusal as refusal:
                    return web.json_response(refusal.body, status=refusal.status), refusal.reason
                return web.json_response(body), "ok"

            logged = {**request.match_info, **_logged(text)}
            error = {"message": "Rate Limit Exceeded", "domain": "usageLimits", "reason": "rateLimitExceeded"}
            limited = GmailRefusal(
                429, "rateLimitExceeded", "Rate Limit Exceeded", "RESOURCE_EXHAUSTED", errors=[error]
            )
            return await self._gate.run(request, method, logged, perform, limited=limited.body)

        return handle

    def _authorized(self, request: web.Request, method: str, scopes: frozenset[str]) -> AccessToken:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        token = self._accounts.valid(value.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            where = {"location": "Authorization", "locationType": "header"}
            error = {"message": "Invalid Credentials", "domain": "global", "reason": "authError", **where}
            raise GmailRefusal(401, "authError", _CREDENTIALS, "UNAUTHENTICATED", errors=[error])
        if not token.scopes & scopes:
            error = {"message": "Insufficient Permission", "domain": "global", "reason": "insufficientPermissions"}
            info = {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                "domain": "googleapis.com",
                "metadata": {"service": "gmail.googleapis.com", "method": f"caribou.api.proto.{method}"},
            }
            raise GmailRefusal(
                403,
                "insufficientPermissions",
                "Request had insufficient authentication scopes.",
                "PERMISSION_DENIED",
                errors=[error],
                details=[info],
            )
        user = request.match_info["user"].lower()
        if user not in ("me", token.email):
            raise GmailRefusal(403, "forbidden", f"Delegation denied for {token.email}", "PERMISSION_DENIED")
        return token

    def _send(self, token: AccessToken, body: Mapping[str, Json]) -> Json:
        return _sent(self._deliver(token, _raw(body), self._thread(token, body)))

    def _create(self, token: AccessToken, body: Mapping[str, Json]) -> Json:
        given = body.get("message")
        if not isinstance(given, dict):
            raise _invalid("Missing message")
        raw = _raw(given)
        message_id = new_mail_id()
        thread_id = self._thread(token, given) or message_id
        draft = Draft(f"r{secrets.randbelow(10**18)}", message_id, thread_id, raw)
        self._office.drafts_of(token.email)[draft.id] = draft
        return _draft(draft)

    def _send_draft(self, token: AccessToken, body: Mapping[str, Json]) -> Json:
        drafts = self._office.drafts_of(token.email)
        draft = drafts.get(str(body.get("id")))
        if draft is None:
            raise _not_found()
        mail = self._deliver(token, draft.raw, draft.thread_id)
        del drafts[draft.id]
        return _sent(mail)

    def _list(self, token: AccessToken, _body: Mapping[str, Json]) -> Json:
        drafts = [_draft(draft) for draft in self._office.drafts_of(token.email).values()]
        return {"drafts": drafts, "resultSizeEstimate": len(drafts)} if drafts else {"resultSizeEstimate": 0}

    def _get(self, token: AccessToken, body: Mapping[str, Json]) -> Json:
        draft = self._office.drafts_of(token.email).get(str(body["id"]))
        if draft is None:
            raise _not_found()
        shown = _draft(draft)
        if body.get("format") == "raw":
            shown["message"]["raw"] = base64.urlsafe_b64encode(draft.raw).decode()
        return shown

    def _profile(self, token: AccessToken, _body: Mapping[str, Json]) -> Json:
        mails = [*self._office.sent.get(token.email, []), *self._office.inbox(token.email)]
        return {
            "emailAddress": token.email,
            "messagesTotal": len(mails),
            "threadsTotal": len({mail.thread_id for mail in mails}),
            "historyId": str(1000 + len(mails)),
        }

    def _thread(self, token: AccessToken, given: Mapping[str, Json]) -> str | None:
        thread_id = given.get("threadId")
        if thread_id is None:
            return None
        if thread_id not in self._office.threads_of(token.email):
            raise _not_found()
        return str(thread_id)

    def _deliver(self, token: AccessToken, raw: bytes, thread_id: str | None) -> Mail:
        message = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
        recipients = recipients_of(message)
        if not recipients:
            raise _invalid("Recipient address required")
        if not all(_MAILBOX.fullmatch(recipient) for recipient in recipients):
            raise _invalid("Invalid To header")
        name, address = parseaddr(str(message["From"] or ""))
        if address.lower() != token.email:
            # Gmail sends as the account, whatever else From says; the name stays.
            del message["From"]
            message["From"] = f'"{name}" <{token.email}>' if name else token.email
        return self._office.deliver(token.email, message, recipients, thread_id=thread_id, at=self._clock.now())


def _raw(given: Mapping[str, Json]) -> bytes:
    raw = given.get("raw")
    if not isinstance(raw, str) or not raw:
        raise _invalid(_NEITHER)
    if not re.fullmatch(r"[A-Za-z0-9_-]+={0,2}", raw):
        raise _invalid("Invalid value at 'raw' (TYPE_BYTES), Base64 decoding failed")
    bare = raw.rstrip("=")
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        raise _invalid("Invalid value at 'raw' (TYPE_BYTES), Base64 decoding failed") from None


def _object(text: str) -> dict[str, Json]:
    if not text:
        return {}
    try:
        body = json.loads(text)
    except JSONDecodeError:
        raise GmailRefusal(400, "parseError", "Parse Error", "INVALID_ARGUMENT") from None
    if not isinstance(body, dict):
        raise GmailRefusal(400, "parseError", "Parse Error", "INVALID_ARGUMENT")
    return body


def _logged(text: str) -> dict[str, Json]:
    try:
        return _object(text)
    except GmailRefusal:
        return {"unreadable": text}


def _sent(mail: Mail) -> dict[str, Json]:
    return {"id": mail.id, "threadId": mail.thread_id, "labelIds": ["SENT"]}


def _draft(draft: Draft) -> dict[str, Json]:
    message = {"id": draft.message_id, "threadId": draft.thread_id, "labelIds": ["DRAFT"]}
    return {"id": draft.id, "message": message}
