"""Prediction sets: sets of classes that contain the true class with a chosen probability.

The method is split conformal prediction. A class is in the set of an image if its probability
reaches the threshold of that class. The thresholds come from images that were not used for
training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Candidates for the weight of the prior in the distribution of a class, in images. Half of it are
# the images of all classes, half what the probabilities predict for the class. With 40 as a further
# candidate, sets are smaller, but the worst of 50 classes is covered in 89.7% of images
# (benchmarks/evidence_sets.md).
_PRIOR_IMAGES: tuple[float, ...] = (1, 2, 5, 10, 20)
# Scores are compared with the prior in bins that end at these shares of it. Low scores decide.
_BIN_ENDS = (0.05, 0.1, 0.2, 0.4)
_LEAST_SHARE = 1e-3  # of a bin: a prior of 0 would rule out what was observed

# Levels of the quantiles of the expected scores. Those of difficult images decide.
_LEVELS = np.concatenate([0.001 * 1.2 ** np.arange(35), [0.6, 0.8, 1.0]])
QUANTILES = len(_LEVELS)

# Rounding of products such as 0.05 * 20 must not change a count.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SetCalibration:
    """The calibration images of prediction sets.

    Attributes:
        labels: True classes, int64 of shape (n,).
        scores: `set_scores` of the true classes, float64 of shape (n,).
        expected: Quantiles of the scores that the probabilities predict for each class, float64 of
            shape (K, `QUANTILES`).
        groups: Group of each image, int64 of shape (n,). None if the images are independent.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    expected: NDArray[np.float64]
    groups: NDArray[np.int64] | None = None

    @classmethod
    def from_predictions(
        cls,
        labels: NDArray[np.int64],
        probabilities: NDArray[np.float32],
        groups: NDArray[np.int64] | None = None,
    ) -> SetCalibration:
        """Calculate the scores of images.

        Args:
            labels: True classes, int64 of shape (n,).
            probabilities: Calibrated class probabilities of shape (n, K).
            groups: Group of each image, int64 of shape (n,); None if they are independent.

        Returns:
            The calibration, for `class_thresholds`.
        """
        scores = set_scores(probabilities)
        weights = _image_weights(groups, len(labels))[:, None] * probabilities.astype(np.float64)
        expected = [
            _quantiles(of_class, weight)
            for of_class, weight in zip(scores.T, weights.T, strict=True)
        ]
        own = scores[np.arange(len(labels)), labels]
        return cls(labels, own, np.array(expected), groups)

    @property
    def classes(self) -> int:
        """The number of classes, K."""
        return len(self.expected)

    @property
    def independent_units(self) -> int:
        """The number of groups, or of images without groups."""
        return len(self.labels) if self.groups is None else len(np.unique(self.groups))


