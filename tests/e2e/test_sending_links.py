"""A flow sends the links of a wait itself: by Slack, by mail, by somebody's SMS service, and to machines."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from bot.settings import Settings
from flows.errors import ConfigError
from flows.links import Purpose
from flows.run import Door, Verdict

LINK = re.compile(r"http://127\.0\.0\.1:\d+/[acpr]/[A-Za-z0-9_-]{84}")


class Service:
    """Somebody's HTTP service: keeps what it was sent, and answers with all of it, like a careless one."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.statuses: list[int] = []
        self.url = ""

    @property
    def links(self) -> list[str]:
        return LINK.findall(json.dumps(self.got))

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        status = self.statuses.pop(0) if self.statuses else 200
        return web.json_response({"you sent": self.got[-1], "in": request.path_qs}, status=status)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    app, found = web.Application(), Service()
    app.router.add_post("/{tail:.*}", found.handle)
    async with TestServer(app) as server:
        found.url = str(server.make_url("")).rstrip("/")
        yield found


def asking(uses: str, given: str = "{}", more: str = "") -> str:
    return f"""
flow: gate
title: Release
inputs: [{{name: version, type: string, default: "4.2"}}]
steps:
  - id: ask
    uses: {uses}
    with: {given}
    {more}
    approval:
      ask: "Ship {{{{ inputs.version }}}}?"
      approvers: [bob@example.com, cat@example.com, ann@example.com]
      via: none
  - id: tell
    uses: slack.post_message
    with: {{channel: "#general", text: "Shipped by {{{{ approvers | join }}}}"}}
"""


async def person_of(bot, link: str) -> str:
    """For whom a link was made."""
    who = await bot.app.people.by_id(bot.app.links.open(link.rpartition("/")[2]).person)
    assert who is not None
    return who.name


def button(message) -> str:
    (url,) = {element["url"] for _, element in message.elements() if "url" in element}
    return str(url)


async def status_and_reason(bot, run: int) -> tuple[str, str]:
    view = await bot.run(run)
    return view.status, (view.run.ending.reason or "") if view.run.ending else ""


# -- to people --------------------------------------------------------------------------------------------------------


async def test_W1_a_flow_mails_each_approver_a_link_of_their_own(serve):
    bot = await serve(gate=asking("gmail.request_approval", '{subject: "Ship it?"}'))
    run = await bot.start("gate")

    links = {name: await bot.mailed_link(name, "Ship it?") for name in ("bob", "cat")}
    waiting = await bot.status(run)
    await bot.by_api("cat", run)

    assert waiting == "waiting"
    assert [await person_of(bot, link) for link in links.values()] == ["Bob Baker", "Cat Carter"]
    assert bot.human("ann").inbox() == []  # she has started it, and may not decide
    assert bot.human("bob").messages("@signoff") == []  # via: none
    assert await bot.status(run) == "succeeded"
    assert bot.human("eve").message("Shipped by").text == f"Shipped by <@{bot.human('cat').id}>"


async def test_W1_a_flow_asks_each_approver_in_slack_with_a_link_of_their_own(serve):
    bot = await serve(gate=asking("slack.request_approval", '{channel: "#releases"}'))
    run = await bot.start("gate")

    messages = {name: bot.human(name).messages("@signoff")[0] for name in ("bob", "cat")}
    await bot.human("bob").click(messages["bob"], "Open to approve or reject")
    view = await bot.run(run)

    assert [await person_of(bot, button(message)) for message in messages.values()] == ["Bob Baker", "Cat Carter"]
    (told,) = bot.human("eve").messages("releases")
    assert f"Asked: <@{bot.human('bob').id}>, <@{bot.human('cat').id}>" in told.text
    assert [entry["person"] and entry["person"]["email"] for entry in view.steps["ask"].output] == [
        "bob@example.com",
        "cat@example.com",
        None,
    ]
    assert LINK.search(json.dumps(view.steps["ask"].output)) is None


