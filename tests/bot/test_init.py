"""``signoff init``: a folder whose flow passes its check and its test at once; nothing of anybody's is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bot
from bot.init import CannotInit, init
from bot.settings import Settings
from flows.schema import flow_schema

PACKAGES = Path(bot.__file__).parent.parent


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command as its user runs it, where Signoff is installed and nothing is set."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGES), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(  # noqa: S603 - our own command lines
        [sys.executable, "-m", *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
def test_check_and_pytest_pass_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "my flows"

    filled = run("bot", "init", str(folder), cwd=tmp_path)
    checked = run("bot", "check", str(folder), cwd=tmp_path)
    tested = run("pytest", str(folder), "-q", "-W", "error", cwd=tmp_path)

    assert filled.returncode == 0, filled.stderr
    assert sorted(filled.stdout.splitlines()) == sorted(str(path) for path in folder.iterdir() if path.is_file())
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "No problems. Flows: hello.\n")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "3 passed" in tested.stdout


@pytest.mark.slow
def test_the_test_that_is_written_fails_when_the_flow_is_broken(tmp_path: Path) -> None:
    init(tmp_path)
    flow = tmp_path / "hello.yml"
    flow.write_text(flow.read_text().replace("{{ inputs.approver }}", "somebody@example.com"))

    tested = run("pytest", str(tmp_path), "-q", cwd=tmp_path)

    assert tested.returncode == 1, tested.stdout + tested.stderr


def test_the_key_is_fresh_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    for name in ("a", "b"):
        init(tmp_path / name)

    one, other = (Settings.load({}, tmp_path / name / ".env") for name in ("a", "b"))

    assert len(one.secret_keys[0]) >= 43
    assert one.secret_keys != other.secret_keys
    assert (tmp_path / "a" / ".env").stat().st_mode & 0o777 == 0o600


def test_every_line_that_is_commented_out_names_a_setting(tmp_path: Path) -> None:
    init(tmp_path)
    lines = (tmp_path / ".env").read_text().splitlines()

    names = {line.removeprefix("# ").partition("=")[0] for line in lines if "=" in line}

    assert names <= {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert len(names) == 7


def test_the_schema_that_the_flow_names_is_the_flow_files(tmp_path: Path) -> None:
    init(tmp_path)

    first, *_ = (tmp_path / "hello.yml").read_text().splitlines()
    _, _, name = first.partition("$schema=")

    assert first.startswith("# yaml-language-server: ")
    assert json.loads((tmp_path / name).read_text()) == flow_schema()


def test_the_readme_names_the_files_that_are_there(tmp_path: Path) -> None:
    init(tmp_path)

    named = {line.split("`")[1] for line in (tmp_path / "README.md").read_text().splitlines() if line.startswith("| `")}

    assert named == {path.name for path in tmp_path.iterdir()} - {"README.md", ".gitignore", "pytest.ini"}


def test_nothing_is_overwritten_and_all_that_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "hello.yml").write_text("mine")
    (tmp_path / ".env").symlink_to(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("not in the way")

    with pytest.raises(CannotInit) as caught:
        init(tmp_path)

    assert caught.value.problems == tuple(
        f"{tmp_path / name} is there already, and nothing is overwritten." for name in (".env", "hello.yml")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "hello.yml", "notes.txt"]
    assert (tmp_path / "hello.yml").read_text() == "mine"


def test_a_folder_with_other_files_can_be_filled(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    written = init(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written} | {"notes.txt"}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(CannotInit, match="is a file"):
        init(tmp_path / "file")


def test_where_writing_fails_nothing_is_left(tmp_path: Path) -> None:
    # The longest path of Linux has 4,095 bytes: the folder can be made, and .env, but not the longer names in it.
    folder = tmp_path / "new"
    while len(str(folder)) + 200 < 4_080:
        folder /= "x" * 199
    folder /= "y" * (4_084 - len(str(folder)))

    with pytest.raises(CannotInit, match="File name too long"):
        init(folder)

    assert list(tmp_path.iterdir()) == []
