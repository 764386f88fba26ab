"""The runner by itself: effects begin as soon as they are committed, one at a time for each card, and lanes stay apart."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from flows.definition import Approval, Flow, Step
from flows.effects import Lane
from flows.errors import ActionError
from flows.run import Door, Verdict
from flows.runner import WINDOW, Places, Runner
from flows.testing import FlowTest, RecordingMessenger

ANN, BOB = "ann@example.com", "bob@example.com"
SOON = 10.0
"""Seconds of real time within which something happens by itself; with the clock standing still, it never does later."""


async def test_a_step_begins_as_soon_as_the_one_before_it_has_ended():
    done = asyncio.Event()
    steps = [Step(id=f"s{n}", uses="log") for n in range(5)]
    flow = Flow(flow="chain", steps=(*steps, Step(id="end", uses="http.request")))
    async with FlowTest(flow, people=[ANN], actions={"http.request": lambda _: done.set()}) as t:
        ann = await t.crowd.meet(t.store, ANN)
        await t.engine.start("chain", ann.id, {})

        await asyncio.wait_for(done.wait(), SOON)


async def test_the_step_after_a_decision_begins_at_once():
    done = asyncio.Event()
    flow = Flow(
        flow="gate", steps=(Step(id="ask", approval=Approval(approvers=(BOB,))), Step(id="go", uses="http.request"))
    )
    async with FlowTest(flow, people=[ANN, BOB], actions={"http.request": lambda _: done.set()}) as t:
        run = await t.start(by=ANN)
        bob = await t.crowd.meet(t.store, BOB)
        await t.engine.decide(run.number, 1, bob.id, Verdict.APPROVE, door=Door.SLACK)

        await asyncio.wait_for(done.wait(), SOON)


class _Meanwhile(RecordingMessenger):
    """Somebody decides while the card is being drawn for the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.decide = None
        self.caught_up = asyncio.Event()

    async def sync_card(self, card, call):
        if self.decide is not None:
            decide, self.decide = self.decide, None
            await decide(card.view.run.id)
        posted = await super().sync_card(card, call)
        if not card.view.open:
            self.caught_up.set()
        return posted


async def test_R11_a_card_that_was_overtaken_while_it_was_drawn_is_drawn_again_at_once():
    flow = Flow(flow="gate", steps=(Step(id="ask", approval=Approval(approvers=(BOB,), via=({"slack": "#a"},))),))
    async with FlowTest(flow, people=[ANN, BOB]) as t:
        bob = await t.crowd.meet(t.store, BOB)
        messenger = _Meanwhile()
        messenger.decide = lambda run: t.engine.decide(run, 1, bob.id, Verdict.APPROVE, door=Door.SLACK)
        await t.runner.drain()
        runner = Runner(t.store, directory=t.crowd, performer=t.performer, messenger=messenger, clock=t.clock)
        runner.start()
        await t.engine.start("gate", (await t.crowd.meet(t.store, ANN)).id, {})
        await asyncio.wait_for(messenger.caught_up.wait(), SOON)
        await runner.idle()
        await runner.drain()
        (card,) = messenger.cards

        assert messenger.draws == 2
        assert card.view.open is False


async def test_actions_that_take_long_take_no_places_from_the_cards():
    released = asyncio.Event()

    async def slow(_params):
        await released.wait()

    flow = Flow(
        flow="mixed",
        inputs=({"name": "slow", "type": "boolean"},),
        steps=(
            Step(id="work", if_="inputs.slow", uses="http.request"),
            Step(id="ask", approval=Approval(approvers=(BOB,), via=({"slack": "#a"},))),
        ),
    )
    async with FlowTest(flow, people=[ANN, BOB], actions={"http.request": slow}) as t:
        await t.runner.drain()
        drawn = asyncio.Event()
        messenger = RecordingMessenger()
        original = messenger.sync_card

        async def sync_card(card, call):
            posted = await original(card, call)
            drawn.set()
            return posted

        messenger.sync_card = sync_card
        runner = Runner(
            t.store,
            directory=t.crowd,
            performer=t.performer,
            messenger=messenger,
            clock=t.clock,
            places=Places(actions=2),
        )
        runner.start()
        ann = await t.crowd.meet(t.store, ANN)
        for _ in range(20):
            await t.engine.start("mixed", ann.id, {"slow": True})
        await t.engine.start("mixed", ann.id, {"slow": False})
        await asyncio.wait_for(drawn.wait(), SOON)
        at_work = len(t.calls("http.request"))
        released.set()
        await runner.idle()
        await runner.drain()

        assert at_work == 2
        assert len(t.calls("http.request")) == 20
        assert len(messenger.cards) == 21


