"""What the rows of a run mean, said a second time: for laws, which share nothing with what they judge.

``outline`` reads the tree from the definition; ``Opinion`` reads values, conditions, outputs and endings from the rows,
all of them, without slices and without anything that was worked out beforehand. It understands the expressions that
``random_flows`` writes, and no others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.definition import Approval, Callback, Flow, Hold, Range, Step, word_of
from flows.people import PersonId
from flows.run import Close, Run, StepRun, StepState, Suspension, Verdict
from tests.flows.random_flows import WRONG
from tests.flows.test_quorum_oracle import Oracle

HANDLERS = ("on_open", "on_timeout", "on_reject", "on_error")
ANYTHING = object()
"""A value on which there is no second opinion."""


class Wrong(Exception):
    """The expression has no value."""


@dataclass(frozen=True)
class Where:
    """Where a step stands in a definition. ``owner`` and ``scope`` are plan paths, ``siblings`` those of its block."""

    step: Step
    path: str
    owner: str | None
    block: str
    siblings: tuple[str, ...]
    scope: str | None

    @property
    def last(self) -> bool:
        return self.siblings[-1] == self.path

    @property
    def loops(self) -> bool:
        return self.step.for_each is not None or self.step.repeat is not None


def outline(flow: Flow, children: Mapping[str, Flow]) -> dict[str, Where]:
    """Every step of a flow and of those in it, by its plan path."""
    found: dict[str, Where] = {}

    def block(steps: Sequence[Step], owner: str | None, name: str, scope: str | None) -> None:
        before = "".join(f"{part}." for part in (owner, name) if part)
        siblings = tuple(f"{before}{step.id}" for step in steps)
        for step, path in zip(steps, siblings, strict=True):
            found[path] = Where(step, path, owner, name, siblings, scope)
            for inner, held in step.blocks.items():
                block(held, path, inner, scope)
            if step.flow is not None:
                child = children[step.flow]
                for inner, held in child.blocks.items():
                    block(held, path, "flow_on_error" if inner == "on_error" else inner, path)

    for name, steps in flow.blocks.items():
        block(steps, None, name, None)
    return found


def bare(path: str) -> str:
    """The plan path of a step run's path."""
    return re.sub(r"\[\d+\]", "", path)


def below(path: str, holder: str) -> bool:
    return path.startswith((f"{holder}.", f"{holder}["))


