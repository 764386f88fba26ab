"""Takes the pictures of the README and of these pages from the demo itself, in Chromium: ``python docs/pictures/make.py``.

Run it after a change of what people see, look at the pictures, and commit them with the change. It wants Chromium, and
the fonts Inter and Noto Color Emoji (Debian: chromium, fonts-inter, fonts-noto-color-emoji).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from playwright.async_api import Browser, FloatRect, Locator, Page, async_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bot.demo.stage import Stage, stage
from flows.clock import SystemClock
from flows.testing import FakeClock

HERE = Path(__file__).resolve().parent

LARGEST = 200 * 1024
"""Bytes: a README that loads slowly is not read."""

# A sandboxed frame gets a process of its own, which knows nothing of the tab's device scale factor: a blurred mail.
_ARGUMENTS = ["--no-sandbox", "--hide-scrollbars", "--disable-features=IsolateSandboxedIframes"]
_TICK = timedelta(milliseconds=50)
# Modals are as high as what they hold, where a window would let one scroll.
_WHOLE = ".modal { max-height: none !important } .newer, .toasts { display: none !important }"


async def main() -> None:
    """Act a little on the demo's stage, and take each picture when its scene is there."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    logging.disable(logging.WARNING)  # a bad day is among the scenes
    clock = FakeClock(SystemClock().now())
    async with async_playwright() as playwright, stage(clock=clock) as demo, _ticking(clock) as still:
        browser = await playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        studio = Studio(browser, demo, clock, still, await _tab(browser, width=952, height=1400))
        for scene in (_begin, _release, _inbox, _asking, _hotfix, _mails, _again, _starting, _away, _bad_day, _install):
            await scene(studio)
        await browser.close()
    for picture in sorted(HERE.glob("*.png")):
        size = picture.stat().st_size
        sys.stdout.write(f"{picture.name:20} {size / 1024:6.0f} KiB{'  too large' if size > LARGEST else ''}\n")


@asynccontextmanager
async def _ticking(clock: FakeClock) -> AsyncIterator[asyncio.Lock]:
    """Time passes as it does, and at a word of a scene faster. While somebody holds the lock, it stands still."""
    still = asyncio.Lock()

    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK.total_seconds())
            async with still:
                clock.advance(_TICK)

    ticking = asyncio.create_task(tick())
    try:
        yield still
    finally:
        ticking.cancel()


async def _tab(
    browser: Browser, *, width: int, height: int, scale: float = 1.5, dark: bool = False, guide: bool = False
) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        timezone_id="Europe/Berlin",
        bypass_csp=True,
    )
    if not guide:
        await context.add_init_script("if (location.port) localStorage.setItem('guide', 'closed')")
    context.set_default_timeout(8_000)
    return await context.new_page()


class Studio:
    """The tab in which people act, and what is done there again and again."""

    def __init__(self, browser: Browser, demo: Stage, clock: FakeClock, still: asyncio.Lock, page: Page) -> None:
        self.browser = browser
        self.demo = demo
        self.clock = clock
        self.still = still
        self.page = page

    async def open(self, who: str, place: str, page: Page | None = None, **view: str) -> None:
        """Be somebody, somewhere."""
        page = page or self.page
        await page.goto(self.demo.page.url(**{"as": who, "open": place, **view}))
        await page.wait_for_selector(f"body[data-ready='{who}']")
        await page.add_style_tag(content=_WHOLE)
        await page.evaluate("document.fonts.ready")
        await page.mouse.move(0, 0)

    async def start(self, who: str, flow: str, title: str, **values: str) -> None:
        """Start a flow, as its form is filled in, or with these values by label."""
        await self.open(who, "dm", flow=flow)
        form = self.page.get_by_role("form", name=title)
        for label, value in values.items():
            await form.get_by_label(label.replace("_", " "), exact=True).fill(value)
        await form.get_by_role("button", name="Start").click()
        await self.page.locator(".toast", has_text="has started").wait_for(state="attached")

    async def passes(self, duration: str) -> None:
        """Let time pass; what is due then is done."""
        self.clock.advance(duration)
        await self.demo.app.runner.idle()

    def message(self, text: str, *, like: str = "") -> Locator:
        """The newest message that shows this."""
        found = self.page.locator(".log .message:not(.whisper)", has_text=text)
        return (found.filter(has_text=like) if like else found).last

    @property
    def whisper(self) -> Locator:
        return self.page.locator(".whisper").last

    @property
    def modal(self) -> Locator:
        return self.page.get_by_role("dialog")

    async def choose(self, card: Locator, entry: str) -> None:
        """Something of a card's menu."""
        await card.get_by_label("More actions").click()
        await card.get_by_role("button", name=entry).click()

    async def command(self, who: str, text: str) -> None:
        """Type a command in an empty channel."""
        await self.open(who, "vacation")
        field = self.page.get_by_label("Message #vacation")
        await field.fill(text)
        await field.press("Enter")

    async def send(self, *, close: bool = False) -> None:
        """Send the modal, or leave it."""
        await self.modal.locator("footer button").nth(0 if close else -1).click()

    async def leave(self) -> None:
        """Close whatever is open."""
        await self.modal.get_by_role("button", name="Close", exact=True).first.click()
        await self.modal.wait_for(state="detached")

    async def take(self, name: str, what: Locator) -> None:
        """A picture of this."""
        await self.page.mouse.move(0, 0)
        await what.screenshot(path=HERE / f"{name}.png")

    async def take_modal(self, name: str, text: str) -> None:
        """A picture of the modal once it shows this."""
        await self.modal.get_by_text(text).first.wait_for()
        # What was clicked last has the focus, and a frame around it that says nothing in a picture.
        await self.page.evaluate("document.activeElement.blur()")
        await self.take(name, self.modal)


