"""From a model's name and options to its torch module."""

from __future__ import annotations

import torch
from torch import nn

from headstart.models._cnn import Cnn
from headstart.models._mlp import mlp
from headstart.models._options import (
    BackboneOptions,
    CnnOptions,
    FashionOptions,
    MlpOptions,
    NetOptions,
    ScenesOptions,
    head_layers,
)
from headstart.models._published import fashion, scenes


def build_network(
    name: str, options: NetOptions, image_shape: tuple[int, int, int], outputs: int, seed: int
) -> nn.Module:
    """The network that learns, from standardised images `(N, C, H, W)` to logits `(N, outputs)`.

    Args:
        name, options: which network, and its options.
        image_shape: (height, width, channels) in pixels.
        outputs: classes, or 1 for two classes (one sigmoid output).
        seed: of the initial weights; torch's global generator is left as it was.

    Raises:
        InputError: the images are too small for this network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        match options:
            case CnnOptions():
                return Cnn(image_shape, outputs, options)
            case MlpOptions():
                return mlp(image_shape, outputs, options)
            case FashionOptions():
                return fashion(name, image_shape, outputs, options)
            case ScenesOptions():
                return scenes(name, image_shape, outputs, options)
            case _:
                raise TypeError(f"{type(options).__name__} is no network that learns on pixels")


def build_head(features: int, outputs: int, options: BackboneOptions, seed: int = 0) -> nn.Module:
    """The head on `(N, features)` backbone features: hidden dense layers with ReLU if the options ask for any, then a linear one.

    A linear head starts at zero, so every class is equally likely; hidden layers start as in Keras, from `seed`.
    """
    net, inputs = nn.Sequential(nn.Dropout(options.dropout or 0.0)), features
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in head_layers(options.head):
            if isinstance(part, float):
                net.append(nn.Dropout(part))
            else:
                dense = nn.Linear(inputs, part)
                nn.init.xavier_uniform_(dense.weight)
                nn.init.zeros_(dense.bias)
                net.extend([dense, nn.ReLU(inplace=True)])
                inputs = part
    linear = nn.Linear(inputs, outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return net.append(linear)
