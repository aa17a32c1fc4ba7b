"""Layers of a network: output shapes, parameters and multiply-adds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from headstart.models.fused import Conv3x3, FusedConv, FusedLinear

if TYPE_CHECKING:
    from headstart.results import JsonObject


@dataclass(frozen=True)
class Layer:
    """One layer of a network, for a single image.

    Attributes:
        name: Name of the module.
        kind: Class of the module.
        output_shape: (channels, height, width) or (features,).
        parameters: Number of its own parameters.
        trainable: Whether any of them is trained.
        multiply_adds: Number of multiply-adds of convolutions and linear layers, otherwise 0.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    trainable: bool
    multiply_adds: int

    def as_json(self) -> JsonObject:
        return {**asdict(self), "output_shape": list(self.output_shape)}


@torch.no_grad()
def summarise_layers(net: nn.Module, example: Tensor) -> list[Layer]:
    """List the layers of a network in the order in which they run.

    Identities and inactive dropout are omitted.

    Args:
        net: The network. It runs in evaluation mode.
        example: A batch of one image.
    """
    layers: list[Layer] = []
    names = {module: name for name, module in net.named_modules()}

    def record(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        is_inactive = isinstance(module, nn.Dropout) and module.p == 0
        if not isinstance(module, nn.Identity) and not is_inactive:
            layers.append(_describe(names[module], module, output))

    # Modules with children count if they have parameters of their own, such as timm's batch norms
    # with an activation or the positions of a transformer.
    modules = [
        module
        for module in net.modules()
        if not list(module.children()) or list(module.parameters(recurse=False))
    ]
    hooks = [module.register_forward_hook(record) for module in modules]
    was_training = net.training
    try:
        net.eval()(example)
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return layers


def _describe(name: str, module: nn.Module, output: Tensor) -> Layer:
    parameters = list(module.parameters(recurse=False))
    return Layer(
        name,
        kind="Conv2d" if isinstance(module, Conv3x3) else type(module).__name__,
        output_shape=tuple(output.shape[1:]),
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable=any(parameter.requires_grad for parameter in parameters),
        multiply_adds=_multiply_adds(module, output),
    )


def _multiply_adds(module: nn.Module, output: Tensor) -> int:
    if isinstance(module, nn.Conv2d | FusedConv):
        return output[0].numel() * module.weight[0].numel()
    if isinstance(module, nn.Linear | FusedLinear):
        return module.weight.numel()
    return 0
