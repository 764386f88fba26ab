"""The door for decisions in advance: ``/p/TOKEN`` for whatever comes first in a run, ``/p/TOKEN/STEP`` for one step.

``GET`` shows and changes nothing. Where an approval that this link is for is open by now, it leads to that one's page,
so that who decides sees what they decide. Else what is sent is kept, and counts once, unseen, where the flow allows it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from aiohttp import web

from bot.links import PageLinks
from bot.people import People
from bot.web import early_page
from bot.web.bound_forms import BoundForms
from bot.web.drawing import Drawing
from bot.web.early_page import Chances
from bot.web.errors import NotThisPage, answer_to
from bot.web.trouble import trouble_of
from bot.web.typed import read_typed
from bot.web.widgets import Typed
from flows.clock import Clock
from flows.engine import Engine
from flows.errors import LinkInvalid, NotAnApprover, Refused, SelfApproval, TryAgain, UnknownRun
from flows.links import INVALID, Keyring
from flows.people import Person
from flows.run import Door
from flows.store.connection import StoreError
from flows.views import RunView, SuspensionView

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A link that is good, and how things stand for its person.

    ``page`` is the approval whose page shows what can be decided now. ``refusal`` is why a decision certainly cannot
    count, ``unsure`` why nobody can say now whether the person is still there.
    """

    token: str
    step: str | None
    view: RunView
    reader: Person
    coming: Chances
    page: SuspensionView | None
    refusal: Refused | None
    unsure: TryAgain | None

    @property
    def path(self) -> str:
        return f"/p/{self.token}" + (f"/{self.step}" if self.step else "")


class EarlyPages:
    """The handlers of the door. What they raise is translated by the server's middleware."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        links: PageLinks,
        keyring: Keyring,
        clock: Clock,
        public_url: str,
        drawing: Drawing,
    ) -> None:
        self._engine = engine
        self._people = people
        self._links = links
        self._clock = clock
        self._drawing = drawing
        self._forms = BoundForms(keyring, public_url)

    def routes(self) -> list[web.RouteDef]:
        return [
            route
            for address in ("/p/{token}", "/p/{token}/{step}")
            for route in (web.get(address, self._show), web.post(address, self._decide))
        ]

    async def _show(self, request: web.Request) -> web.Response:
        opened = await self._open(request)
        if opened.page is not None:
            raise web.HTTPSeeOther(self._page_of(opened.page, opened.reader))
        return await self._page(request, opened)

    async def _decide(self, request: web.Request) -> web.Response:
        opened = await self._open(request)
        typed = await read_typed(request)
        try:
            self._forms.check(request, (typed.get("proof") or [""])[0], opened.path)
        except NotThisPage as error:
            # Nothing of what came is kept: who knows who filled it in.
            return await self._page(request, opened, error=error)
        try:
            for refusal in (opened.unsure, opened.refusal):
                if refusal is not None:
                    raise refusal
            verdict, comment = early_page.chosen(opened.coming, typed)
            counted = await self._engine.decide_early(
                opened.view.run.id, opened.reader.id, verdict, step=opened.step, door=Door.PAGE, comment=comment
            )
        except (Refused, StoreError) as error:
            if isinstance(error, StoreError):
                log.exception("a decision in advance could not be recorded")
            if error not in (opened.unsure, opened.refusal):
                opened = await self._open(request)
            return await self._page(request, opened, error=error, typed=typed)
        if counted:
            raise web.HTTPSeeOther(await self._page_where_it_counted(opened))
        raise web.HTTPSeeOther(f"{self._drawing.root}{opened.path}")

    async def _open(self, request: web.Request) -> _Opened:
        """Raises ``LinkInvalid`` and ``LinkExpired``, which are answered alike, and ``NotAllowed`` where the person has
        left Slack."""
        # Mail gateways rewrite links, some of them encoding what was encoded already. A token has no % of its own.
        token, step = unquote(request.match_info["token"]), request.match_info.get("step")
        step = unquote(step) if step is not None else None
        link = self._links.open_early(token, step)
        try:
            view = await self._engine.peek_run(link.run)
        except UnknownRun:
            raise LinkInvalid(INVALID) from None
        reader, unsure = await self._people.by_id(link.person), None
        if reader is None:
            raise LinkInvalid(INVALID)
        page, refusal = None, None
        coming = early_page.chances(view, step, self._clock.now())
        try:
            reader = await self._people.present(reader)
            page, refusal = await self._open_now(view, step, reader, coming)
        except TryAgain as error:
            unsure = error
        named = await self._may_be_named(view, coming, reader)
        refusal = early_page.certain_refusal(view, coming, reader.id, named=named) or refusal
        return _Opened(token, step, view, reader, coming, page, refusal, unsure)

    async def _open_now(
        self, view: RunView, step: str | None, reader: Person, coming: Chances
    ) -> tuple[SuspensionView | None, Refused | None]:
        """The approval that a decision would count for if it were sent now; or one that the person has decided, where
        nothing comes after it that this link could be for. Or why they may decide none of them, likewise.

        Raises ``TryAgain``.
        """
        mine, refused = [], None
        opened = early_page.opened(view, step, self._clock.now())
        for one in opened:
            try:
                await self._engine.check_may_decide(one, reader.id)
            except (NotAnApprover, SelfApproval) as refusal:
                refused = refusal
                continue
            if one.decision_of(reader.id) is None:
                return one, None
            mine.append(one)
        if coming.after(opened):
            return None, None
        return (mine[0], None) if mine else (None, refused)

    async def _may_be_named(self, view: RunView, coming: Chances, reader: Person) -> bool:
        """Whether the person may be one of those whom the coming approvals name, as far as that is known now."""
        handles = early_page.handles(view, coming)
        if handles is None:
            return True
        found = [await self._people.known(handle) for handle in sorted(handles)]
        # Whoever was never seen under a handle may turn out to be this person; and who is in a group is read later.
        return any(one is None or one.id == reader.id for one in found)

    async def _page_where_it_counted(self, opened: _Opened) -> str:
        view = await self._engine.peek_run(opened.view.run.id)
        mine = [(one, one.decision_of(opened.reader.id)) for one in view.suspensions]
        unseen = [(decision.place, one) for one, decision in mine if decision is not None and decision.unseen]
        return self._page_of(max(unseen, key=lambda found: found[0])[1], opened.reader)

    def _page_of(self, view: SuspensionView, reader: Person) -> str:
        return urlsplit(self._links.url(view, reader.id)).path

    async def _page(
        self, request: web.Request, opened: _Opened, *, error: Exception | None = None, typed: Typed | None = None
    ) -> web.Response:
        answer, trouble = None, None
        if error is not None:
            answer = answer_to(error)
            assert answer is not None  # only errors that the table has come here
            trouble = trouble_of(answer, error, typed)
        nonce = self._forms.nonce(request)
        path = f"{self._drawing.root}{opened.path}"
        run = opened.view.run
        page = early_page.early_page(
            opened.view,
            self._engine.ids.run(run.id),
            opened.coming,
            opened.reader,
            step=opened.step,
            now=self._clock.now(),
            refusal=opened.refusal,
            kept=await self._engine.kept(run.id, opened.reader.id, opened.step),
            typed=typed,
            trouble=trouble,
        )
        response = self._drawing.page(
            "early.html",
            answer=answer,
            page=page,
            trouble=trouble,
            action=path,
            proof=self._forms.proof(nonce, opened.path),
        )
        self._forms.remember(response, nonce, path)
        return response
