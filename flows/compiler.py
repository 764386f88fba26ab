"""From the source of one expression to a closure, over an allow-list of what an expression may do.

Jinja's own lexer and parser read the source, in the state in which only an expression can follow: a statement
is never parsed. What they return is not run by Jinja. It is compiled here, once, into closures: literals,
names, items and fields, slices, operators, ``a if b else c``, and the filters and tests of ``flows.filters``.
Any other node is refused when it is compiled, and so is every call but those in ``CALLS``. So what an expression
can do is what stands in this module and in those that it imports from here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from jinja2 import TemplateSyntaxError, nodes
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment

from flows import filters, operators
from flows.values import MAX_PATH, Budget, ExpressionError, Missing, called, is_list, kind, member, root, text

Path = tuple[str, ...]
Evaluate = Callable[[Mapping[str, object], Budget], object]

MAX_EXPRESSION = 4 * 1024
"""Characters of one expression. It bounds what the parser can be made to do."""

MAX_NODES = 500
"""Nodes of one text's expressions, so that no rendering has more than that many operations."""

MAX_DEPTH = 50
"""Levels of nesting, well below what Python's stack allows; a chain of filters or of ``and`` counts too."""

CALLS: Final = frozenset({("links", "for")})
"""What may be called, with one value; and only where the value's class has opened it too (``expression_calls``)."""

# Only its lexer and parser are used. Sandboxed and escaping, so that nobody who finds it gets an open one.
_JINJA: Final = SandboxedEnvironment(autoescape=True)

_HINTS: Final = (
    (re.compile(r"&&"), "Write `and`."),
    (re.compile(r"\|\|"), "Write `or`."),
    (re.compile(r"(^|[\s(])!(?!=)"), "Write `not`."),
    (re.compile(r"\?.*:"), "Write `a if condition else b`."),
    (re.compile(r"(?<![=!<>])=(?!=)"), "Compare with `==`."),
)


_BINARY: Final[Mapping[type[nodes.Node], operators.Operator]] = {
    nodes.Add: operators.add,
    nodes.Sub: operators.subtract,
    nodes.Mul: operators.multiply,
    nodes.Div: operators.divide,
    nodes.FloorDiv: operators.floor_divide,
    nodes.Mod: operators.remainder,
    nodes.Pow: operators.power,
}
_COMPARE: Final[Mapping[str, operators.Operator]] = {
    "eq": operators.equal,
    "ne": operators.unequal,
    "lt": operators.less,
    "lteq": operators.less_or_equal,
    "gt": operators.greater,
    "gteq": operators.greater_or_equal,
    "in": operators.contained,
    "notin": operators.not_contained,
}
_UNARY: Final[Mapping[type[nodes.Node], Callable[[object], object]]] = {
    nodes.Not: lambda value: not value,
    nodes.Neg: operators.negative,
    nodes.Pos: operators.positive,
}


