"""People of the sandbox reach a real Bolt app, over signed HTTP and over Socket Mode, and see what it answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from integrations.sandbox import Human, NotPossible, Sandbox

Payload = dict[str, Any]


def plain(text: str) -> Payload:
    return {"type": "plain_text", "text": text}


def button(action_id: str, text: str, **changes: Any) -> Payload:
    return {"type": "button", "action_id": action_id, "text": plain(text), **changes}


OPTIONS = [{"text": plain("Holiday"), "value": "holiday"}, {"text": plain("Illness"), "value": "ill"}]
CARD: list[Payload] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Three days off"}},
    {
        "type": "actions",
        "block_id": "decide",
        "elements": [
            button("approve", "Approve", value="sus_1"),
            button("reject", "Reject", value="sus_1", confirm={
                "title": plain("Sure?"), "text": plain("Really"), "confirm": plain("Yes"), "deny": plain("No")
            }),
            {"type": "static_select", "action_id": "kind", "options": OPTIONS, "placeholder": plain("Kind")},
            {"type": "overflow", "action_id": "more", "options": OPTIONS},
        ],
    },
]  # fmt: skip


def asked(block_id: str, element: Payload, **changes: Any) -> Payload:
    label = plain(block_id.capitalize())
    return {
        "type": "input",
        "block_id": block_id,
        "label": label,
        "element": {"action_id": "value", **element},
        **changes,
    }


FORM = {
    "type": "modal",
    "callback_id": "form",
    "title": plain("Why"),
    "submit": plain("Send"),
    "notify_on_close": True,
    "blocks": [
        asked("reason", {"type": "plain_text_input", "min_length": 3, "max_length": 10}),
        asked("days", {"type": "number_input", "is_decimal_allowed": False, "max_value": "30"}, optional=True),
        asked("start", {"type": "datepicker", "initial_date": "2026-12-01"}),
        asked("kinds", {"type": "checkboxes", "options": OPTIONS}, optional=True),
        asked("cover", {"type": "users_select"}, optional=True),
    ],
}


class Bot:
    """A Bolt app that remembers what it was told; ``answer`` is what it says to a submitted form."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.heard: list[Payload] = []
        self.answer: Payload = {}
        client = AsyncWebClient(token=sandbox.bot_token, base_url=sandbox.slack_url, retry_handlers=[])
        logger = logging.getLogger("bolt-under-test")
        self.app = AsyncApp(
            client=client,
            token=sandbox.bot_token,
            signing_secret=sandbox.signing_secret,
            process_before_response=True,
            logger=logger,
        )
        self.app.action("approve")(self.decide)
        self.app.action("reject")(self.ask)
        self.app.action("kind")(self.note)
        self.app.action("more")(self.note)
        self.app.options("who")(self.suggest)
        self.app.view("form")(self.submitted)
        self.app.view_closed("form")(self.note)
        self.app.command("/approvals")(self.command)
        self.app.shortcut("start")(self.note)
        self.app.event("app_home_opened")(self.opened)
        self.app.event("app_mention")(self.note)
        self.app.event("message")(self.passed)

    async def note(self, ack: Any, body: Payload) -> None:
        await ack()
        self.heard.append(body)

    async def passed(self, ack: Any) -> None:
        await ack()

    async def decide(self, ack: Any, body: Payload, client: AsyncWebClient, respond: Any) -> None:
        await ack()
        self.heard.append(body)
        where = body["container"]
        await client.chat_update(
            channel=where["channel_id"], ts=where["message_ts"], text=f"Approved by <@{body['user']['id']}>"
        )
        await respond("Counted", replace_original=False)

    async def ask(self, ack: Any, body: Payload, client: AsyncWebClient) -> None:
        await ack()
        self.heard.append(body)
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    async def submitted(self, ack: Any, body: Payload) -> None:
        self.heard.append(body)
        await ack(**self.answer)

    async def command(self, ack: Any, body: Payload) -> None:
        self.heard.append(body)
        await ack(f"Nothing waits for you ({body['text']})")

    async def suggest(self, ack: Any, body: Payload) -> None:
        self.heard.append(body)
        await ack(options=OPTIONS)

    async def opened(self, event: Payload, body: Payload, client: AsyncWebClient) -> None:
        self.heard.append(body)
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": CARD})

    async def post(self, sandbox: Sandbox) -> None:
        await self.app.client.chat_postMessage(channel="#vacation", text="Three days off", blocks=CARD)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people() as running:
        yield running


