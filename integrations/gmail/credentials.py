"""The right to send from one mailbox, as short-lived access tokens.

Four kinds: a service account with domain-wide delegation, which acts as the sender; an authorized-user file, as
Google's consent flow leaves it; an account that an admin has connected, whose tokens are kept elsewhere; and a fixed
token, for stand-ins. google-auth fetches the tokens, in a thread.
"""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import credentials, service_account

from flows.errors import ActionError, ConfigError, NotConnected
from integrations.mail.messages import mailbox

# google-auth is untyped: its classes are called through Any, and nothing outside this file sees them.
_UserCredentials: Any = credentials.Credentials
_ServiceAccountCredentials: Any = service_account.Credentials

_SCOPE = "https://www.googleapis.com/auth/gmail."
SEND = _SCOPE + "send"
COMPOSE = _SCOPE + "compose"
_DRAFTING = frozenset({COMPOSE, _SCOPE + "modify", "https://mail.google.com/"})
_SENDING = _DRAFTING | {SEND}

GOOGLE_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, no secret

_REFRESH_TIMEOUT = 10.0  # seconds for each try; google-auth makes up to three, which is harmless here

# What the token endpoint says when an administrator has not allowed one of the scopes that were asked for.
_SCOPE_REFUSED = frozenset({"access_denied", "invalid_scope", "unauthorized_client"})


@dataclass(frozen=True, slots=True)
class _Grant:
    """Credentials with one set of scopes. ``drafts``: whether these reach drafts, None where nobody can tell."""

    google: Any = field(repr=False)
    drafts: bool | None


class Disconnected(NotConnected):
    """Google takes the tokens of a connected account no more: somebody has to connect it again."""

    account = "mail"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an account that was connected is used with. ``expires_at`` is the access token's, aware UTC."""

    refresh: str = field(repr=False)
    access: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


class Keeper(Protocol):
    """Where the tokens of a connected account are kept."""

    async def renewed(self, tokens: Tokens) -> None:
        """Google has given new ones; what was kept before is worth less from now on."""
        ...

    async def refused(self, why: str) -> None:
        """Google takes the refresh token no more."""
        ...


class GmailCredentials:
    """Hands out access tokens and renews them, one renewal at a time. Made by ``load``; call ``close()`` in the end."""

    def __init__(
        self,
        kind: str,
        grants: tuple[_Grant, ...],
        *,
        hints: Mapping[str, str],
        renewable: bool,
        keeper: Keeper | None = None,
    ) -> None:
        self._kind = kind
        self._grants = grants
        self._grant = grants[0]
        self._hints = hints
        self._renewable = renewable
        self._keeper = keeper
        # What was kept has been taken before, so that a new one may help where it is not any more.
        self._proven: str | None = grants[0].google.token if keeper is not None else None
        self._renewal: asyncio.Task[None] | None = None
        self._request: Any = None

    def __repr__(self) -> str:
        return f"GmailCredentials({self._kind})"

    @property
    def can_draft(self) -> bool | None:
        """Whether drafts may be made, as far as is known: certain for a service account once it has a token."""
        return self._grant.drafts

    async def token(self) -> str:
        """A token that is valid now. Raises ``ActionError``, retryable where only the network was in the way."""
        if not self._grant.google.valid:
            if self._renewal is None or self._renewal.done():
                self._renewal = asyncio.create_task(self._renew())
            # Shared by everybody who waits, and not stopped when one of them is: credentials must not be renewed
            # twice at once.
            await asyncio.shield(self._renewal)
        token: str = self._grant.google.token
        return token

    def accepted(self, token: str) -> None:
        """Gmail takes ``token``."""
        self._proven = token

    def refused(self, token: str) -> bool:
        """Gmail does not take ``token``. True where it did before, or there is another one by now, so that the next one
        may help."""
        if not self._renewable:
            return False
        other = self._grant.google.token not in (None, token)
        if not other:
            self._grant.google.token = None
        return other or self._proven == token

    async def close(self) -> None:
        """Wait for a renewal under way and close its connections."""
        if self._renewal is not None:
            await asyncio.gather(self._renewal, return_exceptions=True)
        if self._request is not None:
            self._request.session.close()
            self._request = None

    async def _renew(self) -> None:
        if self._request is None:
            self._request = Request()
            # Only the settings read the environment; requests would take proxies and passwords from it.
            self._request.session.trust_env = False
        request = functools.partial(self._request, timeout=_REFRESH_TIMEOUT)
        for grant in self._grants:
            try:
                await asyncio.to_thread(grant.google.refresh, request)
            except RefreshError as error:
                if grant is not self._grants[-1] and _code(error) in _SCOPE_REFUSED:
                    continue
                raise await self._refused(error) from None  # its text repeats the endpoint's whole answer
            except (GoogleAuthError, ValueError) as error:
                # No answer, or one that cannot be understood: nothing says that the credentials are wrong.
                raise ActionError(
                    f"Gmail: Google's token endpoint did not answer properly ({type(error).__name__}).", retryable=True
                ) from None
            self._grant = grant
            if self._keeper is not None:
                await self._keeper.renewed(_tokens_of(grant.google))
            return

    async def _refused(self, error: RefreshError) -> ActionError:
        told = self._error(error)
        if self._keeper is None or told.retryable:
            return told
        await self._keeper.refused(str(told))
        return Disconnected(str(told))

    def _error(self, error: RefreshError) -> ActionError:
        code = _code(error)
        if error.retryable:
            return ActionError(f"Gmail: Google's token endpoint is not available ({code}).", retryable=True)
        hint = self._hints.get(code)
        return ActionError(f"Gmail: Google refused the credentials ({code})" + (f": {hint}." if hint else "."))


