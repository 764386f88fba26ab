"""The modal in which a person hands their approvals over, and ends what was handed over; and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.basic_components import Option, OptionGroup
from slack_sdk.models.blocks.block_elements import DatePickerElement, StaticMultiSelectElement

from bot.days import days_of, stretch
from bot.slack.views import kit, words
from bot.slack.views.answer import Answer
from bot.slack.views.person_input import person_input
from flows.definition import Flow
from flows.delegation import Delegation
from flows.ids import Ids
from flows.people import Person, PersonId
from flows.ports import Json
from integrations.slack.text import clip, escape

DELEGATIONS = "delegations"
"""The action id of what opens the modal."""

DELEGATE = "delegate"
"""The modal's callback id."""

END = "end_delegation"
STARTS, ENDS, FLOWS = "-starts", "-ends", "-flows"
"""The inputs' block ids."""

LISTED = 20
"""Delegations that are shown, each with its End."""

_VALUE = "value"
_NAMED = 5  # flows that are named; of more, the rest is counted
_MOST = 10_000  # options of a menu: a hundred groups of a hundred
_GROUP = 100
_OPTION = 75  # characters


@dataclass(frozen=True, slots=True)
class Filled:
    """What was filled in: the days as they were picked, both included, and flows; none: all of them."""

    starts: date | None
    ends: date | None
    flows: tuple[str, ...]

    def span(self, zone: tzinfo) -> tuple[datetime, datetime] | None:
        """From the first midnight to the one after the last day, in that zone; None where a day is missing."""
        if self.starts is None or self.ends is None:
            return None
        return stretch(self.starts, self.ends, zone)


def delegation_modal(
    reader: Person,
    delegations: Sequence[Delegation],
    people: Mapping[PersonId, Person],
    flows: Sequence[Flow],
    ids: Ids,
    *,
    zone: tzinfo,
    today: date,
    channel: str | None,
    said: str | None = None,
) -> kit.Block:
    """The modal. ``delegations`` are those that the reader has given and got, and that are not over; ``said`` stands above
    it all, in Slack's markup. ``channel`` is where the answer goes."""
    blocks = [kit.section(clip(said, kit.SECTION))] if said else []
    for one in delegations[:LISTED]:
        end = kit.button(END, "End it", value=ids.delegation(one.id), style="danger")
        blocks.append(kit.section(_told(one, reader, people, zone), button=end))
    if len(delegations) > LISTED:
        blocks.append(
            kit.context(f"{len(delegations) - LISTED} more are not shown; `signoff delegate` lists them all.")
        )
    blocks.append(
        kit.section(
            "*Hand your approvals over* while you are away. What the other person answers counts as yours, and both of "
            "you are named. You can still answer yourself, and end this at any time."
        )
    )
    blocks += [
        person_input("Who answers for you"),
        _day(STARTS, "From", today),
        _day(ENDS, "Until and including", None),
        *_flows(flows),
    ]
    return {
        "type": "modal",
        "callback_id": DELEGATE,
        "private_metadata": channel or "",
        "title": kit.plain("While you are away"),
        "submit": kit.plain("Hand over"),
        "close": kit.plain("Close"),
        "blocks": blocks,
    }


def loading() -> kit.Block:
    """What stands there until it is known what was handed over."""
    blocks = [kit.section(":hourglass_flowing_sand: One moment…")]
    return {"type": "modal", "title": kit.plain("While you are away"), "close": kit.plain("Close"), "blocks": blocks}


def filled(state: Mapping[str, Mapping[str, Json]]) -> Filled:
    """What was filled in; ``state`` is ``view.state.values``."""

    def day(name: str) -> date | None:
        picked = state.get(name, {}).get(_VALUE, {}).get("selected_date")
        return date.fromisoformat(picked) if picked else None

    chosen = state.get(FLOWS, {}).get(_VALUE, {}).get("selected_options") or []
    return Filled(day(STARTS), day(ENDS), tuple(option["value"] for option in chosen))


# -- what is said of one --------------------------------------------------------------------------------------


