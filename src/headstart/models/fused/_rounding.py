"""Correction of the mean shift that bfloat16 causes in features, measured on synthetic images."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.models.fused._fused_conv import FusedConv, round_weights

_IMAGES, _SIZE_PX, _DISCS = 16, 12, 60
_MIN_RADIUS, _MAX_RADIUS = 0.04, 0.45  # relative to the image size
_COLOUR_SD = 40.0  # of the three channels of a disc around its brightness, on a scale of 255


@cache
def dead_leaves_images() -> Tensor:
    """Return synthetic images of overlapping discs. They are always the same.

    The sizes and edges of the discs are distributed like those in photographs: the density of the
    radii decreases with the third power. The images are small, so that enlarging blurs them. Sharp
    ones were worse (benchmarks/features.md). With sixteen images, torch uses the same convolutions
    for any number of threads.

    Returns:
        Images of shape (16, 3, 12, 12), float32 in 0 to 255.

    References:
        Dead leaves model: Lee, Mumford and Huang (2001), doi:10.1023/A:1011109015675.
    """
    generator = np.random.default_rng(0)
    images = np.full((_IMAGES, 3, _SIZE_PX, _SIZE_PX), 128.0, np.float32)
    y, x = np.mgrid[:_SIZE_PX, :_SIZE_PX] / _SIZE_PX
    smallest = (_MIN_RADIUS / _MAX_RADIUS) ** 2

    for image in images:
        for _ in range(_DISCS):
            radius = _MIN_RADIUS / generator.uniform(smallest, 1) ** 0.5
            top, left = generator.random(2)
            colour = generator.uniform(0, 255) + generator.normal(0, _COLOUR_SD, 3)
            is_inside = (y - top) ** 2 + (x - left) ** 2 < radius**2
            image[:, is_inside] = colour.clip(0, 255)[:, None]
    return torch.from_numpy(images)


@torch.no_grad()
def correct_rounding(net: nn.Module, run: Callable[[], object]) -> None:
    """Set the offset of each fused convolution to remove the mean shift caused by rounding.

    Rounded weights and inputs shift the mean of each channel, and shifts accumulate from layer to
    layer. With the offset, the mean output per channel equals that of exact computation. Each layer
    is corrected after the layers before it.

    Args:
        net: A network with fused convolutions.
        run: Runs the network on images, in float32.

    References:
        Empirical bias correction: Nagel et al. (2019), arXiv:1906.04721, appendix D, for 8-bit
        integers.
    """
    exact_means: dict[nn.Module, Tensor] = {}

    def measure(layer: FusedConv, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        exact_means[layer] = _channel_means(layer.convolve(inputs[0], layer.weight))

    def correct(layer: FusedConv, inputs: tuple[Tensor, ...], _: Tensor) -> Tensor:
        rounded_inputs = inputs[0].bfloat16().float()
        outputs = layer.convolve(rounded_inputs, round_weights(layer.weight).float())
        layer.offset = exact_means[layer] - _channel_means(outputs)
        return layer.activate(outputs + layer.offset[:, None, None]).bfloat16().float()

    layers = [layer for layer in net.modules() if isinstance(layer, FusedConv)]
    hooks: tuple[Callable[..., Any], ...] = (measure, correct)
    for hook in hooks:
        handles = [layer.register_forward_hook(hook) for layer in layers]
        try:
            run()
        finally:
            for handle in handles:
                handle.remove()


def _channel_means(maps: Tensor) -> Tensor:
    return maps.mean((2, 3)).mean(0)
