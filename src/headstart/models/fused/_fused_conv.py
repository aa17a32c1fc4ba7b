"""Convolution, batch norm and activation in one pass over memory, for features on a processor."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode

from headstart import progress

Act = tuple[
    str, list[float]
]  # name and scalars by which oneDNN applies an activation before the output is written
_NONE: Act = ("none", [])
_ACTIVATIONS: dict[type[nn.Module], Act] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}
_TOLERANCE = 2e-2  # of the largest value; bfloat16 keeps 8 bits, good to 4e-3 each


class FusedConv(nn.Module):
    """A convolution with its activation, under the names `weight` and `bias` of the convolution it stands for.

    In bfloat16 on a processor, with no gradient to keep, oneDNN does all of it in one pass: there, the activation of a mobile
    network alone takes longer than its convolutions (benchmarks/features.md). Elsewhere it computes what the two computed.

    Attributes:
        offset: `(outputs,)`, added with the bias where weights and inputs are rounded (`headstart.models.fused._rounding`).
    """

    def __init__(self, conv: nn.Conv2d, act: Act = _NONE) -> None:
        super().__init__()
        self.weight, self.bias, self.act = conv.weight, conv.bias, act
        self.stride, self.groups = conv.stride, conv.groups
        self.padding = (
            conv.padding if type(conv) is nn.Conv2d else None
        )  # None: as much as TensorFlow's "same" needs
        self.offset: Tensor | None = None
        self._packed: dict[tuple[object, ...], tuple[Tensor, Tensor | None, int]] = {}

    def forward(self, x: Tensor) -> Tensor:
        if can_fuse(x):
            return self.fused(x)
        return self.plain(x)

    def plain(self, x: Tensor) -> Tensor:
        """By torch's public functions."""
        return self.activated(self.convolved(x, self.weight))

    def convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        """The convolution by torch's public functions, with other weights if asked to."""
        if self.padding is None:
            before, after = _same_padding(x.shape[2], weight.shape[2], self.stride[0])
            x = functional.pad(x, (before, after) * 2)
        # oneDNN's gradients of wide depthwise kernels are 6 to 100 times slower in bfloat16 (benchmarks/finetune.md).
        is_slow = self.groups > 1 and torch.is_grad_enabled() and x.device.type == "cpu"
        with torch.autocast(x.device.type, enabled=False) if is_slow else nullcontext():
            given = x.float() if is_slow else x
            return functional.conv2d(
                given, weight, self.bias, self.stride, self.padding or 0, 1, self.groups
            )

    def activated(self, x: Tensor) -> Tensor:
        """The activation, in place."""
        match self.act[0]:
            case "relu":
                return x.relu_()
            case "hardtanh":
                return functional.relu6(x, inplace=True)
            case _:
                return x

    @property
    def version(self) -> tuple[int, int]:
        """Another one for other weights."""
        return self.weight._version, self.weight.data_ptr()

    def fused(self, x: Tensor) -> Tensor:
        """By oneDNN, in one pass."""
        x = x.bfloat16()
        key = (*self.version, None if self.offset is None else self.offset.data_ptr(), x.shape[1:])
        if key not in self._packed:
            self._packed = {key: self._pack(x)}
        weight, bias, padding = self._packed[key]
        run: Callable[..., Tensor] = torch.ops.mkldnn._convolution_pointwise
        return run(x, weight, bias, [padding] * 2, self.stride, [1, 1], self.groups, *self.act, "")

    def _pack(self, x: Tensor) -> tuple[Tensor, Tensor | None, int]:
        """The weights as oneDNN wants them for such input, the bias, and the padding on each side.

        oneDNN pads both sides alike: where one more is needed behind, the kernel gets a row and a column of zeros in front,
        which is faster than a padded copy of the input.
        """
        weight, bias = (
            round_weights(self.weight),
            None if self.bias is None else self.bias.detach().float(),
        )
        if self.offset is not None:
            bias = self.offset if bias is None else bias + self.offset
        if self.padding is None:
            before, padding = _same_padding(x.shape[2], weight.shape[2], self.stride[0])
            if before < padding:
                weight = functional.pad(weight, (1, 0, 1, 0))
        else:
            padding = int(self.padding[0])
        reorder: Callable[..., Tensor] = torch.ops.mkldnn._reorder_convolution_weight
        weight = weight.contiguous(memory_format=torch.channels_last)
        packed = reorder(weight, [padding] * 2, self.stride, [1, 1], self.groups, list(x.shape))
        return packed, bias, padding

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": {}}  # made again where it is needed


def round_weights(weight: Tensor) -> Tensor:
    """A convolution's weights in bfloat16, where each takes over the error of the one before it in its kernel.

    Neighbouring pixels are alike, so that the sum of a kernel's errors counts for more than each of them. Error diffusion: Floyd
    and Steinberg 1976, there of pixels.
    """
    exact = weight.detach().flatten(2)
    found = torch.empty_like(exact, dtype=torch.bfloat16)
    error = torch.zeros_like(exact[..., 0])
    for place in range(exact.shape[2]):
        wanted = exact[..., place] + error
        found[..., place] = wanted
        error = wanted - found[..., place]
    return found.view_as(weight)


def can_fuse(x: Tensor) -> bool:
    """Whether `FusedConv` takes such input in bfloat16, in one pass."""
    return (
        not torch.is_grad_enabled()
        and x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and fused_ops_work()
    )


