"""One side-by-side run: the floor, LangGraph and Signoff take turns, and one table is printed.

    python bench/run.py [--flows 1000] [--waiting 10000] [--repeats 3] [--only floor signoff]

Compare only rows of one run: machines differ and drift. LangGraph gets a virtual environment of its own beside this
file; without it (``--only floor signoff``) nothing is installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
LANGGRAPH = ("langgraph==1.2.22", "langgraph-checkpoint-sqlite==3.1.2", "aiosqlite==0.22.1", "psutil==7.2.2")

PEERS = {
    "floor": ("floor.py", "full"),
    "langgraph": ("langgraph_sqlite.py", "async"),
    "signoff": ("signoff_engine.py", ""),
    "signoff+cards": ("signoff_engine.py", "cards"),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--flows", type=int, default=1000, help="flows of the rate phase, 64 at a time")
    arguments.add_argument("--idle", type=int, default=100, help="single flows for the latency")
    arguments.add_argument(
        "--waiting", type=int, default=10_000, help="waiting flows for disk, memory and restart; 0: none"
    )
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--only", nargs="*", choices=PEERS, default=list(PEERS))
    arguments.add_argument("--keep", type=Path, help="a file for the raw results")
    given = arguments.parse_args()
    results: list[dict] = []
    with tempfile.TemporaryDirectory(prefix="signoff-bench-") as scratch:
        for repeat in range(given.repeats):
            phases = "rate,big,restart" if repeat == 0 and given.waiting else "rate"
            for peer in given.only:
                results += measure(peer, given, phases, Path(scratch))
    if given.keep:
        given.keep.write_text("".join(json.dumps(result) + "\n" for result in results))
    print(table(results))


def measure(peer: str, given: argparse.Namespace, phases: str, scratch: Path) -> list[dict]:
    script, option = PEERS[peer]
    python = langgraph_python() if peer == "langgraph" else sys.executable
    command = [python, str(HERE / script), str(given.flows), "--idle", str(given.idle), "--N", str(given.waiting)]
    command += ["--dir", str(scratch / peer), "--phases", phases] + (["--opt", option] if option else [])
    print(f"... {peer} ({phases})", file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    found = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not found or "FAILED" in done.stdout:
        sys.exit(f"{peer} failed:\n{done.stdout}\n{done.stderr}\n{(scratch / f'{peer}.stderr').read_text()}")
    return found


def langgraph_python() -> str:
    venv = HERE / ".venv-langgraph"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "-q", *LANGGRAPH], check=True)
        (venv / "ready").touch()
    return str(venv / "bin" / "python")


def table(results: list[dict]) -> str:
    rates, others = defaultdict(list), defaultdict(dict)
    for result in results:
        if result["phase"] == "rate":
            rates[result["peer"]].append(result)
        else:
            others[result["peer"]] |= result
    columns = (
        "",
        "start to waiting /s",
        "decide to done /s",
        "idle p50 ms",
        "idle p99 ms",
        "B per waiting run",
        "MB more at N",
        "open after SIGKILL s",
        "first step after it s",
        "transactions a flow",
        "commits a flow",
        "wrong",
    )
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for peer, runs in rates.items():
        other = others[peer]
        lines.append(
            f"| {peer} | {median(runs, 'start_s'):.0f} | {median(runs, 'approve_s'):.0f} | {median(runs, 'p50_ms'):.2f} "
            f"| {median(runs, 'p99_ms'):.2f} | {other.get('disk_suspended', median(runs, 'disk_suspended')):.0f} "
            f"| {other.get('rss_mb', 0) - other.get('rss_empty_mb', 0):.1f} | {other.get('open_s', 0):.2f} "
            f"| {other.get('first_step_b_s', 0):.2f} | {per_flow(runs, 'transactions')} | {per_flow(runs, 'commits')} | {sum(run['wrong'] for run in runs) + other.get('wrong', 0)} |"
        )
    return "\n".join(lines)


def per_flow(runs: list[dict], name: str) -> str:
    counted = [run["per_flow"][name] for run in runs if "per_flow" in run]
    return f"{statistics.median(counted):.2f}" if counted else "-"


def median(runs: list[dict], name: str) -> float:
    return statistics.median(run[name] for run in runs if name in run)


if __name__ == "__main__":
    main()
