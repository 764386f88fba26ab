"""Where clicks and modals end: they become ``Engine.decide``, which says whether they count.

A decision is committed before Slack is answered, because Slack does not send an acknowledged click again. What
the person is told comes after that, and every click is told something.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.people import People
from bot.slack.cards import Cards
from bot.slack.click import Identity
from bot.slack.reference import Reference
from bot.slack.views import answers, kit, words
from bot.slack.views.answer import Answer
from flows.engine import Engine
from flows.errors import ChangedSinceShown, DecidedByYou, FlowError, Refused, TryAgain
from flows.people import Person
from flows.ports import Json
from flows.run import Decision, Door, Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

log = logging.getLogger(__name__)

_FEW = 16
"""A quorum up to which a click is told who is still missing: for that, all decisions are read."""

_NOTHING: Mapping[str, Json] = {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to say: the verdict, and the option where there are several."""

    verdict: Verdict
    option: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it: the refusal (None: it was counted), and who that was (None: not known).

    ``outdated``: what they clicked shows what is no longer asked. ``stands``: they have said so before, and may take
    it back.
    """

    refusal: str | None
    person: Person | None = None
    outdated: bool = False
    stands: bool = False


class Decisions:
    """Records what people say in Slack, and words what became of it."""

    def __init__(self, engine: Engine, people: People, cards: Cards) -> None:
        self._engine = engine
        self._people = people
        self._cards = cards

    async def decide(self, who: Identity, reference: Reference, wanted: Wanted, comment: str | None = None) -> Outcome:
        """A click that says all there is to say. Never raises."""
        person: Person | None = None
        try:
            person = await self._people.by_slack(who.team, who.user)
            await self.record(reference, person, wanted, comment, _NOTHING)
        except ChangedSinceShown as refusal:
            view = await self.peek(reference)
            now = f"\n>{escape(view.request.ask).replace(chr(10), chr(10) + '>')}" if view else ""
            return Outcome(clip(answers.refused(refusal) + now, kit.SECTION), person, outdated=True)
        except DecidedByYou as refusal:
            return Outcome(answers.refused(refusal), person, stands=True)
        except FlowError as refusal:
            return Outcome(answers.refused(refusal), person)
        except Exception:
            log.exception("a click failed for a reason that nobody foresaw")
            return Outcome(answers.FAULT, person)
        return Outcome(None, person)

    async def record(
        self, reference: Reference, person: Person, wanted: Wanted, comment: str | None, values: Mapping[str, Json]
    ) -> None:
        """Commit what the person says. Raises ``FlowError``, most of all a ``Refused``."""
        await self._engine.decide(
            reference.run,
            reference.n,
            person.id,
            wanted.verdict,
            door=Door.SLACK,
            comment=comment,
            values=values,
            option=wanted.option,
            digest=reference.digest,
        )

    async def answer(self, reference: Reference, wanted: Wanted, outcome: Outcome) -> Answer:
        """What the person is told."""
        carried = reference.text(self._engine.ids)
        try:
            if outcome.refusal is not None:
                view = await self._engine.peek(reference.run, reference.n) if outcome.stands else None
                return Answer(outcome.refusal, carried if view is not None and view.open else None)
            return await self._counted(reference, wanted, carried, outcome.person)
        except Exception:
            # What became of it is certain, and has to be said, whatever cannot be read now.
            log.exception("how a suspension stands cannot be read")
            return Answer(outcome.refusal or answers.counted(wanted.verdict, None))

    async def _counted(self, reference: Reference, wanted: Wanted, carried: str, person: Person | None) -> Answer:
        if wanted.verdict is Verdict.APPROVE and wanted.option is None:
            progress = await self._engine.progress(reference.run, reference.n)
            if progress is not None and progress[1] > _FEW:
                # A thousand people may click within a second; each of them reading a thousand decisions would be late.
                settles = (
                    None if progress[0] < progress[1] else await self._engine.settles_at(reference.run, reference.n)
                )
                text = answers.counted(wanted.verdict, words.of(*progress))
                return _standing(text, carried if progress[0] < progress[1] or settles is not None else None, settles)
        view = await self._engine.peek(reference.run, reference.n)
        if view is None:
            return Answer(answers.counted(wanted.verdict, None))
        says_how_far = wanted.verdict is Verdict.APPROVE or (wanted.verdict is Verdict.WITHDRAW and view.open)
        standing = words.standing(view, await self._cards.groups(view)) if says_how_far else words.rejections(view)
        mine = self.said_by(view, person) if person is not None else None
        behalf = f" for {words.who(view.person(mine.person))}" if mine is not None and mine.by is not None else ""
        text = answers.counted(wanted.verdict, standing, chosen=behalf + words.chosen(view, wanted.option))
        if not view.open or wanted.verdict is Verdict.WITHDRAW:
            return Answer(text)
        return _standing(text, carried, view.suspension.clocks.settles_at)

    def said_by(self, view: SuspensionView, person: Person) -> Decision | None:
        """What this human has said, for themselves or for somebody whom they stand in for; the newest of it."""
        mine = [one for one in view.decisions if one.human == person.id]
        return max(mine, key=lambda decision: decision.place, default=None)

    # -- before a modal opens -----------------------------------------------------------------------------------

    async def peek(self, reference: Reference | None) -> SuspensionView | None:
        """How the suspension stands; None where there is none."""
        if reference is None:
            return None
        try:
            return await self._engine.peek(reference.run, reference.n)
        except FlowError:
            return None

    async def may_decide(self, who: Identity, view: SuspensionView) -> Person | FlowError:
        """The person, or why they may not answer, as the engine says."""
        try:
            person = await self._people.by_slack(who.team, who.user)
        except TryAgain as refusal:
            # Who has been here before is known by that id. Whether it counts is asked again when the form comes.
            known = await self._people.known(f"{who.team}/{who.user}")
            if known is None:
                return refusal
            person = known
        except FlowError as refusal:
            return refusal
        try:
            await self._engine.check_may_decide(view, person.id)
        except FlowError as refusal:
            return refusal
        return person

    async def known(self, who: Identity) -> Person | None:
        """The person, where Slack can be asked, and they have not left."""
        try:
            return await self._people.by_slack(who.team, who.user)
        except Refused:
            return None


def _standing(text: str, carried: str | None, settles: datetime | None) -> Answer:
    """What was counted, and how it can be taken back as long as it is open."""
    if settles is not None:
        text += f" It takes effect at {words.exactly(settles)}; until then you can undo it."
    return Answer(text, carried, undo=settles is not None)
