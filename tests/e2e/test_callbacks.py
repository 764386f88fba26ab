"""Machines call back, through the whole bot: a wait that a flow file says, and one that a function makes, are the same.

``kind`` is which of the two it is. Both hand their links to the job, and are answered by it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from integrations.sandbox import Visitor
from tests.e2e.job import Job, code, job, reason, told

__all__ = ["code", "job"]  # fixtures

KINDS = ["flow", "function"]

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


@dataclass
class Waiting:
    """A run that waits for the job, and the links that the job was sent."""

    bot: Any
    run: int
    resume: str
    cancel: str

    async def status(self) -> str:
        return str(await self.bot.status(self.run))

    async def told(self) -> Any:
        await self.bot.settled()
        return await told(self.bot, self.run)


Begin = Callable[..., Any]


@pytest.fixture
def begin(serve, job, code) -> Begin:
    """Starts a run that waits for the job; ``fields`` are those of the callback."""

    async def start(kind: str, *, then: str = "{{ resume }}", **fields: Any) -> Waiting:
        bot = await serve(job=text(kind, job, code, then, fields))
        run = await bot.start("job")
        ((resume, cancel),) = job.links
        return Waiting(bot, run, resume, cancel)

    return start


def text(kind: str, job: Job, code: Callable[[str], str], then: str, fields: Mapping[str, Any]) -> str:
    if kind == "flow":
        sent = {"resume": "{{ links.resume }}", "cancel": "{{ links.cancel }}"}
        given = {"method": "POST", "url": job.url, "json": sent}
        work: dict[str, Any] = {"id": "work", "uses": "http.request", "with": given, "callback": fields}
    else:
        module = code(f"def work(ctx, url):\n    post(url, both(ctx.suspend(**{fields!r})))\n")
        work = {"id": "work", "run": f"{module}:work", "with": {"url": job.url}}
    steps = [work, {"id": "tell", "uses": "log", "with": {"message": then}}]
    return json.dumps({"flow": "job", "steps": steps})


async def rows(waiting: Waiting) -> list[object]:
    return list(await waiting.bot.all_rows(waiting.run))


# -- P2 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("given", "body"),
    [
        ({"json": {"ok": True, "rows": [1, None]}}, {"ok": True, "rows": [1, None]}),
        ({"data": {"ok": "yes", "n": "1"}}, {"ok": "yes", "n": "1"}),
        ({"data": "all ✓", "headers": {"Content-Type": "text/plain; charset=utf-8"}}, "all ✓"),
        ({}, None),
    ],
    ids=["json", "form", "text", "nothing"],
)
@pytest.mark.parametrize(
    "method", ["POST", pytest.param("PUT", marks=pytest.mark.slow), pytest.param("PATCH", marks=pytest.mark.slow)]
)
async def test_P2_what_a_machine_sends_is_resume_downstream(begin, job, kind, given, body, method):
    waiting = await begin(kind)
    headers = {"X-Build": "7", "Authorization": "Bearer hunter2", **given.get("headers", {})}

    async with job.session.request(method, f"{waiting.resume}?id=7", **{**given, "headers": headers}) as response:
        answer = response.status, await response.json()

    resume = await waiting.told()
    assert answer == (200, {"status": "resumed"})
    assert (resume["method"], resume["query"], resume["body"]) == (method, {"id": "7"}, body)
    assert resume["headers"]["x-build"] == "7"
    assert "authorization" not in resume["headers"]
    assert await waiting.status() == "succeeded"


@pytest.mark.parametrize("kind", KINDS)
async def test_P2_every_later_step_reads_it_by_the_steps_name_too(begin, job, kind):
    then = "{{ steps.work.callback.body.n }} {{ resumes | length }} {{ resume.method }} {{ steps.work.timed_out }}"
    waiting = await begin(kind, then=then)

    await job.calls(waiting.resume, {"n": 7})

    assert await waiting.told() == "7 1 POST false"


@pytest.mark.parametrize("kind", KINDS)
async def test_P2_the_cancel_link_ends_the_run_as_cancelled(begin, job, kind):
    waiting = await begin(kind)

    answer = await job.calls(waiting.cancel)
    await waiting.bot.settled()

    assert (answer.status, answer.body) == (200, {"status": "cancelled"})
    assert (await waiting.status(), await waiting.told()) == ("cancelled", None)
    assert await reason(waiting.bot, waiting.run) == "work: cancelled by its link"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_that_the_flow_does_not_expect_is_refused_and_it_still_waits(begin, job, kind):
    waiting = await begin(kind, schema=SCHEMA, then="{{ resume.body }}")
    before = await rows(waiting)

    refused = [await job.calls(waiting.resume, body) for body in ({"n": "7"}, None, [])]
    after = await rows(waiting)
    taken = await job.calls(waiting.resume, {"n": 7})

    assert [answer.status for answer in refused] == [422] * 3
    assert all(list(answer.body["fields"]) == ["body"] for answer in refused)
    assert after == before
    assert (taken.status, await waiting.told()) == (200, {"n": 7})


# -- P3 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_P3_get_and_head_change_nothing_and_a_person_has_to_tick_and_press(begin, kind):
    waiting = await begin(kind, ask="Is the build done?", then="{{ resume.method }} {{ resume.body is none }}")
    bot, before = waiting.bot, await rows(waiting)
    browser = await bot.browser("dan")

    pages = {}
    for link in (waiting.resume, waiting.cancel):
        async with browser._session.head(link) as head:
            assert head.status == 200
        pages[link] = await browser.open(link)
    untouched = await rows(waiting)
    pressed = await browser.send(pages[waiting.resume], {})
    still = await rows(waiting)
    done = await browser.send(pressed, {"sure": "yes"})

    assert all(page.shows("Is the build done?") for page in pages.values())
    assert before == untouched == still
    assert (pressed.status, pressed.shows("Please tick the box first.")) == (422, True)
    assert (done.status, done.shows("The run can go on.")) == (200, True)
    assert await waiting.told() == "POST true"


async def test_S5_fifty_scanners_that_fetch_both_links_and_press_every_button_change_nothing(begin, job):
    waiting = await begin("flow")
    before = await rows(waiting)

    async def scan() -> None:
        async with Visitor() as scanner:
            for link in (waiting.resume, waiting.cancel):
                async with scanner._session.head(link):
                    pass
                page = await scanner.open(link)
                for _ in range(2):
                    page = await scanner.send(page, {})

    await asyncio.gather(*(scan() for _ in range(50)))

    assert await rows(waiting) == before
    assert (await job.calls(waiting.resume)).status == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_P3_the_browser_is_sent_on_to_the_page_that_the_flow_names(begin, serve, kind):
    waiting = await begin(kind, redirect="https://example.com/thanks")
    browser = await waiting.bot.browser("dan")
    page = await browser.open(waiting.resume)
    (form,) = page.forms

    origin = {"Origin": waiting.bot.url}
    async with browser._session.post(
        f"{waiting.bot.url}{form.action}", data={**form.values, "sure": "yes"}, headers=origin, allow_redirects=False
    ) as response:
        answer = response.status, response.headers.get("Location")

    assert answer == (303, "https://example.com/thanks")
    await waiting.bot.settled()
    assert await waiting.status() == "succeeded"


# -- P4 ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_P4_the_default_is_24_hours_and_then_the_run_has_expired(begin, job, kind):
    waiting = await begin(kind)
    bot = waiting.bot
    await bot.time_passes("23h59m59s", steps=3)
    before = await waiting.status()

    await bot.time_passes("1s")
    late = await job.calls(waiting.resume)

    assert (before, await waiting.status(), late.status) == ("waiting", "expired", 410)
    assert "closed by its deadline, 2026-01-06 09:00 UTC" in late.said


@pytest.mark.parametrize("kind", KINDS)
async def test_P4_a_second_before_the_deadline_the_link_still_counts(begin, job, kind):
    waiting = await begin(kind, then="{{ resume.body }}")
    await waiting.bot.time_passes("23h59m59s", steps=3)

    answer = await job.calls(waiting.resume, "in time")
    await waiting.bot.time_passes("1s")

    assert (answer.status, await waiting.told(), await waiting.status()) == (200, "in time", "succeeded")


@pytest.mark.parametrize("kind", KINDS)
async def test_R6_a_callback_after_the_deadline_counts_for_nothing_though_the_timer_has_not_fired(begin, job, kind):
    waiting = await begin(kind, on_timeout="continue", then="{{ steps.work.timed_out }} {{ resume is none }}")
    bot = waiting.bot
    await bot.stop()
    bot.clock.advance("24h")
    await bot.serve()

    answer = await job.calls(waiting.resume, "late")

    assert answer.status == 410
    assert (await waiting.told(), await waiting.status()) == ("true true", "succeeded")
    assert len(await bot.facts(waiting.run, "SuspensionClosed")) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("word", "outcome"), [("end", "expired"), ("fail", "failed"), ("continue", "succeeded")])
async def test_K7_a_deadline_does_what_the_flow_says(begin, kind, word, outcome):
    waiting = await begin(kind, timeout="10m", on_timeout=word, then="{{ steps.work.timed_out }}")

    await waiting.bot.time_passes("10m")

    assert (await waiting.status(), await waiting.told()) == (outcome, True if outcome == "succeeded" else None)


# -- P10, P11, races ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_P10_a_link_that_is_used_twice_says_who_used_it_and_when(begin, job, kind):
    waiting = await begin(kind, then="{{ resume.body }}")
    await job.calls(waiting.resume, "first", agent="builder/1.0")
    await waiting.bot.time_passes("1h")
    before = await rows(waiting)

    second = [await job.calls(link, "second", agent="other/2.0") for link in (waiting.resume, waiting.cancel)]

    said = "This link has been used already by builder/1.0, 2026-01-05 09:00:00 UTC. It works once."
    assert [(answer.status, answer.said) for answer in second] == [(409, said)] * 2
    assert await rows(waiting) == before
    assert await waiting.told() == "first"


@pytest.mark.parametrize("kind", KINDS)
async def test_R3_of_twenty_calls_at_the_same_instant_one_counts(begin, job, kind):
    waiting = await begin(kind, then="{{ resume.body }}")
    links = [waiting.resume, waiting.cancel] * 10

    answers = await asyncio.gather(*(job.calls(link, n) for n, link in enumerate(links)))
    await waiting.bot.settled()

    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    (first,) = [n for n, answer in enumerate(answers) if answer.status == 200]
    assert await waiting.status() == ("cancelled" if first % 2 else "succeeded")
    assert await waiting.told() == (None if first % 2 else first)
    assert len(await waiting.bot.facts(waiting.run, "SuspensionClosed")) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_P11_a_body_over_the_limit_is_413_and_it_still_waits(begin, job, kind):
    waiting = await begin(kind, then="{{ resume.body | length }}")
    before = await rows(waiting)

    answer = await job.calls(waiting.resume, "x" * (1 << 20))
    after = await rows(waiting)
    taken = await job.calls(waiting.resume, "x" * 1_000_000)

    assert (answer.status, answer.said) == (413, "A request may have at most 1 MiB.")
    assert after == before
    assert (taken.status, await waiting.told()) == (200, 1_000_000)


@pytest.mark.parametrize("kind", KINDS)
async def test_R7_cancelling_the_run_kills_its_links(begin, job, kind):
    waiting = await begin(kind)

    reply = await waiting.bot.api("ann", "POST", f"runs/{waiting.bot.run_id(waiting.run)}/cancel", {})
    answer = await job.calls(waiting.resume)

    assert (reply.status, answer.status) == (200, 409)
    assert "This is no longer open: cancelled by Ann Archer, 2026-01-05 09:00 UTC." in answer.said


@pytest.mark.parametrize("kind", KINDS)
async def test_R13_a_link_outlives_a_restart_and_a_change_of_the_flow_file(begin, job, code, kind):
    waiting = await begin(kind, then="{{ resume.body }}")
    bot = waiting.bot
    await bot.stop()
    bot.write("job", "flow: job\nsteps: [{id: other, uses: log, with: {message: x}}]\n")
    await bot.serve()

    answer = await job.calls(waiting.resume, "after")

    assert (answer.status, await waiting.told()) == (200, "after")


async def test_S9_no_log_and_no_row_holds_a_link(begin, job):
    with capture_logs() as lines:
        waiting = await begin("flow")
        await (await waiting.bot.browser("dan")).open(waiting.cancel)
        await job.calls(waiting.resume, {"n": 1})
        await job.calls(waiting.resume, {"n": 1})
        await waiting.bot.settled()

    dump = b"".join(file.read_bytes() for file in waiting.bot.folder.glob("signoff.db*"))
    for link in (waiting.resume, waiting.cancel):
        token = link.rpartition("/")[2]
        assert token not in json.dumps(lines, default=str)
        assert token.encode() not in dump
    assert len(dump) > 10_000


# -- several of them --------------------------------------------------------------------------------------------------

LOOP = """
flow: job
steps:
  - id: each
    for_each: [a, b, c]
    concurrency: 3
    steps:
      - id: work
        uses: http.request
        with:
          method: POST
          url: "{url}"
          json: {{item: "{{{{ item }}}}", resume: "{{{{ links.resume }}}}", cancel: "{{{{ links.cancel }}}}"}}
        callback: {{timeout: 1h, on_timeout: continue}}
      - id: shape
        uses: log
        with: {{message: "{{{{ item }}}}: {{{{ resume.body if resume else 'nobody' }}}}"}}
  - id: tell
    uses: log
    with: {{message: "{{{{ steps.each.output | map(attribute='message') | join(', ') }}}}"}}
