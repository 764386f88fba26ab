"""What a personal page asks for beyond its link: a code out of the mail, or a sign-in with Slack, at a refusing stand-in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import unused_port
from pydantic import SecretStr

from bot.app import App
from bot.links import ALPHABET
from bot.settings import Settings
from bot.web.sign_in import CALLBACK
from flows.definition import Approval, Flow, Step
from flows.run import Verdict
from flows.testing import FakeClock
from integrations.sandbox import SENDER, Page, Sandbox, Visitor
from tests.bot.web.conftest import World

CODED = Flow(
    flow="coded",
    steps=[
        Step(
            id="gate",
            approval=Approval(
                ask="Pay it?",
                approvers=("ann@example.com", "bob@example.com"),
                quorum=2,
                verify="code",
                reason="reject",
                timeout=timedelta(days=2),
            ),
        )
    ],
)


@pytest.fixture
async def coded(world: World) -> World:
    await world.engine.use([CODED])
    return world


async def code_of(world: World, run: int, name: str = "ann") -> str:
    code = world.links.code(await world.view(run), (await world.person(name)).id)
    assert code is not None
    return code


async def standing(world: World, run: int) -> list[tuple[str, Verdict]]:
    view = await world.view(run)
    return [(view.person(one.person).name, one.verdict) for one in view.decisions]


# -- the code -------------------------------------------------------------------------------------------------


async def test_an_answer_counts_with_the_code_that_the_mail_shows(coded: World) -> None:
    run = await coded.start("coded")
    link, code = await coded.link(run), await code_of(coded, run)

    status, page = await coded.get(link)
    without, said = await coded.send(link, verdict="approve")
    counted, _ = await coded.send(link, verdict="approve", code=f" {code[:3].lower()}-{code[3:]} ")

    assert (status, "code" in page.controls) == (200, True)
    assert code not in page.html + link
    assert re.fullmatch(f"[{ALPHABET}]{{6}}", code)
    assert page.values["code"] == [""]
    assert "You answer as Ann, whom this link was made for." in page.text
    assert (without, "The code is needed" in said.text) == (422, True)
    assert (counted, await standing(coded, run)) == (303, [("Ann", Verdict.APPROVE)])


async def test_a_code_is_one_persons_for_one_request(coded: World) -> None:
    run, other = await coded.start("coded"), await coded.start("coded")
    codes = {await code_of(coded, run), await code_of(coded, run, "bob"), await code_of(coded, other)}

    status, page = await coded.send(await coded.link(run), verdict="approve", code=await code_of(coded, run, "bob"))

    assert len(codes) == 3
    assert (status, "is not the one in the mail; 4 tries are left" in page.text) == (422, True)
    assert await standing(coded, run) == []


async def test_after_five_wrong_codes_nobody_may_try_for_a_quarter_of_an_hour(coded: World) -> None:
    run = await coded.start("coded")
    link, code = await coded.link(run), await code_of(coded, run)

    for _ in range(20):
        # Whoever only presses the button, as often as they like, has not tried.
        assert (await coded.send(link, verdict="approve"))[0] == 422
    said = [(await coded.send(link, verdict="approve", code="222222"))[1].text for _ in range(5)]
    locked, page = await coded.send(link, verdict="approve", code=code)
    coded.clock.advance("14m59s")
    still, _ = await coded.send(link, verdict="approve", code=code)
    others, _ = await coded.send(await coded.link(run, "bob"), verdict="approve", code=await code_of(coded, run, "bob"))
    coded.clock.advance("1s")
    again, _ = await coded.send(link, verdict="approve", code=code)

    assert ["1 try is left" in text for text in said] == [False, False, False, True, False]
    assert (locked, "try again in 15 minutes" in page.text, still) == (403, True, 403)
    assert (others, again) == (303, 303)


async def test_fifty_guesses_at_once_are_five(coded: World) -> None:
    run = await coded.start("coded")
    link = await coded.link(run)
    _, page = await coded.get(link)
    assert page.action is not None
    values = {**page.values, "verdict": "approve"}

    answers = await asyncio.gather(*[coded.post(page.action, {**values, "code": f"22222{one}"}) for one in ALPHABET])

    assert [status for status, _ in answers].count(422) == 4
    assert [status for status, _ in answers].count(403) == len(ALPHABET) - 4
    assert await standing(coded, run) == []


async def test_a_right_code_is_kept_while_the_rest_is_mended_and_for_taking_it_back(coded: World) -> None:
    run = await coded.start("coded")
    link, code = await coded.link(run), await code_of(coded, run)

    bare, page = await coded.send(link, verdict="reject", code=code)
    assert page.action is not None
    mended, _ = await coded.post(page.action, {**page.values, "verdict": "approve"})
    _, shown = await coded.get(link)
    back, _ = await coded.post(f"{link}/back", {**shown.values, "take_back": "yes"})

    assert (bare, "code" in page.controls) == (422, False)
    assert "The code was right" in page.text
    assert (mended, back) == (303, 303)
    assert await standing(coded, run) == []


async def test_a_kept_code_is_this_pages_and_ends(coded: World) -> None:
    run, other = await coded.start("coded"), await coded.start("coded")
    link, code = await coded.link(run), await code_of(coded, run)
    await coded.send(link, verdict="reject", code=code)
    (kept,) = [one for one in coded.client.session.cookie_jar if one.key == "signoff_code"]

    elsewhere = await coded.link(other)
    headers = {"Cookie": f"signoff_code={kept.value}"}
    async with coded.client.get(elsewhere, headers=headers) as response:
        there = await response.text()
    coded.clock.advance("15m")
    _, here = await coded.get(link)

    assert kept["path"] == link
    assert 'name="code"' in there
    assert "code" in here.controls


async def test_S5_a_scanner_that_presses_every_button_decides_nothing_and_locks_nobody_out(coded: World) -> None:
    run = await coded.start("coded")
    link = await coded.link(run)
    before = await coded.state(run)

    for _ in range(8):
        _, page = await coded.get(link)
        assert page.action is not None
        for action in (page.action, f"{link}/back"):
            await coded.post(action, page.values)
            # One that chooses too, and types what the page says.
            await coded.post(action, {**page.values, "verdict": "approve", "take_back": "yes"})
    untouched = before == await coded.state(run)
    status, _ = await coded.send(link, verdict="approve", code=await code_of(coded, run))

    assert untouched
    assert status == 303


# -- the sign-in ----------------------------------------------------------------------------------------------

FLOW = """
flow: signed
steps:
  - id: gate
    approval:
      ask: Pay it?
      approvers: [bob@example.com, cat@example.com]
      via: [mail]
      verify: slack
      quorum: 2
