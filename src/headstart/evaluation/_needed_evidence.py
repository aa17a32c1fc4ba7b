"""The limit of an undecided comparison, and the seeds or images that would decide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from headstart.evaluation._paired_tests import POWER, BoolArray

Limit = Literal["images", "seeds", "both"]
# Above this share of the squared standard error, more images help and more seeds hardly do.
MOSTLY_IMAGES = 0.75
MOST_SEEDS = 30
MOST_IMAGES = 1_000_000


@dataclass(frozen=True)
class ErrorParts:
    """The squared standard error of a difference in accuracy, by its causes.

    Attributes:
        image_variance: Variance because the images are a sample. No number of seeds reduces it.
        noise_variance: Variance of single predictions over seeds. More images and more seeds
            reduce it.
        seed_variance: Variance of the true accuracy over seeds. Only more seeds reduce it.
        seeds: Number of seeds per contender; 1 for two trained models.
        n: Number of images.
        fold_freedom: Degrees of freedom of a cross-validation, which more images do not raise; None
            without folds.
    """

    image_variance: float
    noise_variance: float
    seed_variance: float
    seeds: int
    n: int
    fold_freedom: int | None = None

    @property
    def image_share(self) -> float:
        """Share of the squared standard error that remains with any number of seeds."""
        total = self.image_variance + self.noise_variance + self.seed_variance
        return self.image_variance / total if total else 1.0

    def variance(self, seeds: int, n: int) -> float:
        """Return the squared standard error with another number of seeds and images."""
        over_images = self.n / n
        over_seeds = self.seeds / seeds
        return (
            self.image_variance * over_images
            + self.noise_variance * over_images * over_seeds
            + self.seed_variance * over_seeds
        )

    def degrees_of_freedom(self, seeds: int, n: int) -> float:
        """Return Satterthwaite's degrees of freedom with another number of seeds and images."""
        if self.fold_freedom is not None:
            return float(self.fold_freedom)
        over_seeds = self.noise_variance * self.n / n + self.seed_variance
        if self.seeds == 1 or over_seeds <= 0:
            return float(n)
        part = over_seeds * self.seeds / seeds
        return self.variance(seeds, n) ** 2 * 2 * (seeds - 1) / part**2


@dataclass(frozen=True)
class NeededEvidence:
    """The evidence that would decide a comparison, if the observed difference is the true one.

    Attributes:
        limit: What limits the comparison most: "images", "seeds" or "both".
        image_share: Share of the squared standard error that more seeds cannot reduce.
        seeds: Number of seeds per contender that would decide it, in four of five repetitions.
            None if more seeds alone or with images do not help.
        images: The same for the number of images. If both are numbers, both are needed together. If
            both are None, no feasible number decides.
    """

    limit: Limit
    image_share: float
    seeds: int | None
    images: int | None


def parts_of_recipes(a: BoolArray, b: BoolArray, standard_error: float) -> ErrorParts:
    """Divide the squared standard error of `recipe_test` into its causes.

    Args:
        a: Boolean array of shape (S_a, N). True where the prediction is correct.
        b: The same for the second recipe, of shape (S_b, N).
        standard_error: Standard error of the difference.
    """
    total = standard_error**2
    over_seeds, noise = 0.0, 0.0
    for runs in (a, b):
        if len(runs) > 1:
            over_seeds += float(runs.mean(axis=1).var(ddof=1)) / len(runs)
            noise += float(runs.var(axis=0, ddof=1).mean()) / runs.size

    noise = min(noise, total)
    between_seeds = min(max(0.0, over_seeds - noise), total - noise)
    remaining = total - noise - between_seeds
    return ErrorParts(remaining, noise, between_seeds, min(len(a), len(b)), a.shape[1])


def parts_of_models(only_a: int, only_b: int, n: int) -> ErrorParts:
    """Return the variance of the difference between two trained models: images cause all of it."""
    discordant = (only_a + only_b + 1) / (n + 2)  # as if half an image more favoured each model
    return ErrorParts(discordant / n, 0.0, 0.0, 1, n)


def needed_evidence(
    difference: float, parts: ErrorParts, margin: float, level: float
) -> NeededEvidence:
    """Return what would show a difference or equivalence, if the observed difference is true.

    Args:
        difference: Observed difference in accuracy, a fraction.
        parts: The squared standard error by its causes.
        margin: Equivalence margin, a fraction.
        level: Significance level of one test, after the correction for several pairs.

    Returns:
        More images alone if seeds contribute less than a quarter of the squared standard error.
        Otherwise more seeds alone if 30 suffice. Otherwise more of both, or neither.
    """
    share = parts.image_share

    def decides(seeds: int, n: int) -> bool:
        error = parts.variance(seeds, n) ** 0.5
        freedom = parts.degrees_of_freedom(seeds, n)
        return _is_decided(abs(difference), error, freedom, margin, level)

    limit: Limit = "both"
    if share > MOSTLY_IMAGES:
        limit = "images"
    elif share < 1 - MOSTLY_IMAGES:
        limit = "seeds"

    if share > MOSTLY_IMAGES:
        images = _first(lambda n: decides(parts.seeds, n), parts.n + 1, MOST_IMAGES)
        if images is not None:
            return NeededEvidence(limit, share, None, images)
    else:
        seeds = _first(lambda seeds: decides(seeds, parts.n), parts.seeds + 1, MOST_SEEDS)
        if seeds is not None:
            return NeededEvidence(limit, share, seeds, None)

    if parts.seeds == 1:
        return NeededEvidence(limit, share, None, None)
    return _more_of_both(parts, decides, limit)


def _more_of_both(
    parts: ErrorParts, decides: Callable[[int, int], bool], limit: Limit
) -> NeededEvidence:
    """Return the smallest product of seeds and images that decides; neither if there is none.

    A study that already has 30 seeds or more keeps them.
    """
    best: tuple[int, int] | None = None
    most = max(MOST_SEEDS, parts.seeds)
    for seeds in range(min(parts.seeds + 1, most), most + 1):
        images = _first(partial(decides, seeds), parts.n + 1, MOST_IMAGES)
        if images is not None and (best is None or seeds * images < best[0] * best[1]):
            best = (seeds, images)
    if best is None:
        return NeededEvidence(limit, parts.image_share, None, None)
    return NeededEvidence(limit, parts.image_share, *best)


def _is_decided(distance: float, error: float, freedom: float, margin: float, level: float) -> bool:
    """Return whether a true difference is shown, as a difference or as equivalence, at 80% power.

    For equivalence, the power is counted against both bounds of the margin.
    """
    from scipy.special import stdtrit

    power = stdtrit(freedom, POWER)
    shows_difference = distance >= (stdtrit(freedom, 1 - level / 2) + power) * error
    both_bounds = stdtrit(freedom, (1 + POWER) / 2)
    shows_equivalence = margin - distance >= (stdtrit(freedom, 1 - level) + both_bounds) * error
    return bool(shows_difference or shows_equivalence)


def _first(is_enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the smallest number from `low` to `high` that is enough, by bisection."""
    if low > high or not is_enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        if is_enough(middle):
            high = middle
        else:
            low = middle + 1
    return low
