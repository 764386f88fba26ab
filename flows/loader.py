"""Flow files into flows: every problem at once, each with file, line, what is wrong and what was meant.

A folder is read with everything below it:

* ``*.yml`` and ``*.yaml`` with a ``flow:`` at the top. Other YAML is left alone.
* Python files that import ``flows`` and call ``Flow(``: they are imported, and every ``Flow`` that stands at the
  top of the module counts. Tests (``test_*.py``, ``*_test.py``, ``conftest.py``) and packages are left alone.
* Modules that ``run: module:function`` names are imported too, to see that the function is there.
* Not looked into: hidden folders, virtual environments, ``node_modules``, ``__pycache__``.

A file that is wrong costs nobody but itself, and the flows that run its flow: the others load. Flows are checked
beside each other, because they run and hear of one another; for a file alone, its folder is looked into.
"""

from __future__ import annotations

import ast
import os
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from flows.arguments import misfits
from flows.checks import Actions, Connections, Neighbours, Written, check_parts, names_others
from flows.definition import Flow
from flows.document import read
from flows.errors import DefinitionError, Problem
from flows.findings import Finding, Loc, nearest
from flows.mistakes import mistakes, value_at
from flows.modules import CannotImport, import_function, import_module
from flows.ports import Json
from flows.schema import known_shape

MAX_FILE = 256 * 1024
"""Bytes of a flow file: 500 steps of half a kilobyte, and a second of parsing."""

_YAML = (".yml", ".yaml")
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages"})
_FLOW_KEY = re.compile(r"^(?:[\"']?flow[\"']?[ \t]*:|\{[ \t\n]*[\"']?flow[\"']?[ \t]*:)", re.MULTILINE)
_IMPORTS_FLOWS = re.compile(r"^\s*(?:from|import)\s+flows\b", re.MULTILINE)
_BUILDS_FLOW = re.compile(r"\bFlow\(")
_DAMAGE = re.compile(r"[\x00-\x08]")
_TEST_FILE = re.compile(r"test_.*|.*_test|conftest")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one file holds. ``flows`` are those that can be run; ``warnings`` do not keep a flow from running."""

    path: Path
    flows: tuple[Flow, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    names: Mapping[str, int | None] = field(default_factory=dict)
    """The names that the file gives to flows, also to broken ones, and the line of each."""

    @property
    def folder(self) -> Path:
        """Where the modules that ``run`` names are imported from."""
        return self.path.parent

    @property
    def flow(self) -> Flow:
        """The one flow of the file. Raises ``DefinitionError`` where that cannot be run."""
        if self.problems:
            raise DefinitionError(self.problems)
        if len(self.flows) != 1:
            raise DefinitionError([Problem(str(self.path), None, f"holds {len(self.flows)} flows, not one")])
        return self.flows[0]


@dataclass(frozen=True, slots=True)
class Library:
    """The flows of a folder, by name, and what is wrong with the rest. ``folders``: where each flow's file is."""

    flows: Mapping[str, Flow] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    folders: Mapping[str, Path] = field(default_factory=dict)


def load_folder(path: str | Path, *, actions: Actions | None = None, connections: Connections | None = None) -> Library:
    """Every flow at ``path`` (a folder with all below it, or one file).

    ``actions`` are the actions that steps may use, by name, ``connections`` the accounts that they may name; None
    leaves them unchecked. Never raises for what the files say. A name that two runnable flows have belongs to
    neither: which was meant, nobody can know. A flow whose child flow cannot be run cannot be run either.
    """
    root = Path(path)
    if root.is_dir():
        found = [_read(file, beside_others=True) for file in _files(root)]
        neighbours = _neighbours(found)
    else:
        found = [_read(root, beside_others=False)]
        neighbours = replace(_neighbours([*found, *_beside(root, found[0])]), complete=False)
    files = [_judged(each, actions, connections, neighbours) for each in found]
    problems = [problem for loaded in files for problem in (*loaded.problems, *_namesakes(loaded, files))]
    runnable, dependent = _runnable(found, files, neighbours)
    return Library(
        flows=MappingProxyType({name: flow for name, (flow, _) in sorted(runnable.items())}),
        problems=tuple(sorted([*problems, *dependent], key=_place)),
        warnings=tuple(sorted((warning for loaded in files for warning in loaded.warnings), key=_place)),
        folders=MappingProxyType({name: folder for name, (_, folder) in sorted(runnable.items())}),
    )


