"""The modal in which somebody who is asked chooses when they want to hear of it again; and which times there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.basic_components import Option
from slack_sdk.models.blocks.block_elements import RadioButtonsElement

from bot.slack.views import kit, modal, words
from bot.slack.views.request import summary
from flows.ids import Ids
from flows.ports import Json
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

SNOOZE_FORM = "snooze"
UNTIL = "-until"
"""The block id of the input."""

_ACTION = "until"
_ASK = 500
_AFTERNOON = time(14)
_MORNING = time(9)
_NOT_AT_ALL = "none"


@dataclass(frozen=True, slots=True)
class Choice:
    """A time that is offered, in UTC, and what it is called where its reader is."""

    at: datetime
    title: str


def choices(now: datetime, tz: str | None, due: datetime | None) -> list[Choice]:
    """In an hour, this afternoon, tomorrow and on Monday, by the reader's clock (UTC where ``tz`` is unknown).

    Only what is before the deadline, and each instant once.
    """
    zone = _zone(tz)
    local = now.astimezone(zone)
    day = local.date()
    offered = [
        ("In an hour", (local + timedelta(hours=1)).replace(second=0, microsecond=0)),
        ("This afternoon", datetime.combine(day, _AFTERNOON, zone)),
        ("Tomorrow", datetime.combine(day + timedelta(days=1), _MORNING, zone)),
        ("Monday", datetime.combine(day + timedelta(days=7 - day.weekday()), _MORNING, zone)),
    ]
    found: dict[datetime, str] = {}
    for name, at in offered:
        if at > local + timedelta(minutes=30) and (due is None or at < due) and at.astimezone(UTC) not in found:
            found[at.astimezone(UTC)] = f"{name}, {at:%H:%M}" if at.date() == day else f"{name}, {at:%a %d %b %H:%M}"
    return [Choice(at, title) for at, title in found.items()]


def snooze_modal(
    view: SuspensionView, origin: modal.Origin, ids: Ids, offered: Sequence[Choice], until: datetime | None
) -> kit.Block:
    """The modal. ``until`` is what its reader has chosen before, where that is still to come."""
    ask = clip(escape(summary(view, _ASK)), _ASK) or "_Nothing was written here._"
    blocks = [kit.section(ask)]
    if until is not None:
        blocks.append(kit.context(f"You are reminded {words.moment(until)} now. What you choose replaces that."))
    options = [Option(value=str(int(one.at.timestamp())), text=kit.plain(one.title)) for one in offered]
    if until is not None:
        options.append(Option(value=_NOT_AT_ALL, text=kit.plain("Like everybody else")))
    submit = {}
    if options:
        blocks.append(_input(options))
        blocks.append(kit.context("Until then nothing reminds you of this. You can decide it at any time."))
        submit = {"submit": kit.plain("Remind me then")}
    else:
        due = f": {words.moment(view.suspension.due)}" if view.suspension.due is not None else ""
        blocks.append(kit.section(f"There is no time to put it off: its deadline is near{due}."))
    return {
        "type": "modal",
        "callback_id": SNOOZE_FORM,
        "private_metadata": origin.text(ids),
        "title": kit.plain("Remind me later"),
        **submit,
        "close": kit.plain("Back"),
        "blocks": blocks,
    }


def chosen(state: Mapping[str, Mapping[str, Json]]) -> datetime | None:
    """The time that was chosen; None for none any more. ``state`` is ``view.state.values``."""
    selected = state.get(UNTIL, {}).get(_ACTION, {}).get("selected_option") or {}
    value = str(selected.get("value") or "")
    return datetime.fromtimestamp(int(value), UTC) if value.isdecimal() and len(value) <= 11 else None


def _input(options: Sequence[Option]) -> kit.Block:
    element = RadioButtonsElement(action_id=_ACTION, options=list(options), initial_option=options[0])
    block = InputBlock(block_id=UNTIL, label=kit.plain("When"), element=element, optional=False)
    return dict(block.to_dict())


def _zone(tz: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(tz or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
