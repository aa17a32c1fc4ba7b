"""Linear probes: softmax regression on a backbone's features, evaluated by cross-validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from headstart.data import deal_folds
from headstart.evaluation import count_groups

# L2 penalties relative to the mean loss, on standardised features: from too small to far too large.
# On CIFAR-10, 0.03 was best for 2,000 images and for 8,500 alike, and its neighbours lost up to 1.5
# points.
PENALTIES = (1e-3, 1e-2, 3e-2, 1e-1, 1.0)

# Starting from the solution of the next larger penalty. 200 iterations change the accuracy by less
# than 0.1 points (cifar10, efficientnet-lite0).
_ITERATIONS = 60

# The penalty is chosen on at most so many images, with so many folds.
MOST_TO_CHOOSE, _FOLDS_TO_CHOOSE = 1500, 3

_SMALLEST_STD = 1e-3

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """The result of a cross-validated probe.

    Attributes:
        correct: Boolean array of shape (n,). True where the out-of-fold prediction is correct.
        loss: Mean cross-entropy of the same predictions, in nats.
        l2: The penalty with the lowest loss over all folds.
    """

    correct: NDArray[np.bool_]
    loss: float
    l2: float


def cross_validated_probe(
    features: NDArray[np.float16],
    labels: Labels,
    folds: int = 5,
    seed: int = 0,
    groups: NDArray[np.int64] | None = None,
) -> Probe:
    """Evaluate softmax heads by cross-validation, for a path of penalties.

    The penalty for a fold is the one with the lowest loss on the other folds, so the penalty for a
    fold is never chosen on that fold.

    Args:
        features: Float16 array of shape (n, features). Standardised here, over all rows and without
            labels.
        labels: int64 array of shape (n,), from 0.
        folds: Number of folds, each with about the same share of every class.
        seed: Seed of the assignment to folds.
        groups: int64 array of shape (n,) with the group of each image, or None. A group is whole in
            one fold, because its other images would give an image away.
    """
    inputs = _standardise(features)
    fold_of = assign_folds(labels, groups, folds, seed)
    folds = int(fold_of.max()) + 1
    losses = np.zeros((len(PENALTIES), len(labels)))
    correct = np.zeros((len(PENALTIES), len(labels)), bool)
    for number, in_fold, logits in _out_of_fold_logits(inputs, labels, fold_of):
        losses[number, in_fold] = _cross_entropies(logits, labels[in_fold])
        correct[number, in_fold] = logits.argmax(1) == labels[in_fold]

    penalty_of_fold = np.empty(folds, np.int64)
    for fold in range(folds):
        penalty_of_fold[fold] = losses[:, fold_of != fold].mean(1).argmin()
    chosen = penalty_of_fold[fold_of]
    images = np.arange(len(labels))
    return Probe(
        correct=correct[chosen, images],
        loss=float(losses[chosen, images].mean()),
        l2=PENALTIES[int(losses.mean(1).argmin())],
    )


def choose_penalty(inputs: Floats, labels: Labels, seed: int = 0) -> float:
    """Return the penalty with the lowest cross-validated loss, on at most 1,500 images.

    Args:
        inputs: Standardised features, float32 of shape (n, features).
        labels: int64 array of shape (n,), from 0.
        seed: Seed of the images and of the assignment to folds.
    """
    if len(labels) > MOST_TO_CHOOSE:
        parts = -(-len(labels) // MOST_TO_CHOOSE)
        chosen = stratified_folds(labels, parts, seed) == 0
        inputs, labels = inputs[chosen], labels[chosen]

    inputs = _span_coordinates(inputs)
    fold_of = stratified_folds(labels, _FOLDS_TO_CHOOSE, seed)
    losses = np.zeros((len(PENALTIES), len(labels)))
    for number, in_fold, logits in _out_of_fold_logits(inputs, labels, fold_of):
        losses[number, in_fold] = _cross_entropies(logits, labels[in_fold])
    return PENALTIES[int(losses.mean(1).argmin())]


def _out_of_fold_logits(
    inputs: Floats, labels: Labels, fold_of: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.bool_], Floats]]:
    """Fit every penalty on all folds but one, for each fold.

    Yields:
        The number of the penalty; which images are in the fold, boolean of shape (n,); their
        logits.
    """
    num_classes = int(labels.max()) + 1
    for fold in range(int(fold_of.max()) + 1):
        in_fold = fold_of == fold
        path = fit_path(inputs[~in_fold], labels[~in_fold], num_classes)
        for number, weights in enumerate(path):
            yield number, in_fold, _logits(weights, inputs[in_fold])


def _cross_entropies(logits: Floats, labels: Labels) -> NDArray[np.float64]:
    """Return the cross-entropy of each image in nats, shape (n,)."""
    true_logits = logits[np.arange(len(logits)), labels]
    losses: NDArray[np.float64] = logsumexp(logits, axis=1) - true_logits
    return losses


def stratified_folds(labels: Labels, folds: int, seed: int) -> NDArray[np.int64]:
    """Assign each image to a fold: shuffled, then dealt class by class.

    A class with few images misses some folds.

    Returns:
        int64 array of shape (n,).
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold_of = np.empty(len(labels), np.int64)
    fold_of[order] = np.arange(len(labels)) % folds
    return fold_of


