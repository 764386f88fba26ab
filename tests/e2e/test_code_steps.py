"""Steps in Python, through the whole bot: functions suspend their step, hand its links to a job, and ask for rounds.

The functions stand in a module beside the flow file. The job is a server of somebody else's, which is sent the links and
calls them when the test says so, often before it has answered the function at all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from flows.run import Door
from tests.e2e.job import Answer, Job, code, job, reason, told

__all__ = ["code", "job"]  # fixtures


def flow(module: str, job: Job, more: str = "", then: str = "") -> str:
    """One step that runs ``work``, and one that logs what ``then`` is."""
    then = then or "{{ resume.body if resume else 'nothing' }}"
    return f"""
flow: job
inputs: [{{name: key, type: secret, required: false}}]
steps:
  - id: work
    run: "{module}:work"
    with: {{url: "{job.url}"}}
{more}
  - id: tell
    uses: log
    with: {{message: "{then}"}}
"""


BLOCKING = """
@action
def work(ctx: BlockingStepContext, url):
    links = ctx.suspend(ask="Is the build done?")
    post(url, both(links))
    post(url, {"after": True})
    return {"begun": ctx.runs}
"""
ASYNC = """
@action
async def work(ctx: StepContext, url):
    links = await ctx.suspend(ask="Is the build done?")
    await asyncio.to_thread(post, url, both(links))
    await asyncio.to_thread(post, url, {"after": True})
    return {"begun": ctx.runs}
"""
RERUNS = """
@action
def work(ctx: BlockingStepContext, url):
    links = ctx.rerun("10s", {"seen": ctx.runs}, max_retries=3)
    post(url, {**both(links), "runs": ctx.runs, "context": ctx.context, "callback": ctx.callback})
    return ctx.runs
"""


# -- suspend ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("functions", [BLOCKING, ASYNC], ids=["thread", "async"])
async def test_P1_suspend_gives_two_links_what_follows_still_runs_and_the_run_waits_at_the_steps_end(
    serve, job, code, functions
):
    bot = await serve(job=flow(code(functions), job))
    seen: list[tuple[str, bool]] = []

    async def look(_given: dict[str, Any]) -> None:
        (run,) = (await bot.app.store.read(lambda c, _: c.execute("SELECT id FROM runs").fetchall()))[0]
        seen.append((await bot.status(run), (await bot.view(run)).open))

    job.answers = look
    run = await bot.start("job")
    waiting, output = await bot.status(run), (await bot.run(run)).steps["work"].output

    ((resume, cancel),) = job.links
    answer = await job.calls(resume, {"result": "green"})
    await bot.settled()

    assert seen == [("running", True)] * 2
    assert job.got[1] == {"after": True}
    assert resume != cancel
    assert (waiting, output) == ("waiting", {"begun": 1})
    assert (await bot.view(run)).suspension.ask == "Is the build done?"
    assert (answer.status, answer.body) == (200, {"status": "resumed"})
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", {"result": "green"})


@pytest.mark.parametrize("functions", [BLOCKING, ASYNC], ids=["thread", "async"])
async def test_P8_a_callback_that_comes_before_the_step_has_ended_is_kept_and_used_once(serve, job, code, functions):
    bot = await serve(job=flow(code(functions), job))
    answers: list[Answer] = []

    async def call(given: dict[str, Any]) -> None:
        if "resume" in given:
            answers.append(await job.calls(given["resume"], {"result": "at once"}))
            answers.append(await job.calls(given["resume"], {"result": "again"}))

    job.answers = call
    run = await bot.start("job")

    assert job.got[1] == {"after": True}  # the step goes on to its end
    assert [answer.status for answer in answers] == [200, 409]
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", {"result": "at once"})
    assert (await bot.run(run)).steps["work"].output == {"begun": 1}
    assert len(await bot.facts(run, "SuspensionClosed")) == 1


UNCOMMITTED = """
@action
def work(ctx: BlockingStepContext, url):
    answer = post(url, both(ctx.links))["answer"]
    ctx.suspend(schema={"type": "object", "required": ["result"]})
    return answer