async def test_a_link_goes_by_sms_to_whom_it_is_for_and_can_be_used(serve, service):
    given = f"""{{method: POST, url: "{service.url}/sms", json: {{
      bob: "Decide: {{{{ links.for('bob@example.com') }}}}", cat: "{{{{ links.for(inputs.version) }}}}"}}}}"""
    bot = await serve(gate=asking("http.request", given))
    run = await bot.start("gate", version="cat@example.com")

    assert [await person_of(bot, link) for link in service.links] == ["Bob Baker", "Cat Carter"]
    link = bot.app.links.open(service.links[0].rpartition("/")[2])
    assert (link.run, link.n) == (run, 1)
    assert await bot.status(run) == "waiting"


async def test_S9_a_link_that_a_service_repeats_is_masked_where_others_read_it(serve, service):
    given = f"""{{method: POST, url: "{service.url}/sms?to={{{{ links.for('bob@example.com') | urlencode }}}}",
      json: {{text: "{{{{ links.for('bob@example.com') }}}}"}}}}"""
    bot = await serve(gate=asking("http.request", given))
    run = await bot.start("gate")

    output = json.dumps((await bot.run(run)).steps["ask"].output)
    token = service.links[0].rpartition("/")[2]
    assert (await bot.run(run)).steps["ask"].output["status"] == 200
    assert "/a/" in output
    assert token not in output
    assert token not in json.dumps(await bot.ledger(run))


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("dan@example.com", "Dan Dyer (dan@example.com) is none of those who may answer this step."),
        ("ann@example.com", "Ann Archer (ann@example.com) started this run, and its flow does not let people approve"),
        ("@hr-leads", "A link is for one person, and @hr-leads is a group; name its people one by one."),
        ("UNOBODY01", "Nobody stands behind UNOBODY01 (Slack knows no such user)."),
        ("nobody", "A link is for one person: 'nobody' names nobody;"),
    ],
)
async def test_S1_nobody_gets_a_link_who_may_not_decide_and_nothing_is_sent(serve, service, who, said):
    given = f"""{{method: POST, url: "{service.url}/sms", json: {{
      bob: "{{{{ links.for('bob@example.com') }}}}", other: "{{{{ links.for(inputs.version) }}}}"}}}}"""
    bot = await serve(gate=asking("http.request", given))

    run = await bot.start("gate", version=who)

    status, reason = await status_and_reason(bot, run)
    assert status == "failed"
    assert said in reason
    assert service.got == []


async def test_R9_a_retried_action_sends_the_same_link_and_the_wait_is_one(serve, service):
    given = f"""{{method: POST, url: "{service.url}/sms", json: {{text: "{{{{ links.for('bob@example.com') }}}}"}}}}"""
    bot = await serve(gate=asking("http.request", given, "retry: {max: 2, delay: 10s}"))
    service.statuses = [503, 503]
    run = await bot.start("gate")

    await bot.time_passes("1m", steps=6)

    assert len(service.links) == 3
    assert len(set(service.links)) == 1
    assert await bot.status(run) == "waiting"
    assert len((await bot.run(run)).suspensions) == 1


async def test_R5_killed_while_it_asks_people_nobody_is_asked_twice(serve, sandbox):
    bot = await serve(gate=asking("slack.request_approval"))
    held = asyncio.Event()
    sandbox.faults.slow("chat.postMessage", until=held, after=True, times=1)
    reply = await bot.api("ann", "POST", "flows/gate/runs", {"inputs": {}})
    await sandbox.until(lambda: bot.human("bob").message("Ship 4.2?"))

    await bot.kill()
    held.set()
    await bot.serve()
    await bot.settled()

    run = bot.app.engine.ids.parse_run(reply.body["id"])
    assert [len(bot.human(name).messages("@signoff")) for name in ("bob", "cat")] == [1, 1]
    assert len((await bot.run(run)).steps["ask"].output) == 2


