"""What stands behind the sandbox's page, over HTTP: who may ask, what is refused, and how news gets out."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from integrations.sandbox import Human, Sandbox, SandboxPage
from integrations.sandbox import page as sandbox_page
from integrations.sandbox.message import Message

Payload = dict[str, Any]
FLOWS = [{"name": "vacation", "title": "Vacation", "description": "Asks.", "fields": []}]
BLOCKS: list[Payload] = [
    {
        "type": "actions",
        "block_id": "decide",
        "elements": [{"type": "button", "action_id": "approve", "text": {"type": "plain_text", "text": "Approve"}}],
    }
]


async def start(person: str, flow: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    if flow != "vacation":
        return {"error": f"there is no flow {flow}"}
    if not values.get("day"):
        return {"errors": {"day": "is required."}}
    return {"run": f"run_{person}"}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A running sandbox with its page, and no bot."""
    sandbox = Sandbox.with_people()
    SandboxPage(sandbox, flows=lambda: FLOWS, start=start)
    async with sandbox:
        yield sandbox


@pytest.fixture
async def session(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"{sandbox.origin}/") as session:
        yield session


def asked(person: Human) -> Message:
    workspace = person.workspace
    return workspace.post(workspace.direct_message(person.id), workspace.bot.id, "Days off?", blocks=BLOCKS)


async def post(session: aiohttp.ClientSession, name: str, **body: Any) -> tuple[int, Payload]:
    answer = await session.post(f"_sandbox/api/{name}", json=body)
    return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1234"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[::1"}, 403),
    ],
)
async def test_the_page_answers_at_loopback_names_only(
    session: aiohttp.ClientSession, headers: Payload, status: int
) -> None:
    paths = ["", "_sandbox/api/state", "_sandbox/static/page.js", "_sandbox/guide"]

    statuses = [(await session.get(path, headers=headers)).status for path in paths]

    assert statuses == [status] * len(paths)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_what_another_sites_page_posts_is_refused(
    sandbox: Sandbox, session: aiohttp.ClientSession, headers: Mapping[str, str]
) -> None:
    place = sandbox.workspace.direct_message(sandbox.person("ann").id)
    words = {"person": "ann", "channel": place.id, "text": "hello"}

    refused = await session.post("_sandbox/api/say", json=words, headers=headers)
    as_text = await session.post("_sandbox/api/say", data=json.dumps(words))
    own = await session.post("_sandbox/api/say", json=words, headers={"Origin": sandbox.origin})

    assert (refused.status, as_text.status, own.status) == (403, 415, 200)
    assert len(sandbox.workspace.messages_in(place.id)) == 1


