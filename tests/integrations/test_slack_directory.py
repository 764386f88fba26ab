"""Who is who in Slack, with few calls, over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.sandbox import Sandbox
from integrations.slack.client import SlackClient
from integrations.slack.directory import ONE_BY_ONE, SlackDirectory
from integrations.slack.failures import SlackError

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Time:
    """A wall clock and a monotonic one, which a test moves together or apart."""

    def __init__(self) -> None:
        self.wall = NOON
        self.passed = 0.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.passed

    def passes(self, duration: timedelta) -> None:
        self.wall += duration
        self.passed += duration.total_seconds()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox.with_people() as running:
        yield running


@pytest.fixture
async def directory(sandbox: Sandbox, time: Time) -> AsyncIterator[SlackDirectory]:
    client = SlackClient(sandbox.bot_token, base_url=sandbox.slack_url)
    yield SlackDirectory(client, team_id=sandbox.workspace.id, now=time.now, monotonic=time.monotonic)
    await client.close()


def names(reading: Any) -> list[str]:
    return [user.name for user in reading.value]


async def test_a_group_is_its_members_with_the_instant_of_reading(directory: SlackDirectory) -> None:
    members, read_at = await directory.members("@hr-leads")

    assert members is not None
    assert [user.name for user in members] == ["Bob Baker", "Cat Carter"]
    assert read_at == NOON


async def test_a_handle_is_found_whatever_its_case(directory: SlackDirectory) -> None:
    assert names(await directory.members("@HR-Leads")) == ["Bob Baker", "Cat Carter"]


async def test_S3_guests_bots_strangers_and_people_who_left_are_no_members(
    sandbox: Sandbox, directory: SlackDirectory
) -> None:
    sorts = ("guest", "single-channel guest", "stranger", "deactivated", "bot")
    others = [sandbox.add_person(f"p{number}", sort=sort) for number, sort in enumerate(sorts)]  # type: ignore[arg-type]  # literals from a tuple
    users = [sandbox.person("ann").user, *(other.user for other in others)]
    sandbox.workspace.add_group("mixed", users)

    assert names(await directory.members("@mixed")) == ["Ann Archer"]


async def test_W12_one_persons_membership_is_what_the_list_of_members_says(
    sandbox: Sandbox, directory: SlackDirectory, time: Time
) -> None:
    sorts = ("guest", "single-channel guest", "stranger", "deactivated", "bot")
    others = [sandbox.add_person(f"p{number}", sort=sort) for number, sort in enumerate(sorts)]  # type: ignore[arg-type]  # literals from a tuple
    everybody = [*sandbox.people.values()]
    sandbox.workspace.add_group("mixed", [sandbox.person("ann").user, *(other.user for other in others)])

    one_by_one = {each.id for each in everybody if (await directory.is_member("@mixed", each.id)).value}
    listed = {member.id for member in (await directory.members("@mixed")).value or ()}

    assert one_by_one == listed == {sandbox.person("ann").id}
    assert await directory.is_member("@mixed", "UNOBODY00") == (False, NOON)
    assert await directory.is_member("@nobody", everybody[0].id) == (False, NOON)


async def test_W12_one_persons_membership_of_a_large_group_asks_of_nobody_else(
    sandbox: Sandbox, directory: SlackDirectory, time: Time
) -> None:
    crowd = [sandbox.add_person(f"p{number}") for number in range(ONE_BY_ONE * 2)]
    sandbox.workspace.add_group("crowd", [each.user for each in crowd])
    await directory.user(crowd[0].id)
    time.passes(10 * SECOND)

    member, read_at = await directory.is_member("@crowd", crowd[0].id)

    assert (member, read_at) == (True, NOON)  # that of the oldest part
    assert (sandbox.calls.count("users.info"), sandbox.calls.count("users.list")) == (1, 0)


async def test_a_group_that_is_not_there_is_none_and_an_empty_one_is_empty(
    sandbox: Sandbox, directory: SlackDirectory, time: Time
) -> None:
    sandbox.workspace.add_group("empty")
    leads = next(group for group in sandbox.workspace.groups.values() if group.handle == "hr-leads")
    empty = await directory.members("@empty")

    unknown = await directory.members("@nobody")
    leads.disabled = True
    disabled = await directory.members("@hr-leads")

    assert (unknown.value, empty.value, disabled.value) == (None, (), None)
    assert unknown.read_at == NOON


async def test_R18_a_thousand_at_once_cause_one_call_of_each_sort(sandbox: Sandbox, directory: SlackDirectory) -> None:
    ann = sandbox.person("ann")

    users = await asyncio.gather(*(directory.user(ann.id) for _ in range(1000)))
    emails = await asyncio.gather(*(directory.by_email("Ann@example.com") for _ in range(1000)))
    groups = await asyncio.gather(*(directory.members("@hr-leads", fresh=True) for _ in range(1000)))

    assert {user.value.id for user in [*users, *emails] if user.value} == {ann.id}
    assert all(len(group.value or ()) == 2 for group in groups)
    methods = ("users.info", "users.lookupByEmail", "usergroups.list", "usergroups.users.list")
    assert [sandbox.calls.count(method) for method in methods] == [3, 1, 1, 1]


async def test_W12_a_reading_is_used_for_a_minute_and_then_made_anew(
    sandbox: Sandbox, directory: SlackDirectory, time: Time
) -> None:
    leads = next(group for group in sandbox.workspace.groups.values() if group.handle == "hr-leads")
    await directory.members("@hr-leads")
    leads.users.remove(sandbox.person("cat").id)

    time.passes(59 * SECOND)
    within = await directory.members("@hr-leads")
    time.passes(SECOND)
    after = await directory.members("@hr-leads")

    assert (names(within), within.read_at) == (["Bob Baker", "Cat Carter"], NOON)
    assert (names(after), after.read_at) == (["Bob Baker"], NOON + 60 * SECOND)


async def test_W12_a_fresh_reading_sees_at_once_who_has_left_the_group(
    sandbox: Sandbox, directory: SlackDirectory, time: Time
) -> None:
    leads = next(group for group in sandbox.workspace.groups.values() if group.handle == "hr-leads")
    await directory.members("@hr-leads")
    leads.users.remove(sandbox.person("cat").id)

    fresh = await directory.members("@hr-leads", fresh=True)
    kept = await directory.members("@hr-leads")

    assert (names(fresh), names(kept)) == (["Bob Baker"], ["Bob Baker"])


async def test_a_fresh_reading_of_a_user_sees_at_once_that_they_left(
    sandbox: Sandbox, directory: SlackDirectory
) -> None:
    bob = sandbox.person("bob")
    await directory.user(bob.id)
    bob.user.deleted = True

    kept = (await directory.user(bob.id)).value
    fresh = (await directory.user(bob.id, fresh=True)).value

    assert kept is not None
    assert fresh is not None
    assert (kept.deleted, fresh.deleted) == (False, True)


async def test_the_instant_is_that_of_the_oldest_part(sandbox: Sandbox, directory: SlackDirectory, time: Time) -> None:
    await directory.user(sandbox.person("bob").id)
    time.passes(10 * SECOND)

    reading = await directory.members("@hr-leads")

    assert reading.read_at == NOON


async def test_R14_a_wall_clock_that_is_stepped_back_keeps_nothing_longer(
    sandbox: Sandbox, directory: SlackDirectory, time: Time
) -> None:
    ann = sandbox.person("ann")
    await directory.user(ann.id)

    time.wall -= timedelta(hours=1)
    time.passed += 60
    await directory.user(ann.id)

    assert sandbox.calls.count("users.info") == 2


async def test_S12_a_failure_to_ask_is_raised_and_not_kept(sandbox: Sandbox, directory: SlackDirectory) -> None:
    ann = sandbox.person("ann")
    sandbox.faults.status("users.*", 503)
    for call in (directory.user(ann.id), directory.by_email("ann@example.com"), directory.members("@hr-leads")):
        with pytest.raises(SlackError) as caught:
            await call
        assert caught.value.retryable
    sandbox.faults.clear()

    found = [(await directory.user(ann.id)).value, (await directory.by_email("ann@example.com")).value]

    assert [user.id for user in found if user] == [ann.id, ann.id]
    assert names(await directory.members("@hr-leads")) == ["Bob Baker", "Cat Carter"]


async def test_a_mail_address_is_one_person_in_every_spelling(sandbox: Sandbox, directory: SlackDirectory) -> None:
    first = await directory.by_email("Ann@Example.com")
    again = await directory.by_email("ann@example.com")

    assert first == again
    assert sandbox.calls.count("users.lookupByEmail") == 1


async def test_a_failure_reaches_everybody_who_waits_for_it(sandbox: Sandbox, directory: SlackDirectory) -> None:
    sandbox.faults.rate_limited("users.info", retry_after=30, times=1)

    calls = [directory.user(sandbox.person("ann").id) for _ in range(3)]
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert [isinstance(result, SlackError) for result in results] == [True] * 3
    assert sandbox.calls.count("users.info") == 1


async def test_somebody_who_gives_up_does_not_stop_the_call_for_the_others(
    sandbox: Sandbox, directory: SlackDirectory
) -> None:
    ann, held = sandbox.person("ann"), asyncio.Event()
    sandbox.faults.slow("users.info", until=held)
    impatient = asyncio.create_task(directory.user(ann.id))
    patient = asyncio.create_task(directory.user(ann.id))
    await sandbox.until(lambda: sandbox.calls.count("users.info"))

    impatient.cancel()
    held.set()

    assert (await patient).value is not None
    assert impatient.cancelled() or impatient.cancelling()
    assert sandbox.calls.count("users.info") == 1


async def test_a_large_group_is_read_in_few_calls(sandbox: Sandbox, directory: SlackDirectory) -> None:
    users = [sandbox.workspace.add_user(f"u{number}") for number in range(200)]
    sandbox.workspace.add_group("large", users)
    sandbox.workspace.add_group("larger", [*users, sandbox.person("ann").user])

    large, larger = await asyncio.gather(directory.members("@large"), directory.members("@larger"))

    assert (len(large.value or ()), len(larger.value or ())) == (200, 201)
    assert sandbox.calls.count("users.list") == 1
    assert sandbox.calls.count("users.info") <= 1


async def test_a_group_of_twenty_is_read_one_by_one(sandbox: Sandbox, directory: SlackDirectory) -> None:
    sandbox.workspace.add_group("small", [sandbox.workspace.add_user(f"u{number}") for number in range(ONE_BY_ONE)])

    reading = await directory.members("@small")

    assert len(reading.value or ()) == ONE_BY_ONE
    assert (sandbox.calls.count("users.list"), sandbox.calls.count("users.info")) == (0, ONE_BY_ONE)
