"""Small parts that several networks share."""

from __future__ import annotations

from torch import nn

from headstart.models._options import MlpOptions


def activation(kind: str) -> nn.Module:
    """The activation layer called relu, tanh or gelu."""
    kinds: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}
    return nn.ReLU(inplace=True) if kind == "relu" else kinds[kind]()


def mlp(image_shape: tuple[int, int, int], outputs: int, options: MlpOptions) -> nn.Sequential:
    """The dense net: flatten, `layers` times (linear, activation, dropout), linear."""
    height, width, channels = image_shape
    net, inputs = nn.Sequential(nn.Flatten()), height * width * channels
    for _ in range(options.layers):
        net.extend(
            [
                nn.Linear(inputs, options.nodes),
                activation(options.activation),
                nn.Dropout(options.dropout),
            ]
        )
        inputs = options.nodes
    return net.append(nn.Linear(inputs, outputs))
