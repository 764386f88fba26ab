"""W, K and R of the second part, through the whole bot: flows with branches, loops and children, decisions that come
before they are asked for, bulk, pause, handlers, and many runs at once."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest
from aiohttp import web

from flows.errors import Closed, InvalidForm
from flows.run import Door, Verdict
from integrations.sandbox import Sandbox


class Desk:
    """A slow system of somebody else's: what was asked of it, and an answer only when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.asked.append((await request.json())["what"])
        await self.answers.wait()
        return web.json_response({"done": self.asked[-1]})


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def sandbox(clock, desk):
    made = Sandbox.with_people(clock=clock)
    made.routes.append(web.post("/desk", desk.take))
    async with made:
        yield made


def ask_the_desk(sandbox: Sandbox, id_: str, what: str | None = None) -> str:
    url = f"{sandbox.origin}/desk"
    return f'{{id: {id_}, uses: http.request, with: {{method: POST, url: "{url}", json: {{what: {what or id_}}}}}}}'


async def waits(bot, run: int) -> dict[str, int]:
    """What is open: the number of each wait by the path of its step."""
    return {one.suspension.path: one.suspension.n for one in (await bot.run(run)).suspensions if one.open}


async def message(bot, run: int, step: str):
    """What a step that logs has said; None where it has not run."""
    found = (await bot.run(run)).steps.get(step)
    return found.output["message"] if found is not None and found.output is not None else None


async def states(bot, run: int) -> dict[str, str]:
    return {path: step.state.value for path, step in (await bot.run(run)).steps.items()}


async def clicks(bot, name: str, containing: str, button: str = "Approve") -> None:
    await bot.human(name).click(bot.card(name, containing), button)
    await bot.settled()


# -- branches, loops, children ----------------------------------------------------------------------------------

CHILD = """
flow: child
inputs: [{name: who, type: string}, {name: amount, type: integer}]
steps:
  - id: ok
    approval: {ask: "{{ inputs.who }} gave {{ inputs.amount }}. Good?", approvers: dan@example.com, via: {slack: "#general"}}
  - {id: note, uses: log, with: {message: "{{ inputs.who }}, {{ approvers | join }}, {{ steps.ok.approvers[0].door }}"}}
outputs: {said: "{{ steps.note.output.message }}"}
"""
NESTED = """
flow: nested
steps:
  - id: gate
    approval:
      ask: How much?
      approvers: bob@example.com
      form: [{name: amount, type: integer}]
      via: {slack: "#general"}
  - id: big
    if: steps.gate.form.amount > 10
    then: [{id: much, uses: log, with: {message: "{{ approvers | join }}: {{ resume.amount }}"}}]
    else: [{id: little, uses: log, with: {message: little}}]
  - id: each
    for_each: [red, blue]
    steps:
      - id: pick
        approval: {ask: "{{ item }} for {{ steps.gate.form.amount }}?", approvers: cat@example.com, via: {slack: "#general"}}
      - {id: picked, uses: log, with: {message: "{{ item }}: {{ approvers | join }} after {{ steps.gate.approvers | join }}"}}
  - {id: sub, flow: child, with: {who: "{{ steps.gate.approvers[0].name }}", amount: "{{ steps.gate.form.amount }}"}}
  - id: tell
    uses: log
    with: {message: "{{ steps.each.output | map(attribute='message') | join('; ') }}; {{ steps.sub.output.said }}"}
"""


async def test_W5b_answers_are_readable_in_branches_and_loops_and_in_a_child_through_its_inputs(serve):
    bot = await serve(nested=NESTED, child=CHILD)
    run = await bot.start("nested")

    await bot.by_page("bob", run, amount="41")
    await clicks(bot, "cat", "red for 41?")
    waiting = await waits(bot, run)
    await bot.by_api("cat", run, n=waiting["each[1].pick"])
    asked = bot.card("dan", "Bob Baker gave 41. Good?")
    (n,) = (await waits(bot, run)).values()
    await bot.cli("dan", "approve", bot.approval_id(run, n))
    await bot.settled()

    assert waiting.keys() == {"each[1].pick"}
    assert asked.buttons() == ["Approve", "Reject"]
    assert await bot.status(run) == "succeeded", (await bot.run(run)).run.ending
    assert await message(bot, run, "big.then.much") == "Bob Baker: 41"
    assert await message(bot, run, "tell") == (
        "red: Cat Carter after Bob Baker; blue: Cat Carter after Bob Baker; Bob Baker, Dan Dyer, api"
    )
    assert "big.else.little" not in (await bot.run(run)).steps


