"""Digests of images, datasets, splits and cache entries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.data._memory_maps import blocks
from headstart.data._types import Dataset, Indices

# Raise this when the files of the cache change their meaning. Old entries are then decoded again.
CACHE_FORMAT = 1


def content_key(*parts: str | bytes) -> str:
    """Return the name of a cache entry: hexadecimal SHA-256 of `parts`, each with its length."""
    return _digest(str(CACHE_FORMAT), *parts)


class PixelHash:
    """BLAKE2b-128 of the shape and the bytes of images of one shape.

    Args:
        shape: Height, width and channels of the images.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._start = hashlib.blake2b(repr(shape).encode(), digest_size=16)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Hash one image. Equal images have equal hashes.

        Returns:
            Uint8 array of shape (16,).
        """
        digest = self._start.copy()
        digest.update(np.ascontiguousarray(image).data)
        return np.frombuffer(digest.digest(), np.uint8)


def hash_images(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Hash the shape and the bytes of each image with BLAKE2b-128.

    Args:
        images: Uint8 array of shape (N, H, W, C).

    Returns:
        Uint8 array of shape (N, 16). Equal images have equal hashes.
    """
    hash_pixels = PixelHash(images.shape[1:])
    hashes = np.empty((len(images), 16), np.uint8)
    for start, block in blocks(images, "looking for equal images"):
        for row, image in enumerate(block, start):
            hashes[row] = hash_pixels(image)
    return hashes


def dataset_fingerprint(
    hashes: NDArray[np.uint8],
    labels: NDArray[np.int64],
    parts: NDArray[np.uint8],
    class_names: tuple[str, ...],
) -> str:
    """Return the hexadecimal SHA-256 of what training uses of a dataset."""
    return _digest(hashes.tobytes(), labels.tobytes(), parts.tobytes(), json.dumps(class_names))


def split_fingerprint(dataset: Dataset, parts: Sequence[Indices]) -> str:
    """Return the hexadecimal SHA-256 of the images and labels of the parts, in order.

    Args:
        dataset: The dataset.
        parts: Int64 indices of the training, validation and test images.
    """
    digest = hashlib.sha256()
    for indices in parts:
        digest.update(len(indices).to_bytes(8, "little"))
        digest.update(dataset.hashes[indices].tobytes())
        digest.update(dataset.labels[indices].astype("<i8").tobytes())
    return digest.hexdigest()


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
