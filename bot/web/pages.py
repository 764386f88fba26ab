"""The pages for people. ``GET`` shows and changes nothing; the ``POST`` of the page that was shown decides.

No script is needed or allowed. Nothing is preselected: whoever only presses a button has decided nothing, and has taken
nothing back.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from aiohttp import web

from bot.links import PageLinks
from bot.people import People
from bot.web.approval_page import ANSWER, COMMENT, TAKE_BACK, approval_page, chosen
from bot.web.bound_forms import BoundForms
from bot.web.drawing import Drawing
from bot.web.early import EarlyPages
from bot.web.errors import Answer, NotThisPage, answer_to
from bot.web.trouble import trouble_of
from bot.web.typed import read_typed
from bot.web.verification import CODE, Verification
from bot.web.widgets import Typed, values_of
from flows.clock import Clock
from flows.definition import Approval, Hold
from flows.engine import Engine
from flows.errors import InvalidForm, LinkInvalid, Refused, TryAgain, UnknownRun
from flows.links import INVALID, Keyring
from flows.people import Person
from flows.run import Close, Door, Verdict, Verified
from flows.store.connection import StoreError
from flows.views import SuspensionView

log = logging.getLogger(__name__)

_STYLE = Path(__file__).parent / "static" / "signoff.css"
_RUN = re.compile(r"run_[0-9a-z]{13}")
_BACK, _QUESTIONS = "back", "questions"


class Pages:
    """The handlers of the pages, and the pages that errors get."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        links: PageLinks,
        keyring: Keyring,
        clock: Clock,
        public_url: str,
        verification: Verification,
    ) -> None:
        self._verification = verification
        self._engine = engine
        self._people = people
        self._links = links
        self._clock = clock
        self._forms = BoundForms(keyring, public_url)
        self._drawing = Drawing(public_url)
        self._early = EarlyPages(engine, people, links, keyring, clock, public_url, self._drawing)
        self._style = _STYLE.read_bytes()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._home),
            web.get("/runs/{run}", self._run),
            web.get("/a/{token}", self._show),
            web.post("/a/{token}", self._decide),
            web.post(f"/a/{{token}}/{_BACK}", self._take_back),
            web.post(f"/a/{{token}}/{_QUESTIONS}", self._answer_questions),
            # For who loads again what they were shown after sending one of these.
            web.get(f"/a/{{token}}/{_BACK}", self._show),
            web.get(f"/a/{{token}}/{_QUESTIONS}", self._show),
            *self._early.routes(),
            web.get("/static/signoff.css", self._stylesheet),
        ]

    # -- the approval page --------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        token = _token(request)
        view, reader, _ = await self._open(token)
        return await self._page(request, token, view, reader)

    async def _decide(self, request: web.Request) -> web.Response:
        return await self._answer(request, takes_back=False)

    async def _take_back(self, request: web.Request) -> web.Response:
        return await self._answer(request, takes_back=True)

    async def _answer(self, request: web.Request, *, takes_back: bool) -> web.Response:
        token = _token(request)
        view, reader, unsure = await self._open(token)
        typed = await read_typed(request)
        verified: Verified | None = None
        try:
            digest = self._check_shown(request, token, typed)
        except NotThisPage as error:
            # Nothing of what came is kept: who knows who filled it in.
            return await self._page(request, token, view, reader, error=error)
        try:
            if unsure is not None:
                raise unsure
            (verdict, option), verified = await self._collected(request, view, reader, typed, takes_back=takes_back)
            await self._engine.decide(
                view.run.id,
                view.suspension.n,
                reader.id,
                verdict,
                door=Door.PAGE,
                comment=None if takes_back else (typed.get(COMMENT) or [""])[0],
                values={} if takes_back else values_of(view.request.form, typed),
                option=option,
                digest=digest,
                verified=verified,
            )
        except (Refused, StoreError) as error:
            if isinstance(error, StoreError):
                log.exception("a decision could not be recorded")
            if error is not unsure:
                view, reader, _ = await self._open(token)
            # What is taken back was typed into another form than the answer.
            kept = None if takes_back else typed
            response = await self._page(request, token, view, reader, error=error, typed=kept, verified=verified)
            if verified is not None:
                # It was right, whatever else was not: nobody has to find the mail again for that.
                self._verification.remember(response, verified, view, reader, token)
            return response
        done = web.HTTPSeeOther(f"{self._drawing.root}/a/{token}" + ("?taken=back" if takes_back else ""))
        if verified is not None:
            self._verification.remember(done, verified, view, reader, token)
        raise done

    async def _answer_questions(self, request: web.Request) -> web.Response:
        """The requester answers what those who are asked want to know first."""
        token = _token(request)
        view, reader, unsure = await self._open(token)
        typed = await read_typed(request)
        try:
            self._check_shown(request, token, typed)
            if unsure is not None:
                raise unsure
            text = (typed.get(ANSWER) or [""])[0]
            await self._engine.answer(view.run.id, view.suspension.n, reader.id, text, door=Door.PAGE, as_admin=False)
        except NotThisPage as error:
            return await self._page(request, token, view, reader, error=error)
        except InvalidForm as error:
            problems = InvalidForm({ANSWER: "; ".join(error.fields.values())})
            return await self._page(request, token, view, reader, error=problems, typed=typed)
        except (Refused, StoreError) as error:
            if isinstance(error, StoreError):
                log.exception("an answer to a question could not be recorded")
            view, reader, _ = await self._open(token)
            return await self._page(request, token, view, reader, error=error, typed=typed)
        raise web.HTTPSeeOther(f"{self._drawing.root}/a/{token}")

    async def _collected(
        self, request: web.Request, view: SuspensionView, reader: Person, typed: Typed, *, takes_back: bool
    ) -> tuple[tuple[Verdict, str | None], Verified | None]:
        """The answer, and how the person has shown that it is theirs. Raises ``InvalidForm`` for what is missing of
        both at once; a code counts as tried only with a whole answer."""
        try:
            answer = _taken_back(typed) if takes_back else chosen(view, typed)
        except InvalidForm as error:
            missing = self._verification.missing(request, view, reader, typed)
            raise InvalidForm({**error.fields, **missing}) from None
        return answer, await self._verification.check(request, view, reader, typed)

    async def _open(self, token: str) -> tuple[SuspensionView, Person, TryAgain | None]:
        """The approval that a link is for, its person, and why nobody can say now whether they are still there.

        Raises ``LinkInvalid``, ``LinkExpired``, or ``NotAllowed`` where the person has left Slack.
        """
        link = self._links.open(token)
        view = self._links.check_current(link, await self._engine.peek(link.run, link.n))
        reader = await self._people.by_id(link.person)
        if reader is None or not isinstance(view.wait, Approval | Hold):
            raise LinkInvalid(INVALID)
        try:
            return view, await self._people.present(reader), None
        except TryAgain as refusal:
            return view, reader, refusal

    async def _page(
        self,
        request: web.Request,
        token: str,
        view: SuspensionView,
        reader: Person,
        *,
        error: Exception | None = None,
        typed: Typed | None = None,
        verified: Verified | None = None,
    ) -> web.Response:
        answer, trouble = None, None
        if error is not None:
            closing = view.suspension.closing
            answer = answer_to(error, closed=closing.how if closing else None)
            assert answer is not None  # only errors that the table has come here
            trouble = trouble_of(answer, error, typed)
        nonce, path, digest = self._forms.nonce(request), f"{self._drawing.root}/a/{token}", view.suspension.digest
        newer = await self._newer(view, reader)
        response = self._drawing.page(
            "approval.html",
            answer=answer,
            page=approval_page(view, reader, now=self._clock.now(), newer=newer, typed=typed, trouble=trouble),
            trouble=trouble,
            action=path,
            back=f"{path}/{_BACK}",
            questions=f"{path}/{_QUESTIONS}",
            taken_back=request.query.get("taken") == "back" and error is None,
            verify=self._verification.asked(
                request, view, reader, token, done=verified, error=trouble.fields.get(CODE) if trouble else None
            ),
            digest=digest.hex(),
            proof=self._forms.proof(nonce, token, digest.hex()),
        )
        self._forms.remember(response, nonce, path)
        return response

    async def _newer(self, view: SuspensionView, reader: Person) -> str | None:
        """The id of the run that took this one's place, where the reader may read it."""
        closing = view.suspension.closing
        if closing is None or closing.how is not Close.SUPERSEDED:
            return None
        run = self._engine.ids.parse_run(closing.reason or "")
        if run is None:
            return None
        try:
            await self._engine.run(run, reader.id)
        except (UnknownRun, TryAgain):
            return None
        return closing.reason

    def _check_shown(self, request: web.Request, token: str, typed: Typed) -> bytes:
        """The digest of what this browser was shown at this address. Raises ``NotThisPage``."""
        digest, proof = ((typed.get(name) or [""])[0] for name in ("digest", "proof"))
        self._forms.check(request, proof, token, digest)
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
        return self._drawing.page(
            "message.html",
            title="A run of a flow",
            sentences=["Its requester, its approvers and admins can look at it: in Slack, or with a token of theirs."],
            commands=[
                f"/approvals show {run}",
                f"signoff show {run}",
                f"GET {self._drawing.root}/api/v1/runs/{run}",
            ],
        )

    async def _stylesheet(self, _request: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=3600"}
        return web.Response(body=self._style, content_type="text/css", charset="utf-8", headers=headers)

    def message(self, title: str, sentences: Sequence[str], *, answer: Answer | None = None) -> web.Response:
        """A page that says something, and nothing else."""
        return self._drawing.message(title, sentences, answer=answer)


def _token(request: web.Request) -> str:
    # Mail gateways rewrite links, some of them encoding what was encoded already. A token has no % of its own.
    return unquote(request.match_info["token"])


def _taken_back(typed: Typed) -> tuple[Verdict, None]:
    """Raises ``InvalidForm`` where somebody, or something, only pressed the button."""
    if typed.get(TAKE_BACK) != ["yes"]:
        raise InvalidForm({TAKE_BACK: "Please tick the box first."})
    return Verdict.WITHDRAW, None
