"""Compare tuning of a dense network on handwritten digits with KerasTuner, in time and accuracy.

    python benchmarks/time_to_tune.py run --seeds 3 --peer PEER.py \\
        --peer-python PYTHON_WITH_KERAS_TUNER --peer-data FOLDER_WITH_MNIST_IDX_FILES
    python benchmarks/time_to_tune.py table

The results are the time after which Headstart reaches the peer's best validation accuracy, and the
accuracy of Headstart in the peer's time.

The peer is a script that accepts the folder and `--seed S`. It prints one JSON line per epoch with
`seconds` since the start of its search and `best_validation`. Both use the same 27,720 training and
13,860 validation digits: the first 42,000 of MNIST's training images, shuffled as the peer does.
The time of Headstart starts when the data are opened: `history[].seconds` of a study. No test image
is used.

`run` adds one row per seed to `results/time_to_tune.json`, with both searches one after the other.
A seed that is there is not measured again. Options after `--` are passed to every search of
Headstart.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from result_files import Page, Row, facts, versions_in

import headstart
from headstart.data import TRAIN as TRAIN_PART

DIGITS, TRAIN, VALIDATION = 42_000, 27_720, 13_860
PEER_PACKAGES = ("keras-tuner", "keras", "tensorflow", "tensorflow-cpu")
# How many times faster, and how many percentage points better in the same time.
RATIO_GOAL, POINTS_GOAL = 10.0, 1.2


def same_digits(folder: Path, out: Path) -> Path:
    """Write the peer's digits as an .npz file with validation images and without test images."""
    mnist = headstart.load(folder)
    own = mnist.parts == TRAIN_PART
    images, labels = mnist.images[own][:DIGITS, ..., 0], mnist.labels[own][:DIGITS]
    order = np.random.RandomState(13).permutation(DIGITS)
    train, validation = order[:TRAIN], order[TRAIN : TRAIN + VALIDATION]
    parts = {"x_train": images[train], "y_train": labels[train], "x_validation": images[validation]}
    np.savez(out / "digits.npz", **parts, y_validation=labels[validation])
    return out / "digits.npz"


def search_with_peer(given: argparse.Namespace, seed: int) -> Row:
    """Return seconds and best validation accuracy of the last epoch of the peer's search."""
    command = [given.peer_python, given.peer, given.peer_data, "--seed", seed]
    done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
    last: Row = json.loads(done.stdout.splitlines()[-1])
    return last


def search_with_headstart(
    data: Path, out: Path, seed: int, seconds: float, options: list[str]
) -> list[Row]:
    """Return the history of the study that `headstart tune` makes in so many seconds."""
    command = [sys.executable, "-m", "headstart", "tune", str(data), "--model", "mlp"]
    command += ["--seed", str(seed), "--time-limit", f"{seconds:.0f}s", "--test", "0"]
    command += ["--json", "--out", str(out), *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    finding: dict[str, Any] = json.loads(done.stdout)
    history: list[Row] = finding["history"]
    return history


def measure(given: argparse.Namespace, seed: int, options: list[str]) -> Row:
    """Search with the peer, and with Headstart for as long."""
    before = facts("torch", "optuna", load=os.getloadavg()[0])
    versions = before["versions"] | versions_in(given.peer_python, *PEER_PACKAGES)
    with tempfile.TemporaryDirectory() as place:
        data = same_digits(given.peer_data, Path(place))
        peer = search_with_peer(given, seed)
        study = Path(place, "study")
        history = search_with_headstart(data, study, seed, peer["seconds"], options)
    ours = [
        {"seconds": row["seconds"], "best_validation": row["best_validation"]} for row in history
    ]
    row = {"seed": seed, "options": " ".join(options), "n": VALIDATION}
    return {**row, "peer": peer, "headstart": ours, **before, "versions": versions}


def compare(row: Row) -> tuple[float | None, float]:
    """Return when we reach the peer's accuracy, or None, and our best in the peer's time."""
    peer, ours = row["peer"], row["headstart"]
    wanted = peer["best_validation"]
    at = next((each["seconds"] for each in ours if each["best_validation"] >= wanted), None)
    in_time = [each["best_validation"] for each in ours if each["seconds"] <= peer["seconds"]]
    return at, max(in_time, default=0.0)


def table_of(rows: list[Row]) -> list[str]:
    """Return the two searches of each seed, and the medians."""
    columns = ["seed", "options", "KerasTuner: seconds, best validation accuracy"]
    columns += ["Headstart reaches it after", "times faster"]
    columns += ["Headstart in the same time", "points better"]
    lines = [f"| {' | '.join(columns)} |\n", "|---" * len(columns) + "|\n"]
    ratios, gains = [], []
    for row in sorted(rows, key=lambda row: (row["options"], row["seed"])):
        peer, (at, best) = row["peer"], compare(row)
        ratio = peer["seconds"] / at if at else 0.0
        gain = 100 * (best - peer["best_validation"])
        cells = [str(row["seed"]), f"`{row['options']}`" if row["options"] else ""]
        cells += [f"{peer['seconds']:.1f} s, {peer['best_validation']:.2%}"]
        cells += ["never" if at is None else f"{at:.1f} s", f"{ratio:.1f}"]
        cells += [f"{best:.2%}", f"{gain:+.2f}"]
        lines.append(f"| {' | '.join(cells)} |\n")
        if not row["options"]:
            ratios.append(ratio)
            gains.append(gain)
    if not ratios:
        return lines

    times, points = statistics.median(ratios), statistics.median(gains)
    verdicts = ["met" if times >= RATIO_GOAL else "missed"]
    verdicts += ["met" if points >= POINTS_GOAL else "missed"]
    lines.append(
        f"\n**Medians, n = {len(ratios)}: {times:.1f} times faster** (goal {RATIO_GOAL:g}: "
        f"{verdicts[0]}), **{points:+.2f} points** (goal {POINTS_GOAL:+g}: {verdicts[1]}).\n"
    )
    return lines


PAGE = Page("time_to_tune", "tuning.md", ("seed", "options"), table_of)


def main() -> None:
    parser = PAGE.parser(__doc__)
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    given = parser.parse_args(sys.argv[1:end])
    options = sys.argv[end + 1 :]
    results = PAGE.use(given.results)
    if given.action == "run":
        if given.peer is None or given.peer_data is None:
            parser.error("run needs --peer and --peer-data.")
        for seed in range(given.seeds):
            if results.find(seed=seed, options=" ".join(options)) is None:
                results.add(measure(given, seed, options))
                print(f"seed {seed} is measured", flush=True)
    PAGE.write()


if __name__ == "__main__":
    main()
