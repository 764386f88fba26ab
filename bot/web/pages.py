"""The pages for people. ``GET`` shows and changes nothing; the ``POST`` of the page that was shown decides.

No script is needed or allowed. Nothing is preselected: whoever only presses the button has decided nothing.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.links import PageLinks
from bot.people import People
from bot.web.approval_page import COMMENT, VERDICT, Trouble, approval_page
from bot.web.errors import Answer, BadRequest, NotThisPage, answer_to, sentence
from bot.web.widgets import Typed, values_of
from flows.clock import Clock
from flows.engine import Engine
from flows.errors import ChangedSinceShown, DecidedByYou, InvalidForm, LinkInvalid, Refused, TryAgain
from flows.links import INVALID, Keyring, Purpose
from flows.people import Person
from flows.run import Door, Verdict
from flows.store.connection import StoreError
from flows.views import SuspensionView

log = logging.getLogger(__name__)

COOKIE = "signoff_page"
_HERE = Path(__file__).parent
_NONCE = re.compile(r"[A-Za-z0-9_-]{22}")
_RUN = re.compile(r"run_[0-9a-z]{13}")
_MAX_FIELDS = 5_000  # a form has at most 100 fields, with at most 1,000 options each; nobody ticks them all
_VERDICTS = {verdict.value: verdict for verdict in Verdict}


class Pages:
    """The handlers of the pages, and the pages that errors get."""

    def __init__(
        self, engine: Engine, people: People, links: PageLinks, keyring: Keyring, clock: Clock, public_url: str
    ) -> None:
        self._engine = engine
        self._people = people
        self._links = links
        self._keyring = keyring
        self._clock = clock
        public = urlsplit(public_url)
        self._secure = public.scheme == "https"
        self._origin = f"{public.scheme}://{public.netloc}".lower()
        self._root = public.path.rstrip("/")
        """Where the pages begin for a browser: a proxy may serve them below a path of its own."""
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._style = (_HERE / "static" / "signoff.css").read_bytes()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._home),
            web.get("/runs/{run}", self._run),
            web.get("/a/{token}", self._show),
            web.post("/a/{token}", self._decide),
            web.get("/static/signoff.css", self._stylesheet),
        ]

    # -- the approval page --------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        token = _token(request)
        view, reader, _ = await self._open(token)
        return self._page(request, token, view, reader)

    async def _decide(self, request: web.Request) -> web.Response:
        self._check_same_origin(request)
        token = _token(request)
        view, reader, unsure = await self._open(token)
        typed = await _typed(request)
        try:
            digest = self._check_shown(request, token, typed)
        except NotThisPage as error:
            # Nothing of what came is kept: who knows who filled it in.
            return self._page(request, token, view, reader, error=error)
        try:
            if unsure is not None:
                raise unsure
            await self._engine.decide(
                view.run.id,
                view.suspension.n,
                reader.id,
                _verdict(typed),
                door=Door.PAGE,
                comment=(typed.get(COMMENT) or [""])[0],
                values=values_of(view.request.form, typed),
                digest=digest,
            )
        except (Refused, StoreError) as error:
            if isinstance(error, StoreError):
                log.exception("a decision could not be recorded")
            if error is not unsure:
                view, reader, _ = await self._open(token)
            return self._page(request, token, view, reader, error=error, typed=typed)
        raise web.HTTPSeeOther(f"{self._root}/a/{token}")

    async def _open(self, token: str) -> tuple[SuspensionView, Person, TryAgain | None]:
        """The approval that a link is for, its person, and why nobody can say now whether they are still there.

        Raises ``LinkInvalid``, ``LinkExpired``, or ``NotAllowed`` where the person has left Slack.
        """
        link = self._links.open(token)
        view = self._links.check_current(link, await self._engine.peek(link.run, link.n))
        reader = await self._people.by_id(link.person)
        if reader is None or view.step.wait is None:
            raise LinkInvalid(INVALID)
        try:
            return view, await self._people.present(reader), None
        except TryAgain as refusal:
            return view, reader, refusal

    def _page(
        self,
        request: web.Request,
        token: str,
        view: SuspensionView,
        reader: Person,
        *,
        error: Exception | None = None,
        typed: Typed | None = None,
    ) -> web.Response:
        answer, trouble = None, None
        if error is not None:
            closing = view.suspension.closing
            answer = answer_to(error, closed=closing.how if closing else None)
            assert answer is not None  # only errors that the table has come here
            trouble = _trouble(answer, error, typed)
        nonce = _nonce(request) or secrets.token_urlsafe(16)
        digest = view.suspension.digest.hex()
        response = self._render(
            "approval.html",
            answer,
            page=approval_page(view, reader, now=self._clock.now(), typed=typed, trouble=trouble),
            trouble=trouble,
            action=f"{self._root}/a/{token}",
            digest=digest,
            proof=self._keyring.bind(Purpose.FORM, token.encode(), digest.encode(), nonce.encode()),
        )
        # Only for this very page: who has three approvals open sends each with its own.
        response.set_cookie(
            COOKIE, nonce, path=f"{self._root}/a/{token}", httponly=True, samesite="Strict", secure=self._secure
        )
        return response

    # -- the form belongs to the page ---------------------------------------------------------------------------

    def _check_same_origin(self, request: web.Request) -> None:
        """Raise ``NotThisPage`` where the browser says that the form stood on somebody else's page."""
        site = request.headers.get("Sec-Fetch-Site", "same-origin").lower()
        origin = request.headers.get("Origin", "null").lower()
        # A page with Referrer-Policy: no-referrer sends "null" for its own forms too (Fetch, "append a request
        # Origin header"), so "null" says nothing; the cookie and the proof decide then.
        own = {"null", self._origin, f"{request.scheme}://{request.host}".lower()}
        if site != "same-origin" or origin not in own:
            raise NotThisPage("This came from another website, so it was not counted. Please use the page itself.")

    def _check_shown(self, request: web.Request, token: str, typed: Typed) -> bytes:
        """The digest of what this browser was shown at this address. Raises ``NotThisPage``."""
        nonce = _nonce(request)
        digest, proof = ((typed.get(name) or [""])[0] for name in ("digest", "proof"))
        bound = self._keyring.is_bound(
            proof, Purpose.FORM, token.encode(), digest.encode(errors="replace"), (nonce or "").encode()
        )
        if nonce is None or not bound:
            raise NotThisPage(
                "What was sent does not belong to this page as it was last opened in this browser, so it was not "
                "counted. If this happens again, allow cookies for this page."
            )
        return bytes.fromhex(digest)

    # -- other pages --------------------------------------------------------------------------------------------

    async def _home(self, _request: web.Request) -> web.Response:
        return self.message(
            "Signoff", ["This is Signoff. It asks people in Slack and by mail; follow the link that you were sent."]
        )

    async def _run(self, request: web.Request) -> web.Response:
        # Whether there is such a run is for its readers only, and a page does not know who reads it.
        run = request.match_info["run"]
        if not _RUN.fullmatch(run):
            raise web.HTTPNotFound
        return self.message(
            "A run of a flow",
            ["Its requester, its approvers and admins can look at it: in Slack, or with a token of theirs."],
            commands=[f"/approvals show {run}", f"signoff show {run}", f"GET {self._root}/api/v1/runs/{run}"],
        )

    async def _stylesheet(self, _request: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=3600"}
        return web.Response(body=self._style, content_type="text/css", charset="utf-8", headers=headers)

    def message(
        self, title: str, sentences: Sequence[str], *, commands: Sequence[str] = (), answer: Answer | None = None
    ) -> web.Response:
        """A page that says something, and nothing else."""
        return self._render("message.html", answer, title=title, sentences=sentences, commands=commands)

    def _render(self, template: str, answer: Answer | None, **values: object) -> web.Response:
        text = self._templates.get_template(template).render(root=self._root, **values)
        response = web.Response(text=text, status=answer.status if answer else 200, content_type="text/html")
        if answer is not None and answer.retry_after is not None:
            response.headers["Retry-After"] = str(int(answer.retry_after.total_seconds()))
        return response


def _token(request: web.Request) -> str:
    # Mail gateways rewrite links, some of them encoding what was encoded already. A token has no % of its own.
    return unquote(request.match_info["token"])


def _nonce(request: web.Request) -> str | None:
    nonce = request.cookies.get(COOKIE, "")
    return nonce if _NONCE.fullmatch(nonce) else None


async def _typed(request: web.Request) -> Typed:
    """What the form sent. Raises ``BadRequest`` where it is no form."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise BadRequest("This address takes the form of the page that it shows.")
    body = await request.read()
    try:
        return parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise BadRequest(f"A form may have at most {_MAX_FIELDS} values.") from None


def _verdict(typed: Typed) -> Verdict:
    """What was chosen. Raises ``InvalidForm`` where nothing was: silence is no verdict."""
    chosen = typed.get(VERDICT) or []
    if len(chosen) != 1 or chosen[0] not in _VERDICTS:
        raise InvalidForm({VERDICT: "is needed: please choose one."})
    return _VERDICTS[chosen[0]]


def _trouble(answer: Answer, error: Exception, typed: Typed | None) -> Trouble:
    if not isinstance(error, InvalidForm):
        # After a change the choice has to be made anew, for what is asked now; else what was said stays said.
        keeps = typed is not None and not isinstance(error, ChangedSinceShown | DecidedByYou)
        return Trouble(answer.title, sentence(answer, error), {}, choice=_choice(typed) if keeps else None)
    fields: Mapping[str, str] = error.fields
    text = "Nothing was counted yet. Please mend what is marked below, and send it again."
    return Trouble(answer.title, text, fields, choice=_choice(typed))


def _choice(typed: Typed | None) -> str | None:
    chosen = (typed or {}).get(VERDICT) or []
    return chosen[0] if len(chosen) == 1 else None
