"""Subgroups of the images in which two contenders differ more, or less, than they do overall.

Many subgroups are searched, so the largest deviation of a search without any true one is the
measure: a subgroup is significant if its deviation exceeds 95% of such maxima.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._grouped_images import FEWEST_GROUPS, IntArray, groups_to_resample
from headstart.evaluation._paired_tests import BoolArray, as_paired_runs

Floats = NDArray[np.float64]

SMALLEST_SLICE = 20  # images inside a slice, and outside of it
SIGN_FLIPS = 999
_FLIPS_PER_BLOCK = 128


@dataclass(frozen=True)
class SliceMembers:
    """A subgroup of the evaluated images.

    Attributes:
        kind: What it is a subgroup by, such as "class" or "brightness".
        name: The subgroup, such as "cat" or "darkest fifth".
        is_member: Boolean array of shape (N,).
    """

    kind: str
    name: str
    is_member: BoolArray


@dataclass(frozen=True)
class SliceDifference:
    """Accuracies of two contenders in one subgroup. All but `images` and `groups` are fractions.

    Attributes:
        kind: What it is a subgroup by.
        name: The subgroup.
        images: Number of its images.
        accuracy_a: Accuracy of the first contender in it, as a mean over seeds.
        accuracy_b: Accuracy of the second contender in it.
        difference: `accuracy_a` minus `accuracy_b`.
        outside: The same difference for all other images.
        p_adjusted: Two-sided p-value of `difference` minus `outside`, corrected for the search.
    """

    kind: str
    name: str
    images: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    outside: float
    p_adjusted: float


@dataclass(frozen=True)
class SliceComparison:
    """All subgroups that were searched.

    Attributes:
        difference: Accuracy of the first minus the second contender on all images, a fraction.
        slices: The subgroups, the smallest p-value first.
        too_small: Number of subgroups that were left out, because they or their complement have
            too few images or groups.
    """

    difference: float
    slices: tuple[SliceDifference, ...]
    too_small: int

    def significant(self, level: float = 0.05) -> tuple[SliceDifference, ...]:
        """Return the subgroups whose corrected p-value is at most `level`."""
        return tuple(item for item in self.slices if item.p_adjusted <= level)


def compare_slices(
    correct_a: BoolArray,
    correct_b: BoolArray,
    slices: Sequence[SliceMembers],
    *,
    groups: IntArray | None = None,
    folds: int | None = None,
    seed: int = 0,
) -> SliceComparison:
    """Search the subgroups in which the difference in accuracy is unlike that elsewhere.

    The statistic of a subgroup is the difference inside minus the difference outside, divided by
    its standard error. Its distribution under the null hypothesis follows from random signs of the
    deviations of single images, or of whole groups of images. The largest absolute statistic of
    each draw corrects for the search: subgroups may overlap, and need no other correction.

    The variance of runs over seeds within subgroups is estimated from all subgroups of a kind
    together and added to their standard errors. With one run each, the result is about these
    trained models.

    Args:
        correct_a: Boolean array of shape (S_a, N) or (N,). True where the prediction is correct.
        correct_b: The same for the second contender, with S_b runs.
        slices: The subgroups. Those with fewer than 20 images, or 10 groups, inside or outside
            are left out.
        groups: Int64 array of shape (N,) with the group of each image, or None. With ten groups or
            more, the signs of whole groups are random.
        folds: The number K of folds, if the predictions are those of a cross-validation, and each
            row is one repeat. Training sets then overlap, and all variances are multiplied by
            1 + K / (K - 1).
        seed: Seed of the random signs.

    Returns:
        The difference inside and outside each subgroup, with corrected p-values.

    Raises:
        InputError: An array is not boolean, or the numbers of images differ.

    References:
        Random signs within clusters: Cameron, Gelbach and Miller (2008). Largest statistics:
        Westfall and Young (1993). Overlap of folds: Nadeau and Bengio (2003). One
        pseudo-observation of variance 1 per subgroup, so that a subgroup in which few images differ
        has no standard error near 0: Agresti and Min (2005).
    """
    a, b = as_paired_runs(correct_a, correct_b)
    gains = a.mean(axis=0) - b.mean(axis=0)
    _check_lengths(len(gains), slices)
    resampled = groups_to_resample(groups, len(gains))
    grouped = groups if resampled is not None else None
    usable = [item for item in slices if _is_large_enough(item.is_member, grouped)]
    too_small = len(slices) - len(usable)
    if not usable:
        return SliceComparison(float(gains.mean()), (), too_small)

    members = np.stack([item.is_member for item in usable], axis=1)
    sizes = members.sum(axis=0)
    contrasts = members / sizes - ~members / (len(gains) - sizes)
    deviations = contrasts * (gains - gains.mean())[:, None]
    if resampled is not None:
        deviations = resampled.sums(deviations.T).T

    pseudo = 1 / np.minimum(sizes, len(gains) - sizes)
    variance = (deviations**2).sum(axis=0) + pseudo**2
    kinds = [item.kind for item in usable]
    over_seeds = _excess_over_seeds(kinds, contrasts, variance / pseudo, a, b)
    overlap = 1.0 if folds is None else 1 + folds / (folds - 1)
    statistics = np.abs(gains @ contrasts) / np.sqrt(overlap * (variance + over_seeds))
    maxima = _maxima_of_random_signs(deviations, pseudo, np.sqrt(variance), seed)
    # Ties count as larger. A tolerance makes them independent of the order of additions.
    exceeded = (maxima[:, None] >= statistics - 1e-6).sum(axis=0)
    p_adjusted = (1 + exceeded) / (1 + len(maxima))

    results = []
    for column, item in enumerate(usable):
        inside, outside = item.is_member, ~item.is_member
        results.append(
            SliceDifference(
                kind=item.kind,
                name=item.name,
                images=int(sizes[column]),
                accuracy_a=float(a[:, inside].mean()),
                accuracy_b=float(b[:, inside].mean()),
                difference=float(gains[inside].mean()),
                outside=float(gains[outside].mean()),
                p_adjusted=float(p_adjusted[column]),
            )
        )
    order = np.lexsort((-statistics, p_adjusted))
    return SliceComparison(
        float(gains.mean()), tuple(results[column] for column in order), too_small
    )


def _check_lengths(images: int, slices: Sequence[SliceMembers]) -> None:
    for item in slices:
        if item.is_member.shape != (images,):
            raise InputError(
                f"invalid slice {item.kind} {item.name}: expected {images:,} values, "
                f"got {len(item.is_member):,}.",
                "Give one value per evaluated image, in the order of the predictions.",
            )


def _is_large_enough(is_member: BoolArray, groups: IntArray | None) -> bool:
    for side in (is_member, ~is_member):
        if side.sum() < SMALLEST_SLICE:
            return False
        if groups is not None and len(np.unique(groups[side])) < FEWEST_GROUPS:
            return False
    return True


def _excess_over_seeds(
    kinds: Sequence[str], contrasts: Floats, variance_per_image: Floats, *contenders: BoolArray
) -> Floats:
    """Return the variance over seeds of each deviation, beyond the noise of predictions, (M,).

    In proportion to the variance per image, it is assumed to be alike in subgroups of a kind, whose
    mean is more precise than single estimates. The mean is at least that of all subgroups, and
    never negative. A subgroup with a larger estimate of its own gets the mean of both.
    """
    excess = np.zeros(contrasts.shape[1])
    for runs in contenders:
        if len(runs) > 1:
            per_run = runs @ contrasts
            noise = runs.var(axis=0, ddof=1) @ contrasts**2
            excess += (per_run.var(axis=0, ddof=1) - noise) / len(runs)

    own = excess / variance_per_image
    pooled = np.empty(len(kinds))
    for kind in set(kinds):
        is_kind = np.array([other == kind for other in kinds])
        pooled[is_kind] = max(0.0, own.mean(), own[is_kind].mean())
    return np.maximum(pooled, (pooled + own) / 2) * variance_per_image


def _maxima_of_random_signs(
    deviations: Floats, pseudo: Floats, errors: Floats, seed: int
) -> Floats:
    """Return the largest absolute statistic of each draw of random signs, (SIGN_FLIPS,)."""
    rng = np.random.default_rng(seed)
    scaled = (deviations / errors).astype(np.float32)
    maxima = []
    for start in range(0, SIGN_FLIPS, _FLIPS_PER_BLOCK):
        rows = min(_FLIPS_PER_BLOCK, SIGN_FLIPS - start)
        bits = rng.integers(0, 2, (rows, len(scaled)), np.int8)
        signs = bits.astype(np.float32) * 2 - 1
        noise = rng.standard_normal((rows, len(pseudo))) * (pseudo / errors)
        maxima.append(np.abs(signs @ scaled + noise).max(axis=1))
    return np.concatenate(maxima)
