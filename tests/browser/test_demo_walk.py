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
    await page.wait_for_selector(f"body[data-ready='{who}']")


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def item(page: Page, text: str) -> Locator:
    """What waits on the home tab."""
    return page.locator(".home .section", has_text=text)


@pytest.mark.slow
async def test_K4_several_are_decided_at_once_on_the_home_tab_and_each_is_told(page: Page) -> None:
    for _ in range(2):
        await start(page, "Then ask for a release", "Release to production")
        await page.get_by_role("button", name="Dismiss").click()
    await follow_guide(page, "Bob's Home")
    await expect(page.get_by_role("heading", name="Waiting for you (2)")).to_be_visible()

    for number in range(2):
        await item(page, "Release 1.4.0").nth(number).get_by_label("Select").check()
    await page.get_by_role("button", name="Decide selected").click()
    await dialog(page).get_by_label("Approve", exact=True).check()
    await dialog(page).get_by_role("button", name="Decide 2").click()

    await expect(dialog(page)).to_contain_text("All 2 counted.")
    await dialog(page).locator("footer").get_by_role("button", name="Close").click()
    await expect(page.locator(".home")).to_contain_text("Nothing waits for you.")
    await expect(page.locator(".home").get_by_role("button", name="Take back")).to_have_count(2)


@pytest.mark.slow
async def test_R3_a_hotfix_is_asked_about_approved_by_a_word_in_the_thread_and_undone(page: Page) -> None:
    await start(page, "A hotfix", "Hotfix to production")
    await follow_guide(page, "As Bob, on its card")
    await page.wait_for_selector("body[data-ready=bob]")
    card = message(page, "Ship 1.4.1 to production now?").first
    await expect(card).to_contain_text("High risk")

    await card.get_by_label("More actions").click()
    await card.get_by_role("button", name="Ask a question").click()
    await dialog(page).get_by_label("Your question").fill("Has anybody tried it?")
    await dialog(page).get_by_role("button", name="Ask", exact=True).click()
    await expect(card).to_contain_text("clock stopped by a question")
    await become(page, "ann")
    await enter(page, "dm")
    await message(page, "asks about").get_by_role("button", name="Answer").click()
    await dialog(page).get_by_label("Your answer").fill("Yes, on staging.")
    await dialog(page).get_by_role("button", name="Answer").click()
    await expect(whisper(page)).to_contain_text("is told")

    await become(page, "bob")
    await enter(page, "releases")
    await expect(card).to_contain_text("Yes, on staging.")
    await card.get_by_role("button", name="Approve").click()
    await expect(card).to_contain_text("1 of 2 approvals")
    await become(page, "cat")
    await card.locator("[data-action=replies]").click()
    thread = page.get_by_role("region", name="Thread")
    await thread.get_by_label("Reply in this thread").fill("looks good to me")
    await thread.get_by_label("Reply in this thread").press("Enter")
    await thread.get_by_role("button", name="Yes, approve").click()
    await expect(card).to_contain_text("Until then it can be undone.")
    await thread.locator(".whisper").get_by_role("button", name="Undo").click()

    await expect(card).to_contain_text("1 of 2 approvals")


@pytest.mark.slow
async def test_approval_is_asked_for_a_message_from_its_menu(page: Page, demo: Stage) -> None:
    await demo.small_talk()
    await follow_guide(page, "Dan has written something")
    said = message(page, "coffee machine")
    await said.hover()
    await said.get_by_label("Message menu").click()
    await page.get_by_role("button", name="Ask approval for this").click()
    await dialog(page).get_by_label("Bob Baker").check()
    await dialog(page).get_by_role("button", name="Ask", exact=True).click()
    await expect(dialog(page)).to_contain_text("They are asked")
    await dialog(page).locator("footer").get_by_role("button", name="Close").click()

    await become(page, "bob")
    await enter(page, "dm")
    card = message(page, "asks for your approval")
    await card.get_by_role("button", name="Approve").click()
    await expect(card).to_contain_text("Approved by @Bob Baker")


@pytest.mark.slow
async def test_S12_an_admin_installs_the_bot_in_the_other_workspace_from_the_home_tab(page: Page) -> None:
    await follow_guide(page, "Eve is the admin")
    await page.get_by_role("button", name="Install in a workspace").click()
    async with page.context.expect_page() as opened:
        await dialog(page).get_by_role("button", name="Open the page").click()
    tab = await opened.value
    await expect(tab.get_by_text("It is in Acme.")).to_be_visible()
    await tab.get_by_role("button", name="Continue to Slack").click()
    await tab.get_by_label("You are").select_option("Zoe Zimmer in Globex")
    await tab.get_by_role("button", name="Allow").click()
    await expect(tab.get_by_text("Signoff is in Globex now.")).to_be_visible()

    await page.bring_to_front()
    await dialog(page).locator("footer").get_by_role("button", name="Close").click()
    await page.get_by_label("Workspace").select_option("Globex")
    await become(page, "zoe@globex")
    await expect(message(page, "Signoff is in Globex now.")).to_be_visible()


@pytest.mark.slow
async def test_a_contract_is_signed_by_mail_with_the_code_that_only_the_mail_shows(page: Page, demo: Stage) -> None:
    await start(page, "A contract by mail", "Sign a contract")
    signing = await read_mail(page, "dan")
    (mail,) = demo.human("dan").inbox()
    code = mail.plain.partition("asks for this code: ")[2].split()[0]
    await expect(page.frame_locator("iframe").get_by_text(code)).to_be_visible()

    await signing.get_by_label("Approve", exact=True).check()
    await signing.get_by_label("Code").fill("222222")
    await signing.get_by_role("button", name="Send").click()
    await expect(signing.get_by_text("is not the one in the mail")).to_be_visible()
    await signing.get_by_label("Code").fill(code)
    await signing.get_by_role("button", name="Send").click()

    await expect(signing.get_by_role("status")).to_contain_text("Approved by Dan Dyer")
    await page.bring_to_front()
    await become(page, "ann")
    await enter(page, "dm")
    await expect(message(page, "has signed the contract with Globex").first).to_be_visible()