"""


async def test_P8_a_callback_that_comes_before_the_wait_is_committed_is_kept_and_used_once(serve, job, code):
    bot = await serve(job=flow(code(UNCOMMITTED), job))

    async def call(given: dict[str, Any]) -> list[Any]:
        first = await job.calls(given["resume"], {"result": "early"})
        second = await job.calls(given["cancel"])
        return [first.status, first.body, second.status, second.said]

    job.answers = call
    run = await bot.start("job")

    output = (await bot.run(run)).steps["work"].output
    assert output[:3] == [202, {"status": "kept"}, 409]
    assert "This link has been used already by builder/1.0, 2026-01-05 09:00:00 UTC." in output[3]
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", {"result": "early"})


async def test_P8_what_came_early_and_is_not_expected_does_not_count_and_its_sender_may_send_again(serve, job, code):
    bot = await serve(job=flow(code(UNCOMMITTED), job))

    async def call(given: dict[str, Any]) -> int:
        return (await job.calls(given["resume"], {"wrong": 1})).status

    job.answers = call
    run = await bot.start("job")
    waiting = await bot.status(run)
    again = await job.calls(job.links[0][0], {"result": "right"})
    await bot.settled()

    assert (waiting, again.status) == ("waiting", 200)
    assert await told(bot, run) == {"result": "right"}


async def test_P2_an_early_cancel_ends_the_run_as_cancelled_when_the_step_ends(serve, job, code):
    bot = await serve(job=flow(code(BLOCKING), job))

    async def call(given: dict[str, Any]) -> None:
        if "cancel" in given:
            assert (await job.calls(given["cancel"], {"why": "no disk"})).body == {"status": "cancelled"}

    job.answers = call
    run = await bot.start("job")

    assert job.got[1] == {"after": True}
    assert (await bot.status(run), await told(bot, run)) == ("cancelled", None)
    assert await reason(bot, run) == "work: cancelled by its link"
    assert [(await job.calls(link)).status for link in job.links[0]] == [409, 409]


async def test_P4_a_function_that_says_nothing_waits_24_hours_and_then_the_run_has_expired(serve, job, code):
    bot = await serve(job=flow(code("def work(ctx, url):\n    post(url, both(ctx.suspend()))\n"), job))
    run = await bot.start("job")
    await bot.time_passes("23h59m")
    await bot.time_passes("59s")
    before = await bot.status(run)

    await bot.time_passes("1s")
    late = await job.calls(job.links[0][0])

    assert (before, await bot.status(run)) == ("waiting", "expired")
    assert await reason(bot, run) == "work: nothing called back in time"
    assert (late.status, late.body["type"]) == (410, "urn:signoff:problem:expired")


async def test_P4_with_continue_it_goes_on_and_says_that_nobody_called(serve, job, code):
    functions = "def work(ctx, url):\n    ctx.suspend(timeout='1h', on_timeout='continue')\n    return 'begun'\n"
    then = "{{ steps.work.timed_out }} {{ steps.work.callback is none }} {{ resume is none }} {{ steps.work.output }}"
    bot = await serve(job=flow(code(functions), job, then=then))
    run = await bot.start("job")

    await bot.time_passes("1h")

    assert (await bot.status(run), await told(bot, run)) == ("succeeded", "true true true begun")


async def test_P4_a_deadline_that_passes_while_the_function_works_counts_when_it_has_ended(serve, job, code):
    bot = await serve(job=flow(code(BLOCKING.replace("ask=", "timeout='10s', ask=")), job))

    async def slowly(given: dict[str, Any]) -> None:
        if "after" in given:
            bot.clock.advance("11s")

    job.answers = slowly
    run = await bot.start("job")
    await bot.settled()

    assert (await bot.status(run), (await bot.run(run)).steps["work"].output) == ("expired", {"begun": 1})
    assert (await job.calls(job.links[0][0])).status == 410


FAILS_ONCE = """
@action
def work(ctx: BlockingStepContext, url):
    post(url, {**both(ctx.suspend()), "attempt": ctx.attempt})
    if ctx.attempt == 1:
        raise RuntimeError("the line went dead")
    return ctx.attempt
