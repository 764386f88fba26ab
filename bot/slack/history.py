"""``/approvals history``: what has happened in a run, or in a flow's newest runs."""

from __future__ import annotations

from pydantic_core import from_json

from bot.people import People
from bot.slack.views import history
from bot.slack.views.card import Shown
from bot.slack.views.history import RUNS, Written
from flows.engine import Engine
from flows.ledger import Entry
from flows.people import Person
from flows.run import RunId


class Histories:
    """Reads the ledger for somebody who may read the run. Raises ``UnknownRun``, ``UnknownFlow``, ``TryAgain``."""

    def __init__(self, engine: Engine, people: People) -> None:
        self._engine = engine
        self._people = people

    async def of_run(self, run: RunId, reader: Person) -> Shown:
        """What has happened in a run."""
        view, ledger = await self._engine.history(run, reader.id)
        entries = [_written(entry) for entry in ledger]
        people = dict(view.people)
        for one in history.people_in(entries) - people.keys():
            known = await self._people.by_id(one)
            if known is not None:
                people[one] = known
        return history.history(view, entries, people, self._engine.ids)

    async def of_flow(self, name: str, reader: Person) -> Shown:
        """What was decided in a flow's newest runs. ``name`` is that of a flow that there is."""
        runs = await self._engine.runs_of(name, reader.id, limit=RUNS)
        return history.flow_history(self._engine.flows[name], runs, self._engine.ids)


def _written(entry: Entry) -> Written:
    if entry.payload is None:
        return Written(entry.at, {}, (), erased=True)
    payload = from_json(entry.payload)
    return Written(entry.at, payload.get("event") or {}, payload.get("facts", ()))
