"""Metrics of one model on one set of images."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation._grouped_images import count_groups, groups_to_resample
from headstart.evaluation._grouped_tests import grouped_wilson_interval

# A float32 softmax returns exactly 0 for a hopeless class. With this lower bound, such an image
# costs 27.6 nats instead of infinity.
MIN_PROBABILITY = 1e-12
_SUM_TOLERANCE = 1e-2  # accepts a softmax in half precision and rejects logits


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of one class. Undefined ratios (0/0) are 0.

    Attributes:
        precision: Share of the images predicted as this class that belong to it, in [0, 1].
        recall: Share of the images of this class that are predicted as it, in [0, 1].
        f1: Harmonic mean of precision and recall, in [0, 1].
        support: Number of images of this class.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Metrics:
    """Metrics of one model on N labelled images of K classes.

    Attributes:
        accuracy: Share of images whose most probable class is their label, in [0, 1].
        interval: 95% Wilson interval of the accuracy over images, or over groups of images if they
            are known. It does not cover seeds: see `accuracy_interval`.
        n: Number of images, N.
        loss: Mean cross-entropy per image, in nats.
        macro_f1: Mean F1 over the classes that occur among labels or predictions, in [0, 1]. This
            is scikit-learn's default.
        groups: Number of groups of the images; None if no image shares its group with another.
        interval_over_images: The Wilson interval over images where `interval` is one over groups,
            else None.
        per_class: K entries in the order of the class numbers.
        confusion: Counts of shape (K, K), int64. Rows are true classes, columns are predictions.
    """

    accuracy: float
    interval: tuple[float, float]
    n: int
    loss: float
    macro_f1: float
    per_class: tuple[ClassMetrics, ...]
    confusion: NDArray[np.int64]
    groups: int | None = None
    interval_over_images: tuple[float, float] | None = None

    def as_json(self) -> dict[str, object]:
        """Return the metrics as numbers, lists and dictionaries."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "n": self.n,
            "loss": self.loss,
            "macro_f1": self.macro_f1,
            "groups": self.groups,
            "interval_over_images": (
                None if self.interval_over_images is None else list(self.interval_over_images)
            ),
            "per_class": [asdict(metrics) for metrics in self.per_class],
            "confusion": self.confusion.tolist(),
        }


@dataclass(frozen=True)
class Confusion:
    """One cell of a confusion matrix off its diagonal.

    Attributes:
        true: Number of the true class.
        predicted: Number of the predicted class.
        count: Number of images.
        rate: Share of the images of the true class, in [0, 1].
    """

    true: int
    predicted: int
    count: int
    rate: float


