"""Input transforms: what is applied to images before they reach the network that was trained."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headstart.models import Backbone, BackboneWithHead

_ROWS_PER_BLOCK = 1 << 14
_PIXELS_PER_BLOCK = 1 << 18
_SMALLEST_STD = 1e-3  # added to each standard deviation, so that constant columns stay finite


class Standardise(nn.Module):
    """Standardisation of pixels per channel, with statistics of the training images.

    Maps floats from 0 to 255 to zero mean and unit variance. Images may be reduced before. Their
    variance is then smaller, because the statistics are those of the whole images.

    Args:
        channels: Channels of the images.
        reduction: Factor by which height and width are reduced, by averaging.
    """

    def __init__(self, channels: int, reduction: int = 1) -> None:
        super().__init__()
        self.reduction = reduction
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("std", torch.ones(1, channels, 1, 1))
        self.mean: Tensor
        self.std: Tensor

    def fit(self, images: NDArray[np.uint8]) -> None:
        """Measure mean and standard deviation of training images `(N, H, W, C)` uint8."""
        mean, std = _mean_and_std_of_pixels(images)
        self.mean.copy_(mean.view_as(self.mean))
        self.std.copy_(std.view_as(self.std))

    def reduce(self, images: Tensor) -> Tensor:
        """Reduce bytes exactly as `forward` reduces floats, but faster.

        Args:
            images: uint8 tensor of shape (N, C, H, W).

        Returns:
            Float tensor of shape (N, C, H / reduction, W / reduction).
        """
        factor = self.reduction
        height, width = (size // factor * factor for size in images.shape[2:])
        rows = sum(images[:, :, i:height:factor, :width].short() for i in range(factor))
        assert isinstance(rows, Tensor)
        total = sum(rows[:, :, :, i::factor].float() for i in range(factor))
        assert isinstance(total, Tensor)
        return total / factor**2

    def scale(self, x: Tensor) -> Tensor:
        """Standardise reduced images."""
        return (x - self.mean) / self.std

    def forward(self, x: Tensor) -> Tensor:
        if self.reduction > 1:
            x = functional.avg_pool2d(x, self.reduction)
        return self.scale(x)


class StandardisedBackbone(nn.Module):
    """A frozen backbone followed by standardisation of its features.

    On the training images, each feature has zero mean and unit variance.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("mean", torch.zeros(backbone.num_features))
        self.register_buffer("std", torch.ones(backbone.num_features))
        self.mean: Tensor
        self.std: Tensor

    def fit(self, features: NDArray[np.float16]) -> None:
        """Measure mean and standard deviation of features `(N, size)` of the training images."""
        mean, std = _mean_and_std(features)
        self.mean.copy_(mean)
        self.std.copy_(std)

    def standardise(self, features: Tensor) -> Tensor:
        """Standardise raw features."""
        return (features - self.mean) / self.std

    def rounded_features(self, x: Tensor) -> Tensor:
        """Return the features of images `(N, C, H, W)` before standardisation.

        They are rounded as in the feature cache: a saved classifier must reproduce its run.
        """
        features: Tensor = self.backbone(x)
        return features.half().float()

    def forward(self, x: Tensor) -> Tensor:
        return self.standardise(self.rounded_features(x))


class BackboneInput(nn.Module):
    """Preparation of images for the backbone of a `BackboneWithHead` network.

    Images are resized, converted to three channels and standardised.
    """

    def __init__(self, net: BackboneWithHead) -> None:
        super().__init__()
        # In a tuple, torch does not register the backbone here. Its weights belong to `net` alone.
        self._backbone = (net.backbone,)

    @property
    def backbone(self) -> Backbone:
        """The backbone that receives the prepared images."""
        return self._backbone[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone.standardise(x)


InputTransform = Standardise | StandardisedBackbone | BackboneInput


def as_floats(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Convert images to floats from 0 to 255.

    The memory layout stays channels-last.

    Args:
        images: uint8 array of shape (N, H, W, C).
        device: Where the tensor is needed.

    Returns:
        Float tensor of shape (N, C, H, W).
    """
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()


def _mean_and_std_of_pixels(images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel.

    All sums are whole numbers below 2^53, so they are exact. Counting the 256 levels of 20,000
    colour images of 32x32 takes 0.2 s instead of 1.8 s for adding up their pixels.
    """
    channels = images.shape[-1]
    pixels = images.reshape(-1, channels)
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(pixels), _PIXELS_PER_BLOCK):
        block = pixels[start : start + _PIXELS_PER_BLOCK]
        counts += [np.bincount(column, minlength=256) for column in block.T]

    levels = np.arange(256.0)
    return _mean_and_std_of_sums(counts @ levels, counts @ levels**2, len(pixels))


def _mean_and_std(rows: NDArray[np.generic]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per column.

    Sums are taken in blocks, because a float64 copy of all images would need eight times their
    memory.
    """
    total, squares = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for start in range(0, len(rows), _ROWS_PER_BLOCK):
        block = rows[start : start + _ROWS_PER_BLOCK].astype(np.float64)
        total += block.sum(0)
        squares += (block**2).sum(0)

    return _mean_and_std_of_sums(total, squares, len(rows))


def _mean_and_std_of_sums(
    total: NDArray[np.float64], squares: NDArray[np.float64], count: int
) -> tuple[Tensor, Tensor]:
    mean = total / count
    variance = np.maximum(squares / count - mean**2, 0)
    return torch.from_numpy(mean), torch.from_numpy(np.sqrt(variance) + _SMALLEST_STD)
