"""One run, as ``/approvals show`` answers."""

from __future__ import annotations

from collections.abc import Iterator

from bot.slack.views import kit, words
from bot.slack.views.card import Shown
from bot.slack.views.request import summary
from bot.slack.views.words import NO_GROUPS, Groups
from flows.ids import Ids
from flows.plan import Plan, Shape, ancestors, indexes
from flows.run import Kind, Path, Place, StepRun, StepState
from flows.views import RunView, SuspensionView
from integrations.slack.text import clip, escape

_PART = 2_800  # characters
_ERROR = 200
_QUESTION = 150
_DEEP = 6  # levels that are set in; what is deeper stands under these
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
    StepState.RUNNING: ":arrow_down:",
    StepState.HELD: ":double_vertical_bar:",
    StepState.DROPPED: ":wastebasket:",
}
_WELL = (StepState.SUCCEEDED, StepState.SKIPPED)
_WAITS = {
    Kind.APPROVAL: "Waits",
    Kind.HOLD: "Waits",
    Kind.CALLBACK: "Waits for a machine",
    Kind.DELAY: "Waits for time",
    Kind.RERUN: "Waits for another round",
}


def show(view: RunView, ids: Ids, *, groups: Groups = NO_GROUPS) -> Shown:
    """How the run stands, its steps in order, what it waits for and what is in its way."""
    run = view.run
    facts = [
        f"*{escape(view.status)}*",
        f"asked by {words.who(view.person(run.requester))}",
        f"started {words.moment(run.started_at)}",
        f"`{ids.run(run.id)}`",
    ]
    blocks = [kit.header(view.plan.flow.name), kit.section("  ·  ".join(facts))]
    if halted := _halted(view):
        blocks.append(kit.context(halted))
    if run.ending is not None:
        by = words.those(view.person(person) for person in run.ending.by)
        text = f"*{run.ending.outcome.value.capitalize()}*{f' by {by}' if by else ''}, {words.moment(run.ending.at)}"
        if run.ending.reason:
            text += f"\n>{words.comment(run.ending.reason)}"
        blocks.append(kit.section(text))
    if steps := list(_steps(view)):
        more = "… and {} more" if not view.cut else "… and {} more of those that were looked at"
        blocks.append(kit.section(kit.fit(steps, _PART, more=more)[0]))
    if waits := [_wait(one, groups) for one in view.suspensions if one.open]:
        blocks.append(kit.section(kit.fit(waits, _PART)[0]))
    if view.troubled:
        lines = [f":warning: {words.line(one.what)}: {clip(words.line(one.error), 300)}" for one in view.troubled]
        blocks.append(kit.section(kit.fit(lines, _PART // 2)[0]))
    return Shown(escape(f"{view.plan.flow.name}: {view.status}"), blocks)


def _halted(view: RunView) -> str | None:
    """Why nothing new starts, where that is so."""
    run = view.run
    if run.ending is not None:
        return None
    if run.paused is not None:
        by = words.who(view.person(run.paused.by))
        return f":double_vertical_bar: Paused by {by}, {words.moment(run.paused.at)}: nothing new starts."
    limit = view.plan.flow.concurrency
    if run.place is Place.WANTED and limit is not None:
        runs = "1 run" if limit.limit == 1 else f"{limit.limit} runs"
        return f":hourglass_flowing_sand: Waits for its turn: its flow has at most {runs} under way at the same time."
    return None


# -- steps ------------------------------------------------------------------------------------------------------


def _steps(view: RunView) -> Iterator[str]:
    """The tree of step runs in the order of the flow. Of what loops have gone through, only what did not end well."""
    order = {plan.path: number for number, plan in enumerate(view.plan.steps)}
    for path in sorted(_told(view), key=lambda path: _place(view.plan, order, path)):
        step = view.steps[path]
        plan = view.plan.at(path)
        depth = min(sum(1 for _ in ancestors(view.plan, path)), _DEEP)
        name = words.line(plan.step.name if not depth else path)
        error = f": {clip(words.line(step.error), _ERROR)}" if step.error else ""
        yield f"{'     ' * depth}{_ICONS[step.state]} {name} ({step.state.value}{_progress(step, plan.shape)}){error}"


def _told(view: RunView) -> Iterator[Path]:
    for path, step in view.steps.items():
        # A row whose path ends in an index holds the output of an item or a round, and is no step's.
        if path.endswith("]"):
            continue
        if not indexes(path) or step.state not in _WELL:
            yield path


def _place(plan: Plan, order: dict[Path, int], path: Path) -> tuple[tuple[int, int], ...]:
    """Where a step run stands in the flow: the steps around it with the item or round, the outermost first."""
    around = [*reversed(list(ancestors(plan, path))), path]
    loops = indexes(path)
    return tuple((order[plan.at(one).path], loops.get(plan.at(one).path, ("", -1))[1]) for one in around)


def _progress(step: StepRun, shape: Shape) -> str:
    """How far a loop is."""
    inside = step.inside
    if inside is None or shape not in (Shape.LOOP, Shape.REPEAT):
        return ""
    if shape is Shape.REPEAT:
        return f", round {inside.next:,} of at most {inside.total:,}"
    return f", {inside.next - inside.active:,} of {inside.total:,} done"


# -- waits ------------------------------------------------------------------------------------------------------


def _wait(view: SuspensionView, groups: Groups) -> str:
    suspension = view.suspension
    how_far = words.standing(view, groups) if suspension.kind in (Kind.APPROVAL, Kind.HOLD) else None
    facts = ", ".join(filter(None, [how_far, words.until(view)]))
    asks = escape(summary(view, 200)) or words.line(suspension.path)
    lines = [f"*{_WAITS[suspension.kind]}:* {asks}{f' ({facts})' if facts else ''}"]
    if (risk := words.risk(view)) is not None:
        lines[0] += f"  {risk}"
    lines += [f">{words.question(view, one, _QUESTION)}" for one in view.questions if one.open]
    lines += [f">{each}" for each in words.stand_ins(view)]
    return "\n".join(lines)
