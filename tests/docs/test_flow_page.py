"""The examples of ``docs/flow-file.md`` are played: what the page says of them is what comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.errors import ActionError, Closed, InvalidForm, NotAllowed, NotAnApprover
from flows.run import Verdict
from flows.testing import FlowRun, FlowTest, Turns
from tests.docs.pages import Block, beside, blocks, flow_of, name_of

ANN, BOB, CAT, DAN, EVE, FAY, CFO = (
    f"{name}@example.com" for name in ("ann", "bob", "cat", "dan", "eve", "fay", "cfo")
)
GROUPS = {
    "@release-managers": [CAT, DAN],
    "@board": [DAN, EVE],
    "@controllers": [BOB],
    "@legal": [FAY],
    "@accounting": [BOB],
    "@accounting-leads": [CAT],
}
INPUTS = {
    "version": "1.4.0",
    "amount": 500,
    "manager": BOB,
    "day": "2026-02-01",
    "token": "s3cr3t",
    "kind": "travel",
    "people": [CAT, DAN, EVE],
}


def page_block(holding: str) -> Block:
    (block,) = [
        one
        for one in blocks()
        if one.page == "docs/flow-file.md"
        and one.language == "yaml"
        and one.mark in ("", "steps")
        and holding in one.text
    ]
    return block


def answered(body: Any) -> dict[str, Any]:
    return {"status": 200, "headers": {}, "body": body}


def stage(block: Block, folder: Path, actions: Mapping[str, Any]) -> FlowTest:
    (folder / "flow.yml").write_text(flow_of(block))
    others = []
    for other in beside(block):
        others.append(folder / f"{name_of(other)}.yml")
        others[-1].write_text(other.text)
    return FlowTest(
        folder / "flow.yml",
        *others,
        people=[ANN, BOB, CAT, DAN, EVE, FAY, CFO],
        groups=GROUPS,
        admins=[EVE],
        actions=actions,
    )


@asynccontextmanager
async def fragment(
    holding: str, folder: Path, *, actions: Mapping[str, Any] | None = None, **inputs: Any
) -> AsyncIterator[tuple[FlowTest, FlowRun]]:
    """A run of the page's fragment that holds this text, past the approval that stands before all fragments."""
    given = {"log": {"url": "https://ci.example.com/7"}} | dict(actions or {})
    async with stage(page_block(holding), folder, given) as t:
        run = await t.start("example", by=ANN, inputs={**INPUTS, **inputs})
        await t.approve(run, by=BOB, form={"reason": "why not"})
        yield t, run


def logged(run: FlowRun) -> list[Any]:
    return [call.params["message"] for call in run.calls("log") if call.params["message"] != "built"]


# -- the flow -------------------------------------------------------------------------------------------------


async def test_a_flow_with_everything_that_stands_at_its_top(tmp_path):
    block = page_block("flow: invoice\n")
    async with stage(block, tmp_path, {"http.request": answered({"id": "pay-1"})}) as t:
        given = {"number": "4711", "amount": 12}
        with pytest.raises(NotAllowed):
            await t.start("invoice", by=DAN, inputs=given)
        older = await t.start("invoice", by=BOB, inputs=given)
        newer = await t.start("invoice", by=ANN, inputs={**given, "amount": 13})
        other = await t.start("invoice", by=BOB, inputs={**given, "number": "4712"})
        await t.approve(newer, by=CAT)
        await t.advance("7d")

        assert (older.outcome, older.reason) == ("cancelled", f"superseded by {newer.id}")
        assert newer.view.run.outputs == {"payment": "pay-1", "approved_by": [CAT]}
        assert [logged(one) for one in (older, newer, other)] == [
            ["4711: cancelled"],
            ["4711: succeeded"],
            ["4712: expired"],
        ]


