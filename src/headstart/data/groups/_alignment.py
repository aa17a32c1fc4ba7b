"""Alignment of two pictures: which shift, scale and contrast makes one of them the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart.data.groups._descriptors import ridge_share

FloatArray = NDArray[np.float32]

_SMALLEST_SCALE, _LARGEST_SCALE = 0.7, 1.45
_LARGEST_SHIFT = 0.35  # in half widths
_LARGEST_STEP = 0.15
_DAMPING = 1e-3
_SMALLEST_GAIN = 0.2
_WHITENING_IMAGES = 5000
_COMPONENTS = 256
_SMALLEST_VARIANCE = 1e-3  # of pixels from 0 to 255
IDENTITY = np.array([1, 0, 1, 0], np.float32)


class Comparison(NamedTuple):
    """How P pictures are moved onto P others, and how alike they are then.

    Attributes:
        motion: Float32 array of shape (P, 4): vertical scale and shift, horizontal scale and
            shift. Shifts are in half heights and half widths.
        likeness: Float32 array of shape (P,), from 0 to 1. See `measure_likeness`.
    """

    motion: FloatArray
    likeness: FloatArray


class PixelWhitening:
    """Principal components of thumbnails, scaled so that common shapes count little.

    Args:
        thumbnails: Uint8 array of shape (N, S, S).
    """

    def __init__(self, thumbnails: NDArray[np.uint8]) -> None:
        sample = thumbnails[:: max(1, len(thumbnails) // _WHITENING_IMAGES)].astype(np.float32)
        sample = np.concatenate([sample, sample[:, :, ::-1]]).reshape(2 * len(sample), -1)
        self._mean = sample.mean(axis=0)
        centred = sample - self._mean
        variances, directions = np.linalg.eigh(centred.T @ centred / len(sample))
        variances = np.maximum(variances[::-1][:_COMPONENTS], 0)
        directions = directions[:, ::-1][:, :_COMPONENTS]
        ridge = ridge_share(len(sample)) * max(float(variances.mean()), 1.0)
        self._matrix = (directions / np.sqrt(variances + ridge)).astype(np.float32)

    def apply(self, pictures: FloatArray) -> FloatArray:
        """Return whitened pixels, float32 of shape (P, at most 256)."""
        whitened: FloatArray = (pictures.reshape(len(pictures), -1) - self._mean) @ self._matrix
        return whitened


def align(fixed: FloatArray, moving: FloatArray, motion: FloatArray, steps: int) -> FloatArray:
    """Move pictures onto others by Gauss-Newton steps on shift, scale, gain and offset.

    Args:
        fixed: Float32 array of shape (P, S, S).
        moving: Float32 array of the same shape.
        motion: Float32 array of shape (P, 4) to start from. See `Alignment`.
        steps: Number of steps.

    Returns:
        The motion after the last step.

    References:
        Lucas and Kanade (1981), with gain and offset as in Evangelidis and Psarakis (2008).
    """
    count, size, _ = fixed.shape
    axis = np.linspace(-1, 1, size).astype(np.float32)
    down, right = axis[None, :, None], axis[None, None, :]
    for _ in range(steps):
        moved, mask = move(moving, motion)
        # Derivatives by the motion: positions are in half widths.
        slope_down = np.gradient(moved, axis=1) * (size - 1) / 2 / motion[:, 0, None, None]
        slope_right = np.gradient(moved, axis=2) * (size - 1) / 2 / motion[:, 2, None, None]
        columns = (moved, 1, slope_down * down, slope_down, slope_right * right, slope_right)
        design = np.stack([column * mask for column in columns], axis=1).reshape(count, 6, -1)
        target = (fixed * mask).reshape(count, -1, 1)

        normal = (design @ design.transpose(0, 2, 1)).astype(np.float64)
        diagonal = np.einsum("pii->pi", normal)
        diagonal += _DAMPING * diagonal + 1e-6
        solution = np.linalg.solve(normal, (design @ target).astype(np.float64))[..., 0]

        gain = solution[:, :1]
        gain = np.where(np.abs(gain) < _SMALLEST_GAIN, _SMALLEST_GAIN, gain)
        step = np.clip(solution[:, 2:] / gain, -_LARGEST_STEP, _LARGEST_STEP)
        motion = _within_limits((motion + step).astype(np.float32))
    return motion


def invert(motion: FloatArray) -> FloatArray:
    """Return the motions that undo others."""
    scale, shift = motion[:, [0, 2]], motion[:, [1, 3]]
    inverse = np.empty_like(motion)
    inverse[:, [0, 2]] = 1 / scale
    inverse[:, [1, 3]] = -shift / scale
    return inverse


def measure_likeness(
    fixed: FloatArray, moving: FloatArray, motion: FloatArray, whitening: PixelWhitening
) -> FloatArray:
    """Measure how alike pictures are after a motion.

    What gain, offset, blur and a small rest of the motion explain is not counted as a difference.
    The distance is the geometric mean of two: of details, and of the variance of the pixels that
    stays unexplained. Details are the smaller of two correlations: of neighbouring pixels'
    differences, and of whitened pixels, in which common shapes count little. A small picture that
    was resized loses details, but hardly any variance: by details alone, a resized shirt of 28
    pixels is as far from its original as other shirts are.

    Returns:
        1 minus the distance, float32 of shape (P,): 1 for equal pictures, 0 for pictures that have
        nothing in common.
    """
    moved, mask = move(moving, motion)
    explained = np.where(mask > 0, _explain(fixed, moved, mask), fixed)
    edges = _cosine(_differences(fixed), _differences(explained))
    whitened = _cosine(whitening.apply(fixed), whitening.apply(explained))
    details = np.clip(1 - np.minimum(edges, whitened), 0, 1)

    pixels = np.maximum(mask.sum(axis=(1, 2)), 1)
    residual = np.square(fixed - explained).sum(axis=(1, 2)) / pixels
    variance = np.maximum(fixed.var(axis=(1, 2)), _SMALLEST_VARIANCE)
    unexplained = np.clip(residual / variance, 0, 1)
    likeness: FloatArray = (1 - np.sqrt(details * unexplained)).astype(np.float32)
    return likeness


def _explain(fixed: FloatArray, moved: FloatArray, mask: FloatArray) -> FloatArray:
    """Return what a linear model of the moved pictures explains of the fixed ones."""
    size = fixed.shape[1]
    axis = np.linspace(-1, 1, size).astype(np.float32)
    down, right = axis[None, :, None], axis[None, None, :]
    slope_down, slope_right = np.gradient(moved, axis=1), np.gradient(moved, axis=2)
    # The Laplacian and its square model a blur, as resampling makes it.
    blur = _laplacian(moved)
    columns = np.stack(
        [
            moved,
            np.ones_like(moved),
            blur,
            _laplacian(blur),
            slope_down,
            slope_right,
            slope_down * down,
            slope_right * right,
        ],
        axis=1,
    )
    design = (columns * mask[:, None]).reshape(*columns.shape[:2], -1).astype(np.float64)
    target = (fixed * mask).reshape(len(fixed), -1, 1).astype(np.float64)
    normal = design @ design.transpose(0, 2, 1)
    diagonal = np.einsum("pii->pi", normal)
    diagonal += 1e-4 * diagonal + 1e-3
    weights = np.linalg.solve(normal, design @ target)[..., 0].astype(np.float32)
    explained: FloatArray = np.einsum("pk,pkyx->pyx", weights, columns)
    return explained


def _laplacian(pictures: FloatArray) -> FloatArray:
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    result: FloatArray = around - 4 * pictures
    return result


def move(moving: FloatArray, motion: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Move pictures, by linear interpolation.

    Returns:
        The moved pictures, and a mask of the same shape: 1 where the pixel lies within the
        picture, else 0.
    """
    # Scales and shifts act on rows and columns separately, so they are matrix products.
    rows, has_row = _interpolation(motion[:, 0], motion[:, 1], moving.shape[1])
    columns, has_column = _interpolation(motion[:, 2], motion[:, 3], moving.shape[2])
    moved = (rows @ moving @ columns.transpose(0, 2, 1)).astype(np.float32, copy=False)
    return moved, has_row[:, :, None] * has_column[:, None, :]


