"""What the learning rate does: a grid of rates over seeds, the rates that are as good as the best, and where training breaks."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart import progress
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.evaluation import PairedComparison, accuracy_interval, comparisons_with
from headstart.execution import Where, open_executor
from headstart.models.recipes import Recipe, make_iterative_recipe
from headstart.studies._grid import (
    Grid,
    Variant,
    common_facts,
    plan_grid,
    relative,
    run_grid,
    scores,
    with_features,
)
from headstart.studies._study_folder import answer, part_that_judges, plain
from headstart.training import RangeTest, check, range_test, read_metrics

PUBLISHED_RATES = (0.1, 0.01, 0.001, 0.0001)
_LEVEL = 0.05
_RANGE_TESTS = 3
_SAME_RATE = 0.05  # of the logarithm to base 10: rates this near to one of the grid's are not added


@dataclass(frozen=True)
class RateStudy:
    """Which learning rates to compare.

    Attributes:
        model, preset, values: the recipe whose rate varies.
        rates: the learning rates; None for half decades from 0.0001 to 0.1 and beyond the recipe's own rate.
        seeds: of each rate.
        time_limit: seconds for everything.
    """

    model: str
    rates: tuple[float, ...] | None = None
    seeds: int = 3
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "balanced"

    def check(self) -> None:
        """Whether this can be asked, before any data are opened.

        Raises:
            InputError: unknown model or key, a bad rate, fewer than two rates, no seeds.
        """
        if self.seeds < 1:
            raise InputError(
                f"--seeds is {self.seeds}, but each rate needs one or more.",
                "Three show how much chance matters.",
            )
        if len(set(self.all_rates())) < 2:
            raise InputError(
                f"--values is {self.rates}, but a study of rates needs two or more.",
                "Example: --values 1e-2,1e-3",
            )
        for rate in self.all_rates():
            self.recipe(rate)

    def recipe(self, rate: float | None = None) -> Recipe:
        """The recipe at a rate; that of a linear head on frozen features learns by steps here."""
        return make_iterative_recipe(
            self.model, {**self.values, **({} if rate is None else {"lr": rate})}, self.preset
        )

    def all_rates(self) -> list[float]:
        """Ascending."""
        if self.rates is not None:
            return sorted(set(self.rates))
        own = self.recipe().lr
        top = max(-1.0, 0.5 * math.ceil(2 * math.log10(own)) + 0.5)
        halves = [10 ** (0.5 * step) for step in range(-8, round(2 * top) + 1)]
        found = [float(f"{rate:.3g}") for rate in halves]
        if all(abs(math.log10(rate / own)) > _SAME_RATE for rate in found):
            found.append(own)
        return sorted(found)

    def as_json(self) -> dict[str, Any]:
        """What defines the study."""
        values = {key: value for key, value in self.values.items() if value is not None}
        return plain({**vars(self), "rates": self.all_rates(), "values": values})


def lr(
    asked: RateStudy,
    data: SplitDataset,
    folder: Path,
    *,
    where: Where | None = None,
    command: str = "",
    started: float | None = None,
) -> dict[str, Any]:
    """Train at every rate over seeds, and write `finding.json`. The best rate is chosen on validation, judged on test images.

    Args:
        asked: which rates.
        data: shared by all runs.
        folder: of the study; a finished one answers at once, and finished runs are reused.
        where: the executor.
        command: what reproduces it, for the record.
        started: `time.perf_counter()` when the time limit began to run.

    Raises:
        InputError: bad rates or options, too short a time, another study in the folder; RunFailed: no run finished.
    """
    started = time.perf_counter() if started is None else started
    asked.check()
    part = part_that_judges(data.split)
    check(asked.recipe(), data)

    def work() -> dict[str, Any]:
        base = with_features(asked.recipe(), data)
        with open_executor(where or Where(), data) as executor:
            variants = [
                Variant(f"lr-{rate:g}", base.model_copy(update={"lr": rate}), _rank(rate, base))
                for rate in asked.all_rates()
            ]
            grid = plan_grid(
                variants,
                tuple(range(asked.seeds)),
                asked.time_limit,
                data,
                folder,
                executor.slots,
                started,
            )
            run_grid(grid, executor, folder, "lr")
        progress.say(f"range test, {_RANGE_TESTS} times")
        tests = [range_test(grid.variants[0].recipe, data, seed) for seed in range(_RANGE_TESTS)]
        rates = _rates(grid, part, data, folder)
        said = _finding(rates, tests, base, grid, part)
        facts = common_facts(grid, part, asked.time_limit, time.perf_counter() - started)
        recipe = {
            "model": base.model,
            "epochs": grid.variants[0].recipe.epochs,
            "optimizer": base.optimizer,
        }
        return {**facts, **recipe, "rates": rates, **said}

    return answer("lr", asked.as_json(), data, folder, command, work)


def _rank(rate: float, base: Recipe) -> int:
    """Published rates and the recipe's own stay; half decades go first where time is short."""
    near = [abs(math.log10(rate / other)) < _SAME_RATE for other in (*PUBLISHED_RATES, base.lr)]
    return 0 if any(near) else 1


