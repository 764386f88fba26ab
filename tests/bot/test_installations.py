"""Installations live on by themselves: renewed while nobody asks, and cleaned up after when the app is taken out."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bot.installations.renewal import AHEAD
from flows.errors import ActionError
from integrations.sandbox import Human
from integrations.sandbox.slack_oauth import TOKEN_LIFETIME
from tests.bot.installing import by_oauth, install, neighbour
from tests.e2e.conftest import Bot, clock, sandbox, serve

__all__ = ["clock", "sandbox", "serve"]

LATER = """
flow: later
steps:
  - {id: wait, delay: 20h}
  - {id: tell, uses: slack.post_message, with: {channel: "#general", text: It is done.}}
"""
GATE = """
flow: gate
steps:
  - id: ask
    approval: {ask: "Ship it?", approvers: [bob@example.com], timeout: 30d}
"""


@pytest.fixture
def eve(sandbox) -> Human:
    sandbox.oauth.rotates = True
    return sandbox.person("eve")


async def renews(bot: Bot, count: int) -> None:
    """Returns when so many renewals were answered, and what came of them was stored."""
    await bot.sandbox.until(lambda: len(bot.sandbox.calls.of("oauth.v2.access")) > count, what=f"{count} renewals")
    under_way = bot.app._renewal._under_way
    if under_way is not None:
        await asyncio.wait([under_way])


def stored(bot: Bot) -> list[tuple]:
    with sqlite3.connect(bot.folder / "signoff.db") as connection:
        return connection.execute(
            "SELECT team, generation, broken IS NOT NULL, removed_at IS NOT NULL, token IS NULL FROM installations "
            "ORDER BY place"
        ).fetchall()


async def test_W13_tokens_are_renewed_while_nothing_happens(serve, sandbox, eve):
    bot = await serve(by_oauth(sandbox), later=LATER)
    await install(bot, eve)
    run = await bot.start("later")

    for count in (1, 2, 3):
        await bot.time_passes("8h")
        await renews(bot, count)

    assert await bot.status(run) == "succeeded"
    assert "It is done." in eve.message("It is done.").shown_text()
    assert stored(bot) == [(sandbox.workspace.id, 4, 0, 0, 0)]
    # The last token is used, and was stored before it was.
    await bot.restart()
    assert (await bot.app.workspaces.client().auth()).team_id == sandbox.workspace.id


async def test_W13_a_renewal_that_slack_does_not_answer_is_tried_again_and_in_time(serve, sandbox, eve):
    bot = await serve(by_oauth(sandbox))
    await install(bot, eve)
    sandbox.faults.status("oauth.v2.access", 503, times=3)

    installed_at = bot.clock.now()

    await bot.time_passes("8h")
    for count in (1, 2, 3, 4):
        while len(sandbox.calls.of("oauth.v2.access")) <= count:
            await bot.time_passes("1m")
        await renews(bot, count)

    assert bot.clock.now() < installed_at + TOKEN_LIFETIME
    assert stored(bot) == [(sandbox.workspace.id, 2, 0, 0, 0)]


async def test_W13_a_stop_in_the_middle_of_a_renewal_waits_for_what_slack_says(serve, sandbox, eve, clock):
    bot = await serve(by_oauth(sandbox))
    await install(bot, eve)
    sandbox.faults.slow("oauth.v2.access", timedelta(seconds=5), after=True)
    clock.advance("9h")
    await sandbox.until(lambda: sandbox.calls.count("oauth.v2.access") == 2)

    stopping = asyncio.create_task(bot.stop())
    await asyncio.sleep(0.01)
    clock.advance("5s")
    await stopping

    assert stored(bot) == [(sandbox.workspace.id, 2, 0, 0, 0)]
    sandbox.faults.clear()
    await bot.serve()
    assert (await bot.app.workspaces.client().auth()).team_id == sandbox.workspace.id


async def test_W13_where_the_answer_to_a_renewal_is_lost_it_works_on_and_admins_have_time(serve, sandbox, eve, clock):
    """As a kill leaves it between Slack's answer and the commit: the only refresh token is used up."""
    bot = await serve(by_oauth(sandbox, admin_channel="#general"), gate=GATE)
    await install(bot, eve)
    sandbox.workspace.channel_named("general").members.append(sandbox.workspace.bot.id)
    sandbox.faults.drop_after("oauth.v2.access", times=1)
    clock.advance("8h")
    await sandbox.until(lambda: sandbox.calls.count("oauth.v2.access") == 2)
    await bot.restart()
    await renews(bot, 2)

    assert stored(bot) == [(sandbox.workspace.id, 1, 1, 0, 0)]
    note = (await eve.sees("cannot stay connected")).shown_text()
    assert "Acme" in note
    assert "until 2026-01-05 21:00 UTC" in note
    assert "signoff connect slack" in note
    # It still works, and once it does not, what waits is sent as soon as it is installed again.
    await bot.start("gate")
    assert sandbox.person("bob").message("Ship it?") is not None
    clock.advance("5h")
    late = await bot.start("gate")
    await bot.settled()
    assert len([one for one in sandbox.person("bob").messages() if "Ship it?" in one.shown_text()]) == 1
    await install(bot, eve)
    await bot.settled()
    bob = sandbox.person("bob")
    await sandbox.until(lambda: len([one for one in bob.messages() if "Ship it?" in one.shown_text()]) == 2)
    assert await bot.status(late) == "waiting"
    assert stored(bot) == [(sandbox.workspace.id, 2, 0, 0, 0)]


