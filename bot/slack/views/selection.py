"""Several decided at once: the modal that shows them all and takes one answer, and what became of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from slack_sdk.models.blocks import InputBlock
from slack_sdk.models.blocks.basic_components import Option
from slack_sdk.models.blocks.block_elements import RadioButtonsElement

from bot.slack.reference import Reference
from bot.slack.views import kit, words
from bot.slack.views.reason_input import reason_input
from bot.slack.views.request import asked, title
from flows.ids import Ids
from flows.ports import Json
from flows.run import Kind, Verdict
from flows.views import SuspensionView
from integrations.slack.text import clip, escape

SELECTION = "decide_selected"
"""The modal's callback id."""

VERDICT = "-verdict"
"""The input's block id."""

TOO_LONG = "It is too long to be shown whole beside the others, so it is not decided with them. Open it by itself."

_ACTION = "verdict"
_TITLE = "Decide selected"
_BYTES = 230_000  # of a view Slack takes 250,000; the rest is for what stands around the requests
_LINE = 4_000  # bytes of the line that says why something is left out
_NAME = 100  # characters
_SENTENCE = 700
_WHY = 200


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was selected and is not decided with the others. ``why`` is in plain words; without a ``view``
    there is no such thing, for its reader."""

    view: SuspensionView | None
    why: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one: the sentence in Slack's markup, and whether the answer was counted."""

    view: SuspensionView | None
    counted: bool
    said: str


def selection_modal(views: Sequence[SuspensionView], ids: Ids, left_out: Sequence[LeftOut] = ()) -> kit.Block:
    """The modal. Each is shown whole, as its card would; what is too long for that is left out, and said to be."""
    # Two inputs, and a line for whatever is left out.
    lines = len(views) + len(left_out)
    shown, blocks, more = _fitting(views, kit.VIEW_BLOCKS - 2 - lines, _BYTES - lines * _LINE)
    if not shown:
        return notice("Nothing to decide", [*left_out, *more])
    blocks += _not_included([*left_out, *more])
    blocks += [_verdicts(shown), reason_input(required=False, hint="It goes with each answer.")]
    return {
        "type": "modal",
        "callback_id": SELECTION,
        "private_metadata": json.dumps([Reference.to(view).text(ids) for view in shown], separators=(",", ":")),
        "title": kit.plain(_TITLE),
        "submit": kit.plain("Decide" if len(shown) == 1 else f"Decide {len(shown)}"),
        "close": kit.plain("Back"),
        "blocks": blocks,
    }


def references(view: Mapping[str, Json], ids: Ids) -> list[Reference]:
    """What a modal that came back was about, with what was shown of each."""
    try:
        texts = json.loads(str(view.get("private_metadata") or ""))
        found = [Reference.parse(text, ids) for text in texts if isinstance(text, str)]
    except (ValueError, TypeError):
        return []
    return [reference for reference in found if reference is not None]


def verdict(view: Mapping[str, Json]) -> Verdict | None:
    """What was chosen in it."""
    state = view["state"]["values"].get(VERDICT, {}).get(_ACTION) or {}
    chosen = (state.get("selected_option") or {}).get("value")
    return Verdict(chosen) if chosen in (Verdict.APPROVE, Verdict.REJECT) else None


def loading(text: str) -> kit.Block:
    """What stands there meanwhile. ``text`` is in plain words."""
    return {
        "type": "modal",
        "title": kit.plain(_TITLE),
        "close": kit.plain("Close"),
        "blocks": [kit.section(f":hourglass_flowing_sand: {escape(text)}")],
    }


def results(found: Sequence[Result]) -> kit.Block:
    """What became of each, in their order."""
    counted = sum(one.counted for one in found)
    text = f"*{counted} of {len(found)} counted.*" if counted < len(found) else f"*All {counted} counted.*"
    blocks = [kit.section(text if len(found) > 1 or not counted else "*Counted.*")]
    for one in found:
        icon = ":white_check_mark:" if one.counted else ":warning:"
        blocks.append(kit.section(f"{icon} *{_name(one.view)}*\n{clip(one.said, _SENTENCE)}"))
    return {
        "type": "modal",
        "callback_id": "notice",
        "title": kit.plain("What became of them"),
        "close": kit.plain("Close"),
        "blocks": blocks,
    }


def notice(heading: str, left_out: Sequence[LeftOut]) -> kit.Block:
    """The modal where there is nothing to decide, with the reasons."""
    blocks = list(_not_included(left_out))
    return {
        "type": "modal",
        "callback_id": "notice",
        "title": kit.plain(heading),
        "close": kit.plain("Close"),
        "blocks": blocks or [kit.section("Nothing is selected. Tick what you want to decide, then press this again.")],
    }


def _fitting(
    views: Sequence[SuspensionView], blocks: int, room: int
) -> tuple[list[SuspensionView], list[kit.Block], list[LeftOut]]:
    """Those that can be shown whole in so many blocks and bytes, these blocks, and those that cannot."""
    shown: list[SuspensionView] = []
    drawn: list[kit.Block] = []
    left_out: list[LeftOut] = []
    for view in views:
        request = asked(view)
        mine = [kit.context(_about(len(shown) + 1, view)), *request.blocks]
        size = len(json.dumps(mine))
        if request.cut or size > room or len(mine) > blocks:
            left_out.append(LeftOut(view, TOO_LONG))
            continue
        room -= size
        blocks -= len(mine)
        shown.append(view)
        drawn += mine
    return shown, drawn, left_out


def _about(number: int, view: SuspensionView) -> str:
    parts = [
        f"*{number}. {_name(view)}*",
        f"asked by {words.who(view.requester)}",
        words.risk(view),
        words.progress(view),
        words.until(view),
        "_it has a form: fill that in by itself_" if view.request.form else None,
        "_it asks for a choice: choose by itself_" if view.options else None,
    ]
    return "  ·  ".join(filter(None, parts))


def _name(view: SuspensionView | None) -> str:
    return clip(words.line(title(view)), _NAME) if view is not None else "Not there any more"


def _not_included(left_out: Sequence[LeftOut]) -> Iterator[kit.Block]:
    for one in left_out:
        yield kit.context(f":warning: *{_name(one.view)}*: {clip(escape(one.why), _WHY)}")


def _verdicts(views: Sequence[SuspensionView]) -> kit.Block:
    """Approve or Reject, neither of them chosen beforehand. A hold is resumed by the first, and cannot be rejected."""
    holds = sum(view.suspension.kind is Kind.HOLD for view in views)
    yes = "Approve" if not holds else "Resume" if holds == len(views) else "Approve, and resume what is on hold"
    options = [Option(value=Verdict.APPROVE.value, text=kit.plain(yes))]
    if holds < len(views):
        options.append(Option(value=Verdict.REJECT.value, text=kit.plain("Reject")))
    block = InputBlock(
        block_id=VERDICT,
        label=kit.plain("Your answer to all of them"),
        element=RadioButtonsElement(action_id=_ACTION, options=options),
        optional=False,
    )
    return dict(block.to_dict())