# -- the scenes, in their order -----------------------------------------------------------------------------------


async def _begin(s: Studio) -> None:
    await s.demo.small_talk()
    await s.start("dan", "release", "Release to production")
    await s.start("ann", "vacation", "Vacation request")
    await s.start("ann", "notify_approvers", "Approval by mail, announced in Slack")


async def _release(s: Studio) -> None:
    """One of two has approved: what the card is for. Its thread, why it is there, and the whole of the demo."""
    await s.open("bob", "releases")
    card = s.message("Release 1.4.0 to production?")
    await card.get_by_role("button", name="Approve").click()
    await card.get_by_text("1 of 2").wait_for()
    await s.open("cat", "releases")
    await card.get_by_text("1 of 2").wait_for()
    await card.locator("[data-action=replies]").wait_for()
    await s.take("card", card)
    demo = await _tab(s.browser, width=1280, height=800, scale=1, guide=True)
    await s.open("cat", "releases", demo)
    await demo.get_by_text("1 of 2").wait_for()
    await demo.screenshot(path=HERE / "demo.png")
    await s.choose(card, "Explain")
    await s.take_modal("explain", "What happens at the deadline")
    await s.leave()
    await s.choose(card, "Remind me later")
    await s.take_modal("snooze", "Remind me later")
    await s.leave()
    await s.choose(card, "Ask somebody else")
    await s.take_modal("reassign", "Who is to be asked")
    await s.leave()
    await s.open("eve", "releases")
    await s.choose(card, "Let it go on undecided")
    await s.take_modal("break-glass", "Reason")
    await s.leave()


async def _inbox(s: Studio) -> None:
    """A home tab: what waits, what was asked for, what was decided; several answered at once."""
    await s.start("bob", "refund", "Refund request", Who_decides="cat@example.com")
    await s.open("bob", "home")
    home = s.page.locator(".home")
    await home.get_by_text("asks for vacation").first.wait_for()
    await home.get_by_text("1 of 2").first.wait_for()
    await s.page.evaluate("document.querySelector('.home').style.flex = 'none'")
    await s.take("home", home)
    await s.start("dan", "release", "Release to production", Version="1.5.0", What_changes="A new start page.")
    await s.open("cat", "home")
    for text in ("Release 1.4.0", "Release 1.5.0"):
        await home.locator(".section", has_text=text).get_by_label("Select").check()
    await home.get_by_role("button", name="Decide selected").click()
    await s.modal.get_by_label("Approve", exact=True).check()
    await s.take_modal("selected", "Your answer to all of them")
    await s.send()
    await s.take_modal("results", "All 2 counted.")
    await s.leave()


async def _asking(s: Studio) -> None:
    """The modals that take an answer, and what a word in a thread leads to."""
    await s.open("bob", "dm")
    card = s.message("asks for vacation")
    await card.get_by_role("button", name="Approve").click()
    await s.modal.get_by_label("Reason").fill("Enjoy the sea!")
    await s.take_modal("modal", "Reason")
    await s.leave()
    await s.open("ann", "dm")
    await s.take("request", s.message("You asked for this", like="Vacation request"))
    await s.message("You asked for this", like="Vacation request").get_by_role("button", name="Withdraw").click()
    await s.take_modal("withdraw", "Withdraw")
    await s.leave()


