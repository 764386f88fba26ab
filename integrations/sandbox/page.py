"""The page on which one lives the sandbox: a small Slack client and mail program for everybody in it.

It is for the machine that it runs on. Requests under another host name are refused (a web site may point its name at
127.0.0.1), and so is whatever another site's page posts here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from integrations.sandbox.page_api import FlowList, PageApi, Start
from integrations.sandbox.screen import Screens
from integrations.sandbox.server import Sandbox

_STATIC = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
# A mail is somebody else's HTML: it may have style and links that open outside of it, and nothing else.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none';"
    " frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
# Links open beside the page, as in a mail program, and nothing that follows undoes it: the first base counts.
_MAIL_FRAME = (
    '<!doctype html><meta charset="utf-8"><base target="_blank">'
    "<style>body { margin: 18px 22px; font: 15px/1.5 Inter, 'Segoe UI', system-ui, sans-serif }</style>"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to try: a sentence, and where it can be done (``"?as=bob&open=dm"``; see ``SandboxPage.url``)."""

    text: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Guide:
    """The hint for a stranger: what this is, what to try first and what ``more`` there is, and what ``/commands`` the bot
    knows with what they do."""

    title: str
    lead: str
    steps: Sequence[Step] = ()
    more: Sequence[Step] = ()
    notes: str = ""
    commands: Mapping[str, str] | None = None


class SandboxPage:
    """Adds the page to a sandbox that has not been started yet; it is then served at ``sandbox.origin``.

    ``flows()`` says what can be started: a list of ``{"name", "title", "description", "fields"}``. A field has ``name``,
    ``type`` (string, integer, number, boolean, date, time, datetime, duration, select, multiselect, email, url, json,
    secret) and, where wanted, ``label``, ``description``, ``required`` (true unless said), ``default``, ``multiline``, and
    ``options`` (a list of texts or of ``{"value", "label"}``).

    ``await start(person, flow, values)`` starts one as that person (``"ann"``) and returns ``{"run": id, "url": page}``
    (``url`` may be left out), or ``{"errors": {field: sentence}}``, or ``{"error": sentence}``. Both may be called only
    once the bot is up.
    """

    def __init__(self, sandbox: Sandbox, *, flows: FlowList, start: Start, guide: Guide | None = None) -> None:
        self._sandbox = sandbox
        self._screens = Screens(sandbox)
        self._guide = guide
        api = PageApi(sandbox, self._screens, flows=flows, start=start)
        pages: dict[tuple[str, str], Handler] = {
            ("GET", "/"): self._index,
            ("GET", "/archives/{channel}/{message}"): self._permalink,
            ("GET", "/_sandbox/static/{name}"): self._file,
            ("GET", "/_sandbox/mail/{person}/{mail}"): self._mail,
            ("GET", "/_sandbox/guide"): self._hint,
            **{(method, f"/_sandbox/api/{name}"): handler for (method, name), handler in api.routes().items()},
        }
        for (method, path), handler in pages.items():
            sandbox.routes.append(web.route(method, path, _guarded(handler)))

    def url(self, **view: str) -> str:
        """The page's address. ``as``: who is looking (``"bob"``).

        ``open``: ``dm`` (the bot's direct message), ``home``, ``mail``, or a channel's name or id; ``at``: a message's ts;
        ``mail``: a mail's id; ``flow``: the form of a flow, or an empty text for the list of all.
        """
        return f"{self._sandbox.origin}/" + (f"?{urlencode(view)}" if view else "")

    async def _index(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(
            _STATIC / "index.html", headers={**_HEADERS, "Content-Type": "text/html; charset=utf-8"}
        )

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = _STATIC / request.match_info["name"]
        if path.parent != _STATIC or path.suffix not in _TYPES or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers={**_HEADERS, "Content-Type": f"{_TYPES[path.suffix]}; charset=utf-8"})

    async def _hint(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(asdict(self._guide) if self._guide is not None else None)

    async def _mail(self, request: web.Request) -> web.StreamResponse:
        person = request.match_info["person"]
        mail = self._screens.mail(person, request.match_info["mail"]) if person in self._sandbox.people else None
        if mail is None:
            raise web.HTTPNotFound
        headers = {**_HEADERS, "Content-Security-Policy": _MAIL_POLICY}
        text = _MAIL_FRAME + mail.html
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def _permalink(self, request: web.Request) -> web.StreamResponse:
        """What ``chat.getPermalink`` answered: the page at that message; a direct message, as the person that it is of."""
        found = re.fullmatch(r"p(\d+)(\d{6})", request.match_info["message"])
        channel = request.match_info["channel"]
        home = next((home for home in self._sandbox.workspaces.values() if channel in home.channels), None)
        if home is None or found is None:
            raise web.HTTPNotFound(text="there is no such message")
        view = {"open": channel, "at": f"{found[1]}.{found[2]}"}
        if thread := request.query.get("thread_ts"):
            view["thread"] = thread
        place = home.channels[channel]
        # Anybody can look at a channel of the first workspace; elsewhere one has to be somebody who is there.
        readers = [] if home is self._sandbox.workspace and not place.is_im else place.members
        people = self._sandbox.people.items()
        reader = next((name for name, each in people if each.workspace is home and each.id in readers), None)
        raise web.HTTPFound("/?" + urlencode(view | ({"as": reader} if reader is not None else {})))


def _guarded(handler: Handler) -> Handler:
    async def guard(request: web.Request) -> web.StreamResponse:
        if not _is_loopback(request.host):
            raise web.HTTPForbidden(text="this page answers at localhost only")
        if request.method == "POST" and not _is_own(request):
            raise web.HTTPForbidden(text="this comes from another site's page")
        return await handler(request)

    return guard


def _is_loopback(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False


def _is_own(request: web.Request) -> bool:
    """Whether a POST comes from this page, or from no page at all. Browsers always say where a POST comes from."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    return (origin is None or origin == f"http://{request.host}") and site in ("same-origin", "none")