async def test_W7b_a_wait_at_the_end_of_a_branch_of_a_loops_body_and_of_a_child_really_waits(serve):
    ask = 'approval: {ask: "%s?", approvers: bob@example.com, via: {slack: "#general"}}'
    bot = await serve(
        last=f"""
flow: last
steps:
  - {{id: branch, if: "true", then: [{{id: one, {ask % "One"}}}]}}
  - {{id: each, for_each: [a, b], steps: [{{id: two, {ask % "Two, {{ item }}"}}}]}}
  - {{id: both, parallel: {{left: [{{id: three, {ask % "Three"}}}], right: [{{id: four, {ask % "Four"}}}]}}}}
  - {{id: sub, flow: inner}}
""",
        inner=f"flow: inner\nsteps: [{{id: five, {ask % 'Five'}}}]",
    )
    run = await bot.start("last")
    waited = []

    for question in ("One?", "Two, a?", "Two, b?", "Four?", "Three?", "Five?"):
        waited.append((await bot.status(run), sorted(await waits(bot, run))))
        await clicks(bot, "bob", question)

    assert waited == [
        ("waiting", ["branch.then.one"]),
        ("waiting", ["each[0].two"]),
        ("waiting", ["each[1].two"]),
        ("waiting", ["both.left.three", "both.right.four"]),
        ("waiting", ["both.left.three"]),
        ("waiting", ["sub.five"]),
    ]
    assert await bot.status(run) == "succeeded"


async def test_R7b_cancelling_ends_what_waits_in_children_too_and_their_cards_and_links_say_so(serve):
    bot = await serve(
        parent="""
flow: parent
steps:
  - {id: each, for_each: [x, y], concurrency: 2, steps: [{id: sub, flow: child, with: {name: "{{ item }}"}}]}
finally:
  - {id: clean, uses: slack.post_message, with: {channel: "#general", text: "Cleaned up: {{ run.outcome }}"}}
""",
        child="""
flow: child
inputs: [{name: name, type: string}]
steps:
  - {id: ask, approval: {ask: "{{ inputs.name }}?", approvers: bob@example.com, via: [gmail, {slack: "#general"}]}}
finally:
  - {id: wipe, uses: slack.post_message, with: {channel: "#general", text: "Wiped {{ inputs.name }}: {{ run.outcome }}"}}
""",
    )
    run = await bot.start("parent")
    cards = [bot.card("bob", "x?"), bot.card("bob", "y?")]
    mails = [await bot.mailed_link("bob", f"{name}?") for name in ("x", "y")]
    page = await bot.opens("bob", mails[0])

    cancelled = await bot.cli("ann", "cancel", bot.run_id(run), "--reason", "Not needed")
    await bot.settled()

    assert cancelled.exit_code == 0, cancelled.output
    assert await bot.status(run) == "cancelled"
    assert await waits(bot, run) == {}
    for card in cards:
        now = bot.human("bob").now(card)
        assert "*Cancelled* by" in now.shown_text()
        assert now.buttons() == []
    assert (await bot.sends("bob", page, "approve")).shows("This is no longer open: cancelled by Ann Archer")
    assert (await bot.opens("bob", mails[1])).forms == ()
    posts = [one.text for one in bot.human("eve").messages("#general") if "cancelled" in one.text and "ed" in one.text]
    assert sorted(text for text in posts if text.startswith("Wiped")) == ["Wiped x: cancelled", "Wiped y: cancelled"]
    assert posts[-1] == "Cleaned up: cancelled"
    await bot.time_passes("30d")
    assert len(await bot.facts(run, "RunEnded")) == 1


