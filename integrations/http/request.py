"""The action ``http.request``: one call of somebody's HTTP service, from a flow.

What it may reach is decided by ``addresses`` for each hop: for hosts that are addresses here, for names in the
resolver. Errors show scheme, host and path only, and no exception of the client library is chained to
them: those repeat whole addresses, and queries and headers hold keys.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import unquote, urlencode

import aiohttp
from aiohttp.abc import AbstractResolver
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from yarl import URL

from flows.errors import ActionError
from flows.ports import ActionCall, Json
from integrations.http.addresses import AddressRules
from integrations.http.answers import Answer, read
from integrations.http.redirects import REDIRECTS, Hop, next_hop, parse, place
from integrations.http.resolver import AddressRefused, CheckedResolver
from integrations.retry_after import retry_after

MAX_REDIRECTS = 5
MAX_BODY = 1024 * 1024
"""Bytes of an answer that are read, unless the constructor is told another number."""

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_RETRYABLE_4XX = frozenset({408, 425, 429})

# They frame the message or name the host, so they follow from the rest; setting them by hand lets one request pass for two.
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

Scalar = str | int | float | bool | None

_NOWHERE = URL("http://base.invalid")


def check_header(name: str, text: str) -> None:
    """Return if a header may be sent like this. Raises ``ValueError``, without the value: it may be a key."""
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError(f"{name!r} is no name for a header")
    if name.lower() in _OURS:
        raise ValueError(f"{name} is set by Signoff itself")
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise ValueError(f"the value of {name} has a line break or another control character")


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class HttpRequestParams(BaseModel):
    """``with`` of ``http.request``.

    ``url`` may be a path (``/orders``) where the step's connection has a base. At most one of ``json``, ``form`` and
    ``body``. ``timeout`` is in seconds and covers everything, redirects included. With ``expect``, exactly those
    statuses succeed; without it everything below 400 does. A redirect that is expected is not followed.
    """

    # Values may be secrets, so neither an error nor a repr repeats them.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    method: Annotated[Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], BeforeValidator(_upper)] = (
        "GET"
    )
    url: str = Field(repr=False)
    headers: dict[str, str | int | float] = Field(default_factory=dict, repr=False)
    query: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict, repr=False)
    json_body: Json = Field(default=None, alias="json", repr=False)
    form: dict[str, Scalar | list[Scalar]] | None = Field(default=None, repr=False)
    body: str | None = Field(default=None, repr=False)
    timeout: float = Field(default=30, gt=0, le=300)
    expect: frozenset[Annotated[int, Field(ge=200, le=599)]] | None = None
    follow_redirects: bool = True

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        try:
            parse(value, _NOWHERE if is_path(value) else None)
        except ValueError:
            raise ValueError("is no http or https address") from None
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: dict[str, str | int | float]) -> dict[str, str | int | float]:
        for name, text in value.items():
            check_header(name, str(text))
        return value

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        given = [name for name in ("form", "body") if getattr(self, name) is not None]
        if "json_body" in self.model_fields_set:
            given.insert(0, "json")
        if len(given) > 1:
            raise ValueError(f"give at most one of json, form and body, not {' and '.join(given)}")
        return self


@dataclass(frozen=True, slots=True)
class Base:
    """Where a connection's requests go, and what goes with each of them. ``url`` has no query and no fragment.

    ``headers`` are for that place only: an address of another origin is refused, and a redirect leaves them behind.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def address(self, url: str) -> URL:
        """The address that a step means. Raises ``ActionError`` where it is none of this place's."""
        base = URL(self.url)
        try:
            found = parse(f"{str(base).rstrip('/')}{url}" if is_path(url) else url)
        except ValueError:
            raise ActionError("The address of the request is none.") from None
        # The path is compared too: what others offer beside it, on the same host, is somebody else's.
        if _origin(found) != _origin(base) or not _below(found, base):
            raise ActionError(f"{place(found)} does not belong to the connection, whose base is {place(base)}.")
        return found


def is_path(url: str) -> bool:
    """Whether it is the path of an address that a connection begins; ``//host`` begins a new one."""
    return url.startswith("/") and not url.startswith("//")


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    # yarl's own tells a port that is written from the same one that is not.
    return url.scheme, url.raw_host, url.port


def _below(url: URL, base: URL) -> bool:
    own = base.path.rstrip("/")
    return not own or url.path == own or url.path.startswith(f"{own}/")


