"""Cutting of a network at one of its layers."""

from __future__ import annotations

import difflib

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from headstart.errors import InputError


class _ReachedError(Exception):
    """Ends a forward pass at the cut and carries the output of that layer."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


def end_at(net: nn.Module, layer: str) -> RemovableHandle:
    """End the forward passes of a network at one of its layers.

    A hook ends the pass. The network is not rebuilt from its children, so this works for any order
    and any branches. Use `forward_to` to run the network.

    Args:
        net: The network.
        layer: Name of a module.

    Returns:
        A handle that removes the hook.

    Raises:
        InputError: There is no such layer. The message names similar ones.
    """

    def end(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        raise _ReachedError(output)

    return _find_module(net, layer).register_forward_hook(end)


def forward_to(net: nn.Module, x: Tensor) -> Tensor:
    """Return the output of the layer at which `net` ends. Later layers are not computed."""
    try:
        net(x)
    except _ReachedError as reached:
        return reached.output
    raise InputError(
        "the layer to cut at is not used when the network runs.", "Cut at another layer."
    )


def _find_module(net: nn.Module, layer: str) -> nn.Module:
    names = [name for name, _ in net.named_modules() if name]
    if layer not in names:
        similar = difflib.get_close_matches(layer, names, n=3, cutoff=0.4)
        top_level = [name for name in names if "." not in name]
        raise InputError(
            f"unknown layer '{layer}' to cut at. Similar layers: "
            f"{', '.join((similar or top_level)[:8])}.",
            "List all layers: headstart train DATA --model MODEL --summary. The part of a name "
            "before a dot is a layer as well.",
        )
    return net.get_submodule(layer)


@torch.no_grad()
def leave_out_behind(net: nn.Module, example: Tensor) -> None:
    """Replace the modules that run only after the cut by identities, to save memory.

    Args:
        net: A network that ends at a layer. It is changed in place.
        example: A batch of one image.
    """
    started: set[nn.Module] = set()
    hooks = [
        module.register_forward_pre_hook(lambda module, _: started.add(module))
        for module in net.modules()
    ]
    try:
        forward_to(net, example)
    finally:
        for hook in hooks:
            hook.remove()
    _replace_unused(net, started)


def _replace_unused(module: nn.Module, started: set[nn.Module]) -> None:
    for name, child in list(module.named_children()):
        if started.isdisjoint(child.modules()):  # a list of layers itself never runs
            setattr(module, name, nn.Identity())
        else:
            _replace_unused(child, started)
