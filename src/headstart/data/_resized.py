"""A dataset with all images resized."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.data._cache_entry import as_dataset, open_or_decode
from headstart.data._fingerprints import content_key
from headstart.data._memory_maps import create_map, is_large_map, put, take
from headstart.data._threads import map_in_threads
from headstart.data._types import Dataset, DecodedImages, Resize
from headstart.data.formats.images._decoders import pillow_version
from headstart.data.formats.images._resize import resize_pixels


def resize_dataset(dataset: Dataset, image_size: int, resize: Resize) -> Dataset:
    """Resize all images to squares.

    The result is kept in the cache if the dataset has a source or is a large memory map.

    Args:
        dataset: The dataset.
        image_size: Height and width of the results, in pixels.
        resize: How the images are fitted into the square.
    """
    _, _, channels = dataset.image_shape
    shape = (image_size, image_size, channels)
    if not dataset.source and not is_large_map(dataset.images):
        images = np.empty((len(dataset), *shape), np.uint8)
        resized = _resize_into(images, dataset, resize)
        return as_dataset(resized, dataset.name, "", dataset.options)

    def decode(building: Path) -> DecodedImages:
        return _resize_into(create_map(building, len(dataset), shape), dataset, resize)

    cached = open_or_decode(
        content_key("resized", pillow_version(), dataset.fingerprint, str(image_size), resize),
        decode,
        name=dataset.name,
        source=dataset.source,
        options=dataset.options,
    )
    # The fingerprint covers neither the names of the images nor their groups.
    return replace(
        cached,
        image_names=dataset.image_names,
        groups=dataset.groups,
        unreadable=dataset.unreadable,
    )


def _resize_into(images: NDArray[np.uint8], dataset: Dataset, resize: Resize) -> DecodedImages:
    shape = images.shape[1:]

    def resize_row(row: int) -> None:
        (pixels,) = take(dataset.images, np.array([row]))
        put(images, row, resize_pixels(pixels, shape, resize))

    map_in_threads(resize_row, range(len(dataset)), f"resizing {dataset.name}")
    return DecodedImages(
        images,
        dataset.labels,
        dataset.class_names,
        dataset.parts,
        dataset.image_names,
        dataset.groups,
    )