@cache
def fused_ops_work() -> bool:
    """Whether oneDNN's operators are here and compute what they stand for, asked once a process, of two small layers.

    They are private to torch: another version, or another processor, may have others, or none.
    """
    try:
        is_right = _is_right(groups=1) and _is_right(groups=8)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        is_right = False
    if not is_right:
        progress.say(
            "this torch has no fused convolutions that compute what they should; taking slower ones"
        )
    return is_right


def _is_right(groups: int) -> bool:
    # Nothing random here: the check may come in the middle of anything that draws.
    with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
        conv = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=groups, device="meta").to_empty(
            device="cpu"
        )
        for scale, weight in enumerate(conv.parameters(), 1):
            weight.copy_(torch.arange(weight.numel()).view_as(weight).mul(scale).sin())
        x = 3 * torch.arange(2.0 * 8 * 9 * 9).cos().view(2, 8, 9, 9).contiguous(
            memory_format=torch.channels_last
        )
        layer = FusedConv(conv, _ACTIVATIONS[nn.ReLU6])
        wanted, found = layer.plain(x), layer.fused(x).float()
    return found.shape == wanted.shape and bool(
        (found - wanted).abs().max() <= _TOLERANCE * wanted.max()
    )


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Before and behind, so that a side becomes ceil(side / stride): TensorFlow's "same"."""
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


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


def fold_and_fuse(net: nn.Module, run: Callable[[], object]) -> None:
    """Put each batch norm, and the activation behind it, into the convolution before it: the same function in evaluation mode.

    What comes after what is seen from the tensors handed over while `run` runs the network once. Modules that run more than
    once are left alone, and so are outputs that anything else reads: a pool beside the batch norm wants what was there before.
    """
    behind = _followers(net, run)
    names = {module: name for name, module in net.named_modules()}
    for conv, following in behind.items():
        if not isinstance(conv, nn.Conv2d):
            continue
        folded, gone = conv, list[nn.Module]()
        act: nn.Module = nn.Identity()
        if isinstance(following, nn.BatchNorm2d):
            folded = fuse_conv_bn_eval(conv, following).requires_grad_(False)
            act = getattr(following, "act", act)  # some batch norms of timm bring their activation
            gone = [following]
            following = (
                behind[following] if isinstance(act, nn.Identity) and following in behind else None
            )
        if type(following) in _ACTIVATIONS and _can_replace(conv):
            assert following is not None
            act, gone = following, [*gone, following]
        if _can_replace(conv):
            fused: nn.Module = FusedConv(folded, _ACTIVATIONS.get(type(act), _NONE))
            _put(
                net,
                names[conv],
                fused if type(act) in (*_ACTIVATIONS, nn.Identity) else nn.Sequential(fused, act),
            )
        elif gone:
            _put(
                net,
                names[conv],
                folded if isinstance(act, nn.Identity) else nn.Sequential(folded, act),
            )
        for module in gone:
            _put(net, names[module], nn.Identity())


def use_float32_depthwise(net: nn.Module) -> None:
    """Let depthwise convolutions learn in float32, where their gradients are not slow; batch norms stay as they are."""
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.Conv2d) and module.groups > 1 and _can_replace(module):
            _put(net, name, FusedConv(module))


class _Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """How many operators read each tensor, by its `id`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.of: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = [*args, *(kwargs or {}).values()]
        values = [
            value for one in given for value in (one if isinstance(one, list | tuple) else [one])
        ]
        for tensor in {id(value) for value in values if isinstance(value, Tensor)}:
            self.of[tensor] = self.of.get(tensor, 0) + 1
        return func(*args, **(kwargs or {}))


def _followers(net: nn.Module, run: Callable[[], object]) -> dict[nn.Module, nn.Module | None]:
    """For each convolution and batch norm that runs once, the activation or norm that alone reads its output; else None."""
    made: list[
        tuple[Tensor, nn.Module]
    ] = []  # which keeps them alive, so that no two share an `id`
    takers: dict[nn.Module, list[nn.Module]] = {}
    calls: dict[nn.Module, int] = {}
    read: dict[nn.Module, int] = {}
    kinds = (nn.Conv2d, nn.BatchNorm2d, *_ACTIVATIONS)
    reads = _Reads()

    def enter(module: nn.Module, given: tuple[Any, ...]) -> None:
        calls[module] = calls.get(module, 0) + 1
        for tensor, maker in made:
            if given and given[0] is tensor and maker not in read:
                takers.setdefault(maker, []).append(module)

    def leave(module: nn.Module, _: tuple[Any, ...], output: Tensor) -> None:
        for tensor, maker in made:
            if (
                tensor is output and maker not in read
            ):  # overwritten in place: later readers want what it is now
                read[maker] = reads.of[id(tensor)]
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            made.append((output, module))
            reads.of[id(output)] = 0

    watched = [module for module in net.modules() if isinstance(module, kinds)]
    hooks = [module.register_forward_pre_hook(enter) for module in watched]
    hooks += [module.register_forward_hook(leave) for module in watched]
    try:
        with reads:
            run()
    finally:
        for hook in hooks:
            hook.remove()
    read = {maker: reads.of[id(tensor)] for tensor, maker in made} | read
    once = [
        module for module, count in calls.items() if count == 1
    ]  # in the order in which they ran
    found: dict[nn.Module, nn.Module | None] = {}
    for module in once:
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            by = takers.get(module, [])
            found[module] = by[0] if len(by) == 1 and by[0] in once and read[module] == 1 else None
    return found


def _put(net: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(net.get_submodule(parent), own, module)
