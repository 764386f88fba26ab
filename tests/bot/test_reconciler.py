"""What the reconciler is made of: telling likeness, choosing cards to compare, and saying what has to be mended."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path

import pytest

from bot.reconciler import rows
from bot.reconciler.likeness import shows
from bot.slack.views.card import Shown
from bot.trouble_notes import trouble
from flows.instants import to_ms
from flows.store.sqlite import SqliteStore
from flows.testing import MONDAY, FakeClock
from integrations.slack.failures import BAD_BLOCKS, DISCONNECTED, PERSON_GONE, PLACE_LOST, Disconnected, SlackError

BUTTON = {
    "type": "button",
    "action_id": "approve",
    "value": "sus_1:ab",
    "text": {"type": "plain_text", "text": "Approve", "emoji": False},
}
DRAWN = Shown(
    "Ship it?",
    [
        {"type": "header", "text": {"type": "plain_text", "text": "R&D"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "Ship *it* &amp; tell <@U1>?", "verbatim": True}},
        {"type": "actions", "block_id": "decide", "elements": [BUTTON]},
    ],
)


def as_slack_gives_it_back() -> list:
    blocks = copy.deepcopy(DRAWN.blocks)
    blocks[0] |= {"block_id": "aX1", "text": {"type": "plain_text", "text": "R&amp;D", "emoji": True}}
    blocks[1]["block_id"] = "bY2"
    return blocks


def test_R9_what_slack_adds_by_itself_makes_no_difference():
    assert shows(as_slack_gives_it_back(), DRAWN)


@pytest.mark.parametrize("what", ["text", "value", "no button", "more", "nothing"])
def test_R9_what_people_would_see_or_press_makes_one(what):
    blocks = as_slack_gives_it_back()
    match what:
        case "text":
            blocks[1]["text"]["text"] = "Ship *it* &amp; tell <@U2>?"
        case "value":
            blocks[2]["elements"][0]["value"] = "sus_2:ab"
        case "no button":
            blocks[2]["elements"] = []
        case "more":
            blocks.append({"type": "divider"} | {"text": {"type": "mrkdwn", "text": "PS"}})
        case "nothing":
            blocks = []

    assert not shows(blocks, DRAWN)


# -- which cards ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def store(tmp_path: Path):
    store = await SqliteStore.open(tmp_path / "signoff.db", clock=FakeClock())
    yield store
    await store.close()


def _rows(connection, cards) -> None:
    """Cards of one run: ``(n, closed, posted)`` each, ``closed`` in hours before now, None for an open wait."""
    connection.execute("INSERT INTO definitions (id, hash, flow, body) VALUES (1, x'00', 'f', '{}')")
    connection.execute("INSERT INTO people (id, name) VALUES (1, 'Ann')")
    connection.execute(
        "INSERT INTO runs (id, definition, requester, started_at, acting, waiting, suspensions, version) "
        "VALUES (1, 1, 1, 0, 0, 1, 1, 1)"
    )
    for n, (closed, posted) in enumerate(cards, 1):
        at = None if closed is None else to_ms(MONDAY - timedelta(hours=closed))
        connection.execute(
            "INSERT INTO suspensions (run, n, path, kind, round, ordinal, opened_at, needed, generation, how, closed_at) "
            "VALUES (1, ?, 'a', 0, 1, 1, 0, 1, 1, ?, ?)",
            (n, None if closed is None else 1, at),
        )
        connection.execute(
            "INSERT INTO cards (id, run, n, channel, posted, ts, wanted, shown) VALUES (?, 1, ?, '#a', ?, ?, 1, 1)",
            (n, n, "C1" if posted else None, f"{n}.0" if posted else None),
        )


async def test_R9_open_and_lately_closed_cards_that_were_posted_are_compared_in_parts(store, monkeypatch):
    monkeypatch.setattr(rows, "WINDOW", 2)
    await store.write(
        lambda c: _rows(c, [(None, True), (1, True), (30, True), (None, False), (None, True), (30, True)])
    )
    since = MONDAY - timedelta(hours=24)

    found, after = [], 0
    while after is not None:
        part, after = await store.read(lambda c, _: rows.to_compare(c, after, since, 2))  # noqa: B023 - at once
        found.append([card.id for card in part])

    assert found == [[1, 2], [5]]


async def test_R9_a_card_that_is_going_to_be_drawn_anyway_is_left_out(store):
    await store.write(lambda c: _rows(c, [(None, True), (None, True)]))
    now = MONDAY

    drawn = await store.ask(lambda c, numbers: rows.show_again(c, [1], now, numbers))
    again = await store.ask(lambda c, numbers: rows.show_again(c, [1], now, numbers))
    found, _ = await store.read(lambda c, _: rows.to_compare(c, 0, now, 10))

    assert (len(drawn), again) == (1, [])
    assert [card.id for card in found] == [2]


async def test_R9_each_person_is_told_otherwise_once(store):
    await store.write(lambda c: _rows(c, [(None, True), (1, True)]))
    now = MONDAY

    told = []
    for n, people in ((1, [(1, True)]), (1, [(1, True)]), (1, [(1, True), (2, False)]), (2, [(1, True)])):

        def work(connection, numbers, n=n, people=people):
            new, leased = rows.tell_otherwise(connection, 1, n, people, now, numbers)
            told.append((new, [type(one.effect).__name__ for one in leased]))
            return leased

        await store.ask(work)

    assert told == [(True, ["SyncCard"]), (False, []), (True, ["SendMail"]), (False, [])]


# -- what has to be mended ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code", sorted(PLACE_LOST | PERSON_GONE | DISCONNECTED | BAD_BLOCKS | {"missing_scope", "odd"})
)
def test_every_refusal_is_said_with_what_to_do(code):
    sort = Disconnected if code in DISCONNECTED else SlackError
    found = trouble(sort(f"Slack chat.postMessage: {code}: add the scope x.", code=code), place="#general", team="T1")

    for sentence in (found.what, found.mend):
        assert sentence[0].isupper() or sentence[0] in "#`"
        assert sentence.endswith(".")
        assert "{" not in sentence
    assert code.split(":")[0] in found.cause or code in DISCONNECTED


def test_one_cause_for_all_cards_of_a_channel_and_another_for_another_channel():
    first, second = (SlackError(f"({place}): is_archived", code="is_archived") for place in ("C1", "C2"))

    assert trouble(first, place="#a").cause == trouble(second, place="#a").cause
    assert trouble(first, place="#a").cause != trouble(first, place="#b").cause
