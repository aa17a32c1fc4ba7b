"""What computing in bfloat16 shifts in a network's features, measured on pictures of no dataset and put back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.models.fused._fused_conv import FusedConv, round_weights

_PICTURES, _SIDE_PX, _DISCS = 16, 12, 60
_LEAST_RADIUS, _LARGEST_RADIUS = 0.04, 0.45  # of the side
_COLOUR = 40.0  # standard deviation of the three channels of a disc around its brightness, of 255


@cache
def dead_leaves_images() -> Tensor:
    """Pictures `(N, 3, H, W)` in 0-255, always the same, of discs that hide each other.

    Their sizes and edges are distributed like those of photographs (Lee, Mumford and Huang 2001, doi:10.1023/A:1011109015675:
    radii with a density that falls with the third power). They are small, so that enlarging blurs them: sharp ones did worse
    (benchmarks/features.md). Sixteen are as many as torch gives to the same convolutions whatever the number of threads.
    """
    draws = np.random.default_rng(0)
    pictures = np.full((_PICTURES, 3, _SIDE_PX, _SIDE_PX), 128.0, np.float32)
    y, x = np.mgrid[:_SIDE_PX, :_SIDE_PX] / _SIDE_PX
    for picture in pictures:
        for _ in range(_DISCS):
            radius = _LEAST_RADIUS / draws.uniform((_LEAST_RADIUS / _LARGEST_RADIUS) ** 2, 1) ** 0.5
            top, left = draws.random(2)
            colour = draws.uniform(0, 255) + draws.normal(0, _COLOUR, 3)
            picture[:, (y - top) ** 2 + (x - left) ** 2 < radius**2] = colour.clip(0, 255)[:, None]
    return torch.from_numpy(pictures)


@torch.no_grad()
def correct_rounding(net: nn.Module, run: Callable[[], object]) -> None:
    """Give each fused convolution of a network an offset by which its mean output, channel by channel, is that of exact numbers.

    Rounded weights and inputs shift the means of channels, and shifts add up from layer to layer. Each layer is corrected behind
    those before it: empirical bias correction, Nagel et al. 2019 (arXiv:1906.04721, appendix D), there for 8-bit integers.

    Args:
        run: shows the network pictures, in float32.
    """
    means: dict[nn.Module, Tensor] = {}

    def measure(layer: FusedConv, given: tuple[Tensor, ...], _: Tensor) -> None:
        means[layer] = _mean(layer.convolved(given[0], layer.weight))

    def correct(layer: FusedConv, given: tuple[Tensor, ...], _: Tensor) -> Tensor:
        found = layer.convolved(given[0].bfloat16().float(), round_weights(layer.weight).float())
        layer.offset = means[layer] - _mean(found)
        return layer.activated(found + layer.offset[:, None, None]).bfloat16().float()

    hooks: tuple[Callable[..., Any], ...] = (measure, correct)
    for hook in hooks:
        handles = [
            layer.register_forward_hook(hook)
            for layer in net.modules()
            if isinstance(layer, FusedConv)
        ]
        try:
            run()
        finally:
            for handle in handles:
                handle.remove()


def _mean(maps: Tensor) -> Tensor:
    return maps.mean((2, 3)).mean(0)
