"""Secrets stay secret: sealed in the store, open to ``with`` alone, masked in whatever comes back."""

import pytest

from flows.definition import Approval, Flow, Step
from flows.testing import FlowTest

ANN, BOB = "ann@example.com", "bob@example.com"
PIN = "4711-and-a-half"
TOKEN = "tok-sesame-open"


def flow(with_):
    return Flow(
        flow="locked",
        inputs=[{"name": "token", "type": "secret"}, {"name": "data", "type": "json", "required": False}],
        steps=[
            Step(
                id="gate",
                approval=Approval(
                    approvers=[BOB],
                    form=[
                        {"name": "pin", "type": "secret"},
                        {"name": "notes", "type": "json", "required": False},
                    ],
                ),
            ),
            Step(id="use", uses="http.request", with_=with_),
        ],
    )


def on_disk(folder):
    return b"".join(path.read_bytes() for path in folder.glob("*.db*"))


async def test_a_secret_answer_reaches_with_and_nothing_else(tmp_path):
    seen = []
    async with FlowTest(
        flow({"headers": {"X-Pin": "{{ resume.pin }}"}}),
        people=[ANN, BOB],
        actions={"http.request": seen.append},
        database=tmp_path / "signoff.db",
    ) as t:
        run = await t.start(by=ANN, inputs={"token": TOKEN})
        await t.approve(run, by=BOB, form={"pin": PIN})
        assert run.outcome == "succeeded"

    assert seen == [{"headers": {"X-Pin": PIN}}]
    assert PIN.encode() not in on_disk(tmp_path)
    assert TOKEN.encode() not in on_disk(tmp_path)


@pytest.mark.parametrize("name", ["token", "1.2.pin"])
async def test_what_only_looks_like_a_reference_opens_nothing(name):
    """An answer of type json may hold anything, also the shape of a reference to somebody else's secret."""
    seen = []
    async with FlowTest(
        flow({"data": "{{ inputs.data }}", "notes": "{{ resume.notes }}"}),
        people=[ANN, BOB],
        actions={"http.request": seen.append},
    ) as t:
        run = await t.start(by=ANN, inputs={"token": TOKEN, "data": {"$secret": name}})
        await t.approve(run, by=BOB, form={"pin": PIN, "notes": {"$secret": name}})

        assert run.outcome == "succeeded"
        assert seen == [{"data": {"$secret": name}, "notes": {"$secret": name}}]