def _code(error: RefreshError) -> str:
    answer = error.args[1] if len(error.args) > 1 else None
    code = answer.get("error") if isinstance(answer, dict) else None
    return code if isinstance(code, str) else "no reason given"


def load(
    *, file: Path | None = None, token: str | None = None, sender: str, token_uri: str | None = None
) -> GmailCredentials:
    """Credentials to send as ``sender`` (an address), from a fixed ``token`` or else a file.

    ``token_uri`` replaces the token endpoint, which is Google's or, for a service account, the one its file names.
    Raises ``ConfigError`` with one sentence for each thing that is wrong; no network is used.
    """
    if token:
        return _fixed(token)
    if file is None:
        raise ConfigError(["GMAIL_CREDENTIALS is missing: the file of a service account or of an authorized user."])
    try:
        info = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError([f"GMAIL_CREDENTIALS: {file} cannot be read: {error.strerror}."]) from None
    except ValueError:
        raise ConfigError([f"GMAIL_CREDENTIALS: {file} is not JSON."]) from None
    kind = info.get("type") if isinstance(info, dict) else None
    if kind == "service_account":
        try:
            subject = mailbox(sender).addr_spec
        except ValueError as error:
            raise ConfigError([f"GMAIL_SENDER {error}."]) from None
        return _service_account(file, info, sender=subject, token_uri=token_uri)
    if kind == "authorized_user":
        return _authorized_user(file, info, token_uri=token_uri)
    if isinstance(info, dict) and ("installed" in info or "web" in info):
        problem = "is an OAuth client, not a permission: go through Google's consent once and save what it returns"
    else:
        problem = 'is neither of type "service_account" nor "authorized_user"'
    raise ConfigError([f"GMAIL_CREDENTIALS: {file} {problem}."])


