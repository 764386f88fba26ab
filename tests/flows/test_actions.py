"""Actions on the real engine: conditions, attempts, pauses between them, and effects that only a person can help."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.definition import Flow, Step
from flows.errors import ActionError, NotAllowed, UnknownAction, UnknownEffect
from flows.run import Door, Verdict
from flows.testing import MONDAY, FlowTest, Turns

ANN, BOB = "ann@example.com", "bob@example.com"
PEOPLE = [ANN, BOB]


def flow(*steps: Step, **inputs: str) -> Flow:
    fields = tuple({"name": name, "type": kind, "required": False} for name, kind in inputs.items())
    return Flow(flow="work", inputs=fields, steps=steps)


CALL = Step(id="call", uses="http.request", with_={"url": "https://api.example.com"})
DOWN = ActionError("503", retryable=True)


# -- if -------------------------------------------------------------------------------------------------------


async def test_skipped_steps_have_a_null_output_and_whole_chains_of_them_are_passed():
    chain = flow(
        Step(id="a", if_="false", uses="log"),
        Step(id="b", if_="inputs.n > 1", uses="log"),
        Step(id="c", if_="steps.a.output is none and steps.b.output is none", uses="log"),
        Step(id="d", if_="steps.c.output == 'done'", uses="log", with_={"a": "{{ steps.a.output }}"}),
        Step(id="e", if_="false", delay="1d"),
        n="integer",
    )
    async with FlowTest(chain, people=PEOPLE, actions={"log": "done"}) as t:
        run = await t.start(by=ANN, inputs={"n": 1})

        assert run.outcome == "succeeded"
        assert {step: result.state for step, result in run.steps.items()} == {
            "a": "skipped",
            "b": "skipped",
            "c": "succeeded",
            "d": "succeeded",
            "e": "skipped",
        }
        assert [call.params for call in run.calls()] == [{}, {"a": None}]


async def test_a_flow_whose_every_step_is_skipped_succeeds_at_once():
    async with FlowTest(flow(Step(id="a", if_="false", uses="log")), people=PEOPLE) as t:
        run = await t.start(by=ANN)

        assert run.outcome == "succeeded"


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Step(id="x", if_="inputs.n + 1 > 0", uses="log"), "x: if: "),
        (Step(id="x", uses="log", with_={"deep": [{"er": "{{ inputs.n + 1 }}"}]}), "x: with.deep.0.er: "),
        (Step(id="x", hold={"ask": "{{ inputs.n + 1 }}"}), "x: "),
        (Step(id="x", approval={"approvers": "{{ inputs.n }}"}), "x: "),
        (Step(id="x", hold={"show": {"n": "{{ inputs.n + 1 }}"}}), "x: "),
    ],
)
async def test_an_expression_that_fails_fails_the_run_and_says_where(step, reason):
    async with FlowTest(flow(step, CALL, n="string"), people=PEOPLE) as t:
        run = await t.start(by=ANN, inputs={"n": "text"})

        assert run.outcome == "failed"
        assert run.reason.startswith(reason)
        assert run.steps["x"].state == "failed"
        assert run.calls("http.request") == []
        assert len(t.tellings) == 1


# -- attempts -------------------------------------------------------------------------------------------------


def retried(**retry) -> Step:
    return Step(id="call", uses="http.request", retry=retry)


async def test_attempts_are_made_at_growing_pauses_with_one_key_and_the_last_error_fails_the_run():
    step = retried(max=3, delay="10s", backoff=2)
    tries: list[timedelta] = []
    async with FlowTest(flow(step), people=PEOPLE) as t:

        def down(_params):
            tries.append(t.clock.now() - MONDAY)
            raise ActionError(f"503 at try {len(tries)}", retryable=True)

        t.performer.actions["http.request"] = down
        run = await t.start(by=ANN)
        await t.advance("1h")

        assert [one.total_seconds() for one in tries] == [0, 10, 30, 70]
        assert {call.key for call in run.calls()} == {f"{run.id}/call/1/action"}
        assert [call.attempt for call in run.calls()] == [1, 2, 3, 4]
        assert (run.outcome, run.reason) == ("failed", "call: 503 at try 4")


async def test_an_attempt_that_succeeds_lets_the_run_go_on_and_its_output_is_kept():
    script = {"http.request": Turns(DOWN, DOWN, {"id": 7})}
    after = Step(id="use", uses="log", with_={"id": "{{ steps.call.output.id }}"})
    async with FlowTest(flow(retried(max=3), after), people=PEOPLE, actions=script) as t:
        run = await t.start(by=ANN)
        between = (run.status, run.steps["call"].attempt, run.steps["call"].error)
        await t.advance("1m")

        assert between == ("running", 2, "503")
        assert run.outcome == "succeeded"
        assert (run.steps["call"].attempt, run.steps["call"].error) == (3, None)
        assert [call.params for call in run.calls("log")] == [{"id": 7}]


async def test_a_failure_that_repeating_does_not_help_is_not_repeated():
    script = {"http.request": ActionError("404")}
    async with FlowTest(flow(retried(max=5)), people=PEOPLE, actions=script) as t:
        run = await t.start(by=ANN)
        await t.advance("1d")

        assert (run.outcome, run.reason, len(run.calls())) == ("failed", "call: 404", 1)


async def test_without_retry_a_passing_failure_fails_too():
    async with FlowTest(flow(CALL), people=PEOPLE, actions={"http.request": DOWN}) as t:
        run = await t.start(by=ANN)

        assert (run.outcome, len(run.calls())) == ("failed", 1)


@pytest.mark.parametrize(("asked", "waited"), [("2m", 120), ("1s", 10)])
async def test_retry_after_is_heeded_where_it_is_longer_than_the_pause(asked, waited):
    seconds = 120 if asked == "2m" else 1
    busy = ActionError("429", retryable=True, retry_after=timedelta(seconds=seconds))
    async with FlowTest(
        flow(retried(max=1, delay="10s")), people=PEOPLE, actions={"http.request": Turns(busy, "ok")}
    ) as t:
        run = await t.start(by=ANN)
        await t.advance(timedelta(seconds=waited) - timedelta(milliseconds=1))
        before = len(run.calls())
        await t.advance(timedelta(milliseconds=1))

        assert (before, len(run.calls())) == (1, 2)
        assert run.outcome == "succeeded"


async def test_no_pause_is_longer_than_max_delay():
    step = retried(max=3, delay="10m", backoff=10, max_delay="15m")
    async with FlowTest(flow(step), people=PEOPLE, actions={"http.request": DOWN}) as t:
        run = await t.start(by=ANN)
        await t.advance(timedelta(minutes=10 + 15 + 15) - timedelta(milliseconds=1))
        before = len(run.calls())
        await t.advance(timedelta(milliseconds=1))

        assert (before, len(run.calls())) == (3, 4)


# -- parked ---------------------------------------------------------------------------------------------------


async def test_an_action_of_which_nobody_knows_whether_it_was_done_is_parked_and_retry_does_it_again_with_its_key():
    unknown = ActionError("connection lost", uncertain=True)
    script = {"http.request": Turns(unknown, {"id": 1})}
    async with FlowTest(flow(retried(max=5)), people=PEOPLE, admins=[BOB], actions=script) as t:
        run = await t.start(by=ANN)
        await t.advance("1d")
        parked = run.parked
        with pytest.raises(NotAllowed):
            await t.retry(run, by=ANN)
        await t.retry(run, by=BOB)

        assert [(effect.what, effect.path) for effect in parked] == [("perform the action", "call")]
        assert "unknown whether it was done: connection lost" in parked[0].error
        assert (run.outcome, run.parked) == ("succeeded", [])
        assert [call.key for call in run.calls()] == [f"{run.id}/call/1/action"] * 2


async def test_skip_gives_up_on_a_parked_action_and_its_output_is_null():
    after = Step(id="use", uses="log", with_={"out": "{{ steps.call.output }}"})
    script = {"http.request": UnknownAction("http is not set up")}
    async with FlowTest(flow(CALL, after), people=PEOPLE, admins=[BOB], actions=script) as t:
        run = await t.start(by=ANN)
        parked = run.parked
        with pytest.raises(NotAllowed):
            await t.skip(run, by=ANN)
        await t.skip(run, by=BOB)
        bob = await t.crowd.meet(t.store, BOB)
        with pytest.raises(UnknownEffect):
            await t.engine.skip(parked[0].id, bob.id)
        with pytest.raises(UnknownEffect):
            await t.engine.retry(parked[0].id, bob.id)

        assert [effect.error for effect in parked] == ["http is not set up"]
        assert run.outcome == "succeeded"
        assert [call.params for call in run.calls("log")] == [{"out": None}]


async def test_a_fault_that_nobody_foresaw_parks_the_effect_and_not_the_bot(caplog):
    script = {"http.request": Turns(ZeroDivisionError("oops"), "ok")}
    async with FlowTest(flow(CALL), people=PEOPLE, admins=[BOB], actions=script) as t:
        run = await t.start(by=ANN)
        other = await t.start(by=BOB)

        assert run.status == "running"
        assert [effect.error for effect in run.parked] == ["internal error: ZeroDivisionError"]
        assert other.outcome == "succeeded"


async def test_a_parked_effect_survives_a_restart_and_is_not_performed_by_it():
    script = {"http.request": Turns(ActionError("lost", uncertain=True), "ok")}
    async with FlowTest(flow(CALL), people=PEOPLE, admins=[BOB], actions=script) as t:
        run = await t.start(by=ANN)
        await t.restart()
        calls, parked = len(run.calls()), len(run.parked)
        await t.retry(run, by=BOB)

        assert (calls, parked) == (1, 1)
        assert run.outcome == "succeeded"


# -- messages -------------------------------------------------------------------------------------------------


async def test_R9_a_card_that_cannot_be_drawn_is_drawn_later_and_shows_the_truth_then():
    gate = flow(Step(id="ask", approval={"approvers": BOB, "via": [{"slack": "#ops"}]}))
    async with FlowTest(gate, people=PEOPLE) as t:
        t.messenger.fail("card", times=4)
        run = await t.start(by=ANN)
        await t.approve(run, by=BOB)
        undrawn = t.messenger.cards
        await t.advance("1m")
        (card,) = t.messenger.cards

        assert undrawn == []
        assert run.outcome == "succeeded"
        assert card.view.open is False


async def test_R9_an_hour_of_failing_messages_is_tried_at_pauses_of_a_minute_at_most():
    gate = flow(Step(id="ask", approval={"approvers": BOB, "via": "gmail"}))
    async with FlowTest(gate, people=PEOPLE) as t:
        # At 0, 1, 3, 7, 15 and 31 seconds, and from 63 on each minute: 65 tries in the first hour.
        t.messenger.fail("mail", times=65)
        run = await t.start(by=ANN)
        await t.advance("1h")
        (effect,) = run.view.troubled
        before = len(t.mails)
        await t.advance("1m")

        assert (effect.deliveries, effect.error, before) == (65, "the messenger is down", 0)
        assert [mailed.person.email for mailed in t.mails] == [BOB]


async def test_R9_the_time_that_a_messenger_asks_for_is_given_to_it():
    gate = flow(Step(id="ask", approval={"approvers": BOB, "via": "gmail"}))
    async with FlowTest(gate, people=PEOPLE) as t:
        t.messenger.fail("mail", ActionError("429", retryable=True, retry_after=timedelta(minutes=5)))
        await t.start(by=ANN)
        await t.advance(timedelta(minutes=5) - timedelta(milliseconds=1))
        before = len(t.mails)
        await t.advance(timedelta(milliseconds=1))

        assert (before, len(t.mails)) == (0, 1)


async def test_R10_a_mail_of_which_nobody_knows_whether_it_left_is_repeated_after_an_hour_and_not_if_decided():
    gate = flow(Step(id="ask", approval={"approvers": (BOB,), "via": "gmail"}))
    lost = ActionError("dropped after accepting", uncertain=True)
    async with FlowTest(gate, people=PEOPLE) as t:
        t.messenger.fail("mail", lost, times=2)
        run = await t.start(by=ANN)
        decided = await t.start(by=ANN)
        await t.approve(decided, by=BOB)
        await t.advance(timedelta(hours=1) - timedelta(milliseconds=1))
        before = len(t.mails)
        await t.advance(timedelta(milliseconds=1))

        assert before == 0
        assert [(mailed.view.run.id, mailed.person.email) for mailed in t.mails] == [(run.number, BOB)]


async def test_cards_of_clicks_that_come_together_are_drawn_once_and_show_the_last():
    everybody = [f"p{n}@example.com" for n in range(30)]
    gate = flow(Step(id="ask", approval={"approvers": everybody, "quorum": 30, "via": [{"slack": "#all"}]}))
    async with FlowTest(gate, people=[ANN, *everybody]) as t:
        run = await t.start(by=ANN)
        await t.runner.drain()
        persons = [await t.crowd.meet(t.store, one) for one in everybody[:29]]
        for person in persons:
            await t.engine.decide(run.number, 1, person.id, Verdict.APPROVE, door=Door.SLACK)
        await t.restart()
        (card,) = t.messenger.cards

        assert t.messenger.draws == 2
        assert card.view.approvals == 29
