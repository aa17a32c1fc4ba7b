"""Changes of training images that keep their class: one affine map an image, on the batch as a tensor."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from headstart.training._recipe import Recipe


def augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Mirror, rotate, shift, shear and zoom each image by its own random amounts.

    Args:
        images: `(N, C, H, W)` float.
        recipe: bounds; flip mirrors half of the images.
        generator: where the random numbers come from, on the processor.

    Returns:
        New images of the same shape. What comes in from outside is the reflected image, so that no black corners teach.
    """
    if recipe.flip:
        mirrored = (torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5).to(images.device)
        images = torch.where(mirrored, images.flip(3), images)
    if recipe.rotation or recipe.shift or recipe.shear or recipe.zoom:
        maps = _affine_maps(len(images), images.shape[2], images.shape[3], recipe, generator).to(images.device, images.dtype)
        grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
        images = functional.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)
    return images


def _affine_maps(count: int, height: int, width: int, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """`(N, 2, 3)` maps from output to input, in `affine_grid`'s coordinates (-1 to 1 over the image)."""
    angle, shear, zoom, down, right = 2 * torch.rand(5, count, generator=generator) - 1  # each in [-1, 1]
    angle, shear = angle * math.radians(recipe.rotation), shear * math.radians(recipe.shear)
    scale, aspect = 1 + zoom * recipe.zoom, width / height
    cos, sin, skew = angle.cos(), angle.sin(), shear.tan()
    top = torch.stack([scale * cos, scale * (cos * skew - sin) / aspect, 2 * recipe.shift * right], 1)
    bottom = torch.stack([scale * sin * aspect, scale * (sin * skew + cos), 2 * recipe.shift * down], 1)
    return torch.stack([top, bottom], 1)
