"""Takes the pictures of the README and of these pages from the demo itself, in Chromium: ``python docs/pictures/make.py``.

Run it after a change of what people see, look at the pictures, and commit them with the change. It wants Chromium, and
the fonts Inter and Noto Color Emoji (Debian: chromium, fonts-inter, fonts-noto-color-emoji).
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

from playwright.async_api import Browser, FloatRect, Locator, Page, async_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bot.demo.stage import Stage, stage

HERE = Path(__file__).resolve().parent

LARGEST = 200 * 1024
"""Bytes: a README that loads slowly is not read."""

# A sandboxed frame gets a process of its own, which knows nothing of the tab's device scale factor: a blurred mail.
_ARGUMENTS = ["--no-sandbox", "--hide-scrollbars", "--disable-features=IsolateSandboxedIframes"]


async def main() -> None:
    """Act a little on the demo's stage, and take each picture when its scene is there."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright, stage() as demo:
        browser = await playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        desk = await _tab(browser, width=1440, height=860)
        await _start(desk, demo, "dan", "release", "Release to production")
        await _start(desk, demo, "ann", "vacation", "Vacation request")
        await _start(desk, demo, "ann", "notify_approvers", "Approval by mail, announced in Slack")
        await _card(desk, demo)
        await _thread(desk, demo)
        await _explain(desk, demo)
        await _demo(browser, demo)
        await _home(browser, demo)
        await _request(desk, demo)
        await _modal(await _tab(browser, width=1900, height=860), demo)
        cats, bobs = await _link(desk, demo, "cat"), await _mail(desk, demo)
        await _mail(await _tab(browser, width=1440, height=860, dark=True), demo, name="mail-dark")
        await _approve(desk, cats)
        await _pages(browser, bobs)
        await browser.close()
    for picture in sorted(HERE.glob("*.png")):
        size = picture.stat().st_size
        sys.stdout.write(f"{picture.name:16} {size / 1024:6.0f} KiB{'  too large' if size > LARGEST else ''}\n")


async def _tab(browser: Browser, *, width: int, height: int, scale: float = 2, dark: bool = False) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        color_scheme="dark" if dark else "light",
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    return await context.new_page()


async def _open(page: Page, demo: Stage, **view: str) -> None:
    await page.goto(demo.page.url(**view))
    await page.wait_for_selector(f"body[data-ready={view['as']}]")


async def _start(page: Page, demo: Stage, who: str, flow: str, title: str) -> None:
    await _open(page, demo, **{"as": who, "flow": flow})
    await page.get_by_role("form", name=title).get_by_role("button", name="Start").click()
    await page.get_by_text(f"{title} has started").wait_for()


async def _card(page: Page, demo: Stage) -> None:
    """One of two has approved: what the card is for."""
    await _open(page, demo, **{"as": "bob", "open": "releases"})
    card = page.locator(".message", has_text="Release 1.4.0 to production?")
    await card.get_by_role("button", name="Approve").click()
    await card.get_by_text("1 of 2").wait_for()
    await _open(page, demo, **{"as": "cat", "open": "releases"})
    await card.get_by_text("1 of 2").wait_for()
    await page.mouse.move(0, 0)
    box = await _box(card)
    await _take(page, "card", {**box, "width": min(box["width"], 640)})


async def _thread(page: Page, demo: Stage) -> None:
    """What the card's thread says of that decision."""
    await _open(page, demo, **{"as": "cat", "open": "releases"})
    card = page.locator(".message", has_text="Release 1.4.0 to production?").first
    await card.locator("[data-action=replies]").click()
    thread = page.get_by_role("region", name="Thread")
    await thread.get_by_text("approved").first.wait_for()
    await page.mouse.move(0, 0)
    await _take(page, "thread", await _box(thread))


async def _explain(page: Page, demo: Stage) -> None:
    """Why the card is there, for somebody who is asked."""
    await _open(page, demo, **{"as": "cat", "open": "releases"})
    card = page.locator(".message", has_text="Release 1.4.0 to production?").first
    await card.get_by_label("More actions").click()
    await card.get_by_role("button", name="Explain").click()
    modal = page.get_by_role("dialog")
    await modal.get_by_text("Why you see this").wait_for()
    await _take(page, "explain", _around(await _box(modal), 12))
    await modal.get_by_role("button", name="Close").first.click()
    await modal.wait_for(state="detached")


