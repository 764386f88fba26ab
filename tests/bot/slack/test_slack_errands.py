"""What is done after an acknowledgement."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.slack.errands import Errands
from flows.errors import ActionError


async def test_a_stop_waits_for_errands_and_gives_up_those_that_take_too_long():
    errands = Errands(places=1)
    done: list[str] = []
    never = asyncio.Event()

    async def errand(name: str, *, waits: bool = False) -> None:
        try:
            if waits:
                await never.wait()
            done.append(name)
        except asyncio.CancelledError:
            done.append(f"{name} was given up")
            raise

    errands.run(errand("first"))
    errands.run(errand("second"))
    await errands.drain()
    errands.run(errand("third", waits=True))
    errands.run(errand("fourth"))
    errands.run(errand("fifth"), at_once=True)
    await errands.drain(timedelta(seconds=0.05))

    assert done == ["first", "second", "fifth", "third was given up"]


async def test_an_errand_that_fails_is_logged_and_the_next_one_runs(caplog):
    errands = Errands(places=1)
    done = []

    async def fails(error: Exception) -> None:
        raise error

    async def works() -> None:
        done.append("works")

    errands.run(fails(ActionError("Slack is down", retryable=True)))
    errands.run(fails(LookupError("a fault")))
    errands.run(works())
    await errands.drain()

    assert done == ["works"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