def _rates(grid: Grid, part: str, data: SplitDataset, folder: Path) -> list[dict[str, Any]]:
    """What each rate led to; the best one by validation loss, and each other's difference to it.

    As good as the best is what is not shown to be worse and has an accuracy within the best one's interval: with few seeds the
    first alone would hold for rates that nobody would call as good.
    """
    chance = _loss_of_knowing_nothing(data)
    correct = grid.correct(part)
    learnt = {
        one.name: _mean_loss(one) for one in grid.variants if one.runs and not _broke(one, chance)
    }
    best = min(learnt, key=lambda name: learnt[name]) if learnt else None
    pairs: dict[str, PairedComparison] = (
        comparisons_with(best, correct, _LEVEL) if best is not None and len(correct) > 1 else {}
    )
    least = accuracy_interval(correct[best])[0] if best is not None else 1.0
    found = []
    for one in grid.variants:
        pair = pairs.get(one.name)
        mean = float(correct[one.name].mean()) if one.name in correct else 0.0
        is_good = pair is not None and one.name in learnt and not _is_worse(pair) and mean >= least
        found.append(
            {
                "lr": one.recipe.lr,
                "validation": scores(one, "validation"),
                "test": scores(one, "test"),
                "runs": relative(one.runs, folder),
                "diverged": [
                    {"seed": seed, "message": text} for seed, text in sorted(one.failures.items())
                ],
                "broke": _broke(one, chance),
                "is_best": one.name == best,
                "as_good": one.name == best or is_good,
                "difference": None
                if pair is None
                else {
                    "difference": pair.difference,
                    "interval": pair.interval,
                    "p_adjusted": pair.p_adjusted,
                },
            }
        )
    return found


def _is_worse(pair: PairedComparison) -> bool:
    return pair.difference < 0 and pair.is_significant(_LEVEL)


def _mean_loss(one: Variant) -> float:
    """Validation loss, or test loss where nothing validates."""
    metrics = [read_metrics(run) for run in one.runs.values()]
    return float(np.mean([(each["validation"] or each["test"])["loss"] for each in metrics]))


def _broke(one: Variant, chance: float) -> bool:
    """Whether any seed ended without finite weights, or knowing less than the frequencies of the classes."""
    metrics = [read_metrics(run) for run in one.runs.values()]
    return bool(one.failures) or any(
        (each["validation"] or each["test"])["loss"] >= chance for each in metrics
    )


def _loss_of_knowing_nothing(data: SplitDataset) -> float:
    """Cross-entropy of always predicting the frequencies of the classes: their entropy."""
    shares = np.bincount(data.train_labels) / len(data.split.train)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _finding(
    rates: list[dict[str, Any]], tests: list[RangeTest], base: Recipe, grid: Grid, part: str
) -> dict[str, Any]:
    at = next((number for number, rate in enumerate(rates) if rate["is_best"]), None)
    if at is None:
        sentence = f"{base.model} with {base.optimizer} learnt nothing at any of these rates."
        return {
            "best": None,
            "good": None,
            "diverges_from": rates[0]["lr"],
            "range_test": None,
            "sentence": sentence,
            "notes": grid.notes,
        }
    first, last = at, at
    while first > 0 and rates[first - 1]["as_good"]:
        first -= 1
    while last + 1 < len(rates) and rates[last + 1]["as_good"]:
        last += 1
    low, high, best = rates[first]["lr"], rates[last]["lr"], rates[at]["lr"]
    border = next((rate["lr"] for rate in rates[at + 1 :] if rate["broke"]), None)
    good = {"low": low, "high": high, "decades": round(math.log10(high / low), 2)}
    judged = rates[at][part]["accuracy"]["mean"]
    if low == high:
        width = "no other rate is as good"
    else:
        width = f"those from {low:g} to {high:g} are as good ({good['decades']:.2g} decade{'' if good['decades'] == 1 else 's'})"
    breaks = "" if border is None else f"; from {border:g} on training breaks down"
    sentence = (
        f"The best learning rate of {base.model} with {base.optimizer} over {grid.variants[0].recipe.epochs:.3g} epochs is "
        f"{best:g} ({judged:.1%} on {part} images); {width}{breaks}."
    )
    edge = (
        " The best rate is at the edge of the grid: give --values beyond it."
        if at in (0, len(rates) - 1)
        else ""
    )
    one_seed = (
        []
        if len(grid.seeds) > 1
        else ["One seed: the differences are about these trained models, not about the rates."]
    )
    return {
        "best": best,
        "good": good,
        "diverges_from": border,
        "range_test": _range_tests(tests, rates, low),
        "sentence": sentence + edge,
        "notes": [*grid.notes, *one_seed],
    }


def _range_tests(tests: list[RangeTest], rates: list[dict[str, Any]], low: float) -> dict[str, Any]:
    """The suggestion agrees with the study where the rate of the grid that is nearest to it is as good as the best."""
    suggestions = [test.steepest for test in tests]
    suggested = float(np.exp(np.mean(np.log(suggestions))))
    nearest = min(rates, key=lambda rate: abs(math.log(rate["lr"] / suggested)))
    agrees = bool(nearest["as_good"])
    where = (
        "among the rates that are as good as the best"
        if agrees
        else "below them"
        if nearest["lr"] < low
        else "above them"
    )
    spread = f"{min(suggestions):.2g} to {max(suggestions):.2g} over {len(tests)} repeats"
    return {
        "repeats": [
            {
                "rates": test.rates,
                "losses": test.losses,
                "steepest": test.steepest,
                "minimum": test.minimum,
            }
            for test in tests
        ],
        "suggested": suggested,
        "agrees": agrees,
        "sentence": f"A range test, at the steepest fall of the loss, suggests {suggested:.2g} ({spread}): {where}.",
    }
