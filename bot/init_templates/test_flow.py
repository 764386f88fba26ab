from pathlib import Path

from flows.testing import FlowTest

FLOW = Path(__file__).parent / "hello.yml"
ANN, BOB = "ann@example.com", "bob@example.com"
INPUTS = {"name": "World", "approver": BOB}


async def test_who_is_approved_is_greeted() -> None:
    async with FlowTest(FLOW, people=[ANN, BOB]) as t:
        run = await t.start("hello", by=ANN, inputs=INPUTS)

        await t.approve(run, by=BOB, form={"greeting": "Good morning"})

        assert run.outcome == "succeeded"
        assert run.steps["greet"].output == "Good morning, World!"


async def test_who_is_rejected_is_not_greeted() -> None:
    async with FlowTest(FLOW, people=[ANN, BOB]) as t:
        run = await t.start("hello", by=ANN, inputs=INPUTS)

        await t.reject(run, by=BOB, comment="Not today.")

        assert run.outcome == "rejected"
        assert "greet" not in run.steps


async def test_nobody_is_greeted_while_nobody_decides() -> None:
    async with FlowTest(FLOW, people=[ANN, BOB]) as t:
        run = await t.start("hello", by=ANN, inputs=INPUTS)

        await t.advance("2d")

        assert run.outcome == "expired"