async def _home(browser: Browser, demo: Stage) -> None:
    """An inbox: something that waits, and something that was decided."""
    page = await _tab(browser, width=1180, height=900, scale=1.5)
    await _open(page, demo, **{"as": "bob", "open": "home"})
    home = page.locator(".home")
    await home.get_by_role("heading", name="Waiting for you").wait_for()
    await home.get_by_text("asks for vacation").wait_for()
    await page.mouse.move(0, 0)
    box = await _box(home)
    await _take(page, "home", {**box, "width": min(box["width"], 760)})


async def _request(page: Page, demo: Stage) -> None:
    """What Ann sees of her own request."""
    await _open(page, demo, **{"as": "ann", "open": "dm"})
    message = page.locator(
        ".message", has_text="You asked for this", has=page.get_by_role("button", name="Nudge")
    ).first
    await message.wait_for()
    await page.mouse.move(0, 0)
    box = await _box(message)
    await _take(page, "request", {**box, "width": min(box["width"], 640)})


async def _demo(browser: Browser, demo: Stage) -> None:
    page = await _tab(browser, width=1180, height=700, scale=1.25)
    await _open(page, demo, **{"as": "cat", "open": "releases"})
    await page.get_by_text("1 of 2").wait_for()
    await page.screenshot(path=HERE / "demo.png")


async def _modal(page: Page, demo: Stage) -> None:
    await _open(page, demo, **{"as": "bob", "open": "dm"})
    await page.locator(".message", has_text="asks for vacation").get_by_role("button", name="Approve").click()
    modal = page.get_by_role("dialog")
    await modal.wait_for()
    # It stays open wherever Bob goes; in an empty channel nothing looks out from behind it.
    await _open(page, demo, **{"as": "bob", "open": "vacation"})
    await modal.get_by_label("Reason").fill("Enjoy the sea!")
    await _take(page, "modal", _around(await _box(modal), 12))
    await modal.get_by_role("button", name="Close").click()
    await modal.wait_for(state="detached")


async def _link(page: Page, demo: Stage, who: str) -> str:
    """Open somebody's mail; returns the personal link in it."""
    await _open(page, demo, **{"as": who, "open": "mail"})
    await page.get_by_role("link", name="Please decide").click()
    link = page.frame_locator("iframe").get_by_role("link", name="Open to approve or reject")
    address = await link.get_attribute("href")
    assert address is not None  # a link without an address is none
    return address


async def _approve(page: Page, link: str) -> None:
    await page.goto(link)
    await page.get_by_label("Comment").fill("Checked against the old list.")
    await page.get_by_label("Approve", exact=True).check()
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("You approved this").wait_for()


async def _mail(page: Page, demo: Stage, *, name: str = "mail") -> str:
    """Returns the personal link in it."""
    address = await _link(page, demo, "bob")
    letter = page.frame_locator("iframe")
    # The frame is as high as the window; the picture ends where the mail does.
    end = await _box(letter.locator(".paper"))
    frame = await _box(page.locator(".letter"))
    await _take(page, name, {**frame, "height": end["y"] + end["height"] + 24 - frame["y"]})
    return address


async def _pages(browser: Browser, link: str) -> None:
    """The approval page as it is opened, on a desk and on a phone."""
    for name, width in (("page", 760), ("page-phone", 390)):
        page = await _tab(browser, width=width, height=800, scale=1.5)
        await page.goto(link)
        await page.evaluate("document.fonts.ready")
        await page.screenshot(path=HERE / f"{name}.png", full_page=True)


async def _box(what: Locator) -> FloatRect:
    box = await what.bounding_box()
    assert box is not None  # it was waited for
    return box


def _around(box: FloatRect, margin: int) -> FloatRect:
    return {
        "x": box["x"] - margin,
        "y": box["y"] - margin,
        "width": box["width"] + 2 * margin,
        "height": box["height"] + 2 * margin,
    }


async def _take(page: Page, name: str, part: FloatRect) -> None:
    await page.screenshot(path=HERE / f"{name}.png", clip=part)


if __name__ == "__main__":
    asyncio.run(main())
