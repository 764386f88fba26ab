"""App Home: a person's inbox. What waits for them, what they asked for, what they decided; and a flow to start.

What somebody looks at there, its filter and its pages, is in the view's ``private_metadata`` and in the values of the
buttons that change it: who clicks sends along what they see.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from slack_sdk.models.blocks import DividerBlock
from slack_sdk.models.blocks.basic_components import Option
from slack_sdk.models.blocks.block_elements import (
    ButtonElement,
    CheckboxesElement,
    InteractiveElement,
    StaticSelectElement,
)

from bot.slack.reference import Reference
from bot.slack.views import kit, words
from bot.slack.views.answer import Answer, told
from bot.slack.views.buttons import OPTIONS, decision_buttons, more_menu, take_back
from bot.slack.views.delegation_modal import DELEGATIONS
from bot.slack.views.request import summary, title
from bot.slack.views.requester import AGAIN, NUDGE, RESUBMIT, run_link, withdraw
from bot.slack.views.words import NO_GROUPS, Groups
from flows.definition import Flow
from flows.ids import Ids
from flows.people import Person, PersonId
from flows.ports import Json
from flows.run import Decision, Kind, Outcome, Status
from flows.store.inbox import Waits
from flows.views import RunView, SuspensionView
from integrations.slack.text import clip, escape

HOME = "home"
"""The view's callback id."""

FLOW, DUE, PAGE, LATER, PICK, DECIDE, START = (
    f"home_{name}" for name in ("flow", "due", "page:", "later", "pick", "decide", "start:")
)
INSTALL = "home_install"
"""Action ids of the tab's own elements. Behind ``PAGE`` follow the list and the direction, behind ``START`` the turn."""

WAITING, REQUESTED, DECIDED = "waiting", "requested", "decided"
"""The lists that have pages."""

WAITING_ITEMS, REQUESTED_ITEMS, DECIDED_ITEMS, LATER_ITEMS = 10, 5, 5, 10
"""Items of a page. At two blocks each at most, the tab stays under Slack's hundred whatever stands in it."""

PICKED = 20
"""Things that can be picked to be decided at once."""

EVERYTHING = "*"
"""The option of the filter that leaves nothing out. No flow can have that name."""

_RUNS = 3  # that are named; of more, the rest is counted

BYTES = 240_000
"""Of a view; Slack says ``view_too_large`` to more than 250 kilobytes."""

# Characters.
_SAID = 2_000
_TITLE = 150
_NAME = 60
_SEATS = 300
_OPTION = 75
_LABELS = 80  # of the options that stand there as buttons; of more, Approve opens the choice

