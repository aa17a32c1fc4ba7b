"""Which pixels a prediction rests on: Grad-CAM from inside the network, occlusion from outside. Computed by Captum."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart.errors import ResourceError

# Grad-CAM asks the deepest feature map that still says where: the very last one has 3x3 places in nets for small images.
# Correlation with occlusion over 18 images each (cnn on MNIST and CIFAR-10, cnn-fashion-small, lite0 at 96 pixels): 0.61, 0.38,
# 0.32, 0.24 with at least 4 places a side; 0.61, 0.38, 0.32, 0.01 with 3; 0.38, 0.50, 0.32, 0.24 with 6. One seed each.
LEAST_MAP_PX = 4
CELLS = 16  # occlusion moves its cover by a sixteenth of the longer side, at least a pixel
COVER_CELLS = 3  # the cover's side: 6 of 28 pixels, 24 of 128
_COVERED_AT_ONCE = 64  # images a forward pass


@dataclass(frozen=True)
class Heatmap:
    """Evidence by place, over the whole image.

    Attributes:
        values: `(rows, columns)` float32. Above zero speaks for the class, below zero against it.
        unit: what one means.
        layer: name of the feature map that was asked; empty for occlusion.
    """

    values: NDArray[np.float32]
    unit: str
    layer: str = ""


def log_odds(logits: Tensor, place: int) -> Tensor:
    """log(p / (1 - p)) of the class at `place`, `(N,)`, from logits `(N, K)`, or `(N, 1)` of a sigmoid for the second of two.

    Unlike a probability it still moves where the network is sure, and one unit means the same in any two networks.
    """
    logits = logits.float()
    if logits.shape[1] == 1:
        return logits[:, 0] * (1 if place == 1 else -1)
    others = torch.cat([logits[:, :place], logits[:, place + 1 :]], 1)
    return logits[:, place] - others.logsumexp(1)


def grad_cam(net: nn.Module, image: Tensor, place: int, *, mirror: bool = False) -> Heatmap | None:
    """Where a convolutional net finds evidence for a class: its feature map, each channel weighted by its mean gradient.

    The gradient is that of the class's log-odds; what speaks against the class is cut off. It passes through frozen layers.

    Args:
        net: images to logits, in evaluation mode.
        image: `(1, C, H, W)` as the net takes it.
        place: number of the class.
        mirror: the net is asked about the image and its mirror image, and the answers are averaged.

    Returns:
        A map scaled to a maximum of 1 (all zero if nothing speaks for the class); None where the net has no feature map whose
        places are places of the image, as an mlp.

    Source: Selvaraju et al. (2017), arXiv:1610.02391.
    """
    captum = _captum()
    layer = _map_to_ask(net, image)
    if layer is None:
        return None
    name, module = layer
    ask = captum.LayerGradCam(lambda x: log_odds(net(x), place), module)
    views = (image, image.flip(3)) if mirror else (image,)
    maps = [ask.attribute(view.clone().requires_grad_()).detach().float()[0, 0] for view in views]
    heat = (maps[0] + maps[1].flip(1)) / 2 if mirror else maps[0]
    heat = heat.clamp_min(0)
    return Heatmap(
        (heat / heat.max().clamp_min(1e-12)).cpu().numpy(), "relative to the largest", name
    )


def occlusion(
    net: nn.Module, image: Tensor, place: int, cover: Tensor, *, mirror: bool = False
) -> Heatmap:
    """How much of a class's log-odds is lost when a part of the image is covered; for any net.

    A square cover of 3/16 of the longer side moves over the image; each place gets the mean over the covers that hid it.

    Args:
        net, image, place, mirror: as for `grad_cam`; mirrored answers are averaged as log-odds.
        cover: `(1, C, 1, 1)`, the colour of the cover, such as the mean of the training images.

    Returns:
        A map of at most 16 by 16 cells, in natural units of log-odds: 1 is a factor of 2.7 in the odds.

    Source: Zeiler & Fergus (2014), arXiv:1311.2901, section 4.
    """
    captum = _captum()
    channels, height, width = image.shape[1:]
    step = -(-max(height, width) // CELLS)
    window = (channels, min(COVER_CELLS * step, height), min(COVER_CELLS * step, width))

    def score(x: Tensor) -> Tensor:
        seen = log_odds(net(x), place)
        return (seen + log_odds(net(x.flip(3)), place)) / 2 if mirror else seen

    with torch.no_grad():
        found = captum.Occlusion(score).attribute(
            image,
            sliding_window_shapes=window,
            strides=(channels, min(step, window[1]), min(step, window[2])),
            baselines=cover.to(image).expand_as(image),
            perturbations_per_eval=_COVERED_AT_ONCE,
        )
    return Heatmap(found[0, 0, ::step, ::step].float().cpu().numpy(), "log-odds lost when covered")


def _map_to_ask(net: nn.Module, image: Tensor) -> tuple[str, nn.Module] | None:
    """The last module after a convolution whose output still has at least `LEAST_MAP_PX` places a side, else the largest left."""
    found: list[tuple[int, str, nn.Module]] = []
    convolved = False

    def note(name: str, module: nn.Module, out: object) -> None:
        nonlocal convolved
        weight = getattr(module, "weight", None)
        convolved |= (
            isinstance(weight, Tensor) and weight.dim() == 4
        )  # a kernel, whatever the class that applies it
        if convolved and isinstance(out, Tensor) and out.dim() == 4 and min(out.shape[2:]) > 1:
            found.append((min(LEAST_MAP_PX, *out.shape[2:]), name, module))

    hooks = [
        module.register_forward_hook(lambda module, _, out, name=name: note(name, module, out))
        for name, module in net.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            net(image)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        return None
    finest = max(side for side, _, _ in found)
    return next((name, module) for side, name, module in reversed(found) if side == finest)


def _captum() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its imports warn about packages we do not use
            from captum import attr
    except ImportError as error:
        raise ResourceError(
            "explanations need Captum, which is not installed.", "pip install 'headstart[explain]'"
        ) from error
    return attr
