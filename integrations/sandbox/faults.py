"""Bad days, arranged by a test: what goes wrong with which call, how often, and a log of every call that came.

Methods carry Slack's names (``chat.postMessage``), for Gmail ``gmail.messages.send``, ``gmail.drafts.create``,
``gmail.drafts.send``, ``gmail.drafts.list``, ``gmail.drafts.get``, ``gmail.getProfile`` and ``oauth.token``, for messages
to a response address ``response_url``. What the sandbox sends to the bot goes by the payload's type (``block_actions``,
``view_submission``, ``view_closed``, ``slash_commands``, ``shortcut``, ``app_home_opened``) and knows only ``twice``.
Patterns are globs: ``chat.*``. A fault may be kept to one workspace (``team``) and to calls whose arguments fit
(``when``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from flows.clock import Clock
from flows.ports import Json
from integrations.sandbox.changes import Changes


@dataclass(frozen=True, slots=True)
class HttpStatus:
    """Answers with this HTTP status; nothing happens. ``retry_after`` in seconds becomes the header."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class SlackError:
    """Answers 200 with ``{"ok": false, "error": code}`` and whatever goes with it; nothing happens."""

    code: str
    extra: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DropBefore:
    """Closes the connection; nothing happens."""


@dataclass(frozen=True, slots=True)
class DropAfter:
    """What was asked for happens; then the connection closes without an answer."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Takes its time: a ``duration`` by the clock, or until the test sets ``until``.

    ``after`` false: before anything happens. True: it happens at once and the answer is late.
    """

    duration: timedelta | None = None
    until: asyncio.Event | None = None
    after: bool = False


@dataclass(frozen=True, slots=True)
class Twice:
    """The bot gets the same delivery, byte for byte, two times."""


Fault = HttpStatus | SlackError | DropBefore | DropAfter | Slow | Twice
When = Callable[[Mapping[str, Json]], bool]
"""Whether a call with these arguments is meant."""

SLACK = (
    "api.*",
    "apps.*",
    "auth.*",
    "chat.*",
    "conversations.*",
    "oauth.v2.*",
    "openid.*",
    "reactions.*",
    "response_url",
    "team.*",
    "usergroups.*",
    "users.*",
    "views.*",
)
"""Everything that is Slack's."""


@dataclass(slots=True)
class _Arranged:
    pattern: str
    fault: Fault
    left: int | None  # None: until cleared
    team: str | None = None
    when: When | None = None

    def befalls(self, method: str, body: Mapping[str, Json], team: str | None) -> bool:
        return (
            fnmatchcase(method, self.pattern) and self.team in (None, team) and (self.when is None or self.when(body))
        )


