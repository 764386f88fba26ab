"""Jobs on other servers: polled, calling back, handing on, never done (scenarios P2, P5, P6, P8)."""

from __future__ import annotations

from bot.demo.company import Job
from bot.demo.play import Act, Play, expect


async def polled(play: Play, flow: str) -> None:
    run = await play.start("ann", flow, branch="main")
    job = _newest(play)
    for _ in range(3):
        expect((await play.look(run)).status == "waiting", "a run that waits", "one that does not")
        await play.time_passes("10s")
    view = await play.ends(run, "succeeded")
    expect(job.looks == 4, "four looks: at once, and after 10, 20 and 30 seconds", str(job.looks))
    said = str(view.steps["tell"].output)
    expect("has passed" in said, "how the build has ended", said)


async def in_steps(play: Play) -> None:
    await polled(play, "poll_job")


async def in_code(play: Play) -> None:
    await polled(play, "poll_in_code")


async def called_back(play: Play, flow: str, said: str) -> None:
    run = await play.start("ann", flow, branch="main")
    job = _newest(play)
    await play.time_passes("24s")
    expect(job.answer is None, "no call yet", str(job.answer))
    await play.time_passes("1s")
    answer = await play.stage.company.builds.called(job)
    expect(answer == 200, "a call that is taken", str(answer))
    view = await play.ends(run, "succeeded")
    told = str(view.steps["tell"].output)
    expect(said in told, said, told)


async def by_steps(play: Play) -> None:
    await called_back(play, "callback", "has passed, says builds/1.0")


async def by_code(play: Play) -> None:
    await called_back(play, "callback_in_code", "has passed; it was asked by Ann Archer")


async def called_off(play: Play) -> None:
    run = await play.start("ann", "callback", branch="aborted")
    await play.time_passes("25s")
    await play.stage.company.builds.called(_newest(play))
    await play.ends(run, "cancelled")


async def page_by_page(play: Play) -> None:
    run = await play.start("ann", "context_between_rounds", year=2031)
    await play.time_passes("10s")
    await play.time_passes("10s")
    view = await play.ends(run, "succeeded")
    said = str(view.steps["tell"].output)
    expect("7 rows of 2031: January," in said and "July." in said, "all rows, in order", said)
    expect(view.steps["collect"].round == 3, "three rounds", str(view.steps["collect"].round))


async def given_up(play: Play) -> None:
    run = await play.start("ann", "retries_exhausted", branch="stuck")
    for _ in range(3):
        await play.time_passes("10s")
    await play.ends(run, "failed")
    looks = _newest(play).looks
    expect(looks == 4, "four looks, and no fifth", str(looks))
    await play.reads("ann", "I gave up on the build of stuck")


def _newest(play: Play) -> Job:
    jobs = play.stage.company.builds.jobs
    return jobs[max(jobs)]


ACTS = (
    Act("callback", "The build calls back after 25 seconds, and the run goes on at once.", by_steps),
    Act("callback", "The build calls the other link: the run ends as cancelled.", called_off),
    Act("callback_in_code", "The same from Python, with the wait that the function made.", by_code),
    Act("poll_job", "Four looks, ten seconds apart, until the build is done.", in_steps),
    Act("poll_in_code", "The same from Python, with a round for each look.", in_code),
    Act("context_between_rounds", "Three pages in three rounds; each hands its rows to the next.", page_by_page),
    Act("retries_exhausted", "Three retries and no more: the step fails, and Ann is told.", given_up),
)
