"""Pairwise comparisons of contenders on the same images, with Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from headstart.evaluation._equivalence import (
    DEFAULT_MARGIN,
    model_equivalence_interval,
    model_equivalence_p_value,
    recipe_equivalence_p_value,
)
from headstart.evaluation._fold_tests import fold_test
from headstart.evaluation._grouped_images import (
    IntArray,
    design_of_difference,
    groups_to_resample,
)
from headstart.evaluation._grouped_tests import grouped_detectable_effect
from headstart.evaluation._looks import Levels
from headstart.evaluation._needed_evidence import (
    ErrorParts,
    parts_of_models,
    parts_of_recipes,
)
from headstart.evaluation._paired_tests import (
    POWER,
    BoolArray,
    PairedTest,
    mid_p_mcnemar,
    minimum_detectable_effect,
    paired_bootstrap,
)
from headstart.evaluation._seed_aware_tests import (
    AccuracyDifference,
    SeedVariance,
    pooled_seed_variance,
    recipe_test,
)

About = Literal["recipes", "models"]
Outcome = Literal["better", "equivalent", "undecided"]
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
        equivalence_interval: Confidence interval at confidence 1 - 2 * level. Two one-sided tests
            show equivalence if it lies within the margin. If there are several looks, the level is
            that of this look.
        p_equivalent: P-value of two one-sided tests, before correction.
        p_equivalent_adjusted: The same after Holm's correction over all comparisons.
        parts: The squared standard error of the difference, by its causes.
        mcnemar: Tests of the trained models, row i of a against row i of b. Set by
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
    equivalence_interval: tuple[float, float]
    p_equivalent: float
    p_equivalent_adjusted: float
    parts: ErrorParts
    mcnemar: tuple[PairedTest, ...] = ()
    bootstrap: tuple[float, float] | None = None

    def is_significant(self, level: float) -> bool:
        """Return whether the corrected p-value is at most `level`."""
        return self.p_adjusted <= level

    def is_equivalent(self, level: float) -> bool:
        """Return whether the corrected p-value of equivalence is at most `level`."""
        return self.p_equivalent_adjusted <= level

    def outcome(self, levels: Levels) -> Outcome:
        """Return "better", "equivalent" or "undecided".

        A significant difference is "better", even where it is shown to be smaller than the margin.
        """
        if self.is_significant(levels.better):
            return "better"
        return "equivalent" if self.is_equivalent(levels.equivalent) else "undecided"


def all_pairs(
    runs: Runs,
    level: float,
    about: About,
    margin: float,
    groups: IntArray | None = None,
    fold_of: IntArray | None = None,
) -> tuple[PairedComparison, ...]:
    """Compare all pairs of contenders.

    Args:
        runs: Contender name to Boolean array of shape (S, N). S is 1 if `about` is "models" and
            at least 2 if it is "recipes".
        level: Family-wise significance level of the two-sided tests.
        about: The tests to use: mid-p McNemar for models, `recipe_test` for recipes.
        margin: Equivalence margin, a fraction.
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Folds of a cross-validation, int64 of shape (S, N). Every pair is then compared
            with `fold_test`. Groups are whole in each fold, and not needed.

    Returns:
        One comparison per pair, the contenders with the highest mean accuracy first. Contenders
        with equal accuracies keep their order. `a` is the more accurate contender of a pair.
    """
    order = sorted(runs, key=lambda name: -float(runs[name].mean()))
    pairs = list(combinations(order, 2))
    tests = _Tests(runs, level, len(pairs), margin, groups=groups, fold_of=fold_of)
    compare = tests.recipes if about == "recipes" else tests.models

    comparisons = _with_holm([compare(a, b) for a, b in pairs])
    if fold_of is not None:
        return tuple(comparisons)  # each repeat consists of several models: nothing for McNemar
    return tuple(
        _with_tests_of_models(comparison, runs, level, groups) for comparison in comparisons
    )


def at_look(
    pairs: Sequence[PairedComparison], runs: Runs, levels: Levels, groups: IntArray | None
) -> tuple[PairedComparison, ...]:
    """Return the comparisons of recipes with the intervals of equivalence at the level of a look.

    Args:
        pairs: The comparisons.
        runs: Contender name to Boolean array of shape (S, N), with at least two seeds each.
        levels: The levels of the look.
        groups: Int64 array of shape (N,) with the group of each image, or None.
    """
    level = 2 * levels.equivalent
    return tuple(
        replace(
            pair,
            equivalence_interval=recipe_test(
                runs[pair.a], runs[pair.b], level, groups=groups
            ).interval,
        )
        for pair in pairs
    )


def comparisons_with(
    name: str,
    runs: Runs,
    level: float,
    groups: IntArray | None = None,
    fold_of: IntArray | None = None,
) -> dict[str, PairedComparison]:
    """Compare every other contender with one reference.

    The contenders are taken as variants of one recipe. The variance over seeds is therefore pooled
    over all of them.

    Args:
        name: Name of the reference.
        runs: Contender name to Boolean array of shape (S, N). If any contender has a single run,
            the first runs are compared as trained models.
        level: Family-wise significance level of the two-sided tests.
        groups: Int64 array of shape (N,) with the group of each image, or None.
        fold_of: Folds of a cross-validation, int64 of shape (S, N). Every contender is then
            compared with `fold_test`. Groups are whole in each fold, and not needed.

    Returns:
        Comparisons by the name of the other contender. `a` is that contender and `b` is the
        reference, so a difference is negative if the contender is less accurate.
    """
    others = [other for other in runs if other != name]
    has_seeds = fold_of is not None or min(len(array) for array in runs.values()) >= 2
    variance = None
    if has_seeds and fold_of is None:
        variance = pooled_seed_variance(list(runs.values()))
    tests = _Tests(runs, level, len(others), DEFAULT_MARGIN, variance, groups, fold_of)
    compare = tests.recipes if has_seeds else tests.models

    comparisons = _with_holm([compare(other, name) for other in others])
    return {comparison.a: comparison for comparison in comparisons}


@dataclass(frozen=True)
class _Equivalence:
    """The test of equivalence of two trained models.

    Attributes:
        interval: Confidence interval at confidence 1 - 2 * level.
        p_value: P-value of two one-sided tests.
        parts: The squared standard error of the difference, by its causes.
    """

    interval: tuple[float, float]
    p_value: float
    parts: ErrorParts


@dataclass(frozen=True)
class _Tests:
    """Tests of pairs of contenders, before Holm's correction."""

    runs: Runs
    level: float
    number: int
    margin: float
    variance: SeedVariance | None = None
    groups: IntArray | None = None
    fold_of: IntArray | None = None

    def recipes(self, a: str, b: str) -> PairedComparison:
        """Compare two recipes, over images and seeds, or over folds."""
        test = self._recipe_test(a, b, self.level)
        # The first step of Holm's procedure, which is the strictest.
        strict = self._recipe_test(a, b, self.level / self.number)
        within = self._recipe_test(a, b, 2 * self.level)
        p_equivalent = recipe_equivalence_p_value(
            test.difference, test.standard_error, test.degrees_of_freedom, self.margin
        )
        parts = parts_of_recipes(self.runs[a], self.runs[b], test.standard_error)
        if self.fold_of is not None:  # folds cannot tell images from training images and seeds
            freedom = self.fold_of.shape[0] * (int(self.fold_of.max()) + 1) - 1
            images = self.fold_of.shape[1]
            parts = ErrorParts(test.standard_error**2, 0.0, 0.0, 1, images, freedom)
        return PairedComparison(
            a,
            b,
            difference=test.difference,
            interval=test.interval,
            p_value=test.p_value,
            p_adjusted=test.p_value,
            smallest_detectable=strict.smallest_detectable,
            equivalence_interval=within.interval,
            p_equivalent=p_equivalent,
            p_equivalent_adjusted=p_equivalent,
            parts=parts,
        )

    def _recipe_test(self, a: str, b: str, level: float) -> AccuracyDifference:
        if self.fold_of is not None:
            return fold_test(self.runs[a], self.runs[b], self.fold_of, level)
        return recipe_test(self.runs[a], self.runs[b], level, self.variance, self.groups)

    def models(self, a: str, b: str) -> PairedComparison:
        """Compare the first runs of two contenders as trained models, over images."""
        runs_a, runs_b = self.runs[a], self.runs[b]
        n = runs_a.shape[1]
        test = mid_p_mcnemar(runs_a[0], runs_b[0], self.groups)
        equivalence = self._equivalence_of_models(runs_a[0], runs_b[0], test)
        return PairedComparison(
            a,
            b,
            difference=(test.only_a - test.only_b) / n,
            interval=paired_bootstrap(runs_a, runs_b, level=1 - self.level, groups=self.groups),
            p_value=test.p_value,
            p_adjusted=test.p_value,
            smallest_detectable=self._detectable_by_models(runs_a[0], runs_b[0]),
            equivalence_interval=equivalence.interval,
            p_equivalent=equivalence.p_value,
            p_equivalent_adjusted=equivalence.p_value,
            parts=equivalence.parts,
        )

    def _equivalence_of_models(
        self, correct_a: BoolArray, correct_b: BoolArray, test: PairedTest
    ) -> _Equivalence:
        """Return whether two trained models are equivalent, over images or groups of them."""
        n = len(correct_a)
        parts = parts_of_models(test.only_a, test.only_b, n)
        groups = groups_to_resample(self.groups, n)
        if groups is None:
            confidence = 1 - 2 * self.level
            return _Equivalence(
                model_equivalence_interval(test.only_a, test.only_b, n, confidence),
                model_equivalence_p_value(test.only_a, test.only_b, n, self.margin),
                parts,
            )

        from scipy.stats import t

        differences = correct_a.astype(np.float64) - correct_b
        design = design_of_difference(differences, groups)
        parts = replace(parts, image_variance=parts.image_variance * design.effect)
        difference, error = float(differences.mean()), parts.image_variance**0.5
        reach = float(t.ppf(1 - self.level, design.degrees_of_freedom)) * error
        return _Equivalence(
            (max(-1.0, difference - reach), min(1.0, difference + reach)),
            recipe_equivalence_p_value(difference, error, design.degrees_of_freedom, self.margin),
            parts,
        )

    def _detectable_by_models(self, correct_a: BoolArray, correct_b: BoolArray) -> float:
        """Return the minimum detectable effect of two trained models."""
        level = self.level / self.number
        groups = groups_to_resample(self.groups, len(correct_a))
        if groups is not None:
            differences = correct_a.astype(np.float64) - correct_b
            return grouped_detectable_effect(differences, groups, level, POWER)

        discordant = int((correct_a != correct_b).sum())
        return minimum_detectable_effect(discordant, len(correct_a), level, "mid-p")


def _with_tests_of_models(
    comparison: PairedComparison, runs: Runs, level: float, groups: IntArray | None
) -> PairedComparison:
    """Add the McNemar tests of the single runs and the bootstrap interval over images."""
    a, b = runs[comparison.a], runs[comparison.b]
    tests = tuple(mid_p_mcnemar(run_a, run_b, groups) for run_a, run_b in zip(a, b, strict=False))

    if len(a) == len(b) == 1:
        return replace(comparison, mcnemar=tests, bootstrap=comparison.interval)
    bootstrap = paired_bootstrap(a, b, level=1 - level, groups=groups)
    return replace(comparison, mcnemar=tests, bootstrap=bootstrap)


def _with_holm(comparisons: Sequence[PairedComparison]) -> list[PairedComparison]:
    """Correct the p-values of differences and, as a family of their own, those of equivalence."""
    differences = holm([comparison.p_value for comparison in comparisons])
    equivalences = holm([comparison.p_equivalent for comparison in comparisons])
    return [
        replace(comparison, p_adjusted=p, p_equivalent_adjusted=p_equivalent)
        for comparison, p, p_equivalent in zip(comparisons, differences, equivalences, strict=True)
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
