"""The sandbox's page in a real browser: people act on it, a bot on the other side of a socket hears of it and answers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page, expect
from slack_sdk.web.async_client import AsyncWebClient

from integrations.sandbox import Guide, Sandbox, SandboxPage, Step

pytestmark = pytest.mark.asyncio(loop_scope="session")

Payload = dict[str, Any]
DUE = 1_795_255_200  # 2026-11-21 10:00 UTC
NASTY = "</script><img src=x onerror=alert(1)> <!channel> *bold*"


def plain(text: str) -> Payload:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Payload:
    return {"type": "mrkdwn", "text": text}


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def button(action_id: str, text: str, **more: Any) -> Payload:
    return {"type": "button", "action_id": action_id, "text": plain(text), "value": "sus_1", **more}


def card(requester: str, dates: str, *, closed: str = "") -> list[Payload]:
    due = f"<!date^{DUE}^{{date_num}} {{time}}|2026-11-21 10:00 UTC>"
    blocks = [
        {"type": "header", "text": plain("Vacation request")},
        {
            "type": "section",
            "text": mrkdwn(f"<@{requester}> asks for *{dates}*\n_Reason:_ `family` and\n• rest\n• sun"),
        },
        {
            "type": "section",
            "fields": [mrkdwn("*Days*\n5"), mrkdwn(f"*Answer until*\n{due}"), mrkdwn("*Who decides*\nBob or Cat")],
        },
        {"type": "context", "elements": [mrkdwn("0 of 1 approvals · <https://example.com/run|run_7k>")]},
    ]
    if closed:
        return [*blocks, {"type": "divider"}, {"type": "context", "elements": [mrkdwn(closed)]}]
    approve, reject = button("approve", "Approve", style="primary"), button("reject", "Reject", style="danger")
    return [
        *blocks,
        {"type": "actions", "block_id": "decide", "elements": [approve, reject, button("other", "Details")]},
    ]


def asked(block_id: str, label: str, element: Payload, **more: Any) -> Payload:
    return {
        "type": "input",
        "block_id": block_id,
        "label": plain(label),
        "element": {"action_id": "v", **element},
        **more,
    }


def inbox(button_text: str) -> Payload:
    """A home tab on which several can be selected."""
    elements: list[Payload] = [
        {"type": "checkboxes", "action_id": "selected", "options": KINDS},
        button("bulk", button_text),
    ]
    return {
        "type": "home",
        "blocks": [
            {"type": "actions", "block_id": "pick", "elements": elements},
            asked("whose", "Only those of", {"type": "plain_text_input"}, optional=True),
        ],
    }


MANIFEST: Payload = {
    "display_information": {"name": "Signoff"},
    "features": {
        "app_home": {"home_tab_enabled": True},
        "slash_commands": [
            {"command": "/approvals", "description": "See", "usage_hint": "[run FLOW | show or cancel RUN]"}
        ],
        "shortcuts": [
            {"name": "Start a flow", "type": "global", "callback_id": "start", "description": "Start one"},
            {"name": "Ask approval", "type": "message", "callback_id": "ask", "description": "For this message"},
        ],
    },
}
KINDS: list[Payload] = [{"text": plain("Holiday"), "value": "holiday"}, {"text": plain("Illness"), "value": "ill"}]
FORM = {
    "type": "modal",
    "callback_id": "form",
    "title": plain("Reject the request"),
    "submit": plain("Reject"),
    "blocks": [
        asked(
            "why",
            "Why",
            {"type": "plain_text_input", "multiline": True, "min_length": 3},
            hint=plain("Ann reads this."),
        ),
        asked("day", "Better from", {"type": "datepicker", "initial_date": "2026-12-01"}, optional=True),
        asked("at", "At", {"type": "timepicker"}, optional=True),
        asked("moment", "Exactly", {"type": "datetimepicker", "initial_date_time": DUE}, optional=True),
        asked("days", "Days", {"type": "number_input", "is_decimal_allowed": False}, optional=True),
        asked("mail", "Copy to", {"type": "email_text_input"}, optional=True),
        asked("link", "Policy", {"type": "url_text_input"}, optional=True),
        asked("kind", "Kind", {"type": "static_select", "options": KINDS}, optional=True),
        asked("all", "All that fit", {"type": "multi_static_select", "options": KINDS}, optional=True),
        asked("one", "One of them", {"type": "radio_buttons", "options": KINDS}, optional=True),
        asked("some", "Some of them", {"type": "checkboxes", "options": KINDS}, optional=True),
        {"type": "actions", "elements": [button("suggest", "Suggest a day")]},
    ],
}
FLOWS: list[Payload] = [
    {
        "name": "vacation",
        "title": "Vacation request",
        "description": "Asks the manager for days off. Ends where somebody says no.",
        "fields": [
            {"name": "manager", "type": "email", "default": "bob@example.com"},
            {"name": "first_day", "type": "date", "default": "2026-12-01"},
            {"name": "last_day", "type": "date", "default": "2026-12-05"},
            {"name": "reason", "type": "string", "required": False, "description": "The manager reads it."},
            {
                "name": "kind",
                "type": "select",
                "options": ["paid", {"value": "unpaid", "label": "Unpaid"}],
                "default": "paid",
            },
        ],
    },
    {"name": "release", "title": "Release", "description": "Two release managers say yes.", "fields": []},
]
GUIDE = Guide(
    title="What is this?",
    lead="A real bot runs on this machine. Slack and Gmail are stand-ins, and you are everybody.",
    steps=(
        Step("Start Vacation as Ann", "?as=ann&open=dm&flow=vacation"),
        Step("Switch to Bob", "?as=bob&open=dm"),
        Step("Approve on the card"),
    ),
    notes="Nothing leaves this machine.",
    commands={"/approvals": "what waits for you", "/approvals all": "and what has ended"},
)


class Bot:
    """A bot of a few lines: posts cards by Slack's own client, and answers what Slack sends to it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.client = AsyncWebClient(token=sandbox.bot_token, base_url=sandbox.slack_url, retry_handlers=[])
        self.sandbox = sandbox
        self.heard: list[Payload] = []
        self.told: list[Payload] = []
        self.refusal: dict[str, str] = {}
        self.cards: dict[str, Payload] = {}
        self.origin = ""

    async def start(self, person: str, flow: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        if flow != "vacation":
            return {"error": f"{flow} is closed today"}
        wrong = {} if values["first_day"] <= values["last_day"] else {"last_day": "must not be before the first day."}
        if wrong:
            return {"errors": wrong}
        await self.ask(person, "bob", f"{values['first_day']} to {values['last_day']}")
        return {"run": "run_7k", "url": f"{self.origin}/runs/run_7k"}

    async def ask(self, person: str, approver: str, dates: str) -> None:
        people = self.sandbox.people
        blocks = card(people[person].id, dates)
        opened = await self.client.conversations_open(users=people[approver].id)
        posted = await self.client.chat_postMessage(
            channel=opened["channel"]["id"], text=f"Days off: {dates}", blocks=blocks
        )
        self.cards[posted["ts"]] = {"channel": posted["channel"], "requester": people[person].id, "dates": dates}

    async def mail(self, to: str) -> None:
        message = EmailMessage()
        message["From"], message["To"] = "Signoff <signoff@example.com>", f"{to}@example.com"
        message["Subject"] = "Vacation request: Ann Archer, 1 to 5 December"
        message.set_content(f"Ann Archer asks for 1 to 5 December.\n\nDecide here: {self.origin}/a/token\n")
        message.add_alternative(
            f'<p style="font:16px sans-serif">Ann Archer asks for <b>1 to 5 December</b>.</p>'
            f'<p><a style="font:16px sans-serif" href="{self.origin}/a/token">Look at the request</a></p>'
            "<script>document.body.textContent = 'a script has run'</script>",
            subtype="html",
        )
        recipients = [f"{to}@example.com"]
        self.sandbox.office.deliver("signoff@example.com", message, recipients, thread_id=None, at=datetime.now(UTC))

    async def events(self, request: web.Request) -> web.Response:
        if request.content_type == "application/json":
            event = (await request.json())["event"]
            self.told.append(event)
            if event["type"] != "app_home_opened":
                return web.Response()
            blocks = [{"type": "header", "text": plain("Waiting for you")}, *card(event["user"], "1 to 5 December")[1:]]
            await self.client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})
            return web.Response()
        form = await request.post()
        if "command" in form:
            self.heard.append(dict(form))
            return web.json_response({"text": f"Nothing waits for you ({form['text']})", "response_type": "ephemeral"})
        payload = json.loads(str(form["payload"]))
        self.heard.append(payload)
        if payload["type"] == "view_submission":
            return web.json_response({"response_action": "errors", "errors": self.refusal} if self.refusal else {})
        if payload["type"] == "block_actions":
            await self.clicked(payload)
        return web.Response()

    async def clicked(self, payload: Payload) -> None:
        action, user = payload["actions"][0]["action_id"], payload["user"]["id"]
        if action == "reject":
            await self.client.views_open(trigger_id=payload["trigger_id"], view=FORM)
        elif action == "other":
            channel = payload["channel"]["id"]
            await self.client.chat_postEphemeral(channel=channel, user=user, text="Only the approvers see *details*.")
        elif action == "approve":
            about = self.cards[payload["container"]["message_ts"]]
            blocks = card(about["requester"], about["dates"], closed=f"Approved by <@{user}>")
            where = payload["container"]
            await self.client.chat_update(
                channel=where["channel_id"], ts=where["message_ts"], text="Approved", blocks=blocks
            )

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(text="<h1>The bot's own page</h1>", content_type="text/html")


