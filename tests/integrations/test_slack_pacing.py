"""Turns: what Slack would refuse waits outside, a 429 stops one method of one workspace, and people come first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from flows.testing import FakeClock
from integrations.sandbox import Sandbox
from integrations.slack.client import SlackClient
from integrations.slack.failures import RateLimited
from integrations.slack.pacing import CHANNEL_LIMITS, LIMITS, Pacer

NONE = timedelta(0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pacer(clock: FakeClock) -> Pacer:
    return Pacer(clock)


@pytest.fixture
async def sandbox(clock: FakeClock) -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people(clock=clock) as running:
        yield running


@pytest.fixture
async def slack(sandbox: Sandbox, pacer: Pacer) -> AsyncIterator[SlackClient]:
    client = SlackClient(sandbox.bot_token, base_url=sandbox.slack_url, timeout=5, pacer=pacer)
    yield client
    await client.close()


class Outbox:
    """Callers as the outbox has them: each comes back when it was told to."""

    def __init__(self, clock: FakeClock, pacer: Pacer) -> None:
        self._clock = clock
        self._pacer = pacer
        self.asked = 0
        self.went: list[float] = []

    def run(self, method: str, channels: list[str | None]) -> None:
        """Until all have gone."""
        waiting = [(self._clock.monotonic(), n, channel) for n, channel in enumerate(channels)]
        while waiting:
            waiting.sort(key=lambda one: one[:2])
            due, n, channel = waiting.pop(0)
            if due > self._clock.monotonic():
                # The outbox counts in whole milliseconds, and rounds down.
                self._clock.advance(timedelta(milliseconds=int((due - self._clock.monotonic()) * 1000)))
            self.asked += 1
            wait = self._pacer.turn(method, channel)
            if wait:
                waiting.append((self._clock.monotonic() + wait.total_seconds(), n, channel))
            else:
                self.went.append(self._clock.monotonic())


def most_within(times: list[float], seconds: float) -> int:
    return max(sum(start <= one < start + seconds - 0.1 for one in times) for start in times)


@pytest.mark.parametrize("method", ["chat.update", "conversations.history", "chat.postMessage"])
def test_R9_a_thousand_calls_keep_the_tier_of_their_method_and_each_asks_only_a_few_times(clock, pacer, method):
    outbox = Outbox(clock, pacer)

    outbox.run(method, [None] * 1_000)

    limit = LIMITS[method]
    assert len(outbox.went) == 1_000
    assert most_within(outbox.went, limit.seconds) <= limit.calls
    assert outbox.went[-1] < 1.3 * 1_000 * limit.seconds / limit.calls
    assert outbox.asked <= 2 * 1_000 + 10


def test_R9_a_channel_gets_one_post_a_second_in_the_long_run_and_a_short_burst_at_once(clock, pacer):
    outbox = Outbox(clock, pacer)

    outbox.run("chat.postMessage", ["C1"] * 60)

    limit = CHANNEL_LIMITS["chat.postMessage"]
    assert most_within(outbox.went, limit.seconds) <= limit.calls
    assert outbox.went.count(0.0) >= 5
    assert 50 <= outbox.went[-1] <= 70


def test_R9_one_busy_channel_holds_up_no_other(clock, pacer):
    for _ in range(50):
        pacer.turn("chat.postMessage", "C1")

    assert pacer.turn("chat.postMessage", "C1") > NONE
    assert pacer.turn("chat.postMessage", "C2") == NONE


def test_R9_after_a_429_the_method_waits_as_long_as_slack_says_and_the_others_go_on(clock, pacer):
    pacer.refused("chat.update", timedelta(seconds=30))

    waits = [pacer.turn("chat.update", channel).total_seconds() for channel in ("C1", "C2")]
    other = pacer.turn("chat.postMessage", "C1")
    clock.advance("29s")
    early = pacer.turn("chat.update", "C1")
    clock.advance("1s")

    assert min(waits) == 30
    assert other == NONE
    assert early > NONE
    assert pacer.turn("chat.update", "C1") == NONE


def test_R9_after_a_429_there_are_no_bursts_for_a_while(clock, pacer):
    pacer.turn("chat.postMessage", "C1")
    pacer.refused("chat.postMessage", timedelta(seconds=1), "C1")
    outbox = Outbox(clock, pacer)

    outbox.run("chat.postMessage", ["C1"] * 20)

    gaps = [later - earlier for earlier, later in zip(outbox.went, outbox.went[1:], strict=False)]
    assert min(gaps) >= 0.94
    assert 20 <= outbox.went[-1] <= 24


def test_workspaces_do_not_wait_for_each_other(clock, pacer):
    pacer.refused("chat.update", timedelta(seconds=30))

    assert Pacer(clock).turn("chat.update", "C1") == NONE


def test_what_people_wait_for_is_held_back_by_slack_only_and_not_by_what_waits_in_the_outbox(clock, pacer):
    for _ in range(200):
        pacer.turn("chat.update", "C1")

    urgent = pacer.turn("chat.update", "C1", urgent=True)
    pacer.refused("chat.update", timedelta(seconds=7))

    assert urgent == NONE
    assert pacer.turn("chat.update", "C1", urgent=True) == timedelta(seconds=7)


async def test_R9_a_call_whose_turn_has_not_come_is_not_sent_and_says_when(sandbox, slack, clock):
    for n in range(30):
        try:
            await slack.post("#general", text=str(n))
        except RateLimited as error:
            refused = error
            break

    sent = sandbox.calls.count("chat.postMessage")
    clock.advance(refused.retry_after)
    await slack.post("#general", text="later")

    assert (refused.retryable, refused.uncertain) == (True, False)
    assert sent == n < 30
    assert sandbox.calls.of("chat.postMessage")[-1].outcome == "ok"


async def test_R9_one_429_is_enough_for_all_who_want_the_same(sandbox, slack, clock):
    sandbox.faults.rate_limited("chat.postMessage", retry_after=30, times=1)

    waits = []
    for channel in ("#general", "#vacation", "#general"):
        with pytest.raises(RateLimited) as caught:
            await slack.post(channel, text="hello")
        waits.append(caught.value.retry_after)

    assert sandbox.calls.count("chat.postMessage") == 1
    assert min(waits) == timedelta(seconds=30)
    assert await slack.open_direct(sandbox.person("ann").id)


class PassingClock(FakeClock):
    """Time passes while somebody sleeps."""

    async def sleep(self, duration: timedelta) -> None:
        self.advance(duration)


@pytest.mark.parametrize(("seconds", "calls"), [(1, ["http 429", "ok"]), (3, ["http 429"])])
async def test_a_modal_waits_a_moment_itself_after_a_429_while_the_click_is_fresh(sandbox, seconds, calls):
    view = {"type": "modal", "title": {"type": "plain_text", "text": "Why"}, "blocks": []}
    slack = SlackClient(sandbox.bot_token, base_url=sandbox.slack_url, timeout=5, pacer=Pacer(PassingClock()))
    sandbox.faults.rate_limited("views.open", retry_after=seconds, times=1)
    trigger = sandbox.workspace.new_trigger(sandbox.person("ann").id)

    if calls[-1] == "ok":
        await slack.open_view(trigger.id, view)
    else:
        with pytest.raises(RateLimited) as caught:
            await slack.open_view(trigger.id, view)
        assert not caught.value.retryable
    await slack.close()

    assert [call.outcome for call in sandbox.calls.of("views.open")] == calls


async def test_slack_is_back_is_told_once_after_a_minute_of_silence(sandbox, slack, clock):
    told = []
    slack.on_back = lambda: told.append(clock.now())
    await slack.auth()
    sandbox.faults.status("auth.test", 503)
    for _ in range(3):
        with pytest.raises(Exception, match="503"):
            await slack.auth()
        clock.advance("1m")
    sandbox.faults.clear()

    await slack.auth()
    await slack.auth()

    assert len(told) == 1
