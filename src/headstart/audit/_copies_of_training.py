"""Evaluated images whose picture is among the training images too, searched in seconds.

The quick audit counts them before a training, and the robustness of a verdict leaves them out.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import (
    Dataset,
    SplitDataset,
    connected_groups,
    content_key,
    find_near_duplicates,
)
from headstart.errors import ResourceError

# Near copies of more images, or of smaller ones, are left to `headstart audit`: the search would
# take more than 2 s, or find what merely looks alike.
MOST_IMAGES, LEAST_PX = 2000, 24
_VERSION = "1"  # Raise this when other images would be found.


def picture_numbers(dataset: Dataset) -> NDArray[np.int64] | None:
    """Return which images show the same picture, from a search that takes seconds.

    Pairs of copies are chained. The result is kept in the cache.

    Args:
        dataset: The dataset.

    Returns:
        Int64 array of shape (N,): images with the same number are copies. None if the images are
        too many or too small for a quick search.
    """
    if len(dataset) > MOST_IMAGES or min(dataset.image_shape[:2]) < LEAST_PX:
        return None
    key = content_key("pictures", _VERSION, dataset.fingerprint)
    path = store.cache_folder() / "pictures" / f"{key}.json"
    known = store.read_json_or(path, None)
    if isinstance(known, list) and len(known) == len(dataset):
        return np.array(known, np.int64)

    pairs = find_near_duplicates(dataset.images, dataset.hashes)
    pictures = connected_groups(len(dataset), pairs.first, pairs.second)
    with suppress(ResourceError):  # A cache that cannot be written ends no study.
        store.write_json(path, pictures.tolist())
    return pictures


def copies_of_training(data: SplitDataset) -> NDArray[np.int64] | None:
    """Return the validation and test images with a near copy among the training images.

    Args:
        data: The dataset and its split.

    Returns:
        Int64 dataset indices, ascending. None as for `picture_numbers`.
    """
    pictures = picture_numbers(data.dataset)
    if pictures is None:
        return None
    split = data.split
    evaluated = np.concatenate([split.validation, split.test])
    return np.sort(evaluated[np.isin(pictures[evaluated], pictures[split.train])])
