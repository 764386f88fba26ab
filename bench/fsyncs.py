"""How many fsyncs (and fdatasyncs) a flow costs, counted by strace over the whole process.

    python bench/fsyncs.py [--flows 200]

The count of a run with many flows, less that of a run with one, by their difference.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SYNCED = re.compile(r"(?:fsync|fdatasync)\([0-9]+.*= 0|resumed.*= 0")


def count(script: str, flows: int, option: str, scratch: Path) -> int:
    trace = scratch / "trace"
    command = [
        "strace",
        "-f",
        "-q",
        "-e",
        "trace=fsync,fdatasync",
        "-o",
        str(trace),
        sys.executable,
        str(HERE / script),
    ]
    command += [
        str(flows),
        "--idle",
        "0",
        "--N",
        "0",
        "--phases",
        "rate",
        "--dir",
        str(scratch / "state"),
        "--opt",
        option,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return sum(bool(SYNCED.search(line)) for line in trace.read_text().splitlines())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=200)
    flows = parser.parse_args().flows
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as folder:
        for name, script, option in (("floor", "floor.py", "full"), ("signoff", "signoff_engine.py", "")):
            more = count(script, flows, option, Path(folder)) - count(script, 1, option, Path(folder))
            print(f"{name}: {more / (flows - 1):.2f} fsyncs a flow")
