"""What stands for the world in a test: actions with scripted answers, and a record of what people were shown."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from flows.context import Brief, Context, Known, context
from flows.effects import Note
from flows.errors import ActionError
from flows.expressions import ExpressionError
from flows.functions import Functions
from flows.ids import Ids
from flows.people import Person, PersonId
from flows.ports import ActionCall, Json
from flows.run import Run
from flows.runner import Posted
from flows.secrets import in_clear, masked, masked_error, unseal
from flows.sessions import Sessions
from flows.step_context import MachineLinks, Performed
from flows.store.reads import CardView, RequestCard
from flows.vault import Vault
from flows.views import RunView, SuspensionView
from flows.wait_links import handle_of


class Turns:
    """Answers given one after the other, the last one ever after: ``Turns(ActionError(...), {"id": 1})``."""

    def __init__(self, *answers: Any) -> None:
        if not answers:
            raise ValueError("Turns needs an answer")
        self._answers = list(answers)

    def next(self) -> Any:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@dataclass(frozen=True, slots=True)
class Call:
    """One action as it was performed. ``params`` is the rendered ``with``, secrets in clear.

    ``key`` is the same on each repeat; ``attempt`` counts from 1.
    """

    action: str
    step: str
    params: Mapping[str, Json]
    key: str
    attempt: int


class TestAddresses:
    """``flows.sessions.Addresses`` for tests: readable, and ``FlowTest.call`` takes them."""

    __test__ = False

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def machine(self, run: Run, n: int) -> MachineLinks:
        where = self._ids.suspension(run.id, n)
        return MachineLinks(f"{self._ids.public_url}/r/{where}", f"{self._ids.public_url}/c/{where}")

    def url(self, view: SuspensionView, person: PersonId) -> str:
        where = self._ids.suspension(view.run.id, view.suspension.n)
        return f"{self._ids.public_url}/a/{where}/{self._ids.person(person)}"


class Linked:
    """What ``links`` is in a ``with`` of a test."""

    expression_fields: ClassVar[frozenset[str]] = frozenset({"resume", "cancel"})
    expression_calls: ClassVar[frozenset[str]] = frozenset({"for"})

    def __init__(self, addresses: TestAddresses, run: Run, n: int) -> None:
        links = addresses.machine(run, n)
        self.resume, self.cancel = links.resume, links.cancel

    def expression_call(self, name: str, value: object) -> str:  # noqa: ARG002 - there is only one name
        return f"{self.resume.replace('/r/', '/a/')}/{handle_of(value)}"


class RecordingPerformer:
    """``flows.runner.Performer`` for tests: answers from a script, and remembers each call.

    ``actions`` maps an action's name to its answer: a value becomes the output, an exception is raised, a
    function (also an async one) is called with the rendered ``with``, ``Turns`` answers in turn. Actions that
    are not in it have no output; Python functions that are not in it are really called.
    """

    def __init__(self, actions: Mapping[str, Any], functions: Functions, vault: Vault, ids: Ids) -> None:
        self.actions = dict(actions)
        self.calls: list[Call] = []
        self.folders: Mapping[str, Path] = {}
        self.sessions: Sessions
        self.addresses: TestAddresses
        self._functions = functions
        self._vault = vault
        self._ids = ids

    async def perform(self, brief: Brief, call: ActionCall) -> Performed:
        hidden = unseal(brief, self._vault)
        try:
            done = await self._perform(brief, call, hidden)
            rerun = done.rerun
            if rerun is not None:
                rerun = replace(rerun, context=masked(rerun.context, hidden.values()))
            return Performed(masked(done.output, hidden.values()), rerun)
        except ActionError as error:
            raise masked_error(error, hidden.values()) from None

    async def _perform(self, brief: Brief, call: ActionCall, hidden: Mapping[str, str]) -> Performed:
        step = brief.step.step
        values = dict(_values(brief, in_clear(brief, hidden), self._ids))
        if step.suspending is not None and brief.row.suspension is not None:
            values["links"] = Linked(self.addresses, brief.known.run, brief.row.suspension)
        try:
            params = brief.step.params.render(values)
        except ExpressionError as error:
            raise ActionError(f"{'.'.join(['with', *map(str, error.where)])}: {error}") from None
        name = step.action
        assert name is not None  # only steps with an action are performed
        self.calls.append(Call(name, brief.path, deepcopy(params), call.key, call.attempt))
        if name not in self.actions and step.run is not None:
            folder = self.folders.get(brief.step.scope.flow.flow, Path())
            told = {**values, "key": call.key, "attempt": call.attempt}
            session = self.sessions.of(brief, call)
            return await self._functions.call(name, folder, params, told, timeout=step.timeout, session=session)
        return Performed(await _answer(self.actions.get(name), params))


def _values(brief: Brief, known: Known, ids: Ids) -> Context:
    return context(brief.plan, brief.step, brief.path, known, ids, reads=brief.step.performing_reads)


async def _answer(scripted: Any, params: Mapping[str, Json]) -> Json:
    if isinstance(scripted, Turns):
        return await _answer(scripted.next(), params)
    if isinstance(scripted, BaseException) or (isinstance(scripted, type) and issubclass(scripted, BaseException)):
        raise scripted
    if callable(scripted):
        answer = scripted(params)
        return await answer if inspect.isawaitable(answer) else answer
    await asyncio.sleep(0)  # as any action would, so that others get their turn
    return deepcopy(scripted)


@dataclass(frozen=True, slots=True)
class Mailed:
    """A mail that asks one person."""

    person: Person
    view: SuspensionView
    key: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a requester was told about the end of their run."""

    view: RunView
    key: str


