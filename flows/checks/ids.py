"""Steps: their names are their own, they are not too many, and stand not too deep. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from flows.checks.written import HANDLERS, Part, Written
from flows.definition import MAX_DEPTH
from flows.findings import Finding

MAX_STEPS = 500
"""Steps of a flow at any depth; those of its child flows are theirs."""

_RESERVED_IDS = ("finally", "on_error")
_RESERVED_BRANCHES = (*HANDLERS, "then", "else", "default")
_IN_PATHS = ".[]"


def check_ids(written: Written) -> Iterator[Finding]:
    for part in written.parts:
        yield from _id(written, part)
        yield from _branches(part)
        if sum(1 for _ in part.around()) == MAX_DEPTH + 1:
            yield Finding(
                part.loc,
                f"stands in {MAX_DEPTH} other steps, which is deeper than anybody can follow",
                "move some of it into a child flow",
            )
    if len(written.parts) > MAX_STEPS:
        yield Finding(
            ("steps",),
            f"the flow has {len(written.parts)} steps at all depths, and at most {MAX_STEPS} are possible",
            "move some of them into a child flow",
        )


def _id(written: Written, part: Part) -> Iterator[Finding]:
    loc = (*part.loc, "id")
    if part.id is None:
        return
    first = written.ids[part.id]
    if first is not part:
        nested = first.block.holder is not None or part.block is not first.block
        where = ", and ids are unique in the whole flow" if nested else ""
        yield Finding(loc, f"two steps have the id {part.id!r}{where}", "rename one of them")
    if part.id in _RESERVED_IDS and part.block.holder is None and part.block.key == "steps":
        yield Finding(loc, f"{part.id!r} is the name of the flow's own {part.id!r} steps", "rename it")


def _branches(part: Part) -> Iterator[Finding]:
    for block in part.blocks:
        name = str(block.loc[-1])
        if block.key == "parallel" and (name in _RESERVED_BRANCHES or name.startswith("case_")):
            yield Finding(block.loc, f"a branch cannot be named {name!r}: that has a meaning of its own", "rename it")
        if block.key == "cases" and any(mark in name for mark in _IN_PATHS):
            yield Finding(
                block.loc,
                f"the case {name!r} names steps in the run's paths, where '.', '[' and ']' have a meaning of their own",
                "let 'switch' give another text, like inputs.version | replace('.', '_')",
            )
