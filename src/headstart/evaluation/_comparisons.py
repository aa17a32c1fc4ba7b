"""Pairwise comparisons of contenders on the same images, with Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from headstart.evaluation._paired_tests import (
    BoolArray,
    PairedTest,
    exact_mcnemar,
    minimum_detectable_effect,
    paired_bootstrap,
)
from headstart.evaluation._seed_aware_tests import (
    SeedVariance,
    pooled_seed_variance,
    recipe_test,
)

About = Literal["recipes", "models"]
Runs = Mapping[str, BoolArray]


@dataclass(frozen=True)
class PairedComparison:
    """Comparison of two contenders, `a` and `b`.

    Attributes:
        a: Name of the first contender.
        b: Name of the second contender.
        difference: Accuracy of a minus accuracy of b, a fraction in [-1, 1].
        interval: Confidence interval of the difference, at confidence 1 - level. It is not
            corrected for the number of comparisons.
        p_value: Two-sided p-value before correction.
        p_adjusted: Two-sided p-value after Holm's correction over all comparisons.
        smallest_detectable: Minimum detectable effect of this test, a fraction: the true
            difference that it detects with a power of 80%, at level / (number of comparisons).
        mcnemar: Exact tests of the trained models, row i of a against row i of b. Set by
            `all_pairs` only.
        bootstrap: Paired bootstrap interval of the difference of the trained models. Set by
            `all_pairs` only.
    """

    a: str
    b: str
    difference: float
    interval: tuple[float, float]
    p_value: float
    p_adjusted: float
    smallest_detectable: float
    mcnemar: tuple[PairedTest, ...] = ()
    bootstrap: tuple[float, float] | None = None

    def is_significant(self, level: float) -> bool:
        """Return whether the corrected p-value is at most `level`."""
        return self.p_adjusted <= level


def all_pairs(runs: Runs, level: float, about: About) -> tuple[PairedComparison, ...]:
    """Compare all pairs of contenders.

    Args:
        runs: Contender name to Boolean array of shape (S, N). S is 1 if `about` is "models" and
            at least 2 if it is "recipes".
        level: Family-wise significance level of the two-sided tests.
        about: The tests to use: exact McNemar for models, `recipe_test` for recipes.

    Returns:
        One comparison per pair, the contenders with the highest mean accuracy first. Contenders
        with equal accuracies keep their order. `a` is the more accurate contender of a pair.
    """
    order = sorted(runs, key=lambda name: -float(runs[name].mean()))
    pairs = list(combinations(order, 2))
    tests = _Tests(runs, level, len(pairs))
    compare = tests.recipes if about == "recipes" else tests.models

    comparisons = _with_holm([compare(a, b) for a, b in pairs])
    return tuple(_with_tests_of_models(comparison, runs, level) for comparison in comparisons)


def comparisons_with(name: str, runs: Runs, level: float) -> dict[str, PairedComparison]:
    """Compare every other contender with one reference.

    The contenders are taken as variants of one recipe. The variance over seeds is therefore pooled
    over all of them.

    Args:
        name: Name of the reference.
        runs: Contender name to Boolean array of shape (S, N). If any contender has a single run,
            the first runs are compared as trained models.
        level: Family-wise significance level of the two-sided tests.

    Returns:
        Comparisons by the name of the other contender. `a` is that contender and `b` is the
        reference, so a difference is negative if the contender is less accurate.
    """
    others = [other for other in runs if other != name]
    has_seeds = min(len(array) for array in runs.values()) >= 2
    variance = pooled_seed_variance(list(runs.values())) if has_seeds else None
    tests = _Tests(runs, level, len(others), variance)
    compare = tests.recipes if has_seeds else tests.models

    comparisons = _with_holm([compare(other, name) for other in others])
    return {comparison.a: comparison for comparison in comparisons}


@dataclass(frozen=True)
class _Tests:
    """Tests of pairs of contenders, before Holm's correction."""

    runs: Runs
    level: float
    number: int
    variance: SeedVariance | None = None

    def recipes(self, a: str, b: str) -> PairedComparison:
        """Compare two recipes, over images and seeds."""
        runs_a, runs_b = self.runs[a], self.runs[b]
        test = recipe_test(runs_a, runs_b, self.level, self.variance)
        # The first step of Holm's procedure, which is the strictest.
        strict = recipe_test(runs_a, runs_b, self.level / self.number, self.variance)
        return PairedComparison(
            a,
            b,
            difference=test.difference,
            interval=test.interval,
            p_value=test.p_value,
            p_adjusted=test.p_value,
            smallest_detectable=strict.smallest_detectable,
        )

    def models(self, a: str, b: str) -> PairedComparison:
        """Compare the first runs of two contenders as trained models, over images."""
        runs_a, runs_b = self.runs[a], self.runs[b]
        n = runs_a.shape[1]
        test = exact_mcnemar(runs_a[0], runs_b[0])
        discordant = test.only_a + test.only_b
        return PairedComparison(
            a,
            b,
            difference=(test.only_a - test.only_b) / n,
            interval=paired_bootstrap(runs_a, runs_b, level=1 - self.level),
            p_value=test.p_value,
            p_adjusted=test.p_value,
            smallest_detectable=minimum_detectable_effect(discordant, n, self.level / self.number),
        )


def _with_tests_of_models(
    comparison: PairedComparison, runs: Runs, level: float
) -> PairedComparison:
    """Add the McNemar tests of the single runs and the bootstrap interval over images."""
    a, b = runs[comparison.a], runs[comparison.b]
    tests = tuple(exact_mcnemar(run_a, run_b) for run_a, run_b in zip(a, b, strict=False))

    if len(a) == len(b) == 1:
        return replace(comparison, mcnemar=tests, bootstrap=comparison.interval)
    return replace(comparison, mcnemar=tests, bootstrap=paired_bootstrap(a, b, level=1 - level))


def _with_holm(comparisons: Sequence[PairedComparison]) -> list[PairedComparison]:
    adjusted = holm([comparison.p_value for comparison in comparisons])
    return [
        replace(comparison, p_adjusted=p)
        for comparison, p in zip(comparisons, adjusted, strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for the number of tests, with Holm's step-down procedure.

    Args:
        p_values: P-values of one family of tests.

    Returns:
        Adjusted p-values in the same order, at most 1.

    References:
        Holm (1979).
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])

    for rank, index in enumerate(order):
        corrected = min(1.0, (len(p_values) - rank) * p_values[index])
        largest = max(largest, corrected)
        adjusted[index] = largest
    return adjusted