async def test_who_has_answered_already_is_not_asked_any_more(serve, sandbox):
    bot = await serve(gate=asking("slack.request_approval").replace("via: none", "via: none\n      quorum: 2"))
    sandbox.faults.status("conversations.open", 503, times=1)
    flow = asking("slack.request_approval", more="retry: {max: 1, delay: 10s}")
    bot.write("gate", flow.replace("via: none", "via: none\n      quorum: 2"))
    await bot.app.load_flows()
    run = await bot.start("gate")

    await bot.by_api("bob", run)
    await bot.time_passes("10s")

    assert [len(bot.human(name).messages("@signoff")) for name in ("bob", "cat")] == [0, 1]


@pytest.mark.parametrize("given", ["{}", '{to: "@hr-leads"}'])
@pytest.mark.parametrize(("by", "asked"), [("ann", [1, 1]), ("bob", [0, 1])])
async def test_W12_members_of_a_group_get_one_each_and_who_asks_gets_none(serve, by, asked, given):
    flow = asking("slack.request_approval", given).replace(
        "[bob@example.com, cat@example.com, ann@example.com]", '["@hr-leads", bob@example.com]'
    )
    bot = await serve(gate=flow)

    await bot.start("gate", by=by)

    assert [len(bot.human(name).messages("@signoff")) for name in ("bob", "cat")] == asked


async def test_S12_a_directory_that_does_not_answer_costs_no_attempt(serve, service, sandbox):
    given = f"""{{method: POST, url: "{service.url}/sms", json: {{text: "{{{{ links.for('bob@example.com') }}}}"}}}}"""
    bot = await serve(gate=asking("http.request", given, "retry: {max: 1, delay: 2m}"))
    service.statuses = [503]
    run = await bot.start("gate")
    sandbox.faults.status("users.*", 503)
    await bot.time_passes("4m", steps=8)
    meanwhile = len(service.got)

    sandbox.faults.clear()
    await bot.time_passes("2m", steps=4)

    assert meanwhile == 1
    assert len(service.got) == 2
    assert await bot.status(run) == "waiting"


# -- to machines ------------------------------------------------------------------------------------------------------

POLLED = """
flow: job
steps:
  - id: build
    uses: http.request
    with: {method: POST, url: "%s/jobs", json: {done: "{{ links.resume }}", failed: "{{ links.cancel }}"}}
    callback: {}
  - id: tell
    uses: log
    with: {message: "{{ steps.build.callback.body.result }}"}
"""


async def test_P1_P2_a_job_gets_two_links_and_its_answer_lets_the_run_go_on(serve, service):
    bot = await serve(job=POLLED % service.url)
    run = await bot.start("job")
    done, failed = service.links
    link = bot.app.links.open_machine(done.rpartition("/")[2], Purpose.RESUME)
    cancel = bot.app.links.open_machine(failed.rpartition("/")[2], Purpose.CANCEL)
    output = json.dumps((await bot.run(run)).steps["build"].output)

    await bot.app.engine.callback(
        link.run, link.n, {"method": "POST", "headers": {}, "query": {}, "body": {"result": "green"}}, cancels=False
    )
    await bot.settled()

    assert (link.run, link.n, cancel.run, cancel.n) == (run, 1, run, 1)
    assert LINK.search(output) is None
    assert (await bot.run(run)).steps["tell"].output == {"message": "green"}


LOGGED = """
flow: gate
steps:
  - id: ask
    uses: log
    with: {message: "to Bob: {{ links.for('bob@example.com') }}"}
    approval: {approvers: [bob@example.com], via: none}
"""


async def test_S9_a_link_is_never_written_to_a_log(serve):
    bot = await serve(gate=LOGGED)
    with capture_logs() as lines:
        run = await bot.start("gate")

    (message,) = [line["message"] for line in lines if line["event"] == "flow_logged"]
    output = (await bot.run(run)).steps["ask"].output

    assert output["message"].startswith(f"to Bob: {bot.url}/a/")
    assert LINK.search(output["message"]) is None
    assert message == output["message"]


