"""The JSON API under load and under tokens that may do little."""

from __future__ import annotations

import io
import json

import aiohttp
import pytest

BIG = """
flow: big
inputs:
  - {name: a, type: string, max_length: 20000}
  - {name: b, type: string, max_length: 20000}
steps:
  - id: gate
    approval:
      ask: "{{ inputs.a }}"
      approvers: [bob@example.com]
      via: [gmail]
      show: {All: "{{ inputs }}", Many: "{{ [inputs.a, inputs.a, inputs.a, inputs.a] }}", Few: "{{ [1, 2] }}"}
"""

WIDE = """
flow: wide
steps:
  - id: gate
    approval:
      ask: "?"
      approvers: [bob@example.com]
      via: [gmail]
      form: [%s]
"""

GATE = """
flow: gate
inputs: [{name: what, type: string}]
steps:
  - id: ask
    approval: {ask: "Pay {{ inputs.what }}?", approvers: [bob@example.com], via: {slack: "#general"}}
"""


SOON = """
flow: in_{days}_days
steps:
  - id: ask
    approval: {{ask: "Go?", approvers: [bob@example.com], via: [gmail], timeout: {days}d}}
"""


async def test_S8_a_list_shortens_what_is_long_and_one_approval_gives_the_whole(serve):
    bot = await serve(big=BIG)
    run = await bot.start("big", a="x" * 20_000, b="short")

    (item,) = (await bot.api("bob", "GET", "approvals?limit=200")).body["items"]
    whole = (await bot.api("bob", "GET", f"approvals/{bot.approval_id(run)}")).body

    cut = "x" * 499 + "…"
    assert (item["shortened"], item["ask"], item["inputs"]) == (True, cut, {"a": cut, "b": "short"})
    assert item["show"] == {"All": None, "Many": None, "Few": [1, 2]}
    assert item["digest"] == whole["digest"]
    assert (whole["shortened"], len(whole["ask"]), len(whole["show"]["Many"][3])) == (False, 20_000, 20_000)


@pytest.mark.slow
async def test_S8_a_page_of_large_approvals_ends_early_and_the_next_one_goes_on(serve):
    options = ", ".join(f'{{value: "v{i}", label: "{"x" * 60}"}}' for i in range(90))
    fields = ", ".join(f"{{name: f{i}, type: select, options: [{options}], required: false}}" for i in range(20))
    bot = await serve(wide=WIDE % fields)
    runs = [await bot.start("wide") for _ in range(30)]

    found, sizes, offset = [], [], 0
    while offset is not None:
        page = (await bot.api("bob", "GET", f"approvals?limit=200&offset={offset}")).body
        sizes.append(len(page["items"]))
        found += [item["run"] for item in page["items"]]
        assert page["next_offset"] in (None, len(found))
        assert len(json.dumps(page, ensure_ascii=False)) < 3_000_000
        offset = page["next_offset"]

    assert sorted(found) == sorted(map(bot.run_id, runs))
    assert len(sizes) > 1


@pytest.mark.parametrize(("who", "query"), [("bob", "approver=me"), ("ann", ""), ("eve", "")])
async def test_pages_of_one_follow_each_other_by_deadline(serve, who, query):
    bot = await serve(**{f"in_{days}_days": SOON.format(days=days) for days in (3, 1, 2)})
    bot.scopes["eve"] = ("read", "admin")
    runs = {days: bot.run_id(await bot.start(f"in_{days}_days")) for days in (3, 1, 2)}

    pages = [(await bot.api(who, "GET", f"approvals?limit=1&offset={n}&{query}")).body for n in range(3)]

    assert [item["run"] for page in pages for item in page["items"]] == [runs[1], runs[2], runs[3]]
    assert [page["next_offset"] for page in pages] == [1, 2, None]


async def test_S8_seventy_thousand_unknown_keys_are_answered_shortly(serve):
    bot = await serve(gate=GATE)
    body = {f"k{number}": 1 for number in range(70_000)}

    answers = [
        await bot.api("ann", "POST", "flows/gate/runs", body),
        await bot.api("ann", "POST", "flows/gate/runs", {"inputs": body}),
        await bot.api("ann", "POST", "flows/gate/runs", {"x" * 900_000: 1}),
        await bot.api("ann", "POST", "flows/gate/runs", {"inputs": {"x" * 900_000: 1}}),
    ]

    assert [answer.status for answer in answers] == [422, 422, 422, 422]
    # With inputs, what is missing is named besides.
    assert all(0 < len(answer.body["fields"]) <= 22 for answer in answers)
    assert all(len(json.dumps(answer.body)) < 20_000 for answer in answers)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 500_000,
        b'{"inputs":' + b'{"a":' * 190 + b"1" + b"}" * 191,
        b'{"inputs":{"what":' + b"9" * 900_000 + b"}}",
        b'{"inputs":{"\\ud800":1}}',
        b'{"inputs":{"what":"\\ud800"}}',
        b'{"inputs":{"what":{"$secret":"key"}}}',
        b"\xff",
    ],
    ids=["deep", "deep inputs", "many digits", "half a key", "half a text", "a reference", "not UTF-8"],
)
async def test_S8_a_body_that_nobody_would_send_is_refused_and_no_fault(serve, raw):
    bot = await serve(gate=GATE)
    headers = {"Authorization": f"Bearer {await bot.token('ann')}", "Content-Type": "application/json"}

    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{bot.url}/api/v1/flows/gate/runs", data=io.BytesIO(raw), headers=headers) as response,
    ):
        status = response.status

    assert status in (400, 422)


async def test_S9_a_token_that_may_only_decide_reads_nothing_through_it(serve):
    bot = await serve(gate=GATE)
    run = await bot.start("gate", what="confidential")
    bot.scopes["bob"] = ("decide",)

    answers = [
        await bot.api("bob", "GET", f"approvals/{bot.approval_id(run)}"),
        await bot.by_api("bob", run, digest="0" * 64),
        await bot.by_api("bob", run),
        await bot.by_api("bob", run, verdict="reject", comment="too late"),
    ]

    assert [answer.status for answer in answers] == [403, 409, 201, 409]
    assert not any("confidential" in json.dumps(answer.body) for answer in answers)
    assert answers[2].body == {
        "counted": True,
        "detail": "Your decision is counted.",
        "approval": None,
        "run_status": "succeeded",
    }


async def test_S9_a_token_that_may_only_start_is_told_the_runs_id_and_status(serve):
    bot = await serve(gate=GATE)
    bot.scopes["ann"] = ("start",)
    body = {"inputs": {"what": "confidential"}}

    first = await bot.api("ann", "POST", "flows/gate/runs", body, Idempotency_Key="k1")
    replayed = await bot.api("ann", "POST", "flows/gate/runs", body, Idempotency_Key="k1")
    cancelled = await bot.api("ann", "POST", f"runs/{first.body['id']}/cancel", {})

    assert first.body.keys() == {"id", "status"}
    assert replayed.body == {"id": first.body["id"], "status": "waiting"}
    assert cancelled.body == {"id": first.body["id"], "status": "cancelled"}


async def test_S9_the_command_starts_and_cancels_with_such_a_token(serve):
    bot = await serve(gate=GATE)
    bot.scopes["ann"] = ("start",)

    started = await bot.cli("ann", "run", "gate", "-i", "what=x", "--json")
    cancelled = await bot.cli("ann", "cancel", json.loads(started.stdout)["id"])

    assert (started.exit_code, cancelled.exit_code) == (0, 0)
    assert "is cancelled" in cancelled.output
