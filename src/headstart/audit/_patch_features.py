"""Features of small images without any trained network: responses of typical patches.

They need no weights and no download. They describe digits, drawings and other small grey images
better than ImageNet features do (benchmarks/data.md).

References:
    Coates, Ng and Lee (2011), "An analysis of single-layer networks in unsupervised feature
    learning".
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from headstart import machine, progress
from headstart.classifier import as_floats
from headstart.data import Dataset, take

_LARGEST_SIDE_PX = 32
_PATCH_PX = 6
_FILTERS = 128
_CELLS_PER_SIDE = 4
_PATCHES_PER_IMAGE = 5
_IMAGES_FOR_PATCHES = 4000
_ROUNDS_OF_K_MEANS = 5
_IMAGES_PER_BATCH = 128

# Added to the variance of a patch, in squared grey levels of 255. Flatter patches stay flat instead
# of becoming amplified noise.
_FLAT_VARIANCE = 40.0
_WHITENING = 0.1
_THRESHOLD = 0.25


@dataclass(frozen=True)
class _Filters:
    """Typical patches as a convolution.

    Attributes:
        weights: Float tensor of shape (filters, C, size, size), whitening included.
        offsets: Response of each filter to the mean patch, shape (filters, 1, 1).
    """

    weights: Tensor
    offsets: Tensor


def patch_features(dataset: Dataset, seed: int = 0) -> NDArray[np.float16]:
    """Describe each image by where it contains which typical patch.

    Patches of 6x6 pixels are normalised and whitened. Spherical k-means finds their typical
    directions. Responses above a threshold are averaged over a grid of 4x4 cells. Images larger
    than 32 pixels are reduced first.

    Args:
        dataset: The images. Labels are not used.
        seed: Seed of the patches that are sampled.

    Returns:
        Float16 array of shape (N, features), at most 2,048 features.
    """
    filters = _find_typical_patches(dataset, seed)
    rows = np.arange(len(dataset))
    starts = range(0, len(rows), _IMAGES_PER_BATCH)
    batches = [rows[start : start + _IMAGES_PER_BATCH] for start in starts]
    parts = []

    def compute(batch: NDArray[np.int64]) -> NDArray[np.float16]:
        torch.set_num_threads(1)  # each thread works on a batch of its own
        with torch.inference_mode():
            return _respond(_read_reduced(dataset, batch), filters)

    threads = torch.get_num_threads()
    try:
        with (
            progress.task("patches of the images", len(rows), "images") as task,
            ThreadPoolExecutor(machine.usable_cores()) as pool,
        ):
            for values in pool.map(compute, batches):
                parts.append(values)
                task.advance(len(values))
    finally:
        torch.set_num_threads(threads)
    return np.concatenate(parts)


def _read_reduced(dataset: Dataset, rows: NDArray[np.int64]) -> Tensor:
    """Return images as floats from 0 to 255, (n, C, H, W), of at most 32 pixels."""
    images = as_floats(take(dataset.images, rows), torch.device("cpu"))
    height, width = images.shape[2:]
    scale = _LARGEST_SIDE_PX / max(height, width)
    if scale >= 1:
        return images
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return functional.interpolate(images, size=size, mode="area")


def _find_typical_patches(dataset: Dataset, seed: int) -> _Filters:
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(dataset))[:_IMAGES_FOR_PATCHES])
    images = _read_reduced(dataset, rows)
    channels, height, width = images.shape[1:]
    size = max(1, min(_PATCH_PX, min(height, width) // 2))

    patches = []
    for _ in range(_PATCHES_PER_IMAGE):
        top = int(rng.integers(0, height - size + 1))
        left = int(rng.integers(0, width - size + 1))
        patches.append(images[:, :, top : top + size, left : left + size].flatten(1))
    flat = torch.cat(patches).numpy().astype(np.float64)

    flat -= flat.mean(1, keepdims=True)
    flat /= np.sqrt(flat.var(1, keepdims=True) + _FLAT_VARIANCE)
    mean = flat.mean(0)
    variances, directions = np.linalg.eigh(np.cov((flat - mean).T).reshape(len(mean), -1))
    whitening = (directions / np.sqrt(np.maximum(variances, 0) + _WHITENING)) @ directions.T
    typical = _spherical_k_means((flat - mean) @ whitening, rng)

    weights = whitening @ typical.T
    return _Filters(
        weights=torch.from_numpy(weights.T.reshape(-1, channels, size, size)).float(),
        offsets=torch.from_numpy(mean @ weights).float()[:, None, None],
    )


def _spherical_k_means(
    points: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return directions of unit length, float64 of shape (filters, D)."""
    centres = _to_unit_length(points[rng.permutation(len(points))[:_FILTERS]])
    for _ in range(_ROUNDS_OF_K_MEANS):
        nearest = (points @ centres.T).argmax(1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, points)
        is_empty = np.bincount(nearest, minlength=len(centres)) == 0
        sums[is_empty] = centres[is_empty]
        centres = _to_unit_length(sums)
    return centres


def _to_unit_length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float64] = vectors / np.maximum(lengths, 1e-9)
    return unit


def _respond(images: Tensor, filters: _Filters) -> NDArray[np.float16]:
    """Return the pooled responses of the normalised patches to the filters, shape (n, features)."""
    size = filters.weights.shape[2]
    mean = functional.avg_pool2d(images, size, 1).mean(1, keepdim=True)
    square = functional.avg_pool2d(images.square(), size, 1).mean(1, keepdim=True)
    std = (square - mean.square()).clamp_min(0).add(_FLAT_VARIANCE).sqrt()

    responses = functional.conv2d(images, filters.weights)
    responses -= mean * filters.weights.sum((1, 2, 3))[:, None, None]
    responses /= std
    responses -= filters.offsets + _THRESHOLD
    cells = min(_CELLS_PER_SIDE, *responses.shape[2:])
    pooled = functional.adaptive_avg_pool2d(responses.relu_(), cells)
    features: NDArray[np.float16] = pooled.flatten(1).half().numpy()
    return features
