"""Images that belong together: sums over groups, and the variance of a mean over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

# Fewer groups say little about the variance between groups. benchmarks/evidence_groups.md measures
# the coverage from this number on.
FEWEST_GROUPS = 10
_FEWEST_DEGREES = 2  # of freedom, with errors in one or two groups

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ImageGroups:
    """The groups of N images, in a form that is quick to sum over.

    Attributes:
        order: Int64 array of shape (N,): the images, group by group.
        starts: Int64 array of shape (G,): where each group begins in `order`.
        sizes: Int64 array of shape (G,): number of images per group.
    """

    order: IntArray
    starts: IntArray
    sizes: IntArray

    @property
    def count(self) -> int:
        """The number of groups, G."""
        return len(self.sizes)

    @property
    def images(self) -> int:
        """The number of images, N."""
        return len(self.order)

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sums over the images of each group.

        Args:
            values: Integers or floats of shape (..., N).

        Returns:
            Array of shape (..., G).
        """
        return np.add.reduceat(values[..., self.order], self.starts, axis=-1)


@dataclass(frozen=True)
class GroupDesign:
    """The effect of groups on the variance of a mean over images.

    Attributes:
        effect: Variance of the mean over groups, divided by the variance that it would have if
            images were independent.
        degrees_of_freedom: Degrees of freedom of that variance: G - 1 for groups of one size, fewer
            for unequal groups.
    """

    effect: float
    degrees_of_freedom: float


