"""Bounds of the optimism that comes from evaluating many models on the same test images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.errors import InputError

_SMALLEST_TAIL = 1e-280  # of a distribution; below, floats lose digits


@dataclass(frozen=True)
class ReuseOptimism:
    """How far the accuracy of a model can lie above its true accuracy, with 95% confidence.

    Attributes:
        of_selection: Bound for the best of all models so far, if no model was designed with the
            scores of an earlier one. A fraction.
        of_feedback: Bound that also holds if each study was planned with the results of the earlier
            ones; see `reuse_optimism`. A fraction, at least `of_selection`.
    """

    of_selection: float
    of_feedback: float


def reuse_optimism(
    accuracy: float, images: int, models: Sequence[int], level: float = 0.05
) -> ReuseOptimism:
    """Bound the optimism of an accuracy on test images that several studies have used.

    Three bounds on the standardised excess of an accuracy are used. Each becomes a fraction by the
    tail of the binomial distribution.

    1. The best of k models exceeds the normal quantile of level / k with a probability of at most
       `level`, however the models are correlated (Bonferroni).
    2. With feedback, each model adds one direction to the space of errors that scores reveal. The
       squared length of the projection on k directions has a chi-squared distribution with k
       degrees of freedom. No model whose design uses any function of earlier scores exceeds its
       root, if the scores of many images are nearly normal.
    3. If only the best model of each study decides what comes next, the number of models that could
       ever be reached is finite. Bound 1 applies to that number.

    The bound with feedback is the smaller of 2 and 3. It does not cover an analyst who looks at
    single test images, or at scores of single classes.

    Args:
        accuracy: Accuracy of the best model, a fraction.
        images: Number of test images.
        models: Number of models that each study evaluated, in the order of the studies.
        level: Probability with which a bound may fail.

    Returns:
        The bounds, as fractions: of choosing the best model, and of feedback.

    Raises:
        InputError: The accuracy is outside [0, 1], or there are no images, no studies, or studies
            without models.

    References:
        Feedback: Dwork et al. (2015). The attack against which 2 is nearly tight, and the counting
        of outcomes as in 3: Blum and Hardt (2015).
    """
    if not 0 <= accuracy <= 1 or images < 1 or not models or min(models) < 1:
        raise InputError(
            "invalid reuse: expected an accuracy from 0 to 1, images, and models in each study, "
            f"got {accuracy:g}, {images:,} and {list(models)}.",
            "Leave out studies that evaluated nothing.",
        )
    from scipy.special import ndtri_exp
    from scipy.stats import chi2

    total = sum(models)
    selection = -float(ndtri_exp(math.log(level / total)))
    any_feedback = float(chi2.isf(level, total)) ** 0.5
    winners_only = -float(ndtri_exp(math.log(level) - _log_reachable_models(models)))
    feedback = max(selection, min(any_feedback, winners_only))
    return ReuseOptimism(
        accuracy - _lowest_accuracy(accuracy, images, selection),
        accuracy - _lowest_accuracy(accuracy, images, feedback),
    )


def _log_reachable_models(models: Sequence[int]) -> float:
    """Return the logarithm of the number of models that the outcomes of studies can lead to.

    A study has one outcome per model, which is the best, and one more: none is better than before.
    """
    outcomes = np.log1p(np.asarray(models, dtype=float))
    earlier = np.concatenate([[0.0], np.cumsum(outcomes)[:-1]])
    return float(np.logaddexp.reduce(earlier + np.log(models)))


def _lowest_accuracy(accuracy: float, images: int, deviation: float) -> float:
    """Return the lowest true accuracy that is compatible with an accuracy.

    It is the exact one-sided limit of the binomial distribution. Where its tail is smaller than a
    float can be, it is the limit of the likelihood ratio, with a continuity correction of half an
    image.

    Args:
        accuracy: Accuracy on the images, a fraction.
        images: Number of images.
        deviation: Quantile of the standard normal distribution, whose tail the limit has.

    References:
        Clopper and Pearson (1934). Signed root of the likelihood ratio: Barndorff-Nielsen (1986).
    """
    from scipy.special import betaincinv, ndtr, rel_entr

    correct = accuracy * images
    tail = float(ndtr(-deviation))
    if correct == 0:
        return 0.0
    if tail > _SMALLEST_TAIL:
        return float(betaincinv(correct, images - correct + 1, tail))

    from scipy.optimize import brentq

    corrected = max(0.0, accuracy - 0.5 / images)
    allowed = deviation**2 / 2 / images

    def excess(candidate: float) -> float:
        divergence = rel_entr(corrected, candidate) + rel_entr(1 - corrected, 1 - candidate)
        return float(divergence) - allowed

    if corrected == 0 or excess(_SMALLEST_TAIL) < 0:
        return 0.0
    return float(brentq(excess, _SMALLEST_TAIL, corrected, xtol=1e-9))
