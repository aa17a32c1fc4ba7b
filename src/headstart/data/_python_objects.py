"""Datasets that Python code holds in memory: map-style datasets, and mappings of parts to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from headstart import store
from headstart.data._cache_entry import as_dataset
from headstart.data._types import Dataset
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.arrays._python_items import ImageDataset, is_dataset, read_items
from headstart.errors import InputError

DatasetObject = ImageDataset | Mapping[str, ImageDataset]
_GIVE = (
    "Pass a path, a pair (images, labels) of arrays, a dataset whose items are (image, label), or "
    "a mapping such as {'train': train_set, 'test': test_set}."
)


def load_object(source: object, options: LoadOptions) -> Dataset:
    """Read a dataset object of Python into memory. Nothing is cached.

    Args:
        source: A map-style dataset of PyTorch, torchvision or `datasets`, or such datasets by the
            name of their part.
        options: The options of `load`.

    Raises:
        InputError: The object is none of these, or its content is invalid.
    """
    _refuse_others(source)
    with store.scratch_folder() as temporary:
        decoded = read_items(source, options, temporary)  # type: ignore[arg-type]
        in_memory = replace(decoded, images=np.array(decoded.images))
    return as_dataset(in_memory, "dataset", "", options.as_dict())


def _refuse_others(source: object) -> None:
    """Raise an error about any other object, with what to give instead."""
    name = type(source).__name__
    is_column = hasattr(source, "to_frame") and not hasattr(source, "columns")
    if isinstance(source, np.ndarray) or hasattr(source, "detach") or is_column:
        raise InputError("a single array has no labels.", "Pass a pair: (images, labels).")
    if hasattr(source, "to_pandas") and not hasattr(source, "features"):
        raise InputError(
            f"a {name} cannot be read as data: expected a data frame of pandas.",
            "Convert it: data.to_pandas()",
        )
    if is_dataset(source):
        return
    hint = _GIVE
    if hasattr(source, "batch_size") and hasattr(source, "dataset"):
        hint = "A loader returns batches: pass the dataset behind it, loader.dataset."
    elif hasattr(source, "__iter__"):
        hint = f"Iterables without a length are not supported. {_GIVE}"
    raise InputError(f"a {name} cannot be read as data.", hint)
