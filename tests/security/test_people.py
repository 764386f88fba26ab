"""Whoever comes to have somebody's address, or had it once, or has left, does not decide as who they are not."""

from __future__ import annotations

import pytest

from flows.definition import Approval, Flow, Step
from flows.handles import identity
from flows.testing import FlowTest
from integrations.sandbox import Human

GONE = "has left Slack"


def gate(*approvers: str, more: str = "") -> str:
    """A flow that asks these people, where everybody sees it."""
    return f"""
flow: gate
steps:
  - id: ask
    approval: {{ask: "Ship it?", approvers: [{", ".join(approvers)}], via: {{slack: "#general"}}{more}}}
"""


NAMED = """
flow: named
inputs: [{name: who, type: json}]
steps:
  - id: ask
    approval: {ask: "Ship it?", approvers: "{{ inputs.who }}", quorum: all}
"""


def successor_of(sandbox, name: str) -> Human:
    """Somebody new, who is given the address of somebody who goes on under another one."""
    human = sandbox.person(name)
    address, human.user.email = human.email, f"{name}.renamed@example.com"
    return sandbox.add_person("successor", "Sue Successor", email=address, channels=["general"])


# -- addresses that change hands ----------------------------------------------------------------------------------


async def test_S3_whoever_is_given_somebodys_address_does_not_become_them(serve, sandbox):
    dan = sandbox.person("dan")
    bot = await serve(gate=gate(dan.id))
    run = await bot.start("gate")
    asked = await bot.person("dan")
    new = successor_of(sandbox, "dan")
    await bot.time_passes("5m")

    await new.click(new.message("Ship it?"), "Approve")
    await bot.settled()

    assert await bot.standing(run) == {}
    # What is mailed to Dan decides as Dan: it must not go where his address leads now.
    assert (await bot.app.store.person(asked.id)).email is None
    assert (await bot.person("dan")).email == "dan.renamed@example.com"
    assert (await bot.person("successor")).id != asked.id
    await dan.click(dan.message("Ship it?"), "Approve")
    await bot.settled()
    assert await bot.standing(run) == {"dan": "approve"}


async def test_S3_an_address_is_that_of_whoever_has_it_when_the_run_starts(serve, sandbox):
    dan = sandbox.person("dan")
    bot = await serve(gate=gate("dan@example.com"))
    await bot.person("dan")
    new = successor_of(sandbox, "dan")
    await bot.time_passes("5m")
    run = await bot.start("gate")

    await dan.click(dan.message("Ship it?"), "Approve")
    await bot.settled()
    assert await bot.standing(run) == {}

    await new.click(new.message("Ship it?"), "Approve")
    await bot.settled()
    assert await bot.standing(run) == {"sue": "approve"}


async def test_S3_an_address_that_slack_knows_nobody_by_any_more_is_a_gap(serve, sandbox):
    dan = sandbox.person("dan")
    bot = await serve(gate=gate("dan@example.com", "bob@example.com"))
    await bot.person("dan")
    dan.user.deleted = True
    await bot.time_passes("5m")

    run = await bot.start("gate")

    assert (await bot.view(run)).suspension.approvers.gaps == (("dan@example.com", GONE),)


@pytest.mark.parametrize("restart", [False, True])
async def test_S10_who_gave_the_admins_address_away_is_no_admin_any_more(serve, sandbox, restart):
    bot = await serve(gate=gate("bob@example.com"))
    bot.scopes["eve"] = ("admin",)
    before = await bot.api("eve", "GET", "effects")
    successor_of(sandbox, "eve")
    await bot.time_passes("5m")
    if restart:
        await bot.restart()

    after = await bot.api("eve", "GET", "effects")

    assert (before.status, after.status) == (200, 403)


async def test_S12_two_addresses_of_one_slack_user_and_their_mail_fill_one_seat(serve, sandbox):
    bob = sandbox.person("bob")
    bot = await serve(gate=gate("bob@example.com", "bobby@example.com", "cat@example.com", more=", quorum: 2"))
    run = await bot.start("gate")  # bobby@ is an address, so far
    link = bot.app.links.url(await bot.view(run), (await bot.app.people.known("bobby@example.com")).id)
    bob.user.email = "bobby@example.com"
    await bot.time_passes("5m")

    await bob.click(bob.message("Ship it?"), "Approve")
    await bot.sends("bob", await bot.opens("bob", link), "approve")
    await bot.settled()

    assert await bot.standing(run) == {"bob": "approve"}
    assert await bot.status(run) == "waiting"
    assert (await bot.app.people.known("bob@example.com")).id == (await bot.person("bob")).id


async def test_S12_two_accounts_of_one_mailbox_stay_two_and_leave_each_other_their_address(serve, sandbox):
    bot = await serve(gate=gate("bob@example.com"))
    bob = await bot.person("bob")
    sandbox.add_person("second", email="bob+2@example.com")

    second = await bot.person("second")

    assert second.id != bob.id
    assert (await bot.app.people.known("bob@example.com")).id == bob.id
    assert [(await bot.person(name)).email for name in ("bob", "second")] == ["bob@example.com", "bob+2@example.com"]