class Faults:
    """The faults that are arranged. Each call takes at most one ``Slow`` and one other, in the order of arranging."""

    def __init__(self) -> None:
        self._arranged: list[_Arranged] = []

    def add(
        self,
        pattern: str,
        fault: Fault,
        *,
        times: int | None = None,
        team: str | None = None,
        when: When | None = None,
    ) -> None:
        """Let ``fault`` befall the next ``times`` calls that match ``pattern``; every one, if None.

        ``team``: those of one workspace only. ``when``: those only whose arguments it says yes to.
        """
        self._arranged.append(_Arranged(pattern, fault, times, team, when))

    def status(self, pattern: str, status: int, *, times: int | None = None, when: When | None = None) -> None:
        """HTTP ``status`` (500, 503) and no effect."""
        self.add(pattern, HttpStatus(status), times=times, when=when)

    def rate_limited(
        self, pattern: str, *, retry_after: int, times: int | None = None, when: When | None = None
    ) -> None:
        """429 with ``Retry-After`` in seconds, and no effect."""
        self.add(pattern, HttpStatus(429, retry_after), times=times, when=when)

    def error(
        self,
        pattern: str,
        code: str,
        *,
        times: int | None = None,
        team: str | None = None,
        when: When | None = None,
        **extra: Json,
    ) -> None:
        """Slack's ``ok: false`` with that code (``is_archived``, ``not_in_channel``, ``account_inactive`` ...) and whatever
        goes with it, and no effect."""
        self.add(pattern, SlackError(code, extra), times=times, team=team, when=when)

    def missing_scope(self, pattern: str, needed: str, *, times: int | None = None, team: str | None = None) -> None:
        """The token lacks a scope, says Slack."""
        self.error(pattern, "missing_scope", times=times, team=team, needed=needed, provided="chat:write")

    def invalid_blocks(self, pattern: str, *, more_than: int = 0, times: int | None = None) -> None:
        """Slack takes no message or view with more than so many blocks: what would be wrong with them is made up."""
        sentence = "[ERROR] unsupported type: section [json-pointer:/blocks/0/type]"

        def too_many(body: Mapping[str, Json]) -> bool:
            return _blocks_in(body) > more_than

        metadata = {"messages": [sentence]}
        code = "invalid_arguments" if pattern.startswith("views.") else "invalid_blocks"
        self.error(pattern, code, times=times, when=too_many, errors=[sentence], response_metadata=metadata)

    def down(self, *, status: int | None = None, team: str | None = None) -> None:
        """Slack is down until ``up``: every call finds its connection closed or, with ``status``, is answered by it."""
        for pattern in SLACK:
            self.add(pattern, DropBefore() if status is None else HttpStatus(status), team=team)

    def up(self) -> None:
        """Slack is there again; what was arranged for it otherwise is forgotten as well."""
        for pattern in SLACK:
            self.clear(pattern)

    def drop_before(self, pattern: str, *, times: int | None = None, when: When | None = None) -> None:
        """Close the connection before accepting."""
        self.add(pattern, DropBefore(), times=times, when=when)

    def drop_after(self, pattern: str, *, times: int | None = None, when: When | None = None) -> None:
        """Accept, then close the connection without an answer."""
        self.add(pattern, DropAfter(), times=times, when=when)

    def slow(
        self,
        pattern: str,
        duration: timedelta | None = None,
        *,
        until: asyncio.Event | None = None,
        after: bool = False,
        times: int | None = None,
        when: When | None = None,
    ) -> None:
        """Wait for ``duration`` by the clock or for ``until``; with ``after``, between the effect and the answer."""
        self.add(pattern, Slow(duration, until, after), times=times, when=when)

    def twice(self, pattern: str, *, times: int | None = None) -> None:
        """Deliver an interaction, command or event to the bot two times."""
        self.add(pattern, Twice(), times=times)

    def described(self) -> list[str]:
        """What is arranged, in words: ``chat.*: http 429, 2 more times``."""
        return [_described(each) for each in self._arranged]

    def clear(self, pattern: str | None = None) -> None:
        """Forget every fault, or those arranged with exactly this ``pattern``."""
        self._arranged = [each for each in self._arranged if pattern is not None and each.pattern != pattern]

    def take(
        self,
        method: str,
        *,
        wanted: Callable[[Fault], bool],
        body: Mapping[str, Json] | None = None,
        team: str | None = None,
    ) -> Fault | None:
        """The first fault for a call that is ``wanted``; it is used up by one."""
        for each in self._arranged:
            if wanted(each.fault) and each.befalls(method, body or {}, team):
                if each.left is not None:
                    each.left -= 1
                    if each.left <= 0:
                        self._arranged.remove(each)
                return each.fault
        return None


def _described(arranged: _Arranged) -> str:
    match arranged.fault:
        case HttpStatus(status=status):
            what = f"http {status}"
        case SlackError(code=code):
            what = code
        case DropBefore():
            what = "no connection"
        case DropAfter():
            what = "no answer"
        case Slow():
            what = "slow"
        case Twice():
            what = "twice"
    left = "" if arranged.left is None else f", {arranged.left} more times"
    return f"{arranged.pattern}: {what}{left}"


def _blocks_in(body: Mapping[str, Json]) -> int:
    """How many blocks a call carries, in a message, its attachments or a view."""
    given = {name: _parsed(body.get(name)) for name in ("blocks", "attachments", "view")}
    blocks = list(given["blocks"] or [])
    for attachment in given["attachments"] or []:
        blocks += attachment.get("blocks") or []
    return len(blocks + list((given["view"] or {}).get("blocks") or []))


def _parsed(value: Json) -> Json:
    return json.loads(value) if isinstance(value, str) and value else value


async def wait_out(slow: Slow, clock: Clock) -> None:
    """Return when a slow call may go on."""
    if slow.until is not None:
        await slow.until.wait()
    if slow.duration is not None:
        await clock.sleep(slow.duration)


@dataclass(slots=True)
class Call:
    """One call that arrived. ``body`` has every argument except tokens; ``team`` is the workspace whose token it came with.

    ``outcome``: ``ok``, Slack's error code, ``http 503``, ``dropped before``, ``dropped after``, or None while it is
    under way. A call that was dropped before never took effect.
    """

    method: str
    body: Mapping[str, Json]
    at: datetime
    outcome: str | None = None
    team: str | None = None


@dataclass(slots=True)
class Calls:
    """Every call that arrived, in order."""

    changes: Changes
    all: list[Call] = field(default_factory=list)

    def add(self, method: str, body: Mapping[str, Json], at: datetime, team: str | None = None) -> Call:
        """Remember a call that has just arrived."""
        call = Call(method, body, at, team=team)
        self.all.append(call)
        self.changes.notify()
        return call

    def of(self, pattern: str) -> list[Call]:
        """Those whose method matches the glob."""
        return [call for call in self.all if fnmatchcase(call.method, pattern)]

    def count(self, pattern: str) -> int:
        """How many match the glob."""
        return len(self.of(pattern))

    def clear(self) -> None:
        """Forget them all."""
        self.all.clear()
