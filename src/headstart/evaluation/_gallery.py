"""Selection of the images that a gallery shows.

Images are drawn at random, so that they represent the correct and the incorrect predictions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

GALLERY_SIZE = 9
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
    if probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise InputError(
            "invalid probabilities: expected one row per label, "
            f"got shape {probabilities.shape} for {len(labels)} labels."
        )
    is_correct = probabilities.argmax(axis=1) == labels
    generator = np.random.default_rng(seed)

    correct = _draw(np.flatnonzero(is_correct), generator)
    incorrect = _draw(np.flatnonzero(~is_correct), generator)
    return correct, incorrect


def _draw(rows: Rows, generator: np.random.Generator) -> Rows:
    drawn = generator.choice(rows, size=min(GALLERY_SIZE, len(rows)), replace=False)
    return np.sort(drawn).astype(np.int64)
