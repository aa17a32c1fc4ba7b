"""A network as a row of blocks: each layer with parameters together with the layers after it.

Long or frozen stretches become one block per stage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log2, prod
from typing import Literal

from headstart.report._layer_titles import layer_titles
from headstart.results import LayerSummary

# A drawing of more single blocks is unreadable. A stage of a backbone has about ten layers.
MAX_SINGLE_BLOCKS = 24
BlockState = Literal["trained", "frozen", "no parameters"]


@dataclass(frozen=True)
class Block:
    """One block of the drawing.

    Attributes:
        title: Title of the first layer, or name of the stage.
        kinds: Classes of the layers in order, such as ("Conv2d", "BatchNorm2d", "ReLU").
        output_shape: (channels, height, width), or (features,). Of a block that ends with
            flattening, the shape before it.
        parameters: Number of parameters.
        multiply_adds: Number of multiply-adds per image.
        layers: Number of layers; 0 for the input.
        state: "trained", "frozen" or "no parameters".
    """

    title: str
    kinds: tuple[str, ...]
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    layers: int
    state: BlockState

    @property
    def height(self) -> float:
        """Height in [0, 1]: logarithm of the feature map's size; 256 pixels or more give 1."""
        size = max(self.output_shape[1:], default=1)
        return min(1.0, 0.14 + 0.86 * log2(max(size, 1)) / 8)

    @property
    def width(self) -> float:
        """Width in [0, 1]: logarithm of the channels or features; 2,048 or more give 1."""
        if not self.output_shape:
            return 0.1
        return min(1.0, 0.1 + 0.9 * log2(max(self.output_shape[0], 1)) / 11)


def network_blocks(
    architecture: Sequence[LayerSummary], image_shape: tuple[int, int, int]
) -> list[Block]:
    """Return the blocks of a network, the input first.

    Args:
        architecture: The layers in order.
        image_shape: Height, width and channels of the input.
    """
    height, width, channels = image_shape
    blocks = [Block("image", ("input",), (channels, height, width), 0, 0, 0, "no parameters")]
    is_long = sum(map(_has_weights, architecture)) > MAX_SINGLE_BLOCKS
    titles = layer_titles((layer.name, layer.kind) for layer in architecture)
    title_of = {layer.name: title for layer, title in zip(architecture, titles, strict=True)}

    for is_frozen, layers in _stretches(architecture):
        by_stage = is_long or (is_frozen and sum(map(_has_weights, layers)) > 1)
        groups = _by_stage(layers) if by_stage else _by_weights(layers)
        for group in groups:
            first = group[0].name
            stage = _stage(first)
            title = stage if by_stage and not stage.isdigit() else title_of[first]
            blocks.append(_block(group, title, by_stage))
    return blocks


def _stretches(architecture: Sequence[LayerSummary]) -> list[tuple[bool, list[LayerSummary]]]:
    """Split the layers into frozen and trained stretches.

    A layer without parameters belongs to the stretch before it.
    """
    stretches: list[tuple[bool, list[LayerSummary]]] = []
    is_frozen = False
    for layer in architecture:
        if layer.parameters:
            is_frozen = not layer.trainable
        if not stretches or stretches[-1][0] != is_frozen:
            stretches.append((is_frozen, []))
        stretches[-1][1].append(layer)
    return stretches


def _has_weights(layer: LayerSummary) -> bool:
    return bool(layer.parameters) and "Norm" not in layer.kind


def _by_weights(layers: Sequence[LayerSummary]) -> list[list[LayerSummary]]:
    groups: list[list[LayerSummary]] = []
    for layer in layers:
        if not groups or _has_weights(layer):
            groups.append([])
        groups[-1].append(layer)
    return groups


def _by_stage(layers: Sequence[LayerSummary]) -> list[list[LayerSummary]]:
    return [list(group) for _, group in groupby(layers, key=lambda layer: _stage(layer.name))]


def _stage(name: str) -> str:
    """Return the stage of a layer: `blocks.3` for `backbone.blocks.3.1.conv_pw`."""
    name = name.removeprefix("backbone.")
    numbered = re.match(r"(.*?\.\d+)(\.|$)", name)
    return numbered.group(1) if numbered else name.split(".")[0]


def _block(layers: Sequence[LayerSummary], title: str, by_stage: bool) -> Block:
    parameters = sum(layer.parameters for layer in layers)
    kinds = tuple(kind for kind, _ in groupby(layer.kind for layer in layers))
    if by_stage and len(layers) > 1:
        kinds = (f"{len(layers)} layers",)

    state: BlockState = "no parameters"
    if parameters:
        is_trained = any(layer.parameters and layer.trainable for layer in layers)
        state = "trained" if is_trained else "frozen"
    return Block(
        title=title,
        kinds=kinds,
        output_shape=_output_shape(layers),
        parameters=parameters,
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        layers=len(layers),
        state=state,
    )


def _output_shape(layers: Sequence[LayerSummary]) -> tuple[int, ...]:
    """Return the output shape of a block, before it is flattened.

    Height and width tell more than their product with the channels.
    """
    flat = layers[-1].output_shape
    for layer in reversed(layers):
        is_map = len(layer.output_shape) == 3
        if is_map and prod(layer.output_shape) == prod(flat):
            return layer.output_shape
        if is_map or layer.parameters:
            break
    return flat