def connected(
    client_id: str, client_secret: str, tokens: Tokens, *, token_uri: str = GOOGLE_TOKEN_URI, keeper: Keeper
) -> GmailCredentials:
    """Credentials of an account whose owner has consented; ``keeper`` keeps what they are renewed with. They raise
    ``Disconnected`` where Google takes them no more."""
    google = _UserCredentials(
        token=tokens.access,
        refresh_token=tokens.refresh,
        client_id=client_id,
        client_secret=client_secret,
        token_uri=token_uri,
        # google-auth counts in naive UTC.
        expiry=tokens.expires_at.astimezone(UTC).replace(tzinfo=None) if tokens.expires_at else None,
    )
    return GmailCredentials(
        "connected account",
        (_Grant(google, drafts=False),),
        hints={
            "invalid_grant": "the consent has expired or was revoked (after 7 days where the consent screen is in "
            "testing, or by a new password); connect the account again",
            "invalid_client": "GOOGLE_CLIENT_ID or GOOGLE_CLIENT_SECRET is wrong",
            "deleted_client": "the OAuth client was deleted in the Google Cloud project",
            "unauthorized_client": "the account was connected with another GOOGLE_CLIENT_ID; connect it again",
        },
        renewable=True,
        keeper=keeper,
    )


def _tokens_of(google: Any) -> Tokens:
    expiry = google.expiry.replace(tzinfo=UTC) if google.expiry is not None else None
    return Tokens(google.refresh_token, google.token, expiry)


def _fixed(token: str) -> GmailCredentials:
    return GmailCredentials(
        "fixed token", (_Grant(_UserCredentials(token=token), drafts=None),), hints={}, renewable=False
    )


def _service_account(file: Path, info: dict[str, Any], *, sender: str, token_uri: str | None) -> GmailCredentials:
    if token_uri is not None:
        info = info | {"token_uri": token_uri}
    missing = _missing(info, "client_email", "private_key", "token_uri")
    if missing:
        raise ConfigError([f"GMAIL_CREDENTIALS: {file} lacks {', '.join(missing)}."])
    try:
        plain = _ServiceAccountCredentials.from_service_account_info(info, subject=sender)
    except (ValueError, TypeError):
        raise ConfigError([f"GMAIL_CREDENTIALS: the private_key in {file} cannot be read."]) from None
    who = info.get("client_id") or info["client_email"]
    return GmailCredentials(
        "service account",
        # An administrator allows scopes one by one. Asked for both, Google refuses both if one is missing.
        (_Grant(plain.with_scopes([SEND, COMPOSE]), drafts=True), _Grant(plain.with_scopes([SEND]), drafts=False)),
        hints={
            "unauthorized_client": f"an administrator of the Workspace domain has to allow the client {who} the scope {SEND}",
            "access_denied": f"an administrator of the Workspace domain has to allow the client {who} the scope {SEND}",
            "invalid_grant": f"check that {sender} is a mailbox of the Workspace domain, and this machine's clock",
        },
        renewable=True,
    )


def _authorized_user(file: Path, info: dict[str, Any], *, token_uri: str | None) -> GmailCredentials:
    problems: list[str] = []
    missing = _missing(info, "client_id", "client_secret", "refresh_token")
    if missing:
        problems.append(f"GMAIL_CREDENTIALS: {file} lacks {', '.join(missing)}.")
    listed = info.get("scopes") or []
    scopes = frozenset(map(str, listed.split() if isinstance(listed, str) else listed))
    if scopes and not scopes & _SENDING:
        problems.append(
            f"GMAIL_CREDENTIALS: {file} was made without the scope {SEND}; go through Google's consent again."
        )
    if problems:
        raise ConfigError(problems)
    google = _UserCredentials(
        # The file's own access token is not used: it may have expired, and a first renewal proves the rest.
        token=None,
        refresh_token=info["refresh_token"],
        client_id=info["client_id"],
        client_secret=info["client_secret"],
        token_uri=token_uri or GOOGLE_TOKEN_URI,
    )
    return GmailCredentials(
        "authorized user",
        (_Grant(google, drafts=bool(scopes & _DRAFTING) if scopes else None),),
        hints={
            "invalid_grant": "the consent has expired or was revoked (after 7 days where the consent screen is in "
            "testing, or by a new password); go through Google's consent again",
            "invalid_client": "the client_id or client_secret in the file is wrong",
            "deleted_client": "the OAuth client was deleted in the Google Cloud project",
            "unauthorized_client": "the refresh token in the file was made for another client_id",
        },
        renewable=True,
    )


def _missing(info: dict[str, Any], *names: str) -> list[str]:
    return [name for name in names if not (isinstance(info.get(name), str) and info[name])]