async def test_the_flows_own_on_error_comes_before_its_finally(tmp_path):
    async with stage(page_block("flow: invoice\n"), tmp_path, {"http.request": ActionError("no money")}) as t:
        run = await t.start("invoice", by=BOB, inputs={"number": "4711", "amount": 12})
        await t.approve(run, by=CAT)

        assert run.outcome == "failed"
        assert logged(run) == ["pay: pay: no money", "4711: failed"]
        assert list(run.steps)[-2:] == ["on_error.alarm", "finally.note"]


async def test_no_more_runs_than_there_are_places_are_under_way(tmp_path):
    text = page_block("flow: invoice\n").text.replace("concurrency: 5", "concurrency: {limit: 1, while_waiting: keep}")
    (tmp_path / "flow.yml").write_text(text)
    async with FlowTest(tmp_path / "flow.yml", people=[ANN, BOB, CAT], groups={**GROUPS}) as t:
        first = await t.start("invoice", by=BOB, inputs={"number": "1", "amount": 1})
        second = await t.start("invoice", by=BOB, inputs={"number": "2", "amount": 1})
        queued = second.status
        await t.cancel(first, by=ANN)  # the owner

        assert (queued, second.status) == ("queued", "waiting")


# -- steps that hold steps ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "kind", "asked", "by", "route", "message"),
    [
        (5000, "hardware", "big.then.board", DAN, "route.case_hardware.order", "Ordered, approved by Dan"),
        (500, "travel", "big.else.manager", BOB, "route.case_travel.book", "Booked, approved by Bob"),
        (500, "other", "big.else.manager", BOB, "route.default.ask_around", "What is this?"),
    ],
)
async def test_if_and_switch(amount, kind, asked, by, route, message, tmp_path):
    async with fragment("- id: big\n", tmp_path, amount=amount, kind=kind) as (t, run):
        waiting = run.waiting
        await t.approve(run, by=by)

        assert waiting == [asked]
        assert route in run.steps
        assert logged(run) == [message]


async def test_for_each_gives_a_list_in_the_order_of_its_items(tmp_path):
    async with fragment("- id: badges\n", tmp_path) as (t, run):
        waiting = run.waiting
        await t.approve(run, by=EVE, step="badges[2].wants")
        await t.reject(run, by=CAT, step="badges[0].wants")
        await t.advance("2d")

        assert waiting == ["badges[0].wants", "badges[1].wants", "badges[2].wants"]
        assert run.suspension("badges[1].wants").suspension.ask == "Do you need a badge? You are number 2."
        assert run.steps["badges"].output == [
            {"person": CAT, "wants": False},
            {"person": DAN, "wants": False},
            {"person": EVE, "wants": True},
        ]
        assert logged(run) == [EVE]


async def test_branches_wait_side_by_side(tmp_path):
    async with fragment("- id: both\n", tmp_path, actions={"http.request": answered({"left": 3})}) as (t, run):
        waiting = run.waiting
        await t.approve(run, by=BOB, step="both.money.controller")
        await t.approve(run, by=FAY, step="both.law.lawyer")

        assert waiting == ["both.law.lawyer", "both.money.controller"]
        assert run.steps["both"].output.keys() == {"law", "money"}
        assert logged(run) == ["Fay and Bob said yes."]


async def test_repeat_goes_on_when_its_condition_holds(tmp_path):
    turns = Turns(answered({"done": False}), answered({"done": False}), answered({"done": True, "result": "passed"}))
    async with fragment("- id: poll\n", tmp_path, actions={"http.request": turns}) as (t, run):
        await t.advance("20s")

        assert [path for path in run.steps if path.startswith("poll[")] == [f"poll[{n}].look" for n in range(3)]
        assert logged(run) == ["passed"]


