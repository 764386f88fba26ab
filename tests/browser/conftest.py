"""A real browser for the tests: Chromium, from the distribution or from Playwright's own place.

It is started once, and lives in the event loop of the whole session; so do the tests and fixtures that use it:
``pytestmark = pytest.mark.asyncio(loop_scope="session")`` and ``@pytest_asyncio.fixture(loop_scope="session")``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

_NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
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
    """Chromium; the tests are skipped where there is none."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    async with async_playwright() as playwright:
        path = found or playwright.chromium.executable_path
        if not os.access(path, os.X_OK):
            pytest.skip(f"no browser: none of {', '.join(_NAMES)} is on the PATH (apt-get install chromium)")
        browser = await playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        await browser.close()
