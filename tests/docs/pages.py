"""The pages of the documentation, and the code that stands on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted((DOCS / "migrating").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


# What stands around a fragment, so that it is a whole flow: the names that the page's fragments read.
AROUND = """\
flow: example
inputs:
  - {name: version, type: string}
  - {name: amount, type: number}
  - {name: manager, type: email}
  - {name: day, type: date}
  - {name: token, type: secret}
  - {name: kind, type: select, options: [hardware, travel, other]}
  - {name: people, type: list, of: email}
"""
BEFORE = """\
steps:
  - id: gate
    approval: {approvers: [ann@example.com, bob@example.com], form: [{name: reason, type: string}]}
"""
BUILT = "  - {id: build, uses: log, with: {message: built}}\n"


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def mark(self) -> str:
        """What stands after the language: what the block is, where that is not the whole of a file."""
        return self.info.partition(" ")[2]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text()
        for found in BLOCK.finditer(text):
            yield Block(
                str(page.relative_to(ROOT)), text.count("\n", 0, found.start()) + 1, found["info"], found["text"]
            )


def of(language: str, *marks: str) -> list[Any]:
    return [
        pytest.param(block, id=str(block))
        for block in blocks()
        if block.language == language and (not marks or block.mark in marks)
    ]


def one(mark: str) -> Block:
    (found,) = [block for block in blocks() if block.mark == mark]
    return found


def flow_of(block: Block) -> str:
    indented = "".join(f"  {line}" for line in block.text.splitlines(keepends=True))
    match block.mark:
        case "":
            return block.text
        case "steps":
            # An example may have a step of its own with that name.
            return AROUND + BEFORE + ("" if "id: build" in block.text else BUILT) + indented
        case "form":
            fields = "".join(f"      {line}" for line in indented.splitlines(keepends=True))
            return f"{AROUND}{BEFORE}  - id: ask\n    hold:\n      form:\n{fields}"
    raise AssertionError(f"{block}: nobody knows what a fragment {block.mark!r} is")


def name_of(block: Block) -> str | None:
    """The name of the flow that a block is the whole of."""
    found = re.search(r"^flow: (\S+)$", block.text, re.MULTILINE)
    return found[1] if block.language == "yaml" and block.mark == "" and found else None


def beside(block: Block) -> Iterator[Block]:
    """The flows of the pages that a flow runs or hears of, and those that these run."""
    whole = {name: one for one in blocks() if (name := name_of(one)) is not None}
    found = {name_of(block)}
    named = [block]
    for each in named:
        for name in re.findall(r"\bflow: ([a-z]\w*)", each.text):
            if name in whole and name not in found:
                found.add(name)
                named.append(whole[name])
    yield from named[1:]


def write_modules(folder: Path) -> list[str]:
    """Write the Python files of the pages into a folder; returns the names of their modules."""
    written = []
    for block in blocks():
        if block.language == "python" and block.mark.endswith(".py"):
            (folder / block.mark).write_text(block.text)
            written.append(block.mark.removesuffix(".py"))
    return written
