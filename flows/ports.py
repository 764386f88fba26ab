"""What the engine needs from outside, as small protocols; adapters implement them and import only this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from flows.people import Memberships, PersonId, Roster

Json = Any
"""What ``json.dumps`` takes: None, bool, int, float, str, list and dict with text keys."""


async def _forget(_memo: Mapping[str, Json]) -> None:
    """For calls that nothing has to be remembered of."""


@dataclass(frozen=True, slots=True)
class ActionCall:
    """What an action is told about the effect that it performs.

    ``key`` is the same on every repeat of the same effect (``run/path/round/effect``); hand it on to
    systems that know idempotency keys. ``memo`` is what an earlier delivery of this very effect remembered,
    empty on the first; ``remember`` stores a new one durably before it returns.
    """

    key: str
    attempt: int = 1
    memo: Mapping[str, Json] = field(default_factory=dict)
    remember: Callable[[Mapping[str, Json]], Awaitable[None]] = _forget


class Action(Protocol):
    """A named operation that a step ``uses``.

    ``params`` is the pydantic model of the step's ``with``; the engine validates before it performs.
    ``perform`` returns what becomes the step's output (JSON), or raises ``ActionError``.
    """

    name: ClassVar[str]
    params: ClassVar[type[BaseModel]]

    async def perform(self, call: ActionCall, params: Any) -> Json: ...


class Directory(Protocol):
    """Who is who. Raises ``flows.errors.TryAgain`` where somebody who has to be asked does not answer.

    "Not found" is an answer, and never the same as "could not ask".
    """

    async def resolve(self, handles: Iterable[str]) -> Roster:
        """Who stands behind these handles now; each is a person, a group, or a gap with its reason."""
        ...

    async def memberships(self, person: PersonId, groups: Iterable[str]) -> Memberships:
        """To which of these groups the person belongs, read now or very lately."""
        ...

    def is_admin(self, person: PersonId) -> bool:
        """Whether the person is one of the installation's admins."""
        ...
