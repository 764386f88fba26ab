"""What the engine needs from outside, as small protocols; adapters implement them and import only this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from flows.people import Memberships, Person, PersonId, Roster

Json = Any
"""What ``json.dumps`` takes: None, bool, int, float, str, list and dict with text keys."""


async def _forget(_memo: Mapping[str, Json]) -> None:
    """For calls that nothing has to be remembered of."""


@dataclass(frozen=True, slots=True)
class PersonalLink:
    """The page of a wait for one person. ``url`` is worth their answer: it is sent to nobody else.

    ``code`` is what its page asks for, where the flow says ``verify: code``; it may stand in a mail to the person.
    """

    person: Person
    url: str = field(repr=False)
    code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a wait asks, as it was rendered. ``due`` is its deadline, ``hold`` whether it is resumed, not approved."""

    title: str
    ask: str
    requester: str
    due: datetime | None
    hold: bool


class WaitLinks(Protocol):
    """The links of the wait that stands on the step of an action, for actions that send them themselves.

    Whoever is given a link is somebody who may answer. Raises ``ActionError``, not retryable, for anybody else, and
    ``TryAgain`` where the directory does not answer.
    """

    @property
    def resume(self) -> str:
        """Where a machine calls back. Raises ``ActionError`` where the wait is one for people."""
        ...

    @property
    def cancel(self) -> str:
        """Where a machine ends the wait the other way. As ``resume``."""
        ...

    async def for_person(self, handle: str) -> PersonalLink:
        """The link of the one person behind a handle."""
        ...

    async def for_people(self, handles: Iterable[str]) -> Sequence[PersonalLink]:
        """The links of everybody behind these handles, of groups each member's; each person once, in order."""
        ...

    async def asked(self) -> Sequence[PersonalLink]:
        """The links of everybody whom the wait asks and who has not answered yet; nobody's once it is over."""
        ...

    async def request(self) -> Asked:
        """What these people are asked."""
        ...


@dataclass(frozen=True, slots=True)
class ActionCall:
    """What an action is told about the effect that it performs.

    ``key`` is the same on every repeat of the same effect (``run/path/round/effect``); hand it on to
    systems that know idempotency keys. ``memo`` is what an earlier delivery of this very effect remembered,
    empty on the first; ``remember`` stores a new one durably before it returns. ``links`` are those of the wait that
    stands on the same step, None where none does. ``requester`` is who started the run.
    """

    key: str
    attempt: int = 1
    memo: Mapping[str, Json] = field(default_factory=dict)
    remember: Callable[[Mapping[str, Json]], Awaitable[None]] = _forget
    links: WaitLinks | None = None
    requester: PersonId | None = None
    run: int | None = None
    """The number of the run that the action belongs to."""


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

    async def resolve(self, handles: Iterable[str], *, requester: PersonId | None = None) -> Roster:
        """Who stands behind these handles now; each is a person, a group, or a gap with its reason. ``requester`` is
        whose groups are meant, where there are several of one name."""
        ...

    async def memberships(self, person: PersonId, groups: Iterable[str], *, fresh: bool = False) -> Memberships:
        """To which of these groups the person belongs, read now or very lately; ``fresh``: now, if that can be, because
        a decision depends on it."""
        ...

    async def outsider(self, person: PersonId) -> str | None:
        """Why somebody counts only where a flow itself names them, as what follows their name; None for everybody else."""
        ...

    def is_admin(self, person: PersonId) -> bool:
        """Whether the person is one of the installation's admins."""
        ...
