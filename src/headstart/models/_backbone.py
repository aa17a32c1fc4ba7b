"""The pretrained backbone: a timm network without its classifier, and how it wants to be shown images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.errors import InputError, ResourceError
from headstart.models._cut import end_at, forward_to, leave_out_behind
from headstart.models._options import BackboneOptions
from headstart.models._weights import read_weights, timm_name
from headstart.models.fused import (
    FusedConv,
    can_fuse,
    correct_rounding,
    dead_leaves_images,
    fold_and_fuse,
)

_HALF = (0.5, 0.5, 0.5)
_LARGEST_FEATURES = (
    1 << 17
)  # of one image; a flattened early map has more, and a head on it would not fit into memory
# The two stages of an EfficientNet with the largest maps, and the block behind them, take few images at a time, so that their
# maps stay in the processor's cache; later ones take many, so that weights are read seldom (benchmarks/features.md).
_EARLY_STAGES, _EARLY_PIXELS = 2, 1 << 18  # of images as the network sees them: 16 of 128x128
_SMALL_PX = 64  # sides up to which resizing by matrix products is the faster way
_CORRECTING = Lock()  # threads share a backbone; no attribute of it, since a lock cannot be copied


class Backbone(nn.Module):
    """Images to features, frozen: `(N, 1 or 3, H, W)` in 0-255, uint8 or floats, to `(N, size)` float features.

    Grey becomes three channels; images are resized to `input_px` (antialiased) and standardised, with the interpolation, mean and
    deviation that the network was trained with. The whole image is shown: the crop at its centre that usual evaluations take
    would lose what a dataset's own resizing kept. Batch norm is in evaluation mode, always: `train()` does not reach it
    before `unfreeze`.

    Attributes:
        input_px: side in pixels at which the network sees images.
        size: features of one image at that side.
        cut: name of the module whose output is used; None: the whole network.
        pool: how a map becomes a vector; None: as the network does.
    """

    net: nn.Module
    input_px: int
    size: int

    def __init__(
        self,
        net: nn.Module,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        input_px: int,
        cut: str | None = None,
        pool: str | None = None,
        interpolation: str = "bicubic",
    ) -> None:
        super().__init__()
        self.trains_batch_norm = False
        self.net, self.cut, self.pool = net.eval().requires_grad_(False), cut, pool
        self.interpolation = (
            interpolation if interpolation in ("bicubic", "bilinear") else "bicubic"
        )
        self.register_buffer("mean", 255 * torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(1, 3, 1, 1))
        self.mean: Tensor
        self.std: Tensor
        self._bounds = [
            (-middle / width, (1 - middle) / width) for middle, width in zip(mean, std, strict=True)
        ]
        self._corrected: list[
            tuple[int, int]
        ] = []  # the versions of the weights whose rounding is corrected
        self._end = None if cut is None else end_at(net, cut)
        if cut is not None:
            with _explained(input_px):
                leave_out_behind(net, torch.zeros(1, 3, input_px, input_px))
        self.set_input_size(input_px)

    def set_input_size(self, input_px: int) -> Backbone:
        """See images at another side.

        Raises:
            InputError: too few pixels for this network, or too many features for a head.
        """
        self.input_px = input_px
        with torch.no_grad(), _explained(input_px):
            self.num_features = self(
                torch.zeros(1, 3, input_px, input_px, device=self.mean.device)
            ).shape[1]
        self._forget()
        if self.num_features > _LARGEST_FEATURES:
            raise InputError(
                f"one image has {self.num_features:,} features there, more than the {_LARGEST_FEATURES:,} that a head takes.",
                "Pool them (--pool avg), cut later, or take a smaller input_px.",
            )
        return self

    def unfreeze(self, *, statistics: bool) -> None:
        """No longer frozen: all weights learn; batch norms measure their statistics themselves, if `statistics`."""
        self.net.requires_grad_(True)
        self.trains_batch_norm = statistics

    def train(self, mode: bool = True) -> Backbone:
        return super().train(mode and self.trains_batch_norm)

    def _forget(self) -> None:
        """Have the network drop what it keeps between passes: other weights may be loaded before the next one.

        timm's LeViT and its kin keep tables of attention biases, and drop them when training begins.
        """
        self.net.train().eval()

    def standardise(self, x: Tensor) -> Tensor:
        """Resized, standardised `(N, 3, input_px, input_px)`, as the network was trained to see it."""
        x, px = (
            (x.expand(-1, 3, -1, -1) - self.mean) / self.std,
            self.input_px,
        )  # first: small images have fewer pixels
        if x.shape[2:] != (px, px):
            # In floats: rounding resized pixels to bytes alone takes features to a cosine of 0.997 (benchmarks/features.md).
            x = _resized(x.contiguous(), px, self.interpolation)
            for channel, (black, white) in enumerate(self._bounds):
                x[:, channel].clamp_(black, white)
        return x.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return (
            self._in_parts(x, self.standardise)
            if self._may_split(x)
            else self.features(self.standardise(x))
        )

    def features(self, shown: Tensor) -> Tensor:
        """Standardised images to features `(N, size)`."""
        if self._may_split(shown):
            return self._in_parts(shown, nn.Identity())
        self._correct_rounding(shown)
        if self.cut is None and self.pool is None:
            whole: Tensor = self.net(shown)
            return whole.flatten(1)
        found: Tensor = self._map(shown) if self.cut is None else forward_to(self.net, shown)
        if found.ndim == 4 and getattr(self.net, "output_fmt", "NCHW") == "NHWC":
            found = found.permute(0, 3, 1, 2)
        if found.ndim == 3:  # a transformer's tokens (N, tokens, channels)
            found = found.transpose(1, 2)
        found = found.flatten(2) if found.ndim > 2 else found.unsqueeze(2)
        match self.pool:
            case "max":
                return found.amax(2)
            case "flatten":
                return found.flatten(1)
            case _:
                return found.mean(2)

    def _correct_rounding(self, x: Tensor) -> None:
        """Before the first features in bfloat16, and again when weights have changed."""
        if not can_fuse(x):
            return
        with _CORRECTING:
            versions = [
                layer.version for layer in self.net.modules() if isinstance(layer, FusedConv)
            ]
            if versions != self._corrected:
                with (
                    torch.inference_mode(False),
                    torch.autocast("cpu", enabled=False),
                ):  # in that mode, images would be split
                    correct_rounding(
                        self.net, lambda: self.features(self.standardise(dead_leaves_images()))
                    )
                self._corrected = versions

    @property
    def splits_batches(self) -> bool:
        """Whether predictions on a processor take large maps a few images at a time; then larger batches are no slower."""
        from timm.models.efficientnet import EfficientNet

        return isinstance(self.net, EfficientNet) and self.cut is None and self.pool is None

    def _may_split(self, x: Tensor) -> bool:
        return (
            torch.is_inference_mode_enabled()
            and x.device.type == "cpu"
            and len(x) > self._few
            and self.splits_batches
        )

    @property
    def _few(self) -> int:
        """Images whose largest maps stay in the processor's cache."""
        return max(1, _EARLY_PIXELS // self.input_px**2)

    def _in_parts(self, x: Tensor, show: Callable[[Tensor], Tensor]) -> Tensor:
        """The features of an EfficientNet, its layers with large maps a few images at a time."""
        self._correct_rounding(x)
        net: Any = self.net
        blocks = [block for stage in net.blocks for block in stage]
        count = sum(len(stage) for stage in net.blocks[:_EARLY_STAGES]) + 1
        early = nn.Sequential(net.conv_stem, net.bn1, *blocks[:count])
        late = nn.Sequential(*blocks[count:], net.conv_head, net.bn2)
        maps = torch.cat([early(show(part)) for part in torch.split(x, self._few)])
        found: Tensor = net.forward_head(late(maps))
        return found.flatten(1)

    def _map(self, shown: Tensor) -> Tensor:
        forward: Callable[[Tensor], Tensor] = getattr(self.net, "forward_features")  # noqa: B009  # every timm network has it
        return forward(shown)

    @torch.no_grad()
    def calibrate_batch_norm(self, batches: list[Tensor]) -> None:
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
        """Put each batch norm and activation into the convolution before it: the same function, fewer passes over memory."""
        blank = torch.zeros(1, 3, self.input_px, self.input_px, device=self.mean.device)
        with torch.no_grad():
            fold_and_fuse(self.net, lambda: self.features(blank))
        self._forget()
        if (
            self._end is not None and self.cut is not None
        ):  # another module may stand at the cut now
            self._end.remove()
            self._end = end_at(self.net, self.cut)
        return self


def _resized(x: Tensor, px: int, mode: str) -> Tensor:
    """`(N, C, H, W)` to `(N, C, px, px)`, antialiased.

    Each row and column of the result is a weighted sum of those of the image: predictions of small images take it as such.
    """
    height, width = x.shape[2:]
    if (
        max(height, width) > _SMALL_PX
        or x.device.type != "cpu"
        or not torch.is_inference_mode_enabled()
    ):
        return functional.interpolate(x, (px, px), mode=mode, antialias=True)
    with torch.autocast("cpu", enabled=False):
        return _resizing(height, px, mode) @ (x.float() @ _resizing(width, px, mode).T)


@lru_cache(8)
def _resizing(side: int, px: int, mode: str) -> Tensor:
    """The weights `(px, side)` with which `interpolate` makes a column of `px` pixels of one of `side`."""
    with torch.inference_mode():
        return functional.interpolate(
            torch.eye(side)[None, None], (px, side), mode=mode, antialias=True
        )[0, 0]


@contextmanager
def _explained(input_px: int) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"this backbone cannot look at {input_px} pixels: {str(error).strip().splitlines()[0]}",
            "Give another side: --set input_px=224, say.",
        ) from error