def load_file(path: str | Path, *, actions: Actions | None = None, connections: Connections | None = None) -> Loaded:
    """The flows of one file, YAML or Python. Never raises for what the file says, or for its absence.

    Nothing is said of flows that it names and that are not in it.
    """
    return _judged(_read(Path(path), beside_others=False), actions, connections, None)


def _namesakes(loaded: Loaded, files: Sequence[Loaded]) -> Iterator[Problem]:
    for name, line in loaded.names.items():
        others = [other for other in files if name in other.names and other is not loaded]
        if others:
            where = ", ".join(_spot(other, name) for other in others)
            yield Problem(str(loaded.path), line, f"the flow {name!r} is in {where} too", "rename one of them")


def _runnable(
    found: Sequence[_Found], files: Sequence[Loaded], neighbours: Neighbours
) -> tuple[dict[str, tuple[Flow, Path]], list[Problem]]:
    """The flows that can be run, with their folders, and what is wrong with those that cannot because of a child."""
    usable: dict[str, tuple[Flow, Path] | None] = {}
    for loaded in files:
        for flow in loaded.flows:
            usable[flow.flow] = None if flow.flow in usable else (flow, loaded.folder)
    runnable = {name: each for name, each in usable.items() if each is not None}
    drafts = [draft for each in found for draft in each.drafts]
    of = {name: next(each for each in drafts if each.written.flow is flow) for name, (flow, _) in runnable.items()}
    problems: list[Problem] = []
    changed = neighbours.complete
    while changed:
        changed = False
        for name in list(runnable):
            missing = [part for part in of[name].written.children if part.child not in runnable]
            if missing:
                changed = True
                del runnable[name]
            for part in missing:
                message = f"the flow {part.child!r} cannot be run, because of what is wrong with it"
                problems.append(of[name].problem(Finding((*part.loc, "flow"), message, "mend that one first")))
    return runnable, problems


def _neighbours(found: Sequence[_Found]) -> Neighbours:
    flows = [draft.written for each in found for draft in each.drafts]
    names = Counter(str(each.name) for each in flows if each.name is not None)
    return Neighbours({str(each.name): each for each in flows if names[str(each.name)] == 1}, frozenset(names))


def _beside(file: Path, found: _Found) -> list[_Found]:
    """The flows in the same folder, where those of the file name other flows at all."""
    if not any(names_others(draft.written) for draft in found.drafts):
        return []
    others = sorted(each for each in file.absolute().parent.iterdir() if each.is_file() and _may_hold_flows(each))
    return [_read(each, beside_others=True) for each in others if each.name != file.name]


def _files(root: Path) -> Iterator[Path]:
    """The files that may hold flows, in the order of their names."""
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if _is_ours(Path(folder, name)))
        yield from (file for name in sorted(names) if _may_hold_flows(file := Path(folder, name)))


def _may_hold_flows(file: Path) -> bool:
    is_module = file.suffix == ".py" and not _TEST_FILE.fullmatch(file.stem)
    is_module = is_module and not file.with_name("__init__.py").exists()
    return not file.name.startswith(".") and (file.suffix in _YAML or is_module)


def _is_ours(folder: Path) -> bool:
    return not (folder.name.startswith(".") or folder.name in _SKIPPED_FOLDERS or (folder / "pyvenv.cfg").exists())


@dataclass(frozen=True, slots=True)
class _Draft:
    """A flow as it was found, before it is judged among the others. ``slips`` are what its models say of it."""

    written: Written
    folder: Path
    line: int | None
    problem: Callable[[Finding], Problem]
    slips: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """What one file holds, and what is wrong with it as a file. ``torn``: that takes its flows with it."""

    path: Path
    drafts: tuple[_Draft, ...] = ()
    problems: tuple[Problem, ...] = ()
    torn: bool = False


def _read(path: Path, *, beside_others: bool) -> _Found:
    """One file. Of a file ``beside_others`` it is not known that it is meant to hold a flow."""
    text, problem = _text(path)
    is_python = path.suffix == ".py"
    if is_python and beside_others and not (_IMPORTS_FLOWS.search(text) and _BUILDS_FLOW.search(text)):
        return _Found(path)
    if problem is not None:
        is_other = beside_others and text and not is_python and not _may_be_flow(text)
        return _Found(path, problems=() if is_other else (problem,))
    return _python(path, text) if is_python else _yaml(path, text, beside_others=beside_others)


