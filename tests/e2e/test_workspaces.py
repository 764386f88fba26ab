"""Several Slack workspaces beside each other: one human in two of them, their groups, their cards."""

from __future__ import annotations

from typing import Any

import pytest

from flows.errors import NotAnApprover, TryAgain
from flows.run import Door, Verdict
from integrations.sandbox import Human, Sandbox
from integrations.sandbox.message import Message
from integrations.sandbox.workspace import Workspace
from tests.bot.installing import by_oauth, install
from tests.e2e.conftest import Bot


@pytest.fixture
def beta(sandbox: Sandbox) -> Workspace:
    """Another workspace of the same people's: Ann and Bob are in it too, with Zoe, who is not in Acme."""
    made = sandbox.add_workspace("Beta", "beta", installed=False)
    cast = [sandbox.add_person(name, f"{name.capitalize()} B.", workspace=made) for name in ("ann", "bob", "zoe")]
    made.add_channel("general", [human.user for human in cast])
    made.add_group("hr-leads", [cast[0].user, cast[2].user], "HR of Beta")
    return made


@pytest.fixture
async def both(serve, sandbox, beta):
    """A bot that is installed in both, Acme first."""

    async def start(settings: Any = None, **flows: str) -> Bot:
        bot = await serve(by_oauth(sandbox, **(settings or {})), **flows)
        await install(bot, sandbox.person("eve"))
        await install(bot, sandbox.person("zoe@beta"))
        return bot

    return start


async def start(bot: Bot, flow: str, by: Human) -> int:
    """Somebody starts a flow as who they are in one workspace."""
    person = await bot.app.people.by_slack(by.workspace.id, by.id)
    run, _ = await bot.app.engine.start(flow, person.id, {})
    await bot.app.runner.idle()
    return run.id


def cards(human: Human, text: str = "Ship it?") -> list[Message]:
    return [message for message in human.messages() if text in message.shown_text()]


def in_both(beta: Workspace, more: str = "") -> str:
    return f"""
flow: gate
steps:
  - id: ask
    approval:
      ask: "Ship it?"
      approvers: [bob@example.com, cat@example.com, zoe@example.com]
      quorum: 2
      via: [{{slack: "#general", team: T00000001}}, {{slack: "#general", team: {beta.id}}}]{more}
"""


async def test_S12_one_human_with_an_account_in_each_of_two_workspaces_fills_one_seat(both, sandbox, beta):
    bot = await both(gate=in_both(beta))
    run = await start(bot, "gate", sandbox.person("ann"))
    here, there = sandbox.person("bob"), sandbox.person("bob@beta")

    await here.click(cards(here)[0], "Approve")
    await there.click(cards(there)[0], "Approve")
    await bot.settled()

    assert "It is counted once" in (await there.is_told("You have said so already")).shown_text()
    assert await bot.standing(run) == {"bob": "approve"}
    assert await bot.status(run) == "waiting"
    for human in (here, there, sandbox.person("zoe@beta")):
        assert "1 of 2" in human.now(cards(human)[0]).shown_text()
    # And the one who started it is the same one too.
    ann = await bot.app.people.by_slack(beta.id, sandbox.person("ann@beta").id)
    assert ann.id == (await bot.view(run)).run.requester
    assert ann.name == "Ann Archer"  # known by the account that was met first

    zoe = sandbox.person("zoe@beta")
    await zoe.click(cards(zoe)[0], "Approve")
    await bot.settled()
    assert await bot.status(run) == "succeeded"
    assert "Zoe B." in here.now(cards(here)[0]).shown_text()
    assert "<@" + zoe.id not in str(here.now(cards(here)[0]).blocks)  # Acme could not show who that is


async def test_S12_the_same_address_is_somebody_else_once_the_other_account_has_it_no_more(both, sandbox, beta):
    bot = await both()
    bob = await bot.person("bob")
    sandbox.person("bob").user.email = "robert@example.com"
    await bot.time_passes("5m")

    other = await bot.app.people.by_slack(beta.id, sandbox.person("bob@beta").id)

    assert other.id != bob.id
    assert (await bot.app.people.known("bob@example.com")).id == other.id
    assert (await bot.person("bob")).id == bob.id


@pytest.mark.parametrize("why", ["nobody has confirmed it", "it is an address of an account that was closed"])
async def test_S12_an_address_that_shows_nothing_makes_nobody_one(both, sandbox, beta, why):
    bot = await both()
    bob = await bot.person("bob")
    if why.startswith("nobody"):
        sandbox.person("bob@beta").user.is_email_confirmed = False
    else:
        sandbox.person("bob").user.deleted = True
        await bot.time_passes("5m")

    assert (await bot.app.people.by_slack(beta.id, sandbox.person("bob@beta").id)).id != bob.id


async def test_S12_where_the_other_workspace_cannot_be_asked_nobody_is_made_a_second_human(both, sandbox, beta):
    bot = await both()
    await bot.person("bob")
    await bot.time_passes("5m")
    sandbox.faults.down(team=sandbox.workspace.id)

    with pytest.raises(TryAgain):
        await bot.app.people.by_slack(beta.id, sandbox.person("bob@beta").id)
    sandbox.faults.up()
    assert (await bot.app.people.by_slack(beta.id, sandbox.person("bob@beta").id)).id == (await bot.person("bob")).id


