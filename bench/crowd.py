"""A thousand people click on one card at the same instant: how long the last of them waits for Slack's answer.

    python bench/crowd.py [--clicks 1000]

The whole bot (Bolt, web server, SQLite with synchronous=FULL), the sandbox's Slack and the thousand people share this
process, so their work is in the figure too: signing, encoding and a connection for each click. Slack waits three seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from over_http import settings

from bot.app import App
from integrations.sandbox import Sandbox

FLOW = """
flow: crowd
steps:
  - id: gate
    approval: {ask: "Go on?", approvers: "@crowd", quorum: QUORUM, via: {slack: "#general"}}
"""


async def main(clicks: int) -> None:
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as folder:
        flows = Path(folder) / "flows"
        flows.mkdir()
        (flows / "crowd.yml").write_text(FLOW.replace("QUORUM", str(clicks)))
        async with Sandbox.with_people() as sandbox:
            people = [sandbox.add_person(f"p{n}", channels=["general"]) for n in range(clicks)]
            sandbox.workspace.add_group("crowd", [one.user for one in people], "Crowd")
            sandbox.line.answer_within = 60.0
            app = await App.open(settings(Path(folder), flows, sandbox))
            try:
                sandbox.events_url = f"{await app.start()}/slack/events"
                ann = await app.people.by_email("ann@example.com")
                run, _ = await app.engine.start("crowd", ann.id, {})
                await app.runner.idle()
                card = await people[0].sees("Go on?")
                sandbox.calls.clear()
                begun = time.process_time()
                waits = sorted(await asyncio.gather(*(click(one, card) for one in people)))
                spent = time.process_time() - begun
                await app.runner.idle()
                status = (await app.engine.peek_run(run.id)).status
            finally:
                await app.stop()
    assert status == "succeeded", status
    print(
        f"{clicks} clicks at once: median {statistics.median(waits):.2f} s, slowest {waits[-1]:.2f} s, "
        f"processor {spent / clicks * 1e3:.2f} ms a click, {sandbox.calls.count('chat.update')} updates of the card"
    )


async def click(one, card) -> float:
    begun = time.perf_counter()
    answer = await one.click_stale(card, "Approve")
    assert answer.ok, answer
    return time.perf_counter() - begun


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=1000)
    asyncio.run(main(parser.parse_args().clicks))