"""


@pytest.mark.slow
async def test_R8_of_three_waits_in_a_loop_the_middle_one_expires_and_the_others_go_on(serve, job):
    bot = await serve(job=LOOP.format(url=job.url))
    run = await bot.start("job")
    links = {given["item"]: given["resume"] for given in job.got}

    answers = [
        await job.calls(links["c"], "third"),
        await job.calls(links["c"], "again"),
        await job.calls(links["a"], 1),
    ]
    await bot.settled()
    meanwhile = await bot.status(run)
    await bot.time_passes("1h")

    assert [answer.status for answer in answers] == [200, 409, 200]
    assert meanwhile == "waiting"
    assert (await bot.status(run), await told(bot, run)) == ("succeeded", "a: 1, b: nobody, c: third")
    assert (await job.calls(links["b"])).status == 410


BESIDE = """
flow: job
steps:
  - id: work
    callback:
      ask: Build?
      on_open:
        - id: send
          uses: http.request
          with: {{method: POST, url: "{url}", json: {{opened: true}}}}
  - id: tell
    uses: log
    with: {{message: "{{{{ steps.work.callback.body }}}}"}}
"""


async def test_K9_steps_that_run_when_a_callback_opens_run_once(serve, job):
    bot = await serve(job=BESIDE.format(url=job.url))
    run = await bot.start("job")
    view = await bot.view(run)
    resume = bot.app.links.machine(view.run, view.suspension.n).resume

    await bot.restart()
    answer = await job.calls(resume, "done")
    await bot.settled()

    assert job.got == [{"opened": True}]
    assert (answer.status, await told(bot, run)) == (200, "done")