@dataclass(frozen=True, slots=True)
class Noted:
    """A message about a wait: to one person, or (None) to the admins' channel."""

    person: Person | None
    note: Note
    times: int
    view: SuspensionView
    key: str


Message = Literal["card", "mail", "telling", "note", "request"]


class RecordingMessenger:
    """``flows.runner.Messenger`` for tests: remembers cards as they show now, mails, and what requesters were told."""

    def __init__(self) -> None:
        self._cards: dict[str, CardView] = {}
        self._failures: dict[Message, list[BaseException]] = {}
        self.draws = 0
        """How many times any card was drawn."""
        self.mails: list[Mailed] = []
        self.tellings: list[Told] = []
        self.notes: list[Noted] = []
        self.requests: dict[int, RequestCard] = {}
        """The requesters' messages as they were drawn last, by run."""

    @property
    def cards(self) -> list[CardView]:
        """Every card as it was drawn last, in the order in which they were posted."""
        return list(self._cards.values())

    def fail(self, what: Message, error: BaseException | None = None, *, times: int = 1) -> None:
        """The next ``times`` messages of that kind do not go through."""
        failure = error or ActionError("the messenger is down", retryable=True)
        self._failures.setdefault(what, []).extend([failure] * times)

    async def sync_card(self, card: CardView, call: ActionCall) -> Posted | None:  # noqa: ARG002 -- a card is known by its place
        self._meet("card")
        self.draws += 1
        posted = Posted(
            card.posted or card.channel or f"D{card.person}",
            card.ts or f"{len(self._cards) + 1}.000000",
        )
        self._cards[posted.ts] = replace(card, posted=posted.channel, ts=posted.ts)
        return posted

    async def send_mail(self, view: SuspensionView, person: PersonId, call: ActionCall) -> None:
        self._meet("mail")
        self.mails.append(Mailed(view.person(person), view, call.key))

    async def tell_requester(self, view: RunView, call: ActionCall) -> None:
        self._meet("telling")
        self.tellings.append(Told(view, call.key))

    async def sync_request(self, card: RequestCard, call: ActionCall) -> Posted | None:  # noqa: ARG002 -- one for each run
        self._meet("request")
        posted = Posted(card.posted or f"D{card.person}", card.ts or f"{len(self.requests) + 1}.000001")
        self.requests[card.view.run.id] = replace(card, posted=posted.channel, ts=posted.ts)
        return posted

    async def tell(
        self, view: SuspensionView, note: Note, person: PersonId | None, times: int, call: ActionCall
    ) -> None:
        self._meet("note")
        self.notes.append(Noted(None if person is None else view.person(person), note, times, view, call.key))

    def _meet(self, what: Message) -> None:
        failures = self._failures.get(what)
        if failures:
            raise failures.pop(0)