@pytest.fixture
async def over_http(sandbox: Sandbox) -> AsyncIterator[Bot]:
    bot = Bot(sandbox)
    runner = web.AppRunner(bot.app.web_app(path="/slack/events"), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sandbox.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    yield bot
    await runner.cleanup()


@pytest.fixture
async def over_socket(sandbox: Sandbox) -> AsyncIterator[Bot]:
    bot = Bot(sandbox)
    client = AsyncWebClient(token=sandbox.app_token, base_url=sandbox.slack_url)
    handler: Any = AsyncSocketModeHandler(bot.app, sandbox.app_token, web_client=client)
    await handler.connect_async()
    await sandbox.until(lambda: sandbox.sockets == 1)
    yield bot
    await handler.close_async()
    await handler.client.aiohttp_client_session.close()


@pytest.fixture(params=["over_http", "over_socket"])
def bot(request: pytest.FixtureRequest) -> Bot:
    connected: Bot = request.getfixturevalue(request.param)
    return connected


@pytest.fixture
def ann(sandbox: Sandbox) -> Human:
    return sandbox.person("ann")


async def opened_form(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await bot.post(sandbox)
    await ann.click(await ann.sees("Three days off"), "Reject")
    await ann.gets_modal("Why")
    bot.heard.clear()


async def test_a_click_reaches_the_bot_as_slack_sends_it(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await bot.post(sandbox)
    card = await ann.sees("Three days off")

    answer = await ann.click(card, "Approve")

    assert answer.ok
    heard = bot.heard[0]
    assert heard["user"] == {"id": ann.id, "username": "ann", "name": "ann", "team_id": sandbox.workspace.id}
    assert heard["container"] == {
        "type": "message",
        "message_ts": card.ts,
        "channel_id": card.channel,
        "is_ephemeral": False,
    }
    assert (heard["channel"]["name"], heard["message"]["ts"]) == ("vacation", card.ts)
    pressed = {name: heard["actions"][0][name] for name in ("type", "action_id", "block_id", "value")}
    assert pressed == {"type": "button", "action_id": "approve", "block_id": "decide", "value": "sus_1"}
    assert (await ann.is_told("Counted")).channel == card.channel
    assert ann.now(card).text == f"Approved by <@{ann.id}>"


async def test_a_button_that_is_gone_cannot_be_clicked_but_an_old_client_still_can(
    bot: Bot, sandbox: Sandbox, ann: Human
) -> None:
    await bot.post(sandbox)
    card = await ann.sees("Three days off")
    await ann.click(card, "approve")

    with pytest.raises(NotPossible, match="there is no 'approve' here"):
        await ann.click(card, "approve")
    await ann.click_stale(card, "approve")

    assert len(bot.heard) == 2


async def test_R3_a_delivery_can_come_twice_at_once(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await bot.post(sandbox)
    sandbox.faults.twice("block_actions", times=1)

    answer = await ann.click(await ann.sees("Three days off"), "Approve")

    assert answer.again is not None
    assert answer.again.ok
    assert len({heard["trigger_id"] for heard in bot.heard}) == 1
    assert len(bot.heard) == 2
    await sandbox.line.redeliver()
    assert bot.heard[2] == bot.heard[0]


async def test_a_button_that_asks_back_sends_nothing_on_no(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await bot.post(sandbox)

    await ann.click(await ann.sees("Three days off"), "Reject", confirm=False)

    assert bot.heard == []


async def test_choosing_in_a_menu_sends_the_option(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await bot.post(sandbox)
    card = await ann.sees("Three days off")

    await ann.select(card, "kind", "Illness")
    await ann.select(card, "more", "holiday")

    menu, overflow = bot.heard
    assert menu["actions"][0]["selected_option"]["value"] == "ill"
    assert menu["state"]["values"]["decide"]["kind"]["selected_option"]["value"] == "ill"
    assert overflow["actions"][0]["selected_option"]["value"] == "holiday"
    with pytest.raises(NotPossible, match="not among the options"):
        await ann.select(card, "kind", "party")


async def test_a_form_is_submitted_with_the_state_of_every_input(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await opened_form(bot, sandbox, ann)

    await ann.submit({"Reason": "too long", "days": 3, "kinds": ["Holiday"], "cover": sandbox.person("bob")})

    values = bot.heard[0]["view"]["state"]["values"]
    assert values["reason"]["value"] == {"type": "plain_text_input", "value": "too long"}
    assert values["days"]["value"] == {"type": "number_input", "value": "3"}
    assert values["start"]["value"] == {"type": "datepicker", "selected_date": "2026-12-01"}
    assert [each["value"] for each in values["kinds"]["value"]["selected_options"]] == ["holiday"]
    assert values["cover"]["value"]["selected_user"] == sandbox.person("bob").id
    assert ann.modal is None


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({}, "reason: Please complete this required field."),
        ({"reason": "no"}, "reason: Enter at least 3 characters."),
        ({"reason": "far too long"}, "reason: Enter at most 10 characters."),
        ({"reason": "two\nlines"}, "reason: Enter one line only."),
        ({"reason": "fine", "days": "few"}, "days: Enter a number."),
        ({"reason": "fine", "days": "1.5"}, "days: Enter a whole number."),
        ({"reason": "fine", "days": 31}, "days: Enter a number that is 30 or less."),
        ({"reason": "fine", "start": None}, "start: Please complete this required field."),
    ],
)
async def test_what_slacks_client_would_not_submit_is_not_submitted(
    over_http: Bot, sandbox: Sandbox, ann: Human, values: Payload, complaint: str
) -> None:
    await opened_form(over_http, sandbox, ann)

    with pytest.raises(NotPossible) as caught:
        await ann.submit(values)

    assert str(caught.value) == complaint
    assert over_http.heard == []


async def test_a_form_that_the_bot_refuses_stays_open_with_its_errors(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await opened_form(bot, sandbox, ann)
    bot.answer = {"response_action": "errors", "errors": {"reason": "Say more."}}

    await ann.submit({"reason": "because", "start": date(2026, 12, 24)})
    refused = await ann.gets_modal()
    shown = dict(refused.errors)
    bot.answer = {}
    await ann.submit()

    assert shown == {"reason": "Say more."}
    assert bot.heard[1]["view"]["state"]["values"]["start"]["value"]["selected_date"] == "2026-12-24"
    assert ann.modal is None


async def test_a_form_can_be_changed_covered_and_cleared(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await opened_form(bot, sandbox, ann)
    other = {**FORM, "title": plain("Really"), "blocks": []}
    bot.answer = {"response_action": "update", "view": other}
    await ann.submit({"reason": "because"})
    changed = (await ann.gets_modal()).title
    bot.answer = {"response_action": "push", "view": FORM}
    await ann.submit()
    covered = (await ann.gets_modal()).title
    bot.answer = {"response_action": "clear"}
    await ann.submit({"reason": "because"})

    assert (changed, covered, ann.modal) == ("Really", "Why", None)


async def test_an_answer_that_slack_would_not_understand_is_a_notice(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await opened_form(bot, sandbox, ann)
    bot.answer = {"response_action": "errors", "errors": {"no_such_block": "x"}}

    await ann.submit({"reason": "because"})

    assert ann.notices == ["We had some trouble connecting. Try again? (invalid_arguments)"]
    assert ann.modal is not None


async def test_closing_a_form_tells_the_bot_only_where_it_asked(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await opened_form(bot, sandbox, ann)

    await ann.close()
    silent = await bot.app.client.views_open(
        trigger_id=sandbox.workspace.new_trigger(ann.id).id, view={**FORM, "notify_on_close": False}
    )
    await ann.close()

    assert [heard["type"] for heard in bot.heard] == ["view_closed"]
    assert silent["ok"]
    assert ann.modal is None


async def test_the_home_tab_is_opened_published_and_used(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await ann.open_home()
    home = await ann.gets_home("Three days off")

    await ann.click(home, "Reject")

    assert bot.heard[1]["container"] == {"type": "view", "view_id": home.id}
    assert (await ann.gets_modal()).title == "Why"


async def test_a_command_is_answered_to_its_author_only(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    await ann.command("/approvals", "all", channel="general")

    shown = await ann.is_told("Nothing waits for you (all)")
    assert shown.channel == bot.heard[0]["channel_id"]
    assert sandbox.person("bob").ephemerals() == []


async def test_shortcuts_and_mentions_reach_the_bot(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    said = await ann.say(f"<@{sandbox.workspace.bot.id}> hello", channel="general")
    await ann.shortcut("start")
    await ann.shortcut("start", said)

    event = bot.heard[0]["event"]
    assert (event["type"], event["user"]) == ("app_mention", ann.id)
    assert [heard["type"] for heard in bot.heard[1:]] == ["shortcut", "message_action"]


async def test_S2_a_wrong_missing_or_old_signature_is_refused_by_the_bot(
    over_http: Bot, sandbox: Sandbox, ann: Human
) -> None:
    await over_http.post(sandbox)
    card = await ann.sees("Three days off")

    sandbox.line.signed = False
    unsigned = await ann.click(card, "Approve")
    sandbox.line.signed = True
    sandbox.line.signature_age = timedelta(minutes=6)
    old = await ann.click(card, "Approve")
    sandbox.line.signature_age = timedelta(0)
    sandbox.line.signing_secret = "another"
    forged = await ann.click(card, "Approve")

    assert [answer.status for answer in (unsigned, old, forged)] == [401, 401, 401]
    assert over_http.heard == []
    assert len(ann.notices) == 3


async def test_a_response_address_takes_five_messages(over_http: Bot, sandbox: Sandbox, ann: Human) -> None:
    await over_http.post(sandbox)
    card = await ann.sees("Three days off")
    await ann.click(card, "Reject")
    url = over_http.heard[0]["response_url"]
    answers = []

    async with aiohttp.ClientSession() as session:
        for body in (
            {"text": "for you"},
            {"text": "for all", "response_type": "in_channel"},
            {"text": "changed", "replace_original": True},
            {"blocks": [{"type": "section"}]},
            {"delete_original": True},
            {"text": "fifth"},
            {"text": "sixth"},
        ):
            async with session.post(url, json=body) as response:
                answers.append((response.status, await response.text()))

    assert [status for status, _ in answers] == [200, 200, 200, 400, 200, 200, 404]
    assert answers[3][1] == "invalid_blocks"
    assert [message.text for message in ann.ephemerals()] == ["for you", "fifth"]
    assert [message.text for message in ann.messages("vacation")] == ["for all"]


async def test_an_ephemeral_message_can_be_used_and_replaced_by_its_reader(
    over_http: Bot, sandbox: Sandbox, ann: Human
) -> None:
    vacation = sandbox.workspace.channel_named("vacation")
    assert vacation is not None
    await over_http.app.client.chat_postEphemeral(channel=vacation.id, user=ann.id, text="Pick", blocks=CARD)
    shown = await ann.is_told("Three days off")

    await ann.select(shown, "kind", "ill")

    heard = over_http.heard[0]
    assert heard["container"]["is_ephemeral"] is True
    assert "message" not in heard
    async with aiohttp.ClientSession() as session:
        await session.post(heard["response_url"], json={"text": "Done", "replace_original": True})
    assert [message.text for message in ann.ephemerals()] == ["Done"]


async def test_people_see_only_their_channels_and_click_only_what_they_see(
    over_http: Bot, sandbox: Sandbox, ann: Human
) -> None:
    outside = sandbox.add_person("zoe")
    guest = sandbox.add_person("gil", sort="guest", channels=["vacation"])
    await over_http.post(sandbox)
    card = await ann.sees("Three days off")

    with pytest.raises(NotPossible, match="zoe does not see this message"):
        await outside.click(card, "Approve")
    await guest.click(card, "Approve")

    assert outside.messages() == []
    assert over_http.heard[0]["user"]["id"] == guest.id


async def test_a_bot_that_answers_late_is_a_notice(sandbox: Sandbox, ann: Human) -> None:
    never = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", silent)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sandbox.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    sandbox.line.answer_within = 0.05

    answer = await ann.command("/approvals")

    never.set()
    await runner.cleanup()
    assert answer.late
    assert ann.notices == ["/approvals failed with the error operation_timeout"]


async def test_an_event_that_is_not_acknowledged_comes_again_with_the_same_id() -> None:
    slept: list[timedelta] = []

    class Hurried:
        def now(self) -> datetime:
            return datetime(2026, 11, 20, tzinfo=UTC)

        async def sleep(self, duration: timedelta) -> None:
            slept.append(duration)

        def monotonic(self) -> float:
            return 0.0

    async with Sandbox.with_people(clock=Hurried()) as sandbox:
        await sandbox.person("ann").open_home()
        await sandbox.until(lambda: len([call for call in sandbox.calls.of("bot:*") if call.outcome]) == 4)

        ids = {call.body["event_id"] for call in sandbox.calls.of("bot:app_home_opened")}

    assert slept == [timedelta(0), timedelta(minutes=1), timedelta(minutes=5)]
    assert len(ids) == 1


async def test_a_modal_comes_too_late_after_three_seconds(over_http: Bot, ann: Human) -> None:
    await ann.shortcut("start")
    trigger = ann.workspace.triggers[over_http.heard[0]["trigger_id"]]
    trigger.issued_at -= timedelta(seconds=3, milliseconds=1)

    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await over_http.app.client.views_open(trigger_id=trigger.id, view=FORM)


async def test_a_response_address_lasts_thirty_minutes(over_http: Bot, sandbox: Sandbox, ann: Human) -> None:
    await ann.command("/approvals")
    (address,) = ann.workspace.responses.values()
    url = over_http.heard[0]["response_url"]

    async with aiohttp.ClientSession() as session:
        address.issued_at -= timedelta(minutes=29)
        async with session.post(url, json={"text": "in time"}) as response:
            in_time = response.status
        address.issued_at -= timedelta(minutes=2)
        async with session.post(url, json={"text": "too late"}) as response:
            late = response.status, await response.json()

    assert in_time == 200
    assert late == (404, {"ok": False, "error": "expired_url"})


async def test_an_event_comes_once_where_the_bot_asks_for_no_repetition(sandbox: Sandbox, ann: Human) -> None:
    async def broken(_request: web.Request) -> web.Response:
        return web.Response(status=500, headers={"X-Slack-No-Retry": "1"})

    app = web.Application()
    app.router.add_post("/", broken)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sandbox.events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    before = asyncio.all_tasks()

    answer = await ann.open_home()

    repeating = [task for task in asyncio.all_tasks() - before if "_repeat" in repr(task.get_coro())]
    await runner.cleanup()
    assert (answer.status, answer.no_retry) == (500, True)
    assert repeating == []


async def test_an_external_menu_offers_what_the_bot_suggests(bot: Bot, sandbox: Sandbox, ann: Human) -> None:
    menu = {"type": "external_select", "action_id": "who", "placeholder": plain("Who")}
    blocks = [{"type": "actions", "elements": [menu]}]
    await bot.app.client.chat_postMessage(channel=ann.id, text="Pick", blocks=blocks)

    offered = await ann.suggestions(await ann.sees("Pick"), "who", "ho")

    assert [option["value"] for option in offered] == ["holiday", "ill"]
    assert bot.heard[0]["value"] == "ho"


async def test_the_bot_is_told_that_somebody_has_left(bot: Bot, sandbox: Sandbox) -> None:
    bot.app.event("user_change")(bot.note)
    bob = sandbox.person("bob")

    answer = await sandbox.deactivate(bob)

    (body,) = bot.heard
    user = body["event"]["user"]
    assert answer.ok
    assert (user["id"], user["team_id"], user["deleted"]) == (bob.id, sandbox.workspace.id, True)
    assert user["profile"]["email"] == "bob@example.com"
    assert "tz" not in user


async def test_the_bot_is_told_twice_that_a_group_has_other_members(bot: Bot, sandbox: Sandbox) -> None:
    for name in ("subteam_updated", "subteam_members_changed"):
        bot.app.event(name)(bot.note)
    bob, cat, dan = [sandbox.person(name) for name in ("bob", "cat", "dan")]

    await sandbox.change_group("hr-leads", [cat, dan])
    await sandbox.change_group("hr-leads", [cat, dan], disabled=True)

    updated, members, disabled = [body["event"] for body in bot.heard]
    assert (updated["subteam"]["handle"], updated["subteam"]["users"]) == ("hr-leads", [cat.id, dan.id])
    assert updated["subteam"]["date_delete"] == 0
    assert members["subteam_id"] == updated["subteam"]["id"]
    assert (members["added_users"], members["removed_users"]) == ([dan.id], [bob.id])
    assert disabled["subteam"]["date_delete"] > 0


async def test_what_was_typed_stays_only_in_the_very_same_input(over_http: Bot, sandbox: Sandbox, ann: Human) -> None:
    """Slack keeps it by block id and action id, and puts no initial value in its place."""
    client = over_http.app.client
    trigger = sandbox.workspace.new_trigger(ann.id)
    text = {"type": "plain_text_input", "initial_value": "at first"}
    form = {**FORM, "blocks": [asked("one", text), asked("two", text)]}
    opened = await client.views_open(trigger_id=trigger.id, view=form)
    view = ann.modal
    assert view is not None
    view.values = {name: {"value": {"type": "plain_text_input", "value": "typed"}} for name in ("one", "two")}
    changed = [asked("one", {**text, "initial_value": "anew"}), asked("two", {**text, "action_id": "other"})]
    await client.views_update(view_id=opened["view"]["id"], view={**form, "blocks": changed})

    assert view.values == {"one": {"value": {"type": "plain_text_input", "value": "typed"}}}
