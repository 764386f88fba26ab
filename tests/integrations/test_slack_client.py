"""The outward client: slack_sdk over real HTTP, against the stand-in and against servers that misbehave."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from flows.errors import ConfigError
from integrations.sandbox import Sandbox
from integrations.slack.answers import Auth, Group, Posted, SlackUser
from integrations.slack.client import SlackClient, tag
from integrations.slack.failures import SlackError, Untraceable

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CARD = [{"type": "section", "text": {"type": "mrkdwn", "text": "Three days off"}}]
MODAL = {"type": "modal", "title": {"type": "plain_text", "text": "Why"}, "blocks": []}
HOME = {"type": "home", "blocks": CARD}
TOKEN = "xoxb-very-secret"


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.instant = NOON

    def now(self) -> datetime:
        return self.instant

    async def sleep(self, duration: timedelta) -> None:
        self.instant += duration

    def monotonic(self) -> float:
        return self.instant.timestamp()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def sandbox(clock: HandClock) -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people(clock=clock) as running:
        yield running


@pytest.fixture
async def slack(sandbox: Sandbox) -> AsyncIterator[SlackClient]:
    async with opened(sandbox.bot_token, base_url=sandbox.slack_url) as client:
        yield client


@asynccontextmanager
async def opened(token: str, **options: Any) -> AsyncIterator[SlackClient]:
    client = SlackClient(token, **options)
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def server(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Something that answers as ``answer`` says; yields its address for ``base_url``."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    finally:
        await runner.cleanup()


async def failed(call: Awaitable[Any]) -> SlackError:
    with pytest.raises(SlackError) as caught:
        await call
    return caught.value


def verdict(error: SlackError) -> tuple[str | None, bool, bool]:
    return error.code, error.retryable, error.uncertain


# -- messages


async def test_a_message_is_posted_updated_and_deleted(sandbox: Sandbox, slack: SlackClient) -> None:
    ann = sandbox.person("ann")

    posted = await slack.post("#vacation", text="Three days off", blocks=CARD, metadata=tag("card", "k1"))
    await slack.update(posted.channel, posted.ts, text="Approved by Bob")
    seen = ann.messages("vacation")
    link = await slack.permalink(posted.channel, posted.ts)
    await slack.delete(posted.channel, posted.ts)
    await slack.delete(posted.channel, posted.ts)

    assert [(message.ts, message.text, message.blocks) for message in seen] == [(posted.ts, "Approved by Bob", [])]
    assert link.endswith(f"/archives/{posted.channel}/p{posted.ts.replace('.', '')}")
    assert ann.messages("vacation") == []


async def test_nothing_is_unfurled_and_updates_are_parsed_like_posts(sandbox: Sandbox, slack: SlackClient) -> None:
    posted = await slack.post("#vacation", text="x")
    await slack.update(posted.channel, posted.ts, text="y")

    (post,) = sandbox.calls.of("chat.postMessage")
    (update,) = sandbox.calls.of("chat.update")
    assert (post.body["unfurl_links"], post.body["unfurl_media"]) == (False, False)
    assert update.body["parse"] == "none"


async def test_texts_beyond_slacks_limits_are_cut_so_that_the_message_still_goes_out(
    sandbox: Sandbox, slack: SlackClient
) -> None:
    posted = await slack.post("#vacation", text="x" * 40_001)
    long = sandbox.person("ann").messages("vacation")[0].text

    await slack.update(posted.channel, posted.ts, text="y" * 4_001)

    assert long == "x" * 39_999 + "…"
    assert sandbox.person("ann").messages("vacation")[0].text == "y" * 3_999 + "…"


async def test_an_ephemeral_message_reaches_one_person(sandbox: Sandbox, slack: SlackClient) -> None:
    ann, bob = sandbox.person("ann"), sandbox.person("bob")
    channel = (await slack.post("#general", text="x")).channel

    await slack.ephemeral(channel, ann.id, text="Already decided")

    assert [message.text for message in ann.ephemerals()] == ["Already decided"]
    assert bob.ephemerals() == []


async def test_a_direct_message_is_opened_once(sandbox: Sandbox, slack: SlackClient) -> None:
    ann = sandbox.person("ann")

    first = await slack.open_direct(ann.id)
    again = await slack.open_direct(ann.id)

    assert first == again == (await slack.post(ann.id, text="For you")).channel
    assert sandbox.calls.count("conversations.open") == 1


# -- failures


@pytest.mark.parametrize("seconds", [1, 12, 3600])
async def test_R9_a_rate_limit_says_when_to_come_back(sandbox: Sandbox, slack: SlackClient, seconds: int) -> None:
    sandbox.faults.rate_limited("chat.postMessage", retry_after=seconds)

    error = await failed(slack.post("#vacation", text="x"))

    assert verdict(error) == ("ratelimited", True, False)
    assert error.retry_after == timedelta(seconds=seconds)
    assert sandbox.calls.count("chat.postMessage") == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_R9_a_server_error_leaves_a_post_uncertain_and_an_update_repeatable(
    sandbox: Sandbox, slack: SlackClient, status: int
) -> None:
    sandbox.faults.status("chat.*", status)

    post = await failed(slack.post("#vacation", text="x"))
    update = await failed(slack.update("C0000001", "1.000001", text="x"))

    assert verdict(post) == (None, True, True)
    assert verdict(update) == (None, True, False)


@pytest.mark.parametrize(
    ("code", "retryable", "uncertain"),
    [
        ("internal_error", True, True),
        ("fatal_error", True, True),
        ("service_unavailable", True, True),
        ("request_timeout", True, False),
        ("team_added_to_org", True, False),
        ("org_login_required", True, False),
        ("ratelimited", True, False),
        ("rate_limited", True, False),
        ("message_limit_exceeded", True, False),
        ("accesslimited", False, False),
        ("channel_not_found", False, False),
        ("is_archived", False, False),
        ("invalid_blocks", False, False),
        ("invalid_auth", False, False),
        ("token_revoked", False, False),
        ("account_inactive", False, False),
        ("a_code_that_came_later", False, False),
    ],
)
async def test_a_code_decides_whether_trying_again_helps_and_whether_a_post_may_be_there(
    sandbox: Sandbox, slack: SlackClient, code: str, retryable: bool, uncertain: bool
) -> None:
    sandbox.faults.error("chat.*", code)

    post = await failed(slack.post("#vacation", text="x"))
    update = await failed(slack.update("C0000001", "1.000001", text="x"))

    assert verdict(post) == (code, retryable, uncertain)
    assert verdict(update) == (code, retryable, False)


async def test_R9_a_connection_that_drops_after_accepting_is_not_sent_again(
    sandbox: Sandbox, slack: SlackClient
) -> None:
    sandbox.faults.drop_after("chat.postMessage", times=1)

    error = await failed(slack.post("#vacation", text="x"))

    assert verdict(error) == (None, True, True)
    assert len(sandbox.person("ann").messages("vacation")) == 1


async def test_R9_a_connection_that_drops_before_accepting_looks_the_same(sandbox: Sandbox, slack: SlackClient) -> None:
    sandbox.faults.drop_before("chat.postMessage", times=1)

    error = await failed(slack.post("#vacation", text="x"))

    assert verdict(error) == (None, True, True)
    assert sandbox.calls.count("chat.postMessage") == 1


async def test_R9_a_kept_connection_that_drops_is_not_sent_again_either(sandbox: Sandbox, slack: SlackClient) -> None:
    await slack.post("#vacation", text="warm")
    sandbox.faults.drop_after("chat.postMessage")

    error = await failed(slack.post("#vacation", text="x"))

    assert verdict(error) == (None, True, True)
    assert sandbox.calls.count("chat.postMessage") == 2


async def test_an_answer_that_does_not_come_in_time_leaves_a_post_uncertain(sandbox: Sandbox) -> None:
    held = asyncio.Event()
    sandbox.faults.slow("chat.*", until=held, after=True)
    async with opened(sandbox.bot_token, base_url=sandbox.slack_url, timeout=0.1) as slack:
        post = await failed(slack.post("#vacation", text="x"))
        update = await failed(slack.update("C0000001", "1.000001", text="x"))
    held.set()

    assert verdict(post) == (None, True, True)
    assert "not in time" in str(post)
    assert verdict(update) == (None, True, False)


async def test_a_server_that_is_not_there_was_certainly_told_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api/"
        async with opened(TOKEN, base_url=url) as slack:
            error = await failed(slack.post("#vacation", text="x"))

    assert verdict(error) == (None, True, False)


async def test_a_name_that_does_not_resolve_was_certainly_told_nothing() -> None:
    async with opened(TOKEN, base_url="http://slack.invalid/api/") as slack:
        error = await failed(slack.post("#vacation", text="x"))

    assert verdict(error) == (None, True, False)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<html>Welcome to the hotel</html>", "text/html"),
        ("ok", "text/plain"),
        ("[1, 2]", "application/json"),
        ("{", "application/json"),
        ('{"ok": true}', "application/json"),
        ("", "application/json"),
    ],
)
async def test_a_success_that_makes_no_sense_is_no_success(body: str, content_type: str) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(text=body, content_type=content_type)

    async with server(answer) as url, opened(TOKEN, base_url=url) as slack:
        post = await failed(slack.post("#vacation", text="x"))
        read = await failed(slack.groups())

    assert verdict(post) == (None, True, True)
    assert verdict(read) == (None, True, False)


async def test_an_answer_that_breaks_off_leaves_a_post_uncertain() -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        cut = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
        await cut.prepare(request)
        await cut.write(b'{"ok": tr')
        assert request.transport is not None
        request.transport.abort()
        return cut

    async with server(answer) as url, opened(TOKEN, base_url=url) as slack:
        error = await failed(slack.post("#vacation", text="x"))

    assert verdict(error) == (None, True, True)


@pytest.mark.parametrize(("content_type", "body"), [("text/plain", "slow down"), ("application/json", "{")])
async def test_a_rate_limit_is_understood_whatever_its_body(content_type: str, body: str) -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(status=429, text=body, content_type=content_type, headers={"Retry-After": "120"})

    async with server(answer) as url, opened(TOKEN, base_url=url) as slack:
        error = await failed(slack.post("#vacation", text="x"))

    assert (verdict(error), error.retry_after) == (("ratelimited", True, False), timedelta(minutes=2))


async def test_an_error_tells_the_operator_what_to_do(sandbox: Sandbox, slack: SlackClient) -> None:
    sandbox.workspace.add_channel("elsewhere", with_bot=False)
    too_long = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]
    async with opened(sandbox.new_token(["chat:write"]), base_url=sandbox.slack_url) as poor:
        outside = await failed(poor.post("#elsewhere", text="x"))
        scope = await failed(poor.user_by_email("ann@example.com"))
    blocks = await failed(slack.post("#general", text="x", blocks=too_long))

    assert str(outside) == "Slack chat.postMessage (#elsewhere): not_in_channel: invite the bot with /invite @signoff."
    assert str(scope) == (
        "Slack users.lookupByEmail: missing_scope: add the scope users:read.email under OAuth & Permissions in the app's "
        "settings and install the app again."
    )
    assert "must be less than 3001 characters [json-pointer:/blocks/0/text/text]" in str(blocks)
    assert [error.retryable for error in (outside, scope, blocks)] == [False] * 3


async def test_the_token_stands_in_no_error_repr_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.json_response({"ok": False, "error": "invalid_auth"})

    async with server(answer) as url, opened(TOKEN, base_url=url) as slack:
        error = await failed(slack.post("#vacation", text="the personal link"))
        shown = f"{slack!r} {error!r} {error} {error.__cause__!r}"

    assert "secret" not in shown
    assert error.__suppress_context__
    assert "secret" not in caplog.text
    assert "personal link" not in caplog.text


async def test_the_environments_proxy_is_not_used(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async with opened(sandbox.bot_token, base_url=sandbox.slack_url) as slack:
        who = await slack.auth()

    assert who.team == "Acme"


async def test_a_proxy_that_is_asked_for_is_used(sandbox: Sandbox) -> None:
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(str(request.url))
        return web.json_response({"ok": True, "channel": "C0000001", "ts": "1.000001"})

    async with server(answer) as url, opened(TOKEN, base_url="http://slack.invalid/api/", proxy=url) as slack:
        posted = await slack.post("#vacation", text="x")

    assert posted == Posted("C0000001", "1.000001")
    assert asked == ["http://slack.invalid/api/chat.postMessage"]


@pytest.mark.parametrize("bad", ["", "slack.com/api/", "ftp://slack.com/", "http://", "http://[::1/api/"])
def test_an_address_that_is_none_is_refused_at_once(bad: str) -> None:
    with pytest.raises(ConfigError, match="SLACK_API_URL"):
        SlackClient(TOKEN, base_url=bad)


# -- looking for a post


async def test_R9b_a_post_is_found_again_by_its_metadata(
    sandbox: Sandbox, slack: SlackClient, clock: HandClock
) -> None:
    await slack.post("#vacation", text="another", metadata=tag("card", "k2"))
    sandbox.faults.drop_after("chat.postMessage", times=1)
    await failed(slack.post("#vacation", text="lost", metadata=tag("card", "k1")))
    clock.instant += timedelta(hours=1)

    found = await slack.find_post("#vacation", event_type="card", key="k1", since=NOON)

    lost = sandbox.person("ann").messages("vacation")[-1]
    assert found == Posted(lost.channel, lost.ts)
    assert await slack.find_post("#vacation", event_type="card", key="k3", since=NOON) is None
    assert await slack.find_post("#vacation", event_type="other", key="k1", since=NOON) is None
    assert await slack.find_post("#vacation", event_type="card", key="k1", since=NOON + timedelta(hours=1)) is None


async def test_R9b_a_channel_that_was_never_posted_to_is_found_by_its_name(
    sandbox: Sandbox, slack: SlackClient
) -> None:
    sandbox.workspace.add_channel("board", [sandbox.person("ann").user], is_private=True)
    sandbox.faults.drop_after("chat.postMessage")
    await failed(slack.post("#board", text="lost", metadata=tag("card", "k1")))

    found = await slack.find_post("#board", event_type="card", key="k1", since=NOON)

    assert found is not None
    assert found.ts == sandbox.person("ann").messages("board")[0].ts


async def test_R9b_replies_and_direct_messages_are_found_too(sandbox: Sandbox, slack: SlackClient) -> None:
    ann = sandbox.person("ann")
    top = await slack.post("#vacation", text="top")
    reply = await slack.post("#vacation", text="reply", metadata=tag("card", "k1"), thread_ts=top.ts)
    direct = await slack.post(ann.id, text="direct", metadata=tag("card", "k1"))

    in_thread = await slack.find_post("#vacation", event_type="card", key="k1", since=NOON, thread_ts=top.ts)
    in_direct = await slack.find_post(ann.id, event_type="card", key="k1", since=NOON)

    assert (in_thread, in_direct) == (reply, direct)


async def test_R9b_a_post_is_found_behind_pages_of_newer_ones(sandbox: Sandbox, slack: SlackClient) -> None:
    wanted = await slack.post("#vacation", text="wanted", metadata=tag("card", "k1"))
    crowd(sandbox, 450)

    found = await slack.find_post("#vacation", event_type="card", key="k1", since=NOON)

    assert found == wanted
    assert sandbox.calls.count("conversations.history") == 3


async def test_R9b_metadata_that_somebody_else_copied_is_not_taken_for_the_bots(
    sandbox: Sandbox, slack: SlackClient
) -> None:
    general = sandbox.workspace.channel_named("general")
    assert general is not None
    sandbox.workspace.post(general, sandbox.person("eve").id, "copied", metadata=tag("card", "k1"))

    assert await slack.find_post("#general", event_type="card", key="k1", since=NOON) is None


async def test_R9b_where_the_bot_may_not_read_it_says_so_instead_of_not_there(
    sandbox: Sandbox, slack: SlackClient
) -> None:
    posted = await slack.post("#vacation", text="x", metadata=tag("card", "k1"))
    away = sandbox.workspace.add_channel("elsewhere", with_bot=False)
    where = {"event_type": "card", "key": "k1", "since": NOON}
    async with opened(sandbox.new_token(["chat:write"]), base_url=sandbox.slack_url) as poor:
        unreadable = await failed(poor.find_post(posted.channel, **where))  # type: ignore[arg-type]  # a dict of mixed values
        unlisted = await failed(poor.find_post("#vacation", **where))  # type: ignore[arg-type]  # a dict of mixed values
    outside = await failed(slack.find_post(away.id, **where))  # type: ignore[arg-type]  # a dict of mixed values
    crowd(sandbox, 2001)
    drowned = await failed(slack.find_post(posted.channel, **where))  # type: ignore[arg-type]  # a dict of mixed values

    errors = [unreadable, unlisted, outside, drowned]
    assert [type(error) for error in errors] == [Untraceable] * 4
    assert [error.code for error in errors] == ["missing_scope", "channel_not_found", "not_in_channel", None]


async def test_a_failure_to_look_is_neither_found_nor_untraceable(sandbox: Sandbox, slack: SlackClient) -> None:
    posted = await slack.post("#vacation", text="x", metadata=tag("card", "k1"))
    sandbox.faults.status("conversations.history", 500)

    error = await failed(slack.find_post(posted.channel, event_type="card", key="k1", since=NOON))

    assert type(error) is SlackError
    assert error.retryable


def crowd(sandbox: Sandbox, many: int) -> None:
    channel = sandbox.workspace.channel_named("vacation")
    assert channel is not None
    for number in range(many):
        sandbox.workspace.post(channel, sandbox.person("ann").id, f"m{number}")


# -- answers to a click


def response_url(sandbox: Sandbox) -> str:
    general = sandbox.workspace.channel_named("general")
    assert general is not None
    address = sandbox.workspace.new_response(sandbox.person("ann").id, general.id, None)
    return f"{sandbox.origin}/response/{address.token}"


async def test_a_click_is_answered_at_its_response_url(sandbox: Sandbox, slack: SlackClient) -> None:
    await slack.respond(response_url(sandbox), {"response_type": "ephemeral", "text": "Counted"})

    assert [message.text for message in sandbox.person("ann").ephemerals()] == ["Counted"]


async def test_an_expired_or_used_or_unknown_response_url_is_a_failure_that_stays_one(
    sandbox: Sandbox, slack: SlackClient, clock: HandClock
) -> None:
    used, old = response_url(sandbox), response_url(sandbox)
    for _ in range(5):
        await slack.respond(used, {"text": "x"})

    errors = [await failed(slack.respond(used, {"text": "x"}))]
    clock.instant += timedelta(minutes=31)
    errors.append(await failed(slack.respond(old, {"text": "x"})))
    errors.append(await failed(slack.respond(f"{sandbox.origin}/response/unknown", {"text": "x"})))

    assert [verdict(error) for error in errors] == [
        ("used_url", False, False),
        ("expired_url", False, False),
        ("no_team", False, False),
    ]
    assert not any("/response/" in str(error) for error in errors)


async def test_an_answer_that_slack_refuses_with_status_200_is_a_failure() -> None:
    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.json_response({"ok": False, "error": "expired_url"})

    async with server(answer) as url, opened(TOKEN, base_url=url) as slack:
        error = await failed(slack.respond(url, {"text": "x"}))

    assert verdict(error) == ("expired_url", False, False)


async def test_an_uncertain_answer_may_be_repeated_safely_only_where_it_replaces(
    sandbox: Sandbox, slack: SlackClient
) -> None:
    sandbox.faults.drop_after("response_url")

    new = await failed(slack.respond(response_url(sandbox), {"text": "x"}))
    replacing = await failed(slack.respond(response_url(sandbox), {"text": "x", "replace_original": True}))

    assert (verdict(new), verdict(replacing)) == ((None, True, True), (None, True, False))


async def test_S8_only_slacks_own_response_urls_are_called() -> None:
    called: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        called.append(request.path)
        return web.Response(text="ok")

    async with server(answer) as url, opened(TOKEN, base_url="https://slack.com/api/") as slack:
        port = url.split(":")[2].split("/")[0]
        for bad in (
            url,
            f"https://127.0.0.1:{port}/commands/x",
            f"http://hooks.slack.com@127.0.0.1:{port}/",
            f"http://127.0.0.1:{port}/#@hooks.slack.com",
            "http://hooks.slack.com/commands/x",
            "https://hooks.slack.com.evil.example/commands/x",
            "https://hooks.slack.com:8443/commands/x",
            "https://user:word@hooks.slack.com/commands/x",
            "//hooks.slack.com/commands/x",
            "file:///etc/passwd",
            "not an address",
            "",
        ):
            error = await failed(slack.respond(bad, {"text": "x"}))
            assert (verdict(error), "none of Slack's" in str(error)) == ((None, False, False), True), bad

    assert called == []


async def test_S8_a_redirect_of_a_response_url_is_not_followed() -> None:
    called: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        called.append(request.path)
        return web.Response(status=307, headers={"Location": "/inside"})

    async with server(answer) as url, opened(TOKEN, base_url=url) as slack:
        await failed(slack.respond(f"{url}x", {"text": "x"}))

    assert called == ["/api/x"]


# -- views


async def test_a_modal_is_opened_and_changed_and_a_home_is_published(sandbox: Sandbox, slack: SlackClient) -> None:
    ann = sandbox.person("ann")

    shown = await slack.open_view(sandbox.workspace.new_trigger(ann.id).id, MODAL)
    changed = await slack.update_view(shown.id, {**MODAL, "blocks": CARD}, hash=shown.hash)
    home = await slack.publish_home(ann.id, HOME)
    stale = await failed(slack.update_view(shown.id, MODAL, hash=shown.hash))

    assert sandbox.workspace.modals[ann.id][0].shown_text() == "Why\nThree days off"
    assert changed.hash != shown.hash
    assert sandbox.workspace.homes[ann.id].id == home.id
    assert verdict(stale) == ("hash_conflict", False, False)


async def test_opening_a_modal_is_never_worth_another_try(
    sandbox: Sandbox, slack: SlackClient, clock: HandClock
) -> None:
    trigger = sandbox.workspace.new_trigger(sandbox.person("ann").id).id
    sandbox.faults.rate_limited("views.open", retry_after=3, times=1)
    limited = await failed(slack.open_view(trigger, MODAL))
    sandbox.faults.drop_before("views.open", times=1)
    dropped = await failed(slack.open_view(trigger, MODAL))
    clock.instant += timedelta(seconds=4)
    late = await failed(slack.open_view(trigger, MODAL))

    assert verdict(limited) == ("ratelimited", False, False)
    assert verdict(dropped) == (None, False, True)
    assert verdict(late) == ("expired_trigger_id", False, False)


# -- people


async def test_who_the_token_acts_for_and_its_scopes(sandbox: Sandbox) -> None:
    token = sandbox.new_token(["chat:write", "users:read"])
    async with opened(token, base_url=sandbox.slack_url) as slack:
        auth = await slack.auth()

    workspace = sandbox.workspace
    assert auth == Auth(
        workspace.id, "Acme", workspace.bot.id, workspace.bot_id, None, frozenset({"chat:write", "users:read"})
    )


async def test_a_user_is_read_with_what_decides_whether_they_count(sandbox: Sandbox, slack: SlackClient) -> None:
    ann = sandbox.person("ann")
    sorts = ("guest", "single-channel guest", "stranger", "deactivated", "bot")
    others = [sandbox.add_person(f"p{number}", sort=sort) for number, sort in enumerate(sorts)]  # type: ignore[arg-type]  # literals from a tuple

    known = await slack.user(ann.id)
    users = [await slack.user(other.id) for other in others]

    assert known == SlackUser(ann.id, sandbox.workspace.id, "Ann Archer", "ann@example.com", "Europe/Berlin")
    assert known.full_member
    flags = [(u.restricted, u.stranger, u.deleted, u.bot, u.full_member) for u in users if u]
    assert flags == [
        (True, False, False, False, False),
        (True, False, False, False, False),
        (False, True, False, False, False),
        (False, False, True, False, False),
        (False, False, False, True, False),
    ]


@pytest.mark.parametrize(
    ("user", "stranger"),
    [
        ({"team_id": "T1"}, False),
        ({}, False),
        ({"team_id": "T2"}, True),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E1"}}, False),
        ({"team_id": "T2", "enterprise_user": {"enterprise_id": "E2"}}, True),
        ({"team_id": "T1", "is_stranger": True}, True),
    ],
)
async def test_S3_a_stranger_is_somebody_of_another_workspace_and_organisation(
    user: dict[str, Any], stranger: bool
) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path.endswith("auth.test"):
            who = {"ok": True, "team_id": "T1", "team": "Acme", "user_id": "U1", "enterprise_id": "E1"}
            return web.json_response(who)
        return web.json_response({"ok": True, "user": {"id": "U2", "name": "sam", **user}})

    async with server(answer) as url, opened(TOKEN, base_url=url) as slack:
        read = await slack.user("U2")

    assert read is not None
    assert (read.stranger, read.name) == (stranger, "sam")


@pytest.mark.parametrize("flag", ["is_restricted", "is_ultra_restricted"])
async def test_S3_either_flag_makes_a_guest(flag: str) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path.endswith("auth.test"):
            return web.json_response({"ok": True, "team_id": "T1", "team": "Acme", "user_id": "U1"})
        return web.json_response({"ok": True, "user": {"id": "U2", "team_id": "T1", flag: True}})

    async with server(answer) as url, opened(TOKEN, base_url=url) as slack:
        read = await slack.user("U2")

    assert read is not None
    assert read.restricted


async def test_S3_slackbot_is_a_bot_though_slack_says_otherwise() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path.endswith("auth.test"):
            return web.json_response({"ok": True, "team_id": "T1", "team": "Acme", "user_id": "U1"})
        return web.json_response({"ok": True, "user": {"id": "USLACKBOT", "is_bot": False, "team_id": "T1"}})

    async with server(answer) as url, opened(TOKEN, base_url=url) as slack:
        read = await slack.user("USLACKBOT")

    assert read is not None
    assert read.bot


async def test_somebody_who_is_not_there_is_none_and_a_failure_to_ask_is_not(
    sandbox: Sandbox, slack: SlackClient
) -> None:
    gone = sandbox.add_person("gus", sort="deactivated")

    nobody = [
        await slack.user("U00000000"),
        await slack.user_by_email("nobody@example.com"),
        await slack.user_by_email(str(gone.user.email)),
    ]
    sandbox.faults.status("users.*", 503)
    by_id = await failed(slack.user("U00000000"))
    by_email = await failed(slack.user_by_email("nobody@example.com"))

    assert nobody == [None, None, None]
    assert verdict(by_id) == verdict(by_email) == (None, True, False)


async def test_groups_and_their_members_are_listed(sandbox: Sandbox, slack: SlackClient) -> None:
    workspace, people = sandbox.workspace, sandbox.people
    off = workspace.add_group("old")
    off.disabled = True

    groups = await slack.groups()
    members = await slack.group_members(groups[0].id)

    assert [group.handle for group in groups] == ["hr-leads", "release-managers"]
    assert groups[0] == Group(groups[0].id, "hr-leads")
    assert members == [people["bob"].id, people["cat"].id]
    assert await slack.group_members("S00000000") is None
    assert await slack.group_members(off.id) is None


async def test_everybody_is_listed_over_all_pages(sandbox: Sandbox, slack: SlackClient) -> None:
    for number in range(1000):
        sandbox.workspace.add_user(f"u{number}")

    ids = [user.id async for user in slack.users()]

    assert ids == list(sandbox.workspace.users)
    assert sandbox.calls.count("users.list") == 2
