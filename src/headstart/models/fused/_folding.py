"""Replacement of convolutions, batch norms and activations by fused convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode

from headstart.models.fused._fused_conv import (
    NO_ACTIVATION,
    FusedConv,
    FusedLinear,
    activation_of,
)
from headstart.models.fused._squeeze_excite import use_fast_squeeze_excite

# Modules whose only reader may be merged into them.
_PRODUCERS = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)


def fold_and_fuse(net: nn.Module, run: Callable[[], object]) -> None:
    """Fold each batch norm, and the activation after it, into the convolution before it.

    Linear layers are fused with their activations as well. The network computes the same function
    in evaluation mode.

    The order of the modules is found from the tensors they pass on while the network runs once.
    Modules that run more than once are left alone. So are outputs that something else reads as
    well, such as a pool beside the batch norm.

    Args:
        net: The network, which is changed in place.
        run: Runs the network once.
    """
    followers = _find_followers(net, run)
    names = {module: name for name, module in net.named_modules()}
    for conv, follower in followers.items():
        if isinstance(conv, nn.Conv2d):
            _replace_conv(net, names, conv, follower, followers)
        elif type(conv) is nn.Linear:
            _replace_linear(net, names, conv, follower)
    use_fast_squeeze_excite(net)


def _replace_conv(
    net: nn.Module,
    names: dict[nn.Module, str],
    conv: nn.Conv2d,
    follower: nn.Module | None,
    followers: dict[nn.Module, nn.Module | None],
) -> None:
    """Replace one convolution and what follows it, if that is a batch norm or an activation."""
    folded = conv
    activation: nn.Module = nn.Identity()
    absorbed: list[nn.Module] = []

    if isinstance(follower, nn.BatchNorm2d):
        folded = fuse_conv_bn_eval(conv, follower).requires_grad_(False)
        absorbed.append(follower)
        # Some batch norms of timm contain their activation.
        activation = getattr(follower, "act", activation)
        has_own_activation = not isinstance(activation, nn.Identity)
        follower = None if has_own_activation else followers.get(follower)
    if follower is not None and activation_of(follower) and _can_replace(conv):
        activation = follower
        absorbed.append(follower)

    replacement: nn.Module
    if _can_replace(conv):
        known = activation_of(activation)
        replacement = FusedConv(folded, known or NO_ACTIVATION)
        is_included = known is not None or isinstance(activation, nn.Identity)
    elif absorbed:
        replacement = folded
        is_included = isinstance(activation, nn.Identity)
    else:
        return
    if not is_included:
        replacement = nn.Sequential(replacement, activation)

    _set_submodule(net, names[conv], replacement)
    for module in absorbed:
        _set_submodule(net, names[module], nn.Identity())


def _replace_linear(
    net: nn.Module, names: dict[nn.Module, str], linear: nn.Linear, follower: nn.Module | None
) -> None:
    """Replace one linear layer and the activation that follows it, if there is one."""
    activation = None if follower is None else activation_of(follower)
    _set_submodule(net, names[linear], FusedLinear(linear, activation or NO_ACTIVATION))
    if follower is not None and activation is not None:
        _set_submodule(net, names[follower], nn.Identity())


def use_float32_depthwise(net: nn.Module) -> None:
    """Replace depthwise convolutions with ones that compute gradients in float32, which is faster.

    Batch norms stay separate modules.
    """
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.Conv2d) and module.groups > 1 and _can_replace(module):
            _set_submodule(net, name, FusedConv(module))


def _can_replace(conv: nn.Module) -> bool:
    kind = type(conv).__name__
    return (
        isinstance(conv, nn.Conv2d)
        and (type(conv) is nn.Conv2d or kind == "Conv2dSame")
        and conv.padding_mode == "zeros"
        and conv.dilation == (1, 1)
        and not isinstance(conv.padding, str)
        and conv.kernel_size[0] == conv.kernel_size[1]
        and conv.stride[0] == conv.stride[1]
        and conv.padding[0] == conv.padding[1]
    )


class _ReadCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts how many operators read each tensor, by the tensor's `id`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> Any:
        read: set[int] = set()
        for argument in (*args, *(kwargs or {}).values()):
            values = argument if isinstance(argument, list | tuple) else [argument]
            read.update(id(value) for value in values if isinstance(value, Tensor))

        for tensor in read:
            self.counts[tensor] = self.counts.get(tensor, 0) + 1
        return func(*args, **(kwargs or {}))


class _Recorder:
    """Records, in forward hooks, which module reads the output of which."""

    def __init__(self, reads: _ReadCounter) -> None:
        self.reads = reads
        self.calls: dict[nn.Module, int] = {}
        # Keeps the tensors alive, so that no two of them share an `id`.
        self.outputs: list[tuple[Tensor, nn.Module]] = []
        self.readers: dict[nn.Module, list[nn.Module]] = {}
        self.overwritten: dict[nn.Module, int] = {}  # to the number of reads before that

    def enter(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self.calls[module] = self.calls.get(module, 0) + 1
        for tensor, producer in self.outputs:
            if inputs and inputs[0] is tensor and producer not in self.overwritten:
                self.readers.setdefault(producer, []).append(module)

    def leave(self, module: nn.Module, _: tuple[Any, ...], output: Tensor) -> None:
        for tensor, producer in self.outputs:
            # Overwritten in place: later reads are of the new content.
            if tensor is output and producer not in self.overwritten:
                self.overwritten[producer] = self.reads.counts[id(tensor)]
        if isinstance(module, _PRODUCERS):
            self.outputs.append((output, module))
            self.reads.counts[id(output)] = 0

    def read_counts(self) -> dict[nn.Module, int]:
        """Return how many operators read the output of each of the producers."""
        counts = {producer: self.reads.counts[id(tensor)] for tensor, producer in self.outputs}
        return counts | self.overwritten


def _find_followers(net: nn.Module, run: Callable[[], object]) -> dict[nn.Module, nn.Module | None]:
    """Find the module that alone reads the output of each convolution, batch norm or linear layer.

    Returns:
        The modules that run exactly once, in the order in which they run. The value is the watched
        module that reads the output, or None if there is none or the output has other readers.
    """
    reads = _ReadCounter()
    recorder = _Recorder(reads)
    watched = [
        module
        for module in net.modules()
        if isinstance(module, _PRODUCERS) or activation_of(module) is not None
    ]
    hooks = [module.register_forward_pre_hook(recorder.enter) for module in watched]
    hooks += [module.register_forward_hook(recorder.leave) for module in watched]
    try:
        with reads:
            run()
    finally:
        for hook in hooks:
            hook.remove()

    read_counts = recorder.read_counts()
    once = [module for module, count in recorder.calls.items() if count == 1]
    followers: dict[nn.Module, nn.Module | None] = {}
    for module in once:
        if isinstance(module, _PRODUCERS):
            readers = recorder.readers.get(module, [])
            is_only_reader = len(readers) == 1 and readers[0] in once and read_counts[module] == 1
            followers[module] = readers[0] if is_only_reader else None
    return followers


def _set_submodule(net: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(net.get_submodule(parent), attribute, module)
