"""What a check has found: a sentence, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

P_contra = TypeVar("P_contra", contravariant=True)


class State(StrEnum):
    """``warn`` works, and is probably not meant; ``fail`` does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """``said`` is one sentence without secrets; ``todo`` what to do, None where that is nothing."""

    state: State
    said: str
    todo: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was found over all, by the name of its check, in the order of the checks."""

    findings: tuple[tuple[str, Finding], ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing fails."""
        return all(finding.state is not State.FAIL for _, finding in self.findings)

    def count(self, state: State) -> int:
        return sum(finding.state is state for _, finding in self.findings)


class Check(Protocol[P_contra]):
    """One thing that can be wrong. ``name`` is what people and programs know it by."""

    @property
    def name(self) -> str: ...

    async def look(self, patient: P_contra) -> Sequence[Finding]:
        """What there is to say; nothing where it does not apply. What it raises is told as the check's own fault."""
        ...


def ok(said: str) -> Finding:
    """Something that works."""
    return Finding(State.OK, said)


def warn(said: str, todo: str) -> Finding:
    """Something that works, and is probably not meant."""
    return Finding(State.WARN, said, todo)


def fail(said: str, todo: str) -> Finding:
    """Something that does not work."""
    return Finding(State.FAIL, said, todo)