"""
KEY = "verify-Nb7Q2mVx0ZcK9rTfLw4hJ6sDy3pGu8Ea"


class Bot:
    def __init__(self, app: App, sandbox: Sandbox, settings: Settings, clock: FakeClock) -> None:
        self.app, self.sandbox, self.settings, self.clock = app, sandbox, settings, clock

    async def restart(self) -> None:
        await self.app.stop()
        self.app = await App.open(self.settings, clock=self.clock)
        await self.app.start()

    async def start(self) -> int:
        run, _ = await self.app.engine.start("signed", (await self.app.people.by_email("ann@example.com")).id, {})
        await self.app.runner.idle()
        return run.id

    async def link(self, run: int, name: str) -> str:
        view = await self.app.engine.peek(run, 1)
        assert view is not None
        return self.app.links.url(view, (await self.app.people.by_email(f"{name}@example.com")).id)

    async def decided(self, run: int) -> list[str]:
        view = await self.app.engine.peek(run, 1)
        assert view is not None
        return [view.person(one.person).name for one in view.decisions]

    def as_(self, name: str) -> dict[str, str]:
        user = self.sandbox.person(name).user
        return {"as": f"{user.team_id}/{user.id}", "verdict": "allow"}


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    clock, port = FakeClock(), unused_port()
    (tmp_path / "signed.yml").write_text(FLOW)
    async with Sandbox.with_people(clock=clock) as sandbox:
        sandbox.oauth.redirects.add(f"http://127.0.0.1:{port}{CALLBACK}")
        settings = Settings(
            database=f"sqlite:///{tmp_path / 'signoff.db'}",
            flows=tmp_path,
            port=port,
            public_url=f"http://127.0.0.1:{port}",
            secret_key=(SecretStr(KEY),),
            slack_bot_token=SecretStr(sandbox.bot_token),
            slack_signing_secret=SecretStr(sandbox.signing_secret),
            slack_api_url=sandbox.slack_url.rstrip("/"),
            slack_client_id=sandbox.oauth.client_id,
            slack_client_secret=SecretStr(sandbox.oauth.client_secret),
            gmail_api_url=sandbox.gmail_url.rstrip("/"),
            gmail_sender=SENDER,
            gmail_token=SecretStr(sandbox.gmail_token),
        )
        app = await App.open(settings, clock=clock)
        await app.start()
        bot = Bot(app, sandbox, settings, clock)
        yield bot
        await bot.app.stop()


@pytest.fixture
async def browser() -> AsyncIterator[Visitor]:
    async with Visitor() as visitor:
        yield visitor


async def test_S4_whoever_signs_in_as_the_person_of_the_link_decides(bot: Bot, browser: Visitor) -> None:
    run = await bot.start()
    (mail,) = bot.sandbox.office.inbox("bob@example.com")
    (link,) = [one for one in mail.links if "/a/" in one]

    page = await browser.open(link)
    slack = await browser.open(f"{link}/sign-in")
    await bot.restart()  # in the middle
    back = await browser.send(slack, bot.as_("bob"))
    done = await browser.send(back, {"verdict": "approve"})

    assert (page.forms, page.shows("please sign in with Slack first")) == ((), True)
    assert page.shows("You answer as Bob Baker, whom this link was made for.")
    assert back.url == link
    assert back.shows("You have signed in with Slack.")
    assert done.shows("You approved this"), done.text
    assert await bot.decided(run) == ["Bob Baker"]


async def test_S4_a_forwarded_link_is_worth_nothing_to_somebody_else(bot: Bot, browser: Visitor) -> None:
    run = await bot.start()
    link = await bot.link(run, "bob")

    page = await browser.send(await browser.open(f"{link}/sign-in"), bot.as_("cat"))
    refused = await browser.send(await browser.open(f"{link}/sign-in"), {**bot.as_("bob"), "verdict": "cancel"})
    # Cat signs in for her own page; that is nobody else's.
    own = await browser.send(await browser.open(f"{await bot.link(run, 'cat')}/sign-in"), bot.as_("cat"))
    his = await browser.open(link)

    assert (page.status, page.shows("This is somebody else's link")) == (403, True)
    assert (refused.status, refused.shows("You have not agreed at Slack")) == (400, True)
    assert own.shows("You have signed in with Slack.")
    assert his.forms == ()
    assert await bot.decided(run) == []


async def test_S5_a_form_that_is_sent_without_signing_in_is_refused_by_the_machine(bot: Bot, browser: Visitor) -> None:
    run = await bot.start()
    link = await bot.link(run, "bob")
    back = await browser.send(await browser.open(f"{link}/sign-in"), bot.as_("bob"))

    bot.clock.advance("15m")  # the sign-in is over, and the page still open
    late = await browser.send(back, {"verdict": "approve"})

    assert (late.status, late.shows("Please sign in with Slack first")) == (403, True), late.text
    assert await bot.decided(run) == []


async def test_a_sign_in_is_finished_in_the_browser_that_began_it_for_what_it_began(bot: Bot, browser: Visitor) -> None:
    run = await bot.start()
    link = await bot.link(run, "bob")
    async with Visitor() as other:
        theirs = await other.open(f"{link}/sign-in")
        fixated = await browser.send(theirs, bot.as_("bob"))  # Bob's browser, led there by somebody else
    slack = await browser.open(f"{link}/sign-in")
    bot.sandbox.openid.nonce = "another"
    replayed = await browser.send(slack, bot.as_("bob"))
    bot.sandbox.openid.nonce = None
    slow = await browser.open(f"{link}/sign-in")
    bot.clock.advance("10m")
    late = await browser.send(slow, bot.as_("bob"))
    (form,) = (await browser.open(f"{link}/sign-in")).forms
    bent = replace(form, values={**form.values, "state": f"9{form.values['state'][1:]}"})
    bent_page = await browser.send(Page(slow.url, 200, "", (bent,)), bot.as_("bob"))

    assert [one.status for one in (fixated, replayed, late, bent_page)] == [400, 502, 400, 400]
    assert (await browser.open(link)).forms == ()


async def test_a_wrong_client_is_said(bot: Bot, browser: Visitor) -> None:
    run = await bot.start()
    link = await bot.link(run, "bob")
    slack = await browser.open(f"{link}/sign-in")
    bot.sandbox.oauth.client_secret = "another"

    failed = await browser.send(slack, bot.as_("bob"))
    invalid: Any = await browser.open(f"{bot.settings.public_url}/a/{'x' * 84}/sign-in")

    assert (failed.status, failed.shows("SLACK_CLIENT_SECRET")) == (502, True)
    assert invalid.status == 404