@pytest_asyncio.fixture(loop_scope="session")
async def bot() -> AsyncIterator[Bot]:
    """A running sandbox with its page, and a bot that listens to it."""
    sandbox = Sandbox.with_people()
    bot = Bot(sandbox)
    SandboxPage(sandbox, flows=lambda: FLOWS, start=bot.start, guide=GUIDE)
    app = web.Application()
    app.add_routes([web.post("/slack/events", bot.events), web.get("/a/{token}", bot.page)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bot.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with sandbox:
        bot.client.base_url = sandbox.slack_url
        sandbox.events_url = f"{bot.origin}/slack/events"
        yield bot
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, bot: Bot) -> AsyncIterator[Page]:
    """A tab on the sandbox, in Berlin. Anything that its console complains about fails the test."""
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, timezone_id="Europe/Berlin", locale="en-GB"
    )
    page = await context.new_page()
    page.set_default_timeout(5_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    yield page
    await context.close()
    # What is refused by a status is shown on the page, and a mail's script has to be blocked; the console repeats it.
    wanted = re.compile(r"status of 4\d\d|Blocked script execution in '\S*/_sandbox/mail/")
    assert [each for each in complaints if not wanted.search(each)] == []


async def go(page: Page, bot: Bot, query: str) -> None:
    await page.goto(f"{bot.sandbox.origin}/{query}")
    await page.wait_for_selector("body[data-ready]")


def dialog(page: Page) -> Any:
    return page.get_by_role("dialog")


# -- the walk


async def test_a_stranger_follows_the_hint_and_sees_a_request_decided(page: Page, bot: Bot) -> None:
    await go(page, bot, "")
    await page.get_by_role("link", name="Start Vacation as Ann").click()
    await dialog(page).get_by_label("Reason").fill("family")
    await dialog(page).get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator(".toast")).to_contain_text("Vacation request has started (run_7k).")
    await expect(page.locator('[data-person="bob"] .badge')).to_have_text("1 unread")

    await page.get_by_role("link", name="Switch to Bob").click()
    await page.get_by_role("button", name="Approve").click()

    await expect(page.locator(".message")).to_contain_text("Approved by @Bob Baker")
    await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    assert page.url.endswith("?as=bob&open=dm")
    assert bot.heard[-1]["user"]["id"] == bot.sandbox.person("bob").id