def when(delegation: Delegation, zone: tzinfo) -> str:
    """``2026-12-21 to 2026-12-31``, whole days in that zone, both included; where they are none, the instants."""
    days = days_of(delegation.starts, delegation.ends, zone)
    if days is not None:
        first, last = days
        return f"on {first}" if first == last else f"from {first} to {last}"
    return f"from {words.moment(delegation.starts)} to {words.moment(delegation.ends)}"


def about(delegation: Delegation) -> str:
    """Which flows it is for."""
    if not delegation.flows:
        return "all flows"
    named = [f"`{name}`" for name in delegation.flows[:_NAMED]]
    if len(delegation.flows) > _NAMED:
        named.append(f"{len(delegation.flows) - _NAMED} more")
    return f"the {'flow' if len(delegation.flows) == 1 else 'flows'} {words.listed(named, 'and')}"


def to_delegate(delegation: Delegation, person: Person, zone: tzinfo, *, waiting: int) -> Answer:
    """What the one who is to answer is told; ``waiting`` is how many wait for the other one now."""
    text = (
        f":handshake: {words.who(person)} has handed their approvals over to you, {when(delegation, zone)}, for "
        f"{about(delegation)}. What you answer counts as theirs, and both of you are named."
    )
    if waiting:
        text += f"\n{waiting} {'waits' if waiting == 1 else 'wait'} now: `/approvals` lists them."
    return Answer(text)


def to_person(delegation: Delegation, delegate: Person, maker: Person, zone: tzinfo) -> Answer:
    """What somebody is told whose approvals an admin has handed over."""
    return Answer(
        f":handshake: {words.who(maker)} has handed your approvals over to {words.who(delegate)}, "
        f"{when(delegation, zone)}, for {about(delegation)}. `/approvals delegate` ends it."
    )


def ended(delegation: Delegation, person: Person, delegate: Person, by: Person) -> Answer:
    """What the others are told when it is ended early."""
    return Answer(
        f":handshake: {words.who(by)} has ended it: {words.who(delegate)} does not answer for {words.who(person)} any "
        f"more ({about(delegation)})."
    )


def done(delegation: Delegation, delegate: Person, zone: tzinfo) -> Answer:
    """What the person is told who has handed over."""
    return Answer(
        f":handshake: {words.who(delegate)} answers for you {when(delegation, zone)}, for {about(delegation)}. "
        "`/approvals delegate` ends it."
    )


def _told(delegation: Delegation, reader: Person, people: Mapping[PersonId, Person], zone: tzinfo) -> str:
    def name(person: PersonId) -> str:
        return words.who(people.get(person) or Person(person, "somebody"))

    if delegation.person == reader.id:
        who = f"{name(delegation.delegate)} answers for you"
    else:
        who = f"You answer for {name(delegation.person)}"
    return f"{who} {when(delegation, zone)}, for {about(delegation)}"


# -- inputs ---------------------------------------------------------------------------------------------------


def _day(block_id: str, label: str, preset: date | None) -> kit.Block:
    element = DatePickerElement(action_id=_VALUE, initial_date=preset.isoformat() if preset else None)
    return dict(InputBlock(block_id=block_id, label=kit.plain(label), element=element, optional=False).to_dict())


def _flows(flows: Sequence[Flow]) -> list[kit.Block]:
    options = [Option(value=flow.flow, text=kit.plain(clip(escape(flow.name), _OPTION))) for flow in flows[:_MOST]]
    if not options:
        return []
    if len(options) <= _GROUP:
        element = StaticMultiSelectElement(action_id=_VALUE, options=options)
    else:
        element = StaticMultiSelectElement(action_id=_VALUE, option_groups=grouped(options))
    block = InputBlock(
        block_id=FLOWS,
        label=kit.plain("Flows"),
        element=element,
        hint=kit.plain("Leave it empty for all of them, those that come later included."),
        optional=True,
    )
    return [dict(block.to_dict())]


def grouped(options: Sequence[Option]) -> list[OptionGroup]:
    """A menu takes a hundred options, or a hundred groups of a hundred."""
    chunks = [options[start : start + _GROUP] for start in range(0, len(options), _GROUP)]
    return [
        OptionGroup(label=kit.plain(f"{_letter(chunk[0])} to {_letter(chunk[-1])}"), options=list(chunk))
        for chunk in chunks
    ]


def _letter(option: Option) -> str:
    return str(option.value)[:20]
