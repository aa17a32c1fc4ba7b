"""Train at a grid of learning rates, and find the best rate and those not significantly worse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart import progress
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.models.recipes import Recipe, make_iterative_recipe
from headstart.results import (
    EvaluationPart,
    JsonObject,
    LearningRateRange,
    LearningRateResult,
    LearningRates,
    PartMetrics,
    read_metrics,
)
from headstart.studies._design import StudyDesign, check_seed_count, design_study
from headstart.studies._grid import Grid, Variant
from headstart.studies._grid_plan import plan_grid
from headstart.studies._grid_runs import run_grid
from headstart.studies._grid_scores import grid_fields, seed_scores, with_features
from headstart.studies._lr_range_tests import are_close, summarise_range_tests
from headstart.studies._lr_sentences import learning_rates_notes, learning_rates_sentence
from headstart.studies._rate_selection import RateSelection
from headstart.studies._study import (
    Study,
    StudyContext,
    given_values,
    to_json,
)
from headstart.studies._time_limit import WhenSlow, check_when_slow, given_when_slow
from headstart.training import RANGE_TEST_STEPS, RangeTest, check_recipe, range_test

PUBLISHED_RATES = (0.1, 0.01, 0.001, 0.0001)
_RANGE_TESTS = 3


@dataclass(frozen=True)
class LearningRatesConfig(Study[LearningRates]):
    """The configuration of a study of learning rates.

    Attributes:
        model: The model whose learning rate varies.
        rates: The learning rates; None for half decades from 0.0001 to 0.1 and beyond the rate of
            the recipe.
        seeds: The number of runs per learning rate.
        time_limit: Seconds for everything; None without a limit.
        when_slow: What a machine that slows down costs; see `TimeLimit`.
        values: Values of the recipe.
        preset: The preset of the recipe.
        folds: Number of folds of a cross-validation, which has one repeat per seed; None for one
            split.
    """

    model: str
    rates: tuple[float, ...] | None = None
    seeds: int = 3
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "balanced"
    when_slow: WhenSlow = "shorten"
    folds: int | None = None

    finding_type = LearningRates

    def check(self) -> None:
        """Check the learning rates and the recipe.

        Raises:
            InputError: A model, value or rate is invalid, there are fewer than two rates, or no
                seeds.
        """
        check_when_slow(self.when_slow)
        check_seed_count(self.seeds, "each learning rate")
        if len(set(self.all_rates())) < 2:
            rates = ",".join(f"{rate:g}" for rate in self.all_rates())
            raise InputError(
                f"invalid --values {rates or '(empty)'}: expected at least two learning rates.",
                "Example: --values 1e-2,1e-3",
            )
        for rate in self.all_rates():
            self.recipe(rate)

    def check_data(self, data: SplitDataset) -> None:
        """Check that the recipe suits the data and that something evaluates it."""
        design = design_study(data, self.folds, range(self.seeds))
        check_recipe(self.recipe(), design.data)

    def recipe(self, rate: float | None = None) -> Recipe:
        """Return the recipe with a learning rate, or with its own. It always trains in steps."""
        values = dict(self.values) if rate is None else {**self.values, "lr": rate}
        return make_iterative_recipe(self.model, values, self.preset)

    def all_rates(self) -> list[float]:
        """Return the learning rates in ascending order."""
        if self.rates is not None:
            return sorted(set(self.rates))
        own = self.recipe().lr
        top = max(-1.0, 0.5 * math.ceil(2 * math.log10(own)) + 0.5)
        half_decades = [10 ** (0.5 * step) for step in range(-8, round(2 * top) + 1)]
        rates = [float(f"{rate:.3g}") for rate in half_decades]
        if not any(are_close(rate, own) for rate in rates):
            rates.append(own)
        return sorted(rates)

    def as_json(self) -> JsonObject:
        """Return the configuration."""
        return to_json(
            {
                "model": self.model,
                "rates": self.all_rates(),
                "seeds": self.seeds,
                "time_limit": self.time_limit,
                "values": given_values(self.values),
                "preset": self.preset,
                **given_when_slow(self.when_slow),
                **given_values({"folds": self.folds}),
            }
        )

    def run(self, context: StudyContext) -> LearningRates:
        """Train at every learning rate over seeds.

        The best rate is selected on validation data. All rates are evaluated on test data. With
        folds, the validation images of one fold are test images of another one. The tests allow
        for that: they hold however the best rate was selected.

        Raises:
            InputError: The time limit is too short.
            RunFailed: No run finished.
        """
        design = design_study(context.data, self.folds, range(self.seeds))
        data, part = design.data, design.part
        context = context.with_data(data)
        recipe = with_features(self.recipe(), data)
        grid = Grid(
            [
                Variant(f"lr-{rate:g}", recipe.model_copy(update={"lr": rate}), _rank(rate, recipe))
                for rate in self.all_rates()
            ],
            design.runs,
            folds=design.folds,
        )
        with context.open_executor() as executor:
            grid = plan_grid(
                grid,
                context,
                self.time_limit,
                executor.slots,
                when_slow=self.when_slow,
                extra_steps=_RANGE_TESTS * RANGE_TEST_STEPS,
            )
            run_grid(grid, executor, context.folder, "lr")

        tests = _range_tests(grid, data)
        selection = _select(grid, design)
        rates = _rate_results(grid, selection, context, part)
        best = next((rate for rate in rates if rate.is_best), None)
        good = None if best is None else _good_range(rates, rates.index(best))
        diverges_from = _lowest_diverging_rate(rates, best)
        comparisons = selection.comparisons
        best_interval = None if comparisons is None else comparisons.interval
        images = len(data.split.indices(part))
        return LearningRates(
            **grid_fields(grid, context, part, self.time_limit),
            model=recipe.model,
            epochs=grid.variants[0].recipe.epochs,
            optimizer=recipe.optimizer,
            rates=tuple(rates),
            best=None if best is None else best.lr,
            good=good,
            best_interval=best_interval,
            diverges_from=diverges_from,
            range_test=None if good is None else summarise_range_tests(tests, rates, good),
            sentence=learning_rates_sentence(
                rates, good, best_interval, diverges_from, grid, part, images
            ),
            notes=learning_rates_notes(grid, data, part),
        )


def _range_tests(grid: Grid, data: SplitDataset) -> list[RangeTest]:
    """Repeat the range test with other seeds, at least once, while there is time."""
    progress.say(f"running {_RANGE_TESTS} range tests")
    tests: list[RangeTest] = []
    for seed in range(_RANGE_TESTS):
        if tests and grid.clock is not None and grid.clock.left_seconds() <= 0:
            break
        tests.append(range_test(grid.variants[0].recipe, data, seed))
    return tests


def _rank(rate: float, recipe: Recipe) -> int:
    """Return 0 for published rates and that of the recipe; half decades are dropped first."""
    kept = (*PUBLISHED_RATES, recipe.lr)
    return 0 if any(are_close(rate, other) for other in kept) else 1


def _select(grid: Grid, design: StudyDesign) -> RateSelection:
    """Select the best learning rate, and compare the others with it.

    Rates at which training diverges take no part in the tests. They would cost the others power.
    """
    chance_loss = _chance_loss(design.data)
    diverged = {variant.name: _diverged_seeds(variant, chance_loss) for variant in grid.variants}
    losses = {
        variant.name: _mean_loss(variant)
        for variant in grid.variants
        if variant.runs and not diverged[variant.name]
    }
    if not losses:
        return RateSelection(None, diverged, None)

    best = min(losses, key=lambda name: losses[name])
    correct = grid.correct_predictions(design.part)
    learned = {name: runs for name, runs in correct.items() if name in losses}
    return RateSelection.of(best, diverged, learned, design.groups, grid.fold_of)


def _rate_results(
    grid: Grid, selection: RateSelection, context: StudyContext, part: EvaluationPart
) -> list[LearningRateResult]:
    """Return the results of each learning rate."""
    data, folds = context.data, grid.folds
    results = []
    for variant in grid.variants:
        validation = None
        if folds is None:  # Each fold has other validation images.
            validation = seed_scores(variant, "validation", data.groups_of("validation"))
        diverged = selection.diverged[variant.name]
        if folds is not None:
            diverged = tuple(folds.run(number).seed for number in diverged)
        results.append(
            LearningRateResult(
                lr=variant.recipe.lr,
                validation=validation,
                test=seed_scores(variant, "test", data.groups_of("test"), grid),
                runs=variant.relative_runs(context.folder),
                failures=variant.seed_failures(folds),
                diverged_seeds=diverged,
                is_best=variant.name == selection.best,
                as_good=selection.is_good(variant.name),
                difference=selection.difference(variant.name, part),
            )
        )
    return results


def _mean_loss(variant: Variant) -> float:
    losses = [scores.loss for scores in _selection_scores(variant).values()]
    return float(np.mean(losses))


def _selection_scores(variant: Variant) -> dict[int, PartMetrics]:
    """Return the metrics on validation images, or else on test images, by finished seed."""
    scores = {}
    for seed, run in variant.runs.items():
        metrics = read_metrics(run)
        selection = metrics.validation or metrics.test
        assert selection is not None, "a part of the split evaluates"
        scores[seed] = selection
    return scores


def _diverged_seeds(variant: Variant, chance_loss: float) -> tuple[int, ...]:
    """Return the seeds that failed, or whose loss is not below that of the class frequencies."""
    seeds = set(variant.failures)
    for seed, scores in _selection_scores(variant).items():
        if scores.loss >= chance_loss:
            seeds.add(seed)
    return tuple(sorted(seeds))


def _chance_loss(data: SplitDataset) -> float:
    """Return the cross-entropy of always predicting the class frequencies: their entropy."""
    frequencies = np.bincount(data.train_labels) / len(data.split.train)
    frequencies = frequencies[frequencies > 0]
    return float(-(frequencies * np.log(frequencies)).sum())


def _good_range(rates: Sequence[LearningRateResult], best: int) -> LearningRateRange:
    """Return the neighbours of the best rate that are not significantly worse, without a gap."""
    first, last = best, best
    while first > 0 and rates[first - 1].as_good:
        first -= 1
    while last + 1 < len(rates) and rates[last + 1].as_good:
        last += 1
    low, high = rates[first].lr, rates[last].lr
    differences = [rate.difference for rate in rates[first : last + 1]]
    lowest = [difference.interval[0] for difference in differences if difference is not None]
    return LearningRateRange(
        low=low,
        high=high,
        decades=round(math.log10(high / low), 2),
        largest_loss=max(0.0, -min(lowest)) if lowest else None,
    )


def _lowest_diverging_rate(
    rates: Sequence[LearningRateResult], best: LearningRateResult | None
) -> float | None:
    """Return the lowest rate above the best at which any seed diverges; None if there is none.

    If no rate learned anything, nothing tells a rate that is too high from one that is too low.
    """
    if best is None:
        return None
    return next((rate.lr for rate in rates if rate.lr > best.lr and rate.diverged_seeds), None)
