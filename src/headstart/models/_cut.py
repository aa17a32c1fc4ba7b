"""Cutting a network at one of its layers."""

from __future__ import annotations

import difflib

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from headstart.errors import InputError


class _ReachedError(Exception):
    """Ends a forward pass where it need go no further; carries the map found there."""

    def __init__(self, found: Tensor) -> None:
        super().__init__()
        self.found = found


def end_at(net: nn.Module, layer: str) -> RemovableHandle:
    """From now on a forward pass of `net` ends with the module called `layer`: `forward_to` gives that module's output.

    By a hook that ends the pass, not by rebuilding the network from its children: that holds for any order and any branches.

    Raises:
        InputError: no such layer; near names are given.
    """

    def end(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        raise _ReachedError(output)

    return _module(net, layer).register_forward_hook(end)


def forward_to(net: nn.Module, x: Tensor) -> Tensor:
    """The output of the layer at which `net` ends, when it runs on `x`; nothing behind it is computed."""
    try:
        net(x)
    except _ReachedError as reached:
        return reached.found
    raise InputError(
        "the layer to cut at does not take part in what the network computes.",
        "Cut at another layer.",
    )


def _module(net: nn.Module, layer: str) -> nn.Module:
    names = [name for name, _ in net.named_modules() if name]
    if layer not in names:
        close = difflib.get_close_matches(layer, names, n=3, cutoff=0.4) or [
            name for name in names if "." not in name
        ]
        raise InputError(
            f"there is no layer '{layer}' to cut at; near it are {', '.join(close[:8])}.",
            "All layers: headstart train DATA --model MODEL --summary; what stands before a dot there is a layer, too.",
        )
    return net.get_submodule(layer)


@torch.no_grad()
def leave_out_behind(net: nn.Module, example: Tensor) -> None:
    """Put an identity in place of whatever does not begin to run before `net` ends: it would only take up memory."""
    begun: set[nn.Module] = set()
    hooks = [
        module.register_forward_pre_hook(lambda module, _: begun.add(module))
        for module in net.modules()
    ]
    try:
        forward_to(net, example)
    finally:
        for hook in hooks:
            hook.remove()
    _leave_out(net, begun)


def _leave_out(module: nn.Module, begun: set[nn.Module]) -> None:
    for name, child in list(module.named_children()):
        if begun.isdisjoint(child.modules()):  # a list of layers never runs itself
            setattr(module, name, nn.Identity())
        else:
            _leave_out(child, begun)