@pytest.mark.parametrize(("word", "outcome"), [("end", "expired"), ("continue", "succeeded")])
async def test_R8_a_wait_in_a_branch_expires_while_the_sibling_still_works_and_that_one_goes_on(
    serve, sandbox, desk, word, outcome
):
    bot = await serve(
        beside=f"""
flow: beside
steps:
  - id: both
    fail_fast: false
    parallel:
      people:
        - id: ask
          approval: {{ask: "Now?", approvers: bob@example.com, timeout: 1h, on_timeout: {word}, via: {{slack: "#general"}}}}
        - {{id: answered, uses: log, with: {{message: "{{{{ steps.ask.timed_out }}}}"}}}}
      machine:
        - {ask_the_desk(sandbox, "work")}
        - {{id: worked, uses: log, with: {{message: "{{{{ steps.work.output.body.done }}}}"}}}}
"""
    )
    reply = await bot.api("ann", "POST", "flows/beside/runs", {"inputs": {}})
    run = bot.app.engine.ids.parse_run(reply.body["id"])
    await bot.human("bob").sees("Now?")
    await sandbox.until(lambda: desk.asked == ["work"])

    bot.clock.advance("1h")
    await sandbox.until(lambda: "*Expired*" in bot.card("bob", "Now?").shown_text())
    meanwhile = await bot.status(run), (await states(bot, run))["both.machine.work"]
    desk.answers.set()
    await bot.settled()

    assert meanwhile == ("running", "acting")
    assert await bot.status(run) == outcome
    assert await message(bot, run, "both.machine.worked") == "work"
    assert await message(bot, run, "both.people.answered") == (True if word == "continue" else None)


# -- before it is asked for ---------------------------------------------------------------------------------------

EARLY = """
flow: early
steps:
  - {id: ready, hold: {ask: "Ready?", via: {slack: "#general"}}}
  - {id: strict, approval: {ask: "Strict?", approvers: bob@example.com, via: {slack: "#general"}}}
  - {id: other, approval: {ask: "Other?", approvers: cat@example.com, pre_approval: allow, via: {slack: "#general"}}}
  - {id: one, approval: {ask: "One?", approvers: [bob@example.com, cat@example.com], pre_approval: allow, via: {slack: "#general"}}}
  - {id: two, approval: {ask: "Two?", approvers: [bob@example.com, cat@example.com], pre_approval: allow, via: {slack: "#general"}}}
  - {id: three, approval: {ask: "Three?", approvers: bob@example.com, pre_approval: allow, via: {slack: "#general"}}}
"""
SIDE_BY_SIDE = """
flow: early
steps:
  - {id: ready, hold: {ask: "Ready?", via: {slack: "#general"}}}
  - id: both
    parallel:
      right: [{id: b, approval: {ask: "B?", approvers: bob@example.com, pre_approval: allow, on_reject: continue, via: {slack: "#general"}}}]
      left: [{id: a, approval: {ask: "A?", approvers: bob@example.com, pre_approval: allow, on_reject: continue, via: {slack: "#general"}}}]
  - {id: tell, uses: log, with: {message: "{{ steps.a.approved }} {{ steps.b.approved }}"}}
"""


async def made_link(bot, run: int, **what) -> str:
    """The link that an admin makes for Bob through the API."""
    bot.scopes["eve"] = ("read", "links", "admin")
    reply = await bot.api("eve", "POST", f"runs/{bot.run_id(run)}/links", {"person": "bob@example.com", **what})
    assert reply.status == 200, reply
    return str(reply.body["page"])


async def test_W9_a_link_for_the_whole_run_is_kept_for_the_next_approval_that_takes_it_and_used_once(serve):
    bot = await serve(early=EARLY)
    run = await bot.start("early")
    link = await made_link(bot, run, whole_run=True)
    kept = await bot.sends("bob", await bot.opens("bob", link), "approve", "Agreed on Friday")
    await bot.restart()

    await bot.by_api("ann", run, "resume")
    strict = await waits(bot, run)
    await clicks(bot, "bob", "Strict?")
    other = await waits(bot, run)
    await clicks(bot, "cat", "Other?")
    two = await waits(bot, run)

    assert "/p/" in link
    assert kept.shows("It is kept until an approval takes it")
    assert [list(one) for one in (strict, other, two)] == [["strict"], ["other"], ["two"]]
    (decision,) = (await bot.view(run, 4)).decisions
    assert (decision.verdict, decision.unseen, decision.digest) == (Verdict.APPROVE, True, None)
    assert (decision.door, decision.comment) == (Door.PAGE, "Agreed on Friday")
    (fact,) = [fact for fact in await bot.facts(run, "DecisionCounted") if fact["unseen"]]
    assert fact["n"] == 4
    told = (await bot.api("cat", "GET", f"approvals/{bot.approval_id(run, 4)}")).body["decisions"]
    assert [(one["person"]["name"], one["unseen"]) for one in told] == [("Bob Baker", True)]
    assert (await bot.view(run, 5)).decisions == ()
    assert await bot.status(run) == "waiting"
    await clicks(bot, "cat", "Two?")
    assert list(await waits(bot, run)) == ["three"]
    await clicks(bot, "bob", "Three?")
    assert await bot.status(run) == "succeeded"


