"""``/approvals``: what it reads and shows, and where its words lead."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Protocol

from bot.people import People
from bot.slack.buttons import Ack, Buttons
from bot.slack.cards import Cards
from bot.slack.click import Click, Identity
from bot.slack.decisions import Wanted
from bot.slack.delegating import Delegating
from bot.slack.errands import Errands
from bot.slack.history import Histories
from bot.slack.lists import Lists
from bot.slack.reference import Reference
from bot.slack.replies import Replies, response
from bot.slack.run_control import RunControl
from bot.slack.starting import Starting
from bot.slack.views import answers, kit, words
from bot.slack.views.cancel_modal import Cancelling
from bot.slack.views.card import Shown
from bot.slack.views.help import WORDS, help_
from bot.slack.views.pending import Listing
from bot.slack.views.request import title
from bot.slack.views.requested import ITEMS, requested
from bot.slack.views.show import show
from bot.workspaces import Workspaces
from flows.definition import Flow
from flows.durations import format_duration, parse_duration
from flows.engine import Engine
from flows.errors import InvalidForm, NotWaiting, Refused, UnknownRun, UnknownSuspension
from flows.people import Person, PersonId
from flows.ports import Json
from flows.run import Kind, Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

log = logging.getLogger(__name__)

COMMAND = "/approvals"

_FAULT = "Something went wrong on our side. Please try again in a while."
_TOO_LATE = "Slack did not let us open the form in time. Nothing was changed; please type it again."
_CHOICES = 5  # waits of a run that are named where it takes one of them
_TITLE = 80  # characters

_KINDS = {"approve": Kind.APPROVAL, "reject": Kind.APPROVAL, "resume": Kind.HOLD}
_OTHERWISE = {
    True: "This is no approval: it is held until somebody resumes it, with `/approvals resume`.",
    False: "This is an approval: it is approved or rejected, and not resumed.",
}
_VERDICTS = {"approve": Verdict.APPROVE, "reject": Verdict.REJECT, "resume": Verdict.RESUME}


class Digests(Protocol):
    """Who wants one mail in place of many (``bot.digests``)."""

    async def prefer(self, person: PersonId, every: timedelta | None) -> None: ...
    async def preference(self, person: PersonId) -> timedelta | None: ...


@dataclass(frozen=True, slots=True)
class _Typed:
    """The command as it came. ``rest`` is what follows the first word, without the marks of code."""

    name: str
    word: str
    rest: str
    who: Identity
    channel: str | None
    trigger_id: str
    response_url: str

    @classmethod
    def of(cls, command: Mapping[str, Json]) -> _Typed:
        word, _, rest = str(command.get("text") or "").strip().partition(" ")
        team = command.get("team_id") or command.get("enterprise_id") or ""
        return cls(
            name=str(command.get("command") or COMMAND),
            word=word.lower(),
            rest=rest.strip().strip("`").strip(),
            who=Identity(str(team), str(command["user_id"]), command.get("team_id")),
            channel=command.get("channel_id"),
            trigger_id=str(command.get("trigger_id") or ""),
            response_url=str(command["response_url"]),
        )


class Commands:
    """The listeners of the command. Without ``digests`` that word is not there: nobody is written to by mail."""

    def __init__(
        self,
        engine: Engine,
        people: People,
        workspaces: Workspaces,
        cards: Cards,
        lists: Lists,
        replies: Replies,
        starting: Starting,
        run_control: RunControl,
        buttons: Buttons,
        delegating: Delegating,
        errands: Errands,
        digests: Digests | None = None,
    ) -> None:
        self._engine = engine
        self._people = people
        self._workspaces = workspaces
        self._cards = cards
        self._lists = lists
        self._replies = replies
        self._starting = starting
        self._run_control = run_control
        self._buttons = buttons
        self._delegating = delegating
        self._histories = Histories(engine, people)
        self._errands = errands
        self._digests = digests
        self._without = frozenset() if digests is not None else frozenset({"digest"})

    async def approvals(self, ack: Ack, command: Mapping[str, Json]) -> None:
        """The slash command. Acknowledged first: its answer may take calls of Slack's API, and may be asked for again."""
        await ack()
        self._errands.run(self._answer(command), at_once=True)

    async def open_page(self, ack: Ack) -> None:
        """A link in a button was followed; Slack tells of it, and shows a warning unless it is acknowledged."""
        await ack()

    # -- the command --------------------------------------------------------------------------------------------

    async def _answer(self, command: Mapping[str, Json]) -> None:
        typed = _Typed.of(command)
        try:
            shown = await self._shown(typed)
        except (UnknownRun, UnknownSuspension):
            shown = _sentence(answers.NO_RUN)
        except Refused as refusal:
            shown = _sentence(answers.refused(refusal))
        except Exception:
            log.exception("a command failed for a reason that nobody foresaw")
            shown = _sentence(_FAULT)
        if shown is not None:
            await self._workspaces.client(typed.who.at).respond(typed.response_url, response(shown))

    async def _shown(self, typed: _Typed) -> Shown | None:
        """What is answered; None where a modal is the answer. Raises ``UnknownRun`` and ``Refused``."""
        if typed.word not in WORDS - self._without or typed.word == "help":
            return help_(typed.name, None if typed.word == "help" else typed.word, without=self._without)
        # A modal is opened before anybody is asked who it was: Slack leaves three seconds for it.
        opens = self._opens(typed)
        if opens is not None:
            return None if await opens else _sentence(_TOO_LATE)
        person = await self._people.by_slack(typed.who.team, typed.who.user)
        if typed.word in _VERDICTS:
            return await self._decided(typed, person)
        return await self._looked_up(typed, person)

    def _opens(self, typed: _Typed) -> Coroutine[None, None, bool] | None:
        """What opens the modal that answers, where that is known from the words alone. Raises ``UnknownRun``, ``Refused``."""
        match typed.word:
            case "run" if (flow := self._engine.flows.get(typed.rest.lower())) is not None:
                return self._starting.open(typed.trigger_id, flow, typed.who, typed.channel)
            case "cancel":
                return self._run_control.ask_to_cancel(
                    typed.trigger_id, Cancelling(self._run(typed), typed.channel), typed.who
                )
            case "delegate":
                return self._delegating.open(typed.trigger_id, typed.who, typed.channel)
            case _:
                return None

    async def _looked_up(self, typed: _Typed, person: Person) -> Shown:
        match typed.word:
            case "run" if not typed.rest:
                return await self._starting.listed(person, typed.name)
            case "run":
                return _sentence(await self._starting.unknown(person, typed.rest, typed.name))
            case "pause":
                return _sentence(await self._run_control.pause(self._run(typed), person))
            case "show":
                view = await self._engine.run(self._run(typed), person.id)
                groups = [handle for one in view.suspensions for handle in one.suspension.approvers.groups]
                return show(view, self._engine.ids, groups=await self._cards.group_ids(groups, typed.who.at))
            case "history":
                return await self._history(typed, person)
            case "mine":
                runs = await self._engine.requested(person.id, limit=ITEMS + 1)
                groups = [
                    handle for view in runs for one in view.suspensions for handle in one.suspension.approvers.groups
                ]
                return requested(runs, self._engine.ids, groups=await self._cards.group_ids(groups, typed.who.at))
            case "digest":
                return _sentence(await self._digest(typed, person))
            case _:
                return await self._lists.shown(person, Listing.ALL if typed.word == "all" else Listing.MINE)

    def _run(self, typed: _Typed) -> int:
        if not typed.rest:
            raise NotWaiting(f"Say which run, like {typed.name} {typed.word} run_1a2b3c4d5e6f7.")
        run = self._engine.ids.parse_run(typed.rest)
        if run is None:
            raise UnknownRun("There is no such run.")
        return run

    # -- deciding -----------------------------------------------------------------------------------------------

    async def _decided(self, typed: _Typed, person: Person) -> Shown | None:
        """The modal of the answer, in which what is asked is seen before anything counts; or what is in its way."""
        name, _, more = typed.rest.partition(" ")
        if more:
            raise NotWaiting(
                f"{typed.name} {typed.word} takes an id alone; the form that opens asks for what goes with it."
            )
        found = self._engine.ids.parse_suspension(name)
        if found is not None:
            view = await self._engine.suspension(*found, person.id)
            if view.suspension.kind is not _KINDS[typed.word]:
                raise NotWaiting(_OTHERWISE[view.suspension.kind is Kind.HOLD])
        else:
            run = self._run(typed)
            seen = await self._engine.run(run, person.id)
            waits = [one for one in seen.suspensions if one.open and one.suspension.kind is _KINDS[typed.word]]
            if typed.word == "resume" and (seen.run.paused is not None or not waits):
                return _sentence(await self._run_control.resume(run, person))
            if len(waits) != 1:
                return _sentence(self._which(typed, waits))
            view = waits[0]
        value = Reference.to(view).text(self._engine.ids)
        click = Click(typed.who, value, typed.trigger_id, typed.response_url, typed.channel)
        await self._buttons.open(click, Wanted(_VERDICTS[typed.word]))
        return None

    def _which(self, typed: _Typed, waits: list[SuspensionView]) -> str:
        if not waits:
            return "This run waits for nobody's approval right now."
        ids = self._engine.ids
        lines = [
            f"• `{typed.name} {typed.word} {ids.suspension(one.run.id, one.suspension.n)}`  "
            f"{clip(words.line(title(one)), _TITLE)}"
            for one in waits[:_CHOICES]
        ]
        if len(waits) > _CHOICES:
            lines.append(f"… and {len(waits) - _CHOICES} more")
        return "\n".join(["This run waits for several approvals. Say which:", *lines])

    # -- what has been ------------------------------------------------------------------------------------------

    async def _history(self, typed: _Typed, person: Person) -> Shown:
        if not typed.rest:
            raise NotWaiting(f"Say of what, like {typed.name} history run_1a2b3c4d5e6f7, or the name of a flow.")
        run = self._engine.ids.parse_run(typed.rest)
        if run is not None:
            return await self._histories.of_run(run, person)
        flow: Flow | None = self._engine.flows.get(typed.rest.lower())
        if flow is not None:
            return await self._histories.of_flow(flow.flow, person)
        nearest = get_close_matches(typed.rest.lower(), list(self._engine.flows), n=1, cutoff=0.5)
        hint = f" Did you mean `{typed.name} history {nearest[0]}`?" if nearest else ""
        return _sentence(f"There is no run and no flow `{clip(escape(typed.rest), 60)}`.{hint}")

    # -- mail ---------------------------------------------------------------------------------------------------

    async def _digest(self, typed: _Typed, person: Person) -> str:
        assert self._digests is not None  # else the word is not known
        if not typed.rest:
            every = await self._digests.preference(person.id)
            now = f"one mail each {format_duration(every)}" if every is not None else "a mail for each"
            return (
                f"What waits for you and comes by mail: {now}. `{typed.name} digest 1d` or `digest off` changes that."
            )
        if typed.rest.lower() in ("off", "never", "none"):
            await self._digests.prefer(person.id, None)
            return ":incoming_envelope: You get single mails again, and at once what was collected."
        try:
            every = parse_duration(typed.rest.lower())
        except ValueError:
            raise InvalidForm({"digest": "takes how often, like 1d or 2h; or off."}) from None
        await self._digests.prefer(person.id, every)
        return f":incoming_envelope: You get one mail each {format_duration(every)} with what waits for you."


def _sentence(text: str) -> Shown:
    return Shown(text, [kit.section(text)])
