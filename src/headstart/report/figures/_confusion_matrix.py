"""Confusion matrices: their colours and their labelled classes, on pages and in figures."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

# A matrix of more classes has no room for numbers in its cells and for all names.
MAX_CLASSES_WITH_NUMBERS = 20
# In a larger matrix each axis of a page names every n-th class, and at most this many classes.
MAX_LABELLED_CLASSES = 12
_DIAGONAL_ALPHA = 150  # of 255, for a recall of 1


def row_shares(counts: IntArray) -> NDArray[np.float64]:
    """Return counts as shares of their row, the true class; 0 for a class without images."""
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def largest_error_share(matrices: Iterable[IntArray]) -> float:
    """Return the largest share outside the diagonals, which gets the full colour on a page.

    It is 1 without errors.
    """
    largest = 0.0
    for counts in matrices:
        errors = row_shares(counts) * (1 - np.eye(len(counts)))
        largest = max(largest, float(errors.max(initial=0.0)))
    return largest or 1.0


def error_strength(share: float, largest: float) -> float:
    """Return the strength of an error's colour, from 0 to 1.

    The scale is the square root, so that rare errors stay visible next to a frequent one.
    """
    return float(np.sqrt(min(1.0, share / largest)))


def matrix_pixels(counts: IntArray, largest: float, accent: str, neutral: str) -> NDArray[np.uint8]:
    """Return a matrix as an image of one pixel per cell.

    Args:
        counts: Confusion matrix `(K, K)`, one row per true class.
        largest: Share of an error with the full colour.
        accent: Colour of errors, as `#rrggbb`.
        neutral: Colour of the diagonal, whose opacity is the recall.

    Returns:
        RGBA pixels `(K, K, 4)`.
    """
    shares = row_shares(counts)
    pixels = np.empty((*counts.shape, 4), np.uint8)
    pixels[..., :3] = _channels(accent)
    pixels[..., 3] = (255 * np.sqrt(np.minimum(1.0, shares / largest))).round()

    diagonal = np.arange(len(counts))
    pixels[diagonal, diagonal, :3] = _channels(neutral)
    pixels[diagonal, diagonal, 3] = (_DIAGONAL_ALPHA * shares.diagonal()).round()
    return pixels


def labelled_classes(classes: int) -> range:
    """Return the numbers of the classes that an axis names: all, or every n-th of many."""
    if classes <= MAX_CLASSES_WITH_NUMBERS:
        return range(classes)
    return range(0, classes, -(-classes // MAX_LABELLED_CLASSES))


def _channels(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