@pytest.mark.slow
async def test_the_keyboard_is_enough(page: Page, bot: Bot) -> None:
    await bot.ask("ann", "bob", "5 days")
    await go(page, bot, "?as=bob&open=dm")

    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent") == "Approve":
            break
    await page.keyboard.press("Enter")

    await expect(page.locator(".message")).to_contain_text("Approved by @Bob Baker")
    assert await page.evaluate("document.activeElement.closest('.message') !== null")


# -- messages


async def test_a_card_is_drawn_as_slack_draws_it(page: Page, bot: Bot) -> None:
    await bot.ask("ann", "bob", "five days")

    await go(page, bot, "?as=bob&open=dm")

    shown = page.locator(".message")
    await expect(shown.get_by_role("heading", name="Vacation request")).to_be_visible()
    await expect(shown.locator(".mention")).to_have_text("@Ann Archer")
    await expect(shown.locator("strong", has_text="five days")).to_be_visible()
    await expect(shown.locator("em")).to_have_text("Reason:")
    await expect(shown.locator("code")).to_have_text("family")
    await expect(shown.locator(".item")).to_have_text(["•rest", "•sun"])
    await expect(shown.locator(".fields time")).to_have_text("2026-11-21 11:00")
    link = shown.get_by_role("link", name="run_7k")
    assert await link.get_attribute("href") == "https://example.com/run"
    assert await link.get_attribute("rel") == "noopener noreferrer"
    await expect(shown.locator(".button.primary")).to_have_text("Approve")
    await expect(shown.locator(".button.danger")).to_have_text("Reject")


MARKUP = {
    "*a b* _c_ ~d~ `e`": "<strong>a b</strong> <em>c</em> <s>d</s> <code>e</code>",
    "2*3*4 snake_case_name a * b *c": "2*3*4 snake_case_name a * b *c",
    "*bold _both_*": "<strong>bold <em>both</em></strong>",
    "`*not bold*` &lt;@U1&gt;": "<code>*not bold*</code> &lt;@U1&gt;",
    "```\nx *y*\n```": "<pre>x *y*</pre>",
    "&gt; said\nplain": "<blockquote>said</blockquote>plain",
    "one\ntwo": "one<br>two",
    "<!here> <!subteam^SHR|@hr>": '<span class="mention">@here</span> <span class="mention">@hr</span>',
    "<javascript:alert(1)|press>": "press",
    ":white_check_mark: :no_such_thing:": "✅ :no_such_thing:",
    "<!date^99999999999999999^{date}|some day>": "some day",
}


@pytest.mark.slow
async def test_markup_means_what_it_means_in_slack(page: Page, bot: Bot) -> None:
    for text in MARKUP:
        await bot.client.chat_postMessage(channel="#general", text=text)

    await go(page, bot, "?as=cat&open=general")

    shown = [await each.inner_html() for each in await page.locator(".message .text").all()]
    assert dict(zip(MARKUP, shown, strict=True)) == MARKUP


