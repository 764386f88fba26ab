"""Secrets: sealed at rest, open in ``with``, and nowhere else in clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.definition import Approval, Flow, Step
from flows.errors import ActionError
from flows.fields import MASK
from flows.run import Door, Verdict
from flows.testing import FlowTest
from flows.vault import Vault

SECRET = "correct-horse-battery-staple"
ANN, BOB = "ann@example.com", "bob@example.com"


def test_what_was_sealed_opens_and_never_looks_the_same_twice():
    vault = Vault(["key"])
    first, second = vault.seal(SECRET, about="token"), vault.seal(SECRET, about="token")

    assert vault.unseal(first, about="token") == vault.unseal(second, about="token") == SECRET
    assert first != second
    assert SECRET.encode() not in first


def test_what_was_sealed_with_an_old_key_opens_while_that_key_is_in_the_list():
    sealed = Vault(["old"]).seal(SECRET, about="token")

    assert Vault(["new", "old"]).unseal(sealed, about="token") == SECRET
    with pytest.raises(ValueError, match="no key in SIGNOFF_SECRET_KEY opens token"):
        Vault(["new"]).unseal(sealed, about="token")


def test_what_was_sealed_for_one_place_opens_in_no_other_and_not_if_a_bit_was_changed():
    vault = Vault(["key"])
    sealed = vault.seal(SECRET, about="token")

    with pytest.raises(ValueError, match="no key"):
        vault.unseal(sealed, about="password")
    for place in range(len(sealed)):
        broken = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(ValueError, match="no key"):
            vault.unseal(broken, about="token")


def secretive(*more: Step) -> Flow:
    return Flow(
        flow="secretive",
        inputs=({"name": "token", "type": "secret"}, {"name": "note", "type": "string", "required": False}),
        steps=(
            Step(id="ask", approval=Approval(approvers=(BOB,))),
            Step(id="call", uses="http.request", with_={"headers": {"Authorization": "Bearer {{ inputs.token }}"}}),
            *more,
        ),
    )


def bytes_of(folder: Path) -> bytes:
    """Everything that is on disk: the database, its journal, whatever else lies there."""
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))


async def test_a_secret_input_reaches_the_action_and_is_nowhere_on_disk_in_clear(tmp_path):
    echo = {"http.request": lambda params: {"sent": params["headers"], f"key {SECRET}": [SECRET]}}
    async with FlowTest(secretive(), people=[ANN, BOB], actions=echo, database=tmp_path / "test.db") as t:
        run = await t.start(by=ANN, inputs={"token": SECRET, "note": "find-me-on-disk"})
        shown = dict(run.suspension().request.inputs)
        await t.approve(run, by=BOB)
        while_open = bytes_of(tmp_path)
        output = run.steps["call"].output
        ledger = "".join(entry.payload or "" for entry in await t.ledger(run))

    on_disk = bytes_of(tmp_path)
    assert run.outcome == "succeeded"
    assert run.calls("http.request")[0].params == {"headers": {"Authorization": f"Bearer {SECRET}"}}
    assert shown == {"token": MASK, "note": "find-me-on-disk"}
    assert output == {"sent": {"Authorization": f"Bearer {MASK}"}, f"key {MASK}": [MASK]}
    assert b"find-me-on-disk" in while_open
    assert SECRET.encode() not in while_open
    assert SECRET.encode() not in on_disk
    assert SECRET not in ledger


async def test_a_secret_in_an_error_is_masked_in_the_reason_and_on_disk(tmp_path):
    refuses = {"http.request": lambda params: _refuse(params["headers"]["Authorization"])}
    async with FlowTest(secretive(), people=[ANN, BOB], actions=refuses, database=tmp_path / "test.db") as t:
        run = await t.start(by=ANN, inputs={"token": SECRET})
        await t.approve(run, by=BOB)

    assert run.reason == f"call: 401 for Bearer {MASK}"
    assert SECRET.encode() not in bytes_of(tmp_path)


async def test_a_secret_whose_key_is_gone_parks_the_step_until_the_key_is_back(tmp_path):
    database = tmp_path / "test.db"
    async with FlowTest(secretive(), people=[ANN, BOB], database=database, secret_key="old") as t:
        run = await t.start(by=ANN, inputs={"token": SECRET})
    async with FlowTest(secretive(), people=[ANN, BOB], database=database, secret_key="new") as t:
        bob = await t.crowd.meet(t.store, BOB)
        await t.engine.decide(run.number, 1, bob.id, Verdict.APPROVE, door=Door.PAGE)
        await t.settle()
        view = await t.engine.run(run.number, bob.id)

    assert view.status == "running"
    assert [(effect.path, effect.parked_at is not None) for effect in view.troubled] == [("call", True)]
    assert "no key in SIGNOFF_SECRET_KEY opens token" in view.troubled[0].error


async def test_nothing_that_prints_a_run_prints_its_secret():
    async with FlowTest(secretive(), people=[ANN, BOB]) as t:
        run = await t.start(by=ANN, inputs={"token": SECRET})

        assert SECRET not in repr(run.view)
        assert SECRET not in repr(run)


def _refuse(quoted: str) -> None:
    raise ActionError(f"401 for {quoted}")
