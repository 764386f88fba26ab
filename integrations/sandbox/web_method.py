"""A method of Slack's Web API: who may call it, with which scopes, and what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from flows.ports import Json
from integrations.sandbox.arguments import Arguments, SlackRefusal
from integrations.sandbox.tokens import Kind, Token
from integrations.sandbox.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a token and the workspace that it belongs to."""

    token: Token
    workspace: Workspace

    def needs(self, *scopes: str) -> None:
        """Refuse unless the token has one of the scopes."""
        if not self.token.scopes & set(scopes):
            provided = ",".join(sorted(self.token.scopes))
            raise SlackRefusal("missing_scope", needed=",".join(scopes), provided=provided)


Handler = Callable[[Caller, Arguments], Awaitable[dict[str, Json]]]
OpenHandler = Callable[[Arguments], Awaitable[dict[str, Json]]]
"""Answers a method that takes no token, such as ``oauth.v2.access``."""


@dataclass(frozen=True, slots=True)
class Method:
    """``handler`` returns the answer without ``ok``, or raises ``SlackRefusal``. It is called only with a token of one of
    these kinds that has one of the scopes."""

    handler: Handler
    scopes: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ("bot",)


def page_of(items: Sequence[Json], arguments: Arguments, default: int) -> tuple[list[Json], dict[str, str]]:
    """One page of a list and the cursor to the next; the cursor is where that one begins."""
    cursor = arguments.text("cursor") or "0"
    if not cursor.isdecimal():
        raise SlackRefusal("invalid_cursor")
    start = int(cursor)
    end = start + arguments.number("limit", default, 1000)
    return list(items[start:end]), {"next_cursor": str(end) if end < len(items) else ""}