def _interpolation(
    scale: FloatArray, shift: FloatArray, size: int
) -> tuple[FloatArray, FloatArray]:
    axis: FloatArray = np.linspace(-1, 1, size).astype(np.float32)
    position: FloatArray = scale[:, None] * axis + shift[:, None]
    pixel = (position + 1) * ((size - 1) / 2)
    distance = np.abs(pixel[:, :, None] - np.arange(size, dtype=np.float32))
    weights = np.maximum(0, 1 - distance).astype(np.float32)
    is_inside = (np.abs(position) <= 1 + 1e-4).astype(np.float32)
    return weights, is_inside


def _within_limits(motion: FloatArray) -> FloatArray:
    motion[:, [0, 2]] = np.clip(motion[:, [0, 2]], _SMALLEST_SCALE, _LARGEST_SCALE)
    motion[:, [1, 3]] = np.clip(motion[:, [1, 3]], -_LARGEST_SHIFT, _LARGEST_SHIFT)
    return motion


def _differences(pictures: FloatArray) -> FloatArray:
    """Return vertical and horizontal differences, of shape (P, S - 2, S - 2, 2)."""
    down = pictures[:, 2:, 1:-1] - pictures[:, :-2, 1:-1]
    right = pictures[:, 1:-1, 2:] - pictures[:, 1:-1, :-2]
    return np.stack([down, right], axis=-1)


def _cosine(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the cosine of each pair of vectors, of any shape."""
    left, right = left.reshape(len(left), -1), right.reshape(len(right), -1)
    squares = (left * left).sum(axis=1) * (right * right).sum(axis=1)
    cosine: FloatArray = (left * right).sum(axis=1) / np.sqrt(squares + 1e-6)
    return cosine