@pytest.mark.slow
async def test_text_that_is_to_be_taken_verbatim_gets_no_links_of_its_own(page: Page, bot: Bot) -> None:
    text = "https://example.com/a or <https://example.com/b|this>"
    blocks: list[Payload] = [
        {"type": "section", "text": {**mrkdwn(text), "verbatim": taken}} for taken in (True, False)
    ]
    await bot.client.chat_postMessage(channel="#general", text="x", blocks=blocks)

    await go(page, bot, "?as=cat&open=general")

    linked = [await each.get_by_role("link").all_inner_texts() for each in await page.locator(".message .text").all()]
    assert linked == [["this"], ["https://example.com/a", "this"]]


@pytest.mark.parametrize(
    "text",
    [
        NASTY,
        pytest.param(escaped(NASTY), marks=pytest.mark.slow),
        pytest.param("<img src=x onerror=alert(1)|<b>x</b>>", marks=pytest.mark.slow),
    ],
)
async def test_what_people_write_is_never_more_than_text(page: Page, bot: Bot, text: str) -> None:
    alerts: list[str] = []
    page.on("dialog", lambda alert: alerts.append(alert.message))
    blocks: list[Payload] = [
        {"type": "header", "text": plain(NASTY)},
        {"type": "section", "text": mrkdwn(text), "fields": [plain(text)]},
        {"type": "actions", "elements": [button("x", NASTY)]},
    ]
    await bot.client.chat_postMessage(channel="#general", text=text, blocks=blocks)
    await bot.sandbox.person("ann").say(text, channel="#general")

    await go(page, bot, "?as=bob&open=general")

    await expect(page.locator(".message h3")).to_have_text(NASTY)
    assert await page.locator(".told img, .told script, .told b").count() == 0
    assert alerts == []


@pytest.mark.slow
async def test_what_happens_is_seen_without_loading_again(page: Page, bot: Bot) -> None:
    await go(page, bot, "?as=cat&open=vacation")

    posted = await bot.client.chat_postMessage(channel="#vacation", text="first")
    await expect(page.locator(".message")).to_contain_text("first")
    await bot.client.chat_update(channel=posted["channel"], ts=posted["ts"], text="second")
    await expect(page.locator(".message")).to_contain_text("second (edited)")
    await bot.client.chat_delete(channel=posted["channel"], ts=posted["ts"])

    await expect(page.locator(".message")).to_have_count(0)


@pytest.mark.slow
async def test_a_whisper_is_seen_by_one_person_only(page: Page, bot: Bot) -> None:
    bob = bot.sandbox.person("bob").id
    general = bot.sandbox.workspace.channel_named("general")
    assert general is not None
    await bot.client.chat_postEphemeral(channel=general.id, user=bob, text="psst")

    await go(page, bot, "?as=bob&open=general")
    await expect(page.locator(".whisper")).to_contain_text("Only visible to you")
    await page.locator('[data-person="cat"]').click()

    await expect(page.locator('[data-person="cat"][aria-current]')).to_be_visible()
    await expect(page.locator(".message")).to_have_count(0)


@pytest.mark.slow
async def test_unread_messages_and_mails_are_counted_until_they_are_seen(page: Page, bot: Bot) -> None:
    await bot.client.chat_postMessage(channel="#releases", text="one")
    await bot.client.chat_postMessage(channel="#releases", text="two")
    await bot.mail("dan")

    await go(page, bot, "?as=dan&open=dm")
    await expect(page.locator('[data-person="dan"] .badge')).to_have_text("3 unread")
    await expect(page.locator('[data-place="releases"] .badge')).to_have_text("2 unread")
    await page.locator('[data-place="releases"]').click()

    await expect(page.locator('[data-place="releases"] .badge')).to_have_count(0)
    await expect(page.locator('[data-person="dan"] .badge')).to_have_text("1 unread")
    await expect(page.locator('[data-person="eve"] .badge')).to_have_text("2 unread")


@pytest.mark.slow
async def test_a_permalink_opens_the_page_at_its_message(page: Page, bot: Bot) -> None:
    await bot.ask("ann", "bob", "5 days")
    ts, about = next(iter(bot.cards.items()))
    link = (await bot.client.chat_getPermalink(channel=about["channel"], message_ts=ts))["permalink"]

    await page.goto(link)

    await expect(page.locator(".message.target")).to_contain_text("Vacation request")
    await expect(page.locator('[data-person="bob"][aria-current]')).to_be_visible()


@pytest.mark.slow
async def test_a_slash_command_reaches_the_bot_and_what_else_is_written_is_said(page: Page, bot: Bot) -> None:
    await go(page, bot, "?as=eve&open=general")
    field = page.get_by_label("Message #general")

    await field.fill("/app")
    await page.get_by_role("button", name="/approvals all").click()
    await field.press("Enter")
    await expect(page.locator(".whisper")).to_contain_text("Nothing waits for you (all)")
    await field.fill("hello *all*")
    await field.press("Enter")

    await expect(page.locator(".message").last).to_contain_text("hello all")
    assert (bot.heard[-1]["command"], bot.heard[-1]["text"]) == ("/approvals", "all")


