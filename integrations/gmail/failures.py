"""What an answer of Gmail's means for whoever wanted to send: by code, never by text.

Google's own codes say of 503 (UNAVAILABLE) that it is "not always safe to retry non-idempotent operations", and
Gmail's guide calls 500 to 504 "an unexpected error while processing": none of them promises that nothing was
sent. So they are treated like an answer that never came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flows.errors import ActionError
from flows.ports import Json
from integrations.retry_after import retry_after

_RATE = frozenset(
    {
        "dailylimitexceeded",
        "quotaexceeded",
        "rate_limit_exceeded",
        "ratelimitexceeded",
        "resource_exhausted",
        "userratelimitexceeded",
    }
)
_SCOPE = frozenset({"access_token_scope_insufficient", "insufficientpermissions", "insufficient_scope"})
_HINTS = {
    "accessnotconfigured": "enable the Gmail API in the Google Cloud project of these credentials",
    "service_disabled": "enable the Gmail API in the Google Cloud project of these credentials",
    "domainpolicy": "an administrator of the Workspace domain has switched Gmail's API off for the sender",
    "delegationdenied": "the sender's mailbox does not belong to these credentials",
    "failedprecondition": "check that the sender has a Gmail mailbox",
    "failed_precondition": "check that the sender has a Gmail mailbox",
}


class InsufficientPermissions(ActionError):
    """The credentials work, and do not reach as far as this call. Nothing was done."""


class NotFound(ActionError):
    """Gmail knows no such thing (any more)."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What it means for a call that nobody knows whether Gmail has carried it out."""

    retryable: bool
    uncertain: bool


HARMLESS = Doubt(retryable=True, uncertain=False)
"""At worst a draft too many; nothing is sent by it."""

ASKABLE = Doubt(retryable=True, uncertain=True)
"""The same call again tells: a draft that was sent is gone."""

OPEN = Doubt(retryable=False, uncertain=True)
"""Nobody will ever tell, and the same call again may send a second mail."""


def lost(what: str, doubt: Doubt) -> ActionError:
    """No answer came to a request that was, or may have been, written."""
    return ActionError(f"Gmail: {what}.", retryable=doubt.retryable, uncertain=doubt.uncertain)


def failure(status: int, headers: Mapping[str, str], payload: Json, doubt: Doubt) -> ActionError:
    """The error that an answer other than 2xx (and other than 401) amounts to."""
    reasons = list(_reasons(payload))
    shown = f"Gmail answered {status}{f' ({reasons[0]})' if reasons else ''}"
    known = {reason.lower() for reason in reasons}
    if status == 429 or (status == 403 and known & _RATE):
        return ActionError(f"{shown}: too many mails for now.", retryable=True, retry_after=retry_after(headers))
    if status >= 500:
        return ActionError(
            f"{shown}.",
            retryable=doubt.retryable,
            retry_after=retry_after(headers) if doubt.retryable else None,
            uncertain=doubt.uncertain,
        )
    if status == 403 and (known & _SCOPE or "insufficient_scope" in headers.get("WWW-Authenticate", "")):
        return InsufficientPermissions(f"{shown}: the credentials lack a scope, gmail.send at least.")
    if status == 404:
        return NotFound(f"{shown}.")
    hint = next((_HINTS[reason.lower()] for reason in reasons if reason.lower() in _HINTS), None)
    return ActionError(f"{shown}: {hint}." if hint else f"{shown}.")


def _reasons(payload: Json) -> Iterator[str]:
    """The codes in an error's body, in both of the forms that Google's servers use."""
    error = payload.get("error") if isinstance(payload, dict) else None
    if not isinstance(error, dict):
        return
    for name in ("errors", "details"):
        entries = error.get(name)
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and isinstance(entry.get("reason"), str):
                yield entry["reason"]
    if isinstance(error.get("status"), str):
        yield error["status"]
