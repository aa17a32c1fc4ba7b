"""A classifier as one function for other programs: bytes in, probabilities out, everything between inside."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional

from headstart.classifier import (
    Classifier,
    Standardise,
    StandardisedBackbone,
    average_over_mirror,
    energy_score,
    to_probabilities,
)
from headstart.evaluation import apply_temperature
from headstart.models import BackboneWithHead


class Network(nn.Module):
    """Images `(N, H, W, C)` uint8 to calibrated probabilities `(N, K)` and familiarity `(N,)`, both float32.

    In float32 throughout: other programs have no bfloat16 to agree with.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.front, self.net = _followable(classifier.front), _followable(classifier.net)
        self.mirror, self.temperature = classifier.mirror, classifier.metadata.temperature
        self.resize = _resizing(classifier)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.resize(images.permute(0, 3, 1, 2).float())
        probabilities, energy_scores = average_over_mirror(
            self._probabilities_and_energy, x, mirror=self.mirror, in_one_pass=True
        )
        return apply_temperature(probabilities, self.temperature), energy_scores

    def _probabilities_and_energy(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(self.front(x))
        return to_probabilities(logits), energy_score(logits)


def _followable(module: nn.Module) -> nn.Module:
    """The module; if it computes with a cut backbone, as a graph: torch.export cannot follow a pass that ends early."""
    if isinstance(module, StandardisedBackbone | BackboneWithHead) and module.backbone.cut:
        return Traced(module, module.backbone.input_px)
    return module


class Traced(nn.Module):
    """What a module computes on images of three channels and this side, as a graph."""

    def __init__(self, module: nn.Module, px: int) -> None:
        super().__init__()
        with torch.no_grad():
            self.graph = make_fx(module, tracing_mode="symbolic", _allow_non_fake_inputs=True)(
                torch.zeros(2, 3, px, px)
            )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.graph(x.expand(-1, 3, -1, -1))
        return found


class Resizing(nn.Module):
    """The backbone's resizing as two products of matrices: the runtimes' own antialiased resizing differs from torch's.

    The backbone standardises before it resizes and then clamps; each line of the matrices adds up to one, so the order changes
    nothing, and clamping to 0-255 is the same clamping.
    """

    def __init__(self, height: int, width: int, px: int, interpolation: str) -> None:
        super().__init__()
        self.register_buffer("down", _matrix(height, px, interpolation))
        self.register_buffer("across", _matrix(width, px, interpolation).T.contiguous())
        self.down: Tensor
        self.across: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (self.down @ x @ self.across).clamp(0, 255)


def _matrix(side: int, px: int, interpolation: str) -> Tensor:
    """`(px, side)`: what each pixel of a resized line takes from each pixel before."""
    return functional.interpolate(
        torch.eye(side)[None, None], (px, side), mode=interpolation, antialias=True
    )[0, 0]


def _resizing(classifier: Classifier) -> nn.Module:
    front, (height, width, _) = classifier.front, classifier.image_shape
    if not isinstance(front, Standardise) and (height, width) != (front.backbone.input_px,) * 2:
        return Resizing(height, width, front.backbone.input_px, front.backbone.interpolation)
    return nn.Identity()