@pytest.mark.slow
async def test_the_page_says_so_when_the_bot_does_not_answer(page: Page, bot: Bot) -> None:
    await bot.ask("ann", "bob", "5 days")
    await go(page, bot, "?as=bob&open=dm")
    bot.sandbox.events_url = "http://127.0.0.1:1/"

    await page.get_by_role("button", name="Approve").click()

    await expect(page.locator(".toast.trouble")).to_contain_text("We had some trouble connecting. Try again?")


@pytest.mark.slow
async def test_menus_work_and_a_button_that_asks_back_is_pressed_only_on_yes(page: Page, bot: Bot) -> None:
    confirm = {
        "title": plain("Sure?"),
        "text": mrkdwn("It *ends* the run."),
        "confirm": plain("End it"),
        "deny": plain("No"),
    }
    elements: list[Payload] = [
        {"type": "static_select", "action_id": "kind", "options": KINDS, "placeholder": plain("Kind")},
        {"type": "overflow", "action_id": "more", "options": KINDS},
        button("end", "End", confirm=confirm),
    ]
    await bot.client.chat_postMessage(channel="#general", text="x", blocks=[{"type": "actions", "elements": elements}])
    await go(page, bot, "?as=bob&open=general")

    await page.get_by_label("Kind").select_option("Illness")
    await page.get_by_label("More actions").click()
    await page.get_by_role("button", name="Holiday").click()
    await page.get_by_role("button", name="End", exact=True).click()
    await dialog(page).get_by_role("button", name="No").click()
    await expect(dialog(page)).to_have_count(0)
    await page.get_by_role("button", name="End", exact=True).click()
    async with page.expect_response("**/_sandbox/api/click"):
        await dialog(page).get_by_role("button", name="End it").click()

    used = [heard["actions"][0] for heard in bot.heard]
    assert [(each["action_id"], each.get("selected_option", {}).get("value")) for each in used] == [
        ("kind", "ill"),
        ("more", "holiday"),
        ("end", None),
    ]


# -- modals and the home tab


@pytest.mark.slow
async def test_everything_that_is_filled_in_reaches_the_bot(page: Page, bot: Bot) -> None:
    await bot.ask("ann", "bob", "5 days")
    await go(page, bot, "?as=bob&open=dm")
    await page.get_by_role("button", name="Reject").click()
    form = dialog(page)

    await form.get_by_label("Why").fill("no cover\nin June")
    await form.get_by_label("At (optional)").fill("09:30")
    await form.get_by_label("Days").fill("3")
    await form.get_by_label("Copy to").fill("eve@example.com")
    await form.get_by_label("Policy").fill("https://example.com/policy")
    await form.get_by_label("Kind").select_option("Illness")
    await form.get_by_role("group", name="All that fit").get_by_label("Holiday").check()
    await form.get_by_role("radiogroup", name="One of them").get_by_label("Illness").check()
    await form.get_by_role("group", name="Some of them").get_by_label("Holiday").check()
    await form.get_by_role("button", name="Reject").click()

    await expect(form).to_have_count(0)
    values = {name: state["v"] for name, state in bot.heard[-1]["view"]["state"]["values"].items()}
    assert values["why"] == {"type": "plain_text_input", "value": "no cover\nin June"}
    assert values["day"] == {"type": "datepicker", "selected_date": "2026-12-01"}
    assert values["at"] == {"type": "timepicker", "selected_time": "09:30"}
    assert values["moment"] == {"type": "datetimepicker", "selected_date_time": DUE}
    assert [values[name]["value"] for name in ("days", "mail", "link")] == [
        "3",
        "eve@example.com",
        "https://example.com/policy",
    ]
    assert values["kind"]["selected_option"]["value"] == values["one"]["selected_option"]["value"] == "ill"
    assert [option["value"] for option in values["all"]["selected_options"]] == ["holiday"]
    assert [option["value"] for option in values["some"]["selected_options"]] == ["holiday"]


@pytest.mark.slow
async def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(page: Page, bot: Bot) -> None:
    await bot.ask("ann", "bob", "5 days")
    await go(page, bot, "?as=bob&open=dm")
    await page.get_by_role("button", name="Reject").click()
    form = dialog(page)

    await form.get_by_label("Days").fill("many")
    await form.get_by_role("button", name="Reject").click()
    await expect(form.locator('[data-block="why"] .error')).to_have_text("Please complete this required field.")
    await expect(form.locator('[data-block="days"] .error')).to_have_text("Enter a number.")
    await expect(form.get_by_label("Why")).to_be_focused()
    submissions = [each for each in bot.heard if each["type"] == "view_submission"]

    bot.refusal = {"days": "There are no days left."}
    await form.get_by_label("Why").fill("no cover")
    await form.get_by_label("Days").fill("3")
    await form.get_by_role("button", name="Reject").click()

    await expect(form.locator(".error")).to_have_text(["There are no days left."])
    await expect(form.get_by_label("Why")).to_have_value("no cover")
    await expect(form.get_by_label("Days")).to_be_focused()
    assert submissions == []


