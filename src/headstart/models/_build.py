"""Construction of networks and heads from their options."""

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
    """Build a network that learns on pixels.

    It maps standardised images of shape (N, C, H, W) to logits of shape (N, outputs).

    Args:
        name: Name of the model.
        options: Options of its network.
        image_shape: (height, width, channels) in pixels.
        outputs: Number of classes, or 1 for two classes (one sigmoid output).
        seed: Seed of the initial weights. Torch's global generator keeps its state.

    Raises:
        InputError: The images are too small for this network.
        TypeError: The options are those of a backbone.
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
                raise TypeError(f"{type(options).__name__} does not describe a network on pixels")


def build_head(features: int, outputs: int, options: BackboneOptions, seed: int = 0) -> nn.Module:
    """Build a head on the features of a backbone.

    Hidden dense layers with ReLU, if the options have any, are followed by a linear layer. The
    linear layer starts at zero, so that all classes are equally probable. Hidden layers are
    initialised as in Keras.

    Args:
        features: Number of features per image.
        outputs: Number of classes, or 1 for two classes (one sigmoid output).
        options: Layers of the head and dropout before it.
        seed: Seed of the hidden layers.
    """
    net, inputs = nn.Sequential(nn.Dropout(options.dropout or 0.0)), features
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in head_layers(options.head):
            if isinstance(layer, float):
                net.append(nn.Dropout(layer))
            else:
                dense = nn.Linear(inputs, layer)
                nn.init.xavier_uniform_(dense.weight)
                nn.init.zeros_(dense.bias)
                net.extend([dense, nn.ReLU(inplace=True)])
                inputs = layer

    linear = nn.Linear(inputs, outputs)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return net.append(linear)
