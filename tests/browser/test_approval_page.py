"""The approval page in a real browser: for whoever cannot see it, has no mouse or no script; and for a mail scanner."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from bot.demo.stage import Stage, stage
from flows.definition import Approval, Flow, Hold, Step
from flows.run import Decision, Door, Verdict

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM: list[dict[str, Any]] = [
    {"name": "account", "type": "string", "label": "Account", "description": "Who pays for it."},
    {"name": "seats", "type": "integer", "label": "Seats", "min": 1, "max": 30},
    {"name": "plan", "type": "select", "label": "Plan", "options": ["basic", "large"]},
    {"name": "extras", "type": "multiselect", "label": "Extras", "options": ["support", "training"]},
    {"name": "trial", "type": "boolean", "label": "Trial", "required": False},
    {"name": "from_day", "type": "date", "label": "From", "required": False},
    {"name": "at", "type": "datetime", "label": "At", "required": False},
    {"name": "note", "type": "string", "label": "Note", "multiline": True, "required": False},
    {"name": "pin", "type": "secret", "label": "PIN", "required": False},
]
MORE: list[dict[str, Any]] = [
    {"name": "kind", "type": "select", "label": "Kind", "options": ["move", "other"]},
    {"name": "which", "type": "string", "label": "Which one", "when": "kind == 'other'"},
    {
        "name": "servers",
        "type": "list",
        "label": "Servers",
        "fields": [{"name": "host", "type": "string"}, {"name": "port", "type": "integer", "default": 22}],
    },
    {"name": "address", "type": "uri", "label": "Address", "required": False},
]
LONG = "Donaudampfschifffahrtsgesellschaftskapitän" * 8


def asking(name: str, **more: Any) -> Flow:
    given = {"ask": name, "approvers": ("bob@example.com",), **more}
    approval = Approval(via="gmail", timeout=timedelta(days=2), **given)
    return Flow(flow=name, steps=[Step(id="gate", approval=approval)])


FLOWS = (
    asking("plain", ask="Buy the new chairs?"),
    asking("form", ask="Buy the licence?", form=FORM),
    asking("more", ask="Order the servers?", form=MORE),
    asking(
        "file",
        ask="Take this report?",
        form_on="both",
        form=[
            {"name": "report", "type": "file", "label": "Report", "max_bytes": 2_000},
            {"name": "pages", "type": "integer", "label": "Pages"},
        ],
    ),
    asking("long", ask=f"{LONG}\n\n{'Please read all of this. ' * 40}", show={LONG[:60]: LONG}),
    asking(
        "sizes",
        ask="Which chairs?",
        options=["large", {"name": "small", "label": "Small, and without arms"}],
        reason="reject",
    ),
    asking("pair", ask="Do both agree?", approvers=("bob@example.com", "cat@example.com"), quorum=2),
    Flow(
        flow="ahead",
        title="Chairs",
        inputs=[{"name": "what", "type": "string", "default": "12 chairs"}],
        steps=[
            Step(id="ready", hold=Hold(ask="Ready?", via="gmail")),
            *(
                Step(
                    id=id_,
                    title=title,
                    approval=Approval(ask=title, approvers=("bob@example.com",), via="gmail", pre_approval="allow"),
                )
                for id_, title in (("buy", "Buy them?"), ("pay", "Pay for them?"))
            ),
        ],
    ),
    Flow(flow="held", steps=[Step(id="wait", hold=Hold(ask="Go on?", by=("bob@example.com",), via="gmail"))]),
)


class Asked:
    """A run that waits for Bob, and the link that his mail has."""

    def __init__(self, demo: Stage, run: int, link: str) -> None:
        self._demo = demo
        self._run = run
        self.link = link

    async def state(self) -> tuple[str, list[Decision]]:
        view = await self._demo.app.engine.run(self._run, (await self._demo.person("eve")).id)
        return view.status, list(view.suspensions[-1].decisions)

    async def goes_on(self) -> None:
        """The hold that comes first is over."""
        ann = await self._demo.person("ann")
        await self._demo.app.engine.decide(self._run, 1, ann.id, Verdict.RESUME, door=Door.API)
        await self._demo.app.runner.idle()


class Asking:
    """Starts flows of these tests as Ann."""

    def __init__(self, demo: Stage) -> None:
        self._demo = demo

    async def __call__(self, flow: str) -> Asked:
        ann = await self._demo.person("ann")
        seen = len(self._demo.human("bob").inbox())
        run, _ = await self._demo.app.engine.start(flow, ann.id, {})
        await self._demo.app.runner.idle()
        (mail,) = self._demo.human("bob").inbox()[seen:]
        (link,) = {link for link in mail.links if "/a/" in link}
        return Asked(self._demo, run.id, link)

    async def ahead(self) -> Asked:
        """A run that is going to ask Bob, and the link with which he decides in advance."""
        ann, bob = await self._demo.person("ann"), await self._demo.person("bob")
        run, _ = await self._demo.app.engine.start("ahead", ann.id, {})
        await self._demo.app.runner.idle()
        return Asked(self._demo, run.id, self._demo.app.links.early(run, bob.id))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ask() -> AsyncIterator[Asking]:
    """One stage for all of these tests: each has a run of its own on it."""
    async with stage() as demo:
        await demo.app.engine.use(FLOWS)
        yield Asking(demo)


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(15_000)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext) -> Page:
    return await context.new_page()


def send(page: Page) -> Locator:
    return page.get_by_role("button", name="Send")


# -- without eyes, mouse or script


@pytest.mark.slow
async def test_every_input_has_a_name_and_the_page_an_outline(page: Page, ask: Asking) -> None:
    await page.goto((await ask("form")).link)

    nameless = "controls => controls.filter(one => !one.labels?.[0]?.textContent.trim()).map(one => one.outerHTML)"
    assert await page.locator("input:not([type=hidden]), select, textarea").evaluate_all(nameless) == []
    assert await page.locator("html").get_attribute("lang") == "en"
    await expect(page.get_by_role("main")).to_have_count(1)
    await expect(page.get_by_role("heading", level=1)).to_have_count(1)
    await expect(page.get_by_label("Account (required)")).to_have_accessible_description("Who pays for it.")
    await expect(page.get_by_role("group", name="Extras (required)").get_by_role("checkbox")).to_have_count(2)
    await expect(page.get_by_role("radiogroup", name="Your verdict").get_by_role("radio")).to_have_count(2)


@pytest.mark.slow
async def test_K8_each_error_is_tied_to_its_input_and_what_was_typed_stays(page: Page, ask: Asking) -> None:
    asked = await ask("form")
    await page.goto(asked.link)
    await page.get_by_label("Account").fill("Marketing")
    await page.get_by_label("Seats").fill("31")
    await page.get_by_label("Approve", exact=True).check()

    await send(page).click()

    await expect(page).to_have_title("Some values cannot be taken: Gate · Signoff")
    await expect(page.get_by_role("alert")).to_contain_text("Nothing was counted yet.")
    await expect(page.get_by_label("Seats")).to_have_accessible_description("Seats must be between 1 and 30, not 31.")
    await expect(page.get_by_label("Plan")).to_have_accessible_description("Plan is required: one of: basic, large.")
    extras = page.get_by_role("group", name="Extras")
    await expect(extras).to_have_accessible_description("Extras is required: a list of: support, training.")
    for name in ("Seats", "Plan"):
        await expect(page.get_by_label(name)).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_label("Account")).to_have_value("Marketing")
    await expect(page.get_by_label("Account")).not_to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_label("Approve", exact=True)).to_be_checked()
    assert await asked.state() == ("waiting", [])


@pytest.mark.slow
async def test_K10_what_is_asked_only_sometimes_and_what_is_wrong_inside_a_value_is_said_beside_its_input(
    page: Page, ask: Asking
) -> None:
    asked = await ask("more")
    await page.goto(asked.link)
    which, servers = page.get_by_label("Which one"), page.get_by_label("Servers (required)")
    await expect(which).to_have_accessible_description("Only where “Kind” is 'other', and required there.")
    await expect(servers).to_have_accessible_description('As JSON, such as [{"host": "…", "port": 22}]')
    await page.get_by_label("Kind").select_option("other")
    await servers.fill('[{"host": "a"}, {"port": "x"}]')
    await page.get_by_label("Approve", exact=True).check()

    await send(page).click()

    await expect(which).to_have_accessible_description(re.compile("Which one is required."))
    await expect(servers).to_have_accessible_description(
        re.compile(r"\}\] servers\[1\]\.host: is required\. servers\[1\]\.port: must be a whole number, not 'x'\.")
    )
    assert await asked.state() == ("waiting", [])

    await which.fill("A printer")
    await servers.fill('[{"host": "a"}]')
    await page.get_by_label("Address").fill("s3://bucket/key")
    await send(page).click()

    await expect(page.get_by_role("status")).to_contain_text("Approved by Bob Baker")
    _, (decision,) = await asked.state()
    assert decision.values == {
        "kind": "other",
        "which": "A printer",
        "servers": [{"host": "a", "port": 22}],
        "address": "s3://bucket/key",
    }


@pytest.mark.slow
async def test_K10_a_file_is_chosen_kept_while_the_rest_is_corrected_and_replaced(page: Page, ask: Asking) -> None:
    asked = await ask("file")
    await page.goto(asked.link)
    chooser = page.get_by_label("Report (required)")
    await expect(chooser).to_have_accessible_description("At most 2 KiB.")
    await chooser.set_input_files({"name": "ü 1.txt", "mimeType": "text/plain", "buffer": b"x" * 5_000_000})
    await page.get_by_label("Reject", exact=True).check()

    await send(page).click()

    await expect(chooser).to_have_accessible_description(
        re.compile("must be a file of at most 2 KiB; this one has 4.8 MiB")
    )
    await expect(page.get_by_label("Pages")).to_have_accessible_description("Pages is required: a whole number.")
    await chooser.set_input_files({"name": "ü 1.txt", "mimeType": "text/plain", "buffer": b"first"})
    await send(page).click()
    await expect(page.get_by_label("ü 1.txt (text/plain, 5 bytes)")).to_be_checked()
    assert await asked.state() == ("waiting", [])

    await page.get_by_label("Pages").fill("3")
    await send(page).click()

    await expect(page.get_by_role("status")).to_contain_text("Rejected by Bob Baker")
    await expect(page.get_by_text("ü 1.txt (text/plain, 5 bytes)")).to_be_visible()
    _, (decision,) = await asked.state()
    assert decision.values == {
        "report": {"name": "ü 1.txt", "media_type": "text/plain", "size": 5, "content": "Zmlyc3Q="},
        "pages": 3,
    }


async def test_a_keyboard_alone_decides_and_the_focus_is_always_seen(page: Page, ask: Asking) -> None:
    asked = await ask("plain")
    await page.goto(asked.link)
    outlines: set[str] = set()

    async def tab_to(there: Locator) -> None:
        await page.keyboard.press("Tab")
        await expect(there).to_be_focused()
        outlines.add(await there.evaluate("focused => getComputedStyle(focused).outlineStyle"))

    await tab_to(page.get_by_label("Comment"))
    await page.keyboard.type("The old ones will do.")
    await tab_to(page.get_by_label("Approve", exact=True))
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_label("Reject", exact=True)).to_be_checked()
    await tab_to(send(page))
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("status")).to_contain_text("Rejected by Bob Baker")
    await expect(page.get_by_role("blockquote")).to_have_text("The old ones will do.")
    assert outlines == {"solid"}
    assert (await asked.state())[0] == "rejected"


async def test_no_script_is_needed(browser: Browser, ask: Asking) -> None:
    asked = await ask("form")
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(asked.link)

    await page.get_by_label("Account").fill("Marketing")
    await page.get_by_label("Seats").fill("30")
    await page.get_by_label("Plan").select_option("large")
    await page.get_by_label("support").check()
    await page.get_by_label("Approve", exact=True).check()
    await send(page).click()

    await expect(page.get_by_role("status")).to_contain_text("Approved by Bob Baker")
    status, (decision,) = await asked.state()
    assert (status, decision.verdict, decision.door) == ("succeeded", Verdict.APPROVE, Door.PAGE)
    assert [decision.values[name] for name in ("account", "seats", "plan", "extras")] == [
        "Marketing",
        30,
        "large",
        ["support"],
    ]
    await context.close()


# -- options, taking back, in advance


async def answer(page: Page, link: str, choice: str) -> None:
    await page.goto(link)
    await page.get_by_label(choice, exact=True).check()
    await send(page).click()


@pytest.mark.slow
async def test_an_option_is_chosen_among_all_of_them_and_a_rejection_says_why(page: Page, ask: Asking) -> None:
    asked, other = await ask("sizes"), await ask("sizes")
    await page.goto(asked.link)
    verdict = page.get_by_role("radiogroup", name="Your verdict")
    await expect(verdict.get_by_role("radio")).to_have_count(3)
    await expect(verdict.get_by_role("radio", checked=True)).to_have_count(0)

    await answer(page, asked.link, "Small, and without arms")
    await expect(page.get_by_role("status")).to_contain_text("Approved by Bob Baker")
    await expect(page.get_by_role("status")).to_contain_text(": Small, and without arms.")
    await answer(page, other.link, "Reject")

    comment = page.get_by_label("Comment (required to reject)")
    await expect(comment).to_have_accessible_description("Your comment is required: say why.")
    await expect(page.get_by_label("Reject", exact=True)).to_be_checked()
    assert await other.state() == ("waiting", [])
    await comment.fill("We sit on the floor.")
    await send(page).click()
    await expect(page.get_by_role("status")).to_contain_text("Rejected by Bob Baker")
    _, (decision,) = await asked.state()
    assert (decision.option, (await other.state())[0]) == ("small", "rejected")


@pytest.mark.slow
async def test_an_answer_is_taken_back_without_a_script_and_given_anew(browser: Browser, ask: Asking) -> None:
    asked = await ask("pair")
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await answer(page, asked.link, "Approve")
    await expect(page.get_by_text("You approved this on")).to_be_visible()

    await page.get_by_label("Yes, take back my answer").check()
    await page.get_by_role("button", name="Take back").click()

    await expect(page.get_by_text("Your answer was taken back. It does not count any more.")).to_be_visible()
    await expect(page.get_by_role("button")).to_have_count(1)
    assert await asked.state() == ("waiting", [])
    await answer(page, asked.link, "Reject")
    await expect(page.get_by_role("status")).to_contain_text("Rejected by Bob Baker")
    await context.close()


@pytest.mark.slow
async def test_W9_W10_somebody_decides_in_advance_and_then_what_they_are_shown(page: Page, ask: Asking) -> None:
    asked = await ask.ahead()
    await answer(page, asked.link, "Reject")
    await expect(page.get_by_text("You rejected in advance on")).to_be_visible()
    await expect(page.get_by_text("12 chairs")).to_be_visible()
    await expect(page.get_by_role("radio", checked=True)).to_have_count(0)
    await page.get_by_label("Comment").fill("We need them.")
    await page.get_by_label("Approve", exact=True).check()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("You approved in advance on")).to_be_visible()

    await asked.goes_on()
    await page.goto(asked.link)

    # The first was taken; the second waits anew, and is shown.
    await expect(page).to_have_title("Pay for them? · Signoff")
    assert await asked.state() == ("waiting", [])
    await answer(page, asked.link, "Approve")
    await expect(page.get_by_role("status")).to_contain_text("Approved by Bob Baker")
    status, (decision,) = await asked.state()
    assert (status, decision.unseen) == ("succeeded", False)
    await page.goto(asked.link)
    await expect(page.get_by_role("status")).to_contain_text("This run has ended: succeeded")
    await expect(page.get_by_text("was counted for Buy them?: you approved")).to_be_visible()
    await expect(page.get_by_role("button")).to_have_count(0)


# -- how it looks

# For each text its contrast with what it stands on, as WCAG 2 reckons it; those below 4.5 are given.
PALE = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([red, green, blue]) => [red, green, blue].map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const ground = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    throw new Error("a page without a background");
  };
  const pale = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !node.checkVisibility()) continue;
    const [one, other] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) pale.push(`${texts.currentNode.data.trim()}: ${contrast.toFixed(2)}`);
  }
  return pale;
}"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_everything_can_be_read_by_day_and_by_night(page: Page, ask: Asking, scheme: Any) -> None:
    await page.emulate_media(color_scheme=scheme)
    await page.goto((await ask("form")).link)

    fresh = await page.evaluate(PALE)
    await page.get_by_label("Reject", exact=True).check()
    await page.get_by_label("Approve", exact=True).check()
    await send(page).click()
    await expect(page.locator(".error")).not_to_have_count(0)
    refused = await page.evaluate(PALE)
    await page.get_by_label("Reject", exact=True).check()
    await send(page).click()
    await expect(page.get_by_role("status")).to_contain_text("Rejected")

    assert (fresh, refused, await page.evaluate(PALE)) == ([], [], [])
    await answer(page, (await ask("pair")).link, "Approve")
    await expect(page.get_by_role("button", name="Take back")).to_be_visible()
    answered = await page.evaluate(PALE)
    await answer(page, (await ask.ahead()).link, "Reject")
    await expect(page.get_by_text("You rejected in advance on")).to_be_visible()
    assert (answered, await page.evaluate(PALE)) == ([], [])
    night = await page.locator("main").evaluate("main => getComputedStyle(main).backgroundColor")
    assert (night == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.slow
async def test_a_phone_shows_all_of_it_without_scrolling_sideways(page: Page, ask: Asking) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})

    for asked in [*[await ask(flow) for flow in ("form", "more", "file", "long", "sizes", "pair")], await ask.ahead()]:
        await page.goto(asked.link)
        await expect(send(page)).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await answer(page, (await ask("pair")).link, "Approve")
    await expect(page.get_by_role("button", name="Take back")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


# -- a scanner


# Told by the form's own events, so that nobody has to wait for what does not happen.
HELD_BACK = """button => new Promise((tell) => {
  button.form.addEventListener("invalid", () => tell(true), { capture: true });
  button.form.addEventListener("submit", () => tell(false));
  %s;
})"""


async def scan(context: BrowserContext, link: str) -> list[int]:
    """A mail scanner with a browser: it runs scripts, follows every link, and sends each form as it stands in each way.

    Returns the status of each answer to what it has sent.
    """
    for method in ("HEAD", "GET"):
        assert (await context.request.fetch(link, method=method)).ok
    page = await context.new_page()
    answers: list[int] = []
    page.on("response", lambda got: answers.append(got.status) if got.request.method == "POST" else None)
    await page.goto(link)
    for onward in await page.locator("[href]").evaluate_all("all => all.map(one => one.href)"):
        await page.goto(onward)

    await page.goto(link)
    buttons = page.locator("button")  # by role, a file input is one too
    for nth in range(await buttons.count()):
        # A browser that obeys the page does not even send it.
        await page.goto(link)
        for press in ("button.click()", "button.form.requestSubmit(button)"):
            assert await buttons.nth(nth).evaluate(HELD_BACK % press)
        for field in await page.locator("input:not([type=hidden])").all():
            await field.press("Enter")
        # One that does not is refused, also on the page that has refused it before.
        for press in (
            "HTMLFormElement.prototype.submit.call(button.form)",
            "button.form.noValidate = true; button.click()",
        ):
            async with page.expect_navigation():
                await buttons.nth(nth).evaluate(f"button => {{ {press} }}")
    return answers


@pytest.mark.parametrize(
    "flow",
    ["form", *(pytest.param(flow, marks=pytest.mark.slow) for flow in ("plain", "more", "file", "sizes", "held"))],
)
async def test_S5_a_scanner_that_runs_scripts_and_presses_every_button_as_the_form_stands_decides_nothing(
    context: BrowserContext, ask: Asking, flow: str
) -> None:
    asked = await ask(flow)

    answers = await scan(context, asked.link)

    assert answers == [422, 422]
    assert await asked.state() == ("waiting", [])


@pytest.mark.slow
async def test_S5_such_a_scanner_takes_no_answer_back(page: Page, context: BrowserContext, ask: Asking) -> None:
    asked = await ask("pair")
    await answer(page, asked.link, "Approve")
    before = await asked.state()

    answers = await scan(context, asked.link)

    assert answers == [422] * 4
    assert await asked.state() == before
    assert len(before[1]) == 1


@pytest.mark.slow
async def test_S5_such_a_scanner_decides_nothing_in_advance(page: Page, context: BrowserContext, ask: Asking) -> None:
    asked = await ask.ahead()

    answers = await scan(context, asked.link)

    assert answers == [422, 422]
    await page.goto(asked.link)
    await expect(page.get_by_role("status")).to_contain_text("has opened yet, so nothing of it can be shown.")
    await asked.goes_on()
    assert await asked.state() == ("waiting", [])