"""


@pytest.mark.parametrize("early", [True, False])
async def test_P13_a_step_that_fails_and_is_retried_has_the_same_wait_and_links(serve, job, code, early):
    retry = "    retry: {max: 2, delay: 10s, backoff: 1}"
    bot = await serve(job=flow(code(FAILS_ONCE), job, retry))
    run = await bot.start("job")
    between = await bot.status(run), (await bot.view(run)).open

    if early:
        assert (await job.calls(job.links[0][0], {"result": "between"})).status == 200
    await bot.time_passes("10s")
    if not early:
        waiting = await bot.status(run)
        assert waiting == "waiting"
        assert (await job.calls(job.links[0][0], {"result": "after"})).status == 200
        await bot.settled()

    assert between == ("running", True)
    assert [given["attempt"] for given in job.got] == [1, 2]
    assert len(set(job.links)) == 1
    assert len((await bot.run(run)).suspensions) == 1
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", {"result": "between" if early else "after"})


@pytest.mark.parametrize("continues", [True, False])
async def test_P13_where_the_step_fails_for_good_its_wait_is_closed_and_the_link_says_so(serve, job, code, continues):
    functions = FAILS_ONCE.replace("if ctx.attempt == 1:", "if True:")
    more = "    retry: {max: 1, delay: 10s}" + ("\n    on_error: continue" if continues else "")
    bot = await serve(job=flow(code(functions), job, more, then="went on"))
    run = await bot.start("job")

    await bot.time_passes("10s")
    answers = [await job.calls(link, {"late": True}) for link in job.links[0]]
    await bot.time_passes("25h")

    assert [answer.status for answer in answers] == [409, 409]
    assert all("This is no longer open: cancelled" in answer.said for answer in answers)
    assert await bot.status(run) == ("succeeded" if continues else "failed")
    assert await told(bot, run) == ("went on" if continues else None)
    assert (await bot.run(run)).steps["work"].error == "RuntimeError: the line went dead"
    assert (await bot.view(run)).callback is None


async def test_P13_an_answer_to_a_step_that_fails_for_good_does_not_save_it(serve, job, code):
    functions = FAILS_ONCE.replace("if ctx.attempt == 1:", "if True:")
    bot = await serve(job=flow(code(functions), job))

    async def call(given: dict[str, Any]) -> None:
        assert (await job.calls(given["resume"], {"result": "early"})).status == 200

    job.answers = call
    run = await bot.start("job")

    assert (await bot.status(run), await reason(bot, run)) == ("failed", "work: RuntimeError: the line went dead")


async def test_P13_links_of_a_step_that_never_came_to_wait_are_closed_with_it(serve, job, code):
    bot = await serve(job=flow(code("def work(ctx, url):\n    post(url, both(ctx.links))\n"), job))
    run = await bot.start("job")

    answer = await job.calls(job.links[0][0])

    assert await bot.status(run) == "succeeded"
    assert (answer.status, answer.said) == (409, "This is no longer open: the step that gave this link away has ended.")


async def test_R5_killed_while_its_function_works_it_has_the_same_links_and_what_came_meanwhile_counts(
    serve, job, code
):
    bot = await serve(job=flow(code(ASYNC), job))
    begun, go = asyncio.Event(), asyncio.Event()

    async def call(given: dict[str, Any]) -> None:
        if "resume" in given and not begun.is_set():
            assert (await job.calls(given["resume"], {"result": "before the kill"})).status == 200
            begun.set()
            await go.wait()

    job.answers = call
    reply = await bot.api("ann", "POST", "flows/job/runs", {"inputs": {}})
    await begun.wait()
    await bot.kill()
    go.set()
    await bot.serve()
    await bot.settled()

    run = bot.app.engine.ids.parse_run(reply.body["id"])
    assert len(set(job.links)) == 1
    assert len(job.links) == 2
    assert await told(bot, run) == {"result": "before the kill"}
    assert len(await bot.facts(run, "SuspensionOpened")) == 1


# -- reruns -----------------------------------------------------------------------------------------------------------


def rounds(job: Job) -> list[tuple[int, Any]]:
    return [(given["runs"], given["context"]) for given in job.got]


async def test_P5_a_step_reruns_at_once_and_then_three_more_times(serve, job, code):
    functions = RERUNS.replace("max_retries=3", "max_retries=3, on_exhausted='continue'")
    bot = await serve(job=flow(code(functions), job, then="{{ steps.work.output }}"))
    run = await bot.start("job")
    counts, statuses = [len(job.got)], [await bot.status(run)]

    for _ in range(4):
        await bot.time_passes("9s")
        counts.append(len(job.got))
        await bot.time_passes("1s")
        counts.append(len(job.got))
        statuses.append(await bot.status(run))

    assert counts == [1, 1, 2, 2, 3, 3, 4, 4, 4]
    assert rounds(job) == [(1, None), (2, {"seen": 1}), (3, {"seen": 2}), (4, {"seen": 3})]
    assert statuses == ["waiting"] * 3 + ["succeeded"] * 2
    assert await told(bot, run) == 4
    assert all(given["callback"] is None for given in job.got)
    assert len(set(job.links)) == 4  # each round has links of its own


async def test_P5_a_context_is_gone_where_it_is_not_passed_again(serve, job, code):
    functions = RERUNS.replace(
        'ctx.rerun("10s", {"seen": ctx.runs}', 'ctx.rerun("10s", "once" if ctx.runs == 1 else None'
    )
    bot = await serve(job=flow(code(functions), job))
    await bot.start("job")

    await bot.time_passes("20s", steps=2)

    assert rounds(job) == [(1, None), (2, "once"), (3, None)]


async def test_P6_where_the_retries_are_exhausted_the_step_fails(serve, job, code):
    bot = await serve(job=flow(code(RERUNS), job))
    run = await bot.start("job")

    await bot.time_passes("40s", steps=4)

    assert len(job.got) == 3  # the fourth round raises before it posts
    assert (await bot.status(run), await told(bot, run)) == ("failed", None)
    assert await reason(bot, run) == "work: not done after 4 rounds, and max_retries is 3"


async def test_P6_a_retry_does_not_help_where_the_rounds_are_exhausted_and_on_error_does(serve, job, code):
    more = "    retry: {max: 3, delay: 10s}\n    on_error: continue"
    bot = await serve(job=flow(code(RERUNS), job, more, then="went on"))
    run = await bot.start("job")

    await bot.time_passes("30s", steps=3)

    assert (await bot.status(run), await told(bot, run)) == ("succeeded", "went on")
    assert (await bot.run(run)).steps["work"].attempt == 1


async def test_P6_a_step_that_sees_how_often_it_ran_may_fail_with_its_own_error(serve, job, code):
    functions = """
