"""Fields that take a text: plain, a mail address, a web address, any other address, a secret."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from ipaddress import IPv6Address
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

import pydantic

from flows.fields.base import MASK, BaseField, check_range
from flows.fields.characters import NOT_IN_A_LINE, NOT_IN_DATA, NOT_IN_LINES, plain
from flows.fields.limits import MAX_LENGTH, MAX_PATTERN, MAX_TEXT
from flows.fields.patterns import whole_matcher
from flows.fields.sentences import Unacceptable, counted, problem, quoted
from flows.ports import Json

_MAX_URL = 2_000
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})")
_NOT_IN_A_URL = re.compile(r"[\s<>\"\\^`{|}]")

# RFC 3986, appendix A. What is in brackets is looked at by ``ipaddress``; a port has at most five digits, as ports have.
_CHARACTER = r"[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2}"
_NAMED = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*+"
_URI = re.compile(
    rf"""[A-Za-z][A-Za-z0-9+.\-]*+:
    (?://(?:(?P<user>(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{{2}})*+)@)?
        (?:\[(?P<literal>[0-9A-Za-z:.\-_~!$&'()*+,;=]+)\]|{_NAMED})
        (?::[0-9]{{0,5}})?
        (?:/(?:{_CHARACTER})*+)*+
    |/?(?:(?:{_CHARACTER})++(?:/(?:{_CHARACTER})*+)*+)?)
    (?:\?(?:{_CHARACTER}|[/?])*+)?
    (?:\#(?:{_CHARACTER}|[/?])*+)?""",
    re.VERBOSE,
)
_LATER_IP = re.compile(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+")


class StringField(BaseField):
    """Text. ``pattern`` has to match all of it; it is a regular expression without look-around and back-references."""

    cleared: ClassVar[Json] = ""

    type: Literal["string"] = "string"
    min_length: Annotated[int, pydantic.Field(ge=0, le=MAX_LENGTH)] = 0
    max_length: Annotated[int, pydantic.Field(ge=1, le=MAX_LENGTH)] = MAX_TEXT
    pattern: Annotated[str, pydantic.Field(min_length=1, max_length=MAX_PATTERN)] | None = None
    multiline: bool = False

    @pydantic.model_validator(mode="after")
    def _limits_fit(self) -> Self:
        check_range("length", self.min_length, self.max_length)
        return self

    @pydantic.field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            whole_matcher(pattern)
        return pattern

    @property
    def expected(self) -> str:
        return "text"

    @property
    def missing(self) -> str:
        return "is required."

    @cached_property
    def matches(self) -> Callable[[str], bool] | None:
        return None if self.pattern is None else whole_matcher(self.pattern)

    def parse(self, given: object) -> Json:
        if not isinstance(given, str):
            self.refuse(given)
        text = plain(given)
        if self.multiline and "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")  # what an HTML form makes of a line's end
        if len(text) > self.max_length:
            raise Unacceptable(f"must be at most {counted(self.max_length, 'character')} long; it has {len(text)}.")
        if len(text) < self.min_length:
            raise Unacceptable(f"must be at least {counted(self.min_length, 'character')} long; it has {len(text)}.")
        if not text.isprintable():  # the quick answer for almost every text
            _refuse_control_characters(text, NOT_IN_LINES if self.multiline else NOT_IN_A_LINE, self.multiline)
        if self.matches is not None and not self.matches(text):
            raise Unacceptable(f"must match the pattern {self.pattern}, not {quoted(text)}.")
        return text

    def schema_of_value(self) -> dict[str, Json]:
        shortest = max(self.min_length, int(self.required))
        schema: dict[str, Json] = {"type": "string", "minLength": shortest, "maxLength": self.max_length}
        return schema | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})


class EmailField(BaseField):
    """One mail address of plain ASCII, without a display name; its domain is lower-cased."""

    sample: ClassVar[Json] = "ann@example.com"

    type: Literal["email"] = "email"

    @property
    def expected(self) -> str:
        return "a mail address like ann@example.com"

    def parse(self, given: object) -> Json:
        if not isinstance(given, str):
            self.refuse(given)
        text = plain(given).strip()
        local, _, domain = text.rpartition("@")
        domain = domain.lower()
        # RFC 5321, 4.5.3.1: 64 octets before the @; a path of 256 with its brackets leaves 254 for the address.
        fits = len(text) <= 254 and len(local) <= 64
        if not (fits and _LOCAL_PART.fullmatch(local) and _DOMAIN.fullmatch(domain)):
            self.refuse(given)
        return f"{local}@{domain}"

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "format": "email", "maxLength": 254}


class UrlField(BaseField):
    """A web address, http or https, without user name and password."""

    sample: ClassVar[Json] = "https://example.com/page"

    type: Literal["url"] = "url"

    @property
    def expected(self) -> str:
        return "a web address like https://example.com/page"

    def parse(self, given: object) -> Json:
        if not isinstance(given, str):
            self.refuse(given)
        text = plain(given).strip()
        if len(text) > _MAX_URL:
            raise Unacceptable(f"must be at most {_MAX_URL} characters long; it has {len(text)}.")
        if NOT_IN_A_LINE.search(text) or _NOT_IN_A_URL.search(text) or not _is_web_address(text):
            # What stands before an @ may be a password, so it is not repeated.
            if "@" in text:
                raise Unacceptable(f"must be {self.expected}, without a user name or password in it.")
            self.refuse(given)
        return text

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://", "maxLength": _MAX_URL}


class UriField(BaseField):
    """An address of any scheme (RFC 3986), like ``urn:isbn:0451450523`` or ``s3://bucket/key``, without a password."""

    sample: ClassVar[Json] = "urn:isbn:0451450523"

    type: Literal["uri"] = "uri"

    @property
    def expected(self) -> str:
        return "an address with its scheme, like urn:isbn:0451450523 or s3://bucket/key"

    def parse(self, given: object) -> Json:
        if not isinstance(given, str):
            self.refuse(given)
        text = plain(given).strip()
        if len(text) > _MAX_URL:
            raise Unacceptable(f"must be at most {_MAX_URL} characters long; it has {len(text)}.")
        parts = _URI.fullmatch(text)
        # What stands before an @ may be a password, so it is not repeated.
        if "@" in text and (parts is None or ":" in (parts["user"] or "")):
            raise Unacceptable(f"must be {self.expected}, without a password in it.")
        if parts is None or not _is_host(parts["literal"]):
            self.refuse(given)
        return text

    def schema_of_value(self) -> dict[str, Json]:
        return {"type": "string", "format": "uri", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:", "maxLength": _MAX_URL}


class SecretField(BaseField):
    """A text that is never shown: not in errors, not on cards or pages. Taken as it is, line ends included."""

    masked: ClassVar[bool] = True

    type: Literal["secret"] = "secret"
    min_length: Annotated[int, pydantic.Field(ge=0, le=MAX_LENGTH)] = 0
    max_length: Annotated[int, pydantic.Field(ge=1, le=MAX_LENGTH)] = MAX_TEXT

    @pydantic.model_validator(mode="after")
    def _limits_fit(self) -> Self:
        check_range("length", self.min_length, self.max_length)
        return self

    @pydantic.field_validator("default")
    @classmethod
    def _has_no_default(cls, default: Json) -> Json:
        # A template too: what it makes would be stored with the form and shown.
        if default is not None:
            raise problem("default", "a secret has no default: definitions are stored, and shown to people")
        return default

    @property
    def expected(self) -> str:
        return "text"

    @property
    def missing(self) -> str:
        return "is required."

    def parse(self, given: object) -> Json:
        if not isinstance(given, str):
            raise Unacceptable("must be text.")
        if not self.min_length <= len(given) <= self.max_length:
            # Neither the length it has: even that is the secret's own.
            raise Unacceptable(f"must be between {self.min_length} and {self.max_length} characters long.")
        if NOT_IN_DATA.search(given):
            raise Unacceptable("must be text without control characters.")
        return plain(given)

    def schema_of_value(self) -> dict[str, Json]:
        shortest = max(self.min_length, int(self.required))
        return {"type": "string", "writeOnly": True, "minLength": shortest, "maxLength": self.max_length}

    def readable(self, value: Json) -> str:  # noqa: ARG002 -- that the value is not read is the point
        return MASK


def _refuse_control_characters(text: str, forbidden: re.Pattern[str], multiline: bool) -> None:
    found = forbidden.search(text)
    if found is None:
        return
    if found[0] in "\r\n" and not multiline:
        raise Unacceptable("must be one line.")
    raise Unacceptable(f"must be text without control characters; character {found.start() + 1} is {quoted(found[0])}.")


def _is_host(literal: str | None) -> bool:
    """Whether what stands in brackets, if anything does, is an address of the network."""
    if literal is None or _LATER_IP.fullmatch(literal):
        return True
    try:
        return bool(IPv6Address(literal))
    except ValueError:
        return False


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Reading the port is what checks it.
        return (
            parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
        )
    except ValueError:
        return False
