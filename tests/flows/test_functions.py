"""Python actions: found beside the flow file, called with what they ask for, and honest about time and threads."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from flows.errors import ActionError, UnknownAction
from flows.functions import Functions
from flows.testing import FlowTest

ANN, BOB = "ann@example.com", "bob@example.com"
SOON = timedelta(milliseconds=50)


@pytest.fixture(autouse=True)
def _modules_stay_here() -> Iterator[None]:
    """What a test's functions import is forgotten after it."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def module(folder: Path, text: str, name: str = "actions_here") -> None:
    (folder / f"{name}.py").write_text(textwrap.dedent(text))


async def call(folder: Path, text: str, params=None, values=None, *, limit=None):
    module(folder, text)
    return (await Functions().call("actions_here:act", folder, params or {}, values or {}, timeout=limit)).output


# -- arguments ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("a, approvers", {"a": 1, "approvers": ["Bob"]}),
        ("approvers, a, b=5", {"approvers": ["Bob"], "a": 1, "b": 5}),
        ("a, /, *, resume", {"a": 1, "resume": None}),
        ("**rest", {"rest": {"a": 1}}),
        ("a, other=None, **rest", {"a": 1, "other": None, "rest": {}}),
        ("a, inputs", {"a": 1, "inputs": {"x": 2}}),
    ],
)
async def test_arguments_come_by_name_from_with_and_from_the_context(tmp_path, signature, expected):
    source = f"def act({signature}):\n    return dict(locals())\n"
    values = {"approvers": ["Bob"], "resume": None, "inputs": {"x": 2}}

    assert await call(tmp_path, source, {"a": 1}, values) == expected


async def test_with_wins_over_the_context(tmp_path):
    source = "def act(run):\n    return run\n"

    assert await call(tmp_path, source, {"run": "mine"}, {"run": {"id": "run_1"}}) == "mine"


async def test_everything_that_is_wrong_with_a_call_is_told_at_once_and_repeating_it_is_no_help(tmp_path):
    with pytest.raises(ActionError) as failure:
        await call(tmp_path, "def act(days, why):\n    return 1\n", {"dais": 1, "x": 2})

    assert str(failure.value) == (
        "actions_here:act needs 'days', which 'with' does not give; it needs 'why', which 'with' does not give; "
        "it takes no 'dais' (did you mean 'days'?); it takes no 'x' (it takes days, why)"
    )
    assert failure.value.retryable is False


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_what_asks_for_ctx_needs_a_step_of_a_run(tmp_path, kind):
    with pytest.raises(ActionError, match="actions_here:act needs 'ctx', which only a step of a run has"):
        await call(tmp_path, f"{kind} act(ctx):\n    return 1\n")


# -- what comes back ------------------------------------------------------------------------------------------


async def test_async_functions_run_on_the_loop_and_others_on_a_thread(tmp_path):
    on_loop = await call(tmp_path, "import threading\nasync def act():\n    return threading.get_ident()\n")
    module(tmp_path, "import threading\ndef act():\n    return threading.get_ident()\n", "sync_here")
    on_thread = await Functions().call("sync_here:act", tmp_path, {}, {})

    assert on_loop == threading.get_ident() != on_thread.output


