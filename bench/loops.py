"""What an item of a loop costs, whether there are a hundred of them or ten thousand, and what others notice of it.

    python bench/loops.py [--items 10000] [--repeats 5]

Loops over 100 and over ``--items`` items take turns in one process, on one database; each item is one trivial Python step.
Then small runs are started one after the other, alone and while a loop over ``--items`` is under way: how long each takes
from the decision to the next step's first line.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import harness
from signoff_engine import GATE, HERE, Directory, Silent, flow

from bot.performers import Performers
from flows.clock import SystemClock
from flows.definition import Flow
from flows.engine import Engine
from flows.functions import Functions
from flows.people import Person
from flows.run import Door, Verdict
from flows.runner import Runner
from flows.store.sqlite import SqliteStore
from flows.vault import Vault

FEW = 100
AT_ONCE = 10
PROBES = 60


def loop(at_once: int) -> Flow:
    return Flow.model_validate(
        {
            "flow": f"loop{at_once}",
            "inputs": [{"name": "n", "type": "integer"}],
            "steps": [
                {
                    "id": "each",
                    "for_each": {"from": 1, "to": "inputs.n"},
                    "concurrency": at_once,
                    "steps": [{"id": "one", "run": "signoff_steps:item", "with": {"n": "{{ item }}"}}],
                }
            ],
        }
    )


class Bench:
    """An engine with nobody to tell anything."""

    async def open(self, directory: Path) -> None:
        clock = SystemClock()
        self.store = await SqliteStore.open(directory / "loops.db", clock=clock)
        self.alice = (await self.store.know(Person(0, "alice"), ["alice@example.com"])).id
        self.bob = (await self.store.know(Person(0, "Bob"), ["bob@example.com"])).id
        people, vault = Directory(clock, self.alice), Vault(["k" * 32])
        self.engine = Engine(self.store, people, vault, clock)
        performers = Performers([], Functions(), vault, self.store.ids)
        performers.folders = dict.fromkeys(("bench", "loop1", f"loop{AT_ONCE}"), HERE)
        self.runner = Runner(self.store, directory=people, performer=performers, messenger=Silent(), clock=clock)
        await self.engine.use([flow(cards=False), loop(1), loop(AT_ONCE)])
        self.runner.start()

    async def close(self) -> None:
        await self.runner.drain()
        await self.store.close()

    async def over(self, items: int, at_once: int) -> float:
        """Milliseconds an item."""
        began = time.perf_counter()
        await self.engine.start(f"loop{at_once}", self.bob, {"n": items})
        await self.runner.idle()
        return (time.perf_counter() - began) / items * 1000

    async def probe(self, number: int) -> float:
        """Milliseconds from a decision to the first line of the next step."""
        fid = f"probe{number}"
        run, _ = await self.engine.start("bench", self.bob, {"fid": fid})
        while not await self.engine.waiting(limit=1):  # noqa: ASYNC110 -- nothing tells of what is waited for
            await asyncio.sleep(0.001)
        began = time.perf_counter()
        await self.engine.decide(run.id, GATE, self.alice, Verdict.APPROVE, door=Door.API)
        await harness.wait_done([fid])
        return (time.perf_counter() - began) * 1000

    async def probes(self, first: int) -> list[float]:
        return [await self.probe(first + number) for number in range(PROBES)]


async def measure(items: int, repeats: int) -> None:
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as scratch:
        bench = Bench()
        await bench.open(Path(scratch))
        await bench.over(FEW, AT_ONCE)
        print("| at once | ms an item of 100 | ms an item of many | many / 100 |\n|---|---|---|---|")
        for at_once in (1, AT_ONCE):
            few, many = [], []
            for _ in range(repeats):
                # As many hundreds as make a fair sample, before and after the long one: the machine drifts.
                few += [await bench.over(FEW, at_once) for _ in range(5)]
                many.append(await bench.over(items, at_once))
                few += [await bench.over(FEW, at_once) for _ in range(5)]
            one, other = statistics.median(few), statistics.median(many)
            print(f"| {at_once} | {one:.3f} | {other:.3f} ({items:,}) | {other / one:.2f} |")
        alone = await bench.probes(0)
        began = asyncio.create_task(bench.over(items, 1))
        beside = await bench.probes(PROBES)
        under_way = not began.done()
        await began
        print(
            f"\nAnother run's decision to its next step: p50 {statistics.median(alone):.2f} ms alone, "
            f"{statistics.median(beside):.2f} ms beside a loop over {items:,}; the longest {max(alone):.1f} and "
            f"{max(beside):.1f} ms" + ("" if under_way else " (the loop was over before the last)")
        )
        await bench.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--items", type=int, default=10_000)
    arguments.add_argument("--repeats", type=int, default=3)
    given = arguments.parse_args()
    asyncio.run(measure(given.items, given.repeats))
