"""What a network is made of: layers, output shapes, parameters, multiply-adds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headstart.models.fused import Conv3x3, FusedConv


@dataclass(frozen=True)
class Layer:
    """One layer, for one image. `output_shape` is (channels, height, width) or (features,)."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    trainable: bool
    multiply_adds: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "output_shape": list(self.output_shape)}


def _multiply_adds(module: nn.Module, output: Tensor) -> int:
    """Of convolutions and linear layers, one for each multiplication with its addition; the rest is small beside them."""
    if isinstance(module, nn.Conv2d | FusedConv):
        return output[0].numel() * module.weight[0].numel()
    if isinstance(module, nn.Linear):
        return module.in_features * module.out_features
    return 0


@torch.no_grad()
def summarise_layers(net: nn.Module, example: Tensor) -> list[Layer]:
    """The layers of `net` in the order in which they run on `example`, a batch of one.

    Identities and inactive dropout are left out.
    """
    layers: list[Layer] = []
    names = {module: name for name, module in net.named_modules()}

    def note(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        own = list(module.parameters(recurse=False))
        if isinstance(module, nn.Identity) or (isinstance(module, nn.Dropout) and module.p == 0):
            return
        layers.append(
            Layer(
                names[module],
                "Conv2d" if isinstance(module, Conv3x3) else type(module).__name__,
                tuple(output.shape[1:]),
                sum(p.numel() for p in own),
                any(p.requires_grad for p in own),
                _multiply_adds(module, output),
            )
        )

    # Also such as hold others and weights of their own: timm's batch norms with their activation, a transformer's positions.
    layered = [
        one
        for one in net.modules()
        if not list(one.children()) or list(one.parameters(recurse=False))
    ]
    hooks = [module.register_forward_hook(note) for module in layered]
    was_training = net.training
    try:
        net.eval()(example)
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return layers