def assign_folds(
    labels: Labels, groups: NDArray[np.int64] | None, folds: int, seed: int
) -> NDArray[np.int64]:
    """Assign each image to a fold as `stratified_folds` does, or whole groups where there are any.

    Args:
        labels: int64 array of shape (n,), from 0.
        groups: int64 array of shape (n,) with the group of each image, or None.
        folds: Number of folds; fewer if there are fewer groups.
        seed: Seed of the assignment.

    Returns:
        int64 array of shape (n,).
    """
    if groups is None or count_groups(groups) is None:
        return stratified_folds(labels, folds, seed)
    _, units = np.unique(groups, return_inverse=True)
    folds = max(2, min(folds, int(units.max()) + 1))
    return deal_folds(labels, units, folds, np.random.default_rng(seed))


def _standardise(features: NDArray[np.float16]) -> Floats:
    """Return standardised features, or their coordinates; see `_span_coordinates`."""
    values = features.astype(np.float32)
    values -= values.mean(0)
    values /= values.std(0) + _SMALLEST_STD
    return _span_coordinates(values)


def _span_coordinates(values: Floats) -> Floats:
    """Return coordinates in the space that the images span, if images are fewer than features.

    A head with an L2 penalty lies in that space, so nothing is lost.

    References:
        Hastie and Tibshirani (2004), "Efficient quadratic regularization for expression arrays".
    """
    if values.shape[1] <= len(values):
        return values
    variances, directions = np.linalg.eigh(values @ values.T)
    coordinates: Floats = (directions * np.sqrt(np.maximum(variances, 0))).astype(np.float32)
    return coordinates


def fit_path(inputs: Floats, labels: Labels, num_classes: int) -> list[Floats]:
    """Fit one softmax regression per penalty, in the order of `PENALTIES`.

    The fits go from the largest penalty to the smallest, each from the solution before.

    Returns:
        Weights of shape (features + 1, classes); the last row holds the biases.
    """
    targets = np.eye(num_classes, dtype=np.float32)[labels]
    weights = np.zeros((inputs.shape[1] + 1, num_classes), np.float32)
    path = []
    # Products this narrow wait for memory. Two threads that wait for each other were 20 times
    # slower.
    with threadpool_limits(1):
        for penalty in reversed(PENALTIES):
            weights = _minimise(inputs, targets, penalty, weights)
            path.append(weights)
    return path[::-1]


def fit(
    inputs: Floats,
    labels: Labels,
    num_classes: int,
    penalty: float,
    image_weights: Floats | None = None,
) -> Floats:
    """Fit one softmax regression.

    Args:
        inputs: Standardised features, float32 of shape (n, features).
        labels: int64 array of shape (n,), from 0.
        num_classes: Number of classes.
        penalty: L2 penalty relative to the mean loss.
        image_weights: Weight of each image, float32 of shape (n,); None weights them equally.

    Returns:
        Weights of shape (features + 1, classes); the last row holds the biases.
    """
    targets = np.eye(num_classes, dtype=np.float32)[labels]
    start = np.zeros((inputs.shape[1] + 1, num_classes), np.float32)
    with threadpool_limits(1):  # as in `fit_path`
        return _minimise(inputs, targets, penalty, start, image_weights)


def _minimise(
    inputs: Floats,
    targets: Floats,
    penalty: float,
    start: Floats,
    image_weights: Floats | None = None,
) -> Floats:
    """Minimise the penalised cross-entropy by L-BFGS.

    References:
        Liu and Nocedal (1989), "On the limited memory BFGS method".
    """
    shares = np.ones(len(inputs), np.float32) if image_weights is None else image_weights
    shares = (shares / shares.sum())[:, None]

    def loss_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.astype(np.float32).reshape(start.shape)
        logits = _logits(weights, inputs)
        norm = logsumexp(logits, axis=1, keepdims=True)
        errors = (np.exp(logits - norm) - targets) * shares
        weight_gradient = inputs.T @ errors + penalty * weights[:-1]
        gradient = np.concatenate([weight_gradient, errors.sum(0, keepdims=True)])

        cross_entropy = (shares[:, 0] * (norm[:, 0] - (logits * targets).sum(1))).sum()
        loss = float(cross_entropy) + 0.5 * penalty * float((weights[:-1] ** 2).sum())
        return loss, gradient.ravel().astype(np.float64)

    options = {"maxiter": _ITERATIONS}
    result = minimize(
        loss_and_gradient, start.ravel(), jac=True, method="L-BFGS-B", options=options
    )
    weights: Floats = result.x.astype(np.float32).reshape(start.shape)
    return weights


def _logits(weights: Floats, inputs: Floats) -> Floats:
    logits: Floats = inputs @ weights[:-1] + weights[-1]
    return logits
