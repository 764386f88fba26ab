"""K12 and what else starts a flow: the clock, webhooks, and other runs; each once, also across restarts."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from flows.signatures import HookKeys, Scheme, signature
from flows.triggers import MAX_DEPTH

RELEASE = """
flow: release
inputs:
  - {name: version, type: string}
  - {name: key, type: secret, required: false}
steps:
  - id: gate
    approval:
      ask: "Ship {{ inputs.version }}?"
      show: {Tests: green}
      approvers: [bob@example.com, cat@example.com]
"""

WATCH = """
flow: watch
inputs:
  - {name: what, type: string}
  - {name: key, type: string, required: false}
triggers:
  - {on: waiting, flow: release, inputs: {what: "asks: {{ event.ask }} {{ event.show.Tests }} of {{ event.run.requester }}", key: "{{ event.inputs.key }}"}}
  - {on: decided, flow: release, inputs: {what: "{{ event.outcome }} by {{ event.approvers | join(', ') }} {{ event.reason | default('', true) }}"}}
  - {on: ended, flow: release, inputs: {what: "ended: {{ event.outcome }}"}}
  - {on: ended, flow: release, if: "event.outcome == 'failed'", inputs: {what: "never here"}}
steps:
  - {id: note, uses: slack.post_message, with: {channel: "#general", text: "{{ inputs.what }}"}}
"""

NIGHTLY = """
flow: nightly
owner: eve@example.com
inputs: [{name: at, type: string}]
triggers:
  - {schedule: "30 2 * * *", timezone: Europe/Berlin, inputs: {at: "{{ schedule.at }}"}}
steps:
  - {id: note, uses: slack.post_message, with: {channel: "#general", text: "nightly {{ inputs.at }} of {{ run.requester.name }}"}}
"""

DEPLOY = """
flow: deploy
owner: eve@example.com
inputs: [{name: ref, type: string}, {name: by, type: string, required: false}]
triggers:
  - {webhook: pushed, if: "request.headers['x-kind'] | default('push') == 'push'", inputs: {ref: "{{ request.body.ref }}", by: "{{ request.query.by | default('') }}"}}
steps:
  - {id: note, uses: slack.post_message, with: {channel: "#general", text: "deploys {{ inputs.ref }}"}}
