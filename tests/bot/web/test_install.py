"""W13: an admin installs the app in Slack workspaces, and nobody else does."""

from __future__ import annotations

import re
import sqlite3
from datetime import timedelta

import aiohttp
import pytest
from yarl import URL

from bot.scopes import SCOPES
from bot.web.admin_links import LIFETIME, AdminDoor, AdminLinks
from flows.links import Keyring
from integrations.sandbox import Visitor
from tests.bot.installing import by_oauth, consents, install, link, neighbour
from tests.e2e.conftest import KEY, clock, sandbox, serve

__all__ = ["clock", "sandbox", "serve"]

GATE = """
flow: gate
steps:
  - id: ask
    approval: {ask: "Ship it?", approvers: [bob@example.com]}
"""


async def get(url: str) -> tuple[int, str, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text(), dict(response.headers)


async def test_W13_an_admin_installs_it_and_cards_arrive(serve, sandbox):
    bot = await serve(by_oauth(sandbox), gate=GATE)
    bob, eve = sandbox.person("bob"), sandbox.person("eve")

    page = await install(bot, eve)

    assert page.status == 200
    assert page.shows("Signoff is in Acme now.")
    assert page.shows("A message in Slack tells you so.")
    assert "Signoff is in Acme now" in (await eve.sees("Signoff is in")).shown_text()
    run = await bot.start("gate")
    await bob.click(bob.message("Ship it?"), "Approve")
    await bot.settled()
    assert await bot.status(run) == "succeeded"


async def test_W13_tokens_are_nowhere_to_be_read(serve, sandbox, caplog):
    sandbox.oauth.rotates = True
    bot = await serve(by_oauth(sandbox))
    caplog.set_level("DEBUG")

    await install(bot, sandbox.person("eve"))

    (token,) = sandbox.oauth.granted
    await bot.stop()
    stored = b"".join(path.read_bytes() for path in bot.folder.iterdir() if path.name.startswith("signoff.db"))
    assert b"Acme" in stored
    assert token.encode() not in stored
    assert b"xoxe" not in stored
    assert "xoxe" not in caplog.text
    await bot.serve()
    assert bot.app.workspaces.teams == (sandbox.workspace.id,)


async def test_W13_several_workspaces_stand_side_by_side_also_after_a_restart_and_one_is_renewed_in_place(
    serve, sandbox
):
    beta, (zoe,) = neighbour(sandbox, "zoe")
    bot = await serve(by_oauth(sandbox))
    await install(bot, sandbox.person("eve"))
    await install(bot, zoe)
    await install(bot, sandbox.person("eve"))

    assert bot.app.workspaces.teams == (sandbox.workspace.id, beta.id)
    await bot.restart()
    assert bot.app.workspaces.teams == (sandbox.workspace.id, beta.id)
    for team in bot.app.workspaces.teams:
        assert (await bot.app.workspaces.client(team).auth()).team_id == team
    with sqlite3.connect(bot.folder / "signoff.db") as connection:
        assert connection.execute("SELECT team, generation FROM installations ORDER BY place").fetchall() == [
            (sandbox.workspace.id, 2),
            (beta.id, 1),
        ]


async def test_W13_without_a_link_for_it_the_page_says_how_to_get_one(serve, sandbox):
    bot = await serve(by_oauth(sandbox))

    status, text, _ = await get(f"{bot.url}/slack/install")

    assert status == 403
    assert "signoff connect slack" in text


@pytest.mark.parametrize(
    ("sort", "status"), [("of nobody's", 403), ("another door's", 404), ("old", 404), ("changed", 404)]
)
async def test_S1_a_link_that_is_not_for_this_admin_and_page_opens_nothing(serve, sandbox, clock, sort, status):
    bot = await serve(by_oauth(sandbox))
    match sort:
        case "of nobody's":
            url = link(bot, admin="bob@example.com")
        case "another door's":
            url = link(bot, door=AdminDoor.GMAIL).replace("connect/gmail", "slack/install")
        case "old":
            url = link(bot)
            clock.advance(timedelta(minutes=16))
        case _:
            url = link(bot)[:-3] + "AAA"

    async with aiohttp.ClientSession() as session:
        async with session.get(url) as shown:
            assert shown.status == status
        async with session.post(url, allow_redirects=False) as begun:
            assert begun.status == status
            assert "Location" not in begun.headers


async def test_P3_looking_at_the_page_begins_nothing(serve, sandbox):
    bot = await serve(by_oauth(sandbox))

    status, text, headers = await get(link(bot))

    assert status == 200
    assert "eve@example.com" in text
    assert "Set-Cookie" not in headers
    assert f"form-action 'self' {sandbox.origin};" in headers["Content-Security-Policy"]
    with sqlite3.connect(bot.folder / "signoff.db") as connection:
        assert connection.execute("SELECT count(*) FROM installings").fetchone() == (0,)


async def test_W13_the_way_to_slack_is_bound_to_the_browser_by_a_cookie_that_no_script_reads(serve, sandbox):
    bot = await serve(by_oauth(sandbox, public_url="https://signoff.example.com"))
    here = AdminLinks(Keyring([KEY]), bot.clock, bot.url).url(AdminDoor.SLACK, "eve@example.com")

    async with aiohttp.ClientSession() as session, session.post(here, allow_redirects=False) as begun:
        cookie, leads_to = begun.headers["Set-Cookie"], URL(begun.headers["Location"])

    assert {part.strip().partition("=")[0] for part in cookie.split(";")} == {
        "signoff_install",
        *("HttpOnly", "Secure", "SameSite", "Max-Age", "Path"),
    }
    assert "SameSite=Lax" in cookie
    assert "Max-Age=600" in cookie
    assert "Path=/slack/oauth_redirect" in cookie
    assert str(leads_to.with_query(None)) == f"{sandbox.origin}/oauth/v2/authorize"
    assert leads_to.query["redirect_uri"] == "https://signoff.example.com/slack/oauth_redirect"
    assert set(leads_to.query["scope"].split(",")) == set(SCOPES)


async def test_S1_what_comes_back_counts_in_the_browser_that_it_began_in_and_once(serve, sandbox):
    bot = await serve(by_oauth(sandbox))
    sandbox.oauth.redirects.add(f"{bot.url}/slack/oauth_redirect")
    eve = sandbox.person("eve")
    async with Visitor() as eves, Visitor() as attackers:
        begun = await attackers.send(await attackers.open(link(bot)), {})
        back = await _sent_back(begun.url, sandbox, eve)
        elsewhere = await eves.open(back)
        again = await attackers.open(back)

    assert (elsewhere.status, again.status) == (400, 400)
    assert elsewhere.shows("Nothing was begun in this browser")
    assert bot.app.workspaces.teams == ()
    assert sandbox.oauth.granted == []


async def test_S1_an_installing_that_took_too_long_or_comes_twice_installs_nothing(serve, sandbox, clock):
    bot = await serve(by_oauth(sandbox))
    sandbox.oauth.redirects.add(f"{bot.url}/slack/oauth_redirect")
    eve = sandbox.person("eve")
    async with Visitor() as browser:
        slow = await _sent_back((await browser.send(await browser.open(link(bot)), {})).url, sandbox, eve)
        clock.advance(timedelta(minutes=10, seconds=1))
        late = await browser.open(slow)
        good = await _sent_back((await browser.send(await browser.open(link(bot)), {})).url, sandbox, eve)
        first, second = await browser.open(good), await browser.open(good)

    assert [page.status for page in (late, first, second)] == [400, 200, 400]
    assert len(sandbox.oauth.granted) == 1


async def test_W13_who_disagrees_at_slack_installs_nothing_and_is_told(serve, sandbox):
    bot = await serve(by_oauth(sandbox))
    sandbox.oauth.redirects.add(f"{bot.url}/slack/oauth_redirect")
    async with Visitor() as browser:
        page = await consents(browser, await browser.open(link(bot)), sandbox.person("eve"), "cancel")

    assert page.status == 400
    assert page.shows("You have not agreed at Slack.")
    assert bot.app.workspaces.teams == ()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("secret", "bad_client_secret: check SLACK_CLIENT_ID and SLACK_CLIENT_SECRET"),
        ("down", "no answer that counts"),
    ],
)
async def test_W13_what_slack_refuses_is_said_with_what_to_do(serve, sandbox, fault, said):
    bot = await serve(by_oauth(sandbox))
    if fault == "secret":
        sandbox.oauth.client_secret = "another"
    else:
        sandbox.faults.status("oauth.v2.access", 503)

    page = await install(bot, sandbox.person("eve"))

    assert page.status in (400, 502)
    assert page.shows("Nothing was installed")
    assert page.shows(said)
    assert bot.app.workspaces.teams == ()


