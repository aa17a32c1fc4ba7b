"""Tuning a dense net on handwritten digits, side by side with a peer: seconds to its best score, and our score at its time.

    python benchmarks/time_to_tune.py --peer PEER.py --peer-python PYTHON_WITH_KERAS_TUNER --peer-data FOLDER_WITH_MNIST_IDX_FILES

The peer is a script that takes the folder and `--seed S`, and prints one JSON line an epoch: `seconds` since its search began,
and `best_validation`. Both see the same 27,720 training and 13,860 validation digits, the first 42,000 of MNIST's training images
shuffled as the peer does. Ours are counted from opened data: `history[].seconds` of a study, in which test images have no part.

Finished searches under --out are reused, so that the command can be stopped and repeated. Options after `--` go to each of ours.
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

SHOWN, TRAIN, VALIDATION = 42_000, 27_720, 13_860


def same_digits(folder: Path, out: Path) -> Path:
    """The peer's digits as an .npz with a validation part and no test part."""
    path = out / "digits.npz"
    if not path.exists():
        mnist = headstart.load(folder)
        own = mnist.parts == TRAIN_PART
        images, labels = mnist.images[own][:SHOWN, ..., 0], mnist.labels[own][:SHOWN]
        order = np.random.RandomState(13).permutation(SHOWN)
        train, validation = order[:TRAIN], order[TRAIN : TRAIN + VALIDATION]
        parts = {
            "x_train": images[train],
            "y_train": labels[train],
            "x_validation": images[validation],
        }
        np.savez(path, **parts, y_validation=labels[validation])
    return path


def peers_search(args: argparse.Namespace, seed: int) -> list[dict[str, float]]:
    kept: Path = args.out / f"peer-seed{seed}.jsonl"
    if not kept.exists():
        command = [args.peer_python, args.peer, args.peer_data, "--seed", seed]
        done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
        kept.write_text(done.stdout)
    return [json.loads(line) for line in kept.read_text().splitlines()]


def our_search(args: argparse.Namespace, data: Path, seed: int, seconds: float) -> dict[str, Any]:
    program = Path(sys.executable).with_name("headstart")
    command = [
        program,
        "tune",
        data,
        "--model",
        "mlp",
        "--seed",
        seed,
        "--time-limit",
        f"{seconds:.0f}s",
        "--test",
        "0",
    ]
    command += ["--json", "--out", args.out / f"ours-seed{seed}", *args.option]
    done = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


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
        "| seed | peer: seconds, best validation | ours reaches it after | times less | ours at the peer's time | points better |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for seed in range(args.seeds):
        peer = peers_search(args, seed)[-1]
        ours = our_search(args, data, seed, peer["seconds"])["history"]
        at = next(
            (row["seconds"] for row in ours if row["best_validation"] >= peer["best_validation"]),
            None,
        )
        best = max(row["best_validation"] for row in ours if row["seconds"] <= peer["seconds"])
        ratios.append(peer["seconds"] / at if at else 0.0)
        gains.append(100 * (best - peer["best_validation"]))
        reached = "never" if at is None else f"{at:.1f} s"
        print(
            f"| {seed} | {peer['seconds']:.1f} s, {peer['best_validation']:.2%} | {reached} | {ratios[-1]:.1f} | {best:.2%} | "
            f"{gains[-1]:+.2f} |",
            flush=True,
        )
    times, points = statistics.median(ratios), statistics.median(gains)
    print(f"\nMedians of {args.seeds} seeds: {times:.1f} times less time, {points:+.2f} points.")


if __name__ == "__main__":
    main()
