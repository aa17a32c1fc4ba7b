"""A 3x3 convolution whose weight gradient is fast on small feature maps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

# Pixels of the output. At 3x3 and 4x4, oneDNN's gradient of the weights takes 2 to 4 times as long
# as a matrix product on processors with AMX, and about as long on others. From 7x7 on, it is faster
# (benchmarks/small_maps.py).
SMALL_MAP = 16


class Conv3x3(nn.Conv2d):
    """A padded 3x3 convolution without bias.

    Maps (N, inputs, H, W) to (N, filters, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, inputs: int, filters: int, stride: int = 1) -> None:
        super().__init__(inputs, filters, 3, stride, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        pixels = -(-x.shape[2] // self.stride[0]) * -(-x.shape[3] // self.stride[0])
        if (
            self.training
            and pixels <= SMALL_MAP
            and x.device.type == "cpu"
            and torch.is_autocast_enabled("cpu")
        ):
            dtype = torch.get_autocast_dtype("cpu")
            outputs: Tensor = _ByMatrixProduct.apply(
                x.to(dtype), self.weight.to(dtype), self.stride[0]
            )
            return outputs
        return super().forward(x)


class _ByMatrixProduct(torch.autograd.Function):
    """The convolution, with its weight gradient as a product of patches and output gradients."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        context.save_for_backward(x, weight)
        context.stride = stride
        return functional.conv2d(x, weight, None, stride, padding=1)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (x, weight), stride = context.saved_tensors, context.stride
        input_gradient = weight_gradient = None
        if context.needs_input_grad[0]:
            input_gradient = conv2d_input(  # type: ignore[no-untyped-call]
                list(x.shape), weight, gradient, stride, padding=1
            )
        if context.needs_input_grad[1]:
            weight_gradient = _weight_gradient(x, weight, gradient, stride)
        return input_gradient, weight_gradient, None


def _weight_gradient(x: Tensor, weight: Tensor, gradient: Tensor, stride: int) -> Tensor:
    filters, inputs = weight.shape[:2]
    # Two products of half the images, one per thread, are a fifth faster.
    parts = 2 - len(x) % 2
    padded = functional.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    windows = padded.unfold(1, 3, stride).unfold(2, 3, stride)  # (N, h, w, inputs, 3, 3)
    patches = windows.permute(0, 1, 2, 4, 5, 3).reshape(parts, -1, 9 * inputs)

    output_gradient = gradient.permute(0, 2, 3, 1).reshape(parts, -1, filters)
    product = torch.bmm(output_gradient.transpose(1, 2), patches).sum(0)
    return product.view(filters, 3, 3, inputs).permute(0, 3, 1, 2)
