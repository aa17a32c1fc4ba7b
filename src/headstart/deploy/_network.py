"""A classifier as one function for other programs: bytes in, probabilities out, everything between inside."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.training import Classifier, Standardise, familiarity, to_probabilities

_LEAST = 1e-30  # as in evaluation.calibrate


class Network(nn.Module):
    """Images `(N, H, W, C)` uint8 to calibrated probabilities `(N, K)` and familiarity `(N,)`, both float32.

    In float32 throughout: other programs have no bfloat16 to agree with.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.front, self.net = classifier.front, classifier.net
        self.mirror, self.temperature = classifier.mirror, classifier.use.temperature
        self.resize = _resizing(classifier)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = self.resize(images.permute(0, 3, 1, 2).float())
        logits = self.net(self.front(torch.cat([x, x.flip(3)]) if self.mirror else x))
        probabilities, familiar = to_probabilities(logits), familiarity(logits)
        if self.mirror:
            n = images.shape[0]
            probabilities, familiar = ((both[:n] + both[n:]) / 2 for both in (probabilities, familiar))
        if self.temperature != 1:
            probabilities = (probabilities.clamp_min(_LEAST).log() / self.temperature).softmax(1)
        return probabilities, familiar


class Resizing(nn.Module):
    """The backbone's resizing as two products of matrices: the runtimes' own antialiased resizing differs from torch's."""

    def __init__(self, height: int, width: int, px: int) -> None:
        super().__init__()
        self.register_buffer("down", _matrix(height, px))
        self.register_buffer("across", _matrix(width, px).T.contiguous())
        self.down: Tensor
        self.across: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (self.down @ x @ self.across).clamp(0, 255)


def _matrix(side: int, px: int) -> Tensor:
    """`(px, side)`: what each pixel of a resized line takes from each pixel before."""
    return functional.interpolate(torch.eye(side)[None, None], (px, side), mode="bicubic", antialias=True)[0, 0]


def _resizing(classifier: Classifier) -> nn.Module:
    front, (height, width, _) = classifier.front, classifier.image_shape
    if not isinstance(front, Standardise) and (height, width) != (front.backbone.input_px,) * 2:
        return Resizing(height, width, front.backbone.input_px)
    return nn.Identity()
