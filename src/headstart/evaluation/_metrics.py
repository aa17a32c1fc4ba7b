"""Metrics of one model on one set of images."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

# A float32 softmax returns an exact 0 for a hopeless class; clipped here, one such image costs 27.6 nats, not infinity.
SMALLEST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class ClassMetrics:
    """Precision, recall and F1 of one class, each in [0, 1] and 0 where it is undefined (0/0); `support` counts its images."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Metrics:
    """How a model did on N labelled images of K classes.

    Attributes:
        accuracy: share of images whose most probable class is their label, in [0, 1].
        interval: 95% Wilson interval of the accuracy over images (not over seeds: see `accuracy_interval`).
        n: N.
        loss: mean cross-entropy in nats.
        macro_f1: mean F1 over the classes that occur among labels or predictions, in [0, 1] (scikit-learn's default).
        per_class: K entries in the order of the class numbers.
        confusion: `(K, K)` int64 counts; rows are true classes, columns predicted ones.
    """

    accuracy: float
    interval: tuple[float, float]
    n: int
    loss: float
    macro_f1: float
    per_class: tuple[ClassMetrics, ...]
    confusion: NDArray[np.int64]

    def as_json(self) -> dict[str, object]:
        """The same as plain numbers, lists and dictionaries."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "n": self.n,
            "loss": self.loss,
            "macro_f1": self.macro_f1,
            "per_class": [asdict(one) for one in self.per_class],
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True)
class Confusion:
    """`count` images of class `true` were taken for class `predicted`: the share `rate` of that class's images."""

    true: int
    predicted: int
    count: int
    rate: float


def wilson_interval(correct: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Interval for a share, from counts.

    Args:
        correct: how many of `n` were right.
        n: how many there were, at least 1.
        level: confidence in (0, 1).

    Returns:
        Lower and upper end, in [0, 1]; never of zero width.

    Raises:
        InputError: not 0 <= correct <= n, or n < 1.

    Source: Wilson (1927), without continuity correction.
    """
    if n < 1 or not 0 <= correct <= n:
        raise InputError(
            f"{correct} right of {n} images: an interval needs at least one image, and no more right than that."
        )
    from scipy.stats import binomtest

    ends = binomtest(int(correct), int(n)).proportion_ci(level, method="wilson")
    return float(ends.low), float(ends.high)


def compute_metrics(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> Metrics:
    """All metrics of one model on one set of images.

    Args:
        labels: `(N,)` true classes in [0, K).
        probabilities: `(N, K)` class probabilities, each row summing to 1. The prediction is the largest, the lowest class
            where several are equal.

    Raises:
        InputError: no image, shapes or labels that do not fit, or rows that are not finite probabilities.

    Source: loss is -mean(log p[label]), with p clipped below at 1e-12; precision, recall and F1 are scikit-learn's.
    """
    _check(labels, probabilities)
    from sklearn.metrics import precision_recall_fscore_support

    n, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(
        classes, classes
    )
    columns = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(classes), zero_division=0
    )
    per_class = tuple(
        ClassMetrics(float(p), float(r), float(f), int(s))
        for p, r, f, s in zip(*columns, strict=True)
    )
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    of_label = probabilities[np.arange(n), labels].astype(np.float64)
    right = int(np.trace(confusion))
    return Metrics(
        accuracy=right / n,
        interval=wilson_interval(right, n),
        n=n,
        loss=float(-np.log(np.maximum(of_label, SMALLEST_PROBABILITY)).mean()),
        macro_f1=float(columns[2][occurs].mean()),
        per_class=per_class,
        confusion=confusion,
    )


def _check(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> None:
    if (
        labels.ndim != 1
        or len(labels) == 0
        or probabilities.ndim != 2
        or len(labels) != len(probabilities)
    ):
        raise InputError(
            f"labels have shape {labels.shape} and probabilities {probabilities.shape}, but must be (N,) and "
            "(N, K), with N at least 1."
        )
    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"labels go from {labels.min()} to {labels.max()}, but there are probabilities for classes 0 to {classes - 1}."
        )
    # 1e-2 lets half-precision softmax pass and stops logits.
    bad = ~(np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) < 1e-2) | (
        probabilities < 0
    ).any(axis=1)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"row {row} of the probabilities sums to {float(probabilities[row].sum()):.4g} or holds a negative or "
            "missing value, but must be probabilities that sum to 1.",
            "Apply softmax to logits first.",
        )


def most_confused(confusion: NDArray[np.int64], k: int = 10) -> list[Confusion]:
    """The `k` most frequent confusions, most images first; equal counts in the order of class numbers; none with count 0.

    Args:
        confusion: `(K, K)` counts, rows true, as in `Metrics.confusion`.
        k: how many at most.
    """
    wrong = confusion - np.diag(np.diag(confusion))
    support = confusion.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[:k]
    pairs = [(int(at) // len(confusion), int(at) % len(confusion)) for at in order]
    return [
        Confusion(
            true,
            predicted,
            int(wrong[true, predicted]),
            float(wrong[true, predicted] / support[true]),
        )
        for true, predicted in pairs
        if wrong[true, predicted] > 0
    ]
