"""The ledger: it verifies as it stands, no byte of it can be changed unseen, and personal data can still be erased."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flows.definition import Approval, Flow, Step
from flows.errors import NotAnApprover
from flows.ledger import GENESIS, Entry, broken_at, chain, commitment
from flows.testing import FlowTest

ANN, BOB, CAY = "ann@example.com", "bob@example.com", "cay@example.com"
FLOW = Flow(
    flow="gate",
    steps=(
        Step(id="work", uses="http.request"),
        Step(id="ask", approval=Approval(approvers=(BOB, CAY), quorum=2)),
        Step(id="go", uses="log"),
    ),
)


@pytest.fixture
async def entries() -> list[Entry]:
    async with FlowTest(FLOW, people=[ANN, BOB, CAY], actions={"http.request": {"private": "an output"}}) as t:
        run = await t.start(by=ANN)
        await t.advance("1h")
        await t.approve(run, by=BOB, comment="fine")
        await t.approve(run, by=CAY)
        return await t.ledger(run)


async def test_every_change_is_an_entry_and_the_chain_holds(entries):
    events = [(json.loads(entry.payload).get("event") or {}).get("is") for entry in entries]

    assert events == [None, "ActionFinished", "DecisionMade", "DecisionMade", "ActionFinished"]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert broken_at(entries) is None


async def test_who_decided_what_when_and_having_seen_what_is_in_it(entries):
    opened = next(fact for fact in _facts(entries[1]) if fact["is"] == "SuspensionOpened")
    decision = json.loads(entries[2].payload)["event"]
    closed = next(fact for fact in _facts(entries[3]) if fact["is"] == "SuspensionClosed")

    assert (decision["verdict"], decision["comment"], decision["door"]) == ("approve", "fine", "page")
    assert decision["digest"] == opened["digest"]
    assert len(closed["by"]) == 2
    assert entries[2].at > entries[1].at


async def test_outputs_of_actions_are_not_in_it(entries):
    assert "an output" not in "".join(entry.payload for entry in entries)


async def test_no_byte_of_an_entry_can_be_changed_unseen(entries):
    for index, entry in enumerate(entries):
        for changed in (
            replace(entry, payload=entry.payload[:-1] + " "),
            replace(entry, salt=bytes([entry.salt[0] ^ 1]) + entry.salt[1:]),
            replace(entry, hash=entry.hash[:-1] + bytes([entry.hash[-1] ^ 1])),
            replace(entry, at=entry.at.replace(year=2025)),
            replace(entry, payload=None),
        ):
            forged = [*entries[:index], changed, *entries[index + 1 :]]

            assert broken_at(forged) == entry.seq, changed


async def test_no_entry_can_be_left_out_moved_or_put_in_unseen(entries):
    first, second, third, *rest = entries

    assert broken_at([second, third, *rest]) == 2
    assert broken_at([first, third, *rest]) == 3
    assert broken_at([first, third, second, *rest]) == 3
    assert broken_at([first, first, second, third, *rest]) == 1


async def test_the_chain_of_another_run_does_not_fit(entries):
    async with FlowTest(FLOW, people=[ANN, BOB, CAY]) as t:
        other = await t.ledger(await t.start(by=ANN))

    assert broken_at([entries[0], *other[1:]]) == 2


async def test_the_chain_survives_that_a_payload_is_erased_and_nothing_can_take_its_place(entries):
    erased = [replace(one, payload=None, salt=commitment(one.salt, one.payload)) for one in entries]
    half = [*erased[:2], *entries[2:]]
    refilled = replace(erased[2], payload="{}")

    assert broken_at(erased) is None
    assert broken_at(half) is None
    assert broken_at([*erased[:2], refilled, *erased[3:]]) == 3


async def test_a_short_payload_cannot_be_guessed_from_its_hash(entries):
    first = entries[0]
    unsalted = commitment(b"", first.payload)

    assert len(first.salt) == 16
    assert first.hash != chain(GENESIS, 1, first.at, unsalted)
    assert len({entry.salt for entry in entries}) == len(entries)


async def test_a_refusal_and_a_late_event_leave_no_entry():
    async with FlowTest(FLOW, people=[ANN, BOB, CAY]) as t:
        run = await t.start(by=ANN)
        before = await t.ledger(run)
        with pytest.raises(NotAnApprover):
            await t.approve(run, by="stranger@example.com")
        await t.restart()

        assert await t.ledger(run) == before


def _facts(entry: Entry) -> list[dict]:
    return json.loads(entry.payload)["facts"]
