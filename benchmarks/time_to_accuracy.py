"""Time to accuracy on Fashion-MNIST, side by side with a peer: the ratio to 92%, and what each preset reaches.

    python benchmarks/time_to_accuracy.py --peer PEER.py --peer-python PYTHON_WITH_KERAS --peer-data FOLDER_WITH_IDX_FILES

The peer is a script that takes the folder, `--epochs N` and `--seed S`, and prints one JSON line an epoch with `epoch`, `seconds`
(spent training so far, validation included, evaluation on test not) and `test`. Ours are counted alike: `seconds.train` of a run,
from opened data to last weights, with statistics, self-test, timing and validation in it. Both start from the operating system's
cache of the same files, one after the other, seed by seed. Test images judge; nothing is chosen on them.

Finished runs of ours under --out are reused, so that the command can be stopped and repeated.
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


def peers_run(args: argparse.Namespace, seed: int) -> list[dict[str, float]]:
    """One line an epoch, kept under --out."""
    kept: Path = args.out / f"peer-seed{seed}.jsonl"
    if not kept.exists():
        command = [
            args.peer_python,
            args.peer,
            args.peer_data,
            "--epochs",
            args.peer_epochs,
            "--seed",
            seed,
        ]
        done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
        kept.write_text(done.stdout)
    return [json.loads(line) for line in kept.read_text().splitlines()]


def our_run(args: argparse.Namespace, data: str, preset: str, seed: int) -> dict[str, Any]:
    """What `headstart train` prints."""
    folder = args.out / f"{data}-{preset}-seed{seed}"
    program = Path(sys.executable).with_name("headstart")
    command = [
        program,
        "train",
        data,
        "--preset",
        preset,
        "--seed",
        seed,
        "--json",
        "--out",
        folder,
        *args.option,
    ]
    started = time.perf_counter()
    done = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    if not found["reused"]:
        (args.out / f"{folder.name}.command-seconds").write_text(
            f"{time.perf_counter() - started:.1f}"
        )
    return found


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
        help="named datasets on which `best` runs too, such as mnist",
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("time-to-accuracy"))
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args = parser.parse_args(sys.argv[1:end])
    args.option = sys.argv[end + 1 :]  # given to every run of ours
    args.out.mkdir(parents=True, exist_ok=True)

    presets = args.presets.split(",")
    jobs = [(DATA, preset) for preset in presets] + [(data, "best") for data in args.also]
    peer: list[list[dict[str, float]]] = []
    ours: dict[tuple[str, str], list[dict[str, Any]]] = {job: [] for job in jobs}
    for seed in range(args.seeds):
        if args.peer is not None:
            lines = peers_run(args, seed)
            peer.append(lines)
            print(
                f"seed {seed} peer: {lines[-1]['seconds']:.1f} s, test {lines[-1]['test']:.2%}",
                flush=True,
            )
        for data, preset in jobs:
            found = our_run(args, data, preset, seed)
            ours[data, preset].append(found)
            whole = (args.out / f"{data}-{preset}-seed{seed}.command-seconds").read_text()
            spent, score = found["seconds"]["train"], found["test"]["accuracy"]
            shown = f"{spent:.1f} s (whole command {whole} s), {found['epochs']} epochs, test {score:.2%}"
            print(f"seed {seed} {preset} on {data}: {shown}", flush=True)

    print(
        f"\n| contender | seconds, median of {args.seeds} | test accuracy, each seed | median | mean |\n|---|---|---|---|---|"
    )
    if peer:
        reached = [
            next((line["seconds"] for line in lines if line["test"] >= TARGET), None)
            for lines in peer
        ]
        row(
            "peer, all epochs",
            [lines[-1]["seconds"] for lines in peer],
            [lines[-1]["test"] for lines in peer],
        )
        print(
            f"\nPeer's first epoch at {TARGET:.0%}: {', '.join('never' if at is None else f'{at:.1f} s' for at in reached)}.\n"
        )
    for (data, preset), runs in ours.items():
        row(
            f"{preset}, {data}",
            [run["seconds"]["train"] for run in runs],
            [run["test"]["accuracy"] for run in runs],
        )
    if peer and "fast" in presets and None not in reached:
        seconds = statistics.median(run["seconds"]["train"] for run in ours[DATA, "fast"])
        accuracies = [run["test"]["accuracy"] for run in ours[DATA, "fast"]]
        ratio = statistics.median(at for at in reached if at is not None) / seconds
        print(
            f"\nTime to {TARGET:.0%}: {ratio:.1f} times less than the peer; `fast` ends at {statistics.mean(accuracies):.2%} "
            f"(lowest {min(accuracies):.2%})."
        )


def row(name: str, seconds: list[float], accuracies: list[float]) -> None:
    each = ", ".join(f"{value:.2%}" for value in accuracies)
    middle, mean = statistics.median(accuracies), statistics.mean(accuracies)
    print(f"| {name} | {statistics.median(seconds):.1f} | {each} | {middle:.2%} | {mean:.2%} |")


if __name__ == "__main__":
    main()