async def test_S9_a_functions_links_are_masked_in_its_output(serve):
    bot = await serve()
    (bot.folder / "flows" / "jobs.py").write_text(
        "from pathlib import Path\n\n\n"
        "async def begin(ctx):\n"
        "    links = await ctx.suspend()\n"
        f"    Path({str(bot.folder / 'links.txt')!r}).write_text(links.resume)\n"
        "    return {'resume': links.resume, 'cancel': [links.cancel]}\n"
    )
    bot.write("job", "flow: job\nsteps: [{id: build, run: 'jobs:begin'}]\n")
    await bot.app.load_flows()
    run = await bot.start("job")

    resume = (bot.folder / "links.txt").read_text()
    link = bot.app.links.open_machine(resume.rpartition("/")[2], Purpose.RESUME)

    output = json.dumps((await bot.run(run)).steps["build"].output)
    assert (link.run, link.n) == (run, 1)
    assert "/r/" in output
    assert LINK.search(output) is None


async def test_a_function_of_a_child_flow_is_found_beside_the_childs_file(serve):
    bot = await serve()
    for folder, answer in ((".", "the parent's"), ("below", "the child's")):
        (bot.folder / "flows" / folder).mkdir(exist_ok=True)
        (bot.folder / "flows" / folder / f"work_{len(answer)}.py").write_text(f"def work():\n    return {answer!r}\n")
    bot.write(
        "below/child",
        "flow: child\nsteps: [{id: work, run: 'work_11:work'}]\noutputs: {is: '{{ steps.work.output }}'}\n",
    )
    bot.write("parent", "flow: parent\nsteps: [{id: sub, flow: child}, {id: own, run: 'work_12:work'}]\n")
    await bot.app.load_flows()

    view = await bot.run(await bot.start("parent"))

    assert view.status == "succeeded"
    assert (view.steps["sub"].output, view.steps["own"].output) == ({"is": "the child's"}, "the parent's")


# -- one flow and another ----------------------------------------------------------------------------------------------

STARTING = """
flow: outer
inputs: [{name: what, type: string, default: inner}, {name: amount, type: string, default: "7"}]
steps:
  - id: go
    uses: signoff.start
    with: {flow: "{{ inputs.what }}", inputs: {amount: "{{ inputs.amount | int }}"}}
  - id: tell
    uses: slack.post_message
    with: {channel: "#general", text: "started {{ steps.go.output.run }}"}
"""

INNER = """
flow: inner
inputs: [{name: amount, type: integer, max: 100}]
steps:
  - {id: wait, hold: {ask: "Amount {{ inputs.amount }}", via: none}}
"""


async def all_runs(bot, flow: str) -> list[int]:
    return await bot.app.store.read(
        lambda c, _: [
            row[0]
            for row in c.execute(
                "SELECT r.id FROM runs r JOIN definitions d ON d.id = r.definition WHERE d.flow = ? ORDER BY r.id",
                (flow,),
            )
        ]
    )


async def test_a_flow_starts_another_one_in_the_name_of_who_requested_it(serve):
    bot = await serve(outer=STARTING, inner=INNER)
    run = await bot.start("outer")
    await bot.settled()

    (started,) = await all_runs(bot, "inner")
    output = (await bot.run(run)).steps["go"].output
    inner = await bot.run(started)
    assert output == {"run": bot.run_id(started), "url": f"{bot.url}/runs/{bot.run_id(started)}"}
    assert inner.person(inner.run.requester).name == "Ann Archer"
    assert inner.run.inputs == {"amount": 7}
    assert (await bot.status(run), inner.status) == ("succeeded", "waiting")


