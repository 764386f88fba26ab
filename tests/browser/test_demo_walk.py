"""A stranger's walk through ``signoff demo`` in a real browser: what the README promises, done by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from bot.demo.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, demo: Stage) -> AsyncIterator[Page]:
    """The stranger's tab, opened at the address that ``signoff demo`` prints. What a page throws fails the test."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, timezone_id="Europe/Berlin", locale="en-GB"
    )
    context.set_default_timeout(15_000)
    thrown: list[str] = []
    context.on("weberror", lambda failure: thrown.append(str(failure.error)))
    page = await context.new_page()
    await page.goto(demo.page.url(**{"as": "ann"}))
    await page.wait_for_selector("body[data-ready=ann]")
    yield page
    await context.close()
    assert thrown == []


async def follow_guide(page: Page, text: str) -> None:
    await page.get_by_role("complementary").get_by_role("link", name=text).click()


async def start(page: Page, hint: str, title: str) -> None:
    """Start a flow from the guide, with its form as it is filled in already."""
    await follow_guide(page, hint)
    await page.get_by_role("form", name=title).get_by_role("button", name="Start").click()
    await expect(page.locator(".toast")).to_contain_text(f"{title} has started")


async def become(page: Page, who: str) -> None:
    await page.locator(f'[data-person="{who}"]').click()
    await page.wait_for_selector(f"body[data-ready={who}]")


async def enter(page: Page, place: str) -> None:
    await page.locator(f'[data-place="{place}"]').click()
    await expect(page.locator(f'[data-place="{place}"]')).to_have_attribute("aria-current", "page")


def message(page: Page, text: str) -> Locator:
    return page.locator(".message:not(.whisper)", has_text=text)


def whisper(page: Page) -> Locator:
    """The newest message that only this person sees."""
    return page.locator(".whisper").last


async def read_mail(page: Page, who: str) -> Page:
    """Open the mail that has come, and follow its link; the tab that it opens in."""
    await page.bring_to_front()
    await become(page, who)
    await enter(page, "mail")
    await page.get_by_role("link", name="Please decide").click()
    async with page.context.expect_page() as opened:
        await page.frame_locator("iframe").get_by_role("link", name="Open to approve or reject").click()
    return await opened.value


async def test_K5_a_vacation_is_asked_for_approved_with_a_reason_booked_and_told(page: Page, demo: Stage) -> None:
    await start(page, "Start the vacation request", "Vacation request")

    await follow_guide(page, "Become Bob")
    await page.wait_for_selector("body[data-ready=bob]")
    card = message(page, "ann@example.com asks for vacation")
    await expect(card).to_contain_text("0 of 1 approval")
    assert demo.company.hr.bookings == []
    await card.get_by_role("button", name="Approve").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Reason").fill("Enjoy the sea!")
    await form.get_by_role("button", name="Approve").click()

    await expect(form).to_have_count(0)
    await expect(card).to_contain_text("Approved by @Bob Baker")
    await expect(card).to_contain_text("Enjoy the sea!")
    await expect(card.locator(".told").get_by_role("button")).to_have_count(0)
    await follow_guide(page, "Back to Ann")
    await expect(message(page, "Your vacation from")).to_contain_text("is approved by @Bob Baker")
    (booking,) = demo.company.hr.bookings
    assert (booking["employee"], booking["reason"]) == ("ann@example.com", "Enjoy the sea!")


async def test_W1_the_link_in_a_mail_opens_the_bots_page_and_only_a_choice_made_there_decides(
    page: Page, demo: Stage
) -> None:
    await start(page, "Or by mail", "Approval by mail")

    bobs = await read_mail(page, "bob")
    verdicts = bobs.get_by_role("radiogroup", name="Your verdict").get_by_role("radio")
    assert bobs.url in demo.human("bob").inbox()[-1].links
    await expect(bobs.get_by_role("status")).to_have_text("This waits for a decision.")
    await expect(verdicts).to_have_count(2)
    await expect(bobs.locator(":checked")).to_have_count(0)

    # A browser holds it back by itself; one that does not is told by the bot.
    await bobs.get_by_role("button", name="Send").click()
    assert await verdicts.first.evaluate("radio => radio.matches(':user-invalid:focus')")
    await bobs.locator("form").evaluate("form => { form.noValidate = true }")
    await bobs.get_by_role("button", name="Send").click()
    await expect(bobs.get_by_role("alert")).to_contain_text("Nothing was counted yet.")
    await expect(verdicts.first).to_have_accessible_description("Your verdict is needed: please choose one.")
    await expect(bobs.get_by_text("Nobody so far.")).to_be_visible()

    await verdicts.first.check()
    await bobs.get_by_role("button", name="Send").click()
    await expect(bobs.get_by_role("status")).to_contain_text("Approved by Bob Baker")
    await expect(bobs.locator(".own")).to_contain_text("You approved this")
    await expect(bobs.locator("form")).to_have_count(0)

    cats = await read_mail(page, "cat")
    await expect(cats.get_by_role("status")).to_contain_text("Approved by Bob Baker")
    await expect(cats.locator("form")).to_have_count(0)


async def test_W2_a_release_takes_two_people_and_a_click_that_does_not_count_is_answered(page: Page) -> None:
    await start(page, "Then ask for a release", "Release to production")
    await enter(page, "releases")
    card = message(page, "Release 1.4.0 to production?")

    await card.get_by_role("button", name="Approve").click()
    await expect(whisper(page)).to_contain_text("your own request")
    await expect(card).to_contain_text("0 of 2 approvals")
    await become(page, "bob")
    await expect(page.locator(".whisper")).to_have_count(0)
    await card.get_by_role("button", name="Approve").click()
    await expect(card).to_contain_text("1 of 2 approvals")
    await card.get_by_role("button", name="Approve").click()
    await expect(whisper(page)).to_contain_text("already")
    await expect(card).to_contain_text("1 of 2 approvals")
    await become(page, "cat")
    await card.get_by_role("button", name="Approve").click()

    await expect(card).to_contain_text("Approved by @Bob Baker and @Cat Carter")
    await expect(card.locator(".told").get_by_role("button")).to_have_count(0)
    await expect(message(page, "goes to production")).to_contain_text("approved by @Bob Baker and @Cat Carter.")


async def test_approvals_lists_what_waits_and_takes_the_answer_in_place(page: Page) -> None:
    await start(page, "Then ask for a release", "Release to production")
    await become(page, "cat")
    await enter(page, "general")

    await page.get_by_label("Message #general").press_sequentially("/approvals")
    await page.get_by_label("Message #general").press("Enter")
    await expect(whisper(page)).to_contain_text("Waiting for you")
    await expect(whisper(page)).to_contain_text("Release 1.4.0 to production?")
    await whisper(page).get_by_role("button", name="Approve").click()

    await expect(whisper(page)).to_contain_text("Nothing waits for you.")
    await expect(page.locator(".whisper")).to_have_count(1)
    await enter(page, "releases")
    await expect(message(page, "Release 1.4.0 to production?")).to_contain_text("@Cat Carter approved")
