"""A convolution or linear layer with its activation in one pass, for inference on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart import progress

# Name and scalars of an activation that oneDNN applies before it writes the output.
Activation = tuple[str, list[float]]
NO_ACTIVATION: Activation = ("none", [])
ACTIVATIONS: dict[type[nn.Module], Activation] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
    nn.SiLU: ("swish", []),
    nn.GELU: ("gelu", []),
}
_TOLERANCE = 2e-2  # relative to the largest value; bfloat16 has 8 bits, so one rounding is 4e-3


def activation_of(module: nn.Module) -> Activation | None:
    """Return the name of an activation in oneDNN, or None if oneDNN has no equal one."""
    # timm has a class of its own with this name.
    if type(module).__name__ == "GELU":
        is_exact = getattr(module, "approximate", "none") == "none"
        return ACTIVATIONS[nn.GELU] if is_exact else None
    return ACTIVATIONS.get(type(module))


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Apply an activation with torch's public functions, in place where that is possible."""
    match activation[0]:
        case "relu":
            return x.relu_()
        case "hardtanh":
            return functional.relu6(x, inplace=True)
        case "hardswish":
            return functional.hardswish(x, inplace=not torch.is_grad_enabled())
        case "swish":
            return functional.silu(x, inplace=not torch.is_grad_enabled())
        case "gelu":
            return functional.gelu(x)
        case _:
            return x


class FusedConv(nn.Module):
    """A convolution with its activation.

    Its parameters have the names `weight` and `bias`, as in the convolution that it replaces.

    In bfloat16 on a CPU without gradients, oneDNN computes everything in one pass. In a mobile
    network, the activations alone would take longer than the convolutions (benchmarks/features.md).
    In all other cases, it computes the same as the two separate modules.

    Attributes:
        offset: Correction of shape (outputs,), added to the bias in the fused computation. See
            `correct_rounding`.
    """

    def __init__(self, conv: nn.Conv2d, activation: Activation = NO_ACTIVATION) -> None:
        super().__init__()
        self.weight, self.bias, self.activation = conv.weight, conv.bias, activation
        self.stride, self.groups = conv.stride, conv.groups
        # None: TensorFlow's "same" padding, which depends on the input size.
        self.padding = conv.padding if type(conv) is nn.Conv2d else None
        self.offset: Tensor | None = None
        self._packed: dict[tuple[object, ...], tuple[Tensor, Tensor | None, int]] = {}

    def forward(self, x: Tensor) -> Tensor:
        if can_fuse(x):
            return self.fused(x)
        return self.plain(x)

    def plain(self, x: Tensor) -> Tensor:
        """Compute the convolution and the activation with torch's public functions."""
        return self.activate(self.convolve(x, self.weight))

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """Compute the convolution with torch's public functions and a given weight."""
        if self.padding is None:
            before, after = _same_padding(x.shape[2], weight.shape[2], self.stride[0])
            x = functional.pad(x, (before, after) * 2)

        # In bfloat16, oneDNN's gradients of wide depthwise kernels are 6 to 100 times slower
        # (benchmarks/finetune.md).
        is_slow = self.groups > 1 and torch.is_grad_enabled() and x.device.type == "cpu"
        with torch.autocast(x.device.type, enabled=False) if is_slow else nullcontext():
            inputs = x.float() if is_slow else x
            return functional.conv2d(
                inputs, weight, self.bias, self.stride, self.padding or 0, 1, self.groups
            )

    def activate(self, x: Tensor) -> Tensor:
        """Apply the activation, in place where that is possible."""
        return activate(x, self.activation)

    @property
    def version(self) -> tuple[int, int]:
        """Return a value that changes whenever the weights change."""
        return self.weight._version, self.weight.data_ptr()

    def fused(self, x: Tensor) -> Tensor:
        """Compute the convolution and the activation with oneDNN, in one pass."""
        x = x.bfloat16()
        offset = None if self.offset is None else self.offset.data_ptr()
        key = (*self.version, offset, x.shape[1:])
        if key not in self._packed:
            self._packed = {key: self._pack(x)}

        weight, bias, padding = self._packed[key]
        return _convolve(x, weight, bias, padding, self.stride, self.groups, self.activation)

    def _pack(self, x: Tensor) -> tuple[Tensor, Tensor | None, int]:
        """Return the weight in oneDNN's layout for such an input, the bias, and the padding.

        oneDNN pads both sides by the same amount. If the end needs one row and column more, the
        kernel gets a row and a column of zeros at its start. This is faster than a padded copy of
        the input.
        """
        weight = round_weights(self.weight)
        bias = None if self.bias is None else self.bias.detach().float()
        if self.offset is not None:
            bias = self.offset if bias is None else bias + self.offset

        if self.padding is None:
            before, padding = _same_padding(x.shape[2], weight.shape[2], self.stride[0])
            if before < padding:
                weight = functional.pad(weight, (1, 0, 1, 0))
        else:
            padding = int(self.padding[0])

        return _reorder(weight, x, padding, self.stride, self.groups), bias, padding

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_packed": {}}  # packed weights are recreated when needed