@pytest.mark.slow
async def test_a_button_in_a_modal_sends_along_what_is_typed(page: Page, bot: Bot) -> None:
    await bot.ask("ann", "bob", "5 days")
    await go(page, bot, "?as=bob&open=dm")
    await page.get_by_role("button", name="Reject").click()

    await dialog(page).get_by_label("Why").fill("no cover")
    async with page.expect_response("**/_sandbox/api/click"):
        await dialog(page).get_by_role("button", name="Suggest a day").click()

    heard = bot.heard[-1]
    assert (heard["type"], heard["actions"][0]["action_id"]) == ("block_actions", "suggest")
    assert heard["view"]["state"]["values"]["why"]["v"]["value"] == "no cover"
    await expect(dialog(page).get_by_label("Why")).to_have_value("no cover")


@pytest.mark.slow
async def test_escape_closes_a_modal_and_one_on_top_of_another_is_shown(page: Page, bot: Bot) -> None:
    await bot.ask("ann", "bob", "5 days")
    await go(page, bot, "?as=bob&open=dm")
    await page.get_by_role("button", name="Reject").click()
    form = dialog(page)
    await form.get_by_label("Why").fill("no cover")

    bob = bot.sandbox.person("bob")
    assert bob.modal is not None
    await bot.client.views_update(view_id=bob.modal.id, view={**FORM, "title": plain("Please say why")})
    await expect(form.get_by_role("heading")).to_have_text("Please say why")
    await expect(form.get_by_label("Why")).to_have_value("no cover")
    trigger = bob.workspace.new_trigger(bob.id, view_id=bob.modal.id)
    await bot.client.views_push(trigger_id=trigger.id, view={**FORM, "title": plain("On top")})
    await expect(form.get_by_role("heading")).to_have_text("On top")
    await form.get_by_role("button", name="Back").click()
    await expect(form.get_by_role("heading")).to_have_text("Please say why")
    await page.keyboard.press("Escape")

    await expect(form).to_have_count(0)
    assert bob.modal is None


@pytest.mark.slow
async def test_the_home_tab_shows_what_the_bot_publishes(page: Page, bot: Bot) -> None:
    await go(page, bot, "?as=cat&open=dm")

    await page.get_by_role("link", name="Home").click()

    await expect(page.locator(".home").get_by_role("heading")).to_have_text("Waiting for you")
    await page.locator(".home").get_by_role("button", name="Reject").click()
    await expect(dialog(page)).to_contain_text("Reject the request")
    assert bot.heard[-1]["container"]["type"] == "view"


@pytest.mark.slow
async def test_several_are_selected_at_home_and_stay_selected_while_it_is_published_anew(page: Page, bot: Bot) -> None:
    bob = bot.sandbox.person("bob")
    await go(page, bot, "?as=bob&open=home")
    home = page.locator(".home")
    await expect(home).to_contain_text("Waiting for you")
    await bot.client.views_publish(user_id=bob.id, view=inbox("Approve selected"))

    await home.get_by_label("Only those of").fill("Ann")
    async with page.expect_response("**/_sandbox/api/select"):
        await home.get_by_label("Holiday").check()
    async with page.expect_response("**/_sandbox/api/select"):
        await home.get_by_label("Illness").check()
    await bot.client.views_publish(user_id=bob.id, view=inbox("Approve 2"))
    async with page.expect_response("**/_sandbox/api/click"):
        await home.get_by_role("button", name="Approve 2").click()

    values = bot.heard[-1]["view"]["state"]["values"]
    assert bot.heard[-1]["actions"][0]["action_id"] == "bulk"
    assert [each["value"] for each in values["pick"]["selected"]["selected_options"]] == ["holiday", "ill"]
    assert values["whose"]["v"]["value"] == "Ann"
    await expect(home.get_by_label("Only those of")).to_have_value("Ann")
    await expect(home.get_by_label("Illness")).to_be_checked()


# -- threads, shortcuts, commands


@pytest.mark.slow
async def test_a_question_in_a_thread_reaches_the_bot_and_its_answer_stands_below(page: Page, bot: Bot) -> None:
    posted = await bot.client.chat_postMessage(channel="#releases", text="Release 1.4.0")
    await go(page, bot, "?as=bob&open=releases")

    await page.locator(".message").hover()
    await page.get_by_role("button", name="Reply in thread").click()
    thread = page.get_by_role("region", name="Thread")
    await thread.get_by_label("Reply in this thread").fill("/who tested it?")
    await thread.get_by_label("Also send to #releases").check()
    await thread.get_by_label("Reply in this thread").press("Enter")
    await expect(page.locator("main .message").last).to_contain_text("Replied to a thread")
    await bot.client.chat_postMessage(channel=posted["channel"], thread_ts=posted["ts"], text="Cat did.")

    await expect(thread.locator(".message")).to_have_count(3)
    await expect(thread.locator(".message").last).to_contain_text("Cat did.")
    await expect(page.locator("main .replies").first).to_contain_text("2 replies")
    said = next(each for each in bot.told if each["type"] == "message")
    assert (said["text"], said["thread_ts"], said["subtype"]) == ("/who tested it?", posted["ts"], "thread_broadcast")
    await thread.get_by_role("button", name="Close thread").click()
    await expect(thread).to_have_count(0)


