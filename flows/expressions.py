"""Templates and expressions of flow files: ``{{ ... }}`` in texts, and bare expressions after ``if:``.

``flows.compiler`` says what they can do, ``flows.filters`` with which filters and tests, ``flows.values`` what
they see and how much of it. A statement (``{% %}``) is never parsed.

A text without ``{{`` is that text. A text that is one ``{{ ... }}`` and nothing else (line breaks at its end
apart, which YAML's block texts bring) gives the value itself, with its type. Everything else gives text:
null is empty, true and false are written like that, lists and mappings as compact JSON. ``{{-`` and ``-}}``
remove the white space on their side. What a value contains is never looked at again: ``{{`` in an input stays
as it is.

A name, key or item that is not there is an error when it is used; ``is defined`` and ``default`` may ask for it,
at any depth (``steps.build.output.url | default('')``). ``x if y`` without ``else`` is null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flows.compiler import MAX_DEPTH, MAX_EXPRESSION, MAX_NODES, Compiler, Evaluate, Path
from flows.values import (
    MAX_BITS,
    MAX_ITEMS,
    MAX_TEXT,
    MAX_WORK,
    Budget,
    ExpressionError,
    is_list,
    is_mapping,
    plain,
    text,
    weight,
)

__all__ = [
    "MAX_BITS",
    "MAX_DEPTH",
    "MAX_EXPRESSION",
    "MAX_ITEMS",
    "MAX_NODES",
    "MAX_SOURCE",
    "MAX_TEXT",
    "MAX_WORK",
    "CompiledValue",
    "Expression",
    "ExpressionError",
    "Template",
    "compile_value",
]

Json = Any

Escape = Callable[[str], str]
"""What makes a text inert where it is going, such as Slack's ``&amp;``, ``&lt;`` and ``&gt;``."""

_Render = Callable[[Mapping[str, object], Escape | None], Json]

MAX_SOURCE = 64 * 1024
"""Characters of a text that contains expressions: longer than any mail that somebody wrote by hand."""

_NESTING = 100  # of lists and mappings in a `with:`

# A string (in which braces mean nothing), or what opens or closes a mapping or the expression itself.
_BRACES: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[{}]""", re.DOTALL)
_STATEMENTS: Final = (("{%", "%}"), ("{#", "#}"))


@dataclass(frozen=True, slots=True)
class Template:
    """A text with ``{{ ... }}`` in it, compiled. Immutable; equal and hashed by ``source``.

    ``names``: the paths that it may read from the context, such as ``("steps", "build", "output")``; whatever
    lies below a path may be read too. Nothing else is ever read. ``dynamic``: the roots that it may read as a
    whole, because they stand alone (``steps``) or have a computed key (``steps[inputs.x]``).
    """

    source: str
    names: frozenset[Path] = field(compare=False, repr=False)
    _parts: tuple[str | _Compiled, ...] = field(compare=False, repr=False)

    @classmethod
    def compile(cls, source: str) -> Template:
        """Raises ``ExpressionError``, placed within ``source``."""
        if "{{" not in source:
            return cls(source, frozenset(), (source,))
        compiler = Compiler()
        parts = tuple(part if isinstance(part, str) else _compiled(compiler, part) for part in _split(source))
        return cls(source, frozenset(compiler.names), parts)

    @property
    def dynamic(self) -> frozenset[str]:
        return _roots(self.names)

    @property
    def static(self) -> bool:
        """Whether it has no expression, so that it renders to its source whatever the context."""
        return self._parts == (self.source,)

    def render(self, context: Mapping[str, object], *, escape: Escape | None = None) -> object:
        """The text, or the value where the whole text is one expression.

        Such a value is the context's own, not a copy, and may hold objects. ``escape`` is applied to every text
        that an expression gave, and not to what the author wrote around it. Raises ``ExpressionError``.
        """
        parts = self._parts
        if len(parts) == 1:
            part = parts[0]
            if isinstance(part, str):
                return part
            value = part.value(context)
            return escape(value) if escape is not None and isinstance(value, str) else value
        budget = Budget()
        texts = [part if isinstance(part, str) else str(_escaped(part.text(context, budget), escape)) for part in parts]
        if sum(map(len, texts)) > MAX_TEXT:
            raise ExpressionError(f"this builds a text of more than {MAX_TEXT:,} characters")
        return "".join(texts)


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression, compiled. Immutable; equal and hashed by ``source``. ``names`` and ``dynamic`` as in ``Template``."""

    source: str
    names: frozenset[Path] = field(compare=False, repr=False)
    _compiled: _Compiled = field(compare=False, repr=False)

    @classmethod
    def compile(cls, source: str) -> Expression:
        """``source`` is a bare expression; ``{{ ... }}`` around the whole of it is allowed. Raises ``ExpressionError``."""
        compiler = Compiler()
        written = _Written(source, offset=0, line=1)
        if source.lstrip().startswith("{{"):
            inside, *more = (part for part in _split(source) if isinstance(part, _Written) or part.strip())
            if more or isinstance(inside, str):
                raise ExpressionError("this is one expression, not a text", "Write it without `{{` and `}}`.")
            written = inside
        compiled = _compiled(compiler, written)
        return cls(source, frozenset(compiler.names), compiled)

    @property
    def dynamic(self) -> frozenset[str]:
        return _roots(self.names)

    def evaluate(self, context: Mapping[str, object]) -> object:
        """The value; the context's own where it is found there. Raises ``ExpressionError``."""
        return self._compiled.value(context)

    def test(self, context: Mapping[str, object]) -> bool:
        """Whether the value is true in Python's sense: not null, false, zero or empty. Raises ``ExpressionError``."""
        return bool(self._compiled.value(context))


