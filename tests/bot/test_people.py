"""Who counts: people with several handles, those whom an admin says are one, and those who never do."""

from __future__ import annotations

import asyncio

import pytest
from typer.testing import CliRunner

from bot import connect_slack
from bot.cli import app as commands
from flows.errors import NotAllowed
from integrations.sandbox import Visitor
from tests.bot.installing import by_oauth, consents
from tests.e2e.conftest import clock, sandbox, serve

__all__ = ["clock", "sandbox", "serve"]

LEADS = """
flow: leads
steps:
  - id: ask
    approval: {ask: "Lead it?", approvers: ["@hr-leads"], via: {slack: "#general"}}
"""


def gate(*approvers: str, quorum: int = 1) -> str:
    return f"""
flow: gate
steps:
  - id: ask
    approval: {{ask: "Ship it?", approvers: [{", ".join(approvers)}], quorum: {quorum}, via: {{slack: "#general"}}}}
"""


# -- merging by hand ----------------------------------------------------------------------------------------------


async def test_S12_an_admin_says_that_two_are_one_and_what_is_open_is_recounted(serve, sandbox):
    sandbox.add_person("robert", "Robert Baker", email="robert@partner.example", channels=["general"])
    bot = await serve(gate=gate("bob@example.com", "robert@partner.example", "cat@example.com", quorum=2))
    bot.scopes["eve"] = ("admin", "read")
    run = await bot.start("gate")
    await bot.by_api("bob", run)
    second = await bot.start("gate")

    shown = await bot.cli("eve", "people", "show", "robert@partner.example")
    merged = await bot.cli("eve", "people", "merge", "bob@example.com", "robert@partner.example", "--yes")

    assert shown.exit_code == 0, shown.output
    assert "Robert Baker" in shown.output
    assert merged.exit_code == 0, merged.output
    for handle in ("bob@example.com", "robert@partner.example", sandbox.person("robert").id):
        assert handle in merged.output
    robert = sandbox.person("robert")
    await robert.click(robert.message("Ship it?"), "Approve")
    await bot.settled()
    assert await bot.standing(run) == {"bob": "approve"}
    assert await bot.status(run) == "waiting"
    await bot.by_api("cat", run)
    assert await bot.status(run) == "succeeded"
    await bot.by_api("bob", second)
    assert (await bot.view(second)).missing == 1
    # Also after Slack is asked anew, and after a restart.
    await bot.time_passes("1h")
    await bot.restart()
    assert (await bot.person("robert")).id == (await bot.person("bob")).id


async def test_S12_a_merged_human_belongs_to_a_group_by_either_account(serve, sandbox):
    sandbox.add_person("robert", "Robert Baker", email="robert@partner.example", channels=["general"])
    bot = await serve(leads=LEADS)
    robert, bob = await bot.person("robert"), await bot.person("bob")

    one = await bot.app.people.merge(robert, bob)

    assert one.id == robert.id
    assert (await bot.app.people.memberships(one.id, ["@hr-leads"])).groups == {"@hr-leads"}
    run = await bot.start("leads")
    assert (await bot.by_api("bob", run)).body["counted"]


async def test_S10_merging_takes_an_admin_with_the_scope_for_it(serve, sandbox):
    bot = await serve()
    for name in ("bob", "cat"):
        await bot.person(name)
    body = {"keep": "bob@example.com", "gone": "cat@example.com"}
    bot.scopes["bob"] = ("admin",)

    assert (await bot.api("eve", "POST", "people/merge", body)).status == 403
    assert (await bot.api("bob", "POST", "people/merge", body)).status == 403
    bot.scopes["eve"] = ("admin",)
    unknown = await bot.api("eve", "POST", "people/merge", body | {"gone": "nobody@example.com"})
    same = await bot.api("eve", "POST", "people/merge", body | {"gone": sandbox.person("bob").id})

    assert unknown.body["fields"] == {"gone": "nobody is known by nobody@example.com"}
    assert same.body["fields"] == {"gone": "is Bob Baker already"}
    assert (await bot.person("bob")).id != (await bot.person("cat")).id


# -- who never counts, and who does when named ----------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["guest", "single-channel guest", "stranger", "bot", "deactivated"])
async def test_S3_through_a_group_they_never_count_and_named_they_do_but_who_has_left(serve, sandbox, sort):
    zed = sandbox.add_person("zed", "Zed Zander", sort=sort, channels=["general"])
    group = next(one for one in sandbox.workspace.groups.values() if one.handle == "hr-leads")
    group.users.append(zed.id)
    bot = await serve(leads=LEADS, gate=gate(f"{zed.user.team_id}/{zed.id}", "bob@example.com"))

    by_group = await bot.start("leads")
    named = await bot.start("gate")
    for text in ("Lead it?", "Ship it?"):
        await zed.click(zed.message(text), "Approve")
        await bot.settled()

    assert await bot.standing(by_group) == {}
    roster = await bot.app.people.resolve(["@hr-leads"])
    assert len(roster.groups["@hr-leads"]) == 2  # Bob and Cat
    if sort == "deactivated":
        assert await bot.standing(named) == {}
        assert (await bot.view(named)).suspension.approvers.gaps == (
            (f"{zed.user.team_id}/{zed.id}", "has left Slack"),
        )
    else:
        assert await bot.status(named) == "succeeded"


