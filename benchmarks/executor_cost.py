"""Measure what an executor adds to a run, and what two workers gain over one.

        python benchmarks/executor_cost.py
    python benchmarks/executor_cost.py --runs 5 --study-runs 0

The first command takes about ten minutes on two free cores. The second one measures the overhead
per run only.

Overhead per run: the same tiny runs (a dense network, a tenth of an epoch of the digits) are made
one at a time by `train` itself and through the executor, after two warm-up runs. The result is the
difference of the medians. The target is less than 50 ms.

The study: the same runs of the cnn, each with its own seed, are made by one worker and by two. Each
study is a process of its own, and its start, imports and end are part of the time. The target is at
most 0.6 of the time of one worker.

Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import headstart
from headstart.data import Dataset, Split, SplitDataset
from headstart.execution import Job, Where, open_executor, run_all
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob

WARM_UP = 2
WHERES = {"this process": Where(), "local processes": Where(workers=2), "Ray": Where(ray="auto")}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=int, default=20, help="tiny runs per executor; 0 skips this part"
    )
    parser.add_argument(
        "--study-runs", type=int, default=16, help="runs of the study; 0 skips this part"
    )
    parser.add_argument("--epochs", type=float, default=16, help="epochs of each run of the study")
    parser.add_argument("--repeats", type=int, default=3, help="repeats of the study")
    parser.add_argument(
        "--study-with",
        type=int,
        metavar="WORKERS",
        help="run only the study, with this many workers",
    )
    args = parser.parse_args()
    if args.study_with is not None:
        make_study(args.study_with, args.study_runs, args.epochs)
        return
    if args.runs:
        print_costs(args.runs)
    if args.study_runs:
        print_study(args.study_runs, args.epochs, args.repeats)


def digits() -> tuple[Dataset, Split]:
    dataset = headstart.load("digits")
    return dataset, headstart.split(dataset)


def print_costs(runs: int) -> None:
    from headstart.training import train

    data = digits()
    recipe = make_recipe("mlp", {"epochs": 0.1})

    def milliseconds(make: Callable[[Job], object], folder: Path, first_seed: int) -> float:
        times = []
        for seed in range(first_seed, first_seed + runs + WARM_UP):
            started = time.perf_counter()
            make(Job(f"r{seed}", recipe, seed, folder / f"r{seed}"))
            times.append(1000 * (time.perf_counter() - started))
        return statistics.median(times[WARM_UP:])

    print(f"A tiny run, ms, median of {runs}; the last column is a run that has already finished\n")
    print("| executor | `train` itself | through the executor | overhead | finished run |")
    print("|---|---|---|---|---|")
    for name, where in WHERES.items():
        if where.ray and find_spec("ray") is None:
            print(f"| {name} | not installed | | | |")
            continue
        os.environ["OMP_NUM_THREADS"] = "1"  # the same number of threads as in a worker
        with (
            tempfile.TemporaryDirectory() as place,
            open_executor(where, SplitDataset(*data)) as executor,
        ):

            def through(job: Job) -> None:
                executor.submit(job)
                outcome = executor.next_done()
                assert outcome.reason is None, outcome.message

            direct = milliseconds(
                lambda job: train(
                    TrainingJob(job.recipe, SplitDataset(*data), job.seed, job.folder)
                ),
                Path(place) / "direct",
                0,
            )
            through_executor = milliseconds(through, Path(place) / "through", 0)
            finished = milliseconds(through, Path(place) / "through", 0)
        overhead = through_executor - direct
        print(
            f"| {name} | {direct:.1f} | {through_executor:.1f} | {overhead:+.1f} "
            f"| {finished:.1f} |",
            flush=True,
        )


def print_study(runs: int, epochs: float, repeats: int) -> None:
    print(
        f"\n{runs} runs of the cnn on the digits, {epochs:g} epochs each, "
        f"seconds, {repeats} repeats in turn\n"
    )
    print("| one worker | two workers | ratio |\n|---|---|---|")
    ratios = []
    for _ in range(repeats):
        seconds = []
        for workers in (1, 2):
            started = time.perf_counter()
            words = ["--study-with", workers, "--study-runs", runs, "--epochs", epochs]
            subprocess.run([sys.executable, __file__, *map(str, words)], check=True)
            seconds.append(time.perf_counter() - started)
        ratios.append(seconds[1] / seconds[0])
        print(f"| {seconds[0]:.1f} | {seconds[1]:.1f} | {ratios[-1]:.2f} |", flush=True)
    print(f"\nMedian ratio: {statistics.median(ratios):.2f}")


def make_study(workers: int, runs: int, epochs: float) -> None:
    recipe = make_recipe("cnn", {"epochs": epochs})
    with (
        tempfile.TemporaryDirectory() as place,
        open_executor(Where(workers=workers), SplitDataset(*digits())) as executor,
    ):
        jobs = [Job(f"r{seed}", recipe, seed, Path(place) / f"r{seed}") for seed in range(runs)]
        failed = [
            outcome.message for outcome in run_all(executor, jobs) if outcome.reason is not None
        ]
    if failed:
        sys.exit(failed[0])


if __name__ == "__main__":
    main()