@pytest.mark.parametrize(("dies_at", "after"), [("end", "1m"), ("end", "25h"), ("remembering", "1m")])
async def test_R5_killed_after_it_has_started_the_other_run_there_is_one_of_it(serve, monkeypatch, dies_at, after):
    bot = await serve(outer=STARTING, inner=INNER)
    begun = asyncio.Event()
    transact, remember = bot.app.store.transact, bot.app.store.remember

    async def transacting(run: int, event: Any, **more: Any) -> Any:
        if dies_at == "end" and type(event).__name__ == "ActionFinished" and event.path == "go":
            begun.set()
            await asyncio.Event().wait()
        return await transact(run, event, **more)

    async def remembering(*given: Any) -> None:
        if dies_at == "remembering":
            begun.set()
            await asyncio.Event().wait()
        await remember(*given)

    monkeypatch.setattr(bot.app.store, "transact", transacting)
    monkeypatch.setattr(bot.app.store, "remember", remembering)
    reply = await bot.api("ann", "POST", "flows/outer/runs", {"inputs": {}})
    await begun.wait()
    await bot.kill()
    bot.clock.advance(after)

    await bot.serve()
    await bot.settled()

    run = bot.app.engine.ids.parse_run(reply.body["id"])
    (started,) = await all_runs(bot, "inner")
    assert (await bot.run(run)).steps["go"].output["run"] == bot.run_id(started)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"what": "iner"}, "There is no flow 'iner'; did you mean 'inner'?"),
        ({"amount": "700"}, "A run of inner is refused: amount: "),
    ],
)
async def test_a_run_that_is_refused_fails_the_step_and_says_why(serve, inputs, said):
    bot = await serve(outer=STARTING, inner=INNER)

    status, reason = await status_and_reason(bot, await bot.start("outer", **inputs))

    assert status == "failed"
    assert said in reason
    assert await all_runs(bot, "inner") == []


RESUMING = """
flow: resuming
inputs:
  - {name: run, type: string, required: false}
  - {name: step, type: string, required: false}
  - {name: suspension, type: string, required: false}
steps:
  - id: go
    uses: signoff.resume
    with:
      run: "{{ inputs.run }}"
      step: "{{ inputs.step }}"
      suspension: "{{ inputs.suspension }}"
      form: {amount: 5}
      comment: "by another flow"
      body: {result: green}
"""

HELD = """
flow: held
steps:
  - {id: wait, hold: {form: [{name: amount, type: integer, max: 9}], via: none}}
  - {id: done, uses: log, with: {message: "{{ resume.amount }}"}}
"""

BOTH = """
flow: both
steps:
  - id: sides
    parallel:
      left: [{id: first, hold: {form: [{name: amount, type: integer}], via: none}}]
      right: [{id: second, callback: {}}]
  - {id: approve, approval: {approvers: [bob@example.com], via: none}}
"""


async def resumed(bot, by: str = "ann", **given: str) -> tuple[str, Any]:
    """How a run that resumes another ended, and its step's output or why not."""
    run = await bot.start("resuming", by=by, **given)
    await bot.settled()
    view = await bot.run(run)
    return view.status, view.steps["go"].output or view.steps["go"].error


@pytest.mark.parametrize("naming", ["run", "run and step", "suspension"])
async def test_a_flow_resumes_another_runs_hold_with_a_form(serve, naming):
    bot = await serve(resuming=RESUMING, held=HELD)
    held = await bot.start("held")
    given = {
        "run": {"run": bot.run_id(held)},
        "run and step": {"run": bot.run_id(held), "step": "wait"},
        "suspension": {"suspension": bot.approval_id(held)},
    }[naming]

    status, output = await resumed(bot, **given)

    assert (status, output["run"], output["resumed"]) == ("succeeded", bot.run_id(held), "hold")
    view = await bot.run(held)
    assert view.steps["done"].output == {"message": 5}
    (decision,) = view.suspensions[0].decisions
    assert (view.person(decision.person).name, decision.comment) == ("Ann Archer", "by another flow")


