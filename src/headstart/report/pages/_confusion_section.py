"""The section of confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.data import data_uri
from headstart.evaluation import Confusion, most_confused
from headstart.report._study import Entries, Entry, confusion_counts
from headstart.report.figures._confusion_matrix import (
    MAX_CLASSES_WITH_NUMBERS,
    error_strength,
    labelled_classes,
    largest_error_share,
    matrix_pixels,
    row_shares,
)
from headstart.report.figures._style import DARK, LIGHT
from headstart.report.pages._page import representative_seed

# A matrix with numbers shows the frequent errors itself, so fewer pairs are listed below it.
MAX_PAIRS_WITH_NUMBERS, MAX_PAIRS_WITHOUT_NUMBERS = 8, 20


@dataclass(frozen=True)
class ConfusionCell:
    """One cell: a number of images, its share of the row, and the strength of its colour."""

    count: int
    share: float
    strength: float
    is_correct: bool


@dataclass(frozen=True)
class ConfusionMatrix:
    """The confusion matrix of one entry.

    Attributes:
        entry: The entry.
        seed: Seed of the run, if its metrics exist.
        folds: Number of folds whose errors are added; 0 for those of one run.
        counts: Confusion matrix `(K, K)`, one row per true class.
        largest: The share of an error with the full colour.
        rows: The cells; empty for a matrix that is drawn as an image.
        images: The matrix as an image in the light and the dark theme; empty for cells.
        ticks: The labelled classes of an image, with their position in percent.
        pairs: The most confused pairs of classes.
        single_pairs: Number of pairs with a single image that are left out.
        errors: Number of incorrectly classified images.
        only_prediction: The class that all images of several classes are predicted as, or None.
    """

    entry: Entry[object]
    seed: int | None
    folds: int
    counts: NDArray[np.int64]
    largest: float
    rows: tuple[tuple[ConfusionCell, ...], ...]
    images: tuple[str, str] | None
    ticks: tuple[tuple[str, float], ...]
    pairs: tuple[Confusion, ...]
    single_pairs: int
    errors: int
    only_prediction: int | None


def confusion_matrices(
    entries: Entries, part: str, class_names: Sequence[str]
) -> list[ConfusionMatrix]:
    """Return the matrices of the representative runs or of all folds, on one colour scale."""
    all_counts = [(entry, confusion_counts(entry, part)) for entry in entries]
    matrices = [(entry, counts) for entry, counts in all_counts if counts is not None]
    largest = largest_error_share([counts for _, counts in matrices])
    return [_confusion_matrix(entry, counts, largest, class_names) for entry, counts in matrices]


def _confusion_matrix(
    entry: Entry[object],
    counts: NDArray[np.int64],
    largest: float,
    class_names: Sequence[str],
) -> ConfusionMatrix:
    has_numbers = len(class_names) <= MAX_CLASSES_WITH_NUMBERS
    pairs, single_pairs = listed_pairs(counts)
    max_pairs = MAX_PAIRS_WITH_NUMBERS if has_numbers else MAX_PAIRS_WITHOUT_NUMBERS
    return ConfusionMatrix(
        entry,
        representative_seed(entry.representative),
        len(entry.fold_runs),
        counts,
        largest,
        rows=_cells(counts, largest) if has_numbers else (),
        images=None if has_numbers else _images(entry, counts, largest),
        ticks=() if has_numbers else _ticks(class_names),
        pairs=tuple(pairs[:max_pairs]),
        single_pairs=single_pairs,
        errors=int(counts.sum() - np.trace(counts)),
        only_prediction=_only_prediction(counts),
    )


def _only_prediction(counts: NDArray[np.int64]) -> int | None:
    """Return the class that all images of several classes are predicted as, or None."""
    predicted = np.flatnonzero(counts.sum(axis=0))
    true_classes = np.count_nonzero(counts.sum(axis=1))
    return int(predicted[0]) if len(predicted) == 1 and true_classes > 1 else None


def listed_pairs(counts: NDArray[np.int64]) -> tuple[list[Confusion], int]:
    """Return the confused pairs, and how many pairs with a single image were left out.

    Pairs with more images come first, then those with the larger share. A single image says nothing
    about a pair of classes, although its share of a small class is large. Such pairs are listed
    only in the absence of others.
    """
    pairs = most_confused(counts, int(np.count_nonzero(counts)))
    pairs = sorted(pairs, key=lambda pair: (-pair.count, -pair.rate))
    repeated = [pair for pair in pairs if pair.count > 1]
    return (repeated, len(pairs) - len(repeated)) if repeated else (pairs, 0)


def _cells(counts: NDArray[np.int64], largest: float) -> tuple[tuple[ConfusionCell, ...], ...]:
    shares = row_shares(counts)
    rows: list[tuple[ConfusionCell, ...]] = []
    for true in range(len(counts)):
        row: list[ConfusionCell] = []
        for predicted in range(len(counts)):
            share = float(shares[true, predicted])
            is_correct = true == predicted
            strength = share if is_correct else error_strength(share, largest)
            count = int(counts[true, predicted])
            row.append(ConfusionCell(count, share, round(strength, 3), is_correct))
        rows.append(tuple(row))
    return tuple(rows)


def _images(entry: Entry[object], counts: NDArray[np.int64], largest: float) -> tuple[str, str]:
    """Return the matrix as data URIs, in the light and the dark theme."""
    light, dark = (
        data_uri(matrix_pixels(counts, largest, theme.accent(entry.place), theme.soft))
        for theme in (LIGHT, DARK)
    )
    return light, dark


def _ticks(class_names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Return the labelled classes, each with the middle of its row in percent of the matrix."""
    classes = len(class_names)
    return tuple(
        (class_names[number], round(100 * (number + 0.5) / classes, 3))
        for number in labelled_classes(classes)
    )
