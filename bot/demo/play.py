"""What scripted people do on the demo's stage, over the same sockets as anybody.

Time passes when the play says so, and then by as much as it says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.demo.stage import Stage
from flows.ports import Json
from flows.testing import FakeClock
from flows.views import RunView, SuspensionView
from integrations.sandbox import Human, Page, Visitor
from integrations.sandbox.message import Message
from integrations.sandbox.view import View

STANDING = "You asked for this"
"""What stands on the requester's own message of a run, and on no card."""


class Wrong(Exception):
    """Something did not come out as it should."""


@dataclass(frozen=True)
class Act:
    """One flow, played once. ``comes_out`` says in one sentence what is seen in the end."""

    flow: str
    comes_out: str
    perform: Callable[[Play], Awaitable[None]]


class Play:
    """One performance of an act: does what people do, and checks what comes of it. ``told`` is how far it came."""

    def __init__(self, stage: Stage, clock: FakeClock) -> None:
        self.stage = stage
        self.clock = clock
        self.told: list[str] = []

    def tell(self, text: str) -> None:
        self.told.append(text)

    def human(self, name: str) -> Human:
        return self.stage.human(name)

    # -- runs ---------------------------------------------------------------------------------------------------

    async def start(self, who: str, flow: str, **inputs: object) -> int:
        """Somebody starts a flow, which goes as far as it goes; returns the run's number."""
        person = await self.stage.person(who)
        run, _ = await self.stage.app.engine.start(flow, person.id, inputs)
        self.tell(f"{person.name} starts {flow}: {self.stage.app.engine.ids.run(run.id)}")
        await self.stage.app.runner.idle()
        return run.id

    async def look(self, run: int) -> RunView:
        return await self.stage.app.engine.run(run, (await self.stage.person("eve")).id)

    async def waits(self, run: int, step: str, progress: str | None = None) -> SuspensionView:
        """The run waits at this step, where people are asked with that progress."""
        await self.stage.app.runner.idle()
        view = await self.look(run)
        open_ = [one for one in view.suspensions if one.open]
        said = [(one.suspension.path, f"{one.approvals} of {one.suspension.needed}") for one in open_]
        expect([path for path, _ in said] == [step], f"a wait at {step}", f"{view.status}, {said}")
        expect(progress in (None, said[0][1]), f"{progress}", said[0][1])
        self.tell(f"the run waits at {step}" + (f", {progress}" if progress else ""))
        return open_[0]

    async def ends(self, run: int, outcome: str) -> RunView:
        """The run ends like that; everything that it asked for has been done."""
        await self.stage.app.runner.idle()
        view = await self.look(run)
        expect(view.status == outcome, outcome, f"{view.status} {view.run.ending}")
        self.tell(f"the run has ended: {outcome}")
        return view

    async def time_passes(self, duration: str) -> None:
        """Let time pass; what is due then is done."""
        self.clock.advance(duration)
        await self.stage.app.runner.idle()
        self.tell(f"{duration} later")

    # -- mail ---------------------------------------------------------------------------------------------------

    async def link(self, who: str, about: str) -> str:
        """Somebody gets a mail; returns the one link in it that is theirs."""
        mail = await self.human(who).gets_mail(about)
        links = {link for link in mail.links if "/a/" in link or "/p/" in link}
        expect(len(links) == 1, "one personal link in the mail", f"{len(links)}")
        self.tell(f"{who.capitalize()} gets a mail: {mail.subject}")
        return links.pop()

    async def on_page(
        self, who: str, link: str, verdict: str, comment: str = "", *, code: str = "", refused: str | None = None
    ) -> Page:
        """Somebody opens their link and answers on the page, if it still asks; ``refused`` is why that does not count."""
        async with Visitor() as visitor:
            page = await visitor.open(link)
            expect(page.status == 200, "the page opens", f"it answers {page.status}")
            if not page.forms:
                self.tell(f"{who.capitalize()} opens the link, and is asked nothing any more")
                return page
            given = {"verdict": verdict, "comment": comment, "code": code}
            page = await visitor.send(page, {name: value for name, value in given.items() if value})
            if refused is not None:
                expect(page.status == 422 and page.shows(refused), refused, f"{page.status}: {page.text[:200]}")
            else:
                expect(page.status == 200, "the page takes it", f"it answers {page.status}: {page.text[:200]}")
        self.tell(f"{who.capitalize()} opens the link, chooses {verdict}, and sends the page")
        return page

    # -- Slack --------------------------------------------------------------------------------------------------

    async def card(self, who: str, about: str) -> Message:
        """Somebody sees a card: the newest about this, and not what the requester is shown of their own run."""
        card = await self._sees(who, about, lambda text: STANDING not in text)
        self.tell(f"{who.capitalize()} sees a card in Slack: {about}")
        return card

    async def standing(self, who: str, about: str) -> Message:
        """Somebody sees where their own request stands."""
        message = await self._sees(who, about, lambda text: STANDING in text)
        self.tell(f"{who.capitalize()} sees where the request stands: {about}")
        return message

    async def _sees(self, who: str, about: str, fits: Callable[[str], bool]) -> Message:
        human = self.human(who)

        def found() -> Message | None:
            texts = ((one, one.shown_text()) for one in reversed(human.messages()) if one.bot_id)
            return next((one for one, text in texts if about in text and fits(text)), None)

        return await self.stage.sandbox.until(found, what=f"{who} sees {about!r}")

    async def clicks(self, who: str, card: Message, button: str) -> None:
        await self.human(who).click(self.human(who).now(card), button)
        self.tell(f"{who.capitalize()} clicks {button}")

    async def chooses(self, who: str, card: Message, entry: str) -> None:
        """Somebody chooses from a card's menu."""
        await self.human(who).select(self.human(who).now(card), "more", entry)
        self.tell(f"{who.capitalize()} chooses {entry}")

    async def fills_in(self, who: str, about: str = "", /, **answers: Json) -> None:
        """Somebody fills in the form that has opened, and that shows ``about``; the names are those of its fields."""
        await self.human(who).gets_modal(about)
        await self.human(who).submit(answers)
        wrong = self.human(who).modal
        errors = wrong.errors if wrong is not None else {}
        expect(not errors, "the form is taken", f"it is not: {errors}")
        said = ", ".join(each for each in answers.values() if isinstance(each, str))
        self.tell(f"{who.capitalize()} sends the form{f': {said}' if said else ''}")

    async def replies(self, who: str, card: Message, text: str) -> None:
        """Somebody writes below a card."""
        await self.human(who).reply_in_thread(card, text)
        self.tell(f"{who.capitalize()} writes in the card's thread: {text}")

    async def answers_aside(self, who: str, whisper: str, button: str) -> None:
        """Somebody is told something that only they see, and presses a button on it."""
        await self.human(who).click(await self.human(who).is_told(whisper), button)
        self.tell(f"{who.capitalize()} is told: {whisper}; and clicks {button}")

    async def home(self, who: str, about: str) -> View:
        """Somebody opens their home tab, which shows this."""
        await self.human(who).open_home()
        home = await self.human(who).gets_home(about)
        self.tell(f"{who.capitalize()} opens the home tab: {about}")
        return home

    async def is_told(self, who: str, text: str) -> None:
        await self.human(who).is_told(text)
        self.tell(f"{who.capitalize()} is told: ... {text} ...")

    async def reads(self, who: str, text: str) -> Message:
        """Somebody reads a message."""
        message = await self.human(who).sees(text)
        self.tell(f"{who.capitalize()} reads: {message.text}")
        return message


def expect(holds: bool, wanted: str, got: str) -> None:
    """Raise ``Wrong`` unless it holds."""
    if not holds:
        raise Wrong(f"expected {wanted}; got {got}")
