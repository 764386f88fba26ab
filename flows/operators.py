"""Arithmetic, comparison and membership over the values of expressions, with every result capped.

Each function takes the budget first and raises ``ExpressionError`` with a sentence for the flow's author.
Numbers meet numbers and texts meet texts: nothing is converted silently, ``*`` and ``%`` know numbers only.
True and false are no numbers here, though Python counts them as such.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, TypeGuard

from flows.values import MAX_BITS, Budget, ExpressionError, is_list, is_mapping, kind, weight

Number = int | float
Operator = Callable[[Budget, object, object], object]


def is_number(value: object) -> TypeGuard[Number]:
    return type(value) is int or type(value) is float


def number(value: object) -> Number:
    """The result of a computation, where it is a number that JSON and a reader can bear."""
    if type(value) is int:
        if value.bit_length() > MAX_BITS:
            raise ExpressionError(f"this computes a number of more than {MAX_BITS} bits")
        return value
    if type(value) is float and math.isfinite(value):
        return value
    raise ExpressionError("this does not compute to a number")


def add(budget: Budget, left: object, right: object) -> object:
    """The sum of numbers; texts or lists, one after the other."""
    if type(left) is str and type(right) is str:
        budget.text(len(left) + len(right))
        return left + right
    if is_list(left) and is_list(right):
        budget.items(len(left) + len(right))
        return [*left, *right]
    hint = "To write values into one text, join them with `~`." if str in (type(left), type(right)) else None
    return _compute(left, right, operator.add, "+", hint)


def subtract(_budget: Budget, left: object, right: object) -> object:
    return _compute(left, right, operator.sub, "-")


def multiply(_budget: Budget, left: object, right: object) -> object:
    return _compute(left, right, operator.mul, "*")


def divide(_budget: Budget, left: object, right: object) -> object:
    return _compute(left, right, operator.truediv, "/")


def floor_divide(_budget: Budget, left: object, right: object) -> object:
    return _compute(left, right, operator.floordiv, "//")


def remainder(_budget: Budget, left: object, right: object) -> object:
    return _compute(left, right, operator.mod, "%", "To write values into a text, join them with `~`.")


def power(_budget: Budget, left: object, right: object) -> object:
    # Asked before it is computed: 9 ** 9 ** 9 would not come back.
    if type(left) is int and type(right) is int and left.bit_length() * right > MAX_BITS:
        raise ExpressionError(f"this computes a number of more than {MAX_BITS} bits")
    return _compute(left, right, operator.pow, "**")


def equal(budget: Budget, left: object, right: object) -> bool:
    for side in (left, right):
        if is_mapping(side) or is_list(side):
            budget.spend(weight(side, budget.left))
        elif type(side) is str:
            budget.spend(len(side))
    return bool(left == right)


def unequal(budget: Budget, left: object, right: object) -> bool:
    return not equal(budget, left, right)


def less(budget: Budget, left: object, right: object) -> bool:
    return _order(budget, left, right, operator.lt, "<")


def less_or_equal(budget: Budget, left: object, right: object) -> bool:
    return _order(budget, left, right, operator.le, "<=")


def greater(budget: Budget, left: object, right: object) -> bool:
    return _order(budget, left, right, operator.gt, ">")


def greater_or_equal(budget: Budget, left: object, right: object) -> bool:
    return _order(budget, left, right, operator.ge, ">=")


def contained(budget: Budget, item: object, container: object) -> bool:
    """Whether ``container`` holds ``item``: a list its items, a mapping its keys, a text its parts."""
    if type(container) is str:
        if type(item) is not str:
            raise ExpressionError(f"only text can be `in` a text, not {kind(item)}")
        budget.spend(len(container))
        return item in container
    if is_mapping(container):
        return type(item) is str and item in container
    if is_list(container):
        budget.spend(weight(container, budget.left) if is_mapping(item) or is_list(item) else 0)
        budget.items(len(container))
        return item in container
    raise ExpressionError(f"`in` asks a list, a mapping or a text, not {kind(container)}")


def not_contained(budget: Budget, item: object, container: object) -> bool:
    return not contained(budget, item, container)


def negative(value: object) -> Number:
    if not is_number(value):
        raise ExpressionError(f"`-` needs a number, not {kind(value)}")
    return -value


def positive(value: object) -> Number:
    if not is_number(value):
        raise ExpressionError(f"`+` needs a number, not {kind(value)}")
    return value


def _compute(
    left: object, right: object, compute: Callable[[Any, Any], Any], sign: str, hint: str | None = None
) -> Number:
    if not is_number(left) or not is_number(right):
        raise ExpressionError(f"`{sign}` cannot combine {kind(left)} and {kind(right)}", hint)
    try:
        return number(compute(left, right))
    except ZeroDivisionError:
        raise ExpressionError("this divides by zero") from None
    except OverflowError:
        raise ExpressionError("this computes a number that is too large") from None


def _order(budget: Budget, left: object, right: object, compare: Callable[[Any, Any], Any], sign: str) -> bool:
    if type(left) is str and type(right) is str:
        budget.spend(min(len(left), len(right)))
    elif not is_number(left) or not is_number(right):
        hint = "Make a number of the text with `| int` or `| float`." if str in (type(left), type(right)) else None
        raise ExpressionError(f"`{sign}` cannot compare {kind(left)} with {kind(right)}", hint)
    return bool(compare(left, right))
