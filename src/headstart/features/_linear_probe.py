"""A linear probe: how well classes can be told apart by a hyperplane in a backbone's features, by cross-validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

# Of the mean loss, on standardised features: from too little to far too much. On CIFAR-10 0.03 was best for 2,000 images and for
# 8,500 alike, and its neighbours lost up to 1.5 points.
PENALTIES = (1e-3, 1e-2, 3e-2, 1e-1, 1.0)
_ITERATIONS = 60  # from the solution of the next larger penalty; 200 move the accuracy by less than 0.1 points (cifar10, lite0)
MOST_TO_CHOOSE, _FOLDS_TO_CHOOSE = 1500, 3

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Probe:
    """What a cross-validated probe found.

    Attributes:
        correct: `(n,)` whether each image was told right by the head that had not seen it.
        loss: mean cross-entropy of the same predictions.
        l2: the penalty with the lowest loss over all folds.
    """

    correct: NDArray[np.bool_]
    loss: float
    l2: float


def cross_validated_probe(
    features: NDArray[np.float16], labels: NDArray[np.int64], folds: int = 5, seed: int = 0
) -> Probe:
    """Fit softmax heads on all folds but one and judge them on that one, for a path of L2 penalties.

    The penalty for a fold is the one with the lowest loss on the other folds, so that no image's own loss has a say in how it is
    judged.

    Args:
        features: `(n, size)`; standardised here, over all rows and without labels.
        labels: `(n,)` from 0.
        folds: parts, each with about the same share of every class.
    """
    inputs = _coordinates(features)
    fold_of = stratified_folds(labels, folds, seed)
    losses, correct = (
        np.zeros((len(PENALTIES), len(labels))),
        np.zeros((len(PENALTIES), len(labels)), bool),
    )
    for number, outside, logits in _judged(inputs, labels, fold_of):
        losses[number, outside] = _losses(logits, labels[outside])
        correct[number, outside] = logits.argmax(1) == labels[outside]
    chosen = np.array([losses[:, fold_of != fold].mean(1).argmin() for fold in range(folds)])[
        fold_of
    ]
    each = np.arange(len(labels))
    return Probe(
        correct[chosen, each],
        float(losses[chosen, each].mean()),
        PENALTIES[int(losses.mean(1).argmin())],
    )


def choose_penalty(inputs: Floats, labels: NDArray[np.int64], seed: int = 0) -> float:
    """The penalty with the lowest cross-validated loss, on 1,500 images at most.

    Args:
        inputs: `(n, size)` standardised features.
        labels: `(n,)` from 0.
    """
    if len(labels) > MOST_TO_CHOOSE:
        parts = -(-len(labels) // MOST_TO_CHOOSE)
        chosen = stratified_folds(labels, parts, seed) == 0
        inputs, labels = inputs[chosen], labels[chosen]
    inputs = _spanned(inputs)
    fold_of, losses = (
        stratified_folds(labels, _FOLDS_TO_CHOOSE, seed),
        np.zeros((len(PENALTIES), len(labels))),
    )
    for number, outside, logits in _judged(inputs, labels, fold_of):
        losses[number, outside] = _losses(logits, labels[outside])
    return PENALTIES[int(losses.mean(1).argmin())]


def _judged(
    inputs: Floats, labels: NDArray[np.int64], fold_of: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.bool_], Floats]]:
    """For each fold and penalty: the number of the penalty, which images are in the fold, and their logits from the others."""
    for fold in range(int(fold_of.max()) + 1):
        outside = fold_of == fold
        for number, weights in enumerate(
            fit_path(inputs[~outside], labels[~outside], int(labels.max()) + 1)
        ):
            yield number, outside, _logits(weights, inputs[outside])


def _losses(logits: Floats, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = logsumexp(logits, axis=1) - logits[np.arange(len(logits)), labels]
    return found


def stratified_folds(labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each image, `(n,)`: shuffled, then dealt class by class; a class of few images misses some folds."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    found = np.empty(len(labels), np.int64)
    found[order] = np.arange(len(labels)) % folds
    return found


def _coordinates(features: NDArray[np.float16]) -> Floats:
    """Standardised features; where there are more of them than images, their coordinates in the space that the images span.

    A head with an L2 penalty lies in that space, so nothing is lost (Hastie & Tibshirani 2004, "Efficient quadratic
    regularization for expression arrays").
    """
    values = features.astype(np.float32)
    values -= values.mean(0)
    values /= values.std(0) + 1e-3
    return _spanned(values)


def _spanned(values: Floats) -> Floats:
    """See `_coordinates`."""
    if values.shape[1] <= len(values):
        return values
    variances, directions = np.linalg.eigh(values @ values.T)
    coordinates: Floats = (directions * np.sqrt(np.maximum(variances, 0))).astype(np.float32)
    return coordinates


def fit_path(inputs: Floats, labels: NDArray[np.int64], classes: int) -> list[Floats]:
    """Softmax regressions `(size + 1, classes)`, the last row their biases, one for each of `PENALTIES` in that order.

    By L-BFGS (Liu & Nocedal 1989), from the largest penalty to the smallest, each from the solution before.
    """
    targets = np.eye(classes, dtype=np.float32)[labels]
    start = np.zeros((inputs.shape[1] + 1, classes), np.float32)
    found = []
    with threadpool_limits(
        1
    ):  # products this narrow wait for memory; two threads that wait for each other were 20 times slower
        for penalty in reversed(PENALTIES):
            start = _fit(inputs, targets, penalty, start)
            found.append(start)
    return found[::-1]


def fit(
    inputs: Floats,
    labels: NDArray[np.int64],
    classes: int,
    penalty: float,
    weights: NDArray[np.float32] | None = None,
) -> Floats:
    """One softmax regression `(size + 1, classes)`, as in `fit_path`.

    Args:
        weights: `(n,)` how much each image counts; None: all alike.
    """
    targets = np.eye(classes, dtype=np.float32)[labels]
    with threadpool_limits(1):  # as in `fit_path`
        return _fit(
            inputs, targets, penalty, np.zeros((inputs.shape[1] + 1, classes), np.float32), weights
        )


def _fit(
    inputs: Floats,
    targets: Floats,
    penalty: float,
    start: Floats,
    importance: NDArray[np.float32] | None = None,
) -> Floats:
    shares = np.ones(len(inputs), np.float32) if importance is None else importance
    shares = (shares / shares.sum())[:, None]

    def cost(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.astype(np.float32).reshape(start.shape)
        logits = _logits(weights, inputs)
        norm = logsumexp(logits, axis=1, keepdims=True)
        errors = (np.exp(logits - norm) - targets) * shares
        slope = np.concatenate(
            [inputs.T @ errors + penalty * weights[:-1], errors.sum(0, keepdims=True)]
        )
        wrong = (shares[:, 0] * (norm[:, 0] - (logits * targets).sum(1))).sum()
        loss = float(wrong) + 0.5 * penalty * float((weights[:-1] ** 2).sum())
        return loss, slope.ravel().astype(np.float64)

    best = minimize(
        cost, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}
    )
    fitted: Floats = best.x.astype(np.float32).reshape(start.shape)
    return fitted


def _logits(weights: Floats, inputs: Floats) -> Floats:
    logits: Floats = inputs @ weights[:-1] + weights[-1]
    return logits
