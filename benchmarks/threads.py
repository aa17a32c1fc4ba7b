"""Time a small training with one and two threads, alone and beside busy processes.

    python benchmarks/threads.py [--repeats 3] [--busy 2]
    python benchmarks/threads.py --limited [--repeats 3] [--busy 2]

"Turns" are those of the loop in which a thread of OpenMP waits before it sleeps. Each run is a
process of its own, because the settings of OpenMP are read once. The table has the median seconds
of training `mlp` on the digits for five epochs.

With `--limited`, a training with a time limit chooses its number of threads beside busy processes.
The table has one row per run, in turns with runs on all threads.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Ends with the process that started it, also if that is killed.
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
COMMAND = [sys.executable, "-m", "headstart", "train", "digits", "--model", "mlp", "--epochs", "5"]
SETTINGS = {
    "one thread": {"OMP_NUM_THREADS": "1"},
    "two threads that sleep at once": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
    **{
        f"two threads, {turns:,} turns": {"OMP_NUM_THREADS": "2", "GOMP_SPINCOUNT": str(turns)}
        for turns in (3_000, 6_000, 10_000, 20_000, 300_000)
    },
}

LIMITED = "train fashion-mnist --train-images 10000 --time-limit 40s"
LOAD_SECONDS = 45  # until the load average shows the busy processes


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Let so many processes compute during the block."""
    processes = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def train(command: list[str], setting: dict[str, str]) -> tuple[dict[str, Any], int]:
    """Train in a process with these variables; return the metrics and the number of threads."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP", "GOMP"))
    }
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        subprocess.run(
            [*command, "--out", str(out), "-q"],
            env={**kept, **setting},
            check=True,
            capture_output=True,
        )
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        environment = json.loads((out / "environment.json").read_text(encoding="utf-8"))
    return metrics, environment["threads"]


def train_seconds(setting: dict[str, str]) -> float:
    """Return the seconds of training with these variables."""
    metrics, _ = train(COMMAND, setting)
    return float(metrics["seconds"]["train"])


def print_limited_runs(repeats: int, busy: int) -> None:
    """Train with a time limit beside busy processes, with all threads and with the chosen ones."""
    command = [sys.executable, "-m", "headstart", *LIMITED.split()]
    everything = {"OMP_NUM_THREADS": str(os.cpu_count())}
    print("| threads | epochs | test accuracy | seconds |")
    print("|---|---|---|---|")
    with busy_processes(busy):
        time.sleep(LOAD_SECONDS)
        for _ in range(repeats):
            for name, setting in (("all", everything), ("chosen", {})):
                metrics, threads = train(command, setting)
                print(
                    f"| {name}: {threads} | {metrics['epochs']:.2f} | "
                    f"{metrics['test']['accuracy']:.1%} | {metrics['seconds']['total']:.0f} |",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--busy", type=int, default=2, help="busy processes beside the training")
    parser.add_argument("--limited", action="store_true", help="train with a time limit")
    args = parser.parse_args()
    if args.limited:
        print_limited_runs(args.repeats, args.busy)
        return

    found: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for busy in (0, args.busy):
        with busy_processes(busy):
            seconds: dict[str, list[float]] = {name: [] for name in SETTINGS}
            for _ in range(args.repeats):
                for name, setting in SETTINGS.items():
                    seconds[name].append(train_seconds(setting))
        for name, values in seconds.items():
            found[name].append(statistics.median(values))

    print(f"| | alone | beside {args.busy} busy processes |")
    print("|---|---|---|")
    for name, (alone, beside) in found.items():
        print(f"| {name} | {alone:.1f} s | {beside:.1f} s |")


if __name__ == "__main__":
    main()
