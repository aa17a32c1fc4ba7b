"""Which images the galleries show: drawn at random, so that they represent what the model gets right and wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError

GALLERY_SIZE = 9
Rows = NDArray[np.int64]


def choose_gallery(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating], seed: int
) -> tuple[Rows, Rows]:
    """Draw up to nine images that a model classifies rightly and up to nine that it does not.

    Both are drawn uniformly, without replacement. The most confident errors would make a more dramatic gallery, and would say
    little about the others: they are the mislabelled and the odd images.

    Args:
        labels: `(N,)` true classes.
        probabilities: `(N, K)`, one row an image; the largest is the prediction, the first of equal ones.
        seed: of the draw.

    Returns:
        Rows of the nine right and of the nine wrong images, int64, ascending; fewer where there are fewer.

    Raises:
        InputError: the two arrays do not hold the same images.
    """
    if probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise InputError(
            f"a gallery needs one row of probabilities an image: {len(labels)} labels, "
            f"but probabilities of shape {probabilities.shape}."
        )
    is_right = probabilities.argmax(axis=1) == labels
    generator = np.random.default_rng(seed)
    right, wrong = (_draw(np.flatnonzero(flags), generator) for flags in (is_right, ~is_right))
    return right, wrong


def _draw(rows: Rows, generator: np.random.Generator) -> Rows:
    picked = generator.choice(rows, size=min(GALLERY_SIZE, len(rows)), replace=False)
    return np.sort(picked).astype(np.int64)