@dataclass
class Opinion:
    """One run as its rows stand, and what they mean."""

    flow: Flow
    children: Mapping[str, Flow]
    places: Mapping[str, Where]
    run: Run
    steps: Mapping[str, StepRun]
    suspensions: Mapping[int, Suspension]
    votes: Mapping[int, Mapping[PersonId, Any]] = field(default_factory=dict)

    # -- the tree -----------------------------------------------------------------------------------------------

    def place(self, path: str) -> Where:
        return self.places[bare(path)]

    def holder(self, path: str) -> tuple[str | None, int | None]:
        """The step run around this one, None for the run; and the item or round in it."""
        place = self.place(path)
        rest = path.removesuffix(place.step.id).removesuffix(".").removesuffix(place.block).removesuffix(".")
        if place.owner is None:
            return None, None
        match = re.fullmatch(r"(.*)\[(\d+)\]", rest) if not place.block and self.places[place.owner].loops else None
        return (match[1], int(match[2])) if match else (rest, None)

    def inside(self, path: str) -> list[str]:
        """Everything below a step run, without the rows of a loop's items themselves."""
        return [one for one in self.steps if below(one, path) and not one.endswith("]")]

    def block(self, path: str | None, name: str, index: int | None = None) -> list[str]:
        """The paths that a block's steps have, whether they ran or not."""
        plan = None if path is None else bare(path)
        before = path or ""
        if index is not None:
            before += f"[{index}]"
        for place in self.places.values():
            if place.owner == plan and place.block == name:
                start = "".join(f"{part}." for part in (before, name) if part)
                return [start + one.rpartition(".")[2] for one in place.siblings]
        return []

    def flow_of(self, path: str | None) -> Flow:
        """The flow whose steps stand in the run, or below a step that runs a child flow."""
        return self.flow if path is None else self.children[self.place(path).step.flow or ""]

    def instance(self, target: str, seen_from: str) -> str:
        """The step run that is meant by a plan path: of the same item, in the same round."""
        parts, found = seen_from.split("."), []
        rest = target.split(".")
        while parts and len(rest) > 1 and bare(parts[0]) == rest[0]:
            found.append(parts.pop(0))
            rest.pop(0)
        return ".".join([*found, *rest])

    def named(self, name: str, seen_from: str) -> str:
        """The path of ``steps.<name>``, seen from a step run."""
        scope = self.place(seen_from).scope
        (target,) = (one.path for one in self.places.values() if one.scope == scope and one.step.id == name)
        return self.instance(target, seen_from)

    # -- how steps ended ----------------------------------------------------------------------------------------

    def complete(self, block: Sequence[str]) -> bool:
        """Whether all steps of a block have run, and the last one let it go on. An empty block is."""
        return all(one in self.steps and self.left(one) for one in block)

    def left(self, path: str) -> bool:
        """Whether a step has ended in a way that lets what follows begin."""
        row, step = self.steps[path], self.waited(path)
        for name in HANDLERS[1:]:
            block = self.block(path, name)
            if block and block[0] in self.steps and not self.complete(block):
                return False  # what was to mend it has stopped itself
        match row.state:
            case StepState.SUCCEEDED | StepState.SKIPPED | StepState.DROPPED:
                return True
            case StepState.FAILED:
                name, word = "on_error", word_of(self.place(path).step.on_error)
            case StepState.REJECTED:
                name, word = "on_reject", word_of(step.approval.on_reject if step.approval else step.on_reject)
            case StepState.EXPIRED:
                waits = step.suspending
                name, word = "on_timeout", word_of(waits.on_timeout if waits else step.on_timeout)
            case _:
                return False
        return word == "continue" and self.complete(self.block(path, name))

    def waited(self, path: str) -> Step:
        """The step as it waits: with what its function asked for, if it did."""
        n = self.steps[path].suspension
        opened = self.suspensions.get(n) if n is not None else None
        if opened is None or opened.spec is None:
            return self.place(path).step
        return Step.model_validate({"id": "made", **opened.spec})

    def wait(self, suspension: Suspension) -> Approval | Hold | Callback | None:
        if suspension.kind in ("delay", "rerun"):
            return None
        if suspension.spec is not None:
            return Step.model_validate({"id": "made", **suspension.spec}).suspending
        return self.place(suspension.path).step.suspending

    # -- values -------------------------------------------------------------------------------------------------

    def inputs(self, path: str) -> Mapping[str, Any]:
        scope = self.place(path).scope
        if scope is None:
            return self.run.inputs
        holder = ".".join(path.split(".")[: scope.count(".") + 1])
        given = self.steps[holder].context
        assert given is not None
        return given

    def value(self, text: str, path: str) -> Any:
        """What an expression gives, seen from a step run; ``ANYTHING`` where nobody knows better than the engine."""
        match text.split("."):
            case ["inputs", name]:
                return self.inputs(path)[name]
            case ["steps", name, "output"]:
                return self.output(self.named(name, path))
            case ["steps", name, "approved"]:
                closing = self._closing(self.named(name, path))
                return None if closing is None else closing in (Close.APPROVED, Close.RESUMED)
            case ["index"]:
                return self._loops(path)[-1][1]
            case ["item"]:
                loop, index = [one for one in self._loops(path) if self.place(one[0]).step.for_each is not None][-1]
                return self.items(loop)[index]
            case ["loops", name, "index"]:
                return next(at for one, at in self._loops(path) if self.place(one).step.id == name)
            case ["error", _] | ["run", _]:
                return ANYTHING
        raise AssertionError(f"no second opinion on {text!r}")

    def rendered(self, template: Any, path: str) -> Any:
        """What a template of one expression gives; text without one is itself."""
        match = re.fullmatch(r"\{\{ (.*) \}\}", template) if isinstance(template, str) else None
        if match is None:
            return template
        if match[1] == WRONG:
            raise Wrong(match[1])
        if match[1].startswith("not "):
            return not self.value(match[1].removeprefix("not "), path)
        return self.value(match[1], path)

    def holds(self, text: str, path: str) -> bool:
        """Whether a condition is true, seen from a step run."""
        if text == WRONG:
            raise Wrong(text)
        if text in ("true", "false"):
            return text == "true"
        if text == "approvers | length > 0":
            return self._approved_before(path) > 0
        for word, truth in ((" is none", True), (" is not none", False)):
            if text.endswith(word):
                return (self.value(text.removesuffix(word), path) is None) is truth
        match = re.fullmatch(r"index (==|>=|>) (\d+)", text)
        if match:
            index = self.value("index", path)
            return {"==": index == int(match[2]), ">=": index >= int(match[2]), ">": index > int(match[2])}[match[1]]
        if text.startswith("not "):
            return not self.value(text.removeprefix("not "), path)
        return bool(self.value(text, path))

    def items(self, path: str) -> list[Any]:
        """What a loop goes over."""
        each = self.place(path).step.for_each
        match each:
            case Range(from_=int(low), to=high):
                last = high if isinstance(high, int) else 2  # "[1, 2] | length"
                return list(range(low, last + 1))
            case str() if each.startswith("["):
                return list(ast.literal_eval(each))
            case str():
                found = self.value(each.removesuffix(" or []"), path)
                if each.endswith(" or []"):
                    found = found or []
                if not isinstance(found, list):
                    raise Wrong(each)
                return found
            case _:
                return [self.rendered(item, path) for item in each or ()]

    def output(self, path: str) -> Any:
        """What a step came to; of one that holds others, what those inside did."""
        row = self.steps.get(path)
        if row is None:
            return None
        step = self.place(path).step
        if not step.holds_steps or step.flow is not None or row.state is StepState.SKIPPED or row.inside is None:
            return row.output  # of what was stopped, nothing is said
        if step.for_each is not None or step.repeat is not None:
            begun = range(row.inside.next)
            outputs = [self._turn(path, index) for index in (begun if step.for_each is not None else begun[-1:])]
            return outputs if step.for_each is not None else (outputs or [None])[0]
        if step.output is not None:
            return row.output
        if step.parallel:
            return {name: self.output(self.block(path, name)[-1]) for name in step.parallel}
        chosen = self.chosen(path)
        return None if chosen is None else self.output(self.block(path, chosen)[-1])

    def _turn(self, path: str, index: int) -> Any:
        if self.place(path).step.output is None:
            return self.output(self.block(path, "", index)[-1])
        row = self.steps.get(f"{path}[{index}]")
        return None if row is None else row.output

    def chosen(self, path: str) -> str | None:
        """The branch of an ``if`` or ``switch`` that ran."""
        names = [name for name in self.place(path).step.blocks if name not in HANDLERS]
        found = [name for name in names if self.block(path, name)[0] in self.steps]
        assert len(found) <= 1, f"{path} took {found}"
        return found[0] if found else None

    def _loops(self, path: str) -> list[tuple[str, int]]:
        """The loops around a step run, or around the end of a round (``poll[0]``), the innermost last."""
        return [(path[: match.start()], int(match[0][1:-1])) for match in re.finditer(r"\[\d+\]", path)]

    def _closing(self, path: str) -> Close | None:
        row = self.steps.get(path)
        one = self.suspensions.get(row.suspension) if row is not None and row.suspension is not None else None
        return one.closing.how if one is not None and one.closing is not None else None

    def _approved_before(self, path: str) -> int:
        place = self.place(path)
        before = place.siblings[place.siblings.index(place.path) - 1]
        row = self.steps.get(self.instance(before, path))
        votes = self.votes.get(row.suspension, {}) if row is not None and row.suspension is not None else {}
        return sum(vote.verdict is not Verdict.REJECT for vote in votes.values())


