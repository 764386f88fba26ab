"""The doors for machines: ``/r/TOKEN`` lets a run go on, ``/c/TOKEN`` cancels it.

A machine acts by POST, PUT or PATCH. Whoever has the link may, and is nobody, so it never counts as an approval. GET
and HEAD change nothing: a browser gets a page with a button, whose form is bound to the page, and asks for a tick that
is never set. Who presses every button that there is, with the form as it stands, has done nothing.

What was sent is kept as one value: ``method``, ``headers``, ``query``, ``body``. It may have as many bytes as any
request (``server.MAX_BODY``), as they came and also written as JSON: that is what a step's output may have, and every
step that names it reads all of it again. Of the headers, those that say nothing of the message are left out
(``bot.web.sent``).

Whoever accepts HTML, as browsers do, is answered with a page, or sent on to the address that the flow names; everybody
else with JSON, and with problem+json where it could not be.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import unquote

from aiohttp import web
from pydantic_core import to_json
from yarl import URL

from bot.links import PageLinks
from bot.web.bound_forms import BoundForms
from bot.web.drawing import Drawing, policy
from bot.web.errors import Answer, NotThisPage, answer_to, sentence
from bot.web.moments import from_now, in_words
from bot.web.replies import problem_of
from bot.web.sent import Unreadable, body_of, headers_of, query_of
from bot.web.typed import read_typed
from bot.web.widgets import Typed
from flows import wording
from flows.clock import Clock
from flows.definition import Callback
from flows.engine import Called, Engine
from flows.errors import Closed, InvalidForm, LinkInvalid, UnknownRun
from flows.links import INVALID, Keyring, Link, Purpose
from flows.ports import Json
from flows.run import Callback as Request
from flows.run import Kind
from flows.views import SuspensionView
from flows.waits import check_call

log = logging.getLogger(__name__)

PRESS = "press"
"""Where the page's form goes: not to the link itself, so that no machine's form is taken for it."""

TICK = "sure"
"""The field that has to be ticked."""

_DOORS = {"r": Purpose.RESUME, "c": Purpose.CANCEL}
_MACHINES = (Kind.CALLBACK, Kind.RERUN)
_NO_BODY = Answer(
    415,
    "unsupported-body",
    "The body cannot be read",
    "A callback takes application/json, application/x-www-form-urlencoded, multipart/form-data without files, and text,"
    " uncompressed, in UTF-8.",
)
_DONE = {
    "resumed": ("Done", "The run can go on. You can close this page."),
    "cancelled": ("Cancelled", "The run is cancelled. You can close this page."),
    "kept": ("Kept", "The run does not wait yet. This is kept, and used as soon as it does. You can close this page."),
}


def is_callback(request: web.Request) -> bool:
    """Whether it goes to one of these doors."""
    return request.path.startswith(tuple(f"/{door}/" for door in _DOORS))


def wants_page(request: web.Request) -> bool:
    """Whether who sent this is to be answered in HTML: whoever only looks, and who accepts it."""
    accepted = request.headers.get("Accept", "").split(",")
    return request.method in ("GET", "HEAD") or any(
        kind.partition(";")[0].strip().lower() == "text/html" for kind in accepted
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """A link that is good. ``view`` is what it is for, None where that is not there yet."""

    door: str
    token: str
    link: Link
    view: SuspensionView | None

    @property
    def cancels(self) -> bool:
        return _DOORS[self.door] is Purpose.CANCEL


class Callbacks:
    """The handlers of both doors. What they raise is translated by the server's middleware."""

    def __init__(self, engine: Engine, links: PageLinks, keyring: Keyring, clock: Clock, public_url: str) -> None:
        self._engine = engine
        self._links = links
        self._clock = clock
        self._drawing = Drawing(public_url)
        self._forms = BoundForms(keyring, public_url)

    def routes(self) -> list[web.RouteDef]:
        address = f"/{{door:{'|'.join(_DOORS)}}}/{{token}}"
        return [
            web.get(address, self._show),
            web.post(address, self._call),
            web.put(address, self._call),
            web.patch(address, self._call),
            web.post(f"{address}/{PRESS}", self._press),
            # For who loads again what they were shown after pressing.
            web.get(f"{address}/{PRESS}", self._show),
        ]

    # -- by machines --------------------------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.Response:
        opened = await self._open(request)
        try:
            called = await self._take(request, opened, headers_of(request.headers), await body_of(request))
        except Unreadable:
            return self._refuse(request, _NO_BODY, _NO_BODY.detail or _NO_BODY.title)
        except Closed as error:
            return self._refuse(request, await self._answer(opened, error), str(error))
        if wants_page(request):
            return self._done(opened, called)
        return web.json_response({"status": _status(opened, called)}, status=_code(called))

    async def _take(self, request: web.Request, opened: _Opened, headers: Mapping[str, str], body: Json) -> Called:
        sent: dict[str, Json] = {
            "method": request.method,
            "headers": dict(headers),
            "query": query_of(request),
            "body": body,
        }
        if (size := len(to_json(sent))) > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(max_size=request.client_max_size, actual_size=size)
        run, n = opened.link.run, opened.link.n
        try:
            called = await self._engine.callback(run, n, sent, cancels=opened.cancels)
        except UnknownRun:
            raise LinkInvalid(INVALID) from None
        wait = self._engine.ids.suspension(run, n)
        log.info("a callback was taken", extra={"suspension": wait, "status": _status(opened, called)})
        return called

    def _refuse(self, request: web.Request, answer: Answer, detail: str) -> web.Response:
        if wants_page(request):
            return self._drawing.message(answer.title, [detail], answer=answer)
        return problem_of(answer, detail)

    async def _answer(self, opened: _Opened, error: Closed) -> Answer:
        """How that is answered which is no longer open: what has expired is gone."""
        view = await self._engine.peek(opened.link.run, opened.link.n)
        closing = view.suspension.closing if view is not None else None
        answer = answer_to(error, closed=closing.how if closing is not None else None)
        assert answer is not None  # the table knows it
        return answer

    # -- by people ----------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        return self._page(request, await self._open(request))

    async def _press(self, request: web.Request) -> web.Response:
        opened = await self._open(request)
        try:
            typed = await read_typed(request)
            self._forms.check(request, (typed.get("proof") or [""])[0], *_shown(request, opened))
            _check_ticked(typed)
            headers = headers_of(request.headers)
            # What describes the page's form describes nothing that the flow gets.
            told = {name: value for name, value in headers.items() if not name.startswith("content-")}
            called = await self._take(request, opened, told, None)
        except Closed as error:
            opened = await self._open(request)
            return self._page(request, opened, answer=await self._answer(opened, error))
        except (InvalidForm, NotThisPage) as error:
            answer = answer_to(error)
            assert answer is not None  # the table knows both
            return self._page(request, opened, answer=answer, trouble=_sentence(answer, error))
        return self._done(opened, called)

    def _page(
        self, request: web.Request, opened: _Opened, *, answer: Answer | None = None, trouble: str | None = None
    ) -> web.Response:
        view, nonce = opened.view, self._forms.nonce(request)
        path = f"{self._drawing.root}/{opened.door}/{opened.token}"
        state, can_press = self._state(opened)
        response = self._drawing.page(
            "callback.html",
            answer=answer,
            flow=view.request.flow if view is not None else None,
            step=view.request.step if view is not None else None,
            ask=view.suspension.ask if view is not None else "",
            due=self._due(view) if view is not None and can_press else None,
            sent=[(name, _readable(value)) for name, value in query_of(request).items()],
            state=state,
            form=can_press,
            cancels=opened.cancels,
            title=answer.title if answer is not None else None,
            trouble=trouble,
            action=f"{path}/{PRESS}{f'?{raw}' if (raw := request.rel_url.raw_query_string) else ''}",
            proof=self._forms.proof(nonce, *_shown(request, opened)),
            tick=TICK,
        )
        self._forms.remember(response, nonce, path)
        leads_to = _redirect(view.wait.redirect) if view is not None and isinstance(view.wait, Callback) else None
        if can_press and leads_to is not None:
            # Chromium and WebKit hold where a form is redirected to against form-action too (w3c/webappsec-csp#8), and
            # wherever it is sent on to from there, which nobody here knows.
            response.headers["Content-Security-Policy"] = policy(forms_to=f"{URL(leads_to).scheme}:")
        return response

    def _state(self, opened: _Opened) -> tuple[str, bool]:
        """What there is to know, in one sentence, and whether the button would do something."""
        view = opened.view
        if view is None:
            early = "The step that gave this link away does not wait yet. What comes before it does is kept for it."
            return early, True
        suspension, kind = view.suspension, view.suspension.kind
        if kind not in _MACHINES:
            return "This waits for people, not for a machine.", False
        if suspension.closing is not None:
            used = view.callback
            return wording.used(used) if used is not None else wording.closed(suspension, view.people), False
        if kind is Kind.CALLBACK and suspension.overdue(self._clock.now()):
            return "The deadline has passed, so this is no longer open.", False
        if not opened.cancels and not _takes_nothing(view, self._clock.now()):
            return "A program has to send something here by POST, PUT or PATCH; a button cannot.", False
        return "This waits to be called.", True

    def _due(self, view: SuspensionView) -> str | None:
        due = view.suspension.due if view.suspension.kind is Kind.CALLBACK else None
        return f"{in_words(due, UTC)} ({from_now(due, self._clock.now())})" if due is not None else None

    # -- both ---------------------------------------------------------------------------------------------------

    async def _open(self, request: web.Request) -> _Opened:
        """The link that was called. Raises ``LinkInvalid`` and ``LinkExpired``, which are answered alike."""
        door = request.match_info["door"]
        # Mail gateways rewrite links, some of them encoding what was encoded already. A token has no % of its own.
        token = unquote(request.match_info["token"])
        link = self._links.open_machine(token, _DOORS[door])
        view = await self._engine.peek(link.run, link.n)
        self._links.check_machine(link, view)
        return _Opened(door, token, link, view)

    def _done(self, opened: _Opened, called: Called) -> web.Response:
        leads_to = _redirect(called.redirect)
        if leads_to is not None:
            return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": leads_to})
        title, said = _DONE[_status(opened, called)]
        return self._drawing.message(title, [said], status=_code(called))


