"""A classifier as one module for export: uint8 images in, calibrated probabilities out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional

from headstart.classifier import (
    Classifier,
    Ensemble,
    Standardise,
    StandardisedBackbone,
    average_over_mirror,
    energy_score,
    to_probabilities,
)
from headstart.evaluation import apply_temperature
from headstart.models import BackboneWithHead


class Network(nn.Module):
    """A module that maps images to calibrated probabilities and energy scores.

    Images are uint8 `(N, H, W, C)`, probabilities `(N, K)`, energy scores `(N,)`. Everything is
    computed in float32. Other runtimes have no bfloat16 that
    would give the same results.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.front, self.net = _exportable(classifier.front), _exportable(classifier.net)
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


class EnsembleNetwork(nn.Module):
    """The same for an ensemble. Members on one frozen backbone share one pass over it."""

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        members = ensemble.classifiers
        self.passes = nn.ModuleList(
            _Pass([members[place] for place in places]) for places in ensemble.passes
        )
        self.places = list(itertools.chain.from_iterable(ensemble.passes))
        # Not a part of this module: its weights belong to the passes.
        self._ensemble = (ensemble,)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = images.permute(0, 3, 1, 2).float()
        outputs: list[tuple[Tensor, Tensor]] = []
        for shared_pass in self.passes:
            outputs += shared_pass(x)

        (ensemble,) = self._ensemble
        in_order = [outputs[self.places.index(place)] for place in range(len(outputs))]
        probabilities, energy_scores = ensemble.combine(in_order)
        return apply_temperature(probabilities, ensemble.metadata.temperature), energy_scores


class _Pass(nn.Module):
    """Members that share a pass over a frozen backbone, or one member alone.

    Maps images `(N, C, H, W)` to calibrated probabilities and energy scores of each member.
    """

    def __init__(self, members: Sequence[Classifier]) -> None:
        super().__init__()
        self.resize, front = _resizing(members[0]), members[0].front
        if isinstance(front, StandardisedBackbone):
            front = StandardisedBackbone(front.backbone)  # which changes no features
        self.front = _exportable(front)
        self.heads = nn.ModuleList(_head(member) for member in members)
        self.mirrors = [member.mirror for member in members]
        self.temperatures = [member.metadata.temperature for member in members]

    def forward(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        x, n = self.resize(images), images.shape[0]
        inputs = self.front(torch.cat([x, x.flip(3)]) if any(self.mirrors) else x)
        outputs: list[tuple[Tensor, Tensor]] = []
        for head, mirror, temperature in zip(
            self.heads, self.mirrors, self.temperatures, strict=True
        ):
            logits = head(inputs if mirror else inputs[:n])
            probabilities, energy_scores = to_probabilities(logits), energy_score(logits)
            if mirror:
                probabilities = (probabilities[:n] + probabilities[n:]) / 2
                energy_scores = (energy_scores[:n] + energy_scores[n:]) / 2
            outputs.append((apply_temperature(probabilities, temperature), energy_scores))
        return outputs


def _head(member: Classifier) -> nn.Module:
    """Return what follows the shared part of a pass: standardisation of features, and network."""
    net = _exportable(member.net)
    if not isinstance(member.front, StandardisedBackbone):
        return net
    standardise = Standardise(1)
    standardise.mean, standardise.std = member.front.mean, member.front.std
    return nn.Sequential(standardise, net)


def _exportable(module: nn.Module) -> nn.Module:
    """Return the module, traced if it contains a cut backbone.

    `torch.export` cannot follow a forward pass that ends early.
    """
    if isinstance(module, StandardisedBackbone | BackboneWithHead) and module.backbone.cut:
        return Traced(module, module.backbone.input_px)
    return module


class Traced(nn.Module):
    """The computation of a module as a graph, for images of three channels and one size.

    Args:
        module: The module to trace.
        input_px: The image size in pixels.
    """

    def __init__(self, module: nn.Module, input_px: int) -> None:
        super().__init__()
        trace = make_fx(module, tracing_mode="symbolic", _allow_non_fake_inputs=True)
        with torch.no_grad():
            self.graph = trace(torch.zeros(2, 3, input_px, input_px))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.graph(x.expand(-1, 3, -1, -1))
        return output


class Resizing(nn.Module):
    """The resizing of a backbone as two matrix products.

    The antialiased resizing of other runtimes differs from that of torch. A backbone standardises
    before it resizes, and then clamps. Each row of the matrices sums to one, so the order does not
    matter, and clamping to 0-255 is the same clamping.
    """

    def __init__(self, height: int, width: int, px: int, interpolation: str) -> None:
        super().__init__()
        self.register_buffer("down", _resizing_matrix(height, px, interpolation))
        self.register_buffer("across", _resizing_matrix(width, px, interpolation).T.contiguous())
        self.down: Tensor
        self.across: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (self.down @ x @ self.across).clamp(0, 255)


def _resizing_matrix(length: int, px: int, interpolation: str) -> Tensor:
    """Return the weights `(px, length)` of the old pixels of a line in each of the new ones."""
    identity = torch.eye(length)[None, None]
    return functional.interpolate(identity, (px, length), mode=interpolation, antialias=True)[0, 0]


def _resizing(classifier: Classifier) -> nn.Module:
    front, (height, width, _) = classifier.front, classifier.image_shape
    if isinstance(front, Standardise):
        return nn.Identity()
    backbone = front.backbone
    if (height, width) == (backbone.input_px, backbone.input_px):
        return nn.Identity()
    return Resizing(height, width, backbone.input_px, backbone.interpolation)
