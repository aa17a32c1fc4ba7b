"""A model of given labels: class probabilities of images, and a rate of labels that are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit

Floats = NDArray[np.float64]
Scores = Sequence[NDArray[np.float32]]
Indices = NDArray[np.int64]

_START_RATES = (0.005, 0.03, 0.15)
_START_WEIGHT = 5.0
# Bounds of the log-odds of the rate: from 6 per million to one half.
_RATE_BOUNDS = (-12.0, 0.0)


@dataclass(frozen=True)
class NoiseModel:
    """Given labels as true labels, some of which were replaced by another class at random.

    Attributes:
        log_probabilities: Log-probability of each true class given the image, shape (N, K).
        rate: Share of labels that were replaced.
        log_odds: Log-odds that the given label of an image is wrong, shape (N,).
        loss: Mean negative log-likelihood of the given labels, in nats.
        parameters: Weights of the sources, offsets of the classes, log-odds of the rate.
    """

    log_probabilities: Floats
    rate: float
    log_odds: Floats
    loss: float
    parameters: Floats

    @property
    def probabilities(self) -> Floats:
        """Probability of each true class given the image, shape (N, K)."""
        return np.exp(self.log_probabilities)


def fit_noise_model(scores: Scores, labels: Indices, start: NoiseModel | None = None) -> NoiseModel:
    """Fit weights of the sources of evidence, class offsets and the rate of wrong labels.

    The true class given the image is a softmax of weighted scores. A given label is the true one,
    except that a share `rate` of the labels was replaced by another class, each equally likely.
    All of it is fitted together, by maximum likelihood of the given labels. Out-of-fold scores are
    needed: with the scores of a fit that saw the label, no label would look wrong.

    Args:
        scores: Out-of-fold scores of each source of evidence, float32 of shape (N, K).
        labels: Given labels, int64 of shape (N,).
        start: A model of similar labels to start from.

    References:
        The rate as a layer over the class probabilities: Sukhbaatar et al. (2015), "Training
        convolutional networks with noisy labels".
    """
    sources, classes = len(scores), scores[0].shape[1]
    images = np.arange(len(labels))
    others = max(classes - 1, 1)
    # Classes first: sums over a few classes are several times as fast along the first axis.
    by_class = [np.ascontiguousarray(source.T, dtype=np.float64) for source in scores]

    def logits(parameters: Floats) -> Floats:
        total = np.repeat(parameters[sources:-1, None], len(labels), axis=1)
        for weight, source in zip(parameters[:sources], by_class, strict=True):
            total += weight * source
        return total

    def loss_and_gradient(parameters: Floats) -> tuple[float, Floats]:
        probabilities = logits(parameters)
        probabilities -= probabilities.max(0)
        np.exp(probabilities, out=probabilities)
        probabilities /= probabilities.sum(0)
        given = probabilities[labels, images]
        rate = expit(parameters[-1])
        slope = 1 - rate - rate / others
        likelihood = rate / others + slope * given

        is_kept = slope * given / likelihood / len(labels)
        errors = probabilities * is_kept
        errors[labels, images] -= is_kept
        gradient = [float(np.vdot(errors, source)) for source in by_class]
        by_rate = (1 / others - (1 + 1 / others) * given) / likelihood
        by_log_odds = -float(by_rate.mean()) * rate * (1 - rate)
        loss = -float(np.log(likelihood).mean())
        return loss, np.concatenate([gradient, errors.sum(1), [by_log_odds]])

    bounds = [(0.0, None)] * sources + [(None, None)] * classes + [_RATE_BOUNDS]
    results = []
    for first in _start_points(sources, classes, start):
        results.append(
            minimize(loss_and_gradient, first, jac=True, method="L-BFGS-B", bounds=bounds)
        )
    result = min(results, key=lambda result: float(result.fun))
    rate = float(expit(result.x[-1]))
    fitted = np.asarray(log_softmax(logits(result.x).T, axis=1))
    return NoiseModel(
        log_probabilities=fitted,
        rate=rate,
        log_odds=_log_odds_of_wrong(fitted[images, labels], rate, others),
        loss=float(result.fun),
        parameters=result.x,
    )


def _start_points(sources: int, classes: int, start: NoiseModel | None) -> list[Floats]:
    """Return parameters to start from.

    Without a model of similar labels there are several: few wrong labels and certain probabilities
    are one optimum, no wrong labels and uncertain probabilities can be another.
    """
    if start is not None:
        first = start.parameters.copy()
        first[-1] = max(first[-1], logit(_START_RATES[0]))
        return [first]
    weights = np.full(sources, _START_WEIGHT)
    offsets = np.zeros(classes)
    return [np.concatenate([weights, offsets, [logit(rate)]]) for rate in _START_RATES]


def _log_odds_of_wrong(given: Floats, rate: float, others: int) -> Floats:
    """Return the log-odds that a label is wrong.

    Args:
        given: Log-probability of the given class, shape (N,).
        rate: Share of labels that were replaced.
        others: Number of classes that a wrong label can have.
    """
    log_of_rest = np.log(-np.expm1(np.minimum(given, -1e-12)))
    odds: Floats = np.log(rate / others) - np.log1p(-rate) + log_of_rest - given
    return odds
