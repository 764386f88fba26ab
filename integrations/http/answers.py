"""What a remote server answered, and what a flow gets to see of it."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDictProxy

from flows.errors import ActionError
from flows.ports import Json

MASK = "***"

MAX_LEVELS = 90
"""Lists and mappings within each other in a body that is parsed. A step's output bears 100, and the body is a part of it."""

_SECRET = re.compile(r"(^|-)(authorization|cookie2?|token|secret|password|passwd|api-?key|apikey|signature)($|-)")

# Codecs that are fast and only decode. Python knows others (idna, unicode_escape) that a server has no business naming.
_CHARSETS = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859-", "cp125", "koi8-", "shift_jis", "euc", "gb", "big5")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; ``body`` is decompressed."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    content_type: str
    charset: str | None

    def output(self) -> dict[str, Json]:
        """``{status, headers, body}``: lower-case header names, secrets masked, JSON parsed where it is JSON."""
        return {"status": self.status, "headers": self._shown(), "body": self._parsed()}

    def _shown(self) -> dict[str, str]:
        shown: dict[str, str] = {}
        for name, value in self.headers.items():
            name = name.lower()
            value = MASK if _SECRET.search(name) else value.encode("utf-8", "replace").decode()
            repeated = name in shown and value != MASK
            shown[name] = f"{shown[name]}, {value}" if repeated else value
        return shown

    def _parsed(self) -> Json:
        is_json = self.content_type == "application/json" or self.content_type.endswith("+json")
        if is_json and not self.body.strip():
            return None
        if is_json:
            try:
                value = json.loads(self.body, parse_constant=_refuse)
                # A lone surrogate ("\ud800") is valid JSON and cannot be stored as UTF-8.
                json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
            except (ValueError, RecursionError):
                return self._text()  # not what it says; the flow may still want to see it
            return value if _levels(value) <= MAX_LEVELS else self._text()
        return self._text()

    def _text(self) -> str:
        try:
            name = codecs.lookup(self.charset or "utf-8").name
        except LookupError:
            name = "utf-8"
        return self.body.decode(name if name.startswith(_CHARSETS) else "utf-8", "replace")


def _levels(value: Json) -> int:
    """How many lists and mappings are within each other."""
    levels = 0
    layer = [value]
    while layer := [each for each in layer if isinstance(each, list | dict)]:
        levels += 1
        layer = [inner for each in layer for inner in (each.values() if isinstance(each, dict) else each)]
    return levels


def _refuse(constant: str) -> Json:
    """NaN and the infinities, which Python's parser takes, are no JSON."""
    raise ValueError(constant)


async def read(response: aiohttp.ClientResponse, *, limit: int, where: str) -> Answer:
    """The whole answer. Raises ``ActionError`` as soon as more than ``limit`` bytes (decompressed) have come."""
    body = bytearray()
    too_long = (response.content_length or 0) > limit and response.method != "HEAD"
    if not too_long:
        async for chunk in response.content.iter_any():
            body += chunk
            if too_long := len(body) > limit:
                break
    if too_long:
        response.close()
        raise ActionError(f"{where} answered {response.status} with more than {limit} bytes, which is the limit.")
    return Answer(response.status, response.headers, bytes(body), response.content_type.lower(), response.charset)
