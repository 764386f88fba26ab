"""The bot's HTTP server: pages, the JSON API, health, and whatever the composition root mounts besides."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.links import PageLinks
from bot.people import People
from bot.web.api import Api
from bot.web.bearer import Tokens
from bot.web.callbacks import Callbacks, is_callback, wants_page
from bot.web.drawing import policy
from bot.web.errors import FAULT, Answer, answer_to, answer_to_status, sentence
from bot.web.health import Check, Health
from bot.web.pages import Pages
from bot.web.replies import problem_of
from bot.web.verification import Verification
from flows.clock import Clock
from flows.delegation import Delegation
from flows.engine import Engine
from flows.errors import InvalidForm, Refused
from flows.links import Keyring
from flows.people import Person

log = logging.getLogger(__name__)

MAX_BODY = 1 << 20
"""Bytes of a request's body; more is refused with 413."""

_EVERYWHERE = {
    "Content-Security-Policy": policy(),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}
_NO_CHECKS: Mapping[str, Check] = MappingProxyType({})


def web_app(
    *,
    engine: Engine,
    people: People,
    links: PageLinks,
    keyring: Keyring,
    tokens: Tokens,
    clock: Clock,
    public_url: str,
    verification: Verification,
    on_delegated: Callable[[Delegation, Person | None], None] | None = None,
    checks: Mapping[str, Check] = _NO_CHECKS,
    routes: Iterable[web.AbstractRouteDef] = (),
) -> web.Application:
    """The application. ``verification`` is what personal pages ask for beyond their links; ``checks`` is what ``/readyz`` asks, by name; ``routes`` are mounted besides (Slack's events).
    ``on_delegated`` hears of approvals that were handed over through the API, and of ends, with who has ended them.

    Whoever runs it keeps the access log off: a link's address is as good as its person's signature.
    """
    pages = Pages(engine, people, links, keyring, clock, public_url, verification)
    app = web.Application(client_max_size=MAX_BODY, middlewares=[_answering(pages)])
    app.on_response_prepare.append(_harden)
    callbacks = Callbacks(engine, links, keyring, clock, public_url)
    api = Api(engine, people, tokens, links, on_delegated)
    app.add_routes([*pages.routes(), *callbacks.routes(), *api.routes(), *Health(checks).routes(), *routes])
    return app


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _EVERYWHERE.items():
        response.headers.setdefault(name, value)


def _answering(pages: Pages) -> Middleware:
    """The border: what is raised behind it leaves as a page for people, or as problem+json for programs."""

    @web.middleware
    async def answering(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            answer = answer_to_status(error.status)
            response = _answer(pages, request, answer, answer.detail or answer.title)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        except Exception as error:
            answer = answer_to(error) or FAULT
            if not isinstance(error, Refused) and answer.status >= 500:
                # The route, not the address: that may hold a link.
                log.exception("%s %s failed", request.method, _route(request))
            fields = error.fields if isinstance(error, InvalidForm) else None
            return _answer(pages, request, answer, sentence(answer, error), fields)

    return answering


def _answer(
    pages: Pages, request: web.Request, answer: Answer, detail: str, fields: dict[str, str] | None = None
) -> web.StreamResponse:
    if _is_program(request):
        return problem_of(answer, detail, fields=fields)
    return pages.message(answer.title, [detail], answer=answer)


def _is_program(request: web.Request) -> bool:
    if is_callback(request):
        return not wants_page(request)
    return request.path == "/api" or request.path.startswith("/api/")


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(no route)"
