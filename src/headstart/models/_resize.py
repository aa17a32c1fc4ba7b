"""Resizing of images to the input size of a backbone."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

_SMALL_PX = 64  # up to this size, matrix products are faster


def resize(x: Tensor, size_px: int, mode: str) -> Tensor:
    """Resize images to a square, with antialiasing.

    Each row and column of the result is a weighted sum of rows and columns of the image. In
    predictions, small images are therefore resized by two matrix products, with the same weights.

    Args:
        x: Images of shape (N, C, H, W), float.
        size_px: Height and width of the result in pixels.
        mode: "bicubic" or "bilinear".

    Returns:
        Images of shape (N, C, size_px, size_px).
    """
    height, width = x.shape[2:]
    is_small = max(height, width) <= _SMALL_PX
    if not is_small or x.device.type != "cpu" or not torch.is_inference_mode_enabled():
        return functional.interpolate(x, (size_px, size_px), mode=mode, antialias=True)

    with torch.autocast("cpu", enabled=False):
        columns = _resize_matrix(width, size_px, mode).T
        return _resize_matrix(height, size_px, mode) @ (x.float() @ columns)


@lru_cache(8)
def _resize_matrix(from_px: int, to_px: int, mode: str) -> Tensor:
    """Return the weights of `interpolate` along one axis, of shape (to_px, from_px)."""
    with torch.inference_mode():
        return functional.interpolate(
            torch.eye(from_px)[None, None], (to_px, from_px), mode=mode, antialias=True
        )[0, 0]
