"""The whole bot for who asks and who stands in: one message, through Slack, the API and the command line alike."""

from __future__ import annotations

from integrations.sandbox.message import Message

TWO = """
flow: two
inputs: [{name: version, type: string}]
steps:
  - id: gate
    approval:
      ask: "Ship {{ inputs.version }}?"
      approvers: [bob@example.com, cat@example.com]
      quorum: 2
      via: slack
"""


def standing(bot, name: str) -> Message:
    """The newest of the messages that show somebody where their request stands."""
    return next(
        one for one in reversed(bot.human(name).messages("@signoff")) if "You asked for this" in one.shown_text()
    )


async def test_W2_whoever_asks_through_the_api_sees_where_it_stands_and_nudges_by_command_line(serve):
    bot = await serve(two=TWO)
    run = await bot.start("two", version="1.4.0")
    await bot.by_api("bob", run)
    await bot.settled()
    half = standing(bot, "ann").shown_text()

    nudged = await bot.cli("ann", "nudge", bot.approval_id(run))
    again = await bot.cli("ann", "nudge", bot.approval_id(run))
    await bot.by_page("cat", run)
    await bot.settled()

    assert "*1 of 2 approvals*" in half
    assert f"waiting for <@{bot.human('cat').id}>" in half
    assert (nudged.exit_code, nudged.stdout.strip()) == (0, "Those who have not answered hear of it once more.")
    assert (again.exit_code, "again" in again.stderr) == (1, True)
    assert "*Succeeded*" in standing(bot, "ann").shown_text()


async def test_W11_approvals_handed_over_on_the_command_line_are_told_in_slack_and_count_once(serve):
    bot = await serve(two=TWO)
    run = await bot.start("two", version="1.4.0")

    made = await bot.cli("bob", "delegate", "dan@example.com", "--from", "2026-01-05", "--until", "2026-01-09")
    listed = await bot.cli("dan", "delegate")
    await bot.settled()
    told = await bot.human("dan").sees("has handed their approvals over to you")
    by_delegate = await bot.by_api("dan", run)
    twice = await bot.cli("cat", "reassign", bot.approval_id(run), "dan@example.com")
    own = await bot.cli("cat", "delegate", "ann@example.com", "--from", "2026-01-05", "--until", "2026-01-09")
    requester = await bot.by_api("ann", run)
    by_person = await bot.by_api("bob", run)
    ended = await bot.cli("bob", "delegate", "--end", made.stdout.split()[-1])

    assert (made.exit_code, "Dan Dyer for Bob Baker" in made.stdout) == (0, True)
    assert "Dan Dyer" in listed.stdout
    assert "1 waits now" in told.shown_text()
    assert by_delegate.status == 201
    # His own word takes the place of what was said for him, and it is still one approval.
    assert by_person.body["run_status"] == "waiting"
    assert (await bot.view(run)).approvals == 1
    assert (twice.exit_code, "Dan Dyer" in twice.stderr) == (1, True)
    assert own.exit_code == 0
    assert (requester.status, requester.body["type"]) == (403, "urn:signoff:problem:self-approval")
    assert await bot.standing(run) == {"bob": "approve"}
    assert (ended.exit_code, ended.stdout.startswith("It is over")) == (0, True)


async def test_R7_what_was_rejected_is_asked_for_anew_and_all_messages_link_both(serve):
    bot = await serve(two=TWO)
    run = await bot.start("two", version="1.4.0")
    await bot.by_page("bob", run, "reject", "Wrong version")
    await bot.settled()
    ann = bot.human("ann")

    await ann.click(standing(bot, "ann"), "Edit and resubmit")
    await ann.gets_modal("A new version of")
    await ann.submit({"version": "1.4.1"})
    await ann.sees("a new version of")
    await bot.settled()
    card = bot.card("bob", "Ship 1.4.0?").shown_text()
    newer = (await bot.run(run)).resubmitted
    again = await bot.cli("ann", "run", "two", "-i", "version=1.4.2", "--resubmits", bot.run_id(run))

    assert newer is not None
    assert bot.run_id(newer) in card
    assert again.exit_code == 0
    assert (await bot.run(run)).resubmitted == newer + 1


async def test_approval_of_a_message_needs_no_flow_of_ones_own_and_survives_a_restart(serve):
    bot = await serve(two=TWO)
    ann, bob = bot.human("ann"), bot.human("bob")
    said = await bob.say("Chairs?", channel="releases")
    await ann.shortcut("ask_message", said)
    await ann.gets_modal("The card links to")
    await ann.submit({"-users": [bob]})
    await ann.gets_modal("They are asked")
    await bot.settled()

    await bot.restart()
    await bob.click(bot.card("bob", "asks for your approval"), "Approve")
    await bot.settled()

    assert "*Succeeded*" in standing(bot, "ann").shown_text()


async def test_a_flow_of_that_name_in_the_folder_takes_its_place(serve):
    bot = await serve(ask=TWO.replace("flow: two", "flow: ask"))

    assert [field.name for field in bot.app.engine.flows["ask"].inputs] == ["version"]
