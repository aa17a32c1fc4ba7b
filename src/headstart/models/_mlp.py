"""The dense network, and the activations of all networks."""

from __future__ import annotations

from torch import nn

from headstart.models._options import MlpOptions


def activation(kind: str) -> nn.Module:
    """Return the activation layer for relu, tanh or gelu."""
    if kind == "relu":
        return nn.ReLU(inplace=True)
    kinds: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "gelu": nn.GELU}
    return kinds[kind]()


def mlp(image_shape: tuple[int, int, int], outputs: int, options: MlpOptions) -> nn.Sequential:
    """Build the dense network: flatten, `layers` times (linear, activation, dropout), linear.

    Args:
        image_shape: (height, width, channels).
        outputs: Number of logits.
        options: Depth, width, activation and dropout.
    """
    height, width, channels = image_shape
    inputs = height * width * channels
    net = nn.Sequential(nn.Flatten())
    for _ in range(options.layers):
        net.append(nn.Linear(inputs, options.nodes))
        net.append(activation(options.activation))
        net.append(nn.Dropout(options.dropout))
        inputs = options.nodes
    return net.append(nn.Linear(inputs, outputs))
