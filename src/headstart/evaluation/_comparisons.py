"""All pairs of a comparison, tested on the same images and corrected for their number."""

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
from headstart.evaluation._seed_aware_tests import SeedVariance, pooled_seed_variance, recipe_test

About = Literal["recipes", "models"]


@dataclass(frozen=True)
class PairedComparison:
    """Two contenders, `a` with the higher mean accuracy.

    Attributes:
        difference: in accuracy, a - b, at least 0.
        interval: of the difference, at confidence 1 - level, for this pair alone.
        p_value, p_adjusted: two-sided, before and after Holm's correction over all pairs.
        smallest_detectable: smallest true difference this pair's test would show with power 80% at level / (number of pairs).
        mcnemar: exact tests of the finished models: row i of a with row i of b, as far as both go. Of `all_pairs` only.
        bootstrap: paired bootstrap interval over the images, for the trained models as they are. Of `all_pairs` only.
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
        """`a` is better than `b`, after the correction. (At difference 0 both tests give p = 1.)"""
        return self.p_adjusted <= level


def all_pairs(
    runs: Mapping[str, BoolArray], level: float, about: About
) -> tuple[PairedComparison, ...]:
    """Every pair of contenders, best contenders first; of equal ones, the one entered first.

    Args:
        runs: `(S, N)` booleans by name. S is 1 where `about` is "models", and at least 2 where it is "recipes".
        level: of the two-sided tests together.
        about: which test judges: exact McNemar for models, `recipe_test` for recipes.
    """
    order = sorted(runs, key=lambda name: -float(runs[name].mean()))
    names = list(combinations(order, 2))
    test = _of_recipes if about == "recipes" else _of_models
    raw = [test(a, b, runs[a], runs[b], level, len(names)) for a, b in names]
    adjusted = holm([pair.p_value for pair in raw])
    return tuple(
        _with_models(replace(pair, p_adjusted=p), runs, level)
        for pair, p in zip(raw, adjusted, strict=True)
    )


def _with_models(
    pair: PairedComparison, runs: Mapping[str, BoolArray], level: float
) -> PairedComparison:
    a, b = runs[pair.a], runs[pair.b]
    each_seed = tuple(exact_mcnemar(x, y) for x, y in zip(a, b, strict=False))
    is_of_models = len(a) == len(b) == 1
    return replace(
        pair,
        mcnemar=each_seed,
        bootstrap=pair.interval if is_of_models else paired_bootstrap(a, b, level=1 - level),
    )


def comparisons_with(
    name: str, runs: Mapping[str, BoolArray], level: float
) -> dict[str, PairedComparison]:
    """Every other contender against the one called `name`, as `a` against `b`; the differences have signs.

    The spread over seeds is taken from all of them together: they are variants of one recipe.

    Args:
        runs: `(S, N)` booleans by name. Where any has one run only, the first runs are tested: about the models.
        level: of the two-sided tests together.
    """
    others = [other for other in runs if other != name]
    if min(len(array) for array in runs.values()) >= 2:
        spread = pooled_seed_variance(list(runs.values()))
        raw = [
            _of_recipes(other, name, runs[other], runs[name], level, len(others), spread)
            for other in others
        ]
    else:
        raw = [
            _of_models(other, name, runs[other], runs[name], level, len(others)) for other in others
        ]
    adjusted = holm([pair.p_value for pair in raw])
    return {pair.a: replace(pair, p_adjusted=p) for pair, p in zip(raw, adjusted, strict=True)}


def _of_recipes(
    a: str,
    b: str,
    runs_a: BoolArray,
    runs_b: BoolArray,
    level: float,
    tests: int,
    spread: SeedVariance | None = None,
) -> PairedComparison:
    found = recipe_test(runs_a, runs_b, level, spread)
    strict = recipe_test(runs_a, runs_b, level / tests, spread)  # Holm's first step, the hardest
    return PairedComparison(
        a,
        b,
        found.difference,
        found.interval,
        found.p_value,
        found.p_value,
        strict.smallest_detectable,
    )


def _of_models(
    a: str, b: str, runs_a: BoolArray, runs_b: BoolArray, level: float, tests: int
) -> PairedComparison:
    found = exact_mcnemar(runs_a[0], runs_b[0])
    interval = paired_bootstrap(runs_a, runs_b, level=1 - level)
    n = runs_a.shape[1]
    least = minimum_detectable_effect(found.only_a + found.only_b, n, level / tests)
    return PairedComparison(
        a, b, (found.only_a - found.only_b) / n, interval, found.p_value, found.p_value, least
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the order given. Source: Holm (1979)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        adjusted[at] = largest
    return adjusted
