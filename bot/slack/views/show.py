"""One run, as ``/approvals show`` answers."""

from __future__ import annotations

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from bot.slack.views.request import summary
from flows.ids import Ids
from flows.run import StepState
from flows.views import RunView
from integrations.slack.text import clip, escape

_PART = 2_800  # characters
_ICONS = {
    StepState.ACTING: ":gear:",
    StepState.RESOLVING: ":mag:",
    StepState.SUSPENDED: ":hourglass_flowing_sand:",
    StepState.SUCCEEDED: ":white_check_mark:",
    StepState.SKIPPED: ":fast_forward:",
    StepState.REJECTED: ":x:",
    StepState.EXPIRED: ":hourglass:",
    StepState.CANCELLED: ":no_entry_sign:",
    StepState.FAILED: ":warning:",
}


def show(view: RunView, ids: Ids) -> Shown:
    """How the run stands, its steps in order, what it waits for and what is in its way."""
    run = view.run
    facts = [
        f"*{escape(view.status)}*",
        f"asked by {words.who(view.person(run.requester))}",
        f"started {words.moment(run.started_at)}",
        f"`{ids.run(run.id)}`",
    ]
    blocks = [kit.header(view.plan.flow.name), kit.section("  ·  ".join(facts))]
    if run.ending is not None:
        by = words.those(view.person(person) for person in run.ending.by)
        text = f"*{run.ending.outcome.value.capitalize()}*{f' by {by}' if by else ''}, {words.moment(run.ending.at)}"
        if run.ending.reason:
            text += f"\n>{words.comment(run.ending.reason)}"
        blocks.append(kit.section(text))
    if steps := _steps(view):
        blocks.append(kit.section(kit.fit(steps, _PART)[0]))
    if waits := _waits(view):
        blocks.append(kit.section(kit.fit(waits, _PART)[0]))
    if view.troubled:
        lines = [f":warning: {words.line(one.what)}: {clip(words.line(one.error), 300)}" for one in view.troubled]
        blocks.append(kit.section(kit.fit(lines, _PART // 2)[0]))
    return Shown(escape(f"{view.plan.flow.name}: {view.status}"), blocks)


def _steps(view: RunView) -> list[str]:
    lines = []
    for plan in view.plan.steps:
        step = view.steps.get(plan.path)
        if step is not None:
            error = f": {clip(words.line(step.error), 200)}" if step.error else ""
            lines.append(f"{_ICONS[step.state]} {words.line(plan.step.name)} ({step.state.value}){error}")
    return lines


def _waits(view: RunView) -> list[str]:
    lines = []
    for one in view.suspensions:
        if one.open and one.step.wait is not None:
            until = f", until {words.moment(one.suspension.due)}" if one.suspension.due else ""
            lines.append(f"*Waits:* {escape(summary(one, 200))} ({words.progress(one)}{until})")
    return lines
