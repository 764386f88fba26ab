"""What a personal page asks for beyond its link, before an answer counts: a code out of the mail, or a sign-in with Slack.

The page only collects. That nothing counts without it is the machine's rule (``NotVerified``). What was shown is kept
for a quarter of an hour in a signed cookie of this browser: of this page for a code, of this person for a sign-in.

A code is not in the link and not on the page, and is never stored. Wrong ones are counted, whatever browser they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from sqlite3 import Connection
from urllib.parse import urlsplit

from aiohttp import web

from bot.links import CODE_LETTERS, PageLinks
from bot.web.widgets import Typed
from flows.clock import Clock
from flows.definition import Approval, Hold
from flows.errors import InvalidForm, NotVerified
from flows.instants import from_ms, to_ms
from flows.links import Keyring, Purpose
from flows.people import Person, PersonId
from flows.run import Verified
from flows.store.sqlite import SqliteStore
from flows.views import SuspensionView

CODE = "code"
"""The field in which the code is typed."""

TRIES = 5
"""Wrong codes that somebody may type for one request, before nobody can for a while."""

LOCK = timedelta(minutes=15)
KEPT = timedelta(minutes=15)
"""How long a browser that has shown it need not show it again."""

_CODE_COOKIE, _SLACK_COOKIE = "signoff_code", "signoff_slack"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page shows of it. ``done`` is how it was shown already; ``sign_in`` is where one signs in, None where
    that is not set up."""

    how: Verified
    done: Verified | None
    sign_in: str | None
    error: str | None = None


class Verification:
    """Asks, looks at what comes, and keeps it in mind. ``can_sign_in``: whether Sign in with Slack is set up."""

    def __init__(
        self,
        store: SqliteStore,
        links: PageLinks,
        keyring: Keyring,
        clock: Clock,
        public_url: str,
        *,
        can_sign_in: bool = False,
    ) -> None:
        public = urlsplit(public_url)
        self._store = store
        self._links = links
        self._keyring = keyring
        self._clock = clock
        self._secure = public.scheme == "https"
        self._root = public.path.rstrip("/")
        self._can_sign_in = can_sign_in

    def asked(
        self,
        request: web.Request,
        view: SuspensionView,
        reader: Person,
        token: str,
        *,
        done: Verified | None = None,
        error: str | None = None,
    ) -> Asked | None:
        """What the page of this wait asks for; None where it asks for nothing. ``done`` is how it was shown just now."""
        how = _wanted(view)
        if how is None:
            return None
        sign_in = f"{self._root}/a/{token}/sign-in" if self._can_sign_in and reader.slack is not None else None
        return Asked(how, done or self.done(request, view, reader), sign_in, error)

    def done(self, request: web.Request, view: SuspensionView, reader: Person) -> Verified | None:
        """How this browser has shown that it is the person's; None where it has not, or too long ago."""
        if self._holds(request.cookies.get(_SLACK_COOKIE, ""), "slack", _person(reader)):
            return "slack"
        if self._holds(request.cookies.get(_CODE_COOKIE, ""), "code", _page(view, reader)):
            return "code"
        return None

    def missing(self, request: web.Request, view: SuspensionView, reader: Person, typed: Typed) -> dict[str, str]:
        """The code's field, and what is wrong with it, where one is needed and none was typed."""
        if _wanted(view) != "code" or self.done(request, view, reader) is not None or _typed(typed):
            return {}
        return {CODE: f"is needed: the {CODE_LETTERS} letters and digits in the mail."}

    async def check(self, request: web.Request, view: SuspensionView, reader: Person, typed: Typed) -> Verified | None:
        """How the person shows who they are, with what they have sent or before; None where nothing is asked, or nothing
        was shown: the machine says then what is lacking.

        Raises ``InvalidForm`` for a code that is missing or wrong, and ``NotVerified`` after too many of these.
        """
        how, done = _wanted(view), self.done(request, view, reader)
        if how is None or done is not None or how == "slack":
            return done
        if missing := self.missing(request, view, reader, typed):
            # Whoever only presses buttons has not tried, and locks nobody out.
            raise InvalidForm(missing)
        right, now = self._links.is_code(_typed(typed), view, reader.id), self._clock.now()
        tried = await self._store.write(lambda c: _try(c, view, reader.id, right=right, now=now))
        if tried.locked_until is not None:
            raise NotVerified(
                f"Too many wrong codes were typed. Nothing was counted; please try again in {_minutes(tried.locked_until - now)}."
            )
        if not right:
            left = "1 try is" if tried.left == 1 else f"{tried.left} tries are"
            raise InvalidForm({CODE: f"is not the one in the mail; {left} left."})
        return "code"

    def remember(
        self, response: web.StreamResponse, how: Verified, view: SuspensionView, reader: Person, token: str
    ) -> None:
        """Let the browser keep that the code was right, for this page."""
        if how == "code":
            self._set(response, _CODE_COOKIE, "code", _page(view, reader), f"{self._root}/a/{token}", "Strict")

    def remember_sign_in(self, response: web.StreamResponse, reader: Person) -> None:
        """Let the browser keep that this person has signed in, for all of their pages."""
        # Lax: the browser comes from Slack's site, and its next request has to bring it along.
        self._set(response, _SLACK_COOKIE, "slack", _person(reader), f"{self._root}/a", "Lax")

    def _set(self, response: web.StreamResponse, name: str, how: str, about: str, path: str, same_site: str) -> None:
        until = str(to_ms(self._clock.now() + KEPT))
        value = f"{until}.{self._keyring.bind(Purpose.SIGN_IN, b'shown', how.encode(), about.encode(), until.encode())}"
        response.set_cookie(
            name,
            value,
            path=path,
            max_age=int(KEPT.total_seconds()),
            httponly=True,
            secure=self._secure,
            samesite=same_site,
        )

    def _holds(self, cookie: str, how: str, about: str) -> bool:
        until, _, mac = cookie.partition(".")
        # First: only an instant of our own making is one for certain.
        parts = (b"shown", how.encode(), about.encode(), until.encode(errors="replace"))
        return self._keyring.is_bound(mac, Purpose.SIGN_IN, *parts) and self._clock.now() < from_ms(int(until))