def wilson_interval(correct: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Wilson interval of an accuracy, from counts.

    Args:
        correct: Number of correctly classified images.
        n: Number of images, at least 1.
        level: Confidence level in (0, 1).

    Returns:
        Lower and upper bound in [0, 1]. The width is never 0.

    Raises:
        InputError: `n` is below 1, or `correct` is not between 0 and `n`.

    References:
        Wilson (1927), without continuity correction, as in Newcombe (1998), method 3.
    """
    if n < 1 or not 0 <= correct <= n:
        raise InputError(
            "invalid counts: expected n of at least 1 and correct between 0 and n, "
            f"got n={n} and correct={correct}."
        )
    # The rest of SciPy's statistics takes a second to import, and every run needs this.
    from scipy.special import ndtri

    share = correct / n
    z = float(ndtri(0.5 + 0.5 * level))
    denominator = 2 * (n + z**2)
    centre = (2 * n * share + z**2) / denominator
    half_width = z / denominator * math.sqrt(4 * n * share * (1 - share) + z**2)
    low = 0.0 if correct == 0 else centre - half_width
    high = 1.0 if correct == n else centre + half_width
    return low, high


def compute_metrics(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    groups: NDArray[np.int64] | None = None,
) -> Metrics:
    """Compute all metrics of one model on one set of images.

    The prediction is the most probable class. Of several equally probable classes, it is the one
    with the lowest number.

    Args:
        labels: True classes of shape (N,), int64 in [0, K).
        probabilities: Class probabilities of shape (N, K). Each row sums to 1.
        groups: Int64 array of shape (N,) with the group of each image, or None. With ten groups or
            more, the interval is one over groups.

    Returns:
        Accuracy with its interval, loss, macro F1, confusion matrix, and the metrics per class.

    Raises:
        InputError: The arrays are empty, the shapes or labels do not match, or a row does not hold
            probabilities.

    References:
        The loss is -mean(log p[label]), with p clipped to at least 1e-12. Precision, recall and F1
        are defined as in scikit-learn.
    """
    check_predictions(labels, probabilities)
    n, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    cells = np.bincount(labels * classes + predicted, minlength=classes * classes)
    confusion = cells.reshape(classes, classes)

    per_class = _class_metrics(confusion)
    occurs = (confusion.sum(axis=0) + confusion.sum(axis=1)) > 0
    f1 = np.array([metrics.f1 for metrics in per_class])

    losses = cross_entropy(labels, probabilities)
    correct = int(np.trace(confusion))
    over_images = wilson_interval(correct, n)
    resampled = groups_to_resample(groups, n)
    interval = over_images
    if resampled is not None:
        interval = grouped_wilson_interval(predicted == labels, resampled)
    return Metrics(
        accuracy=correct / n,
        interval=interval,
        n=n,
        loss=float(losses.mean()),
        macro_f1=float(f1[occurs].mean()),
        per_class=per_class,
        confusion=confusion,
        groups=count_groups(groups),
        interval_over_images=None if resampled is None else over_images,
    )


def _class_metrics(confusion: NDArray[np.int64]) -> tuple[ClassMetrics, ...]:
    """Return the metrics of each class from counts (K, K) with true classes as rows."""
    hits, predicted, support = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    columns = (
        _ratios(hits, predicted),
        _ratios(hits, support),
        _ratios(2 * hits, predicted + support),
        support.tolist(),
    )
    return tuple(ClassMetrics(*values) for values in zip(*columns, strict=True))


def _ratios(counts: NDArray[np.int64], totals: NDArray[np.int64]) -> list[float]:
    """Return counts divided by totals, and 0 where the total is 0."""
    ratios: list[float] = (counts / np.maximum(totals, 1)).tolist()
    return ratios


def cross_entropy(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the cross-entropy of each image in nats, float64 of shape (N,).

    Args:
        labels: True classes of shape (N,).
        probabilities: Class probabilities of shape (N, K), clipped to at least 1e-12.
    """
    true_probabilities = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    losses: NDArray[np.float64] = -np.log(np.maximum(true_probabilities, MIN_PROBABILITY))
    return losses


def check_predictions(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> None:
    """Check that labels and probabilities match.

    Args:
        labels: True classes of shape (N,).
        probabilities: Class probabilities of shape (N, K).

    Raises:
        InputError: The arrays are empty, the shapes or labels do not match, or a row does not hold
            probabilities.
    """
    has_shapes = labels.ndim == 1 and probabilities.ndim == 2
    if not has_shapes or len(labels) != len(probabilities) or len(labels) == 0:
        raise InputError(
            "invalid shapes: expected labels (N,) and probabilities (N, K) with N of at least 1, "
            f"got {labels.shape} and {probabilities.shape}."
        )

    classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"invalid labels: expected classes from 0 to {classes - 1}, "
            f"got {labels.min()} to {labels.max()}."
        )

    sums = probabilities.sum(axis=1, dtype=np.float64)
    sums_to_one = np.abs(sums - 1) < _SUM_TOLERANCE  # False for NaN
    invalid = ~sums_to_one | (probabilities < 0).any(axis=1)
    if invalid.any():
        row = int(invalid.argmax())
        raise InputError(
            f"invalid row {row} of the probabilities: expected finite values of at least 0 that "
            f"sum to 1, got a sum of {float(probabilities[row].sum()):.4g} and a minimum of "
            f"{float(probabilities[row].min()):.4g}.",
            "Apply softmax to logits first.",
        )


def most_confused(confusion: NDArray[np.int64], k: int = 10) -> list[Confusion]:
    """Return the most frequent confusions.

    Args:
        confusion: Counts of shape (K, K) with true classes as rows, as in `Metrics.confusion`.
        k: Maximum number of confusions.

    Returns:
        Confusions with at least one image, by decreasing count. Equal counts are in the order of
        the class numbers.
    """
    wrong = confusion - np.diag(np.diag(confusion))
    support = confusion.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[:k]

    confusions = []
    for cell in order.tolist():
        true, predicted = divmod(cell, len(confusion))
        count = int(wrong[true, predicted])
        if count > 0:
            confusions.append(Confusion(true, predicted, count, float(count / support[true])))
    return confusions