def _judged(
    found: _Found, actions: Actions | None, connections: Connections | None, neighbours: Neighbours | None
) -> Loaded:
    problems = list(found.problems)
    warnings: list[Problem] = []
    flows: list[Flow] = []
    # What a slip of the text has torn is one mistake to its author: told once.
    told = {problem.line for problem in found.problems}
    for draft in found.drafts:
        findings = [
            *draft.slips,
            *check_parts(draft.written, actions=actions, connections=connections, neighbours=neighbours),
            *_functions(draft.written, draft.folder),
        ]
        wrong = found.torn
        for finding in findings:
            problem = draft.problem(finding)
            if finding.severity == "warning":
                warnings.append(problem)
            else:
                wrong = True
                if problem.line not in told or value_at(draft.written.document, finding.loc) is not None:
                    problems.append(problem)
        if draft.written.flow is not None and not wrong:
            flows.append(draft.written.flow)
    return Loaded(
        found.path,
        flows=tuple(flows),
        problems=tuple(sorted(problems, key=_place)),
        warnings=tuple(sorted(warnings, key=_place)),
        names=MappingProxyType(
            {draft.written.name: draft.line for draft in found.drafts if draft.written.name is not None}
        ),
    )


def _text(path: Path) -> tuple[str, Problem | None]:
    """The file's text; where that is not to be had, what can be made out of it, and the reason."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE + 1)
    except FileNotFoundError:
        return "", Problem(file, None, "there is no such file")
    except OSError as error:
        return "", Problem(file, None, f"cannot be read: {error.strerror}")
    text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    if len(content) > MAX_FILE:
        return text, Problem(file, None, f"is larger than {MAX_FILE // 1024} KiB, which no flow is")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return text, Problem(file, line, "is not text in UTF-8", "save it as UTF-8; if it was a flow once, restore it")
    return text, None


def _may_be_flow(text: str) -> bool:
    """Whether a text that cannot be understood was meant for us: it says so, or it is damaged beyond recognition."""
    return _FLOW_KEY.search(text) is not None or _DAMAGE.search(text) is not None


# --- YAML -------------------------------------------------------------------------------------------------------------


def _yaml(path: Path, text: str, *, beside_others: bool) -> _Found:
    document = read(text)
    value = document.value
    if beside_others and not _is_flow(value, text):
        return _Found(path)
    file = str(path)
    problems = tuple(Problem(file, slip.line, slip.message, slip.hint) for slip in document.slips)
    if not isinstance(value, dict):
        return _Found(path, problems=problems or (Problem(file, 1, "holds no flow", "it starts with 'flow: name'"),))
    flow, slips = None, []
    try:
        # By alias: in a file it is `if` and `with`, whatever the attributes are called in Python.
        flow = Flow.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        slips = mistakes(error, value, known_shape())
    written = Written(value, flow)

    def problem(finding: Finding) -> Problem:
        where = subject(written, finding.loc[:-1] if finding.about == "key" else finding.loc)
        message = f"{where}: {finding.message}" if where else finding.message
        return Problem(file, document.line(finding.loc), message, finding.hint)

    draft = _Draft(written, path.parent, document.line(("flow",)), problem, tuple(slips))
    return _Found(path, (draft,), problems, torn=bool(problems))


def _is_flow(value: Json, text: str) -> bool:
    if not isinstance(value, dict):
        return value is None and _may_be_flow(text)
    # `steps` alone is in many a CI system's file; with a misspelled `flow` it is one of ours.
    return "flow" in value or ("steps" in value and any(nearest(key, ["flow"]) for key in value))


def subject(written: Written, loc: Loc) -> str:
    """What stands at ``loc``, as its author calls it: ``step 'manager', approval.form.reason``."""
    step = written.at(loc)
    words: list[str] = []
    below = 0
    while step is not None and step.id is None and step.block.holder is not None:
        step = step.block.holder
    if step is not None:
        words.append(f"step {step.called}" if step.id is not None else f"step {step.place + 1}")
        below = len(step.loc)
    elif len(loc) > 1 and loc[0] in ("inputs", "triggers") and isinstance(loc[1], int):
        name = value_at(written.document, (*loc[:2], "name"))
        words.append(f"{str(loc[0])[:-1]} {name!r}" if isinstance(name, str) else f"{str(loc[0])[:-1]} {loc[1] + 1}")
        below = 2
    path: list[str] = []
    for index in range(below, len(loc)):
        part, value = loc[index], value_at(written.document, loc[: index + 1])
        if isinstance(part, str):
            path.append(part)
        elif isinstance(value, Mapping) and isinstance(value.get("name"), str):
            path.append(value["name"])
        elif isinstance(value, Mapping) and written.at(loc[: index + 1]) is not step:
            path.append(str(part + 1))
    return ", ".join([*words, *([".".join(path)] if path else [])])


# --- Python -----------------------------------------------------------------------------------------------------------


def _python(path: Path, text: str) -> _Found:
    file = str(path)
    try:
        tree = ast.parse(text)
        module = import_module(path.stem, path.parent)
    except CannotImport as error:
        return _Found(path, problems=(Problem(file, None, str(error), error.hint),))
    except SyntaxError as error:
        where = str(error.filename) if error.filename != "<unknown>" else file
        return _Found(path, problems=(Problem(where, error.lineno, f"is not Python: {error.msg}"),))
    except Exception as error:  # noqa: BLE001 -- the author's module may raise whatever it likes; the other flows still load
        return _Found(path, problems=tuple(_raised(path, error)))
    found = {name: value for name, value in vars(module).items() if isinstance(value, Flow)}
    lines = _assigned(tree)
    problems: list[Problem] = []
    drafts: dict[str, _Draft] = {}
    for variable, flow in found.items():
        line = lines.get(variable)
        if line is None:
            continue  # imported from another module, which is read by itself
        first = drafts.get(flow.flow)
        if first is None:
            drafts[flow.flow] = _draft(path, flow, line)
        elif first.written.flow is not flow:
            hint = f"the first is on line {first.line}"
            problems.append(Problem(file, line, f"the flow {flow.flow!r} stands in this file twice", hint))
    return _Found(path, tuple(drafts.values()), tuple(problems))


def _draft(path: Path, flow: Flow, line: int) -> _Draft:
    written = Written(flow.model_dump(mode="json"), flow)

    def problem(finding: Finding) -> Problem:
        where = ", ".join(filter(None, [f"flow {flow.flow!r}", subject(written, finding.loc)]))
        return Problem(str(path), line, f"{where}: {finding.message}", finding.hint)

    return _Draft(written, path.parent, line, problem)


def _raised(path: Path, error: Exception) -> Iterator[Problem]:
    """What a module raised while it was imported, at the module's own line."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == path.resolve()
    ]
    line = frames[-1].lineno if frames else None
    if not isinstance(error, ValidationError):
        yield Problem(str(path), line, f"cannot be imported: {type(error).__name__}: {error}")
        return
    definitions = known_shape()["$defs"]
    shape = {**definitions.get(error.title, known_shape()), "$defs": definitions}
    for finding in mistakes(error, _skeleton(error), shape):
        where = ".".join(map(str, finding.loc[:-1] if finding.about == "key" else finding.loc))
        yield Problem(str(path), line, f"{error.title}{f', {where}' if where else ''}: {finding.message}", finding.hint)