def _wanted(view: SuspensionView) -> Verified | None:
    wait = view.wait
    return wait.verify if isinstance(wait, Approval | Hold) else None


def _typed(typed: Typed) -> str:
    return (typed.get(CODE) or [""])[0].strip()


def _page(view: SuspensionView, reader: Person) -> str:
    return f"{view.run.id}/{view.suspension.n}/{view.suspension.generation}/{reader.id}"


def _person(reader: Person) -> str:
    return str(reader.id)


def _minutes(left: timedelta) -> str:
    minutes = max(1, -(-left // timedelta(minutes=1)))
    return "a minute" if minutes == 1 else f"{minutes} minutes"


# -- rows -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tried:
    """``left``: how many wrong ones may still come. ``locked_until``: nothing is looked at before."""

    left: int
    locked_until: datetime | None


def _try(connection: Connection, view: SuspensionView, person: PersonId, *, right: bool, now: datetime) -> _Tried:
    """Count one try. A right code counts for nothing while the lock holds, or who guesses would learn which it is."""
    place = view.run.id, view.suspension.n, person
    row = connection.execute(
        "SELECT wrong, locked_until FROM code_tries WHERE run = ? AND n = ? AND person = ?", place
    ).fetchone()
    wrong, locked = row or (0, None)
    if locked is not None:
        if now < from_ms(locked):
            return _Tried(0, from_ms(locked))
        wrong = 0
    if right:
        connection.execute("DELETE FROM code_tries WHERE run = ? AND n = ? AND person = ?", place)
        return _Tried(TRIES, None)
    wrong += 1
    until = now + LOCK if wrong >= TRIES else None
    connection.execute(
        "INSERT INTO code_tries (run, n, person, wrong, locked_until) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (run, n, person) DO UPDATE SET wrong = excluded.wrong, locked_until = excluded.locked_until",
        (*place, wrong, to_ms(until) if until is not None else None),
    )
    return _Tried(TRIES - wrong, until)