async def test_a_decorated_async_function_is_awaited(tmp_path):
    source = """
        import functools

        def plain(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper

        @plain
        async def act(a):
            return a + 1
    """

    assert await call(tmp_path, source, {"a": 1}) == 2


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        ("{'items': [1, {'when': __import__('datetime').date(2026, 1, 1)}]}", "the output.items[1].when is a date"),
        ("{1: 2}", "the output has the key 1, and keys are text"),
        ("[float('nan')]", "the output[0] is nan, which JSON does not know"),
        ("{'a': '\\ud800'}", "the output.a holds half a character (a lone surrogate)"),
        ("object()", "the output is a object"),
        ("{1, 2}", "the output is a set"),
        ("later()", "the output is awaitable; make the function `async def`"),
        ("nested()", "is nested more than 100 levels deep"),
    ],
)
async def test_what_is_not_json_is_refused_with_its_path(tmp_path, returned, problem):
    source = f"""
        class Later:
            def __await__(self):
                yield

        later = Later

        def nested():
            value = []
            value.append(value)
            return value

        def act():
            return {returned}
    """
    with pytest.raises(ActionError) as failure:
        await call(tmp_path, source)

    assert str(failure.value).startswith("actions_here:act returned what is not JSON: ")
    assert str(failure.value).endswith(problem)
    assert failure.value.retryable is False


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_what_a_function_raises_can_be_tried_again_and_is_told_with_its_type(tmp_path, kind):
    with pytest.raises(ActionError) as failure:
        await call(tmp_path, f"{kind} act():\n    raise KeyError('order 7')\n")

    assert (str(failure.value), failure.value.retryable) == ("KeyError: 'order 7'", True)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_function_may_say_itself_that_trying_again_is_no_help(tmp_path, kind):
    source = f"from flows.errors import ActionError\n{kind} act():\n    raise ActionError('sold out')\n"
    with pytest.raises(ActionError) as failure:
        await call(tmp_path, source)

    assert (str(failure.value), failure.value.retryable) == ("sold out", False)


async def test_a_function_that_exits_ends_its_attempt_and_not_the_process(tmp_path):
    with pytest.raises(ActionError, match="SystemExit: 3"):
        await call(tmp_path, "import sys\ndef act():\n    sys.exit(3)\n")


# -- time -----------------------------------------------------------------------------------------------------


async def test_an_async_function_that_takes_too_long_is_cancelled(tmp_path):
    source = """
        import asyncio
        ended = []

        async def act():
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)
    """
    with pytest.raises(ActionError) as failure:
        await call(tmp_path, source, limit=SOON)
    await asyncio.sleep(0)

    assert (str(failure.value), failure.value.retryable) == ("actions_here:act took longer than 0.05s", True)
    assert sys.modules["actions_here"].ended == [True]


async def test_an_async_function_that_will_not_be_cancelled_does_not_hold_the_attempt(tmp_path):
    source = """
        import asyncio
        release = asyncio.Event()

        async def act():
            try:
                await release.wait()
            except asyncio.CancelledError:
                await release.wait()
    """
    with pytest.raises(ActionError, match="took longer"):
        await call(tmp_path, source, limit=SOON)
    sys.modules["actions_here"].release.set()


async def test_a_thread_that_takes_too_long_fails_the_attempt_and_keeps_its_place_until_it_returns(tmp_path):
    module(
        tmp_path,
        """
        import threading
        release, done = threading.Event(), threading.Event()

        def act(wait):
            if wait:
                release.wait(30)
                done.set()
            return "returned"
        """,
    )
    functions = Functions(places=1)
    with pytest.raises(ActionError, match=r"took longer than 0\.05s"):
        await functions.call("actions_here:act", tmp_path, {"wait": True}, {}, timeout=SOON)
    with pytest.raises(ActionError, match=r"took longer than 0\.05s"):  # the only place is still taken
        await functions.call("actions_here:act", tmp_path, {"wait": False}, {}, timeout=SOON)
    sys.modules["actions_here"].release.set()
    answer = await functions.call("actions_here:act", tmp_path, {"wait": False}, {})

    assert answer.output == "returned"
    assert sys.modules["actions_here"].done.is_set()


async def test_a_timeout_of_the_functions_own_is_an_error_of_the_function(tmp_path):
    with pytest.raises(ActionError) as failure:
        await call(tmp_path, "def act():\n    raise TimeoutError('the bank')\n", limit=timedelta(seconds=30))

    assert str(failure.value) == "TimeoutError: the bank"


