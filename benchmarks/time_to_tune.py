"""Compare tuning of a dense network on handwritten digits with a peer, in time and in accuracy.

    python benchmarks/time_to_tune.py --peer PEER.py \\
        --peer-python PYTHON_WITH_KERAS_TUNER --peer-data FOLDER_WITH_MNIST_IDX_FILES

The results are the time after which Headstart reaches the peer's best validation accuracy, and the
accuracy of Headstart in the peer's time.

The peer is a script that accepts the folder and `--seed S`. It prints one JSON line per epoch with
`seconds` since the start of its search and `best_validation`. Both use the same 27,720 training and
13,860 validation digits: the first 42,000 of MNIST's training images, shuffled as the peer does.
The time of Headstart starts when the data are opened: `history[].seconds` of a study. No test image
is used.

Finished searches in --out are reused, so the command can be stopped and repeated. Options after
`--` are passed to every Headstart search.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import headstart
from headstart.data import TRAIN as TRAIN_PART

DIGITS, TRAIN, VALIDATION = 42_000, 27_720, 13_860


def same_digits(folder: Path, out: Path) -> Path:
    """Write the peer's digits as an .npz file with validation images and without test images."""
    path = out / "digits.npz"
    if not path.exists():
        mnist = headstart.load(folder)
        own = mnist.parts == TRAIN_PART
        images, labels = mnist.images[own][:DIGITS, ..., 0], mnist.labels[own][:DIGITS]
        order = np.random.RandomState(13).permutation(DIGITS)
        train, validation = order[:TRAIN], order[TRAIN : TRAIN + VALIDATION]
        parts = {
            "x_train": images[train],
            "y_train": labels[train],
            "x_validation": images[validation],
        }
        np.savez(path, **parts, y_validation=labels[validation])
    return path


def search_with_peer(args: argparse.Namespace, seed: int) -> list[dict[str, float]]:
    """Return one line per epoch. The output of the peer is kept in --out."""
    log: Path = args.out / f"peer-seed{seed}.jsonl"
    if not log.exists():
        command = [args.peer_python, args.peer, args.peer_data, "--seed", seed]
        done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
        log.write_text(done.stdout)
    return [json.loads(line) for line in log.read_text().splitlines()]


def search_with_headstart(
    args: argparse.Namespace, data: Path, seed: int, seconds: float
) -> dict[str, Any]:
    """Return the JSON object that `headstart tune` prints."""
    program = Path(sys.executable).with_name("headstart")
    command = [program, "tune", data, "--model", "mlp", "--seed", seed]
    command += ["--time-limit", f"{seconds:.0f}s", "--test", "0"]
    command += ["--json", "--out", args.out / f"ours-seed{seed}", *args.option]
    done = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True)
    finding: dict[str, Any] = json.loads(done.stdout)
    return finding


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("time-to-tune"))
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args = parser.parse_args(sys.argv[1:end])
    args.option = sys.argv[end + 1 :]
    args.out.mkdir(parents=True, exist_ok=True)
    data = same_digits(args.peer_data, args.out)
    ratios, gains = [], []
    print(
        "| seed | peer: seconds, best validation accuracy | Headstart reaches it after "
        "| times faster | Headstart in the peer's time | points better |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for seed in range(args.seeds):
        peer = search_with_peer(args, seed)[-1]
        ours = search_with_headstart(args, data, seed, peer["seconds"])["history"]
        at = next(
            (row["seconds"] for row in ours if row["best_validation"] >= peer["best_validation"]),
            None,
        )
        best = max(row["best_validation"] for row in ours if row["seconds"] <= peer["seconds"])
        ratios.append(peer["seconds"] / at if at else 0.0)
        gains.append(100 * (best - peer["best_validation"]))
        reached = "never" if at is None else f"{at:.1f} s"
        print(
            f"| {seed} | {peer['seconds']:.1f} s, {peer['best_validation']:.2%} | {reached} "
            f"| {ratios[-1]:.1f} | {best:.2%} | {gains[-1]:+.2f} |",
            flush=True,
        )
    times, points = statistics.median(ratios), statistics.median(gains)
    print(f"\nMedians of {args.seeds} seeds: {times:.1f} times faster, {points:+.2f} points.")


if __name__ == "__main__":
    main()
