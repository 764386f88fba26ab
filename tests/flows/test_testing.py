"""The test kit that is shipped: a team's own flow in a few lines, and mistakes in a test that are told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from flows.definition import Approval, Flow, Step
from flows.errors import ActionError, DefinitionError, TryAgain
from flows.people import Person
from flows.testing import MONDAY, FakeClock, FlowTest, Turns

ANN, BOB = "ann@example.com", "bob@example.com"
YAML = """\
flow: vacation
inputs:
  - {name: manager, type: email}
steps:
  - id: ask
    approval: {approvers: "{{ inputs.manager }}", timeout: 2d}
  - id: book
    uses: http.request
    with: {url: "https://example.com", json: {by: "{{ approvers | join(', ') }}"}}
  - id: tell
    uses: log
    with: {message: "{{ steps.book.output.id }}"}
"""


async def test_a_flow_is_tested_in_a_few_lines(tmp_path):
    (tmp_path / "vacation.yml").write_text(YAML)

    async with FlowTest(tmp_path / "vacation.yml", people=[ANN, BOB], actions={"http.request": {"id": 7}}) as t:
        run = await t.start("vacation", by=ANN, inputs={"manager": BOB})
        assert run.status == "waiting"
        await t.approve(run, by=BOB, comment="enjoy")
        assert run.outcome == "succeeded"
        assert run.steps["book"].output == {"id": 7}
        assert run.calls("http.request")[0].params["json"] == {"by": "Bob"}
        assert run.calls("log")[0].params == {"message": 7}
        assert list(run.steps) == ["ask", "book", "tell"]


async def test_time_passes_only_when_it_is_let(tmp_path):
    (tmp_path / "vacation.yml").write_text(YAML)

    async with FlowTest(tmp_path, people=[ANN, BOB]) as t:
        run = await t.start(by=ANN, inputs={"manager": BOB})
        await t.advance("2d")

        assert (run.outcome, run.reason) == ("expired", "ask: nobody decided in time")
        assert t.clock.now() == MONDAY + timedelta(days=2)
        assert [telling.view.run.id for telling in t.tellings] == [run.number]


async def test_a_flow_file_that_is_wrong_says_everything_that_is_wrong_with_it(tmp_path):
    (tmp_path / "bad.yml").write_text("flow: bad\nsteps:\n  - id: A\n    uses: log\n  - {id: b}\n")

    with pytest.raises(DefinitionError) as problems:
        FlowTest(tmp_path / "bad.yml")
    assert len(problems.value.problems) == 2


def test_a_scripted_action_that_no_step_runs_is_a_slip_and_told():
    flow = Flow(flow="x", steps=(Step(id="a", uses="http.request"),))

    with pytest.raises(ValueError, match=r"no step runs 'http.reqest'; did you mean 'http.request'\?"):
        FlowTest(flow, actions={"http.reqest": 1})


async def test_scripted_actions_answer_with_values_functions_exceptions_or_in_turn():
    names = ("value", "function", "coroutine", "turns", "unscripted")
    flow = Flow(flow="x", steps=tuple(Step(id=name, uses=name, with_={"n": 1}, retry={"max": 1}) for name in names))

    async def coroutine(params):
        return params["n"] + 2

    script = {
        "value": [1],
        "function": lambda params: params["n"] + 1,
        "coroutine": coroutine,
        "turns": Turns(ActionError("busy", retryable=True), "at last"),
    }
    async with FlowTest(flow, people=[ANN], actions=script) as t:
        run = await t.start(by=ANN)
        await t.advance("1m")

        assert {name: run.steps[name].output for name in names} == {
            "value": [1],
            "function": 2,
            "coroutine": 3,
            "turns": "at last",
            "unscripted": None,
        }


async def test_an_output_is_a_copy_of_what_the_script_says():
    answer = {"list": [1]}
    flow = Flow(flow="x", steps=(Step(id="a", uses="log"),))
    async with FlowTest(flow, people=[ANN], actions={"log": answer}) as t:
        run = await t.start(by=ANN)
        answer["list"].append(2)

        assert run.steps["a"].output == {"list": [1]}


async def test_what_the_test_does_not_say_clearly_is_asked_back():
    flow = Flow(flow="x", steps=(Step(id="a", uses="log"), Step(id="ask", approval=Approval(approvers=(BOB,)))))
    async with FlowTest(flow, people=[ANN, BOB]) as t:
        run = await t.start(by=ANN)
        with pytest.raises(LookupError, match="waiting on ask> has asked nobody in step 'a'"):
            await t.approve(run, by=BOB, step="a")
        await t.approve(run, by=BOB, step="ask")

        assert repr(run) == f"<x {run.id} succeeded>"


async def test_people_may_be_described_come_go_and_be_unreachable():
    flow = Flow(flow="x", steps=(Step(id="ask", approval=Approval(approvers=("U0BOB", "nobody@example.com"))),))
    bob = Person(0, "Bob B.", None, "T1/U0BOB", "Europe/Berlin")
    async with FlowTest(flow, people=[ANN, bob]) as t:
        run = await t.start(by=ANN)
        (card,) = t.messenger.cards
        (gap,) = run.suspension().suspension.approvers.gaps
        t.crowd.leave("U0BOB")
        roster = await t.crowd.resolve(["U0BOB"])
        t.crowd.come_back("U0BOB")
        back = await t.crowd.resolve(["U0BOB"])
        t.crowd.down()
        with pytest.raises(TryAgain):
            await t.crowd.resolve(["U0BOB"])

        assert card.view.person(card.person).name == "Bob B."
        assert gap == ("nobody@example.com", "is not in this test's crowd; did you mean 'ann@example.com'?")
        assert roster.gaps == {"U0BOB": "has left Slack"}
        assert back.people == {"U0BOB": card.person}


async def test_a_group_is_written_with_an_at_sign_and_holds_people_who_are_there():
    with pytest.raises(ValueError, match="groups are written like @hr"):
        FlowTest(people=[ANN], groups={"hr": [ANN]})
    async with FlowTest(people=[ANN], groups={"@hr": ["anne@example.com"]}) as t:
        with pytest.raises(LookupError, match=r"did you mean 'ann@example.com'\?"):
            await t.crowd.resolve(["@hr"])


async def test_functions_of_python_definitions_are_really_called():
    flow = Flow(flow="x", steps=(Step(id="a", run=_double, with_={"n": 21}),))
    async with FlowTest(flow, people=[ANN]) as t:
        run = await t.start(by=ANN)

        assert run.steps["a"].output == 42


async def test_a_test_that_fails_leaves_nothing_behind():
    flow = Flow(flow="x", steps=(Step(id="ask", approval=Approval(approvers=(BOB,))),))
    test = FlowTest(flow, people=[ANN, BOB])

    async def fails() -> None:
        async with test as t:
            await t.start(by=ANN)
            raise AssertionError("as an assert would")

    with pytest.raises(AssertionError, match="as an assert would"):
        await fails()
    assert not test._database.exists()


# -- the clock ------------------------------------------------------------------------------------------------


async def test_sleepers_wake_when_enough_time_has_passed_the_earliest_first():
    clock, woken = FakeClock(), []

    async def sleeper(seconds: int) -> None:
        await clock.sleep(timedelta(seconds=seconds))
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (30, 10, 20)]
    await asyncio.sleep(0)
    clock.advance("20s")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    after_20 = list(woken)
    clock.advance(timedelta(seconds=10))
    await asyncio.gather(*tasks)

    assert after_20 == [10, 20]
    assert woken == [10, 20, 30]


async def test_a_sleep_of_nothing_returns_at_once():
    await FakeClock().sleep(timedelta(0))


async def test_setting_the_clock_wakes_nobody_and_moves_no_monotonic_time():
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(timedelta(hours=1)))
    await asyncio.sleep(0)
    clock.set(MONDAY + timedelta(days=9))
    await asyncio.sleep(0)
    asleep, passed = not sleeper.done(), clock.monotonic()
    clock.set(MONDAY - timedelta(days=9))
    clock.advance("1h")
    await sleeper

    assert (asleep, passed, clock.monotonic()) == (True, 0.0, 3600.0)
    assert clock.now() == MONDAY - timedelta(days=9) + timedelta(hours=1)


def test_time_does_not_pass_backwards_and_has_a_zone():
    with pytest.raises(ValueError, match="does not pass backwards"):
        FakeClock().advance(timedelta(seconds=-1))
    with pytest.raises(ValueError, match="needs a zone"):
        FakeClock(datetime(2026, 1, 1))  # noqa: DTZ001 -- that it has none is the point
    assert FakeClock(datetime(2026, 1, 1, 1, tzinfo=UTC)).now().hour == 1


def _double(n: int) -> int:
    return n * 2