def work(ctx, url):
    if ctx.runs == 3:
        raise LookupError("the job is gone")
    ctx.rerun("10s")
"""
    bot = await serve(job=flow(code(functions), job))
    run = await bot.start("job")

    await bot.time_passes("20s", steps=2)

    assert (await bot.status(run), await reason(bot, run)) == ("failed", "work: LookupError: the job is gone")


async def test_P6_a_round_that_fails_after_asking_for_another_has_not_asked_and_is_retried(serve, job, code):
    functions = """
def work(ctx, url):
    post(url, {"runs": ctx.runs, "attempt": ctx.attempt, "context": ctx.context})
    if ctx.runs < 3:
        ctx.rerun("1h", ctx.runs)
    if ctx.runs == 2 and ctx.attempt == 1:
        raise OSError("no answer")
    return ctx.runs
"""
    bot = await serve(job=flow(code(functions), job, "    retry: {max: 1, delay: 10s}", then="{{ steps.work.output }}"))
    run = await bot.start("job")

    await bot.time_passes("1h")
    await bot.time_passes("10s")
    await bot.time_passes("1h")

    assert [(each["runs"], each["attempt"], each["context"]) for each in job.got] == [
        (1, 1, None),
        (2, 1, 1),
        (2, 2, 1),
        (3, 1, 2),
    ]
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", 3)


async def test_P7_a_callback_wakes_the_rerun_at_once_and_a_timer_brings_none(serve, job, code):
    bot = await serve(job=flow(code(RERUNS), job))
    run = await bot.start("job")

    await bot.time_passes("3s")
    answer = await job.calls(job.links[0][0], {"progress": 50})
    await bot.settled()
    woken = len(job.got)
    await bot.time_passes("7s")  # what would have been the time of the first round's timer
    still = len(job.got)
    await bot.time_passes("3s")

    assert (answer.status, answer.body) == (200, {"status": "resumed"})
    assert (woken, still, len(job.got)) == (2, 2, 3)
    first, second, third = (given["callback"] for given in job.got)
    assert (first, third) == (None, None)
    assert (second["method"], second["query"], second["body"]) == ("POST", {}, {"progress": 50})
    assert second["headers"]["user-agent"] == "builder/1.0"
    assert rounds(job)[1] == (2, {"seen": 1})
    assert await bot.status(run) == "waiting"


async def test_P7_a_round_that_a_callback_woke_has_it_on_each_attempt_and_after_a_restart(serve, job, code):
    functions = """
