"""Many people at the same instant: one outcome, an exact count, and an answer for everybody."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from flows.definition import Approval, Flow, Step
from flows.errors import Closed, DecidedByYou, Refused
from flows.run import Door, Verdict
from flows.testing import FlowTest

ANN = "ann@example.com"


def crowd(size: int) -> list[str]:
    return [f"p{n}@example.com" for n in range(size)]


def gate(quorum: int | str, says: str = "go", **more) -> Flow:
    return Flow(
        flow="gate",
        steps=(
            Step(id="ask", approval=Approval(approvers=("@all",), quorum=quorum, **more)),
            Step(id="go", uses="log", with_={"message": says}),
        ),
    )


async def test_R2_fifty_people_approve_and_reject_at_once_and_there_is_one_outcome():
    people = crowd(50)
    async with FlowTest(gate(3), people=[ANN, *people], groups={"@all": people}) as t:
        run = await t.start(by=ANN)
        persons = await asyncio.gather(*[t.crowd.meet(t.store, handle) for handle in people])
        answers = await asyncio.gather(
            *[
                t.engine.decide(
                    run.number, 1, person.id, Verdict.APPROVE if index % 2 else Verdict.REJECT, door=Door.SLACK
                )
                for index, person in enumerate(persons)
            ],
            return_exceptions=True,
        )
        await t.settle()

        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        decisions = run.suspension().decisions
        assert all(type(answer) is Closed for answer in refused)
        assert len(decisions) + len(refused) == 50
        assert len({decision.person for decision in decisions}) == len(decisions)
        assert run.outcome == "rejected"
        assert Counter(decision.verdict for decision in decisions)[Verdict.REJECT] == 1


async def test_R2_of_fifty_who_approve_at_once_exactly_three_are_counted():
    people = crowd(50)
    async with FlowTest(gate(3), people=[ANN, *people], groups={"@all": people}) as t:
        run = await t.start(by=ANN)
        persons = await asyncio.gather(*[t.crowd.meet(t.store, handle) for handle in people])
        answers = await asyncio.gather(
            *[t.engine.decide(run.number, 1, person.id, Verdict.APPROVE, door=Door.PAGE) for person in persons],
            return_exceptions=True,
        )
        await t.settle()

        assert sum(type(answer) is Closed for answer in answers) == 47
        assert len(run.steps["ask"].approvers) == 3
        assert len(run.calls("log")) == 1


async def test_R3_the_same_click_twice_at_once_is_one_decision():
    async with FlowTest(gate(2), people=[ANN, *crowd(3)], groups={"@all": crowd(3)}) as t:
        run = await t.start(by=ANN)
        person = await t.crowd.meet(t.store, crowd(1)[0])
        answers = await asyncio.gather(
            *[t.engine.decide(run.number, 1, person.id, Verdict.APPROVE, door=Door.SLACK) for _ in range(10)],
            return_exceptions=True,
        )
        await t.settle()

        assert sum(type(answer) is DecidedByYou for answer in answers) == 9
        assert run.suspension().approvals == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "says",
    [
        pytest.param("go", id=""),
        pytest.param("{{ approvers | join(', ') }}", id="and a later step reads them"),
    ],
)
async def test_R18_a_thousand_decisions_on_one_suspension_are_counted_exactly(says):
    people = crowd(1000)
    flow = gate(1000, says, via=({"slack": "#all"},))
    async with FlowTest(flow, people=[ANN, *people], groups={"@all": people}) as t:
        run = await t.start(by=ANN)
        persons = await asyncio.gather(*[t.crowd.meet(t.store, handle) for handle in people])

        async def click(person: int) -> None:
            await t.engine.decide(run.number, 1, person, Verdict.APPROVE, door=Door.SLACK)

        clicks = [click(person.id) for person in persons]
        again = [click(person.id) for person in persons[:200]]
        answers = await asyncio.gather(*clicks, *again, return_exceptions=True)
        await t.settle()
        (card,) = t.messenger.cards

        refusals = [answer for answer in answers if answer is not None]
        assert len(refusals) == 200
        assert all(isinstance(refusal, Refused) for refusal in refusals)
        assert len(run.suspension().decisions) == 1000
        assert run.outcome == "succeeded"
        assert card.view.open is False
        assert t.messenger.draws < 100