@pytest.mark.parametrize(
    ("what", "verdict", "open_", "said"),
    [
        ({"whole_run": True}, "approve", "both.right.b", "true true"),
        ({"whole_run": True}, "reject", "both.right.b", "false true"),
        ({"step": "b"}, "reject", "both.left.a", "true false"),
    ],
)
async def test_W9_of_several_that_open_at_once_the_first_by_path_takes_it_or_the_one_it_is_for(
    serve, what, verdict, open_, said
):
    bot = await serve(early=SIDE_BY_SIDE)
    run = await bot.start("early")
    await bot.sends("bob", await bot.opens("bob", await made_link(bot, run, **what)), verdict)

    await bot.by_api("ann", run, "resume")
    left = await waits(bot, run)
    await clicks(bot, "bob", {"both.right.b": "B?", "both.left.a": "A?"}[open_])

    assert list(left) == [open_]
    assert (await bot.status(run), await message(bot, run, "tell")) == ("succeeded", said)


async def test_W10_a_link_that_is_used_while_an_approval_is_open_counts_there_at_once(serve):
    bot = await serve(early=SIDE_BY_SIDE)
    run = await bot.start("early")
    link = await made_link(bot, run, whole_run=True)
    before = await bot.opens("bob", link)
    await bot.by_api("ann", run, "resume")

    counted = await bot.sends("bob", before, "approve")
    after_one = await waits(bot, run)
    shown = await bot.opens("bob", link)
    seen = await bot.sends("bob", shown, "approve")
    await bot.settled()

    assert counted.shows("You approved this in advance, without having seen it")
    assert list(after_one) == ["both.right.b"]
    # Now there is something to be shown, so the link leads to it, and what is decided there was seen.
    assert shown.shows("B?")
    assert seen.shows("You approved this on")
    decisions = {n: (await bot.view(run, n)).decisions[0] for n in (2, 3)}
    assert sorted(one.unseen for one in decisions.values()) == [False, True]
    assert await message(bot, run, "tell") == "true true"


# -- pause and bulk -----------------------------------------------------------------------------------------------


async def steered(bot, how: str, verb: str, run: int) -> None:
    """Ann pauses the run, or lets it go on."""
    if how == "api":
        assert (await bot.api("ann", "POST", f"runs/{bot.run_id(run)}/{verb}")).status == 200
    elif how == "cli":
        assert (await bot.cli("ann", verb, bot.run_id(run))).exit_code == 0
    else:
        await bot.human("ann").command("/approvals", f"{verb} {bot.run_id(run)}", channel="#general")
        await bot.human("ann").is_told("Paused" if verb == "pause" else "Resumed")