def work(ctx, url):
    links = ctx.rerun("1h") if ctx.runs == 1 else ctx.links
    post(url, {**both(links), "runs": ctx.runs, "attempt": ctx.attempt, "callback": ctx.callback and ctx.callback["body"]})
    if ctx.runs == 2 and ctx.attempt < 3:
        raise OSError("no answer")
"""
    bot = await serve(job=flow(code(functions), job, "    retry: {max: 2, delay: 10s, backoff: 1}"))
    run = await bot.start("job")
    await job.calls(job.links[0][0], "wake up")
    await bot.settled()
    await bot.time_passes("10s")
    await bot.restart()
    await bot.time_passes("10s")

    assert [(each["runs"], each["attempt"], each["callback"]) for each in job.got] == [
        (1, 1, None),
        (2, 1, "wake up"),
        (2, 2, "wake up"),
        (2, 3, "wake up"),
    ]
    assert await bot.status(run) == "succeeded"


async def test_P8_a_callback_before_the_round_has_ended_wakes_the_next_one_once(serve, job, code):
    bot = await serve(job=flow(code(RERUNS), job))
    answers: list[Answer] = []

    async def call(given: dict[str, Any]) -> None:
        if given["runs"] == 1:
            answers.append(await job.calls(given["resume"], {"early": True}))
            answers.append(await job.calls(given["resume"], {"early": "again"}))

    job.answers = call
    await bot.start("job")

    assert [answer.status for answer in answers] == [202, 409]
    assert [given["callback"] and given["callback"]["body"] for given in job.got] == [None, {"early": True}]
    await bot.time_passes("10s")
    assert [given["callback"] and given["callback"]["body"] for given in job.got] == [None, {"early": True}, None]


async def test_P8_a_callback_to_a_round_that_is_over_does_not_wake_another(serve, job, code):
    bot = await serve(job=flow(code(RERUNS), job))
    await bot.start("job")
    await bot.time_passes("10s")

    answer = await job.calls(job.links[0][0], {"late": True})
    await bot.settled()

    assert (answer.status, len(job.got)) == (409, 2)
    assert "This is no longer open: over" in answer.said


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ("{'since': datetime(2026, 1, 1)}", "ctx.rerun: context.since is a datetime"),
        ("{'rows': [1, {'open': {1, 2}}]}", "ctx.rerun: context.rows[1].open is a set"),
        ("{'share': float('nan')}", "ctx.rerun: context.share is nan, which JSON does not know"),
    ],
)
async def test_P9_a_context_that_is_not_json_fails_the_step_naming_the_path_and_is_not_retried(
    serve, job, code, context, said
):
    functions = f"def work(ctx, url):\n    post(url, {{'runs': ctx.runs}})\n    ctx.rerun('10s', {context})\n"
    bot = await serve(job=flow(code(functions), job, "    retry: {max: 3, delay: 10s}"))
    run = await bot.start("job")

    await bot.time_passes("1h")

    assert len(job.got) == 1
    assert (await bot.status(run), await reason(bot, run)) == ("failed", f"work: {said}")


async def test_P10_a_run_that_is_cancelled_between_two_rounds_has_no_other_round(serve, job, code):
    bot = await serve(job=flow(code(RERUNS), job))
    run = await bot.start("job")
    await bot.time_passes("10s")

    reply = await bot.api("ann", "POST", f"runs/{bot.run_id(run)}/cancel", {})
    await bot.time_passes("1h", steps=4)

    assert reply.status == 200
    assert (len(job.got), await bot.status(run)) == (2, "cancelled")
    answers = [await job.calls(link) for pair in job.links for link in pair]
    assert [answer.status for answer in answers] == [409] * 4
    assert "cancelled by Ann Archer" in answers[2].said


async def test_P10_the_cancel_link_of_a_round_ends_the_run(serve, job, code):
    bot = await serve(job=flow(code(RERUNS), job))
    run = await bot.start("job")

    answer = await job.calls(job.links[0][1])
    await bot.time_passes("1h", steps=4)

    assert (answer.body, len(job.got), await bot.status(run)) == ({"status": "cancelled"}, 1, "cancelled")


async def test_K3_a_paused_run_has_no_other_round_until_it_goes_on(serve, job, code):
    bot = await serve(job=flow(code(RERUNS), job))
    run = await bot.start("job")
    ann = (await bot.person("ann")).id
    await bot.app.engine.pause(run, ann, door=Door.API)
    await bot.time_passes("1h", steps=4)
    meanwhile = len(job.got), await bot.status(run)
    await bot.app.engine.resume(run, ann, door=Door.API)
    await bot.settled()

    assert meanwhile == (1, "paused")
    assert rounds(job) == [(1, None), (2, {"seen": 1})]


async def test_R6_rounds_go_on_after_the_bot_was_down(serve, job, code):
    bot = await serve(job=flow(code(RERUNS), job))
    await bot.start("job")
    await bot.time_passes("10s")

    await bot.stop()
    bot.clock.advance("1h")
    await bot.serve()
    await bot.settled()

    assert rounds(job) == [(1, None), (2, {"seen": 1}), (3, {"seen": 2})]


async def test_R5_killed_in_the_middle_of_a_round_it_is_repeated_as_the_same_round(serve, job, code):
    bot = await serve(job=flow(code(RERUNS), job))
    begun, go = asyncio.Event(), asyncio.Event()

    async def hang(given: dict[str, Any]) -> None:
        if given["runs"] == 2 and not begun.is_set():
            begun.set()
            await go.wait()

    job.answers = hang
    await bot.start("job")
    bot.clock.advance("10s")
    await begun.wait()
    await bot.kill()
    go.set()
    await bot.serve()
    await bot.settled()

    assert rounds(job) == [(1, None), (2, {"seen": 1}), (2, {"seen": 1})]
    assert job.links[1] == job.links[2]


# -- people -----------------------------------------------------------------------------------------------------------

ASKS = """
@action
def work(ctx: BlockingStepContext, url):
    links = ctx.suspend(approval={
        "ask": "Ship {{ inputs.key }} or {{ 7 * 7 }}?",
        "show": {"Note": "{{ inputs.key }}"},
        "approvers": ["bob@example.com", "cat@example.com"],
        "form": [{"name": "reason", "type": "string"}],
        "via": "none",
    })
    post(url, {name: links.for_person(f"{name}@example.com") for name in ("bob", "cat")})
    return "asked"