_ASKED = (Kind.APPROVAL, Kind.HOLD)
_ENDED = {
    Outcome.SUCCEEDED: (":white_check_mark:", "succeeded"),
    Outcome.REJECTED: (":x:", "rejected"),
    Outcome.EXPIRED: (":hourglass:", "expired"),
    Outcome.CANCELLED: (":no_entry_sign:", "cancelled"),
    Outcome.FAILED: (":warning:", "failed"),
}
_BY_ITSELF = frozenset({Outcome.SUCCEEDED, Outcome.EXPIRED, Outcome.FAILED})
_OPEN = {
    Status.QUEUED: (":hourglass_flowing_sand:", "waits for its turn"),
    Status.WAITING: (":hourglass_flowing_sand:", "waits for another system, or for its time to come"),
    Status.RUNNING: (":gear:", "goes on by itself; nobody is asked at the moment"),
}


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of everything is shown: characters of what is asked and of what is known of it, options of a menu."""

    asked: int
    facts: int
    options: int


_ROOMS = (_Room(300, 900, 100), _Room(150, 500, 40), _Room(60, 250, 10))
"""The first of these in which the tab is not too large for Slack; a letter takes up to twelve bytes."""


@dataclass(frozen=True, slots=True)
class Looking:
    """What somebody looks at: one flow or all, what is due today or all, and the page of each list, from 0.

    ``later``: what they have put off is unfolded. ``picked`` are those that they have ticked on other pages, by id.
    ``turn`` grows with each run that is started here, so that the menu of flows stands at its beginning again: Slack
    keeps what was chosen in an element whose ids stay the same.
    """

    flow: str | None = None
    today: bool = False
    waiting: int = 0
    requested: int = 0
    decided: int = 0
    later: bool = False
    turn: int = 0
    picked: tuple[str, ...] = ()

    def text(self) -> str:
        """For ``private_metadata``."""
        pages = [self.waiting, self.requested, self.decided]
        parts = [self.flow, int(self.today), pages, int(self.later), self.turn, list(self.picked)]
        return json.dumps(parts, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """What ``text`` wrote; the beginning where this is none of ours."""
        try:
            flow, today, (waiting, requested, decided), later, turn, picked = json.loads(text)
            return cls(
                flow=flow if isinstance(flow, str) else None,
                today=bool(today),
                waiting=max(0, int(waiting)),
                requested=max(0, int(requested)),
                decided=max(0, int(decided)),
                later=bool(later),
                turn=int(turn),
                picked=tuple(str(each) for each in picked)[:PICKED],
            )
        except (ValueError, TypeError, OverflowError, RecursionError):
            return cls()

    def first_pages(self) -> Self:
        """The same at the first page of each list, with nothing picked: it is another list now."""
        return replace(self, waiting=0, requested=0, decided=0, picked=())

    def page(self, name: str) -> int:
        """Which page of the list of that name it is."""
        return {WAITING: self.waiting, REQUESTED: self.requested}.get(name, self.decided)

    def at(self, name: str, page: int) -> Self:
        """The same at another page of the list of that name."""
        if name == WAITING:
            return replace(self, waiting=page)
        if name == REQUESTED:
            return replace(self, requested=page)
        return replace(self, decided=page)


@dataclass(frozen=True, slots=True)
class Inbox:
    """What the tab shows of its ``reader``: pages of the three lists, and what stands around them.

    ``links`` are the addresses of cards, by run and number. ``flows`` are those to filter by, ``startable`` those that
    the reader may start, both by name with the title. ``trouble`` are sentences for admins, in Slack's markup;
    ``installs``: the reader may install the app in workspaces.
    """

    reader: Person
    waiting: Sequence[Waits] = ()
    total: int = 0
    later: Sequence[Waits] = ()
    later_total: int = 0
    requested: Sequence[RunView] = ()
    more_requested: bool = False
    decided: Sequence[SuspensionView] = ()
    more_decided: bool = False
    links: Mapping[tuple[int, int], str] | None = None
    groups: Groups = field(default_factory=lambda: NO_GROUPS)
    flows: Mapping[str, str] | None = None
    startable: Mapping[str, str] | None = None
    trouble: Sequence[str] = ()
    installs: bool = False


def home(inbox: Inbox, looking: Looking, ids: Ids, *, said: Answer | None = None) -> kit.Block:
    """The tab. ``said`` is the answer to what the reader did last."""
    above = told(replace(said, text=clip(said.text, _SAID))) if said else []
    above += [kit.context(clip(sentence, _SAID)) for sentence in inbox.trouble]
    if inbox.installs:
        above.append(kit.actions("installs", [kit.button(INSTALL, "Install in a workspace", value="install")]))
    for room in _ROOMS:
        drawn = view([*above, *_Tab(inbox, looking, ids, room).blocks()], looking)
        if len(json.dumps(drawn)) <= BYTES:
            break
    return drawn


def notice(text: str, looking: Looking) -> kit.Block:
    """The tab where the lists cannot be read now. ``text`` is in Slack's markup."""
    return view([kit.section(clip(text, kit.SECTION))], looking)


def view(blocks: list[kit.Block], looking: Looking) -> kit.Block:
    """A home tab of these blocks."""
    return {"type": "home", "callback_id": HOME, "private_metadata": looking.text(), "blocks": blocks}


def parked_effects(count: int, runs: Sequence[int], ids: Ids) -> str:
    """For admins: something could not be done, and only a person can help."""
    named = ", ".join(run_link(run, ids) for run in runs[:_RUNS])
    more = f" and {len(runs) - _RUNS} more" if len(runs) > _RUNS else ""
    what = "1 thing could not be done and waits" if count == 1 else f"{count} things could not be done and wait"
    return (
        f":warning: {what} for an admin, in {named}{more}. `/approvals show RUN` says why; `signoff retry` frees them."
    )


def picked_in(view: Mapping[str, Json]) -> tuple[str, ...]:
    """What is ticked in a tab that came back, in the order in which it stands there; first what was on other pages."""
    before = Looking.parse(str(view.get("private_metadata") or "")).picked
    values = (view.get("state") or {}).get("values") or {}
    there = [str(block["block_id"]) for block in view.get("blocks") or () if _pick_of(block) is not None]
    here = {block_id.partition(":")[2] for block_id in there}
    ticked = [
        str(option["value"])
        for block_id in there
        for option in (values.get(block_id, {}).get(PICK) or {}).get("selected_options") or ()
    ]
    return tuple(dict.fromkeys([*(each for each in before if each not in here), *ticked]))


