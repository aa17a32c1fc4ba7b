"""Selection of the images that a report shows.

The images of a gallery are drawn at random, so that they represent the correct and the incorrect
predictions. Those behind the cells of a confusion matrix are the worst ones of each cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

GALLERY_SIZE = 9
# A report shows at most so many images of one cell.
WORST_PER_ERROR_CELL, WORST_PER_CORRECT_CELL = 48, 12
Rows = NDArray[np.int64]


def choose_gallery(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating], seed: int
) -> tuple[Rows, Rows]:
    """Draw up to nine correctly and up to nine incorrectly classified images.

    Both groups are drawn uniformly without replacement. The most confident errors would make a more
    dramatic gallery. However, they are often mislabelled or unusual images and say little about the
    other errors.

    Args:
        labels: True classes of shape (N,).
        probabilities: Class probabilities of shape (N, K). The prediction is the most probable
            class, the first of several equal ones.
        seed: Seed of the draw.

    Returns:
        Row numbers of the correct and of the incorrect images, each ascending, int64. A group
        has fewer than nine rows if there are fewer such images.

    Raises:
        InputError: The two arrays do not have one row per image.
    """
    _check_rows(labels, probabilities)
    is_correct = probabilities.argmax(axis=1) == labels
    generator = np.random.default_rng(seed)

    correct = _draw(np.flatnonzero(is_correct), generator)
    incorrect = _draw(np.flatnonzero(~is_correct), generator)
    return correct, incorrect


def choose_worst(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating], limit: int
) -> Rows:
    """Choose the worst images of each cell of a confusion matrix.

    An image is the worse, the smaller the probability of its true class. The cells take turns: the
    worst image of every cell comes before the second worst of any. In one turn, cells with more
    images come first, because a limit should not hide the frequent confusions.

    Args:
        labels: True classes of shape (N,).
        probabilities: Class probabilities of shape (N, K).
        limit: Number of images to choose.

    Returns:
        Row numbers of the chosen images in this order, int64. There are fewer than `limit` of them
        if there are fewer images, or if cells have more than the 48 errors or 12 correct
        predictions that a report shows.

    Raises:
        InputError: The two arrays do not have one row per image.
    """
    _check_rows(labels, probabilities)
    rows = np.arange(len(labels))
    true_class = probabilities[rows, labels]
    predicted = probabilities.argmax(axis=1)
    cells = labels * probabilities.shape[1] + predicted

    worst_first = np.lexsort((rows, true_class, cells))
    _, starts, counts = np.unique(cells[worst_first], return_index=True, return_counts=True)
    turns = np.empty(len(rows), np.int64)
    turns[worst_first] = rows - np.repeat(starts, counts)
    sizes = np.empty(len(rows), np.int64)
    sizes[worst_first] = np.repeat(counts, counts)

    is_correct = predicted == labels
    is_shown = turns < np.where(is_correct, WORST_PER_CORRECT_CELL, WORST_PER_ERROR_CELL)
    order = np.lexsort((rows, true_class, -sizes, turns))
    return order[is_shown[order]][:limit].astype(np.int64)


def _check_rows(labels: NDArray[np.int64], probabilities: NDArray[np.floating]) -> None:
    if probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise InputError(
            "invalid probabilities: expected one row per label, "
            f"got shape {probabilities.shape} for {len(labels)} labels."
        )


def _draw(rows: Rows, generator: np.random.Generator) -> Rows:
    drawn = generator.choice(rows, size=min(GALLERY_SIZE, len(rows)), replace=False)
    return np.sort(drawn).astype(np.int64)
