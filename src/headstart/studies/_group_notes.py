"""The sentence of a study about images that belong together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation import (
    accuracy_interval,
    count_groups,
    describe_groups,
    groups_to_resample,
)
from headstart.formatting import percent_interval


def group_notes(
    correct: Mapping[str, NDArray[np.bool_]], part: str, groups: NDArray[np.int64] | None
) -> list[str]:
    """Return a sentence about the interval of the most accurate entry, with and without groups.

    Args:
        correct: Boolean arrays of shape (S, N) by the name of the entry, True where a prediction
            is correct.
        part: Name of the images.
        groups: Int64 array of shape (N,) with the group of each image, or None.

    Returns:
        A list with one note of two or three sentences. Empty without groups or complete entries.
    """
    if groups is None or not correct:
        return []

    best = max(correct, key=lambda name: float(correct[name].mean()))
    runs = correct[best]
    images = runs.shape[1]
    over_images = None
    if groups_to_resample(groups, images) is not None:
        over_images = percent_interval(accuracy_interval(runs), images)

    grouped = percent_interval(accuracy_interval(runs, groups=groups), images)
    what, number = f"the accuracy of {best}", count_groups(groups)
    sentence = describe_groups(images, part, number, what, grouped, over_images)
    return [] if sentence is None else [sentence]
