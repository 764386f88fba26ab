"""The demo plays by itself: scripted people go through the shipped flows, over the same sockets as anybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rich.console import Console

from bot.demo.stage import Stage
from flows.views import RunView
from integrations.sandbox import Human, Page, Visitor
from integrations.sandbox.message import Message

Act = Callable[["Play"], Awaitable[None]]


class Wrong(Exception):
    """Something did not end as it should."""


class Play:
    """One performance: does what people do, tells it, and checks what comes of it."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self.stage = stage
        self._console = console

    def tell(self, text: str) -> None:
        self._console.print(f"  {text}", highlight=False, markup=False)

    def human(self, name: str) -> Human:
        return self.stage.human(name)

    async def start(self, who: str, flow: str, **inputs: str) -> int:
        """Somebody starts a flow; returns the run's number."""
        person = await self.stage.person(who)
        run, _ = await self.stage.app.engine.start(flow, person.id, inputs)
        self.tell(f"{person.name} starts {flow}: {self.stage.app.engine.ids.run(run.id)}")
        return run.id

    async def look(self, run: int) -> RunView:
        return await self.stage.app.engine.run(run, (await self.stage.person("eve")).id)

    async def waits(self, run: int, flow_says: str) -> None:
        """The run waits, with that progress."""
        view = await self.look(run)
        one = view.suspensions[-1]
        progress = f"{one.approvals} of {one.suspension.needed}"
        expect(
            view.status == "waiting" and progress == flow_says, f"waiting, {flow_says}", f"{view.status}, {progress}"
        )
        self.tell(f"the run waits: {progress}")

    async def ends(self, run: int, outcome: str) -> RunView:
        """The run ends like that; everything that it asked for has been done."""
        await self.stage.app.runner.idle()
        view = await self.look(run)
        expect(view.status == outcome, outcome, f"{view.status} {view.run.ending}")
        self.tell(f"the run has ended: {outcome}")
        return view

    async def mail(self, who: str, about: str) -> str:
        """Somebody gets a mail; returns the link in it."""
        mail = await self.human(who).gets_mail(about)
        links = [link for link in mail.links if "/a/" in link]
        expect(len(set(links)) == 1, "one personal link in the mail", f"{len(set(links))}")
        self.tell(f"{who.capitalize()} gets a mail: {mail.subject}")
        return links[0]

    async def by_mail(self, who: str, link: str, verdict: str, comment: str = "") -> Page:
        """Somebody opens their link and answers on the page."""
        async with Visitor() as visitor:
            page = await visitor.open(link)
            expect(page.status == 200, "the page opens", f"it answers {page.status}")
            if not page.forms:
                self.tell(f"{who.capitalize()} opens the link, too late: {_sentence(page)}")
                return page
            page = await visitor.send(page, {"verdict": verdict, **({"comment": comment} if comment else {})})
        self.tell(f"{who.capitalize()} opens the link, chooses {verdict}, and sends the page")
        return page

    async def card(self, who: str, about: str) -> Message:
        """Somebody sees a card."""
        card = await self.human(who).sees(about)
        self.tell(f"{who.capitalize()} sees a card in Slack: {about}")
        return card

    async def clicks(self, who: str, card: Message, button: str) -> None:
        await self.human(who).click(self.human(who).now(card), button)
        self.tell(f"{who.capitalize()} clicks {button}")

    async def told(self, who: str, text: str) -> None:
        await self.human(who).is_told(text)
        self.tell(f"{who.capitalize()} is told: ... {text} ...")


async def by_mail(play: Play) -> None:
    """W1: one of two approves by mail."""
    run = await play.start(
        "ann", "gmail_approval", subject="the new price list", first="bob@example.com", second="cat@example.com"
    )
    bobs, cats = await play.mail("bob", "price list"), await play.mail("cat", "price list")
    expect(bobs != cats, "a link of one's own for each", "the same link")
    await play.waits(run, "0 of 1")
    await play.by_mail("bob", bobs, "approve", "Looks right.")
    view = await play.ends(run, "succeeded")
    expect("Bob" in str(view.steps["hello"].output), "a hello that names Bob", str(view.steps["hello"].output))
    await play.by_mail("cat", cats, "approve")


async def two_by_mail(play: Play) -> None:
    """W2, W4: two of three approve by mail; Slack hears exactly who."""
    people = {"first": "bob@example.com", "second": "cat@example.com", "third": "dan@example.com"}
    run = await play.start("ann", "notify_approvers", subject="the office move", **people)
    links = {who: await play.mail(who, "office move") for who in ("bob", "cat", "dan")}
    await play.by_mail("cat", links["cat"], "approve")
    await play.waits(run, "1 of 2")
    await play.by_mail("dan", links["dan"], "approve")
    await play.ends(run, "succeeded")
    post = await play.human("eve").sees("was approved by")
    expect(
        f"<@{play.human('cat').id}>, <@{play.human('dan').id}>" in post.text and play.human("bob").id not in post.text,
        "exactly Cat and Dan, in that order",
        post.text,
    )
    play.tell("#general reads who approved: Cat, Dan")
    page = await play.by_mail("bob", links["bob"], "approve")
    expect(not page.forms, "no form any more", "a form")


