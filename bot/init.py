"""``signoff init``: a folder with a first flow that passes its check and its test at once."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from importlib import resources
from pathlib import Path

from flows.schema import flow_schema

# What is written, and the template that it is made of; dot files would be overlooked by packagers.
_FILES = {
    ".env": "env",
    ".gitignore": "gitignore",
    "README.md": "README.md",
    "actions.py": "actions.py",
    "hello.yml": "hello.yml",
    "pytest.ini": "pytest.ini",
    "test_flow.py": "test_flow.py",
}
_SCHEMA = "signoff.schema.json"
_SECRET_BYTES = 32  # 256 bits, as HMAC-SHA256 has use for


class CannotInit(Exception):
    """The folder cannot be filled; nothing was written. One sentence for each reason."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


def init(folder: Path) -> list[Path]:
    """Fill ``folder``, which is made if it is not there. Returns the files; all are new, or none is written.

    ``.env`` gets a fresh key and can be read by its owner only. Raises ``CannotInit``.
    """
    contents = _contents()
    written: list[Path] = []
    made: list[Path] = []
    try:
        if folder.exists() and not folder.is_dir():
            raise CannotInit([f"{folder} is a file."])
        # A link that leads nowhere is somebody's too.
        taken = [folder / name for name in contents if os.path.lexists(folder / name)]
        if taken:
            raise CannotInit([f"{path} is there already, and nothing is overwritten." for path in taken])
        made.extend(parent for parent in (folder, *folder.parents) if not parent.exists())
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in contents.items():
            _write(folder / name, text, private=name == ".env", written=written)
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        for parent in made:
            with suppress(OSError):  # it was not made, or somebody has put something there meanwhile
                parent.rmdir()
        raise CannotInit([f"{error.filename or folder}: {error.strerror}."]) from error
    return written


def _contents() -> dict[str, str]:
    templates = resources.files("bot").joinpath("init_templates")
    contents = {name: templates.joinpath(template).read_text("utf-8") for name, template in _FILES.items()}
    contents[".env"] = contents[".env"].replace("@SECRET_KEY@", secrets.token_urlsafe(_SECRET_BYTES))
    contents[_SCHEMA] = json.dumps(flow_schema(), indent=2, ensure_ascii=False) + "\n"
    return contents


def _write(path: Path, text: str, *, private: bool, written: list[Path]) -> None:
    # O_EXCL: who has made the file since it was looked for keeps it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    written.append(path)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
