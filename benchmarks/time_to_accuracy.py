"""Compare the time to accuracy on Fashion-MNIST with a peer, and measure what each preset reaches.

    python benchmarks/time_to_accuracy.py --peer PEER.py \\
        --peer-python PYTHON_WITH_KERAS --peer-data FOLDER_WITH_IDX_FILES

The peer is a script that accepts the folder, `--epochs N` and `--seed S`. It prints one JSON line
per epoch with `epoch`, `seconds` and `test`. `seconds` is the training time so far, including
validation and excluding evaluation on test images. The time of Headstart is counted in the same
way: `seconds.train` of a run, from the opened data to the last weights, including statistics,
self-test, timing and validation.

Both start with the same files in the cache of the operating system, one after the other, seed by
seed. Test images are used for evaluation only; nothing is chosen on them.

Finished runs of Headstart in --out are reused, so the command can be stopped and repeated.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

DATA, TARGET = "fashion-mnist", 0.92


def run_peer(args: argparse.Namespace, seed: int) -> list[dict[str, float]]:
    """Return one line per epoch. The output of the peer is kept in --out."""
    log: Path = args.out / f"peer-seed{seed}.jsonl"
    if not log.exists():
        command = [args.peer_python, args.peer, args.peer_data]
        command += ["--epochs", args.peer_epochs, "--seed", seed]
        done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
        log.write_text(done.stdout)
    return [json.loads(line) for line in log.read_text().splitlines()]


def run_headstart(args: argparse.Namespace, data: str, preset: str, seed: int) -> dict[str, Any]:
    """Return the JSON object that `headstart train` prints."""
    folder = args.out / f"{data}-{preset}-seed{seed}"
    program = Path(sys.executable).with_name("headstart")
    command = [program, "train", data, "--preset", preset, "--seed", seed]
    command += ["--json", "--out", folder, *args.option]
    started = time.perf_counter()
    done = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True)
    metrics: dict[str, Any] = json.loads(done.stdout)
    if not metrics["reused"]:
        (args.out / f"{folder.name}.command-seconds").write_text(
            f"{time.perf_counter() - started:.1f}"
        )
    return metrics


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peer-data",
        type=Path,
        help="IDX folder of Fashion-MNIST; the parent folder may be HEADSTART_DATA",
    )
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-epochs", type=int, default=15)
    parser.add_argument("--presets", default="fast,balanced,best")
    parser.add_argument(
        "--also",
        nargs="*",
        default=[],
        help="other named datasets on which `best` runs, such as mnist",
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("time-to-accuracy"))
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args = parser.parse_args(sys.argv[1:end])
    args.option = sys.argv[end + 1 :]  # passed to every Headstart run
    args.out.mkdir(parents=True, exist_ok=True)

    presets = args.presets.split(",")
    jobs = [(DATA, preset) for preset in presets] + [(data, "best") for data in args.also]
    peer: list[list[dict[str, float]]] = []
    ours: dict[tuple[str, str], list[dict[str, Any]]] = {job: [] for job in jobs}
    for seed in range(args.seeds):
        if args.peer is not None:
            lines = run_peer(args, seed)
            peer.append(lines)
            print(
                f"seed {seed} peer: {lines[-1]['seconds']:.1f} s, test {lines[-1]['test']:.2%}",
                flush=True,
            )
        for data, preset in jobs:
            metrics = run_headstart(args, data, preset, seed)
            ours[data, preset].append(metrics)
            command_seconds = (args.out / f"{data}-{preset}-seed{seed}.command-seconds").read_text()
            print(
                f"seed {seed} {preset} on {data}: {metrics['seconds']['train']:.1f} s "
                f"(whole command {command_seconds} s), {metrics['epochs']} epochs, "
                f"test {metrics['test']['accuracy']:.2%}",
                flush=True,
            )

    print(
        f"\n| contender | seconds, median of {args.seeds} | test accuracy, each seed "
        "| median | mean |\n"
        "|---|---|---|---|---|"
    )
    if peer:
        reached = [
            next((line["seconds"] for line in lines if line["test"] >= TARGET), None)
            for lines in peer
        ]
        print_row(
            "peer, all epochs",
            [lines[-1]["seconds"] for lines in peer],
            [lines[-1]["test"] for lines in peer],
        )
        times = ", ".join("never" if at is None else f"{at:.1f} s" for at in reached)
        print(f"\nPeer's first epoch at {TARGET:.0%}: {times}.\n")
    for (data, preset), runs in ours.items():
        print_row(
            f"{preset}, {data}",
            [run["seconds"]["train"] for run in runs],
            [run["test"]["accuracy"] for run in runs],
        )
    if peer and "fast" in presets and None not in reached:
        seconds = statistics.median(run["seconds"]["train"] for run in ours[DATA, "fast"])
        accuracies = [run["test"]["accuracy"] for run in ours[DATA, "fast"]]
        ratio = statistics.median(at for at in reached if at is not None) / seconds
        print(
            f"\nTime to {TARGET:.0%}: {ratio:.1f} times faster than the peer; "
            f"`fast` reaches {statistics.mean(accuracies):.2%} (lowest {min(accuracies):.2%})."
        )


def print_row(name: str, seconds: list[float], accuracies: list[float]) -> None:
    """Print the row of one contender."""
    each = ", ".join(f"{value:.2%}" for value in accuracies)
    median, mean = statistics.median(accuracies), statistics.mean(accuracies)
    print(f"| {name} | {statistics.median(seconds):.1f} | {each} | {median:.2%} | {mean:.2%} |")


if __name__ == "__main__":
    main()
