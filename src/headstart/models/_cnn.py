"""The default network, `cnn`: a frozen whitening stem, then blocks of two convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headstart.models._mlp import activation
from headstart.models._options import CnnOptions, cnn_stem, default_layers
from headstart.models.fused import Conv3x3

# Momentum of batch norm's running statistics. In a run of 300 steps, they must not lag behind the
# weights.
BATCH_NORM_MOMENTUM = 0.3
# Images per step of the whitening fit. In float64, the patches of 222 images of 224 pixels take
# 1 GB.
FIT_BATCH = 16
# The whitening fit leaves out images beyond so much work. Up to 112 pixels, it leaves out none. At
# 128 pixels, 682 images took 4 s on one core, and a run of `fit` that had 4 s trained for 0.09
# epochs.
_WHITENING_MULTIPLY_ADDS = 8e9
WHITENING_EPS = 5e-4  # added to the eigenvalues, as in airbench; pixels are standardised
_MAX_DIRECTIONS = 32
_LEAST_IMAGES = 64


class Whitening(nn.Conv2d):
    """A frozen convolution whose filters whiten the patches of the training images.

    The filters are the principal directions of the patches, each scaled to unit variance. They come
    in pairs v and -v, so that the activation after them loses no information.

    References:
        Page (2019), "How to train your ResNet". The frozen, paired form is that of Jordan (2024),
        arXiv:2404.00498, section 3.1.
    """

    def __init__(self, channels: int, patch: int, stride: int) -> None:
        directions = min(channels * patch * patch, _MAX_DIRECTIONS)
        super().__init__(channels, 2 * directions, patch, stride, bias=False)
        self.weight.requires_grad_(False)

    def enough_images(self, height: int, width: int) -> int:
        """Return how many images of this size fix the filters well enough."""
        patch, stride = self.kernel_size[0], self.stride[0]
        patches = ((height - patch) // stride + 1) * ((width - patch) // stride + 1)
        size = self.weight[0].numel()
        return max(_LEAST_IMAGES, int(_WHITENING_MULTIPLY_ADDS / (patches * size**2)))

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Set the filters.

        Args:
            images: Standardised images of shape (N, C, H, W), float32, on any device. A few
                thousand suffice.
        """
        values, vectors = torch.linalg.eigh(self._covariance(images))  # ascending eigenvalues
        keep = self.weight.shape[0] // 2
        scales = (values.clamp_min(0) + WHITENING_EPS).sqrt()
        filters = (vectors / scales).T.flip(0)[:keep]

        # The sign of an eigenvector is arbitrary. Fix it, so that another build of LAPACK gives the
        # same network.
        sign = filters.gather(1, filters.abs().argmax(1, keepdim=True)).sign()
        filters = filters * sign
        patch = self.kernel_size[0]
        filters = filters.reshape(keep, images.shape[1], patch, patch).float()
        self.weight.copy_(torch.cat([filters, -filters]))

    def _covariance(self, images: Tensor) -> Tensor:
        """Return the second moments of all patches, float64."""
        patch, stride = self.kernel_size[0], self.stride[0]
        size = images.shape[1] * patch * patch
        products = torch.zeros(size, size, dtype=torch.double, device=images.device)
        count = 0
        for batch in torch.split(images, FIT_BATCH):
            patches = batch.unfold(2, patch, stride).unfold(3, patch, stride)
            rows = patches.permute(0, 2, 3, 1, 4, 5).reshape(-1, size).double()
            products += rows.T @ rows
            count += len(rows)
        return products.cpu() / count


class ConvBlock(nn.Module):
    """Convolution, pooling, norm, activation, convolution, norm, activation.

    Halves the height and the width and has `filters` output channels. If the option `downsample` is
    "stride", a stride of 2 in the first convolution replaces pooling.
    """

    def __init__(self, channels: int, filters: int, options: CnnOptions, size: int) -> None:
        super().__init__()
        half = min(2, size)
        has_stride = options.downsample == "stride"
        self.conv1 = Conv3x3(channels, filters, half if has_stride else 1)
        self.pool = nn.Identity() if has_stride else nn.MaxPool2d(half)
        self.norm1 = nn.BatchNorm2d(filters, momentum=BATCH_NORM_MOMENTUM)
        self.conv2 = Conv3x3(filters, filters)
        self.norm2 = nn.BatchNorm2d(filters, momentum=BATCH_NORM_MOMENTUM)
        self.act1, self.act2 = activation(options.activation), activation(options.activation)

        # The first filters start as identities: Zagoruyko and Komodakis (2017).
        for conv in (self.conv1, self.conv2):
            nn.init.dirac_(conv.weight[: conv.in_channels])
        for norm in (self.norm1, self.norm2):
            norm.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.norm1(self.pool(self.conv1(x))))
        y: Tensor = self.act2(self.norm2(self.conv2(x)))
        return y


class Cnn(nn.Module):
    """The default network. Maps standardised images (N, C, H, W) to logits (N, outputs).

    Images of 256 pixels or more have been reduced. See `reduced_shape`.
    """

    whitening: Whitening
    act: nn.Module
    blocks: nn.Sequential
    dropout: nn.Dropout
    head: nn.Linear

    def __init__(
        self, image_shape: tuple[int, int, int], outputs: int, options: CnnOptions
    ) -> None:
        super().__init__()
        stride, patch, size = cnn_stem(image_shape)
        self.whitening = Whitening(image_shape[2], patch, stride)
        self.act = activation(options.activation)

        channels, filters = self.whitening.out_channels, options.nodes
        self.blocks = nn.Sequential()
        for _ in range(options.layers or default_layers(image_shape)):
            self.blocks.append(ConvBlock(channels, filters, options, size))
            channels = filters
            filters = min(filters * 2, options.nodes * 4)
            # A stride rounds up, pooling rounds down.
            size = max(1, (size + 1) // 2 if options.downsample == "stride" else size // 2)

        self.dropout = nn.Dropout(options.dropout)
        self.head = nn.Linear(channels, outputs, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act(self.whitening(x))).amax((2, 3))
        logits: Tensor = self.head(self.dropout(x))
        return logits
