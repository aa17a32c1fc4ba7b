"""Published networks, layer by layer, so that their results can be reproduced."""

from __future__ import annotations

from torch import nn

from headstart.errors import InputError
from headstart.models._mlp import activation
from headstart.models._options import FashionOptions, ScenesOptions

_MIN_SIZE_PX = {"same": 4, "valid": 10}  # of the fashion network, by padding
_MIN_SCENES_PX = 89


def fashion(
    name: str, image_shape: tuple[int, int, int], outputs: int, options: FashionOptions
) -> nn.Sequential:
    """Build the published Fashion-MNIST networks.

    Twice a 3x3 convolution, activation, 2x2 pooling and dropout, then two dense layers.

    Args:
        name: Name of the model, for messages.
        image_shape: (height, width, channels).
        outputs: Number of logits.
        options: Widths, padding, activation and dropout.

    Raises:
        InputError: The images are too small.
    """
    _require_size(name, image_shape, _MIN_SIZE_PX[options.padding])
    # Pixels by which a 3x3 convolution shrinks the height and the width.
    shrinkage = 0 if options.padding == "same" else 2
    height, width, channels = image_shape
    net = nn.Sequential()
    for filters in options.filters:
        net.append(nn.Conv2d(channels, filters, 3, padding=options.padding))
        net.append(activation(options.activation))
        net.append(nn.MaxPool2d(2))
        net.append(nn.Dropout(options.dropout))
        height, width = (height - shrinkage) // 2, (width - shrinkage) // 2
        channels = filters

    net.append(nn.Flatten())
    net.append(nn.Linear(height * width * channels, options.nodes))
    net.append(activation(options.activation))
    net.append(nn.Dropout(options.head_dropout))
    net.append(nn.Linear(options.nodes, outputs))
    return _initialise_as_keras(net)


def scenes(
    name: str, image_shape: tuple[int, int, int], outputs: int, options: ScenesOptions
) -> nn.Sequential:
    """Build the published basic CNN for scenes.

    Convolutions with 200 and 180 filters, 5x5 pooling, convolutions with 180, 140, 100 and 50
    filters, 5x5 pooling, dense layers with 180, 100 and 50 units, dropout. Activations are ReLU.

    Args:
        name: Name of the model, for messages.
        image_shape: (height, width, channels).
        outputs: Number of logits.
        options: Dropout.

    Raises:
        InputError: The images are too small.
    """
    _require_size(name, image_shape, _MIN_SCENES_PX)
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
    for units in (180, 100, 50):
        net.extend([nn.Linear(inputs, units), nn.ReLU()])
        inputs = units
    net.extend([nn.Dropout(options.dropout), nn.Linear(inputs, outputs)])
    return _initialise_as_keras(net)


def _initialise_as_keras(net: nn.Sequential) -> nn.Sequential:
    """Set Glorot-uniform weights and zero biases, with which these networks were published."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return net


def _require_size(name: str, image_shape: tuple[int, int, int], least_px: int) -> None:
    height, width, _ = image_shape
    if min(height, width) < least_px:
        raise InputError(
            f"images too small for model {name}: expected at least {least_px}x{least_px} pixels, "
            f"got {height}x{width}.",
            f"Use --image-size {least_px} or more, or --model cnn, which supports any size.",
        )
