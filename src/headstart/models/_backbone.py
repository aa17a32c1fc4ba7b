"""A backbone: a timm network without its classifier, with the preprocessing of its images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from headstart.errors import InputError
from headstart.models._cut import end_at, forward_to, leave_out_behind
from headstart.models._resize import resize
from headstart.models.fused import (
    FusedConv,
    can_fuse,
    correct_rounding,
    dead_leaves_images,
    fold_and_fuse,
)

# Features per image. An early feature map can have more when it is flattened, and a head on it
# would not fit into memory.
_MAX_FEATURES = 1 << 17
# The first two stages of an EfficientNet have the largest feature maps. They and the next block
# process few images at a time, so that the maps stay in the processor's cache. Later blocks process
# many images, so that weights are read rarely (benchmarks/features.md).
_EARLY_STAGES = 2
_EARLY_PIXELS = 1 << 18  # input pixels per part: 16 images of 128x128
# Threads share a backbone while its rounding is corrected. The lock is not an attribute, because
# locks cannot be copied.
_CORRECTING = Lock()


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing that a network was trained with.

    Attributes:
        mean: Mean per channel, on a scale of 0 to 1.
        std: Standard deviation per channel, on a scale of 0 to 1.
        interpolation: Resampling filter. Anything but "bilinear" is replaced by "bicubic".
    """

    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    interpolation: str = "bicubic"