@dataclass(frozen=True)
class Vote:
    """What somebody said, and through which groups they could."""

    verdict: Verdict
    option: str | None = None
    comment: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Settled:
    how: Close
    by: frozenset[PersonId]
    option: str | None = None


def settled(
    wait: Approval | Hold,
    votes: Mapping[PersonId, Vote],
    behind: Mapping[str, frozenset[PersonId]],
    everybody: int,
    gone: frozenset[PersonId] = frozenset(),
) -> Settled | None:
    """What these votes come to. ``behind`` are those behind each handle of a person as written; ``everybody`` is how
    many ``all`` takes. Who was ``gone`` before they answered fills no seat of their own, whatever group they come back
    in."""
    if isinstance(wait, Hold):
        return Settled(Close.RESUMED, frozenset(votes)) if votes else None
    against = {who: vote for who, vote in votes.items() if vote.verdict is Verdict.REJECT}
    vetoed = {who for who, vote in against.items() if _stands_for(wait.veto, who, vote, behind)}
    if vetoed:
        return Settled(Close.REJECTED, frozenset(vetoed))
    if len(against) >= wait.reject_after:
        return Settled(Close.REJECTED, frozenset(against))
    for option in [one.name for one in wait.options] or [None]:
        yes = {who: vote for who, vote in votes.items() if vote.verdict is Verdict.APPROVE and vote.option == option}
        match wait.quorum:
            case int() as number:
                enough = len(yes) >= number
            case "any":
                enough = len(yes) >= 1
            case "all":
                enough = len(yes) >= everybody
            case rule:
                there = {handle: people - gone for handle, people in behind.items()}
                seats = {
                    handle: frozenset(who for who, vote in yes.items() if _stands_for([handle], who, vote, there))
                    for handle in rule.handles
                }
                enough = Oracle(seats, frozenset(yes)).fewest_used(rule.model_dump(mode="json")) is not None
        if enough:
            return Settled(Close.APPROVED, frozenset(yes), option)
    return None


def _stands_for(handles: Sequence[str], who: PersonId, vote: Vote, behind: Mapping[str, frozenset[PersonId]]) -> bool:
    return any(who in behind.get(handle, ()) or handle in vote.groups for handle in handles)


def paths_around(path: str) -> Iterator[str]:
    """Every path that might be a step run around this one."""
    for match in re.finditer(r"[.\[]", path):
        yield path[: match.start()]
