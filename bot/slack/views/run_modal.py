"""The modal that starts a run: the flow's inputs, and who will be asked, which is said before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from bot.slack.views import form_inputs, kit, words
from flows.definition import Flow
from flows.fields import FileField, SecretField
from flows.fields.base import BaseField
from flows.ports import Json
from flows.run import SECRET
from integrations.slack.text import clip, escape

RUN_FORM = "run_form"

LOOKING = "Looking up who will be asked…"
FIRST_STEP = "Who is asked depends on what you fill in. The next step says who it is."

_START = "Start"
_DESCRIPTION = 1_000  # characters


@dataclass(frozen=True, slots=True)
class Start:
    """What a modal is for: the flow, and where the answer goes. ``shown`` says for which inputs it was said who will be
    asked, None where it was not said yet. ``resubmits`` is the id of the run that is asked for anew."""

    flow: str
    channel: str | None = None
    shown: str | None = None
    resubmits: str | None = None

    def text(self) -> str:
        """For ``private_metadata``."""
        return json.dumps([self.flow, self.channel, self.shown, self.resubmits], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What ``text`` wrote, or None where this is none of ours."""
        try:
            flow, channel, shown, resubmits = json.loads(text)
        except (ValueError, TypeError):
            return None
        return cls(flow, channel, shown, resubmits) if isinstance(flow, str) else None


def run_modal(
    flow: Flow,
    start: Start,
    *,
    asked: str,
    ready: bool,
    given: Mapping[str, Json] | None = None,
    note: str | None = None,
) -> kit.Block:
    """The modal; the inputs have to be such as ``form_inputs.fits_modal``.

    ``asked`` says who will be asked, in Slack's markup; ``ready`` is whether it says all, so that sending it starts the
    run. ``given`` is what was filled in so far; ``note`` stands above it all, in plain words.
    """
    blocks = [kit.section(clip(f":warning: {escape(note)}", kit.SECTION))] if note else []
    blocks += _about(flow)
    if start.resubmits is not None:
        blocks.append(kit.context(f"A new version of `{start.resubmits}`, filled in as that one was."))
    blocks += form_inputs.inputs(flow.inputs, {}, given=given or {})
    blocks.append(kit.section(asked))
    return {
        "type": "modal",
        "callback_id": RUN_FORM,
        "private_metadata": start.text(),
        "title": kit.plain("Start a run" if start.resubmits is None else "Edit and resubmit"),
        "submit": kit.plain(_START if ready else "Next"),
        "close": kit.plain("Cancel"),
        "blocks": blocks,
    }


def as_before(flow: Flow, inputs: Mapping[str, Json]) -> dict[str, Json]:
    """What a run was started with, as far as it can stand in the modal of the flow as it is now: not secrets and files,
    nor what is longer than an input of Slack's holds, which would be cut."""
    return {
        field.name: inputs[field.name]
        for field in flow.inputs
        if field.name in inputs
        and not isinstance(field, SecretField)
        and not _holds_file(field)
        and not (isinstance(inputs[field.name], Mapping) and SECRET in inputs[field.name])
        and form_inputs.holds(inputs[field.name])
    }


def said_in(view: Mapping[str, Json]) -> tuple[str, bool]:
    """What a modal that came back said of who will be asked, and whether sending it starts the run."""
    return str(view["blocks"][-1]["text"]["text"]), view["submit"]["text"] == _START


def loading(flow: Flow) -> kit.Block:
    """What stands there until it is known whether this person may start the flow, and who will be asked."""
    blocks = [*_about(flow), kit.section(f":hourglass_flowing_sand: {LOOKING}")]
    return {"type": "modal", "title": kit.plain("Start a run"), "close": kit.plain("Cancel"), "blocks": blocks}


def elsewhere(flow: Flow, resubmits: str | None = None) -> str | None:
    """Why Slack cannot show the flow's inputs, and where to start it instead; None where it can. In Slack's markup.

    ``resubmits`` is the id of the run that is asked for anew.
    """
    if form_inputs.fits_modal(flow.inputs, {}):
        return None
    hidden = [field for field in flow.inputs if isinstance(field, SecretField) or _holds_file(field)]
    if hidden:
        what = "secrets and files, which Slack's forms cannot keep or take"
        named = f"{what}: {', '.join(clip(words.line(field.title), 80) for field in hidden[: words.PEOPLE])}"
    else:
        named = "more than Slack's forms have room for"
    inputs = " ".join(f"-i {field.name}=…" for field in flow.inputs if field.required)[:500]
    anew = f"--resubmits {resubmits}" if resubmits is not None else ""
    command = " ".join(filter(None, [f"signoff run {flow.flow}", inputs, anew]))
    return (
        f"*{words.line(flow.name)}* takes {named}. Nothing was started.\n"
        f"Start it on the command line instead, or through the API:\n`{command}`"
    )


def _about(flow: Flow) -> list[kit.Block]:
    text = f"*{words.line(flow.name)}*"
    if flow.description is not None and flow.description.strip():
        text += f"\n{clip(escape(flow.description.strip()), _DESCRIPTION)}"
    return [kit.section(text)]


def _holds_file(field: BaseField) -> bool:
    return isinstance(field, FileField) or any(map(_holds_file, field.inside))
