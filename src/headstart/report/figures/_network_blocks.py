"""A network as a row of blocks: each weighted layer with what follows it; long or frozen stretches as one block a stage."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from math import log2
from typing import Any

# More drawn layers than this no longer read as a picture; a stage of a backbone holds about ten.
MOST_SINGLE_BLOCKS = 24
Layer = dict[str, Any]


@dataclass(frozen=True)
class Block:
    """Something to draw.

    Attributes:
        title: the layer's name, or its stage's.
        kinds: what it does, in order: ("Conv2d", "BatchNorm2d", "ReLU"); equal neighbours once.
        output_shape: (channels, height, width), or (features,).
        layers: how many layers it stands for.
        state: "learned", "frozen", or "fixed" (nothing to learn, such as pooling).
    """

    title: str
    kinds: tuple[str, ...]
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    layers: int
    state: str

    @property
    def height(self) -> float:
        """In [0, 1]: the logarithm of the side of the feature map, where 256 pixels or more fill the drawing."""
        side = max(self.output_shape[1:], default=1)
        return min(1.0, 0.14 + 0.86 * log2(max(side, 1)) / 8)

    @property
    def width(self) -> float:
        """In [0, 1]: the logarithm of the number of channels or features, where 2,048 or more fill the drawing."""
        return (
            min(1.0, 0.1 + 0.9 * log2(max(self.output_shape[0], 1)) / 11)
            if self.output_shape
            else 0.1
        )


def blocks(architecture: list[Layer], image_shape: list[int]) -> list[Block]:
    """The input and the network behind it.

    Args:
        architecture: layers in order, as in metrics.json.
        image_shape: (height, width, channels) of the input; empty when unknown.
    """
    out = []
    if len(image_shape) == 3:
        height, width, channels = image_shape
        out.append(Block("image", ("input",), (channels, height, width), 0, 0, 0, "fixed"))
    weighted = sum(_is_weighted(layer) for layer in architecture)
    for is_frozen, stretch in groupby(architecture, key=_frozen_stretches(architecture)):
        layers = list(stretch)
        by_stage = weighted > MOST_SINGLE_BLOCKS or (
            is_frozen and sum(map(_is_weighted, layers)) > 1
        )
        out += [
            _block(group, by_stage)
            for group in (_by_stage(layers) if by_stage else _by_weights(layers))
        ]
    return out


def _frozen_stretches(architecture: list[Layer]) -> Callable[[Layer], bool]:
    """A layer without parameters belongs to the stretch before it."""
    states: dict[int, bool] = {}
    frozen = False
    for layer in architecture:
        frozen = not layer.get("trainable", True) if layer.get("parameters") else frozen
        states[id(layer)] = frozen
    return lambda layer: states[id(layer)]


def _is_weighted(layer: Layer) -> bool:
    return bool(layer.get("parameters")) and "Norm" not in layer["kind"]


def _by_weights(layers: list[Layer]) -> list[list[Layer]]:
    groups: list[list[Layer]] = []
    for layer in layers:
        if not groups or _is_weighted(layer):
            groups.append([])
        groups[-1].append(layer)
    return groups


def _by_stage(layers: list[Layer]) -> list[list[Layer]]:
    return [list(group) for _, group in groupby(layers, key=lambda layer: _stage(layer["name"]))]


def _stage(name: str) -> str:
    """`backbone.blocks.3.1.conv_pw` is in stage `blocks.3`; `backbone.conv_stem` in `conv_stem`."""
    name = name.removeprefix("backbone.")
    numbered = re.match(r"(.*?\.\d+)(\.|$)", name)
    return numbered.group(1) if numbered else name.split(".")[0]


def _block(layers: list[Layer], by_stage: bool) -> Block:
    parameters = sum(layer.get("parameters", 0) for layer in layers)
    learns = any(layer.get("parameters") and layer.get("trainable", True) for layer in layers)
    title = _stage(layers[0]["name"]) if by_stage else layers[0]["name"]
    kinds = tuple(kind for kind, _ in groupby(layer["kind"] for layer in layers))
    does = (f"{len(layers)} layers",) if by_stage and len(layers) > 1 else kinds
    return Block(
        title,
        does,
        tuple(layers[-1]["output_shape"]),
        parameters,
        sum(layer.get("multiply_adds", 0) for layer in layers),
        len(layers),
        "learned" if learns else "frozen" if parameters else "fixed",
    )
