"""Random flows of every shape, for laws to be held against. Each is one that ``signoff check`` takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from flows.definition import Flow

ANN, BOB, CAY, DAN, EVE, ZOE = (f"{name}@example.com" for name in ("ann", "bob", "cay", "dan", "eve", "zoe"))
PEOPLE = (ANN, BOB, CAY, DAN, EVE, ZOE)
ADMIN, TEAM, NOBODY = ZOE, "@team", "gone@example.com"

WRONG = "inputs.who > 1"
"""An expression that cannot be evaluated: a text is not compared with a number."""

Written = dict[str, Any]


@dataclass(frozen=True)
class Sight:
    """What may be read where a step stands, and whether people and machines may be waited for there."""

    outputs: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()
    loops: tuple[tuple[str, str], ...] = ()
    """The loops around, the innermost last: the id, and what its items are (``people``, ``values``, or ``rounds``)."""
    answered: bool = False
    """Whether the step just before is a wait for people, which the shorthands then mean."""
    mends: bool = False
    """Whether ``error`` may be read."""
    ends: bool = False
    attended: bool = True
    depth: int = 0

    def inside(self, **changes: Any) -> Sight:
        return replace(self, depth=self.depth + 1, answered=False, **changes)

    def and_of(self, other: Sight) -> Sight:
        """The same, where what may be read in ``other`` may be read too: it is a block that lies before."""
        outputs, waits = dict.fromkeys([*self.outputs, *other.outputs]), dict.fromkeys([*self.waits, *other.waits])
        return replace(self, outputs=tuple(outputs), waits=tuple(waits))


@dataclass
class Author:
    """Writes one flow and its child flows."""

    chance: Random
    left: int
    """How many steps may still be written. A step that holds others may hold some more."""
    children: dict[str, Flow] = field(default_factory=dict)
    _number: int = 0

    def write(self) -> tuple[Flow, dict[str, Flow]]:
        limit = self._of(None, None, None, {"limit": 1}, {"limit": 1, "while_waiting": "keep"}, {"limit": 2})
        flow = self._flow(
            "drawn",
            depth=0,
            concurrency=limit,
            supersede=self._of(None, None, None, "{{ inputs.who }}"),
        )
        return flow, self.children

    # -- flows --------------------------------------------------------------------------------------------------

    def _flow(self, name: str, *, depth: int, **more: Any) -> Flow:
        inputs: list[Written] = [{"name": "who", "type": "string"}, {"name": "flag", "type": "boolean"}]
        if depth == 0:
            inputs.append({"name": "list", "type": "json"})
        start = Sight(depth=depth)
        steps, seen = self._block(start, 2, 5)
        written = {"flow": name, "inputs": inputs, "steps": steps, **more}
        if self._one_in(3):
            written["on_error"], _ = self._block(seen.inside(attended=False, mends=True, ends=True), 1, 2)
        if self._one_in(2):
            written["finally"], _ = self._block(seen.inside(attended=False, ends=True), 1, 2)
        if self._one_in(3):
            written["timeout"] = self._of("30s", "3h", "9d", "9d", "9d")
        if self._one_in(2):
            written["outputs"] = {"last": f"{{{{ {self._of(*self._values(replace(seen, answered=False)))} }}}}"}
        if self._one_in(25):
            written["outputs"] = {"last": f"{{{{ {WRONG} }}}}"}
        return Flow.model_validate({key: value for key, value in written.items() if value is not None})

    def _child_flow(self, depth: int) -> str:
        if self.children and (self.left <= 0 or self._one_in(3)):
            return self._of(*self.children)
        self._number += 1
        name = f"flow{self._number}"
        # Kept when it is whole, so that none runs itself.
        self.children[name] = self._flow(name, depth=depth)
        return name

    # -- blocks and steps ---------------------------------------------------------------------------------------

    def _block(self, sight: Sight, least: int, most: int) -> tuple[list[Written], Sight]:
        """Some steps, and what may be read after them."""
        steps = []
        for _ in range(self.chance.randint(least, most)):
            step, sight = self._step(sight)
            steps.append(step)
            if self.left <= 0 and len(steps) >= least:
                break
        return steps, sight

    def _step(self, sight: Sight) -> tuple[Written, Sight]:
        self.left -= 1
        kinds = ["action"] * 4 + ["delay"]
        if sight.attended:
            kinds += ["approval"] * 6 + ["hold", "callback", "callback", "function", "function", "sends", "acts_asks"]
        if self.left > 0 and sight.depth < 3:
            kinds += ["branch", "branch", "switch", "loop", "loop", "loop", "parallel", "parallel", "repeat"]
            kinds += ["child", "child"] * sight.attended
        kind = self._of(*kinds)
        self._number += 1
        name = f"{kind}{self._number}"
        step: Written = {"id": name}
        condition = self._of(*[None] * 8, *self._conditions(sight))
        if condition is not None:
            step["if"] = condition
        after: Sight = getattr(self, f"_{kind}")(step, sight)
        if step.get("uses") or step.get("run"):
            step["retry"] = {"max": self._of(0, 0, 1, 2)}
        waits = any(key in step for key in ("approval", "hold", "callback", "delay"))
        if (not waits or "uses" in step or self._one_in(4)) and self._one_in(4):
            step["on_error"] = self._handler(after, ("fail", "continue"), mends=True, reads=name)
        after = replace(after, outputs=(*after.outputs, name), answered="approval" in step or "hold" in step)
        if any(key in step for key in ("approval", "hold")):
            after = replace(after, waits=(*after.waits, name))
        return step, after

    # -- steps that hold none -----------------------------------------------------------------------------------

    def _action(self, step: Written, sight: Sight) -> Sight:
        step["uses"] = "log"
        step["with"] = {"want": self._of("name", "name", "nothing", "list")}
        for label in ("one", "two"):
            if self._one_in(2):
                step["with"][label] = f"{{{{ {self._of(*self._values(sight))} }}}}"
        return sight

    def _function(self, step: Written, sight: Sight) -> Sight:
        step["run"] = "world:work"
        if self._one_in(4):
            step["approval"] = self._approval_of(sight, step["id"])
        return sight

    def _delay(self, step: Written, sight: Sight) -> Sight:
        step["delay"] = self._of("10s", "1h", "2026-01-05T09:00:30Z", "2020-01-01T00:00:00Z")
        return sight

    def _approval(self, step: Written, sight: Sight) -> Sight:
        step["approval"] = self._approval_of(sight, step["id"])
        return sight

    def _acts_asks(self, step: Written, sight: Sight) -> Sight:
        self._action(step, sight)
        return self._approval(step, sight)

    def _sends(self, step: Written, sight: Sight) -> Sight:
        """Its wait opens before its action, which gives the links away."""
        if self._one_in(2):
            step["uses"] = "slack.request_approval"
            return self._approval(step, sight)
        step |= {"uses": "log", "with": {"want": "nothing", "link": "{{ links.resume }}"}}
        return self._callback(step, sight)

    def _hold(self, step: Written, sight: Sight) -> Sight:
        step["hold"] = {
            "by": self._of([], self._handles(sight)),
            "form": self._form(),
            **self._waiting(sight, step["id"], ("end", "fail", "continue")),
        }
        return sight

    def _callback(self, step: Written, sight: Sight) -> Sight:
        step["callback"] = self._waiting(sight, None, ("end", "fail", "continue"))
        if self._one_in(3):
            step["callback"]["schema"] = {"type": "object", "required": ["ok"]}
        return sight

    def _approval_of(self, sight: Sight, name: str) -> Written:
        handles = self._handles(sight)
        nested, several = self._one_in(4), len({*handles} - {NOBODY}) > 1
        wait = {
            "ask": "May {{ inputs.who }}?",
            "approvers": handles[:1] if nested else handles,
            "quorum": self._rule(sight, 2) if nested else self._of(1, 1, "any", "all", *[2] * several * 3),
            "self_approval": self._of(False, False, True),
            "form": self._form(),
            "reject_after": self._of(1, 1, 1, 1 + (several and not nested)),
            "veto": self._of([], [], [], [BOB], [TEAM]),
            "options": self._of([], [], [], ["red", "blue"]),
            "reason": self._of("never", "never", "never", "reject", "both"),
            "form_on": self._of("approve", "approve", "both"),
            "pre_approval": self._of("refuse", "allow", "allow"),
            "on_reject": self._handler(sight, ("end", "fail", "continue"), waits=name),
            **self._waiting(sight, name, ("end", "fail", "continue", "approve")),
        }
        if self._one_in(4):
            wait["via"] = self._of("none", ["gmail"], [{"slack": "#ship"}])
        return wait

    def _waiting(self, sight: Sight, name: str | None, words: Sequence[str]) -> Written:
        """What all waits have; ``name`` is that of a wait for people, whose handlers may read what they said."""
        wait: Written = {
            "timeout": self._of("10s", "1h", "2d", "2d"),
            "on_timeout": self._handler(sight, words, waits=name),
        }
        if self._one_in(4):
            wait["show"] = {"before": f"{{{{ {self._of(*self._values(replace(sight, answered=False)))} }}}}"}
        if self._one_in(4) and self.left > 0:
            wait["on_open"], _ = self._block(sight.inside(attended=False), 1, 2)
        return wait

    def _form(self) -> list[Written]:
        note = {"name": "note", "type": "string"}
        return self._of([], [], [], [note], [{**note, "default": "{{ inputs.who }}"}])

    def _handles(self, sight: Sight) -> list[str]:
        known = [ANN, BOB, BOB, CAY, CAY, DAN, TEAM, TEAM, NOBODY, "{{ inputs.who }}"]
        if sight.loops and sight.loops[-1][1] == "people":
            known += ["{{ item }}"] * 3
        return list(dict.fromkeys(self.chance.choices(known, k=self.chance.randint(2, 5))))

    def _rule(self, sight: Sight, levels: int) -> Written:
        items: list[Any] = list(dict.fromkeys(self._handles(sight)))[:3]
        if levels > 1 and self._one_in(2):
            items.append(self._rule(sight, levels - 1))
        kind = self._of("all", "any", "at_least")
        if kind == "at_least":
            return {"at_least": self._of(1, 2), "of": items}
        return {kind: items[:2] if kind == "all" else items}

    def _handler(
        self,
        sight: Sight,
        words: Sequence[str],
        *,
        mends: bool = False,
        waits: str | None = None,
        reads: str | None = None,
    ) -> Any:
        """A word, or steps and a word."""
        word = self._of(*words, "continue", "continue")
        if self.left <= 0 or not self._one_in(3):
            return word
        inner = sight.inside(mends=mends)
        if waits is not None:
            inner = replace(inner, waits=(*inner.waits, waits))
        if reads is not None:
            inner = replace(inner, outputs=(*inner.outputs, reads))
        steps, _ = self._block(inner, 1, 2)
        return {"steps": steps, "then": word}

    # -- steps that hold others ---------------------------------------------------------------------------------

    def _branch(self, step: Written, sight: Sight) -> Sight:
        step.setdefault("if", self._of("true", *self._conditions(sight)))
        step["then"], after = self._block(sight.inside(), 1, 2)
        if self._one_in(2):
            step["else"], other = self._block(sight.inside(), 1, 2)
            after = after.and_of(other)
        return self._caught(step, sight, after)

    def _switch(self, step: Written, sight: Sight) -> Sight:
        step["switch"] = self._of("inputs.flag", "inputs.who", *self._values(replace(sight, answered=False)))
        step["cases"], after = {}, sight
        blocks = ["true", "1", "default"][: self.chance.randint(1, 3)]
        for name in blocks:
            steps, seen = self._block(sight.inside(), 1, 2)
            if name == "default":
                step["default"] = steps
            else:
                step["cases"][name] = steps
            after = after.and_of(seen)
        return self._caught(step, sight, after)

    def _loop(self, step: Written, sight: Sight) -> Sight:
        items, kind = self._of(
            ([BOB, CAY], "people"),
            ([BOB, "{{ inputs.who }}", DAN], "people"),
            ("[1, 2, 3]", "values"),
            ("inputs.list" if sight.depth == 0 else "[5]", "values"),
            ("[]", "values"),
            ({"from": 1, "to": self._of(1, 4)}, "values"),
            ({"from": 0, "to": "[1, 2] | length"}, "values"),
            *[(f"steps.{one}.output or []", "values") for one in sight.outputs[-1:] if one.startswith("action")],
        )
        if self._one_in(25):
            items = "inputs.who"
        step |= {"for_each": items, "concurrency": self._of(1, 1, 2, 3), "fail_fast": self._of(True, False)}
        body = sight.inside(loops=(*sight.loops, (step["id"], kind)))
        step["steps"], after = self._block(body, 1, 3)
        if self._one_in(3):
            step["output"] = f"{{{{ {self._of(*self._values(replace(after, answered=False)))} }}}}"
        if self._one_in(20):
            step["output"] = f"{{{{ {WRONG} }}}}"
        # Out of a loop nothing can be read but the loop itself.
        return self._caught(step, sight, sight)

    def _parallel(self, step: Written, sight: Sight) -> Sight:
        step["parallel"], step["fail_fast"] = {}, self._of(True, False)
        after = sight
        for branch in ("left", "middle", "right")[: self.chance.randint(2, 3)]:
            step["parallel"][branch], seen = self._block(sight.inside(), 1, 2)
            if self._one_in(15):
                step["parallel"][branch][0]["if"] = WRONG  # it stops before those beside it have begun
            after = after.and_of(seen)
        return self._caught(step, sight, after)

    def _repeat(self, step: Written, sight: Sight) -> Sight:
        body = sight.inside(loops=(*sight.loops, (step["id"], "rounds")))
        step["steps"], after = self._block(body, 1, 2)
        inner = [f"steps.{one}.output is none" for one in after.outputs if one not in sight.outputs]
        step["repeat"] = {
            "until": self._of("index >= 1", "index >= 2", "false", "true", *inner),
            "max": self.chance.randint(1, 3),
            "on_exhausted": self._of("fail", "continue"),
        }
        if self._one_in(20):
            step["repeat"]["until"] = WRONG
        if self._one_in(2):
            step["repeat"]["delay"] = self._of("10s", "1h")
        if self._one_in(3):
            step["output"] = "{{ index }}"
        return self._caught(step, sight, sight)

    def _child(self, step: Written, sight: Sight) -> Sight:
        step["flow"] = self._child_flow(sight.depth + 1)
        step["with"] = {"who": "{{ inputs.who }}", "flag": self._of("{{ inputs.flag }}", "{{ not inputs.flag }}")}
        if sight.loops and sight.loops[-1][1] == "people":
            step["with"]["who"] = "{{ item }}"
        if self._one_in(15):
            step["with"]["flag"] = "{{ inputs.who }}"
        if self._one_in(4):
            step["timeout"] = self._of("30s", "2h")
        return self._caught(step, sight, sight)

    def _caught(self, step: Written, before: Sight, inner: Sight) -> Sight:
        """With words for what stops inside; what may be read after the step is what its blocks had."""
        for key, words in (("on_reject", ("end", "fail", "continue")), ("on_timeout", ("end", "fail", "continue"))):
            if self._one_in(4):
                step[key] = self._handler(before, words)
        return before.and_of(inner)

    # -- expressions --------------------------------------------------------------------------------------------

    def _conditions(self, sight: Sight) -> list[str]:
        found = ["inputs.flag", "not inputs.flag"]
        found += [f"steps.{one}.output is {word}" for one in sight.outputs[-3:] for word in ("none", "not none")]
        found += [f"{word}steps.{one}.approved" for one in sight.waits[-3:] for word in ("", "not ")]
        if sight.answered:
            found.append("approvers | length > 0")
        if sight.loops:
            found += ["index == 0", "index > 0", "false"]
        if self._one_in(12):
            found.append(WRONG)
        return found

    def _values(self, sight: Sight) -> list[str]:
        found = ["inputs.who", *(f"steps.{one}.output" for one in sight.outputs[-4:])]
        found += [f"steps.{one}.approved" for one in sight.waits[-2:]]
        if sight.loops:
            found += ["index", f"loops.{sight.loops[0][0]}.index"]
            if sight.loops[-1][1] != "rounds":
                found += ["item", "item"]
        if sight.mends:
            found += ["error.message", "error.step"]
        if sight.ends:
            found.append("run.outcome")
        return found

    # -- chance -------------------------------------------------------------------------------------------------

    def _of(self, *things: Any) -> Any:
        return self.chance.choice(things)

    def _one_in(self, many: int) -> bool:
        return self.chance.randrange(many) == 0
