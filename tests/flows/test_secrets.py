"""Secrets stay secret: sealed in the store, open to ``with`` alone, masked in whatever comes back."""

import base64
import html
import json
import re
from datetime import timedelta
from urllib.parse import quote, quote_plus

import pytest
from yarl import URL

from flows.definition import Approval, Flow, Step
from flows.errors import Closed
from flows.fields import MASK
from flows.secrets import masked
from flows.testing import FlowTest

ANN, BOB, CAT = "ann@example.com", "bob@example.com", "cat@example.com"
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


async def test_what_is_sent_after_the_deadline_is_kept_nowhere(tmp_path):
    """The deadline is acted on first, and then it is that which the ledger tells of, not what somebody sent."""
    async with FlowTest(flow({}), people=[ANN, BOB], database=tmp_path / "signoff.db") as t:
        run = await t.start(by=ANN, inputs={"token": TOKEN})
        t.clock.set(t.clock.now() + timedelta(days=8))
        with pytest.raises(Closed, match="deadline"):
            await t.approve(run, by=BOB, form={"pin": PIN})
        events = [json.loads(entry.payload).get("event") for entry in await t.ledger(run)]

        assert run.outcome == "expired"
        assert events[-1] == {"is": "TimerFired", "path": "gate", "n": 1}
    assert PIN.encode() not in on_disk(tmp_path)


async def test_a_secret_that_was_corrected_is_the_one_that_is_used():
    seen = []
    two = flow({"headers": {"X-Pin": "{{ steps.gate.decisions[0].form.pin }}"}})
    gate = two.steps[0].model_copy(
        update={"approval": two.steps[0].approval.model_copy(update={"quorum": 2, "approvers": (BOB, CAT)})}
    )
    two = two.model_copy(update={"steps": (gate, two.steps[1])})
    async with FlowTest(two, people=[ANN, BOB, CAT], actions={"http.request": seen.append}) as t:
        run = await t.start(by=ANN, inputs={"token": TOKEN})
        await t.approve(run, by=BOB, form={"pin": "0000-mistyped"})
        await t.approve(run, by=BOB, form={"pin": PIN})
        assert run.suspension().approvals == 1
        await t.approve(run, by=CAT, form={"pin": "5555-of-cat"})

        assert seen == [{"headers": {"X-Pin": PIN}}]


@pytest.mark.parametrize("secret", ["s3cr3t key/1", "top/secret=ü", 'a%b"c<d>&', "x&y<z>'q'", "a+b c\nd", "48151623"])
def test_S9_a_secret_is_masked_in_every_spelling_that_it_gets_on_its_way(secret):
    address = URL("https://h.example").with_path(f"/{secret}").with_query({"p": secret})
    encoded = secret.encode()
    spellings = [
        secret,
        address.raw_path.removeprefix("/"),
        address.raw_query_string.removeprefix("p="),
        quote(secret),
        quote(secret, safe=""),
        re.sub("%..", lambda code: code[0].lower(), quote(secret)),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
        repr(secret)[1:-1],
        base64.b64encode(encoded).decode(),
        base64.urlsafe_b64encode(encoded).decode(),
    ]

    shown = [masked({"said": [f"before {spelling} after"]}, [secret]) for spelling in spellings]

    assert shown == [{"said": [f"before {MASK} after"]}] * len(spellings)


@pytest.mark.parametrize("before", ["u:", "us:", "use:", "user:"])
def test_S9_a_secret_is_masked_where_base64_begins_before_it(before):
    encoded = base64.b64encode(f"{before}correct-horse".encode()).decode()

    shown = masked(f"Basic {encoded}", ["correct-horse"])

    kept = "".join(part for part in shown.removeprefix("Basic ").split(MASK))
    assert MASK in shown
    assert len(kept) <= len(before) * 4 / 3 + 6


def test_S9_a_number_that_is_the_secret_is_masked_and_others_are_not():
    assert masked({"pin": 4711, "rate": 0.5, "count": 47111, "on": True}, ["4711", "0.5", "True"]) == {
        "pin": MASK,
        "rate": MASK,
        "count": 47111,
        "on": True,
    }


def test_a_short_secret_does_not_mask_words_that_look_like_a_part_of_its_base64():
    within = base64.b64encode(b"wxyz").decode()[2:5]

    assert masked(f"the {within} of it", ["xyz"]) == f"the {within} of it"
