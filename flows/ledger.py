"""The ledger: each input event of a run with the facts that it made, chained so that nothing can be changed unseen.

An entry commits to a salted hash of its payload and to the entry before it in its run. So it can be verified
offline, and personal data can still be erased: the payload goes, its commitment takes the salt's place, and
the chain holds. Without the salt a short payload could be guessed from its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic_core import to_json

from flows.events import (
    ActionFailed,
    ActionFinished,
    DecisionMade,
    Event,
    Fact,
    PeopleResolved,
    QuestionAsked,
    SnoozeRequested,
    StepStarted,
    TimerFired,
)
from flows.instants import to_ms
from flows.people import Memberships
from flows.ports import Json
from flows.run import Timer

GENESIS = b"\x00" * 32
"""What the first entry of a run commits to in place of a predecessor."""

SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as stored. ``payload`` is None once it was erased; ``salt`` is its commitment then."""

    seq: int
    at: datetime
    payload: str | None
    salt: bytes
    hash: bytes


def payload(event: Event | None, facts: Iterable[Fact]) -> str:
    """The entry's text: the event (none for a start) and the facts, as compact JSON.

    Outputs of actions are not in it: they belong to the run, not to the question who decided what.
    """
    said = [_record(fact) for fact in facts]
    return to_json({"event": _record(event), "facts": said} if event else {"facts": said}).decode()


def commitment(salt: bytes, text: str) -> bytes:
    return hashlib.sha256(salt + text.encode()).digest()


def chain(before: bytes, seq: int, at: datetime, committed: bytes) -> bytes:
    """The hash of an entry: over its predecessor's, its place, its instant and its commitment."""
    return hashlib.sha256(before + seq.to_bytes(8, "big") + to_ms(at).to_bytes(8, "big") + committed).digest()


def broken_at(entries: Iterable[Entry]) -> int | None:
    """The ``seq`` of the first entry that does not verify, or None where the whole chain holds."""
    before, expected = GENESIS, 1
    for entry in entries:
        committed = entry.salt if entry.payload is None else commitment(entry.salt, entry.payload)
        if entry.seq != expected or entry.hash != chain(before, entry.seq, entry.at, committed):
            return entry.seq
        before, expected = entry.hash, expected + 1
    return None


_PLAIN = frozenset({str, int, bool})
# What nearly all entries have is left out: the first round, the first attempt, a deadline's timer.
_USUAL: Mapping[type, Mapping[str, object]] = {
    ActionFinished: {"round": 1, "attempt": 1},
    ActionFailed: {"round": 1, "attempt": 1},
    PeopleResolved: {"round": 1, "n": 0, "times": 1},
    StepStarted: {"round": 1, "attempt": 1},
    TimerFired: {"timer": Timer.DUE},
    DecisionMade: {"principals": {}},
    SnoozeRequested: {"principals": {}},
    QuestionAsked: {"principals": {}},
}
_NOTHING_USUAL: Mapping[str, object] = {}
_OMITTED = frozenset({"output", "roster", "rerun"})


def _record(thing: Event | Fact) -> dict[str, Json]:
    record: dict[str, Json] = {"is": type(thing).__name__}
    usual = _USUAL.get(type(thing), _NOTHING_USUAL)
    for name in _NAMES[type(thing)]:
        value = getattr(thing, name)
        if name in usual and value == usual[name]:
            continue
        if type(value) in _PLAIN:
            record[name] = value
        elif value is not None and value != ():
            record[name] = _plain(value)
    if isinstance(thing, DecisionMade) and thing.digest is None:
        record["digest"] = "not shown"
    return record


def _plain(value: Any) -> Json:
    match value:
        case bytes():
            return value.hex()
        case StrEnum():
            return value.value
        case datetime():
            return to_ms(value)
        case timedelta():
            return value.total_seconds()
        case Memberships():
            return {"groups": sorted(value.groups), "read_at": to_ms(value.read_at)}
        case tuple():
            return [_plain(item) for item in value]
        case _:
            return dict(value) if hasattr(value, "keys") else value


class _FieldNames(dict[type, tuple[str, ...]]):
    def __missing__(self, kind: type) -> tuple[str, ...]:
        self[kind] = names = tuple(field.name for field in fields(kind) if field.name not in _OMITTED)
        return names


_NAMES = _FieldNames()