async def _hotfix(s: Studio) -> None:
    """Risk, a table, a question that stops the clock, and ten seconds to undo."""
    await s.start("ann", "hotfix", "Hotfix to production")
    await s.open("cat", "releases")
    card = s.message("Ship 1.4.1")
    await s.choose(card, "Ask a question")
    await s.modal.get_by_label("Your question").fill("Has anybody tried it on staging?")
    await s.take_modal("question", "Your question")
    await s.send()
    await card.get_by_text("clock stopped").wait_for()
    await s.take("card-risk", card)
    await s.open("ann", "dm")
    note = s.message("asks about")
    await note.wait_for()
    await s.take("note-question", note)
    await note.get_by_role("button", name="Answer").click()
    await s.modal.get_by_label("Your answer").fill("Yes, for ten minutes.")
    await s.take_modal("answer", "Your answer")
    await s.send()
    await s.modal.wait_for(state="detached")
    await s.passes("1m")
    await s.open("bob", "dm")
    reminder = s.message("still waits")
    await reminder.wait_for()
    await s.take("reminder", reminder)
    await s.open("bob", "releases")
    await card.get_by_role("button", name="Approve").click()
    await card.get_by_text("1 of 2").wait_for()
    await s.page.set_viewport_size({"width": 1100, "height": 1120})
    await s.open("cat", "releases")
    await card.locator("[data-action=replies]").click()
    thread = s.page.get_by_role("region", name="Thread")
    await thread.get_by_label("Reply in this thread").fill("looks good to me")
    await thread.get_by_label("Reply in this thread").press("Enter")
    yes = thread.get_by_role("button", name="Yes, approve")
    await yes.wait_for()
    await thread.evaluate("node => { node.closest('.beside').style.width = '460px' }")
    await s.take("thread", thread)
    await yes.click()
    await card.get_by_role("button", name="Undo").wait_for()
    await s.page.set_viewport_size({"width": 952, "height": 1400})
    await s.open("cat", "releases")
    await s.take("card-undo", card)
    await s.passes("10s")
    await card.get_by_text("Approved by").wait_for()
    await s.take("card-closed", card)


async def _mails(s: Studio) -> None:
    """What comes by mail, and the page behind it."""
    link = await _letter(s, "mail", "bob", "May this go ahead")
    await _letter(s, "mail-dark", "bob", "May this go ahead", dark=True)
    await s.open("ann", "dm")
    await s.message("You asked for this", like="Approval by mail").get_by_role("button", name="Nudge").click()
    await s.whisper.get_by_text("Nudged").wait_for()
    await s.demo.human("cat").gets_mail("asks you to have a look")
    await _letter(s, "mail-nudge", "cat", "May this go ahead")
    await _pages(s, link)
    for who in ("bob", "cat"):
        await s.open(who, "home")
        asked = s.page.locator(".home .section", has_text="May this go ahead").first
        name = str(await asked.get_attribute("data-block")).partition(":")[2]
        await s.page.locator(f"[data-block='mine:{name}']").get_by_role("button", name="Approve").click()
        await s.page.locator(".home", has_text="Counted").wait_for()
    await s.passes("5m")
    await s.demo.human("dan").gets_mail("Approved by")
    await _letter(s, "mail-closed", "dan", "May this go ahead")
    await s.start("ann", "contract", "Sign a contract")
    signing = await _letter(s, "mail-code", "dan", "Sign the contract")
    page = await _tab(s.browser, width=760, height=900)
    await page.goto(signing)
    await page.screenshot(path=HERE / "page-code.png", full_page=True)
    await s.command("eve", "/approvals digest 1h")
    await s.whisper.get_by_text("one mail each 1h").wait_for()
    ann = await s.demo.person("ann")
    people = {"first": "eve@example.com", "second": "gil@partner.example"}
    async with s.still:  # or else the first of them goes out by itself
        for subject in ("the office move", "the summer party"):
            await s.demo.app.engine.start("gmail_approval", ann.id, {"subject": subject, **people})
        await s.demo.app.runner.idle()
    await s.passes("1h")  # it goes out on the hour
    await s.demo.human("eve").gets_mail("2 requests wait for you")
    await _letter(s, "mail-digest", "eve", "")


