"""``signoff demo``: the stage served to a browser, or every ready-made flow played by scripted people."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Iterable
from datetime import timedelta

from rich.console import Console

from bot import logs
from bot.demo.acts import ACTS
from bot.demo.play import Act, Play
from bot.demo.stage import stage
from flows.clock import SystemClock
from flows.testing import FakeClock

_BETWEEN = timedelta(minutes=1)


async def run(*, auto: bool, port: int) -> int:
    """Play by itself and return 0 if all came out as it should, or serve the page until interrupted."""
    if not auto:
        logs.configure(level=logging.WARNING, machine=False)
        return await _serve(port)
    # What goes wrong on purpose (a rejection, a run that gives up) is part of the play, and so is what flows log.
    logs.configure(level=logging.ERROR, machine=False)
    logging.getLogger("signoff.log").setLevel(logging.ERROR)
    return await play(ACTS)


async def play(acts: Iterable[Act]) -> int:
    """Perform the acts and tell each in one line. Returns 0 only if every one came out as it should."""
    console = Console(soft_wrap=True, highlight=False)
    began, right, wrong = time.monotonic(), 0, 0
    clock = FakeClock(SystemClock().now())
    async with stage(clock=clock) as set_up:
        for act in acts:
            # Nobody is that quick: Slack takes ten posts in ten seconds where they all go to one person.
            clock.advance(_BETWEEN)
            performance = Play(set_up, clock)
            line = f"{act.flow:<23} {act.comes_out}"
            try:
                await act.perform(performance)
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the other acts are played and it is told
                wrong += 1
                console.print(f"[red]wrong[/red]  {line}")
                for text in (*performance.told, f"{type(error).__name__}: {error}"):
                    console.print(f"       {text}", markup=False)
            else:
                right += 1
                console.print(f"[green]ok[/green]     {line}")
    console.print(f"\n{right} of {right + wrong} came out as expected, in {time.monotonic() - began:.0f} seconds.")
    return 1 if wrong else 0


async def _serve(port: int) -> int:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    try:
        async with stage(port=port) as set_up:
            await set_up.small_talk()
            Console().print(
                f"\n  Signoff's demo is at  {set_up.page.url(**{'as': 'ann'})}\n\n  Ctrl-C ends it; nothing is kept.\n",
                markup=False,
                soft_wrap=True,
            )
            await stop.wait()
    except OSError as error:
        Console(stderr=True).print(f"Port {port} cannot be used: {error.strerror}. Try `signoff demo --port 0`.")
        return 1
    return 0