def load_backbone(
    model: str, options: BackboneOptions, input_px: int, seed: int, *, empty: bool = False
) -> Backbone:
    """A backbone without its classifier, and without what lies behind its cut.

    Args:
        model: a backbone's name.
        options: pin_weights; `pretrained=False` gives the control, random weights from `seed`.
        input_px: side to which images are resized.
        empty: weights will be loaded over it: skip the pretrained ones.

    Raises:
        InputError: no such network or layer, a side that it cannot look at, or weights of another network.
        ResourceError: the weights are missing or not the ones we know.
    """
    import timm

    name = timm_name(model)
    own, is_only = native_input_size(model)
    if is_only and input_px != own:
        raise InputError(
            f"{model} looks at {own} pixels only, but input_px is {input_px}.",
            f"Leave it out, or give --set input_px={own}.",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = timm.create_model(name, pretrained=False, num_classes=0)
    if options.pretrained and not empty:
        tensors = read_weights(model, options)
        if options.weights is None:
            _copy_in_order(tensors, net)
        else:
            _copy_by_name(tensors, net, model)
    config = timm.get_pretrained_cfg(name)
    mean, std, interpolation = (
        (config.mean, config.std, config.interpolation) if config else (_HALF, _HALF, "bicubic")
    )
    backbone = Backbone(net, mean, std, input_px, options.cut, options.pool, interpolation)
    return backbone.to(memory_format=torch.channels_last)


def native_input_size(model: str) -> tuple[int, bool]:
    """The side in pixels at which a backbone was trained, and whether it can look at no other."""
    import timm

    config = timm.get_pretrained_cfg(timm_name(model))
    return (config.input_size[-1], config.fixed_input_size) if config else (224, False)


def _copy_in_order(state: dict[str, Tensor], net: nn.Module) -> None:
    """The packages name tensors differently, but list the same ones in the same order."""
    theirs = [(name, tensor) for name, tensor in state.items() if "num_batches_tracked" not in name]
    ours = {
        name: tensor
        for name, tensor in net.state_dict().items()
        if "num_batches_tracked" not in name
    }
    for (name, tensor), (given_name, given) in zip(
        ours.items(), theirs, strict=False
    ):  # theirs end with the classifier
        if tensor.shape != given.shape or name.rpartition(".")[2] != given_name.rpartition(".")[2]:
            raise ResourceError(
                f"the packaged weights do not fit timm's network: {name} is {tuple(tensor.shape)}, "
                f"the package has {given_name}, {tuple(given.shape)}.",
                "Install the timm version that Headstart asks for.",
            )
        tensor.copy_(given)


def _copy_by_name(state: dict[str, Tensor], net: nn.Module, model: str) -> None:
    """Weights named as in timm; what the network does not have, its classifier above all, is left out."""
    ours = {
        name: tensor
        for name, tensor in net.state_dict().items()
        if "num_batches_tracked" not in name
    }
    wrong = [
        f"{name} {tuple(tensor.shape)}"
        + (f" (there {tuple(state[name].shape)})" if name in state else "")
        for name, tensor in ours.items()
        if name not in state or state[name].shape != tensor.shape
    ]
    if wrong:
        raise InputError(
            f"the weights do not fit {model}: {len(wrong)} of {len(ours)} tensors are missing or of another shape, "
            f"the first {', '.join(wrong[:2])}; the file begins with {', '.join(list(state)[:2])}.",
            "Wanted are the weights of this network under timm's names.",
        )
    for name, tensor in ours.items():
        tensor.copy_(state[name])