MINE = """
flow: mine
steps:
  - id: ask
    approval: {ask: "Ship it?", approvers: ["@hr-leads"], via: [slack, {slack: "#general"}]}
"""


async def test_W12_a_group_is_the_requesters_and_named_apart(both, sandbox, beta):
    bot = await both(mine=MINE)
    ann = sandbox.person("ann@beta")
    # Ann is known by Beta first, so that is where she starts from.
    there = await start(bot, "mine", ann)
    here = await bot.start("mine", by="dan")

    assert (await bot.view(there)).suspension.approvers.groups == (f"{beta.id}/@hr-leads",)
    assert (await bot.view(here)).suspension.approvers.groups == ("@hr-leads",)
    zoe, cat = sandbox.person("zoe@beta"), sandbox.person("cat")
    # Their own messages and the channel's card, each in the workspace where it belongs.
    assert len(cards(zoe)) == 2
    assert len(cards(cat)) == 2
    # Each as Slack shows a group there.
    assert f"<!subteam^{next(iter(beta.groups))}>" in str(cards(zoe)[0].blocks)
    assert f"<!subteam^{next(iter(sandbox.workspace.groups))}>" in str(cards(cat)[0].blocks)

    await zoe.click(cards(zoe)[0], "Approve")
    await bot.settled()
    assert (await bot.status(there), await bot.status(here)) == ("succeeded", "waiting")
    assert (await bot.by_api("cat", here)).body["counted"]
    assert await bot.status(here) == "succeeded"


async def test_W12_another_workspaces_group_can_be_named_and_only_its_members_count(both, sandbox, beta):
    flow = MINE.replace('"@hr-leads"', f'"{beta.id}/@HR-leads"')
    bot = await both(mine=flow)
    run = await bot.start("mine", by="dan")

    assert (await bot.view(run)).suspension.approvers.groups == (f"{beta.id}/@hr-leads",)
    refused = await bot.by_api("cat", run)  # of Acme's @hr-leads
    assert refused.status == 404  # nothing tells them that it is there
    # Ann is one of Beta's, and comes by her account in Acme.
    assert (await bot.by_api("ann", run)).body["counted"]
    assert await bot.status(run) == "succeeded"


async def test_W12_what_was_one_workspaces_group_never_becomes_anothers(both, sandbox, beta, clock):
    bot = await both(mine=MINE)
    run = await bot.start("mine", by="dan")
    clock.advance("1m")
    await sandbox.uninstall(sandbox.workspace)
    await bot.time_passes("5m")
    zoe = sandbox.person("zoe@beta")
    person = await bot.app.people.by_slack(beta.id, zoe.id)

    assert bot.app.workspaces.default == beta.id
    assert (await bot.app.people.memberships(person.id, ["@hr-leads", f"{beta.id}/@hr-leads"])).groups == {
        f"{beta.id}/@hr-leads"
    }
    with pytest.raises(NotAnApprover):
        await bot.app.engine.decide(run, 1, person.id, Verdict.APPROVE, door=Door.SLACK)
    assert await bot.status(run) == "waiting"


async def test_S3_somebody_of_the_other_workspace_in_a_shared_channel_is_who_they_are_at_home(both, sandbox, beta):
    flow = """
flow: shared
steps:
  - id: ask
    approval: {ask: "Ship it?", approvers: [zoe@example.com], via: {slack: "#releases"}}
"""
    bot = await both(shared=flow)
    guest = sandbox.connect(sandbox.person("zoe@beta"), ["releases"])
    run = await bot.start("shared", by="dan")

    await guest.click(cards(guest)[0], "Approve")
    await bot.settled()

    assert await bot.standing(run) == {"zoe": "approve"}
    assert await bot.status(run) == "succeeded"


async def test_W13_what_a_flow_posts_goes_to_its_requesters_workspace(both, sandbox, beta):
    flow = """
flow: post
steps:
  - {id: tell, uses: slack.post_message, with: {channel: "#general", text: "All is well."}}
"""
    bot = await both(post=flow)

    await start(bot, "post", sandbox.person("zoe@beta"))
    assert cards(sandbox.person("zoe@beta"), "All is well.")
    assert not cards(sandbox.person("dan"), "All is well.")

    await bot.start("post", by="dan")
    assert cards(sandbox.person("dan"), "All is well.")


async def test_W13_a_direct_message_finds_whoever_is_in_another_workspace_and_prefers_the_requesters(
    both, sandbox, beta
):
    flow = """
flow: tell
steps:
  - id: say
    uses: slack.send_direct_message
    with: {to: [dan@example.com, zoe@example.com, bob@example.com], text: "All is well."}
"""
    bot = await both(tell=flow)
    sandbox.faults.drop_after("chat.postMessage", times=1)

    run = await bot.start("tell", by="ann")
    await bot.time_passes("10m", steps=10)

    assert await bot.status(run) == "succeeded"
    told = [len(cards(sandbox.person(name), "All is well.")) for name in ("dan", "zoe@beta", "bob", "bob@beta")]
    assert told == [1, 1, 1, 0]