@pytest.mark.parametrize(
    ("how", "inside"),
    [
        ("api", "steps"),
        ("slack", "child"),
        # Who comes by the command line comes through the API.
        *(
            pytest.param(how, inside, marks=pytest.mark.slow)
            for how, inside in (("api", "child"), ("slack", "steps"), ("cli", "steps"), ("cli", "child"))
        ),
    ],
)
async def test_K3_a_run_is_paused_while_its_first_step_works_and_nothing_starts_until_it_is_resumed(
    serve, sandbox, desk, how, inside
):
    steps = f"""
  - {ask_the_desk(sandbox, "first")}
  - {ask_the_desk(sandbox, "second")}
"""
    around = "flow: outer\nsteps: [{id: sub, flow: inner}]" if inside == "child" else f"flow: outer\nsteps:{steps}"
    bot = await serve(outer=around, inner=f"flow: inner\nsteps:{steps}")
    reply = await bot.api("ann", "POST", "flows/outer/runs", {"inputs": {}})
    run = bot.app.engine.ids.parse_run(reply.body["id"])
    await sandbox.until(lambda: desk.asked == ["first"])

    await steered(bot, how, "pause", run)
    desk.answers.set()
    await bot.settled()
    paused = (await bot.api("ann", "GET", f"runs/{bot.run_id(run)}")).body
    finished = await states(bot, run)
    await bot.time_passes("30d", steps=3)
    await bot.restart()
    still = await bot.status(run), list(desk.asked)
    await steered(bot, how, "resume", run)
    await bot.settled()

    path = "sub." if inside == "child" else ""
    assert (paused["status"], paused["paused"]["by"]["name"]) == ("paused", "Ann Archer")
    assert (finished[f"{path}first"], finished[f"{path}second"]) == ("succeeded", "held")
    assert still == ("paused", ["first"])
    assert desk.asked == ["first", "second"]
    assert await bot.status(run) == "succeeded"
    events = [event for entry in await bot.ledger(run) if (event := entry.get("event"))]
    did = [
        (one["is"], one["door"], one["person"]) for one in events if one["is"] in ("PauseRequested", "ResumeRequested")
    ]
    ann, door = (await bot.person("ann")).id, "slack" if how == "slack" else "api"
    assert did == [("PauseRequested", door, ann), ("ResumeRequested", door, ann)]


PLAIN = """
flow: plain
steps:
  - {id: ask, approval: {ask: "Pay?", approvers: bob@example.com, via: {slack: "#general"}}}
  - {id: pay, uses: log, with: {message: paid}}
"""
FILLED = PLAIN.replace("flow: plain", "flow: filled").replace(
    "via:", "form: [{name: account, type: select, options: [main, savings]}], via:"
)


async def decided_at_once(bot, how: str, runs: list[int]) -> list[tuple[bool, str]]:
    """Bob approves all of them in one go: for each, whether it was counted, and what is said of it."""
    ids = [bot.approval_id(run) for run in runs]
    if how == "engine":
        pairs = [(run, 1) for run in runs]
        items = await bot.app.engine.decide_many(pairs, (await bot.person("bob")).id, Verdict.APPROVE, door=Door.API)
        assert [type(item.refused) for item in items if item.refused] == [Closed, InvalidForm]
        return [(item.refused is None, str(item.refused or "")) for item in items]
    if how == "api":
        reply = await bot.api("bob", "POST", "approvals/decisions", {"ids": ids, "verdict": "approve"})
        assert (reply.status, [item["id"] for item in reply.body["items"]]) == (200, ids)
        return [(item["ok"], item["detail"]) for item in reply.body["items"]]
    result = await bot.cli("bob", "approve", *ids)
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == "2 of 5 were refused."
    lines = [line.split("\t") for line in result.output.splitlines() if line.startswith("sus_")]
    assert [line[0] for line in lines] == ids
    return [(line[1] == "done", line[2]) for line in lines]


@pytest.mark.parametrize("how", ["engine", "api", "cli"])
async def test_K4_of_five_that_are_selected_three_go_on_and_two_are_told_why_not(serve, how):
    bot = await serve(plain=PLAIN, filled=FILLED)
    runs = [await bot.start(flow) for flow in ("plain", "plain", "plain", "filled", "plain")]
    finished, wanting = runs[1], runs[3]
    await bot.api("ann", "POST", f"runs/{bot.run_id(finished)}/cancel", {})
    await bot.settled()
    before = [await bot.all_rows(run) for run in (finished, wanting)]

    told = await decided_at_once(bot, how, runs)
    await bot.settled()

    assert [ok for ok, _ in told] == [True, False, True, False, True]
    assert "This is no longer open: cancelled by Ann Archer, 2026-01-05 09:00 UTC." in told[1][1]
    assert "account: is required: one of: main, savings." in told[3][1]
    assert [await bot.status(run) for run in runs] == ["succeeded", "cancelled", "succeeded", "waiting", "succeeded"]
    assert [await message(bot, run, "pay") for run in runs] == ["paid", None, "paid", None, "paid"]
    assert [await bot.all_rows(run) for run in (finished, wanting)] == before
    await bot.by_api("bob", wanting, form={"account": "main"})
    await bot.settled()
    assert await bot.status(wanting) == "succeeded"


