"""Published networks, layer by layer, so that their results can be reproduced."""

from __future__ import annotations

from torch import nn

from headstart.errors import InputError
from headstart.models._mlp import activation
from headstart.models._options import FashionOptions, ScenesOptions


def _as_keras_starts(net: nn.Sequential) -> nn.Sequential:
    """Glorot-uniform weights and zero biases, the defaults under which these networks were published."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def _need_side(name: str, image_shape: tuple[int, int, int], least: int) -> None:
    height, width, _ = image_shape
    if min(height, width) < least:
        raise InputError(
            f"model {name} needs images of at least {least}x{least} pixels; these are {height}x{width}.",
            f"Use --image-size {least} or more, or --model cnn, which fits any size.",
        )


def fashion(
    name: str, image_shape: tuple[int, int, int], outputs: int, options: FashionOptions
) -> nn.Sequential:
    """Two times (3x3 convolution, activation, 2x2 pooling, dropout), then two dense layers."""
    edge = (
        0 if options.padding == "same" else 2
    )  # what a 3x3 convolution takes off each side, both ends together
    _need_side(name, image_shape, 4 if options.padding == "same" else 10)
    height, width, channels = image_shape
    net = nn.Sequential()
    for filters in options.filters:
        net.extend(
            [
                nn.Conv2d(channels, filters, 3, padding=options.padding),
                activation(options.activation),
                nn.MaxPool2d(2),
                nn.Dropout(options.dropout),
            ]
        )
        height, width, channels = (height - edge) // 2, (width - edge) // 2, filters
    net.extend(
        [
            nn.Flatten(),
            nn.Linear(height * width * channels, options.nodes),
            activation(options.activation),
            nn.Dropout(options.head_dropout),
            nn.Linear(options.nodes, outputs),
        ]
    )
    return _as_keras_starts(net)


def scenes(
    name: str, image_shape: tuple[int, int, int], outputs: int, options: ScenesOptions
) -> nn.Sequential:
    """Convolutions 200, 180, pool 5, 180, 140, 100, 50, pool 5; dense 180, 100, 50; dropout; all ReLU."""
    _need_side(name, image_shape, 89)
    height, width, channels = image_shape
    net = nn.Sequential()
    for stage in ((200, 180), (180, 140, 100, 50)):
        for filters in stage:
            net.extend([nn.Conv2d(channels, filters, 3), nn.ReLU()])
            height, width, channels = height - 2, width - 2, filters
        net.append(nn.MaxPool2d(5))
        height, width = height // 5, width // 5
    net.append(nn.Flatten())
    inputs = height * width * channels
    for nodes in (180, 100, 50):
        net.extend([nn.Linear(inputs, nodes), nn.ReLU()])
        inputs = nodes
    net.extend([nn.Dropout(options.dropout), nn.Linear(inputs, outputs)])
    return _as_keras_starts(net)
