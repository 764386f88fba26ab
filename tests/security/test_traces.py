"""What is left behind on the machine: files and logs."""

from __future__ import annotations

import io
import logging
import os
import stat
import sys
from collections.abc import Iterator

import pytest
import structlog

from bot import logs

GATE = """
flow: gate
steps:
  - id: ask
    approval: {ask: "Go?", approvers: [bob@example.com], via: {slack: "#general"}}
"""


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What an operator who watches reads."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    logs.configure(machine=False)
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_S9_a_fault_on_a_terminal_shows_no_variables(terminal):
    def fail(secret: str) -> None:
        raise RuntimeError("nobody foresaw this")

    value = "hunter2-secret"
    try:
        fail(value)
    except RuntimeError:
        logging.getLogger("bot").exception("a fault")

    assert "nobody foresaw this" in terminal.getvalue()
    assert "hunter2-secret" not in terminal.getvalue()


async def test_S9_a_page_that_fails_shows_no_link_on_a_terminal(serve, terminal):
    bot = await serve(gate=GATE)
    run = await bot.start("gate")
    link = await bot.link(run, "bob")
    # Damaged, as no door can do it: so that the page fails.
    await bot.app.store.write(
        lambda c: c.execute("UPDATE suspensions SET show = ? WHERE run = ?", ("[" * 230 + "]" * 230, run))
    )

    page = await bot.opens("bob", link)

    assert page.status == 500
    assert "Traceback" in terminal.getvalue()
    assert link.rsplit("/", 1)[1][:30] not in terminal.getvalue()


async def test_S9_the_database_is_its_owners_alone(serve, tmp_path):
    before = os.umask(0o022)
    try:
        bot = await serve(gate=GATE)
        await bot.start("gate")
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("signoff.db*")}

    assert modes.keys() >= {"signoff.db", "signoff.db-wal", "signoff.db.lock"}
    assert set(modes.values()) == {0o600}