def _status(opened: _Opened, called: Called) -> str:
    if called.kept:
        return "kept"
    return "cancelled" if opened.cancels else "resumed"


def _code(called: Called) -> int:
    return HTTPStatus.ACCEPTED if called.kept else HTTPStatus.OK


def _shown(request: web.Request, opened: _Opened) -> tuple[str, str]:
    """What the page was for: another link, or the same with another query, is another page."""
    return f"{opened.door}/{opened.token}", json.dumps(list(request.query.items()))


def _check_ticked(typed: Typed) -> None:
    """Raise ``InvalidForm`` where somebody, or something, only pressed the button."""
    if typed.get(TICK) != ["yes"]:
        raise InvalidForm({TICK: "Please tick the box first."})


def _takes_nothing(view: SuspensionView, now: datetime) -> bool:
    """Whether a request without a body is one that the flow takes."""
    try:
        if isinstance(view.wait, Callback):
            check_call(view.wait, Request(view.suspension.n, now, {"body": None}))
    except InvalidForm:
        return False
    return True


def _redirect(address: str | None) -> str | None:
    """Where a browser may be sent: an address of the web, and nothing that a browser would do instead."""
    try:
        url = URL(address or "")
    except ValueError:
        return None
    return str(url) if url.scheme in ("http", "https") and url.host else None


def _sentence(answer: Answer, error: InvalidForm | NotThisPage) -> str:
    return " ".join(error.fields.values()) if isinstance(error, InvalidForm) else sentence(answer, error)


def _readable(value: Json) -> str:
    return value if isinstance(value, str) else ", ".join(value)
