"""What scripted people do on the demo's stage, over the same sockets as anybody.

Time passes when the play says so, and then by as much as it says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.demo.stage import Stage
from flows.testing import FakeClock
from flows.views import RunView, SuspensionView
from integrations.sandbox import Human, Page, Visitor
from integrations.sandbox.message import Message


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

    async def on_page(self, who: str, link: str, verdict: str, comment: str = "") -> Page:
        """Somebody opens their link and answers on the page, if it still asks."""
        async with Visitor() as visitor:
            page = await visitor.open(link)
            expect(page.status == 200, "the page opens", f"it answers {page.status}")
            if not page.forms:
                self.tell(f"{who.capitalize()} opens the link, and is asked nothing any more")
                return page
            page = await visitor.send(page, {"verdict": verdict, **({"comment": comment} if comment else {})})
            expect(page.status == 200, "the page takes it", f"it answers {page.status}: {page.text[:200]}")
        self.tell(f"{who.capitalize()} opens the link, chooses {verdict}, and sends the page")
        return page

    # -- Slack --------------------------------------------------------------------------------------------------

    async def card(self, who: str, about: str) -> Message:
        """Somebody sees a card."""
        card = await self.human(who).sees(about)
        self.tell(f"{who.capitalize()} sees a card in Slack: {about}")
        return card

    async def clicks(self, who: str, card: Message, button: str) -> None:
        await self.human(who).click(self.human(who).now(card), button)
        self.tell(f"{who.capitalize()} clicks {button}")

    async def fills_in(self, who: str, **answers: str) -> None:
        """Somebody fills in the form that has opened; the names are those of its fields."""
        await self.human(who).gets_modal()
        await self.human(who).submit(answers)
        wrong = self.human(who).modal
        expect(wrong is None, "the form is taken", f"it is not: {wrong.errors if wrong else ''}")
        self.tell(f"{who.capitalize()} fills in the form: {', '.join(answers.values())}")

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
