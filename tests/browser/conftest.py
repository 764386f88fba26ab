"""A real browser for the tests: Chromium, from the distribution or from Playwright's own place.

It is started once, and lives in the event loop of the whole session; so do the tests and fixtures that use it:
``pytestmark = pytest.mark.asyncio(loop_scope="session")`` and ``@pytest_asyncio.fixture(loop_scope="session")``.

Where there is no browser, these tests are skipped; with ``REQUIRE_BROWSER=1`` in the environment they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from typing import NoReturn

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from bot.demo.stage import Stage, stage

_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium."""
    expect.set_options(timeout=15_000)  # what is waited for comes in a moment, on a busy machine in a few
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    async with async_playwright() as playwright:
        path = found or playwright.chromium.executable_path
        if not os.access(path, os.X_OK):
            _missing(f"no browser: none of {', '.join(_NAMES)} is on the PATH (apt-get install chromium)")
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def demo() -> AsyncIterator[Stage]:
    """The stage of ``signoff demo``: a real bot and the sandbox, new for each test."""
    async with stage() as set_up:
        yield set_up


def _missing(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}; REQUIRE_BROWSER=1 says that there has to be one", pytrace=False)
    pytest.skip(reason)
