"""Codes and refresh tokens at Slack's ``oauth.v2.access``: each is worth something once, and what is refused says why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from flows.testing import FakeClock
from integrations.sandbox import Sandbox
from integrations.slack.client import SlackClient
from integrations.slack.failures import SlackError
from integrations.slack.oauth import SlackOAuth

BACK = "https://signoff.example.com/slack/oauth_redirect"
SCOPES = ("chat:write", "users:read")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people(clock=FakeClock()) as sandbox:
        sandbox.oauth.redirects.add(BACK)
        sandbox.oauth.rotates = True
        yield sandbox


@pytest.fixture
def oauth(sandbox) -> SlackOAuth:
    return SlackOAuth(sandbox.oauth.client_id, sandbox.oauth.client_secret, base_url=sandbox.slack_url)


def code(sandbox) -> str:
    return sandbox.oauth.consent(sandbox.workspace, sandbox.person("eve").user, SCOPES, redirect=BACK)


async def works(sandbox, token: str) -> bool:
    client = SlackClient(token, base_url=sandbox.slack_url)
    try:
        return (await client.auth()).team_id == sandbox.workspace.id
    except SlackError:
        return False
    finally:
        await client.close()


async def test_W13_a_code_becomes_a_token_with_what_was_agreed_to(sandbox, oauth):
    granted = await oauth.exchange(code(sandbox), redirect=BACK)

    assert (granted.team, granted.name, granted.bot_user) == ("T00000001", "Acme", sandbox.workspace.bot.id)
    assert granted.scopes == set(SCOPES)
    assert granted.lifetime == timedelta(hours=12)
    assert granted.installer == sandbox.person("eve").id
    assert await works(sandbox, granted.token)
    assert granted.token not in repr(granted)
    assert granted.refresh not in repr(granted)


async def test_W13_a_refresh_token_is_worth_one_renewal_and_the_token_before_goes_on_until_it_expires(sandbox, oauth):
    first = await oauth.exchange(code(sandbox), redirect=BACK)
    second = await oauth.renew(first.refresh)

    with pytest.raises(SlackError, match="it was used before, or taken back; install the app again") as refused:
        await oauth.renew(first.refresh)
    assert (refused.value.code, refused.value.retryable) == ("invalid_refresh_token", False)
    assert [await works(sandbox, one.token) for one in (first, second)] == [True, True]
    third = await oauth.renew(second.refresh)
    assert [await works(sandbox, one.token) for one in (first, second, third)] == [False, True, True]
    sandbox.clock.advance("12h")
    assert not await works(sandbox, third.token)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ("used", "code_already_used"),
        ("old", "invalid_code"),
        ("unknown", "invalid_code"),
        ("elsewhere", "bad_redirect_uri"),
        ("secret", "bad_client_secret"),
        ("client", "invalid_client_id"),
    ],
)
async def test_S1_a_code_is_good_once_soon_here_and_for_this_app(sandbox, oauth, wrong, refusal):
    given, redirect = code(sandbox), BACK
    match wrong:
        case "used":
            await oauth.exchange(given, redirect=BACK)
        case "old":
            sandbox.clock.advance("10m1s")
        case "unknown":
            given = "unknown"
        case "elsewhere":
            redirect = "https://evil.example.com/slack/oauth_redirect"
        case "secret":
            oauth = SlackOAuth(sandbox.oauth.client_id, "wrong", base_url=sandbox.slack_url)
        case _:
            oauth = SlackOAuth("1.2", sandbox.oauth.client_secret, base_url=sandbox.slack_url)

    with pytest.raises(SlackError) as refused:
        await oauth.exchange(given, redirect=redirect)

    assert refused.value.code == refusal
    assert not refused.value.retryable
    assert given not in str(refused.value)


async def test_W13_an_answer_that_is_lost_leaves_nobody_sure(sandbox, oauth):
    first = await oauth.exchange(code(sandbox), redirect=BACK)
    sandbox.faults.drop_after("oauth.v2.access", times=1)

    with pytest.raises(SlackError) as lost:
        await oauth.renew(first.refresh)

    assert lost.value.uncertain
    assert sandbox.calls.count("oauth.v2.access") == 2  # and it is not sent again by itself


async def test_W13_what_was_taken_out_is_not_renewed(sandbox, oauth):
    first = await oauth.exchange(code(sandbox), redirect=BACK)
    await sandbox.uninstall()

    with pytest.raises(SlackError, match="invalid_refresh_token"):
        await oauth.renew(first.refresh)