@pytest.mark.slow
async def test_each_of_many_more_effects_than_fit_into_memory_is_performed_once():
    flow = Flow(flow="many", steps=(Step(id="one", uses="log"),))
    async with FlowTest(flow, people=[ANN]) as t:
        await t.runner.drain()
        ann = await t.crowd.meet(t.store, ANN)
        await asyncio.gather(*[t.engine.start("many", ann.id, {}) for _ in range(WINDOW + 200)])
        await t.restart()
        keys = [call.key for call in t.calls()]

        assert len(keys) == WINDOW + 200
        assert len(set(keys)) == WINDOW + 200


async def test_drain_begins_nothing_new_and_what_is_left_is_done_after_the_restart():
    flow = Flow(flow="work", steps=(Step(id="one", uses="log"),))
    async with FlowTest(flow, people=[ANN]) as t:
        await t.runner.drain()
        ann = await t.crowd.meet(t.store, ANN)
        run, _ = await t.engine.start("work", ann.id, {})
        due = await t.store.due(Lane.ACTIONS, 10)
        before = len(t.calls())
        await t.restart()

        assert (len(due), before) == (1, 0)
        assert (await t.engine.run(run.id, ann.id)).status == "succeeded"
        assert len(t.calls()) == 1


async def test_an_action_that_is_cut_off_by_the_end_of_the_process_is_repeated_with_its_key():
    hangs = asyncio.Event()
    begun = asyncio.Event()

    async def cut_off(_params):
        begun.set()
        await hangs.wait()

    flow = Flow(flow="work", steps=(Step(id="one", uses="http.request"),))
    async with FlowTest(flow, people=[ANN], actions={"http.request": cut_off}) as t:
        ann = await t.crowd.meet(t.store, ANN)
        run, _ = await t.engine.start("work", ann.id, {})
        await asyncio.wait_for(begun.wait(), SOON)
        await t.runner.drain(patience=timedelta(0))
        hangs.set()
        await t.restart()
        first, second = t.calls()

        assert first.key == second.key
        assert (first.attempt, second.attempt) == (1, 1)
        assert (await t.engine.run(run.id, ann.id)).status == "succeeded"


async def test_what_an_action_remembers_is_there_for_its_next_delivery_and_its_next_attempt():
    memos = []

    class Remembering:
        async def perform(self, brief, call):
            memos.append((call.attempt, dict(call.memo)))
            await call.remember({"seen": len(memos)})
            if len(memos) == 1:
                raise ActionError("lost", uncertain=True)
            if len(memos) == 2:
                raise ActionError("503", retryable=True)
            return "done"

    flow = Flow(flow="work", steps=(Step(id="one", uses="http.request", retry={"max": 1}),))
    async with FlowTest(flow, people=[ANN], admins=[ANN]) as t:
        await t.runner.drain()
        runner = Runner(t.store, directory=t.crowd, performer=Remembering(), messenger=t.messenger, clock=t.clock)
        runner.start()
        t.runner = runner
        run = await t.start(by=ANN)
        await t.retry(run, by=ANN)
        await t.advance("1m")

        assert memos == [(1, {}), (1, {"seen": 1}), (2, {"seen": 2})]
        assert run.steps["one"].output == "done"
