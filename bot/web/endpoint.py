"""What an endpoint of the API is, said once: the router, the OpenAPI document and ``docs/api.md`` are made from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, TypeVar

from bot.web import models
from bot.web.errors import (
    ANSWERS,
    EXPIRED,
    FAULT,
    TOO_LARGE,
    Answer,
    BadRequest,
    OutOfScope,
    Unauthorized,
)
from flows.errors import Closed, InvalidForm, NotAllowed, TryAgain
from flows.store.connection import StoreError

Given = type[models.Response] | UnionType
"""What an endpoint answers with: a model, or one of several."""

F = TypeVar("F", bound=Callable[..., Any])

_EVERY = (Unauthorized, OutOfScope, NotAllowed, TryAgain, StoreError)
"""What any request with a token may be refused with: also who has left Slack, and while Slack cannot be asked."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one address below ``/api/v1``.

    ``name`` is unique. ``scope`` is what the token needs; None: no token is asked for. ``takes`` is the body, ``query``
    the query, ``gives`` the answer by status. ``refuses`` are the errors of its own; those that come from a token, a
    body or the storage need not be listed. ``summary`` is one line, ``about`` says more.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    name: str
    summary: str
    about: str
    scope: str | None
    takes: type[models.Request] | None
    query: type[models.Request] | None
    gives: Mapping[int, Given]
    refuses: tuple[type[Exception], ...]
    keyed: bool
    """Whether it takes an Idempotency-Key."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in its path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def answers(self) -> list[Answer]:
        """How it may refuse, each type of problem once."""
        errors: list[type[Exception]] = [*self.refuses]
        if self.scope is not None:
            errors += _EVERY
        if self.takes is not None:
            errors += [BadRequest, InvalidForm]
        if self.query is not None:
            errors += [InvalidForm]
        found = [ANSWERS[error] for error in errors]
        if Closed in errors:
            found.append(EXPIRED)
        if self.takes is not None:
            found.append(TOO_LARGE)
        return list({answer.type: answer for answer in [*found, FAULT]}.values())


class Endpoints:
    """The endpoints of a class, each declared at the method that serves it."""

    def __init__(self) -> None:
        self._all: list[tuple[Endpoint, str]] = []

    def __iter__(self) -> Iterator[Endpoint]:
        return (endpoint for endpoint, _ in self._all)

    def __call__(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        *,
        scope: str | None,
        gives: Mapping[int, Given],
        takes: type[models.Request] | None = None,
        query: type[models.Request] | None = None,
        refuses: tuple[type[Exception], ...] = (),
        keyed: bool = False,
    ) -> Callable[[F], F]:
        """Declare the method below as an endpoint. Its docstring says what the endpoint does."""

        def declare(handler: F) -> F:
            summary, _, about = inspect.cleandoc(handler.__doc__ or "").partition("\n\n")
            name = handler.__name__.strip("_")
            endpoint = Endpoint(
                method,
                path,
                name,
                summary.rstrip("."),
                " ".join(about.split()),
                scope,
                takes,
                query,
                gives,
                refuses,
                keyed,
            )
            self._all.append((endpoint, handler.__name__))
            return handler

        return declare

    def of(self, owner: object) -> list[tuple[Endpoint, Callable[..., Any]]]:
        """Each endpoint with the method of ``owner`` that serves it."""
        return [(endpoint, getattr(owner, name)) for endpoint, name in self._all]