def index_groups(groups: IntArray | None, images: int) -> ImageGroups | None:
    """Return the groups of images; None if no image shares its group with another one.

    Args:
        groups: Integers of shape (N,), or None if no groups are known.
        images: Number of images, N.

    Raises:
        InputError: The groups are not one integer per image.
    """
    if groups is None:
        return None

    group_ids = np.asarray(groups)
    if group_ids.shape != (images,) or not np.issubdtype(group_ids.dtype, np.integer):
        raise InputError(
            f"invalid groups: expected integers of shape ({images},), "
            f"got {group_ids.dtype} of shape {group_ids.shape}.",
            "Pass the number of its group for each image, in the order of the images.",
        )

    order = np.argsort(group_ids, kind="stable")
    ordered = group_ids[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    if len(starts) == images:
        return None
    return ImageGroups(order, starts, np.diff(np.append(starts, images)))


def count_groups(groups: IntArray | None) -> int | None:
    """Return the number of groups; None if no image shares its group with another one.

    Args:
        groups: Integers of shape (N,), or None if no groups are known.
    """
    indexed = None if groups is None else index_groups(groups, len(groups))
    return None if indexed is None else indexed.count


def groups_to_resample(groups: IntArray | None, images: int) -> ImageGroups | None:
    """Return the groups that tests and intervals resample; None where images are resampled.

    Images are resampled if no groups are known, if every image is a group of its own, or if there
    are fewer than ten groups.

    Args:
        groups: Integers of shape (N,), or None if no groups are known.
        images: Number of images, N.

    Raises:
        InputError: The groups are not one integer per image.
    """
    indexed = index_groups(groups, images)
    if indexed is None or indexed.count < FEWEST_GROUPS:
        return None
    return indexed


def design_of_mean(values: Floats, groups: ImageGroups) -> GroupDesign:
    """Compare the variance of a mean over groups with that over independent images.

    The mean over images is a ratio: the sum of all group sums, divided by the sum of all sizes.
    Its variance is that of the residuals of group sums. A large group pulls the mean towards
    itself, so its residual is divided by 1 - (its share of the images).

    Args:
        values: Float array of shape (N,), one value per image.
        groups: The groups of the images. There are at least two.

    Returns:
        The design effect and its degrees of freedom. If all values are equal, nothing is known
        about the correlation within groups, and the images of a group count as one.

    References:
        Design effect: Kish (1965). Residuals of group sums: Cochran (1977), section 9A. Correction
        for large groups: Bell and McCaffrey (2002), with degrees of freedom by Satterthwaite's
        approximation as in Imbens and Kolesar (2016), for images of one correlation per group.
    """
    n = groups.images
    residuals = values - values.mean()
    squares = float((residuals**2).sum())
    if squares == 0:
        return GroupDesign(float((groups.sizes**2).sum()) / n, _freedom(groups, 1.0)[1])

    sums = groups.sums(residuals)
    correlation = _correlation(residuals, sums, groups)
    scale, freedom = _freedom(groups, correlation)
    shares = groups.sizes / n
    over_groups = scale * float((sums**2 / (1 - shares)).sum())
    return GroupDesign(over_groups / (squares * n / (n - 1)), freedom)


def design_of_accuracy(shares: Floats, groups: ImageGroups) -> GroupDesign:
    """Compare the variance of an accuracy over groups with that over independent images.

    Args:
        shares: Float array of shape (N,): share of the runs that classify an image correctly.
        groups: The groups of the images.
    """
    sums = groups.sums(shares)
    informative = min(int((sums < groups.sizes).sum()), int((sums > 0).sum()))
    return _limited(design_of_mean(shares, groups), informative, groups)


def design_of_difference(differences: Floats, groups: ImageGroups) -> GroupDesign:
    """Compare the variance of a difference over groups with that over independent images.

    The degrees of freedom are those of `design_of_mean`, or one less than the effective number of
    groups (Kish 1965), if that is more. The former assume that a variance from few large groups is
    independent of the difference. But a large group with a large difference adds to both, and where
    neither model is better, its sign is random: then the ratio of the two depends little on the
    sizes of the groups.

    Args:
        differences: Float array of shape (N,): difference per image, from -1 to 1.
        groups: The groups of the images.

    References:
        t statistics of symmetric variables of unequal variance: Efron (1969), "Student's t-test
        under symmetry conditions". benchmarks/evidence_groups.md measures the coverage.
    """
    design = design_of_mean(differences, groups)
    effective = groups.images**2 / float((groups.sizes.astype(np.float64) ** 2).sum())
    design = GroupDesign(design.effect, max(design.degrees_of_freedom, effective - 1))
    informative = int((groups.sums(np.abs(differences)) > 0).sum())
    return _limited(design, informative, groups)


def _limited(design: GroupDesign, informative: int, groups: ImageGroups) -> GroupDesign:
    """Limit the degrees of freedom by the number of groups that say something.

    The design effect is known from the groups with errors, or with a difference, alone. Fifty
    groups say little if only three of them have any. So the degrees of freedom are at most their
    number minus one, but at least 2. If nearly all groups have one image, the design effect is near
    1 whatever happens, and this limit is raised. Without it, intervals of an accuracy of 90% over
    10 groups covered 86% at a correlation of 0.5 (benchmarks/evidence_groups.md).
    """
    if informative == 0:
        return design
    largest_effect = float((groups.sizes**2).sum()) / groups.images
    limit = max(informative - 1, _FEWEST_DEGREES) * (largest_effect / (largest_effect - 1)) ** 2
    return GroupDesign(design.effect, min(design.degrees_of_freedom, limit))


def _correlation(residuals: Floats, sums: Floats, groups: ImageGroups) -> float:
    """Return the correlation of two images of a group, between 0 and 1."""
    squares = float((residuals**2).sum())
    products = float((sums**2).sum()) - squares
    pairs = float((groups.sizes * (groups.sizes - 1)).sum())
    return min(1.0, max(0.0, products / pairs / (squares / groups.images)))


def _freedom(groups: ImageGroups, correlation: float) -> tuple[float, float]:
    """Return the factor that makes the variance unbiased, and its degrees of freedom.

    The group sums Y are taken as independent, with variances D = m (1 + (m - 1) correlation) for
    groups of m images. Their residuals are (I - s 1') Y, where s are the shares of the images.
    Those have the covariance C = (I - s 1') D (I - 1 s'). The variance is a sum of squared
    residuals with weights A = 1 / (1 - s), whose expectation is tr(A C), and whose degrees of
    freedom are tr(A C)^2 / tr(A C A C).
    """
    sizes = groups.sizes.astype(np.float64)
    variances = sizes * (1 + (sizes - 1) * correlation)
    shares = sizes / sizes.sum()
    weights = 1 / (1 - shares)
    total = float(variances.sum())

    diagonal = variances * (1 - 2 * shares) + shares**2 * total
    expectation = float((weights * diagonal).sum())
    # Off the diagonal, C is s s' total - s D' - D s'.
    cross = total * shares - variances
    squared_entries = _off_diagonal_squares(weights, shares, cross, variances)
    spread = float((weights**2 * diagonal**2).sum()) + squared_entries
    return total / expectation, expectation**2 / spread


def _off_diagonal_squares(
    weights: Floats, shares: Floats, cross: Floats, variances: Floats
) -> float:
    """Return the sum over g != h of w_g w_h C_gh^2, where C_gh = s_g cross_h - D_g s_h.

    Each sum over pairs is the product of two sums, minus the terms with g = h.
    """
    w = weights

    def pairs(left: Floats, right: Floats) -> float:
        return float((w * left).sum() * (w * right).sum() - (w**2 * left * right).sum())

    return (
        pairs(shares**2, cross**2)
        - 2 * pairs(shares * variances, cross * shares)
        + pairs(variances**2, shares**2)
    )