async def test_S3_a_stranger_whom_slack_finds_by_an_approvers_address_is_not_that_approver(serve, sandbox):
    dan = sandbox.person("dan")
    dan.user.is_stranger = True  # and still found by users.lookupByEmail: Slack does not say that it never does that
    bot = await serve(gate=gate("dan@example.com"))
    run = await bot.start("gate")

    await dan.click(dan.message("Ship it?"), "Approve")
    await bot.settled()

    assert await bot.standing(run) == {}
    assert (await bot.app.people.known("dan@example.com")).slack is None


# -- tags -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handle", "same"),
    [
        ("ann+boss@example.com", "ann@example.com"),
        ("ann+a+b@example.com", "ann@example.com"),
        ("+ann@example.com", "+ann@example.com"),
        ("ann@ex+ample.com", "ann@ex+ample.com"),
        ("@hr", "@hr"),
        ("T012ABCDE/U012ABCDE", "T012ABCDE/U012ABCDE"),
    ],
)
def test_S12_a_tag_in_an_address_makes_nobody_a_second_person(handle, same):
    assert identity(handle) == same


@pytest.mark.parametrize(
    ("who", "said"),
    [
        (["ann+boss@example.com"], "Ann Archer started it and does not count"),
        (["bob@example.com", "ann+boss@example.com"], None),
    ],
)
async def test_W11_the_requester_with_a_tag_is_the_requester(serve, who, said):
    bot = await serve(named=NAMED)

    reply = await bot.api("ann", "POST", "flows/named/runs", {"inputs": {"who": who}})

    if said is None:
        assert reply.status == 201
        run = bot.app.engine.ids.parse_run(reply.body["id"])
        await bot.settled()
        assert (await bot.view(run)).suspension.approvers.people == ((await bot.person("bob")).id,)
    else:
        assert reply.status == 422
        assert said in reply.said


async def test_S12_an_address_with_a_tag_is_mailed_as_it_was_given_and_fills_one_seat():
    tagged, bare = "zoe+work@example.org", "zoe@example.org"
    flow = Flow(flow="gate", steps=[Step(id="ask", approval=Approval(approvers=(tagged,)))])
    async with FlowTest(flow, people=["ann@example.com", tagged]) as flows:
        run = await flows.start(by="ann@example.com")
        await flows.approve(run, by=bare)

        assert [mailed.person.email for mailed in flows.mails] == [tagged]
        assert run.outcome == "succeeded"


# -- people who have left -----------------------------------------------------------------------------------------


async def test_S3_who_has_left_slack_decides_by_no_link_and_by_no_token_that_they_keep(serve, sandbox):
    bot = await serve(gate=gate("bob@example.com"))
    run = await bot.start("gate")
    await bot.token("bob")
    link = await bot.link(run, "bob")
    page = await bot.opens("bob", link)
    before = await bot.all_rows(run)
    sandbox.person("bob").user.deleted = True
    await bot.time_passes("5m")

    sent = await bot.sends("bob", page, "approve")
    opened = await bot.opens("bob", link)
    called = await bot.by_api("bob", run)

    assert [sent.status, opened.status, called.status] == [403, 403, 403]
    assert all(GONE in text for text in (sent.text, opened.text, called.said))
    assert await bot.all_rows(run) == before


@pytest.mark.parametrize(("hours", "status"), [(23, "succeeded"), (25, "waiting")])
async def test_S12_while_slack_is_down_its_word_of_the_last_day_is_enough(serve, sandbox, hours, status):
    bot = await serve(gate=gate("bob@example.com", more=", timeout: 7d"))
    run = await bot.start("gate")
    await bot.token("bob")
    page = await bot.opens("bob", await bot.link(run, "bob"))
    sandbox.faults.status("users.*", 503)
    bot.clock.advance(f"{hours}h")

    sent = await bot.sends("bob", page, "approve")
    read = await bot.api("bob", "GET", f"approvals/{bot.approval_id(run)}")
    called = await bot.by_api("bob", run)
    sandbox.faults.clear()

    assert await bot.status(run) == status
    assert read.status == 200
    if status == "waiting":
        assert (sent.status, called.status) == (503, 503)
        assert "try again" in sent.text


async def test_S12_whoever_is_not_in_slack_decides_by_mail_while_slack_is_down(serve, sandbox):
    bot = await serve(gate=gate("zoe@example.org", more=", timeout: 7d"))
    run = await bot.start("gate")
    zoe = await bot.app.people.known("zoe@example.org")
    link = bot.app.links.url(await bot.view(run), zoe.id)
    sandbox.faults.status("users.*", 503)
    bot.clock.advance("25h")

    await bot.sends("zoe", await bot.opens("zoe", link), "approve")

    sandbox.faults.clear()
    assert await bot.status(run) == "succeeded"


# -- forms ----------------------------------------------------------------------------------------------------


async def test_S3_a_form_with_what_it_proposes_is_shown_to_who_may_answer_it_only(serve, sandbox):
    form = ', form: [{name: sum, type: string, default: "{{ run.id }} is confidential"}]'
    mallory = sandbox.add_person("mallory", sort="stranger", channels=["general"])
    bot = await serve(gate=gate("bob@example.com", more=form))
    await bot.start("gate")
    bob = sandbox.person("bob")

    await mallory.click(mallory.message("Ship it?"), "Approve")
    await bob.click(bob.message("Ship it?"), "Approve")
    await bot.settled()

    assert mallory.modal is None
    assert "You are not one of the people" in mallory.ephemerals()[-1].shown_text()
    assert bob.modal is not None
    assert "is confidential" in str(bob.modal.content)
