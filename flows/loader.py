"""Flow files into flows: every problem at once, each with file, line, what is wrong and what was meant.

A folder is read with everything below it:

* ``*.yml`` and ``*.yaml`` with a ``flow:`` at the top. Other YAML is left alone.
* Python files that import ``flows`` and call ``Flow(``: they are imported, and every ``Flow`` that stands at the
  top of the module counts. Tests (``test_*.py``, ``*_test.py``, ``conftest.py``) and packages are left alone.
* Modules that ``run: module:function`` names are imported too, to see that the function is there.
* Not looked into: hidden folders, virtual environments, ``node_modules``, ``__pycache__``.

A file that is wrong costs nobody but itself: the other flows load.
"""

from __future__ import annotations

import ast
import os
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from flows.checks import Actions, check, check_parts
from flows.definition import Flow, Step
from flows.document import Document, read
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


def load_folder(path: str | Path, *, actions: Actions | None = None) -> Library:
    """Every flow at ``path`` (a folder with all below it, or one file).

    ``actions`` are the actions that steps may use, by name; None leaves them unchecked. Never raises for what
    the files say. A name that two runnable flows have belongs to neither: which was meant, nobody can know.
    """
    root = Path(path)
    if root.is_dir():
        files = [_load(file, actions, beside_others=True) for file in _files(root)]
    else:
        files = [load_file(root, actions=actions)]
    owners: dict[str, list[Loaded]] = {}
    for loaded in files:
        for name in loaded.names:
            owners.setdefault(name, []).append(loaded)
    problems = [problem for loaded in files for problem in loaded.problems]
    for name, several in owners.items():
        for loaded in several if len(several) > 1 else ():
            others = ", ".join(_spot(other, name) for other in several if other is not loaded)
            problems.append(
                Problem(
                    str(loaded.path), loaded.names[name], f"the flow {name!r} is in {others} too", "rename one of them"
                )
            )
    runnable = Counter(flow.flow for loaded in files for flow in loaded.flows)
    usable = {flow.flow: (flow, loaded.folder) for loaded in files for flow in loaded.flows if runnable[flow.flow] == 1}
    return Library(
        flows=MappingProxyType({name: flow for name, (flow, _) in sorted(usable.items())}),
        problems=tuple(sorted(problems, key=_place)),
        warnings=tuple(sorted((warning for loaded in files for warning in loaded.warnings), key=_place)),
        folders=MappingProxyType({name: folder for name, (_, folder) in sorted(usable.items())}),
    )


def load_file(path: str | Path, *, actions: Actions | None = None) -> Loaded:
    """The flows of one file, YAML or Python. Never raises for what the file says, or for its absence."""
    return _load(Path(path), actions, beside_others=False)


def _files(root: Path) -> Iterator[Path]:
    """The files that may hold flows, in the order of their names."""
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if _is_ours(Path(folder, name)))
        in_package = "__init__.py" in names
        for name in sorted(names):
            file = Path(folder, name)
            is_module = file.suffix == ".py" and not in_package and not _TEST_FILE.fullmatch(file.stem)
            if not name.startswith(".") and (file.suffix in _YAML or is_module):
                yield file


def _is_ours(folder: Path) -> bool:
    return not (folder.name.startswith(".") or folder.name in _SKIPPED_FOLDERS or (folder / "pyvenv.cfg").exists())


def _load(path: Path, actions: Actions | None, *, beside_others: bool) -> Loaded:
    """One file. Of a file ``beside_others`` it is not known that it is meant to hold a flow."""
    text, problem = _text(path)
    is_python = path.suffix == ".py"
    if is_python and beside_others and not (_IMPORTS_FLOWS.search(text) and _BUILDS_FLOW.search(text)):
        return Loaded(path)
    if problem is not None:
        is_other = beside_others and text and not is_python and not _may_be_flow(text)
        return Loaded(path, problems=() if is_other else (problem,))
    if is_python:
        return _python(path, text, actions)
    return _yaml(path, text, actions, beside_others=beside_others)


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


