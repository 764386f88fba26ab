from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.docs.pages import write_modules


@pytest.fixture
def modules(tmp_path, monkeypatch) -> Path:
    """A folder with the modules of the pages, which are forgotten again."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for module in write_modules(tmp_path):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path
