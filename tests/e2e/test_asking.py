"""W: people are asked by mail and in Slack, and the flow goes on with who approved."""

from __future__ import annotations

import pytest

HELLO = """
  - id: hello
    uses: slack.post_message
    with: {channel: "#general", text: "Hello from {{ approvers | join(' and ') }}"}
"""


def by_mail(quorum: int | str, more: str = "") -> str:
    return f"""
flow: gate
title: Price list
inputs:
  - {{name: subject, type: string, default: the new price list}}
steps:
  - id: ask
    title: Approve it
    approval:
      ask: "Please approve: {{{{ inputs.subject }}}}"
      approvers: [bob@example.com, cat@example.com, dan@example.com]
      quorum: {quorum}
      via: gmail
{more}{HELLO}"""


async def test_W1_each_approver_is_mailed_a_link_of_their_own_and_one_approval_lets_the_run_go_on(serve, sandbox):
    bot = await serve(gate=by_mail(1))
    run = await bot.start("gate")
    links = {name: await bot.mailed_link(name, "price list") for name in ("bob", "cat", "dan")}
    shown = await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")

    page = await bot.sends("cat", await bot.opens("cat", links["cat"]), "approve", "Looks right.")
    await bot.settled()

    assert len(set(links.values())) == 3
    assert [len(bot.human(name).inbox()) for name in ("bob", "cat", "dan")] == [1, 1, 1]
    assert shown.body["status"] == "waiting"
    (waits,) = shown.body["suspensions"]
    assert (waits["kind"], waits["approvals"], waits["needed"]) == ("approval", 0, 1)
    assert page.shows("You approved this on")
    assert await bot.status(run) == "succeeded"
    assert bot.human("eve").message("Hello from").text == f"Hello from <@{bot.human('cat').id}>"
    assert sandbox.calls.count("gmail.messages.send") == 3


async def test_W2_W4_two_of_three_then_slack_hears_exactly_who_approved_in_order(serve):
    bot = await serve(gate=by_mail(2))
    run = await bot.start("gate")
    links = {name: await bot.mailed_link(name) for name in ("bob", "cat", "dan")}

    first = await bot.sends("dan", await bot.opens("dan", links["dan"]), "approve")
    await bot.settled()
    after_one = await bot.status(run), (await bot.view(run)).approvals
    told = bot.human("eve").message("Hello from")
    await bot.sends("bob", await bot.opens("bob", links["bob"]), "approve")
    await bot.settled()
    third = await bot.opens("cat", links["cat"])

    assert first.shows("1 of 2 approvals; 1 more needed")
    assert after_one == ("waiting", 1)
    assert told is None
    assert await bot.status(run) == "succeeded"
    dan, bob = bot.human("dan").id, bot.human("bob").id
    assert bot.human("eve").message("Hello from").text == f"Hello from <@{dan}> and <@{bob}>"
    assert third.shows("Approved by Dan Dyer and Bob Baker on Monday, 5 January 2026")
    assert third.forms == ()


@pytest.mark.parametrize(("quorum", "needed"), [("all", 3), ("any", 1)])
async def test_W3_all_waits_for_the_last_of_three_and_any_for_the_first(serve, quorum, needed):
    bot = await serve(gate=by_mail(quorum))
    run = await bot.start("gate")
    states = []

    for name in ("bob", "cat", "dan")[:needed]:
        states.append(await bot.status(run))
        await bot.by_page(name, run)

    assert states == ["waiting"] * needed
    assert await bot.status(run) == "succeeded"


async def test_W5_the_answers_are_readable_in_every_later_step_also_after_other_waits(serve):
    bot = await serve(
        two="""
flow: two
steps:
  - id: first
    approval:
      ask: First?
      approvers: bob@example.com
      form: [{name: amount, type: integer}]
      via: {slack: "#general"}
  - id: second
    approval: {ask: "Second? It is about {{ resume.amount }}", approvers: [cat@example.com, dan@example.com], quorum: 2, via: {slack: "#general"}}
  - id: tell
    uses: slack.post_message
    with:
      channel: "#general"
      text: >-
        last: {{ approvers | map(attribute='email') | join(', ') }};
        first: {{ steps.first.approvers | map(attribute='name') | join(', ') }}
        said {{ steps.first.form.amount + 1 }}, {{ steps.first.comment }},
        {{ steps.first.approved }}/{{ steps.first.timed_out }};
        doors: {{ steps.second.decisions | map(attribute='door') | join(', ') }};
        resumes: {{ resumes | length }}
"""
    )
    run = await bot.start("two")
    await bot.by_page("bob", run, "approve", "fine", amount="41")
    asked = bot.card("cat", "Second?")
    await bot.human("cat").click(asked, "Approve")
    await bot.settled()
    await bot.by_api("dan", run, n=2)
    await bot.settled()

    assert "Second? It is about 41" in asked.shown_text()
    assert await bot.status(run) == "succeeded", (await bot.run(run)).run.ending
    assert bot.human("eve").message("last:").text == (
        "last: cat@example.com, dan@example.com; first: Bob Baker said 42, fine, true/false; doors: slack, api; resumes: 2"
    )


