"""Makes ``surfaces.json`` and ``manifest.json`` anew from Slack's own types: ``python tests/slack_schema/make.py``.

It wants Node 18 or newer with npm, and npm's registry. The versions stand in ``package.json``; after changing one, look at
the difference, and at what the tests say of it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MADE = {"surfaces.json": "Surfaces", "manifest.json": "AppManifest"}

_COMPILER = {"strict": True, "skipLibCheck": True, "module": "commonjs", "moduleResolution": "node", "target": "es2022"}


def main() -> None:
    """Install the packages into a temporary folder, generate, and write beside this file."""
    npm, node = (shutil.which(name) for name in ("npm", "node"))
    if npm is None or node is None:
        sys.exit("There is no node or no npm on the path.")
    with tempfile.TemporaryDirectory(prefix="slack-schema-") as made:
        folder = Path(made)
        for name in ("package.json", "surfaces.ts"):
            shutil.copy(HERE / name, folder)
        options = {"compilerOptions": {**_COMPILER, "types": []}, "files": ["surfaces.ts"]}
        (folder / "tsconfig.json").write_text(json.dumps(options), "utf-8")
        # Without a lock file: it would hold the address of whatever registry this machine uses.
        _run([npm, "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        generator = folder / "node_modules" / "ts-json-schema-generator" / "bin" / "ts-json-schema-generator.js"
        for file, type_ in MADE.items():
            where = ["--path", "surfaces.ts", "--tsconfig", "tsconfig.json", "--type", type_]
            schema = json.loads(_run([node, str(generator), *where], folder))
            text = json.dumps(_tightened(schema), indent=1, sort_keys=True, ensure_ascii=False)
            (HERE / file).write_text(f"{text}\n", "utf-8")


def _tightened(schema: dict[str, Any]) -> Any:
    """The schema without what lets everything through, and without the prose."""
    definitions = schema["definitions"]
    # AnyBlock is "a known block, or anything with a type": with it, no block would ever be wrong.
    if definitions.pop("Block", None) is not None:
        definitions["AnyBlock"] = {"$ref": "#/definitions/KnownBlock"}
    if "Manifest" in definitions:
        # The type takes any further key, which is where a misspelt one would hide.
        definitions["Manifest"]["additionalProperties"] = False
    return _without_prose(schema)


def _without_prose(value: Any, *, names: bool = False) -> Any:
    """``names``: the keys are names of properties, one of which may be "description"."""
    if isinstance(value, dict):
        return {
            key: _without_prose(each, names=not names and key in ("properties", "definitions"))
            for key, each in value.items()
            if names or key not in ("description", "$comment", "deprecated")
        }
    return [_without_prose(each) for each in value] if isinstance(value, list) else value


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