class Compiler:
    """Compiles the expressions of one text; gathers the paths that they read."""

    def __init__(self) -> None:
        self.names: set[Path] = set()
        self._nodes = 0

    def compile(self, source: str) -> tuple[Evaluate, bool]:
        """The expression, and whether it hands on a value of the context, building nothing.

        Raises ``ExpressionError``, whose ``line`` counts from the beginning of ``source``.
        """
        node = _parse(source)
        return self._present(node, 1), _path(node) is not None

    def _present(self, node: nodes.Node, depth: int) -> Evaluate:
        """Evaluates to a value; what is missing is an error."""
        evaluate = self._any(node, depth)
        if not isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem | nodes.Filter | nodes.CondExpr):
            return evaluate
        return _found(evaluate)

    def _any(self, node: nodes.Node, depth: int) -> Evaluate:
        """Evaluates to a value, or to ``Missing``."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ExpressionError(f"the expressions of one text have at most {MAX_NODES} parts")
        if depth > MAX_DEPTH:
            raise ExpressionError(f"this is nested more than {MAX_DEPTH} levels deep")
        inner = depth + 1
        path = _path(node)
        if path is not None:
            return self._read(path)
        kind_of = type(node)
        if isinstance(node, nodes.Const):
            return _constant(node.value)
        if isinstance(node, nodes.List | nodes.Tuple):
            return _list([self._present(each, inner) for each in node.items])
        if isinstance(node, nodes.Dict):
            return _mapping([(self._present(each.key, inner), self._present(each.value, inner)) for each in node.items])
        if isinstance(node, nodes.Getattr):
            return _item(self._any(node.node, inner), _constant(_named(node.attr)), written=True)
        if isinstance(node, nodes.Getitem):
            owner = self._any(node.node, inner)
            if isinstance(node.arg, nodes.Slice):
                return _slice(_found(owner), *(self._bound(each, inner) for each in _bounds(node.arg)))
            return _item(owner, self._present(node.arg, inner), written=isinstance(node.arg, nodes.Const))
        if isinstance(node, nodes.CondExpr):
            chosen = self._any(node.expr1, inner)
            other = _no_else if node.expr2 is None else self._any(node.expr2, inner)
            return _choice(self._present(node.test, inner), chosen, other)
        if isinstance(node, nodes.And | nodes.Or):
            left, right = self._present(node.left, inner), self._present(node.right, inner)
            return _both(left, right) if isinstance(node, nodes.And) else _either(left, right)
        if isinstance(node, nodes.BinExpr) and kind_of in _BINARY:
            return _binary(_BINARY[kind_of], self._present(node.left, inner), self._present(node.right, inner))
        if isinstance(node, nodes.UnaryExpr) and kind_of in _UNARY:
            return _unary(_UNARY[kind_of], self._present(node.node, inner))
        if isinstance(node, nodes.Compare):
            first = self._present(node.expr, inner)
            return _compare(first, [(_COMPARE[each.op], self._present(each.expr, inner)) for each in node.ops])
        if isinstance(node, nodes.Concat):
            return _concat([self._present(each, inner) for each in node.nodes])
        if isinstance(node, nodes.Filter):
            return self._filter(node, inner)
        if isinstance(node, nodes.Test):
            return self._test(node, inner)
        if isinstance(node, nodes.Call):
            return self._call(node, inner)
        raise _refused(node)

    def _read(self, path: Sequence[str | int]) -> Evaluate:
        if len(path) > MAX_PATH:
            raise ExpressionError(f"a path has at most {MAX_PATH} parts")
        name, *keys = path
        name = _named(str(name))
        self.names.add(tuple(map(str, path)))
        # Each key with what the author wrote before it.
        steps = [(key, _label(path[: index + 1])) for index, key in enumerate(keys)]
        if not steps:
            return lambda context, _budget: root(context, name)

        def read(context: Mapping[str, object], _budget: Budget) -> object:
            value = root(context, name)
            for key, label in steps:
                value = member(value, key, label)
            return value

        return read

    def _call(self, node: nodes.Call, depth: int) -> Evaluate:
        path = tuple(map(str, _path(node.node) or ()))
        if path not in CALLS:
            raise _refused(node)
        if len(node.args) != 1 or node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionError(f"'{'.'.join(path)}' takes one value, like `{'.'.join(path)}(item)`")
        self.names.add(path)
        owner, name = path
        argument = self._present(node.args[0], depth)
        label = f"{owner}.{name}"

        def call(context: Mapping[str, object], budget: Budget) -> object:
            value = root(context, owner)
            if type(value) is Missing:
                raise value.error()
            return called(value, name, argument(context, budget), label, budget)

        return call

    def _filter(self, node: nodes.Filter, depth: int) -> Evaluate:
        function: filters.Filter = filters.find("filter", node.name, filters.FILTERS)
        if node.node is None:
            raise _refused(node)
        value = self._any(node.node, depth) if node.name in filters.TAKES_MISSING else self._present(node.node, depth)
        arguments, keywords = self._arguments(node, "filter", function, depth)
        position = filters.TEST_ARGUMENT.get(node.name)
        if position is not None and len(node.args) > position:
            given = node.args[position]
            if not isinstance(given, nodes.Const) or not isinstance(given.value, str):
                raise ExpressionError(f"{node.name} takes the name of its test in quotes")
            test = filters.find("test", given.value, filters.TESTS)
            filters.checked("test", given.value, test, len(node.args) - position - 1, ())
            arguments[position] = lambda _context, _budget: test
        return _call(node.name, function, value, arguments, keywords)

    def _test(self, node: nodes.Test, depth: int) -> Evaluate:
        test: filters.Test = filters.find("test", node.name, filters.TESTS)
        asks_presence = test in (filters.defined, filters.undefined)
        value = self._any(node.node, depth) if asks_presence else self._present(node.node, depth)
        arguments, keywords = self._arguments(node, "test", test, depth)
        return _call(node.name, test, value, arguments, keywords)

    def _arguments(
        self, node: nodes.Filter | nodes.Test, what: str, function: Callable[..., object], depth: int
    ) -> tuple[list[Evaluate], dict[str, Evaluate]]:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionError(f"the {what} '{node.name}' takes no `*` or `**` arguments")
        # Jinja declares them as pairs of expressions; its parser makes keywords.
        keywords = {each.key: each.value for each in cast("list[nodes.Keyword]", node.kwargs)}
        filters.checked(what, node.name, function, len(node.args), list(keywords))
        arguments = [self._present(each, depth) for each in node.args]
        return arguments, {key: self._present(each, depth) for key, each in keywords.items()}

    def _bound(self, node: nodes.Expr | None, depth: int) -> Evaluate:
        return _constant(None) if node is None else self._present(node, depth)


def _parse(source: str) -> nodes.Expr:
    if not source.strip():
        raise ExpressionError("there is no expression here")
    if len(source) > MAX_EXPRESSION:
        raise ExpressionError(f"an expression has at most {MAX_EXPRESSION:,} characters")
    try:
        parser = Parser(_JINJA, source, state="variable")
        node = parser.parse_expression()
        rest = parser.stream.current
    except TemplateSyntaxError as error:
        raise ExpressionError(f"this cannot be read: {error.message}", _hint(source), line=error.lineno) from None
    except (ValueError, OverflowError):
        raise ExpressionError("this cannot be read: a number in it is too long") from None
    except RecursionError:
        raise ExpressionError(f"this is nested more than {MAX_DEPTH} levels deep") from None
    if not parser.stream.eos:
        message = f"this cannot be read: '{str(rest.value)[:40]}' is not expected here"
        raise ExpressionError(message, _hint(source), line=rest.lineno)
    return node


def _hint(source: str) -> str | None:
    return next((hint for pattern, hint in _HINTS if pattern.search(source)), None)


def _path(node: nodes.Node) -> list[str | int] | None:
    """The root and the keys, where the node is a chain of written ones."""
    keys: list[str | int] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getattr):
            keys.append(_named(node.attr))
        elif isinstance(node.arg, nodes.Const) and type(node.arg.value) in (str, int):
            keys.append(node.arg.value)
        else:
            return None
        node = node.node
    return [node.name, *reversed(keys)] if isinstance(node, nodes.Name) else None


def _label(path: Sequence[str | int]) -> str:
    name, *keys = path
    return str(name) + "".join(f"[{key}]" if type(key) is int else f".{key}" for key in keys)


def _named(name: str) -> str:
    if name.startswith("__"):
        raise ExpressionError(f"names that begin with `__` cannot be read: '{name[:60]}'")
    return name


def _refused(node: nodes.Node) -> ExpressionError:
    if isinstance(node, nodes.Call):
        return ExpressionError("nothing can be called in an expression", "Use a filter, such as `x | length`.")
    return ExpressionError("this has no place in an expression")


# -- closures, one for each kind of node ----------------------------------------------------------------

_NO_ELSE: Final = Missing(lambda: ExpressionError("the condition does not hold, and there is no `else`"))


def _no_else(_context: Mapping[str, object], _budget: Budget) -> object:
    return _NO_ELSE


def _found(evaluate: Evaluate) -> Evaluate:
    def found(context: Mapping[str, object], budget: Budget) -> object:
        value = evaluate(context, budget)
        if type(value) is not Missing:
            return value
        if value is _NO_ELSE:
            return None
        raise value.error()

    return found


def _constant(value: object) -> Evaluate:
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ExpressionError("a text holds half of a character (a lone surrogate)") from None
    elif type(value) is int or type(value) is float:
        value = operators.number(value)
    return lambda _context, _budget: value


def _list(items: Sequence[Evaluate]) -> Evaluate:
    return lambda context, budget: [item(context, budget) for item in items]


def _mapping(entries: Sequence[tuple[Evaluate, Evaluate]]) -> Evaluate:
    def build(context: Mapping[str, object], budget: Budget) -> object:
        built = {}
        for key_of, value_of in entries:
            key = key_of(context, budget)
            if type(key) is not str:
                raise ExpressionError(f"the keys of a mapping are texts, not {kind(key)}")
            built[key] = value_of(context, budget)
        return built

    return build


def _item(owner: Evaluate, key: Evaluate, *, written: bool) -> Evaluate:
    return lambda context, budget: member(owner(context, budget), key(context, budget), "this", written=written)


def _bounds(node: nodes.Slice) -> tuple[nodes.Expr | None, nodes.Expr | None, nodes.Expr | None]:
    return node.start, node.stop, node.step


def _slice(owner: Evaluate, start: Evaluate, stop: Evaluate, step: Evaluate) -> Evaluate:
    def cut(context: Mapping[str, object], budget: Budget) -> object:
        whole = owner(context, budget)
        part = slice(*(_whole(bound(context, budget)) for bound in (start, stop, step)))
        if part.step == 0:
            raise ExpressionError("the step of a slice is not 0")
        if type(whole) is str:
            budget.text(len(range(*part.indices(len(whole)))))
            return whole[part]
        if is_list(whole):
            budget.items(len(range(*part.indices(len(whole)))))
            return list(whole[part])
        raise ExpressionError(f"only lists and texts can be sliced, not {kind(whole)}")

    return cut


def _whole(bound: object) -> int | None:
    if bound is None or type(bound) is int:
        return bound
    raise ExpressionError(f"the bounds of a slice are whole numbers, not {kind(bound)}")


def _choice(test: Evaluate, chosen: Evaluate, other: Evaluate) -> Evaluate:
    return lambda context, budget: (chosen if test(context, budget) else other)(context, budget)


def _both(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda context, budget: left(context, budget) and right(context, budget)


def _either(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda context, budget: left(context, budget) or right(context, budget)


def _binary(operator: operators.Operator, left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda context, budget: operator(budget, left(context, budget), right(context, budget))


def _unary(operator: Callable[[object], object], operand: Evaluate) -> Evaluate:
    return lambda context, budget: operator(operand(context, budget))


def _compare(first: Evaluate, others: Sequence[tuple[operators.Operator, Evaluate]]) -> Evaluate:
    def compare(context: Mapping[str, object], budget: Budget) -> bool:
        left = first(context, budget)
        for operator, other in others:
            right = other(context, budget)
            if not operator(budget, left, right):
                return False
            left = right
        return True

    return compare


def _concat(parts: Sequence[Evaluate]) -> Evaluate:
    def concat(context: Mapping[str, object], budget: Budget) -> str:
        texts = [text(part(context, budget), budget) for part in parts]
        budget.text(sum(map(len, texts)))
        return "".join(texts)

    return concat


def _call(
    name: str,
    function: filters.Filter,
    value: Evaluate,
    arguments: Sequence[Evaluate],
    keywords: Mapping[str, Evaluate],
) -> Evaluate:
    def call(context: Mapping[str, object], budget: Budget) -> object:
        given = [value(context, budget), *(argument(context, budget) for argument in arguments)]
        named = {key: argument(context, budget) for key, argument in keywords.items()}
        return filters.apply(name, function, budget, given, named)

    return call