async def test_a_flow_answers_for_a_machine_and_lets_a_paused_run_go_on(serve):
    bot = await serve(resuming=RESUMING, both=BOTH)
    both = await bot.start("both")
    ann = (await bot.person("ann")).id

    unclear = await resumed(bot, run=bot.run_id(both))
    callback = await resumed(bot, run=bot.run_id(both), step="sides.right.second")
    await bot.app.engine.pause(both, ann, door=Door.API)
    paused = await resumed(bot, run=bot.run_id(both))
    hold = await resumed(bot, run=bot.run_id(both))

    assert unclear[0] == "failed"
    assert "waits at several steps (sides.left.first, sides.right.second)" in unclear[1]
    assert [one[1]["resumed"] for one in (callback, paused, hold)] == ["callback", "run", "hold"]
    waits = {one.suspension.path: one for one in (await bot.run(both)).suspensions}
    assert waits["sides.right.second"].callback.request["body"] == {"result": "green"}
    assert waits["approve"].open


async def test_W11_a_flow_never_gives_an_approval(serve):
    bot = await serve(resuming=RESUMING, gate=LOGGED)
    gate = await bot.start("gate")

    for given in ({"run": bot.run_id(gate), "step": "ask"}, {"suspension": bot.approval_id(gate)}):
        status, said = await resumed(bot, by="bob", **given)
        assert status == "failed"
        assert said == "Step ask waits for an approval, which only people give; signoff.resume cannot end that."
    alone = await resumed(bot, by="bob", run=bot.run_id(gate))

    assert alone[1] == "That run is not paused, and waits for nothing to resume."
    assert await bot.standing(gate) == {}
    assert await bot.status(gate) == "waiting"


@pytest.mark.parametrize("by", ["dan", "eve"])
async def test_a_stranger_and_an_admin_resume_nothing_by_a_flow(serve, by):
    bot = await serve(resuming=RESUMING, held=HELD)
    held = await bot.start("held")
    before = await bot.all_rows(held)

    status, said = await resumed(bot, by=by, run=bot.run_id(held))

    assert (status, said) == ("failed", "There is no such run or wait, or none that who started this run may see.")
    assert await bot.all_rows(held) == before


async def test_who_may_read_a_run_does_not_answer_for_its_machines(serve):
    bot = await serve(resuming=RESUMING, both=BOTH.replace("flow: both", "flow: both\nviewers: [bob@example.com]"))
    both = await bot.start("both")

    status, said = await resumed(bot, by="bob", run=bot.run_id(both), step="sides.right.second")

    assert status == "failed"
    assert "Only who started that run, or its flow's owner" in said


async def test_what_is_over_or_wrongly_filled_in_is_said(serve):
    bot = await serve(resuming=RESUMING.replace("amount: 5", "amount: 50"), held=HELD)
    held = await bot.start("held")

    wrong = await resumed(bot, run=bot.run_id(held))
    await bot.app.engine.decide(
        held, 1, (await bot.person("eve")).id, Verdict.RESUME, door=Door.API, values={"amount": 3}
    )
    await bot.settled()
    over = await resumed(bot, run=bot.run_id(held), step="wait")
    nowhere = await resumed(bot, run="run_0000000000000")

    assert wrong[0] == over[0] == nowhere[0] == "failed"
    assert "amount" in wrong[1]
    assert "Eve Ellis" in over[1]
    assert "no such run" in nowhere[1]


# -- accounts ---------------------------------------------------------------------------------------------------------

ELSEWHERE = """
flow: elsewhere
inputs: [{name: channel, type: string, default: "#ops"}]
steps:
  - id: there
    uses: slack.post_message
    connection: ops
    with: {channel: "{{ inputs.channel }}", text: "from {{ run.requester }} <x>"}
  - id: here
    uses: slack.post_message
    with: {channel: "#general", text: "from {{ run.requester }}"}
  - id: mail
    uses: gmail.send
    connection: billing
    with: {to: bob@example.com, subject: Bill, text: Pay}
"""


