"""Python functions against what steps give them, before they are called."""

from __future__ import annotations

import inspect

import pytest

from flows.arguments import misfits
from flows.functions import FROM_CONTEXT


class StepContext:
    """Stands for the real one, which is recognised by its name."""


def plain(job, n=1): ...


def takes_all(job, **rest): ...


def asks(job, inputs, approvers, ctx): ...


def annotated(job, here: StepContext): ...


def written(job, here: "BlockingStepContext | None"): ...  # noqa: F821, UP037 - as authors write it


def by_place(job, /, *args, n): ...


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (plain, ["job"]),
        (plain, ["job", "n"]),
        (takes_all, ["job", "x", "y"]),
        (asks, ["job"]),
        (asks, ["job", "inputs"]),
        (annotated, ["job"]),
        (written, ["job"]),
        (by_place, ["job", "n"]),
        (dict, ["anything"]),
    ],
)
def test_a_call_that_fits_is_left_alone(function, given):
    assert list(misfits(function, given)) == []


@pytest.mark.parametrize(
    ("function", "given", "message", "hint"),
    [
        (plain, ["job", "nn"], "the function takes no 'nn'", "did you mean 'n'?"),
        (plain, ["n"], "'job' is missing: the function needs it", None),
        (annotated, ["job", "here"], "the function takes no 'here'", "it takes job"),
        (by_place, ["job"], "'n' is missing: the function needs it", None),
    ],
)
def test_a_call_that_would_fail_is_told(function, given, message, hint):
    (finding,) = misfits(function, given)

    assert (finding.message, finding.hint, finding.about) == (message, hint, "key")


@pytest.mark.parametrize("name", FROM_CONTEXT)
def test_what_the_context_gives_nobody_has_to(name):
    def function(): ...

    parameter = inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    function.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]  # as a decorator may set it

    assert list(misfits(function, [])) == []
