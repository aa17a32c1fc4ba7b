"""Levels of a test that is repeated while seeds are added, so that all looks together stay at 5%.

The squared standard error of a difference has a part for images, which no seed reduces, and a part
for seeds. So the difference after S seeds is a process with independent increments in its
information, 1 / (squared standard error). The level is spent along that information (Lan and DeMets
1983). Where images dominate, the first look has nearly all of the information and of the level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation._needed_evidence import ErrorParts

# Two seeds say too little about the variance over seeds: with a look at two, up to 13% of equal
# recipes were called different, and up to 9% with the first look at three
# (benchmarks/evidence_sequential.md).
FIRST_LOOK = 3
MOST_SEEDS, MOST_SEEDS_IN_TIME = 8, 5  # by default, without and with a time limit

# `python benchmarks/evidence_sequential.py boundaries` prints the levels. 90% of it is spent:
# the rest covers that the tests are t tests with an estimated variance.
_SPENT = 0.9
_POWER_OF_INFORMATION = 1.0
# The seeds count as much as their variance allows at this one-sided confidence: a variance that
# happens to be small would otherwise spend the whole level at once.
_QUANTILE = 0.05

_GRID = np.linspace(-8.0, 8.0, 641)
Floats = NDArray[np.float64]


# Further seeds are not trained if the probability that they decide is below this.
FUTILE = 0.05


@dataclass(frozen=True)
class Looks:
    """The looks at a comparison whose seeds are added one by one.

    Attributes:
        seeds: Number of seeds at each look until now, in increasing order. The last one is this
            look.
        most: Number of seeds at the last look that is planned.
        is_planned: False if seeds were added to a study that had ended.
        level: Significance level of all looks together.
    """

    seeds: tuple[int, ...]
    most: int
    is_planned: bool = True
    level: float = 0.05


@dataclass(frozen=True)
class Levels:
    """Significance levels of one look.

    Attributes:
        better: Level of the two-sided tests of a difference.
        equivalent: Level of the two one-sided tests of equivalence.
    """

    better: float
    equivalent: float


def look_levels(looks: Looks, parts: Sequence[ErrorParts]) -> Levels:
    """Return the levels of a look, which keep all looks together at their level.

    Args:
        looks: The looks until now.
        parts: Squared standard errors of the pairs at this look. The one with the largest part for
            seeds counts.

    References:
        Alpha spending: Lan and DeMets (1983). A power of the information: Kim and DeMets (1987).
        Levels by numerical integration: Armitage, McPherson and Rowe (1969).
    """
    if looks.seeds == (looks.most,):
        return Levels(looks.level, looks.level)
    ratio = max(_upper_seed_ratio(pair) for pair in parts)
    return _levels(looks.seeds, looks.most, ratio, looks.level)


def probability_to_decide(
    difference: float, parts: ErrorParts, looks: Looks, margin: float, pairs: int = 1
) -> float:
    """Return the probability that the planned seeds decide a pair, if its difference stays.

    Args:
        difference: Observed difference in accuracy, a fraction.
        parts: Its squared standard error by its causes.
        looks: The looks until now.
        margin: Equivalence margin, a fraction.
        pairs: Number of pairs for which the levels are corrected.
    """
    most = looks.most
    variance, now = parts.variance(most, parts.n), parts.variance(parts.seeds, parts.n)
    error, change = variance**0.5, max(now - variance, 1e-18) ** 0.5
    following = tuple(range(looks.seeds[-1] + 1, most + 1))
    ratio = _upper_seed_ratio(parts)
    last = _levels((*looks.seeds, *following), most, ratio, looks.level)

    needed = -_normal_quantile(last.better / 2 / pairs) * error
    inside = margin + _normal_quantile(last.equivalent / pairs) * error
    distance = abs(difference)
    beyond = _normal(np.array([(distance - needed) / change, (-distance - needed) / change]))
    within = 0.0
    if inside > 0:
        ends = _normal(np.array([(inside - distance) / change, (-inside - distance) / change]))
        within = float(ends[0] - ends[1])
    return min(1.0, float(beyond.sum()) + within)


def _levels(seeds: tuple[int, ...], most: int, ratio: float, level: float) -> Levels:
    better = _nominal_level(seeds, most, ratio, _SPENT * level)
    # Equivalence is a one-sided test at its level, as a two-sided one at twice that is on one side.
    return Levels(better, _nominal_level(seeds, most, ratio, 2 * _SPENT * level) / 2)


def _upper_seed_ratio(parts: ErrorParts) -> float:
    """Return an upper bound of the variance of one seed, relative to the variance over images.

    It is a power of the square root of two, so that few boundaries need to be computed.
    """
    from scipy.stats import chi2

    freedom = 2 * (parts.seeds - 1)
    of_one_seed = (parts.noise_variance + parts.seed_variance) * parts.seeds
    upper = of_one_seed * freedom / float(chi2.ppf(_QUANTILE, freedom))
    if upper <= 1e-3 * parts.image_variance:
        return 0.0
    if parts.image_variance <= 1e-4 * upper:
        return 1e4
    return float(2 ** (math.ceil(2 * math.log2(upper / parts.image_variance)) / 2))


@lru_cache(maxsize=4096)
def _nominal_level(seeds: tuple[int, ...], most: int, ratio: float, total: float) -> float:
    """Return the two-sided level of the last look that spends its share of the total level.

    Args:
        seeds: Number of seeds at each look.
        most: Number of seeds at the last look that is planned.
        ratio: Variance of one seed, relative to the variance over images.
        total: Level of all looks together.
    """
    information = [(1 + ratio / most) / (1 + ratio / count) for count in seeds]
    spent, level = 0.0, 0.0
    mass: Floats | None = None
    positions, before = _GRID, 0.0

    for share in information:
        cells = _GRID * share**0.5
        edges = np.concatenate([[-np.inf], (cells[1:] + cells[:-1]) / 2, [np.inf]])
        start = np.zeros(1) if mass is None else positions
        weight = np.ones(1) if mass is None else mass
        spread = max(share - before, 1e-12) ** 0.5
        cumulative = weight @ _normal((edges[None, :] - start[:, None]) / spread)
        mass = np.diff(cumulative)

        target = total * share**_POWER_OF_INFORMATION
        level = _level_with_tail(mass, max(target - spent, 0.0))
        spent = max(spent, target)
        mass = np.where(np.abs(_GRID) < -_normal_quantile(level / 2), mass, 0.0)
        positions, before = cells, share
    return level


def _level_with_tail(mass: Floats, tail: float) -> float:
    """Return the two-sided level whose boundary leaves `tail` of the mass outside."""
    outside = np.cumsum(mass)  # from the left; the distribution is symmetric
    edge = float(np.interp(tail / 2, outside, _GRID + (_GRID[1] - _GRID[0]) / 2))
    return min(1.0, 2 * float(_normal(np.array(edge))))


def _normal(values: Floats) -> Floats:
    from scipy.special import ndtr

    return np.asarray(ndtr(values))


def _normal_quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))