@dataclass(slots=True)
class _Progress:
    """How far a hop came; the client library's trace fills it in."""

    sending: bool = False


class HttpRequest:
    """Performs ``http.request``.

    ``base`` is a connection's. ``allow_private`` and ``allowed_hosts`` (host names, addresses, CIDR blocks) say what may
    be reached besides public addresses; the hosts are for flows, so a redirect from another host does not lead to them.
    ``max_body`` is in bytes. ``resolver`` answers name lookups (the system does by default) and belongs to this object
    from then on; ``ssl_context`` replaces the system's certificates. Raises ``ConfigError`` where ``allowed_hosts``
    makes no sense. Call ``close()`` in the end.
    """

    name: ClassVar[str] = "http.request"
    params: ClassVar[type[BaseModel]] = HttpRequestParams

    def __init__(
        self,
        *,
        base: Base | None = None,
        allow_private: bool = False,
        allowed_hosts: frozenset[str] = frozenset(),
        max_body: int = MAX_BODY,
        resolver: AbstractResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._base = base
        self._rules = AddressRules.parse(allow_private=allow_private, allowed_hosts=allowed_hosts)
        self._rules_elsewhere = AddressRules(allow_private=allow_private)
        self._max_body = max_body
        self._resolver = resolver
        self._ssl_context = ssl_context
        self._sessions: dict[AddressRules, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close what is open. The next call of ``perform`` would open it again."""
        while self._sessions:
            await self._sessions.popitem()[1].close()

    async def perform(self, call: ActionCall, params: HttpRequestParams) -> Json:
        """``{status, headers, body}`` of the answer.

        Sends ``Idempotency-Key: <call.key>`` unless the flow sets its own, so a service that knows the header does
        the work once however often the call is repeated. Raises ``ActionError``: retryable after 408, 425, 429, 5xx
        and where no answer came; uncertain where a method that is not idempotent was sent and no answer came. An
        idempotent request whose connection breaks is sent a second time at once, by aiohttp; no other ever is.
        """
        hop = _first_hop(params, call.key, self._base)
        rules = self._rules
        progress = _Progress()
        answered = False
        try:
            async with asyncio.timeout(params.timeout):
                for _ in range(MAX_REDIRECTS + 1):
                    answer = await self._exchange(hop, rules, progress)
                    answered = True
                    if not _redirects(answer, params):
                        break
                    before, hop = hop, next_hop(hop, answer.status, answer.headers["Location"])
                    if hop.url.raw_host != before.url.raw_host:
                        # From here on somebody else than the flow says where it goes.
                        rules = self._rules_elsewhere
                    progress = _Progress()
                else:
                    raise ActionError(f"{place(hop.url)}: more than {MAX_REDIRECTS} redirects.")
        except AddressRefused as refusal:
            raise ActionError(
                f"{place(hop.url)} leads to {refusal}, which the settings do not allow.",
                uncertain=answered and params.method not in _IDEMPOTENT,
            ) from None  # as the module's docstring says; so below
        except (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL) as error:
            what = (
                "has no valid certificate"
                if isinstance(error, aiohttp.ClientConnectorCertificateError)
                else "is no address"
            )
            raise ActionError(f"{place(hop.url)} {what}.") from None
        except (aiohttp.ClientError, OSError) as error:
            sent = answered or progress.sending
            raise ActionError(
                f"{place(hop.url)}: {_failure(error, sent=sent, timeout=params.timeout)}.",
                retryable=True,
                uncertain=sent and params.method not in _IDEMPOTENT,
            ) from None
        _check_status(answer, params, hop.url)
        return answer.output()

    async def _exchange(self, hop: Hop, rules: AddressRules, progress: _Progress) -> Answer:
        problem = rules.problem_with_host(hop.url.raw_host or "")
        if problem is not None:
            raise AddressRefused(problem)
        async with self._opened(rules).request(
            hop.method,
            hop.url,
            headers=hop.headers,
            data=hop.body,
            allow_redirects=False,
            trace_request_ctx=progress,
        ) as response:
            return await read(response, limit=self._max_body, where=place(hop.url))

    def _opened(self, rules: AddressRules) -> aiohttp.ClientSession:
        # Opened late, because it belongs to the running loop and the object is built before there is one.
        if rules not in self._sessions:
            trace = aiohttp.TraceConfig()
            trace.on_request_headers_sent.append(_note_sending)
            self._sessions[rules] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=CheckedResolver(rules, self._resolver or aiohttp.ThreadedResolver()),
                    # Each connection asks and checks anew, and none is kept: one that the server had closed in
                    # the meantime would make the outcome of a call uncertain for nothing.
                    use_dns_cache=False,
                    force_close=True,
                    ssl=self._ssl_context if self._ssl_context is not None else True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                trace_configs=[trace],
                trust_env=False,
            )
        return self._sessions[rules]


async def _note_sending(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    context.trace_request_ctx.sending = True


def _first_hop(params: HttpRequestParams, key: str, base: Base | None) -> Hop:
    if base is None and is_path(params.url):
        raise ActionError("The url is a path alone; write the whole address, or name a connection that has a base.")
    url = (parse(params.url) if base is None else base.address(params.url)).with_fragment(None)
    own = {name.lower(): value for name, value in base.headers.items()} if base is not None else {}
    # What the connection says wins: a flow must not send somebody else's word in place of an account's.
    headers = {name.lower(): str(value) for name, value in params.headers.items()} | own
    if url.raw_user is not None or url.raw_password is not None:
        pair = f"{unquote(url.raw_user or '')}:{unquote(url.raw_password or '')}"
        headers.setdefault("authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
        url = url.with_user(None)
    if params.query:
        url = url.extend_query(_pairs(params.query))
    headers.setdefault("user-agent", "Signoff")
    headers.setdefault("accept", "application/json, */*;q=0.5")
    headers.setdefault("idempotency-key", _header_key(key))
    body, content_type = _body(params)
    if content_type is not None:
        headers.setdefault("content-type", content_type)
    return Hop(params.method, url, headers, body)


def _header_key(key: str) -> str:
    """The key as services take it: they document 255 printable characters at most; another key is hashed."""
    if len(key) <= 255 and re.fullmatch(r"[\x21-\x7e]+", key):
        return key
    return hashlib.sha256(key.encode()).hexdigest()


def _body(params: HttpRequestParams) -> tuple[bytes | None, str | None]:
    try:
        if "json_body" in params.model_fields_set:
            return json.dumps(params.json_body, ensure_ascii=False, allow_nan=False).encode(), "application/json"
        if params.form is not None:
            return urlencode(_pairs(params.form)).encode(), "application/x-www-form-urlencoded"
        if params.body is not None:
            return params.body.encode(), "text/plain; charset=utf-8"
    except (ValueError, TypeError):
        raise ActionError("The body cannot be sent: it holds a value that JSON or UTF-8 does not know.") from None
    return None, None


def _pairs(values: dict[str, Scalar | list[Scalar]]) -> list[tuple[str, str]]:
    """Pairs as forms and queries write them: lists repeat the name, null leaves it out, booleans are words."""
    return [
        (name, str(item).lower() if isinstance(item, bool) else str(item))
        for name, value in values.items()
        for item in (value if isinstance(value, list) else [value])
        if item is not None
    ]


def _redirects(answer: Answer, params: HttpRequestParams) -> bool:
    expected = params.expect is not None and answer.status in params.expect
    return params.follow_redirects and answer.status in REDIRECTS and "Location" in answer.headers and not expected


def _check_status(answer: Answer, params: HttpRequestParams, url: URL) -> None:
    status = answer.status
    if status in params.expect if params.expect is not None else status < 400:
        return
    retryable = status >= 500 or status in _RETRYABLE_4XX
    expected = "" if params.expect is None else f", not {' or '.join(map(str, sorted(params.expect)))}"
    raise ActionError(
        f"{params.method} {place(url)} answered {status}{expected}.",
        retryable=retryable,
        retry_after=retry_after(answer.headers) if retryable else None,
    )


def _failure(error: Exception, *, sent: bool, timeout: float) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name could not be looked up"
    if isinstance(error, TimeoutError):
        return f"no complete answer within {timeout:g} seconds" if sent else f"not connected within {timeout:g} seconds"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"could not be connected to ({_errno(error)})"
    return "the connection broke before the answer was complete"


def _errno(error: Any) -> str:
    """What the system says, by number: the exception's text repeats the address."""
    cause = getattr(error, "os_error", None)
    return (cause.strerror if cause is not None and cause.errno else None) or "no connection"