async def test_W13_what_overtook_a_renewal_stands(serve, sandbox, eve, clock):
    bot = await serve(by_oauth(sandbox))
    await install(bot, eve)
    sandbox.faults.slow("oauth.v2.access", timedelta(seconds=5), after=True, times=1)
    clock.advance("9h")
    await sandbox.until(lambda: sandbox.calls.count("oauth.v2.access") == 2)

    await install(bot, eve)
    clock.advance("5s")
    await renews(bot, 2)

    assert stored(bot) == [(sandbox.workspace.id, 2, 0, 0, 0)]
    newest = sandbox.oauth.granted[-1]
    assert bot.app.workspaces.client()._web.token == newest


async def test_W13_when_the_app_is_taken_out_its_tokens_go_and_runs_stay(serve, sandbox, eve, clock):
    beta, (zoe,) = neighbour(sandbox, "zoe")
    bot = await serve(by_oauth(sandbox), gate=GATE)
    await install(bot, eve)
    await install(bot, zoe)
    run = await bot.start("gate")
    bob = sandbox.person("bob")
    card = bob.message("Ship it?")
    clock.advance("1m")

    answers = await sandbox.uninstall(sandbox.workspace)

    assert [one.ok for one in answers] == [True, True]
    assert bot.app.workspaces.teams == (beta.id,)
    assert stored(bot) == [(sandbox.workspace.id, 1, 0, 1, 1), (beta.id, 1, 0, 0, 0)]
    assert await bot.status(run) == "waiting"
    with pytest.raises(ActionError, match="not installed"):
        bot.app.workspaces.client(sandbox.workspace.id)
    # What is still there of it gets an answer, and counts for nothing.
    sandbox.workspace.installed = True  # Slack tells of clicks for a moment longer
    answer = await bob.click(card, "Approve")
    assert answer.status == 200
    await bot.settled()
    assert "not installed in this workspace (any more)" in (await bob.is_told("not installed")).shown_text()
    assert await bot.standing(run) == {}
    typed = await bob.command("/approvals")
    assert typed.status == 200
    # And by another door it goes on.
    assert (await bot.by_api("bob", run, "approve")).body["counted"]


async def test_W13_an_old_word_of_an_uninstalling_takes_no_newer_installation_away(serve, sandbox, eve, clock):
    bot = await serve(by_oauth(sandbox))
    await install(bot, eve)
    team = sandbox.workspace.id
    before = clock.now()
    clock.advance("1m")
    await install(bot, eve)

    await bot.app.installations.removed(team, before)
    await bot.app.installations.revoked(team, clock.now())

    assert bot.app.workspaces.teams == (team,)
    assert stored(bot) == [(team, 2, 0, 0, 0)]


async def test_W13_keys_can_be_renewed_and_a_lost_one_is_said(serve, sandbox, eve, caplog):
    bot = await serve(by_oauth(sandbox))
    await install(bot, eve)
    await bot.stop()

    bot.settings = bot.settings.model_copy(update={"secret_key": (_secret("n"), *bot.settings.secret_key)})
    await bot.serve()
    assert bot.app.workspaces.teams == (sandbox.workspace.id,)
    await bot.stop()

    bot.settings = bot.settings.model_copy(update={"secret_key": (_secret("n"),)})
    await bot.serve()

    assert bot.app.workspaces.teams == ()
    assert stored(bot) == [(sandbox.workspace.id, 1, 1, 0, 0)]
    assert "has to be connected again" in caplog.text


def _secret(letter: str) -> SecretStr:
    return SecretStr(letter * 8 + "Kq7Zr2Vw9Xb4Ym6Tn1Pl3Hd5")


def test_W13_a_token_is_renewed_long_before_it_expires():
    assert timedelta(hours=2) <= AHEAD <= TOKEN_LIFETIME / 2