def _pick_of(block: Mapping[str, Json]) -> Json:
    accessory = block.get("accessory")
    return accessory if isinstance(accessory, dict) and accessory.get("action_id") == PICK else None


@dataclass(frozen=True, slots=True)
class _Tab:
    """The tab's parts, in so much room."""

    inbox: Inbox
    looking: Looking
    ids: Ids
    room: _Room

    def blocks(self) -> Iterator[kit.Block]:
        """All of them, in their order."""
        yield from self._tools()
        yield from self._waiting()
        yield from self._requested()
        if not self.looking.today:
            yield from self._decided()
        yield kit.context("Type `/approvals help` to see what else there is.")

    # -- what stands above --------------------------------------------------------------------------------------

    def _tools(self) -> Iterator[kit.Block]:
        inbox, looking = self.inbox, self.looking
        flows = dict(list((inbox.flows or {}).items())[: self.room.options - 2])
        if looking.flow is not None:
            flows.setdefault(looking.flow, looking.flow)
        everything = _option(EVERYTHING, "All flows")
        options = [everything, *(_option(name, said) for name, said in flows.items())]
        chosen = next((one for one in options if one.value == looking.flow), everything)
        menu = StaticSelectElement(
            action_id=FLOW, options=options, initial_option=chosen, placeholder=kit.plain("Flow")
        )
        due = kit.button(
            DUE,
            "Due today ✓" if looking.today else "Due today",
            value="all" if looking.today else "today",
            style="primary" if looking.today else None,
        )
        startable = inbox.startable or {}
        offered = [_option(name, said) for name, said in list(startable.items())[: self.room.options]]
        start = StaticSelectElement(
            action_id=f"{START}{looking.turn}", options=offered, placeholder=kit.plain("Start a flow")
        )
        hand_over = kit.button(DELEGATIONS, "Hand over approvals", value=HOME)
        yield kit.actions("tools", [menu, due, *([start] if offered else []), hand_over])
        if len(startable) > len(offered):
            more = len(startable) - len(offered)
            yield kit.context(f"{more} more flows can be started: `/approvals run FLOW` starts any of them.")

    # -- what waits ---------------------------------------------------------------------------------------------

    def _waiting(self) -> Iterator[kit.Block]:
        inbox, looking = self.inbox, self.looking
        yield kit.header(f"Waiting for you ({inbox.total})" if inbox.total else "Waiting for you")
        if not inbox.waiting:
            yield kit.section(_nothing(looking))
        for item in inbox.waiting:
            yield from self._item(item)
        if inbox.total > 1 or looking.picked:
            more = (looking.waiting + 1) * WAITING_ITEMS < inbox.total
            decide = kit.button(DECIDE, "Decide selected", value=HOME)
            yield kit.actions("decide_selected", [decide, *_pages(WAITING, looking.waiting, more)])
        if len(inbox.waiting) < inbox.total:
            yield kit.context(self._position())
        if inbox.later_total:
            fold = kit.button(LATER, "Hide" if looking.later else "Show", value="hide" if looking.later else "show")
            text = f"*Later:* {inbox.later_total} that you have put off"
            yield kit.section(text, block_id="later", button=fold)
        if looking.later:
            for item in inbox.later:
                yield from self._put_off(item)
            if inbox.later_total > len(inbox.later):
                yield kit.context(f"These are {len(inbox.later)} of {inbox.later_total}.")

    def _position(self) -> str:
        first = self.looking.waiting * WAITING_ITEMS
        total, shown, elsewhere = self.inbox.total, len(self.inbox.waiting), len(self.looking.picked)
        text = f"{first + 1} to {first + shown} of {total}, the nearest deadlines first."
        return f"{text} {elsewhere} more selected on other pages." if elsewhere else text

    def _item(self, item: Waits) -> Iterator[kit.Block]:
        view = item.view
        name = self.ids.suspension(view.run.id, view.suspension.n)
        option = Option(value=name, text=kit.plain("Select"))
        ticked = [option] if name in self.looking.picked else None
        pick = CheckboxesElement(action_id=PICK, options=[option], initial_options=ticked)
        yield kit.section(self._row(item), block_id=f"{PICK}:{name}", button=pick)
        yield kit.actions(f"mine:{name}", self._verdicts(view))

    def _put_off(self, item: Waits) -> Iterator[kit.Block]:
        view = item.view
        yield kit.section(
            self._row(item, f"put off until {words.moment(item.snoozed_until)}" if item.snoozed_until else None)
        )
        yield kit.actions(f"later:{self.ids.suspension(view.run.id, view.suspension.n)}", self._verdicts(view))

    def _verdicts(self, view: SuspensionView) -> list[InteractiveElement]:
        reference = Reference.to(view).text(self.ids)
        short = sum(len(option.title) for option in view.options) <= _LABELS
        return [*decision_buttons(view, reference, options=OPTIONS if short else 0), more_menu(reference)]

    def _row(self, item: Waits, *more: str | None) -> str:
        """The ask, and on a second line what is known of it."""
        view = item.view
        link = (self.inbox.links or {}).get((view.run.id, view.suspension.n))
        facts = [
            f"*for {words.who(view.person(item.principal))}*" if item.principal is not None else None,
            clip(words.line(title(view)), _TITLE),
            f"asked by {words.who(view.requester)}",
            words.risk(view),
            words.standing(view, self.inbox.groups),
            words.until(view),
            "the run is paused" if view.run.paused is not None else None,
            _open_questions(view),
            *more,
            f"<{link}|Open the card>" if link is not None else None,
        ]
        return f"{self._ask(view)}\n{self._facts(facts)}"

    def _ask(self, view: SuspensionView) -> str:
        limit = self.room.asked
        return clip(escape(summary(view, limit)), limit) or "_Nothing was written here._"

    def _facts(self, facts: Iterable[str | None]) -> str:
        """Those that there are, in one line. A fact is left out whole rather than cut: half a date is none."""
        kept: list[str] = []
        room = self.room.facts
        for fact in filter(None, facts):
            if len(fact) <= room:
                kept.append(fact)
                room -= len(fact) + 5
        return "  ·  ".join(kept)

    # -- what they asked for ------------------------------------------------------------------------------------

    def _requested(self) -> Iterator[kit.Block]:
        yield dict(DividerBlock().to_dict())
        yield kit.header("What you asked for")
        if not self.inbox.requested:
            yield kit.section("Nothing that is due today." if self.looking.today else "Nothing yet.")
        for view in self.inbox.requested:
            yield from self._request(view)
        if pages := _pages(REQUESTED, self.looking.requested, self.inbox.more_requested):
            yield kit.actions(f"{REQUESTED}:pages", pages)

    def _request(self, view: RunView) -> Iterator[kit.Block]:
        waits = [one for one in view.suspensions if one.open and one.suspension.kind in _ASKED]
        waits.sort(key=lambda one: (one.suspension.due is None, one.suspension.due, one.suspension.n))
        told = waits[0] if waits else next(reversed(view.suspensions), None)
        where = self._facts([*_where(view, waits, self.inbox.groups), run_link(view.run.id, self.ids)])
        lines = [
            f"*{clip(words.line(view.plan.flow.name), _NAME)}*  ·  {where}",
            self._ask(told) if told is not None and told.suspension.kind in _ASKED else None,
            self._why(view),
        ]
        yield kit.section("\n".join(filter(None, lines)))
        if buttons := list(self._requesting(view, waits)):
            yield kit.actions(f"asked:{self.ids.run(view.run.id)}", buttons)

    def _requesting(self, view: RunView, waits: Sequence[SuspensionView]) -> Iterator[ButtonElement]:
        run, ending = view.run.id, view.run.ending
        if ending is None:
            if waits:
                yield kit.button(NUDGE, "Nudge", value=Reference.to(waits[0]).text(self.ids))
            yield withdraw(run, self.ids)
        elif ending.outcome in AGAIN:
            yield kit.button(RESUBMIT, "Edit and resubmit", value=self.ids.run(run))

    def _why(self, view: RunView) -> str | None:
        ending = view.run.ending
        return f">{words.comment(ending.reason, self.room.asked)}" if ending is not None and ending.reason else None

    # -- what they decided --------------------------------------------------------------------------------------

    def _decided(self) -> Iterator[kit.Block]:
        yield dict(DividerBlock().to_dict())
        yield kit.header("What you decided")
        if not self.inbox.decided:
            yield kit.section("Nothing yet.")
        for view in self.inbox.decided:
            mine = own_decision(view, self.inbox.reader.id)
            if mine is not None:
                yield self._decision(view, mine)
        if pages := _pages(DECIDED, self.looking.decided, self.inbox.more_decided):
            yield kit.actions(f"{DECIDED}:pages", pages)

    def _decision(self, view: SuspensionView, mine: Decision) -> kit.Block:
        for_whom = f" for {words.who(view.person(mine.person))}" if mine.by is not None else ""
        said = f"{words.ICONS[mine.verdict]} You {words.said(view, mine)}{for_whom}, {words.moment(mine.at)}"
        facts = self._facts(
            [
                clip(words.line(title(view)), _TITLE),
                f"asked by {words.who(view.requester)}",
                _came_to(view),
                run_link(view.run.id, self.ids),
            ]
        )
        undo = take_back(Reference.to(view).text(self.ids)) if view.open else None
        block_id = f"done:{self.ids.suspension(view.run.id, view.suspension.n)}"
        return kit.section(f"{said}\n{self._ask(view)}\n{facts}", block_id=block_id, button=undo)


