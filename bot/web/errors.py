"""What each error is in HTTP, for pages and API alike: the one table.

Whatever is not in it is a fault of ours: 500, logged, and no word of it to the caller.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from flows.errors import (
    ChangedSinceShown,
    Closed,
    DecidedByYou,
    InvalidForm,
    LinkExpired,
    LinkInvalid,
    NotAllowed,
    NotAnApprover,
    NotVerified,
    NotWaiting,
    QuorumUnreachable,
    Refused,
    RunFinished,
    SelfApproval,
    TooSoon,
    TryAgain,
    UnknownEffect,
    UnknownFlow,
    UnknownRun,
    UnknownSuspension,
)
from flows.run import Close
from flows.store.connection import StoreError
from flows.store.sqlite import KeyReused


class Unauthorized(Exception):
    """No token, or none that is good now; which of these is not said."""


class OutOfScope(Exception):
    """The token is good, and not for this. The text names the scope."""


class BadRequest(Exception):
    """The request cannot be read; the text says where."""


class NotThisPage(Exception):
    """A form came that the page at this address did not show in this browser."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an error is answered. ``detail`` takes the place of the error's own text where that must not be shown."""

    status: int
    kind: str
    title: str
    detail: str | None = None
    retry_after: timedelta | None = None

    @property
    def type(self) -> str:
        """The ``type`` of problem+json (RFC 9457): what a program tells errors apart by."""
        return f"urn:signoff:problem:{self.kind}"


_MISSING = Answer(404, "not-found", "Not found", "There is nothing here, or nothing that you may read.")
_LINK = Answer(404, "not-found", "This link is not valid", "It may be incomplete, or no longer in use.")
_SOON = timedelta(seconds=5)
_STORAGE = Answer(
    503,
    "storage",
    "Not possible right now",
    "Nothing was recorded: the database cannot be used at the moment. Please try again later.",
    retry_after=timedelta(seconds=30),
)

ANSWERS: Mapping[type[Exception], Answer] = {
    BadRequest: Answer(400, "bad-request", "The request cannot be read"),
    Unauthorized: Answer(401, "unauthorized", "Not authorized", "This takes a token: Authorization: Bearer sgn_..."),
    OutOfScope: Answer(403, "out-of-scope", "The token is not for this"),
    NotThisPage: Answer(403, "not-this-page", "Please check and send again"),
    NotAnApprover: Answer(403, "not-an-approver", "You were not asked"),
    SelfApproval: Answer(403, "self-approval", "Your own request"),
    NotAllowed: Answer(403, "not-allowed", "Not allowed"),
    TooSoon: Answer(429, "too-soon", "Too soon"),
    NotVerified: Answer(403, "not-verified", "Please show that it is you"),
    # One and the same for what is not there and for what the caller may not read.
    UnknownFlow: Answer(404, "not-found", "Not found"),
    UnknownRun: _MISSING,
    UnknownSuspension: _MISSING,
    UnknownEffect: _MISSING,
    LinkInvalid: _LINK,
    LinkExpired: _LINK,
    DecidedByYou: Answer(200, "decided-by-you", "You have said so already"),
    Closed: Answer(409, "closed", "No longer open"),
    ChangedSinceShown: Answer(409, "changed-since-shown", "Changed since it was shown"),
    NotWaiting: Answer(409, "not-waiting", "Nothing to decide"),
    RunFinished: Answer(409, "run-finished", "The run has ended"),
    InvalidForm: Answer(422, "invalid-form", "Some values cannot be taken"),
    QuorumUnreachable: Answer(422, "quorum-unreachable", "The approval could never be given"),
    KeyReused: Answer(422, "key-reused", "The Idempotency-Key was used before"),
    TryAgain: Answer(503, "try-again", "Not possible right now", retry_after=_SOON),
    StoreError: _STORAGE,
    sqlite3.Error: _STORAGE,
    Refused: Answer(409, "refused", "Not possible"),
}

EXPIRED = Answer(410, "expired", "The deadline has passed")
FAULT = Answer(500, "fault", "Something went wrong", "The fault is ours, and it was written to the log.")
TOO_LARGE = Answer(413, "too-large", "Too large", "A request may have at most 1 MiB.")
_HTTP = {
    404: _MISSING,
    413: TOO_LARGE,
    405: Answer(405, "method", "Not possible here", "This address knows other methods; see the header Allow."),
}


def answer_to(error: Exception, *, closed: Close | None = None) -> Answer | None:
    """How to answer ``error``, or None for a fault of ours. ``closed`` is how the suspension at hand was closed."""
    if isinstance(error, Closed) and closed is Close.EXPIRED:
        return EXPIRED
    return next((ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS), None)


def answer_to_status(status: int) -> Answer:
    """How to answer what the HTTP server itself refused."""
    return _HTTP.get(status) or Answer(status, "http", HTTPStatus(status).phrase, HTTPStatus(status).description)


def sentence(answer: Answer, error: Exception) -> str:
    """What to say: the error's own words, unless they are not for everybody."""
    return answer.detail or str(error)
