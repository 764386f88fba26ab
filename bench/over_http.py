"""From a signed click in Slack to the first line of the next step, over real HTTP, the bot otherwise idle.

    python bench/over_http.py [--clicks 200]

The whole bot (Bolt, web server, SQLite with synchronous=FULL) and the sandbox's Slack share this process, so the sandbox's
own work is in the figure too.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from secrets import token_urlsafe

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import first_line
from pydantic import SecretStr

from bot.app import App
from bot.demo.stage import free_port
from bot.settings import Settings
from integrations.sandbox import Sandbox

FLOW = """
flow: click
steps:
  - id: gate
    approval: {ask: "Go on?", approvers: bob@example.com}
  - id: next
    run: first_line:note
"""


async def main(clicks: int) -> None:
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as folder:
        flows = Path(folder) / "flows"
        flows.mkdir()
        (flows / "click.yml").write_text(FLOW)
        async with Sandbox.with_people() as sandbox:
            app = await App.open(settings(Path(folder), flows, sandbox))
            try:
                sandbox.events_url = f"{await app.start()}/slack/events"
                latencies = [await one(sandbox, app) for _ in range(clicks)]
            finally:
                await app.stop()
    latencies = sorted(latencies[clicks // 10 :])  # the first tenth warms up
    p99 = latencies[int(len(latencies) * 0.99)]
    print(
        f"signed click to next step's first line, over HTTP: p50 {statistics.median(latencies):.1f} ms, p99 {p99:.1f} ms"
    )


async def one(sandbox: Sandbox, app: App) -> float:
    ann = await app.people.by_email("ann@example.com")
    bob = sandbox.person("bob")
    before = {message.ts for message in bob.messages()}
    await app.engine.start("click", ann.id, {})
    await app.runner.idle()
    (card,) = (message for message in bob.messages() if message.ts not in before)
    begun = time.perf_counter()
    await bob.click(card, "Approve")
    await app.runner.idle()
    return (first_line.reached - begun) * 1e3


def settings(folder: Path, flows: Path, sandbox: Sandbox) -> Settings:
    return Settings(
        database=f"sqlite:///{folder / 'bench.db'}",
        flows=flows,
        port=free_port(),
        public_url="http://127.0.0.1:1",
        secret_key=(SecretStr(token_urlsafe(32)),),
        slack_bot_token=SecretStr(sandbox.bot_token),
        slack_signing_secret=SecretStr(sandbox.signing_secret),
        slack_api_url=sandbox.slack_url,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clicks", type=int, default=200)
    asyncio.run(main(parser.parse_args().clicks))