"""


async def test_S6_a_function_asks_people_for_an_approval_and_nothing_that_it_says_is_rendered(serve, job, code):
    then = "{{ steps.work.approvers | join }}: {{ steps.work.form.reason }}, {{ steps.work.output }}"
    bot = await serve(job=flow(code(ASKS), job, then=then))
    run = await bot.start("job", key="hunter2")
    (links,) = job.got

    page = await bot.opens("bob", links["bob"])
    sent = await bot.sends("bob", page, "approve", reason="It is time")
    await bot.settled()

    assert "Ship {{ inputs.key }} or {{ 7 * 7 }}?" in page.text
    assert "Note {{ inputs.key }}" in page.text
    assert "hunter2" not in page.text
    assert sent.shows("You approved this on")
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", "Bob Baker: It is time, asked")
    assert "hunter2" not in json.dumps(await bot.ledger(run))


async def test_a_functions_approval_is_a_card_like_any_other(serve, job, code):
    functions = ASKS.replace('        "via": "none",\n', "").replace(
        '        "form": [{"name": "reason", "type": "string"}],\n', ""
    )
    bot = await serve(job=flow(code(functions), job, then="{{ approvers | join }}"))
    run = await bot.start("job", key="hunter2")
    card = bot.card("cat", "Ship {{ inputs.key }} or {{ 7 * 7 }}?")

    await bot.human("cat").click(card, "Approve")
    await bot.settled()

    assert "hunter2" not in card.shown_text()
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", "Cat Carter")
    assert "Approved" in bot.card("cat", "Ship {{ inputs.key }}").shown_text()


async def test_a_function_whose_approval_is_rejected_ends_the_run_as_rejected(serve, job, code):
    bot = await serve(job=flow(code(ASKS), job))
    run = await bot.start("job")

    reply = await bot.by_api("cat", run, "reject", comment="Not today")

    assert reply.status == 201
    assert (await bot.status(run), await reason(bot, run)) == ("rejected", "Not today")


async def test_W11_a_function_gives_nobody_a_link_who_may_not_decide(serve, job, code):
    functions = ASKS.replace('("bob", "cat")', '("bob", "ann")')
    bot = await serve(job=flow(code(functions), job))
    run = await bot.start("job", by="ann")

    assert job.got == []
    assert await bot.status(run) == "failed"
    assert (await bot.view(run)).open is False


async def test_P6_a_function_that_has_polled_often_enough_asks_people(serve, job, code):
    functions = """