"""

PING = """
flow: ping
triggers: [{on: ended, flow: pong}]
steps: [{id: note, uses: log, with: {message: ping}}]
"""

PONG = """
flow: pong
triggers: [{on: ended, flow: ping}]
steps: [{id: note, uses: log, with: {message: pong}}]
"""


async def settled(bot: Any) -> None:
    await bot.app.triggers.idle()
    await bot.settled()


async def time_passes(bot: Any, duration: str) -> None:
    bot.clock.advance(duration)
    await settled(bot)


def notes(bot: Any) -> list[str]:
    return [message.text for message in bot.human("eve").messages("#general")]


async def runs_of(bot: Any, flow: str) -> list[int]:
    def find(connection: Any, _: object) -> list[int]:
        rows = connection.execute(
            "SELECT r.id FROM runs r JOIN definitions d ON d.id = r.definition WHERE d.flow = ? ORDER BY r.id", (flow,)
        )
        return [row[0] for row in rows]

    return await bot.app.store.read(find)


async def post(bot: Any, body: Any, *, path: str = "deploy/pushed", raw: bytes | None = None, **headers: str) -> Any:
    content = json.dumps(body).encode() if raw is None else raw
    flow, _, hook = path.partition("?")[0].partition("/")
    keys = HookKeys(bot.settings.secret_keys)
    given = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    given.setdefault("X-Signoff-Signature", signature(keys.secret(flow, hook), content, bot.clock.now()))
    session = await bot._session()
    async with session.post(f"{bot.url}/hooks/{path}", data=content, headers=given) as response:
        return response.status, await response.json(content_type=None), response.headers


# -- K12: other runs ------------------------------------------------------------------------------------------


async def test_K12_a_second_flow_starts_when_a_run_waits_once_and_when_it_is_decided_and_when_it_ends(serve):
    bot = await serve(release=RELEASE, watch=WATCH)

    run = await bot.start("release", version="1.2", key="hunter2")
    await settled(bot)
    asked = notes(bot)
    await bot.by_api("bob", run, comment="looks good")
    await settled(bot)

    assert asked == ["asks: Ship 1.2? green of Ann Archer"]
    assert notes(bot)[1:] == ["approved by Bob Baker looks good", "ended: succeeded"]
    watching = [await bot.run(one) for one in await runs_of(bot, "watch")]
    assert [view.run.inputs["key"] for view in watching] == [None, None, None]
    assert {view.person(view.run.requester).name for view in watching} == {"Ann Archer"}


async def test_K12_a_rejection_is_heard_with_its_reason_and_a_cancel_is_no_decision(serve):
    bot = await serve(release=RELEASE, watch=WATCH)

    rejected = await bot.start("release", version="1")
    await bot.by_api("cat", rejected, "reject", comment="not on a Friday")
    cancelled = await bot.start("release", version="2")
    await bot.api("ann", "POST", f"runs/{bot.run_id(cancelled)}/cancel", {})
    await settled(bot)

    assert sorted(notes(bot)) == sorted(
        [
            "asks: Ship 1? green of Ann Archer",
            "rejected by  not on a Friday",
            "ended: rejected",
            "asks: Ship 2? green of Ann Archer",
            "ended: cancelled",
        ]
    )


async def test_K12_killed_between_the_fact_and_the_start_it_starts_once_after_the_restart(serve):
    bot = await serve(release=RELEASE, watch=WATCH)
    bot.app.runner._stopping = True  # nothing is performed any more: what follows waits in the outbox
    reply = await bot.api("ann", "POST", "flows/release/runs", {"inputs": {"version": "1"}})
    assert reply.status == 201

    await bot.kill()
    await bot.serve()
    await settled(bot)
    await bot.restart()
    await settled(bot)

    assert notes(bot) == ["asks: Ship 1? green of Ann Archer"]


async def test_K12_what_was_to_follow_from_a_wait_follows_also_when_the_run_was_cancelled_first(serve):
    bot = await serve(release=RELEASE, watch=WATCH)
    bot.app.runner._stopping = True  # nothing is performed any more: what follows waits in the outbox
    reply = await bot.api("ann", "POST", "flows/release/runs", {"inputs": {"version": "1"}})
    await bot.api("ann", "POST", f"runs/{reply.body['id']}/cancel", {})

    await bot.kill()
    await bot.serve()
    await settled(bot)

    assert sorted(notes(bot)) == ["asks: Ship 1? green of Ann Archer", "ended: cancelled"]


async def test_K12_a_trigger_whose_inputs_do_not_fit_is_parked_with_the_reason_and_goes_on_when_freed(serve):
    bot = await serve(
        release=RELEASE, watch=WATCH.replace("what, type: string", "what, type: integer").replace("never here", "7")
    )
    run = await bot.start("release", version="1")
    await settled(bot)

    (parked,) = (await bot.run(run)).troubled
    bot.write("watch", WATCH)
    await bot.restart()
    eve = (await bot.app.people.by_email("eve@example.com")).id
    await bot.app.engine.retry(parked.id, eve)
    await settled(bot)

    assert parked.what == "start another flow"
    assert parked.error.startswith("watch was not started: what: must be a whole number")
    assert notes(bot) == ["asks: Ship 1? green of Ann Archer"]


async def test_K12_waits_side_by_side_are_heard_of_one_by_one(serve):
    both = """
flow: release
steps:
  - id: both
    parallel:
      left: [{id: one, approval: {ask: "Left?", approvers: [bob@example.com]}}]
      right: [{id: two, hold: {ask: "Right?"}}]
"""
    watch = """
