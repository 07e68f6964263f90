"""Time and memory of the main job on the embedded dataset: a first run, and a second one.

    python benchmarks/compare.py

Each run is a process of its own; the cache and the results are in a temporary folder. Memory is
the largest sum of proportional set sizes over the process and its workers (Linux).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    members = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        members += [item for child in children.read_text().split() for item in family(int(child))]
    return members


def memory(pid: int) -> int:
    """Return the proportional set size of a process and all below it, in MB."""
    total = 0
    for member in family(pid):
        lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total // 1024


def measure(arguments: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Run a command; return its seconds and its largest memory in MB."""
    started, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, "-m", "chromviz", *arguments], stdout=subprocess.DEVNULL, env=environment
    )
    while process.poll() is None:
        with contextlib.suppress(OSError, StopIteration):  # one of them ended while we looked
            peak = max(peak, memory(process.pid))
        time.sleep(0.25)
    if process.returncode:
        sys.exit(f"chromviz {' '.join(arguments)} ended with {process.returncode}")
    return time.perf_counter() - started, peak


def main() -> None:
    """Print a table."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"CHROMVIZ_CACHE": f"{folder}/cache"}
        job = ["compare", "--cell", "K562", "--out", f"{folder}/out", "--quiet"]
        print("| what | seconds | memory (MB) |\n|---|---|---|")
        for name, arguments in (("first run", job), ("second run", job), ("--help", ["--help"])):
            seconds, peak = measure(arguments, environment)
            print(f"| {name} | {seconds:.1f} | {peak:,} |")


if __name__ == "__main__":
    main()
