"""What an HTML form sent, read within limits: its texts, and its files as the JSON that ``FileField`` takes."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import parse_qs

from aiohttp import BodyPartReader, web

from bot.web.errors import BadRequest
from bot.web.widgets import Typed
from flows.fields import MAX_FILE

MAX_VALUES = 5_000
"""Values of one form: it has at most 100 fields, with at most 1,000 options each; nobody ticks them all."""

MAX_KEPT = 1 << 20
"""Bytes that are kept of a form with files, as much as any other request may have."""

MAX_SENT = 32 << 20
"""Bytes of a form with files. No field takes so much: the rest of a file that is too large is read and thrown away, so
that it can be said beside its field, with everything else that was typed still in its place."""

_CHUNK = 1 << 20  # more than aiohttp ever has at hand: below that it warns of itself when it cuts a part in two


async def read_typed(request: web.Request) -> Typed:
    """What the form sent: names, each with its values.

    Raises ``BadRequest`` where it is no form, and aiohttp's 413 where it is too large.
    """
    if request.content_type == "multipart/form-data":
        try:
            return await _parts(request)
        except (ValueError, RuntimeError, AssertionError):
            raise BadRequest("What was sent is not a whole form.") from None
    if request.content_type != "application/x-www-form-urlencoded":
        raise BadRequest("This address takes the form of the page that it shows.")
    body = await request.read()
    try:
        return parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=MAX_VALUES)
    except ValueError:
        raise BadRequest(f"A form may have at most {MAX_VALUES} values.") from None


async def _parts(request: web.Request) -> Typed:
    typed: dict[str, list[str]] = {}
    sent = kept = count = 0
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        count += 1
        if count > MAX_VALUES:
            raise BadRequest(f"A form may have at most {MAX_VALUES} values.")
        if not isinstance(part, BodyPartReader) or not part.name:
            raise BadRequest("This address takes the form of the page that it shows.")
        # A browser sends a part without a name for the file where none was chosen.
        is_file = part.filename is not None
        most = (MAX_FILE if is_file else MAX_KEPT) + 1
        content, length = bytearray(), 0
        while chunk := await part.read_chunk(_CHUNK):
            length += len(chunk)
            sent += len(chunk)
            content += chunk[: most - len(content)]
            if sent > MAX_SENT or kept + len(content) > MAX_KEPT:
                raise web.HTTPRequestEntityTooLarge(max_size=MAX_SENT, actual_size=sent)
        kept += len(content)
        if not is_file:
            typed.setdefault(part.name, []).append(content.decode(errors="replace"))
        elif part.filename:
            typed.setdefault(part.name, []).append(_file(part, bytes(content), length))
    return typed


def _file(part: BodyPartReader, content: bytes, length: int) -> str:
    """The part as the JSON of a file; of one that is too large the beginning, with the length that it had."""
    # Some browsers have sent the path that it had there.
    name = (part.filename or "").replace("\\", "/").rpartition("/")[2]
    return json.dumps(
        {
            "name": name,
            "media_type": part.headers.get("Content-Type"),
            "size": length,
            "content": b64encode(content).decode(),
        }
    )
