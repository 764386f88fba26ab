"""Connecting Gmail: a whole bot, a browser, and a stand-in for Google that refuses what Google refuses."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp.test_utils import unused_port
from pydantic import SecretStr

from bot import connect_gmail
from bot.app import App
from bot.settings import Settings
from bot.web.admin_links import LIFETIME, AdminDoor, AdminLinks
from bot.web.connect import CALLBACK
from flows.errors import ActionError, ConfigError
from flows.links import Keyring
from flows.testing import FakeClock
from integrations.gmail import consent
from integrations.gmail.consent import Endpoints, OAuthClient
from integrations.sandbox import Page, Sandbox, Visitor
from integrations.sandbox.google_accounts import SEND
from integrations.sandbox.google_oauth import Client

KEY = "connect-Nb7Q2mVx0ZcK9rTfLw4hJ6sDy3pGu8Ea"
FLOW = """
flow: tell
steps:
  - id: all
    uses: mail.send
    with: {to: bob@example.com, subject: By the first, text: Hello}
    retry: {max: 2, delay: 1s}
  - id: one
    uses: gmail.send
    connection: billing
    with: {to: bob@example.com, subject: By billing, text: Hello}
    retry: {max: 2, delay: 1s}
"""


class Bot:
    """A bot without Slack, whose mail has yet to be connected."""

    def __init__(self, folder: Path, sandbox: Sandbox, clock: FakeClock, client: Client, port: int) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.clock = clock
        self.url = f"http://127.0.0.1:{port}"
        self.settings = Settings(
            database=f"sqlite:///{folder / 'signoff.db'}",
            flows=folder / "flows",
            port=port,
            public_url=self.url,
            secret_key=(SecretStr(KEY),),
            admins=("eve@example.com",),
            gmail_api_url=sandbox.gmail_url,
            google_client_id=client.id,
            google_client_secret=SecretStr(client.secret),
            google_oauth_url=sandbox.origin,
        )
        self.app: App

    async def serve(self) -> None:
        self.app = await App.open(self.settings, clock=self.clock)
        await self.app.start()

    async def restart(self) -> None:
        await self.app.stop()
        await self.serve()

    def link(self, admin: str = "eve@example.com", door: AdminDoor = AdminDoor.GMAIL) -> str:
        return AdminLinks(Keyring([KEY]), self.clock, self.url).url(door, admin)

    def stored(self) -> bytes:
        """Everything that is on disk."""
        return b"".join(file.read_bytes() for file in self.folder.glob("signoff.db*"))

    def rows(self, what: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "signoff.db")) as connection:
            return connection.execute(what).fetchall()

    async def run(self, flow: str = "tell") -> str:
        person = await self.app.people.by_email("ann@example.com")
        run, _ = await self.app.engine.start(flow, person.id, {})
        await self.app.runner.idle()
        return (await self.app.engine.run(run.id, person.id)).status


@pytest.fixture
async def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bot]:
    # The stand-in is on loopback, without TLS; oauthlib asks for this to be said.
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    clock = FakeClock()
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "tell.yml").write_text(FLOW)
    port = unused_port()
    async with Sandbox.with_people(clock=clock) as sandbox:
        client = sandbox.google_oauth.register(f"http://127.0.0.1:{port}{CALLBACK}")
        bot = Bot(tmp_path, sandbox, clock, client, port)
        await bot.serve()
        yield bot
        await bot.app.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Visitor]:
    async with Visitor() as visitor:
        yield visitor


Consent = Callable[..., Awaitable[Page]]


@pytest.fixture
def consents(bot: Bot, browser: Visitor) -> Consent:
    """Eve opens the page, goes on to Google, and allows it."""

    async def go(email: str, name: str = "", *, answer: str = "allow") -> Page:
        page = await browser.open(bot.link())
        form = replace(page, forms=page.forms[-1:])
        google = await browser.send(form, {"name": name})
        assert google.shows("wants access"), google.text
        return await browser.send(google, {"account": email, "answer": answer})

    return go


async def test_W13_an_admin_connects_accounts_and_mail_goes_out_in_their_names(bot: Bot, consents: Consent) -> None:
    assert "tell" not in bot.app.engine.flows  # nobody is called billing yet

    first = await consents("office@example.com")
    second = await consents("billing@example.com", "billing")

    assert first.shows("Signoff can send from office@example.com now."), first.text
    assert second.shows("connection: billing")
    assert [mail.sender for mail in bot.sandbox.office.inbox("eve@example.com")] == [
        "office@example.com",
        "billing@example.com",
    ]
    assert await bot.run() == "succeeded"
    sent = {mail.subject: mail.sender for mail in bot.sandbox.office.inbox("bob@example.com")}
    assert sent == {"By the first": "office@example.com", "By billing": "billing@example.com"}


async def test_W13_tokens_are_sealed_on_disk_and_good_after_a_restart(bot: Bot, consents: Consent) -> None:
    await consents("office@example.com")
    await consents("billing@example.com", "billing")
    tokens = [*bot.sandbox.google.refresh, *bot.sandbox.google.access]

    await bot.restart()

    assert len(tokens) >= 4
    assert not [token for token in tokens if token.encode() in bot.stored()]
    exchanged = bot.sandbox.calls.count("oauth.token")
    assert await bot.run() == "succeeded"
    # The access tokens were kept too.
    assert bot.sandbox.calls.count("oauth.token") == exchanged


async def test_W13_a_restart_in_the_middle_of_a_consent_loses_nothing(bot: Bot, browser: Visitor) -> None:
    page = await browser.open(bot.link())
    google = await browser.send(page, {})

    await bot.restart()
    done = await browser.send(google, {"account": "office@example.com", "answer": "allow"})

    assert done.shows("Signoff can send from office@example.com now."), done.text
    assert bot.rows("SELECT count(*) FROM google_consents") == [(0,)]


async def test_W13_tokens_are_renewed_and_the_new_ones_kept(bot: Bot, consents: Consent) -> None:
    await consents("office@example.com")
    await consents("billing@example.com", "billing")
    before = bot.rows("SELECT email, tokens, refreshed_at FROM google_accounts ORDER BY id")
    for token in list(bot.sandbox.google.access.values()):
        token.revoked = True  # as after an hour

    # Gmail's 401 is answered at once, with a new token.
    person = await bot.app.people.by_email("ann@example.com")
    await bot.app.engine.start("tell", person.id, {})
    for _ in range(3):
        await bot.app.runner.idle()
        bot.clock.advance(timedelta(minutes=1))

    after = bot.rows("SELECT email, tokens, refreshed_at FROM google_accounts ORDER BY id")
    assert [row[2] for row in before] == [None, None]
    assert all(new[2] is not None and new[1] != old[1] for old, new in zip(before, after, strict=True))


async def test_a_revoked_consent_is_shown_and_mail_waits_until_it_is_given_again(
    bot: Bot, browser: Visitor, consents: Consent
) -> None:
    await consents("office@example.com")
    await consents("billing@example.com", "billing")
    bot.sandbox.google_oauth.revoke_consent("office@example.com")

    # The first refusal is the token's, the second one the consent's.
    person = await bot.app.people.by_email("ann@example.com")
    run, _ = await bot.app.engine.start("tell", person.id, {})
    for _ in range(4):
        await bot.app.runner.idle()
        bot.clock.advance(timedelta(minutes=1))
    page = await browser.open(bot.link())
    (parked,) = (await bot.app.engine.run(run.id, person.id)).troubled

    assert page.shows("Google takes its tokens no more")
    assert page.shows("connect the account again")
    assert "office@example.com" in parked.error or "invalid_grant" in parked.error
    assert parked.parked_at is not None
    await consents("office@example.com")
    await bot.app.runner.idle()
    assert (await bot.app.engine.run(run.id, person.id)).status == "succeeded"
    assert not (await browser.open(bot.link())).shows("no more")


async def test_an_account_is_disconnected_at_google_too(bot: Bot, browser: Visitor, consents: Consent) -> None:
    await consents("office@example.com")
    page = await browser.open(bot.link())

    untouched = await browser.send(page, {})  # the form as it stands
    still = bot.rows("SELECT email FROM google_accounts")
    bot.sandbox.faults.drop_before("oauth.revoke", times=1)
    failed = await browser.send(await browser.open(bot.link()), {"sure": "yes"})
    gone = await browser.send(await browser.open(bot.link()), {"sure": "yes"})

    assert untouched.shows("Please tick the box first.")
    assert still == [("office@example.com",)]
    assert failed.shows("Google cannot be reached")
    assert gone.shows("is disconnected")
    assert bot.rows("SELECT email FROM google_accounts") == []
    assert all(token.revoked for token in bot.sandbox.google.refresh.values())


async def test_only_a_fresh_link_of_an_admin_opens_it(bot: Bot, browser: Visitor) -> None:
    link = bot.link()

    assert (await browser.open(link)).status == 200
    assert (await browser.open(f"{bot.url}/connect/gmail")).status == 403
    assert (await browser.open(bot.link("bob@example.com"))).status == 403
    assert (await browser.open(bot.link(door=AdminDoor.SLACK).replace("slack/install", "connect/gmail"))).status == 404
    assert (await browser.open(link.replace("eve%40", "ann%40"))).status == 404
    bot.clock.advance("16m")
    assert (await browser.open(link)).status == 404


async def test_a_consent_is_finished_once_and_by_who_began_it(bot: Bot, browser: Visitor) -> None:
    google = await browser.send(await browser.open(bot.link()), {})
    async with aiohttp.ClientSession() as stranger:
        form = {"account": "mallory@example.com", "answer": "allow", "scope": SEND}
        async with stranger.post(google.url, data=form, allow_redirects=False) as answer:
            back = answer.headers["Location"]
        # Somebody else's browser, with a code of their own for this very consent.
        async with stranger.get(back) as refused:
            assert refused.status == 404
    done = await browser.send(google, {"account": "office@example.com", "answer": "allow"})
    again = await browser.open(done.url)
    invented = await browser.open(f"{bot.url}{CALLBACK}?state=nothing&code=nothing")

    assert done.shows("Connected")
    assert (again.status, invented.status) == (404, 404)
    assert bot.rows("SELECT email FROM google_accounts") == [("office@example.com",)]


async def test_a_consent_that_another_browser_has_begun_is_not_finished_in_this_one(bot: Bot, browser: Visitor) -> None:
    theirs = await browser.send(await browser.open(bot.link()), {})
    async with Visitor() as victim:  # in the middle of a consent of their own
        await victim.send(await victim.open(bot.link()), {})
        led_astray = await victim.send(theirs, {"account": "mallory@example.com", "answer": "allow"})

    assert (led_astray.status, led_astray.shows("This link is not valid")) == (404, True), led_astray.text
    assert bot.rows("SELECT email FROM google_accounts") == []


async def test_what_was_not_allowed_connects_nothing(bot: Bot, browser: Visitor, consents: Consent) -> None:
    refused = await consents("office@example.com", answer="deny")
    google = await browser.send(await browser.open(bot.link()), {})
    (form,) = google.forms
    form.values["scope"] = "openid"
    unticked = await browser.send(google, {"account": "office@example.com", "answer": "allow"})
    named = await browser.send(await browser.open(bot.link()), {"name": "Big Name"})
    bot.sandbox.google_oauth.clients.clear()
    blocked = await browser.send(await browser.open(bot.link()), {})

    assert refused.shows("nothing has changed")
    assert unticked.shows("tick that box"), unticked.text
    assert named.shows("small letters")
    assert blocked.shows("invalid_client")
    assert bot.rows("SELECT email FROM google_accounts") == []


async def test_what_is_set_up_wrongly_is_said(bot: Bot) -> None:
    """The adapter alone: a code that was used, one for another address, and a wrong secret."""
    registered = next(iter(bot.sandbox.google_oauth.clients.values()))
    client = OAuthClient(registered.id, registered.secret, registered.redirects[0], Endpoints.at(bot.sandbox.origin))

    async def code(verifier: str = "v" * 50) -> str:
        url = consent.consent_url(client, state="s", verifier=verifier)
        form = aiohttp.FormData(
            [("account", "a@example.com"), ("answer", "allow"), *[("scope", one) for one in consent.SCOPES]]
        )
        async with aiohttp.ClientSession() as session, session.post(url, data=form, allow_redirects=False) as answer:
            return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]

    used = await code()
    granted = await consent.exchange(client, code=used, verifier="v" * 50)
    assert (granted.email, granted.tokens.access is not None) == ("a@example.com", True)
    for wrong, said in (
        (consent.exchange(client, code=used, verifier="v" * 50), "used before"),
        (consent.exchange(client, code=await code(), verifier="w" * 50), "invalid_grant"),
        (
            consent.exchange(replace(client, redirect="http://127.0.0.1/else"), code=await code(), verifier="v" * 50),
            "redirect",
        ),
        (
            consent.exchange(replace(client, secret="wrong"), code=await code(), verifier="v" * 50),
            "CLIENT_SECRET is wrong",
        ),
    ):
        with pytest.raises(ActionError, match=said):
            await wrong
    await asyncio.sleep(0)


async def test_W13_the_command_ends_with_what_became_of_the_test_mail(bot: Bot, browser: Visitor) -> None:
    admin = connect_gmail.check(bot.settings, None)
    waiting = asyncio.create_task(connect_gmail.wait(bot.settings, bot.clock))

    page = await browser.open(connect_gmail.link(bot.settings, bot.clock, admin))
    await browser.send(await browser.send(page, {}), {"account": "office@example.com", "answer": "allow"})
    while not waiting.done():
        bot.clock.advance("1s")
        await asyncio.sleep(0.01)

    assert await waiting == connect_gmail.Connected(
        "office@example.com", "gmail", "A mail to eve@example.com was sent to try it."
    )
    assert page.shows("This link was made for eve@example.com"), page.text


def test_the_command_says_all_that_is_missing() -> None:
    settings = Settings(admins=("eve@example.com",), public_url="https://signoff.example.com")

    with pytest.raises(ConfigError) as nothing:
        connect_gmail.check(settings, None)
    with pytest.raises(ConfigError) as somebody:
        connect_gmail.check(settings, "bob@example.com")

    assert connect_gmail.CALLBACK == CALLBACK
    assert connect_gmail.LIFETIME == LIFETIME
    assert "https://signoff.example.com/connect/gmail/callback" in str(nothing.value)
    assert "bob@example.com is not one of SIGNOFF_ADMINS." in somebody.value.problems