@pytest.mark.parametrize("theirs", ["approve", "reject", "nothing"])
async def test_a_child_flow_gives_its_outputs_and_says_how_it_ended(theirs, tmp_path):
    async with stage(page_block("flow: contract\n"), tmp_path, {}) as t:
        given = {"document": "https://example.com/contract.pdf", "ours": BOB, "theirs": CAT}
        run = await t.start("contract", by=ANN, inputs=given)
        first = run.waiting
        await t.approve(run, by=BOB)
        then = run.waiting
        if theirs == "nothing":
            await t.advance("14d")
        else:
            await getattr(t, theirs)(run, by=CAT)

        assert (first, then) == (["us.ask"], ["them.ask"])
        assert run.steps["us"].output == {"signed_at": "2026-01-05T09:00:00+00:00"}
        if theirs == "nothing":  # its own wait has seven days, which is sooner than the step's fourteen
            assert (run.outcome, run.steps["them"].outcome) == ("expired", "expired")
        else:
            assert run.outcome == "succeeded"
            assert run.steps["them"].outcome == {"approve": "succeeded", "reject": "rejected"}[theirs]
            assert run.steps["note"].state == {"approve": "succeeded", "reject": "skipped"}[theirs]


# -- handlers -------------------------------------------------------------------------------------------------


async def test_the_handlers_of_a_wait(tmp_path):
    (tmp_path / "late").mkdir()
    async with fragment("id: heads_up", tmp_path) as (t, run):
        asked = logged(run)
        await t.reject(run, by=BOB)
        rejected = run
    async with fragment("id: heads_up", tmp_path / "late") as (t, run):
        await t.advance("2d")

        assert asked == [f"Asked {BOB}."]
        assert (rejected.outcome, rejected.steps["pay"].state) == ("succeeded", "skipped")
        assert logged(rejected)[1:] == ["No: no reason given"]
        assert (run.outcome, logged(run)[1:]) == ("expired", [f"{BOB} did not answer."])


async def test_the_handler_of_a_failure_runs_once_after_the_retries(tmp_path):
    actions = {"http.request": ActionError("the bank is closed", retryable=True)}
    async with fragment("id: heads_up", tmp_path, actions=actions) as (t, run):
        await t.approve(run, by=BOB)
        await t.advance("1d")

        assert run.outcome == "failed"
        assert len(run.calls("http.request")) == 4
        assert logged(run)[1:] == ["pay: pay: the bank is closed"]


async def test_a_step_that_holds_steps_catches_what_comes_from_inside(tmp_path):
    (tmp_path / "failing").mkdir()
    async with fragment("- id: rollout\n", tmp_path) as (t, run):
        await t.approve(run, by=CAT, step="rollout[0].go")
        await t.reject(run, by=CAT, step="rollout[1].go")
        rejected = run
    actions = {"http.request": ActionError("no disk")}
    async with fragment("- id: rollout\n", tmp_path / "failing", actions=actions) as (t, run):
        await t.approve(run, by=CAT, step="rollout[0].go")

        assert (rejected.outcome, logged(rejected)) == ("rejected", ["Rolled back."])
        assert (run.outcome, run.steps["rollout"].state, logged(run)) == ("succeeded", "failed", [])


# -- functions that wait --------------------------------------------------------------------------------------


async def test_a_function_waits_for_a_machine_and_another_asks_for_rounds(modules):
    (modules / "nightly_build.yml").write_text(page_block("flow: nightly_build\n").text)
    async with FlowTest(modules / "nightly_build.yml", people=[ANN]) as t:
        run = await t.start(by=ANN)
        waiting = run.waiting
        await t.call(t.links_of(run).resume, {"result": "passed"})
        await t.advance("20s")

        assert waiting == ["build"]
        assert (run.outcome, run.steps["pages"].round) == ("succeeded", 3)
        assert logged(run) == ["main: page 1, page 2, page 3"]