@pytest.mark.slow
async def test_new_replies_are_marked_for_those_who_wrote_in_the_thread(page: Page, bot: Bot) -> None:
    bob = bot.sandbox.person("bob")
    posted = await bot.client.chat_postMessage(channel="#releases", text="Release 1.4.0")
    await bob.reply_in_thread(bob.messages("releases")[0], "Who tested it?")
    await go(page, bot, "?as=bob&open=releases")
    await expect(page.locator('[data-person="bob"] .badge')).to_have_count(0)

    await bot.client.chat_postMessage(channel=posted["channel"], thread_ts=posted["ts"], text="Cat did.")
    await expect(page.locator('[data-person="bob"] .badge')).to_have_text("1 unread")
    await page.get_by_role("button", name="2 replies").click()

    await expect(page.locator('[data-person="bob"] .badge')).to_have_count(0)
    await expect(page.locator('[data-person="dan"] .badge')).to_have_text("1 unread")


@pytest.mark.slow
async def test_shortcuts_and_commands_are_those_of_the_manifest(page: Page, bot: Bot) -> None:
    bot.sandbox.manifest.read(MANIFEST)
    said = await bot.sandbox.person("ann").say("New chairs, 4711 euros", channel="general")
    await go(page, bot, "?as=eve&open=general")

    await page.get_by_label("Shortcuts").click()
    async with page.expect_response("**/_sandbox/api/shortcut"):
        await page.get_by_role("button", name="Start a flow Start one").click()
    await page.locator(".message").hover()
    await page.get_by_label("Message menu").click()
    async with page.expect_response("**/_sandbox/api/shortcut"):
        await page.get_by_role("button", name="Ask approval").click()
    field = page.get_by_label("Message #general")
    await field.fill("/approvals sh")
    await page.get_by_role("button", name="/approvals show RUN").click()
    await expect(page.locator(".usage")).to_have_text("/approvals [run FLOW | show or cancel RUN]")
    await field.press_sequentially("run_7k")
    async with page.expect_response("**/_sandbox/api/command"):
        await field.press("Enter")

    started, asked_for, command = bot.heard
    assert (started["type"], started["callback_id"], "channel" in started) == ("shortcut", "start", False)
    assert (asked_for["type"], asked_for["callback_id"], asked_for["message"]["text"]) == (
        "message_action",
        "ask",
        said.text,
    )
    assert asked_for["trigger_id"]
    assert command["text"] == "show run_7k"


@pytest.mark.slow
async def test_a_risk_is_a_coloured_bar_and_its_buttons_work(page: Page, bot: Bot) -> None:
    rows = [["Item", "Price"], ["Chair", "40"]]
    table: Payload = {"type": "table", "rows": [[{"type": "raw_text", "text": each} for each in row] for row in rows]}
    blocks = [table, {"type": "actions", "block_id": "decide", "elements": [button("end", "End it")]}]
    attachment = {"color": "#d1242f", "blocks": blocks}
    await bot.client.chat_postMessage(channel="#general", text="Chairs", attachments=[attachment])
    await go(page, bot, "?as=bob&open=general")

    bar = page.locator(".attachment")
    async with page.expect_response("**/_sandbox/api/click"):
        await bar.get_by_role("button", name="End it").click()

    assert await bar.evaluate("node => getComputedStyle(node).borderLeftColor") == "rgb(209, 36, 47)"
    await expect(bar.get_by_role("cell")).to_have_text(["Chair", "40"])
    container = bot.heard[-1]["container"]
    assert (container["type"], container["attachment_id"]) == ("message_attachment", 1)


# -- bad days, other places


@pytest.mark.slow
async def test_moments_are_told_in_the_time_zone_of_whoever_reads_them(page: Page, bot: Bot) -> None:
    token = f"<!date^{DUE}^{{date_num}} {{time}}|x>"
    blocks: list[Payload] = [
        {"type": "section", "text": mrkdwn(token)},
        {
            "type": "actions",
            "block_id": "when",
            "elements": [{"type": "datetimepicker", "action_id": "at", "initial_date_time": DUE}],
        },
    ]
    await bot.client.chat_postMessage(channel="#general", text="x", blocks=blocks)
    await go(page, bot, "?as=bob&open=general")
    moment, picker = page.locator(".told time"), page.get_by_label("at", exact=True)
    await expect(moment).to_have_text("2026-11-21 11:00")

    await page.get_by_label("Your time zone").select_option("Asia/Tokyo")
    await expect(moment).to_have_text("2026-11-21 19:00")
    await expect(picker).to_have_value("2026-11-21T19:00")
    async with page.expect_response("**/_sandbox/api/select"):
        await picker.fill("2026-11-22T09:00")

    assert bot.heard[-1]["actions"][0]["selected_date_time"] == DUE + 14 * 3600
    assert [event["user"]["tz"] for event in bot.told if event["type"] == "user_change"] == ["Asia/Tokyo"]