async def test_K4_several_holds_are_resumed_at_once_with_one_answer_for_each(serve):
    held = 'flow: held\nsteps: [{id: wait, hold: {by: bob@example.com, via: {slack: "#general"}}}]'
    bot = await serve(held=held, plain=PLAIN)
    runs = [await bot.start(flow) for flow in ("held", "plain", "held")]

    result = await bot.cli("bob", "resume", *map(bot.approval_id, runs))
    await bot.settled()

    assert result.exit_code == 1
    assert [line.split("\t")[1] for line in result.output.splitlines()[:3]] == ["done", "refused", "done"]
    assert "must be approve or reject, not resume" in result.output
    assert [await bot.status(run) for run in runs] == ["succeeded", "waiting", "succeeded"]


# -- deadlines and what runs beside a wait ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "outcome", "downstream"),
    [
        ("end", "expired", None),
        ("fail", "failed", None),
        ("continue", "succeeded", "false, true, 0"),
        ("approve", "succeeded", "true, true, 0"),
    ],
)
async def test_K7_each_way_to_pass_a_deadline_runs_its_handler_and_is_told_apart(serve, word, outcome, downstream):
    bot = await serve(
        late=f"""
flow: late
steps:
  - id: ask
    approval:
      ask: "Now?"
      approvers: bob@example.com
      timeout: 1h
      via: {{slack: "#general"}}
      on_timeout:
        steps: [{{id: remind, uses: slack.post_message, with: {{channel: "#general", text: "Nobody said a word"}}}}]
        then: {word}
  - id: after
    uses: log
    with: {{message: "{{{{ steps.ask.approved }}}}, {{{{ steps.ask.timed_out }}}}, {{{{ steps.ask.approvers | length }}}}"}}
"""
    )
    run = await bot.start("late")

    await bot.time_passes("59m")
    just_before = await bot.status(run)
    await bot.time_passes("1m")
    await bot.settled()

    assert just_before == "waiting"
    assert await bot.status(run) == outcome, (await bot.run(run)).run.ending
    assert await message(bot, run, "after") == downstream
    assert sum("Nobody said a word" in one.text for one in bot.human("eve").messages("#general")) == 1
    card = bot.card("bob", "Now?")
    assert card.buttons() == []
    assert ("*Approved*" in card.shown_text()) is (word == "approve")


@pytest.mark.slow
async def test_K9_steps_that_run_when_an_approval_opens_run_once_even_if_nobody_answers(serve, sandbox):
    bot = await serve(
        opened="""
flow: opened
steps:
  - id: ask
    approval:
      ask: "Now?"
      approvers: bob@example.com
      timeout: 1h
      via: {slack: "#general"}
      on_open: [{id: page, uses: slack.post_message, with: {channel: "#releases", text: "Somebody please look"}}]
"""
    )
    run = await bot.start("opened")
    beside = await bot.status(run)
    await bot.restart()
    await bot.settled()

    await bot.time_passes("1h")
    await bot.settled()

    assert beside == "waiting"
    assert await bot.status(run) == "expired"
    assert (await states(bot, run))["ask.on_open.page"] == "succeeded"
    assert sum("Somebody please look" in one.text for one in bot.human("eve").messages("#releases")) == 1


# -- what takes its place, and what is dropped ----------------------------------------------------------------------


async def test_a_newer_run_takes_the_place_of_one_that_waits_and_the_older_card_leads_to_it(serve):
    bot = await serve(
        deploy=PLAIN.replace(
            "flow: plain", 'flow: deploy\nsupersede: "{{ inputs.to }}"\ninputs: [{name: to, type: string}]'
        )
    )
    old, elsewhere = await bot.start("deploy", to="live"), await bot.start("deploy", to="test")
    card = next(m for m in bot.human("bob").messages("#general") if bot.run_id(old) in m.shown_text())

    new = await bot.start("deploy", to="live")
    await bot.settled()

    now = bot.human("bob").now(card)
    assert [await bot.status(run) for run in (old, elsewhere, new)] == ["cancelled", "waiting", "waiting"]
    assert now.buttons() == []
    assert bot.run_id(new) in now.shown_text()
    assert (await bot.opens("bob", await bot.link(old, "bob"))).shows("A newer run took its place")