async def test_S3_who_left_after_being_asked_does_not_decide_by_slack_either(serve, sandbox):
    bot = await serve(gate=gate("bob@example.com", "cat@example.com"))
    run = await bot.start("gate")
    bob = sandbox.person("bob")
    bob.user.deleted = True
    await bot.time_passes("2m")

    await bob.click(bob.message("Ship it?"), "Approve")
    await bot.settled()

    assert "has left Slack" in (await bob.is_told("has left Slack")).shown_text()
    assert await bot.standing(run) == {}
    with pytest.raises(NotAllowed):
        await bot.app.people.by_slack(sandbox.workspace.id, bob.id)


# -- groups, read when somebody decides -----------------------------------------------------------------------------


async def test_W12_who_belongs_is_read_with_each_decision_as_far_as_slack_lets_it_be(serve, sandbox, clock):
    bot = await serve(leads=LEADS)
    runs = [await bot.start("leads") for _ in range(22)]
    bob, group = sandbox.person("bob"), next(iter(sandbox.workspace.groups.values()))
    method = "usergroups.users.list"
    before = sandbox.calls.count(method)

    assert (await bot.by_api("bob", runs[0])).body["counted"]
    group.users = [user for user in group.users if user != bob.id]
    # Without a word of Slack's that he has gone, and a moment after he was read to be there.
    assert (await bot.by_api("bob", runs[1])).status == 403
    assert sandbox.calls.count(method) - before == 2

    for run in runs[2:]:
        assert (await bot.by_api("cat", run)).body["counted"]
    assert sandbox.calls.count(method) <= 20  # Slack's limit for a minute, whatever is decided within it
    decision = (await bot.view(runs[-1])).decisions[0]
    assert decision.memberships is not None
    assert (decision.at - decision.memberships.read_at).total_seconds() <= 60

    clock.advance("61s")
    before = sandbox.calls.count(method)
    assert (await bot.by_api("cat", runs[1])).body["counted"]
    assert sandbox.calls.count(method) > before


async def test_W12_what_was_read_within_the_minute_does_where_slack_is_down(serve, sandbox, clock):
    bot = await serve(leads=LEADS)
    first, second, third = [await bot.start("leads") for _ in range(3)]
    await bot.by_api("bob", first)
    sandbox.faults.status("usergroups.*", 503)

    clock.advance("30s")
    assert (await bot.by_api("bob", second)).body["counted"]
    clock.advance("40s")
    refused = await bot.by_api("bob", third)

    assert refused.status == 503
    assert "try again" in refused.said


# -- signoff connect slack ------------------------------------------------------------------------------------------


async def test_W13_the_command_waits_for_the_installing_and_ends_with_the_message_in_slack(serve, sandbox):
    bot = await serve(by_oauth(sandbox))
    sandbox.oauth.redirects.add(f"{bot.url}/slack/oauth_redirect")
    eve = sandbox.person("eve")
    url = connect_slack.link(bot.settings, bot.clock, connect_slack.check(bot.settings, None))

    waiting = asyncio.create_task(connect_slack.wait(bot.settings, bot.clock))
    async with Visitor() as browser:
        await consents(browser, await browser.open(url), eve)
    for _ in range(200):
        bot.clock.advance("1s")
        await asyncio.wait([waiting], timeout=0.01)
        if waiting.done():
            break
    done = await waiting

    assert (done.team, done.name) == (sandbox.workspace.id, "Acme")
    message = await eve.sees("Signoff is in Acme now")
    assert message.ts.replace(".", "") in done.told


async def test_W13_the_command_says_everything_that_is_missing(serve, sandbox, tmp_path):
    result = await asyncio.to_thread(
        CliRunner().invoke,
        commands,
        ["connect", "slack", "--admin", "bob@example.com"],
        env={
            "SIGNOFF_SECRET_KEY": "Kq7Zr2Vw9Xb4Ym6Tn1Pl3Hd5Jf8Gs0Ac",
            "SIGNOFF_DATABASE": f"sqlite:///{tmp_path}/x.db",
        },
    )

    assert result.exit_code == 2
    assert "SLACK_CLIENT_ID and SLACK_CLIENT_SECRET are missing" in result.output
    assert "bob@example.com is not one of SIGNOFF_ADMINS" in result.output