def _skeleton(error: ValidationError) -> Json:
    """What is known of a value that was built in Python and is gone: the places that are wrong, and what stood there."""
    root: dict[str | int, Json] = {}
    for each in error.errors():
        at = root
        for part in each["loc"][:-1]:
            below = at.setdefault(part, {})
            at = below if isinstance(below, dict) else {}
        if each["loc"] and each["type"] != "missing":
            at.setdefault(each["loc"][-1], each["input"])
    return root


def _assigned(tree: ast.Module) -> dict[str, int]:
    """The line on which each name at the top of a module is given its value."""
    lines: dict[str, int] = {}
    for statement in tree.body:
        targets: Sequence[ast.expr] = ()
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        for target in targets:
            for node in ast.walk(target):
                if isinstance(node, ast.Name):
                    lines[node.id] = statement.lineno
    return lines


# --- Both -------------------------------------------------------------------------------------------------------------


def _functions(written: Written, folder: Path) -> Iterator[Finding]:
    """The Python functions that steps run and that are not there, or cannot be called with what they are given."""
    for part in written.parts:
        step = part.model
        if step is None or not isinstance(step.run, str):
            continue
        loc = (*part.loc, "run")
        try:
            function = import_function(step.run, folder)
        except CannotImport as error:
            yield Finding(loc, str(error), error.hint)
        except Exception as error:  # noqa: BLE001 -- the author's module may raise whatever it likes; the other flows still load
            yield Finding(loc, f"its module cannot be imported: {_at(error, folder)}")
        else:
            for finding in misfits(function, step.with_):
                yield replace(finding, loc=(*part.loc, "with", *finding.loc))


def _at(error: Exception, folder: Path) -> str:
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).parent.resolve() == folder.resolve()
    ]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def _spot(loaded: Loaded, name: str) -> str:
    line = loaded.names[name]
    return str(loaded.path) if line is None else f"{loaded.path}:{line}"


def _place(problem: Problem) -> tuple[str, int]:
    return problem.file, problem.line or 0