async def _letter(s: Studio, name: str, who: str, subject: str, *, dark: bool = False) -> str:
    """The newest mail with this subject; returns the first personal link in it."""
    page = await _tab(s.browser, width=1180, height=1300, dark=dark)
    await s.open(who, "mail", page)
    await page.locator(".mail", has_text=subject).first.click()
    letter = page.frame_locator("iframe")
    # The frame is as high as the window; the picture ends where the mail does.
    end = await _box(letter.locator(".paper"))
    frame = await _box(page.locator(".letter iframe" if dark else ".letter"))
    await page.screenshot(
        path=HERE / f"{name}.png", clip={**frame, "height": end["y"] + end["height"] + 24 - frame["y"]}
    )
    address = await letter.locator("a[href*='/a/']").first.get_attribute("href")
    await page.context.close()
    assert address is not None  # a link without an address is none
    return address


async def _pages(s: Studio, link: str) -> None:
    """The approval page as it is opened, on a desk and on a phone."""
    for name, width in (("page", 760), ("page-phone", 390)):
        page = await _tab(s.browser, width=width, height=800, scale=1.25)
        await page.goto(link)
        await page.evaluate("document.fonts.ready")
        await page.screenshot(path=HERE / f"{name}.png", full_page=True)


async def _again(s: Studio) -> None:
    """A rejection with its reason, and the request that is asked for anew."""
    await s.open("bob", "dm")
    await s.message("asks for vacation").get_by_role("button", name="Reject").click()
    await s.modal.get_by_label("Reason").fill("Everybody is away that week.")
    await s.take_modal("reject", "Reason")
    await s.send()
    await s.modal.wait_for(state="detached")
    await s.open("ann", "dm")
    message = s.message("You asked for this", like="Vacation request")
    await message.get_by_role("button", name="Edit and resubmit").wait_for()
    await s.take("request-rejected", message)
    await message.get_by_role("button", name="Edit and resubmit").click()
    await s.take_modal("resubmit", "A new version of")
    await s.leave()


async def _starting(s: Studio) -> None:
    """The shortcuts, and the words of the command."""
    await s.open("ann", "general")
    await s.page.get_by_label("Shortcuts").click()
    await s.page.get_by_role("button", name="Start a flow Choose").click()
    await s.modal.get_by_label("Which one").select_option(label="Vacation request")
    await s.take_modal("start", "Which one")
    await s.leave()
    said = s.message("coffee machine")
    await said.hover()
    await said.get_by_label("Message menu").click()
    await said.get_by_role("button", name="Ask approval for this").click()
    for name in ("Bob Baker", "Cat Carter"):
        await s.modal.get_by_label(name).check()
    await s.take_modal("ask", "How long they have")
    await s.leave()
    await s.command("dan", "/approvals")
    await s.whisper.get_by_text("Waiting for you").wait_for()
    await s.take("list", s.whisper)


async def _away(s: Studio) -> None:
    """Handing approvals over, and what the other one hears."""
    today = s.clock.now().date()
    await s.command("bob", "/approvals delegate")
    await s.modal.get_by_label("Who answers for you").select_option(label="Cat Carter")
    await s.modal.get_by_label("Until and including").fill(str(today + timedelta(days=14)))
    await s.take_modal("delegate", "Hand your approvals over")
    await s.send()
    await s.modal.wait_for(state="detached")
    await s.open("cat", "dm")
    note = s.message("has handed their approvals over to you")
    await note.wait_for()
    await s.take("note-delegate", note)


async def _bad_day(s: Studio) -> None:
    """A channel is archived while a card waits there."""
    await s.start("ann", "release", "Release to production", Version="1.6.0")
    channel = s.demo.sandbox.workspace.channel_named("releases")
    assert channel is not None  # it is one of the default cast's
    await s.demo.sandbox.archive(channel.id)
    await s.open("eve", "dm")
    note = s.message("#releases is archived")
    await note.wait_for()
    await s.take("note-admin", note)
    await s.demo.sandbox.unarchive(channel.id)


async def _install(s: Studio) -> None:
    """An admin's page, before Slack asks."""
    await s.open("eve", "home")
    await s.page.get_by_role("button", name="Install in a workspace").click()
    await s.modal.get_by_text("for you alone").wait_for()
    async with s.page.context.expect_page() as opened:
        await s.modal.get_by_role("button", name="Open the page").click()
    page = await opened.value
    await page.set_viewport_size({"width": 760, "height": 360})
    await page.screenshot(path=HERE / "install.png", full_page=True)


async def _box(what: Locator) -> FloatRect:
    box = await what.bounding_box()
    assert box is not None  # it was waited for
    return box


if __name__ == "__main__":
    asyncio.run(main())