def work(ctx, url):
    try:
        ctx.rerun("10s", max_retries=1)
    except RetriesExhausted:
        ctx.suspend(hold={"ask": "The job does not answer. Go on?", "by": "bob@example.com"})
"""
    bot = await serve(job=flow(code(functions), job, then="by {{ steps.work.resumed.by }}"))
    run = await bot.start("job")
    await bot.time_passes("10s")
    card = bot.card("bob", "The job does not answer. Go on?")

    await bot.by_api("bob", run, "resume", n=2)

    assert "The job does not answer. Go on?" in card.shown_text()
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", "by Bob Baker")


# -- what must not be told --------------------------------------------------------------------------------------------

SECRET = """
@action
def work(ctx: BlockingStepContext, url, key):
    links = ctx.rerun("10s", {"token": f"Bearer {key}", "n": ctx.runs}, max_retries=1, on_exhausted="continue")
    post(url, {"runs": ctx.runs, "context": ctx.context, "own": key == "hunter2-and-more"})
    return {"url": links.resume}
"""


async def test_S9_a_secret_in_what_one_round_hands_to_the_next_is_masked_and_so_are_links(serve, job, code):
    text = flow(code(SECRET), job).replace("with: {url:", 'with: {key: "{{ inputs.key }}", url:')
    bot = await serve(job=text)
    run = await bot.start("job", key="hunter2-and-more")

    await bot.time_passes("10s")

    assert [given["own"] for given in job.got] == [True, True]
    assert job.got[1]["context"] == {"token": "Bearer ••••", "n": 1}
    dump = b"".join(file.read_bytes() for file in bot.folder.glob("signoff.db*"))
    assert b"hunter2-and-more" not in dump
    assert (await bot.run(run)).steps["work"].output == {"url": f"{bot.url}/r/••••"}


async def test_S9_a_secret_in_what_a_function_asks_people_is_masked(serve, job, code):
    functions = """