class FusedLinear(nn.Module):
    """A linear layer with its activation.

    Its parameters have the names `weight` and `bias`, as in the layer that it replaces.

    In bfloat16 on a CPU without gradients, oneDNN computes it as a convolution of 1x1 pixels, which
    keeps its weights packed (benchmarks/features.md). In all other cases, it computes the same as
    the two separate modules.
    """

    def __init__(self, linear: nn.Linear, activation: Activation = NO_ACTIVATION) -> None:
        super().__init__()
        self.weight, self.bias, self.activation = linear.weight, linear.bias, activation
        self._packed: dict[tuple[object, ...], tuple[Tensor, Tensor | None]] = {}

    def forward(self, x: Tensor) -> Tensor:
        if can_fuse(x):
            return self.fused(x)
        return activate(functional.linear(x, self.weight, self.bias), self.activation)

    def fused(self, x: Tensor) -> Tensor:
        """Compute the layer and the activation with oneDNN, in one pass.

        Args:
            x: Vectors of shape (N, ..., inputs).

        Returns:
            Vectors of shape (N, ..., outputs), bfloat16.
        """
        maps = x.bfloat16().reshape(len(x), -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
        key = (self.weight._version, self.weight.data_ptr(), maps.shape[1:])
        if key not in self._packed:
            rounded = self.weight.detach().bfloat16()[:, :, None, None]
            exact_bias = None if self.bias is None else self.bias.detach().float()
            self._packed = {key: (_reorder(rounded, maps, 0, (1, 1), 1), exact_bias)}

        weight, bias = self._packed[key]
        outputs = _convolve(maps, weight, bias, 0, (1, 1), 1, self.activation)
        return outputs.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_packed": {}}  # packed weights are recreated when needed


def _reorder(
    weight: Tensor, x: Tensor, padding: int, stride: tuple[int, ...], groups: int
) -> Tensor:
    """Return the weight in oneDNN's layout for inputs of the shape of `x`."""
    reorder: Callable[..., Tensor] = torch.ops.mkldnn._reorder_convolution_weight
    weight = weight.contiguous(memory_format=torch.channels_last)
    return reorder(weight, [padding] * 2, stride, [1, 1], groups, list(x.shape))


def _convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: int,
    stride: tuple[int, ...],
    groups: int,
    activation: Activation,
) -> Tensor:
    """Convolve with a weight in oneDNN's layout, and apply the activation."""
    run: Callable[..., Tensor] = torch.ops.mkldnn._convolution_pointwise
    name, scalars = activation
    algorithm = "none" if name == "gelu" else ""  # of GELU: exact, not tanh
    return run(x, weight, bias, [padding] * 2, stride, [1, 1], groups, name, scalars, algorithm)


def round_weights(weight: Tensor) -> Tensor:
    """Round a convolution's weights to bfloat16, with error diffusion within each kernel.

    The rounding error of each weight is added to the next one. Neighbouring pixels are similar,
    so the sum of the errors of a kernel matters more than each single error.

    Args:
        weight: Weights of shape (outputs, inputs, height, width), float32.

    References:
        Floyd and Steinberg (1976), for pixels.
    """
    exact = weight.detach().flatten(2)
    rounded = torch.empty_like(exact, dtype=torch.bfloat16)
    error = torch.zeros_like(exact[..., 0])
    for position in range(exact.shape[2]):
        target = exact[..., position] + error
        rounded[..., position] = target
        error = target - rounded[..., position]
    return rounded.view_as(weight)


def can_fuse(x: Tensor) -> bool:
    """Return whether `FusedConv` computes such an input with oneDNN, in bfloat16."""
    return (
        not torch.is_grad_enabled()
        and x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and fused_ops_work()
    )


@cache
def fused_ops_work() -> bool:
    """Return whether oneDNN's operators exist and agree with torch's public functions.

    Tests small layers with each activation once per process. The operators are private to torch, so
    another version or another processor may lack them or compute something else.
    """
    try:
        agrees = True
        for activation in ACTIVATIONS.values():
            agrees = agrees and _agrees_with_plain(1, activation)
            agrees = agrees and _agrees_with_plain(8, activation)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        agrees = False
    if not agrees:
        progress.say(
            "fused convolutions do not work with this torch and processor; using slower ones"
        )
    return agrees


def _agrees_with_plain(groups: int, activation: Activation) -> bool:
    # No random numbers here: the check can run in the middle of a random computation.
    with torch.inference_mode(False), torch.no_grad(), torch.autocast("cpu", enabled=False):
        empty = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=groups, device="meta")
        conv = empty.to_empty(device="cpu")
        for scale, weight in enumerate(conv.parameters(), 1):
            weight.copy_(torch.arange(weight.numel()).view_as(weight).mul(scale).sin())

        wave = 3 * torch.arange(2.0 * 8 * 9 * 9).cos()
        x = wave.view(2, 8, 9, 9).contiguous(memory_format=torch.channels_last)
        layer = FusedConv(conv, activation)
        plain, fused = layer.plain(x), layer.fused(x).float()
    if fused.shape != plain.shape:
        return False
    return bool((fused - plain).abs().max() <= _TOLERANCE * plain.max())


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after for an output of ceil(size / stride): "same"."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
