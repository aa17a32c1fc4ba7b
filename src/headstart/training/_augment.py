"""Augmentation of a whole batch as a tensor: flips, affine maps, standardisation, cutout."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from headstart.classifier import to_device
from headstart.models.recipes import Recipe
from headstart.training._random import RngKey, derive_seed, make_generator


def augment(
    images: Tensor,
    standardise: Callable[[Tensor], Tensor],
    recipe: Recipe,
    rows: NDArray[np.int64],
    shard: slice,
    rng_key: RngKey,
) -> Tensor:
    """Flip, rotate, shift, shear and zoom each image by random amounts, standardise, cut out.

    Pixels that come in from outside an image are its reflection, so no black corners appear.

    Args:
        images: Tensor of shape (n, C, H, W) with values from 0 to 255: this process's shard of the
            batch.
        standardise: Maps float pixels to inputs of zero mean, so that cut-out squares become the
            mean. That of a backbone also resizes.
        recipe: The bounds of all amounts.
        rows: int64 dataset indices of the whole batch, shape (N,). Random numbers are drawn for all
            of them, so that several processes that share a batch see what one process would.
        shard: Place of `images` in the batch.
        rng_key: Key of the random numbers.

    Returns:
        Standardised float tensor of shape (n, C, H, W).
    """
    generator = make_generator(rng_key.seed, "augmentation", rng_key.step)
    batch_size, (height, width) = len(rows), images.shape[2:]

    if recipe.flip:
        is_flipped = to_device(_choose_flipped(rows[shard], rng_key)).view(-1, 1, 1, 1)
        images = torch.where(is_flipped, images.flip(3), images)

    pixels = images.float()
    if recipe.rotation or recipe.shift or recipe.shear or recipe.zoom:
        maps = to_device(_affine_maps(batch_size, height, width, recipe, generator)[shard])
        grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
        pixels = functional.grid_sample(pixels, grid, "bilinear", "reflection", align_corners=False)

    inputs = standardise(pixels)
    if recipe.cutout:
        inputs = inputs.masked_fill(
            _cutout_masks(batch_size, inputs, recipe.cutout, shard, generator), 0
        )
    return inputs


def _choose_flipped(rows: NDArray[np.int64], rng_key: RngKey) -> Tensor:
    """Choose the images to flip: a random half in even epochs, the other half in odd ones.

    Each image is thus seen both ways every two epochs. The half follows from a hash of the index,
    not from a list as long as the dataset.

    Returns:
        Boolean tensor of shape (n,).

    References:
        Alternating flips: Jordan (2024), arXiv:2404.00498, section 3.6.
        Hash: finaliser of MurmurHash3, Appleby (2008).
    """
    with np.errstate(over="ignore"):
        mixed = rows.astype(np.uint64) + np.uint64(derive_seed(rng_key.seed, "flip", 0))
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(factor)
    half = mixed >> np.uint64(63)
    return torch.from_numpy((half + np.uint64(rng_key.epoch)) % np.uint64(2) == 1)


def _affine_maps(
    count: int, height: int, width: int, recipe: Recipe, generator: torch.Generator
) -> Tensor:
    """Draw affine maps from output to input coordinates.

    Returns:
        Tensor of shape (N, 2, 3), in the coordinates of `affine_grid`: -1 to 1 over the image.
    """
    # Each amount is uniform in [-1, 1].
    angle, shear, zoom, down, right = 2 * torch.rand(5, count, generator=generator) - 1
    angle = angle * math.radians(recipe.rotation)
    shear = shear * math.radians(recipe.shear)
    scale = 1 + zoom * recipe.zoom
    aspect = width / height

    cos, sin, skew = angle.cos(), angle.sin(), shear.tan()
    top = torch.stack(
        [scale * cos, scale * (cos * skew - sin) / aspect, 2 * recipe.shift * right], 1
    )
    bottom = torch.stack(
        [scale * sin * aspect, scale * (sin * skew + cos), 2 * recipe.shift * down], 1
    )
    return torch.stack([top, bottom], 1)


def _cutout_masks(
    count: int, images: Tensor, fraction: float, shard: slice, generator: torch.Generator
) -> Tensor:
    """Draw one square per image, its centre anywhere, so that it may reach over the border.

    Args:
        count: Number of images in the whole batch.
        images: Tensor of shape (n, C, H, W): this process's shard of the batch.
        fraction: Edge of the square, relative to the shorter edge of the image.
        shard: Place of `images` in the batch.
        generator: Source of the random centres.

    Returns:
        Boolean tensor of shape (n, 1, H, W), True inside the square, on the device.

    References:
        DeVries and Taylor (2017), arXiv:1708.04552.
    """
    height, width = images.shape[2:]
    edge = max(1, round(fraction * min(height, width)))
    tops = torch.randint(height, (count, 1), generator=generator) - edge // 2
    lefts = torch.randint(width, (count, 1), generator=generator) - edge // 2
    tops, lefts = to_device(tops[shard]), to_device(lefts[shard])

    y = torch.arange(height, device=tops.device)
    x = torch.arange(width, device=tops.device)
    in_rows = (y >= tops) & (y < tops + edge)
    in_columns = (x >= lefts) & (x < lefts + edge)
    return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
