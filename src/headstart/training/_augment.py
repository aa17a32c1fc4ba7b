"""From the pixels of a batch to what the network sees: mirrored, moved, standardised, cut out; on the whole batch as a tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from headstart.models.recipes import Recipe
from headstart.training._random import generator, seed_of


@dataclass(frozen=True)
class Draws:
    """Where the random numbers of one step come from.

    Attributes:
        seed: of the run.
        step, epoch: from 0.
    """

    seed: int
    step: int
    epoch: int


def augment(
    images: Tensor,
    standardise: Callable[[Tensor], Tensor],
    recipe: Recipe,
    rows: NDArray[np.int64],
    part: slice,
    draws: Draws,
) -> Tensor:
    """Mirror, rotate, shift, shear and zoom each image by its own random amounts, standardise, cut out.

    Args:
        images: `(n, C, H, W)` uint8.
        standardise: float pixels to zero mean, so that what is cut out becomes the mean; a backbone's resizes them as well.
        recipe: bounds.
        rows: `(N,)` dataset indices of the whole batch; random numbers are drawn for all of it, so that several processes
            which share it see what one would.
        part: which of the batch `images` are.
        draws: where the random numbers come from.

    Returns:
        Standardised floats. What comes in from outside is the reflected image, so that no black corners teach.
    """
    device, numbers = images.device, generator(draws.seed, "augmentation", draws.step)
    if recipe.flip:
        mirrored = _is_mirrored(rows[part], draws).view(-1, 1, 1, 1).to(device)
        images = torch.where(mirrored, images.flip(3), images)
    pixels = images.float()
    if recipe.rotation or recipe.shift or recipe.shear or recipe.zoom:
        maps = _affine_maps(len(rows), images.shape[2], images.shape[3], recipe, numbers)[part].to(
            device
        )
        grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
        pixels = functional.grid_sample(pixels, grid, "bilinear", "reflection", align_corners=False)
    inputs = standardise(pixels)
    if recipe.cutout:
        squares = _squares(len(rows), inputs.shape[2], inputs.shape[3], recipe.cutout, numbers)
        inputs = inputs.masked_fill(squares[part].to(device), 0)
    return inputs


def _is_mirrored(rows: NDArray[np.int64], draws: Draws) -> Tensor:
    """Which of these images to mirror: a random half in even epochs, the other half in odd ones.

    So each image is seen both ways every two epochs (Jordan 2024, arXiv:2404.00498, section 3.6). The half follows from a hash
    of the index (the finaliser of MurmurHash3, Appleby 2008), not from a list as long as the dataset.
    """
    with np.errstate(over="ignore"):
        mixed = rows.astype(np.uint64) + np.uint64(seed_of(draws.seed, "flip", 0))
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(factor)
    return torch.from_numpy(((mixed >> np.uint64(63)) + np.uint64(draws.epoch)) % np.uint64(2) == 1)


def _affine_maps(
    count: int, height: int, width: int, recipe: Recipe, numbers: torch.Generator
) -> Tensor:
    """`(N, 2, 3)` maps from output to input, in `affine_grid`'s coordinates (-1 to 1 over the image)."""
    angle, shear, zoom, down, right = (
        2 * torch.rand(5, count, generator=numbers) - 1
    )  # each in [-1, 1]
    angle, shear = angle * math.radians(recipe.rotation), shear * math.radians(recipe.shear)
    scale, aspect = 1 + zoom * recipe.zoom, width / height
    cos, sin, skew = angle.cos(), angle.sin(), shear.tan()
    top = torch.stack(
        [scale * cos, scale * (cos * skew - sin) / aspect, 2 * recipe.shift * right], 1
    )
    bottom = torch.stack(
        [scale * sin * aspect, scale * (sin * skew + cos), 2 * recipe.shift * down], 1
    )
    return torch.stack([top, bottom], 1)


def _squares(count: int, height: int, width: int, part: float, numbers: torch.Generator) -> Tensor:
    """`(N, 1, H, W)` booleans: one square an image, its centre anywhere, so that it may reach over the border.

    Source: DeVries & Taylor (2017), "Improved regularization of convolutional neural networks with cutout", arXiv:1708.04552.
    """
    side = max(1, round(part * min(height, width)))
    tops = torch.randint(height, (count, 1), generator=numbers) - side // 2
    lefts = torch.randint(width, (count, 1), generator=numbers) - side // 2
    y, x = torch.arange(height), torch.arange(width)
    down, across = (y >= tops) & (y < tops + side), (x >= lefts) & (x < lefts + side)
    return (down[:, :, None] & across[:, None, :])[:, None]
