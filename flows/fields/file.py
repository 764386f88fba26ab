"""The field that takes a small file: its name, its media type and its content."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import pydantic

from flows.fields.base import BaseField
from flows.fields.characters import NOT_IN_A_LINE, plain
from flows.fields.json_text import read
from flows.fields.limits import FILE, MAX_FILE, MAX_VALUES
from flows.fields.sentences import Unacceptable, counted, quoted
from flows.ports import Json

MEDIA_TYPE = "application/octet-stream"
"""Of a file of which nobody says what it is."""

_NAME = 255  # characters; what file systems take
# RFC 6838, 4.2; parameters say how a text is encoded, which nobody here reads.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_KEYS = ("name", "media_type", "size", "content")


class FileField(BaseField):
    """A small file: ``{name, media_type, size, content}``, its content in base64. What it claims to be is not checked.

    ``max_bytes`` bounds the content. All values of a form together have 64 KiB of text, so larger files are a ``url``.
    """

    sample: ClassVar[Json] = {"name": "hello.txt", "media_type": "text/plain", "content": "aGVsbG8="}

    type: Literal["file"] = "file"
    max_bytes: Annotated[int, pydantic.Field(ge=1, le=MAX_FILE)] = FILE

    @property
    def expected(self) -> str:
        return f"a file of at most {in_bytes(self.max_bytes)}"

    def parse(self, given: object) -> Json:
        if isinstance(given, str):
            given = read(given, most=MAX_VALUES)
        if not isinstance(given, Mapping):
            raise Unacceptable(f"must be {self.expected}, as an object with name and content (base64).")
        stray = next((key for key in given if key not in _KEYS), None)
        if stray is not None:
            raise Unacceptable(f"must be {self.expected}; a file has no {quoted(stray)}, only {', '.join(_KEYS)}.")
        name, media_type = _name(given.get("name")), _media_type(given.get("media_type"))
        size = given.get("size")
        # Said before the content is looked at: a page that is sent too much keeps the length, and not the file.
        if type(size) is int and size > self.max_bytes:
            self._refuse_length(size)
        content = self._content(given.get("content"))
        if size is not None and size != len(content):
            raise Unacceptable(
                f"must be a whole file: it has {in_bytes(len(content))}, and says that it has another size."
            )
        return {
            "name": name,
            "media_type": media_type,
            "size": len(content),
            "content": b64encode(content).decode("ascii"),
        }

    def _content(self, given: object) -> bytes:
        if not isinstance(given, str):
            raise Unacceptable("must be a file with its content, in base64.")
        longest = -(-self.max_bytes // 3) * 4
        if len(given) > longest:
            self._refuse_length(len(given) * 3 // 4)
        try:
            content = b64decode(plain(given), validate=True)
        except (NotBase64, ValueError):
            raise Unacceptable("must be a file whose content is base64 (RFC 4648, with + and /).") from None
        if len(content) > self.max_bytes:
            self._refuse_length(len(content))
        return content

    def _refuse_length(self, length: int) -> None:
        raise Unacceptable(
            f"must be {self.expected}; this one has {in_bytes(length)}. Put a larger one where files are kept, and give its link."
        )

    def schema_of_value(self) -> dict[str, Json]:
        return {
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": _NAME},
                "media_type": {"type": "string", "maxLength": _NAME},
                "size": {"type": "integer", "minimum": 0, "maximum": self.max_bytes},
                "content": {
                    "type": "string",
                    "contentEncoding": "base64",
                    "maxLength": -(-self.max_bytes // 3) * 4,
                },
            },
            "required": ["name", "content"],
            "additionalProperties": False,
        }

    def readable(self, value: Json) -> str:
        return f"{' '.join(value['name'].split())} ({value['media_type']}, {in_bytes(value['size'])})"


def in_bytes(length: int) -> str:
    """``12 bytes``, ``32 KiB``, ``1.5 MiB``: exact below a KiB, else with at most one decimal."""
    if length < 1024:
        return counted(length, "byte")
    size, unit = (length / 1024, "KiB") if length < 1024 * 1024 else (length / 1024 / 1024, "MiB")
    return f"{size:.1f}".removesuffix(".0") + f" {unit}"


def _name(given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise Unacceptable("must be a file with its name.")
    name = plain(given).strip()
    if len(name) > _NAME:
        raise Unacceptable(f"must be a file whose name has at most {_NAME} characters.")
    if NOT_IN_A_LINE.search(name) or "/" in name or "\\" in name or name in (".", ".."):
        raise Unacceptable(f"must be a file with a plain name, without folders, not {quoted(name)}.")
    return name


def _media_type(given: object) -> str:
    if given is None or given == "":
        return MEDIA_TYPE
    text = plain(given).partition(";")[0].strip().lower() if isinstance(given, str) and len(given) <= _NAME else ""
    if not _MEDIA_TYPE.fullmatch(text):
        raise Unacceptable(f"must be a file with a media type like text/plain, not {quoted(given)}.")
    return text