# -- finding --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("actions_here:ackt", "has no function 'ackt' (did you mean 'act'?)"),
        ("action_here:act", "there is no module 'action_here' in "),
        ("actions_here:NUMBER", "has a int and no function 'NUMBER'"),
    ],
)
async def test_a_function_that_is_gone_is_told_with_a_hint(tmp_path, name, said):
    module(tmp_path, "NUMBER = 1\n\ndef act():\n    return 1\n")
    with pytest.raises(UnknownAction) as failure:
        await Functions().call(name, tmp_path, {}, {})

    assert said in str(failure.value)
    assert "retry or skip" in str(failure.value)


async def test_a_module_that_cannot_be_imported_says_why(tmp_path):
    with pytest.raises(UnknownAction, match="cannot be imported: ZeroDivisionError: division by zero"):
        await call(tmp_path, "1 / 0\n")


async def test_R13_a_function_that_is_gone_parks_its_step_and_goes_on_once_it_is_back(tmp_path):
    file = tmp_path / "work.yml"
    file.write_text(
        "flow: work\nsteps:\n"
        "  - {id: ask, approval: {approvers: bob@example.com}}\n"
        "  - {id: ship, run: 'actions_here:ship'}\n"
    )
    module(
        tmp_path, "def ship(approvers, inputs, run, resume, resumes, steps):\n    return [a.email for a in approvers]\n"
    )
    async with FlowTest(file, people=[ANN, BOB], admins=[ANN]) as t:
        run = await t.start(by=ANN)
        ship = sys.modules["actions_here"].ship
        del sys.modules["actions_here"].ship
        await t.approve(run, by=BOB)
        parked = [effect.error for effect in run.parked]
        sys.modules["actions_here"].ship = ship
        await t.retry(run, by=ANN)

        assert "no function 'ship'" in parked[0]
        assert run.steps["ship"].output == [BOB]


async def test_a_python_step_reads_the_approvers_and_all_steps_before_it(tmp_path):
    file = tmp_path / "work.yml"
    file.write_text(
        "flow: work\ninputs:\n  - {name: who, type: string}\nsteps:\n"
        "  - {id: build, run: 'actions_here:build', with: {times: 2}}\n"
        "  - {id: never, if: 'false', uses: log}\n"
        "  - {id: ask, approval: {approvers: bob@example.com, form: [{name: n, type: integer}]}}\n"
        "  - {id: other, uses: log}\n"
        "  - {id: ship, run: 'actions_here:ship'}\n"
    )
    module(
        tmp_path,
        """
        async def build(times, inputs):
            return inputs["who"] * times

        def ship(approvers, resume, steps, run):
            return {
                "who": [str(a) for a in approvers],
                "n": resume["n"],
                "built": steps["build"]["output"],
                "skipped": steps["never"]["output"],
                "approved": steps["ask"]["approved"],
                "requester": str(run["requester"]),
                "run": run["id"],
            }
        """,
    )
    async with FlowTest(file, people=[ANN, BOB]) as t:
        run = await t.start(by=ANN, inputs={"who": "ab"})
        await t.approve(run, by=BOB, form={"n": 3})

        assert run.steps["ship"].output == {
            "who": ["Bob"],
            "n": 3,
            "built": "abab",
            "skipped": None,
            "approved": True,
            "requester": "Ann",
            "run": run.id,
        }


async def test_what_a_python_step_raises_is_tried_again_as_its_retry_says(tmp_path):
    file = tmp_path / "work.yml"
    file.write_text("flow: work\nsteps:\n  - {id: try, run: 'actions_here:act', retry: {max: 2, delay: 10s}}\n")
    module(
        tmp_path,
        "calls = []\n\ndef act():\n    calls.append(1)\n    if len(calls) < 3:\n        raise OSError('busy')\n",
    )
    async with FlowTest(file, people=[ANN]) as t:
        run = await t.start(by=ANN)
        first = run.steps["try"].error
        await t.advance("30s")

        assert first == "OSError: busy"
        assert (run.outcome, run.steps["try"].attempt) == ("succeeded", 3)