def _yaml(path: Path, text: str, actions: Actions | None, *, beside_others: bool) -> Loaded:
    document = read(text)
    value = document.value
    if beside_others and not _is_flow(value, text):
        return Loaded(path)
    file = str(path)
    problems = [Problem(file, slip.line, slip.message, slip.hint) for slip in document.slips]
    if not isinstance(value, dict):
        if not problems:
            problems = [Problem(file, 1, "holds no flow", "it starts with 'flow: name'")]
        return Loaded(path, problems=tuple(problems))
    flow, findings = _flow(value, path.parent, actions)
    told = {problem.line for problem in problems}
    for finding in findings:
        problem = _problem(file, document, finding)
        # What a slip of the text has torn is one mistake to its author: told once.
        if finding.severity == "error" and not (problem.line in told and value_at(value, finding.loc) is None):
            problems.append(problem)
    warnings = [_problem(file, document, finding) for finding in findings if finding.severity == "warning"]
    name = value.get("flow")
    return Loaded(
        path,
        flows=(flow,) if flow is not None and not problems else (),
        problems=tuple(sorted(problems, key=_place)),
        warnings=tuple(sorted(warnings, key=_place)),
        names=MappingProxyType({name: document.line(("flow",))} if isinstance(name, str) else {}),
    )


def _is_flow(value: Json, text: str) -> bool:
    if not isinstance(value, dict):
        return value is None and _may_be_flow(text)
    # `steps` alone is in many a CI system's file; with a misspelled `flow` it is one of ours.
    return "flow" in value or ("steps" in value and any(nearest(key, ["flow"]) for key in value))


def _flow(value: Mapping[str, Json], folder: Path, actions: Actions | None) -> tuple[Flow | None, list[Finding]]:
    """The flow, if its models are valid, and all that is wrong with it, if they are not."""
    findings: list[Finding] = []
    flow = None
    try:
        # By alias: in a file it is `if` and `with`, whatever the attributes are called in Python.
        flow = Flow.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        findings.extend(mistakes(error, value, known_shape()))
    steps = flow.steps if flow is not None else _steps(value, findings)
    findings.extend(check_parts(value, steps, actions=actions))
    findings.extend(_functions(steps, folder))
    return flow, findings


def _steps(value: Mapping[str, Json], findings: Sequence[Finding]) -> list[Step | None]:
    """The steps of a flow that is not valid, each without what is wrong with it; None where nothing is left of it."""
    listed = value.get("steps")
    steps = []
    for index, step in enumerate(listed if isinstance(listed, list) else ()):
        wrong = [finding.loc[2:] for finding in findings if finding.loc[:2] == ("steps", index)]
        steps.append(_mended(step, wrong))
    return steps


def _mended(step: Json, wrong: Iterable[Loc]) -> Step | None:
    for loc in wrong:
        # A list goes as a whole, so that what stands in the others keeps its place; so does what misses a key.
        while loc and (not isinstance(loc[-1], str) or not _has(step, loc)):
            loc = loc[:-1]
        step = _without(step, loc)
    try:
        return Step.model_validate(step, by_alias=True, by_name=False)
    except ValidationError:
        return None


def _has(value: Json, loc: Loc) -> bool:
    owner = value_at(value, loc[:-1])
    return isinstance(owner, dict) and loc[-1] in owner


def _without(value: Json, loc: Loc) -> Json:
    """A copy of ``value`` that lacks what stands at ``loc``."""
    if not loc:
        return None
    if len(loc) == 1:
        return {key: each for key, each in value.items() if key != loc[0]}
    if isinstance(value, list):
        return [_without(each, loc[1:]) if index == loc[0] else each for index, each in enumerate(value)]
    return {key: _without(each, loc[1:]) if key == loc[0] else each for key, each in value.items()}


