"""Compare the time to accuracy on Fashion-MNIST with a Keras CNN, and measure the presets.

    python benchmarks/time_to_accuracy.py run --presets fast,balanced --seeds 3 \\
        --peer PEER.py --peer-python PYTHON_WITH_KERAS --peer-data FOLDER_WITH_IDX_FILES
    python benchmarks/time_to_accuracy.py table

The peer is a script that accepts the folder, `--epochs N` and `--seed S`. It prints one JSON line
per epoch with `epoch`, `seconds` and `test`. `seconds` is the training time so far, including
validation and excluding evaluation on test images. The time of Headstart is counted in the same
way: `seconds.train` of a run, from the opened data to the last weights, including statistics,
self-test, timing and validation.

Both start with the same files in the cache of the operating system, one after the other, seed by
seed. Test images are used for evaluation only; nothing is chosen on them.

`run` adds one row per training to `results/time_to_accuracy.json`. A training that is there is not
measured again, so a stopped run continues, and seeds can be added later. Options after `--` are
passed to every run of Headstart.
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
from pathlib import Path
from typing import Any

from result_files import Page, Row, facts, versions_in

DATA, TARGET, PEER = "fashion-mnist", 0.92, "Keras CNN"
PEER_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu")
# What `fast` has to reach: mean and lowest accuracy, and how many times faster on each unit.
FAST, MEAN, LOWEST = "fast", 0.92, 0.917
RATIOS = {"AMX": 30.0}
OTHER_RATIO = 20.0


def run_peer(given: argparse.Namespace, seed: int) -> Row:
    """Train the peer, and return what it printed for each epoch."""
    command = [given.peer_python, given.peer, given.peer_data]
    command += ["--epochs", given.peer_epochs, "--seed", seed]
    done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        "epochs": len(lines),
        "seconds": lines[-1]["seconds"],
        "accuracy": lines[-1]["test"],
        "by_epoch": [{"seconds": line["seconds"], "accuracy": line["test"]} for line in lines],
        "versions": versions_in(given.peer_python, *PEER_PACKAGES),
    }


def run_headstart(data: str, preset: str, seed: int, options: list[str]) -> Row:
    """Train with a preset in a new folder, and return its time and accuracy."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "headstart", "train", data, "--preset", preset]
        command += ["--seed", str(seed), "--json", "--out", str(Path(place, "run")), *options]
        started = time.perf_counter()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        command_seconds = time.perf_counter() - started
    metrics: dict[str, Any] = json.loads(done.stdout)
    return {
        "epochs": metrics["epochs"],
        "seconds": metrics["seconds"]["train"],
        "command_seconds": command_seconds,
        "accuracy": metrics["test"]["accuracy"],
    }


def table_of(rows: list[Row]) -> list[str]:
    """Return seconds and accuracy of each contender, and the times to the target."""
    columns = ["data", "contender", "options", "n", "seconds, median", "whole command, median"]
    columns += ["epochs, mean", "test accuracy, each seed", "mean"]
    lines = [f"| {' | '.join(columns)} |\n", "|---" * len(columns) + "|\n"]
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["data"], row["contender"] != PEER, row["seed"])):
        groups.setdefault((row["data"], row["contender"], row["options"]), []).append(row)

    for (data, contender, options), own in groups.items():
        scores = [row["accuracy"] for row in own]
        commands = [row["command_seconds"] for row in own if "command_seconds" in row]
        cells = [data, contender, f"`{options}`" if options else "", str(len(own))]
        cells += [f"{statistics.median(row['seconds'] for row in own):.1f}"]
        cells += [f"{statistics.median(commands):.1f}" if commands else ""]
        cells += [f"{statistics.mean(row['epochs'] for row in own):.1f}"]
        cells += [", ".join(f"{score:.2%}" for score in scores), f"{statistics.mean(scores):.2%}"]
        lines.append(f"| {' | '.join(cells)} |\n")

    peer = groups.get((DATA, PEER, ""), [])
    fast = groups.get((DATA, FAST, ""), [])
    return lines + (["\n", *time_to_target(peer, fast)] if peer else [])


def time_to_target(peer: list[Row], fast: list[Row]) -> list[str]:
    """Return sentences about the first epoch of the peer at the target, and about `fast`."""
    reached = [
        next((line["seconds"] for line in row["by_epoch"] if line["accuracy"] >= TARGET), None)
        for row in peer
    ]
    times = ", ".join("never" if at is None else f"{at:.1f} s" for at in reached)
    sentences = [f"The first epoch of the {PEER} at {TARGET:.0%} ended after: {times}.\n"]
    known = [at for at in reached if at is not None]
    if not fast or not known:
        return sentences

    # A seed that never reaches the target counts with its whole time, in favour of the peer.
    counted = [row["seconds"] if at is None else at for row, at in zip(peer, reached, strict=True)]
    ratio = statistics.median(counted) / statistics.median(row["seconds"] for row in fast)
    unit = peer[0]["processor"].rpartition(" with ")[2]
    goal, scores = RATIOS.get(unit, OTHER_RATIO), [row["accuracy"] for row in fast]
    is_met = ratio >= goal and statistics.mean(scores) >= MEAN and min(scores) >= LOWEST
    sentences.append(
        f"**Time to {TARGET:.0%}: {ratio:.1f} times faster** with `{FAST}`, by the medians. "
        f"The goal is {goal:g} times,\na mean of at least {MEAN:.1%}, and no seed below "
        f"{LOWEST:.1%}: {'met' if is_met else 'missed'}.\n"
    )
    return sentences


PAGE = Page("time_to_accuracy", "results.md", ("data", "contender", "options", "seed"), table_of)


def main() -> None:
    parser = PAGE.parser(__doc__)
    parser.add_argument("--peer-data", type=Path, help="IDX folder of Fashion-MNIST")
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-epochs", type=int, default=15)
    parser.add_argument("--data", default=DATA, help="a named dataset for Headstart")
    parser.add_argument("--presets", default="fast,balanced")
    parser.add_argument("--seeds", type=int, default=3)
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given = parser.parse_args(sys.argv[1:end])
    options = sys.argv[end + 1 :]
    results = PAGE.use(given.results)
    if given.action == "run":
        presets = [preset for preset in given.presets.split(",") if preset]
        for seed in range(given.seeds):
            for contender in [*([PEER] if given.peer else []), *presets]:
                is_peer = contender == PEER
                cell: Row = {"data": given.data, "contender": contender, "seed": seed}
                cell["options"] = "" if is_peer else " ".join(options)
                if results.find(**cell) is not None:
                    continue
                before = facts("torch", load=os.getloadavg()[0])
                if is_peer:
                    measured = run_peer(given, seed)
                else:
                    measured = run_headstart(given.data, contender, seed, options)
                results.add({**cell, **before, **measured})
                print(
                    f"{contender}, seed {seed}: {measured['seconds']:.1f} s, "
                    f"test {measured['accuracy']:.2%}",
                    flush=True,
                )
    PAGE.write()


if __name__ == "__main__":
    main()
