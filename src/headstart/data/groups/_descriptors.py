"""Descriptors of images, of which near duplicates have nearly equal ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.data._memory_maps import blocks

LARGEST_THUMBNAIL_PX = 32
CELLS = 5  # per row and column. Fewer cells tolerate larger crops, and more tell more images apart.
DIRECTIONS = 8
# Whitened components. On CIFAR-10, 96 to 192 find the same duplicates.
COMPONENTS = 128
# Share of the mean variance that is added to each one. It keeps noise from being amplified.
_RIDGE = 1e-2
_RIDGE_IMAGES = 100
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_FIT_IMAGES = 20_000
_BLOCK = 1000

FloatArray = NDArray[np.float32]


def make_thumbnails(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the luminance of each image as a square of at most 32 pixels.

    Args:
        images: Uint8 array of shape (N, H, W, C), which may be a memory map.

    Returns:
        Uint8 array of shape (N, S, S). S is even.
    """
    _, height, width, _ = images.shape
    size = max(8, min(height, width, LARGEST_THUMBNAIL_PX) // 2 * 2)
    rows, columns = resampling_matrix(height, size), resampling_matrix(width, size)
    thumbnails = np.empty((len(images), size, size), np.uint8)
    for start, block in blocks(images, "making thumbnails"):
        for first in range(0, len(block), _BLOCK):
            part = block[first : first + _BLOCK]
            small = rows @ luminance(part) @ columns.T
            thumbnails[start + first : start + first + len(part)] = np.rint(small)
    return thumbnails


def luminance(images: NDArray[np.uint8]) -> FloatArray:
    """Return the luminance of images, float32 of shape (N, H, W), from 0 to 255."""
    if images.shape[-1] == 1:
        return images[..., 0].astype(np.float32)
    result: FloatArray = images.astype(np.float32) @ _LUMINANCE
    return result


def resampling_matrix(old: int, new: int) -> FloatArray:
    """Return the matrix of shape (new, old) that resamples a line with a triangular filter.

    A shorter line averages over pixels, a longer one interpolates between them.
    """
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    distances = np.abs(centres[:, None] - np.arange(old)[None, :])
    weights = np.maximum(0, 1 - distances / max(scale, 1.0))
    normalised: FloatArray = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised


def gradient_histograms(thumbnails: NDArray[np.uint8]) -> FloatArray:
    """Return how strong the edges of each direction are in each cell of a thumbnail.

    Args:
        thumbnails: Uint8 array of shape (N, S, S).

    Returns:
        Float32 array of shape (N, CELLS, CELLS, DIRECTIONS), with unit mean square per cell.
    """
    pixels = thumbnails.astype(np.float32)
    down, right = np.zeros_like(pixels), np.zeros_like(pixels)
    down[:, 1:-1] = pixels[:, 2:] - pixels[:, :-2]
    right[:, :, 1:-1] = pixels[:, :, 2:] - pixels[:, :, :-2]

    pooling = resampling_matrix(pixels.shape[1], CELLS)
    histograms = np.empty((len(pixels), CELLS, CELLS, DIRECTIONS), np.float32)
    for direction in range(DIRECTIONS):
        angle = 2 * np.pi * direction / DIRECTIONS
        edges = np.maximum(0, np.cos(angle) * right + np.sin(angle) * down)
        histograms[..., direction] = pooling @ edges @ pooling.T
    # The root keeps one strong edge from deciding alone.
    np.sqrt(histograms, out=histograms)
    mean_square = np.mean(histograms**2, axis=(1, 2, 3), keepdims=True)
    histograms /= np.sqrt(mean_square + 1e-6)
    return histograms


def crop_thumbnails(thumbnails: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Return the central part of thumbnails, enlarged to their size.

    Args:
        thumbnails: Uint8 array of shape (N, S, S).
        share: Height and width of the part, as a share of S.
    """
    size = thumbnails.shape[1]
    centres = (np.arange(size) - (size - 1) / 2) * share + (size - 1) / 2
    weights = np.maximum(0, 1 - np.abs(centres[:, None] - np.arange(size)[None, :]))
    enlarged = weights.astype(np.float32) @ thumbnails @ weights.T.astype(np.float32)
    pixels: NDArray[np.uint8] = np.rint(enlarged).astype(np.uint8)
    return pixels


def mirror_histograms(histograms: FloatArray) -> FloatArray:
    """Return the histograms that the mirrored images have."""
    mirrored = (DIRECTIONS // 2 - np.arange(DIRECTIONS)) % DIRECTIONS
    return histograms[:, :, ::-1][..., mirrored]


def ridge_share(count: int) -> float:
    """Return the share of the mean variance that whitening adds to each one.

    The components of few images are mostly noise, which a larger share keeps small.
    """
    return max(_RIDGE, _RIDGE_IMAGES / max(count, 1))


class Whitening:
    """Principal components of descriptors, scaled so that common shapes count little.

    Args:
        vectors: Float32 array of shape (N, D), the descriptors of a dataset.
    """

    def __init__(self, vectors: FloatArray) -> None:
        sample = vectors[:: max(1, len(vectors) // _FIT_IMAGES)]
        self._mean = sample.mean(axis=0)
        centred = sample - self._mean
        variances, directions = np.linalg.eigh(centred.T @ centred / len(sample))
        variances, directions = variances[::-1][:COMPONENTS], directions[:, ::-1][:, :COMPONENTS]
        ridge = ridge_share(len(sample)) * max(float(variances.mean()), 1e-6)
        self._matrix = (directions / np.sqrt(np.maximum(variances, 0) + ridge)).astype(np.float32)

    @property
    def components(self) -> int:
        """Number of components, at most COMPONENTS."""
        return int(self._matrix.shape[1])

    def apply(self, vectors: FloatArray) -> FloatArray:
        """Return whitened vectors of length 1, float32 of shape (N, at most COMPONENTS)."""
        whitened = (vectors - self._mean) @ self._matrix
        lengths = np.linalg.norm(whitened, axis=1, keepdims=True)
        result: FloatArray = whitened / np.maximum(lengths, 1e-6)
        return result
