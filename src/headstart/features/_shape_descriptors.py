"""Descriptors of images that need no pretrained weights: oriented gradients and colours."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from headstart.data import take

_SIZE = 32
_ORIENTATIONS = 8
# Times of blurring, and cells along each edge. Without blurring, noise hides shapes; with it,
# photographs lose texture.
_SCALES = ((0, 8), (1, 8), (4, 4))
_COLOUR_CELLS, _COLOUR_LEVELS = 8, 4
# Chosen on drawn shapes and on ants and bees, where the probe is weakest.
_GRADIENT_WEIGHT, _PLACE_WEIGHT, _COLOUR_WEIGHT = 0.7, 0.5, 0.7
_CHUNK_BYTES = 1 << 26


def shrink(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> Tensor:
    """Return images at 32x32 pixels, float tensor of shape (n, C, 32, 32) from 0 to 1.

    Args:
        images: uint8 array of shape (N, H, W, C).
        rows: int64 indices of the images, ascending, of shape (n,).
    """
    per_chunk = max(1, _CHUNK_BYTES // int(np.prod(images.shape[1:])))
    parts = []
    for start in range(0, len(rows), per_chunk):
        pixels = torch.from_numpy(take(images, rows[start : start + per_chunk]))
        chunk = pixels.permute(0, 3, 1, 2).float() / 255
        parts.append(functional.interpolate(chunk, (_SIZE, _SIZE), mode="bilinear", antialias=True))
    return torch.cat(parts)


def describe_shapes(images: Tensor) -> NDArray[np.float64]:
    """Return a descriptor of each image: oriented gradients at three scales, and colours.

    Args:
        images: Float tensor of shape (n, C, 32, 32), from 0 to 1.

    Returns:
        Float64 array of shape (n, d). Distances of its parts are comparable.

    References:
        Dalal and Triggs (2005), "Histograms of oriented gradients for human detection".
    """
    grey = images.mean(1, keepdim=True)
    parts = []
    for blurs, cells in _SCALES:
        gradients = _gradient_histograms(_blur(grey, blurs), cells)
        gradients /= gradients.norm(dim=1, keepdim=True) + 1e-3
        parts.append(_GRADIENT_WEIGHT * _unit_scale(gradients))

    places = functional.adaptive_avg_pool2d(images, _COLOUR_CELLS).flatten(1)
    parts.append(_PLACE_WEIGHT * _unit_scale(places))
    parts.append(_COLOUR_WEIGHT * _unit_scale(_colour_histogram(images)))
    return torch.cat(parts, 1).double().numpy()


def _blur(grey: Tensor, times: int) -> Tensor:
    """Convolve with a binomial kernel, which makes gradients robust to noise."""
    row = torch.tensor([0.25, 0.5, 0.25])
    kernel = torch.outer(row, row)[None, None]
    for _ in range(times):
        grey = functional.conv2d(functional.pad(grey, (1, 1, 1, 1), mode="replicate"), kernel)
    return grey


def _gradient_histograms(grey: Tensor, cells: int) -> Tensor:
    """Return histograms of signed gradients in cells, shape (n, orientations x cells^2)."""
    padded = functional.pad(grey, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    strength = (across**2 + down**2).sqrt()
    orientation = torch.atan2(down, across) * (_ORIENTATIONS / (2 * math.pi))

    half = _ORIENTATIONS / 2
    planes = []
    for number in range(_ORIENTATIONS):
        distance = (orientation - number + half) % _ORIENTATIONS - half
        planes.append(strength * (1 - distance.abs()).clamp(min=0))

    # Each cell overlaps its neighbours by half, symmetrically: a mirror image has mirrored cells.
    edge = _SIZE // cells
    pooled = functional.avg_pool2d(torch.cat(planes, 1), 2 * edge, edge, padding=edge // 2)
    return pooled.flatten(1)


def _colour_histogram(images: Tensor) -> Tensor:
    """Return the square roots of a histogram of colours, whatever their place, shape (n, 64)."""
    levels = (images.expand(-1, 3, -1, -1) * _COLOUR_LEVELS).clamp(max=_COLOUR_LEVELS - 0.5).long()
    weights = torch.tensor([_COLOUR_LEVELS**2, _COLOUR_LEVELS, 1]).view(3, 1, 1)
    colours = (levels * weights).sum(1).flatten(1)
    histogram = torch.zeros(len(images), _COLOUR_LEVELS**3)
    histogram.scatter_add_(1, colours, torch.full(colours.shape, 1 / colours.shape[1]))
    return histogram.sqrt()


def _unit_scale(values: Tensor) -> Tensor:
    """Scale values so that two images have a squared distance of about 2."""
    scale = values.std(0).square().sum().sqrt() if len(values) > 1 else values.new_tensor(1.0)
    return values / (scale + 1e-6)