def work(ctx, url, key):
    links = ctx.suspend(hold={"ask": f"Is {key} right?", "show": {"It": {"is": [key]}}, "by": "bob@example.com"})
    post(url, {"bob": links.for_person("bob@example.com")})
"""
    text = flow(code(functions), job).replace("with: {url:", 'with: {key: "{{ inputs.key }}", url:')
    bot = await serve(job=text)
    run = await bot.start("job", key="hunter2-and-more")

    page = await bot.opens("bob", job.got[0]["bob"])

    assert "Is •••• right?" in page.text
    assert "Is •••• right?" in bot.card("bob", "right?").shown_text()
    assert (await bot.view(run)).suspension.show == {"It": {"is": ["••••"]}}
    dump = b"".join(file.read_bytes() for file in bot.folder.glob("signoff.db*"))
    assert b"hunter2-and-more" not in dump


# -- side by side -----------------------------------------------------------------------------------------------------

SIDE_BY_SIDE = """
flow: job
steps:
  - id: both
    parallel:
      one: [{{id: one_build, run: "{module}:work", with: {{url: "{url}", name: one}}}}]
      two: [{{id: two_build, run: "{module}:work", with: {{url: "{url}", name: two}}}}]
      ask_one:
        - id: first
          approval: {{ask: "First?", approvers: bob@example.com, form: [{{name: one, type: string}}]}}
      ask_two:
        - id: second
          approval: {{ask: "Second?", approvers: bob@example.com, form: [{{name: two, type: integer}}]}}
  - id: tell
    uses: log
    with: {{message: "{{{{ steps.one_build.callback.body }}}} {{{{ steps.two_build.callback.body }}}} {{{{ steps.first.form.one }}}} {{{{ steps.second.form.two }}}}"}}
"""


async def test_R4_deciding_one_of_several_leaves_the_others_cards_links_and_forms_untouched(serve, job, code):
    functions = "def work(ctx, url, name):\n    post(url, {**both(ctx.suspend(ask=name)), 'name': name})\n"
    bot = await serve(job=SIDE_BY_SIDE.format(module=code(functions), url=job.url))
    run = await bot.start("job")
    links = {given["name"]: given["resume"] for given in job.got}
    waits = {view.suspension.path: view.suspension.n for view in (await bot.run(run)).suspensions}
    first, second = waits["both.ask_one.first"], waits["both.ask_two.second"]
    page = await bot.opens("bob", await bot.link(run, "bob", second))
    card = bot.card("bob", "Second?")

    def rows_of(path: str) -> Callable[[Any, Any], list[Any]]:
        return lambda c, _: [
            c.execute("SELECT * FROM step_runs WHERE run = ? AND path = ?", (run, path)).fetchall(),
            c.execute("SELECT * FROM suspensions WHERE run = ? AND path = ?", (run, path)).fetchall(),
        ]

    others = ("both.two.two_build", "both.ask_two.second")
    before = [await bot.app.store.read(rows_of(path)) for path in others]

    answers = [await job.calls(links["one"], {"n": 1}), *[await job.calls(links["one"], {"n": 2}) for _ in range(3)]]
    await bot.by_api("bob", run, n=first, form={"one": "x"})
    await bot.settled()
    after = [await bot.app.store.read(rows_of(path)) for path in others]
    card_after = bot.card("bob", "Second?")
    again = await bot.opens("bob", await bot.link(run, "bob", second))
    wrong = await bot.by_api("bob", run, n=second, form={"one": "x"})
    await bot.sends("bob", page, "approve", two="2")
    two = await job.calls(links["two"], {"n": 3})
    await bot.settled()

    assert [answer.status for answer in answers] == [200, 409, 409, 409]
    assert after == before
    assert (card_after.ts, card_after.blocks) == (card.ts, card.blocks)
    assert again.text == page.text
    assert (wrong.status, two.status) == (422, 200)
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", '{"n":1} {"n":3} x 2')
