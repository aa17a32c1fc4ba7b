"""Our own small network, `cnn`: a frozen whitening stem, then blocks of two convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from headstart.models._mlp import activation
from headstart.models._options import CnnOptions, cnn_stem, default_layers
from headstart.models.fused import Conv3x3

STATISTICS_RATE = (
    0.3  # of batch norm's running moments: a run of 300 steps must not lag behind its weights
)
FITTED_AT_ONCE = 16  # images: in float64, the patches of 222 images of 224 pixels are 1 GB
WHITENING_EPS = 5e-4  # added to the eigenvalues, as in airbench; pixels are standardised


class Whitening(nn.Conv2d):
    """A frozen convolution whose filters are the principal directions of the training patches, each scaled to unit variance.

    Filters come in pairs v and -v, so that the activation after them loses nothing.
    Source: Page (2019), "How to train your ResNet"; the frozen, paired form is Jordan (2024), arXiv:2404.00498, section 3.1.
    """

    def __init__(self, channels: int, patch: int, stride: int) -> None:
        directions = min(channels * patch * patch, 32)
        super().__init__(channels, 2 * directions, patch, stride, bias=False)
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Set the filters from standardised images `(N, C, H, W)`, float32; a few thousand suffice."""
        patch, stride = self.kernel_size[0], self.stride[0]
        channels = images.shape[1]
        size = channels * patch * patch
        products, count = torch.zeros(size, size, dtype=torch.double), 0
        for some in torch.split(images, FITTED_AT_ONCE):
            rows = (
                some.unfold(2, patch, stride)
                .unfold(3, patch, stride)
                .permute(0, 2, 3, 1, 4, 5)
                .reshape(-1, size)
                .double()
            )
            products += rows.T @ rows
            count += len(rows)
        values, vectors = torch.linalg.eigh(products / count)  # ascending
        keep = self.weight.shape[0] // 2
        filters = (vectors / (values.clamp_min(0) + WHITENING_EPS).sqrt()).T.flip(0)[:keep]
        # The sign of an eigenvector is arbitrary; fix it, so that another build of LAPACK gives the same network.
        sign = filters.gather(1, filters.abs().argmax(1, keepdim=True)).sign()
        filters = (filters * sign).reshape(keep, channels, patch, patch).float()
        self.weight.copy_(torch.cat([filters, -filters]))


class Block(nn.Module):
    """Convolution, pooling, norm, activation, convolution, norm, activation: half the height and width, `filters` channels.

    With `downsample` "stride" the first convolution takes every second pixel, and there is no pooling.
    """

    def __init__(self, channels: int, filters: int, options: CnnOptions, side: int) -> None:
        super().__init__()
        half = min(2, side)
        strides = options.downsample == "stride"
        self.conv1 = Conv3x3(channels, filters, half if strides else 1)
        self.pool = nn.Identity() if strides else nn.MaxPool2d(half)
        self.norm1 = nn.BatchNorm2d(filters, momentum=STATISTICS_RATE)
        self.conv2 = Conv3x3(filters, filters)
        self.norm2 = nn.BatchNorm2d(filters, momentum=STATISTICS_RATE)
        self.act1, self.act2 = activation(options.activation), activation(options.activation)
        for conv in (
            self.conv1,
            self.conv2,
        ):  # the first filters pass their input on: Zagoruyko & Komodakis (2017)
            nn.init.dirac_(conv.weight[: conv.in_channels])
        for norm in (self.norm1, self.norm2):
            norm.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.norm1(self.pool(self.conv1(x))))
        y: Tensor = self.act2(self.norm2(self.conv2(x)))
        return y


class Cnn(nn.Module):
    """`(N, C, H, W)` standardised images to `(N, outputs)` logits."""

    whitening: Whitening
    act: nn.Module
    blocks: nn.Sequential
    dropout: nn.Dropout
    head: nn.Linear

    def __init__(
        self, image_shape: tuple[int, int, int], outputs: int, options: CnnOptions
    ) -> None:
        super().__init__()
        stride, patch, side = cnn_stem(image_shape)
        self.whitening = Whitening(image_shape[2], patch, stride)
        self.act = activation(options.activation)
        filters, inputs = options.nodes, self.whitening.out_channels
        self.blocks = nn.Sequential()
        for _ in range(options.layers or default_layers(image_shape)):
            self.blocks.append(Block(inputs, filters, options, side))
            inputs, filters, side = (
                filters,
                min(filters * 2, options.nodes * 4),
                max(1, (side + 1) // 2 if options.downsample == "stride" else side // 2),
            )
        self.dropout = nn.Dropout(options.dropout)
        self.head = nn.Linear(inputs, outputs, bias=False)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act(self.whitening(x))).amax((2, 3))
        logits: Tensor = self.head(self.dropout(x))
        return logits
