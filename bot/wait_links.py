"""The links of a wait, for the action of its own step: to people who may answer, each their own, and to machines."""

from __future__ import annotations

from collections.abc import Iterable

from bot.links import PageLinks
from bot.people import People
from flows.context import Brief
from flows.engine import Engine
from flows.errors import ActionError, NotAnApprover, Refused, SelfApproval, TryAgain
from flows.handles import InvalidHandle, is_group, normalise
from flows.people import Person, PersonId
from flows.ports import ActionCall, Asked, PersonalLink
from flows.run import Kind, Run
from flows.sessions import Sessions
from flows.step_context import MachineLinks, Session
from flows.views import SuspensionView


class WaitLinksOf:
    """Makes the links of each step that is performed, and what its function's ``ctx`` stands on."""

    def __init__(self, links: PageLinks, engine: Engine, people: People) -> None:
        self._links = links
        self._engine = engine
        self._people = people

    def step(self, brief: Brief) -> SentLinks | None:
        """The links of the wait that stands on the step, None where none does or will."""
        step, n = brief.step.step, brief.row.suspension
        if n is None or not (step.suspending or step.run):
            return None
        machine = step.callback is not None or step.run is not None
        return SentLinks(self._links, self._engine, self._people, brief.known.run, n, machine=machine)

    def session(self, brief: Brief, call: ActionCall, links: SentLinks, *, hidden: Iterable[str]) -> Session:
        """The session of one attempt of a function, which gets its links from ``links``."""
        return Sessions(self._engine, self._people, links).of(brief, call, hidden=hidden)


class SentLinks:
    """``flows.ports.WaitLinks`` of suspension ``n``, and ``flows.sessions.Addresses``. ``machine``: a machine may answer it.

    ``given`` are the tokens of all links that were handed out: whoever reads one can answer with it.
    """

    def __init__(self, links: PageLinks, engine: Engine, people: People, run: Run, n: int, *, machine: bool) -> None:
        self._links = links
        self._engine = engine
        self._people = people
        self._run = run
        self._n = n
        self._for_machines = machine
        self.given: set[str] = set()

    @property
    def resume(self) -> str:
        self._check_machine("resume")
        return self._noted(self._links.resume(self._run, self._n))

    @property
    def cancel(self) -> str:
        self._check_machine("cancel")
        return self._noted(self._links.cancel(self._run, self._n))

    async def for_person(self, handle: str) -> PersonalLink:
        try:
            one = normalise(handle)
        except InvalidHandle as error:
            raise ActionError(f"A link is for one person: {error}.") from None
        if is_group(one):
            raise ActionError(f"A link is for one person, and {one} is a group; name its people one by one.")
        (link,) = await self.for_people([one])
        return link

    async def for_people(self, handles: Iterable[str]) -> list[PersonalLink]:
        view = await self._view()
        try:
            wanted = list(dict.fromkeys(map(normalise, handles)))
        except InvalidHandle as error:
            raise ActionError(f"{error}.") from None
        roster = await self._people.resolve(wanted, requester=view.run.requester)
        if roster.gaps:
            gaps = ", ".join(f"{handle} ({reason})" for handle, reason in roster.gaps.items())
            raise ActionError(f"Nobody stands behind {gaps}.")
        found: dict[PersonId, PersonalLink] = {}
        for handle in wanted:
            for person in roster.groups.get(handle, ()):
                # Of a group those are asked who may decide: who started the run may be one of its members.
                if person not in found and await self._refusal(view, person) is None:
                    found[person] = await self._link(view, person)
            if handle in roster.people:
                person = roster.people[handle]
                refusal = await self._refusal(view, person)
                if refusal is not None:
                    raise ActionError(f"{(await self._person(view, person)).name} ({handle}) {refusal}.")
                found.setdefault(person, await self._link(view, person))
        return list(found.values())

    async def asked(self) -> list[PersonalLink]:
        view = await self._view()
        if not view.open:
            return []
        approvers = view.suspension.approvers
        roster = await self._people.resolve(approvers.groups) if approvers.groups else None
        members = [person for group in (roster.groups.values() if roster else ()) for person in group]
        left_out = {decision.person for decision in view.decisions}
        if not view.self_approval:
            left_out.add(view.run.requester)
        wanted = [person for person in dict.fromkeys([*approvers.people, *members]) if person not in left_out]
        links = [await self._link(view, person) for person in wanted]
        # Two of them may have turned out to be one human since.
        return list({link.person.id: link for link in links}.values())

    async def request(self) -> Asked:
        view = await self._view()
        request = view.request
        return Asked(
            title=request.flow if request.flow == request.step else f"{request.flow} · {request.step}",
            ask=request.ask,
            requester=view.requester.name,
            due=view.suspension.due,
            hold=view.suspension.kind is Kind.HOLD,
        )

    # -- for functions ------------------------------------------------------------------------------------------

    def machine(self, run: Run, n: int) -> MachineLinks:
        links = self._links.machine(run, n)
        return MachineLinks(self._noted(links.resume), self._noted(links.cancel))

    def url(self, view: SuspensionView, person: PersonId) -> str:
        return self._noted(self._links.url(view, person))

    # -- inside -------------------------------------------------------------------------------------------------

    def _check_machine(self, name: str) -> None:
        if not self._for_machines:
            raise ActionError(f"links.{name} is for machines, and people answer this step; use links.for(person).")

    async def _view(self) -> SuspensionView:
        view = await self._engine.peek(self._run.id, self._n)
        if view is None:
            raise ActionError("A personal link is for a wait that has opened, and this step's has not.")
        if view.suspension.kind not in (Kind.APPROVAL, Kind.HOLD):
            raise ActionError("Nobody is asked by this step, so there is no personal link; use links.resume.")
        return view

    async def _refusal(self, view: SuspensionView, person: PersonId) -> str | None:
        """Why somebody may not answer, as the end of a sentence about them."""
        try:
            await self._engine.check_may_decide(view, person)
        except SelfApproval:
            return "started this run, and its flow does not let people approve their own requests"
        except NotAnApprover:
            return "is none of those who may answer this step"
        except TryAgain:
            raise
        except Refused as refusal:
            return f"may not answer this step: {str(refusal).removesuffix('.')}"
        return None

    async def _link(self, view: SuspensionView, person: PersonId) -> PersonalLink:
        return PersonalLink(await self._person(view, person), self.url(view, person), self._links.code(view, person))

    async def _person(self, view: SuspensionView, person: PersonId) -> Person:
        who = view.people.get(person) or await self._people.by_id(person)
        if who is None:
            raise TryAgain("Somebody who is asked is not known yet. Please try again.")
        return who

    def _noted(self, url: str) -> str:
        self.given.add(url.rpartition("/")[2])
        return url