def set_scores(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how well each class conforms to each image: its probability, or 1 for the best class.

    The most probable class always has the score 1, so a set is never empty.

    Args:
        probabilities: Calibrated class probabilities of shape (N, K).

    Returns:
        Float64 array of shape (N, K), from 0 to 1.

    References:
        Sadinle, Lei and Wasserman (2019), "Least ambiguous set-valued classifiers with bounded
        error levels".
    """
    scores = probabilities.astype(np.float64)
    scores[np.arange(len(scores)), probabilities.argmax(1)] = 1
    return scores


def least_calibration_images(coverage: float) -> int:
    """Return the fewest calibration images, or groups of images, that support a coverage.

    With n images, the set leaves out a class if fewer than (1 - coverage) (n + 1) images have a
    lower score. That number must be at least 1.

    Args:
        coverage: The wanted share of sets that contain the true class, between 0 and 1.
    """
    return math.ceil(coverage / (1 - coverage) - _ROUNDING)


def coverage_interval(units: int, coverage: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return an interval of the coverage that one calibration reaches for new images.

    Over all calibrations the coverage is the wanted one, or a little more. A single one has few
    low scores to choose its thresholds from, so its own coverage differs.

    Args:
        units: Number of calibration images, or of their groups; see `least_calibration_images`.
        coverage: The wanted share of sets that contain the true class, between 0 and 1.
        confidence: Probability that the coverage lies in the interval.

    References:
        Vovk (2012), "Conditional validity of inductive conformal predictors", proposition 2a: the
        coverage follows a beta distribution. This holds for one threshold, and nearly for one per
        class. A classifier whose accuracy exceeds the wanted coverage covers more.
    """
    from scipy.stats import beta

    left_out = math.floor((1 - coverage) * (units + 1) + _ROUNDING)
    tail = (1 - confidence) / 2
    low, high = beta.ppf([tail, 1 - tail], units + 1 - left_out, left_out)
    return float(low), float(high)


def class_thresholds(calibration: SetCalibration, coverage: float) -> NDArray[np.float64]:
    """Return the smallest probability with which each class is in the set of an image.

    Few images of a class determine its own threshold poorly, and one threshold for all classes
    covers difficult classes too rarely. So the scores of each class are compared with a mixture:
    the images of that class, those of all classes, and the scores that the probabilities predict
    for the class. The latter weights each image by its probability of the class and needs no
    labels. The last two are a prior, which weighs the less, the more the classes differ from it:
    see `_prior_weight`. The result is a p-value for each image, computed without the image itself
    or its group. One quantile of these p-values holds for all classes, so the coverage does not
    rest on the mixture, only the balance between classes does.

    Images of one group are not independent. Each group has the same total weight, and the coverage
    is that of a random image of a new group.

    Args:
        calibration: The calibration images.
        coverage: The wanted share of sets that contain the true class, between 0 and 1.

    Returns:
        Float64 array of shape (K,). A threshold of 1 means that a class is in a set only if it is
        the most probable class.

    Raises:
        ValueError: There are fewer independent calibration images than `least_calibration_images`.

    References:
        Split conformal prediction: Vovk, Gammerman and Shafer (2005); Angelopoulos and Bates
        (2021), arXiv:2107.07511. Thresholds of classes: Sadinle, Lei and Wasserman (2019). Weights
        of groups: Dunn, Wasserman and Ramdas (2022), arXiv:1809.07441, whose guarantee is for many
        groups.
    """
    units = calibration.independent_units
    least = least_calibration_images(coverage)
    if units < least:
        raise ValueError(f"expected at least {least} independent images, got {units}")

    weights = _image_weights(calibration.groups, len(calibration.labels))
    prior = _prior_weight(calibration, weights)
    p_values = _left_out_p_values(calibration, weights, prior)
    order = np.argsort(p_values, kind="stable")
    # The new image counts as one more that is not covered.
    new = weights.mean()
    allowed = (1 - coverage) * (units + new) + _ROUNDING
    is_left_out = np.cumsum(weights[order]) + new - weights[order] <= allowed
    lowest = p_values[order][is_left_out][-1]
    return _scores_with_p_value(calibration, weights, prior, lowest)


def prediction_sets(
    probabilities: NDArray[np.float32], thresholds: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which classes are in the set of each image.

    Args:
        probabilities: Calibrated class probabilities of shape (N, K).
        thresholds: `class_thresholds`, of shape (K,).

    Returns:
        Boolean array of shape (N, K), with at least one class per image.
    """
    return set_scores(probabilities) >= thresholds


def _image_weights(groups: NDArray[np.int64] | None, images: int) -> NDArray[np.float64]:
    """Return the weight of each image, of shape (n,): one per group, divided by its images."""
    if groups is None:
        return np.ones(images)
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(1 / sizes[group_of], np.float64)


def _prior_weight(calibration: SetCalibration, weights: NDArray[np.float64]) -> float:
    """Return the weight of the prior in the distribution of each class, in images.

    The prior describes the scores of a class before its own images are seen. Where classes are as
    it says, a large weight makes thresholds stable. Where some are not, for example because the
    model hardly ever predicts them, it must be small. All classes together decide, by how likely
    their scores are if each class deviates from the prior as a Dirichlet distribution with that
    weight. The result is the geometric mean of the candidates, weighted by these likelihoods.

    References:
        Empirical Bayes with the Dirichlet-multinomial distribution: Good (1965), "The Estimation of
        Probabilities".
    """
    from scipy.special import gammaln

    candidates = np.array(_PRIOR_IMAGES, np.float64)
    log_likelihood = np.zeros(len(candidates))
    for label, quantiles in enumerate(calibration.expected):
        images = calibration.labels == label
        shares, counts = _binned(calibration, weights, images, quantiles)
        for number, weight in enumerate(candidates):
            prior = weight * shares
            log_likelihood[number] += float(
                gammaln(weight)
                - gammaln(weight + counts.sum())
                + (gammaln(prior + counts) - gammaln(prior)).sum()
            )

    likelihood = np.exp(log_likelihood - log_likelihood.max())
    return float(np.exp((likelihood * np.log(candidates)).sum() / likelihood.sum()))


def _binned(
    calibration: SetCalibration,
    weights: NDArray[np.float64],
    images: NDArray[np.bool_],
    quantiles: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how the scores of a class fall into bins of its prior.

    Args:
        calibration: The calibration images.
        weights: Weight of each image, of shape (n,).
        images: Which images are of the class, of shape (n,).
        quantiles: Quantiles of the scores that the probabilities predict for the class.

    Returns:
        The share of each bin in the prior, and the weight of the images of the class in it.
    """
    scores = calibration.scores
    steps = np.unique(np.concatenate([[0.0], scores, quantiles, [1.0]]))
    pooled = _weight_at_most(scores, weights, steps) / weights.sum()
    prior = (pooled + _expected_share(quantiles, steps)) / 2

    # Scores have ties, above all at 1, so bins end at the steps of the prior.
    ends = np.unique(np.searchsorted(prior, _BIN_ENDS))
    ends = ends[prior[ends] < 1 - _ROUNDING]
    shares = np.maximum(np.diff(prior[ends], prepend=0.0, append=1.0), _LEAST_SHARE)
    bins = np.searchsorted(steps[ends], scores[images])
    counts = np.bincount(bins, weights[images], len(shares))
    return shares / shares.sum(), np.asarray(counts, np.float64)


def _left_out_p_values(
    calibration: SetCalibration, weights: NDArray[np.float64], prior: float
) -> NDArray[np.float64]:
    """Return the p-value of each image among the images of other groups, of shape (n,).

    It is the share of scores that are at most as high, in the mixture of the true class.
    """
    labels, scores = calibration.labels, calibration.scores
    own_below, own_total = _own_group_weights(calibration, weights)
    all_below = _weight_at_most(scores, weights, scores) - own_below[:, 0]
    all_total = weights.sum() - own_total[:, 0]

    p_values = np.empty(len(labels))
    for label in np.unique(labels):
        images = labels == label
        class_below = _weight_at_most(scores[images], weights[images], scores[images])
        class_below -= own_below[images, 1]
        class_total = weights[images].sum() - own_total[images, 1]
        pooled = all_below[images] / np.maximum(all_total[images], _ROUNDING)
        expected = _expected_share(calibration.expected[label], scores[images])
        p_values[images] = _mixture(class_below, class_total, (pooled + expected) / 2, prior)
    return p_values


def _mixture(
    class_below: NDArray[np.float64],
    class_total: NDArray[np.float64] | float,
    prior_share: NDArray[np.float64],
    prior: float,
) -> NDArray[np.float64]:
    """Return the share of scores in the mixture of a class, from its own images and the prior."""
    below = class_below + prior * prior_share
    return np.asarray(below / (class_total + prior), np.float64)


def _own_group_weights(
    calibration: SetCalibration, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weight of each image's own group.

    Returns:
        Two arrays of shape (n, 2), for all classes and for the image's class: the weight of the
        images of its group with at most its score, and the weight of all images of its group.
    """
    if calibration.groups is None:
        both = np.repeat(weights[:, None], 2, axis=1)
        return both, both

    below, total = np.empty((len(weights), 2)), np.empty((len(weights), 2))
    for group in np.unique(calibration.groups):
        images = np.flatnonzero(calibration.groups == group)
        scores, labels = calibration.scores[images], calibration.labels[images]
        is_at_most = scores[None, :] <= scores[:, None]
        is_same_class = labels[None, :] == labels[:, None]
        below[images, 0] = is_at_most @ weights[images]
        below[images, 1] = (is_at_most & is_same_class) @ weights[images]
        total[images, 0] = weights[images].sum()
        total[images, 1] = is_same_class @ weights[images]
    return below, total


def _scores_with_p_value(
    calibration: SetCalibration, weights: NDArray[np.float64], prior: float, lowest: float
) -> NDArray[np.float64]:
    """Return for each class the lowest score whose p-value is at least `lowest`, shape (K,)."""
    labels, scores = calibration.labels, calibration.scores
    thresholds = np.ones(calibration.classes)
    for label, quantiles in enumerate(calibration.expected):
        # The p-value is a step function. These are its steps.
        candidates = np.unique(np.concatenate([[0.0], scores, quantiles, [1.0]]))
        images = labels == label
        pooled = _weight_at_most(scores, weights, candidates) / weights.sum()
        p_values = _mixture(
            _weight_at_most(scores[images], weights[images], candidates),
            float(weights[images].sum()),
            (pooled + _expected_share(quantiles, candidates)) / 2,
            prior,
        )
        thresholds[label] = candidates[p_values >= lowest - _ROUNDING][0]
    return thresholds


def _quantiles(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantiles of weighted scores at `_LEVELS`; 1 if all weights are 0."""
    order = np.argsort(scores, kind="stable")
    shares = np.cumsum(weights[order])
    if not len(shares) or shares[-1] <= 0:
        return np.ones(QUANTILES)
    places = np.searchsorted(shares / shares[-1], _LEVELS - _ROUNDING)
    return scores[order][np.minimum(places, len(scores) - 1)]


def _expected_share(quantiles: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the expected scores that are at most each value of `at`."""
    shares = np.concatenate([[0.0], _LEVELS])
    return shares[np.searchsorted(quantiles, at, side="right")]


def _weight_at_most(
    scores: NDArray[np.float64], weights: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weight of the scores that are at most each value of `at`."""
    order = np.argsort(scores, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])])
    return cumulative[np.searchsorted(scores[order], at, side="right")]