def _option(name: str, said: str) -> Option:
    return Option(value=clip(name, 150), text=kit.plain(clip(" ".join(said.split()) or name, _OPTION)))


def _nothing(looking: Looking) -> str:
    if looking.today:
        return "Nothing that waits for you is due today."
    return "Nothing waits for you." if looking.flow is None else "Nothing of this flow waits for you."


def _open_questions(view: SuspensionView) -> str | None:
    count = sum(one.open for one in view.questions)
    return None if not count else "a question is open" if count == 1 else f"{count} questions are open"


def _where(view: RunView, waits: Sequence[SuspensionView], groups: Groups) -> Iterator[str | None]:
    """Where a run stands."""
    ending = view.run.ending
    if ending is not None:
        icon, word = _ENDED[ending.outcome]
        by = clip(words.those(view.person(person) for person in ending.by), _SEATS)
        yield f"{icon} {word}{f' by {by}' if by else ''}, {words.moment(ending.at)}"
        return
    if view.run.paused is not None:
        yield f":double_vertical_bar: paused by {words.who(view.person(view.run.paused.by))}"
    if waits:
        yield f":hourglass_flowing_sand: {words.progress(waits[0])}{_waited(waits[0], groups)}"
        yield words.until(waits[0])
        yield _open_questions(waits[0])
        yield None if len(waits) == 1 else f"and {len(waits) - 1} more {'wait' if len(waits) == 2 else 'waits'}"
    elif view.run.paused is None:
        yield " ".join(_OPEN.get(view.run.status, (":gear:", view.status)))
    yield f"started {words.moment(view.run.started_at)}"