@dataclass(frozen=True, slots=True)
class CompiledValue:
    """A JSON value whose texts are templates, at any depth. Keys are never templates. Equal and hashed by identity."""

    names: frozenset[Path] = field(compare=False, repr=False)
    _render: _Render = field(repr=False)

    @property
    def dynamic(self) -> frozenset[str]:
        return _roots(self.names)

    def render(self, context: Mapping[str, object], *, escape: Escape | None = None) -> Json:
        """The value as JSON, new in every list and mapping, with the types that expressions give.

        Objects of the context become mappings of their fields. ``escape`` as in ``Template``. Raises ``ExpressionError``, whose ``where`` is
        the path of the text within the value.
        """
        try:
            return self._render(context, escape)
        except RecursionError:
            raise ExpressionError("a value that this reads is nested too deeply") from None


def compile_value(value: Json) -> CompiledValue:
    """Compile a ``with:``. Raises ``ExpressionError``, whose ``where`` is the path of the text within the value."""
    names: set[Path] = set()
    render = _value(value, names, _NESTING)
    return CompiledValue(frozenset(names), render)


# -- a text and its expressions -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Written:
    """An expression as it stands in its text, without the braces."""

    source: str
    offset: int
    line: int


@dataclass(frozen=True, slots=True)
class _Compiled:
    """An expression that can be evaluated. ``handed`` says that it gives the context's own value, building nothing."""

    evaluate: Evaluate
    handed: bool
    offset: int
    line: int

    def value(self, context: Mapping[str, object]) -> object:
        budget = Budget()
        try:
            value = self.evaluate(context, budget)
            if not self.handed and (is_mapping(value) or is_list(value)):
                # [x, x, x] costs nothing until somebody writes it out.
                budget.spend(weight(value, budget.left))
        except (ExpressionError, RecursionError) as error:
            raise self._placed(error) from None
        return value

    def text(self, context: Mapping[str, object], budget: Budget) -> str:
        try:
            return text(self.evaluate(context, budget), budget)
        except (ExpressionError, RecursionError) as error:
            raise self._placed(error) from None

    def _placed(self, error: ExpressionError | RecursionError) -> ExpressionError:
        if isinstance(error, RecursionError):
            error = ExpressionError("a value that this reads is nested too deeply")
        return error.at(line=self.line, offset=self.offset)


def _compiled(compiler: Compiler, written: _Written) -> _Compiled:
    try:
        evaluate, handed = compiler.compile(written.source)
    except ExpressionError as error:
        raise error.at(line=written.line + error.line - 1, offset=written.offset) from None
    return _Compiled(evaluate, handed, written.offset, written.line)