async def test_W6_one_rejection_ends_the_run_and_says_by_whom_and_why(serve):
    bot = await serve(gate=by_mail(2))
    run = await bot.start("gate")
    await bot.by_page("bob", run)

    await bot.by_page("cat", run, "reject", "Too <!channel> dear")
    await bot.settled()

    shown = (await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")).body
    assert (shown["status"], shown["ended"]["reason"]) == ("rejected", "Too <!channel> dear")
    assert [person["name"] for person in shown["ended"]["by"]] == ["Cat Carter"]
    assert bot.human("eve").message("Hello from") is None
    assert (await bot.opens("dan", await bot.link(run, "dan"))).shows(
        "Rejected by Cat Carter on Monday, 5 January 2026"
    )
    heard = (await bot.human("ann").sees("was rejected by")).shown_text()
    assert f"<@{bot.human('cat').id}>" in heard
    assert "Too &lt;!channel&gt; dear" in heard


async def test_W6_with_on_reject_continue_it_goes_on_with_approved_false(serve):
    bot = await serve(
        gate=by_mail(1, "      on_reject: continue").replace(
            "Hello from {{ approvers | join(' and ') }}", "{{ steps.ask.approved }}, {{ steps.ask.comment }}"
        )
    )
    run = await bot.start("gate")

    await bot.by_page("bob", run, "reject", "no")
    await bot.settled()

    assert await bot.status(run) == "succeeded"
    assert bot.human("eve").message("false, no") is not None


async def test_W7_a_wait_at_the_end_of_a_flow_really_waits(serve):
    bot = await serve(last="flow: last\nsteps: [{id: ask, approval: {ask: Done?, approvers: bob@example.com}}]")
    run = await bot.start("last")
    before = await bot.status(run)
    await bot.human("bob").click(bot.card("bob", "Done?"), "Approve")
    await bot.settled()

    assert before == "waiting"
    assert await bot.status(run) == "succeeded"


async def test_W8_the_page_of_the_mail_shows_all_that_is_needed_to_decide(serve):
    bot = await serve(
        gate="""
flow: gate
title: Payment
inputs:
  - {name: amount, type: number, label: Amount}
  - {name: password, type: secret}
steps:
  - id: ask
    title: Pay it?
    approval:
      ask: "Pay {{ inputs.amount }}?"
      approvers: [bob@example.com, cat@example.com]
      quorum: 2
      via: gmail
      timeout: 36h
      form: [{name: account, type: select, label: From which account, options: [main, savings]}]
"""
    )
    run = await bot.start("gate", amount=12.5, password="correct horse")
    await bot.by_page("cat", run, "approve", "It was agreed.", account="savings")

    page = await bot.opens("bob", await bot.mailed_link("bob"))

    for text in (
        "Payment", "Pay it?", "Pay 12.5?", "Amount 12.5", "Requested by Ann Archer", "1 of 2 approvals; 1 more needed",
        "Tuesday, 6 January 2026, 22:00 CET (Europe/Berlin) (in 1 day 12 hours)", "Cat Carter approved", "It was agreed.",
        "From which account",
    ):  # fmt: skip
        assert page.shows(text), (text, page.text)
    assert not page.shows("correct horse")
    (form,) = page.forms
    assert form.choices["form.account"] == ["", "main", "savings"]
    assert form.choices["verdict"] == ["approve", "reject"]
    assert "verdict" not in form.values


async def test_W11_the_requester_never_counts_through_whatever_combination_of_doors(serve):
    bot = await serve(
        gate="""
flow: gate
steps:
  - id: ask
    approval: {ask: "Ship it?", approvers: [ann@example.com, bob@example.com], quorum: 1, via: {slack: "#general"}}
"""
    )
    run = await bot.start("gate", by="ann")
    before = await bot.all_rows(run)

    await bot.human("ann").click(bot.card("ann", "Ship it?"), "Approve")
    await bot.human("ann").is_told("This is your own request")
    await bot.human("ann").click(bot.card("ann", "Ship it?"), "Reject")
    await bot.settled()
    rejecting = bot.human("ann").ephemerals()[-1].shown_text()
    page = await bot.by_page("ann", run)
    reply = await bot.by_api("ann", run)
    typed = await bot.cli("ann", "approve", bot.approval_id(run))

    assert len(bot.human("ann").ephemerals()) == 2
    assert "This is your own request" in rejecting
    assert page.shows("This is your own request")
    assert (reply.status, typed.exit_code) == (403, 1)
    assert await bot.all_rows(run) == before


async def test_W11_a_flow_that_only_its_requester_could_approve_is_refused_with_what_mends_it(serve):
    bot = await serve(gate="flow: gate\nsteps: [{id: ask, approval: {approvers: ann@example.com}}]")

    refused = await bot.api("ann", "POST", "flows/gate/runs", {"inputs": {}})
    typed = await bot.cli("ann", "run", "gate")

    assert refused.status == 422
    assert "set `self_approval: true` or add another approver" in refused.said
    assert typed.exit_code == 1
    assert "set `self_approval: true` or add another approver" in typed.output
    assert await bot.app.store.read(lambda c, _: c.execute("SELECT count(*) FROM runs").fetchone()) == (0,)