class Backbone(nn.Module):
    """A frozen feature extractor.

    Maps images of shape (N, 1 or 3, H, W), uint8 or float in 0 to 255, to float features of shape
    (N, num_features).

    Greyscale images get three equal channels. Images are resized to `input_px` with antialiasing
    and standardised. The whole image is used. The usual crop of the centre would lose parts that a
    dataset's own resizing has kept.

    Batch norms stay in evaluation mode, even after `train()`, until `unfreeze` is called.

    Attributes:
        net: The timm network.
        input_px: Input size of the network in pixels, equal for height and width.
        num_features: Number of features per image at that size.
        cut: Name of the module whose output is used. None: the whole network.
        pool: How a feature map becomes a vector: avg, max or flatten. None: as the network does.
        interpolation: Resampling filter, "bicubic" or "bilinear".
        corrects_rounding: Whether the mean shift that bfloat16 causes in features is corrected. It
            is for the packaged networks, where that was measured. Features of EfficientNet-B0 and
            MobileNetV3 with random weights came out less similar to those of float32 with it
            (benchmarks/features.md).
    """

    net: nn.Module
    input_px: int
    num_features: int
    mean: Tensor
    std: Tensor
    corrects_rounding = False

    def __init__(
        self,
        net: nn.Module,
        preprocessing: Preprocessing,
        input_px: int,
        cut: str | None = None,
        pool: str | None = None,
    ) -> None:
        super().__init__()
        self.trains_batch_norm = False
        self.net, self.cut, self.pool = net.eval().requires_grad_(False), cut, pool
        self.interpolation = "bilinear" if preprocessing.interpolation == "bilinear" else "bicubic"
        self.register_buffer("mean", 255 * torch.tensor(preprocessing.mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(preprocessing.std).view(1, 3, 1, 1))
        # Black and white after standardisation, per channel.
        self._bounds = [
            (-mean / std, (1 - mean) / std)
            for mean, std in zip(preprocessing.mean, preprocessing.std, strict=True)
        ]
        # Versions of the weights for which rounding is corrected.
        self._corrected: list[tuple[int, int]] = []

        self._end = None if cut is None else end_at(net, cut)
        if cut is not None:
            with _translate_errors(input_px):
                leave_out_behind(net, torch.zeros(1, 3, input_px, input_px))
        self.set_input_size(input_px)

    def set_input_size(self, input_px: int) -> Backbone:
        """Change the input size.

        Args:
            input_px: Height and width in pixels.

        Raises:
            InputError: The size is too small for this network, or there are too many features.
        """
        self.input_px = input_px
        black = torch.zeros(1, 3, input_px, input_px, device=self.mean.device)
        with torch.no_grad(), _translate_errors(input_px):
            self.num_features = self(black).shape[1]
        self._drop_caches()

        if self.num_features > _MAX_FEATURES:
            raise InputError(
                f"too many features per image: expected at most {_MAX_FEATURES:,}, "
                f"got {self.num_features:,}.",
                "Pool them (--pool avg), cut at a later layer, or use a smaller input_px.",
            )
        return self

    def unfreeze(self, *, statistics: bool) -> None:
        """Make all weights trainable.

        Args:
            statistics: Whether batch norms also update their running statistics.
        """
        self.net.requires_grad_(True)
        self.trains_batch_norm = statistics

    def train(self, mode: bool = True) -> Backbone:
        return super().train(mode and self.trains_batch_norm)

    def _drop_caches(self) -> None:
        """Make the network drop what it caches between passes.

        timm's LeViT and related networks cache tables of attention biases and drop them when
        training starts. Other weights may be loaded before the next pass.
        """
        self.net.train().eval()

    def standardise(self, x: Tensor) -> Tensor:
        """Resize and standardise images as the network was trained to see them.

        Args:
            x: Images of shape (N, 1 or 3, H, W), in 0 to 255.

        Returns:
            Images of shape (N, 3, input_px, input_px), channels last.
        """
        # Standardise first: small images have fewer pixels.
        x = (x.expand(-1, 3, -1, -1) - self.mean) / self.std
        if x.shape[2:] != (self.input_px, self.input_px):
            # Resized in float: rounding resized pixels to bytes alone reduces the cosine similarity
            # of features to 0.997 (benchmarks/features.md).
            x = resize(x.contiguous(), self.input_px, self.interpolation)
            for channel, (black, white) in enumerate(self._bounds):
                x[:, channel].clamp_(black, white)
        return x.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        if self._should_split(x):
            return self._features_in_parts(x, self.standardise)
        return self.features(self.standardise(x))

    def features(self, standardised: Tensor) -> Tensor:
        """Compute features of standardised images.

        Args:
            standardised: Images of shape (N, 3, input_px, input_px), from `standardise`.

        Returns:
            Features of shape (N, num_features).
        """
        if self._should_split(standardised):
            return self._features_in_parts(standardised, nn.Identity())
        self._correct_rounding(standardised)
        if self.cut is None and self.pool is None:
            features: Tensor = self.net(standardised)
            return features.flatten(1)
        if self.cut is None:
            return self._pool(self._feature_map(standardised))
        return self._pool(forward_to(self.net, standardised))

    def _pool(self, maps: Tensor) -> Tensor:
        """Turn feature maps (N, C, H, W), tokens (N, T, C) or vectors (N, C) into features."""
        if maps.ndim == 4 and getattr(self.net, "output_fmt", "NCHW") == "NHWC":
            maps = maps.permute(0, 3, 1, 2)
        if maps.ndim == 3:
            maps = maps.transpose(1, 2)
        maps = maps.flatten(2) if maps.ndim > 2 else maps.unsqueeze(2)

        match self.pool:
            case "max":
                return maps.amax(2)
            case "flatten":
                return maps.flatten(1)
            case _:
                return maps.mean(2)

    def _feature_map(self, standardised: Tensor) -> Tensor:
        # Every timm network has this method.
        forward: Callable[[Tensor], Tensor] = getattr(self.net, "forward_features")  # noqa: B009
        return forward(standardised)

    def _correct_rounding(self, x: Tensor) -> None:
        """Correct rounding before the first features in bfloat16 and after weights have changed."""
        if not (self.corrects_rounding and can_fuse(x)):
            return
        with _CORRECTING:
            layers = [layer for layer in self.net.modules() if isinstance(layer, FusedConv)]
            versions = [layer.version for layer in layers]
            if versions != self._corrected:
                # In inference mode, the images would be split.
                with torch.inference_mode(False), torch.autocast("cpu", enabled=False):
                    correct_rounding(
                        self.net, lambda: self.features(self.standardise(dead_leaves_images()))
                    )
                self._corrected = versions

    @property
    def splits_batches(self) -> bool:
        """Return whether predictions on a CPU process large feature maps a few images at a time.

        If so, larger batches are not slower.
        """
        from timm.models.efficientnet import EfficientNet

        return isinstance(self.net, EfficientNet) and self.cut is None and self.pool is None

    def _should_split(self, x: Tensor) -> bool:
        return (
            torch.is_inference_mode_enabled()
            and x.device.type == "cpu"
            and len(x) > self._part_size
            and self.splits_batches
        )

    @property
    def _part_size(self) -> int:
        """Return the number of images whose largest feature maps fit into the processor's cache."""
        return max(1, _EARLY_PIXELS // self.input_px**2)

    def _features_in_parts(self, x: Tensor, preprocess: Callable[[Tensor], Tensor]) -> Tensor:
        """Compute features of an EfficientNet, its early layers a few images at a time."""
        self._correct_rounding(x)
        net: Any = self.net
        blocks: list[nn.Module] = []
        for stage in net.blocks:
            blocks.extend(stage)
        count = sum(len(stage) for stage in net.blocks[:_EARLY_STAGES]) + 1
        early = nn.Sequential(net.conv_stem, net.bn1, *blocks[:count])
        late = nn.Sequential(*blocks[count:], net.conv_head, net.bn2)

        parts = torch.split(x, self._part_size)
        maps = torch.cat([early(preprocess(part)) for part in parts])
        features: Tensor = net.forward_head(late(maps))
        return features.flatten(1)

    @torch.no_grad()
    def calibrate_batch_norm(self, batches: list[Tensor]) -> None:
        """Estimate the statistics of batch norms from images.

        Without it, the features of a network with random weights are nearly constant.

        Args:
            batches: Images of shape (N, 1 or 3, H, W), in 0 to 255.
        """
        norms = [module for module in self.net.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
            norm.train()
        for batch in batches:
            self(batch)
        self.net.eval()

    def fold(self) -> Backbone:
        """Fold batch norms and activations into the convolutions before them.

        The features stay the same, and there are fewer passes over memory.
        """
        black = torch.zeros(1, 3, self.input_px, self.input_px, device=self.mean.device)
        with torch.no_grad():
            fold_and_fuse(self.net, lambda: self.features(black))
        self._drop_caches()

        if self._end is not None and self.cut is not None:
            # The module at the cut may have been replaced.
            self._end.remove()
            self._end = end_at(self.net, self.cut)
        return self


@contextmanager
def _translate_errors(input_px: int) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"this backbone does not accept images of {input_px}x{input_px} pixels: "
            f"{str(error).strip().splitlines()[0]}",
            "Pass another size, such as --set input_px=224.",
        ) from error