def _waited(view: SuspensionView, groups: Groups) -> str:
    """``, waiting for @hr-leads or Bob``: to whoever asked, that is what counts, also before anybody has answered."""
    if view.suspension.clocks.settles_at is not None:
        return ""
    names = words.listed(words.seats(view, words.present(view, view.waiting_for), groups), "or")
    return f", waiting for {clip(names, _SEATS)}" if names else ""


def own_decision(view: SuspensionView, reader: PersonId) -> Decision | None:
    """What the reader has said, for themselves or for somebody else; also under a number that was merged into theirs."""
    return next((one for one in view.decisions if view.person(one.human).id == reader), None)


def _came_to(view: SuspensionView) -> str:
    """What has become of it since."""
    ending = view.run.ending
    if ending is not None:
        icon, word = _ENDED[ending.outcome]
        return f"{icon} the run {'has' if ending.outcome in _BY_ITSELF else 'was'} {word}"
    if view.open:
        return f"still open: {words.progress(view)}"
    return ":gear: the run goes on"


def _pages(name: str, page: int, more: bool) -> list[ButtonElement]:
    buttons = []
    if page > 0:
        buttons.append(kit.button(f"{PAGE}{name}:back", "◀ Back", value=str(page - 1)))
    if more:
        buttons.append(kit.button(f"{PAGE}{name}:next", "Next ▶", value=str(page + 1)))
    return buttons


def flow_titles(flows: Sequence[Flow]) -> dict[str, str]:
    """What flows are called, by name, in the order of what they are called."""
    return {flow.flow: flow.name for flow in sorted(flows, key=lambda flow: (flow.name.lower(), flow.flow))}
