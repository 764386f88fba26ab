"""The connections of the settings: further accounts, each of one integration, that steps name with ``connection:``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator
from pydantic_core import ErrorDetails

from integrations.http.request import check_header
from integrations.mail.messages import mailbox
from integrations.smtp.server import Tls

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


def http_url(value: str) -> str:
    """An address that others are put behind, without the slash at its end. Raises ``ValueError``."""
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.username or parts.password or parts.query or parts.fragment or re.search(r"\s", value):
        raise ValueError("must be an address like https://signoff.example.com, without user, query and fragment")
    return value.rstrip("/")


def starts(prefix: str, what: str) -> Callable[[SecretStr], SecretStr]:
    """Checks a token that begins like that. It raises ``ValueError``, without the value."""

    def check(value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(prefix) or re.search(r"[^\x21-\x7e]", value.get_secret_value()):
            raise ValueError(f"is no {what}: those start with {prefix}")
        return value

    return check


def sender(value: str) -> str:
    """A mail address, with a name if one is wanted. Raises ``ValueError``."""
    try:
        mailbox(value)
    except ValueError:
        raise ValueError(f"{value!r} is no mail address") from None
    return value


def readable(value: Path) -> Path:
    """A file that can be read. Raises ``ValueError``."""
    try:
        with value.open("rb"):
            return value
    except OSError as error:
        raise ValueError(f"{value} cannot be read: {error.strerror}") from None


def _headers(value: dict[str, SecretStr]) -> dict[str, SecretStr]:
    for name, secret in value.items():
        check_header(name, secret.get_secret_value())
    return value


class _Connection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SlackConnection(_Connection):
    """A bot in another workspace. People are found there by their mail address."""

    type: Literal["slack"]
    bot_token: Annotated[SecretStr, AfterValidator(starts("xoxb-", "bot token"))]
    api_url: Annotated[str, AfterValidator(http_url)] | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.bot_token.get_secret_value(),)


class GmailConnection(_Connection):
    """Another mailbox to send from; ``credentials`` or ``token`` as in the settings of that name."""

    type: Literal["gmail"]
    sender: Annotated[str, AfterValidator(sender)]
    credentials: Annotated[Path, AfterValidator(readable)] | None = None
    token: SecretStr | None = None
    api_url: Annotated[str, AfterValidator(http_url)] | None = None

    @model_validator(mode="after")
    def _can_send(self) -> Self:
        if self.credentials is None and self.token is None:
            raise ValueError("has nothing to send with: it needs credentials")
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.token.get_secret_value(),) if self.token else ()


class SmtpConnection(_Connection):
    """Another mail server to send through; ``host`` and the others as in the settings ``SMTP_HOST`` and so on."""

    type: Literal["smtp"]
    host: Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")]
    sender: Annotated[str, AfterValidator(sender)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: Tls = "starttls"
    user: str | None = None
    password: SecretStr | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self.password.get_secret_value(),) if self.password else ()


class HttpConnection(_Connection):
    """A service for ``http.request``: what its steps call begins with ``base_url``, and goes with these headers."""

    type: Literal["http"]
    base_url: Annotated[str, AfterValidator(http_url)]
    headers: Annotated[dict[str, SecretStr], AfterValidator(_headers)] = Field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(value.get_secret_value() for value in self.headers.values())


Connection = Annotated[SlackConnection | GmailConnection | SmtpConnection | HttpConnection, Field(discriminator="type")]

_MODELS: Mapping[str, type[BaseModel]] = {
    "slack": SlackConnection,
    "gmail": GmailConnection,
    "smtp": SmtpConnection,
    "http": HttpConnection,
}


def told(problem: ErrorDetails) -> str:
    """What is wrong with a connection, in one sentence without a full stop; never with a value that may be secret."""
    # The setting, the connection's name, the type that was chosen, and from there on the key.
    where = [str(part) for part in problem["loc"][1:] if part != "[key]"]
    kind = where.pop(1) if len(where) > 1 and where[1] in _MODELS else None
    said = _said(problem, kind, nested=len(where) > 1)
    return f"{'.'.join(where)} {said}" if where else said


def _said(problem: ErrorDetails, kind: str | None, *, nested: bool) -> str:
    match problem["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            takes = ", ".join(_MODELS[kind].model_fields) if kind else ""
            return f"is no key of a {kind} connection, which takes {takes}"
        case "union_tag_not_found" | "union_tag_invalid":
            return f"needs a type: {', '.join(_MODELS)}"
        case "string_pattern_mismatch":
            return "is no name: those are small letters, digits and _, like billing_eu"
        case "model_attributes_type" | "model_type" | "dict_type" if kind is None and not nested:
            return f"is no mapping with a type: {', '.join(_MODELS)}"
        case _:
            message: Any = problem["msg"]
            said = str(message).removeprefix("Value error, ").removesuffix(".")
            return said if problem["type"] == "value_error" else f"is not right: {said[:1].lower()}{said[1:]}"
