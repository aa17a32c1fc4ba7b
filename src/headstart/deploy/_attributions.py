"""Attribution maps by Grad-CAM and by occlusion, computed with Captum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from headstart.classifier import average_over_mirror, expand_binary_logit
from headstart.errors import ResourceError

# Grad-CAM uses the deepest feature map that still has a spatial resolution. In nets for small
# images, the last one has 3x3 cells. Correlation with occlusion, one seed and 18 images each, for
# cnn on MNIST, cnn on CIFAR-10, cnn-fashion-small, and lite0 at 96 pixels:
#   at least 4 cells per side: 0.61, 0.38, 0.32, 0.24
#   at least 3 cells per side: 0.61, 0.38, 0.32, 0.01
#   at least 6 cells per side: 0.38, 0.50, 0.32, 0.24
SMALLEST_MAP_PX = 4
CELLS = 16  # occlusion moves its cover by a sixteenth of the longer side, at least by one pixel
COVER_CELLS = 3  # size of the cover: 6 of 28 pixels, 24 of 128
_COVERS_PER_BATCH = 64


@dataclass(frozen=True)
class Heatmap:
    """Evidence for a class per image region, over the whole image.

    Attributes:
        values: `(rows, columns)` float32. Positive values are evidence for the class, negative ones
            against it.
        unit: The meaning of a value of 1.
        layer: Name of the feature map that was used; empty for occlusion.
    """

    values: NDArray[np.float32]
    unit: str
    layer: str = ""


def log_odds(logits: Tensor, target: int) -> Tensor:
    """Return log(p / (1 - p)) of a class, `(N,)`.

    Unlike a probability, log-odds do not saturate for a confident network. One unit means the same
    in any two networks.

    Args:
        logits: `(N, K)`, or `(N, 1)` for two classes.
        target: Index of the class.
    """
    logits = expand_binary_logit(logits)
    others = torch.cat([logits[:, :target], logits[:, target + 1 :]], 1)
    return logits[:, target] - others.logsumexp(1)


def grad_cam(net: nn.Module, image: Tensor, target: int, *, mirror: bool = False) -> Heatmap | None:
    """Return where a convolutional network finds evidence for a class.

    The map is a feature map whose channels are weighted by their mean gradient. The gradient is
    that of the log-odds of the class, and it passes through frozen layers. Evidence against the
    class is cut off.

    Args:
        net: A network from images to logits, in evaluation mode.
        image: `(1, C, H, W)`, as the network accepts it.
        target: Index of the class.
        mirror: Average over the image and its mirror image.

    Returns:
        A map scaled to a maximum of 1, or all zero if nothing is evidence for the class. None if
        the network has no feature map with a spatial resolution, such as an mlp.

    References:
        Selvaraju et al. (2017), arXiv:1610.02391.
    """
    captum = _import_captum()
    layer = _find_feature_map(net, image)
    if layer is None:
        return None

    name, module = layer
    attribution = captum.LayerGradCam(lambda x: log_odds(net(x), target), module)

    def attribute(view: Tensor) -> Tensor:
        values: Tensor = attribution.attribute(view.clone().requires_grad_())
        return values.detach().float()[0, 0]

    values = attribute(image)
    if mirror:
        values = (values + attribute(image.flip(3)).flip(1)) / 2
    values = values.clamp_min(0)
    values = values / values.max().clamp_min(1e-12)
    return Heatmap(values.cpu().numpy(), "relative to the largest", name)


def occlusion(
    net: Callable[[Tensor], Tensor],
    image: Tensor,
    target: int,
    cover: Tensor,
    *,
    mirror: bool = False,
) -> Heatmap:
    """Return how much the log-odds of a class fall when a region of the image is covered.

    A square cover of 3/16 of the longer side moves over the image. Each cell gets the mean over the
    covers that hid it. This works for any network.

    Args:
        net: A network from images to logits, in evaluation mode.
        image: `(1, C, H, W)`, as the network accepts it.
        target: Index of the class.
        cover: `(1, C, 1, 1)`, the colour of the cover, such as the mean of the training images.
        mirror: Average the log-odds over the image and its mirror image.

    Returns:
        A map of at most 16 by 16 cells, in natural units of log-odds: 1 is a factor of 2.7 in the
        odds.

    References:
        Zeiler & Fergus (2014), arXiv:1311.2901, section 4.
    """
    captum = _import_captum()
    channels, height, width = image.shape[1:]
    step = -(-max(height, width) // CELLS)
    window = (channels, min(COVER_CELLS * step, height), min(COVER_CELLS * step, width))

    def target_log_odds(x: Tensor) -> tuple[Tensor]:
        return (log_odds(net(x), target),)

    def score(x: Tensor) -> Tensor:
        return average_over_mirror(target_log_odds, x, mirror=mirror)[0]

    with torch.no_grad():
        values = captum.Occlusion(score).attribute(
            image,
            sliding_window_shapes=window,
            strides=(channels, min(step, window[1]), min(step, window[2])),
            baselines=cover.to(image).expand_as(image),
            perturbations_per_eval=_COVERS_PER_BATCH,
        )
    cells = values[0, 0, ::step, ::step].float().cpu().numpy()
    return Heatmap(cells, "log-odds lost when covered")


def _find_feature_map(net: nn.Module, image: Tensor) -> tuple[str, nn.Module] | None:
    """Return name and module of the feature map for Grad-CAM, or None if there is none.

    It is the output of the last module after a convolution that has at least `SMALLEST_MAP_PX`
    cells per side. If no output is that large, it is the last of the largest ones.
    """
    maps: list[tuple[int, str, nn.Module]] = []
    is_after_convolution = False

    def record(name: str, module: nn.Module, output: object) -> None:
        nonlocal is_after_convolution
        # A weight with four dimensions is a kernel, whatever class applies it.
        weight = getattr(module, "weight", None)
        is_after_convolution |= isinstance(weight, Tensor) and weight.dim() == 4
        if not is_after_convolution or not isinstance(output, Tensor):
            return
        if output.dim() == 4 and min(output.shape[2:]) > 1:
            maps.append((min(SMALLEST_MAP_PX, *output.shape[2:]), name, module))

    hooks = []
    for name, module in net.named_modules():
        if name:
            hooks.append(
                module.register_forward_hook(
                    lambda module, _, output, name=name: record(name, module, output)
                )
            )
    try:
        with torch.no_grad():
            net(image)
    finally:
        for hook in hooks:
            hook.remove()

    if not maps:
        return None
    finest = max(size for size, _, _ in maps)
    return [(name, module) for size, name, module in maps if size == finest][-1]


def _import_captum() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its imports warn about packages that we do not use
            from captum import attr
    except ImportError as error:
        raise ResourceError(
            "explanations need Captum, which is not installed.",
            "Install it: pip install 'headstart[explain]'",
        ) from error
    return attr