@pytest.mark.slow
async def test_bad_days_can_be_tried_by_hand(page: Page, bot: Bot) -> None:
    await bot.client.chat_postMessage(channel="#releases", text="a card")
    await go(page, bot, "?as=ann&open=releases")

    await page.locator(".message").hover()
    await page.get_by_label("Message menu").click()
    await page.get_by_role("button", name="Delete as an administrator").click()
    await expect(page.locator(".message")).to_have_count(0)
    await page.get_by_role("button", name="Bad days").click()
    days = dialog(page)
    releases = days.locator(".row", has_text="#releases")
    await releases.get_by_role("button", name="Archive").click()
    await expect(releases.get_by_role("button", name="Unarchive")).to_be_focused()
    await releases.get_by_role("button", name="Remove the bot").click()
    await days.locator(".row", has_text="Bob Baker").get_by_role("button", name="Deactivate").click()
    await days.get_by_role("group", name="Members of @hr-leads").get_by_label("Dan").check()
    await days.get_by_role("button", name="Slack is down").click()
    await expect(days.locator(".hint").last).to_contain_text("chat.*: no connection")
    await days.get_by_role("button", name="Everything is well again").click()
    await expect(days.locator(".hint").last).to_have_text("Nothing is arranged to go wrong.")
    await days.get_by_role("button", name="Close").click()

    await expect(page.locator(".closed")).to_contain_text("#releases is archived")
    await expect(page.locator('[data-person="bob"]')).to_contain_text("deactivated")
    types = [event.get("subtype", event["type"]) for event in bot.told]
    assert types == [
        "message_deleted",
        "channel_archive",
        "member_left_channel",
        "channel_left",
        "user_change",
        "subteam_updated",
        "subteam_members_changed",
    ]


@pytest.mark.slow
async def test_another_workspace_has_people_of_its_own(page: Page, bot: Bot) -> None:
    globex = bot.sandbox.add_workspace("Globex", "globex")
    zoe = bot.sandbox.add_person("zoe", "Zoe Zimmer", workspace=globex)
    globex.add_channel("orders", [zoe.user])
    await go(page, bot, "?as=ann&open=general")
    await expect(page.locator('[data-person="zoe@globex"]')).to_have_count(0)

    await page.get_by_label("Workspace").select_option("Globex")
    await page.get_by_role("link", name="orders").click()

    await expect(page.locator("[data-person]")).to_have_count(1)
    await expect(page.get_by_role("heading", name="orders", exact=True)).to_be_visible()
    assert page.url.endswith("?as=zoe%40globex&open=orders")


# -- mail


@pytest.mark.slow
async def test_the_link_in_a_mail_opens_the_bots_own_page_and_its_scripts_never_run(page: Page, bot: Bot) -> None:
    await bot.mail("bob")
    await go(page, bot, "?as=bob&open=mail")

    await page.get_by_role("link", name="Vacation request").click()
    letter = page.frame_locator("iframe")
    await expect(letter.get_by_text("1 to 5 December")).to_be_visible()
    async with page.context.expect_page() as opened:
        await letter.get_by_role("link", name="Look at the request").click()

    tab = await opened.value
    await expect(tab.get_by_role("heading")).to_have_text("The bot's own page")
    await expect(letter.get_by_text("a script has run")).to_have_count(0)
    await page.get_by_role("button", name="Plain text").click()
    await expect(page.locator(".plain").get_by_role("link")).to_have_text(f"{bot.origin}/a/token")
    await expect(page.locator('[data-place="mail"] .badge')).to_have_count(0)


# -- starting flows


@pytest.mark.slow
async def test_what_the_flow_refuses_is_said_beside_the_field(page: Page, bot: Bot) -> None:
    await go(page, bot, "?as=ann&open=dm&flow=vacation")
    form = dialog(page)

    await form.get_by_label("Last day").fill("2026-11-01")
    await form.get_by_role("button", name="Start", exact=True).click()
    await expect(form.locator(".wrong .error")).to_have_text("must not be before the first day.")
    await expect(form.get_by_label("Last day")).to_have_value("2026-11-01")
    await form.get_by_role("button", name="Release").click()
    await form.get_by_role("button", name="Start", exact=True).click()

    await expect(form.locator(".toast")).to_contain_text("Release is closed today.")
    assert bot.cards == {}


# -- the page itself


async def test_nothing_is_fetched_from_elsewhere_and_nothing_else_may_run(page: Page, bot: Bot) -> None:
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))

    answer = await page.goto(bot.sandbox.origin)
    await page.wait_for_selector("body[data-ready]")

    assert answer is not None
    policy = await answer.header_value("content-security-policy")
    assert policy == "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    assert [url for url in fetched if not url.startswith(bot.sandbox.origin)] == []


@pytest.mark.slow
async def test_a_narrow_screen_has_everything_behind_its_menu(page: Page, bot: Bot) -> None:
    await bot.ask("ann", "bob", "5 days")
    await page.set_viewport_size({"width": 360, "height": 740})
    await go(page, bot, "?as=bob&open=dm")

    await page.get_by_role("button", name="Close the hint").click()
    await page.get_by_role("button", name="Channels and mail").click()
    await page.get_by_role("link", name="releases").click()

    await expect(page.get_by_role("heading", name="releases", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="vacation")).to_be_hidden()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