# -- waits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([(BOB, "approve"), (DAN, "approve")], None),
        ([(BOB, "approve"), (DAN, "approve"), (EVE, "approve")], "succeeded"),
        # Bob is a controller and the manager, and fills one seat: legal and Eve are one more.
        ([(BOB, "approve"), (EVE, "approve"), (FAY, "approve")], None),
        ([(BOB, "approve"), (DAN, "approve"), (FAY, "approve"), (EVE, "approve")], "succeeded"),
        ([(DAN, "reject")], None),
        ([(DAN, "reject"), (EVE, "reject")], "rejected"),
        ([(CFO, "reject")], "rejected"),
    ],
)
async def test_a_nested_quorum_with_a_veto(answers, outcome, tmp_path):
    async with fragment("- id: payment\n", tmp_path) as (t, run):
        for person, verdict in answers:
            await getattr(t, verdict)(run, by=person)

        assert run.outcome == outcome


async def test_who_may_only_veto_cannot_approve(tmp_path):
    async with fragment("- id: payment\n", tmp_path) as (t, run):
        with pytest.raises(NotAnApprover):
            await t.approve(run, by=CFO)


async def test_options_reasons_and_a_form_for_both_answers(tmp_path):
    async with fragment("- id: where\n", tmp_path) as (t, run):
        label = run.suspension("where").request.form[0].title
        with pytest.raises(InvalidForm) as missing:
            await t.reject(run, by=CAT, form={"day": "2026-02-01"})
        await t.approve(run, by=CAT, option="staging", form={"day": "2026-02-01"})
        await t.approve(run, by=DAN, option="production", form={"day": "2026-02-02"})
        apart = run.status
        await t.withdraw(run, by=CAT)
        await t.approve(run, by=CAT, option="production", form={"day": "2026-02-03"})

        assert label == "When does 1.4.0 go?"
        assert set(missing.value.fields) == {"comment"}
        assert apart == "waiting"
        assert run.steps["where"].option == "production"
        assert logged(run) == ["1.4.0 to production on 2026-02-03"]


async def test_a_machine_calls_back_once_with_what_the_schema_allows(tmp_path):
    async with fragment("links.resume }}", tmp_path, actions={"http.request": None}) as (t, run):
        (asked,) = run.calls("http.request")
        links = asked.params["json"]
        with pytest.raises(InvalidForm):
            await t.call(links["on_done"], {"result": "maybe"})
        await t.call(links["on_done"], {"result": "passed"}, headers={"user-agent": "ci/1"})
        with pytest.raises(Closed):
            await t.call(links["on_done"], {"result": "passed"})

        assert logged(run) == ["POST from ci/1"]


async def test_the_cancel_link_ends_the_run_as_cancelled(tmp_path):
    async with fragment("links.resume }}", tmp_path, actions={"http.request": None}) as (t, run):
        (asked,) = run.calls("http.request")
        await t.call(asked.params["json"]["on_abort"])

        assert run.outcome == "cancelled"


async def test_a_step_that_sends_its_links_opens_its_wait_first_and_asks_nobody_else(tmp_path):
    async with fragment("- id: by_mail\n", tmp_path, actions={"http.request": None}) as (t, run):
        mails = len(t.mails)
        await t.approve(run, by=CAT, step="by_mail")
        (texted,) = run.calls("http.request")
        await t.resume(run, by=BOB, step="by_text_message")

        assert mails == 1  # that of the approval which stands before every fragment
        assert "Yes or no? https://signoff.example.com/" in str(texted.params["json"]["text"])
        assert run.outcome == "succeeded"


async def test_a_decision_that_comes_first_is_kept_for_an_approval_that_allows_it(tmp_path):
    text = (
        page_block("flow: sign\ninputs")
        .text.replace('signer }}"}', 'signer }}", pre_approval: allow}')
        .replace("steps:\n", "steps:\n  - {id: later, delay: 1h}\n")
    )
    (tmp_path / "sign.yml").write_text(text)
    async with FlowTest(tmp_path / "sign.yml", people=[ANN, BOB]) as t:
        run = await t.start(by=ANN, inputs={"document": "https://example.com/a", "signer": BOB})
        counted = await t.decide_early(run, Verdict.APPROVE, by=BOB)
        await t.advance("1h")

        assert (counted, run.outcome) == (False, "succeeded")
        assert [one["unseen"] for one in run.steps["ask"].decisions] == [True]