async def test_a_step_names_the_account_that_performs_it(serve, sandbox):
    other = sandbox.add_workspace("Other", "other")
    zed = sandbox.add_person("zed", "Zed", workspace=other)
    other.add_channel("ops", [zed.user])
    sender = "billing@example.com"
    connections = {
        "ops": {"type": "slack", "bot_token": sandbox.new_token(workspace=other), "api_url": sandbox.slack_url},
        "billing": {
            "type": "gmail",
            "sender": sender,
            "token": sandbox.google.new_token(sender).value,
            "api_url": sandbox.gmail_url,
        },
    }
    bot = await serve({"connections": connections}, elsewhere=ELSEWHERE)

    run = await bot.start("elsewhere")
    await bot.settled()

    assert await bot.status(run) == "succeeded"
    # In another workspace Ann's id would be somebody else's, or nobody's.
    assert zed.message("from").text == "from Ann Archer <x>"
    assert bot.human("bob").message("from").text == f"from <@{bot.human('ann').id}>"
    mail = await bot.human("bob").gets_mail("Pay")
    assert mail.header("From") == sender


CALLING = """
flow: calling
steps:
  - id: call
    uses: http.request
    connection: orders
    with: {method: POST, url: "/orders", json: {a: 1}}
"""


async def test_S9_a_connections_headers_go_to_its_service_and_are_masked_in_what_comes_back(serve):
    seen = []

    async def echo(request: web.Request) -> web.Response:
        seen.append(request.headers["X-Key"])
        return web.json_response({"key": request.headers["X-Key"]}, status=201)

    app = web.Application()
    app.router.add_post("/v1/orders", echo)
    async with TestServer(app) as server:
        base = str(server.make_url("/v1"))
        connections = {"orders": {"type": "http", "base_url": base, "headers": {"X-Key": "s3cret-key-1"}}}
        bot = await serve({"connections": connections, "http_allow": ()}, calling=CALLING)

        run = await bot.start("calling")

    output = (await bot.run(run)).steps["call"].output
    assert seen == ["s3cret-key-1"]
    assert output["status"] == 201
    assert "s3cret-key-1" not in json.dumps(output)


HTTP = {"type": "http", "base_url": "http://127.0.0.1:1"}
MAIL = {"type": "gmail", "sender": "a@example.com", "token": "t"}


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ({}, "the connection 'orders' is not there (http has none); set it in SIGNOFF_CONNECTIONS and retry"),
        ({"order": HTTP}, "the connection 'orders' is not there (did you mean 'order'?)"),
        ({"orders": MAIL}, "the connection 'orders' is for gmail, not for http (http has none)"),
    ],
)
async def test_a_connection_that_is_gone_parks_the_step_until_it_is_back(serve, left, said):
    held = CALLING.replace("steps:", "steps:\n  - {id: wait, hold: {via: none}}")
    bot = await serve({"connections": {"orders": HTTP}}, calling=held)
    run = await bot.start("calling")
    await bot.stop()
    bot.settings = Settings(**{**dict(bot.settings), "connections": left})
    await bot.serve()

    await bot.app.engine.decide(run, 1, (await bot.person("ann")).id, Verdict.RESUME, door=Door.API)
    await bot.settled()

    view = await bot.run(run)
    assert view.status == "running"
    (parked,) = view.troubled
    assert said in parked.error


async def test_a_flow_that_names_no_connection_of_the_settings_is_left_out(serve, caplog):
    bot = await serve({"connections": {"order": HTTP}}, calling=CALLING)

    assert "calling" not in bot.app.engine.flows
    assert "did you mean 'order'?" in caplog.text


async def test_a_connection_that_slack_refuses_keeps_the_bot_from_serving(serve, sandbox):
    connections = {
        "ops": {"type": "slack", "bot_token": "xoxb-wrong", "api_url": sandbox.slack_url},
        "bad": {"type": "gmail", "sender": "a@example.com", "credentials": __file__},
    }

    with pytest.raises(ConfigError) as caught:
        await serve({"connections": connections})

    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "The connection ops",
        "The connection bad",
    ]
    assert "xoxb-wrong" not in str(caught.value)