async def test_what_slacks_client_would_not_allow_is_refused_with_a_sentence(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    message = asked(sandbox.person("bob"))
    where = {"channel": message.channel, "ts": message.ts, "block_id": "decide"}

    answers = [
        await post(session, "click", person="bob", **where, action_id="launch"),
        await post(session, "click", person="cat", **where, action_id="approve"),
        await post(session, "click", person="bob", **{**where, "ts": "1.000000"}, action_id="approve"),
        await post(session, "submit", person="bob", view="V1", values={}),
        await post(session, "say", person="bob", channel=message.channel, text="  "),
        await post(session, "say", person="zoe", channel=message.channel, text="hello"),
        await post(session, "read", person="bob", channel=message.channel, ts="soon"),
    ]

    assert [status for status, _ in answers] == [409, 409, 409, 409, 409, 404, 400]
    assert [body["error"] for _, body in answers[1:6]] == [
        "cat does not see this message",
        "this message is gone",
        "this view is not on the screen any more",
        "there is nothing to send",
        "there is nobody called zoe",
    ]
    assert sandbox.calls.of("bot:block_actions") == []


async def test_bad_days_happen_in_the_workspace_of_whoever_looks(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    globex = sandbox.add_workspace("Globex", "globex")
    zoe = sandbox.add_person("zoe", workspace=globex)
    orders = globex.add_channel("orders", [zoe.user])

    answers = [
        await post(session, "channel", person="zoe@globex", channel=orders.id, act="archive"),
        await post(session, "channel", person="ann", channel=orders.id, act="archive"),
        await post(session, "say", person="zoe@globex", channel=orders.id, text="hello"),
        await post(session, "somebody", person="ann", whom="zoe@globex", zone="Mars/Olympus"),
        await post(session, "somebody", person="ann", whom="bob", sort="guest", zone="Asia/Tokyo"),
        await post(session, "slack", person="ann", act="limits"),
        await post(session, "slack", person="ann", act="flood"),
    ]
    screen = await (await session.get("_sandbox/api/state", params={"person": "zoe@globex"})).json()
    link = await session.get(f"archives/{orders.id}/p1795255200000001?thread_ts=1.000001", allow_redirects=False)

    assert [status for status, _ in answers] == [200, 409, 409, 409, 200, 200, 400]
    assert [answers[number][1]["error"] for number in (1, 2, 3)] == [
        f"there is no channel {orders.id}",
        "#orders is archived: nobody can write there",
        "there is no time zone Mars/Olympus",
    ]
    assert (screen["workspace"], screen["overview"]["channels"][0]["archived"]) == ("Globex", True)
    assert [each["name"] for each in screen["workspaces"]] == ["Acme", "Globex"]
    assert (sandbox.person("bob").user.tz, sandbox.limits.enforced) == ("Asia/Tokyo", True)
    assert link.headers["Location"] == f"/?open={orders.id}&at=1795255200.000001&thread=1.000001&as=zoe@globex"


async def test_starting_a_flow_says_what_came_of_it(session: aiohttp.ClientSession) -> None:
    listed = await (await session.get("_sandbox/api/flows")).json()

    answers = [
        await post(session, "start", person="ann", flow="vacation", values={"day": "2026-12-01"}),
        await post(session, "start", person="ann", flow="vacation", values={}),
        await post(session, "start", person="ann", flow="party", values={}),
    ]

    assert listed == {"flows": FLOWS}
    assert answers == [
        (200, {"run": "run_ann"}),
        (422, {"errors": {"day": "is required."}}),
        (422, {"error": "there is no flow party"}),
    ]


async def test_every_change_goes_out_and_none_is_sent_twice(sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
    bob = sandbox.person("bob")

    async with session.get("_sandbox/api/events", params={"person": "bob"}) as events:
        first = await next_screen(events)
        sandbox.changes.notify()  # something that Bob does not see
        await (await session.get("_sandbox/api/state")).read()  # long enough for it to be sent again
        asked(bob)
        second = await next_screen(events)
        await bob.say("hello", channel="#general")
        third = await next_screen(events)

    assert events.content_type == "text/event-stream"
    assert [len(screen["places"][-1]["messages"]) for screen in (first, second, third)] == [0, 1, 1]
    assert [card["unread"] for card in second["people"]] == [0, 1, 0, 0, 0]
    assert [card["unread"] for card in third["people"]] == [1, 1, 1, 1, 1]


async def test_the_sandbox_stops_while_somebody_watches() -> None:
    sandbox = Sandbox.with_people()
    SandboxPage(sandbox, flows=lambda: FLOWS, start=start)
    await sandbox.start()

    async with aiohttp.ClientSession() as session, session.get(f"{sandbox.origin}/_sandbox/api/events") as events:
        await next_screen(events)
        async with asyncio.timeout(5):
            await sandbox.stop()

    assert events.status == 200


async def next_screen(events: aiohttp.ClientResponse) -> Payload:
    async with asyncio.timeout(5):
        while True:
            line = (await events.content.readline()).decode()
            if line.startswith("data: "):
                screen: Payload = json.loads(line.removeprefix("data: "))
                return screen


async def test_a_permalink_leads_to_the_message_as_whoever_can_see_it(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    message = asked(sandbox.person("dan"))
    general = sandbox.workspace.channel_named("general")
    assert general is not None

    direct = await session.get(f"archives/{message.channel}/p{message.ts.replace('.', '')}", allow_redirects=False)
    public = await session.get(f"archives/{general.id}/p1795255200000001", allow_redirects=False)

    assert direct.headers["Location"] == f"/?open={message.channel}&at={message.ts}&as=dan"
    assert public.headers["Location"] == f"/?open={general.id}&at=1795255200.000001"


async def test_a_mail_is_somebody_elses_page_and_may_do_nothing(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "bob@example.com", "Hello"
    message.set_content("plain")
    message.add_alternative("<p>rich", subtype="html")
    office = sandbox.office
    office.deliver("a@example.com", message, ["bob@example.com"], thread_id=None, at=datetime(2026, 11, 20, tzinfo=UTC))
    [mail] = sandbox.person("bob").inbox()

    answer = await session.get(f"_sandbox/mail/bob/{mail.id}")
    others = await session.get(f"_sandbox/mail/cat/{mail.id}")

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox allow-popups allow-popups-to-escape-sandbox")
    assert "<p>rich" in await answer.text()
    assert others.status == 404


async def test_what_is_not_there_is_not_found(session: aiohttp.ClientSession) -> None:
    paths = [
        "_sandbox/static/..%2fpage.py",
        "_sandbox/static/index.html",
        "_sandbox/mail/bob/x",
        "_sandbox/mail/zoe/x",
        "_sandbox/api/state?person=zoe",
        "archives/C1/p1795255200000001",
    ]

    statuses = [(await session.get(path)).status for path in paths]

    assert statuses == [404] * len(paths)


def test_every_script_sets_text_and_never_markup() -> None:
    folder = Path(sandbox_page.__file__).parent / "static"

    sources = {path.name: path.read_text() for path in folder.glob("*.js")}

    markup = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function")
    assert sources.keys() >= {"page.js", "blocks.js", "text.js"}
    assert [name for name, source in sources.items() if markup.search(source)] == []
