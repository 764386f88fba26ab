"""A run as its ledger alone tells it: each fact is held against those before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flows.people import PersonId
from tests.flows.second_opinion import paths_around


@dataclass
class Told:
    """A run as its ledger alone tells it. Each fact is held against those before it."""

    entries: int = 0
    started: dict[tuple[str, int, int], None] = field(default_factory=dict)
    ended: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    opened: dict[int, tuple[str, str, int | None]] = field(default_factory=dict)
    closed: dict[int, dict[str, Any]] = field(default_factory=dict)
    votes: dict[int, dict[PersonId, tuple[str, str | None]]] = field(default_factory=dict)
    kept: list[tuple[PersonId, str, str | None]] = field(default_factory=list)
    called: set[int] = field(default_factory=set)
    ending: dict[str, Any] | None = None
    paused: bool = False
    requester: PersonId | None = None

    def read(self, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            self.entries += 1
            assert self.ending is None, f"after the end: {entry}"
            event = entry.get("event") or {}
            if event.get("is") == "PeopleMerged":
                self._merged(event["kept"], event["gone"])
            for fact in entry["facts"]:
                assert self.ending is None, f"after the end: {fact}"
                getattr(self, f"_{fact['is']}")(fact)
            whole = event.get("is") == "TimerFired" and not event["path"]
            if whole or event.get("is") in ("CancelRequested", "Superseded"):
                self.paused = False  # what always runs at the end has to run

    def _RunStarted(self, fact: dict[str, Any]) -> None:
        assert self.entries == 1
        self.requester = fact["requester"]

    def _StepStarted(self, fact: dict[str, Any]) -> None:
        path, round_, attempt = fact["path"], fact.get("round", 1), fact.get("attempt", 1)
        assert (path, round_, attempt) not in self.started, f"{path} began twice"
        assert path not in self.ended, f"{path} had ended"
        assert not [one for one in paths_around(path) if one in self.ended], f"{path} began in something that had ended"
        assert attempt == 1 or (path, round_, attempt - 1) in self.started
        assert round_ == 1 or (path, round_ - 1, 1) in self.started
        self.started[path, round_, attempt] = None

    def _StepEnded(self, fact: dict[str, Any]) -> None:
        path = fact["path"]
        assert path not in self.ended, f"{path} ended twice"
        assert not [one for one in paths_around(path) if one in self.ended], f"{path} outlived what held it"
        self.ended[path] = (fact["state"], fact.get("error"))

    def _SuspensionOpened(self, fact: dict[str, Any]) -> None:
        assert fact["n"] not in self.opened
        assert fact["path"] not in self.ended
        self.opened[fact["n"]] = (fact["path"], fact["digest"], fact.get("due"))
        self.votes[fact["n"]] = {}

    def _SuspensionClosed(self, fact: dict[str, Any]) -> None:
        assert fact["n"] in self.opened
        assert fact["n"] not in self.closed, "a wait was closed twice"
        self.closed[fact["n"]] = fact

    def _DecisionCounted(self, fact: dict[str, Any]) -> None:
        n, person = fact["n"], fact["person"]
        assert n not in self.closed, "a decision was counted after the end"
        before = self.votes[n].pop(person, (None, None))
        assert before[0] == fact.get("replaced")
        self.votes[n][person] = (fact["verdict"], fact.get("option"))
        assert fact["approvals"] == sum(verdict != "reject" for verdict, _ in self.votes[n].values())

    def _DecisionWithdrawn(self, fact: dict[str, Any]) -> None:
        assert fact["n"] not in self.closed
        assert self.votes[fact["n"]].pop(fact["person"])[0] == fact["verdict"]

    def _DecisionKept(self, fact: dict[str, Any]) -> None:
        self.kept.append((fact["person"], fact["verdict"], fact.get("step")))

    def _QuorumRecounted(self, fact: dict[str, Any]) -> None:
        assert fact["n"] not in self.closed
        # Less, where the requester has turned out to be among those who said yes.
        assert fact["approvals"] <= sum(verdict != "reject" for verdict, _ in self.votes[fact["n"]].values())

    def _CallbackKept(self, fact: dict[str, Any]) -> None:
        assert fact["n"] not in self.opened
        assert fact["n"] not in self.called
        self.called.add(fact["n"])

    def _RunPaused(self, fact: dict[str, Any]) -> None:
        assert not self.paused
        self.paused = True

    def _RunResumed(self, fact: dict[str, Any]) -> None:
        assert self.paused
        self.paused = False

    def _RunQueued(self, fact: dict[str, Any]) -> None:
        pass

    def _RunStopping(self, fact: dict[str, Any]) -> None:
        pass

    def _RunEnded(self, fact: dict[str, Any]) -> None:
        self.ending = fact

    def _merged(self, kept: PersonId, gone: PersonId) -> None:
        self.requester = kept if self.requester == gone else self.requester
        for n in self.opened.keys() - self.closed.keys():
            standing: dict[PersonId, tuple[str, str | None]] = {}
            for who, said in self.votes[n].items():
                one = kept if who == gone else who
                standing.pop(one, None)
                standing[one] = said
            self.votes[n] = standing

    def dismiss(self, n: int, person: PersonId) -> None:
        """The requester does not count, and has turned out to be somebody who had said something."""
        self.votes[n].pop(person, None)
