"""What a program has sent, as JSON that a flow reads: its headers, its query, its body.

Bodies are JSON, forms (urlencoded, or in parts without files) and text, uncompressed, in UTF-8 or one of the old
encodings of western Europe; of another kind is what no template could read. What has no Content-Type counts as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web
from pydantic_core import from_json

from bot.web.errors import BadRequest
from flows.ports import Json
from flows.strict_json import not_json

MAX_FIELDS = 1000
"""Fields of a form that is sent as a body."""

_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "windows-1252"})
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})

_CREDENTIALS = re.compile(
    r"(^|-)(authorization|cookie2?|token|secret|password|passwd|api-?key|signature|assertion|jwt|referer)($|-)"
)
"""They say who may send, or where a link stood, and not what was sent; whoever may read the run would read them."""

_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
"""They are about one connection, and not the message (RFC 9110, 7.6.1)."""

_ON_THE_WAY = frozenset(
    {
        *("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"),
        *("fastly-client-ip", "x-rewrite-url"),
    }
)
_PROXIES = ("x-forwarded-", "x-original-", "x-envoy-", "cf-")
"""What our own proxies add: the sender's network address, which is personal data and can be forged, how our network is
built, and the address that was called, which holds the link."""


class Unreadable(Exception):
    """A body of a kind that no template could read."""


def headers_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Names in small letters; a header that is there several times is one, as HTTP has it. Left out is what says
    nothing of the message itself: credentials, the connection, what was added on the way."""
    kept_back = _HOP_BY_HOP | _ON_THE_WAY | _named_by_connection(headers)
    found: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        if name not in kept_back and not name.startswith(_PROXIES) and _CREDENTIALS.search(name) is None:
            found[name] = f"{found[name]}, {text(value)}" if name in found else text(value)
    return found


def _named_by_connection(headers: Mapping[str, str]) -> frozenset[str]:
    lines = [value for name, value in headers.items() if name.lower() == "connection"]
    return frozenset(part.strip().lower() for line in lines for part in line.split(","))


def query_of(request: web.Request) -> dict[str, Json]:
    """Names with their values: one as itself, several as a list."""
    return several(request.query.items())


async def body_of(request: web.Request) -> Json:
    """The body as JSON, a form's fields, or text; null where there is none.

    Raises ``Unreadable``, ``BadRequest`` where it is not what it says, and aiohttp's 413.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Unreadable  # before it is read, and unpacked by that
    if request.content_type == "multipart/form-data":
        return await _parts(request)
    return parsed(request, await request.read())


def parsed(request: web.Request, body: bytes) -> Json:
    """The same of a body that was read already; one in parts is ``Unreadable``."""
    if not body:
        return None
    kind = request.content_type if "Content-Type" in request.headers else "text/plain"
    charset = (request.charset or "utf-8").lower()
    if kind == "application/json" or kind.endswith("+json"):
        if charset not in _UTF_8:
            raise Unreadable
        return _json(body)
    if kind != "application/x-www-form-urlencoded" and not kind.startswith("text/"):
        raise Unreadable
    decoded = _decoded(body, charset)
    if kind.startswith("text/"):
        return decoded
    try:
        return several(parse_qsl(decoded, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"))
    except ValueError as error:
        raise BadRequest(f"The body is not what its Content-Type says: {error}.") from None


def _json(body: bytes) -> Json:
    try:
        value = from_json(body)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    if (wrong := not_json(value, "the body")) is not None:
        raise BadRequest(f"The body cannot be taken: {wrong}.")
    return value


async def _parts(request: web.Request) -> Json:
    """The texts of a form in parts. A file in it is nothing that a template could read."""
    found: list[tuple[str, str]] = []
    size = 0
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if len(found) == MAX_FIELDS:
                raise BadRequest(f"A form may have at most {MAX_FIELDS} fields.")
            if not isinstance(part, BodyPartReader) or not part.name or part.filename:
                raise Unreadable
            if part.headers.get("Content-Transfer-Encoding", "").lower() not in _PLAIN:
                raise Unreadable  # RFC 7578 (4.7) lets nobody send one any more
            content = await part.read()
            size += len(content)
            if size > request.client_max_size:
                raise web.HTTPRequestEntityTooLarge(max_size=request.client_max_size, actual_size=size)
            if part.filename is None:
                found.append((part.name, _decoded(bytes(content), part.get_charset("utf-8").lower())))
    except (ValueError, RuntimeError, AssertionError):
        raise BadRequest("The body is not a whole form.") from None
    return several(found)


def _decoded(body: bytes, charset: str) -> str:
    if charset not in _CHARSETS:
        raise Unreadable
    try:
        return body.decode(charset)
    except ValueError as error:
        raise BadRequest(f"The body is not what its Content-Type says: {error}.") from None


def several(pairs: Iterable[tuple[str, str]]) -> dict[str, Json]:
    """Names with their values: one as itself, several as a list."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(text(name), []).append(text(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def text(raw: str) -> str:
    """What aiohttp could not decode stands in it as halves of characters, which nothing can store."""
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