async def test_W13_who_is_no_admin_any_more_on_the_way_back_installs_nothing(serve, sandbox):
    bot = await serve(by_oauth(sandbox))
    sandbox.oauth.redirects.add(f"{bot.url}/slack/oauth_redirect")
    async with Visitor() as browser:
        begun = await browser.send(await browser.open(link(bot)), {})
        back = await _sent_back(begun.url, sandbox, sandbox.person("eve"))
        bot.app.people._admin_addresses = frozenset()
        page = await browser.open(back)

    assert page.status == 403
    assert sandbox.oauth.granted == []


async def _sent_back(asking: str, sandbox, installer) -> str:
    """Where Slack sends the browser that ``asking`` was opened in, once somebody has agreed."""
    query = URL(asking).query
    code = sandbox.oauth.consent(
        installer.workspace, installer.user, query["scope"].split(","), redirect=query["redirect_uri"]
    )
    return str(URL(query["redirect_uri"]).with_query(code=code, state=query["state"]))


async def test_W13_an_admin_asks_on_their_home_tab_for_a_link_that_is_made_then_and_nobody_else_does(serve, sandbox):
    bot = await serve(by_oauth(sandbox))
    eve, bob = sandbox.person("eve"), sandbox.person("bob")
    await install(bot, eve)

    for human in (eve, bob):
        await human.open_home()
        await bot.settled()

    tab = await eve.gets_home("Signoff is installed in")
    bot.clock.advance(2 * LIFETIME)
    await eve.click(tab, "Install in a workspace")
    modal = await eve.gets_modal("Install Signoff")

    assert "slack/install" not in str(tab.as_json({}))
    (url,) = set(re.findall(r"http[^'\"]+/slack/install[^'\"]+", str(modal.as_json({}))))
    assert (await get(url))[0] == 200
    assert "Install in a workspace" not in (await bob.gets_home()).buttons()