def _problem(file: str, document: Document, finding: Finding) -> Problem:
    loc = finding.loc
    where = subject(document.value, loc[:-1] if finding.about == "key" else loc)
    message = f"{where}: {finding.message}" if where else finding.message
    return Problem(file, document.line(loc), message, finding.hint)


def subject(document: Json, loc: Loc) -> str:
    """What stands at ``loc``, as its author calls it: ``step 'manager', approval.form.reason``."""
    words: list[str] = []
    path: list[str] = []
    for index, part in enumerate(loc):
        value = value_at(document, loc[: index + 1])
        if index == 1 and loc[0] in ("steps", "inputs") and isinstance(part, int):
            key = "id" if loc[0] == "steps" else "name"
            name = value.get(key) if isinstance(value, Mapping) else None
            words.append(f"{str(loc[0])[:-1]} {name!r}" if isinstance(name, str) else f"{str(loc[0])[:-1]} {part + 1}")
            path = []
        elif isinstance(part, str):
            path.append(part)
        elif isinstance(value, Mapping) and isinstance(value.get("name"), str):
            path.append(value["name"])
    return ", ".join([*words, *([".".join(path)] if path else [])])


# --- Python -----------------------------------------------------------------------------------------------------------


def _python(path: Path, text: str, actions: Actions | None) -> Loaded:
    file = str(path)
    try:
        tree = ast.parse(text)
        module = import_module(path.stem, path.parent)
    except CannotImport as error:
        return Loaded(path, problems=(Problem(file, None, str(error), error.hint),))
    except SyntaxError as error:
        return Loaded(
            path,
            problems=(
                Problem(
                    str(error.filename) if error.filename != "<unknown>" else file,
                    error.lineno,
                    f"is not Python: {error.msg}",
                ),
            ),
        )
    except Exception as error:  # noqa: BLE001 -- the author's module may raise whatever it likes; the other flows still load
        return Loaded(path, problems=tuple(_raised(path, error)))
    found = {name: value for name, value in vars(module).items() if isinstance(value, Flow)}
    lines = _assigned(tree)
    problems: list[Problem] = []
    warnings: list[Problem] = []
    flows: dict[str, Flow] = {}
    first: dict[str, Flow] = {}
    names: dict[str, int | None] = {}
    for variable, flow in found.items():
        line = lines.get(variable)
        if line is None:
            continue  # imported from another module, which is read by itself
        if flow.flow in first:
            if flow is not first[flow.flow]:
                problems.append(
                    Problem(
                        file,
                        line,
                        f"the flow {flow.flow!r} stands in this file twice",
                        f"the first is on line {names[flow.flow]}",
                    )
                )
            continue
        first[flow.flow], names[flow.flow] = flow, line
        findings = [*check(flow, actions=actions), *_functions(flow.steps, path.parent)]
        document = flow.model_dump(mode="json")
        for finding in findings:
            where = ", ".join(filter(None, [f"flow {flow.flow!r}", subject(document, finding.loc)]))
            problem = Problem(file, line, f"{where}: {finding.message}", finding.hint)
            (problems if finding.severity == "error" else warnings).append(problem)
        if not any(finding.severity == "error" for finding in findings):
            flows[flow.flow] = flow
    return Loaded(path, tuple(flows.values()), tuple(problems), tuple(warnings), MappingProxyType(names))


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


def _functions(steps: Iterable[Step | None], folder: Path) -> Iterator[Finding]:
    """The Python functions that steps run and that are not there."""
    for index, step in enumerate(steps):
        if step is None or not isinstance(step.run, str):
            continue
        try:
            import_function(step.run, folder)
        except CannotImport as error:
            yield Finding(("steps", index, "run"), str(error), error.hint)
        except Exception as error:  # noqa: BLE001 -- the author's module may raise whatever it likes; the other flows still load
            yield Finding(("steps", index, "run"), f"its module cannot be imported: {_at(error, folder)}")


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
