"""Measure how time limits are kept and used, and what a busy machine does to seeds.

    python benchmarks/time_limits.py simulate --machines 300
    python benchmarks/time_limits.py threads

`simulate` carries out comparisons of `mlp` and `cnn` on simulated machines whose pace changes. It
compares the rule until November 2026 with the present one. No network is trained. `threads` times
the steps of small networks with the present setting for waiting threads. Set GOMP_SPINCOUNT to
compare others. Both print Markdown tables, and time_limits.md holds the results.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

from headstart.data import SplitDataset, load, make_split
from headstart.errors import InputError
from headstart.models.recipes import Recipe, make_recipe, resolve
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._comparison_schedule import ComparisonSchedule
from headstart.studies._study import StudyContext
from headstart.studies._time_limit import TimeLimit
from headstart.studies._training_rounds import TrainingRounds
from headstart.training import RunCost, RunTimer, TrainingJob

MODELS = ("mlp", "cnn")
STEP_SECONDS = {"mlp": 0.002, "cnn": 0.03}
SETUP_SECONDS, REPORT_SECONDS, SEEDS = 0.2, 4.0, 3
EQUAL_TIME_RESERVE = 8.0  # for the report, under the rule of equal time
WINDOW_SECONDS = 2.0  # the pace changes so often
# Beside other work a step takes so many times as long, each equally probable.
PACES = {"quiet": (1.0,), "noisy": (1.0, 1.0, 1.0, 1.5, 3.0), "busy": (1.0, 2.0, 4.0, 8.0)}
LEAST_SHARE = 1 / 6


@dataclass
class Machine:
    """A simulated machine with a clock of its own."""

    data: SplitDataset
    factors: np.ndarray
    clock: float = 2.0
    epochs: dict[str, list[float]] = field(default_factory=dict)

    def work(self, seconds: float) -> None:
        window = min(len(self.factors) - 1, int(self.clock / WINDOW_SECONDS))
        self.clock += seconds * self.factors[window]

    def resolved(self, recipe: Recipe) -> Recipe:
        return resolve(recipe, len(self.data.split.train))

    def steps_per_epoch(self, recipe: Recipe) -> int:
        return len(self.data.split.train) // (self.resolved(recipe).batch or 1)

    def train(self, job: TrainingJob) -> Any:
        began = self.clock
        self.work(SETUP_SECONDS)
        recipe = self.resolved(job.recipe)
        steps = max(1, round((recipe.epochs or 1) * self.steps_per_epoch(recipe)))
        for done in range(1, steps + 1):
            self.work(STEP_SECONDS[recipe.model])
            if job.watch is not None:
                job.watch(done, self.clock - began)
        return SimpleNamespace(reused=False)


class Timer:
    """A timer of steps on the simulated machine; see `RunTimer`."""

    def __init__(self, machine: Machine, recipe: Recipe) -> None:
        self.machine, self.recipe, self.times = machine, machine.resolved(recipe), [0.0][:0]

    def restart(self) -> None:
        self.times = []

    def measure(self) -> None:
        began = self.machine.clock
        for _ in range(5):
            self.machine.work(STEP_SECONDS[self.recipe.model])
        self.times.append((self.machine.clock - began) / 5)

    @property
    def cost(self) -> RunCost:
        steps_per_epoch = self.machine.steps_per_epoch(self.recipe)
        return RunCost(SETUP_SECONDS, float(np.median(self.times)), 0.0, steps_per_epoch)


def equal_steps_rule(machine: Machine, limit: float) -> None:
    """Carry out a comparison as `compare` does."""
    studies = "headstart.studies."
    clock = SimpleNamespace(perf_counter=lambda: machine.clock)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch(f"{studies}_study.time", clock),
        patch(f"{studies}_entry_costs.RunTimer", lambda recipe, _: Timer(machine, recipe)),
        patch(f"{studies}_training_rounds.train", machine.train),
        patch(f"{studies}_training_rounds.store.remove_folder", lambda _: None),
    ):
        seeds = tuple(range(SEEDS))
        entries = [ComparisonEntry(name, "contender", make_recipe(name), seeds) for name in MODELS]
        context = StudyContext(machine.data, Path(folder), 0.0)
        plan = ComparisonPlan(entries, SEEDS)
        schedule = ComparisonSchedule(plan, TimeLimit(limit), context)
        try:
            schedule.make_plan()
            rounds = TrainingRounds(schedule)
            for seed in seeds:
                if not rounds.train_seed(seed):
                    break
        except InputError:  # too short for a verdict
            return
        for entry in plan.contenders:
            epochs = entry.epochs or machine.resolved(entry.recipe).epochs or 1.0
            machine.epochs[entry.name] = [epochs] * len(entry.runs)
    machine.work(REPORT_SECONDS)


def equal_time_rule(machine: Machine, limit: float) -> None:
    """Give each run an equal share, in which it takes as many steps as the machine allows."""
    share = (limit - machine.clock - EQUAL_TIME_RESERVE) / len(MODELS) / SEEDS
    for _ in range(SEEDS):
        for name in MODELS:
            recipe = machine.resolved(make_recipe(name))
            steps_per_epoch = machine.steps_per_epoch(recipe)
            wanted, taken = round((recipe.epochs or 1) * steps_per_epoch), 0
            began = machine.clock
            machine.work(SETUP_SECONDS)
            while taken < wanted and machine.clock - began < 0.96 * share:
                machine.work(STEP_SECONDS[name])
                taken += 1
            machine.epochs.setdefault(name, []).append(taken / steps_per_epoch)
    machine.work(REPORT_SECONDS)


def simulate(machines: int, limit: float) -> None:
    """Print what both rules do with a time limit."""
    dataset = load("digits")
    data = SplitDataset(dataset, make_split(dataset, train_images=300))
    full = 40.0
    print(
        "| machine | rule | unequal steps | seeds | `cnn` too short | no verdict | "
        "time spent, 5 to 95% |"
    )
    print("|---|---|---|---|---|---|---|")
    rules: dict[str, Callable[[Machine, float], None]] = {
        "equal time": equal_time_rule,
        "equal steps": equal_steps_rule,
    }
    for kind, paces in PACES.items():
        for name, rule in rules.items():
            unequal, seeds, short, spent = [], [], [], []
            for number in range(machines):
                rng = np.random.default_rng(number)
                machine = Machine(data, rng.choice(paces, 1000))
                rule(machine, limit)
                if not machine.epochs.get("cnn"):
                    continue  # refused
                unequal.append(len({round(epochs, 2) for epochs in machine.epochs["cnn"]}) > 1)
                seeds.append(len(machine.epochs["cnn"]))
                short.append(min(machine.epochs["cnn"]) < 0.99 * LEAST_SHARE * full)
                spent.append(machine.clock / limit)
            low, middle, high = np.quantile(spent, [0.05, 0.5, 0.95])
            print(
                f"| {kind} | {name} | {np.mean(unequal):.0%} | {np.mean(seeds):.1f} | "
                f"{np.mean(short):.0%} | {1 - len(spent) / machines:.0%} | "
                f"{middle:.0%} ({low:.0%} to {high:.0%}) |"
            )


def threads() -> None:
    """Print milliseconds per step of small networks, as timed now."""
    dataset = load("digits")
    data = SplitDataset(dataset, make_split(dataset))
    print(f"GOMP_SPINCOUNT={os.environ.get('GOMP_SPINCOUNT')}")
    print("| model | ms per step |")
    print("|---|---|")
    for model in MODELS:
        timer = RunTimer(make_recipe(model), data)
        for _ in range(5):
            timer.measure()
        print(f"| {model} | {1000 * timer.cost.step:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("simulate", "threads"))
    parser.add_argument("--machines", type=int, default=300)
    parser.add_argument("--limit", type=float, default=60.0)
    given = parser.parse_args()
    if given.what == "threads":
        threads()
    else:
        simulate(given.machines, given.limit)


if __name__ == "__main__":
    main()
