"""The metric by which recipes, weights and ensembles are selected on validation images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.errors import InputError, did_you_mean
from headstart.evaluation._metric_file import is_metric_file, load_metric_file
from headstart.evaluation._metrics import check_predictions, cross_entropy
from headstart.evaluation._score_text import metric_name, score_text

Score = Callable[[NDArray[np.int64], NDArray[np.floating]], float]


@dataclass(frozen=True)
class SelectionMetric:
    """A metric of class probabilities that selects the model with the highest score.

    Attributes:
        name: Its name, or `FILE.py:function` for a function of the user.
        digest: SHA-256 of the user's file; empty for the metrics of Headstart. Studies store it, so
            that one study is not continued with another function of the same name.
    """

    name: str
    _score: Score = field(repr=False, compare=False)
    digest: str = ""

    def score(self, labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
        """Return the score of predictions; higher is better.

        Args:
            labels: True classes of shape (N,), int64 in [0, K).
            probabilities: Class probabilities of shape (N, K). Each row sums to 1.

        Raises:
            InputError: The arrays do not match, or the user's function failed or did not return a
                finite number.
        """
        check_predictions(labels, probabilities)
        return self._score(labels, probabilities)

    def try_out(self, labels: NDArray[np.int64], classes: int) -> None:
        """Call the function of a user once, with random probabilities, to find faults at once.

        Args:
            labels: Labels of the images that it will score, int64 of shape (N,).
            classes: Number of classes.

        Raises:
            InputError: The function failed, or did not return a finite number.
        """
        if self.digest and len(labels):
            generator = np.random.default_rng(0)
            drawn = generator.dirichlet(np.ones(classes), len(labels))
            self.score(labels, drawn.astype(np.float32))

    def describe(self, score: float, images: int) -> str:
        """Return a score on some images as text, such as "macro-f1 87.5%".

        Args:
            score: A score of this metric.
            images: Number of images behind it, which decides the number of decimals.
        """
        return f"{metric_name(self.name)} {score_text(self.name, score, images)}"


def score_or_none(
    metric: SelectionMetric | str,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.floating],
) -> float | None:
    """Return a score for a report; None with a warning if the user's file or function fails.

    A finished training must not be lost because its test images cannot be scored.

    Args:
        metric: The metric, or its name as `selection_metric` takes it.
        labels: True classes of shape (N,), int64 in [0, K).
        probabilities: Class probabilities of shape (N, K). Each row sums to 1.
    """
    try:
        selected = selection_metric(metric) if isinstance(metric, str) else metric
        return selected.score(labels, probabilities)
    except InputError as error:
        progress.warn(f"WARNING: {error.message}")
        return None


def selection_metric(name_or_file: str) -> SelectionMetric:
    """Return the metric with this name, or the function of a user's file.

    Args:
        name_or_file: "accuracy", "macro-f1", "balanced-accuracy", "log-loss" (negated, so that
            higher is better), or `FILE.py:function`. That function receives labels `(N,)` and
            probabilities `(N, K)` and returns a number; higher is better. It runs in this process
            with the rights of the user: nothing isolates it.

    Raises:
        InputError: The name is unknown, or the file cannot be imported or lacks the function.
    """
    if is_metric_file(name_or_file):
        function, digest = load_metric_file(name_or_file)
        return SelectionMetric(name_or_file, function, digest)
    if name_or_file not in METRICS:
        raise InputError(
            f"unknown metric '{name_or_file}'{did_you_mean(name_or_file, list(METRICS))}",
            f"Choose one of {', '.join(METRICS)}, or your own function: FILE.py:function",
        )
    return SelectionMetric(name_or_file, METRICS[name_or_file])


def _accuracy(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    return float((probabilities.argmax(1) == labels).mean())


def _macro_f1(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Return the mean F1 over the classes that occur among labels or predictions."""
    correct, true, predicted = _count(labels, probabilities)
    occurring = true + predicted > 0
    return float((2 * correct[occurring] / (true + predicted)[occurring]).mean())


def _balanced_accuracy(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    """Return the mean recall over the classes that occur among the labels."""
    correct, true, _ = _count(labels, probabilities)
    occurring = true > 0
    return float((correct[occurring] / true[occurring]).mean())


def _count(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of correct, true and predicted images of each class.

    An ensemble is selected with a thousand scores, and scikit-learn takes 5 ms for each.
    """
    classes, predicted = probabilities.shape[1], probabilities.argmax(1)
    correct = np.bincount(labels[predicted == labels], minlength=classes)
    true = np.bincount(labels, minlength=classes)
    return correct, true, np.bincount(predicted, minlength=classes)


def _negated_log_loss(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> float:
    return -float(cross_entropy(labels, probabilities).mean())


METRICS: dict[str, Score] = {
    "accuracy": _accuracy,
    "macro-f1": _macro_f1,
    "balanced-accuracy": _balanced_accuracy,
    "log-loss": _negated_log_loss,
}
