"""Train at a grid of learning rates, and find the range that is as good as the best rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart import progress
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.evaluation import PairedComparison, accuracy_interval, comparisons_with
from headstart.formatting import counted
from headstart.models.recipes import Recipe, make_iterative_recipe
from headstart.results import (
    EvaluationPart,
    JsonObject,
    LearningRateRange,
    LearningRateResult,
    LearningRates,
    PartMetrics,
    RangeTestCurve,
    RangeTests,
    read_metrics,
)
from headstart.studies._differences import LEVEL, difference_of, is_significantly_worse
from headstart.studies._grid import (
    Grid,
    Variant,
    grid_fields,
    plan_grid,
    run_grid,
    seed_scores,
    with_features,
)
from headstart.studies._study import (
    Study,
    StudyContext,
    evaluation_part,
    given_values,
    to_json,
)
from headstart.training import RangeTest, check, range_test

PUBLISHED_RATES = (0.1, 0.01, 0.001, 0.0001)
_RANGE_TESTS = 3
_SAME_RATE_DECADES = 0.05  # rates that are nearer to each other count as one


@dataclass(frozen=True)
class LearningRatesConfig(Study[LearningRates]):
    """The configuration of a study of learning rates.

    Attributes:
        model: The model whose learning rate varies.
        rates: The learning rates; None for half decades from 0.0001 to 0.1 and beyond the rate of
            the recipe.
        seeds: The number of runs per learning rate.
        time_limit: Seconds for everything; None without a limit.
        values: Values of the recipe.
        preset: The preset of the recipe.
    """

    model: str
    rates: tuple[float, ...] | None = None
    seeds: int = 3
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "balanced"

    finding_type = LearningRates

    def check(self) -> None:
        """Check the learning rates and the recipe.

        Raises:
            InputError: A model, value or rate is invalid, there are fewer than two rates, or no
                seeds.
        """
        if self.seeds < 1:
            raise InputError(
                f"invalid --seeds {self.seeds}: each learning rate needs at least one seed.",
                "Use three to measure the variance over seeds.",
            )
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
        evaluation_part(data)
        check(self.recipe(), data)

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
        if not any(_are_close(rate, own) for rate in rates):
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
            }
        )

    def run(self, context: StudyContext) -> LearningRates:
        """Train at every learning rate over seeds.

        The best rate is selected on validation data. All rates are evaluated on test data.

        Raises:
            InputError: The time limit is too short.
            RunFailed: No run finished.
        """
        data = context.data
        part = evaluation_part(data)
        recipe = with_features(self.recipe(), data)
        grid = Grid(
            [
                Variant(f"lr-{rate:g}", recipe.model_copy(update={"lr": rate}), _rank(rate, recipe))
                for rate in self.all_rates()
            ],
            tuple(range(self.seeds)),
        )
        with context.open_executor() as executor:
            grid = plan_grid(grid, context, self.time_limit, executor.slots)
            run_grid(grid, executor, context.folder, "lr")

        progress.say(f"running {_RANGE_TESTS} range tests")
        tests = [range_test(grid.variants[0].recipe, data, seed) for seed in range(_RANGE_TESTS)]

        rates = _rate_results(grid, context, part)
        best = next((rate for rate in rates if rate.is_best), None)
        good = None if best is None else _good_range(rates, rates.index(best))
        return LearningRates(
            **grid_fields(grid, context, part, self.time_limit),
            model=recipe.model,
            epochs=grid.variants[0].recipe.epochs,
            optimizer=recipe.optimizer,
            rates=tuple(rates),
            best=None if best is None else best.lr,
            good=good,
            diverges_from=_lowest_diverging_rate(rates, best),
            range_test=None if good is None else _summarise_range_tests(tests, rates, good),
            sentence=_sentence(rates, good, grid.variants[0].recipe, part),
            notes=_notes(grid),
        )


def _rank(rate: float, recipe: Recipe) -> int:
    """Return 0 for published rates and that of the recipe; half decades are dropped first."""
    kept = (*PUBLISHED_RATES, recipe.lr)
    return 0 if any(_are_close(rate, other) for other in kept) else 1


def _are_close(rate: float, other: float) -> bool:
    return abs(math.log10(rate / other)) <= _SAME_RATE_DECADES


def _rate_results(
    grid: Grid, context: StudyContext, part: EvaluationPart
) -> list[LearningRateResult]:
    """Return the results of each learning rate.

    The best rate has the lowest mean validation loss of those at which every seed learned
    something. A rate is as good if it is not significantly worse and its accuracy lies within the
    interval of the best one. With few seeds, the first condition alone would hold for rates that
    nobody would call as good.
    """
    chance_loss = _chance_loss(context.data)
    diverged = {variant.name: _diverged_seeds(variant, chance_loss) for variant in grid.variants}
    losses = {
        variant.name: _mean_loss(variant)
        for variant in grid.variants
        if variant.runs and not diverged[variant.name]
    }
    best = min(losses, key=lambda name: losses[name]) if losses else None

    correct = grid.correct_predictions(part)
    comparisons: dict[str, PairedComparison] = {}
    if best is not None and len(correct) > 1:
        comparisons = comparisons_with(best, correct, LEVEL)
    lowest_accuracy = 1.0 if best is None else accuracy_interval(correct[best])[0]

    results = []
    for variant in grid.variants:
        comparison = comparisons.get(variant.name)
        accuracy = float(correct[variant.name].mean()) if variant.name in correct else 0.0
        is_as_good = (
            comparison is not None
            and variant.name in losses
            and not is_significantly_worse(comparison)
            and accuracy >= lowest_accuracy
        )
        results.append(
            LearningRateResult(
                lr=variant.recipe.lr,
                validation=seed_scores(variant, "validation"),
                test=seed_scores(variant, "test"),
                runs=variant.relative_runs(context.folder),
                failures=variant.seed_failures(),
                diverged_seeds=diverged[variant.name],
                is_best=variant.name == best,
                as_good=variant.name == best or is_as_good,
                difference=difference_of(comparison),
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
    """Return the neighbours of the best rate that are as good, without a gap."""
    first, last = best, best
    while first > 0 and rates[first - 1].as_good:
        first -= 1
    while last + 1 < len(rates) and rates[last + 1].as_good:
        last += 1
    low, high = rates[first].lr, rates[last].lr
    return LearningRateRange(low=low, high=high, decades=round(math.log10(high / low), 2))


def _lowest_diverging_rate(
    rates: Sequence[LearningRateResult], best: LearningRateResult | None
) -> float | None:
    """Return the lowest rate above the best at which any seed diverges; None if there is none.

    If no rate learned anything, nothing tells a rate that is too high from one that is too low.
    """
    if best is None:
        return None
    return next((rate.lr for rate in rates if rate.lr > best.lr and rate.diverged_seeds), None)


def _sentence(
    rates: Sequence[LearningRateResult],
    good: LearningRateRange | None,
    recipe: Recipe,
    part: EvaluationPart,
) -> str:
    best = next((rate for rate in rates if rate.is_best), None)
    scores = None if best is None else best.part(part)
    if best is None or good is None or scores is None:
        return (
            f"{recipe.model} with {recipe.optimizer} learned nothing at any of the "
            f"{len(rates)} learning rates from {rates[0].lr:g} to {rates[-1].lr:g}."
        )

    sentences = [
        f"The best learning rate of {recipe.model} with {recipe.optimizer} over "
        f"{recipe.epochs:.3g} epochs is {best.lr:g} ({scores.accuracy.mean:.1%} on {part} images)."
    ]
    if good.low == good.high:
        sentences.append("No other rate of the grid is as good.")
    else:
        decades = "decade" if good.decades == 1 else "decades"
        sentences.append(
            f"Rates from {good.low:g} to {good.high:g} are as good ({good.decades:.2g} {decades})."
        )

    border = _lowest_diverging_rate(rates, best)
    if border is not None:
        rate = next(rate for rate in rates if rate.lr == border)
        sentences.append(_divergence_sentence(rate))
    if best in (rates[0], rates[-1]):
        sentences.append("The best rate is at the edge of the grid: give --values beyond it.")
    return " ".join(sentences)


def _divergence_sentence(rate: LearningRateResult) -> str:
    seeds = len(rate.runs) + len(rate.failures)
    if rate.diverged_everywhere:
        who = "every seed" if seeds > 1 else "the only seed"
    else:
        who = f"{len(rate.diverged_seeds)} of {counted(seeds, 'seed')}"
    return f"At {rate.lr:g}, training diverges with {who}."


def _summarise_range_tests(
    tests: Sequence[RangeTest], rates: Sequence[LearningRateResult], good: LearningRateRange
) -> RangeTests:
    """Compare the suggestion of the range tests with the measured rates.

    The suggestion agrees if the measured rate that is nearest to it is as good as the best one.
    Beyond the grid nothing was measured, so it does not agree there.
    """
    suggestions = [test.steepest for test in tests]
    suggested = float(np.exp(np.mean(np.log(suggestions))))
    nearest = min(rates, key=lambda rate: abs(math.log(rate.lr / suggested)))
    lowest, highest = rates[0].lr, rates[-1].lr
    beyond_grid = not lowest <= suggested <= highest and not _are_close(nearest.lr, suggested)

    if beyond_grid:
        position = f"beyond the rates of this study ({lowest:g} to {highest:g})"
    else:
        position = f"{_position(nearest, good)} the rates that are as good as the best"
    spread = f"{min(suggestions):.2g} to {max(suggestions):.2g} over {len(tests)} repeats"
    return RangeTests(
        repeats=tuple(
            RangeTestCurve(
                rates=tuple(test.rates),
                losses=tuple(test.losses),
                steepest=test.steepest,
                minimum=test.minimum,
            )
            for test in tests
        ),
        suggested=suggested,
        agrees=nearest.as_good and not beyond_grid,
        beyond_grid=beyond_grid,
        sentence=(
            f"A range test, at the steepest descent of the loss, suggests {suggested:.2g} "
            f"({spread}): {position}."
        ),
    )


def _position(nearest: LearningRateResult, good: LearningRateRange) -> str:
    if nearest.as_good:
        return "among"
    return "below" if nearest.lr < good.low else "above"


def _notes(grid: Grid) -> tuple[str, ...]:
    notes = list(grid.notes)
    if grid.has_one_seed:
        notes.append(
            "One seed: differences are about these trained models, not about the learning rates."
        )
    return tuple(notes)