def _split(source: str) -> Sequence[str | _Written]:
    """The texts and expressions of a template, in order; empty texts are left out."""
    if len(source) > MAX_SOURCE:
        raise ExpressionError(f"a text with expressions has at most {MAX_SOURCE:,} characters")
    parts: list[str | _Written] = []
    position = 0
    trimming = False
    while True:
        begin = source.find("{{", position)
        plain_text = source[position:] if begin < 0 else source[position:begin]
        if (statement := _statement(plain_text)) is not None:
            raise _error_at(
                source,
                position + statement,
                "statements and comments have no place here, only expressions",
                "Use `{{ a if b else c }}`, or an `if:` on the step; to write `{%` as text, use `{{ '{%' }}`.",
            )
        if trimming:
            plain_text = plain_text.lstrip()
        if begin < 0:
            # A line break that ends a YAML block is no reason to make text of a value.
            alone = len(parts) == 1 and not isinstance(parts[0], str)
            if plain_text and not (alone and not plain_text.strip("\r\n")):
                parts.append(plain_text)
            return parts
        end = _end(source, begin)
        inside = source[begin + 2 : end]
        before = inside.startswith("-")
        trimming = inside.endswith("-")
        plain_text = plain_text.rstrip() if before else plain_text
        if plain_text:
            parts.append(plain_text)
        inside = inside[1 if before else 0 : -1 if trimming else None]
        parts.append(_Written(inside, begin, source.count("\n", 0, begin) + 1))
        position = end + 2


def _statement(plain_text: str) -> int | None:
    """Where the first statement or comment begins."""
    # Not a regular expression: each `{%` without an end would be looked after up to the end of the text.
    found = []
    for opens, closes in _STATEMENTS:
        begin = plain_text.find(opens)
        if begin >= 0 and plain_text.find(closes, begin + len(opens)) >= 0:
            found.append(begin)
    return min(found, default=None)


def _end(source: str, begin: int) -> int:
    """Where the ``}}`` is that closes the ``{{`` at ``begin``."""
    depth = 0
    position = begin + 2
    limit = position + MAX_EXPRESSION + 2
    while found := _BRACES.search(source, position, limit):
        position = found.end()
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            if depth == 0 and source.startswith("}}", found.start()):
                return found.start()
            depth = max(0, depth - 1)
    if len(source) > limit:
        raise _error_at(source, begin, f"an expression has at most {MAX_EXPRESSION:,} characters")
    raise _error_at(source, begin, "`{{` is not closed by `}}`", "To write `{{` as text, use `{{ '{{' }}`.")


def _error_at(source: str, offset: int, message: str, hint: str | None = None) -> ExpressionError:
    return ExpressionError(message, hint, line=source.count("\n", 0, offset) + 1, offset=offset)


def _roots(names: frozenset[Path]) -> frozenset[str]:
    return frozenset(path[0] for path in names if len(path) == 1)


def _escaped(value: Json, escape: Escape | None) -> Json:
    """Every text in a value made inert, at any depth; keys are the author's, or none that anybody shows."""
    if escape is None:
        return value
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {key: _escaped(each, escape) for key, each in value.items()}
    return [_escaped(each, escape) for each in value] if isinstance(value, list) else value


def _value(value: Json, names: set[Path], depth: int) -> _Render:
    if depth == 0:
        raise ExpressionError(f"lists and mappings are nested more than {_NESTING} levels deep")
    if isinstance(value, str):
        template = Template.compile(value)
        names.update(template.names)
        return (lambda _context, _escape: value) if template.static else _of_template(template)
    if isinstance(value, Mapping):
        entries = {key: _inner(key, each, names, depth) for key, each in value.items()}
        return lambda context, escape: {key: render(context, escape) for key, render in entries.items()}
    if isinstance(value, list | tuple):
        items = [_inner(index, each, names, depth) for index, each in enumerate(value)]
        return lambda context, escape: [render(context, escape) for render in items]
    if value is None or isinstance(value, bool | int | float):
        return lambda _context, _escape: value
    raise ExpressionError("this value is not JSON")


def _of_template(template: Template) -> _Render:
    def render(context: Mapping[str, object], escape: Escape | None) -> Json:
        value = template.render(context, escape=escape)
        return value if isinstance(value, str) else _escaped(plain(value), escape)

    return render


def _inner(key: str | int, value: Json, names: set[Path], depth: int) -> _Render:
    try:
        render = _value(value, names, depth - 1)
    except ExpressionError as error:
        raise error.within(key) from None

    def placed(context: Mapping[str, object], escape: Escape | None) -> Json:
        try:
            return render(context, escape)
        except ExpressionError as error:
            raise error.within(key) from None

    return placed