flow: watch
inputs: [{name: what, type: string}]
triggers: [{on: waiting, flow: release, inputs: {what: "{{ event.kind }} at {{ event.step }}"}}]
steps: [{id: note, uses: slack.post_message, with: {channel: "#general", text: "{{ inputs.what }}"}}]
"""
    bot = await serve(release=both, watch=watch)

    await bot.start("release")
    await settled(bot)

    assert sorted(notes(bot)) == ["approval at both.left.one", "hold at both.right.two"]


async def test_who_may_not_start_a_flow_does_not_start_it_by_another(serve, caplog):
    bot = await serve(release=RELEASE, watch=WATCH + "starters: [dan@example.com]\n")

    refused = await bot.start("release", version="1", by="ann")
    taken = await bot.start("release", version="2", by="dan")
    await settled(bot)

    assert notes(bot) == ["asks: Ship 2? green of Dan Dyer"]
    assert [(await bot.run(run)).troubled for run in (refused, taken)] == [(), ()]
    assert "a run was not started by another: its requester may not" in caplog.text


async def test_flows_that_start_each_other_end_after_eight(serve):
    bot = await serve(ping=PING, pong=PONG)

    await bot.start("ping")
    await settled(bot)

    assert len(await runs_of(bot, "ping")) + len(await runs_of(bot, "pong")) == 1 + MAX_DEPTH


# -- the clock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [datetime(2026, 3, 27, 12, tzinfo=UTC)], indirect=True)
async def test_R14_a_schedule_starts_one_run_a_night_also_when_the_clocks_change(serve):
    bot = await serve(nightly=NIGHTLY)

    for _ in range(72 * 2):
        await time_passes(bot, "30m")

    assert notes(bot) == [
        "nightly 2026-03-28T02:30:00+01:00 of Eve Ellis",
        "nightly 2026-03-29T03:00:00+02:00 of Eve Ellis",
        "nightly 2026-03-30T02:30:00+02:00 of Eve Ellis",
    ]


async def test_R6_after_a_pause_a_schedule_makes_up_for_its_last_time_and_no_other(serve):
    bot = await serve(nightly=NIGHTLY)
    await bot.stop()
    bot.clock.advance("10d")
    await bot.serve()
    await settled(bot)
    await bot.restart()
    await settled(bot)
    made_up = notes(bot)
    await time_passes(bot, "24h")

    assert made_up == ["nightly 2026-01-15T02:30:00+01:00 of Eve Ellis"]
    assert notes(bot)[1:] == ["nightly 2026-01-16T02:30:00+01:00 of Eve Ellis"]


async def test_a_schedule_that_is_new_or_changed_begins_now_and_one_that_is_gone_starts_nothing(serve):
    bot = await serve(nightly=NIGHTLY)
    await bot.stop()
    bot.clock.advance("10d")
    bot.write("nightly", NIGHTLY.replace("30 2", "0 11"))
    await bot.serve()
    await settled(bot)
    begun = notes(bot)
    await time_passes(bot, "1h")
    bot.write("nightly", RELEASE.replace("flow: release", "flow: nightly"))
    await bot.restart()
    await time_passes(bot, "48h")

    assert begun == []
    assert notes(bot) == ["nightly 2026-01-15T11:00:00+01:00 of Eve Ellis"]


async def test_an_owner_need_not_be_named_among_the_starters(serve):
    owned = NIGHTLY.replace("eve@example.com", "bob@example.com") + "starters: [dan@example.com]\n"
    bot = await serve(nightly=owned)

    await time_passes(bot, "24h")

    assert notes(bot) == ["nightly 2026-01-06T02:30:00+01:00 of Bob Baker"]


async def test_R9_while_slack_is_down_a_schedule_waits_and_starts_its_run_afterwards_once(serve, sandbox):
    bot = await serve(nightly=NIGHTLY)
    bot.clock.advance("16h")
    for pattern in ("users.*", "chat.*"):
        sandbox.faults.status(pattern, 503)
    await settled(bot)
    await time_passes(bot, "31m")
    during = await runs_of(bot, "nightly")

    sandbox.faults.clear()
    await time_passes(bot, "1m")
    await time_passes(bot, "1h")

    assert during == []
    assert notes(bot) == ["nightly 2026-01-06T02:30:00+01:00 of Eve Ellis"]


async def test_an_owner_who_has_left_starts_nothing_and_the_log_says_so(serve, caplog):
    bot = await serve(nightly=NIGHTLY.replace("eve@example.com", "bob@example.com"))
    await bot.person("bob")  # known from before
    bot.human("bob").user.deleted = True
    await time_passes(bot, "24h")

    assert notes(bot) == []
    (told,) = [record for record in caplog.records if record.message == "a schedule could not start its run"]
    assert told.error == "the owner of nightly, bob@example.com, has left Slack; name another one"


# -- webhooks -------------------------------------------------------------------------------------------------


async def test_a_signed_request_starts_a_run_of_the_owners_once(serve):
    bot = await serve(deploy=DEPLOY)

    first = await post(bot, {"ref": "main"}, path="deploy/pushed?by=ci")
    again = await post(bot, {"ref": "main"}, path="deploy/pushed?by=ci")
    await settled(bot)

    (run,) = await runs_of(bot, "deploy")
    assert (first[0], first[1]) == (202, {"run": bot.run_id(run)})
    assert (again[0], again[1], again[2]["Idempotent-Replayed"]) == (202, first[1], "true")
    assert notes(bot) == ["deploys main"]
    view = await bot.run(run)
    assert (dict(view.run.inputs), view.person(view.run.requester).name) == ({"ref": "main", "by": "ci"}, "Eve Ellis")


async def test_a_delivery_that_comes_again_after_a_restart_starts_nothing(serve):
    bot = await serve(deploy=DEPLOY)
    secret = HookKeys(bot.settings.secret_keys).secret("deploy", "pushed")
    body = b'{"ref": "main"}'

    async def send() -> Any:
        signed = signature(secret, body, bot.clock.now(), "build-7")
        return await post(bot, None, raw=body, X_Signoff_Signature=signed, X_Signoff_Delivery="build-7")

    first = await send()
    await bot.kill()
    await bot.serve()
    bot.clock.advance("2h")
    again = await send()
    await settled(bot)

    assert (first[0], again[0], again[1]) == (202, 202, first[1])
    assert len(await runs_of(bot, "deploy")) == 1


async def test_github_sends_in_its_own_way(serve):
    bot = await serve(deploy=DEPLOY)
    secret = HookKeys(bot.settings.secret_keys).secret("deploy", "pushed", Scheme.GITHUB)
    body = b'{"ref": "refs/heads/main"}'
    made = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()

    async def send(delivery: str) -> Any:
        headers = {"X-Hub-Signature-256": made, "X-GitHub-Delivery": delivery, "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{bot.url}/hooks/deploy/pushed", data=body, headers=headers) as response,
        ):
            return response.status, await response.json()

    first, again, other = await send("d-1"), await send("d-1"), await send("d-2")

    assert (first[0], again, other[0]) == (202, first, 202)
    assert len(await runs_of(bot, "deploy")) == 2


async def test_what_does_not_match_starts_nothing_and_what_does_not_fit_is_said_by_field(serve):
    bot = await serve(deploy=DEPLOY)

    unmatched = await post(bot, {"ref": "main"}, X_Kind="ping")
    missing = await post(bot, {"other": 1})
    wrong = await post(bot, {"ref": None})

    assert (unmatched[0], unmatched[1]) == (200, {"run": None})
    assert (missing[0], list(missing[1]["fields"]), missing[1]["type"]) == (
        422,
        ["inputs.ref"],
        "urn:signoff:problem:invalid-form",
    )
    assert (wrong[0], list(wrong[1]["fields"])) == (422, ["ref"])
    assert await runs_of(bot, "deploy") == []