async def test_a_wait_that_is_dropped_goes_on_is_recorded_and_is_never_an_approval(serve):
    bot = await serve(
        gate=PLAIN.replace("flow: plain", "flow: gate\nowner: dan@example.com").replace(
            "message: paid", 'message: "{{ steps.ask.approved }}, {{ steps.ask.dropped }}, {{ approvers | length }}"'
        )
    )
    run = await bot.start("gate")

    typed = await bot.cli("dan", "drop", bot.approval_id(run), "--reason", "Bob has left")
    await bot.settled()

    assert typed.exit_code == 0, typed.output
    assert (await bot.status(run), await message(bot, run, "pay")) == ("succeeded", "false, true, 0")
    assert (await states(bot, run))["ask"] == "dropped"
    shown = bot.card("bob", "*Dropped*").shown_text()
    assert "Pay?" in shown
    assert "Bob has left" in shown
    assert "*Approved*" not in shown
    (event,) = [one["event"] for one in await bot.ledger(run) if (one.get("event") or {}).get("is") == "DropRequested"]
    assert (event["reason"], event["door"], event["person"]) == ("Bob has left", "api", (await bot.person("dan")).id)


# -- many -----------------------------------------------------------------------------------------------------------

QUIET = """
flow: quiet
steps:
  - {id: ask, approval: {ask: "Quiet?", approvers: [bob@example.com, cat@example.com], via: none, timeout: %s}}
"""
AT_ONCE = 200  # starts under way at the same time


@pytest.mark.slow
@pytest.mark.parametrize(("waiting", "expiring"), [(1_000, 100), pytest.param(10_000, 1_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(600)
async def test_R15_of_many_that_wait_a_tenth_expires_in_one_second_and_clicks_are_answered_in_time(
    serve, sandbox, waiting, expiring
):
    people = [sandbox.add_person(f"p{n}", f"Person {n}", channels=["general"]) for n in range(20)]
    sandbox.workspace.add_group("crowd", [one.user for one in people], "Crowd")
    bot = await serve(
        short=QUIET.replace("flow: quiet", "flow: short") % "1h",
        long=QUIET.replace("flow: quiet", "flow: long") % "30d",
        card=PLAIN.replace("flow: plain", "flow: card").replace("bob@example.com", '"@crowd", quorum: 20'),
    )
    ann = (await bot.person("ann")).id
    engine = bot.app.engine
    places = asyncio.Semaphore(AT_ONCE)

    async def begin(flow: str) -> int:
        async with places:
            return (await engine.start(flow, ann, {}))[0].id

    await asyncio.gather(*(begin("long") for _ in range(waiting - expiring)))
    short = await asyncio.gather(*(begin("short") for _ in range(expiring)))
    run = await bot.start("card")
    await bot.settled()
    card = bot.card("p0", "Pay?")

    bot.clock.advance("1h")
    begun = monotonic()
    answers = await asyncio.gather(*(person.click(card, "Approve") for person in people))
    took = monotonic() - begun
    await bot.settled()

    assert [(answer.ok, answer.late) for answer in answers] == [(True, False)] * len(people)
    assert took < 3
    assert await bot.status(run) == "succeeded"
    assert len(await bot.facts(run, "DecisionCounted")) == len(people)
    outcomes = await bot.app.store.read(
        lambda c, _: c.execute(
            "SELECT d.flow, r.outcome IS NULL, count(*) FROM runs r JOIN definitions d ON d.id = r.definition GROUP BY 1, 2 ORDER BY 1"
        ).fetchall()
    )
    assert outcomes == [("card", 0, 1), ("long", 1, waiting - expiring), ("short", 0, expiring)]
    for one in short:
        assert await bot.status(one) == "expired"
        assert len(await bot.facts(one, "SuspensionClosed")) == len(await bot.facts(one, "RunEnded")) == 1