async def vacation(play: Play) -> None:
    """K5: approved with a reason; booked, noted, told."""
    run = await play.start("ann", "vacation", **_vacation(play))
    card = await play.card("bob", "ann@example.com asks for vacation")
    await play.clicks("bob", card, "Approve")
    await play.human("bob").gets_modal("Reason")
    await play.human("bob").submit({"Reason": "Enjoy the sea!"})
    play.tell("Bob fills in the form: Enjoy the sea!")
    view = await play.ends(run, "succeeded")
    booked = [booking for booking in play.stage.bookings.made.values() if booking["reason"] == "Enjoy the sea!"]
    expect(len(booked) == 1 and booked[0]["employee"] == "ann@example.com", "one booking", str(booked))
    play.tell(f"the booking system has it: {booked[0]}")
    expect("Enjoy the sea!" in str(view.steps["note"].output), "a note with the reason", str(view.steps["note"].output))
    await play.human("ann").sees("is approved by")
    play.tell("Ann is told by direct message")


async def no_vacation(play: Play) -> None:
    """K6: rejected with a reason; nothing is booked, and Ann hears why."""
    before = len(play.stage.bookings.made)
    run = await play.start("ann", "vacation", **_vacation(play, start="2031-12-20", end="2031-12-31"))
    card = await play.card("bob", "2031-12-20")
    await play.clicks("bob", card, "Reject")
    await play.human("bob").gets_modal("Reason")
    await play.human("bob").submit({"Reason": "Everybody is away that week."})
    play.tell("Bob gives a reason: Everybody is away that week.")
    await play.ends(run, "rejected")
    await play.human("ann").sees("Everybody is away that week.")
    play.tell("Ann hears the reason")
    expect(len(play.stage.bookings.made) == before, "no booking", "a booking")
    play.tell("nothing was booked")


async def release(play: Play) -> None:
    """A quorum of two in a channel; one person clicking twice is one person."""
    run = await play.start("dan", "release", version="1.4.0", changes="Faster search.")
    card = await play.card("bob", "Release 1.4.0 to production?")
    await play.clicks("bob", card, "Approve")
    await play.waits(run, "1 of 2")
    await play.clicks("bob", card, "Approve")
    await play.told("bob", "already")
    await play.clicks("dan", card, "Approve")
    await play.told("dan", "your own request")
    await play.clicks("ann", card, "Approve")
    await play.told("ann", "not one of the people")
    await play.waits(run, "1 of 2")
    await play.clicks("cat", card, "Approve")
    await play.ends(run, "succeeded")
    post = await play.human("ann").sees("goes to production, approved by")
    expect(play.human("bob").id in post.text and play.human("cat").id in post.text, "Bob and Cat", post.text)
    play.tell("#releases reads: approved by Bob and Cat")
    expect(not play.human("bob").now(card).buttons(), "a card without buttons", "buttons")
    play.tell("the card shows who decided, and has no buttons any more")


ACTS: tuple[Act, ...] = (by_mail, two_by_mail, vacation, no_vacation, release)


async def play(stage: Stage) -> int:
    """All acts, told as they happen. Returns 0 only if every flow ended as it should."""
    console = Console(soft_wrap=True)
    failed = 0
    for act in ACTS:
        console.print(f"\n[bold]{(act.__doc__ or act.__name__).strip()}[/bold]")
        try:
            await act(Play(stage, console))
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the other acts are played and it is told
            failed += 1
            console.print(f"  [red]wrong:[/red] {type(error).__name__}: {error}", highlight=False)
    console.print(f"\n{len(ACTS) - failed} of {len(ACTS)} flows ended as they should.")
    return 1 if failed else 0


def expect(holds: bool, wanted: str, got: str) -> None:
    """Raise ``Wrong`` unless it holds."""
    if not holds:
        raise Wrong(f"expected {wanted}; got {got}")


def _vacation(play: Play, *, start: str = "2031-07-01", end: str = "2031-07-14") -> dict[str, str]:
    return {
        "employee": "ann@example.com",
        "manager": "bob@example.com",
        "start": start,
        "end": end,
        "booking_url": play.stage.booking_url,
    }


def _sentence(page: Page) -> str:
    at = page.text.find("decided")
    return page.text[max(0, at - 60) : at + 60].strip() if at >= 0 else page.text[:120]
