"""Signoff's own row: the engine with its SQLite store, real Python steps, and no door in front.

Options: ``cards`` adds a Slack card per wait (posted to nobody: the messenger answers at once), so that the cost of
the outbox's messages can be seen.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import harness

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.performers import Performers
from flows.clock import SystemClock
from flows.definition import Approval, Flow, Step
from flows.engine import Engine
from flows.functions import Functions
from flows.people import Memberships, Person, Roster
from flows.run import Door, Verdict
from flows.runner import Posted, Runner
from flows.store.connection import Worker
from flows.store.sqlite import SqliteStore
from flows.vault import Vault

HERE = Path(__file__).resolve().parent

GATE = 2
"""The number of the gate's suspension: the function before it has the first, should it want to suspend."""

COUNTS = {"transactions": 0, "commits": 0}
"""Pieces of work that were written, and the commits that they shared."""


def count_commits() -> None:
    transaction = Worker._transaction

    def counted(self, connection, batch):
        if self._writes:
            COUNTS["transactions"] += len(batch)
            COUNTS["commits"] += 1
        return transaction(self, connection, batch)

    Worker._transaction = counted


def flow(cards: bool) -> Flow:
    return Flow(
        flow="bench",
        inputs=[{"name": "fid", "type": "string"}],
        steps=[
            Step(id="a", run="signoff_steps:trivial"),
            Step(
                id="gate",
                approval=Approval(ask="Go on?", approvers=["alice@example.com"], via="slack" if cards else None),
            ),
            Step(
                id="b",
                run="signoff_steps:receive",
                with_={"fid": "{{ inputs.fid }}", "names": "{{ approvers | map(attribute='name') | list }}"},
            ),
        ],
    )


class Directory:
    """Alice, whom no message reaches: nobody is told anything, as with the other engines."""

    def __init__(self, clock, alice):
        self.clock, self.alice = clock, alice

    async def resolve(self, handles, *, requester=None):
        return Roster(self.clock.now(), dict.fromkeys(handles, self.alice))

    async def outsider(self, person):
        return None

    async def memberships(self, person, groups, *, fresh=False):
        return Memberships(frozenset(), self.clock.now())

    def is_admin(self, person):
        return False


class Silent:
    """A messenger that posts into the void."""

    async def sync_card(self, card, call):
        return Posted("C0", str(card.version))

    async def send_mail(self, view, person, call):
        raise AssertionError("nobody here has a mail address")

    async def sync_request(self, card, call):
        return Posted("D0", str(card.version))

    async def tell(self, view, note, person, times, call):
        pass

    async def tell_requester(self, view, call):
        pass


class Peer:
    durability = "SQLite WAL synchronous=FULL"

    def __init__(self, opt):
        self.cards = opt == "cards"
        self.name = "signoff" + (" + cards" if self.cards else "")
        self.runs = {}

    async def open(self, directory, fresh):
        self.path, clock = Path(directory) / "signoff.db", SystemClock()
        self.store = await SqliteStore.open(self.path, clock=clock)
        alice = await self.store.know(Person(0, "alice", slack="T0/U0" if self.cards else None), ["alice@example.com"])
        bob = await self.store.know(Person(0, "Bob"), ["bob@example.com"])
        self.alice, self.bob = alice.id, bob.id
        people, vault = Directory(clock, alice.id), Vault(["k" * 32])
        self.engine = Engine(self.store, people, vault, clock)
        performers = Performers([], Functions(), vault, self.store.ids)
        performers.folders = {"bench": HERE}
        self.runner = Runner(self.store, directory=people, performer=performers, messenger=Silent(), clock=clock)
        await self.engine.use([flow(self.cards)])
        self.runner.start()
        if not fresh:
            rows = await self.store.read(
                lambda c, _: c.execute(
                    "SELECT id, json_extract(inputs, '$.fid') FROM runs ORDER BY id LIMIT 100"
                ).fetchall()
            )
            self.runs = {fid: run for run, fid in rows}

    async def start(self, ids):
        async def one(fid):
            run, _ = await self.engine.start("bench", self.bob, {"fid": fid})
            self.runs[fid] = run.id

        await harness.bounded(64, one, ids)
        await self.runner.idle()

    async def approve(self, ids):
        async def one(fid):
            await self.engine.decide(self.runs[fid], GATE, self.alice, Verdict.APPROVE, door=Door.API)

        await harness.bounded(64, one, ids)
        await (harness.wait_done(ids) if len(ids) == 1 else self.runner.idle())

    def disk_bytes(self):
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        return harness.du(self.path.parent, [".db"])

    def counters(self):
        return dict(COUNTS)

    def pids(self):
        return {}

    async def close(self):
        await self.runner.drain()
        await self.store.close()


if __name__ == "__main__":
    count_commits()
    harness.main(Peer)
